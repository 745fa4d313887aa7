/*
 * content.h - what was said: messages, tool calls, tool results, retrieved documents and tool
 * definitions of a span, whatever dialect they came in.
 *
 * Place:     server/codec -> mapper.c -> [here] -> cells of the current row and a message set
 * Data:      content.def is the table of sources: a field <- ordered attribute keys.
 * Form:      a message is {"role":R,"parts":[...]} with a fixed order of members, written as
 *            JSON.stringify would, so that the same message is the same bytes from every SDK:
 *                {"type":"text","content":TEXT}
 *                {"type":"reasoning","content":TEXT}
 *                {"type":"tool_call","id":ID,"name":NAME,"arguments":JSON, else the string}
 *                {"type":"tool_call_response","id":ID,"response":JSON or string}
 *                any other part as it came
 *            A tool's result is a message of its own (role "tool"). Members without a value are
 *            left out.
 * Failure:   none: a value that can't be read is kept as the text it is, what is over a limit is
 *            cut and reported.
 * Threads:   a struct content belongs to one thread.
 */
#ifndef DRIFTLINE_DIALECT_CONTENT_H
#define DRIFTLINE_DIALECT_CONTENT_H

#include "engine/span/batch.h"
#include "engine/span/message_set.h"
#include "server/codec/otlp.h"

/* What an attribute or event may become. */
enum content_field {
    CONTENT_NONE, /* nothing: it stays in `attributes` */
    CONTENT_INPUT,
    CONTENT_OUTPUT,
    CONTENT_SYSTEM, /* the first message of input */
    CONTENT_TOOLS,
    CONTENT_TOOL_ARGS,
    CONTENT_TOOL_RESULT,
    CONTENT_RETRIEVED,
    CONTENT_FIELD_COUNT
};
/* "input", "output", "input" (of SYSTEM), "tools", ...; NULL for NONE. */
const char *content_field_column(enum content_field field);

/*
 * Sources have numbers from 1. A key is claimed by an exact source ("gen_ai.input.messages") or by
 * a prefix that ends in a dot with a digit behind it ("llm.input_messages." + "0.message.role", but
 * not "gen_ai.prompt." + "name"). What is claimed may still stay unused, because a better source
 * won. A source with an empty key claims nothing.
 */
struct content_source {
    const char *key;
    bool is_prefix;
};
uint16_t content_source_count(void);
/* number: 1 to content_source_count(). */
const struct content_source *content_source_at(uint16_t number);
/* The source that claims a key, 0: none. It compares with every key: a table of the caller's own
 * is faster, see content_request.claims. */
uint16_t content_claim(struct slice key);

struct content;
struct content *content_create(void);
void content_destroy(struct content *c);
/* What it holds between spans; large spans are not kept. */
size_t content_memory(const struct content *c);

struct content_request {
    const struct otlp_span *span;
    /* Resolved: "llm", "tool", "retrieval", ... It decides what input.value and the like become. */
    struct slice kind;
    const uint16_t *claims; /* content_claim of every attribute; NULL: looked up here */
    uint32_t without;       /* bit 1 << field: leave that field alone (it has a value already) */
};

/* What stays of an attribute that became a column in part: {"messages":[...],"model":"m"} leaves
 * {"model":"m"}. It belongs into `attributes` under the attribute's key, as a JSON value. */
struct content_rest {
    uint32_t attribute;
    struct slice json;
};

struct content_result {
    /* enum content_field of every attribute and event of the span. */
    const uint8_t *attribute_fields;
    const uint8_t *event_fields;
    const struct content_rest *rests; /* ascending by attribute */
    uint32_t rest_count;
    /* Which attribute gave the field (its first, when indexed), or -1. For explanations. */
    int32_t winners[CONTENT_FIELD_COUNT];
    /* Found inside messages, choices or events, in its own spelling; empty: none. */
    struct slice finish_reason;
    int64_t first_token_ns;     /* time of the first-token event; 0: none */
    bool first_token_is_choice; /* it was gen_ai.choice, which not every client sends that early */
    uint32_t input_count;       /* messages referred to */
    uint32_t output_count;
    uint32_t tool_count;
    uint32_t cut; /* bit 1 << field: a limit cut it (MESSAGE_BYTES_MAX, MESSAGE_REFS_MAX, ...) */
    size_t bytes; /* of text put into cells and messages, about */
};

/*
 * Fills input, output, tools, tool_args, tool_result, tool_result_empty, retrieved,
 * retrieved_count and retrieved_top_score of the row begun last and adds the messages they refer
 * to. What *ret points to is valid until the next call or until the span's memory goes.
 */
void content_span(struct content *c, const struct content_request *request, struct builder *row,
                  struct message_set *messages, struct content_result *ret);
/*
 * The same for a log record that carries messages (gen_ai.user.message, gen_ai.choice,
 * gen_ai.client.inference.operation.details, ...): its attributes and body. event_fields has one
 * entry: the body.
 */
void content_log(struct content *c, const struct otlp_log *log, struct builder *row,
                 struct message_set *messages, struct content_result *ret);

#endif
