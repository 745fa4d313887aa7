/*
 * test_mapper_log.c - log records, mapping again, and explanations.
 */
#include "mapper_fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f, NULL);
}

static void teardown(void)
{
    fixture_deinit(&f);
}

TestSuite(mapper_log, .init = setup, .fini = teardown);
TestSuite(mapper_remap, .init = setup, .fini = teardown);

/* Maps one log record whose members are given. */
static void map_log(const char *members)
{
    char *body = arena_printf(
        &f.arena,
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":{\"service.name\":\"judge\"}},"
        "\"scopeLogs\":[{\"scope\":{\"name\":\"j\",\"version\":\"2\"},\"logRecords\":[{%s}]}]}]}",
        members);
    f.ignored = 0;
    fixture_map_body(&f, OTLP_LOGS, OTLP_JSON, slice_text(body));
}
#define LOG_IDS                                                                                    \
    "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"1112131415161718\","            \
    "\"timeUnixNano\":\"1795452193500000000\","

Test(mapper_log, an_evaluation_becomes_a_score)
{
    map_log(
        LOG_IDS
        "\"eventName\":\"gen_ai.evaluation.result\",\"attributes\":{\"gen_ai.evaluation.name\":\"tone\","
        "\"gen_ai.evaluation.score.value\":1,\"gen_ai.evaluation.score.label\":\"good\"}");
    cr_assert_eq(f.spans.rows, 0);
    cr_assert_eq(f.scores.rows, 1);
    EXPECT_SCORE(&f, 0, "name=tone", "value=1", "label=good", "span_id=1112131415161718",
                 "time=1795452193500000000", "source=judge", "scorer=j", "scorer_version=2");
    /* The same in a body. */
    map_log(LOG_IDS
            "\"eventName\":\"gen_ai.evaluation.result\",\"body\":{\"kvlistValue\":{\"values\":["
            "{\"key\":\"gen_ai.evaluation.name\",\"value\":{\"stringValue\":\"tone\"}},"
            "{\"key\":\"gen_ai.evaluation.score.value\",\"value\":{\"doubleValue\":0.5}}]}}");
    cr_assert_eq(f.scores.rows, 1);
    EXPECT_SCORE(&f, 0, "name=tone", "value=0.5");
    /* Of a whole trace. */
    map_log(
        "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"eventName\":\"gen_ai.evaluation.result\","
        "\"attributes\":{\"gen_ai.evaluation.name\":\"tone\",\"gen_ai.evaluation.score.value\":1}");
    EXPECT_SCORE(&f, 0, "span_id=", "name=tone");
}

Test(mapper_log, an_exception_tags_its_span)
{
    static const char *const cases[][3] = {
        {"RateLimitError", "429 Rate limit reached", "rate_limit"},
        {"openai.APITimeoutError", "Request timed out.", "timeout"},
        {"HTTPError", "504 Gateway Time-out", "timeout"},
        {"ValueError", "no such tool", "other"},
        {"BadRequest", "blocked by content management policy", "refusal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        map_log(arena_printf(
            &f.arena,
            LOG_IDS "\"eventName\":\"gen_ai.client.operation.exception\",\"severityNumber\":13,"
                    "\"attributes\":{\"exception.type\":\"%s\",\"exception.message\":\"%s\"}",
            cases[i][0], cases[i][1]));
        cr_assert_eq(f.spans.rows, 0);
        cr_assert_eq(f.tags.rows, 1);
        cr_assert_str_eq(fixture_text(&f, &f.tags, 0, "class"), cases[i][2]);
        cr_assert_str_eq(fixture_text(&f, &f.tags, 0, "source"), "rule");
    }
    map_log(LOG_IDS
            "\"eventName\":\"exception\",\"attributes\":{\"app.llm.error_class\":\"loop\"}");
    cr_assert_str_eq(fixture_text(&f, &f.tags, 0, "class"), "loop");
    cr_assert_str_eq(fixture_text(&f, &f.tags, 0, "source"), "client");
}

