/*
 * otlp_make.h - OTLP trace requests that look like an instrumented service's, for benchmarks and end-to-end scripts.
 *
 * One request: one resource (service.name, service.version, deployment.environment.name, host.name), one scope, traces of eight
 * spans: invoke_agent at the root, below it chat, execute_tool, retrieval in turn, with the attributes of the GenAI
 * conventions (about 20 on a chat span). Text is off unless text_bytes is set; then chat spans carry gen_ai.input.messages and
 * gen_ai.output.messages of about that many bytes. The same options give the same bytes.
 */
#ifndef DRIFTLINE_BENCH_OTLP_MAKE_H
#define DRIFTLINE_BENCH_OTLP_MAKE_H

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/id.h"
#include "engine/base/memory.h"

struct otlp_make {
    bool json;
    uint32_t spans;
    uint64_t first; /* number of the first span: other numbers, other ids and times */
    uint32_t text_bytes;
    int64_t start_ns; /* time of span 0; 0: 2026-11-01T00:00Z */
};

#define OTLP_MAKE_START_NS (1793491200 * NS_PER_S)
#define OTLP_TRACE_SPANS   8u

/* ---- protobuf ---- */

static inline void pb_tag(struct buffer *b, unsigned field, unsigned wire)
{
    put_varint(b, field << 3 | wire);
}

static inline void pb_bytes(struct buffer *b, unsigned field, struct slice bytes)
{
    pb_tag(b, field, 2);
    put_bytes(b, bytes);
}

static inline void pb_message(struct buffer *b, unsigned field, struct buffer *message)
{
    pb_bytes(b, field, buffer_slice(message));
    buffer_reset(message);
}

static inline void pb_fixed64(struct buffer *b, unsigned field, uint64_t value)
{
    pb_tag(b, field, 1);
    put_u64(b, value);
}

/* ---- attributes in either encoding ---- */

struct attribute_sink {
    bool json;
    unsigned field; /* of KeyValue in the message around */
    struct buffer *to;
    struct buffer value; /* scratch */
    struct buffer pair;
    bool any;
};

static inline void attribute_begin(struct attribute_sink *s, const char *key)
{
    if (!s->json)
        return;
    buffer_printf(s->to, "%s{\"key\":\"%s\",\"value\":{", s->any ? "," : "", key);
    s->any = true;
}

static inline void attribute_end(struct attribute_sink *s, const char *key)
{
    if (s->json) {
        buffer_add_text(s->to, "}}");
        return;
    }
    pb_bytes(&s->pair, 1, slice_text(key));
    pb_message(&s->pair, 2, &s->value);
    pb_message(s->to, s->field, &s->pair);
}

static inline void attribute_text(struct attribute_sink *s, const char *key, struct slice text)
{
    attribute_begin(s, key);
    if (s->json) {
        buffer_add_text(s->to, "\"stringValue\":");
        buffer_add_json(s->to, text);
    } else {
        pb_bytes(&s->value, 1, text);
    }
    attribute_end(s, key);
}

static inline void attribute_name(struct attribute_sink *s, const char *key, const char *prefix,
                                  uint64_t n)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s%" PRIu64, prefix, n);
    attribute_text(s, key, slice_text(text));
}

static inline void attribute_int(struct attribute_sink *s, const char *key, int64_t value)
{
    attribute_begin(s, key);
    if (s->json) {
        buffer_printf(s->to, "\"intValue\":\"%" PRId64 "\"", value);
    } else {
        pb_tag(&s->value, 3, 0);
        put_varint(&s->value, (uint64_t)value);
    }
    attribute_end(s, key);
}

static inline void attribute_double(struct attribute_sink *s, const char *key, double value)
{
    attribute_begin(s, key);
    if (s->json) {
        buffer_printf(s->to, "\"doubleValue\":%g", value);
    } else {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        pb_fixed64(&s->value, 4, bits);
    }
    attribute_end(s, key);
}

static inline void attribute_list(struct attribute_sink *s, const char *key, const char *item)
{
    attribute_begin(s, key);
    if (s->json) {
        buffer_printf(s->to, "\"arrayValue\":{\"values\":[{\"stringValue\":\"%s\"}]}", item);
    } else {
        struct buffer one = {0};
        struct buffer array = {0};
        pb_bytes(&one, 1, slice_text(item));
        pb_message(&array, 1, &one);
        pb_message(&s->value, 5, &array);
        buffer_deinit(&one);
        buffer_deinit(&array);
    }
    attribute_end(s, key);
}

/* ---- spans ---- */

