/*
 * otlp_fixture.h - what a reader gave its sink, as text, and a small writer of protobuf.
 */
#ifndef DRIFTLINE_TESTS_OTLP_FIXTURE_H
#define DRIFTLINE_TESTS_OTLP_FIXTURE_H

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/json.h"
#include "engine/base/stringify.h"
#include "server/codec/otlp.h"

/* ---- a writer of protobuf ---- */

static inline void pb_bytes(struct buffer *to, uint32_t number, struct slice bytes)
{
    put_varint(to, (uint64_t)number << 3 | 2);
    put_bytes(to, bytes);
}

static inline void pb_text(struct buffer *to, uint32_t number, const char *text)
{
    pb_bytes(to, number, slice_text(text));
}

static inline void pb_varint(struct buffer *to, uint32_t number, uint64_t value)
{
    put_varint(to, (uint64_t)number << 3);
    put_varint(to, value);
}

static inline void pb_fixed64(struct buffer *to, uint32_t number, uint64_t value)
{
    put_varint(to, (uint64_t)number << 3 | 1);
    put_u64(to, value);
}

/* Wraps what is in `inner` as field `number`, and empties it. */
static inline void pb_wrap(struct buffer *to, uint32_t number, struct buffer *inner)
{
    pb_bytes(to, number, buffer_slice(inner));
    buffer_reset(inner);
}

/* KeyValue of a string. */
static inline void pb_attribute(struct buffer *to, uint32_t number, const char *key,
                                const char *value)
{
    struct buffer any = {0};
    struct buffer pair = {0};
    pb_text(&any, 1, value);
    pb_text(&pair, 1, key);
    pb_wrap(&pair, 2, &any);
    pb_wrap(to, number, &pair);
    buffer_deinit(&any);
    buffer_deinit(&pair);
}

static inline void pb_ids(struct buffer *span, uint8_t id)
{
    uint8_t bytes[16];
    memset(bytes, id, sizeof bytes);
    pb_bytes(span, 1, slice_of(bytes, 16));
    pb_bytes(span, 2, slice_of(bytes, 8));
}

/* Wraps spans (fields 2 of ScopeSpans) to a request. */
static inline void pb_request(struct buffer *to, struct buffer *scope_spans)
{
    struct buffer group = {0};
    pb_wrap(&group, 2, scope_spans);
    pb_wrap(to, 1, &group);
    buffer_deinit(&group);
}

/* ---- text of what was read ---- */

struct dump {
    struct buffer text;
    const struct otlp_reader *reader; /* when set: peak is followed */
    size_t memory_peak;
    uint64_t spans, logs, attributes;
    enum status answer; /* of the sink */
};

static inline void dump_hex(struct buffer *to, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buffer_printf(to, "%02x", bytes[i]);
}

