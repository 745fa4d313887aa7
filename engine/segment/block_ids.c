/*
 * block_ids.c - identifiers, and everything else that is stored as it is: RAW and ZSTD.
 *
 * Format:  FORMAT.md 5.6. RAW: the stored values, 8 or 16 bytes each, right behind the head (so 8-byte aligned in the
 *          file). ZSTD: varint size of the frame, the frame of the same bytes.
 *          Ids are random in most systems, then RAW can't be beaten and is read in place; sequential ones take
 *          the integer encodings.
 */
#include <zstd.h>

#include "engine/base/check.h"
#include "engine/segment/block.h"
#include "engine/segment/ints.h"

#define COMPRESS_SAMPLE_BYTES 8192u

bool block_compress(struct slice bytes, int level, struct buffer *to)
{
    size_t bound = ZSTD_compressBound(bytes.size);
    size_t size = ZSTD_compress(buffer_reserve(to, bound), bound, bytes.data, bytes.size, level);
    if (ZSTD_isError(size) || size + bytes.size / 16 > bytes.size)
        return false;
    to->size += size;
    return true;
}

bool block_decompress(struct slice frame, void *to, size_t raw_bytes)
{
    size_t size = ZSTD_decompress(to, raw_bytes, frame.data, frame.size);
    return !ZSTD_isError(size) && size == raw_bytes;
}

enum encoding block_raw_put(const struct block_writer *w, const struct shape *shape,
                            const struct mask *valid, struct slice bytes, struct buffer *to)
{
    struct buffer frame = {0};
    struct slice sample = bytes;
    enum encoding encoding = ENCODING_RAW;
    if (sample.size > COMPRESS_SAMPLE_BYTES)
        sample.size = COMPRESS_SAMPLE_BYTES;
    if (block_compress(sample, 1, &frame)) {
        buffer_reset(&frame);
        if (block_compress(bytes, w->level, &frame))
            encoding = ENCODING_ZSTD;
    }
    block_head_put(w, encoding, shape, valid, to);
    if (encoding == ENCODING_ZSTD)
        put_bytes(to, buffer_slice(&frame));
    else
        buffer_add_slice(to, bytes);
    block_end_put(to);
    buffer_deinit(&frame);
    return encoding;
}

enum encoding block_put_id64(const struct block_writer *w, const uint64_t *values,
                             const uint8_t *valid, bool parent, struct buffer *to)
{
    struct mask rows;
    mask_from_bytes(valid, w->rows, &rows);
    uint32_t present = mask_ones(&rows);
    if (present == 0)
        return ENCODING_NONE;
    if (parent && w->span_id != NULL && w->starts != MASK_UNKNOWN &&
        block_put_parent(w, values, &rows, to))
        return ENCODING_PARENT;
    struct shape shape = {.mask = rows, .count = present};
    shape.kind = present < w->rows ? SHAPE_AT : SHAPE_DENSE;
    int64_t *stored = mem_alloc((size_t)w->rows * sizeof *stored);
    shape_gather(&shape, w->rows, (const int64_t *)values, stored);
    enum encoding encoding;
    if (ints_estimate(stored, present, w->fast) < (size_t)present * 7)
        encoding = block_put_i64(w, (const int64_t *)values, valid, false, to);
    else
        encoding = block_raw_put(w, &shape, &rows, slice_of(stored, present * sizeof *stored), to);
    mem_free(stored);
    return encoding;
}

enum encoding block_put_id128(const struct block_writer *w, const struct id128 *values,
                              const uint8_t *valid, struct buffer *to)
{
    struct mask rows;
    mask_from_bytes(valid, w->rows, &rows);
    uint32_t present = mask_ones(&rows);
    if (present == 0)
        return ENCODING_NONE;
    struct shape shape = {.kind = SHAPE_RUNS};
    for (uint32_t row = 0; row < w->rows; row++) {
        if (row == 0 || !id128_equal(values[row], values[row - 1]))
            mask_set(&shape.mask, row);
    }
    shape.count = mask_ones(&shape.mask);
    if (shape.count > w->rows - w->rows / 16) {
        shape = (struct shape){.kind = SHAPE_AT, .mask = rows, .count = present};
        if (present == w->rows)
            shape.kind = SHAPE_DENSE;
    }
    struct id128 *stored = mem_alloc((size_t)w->rows * sizeof *stored);
    uint32_t n = 0;
    for (uint32_t row = 0; row < w->rows; row++) {
        if (shape.kind == SHAPE_DENSE || mask_get(&shape.mask, row))
            stored[n++] = values[row];
    }
    enum encoding encoding =
        block_raw_put(w, &shape, &rows, slice_of(stored, n * sizeof *stored), to);
    mem_free(stored);
    return encoding;
}

/* The stored values: in the file when they are RAW and aligned, else in the arena. NULL: damaged. */
static const void *stored_get(const struct block_reader *r, const struct block_head *h,
                              struct cursor *c, uint32_t width)
{
    size_t size = (size_t)h->stored * width;
    if (h->encoding == ENCODING_RAW) {
        struct slice raw = cursor_take(c, size);
        if (c->failed)
            return NULL;
        if ((uintptr_t)raw.data % 8 == 0)
            return raw.data;
        return memcpy(arena_alloc(r->arena, size), raw.data, size);
    }
    struct slice frame = cursor_bytes(c);
    void *values = arena_alloc(r->arena, size);
    if (!c->failed && !block_decompress(frame, values, size))
        cursor_fail(c);
    return c->failed ? NULL : values;
}

const void *raw_block_get(const struct block_reader *r, const struct block_head *h,
                          struct cursor *c, uint32_t width)
{
    const void *stored = stored_get(r, h, c, width);
    if (stored == NULL || h->kind == SHAPE_DENSE)
        return stored;
    void *to = arena_alloc(r->arena, (size_t)r->rows * width);
    if (width == 16)
        shape_spread128(&h->mask, h->kind, r->rows, stored, to);
    else
        shape_spread64(&h->mask, h->kind, r->rows, 0, stored, to);
    return to;
}

bool id128_block_find(const struct block_reader *r, struct slice bytes, struct id128 id,
                      void (*found)(void *context, uint32_t first, uint32_t count), void *context)
{
    struct cursor c = cursor_over(bytes);
    struct block_head h;
    if (!block_head_get(r, &c, &h) || (h.encoding != ENCODING_RAW && h.encoding != ENCODING_ZSTD))
        return false;
    const struct id128 *stored = stored_get(r, &h, &c, 16);
    if (stored == NULL)
        return false;
    if (h.kind == SHAPE_DENSE)
        mask_fill(&h.mask, r->rows);
    uint32_t i = 0;
    for (uint32_t row = 0; row < r->rows; row++) {
        if (!mask_get(&h.mask, row))
            continue;
        bool same = id128_equal(stored[i++], id);
        if (!same)
            continue;
        uint32_t end = row + 1;
        while (h.kind == SHAPE_RUNS && end < r->rows && !mask_get(&h.mask, end))
            end++;
        found(context, row, end - row);
    }
    return true;
}
