/*
 * bins.c - chooses bin boundaries by dynamic programming over quantiles.
 *
 * The values are sorted once (radix); boundaries are tried at 32 quantiles and, because single values
 * often hold much of the mass, on both sides of the value found there. Cost of a bin: its count times
 * the bits of its range, plus its description. 16 bins x 66^2 / 2 steps take about 30 us a block.
 */
#include "engine/segment/bins.h"

#include <stdbool.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/segment/pack.h"

#define QUANTILES       32u
#define BOUNDARIES_MAX  (2 * QUANTILES + 16)
#define BIN_HEADER_BITS 40u

static void radix_sort(uint64_t *values, uint32_t count, uint64_t *scratch)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < count; i++)
        all |= values[i];
    uint64_t *from = values;
    uint64_t *to = scratch;
    for (unsigned shift = 0; shift < 64 && all >> shift != 0; shift += 8) {
        uint32_t at[256] = {0};
        for (uint32_t i = 0; i < count; i++)
            at[from[i] >> shift & 255]++;
        uint32_t sum = 0;
        for (unsigned digit = 0; digit < 256; digit++) {
            uint32_t here = at[digit];
            at[digit] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < count; i++)
            to[at[from[i] >> shift & 255]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != values)
        memcpy(values, from, count * sizeof *values);
}

/* First index whose value is not below v. */
static uint32_t lower_bound(const uint64_t *sorted, uint32_t count, uint64_t v)
{
    uint32_t low = 0;
    while (low < count) {
        uint32_t middle = low + (count - low) / 2;
        if (sorted[middle] < v)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* Places where a bin may start or end, ascending and distinct, 0 and count included. */
static uint32_t boundaries_pick(const uint64_t *sorted, uint32_t count, uint32_t *at)
{
    uint32_t n = 0;
    at[n++] = 0;
    for (uint32_t q = 0; q < QUANTILES; q++) {
        uint32_t place = (uint32_t)((uint64_t)count * q / QUANTILES);
        uint64_t v = sorted[place];
        uint32_t edges[2] = {lower_bound(sorted, count, v),
                             v == UINT64_MAX ? count : lower_bound(sorted, count, v + 1)};
        for (unsigned e = 0; e < 2; e++) {
            if (edges[e] > at[n - 1])
                at[n++] = edges[e];
        }
    }
    for (uint32_t rest = count / QUANTILES / 4; rest > 0; rest /= 4) {
        uint32_t edge = lower_bound(sorted, count, sorted[count - rest]);
        if (edge > at[n - 1])
            at[n++] = edge;
    }
    if (count > at[n - 1])
        at[n++] = count;
    return n;
}

struct table {
    uint64_t bits[BINS_MAX + 1][BOUNDARIES_MAX]; /* [bins used][boundary reached] */
    uint8_t from[BINS_MAX + 1][BOUNDARIES_MAX];
};

static void table_fill(struct table *t, const uint64_t *sorted, const uint32_t *at, uint32_t places)
{
    memset(t->bits, 0xff, sizeof t->bits);
    t->bits[0][0] = 0;
    for (uint32_t used = 1; used <= BINS_MAX; used++) {
        for (uint32_t end = 1; end < places; end++) {
            for (uint32_t begin = used - 1; begin < end; begin++) {
                uint64_t before = t->bits[used - 1][begin];
                unsigned width = bits_of(sorted[at[end] - 1] - sorted[at[begin]]);
                if (before == UINT64_MAX || width > BINS_OFFSET_BITS)
                    continue;
                uint64_t bits = before + (uint64_t)(at[end] - at[begin]) * width + BIN_HEADER_BITS;
                if (bits < t->bits[used][end]) {
                    t->bits[used][end] = bits;
                    t->from[used][end] = (uint8_t)begin;
                }
            }
        }
    }
}

void bins_plan(const uint64_t *values, uint32_t count, uint64_t *scratch, struct bins *ret)
{
    *ret = (struct bins){0};
    if (count < 2)
        return;
    uint64_t *sorted = scratch;
    memcpy(sorted, values, count * sizeof *sorted);
    radix_sort(sorted, count, scratch + count);
    uint32_t at[BOUNDARIES_MAX];
    uint32_t places = boundaries_pick(sorted, count, at);
    ASSERT(places <= BOUNDARIES_MAX);
    struct table t;
    table_fill(&t, sorted, at, places);

    uint32_t used_best = 0;
    for (uint32_t used = 2; used <= BINS_MAX && used < places; used++) {
        if (t.bits[used][places - 1] == UINT64_MAX)
            continue;
        uint64_t bits = t.bits[used][places - 1] + (uint64_t)count * bits_of(used - 1);
        if (used_best == 0 || bits < ret->bits) {
            used_best = used;
            ret->bits = bits;
        }
    }
    if (used_best == 0)
        return;
    ret->index_bits = bits_of(used_best - 1);
    ret->count = used_best;
    uint32_t end = places - 1;
    for (uint32_t used = used_best; used > 0; used--) {
        uint32_t begin = t.from[used][end];
        ret->start[used - 1] = sorted[at[begin]];
        ret->width[used - 1] = (uint8_t)bits_of(sorted[at[end] - 1] - sorted[at[begin]]);
        end = begin;
    }
}

uint32_t bins_find(const struct bins *b, uint64_t value)
{
    uint32_t found = 0;
    for (uint32_t step = BINS_MAX / 2; step > 0; step /= 2) {
        if (found + step < b->count && b->start[found + step] <= value)
            found += step;
    }
    return found;
}
