/*
 * mapper_attributes.c - what became no cell, as one JSON object.
 *
 * Form:      DIALECTS.md: attributes at top level under their own names, then "span", "scope", "resource", "events",
 *            "links" and "driftline.*" notes, each only when there is something to say.
 * Invariant: always valid JSON in UTF-8, no name twice, at most TEXT_BYTES_MAX; what did not fit is named in
 *            "driftline.truncated".
 */
#include "server/dialect/mapper_internal.h"

#define ATTRIBUTES_BYTES (TEXT_BYTES_MAX - 4096u) /* the rest is for notes and closing brackets */

/* ---- members ---- */

/* A comma unless something was just opened. */
static void separate(struct buffer *to)
{
    uint8_t last = to->data[to->size - 1];
    if (last != '{' && last != '[')
        buffer_add_byte(to, ',');
}

/* One of our own names, with what stands around it. */
static void name_add(struct buffer *to, const char *name)
{
    separate(to);
    size_t size = strlen(name);
    uint8_t *at = buffer_reserve(to, size + 3);
    at[0] = '"';
    memcpy(at + 1, name, size);
    at[size + 1] = '"';
    at[size + 2] = ':';
    to->size += size + 3;
}

static void member_text(struct buffer *to, const char *name, struct slice text)
{
    if (text.size == 0)
        return;
    name_add(to, name);
    buffer_add_json(to, text);
}

static void member_int(struct buffer *to, const char *name, int64_t value)
{
    if (value == 0)
        return;
    name_add(to, name);
    json_add_int(to, value);
}

#define REPEATS_BY_EYE 16u /* up to so many attributes comparing each with each is quickest */

/* Marks those whose name comes again: of several the last one counts. NULL: none does. */
static bool *repeats_find(const struct attributes *attributes, struct arena *arena)
{
    uint32_t count = attributes->count;
    bool *repeats = NULL;
    if (count <= REPEATS_BY_EYE) {
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t k = i + 1; k < count; k++) {
                if (!slice_equal(attributes->items[i].key, attributes->items[k].key))
                    continue;
                repeats = repeats != NULL ? repeats : arena_zero(arena, count, sizeof *repeats);
                repeats[i] = true;
            }
        }
        return repeats;
    }
    struct intern names;
    intern_init(&names);
    repeats = arena_zero(arena, count, sizeof *repeats);
    for (uint32_t i = count; i-- > 0;) {
        uint32_t known = names.count;
        repeats[i] = intern_add(&names, attributes->items[i].key) < known;
    }
    intern_deinit(&names);
    return repeats;
}

/* All attributes of an event, link, scope or resource as members; of a name that comes again the last. */
static void members_add(struct mapper *m, struct buffer *to, const struct attributes *attributes)
{
    const bool *repeats = repeats_find(attributes, &m->arena);
    for (uint32_t i = 0; i < attributes->count; i++) {
        const struct attribute *a = &attributes->items[i];
        if (repeats != NULL && repeats[i])
            continue;
        separate(to);
        buffer_add_json(to, a->key);
        buffer_add_byte(to, ':');
        json_add_value(to, &a->value);
    }
    member_int(to, "otel.dropped_attributes", attributes->dropped);
}

static void close_member(struct buffer *to, size_t mark, size_t empty)
{
    if (to->size == empty)
        to->size = mark;
    else
        buffer_add_byte(to, '}');
}

/* `"name":{`; *ret_mark: where it began, for close_member. */
static size_t open_member(struct buffer *to, const char *name, size_t *ret_mark)
{
    *ret_mark = to->size;
    name_add(to, name);
    buffer_add_byte(to, '{');
    return to->size;
}

void resource_write(struct mapper *m, const struct otlp_resource *resource, bool is_whole,
                    struct buffer *to)
{
    struct buffer body = {0};
    buffer_add_byte(&body, '{');
    struct origin origin = {.index = NOT_AN_ATTRIBUTE};
    const bool *repeats = repeats_find(&resource->attributes, &m->arena);
    for (uint32_t i = 0; i < resource->attributes.count; i++) {
        const struct attribute *a = &resource->attributes.items[i];
        const struct place *place = is_whole ? NULL : resource_place(m, a->key);
        bool is_told = place != NULL && place->first != 0 &&
                       equal_target(m, place->first, &origin, &a->value) != TARGET_COUNT;
        if (is_told || (repeats != NULL && repeats[i]))
            continue;
        separate(&body);
        buffer_add_json(&body, a->key);
        buffer_add_byte(&body, ':');
        json_add_value(&body, &a->value);
    }
    member_int(&body, "otel.dropped_attributes", resource->attributes.dropped);
    member_text(&body, "otel.schema_url", resource->schema_url);
    if (body.size > 1) {
        buffer_add_text(to, "\"resource\":");
        buffer_add_slice(to, buffer_slice(&body));
        buffer_add_byte(to, '}');
    }
    buffer_deinit(&body);
}

