/*
 * content.c - which source gives which field of a span, and the cells that come of it.
 *
 * Place:     mapper.c -> [here] -> content_payload.c, content_indexed.c, content_event.c, ... -> cells, message set
 * Data:      content.def; its order is the rank
 * Method:    the attributes are sorted into their sources, then the sources present are tried best first. The first that says
 *            something fills its field. A later one that says the same is used up too (clients send a conversation two or three times
 *            over); one that says something else stays in `attributes`.
 * Invariant: a cell is within the limits of its column; what was cut is reported.
 */
#include "server/dialect/content_internal.h"

#include <math.h>

#include "engine/base/check.h"

struct content *content_create(void)
{
    struct content *c = MEM_NEW(struct content);
    intern_init(&c->keys);
    for (uint16_t number = 1; number <= SOURCE_COUNT; number++) {
        const struct source *s = source_at(number);
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
    for (uint16_t number = 1; number <= SOURCE_COUNT; number++) {
        if (source_at(number)->key.is_prefix && source_claims(source_at(number), key))
            return number;
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

static void span_begin(struct content *c, struct attributes attributes)
{
    arena_reset(&c->arena);
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

static enum payload_form form_of(const struct source *s)
{
    return s->form == SOURCE_ENCODED ? FORM_ENCODED
           : s->form == SOURCE_TEXT  ? FORM_TEXT
                                     : FORM_PLAIN;
}

static struct value value_of(const struct content *c, uint32_t attribute)
{
    return c->attributes.items[attribute].value;
}

static void attribute_used(struct content *c, uint32_t attribute, enum content_field field,
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

static void field_filled(struct content *c, enum content_field field, uint32_t attribute)
{
    c->filled |= FIELD_BIT(field);
    c->result.winners[field] = (int32_t)attribute;
}

static struct reading reading_for(struct content *c, enum content_field field)
{
    static const char *const roles[CONTENT_FIELD_COUNT] = {
        [CONTENT_INPUT] = "user", [CONTENT_OUTPUT] = "assistant", [CONTENT_SYSTEM] = "system"};
    struct message_list *to = field == CONTENT_OUTPUT   ? &c->output
                              : field == CONTENT_SYSTEM ? &c->system
                                                        : &c->input;
    return (struct reading){.c = c,
                            .to = to,
                            .role = roles[field],
                            .is_output = field == CONTENT_OUTPUT,
                            .is_winner = true,
                            .unwraps_any = !slice_is(c->kind, "llm")};
}

/* ---- sources of messages ---- */

/* The attributes of an indexed source, in the arena. */
static struct indexed *indexed_collect(struct content *c, uint16_t number, uint32_t *ret_count)
{
    const struct source *s = source_at(number);
    uint32_t count = 0;
    for (uint32_t at = c->first[number]; at != 0; at = c->next[at - 1])
        count++;
    struct indexed *entries = arena_zero(&c->arena, count, sizeof *entries);
    *ret_count = 0;
    for (uint32_t at = c->first[number]; at != 0; at = c->next[at - 1]) {
        struct slice key = c->attributes.items[at - 1].key;
        struct indexed *e = &entries[*ret_count];
        e->attribute = at - 1;
        struct slice behind = slice_of(key.data + s->key_bytes, key.size - s->key_bytes);
        *ret_count += index_split(behind, &e->index, &e->tail);
    }
    return entries;
}

static void indexed_used(struct content *c, const struct indexed *entries, uint32_t count,
                         enum content_field field)
{
    for (uint32_t i = 0; i < count; i++) {
        if (entries[i].used)
            attribute_used(c, entries[i].attribute, field, SLICE_EMPTY);
    }
}

/* Reads an indexed source. True: it says something; then the attributes it understood are used. */
static bool indexed_take(struct content *c, uint16_t number, struct reading *r,
                         enum content_field field, bool marks)
{
    uint32_t count = 0;
    bool taken = false;
    struct indexed *entries = indexed_collect(c, number, &count);
    switch (source_at(number)->form) {
    case SOURCE_MESSAGES_N:
        taken = indexed_messages(r, entries, count);
        break;
    case SOURCE_TEXTS_N:
        taken = indexed_texts(r, entries, count);
        break;
    case SOURCE_TOOLS_N:
        taken = indexed_tools(c, entries, count);
        break;
    case SOURCE_DOCUMENTS_N:
        taken = indexed_documents(c, entries, count);
        break;
    case SOURCE_PLAIN:
    case SOURCE_ENCODED:
    case SOURCE_TEXT:
    case SOURCE_TEXTS:
    case SOURCE_VERCEL:
    case SOURCE_EVENT_LIST:
    case SOURCE_EVENTS:
        break;
    }
    if (taken && marks)
        indexed_used(c, entries, count, field);
    return taken;
}

static bool source_is_indexed(const struct source *s)
{
    return s->form == SOURCE_MESSAGES_N || s->form == SOURCE_TEXTS_N || s->form == SOURCE_TOOLS_N ||
           s->form == SOURCE_DOCUMENTS_N;
}

static struct value sibling(struct content *c, const char *key, uint32_t *ret_attribute)
{
    uint32_t code = intern_find(&c->keys, slice_text(key));
    uint32_t at = code != 0 ? c->first[c->numbers[code]] : 0;
    if (at == 0)
        return VALUE_NOTHING;
    *ret_attribute = at - 1;
    return value_of(c, at - 1);
}

/* ai.response.reasoning, .text or .object, and .toolCalls are one message. */
static bool vercel_take(struct content *c, struct reading *r, bool marks)
{
    static const char *const keys[] = {"ai.response.reasoning", "ai.response.text",
                                       "ai.response.object", "ai.response.toolCalls"};
    struct value values[4];
    bool any = false;
    for (int i = 0; i < 4; i++) {
        uint32_t attribute = 0;
        values[i] = sibling(c, keys[i], &attribute);
        bool is_said = !value_is_empty(value_as_json(values[i], false));
        any |= is_said;
        if (values[i].type != VALUE_NONE && marks)
            attribute_used(c, attribute, CONTENT_OUTPUT, SLICE_EMPTY);
        if (!is_said)
            values[i] = VALUE_NOTHING;
    }
    if (!any)
        return false;
    draft_begin(r->to, slice_text("assistant"), SLICE_EMPTY);
    draft_reasoning(r->to, values[0]);
    draft_text(r->to, values[1].type != VALUE_NONE ? values[1] : values[2], VALUE_NOTHING);
    struct items it = items_of(value_as_json(values[3], false));
    struct value call;
    struct members m;
    while (items_next(&it, &call)) {
        if (members_of(call, &c->arena, &m))
            call_take(r, call, &m);
    }
    draft_end(r->to);
    return true;
}

/* A list of texts, each perhaps the JSON of one. */
static bool texts_take(struct reading *r, struct value list)
{
    struct items it = items_of(value_as_json(list, false));
    struct value text;
    struct slice rest;
    uint32_t before = r->to->count;
    while (items_next(&it, &text))
        (void)payload_take(r, text, FORM_ENCODED, &rest);
    return r->to->count > before;
}

static bool messages_take(struct content *c, uint16_t number, struct reading *r,
                          enum content_field field, bool marks)
{
    const struct source *s = source_at(number);
    struct slice rest = SLICE_EMPTY;
    if (source_is_indexed(s))
        return indexed_take(c, number, r, field, marks);
    if (s->form == SOURCE_VERCEL)
        return vercel_take(c, r, marks);
    uint32_t attribute = c->first[number] - 1;
    struct value v = value_of(c, attribute);
    r->unwraps_any |= s->form == SOURCE_ENCODED;
    bool taken = s->form == SOURCE_TEXTS ? texts_take(r, v) : payload_take(r, v, form_of(s), &rest);
    if (taken && marks)
        attribute_used(c, attribute, field, rest);
    return taken;
}

/* Everything of `a` from `skip` messages on is `b`. */
static bool lists_agree(const struct message_list *a, uint32_t skip, const struct message_list *b)
{
    if (a->count != b->count + skip)
        return false;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!slice_equal(message_list_body(a, i + skip), message_list_body(b, i)))
            return false;
    }
    return true;
}

/* A source that lost: when it says the same as the winner it is used up as well. The system message may stand apart in one of
 * the two. */
static void loser_compare(struct content *c, uint16_t number, enum content_field field)
{
    const struct source *s = source_at(number);
    if (field != CONTENT_INPUT && field != CONTENT_OUTPUT)
        return;
    if (c->result.winners[field] < 0 || s->form == SOURCE_VERCEL || s->form == SOURCE_TEXTS ||
        source_is_indexed(s))
        return;
    struct reading r = reading_for(c, field);
    struct slice rest = SLICE_EMPTY;
    uint32_t attribute = c->first[number] - 1;
    message_list_reset(&c->spare, &c->arena);
    r.to = &c->spare;
    r.is_winner = false;
    r.is_output = false;
    r.unwraps_any |= s->form == SOURCE_ENCODED;
    if (!payload_take(&r, value_of(c, attribute), form_of(s), &rest))
        return;
    const struct message_list *won = field == CONTENT_OUTPUT ? &c->output : &c->input;
    bool agrees = lists_agree(won, 0, &c->spare);
    if (!agrees && field == CONTENT_INPUT && won->count > c->spare.count)
        agrees = message_is_system(message_list_body(won, 0)) && lists_agree(won, 1, &c->spare);
    if (!agrees && field == CONTENT_INPUT && c->system.count == 1 && c->spare.count > won->count)
        agrees = slice_equal(message_list_body(&c->system, 0), message_list_body(&c->spare, 0)) &&
                 lists_agree(&c->spare, 1, won);
    if (agrees)
        attribute_used(c, attribute, field, rest);
}

/* ---- the other fields ---- */

static bool arguments_take(struct content *c, const struct source *s, struct value v)
{
    struct reading r = reading_for(c, CONTENT_INPUT);
    if (v.type == VALUE_NONE || payload_open(&r, v, form_of(s)).type == VALUE_NONE)
        return false;
    if (strcmp(s->key.key, "tool.parameters") == 0 && looks_like_schema(c, v))
        return false;
    c->tool_args = arguments_text(c, v, form_of(s));
    return true;
}

static bool result_take(struct content *c, const struct source *s, struct value v)
{
    c->tool_result = result_text(c, v, form_of(s), &c->tool_result_is_empty);
    return true;
}

/* A retrieval's output is documents when it reads as some. */
static bool documents_instead(struct content *c, const struct source *s, uint32_t attribute)
{
    if (s->field != SOURCE_OUT || !slice_is(c->kind, "retrieval") ||
        ((c->filled | c->without) & FIELD_BIT(CONTENT_RETRIEVED)) != 0)
        return false;
    if (!documents_take(c, value_of(c, attribute), form_of(s)))
        return false;
    attribute_used(c, attribute, CONTENT_RETRIEVED, SLICE_EMPTY);
    field_filled(c, CONTENT_RETRIEVED, attribute);
    return true;
}

static bool single_take(struct content *c, uint16_t number, enum content_field field)
{
    const struct source *s = source_at(number);
    uint32_t attribute = c->first[number] - 1;
    struct value v = value_of(c, attribute);
    bool taken = false;
    struct reading r = reading_for(c, field);
    if (source_is_indexed(s))
        return indexed_take(c, number, &r, field, true);
    if (field == CONTENT_TOOLS)
        taken = tools_take(c, v) > 0;
    else if (field == CONTENT_TOOL_ARGS)
        taken = arguments_take(c, s, v);
    else if (field == CONTENT_TOOL_RESULT)
        taken = result_take(c, s, v);
    else if (field == CONTENT_RETRIEVED)
        taken = documents_take(c, v, form_of(s));
    if (taken)
        attribute_used(c, attribute, field, SLICE_EMPTY);
    return taken;
}

/* ---- one source ---- */

static void events_try(struct content *c)
{
    uint32_t wanted = FIELD_BIT(CONTENT_INPUT) | FIELD_BIT(CONTENT_OUTPUT) |
                      FIELD_BIT(CONTENT_SYSTEM) | FIELD_BIT(CONTENT_TOOLS);
    c->filled |= events_take(c, wanted & ~(c->filled | c->without));
}

static void event_list_try(struct content *c, uint32_t attribute)
{
    uint32_t wanted = FIELD_BIT(CONTENT_INPUT) | FIELD_BIT(CONTENT_OUTPUT);
    uint32_t filled =
        event_list_take(c, value_of(c, attribute), wanted & ~(c->filled | c->without));
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
        loser_compare(c, number, field);
        return;
    }
    bool is_messages = field == CONTENT_INPUT || field == CONTENT_OUTPUT || field == CONTENT_SYSTEM;
    struct reading r = reading_for(c, field);
    bool taken =
        is_messages ? messages_take(c, number, &r, field, true) : single_take(c, number, field);
    if (taken) {
        field_filled(c, field, attribute);
    } else if (value_is_empty(value_as_json(value_of(c, attribute), true)) &&
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

/* ---- cells ---- */

static void refs_add(struct content *c, const struct message_list *list,
                     struct message_set *messages)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct slice body = message_list_body(list, i);
        struct id128 address = message_set_add(messages, body);
        buffer_add(&c->refs, address.bytes, sizeof address.bytes);
        c->result.bytes += body.size;
    }
}

static void refs_put(struct content *c, struct builder *row, uint16_t column_id,
                     enum content_field field, uint32_t *ret_count)
{
    size_t limit = (size_t)MESSAGE_REFS_MAX * sizeof(struct id128);
    if (c->refs.size > limit) {
        c->refs.size = limit;
        c->result.cut |= FIELD_BIT(field);
    }
    *ret_count = (uint32_t)(c->refs.size / sizeof(struct id128));
    builder_str(row, column_id, buffer_slice(&c->refs));
    buffer_reset(&c->refs);
}

/* An attribute that was there but said nothing is an empty list, which is more than NULL. */
static void empty_used(struct content *c, enum content_field field)
{
    int32_t attribute = c->result.winners[field];
    if (attribute >= 0)
        attribute_used(c, (uint32_t)attribute, field, SLICE_EMPTY);
}

static bool field_is_filled(const struct content *c, enum content_field field)
{
    return (c->filled & FIELD_BIT(field)) != 0;
}

static bool field_is_empty(const struct content *c, enum content_field field)
{
    return (c->filled & FIELD_BIT(field)) == 0 && (c->empty & FIELD_BIT(field)) != 0;
}

static void input_put(struct content *c, struct builder *row, struct message_set *messages)
{
    if (c->system.count + c->input.count == 0 && !field_is_empty(c, CONTENT_INPUT))
        return;
    /* Clients that send the instructions apart may have them among the messages, too. */
    bool is_repeated = c->system.count <= c->input.count;
    for (uint32_t i = 0; i < c->system.count && is_repeated; i++)
        is_repeated =
            slice_equal(message_list_body(&c->system, i), message_list_body(&c->input, i));
    if (!is_repeated)
        refs_add(c, &c->system, messages);
    refs_add(c, &c->input, messages);
    if (c->input.count + c->system.count == 0)
        empty_used(c, CONTENT_INPUT);
    refs_put(c, row, SPANS_input, CONTENT_INPUT, &c->result.input_count);
}

static void output_put(struct content *c, struct builder *row, struct message_set *messages)
{
    if (c->output.count == 0 && !field_is_empty(c, CONTENT_OUTPUT))
        return;
    if (c->output.count == 0)
        empty_used(c, CONTENT_OUTPUT);
    refs_add(c, &c->output, messages);
    refs_put(c, row, SPANS_output, CONTENT_OUTPUT, &c->result.output_count);
}

static void tools_put(struct content *c, struct builder *row, struct message_set *messages)
{
    if (c->tools.count == 0)
        return;
    refs_add(c, &c->tools, messages);
    refs_put(c, row, SPANS_tools, CONTENT_TOOLS, &c->result.tool_count);
}

/* A cell within its limit, cut between characters. */
static void text_put(struct content *c, struct builder *row, uint16_t column_id,
                     enum content_field field, struct slice text)
{
    if (text.size > TEXT_BYTES_MAX) {
        size_t size = TEXT_BYTES_MAX;
        while (size > TEXT_BYTES_MAX - 4 && (text.data[size] & 0xc0) == 0x80)
            size--;
        text = slice_of(text.data, size);
        c->result.cut |= FIELD_BIT(field);
    }
    builder_str(row, column_id, text);
    c->result.bytes += text.size;
}

static void documents_put(struct content *c, struct builder *row)
{
    struct documents *d = &c->documents;
    buffer_add_text(&d->json, d->json.size == 0 ? "[]" : "]");
    text_put(c, row, SPANS_retrieved, CONTENT_RETRIEVED, buffer_slice(&d->json));
    builder_i64(row, SPANS_retrieved_count, d->count);
    if (!isnan(d->top_score))
        builder_f64(row, SPANS_retrieved_top_score, d->top_score);
    if (d->cut)
        c->result.cut |= FIELD_BIT(CONTENT_RETRIEVED);
}

static void cells_put(struct content *c, struct builder *row, struct message_set *messages)
{
    buffer_reset(&c->refs);
    input_put(c, row, messages);
    output_put(c, row, messages);
    tools_put(c, row, messages);
    if (field_is_filled(c, CONTENT_TOOL_ARGS))
        text_put(c, row, SPANS_tool_args, CONTENT_TOOL_ARGS, c->tool_args);
    if (field_is_filled(c, CONTENT_TOOL_RESULT)) {
        text_put(c, row, SPANS_tool_result, CONTENT_TOOL_RESULT, c->tool_result);
        builder_i64(row, SPANS_tool_result_empty, c->tool_result_is_empty);
    }
    if (field_is_filled(c, CONTENT_RETRIEVED))
        documents_put(c, row);
    if (c->input.cut || c->system.cut)
        c->result.cut |= FIELD_BIT(CONTENT_INPUT);
    if (c->output.cut)
        c->result.cut |= FIELD_BIT(CONTENT_OUTPUT);
    if (c->tools.cut)
        c->result.cut |= FIELD_BIT(CONTENT_TOOLS);
}

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
    if (c->filled != 0 && log->body.type != VALUE_NONE)
        c->event_fields[0] = (uint8_t)__builtin_ctz(c->filled);
    cells_put(c, row, messages);
    result_give(c, ret);
}
