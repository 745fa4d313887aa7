/*
 * import_chat.c - chat logs to traces: what happened becomes spans, what was said becomes messages.
 *
 * A conversation is one trace in one session: an agent span at the root, an llm span for each assistant message (its
 * input is the whole history before it) and a tool span for each tool result, below the llm span that asked for it.
 *
 * Ids:   hashes of the session's name and the messages, so the same file again is all duplicates.
 * Times: the log's where it has some. Otherwise made up, always the same way: a conversation a minute, tokens
 *        by the byte, latency by the token.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "tools/chat.h"
#include "tools/import.h"

#define BYTES_PER_TOKEN     4
#define CONVERSATION_PAUSE  (60 * NS_PER_S) /* from start to start */
#define TTFT_BASE_NS        (250 * NS_PER_MS)
#define TTFT_PER_TOKEN_NS   (20 * NS_PER_US)
#define OUTPUT_PER_TOKEN_NS (15 * NS_PER_MS)
#define TOOL_BASE_NS        (60 * NS_PER_MS)
#define TOOL_PER_BYTE_NS    (30 * NS_PER_US)
#define USER_BASE_NS        (3 * NS_PER_S)
#define USER_PER_BYTE_NS    (40 * NS_PER_MS)
#define SESSION_BYTES_MAX   512

struct chat_import {
    struct import *im;
    struct input *in;
    struct fill_column *columns[128]; /* by id */
    struct fill_column *reward;
    struct chat chat;
    uint64_t conversations; /* seen so far */
    uint64_t line;          /* of the conversation under way */
    size_t line_at;         /* up to where lines were counted */
    struct buffer refs;
    uint64_t generation; /* of the message set that holds the first `added` messages */
    uint32_t added;
    char session[SESSION_BYTES_MAX];
    struct id128 trace_id;
};

/* ---- columns ---- */

static const uint16_t column_ids[] = {
    SPANS_time,       SPANS_trace_id,    SPANS_span_id,
    SPANS_parent_id,  SPANS_session,     SPANS_user_id,
    SPANS_service,    SPANS_name,        SPANS_kind,
    SPANS_model,      SPANS_status,      SPANS_finish_reason,
    SPANS_latency_ms, SPANS_ttft_ms,     SPANS_tokens_in,
    SPANS_tokens_out, SPANS_tool_name,   SPANS_tool_call_id,
    SPANS_tool_args,  SPANS_tool_result, SPANS_tool_result_empty,
    SPANS_input,      SPANS_output,      SPANS_attributes,
};

static enum status columns_add(struct chat_import *c, struct error *reterr)
{
    for (size_t i = 0; i < sizeof column_ids / sizeof column_ids[0]; i++) {
        struct cell_target target = {
            .column = table_column(TABLE_SPANS, column_ids[i]), .numerator = 1, .denominator = 1};
        uint32_t index;
        enum status s = fill_column_add(&c->im->fill, &target, &index, reterr);
        if (s < 0)
            return s;
        c->columns[column_ids[i]] = c->im->fill.columns[index];
    }
    struct cell_target target;
    uint32_t index;
    enum status s =
        cell_target_find(&c->im->schema, TABLE_SPANS, slice_text("score.reward"), &target, reterr);
    if (s >= 0)
        s = fill_column_add(&c->im->fill, &target, &index, reterr);
    if (s >= 0)
        c->reward = c->im->fill.columns[index];
    return s;
}

static void set_i64(struct chat_import *c, uint16_t id, int64_t value)
{
    fill_i64(&c->im->fill, c->columns[id], value);
}

/* The empty text is left NULL. Too long a text is cut: it stands whole in the message. */
static void set_text(struct chat_import *c, uint16_t id, struct slice text)
{
    size_t limit =
        c->columns[id]->target.column->storage == STORAGE_STR ? STR_BYTES_MAX : TEXT_BYTES_MAX;
    if (text.size > limit)
        text.size = limit;
    enum status s = fill_text(&c->im->fill, c->columns[id], text, NULL);
    ASSERT(s == STATUS_OK);
}

