/*
 * test_rng.c - the generator's sequence, its ranges, and threads.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "engine/base/rng.h"

/* xoroshiro128+ 1.0 by hand from the state {1, 2}. */
Test(rng, is_xoroshiro128plus)
{
    struct rng r = {{1, 2}};
    cr_assert(eq(u64, rng_u64(&r), 3));
    /* s1 ^ s0 = 3; s0' = rotl(1, 24) ^ 3 ^ 3 << 16; s1' = rotl(3, 37). */
    uint64_t s0 = ((uint64_t)1 << 24) ^ 3 ^ (3 << 16);
    uint64_t s1 = (uint64_t)3 << 37;
    cr_assert(eq(u64, rng_u64(&r), s0 + s1));
}

Test(rng, the_same_seed_gives_the_same_numbers)
{
    struct rng a;
    struct rng b;
    struct rng c;
    rng_init(&a, 0);
    rng_init(&b, 0);
    rng_init(&c, 1);
    cr_assert(a.s[0] != 0 || a.s[1] != 0);
    for (int i = 0; i < 100; i++) {
        uint64_t v = rng_u64(&a);
        cr_assert(eq(u64, v, rng_u64(&b)));
        cr_assert(ne(u64, v, rng_u64(&c)));
    }
}

Test(rng, bounds_hold_and_every_value_comes)
{
    struct rng r;
    rng_init(&r, 42);
    uint32_t seen[10] = {0};
    for (int i = 0; i < 10000; i++) {
        seen[rng_below(&r, 10)]++;
        double u = rng_unit(&r);
        cr_assert(u >= 0 && u < 1);
        cr_assert(eq(u64, rng_below(&r, 1), 0));
        cr_assert(lt(u64, rng_below(&r, UINT64_MAX), UINT64_MAX));
    }
    for (int i = 0; i < 10; i++)
        cr_assert(seen[i] > 800 && seen[i] < 1200, "%d came %u times", i, seen[i]);
}

Test(rng, normal_numbers_have_mean_zero_and_variance_one)
{
    struct rng r;
    rng_init(&r, 42);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < 100000; i++) {
        double v = rng_normal(&r);
        cr_assert(isfinite(v));
        sum += v;
        squares += v * v;
    }
    cr_assert(lt(dbl, fabs(sum / 100000), 0.02));
    cr_assert(lt(dbl, fabs(squares / 100000 - 1), 0.03));
}

Test(rng, the_kernel_gives_different_bytes_each_time)
{
    unsigned char a[300] = {0};
    unsigned char b[300] = {0};
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    cr_assert(ne(int, memcmp(a, b, sizeof a), 0));
    random_bytes(a, 0);
}
