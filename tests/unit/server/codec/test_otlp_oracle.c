/*
 * test_otlp_oracle.c - random requests packed by protobuf-c read the same through our walker as protobuf-c reads them.
 */
#include <criterion/criterion.h>

#include "engine/base/clock.h"
#include "engine/base/rng.h"
#include "otlp.pb-c.h"
#include "otlp_fixture.h"

/* ---- random messages: everything a request needs lives in one arena ---- */

static char *random_text(struct rng *rng, struct arena *arena)
{
    static const char *const alphabet[] = {"a",  "Z",  "0",    " ",        "\"",
                                           "\\", "\n", "\x01", "\xc3\xa9", "\xf0\x9f\x98\x80",
                                           "{",  "/",  "\x7f"};
    size_t count = rng_below(rng, 4) == 0 ? rng_below(rng, 200) : rng_below(rng, 12);
    char *text = arena_alloc(arena, count * 4 + 1);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        const char *c = alphabet[rng_below(rng, sizeof alphabet / sizeof alphabet[0])];
        memcpy(text + size, c, strlen(c));
        size += strlen(c);
    }
    text[size] = 0;
    return text;
}

static ProtobufCBinaryData random_bytes_of(struct rng *rng, struct arena *arena, size_t size)
{
    ProtobufCBinaryData data = {.len = size, .data = arena_alloc(arena, size + 1)};
    for (size_t i = 0; i < size; i++)
        data.data[i] = (uint8_t)rng_below(rng, 256);
    if (size != 0)
        data.data[0] |= 1;
    return data;
}

/* Numbers of all widths. */
static uint64_t random_u64(struct rng *rng)
{
    return rng_u64(rng) >> rng_below(rng, 64);
}

static double random_double(struct rng *rng)
{
    static const double special[] = {0.0, 1.0, -1.5, 0.1, 1e300, 5e-324, __builtin_inf()};
    if (rng_below(rng, 3) == 0)
        return special[rng_below(rng, sizeof special / sizeof special[0])];
    return rng_normal(rng) * 1000;
}

static Any *random_any(struct rng *rng, struct arena *arena, uint32_t depth);

static Pair *random_pair(struct rng *rng, struct arena *arena, uint32_t depth)
{
    Pair *pair = arena_alloc(arena, sizeof *pair);
    pair__init(pair);
    pair->key = random_text(rng, arena);
    if (rng_below(rng, 10) != 0)
        pair->value = random_any(rng, arena, depth);
    return pair;
}

static Pair **random_pairs(struct rng *rng, struct arena *arena, size_t *ret_count)
{
    size_t count = rng_below(rng, 5);
    Pair **pairs = arena_alloc(arena, (count + 1) * sizeof(Pair *));
    for (size_t i = 0; i < count; i++)
        pairs[i] = random_pair(rng, arena, 0);
    *ret_count = count;
    return pairs;
}

static Any *random_any(struct rng *rng, struct arena *arena, uint32_t depth)
{
    Any *any = arena_alloc(arena, sizeof *any);
    any__init(any);
    size_t count = rng_below(rng, 4);
    switch (rng_below(rng, depth < 4 ? 9 : 6)) {
    case 0:
        break;
    case 1:
        any->value_case = ANY__VALUE_BOOLEAN;
        any->boolean = (protobuf_c_boolean)rng_below(rng, 2);
        break;
    case 2:
        any->value_case = ANY__VALUE_INTEGER;
        any->integer = (int64_t)random_u64(rng);
        break;
    case 3:
        any->value_case = ANY__VALUE_NUMBER;
        any->number = random_double(rng);
        break;
    case 4:
        any->value_case = ANY__VALUE_BLOB;
        any->blob = random_bytes_of(rng, arena, rng_below(rng, 10));
        break;
    case 6:
        any->value_case = ANY__VALUE_ARRAY;
        any->array = arena_alloc(arena, sizeof *any->array);
        any_list__init(any->array);
        any->array->n_values = count;
        any->array->values = arena_alloc(arena, (count + 1) * sizeof(Any *));
        for (size_t i = 0; i < count; i++)
            any->array->values[i] = random_any(rng, arena, depth + 1);
        break;
    case 7:
        any->value_case = ANY__VALUE_PAIRS;
        any->pairs = arena_alloc(arena, sizeof *any->pairs);
        pair_list__init(any->pairs);
        any->pairs->n_values = count;
        any->pairs->values = arena_alloc(arena, (count + 1) * sizeof(Pair *));
        for (size_t i = 0; i < count; i++)
            any->pairs->values[i] = random_pair(rng, arena, depth + 1);
        break;
    default:
        any->value_case = ANY__VALUE_TEXT;
        any->text = random_text(rng, arena);
        break;
    }
    return any;
}

