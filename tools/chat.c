/*
 * chat.c - reads a conversation.
 *
 * Shapes:  {"messages":[...]}, a bare array of messages, and {"task_id","reward","info","traj":[...]} as agent
 *          benchmarks write it. Messages are OpenAI's: role, content, tool_calls (or the older function_call),
 *          tool_call_id, name. Times may stand on the conversation or its messages.
 */
#include "tools/chat.h"

#include "engine/base/clock.h"
#include "engine/base/decimal.h"
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/base/stringify.h"

#define MS_SINCE_1970_LEAST                                                                        \
    100000000000LL /* larger numbers are ms: as seconds they lie beyond the year 5000 */

void chat_deinit(struct chat *c)
{
    arena_deinit(&c->arena);
    mem_free(c->messages);
    buffer_deinit(&c->text);
    *c = (struct chat){0};
}

static void chat_reset(struct chat *c)
{
    struct chat empty = {.arena = c->arena,
                         .messages = c->messages,
                         .messages_capacity = c->messages_capacity,
                         .text = c->text};
    arena_reset(&empty.arena);
    buffer_reset(&empty.text);
    *c = empty;
}

/* ---- scalars ---- */

/* A string, or the text of a number; empty for anything else. The value is skipped. */
static struct slice take_text(struct chat *c, struct json *j, enum json_token t)
{
    struct slice text = SLICE_EMPTY;
    if (t == JSON_STRING)
        text = json_string(j, &c->arena);
    else if (t == JSON_NUMBER)
        text = j->raw;
    (void)json_skip(j, t);
    return text;
}

/* RFC 3339, or seconds or milliseconds since 1970. 0: neither. */
static int64_t take_time(struct chat *c, struct json *j, enum json_token t)
{
    struct slice text = take_text(c, j, t);
    int64_t time_ns = 0;
    int64_t ms = 0;
    if (time_from_text(text, &time_ns))
        return time_ns;
    if (decimal_to_int(text, 1, 1, &ms) <= DECIMAL_ROUNDED && ms >= MS_SINCE_1970_LEAST)
        return decimal_to_int(text, NS_PER_MS, 1, &time_ns) <= DECIMAL_ROUNDED ? time_ns : 0;
    return decimal_to_int(text, NS_PER_S, 1, &time_ns) <= DECIMAL_ROUNDED ? time_ns : 0;
}

static bool is_time_key(struct slice key)
{
    return slice_is(key, "timestamp") || slice_is(key, "created_at") || slice_is(key, "created") ||
           slice_is(key, "time");
}

/* ---- messages ---- */

/* The members of {"name","arguments"}; arguments may be text or JSON. */
static void take_function(struct chat *c, struct json *j, struct chat_call *call)
{
    enum json_token t;
    while ((t = json_next(j)) == JSON_KEY) {
        struct slice key = json_string(j, &c->arena);
        t = json_next(j);
        if (slice_is(key, "name"))
            call->name = take_text(c, j, t);
        else if (slice_is(key, "arguments") && t != JSON_STRING)
            call->arguments = json_skip(j, t);
        else if (slice_is(key, "arguments"))
            call->arguments = take_text(c, j, t);
        else
            (void)json_skip(j, t);
    }
}

static struct chat_call *call_add(struct chat *c, struct chat_message *m)
{
    struct chat_call *call = ARENA_NEW(&c->arena, struct chat_call);
    struct chat_call **link = &m->calls;
    *call = (struct chat_call){.id = SLICE_EMPTY, .name = SLICE_EMPTY, .arguments = SLICE_EMPTY};
    while (*link != NULL)
        link = &(*link)->next;
    *link = call;
    return call;
}

static void take_call(struct chat *c, struct json *j, struct chat_call *call)
{
    enum json_token t;
    while ((t = json_next(j)) == JSON_KEY) {
        struct slice key = json_string(j, &c->arena);
        t = json_next(j);
        if (slice_is(key, "id"))
            call->id = take_text(c, j, t);
        else if (slice_is(key, "function") && t == JSON_OBJECT_BEGIN)
            take_function(c, j, call);
        else
            (void)json_skip(j, t);
    }
}

