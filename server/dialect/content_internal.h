/*
 * content_internal.h - what the files of content_*.c share.
 *
 *     content.c           which source gives which field
 *     content_take.c      one source into its field
 *     content_cells.c     cells of the row
 *     content_source.c    the table of sources
 *     content_read.c      JSON text -> values and members
 *     content_write.c     messages in their one form
 *     content_part.c      one part of a message, by type or shape
 *     content_message.c   one message, by shape
 *     content_payload.c   the value of an attribute: lists, requests, responses, texts
 *     content_indexed.c   llm.input_messages.N.* and the like
 *     content_event.c     gen_ai.user.message and the like
 *     content_tool.c      tool definitions, arguments, results
 *     content_document.c  retrieved documents
 *
 * Values: struct value of otlp.h. From JSON, VALUE_STRING is a string without escapes, VALUE_JSON
 *         the text of anything else (a string with escapes keeps its quotes), VALUE_NONE null.
 */
#ifndef DRIFTLINE_DIALECT_CONTENT_INTERNAL_H
#define DRIFTLINE_DIALECT_CONTENT_INTERNAL_H

#include "engine/base/intern.h"
#include "engine/base/json.h"
#include "engine/base/limits.h"
#include "server/dialect/content.h"

/* ---- content_read.c ---- */

#define VALUE_NOTHING ((struct value){.type = VALUE_NONE, .bytes = SLICE_EMPTY})

#define MEMBERS_MAX 64u /* an object with more is none that we know */

struct member {
    struct slice key;
    struct value value;
    bool used;
};

struct members {
    struct member items[MEMBERS_MAX];
    uint32_t count;
    bool overflow;
};

/* The value whose first token was just returned. False: malformed. */
bool value_read(struct json *j, enum json_token first, struct value *ret);
/* The object whose JSON_OBJECT_BEGIN was just returned. False: malformed. */
bool members_read(struct json *j, struct arena *arena, struct members *ret);
/* The same for a value that is the text of an object, or of nothing else. */
bool members_of(struct value v, struct arena *arena, struct members *ret);
/* The member's value, marked as used; VALUE_NONE when it is null or not there. */
struct value members_take(struct members *m, const char *key);
/* The first of the keys, which end with NULL, that has a value. */
struct value members_take_any(struct members *m, const char *const *keys);
struct value members_peek(const struct members *m, const char *key);
bool members_has(const struct members *m, const char *key);
bool members_has_any(const struct members *m, const char *const *keys);
/* The members nobody used, as an object in the arena; empty: none. */
struct slice members_rest(const struct members *m, struct arena *arena);

/* A JSON array one value at a time; what is no array has no items. */
struct items {
    struct json j;
    bool failed;
};
struct items items_of(struct value v);
bool items_next(struct items *it, struct value *ret);

bool value_is_object(struct value v);
bool value_is_array(struct value v);
/* A string, quoted or not. */
bool value_is_text(struct value v);
/* Nothing, "", [], {} or white space. */
bool value_is_empty(struct value v);
/* Any value as plain text: of strings their content, of others their JSON. */
struct slice value_text(struct value v, struct arena *arena);
bool value_number(struct value v, double *ret);
struct value value_of_text(struct slice text);
/* The text of an attribute that holds JSON ({, [, or a quoted string when `quoted`), else the
 * value as it is. Checks the first byte only. */
struct value value_as_json(struct value v, bool quoted);
struct slice slice_trim(struct slice text);
bool slice_equal_nocase(struct slice a, const char *b);

/* ---- content_write.c ---- */