static Event *random_event(struct rng *rng, struct arena *arena)
{
    Event *event = arena_alloc(arena, sizeof *event);
    event__init(event);
    event->time = random_u64(rng) >> 1;
    event->name = random_text(rng, arena);
    event->attributes = random_pairs(rng, arena, &event->n_attributes);
    event->dropped = (uint32_t)rng_below(rng, 3);
    return event;
}

static Link *random_link(struct rng *rng, struct arena *arena)
{
    Link *link = arena_alloc(arena, sizeof *link);
    link__init(link);
    link->trace_id = random_bytes_of(rng, arena, 16);
    link->span_id = random_bytes_of(rng, arena, 8);
    link->trace_state = random_text(rng, arena);
    link->attributes = random_pairs(rng, arena, &link->n_attributes);
    return link;
}

static Span *random_span(struct rng *rng, struct arena *arena)
{
    Span *span = arena_alloc(arena, sizeof *span);
    span__init(span);
    span->trace_id = random_bytes_of(rng, arena, 16);
    span->span_id = random_bytes_of(rng, arena, 8);
    span->parent_span_id = random_bytes_of(rng, arena, rng_below(rng, 2) * 8);
    span->trace_state = random_text(rng, arena);
    span->name = random_text(rng, arena);
    span->kind = (int32_t)rng_below(rng, 7) - 1;
    span->start_time = random_u64(rng) >> 1;
    span->end_time = random_u64(rng) >> 1;
    span->attributes = random_pairs(rng, arena, &span->n_attributes);
    span->dropped = (uint32_t)random_u64(rng);
    span->n_events = rng_below(rng, 3);
    span->events = arena_alloc(arena, 4 * sizeof(Event *));
    for (size_t i = 0; i < span->n_events; i++)
        span->events[i] = random_event(rng, arena);
    span->n_links = rng_below(rng, 3);
    span->links = arena_alloc(arena, 4 * sizeof(Link *));
    for (size_t i = 0; i < span->n_links; i++)
        span->links[i] = random_link(rng, arena);
    if (rng_below(rng, 2) == 0) {
        span->status = arena_alloc(arena, sizeof *span->status);
        status__init(span->status);
        span->status->code = (int32_t)rng_below(rng, 3);
        span->status->message = random_text(rng, arena);
    }
    span->flags = (uint32_t)random_u64(rng);
    return span;
}

static Log *random_log(struct rng *rng, struct arena *arena)
{
    Log *log = arena_alloc(arena, sizeof *log);
    log__init(log);
    log->time = random_u64(rng) >> 1;
    log->observed_time = random_u64(rng) >> 1;
    log->severity = (int32_t)rng_below(rng, 25);
    log->severity_text = random_text(rng, arena);
    log->event_name = random_text(rng, arena);
    log->body = rng_below(rng, 3) != 0 ? random_any(rng, arena, 0) : NULL;
    log->attributes = random_pairs(rng, arena, &log->n_attributes);
    log->dropped = (uint32_t)rng_below(rng, 9);
    if (rng_below(rng, 2) == 0) {
        log->trace_id = random_bytes_of(rng, arena, 16);
        log->span_id = random_bytes_of(rng, arena, 8);
    }
    return log;
}

