/*
 * mapper_collect.c - one pass over everything a span brings: each value is offered to the slots it is a source of.
 *
 * Place:    struct otlp_span -> [here] -> slots, score parts and traces -> mapper_settle.c
 * Cost:     a hash look-up an attribute; JSON values are read only where a line of genai.def asks for a member.
 */
#include "server/dialect/mapper_internal.h"

static void offer(struct mapper *m, uint16_t first, const struct origin *origin,
                  const struct value *v)
{
    for (uint16_t at = first; at != 0; at = m->dialect.next[at - 1]) {
        uint16_t rank = (uint16_t)(at - 1);
        const struct source *source = &dialect_sources[rank];
        if (source->target == TARGET_score) {
            scores_take(m, source->how, origin, v);
            continue;
        }
        struct slot *slot = &m->slots[source->target];
        struct found found;
        /* Equal ranks: the same name again, and the later one counts. */
        if (rank > slot->rank || !mapper_value_convert(m, source->how, source, origin, v, &found))
            continue;
        *slot = (struct slot){.found = found, .origin = origin->index, .rank = rank};
    }
}

/* ---- members of JSON values ---- */

struct walk {
    struct mapper *m;
    struct json json;
    const struct origin *origin;
    uint32_t leaves;
};

static bool member_walk(struct walk *w, enum json_token token, size_t name_bytes, uint32_t depth);

/* The value whose first token was just read; its name is m->name. */
static bool member_offer(struct walk *w, enum json_token token, uint32_t depth)
{
    struct mapper *m = w->m;
    const struct place *place = dialect_find(&m->dialect, buffer_slice(&m->name));
    bool is_nested = token == JSON_OBJECT_BEGIN || token == JSON_ARRAY_BEGIN;
    if (place != NULL && place->has_members && is_nested && depth < MEMBER_DEPTH_MAX)
        return member_walk(w, token, m->name.size, depth + 1);
    w->leaves++;
    if (place == NULL || place->first == 0)
        return !is_nested || json_skip(&w->json, token).size != 0;
    struct value v = mapper_value_of_token(&w->json, token, &m->arena);
    offer(m, place->first, w->origin, &v);
    return w->json.reason == NULL;
}

/* An object or array that was just begun; the first name_bytes of m->name are its name. */
static bool member_walk(struct walk *w, enum json_token token, size_t name_bytes, uint32_t depth)
{
    struct mapper *m = w->m;
    bool is_object = token == JSON_OBJECT_BEGIN;
    enum json_token end = is_object ? JSON_OBJECT_END : JSON_ARRAY_END;
    uint32_t leaves_before = w->leaves;
    uint32_t index = 0;
    while ((token = json_next(&w->json)) != end) {
        m->name.size = name_bytes;
        if (token == JSON_ERROR)
            return false;
        if (is_object) {
            buffer_add_text(&m->name, "->");
            buffer_add_slice(&m->name, json_string(&w->json, &m->arena));
            token = json_next(&w->json);
        } else {
            buffer_printf(&m->name, "->%u", index++);
        }
        if (token == JSON_ERROR || !member_offer(w, token, depth))
            return false;
    }
    /* That there is nothing in it is something, too. */
    w->leaves += w->leaves == leaves_before;
    return true;
}

/* Looks into a JSON value. Returns how many values are in it; what is broken off counts as more than can be used. */
static uint16_t members_offer(struct mapper *m, struct slice key, const struct origin *origin,
                              const struct value *v)
{
    struct slice text = mapper_value_json(v);
    if (text.size == 0)
        return 1;
    struct walk w = {.m = m, .json = json_over(text), .origin = origin};
    m->name.size = 0;
    buffer_add_slice(&m->name, key);
    enum json_token token = json_next(&w.json);
    bool is_whole = token > 0 && member_walk(&w, token, m->name.size, 0);
    return is_whole && w.leaves < UINT16_MAX ? (uint16_t)w.leaves : UINT16_MAX;
}

/* ---- composed names ---- */

static const struct place *composed(struct mapper *m, const char *prefix, struct slice name)
{
    if (name.size > PLACE_BYTES_MAX)
        return NULL;
    m->name.size = 0;
    buffer_add_text(&m->name, prefix);
    buffer_add_slice(&m->name, name);
    return dialect_find(&m->dialect, buffer_slice(&m->name));
}

const struct place *resource_place(struct mapper *m, struct slice key)
{
    return composed(m, "resource ", key);
}

const struct place *event_place(struct mapper *m, struct slice event, const struct slice *key)
{
    const struct place *place = composed(m, "event ", event);
    if (place == NULL || key == NULL)
        return place;
    if (!place->has_members || key->size > PLACE_BYTES_MAX)
        return NULL;
    buffer_add_text(&m->name, "->");
    buffer_add_slice(&m->name, *key);
    return dialect_find(&m->dialect, buffer_slice(&m->name));
}

/* ---- the resource ---- */

static void slots_reset(struct mapper *m)
{
    memset(m->slots, 0, sizeof m->slots);
    for (uint32_t i = 0; i < TARGET_COUNT; i++)
        m->slots[i].rank = RANK_NONE;
}

static void resource_collect(struct mapper *m, const struct otlp_resource *resource)
{
    slots_reset(m);
    struct origin origin = {.index = NOT_AN_ATTRIBUTE};
    for (uint32_t i = 0; i < resource->attributes.count; i++) {
        const struct attribute *a = &resource->attributes.items[i];
        const struct place *place = resource_place(m, a->key);
        if (place != NULL)
            offer(m, place->first, &origin, &a->value);
    }
}

