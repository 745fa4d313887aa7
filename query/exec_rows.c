/*
 * exec_rows.c - the sink for rows: outputs and sort keys of every row, or of the best LIMIT + OFFSET only.
 *
 * Top:  with LIMIT, a worker keeps at most a few times the rows that can still matter; once it has enough, a batch is first
 *       compared with the worst row kept by its first key alone, and only what passes is computed further.
 * Late: outputs are computed for rows that passed; messages are rendered when the result is written.
 */
#include "engine/base/limits.h"

#include "query/exec.h"
#include "query/order.h"

void row_layout_make(const struct plan *plan, struct arena *arena, struct row_layout *ret)
{
    uint32_t most = plan->output_count + plan->order_count;
    *ret = (struct row_layout){.column_count = plan->output_count, .key_count = plan->order_count};
    ret->exprs = ARENA_ARRAY(arena, const struct expr *, most + 1);
    ret->phys = ARENA_ARRAY(arena, enum phys, most + 1);
    ret->keys = ARENA_ARRAY(arena, struct sort_key, plan->order_count + 1);
    for (uint32_t i = 0; i < plan->output_count; i++)
        ret->exprs[i] = plan->outputs[i].expr;
    for (uint32_t i = 0; i < plan->order_count; i++) {
        const struct order_item *item = &plan->order[i];
        uint32_t at = 0;
        while (at < ret->column_count && !expr_equal(ret->exprs[at], item->expr))
            at++;
        if (at == ret->column_count)
            ret->exprs[ret->column_count++] = item->expr;
        ret->keys[i] = (struct sort_key){
            .column = at, .descending = item->descending, .nulls_first = item->nulls_first};
    }
    for (uint32_t i = 0; i < ret->column_count; i++)
        ret->phys[i] = ret->exprs[i]->phys;
    if (plan->has_limit && plan->limit <= TOP_ROWS_MAX &&
        plan->offset <= TOP_ROWS_MAX - plan->limit)
        ret->top = plan->limit + plan->offset;
}

void row_sink_init(struct worker *w)
{
    const struct row_layout *layout = &w->stage->layout;
    relation_init(&w->rows.rows, layout->phys, layout->column_count);
}

void row_sink_deinit(struct worker *w)
{
    run_discharge(w->stage->x->run, w->rows.rows.charged);
    relation_deinit(&w->rows.rows);
}

/* ---- keeping the best ---- */

/* Cuts the rows down to the best `top` and remembers the worst of them. */
static enum status cut(struct worker *w, struct error *reterr)
{
    const struct row_layout *layout = &w->stage->layout;
    struct row_sink *sink = &w->rows;
    uint32_t *order;
    enum status s = relation_sort(&sink->rows, layout->keys, layout->key_count, w->stage->x->run,
                                  &order, reterr);
    if (s < 0)
        return s;
    relation_pick(&sink->rows, order, 0, layout->top);
    mem_free(order);
    const struct relation_column *c = &sink->rows.columns[layout->keys[0].column];
    uint64_t last = layout->top - 1;
    bool number = c->phys == PHYS_I64 || c->phys == PHYS_F64;
    sink->has_threshold = number && c->valid[last] != 0;
    if (sink->has_threshold && c->phys == PHYS_I64)
        sink->threshold = ((const int64_t *)(const void *)c->data)[last];
    else if (sink->has_threshold)
        sink->threshold = order_key_f64(((const double *)(const void *)c->data)[last]);
    return STATUS_OK;
}

/* Rows that may be better than the threshold, by the first key. NULLs pass where they sort first. */
static uint32_t pick_better(const struct worker *w, const struct vec *key, uint32_t rows,
                            uint32_t *picked)
{
    const struct sort_key *k = &w->stage->layout.keys[0];
    int64_t threshold = w->rows.threshold;
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows; i++) {
        bool has = key->valid == NULL || key->valid[i] != 0;
        int64_t value = key->phys == PHYS_I64 ? key->i64[i] : order_key_f64(key->f64[i]);
        bool better = k->descending ? value >= threshold : value <= threshold;
        picked[count] = i;
        count += has ? better : k->nulls_first;
    }
    return count;
}

/* Gathers the columns of the picked rows; returns where they are. */
static const struct vec *pick_rows(struct worker *w, const struct vec *columns,
                                   const uint32_t *picked, uint32_t count)
{
    const struct stage *stage = w->stage;
    struct vec *dense = SCRATCH_ARRAY(&w->scratch, struct vec, stage->column_count + 1);
    memset(dense, 0, (stage->column_count + 1) * sizeof *dense);
    for (uint32_t i = 0; i < stage->column_count; i++)
        if (stage->late == NULL || stage->late[i])
            vec_gather(&columns[i], picked, count, &w->scratch, &dense[i]);
    return dense;
}