static Resource *random_resource(struct rng *rng, struct arena *arena)
{
    Resource *resource = arena_alloc(arena, sizeof *resource);
    resource__init(resource);
    resource->attributes = random_pairs(rng, arena, &resource->n_attributes);
    resource->dropped = (uint32_t)rng_below(rng, 3);
    return rng_below(rng, 5) == 0 ? NULL : resource;
}

static Scope *random_scope(struct rng *rng, struct arena *arena)
{
    Scope *scope = arena_alloc(arena, sizeof *scope);
    scope__init(scope);
    scope->name = random_text(rng, arena);
    scope->version = random_text(rng, arena);
    scope->attributes = random_pairs(rng, arena, &scope->n_attributes);
    return rng_below(rng, 5) == 0 ? NULL : scope;
}

/* clang-format off */
#define RANDOM_REQUEST(name, Request, request_init, groups, n_groups, Group, group_init, scopes, n_scopes, Scopes,        \
                       scopes_init, items, n_items, Item, random_item)                                                   \
    static Request *name(struct rng *rng, struct arena *arena)                                                           \
    {                                                                                                                    \
        Request *request = arena_alloc(arena, sizeof *request);                                                          \
        request_init(request);                                                                                           \
        request->n_groups = rng_below(rng, 4);                                                                           \
        request->groups = arena_alloc(arena, 4 * sizeof(Group *));                                                       \
        for (size_t g = 0; g < request->n_groups; g++) {                                                                 \
            Group *group = request->groups[g] = arena_alloc(arena, sizeof *group);                                       \
            group_init(group);                                                                                           \
            group->resource = random_resource(rng, arena);                                                               \
            group->schema_url = random_text(rng, arena);                                                                 \
            group->n_scopes = rng_below(rng, 3);                                                                         \
            group->scopes = arena_alloc(arena, 4 * sizeof(Scopes *));                                                    \
            for (size_t s = 0; s < group->n_scopes; s++) {                                                               \
                Scopes *scope = group->scopes[s] = arena_alloc(arena, sizeof *scope);                                    \
                scopes_init(scope);                                                                                      \
                scope->scope = random_scope(rng, arena);                                                                 \
                scope->schema_url = random_text(rng, arena);                                                             \
                scope->n_items = rng_below(rng, 4);                                                                      \
                scope->items = arena_alloc(arena, 4 * sizeof(Item *));                                                   \
                for (size_t i = 0; i < scope->n_items; i++)                                                              \
                    scope->items[i] = random_item(rng, arena);                                                           \
            }                                                                                                            \
        }                                                                                                                \
        return request;                                                                                                  \
    }
RANDOM_REQUEST(random_traces, TracesRequest, traces_request__init, resource_spans, n_resource_spans, ResourceSpans,
               resource_spans__init, scope_spans, n_scope_spans, ScopeSpans, scope_spans__init, spans, n_spans, Span,
               random_span)
RANDOM_REQUEST(random_logs, LogsRequest, logs_request__init, resource_logs, n_resource_logs, ResourceLogs,
               resource_logs__init, scope_logs, n_scope_logs, ScopeLogs, scope_logs__init, logs, n_logs, Log, random_log)
/* clang-format on */

/* ---- what protobuf-c read, as the same text ---- */

static void base64_text(struct buffer *to, ProtobufCBinaryData data)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buffer_add_byte(to, '"');
    for (size_t i = 0; i < data.len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < data.len ? data.data[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            buffer_add_byte(to, k <= data.len - i ? (uint8_t)letters[bits >> (18 - 6 * k) & 63]
                                                  : (uint8_t)'=');
    }
    buffer_add_byte(to, '"');
}

