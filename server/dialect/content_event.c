/*
 * content_event.c - messages that came as events or log records.
 *
 * Place:   content.c -> [here] -> content_message.c, content_payload.c, content_document.c
 * Shapes:  gen_ai.user.message {content, role} and its siblings, gen_ai.choice {message,
 *          finish_reason} (conventions before 1.37), gen_ai.content.prompt {gen_ai.prompt},
 *          gen_ai.client.inference.operation.details {gen_ai.input.messages, ...}, db.query.result
 *          {db.query.result.id, ...}; Azure keeps the body as JSON in gen_ai.event.content.
 */
#include "server/dialect/content_internal.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum event_form {
    EVENT_MESSAGE,
    EVENT_ATTRIBUTES
};

struct event_kind {
    const char *name;
    enum content_field field;
    enum event_form form;
    const char *role;
};

static const struct event_kind event_kinds[] = {
    {"gen_ai.system.message", CONTENT_INPUT, EVENT_MESSAGE, "system"},
    {"gen_ai.user.message", CONTENT_INPUT, EVENT_MESSAGE, "user"},
    {"gen_ai.assistant.message", CONTENT_INPUT, EVENT_MESSAGE, "assistant"},
    {"gen_ai.tool.message", CONTENT_INPUT, EVENT_MESSAGE, "tool"},
    {"gen_ai.choice", CONTENT_OUTPUT, EVENT_MESSAGE, "assistant"},
    {"gen_ai.content.prompt", CONTENT_INPUT, EVENT_ATTRIBUTES, "user"},
    {"gen_ai.content.completion", CONTENT_OUTPUT, EVENT_ATTRIBUTES, "assistant"},
    {"gen_ai.client.inference.operation.details", CONTENT_INPUT, EVENT_ATTRIBUTES, "user"},
};
#define EVENT_KINDS (sizeof event_kinds / sizeof event_kinds[0])

static const struct event_kind *event_find(struct slice name)
{
    for (size_t i = 0; i < EVENT_KINDS; i++) {
        if (slice_is(name, event_kinds[i].name))
            return &event_kinds[i];
    }
    return NULL;
}

static struct reading reading_of(struct content *c, enum content_field field, const char *role)
{
    struct message_list *to = field == CONTENT_OUTPUT   ? &c->output
                              : field == CONTENT_SYSTEM ? &c->system
                                                        : &c->input;
    return (struct reading){.c = c,
                            .to = to,
                            .role = role,
                            .is_output = field == CONTENT_OUTPUT,
                            .is_winner = true,
                            .is_encoded = true};
}

/* ---- one message ---- */

static struct value attribute_of(struct attributes attributes, const char *key)
{
    for (uint32_t i = 0; i < attributes.count; i++) {
        if (slice_is(attributes.items[i].key, key))
            return attributes.items[i].value;
    }
    return VALUE_NOTHING;
}

static void members_of_attributes(struct attributes attributes, struct members *ret)
{
    ret->count = 0;
    ret->overflow = false;
    for (uint32_t i = 0; i < attributes.count && ret->count < MEMBERS_MAX; i++)
        ret->items[ret->count++] =
            (struct member){.key = attributes.items[i].key, .value = attributes.items[i].value};
}

/* "message" of a choice: a message, its content, or (Strands) the JSON of either. */
static void choice_message(struct reading *r, struct value message, const char *role)
{
    struct members m;
    struct value v = value_as_json(message, false);
    if (members_of(v, &r->c->arena, &m) &&
        members_has_any(&m, KEYS("content", "tool_calls", "parts", "role"))) {
        message_take_as(r, &m, slice_text(role));
        return;
    }
    draft_begin(r->to, slice_text(role), SLICE_EMPTY);
    parts_take(r, message, true);
    draft_end(r->to);
}

/* False: the event says nothing but, maybe, a finish reason. */
static bool message_of_members(struct reading *r, struct members *m, const char *role)
{
    struct value message = members_take(m, "message");
    struct slice before = r->c->result.finish_reason;
    if (message.type != VALUE_NONE) {
        choice_message(r, message, role);
    } else if (members_has_any(m, KEYS("content", "tool_calls", "parts", "gen_ai.prompt"))) {
        message_take_as(r, m, slice_text(role));
        return true;
    }
    if (r->is_output)
        finish_reason_set(r->c, members_take(m, "finish_reason"));
    if (before.size != 0 && message.type == VALUE_NONE)
        r->c->result.finish_reason = before; /* what the span's messages say is better */
    return message.type != VALUE_NONE;
}