/* A span says otherwise than its resource: then the resource is kept as it came. */
static bool resource_is_overruled(const struct mapper *m)
{
    for (uint32_t i = 0; i < TARGET_COUNT; i++) {
        const struct slot *slot = &m->slots[i];
        const struct slot *before = &m->resource.slots[i];
        if (before->rank == RANK_NONE || slot->rank == before->rank || target_column[i] == NULL)
            continue;
        if (slot->rank == RANK_NONE || !found_equal(target_holds[i], &slot->found, &before->found))
            return true;
    }
    return false;
}

static void resource_add(const struct mapper *m, struct buffer *to)
{
    const struct buffer *json = resource_is_overruled(m) ? &m->resource.whole : &m->resource.json;
    if (json->size == 0)
        return;
    separate(to);
    buffer_add_slice(to, buffer_slice(json));
}

static void scope_add(struct mapper *m, struct buffer *to, const struct otlp_scope *scope)
{
    if (scope == NULL)
        return;
    size_t mark;
    size_t empty = open_member(to, "scope", &mark);
    member_text(to, "name", scope->name);
    member_text(to, "version", scope->version);
    size_t inner;
    size_t none = open_member(to, "attributes", &inner);
    members_add(m, to, &scope->attributes);
    close_member(to, inner, none);
    member_text(to, "schema_url", scope->schema_url);
    close_member(to, mark, empty);
}

static void keep(struct buffer *to, struct slice text)
{
    buffer_reset(to);
    buffer_add_slice(to, text);
}

/* Scopes with attributes are rare, and written each time. */
static void scope_add_cached(struct mapper *m, struct buffer *to, const struct otlp_scope *scope)
{
    struct scope_cache *cache = &m->scope;
    if (scope == NULL || scope->attributes.count != 0) {
        scope_add(m, to, scope);
        return;
    }
    bool is_same = cache->is_set && slice_equal(buffer_slice(&cache->name), scope->name) &&
                   slice_equal(buffer_slice(&cache->version), scope->version) &&
                   slice_equal(buffer_slice(&cache->schema_url), scope->schema_url);
    if (!is_same) {
        keep(&cache->name, scope->name);
        keep(&cache->version, scope->version);
        keep(&cache->schema_url, scope->schema_url);
        keep(&cache->json, slice_text("{"));
        scope_add(m, &cache->json, scope);
        cache->is_set = true;
    }
    if (cache->json.size > 1) {
        separate(to);
        buffer_add(to, cache->json.data + 1, cache->json.size - 1);
    }
}

static void span_add(struct buffer *to, const struct otlp_span *span)
{
    static const char *const kinds[] = {"unspecified", "internal", "server",
                                        "client",      "producer", "consumer"};
    size_t mark;
    size_t empty = open_member(to, "span", &mark);
    if (span->kind >= 2 && span->kind <= 5)
        member_text(to, "kind", slice_text(kinds[span->kind]));
    else if (span->kind < 0 || span->kind > 5)
        member_int(to, "kind", span->kind);
    member_text(to, "trace_state", span->trace_state);
    member_int(to, "dropped_attributes", span->attributes.dropped);
    close_member(to, mark, empty);
}

static void event_add(struct mapper *m, struct buffer *to, const struct otlp_event *e)
{
    separate(to);
    buffer_add_text(to, "{\"name\":");
    buffer_add_json(to, e->name);
    if (e->time_ns != 0) {
        char time[TIME_TEXT_BYTES];
        time_to_text(e->time_ns, time);
        member_text(to, "time", slice_text(time));
    }
    size_t mark;
    size_t empty = open_member(to, "attributes", &mark);
    members_add(m, to, &e->attributes);
    close_member(to, mark, empty);
    buffer_add_byte(to, '}');
}

static void link_add(struct mapper *m, struct buffer *to, const struct otlp_link *link)
{
    char trace_id[ID128_HEX_BYTES];
    char span_id[ID64_HEX_BYTES];
    id128_to_hex(link->trace_id, trace_id);
    id64_to_hex(link->span_id, span_id);
    separate(to);
    buffer_printf(to, "{\"trace_id\":\"%.*s\",\"span_id\":\"%.*s\"", ID128_HEX_BYTES, trace_id,
                  ID64_HEX_BYTES, span_id);
    member_text(to, "trace_state", link->trace_state);
    size_t mark;
    size_t empty = open_member(to, "attributes", &mark);
    members_add(m, to, &link->attributes);
    close_member(to, mark, empty);
    buffer_add_byte(to, '}');
}

/* ---- the whole ---- */

void note_truncated(struct mapper *m, const char *column)
{
    for (uint32_t i = 0; i < m->truncated_count; i++) {
        if (m->truncated[i] == column)
            return;
    }
    if (m->truncated_count < sizeof m->truncated / sizeof *m->truncated)
        m->truncated[m->truncated_count++] = column;
}