/* A message of about `bytes` bytes whose words depend on n. */
static inline void message_make(struct buffer *to, const char *role, uint64_t n, uint32_t bytes)
{
    static const char *const words[] = {"order",   "refund", "shipped", "policy", "customer",
                                        "invoice", "please", "number",  "within", "delayed",
                                        "account", "thanks", "because", "contact"};
    buffer_reset(to);
    buffer_printf(to, "[{\"role\":\"%s\",\"parts\":[{\"type\":\"text\",\"content\":\"", role);
    for (uint64_t i = 0; to->size < bytes; i++) {
        uint64_t pick = hash_mix(n * 1000 + i);
        buffer_printf(to, "%s %" PRIu64 " ", words[pick % 14], pick % 97);
    }
    buffer_add_text(to, "\"}]}]");
}

static inline void chat_attributes(struct attribute_sink *s, const struct otlp_make *m, uint64_t n)
{
    uint64_t r = hash_mix(n + 77);
    bool failed = r % 50 == 0;
    attribute_text(s, "gen_ai.operation.name", slice_text("chat"));
    attribute_text(s, "gen_ai.provider.name", slice_text("openai"));
    attribute_text(s, "gen_ai.request.model", slice_text("gpt-4o-mini"));
    attribute_text(s, "gen_ai.response.model", slice_text("gpt-4o-mini-2024-07-18"));
    attribute_double(s, "gen_ai.request.temperature", 0.2);
    attribute_int(s, "gen_ai.request.max_tokens", 512);
    attribute_name(s, "gen_ai.response.id", "chatcmpl-", r % 1000000);
    attribute_list(s, "gen_ai.response.finish_reasons", r % 30 == 0 ? "length" : "stop");
    attribute_int(s, "gen_ai.usage.input_tokens", (int64_t)(r % 4000));
    attribute_int(s, "gen_ai.usage.output_tokens", (int64_t)(r / 7 % 600));
    attribute_int(s, "gen_ai.usage.cache_read.input_tokens", (int64_t)(r % 4000 / 2));
    attribute_double(s, "gen_ai.response.time_to_first_chunk", (double)(r % 900) / 1000);
    attribute_text(s, "gen_ai.prompt.name", slice_text("support-answer"));
    attribute_name(s, "gen_ai.prompt.version", "v", r % 12);
    attribute_text(s, "server.address", slice_text("api.openai.com"));
    attribute_int(s, "server.port", 443);
    if (failed)
        attribute_text(s, "error.type", slice_text("RateLimitError"));
    if (m->text_bytes != 0) {
        struct buffer text = {0};
        message_make(&text, "user", n, m->text_bytes);
        attribute_text(s, "gen_ai.input.messages", buffer_slice(&text));
        message_make(&text, "assistant", n + 1, m->text_bytes / 2);
        attribute_text(s, "gen_ai.output.messages", buffer_slice(&text));
        buffer_deinit(&text);
    }
}

static inline void span_attributes(struct attribute_sink *s, const struct otlp_make *m, uint64_t n)
{
    uint64_t trace = n / OTLP_TRACE_SPANS;
    attribute_name(s, "gen_ai.conversation.id", "session-", trace / 4);
    attribute_name(s, "user.id", "user-", hash_mix(trace / 4) % 1000);
    switch (n % OTLP_TRACE_SPANS) {
    case 0:
        attribute_text(s, "gen_ai.operation.name", slice_text("invoke_agent"));
        attribute_text(s, "gen_ai.agent.name", slice_text("support_agent"));
        break;
    case 2:
    case 5:
        attribute_text(s, "gen_ai.operation.name", slice_text("execute_tool"));
        attribute_text(s, "gen_ai.tool.name", slice_text("lookup_order"));
        attribute_name(s, "gen_ai.tool.call.id", "call_", n);
        break;
    case 3:
        attribute_text(s, "gen_ai.operation.name", slice_text("retrieval"));
        attribute_text(s, "gen_ai.data_source.id", slice_text("policies"));
        break;
    default:
        chat_attributes(s, m, n);
    }
}

static inline struct id128 trace_id_of(uint64_t n)
{
    struct id128 id;
    uint64_t halves[2] = {hash_mix(n / OTLP_TRACE_SPANS + 1), n / OTLP_TRACE_SPANS};
    memcpy(id.bytes, halves, sizeof halves);
    return id;
}

static inline uint64_t span_id_of(uint64_t n)
{
    return hash_mix(n + 12345) | 1;
}

