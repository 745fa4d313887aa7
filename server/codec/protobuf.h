/*
 * protobuf.h - walks the fields of a protobuf message, over the checked cursor.
 *
 * Place:    bytes of a message -> [here] -> one field at a time
 * Format:   protobuf encoding guide: varint, fixed64, bytes, fixed32; groups are skipped whole
 * Promise:  nothing is copied or allocated; a field's bytes lie inside its message.
 * Failure:  the cursor fails (and stays failed); field.start is where the field that did it begins.
 *
 *     struct cursor c = cursor_over(message);
 *     struct proto_field f = {0};
 *     while (proto_next(&c, &f)) {
 *         switch (f.tag) {
 *         case PROTO_TAG(5, PROTO_BYTES): ...
 *
 * Switching on the whole tag makes a known field of the wrong wire type an unknown one, as protobuf wants it.
 */
#ifndef DRIFTLINE_CODEC_PROTOBUF_H
#define DRIFTLINE_CODEC_PROTOBUF_H

#include "engine/base/cursor.h"

enum proto_wire {
    PROTO_VARINT = 0,
    PROTO_FIXED64 = 1,
    PROTO_BYTES = 2,
    PROTO_GROUP_BEGIN = 3,
    PROTO_GROUP_END = 4,
    PROTO_FIXED32 = 5,
};

#define PROTO_TAG(number, wire) ((uint32_t)(number) << 3 | (uint32_t)(wire))
#define PROTO_GROUP_DEPTH_MAX   64u

struct proto_field {
    uint32_t tag;         /* number << 3 | wire */
    uint64_t integer;     /* VARINT, FIXED64, FIXED32 */
    struct slice bytes;   /* BYTES */
    const uint8_t *start; /* of its tag */
};

/* What proto_varint and proto_next leave to the slow path. */
uint64_t proto_varint_long(struct cursor *c);
void proto_skip_group(struct cursor *c, uint32_t tag);

/* At most 10 bytes and 64 bits. Longer forms than needed are taken: protobuf's writers may pad. */
static inline uint64_t proto_varint(struct cursor *c)
{
    if (c->at < c->end && *c->at < 0x80)
        return *c->at++;
    return proto_varint_long(c);
}

/* The next field. False at the end of the message and after a failure (c->failed). */
static inline bool proto_next(struct cursor *c, struct proto_field *f)
{
    while (c->at < c->end) {
        f->start = c->at;
        uint64_t tag = proto_varint(c);
        if (tag > UINT32_MAX || tag < PROTO_TAG(1, 0)) {
            cursor_fail(c);
            return false;
        }
        f->tag = (uint32_t)tag;
        switch (tag & 7) {
        case PROTO_VARINT:
            f->integer = proto_varint(c);
            return !c->failed;
        case PROTO_FIXED64:
            f->integer = cursor_u64(c);
            return !c->failed;
        case PROTO_BYTES:
            f->bytes = cursor_take(c, proto_varint(c));
            return !c->failed;
        case PROTO_FIXED32:
            f->integer = cursor_u32(c);
            return !c->failed;
        case PROTO_GROUP_BEGIN:
            proto_skip_group(c, f->tag);
            break;
        default:
            cursor_fail(c);
            return false;
        }
    }
    return false;
}

#endif