/* Takes back what was just written when it is too much. */
static bool fits(struct mapper *m, size_t mark)
{
    if (m->json.size <= ATTRIBUTES_BYTES)
        return true;
    m->json.size = mark;
    note_truncated(m, "attributes");
    return false;
}

/* What content leaves of an attribute that became a column in part; NULL: nothing. */
static const struct content_rest *rest_of(const struct mapper *m, uint32_t index)
{
    const struct content_result *content = &m->content_result;
    for (uint32_t i = 0; i < content->rest_count; i++) {
        if (content->rests[i].attribute == index)
            return &content->rests[i];
    }
    return NULL;
}

bool attribute_has_rest(const struct mapper *m, uint32_t index)
{
    return rest_of(m, index) != NULL;
}

/* An attribute whose name means a member of ours gets "attributes." before it. */
static void attribute_add(struct mapper *m, uint32_t index)
{
    struct buffer *to = &m->json;
    const struct attribute *a = &m->span->attributes.items[index];
    const struct content_rest *rest = rest_of(m, index);
    struct value value = a->value;
    if (rest != NULL)
        value = (struct value){.type = VALUE_JSON, .bytes = rest->json};
    const struct trace *trace = &m->traces[index];
    size_t mark = to->size;
    separate(to);
    if (trace->is_reserved && m->have == NULL) {
        struct buffer name = {0};
        buffer_add_text(&name, "attributes.");
        buffer_add_slice(&name, a->key);
        buffer_add_json(to, buffer_slice(&name));
        buffer_add_byte(to, ':');
        buffer_deinit(&name);
    } else if (trace->code != 0) {
        buffer_add_slice(to, m->dialect.places[trace->code].member);
    } else {
        buffer_add_json(to, a->key);
        buffer_add_byte(to, ':');
    }
    size_t value_at = to->size;
    json_add_value(to, &value);
    if (fits(m, mark) || value.type != VALUE_STRING || value_at + 1024 > ATTRIBUTES_BYTES)
        return;
    /* A text that is too long for what room is left: its start, escapes taken at their longest. */
    struct value start = value;
    start.bytes = text_cut(start.bytes, (ATTRIBUTES_BYTES - value_at) / 6);
    to->size = value_at;
    json_add_value(to, &start);
}

static void list_add(struct mapper *m, const char *name, uint32_t count,
                     bool (*add)(struct mapper *m, uint32_t index))
{
    size_t mark = m->json.size;
    bool any = false;
    name_add(&m->json, name);
    buffer_add_byte(&m->json, '[');
    for (uint32_t i = 0; i < count; i++) {
        size_t before = m->json.size;
        any = (add(m, i) && fits(m, before)) || any;
    }
    if (any)
        buffer_add_byte(&m->json, ']');
    else
        m->json.size = mark;
}

static bool event_add_untold(struct mapper *m, uint32_t index)
{
    if (attribute_is_told(m, m->span->attributes.count + index))
        return false;
    event_add(m, &m->json, &m->span->events[index]);
    return true;
}

static bool link_add_at(struct mapper *m, uint32_t index)
{
    link_add(m, &m->json, &m->span->links[index]);
    return true;
}

static void notes_add(struct mapper *m)
{
    struct buffer *to = &m->json;
    if (m->ends_before_start) {
        separate(to);
        buffer_add_text(to, "\"driftline.ends_before_start\":true");
    }
    if (m->truncated_count == 0)
        return;
    separate(to);
    buffer_add_text(to, "\"driftline.truncated\":[");
    for (uint32_t i = 0; i < m->truncated_count; i++) {
        separate(to);
        buffer_printf(to, "\"%s\"", m->truncated[i]);
    }
    buffer_add_byte(to, ']');
}

void attributes_write(struct mapper *m)
{
    const struct otlp_span *span = m->span;
    struct buffer *to = &m->json;
    buffer_reset(to);
    buffer_add_byte(to, '{');
    for (uint32_t i = 0; i < span->attributes.count; i++) {
        bool is_no_body =
            m->log != NULL && i == m->log->attributes.count && m->log->body.type == VALUE_NONE;
        bool stays = !attribute_is_told(m, i) || attribute_has_rest(m, i);
        if (!m->traces[i].hidden && stays && !is_no_body)
            attribute_add(m, i);
    }
    size_t mark = to->size;
    span_add(to, span);
    scope_add_cached(m, to, span->scope);
    resource_add(m, to);
    (void)fits(m, mark);
    if (span->event_count != 0)
        list_add(m, "events", span->event_count, event_add_untold);
    if (span->link_count != 0)
        list_add(m, "links", span->link_count, link_add_at);
    notes_add(m);
    if (to->size == 1)
        to->size = 0;
    else
        buffer_add_byte(to, '}');
}