Test(mapper_log, anything_else_becomes_a_child)
{
    map_log(
        LOG_IDS
        "\"severityNumber\":17,\"severityText\":\"ERROR\",\"body\":{\"stringValue\":\"it broke\"},"
        "\"attributes\":{\"gen_ai.operation.name\":\"chat\",\"x\":1}");
    cr_assert_eq(f.spans.rows, 1);
    EXPECT(&f, "name=log", "kind=other", "parent_id=1112131415161718", "status=error",
           "latency_ms=", "service=judge", "time=1795452193500000000");
    const char *attributes = fixture_cell(&f, 0, "attributes");
    cr_assert(strstr(attributes, "\"x\":1") != NULL, "%s", attributes);
    cr_assert(strstr(attributes, "\"log.body\":\"it broke\"") != NULL, "%s", attributes);
    cr_assert(strstr(attributes, "\"log.severity\":17") != NULL, "%s", attributes);
    const char *first = fixture_cell(&f, 0, "span_id");
    /* A resend is the same row; another record is another. */
    map_log(
        LOG_IDS
        "\"severityNumber\":17,\"severityText\":\"ERROR\",\"body\":{\"stringValue\":\"it broke\"},"
        "\"attributes\":{\"gen_ai.operation.name\":\"chat\",\"x\":1}");
    cr_assert_str_eq(fixture_cell(&f, 0, "span_id"), first);
    map_log(
        LOG_IDS
        "\"severityNumber\":17,\"severityText\":\"ERROR\",\"body\":{\"stringValue\":\"it broke again\"},"
        "\"attributes\":{\"gen_ai.operation.name\":\"chat\",\"x\":1}");
    cr_assert_str_neq(fixture_cell(&f, 0, "span_id"), first);
}

Test(mapper_log, a_message_is_a_message)
{
    map_log(LOG_IDS "\"eventName\":\"gen_ai.user.message\",\"body\":{\"kvlistValue\":{\"values\":["
                    "{\"key\":\"content\",\"value\":{\"stringValue\":\"hi\"}}]}}");
    EXPECT(&f, "name=gen_ai.user.message", "kind=other",
           "input=[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]}]");
    cr_assert(strstr(fixture_cell(&f, 0, "attributes"), "log.body") == NULL, "%s",
              fixture_cell(&f, 0, "attributes"));
}

Test(mapper_log, records_without_a_trace_are_ignored)
{
    map_log("\"body\":{\"stringValue\":\"hello\"}");
    cr_assert_eq(f.ignored, 1);
    cr_assert_eq(f.spans.rows, 0);
    map_log(
        "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"body\":{\"stringValue\":\"hello\"}");
    cr_assert_eq(f.ignored, 1);
    cr_assert_eq(f.spans.rows, 0);
}

/* ---- mapping again ---- */

static bool remap(const char *attributes, uint64_t have0, uint64_t have1, struct slice *ret)
{
    uint64_t have[2] = {have0, have1};
    bool is_new = mapper_remap(f.mapper, slice_text(attributes), have, &f.mapped, &f.arena, ret);
    f.spans = builder_batch(&f.mapped.spans);
    return is_new;
}

static uint64_t bit(uint16_t column)
{
    return (uint64_t)1 << column % 64;
}

Test(mapper_remap, fills_what_is_missing_and_keeps_the_rest)
{
    struct slice left;
    cr_assert(remap(
        "{\"gen_ai.request.model\":\"m\",\"x\":[1],\"gen_ai.usage.input_tokens\":7,"
        "\"scope\":{\"name\":\"s\"},\"resource\":{\"deployment.environment\":\"prod\",\"host.name\":\"h\"},"
        "\"events\":[{\"name\":\"exception\",\"time\":\"2026-11-23T16:43:13.5Z\",\"attributes\":{"
        "\"exception.type\":\"E\"}},{\"name\":\"e\",\"attributes\":{\"k\":1}}],\"links\":[{\"a\":1}]}",
        bit(SPANS_kind) | bit(SPANS_name), 0, &left));
    cr_assert_eq(f.spans.rows, 1);
    EXPECT(&f, "model=m", "tokens_in=7", "environment=prod", "error_type=E",
           "kind=", "name=", "status=");
    cr_assert(
        slice_is(
            left,
            "{\"x\":[1],\"scope\":{\"name\":\"s\"},\"links\":[{\"a\":1}],"
            "\"resource\":{\"host.name\":\"h\"},\"events\":[{\"name\":\"e\",\"attributes\":{\"k\":1}}]}"),
        "%.*s", SLICE_ARG(left));
}

