/*
 * otlp_reader.c - the record under construction: begun, filled by either encoding, given to the sink or rejected.
 *
 * Place:     otlp_proto.c, otlp_json.c -> [here] -> struct otlp_sink
 * Invariant: a span the sink sees has usable ids and nothing wrong inside it; what is said about it (counts, pointers)
 *            lies within the limits of otlp.h.
 * Memory:    arrays grow to the limits of otlp.h and stay; text beyond OTLP_KEPT_BYTES_MAX goes after each request.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "server/codec/otlp_internal.h"

struct otlp_reader *otlp_reader_create(void)
{
    /* Serials of resources differ between readers too. */
    static _Atomic uint64_t readers = 0;
    struct otlp_reader *r = MEM_NEW(struct otlp_reader);
    r->serial = atomic_fetch_add(&readers, 1) << 40;
    return r;
}

void otlp_reader_destroy(struct otlp_reader *r)
{
    if (r == NULL)
        return;
    mem_free(r->resource_attributes.items);
    mem_free(r->scope_attributes.items);
    mem_free(r->record.attributes.items);
    mem_free(r->record.event_attributes.items);
    mem_free(r->record.link_attributes.items);
    mem_free(r->record.events);
    mem_free(r->record.links);
    arena_deinit(&r->resource_text);
    arena_deinit(&r->scope_text);
    arena_deinit(&r->record_text);
    buffer_deinit(&r->nested);
    mem_free(r);
}

size_t otlp_reader_memory(const struct otlp_reader *r)
{
    const struct record *record = &r->record;
    size_t attributes = r->resource_attributes.capacity + r->scope_attributes.capacity +
                        record->attributes.capacity + record->event_attributes.capacity +
                        record->link_attributes.capacity;
    return sizeof *r + attributes * sizeof(struct attribute) +
           record->events_capacity * sizeof(struct otlp_event) +
           record->links_capacity * sizeof(struct otlp_link) + arena_memory(&r->resource_text) +
           arena_memory(&r->scope_text) + arena_memory(&r->record_text) + r->nested.capacity;
}

/* ---- limits ---- */

/* The first complaint of a request is the one it hears. */
static void complain(struct otlp_reader *r, const char *format, ...) PRINTF_LIKE(2, 3);
static void complain(struct otlp_reader *r, const char *format, ...)
{
    if (r->result.message[0] != 0)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->result.message, sizeof r->result.message, format, args);
    va_end(args);
}

void attribute_drop(struct otlp_reader *r, struct attributes *owner)
{
    owner->dropped++;
    r->result.dropped_attributes++;
    complain(r, "attributes were dropped: a span may have %u, and %u MiB of nested values",
             OTLP_ATTRIBUTES_MAX, OTLP_NESTED_BYTES_MAX >> 20);
}

struct attribute *attribute_slot(struct otlp_reader *r, struct attribute_list *list,
                                 struct attributes *owner)
{
    if (r->attributes_left == 0) {
        attribute_drop(r, owner);
        return NULL;
    }
    list->items =
        mem_grow(list->items, &list->capacity, (size_t)list->count + 1, sizeof(struct attribute));
    struct attribute *a = &list->items[list->count];
    *a = (struct attribute){.key = SLICE_EMPTY};
    return a;
}

void attribute_keep(struct otlp_reader *r, struct attribute_list *list, struct attributes *owner)
{
    r->attributes_left--;
    list->count++;
    owner->count++;
}

void attributes_forget(struct otlp_reader *r, struct attribute_list *list, struct attributes *owner)
{
    r->attributes_left += owner->count;
    list->count -= owner->count;
    owner->count = 0;
}

struct otlp_event *event_slot(struct otlp_reader *r)
{
    struct otlp_span *span = &r->record.span;
    if (span->event_count == OTLP_EVENTS_MAX) {
        complain(r, "events were dropped: a span may have %u", OTLP_EVENTS_MAX);
        return NULL;
    }
    r->record.events = mem_grow(r->record.events, &r->record.events_capacity,
                                (size_t)span->event_count + 1, sizeof(struct otlp_event));
    struct otlp_event *event = &r->record.events[span->event_count++];
    *event = (struct otlp_event){.name = SLICE_EMPTY};
    return event;
}

struct otlp_link *link_slot(struct otlp_reader *r)
{
    struct otlp_span *span = &r->record.span;
    if (span->link_count == OTLP_LINKS_MAX) {
        complain(r, "links were dropped: a span may have %u", OTLP_LINKS_MAX);
        return NULL;
    }
    r->record.links = mem_grow(r->record.links, &r->record.links_capacity,
                               (size_t)span->link_count + 1, sizeof(struct otlp_link));
    struct otlp_link *link = &r->record.links[span->link_count++];
    *link = (struct otlp_link){.trace_state = SLICE_EMPTY};
    return link;
}

