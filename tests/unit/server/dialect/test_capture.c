/*
 * test_capture.c - recorded requests of real clients give the columns one expects from reading the client's program.
 *
 * The recordings lie outside the project (DRIFTLINE_SHARED, else ../shared); without them nothing is checked here.
 */
#include "mapper_fixture.h"

#include "server/codec/inflate.h"

#define CAPTURE_BYTES_MAX (1u << 20)

/* The bytes of captures/<path>; false: there are none. */
static bool capture_load(struct fixture *f, const char *path, struct slice *ret)
{
    const char *shared = getenv("DRIFTLINE_SHARED");
    const char *source = getenv("SOURCE_DIR");
    char *name = shared != NULL ? arena_printf(&f->arena, "%s/captures/%s", shared, path)
                                : arena_printf(&f->arena, "%s/../shared/captures/%s",
                                               source != NULL ? source : ".", path);
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return false;
    uint8_t *bytes = arena_alloc(&f->arena, CAPTURE_BYTES_MAX);
    size_t size = fread(bytes, 1, CAPTURE_BYTES_MAX, file);
    (void)fclose(file);
    *ret = slice_of(bytes, size);
    return true;
}

/* Maps captures/<path>. False: it is not there, and the test says nothing. */
static bool capture_map(struct fixture *f, const char *path)
{
    struct slice body;
    fixture_init(f, NULL);
    if (!capture_load(f, path, &body)) {
        fixture_deinit(f);
        return false;
    }
    if (body.size > 2 && body.data[0] == 0x1f && body.data[1] == 0x8b) {
        struct buffer plain = {0};
        cr_assert(content_decode(ENCODING_GZIP, body, OTLP_BODY_BYTES_MAX, &plain, NULL) ==
                  STATUS_OK);
        body = arena_copy(&f->arena, buffer_slice(&plain));
        buffer_deinit(&plain);
    }
    enum otlp_signal signal = strstr(path, "logs/001") != NULL ? OTLP_LOGS : OTLP_TRACES;
    fixture_map_body(f, signal, otlp_encoding_of(NULL, body), body);
    for (uint32_t i = 0; i < f->spans.rows; i++)
        cr_assert(fixture_is_clean_json(f, fixture_cell(f, i, "attributes")));
    return true;
}

/* The n-th row of that name, from 0, among those of its trace's order in the request. */
static uint32_t row_of(struct fixture *f, const char *name, uint32_t n)
{
    for (uint32_t i = 0; i < f->spans.rows; i++) {
        if (strcmp(fixture_cell(f, i, "name"), name) == 0 && n-- == 0)
            return i;
    }
    cr_assert_fail("no row named %s", name);
    return 0;
}

static bool has_text(struct fixture *f, uint32_t row, const char *column, const char *part)
{
    return strstr(fixture_cell(f, row, column), part) != NULL;
}

#define ROW(f, name, n, ...) EXPECT_ROW(f, row_of(f, name, n), __VA_ARGS__)

/* ---- OpenTelemetry JS with the newest conventions: one story in four encodings ---- */