static bool message_event(struct content *c, const struct event_kind *kind,
                          struct attributes attributes, struct value body)
{
    struct reading r = reading_of(c, kind->field, kind->role);
    struct members m;
    members_of_attributes(attributes, &m);
    struct value content = members_peek(&m, "gen_ai.event.content");
    if (content.type == VALUE_NONE)
        content = body;
    if (content.type != VALUE_NONE) {
        struct value json = value_as_json(content, false);
        if (!members_of(json, &c->arena, &m)) {
            choice_message(&r, content, kind->role);
            return true;
        }
    }
    return message_of_members(&r, &m, kind->role);
}

/* ---- events that carry the attributes of a span ---- */

static enum content_field field_of(const struct source *s)
{
    switch (s->field) {
    case SOURCE_IN:
    case SOURCE_INPUT:
        return CONTENT_INPUT;
    case SOURCE_OUT:
    case SOURCE_OUTPUT:
        return CONTENT_OUTPUT;
    case SOURCE_SYSTEM:
        return CONTENT_SYSTEM;
    case SOURCE_TOOLS:
        return CONTENT_TOOLS;
    case SOURCE_TOOL_ARGS:
    case SOURCE_TOOL_RESULT:
    case SOURCE_RETRIEVED:
        break;
    }
    return CONTENT_NONE;
}

static bool attribute_take(struct content *c, enum content_field field, struct value v)
{
    struct slice rest;
    if (field == CONTENT_TOOLS)
        return tools_take(c, v) > 0;
    const char *role = field == CONTENT_OUTPUT   ? "assistant"
                       : field == CONTENT_SYSTEM ? "system"
                                                 : "user";
    struct reading r = reading_of(c, field, role);
    return payload_take(&r, v, FORM_PLAIN, &rest);
}

static uint32_t attributes_event(struct content *c, struct attributes attributes, uint32_t wanted)
{
    uint32_t filled = 0;
    for (uint32_t i = 0; i < attributes.count; i++) {
        uint16_t number = content_claim(attributes.items[i].key);
        enum content_field field = number != 0 ? field_of(source_at(number)) : CONTENT_NONE;
        if (field == CONTENT_NONE || (wanted & FIELD_BIT(field)) == 0 ||
            (filled & FIELD_BIT(field)) != 0)
            continue;
        if (attribute_take(c, field, attributes.items[i].value))
            filled |= FIELD_BIT(field);
    }
    return filled;
}

/* ---- any event ---- */

uint32_t event_take(struct content *c, struct slice name, struct attributes attributes,
                    struct value body, uint32_t wanted)
{
    const struct event_kind *kind = event_find(name);
    if (kind == NULL)
        return 0;
    if (kind->form == EVENT_ATTRIBUTES)
        return attributes_event(c, attributes, wanted);
    if ((wanted & FIELD_BIT(kind->field)) == 0)
        return 0;
    return message_event(c, kind, attributes, body) ? FIELD_BIT(kind->field) : 0;
}

bool event_is_message(struct slice name)
{
    const struct event_kind *kind = event_find(name);
    return kind != NULL && kind->form == EVENT_MESSAGE;
}

enum content_field event_attribute_field(struct slice name, struct slice key, uint32_t filled)
{
    static const char *const members[] = {
        "content",      "role",  "message",       "tool_calls",
        "parts",        "id",    "name",          "gen_ai.event.content",
        "tool_call_id", "index", "finish_reason", NULL};
    const struct event_kind *kind = event_find(name);
    if (kind == NULL || filled == 0)
        return CONTENT_NONE;
    if (kind->form == EVENT_ATTRIBUTES) {
        uint16_t number = content_claim(key);
        enum content_field field = number != 0 ? field_of(source_at(number)) : CONTENT_NONE;
        return (filled & FIELD_BIT(field)) != 0 ? field : CONTENT_NONE;
    }
    for (const char *const *member = members; *member != NULL; member++) {
        if (slice_is(key, *member))
            return kind->field;
    }
    return CONTENT_NONE;
}

/* Does nothing get lost with the event? What only repeats the span, does not count. */
static bool event_is_used_up(const struct otlp_event *e, uint32_t filled)
{
    static const char *const repeated[] = {"gen_ai.system",
                                           "gen_ai.provider.name",
                                           "event.name",
                                           "gen_ai.event.name",
                                           "event_name",
                                           "gen_ai.message.index",
                                           "gen_ai.operation.name",
                                           NULL};
    for (uint32_t i = 0; i < e->attributes.count; i++) {
        struct slice key = e->attributes.items[i].key;
        bool is_known = event_attribute_field(e->name, key, filled) != CONTENT_NONE;
        for (const char *const *name = repeated; *name != NULL && !is_known; name++)
            is_known = slice_is(key, *name);
        if (!is_known)
            return false;
    }
    return true;
}

uint32_t events_take(struct content *c, uint32_t wanted)
{
    uint32_t filled = 0;
    for (uint32_t i = 0; i < c->event_count; i++) {
        const struct otlp_event *e = &c->events[i];
        uint32_t bits = event_take(c, e->name, e->attributes, VALUE_NOTHING, wanted);
        if (bits != 0 && event_is_used_up(e, bits))
            c->event_fields[i] = (uint8_t)__builtin_ctz(bits);
        filled |= bits;
    }
    return filled;
}

