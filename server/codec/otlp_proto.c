/*
 * otlp_proto.c - OTLP export requests in protobuf.
 *
 * Place:    bytes -> [here] -> otlp_reader.c
 * Format:   opentelemetry-proto trace/v1, logs/v1; the numbers of the fields stand in the switches below
 * Method:   a message's fields may come in any order, and a resource may stand behind its spans: each level is walked twice, first
 *           for what describes the records, then for the records. The first walk only jumps over lengths.
 *           A message field met twice merges, a scalar's last value counts, unknown fields are skipped.
 * Failure:  damage inside a record or its parts is that record's fault; damage around records ends the reading.
 * Speed:    a span of 22 attributes and 900 bytes takes about 1 us: 110 fields in 50 messages; see bench/bench_otlp_decode.c.
 */
#include "server/codec/otlp_proto_value.h"

#define BYTES(number)   PROTO_TAG(number, PROTO_BYTES)
#define VARINT(number)  PROTO_TAG(number, PROTO_VARINT)
#define FIXED64(number) PROTO_TAG(number, PROTO_FIXED64)
#define FIXED32(number) PROTO_TAG(number, PROTO_FIXED32)

static enum status damaged(const struct otlp_reader *r, const uint8_t *at, const char *what,
                           struct error *reterr)
{
    size_t offset = (size_t)(at - r->body.data);
    return error_set_at(reterr, STATUS_INVALID, (int64_t)offset, "byte %zu: damaged protobuf in %s",
                        offset, what);
}

/* Inside a record. */
static void record_damaged(struct otlp_reader *r, const uint8_t *at, const char *what)
{
    record_fault(r, "byte %zu: damaged protobuf in %s", (size_t)(at - r->body.data), what);
}

static bool id128_read(struct slice bytes, struct id128 *ret)
{
    *ret = (struct id128){0};
    if (bytes.size != sizeof ret->bytes)
        return false;
    memcpy(ret->bytes, bytes.data, sizeof ret->bytes);
    return true;
}

static bool id64_read(struct slice bytes, uint64_t *ret)
{
    uint64_t big_endian = 0;
    if (bytes.size == sizeof big_endian)
        memcpy(&big_endian, bytes.data, sizeof big_endian);
    *ret = __builtin_bswap64(big_endian);
    return bytes.size == sizeof big_endian;
}

/* One attribute of a record. */
static void record_attribute(struct otlp_reader *r, struct attribute_list *list,
                             struct attributes *owner, struct slice bytes)
{
    struct attribute *a = attribute_slot(r, list, owner);
    if (a == NULL)
        return;
    switch (proto_attribute_read(r, &r->record_text, bytes, a)) {
    case VALUE_FINE:
        attribute_keep(r, list, owner);
        break;
    case VALUE_MALFORMED:
        record_damaged(r, bytes.data, "an attribute");
        break;
    case VALUE_TOO_DEEP:
        record_fault(r, "attribute '%.*s' is nested deeper than %u",
                     a->key.size > 48 ? 48 : (int)a->key.size, (const char *)a->key.data,
                     OTLP_DEPTH_MAX);
        break;
    case VALUE_TOO_LARGE:
        attribute_drop(r, owner);
        break;
    }
}

/* One attribute of a resource or scope. What is too large or too deep is dropped. False: damaged. */
static bool common_attribute(struct otlp_reader *r, struct attribute_list *list,
                             struct arena *arena, struct attributes *owner, struct slice bytes)
{
    struct attribute *a = attribute_slot(r, list, owner);
    if (a == NULL)
        return true;
    switch (proto_attribute_read(r, arena, bytes, a)) {
    case VALUE_FINE:
        attribute_keep(r, list, owner);
        return true;
    case VALUE_MALFORMED:
        return false;
    case VALUE_TOO_DEEP:
    case VALUE_TOO_LARGE:
        attribute_drop(r, owner);
        return true;
    }
    return false;
}

/* ---- spans ---- */

static void event_read(struct otlp_reader *r, struct slice bytes)
{
    struct otlp_event *event = event_slot(r);
    if (event == NULL)
        return;
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    while (proto_next(&c, &f)) {
        switch (f.tag) {
        case FIXED64(1):
            event->time_ns = time_from_unsigned(f.integer);
            break;
        case BYTES(2):
            event->name = f.bytes;
            break;
        case BYTES(3):
            record_attribute(r, &r->record.event_attributes, &event->attributes, f.bytes);
            break;
        case VARINT(4):
            event->attributes.dropped += (uint32_t)f.integer;
            break;
        default:
            break;
        }
    }
    if (c.failed)
        record_damaged(r, f.start, "an event");
}

