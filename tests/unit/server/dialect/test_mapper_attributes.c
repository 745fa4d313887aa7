/*
 * test_mapper_attributes.c - nothing is lost: what became no column is in `attributes`, as valid JSON, whatever came in.
 */
#include "mapper_fixture.h"

#include "engine/base/rng.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f, NULL);
}

static void teardown(void)
{
    fixture_deinit(&f);
}

TestSuite(mapper_attributes, .init = setup, .fini = teardown);

static const char *attributes(void)
{
    return fixture_cell(&f, 0, "attributes");
}

/* Maps a span built by hand; its ids are set. */
static void map_built(struct otlp_span *span)
{
    struct error error = {0};
    mapped_reset(&f.mapped);
    span->trace_id.bytes[0] = 1;
    span->span_id = 2;
    if (span->name.data == NULL)
        span->name = SLICE_EMPTY;
    if (span->trace_state.data == NULL)
        span->trace_state = SLICE_EMPTY;
    if (span->status_message.data == NULL)
        span->status_message = SLICE_EMPTY;
    cr_assert(mapper_span(f.mapper, span, &f.mapped, &error) == STATUS_OK, "%s", error.text);
    f.spans = builder_batch(&f.mapped.spans);
    f.scores = builder_batch(&f.mapped.scores);
    cr_assert(fixture_is_clean_json(&f, attributes()), "%.2000s", attributes());
}

static struct attribute text_attribute(const char *key, struct slice text)
{
    return (struct attribute){slice_text(key), {.type = VALUE_STRING, .bytes = text}};
}

Test(mapper_attributes, every_type_stays_what_it_is)
{
    fixture_map(
        &f,
        "{\"t\":\"a\\n\\\"b\\\"\",\"b\":true,\"i\":-7,\"d\":0.5,\"a\":[1,\"x\",{\"y\":null}],\"n\":null,"
        "\"o\":{\"deep\":{\"er\":[]}}}");
    cr_assert_str_eq(
        attributes(),
        "{\"t\":\"a\\n\\\"b\\\"\",\"b\":true,\"i\":-7,\"d\":0.5,\"a\":[1,\"x\",{\"y\":null}],"
        "\"n\":null,\"o\":{\"deep\":{\"er\":[]}}}");
    struct attribute items[] = {
        {slice_text("nan"), {.type = VALUE_DOUBLE, .number = __builtin_nan("")}},
        {slice_text("inf"), {.type = VALUE_DOUBLE, .number = -__builtin_inf()}},
        {slice_text("bytes"), {.type = VALUE_BYTES, .bytes = slice_text("\x01\x02")}},
        {slice_text("least"), {.type = VALUE_INT, .integer = INT64_MIN}},
        {slice_text("gen_ai.request.temperature"),
         {.type = VALUE_DOUBLE, .number = __builtin_inf()}},
    };
    struct otlp_span span = {.attributes = {.items = items, .count = 5}};
    map_built(&span);
    cr_assert_str_eq(attributes(),
                     "{\"nan\":\"NaN\",\"inf\":\"-Infinity\",\"bytes\":\"AQI=\","
                     "\"least\":-9223372036854775808,\"gen_ai.request.temperature\":\"Infinity\"}");
    EXPECT(&f, "temperature=");
}

Test(mapper_attributes, json_values_leave_only_when_all_of_them_stands_in_columns)
{
    fixture_map(&f, "{\"metadata\":\"{\\\"session_id\\\":\\\"s\\\",\\\"user_id\\\":\\\"u\\\"}\"}");
    EXPECT(&f, "session=s", "user_id=u", "attributes=");
    static const char *const kept[] = {
        "{\"metadata\":\"{}\"}",
        "{\"metadata\":{\"session_id\":\"s\",\"x\":null}}",
        "{\"metadata\":{\"session_id\":\"s\",\"x\":[]}}",
        "{\"metadata\":[{\"session_id\":\"s\"}]}",
        "{\"braintrust.scores\":\"{}\"}",
        "{\"langfuse.observation.usage_details\":{\"input\":5,\"prompt_tokens_details\":[]}}",
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        fixture_map(&f, kept[i]);
        cr_assert_str_eq(attributes(), kept[i]);
    }
    /* Cut off by the client: what was read counts, and the text stays. */
    fixture_map(&f, "{\"metadata\":\"{\\\"session_id\\\":\\\"s\\\",\\\"user\"}");
    EXPECT(&f, "session=s", "attributes={\"metadata\":\"{\\\"session_id\\\":\\\"s\\\",\\\"user\"}");
}

