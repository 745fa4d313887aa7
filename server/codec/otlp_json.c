/*
 * otlp_json.c - OTLP export requests in JSON.
 *
 * Place:    text -> engine/base/json.h -> [here] -> otlp_reader.c
 * Format:   JSON mapping of the OTLP specification; names in otlp_json_names.def
 * Method:   one pass. A record goes out when its object ends, so resource, scope and schema URLs must be known before the records
 *           begin. Where they may stand behind them (a key order of hand-written clients), the rest of the object is looked
 *           through first: json_leap over the records, then back.
 *           Of equal members of one record the last counts; lists of records met twice are both read.
 * Failure:  what is no JSON ends the reading; a wrong type inside a record is that record's fault; a wrong type around
 *           records makes the document another one than it claims to be.
 */
#include "server/codec/otlp_json_record.h"

/* The document has another shape than an export request. */
static bool shape_wrong(struct json_reader *j, const char *what)
{
    j->status = error_set_at(j->reterr, STATUS_INVALID, (int64_t)j->json.start,
                             "byte %zu: %s is not of the right type", j->json.start, what);
    return false;
}

/* A list that must be one, of objects. */
static bool items_required(struct json_reader *j, enum json_token t, const char *what,
                           json_item *item)
{
    if (t != JSON_ARRAY_BEGIN)
        return t < 0 ? false : shape_wrong(j, what);
    return json_items(j, t, what, item, NULL);
}

static bool resource_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct otlp_reader *r = j->reader;
    (void)context;
    if (field == common_attributes)
        return json_take_attributes(
            j, t, (struct owner){&r->resource_attributes, &r->resource.attributes, false});
    if (field == common_dropped)
        return json_take_count(j, t, &r->resource.attributes.dropped);
    return json_pass(j, t);
}

static bool scope_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct otlp_reader *r = j->reader;
    (void)context;
    switch ((enum common_field)field) {
    case common_attributes:
        return json_take_attributes(
            j, t, (struct owner){&r->scope_attributes, &r->scope.attributes, false});
    case common_dropped:
        return json_take_count(j, t, &r->scope.attributes.dropped);
    case common_name:
        return json_take_text(j, t, "name of a scope", &r->scope.name);
    case common_version:
        return json_take_text(j, t, "version of a scope", &r->scope.version);
    case common_other:
        break;
    }
    return json_pass(j, t);
}

/* How far the description of a group of records is known. */
struct description {
    bool has_common; /* resource or scope */
    bool has_url;
    bool is_complete; /* what is not known isn't there */
};

/* One member of a group that describes: resource or scope, and the schema URL. */
static bool describe(struct json_reader *j, int field, enum json_token t, struct description *d,
                     bool is_resource)
{
    struct otlp_reader *r = j->reader;
    bool is_url = is_resource ? field == group_schema_url : field == records_schema_url;
    if (is_url) {
        d->has_url = true;
        return json_take_text(j, t, "schemaUrl",
                              is_resource ? &r->resource.schema_url : &r->scope.schema_url);
    }
    d->has_common = true;
    r->attributes_left = OTLP_ATTRIBUTES_MAX;
    if (t != JSON_OBJECT_BEGIN)
        return shape_wrong(j, is_resource ? "a resource" : "a scope");
    return json_members(j, MESSAGE_common, t, "", is_resource ? resource_member : scope_member,
                        NULL);
}

static bool describes(int field, bool is_resource)
{
    return is_resource
               ? field == group_resource || field == group_schema_url
               : field == records_scope || field == records_schema_url || field == records_library;
}

/*
 * The records begin with the token t and their description may be incomplete: looks through the rest of the object for it, and comes
 * back. Nothing is remembered but the description.
 */
static bool look_ahead(struct json_reader *j, enum json_token t, struct description *d,
                       bool is_resource)
{
    if (d->is_complete || (d->has_common && (d->has_url || !j->has_schema_urls)))
        return true;
    struct json start = j->json;
    enum json_message message = is_resource ? MESSAGE_group : MESSAGE_records;
    if (!json_leap(&j->json, t))
        return false;
    while ((t = json_next(&j->json)) == JSON_KEY) {
        int field = json_field(j, message);
        t = json_next(&j->json);
        bool fine = t != JSON_NULL && describes(field, is_resource)
                        ? describe(j, field, t, d, is_resource)
                        : json_leap(&j->json, t);
        if (!fine)
            return false;
    }
    if (t != JSON_OBJECT_END)
        return false;
    j->json = start;
    d->is_complete = true;
    return true;
}

