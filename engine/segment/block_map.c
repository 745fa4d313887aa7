/*
 * block_map.c - dictionary codes that follow from other columns of the same rows.
 *
 * A tool's span name follows from its kind, a service from the prompt it runs: such a column is a small table.
 *
 * Format:  FORMAT.md 5.6. u8 sources (1 or 2); for each: u16 column index, varint least code, varint span (largest - least
 *          + 1); then a stream of span1 (* span2) codes. The code of a row is table[(a - least1) * span2 + (b - least2)].
 *          A source must not be MAP itself.
 */
#include "engine/base/check.h"
#include "engine/segment/block.h"
#include "engine/segment/ints.h"

#define MAP_ENTRIES_MAX 4096u
#define NO_CODE         UINT32_MAX

/* False as soon as two rows disagree. */
static bool table_fill(const uint32_t *codes, const struct map_source *a,
                       const struct map_source *b, uint32_t rows, uint32_t *table)
{
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t at = a->codes[row] - a->least;
        if (b != NULL)
            at = at * b->span + (b->codes[row] - b->least);
        if (table[at] == NO_CODE)
            table[at] = codes[row];
        else if (table[at] != codes[row])
            return false;
    }
    return true;
}

static void source_put(const struct map_source *s, struct buffer *to)
{
    put_u16(to, s->index);
    put_varint(to, s->least);
    put_varint(to, s->span);
}

enum encoding block_put_map(const struct block_writer *w, const uint32_t *codes,
                            const struct map_source *a, const struct map_source *b,
                            size_t bytes_max, struct buffer *to)
{
    uint64_t entries = (uint64_t)a->span * (b == NULL ? 1 : b->span);
    if (entries > MAP_ENTRIES_MAX)
        return ENCODING_NONE;
    uint32_t table[MAP_ENTRIES_MAX];
    int64_t values[MAP_ENTRIES_MAX];
    memset(table, 0xff, entries * sizeof table[0]);
    if (!table_fill(codes, a, b, w->rows, table))
        return ENCODING_NONE;
    int64_t last = 0;
    for (uint64_t i = 0; i < entries; i++) {
        last = table[i] == NO_CODE ? last : table[i];
        values[i] = last;
    }
    if (ints_estimate(values, (uint32_t)entries, w->fast) + 16 >= bytes_max)
        return ENCODING_NONE;
    struct shape dense = {.kind = SHAPE_DENSE};
    struct mask all;
    mask_fill(&all, w->rows);
    block_head_put(w, ENCODING_MAP, &dense, &all, to);
    put_u8(to, b == NULL ? 1 : 2);
    source_put(a, to);
    if (b != NULL)
        source_put(b, to);
    ints_put(values, (uint32_t)entries, w->fast, to);
    block_end_put(to);
    return ENCODING_MAP;
}

/* at[row] = at[row] * span + (code - least); false when a code lies outside. */
static bool places_add(uint32_t *at, const uint32_t *codes, uint32_t rows, uint64_t least,
                       uint64_t span)
{
    uint32_t most = 0;
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t place = codes[row] - (uint32_t)least;
        most = place > most ? place : most;
        at[row] = at[row] * (uint32_t)span + place;
    }
    return most < span;
}

enum status map_block_get(const struct block_reader *r, struct cursor *c, uint32_t *to,
                          struct error *reterr)
{
    uint8_t sources = cursor_u8(c);
    if (sources < 1 || sources > 2 || r->by_index == NULL) {
        cursor_fail(c);
        return STATUS_OK;
    }
    uint64_t entries = 1;
    memset(to, 0, (size_t)r->rows * sizeof *to);
    for (uint8_t i = 0; i < sources; i++) {
        uint16_t index = cursor_u16(c);
        uint64_t least = cursor_varint(c);
        uint64_t span = cursor_varint(c);
        if (c->failed || least > UINT32_MAX || span == 0 || span > MAP_ENTRIES_MAX / entries) {
            cursor_fail(c);
            return STATUS_OK;
        }
        struct vector source;
        enum status s = r->by_index(r->context, index, &source, reterr);
        if (s < 0)
            return s;
        if (source.storage != STORAGE_STR || !places_add(to, source.codes, r->rows, least, span)) {
            cursor_fail(c);
            return STATUS_OK;
        }
        entries *= span;
    }
    uint32_t table[MAP_ENTRIES_MAX];
    ints_get32(c, (uint32_t)entries, table);
    for (uint32_t row = 0; row < r->rows && !c->failed; row++)
        to[row] = table[to[row]];
    return STATUS_OK;
}
