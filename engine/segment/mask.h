/*
 * mask.h - the row sets of one block, shared by all its columns.
 *
 * Many columns of a block are NULL, zero or constant on the same rows (only llm spans have a
 * temperature, a trace starts where its id changes), so a block stores each such set once and columns
 * refer to it, or to its complement, by number.
 *
 * Format:  FORMAT.md 5.5. A reference is a u16: 0 all rows, 1 no row, 2k + 2 mask k, 2k + 3 its complement.
 */
#ifndef DRIFTLINE_SEGMENT_MASK_H
#define DRIFTLINE_SEGMENT_MASK_H

#include "engine/base/cursor.h"
#include "engine/base/limits.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"

#define MASK_WORDS   (BLOCK_ROWS / 64)
#define MASKS_MAX    4096u /* masks a block */
#define MASK_DEPTH   4u    /* a mask within a mask within ... */
#define MASK_ALL     0u
#define MASK_NONE    1u
#define MASK_UNKNOWN 0xffffu

/* One bit a row; bits at and above `rows` are zero. */
struct mask {
    uint64_t words[MASK_WORDS];
};

static inline bool mask_get(const struct mask *m, uint32_t row)
{
    return m->words[row / 64] >> (row % 64) & 1;
}
static inline void mask_set(struct mask *m, uint32_t row)
{
    m->words[row / 64] |= 1ull << (row % 64);
}
uint32_t mask_ones(const struct mask *m);
/* Bits below rows. */
void mask_fill(struct mask *m, uint32_t rows);
void mask_invert(struct mask *m, uint32_t rows);
/* Every row of a is in b. */
bool mask_within(const struct mask *a, const struct mask *b);

/* The masks of a block being written. Zero is empty. */
struct mask_set {
    uint32_t rows; /* set by the caller */
    bool fast;     /* likewise: shapes are picked quickly rather than well */
    uint32_t count;
    size_t capacity;
    struct mask *masks;
};
void mask_set_deinit(struct mask_set *s);
/* The reference of a set of rows, MASK_UNKNOWN when it isn't stored yet. */
uint16_t mask_set_find(const struct mask_set *s, const struct mask *m);
/* The same, stored when new. MASK_UNKNOWN when the set is full. */
uint16_t mask_set_add(struct mask_set *s, const struct mask *m);
/* About what storing m would cost: 0 when it is stored already. */
size_t mask_set_cost(const struct mask_set *s, const struct mask *m);
/* The rows of a reference. */
void mask_set_get(const struct mask_set *s, uint16_t ref, struct mask *ret);
void mask_set_put(const struct mask_set *s, struct buffer *to);

/* Spreads low bits over the set bits of `outer`: what pdep does (oracle of the tests). */
uint64_t bits_deposit_slow(uint64_t bits, uint64_t outer);
/* The masks of a stored block. bytes: the part; false: damaged. */
bool mask_part_get(struct slice bytes, uint32_t rows, uint16_t ref, struct mask *ret);

#endif