Test(mapper_attributes, of_a_name_that_comes_twice_the_last_counts)
{
    struct attribute items[] = {
        text_attribute("x", slice_text("1")),
        text_attribute("gen_ai.request.model", slice_text("first")),
        text_attribute("x", slice_text("2")),
        text_attribute("gen_ai.request.model", slice_text("last")),
        text_attribute("x", slice_text("3")),
    };
    struct otlp_span span = {.attributes = {.items = items, .count = 5}};
    map_built(&span);
    EXPECT(&f, "model=last", "attributes={\"x\":\"3\"}");
    /* The same for names that are too long to be remembered, and inside events. */
    char name[400];
    memset(name, 'k', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct attribute longs[] = {text_attribute(name, slice_text("1")),
                                text_attribute(name, slice_text("2"))};
    struct otlp_event event = {.name = slice_text("e"), .attributes = {.items = items, .count = 3}};
    span = (struct otlp_span){
        .attributes = {.items = longs, .count = 2}, .events = &event, .event_count = 1};
    map_built(&span);
    cr_assert(strstr(attributes(), "kkk\":\"2\"") != NULL);
    cr_assert(strstr(attributes(),
                     "\"attributes\":{\"gen_ai.request.model\":\"first\",\"x\":\"2\"}") != NULL,
              "%s", attributes());
}

Test(mapper_attributes, what_is_no_utf8_is_replaced)
{
    struct attribute items[] = {
        text_attribute("bad\xff", slice_text("a\xff\xfe b\xc3")),
        {slice_text("list"), {.type = VALUE_JSON, .bytes = slice_text("[\"\xff\",\"\xc3\xa4\"]")}},
    };
    struct otlp_span span = {.attributes = {.items = items, .count = 2}};
    map_built(&span);
    cr_assert_str_eq(attributes(),
                     "{\"bad\xef\xbf\xbd\":\"a\xef\xbf\xbd\xef\xbf\xbd b\xef\xbf\xbd\","
                     "\"list\":[\"\xef\xbf\xbd\",\"\xc3\xa4\"]}");
}

Test(mapper_attributes, our_own_members_and_theirs)
{
    fixture_map_span(
        &f, "{\"service.name\":\"s\",\"host.name\":\"vm\"}",
        FIXTURE_TIMES
        "\"name\":\"x\",\"kind\":3,\"traceState\":\"a=b\",\"droppedAttributesCount\":2,"
        "\"attributes\":{\"resource\":1,\"events\":2,\"usage\":3,\"driftline.truncated\":4},"
        "\"events\":[{\"name\":\"e\",\"timeUnixNano\":\"1795452193500000000\","
        "\"attributes\":{\"k\":1}}],\"links\":[{\"traceId\":"
        "\"0102030405060708090a0b0c0d0e0f11\",\"spanId\":\"1112131415161719\","
        "\"attributes\":{\"l\":true}}]");
    cr_assert_str_eq(
        attributes(),
        "{\"attributes.resource\":1,\"attributes.events\":2,\"attributes.usage\":3,"
        "\"attributes.driftline.truncated\":4,\"span\":{\"kind\":\"client\",\"trace_state\":\"a=b\","
        "\"dropped_attributes\":2},\"resource\":{\"host.name\":\"vm\"},"
        "\"events\":[{\"name\":\"e\",\"time\":\"2026-11-23T16:43:13.5Z\",\"attributes\":{\"k\":1}}],"
        "\"links\":[{\"trace_id\":\"0102030405060708090a0b0c0d0e0f11\","
        "\"span_id\":\"1112131415161719\",\"attributes\":{\"l\":true}}]}");
}

Test(mapper_attributes, a_span_that_says_otherwise_keeps_its_resource_whole)
{
    const char *resource = "{\"service.name\":\"s\",\"deployment.environment\":\"prod\"}";
    fixture_map_span(&f, resource, FIXTURE_TIMES "\"name\":\"x\"");
    EXPECT(&f, "service=s", "environment=prod", "attributes=");
    fixture_map_span(&f, resource,
                     FIXTURE_TIMES
                     "\"name\":\"x\",\"attributes\":{\"langfuse.environment\":\"staging\"}");
    EXPECT(
        &f, "environment=staging",
        "attributes={\"resource\":{\"service.name\":\"s\",\"deployment.environment\":\"prod\"}}");
    fixture_map_span(&f, resource,
                     FIXTURE_TIMES
                     "\"name\":\"x\",\"attributes\":{\"deployment.environment\":\"prod\"}");
    EXPECT(&f, "environment=prod", "attributes=");
}

Test(mapper_attributes, resources_and_scopes_do_not_leak_into_each_other)
{
    fixture_map_body(
        &f, OTLP_TRACES, OTLP_JSON,
        slice_text(
            "{\"resourceSpans\":["
            "{\"resource\":{\"attributes\":{\"service.name\":\"a\",\"host.name\":\"h1\"}},"
            "\"scopeSpans\":[{\"scope\":{\"name\":\"s1\",\"attributes\":{\"x\":1}},\"spans\":["
            "{" FIXTURE_IDS "\"name\":\"1\"},{" FIXTURE_IDS "\"name\":\"2\"}]},"
            "{\"scope\":{\"name\":\"s2\",\"version\":\"9\"},\"spans\":[{" FIXTURE_IDS
            "\"name\":\"3\"},{" FIXTURE_IDS "\"name\":\"4\"}]}]},"
            "{\"resource\":{\"attributes\":{\"service.name\":\"b\"}},\"scopeSpans\":[{\"spans\":[{" FIXTURE_IDS
            "\"name\":\"5\"}]}]}]}"));
    cr_assert_eq(f.spans.rows, 5);
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_ROW(
            &f, i, "service=a",
            "attributes={\"scope\":{\"name\":\"s1\",\"attributes\":{\"x\":1}},\"resource\":{\"host.name\":\"h1\"}}");
    for (uint32_t i = 2; i < 4; i++)
        EXPECT_ROW(
            &f, i, "service=a",
            "attributes={\"scope\":{\"name\":\"s2\",\"version\":\"9\"},\"resource\":{\"host.name\":\"h1\"}}");
    EXPECT_ROW(&f, 4, "service=b", "attributes=");
}

/* ---- limits ---- */

static struct slice filled(size_t size, const char *character)
{
    size_t step = strlen(character);
    uint8_t *bytes = arena_alloc(&f.arena, size + step);
    for (size_t at = 0; at < size; at += step)
        memcpy(bytes + at, character, step);
    return slice_of(bytes, size / step * step);
}

Test(mapper_attributes, long_texts_are_cut_between_characters_and_kept_in_attributes)
{
    for (size_t size = STR_BYTES_MAX - 3; size <= STR_BYTES_MAX + 3; size++) {
        struct slice text = filled(size, "\xe2\x82\xac");
        struct attribute items[] = {text_attribute("session.id", text)};
        struct otlp_span span = {.attributes = {.items = items, .count = 1}};
        map_built(&span);
        size_t stored = strlen(fixture_cell(&f, 0, "session"));
        cr_assert_eq(stored % 3, 0);
        cr_assert_leq(stored, STR_BYTES_MAX);
        bool is_cut = text.size > STR_BYTES_MAX;
        cr_assert_eq(stored < text.size, is_cut);
        cr_assert_eq(strstr(attributes(), "\"driftline.truncated\":[\"session\"]") != NULL, is_cut);
        cr_assert_eq(strstr(attributes(), "\"session.id\":") != NULL, is_cut, "nothing is lost");
    }
}

Test(mapper_attributes, more_than_a_cell_holds_is_cut_and_noted)
{
    struct slice text = filled(TEXT_BYTES_MAX + 1000, "\n");
    struct attribute items[] = {
        text_attribute("before", slice_text("b")),
        text_attribute("big", text),
        text_attribute("after", slice_text("a")),
        {slice_text("list"), {.type = VALUE_JSON, .bytes = slice_text("[1]")}},
    };
    struct otlp_span span = {.attributes = {.items = items, .count = 4}};
    map_built(&span);
    cr_assert_leq(strlen(attributes()), TEXT_BYTES_MAX);
    cr_assert(strstr(attributes(), "\"before\":\"b\"") != NULL);
    cr_assert(strstr(attributes(), "\"after\":\"a\"") != NULL);
    cr_assert(strstr(attributes(), "\"driftline.truncated\":[\"attributes\"]") != NULL);
    items[1] =
        (struct attribute){slice_text("status_message"), {.type = VALUE_STRING, .bytes = text}};
    span.status_message = text;
    map_built(&span);
    cr_assert_eq(strlen(fixture_cell(&f, 0, "error_message")), TEXT_BYTES_MAX);
    cr_assert(strstr(attributes(), "\"error_message\"") != NULL);
}

Test(mapper_attributes, ten_thousand_names_and_the_next_span_unharmed)
{
    uint32_t count = 10000;
    struct attribute *items = ARENA_ARRAY(&f.arena, struct attribute, count);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < count; i++)
            items[i] =
                text_attribute(arena_printf(&f.arena, "name.%d.%u", round, i / 2), slice_text("v"));
        struct otlp_span span = {.attributes = {.items = items, .count = count}};
        mapped_reset(&f.mapped);
        span.trace_id.bytes[0] = 1;
        span.span_id = 2;
        span.name = span.trace_state = span.status_message = SLICE_EMPTY;
        cr_assert(mapper_span(f.mapper, &span, &f.mapped, NULL) == STATUS_OK);
        f.spans = builder_batch(&f.mapped.spans);
        struct json j = json_over(slice_text(attributes()));
        uint32_t members = 0;
        cr_assert_eq(json_next(&j), JSON_OBJECT_BEGIN);
        while (json_next(&j) == JSON_KEY) {
            cr_assert_eq(json_next(&j), JSON_STRING);
            members++;
        }
        cr_assert_eq(members, count / 2);
    }
    fixture_map(
        &f,
        "{\"gen_ai.request.model\":\"m\",\"new.name\":1,\"evaluations.3.name\":\"q\",\"evaluations.3.score\":1}");
    EXPECT(&f, "model=m", "attributes={\"new.name\":1}");
    cr_assert_eq(f.scores.rows, 1);
}