/* One member of ScopeSpans or ScopeLogs. */
static bool records_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct description *d = context;
    bool traces = j->reader->signal == OTLP_TRACES;
    if (describes(field, false)) {
        if (d->is_complete)
            return json_pass(j, t);
        j->arena = &j->reader->scope_text;
        return describe(j, field, t, d, false);
    }
    if (field != (traces ? records_spans : records_log_records))
        return json_pass(j, t);
    j->arena = &j->reader->scope_text;
    if (!look_ahead(j, t, d, false))
        return false;
    scope_end(j->reader);
    return items_required(j, t, traces ? "spans" : "logRecords", traces ? json_span : json_log);
}

static bool records_item(struct json_reader *j, enum json_token t, void *context)
{
    struct description d = {0};
    (void)context;
    if (t != JSON_OBJECT_BEGIN)
        return shape_wrong(j, "the records of a scope");
    scope_begin(j->reader);
    return json_members(j, MESSAGE_records, t, "", records_member, &d);
}

/* One member of ResourceSpans or ResourceLogs. */
static bool group_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    struct description *d = context;
    bool traces = j->reader->signal == OTLP_TRACES;
    if (describes(field, true)) {
        if (d->is_complete)
            return json_pass(j, t);
        j->arena = &j->reader->resource_text;
        return describe(j, field, t, d, true);
    }
    if (field != (traces ? group_scope_spans : group_scope_logs) &&
        !(traces && field == group_library_spans))
        return json_pass(j, t);
    j->arena = &j->reader->resource_text;
    if (!look_ahead(j, t, d, true))
        return false;
    resource_end(j->reader);
    return items_required(j, t, traces ? "scopeSpans" : "scopeLogs", records_item);
}

static bool group_item(struct json_reader *j, enum json_token t, void *context)
{
    struct description d = {0};
    (void)context;
    if (t != JSON_OBJECT_BEGIN)
        return shape_wrong(j, "the records of a resource");
    resource_begin(j->reader);
    return json_members(j, MESSAGE_group, t, "", group_member, &d);
}

static bool request_member(struct json_reader *j, int field, enum json_token t, void *context)
{
    static const char *const kinds[] = {"traces", "logs", "metrics"};
    enum request_field wanted =
        j->reader->signal == OTLP_TRACES ? request_resource_spans : request_resource_logs;
    (void)context;
    if ((enum request_field)field == wanted)
        return items_required(
            j, t, field == request_resource_spans ? "resourceSpans" : "resourceLogs", group_item);
    j->status = error_set_at(j->reterr, STATUS_INVALID, (int64_t)j->json.start,
                             "this is a %s export: send it to /v1/%s, not to /v1/%s", kinds[field],
                             kinds[field], kinds[wanted]);
    return false;
}

static bool says(struct slice body, const char *word)
{
    return memmem(body.data, body.size, word, strlen(word)) != NULL;
}

enum status otlp_read_json(struct otlp_reader *r, struct error *reterr)
{
    struct json_reader j = {.reader = r,
                            .json = json_over_deep(r->body, JSON_DEEP_MAX),
                            .arena = &r->record_text,
                            .reterr = reterr,
                            .has_schema_urls =
                                says(r->body, "\"schemaUrl\"") || says(r->body, "\"schema_url\"")};
    record_begin(r);
    enum json_token t = json_next(&j.json);
    if (t > 0 && t != JSON_OBJECT_BEGIN)
        (void)shape_wrong(&j, "the document");
    else if (t > 0 && json_members(&j, MESSAGE_request, t, "", request_member, NULL))
        t = json_next(&j.json);
    if (j.status < 0)
        return j.status;
    return t == JSON_END ? STATUS_OK : json_error(&j.json, "JSON", reterr);
}
