/*
 * cursor.h - reads untrusted bytes. It fails once and stays failed, so a decoder reads like the
 * format and checks at the end. After a failure every read gives zero or the empty slice.
 */
#ifndef DRIFTLINE_BASE_CURSOR_H
#define DRIFTLINE_BASE_CURSOR_H

#include "engine/base/slice.h"

struct cursor {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct cursor cursor_over(struct slice bytes)
{
    return (struct cursor){.start = bytes.data, .at = bytes.data, .end = bytes.data + bytes.size};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline size_t cursor_offset(const struct cursor *c)
{
    return (size_t)(c->at - c->start);
}

static inline void cursor_fail(struct cursor *c)
{
    c->failed = true;
    c->at = c->end;
}

/* True when every read succeeded and nothing is left over. */
static inline bool cursor_done(const struct cursor *c)
{
    return !c->failed && c->at == c->end;
}

static inline struct slice cursor_take(struct cursor *c, uint64_t size)
{
    if (size > cursor_left(c)) {
        cursor_fail(c);
        return SLICE_EMPTY;
    }
    struct slice taken = slice_of(c->at, (size_t)size);
    c->at += size;
    return taken;
}

#define CURSOR_NUMBER(bits)                                                                        \
    static inline uint##bits##_t cursor_u##bits(struct cursor *c)                                  \
    {                                                                                              \
        uint##bits##_t v = 0;                                                                      \
        if (sizeof v > cursor_left(c)) {                                                           \
            cursor_fail(c);                                                                        \
            return 0;                                                                              \
        }                                                                                          \
        memcpy(&v, c->at, sizeof v);                                                               \
        c->at += sizeof v;                                                                         \
        return v;                                                                                  \
    }
CURSOR_NUMBER(8)
CURSOR_NUMBER(16)
CURSOR_NUMBER(32)
CURSOR_NUMBER(64)
#undef CURSOR_NUMBER

/* LEB128, at most 10 bytes, no bits past 64, shortest form required. */
static inline uint64_t cursor_varint(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = cursor_u8(c);
        if (c->failed)
            return 0;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift != 0)
                break;
            return v;
        }
    }
    cursor_fail(c);
    return 0;
}

/* varint length, then the bytes. */
static inline struct slice cursor_bytes(struct cursor *c)
{
    return cursor_take(c, cursor_varint(c));
}

#endif