static void check_story(struct fixture *f)
{
    cr_assert_eq(f->spans.rows, 15);
    for (uint32_t i = 0; i < 15; i++)
        EXPECT_ROW(f, i, "session=conv_fix_0001", "user_id=user_42", "service=support-bot",
                   "environment=staging", "release=2.3.1");
    uint32_t calls = 0;
    for (uint32_t i = 0; i < 15; i++) {
        if (strcmp(fixture_cell(f, i, "finish_reason"), "tool_calls") != 0)
            continue;
        calls++;
        EXPECT_ROW(f, i, "name=chat gpt-4o-mini", "kind=llm", "provider=openai",
                   "model=gpt-4o-mini", "model_served=gpt-4o-mini-2024-07-18",
                   "prompt_name=support-answer", "prompt_version=17", "temperature=0.2",
                   "status=unset", "http_status=200", "tokens_in=120", "tokens_out=18",
                   "tokens_cached=64", "tokens_cache_write=0", "tokens_reasoning=6",
                   "cost_usd=31200", "cost_estimated=", "pricing_version=2026-11-01");
        cr_assert(has_text(f, i, "input", "You are a support agent. Use tools."));
        cr_assert(has_text(f, i, "output",
                           "\"name\":\"lookup_order\",\"arguments\":{\"order_id\":4711}"));
        cr_assert(has_text(f, i, "tools", "lookup_order"));
        cr_assert(has_text(f, i, "attributes", "\"gen_ai.request.seed\":7"));
        cr_assert_not(has_text(f, i, "attributes", "gen_ai.input.messages"));
    }
    cr_assert_eq(calls, 3);
    ROW(f, "execute_tool lookup_order", 0, "kind=tool", "tool_name=lookup_order",
        "tool_call_id=call_1", "tool_args={\"order_id\":4711}",
        "tool_result={\"status\":\"shipped\",\"date\":\"2026-11-20\"}", "tool_result_empty=0",
        "status=unset");
    ROW(f, "execute_tool lookup_order", 1, "tool_result=[]", "tool_result_empty=1", "status=unset");
    ROW(f, "execute_tool lookup_order", 2, "status=error", "error_type=timeout",
        "error_message=connect ETIMEDOUT 10.0.0.5:5432");
    ROW(f, "retrieval policies", 0, "kind=retrieval", "retrieved_count=3",
        "retrieved_top_score=0.95");
    ROW(f, "invoke_agent support_agent", 0, "kind=agent", "parent_id=", "tokens_in=", "cost_usd=");
    ROW(f, "invoke_agent support_agent", 2, "status=error", "error_message=agent gave up");
    /* Of each turn the second chat is the streamed answer. */
    ROW(f, "chat gpt-4o-mini", 1, "finish_reason=stop", "ttft_ms=22100000", "tokens_in=310",
        "tokens_out=96", "tokens_cached=128", "error_class=");
    ROW(f, "chat gpt-4o-mini", 3, "finish_reason=length", "error_class=truncation",
        "class_source=client");
    ROW(f, "chat gpt-4o-mini", 5, "status=error", "http_status=429",
        "error_type=rate_limit_exceeded", "error_message=429 Rate limit reached", "tokens_in=");
    cr_assert_eq(f->scores.rows, 2);
    EXPECT_SCORE(f, 0, "name=groundedness", "value=0.93", "label=grounded", "explanation=judge v3",
                 "source=judge");
    EXPECT_SCORE(f, 1, "name=groundedness", "value=0.41", "label=not_grounded");
    uint32_t scored = row_of(f, "chat gpt-4o-mini", 3);
    cr_assert_str_eq(fixture_text(f, &f->scores, 1, "span_id"), fixture_cell(f, scored, "span_id"));
}

Test(capture, otel_js_tells_the_same_story_in_every_encoding)
{
    static const char *const paths[] = {"otel-js-proto/001.body.bin", "otel-js-json/001.body.bin",
                                        "otel-js-gzip/001.body.bin",
                                        "otel-js-retry-drop/002.body.bin"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct fixture f;
        if (!capture_map(&f, paths[i]))
            continue;
        check_story(&f);
        fixture_deinit(&f);
    }
}

Test(capture, otel_js_grpc_frame)
{
    struct fixture f;
    struct slice body;
    fixture_init(&f, NULL);
    if (capture_load(&f, "otel-js-grpc/001.body.bin", &body)) {
        cr_assert_gt(body.size, 5);
        fixture_map_body(&f, OTLP_TRACES, OTLP_PROTOBUF, slice_of(body.data + 5, body.size - 5));
        check_story(&f);
    }
    fixture_deinit(&f);
}

Test(capture, otel_js_logs)
{
    struct fixture f;
    if (!capture_map(&f, "otel-js-logs/001.body.bin"))
        return;
    cr_assert_eq(f.spans.rows, 1);
    EXPECT(&f, "name=gen_ai.client.inference.operation.details", "kind=other",
           "parent_id=53e7604a9ed2ba46", "service=judge", "model=gpt-4o-mini",
           "latency_ms=", "status=unset");
    cr_assert(has_text(&f, 0, "input", "\"content\":\"hi\""));
    cr_assert(has_text(&f, 0, "output", "\"content\":\"hello\""));
    cr_assert_eq(f.scores.rows, 1);
    EXPECT_SCORE(&f, 0, "span_id=53e7604a9ed2ba46", "name=groundedness", "value=0.41",
                 "label=not_grounded", "explanation=claim 2 has no source", "source=judge",
                 "scorer=fixture.judge", "scorer_version=1.0");
    cr_assert_eq(f.tags.rows, 1);
    cr_assert_str_eq(fixture_text(&f, &f.tags, 0, "class"), "rate_limit");
    cr_assert_str_eq(fixture_text(&f, &f.tags, 0, "note"),
                     "RateLimitError: 429 Rate limit reached");
    cr_assert_str_eq(fixture_text(&f, &f.tags, 0, "span_id"), "53e7604a9ed2ba46");
    fixture_deinit(&f);
    if (!capture_map(&f, "otel-js-logs/002.body.bin"))
        return;
    EXPECT(&f, "span_id=53e7604a9ed2ba46", "kind=llm", "name=chat gpt-4o-mini");
    fixture_deinit(&f);
}

/* ---- Langfuse JS 5 ---- */

