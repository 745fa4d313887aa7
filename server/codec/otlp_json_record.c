/*
 * otlp_json_record.c - spans and log records in JSON, from their first brace to the sink.
 *
 * Place:    otlp_json.c -> [here] -> record_end
 * Rules:    of equal members of one record the last counts; a wrong type is the record's fault.
 */
#include "server/codec/otlp_json_record.h"

/* ---- attributes ---- */

static void attribute_settle(struct json_reader *j, const struct owner *o, struct slice key,
                             enum value_fault fault)
{
    struct otlp_reader *r = j->reader;
    if (fault == VALUE_FINE) {
        attribute_keep(r, o->list, o->attributes);
    } else if (fault == VALUE_TOO_LARGE || !o->is_record) {
        attribute_drop(r, o->attributes);
    } else {
        record_fault(r, "attribute '%.*s' is nested deeper than %u",
                     key.size > 48 ? 48 : (int)key.size, (const char *)key.data, OTLP_DEPTH_MAX);
    }
}

struct attribute_under_way {
    struct attribute *attribute;
    enum value_fault fault;
};

static bool attribute_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct attribute_under_way *a = context;
    if (field == attribute_key)
        return json_take_text(j, t, "the key of an attribute", &a->attribute->key);
    return json_take_value(j, t, &a->attribute->value, &a->fault);
}

/* {"key": "a", "value": {...}} */
static bool attribute_item(struct json_reader *j, enum json_token t, void *context)
{
    const struct owner *o = context;
    struct attribute_under_way a = {.attribute = attribute_slot(j->reader, o->list, o->attributes)};
    if (a.attribute == NULL)
        return json_pass(j, t);
    if (t != JSON_OBJECT_BEGIN)
        return json_wrong(j, t, "an attribute");
    if (!json_members(j, MESSAGE_attribute, t, "an attribute", attribute_member, &a))
        return false;
    attribute_settle(j, o, a.attribute->key, a.fault);
    return true;
}

/* Hand-written clients: {"a": 1, "b": {"stringValue": "x"}}. */
static bool attributes_object(struct json_reader *j, const struct owner *o)
{
    enum json_token t;
    while ((t = json_next(&j->json)) == JSON_KEY) {
        struct attribute *a = attribute_slot(j->reader, o->list, o->attributes);
        if (a == NULL) {
            if (!json_pass(j, json_next(&j->json)))
                return false;
            continue;
        }
        enum value_fault fault = VALUE_FINE;
        a->key = json_string(&j->json, j->arena);
        if (!json_take_value(j, json_next(&j->json), &a->value, &fault))
            return false;
        attribute_settle(j, o, a->key, fault);
    }
    return t == JSON_OBJECT_END;
}

bool json_take_attributes(struct json_reader *j, enum json_token t, struct owner o)
{
    attributes_forget(j->reader, o.list, o.attributes);
    if (t == JSON_OBJECT_BEGIN)
        return attributes_object(j, &o);
    return json_items(j, t, "attributes", attribute_item, &o);
}

/* ---- spans ---- */

static bool id_take(struct json_reader *j, enum json_token t, const char *what, bool is_optional,
                    uint64_t *ret)
{
    uint8_t bytes[8];
    bool fine = false;
    struct slice text = j->json.raw;
    if (!json_take_id(j, t, what, bytes, sizeof bytes, &fine))
        return false;
    if (!fine && !is_optional)
        record_fault(j->reader, "%s is no id of 8 bytes: '%.*s'", what,
                     text.size > 40 ? 40 : (int)text.size, (const char *)text.data);
    memcpy(ret, bytes, sizeof *ret);
    *ret = __builtin_bswap64(*ret);
    return true;
}

