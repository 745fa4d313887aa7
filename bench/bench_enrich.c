/*
 * bench_enrich.c - what enrichment costs a span on its way in, without storage or sockets, in CPU time.
 *
 *     bench_enrich [--batches 40] [--only numbers]
 *
 * Batches of 2,048 spans, 8 a trace. Lines: numbers only (27 columns, prices, classes of 2 % failures, scores) with and without
 * scorers; conversations (each llm span has its history as references, two new messages a turn, bodies sent once); the same with
 * masks; masked bodies alone in MB/s. Expected on one core: below 300 ns a numbers-only span.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/rng.h"
#include "engine/enrich/enrich.h"
#include "engine/span/message_set.h"
#include "server/policy/policy.h"

#define START_NS       (490000 * NS_PER_HOUR)
#define ROWS           2048u
#define ROWS_PER_TRACE 8u
#define TURNS          12u
#define WORDS_PER_TEXT 60u

static _Noreturn void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "bench_enrich: %s: %s\n", what, error->text);
    exit(1);
}

/* Of this process: other work on the machine does not count. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

struct bench {
    struct schema schema;
    struct enricher *enricher;
    struct rng rng;
    struct builder in;
    struct message_set messages;
    struct buffer text;
    uint64_t next_id;
};

static void bench_begin(struct bench *b, const char *policy_text, bool scorers_off)
{
    struct policy policy;
    struct error error = {0};
    *b = (struct bench){.next_id = 1};
    if (policy_parse("bench", slice_text(policy_text), &policy, &error) < 0)
        die("policy", &error);
    struct enrich_settings settings = policy_detach_settings(&policy);
    settings.scorers_off = scorers_off;
    b->enricher = enricher_create(&settings);
    policy_deinit(&policy);
    schema_init(&b->schema);
    rng_init(&b->rng, 1);
    builder_init(&b->in, TABLE_SPANS, &b->schema);
    message_set_init(&b->messages);
}

static void bench_end(struct bench *b)
{
    enricher_destroy(b->enricher);
    builder_deinit(&b->in);
    message_set_deinit(&b->messages);
    buffer_deinit(&b->text);
    schema_deinit(&b->schema);
}

static void row_numbers(struct bench *b, uint32_t row)
{
    static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-20250514",
                                         "gemini-2.5-flash"};
    static const char *const kinds[] = {"llm",       "llm", "llm",   "tool",
                                        "retrieval", "llm", "agent", "chain"};
    struct builder *in = &b->in;
    uint64_t trace = (b->next_id - 1) / ROWS_PER_TRACE;
    struct id128 trace_id = {{0}};
    bool failed = rng_below(&b->rng, 50) == 0;
    memcpy(trace_id.bytes, &trace, sizeof trace);
    builder_row(in);
    builder_i64(in, SPANS_time, START_NS + (int64_t)b->next_id * 1000);
    builder_id128(in, SPANS_trace_id, trace_id);
    builder_id64(in, SPANS_span_id, b->next_id);
    if (row % ROWS_PER_TRACE != 0)
        builder_id64(in, SPANS_parent_id, b->next_id - row % ROWS_PER_TRACE);
    builder_str(in, SPANS_session, slice_text(trace % 2 == 0 ? "session-a" : "session-b"));
    builder_str(in, SPANS_user_id, slice_text("user"));
    builder_str(in, SPANS_service, slice_text("support-bot"));
    builder_str(in, SPANS_environment, slice_text("production"));
    builder_str(in, SPANS_name, slice_text("chat"));
    builder_str(in, SPANS_kind, slice_text(kinds[row % ROWS_PER_TRACE]));
    builder_str(in, SPANS_provider, slice_text("openai"));
    builder_str(in, SPANS_model, slice_text(models[b->next_id % 4]));
    builder_str(in, SPANS_model_served, slice_text(models[b->next_id % 4]));
    builder_str(in, SPANS_prompt_name, slice_text("answer"));
    builder_str(in, SPANS_prompt_version, slice_text("v7"));
    builder_f64(in, SPANS_temperature, 0.2);
    builder_str(in, SPANS_status, slice_text(failed ? "error" : "ok"));
    builder_i64(in, SPANS_http_status, failed ? 429 : 200);
    builder_str(in, SPANS_finish_reason, slice_text("stop"));
    builder_i64(in, SPANS_latency_ms, (int64_t)rng_below(&b->rng, 5000000000u));
    builder_i64(in, SPANS_ttft_ms, (int64_t)rng_below(&b->rng, 500000000u));
    builder_i64(in, SPANS_tokens_in, (int64_t)rng_below(&b->rng, 4000));
    builder_i64(in, SPANS_tokens_out, (int64_t)rng_below(&b->rng, 800));
    builder_i64(in, SPANS_tokens_cached, 0);
    builder_i64(in, SPANS_tokens_reasoning, 0);
    b->next_id++;
}

static struct id128 new_message(struct bench *b, const char *role, bool personal)
{
    static const char *const words[] = {
        "the",    "order", "flight", "refund",   "please", "check", "booking", "tomorrow", "ticket",
        "number", "is",    "late",   "customer", "asked",  "for",   "another", "seat"};
    buffer_reset(&b->text);
    buffer_printf(&b->text, "{\"role\":\"%s\",\"content\":\"", role);
    for (uint32_t i = 0; i < WORDS_PER_TEXT; i++)
        buffer_printf(&b->text, "%s %u ", words[rng_below(&b->rng, sizeof words / sizeof *words)],
                      (unsigned)rng_below(&b->rng, 1000));
    buffer_add_text(&b->text, personal ? "bob@example.com\\n\"}" : "bye\\n\"}");
    return message_set_add(&b->messages, buffer_slice(&b->text));
}

/* Spans of conversations: one row a turn, its history by reference. */
static void batch_text(struct bench *b)
{
    struct id128 history[2 * TURNS];
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t turn = row % TURNS;
        row_numbers(b, row);
        history[2 * turn] = new_message(b, "user", row % 16 == 0);
        builder_str(&b->in, SPANS_kind, slice_text("llm"));
        builder_str(&b->in, SPANS_input, slice_of(history, (2 * turn + 1) * sizeof *history));
        history[2 * turn + 1] = new_message(b, "assistant", false);
        builder_str(&b->in, SPANS_output, slice_of(&history[2 * turn + 1], sizeof *history));
    }
}

