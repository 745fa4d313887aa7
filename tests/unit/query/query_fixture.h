/*
 * query_fixture.h - a small deterministic store for query tests: rows in segments, in the head, and amended.
 *
 * The rows are kept as plain structs too, so that tests can compute what a query should have said.
 */
#ifndef DRIFTLINE_TESTS_QUERY_FIXTURE_H
#define DRIFTLINE_TESTS_QUERY_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/rng.h"
#include "query/query.h"

/* 2026-11-02T00:00:00Z, a Monday. Rows go from a day before to it. */
#define FIXTURE_NOW_NS 1793577600000000000ll
#define FIXTURE_ROWS   2400u

struct sample {
    int64_t time;
    struct id128 trace;
    uint64_t span;
    uint64_t parent; /* 0: NULL */
    char session[16];
    char user[16];
    const char *service;
    const char *kind;
    const char *model; /* NULL */
    char prompt[16];
    char version[8];
    const char *error_class; /* as a query sees it */
    int64_t latency_ns;
    int64_t ttft_ns;    /* -1: NULL */
    int64_t tokens_in;  /* -1: NULL */
    int64_t tokens_out; /* -1: NULL */
    int64_t cost_nusd;  /* -1: NULL */
    double groundedness;
    bool scored;
    bool estimated;
    int64_t http_status; /* 0: NULL */
    char attributes[96];
    bool has_output;
};

struct fixture {
    char root[64];
    struct io *io;
    struct engine *engine;
    struct query_db *db;
    uint32_t project;
    struct sample rows[FIXTURE_ROWS];
};

#define FIXTURE_CHECK(expression)                                                                  \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            (void)fprintf(stderr, "fixture: %s: %s\n", #expression, error.text);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline void sample_make(struct sample *s, uint32_t i, struct rng *rng)
{
    static const char *const kinds[] = {"llm", "tool", "retrieval", "agent", "llm"};
    static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "o3-mini"};
    static const char *const classes[] = {"none",          "none",       "none",    "none", "none",
                                          "none",          "none",       "timeout", "none", "none",
                                          "hallucination", "rate_limit", "none"};
    uint32_t trace = i / 3;
    *s = (struct sample){.time = FIXTURE_NOW_NS - 24 * NS_PER_HOUR +
                                 (int64_t)i * (24 * NS_PER_HOUR / FIXTURE_ROWS) +
                                 (int64_t)rng_below(rng, NS_PER_S)};
    for (int b = 0; b < 16; b++)
        s->trace.bytes[b] = (uint8_t)(hash_mix(trace + 1) >> (b % 8 * 8));
    s->span = hash_mix(1000000 + i) | 1;
    s->parent = i % 3 == 0 ? 0 : hash_mix(1000000 + i - i % 3) | 1;
    (void)snprintf(s->session, sizeof s->session, "ses_%u", trace % 97);
    (void)snprintf(s->user, sizeof s->user, "usr_%u", trace % 97 % 13);
    s->service = trace % 4 == 0 ? "billing" : "support-bot";
    /* No llm span is below another one: the engine would count its usage once. */
    s->kind = s->parent == 0 ? "agent" : kinds[rng_below(rng, 5)];
    s->model = strcmp(s->kind, "llm") == 0 ? models[rng_below(rng, 4)] : NULL;
    (void)snprintf(s->prompt, sizeof s->prompt, "prompt-%02u", (unsigned)rng_below(rng, 3));
    (void)snprintf(s->version, sizeof s->version, "v%u", 1 + i * 3 / FIXTURE_ROWS);
    s->error_class = classes[rng_below(rng, 13)];
    s->latency_ns = (int64_t)((0.2 + 4 * rng_unit(rng)) * (double)NS_PER_S);
    s->ttft_ns = s->model == NULL ? -1 : s->latency_ns / 10;
    s->tokens_in = s->model == NULL ? -1 : (int64_t)rng_below(rng, 3000);
    s->tokens_out = s->model == NULL ? -1 : (int64_t)rng_below(rng, 500);
    s->cost_nusd = s->model == NULL ? -1 : s->tokens_in * 2500 + s->tokens_out * 10000;
    s->scored = s->model != NULL && rng_below(rng, 3) != 0;
    s->groundedness = (double)(int)(rng_unit(rng) * 10000) / 10000;
    if (s->scored && i > FIXTURE_ROWS * 22 / 24)
        s->groundedness *= 0.8;
    s->estimated = i % 5 == 0;
    s->http_status = i % 7 == 0 ? 0 : strcmp(s->error_class, "rate_limit") == 0 ? 429 : 200;
    (void)snprintf(s->attributes, sizeof s->attributes,
                   "{\"i\":%u,\"tier\":\"%s\",\"nested\":{\"a\":[1,2,%u]},\"none\":null}", i,
                   i % 2 == 0 ? "gold" : "sil\\u0076er", i % 10);
    s->has_output = s->model != NULL && i % 4 == 0;
}

