/*
 * histogram.h - counts of values in log-linear bins: what approximate quantiles are read from.
 *
 * Bins:    64 to the octave. An integer below 64 has a bin of its own; a larger one v with its top bit at e has the
 *          bin of v >> (e - 6). A double has the bin of its exponent and its first six mantissa bits. Zero, the
 *          negative and the positive values are kept apart.
 * Error:   a bin is at most 1/64 of its lower bound wide and stands for its middle: a quantile is within 1/128
 *          (0.79 %) of the exact one, relative, whatever the distribution.
 * Merge:   integer counts: adding and taking away is exact, in any order.
 */
#ifndef DRIFTLINE_QUERY_HISTOGRAM_H
#define DRIFTLINE_QUERY_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB      (1u << HISTOGRAM_SUB_BITS)

/* Bins first .. first + count. */
struct bins {
    uint32_t *counts;
    uint32_t first;
    uint32_t count;
};

/* Zero is empty. All values of one histogram are integers or all are doubles. */
struct histogram {
    struct bins positive;
    struct bins negative; /* by magnitude */
    uint64_t zeros;
    bool full; /* a bin passed 2^32 - 1: the result would be wrong */
};

void histogram_release(struct histogram *h);
/* Bytes of bins this thread has made more than it gave back, modulo 2^64: differences are what counts. */
uint64_t histogram_heap_bytes(void);
/* Bytes of bins. */
uint64_t histogram_bytes(const struct histogram *h);
/* Makes room for a bin; the only place that allocates. */
uint32_t *bins_reach(struct bins *b, uint32_t bin);
/* to += sign * from. */
void histogram_merge(struct histogram *to, const struct histogram *from, int sign);
uint64_t histogram_count(const struct histogram *h);
/* Interpolated between the ranks around q * (count - 1), as percentile_cont does. count must not be 0. */
double histogram_quantile(const struct histogram *h, bool integers, double q);

static inline uint32_t bin_of_u64(uint64_t v)
{
    if (v < HISTOGRAM_SUB)
        return (uint32_t)v;
    int shift = 63 - __builtin_clzll(v) - HISTOGRAM_SUB_BITS;
    return ((uint32_t)shift << HISTOGRAM_SUB_BITS) + (uint32_t)(v >> shift);
}

static inline uint32_t bin_of_f64(double magnitude)
{
    uint64_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    return (uint32_t)(bits >> (52 - HISTOGRAM_SUB_BITS));
}

static inline void bins_add(struct bins *b, uint32_t bin)
{
    uint32_t at = bin - b->first;
    if (__builtin_expect(at < b->count, 1))
        b->counts[at]++;
    else
        ++*bins_reach(b, bin);
}

static inline void histogram_add_i64(struct histogram *h, int64_t v)
{
    if (__builtin_expect(v > 0, 1))
        bins_add(&h->positive, bin_of_u64((uint64_t)v));
    else if (v == 0)
        h->zeros++;
    else
        bins_add(&h->negative, bin_of_u64(-(uint64_t)v));
}

/* NaN counts as the largest value. */
static inline void histogram_add_f64(struct histogram *h, double v)
{
    if (__builtin_expect(v > 0, 1))
        bins_add(&h->positive, bin_of_f64(v));
    else if (v < 0)
        bins_add(&h->negative, bin_of_f64(-v));
    else if (v == 0)
        h->zeros++;
    else
        bins_add(&h->positive, bin_of_f64(__builtin_inf()) + 1);
}

#endif