int64_t time_from_unsigned(uint64_t ns)
{
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* ---- resource, scope, record ---- */

void resource_begin(struct otlp_reader *r)
{
    r->resource = (struct otlp_resource){.schema_url = SLICE_EMPTY, .serial = ++r->serial};
    r->resource_attributes.count = 0;
    r->attributes_left = OTLP_ATTRIBUTES_MAX;
    r->record.nested_bytes = 0;
    arena_reset(&r->resource_text);
}

void resource_end(struct otlp_reader *r)
{
    r->resource.attributes.items = r->resource_attributes.items;
}

void scope_begin(struct otlp_reader *r)
{
    r->scope =
        (struct otlp_scope){.name = SLICE_EMPTY, .version = SLICE_EMPTY, .schema_url = SLICE_EMPTY};
    r->scope_attributes.count = 0;
    r->attributes_left = OTLP_ATTRIBUTES_MAX;
    r->record.nested_bytes = 0;
    arena_reset(&r->scope_text);
}

void scope_end(struct otlp_reader *r)
{
    r->scope.attributes.items = r->scope_attributes.items;
}

void record_begin(struct otlp_reader *r)
{
    struct record *record = &r->record;
    if (r->signal == OTLP_TRACES)
        record->span = (struct otlp_span){.resource = &r->resource,
                                          .scope = &r->scope,
                                          .trace_state = SLICE_EMPTY,
                                          .name = SLICE_EMPTY,
                                          .status_message = SLICE_EMPTY};
    else
        record->log = (struct otlp_log){.resource = &r->resource,
                                        .scope = &r->scope,
                                        .severity_text = SLICE_EMPTY,
                                        .event_name = SLICE_EMPTY};
    record->attributes.count = 0;
    record->event_attributes.count = 0;
    record->link_attributes.count = 0;
    record->nested_bytes = 0;
    record->is_bad = false;
    record->is_mistaken = false;
    r->attributes_left = OTLP_ATTRIBUTES_MAX;
    if (r->record_text.bytes != 0)
        arena_reset(&r->record_text);
}

void record_fault(struct otlp_reader *r, const char *format, ...)
{
    if (r->record.is_bad)
        return;
    r->record.is_bad = true;
    if (r->result.message[0] != 0)
        return; /* nobody will read it: a bad span costs no printf but the first */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->record.fault, sizeof r->record.fault, format, args);
    va_end(args);
}

static void record_reject(struct otlp_reader *r)
{
    struct slice name = r->signal == OTLP_TRACES ? r->record.span.name : r->record.log.event_name;
    int shown = name.size > 48 ? 48 : (int)name.size;
    if (r->record.is_mistaken)
        r->mistaken++;
    complain(r, "%s %llu%s%.*s%s: %s", r->signal == OTLP_TRACES ? "span" : "log record",
             (unsigned long long)(r->result.accepted + r->result.rejected), shown == 0 ? "" : " '",
             shown, (const char *)name.data, shown == 0 ? "" : "'", r->record.fault);
    r->result.rejected++;
}

/* Owners lie in the list one after the other, so that each begins where the one before ended. */
static void owner_finish(struct attributes *owner, const struct attribute_list *list, size_t *at)
{
    if (owner->count != 0)
        owner->items = list->items + *at;
    *at += owner->count;
}

static void record_finish_span(struct record *record)
{
    struct otlp_span *span = &record->span;
    size_t at = 0;
    span->attributes.items = record->attributes.items;
    for (uint32_t i = 0; i < span->event_count; i++)
        owner_finish(&record->events[i].attributes, &record->event_attributes, &at);
    at = 0;
    for (uint32_t i = 0; i < span->link_count; i++)
        owner_finish(&record->links[i].attributes, &record->link_attributes, &at);
    span->events = record->events;
    span->links = record->links;
}

static void record_finish_log(struct record *record)
{
    struct otlp_log *log = &record->log;
    log->attributes.items = record->attributes.items;
    for (uint32_t i = 0; i < log->attributes.count && log->event_name.size == 0; i++) {
        const struct attribute *a = &log->attributes.items[i];
        if (a->value.type == VALUE_STRING && slice_is(a->key, "event.name"))
            log->event_name = a->value.bytes;
    }
}

static void record_check_ids(struct otlp_reader *r)
{
    const struct otlp_span *span = &r->record.span;
    if (r->record.is_bad)
        return;
    if (id128_is_zero(span->trace_id))
        record_fault(r, "it has no trace id");
    else if (span->span_id == 0)
        record_fault(r, "it has no span id");
}

