/*
 * exact_sum.c - the wide accumulator behind exact_sum.h.
 *
 * Format: limb i of a wide sum has the weight 2^(32 i - 1120); limbs hold up to 2^30 additions of 32-bit digits
 *         between carries.
 */
#include "query/exact_sum.h"

#include <math.h>

#include "engine/base/memory.h"

#define LIMBS         72
#define BASE_BITS     1120
#define ADDITIONS_MAX (1u << 30)

struct wide_sum {
    int64_t limbs[LIMBS];
    uint32_t additions;
    int64_t nans, infinities, minus_infinities;
};

void exact_sum_release(struct exact_sum *s)
{
    mem_free(s->wide);
    *s = (struct exact_sum){0};
}

static struct wide_sum *wide_of(struct exact_sum *s)
{
    if (s->wide == NULL)
        s->wide = MEM_NEW(struct wide_sum);
    return s->wide;
}

static void wide_carry(struct wide_sum *w)
{
    for (int i = 0; i + 1 < LIMBS; i++) {
        int64_t carry = w->limbs[i] >> 32;
        w->limbs[i] -= carry * (1ll << 32);
        w->limbs[i + 1] += carry;
    }
    w->additions = 0;
}

/* magnitude * 2^(bit - BASE_BITS), with the sign. */
static void wide_add(struct wide_sum *w, unsigned __int128 magnitude, int bit, int sign)
{
    int limb = bit / 32;
    int shift = bit % 32;
    if (++w->additions >= ADDITIONS_MAX)
        wide_carry(w);
    for (; magnitude != 0; magnitude >>= 32, limb++) {
        uint64_t digit = (uint64_t)(uint32_t)magnitude << shift;
        w->limbs[limb] += sign * (int64_t)(digit & 0xffffffff);
        w->limbs[limb + 1] += sign * (int64_t)(digit >> 32);
    }
}

static void wide_add_special(struct wide_sum *w, double x, int sign)
{
    if (isnan(x))
        w->nans += sign;
    else if (x > 0)
        w->infinities += sign;
    else
        w->minus_infinities += sign;
}

/* Moves the window into the wide sum. */
static void window_spill(struct exact_sum *s)
{
    struct wide_sum *w = wide_of(s);
    int sign = s->window < 0 ? -1 : 1;
    unsigned __int128 magnitude =
        sign < 0 ? -(unsigned __int128)s->window : (unsigned __int128)s->window;
    wide_add(w, magnitude, BASE_BITS - EXACT_SUM_UNIT_BITS, sign);
    s->window = 0;
}

void exact_sum_add_slow(struct exact_sum *s, double x, int sign)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) & 0x7ff;
    uint64_t mantissa = bits & 0xfffffffffffffull;
    struct wide_sum *w = wide_of(s);
    if (exponent == 0x7ff) {
        wide_add_special(w, x, sign);
        return;
    }
    if (exponent != 0)
        mantissa |= 1ull << 52;
    else
        exponent = 1;
    if ((int64_t)bits < 0)
        sign = -sign;
    wide_add(w, mantissa, exponent - 1075 + BASE_BITS, sign);
}

void exact_sum_merge(struct exact_sum *to, const struct exact_sum *from, int sign)
{
    __int128 sum;
    __int128 value = sign < 0 ? -from->window : from->window;
    to->count += sign * from->count;
    if (__builtin_add_overflow(to->window, value, &sum)) {
        window_spill(to);
        sum = value;
    }
    to->window = sum;
    if (from->wide == NULL)
        return;
    struct wide_sum *w = wide_of(to);
    struct wide_sum other = *from->wide;
    wide_carry(&other);
    wide_carry(w);
    for (int i = 0; i < LIMBS; i++)
        w->limbs[i] += sign * other.limbs[i];
    w->nans += sign * other.nans;
    w->infinities += sign * other.infinities;
    w->minus_infinities += sign * other.minus_infinities;
}

static __float128 wide_value(const struct wide_sum *from)
{
    struct wide_sum w = *from;
    double infinity = (double)INFINITY;
    if (w.nans != 0 || (w.infinities != 0 && w.minus_infinities != 0))
        return (__float128)(double)NAN;
    if (w.infinities != 0 || w.minus_infinities != 0)
        return (__float128)(w.infinities != 0 ? infinity : -infinity);
    wide_carry(&w);
    int sign = w.limbs[LIMBS - 1] < 0 ? -1 : 1;
    if (sign < 0) {
        for (int i = 0; i < LIMBS; i++)
            w.limbs[i] = -w.limbs[i];
        wide_carry(&w);
    }
    __float128 value = 0;
    for (int i = LIMBS; i-- > 0;)
        value = value * (__float128)4294967296.0 + (__float128)w.limbs[i];
    const __float128 half = (__float128)0x1p-560;
    return value * half * half * sign;
}

__float128 exact_sum_value(const struct exact_sum *s)
{
    if (s->wide == NULL)
        return (__float128)s->window * (__float128)0x1p-80;
    /* Both parts in one accumulator, so that a large one and its opposite cancel exactly. */
    struct wide_sum wide = *s->wide;
    struct exact_sum all = {.window = s->window, .wide = &wide};
    wide_carry(&wide);
    window_spill(&all);
    return wide_value(&wide);
}

double exact_sum_total(const struct exact_sum *s)
{
    return (double)exact_sum_value(s);
}

double exact_sum_mean(const struct exact_sum *s)
{
    return (double)(exact_sum_value(s) / (__float128)s->count);
}
