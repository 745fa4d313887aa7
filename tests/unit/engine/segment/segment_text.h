/*
 * segment_text.h - a segment's rows as segcat prints them, and golden files.
 */
#ifndef DRIFTLINE_TEST_SEGMENT_TEXT_H
#define DRIFTLINE_TEST_SEGMENT_TEXT_H

#include <math.h>
#include <stdlib.h>

#include "segment_fixture.h"

static inline struct buffer file_get(const char *path)
{
    struct buffer b = {0};
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s is missing (is SOURCE_DIR set?)", path);
    for (size_t got = 1; got > 0;) {
        got = fread(buffer_reserve(&b, 65536), 1, 65536, f);
        b.size += got;
    }
    (void)fclose(f);
    return b;
}

/* ---- the engine's rows in segcat's words ---- */

static inline void text_print(struct buffer *to, struct slice text)
{
    bool quoted = text.size == 0;
    for (size_t i = 0; i < text.size; i++)
        quoted |= strchr(",\"\r\n", text.data[i]) != NULL;
    if (quoted)
        put_u8(to, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            put_u8(to, '"');
        put_u8(to, text.data[i]);
    }
    if (quoted)
        put_u8(to, '"');
}

static inline void double_print(struct buffer *to, double v)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        buffer_add_text(to, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buffer_add_text(to, text);
}

static inline void cell_print(struct buffer *to, const struct vector *v, uint32_t row)
{
    if (!vector_has(v, row))
        return;
    switch (v->storage) {
    case STORAGE_I64:
        buffer_printf(to, "%lld", (long long)v->i64[row]);
        return;
    case STORAGE_F64:
        double_print(to, v->f64[row]);
        return;
    case STORAGE_STR:
    case STORAGE_TEXT:
        text_print(to, vector_bytes(v, row));
        return;
    case STORAGE_REFS:
        if (v->bytes[row].size == 0)
            buffer_add_text(to, "\"\"");
        for (size_t i = 0; i < v->bytes[row].size; i++)
            buffer_printf(to, "%s%02x", i > 0 && i % 16 == 0 ? " " : "", v->bytes[row].data[i]);
        return;
    case STORAGE_ID64:
        buffer_printf(to, "%016llx", (unsigned long long)v->id64[row]);
        return;
    case STORAGE_ID128:
        for (size_t i = 0; i < 16; i++)
            buffer_printf(to, "%02x", v->id128[row].bytes[i]);
        return;
    }
}

/* All rows as CSV; false: some block could not be read. */
static inline bool csv_read(struct segment *s, struct buffer *to, struct error *reterr)
{
    uint32_t columns = segment_column_count(s);
    bool good = true;
    for (uint32_t i = 0; i < columns; i++)
        buffer_printf(to, "%s%s", i == 0 ? "" : ",", segment_column(s, i)->name);
    buffer_add_text(to, "\n");
    for (uint32_t block = 0; block < segment_block_count(s) && good; block++) {
        struct arena arena = {0};
        struct vector *v = ARENA_ARRAY(&arena, struct vector, columns);
        for (uint32_t i = 0; i < columns && good; i++)
            good = segment_block_read(s, (int)i, block, &arena, &v[i], reterr) >= 0;
        for (uint32_t row = 0; good && row < segment_block_rows(s, block); row++) {
            for (uint32_t i = 0; i < columns; i++) {
                if (i > 0)
                    put_u8(to, ',');
                cell_print(to, &v[i], row);
            }
            put_u8(to, '\n');
        }
        arena_deinit(&arena);
    }
    return good;
}

static inline struct buffer csv_of(struct segment *s)
{
    struct buffer to = {0};
    struct error e = {0};
    cr_assert(csv_read(s, &to, &e), "%s", e.text);
    return to;
}

/* Opens bytes as a segment of a simulated disk. */
struct opened {
    struct io *io;
    struct schema schema;
    struct segment *segment;
};

static inline void opened_init(struct opened *o, struct slice bytes)
{
    struct error e = {0};
    schema_init(&o->schema);
    o->io = io_sim_create(1);
    MUST(io_replace_file(o->io, "g.seg", bytes, NULL));
    cr_assert(segment_open(o->io, "g.seg", &o->schema, false, &o->segment, &e) >= 0, "%s", e.text);
}

static inline void opened_deinit(struct opened *o)
{
    segment_close(o->segment);
    schema_deinit(&o->schema);
    io_destroy(o->io);
}

#endif
