/*
 * content_message.c - one message of any dialect.
 *
 * Place:   content_payload.c -> [here] -> content_part.c, content_write.c
 * Shapes:  {"role","parts"} (semconv, Gemini, Pydantic AI), {"role","content"} with "tool_calls"
 *          (OpenAI), blocks (Anthropic, Bedrock, LlamaIndex) or items (Responses API); LangChain's
 *          serialised classes, {"type":"human", "data"} and {"type":"ai","content"}; choices,
 *          candidates and generations around one of these; Cohere's {"role","message"}.
 */
#include "server/dialect/content_internal.h"

#define ROLE_BYTES_MAX 64u
#define KEYS(...)      ((const char *const[]){__VA_ARGS__, NULL})

struct role_spelling {
    const char *spelling;
    const char *ours;
};

static const struct role_spelling role_spellings[] = {
#define ROLE(spelling, ours) {spelling, ours},
#include "server/dialect/content_shape.def"
};
#define ROLE_COUNT (sizeof role_spellings / sizeof role_spellings[0])

static const char *role_find(struct slice role)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (slice_equal_nocase(role, role_spellings[i].spelling))
            return role_spellings[i].ours;
    }
    return NULL;
}

bool role_is_known(struct slice role)
{
    return role_find(role) != NULL;
}

struct slice role_canonical(struct slice role)
{
    const char *ours = role_find(role);
    if (ours != NULL)
        return slice_text(ours);
    bool is_word = role.size <= ROLE_BYTES_MAX;
    for (size_t i = 0; i < role.size && is_word; i++)
        is_word = role.data[i] > ' ' && role.data[i] < 0x7f;
    return is_word ? role : SLICE_EMPTY;
}

/* ---- what surrounds a message ---- */

static struct slice text_of(struct reading *r, struct value v)
{
    return value_is_text(v) ? value_text(v, &r->c->arena) : SLICE_EMPTY;
}

/* ["langchain_core","messages","HumanMessage"] -> the last. */
static struct slice class_of(struct reading *r, const struct members *m)
{
    struct items it = items_of(members_peek(m, "id"));
    struct value item;
    struct slice last = SLICE_EMPTY;
    while (items_next(&it, &item))
        last = text_of(r, item);
    return last;
}

/* LangChain's two ways of writing a class: *inner is the message's members, the role its class. */
static bool langchain_unwrap(struct reading *r, struct members *m, struct members *inner,
                             struct slice *ret_role)
{
    struct value kwargs = members_peek(m, "kwargs");
    struct value data = members_peek(m, "data");
    struct slice type = text_of(r, members_peek(m, "type"));
    if (value_is_object(kwargs) && members_of(kwargs, &r->c->arena, inner)) {
        *ret_role = class_of(r, m);
        return role_is_known(*ret_role) || members_has(inner, "role");
    }
    *ret_role = type;
    return value_is_object(data) && role_is_known(type) && members_of(data, &r->c->arena, inner);
}

/* A finish reason hides in a few places beside a message. */
static void finish_take(struct reading *r, struct members *m)
{
    static const char *const keys[] = {"finish_reason", "finishReason", "stop_reason",
                                       "stopReason",    "done_reason",  NULL};
    static const char *const around[] = {"response_metadata", "generation_info", NULL};
    if (!r->is_output)
        return;
    struct value found = members_take_any(m, keys);
    for (const char *const *key = around; found.type == VALUE_NONE && *key != NULL; key++) {
        struct members inner;
        if (members_of(members_peek(m, *key), &r->c->arena, &inner))
            found = members_take_any(&inner, keys);
    }
    finish_reason_set(r->c, found);
}

/* ---- the message itself ---- */

static const char *const content_keys[] = {"content",
                                           "parts",
                                           "tool_calls",
                                           "toolCalls",
                                           "function_call",
                                           "blocks",
                                           "reasoning_content",
                                           "message",
                                           "message.content",
                                           "refusal",
                                           "reasoning",
                                           "text",
                                           NULL};

static struct slice role_of(struct reading *r, struct members *m, struct slice hint)
{
    struct slice role = text_of(r, members_take_any(m, KEYS("role", "message.role")));
    if (role.size != 0)
        return role_canonical(role);
    if (hint.size != 0)
        return role_canonical(hint);
    struct slice type = text_of(r, members_peek(m, "type"));
    if (role_is_known(type)) {
        (void)members_take(m, "type");
        return role_canonical(type);
    }
    struct slice kind = text_of(r, members_peek(m, "kind")); /* Pydantic AI before semconv */
    bool is_request = slice_is(kind, "request");
    if (!members_has(m, "parts") || (!is_request && !slice_is(kind, "response")))
        return SLICE_EMPTY;
    return slice_text(is_request ? "user" : "assistant");
}