Test(capture, langfuse)
{
    struct fixture f;
    if (!capture_map(&f, "langfuse/001.body.bin"))
        return;
    cr_assert_eq(f.spans.rows, 24);
    for (uint32_t i = 0; i < 24; i++)
        EXPECT_ROW(&f, i, "session=sess_fix_1", "user_id=user_42", "environment=staging",
                   "release=2.3.1", "prompt_version=17");
    for (uint32_t turn = 0; turn < 3; turn++) {
        ROW(&f, "plan", turn, "kind=llm", "model=gpt-4o-mini", "prompt_name=support-answer",
            "temperature=0.2", "tokens_in=120", "tokens_out=18", "tokens_cached=64",
            "tokens_reasoning=6", "cost_usd=19200", "cost_estimated=", "status=unset");
        cr_assert(has_text(&f, row_of(&f, "plan", turn), "output",
                           "\"type\":\"tool_call\",\"id\":\"call_1\""));
        cr_assert_gt(atoll(fixture_cell(&f, row_of(&f, "plan", turn), "ttft_ms")), 0);
        ROW(&f, "embed", turn, "kind=embedding", "model=text-embedding-3-small", "tokens_in=5");
        ROW(&f, "policies", turn, "kind=retrieval", "retrieved_count=2",
            "retrieved_top_score=0.95");
        ROW(&f, "pii-guard", turn, "kind=guardrail");
        ROW(&f, "groundedness", turn, "kind=evaluator");
        ROW(&f, "support_agent", turn, "kind=agent", "parent_id=");
        ROW(&f, "answer", turn, "kind=llm", "tokens_in=182", "tokens_out=96");
    }
    ROW(&f, "answer", 0, "finish_reason=stop");
    ROW(&f, "answer", 1, "finish_reason=length", "status=unset");
    ROW(&f, "lookup_order", 0, "kind=tool", "tool_name=lookup_order",
        "tool_args={\"order_id\":4711}", "tool_result={\"status\":\"shipped\"}",
        "tool_result_empty=0");
    ROW(&f, "lookup_order", 1, "tool_result=[]", "tool_result_empty=1", "status=unset");
    /* The SDK leaves status.code 0 and says level=ERROR. */
    ROW(&f, "lookup_order", 2, "status=error", "error_message=connect ETIMEDOUT",
        "tool_result=", "tool_result_empty=");
    cr_assert_eq(f.scores.rows, 3);
    for (uint32_t turn = 0; turn < 3; turn++) {
        EXPECT_SCORE(&f, turn, "name=groundedness", "source=judge",
                     turn == 1 ? "value=0.41" : "value=0.93");
        cr_assert_str_eq(fixture_text(&f, &f.scores, turn, "span_id"),
                         fixture_cell(&f, row_of(&f, "support_agent", turn), "span_id"));
    }
    cr_assert(has_text(&f, 0, "attributes", "\"langfuse.trace.metadata.tenant\":\"acme\""));
    cr_assert(has_text(&f, 0, "attributes", "\"langfuse.trace.tags\":[\"prod\",\"v2-agent\"]"));
    fixture_deinit(&f);
}

/* ---- Braintrust ---- */

Test(capture, braintrust)
{
    struct fixture f;
    if (!capture_map(&f, "braintrust/001.body.bin"))
        return;
    cr_assert_eq(f.spans.rows, 3);
    ROW(&f, "chat", 0, "kind=llm", "provider=openai", "model=gpt-4o-mini", "temperature=0.2",
        "tokens_in=120", "tokens_out=34", "tokens_cached=64", "tokens_reasoning=8",
        "ttft_ms=220000000", "cost_usd=38400");
    ROW(&f, "lookup_order", 0, "kind=tool", "tool_name=lookup_order",
        "tool_args={\"order_id\":4711}", "tool_result=[]", "tool_result_empty=1", "status=error",
        "error_type=Error", "error_message=connect ETIMEDOUT");
    ROW(&f, "support_agent", 0, "kind=chain", "session=sess_fix_1", "user_id=user_42",
        "prompt_version=17", "parent_id=");
    cr_assert(has_text(&f, row_of(&f, "support_agent", 0), "output", "Order 4711 shipped."));
    cr_assert(has_text(&f, row_of(&f, "lookup_order", 0), "attributes", "exception.stacktrace"));
    cr_assert_eq(f.scores.rows, 1);
    EXPECT_SCORE(&f, 0, "name=groundedness", "value=0.41", "source=client");
    cr_assert_str_eq(fixture_text(&f, &f.scores, 0, "span_id"),
                     fixture_cell(&f, row_of(&f, "chat", 0), "span_id"));
    fixture_deinit(&f);
}

/* ---- OpenInference through Phoenix ---- */

