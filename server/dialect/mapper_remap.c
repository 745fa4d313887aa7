/*
 * mapper_remap.c - what an older table left in `attributes` is mapped by today's.
 *
 * Form:   the object mapper_attributes.c writes: attributes at top level, "resource" and "events" taken apart again; the
 *         other members of ours ("span", "scope", "links", "usage", "driftline.*") pass through as they are.
 * Usage:  tokens and cost that the engine took off a wrapper span ("usage" says so) do not come back.
 */
#include "server/dialect/mapper_internal.h"

struct reading {
    struct mapper *m;
    struct otlp_span span;
    struct otlp_resource resource;
    bool has_usage;
};

/* The members of an object, its opening brace just read. False: broken. */
static bool members_read(struct reading *r, struct json *j, struct attributes *ret)
{
    size_t capacity = 0;
    struct attribute *items = NULL;
    uint32_t count = 0;
    enum json_token token;
    while ((token = json_next(j)) == JSON_KEY && count < OTLP_ATTRIBUTES_MAX) {
        items = mem_grow(items, &capacity, (size_t)count + 1, sizeof *items);
        items[count].key = json_string(j, &r->m->arena);
        items[count].value = mapper_value_of_token(j, json_next(j), &r->m->arena);
        count++;
    }
    struct attribute *kept = ARENA_ARRAY(&r->m->arena, struct attribute, count + 1);
    bytes_copy(kept, items, count * sizeof *kept);
    mem_free(items);
    *ret = (struct attributes){.items = kept, .count = count};
    return token == JSON_OBJECT_END && j->reason == NULL;
}

static bool event_read(struct reading *r, struct json *j, struct otlp_event *ret)
{
    *ret = (struct otlp_event){.name = SLICE_EMPTY};
    enum json_token token;
    while ((token = json_next(j)) == JSON_KEY) {
        struct slice key = json_string(j, &r->m->arena);
        token = json_next(j);
        if (slice_is(key, "attributes") && token == JSON_OBJECT_BEGIN) {
            if (!members_read(r, j, &ret->attributes))
                return false;
            continue;
        }
        struct value v = mapper_value_of_token(j, token, &r->m->arena);
        if (slice_is(key, "name") && v.type == VALUE_STRING)
            ret->name = v.bytes;
        else if (slice_is(key, "time") && v.type == VALUE_STRING)
            (void)time_from_text(v.bytes, &ret->time_ns);
    }
    return token == JSON_OBJECT_END;
}

static bool events_read(struct reading *r, struct json *j)
{
    struct otlp_event *events = ARENA_ARRAY(&r->m->arena, struct otlp_event, OTLP_EVENTS_MAX);
    uint32_t count = 0;
    enum json_token token;
    while ((token = json_next(j)) == JSON_OBJECT_BEGIN && count < OTLP_EVENTS_MAX) {
        if (!event_read(r, j, &events[count++]))
            return false;
    }
    r->span.events = events;
    r->span.event_count = count;
    return token == JSON_ARRAY_END;
}

/* Takes the text apart into a span. */
static bool attributes_read(struct reading *r, struct slice text)
{
    struct json j = json_over(text);
    size_t capacity = 0;
    struct attribute *items = NULL;
    uint32_t count = 0;
    bool is_fine = json_next(&j) == JSON_OBJECT_BEGIN;
    enum json_token token = JSON_ERROR;
    while (is_fine && (token = json_next(&j)) == JSON_KEY && count < OTLP_ATTRIBUTES_MAX) {
        struct slice key = json_string(&j, &r->m->arena);
        token = json_next(&j);
        if (slice_is(key, "resource") && token == JSON_OBJECT_BEGIN) {
            is_fine = members_read(r, &j, &r->resource.attributes);
        } else if (slice_is(key, "events") && token == JSON_ARRAY_BEGIN) {
            is_fine = events_read(r, &j);
        } else {
            r->has_usage = r->has_usage || slice_is(key, "usage");
            items = mem_grow(items, &capacity, (size_t)count + 1, sizeof *items);
            items[count++] =
                (struct attribute){key, mapper_value_of_token(&j, token, &r->m->arena)};
            is_fine = j.reason == NULL;
        }
    }
    struct attribute *kept = ARENA_ARRAY(&r->m->arena, struct attribute, count + 1);
    bytes_copy(kept, items, count * sizeof *kept);
    mem_free(items);
    r->span.attributes = (struct attributes){.items = kept, .count = count};
    return is_fine && token == JSON_OBJECT_END && json_next(&j) == JSON_END;
}