static inline void span_make(struct buffer *to, struct buffer *scratch, const struct otlp_make *m,
                             uint64_t n)
{
    static const char *const names[OTLP_TRACE_SPANS] = {
        "invoke_agent support_agent", "chat gpt-4o-mini", "execute_tool lookup_order",
        "retrieval policies",         "chat gpt-4o-mini", "execute_tool lookup_order",
        "chat gpt-4o-mini",           "chat gpt-4o-mini"};
    uint64_t place = n % OTLP_TRACE_SPANS;
    int64_t start_ns =
        (m->start_ns != 0 ? m->start_ns : OTLP_MAKE_START_NS) + (int64_t)n * NS_PER_MS;
    int64_t end_ns = start_ns + (int64_t)(hash_mix(n) % 2000) * NS_PER_MS;
    char trace[ID128_HEX_BYTES + 1] = {0};
    char id[ID64_HEX_BYTES + 1] = {0};
    char parent[ID64_HEX_BYTES + 1] = {0};
    struct attribute_sink s = {.json = m->json, .field = 9, .to = m->json ? to : scratch};
    uint8_t bytes[8];
    uint64_t be = __builtin_bswap64(span_id_of(n));
    uint64_t be_parent = __builtin_bswap64(span_id_of(n - place));
    if (m->json) {
        id128_to_hex(trace_id_of(n), trace);
        id64_to_hex(span_id_of(n), id);
        id64_to_hex(span_id_of(n - place), parent);
        buffer_printf(
            to,
            "{\"traceId\":\"%s\",\"spanId\":\"%s\",\"parentSpanId\":\"%s\",\"name\":\"%s\",\"kind\":3,"
            "\"startTimeUnixNano\":\"%" PRId64 "\",\"endTimeUnixNano\":\"%" PRId64
            "\",\"attributes\":[",
            trace, id, place == 0 ? "" : parent, names[place], start_ns, end_ns);
        span_attributes(&s, m, n);
        buffer_add_text(to, "],\"status\":{}}");
    } else {
        struct id128 trace_id = trace_id_of(n);
        pb_bytes(scratch, 1, slice_of(trace_id.bytes, 16));
        memcpy(bytes, &be, sizeof bytes);
        pb_bytes(scratch, 2, slice_of(bytes, 8));
        if (place != 0) {
            memcpy(bytes, &be_parent, sizeof bytes);
            pb_bytes(scratch, 4, slice_of(bytes, 8));
        }
        pb_bytes(scratch, 5, slice_text(names[place]));
        pb_tag(scratch, 6, 0);
        put_varint(scratch, 3);
        pb_fixed64(scratch, 7, (uint64_t)start_ns);
        pb_fixed64(scratch, 8, (uint64_t)end_ns);
        span_attributes(&s, m, n);
        pb_message(to, 2, scratch);
    }
    buffer_deinit(&s.value);
    buffer_deinit(&s.pair);
}

static inline void resource_make(struct attribute_sink *s)
{
    attribute_text(s, "service.name", slice_text("support-bot"));
    attribute_text(s, "service.version", slice_text("2.3.1"));
    attribute_text(s, "deployment.environment.name", slice_text("production"));
    attribute_text(s, "host.name", slice_text("worker-7"));
    attribute_int(s, "process.pid", 4711);
}

/* Appends one whole request. */
static inline void otlp_make(const struct otlp_make *m, struct buffer *to)
{
    struct buffer scratch = {0};
    struct buffer inner = {0};
    struct attribute_sink s = {.json = m->json, .field = 1, .to = m->json ? to : &inner};
    if (m->json) {
        buffer_add_text(to, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
        resource_make(&s);
        buffer_add_text(
            to,
            "]},\"scopeSpans\":[{\"scope\":{\"name\":\"support.agent\",\"version\":\"1.0.0\"},\"spans\":[");
        for (uint32_t i = 0; i < m->spans; i++) {
            if (i != 0)
                buffer_add_byte(to, ',');
            span_make(to, &scratch, m, m->first + i);
        }
        buffer_add_text(to, "]}]}]}");
    } else {
        struct buffer resource_spans = {0};
        resource_make(&s);
        pb_message(&resource_spans, 1, &inner);
        struct buffer scope = {0};
        pb_bytes(&scope, 1, slice_text("support.agent"));
        pb_bytes(&scope, 2, slice_text("1.0.0"));
        pb_message(&inner, 1, &scope);
        for (uint32_t i = 0; i < m->spans; i++)
            span_make(&inner, &scratch, m, m->first + i);
        pb_message(&resource_spans, 2, &inner);
        pb_message(to, 1, &resource_spans);
        buffer_deinit(&scope);
        buffer_deinit(&resource_spans);
    }
    buffer_deinit(&s.value);
    buffer_deinit(&s.pair);
    buffer_deinit(&inner);
    buffer_deinit(&scratch);
}

#endif