Test(capture, openinference)
{
    struct fixture f;
    if (!capture_map(&f, "openinference/001.body.bin"))
        return;
    cr_assert_eq(f.spans.rows, 18);
    for (uint32_t i = 0; i < 18; i++)
        EXPECT_ROW(&f, i, "session=sess_fix_1", "user_id=user_42", "service=support-bot");
    for (uint32_t turn = 0; turn < 3; turn++) {
        ROW(&f, "ChatCompletion", turn, "kind=llm", "provider=openai", "model=gpt-4o-mini",
            "model_served=gpt-4o-mini-2024-07-18", "temperature=0.2", "prompt_version=17",
            "tokens_in=120", "tokens_out=34", "tokens_cached=64", "tokens_reasoning=8",
            "cost_usd=38400", turn == 1 ? "finish_reason=length" : "finish_reason=tool_calls");
        uint32_t row = row_of(&f, "ChatCompletion", turn);
        cr_assert_gt(atoll(fixture_cell(&f, row, "ttft_ms")), 0);
        cr_assert(has_text(&f, row, "prompt_name", "template-"));
        cr_assert(has_text(&f, row, "input", "You are a support agent."));
        cr_assert(has_text(&f, row, "tools", "lookup_order"));
        ROW(&f, "lookup_order", turn, "kind=tool", "tool_name=lookup_order",
            "tool_args={\"order_id\":4711}",
            turn == 1 ? "tool_result=[]" : "tool_result={\"status\":\"shipped\"}",
            turn == 1 ? "tool_result_empty=1" : "tool_result_empty=0");
        ROW(&f, "retrieve", turn, "kind=retrieval", "retrieved_count=2",
            "retrieved_top_score=0.95");
        ROW(&f, "embed", turn, "kind=embedding", "model=text-embedding-3-small");
        ROW(&f, "judge", turn, "kind=evaluator");
        ROW(&f, "support_agent", turn, "kind=agent");
    }
    /* Malformed arguments stay visible. */
    cr_assert(has_text(&f, row_of(&f, "ChatCompletion", 1), "output",
                       "\"arguments\":\"{\\\"order_id\\\": 47\""));
    ROW(&f, "lookup_order", 2, "status=error", "error_type=Error",
        "error_message=connect ETIMEDOUT");
    cr_assert_eq(f.scores.rows, 3);
    EXPECT_SCORE(&f, 1, "name=groundedness", "value=0.41", "label=x", "source=judge");
    cr_assert_str_eq(fixture_text(&f, &f.scores, 1, "span_id"),
                     fixture_cell(&f, row_of(&f, "support_agent", 1), "span_id"));
    fixture_deinit(&f);
}

/* ---- Traceloop ---- */

Test(capture, traceloop)
{
    struct fixture f;
    if (!capture_map(&f, "traceloop/001.body.bin"))
        return;
    cr_assert_eq(f.spans.rows, 13);
    for (uint32_t i = 0; i < 12; i++)
        EXPECT_ROW(&f, i, "session=sess_fix_1", "user_id=user_42", "service=support-bot");
    ROW(&f, "chat gpt-4o-mini", 0, "kind=llm", "provider=openai", "model=gpt-4o-mini",
        "model_served=gpt-4o-mini-2024-07-18", "temperature=0.2", "finish_reason=tool_calls",
        "tokens_in=120", "tokens_out=34");
    ROW(&f, "chat gpt-4o-mini", 1, "finish_reason=stop", "tokens_in=24", "tokens_out=14",
        "ttft_ms=");
    ROW(&f, "chat gpt-4o-mini", 3, "finish_reason=length");
    ROW(&f, "lookup_order.tool", 0, "kind=tool", "tool_name=lookup_order",
        "tool_args={\"order_id\":4711}",
        "tool_result={\"status\":\"shipped\",\"a\":{\"order_id\":4711}}", "tool_result_empty=0");
    ROW(&f, "lookup_order.tool", 1, "tool_result=[]", "tool_result_empty=1");
    ROW(&f, "mock.query", 0, "kind=retrieval", "retrieved_count=2", "retrieved_top_score=0.95");
    ROW(&f, "support_agent.agent", 0, "kind=agent");
    ROW(&f, "support_chat.workflow", 0, "kind=chain", "prompt_version=3", "parent_id=");
    cr_assert(has_text(&f, row_of(&f, "support_chat.workflow", 0), "input",
                       "Where is order 4711? turn 1"));
    ROW(&f, "openai.chat", 0, "kind=llm", "model=gpt-4o", "model_served=gpt-4o-2024",
        "finish_reason=stop", "tokens_in=11", "tokens_out=5", "session=");
    cr_assert(has_text(&f, row_of(&f, "openai.chat", 0), "output", "\"content\":\"ok\""));
    fixture_deinit(&f);
}