static void set_name(struct chat_import *c, uint16_t id, const char *text)
{
    set_text(c, id, slice_text(text));
}

static void set_span_id(struct chat_import *c, uint16_t id, uint64_t value)
{
    struct fill_column *column = c->columns[id];
    column->id64[c->im->fill.rows] = value;
    column->valid[c->im->fill.rows] = 1;
}

/* Messages first to first + count - 1 of the conversation. */
static void set_messages(struct chat_import *c, uint16_t id, uint32_t first, uint32_t count)
{
    struct message_set *set = &c->im->messages;
    if (c->generation != set->generation) {
        c->generation = set->generation;
        c->added = 0;
    }
    for (; c->added < first + count; c->added++)
        message_set_add_message(set, &c->chat.messages[c->added].message);
    buffer_reset(&c->refs);
    for (uint32_t i = first; i < first + count; i++)
        buffer_add(&c->refs, c->chat.messages[i].message.address.bytes, sizeof(struct id128));
    fill_refs(&c->im->fill, c->columns[id], buffer_slice(&c->refs));
}

/* ---- ids and names ---- */

static struct id128 trace_id_make(const struct chat_import *c)
{
    struct buffer text = {0};
    buffer_add_text(&text, "driftline chat trace ");
    buffer_add_text(&text, c->session);
    buffer_add_byte(&text, 0);
    for (uint32_t i = 0; i < c->chat.count; i++)
        buffer_add(&text, c->chat.messages[i].message.address.bytes, sizeof(struct id128));
    struct id128 id = hash128(buffer_slice(&text));
    buffer_deinit(&text);
    return id;
}

/* index 0: the root; else the message's number from 1. */
static uint64_t span_id_make(const struct chat_import *c, uint32_t index)
{
    uint8_t bytes[sizeof c->trace_id.bytes + sizeof index];
    memcpy(bytes, c->trace_id.bytes, sizeof c->trace_id.bytes);
    memcpy(bytes + sizeof c->trace_id.bytes, &index, sizeof index);
    uint64_t id = hash64(slice_of(bytes, sizeof bytes));
    return id != 0 ? id : 1;
}

/* "/data/support.json" -> "support". */
static struct slice file_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strchr(name, '.');
    return slice_of(name, dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name));
}

static void session_name(struct chat_import *c)
{
    struct slice stem = file_stem(c->in->name);
    const char *prefix = c->im->session_prefix;
    if (c->chat.id.size != 0 && prefix == NULL)
        (void)snprintf(c->session, sizeof c->session, "%.*s", SLICE_ARG(c->chat.id));
    else if (c->chat.id.size != 0)
        (void)snprintf(c->session, sizeof c->session, "%s-%.*s", prefix, SLICE_ARG(c->chat.id));
    else if (prefix != NULL)
        (void)snprintf(c->session, sizeof c->session, "%s-%llu", prefix,
                       (unsigned long long)c->conversations);
    else
        (void)snprintf(c->session, sizeof c->session, "%.*s-%llu", SLICE_ARG(stem),
                       (unsigned long long)c->conversations);
}

/* ---- time line ---- */

struct moment {
    int64_t start_ns;
    int64_t latency_ns;
    int64_t ttft_ns;
};