/* A link whose ids are not usable is kept: what else it says may still help. */
static void link_read(struct otlp_reader *r, struct slice bytes)
{
    struct otlp_link *link = link_slot(r);
    if (link == NULL)
        return;
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    while (proto_next(&c, &f)) {
        switch (f.tag) {
        case BYTES(1):
            (void)id128_read(f.bytes, &link->trace_id);
            break;
        case BYTES(2):
            (void)id64_read(f.bytes, &link->span_id);
            break;
        case BYTES(3):
            link->trace_state = f.bytes;
            break;
        case BYTES(4):
            record_attribute(r, &r->record.link_attributes, &link->attributes, f.bytes);
            break;
        case VARINT(5):
            link->attributes.dropped += (uint32_t)f.integer;
            break;
        default:
            break;
        }
    }
    if (c.failed)
        record_damaged(r, f.start, "a link");
}

static void status_read(struct otlp_reader *r, struct slice bytes)
{
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    while (proto_next(&c, &f)) {
        if (f.tag == BYTES(2))
            r->record.span.status_message = f.bytes;
        else if (f.tag == VARINT(3))
            r->record.span.status_code = (int32_t)f.integer;
    }
    if (c.failed)
        record_damaged(r, f.start, "a status");
}

static void span_field(struct otlp_reader *r, const struct proto_field *f)
{
    struct otlp_span *span = &r->record.span;
    switch (f->tag) {
    case BYTES(1):
        if (!id128_read(f->bytes, &span->trace_id))
            record_fault(r, "its trace id has %zu bytes, not 16", f->bytes.size);
        break;
    case BYTES(2):
        if (!id64_read(f->bytes, &span->span_id))
            record_fault(r, "its span id has %zu bytes, not 8", f->bytes.size);
        break;
    case BYTES(3):
        span->trace_state = f->bytes;
        break;
    case BYTES(4):
        if (!id64_read(f->bytes, &span->parent_id) && f->bytes.size != 0)
            record_fault(r, "its parent id has %zu bytes, not 8", f->bytes.size);
        break;
    case BYTES(5):
        span->name = f->bytes;
        break;
    case VARINT(6):
        span->kind = (int32_t)f->integer;
        break;
    case FIXED64(7):
        span->start_ns = time_from_unsigned(f->integer);
        break;
    case FIXED64(8):
        span->end_ns = time_from_unsigned(f->integer);
        break;
    case BYTES(9):
        record_attribute(r, &r->record.attributes, &span->attributes, f->bytes);
        break;
    case VARINT(10):
        span->attributes.dropped += (uint32_t)f->integer;
        break;
    case BYTES(11):
        event_read(r, f->bytes);
        break;
    case BYTES(13):
        link_read(r, f->bytes);
        break;
    case BYTES(15):
        status_read(r, f->bytes);
        break;
    case FIXED32(16):
        span->flags = (uint32_t)f->integer;
        break;
    case FIXED64(1):
    case FIXED64(11):
        r->record.is_mistaken = true; /* the times of a log record */
        break;
    default:
        break;
    }
}

static enum status span_read(struct otlp_reader *r, struct slice bytes, struct error *reterr)
{
    record_begin(r);
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    while (proto_next(&c, &f))
        span_field(r, &f);
    if (c.failed)
        record_damaged(r, f.start, "a span");
    return record_end(r, reterr);
}

/* ---- log records ---- */

/* The body is a message: met twice it merges. */
static void body_read(struct otlp_reader *r, struct slice record, struct slice body, uint32_t count)
{
    struct pieces pieces = count > 1 ? pieces_of(record, BYTES(5)) : pieces_of(body, 0);
    switch (proto_value_read(r, &r->record_text, pieces, &r->record.log.body)) {
    case VALUE_FINE:
        break;
    case VALUE_MALFORMED:
        record_damaged(r, body.data, "a body");
        break;
    case VALUE_TOO_DEEP:
        record_fault(r, "its body is nested deeper than %u", OTLP_DEPTH_MAX);
        break;
    case VALUE_TOO_LARGE:
        record_fault(r, "its body has more than %u MiB", OTLP_NESTED_BYTES_MAX >> 20);
        break;
    }
}

