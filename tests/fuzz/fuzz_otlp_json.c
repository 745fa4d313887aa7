/*
 * fuzz_otlp_json.c - any bytes as an OTLP export in JSON, as traces and as logs.
 */
#include "engine/base/check.h"
#include "engine/base/json.h"
#include "server/codec/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte it was given, so that a sanitizer sees a slice that leaves its memory. */
static uint64_t text_sum(struct slice text)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < text.size; i++)
        sum += text.data[i];
    return sum;
}

static void value_check(const struct value *v, uint64_t *sum)
{
    if (v->type == VALUE_STRING || v->type == VALUE_BYTES || v->type == VALUE_JSON)
        *sum += text_sum(v->bytes);
    if (v->type != VALUE_JSON)
        return;
    struct json j = json_over(v->bytes);
    enum json_token t = json_next(&j);
    ASSERT(t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN);
    while ((t = json_next(&j)) > 0) {
    }
    ASSERT(t == JSON_END);
}

static void attributes_check(const struct attributes *a, uint64_t *sum)
{
    ASSERT(a->count <= OTLP_ATTRIBUTES_MAX);
    for (uint32_t i = 0; i < a->count; i++) {
        *sum += text_sum(a->items[i].key);
        value_check(&a->items[i].value, sum);
    }
}

static void common_check(const struct otlp_resource *resource, const struct otlp_scope *scope,
                         uint64_t *sum)
{
    attributes_check(&resource->attributes, sum);
    attributes_check(&scope->attributes, sum);
    *sum += text_sum(resource->schema_url) + text_sum(scope->name) + text_sum(scope->version) +
            text_sum(scope->schema_url);
}

static enum status span_check(void *context, const struct otlp_span *s, struct error *reterr)
{
    uint64_t *sum = context;
    (void)reterr;
    ASSERT(!id128_is_zero(s->trace_id));
    ASSERT(s->span_id != 0);
    ASSERT(s->event_count <= OTLP_EVENTS_MAX);
    ASSERT(s->link_count <= OTLP_LINKS_MAX);
    common_check(s->resource, s->scope, sum);
    attributes_check(&s->attributes, sum);
    *sum += text_sum(s->name) + text_sum(s->trace_state) + text_sum(s->status_message);
    for (uint32_t i = 0; i < s->event_count; i++) {
        *sum += text_sum(s->events[i].name);
        attributes_check(&s->events[i].attributes, sum);
    }
    for (uint32_t i = 0; i < s->link_count; i++) {
        *sum += text_sum(s->links[i].trace_state);
        attributes_check(&s->links[i].attributes, sum);
    }
    return STATUS_OK;
}

static enum status log_check(void *context, const struct otlp_log *log, struct error *reterr)
{
    uint64_t *sum = context;
    (void)reterr;
    common_check(log->resource, log->scope, sum);
    attributes_check(&log->attributes, sum);
    value_check(&log->body, sum);
    *sum += text_sum(log->severity_text) + text_sum(log->event_name);
    return STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct otlp_reader *r = otlp_reader_create();
    uint64_t sum = 0;
    struct otlp_sink sink = {.span = span_check, .log = log_check, .context = &sum};
    for (int signal = OTLP_TRACES; signal <= OTLP_LOGS; signal++) {
        struct otlp_result result = {0};
        struct error error = {.position = -1};
        enum status s = otlp_read(r, (enum otlp_signal)signal, OTLP_JSON, slice_of(data, size),
                                  &sink, &result, &error);
        ASSERT(s == STATUS_OK || s == STATUS_INVALID);
        ASSERT(s == STATUS_OK || (error.position >= 0 && (size_t)error.position <= size));
        ASSERT(result.rejected == 0 || result.message[0] != 0);
    }
    otlp_reader_destroy(r);
    return sum == UINT64_MAX; /* sum is used */
}