static void any_json(struct buffer *to, const Any *any)
{
    switch (any == NULL ? ANY__VALUE__NOT_SET : any->value_case) {
    case ANY__VALUE_TEXT:
        buffer_add_json(to, slice_text(any->text));
        break;
    case ANY__VALUE_BOOLEAN:
        buffer_add_text(to, any->boolean ? "true" : "false");
        break;
    case ANY__VALUE_INTEGER:
        buffer_printf(to, "%" PRId64, any->integer);
        break;
    case ANY__VALUE_NUMBER:
        if (__builtin_isinf(any->number))
            buffer_add_text(to, "\"Infinity\"");
        else
            stringify_number(any->number, to);
        break;
    case ANY__VALUE_ARRAY:
        buffer_add_byte(to, '[');
        for (size_t i = 0; i < any->array->n_values; i++) {
            buffer_add_text(to, i == 0 ? "" : ",");
            any_json(to, any->array->values[i]);
        }
        buffer_add_byte(to, ']');
        break;
    case ANY__VALUE_PAIRS:
        buffer_add_byte(to, '{');
        for (size_t i = 0; i < any->pairs->n_values; i++) {
            buffer_add_text(to, i == 0 ? "" : ",");
            buffer_add_json(to, slice_text(any->pairs->values[i]->key));
            buffer_add_byte(to, ':');
            any_json(to, any->pairs->values[i]->value);
        }
        buffer_add_byte(to, '}');
        break;
    case ANY__VALUE_BLOB:
        base64_text(to, any->blob);
        break;
    default:
        buffer_add_text(to, "null");
        break;
    }
}

static void any_text(struct buffer *to, const Any *any)
{
    struct buffer json = {0};
    struct value v = {.type = VALUE_NONE};
    switch (any == NULL ? ANY__VALUE__NOT_SET : any->value_case) {
    case ANY__VALUE_TEXT:
        v = (struct value){.type = VALUE_STRING, .bytes = slice_text(any->text)};
        break;
    case ANY__VALUE_BOOLEAN:
        v = (struct value){.type = VALUE_BOOL, .boolean = any->boolean != 0};
        break;
    case ANY__VALUE_INTEGER:
        v = (struct value){.type = VALUE_INT, .integer = any->integer};
        break;
    case ANY__VALUE_NUMBER:
        v = (struct value){.type = VALUE_DOUBLE, .number = any->number};
        break;
    case ANY__VALUE_BLOB:
        v = (struct value){.type = VALUE_BYTES, .bytes = slice_of(any->blob.data, any->blob.len)};
        break;
    case ANY__VALUE_ARRAY:
    case ANY__VALUE_PAIRS:
        any_json(&json, any);
        v = (struct value){.type = VALUE_JSON, .bytes = buffer_slice(&json)};
        break;
    default:
        break;
    }
    dump_value(to, &v);
    buffer_deinit(&json);
}

static void pairs_text(struct buffer *to, Pair **pairs, size_t count, uint32_t dropped)
{
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(to, "\n    ");
        buffer_add_json(to, slice_text(pairs[i]->key));
        buffer_add_text(to, ": ");
        any_text(to, pairs[i]->value);
    }
    buffer_printf(to, "\n    dropped %u\n", dropped);
}

static void common_text(struct buffer *to, const Resource *r, const char *resource_url,
                        const Scope *s, const char *scope_url)
{
    buffer_add_text(to, "resource ");
    buffer_add_json(to, slice_text(resource_url));
    pairs_text(to, r != NULL ? r->attributes : NULL, r != NULL ? r->n_attributes : 0,
               r != NULL ? r->dropped : 0);
    buffer_add_text(to, "scope ");
    buffer_add_json(to, slice_text(s != NULL ? s->name : ""));
    buffer_add_json(to, slice_text(s != NULL ? s->version : ""));
    buffer_add_json(to, slice_text(scope_url));
    pairs_text(to, s != NULL ? s->attributes : NULL, s != NULL ? s->n_attributes : 0,
               s != NULL ? s->dropped : 0);
}

