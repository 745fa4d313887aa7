/*
 * head_column.h - one column of a head: chunks of BLOCK_ROWS rows whose arrays never move.
 *
 * Invariants:
 *   1. A chunk's payload is NULL until one of its rows has a value; then all rows are NULL.
 *   2. valid is NULL while every row so far of a chunk with payload has a value (always for STR).
 *   3. A mask is complete before it is published, and before the payload it belongs to is.
 *   4. Bytes of rows below a reader's watermark are written before that watermark is published.
 * From 3 and 4 a reader that loads payload, then valid, sees the truth about the rows below its
 * watermark whatever the writer does to later rows meanwhile.
 * Only the arrays of chunk 0 are replaced: they start small, so that a quiet project is small, and
 * the outgrown ones stay readable.
 */
#ifndef DRIFTLINE_HEAD_COLUMN_H
#define DRIFTLINE_HEAD_COLUMN_H

#include "engine/base/limits.h"
#include "engine/head/head_dict.h"

#define HEAD_CHUNK_BUCKETS 20u /* 2^20 - 1 chunks: more rows than a u32 numbers */

struct head_cells {
    _Atomic(uint8_t *) payload;
    _Atomic(uint8_t *) valid;
    uint32_t capacity; /* rows; writer only */
};

struct head_column {
    const struct column *column;
    size_t width;          /* bytes of a payload cell */
    uint64_t stamp;        /* the append that carried it last; writer only */
    struct head_dict dict; /* STR only */
    /* Bucket b holds the 2^b chunks from 2^b - 1 on. */
    _Atomic(struct head_cells *) buckets[HEAD_CHUNK_BUCKETS];
};

/* Where chunk c lives: *ret_slot within the bucket returned. */
static inline uint32_t head_chunk_bucket(uint32_t chunk, uint32_t *ret_slot)
{
    uint32_t bucket = 31 - (uint32_t)__builtin_clz(chunk + 1);
    *ret_slot = chunk + 1 - (1u << bucket);
    return bucket;
}

struct head_column *head_column_create(const struct column *column, struct head_memory *m);

/*
 * Appends rows [row, row + count) of one chunk: returns where the caller writes their payload.
 * valid: as in struct vector; NULL for STR.
 */
void *head_column_append(struct head_column *c, struct head_memory *m, uint64_t row, uint32_t count,
                         const uint8_t *valid);
/* Appends NULL rows of one chunk. */
void head_column_append_null(struct head_column *c, struct head_memory *m, uint64_t row,
                             uint32_t count);
/* Where one cell of an appended row lives, which has a value from now on. rows: appended so far. */
void *head_column_cell(struct head_column *c, struct head_memory *m, uint64_t row, uint64_t rows);

/* What a thread that knows `row` to be visible sees of it. payload NULL: no row of the chunk has a
 * value; valid NULL: all have (or STR). Both point at the chunk's first row. */
static inline const uint8_t *head_column_chunk(const struct head_column *c, uint32_t chunk,
                                               const uint8_t **ret_valid)
{
    *ret_valid = NULL;
    uint32_t slot;
    uint32_t bucket = head_chunk_bucket(chunk, &slot);
    const struct head_cells *cells =
        atomic_load_explicit(&c->buckets[bucket], memory_order_acquire);
    if (cells == NULL)
        return NULL;
    const uint8_t *payload = atomic_load_explicit(&cells[slot].payload, memory_order_acquire);
    if (payload != NULL)
        *ret_valid = atomic_load_explicit(&cells[slot].valid, memory_order_acquire);
    return payload;
}

#endif
