/*
 * race_enrich.c - one enricher and its price table under ThreadSanitizer: threads enrich batches of their own while others
 * compute costs, mask texts and ask for totals.
 *
 * In the end every span was priced and every message masked exactly once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/enrich/enrich.h"
#include "engine/span/message_set.h"
#include "server/policy/policy.h"

#define WRITERS 3u
#define READERS 2u
#define BATCHES 60u
#define ROWS    16u

static const char policy_text[] =
    "mask: [{detect: pii.email}, {name: t, pattern: 'TKT-[0-9]+'}]\n"
    "rules: [{name: short, fail: {field: output_text, longer_than: 9}}]\n";

struct race {
    struct enricher *enricher;
    struct schema schema; /* one project, as in the engine */
};

struct writer {
    struct race *race;
    struct thread thread;
    uint8_t number;
};

static void fill(struct builder *in, struct message_set *messages, uint8_t writer, uint32_t batch)
{
    char body[128];
    for (uint32_t row = 0; row < ROWS; row++) {
        struct id128 trace = {{writer, (uint8_t)(batch % 4), 1}};
        (void)snprintf(body, sizeof body,
                       "{\"role\":\"assistant\",\"content\":\"%u-%u-%u a@example.com TKT-1\"}",
                       writer, batch, row);
        struct id128 address = message_set_add(messages, slice_text(body));
        builder_row(in);
        builder_i64(in, SPANS_time, 490000 * NS_PER_HOUR + row);
        builder_id128(in, SPANS_trace_id, trace);
        builder_id64(in, SPANS_span_id, 1 + batch * ROWS + row);
        builder_str(in, SPANS_kind, slice_text("llm"));
        builder_str(in, SPANS_model, slice_text("gpt-4o"));
        builder_i64(in, SPANS_tokens_in, 1000);
        builder_str(in, SPANS_output, slice_of(&address, sizeof address));
    }
}

static void write_batches(void *context)
{
    struct writer *w = context;
    struct builder in;
    struct message_set messages;
    struct arena arena = {0};
    builder_init(&in, TABLE_SPANS, &w->race->schema);
    message_set_init(&messages);
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        struct error error = {0};
        fill(&in, &messages, w->number, batch);
        struct enrich_work work = {.project = slice_text("default"),
                                   .schema = &w->race->schema,
                                   .spans = builder_batch(&in),
                                   .messages = messages.messages,
                                   .message_count = messages.count,
                                   .arena = &arena};
        ASSERT(enrich(w->race->enricher, &work, NULL, &error) == STATUS_OK);
        for (uint32_t i = 0; i < work.message_count; i++)
            ASSERT(memchr(work.messages[i].body.data, '@', work.messages[i].body.size) == NULL);
        builder_reset(&in);
        message_set_reset(&messages);
        arena_reset(&arena);
    }
    builder_deinit(&in);
    message_set_deinit(&messages);
    arena_deinit(&arena);
}

static void ignore_rule(void *context, struct slice rule, uint64_t count)
{
    (void)rule;
    *(uint64_t *)context += count;
}

static void read_totals(void *context)
{
    struct writer *w = context;
    const struct enrich_settings *settings = enricher_settings(w->race->enricher);
    struct arena arena = {0};
    char model[32];
    for (uint32_t i = 0; i < 2000; i++) {
        uint64_t counts[2] = {0};
        uint64_t masked = 0;
        int64_t nusd;
        (void)snprintf(model, sizeof model, "gpt-4o-2024-%u", i % 500);
        struct usage_cost u = {.provider = SLICE_EMPTY,
                               .model = slice_text(model),
                               .model_served = SLICE_EMPTY,
                               .tier = SLICE_EMPTY,
                               .tokens_in = 1000,
                               .tokens_out = -1,
                               .tokens_cached = -1,
                               .tokens_cache_write = -1,
                               .tokens_reasoning = -1};
        ASSERT(price_cost(settings->prices, &u, &nusd) && nusd == 2500000);
        struct slice text = mask_text(settings->masker, slice_text("p"),
                                      slice_text("b@example.com TKT-22"), &arena, counts);
        ASSERT(slice_is(text, "[pii.email] [t]"));
        (void)enricher_totals(w->race->enricher);
        enricher_masked(w->race->enricher, ignore_rule, &masked);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

int main(void)
{
    struct race race;
    struct policy policy;
    struct error error = {0};
    struct writer threads[WRITERS + READERS];
    if (policy_parse("race", slice_text(policy_text), &policy, &error) < 0) {
        (void)fprintf(stderr, "race_enrich: %s\n", error.text);
        return 1;
    }
    struct enrich_settings settings = policy_detach_settings(&policy);
    race.enricher = enricher_create(&settings);
    policy_deinit(&policy);
    schema_init(&race.schema);
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        threads[i].race = &race;
        threads[i].number = (uint8_t)i;
        thread_start(&threads[i].thread, "race", i < WRITERS ? write_batches : read_totals,
                     &threads[i]);
    }
    for (uint32_t i = 0; i < WRITERS + READERS; i++)
        thread_join(&threads[i].thread);
    struct enrich_counts t = enricher_totals(race.enricher);
    ASSERT(t.priced == (uint64_t)WRITERS * BATCHES * ROWS);
    ASSERT(t.masked == 2 * t.priced);
    enricher_destroy(race.enricher);
    schema_deinit(&race.schema);
    return 0;
}