static int64_t tokens_of(size_t bytes)
{
    return ((int64_t)bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
}

/* When message i happened, given when the one before was over; *now_ns moves to its end. */
static struct moment moment_of(const struct chat_message *m, bool is_first, int64_t tokens_in,
                               int64_t *now_ns)
{
    struct moment at = {.start_ns = *now_ns};
    int64_t bytes = (int64_t)m->message.body.size;
    switch (m->role) {
    case CHAT_ASSISTANT:
        at.ttft_ns = TTFT_BASE_NS + tokens_in * TTFT_PER_TOKEN_NS;
        at.latency_ns = at.ttft_ns + tokens_of(m->message.body.size) * OUTPUT_PER_TOKEN_NS;
        break;
    case CHAT_TOOL:
        at.latency_ns = TOOL_BASE_NS + bytes * TOOL_PER_BYTE_NS;
        break;
    case CHAT_OTHER:
        at.latency_ns = is_first ? 0 : USER_BASE_NS + bytes * USER_PER_BYTE_NS;
        break;
    }
    if (m->time_ns != 0) {
        at.latency_ns = m->time_ns > at.start_ns ? m->time_ns - at.start_ns : 0;
        at.ttft_ns = 0; /* made up is not measured */
    }
    *now_ns = at.start_ns + at.latency_ns;
    return at;
}

/* ---- spans ---- */

static void span_begin(struct chat_import *c, const char *kind, const char *name, uint64_t span_id,
                       uint64_t parent_id, struct moment at)
{
    struct fill *f = &c->im->fill;
    fill_row_nulls(f);
    set_i64(c, SPANS_time, at.start_ns);
    set_i64(c, SPANS_latency_ms, at.latency_ns);
    c->columns[SPANS_trace_id]->id128[f->rows] = c->trace_id;
    c->columns[SPANS_trace_id]->valid[f->rows] = 1;
    set_span_id(c, SPANS_span_id, span_id);
    if (parent_id != 0)
        set_span_id(c, SPANS_parent_id, parent_id);
    set_name(c, SPANS_session, c->session);
    set_name(c, SPANS_kind, kind);
    set_name(c, SPANS_name, name);
    set_name(c, SPANS_status, "ok");
    set_text(c, SPANS_user_id, c->chat.user_id);
    if (c->im->service != NULL)
        set_name(c, SPANS_service, c->im->service);
}

static enum status span_end(struct chat_import *c, struct error *reterr)
{
    return import_row(c->im, c->in->name, c->line, reterr);
}

static enum status root_span(struct chat_import *c, uint64_t root_id, struct moment at,
                             struct error *reterr)
{
    const struct chat *chat = &c->chat;
    span_begin(c, "agent", "conversation", root_id, 0, at);
    uint32_t before = 0;
    while (before < chat->count && chat->messages[before].role != CHAT_ASSISTANT)
        before++;
    set_messages(c, SPANS_input, 0, before);
    for (uint32_t i = chat->count; i > before; i--) {
        if (chat->messages[i - 1].role == CHAT_ASSISTANT) {
            set_messages(c, SPANS_output, i - 1, 1);
            break;
        }
    }
    set_text(c, SPANS_attributes, chat->attributes);
    if (chat->has_reward) {
        c->reward->f64[c->im->fill.rows] = chat->reward;
        c->reward->valid[c->im->fill.rows] = 1;
    }
    return span_end(c, reterr);
}

static enum status llm_span(struct chat_import *c, uint32_t index, uint64_t root_id,
                            int64_t tokens_in, struct moment at, struct error *reterr)
{
    const struct chat_message *m = &c->chat.messages[index];
    struct slice model = m->model.size != 0 ? m->model : c->chat.model;
    span_begin(c, "llm", "chat", span_id_make(c, index + 1), root_id, at);
    if (model.size != 0)
        set_text(c, SPANS_model, model);
    else if (c->im->model != NULL)
        set_name(c, SPANS_model, c->im->model);
    if (at.ttft_ns != 0)
        set_i64(c, SPANS_ttft_ms, at.ttft_ns);
    set_i64(c, SPANS_tokens_in, tokens_in);
    set_i64(c, SPANS_tokens_out, tokens_of(m->message.body.size));
    if (m->finish_reason.size != 0)
        set_text(c, SPANS_finish_reason, m->finish_reason);
    else
        set_name(c, SPANS_finish_reason, m->calls != NULL ? "tool_calls" : "stop");
    set_messages(c, SPANS_input, 0, index);
    set_messages(c, SPANS_output, index, 1);
    return span_end(c, reterr);
}

static const struct chat_call *call_named(const struct chat_message *caller,
                                          const struct chat_message *result)
{
    for (const struct chat_call *call = caller->calls; call != NULL; call = call->next) {
        bool same = result->tool_call_id.size != 0 ? slice_equal(call->id, result->tool_call_id)
                                                   : slice_equal(call->name, result->name);
        if (same)
            return call;
    }
    return NULL;
}

/* The call a tool result answers, and who made it: by id or name among all calls before it, else by its place among
 * the results behind the last message that made calls. */
static const struct chat_call *call_find(const struct chat *chat, uint32_t index,
                                         uint32_t *ret_caller)
{
    const struct chat_message *result = &chat->messages[index];
    for (uint32_t i = index; i > 0; i--) {
        const struct chat_call *call = call_named(&chat->messages[i - 1], result);
        *ret_caller = i - 1;
        if (call != NULL)
            return call;
    }
    uint32_t place = 0;
    for (uint32_t i = index; i > 0; i--) {
        const struct chat_call *call = chat->messages[i - 1].calls;
        *ret_caller = i - 1;
        if (call != NULL) {
            while (call != NULL && place-- > 0)
                call = call->next;
            return call;
        }
        place += chat->messages[i - 1].role == CHAT_TOOL;
    }
    return NULL;
}

/* Nothing, null, or an empty list or object. */
static bool result_is_empty(struct slice text)
{
    size_t begin = 0;
    size_t end = text.size;
    while (begin < end && memchr(" \t\r\n", text.data[begin], 4) != NULL)
        begin++;
    while (end > begin && memchr(" \t\r\n", text.data[end - 1], 4) != NULL)
        end--;
    struct slice core = slice_of(text.data + begin, end - begin);
    return core.size == 0 || slice_is(core, "[]") || slice_is(core, "{}") ||
           slice_is(core, "null") || slice_is(core, "\"\"");
}

static enum status tool_span(struct chat_import *c, uint32_t index, uint64_t root_id,
                             struct moment at, struct error *reterr)
{
    const struct chat_message *m = &c->chat.messages[index];
    uint32_t caller = 0;
    const struct chat_call *call = call_find(&c->chat, index, &caller);
    uint64_t parent_id = call != NULL ? span_id_make(c, caller + 1) : root_id;
    struct slice name = m->name.size == 0 && call != NULL ? call->name : m->name;
    span_begin(c, "tool", "execute_tool", span_id_make(c, index + 1), parent_id, at);
    set_text(c, SPANS_tool_name, name);
    set_text(c, SPANS_tool_call_id, m->tool_call_id);
    if (call != NULL)
        set_text(c, SPANS_tool_args, call->arguments);
    set_text(c, SPANS_tool_result, m->content);
    set_i64(c, SPANS_tool_result_empty, result_is_empty(m->content));
    return span_end(c, reterr);
}

static enum status message_spans(struct chat_import *c, uint64_t root_id, int64_t start_ns,
                                 struct error *reterr)
{
    const struct chat *chat = &c->chat;
    int64_t now_ns = start_ns;
    size_t history_bytes = 2; /* brackets */
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < chat->count && s >= 0; i++) {
        const struct chat_message *m = &chat->messages[i];
        int64_t tokens_in = tokens_of(history_bytes);
        struct moment at = moment_of(m, i == 0, tokens_in, &now_ns);
        if (m->role == CHAT_ASSISTANT)
            s = llm_span(c, i, root_id, tokens_in, at, reterr);
        else if (m->role == CHAT_TOOL)
            s = tool_span(c, i, root_id, at, reterr);
        history_bytes += m->message.body.size + 1;
    }
    return s;
}

