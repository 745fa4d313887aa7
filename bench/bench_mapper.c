/*
 * bench_mapper.c - spans a second through the mapper alone: reading is done before, nothing is stored.
 *
 *     bench_mapper [spans]
 *
 * Time is this process's processor time, so that a busy machine matters less.
 * Goal: a span of 25 attributes without text well below 2 us (OTLP ingest is to take 250 k spans/s over everything).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/clock.h"
#include "server/dialect/mapper.h"

#define FLUSH_ROWS 8192u

struct line {
    const char *key;
    const char *text; /* NULL: a number */
    double number;
    bool is_int;
};

/* The newest conventions, as an OpenTelemetry SDK sends them. */
static const struct line semconv[] = {
    {"gen_ai.conversation.id", "conv_0001", 0, false},
    {"user.id", "user_42", 0, false},
    {"session.id", "conv_0001", 0, false},
    {"deployment.environment.name", "staging", 0, false},
    {"gen_ai.operation.name", "chat", 0, false},
    {"gen_ai.provider.name", "openai", 0, false},
    {"gen_ai.request.model", "gpt-4o-mini", 0, false},
    {"gen_ai.request.temperature", NULL, 0.2, false},
    {"gen_ai.request.max_tokens", NULL, 256, true},
    {"gen_ai.request.top_p", NULL, 1, true},
    {"gen_ai.request.seed", NULL, 7, true},
    {"server.address", "api.openai.com", 0, false},
    {"server.port", NULL, 443, true},
    {"gen_ai.prompt.name", "support-answer", 0, false},
    {"gen_ai.prompt.version", "17", 0, false},
    {"gen_ai.response.id", "chatcmpl-1a", 0, false},
    {"gen_ai.response.model", "gpt-4o-mini-2024-07-18", 0, false},
    {"gen_ai.response.finish_reasons", "[\"stop\"]", 0, false},
    {"gen_ai.usage.input_tokens", NULL, 120, true},
    {"gen_ai.usage.output_tokens", NULL, 18, true},
    {"gen_ai.usage.cache_read.input_tokens", NULL, 64, true},
    {"gen_ai.usage.cache_write.input_tokens", NULL, 0, true},
    {"gen_ai.usage.reasoning.output_tokens", NULL, 6, true},
    {"gen_ai.response.time_to_first_chunk", NULL, 0.0221, false},
    {"http.response.status_code", NULL, 200, true},
};
#define SEMCONV (sizeof semconv / sizeof *semconv)

/* Langfuse: values in JSON texts. */
static const struct line langfuse[] = {
    {"langfuse.environment", "staging", 0, false},
    {"langfuse.release", "2.3.1", 0, false},
    {"user.id", "user_42", 0, false},
    {"session.id", "sess_1", 0, false},
    {"langfuse.version", "17", 0, false},
    {"langfuse.trace.name", "support_chat", 0, false},
    {"langfuse.trace.metadata.tenant", "acme", 0, false},
    {"langfuse.observation.type", "generation", 0, false},
    {"langfuse.observation.model.name", "gpt-4o-mini", 0, false},
    {"langfuse.observation.model.parameters", "{\"temperature\":0.2,\"max_tokens\":256}", 0, false},
    {"langfuse.observation.prompt.name", "support-answer", 0, false},
    {"langfuse.observation.prompt.version", NULL, 17, true},
    {"langfuse.observation.usage_details",
     "{\"input\":56,\"output\":12,\"input_cached_tokens\":64,\"output_reasoning_tokens\":6,\"total\":138}",
     0, false},
    {"langfuse.observation.cost_details",
     "{\"input\":0.0000084,\"output\":0.0000108,\"total\":0.0000192}", 0, false},
    {"langfuse.observation.completion_start_time", "\"2026-11-23T16:43:13.250Z\"", 0, false},
};
#define LANGFUSE (sizeof langfuse / sizeof *langfuse)

static const struct attribute resource_items[] = {
    {{(const uint8_t *)"service.name", 12},
     {.type = VALUE_STRING, .bytes = {(const uint8_t *)"support-bot", 11}}},
    {{(const uint8_t *)"service.version", 15},
     {.type = VALUE_STRING, .bytes = {(const uint8_t *)"2.3.1", 5}}},
    {{(const uint8_t *)"host.name", 9},
     {.type = VALUE_STRING, .bytes = {(const uint8_t *)"vm", 2}}},
    {{(const uint8_t *)"process.pid", 11}, {.type = VALUE_INT, .integer = 17463}},
    {{(const uint8_t *)"telemetry.sdk.name", 18},
     {.type = VALUE_STRING, .bytes = {(const uint8_t *)"opentelemetry", 13}}},
};

static void attributes_make(const struct line *lines, size_t count, struct attribute *to)
{
    for (size_t i = 0; i < count; i++) {
        to[i].key = slice_text(lines[i].key);
        if (lines[i].text != NULL)
            to[i].value = (struct value){.type = VALUE_STRING, .bytes = slice_text(lines[i].text)};
        else if (lines[i].is_int)
            to[i].value = (struct value){.type = VALUE_INT, .integer = (int64_t)lines[i].number};
        else
            to[i].value = (struct value){.type = VALUE_DOUBLE, .number = lines[i].number};
        if (lines[i].text != NULL && lines[i].text[0] == '[')
            to[i].value.type = VALUE_JSON;
    }
}

static void run(const char *name, const struct line *lines, size_t count, uint64_t spans)
{
    struct attribute items[SEMCONV + LANGFUSE];
    struct schema schema;
    struct mapped mapped;
    schema_init(&schema);
    mapped_init(&mapped, &schema);
    struct mapper *mapper = mapper_create(NULL);
    attributes_make(lines, count, items);
    struct otlp_resource resource = {.attributes = {.items = resource_items, .count = 5},
                                     .schema_url = SLICE_EMPTY,
                                     .serial = 1};
    struct otlp_scope scope = {
        .name = slice_text("app"), .version = slice_text("1.0"), .schema_url = SLICE_EMPTY};
    struct otlp_span span = {.resource = &resource,
                             .scope = &scope,
                             .trace_state = SLICE_EMPTY,
                             .name = slice_text("chat gpt-4o-mini"),
                             .status_message = SLICE_EMPTY,
                             .start_ns = 1795452193000000000,
                             .attributes = {.items = items, .count = (uint32_t)count}};
    clock_t begun = clock();
    for (uint64_t i = 0; i < spans; i++) {
        memcpy(span.trace_id.bytes, &i, sizeof i);
        span.span_id = i + 1;
        span.end_ns = span.start_ns + 500 * NS_PER_MS + (int64_t)i;
        if (mapper_span(mapper, &span, &mapped, NULL) != STATUS_OK)
            abort();
        if (mapped.spans.rows == FLUSH_ROWS)
            mapped_reset(&mapped);
    }
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    printf("%-10s %2zu attributes: %6.0f ns a span, %9.0f spans/s and core\n", name, count,
           seconds * 1e9 / (double)spans, (double)spans / seconds);
    mapper_destroy(mapper);
    mapped_deinit(&mapped);
    schema_deinit(&schema);
}

int main(int argc, char **argv)
{
    uint64_t spans = argc > 1 ? strtoull(argv[1], NULL, 10) : 500000;
    run("semconv", semconv, SEMCONV, spans);
    run("langfuse", langfuse, LANGFUSE, spans);
    run("bare", semconv, 0, spans);
    return 0;
}
