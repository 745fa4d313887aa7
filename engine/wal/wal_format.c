/*
 * wal_format.c - encodes and decodes commit frames and records.
 *
 * Format: FORMAT.md 4.
 */
#include "engine/wal/wal_format.h"

#include "engine/base/check.h"
#include "engine/base/cursor.h"
#include "engine/base/hash.h"

/* Bytes of the header that its own checksum covers. */
#define HEADER_CHECKED_BYTES (WAL_FRAME_HEADER_BYTES - 8)

static uint8_t *write_u32(uint8_t *to, uint32_t v)
{
    memcpy(to, &v, sizeof v);
    return to + sizeof v;
}

static uint8_t *write_u64(uint8_t *to, uint64_t v)
{
    memcpy(to, &v, sizeof v);
    return to + sizeof v;
}

void wal_frame_seal(struct wal_frame *frame, uint8_t *bytes)
{
    size_t size = wal_frame_bytes(frame->body_bytes);
    size_t used = (size_t)WAL_FRAME_HEADER_BYTES + frame->body_bytes;
    memset(bytes + used, 0, size - used);
    frame->body_checksum =
        hash64(slice_of(bytes + WAL_FRAME_HEADER_BYTES, size - WAL_FRAME_HEADER_BYTES));

    uint8_t *at = write_u32(bytes, WAL_MAGIC);
    at = write_u32(at, WAL_VERSION);
    at = write_u64(at, frame->number);
    at = write_u64(at, frame->salt);
    at = write_u64(at, frame->offset);
    at = write_u64(at, frame->previous_seq);
    at = write_u64(at, frame->first_seq);
    at = write_u32(at, frame->record_count);
    at = write_u32(at, frame->body_bytes);
    at = write_u64(at, frame->body_checksum);
    ASSERT(at == bytes + HEADER_CHECKED_BYTES);
    (void)write_u64(at, hash64(slice_of(bytes, HEADER_CHECKED_BYTES)));
}

/* What no writer produces, whatever the checksum says. */
static const char *header_flaw(const struct wal_frame *frame)
{
    if (frame->record_count == 0)
        return "a frame without records";
    if (frame->body_bytes > WAL_BODY_BYTES_MAX)
        return "a frame above the size limit";
    if (frame->body_bytes / WAL_RECORD_HEADER_BYTES < frame->record_count)
        return "more records than a frame of this size can hold";
    if (frame->first_seq <= frame->previous_seq ||
        frame->first_seq > UINT64_MAX - frame->record_count)
        return "a sequence that runs backwards";
    return NULL;
}

const char *wal_frame_decode(struct slice block, bool trust, struct wal_frame *ret_frame)
{
    struct cursor c = cursor_over(block);
    struct wal_frame frame;
    uint32_t magic = cursor_u32(&c);
    uint32_t version = cursor_u32(&c);
    frame.number = cursor_u64(&c);
    frame.salt = cursor_u64(&c);
    frame.offset = cursor_u64(&c);
    frame.previous_seq = cursor_u64(&c);
    frame.first_seq = cursor_u64(&c);
    frame.record_count = cursor_u32(&c);
    frame.body_bytes = cursor_u32(&c);
    frame.body_checksum = cursor_u64(&c);
    uint64_t checksum = cursor_u64(&c);
    if (c.failed || magic != WAL_MAGIC)
        return "no frame";
    if (!trust && checksum != hash64(slice_of(block.data, HEADER_CHECKED_BYTES)))
        return "the header's checksum does not match";
    if (version != WAL_VERSION)
        return "an unknown version of the format";
    const char *flaw = header_flaw(&frame);
    if (flaw != NULL)
        return flaw;
    *ret_frame = frame;
    return NULL;
}

bool wal_frame_body_matches(const struct wal_frame *frame, struct slice behind)
{
    return hash64(behind) == frame->body_checksum;
}

void wal_record_encode(uint8_t to[WAL_RECORD_HEADER_BYTES], uint8_t type, uint32_t project,
                       uint32_t payload_bytes)
{
    uint8_t *at = write_u32(to, payload_bytes);
    at = write_u32(at, project);
    (void)write_u32(at, type);
}

static bool is_zero(struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] != 0)
            return false;
    }
    return true;
}

struct wal_records wal_frame_records(const struct wal_frame *frame, struct slice behind)
{
    ASSERT(behind.size == wal_frame_bytes(frame->body_bytes) - WAL_FRAME_HEADER_BYTES);
    struct slice padding =
        slice_of(behind.data + frame->body_bytes, behind.size - frame->body_bytes);
    return (struct wal_records){.left = slice_of(behind.data, frame->body_bytes),
                                .next_seq = frame->first_seq,
                                .count_left = frame->record_count,
                                .is_padded = is_zero(padding)};
}

enum status wal_records_next(struct wal_records *records, struct wal_record *ret)
{
    if (records->count_left == 0)
        return records->left.size == 0 && records->is_padded ? STATUS_END : STATUS_CORRUPT;
    struct cursor c = cursor_over(records->left);
    uint32_t payload_bytes = cursor_u32(&c);
    uint32_t project = cursor_u32(&c);
    uint32_t type = cursor_u32(&c);
    struct slice payload = cursor_take(&c, payload_bytes);
    if (c.failed || type > UINT8_MAX || payload_bytes > WAL_PAYLOAD_BYTES_MAX)
        return STATUS_CORRUPT;
    *ret = (struct wal_record){
        .seq = records->next_seq++, .type = (uint8_t)type, .project = project, .payload = payload};
    records->count_left--;
    records->left = slice_of(c.at, cursor_left(&c));
    return STATUS_OK;
}
