/*
 * wire_format.h - the layout of the native protocol (FORMAT.md 9): what both ends share.
 *
 * Every part of a frame is padded with zeros to a multiple of 8 bytes, so that decoded vectors can
 * point into it.
 */
#ifndef DRIFTLINE_WIRE_FORMAT_H
#define DRIFTLINE_WIRE_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"

#define WIRE_MAGIC        0x4c4e5244u /* "DRNL" */
#define WIRE_VERSION_MIN  1u
#define WIRE_VERSION_MAX  1u
#define WIRE_PORT_DEFAULT 4319u
#define WIRE_ALIGN        8u

enum wire_type {
#define WIRE_TYPE(value, name, from, doc) WIRE_##name = (value),
#include "server/wire/wire_type.def"
#undef WIRE_TYPE
};

/* Bounds on payloads. */
#define WIRE_PAYLOAD_MAX          (BATCH_BYTES_MAX + (1u << 20)) /* client -> server */
#define WIRE_PAYLOAD_GREETING_MAX (16u << 10)                    /* before WELCOME, both ways */
#define WIRE_PAYLOAD_REPLY_MAX    (2u << 20)                     /* server -> client */
#define WIRE_ADDRESSES_MAX        65536u                         /* in HAVE and WANT */
#define WIRE_MESSAGES_MAX         65536u                         /* bodies a frame */
#define WIRE_KEY_BYTES_MAX        256u
#define WIRE_NAME_BYTES_MAX       256u
#define WIRE_ERROR_TEXT_MAX       1023u
/* Cells of all columns of a frame, a cell counted with its width in memory plus one byte: constant
 * columns are small on the wire and must not unfold without end. */
#define WIRE_CELL_BYTES_MAX (96u << 20)
/* Bounds on the dictionaries of one connection, all columns together. */
#define WIRE_DICTIONARY_ENTRIES_MAX 262144u
#define WIRE_DICTIONARY_BYTES_MAX   (32u << 20)
#define WIRE_COLUMN_IDS             128u /* fixed column ids are below */

#define WIRE_FLAG_RESET 1u /* BATCH, DICTIONARY: forget all dictionaries first */

#define WIRE_COLUMN_BITMAP 1u /* column flag: a presence bitmap precedes the values */

#define WIRE_ERROR_RETRYABLE 1u /* ERROR flag: send it again after RESUME */
#define WIRE_ERROR_FATAL     2u /* ERROR flag: the connection ends after this frame */
#define WIRE_ROW_NONE        UINT32_MAX

struct wire_frame_header {
    uint32_t payload_bytes; /* without padding */
    uint8_t type;
    uint8_t flags;
    uint16_t reserved;
};
static_assert(sizeof(struct wire_frame_header) == 8, "FORMAT.md 9.1");
#define WIRE_CHECKSUM_BYTES 8u

struct wire_batch_header {
    uint64_t batch_seq;
    uint32_t rows[3]; /* by enum table */
    uint32_t message_count;
    uint16_t dictionary_count;
    uint16_t column_counts[3];
};
static_assert(sizeof(struct wire_batch_header) == 32, "FORMAT.md 9.4");

struct wire_delta_header {
    uint8_t table;
    uint8_t reserved;
    uint16_t column_id;
    uint32_t start; /* code of the first value */
    uint32_t count;
    uint32_t bytes; /* of all values together */
};
static_assert(sizeof(struct wire_delta_header) == 16, "FORMAT.md 9.5");

struct wire_column_header {
    uint16_t id; /* COLUMN_DYNAMIC: a score column, its name follows */
    uint8_t storage;
    uint8_t flags;
    uint8_t width; /* bytes a value: 0 constant, 1, 2, 4, 8, 16 */
    uint8_t reserved;
    uint16_t name_bytes;
    uint32_t body_bytes;  /* after this header, padding included */
    uint32_t value_count; /* TEXT, REFS: rows with a value; else 0 */
    uint64_t base;        /* I64: added to every value; width 0: the value; else 0 */
};
static_assert(sizeof(struct wire_column_header) == 24, "FORMAT.md 9.6");

static inline size_t wire_padded(size_t size)
{
    return (size + WIRE_ALIGN - 1) & ~(size_t)(WIRE_ALIGN - 1);
}

static inline size_t wire_bitmap_bytes(uint32_t rows)
{
    return ((size_t)rows + 7) / 8;
}

#endif
