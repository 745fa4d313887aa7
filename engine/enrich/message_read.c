/*
 * message_read.c - role, text and tool calls of a message body, whatever shape it has.
 *
 * Place:     message bodies, tool definitions -> [here] -> scorers
 * How:       an object's members are gathered by meaning (message_field.def), whatever their order; then the message,
 *            part or call they make up is read. Reasoning is not part of the text: what a scorer says, it says of the
 *            answer.
 * Invariant: nothing is read that is not well-formed JSON as a whole. Of repeated members the last counts, as in
 *            JSON.parse.
 * Bounds:    objects are entered to NESTING_MAX, each level reads its bytes once more; MESSAGE_CALLS_MAX calls.
 * Threads:   none shared.
 */
#include "engine/enrich/message_read.h"

#include "engine/base/json.h"

/* message -> content -> part -> tool result -> content -> part. */
#define NESTING_MAX 6

enum field {
    FIELD_NONE,
    FIELD_ROLE,
    FIELD_TYPE,
    FIELD_TEXT,
    FIELD_CONTENT,
    FIELD_REFUSAL,
    FIELD_NAME,
    FIELD_ID,
    FIELD_CALL_ID,
    FIELD_ARGUMENTS,
    FIELD_RESULT,
    FIELD_CALLS,
    FIELD_CALL,
    FIELD_TOOL_RESULT,
    FIELD_INNER,
    FIELD_COUNT
};

static const struct {
    enum field field;
    uint8_t size;
    const char *name;
} field_names[] = {
#define FIELD(meaning, spelling) {FIELD_##meaning, sizeof spelling - 1, spelling},
#include "engine/enrich/message_field.def"
#undef FIELD
};

/* The members of one object, as written; empty: absent or null. */
struct members {
    struct slice values[FIELD_COUNT];
};

/* Pieces of text in order; most messages have one, which is then not copied. */
struct piece {
    struct piece *next;
    struct slice text;
};

struct reader {
    struct arena *arena;
    struct message_reading *message;
    struct piece *first;
    struct piece **last;
    size_t text_size;
    uint32_t piece_count;
    uint32_t result_count; /* parts that were tool results */
    uint32_t spoken_count; /* parts of the message itself that were none */
};

static enum field field_of(struct slice name)
{
    for (size_t i = 0; i < sizeof field_names / sizeof field_names[0]; i++) {
        if (field_names[i].size == name.size &&
            memcmp(field_names[i].name, name.data, name.size) == 0)
            return field_names[i].field;
    }
    return FIELD_NONE;
}

/* Reads the object whose BEGIN was just returned, to its end. False: it is damaged. */
static bool members_read(struct json *j, struct members *ret)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        ret->values[i] = SLICE_EMPTY;
    enum json_token t;
    while ((t = json_next(j)) == JSON_KEY) {
        enum field field = field_of(j->raw);
        enum json_token first = json_next(j);
        struct slice value = json_skip(j, first);
        if (value.size == 0)
            return false;
        ret->values[field] = first == JSON_NULL ? SLICE_EMPTY : value;
    }
    return t == JSON_OBJECT_END;
}

static uint8_t kind_of(struct slice value)
{
    return value.size == 0 ? 0 : value.data[0];
}

/* A string without its quotes and escapes; any other value as it is written. The value is known to be well-formed. */
static struct slice value_text(struct slice value, struct arena *arena)
{
    if (kind_of(value) != '"')
        return value;
    struct slice inner = slice_of(value.data + 1, value.size - 2);
    struct json j = {.raw = inner, .escaped = memchr(inner.data, '\\', inner.size) != NULL};
    return json_string(&j, arena);
}

static struct slice member_text(const struct members *m, enum field field, struct arena *arena)
{
    return value_text(m->values[field], arena);
}

static bool members_of(struct slice object, struct members *ret)
{
    struct json j = json_over(object);
    return kind_of(object) == '{' && json_next(&j) == JSON_OBJECT_BEGIN && members_read(&j, ret);
}

