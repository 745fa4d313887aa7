/*
 * rng.c - xoroshiro128+ seeded through SplitMix64, and the kernel's random bytes.
 */
#include "engine/base/rng.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"

static uint64_t rotate_left(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

void rng_init(struct rng *r, uint64_t seed)
{
    /* SplitMix64 steps by the golden ratio; its finaliser never maps both halves to zero. */
    const uint64_t golden = 0x9e3779b97f4a7c15u;
    r->s[0] = hash_mix(seed + golden);
    r->s[1] = hash_mix(seed + 2 * golden);
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t s0 = r->s[0];
    uint64_t s1 = r->s[1];
    uint64_t result = s0 + s1;
    s1 ^= s0;
    r->s[0] = rotate_left(s0, 24) ^ s1 ^ (s1 << 16);
    r->s[1] = rotate_left(s1, 37);
    return result;
}

/* Lemire's method: the high half of a product, redrawn where it would favour small results. */
uint64_t rng_below(struct rng *r, uint64_t bound)
{
    ASSERT(bound > 0);
    unsigned __int128 product = (unsigned __int128)rng_u64(r) * bound;
    if ((uint64_t)product < bound) {
        uint64_t unfair = (0 - bound) % bound;
        while ((uint64_t)product < unfair)
            product = (unsigned __int128)rng_u64(r) * bound;
    }
    return (uint64_t)(product >> 64);
}

double rng_unit(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log(1 - rng_unit(r)));
    return radius * cos(two_pi * rng_unit(r));
}

void random_bytes(void *to, size_t size)
{
    uint8_t *at = to;
    while (size != 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            (void)fprintf(stderr, "driftline: the kernel gives no random bytes\n");
            exit(1);
        }
        at += got;
        size -= (size_t)got;
    }
}
