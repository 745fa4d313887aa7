/*
 * exec_source.c - batches from scans and from rows in memory.
 */
#include "engine/base/check.h"
#include "engine/base/limits.h"

#include "query/exec.h"

/* A condition that is constant and not true. */
static bool never_true(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->where_count; i++) {
        const struct expr *e = plan->where[i];
        if (e->kind == EXPR_CONST && (e->is_null || e->value.i64 == 0))
            return true;
    }
    return plan->from_ns >= plan->until_ns;
}

static enum status open_scan(struct source_run *s, struct error *reterr)
{
    const struct plan *plan = s->plan;
    const struct source *source = &plan->source;
    s->scan_columns = mem_zero(source->column_count + 1, sizeof *s->scan_columns);
    s->scan_places = mem_zero(source->column_count + 1, sizeof *s->scan_places);
    for (uint32_t i = 0; i < source->column_count; i++)
        if (source->columns[i].used) {
            s->scan_columns[s->scan_column_count] = source->columns[i].stored;
            s->scan_places[s->scan_column_count++] = i;
        }
    bool all_time = plan->from_ns == INT64_MIN && plan->until_ns == INT64_MAX;
    struct scan_options options = {
        .project = s->run->project,
        .table = source->table,
        .from_ns = all_time ? 0 : plan->from_ns,
        .until_ns = all_time ? 0 : plan->until_ns,
        .columns = s->scan_columns,
        .column_count = s->scan_column_count,
        .filters = plan->filters,
        .filter_count = plan->filter_count,
    };
    return scan_open(s->run->engine, &options, &s->scan, reterr);
}

static void init_rows(struct source_run *s)
{
    const struct source *source = &s->plan->source;
    enum phys *phys = mem_zero(source->column_count + 1, sizeof *phys);
    for (uint32_t i = 0; i < source->column_count; i++)
        phys[i] = source->columns[i].phys;
    relation_init(&s->rows, phys, source->column_count);
    mem_free(phys);
}

enum status source_run_open(struct exec *x, struct plan *plan, struct source_run *ret,
                            struct error *reterr)
{
    enum status s = STATUS_OK;
    ret->plan = plan;
    ret->run = x->run;
    atomic_init(&ret->next_row, 0);
    ret->nothing = never_true(plan);
    switch (plan->source.kind) {
    case SOURCE_NOTHING:
        relation_init(&ret->rows, NULL, 0);
        ret->rows.rows = 1;
        break;
    case SOURCE_SCAN:
        if (!ret->nothing)
            s = open_scan(ret, reterr);
        break;
    case SOURCE_ROWS:
        init_rows(ret);
        s = plan->source.fill(plan->source.fill_context, x->run, &ret->rows, reterr);
        break;
    case SOURCE_PLAN:
        s = exec_plan(x, plan->source.plan, &ret->rows, reterr);
        break;
    }
    if (s == STATUS_OK && ret->rows.columns != NULL)
        s = relation_charge(&ret->rows, x->run, reterr);
    return s;
}

void source_run_over(struct source_run *s, struct run *run, struct relation *own_rows)
{
    *s = (struct source_run){.run = run, .rows = *own_rows};
    *own_rows = (struct relation){0};
    atomic_init(&s->next_row, 0);
}

/* Adds what the scan did to the statement's account. */
static void report_scan(struct source_run *s)
{
    struct scan_stats stats = scan_stats(s->scan);
    const struct error *damage = scan_damage(s->scan);
    struct run *r = s->run;
    mutex_lock(&r->lock);
    r->scanned.segments += stats.segments;
    r->scanned.segments_skipped += stats.segments_skipped;
    r->scanned.blocks += stats.blocks;
    r->scanned.blocks_skipped += stats.blocks_skipped;
    r->scanned.rows += stats.rows;
    r->scanned.damaged += stats.damaged;
    if (damage != NULL && !r->damaged) {
        r->damaged = true;
        r->damage = *damage;
    }
    mutex_unlock(&r->lock);
}

void source_run_close(struct source_run *s)
{
    if (s->scan != NULL) {
        report_scan(s);
        scan_close(s->scan);
    }
    mem_free(s->scan_columns);
    mem_free(s->scan_places);
    if (s->run != NULL)
        run_discharge(s->run, s->rows.charged);
    relation_deinit(&s->rows);
    *s = (struct source_run){0};
}

static enum status next_scanned(struct source_reader *r, struct scratch *scratch,
                                struct vec *columns, uint32_t *ret_rows, struct error *reterr)
{
    struct source_run *s = r->source;
    struct scan_batch batch;
    if (r->scan == NULL)
        r->scan = scan_reader_create(s->scan);
    enum status status = scan_next(r->scan, &batch, reterr);
    if (status != STATUS_OK)
        return status;
    for (uint32_t i = 0; i < s->scan_column_count; i++) {
        uint32_t place = s->scan_places[i];
        const struct vector *v = &batch.vectors[i];
        enum phys phys = s->plan->source.columns[place].phys;
        if (v->storage == STORAGE_STR)
            phys = PHYS_CODES;
        vec_from_vector(v, phys, batch.rows, scratch, &columns[place]);
    }
    *ret_rows = batch.rows;
    return STATUS_OK;
}

enum status source_reader_next(struct source_reader *r, struct scratch *scratch,
                               struct vec *columns, uint32_t *ret_rows, struct error *reterr)
{
    struct source_run *s = r->source;
    if (s->nothing)
        return STATUS_END;
    if (s->scan != NULL)
        return next_scanned(r, scratch, columns, ret_rows, reterr);
    uint64_t first = atomic_fetch_add(&s->next_row, BLOCK_ROWS);
    if (first >= s->rows.rows)
        return STATUS_END;
    uint64_t left = s->rows.rows - first;
    for (uint32_t i = 0; i < s->rows.column_count; i++) {
        struct vec all = relation_vec(&s->rows, i);
        columns[i] = vec_slice(&all, first);
    }
    *ret_rows = left < BLOCK_ROWS ? (uint32_t)left : BLOCK_ROWS;
    return STATUS_OK;
}

void source_reader_close(struct source_reader *r)
{
    if (r->scan != NULL)
        scan_reader_destroy(r->scan);
    *r = (struct source_reader){0};
}