Test(mapper_remap, what_is_set_is_left_alone)
{
    struct slice left;
    const char *text = "{\"llm.model_name\":\"other\",\"x\":1}";
    cr_assert_not(
        remap(text, bit(SPANS_model) | bit(SPANS_model_served) | bit(SPANS_kind), 0, &left));
    cr_assert(slice_is(left, text));
    cr_assert(remap(text, bit(SPANS_model) | bit(SPANS_kind), 0, &left));
    EXPECT(&f, "model=", "model_served=other");
    cr_assert(slice_is(left, "{\"x\":1}"));
}

Test(mapper_remap, usage_taken_off_a_wrapper_does_not_come_back)
{
    struct slice left;
    cr_assert_not(remap(
        "{\"gen_ai.usage.total_tokens\":9,\"langfuse.observation.usage_details\":\"{\\\"input\\\":5}\","
        "\"usage\":{\"tokens_in\":5}}",
        bit(SPANS_kind), 0, &left));
}

Test(mapper_remap, only_scores_that_were_not_given_before_are_new)
{
    struct slice left;
    cr_assert(remap("{\"evaluation.name\":\"tone\",\"evaluation.score\":0.5}", bit(SPANS_kind), 0,
                    &left));
    f.scores = builder_batch(&f.mapped.scores);
    cr_assert_eq(f.scores.rows, 1);
    EXPECT_SCORE(&f, 0, "name=tone", "value=0.5", "span_id=");
    cr_assert_eq(left.size, 0);
    /* These stayed because they were changed or had more to say: they were given on arrival. */
    cr_assert_not(
        remap("{\"evaluation.name\":\"b b\",\"evaluation.score\":1}", bit(SPANS_kind), 0, &left));
    cr_assert_not(remap("{\"braintrust.scores\":{\"a\":1,\"b\":null}}", bit(SPANS_kind), 0, &left));
    cr_assert_not(remap("{\"events\":[{\"name\":\"gen_ai.evaluation.result\",\"attributes\":{"
                        "\"gen_ai.evaluation.name\":\"q\",\"gen_ai.evaluation.score.value\":1,"
                        "\"gen_ai.response.id\":\"r\"}}]}",
                        bit(SPANS_kind), 0, &left));
}

Test(mapper_remap, messages_are_found_again)
{
    struct slice left;
    const char *text =
        "{\"gen_ai.input.messages\":\"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hi\\\"}]\",\"x\":1}";
    cr_assert(remap(text, bit(SPANS_kind), 0, &left));
    EXPECT(&f, "input=[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]}]");
    cr_assert(slice_is(left, "{\"x\":1}"), "%.*s", SLICE_ARG(left));
    cr_assert_not(remap(text, bit(SPANS_kind), bit(SPANS_input), &left));
}

Test(mapper_remap, what_is_no_attributes_is_left_alone)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"a\":1",
                                        "{\"a\":1}x",
                                        "{\"events\":[{]}",
                                        "{\"resource\":{\"a\":}}",
                                        "null",
                                        "{}",
                                        "{\"events\":[1]}"};
    struct slice left;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert_not(remap(texts[i], 0, 0, &left), "%s", texts[i]);
        cr_assert(slice_is(left, texts[i]));
    }
}

/* Whatever a mapped span left, mapping it again finds nothing: the table has not changed. */
Test(mapper_remap, a_span_mapped_by_this_table_has_nothing_new)
{
    static const char *const spans[] = {
        "{\"gen_ai.operation.name\":\"chat\",\"gen_ai.provider.name\":\"openai\",\"gen_ai.request.model\":\"m\",\"z\":1.5,"
        "\"gen_ai.response.finish_reasons\":[\"tool_call\"],\"ai.model.provider\":\"openai.chat\"}",
        "{\"langfuse.observation.type\":\"generation\",\"langfuse.observation.usage_details\":"
        "\"{\\\"input\\\":5,\\\"output\\\":2,\\\"input_cached_tokens\\\":3}\"}",
    };
    static const char *const names[] = {"kind",          "provider",  "model",
                                        "finish_reason", "tokens_in", "tokens_out",
                                        "tokens_cached", "status",    "service"};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        fixture_map(&f, spans[i]);
        uint64_t have[2] = {0, 0};
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            const struct column *c = table_column_by_name(TABLE_SPANS, slice_text(names[k]));
            if (fixture_cell(&f, 0, names[k])[0] != 0)
                have[c->id / 64] |= bit(c->id);
        }
        struct slice left;
        const char *attributes = fixture_cell(&f, 0, "attributes");
        cr_assert_not(remap(attributes, have[0], have[1], &left), "%s", attributes);
    }
}