static void calls_take(struct reading *r, struct value calls)
{
    struct items it = items_of(value_as_json(calls, false));
    struct value item;
    struct members m;
    while (items_next(&it, &item)) {
        if (members_of(item, &r->c->arena, &m))
            call_take(r, item, &m);
    }
}

/* OpenAI's tool_calls and the older function_call; LangChain keeps the first also in
 * additional_kwargs. */
static void tool_calls_take(struct reading *r, struct members *m, bool has_calls)
{
    struct members extra;
    struct members call;
    struct value calls = members_take_any(m, KEYS("tool_calls", "toolCalls", "message.tool_calls"));
    struct value single = members_take(m, "function_call");
    if (members_of(members_take(m, "additional_kwargs"), &r->c->arena, &extra)) {
        if (value_is_empty(calls))
            calls = members_peek(&extra, "tool_calls");
        if (value_is_empty(calls) && single.type == VALUE_NONE)
            single = members_peek(&extra, "function_call");
    }
    if (has_calls)
        return;
    if (!value_is_empty(calls))
        calls_take(r, calls);
    else if (members_of(single, &r->c->arena, &call))
        call_take(r, single, &call);
}

/* The answer of a tool as a message: OpenAI, LangChain. */
static void tool_message_take(struct reading *r, struct members *m, struct value content)
{
    struct value id = members_take_any(m, KEYS("tool_call_id", "toolCallId", "call_id", "id"));
    struct value name = members_take(m, "name");
    struct value status = members_take(m, "status");
    bool is_error = status.type == VALUE_STRING && slice_is(status.bytes, "error");
    draft_response(r->to, id, name, content_unwrap(r, content), is_error);
}

/* Content of a tool message that is a list of results (Vercel) is read as parts. */
static bool holds_responses(struct reading *r, struct value content)
{
    struct items it = items_of(content);
    struct value item;
    struct members m;
    return items_next(&it, &item) && members_of(item, &r->c->arena, &m) && part_is_response(&m);
}

void message_take_as(struct reading *r, struct members *m, struct slice role)
{
    struct value content =
        members_take_any(m, KEYS("parts", "content", "blocks", "message", "message.content"));
    struct value reasoning =
        members_take_any(m, KEYS("reasoning_content", "reasoning", "thinking", "tool_plan"));
    struct value refusal = members_take(m, "refusal");
    struct slice own = role_of(r, m, role);
    role = own.size != 0 ? own : role;
    bool is_tool = slice_is(role, "tool");
    bool is_answer = is_tool && !members_has(m, "parts") && !holds_responses(r, content);
    if (content.type == VALUE_NONE)
        content = members_take(m, "text");
    draft_begin(r->to, role, is_tool ? SLICE_EMPTY : text_of(r, members_take(m, "name")));
    if (is_answer) {
        tool_message_take(r, m, content);
    } else {
        if (value_is_text(reasoning))
            draft_reasoning(r->to, reasoning);
        parts_take(r, content, r->is_encoded);
        if (value_is_text(refusal))
            draft_typed(r->to, "refusal", refusal);
        tool_calls_take(r, m, r->to->call_count > 0);
    }
    draft_end(r->to);
    finish_take(r, m);
}

/* {"message":{...},"finish_reason"} of choices and generations,
 * {"content":{"parts"},"finishReason"} of candidates, {"text", "finish_reason"} of completions. */
static bool choice_take(struct reading *r, struct members *m)
{
    struct members inner;
    const char *key = value_is_object(members_peek(m, "message")) ? "message" : "content";
    bool taken = false;
    if (r->unwrapped < UNWRAP_MAX && members_of(members_peek(m, key), &r->c->arena, &inner)) {
        r->unwrapped++;
        taken = message_take(r, &inner);
        r->unwrapped--;
    } else if (value_is_text(members_peek(m, "text")) &&
               members_has_any(m, KEYS("finish_reason", "generation_info", "logprobs"))) {
        draft_begin(r->to, slice_text(r->role), SLICE_EMPTY);
        draft_text(r->to, members_peek(m, "text"), VALUE_NOTHING);
        draft_end(r->to);
        taken = true;
        key = "text";
    }
    if (taken) {
        (void)members_take(m, key);
        (void)members_take(m, "index");
        finish_take(r, m);
    }
    return taken;
}

bool message_take(struct reading *r, struct members *m)
{
    struct members inner;
    struct slice hint = SLICE_EMPTY;
    if (langchain_unwrap(r, m, &inner, &hint)) {
        (void)members_take_any(m, KEYS("kwargs", "data"));
        (void)members_take(m, "lc");
        (void)members_take(m, "id");
        (void)members_take(m, "type");
        m = &inner;
    } else {
        hint = SLICE_EMPTY;
        if (!members_has_any(m, KEYS("role", "message.role")) && choice_take(r, m))
            return true;
    }
    if (!members_has_any(m, content_keys))
        return false;
    hint = role_of(r, m, hint);
    if (hint.size == 0)
        return false;
    message_take_as(r, m, hint);
    return true;
}