static enum status drop_worse(struct worker *w, const struct vec **columns, uint32_t *rows,
                              struct error *reterr)
{
    const struct row_layout *layout = &w->stage->layout;
    struct eval ev;
    struct vec key;
    worker_eval(w, *columns, *rows, &ev, reterr);
    enum status s = eval_expr(&ev, layout->exprs[layout->keys[0].column], &key);
    if (s < 0 || key.constant)
        return s;
    uint32_t *picked = SCRATCH_ARRAY(&w->scratch, uint32_t, *rows + 1);
    uint32_t count = pick_better(w, &key, *rows, picked);
    if (count == *rows)
        return STATUS_OK;
    if (count > 0)
        *columns = pick_rows(w, *columns, picked, count);
    *rows = count;
    return STATUS_OK;
}

/* LIMIT without ORDER BY: only as many rows as are still missing. */
static uint32_t still_wanted(struct worker *w, uint32_t rows)
{
    struct stage *stage = w->stage;
    const struct plan *plan = stage->plan;
    if (!plan->has_limit || plan->order_count > 0 || plan->limit > UINT64_MAX - plan->offset)
        return rows;
    uint64_t wanted = plan->limit + plan->offset;
    uint64_t before = atomic_fetch_add(&stage->rows_out, rows);
    if (before >= wanted)
        return 0;
    return wanted - before < rows ? (uint32_t)(wanted - before) : rows;
}

static enum status too_many_rows(const struct run *run, struct error *reterr)
{
    return error_set(
        reterr, STATUS_LIMIT,
        "the result has more than its limit of %llu rows; add LIMIT or raise the query "
        "row limit",
        (unsigned long long)run->rows_max);
}

/* Rows that no later step takes away count against the limit at once. */
static enum status check_rows(struct worker *w, uint32_t rows, struct error *reterr)
{
    struct stage *stage = w->stage;
    const struct plan *plan = stage->plan;
    const struct run *run = stage->x->run;
    if (plan->outermost && !plan->has_limit &&
        atomic_fetch_add(&stage->rows_out, rows) + rows > run->rows_max + plan->offset)
        return too_many_rows(run, reterr);
    if (w->rows.rows.rows > UINT32_MAX / 2)
        return too_many_rows(run, reterr);
    return STATUS_OK;
}

enum status row_sink_push(struct worker *w, const struct vec *columns, uint32_t rows,
                          struct error *reterr)
{
    enum status s;
    const struct row_layout *layout = &w->stage->layout;
    struct row_sink *sink = &w->rows;
    struct eval ev;
    bool top = layout->top > 0 && layout->key_count > 0;
    if (w->stage->plan->has_limit && w->stage->plan->limit == 0)
        return STATUS_END;
    if ((rows = still_wanted(w, rows)) == 0)
        return STATUS_END;
    if (top && sink->has_threshold && (s = drop_worse(w, &columns, &rows, reterr)) < 0)
        return s;
    if (rows == 0)
        return STATUS_OK;
    struct vec *values = SCRATCH_ARRAY(&w->scratch, struct vec, layout->column_count + 1);
    worker_eval(w, columns, rows, &ev, reterr);
    for (uint32_t i = 0; i < layout->column_count; i++)
        if ((s = eval_expr(&ev, layout->exprs[i], &values[i])) < 0)
            return s;
    relation_append(&sink->rows, values, rows, true, &w->scratch);
    if (top && sink->rows.rows > 4 * layout->top + 2 * BLOCK_ROWS && (s = cut(w, reterr)) < 0)
        return s;
    if ((s = check_rows(w, rows, reterr)) < 0)
        return s;
    return relation_charge(&sink->rows, w->stage->x->run, reterr);
}

/* ---- the end ---- */

static void drop_columns(struct relation *r, uint32_t keep)
{
    for (uint32_t i = keep; i < r->column_count; i++)
        relation_free_column(&r->columns[i]);
    r->column_count = keep;
}

enum status rows_finish(const struct plan *plan, const struct row_layout *layout, struct run *run,
                        struct relation *rows, struct error *reterr)
{
    uint64_t first = plan->offset < rows->rows ? plan->offset : rows->rows;
    uint64_t count = rows->rows - first;
    if (plan->has_limit && count > plan->limit)
        count = plan->limit;
    uint32_t *order = NULL;
    if (layout->key_count > 0 && rows->rows > 1) {
        enum status s = relation_sort(rows, layout->keys, layout->key_count, run, &order, reterr);
        if (s < 0)
            return s;
    } else if (count != rows->rows) {
        order = mem_alloc(rows->rows * sizeof *order);
        for (uint64_t i = 0; i < rows->rows; i++)
            order[i] = (uint32_t)i;
    }
    drop_columns(rows, plan->output_count);
    if (order != NULL)
        relation_pick(rows, order, first, count);
    mem_free(order);
    return relation_charge(rows, run, reterr);
}
