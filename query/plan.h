/*
 * plan.h - a checked SELECT, ready to run: where rows come from, what happens to them, in which order they leave.
 *
 * Place:  check -> [here] -> exec
 * Shape:  source -> where -> (group -> having) -> outputs -> order, limit. A grouped plan has two stages: rows are gathered
 *         into groups, then the groups are rows themselves: columns 0 .. key_count are the keys, the aggregates follow.
 *         Expressions of `having`, `outputs` and `order` read those columns, or the source's when not grouped.
 */
#ifndef DRIFTLINE_QUERY_PLAN_H
#define DRIFTLINE_QUERY_PLAN_H

#include "query/agg.h"
#include "query/relation.h"

#define SELECT_COLUMNS_MAX 2048u
#define TOP_ROWS_MAX       65536u /* LIMIT + OFFSET up to which only the best rows are kept */

struct plan;

struct source_column {
    const char *name;
    enum sql_type type;
    enum phys phys; /* never CODES */
    int64_t scale;
    const struct column *stored; /* SOURCE_SCAN */
    bool hidden;                 /* not part of * */
    bool used;
    bool used_late; /* by more than WHERE */
};

enum source_kind {
    SOURCE_NOTHING, /* SELECT without FROM: one row */
    SOURCE_SCAN,
    SOURCE_ROWS, /* fill() makes them */
    SOURCE_PLAN,
};

/* Fills a table that is not stored: system tables and those the server registers. */
typedef enum status (*rows_fill)(void *context, struct run *run, struct relation *to,
                                 struct error *reterr);

struct source {
    enum source_kind kind;
    const char *name; /* for EXPLAIN */
    uint32_t column_count;
    struct source_column *columns;
    enum table table;  /* SOURCE_SCAN */
    struct plan *plan; /* SOURCE_PLAN */
    rows_fill fill;    /* SOURCE_ROWS */
    void *fill_context;
};

struct output {
    const char *name;
    struct expr *expr;
};

struct order_item {
    struct expr *expr;
    bool descending;
    bool nulls_first;
};

struct plan {
    struct source source;

    uint32_t where_count;
    struct expr **where; /* conjuncts, the cheapest first */
    /* What the scan may skip by. */
    int64_t from_ns;  /* rows with time >= from_ns are wanted; INT64_MIN: no bound */
    int64_t until_ns; /* time < until_ns; INT64_MAX: no bound */
    uint32_t filter_count;
    struct scan_filter *filters;
    uint32_t time_column; /* index of `time` in the source, or UINT32_MAX */

    bool grouped;
    uint32_t key_count;
    struct expr **keys;
    uint32_t state_count;
    struct state_spec *states;
    uint32_t aggregate_count;
    struct aggregate *aggregates;
    uint32_t bucket_key; /* which key is the time bucket, or UINT32_MAX */
    int64_t bucket_ns;
    int64_t rolling_ns; /* 0: none */
    bool
        looks_back; /* ROLLING, drift or baseline: rows before emit_from_ns are read but make no rows */
    int64_t emit_from_ns; /* INT64_MIN: everything */
    uint32_t own_state;   /* STATE_ROWS of rows at or after emit_from_ns, or UINT32_MAX */

    struct expr *having;
    uint32_t output_count;
    struct output *outputs;
    uint32_t order_count;
    struct order_item *order;
    bool has_limit;
    uint64_t limit;
    uint64_t offset;
    bool outermost; /* its rows are the result's */

    uint32_t dict_slots; /* expressions evaluated by dictionary, in the first stage */
    uint64_t rows_out;   /* filled when it ran, for EXPLAIN */
    int64_t elapsed_ns;
};

/* Narrows from_ns and until_ns by the conjuncts that compare the time column with constants. take_lower: those that are
 * lower bounds leave `where`. */
void plan_time_bounds(struct plan *p, bool take_lower);
/* `time op value` as a condition. op: "<" or ">=". */
struct expr *plan_time_condition(const struct plan *p, const char *op, int64_t value,
                                 struct arena *arena);
/* Last step, from the outermost plan inwards: moves conditions into subqueries, leaves out what nobody reads, finds what
 * the scan can skip by, sorts conjuncts by cost, assigns dictionary slots. */
void plan_finish(struct plan *p, struct arena *arena);

#endif
