/*
 * chat.h - one conversation of a chat log, read and ready to become a trace.
 */
#ifndef DRIFTLINE_TOOLS_CHAT_H
#define DRIFTLINE_TOOLS_CHAT_H

#include "engine/base/limits.h"
#include "engine/span/batch.h"

enum chat_role {
    CHAT_OTHER, /* system, user, developer, ... */
    CHAT_ASSISTANT,
    CHAT_TOOL,
};

/* A call an assistant message asks for. */
struct chat_call {
    struct slice id;
    struct slice name;
    struct slice arguments;
    struct chat_call *next;
};

struct chat_message {
    struct message message; /* body as JSON.stringify writes it */
    enum chat_role role;
    struct slice content; /* of a tool: the text, or the JSON when it is none */
    struct slice name;
    struct slice tool_call_id;
    struct slice finish_reason;
    struct slice model;
    struct chat_call *calls;
    int64_t time_ns; /* 0: unknown */
};

/* Memory is the arena's. */
struct chat {
    struct arena arena;
    struct chat_message *messages;
    size_t messages_capacity;
    uint32_t count;
    struct slice id;         /* empty: none */
    struct slice user_id;    /* empty: none */
    struct slice model;      /* empty: none */
    struct slice attributes; /* other scalar members, a JSON object; empty: none */
    int64_t time_ns;         /* 0: unknown */
    bool has_reward;
    double reward;
    struct buffer text;
};

void chat_deinit(struct chat *c);
/* value: a JSON array of messages or an object that holds one as "messages", "traj" or "conversation". STATUS_INVALID
 * with the position in value. */
MUST_CHECK enum status chat_parse(struct slice value, struct chat *c, struct error *reterr);
/* True when the JSON array is one of messages, not of conversations: its first item is an object with a role. */
bool chat_is_messages(struct slice array);

#endif