static void set(uint64_t bits[2], uint16_t column)
{
    bits[column / 64] |= (uint64_t)1 << column % 64;
}

/* Columns that are not to be filled: those that have a value, and usage that was taken off. */
static void without(const struct reading *r, const uint64_t have[2], uint64_t ret[2])
{
    static const uint16_t usage[] = {SPANS_tokens_in,        SPANS_tokens_out,
                                     SPANS_tokens_cached,    SPANS_tokens_cache_write,
                                     SPANS_tokens_reasoning, SPANS_cost_usd};
    ret[0] = have[0];
    ret[1] = have[1];
    set(ret, SPANS_name);
    for (size_t i = 0; r->has_usage && i < sizeof usage / sizeof *usage; i++)
        set(ret, usage[i]);
}

static uint32_t content_without(const uint64_t bits[2])
{
    static const struct {
        uint8_t field;
        uint16_t column;
    } lines[] = {
        {CONTENT_INPUT, SPANS_input},         {CONTENT_SYSTEM, SPANS_input},
        {CONTENT_OUTPUT, SPANS_output},       {CONTENT_TOOLS, SPANS_tools},
        {CONTENT_TOOL_ARGS, SPANS_tool_args}, {CONTENT_TOOL_RESULT, SPANS_tool_result},
        {CONTENT_RETRIEVED, SPANS_retrieved},
    };
    uint32_t fields = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        uint16_t column = lines[i].column;
        if ((bits[column / 64] >> column % 64 & 1) != 0)
            fields |= 1u << lines[i].field;
    }
    return fields;
}

/* How many fields the messages' reader filled. */
static uint32_t content_fill(struct mapper *m, const uint64_t bits[2], struct mapped *to)
{
    struct content_request request = {
        .span = m->span, .kind = m->kind, .claims = m->claims, .without = content_without(bits)};
    content_span(m->content, &request, &to->spans, &to->messages, &m->content_result);
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->span->attributes.count + m->span->event_count; i++)
        count += content_field_of(m, i) != CONTENT_NONE;
    return count;
}

bool mapper_remap(struct mapper *m, struct slice attributes, const uint64_t have[2],
                  struct mapped *to, struct arena *arena, struct slice *ret_attributes)
{
    struct reading r = {
        .m = m,
        .span = {.trace_state = SLICE_EMPTY, .name = SLICE_EMPTY, .status_message = SLICE_EMPTY}};
    uint64_t bits[2];
    mapped_reset(to);
    *ret_attributes = attributes;
    mapper_begin(m, &r.span, NULL, have);
    r.resource.schema_url = SLICE_EMPTY;
    r.span.resource = &r.resource;
    if (!attributes_read(&r, attributes))
        return false;
    without(&r, have, bits);
    m->have = bits;
    builder_row(&to->spans);
    mapper_collect(m);
    slots_without(m, bits);
    settle_kind(m);
    uint32_t count = content_fill(m, bits, to);
    mapper_settle(m);
    slots_without(m, bits);
    if (slot_has(m, TARGET_kind)) {
        builder_str(&to->spans, SPANS_kind, m->kind);
        count++;
    }
    count += cells_write(m, &to->spans);
    count += scores_write_again(m, to);
    if (count == 0)
        return false;
    attributes_count(m);
    attributes_write(m);
    *ret_attributes = arena_copy(arena, buffer_slice(&m->json));
    return true;
}