/* Messages on their way into a message set. Zero is empty. */
struct message_list {
    struct buffer bodies; /* one behind the other */
    size_t *ends;         /* of each */
    size_t capacity;
    uint32_t count;
    bool cut; /* a limit was met */
    struct arena *arena;
    /* The message being written. */
    struct slice role;
    struct slice name;
    size_t start;
    uint32_t part_count;
    uint32_t call_count; /* calls written since draft_begin */
    bool is_begun;       /* between draft_begin and draft_end */
    bool is_open;        /* its first bytes are written */
    bool was_split;
};
void message_list_deinit(struct message_list *l);
void message_list_reset(struct message_list *l, struct arena *arena);
struct slice message_list_body(const struct message_list *l, uint32_t index);
/* Forgets what came after `count` messages. */
void message_list_cut(struct message_list *l, uint32_t count);
/* A body of role system. */
bool message_is_system(struct slice body);
/* Appends a finished body. */
void message_list_add(struct message_list *l, struct slice body);

/* role in our spelling. Ends a message that was begun. */
void draft_begin(struct message_list *l, struct slice role, struct slice name);
/* A message without parts is one too, unless its parts became messages of their own. */
void draft_end(struct message_list *l);
void draft_text(struct message_list *l, struct value text, struct value annotations);
void draft_reasoning(struct message_list *l, struct value text);
void draft_call(struct message_list *l, struct value id, struct value name, struct value arguments);
/* A message of its own. */
void draft_response(struct message_list *l, struct value id, struct value name,
                    struct value response, bool is_error);
/* {"type":TYPE,"content":TEXT} */
void draft_typed(struct message_list *l, const char *type, struct value text);
/* An object as it came. */
void draft_raw(struct message_list *l, struct value part);

/* Any value as a JSON string; as JSON (strings are not looked into); as JSON after looking into
 * strings. */
void put_string(struct buffer *to, struct value v);
void put_value(struct buffer *to, struct value v);
void put_parsed(struct buffer *to, struct value v, struct arena *arena);
/* JSON text in our form; false: it is none, and nothing was written. */
bool put_json(struct buffer *to, struct slice text);
/* Appends `,"key":`, or `"key":` behind a brace. */
void put_key(struct buffer *to, const char *key);

/* ---- content_part.c, content_message.c ---- */

/* Where messages go and who speaks when nobody says so. */
struct reading {
    struct content *c;
    struct message_list *to;
    const char *role;
    bool is_output;     /* finish reasons count */
    bool is_winner;     /* not read just to compare: what surrounds the messages counts too */
    bool is_encoded;    /* a text may hold the JSON of parts */
    bool unwraps_any;   /* {"output":X} is X; not for what a model wrote, which may be such JSON */
    uint32_t unwrapped; /* levels of wrapping around a message, bounded */
};
#define UNWRAP_MAX 6u

/* What kind of part it is, writing nothing. */
bool part_is_known(const struct members *m);
bool part_is_typed(const struct members *m);
bool part_is_response(const struct members *m);
/* A call, reasoning or refusal: the assistant's, whoever the list says speaks. */
bool part_is_assistants(const struct members *m);
/* One part into the message begun: in our form when it is known, else as it came. */
void content_part_take(struct reading *r, struct value v, struct members *m);
/* The same for what is a tool call by its place. */
void call_take(struct reading *r, struct value v, struct members *m);
/* Content of a message: a string, an array of parts, one part. In `encoded` content a string may
 * hold the JSON of parts. */
void parts_take(struct reading *r, struct value content, bool encoded);
/* Content of a tool's answer that is a single block of text or JSON: what is in it. */
struct value content_unwrap(struct reading *r, struct value v);

/* Our spelling of a role, the role itself when it is none we know; empty: no role (too long, or
 * no text). */
struct slice role_canonical(struct slice role);
bool role_is_known(struct slice role);
/* Writes a message of any dialect. False: it is none, nothing was written. */
bool message_take(struct reading *r, struct members *m);
/* The same for what is a message by its place; role: whose, when it doesn't say. */
void message_take_as(struct reading *r, struct members *m, struct slice role);

/* ---- content_payload.c ---- */

