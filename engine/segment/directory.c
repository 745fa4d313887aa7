/*
 * directory.c - where the blocks of a column are, with their zone maps.
 *
 * Format:  FORMAT.md 5.2: streams of sizes, offsets and, when zoned, nulls, minima and maxima (one number a block), then
 *          a u64 checksum for each block whose size is not 0. A block of size 0 is all NULL.
 */
#include "engine/segment/ints.h"
#include "engine/segment/segment_format.h"

void directory_init(struct directory *d, uint32_t blocks, bool zoned, struct arena *arena)
{
    *d = (struct directory){.blocks = blocks, .zoned = zoned};
    d->size = arena_zero(arena, blocks, sizeof *d->size);
    d->offset = arena_zero(arena, blocks, sizeof *d->offset);
    d->checksum = arena_zero(arena, blocks, sizeof *d->checksum);
    if (!zoned)
        return;
    d->nulls = arena_zero(arena, blocks, sizeof *d->nulls);
    d->min = arena_zero(arena, blocks, sizeof *d->min);
    d->max = arena_zero(arena, blocks, sizeof *d->max);
}

static void numbers_put(const uint32_t *numbers, uint32_t count, int64_t *wide, struct buffer *to)
{
    for (uint32_t i = 0; i < count; i++)
        wide[i] = numbers[i];
    ints_put(wide, count, false, to);
}

void directory_put(const struct directory *d, struct buffer *to)
{
    int64_t *wide = mem_alloc((size_t)d->blocks * sizeof *wide);
    numbers_put(d->size, d->blocks, wide, to);
    /* A block that isn't there repeats the offset before it, which costs the least. */
    uint64_t last = 0;
    for (uint32_t i = 0; i < d->blocks; i++) {
        last = d->size[i] != 0 ? d->offset[i] : last;
        wide[i] = (int64_t)last;
    }
    ints_put(wide, d->blocks, false, to);
    if (d->zoned) {
        numbers_put(d->nulls, d->blocks, wide, to);
        ints_put(d->min, d->blocks, false, to);
        ints_put(d->max, d->blocks, false, to);
    }
    for (uint32_t i = 0; i < d->blocks; i++) {
        if (d->size[i] != 0)
            put_u64(to, d->checksum[i]);
    }
    mem_free(wide);
}

bool directory_get(struct directory *d, struct slice bytes)
{
    struct cursor c = cursor_over(bytes);
    ints_get32(&c, d->blocks, d->size);
    ints_get64(&c, d->blocks, (int64_t *)d->offset);
    if (d->zoned) {
        ints_get32(&c, d->blocks, d->nulls);
        ints_get64(&c, d->blocks, d->min);
        ints_get64(&c, d->blocks, d->max);
    }
    for (uint32_t i = 0; i < d->blocks; i++)
        d->checksum[i] = d->size[i] != 0 ? cursor_u64(&c) : 0;
    return cursor_padded_end(&c);
}
