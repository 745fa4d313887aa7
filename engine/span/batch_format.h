/*
 * batch_format.h - what batch_encode.c and batch_decode.c share: the layout of FORMAT.md 3.
 *
 * Every part of the encoding is padded to a multiple of 8 bytes from the batch's start, so decoded
 * vectors can point into the bytes.
 */
#ifndef DRIFTLINE_SPAN_BATCH_FORMAT_H
#define DRIFTLINE_SPAN_BATCH_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"

#define BATCH_VERSION     1u
#define BATCH_FLAG_BITMAP 1u
#define BATCH_PART_ALIGN  8u
#define BATCH_COLUMNS_MAX (128u + SCORE_COLUMNS_MAX)

struct batch_header {
    uint8_t version;
    uint8_t table;
    uint16_t column_count;
    uint32_t rows;
};
static_assert(sizeof(struct batch_header) == 8, "FORMAT.md 3.1");

struct column_header {
    uint16_t id; /* COLUMN_DYNAMIC: a score column, its name follows */
    uint8_t storage;
    uint8_t flags;
    uint32_t body_bytes;  /* after this header, padding included */
    uint32_t value_count; /* STR: dictionary values; TEXT, REFS: rows with a value; else 0 */
    uint8_t code_bytes;   /* STR: 0, 1, 2 or 4; else 0 */
    uint8_t reserved;
    uint16_t name_bytes; /* score columns; else 0 */
};
static_assert(sizeof(struct column_header) == 16, "FORMAT.md 3.2");

static inline size_t batch_padded(size_t size)
{
    return (size + BATCH_PART_ALIGN - 1) & ~(size_t)(BATCH_PART_ALIGN - 1);
}

static inline size_t batch_bitmap_bytes(uint32_t rows)
{
    return ((size_t)rows + 7) / 8;
}

#endif
