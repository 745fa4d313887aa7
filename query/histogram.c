/*
 * histogram.c - growing, merging and reading log-linear histograms.
 */
#include "query/histogram.h"

#include <math.h>

#include "engine/base/memory.h"

#define BINS_STEP 16u /* bins are added by whole cache lines */

static _Thread_local uint64_t heap_bytes;

uint64_t histogram_heap_bytes(void)
{
    return heap_bytes;
}

void histogram_release(struct histogram *h)
{
    mem_free(h->positive.counts);
    mem_free(h->negative.counts);
    *h = (struct histogram){0};
}

uint64_t histogram_bytes(const struct histogram *h)
{
    return ((uint64_t)h->positive.count + h->negative.count) * sizeof(uint32_t);
}

/* Grows to hold [first, end), both multiples of BINS_STEP. */
static void bins_grow(struct bins *b, uint32_t first, uint32_t end)
{
    uint32_t *counts = mem_zero(end - first, sizeof *counts);
    if (b->count > 0)
        memcpy(counts + (b->first - first), b->counts, b->count * sizeof *counts);
    mem_free(b->counts);
    heap_bytes += (end - first - b->count) * sizeof *counts;
    b->counts = counts;
    b->first = first;
    b->count = end - first;
}

uint32_t *bins_reach(struct bins *b, uint32_t bin)
{
    if (b->count == 0 || bin - b->first >= b->count) {
        uint32_t first = bin / BINS_STEP * BINS_STEP;
        uint32_t end = first + BINS_STEP;
        if (b->count > 0) {
            /* Half as much again in the direction of growth keeps growing cheap. */
            uint32_t spare = b->count / 2 / BINS_STEP * BINS_STEP;
            if (first < b->first) {
                first = first > spare ? first - spare : 0;
                end = b->first + b->count;
            } else {
                end += spare;
                first = b->first;
            }
        }
        bins_grow(b, first, end);
    }
    return &b->counts[bin - b->first];
}

static bool bins_merge(struct bins *to, const struct bins *from, int sign)
{
    bool full = false;
    uint32_t begin = 0;
    uint32_t end = from->count;
    while (begin < end && from->counts[begin] == 0)
        begin++;
    while (end > begin && from->counts[end - 1] == 0)
        end--;
    if (begin == end)
        return false;
    (void)bins_reach(to, from->first + begin);
    (void)bins_reach(to, from->first + end - 1);
    uint32_t *counts = to->counts + (from->first + begin - to->first);
    for (uint32_t i = 0; i < end - begin; i++) {
        uint32_t before = counts[i];
        uint32_t other = from->counts[begin + i];
        counts[i] = sign > 0 ? before + other : before - other;
        full |= sign > 0 && counts[i] < before;
    }
    return full;
}

void histogram_merge(struct histogram *to, const struct histogram *from, int sign)
{
    bool full = bins_merge(&to->positive, &from->positive, sign);
    full |= bins_merge(&to->negative, &from->negative, sign);
    to->zeros = sign > 0 ? to->zeros + from->zeros : to->zeros - from->zeros;
    to->full |= full || from->full;
}

static uint64_t bins_total(const struct bins *b)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < b->count; i++)
        total += b->counts[i];
    return total;
}

uint64_t histogram_count(const struct histogram *h)
{
    return bins_total(&h->positive) + bins_total(&h->negative) + h->zeros;
}

/* The middle of the bin. */
static double bin_middle(uint32_t bin, bool integers)
{
    if (integers) {
        if (bin < 2 * HISTOGRAM_SUB)
            return bin;
        uint32_t shift = (bin >> HISTOGRAM_SUB_BITS) - 1;
        double low = ldexp((double)(bin - (shift << HISTOGRAM_SUB_BITS)), (int)shift);
        return low + (ldexp(1, (int)shift) - 1) / 2;
    }
    uint64_t low_bits = (uint64_t)bin << (52 - HISTOGRAM_SUB_BITS);
    uint64_t high_bits = (uint64_t)(bin + 1) << (52 - HISTOGRAM_SUB_BITS);
    double low;
    double high;
    memcpy(&low, &low_bits, sizeof low);
    memcpy(&high, &high_bits, sizeof high);
    if (!isfinite(low))
        return bin == bin_of_f64((double)INFINITY) ? low : (double)NAN;
    return isfinite(high) ? low + (high - low) / 2 : low;
}

/* The value at a rank from 0. */
static double value_at(const struct histogram *h, bool integers, uint64_t rank)
{
    for (uint32_t i = h->negative.count; i-- > 0;) {
        if (rank < h->negative.counts[i])
            return -bin_middle(h->negative.first + i, integers);
        rank -= h->negative.counts[i];
    }
    if (rank < h->zeros)
        return 0;
    rank -= h->zeros;
    double last = 0;
    for (uint32_t i = 0; i < h->positive.count; i++) {
        if (h->positive.counts[i] == 0)
            continue;
        last = bin_middle(h->positive.first + i, integers);
        if (rank < h->positive.counts[i])
            return last;
        rank -= h->positive.counts[i];
    }
    return last;
}

double histogram_quantile(const struct histogram *h, bool integers, double q)
{
    double position = q * (double)(histogram_count(h) - 1);
    double below = floor(position);
    double low = value_at(h, integers, (uint64_t)below);
    if (position == below)
        return low;
    double high = value_at(h, integers, (uint64_t)below + 1);
    return low == high ? low : low + (high - low) * (position - below);
}
