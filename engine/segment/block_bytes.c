/*
 * block_bytes.c - TEXT and REFS columns: lengths, then all bytes in one zstd frame.
 *
 * Format:  FORMAT.md 5.6. Stream of the stored rows' lengths; u8 1 if compressed; varint raw bytes; varint size; bytes.
 *          REFS are whole 16-byte addresses.
 * Failure: the raw size meets BLOCK_BYTES_MAX before it sizes anything, and must be the sum of the lengths.
 */
#include "engine/base/check.h"
#include "engine/segment/block.h"
#include "engine/segment/ints.h"

enum encoding block_put_bytes(const struct block_writer *w, const struct slice *values,
                              const uint8_t *valid, struct buffer *to)
{
    struct mask rows;
    mask_from_bytes(valid, w->rows, &rows);
    uint32_t present = mask_ones(&rows);
    if (present == 0)
        return ENCODING_NONE;
    struct shape shape = {.mask = rows, .count = present};
    shape.kind = present < w->rows ? SHAPE_AT : SHAPE_DENSE;
    struct buffer raw = {0};
    struct buffer frame = {0};
    int64_t *lengths = mem_alloc((size_t)present * sizeof *lengths);
    uint32_t n = 0;
    for (uint32_t row = 0; row < w->rows; row++) {
        if (!mask_get(&rows, row))
            continue;
        lengths[n++] = (int64_t)values[row].size;
        buffer_add_slice(&raw, values[row]);
    }
    ASSERT(raw.size <= BLOCK_BYTES_MAX);
    bool smaller = raw.size > 0 && block_compress(buffer_slice(&raw), w->level, &frame);
    block_head_put(w, ENCODING_BYTES, &shape, &rows, to);
    ints_put(lengths, n, w->fast, to);
    put_u8(to, smaller);
    put_varint(to, raw.size);
    put_bytes(to, buffer_slice(smaller ? &frame : &raw));
    block_end_put(to);
    buffer_deinit(&raw);
    buffer_deinit(&frame);
    mem_free(lengths);
    return ENCODING_BYTES;
}

/* The raw bytes, in the file or in the arena. */
static struct slice raw_get(const struct block_reader *r, struct cursor *c)
{
    uint8_t compressed = cursor_u8(c);
    uint64_t raw_bytes = cursor_varint(c);
    struct slice stored = cursor_bytes(c);
    if (compressed > 1 || raw_bytes > BLOCK_BYTES_MAX ||
        (compressed == 0 && raw_bytes != stored.size))
        cursor_fail(c);
    if (c->failed || compressed == 0)
        return stored;
    void *raw = arena_alloc(r->arena, raw_bytes);
    if (!block_decompress(stored, raw, raw_bytes))
        cursor_fail(c);
    return slice_of(raw, raw_bytes);
}

const struct slice *bytes_block_get(const struct block_reader *r, const struct block_head *h,
                                    struct cursor *c)
{
    if (h->kind == SHAPE_RUNS) {
        cursor_fail(c);
        return NULL;
    }
    struct slice *values = arena_alloc(r->arena, (size_t)r->rows * sizeof *values);
    uint32_t *lengths = mem_alloc((size_t)r->rows * sizeof *lengths);
    ints_get32(c, h->stored, lengths);
    struct slice raw = raw_get(r, c);
    size_t at = 0;
    uint32_t n = 0;
    for (uint32_t row = 0; row < r->rows; row++) {
        values[row] = SLICE_EMPTY;
        if (c->failed || (h->kind == SHAPE_AT && !mask_get(&h->mask, row)))
            continue;
        uint32_t length = lengths[n++];
        if (length > raw.size - at) {
            cursor_fail(c);
            continue;
        }
        values[row] = slice_of(raw.data + at, length);
        at += length;
    }
    if (at != raw.size)
        cursor_fail(c);
    mem_free(lengths);
    return values;
}
