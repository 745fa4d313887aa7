/*
 * dict_page.c - dictionaries: values in byte order, front-coded, in compressed pages.
 *
 * A page is small enough to look one value up without loading the others; a directory of first values says which page.
 *
 * Format:  FORMAT.md 5.7. A page is, for each value, varint bytes shared with the value before, then varint size and bytes
 *          of the rest; as it is, or as `bytes` of one zstd frame. The directory is varint pages; for each: varint values, part,
 *          u8 1 if compressed, varint raw bytes, bytes of the first value.
 */
#include "engine/base/check.h"
#include "engine/segment/segment_format.h"

static uint32_t shared_bytes(struct slice a, struct slice b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    uint32_t n = 0;
    while (n < least && a.data[n] == b.data[n])
        n++;
    return n;
}

void dict_page_put(const struct slice *values, uint32_t count, int level, uint32_t *ret_count,
                   uint32_t *ret_raw_bytes, bool *ret_compressed, struct buffer *to)
{
    struct buffer raw = {0};
    struct slice last = SLICE_EMPTY;
    size_t text_bytes = 0;
    uint32_t n = 0;
    while (n < count && n < DICT_PAGE_COUNT_MAX && raw.size < DICT_PAGE_BYTES &&
           text_bytes < DICT_PAGE_TEXT) {
        uint32_t shared = n == 0 ? 0 : shared_bytes(last, values[n]);
        put_varint(&raw, shared);
        put_bytes(&raw, slice_of(values[n].data + shared, values[n].size - shared));
        text_bytes += values[n].size;
        last = values[n++];
    }
    ASSERT(raw.size <= DICT_PAGE_RAW_MAX);
    *ret_count = n;
    *ret_raw_bytes = (uint32_t)raw.size;
    struct buffer frame = {0};
    *ret_compressed = block_compress(buffer_slice(&raw), level, &frame);
    if (*ret_compressed)
        put_bytes(to, buffer_slice(&frame));
    else
        buffer_add_slice(to, buffer_slice(&raw));
    buffer_deinit(&frame);
    buffer_deinit(&raw);
}

void dict_directory_put(const struct dict_page *pages, uint32_t count, struct buffer *to)
{
    put_varint(to, count);
    for (uint32_t i = 0; i < count; i++) {
        put_varint(to, pages[i].count);
        put_part(to, pages[i].part);
        put_u8(to, pages[i].compressed);
        put_varint(to, pages[i].raw_bytes);
        put_bytes(to, pages[i].first_value);
    }
}

bool dict_directory_get(struct slice bytes, uint32_t values, struct arena *arena,
                        struct dict_page **ret_pages, uint32_t *ret_count)
{
    struct cursor c = cursor_over(bytes);
    uint64_t count = cursor_varint(&c);
    /* Every page takes at least its part's 24 bytes here. */
    if (count > bytes.size / 24 || count > values)
        return false;
    struct dict_page *pages = ARENA_ARRAY(arena, struct dict_page, count);
    uint64_t first = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t here = cursor_varint(&c);
        pages[i].part = cursor_part(&c);
        uint8_t compressed = cursor_u8(&c);
        uint64_t raw_bytes = cursor_varint(&c);
        pages[i].first_value = cursor_bytes(&c);
        if (c.failed || here == 0 || here > DICT_PAGE_COUNT_MAX || here > values ||
            compressed > 1 || raw_bytes > DICT_PAGE_RAW_MAX)
            return false;
        pages[i].first = (uint32_t)first;
        pages[i].count = (uint32_t)here;
        pages[i].compressed = compressed != 0;
        pages[i].raw_bytes = (uint32_t)raw_bytes;
        first += here;
        if (first - 1 > values)
            return false;
        if (i > 0 && slice_compare(pages[i - 1].first_value, pages[i].first_value) >= 0)
            return false;
    }
    *ret_pages = pages;
    *ret_count = (uint32_t)count;
    return first - 1 == values && cursor_padded_end(&c);
}

static bool values_get(const struct dict_page *page, struct slice raw, struct arena *arena,
                       struct slice *to)
{
    struct cursor c = cursor_over(raw);
    struct slice last = SLICE_EMPTY;
    size_t text_bytes = 0;
    for (uint32_t i = 0; i < page->count; i++) {
        uint64_t shared = cursor_varint(&c);
        struct slice rest = cursor_bytes(&c);
        if (c.failed || shared > last.size || shared + rest.size > STR_BYTES_MAX)
            return false;
        text_bytes += shared + rest.size;
        if (text_bytes > DICT_PAGE_TEXT_MAX)
            return false;
        uint8_t *value = arena_alloc(arena, shared + rest.size + 1);
        bytes_copy(value, last.data, shared);
        bytes_copy(value + shared, rest.data, rest.size);
        value[shared + rest.size] = 0;
        to[i] = (struct slice){.data = value, .size = shared + rest.size};
        if (i > 0 && slice_compare(last, to[i]) >= 0)
            return false;
        last = to[i];
    }
    return cursor_done(&c) && slice_equal(to[0], page->first_value);
}

bool dict_page_get(const struct dict_page *page, struct slice bytes, struct arena *arena,
                   struct slice *to)
{
    struct cursor c = cursor_over(bytes);
    if (!page->compressed) {
        struct slice raw = cursor_take(&c, page->raw_bytes);
        return cursor_padded_end(&c) && values_get(page, raw, arena, to);
    }
    struct slice frame = cursor_bytes(&c);
    if (!cursor_padded_end(&c))
        return false;
    uint8_t *raw = mem_alloc(page->raw_bytes);
    bool good = block_decompress(frame, raw, page->raw_bytes) &&
                values_get(page, slice_of(raw, page->raw_bytes), arena, to);
    mem_free(raw);
    return good;
}