static void log_field(struct otlp_reader *r, const struct proto_field *f)
{
    struct otlp_log *log = &r->record.log;
    switch (f->tag) {
    case FIXED64(1):
        log->time_ns = time_from_unsigned(f->integer);
        break;
    case VARINT(2):
        log->severity = (int32_t)f->integer;
        break;
    case BYTES(3):
        log->severity_text = f->bytes;
        break;
    case BYTES(6):
        record_attribute(r, &r->record.attributes, &log->attributes, f->bytes);
        break;
    case VARINT(7):
        log->attributes.dropped += (uint32_t)f->integer;
        break;
    case BYTES(9):
        (void)id128_read(f->bytes, &log->trace_id);
        break;
    case BYTES(10):
        (void)id64_read(f->bytes, &log->span_id);
        break;
    case FIXED64(11):
        log->observed_ns = time_from_unsigned(f->integer);
        break;
    case BYTES(12):
        log->event_name = f->bytes;
        break;
    case BYTES(1):
    case BYTES(2):
    case FIXED64(7):
    case FIXED64(8):
        r->record.is_mistaken = true; /* ids and times of a span */
        break;
    default:
        break;
    }
}

static enum status log_read(struct otlp_reader *r, struct slice bytes, struct error *reterr)
{
    record_begin(r);
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    struct slice body = SLICE_EMPTY;
    uint32_t bodies = 0;
    while (proto_next(&c, &f)) {
        if (f.tag == BYTES(5)) {
            body = f.bytes;
            bodies++;
        } else {
            log_field(r, &f);
        }
    }
    if (c.failed)
        record_damaged(r, f.start, "a log record");
    else if (bodies != 0)
        body_read(r, bytes, body, bodies);
    return record_end(r, reterr);
}

/* ---- what is around them ---- */

static bool scope_read(struct otlp_reader *r, struct slice bytes)
{
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    bool fine = true;
    while (fine && proto_next(&c, &f)) {
        switch (f.tag) {
        case BYTES(1):
            r->scope.name = f.bytes;
            break;
        case BYTES(2):
            r->scope.version = f.bytes;
            break;
        case BYTES(3):
            fine = common_attribute(r, &r->scope_attributes, &r->scope_text, &r->scope.attributes,
                                    f.bytes);
            break;
        case VARINT(4):
            r->scope.attributes.dropped += (uint32_t)f.integer;
            break;
        default:
            break;
        }
    }
    return fine && !c.failed;
}

/* ScopeSpans and ScopeLogs: 1 scope, 2 records, 3 schema_url. */
static enum status scope_records_read(struct otlp_reader *r, struct slice bytes,
                                      struct error *reterr)
{
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    scope_begin(r);
    while (proto_next(&c, &f)) {
        if (f.tag == BYTES(3))
            r->scope.schema_url = f.bytes;
        else if (f.tag == BYTES(1) && !scope_read(r, f.bytes))
            return damaged(r, f.start, "a scope", reterr);
    }
    if (c.failed)
        return damaged(r, f.start, "the records of a scope", reterr);
    scope_end(r);

    c = cursor_over(bytes);
    while (proto_next(&c, &f)) {
        if (f.tag != BYTES(2))
            continue;
        enum status s =
            r->signal == OTLP_TRACES ? span_read(r, f.bytes, reterr) : log_read(r, f.bytes, reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

static bool resource_read(struct otlp_reader *r, struct slice bytes)
{
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    bool fine = true;
    while (fine && proto_next(&c, &f)) {
        if (f.tag == BYTES(1))
            fine = common_attribute(r, &r->resource_attributes, &r->resource_text,
                                    &r->resource.attributes, f.bytes);
        else if (f.tag == VARINT(2))
            r->resource.attributes.dropped += (uint32_t)f.integer;
    }
    return fine && !c.failed;
}

/* ResourceSpans and ResourceLogs: 1 resource, 2 scopes with their records, 3 schema_url. */
static enum status resource_records_read(struct otlp_reader *r, struct slice bytes,
                                         struct error *reterr)
{
    struct cursor c = cursor_over(bytes);
    struct proto_field f = {0};
    resource_begin(r);
    while (proto_next(&c, &f)) {
        if (f.tag == BYTES(3))
            r->resource.schema_url = f.bytes;
        else if (f.tag == BYTES(1) && !resource_read(r, f.bytes))
            return damaged(r, f.start, "a resource", reterr);
    }
    if (c.failed)
        return damaged(r, f.start, "the records of a resource", reterr);
    resource_end(r);

    c = cursor_over(bytes);
    while (proto_next(&c, &f)) {
        if (f.tag != BYTES(2) || f.bytes.size == 0)
            continue;
        enum status s = scope_records_read(r, f.bytes, reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

enum status otlp_read_proto(struct otlp_reader *r, struct error *reterr)
{
    struct cursor c = cursor_over(r->body);
    struct proto_field f = {0};
    while (proto_next(&c, &f)) {
        if (f.tag != BYTES(1) || f.bytes.size == 0)
            continue;
        enum status s = resource_records_read(r, f.bytes, reterr);
        if (s < 0)
            return s;
    }
    return c.failed ? damaged(r, f.start, "an export request", reterr) : STATUS_OK;
}
