/*
 * score_structure.c - does structured output have the structure it was asked for: json_valid, schema_valid, tool_args_valid.
 *
 * json_valid       1 when the answer parses as JSON (RFC 8259), 0 when not. Applies when JSON was asked for (response_format.def) or the answer
 *                  starts like it ({" or [{ or ["). One code fence around the whole answer is not held against it.
 * schema_valid     1 when the answer fits the response schema of the span, 0 when not (or when it is no JSON). The finding says
 *                  where and why. Says nothing when there is no schema, it cannot be compiled, or a bound was met.
 * tool_args_valid  fitting calls / calls. A call fits when its arguments are JSON and fit the definition of the tool of that name
 *                  (no arguments are {}). A tool that is not among the definitions does not fit, provided that all definitions
 *                  could be read. Tool spans: their tool_args, likewise.
 * Source:          JSON Schema subset, schema.h.
 */
#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/enrich/response_format.h"
#include "engine/enrich/schema_cache.h"
#include "engine/enrich/scorer_internal.h"

static void cache_destroy(void *data)
{
    schema_cache_destroy(data);
}

static struct schema_cache *cache_of(struct scorer_run *run)
{
    struct scorer_slot *slot = scorer_slot(run, SLOT_SCHEMAS);
    if (slot->data == NULL) {
        slot->data = schema_cache_create();
        slot->destroy = cache_destroy;
    }
    return slot->data;
}

/* ---- JSON ---- */

static struct slice trimmed(struct slice text)
{
    size_t start = 0;
    size_t end = text.size;
    while (start < end && text.data[start] <= ' ')
        start++;
    while (end > start && text.data[end - 1] <= ' ')
        end--;
    return slice_of(text.data + start, end - start);
}

/* Without white space and one code fence ("```json ... ```") around everything. */
static struct slice bare_answer(struct slice text)
{
    struct slice all = trimmed(text);
    if (all.size < 7 || memcmp(all.data, "```", 3) != 0 ||
        memcmp(all.data + all.size - 3, "```", 3) != 0)
        return all;
    const uint8_t *line_end = memchr(all.data, '\n', all.size - 3);
    if (line_end == NULL)
        return all;
    size_t start = (size_t)(line_end - all.data) + 1;
    return trimmed(slice_of(all.data + start, all.size - 3 - start));
}

static bool looks_like_json(struct slice text)
{
    if (text.size < 2 || (text.data[0] != '{' && text.data[0] != '['))
        return false;
    size_t at = 1;
    while (at < text.size && text.data[at] <= ' ')
        at++;
    if (at == text.size)
        return false;
    uint8_t c = text.data[at];
    return c == '"' || (text.data[0] == '{' ? c == '}' : c == '{');
}

static bool json_parses(struct slice text, struct error *reterr)
{
    struct json j = json_over_deep(text, JSON_DEEP_MAX);
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END)
        ;
    if (t == JSON_END)
        return true;
    IGNORE_STATUS(json_error(&j, "not JSON", reterr));
    return false;
}

bool score_json_valid(struct scorer_run *run, struct score *ret)
{
    if (!is_generation(run->view))
        return false;
    struct slice answer = bare_answer(output_text(run));
    if (answer.size == 0)
        return false;
    struct response_format format;
    response_format_read(run->view->attributes, run->arena, &format);
    if (!format.json && !looks_like_json(answer))
        return false;
    struct error e = {0};
    ret->value = json_parses(answer, &e) ? 1 : 0;
    if (ret->value < 1)
        ret->finding = finding(run, "%s%s", e.text, format.json ? "" : " (it starts like JSON)");
    return true;
}

/* ---- response schema ---- */

/* What of the schema was not looked at: better said than taken for checked. */
static struct slice unsupported_words(struct scorer_run *run, const struct json_schema *schema)
{
    const struct slice *names;
    uint32_t count = json_schema_unsupported(schema, &names);
    struct buffer b = {0};
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(&b, "%s%.*s", i > 0 ? ", " : "not checked: ", SLICE_ARG(names[i]));
    struct slice words = count == 0 ? SLICE_EMPTY : arena_copy(run->arena, buffer_slice(&b));
    buffer_deinit(&b);
    return words;
}

