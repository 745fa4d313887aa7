/*
 * frame.c - framing and checksum.
 *
 * Format:    FORMAT.md 9.1
 * Invariant: a frame is returned only if its checksum matched, its type is known and its reserved
 *            bits are zero.
 * Failure:   anything else ends the connection: without framing there is nothing to go on from.
 */
#include "server/wire/frame.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

static const char *const type_names[] = {
#define WIRE_TYPE(value, name, from, doc) [value] = #name,
#include "server/wire/wire_type.def"
#undef WIRE_TYPE
};
#define TYPE_COUNT (sizeof type_names / sizeof type_names[0])

const char *wire_type_name(unsigned type)
{
    return type < TYPE_COUNT && type_names[type] != NULL ? type_names[type] : "unknown";
}

static bool type_known(unsigned type)
{
    return type < TYPE_COUNT && type_names[type] != NULL;
}

static bool flags_known(const struct wire_frame_header *h)
{
    uint8_t allowed = h->type == WIRE_BATCH || h->type == WIRE_DICTIONARY ? WIRE_FLAG_RESET : 0;
    return (h->flags & ~allowed) == 0;
}

/* A header that makes no sense is refused before its length is waited for. */
static enum status header_check(const struct wire_frame_header *h, uint32_t payload_max,
                                struct error *reterr)
{
    if (!type_known(h->type))
        return error_set_at(reterr, STATUS_CORRUPT, 4,
                            "this is not the native protocol: there is no frame type %u",
                            (unsigned)h->type);
    if (h->reserved != 0 || !flags_known(h))
        return error_set_at(reterr, STATUS_CORRUPT, 5, "frame %s: reserved bits are set",
                            wire_type_name(h->type));
    if (h->payload_bytes > payload_max)
        return error_set_at(
            reterr, STATUS_LIMIT, 0, "frame %s: a payload of %lu bytes, at most %lu are allowed",
            wire_type_name(h->type), (unsigned long)h->payload_bytes, (unsigned long)payload_max);
    return STATUS_OK;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++)
        any |= bytes[i];
    return any == 0;
}

enum status frame_read(struct slice bytes, uint32_t payload_max, struct frame *ret_frame,
                       size_t *ret_bytes, struct error *reterr)
{
    struct wire_frame_header header;
    if (bytes.size < sizeof header) {
        *ret_bytes = 0;
        return STATUS_END;
    }
    memcpy(&header, bytes.data, sizeof header);
    enum status s = header_check(&header, payload_max, reterr);
    if (s < 0)
        return s;
    size_t covered = sizeof header + wire_padded(header.payload_bytes);
    if (bytes.size < covered + WIRE_CHECKSUM_BYTES) {
        *ret_bytes = covered + WIRE_CHECKSUM_BYTES;
        return STATUS_END;
    }
    uint64_t checksum;
    memcpy(&checksum, bytes.data + covered, sizeof checksum);
    if (checksum != hash64(slice_of(bytes.data, covered)))
        return error_set(reterr, STATUS_CORRUPT, "frame %s: the checksum does not match",
                         wire_type_name(header.type));
    const uint8_t *payload = bytes.data + sizeof header;
    if (!all_zero(payload + header.payload_bytes,
                  wire_padded(header.payload_bytes) - header.payload_bytes))
        return error_set(reterr, STATUS_CORRUPT, "frame %s: the padding is not zero",
                         wire_type_name(header.type));
    *ret_frame = (struct frame){.type = (enum wire_type)header.type,
                                .flags = header.flags,
                                .payload = slice_of(payload, header.payload_bytes)};
    *ret_bytes = covered + WIRE_CHECKSUM_BYTES;
    return STATUS_OK;
}

size_t frame_begin(struct buffer *to, enum wire_type type, uint8_t flags)
{
    size_t start = to->size;
    ASSERT(start % WIRE_ALIGN == 0);
    struct wire_frame_header header = {.type = (uint8_t)type, .flags = flags};
    buffer_add(to, &header, sizeof header);
    return start;
}

void frame_end(struct buffer *to, size_t start)
{
    size_t payload_bytes = to->size - start - sizeof(struct wire_frame_header);
    ASSERT(payload_bytes <= WIRE_PAYLOAD_MAX);
    uint32_t length = (uint32_t)payload_bytes;
    memcpy(to->data + start, &length, sizeof length);
    size_t padding = wire_padded(payload_bytes) - payload_bytes;
    memset(buffer_reserve(to, padding + WIRE_CHECKSUM_BYTES), 0, padding);
    to->size += padding;
    uint64_t checksum = hash64(slice_of(to->data + start, to->size - start));
    buffer_add(to, &checksum, sizeof checksum);
}

uint8_t *part_add(struct buffer *to, size_t size)
{
    size_t total = wire_padded(size);
    uint8_t *part = buffer_reserve(to, total);
    memset(part + size, 0, total - size);
    to->size += total;
    return part;
}

struct slice part_take(struct cursor *c, uint64_t size)
{
    struct slice part = cursor_take(c, size);
    struct slice padding = cursor_take(c, (0 - size) & (WIRE_ALIGN - 1));
    if (!all_zero(padding.data, padding.size))
        cursor_fail(c);
    return c->failed ? SLICE_EMPTY : part;
}