static bool trace_id_take(struct json_reader *j, enum json_token t, bool is_optional,
                          struct id128 *ret)
{
    bool fine = false;
    struct slice text = j->json.raw;
    if (!json_take_id(j, t, "traceId", ret->bytes, sizeof ret->bytes, &fine))
        return false;
    if (!fine && !is_optional)
        record_fault(j->reader, "traceId is no id of 16 bytes: '%.*s'",
                     text.size > 40 ? 40 : (int)text.size, (const char *)text.data);
    return true;
}

static bool event_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct otlp_event *event = context;
    struct otlp_reader *r = j->reader;
    switch ((enum event_field)field) {
    case event_time:
        return json_take_time(j, t, "timeUnixNano of an event", &event->time_ns);
    case event_name:
        return json_take_text(j, t, "name of an event", &event->name);
    case event_attributes:
        return json_take_attributes(
            j, t, (struct owner){&r->record.event_attributes, &event->attributes, true});
    case event_dropped:
        return json_take_count(j, t, &event->attributes.dropped);
    case event_other:
        break;
    }
    return json_pass(j, t);
}

static bool event_item(struct json_reader *j, enum json_token t, void *context)
{
    (void)context;
    struct otlp_event *event = event_slot(j->reader);
    if (event == NULL)
        return json_pass(j, t);
    return json_members(j, MESSAGE_event, t, "an event", event_member, event);
}

static bool link_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct otlp_link *link = context;
    struct otlp_reader *r = j->reader;
    switch ((enum link_field)field) {
    case link_trace_id:
        return trace_id_take(j, t, true, &link->trace_id);
    case link_span_id:
        return id_take(j, t, "spanId", true, &link->span_id);
    case link_trace_state:
        return json_take_text(j, t, "traceState of a link", &link->trace_state);
    case link_attributes:
        return json_take_attributes(
            j, t, (struct owner){&r->record.link_attributes, &link->attributes, true});
    case link_dropped:
        return json_take_count(j, t, &link->attributes.dropped);
    case link_other:
        break;
    }
    return json_pass(j, t);
}

static bool link_item(struct json_reader *j, enum json_token t, void *context)
{
    (void)context;
    struct otlp_link *link = link_slot(j->reader);
    if (link == NULL)
        return json_pass(j, t);
    return json_members(j, MESSAGE_link, t, "a link", link_member, link);
}

static bool status_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct otlp_span *span = context;
    if (field == status_message)
        return json_take_text(j, t, "message of the status", &span->status_message);
    return json_take_enum(j, t, "code of the status", "STATUS_CODE_", "UNSET OK ERROR", 0,
                          &span->status_code);
}

/* Lists of a record met twice: the last counts. */
static bool events_take(struct json_reader *j, enum json_token t)
{
    struct record *record = &j->reader->record;
    j->reader->attributes_left += record->event_attributes.count;
    record->event_attributes.count = 0;
    record->span.event_count = 0;
    return json_items(j, t, "events", event_item, NULL);
}

static bool links_take(struct json_reader *j, enum json_token t)
{
    struct record *record = &j->reader->record;
    j->reader->attributes_left += record->link_attributes.count;
    record->link_attributes.count = 0;
    record->span.link_count = 0;
    return json_items(j, t, "links", link_item, NULL);
}

static bool flags_take(struct json_reader *j, enum json_token t, uint32_t *ret)
{
    *ret = 0;
    return json_take_count(j, t, ret);
}

