/*
 * postings.c - which blocks hold a dictionary code.
 *
 * Format:  FORMAT.md 5.9. Stream of sizes (one a code), then the codes' entries: u8 kind, then LIST: varint gaps between
 *          block numbers (the first from 0, later ones minus 1), BITMAP: ceil(blocks / 8) bytes, ALL: nothing.
 *          Size 0: no block (a code that only other codes' blocks would need).
 */
#include "engine/segment/ints.h"
#include "engine/segment/segment_format.h"

enum posting_kind {
    POSTING_LIST = 0,
    POSTING_BITMAP = 1,
    POSTING_ALL = 2
};

static const struct {
    enum table table;
    uint16_t column_id;
} wanted[] = {
    {TABLE_SPANS, SPANS_prompt_version},
    {TABLE_SPANS, SPANS_error_class},
    {TABLE_SPANS, SPANS_model},
    {TABLE_SPANS, SPANS_service},
    {TABLE_SPANS, SPANS_kind},
    {TABLE_SPANS, SPANS_prompt_name},
    {TABLE_SPANS, SPANS_tool_name},
    {TABLE_SCORES, SCORES_name},
    {TABLE_SCORES, SCORES_source},
    {TABLE_SCORES, SCORES_prompt_version},
    {TABLE_TAGS, TAGS_class},
    {TABLE_TAGS, TAGS_source},
};

bool postings_wanted(enum table table, uint16_t column_id)
{
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (wanted[i].table == table && wanted[i].column_id == column_id)
            return true;
    }
    return false;
}

static void entry_put(const uint64_t *present, uint32_t blocks, struct buffer *to)
{
    uint32_t count = 0;
    for (uint32_t b = 0; b < blocks; b++)
        count += present[b / 64] >> (b % 64) & 1;
    if (count == 0)
        return;
    if (count == blocks) {
        put_u8(to, POSTING_ALL);
        return;
    }
    size_t size_before = to->size;
    put_u8(to, POSTING_LIST);
    uint32_t next = 0;
    for (uint32_t b = 0; b < blocks; b++) {
        if (present[b / 64] >> (b % 64) & 1) {
            put_varint(to, b - next);
            next = b + 1;
        }
    }
    if (to->size - size_before <= 1 + (blocks + 7) / 8)
        return;
    to->size = size_before;
    put_u8(to, POSTING_BITMAP);
    buffer_add(to, present, (blocks + 7) / 8);
}

void postings_put(const uint64_t *present, uint32_t codes, uint32_t blocks, struct buffer *to)
{
    struct buffer entries = {0};
    int64_t *sizes = mem_alloc((size_t)codes * sizeof *sizes);
    for (uint32_t code = 0; code < codes; code++) {
        size_t size_before = entries.size;
        entry_put(present + (size_t)code * ((blocks + 63) / 64), blocks, &entries);
        sizes[code] = (int64_t)(entries.size - size_before);
    }
    ints_put(sizes, codes, false, to);
    buffer_add_slice(to, buffer_slice(&entries));
    buffer_deinit(&entries);
    mem_free(sizes);
}

static bool entry_get(struct slice entry, uint32_t blocks, uint64_t *bits)
{
    struct cursor c = cursor_over(entry);
    uint8_t kind = cursor_u8(&c);
    if (kind == POSTING_ALL) {
        for (uint32_t b = 0; b < blocks; b++)
            bits[b / 64] |= 1ull << (b % 64);
    } else if (kind == POSTING_BITMAP) {
        struct slice bitmap = cursor_take(&c, (blocks + 7) / 8);
        for (uint32_t b = 0; b < blocks && !c.failed; b++)
            bits[b / 64] |= (uint64_t)(bitmap.data[b / 8] >> (b % 8) & 1) << (b % 64);
    } else if (kind == POSTING_LIST) {
        uint64_t block = 0;
        while (cursor_left(&c) > 0) {
            uint64_t gap = cursor_varint(&c);
            if (gap >= blocks || block + gap >= blocks)
                return false;
            block += gap;
            bits[block / 64] |= 1ull << (block % 64);
            block++;
        }
    } else {
        return false;
    }
    return cursor_done(&c);
}

bool postings_get(struct slice bytes, uint32_t codes, uint32_t blocks, uint32_t code,
                  uint64_t *bits)
{
    if (codes > POSTINGS_CODES_MAX || code >= codes)
        return false;
    struct cursor c = cursor_over(bytes);
    uint32_t *sizes = mem_alloc((size_t)codes * sizeof *sizes);
    ints_get32(&c, codes, sizes);
    uint64_t before = 0;
    uint64_t after = 0;
    for (uint32_t i = 0; i < codes; i++) {
        before += i < code ? sizes[i] : 0;
        after += i > code ? sizes[i] : 0;
    }
    (void)cursor_take(&c, before);
    struct slice entry = cursor_take(&c, sizes[code]);
    mem_free(sizes);
    (void)cursor_take(&c, after);
    if (!cursor_padded_end(&c))
        return false;
    return entry.size == 0 || entry_get(entry, blocks, bits);
}

bool postings_check(struct slice bytes, uint32_t codes, uint32_t blocks)
{
    if (codes > POSTINGS_CODES_MAX)
        return false;
    struct cursor c = cursor_over(bytes);
    uint32_t *sizes = mem_alloc((size_t)codes * sizeof *sizes);
    uint64_t *bits = mem_zero(blocks / 64 + 1, sizeof *bits);
    ints_get32(&c, codes, sizes);
    bool good = !c.failed;
    for (uint32_t i = 0; i < codes && good; i++) {
        struct slice entry = cursor_take(&c, sizes[i]);
        good = !c.failed && (entry.size == 0 || entry_get(entry, blocks, bits));
    }
    mem_free(sizes);
    mem_free(bits);
    return good && cursor_padded_end(&c);
}
