/*
 * exec.c - stages and their workers.
 *
 * Helpers: threads start only after the calling thread has worked through HELP_AFTER batches: a look-up by trace or session
 *          never pays for them.
 * Failure: the first error of any worker stops all of them and is the statement's.
 */
#include "query/exec.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"

#define HELP_AFTER 3u

void exec_keep(struct exec *x, struct source_run *own_source, struct dict_cache *own_cache)
{
    struct kept *k = MEM_NEW(struct kept);
    *k = (struct kept){.source = own_source, .cache = own_cache, .next = x->kept};
    x->kept = k;
}

void exec_deinit(struct exec *x)
{
    while (x->kept != NULL) {
        struct kept *next = x->kept->next;
        if (x->kept->source != NULL)
            source_run_close(x->kept->source);
        mem_free(x->kept->source);
        dict_cache_destroy(x->kept->cache);
        mem_free(x->kept);
        x->kept = next;
    }
}

void worker_eval(struct worker *w, const struct vec *columns, uint32_t rows, struct eval *ret,
                 struct error *reterr)
{
    *ret = (struct eval){.run = w->stage->x->run,
                         .scratch = &w->scratch,
                         .texts = &w->texts,
                         .columns = columns,
                         .rows = rows,
                         .cache = w->cache,
                         .reterr = reterr};
}

static void worker_init(struct worker *w, struct stage *stage)
{
    *w = (struct worker){.stage = stage, .reader = {.source = stage->source}};
    w->columns = mem_zero(stage->column_count + 1, sizeof *w->columns);
    w->dense = mem_zero(stage->column_count + 1, sizeof *w->dense);
    w->cache = dict_cache_create(stage->dict_slots);
    if (stage->group)
        group_sink_init(w);
    else
        row_sink_init(w);
}

static void worker_deinit(struct worker *w)
{
    source_reader_close(&w->reader);
    if (w->stage->group)
        group_sink_deinit(w);
    else
        row_sink_deinit(w);
    /* Texts of rows may point into the dictionaries of computed texts. */
    if (w->cache != NULL)
        exec_keep(w->stage->x, NULL, w->cache);
    mem_free(w->columns);
    mem_free(w->dense);
    scratch_deinit(&w->scratch);
    arena_deinit(&w->texts);
}

/* Rows that pass all conditions; 0: none. picked[] lists them unless all rows do. */
static enum status filter(struct worker *w, uint32_t rows, uint32_t **ret_picked,
                          uint32_t *ret_left, struct error *reterr)
{
    const struct stage *stage = w->stage;
    struct eval ev;
    uint32_t left = rows;
    worker_eval(w, w->columns, rows, &ev, reterr);
    uint8_t *mask = SCRATCH_ARRAY(&w->scratch, uint8_t, rows);
    memset(mask, 1, rows);
    for (uint32_t i = 0; i < stage->where_count && left > 0; i++) {
        enum status s = eval_mask(&ev, stage->where[i], mask, &left);
        if (s < 0)
            return s;
    }
    *ret_left = left;
    *ret_picked = NULL;
    if (left == 0 || left == rows)
        return STATUS_OK;
    *ret_picked = SCRATCH_ARRAY(&w->scratch, uint32_t, rows + 1);
    (void)mask_pick(mask, rows, *ret_picked);
    return STATUS_OK;
}

static enum status process(struct worker *w, uint32_t rows, struct error *reterr)
{
    const struct stage *stage = w->stage;
    uint32_t *picked = NULL;
    uint32_t left = rows;
    enum status s;
    if (stage->where_count > 0 && (s = filter(w, rows, &picked, &left, reterr)) < 0)
        return s;
    if (left == 0)
        return STATUS_OK;
    if (picked == NULL)
        return stage->push(w, w->columns, rows, reterr);
    for (uint32_t i = 0; i < stage->column_count; i++)
        if (stage->late == NULL || stage->late[i])
            vec_gather(&w->columns[i], picked, left, &w->scratch, &w->dense[i]);
    return stage->push(w, w->dense, left, reterr);
}