/* ---- explanations ---- */

struct notes {
    struct arena arena;
    char *lines[128];
    uint32_t count;
};

static void note_take(void *context, const struct mapping_note *note)
{
    struct notes *notes = context;
    cr_assert_lt(notes->count, 128);
    cr_assert_not_null(note->why);
    notes->lines[notes->count++] =
        arena_printf(&notes->arena, "%.*s|%.*s|%s|%s", SLICE_ARG(note->source),
                     SLICE_ARG(note->value), note->column != NULL ? note->column : "-", note->why);
}

static void expect_note(const struct notes *notes, const char *line)
{
    for (uint32_t i = 0; i < notes->count; i++) {
        if (strncmp(notes->lines[i], line, strlen(line)) == 0)
            return;
    }
    for (uint32_t i = 0; i < notes->count; i++)
        fprintf(stderr, "%s\n", notes->lines[i]);
    cr_assert_fail("no note %s", line);
}

Test(mapper_explain, every_attribute_has_its_note)
{
    struct notes notes = {0};
    struct mapper_explain explain = {.note = note_take, .context = &notes};
    fixture_init(&f, &explain);
    fixture_map_span(
        &f, "{\"service.name\":\"s\",\"host.name\":\"h\"}",
        FIXTURE_TIMES
        "\"name\":\"chat\",\"kind\":3,\"attributes\":{\"gen_ai.operation.name\":\"chat\","
        "\"gen_ai.request.model\":\"m\",\"ai.model.id\":\"m\",\"llm.request.model\":\"n\",\"x\":1,"
        "\"gen_ai.input.messages\":\"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hi\\\"}]\","
        "\"gen_ai.usage.input_tokens\":-1,\"evaluation.name\":\"q\",\"evaluation.score\":1,"
        "\"braintrust.metrics\":\"{\\\"prompt_tokens\\\":4}\",\"gen_ai.response.finish_reasons\":[\"tool_call\"]},"
        "\"events\":[{\"name\":\"exception\",\"timeUnixNano\":\"1795452193500000000\",\"attributes\":{"
        "\"exception.type\":\"E\",\"exception.stacktrace\":\"...\"}}],\"links\":[]");
    expect_note(&notes, "status|unset|status|error: other signs of failure");
    expect_note(&notes, "kind|llm|kind|from gen_ai.operation.name");
    expect_note(&notes, "resource service.name|s|service|first source of service");
    expect_note(&notes, "resource host.name|h|attributes|no mapping");
    expect_note(&notes, "gen_ai.operation.name|chat|kind|its meaning");
    expect_note(&notes, "gen_ai.request.model|m|model|first source of model");
    expect_note(&notes, "ai.model.id|m|model|says the same as gen_ai.request.model");
    expect_note(&notes, "llm.request.model|n|attributes|model came from gen_ai.request.model");
    expect_note(&notes, "x|1|attributes|no mapping");
    expect_note(&notes, "gen_ai.input.messages|");
    expect_note(
        &notes,
        "gen_ai.usage.input_tokens|-1|attributes|tokens_in came from braintrust.metrics->prompt_tokens");
    expect_note(&notes, "evaluation.name|q|score.q|a score");
    expect_note(&notes, "evaluation.score|1|score.q|a score");
    expect_note(&notes, "gen_ai.response.finish_reasons|[\"tool_call\"]|finish_reason|its meaning");
    expect_note(&notes,
                "braintrust.metrics|{\"prompt_tokens\":4}|tokens_in|its members became tokens_in");
    expect_note(&notes, "event exception||attributes|");
    expect_note(&notes, "event exception->exception.type|E|error_type|");
    /* Resource 2, status, kind, attributes 11, event and its mapped attribute. */
    cr_assert_geq(notes.count, 17);
    arena_deinit(&notes.arena);
    fixture_deinit(&f);
}
