/*
 * content_payload.c - the value of an attribute: a list of messages, a request or a response around
 * one, or just a text.
 *
 * Place:    content.c -> [here] -> content_message.c, content_part.c
 * Shapes:   OpenAI {"messages","model",..} and {"choices":[{"message"}]}, its Responses API
 *           {"input","instructions"} and {"output":[items]}, Anthropic {"system","messages"},
 *           Gemini {"contents","systemInstruction"} and {"candidates"}, Bedrock
 *           {"output":{"message"}}, LangChain {"generations":[[..]]} and {"messages":[[..]]},
 *           LangWatch {"type","value"}.
 * Promise:  what stands around the messages stays (the rest); a value that is none of this becomes
 *           one message with its text.
 */
#include "server/dialect/content_internal.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

void finish_reason_set(struct content *c, struct value v)
{
    if (value_is_text(v) && !value_is_empty(v))
        c->result.finish_reason = value_text(v, &c->arena);
}

/* ---- lists ---- */

struct list_state {
    uint32_t messages;
    uint32_t known; /* parts that stand in the list without a message around them */
    uint32_t raw;
};

static bool list_take(struct reading *r, struct value list, struct list_state *state);

static void text_message(struct reading *r, struct value text)
{
    draft_begin(r->to, slice_text(r->role), SLICE_EMPTY);
    draft_text(r->to, text, VALUE_NOTHING);
    draft_end(r->to);
}

/* ["human","Hello"] */
static bool tuple_take(struct reading *r, struct value list)
{
    struct items it = items_of(list);
    struct value role;
    struct value text;
    struct value more;
    if (!items_next(&it, &role) || !items_next(&it, &text) || items_next(&it, &more) ||
        !value_is_text(role) || !value_is_text(text))
        return false;
    struct slice name = value_text(role, &r->c->arena);
    if (!role_is_known(name))
        return false;
    draft_begin(r->to, role_canonical(name), SLICE_EMPTY);
    draft_text(r->to, text, VALUE_NOTHING);
    draft_end(r->to);
    return true;
}

/* A part without a message around it joins its neighbours in one message. */
static bool loose_part_take(struct reading *r, struct value v, struct members *m,
                            struct list_state *state)
{
    bool is_known = part_is_known(m);
    if (!is_known && !part_is_typed(m))
        return false;
    struct slice role = slice_text(part_is_assistants(m) ? "assistant" : r->role);
    if (!r->to->is_begun || !slice_equal(r->to->role, role))
        draft_begin(r->to, role, SLICE_EMPTY);
    content_part_take(r, v, m);
    state->known += is_known;
    state->raw += !is_known;
    return true;
}

/* {"type":"message","role":"assistant","content":[..]} of the Responses API: calls before and
 * after it are items of their own, but one message to every other dialect. */
static bool item_message_take(struct reading *r, struct members *m)
{
    struct value type = members_peek(m, "type");
    struct value role = members_peek(m, "role");
    if (type.type != VALUE_STRING || !slice_is(type.bytes, "message") ||
        role.type != VALUE_STRING || !slice_is(role.bytes, "assistant") ||
        !value_is_array(members_peek(m, "content")))
        return false;
    if (!r->to->is_begun || !slice_is(r->to->role, "assistant"))
        draft_begin(r->to, slice_text("assistant"), SLICE_EMPTY);
    parts_take(r, members_take(m, "content"), false);
    return true;
}

static bool element_take(struct reading *r, struct value v, struct list_state *state)
{
    struct members m;
    if (v.type == VALUE_NONE)
        return true;
    if (value_is_array(v)) {
        draft_end(r->to);
        if (r->unwrapped >= UNWRAP_MAX)
            return false;
        r->unwrapped++;
        bool taken = tuple_take(r, v);
        state->messages += taken;
        taken = taken || list_take(r, v, state);
        r->unwrapped--;
        return taken;
    }
    if (value_is_text(v)) {
        if (r->unwrapped == 0)
            return false;
        text_message(r, v);
        state->messages++;
        return true;
    }
    if (!members_of(v, &r->c->arena, &m))
        return false;
    if (item_message_take(r, &m) || message_take(r, &m)) {
        state->messages++;
        return true;
    }
    return loose_part_take(r, v, &m, state);
}

/* False: it is no list of messages, or malformed; then what was written must go. */
static bool list_take(struct reading *r, struct value list, struct list_state *state)
{
    struct items it = items_of(list);
    struct value v;
    while (items_next(&it, &v)) {
        if (!element_take(r, v, state))
            return false;
    }
    draft_end(r->to);
    bool is_messages = state->messages > 0 || state->known > 0 || state->raw == 0;
    return is_messages && !it.failed && json_next(&it.j) == JSON_END;
}

