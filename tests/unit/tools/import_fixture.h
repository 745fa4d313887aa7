/*
 * import_fixture.h - runs an importer over a text and keeps what would be sent, as text.
 */
#ifndef DRIFTLINE_TESTS_TOOLS_IMPORT_FIXTURE_H
#define DRIFTLINE_TESTS_TOOLS_IMPORT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/import.h"

struct imported {
    enum status status;
    struct error error;
    uint64_t rows, rejected, batches;
    struct buffer
        text; /* a line a row: name=value, columns in the order of the batch, NULLs left out */
};

static void dump_refs(struct slice refs, const struct wire_input *in, struct buffer *to)
{
    buffer_add_byte(to, '[');
    for (size_t at = 0; at < refs.size; at += sizeof(struct id128)) {
        struct id128 address;
        struct slice body = slice_text("LOST");
        memcpy(address.bytes, refs.data + at, sizeof address.bytes);
        for (uint32_t i = 0; i < in->message_count; i++) {
            if (id128_equal(in->messages[i].address, address))
                body = in->messages[i].body;
        }
        if (at > 0)
            buffer_add_byte(to, ',');
        buffer_add_slice(to, body);
    }
    buffer_add_byte(to, ']');
}

static void dump_cell(const struct vector *v, uint32_t row, const struct wire_input *in,
                      struct buffer *to)
{
    char hex[ID128_HEX_BYTES];
    switch (v->storage) {
    case STORAGE_I64:
        buffer_printf(to, "%lld", (long long)v->i64[row]);
        break;
    case STORAGE_F64:
        buffer_printf(to, "%.17g", v->f64[row]);
        break;
    case STORAGE_STR:
    case STORAGE_TEXT:
        buffer_add_slice(to, vector_bytes(v, row));
        break;
    case STORAGE_REFS:
        dump_refs(vector_bytes(v, row), in, to);
        break;
    case STORAGE_ID64:
        buffer_printf(to, "%016llx", (unsigned long long)v->id64[row]);
        break;
    case STORAGE_ID128:
        id128_to_hex(v->id128[row], hex);
        buffer_add(to, hex, sizeof hex);
        break;
    }
}

static void dump_batch(const struct batch *b, const struct wire_input *in, struct buffer *to)
{
    for (uint32_t row = 0; row < b->rows; row++) {
        for (uint32_t i = 0; i < b->column_count; i++) {
            if (!vector_has(&b->columns[i].vector, row))
                continue;
            buffer_printf(to, "%s=", b->columns[i].column->name);
            dump_cell(&b->columns[i].vector, row, in, to);
            buffer_add_byte(to, ' ');
        }
        buffer_add_byte(to, '\n');
    }
}

static void on_batch(void *context, const struct wire_input *in)
{
    struct imported *got = context;
    const struct batch *const tables[] = {in->spans, in->scores, in->tags};
    got->batches++;
    for (size_t i = 0; i < 3; i++) {
        if (tables[i] != NULL)
            dump_batch(tables[i], in, &got->text);
    }
}

typedef enum status import_function(struct import *im, struct input *in, struct error *reterr);

/* set may change the import before it starts. Messages about bad rows go to stderr as in real life. */
static struct imported import_bytes(import_function *run, enum table table, uint32_t batch_rows,
                                    struct slice bytes, void (*set)(struct import *im))
{
    struct imported got = {0};
    char path[] = "/tmp/driftline-import-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "we");
    (void)fwrite(bytes.size == 0 ? (const uint8_t *)"" : bytes.data, 1, bytes.size, file);
    (void)fclose(file);
    struct sink sink;
    struct import im;
    struct input in = {0};
    sink_begin(&sink, "test", "rows", true);
    sink.tap = on_batch;
    sink.tap_context = &got;
    import_init(&im, table, batch_rows, &sink);
    import_begin(&im);
    im.start_ns = 1000 * NS_PER_S;
    if (set != NULL)
        set(&im);
    got.status = input_open(path, &in, &got.error);
    in.name = "test";
    if (got.status >= 0)
        got.status = run(&im, &in, &got.error);
    if (got.status < 0)
        IGNORE_STATUS(import_flush(&im, NULL));
    got.rows = sink.rows;
    got.rejected = im.rejected;
    input_close(&in);
    import_deinit(&im);
    sink_end(&sink);
    (void)unlink(path);
    buffer_add_byte(&got.text, 0);
    return got;
}

static inline struct imported import_text(import_function *run, const char *text)
{
    return import_bytes(run, TABLE_SPANS, 8192, slice_text(text), NULL);
}

static inline const char *imported_text(const struct imported *got)
{
    return (const char *)got->text.data;
}

static inline void imported_free(struct imported *got)
{
    buffer_deinit(&got->text);
}

#define EXPECT_TEXT(got, expected)                                                                 \
    cr_assert(strcmp(got, expected) == 0, "got\n%s\nexpected\n%s", got, expected)

#define TRACE "0123456789abcdef0123456789abcdef"
#define SPAN  "00000000000000a1"

#endif
