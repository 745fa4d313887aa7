/*
 * agg.h - aggregate states: one array of states an aggregate, indexed by group.
 *
 * Place:     group sink, rolling -> [here] -> exact_sum, histogram, key_map
 * Shape:     a state takes rows (update), other states (merge) and, where it can, gives them back (subtract). Several
 *            aggregates share one state: sum, avg and count of x; p50, p95 and p99 of x.
 * Invariant: no result depends on the order of rows or merges: sums are exact, ties are broken by value.
 * Threads:   one set of states a thread; merged at the end.
 */
#ifndef DRIFTLINE_QUERY_AGG_H
#define DRIFTLINE_QUERY_AGG_H

#include "engine/base/limits.h"

#include "query/block.h"
#include "query/expr.h"
#include "query/run.h"

#define DRIFT_SAMPLES_MIN    10u /* values in each window, unless the call says otherwise */
#define BASELINE_SAMPLES_MIN 1u  /* values in an hour that counts */
#define BASELINE_HOURS_MIN   2u  /* hours that count */
#define BASELINE_WEEKS_MAX   53u

enum state_kind {
    STATE_ROWS,    /* count(*) */
    STATE_COUNT,   /* count(x) */
    STATE_SUM,     /* sum and count of x: I64 or F64 */
    STATE_SQUARES, /* sum, sum of squares and count */
    STATE_MIN,
    STATE_MAX,
    STATE_HISTOGRAM, /* I64 or F64 */
    STATE_VALUES,    /* all values, for exact quantiles: I64 or F64 */
    STATE_DISTINCT,
    STATE_FIRST, /* x at the least time */
    STATE_LAST,
    STATE_TEXTS, /* all texts, for string_agg */
    STATE_SLOTS, /* sum and count of x (F64) in slots of time: drift and baseline without buckets */
};

enum final_kind {
    FINAL_COUNT,
    FINAL_SUM,
    FINAL_AVG,
    FINAL_VAR_SAMP,
    FINAL_VAR_POP,
    FINAL_STDDEV_SAMP,
    FINAL_STDDEV_POP,
    FINAL_VALUE,         /* of MIN, MAX, FIRST, LAST */
    FINAL_QUANTILE,      /* of HISTOGRAM or VALUES */
    FINAL_QUANTILE_DISC, /* of VALUES: a value that occurs */
    FINAL_TEXTS,
    FINAL_DRIFT,
    FINAL_BASELINE,
    FINAL_BASELINE_MAD,
};

/* Windows of drift and baseline (FORMAT of the dialect: DIALECT.md). */
struct window_spec {
    bool is_drift;
    int64_t end_ns;      /* where the windows end when there are no buckets */
    int64_t current_ns;  /* drift: the window */
    int64_t baseline_ns; /* drift: the one before it; baseline: how far back */
    uint32_t weeks;      /* baseline: slots */
    uint64_t samples_min;
};

struct state_spec {
    enum state_kind kind;
    enum phys phys;      /* of the argument */
    struct expr *arg;    /* NULL: ROWS */
    struct expr *by;     /* FIRST, LAST, SLOTS: the time */
    struct expr *filter; /* NULL: none */
    bool used;
    bool looks_back;           /* takes rows before the query's lower time bound too */
    struct window_spec window; /* SLOTS */
};

struct aggregate {
    enum final_kind final;
    uint32_t state;
    enum sql_type type; /* of the result */
    enum phys phys;
    int64_t scale;
    double q;
    struct slice separator;
    struct window_spec window; /* DRIFT, BASELINE */
    bool used;
    uint32_t position;
    const char *name;
};

struct key_map;
struct states;

/* What a kind of state can do. `state` points at one group's state; zero bytes are an empty state. */
struct state_ops {
    size_t bytes;
    /* rows of arg (and by) without NULLs; groups NULL: all rows belong to group 0. */
    void (*update)(struct states *to, const uint32_t *groups, const struct vec *arg,
                   const struct vec *by, uint32_t rows);
    /* to += from. `ids` translates DISTINCT's value numbers (NULL: same map). */
    void (*merge)(struct states *to, void *state, const void *from, const uint32_t *ids);
    /* to -= from, or NULL when it can't be undone. */
    void (*subtract)(struct states *to, void *state, const void *from);
    void (*release)(void *state);
};