static enum message_role role_of(struct slice name)
{
    static const struct {
        const char *name;
        enum message_role role;
    } roles[] = {
        {"user", ROLE_USER},         {"assistant", ROLE_ASSISTANT},
        {"tool", ROLE_TOOL},         {"system", ROLE_SYSTEM},
        {"developer", ROLE_SYSTEM},  {"human", ROLE_USER},
        {"ai", ROLE_ASSISTANT},      {"model", ROLE_ASSISTANT},
        {"function", ROLE_TOOL},     {"function_call_output", ROLE_TOOL},
        {"bot", ROLE_ASSISTANT},     {"function_call", ROLE_ASSISTANT},
        {"HumanMessage", ROLE_USER}, {"AIMessage", ROLE_ASSISTANT},
        {"ToolMessage", ROLE_TOOL},  {"SystemMessage", ROLE_SYSTEM},
        {"tool_result", ROLE_TOOL},  {"environment", ROLE_TOOL},
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (slice_is(name, roles[i].name))
            return roles[i].role;
    }
    return ROLE_OTHER;
}

static bool is_reasoning(struct slice type)
{
    return slice_is(type, "reasoning") || slice_is(type, "thinking") ||
           slice_is(type, "redacted_thinking");
}

static bool is_result_type(struct slice type)
{
    return slice_is(type, "tool_call_response") || slice_is(type, "tool_result") ||
           slice_is(type, "tool-result") || slice_is(type, "function_call_output");
}

static bool is_call_type(struct slice type)
{
    return slice_is(type, "tool_call") || slice_is(type, "tool_use") ||
           slice_is(type, "tool-call") || slice_is(type, "function_call") ||
           slice_is(type, "function") || slice_is(type, "server_tool_use");
}

static void piece_add(struct reader *r, struct slice text)
{
    if (text.size == 0)
        return;
    struct piece *piece = ARENA_NEW(r->arena, struct piece);
    piece->text = text;
    *r->last = piece;
    r->last = &piece->next;
    r->text_size += text.size;
    r->piece_count++;
}

static struct slice pieces_joined(const struct reader *r)
{
    if (r->first == NULL)
        return SLICE_EMPTY;
    if (r->first->next == NULL)
        return r->first->text;
    uint8_t *text = arena_alloc(r->arena, r->text_size + r->piece_count);
    size_t size = 0;
    for (const struct piece *piece = r->first; piece != NULL; piece = piece->next) {
        if (size != 0)
            text[size++] = '\n';
        bytes_copy(text + size, piece->text.data, piece->text.size);
        size += piece->text.size;
    }
    return slice_of(text, size);
}

static struct slice first_of(struct slice a, struct slice b)
{
    return a.size != 0 ? a : b;
}

/* {"id","name","arguments"}, or {"id","function":{"name","arguments"}}. */
static void call_add(struct reader *r, const struct members *m)
{
    struct message_reading *message = r->message;
    struct members inner;
    bool nested = members_of(m->values[FIELD_CALL], &inner);
    const struct members *call = nested ? &inner : m;
    struct slice name = member_text(call, FIELD_NAME, r->arena);
    if (name.size == 0 || message->call_count == MESSAGE_CALLS_MAX)
        return;
    struct slice id = first_of(m->values[FIELD_CALL_ID], m->values[FIELD_ID]);
    if (id.size == 0 && nested)
        id = first_of(inner.values[FIELD_CALL_ID], inner.values[FIELD_ID]);
    message->calls[message->call_count++] = (struct tool_call){
        .id = value_text(id, r->arena),
        .name = name,
        .arguments = member_text(call, FIELD_ARGUMENTS, r->arena),
    };
}

static void content_add(struct reader *r, struct slice content, int nesting);

static void result_add(struct reader *r, const struct members *m, int nesting)
{
    r->result_count++;
    if (r->message->tool_call_id.size == 0)
        r->message->tool_call_id =
            value_text(first_of(m->values[FIELD_CALL_ID], m->values[FIELD_ID]), r->arena);
    content_add(r, first_of(m->values[FIELD_RESULT], m->values[FIELD_CONTENT]), nesting);
}

