/*
 * bins.h - splits skewed integers into at most 16 bins, so that each value costs a bin index and an
 * offset no wider than its bin.
 */
#ifndef DRIFTLINE_SEGMENT_BINS_H
#define DRIFTLINE_SEGMENT_BINS_H

#include <stdint.h>

#define BINS_MAX         16u
#define BINS_OFFSET_BITS 56u /* an offset is read with one 8-byte load at any bit position */

struct bins {
    unsigned index_bits; /* 1..4; 0: no plan */
    uint32_t count;
    uint64_t start[BINS_MAX]; /* ascending, start[0] == 0 */
    uint8_t width[BINS_MAX];
    uint64_t bits; /* all values and the bins' own description */
};

/* The best bins for values (scratch of the same length is overwritten); index_bits 0 when bins can't be used. */
void bins_plan(const uint64_t *values, uint32_t count, uint64_t *scratch, struct bins *ret);
/* The bin a value belongs to. */
uint32_t bins_find(const struct bins *b, uint64_t value);

#endif