/* Big-endian, 0 when absent. */
static uint64_t id_text(ProtobufCBinaryData data)
{
    uint64_t id = 0;
    for (size_t i = 0; i < data.len; i++)
        id = id << 8 | data.data[i];
    return id;
}

static void span_text(struct buffer *to, const Span *s)
{
    buffer_add_text(to, "span ");
    dump_hex(to, s->trace_id.data, s->trace_id.len);
    buffer_printf(
        to, " %016" PRIx64 " %016" PRIx64 " kind %d %" PRIu64 "-%" PRIu64 " status %d flags %u ",
        id_text(s->span_id), id_text(s->parent_span_id), s->kind, s->start_time, s->end_time,
        s->status != NULL ? s->status->code : 0, s->flags);
    buffer_add_json(to, slice_text(s->name));
    buffer_add_json(to, slice_text(s->trace_state));
    buffer_add_json(to, slice_text(s->status != NULL ? s->status->message : ""));
    pairs_text(to, s->attributes, s->n_attributes, s->dropped);
    for (size_t i = 0; i < s->n_events; i++) {
        buffer_printf(to, "event %" PRIu64 " ", s->events[i]->time);
        buffer_add_json(to, slice_text(s->events[i]->name));
        pairs_text(to, s->events[i]->attributes, s->events[i]->n_attributes, s->events[i]->dropped);
    }
    for (size_t i = 0; i < s->n_links; i++) {
        buffer_add_text(to, "link ");
        dump_hex(to, s->links[i]->trace_id.data, s->links[i]->trace_id.len);
        buffer_printf(to, " %016" PRIx64 " ", id_text(s->links[i]->span_id));
        buffer_add_json(to, slice_text(s->links[i]->trace_state));
        pairs_text(to, s->links[i]->attributes, s->links[i]->n_attributes, s->links[i]->dropped);
    }
}

static void log_text(struct buffer *to, const Log *l)
{
    const char *event_name = l->event_name;
    buffer_add_text(to, "log ");
    if (l->trace_id.len == 16)
        dump_hex(to, l->trace_id.data, 16);
    else
        dump_hex(to, (const uint8_t[16]){0}, 16);
    buffer_printf(to, " %016" PRIx64 " %" PRIu64 " %" PRIu64 " severity %d ", id_text(l->span_id),
                  l->time, l->observed_time, l->severity);
    buffer_add_json(to, slice_text(l->severity_text));
    buffer_add_json(to, slice_text(event_name));
    any_text(to, l->body);
    pairs_text(to, l->attributes, l->n_attributes, l->dropped);
}

static void traces_text(struct buffer *to, const TracesRequest *t)
{
    for (size_t g = 0; g < t->n_resource_spans; g++) {
        const ResourceSpans *group = t->resource_spans[g];
        for (size_t s = 0; s < group->n_scope_spans; s++) {
            const ScopeSpans *scope = group->scope_spans[s];
            for (size_t i = 0; i < scope->n_spans; i++) {
                common_text(to, group->resource, group->schema_url, scope->scope,
                            scope->schema_url);
                span_text(to, scope->spans[i]);
            }
        }
    }
    buffer_add_byte(to, 0);
}

static void logs_text(struct buffer *to, const LogsRequest *t)
{
    for (size_t g = 0; g < t->n_resource_logs; g++) {
        const ResourceLogs *group = t->resource_logs[g];
        for (size_t s = 0; s < group->n_scope_logs; s++) {
            const ScopeLogs *scope = group->scope_logs[s];
            for (size_t i = 0; i < scope->n_logs; i++) {
                common_text(to, group->resource, group->schema_url, scope->scope,
                            scope->schema_url);
                log_text(to, scope->logs[i]);
            }
        }
    }
    buffer_add_byte(to, 0);
}

/* ---- tests ---- */

#define ROUNDS 400