/* One batch. STATUS_END: the source is empty or enough rows are there. */
static enum status worker_step(struct worker *w, struct error *reterr)
{
    enum status s;
    uint32_t rows;
    struct run *run = w->stage->x->run;
    if (atomic_load_explicit(&run->stop, memory_order_relaxed))
        return STATUS_END;
    if ((s = run_check(run, reterr)) < 0)
        return s;
    scratch_reset(&w->scratch);
    arena_reset(&w->texts);
    s = source_reader_next(&w->reader, &w->scratch, w->columns, &rows, reterr);
    return s == STATUS_OK ? process(w, rows, reterr) : s;
}

static void report_failure(struct run *run, const struct error *error)
{
    mutex_lock(&run->lock);
    if (run->error.status == STATUS_OK)
        run->error = *error;
    mutex_unlock(&run->lock);
    atomic_store(&run->stop, true);
}

static void work(struct worker *w)
{
    struct error error = {0};
    enum status s;
    do
        s = worker_step(w, &error);
    while (s == STATUS_OK);
    if (s < 0)
        report_failure(w->stage->x->run, &error);
}

static void helper_run(void *context)
{
    work(context);
}

/* Is there more than a few batches to do? For rows in memory that is known. */
static bool worth_helping(const struct stage *stage)
{
    if (stage->source->scan != NULL)
        return true;
    return stage->source->rows.rows > 8 * BLOCK_ROWS;
}

static enum status run_workers(struct stage *stage, struct worker *workers, uint32_t *ret_count,
                               struct error *reterr)
{
    struct run *run = stage->x->run;
    struct thread threads[64];
    uint32_t helpers = 0;
    enum status s = STATUS_OK;
    struct error error = {0};
    worker_init(&workers[0], stage);
    for (uint32_t i = 0; i < HELP_AFTER && s == STATUS_OK; i++)
        s = worker_step(&workers[0], &error);
    if (s < 0)
        report_failure(run, &error);
    if (s == STATUS_OK) {
        while (helpers + 1 < run->threads && helpers < 63 && worth_helping(stage)) {
            worker_init(&workers[helpers + 1], stage);
            thread_start(&threads[helpers], "query", helper_run, &workers[helpers + 1]);
            helpers++;
        }
        work(&workers[0]);
    }
    for (uint32_t i = 0; i < helpers; i++)
        thread_join(&threads[i]);
    *ret_count = helpers + 1;
    if (helpers + 1 > run->threads_used)
        run->threads_used = helpers + 1;
    atomic_store(&run->stop, false);
    if (run->error.status < 0) {
        if (reterr != NULL)
            *reterr = run->error;
        return run->error.status;
    }
    return STATUS_OK;
}

/* Rows through the row sinks into ret, which has the layout's columns. */
static enum status run_rows(struct stage *stage, struct relation *ret, struct error *reterr)
{
    uint32_t count = 0;
    struct run *run = stage->x->run;
    struct worker *workers = mem_zero(run->threads, sizeof *workers);
    stage->push = row_sink_push;
    enum status s = run_workers(stage, workers, &count, reterr);
    relation_init(ret, stage->layout.phys, stage->layout.column_count);
    for (uint32_t i = 0; i < count; i++) {
        if (s == STATUS_OK) {
            run_discharge(run, workers[i].rows.rows.charged);
            workers[i].rows.rows.charged = 0;
            relation_concat(ret, &workers[i].rows.rows);
        }
        worker_deinit(&workers[i]);
    }
    mem_free(workers);
    return s < 0 ? s : relation_charge(ret, run, reterr);
}