Test(mapper_attributes, more_events_than_fit)
{
    uint32_t count = 2000;
    struct otlp_event *events = ARENA_ARRAY(&f.arena, struct otlp_event, count);
    struct attribute a = text_attribute("k", filled(16000, "x"));
    for (uint32_t i = 0; i < count; i++)
        events[i] =
            (struct otlp_event){.name = slice_text("e"), .attributes = {.items = &a, .count = 1}};
    struct otlp_span span = {.events = events, .event_count = count};
    map_built(&span);
    cr_assert_leq(strlen(attributes()), TEXT_BYTES_MAX);
    cr_assert_gt(strlen(attributes()), TEXT_BYTES_MAX / 2);
    cr_assert(strstr(attributes(), "\"driftline.truncated\":[\"attributes\"]") != NULL);
}

/* ---- anything ---- */

Test(mapper_attributes, random_spans_give_valid_rows)
{
    static const char *const keys[] = {"gen_ai.request.model",
                                       "gen_ai.usage.input_tokens",
                                       "gen_ai.usage.total_tokens",
                                       "braintrust.scores",
                                       "langfuse.observation.usage_details",
                                       "langfuse.observation.completion_start_time",
                                       "resource",
                                       "x",
                                       "gen_ai.response.finish_reasons",
                                       "evaluation.score",
                                       "evaluation.name",
                                       "status",
                                       "error",
                                       "cost.usd",
                                       "gen_ai.server.time_to_first_token",
                                       "gen_ai.input.messages",
                                       "openinference.span.kind",
                                       "error.type",
                                       "metadata",
                                       "mlflow.linkedPrompts",
                                       "ai.toolCall.args",
                                       "",
                                       "a.1.b",
                                       "http.status_code"};
    static const char *const texts[] = {"",
                                        "{",
                                        "[",
                                        "{\"a\":",
                                        "null",
                                        "\"",
                                        "429",
                                        "{\"input\":5,\"total\":1e999}",
                                        "[[[[[[[[[[[[[[[[",
                                        "2026-11-23T16:43:13Z",
                                        "-1",
                                        "EVALUATOR",
                                        "{\"score\":NaN}",
                                        "{\"session_id\":{\"x\":1}}",
                                        "\xff\xfe",
                                        "1e400",
                                        "{\"a\":{},\"a\":[]}"};
    struct rng rng;
    uint64_t seed = 20261123;
    rng_init(&rng, seed);
    for (int round = 0; round < 20000; round++) {
        struct attribute items[12];
        struct otlp_event events[2];
        uint32_t count = (uint32_t)(rng_u64(&rng) % 12);
        for (uint32_t i = 0; i < 12; i++) {
            uint64_t r = rng_u64(&rng);
            const char *text = texts[(r >> 8) % (sizeof texts / sizeof *texts)];
            items[i] = text_attribute(keys[r % (sizeof keys / sizeof *keys)], slice_text(text));
            if (r >> 32 & 1)
                items[i].value =
                    (struct value){.type = VALUE_INT, .integer = (int64_t)rng_u64(&rng)};
            else if (r >> 33 & 1)
                memcpy(&items[i].value,
                       &(struct value){.type = VALUE_DOUBLE, .number = (double)rng_u64(&rng)},
                       sizeof(struct value));
            else if ((r >> 34 & 7) == 0)
                items[i].value = (struct value){.type = VALUE_NONE};
        }
        for (int i = 0; i < 2; i++)
            events[i] = (struct otlp_event){
                .name = slice_text(i == 0 ? "exception" : "gen_ai.evaluation.result"),
                .time_ns = (int64_t)rng_u64(&rng),
                .attributes = {.items = items, .count = count}};
        struct otlp_span span = {.attributes = {.items = items, .count = count},
                                 .events = events,
                                 .event_count = (uint32_t)(rng_u64(&rng) % 3),
                                 .start_ns = (int64_t)rng_u64(&rng),
                                 .end_ns = (int64_t)rng_u64(&rng),
                                 .parent_id = rng_u64(&rng) % 2,
                                 .kind = (int32_t)rng_u64(&rng)};
        map_built(&span);
        cr_assert_eq(f.spans.rows, 1, "seed %" PRIu64 " round %d", seed, round);
        arena_reset(&f.arena);
    }
}
