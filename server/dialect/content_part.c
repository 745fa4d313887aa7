/*
 * content_part.c - one part of a message, by its type or its shape.
 *
 * Place:     content_message.c, content_payload.c -> [here] -> content_write.c
 * Data:      content_shape.def
 * Shapes:    semconv {"type":"text","content"}, OpenAI {"type":"text","text"}, Anthropic
 *            {"type":"tool_use","id","name","input"}, Vercel
 *            {"type":"tool-call","toolCallId","toolName","input"}, Gemini
 *            {"functionCall":{"name","args"}}, Bedrock {"toolUse":{"toolUseId","name","input"}}
 */
#include "server/dialect/content_internal.h"

enum part_form {
    PART_UNKNOWN,
    PART_TEXT,
    PART_REASONING,
    PART_CALL,
    PART_RESPONSE,
    PART_REFUSAL
};

struct part_type {
    const char *name;
    enum part_form form;
};

static const struct part_type part_types[] = {
#define PART(type, form) {type, PART_##form},
#include "server/dialect/content_shape.def"
};

static const struct part_type part_members[] = {
#define UNTYPED(member, form) {member, PART_##form},
#include "server/dialect/content_shape.def"
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define KEYS(...)       ((const char *const[]){__VA_ARGS__, NULL})

#define TYPE_KEYS KEYS("type", "part_kind", "block_type", "message_content.type")
#define TEXT_KEYS KEYS("content", "text", "message_content.text")

/* The member of an untyped part that holds what it is about, or NULL. */
static const struct part_type *untyped_find(const struct members *m)
{
    for (size_t i = 0; i < COUNT_OF(part_members); i++) {
        if (value_is_object(members_peek(m, part_members[i].name)))
            return &part_members[i];
    }
    return NULL;
}

/* A type with escapes keeps them and its quotes: it is none we know, but a type. */
static struct slice type_of(const struct members *m)
{
    for (const char *const *key = TYPE_KEYS; *key != NULL; key++) {
        struct value v = members_peek(m, *key);
        if (value_is_text(v))
            return v.bytes;
    }
    return SLICE_EMPTY;
}

static enum part_form form_of(const struct members *m)
{
    struct slice type = type_of(m);
    for (size_t i = 0; i < COUNT_OF(part_types) && type.size != 0; i++) {
        if (slice_equal_nocase(type, part_types[i].name))
            return part_types[i].form;
    }
    if (type.size != 0)
        return PART_UNKNOWN;
    const struct part_type *untyped = untyped_find(m);
    if (untyped != NULL)
        return untyped->form;
    return m->count <= 2 && value_is_text(members_peek(m, "text")) ? PART_TEXT : PART_UNKNOWN;
}

bool part_is_known(const struct members *m)
{
    return form_of(m) != PART_UNKNOWN;
}

bool part_is_typed(const struct members *m)
{
    return type_of(m).size != 0;
}

bool part_is_response(const struct members *m)
{
    return form_of(m) == PART_RESPONSE;
}

bool part_is_assistants(const struct members *m)
{
    enum part_form form = form_of(m);
    return form == PART_CALL || form == PART_REASONING || form == PART_REFUSAL;
}

/* ---- texts ---- */

static bool is_true(struct value v)
{
    return v.type == VALUE_BOOL && v.boolean;
}

/* {"type":"text","text":{"value":T,"annotations":[..]}} of OpenAI's assistants. */
static struct value text_member(struct reading *r, struct members *m, struct value *annotations)
{
    struct value text = members_take_any(m, TEXT_KEYS);
    *annotations = members_take_any(m, KEYS("annotations", "citations"));
    struct members inner;
    if (value_is_object(text) && members_of(text, &r->c->arena, &inner) &&
        value_is_text(members_peek(&inner, "value"))) {
        *annotations = members_take(&inner, "annotations");
        return members_take(&inner, "value");
    }
    return text;
}

static bool text_take(struct reading *r, struct members *m)
{
    struct value annotations;
    struct value text = text_member(r, m, &annotations);
    if (text.type == VALUE_NONE)
        return true;
    if (!value_is_text(text))
        return false;
    if (is_true(members_peek(m, "thought"))) /* Gemini */
        draft_reasoning(r->to, text);
    else
        draft_text(r->to, text, annotations);
    return true;
}

/* The texts of an array of texts or of {"text"} objects, each a part of its own. */
static bool reasoning_texts(struct reading *r, struct value list)
{
    struct items it = items_of(list);
    struct value item;
    bool any = false;
    while (items_next(&it, &item)) {
        struct members m;
        if (members_of(item, &r->c->arena, &m))
            item = members_take_any(&m, TEXT_KEYS);
        if (!value_is_text(item))
            continue;
        draft_reasoning(r->to, item);
        any = true;
    }
    return any;
}

static bool reasoning_take(struct reading *r, struct members *m)
{
    struct value v = members_take_any(m, KEYS("content", "thinking", "reasoning", "text"));
    struct value summary = members_take(m, "summary");
    struct members inner;
    if (value_is_object(members_peek(m, "reasoningText")) &&
        members_of(members_take(m, "reasoningText"), &r->c->arena, &inner))
        v = members_take(&inner, "text");
    if (!value_is_text(v))
        return reasoning_texts(r, v) || reasoning_texts(r, summary);
    draft_reasoning(r->to, v);
    return true;
}

/* ---- tools ---- */

static bool call_write(struct reading *r, struct members *m)
{
    struct members function;
    struct value nested = members_peek(m, "function");
    if (!value_is_object(nested) || !members_of(nested, &r->c->arena, &function))
        function.count = 0;
    /* OpenAI Responses has both an "id" of the item and the "call_id" that its output answers
     * to. */
    struct value id = members_take_any(
        m, KEYS("call_id", "toolCallId", "toolUseId", "tool_call_id", "tool_call.id", "id", "ref"));
    struct value name =
        members_take_any(m, KEYS("name", "toolName", "tool_name", "tool_call.function.name"));
    struct value arguments = members_take_any(
        m, KEYS("arguments", "input", "args", "parameters", "tool_call.function.arguments"));
    if (name.type == VALUE_NONE)
        name = members_take(&function, "name");
    if (arguments.type == VALUE_NONE)
        arguments = members_take(&function, "arguments");
    if (!value_is_text(name))
        return false;
    draft_call(r->to, id, name, arguments);
    return true;
}

/* Content that is one block of text or JSON: Anthropic's and MCP's [{"type":"text","text":T}],
 * Bedrock's [{"text":T}] and [{"json":V}]. Anything else stays as it is. */
struct value content_unwrap(struct reading *r, struct value v)
{
    struct items it = items_of(v);
    struct value only;
    struct value second;
    struct members m;
    if (!items_next(&it, &only) || items_next(&it, &second) || !members_of(only, &r->c->arena, &m))
        return v;
    if (m.count == 1 && members_has(&m, "json"))
        return members_peek(&m, "json");
    struct value text = members_peek(&m, "text");
    bool is_only_text = m.count == 1 || slice_is(type_of(&m), "text");
    return is_only_text && value_is_text(text) ? text : v;
}

/* Vercel's {"type":"json","value":V}, with "text", "error-text" and "error-json". */
static struct value output_unwrap(struct reading *r, struct value v, bool *is_error)
{
    struct members m;
    if (!members_of(v, &r->c->arena, &m) || m.count != 2 || !members_has(&m, "value"))
        return v;
    struct slice type = type_of(&m);
    bool is_failed = slice_is(type, "error-text") || slice_is(type, "error-json");
    bool is_content = slice_is(type, "content");
    if (!is_failed && !is_content && !slice_is(type, "text") && !slice_is(type, "json"))
        return v;
    *is_error |= is_failed;
    struct value inside = members_peek(&m, "value");
    return is_content ? content_unwrap(r, inside) : inside;
}

static bool response_take(struct reading *r, struct members *m)
{
    struct value id = members_take_any(
        m, KEYS("tool_use_id", "toolUseId", "toolCallId", "call_id", "tool_call_id", "id", "ref"));
    struct value name = members_take_any(m, KEYS("toolName", "tool_name", "name"));
    struct value status = members_take(m, "status");
    bool is_error = is_true(members_take_any(m, KEYS("is_error", "isError"))) ||
                    (status.type == VALUE_STRING && slice_is(status.bytes, "error"));
    struct value response = members_take_any(m, KEYS("response", "result"));
    if (response.type == VALUE_NONE)
        response = output_unwrap(r, members_take(m, "output"), &is_error);
    if (response.type == VALUE_NONE)
        response = content_unwrap(r, members_take(m, "content"));
    draft_response(r->to, id, name, response, is_error);
    return true;
}

/* ---- any part ---- */

static bool known_take(struct reading *r, enum part_form form, struct members *m)
{
    switch (form) {
    case PART_TEXT:
        return text_take(r, m);
    case PART_REASONING:
        return reasoning_take(r, m);
    case PART_CALL:
        return call_write(r, m);
    case PART_RESPONSE:
        return response_take(r, m);
    case PART_REFUSAL: {
        struct value text = members_take_any(m, KEYS("refusal", "content", "text"));
        if (value_is_text(text))
            draft_typed(r->to, "refusal", text);
        return value_is_text(text);
    }
    case PART_UNKNOWN:
        break;
    }
    return false;
}

void content_part_take(struct reading *r, struct value v, struct members *m)
{
    enum part_form form = form_of(m);
    struct members inner;
    const struct part_type *untyped = type_of(m).size == 0 ? untyped_find(m) : NULL;
    if (untyped != NULL && members_of(members_peek(m, untyped->name), &r->c->arena, &inner))
        m = &inner;
    if (form == PART_UNKNOWN || !known_take(r, form, m))
        draft_raw(r->to, v);
}

void call_take(struct reading *r, struct value v, struct members *m)
{
    if (!call_write(r, m))
        content_part_take(r, v, m);
}

/* Is the text of an array one of parts, each of a type we know? Then it was content, encoded. */
static bool is_part_list(struct reading *r, struct value v)
{
    struct members m;
    struct value item;
    struct items it = items_of(v);
    uint32_t count = 0;
    for (; items_next(&it, &item); count++) {
        if (!members_of(item, &r->c->arena, &m) || !part_is_known(&m))
            return false;
    }
    return count > 0 && !it.failed && json_next(&it.j) == JSON_END;
}

static void part_list_take(struct reading *r, struct value list)
{
    struct items it = items_of(list);
    struct value item;
    struct members m;
    while (items_next(&it, &item)) {
        if (members_of(item, &r->c->arena, &m))
            content_part_take(r, item, &m);
        else
            draft_text(r->to, item, VALUE_NOTHING);
    }
}

void parts_take(struct reading *r, struct value content, bool encoded)
{
    struct members m;
    if (encoded && value_is_text(content)) {
        struct value text = value_of_text(value_text(content, &r->c->arena));
        struct value inner = value_as_json(text, false);
        if (value_is_array(inner) && is_part_list(r, inner))
            content = inner;
    }
    if (value_is_array(content))
        part_list_take(r, content);
    else if (value_is_object(content) && members_of(content, &r->c->arena, &m))
        content_part_take(r, content, &m);
    else
        draft_text(r->to, content, VALUE_NOTHING);
}