static bool span_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct otlp_span *span = context;
    struct otlp_reader *r = j->reader;
    switch ((enum span_field)field) {
    case span_trace_id:
        return trace_id_take(j, t, false, &span->trace_id);
    case span_span_id:
        return id_take(j, t, "spanId", false, &span->span_id);
    case span_trace_state:
        return json_take_text(j, t, "traceState", &span->trace_state);
    case span_parent_id:
        return id_take(j, t, "parentSpanId", t == JSON_STRING && j->json.raw.size == 0,
                       &span->parent_id);
    case span_name:
        return json_take_text(j, t, "name", &span->name);
    case span_kind:
        return json_take_enum(j, t, "kind", "SPAN_KIND_",
                              "UNSPECIFIED INTERNAL SERVER CLIENT PRODUCER CONSUMER", 0,
                              &span->kind);
    case span_start:
        return json_take_time(j, t, "startTimeUnixNano", &span->start_ns);
    case span_end:
        return json_take_time(j, t, "endTimeUnixNano", &span->end_ns);
    case span_attributes:
        return json_take_attributes(j, t,
                                    (struct owner){&r->record.attributes, &span->attributes, true});
    case span_dropped:
        return json_take_count(j, t, &span->attributes.dropped);
    case span_events:
        return events_take(j, t);
    case span_links:
        return links_take(j, t);
    case span_status:
        return json_members(j, MESSAGE_status, t, "status", status_member, span);
    case span_flags:
        return flags_take(j, t, &span->flags);
    case span_severity:
    case span_observed:
        r->record.is_mistaken = true;
        break;
    case span_other:
        break;
    }
    return json_pass(j, t);
}

static bool record_done(struct json_reader *j)
{
    j->status = record_end(j->reader, j->reterr);
    return j->status >= 0;
}

bool json_span(struct json_reader *j, enum json_token t, void *context)
{
    (void)context;
    record_begin(j->reader);
    j->arena = &j->reader->record_text;
    return json_members(j, MESSAGE_span, t, "a span", span_member, &j->reader->record.span) &&
           record_done(j);
}

/* ---- log records ---- */

static bool body_take(struct json_reader *j, enum json_token t, struct otlp_log *log)
{
    enum value_fault fault = VALUE_FINE;
    if (!json_take_value(j, t, &log->body, &fault))
        return false;
    if (fault == VALUE_TOO_DEEP)
        record_fault(j->reader, "its body is nested deeper than %u", OTLP_DEPTH_MAX);
    else if (fault != VALUE_FINE)
        record_fault(j->reader, "its body has more than %u MiB", OTLP_NESTED_BYTES_MAX >> 20);
    return true;
}

static bool log_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct otlp_log *log = context;
    struct otlp_reader *r = j->reader;
    switch ((enum log_field)field) {
    case log_time:
        return json_take_time(j, t, "timeUnixNano", &log->time_ns);
    case log_observed:
        return json_take_time(j, t, "observedTimeUnixNano", &log->observed_ns);
    case log_severity:
        return json_take_enum(j, t, "severityNumber", "SEVERITY_NUMBER_",
                              "UNSPECIFIED TRACE TRACE2 TRACE3 TRACE4 DEBUG DEBUG2 DEBUG3 DEBUG4 "
                              "INFO INFO2 INFO3 INFO4 WARN WARN2 WARN3 WARN4 ERROR ERROR2 ERROR3 "
                              "ERROR4 FATAL FATAL2 FATAL3 FATAL4",
                              0, &log->severity);
    case log_severity_text:
        return json_take_text(j, t, "severityText", &log->severity_text);
    case log_event_name:
        return json_take_text(j, t, "eventName", &log->event_name);
    case log_body:
        return body_take(j, t, log);
    case log_attributes:
        return json_take_attributes(j, t,
                                    (struct owner){&r->record.attributes, &log->attributes, true});
    case log_dropped:
        return json_take_count(j, t, &log->attributes.dropped);
    case log_trace_id:
        return trace_id_take(j, t, true, &log->trace_id);
    case log_span_id:
        return id_take(j, t, "spanId", true, &log->span_id);
    case log_start:
        r->record.is_mistaken = true;
        break;
    case log_other:
        break;
    }
    return json_pass(j, t);
}

bool json_log(struct json_reader *j, enum json_token t, void *context)
{
    (void)context;
    record_begin(j->reader);
    j->arena = &j->reader->record_text;
    return json_members(j, MESSAGE_log, t, "a log record", log_member, &j->reader->record.log) &&
           record_done(j);
}