static void take_calls(struct chat *c, struct json *j, struct chat_message *m)
{
    enum json_token t;
    while ((t = json_next(j)) > JSON_END && t != JSON_ARRAY_END) {
        if (t == JSON_OBJECT_BEGIN)
            take_call(c, j, call_add(c, m));
        else
            (void)json_skip(j, t);
    }
}

static enum chat_role role_from_name(struct slice name)
{
    if (slice_is(name, "assistant") || slice_is(name, "model") || slice_is(name, "ai"))
        return CHAT_ASSISTANT;
    return slice_is(name, "tool") || slice_is(name, "function") ? CHAT_TOOL : CHAT_OTHER;
}

static void take_member(struct chat *c, struct json *j, struct slice key, struct chat_message *m,
                        bool *has_role)
{
    enum json_token t = json_next(j);
    if (slice_is(key, "role")) {
        m->role = role_from_name(take_text(c, j, t));
        *has_role = true;
    } else if (slice_is(key, "content")) {
        if (t == JSON_STRING)
            m->content = take_text(c, j, t);
        else if (t != JSON_NULL)
            m->content = json_skip(j, t);
    } else if (slice_is(key, "name")) {
        m->name = take_text(c, j, t);
    } else if (slice_is(key, "tool_call_id")) {
        m->tool_call_id = take_text(c, j, t);
    } else if (slice_is(key, "finish_reason")) {
        m->finish_reason = take_text(c, j, t);
    } else if (slice_is(key, "model")) {
        m->model = take_text(c, j, t);
    } else if (slice_is(key, "tool_calls") && t == JSON_ARRAY_BEGIN) {
        take_calls(c, j, m);
    } else if (slice_is(key, "function_call") && t == JSON_OBJECT_BEGIN) {
        take_function(c, j, call_add(c, m));
    } else if (is_time_key(key)) {
        m->time_ns = take_time(c, j, t);
    } else {
        (void)json_skip(j, t);
    }
}

/* value: one message, well-formed or not. */
static enum status message_parse(struct chat *c, struct slice value, struct chat_message *ret,
                                 struct error *reterr)
{
    buffer_reset(&c->text);
    enum status s = stringify(value, &c->text, reterr);
    if (s < 0)
        return s;
    if (c->text.size > MESSAGE_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "a message of %zu bytes; at most %u are allowed",
                         c->text.size, MESSAGE_BYTES_MAX);
    struct slice body = arena_copy(&c->arena, buffer_slice(&c->text));
    *ret = (struct chat_message){.message = {.address = hash128(body), .body = body},
                                 .content = SLICE_EMPTY,
                                 .name = SLICE_EMPTY,
                                 .tool_call_id = SLICE_EMPTY,
                                 .finish_reason = SLICE_EMPTY,
                                 .model = SLICE_EMPTY};
    struct json j = json_over(body);
    bool has_role = false;
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return error_set(reterr, STATUS_INVALID, "a message must be an object with a role");
    while (json_next(&j) == JSON_KEY)
        take_member(c, &j, json_string(&j, &c->arena), ret, &has_role);
    if (!has_role)
        return error_set(reterr, STATUS_INVALID, "a message has no role");
    return STATUS_OK;
}

/* j stands behind the array's begin. */
static enum status messages_parse(struct chat *c, struct json *j, struct error *reterr)
{
    enum json_token t;
    while ((t = json_next(j)) != JSON_ARRAY_END) {
        if (t < 0)
            return json_error(j, "messages", reterr);
        int64_t start = (int64_t)j->start;
        struct slice value = json_skip(j, t);
        if (value.size == 0)
            return json_error(j, "messages", reterr);
        if (c->count >= MESSAGE_REFS_MAX)
            return error_set_at(reterr, STATUS_LIMIT, start, "more than %u messages",
                                MESSAGE_REFS_MAX);
        c->messages =
            mem_grow(c->messages, &c->messages_capacity, (size_t)c->count + 1, sizeof *c->messages);
        enum status s = message_parse(c, value, &c->messages[c->count], reterr);
        if (s < 0) {
            error_prefix(reterr, "message %u", c->count + 1);
            if (reterr != NULL)
                reterr->position = start;
            return s;
        }
        c->count++;
    }
    return STATUS_OK;
}

/* ---- conversations ---- */

