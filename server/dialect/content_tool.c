/*
 * content_tool.c - tools: their definitions, the arguments of a call, its result.
 *
 * Place:     content.c, content_payload.c -> [here] -> the list of definitions, cells
 * Form:      {"name","description","parameters"}: the parameters are a JSON schema
 * Shapes:    flat {name,parameters} (semconv), {type,function:{..}} (OpenAI), {name,input_schema}
 *            (Anthropic), {name,inputSchema} (Vercel, MCP), {functionDeclarations:[..]} (Gemini),
 *            {toolSpec:{..,inputSchema:{json}}} (Bedrock), each also as the JSON text of one
 */
#include "server/dialect/content_internal.h"

#define KEYS(...)      ((const char *const[]){__VA_ARGS__, NULL})
#define TOOL_DEPTH_MAX 4u /* {"tools":[{"functionDeclarations":[..]}]} needs two */

static uint32_t definitions_take(struct content *c, struct value v, uint32_t depth);

/* The schema itself: Bedrock and Vercel put it one level down, some send its text. */
static struct value schema_of(struct content *c, struct value v)
{
    struct members m;
    v = value_as_json(v, false);
    if (members_of(v, &c->arena, &m) && m.count <= 2 &&
        members_has_any(&m, KEYS("json", "jsonSchema")))
        return members_take_any(&m, KEYS("json", "jsonSchema"));
    return v;
}

uint32_t tool_add(struct content *c, struct value name, struct value description,
                  struct value schema)
{
    struct buffer *body = &c->scratch;
    if (!value_is_text(name) || value_is_empty(name))
        return 0;
    buffer_reset(body);
    buffer_add_byte(body, '{');
    put_key(body, "name");
    put_string(body, name);
    if (value_is_text(description) && !value_is_empty(description)) {
        put_key(body, "description");
        put_string(body, description);
    }
    schema = schema_of(c, schema);
    if (schema.type != VALUE_NONE) {
        put_key(body, "parameters");
        put_parsed(body, schema, &c->arena);
    }
    buffer_add_byte(body, '}');
    message_list_add(&c->tools, buffer_slice(body));
    return 1;
}

static uint32_t definition_take(struct content *c, struct members *m)
{
    return tool_add(c, members_take_any(m, KEYS("name", "toolName", "type")),
                    members_take(m, "description"),
                    members_take_any(m, KEYS("parameters", "input_schema", "inputSchema",
                                             "parametersJsonSchema", "parameters_json_schema",
                                             "json_schema", "args_schema")));
}

static uint32_t object_take(struct content *c, struct value v, uint32_t depth)
{
    static const char *const lists[] = {"functionDeclarations", "function_declarations", "tools",
                                        "functions", NULL};
    static const char *const nested[] = {"function", "toolSpec", "json_schema", NULL};
    struct members m;
    struct members inner;
    if (!members_of(v, &c->arena, &m))
        return 0;
    struct value list = members_take_any(&m, lists);
    if (value_is_array(list))
        return definitions_take(c, list, depth + 1);
    struct value single = members_take_any(&m, nested);
    if (members_of(single, &c->arena, &inner) && members_has(&inner, "name"))
        return definition_take(c, &inner);
    return definition_take(c, &m);
}

static uint32_t definitions_take(struct content *c, struct value v, uint32_t depth)
{
    uint32_t count = 0;
    v = value_as_json(v, false);
    if (value_is_text(v)) /* an array's item that is the JSON text of a definition */
        v = value_as_json(value_of_text(value_text(v, &c->arena)), false);
    if (value_is_object(v))
        return object_take(c, v, depth);
    if (!value_is_array(v) || depth >= TOOL_DEPTH_MAX)
        return 0;
    struct items it = items_of(v);
    struct value item;
    while (items_next(&it, &item))
        count += definitions_take(c, item, depth + 1);
    return count;
}

uint32_t tools_take(struct content *c, struct value v)
{
    return definitions_take(c, v, 0);
}

bool looks_like_schema(struct content *c, struct value v)
{
    struct members m;
    return members_of(value_as_json(v, false), &c->arena, &m) && members_has(&m, "properties") &&
           members_has(&m, "type");
}

/* ---- cells ---- */

struct slice arguments_text(struct content *c, struct value v, enum payload_form form,
                            struct slice *ret_rest)
{
    struct reading r = {.c = c};
    v = value_as_json(payload_open(&r, v, form, ret_rest), false);
    buffer_reset(&c->scratch);
    if (v.type == VALUE_JSON && !value_is_text(v) && put_json(&c->scratch, v.bytes))
        return arena_copy(&c->arena, buffer_slice(&c->scratch));
    return value_text(v, &c->arena);
}

/* MCP's {"content":[]} and LangSmith's {"outputs":[]} are empty results as well. */
static bool result_is_empty(struct content *c, struct value v)
{
    static const char *const around[] = {"content", "outputs", "output", "result", NULL};
    struct members m;
    struct slice text = slice_trim(value_text(v, &c->arena));
    if (value_is_empty(value_as_json(v, true)) || text.size == 0 || slice_is(text, "null") ||
        slice_is(text, "None") || slice_is(text, "undefined"))
        return true;
    if (text.data[0] != '{' || !members_of(value_as_json(v, false), &c->arena, &m))
        return false;
    for (uint32_t i = 0; i < m.count; i++) {
        /* What else an MCP result says is no result: {"content":[],"isError":false}. */
        bool is_flag = m.items[i].value.type == VALUE_BOOL || m.items[i].value.type == VALUE_NONE;
        if (!is_flag && !value_is_empty(m.items[i].value))
            return false;
    }
    return members_has_any(&m, around);
}

struct slice result_text(struct content *c, struct value v, enum payload_form form,
                         bool *ret_is_empty, struct slice *ret_rest)
{
    struct reading r = {.c = c};
    v = payload_open(&r, v, form, ret_rest);
    *ret_is_empty = result_is_empty(c, v);
    return value_text(v, &c->arena);
}
