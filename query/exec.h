/*
 * exec.h - runs plans: sources deliver batches, workers filter them, sinks gather rows or groups.
 *
 * Place:   plan -> [here] -> engine scans, eval, agg
 * Threads: a stage runs in the calling thread and, once it has shown to be long, in helpers. Each worker has a sink of its
 *          own; sinks are joined when all workers are done.
 * Files:   exec.c (stages), exec_source.c, exec_rows.c (row sink), exec_group.c (group sink), emit.c and rolling.c (groups to rows)
 */
#ifndef DRIFTLINE_QUERY_EXEC_H
#define DRIFTLINE_QUERY_EXEC_H

#include "query/eval.h"
#include "query/group_table.h"
#include "query/plan.h"

struct exec;
struct worker;

/* One source of one running plan. */
struct source_run {
    const struct plan *plan;
    struct run *run;
    struct scan *scan;
    const struct column **scan_columns;
    uint32_t *scan_places; /* scan column i -> source column */
    uint32_t scan_column_count;
    struct relation rows; /* SOURCE_ROWS, SOURCE_PLAN, groups */
    _Atomic uint64_t next_row;
    bool nothing; /* the conditions can't be true */
};

MUST_CHECK enum status source_run_open(struct exec *x, struct plan *plan, struct source_run *ret,
                                       struct error *reterr);
/* rows becomes the source's; it has the columns a stage reads. */
void source_run_over(struct source_run *s, struct run *run, struct relation *own_rows);
void source_run_close(struct source_run *s);

struct source_reader {
    struct source_run *source;
    struct scan_reader *scan;
};
/* The next batch: vecs of the columns in use, in their places. STATUS_END: none left. */
MUST_CHECK enum status source_reader_next(struct source_reader *r, struct scratch *scratch,
                                          struct vec *columns, uint32_t *ret_rows,
                                          struct error *reterr);
void source_reader_close(struct source_reader *r);

/* What a statement keeps until its result is written: scans and dictionaries that texts point into. */
struct kept {
    struct source_run *source;
    struct dict_cache *cache;
    struct kept *next;
};
struct exec {
    struct run *run;
    struct arena *arena; /* the statement's */
    struct kept *kept;
};
void exec_keep(struct exec *x, struct source_run *own_source, struct dict_cache *own_cache);
void exec_deinit(struct exec *x);

struct group_sink {
    struct group_table table;
    struct states *states;    /* plan->state_count */
    const struct expr **args; /* distinct argument expressions of this batch's states */
    struct vec *values;
    uint64_t charged;
};

struct row_sink {
    struct relation rows; /* outputs, then the sort keys that are not outputs */
    uint64_t seen;
    bool has_threshold; /* the worst of the kept rows, by first key */
    int64_t threshold;
};

/* Where the sort keys are among the columns of a row sink. */
struct row_layout {
    uint32_t column_count; /* outputs and hidden keys */
    const struct expr **exprs;
    enum phys *phys;
    struct sort_key *keys;
    uint32_t key_count;
    uint64_t top; /* rows worth keeping; 0: all */
};

struct stage {
    struct exec *x;
    const struct plan *plan;
    struct source_run *source;
    struct expr *const *where;
    uint32_t where_count;
    uint32_t column_count; /* of the source */
    const bool *late;      /* columns the sink reads; NULL: all */
    uint32_t dict_slots;
    bool group;
    struct row_layout layout;
    _Atomic uint64_t rows_out;
    enum status (*push)(struct worker *w, const struct vec *columns, uint32_t rows,
                        struct error *reterr);
};

struct worker {
    struct stage *stage;
    struct scratch scratch;
    struct arena texts;
    struct dict_cache *cache;
    struct source_reader reader;
    struct vec *columns;
    struct vec *dense;
    struct group_sink groups;
    struct row_sink rows;
};

void worker_eval(struct worker *w, const struct vec *columns, uint32_t rows, struct eval *ret,
                 struct error *reterr);

/* Runs a plan to its result: one column an output. */
MUST_CHECK enum status exec_plan(struct exec *x, struct plan *plan, struct relation *ret,
                                 struct error *reterr);

/* Rows of a plan that is not grouped, before ordering and limiting; what row_sink keeps of each worker. */
MUST_CHECK enum status exec_gather(struct exec *x, struct plan *plan, struct relation *ret,
                                   struct error *reterr);
/* The same for ORDER BY time LIMIT n: from the wanted end of time on, in growing steps, until there are enough. */
bool exec_can_step(const struct plan *plan);
MUST_CHECK enum status exec_gather_by_time(struct exec *x, struct plan *plan, struct relation *ret,
                                           struct error *reterr);

/* ---- sinks ---- */

void group_sink_init(struct worker *w);
void group_sink_deinit(struct worker *w);
enum status group_sink_push(struct worker *w, const struct vec *columns, uint32_t rows,
                            struct error *reterr);
/* Joins from into to. */
enum status group_sink_join(struct worker *to, struct worker *from, struct error *reterr);
/* Groups to rows: keys, then aggregates. */
MUST_CHECK enum status groups_emit(const struct plan *plan, struct group_sink *groups,
                                   struct run *run, struct relation *ret, struct error *reterr);

void row_layout_make(const struct plan *plan, struct arena *arena, struct row_layout *ret);
void row_sink_init(struct worker *w);
void row_sink_deinit(struct worker *w);
enum status row_sink_push(struct worker *w, const struct vec *columns, uint32_t rows,
                          struct error *reterr);
/* Orders, limits, and leaves only the outputs. */
MUST_CHECK enum status rows_finish(const struct plan *plan, const struct row_layout *layout,
                                   struct run *run, struct relation *rows, struct error *reterr);

/* ---- windows over groups (rolling.c) ---- */

/* Which groups make rows, in which order, and what their windowed aggregates are read from. */
struct windows;
struct windows *windows_create(const struct plan *plan, struct group_sink *groups, struct run *run);
void windows_destroy(struct windows *w);
/* The next group to emit. STATUS_END: no more. */
MUST_CHECK enum status windows_next(struct windows *w, uint32_t *ret_group, struct error *reterr);
/* Of the group given last: the aggregate's value. */
MUST_CHECK enum status windows_final(struct windows *w, uint32_t aggregate, struct column_out *out,
                                     uint32_t row, struct error *reterr);

#endif