struct states {
    const struct state_spec *spec;
    const struct state_ops *ops;
    uint8_t *data;
    uint32_t count; /* groups */
    size_t capacity;
    struct text_store texts; /* of MIN, MAX, FIRST, LAST, TEXTS */
    struct key_map *values;  /* DISTINCT */
    uint64_t heap_bytes;     /* what states own outside, roughly */
    uint64_t rows;           /* updated */
    struct scratch *scratch; /* of the thread */
};

const struct state_ops *state_ops_of(const struct state_spec *spec);
void states_init(struct states *s, const struct state_spec *spec, struct scratch *scratch);
void states_deinit(struct states *s);
/* New groups start empty. */
void states_resize(struct states *s, uint32_t groups);
static inline void *states_at(const struct states *s, uint32_t group)
{
    return s->data + group * s->ops->bytes;
}
uint64_t states_bytes(const struct states *s);
/* Updates from a batch. groups[] are of all rows; NULL groups: one group. mask: rows that pass FILTER (NULL: all). */
void states_update(struct states *s, const uint32_t *groups, const struct vec *arg,
                   const struct vec *by, const uint8_t *mask, uint32_t rows);
/* to's group map[g] takes from's group g. */
void states_merge(struct states *to, const struct states *from, const uint32_t *map);

/* One result column being filled. */
struct column_out {
    enum phys phys;
    uint8_t *valid;
    void *data;
    struct text_store *texts;
};
/* Writes row `row` from a state; unset valid: NULL. STATUS_INVALID: out of range. */
MUST_CHECK enum status aggregate_final(const struct aggregate *a, const struct states *s,
                                       void *state, struct column_out *out, uint32_t row,
                                       struct error *reterr);

/* ---- states, by file ---- */

struct sum_i64 {
    __int128 sum;
    int64_t count;
};
struct squares_i64 {
    struct sum_i64 sum;
    unsigned __int128 low; /* sums of the squares' low and high 64 bits */
    __int128 high;
};
struct extreme {
    int64_t time;
    bool has;
    union {
        int64_t i64;
        double f64;
        uint8_t truth;
        struct slice text;
        uint64_t id64;
        struct id128 id128;
    } value;
};

extern const struct state_ops ops_rows, ops_count, ops_sum_i64, ops_sum_f64, ops_squares_i64,
    ops_squares_f64;                                                            /* agg_sum.c */
extern const struct state_ops ops_min, ops_max, ops_first, ops_last, ops_texts; /* agg_extreme.c */
extern const struct state_ops ops_histogram_i64, ops_histogram_f64, ops_values; /* agg_quantile.c */
extern const struct state_ops ops_distinct;                                     /* agg_distinct.c */
extern const struct state_ops ops_slots;                                        /* agg_window.c */

bool distinct_count(const void *state, int64_t *ret);
/* Partly sorts the values; nothing may be added afterwards. False: no values. */
bool values_quantile(void *state, enum phys phys, double q, bool discrete, double *ret);
/* sum / (count * scale), rounded once. */
double sum_value(const struct state_spec *spec, const void *state, int64_t count, int64_t scale);
int64_t sum_count(const struct state_spec *spec, const void *state);
/* Sample or population variance; false: too few values. */
bool squares_variance(const struct state_spec *spec, const void *state, int64_t scale,
                      bool population, double *ret);
bool texts_join(const void *state, struct slice separator, struct text_store *texts,
                struct slice *ret, bool *ret_too_long);
bool slots_final(const struct aggregate *a, const void *state, double *ret);

/* Of drift and baseline, from sums of windows or of hours (agg_window.c). False: NULL. */
struct exact_sum;
bool drift_value(const struct window_spec *w, const struct exact_sum *current,
                 const struct exact_sum *before, double *ret);
/* means[] of the hours that have samples; sorts it. mad: the median absolute deviation. */
bool baseline_value(double *means, uint32_t count, bool mad, double *ret);
/* The k-th (from 1) hour of the baseline before the hour that ends at or holds end_ns - 1. */
int64_t baseline_hour(int64_t end_ns, uint32_t k);

#endif