static inline void dump_value(struct buffer *to, const struct value *v)
{
    switch (v->type) {
    case VALUE_NONE:
        buffer_add_text(to, "none");
        break;
    case VALUE_STRING:
        buffer_add_json(to, v->bytes);
        break;
    case VALUE_BOOL:
        buffer_add_text(to, v->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        buffer_printf(to, "int %" PRId64, v->integer);
        break;
    case VALUE_DOUBLE:
        buffer_printf(to, "double %.17g", v->number);
        break;
    case VALUE_BYTES:
        buffer_add_text(to, "bytes ");
        dump_hex(to, v->bytes.data, v->bytes.size);
        break;
    case VALUE_JSON:
        buffer_add_text(to, "json ");
        buffer_add_slice(to, v->bytes);
        break;
    }
}

static inline void dump_attributes(struct buffer *to, const struct attributes *a)
{
    for (uint32_t i = 0; i < a->count; i++) {
        buffer_add_text(to, "\n    ");
        buffer_add_json(to, a->items[i].key);
        buffer_add_text(to, ": ");
        dump_value(to, &a->items[i].value);
    }
    buffer_printf(to, "\n    dropped %u\n", a->dropped);
}

static inline void dump_common(struct buffer *to, const struct otlp_resource *resource,
                               const struct otlp_scope *scope)
{
    buffer_add_text(to, "resource ");
    buffer_add_json(to, resource->schema_url);
    dump_attributes(to, &resource->attributes);
    buffer_add_text(to, "scope ");
    buffer_add_json(to, scope->name);
    buffer_add_json(to, scope->version);
    buffer_add_json(to, scope->schema_url);
    dump_attributes(to, &scope->attributes);
}

static inline void dump_follow(struct dump *d, uint32_t attributes)
{
    d->attributes += attributes;
    if (d->reader != NULL && otlp_reader_memory(d->reader) > d->memory_peak)
        d->memory_peak = otlp_reader_memory(d->reader);
}

static inline enum status dump_span(void *context, const struct otlp_span *s, struct error *reterr)
{
    struct dump *d = context;
    struct buffer *to = &d->text;
    d->spans++;
    dump_follow(d, s->attributes.count);
    if (d->answer < 0)
        return error_set(reterr, d->answer, "the sink fails");
    if (d->reader != NULL)
        return STATUS_OK; /* only followed */
    dump_common(to, s->resource, s->scope);
    buffer_add_text(to, "span ");
    dump_hex(to, s->trace_id.bytes, 16);
    buffer_printf(
        to, " %016" PRIx64 " %016" PRIx64 " kind %d %" PRId64 "-%" PRId64 " status %d flags %u ",
        s->span_id, s->parent_id, s->kind, s->start_ns, s->end_ns, s->status_code, s->flags);
    buffer_add_json(to, s->name);
    buffer_add_json(to, s->trace_state);
    buffer_add_json(to, s->status_message);
    dump_attributes(to, &s->attributes);
    for (uint32_t i = 0; i < s->event_count; i++) {
        buffer_printf(to, "event %" PRId64 " ", s->events[i].time_ns);
        buffer_add_json(to, s->events[i].name);
        dump_attributes(to, &s->events[i].attributes);
    }
    for (uint32_t i = 0; i < s->link_count; i++) {
        buffer_add_text(to, "link ");
        dump_hex(to, s->links[i].trace_id.bytes, 16);
        buffer_printf(to, " %016" PRIx64 " ", s->links[i].span_id);
        buffer_add_json(to, s->links[i].trace_state);
        dump_attributes(to, &s->links[i].attributes);
    }
    return STATUS_OK;
}

static inline enum status dump_log(void *context, const struct otlp_log *l, struct error *reterr)
{
    struct dump *d = context;
    struct buffer *to = &d->text;
    d->logs++;
    dump_follow(d, l->attributes.count);
    if (d->answer < 0)
        return error_set(reterr, d->answer, "the sink fails");
    if (d->reader != NULL)
        return STATUS_OK;
    dump_common(to, l->resource, l->scope);
    buffer_add_text(to, "log ");
    dump_hex(to, l->trace_id.bytes, 16);
    buffer_printf(to, " %016" PRIx64 " %" PRId64 " %" PRId64 " severity %d ", l->span_id,
                  l->time_ns, l->observed_ns, l->severity);
    buffer_add_json(to, l->severity_text);
    buffer_add_json(to, l->event_name);
    dump_value(to, &l->body);
    dump_attributes(to, &l->attributes);
    return STATUS_OK;
}

static inline struct otlp_sink dump_sink(struct dump *d)
{
    return (struct otlp_sink){.span = dump_span, .log = dump_log, .context = d};
}

static inline void dump_deinit(struct dump *d)
{
    buffer_deinit(&d->text);
}

/* The body in memory of exactly its size, so that a sanitizer sees reads past its end. */
static inline enum status read_exactly(struct otlp_reader *r, enum otlp_signal signal,
                                       enum otlp_encoding encoding, struct slice body,
                                       struct dump *d, struct otlp_result *ret,
                                       struct error *reterr)
{
    struct otlp_sink sink = dump_sink(d);
    uint8_t *copy = mem_alloc(body.size);
    bytes_copy(copy, body.data, body.size);
    enum status s = otlp_read(r, signal, encoding, slice_of(copy, body.size), &sink, ret, reterr);
    mem_free(copy);
    return s;
}

/* Text of a request that must be readable. */
static inline const char *dump_text(struct otlp_reader *r, enum otlp_signal signal,
                                    enum otlp_encoding encoding, struct slice body, struct dump *d,
                                    struct otlp_result *ret)
{
    struct error error = {0};
    buffer_reset(&d->text);
    if (read_exactly(r, signal, encoding, body, d, ret, &error) < 0) {
        buffer_reset(&d->text);
        buffer_printf(&d->text, "error: %s", error.text);
    }
    *buffer_reserve(&d->text, 1) = 0;
    return (const char *)d->text.data;
}

#endif