enum payload_form {
    FORM_PLAIN,   /* JSON or the text itself */
    FORM_ENCODED, /* JSON always: a string stands in quotes */
    FORM_TEXT     /* text, whatever it looks like */
};
/*
 * Appends the messages of an attribute's value to r->to; system messages and tool definitions found
 * around them go to their lists. *ret_rest: what stays. False: the value is nothing (null, empty
 * text, no messages).
 */
bool payload_take(struct reading *r, struct value v, enum payload_form form,
                  struct slice *ret_rest);
/* The value without quotes and envelopes ({"args":[V],"kwargs":{}}, {"type":"json","value":V},
 * {"inputs":V,"tags":[..]}); *ret_rest: what else was in the envelope. */
struct value payload_open(struct reading *r, struct value v, enum payload_form form,
                          struct slice *ret_rest);
/* Messages only: false and nothing written when it is no list of messages, message, request or
 * response. */
bool payload_messages(struct reading *r, struct value v, struct slice *ret_rest);
/* The last one counts. */
void finish_reason_set(struct content *c, struct value v);

/* ---- content_tool.c ---- */

/* An array of definitions, an object around one, or a single definition. Returns how many were
 * added. */
uint32_t tools_take(struct content *c, struct value v);
/* One definition of its parts; 0: without a name it is none. */
uint32_t tool_add(struct content *c, struct value name, struct value description,
                  struct value schema);
/* Arguments and results as text of a cell, in the arena or borrowed. */
struct slice arguments_text(struct content *c, struct value v, enum payload_form form,
                            struct slice *ret_rest);
struct slice result_text(struct content *c, struct value v, enum payload_form form,
                         bool *ret_is_empty, struct slice *ret_rest);
/* {"type":"object","properties":...}: the schema of arguments, not arguments. */
bool looks_like_schema(struct content *c, struct value v);

/* ---- content_document.c ---- */

struct documents {
    struct buffer json; /* "[{...},{...}", not closed */
    uint32_t count;
    double top_score; /* NAN: none had a score */
    bool cut;
};
void documents_reset(struct documents *d);
/* An array of documents, or an object around one (the rest of which stays). False: it is neither,
 * nothing was added. */
bool documents_take(struct content *c, struct value v, enum payload_form form,
                    struct slice *ret_rest);
struct document {
    struct value id;
    struct value score;
    struct value distance;
    struct value content;
    struct value metadata;
};
/* rest: further members, a JSON object or empty. */
void document_add(struct documents *d, const struct document *doc, struct slice rest);

/* ---- content_source.c ---- */

/* Generic fields: what the value is depends on the kind of the span. */
enum source_field {
    SOURCE_IN,  /* input; of tool spans the arguments */
    SOURCE_OUT, /* output; of tool spans the result, of retrievals the documents when it is some */
    SOURCE_INPUT,
    SOURCE_OUTPUT,
    SOURCE_SYSTEM,
    SOURCE_TOOLS,
    SOURCE_TOOL_ARGS,
    SOURCE_TOOL_RESULT,
    SOURCE_RETRIEVED,
};
enum source_form {
    SOURCE_PLAIN,
    SOURCE_ENCODED,
    SOURCE_TEXT,
    SOURCE_TEXTS,
    SOURCE_MESSAGES_N,
    SOURCE_TOOLS_N,
    SOURCE_DOCUMENTS_N,
    SOURCE_TEXTS_N,
    SOURCE_ANSWER,
    SOURCE_EVENT_LIST,
    SOURCE_EVENTS,
};
struct source {
    enum source_field field;
    enum source_form form;
    struct content_source key;
    size_t key_bytes;
};
#define SOURCE(field, form, match, key) +1
enum {
    SOURCE_COUNT = 0
#include "server/dialect/content.def"
};
#undef SOURCE
const struct source *source_at(uint16_t number);
bool source_claims(const struct source *s, struct slice key);

/* ---- content_indexed.c ---- */

