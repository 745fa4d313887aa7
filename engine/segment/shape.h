/*
 * shape.h - which rows of a block store a value, and what the others hold.
 *
 * Format:  FORMAT.md 5.6. DENSE: every row. AT: the rows of a mask; the others hold `fill`. RUNS: the rows of a
 *          mask (row 0 among them); each value lasts until the next one.
 */
#ifndef DRIFTLINE_SEGMENT_SHAPE_H
#define DRIFTLINE_SEGMENT_SHAPE_H

#include "engine/base/id.h"
#include "engine/segment/mask.h"

/* On disk: append only, never renumber. */
enum shape_kind {
    SHAPE_DENSE = 0,
    SHAPE_AT = 1,
    SHAPE_RUNS = 2
};

struct shape {
    enum shape_kind kind;
    struct mask mask; /* all rows when DENSE */
    int64_t fill;     /* AT */
    uint32_t count;   /* stored values */
    bool delta;       /* pick: differences are smaller */
};

/* The cheapest way to store values[rows]; `valid` are the rows that are not NULL (NULL rows hold 0).
 * The mask is not added to the set yet. */
void shape_pick(const struct mask_set *masks, const int64_t *values, const struct mask *valid,
                struct shape *ret);
/* The values that are stored; to has room for rows. */
void shape_gather(const struct shape *s, uint32_t rows, const int64_t *values, int64_t *to);
/* Rows where a value differs from the one before; row 0 is always in. */
void changes_of(const int64_t *values, uint32_t rows, struct mask *ret);

/* Spread stored values over the rows of a block. AT: rows outside the mask get fill. 32 bits: `stored` must be readable
 * for SPREAD_SPARE items beyond its last one. */
#define SPREAD_SPARE 8u
void shape_spread32_slow(const struct mask *m, enum shape_kind kind, uint32_t rows, uint32_t fill,
                         const uint32_t *stored, uint32_t *to);
void shape_spread32(const struct mask *m, enum shape_kind kind, uint32_t rows, uint32_t fill,
                    const uint32_t *stored, uint32_t *to);
void shape_spread64(const struct mask *m, enum shape_kind kind, uint32_t rows, int64_t fill,
                    const int64_t *stored, int64_t *to);
void shape_spread128(const struct mask *m, enum shape_kind kind, uint32_t rows,
                     const struct id128 *stored, struct id128 *to);
/* One byte a row, 0 or 1. */
void mask_to_bytes(const struct mask *m, uint32_t rows, uint8_t *to);
void mask_from_bytes(const uint8_t *valid, uint32_t rows, struct mask *ret);

#endif