/* Rows into groups, and groups into rows of their own. */
static enum status run_groups(struct stage *stage, struct relation *ret, struct error *reterr)
{
    uint32_t count = 0;
    struct run *run = stage->x->run;
    struct worker *workers = mem_zero(run->threads, sizeof *workers);
    stage->push = group_sink_push;
    enum status s = run_workers(stage, workers, &count, reterr);
    for (uint32_t i = 1; i < count && s == STATUS_OK; i++)
        s = group_sink_join(&workers[0], &workers[i], reterr);
    if (s == STATUS_OK)
        s = groups_emit(stage->plan, &workers[0].groups, run, ret, reterr);
    for (uint32_t i = 0; i < count; i++)
        worker_deinit(&workers[i]);
    mem_free(workers);
    return s;
}

static const bool *late_columns(const struct plan *plan, struct arena *arena)
{
    bool *late = arena_zero(arena, plan->source.column_count + 1, sizeof *late);
    for (uint32_t i = 0; i < plan->source.column_count; i++)
        late[i] = plan->source.columns[i].used_late;
    return late;
}

enum status exec_gather(struct exec *x, struct plan *plan, struct relation *ret,
                        struct error *reterr)
{
    struct source_run *source = MEM_NEW(struct source_run);
    exec_keep(x, source, NULL);
    enum status s = source_run_open(x, plan, source, reterr);
    if (s < 0)
        return s;
    struct stage stage = {.x = x,
                          .plan = plan,
                          .source = source,
                          .where = plan->where,
                          .where_count = plan->where_count,
                          .column_count = plan->source.column_count,
                          .late = late_columns(plan, x->arena),
                          .dict_slots = plan->dict_slots};
    row_layout_make(plan, x->arena, &stage.layout);
    return run_rows(&stage, ret, reterr);
}

static enum status exec_groups(struct exec *x, struct plan *plan, struct relation *ret,
                               struct error *reterr)
{
    struct source_run *source = MEM_NEW(struct source_run);
    exec_keep(x, source, NULL);
    enum status s = source_run_open(x, plan, source, reterr);
    if (s < 0)
        return s;
    struct stage stage = {.x = x,
                          .plan = plan,
                          .source = source,
                          .where = plan->where,
                          .where_count = plan->where_count,
                          .column_count = plan->source.column_count,
                          .late = late_columns(plan, x->arena),
                          .dict_slots = plan->dict_slots,
                          .group = true};
    return run_groups(&stage, ret, reterr);
}

static enum status exec_grouped(struct exec *x, struct plan *plan, struct relation *ret,
                                struct error *reterr)
{
    struct relation groups = {0};
    enum status s = exec_groups(x, plan, &groups, reterr);
    if (s == STATUS_OK)
        s = relation_charge(&groups, x->run, reterr);
    if (s < 0) {
        relation_deinit(&groups);
        return s;
    }
    struct source_run *over = MEM_NEW(struct source_run);
    struct expr *having[1] = {plan->having};
    uint32_t columns = groups.column_count;
    source_run_over(over, x->run, &groups);
    exec_keep(x, over, NULL);
    struct stage stage = {.x = x,
                          .plan = plan,
                          .source = over,
                          .where = having,
                          .where_count = plan->having != NULL ? 1 : 0,
                          .column_count = columns};
    row_layout_make(plan, x->arena, &stage.layout);
    return run_rows(&stage, ret, reterr);
}

enum status exec_plan(struct exec *x, struct plan *plan, struct relation *ret, struct error *reterr)
{
    enum status s;
    int64_t started = clock_monotonic_ns();
    struct row_layout layout;
    *ret = (struct relation){0};
    if (plan->grouped)
        s = exec_grouped(x, plan, ret, reterr);
    else if (exec_can_step(plan))
        s = exec_gather_by_time(x, plan, ret, reterr);
    else
        s = exec_gather(x, plan, ret, reterr);
    if (s == STATUS_OK) {
        row_layout_make(plan, x->arena, &layout);
        s = rows_finish(plan, &layout, x->run, ret, reterr);
    }
    plan->rows_out = ret->rows;
    plan->elapsed_ns = clock_monotonic_ns() - started;
    if (s < 0) {
        run_discharge(x->run, ret->charged);
        relation_deinit(ret);
    }
    return s;
}