static inline void sample_build(struct builder *b, const struct sample *s, uint16_t score_id)
{
    builder_row(b);
    builder_i64(b, SPANS_time, s->time);
    builder_id128(b, SPANS_trace_id, s->trace);
    builder_id64(b, SPANS_span_id, s->span);
    if (s->parent != 0)
        builder_id64(b, SPANS_parent_id, s->parent);
    builder_str(b, SPANS_session, slice_text(s->session));
    builder_str(b, SPANS_user_id, slice_text(s->user));
    builder_str(b, SPANS_service, slice_text(s->service));
    builder_str(b, SPANS_kind, slice_text(s->kind));
    if (s->model != NULL)
        builder_str(b, SPANS_model, slice_text(s->model));
    builder_str(b, SPANS_prompt_name, slice_text(s->prompt));
    builder_str(b, SPANS_prompt_version, slice_text(s->version));
    if (strcmp(s->error_class, "none") != 0)
        builder_str(b, SPANS_error_class, slice_text(s->error_class));
    builder_i64(b, SPANS_latency_ms, s->latency_ns);
    if (s->ttft_ns >= 0)
        builder_i64(b, SPANS_ttft_ms, s->ttft_ns);
    if (s->tokens_in >= 0) {
        builder_i64(b, SPANS_tokens_in, s->tokens_in);
        builder_i64(b, SPANS_tokens_out, s->tokens_out);
        builder_i64(b, SPANS_cost_usd, s->cost_nusd);
    }
    builder_i64(b, SPANS_cost_estimated, s->estimated);
    if (s->http_status != 0)
        builder_i64(b, SPANS_http_status, s->http_status);
    builder_str(b, SPANS_attributes, slice_text(s->attributes));
    if (s->scored)
        builder_f64(b, score_id, s->groundedness);
}

static inline void fixture_commit(struct fixture *f, struct append *a)
{
    struct error error = {0};
    struct append_result result;
    a->project = f->project;
    FIXTURE_CHECK(engine_append(f->engine, a, &result, &error) >= 0);
    FIXTURE_CHECK(engine_wait(f->engine, result.ticket, 10 * NS_PER_S, &error) >= 0);
}

/* Rows first .. end as one commit; every fourth llm row has an output of one message. */
static inline void fixture_append(struct fixture *f, uint32_t first, uint32_t end)
{
    struct error error = {0};
    struct builder b;
    const struct column *score;
    struct schema *schema = engine_schema(f->engine, f->project);
    struct arena arena = {0};
    struct message *messages = ARENA_ARRAY(&arena, struct message, end - first + 1);
    uint32_t message_count = 0;
    FIXTURE_CHECK(schema_add_score(schema, slice_text("score.groundedness"), &score, &error) >= 0);
    builder_init(&b, TABLE_SPANS, schema);
    for (uint32_t i = first; i < end; i++) {
        sample_build(&b, &f->rows[i], score->id);
        if (!f->rows[i].has_output)
            continue;
        struct message *m = &messages[message_count++];
        m->body = slice_text(
            arena_printf(&arena, "{\"role\":\"assistant\",\"content\":\"answer %u\"}", i / 8));
        m->address = hash128(m->body);
        builder_str(&b, SPANS_output, slice_of(m->address.bytes, 16));
    }
    struct batch batch = builder_batch(&b);
    struct append a = {.spans = &batch, .messages = messages, .message_count = message_count};
    fixture_commit(f, &a);
    builder_deinit(&b);
    arena_deinit(&arena);
}

