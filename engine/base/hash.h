/*
 * hash.h - XXH3, for checksums, content addresses and hash tables.
 * Source: xxHash specification, XXH3_64bits and XXH3_128bits with seed 0.
 */
#ifndef DRIFTLINE_BASE_HASH_H
#define DRIFTLINE_BASE_HASH_H

#include "engine/base/id.h"
#include "engine/base/slice.h"

uint64_t hash64(struct slice bytes);
struct id128 hash128(struct slice bytes);

/* Mixes a 64-bit integer for a hash table (finaliser of SplitMix64). */
static inline uint64_t hash_mix(uint64_t v)
{
    v ^= v >> 30;
    v *= 0xbf58476d1ce4e5b9u;
    v ^= v >> 27;
    v *= 0x94d049bb133111ebu;
    return v ^ (v >> 31);
}

#endif