bool score_schema_valid(struct scorer_run *run, struct score *ret)
{
    if (!is_generation(run->view))
        return false;
    struct response_format format;
    response_format_read(run->view->attributes, run->arena, &format);
    struct slice answer = bare_answer(output_text(run));
    if (format.schema.size == 0 || answer.size == 0)
        return false;
    struct id128 key = hash128(format.schema);
    const struct cached_schema *entry = schema_cache_find(cache_of(run), key);
    if (entry == NULL)
        entry = schema_cache_put(cache_of(run), key, false, SLICE_EMPTY, format.schema);
    if (entry->schema == NULL)
        return false;
    struct json_schema_failure failure;
    enum json_schema_verdict verdict =
        json_schema_validate(entry->schema, answer, run->arena, &failure);
    if (verdict == SCHEMA_GAVE_UP)
        return false;
    ret->value = verdict == SCHEMA_FITS ? 1 : 0;
    if (verdict == SCHEMA_FITS)
        ret->finding = unsupported_words(run, entry->schema);
    else
        ret->finding = finding(run, "%s: %s", failure.path, failure.words);
    return true;
}

/* ---- tool arguments ---- */

static const struct cached_schema *definition_of(struct scorer_run *run,
                                                 const struct text_message *m)
{
    struct schema_cache *cache = cache_of(run);
    const struct cached_schema *entry = schema_cache_find(cache, m->address);
    if (entry != NULL || m->body.size == 0)
        return entry;
    struct tool_definition definition = {.name = SLICE_EMPTY, .schema = SLICE_EMPTY};
    bool is_definition = tool_definition_read(m->body, run->arena, &definition);
    return schema_cache_put(cache, m->address, is_definition, definition.name, definition.schema);
}

/* The definition of a tool. *ret_all: every definition could be read, so that a name that is missing is none. */
static const struct cached_schema *definition_find(struct scorer_run *run, struct slice name,
                                                   bool *ret_all)
{
    *ret_all = run->view->tool_count > 0;
    for (uint32_t i = 0; i < run->view->tool_count; i++) {
        const struct cached_schema *entry = definition_of(run, &run->view->tools[i]);
        if (entry == NULL || !entry->is_definition)
            *ret_all = false;
        else if (slice_equal(entry->name, name))
            return entry;
    }
    return NULL;
}

struct calls_tally {
    uint32_t calls;
    uint32_t fitting;
    struct slice first_finding;
    struct slice unsupported;
};

/* Why a call does not fit; empty: it does. */
static struct slice call_look(struct scorer_run *run, struct slice name, struct slice arguments,
                              struct slice *ret_unsupported)
{
    struct slice given = trimmed(arguments).size == 0 ? slice_text("{}") : arguments;
    struct error e = {0};
    struct json_schema_failure failure;
    bool all = false;
    if (!json_parses(given, &e))
        return finding(run, "%.*s: arguments: %s", SLICE_ARG(name), e.text);
    const struct cached_schema *definition = definition_find(run, name, &all);
    if (definition == NULL && all)
        return finding(run, "%.*s: not among the %u tools defined", SLICE_ARG(name),
                       run->view->tool_count);
    if (definition == NULL || definition->schema == NULL)
        return SLICE_EMPTY;
    enum json_schema_verdict verdict =
        json_schema_validate(definition->schema, given, run->arena, &failure);
    if (verdict == SCHEMA_FAILS)
        return finding(run, "%.*s: %s: %s", SLICE_ARG(name), failure.path, failure.words);
    *ret_unsupported = unsupported_words(run, definition->schema);
    return SLICE_EMPTY;
}

static void call_count(struct scorer_run *run, struct slice name, struct slice arguments,
                       struct calls_tally *tally)
{
    struct slice why = call_look(run, name, arguments, &tally->unsupported);
    tally->calls++;
    tally->fitting += why.size == 0;
    if (why.size > 0 && tally->first_finding.size == 0)
        tally->first_finding = why;
}

bool score_tool_args_valid(struct scorer_run *run, struct score *ret)
{
    const struct span_view *v = run->view;
    struct calls_tally tally = {.first_finding = SLICE_EMPTY, .unsupported = SLICE_EMPTY};
    if (slice_is(v->kind, "tool")) {
        /* Arguments of a tool span may be plain text; only what was defined or starts as JSON is held to be it. */
        if (v->tool_args.size > 0 && (v->tool_count > 0 || looks_like_json(trimmed(v->tool_args))))
            call_count(run, v->tool_name, v->tool_args, &tally);
    } else if (slice_is(v->kind, "llm")) {
        for (uint32_t i = 0; i < v->output_count; i++) {
            const struct message_reading *reading = output_reading(run, i);
            for (uint32_t call = 0; call < reading->call_count; call++)
                call_count(run, reading->calls[call].name, reading->calls[call].arguments, &tally);
        }
    }
    if (tally.calls == 0)
        return false;
    ret->value = (double)tally.fitting / (double)tally.calls;
    ret->finding = ret->value < 1 ? tally.first_finding : tally.unsupported;
    return true;
}