/* Later scores and tags: on rows in segments and in the head. */
static inline void fixture_amend(struct fixture *f)
{
    struct builder scores;
    struct builder tags;
    struct schema *schema = engine_schema(f->engine, f->project);
    builder_init(&scores, TABLE_SCORES, schema);
    builder_init(&tags, TABLE_TAGS, schema);
    for (uint32_t i = 10; i < FIXTURE_ROWS; i += 400) {
        struct sample *s = &f->rows[i];
        builder_row(&scores);
        builder_i64(&scores, SCORES_time, s->time + NS_PER_S);
        builder_id128(&scores, SCORES_trace_id, s->trace);
        builder_id64(&scores, SCORES_span_id, s->span);
        builder_str(&scores, SCORES_name, slice_text("groundedness"));
        builder_f64(&scores, SCORES_value, 0.5);
        builder_str(&scores, SCORES_source, slice_text("judge"));
        builder_row(&tags);
        builder_i64(&tags, TAGS_time, s->time + 2 * NS_PER_S);
        builder_id128(&tags, TAGS_trace_id, s->trace);
        builder_id64(&tags, TAGS_span_id, s->span);
        builder_str(&tags, TAGS_class, slice_text("jailbreak"));
        builder_str(&tags, TAGS_source, slice_text("human"));
        s->scored = true;
        s->groundedness = 0.5;
        s->error_class = "jailbreak";
    }
    struct batch score_batch = builder_batch(&scores);
    struct batch tag_batch = builder_batch(&tags);
    struct append a = {.scores = &score_batch, .tags = &tag_batch};
    fixture_commit(f, &a);
    builder_deinit(&scores);
    builder_deinit(&tags);
}

static inline enum status fixture_incidents(void *context, uint32_t project,
                                            struct query_table_rows *to, struct error *reterr)
{
    (void)context;
    (void)project;
    (void)reterr;
    for (int i = 0; i < 3; i++) {
        const struct query_value cells[] = {
            {.type = SQL_TIMESTAMP, .i64 = FIXTURE_NOW_NS - i * NS_PER_HOUR},
            {.type = SQL_TEXT, .text = slice_text(i == 1 ? "resolved" : "firing")},
            {.type = i == 2 ? SQL_NULL : SQL_FLOAT, .f64 = 0.5 * i},
        };
        query_table_row(to, cells);
    }
    return STATUS_OK;
}

static inline void fixture_open(struct fixture *f)
{
    struct error error = {0};
    struct rng rng;
    const struct engine_options options = {
        .maintenance_threads = UINT32_MAX, .wal_file_bytes = 1 << 20, .reserve_bytes = UINT64_MAX};
    static const struct query_column incident_columns[] = {
        {"time", SQL_TIMESTAMP}, {"state", SQL_TEXT}, {"value", SQL_FLOAT}};
    const struct query_table incidents = {.name = "incidents",
                                          .columns = incident_columns,
                                          .column_count = 3,
                                          .fill = fixture_incidents};
    (void)snprintf(f->root, sizeof f->root, "/dev/shm/driftline-query-XXXXXX");
    if (mkdtemp(f->root) == NULL)
        abort();
    clock_fake(FIXTURE_NOW_NS);
    rng_init(&rng, 42);
    for (uint32_t i = 0; i < FIXTURE_ROWS; i++)
        sample_make(&f->rows[i], i, &rng);
    FIXTURE_CHECK(io_posix_backend_create(f->root, &f->io, &error) >= 0);
    FIXTURE_CHECK(engine_open(f->io, &options, &f->engine, &error) >= 0);
    FIXTURE_CHECK(engine_project(f->engine, slice_text("default"), true, &f->project, &error) >= 0);
    fixture_append(f, 0, 1000);
    FIXTURE_CHECK(engine_seal(f->engine, &error) >= 0);
    fixture_append(f, 1000, 1900);
    FIXTURE_CHECK(engine_seal(f->engine, &error) >= 0);
    fixture_append(f, 1900, FIXTURE_ROWS);
    fixture_amend(f);
    f->db = query_db_create(f->engine);
    query_db_add_table(f->db, &incidents);
}

static inline void fixture_close(struct fixture *f)
{
    char command[96];
    query_db_destroy(f->db);
    engine_close(f->engine);
    io_destroy(f->io);
    clock_fake(0);
    (void)snprintf(command, sizeof command, "rm -rf %s", f->root);
    if (system(command) != 0)
        abort();
}

/* Runs a query and gives its result as CSV, or its error with the caret. */
static inline void fixture_query(struct fixture *f, struct slice text,
                                 const struct query_options *options, struct buffer *to)
{
    struct query_options o = {.project = f->project, .now_ns = FIXTURE_NOW_NS};
    struct query_result *result = NULL;
    struct error error = {0};
    if (options != NULL)
        o = *options;
    o.project = f->project;
    if (o.now_ns == 0)
        o.now_ns = FIXTURE_NOW_NS;
    if (query_run(f->db, text, &o, &result, &error) < 0) {
        buffer_printf(to, "ERROR %s: %s\n", status_name(error.status), error.text);
        query_error_caret(text, &error, to);
        return;
    }
    query_result_write(result, QUERY_CSV, 0, to);
    query_result_destroy(result);
}

#endif
