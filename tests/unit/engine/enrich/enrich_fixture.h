/*
 * enrich_fixture.h - batches built cell by cell, enriched, and read back cell by cell.
 */
#ifndef DRIFTLINE_TESTS_ENRICH_FIXTURE_H
#define DRIFTLINE_TESTS_ENRICH_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/enrich/enrich.h"
#include "engine/span/message_set.h"

#define BENCH_TIME_NS (490000 * NS_PER_HOUR)

struct desk {
    struct schema schema;
    struct builder in;
    struct message_set messages;
    struct enricher *enricher;
    struct arena arena;
    struct enrich_work work; /* of the last desk_enrich */
    struct enrich_counts counts;
    struct error error;
    uint64_t next_id;
    bool lenient;
    const char *project;
    /* Bodies "stored by an earlier commit". */
    struct message_set stored;
    uint32_t fetches;
};

static inline struct price_table *desk_prices(void)
{
    struct error error = {0};
    struct price_table_builder *b = price_table_begin(slice_text("test-1"));
    struct price p = {.model = slice_text("gpt-4o"),
                      .provider = SLICE_EMPTY,
                      .tier = SLICE_EMPTY,
                      .from_ns = INT64_MIN,
                      .until_ns = INT64_MAX,
                      .input = 2500000000,
                      .output = 10000000000,
                      .cached = 1250000000,
                      .cache_write = PRICE_UNSET,
                      .reasoning = PRICE_UNSET};
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_OK);
    p.tier = slice_text("batch");
    p.input /= 2;
    p.output /= 2;
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_OK);
    return price_table_end(b);
}

static inline struct enrich_settings desk_settings(void)
{
    struct enrich_settings s = {0};
    taxonomy_init(&s.taxonomy);
    scorer_options_init(&s.scorers);
    s.prices = desk_prices();
    return s;
}

/* NULL: desk_settings. */
static inline struct desk *desk_begin(const struct enrich_settings *own_settings)
{
    struct desk *d = MEM_NEW(struct desk);
    struct enrich_settings settings = own_settings != NULL ? *own_settings : desk_settings();
    schema_init(&d->schema);
    builder_init(&d->in, TABLE_SPANS, &d->schema);
    message_set_init(&d->messages);
    message_set_init(&d->stored);
    d->enricher = enricher_create(&settings);
    d->project = "default";
    d->next_id = 1;
    return d;
}

static inline void desk_end(struct desk *d)
{
    enricher_destroy(d->enricher);
    builder_deinit(&d->in);
    message_set_deinit(&d->messages);
    message_set_deinit(&d->stored);
    schema_deinit(&d->schema);
    arena_deinit(&d->arena);
    mem_free(d);
}

static inline struct id128 desk_trace(uint8_t number)
{
    struct id128 id = {{0}};
    id.bytes[0] = 0xaa;
    id.bytes[15] = number;
    return id;
}

/* A new row of trace 1 with the next span id, which is returned. kind "" is NULL. */
static inline uint64_t desk_row(struct desk *d, const char *kind)
{
    builder_row(&d->in);
    builder_i64(&d->in, SPANS_time, BENCH_TIME_NS + (int64_t)d->next_id);
    builder_id128(&d->in, SPANS_trace_id, desk_trace(1));
    builder_id64(&d->in, SPANS_span_id, d->next_id);
    if (*kind != 0)
        builder_str(&d->in, SPANS_kind, slice_text(kind));
    return d->next_id++;
}

static inline void desk_text(struct desk *d, uint16_t column, const char *text)
{
    builder_str(&d->in, column, slice_text(text));
}

/* One message in a REFS column; its body comes with the batch. */
static inline struct id128 desk_message(struct desk *d, uint16_t column, const char *body)
{
    struct id128 address = message_set_add(&d->messages, slice_text(body));
    builder_str(&d->in, column, slice_of(&address, sizeof address));
    return address;
}

static inline bool desk_body(void *context, struct id128 address, struct arena *arena,
                             struct slice *ret)
{
    struct desk *d = context;
    (void)arena;
    d->fetches++;
    for (uint32_t i = 0; i < d->stored.count; i++) {
        if (id128_equal(d->stored.messages[i].address, address)) {
            *ret = d->stored.messages[i].body;
            return true;
        }
    }
    return false;
}

static inline enum status desk_try(struct desk *d)
{
    d->work = (struct enrich_work){.project = slice_text(d->project),
                                   .schema = &d->schema,
                                   .spans = builder_batch(&d->in),
                                   .messages = d->messages.messages,
                                   .message_count = d->messages.count,
                                   .body = desk_body,
                                   .body_context = d,
                                   .lenient = d->lenient,
                                   .arena = &d->arena};
    d->counts = (struct enrich_counts){0};
    d->error = (struct error){0};
    return enrich(d->enricher, &d->work, &d->counts, &d->error);
}

static inline void desk_enrich(struct desk *d)
{
    cr_assert_eq(desk_try(d), STATUS_OK, "%s", d->error.text);
}

/* The next batch. */
static inline void desk_next(struct desk *d)
{
    builder_reset(&d->in);
    message_set_reset(&d->messages);
}

/* ---- reading ---- */

static inline bool desk_has(struct desk *d, uint32_t row, uint16_t column)
{
    const struct vector *v = batch_vector(&d->work.spans, column);
    return v != NULL && vector_has(v, row);
}

static inline struct slice desk_bytes(struct desk *d, uint32_t row, uint16_t column)
{
    const struct vector *v = batch_vector(&d->work.spans, column);
    return v != NULL ? vector_bytes(v, row) : SLICE_EMPTY;
}

static inline bool desk_is(struct desk *d, uint32_t row, uint16_t column, const char *text)
{
    return slice_is(desk_bytes(d, row, column), text);
}

static inline int64_t desk_i64(struct desk *d, uint32_t row, uint16_t column)
{
    return desk_has(d, row, column) ? batch_vector(&d->work.spans, column)->i64[row] : -1;
}

/* -1: none. */
static inline double desk_score(struct desk *d, uint32_t row, const char *name)
{
    char full[128];
    (void)snprintf(full, sizeof full, "score.%s", name);
    const struct column *c = schema_find(&d->schema, TABLE_SPANS, slice_text(full));
    if (c == NULL || !desk_has(d, row, c->id))
        return -1;
    return batch_vector(&d->work.spans, c->id)->f64[row];
}

static inline const char *desk_class(struct desk *d, uint32_t row)
{
    static char text[64];
    struct slice name = desk_bytes(d, row, SPANS_error_class);
    (void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(name));
    return name.size == 0 ? "none" : text;
}

static inline bool desk_finding(struct desk *d, uint32_t row, const char *words)
{
    struct slice found = desk_bytes(d, row, SPANS_findings);
    return memmem(found.data, found.size, words, strlen(words)) != NULL;
}

#endif
