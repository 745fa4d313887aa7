/*
 * content.c - which source gives which field of a span, and the cells that come of it.
 *
 * Place:     mapper.c -> [here] -> content_payload.c, content_indexed.c, content_event.c, ... ->
 *            cells, message set
 * Data:      content.def; its order is the rank
 * Method:    the attributes are sorted into their sources, then the sources present are tried best
 *            first. The first that says something fills its field. A later one that says the same
 *            is used up too (clients send a conversation two or three times over); one that says
 *            something else stays in `attributes`.
 */
#include "server/dialect/content_internal.h"

#include "engine/base/check.h"

#define KEPT_BYTES_MAX (1u << 20)

size_t content_memory(const struct content *c)
{
    const struct message_list *lists[] = {&c->input, &c->output, &c->system, &c->tools, &c->spare};
    size_t bytes = sizeof *c + c->arena.bytes + c->documents.json.capacity + c->scratch.capacity +
                   c->refs.capacity + c->rests_capacity * sizeof *c->rests;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        bytes += lists[i]->bodies.capacity + lists[i]->capacity * sizeof *lists[i]->ends;
    return bytes;
}

struct content *content_create(void)
{
    struct content *c = MEM_NEW(struct content);
    intern_init(&c->keys);
    for (uint16_t number = 1; number <= SOURCE_COUNT; number++) {
        const struct source *s = source_at(number);
        if (s->key.is_prefix)
            c->prefixes[c->prefix_count++] = number;
        if (s->key.is_prefix || s->key_bytes == 0)
            continue;
        uint32_t code = intern_add(&c->keys, slice_text(s->key.key));
        ASSERT(code <= SOURCE_COUNT);
        c->numbers[code] = number;
    }
    return c;
}

void content_destroy(struct content *c)
{
    if (c == NULL)
        return;
    message_list_deinit(&c->input);
    message_list_deinit(&c->output);
    message_list_deinit(&c->system);
    message_list_deinit(&c->tools);
    message_list_deinit(&c->spare);
    buffer_deinit(&c->documents.json);
    buffer_deinit(&c->scratch);
    buffer_deinit(&c->refs);
    intern_deinit(&c->keys);
    mem_free(c->rests);
    arena_deinit(&c->arena);
    mem_free(c);
}

/* ---- sorting attributes into sources ---- */

static uint16_t claim_of(struct content *c, struct slice key)
{
    uint32_t code = intern_find(&c->keys, key);
    if (code != 0)
        return c->numbers[code];
    for (uint32_t i = 0; i < c->prefix_count; i++) {
        if (source_claims(source_at(c->prefixes[i]), key))
            return c->prefixes[i];
    }
    return 0;
}

static void source_present(struct content *c, uint16_t number)
{
    c->present[(number - 1u) / 32] |= 1u << (number - 1u) % 32;
}

/* From the last to the first, so that every chain is in the order of the span. */
static void attributes_sort(struct content *c, const uint16_t *claims)
{
    for (uint32_t i = c->attributes.count; i-- > 0;) {
        uint16_t number = claims != NULL ? claims[i] : claim_of(c, c->attributes.items[i].key);
        if (number == 0)
            continue;
        c->next[i] = c->first[number];
        c->first[number] = i + 1;
        source_present(c, number);
    }
}

static void events_present(struct content *c)
{
    for (uint16_t number = 1; c->event_count > 0 && number <= SOURCE_COUNT; number++) {
        if (source_at(number)->form == SOURCE_EVENTS)
            source_present(c, number);
    }
}

/* A span of many megabytes must not keep them from the next one. */
static void memory_return(struct content *c)
{
    if (c->arena.bytes > KEPT_BYTES_MAX)
        arena_deinit(&c->arena);
    else
        arena_reset(&c->arena);
    struct buffer *buffers[] = {&c->documents.json, &c->scratch, &c->refs};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (buffers[i]->capacity > KEPT_BYTES_MAX)
            buffer_deinit(buffers[i]);
    }
}

static void span_begin(struct content *c, struct attributes attributes)
{
    memory_return(c);
    message_list_reset(&c->input, &c->arena);
    message_list_reset(&c->output, &c->arena);
    message_list_reset(&c->system, &c->arena);
    message_list_reset(&c->tools, &c->arena);
    message_list_reset(&c->spare, &c->arena);
    documents_reset(&c->documents);
    c->attributes = attributes;
    c->attribute_fields = arena_zero(&c->arena, attributes.count, 1);
    c->event_fields = arena_zero(&c->arena, c->event_count, 1);
    c->next = ARENA_ARRAY(&c->arena, uint32_t, attributes.count);
    memset(c->first, 0, sizeof c->first);
    memset(c->present, 0, sizeof c->present);
    c->filled = 0;
    c->empty = 0;
    c->without = 0;
    c->tool_result_is_empty = false;
    c->result = (struct content_result){.finish_reason = SLICE_EMPTY};
    for (int field = 0; field < CONTENT_FIELD_COUNT; field++)
        c->result.winners[field] = -1;
}

/* ---- what a source is for a span of this kind ---- */

static enum content_field source_field_of(const struct content *c, const struct source *s)
{
    bool is_tool = slice_is(c->kind, "tool");
    switch (s->field) {
    case SOURCE_IN:
        return is_tool ? CONTENT_TOOL_ARGS : CONTENT_INPUT;
    case SOURCE_OUT:
        return is_tool ? CONTENT_TOOL_RESULT : CONTENT_OUTPUT;
    case SOURCE_INPUT:
        return CONTENT_INPUT;
    case SOURCE_OUTPUT:
        return CONTENT_OUTPUT;
    case SOURCE_SYSTEM:
        return CONTENT_SYSTEM;
    case SOURCE_TOOLS:
        return CONTENT_TOOLS;
    case SOURCE_TOOL_ARGS:
        return CONTENT_TOOL_ARGS;
    case SOURCE_TOOL_RESULT:
        return CONTENT_TOOL_RESULT;
    case SOURCE_RETRIEVED:
        return CONTENT_RETRIEVED;
    }
    return CONTENT_NONE;
}