/* Fills the cache unless it holds this resource. */
static void resource_prepare(struct mapper *m)
{
    struct resource_cache *cache = &m->resource;
    const struct otlp_resource *resource = m->span->resource;
    if (resource != NULL && resource->serial != 0 && cache->serial == resource->serial &&
        cache->resource == resource && cache->items == resource->attributes.items)
        return;
    static const struct otlp_resource nothing;
    const struct otlp_resource *r = resource != NULL ? resource : &nothing;
    resource_collect(m, r);
    arena_reset(&cache->arena);
    for (uint32_t i = 0; i < TARGET_COUNT; i++) {
        if (m->slots[i].rank != RANK_NONE && target_holds[i] == HOLDS_TEXT)
            m->slots[i].found.text = arena_copy(&cache->arena, m->slots[i].found.text);
    }
    memcpy(cache->slots, m->slots, sizeof cache->slots);
    buffer_reset(&cache->json);
    buffer_reset(&cache->whole);
    resource_write(m, r, false, &cache->json);
    resource_write(m, r, true, &cache->whole);
    cache->resource = resource;
    cache->items = r->attributes.items;
    cache->serial = r->serial;
}

/* ---- the span ---- */

static void field_offer(struct mapper *m, uint16_t first, struct slice text)
{
    struct value v = {.type = VALUE_STRING, .bytes = text};
    struct origin origin = {.index = NOT_AN_ATTRIBUTE};
    if (text.size != 0)
        offer(m, first, &origin, &v);
}

/* Which earlier attribute has this name, for names that are not remembered; UINT32_MAX: none. */
static uint32_t stray_note(struct mapper *m, struct slice key, uint32_t index)
{
    uint32_t known = m->strays.count;
    uint32_t code = intern_add(&m->strays, key);
    m->stray_index =
        mem_grow(m->stray_index, &m->strays_capacity, (size_t)code + 1, sizeof *m->stray_index);
    uint32_t before = code < known ? m->stray_index[code] : UINT32_MAX;
    m->stray_index[code] = index;
    return before;
}

/* before_code: of the attribute in front; returns this one's. */
static uint32_t attribute_collect(struct mapper *m, uint32_t index, uint32_t before_code)
{
    const struct attribute *a = &m->span->attributes.items[index];
    struct trace *trace = &m->traces[index];
    struct place local;
    uint32_t code = dialect_attribute(&m->dialect, a->key, before_code, &local);
    struct place *place = code != 0 ? &m->dialect.places[code] : &local;
    uint32_t before = UINT32_MAX;
    if (code == 0)
        before = stray_note(m, a->key, index);
    else if (place->epoch == m->epoch)
        before = place->index;
    if (before != UINT32_MAX)
        m->traces[before].hidden = true;
    place->epoch = m->epoch;
    place->index = index;
    m->claims[index] = place->claim;
    *trace = (struct trace){.code = code,
                            .first = place->first,
                            .leaves = 1,
                            .has_members = place->has_members,
                            .is_reserved = place->is_reserved};
    if (place->first == 0 && !place->has_members)
        return code;
    struct origin origin = {.key = a->key, .index = (int32_t)index};
    offer(m, place->first, &origin, &a->value);
    if (trace->has_members)
        trace->leaves = members_offer(m, a->key, &origin, &a->value);
    return code;
}

static void event_collect(struct mapper *m, uint32_t index)
{
    const struct otlp_event *e = &m->span->events[index];
    uint32_t at = m->span->attributes.count + index;
    struct trace *trace = &m->traces[at];
    uint32_t leaves = e->attributes.count == 0 ? 1 : e->attributes.count;
    *trace = (struct trace){.leaves = leaves < UINT16_MAX ? (uint16_t)leaves : UINT16_MAX};
    const struct place *place = event_place(m, e->name, NULL);
    if (place == NULL)
        return;
    struct origin origin = {
        .key = e->name, .index = (int32_t)at, .time_ns = e->time_ns, .is_event = true};
    struct value is_there = {.type = VALUE_BOOL, .boolean = true};
    offer(m, place->first, &origin, &is_there);
    for (uint32_t i = 0; place->has_members && i < e->attributes.count; i++) {
        const struct attribute *a = &e->attributes.items[i];
        const struct place *member = event_place(m, e->name, &a->key);
        if (member != NULL)
            offer(m, member->first, &origin, &a->value);
    }
}

void mapper_collect(struct mapper *m)
{
    const struct otlp_span *span = m->span;
    uint32_t count = span->attributes.count;
    resource_prepare(m);
    memcpy(m->slots, m->resource.slots, sizeof m->slots);
    m->epoch++;
    m->score_count = 0;
    m->traces = mem_grow(m->traces, &m->traces_capacity, (size_t)count + span->event_count + 1,
                         sizeof *m->traces);
    m->claims = mem_grow(m->claims, &m->claims_capacity, (size_t)count + 1, sizeof *m->claims);
    if (m->strays.count > 1)
        intern_reset(&m->strays);
    field_offer(m, m->span_name, span->name);
    field_offer(m, m->status_message, span->status_message);
    uint32_t code = 0;
    for (uint32_t i = 0; i < count; i++)
        code = attribute_collect(m, i, code);
    for (uint32_t i = 0; i < span->event_count; i++)
        event_collect(m, i);
}