/* One attribute of an indexed source: its key is prefix, index, dot, tail. */
struct indexed {
    uint32_t index;
    uint32_t attribute;
    struct slice tail;
    uint32_t group; /* of the tail, as the reader of the family sorts them; zero at first */
    uint32_t sub;
    uint32_t member;
    bool used; /* set by the readers: the tail was understood */
};
/* Each sorts the entries. True: something was added. */
bool indexed_messages(struct reading *r, struct indexed *entries, uint32_t count);
bool indexed_tools(struct content *c, struct indexed *entries, uint32_t count);
bool indexed_documents(struct content *c, struct indexed *entries, uint32_t count);
bool indexed_texts(struct reading *r, struct indexed *entries, uint32_t count);
/* Splits "12.rest" at the dot. False: no number, or one of more than 6 digits. */
bool index_split(struct slice text, uint32_t *ret_index, struct slice *ret_tail);

/* ---- content_event.c ---- */

/* One event or log record as messages. wanted: bits 1 << field. Returns the bits it filled. */
uint32_t event_take(struct content *c, struct slice name, struct attributes attributes,
                    struct value body, uint32_t wanted);
bool event_is_message(struct slice name);
/* What an attribute of such an event became when it filled these fields. */
enum content_field event_attribute_field(struct slice name, struct slice key, uint32_t filled);
/* The events of the span under way; marks those it used. Returns the fields filled, as bits. */
uint32_t events_take(struct content *c, uint32_t wanted);
/* The same for a span of a tool: arguments and result. */
uint32_t tool_events_take(struct content *c, uint32_t wanted);
/* An array of events as the value of an attribute (Logfire). */
uint32_t event_list_take(struct content *c, struct value list, uint32_t wanted);
/* First token, and the results of vector databases when `wanted`. True: there were results. */
bool events_scan(struct content *c, bool wants_documents);

/* ---- content.c ---- */

#define SOURCE_WORDS ((SOURCE_COUNT + 31) / 32)
#define FIELD_BIT(f) (1u << (f))

struct content {
    struct arena arena; /* of the span under way */
    struct message_list input;
    struct message_list output;
    struct message_list system;
    struct message_list tools;
    struct message_list spare; /* of a source that lost, to see whether it says the same */
    struct documents documents;
    struct buffer scratch;
    struct buffer refs;
    struct intern keys; /* exact keys; code -> numbers[code] */
    uint16_t numbers[SOURCE_COUNT + 1];
    uint16_t prefixes[SOURCE_COUNT]; /* numbers of the sources that are one */
    uint32_t prefix_count;

    /* The span under way. */
    struct attributes attributes;
    const struct otlp_event *events;
    uint32_t event_count;
    struct slice kind;
    uint8_t *attribute_fields;
    uint8_t *event_fields;
    struct content_rest *rests;
    size_t rests_capacity;
    uint32_t first[SOURCE_COUNT + 1]; /* attribute index + 1 of each source */
    uint32_t present[SOURCE_WORDS];
    uint32_t *next;  /* attribute index + 1 of the next attribute of the same source */
    uint32_t filled; /* fields that have a value, as bits */
    uint32_t empty;  /* fields of which an empty value was seen */
    uint32_t without;
    struct slice tool_args;
    struct slice tool_result;
    bool tool_result_is_empty;
    struct content_result result;
};

/* The attribute became (part of) a field; rest: what stays of it, a JSON object or empty. */
void attribute_used(struct content *c, uint32_t attribute, enum content_field field,
                    struct slice rest);
void field_filled(struct content *c, enum content_field field, uint32_t attribute);

/* ---- content_take.c, content_cells.c ---- */

/* True: the source says something, and its attributes are used. */
bool source_take(struct content *c, uint16_t number, enum content_field field);
/* A source that lost: when it says the same as the winner, its attribute is used as well. */
void source_compare(struct content *c, uint16_t number, enum content_field field);
/* A retrieval's output is documents when it reads as some. */
bool documents_instead(struct content *c, const struct source *s, uint32_t attribute);
void cells_put(struct content *c, struct builder *row, struct message_set *messages);

#endif
