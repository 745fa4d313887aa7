/*
 * frame.h - one frame of the native protocol: header, payload, padding, checksum.
 *
 * Writing: size_t start = frame_begin(&out, WIRE_PING, 0); put_...(&out, ...); frame_end(&out, start);
 */
#ifndef DRIFTLINE_WIRE_FRAME_H
#define DRIFTLINE_WIRE_FRAME_H

#include "engine/base/cursor.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"
#include "server/wire/wire_format.h"

struct frame {
    enum wire_type type;
    uint8_t flags;
    struct slice payload;
};

/* "BATCH"; never NULL, "unknown" for other values. */
const char *wire_type_name(unsigned type);

/*
 * Looks for a whole frame at the start of bytes. STATUS_OK: *ret_frame (it borrows from bytes) and
 * *ret_bytes, what the frame takes. STATUS_END: not all of it is there; *ret_bytes is what it will
 * take, or 0 while not even the header is there. STATUS_CORRUPT, STATUS_LIMIT: the stream can't be
 * followed any further.
 */
MUST_CHECK enum status frame_read(struct slice bytes, uint32_t payload_max, struct frame *ret_frame,
                                  size_t *ret_bytes, struct error *reterr);

/* The frame starts at the returned offset of `to`, which must be a multiple of 8. */
size_t frame_begin(struct buffer *to, enum wire_type type, uint8_t flags);
/* Pads and seals what was added since. */
void frame_end(struct buffer *to, size_t start);

/* A part inside a payload: size bytes that the caller fills, padding already zero. */
uint8_t *part_add(struct buffer *to, size_t size);
/* The way back: the bytes, with the padding checked. */
struct slice part_take(struct cursor *c, uint64_t size);

#endif
