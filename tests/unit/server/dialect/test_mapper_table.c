/*
 * test_mapper_table.c - every line of genai.def works alone: a span with that attribute and nothing else gives the column.
 */
#include "mapper_fixture.h"

#include "engine/base/hash.h"
#include "server/dialect/dialect_table.h"

/* A value for a line, as JSON, and what the column then holds. */
struct sample {
    const char *json;
    const char *cell;
};

static const char *word_of(enum vocabulary vocabulary, const char **ret_spelling)
{
    for (uint32_t i = 0; i < dialect_word_count(); i++) {
        const struct word *w = &dialect_words[i];
        if (w->vocabulary == vocabulary && w->word[0] != 0) {
            *ret_spelling = w->spelling;
            return w->word;
        }
    }
    return NULL;
}

static struct sample sample_of(struct fixture *f, const struct source *source)
{
    const char *spelling = NULL;
    const char *word = NULL;
    switch ((enum how)source->how) {
    case HOW_CONSTANT:
        return (struct sample){"\"x\"", source->text};
    case HOW_TEXT:
    case HOW_QUOTED:
    case HOW_ERROR_TEXT:
    case HOW_TOOL_NAME:
        return (struct sample){"\"a text\"", "a text"};
    case HOW_HASHED:
        return (struct sample){"\"Answer {q}\"", arena_printf(&f->arena, "template-%016" PRIx64,
                                                              hash64(slice_text("Answer {q}")))};
    case HOW_KIND:
        return (struct sample){"\"TOOL\"", "tool"};
    case HOW_KIND_ENDING:
        return (struct sample){"\"InMemoryEmbeddingRetriever\"", "retrieval"};
    case HOW_PROVIDER:
        return (struct sample){"\"xai.chat\"", "x_ai"};
    case HOW_FINISH:
        word = word_of(WORDS_finish, &spelling);
        return (struct sample){arena_printf(&f->arena, "\"%s\"", spelling), word};
    case HOW_NUMBER:
        return (struct sample){"0.25", "0.25"};
    case HOW_COUNT:
    case HOW_COUNT_AS_BILLED:
    case HOW_COUNT_WITHOUT_DETAILS:
        return (struct sample){"42", "42"};
    case HOW_USD:
        return (struct sample){"0.0000384", "38400"};
    case HOW_SECONDS:
    case HOW_DURATION:
        return (struct sample){"0.25", "250000000"};
    case HOW_MILLISECONDS:
        return (struct sample){"250", "250000000"};
    case HOW_SINCE_START:
        return (struct sample){"\"2026-11-23T16:43:13.250Z\"", "250000000"};
    case HOW_EVENT_TIME:
        return (struct sample){"true", "250000000"};
    case HOW_HTTP:
        return (struct sample){"429", "429"};
    case HOW_HTTP_TEXT:
        return (struct sample){"\"429 Too Many Requests\"", "429"};
    case HOW_PRESENT:
        return (struct sample){"\"x\"", "error"};
    case HOW_FAILURE:
        return (struct sample){"\"ERROR\"", "error"};
    case HOW_FAILURE_UNLESS:
        return (struct sample){"false", "error"};
    case HOW_SEVERITY:
        return (struct sample){"17", "error"};
    case HOW_FLAG:
        return (struct sample){"true", ""};
    case HOW_SCORES:
        return (struct sample){"\"{\\\"quality\\\":0.5}\"", "0.5"};
    case HOW_SCORE_OBJECT:
        return (struct sample){"\"{\\\"name\\\":\\\"quality\\\",\\\"score\\\":0.5}\"", "0.5"};
    case HOW_SCORE_NAME:
        return (struct sample){"\"quality\"", "quality"};
    case HOW_SCORE_VALUE:
        return (struct sample){"0.5", "0.5"};
    case HOW_SCORE_LABEL:
        return (struct sample){"\"good\"", "good"};
    case HOW_SCORE_EXPLANATION:
        return (struct sample){"\"because\"", "because"};
    }
    return (struct sample){"null", ""};
}

/* "a.N.b" -> "a.3.b". */
static char *key_of(struct fixture *f, struct slice where)
{
    char *key = (char *)(uintptr_t)arena_copy(&f->arena, where).data;
    for (size_t i = 1; i < where.size; i++) {
        if (key[i] == 'N' && key[i - 1] == '.' && (i + 1 == where.size || key[i + 1] == '.'))
            key[i] = '3';
    }
    return key;
}

