/*
 * agg_sum.c - count, sum, avg, variance.
 *
 * Exactness: integers (and columns stored as scaled integers: cost_usd, latency_ms) are summed as 128-bit integers,
 *            doubles by exact_sum; squares likewise, the low half of a double's square included. A variance is
 *            computed once, at the end, in 113-bit arithmetic: no cancellation at any mean.
 */
#include <math.h>

#include "query/agg.h"
#include "query/exact_sum.h"

#define FEW_GROUPS 1024u

/* Neighbours are often of one group: four tables keep their increments from waiting for each other. */
static void count_few(struct states *to, const uint32_t *groups, uint32_t rows, int64_t *counts)
{
    uint32_t *tables = SCRATCH_ARRAY(to->scratch, uint32_t, 4 * to->count);
    uint32_t *a = tables;
    uint32_t *b = a + to->count;
    uint32_t *c = b + to->count;
    uint32_t *d = c + to->count;
    uint32_t i = 0;
    memset(tables, 0, 4 * to->count * sizeof *tables);
    for (; i + 4 <= rows; i += 4) {
        a[groups[i]]++;
        b[groups[i + 1]]++;
        c[groups[i + 2]]++;
        d[groups[i + 3]]++;
    }
    for (; i < rows; i++)
        a[groups[i]]++;
    for (uint32_t g = 0; g < to->count; g++)
        counts[g] += (int64_t)a[g] + b[g] + c[g] + d[g];
}

static void rows_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                        const struct vec *by, uint32_t rows)
{
    int64_t *counts = (int64_t *)(void *)to->data;
    (void)arg;
    (void)by;
    if (groups == NULL)
        counts[0] += rows;
    else if (to->count <= FEW_GROUPS && rows >= 4 * to->count)
        count_few(to, groups, rows, counts);
    else
        for (uint32_t i = 0; i < rows; i++)
            counts[groups[i]]++;
}

static void rows_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    (void)to;
    (void)ids;
    *(int64_t *)state += *(const int64_t *)from;
}

static void rows_subtract(struct states *to, void *state, const void *from)
{
    (void)to;
    *(int64_t *)state -= *(const int64_t *)from;
}

const struct state_ops ops_rows = {sizeof(int64_t), rows_update, rows_merge, rows_subtract, NULL};
const struct state_ops ops_count = {sizeof(int64_t), rows_update, rows_merge, rows_subtract, NULL};

/* ---- integers ---- */

static void sum_i64_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                           const struct vec *by, uint32_t rows)
{
    struct sum_i64 *sums = (struct sum_i64 *)(void *)to->data;
    const int64_t *values = arg->i64;
    (void)by;
    if (groups == NULL) {
        __int128 sum = 0;
        for (uint32_t i = 0; i < rows; i++)
            sum += values[i];
        sums[0].sum += sum;
        sums[0].count += rows;
        return;
    }
    for (uint32_t i = 0; i < rows; i++) {
        struct sum_i64 *s = &sums[groups[i]];
        s->sum += values[i];
        s->count++;
    }
}

static void sum_i64_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    struct sum_i64 *a = state;
    const struct sum_i64 *b = from;
    (void)to;
    (void)ids;
    a->sum += b->sum;
    a->count += b->count;
}

static void sum_i64_subtract(struct states *to, void *state, const void *from)
{
    struct sum_i64 *a = state;
    const struct sum_i64 *b = from;
    (void)to;
    a->sum -= b->sum;
    a->count -= b->count;
}

const struct state_ops ops_sum_i64 = {sizeof(struct sum_i64), sum_i64_update, sum_i64_merge,
                                      sum_i64_subtract, NULL};

/* ---- doubles ---- */

static void sum_f64_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                           const struct vec *by, uint32_t rows)
{
    struct exact_sum *sums = (struct exact_sum *)(void *)to->data;
    const double *values = arg->f64;
    (void)by;
    if (groups == NULL) {
        for (uint32_t i = 0; i < rows; i++)
            exact_sum_add(&sums[0], values[i]);
        return;
    }
    for (uint32_t i = 0; i < rows; i++)
        exact_sum_add(&sums[groups[i]], values[i]);
}

static void sum_f64_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    (void)to;
    (void)ids;
    exact_sum_merge(state, from, 1);
}

static void sum_f64_subtract(struct states *to, void *state, const void *from)
{
    (void)to;
    exact_sum_merge(state, from, -1);
}

static void sum_f64_release(void *state)
{
    exact_sum_release(state);
}

const struct state_ops ops_sum_f64 = {sizeof(struct exact_sum), sum_f64_update, sum_f64_merge,
                                      sum_f64_subtract, sum_f64_release};