/* A list, a message, or (in the place of a list) a text. */
static bool inner_take(struct reading *r, struct value v)
{
    struct list_state state = {0};
    struct members m;
    if (value_is_array(v))
        return list_take(r, v, &state);
    if (value_is_text(v)) {
        if (!value_is_empty(v))
            text_message(r, v);
        return true;
    }
    if (!members_of(v, &r->c->arena, &m))
        return false;
    if (message_take(r, &m))
        return true;
    return loose_part_take(r, v, &m, &state) && (draft_end(r->to), state.known > 0);
}

/* ---- requests and responses ---- */

static bool wrapper_take(struct reading *r, struct members *m);

/* The one message after `before` is one of those before. */
static bool is_said_before(const struct message_list *l, uint32_t before)
{
    bool is_said = false;
    for (uint32_t i = 0; i < before && l->count == before + 1; i++)
        is_said |= slice_equal(message_list_body(l, i), message_list_body(l, before));
    return is_said;
}

/* System instructions beside the messages: a text, parts, or {"parts"}. */
static void system_take(struct reading *r, struct value v)
{
    struct reading system = {
        .c = r->c, .to = &r->c->system, .role = "system", .unwrapped = UNWRAP_MAX - 1};
    uint32_t before = system.to->count;
    struct members m;
    if (members_of(v, &r->c->arena, &m) && members_has(&m, "parts"))
        v = members_peek(&m, "parts"); /* Gemini's has the role "user", or none */
    if (!inner_take(&system, v) || is_said_before(system.to, before))
        message_list_cut(system.to, before);
}

/* What stands beside the messages of a request. */
static void beside_take(struct reading *r, struct members *m)
{
    struct members config;
    struct value v = members_take_any(m, KEYS("system", "systemInstruction", "system_instruction",
                                              "instructions", "system_prompt", "preamble"));
    if (!value_is_empty(v))
        system_take(r, v);
    v = members_take_any(m, KEYS("tools", "functions"));
    if (!value_is_empty(v))
        (void)tools_take(r->c, v);
    if (members_of(members_peek(m, "toolConfig"), &r->c->arena, &config)) /* Bedrock */
        (void)tools_take(r->c, members_peek(&config, "tools"));
    if (members_of(members_peek(m, "config"), &r->c->arena, &config)) { /* Gemini's SDKs */
        v = members_take_any(&config, KEYS("systemInstruction", "system_instruction"));
        if (!value_is_empty(v))
            system_take(r, v);
        (void)tools_take(r->c, members_peek(&config, "tools"));
    }
}

/* The members that hold messages, in the order they are tried; WEAK ones may hold anything, and
 * do so alone. */
struct wrapper {
    const char *key;
    bool is_weak;
};
static const struct wrapper wrappers[] = {
    {"messages", false},    {"contents", false}, {"choices", false}, {"candidates", false},
    {"generations", false}, {"output", true},    {"input", true},    {"outputs", true},
    {"inputs", true},       {"response", true},  {"result", true},   {"prompt", true},
    {"completion", true},   {"value", true},     {"content", true},  {"text", true},
    {"body", true},         {"items", false},    {"replies", false},
};
#define WRAPPER_COUNT (sizeof wrappers / sizeof wrappers[0])

/* Is a text in a weak wrapper what was said? Beside it stands what only requests and responses
 * have, or nothing at all: but what a model wrote may be such JSON. */
static bool is_wrapped_text(const struct reading *r, const struct members *m, const char *key)
{
    if (members_has_any(m, KEYS("model", "instructions", "system", "done", "stop_reason")))
        return true;
    return m->count == 1 && (r->unwraps_any || !r->is_output || strcmp(key, "outputs") == 0);
}

/* Messages inside a weak wrapper are messages; a text is one only when nothing else is there. */
static bool weak_take(struct reading *r, struct members *m, const char *key, struct value v)
{
    struct members inner;
    if (value_is_text(v))
        return is_wrapped_text(r, m, key) && inner_take(r, v);
    if (value_is_array(v))
        return inner_take(r, v);
    return members_of(v, &r->c->arena, &inner) &&
           (message_take(r, &inner) || wrapper_take(r, &inner));
}

/* True when one of the members holds messages; what was used is marked. */
static bool wrapper_take(struct reading *r, struct members *m)
{
    if (r->unwrapped >= UNWRAP_MAX)
        return false;
    uint32_t before = r->to->count;
    bool taken = false;
    r->unwrapped++;
    for (size_t i = 0; i < WRAPPER_COUNT && !taken; i++) {
        struct value v = members_peek(m, wrappers[i].key);
        if (v.type == VALUE_NONE)
            continue;
        if (wrappers[i].is_weak)
            taken = weak_take(r, m, wrappers[i].key, v);
        else
            taken = value_is_array(v) && inner_take(r, v);
        if (taken)
            (void)members_take(m, wrappers[i].key);
        else
            message_list_cut(r->to, before);
    }
    r->unwrapped--;
    if (taken && r->is_winner && !r->is_output)
        beside_take(r, m);
    if (taken && r->is_output)
        finish_reason_set(r->c,
                          members_take_any(m, KEYS("stop_reason", "stopReason", "finish_reason",
                                                   "finishReason", "done_reason")));
    return taken;
}

