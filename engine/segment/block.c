/*
 * block.c - the head every block starts with, and the way to its decoder.
 *
 * Format:  FORMAT.md 5.6: u8 encoding, u8 shape, u16 valid rows, u16 shape rows, u16 zero; then the encoding's
 *          own bytes; then zero bytes up to a multiple of 8.
 */
#include "engine/segment/block.h"

#include "engine/base/check.h"
#include "engine/segment/pack.h"

const char *encoding_name(enum encoding e)
{
    switch (e) {
    case ENCODING_NONE:
        return "null";
#define ENCODING(value, name, text)                                                                \
    case ENCODING_##name:                                                                          \
        return text;
#include "engine/segment/encoding.def"
#undef ENCODING
    }
    return "null";
}

void block_head_put(const struct block_writer *w, enum encoding encoding, const struct shape *shape,
                    const struct mask *valid, struct buffer *to)
{
    uint16_t valid_ref = mask_set_add(w->masks, valid);
    uint16_t shape_ref =
        shape->kind == SHAPE_DENSE ? MASK_ALL : mask_set_add(w->masks, &shape->mask);
    ASSERT(valid_ref != MASK_UNKNOWN);
    ASSERT(shape_ref != MASK_UNKNOWN);
    put_u8(to, (uint8_t)encoding);
    put_u8(to, (uint8_t)shape->kind);
    put_u16(to, valid_ref);
    put_u16(to, shape_ref);
    put_u16(to, 0);
}

void block_end_put(struct buffer *to)
{
    while (to->size % 8 != 0)
        put_u8(to, 0);
}

bool block_head_get(const struct block_reader *r, struct cursor *c, struct block_head *ret)
{
    uint8_t encoding = cursor_u8(c);
    uint8_t kind = cursor_u8(c);
    ret->valid_ref = cursor_u16(c);
    uint16_t shape_ref = cursor_u16(c);
    uint16_t reserved = cursor_u16(c);
    if (c->failed || encoding == 0 || encoding >= ENCODING_COUNT || kind > SHAPE_RUNS ||
        reserved != 0 || (kind == SHAPE_DENSE && shape_ref != MASK_ALL))
        return false;
    ret->encoding = (enum encoding)encoding;
    ret->kind = (enum shape_kind)kind;
    if (!mask_part_get(r->masks, r->rows, shape_ref, &ret->mask))
        return false;
    ret->stored = kind == SHAPE_DENSE ? r->rows : mask_ones(&ret->mask);
    return kind != SHAPE_RUNS || mask_get(&ret->mask, 0);
}

enum status block_corrupt(const struct block_reader *r, struct error *reterr, const char *what)
{
    return corrupt(reterr, r->path, r->offset, "column block: %s", what);
}

/* Only zero bytes, fewer than 8, may be left. */
static bool block_at_end(struct cursor *c)
{
    if (c->failed || cursor_left(c) >= 8)
        return false;
    while (cursor_left(c) > 0) {
        if (cursor_u8(c) != 0)
            return false;
    }
    return true;
}

static enum status i64_get(const struct block_reader *r, const struct block_head *h,
                           struct cursor *c, struct vector *ret, struct error *reterr)
{
    int64_t *values = ARENA_ARRAY(r->arena, int64_t, r->rows);
    ret->i64 = values;
    switch (h->encoding) {
    case ENCODING_PLAIN:
    case ENCODING_DELTA:
        ints_block_get64(r, h, c, values);
        return STATUS_OK;
    case ENCODING_ANCHOR:
    case ENCODING_TIMELINE:
        return anchor_block_get(r, h, c, values, reterr);
    case ENCODING_PARENT:
        return parent_block_get(r, h, c, (uint64_t *)values, reterr);
    case ENCODING_RAW:
    case ENCODING_ZSTD:
        ret->i64 = raw_block_get(r, h, c, 8);
        return STATUS_OK;
    case ENCODING_NONE:
    case ENCODING_MAP:
    case ENCODING_DECIMAL:
    case ENCODING_BYTES:
        break;
    }
    cursor_fail(c);
    return STATUS_OK;
}

HOT_LOOP static uint32_t codes_most(const uint32_t *codes, uint32_t rows)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < rows; i++)
        most = codes[i] > most ? codes[i] : most;
    return most;
}

static enum status codes_get(const struct block_reader *r, const struct block_head *h,
                             struct cursor *c, struct vector *ret, struct error *reterr)
{
    uint32_t *codes = ARENA_ARRAY(r->arena, uint32_t, r->rows);
    ret->codes = codes;
    if (h->encoding == ENCODING_MAP) {
        enum status s = map_block_get(r, c, codes, reterr);
        if (s < 0)
            return s;
    } else if (h->encoding == ENCODING_PLAIN || h->encoding == ENCODING_DELTA) {
        ints_block_get32(r, h, c, codes);
    } else {
        cursor_fail(c);
    }
    if (!c->failed && codes_most(codes, r->rows) >= r->dict_count)
        cursor_fail(c);
    return STATUS_OK;
}

static enum status payload_get(const struct block_reader *r, const struct block_head *h,
                               struct cursor *c, struct vector *ret, struct error *reterr)
{
    bool raw = h->encoding == ENCODING_RAW || h->encoding == ENCODING_ZSTD;
    switch (ret->storage) {
    case STORAGE_I64:
    case STORAGE_ID64:
        return i64_get(r, h, c, ret, reterr);
    case STORAGE_STR:
        return codes_get(r, h, c, ret, reterr);
    case STORAGE_F64:
        if (h->encoding == ENCODING_DECIMAL) {
            double *values = ARENA_ARRAY(r->arena, double, r->rows);
            decimal_block_get(r, h, c, values);
            ret->f64 = values;
        } else if (raw) {
            ret->f64 = raw_block_get(r, h, c, 8);
        } else {
            cursor_fail(c);
        }
        return STATUS_OK;
    case STORAGE_ID128:
        if (raw)
            ret->id128 = raw_block_get(r, h, c, 16);
        else
            cursor_fail(c);
        return STATUS_OK;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        if (h->encoding == ENCODING_BYTES)
            ret->bytes = bytes_block_get(r, h, c);
        else
            cursor_fail(c);
        for (uint32_t row = 0; ret->storage == STORAGE_REFS && !c->failed && row < r->rows; row++) {
            if (ret->bytes[row].size % sizeof(struct id128) != 0)
                cursor_fail(c);
        }
        return STATUS_OK;
    }
    return STATUS_OK;
}

enum status block_get(const struct block_reader *r, enum storage storage, struct slice bytes,
                      struct vector *ret, struct error *reterr)
{
    ASSERT(r->rows > 0);
    ASSERT(r->rows <= BLOCK_ROWS);
    struct cursor c = cursor_over(bytes);
    struct block_head h;
    struct vector v = {.storage = storage, .rows = r->rows};
    if (!block_head_get(r, &c, &h))
        return block_corrupt(r, reterr, "bad head");
    enum status s = payload_get(r, &h, &c, &v, reterr);
    if (s < 0)
        return s;
    if (!block_at_end(&c))
        return block_corrupt(r, reterr, encoding_name(h.encoding));
    if (h.valid_ref != MASK_ALL) {
        struct mask valid;
        if (storage == STORAGE_STR || !mask_part_get(r->masks, r->rows, h.valid_ref, &valid))
            return block_corrupt(r, reterr, "bad row set");
        uint8_t *flags = arena_alloc(r->arena, r->rows);
        mask_to_bytes(&valid, r->rows, flags);
        v.valid = flags;
    }
    *ret = v;
    return STATUS_OK;
}