static void keep_attribute(struct buffer *to, struct slice raw_key, struct slice value)
{
    buffer_add_text(to, to->size == 0 ? "{\"" : ",\"");
    buffer_add_slice(to, raw_key);
    buffer_add_text(to, "\":");
    buffer_add_slice(to, value);
}

static bool is_scalar(enum json_token t)
{
    return t == JSON_STRING || t == JSON_NUMBER || t == JSON_TRUE || t == JSON_FALSE;
}

static enum status take_conversation_member(struct chat *c, struct json *j, struct slice raw_key,
                                            struct slice key, struct buffer *attributes,
                                            bool *has_messages, struct error *reterr)
{
    enum json_token t = json_next(j);
    if (slice_is(key, "messages") || slice_is(key, "traj") || slice_is(key, "conversation")) {
        if (t != JSON_ARRAY_BEGIN)
            return error_set_at(reterr, STATUS_INVALID, (int64_t)j->start,
                                "%.*s: expected an array of messages", SLICE_ARG(key));
        *has_messages = true;
        return messages_parse(c, j, reterr);
    }
    if (slice_is(key, "session_id") || slice_is(key, "session") ||
        slice_is(key, "conversation_id") || slice_is(key, "id")) {
        c->id = take_text(c, j, t);
    } else if (slice_is(key, "user_id") || slice_is(key, "user")) {
        c->user_id = take_text(c, j, t);
    } else if (slice_is(key, "model")) {
        c->model = take_text(c, j, t);
    } else if (is_time_key(key)) {
        c->time_ns = take_time(c, j, t);
    } else if (slice_is(key, "reward") && t == JSON_NUMBER) {
        c->reward = json_double(j);
        c->has_reward = __builtin_isfinite(c->reward);
    } else {
        struct slice value = json_skip(j, t);
        if (is_scalar(t))
            keep_attribute(attributes, raw_key, value);
    }
    return STATUS_OK;
}

static enum status object_parse(struct chat *c, struct json *j, struct error *reterr)
{
    struct buffer attributes = {0};
    enum status s = STATUS_OK;
    bool has_messages = false;
    enum json_token t;
    while ((t = json_next(j)) == JSON_KEY && s >= 0) {
        struct slice raw_key = j->raw;
        struct slice key = json_string(j, &c->arena);
        s = take_conversation_member(c, j, raw_key, key, &attributes, &has_messages, reterr);
    }
    if (s >= 0 && t != JSON_OBJECT_END)
        s = json_error(j, "conversation", reterr);
    else if (s >= 0 && !has_messages)
        s = error_set_at(reterr, STATUS_INVALID, 0,
                         "a conversation must have \"messages\": an array of messages");
    if (s >= 0 && attributes.size != 0) {
        buffer_add_byte(&attributes, '}');
        c->attributes = arena_copy(&c->arena, buffer_slice(&attributes));
    }
    buffer_deinit(&attributes);
    return s;
}

enum status chat_parse(struct slice value, struct chat *c, struct error *reterr)
{
    struct json j = json_over(value);
    enum status s;
    chat_reset(c);
    c->id = c->user_id = c->model = c->attributes = SLICE_EMPTY;
    enum json_token t = json_next(&j);
    if (t == JSON_ARRAY_BEGIN)
        s = messages_parse(c, &j, reterr);
    else if (t == JSON_OBJECT_BEGIN)
        s = object_parse(c, &j, reterr);
    else
        s = error_set_at(reterr, STATUS_INVALID, 0,
                         "expected a conversation: an object with messages, or an array of them");
    if (s >= 0 && c->count == 0)
        s = error_set_at(reterr, STATUS_INVALID, 0, "the conversation is empty");
    return s;
}

bool chat_is_messages(struct slice array)
{
    struct json j = json_over(array);
    struct arena arena = {0};
    bool found = false;
    uint32_t depth = 2; /* members of the first item */
    enum json_token t = json_next(&j);
    if (t == JSON_ARRAY_BEGIN && json_next(&j) == JSON_OBJECT_BEGIN) {
        while (!found && (t = json_next(&j)) > JSON_END && j.depth >= depth) {
            if (t == JSON_KEY && j.depth == depth)
                found = slice_is(json_string(&j, &arena), "role");
        }
    }
    arena_deinit(&arena);
    return found;
}