static void batch_numbers(struct bench *b)
{
    for (uint32_t row = 0; row < ROWS; row++)
        row_numbers(b, row);
}

static void run(const char *name, const char *policy, bool scorers_off,
                void (*fill)(struct bench *b), uint32_t batches)
{
    struct bench b;
    struct arena arena = {0};
    struct enrich_counts counts = {0};
    struct error error = {0};
    int64_t ns = 0;
    uint64_t bytes = 0;
    bench_begin(&b, policy, scorers_off);
    for (uint32_t i = 0; i < batches; i++) {
        builder_reset(&b.in);
        message_set_reset(&b.messages);
        fill(&b);
        bytes += b.messages.bytes;
        struct enrich_work work = {.project = slice_text("default"),
                                   .schema = &b.schema,
                                   .spans = builder_batch(&b.in),
                                   .messages = b.messages.messages,
                                   .message_count = b.messages.count,
                                   .arena = &arena};
        int64_t start = cpu_ns();
        if (enrich(b.enricher, &work, &counts, &error) < 0)
            die(name, &error);
        ns += cpu_ns() - start;
        arena_reset(&arena);
    }
    double spans = (double)batches * ROWS;
    (void)printf(
        "%-34s %8.0f ns/span %8.2f M spans/s %8.1f MB/s of text   priced %llu classified %llu scores %llu masked %llu\n",
        name, (double)ns / spans, spans * 1e3 / (double)ns, (double)bytes * 1e3 / (double)ns,
        (unsigned long long)counts.priced, (unsigned long long)counts.classified,
        (unsigned long long)counts.scored, (unsigned long long)counts.masked);
    arena_deinit(&arena);
    bench_end(&b);
}

int main(int argc, char **argv)
{
    static const char masks[] = "mask:\n  - {detect: pii}\n  - {detect: secret}\n";
    static const char patterns[] =
        "mask:\n  - {detect: pii}\n  - {name: ticket, pattern: \"TKT-\\\\d+\"}\n";
    static const struct {
        const char *name, *policy;
        bool scorers_off;
        void (*fill)(struct bench *b);
    } cases[] = {
        {"numbers, no scorers", "", true, batch_numbers},
        {"numbers", "", false, batch_numbers},
        {"text, no scorers", "", true, batch_text},
        {"text", "", false, batch_text},
        {"text, masks, no scorers", masks, true, batch_text},
        {"text, masks and a pattern", patterns, false, batch_text},
    };
    const char *only = NULL;
    uint32_t batches = 40;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--batches") == 0)
            batches = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0)
            only = argv[i + 1];
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (only == NULL || strcmp(only, cases[i].name) == 0)
            run(cases[i].name, cases[i].policy, cases[i].scorers_off, cases[i].fill, batches);
    }
    return 0;
}
