/*
 * pack.h - integers of a fixed number of bits.
 *
 * Format:  FORMAT.md 5.3. Whole vectors of 256 values are interleaved over 8 lanes of 32 bits (or 4
 *          lanes of 64 bits when the width is above 32), so that one plain loop unpacks a lane group
 *          with the same shift; what is left (fewer than 256 values) is a plain bit string.
 * Cost:    unpacking 8192 values of 20 bits takes about 1.5 us with AVX2 and 3 us without
 *          (bench_segment).
 */
#ifndef DRIFTLINE_SEGMENT_PACK_H
#define DRIFTLINE_SEGMENT_PACK_H

#include "engine/base/memory.h"

#define PACK_VECTOR 256u

/* A second version of hot loops for AVX2, picked when the program starts. Sanitizers can't run the
 * picking code, so they get the plain version. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&      \
    !defined(__clang__)
#define HOT_LOOP __attribute__((target_clones("avx2", "default")))
#else
#define HOT_LOOP
#endif

/* Exact size of count values of that width (0..64). */
static inline uint64_t pack_bytes(uint32_t count, unsigned width)
{
    uint64_t whole = count / PACK_VECTOR;
    uint64_t rest = count % PACK_VECTOR;
    return whole * (PACK_VECTOR / 8) * width + (rest * width + 7) / 8;
}

/* Bits needed for v; 0 for 0. */
static inline unsigned bits_of(uint64_t v)
{
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(v);
}

static inline uint64_t bits_mask(unsigned width)
{
    return width == 0 ? 0 : UINT64_MAX >> (64 - width);
}

/* Appends the low `width` bits of each value. */
void pack_put(const uint64_t *values, uint32_t count, unsigned width, struct buffer *to);
/* from holds pack_bytes(count, width) bytes. */
void pack_get64(const uint8_t *from, uint32_t count, unsigned width, uint64_t *to);
/* Width at most 32. */
void pack_get32(const uint8_t *from, uint32_t count, unsigned width, uint32_t *to);
/* One value, the slow and obvious way: oracle of the tests. */
uint64_t pack_get_slow(const uint8_t *from, uint32_t count, unsigned width, uint32_t index);

/* A plain bit string, lowest bits first. */
struct bit_writer {
    struct buffer *to;
    uint64_t pending;
    unsigned pending_bits; /* below 64 */
};
void bit_writer_put(struct bit_writer *w, uint64_t value, unsigned width);
/* Fills the last byte with zero bits. */
void bit_writer_end(struct bit_writer *w);
/* `width` bits (0..64) at bit position `at`; every byte touched lies inside bytes. */
uint64_t bits_read(struct slice bytes, uint64_t at, unsigned width);

#endif
