/*
 * message_read.h - role, text and tool calls of a message body, whatever shape it has.
 *
 * Shapes:  {"role","parts":[{"type":"text","content"},{"type":"tool_call","id","name","arguments"},{"type":"tool_call_response","id",
 *          "response"|"result"}, ...]} (GenAI semantic conventions), {"role","content":"..."|[{"type":"text","text"},{"type":"tool_use",
 *          "id","name","input"},{"type":"tool_result",...}],"tool_calls":[{"id","function":{"name","arguments"}}],"tool_call_id"}
 *          (OpenAI, Anthropic chat logs). Anything else: role unknown, text is the body.
 */
#ifndef DRIFTLINE_ENRICH_MESSAGE_READ_H
#define DRIFTLINE_ENRICH_MESSAGE_READ_H

#include "engine/base/memory.h"

#define MESSAGE_CALLS_MAX 128u

enum message_role { ROLE_OTHER, ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct tool_call {
    struct slice id;
    struct slice name;
    struct slice arguments; /* JSON text (unescaped when it was a string) */
};

struct message_reading {
    enum message_role role;
    struct slice text;      /* text parts joined by '\n'; of tool messages their result */
    struct tool_call calls[MESSAGE_CALLS_MAX];
    uint32_t call_count;
    struct slice tool_call_id; /* of a tool result */
};

/* Strings live in the arena or in body. False: not JSON (then text is the body, role ROLE_OTHER). */
bool message_read(struct slice body, struct arena *arena, struct message_reading *ret);

/* A tool definition, flat {name,parameters}, nested {function:{name,parameters}}, or with input_schema / inputSchema. False: none. */
struct tool_definition {
    struct slice name;
    struct slice schema; /* JSON text; empty: no parameters were declared */
};
bool tool_definition_read(struct slice body, struct arena *arena, struct tool_definition *ret);

#endif