static void check_traces(struct otlp_reader *r, struct slice body, uint64_t seed)
{
    struct dump d = {0};
    struct buffer expected = {0};
    struct otlp_result result = {0};
    TracesRequest *read = traces_request__unpack(NULL, body.size, body.data);
    cr_assert_not_null(read, "seed %" PRIu64, seed);
    traces_text(&expected, read);
    const char *text = dump_text(r, OTLP_TRACES, OTLP_PROTOBUF, body, &d, &result);
    cr_assert_str_eq(text, (const char *)expected.data, "seed %" PRIu64 ": read\n%s\nexpected\n%s",
                     seed, text, (const char *)expected.data);
    cr_assert_eq(result.rejected, 0);
    cr_assert_eq(result.accepted, d.spans);
    traces_request__free_unpacked(read, NULL);
    buffer_deinit(&expected);
    dump_deinit(&d);
}

Test(otlp_oracle, random_traces_read_as_protobuf_c_reads_them)
{
    struct otlp_reader *r = otlp_reader_create();
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct rng rng;
        struct arena arena = {0};
        rng_init(&rng, seed);
        TracesRequest *request = random_traces(&rng, &arena);
        size_t size = traces_request__get_packed_size(request);
        uint8_t *bytes = arena_alloc(&arena, size);
        cr_assert_eq(traces_request__pack(request, bytes), size);
        check_traces(r, slice_of(bytes, size), seed);
        arena_deinit(&arena);
    }
    otlp_reader_destroy(r);
}

Test(otlp_oracle, random_logs_read_as_protobuf_c_reads_them)
{
    struct otlp_reader *r = otlp_reader_create();
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct rng rng;
        struct arena arena = {0};
        struct dump d = {0};
        struct buffer expected = {0};
        struct otlp_result result = {0};
        rng_init(&rng, seed);
        LogsRequest *request = random_logs(&rng, &arena);
        size_t size = logs_request__get_packed_size(request);
        uint8_t *bytes = arena_alloc(&arena, size);
        logs_request__pack(request, bytes);
        logs_text(&expected, request);
        cr_assert_str_eq(dump_text(r, OTLP_LOGS, OTLP_PROTOBUF, slice_of(bytes, size), &d, &result),
                         (const char *)expected.data, "seed %" PRIu64, seed);
        cr_assert_eq(result.accepted, d.logs);
        buffer_deinit(&expected);
        dump_deinit(&d);
        arena_deinit(&arena);
    }
    otlp_reader_destroy(r);
}

/* Two requests one after the other are one: what is concatenated merges, here at the outermost level. */
Test(otlp_oracle, concatenated_requests_merge)
{
    struct otlp_reader *r = otlp_reader_create();
    for (uint64_t seed = 1000; seed < 1050; seed++) {
        struct rng rng;
        struct arena arena = {0};
        struct buffer both = {0};
        rng_init(&rng, seed);
        for (int i = 0; i < 2; i++) {
            TracesRequest *request = random_traces(&rng, &arena);
            size_t size = traces_request__get_packed_size(request);
            both.size += traces_request__pack(request, buffer_reserve(&both, size));
        }
        check_traces(r, buffer_slice(&both), seed);
        buffer_deinit(&both);
        arena_deinit(&arena);
    }
    otlp_reader_destroy(r);
}

/* Never empty: where a later piece says "" protobuf-c keeps the earlier text, while protobuf lets the last one count. */
static char *random_word(struct rng *rng, struct arena *arena)
{
    return arena_printf(arena, "w%s", random_text(rng, arena));
}

/* protobuf-c agrees on which of these merge and what comes out of it. (Not on integers: 1.4 forgets the one of the first
 * piece when the second has none, so test_otlp_proto.c has the status in two pieces.) */
