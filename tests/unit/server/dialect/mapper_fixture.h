/*
 * mapper_fixture.h - spans written as OTLP JSON, mapped, and their cells as text.
 */
#ifndef DRIFTLINE_TEST_MAPPER_FIXTURE_H
#define DRIFTLINE_TEST_MAPPER_FIXTURE_H

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/json.h"
#include "engine/base/stringify.h"
#include "server/dialect/mapper.h"

struct fixture {
    struct schema schema;
    struct mapped mapped;
    struct mapper *mapper;
    struct otlp_reader *reader;
    struct otlp_result read;
    struct arena arena;
    uint32_t ignored; /* log records without a span */
    struct batch spans, scores, tags;
};

static inline enum status fixture_take_span(void *context, const struct otlp_span *span,
                                            struct error *reterr)
{
    struct fixture *f = context;
    return mapper_span(f->mapper, span, &f->mapped, reterr);
}

static inline enum status fixture_take_log(void *context, const struct otlp_log *log,
                                           struct error *reterr)
{
    struct fixture *f = context;
    enum status s = mapper_log(f->mapper, log, &f->mapped, reterr);
    f->ignored += s == STATUS_END;
    return s == STATUS_END ? STATUS_OK : s;
}

static inline void fixture_init(struct fixture *f, const struct mapper_explain *explain)
{
    *f = (struct fixture){0};
    schema_init(&f->schema);
    mapped_init(&f->mapped, &f->schema);
    f->mapper = mapper_create(explain);
    f->reader = otlp_reader_create();
}

static inline void fixture_deinit(struct fixture *f)
{
    otlp_reader_destroy(f->reader);
    mapper_destroy(f->mapper);
    mapped_deinit(&f->mapped);
    schema_deinit(&f->schema);
    arena_deinit(&f->arena);
}

/* Maps a whole request; what was mapped before goes. */
static inline void fixture_map_body(struct fixture *f, enum otlp_signal signal,
                                    enum otlp_encoding encoding, struct slice body)
{
    struct error error = {0};
    struct otlp_sink sink = {.span = fixture_take_span, .log = fixture_take_log, .context = f};
    mapped_reset(&f->mapped);
    enum status s = otlp_read(f->reader, signal, encoding, body, &sink, &f->read, &error);
    cr_assert(s >= 0, "%s", error.text);
    cr_assert_eq(f->read.rejected, 0, "%s", f->read.message);
    f->spans = builder_batch(&f->mapped.spans);
    f->scores = builder_batch(&f->mapped.scores);
    f->tags = builder_batch(&f->mapped.tags);
}

#define FIXTURE_IDS                                                                                \
    "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"1112131415161718\","            \
    "\"parentSpanId\":\"2122232425262728\","
#define FIXTURE_TIMES                                                                              \
    "\"startTimeUnixNano\":\"1795452193000000000\",\"endTimeUnixNano\":\"1795452194000000000\","

/* Maps one span whose members (besides ids) are given, under a resource with these attributes. */
static inline void fixture_map_span(struct fixture *f, const char *resource, const char *members)
{
    char *body = arena_printf(&f->arena,
                              "{\"resourceSpans\":[{\"resource\":{\"attributes\":%s},"
                              "\"scopeSpans\":[{\"scope\":{\"name\":\"\"},\"spans\":[{" FIXTURE_IDS
                              "%s}]}]}]}",
                              resource, members);
    fixture_map_body(f, OTLP_TRACES, OTLP_JSON, slice_text(body));
    cr_assert_eq(f->spans.rows, 1);
}

/* The same, of attributes alone; times are one second apart. */
static inline void fixture_map(struct fixture *f, const char *attributes)
{
    fixture_map_span(
        f, "{}",
        arena_printf(&f->arena, FIXTURE_TIMES "\"name\":\"span\",\"attributes\":%s", attributes));
}

static inline struct slice fixture_messages(struct fixture *f, struct slice refs)
{
    struct buffer text = {0};
    buffer_add_byte(&text, '[');
    for (size_t at = 0; at + 16 <= refs.size; at += 16) {
        struct id128 address;
        memcpy(&address, refs.data + at, 16);
        for (uint32_t i = 0; i < f->mapped.messages.count; i++) {
            const struct message *m = &f->mapped.messages.messages[i];
            if (!id128_equal(m->address, address))
                continue;
            if (text.size > 1)
                buffer_add_byte(&text, ',');
            buffer_add_slice(&text, m->body);
        }
    }
    buffer_add_byte(&text, ']');
    struct slice copy = arena_copy(&f->arena, buffer_slice(&text));
    buffer_deinit(&text);
    return copy;
}