/* ---- the value ---- */

bool payload_messages(struct reading *r, struct value v, struct slice *ret_rest)
{
    uint32_t before = r->to->count;
    struct list_state state = {0};
    struct members m;
    bool taken = false;
    *ret_rest = SLICE_EMPTY;
    if (value_is_array(v)) {
        taken = list_take(r, v, &state);
    } else if (members_of(v, &r->c->arena, &m)) {
        taken = message_take(r, &m) || wrapper_take(r, &m) ||
                (loose_part_take(r, v, &m, &state) && state.known > 0);
        draft_end(r->to);
        if (taken && state.known == 0)
            *ret_rest = members_rest(&m, &r->c->arena);
    }
    if (!taken)
        message_list_cut(r->to, before);
    return taken;
}

/* A text that is a string in quotes without them; anything else as it is. */
static struct value unquote(struct reading *r, struct value v)
{
    struct value quoted = value_as_json(v, true);
    struct json j = json_over(quoted.type == VALUE_JSON ? quoted.bytes : SLICE_EMPTY);
    if (json_next(&j) != JSON_STRING)
        return v;
    struct slice text = json_string(&j, &r->c->arena);
    return json_next(&j) == JSON_END ? value_of_text(text) : v;
}

/* Traceloop's decorators: {"args":["Hello"],"kwargs":{}} is "Hello". */
static bool arguments_open(struct members *m, struct value *ret)
{
    struct value args = members_peek(m, "args");
    struct value kwargs = members_peek(m, "kwargs");
    if (!value_is_array(args) || !value_is_object(kwargs))
        return false;
    if (!value_is_empty(kwargs)) {
        *ret = kwargs;
        return value_is_empty(args);
    }
    struct items it = items_of(args);
    struct value second;
    if (!items_next(&it, ret))
        *ret = VALUE_NOTHING;
    return !items_next(&it, &second);
}

/* LangWatch: {"type":"chat_messages","value":[..]}. */
static bool typed_open(struct reading *r, struct members *m, struct value *ret)
{
    struct value type = members_peek(m, "type");
    if (!value_is_text(type) || !members_has(m, "value"))
        return false;
    struct slice name = value_text(type, &r->c->arena);
    *ret = members_peek(m, "value");
    return slice_is(name, "text") || slice_is(name, "chat_messages") || slice_is(name, "json") ||
           slice_is(name, "raw") || slice_is(name, "list");
}

/* OpenLLMetry's callbacks of LangChain: {"inputs":V,"tags":[..],"metadata":{..},"kwargs":{..}}
 * and {"outputs":V,"kwargs":{..}}. */
static bool callback_open(struct reading *r, struct members *m, struct value *ret,
                          struct slice *ret_rest)
{
    if (!members_has_any(m, KEYS("kwargs", "tags")))
        return false;
    struct value v = members_take_any(m, KEYS("inputs", "input_str", "outputs", "output"));
    if (v.type == VALUE_NONE)
        return false;
    *ret = v;
    *ret_rest = members_rest(m, &r->c->arena);
    return true;
}

static bool envelope_open(struct reading *r, struct value v, enum payload_form form,
                          struct value *ret, struct slice *ret_rest)
{
    struct members m;
    if (!members_of(v, &r->c->arena, &m))
        return false;
    return (m.count == 2 && (arguments_open(&m, ret) || typed_open(r, &m, ret))) ||
           (form == FORM_ENCODED && callback_open(r, &m, ret, ret_rest));
}

struct value payload_open(struct reading *r, struct value v, enum payload_form form,
                          struct slice *ret_rest)
{
    *ret_rest = SLICE_EMPTY;
    if (form == FORM_TEXT)
        return v;
    if (form == FORM_ENCODED)
        v = unquote(r, v);
    struct value inner;
    return envelope_open(r, value_as_json(v, false), form, &inner, ret_rest) ? inner : v;
}

bool payload_take(struct reading *r, struct value v, enum payload_form form, struct slice *ret_rest)
{
    uint32_t before = r->to->count;
    struct slice inner_rest;
    v = payload_open(r, v, form, ret_rest);
    if (form != FORM_TEXT && payload_messages(r, value_as_json(v, false), &inner_rest)) {
        /* Of an envelope around a request the settings of the request count more. */
        *ret_rest = inner_rest.size != 0 ? inner_rest : *ret_rest;
        return r->to->count > before;
    }
    struct slice text = value_text(v, &r->c->arena);
    if (text.size == 0)
        return false;
    text_message(r, value_is_text(v) ? v : value_of_text(text));
    return true;
}
