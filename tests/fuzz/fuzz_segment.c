/*
 * fuzz_segment.c - any bytes as a segment file: opened and read to the last cell without checksums, so that the decoders
 * themselves are met, then verified with them.
 *
 * The footer's file size and the place of the table of contents are set right first; else nearly every input would
 * end there.
 */
#include "engine/base/check.h"
#include "engine/base/io_sim.h"
#include "engine/segment/segment.h"

#define FOOTER_BYTES 48u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t touched;

/* Looks at every byte of a vector, as a query would. */
static void vector_touch(const struct vector *v)
{
    for (uint32_t row = 0; row < v->rows; row++) {
        touched += vector_has(v, row);
        switch (v->storage) {
        case STORAGE_I64:
        case STORAGE_F64:
        case STORAGE_ID64:
            touched += v->id64[row];
            break;
        case STORAGE_STR:
            ASSERT(v->codes[row] < v->dict->count);
            touched += vector_bytes(v, row).size;
            break;
        case STORAGE_TEXT:
        case STORAGE_REFS:
            for (size_t i = 0; i < v->bytes[row].size; i++)
                touched += v->bytes[row].data[i];
            break;
        case STORAGE_ID128:
            touched += v->id128[row].bytes[0];
            break;
        }
    }
}

static void lookups_touch(struct segment *s)
{
    struct row_range ranges[8];
    struct error e = {0};
    struct id128 id = {{1}};
    uint32_t count = 0;
    uint64_t *bits = mem_zero(segment_block_count(s) / 64 + 1, sizeof *bits);
    touched += segment_may_have_trace(s, id) + segment_may_have_session(s, slice_text("ses_1"));
    if (segment_find_trace(s, id, ranges, 8, &count, &e) >= 0)
        ASSERT(count <= 8);
    if (segment_find_session(s, slice_text("ses_1"), ranges, 8, &count, &e) >= 0)
        ASSERT(count <= 8);
    for (uint32_t i = 0; i < segment_column_count(s); i++) {
        struct zone zone;
        uint64_t bytes;
        const char *encoding;
        segment_column_usage(s, i, &bytes, &encoding);
        if (segment_block_count(s) > 0 && segment_zone(s, (int)i, 0, &zone, &e) < 0)
            ASSERT(e.text[0] != 0);
        if (segment_postings(s, (int)i, 1, bits, &e) < 0)
            ASSERT(e.text[0] != 0);
    }
    mem_free(bits);
}

static void segment_touch(struct segment *s)
{
    struct arena arena = {0};
    lookups_touch(s);
    for (uint32_t block = 0; block < segment_block_count(s); block++) {
        for (uint32_t i = 0; i < segment_column_count(s); i++) {
            struct vector v;
            struct error e = {0};
            arena_reset(&arena);
            if (segment_block_read(s, (int)i, block, &arena, &v, &e) >= 0) {
                ASSERT(v.rows == segment_block_rows(s, block));
                vector_touch(&v);
            } else {
                ASSERT(e.text[0] != 0);
            }
        }
    }
    arena_deinit(&arena);
}

static void footer_mend(uint8_t *bytes, size_t size)
{
    uint64_t contents_bytes;
    if (size < FOOTER_BYTES)
        return;
    uint8_t *footer = bytes + size - FOOTER_BYTES;
    memcpy(&contents_bytes, footer + 8, 8);
    if (contents_bytes <= size - FOOTER_BYTES) {
        uint64_t contents_at = size - FOOTER_BYTES - contents_bytes;
        memcpy(footer, &contents_at, 8);
    }
    uint64_t file_bytes = size;
    memcpy(footer + 24, &file_bytes, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema schema;
    struct segment *s = NULL;
    struct error e = {0};
    struct buffer bytes = {0};
    schema_init(&schema);
    buffer_add(&bytes, data, size);
    if (size > 0)
        footer_mend(bytes.data, size);
    struct io *io = io_sim_create(1);
    if (io_replace_file(io, "f.seg", buffer_slice(&bytes), &e) >= 0) {
        if (segment_open(io, "f.seg", &schema, true, &s, &e) >= 0)
            segment_touch(s);
        else
            ASSERT(e.text[0] != 0);
        if (segment_verify(io, "f.seg", NULL, NULL, &e) < 0)
            ASSERT(e.text[0] != 0);
    }
    segment_close(s);
    io_destroy(io);
    buffer_deinit(&bytes);
    schema_deinit(&schema);
    return 0;
}