/* A cell as text: "" when NULL; integers as stored; ids in hex; messages as their JSON array. */
static inline const char *fixture_text(struct fixture *f, const struct batch *batch, uint32_t row,
                                       const char *name)
{
    const struct column *column = schema_find(&f->schema, batch->table, slice_text(name));
    cr_assert_not_null(column, "no column %s", name);
    const struct vector *v = batch_vector(batch, column->id);
    if (v == NULL || row >= v->rows || !vector_has(v, row))
        return "";
    switch (v->storage) {
    case STORAGE_I64:
        return arena_printf(&f->arena, "%" PRId64, v->i64[row]);
    case STORAGE_F64: {
        struct buffer text = {0};
        stringify_number(v->f64[row], &text);
        const char *copy = (const char *)arena_copy(&f->arena, buffer_slice(&text)).data;
        buffer_deinit(&text);
        return copy;
    }
    case STORAGE_STR:
    case STORAGE_TEXT:
        return (const char *)arena_copy(&f->arena, vector_bytes(v, row)).data;
    case STORAGE_REFS:
        return (const char *)fixture_messages(f, vector_bytes(v, row)).data;
    case STORAGE_ID64:
        return arena_printf(&f->arena, "%016" PRIx64, v->id64[row]);
    case STORAGE_ID128: {
        char hex[ID128_HEX_BYTES];
        id128_to_hex(v->id128[row], hex);
        return arena_printf(&f->arena, "%.*s", ID128_HEX_BYTES, hex);
    }
    }
    return "";
}

static inline const char *fixture_cell(struct fixture *f, uint32_t row, const char *name)
{
    return fixture_text(f, &f->spans, row, name);
}

/* "column=value" pairs, one a string; the value "" means NULL. */
#define EXPECT_ROW(f, row, ...)                                                                    \
    do {                                                                                           \
        const char *const pairs_[] = {__VA_ARGS__};                                                \
        for (size_t i_ = 0; i_ < sizeof pairs_ / sizeof *pairs_; i_++)                             \
            fixture_expect(f, &(f)->spans, row, pairs_[i_], __LINE__);                             \
    } while (0)
#define EXPECT(f, ...) EXPECT_ROW(f, 0, __VA_ARGS__)
#define EXPECT_SCORE(f, row, ...)                                                                  \
    do {                                                                                           \
        const char *const pairs_[] = {__VA_ARGS__};                                                \
        for (size_t i_ = 0; i_ < sizeof pairs_ / sizeof *pairs_; i_++)                             \
            fixture_expect(f, &(f)->scores, row, pairs_[i_], __LINE__);                            \
    } while (0)

static inline void fixture_expect(struct fixture *f, const struct batch *batch, uint32_t row,
                                  const char *pair, int line)
{
    const char *is = strchr(pair, '=');
    cr_assert_not_null(is);
    char *name = arena_printf(&f->arena, "%.*s", (int)(is - pair), pair);
    cr_assert(row < batch->rows, "line %d: there is no row %u", line, row);
    const char *got = fixture_text(f, batch, row, name);
    cr_assert_str_eq(got, is + 1, "line %d: %s is '%s', not '%s'; attributes %s", line, name, got,
                     is + 1, batch->table == TABLE_SPANS ? fixture_cell(f, row, "attributes") : "");
}

/* True when text is one JSON object (or NULL) and no object in its first level has a name twice. */
static inline bool fixture_is_clean_json(struct fixture *f, const char *text)
{
    struct json j = json_over(slice_text(text));
    struct slice seen[512];
    size_t count = 0;
    if (text[0] == 0)
        return true; /* NULL */
    enum json_token token = json_next(&j);
    if (token != JSON_OBJECT_BEGIN)
        return false;
    while ((token = json_next(&j)) == JSON_KEY) {
        struct slice key = json_string(&j, &f->arena);
        for (size_t i = 0; i < count; i++) {
            if (slice_equal(seen[i], key))
                return false;
        }
        if (count < 512)
            seen[count++] = key;
        if (json_skip(&j, json_next(&j)).size == 0)
            return false;
    }
    return token == JSON_OBJECT_END && json_next(&j) == JSON_END;
}

#endif