Test(otlp_oracle, messages_met_twice_merge)
{
    struct otlp_reader *r = otlp_reader_create();
    for (uint64_t seed = 2000; seed < 2200; seed++) {
        struct rng rng;
        struct arena arena = {0};
        rng_init(&rng, seed);
        struct buffer span = {0};
        struct buffer part = {0};
        struct buffer scope_spans = {0};
        struct buffer group = {0};
        struct buffer body = {0};
        pb_ids(&span, 7);
        for (int i = 0; i < 2; i++) /* the last name counts */
            pb_text(&span, 5, random_word(&rng, &arena));
        pb_wrap(&scope_spans, 2, &span);
        for (int i = 0; i < 2; i++) { /* the scope behind its spans, in pieces */
            pb_text(&part, 1 + (uint32_t)rng_below(&rng, 2), random_word(&rng, &arena));
            pb_attribute(&part, 3, "k", random_word(&rng, &arena));
            pb_wrap(&scope_spans, 1, &part);
        }
        pb_wrap(&group, 2, &scope_spans);
        for (int i = 0; i < 2; i++) {
            pb_attribute(&part, 1, random_word(&rng, &arena), "v");
            pb_wrap(&group, 1, &part);
        }
        pb_wrap(&body, 1, &group);
        check_traces(r, buffer_slice(&body), seed);
        buffer_deinit(&span);
        buffer_deinit(&part);
        buffer_deinit(&scope_spans);
        buffer_deinit(&group);
        buffer_deinit(&body);
        arena_deinit(&arena);
    }
    otlp_reader_destroy(r);
}

Test(otlp_oracle, truncations_and_flips_never_hurt)
{
    struct otlp_reader *r = otlp_reader_create();
    struct rng rng;
    struct arena arena = {0};
    struct otlp_result result = {0};
    rng_init(&rng, 11);
    TracesRequest *request = NULL;
    size_t size = 0;
    while (size < 500 || size > 1500) {
        request = random_traces(&rng, &arena);
        size = traces_request__get_packed_size(request);
    }
    uint8_t *bytes = arena_alloc(&arena, size);
    traces_request__pack(request, bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct dump d = {0};
        struct error error = {0};
        enum status s =
            read_exactly(r, OTLP_TRACES, OTLP_PROTOBUF, slice_of(bytes, cut), &d, &result, &error);
        cr_assert(s == STATUS_OK || s == STATUS_INVALID);
        cr_assert(s == STATUS_OK || (error.position >= 0 && (size_t)error.position <= cut));
        dump_deinit(&d);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        struct dump d = {0};
        struct error error = {0};
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum status s =
            read_exactly(r, OTLP_TRACES, OTLP_PROTOBUF, slice_of(bytes, size), &d, &result, &error);
        cr_assert(s == STATUS_OK || s == STATUS_INVALID);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        dump_deinit(&d);
    }
    arena_deinit(&arena);
    otlp_reader_destroy(r);
}

Test(otlp_oracle, answers_read_as_protobuf_c_reads_them)
{
    struct buffer to = {0};
    otlp_write_success(OTLP_PROTOBUF, OTLP_TRACES, 0, SLICE_EMPTY, &to);
    cr_assert_eq(to.size, 0);
    otlp_write_success(OTLP_PROTOBUF, OTLP_LOGS, 300, slice_text("why \xff not"), &to);
    Response *response = response__unpack(NULL, to.size, to.data);
    cr_assert_not_null(response);
    cr_assert_eq(response->partial->rejected, 300);
    cr_assert_str_eq(response->partial->message, "why \xef\xbf\xbd not");
    response__free_unpacked(response, NULL);
    buffer_reset(&to);
    otlp_write_error(OTLP_PROTOBUF, 3, slice_text("bad"), &to);
    RpcStatus *status = rpc_status__unpack(NULL, to.size, to.data);
    cr_assert_not_null(status);
    cr_assert_eq(status->code, 3);
    cr_assert_str_eq(status->message, "bad");
    rpc_status__free_unpacked(status, NULL);
    buffer_deinit(&to);
}
