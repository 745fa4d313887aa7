/*
 * otlp_chat.h - recorded conversations as OTLP requests: one request a conversation, an agent span at its root, a chat span for each
 * assistant message with the whole history before it as gen_ai.input.messages, an execute_tool span for each tool result.
 */
#ifndef DRIFTLINE_BENCH_OTLP_CHAT_H
#define DRIFTLINE_BENCH_OTLP_CHAT_H

#include "bench/otlp_make.h"
#include "engine/base/json.h"
#include "tools/chat.h"

static inline void chat_span(struct buffer *scope, struct buffer *span, uint64_t n, uint64_t root,
                             const char *name)
{
    struct id128 trace = trace_id_of(root * OTLP_TRACE_SPANS);
    uint64_t id = __builtin_bswap64(span_id_of(n));
    uint64_t parent = __builtin_bswap64(span_id_of(root));
    struct buffer head = {0};
    pb_bytes(&head, 1, slice_of(trace.bytes, sizeof trace.bytes));
    pb_bytes(&head, 2, slice_of(&id, sizeof id));
    if (n != root)
        pb_bytes(&head, 4, slice_of(&parent, sizeof parent));
    pb_bytes(&head, 5, slice_text(name));
    pb_fixed64(&head, 7, (uint64_t)(OTLP_MAKE_START_NS + (int64_t)n * NS_PER_MS));
    pb_fixed64(&head, 8, (uint64_t)(OTLP_MAKE_START_NS + (int64_t)(n + 500) * NS_PER_MS));
    buffer_add_slice(&head, buffer_slice(span));
    buffer_reset(span);
    pb_message(scope, 2, &head);
    buffer_deinit(&head);
}

/* Appends the request of one conversation; *next_id counts spans over all of them. Returns its spans. */
static inline uint32_t otlp_chat_make(const struct chat *chat, uint64_t *next_id, struct buffer *to)
{
    struct buffer span = {0};
    struct buffer scope = {0};
    struct buffer history = {0};
    struct buffer one = {0};
    struct attribute_sink s = {.field = 9, .to = &span};
    uint64_t root = (*next_id)++;
    uint32_t spans = 1;
    attribute_text(&s, "gen_ai.operation.name", slice_text("invoke_agent"));
    attribute_name(&s, "gen_ai.conversation.id", "trajectory-", root);
    chat_span(&scope, &span, root, root, "invoke_agent");
    buffer_add_byte(&history, '[');
    for (uint32_t i = 0; i < chat->count; i++) {
        const struct chat_message *m = &chat->messages[i];
        if (m->role != CHAT_OTHER) {
            attribute_name(&s, "gen_ai.conversation.id", "trajectory-", root);
            attribute_text(&s, "gen_ai.operation.name",
                           slice_text(m->role == CHAT_TOOL ? "execute_tool" : "chat"));
        }
        if (m->role == CHAT_TOOL) {
            attribute_text(&s, "gen_ai.tool.name", m->name);
            attribute_text(&s, "gen_ai.tool.call.result", m->content);
            chat_span(&scope, &span, (*next_id)++, root, "execute_tool");
            spans++;
        } else if (m->role == CHAT_ASSISTANT) {
            attribute_text(&s, "gen_ai.request.model", slice_text("gpt-4o"));
            buffer_add_byte(&history, ']');
            attribute_text(&s, "gen_ai.input.messages", buffer_slice(&history));
            history.size--;
            buffer_reset(&one);
            buffer_add_byte(&one, '[');
            buffer_add_slice(&one, m->message.body);
            buffer_add_byte(&one, ']');
            attribute_text(&s, "gen_ai.output.messages", buffer_slice(&one));
            chat_span(&scope, &span, (*next_id)++, root, "chat gpt-4o");
            spans++;
        }
        if (history.size > 1)
            buffer_add_byte(&history, ',');
        buffer_add_slice(&history, m->message.body);
    }
    struct buffer resource = {0};
    struct attribute_sink r = {.field = 1, .to = &span};
    resource_make(&r);
    pb_message(&resource, 1, &span);
    pb_message(&resource, 2, &scope);
    pb_message(to, 1, &resource);
    buffer_deinit(&r.value);
    buffer_deinit(&r.pair);
    buffer_deinit(&s.value);
    buffer_deinit(&s.pair);
    buffer_deinit(&resource);
    buffer_deinit(&one);
    buffer_deinit(&history);
    buffer_deinit(&scope);
    buffer_deinit(&span);
    return spans;
}

#endif