/* One part of a content array. */
static void part_add(struct reader *r, const struct members *m, int nesting)
{
    struct members inner;
    struct slice type = member_text(m, FIELD_TYPE, r->arena);
    if (is_reasoning(type))
        return;
    if (m->values[FIELD_TOOL_RESULT].size != 0) {
        if (members_of(m->values[FIELD_TOOL_RESULT], &inner))
            result_add(r, &inner, nesting);
    } else if (is_result_type(type)) {
        result_add(r, m, nesting);
    } else if (m->values[FIELD_CALL].size != 0 || is_call_type(type)) {
        call_add(r, m);
    } else {
        r->spoken_count += nesting == 1;
        content_add(r,
                    first_of(m->values[FIELD_TEXT],
                             first_of(m->values[FIELD_CONTENT], m->values[FIELD_REFUSAL])),
                    nesting);
    }
}

static bool is_part(const struct members *m)
{
    return (m->values[FIELD_TYPE].size | m->values[FIELD_TEXT].size |
            m->values[FIELD_CONTENT].size | m->values[FIELD_CALL].size |
            m->values[FIELD_TOOL_RESULT].size) != 0;
}

/* Adds the items of an array of parts or texts. False: it begins with something else. */
static bool parts_add(struct reader *r, struct slice array, int nesting)
{
    struct json j = json_over(array);
    (void)json_next(&j);
    bool first = true;
    for (enum json_token t; (t = json_next(&j)) > 0 && t != JSON_ARRAY_END; first = false) {
        struct members m;
        if (t == JSON_OBJECT_BEGIN) {
            if (!members_read(&j, &m) || (first && !is_part(&m)))
                return false;
            part_add(r, &m, nesting);
        } else if (t == JSON_STRING) {
            piece_add(r, value_text(json_skip(&j, t), r->arena));
        } else if (first) {
            return false;
        } else {
            (void)json_skip(&j, t);
        }
    }
    return true;
}

/* A content: a text, an array of parts or texts, or any JSON (rows a tool answered), which stands for itself. */
static void content_add(struct reader *r, struct slice content, int nesting)
{
    if (kind_of(content) != '[' || nesting >= NESTING_MAX || !parts_add(r, content, nesting + 1))
        piece_add(r, value_text(content, r->arena));
}

static void calls_add(struct reader *r, struct slice calls)
{
    struct json j = json_over(calls);
    if (kind_of(calls) != '[' || json_next(&j) != JSON_ARRAY_BEGIN)
        return;
    for (enum json_token t; (t = json_next(&j)) > 0 && t != JSON_ARRAY_END;) {
        struct members m;
        if (t != JSON_OBJECT_BEGIN)
            (void)json_skip(&j, t);
        else if (members_read(&j, &m))
            call_add(r, &m);
    }
}

static bool is_message(const struct members *m)
{
    return (m->values[FIELD_ROLE].size | m->values[FIELD_CONTENT].size |
            m->values[FIELD_CALLS].size | m->values[FIELD_CALL].size) != 0;
}

static void message_take(struct reader *r, const struct members *m)
{
    struct message_reading *message = r->message;
    struct slice type = member_text(m, FIELD_TYPE, r->arena);
    message->role = role_of(member_text(m, FIELD_ROLE, r->arena));
    if (message->role == ROLE_OTHER)
        message->role = role_of(type);
    message->tool_call_id = member_text(m, FIELD_CALL_ID, r->arena);

    struct slice content = m->values[FIELD_CONTENT];
    if (is_result_type(type) && m->values[FIELD_RESULT].size != 0)
        content = m->values[FIELD_RESULT];
    if (is_reasoning(type))
        content = SLICE_EMPTY;
    content_add(r, content, 0);
    if (r->piece_count == 0 && content.size == 0)
        content_add(r, first_of(m->values[FIELD_TEXT], m->values[FIELD_REFUSAL]), 0);
    calls_add(r, m->values[FIELD_CALLS]);
    if (m->values[FIELD_CALL].size != 0 || is_call_type(type))
        call_add(r, m);
    /* Some APIs send tool results in the user's name. */
    if (message->role == ROLE_USER && r->result_count != 0 && r->spoken_count == 0)
        message->role = ROLE_TOOL;
    if (message->role == ROLE_OTHER && message->call_count != 0)
        message->role = ROLE_ASSISTANT;
    message->text = pieces_joined(r);
}