void attribute_used(struct content *c, uint32_t attribute, enum content_field field,
                    struct slice rest)
{
    struct content_result *ret = &c->result;
    c->attribute_fields[attribute] = (uint8_t)field;
    if (rest.size == 0)
        return;
    c->rests =
        mem_grow(c->rests, &c->rests_capacity, (size_t)ret->rest_count + 1, sizeof *c->rests);
    uint32_t at = ret->rest_count++;
    for (; at > 0 && c->rests[at - 1].attribute > attribute; at--)
        c->rests[at] = c->rests[at - 1];
    c->rests[at] = (struct content_rest){.attribute = attribute, .json = rest};
}

void field_filled(struct content *c, enum content_field field, uint32_t attribute)
{
    c->filled |= FIELD_BIT(field);
    c->result.winners[field] = (int32_t)attribute;
}

/* ---- one source ---- */

static void events_try(struct content *c)
{
    uint32_t open = ~(c->filled | c->without);
    if (slice_is(c->kind, "tool"))
        c->filled |= tool_events_take(c, open);
    else
        c->filled |= events_take(c, open);
}

static void event_list_try(struct content *c, uint32_t attribute)
{
    uint32_t wanted = FIELD_BIT(CONTENT_INPUT) | FIELD_BIT(CONTENT_OUTPUT);
    uint32_t filled = event_list_take(c, c->attributes.items[attribute].value,
                                      wanted & ~(c->filled | c->without));
    if (filled == 0)
        return;
    enum content_field field = (enum content_field)__builtin_ctz(filled);
    attribute_used(c, attribute, field, SLICE_EMPTY);
    field_filled(c, field, attribute);
    c->filled |= filled;
}

static void source_try(struct content *c, uint16_t number)
{
    const struct source *s = source_at(number);
    enum content_field field = source_field_of(c, s);
    if (s->form == SOURCE_EVENTS) {
        events_try(c);
        return;
    }
    uint32_t attribute = c->first[number] - 1;
    if (s->form == SOURCE_EVENT_LIST) {
        event_list_try(c, attribute);
        return;
    }
    if (documents_instead(c, s, attribute))
        return;
    if (((c->filled | c->without) & FIELD_BIT(field)) != 0) {
        source_compare(c, number, field);
        return;
    }
    if (source_take(c, number, field)) {
        field_filled(c, field, attribute);
    } else if (value_is_empty(value_as_json(c->attributes.items[attribute].value, true)) &&
               (c->empty & FIELD_BIT(field)) == 0) {
        c->empty |= FIELD_BIT(field);
        c->result.winners[field] = (int32_t)attribute;
    }
}

static void sources_try(struct content *c)
{
    for (uint32_t word = 0; word < SOURCE_WORDS; word++) {
        for (uint32_t bits = c->present[word]; bits != 0; bits &= bits - 1)
            source_try(c, (uint16_t)(word * 32 + (uint32_t)__builtin_ctz(bits) + 1));
    }
}

/* ---- spans and logs ---- */

static void result_give(struct content *c, struct content_result *ret)
{
    c->result.attribute_fields = c->attribute_fields;
    c->result.event_fields = c->event_fields;
    c->result.rests = c->rests;
    *ret = c->result;
}

void content_span(struct content *c, const struct content_request *request, struct builder *row,
                  struct message_set *messages, struct content_result *ret)
{
    const struct otlp_span *span = request->span;
    c->events = span->events;
    c->event_count = span->event_count;
    c->kind = request->kind;
    span_begin(c, span->attributes);
    c->without = request->without;
    attributes_sort(c, request->claims);
    events_present(c);
    sources_try(c);
    bool wants_documents = ((c->filled | c->without) & FIELD_BIT(CONTENT_RETRIEVED)) == 0;
    if (c->event_count > 0 && events_scan(c, wants_documents))
        c->filled |= FIELD_BIT(CONTENT_RETRIEVED);
    cells_put(c, row, messages);
    result_give(c, ret);
}

/* Of a message its members are used, of other events what became a field. */
static void log_mark(struct content *c, const struct otlp_log *log)
{
    if (c->filled == 0)
        return;
    if (log->body.type != VALUE_NONE && event_is_message(log->event_name))
        c->event_fields[0] = (uint8_t)__builtin_ctz(c->filled);
    for (uint32_t i = 0; i < log->attributes.count; i++)
        c->attribute_fields[i] = (uint8_t)event_attribute_field(
            log->event_name, log->attributes.items[i].key, c->filled);
}

void content_log(struct content *c, const struct otlp_log *log, struct builder *row,
                 struct message_set *messages, struct content_result *ret)
{
    uint32_t wanted = FIELD_BIT(CONTENT_INPUT) | FIELD_BIT(CONTENT_OUTPUT) |
                      FIELD_BIT(CONTENT_SYSTEM) | FIELD_BIT(CONTENT_TOOLS);
    c->events = NULL;
    c->event_count = 1; /* event_fields[0] stands for the body */
    c->kind = slice_text("llm");
    span_begin(c, log->attributes);
    c->event_count = 0;
    c->filled = event_take(c, log->event_name, log->attributes, log->body, wanted);
    log_mark(c, log);
    cells_put(c, row, messages);
    result_give(c, ret);
}
