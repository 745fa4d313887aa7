/*
 * ints.h - a stream of 64-bit integers in as few bits as decode fast: what most blocks are made of.
 *
 * Format:  FORMAT.md 5.4. value = base + factor * x (modulo 2^64), where x is
 *            CONST   always 0;
 *            PACKED  bit-packed, with the few that don't fit patched in;
 *            BINS    a bin index (up to 16 bins) and an offset as wide as its bin: for skewed values.
 *          The number of values comes from the context, never from the stream.
 * Source:  frame of reference with patches: Zukowski et al. 2006 (PFOR). Bins: the idea of pcodec,
 *          without its entropy coder.
 */
#ifndef DRIFTLINE_SEGMENT_INTS_H
#define DRIFTLINE_SEGMENT_INTS_H

#include "engine/base/cursor.h"
#include "engine/base/memory.h"

#define INTS_COUNT_MAX 65536u

/* On disk: append only, never renumber. */
enum ints_kind {
    INTS_CONST = 0,
    INTS_PACKED = 1,
    INTS_BINS = 2
};

/* Appends a stream. Count at most INTS_COUNT_MAX; 0 is allowed. fast: bins, which take a sort, are not tried. */
void ints_put(const int64_t *values, uint32_t count, bool fast, struct buffer *to);
/* About the size ints_put would give; bins are not thought of. fast: nor are patches. */
size_t ints_estimate(const int64_t *values, uint32_t count, bool fast);

/* Reads a stream of count values. Damage marks the cursor failed; then `to` holds zeros. */
void ints_get64(struct cursor *c, uint32_t count, int64_t *to);
/* The same where every value must lie in 0..UINT32_MAX. */
void ints_get32(struct cursor *c, uint32_t count, uint32_t *to);

/* Signed numbers as varints: 0, -1, 1, -2, ... */
static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}
static inline void put_zigzag(struct buffer *b, int64_t v)
{
    put_varint(b, zigzag(v));
}
static inline int64_t cursor_zigzag(struct cursor *c)
{
    return unzigzag(cursor_varint(c));
}

#endif