/* `"key":value`, where "key->member" is an object and a number an array. */
static char *member_of(struct fixture *f, struct slice where, const char *value)
{
    char *json = arena_strdup(&f->arena, value);
    for (;;) {
        size_t at = where.size;
        while (at >= 2 && !(where.data[at - 1] == '>' && where.data[at - 2] == '-'))
            at--;
        if (at < 2)
            return arena_printf(&f->arena, "\"%s\":%s", key_of(f, where), json);
        struct slice name = slice_of(where.data + at, where.size - at);
        where.size = at - 2;
        json = name.size == 1 && name.data[0] == '0'
                   ? arena_printf(&f->arena, "[%s]", json)
                   : arena_printf(&f->arena, "{\"%.*s\":%s}", SLICE_ARG(name), json);
    }
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What must be there besides the line itself for it to count. */
static const char *companion_of(const struct source *source)
{
    switch (source->target) {
    case TARGET_tool_label:
        return "\"gen_ai.operation.name\":\"execute_tool\"";
    case TARGET_evaluation_output:
        return "\"openinference.span.kind\":\"EVALUATOR\"";
    case TARGET_http_status:
        return "\"error.type\":\"x\"";
    case TARGET_tokens_total:
        return "\"gen_ai.usage.output_tokens\":2";
    default:
        return "\"unmapped\":1";
    }
}

/* A name and a value for the part of a score. */
static const char *score_companion_of(struct fixture *f, const char *where, enum how how)
{
    char *prefix = key_of(f, slice_text(where));
    const char *value_name =
        starts_with(where, "event ") || starts_with(where, "gen_ai.") ? "score.value" : "score";
    size_t size = strlen(prefix);
    while (size > 0 && prefix[size - 1] != '.')
        size--;
    if (size > 6 && memcmp(prefix + size - 6, "score.", 6) == 0)
        size -= 6;
    const char *name = strstr(where, "observability") != NULL ? "metric_name" : "name";
    const char *name_part =
        how == HOW_SCORE_NAME
            ? ""
            : arena_printf(&f->arena, ",\"%.*s%s\":\"quality\"", (int)size, prefix, name);
    const char *value_part = how == HOW_SCORE_VALUE ? ""
                                                    : arena_printf(&f->arena, ",\"%.*s%s\":0.5",
                                                                   (int)size, prefix, value_name);
    return arena_printf(&f->arena, "%s%s", name_part, value_part);
}

/* The span that has this one thing. */
static void map_sample(struct fixture *f, const struct source *source, const char *value)
{
    const char *where = source->where;
    const char *resource = "{}";
    const char *name = "span";
    const char *rest = "";
    char *attributes = arena_printf(&f->arena, "%s", companion_of(source));
    if (starts_with(where, "resource ")) {
        resource = arena_printf(&f->arena, "{%s}", member_of(f, slice_text(where + 9), value));
    } else if (starts_with(where, "event ")) {
        const char *arrow = strstr(where, "->");
        const char *extra = "";
        if (source->how >= HOW_SCORE_NAME)
            extra = score_companion_of(f, arrow + 2, source->how);
        rest = arena_printf(
            &f->arena,
            ",\"events\":[{\"timeUnixNano\":\"1795452193250000000\",\"name\":\"%.*s\",\"attributes\":{%s%s}}]",
            arrow != NULL ? (int)(arrow - where - 6) : 1000, where + 6,
            arrow != NULL ? arena_printf(&f->arena, "\"%s\":%s", arrow + 2, value) : "", extra);
    } else if (strcmp(where, "span name") == 0) {
        name = value;
    } else if (strcmp(where, "status message") == 0) {
        rest = arena_printf(&f->arena, ",\"status\":{\"message\":%s}", value);
    } else {
        const char *extra =
            source->how >= HOW_SCORE_NAME ? score_companion_of(f, where, source->how) : "";
        attributes = arena_printf(&f->arena, "%s,%s%s", attributes,
                                  member_of(f, slice_text(where), value), extra);
    }
    const char *quoted = name[0] == '"' ? name : arena_printf(&f->arena, "\"%s\"", name);
    /* What stands in for a nameless span has to be tried on one. */
    if (source->target == TARGET_name && strcmp(where, "span name") != 0)
        quoted = "\"\"";
    fixture_map_span(f, resource,
                     arena_printf(&f->arena, FIXTURE_TIMES "\"name\":%s,\"attributes\":{%s}%s",
                                  quoted, attributes, rest));
}

static const char *result_of(struct fixture *f, const struct source *source)
{
    static const char *const score_cells[] = {"name", "value", "label", "explanation"};
    switch (source->target) {
    case TARGET_tool_label:
        return fixture_cell(f, 0, "tool_name");
    case TARGET_tokens_total:
        return fixture_cell(f, 0, "tokens_in");
    case TARGET_cost_in:
    case TARGET_cost_out:
        return fixture_cell(f, 0, "cost_usd");
    case TARGET_score:
        cr_assert_eq(f->scores.rows, 1, "%s gave %u scores", source->where, f->scores.rows);
        return fixture_text(
            f, &f->scores, 0,
            source->how >= HOW_SCORE_NAME ? score_cells[source->how - HOW_SCORE_NAME] : "value");
    default:
        return fixture_cell(f, 0, target_column[source->target]);
    }
}

Test(mapper_table, every_line_gives_its_column_alone)
{
    struct fixture f;
    fixture_init(&f, NULL);
    for (uint32_t i = 0; i < dialect_source_count(); i++) {
        const struct source *source = &dialect_sources[i];
        arena_reset(&f.arena);
        struct sample sample = sample_of(&f, source);
        switch (source->target) {
        case TARGET_streamed:    /* only decides what an event means */
        case TARGET_project:     /* see mapper_project_hint */
        case TARGET_cost_cached: /* only added to others */
            continue;
        case TARGET_tokens_total:
            sample.cell = "40";
            break;
        case TARGET_evaluation_output:
            map_sample(&f, source, "\"{\\\"score\\\":0.5}\"");
            cr_assert_eq(f.scores.rows, 1, "%s", source->where);
            cr_assert_str_eq(fixture_text(&f, &f.scores, 0, "value"), "0.5", "%s", source->where);
            continue;
        default:
            break;
        }
        /* Names that mean a kind are words, not samples. */
        if (source->target == TARGET_kind && strcmp(source->where, "span name") == 0)
            sample = (struct sample){"\"call_llm\"", "llm"};
        if (source->target == TARGET_http_status && strcmp(source->where, "error.type") == 0)
            sample = (struct sample){"\"429\"", "429"};
        map_sample(&f, source, sample.json);
        const char *got = result_of(&f, source);
        cr_assert_str_eq(got, sample.cell, "%s: got '%s', not '%s'; attributes %s", source->where,
                         got, sample.cell, fixture_cell(&f, 0, "attributes"));
        cr_assert(fixture_is_clean_json(&f, fixture_cell(&f, 0, "attributes")), "%s",
                  source->where);
    }
    fixture_deinit(&f);
}

Test(mapper_table, every_word_is_found_in_any_spelling)
{
    struct dialect d;
    dialect_init(&d);
    for (uint32_t i = 0; i < dialect_word_count(); i++) {
        const struct word *w = &dialect_words[i];
        char text[128];
        size_t size = strlen(w->spelling);
        cr_assert(size < sizeof text);
        for (size_t k = 0; k <= size; k++) {
            char c = w->spelling[k];
            text[k] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c == '_' ? '-' : c;
        }
        const char *word = dialect_word(&d, w->vocabulary, slice_of(text, size));
        cr_assert_not_null(word, "%s", w->spelling);
        cr_assert_str_eq(word, w->word, "%s is in the vocabulary twice", w->spelling);
    }
    cr_assert_null(dialect_word(&d, WORDS_kind, slice_text("no such kind")));
    dialect_deinit(&d);
}

Test(mapper_table, no_place_gives_a_target_twice)
{
    for (uint32_t i = 0; i < dialect_source_count(); i++) {
        for (uint32_t k = i + 1; k < dialect_source_count(); k++) {
            cr_assert(dialect_sources[i].target != dialect_sources[k].target ||
                          strcmp(dialect_sources[i].where, dialect_sources[k].where) != 0,
                      "%s", dialect_sources[i].where);
        }
    }
}

Test(mapper_table, projects_are_hinted_at)
{
    struct attribute attribute = {
        slice_text("braintrust.parent"),
        {.type = VALUE_STRING, .bytes = slice_text("project_name:support-bot")}};
    struct otlp_span span = {.attributes = {.items = &attribute, .count = 1}};
    cr_assert(slice_is(mapper_project_hint(&span), "support-bot"));
    struct otlp_resource resource = {.attributes = {.items = &attribute, .count = 1}};
    attribute.key = slice_text("openinference.project.name");
    span.attributes.count = 0;
    span.resource = &resource;
    cr_assert(slice_is(mapper_project_hint(&span), "project_name:support-bot") ||
              slice_is(mapper_project_hint(&span), "support-bot"));
    span.resource = NULL;
    cr_assert_eq(mapper_project_hint(&span).size, 0);
}