bool message_read(struct slice body, struct arena *arena, struct message_reading *ret)
{
    ret->role = ROLE_OTHER;
    ret->text = body;
    ret->call_count = 0;
    ret->tool_call_id = SLICE_EMPTY;

    struct json j = json_over(body);
    enum json_token first = json_next(&j);
    struct members m;
    if (first == JSON_OBJECT_BEGIN) {
        if (!members_read(&j, &m) || json_next(&j) != JSON_END)
            return false;
        struct members inner;
        struct reader r = {.arena = arena, .message = ret};
        r.last = &r.first;
        /* LangChain's {"type":"constructor","kwargs":{...}}, OpenAI's choice {"message":{...}}. */
        if (!is_message(&m) && members_of(m.values[FIELD_INNER], &inner))
            m = inner;
        if (is_message(&m) || is_result_type(member_text(&m, FIELD_TYPE, arena)) ||
            is_call_type(member_text(&m, FIELD_TYPE, arena)))
            message_take(&r, &m);
        return true;
    }
    struct slice value = json_skip(&j, first);
    if (value.size == 0 || json_next(&j) != JSON_END)
        return false;
    ret->text = value_text(value, arena);
    return true;
}

/* The members that make up a tool definition. */
struct definition_members {
    struct slice name;
    struct slice schema;
    struct slice inner; /* {"function":{...}}, {"toolSpec":{...}} */
};

static bool definition_members_read(struct slice object, struct definition_members *ret)
{
    *ret = (struct definition_members){SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY};
    struct json j = json_over(object);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return false;
    enum json_token t;
    while ((t = json_next(&j)) == JSON_KEY) {
        struct slice key = j.raw;
        enum json_token first = json_next(&j);
        struct slice value = json_skip(&j, first);
        if (value.size == 0)
            return false;
        if (first == JSON_NULL)
            continue;
        if (slice_is(key, "name") && first == JSON_STRING)
            ret->name = value;
        else if (slice_is(key, "parameters") || slice_is(key, "input_schema") ||
                 slice_is(key, "inputSchema") || slice_is(key, "json_schema"))
            ret->schema = value;
        else if ((slice_is(key, "function") || slice_is(key, "toolSpec")) &&
                 first == JSON_OBJECT_BEGIN)
            ret->inner = value;
    }
    return t == JSON_OBJECT_END && json_next(&j) == JSON_END;
}

/* Bedrock wraps the schema: {"json":{...}}. */
static struct slice schema_unwrapped(struct slice schema)
{
    struct json j = json_over(schema);
    if (json_next(&j) != JSON_OBJECT_BEGIN || json_next(&j) != JSON_KEY || !slice_is(j.raw, "json"))
        return schema;
    struct slice inner = json_skip(&j, json_next(&j));
    return kind_of(inner) == '{' && json_next(&j) == JSON_OBJECT_END ? inner : schema;
}

bool tool_definition_read(struct slice body, struct arena *arena, struct tool_definition *ret)
{
    struct definition_members m;
    if (!definition_members_read(body, &m))
        return false;
    if (m.inner.size != 0) {
        struct definition_members inner;
        if (!definition_members_read(m.inner, &inner))
            return false;
        if (inner.name.size != 0)
            m = inner;
    }
    /* {"name","schema":"{...}"}: OpenInference keeps the whole definition as a string. */
    if (m.name.size == 0 && kind_of(m.schema) == '"') {
        struct slice text = value_text(m.schema, arena);
        struct definition_members inner;
        if (definition_members_read(text, &inner) && inner.inner.size != 0)
            (void)definition_members_read(inner.inner, &inner);
        m = inner;
    }
    ret->name = value_text(m.name, arena);
    ret->schema = schema_unwrapped(value_text(m.schema, arena));
    return ret->name.size != 0;
}
