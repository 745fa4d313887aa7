/*
 * protobuf.c - the rare cases of protobuf.h: numbers of several bytes and groups.
 */
#include "server/codec/protobuf.h"

uint64_t proto_varint_long(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = cursor_u8(c);
        if (c->failed)
            return 0;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    cursor_fail(c);
    return 0;
}

/* Groups are long out of use; a reader must still step over them. Each ends with a tag of its own number. */
void proto_skip_group(struct cursor *c, uint32_t tag)
{
    uint32_t open[PROTO_GROUP_DEPTH_MAX];
    uint32_t depth = 0;
    open[depth++] = tag >> 3;
    while (depth > 0 && !c->failed) {
        uint64_t next = proto_varint(c);
        if (next > UINT32_MAX || next < PROTO_TAG(1, 0)) {
            cursor_fail(c);
            return;
        }
        switch (next & 7) {
        case PROTO_VARINT:
            (void)proto_varint(c);
            break;
        case PROTO_FIXED64:
            (void)cursor_u64(c);
            break;
        case PROTO_BYTES:
            (void)cursor_take(c, proto_varint(c));
            break;
        case PROTO_FIXED32:
            (void)cursor_u32(c);
            break;
        case PROTO_GROUP_BEGIN:
            if (depth == PROTO_GROUP_DEPTH_MAX)
                cursor_fail(c);
            else
                open[depth++] = (uint32_t)next >> 3;
            break;
        case PROTO_GROUP_END:
            if (open[--depth] != next >> 3)
                cursor_fail(c);
            break;
        default:
            cursor_fail(c);
        }
    }
}
