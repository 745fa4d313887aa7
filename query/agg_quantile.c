/*
 * agg_quantile.c - approximate quantiles from histograms, exact ones from all values.
 *
 * Speed: a histogram takes a value in about 2 ns (bench_query); an exact quantile keeps 8 bytes a value and selects
 *        in linear time at the end.
 */
#include <math.h>
#include <stdlib.h>

#include "query/agg.h"
#include "query/histogram.h"
#include "query/order.h"

static void histogram_i64_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                                 const struct vec *by, uint32_t rows)
{
    struct histogram *all = (struct histogram *)(void *)to->data;
    const int64_t *values = arg->i64;
    uint64_t before = histogram_heap_bytes();
    (void)by;
    for (uint32_t i = 0; groups == NULL && i < rows; i++)
        histogram_add_i64(&all[0], values[i]);
    for (uint32_t i = 0; groups != NULL && i < rows; i++)
        histogram_add_i64(&all[groups[i]], values[i]);
    to->heap_bytes += histogram_heap_bytes() - before;
}

static void histogram_f64_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                                 const struct vec *by, uint32_t rows)
{
    struct histogram *all = (struct histogram *)(void *)to->data;
    const double *values = arg->f64;
    uint64_t before = histogram_heap_bytes();
    (void)by;
    for (uint32_t i = 0; i < rows; i++)
        histogram_add_f64(&all[groups == NULL ? 0 : groups[i]], values[i]);
    to->heap_bytes += histogram_heap_bytes() - before;
}

static void merge_histograms(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    (void)ids;
    to->heap_bytes -= histogram_bytes(state);
    histogram_merge(state, from, 1);
    to->heap_bytes += histogram_bytes(state);
}

static void subtract_histograms(struct states *to, void *state, const void *from)
{
    (void)to;
    histogram_merge(state, from, -1);
}

static void release_histogram(void *state)
{
    histogram_release(state);
}

const struct state_ops ops_histogram_i64 = {sizeof(struct histogram), histogram_i64_update,
                                            merge_histograms, subtract_histograms,
                                            release_histogram};
const struct state_ops ops_histogram_f64 = {sizeof(struct histogram), histogram_f64_update,
                                            merge_histograms, subtract_histograms,
                                            release_histogram};

/* ---- exact ---- */

struct values {
    uint64_t *items; /* int64_t or double; sort keys once a quantile was read */
    size_t capacity;
    size_t count;
    bool keyed;
};

static void values_reserve(struct states *to, struct values *v, size_t count)
{
    size_t capacity = v->capacity;
    v->items = block_grow(v->items, &v->capacity, v->count + count, sizeof *v->items);
    to->heap_bytes += (v->capacity - capacity) * sizeof *v->items;
}

static void values_add(struct states *to, struct values *v, const uint64_t *items, size_t count)
{
    if (v->count + count > v->capacity)
        values_reserve(to, v, count);
    memcpy(v->items + v->count, items, count * sizeof *items);
    v->count += count;
}

static void values_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                          const struct vec *by, uint32_t rows)
{
    struct values *all = (struct values *)(void *)to->data;
    (void)by;
    if (groups == NULL) {
        values_add(to, &all[0], arg->id64, rows);
        return;
    }
    for (uint32_t i = 0; i < rows; i++) {
        struct values *v = &all[groups[i]];
        if (__builtin_expect(v->count == v->capacity, 0))
            values_reserve(to, v, 1);
        v->items[v->count++] = arg->id64[i];
    }
}

static void values_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    const struct values *v = from;
    (void)ids;
    if (v->count > 0)
        values_add(to, state, v->items, v->count);
}

static void values_release(void *state)
{
    struct values *v = state;
    block_free(v->items, v->capacity * sizeof *v->items);
}

const struct state_ops ops_values = {sizeof(struct values), values_update, values_merge, NULL,
                                     values_release};

/* An order-preserving key, so that doubles are selected as integers. NaN is above all. */
static int64_t sort_key(uint64_t bits, enum phys phys)
{
    if (phys == PHYS_I64)
        return (int64_t)bits;
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isnan(value))
        return INT64_MAX;
    int64_t key = (int64_t)bits;
    return key < 0 ? INT64_MIN - key : key;
}

static double key_value(int64_t key, enum phys phys)
{
    if (phys == PHYS_I64)
        return (double)key;
    if (key == INT64_MAX)
        return (double)NAN;
    int64_t bits = key < 0 ? INT64_MIN - key : key;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Partitions keys[low..high] so that keys[rank] is in its sorted place (Hoare's select; the pivot is the middle of
 * three, and of nine in long ranges, so that sorted input is not a bad case). */
static int64_t median_of_3(int64_t a, int64_t b, int64_t c)
{
    if (a > b) {
        int64_t swap = a;
        a = b;
        b = swap;
    }
    return c < a ? a : c > b ? b : c;
}

static void select_rank(int64_t *keys, size_t low, size_t high, size_t rank)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        size_t step = (high - low) / 8;
        int64_t pivot = median_of_3(keys[low], keys[middle], keys[high]);
        if (step > 16)
            pivot = median_of_3(median_of_3(keys[low], keys[low + step], keys[low + 2 * step]),
                                median_of_3(keys[middle - step], keys[middle], keys[middle + step]),
                                median_of_3(keys[high - 2 * step], keys[high - step], keys[high]));
        size_t i = low;
        size_t j = high;
        while (i <= j) {
            while (keys[i] < pivot)
                i++;
            while (keys[j] > pivot)
                j--;
            if (i > j)
                break;
            int64_t swap = keys[i];
            keys[i++] = keys[j];
            keys[j] = swap;
            if (j == 0)
                break;
            j--;
        }
        if (rank <= j && j < high)
            high = j;
        else if (rank >= i)
            low = i;
        else
            return;
    }
}

bool values_quantile(void *state, enum phys phys, double q, bool discrete, double *ret)
{
    struct values *v = state;
    if (v->count == 0)
        return false;
    /* Selecting leaves the values partly sorted, which makes the next quantile cheaper. */
    int64_t *keys = (int64_t *)v->items;
    for (size_t i = 0; !v->keyed && i < v->count; i++)
        keys[i] = sort_key(v->items[i], phys);
    v->keyed = true;
    double position = q * (double)(v->count - 1);
    size_t rank = (size_t)position;
    if (discrete) {
        double wanted = ceil(q * (double)v->count);
        rank = wanted < 1 ? 0 : (size_t)wanted - 1;
    }
    select_rank(keys, 0, v->count - 1, rank);
    double low = key_value(keys[rank], phys);
    double part = position - (double)rank;
    if (!discrete && part > 0 && rank + 1 < v->count) {
        int64_t next = keys[rank + 1];
        for (size_t i = rank + 2; i < v->count; i++)
            next = keys[i] < next ? keys[i] : next;
        double high = key_value(next, phys);
        low = low == high ? low : low + (high - low) * part;
    }
    *ret = low;
    return true;
}