/* A tool's span with events (Strands): what the tool was told, and what it answered. */
uint32_t tool_events_take(struct content *c, uint32_t wanted)
{
    struct reading r = {.c = c};
    uint32_t filled = 0;
    for (uint32_t i = 0; i < c->event_count; i++) {
        const struct otlp_event *e = &c->events[i];
        bool is_told = slice_is(e->name, "gen_ai.tool.message");
        enum content_field field = is_told ? CONTENT_TOOL_ARGS : CONTENT_TOOL_RESULT;
        struct slice rest;
        if ((!is_told && !slice_is(e->name, "gen_ai.choice")) ||
            (wanted & ~filled & FIELD_BIT(field)) == 0)
            continue;
        struct value v = attribute_of(e->attributes, is_told ? "content" : "message");
        if (v.type == VALUE_NONE)
            continue;
        if (is_told)
            c->tool_args = arguments_text(c, v, FORM_PLAIN, &rest);
        else
            c->tool_result = result_text(c, content_unwrap(&r, value_as_json(v, false)), FORM_PLAIN,
                                         &c->tool_result_is_empty, &rest);
        filled |= FIELD_BIT(field);
        if (event_is_used_up(e, filled))
            c->event_fields[i] = (uint8_t)field;
    }
    return filled;
}

/* [{"event.name":"gen_ai.user.message","content":..,"role":..}, ..] */
uint32_t event_list_take(struct content *c, struct value list, uint32_t wanted)
{
    struct items it = items_of(value_as_json(list, false));
    struct value item;
    struct members m;
    uint32_t filled = 0;
    while (items_next(&it, &item)) {
        if (!members_of(item, &c->arena, &m))
            continue;
        struct value name = members_take_any(&m, KEYS("event.name", "event_name", "name"));
        const struct event_kind *kind = event_find(value_text(name, &c->arena));
        if (kind == NULL || kind->form != EVENT_MESSAGE || (wanted & FIELD_BIT(kind->field)) == 0)
            continue;
        struct reading r = reading_of(c, kind->field, kind->role);
        if (message_of_members(&r, &m, kind->role))
            filled |= FIELD_BIT(kind->field);
    }
    return filled;
}

/* ---- what else events say ---- */

/* OpenLLMetry's instrumentations of vector databases send one event a document. */
static bool document_event(struct content *c, const struct otlp_event *e)
{
    struct attributes a = e->attributes;
    struct document doc = {0};
    if (slice_is(e->name, "db.query.result")) {
        doc.id = attribute_of(a, "db.query.result.id");
        doc.score = attribute_of(a, "db.query.result.score");
        doc.distance = attribute_of(a, "db.query.result.distance");
        doc.content = attribute_of(a, "db.query.result.document");
        doc.metadata = value_as_json(attribute_of(a, "db.query.result.metadata"), false);
    } else if (slice_is(e->name, "db.search.result")) {
        doc.id = attribute_of(a, "db.search.result.id");
        doc.distance = attribute_of(a, "db.search.result.distance");
        doc.content = attribute_of(a, "db.search.result.entity");
    } else {
        return false;
    }
    document_add(&c->documents, &doc, SLICE_EMPTY);
    return true;
}

static void first_token_see(struct content *c, const struct otlp_event *e)
{
    bool is_strong = slice_is(e->name, "First Token Stream Event") ||
                     slice_is(e->name, "ai.stream.firstChunk") ||
                     slice_is(e->name, "llm.content.completion.chunk") ||
                     slice_is(e->name, "gen_ai.content.completion.chunk");
    bool is_weak =
        slice_is(e->name, "gen_ai.choice") || slice_is(e->name, "gen_ai.content.completion");
    struct content_result *ret = &c->result;
    if ((!is_strong && !is_weak) || e->time_ns <= 0)
        return;
    bool is_better = ret->first_token_ns == 0 || (is_strong && ret->first_token_is_choice) ||
                     (is_strong != ret->first_token_is_choice && e->time_ns < ret->first_token_ns);
    if (!is_better)
        return;
    ret->first_token_ns = e->time_ns;
    ret->first_token_is_choice = is_weak;
}

bool events_scan(struct content *c, bool wants_documents)
{
    bool any = false;
    if (wants_documents)
        documents_reset(&c->documents);
    for (uint32_t i = 0; i < c->event_count; i++) {
        first_token_see(c, &c->events[i]);
        if (!wants_documents || !document_event(c, &c->events[i]))
            continue;
        c->event_fields[i] = CONTENT_RETRIEVED;
        any = true;
    }
    return any;
}
