/*
 * schema_check.c - does a JSON value fit a compiled schema, and if not, where and why.
 *
 * Place:     schema_compile.c -> [here, schema_check_*.c] -> score_structure.c
 * How:       one function a keyword, schema_check_ID, called for the keywords present in the order of schema.def. The first
 *            failure is described; inside anyOf, oneOf, not, if and contains failures are silent.
 * Bounds:    every value looked at, every comparison and every match takes steps from SCHEMA_STEPS_MAX; SCHEMA_DEPTH_MAX bounds
 *            references that lead in circles. At either bound there is no verdict.
 */
#include <stdio.h>

#include "engine/enrich/schema_checker.h"

#define REGEX_STEPS 200u /* what a match costs, besides a step for 16 bytes */

bool check_spend(struct checker *c, uint64_t steps)
{
    if (c->steps <= steps)
        c->gave_up = true;
    else
        c->steps -= steps;
    return !c->gave_up;
}

/* ---- failures in words ---- */

static void path_add(char *path, size_t size, const struct place *place)
{
    if (place == NULL)
        return;
    path_add(path, size, place->above);
    size_t at = strlen(path);
    bool plain = place->key.size > 0;
    for (size_t i = 0; i < place->key.size; i++) {
        uint8_t b = place->key.data[i];
        plain &= (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z') || b == '_' ||
                 b == '-';
    }
    if (place->is_index)
        (void)snprintf(path + at, size - at, "[%u]", place->index);
    else
        (void)snprintf(path + at, size - at, plain ? ".%.*s" : "[\"%.*s\"]", SLICE_ARG(place->key));
}

bool check_fail(const struct check *k, enum schema_keyword keyword, const char *format, ...)
{
    struct checker *c = k->c;
    if (c->silent > 0 || c->failed || c->gave_up)
        return false;
    c->failed = true;
    c->failure->path[0] = '$';
    c->failure->path[1] = 0;
    path_add(c->failure->path, sizeof c->failure->path, k->place);
    c->failure->keyword = schema_keyword_name(keyword);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(c->failure->words, sizeof c->failure->words, format, arguments);
    va_end(arguments);
    return false;
}

/* At most 40 bytes of a value, as JSON would have it. */
const char *check_shown(const struct check *k, const struct json_value *v)
{
    size_t size = v->text.size < 40 ? v->text.size : 40;
    while (size > 0 && size < v->text.size && (v->text.data[size] & 0xc0) == 0x80)
        size--;
    const char *more = size < v->text.size ? "..." : "";
    if (v->type == VALUE_STRING)
        return arena_printf(k->c->scratch, "\"%.*s%s\"", (int)size, (const char *)v->text.data,
                            more);
    if (v->type == VALUE_INTEGER || v->type == VALUE_NUMBER)
        return arena_printf(k->c->scratch, "%.*s%s", (int)size, (const char *)v->text.data, more);
    if (v->type == VALUE_BOOLEAN)
        return v->truth ? "true" : "false";
    return v->type == VALUE_NULL ? "null" : value_type_name(v->type);
}

bool check_matches(struct checker *c, const struct regex *regex, struct slice text)
{
    if (!check_spend(c, REGEX_STEPS + text.size / 16))
        return false;
    enum regex_result result = regex_match(regex, text);
    if (result == REGEX_GAVE_UP)
        c->gave_up = true;
    return result == REGEX_YES;
}

bool check_count(const struct check *k, enum schema_keyword keyword, uint64_t count, bool at_least,
                 const char *what)
{
    double bound = k->o->value->number;
    if (at_least ? (double)count >= bound : (double)count <= bound)
        return true;
    return check_fail(k, keyword, "expected at %s %.0f %s, got %llu", at_least ? "least" : "most",
                      bound, what, (unsigned long long)count);
}

/* ---- nodes ---- */

#define CHECK_0(id) NULL
#define CHECK_1(id) schema_check_##id
static bool (*const checks[KEYWORD_COUNT])(const struct check *k) = {
#define KEYWORD(id, name, shape, checked, doc) [KEYWORD_##id] = CHECK_##checked(id),
#define NOTE(name)
#include "engine/enrich/schema.def"
#undef KEYWORD
#undef NOTE
};

/* When the checker gave up the answer is false and means nothing. */
bool schema_node_fits(struct checker *c, const struct schema_node *node, const struct json_value *v,
                      const struct place *place)
{
    if (!check_spend(c, 1))
        return false;
    struct check k = {.c = c, .node = node, .o = node->operands, .v = v, .place = place};
    if (node->source->type == VALUE_BOOLEAN)
        return node->source->truth ||
               check_fail(&k, KEYWORD_not, "nothing is allowed here, got %s", check_shown(&k, v));
    if (c->depth == SCHEMA_DEPTH_MAX) {
        c->gave_up = true;
        return false;
    }
    c->depth++;
    bool fits = true;
    for (uint64_t left = node->present; left != 0 && fits && !c->gave_up; left &= left - 1, k.o++) {
        unsigned keyword = (unsigned)__builtin_ctzll(left);
        if (checks[keyword] != NULL)
            fits = checks[keyword](&k);
    }
    c->depth--;
    return fits && !c->gave_up;
}

enum json_schema_verdict json_schema_validate(const struct json_schema *s, struct slice instance,
                                              struct arena *scratch,
                                              struct json_schema_failure *ret)
{
    struct json_value *v = NULL;
    struct error e = {0};
    struct json_schema_failure failure = {.path = "$", .keyword = "", .words = ""};
    enum status read = json_value_read(instance, SCHEMA_INSTANCE_NODES_MAX, scratch, &v, &e);
    if (read < 0) {
        (void)snprintf(failure.words, sizeof failure.words, "%.*s", (int)sizeof failure.words - 1,
                       e.text);
        *ret = failure;
        return read == STATUS_LIMIT ? SCHEMA_GAVE_UP : SCHEMA_NOT_JSON;
    }
    struct checker c = {
        .schema = s, .scratch = scratch, .failure = &failure, .steps = SCHEMA_STEPS_MAX};
    bool fits = schema_node_fits(&c, s->root, v, NULL);
    c.gave_up |= c.steps == 0; /* comparisons stop there without a word */
    if (c.gave_up) {
        failure = (struct json_schema_failure){.path = "$", .keyword = ""};
        (void)snprintf(failure.words, sizeof failure.words, "more than %u steps or %u levels",
                       SCHEMA_STEPS_MAX, SCHEMA_DEPTH_MAX);
    }
    if (c.gave_up || !fits)
        *ret = failure;
    return c.gave_up ? SCHEMA_GAVE_UP : fits ? SCHEMA_FITS : SCHEMA_FAILS;
}
