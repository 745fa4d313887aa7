/*
 * response_format.c - finds a response format or schema among the attributes of a span.
 *
 * Place:   span attributes -> [here] <- response_format.def; score_structure.c
 * Forms:   {"type":"json_object"}; {"type":"json_schema","json_schema":{"schema":S}} (OpenAI chat), {"type":"json_schema","schema":S}
 *          (OpenAI responses, Anthropic), {"response_schema":S,"response_mime_type":"application/json"} (Gemini), S itself (Vercel,
 *          Traceloop); each also as a JSON string of it.
 * Bounds:  FORMAT_DEPTH_MAX steps inwards. Attributes without "json" or "chema" in them are not parsed.
 */
#include "engine/enrich/response_format.h"

#include "engine/base/json.h"

#define FORMAT_DEPTH_MAX 6u

enum format_kind {
    KIND_FORMAT,
    KIND_PARAMETERS,
    KIND_PRESENT
};

static const struct {
    const char *attribute;
    enum format_kind kind;
} sources[] = {
#define RESPONSE_FORMAT(attribute, is, doc) {attribute, KIND_##is},
#define FORMAT_MEMBER(name)
#include "engine/enrich/response_format.def"
#undef RESPONSE_FORMAT
#undef FORMAT_MEMBER
};

static const char *const members[] = {
#define RESPONSE_FORMAT(attribute, is, doc)
#define FORMAT_MEMBER(name) name,
#include "engine/enrich/response_format.def"
#undef RESPONSE_FORMAT
#undef FORMAT_MEMBER
};

static bool is_member(struct slice name)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (slice_is(name, members[i]))
            return true;
    }
    return false;
}

static bool is_json_type(struct slice text)
{
    return slice_is(text, "json") || slice_is(text, "json_object") ||
           slice_is(text, "json_schema") || slice_is(text, "application/json");
}

/* A name that only a schema has. */
static bool is_schema_keyword(struct slice name)
{
    static const char *const names[] = {"properties", "$schema", "$ref",  "anyOf",
                                        "items",      "enum",    "oneOf", "allOf"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_is(name, names[i]))
            return true;
    }
    return false;
}

static void value_look(struct slice value, bool may_be_schema, uint32_t depth, struct arena *arena,
                       struct response_format *ret);

/* One object: is it a schema, a format, or does a member lead on? */
static void object_look(struct slice value, bool may_be_schema, uint32_t depth, struct arena *arena,
                        struct response_format *ret)
{
    struct json j = json_over(value);
    (void)json_next(&j);
    while (json_next(&j) == JSON_KEY) {
        struct slice key = json_string(&j, arena);
        enum json_token t = json_next(&j);
        if (t == JSON_STRING && slice_is(key, "type"))
            ret->json |= is_json_type(j.raw);
        if (may_be_schema && is_schema_keyword(key)) {
            ret->json = true;
            ret->schema = value;
            return;
        }
        struct slice member = json_skip(&j, t);
        if (is_member(key)) {
            bool schema = !slice_is(key, "text") && !slice_is(key, "config") &&
                          !slice_is(key, "generation_config") && !slice_is(key, "generationConfig");
            value_look(member, schema, depth + 1, arena, ret);
        }
        if (ret->schema.size > 0)
            return;
    }
}

/* may_be_schema: the value may be a schema itself, not only lead to one. */
static void value_look(struct slice value, bool may_be_schema, uint32_t depth, struct arena *arena,
                       struct response_format *ret)
{
    struct json j = json_over(value);
    enum json_token t = json_next(&j);
    if (depth > FORMAT_DEPTH_MAX)
        return;
    if (t == JSON_OBJECT_BEGIN) {
        object_look(value, may_be_schema, depth, arena, ret);
    } else if (t == JSON_STRING) {
        struct slice text = json_string(&j, arena);
        if (is_json_type(text))
            ret->json = true;
        else if (text.size > 1 && text.data[0] == '{')
            value_look(text, may_be_schema, depth + 1, arena, ret);
    }
}

static bool contains(struct slice text, const char *part)
{
    return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

void response_format_read(struct slice attributes, struct arena *arena, struct response_format *ret)
{
    *ret = (struct response_format){.schema = SLICE_EMPTY};
    if (!contains(attributes, "json") && !contains(attributes, "chema") &&
        !contains(attributes, "ai.response.object"))
        return;
    struct json j = json_over(attributes);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return;
    while (json_next(&j) == JSON_KEY) {
        struct slice key = json_string(&j, arena);
        struct slice value = json_skip(&j, json_next(&j));
        for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
            if (!slice_is(key, sources[i].attribute))
                continue;
            if (sources[i].kind == KIND_PRESENT)
                ret->json = true;
            else if (ret->schema.size == 0)
                value_look(value, sources[i].kind == KIND_FORMAT, 0, arena, ret);
        }
    }
    ret->json |= ret->schema.size > 0;
}
