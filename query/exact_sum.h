/*
 * exact_sum.h - sums of doubles without rounding, so that neither order nor threads nor taking values out again
 * can change a result.
 *
 * Shape:     a 128-bit integer in units of 2^-80 takes every double below 2^43 that is a multiple of 2^-80: all scores and
 *            prices. What does not fit (and what overflows) goes to a 2240-bit accumulator made on demand.
 * Result:    the exact sum, rounded once (through __float128's 113 bits).
 */
#ifndef DRIFTLINE_QUERY_EXACT_SUM_H
#define DRIFTLINE_QUERY_EXACT_SUM_H

#include <stdint.h>
#include <string.h>

struct wide_sum;

/* Zero is the empty sum. */
struct exact_sum {
    __int128 window;
    struct wide_sum *wide;
    int64_t count;
};

void exact_sum_release(struct exact_sum *s);
/* Adds x (sign 1) or takes it away (sign -1) whatever it is. The count is the caller's. */
void exact_sum_add_slow(struct exact_sum *s, double x, int sign);
/* to += sign * from, counts too. */
void exact_sum_merge(struct exact_sum *to, const struct exact_sum *from, int sign);
__float128 exact_sum_value(const struct exact_sum *s);
/* Sum and mean as doubles. */
double exact_sum_total(const struct exact_sum *s);
double exact_sum_mean(const struct exact_sum *s);

#define EXACT_SUM_UNIT_BITS 80

static inline void exact_sum_add(struct exact_sum *s, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) & 0x7ff;
    int shift = exponent - 1075 + EXACT_SUM_UNIT_BITS;
    uint64_t mantissa = (bits & 0xfffffffffffffull) | 1ull << 52;
    s->count++;
    if (shift < 0 || shift > 70) {
        if (bits << 1 != 0)
            exact_sum_add_slow(s, x, 1);
        return;
    }
    __int128 value = (__int128)mantissa << shift;
    if ((int64_t)bits < 0)
        value = -value;
    __int128 sum;
    if (__builtin_add_overflow(s->window, value, &sum))
        exact_sum_add_slow(s, x, 1);
    else
        s->window = sum;
}

#endif