static enum status conversation_spans(struct chat_import *c, struct error *reterr)
{
    const struct chat *chat = &c->chat;
    int64_t start_ns = chat->time_ns != 0 ? chat->time_ns : chat->messages[0].time_ns;
    if (start_ns == 0)
        start_ns = c->im->start_ns + (int64_t)(c->conversations - 1) * CONVERSATION_PAUSE;
    session_name(c);
    c->trace_id = trace_id_make(c);
    c->added = 0;
    uint64_t root_id = span_id_make(c, 0);
    int64_t end_ns = start_ns;
    size_t history_bytes = 2;
    for (uint32_t i = 0; i < chat->count; i++) {
        (void)moment_of(&chat->messages[i], i == 0, tokens_of(history_bytes), &end_ns);
        history_bytes += chat->messages[i].message.body.size + 1;
    }
    struct moment whole = {.start_ns = start_ns, .latency_ns = end_ns - start_ns};
    enum status s = root_span(c, root_id, whole, reterr);
    return s < 0 ? s : message_spans(c, root_id, start_ns, reterr);
}

/* ---- the file ---- */

/* Line and column, from 1, of a byte of the input. */
static void place_of(struct chat_import *c, size_t at, uint64_t *ret_line, uint64_t *ret_column)
{
    const uint8_t *data = c->in->data;
    for (; c->line_at < at; c->line_at++)
        c->line += data[c->line_at] == '\n';
    size_t column = 1;
    while (at > 0 && data[at - 1] != '\n') {
        at--;
        column++;
    }
    *ret_line = c->line;
    *ret_column = column;
}

