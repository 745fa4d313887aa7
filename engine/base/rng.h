/*
 * rng.h - seeded pseudo-random numbers (xoroshiro128+, Blackman and Vigna 2018) and the kernel's
 * random bytes for secrets.
 */
#ifndef DRIFTLINE_BASE_RNG_H
#define DRIFTLINE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[2];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);
/* Standard normal (Box-Muller). */
double rng_normal(struct rng *r);
/* getrandom(2); ends the process if the kernel has none. */
void random_bytes(void *to, size_t size);

#endif