enum status record_end(struct otlp_reader *r, struct error *reterr)
{
    struct record *record = &r->record;
    enum status s = STATUS_OK;
    if (r->signal == OTLP_TRACES)
        record_check_ids(r);
    if (record->is_mistaken)
        record_fault(r, "it is no %s", r->signal == OTLP_TRACES ? "span" : "log record");
    if (record->is_bad) {
        record_reject(r);
        return STATUS_OK;
    }
    if (r->signal == OTLP_TRACES) {
        record_finish_span(record);
        s = r->sink->span(r->sink->context, &record->span, reterr);
    } else {
        record_finish_log(record);
        s = r->sink->log(r->sink->context, &record->log, reterr);
    }
    if (s >= 0)
        r->result.accepted++;
    return s < 0 ? s : STATUS_OK;
}

/* ---- the request ---- */

static void reader_begin(struct otlp_reader *r, enum otlp_signal signal, struct slice body,
                         const struct otlp_sink *sink)
{
    r->signal = signal;
    r->sink = sink;
    r->body = body;
    r->result = (struct otlp_result){0};
    r->mistaken = 0;
    memset(r->name_hints, 0, sizeof r->name_hints);
}

/* A request of the other signal decodes, since the numbers of its fields are the same; none of its records is usable. */
static enum status reader_check_signal(const struct otlp_reader *r, struct error *reterr)
{
    if (r->mistaken == 0 || r->result.accepted != 0)
        return STATUS_OK;
    if (r->signal == OTLP_TRACES)
        return error_set_at(reterr, STATUS_INVALID, 0,
                            "this is a logs export: send it to /v1/logs, not to /v1/traces");
    return error_set_at(reterr, STATUS_INVALID, 0,
                        "this is a traces export: send it to /v1/traces, not to /v1/logs");
}

static void arena_trim(struct arena *a)
{
    arena_reset(a);
    if (arena_memory(a) > OTLP_KEPT_BYTES_MAX)
        arena_deinit(a);
}

/* Nothing points into the body any more, and one large request doesn't keep its memory for ever. */
static void reader_end(struct otlp_reader *r)
{
    r->body = SLICE_EMPTY;
    r->sink = NULL;
    arena_trim(&r->resource_text);
    arena_trim(&r->scope_text);
    arena_trim(&r->record_text);
    if (r->nested.capacity > OTLP_KEPT_BYTES_MAX)
        buffer_deinit(&r->nested);
}

enum status otlp_read(struct otlp_reader *r, enum otlp_signal signal, enum otlp_encoding encoding,
                      struct slice body, const struct otlp_sink *sink, struct otlp_result *ret,
                      struct error *reterr)
{
    enum status s = STATUS_OK;
    reader_begin(r, signal, body, sink);
    if (body.size > OTLP_BODY_BYTES_MAX)
        s = error_set(reterr, STATUS_LIMIT, "the request has %zu bytes; the limit is %u", body.size,
                      OTLP_BODY_BYTES_MAX);
    else if (encoding == OTLP_PROTOBUF)
        s = otlp_read_proto(r, reterr);
    else if (body.size != 0)
        s = otlp_read_json(r, reterr);
    if (s >= 0)
        s = reader_check_signal(r, reterr);
    if (s >= 0)
        *ret = r->result;
    reader_end(r);
    return s < 0 ? s : STATUS_OK;
}

static bool type_is(const char *content_type, const char *name)
{
    size_t size = strlen(name);
    if (strncasecmp(content_type, name, size) != 0)
        return false;
    char next = content_type[size];
    return next == 0 || next == ';' || next == ' ' || next == '\t';
}

enum otlp_encoding otlp_encoding_of(const char *content_type, struct slice body)
{
    if (content_type != NULL) {
        while (*content_type == ' ' || *content_type == '\t')
            content_type++;
        if (type_is(content_type, "application/json"))
            return OTLP_JSON;
        if (type_is(content_type, "application/x-protobuf") ||
            type_is(content_type, "application/protobuf"))
            return OTLP_PROTOBUF;
    }
    /* A protobuf export begins with field 1, the byte 0x0a, which is also a line feed: look behind white space. */
    size_t at = 0;
    while (at < body.size && (body.data[at] == ' ' || body.data[at] == '\t' ||
                              body.data[at] == '\r' || body.data[at] == '\n'))
        at++;
    return at < body.size && body.data[at] == '{' ? OTLP_JSON : OTLP_PROTOBUF;
}

const char *otlp_content_type(enum otlp_encoding encoding)
{
    return encoding == OTLP_JSON ? "application/json" : "application/x-protobuf";
}