double sum_value(const struct state_spec *spec, const void *state, int64_t count, int64_t scale)
{
    __float128 divisor = (__float128)count * (__float128)scale;
    if (spec->phys != PHYS_I64)
        return (double)(exact_sum_value(state) / divisor);
    const struct sum_i64 *sum = state;
    /* Both sides exact as doubles: one division rounds once. */
    const int64_t exact = 1ll << 53;
    double small = (double)count * (double)scale;
    if (sum->sum < exact && sum->sum > -exact && small < (double)exact)
        return (double)(int64_t)sum->sum / small;
    return (double)((__float128)sum->sum / divisor);
}

int64_t sum_count(const struct state_spec *spec, const void *state)
{
    if (spec->phys == PHYS_I64)
        return ((const struct sum_i64 *)state)->count;
    return ((const struct exact_sum *)state)->count;
}

/* ---- squares of integers ---- */

static void squares_i64_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                               const struct vec *by, uint32_t rows)
{
    struct squares_i64 *all = (struct squares_i64 *)(void *)to->data;
    (void)by;
    for (uint32_t i = 0; i < rows; i++) {
        struct squares_i64 *s = &all[groups == NULL ? 0 : groups[i]];
        __int128 v = arg->i64[i];
        unsigned __int128 square = (unsigned __int128)(v * v);
        s->sum.sum += v;
        s->sum.count++;
        s->low += (uint64_t)square;
        s->high += (int64_t)(square >> 64);
    }
}

static void squares_i64_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    struct squares_i64 *a = state;
    const struct squares_i64 *b = from;
    sum_i64_merge(to, &a->sum, &b->sum, ids);
    a->low += b->low;
    a->high += b->high;
}

static void squares_i64_subtract(struct states *to, void *state, const void *from)
{
    struct squares_i64 *a = state;
    const struct squares_i64 *b = from;
    sum_i64_subtract(to, &a->sum, &b->sum);
    a->low -= b->low;
    a->high -= b->high;
}

const struct state_ops ops_squares_i64 = {sizeof(struct squares_i64), squares_i64_update,
                                          squares_i64_merge, squares_i64_subtract, NULL};

/* ---- squares of doubles ---- */

struct squares_f64 {
    struct exact_sum sum;
    struct exact_sum squares; /* rounded squares and what rounding left, added exactly */
};

static void squares_f64_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                               const struct vec *by, uint32_t rows)
{
    struct squares_f64 *all = (struct squares_f64 *)(void *)to->data;
    (void)by;
    for (uint32_t i = 0; i < rows; i++) {
        struct squares_f64 *s = &all[groups == NULL ? 0 : groups[i]];
        double v = arg->f64[i];
        double square = v * v;
        exact_sum_add(&s->sum, v);
        exact_sum_add(&s->squares, square);
        if (isfinite(square))
            exact_sum_add(&s->squares, fma(v, v, -square));
    }
}

static void squares_f64_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    struct squares_f64 *a = state;
    const struct squares_f64 *b = from;
    sum_f64_merge(to, &a->sum, &b->sum, ids);
    sum_f64_merge(to, &a->squares, &b->squares, ids);
}

static void squares_f64_subtract(struct states *to, void *state, const void *from)
{
    struct squares_f64 *a = state;
    const struct squares_f64 *b = from;
    sum_f64_subtract(to, &a->sum, &b->sum);
    sum_f64_subtract(to, &a->squares, &b->squares);
}

static void squares_f64_release(void *state)
{
    struct squares_f64 *s = state;
    exact_sum_release(&s->sum);
    exact_sum_release(&s->squares);
}

const struct state_ops ops_squares_f64 = {sizeof(struct squares_f64), squares_f64_update,
                                          squares_f64_merge, squares_f64_subtract,
                                          squares_f64_release};

bool squares_variance(const struct state_spec *spec, const void *state, int64_t scale,
                      bool population, double *ret)
{
    __float128 sum;
    __float128 squares;
    int64_t count;
    if (spec->phys == PHYS_I64) {
        const struct squares_i64 *s = state;
        const __float128 high_unit = (__float128)18446744073709551616.0;
        sum = (__float128)s->sum.sum;
        squares = (__float128)s->high * high_unit + (__float128)s->low;
        count = s->sum.count;
    } else {
        const struct squares_f64 *s = state;
        sum = exact_sum_value(&s->sum);
        squares = exact_sum_value(&s->squares);
        count = s->sum.count;
    }
    if (count == 0 || (count == 1 && !population))
        return false;
    __float128 n = (__float128)count;
    __float128 deviations = squares - sum * sum / n;
    if (deviations < 0)
        deviations = 0;
    __float128 variance = deviations / (population ? n : n - 1);
    *ret = (double)(variance / ((__float128)scale * (__float128)scale));
    return true;
}