/* value: one conversation, well-formed JSON. */
static enum status conversation_take(struct chat_import *c, struct slice value,
                                     struct error *reterr)
{
    struct error error = {.position = 0};
    size_t start = (size_t)(value.data - c->in->data);
    uint64_t line, column;
    c->conversations++;
    enum status s = chat_parse(value, &c->chat, &error);
    place_of(c, start, &line, &column);
    if (s >= 0)
        return conversation_spans(c, reterr);
    size_t place = start + (error.position > 0 ? (size_t)error.position : 0);
    place_of(c, place, &line, &column);
    return import_reject(c->im, c->in->name, line, column, SLICE_EMPTY, error.text, reterr);
}

static enum status not_json(struct chat_import *c, const struct json *j, size_t base,
                            struct error *reterr)
{
    uint64_t line, column;
    place_of(c, base + j->start, &line, &column);
    return error_set(reterr, STATUS_INVALID, "%s:%llu:%llu: not JSON: %s", c->in->name,
                     (unsigned long long)line, (unsigned long long)column,
                     j->reason != NULL ? j->reason : "a value is missing");
}

/* The items of an array of conversations. */
static enum status array_take(struct chat_import *c, struct json *j, size_t base,
                              struct error *reterr)
{
    enum json_token t;
    while ((t = json_next(j)) != JSON_ARRAY_END) {
        struct slice value = t < 0 ? SLICE_EMPTY : json_skip(j, t);
        if (value.size == 0)
            return not_json(c, j, base, reterr);
        enum status s = conversation_take(c, value, reterr);
        if (s < 0)
            return s;
        c->in->at = base + j->at; /* for progress */
    }
    return STATUS_OK;
}

/* One value after another: NDJSON, or a single array or object. */
static enum status values_take(struct chat_import *c, struct error *reterr)
{
    struct input *in = c->in;
    for (;;) {
        while (in->at < in->end && memchr(" \t\r\n", in->data[in->at], 4) != NULL)
            in->at++;
        if (in->at == in->end)
            return STATUS_OK;
        size_t base = in->at;
        struct slice rest = input_window(in);
        struct json j = json_over(rest);
        enum json_token t = json_next(&j);
        enum status s;
        if (t == JSON_ARRAY_BEGIN && !chat_is_messages(rest)) {
            s = array_take(c, &j, base, reterr);
        } else {
            struct slice value = t < 0 ? SLICE_EMPTY : json_skip(&j, t);
            if (value.size == 0)
                return not_json(c, &j, base, reterr);
            s = conversation_take(c, value, reterr);
        }
        if (s < 0)
            return s;
        in->at = base + j.at;
    }
}

enum status import_chat(struct import *im, struct input *in, struct error *reterr)
{
    struct chat_import c = {.im = im, .in = in, .line = 1};
    enum status s = columns_add(&c, reterr);
    if (s >= 0)
        s = input_all(in, reterr);
    if (s >= 0 && in->end - in->at >= 3 && memcmp(in->data + in->at, "\xef\xbb\xbf", 3) == 0)
        in->at += 3;
    if (s >= 0)
        s = values_take(&c, reterr);
    if (s >= 0)
        s = import_flush(im, reterr);
    chat_deinit(&c.chat);
    buffer_deinit(&c.refs);
    return s;
}
