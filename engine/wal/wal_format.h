/*
 * wal_format.h - the bytes of a commit frame and of the records in it.
 *
 * Format:    FORMAT.md 4. On disk: append only, never renumber.
 * Invariant: a frame that wal_frame_decode and wal_frame_body_matches accept was written as one commit
 *            to exactly this file and offset; a recycled file's old frames carry another number.
 */
#ifndef DRIFTLINE_WAL_FORMAT_H
#define DRIFTLINE_WAL_FORMAT_H

#include <assert.h>

#include "engine/base/io.h"
#include "engine/base/limits.h"
#include "engine/base/slice.h"
#include "engine/wal/wal.h"

#define WAL_MAGIC               0x43574c44u /* "DLWC" */
#define WAL_VERSION             1u
#define WAL_FRAME_HEADER_BYTES  72u
#define WAL_RECORD_HEADER_BYTES 12u
#define WAL_PAYLOAD_BYTES_MAX   (BATCH_BYTES_MAX + (1u << 20))
/* Body of the largest frame: frames above a chunk hold one record. */
#define WAL_BODY_BYTES_MAX  (WAL_PAYLOAD_BYTES_MAX + WAL_RECORD_HEADER_BYTES)
#define WAL_FILE_NUMBER_MAX 9999999999ull

static_assert(WAL_FRAME_HEADER_BYTES < IO_ALIGN, "FORMAT.md 4: the header lies in one block");

struct wal_frame {
    uint64_t number; /* of the file, as in its name */
    uint64_t salt;   /* the same in every frame of one life of a file */
    uint64_t offset; /* of the frame in the file */
    /* The record before first_seq: first_seq - 1 but where the log was opened with a gap. Every record up to it was
     * durable when this frame was written; records above it in earlier files are void. */
    uint64_t previous_seq;
    uint64_t first_seq;
    uint32_t record_count;
    uint32_t body_bytes;
    uint64_t body_checksum;
};

static inline uint64_t wal_frame_last_seq(const struct wal_frame *frame)
{
    return frame->first_seq + frame->record_count - 1;
}

/* Header, body and padding. */
static inline size_t wal_frame_bytes(uint32_t body_bytes)
{
    size_t bytes = (size_t)WAL_FRAME_HEADER_BYTES + body_bytes;
    return (bytes + IO_ALIGN - 1) / IO_ALIGN * IO_ALIGN;
}

/* Completes a frame in place: `bytes` holds the body behind WAL_FRAME_HEADER_BYTES and has room for the padding,
 * which is cleared here. frame->body_checksum is computed. */
void wal_frame_seal(struct wal_frame *frame, uint8_t *bytes);
/* NULL when `block` (at least WAL_FRAME_HEADER_BYTES) begins with the header of a frame, else why not. */
const char *wal_frame_decode(struct slice block, bool trust, struct wal_frame *ret_frame);
/* behind: body and padding. */
bool wal_frame_body_matches(const struct wal_frame *frame, struct slice behind);

void wal_record_encode(uint8_t to[WAL_RECORD_HEADER_BYTES], uint8_t type, uint32_t project,
                       uint32_t payload_bytes);

/* Walks the records of a frame whose checksums matched. */
struct wal_records {
    struct slice left;
    uint64_t next_seq;
    uint32_t count_left;
    bool is_padded; /* with zeros, as it must */
};
struct wal_records wal_frame_records(const struct wal_frame *frame, struct slice behind);
/* STATUS_OK a record, STATUS_END after the last one, STATUS_CORRUPT (no text) when the body is malformed. */
enum status wal_records_next(struct wal_records *records, struct wal_record *ret);

#endif
