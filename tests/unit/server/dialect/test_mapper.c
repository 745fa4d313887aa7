/*
 * test_mapper.c - spans of SDKs nobody recorded for us, written down from their sources and documents.
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

TestSuite(mapper, .init = setup, .fini = teardown);

static bool attributes_have(const char *part)
{
    return strstr(fixture_cell(&f, 0, "attributes"), part) != NULL;
}

/* ---- Vercel AI SDK ---- */

Test(mapper, vercel_4_call)
{
    fixture_map(
        &f,
        "{\"operation.name\":\"ai.generateText.doGenerate support\","
        "\"ai.operationId\":\"ai.generateText.doGenerate\",\"ai.model.provider\":\"openai.chat\","
        "\"ai.model.id\":\"gpt-4o-mini\",\"ai.settings.temperature\":0,\"ai.telemetry.functionId\":\"support\","
        "\"ai.telemetry.metadata.sessionId\":\"s1\",\"ai.telemetry.metadata.userId\":\"u1\","
        "\"ai.prompt.messages\":\"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":[{\\\"type\\\":\\\"text\\\",\\\"text\\\":\\\"hi\\\"}]}]\","
        "\"ai.response.finishReason\":\"tool-calls\",\"ai.response.text\":\"hello\","
        "\"ai.usage.promptTokens\":10,\"ai.usage.completionTokens\":5,"
        "\"gen_ai.system\":\"openai.chat\",\"gen_ai.request.model\":\"gpt-4o-mini\","
        "\"gen_ai.response.finish_reasons\":[\"tool-calls\"],\"gen_ai.response.model\":\"gpt-4o-mini-2024\","
        "\"gen_ai.usage.input_tokens\":10,\"gen_ai.usage.output_tokens\":5,\"ai.response.msToFirstChunk\":12.5}");
    EXPECT(&f, "kind=llm", "provider=openai", "model=gpt-4o-mini", "model_served=gpt-4o-mini-2024",
           "session=s1", "user_id=u1", "temperature=0", "finish_reason=tool_calls", "tokens_in=10",
           "tokens_out=5", "ttft_ms=12500000", "name=span");
    /* The same thing under a second name goes; what is spelled otherwise stays. */
    cr_assert_not(attributes_have("ai.usage.promptTokens"));
    cr_assert_not(attributes_have("ai.model.id"));
    cr_assert(attributes_have("\"ai.model.provider\":\"openai.chat\""));
    cr_assert(attributes_have("\"ai.telemetry.functionId\":\"support\""));
}

Test(mapper, vercel_wrappers_are_no_calls)
{
    static const char *const pairs[][2] = {
        {"ai.generateText", "kind=agent"},
        {"ai.streamText", "kind=agent"},
        {"ai.generateObject", "kind=chain"},
        {"ai.streamObject", "kind=chain"},
        {"ai.embed", "kind=chain"},
        {"ai.embedMany", "kind=chain"},
        {"ai.generateText.doGenerate", "kind=llm"},
        {"ai.streamText.doStream", "kind=llm"},
        {"ai.generateObject.doGenerate", "kind=llm"},
        {"ai.streamObject.doStream", "kind=llm"},
        {"ai.embed.doEmbed", "kind=embedding"},
        {"ai.embedMany.doEmbed", "kind=embedding"},
        {"ai.toolCall", "kind=tool"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fixture_map(&f, arena_printf(&f.arena, "{\"ai.operationId\":\"%s\",\"ai.model.id\":\"m\"}",
                                     pairs[i][0]));
        EXPECT(&f, pairs[i][1]);
    }
}

Test(mapper, vercel_7_step_and_stream)
{
    fixture_map(&f, "{\"gen_ai.operation.name\":\"agent_step\",\"gen_ai.usage.input_tokens\":9}");
    EXPECT(&f, "kind=chain", "tokens_in=9");
    fixture_map(
        &f,
        "{\"gen_ai.operation.name\":\"chat\",\"gen_ai.provider.name\":\"openai\","
        "\"gen_ai.client.operation.time_to_first_chunk\":0.018,\"ai.settings.context.sessionId\":\"s\","
        "\"ai.settings.context.userId\":\"u\"}");
    EXPECT(&f, "kind=llm", "ttft_ms=18000000", "session=s", "user_id=u");
}

Test(mapper, vercel_tool_call)
{
    fixture_map(
        &f,
        "{\"ai.operationId\":\"ai.toolCall\",\"ai.toolCall.name\":\"weather\",\"ai.toolCall.id\":\"c1\","
        "\"ai.toolCall.args\":\"{\\\"city\\\":\\\"Bern\\\"}\",\"ai.toolCall.result\":\"[]\"}");
    EXPECT(&f, "kind=tool", "tool_name=weather", "tool_call_id=c1", "tool_args={\"city\":\"Bern\"}",
           "tool_result=[]", "tool_result_empty=1");
}

/* ---- LangSmith ---- */

Test(mapper, langsmith_call)
{
    fixture_map(
        &f,
        "{\"langsmith.span.kind\":\"llm\",\"gen_ai.operation.name\":\"chat\",\"gen_ai.system\":\"langchain\","
        "\"langsmith.metadata.ls_provider\":\"openai\",\"langsmith.metadata.ls_model_name\":\"gpt-4o\","
        "\"langsmith.metadata.ls_temperature\":\"0.2\",\"langsmith.metadata.thread_id\":\"t1\","
        "\"langsmith.metadata.user_id\":\"u1\",\"langsmith.trace.session_id\":\"project-uuid\","
        "\"langsmith.trace.session_name\":\"support\",\"gen_ai.response.finish_reasons\":\"stop\","
        "\"langsmith.usage_metadata\":\"{\\\"input_tokens\\\":120,\\\"output_tokens\\\":34,\\\"total_tokens\\\":154,"
        "\\\"input_token_details\\\":{\\\"cache_read\\\":64},\\\"output_token_details\\\":{\\\"reasoning\\\":8}}\"}");
    EXPECT(&f, "kind=llm", "provider=openai", "model=gpt-4o", "temperature=0.2", "session=t1",
           "user_id=u1", "finish_reason=stop", "tokens_in=120", "tokens_out=34", "tokens_cached=64",
           "tokens_reasoning=8");
}

Test(mapper, langsmith_says_embeddings_on_retrievers_and_ok_on_errors)
{
    fixture_map_span(
        &f, "{}",
        FIXTURE_TIMES
        "\"name\":\"r\",\"status\":{\"code\":1},\"attributes\":{\"langsmith.span.kind\":"
        "\"retriever\",\"gen_ai.operation.name\":\"embeddings\"},\"events\":[{\"name\":"
        "\"exception\",\"timeUnixNano\":\"1795452193500000000\",\"attributes\":{"
        "\"exception.type\":\"ValueError\",\"exception.message\":\"no index\"}}]");
    EXPECT(&f, "kind=retrieval", "status=error", "error_type=ValueError", "error_message=no index");
    cr_assert_not(attributes_have("exception.message"), "all of the event stands in columns");
}

/* ---- OpenInference instrumentors ---- */

Test(mapper, openinference_anthropic_leaves_cached_tokens_out)
{
    fixture_map(
        &f,
        "{\"openinference.span.kind\":\"LLM\",\"llm.provider\":\"anthropic\",\"llm.model_name\":\"claude\","
        "\"llm.token_count.prompt\":10,\"llm.token_count.completion\":5,"
        "\"llm.token_count.prompt_details.cache_read\":100,\"llm.token_count.prompt_details.cache_write\":20}");
    EXPECT(&f, "tokens_in=130", "tokens_out=5", "tokens_cached=100", "tokens_cache_write=20",
           "model_served=claude");
    cr_assert(attributes_have("\"llm.token_count.prompt\":10"),
              "what was changed stays as it came");
}

Test(mapper, the_total_decides_what_a_count_includes)
{
    static const struct {
        const char *total;
        const char *in;
    } cases[] = {{"15", "tokens_in=10"},
                 {"19", "tokens_in=14"},
                 {"18", "tokens_in=13"},
                 {"16", "tokens_in=11"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_map(
            &f, arena_printf(
                    &f.arena,
                    "{\"gen_ai.usage.input_tokens\":10,\"gen_ai.usage.output_tokens\":5,"
                    "\"gen_ai.usage.cache_read.input_tokens\":3,"
                    "\"gen_ai.usage.cache_write.input_tokens\":1,\"gen_ai.usage.total_tokens\":%s}",
                    cases[i].total));
        EXPECT(&f, cases[i].in, "tokens_out=5", "tokens_cached=3", "tokens_cache_write=1");
    }
    /* Gemini: thoughts are not in the candidates' count. */
    fixture_map(&f, "{\"gen_ai.usage.input_tokens\":10,\"gen_ai.usage.output_tokens\":5,"
                    "\"gen_ai.usage.reasoning_tokens\":7,\"gen_ai.usage.total_tokens\":22}");
    EXPECT(&f, "tokens_in=10", "tokens_out=12", "tokens_reasoning=7");
}

Test(mapper, an_input_smaller_than_its_cached_part_can_not_include_it)
{
    fixture_map(&f,
                "{\"gen_ai.usage.input_tokens\":10,\"gen_ai.usage.cache_read.input_tokens\":64}");
    EXPECT(&f, "tokens_in=74");
    fixture_map(&f,
                "{\"gen_ai.usage.input_tokens\":64,\"gen_ai.usage.cache_read.input_tokens\":64}");
    EXPECT(&f, "tokens_in=64");
}

Test(mapper, counts_that_are_none_stay_where_they_are)
{
    fixture_map(&f, "{\"gen_ai.usage.input_tokens\":-1,\"gen_ai.usage.output_tokens\":1.5,"
                    "\"gen_ai.usage.cache_read.input_tokens\":\"12\"}");
    EXPECT(&f, "tokens_in=", "tokens_out=", "tokens_cached=12");
    cr_assert(attributes_have("\"gen_ai.usage.input_tokens\":-1"));
    cr_assert(attributes_have("\"gen_ai.usage.output_tokens\":1.5"));
    fixture_map(
        &f,
        "{\"gen_ai.usage.input_tokens\":\"9223372036854775807\",\"gen_ai.usage.cache_read.input_tokens\":"
        "\"9223372036854775807\",\"gen_ai.usage.output_tokens\":9,\"gen_ai.usage.total_tokens\":20}");
    EXPECT(&f, "tokens_in=9223372036854775807");
}

Test(mapper, openinference_rerankers_and_prompts)
{
    fixture_map(
        &f,
        "{\"openinference.span.kind\":\"RERANKER\",\"reranker.model_name\":\"rr\","
        "\"reranker.output_documents.0.document.id\":\"d1\",\"reranker.output_documents.0.document.score\":0.7}");
    EXPECT(&f, "kind=retrieval", "model=rr", "retrieved_count=1", "retrieved_top_score=0.7");
    fixture_map(&f, "{\"openinference.span.kind\":\"PROMPT\"}");
    EXPECT(&f, "kind=chain");
}

/* ---- Pydantic AI and Logfire ---- */

Test(mapper, pydantic_ai)
{
    fixture_map(
        &f,
        "{\"gen_ai.operation.name\":\"chat\",\"gen_ai.system\":\"google-gla\","
        "\"gen_ai.request.model\":\"gemini\",\"gen_ai.usage.details.cache_read_tokens\":3,"
        "\"gen_ai.usage.input_tokens\":10,\"operation.cost\":0.00012,\"logfire.msg\":\"chat gemini\"}");
    EXPECT(&f, "kind=llm", "provider=gcp.gemini", "tokens_cached=3", "tokens_in=10",
           "cost_usd=120000");
    fixture_map(
        &f,
        "{\"agent_name\":\"support\",\"model_name\":\"gpt-4o\",\"gen_ai.usage.input_tokens\":10,"
        "\"logfire.level_num\":17}");
    EXPECT(&f, "kind=agent", "status=error");
}

/* ---- MLflow writes JSON into every attribute ---- */

Test(mapper, mlflow)
{
    fixture_map(
        &f,
        "{\"mlflow.spanType\":\"\\\"CHAT_MODEL\\\"\",\"mlflow.trace.session\":\"\\\"s1\\\"\","
        "\"mlflow.trace.user\":\"\\\"u1\\\"\",\"mlflow.spanFunctionName\":\"\\\"ask\\\"\","
        "\"mlflow.chat.tokenUsage\":\"{\\\"input_tokens\\\":10,\\\"output_tokens\\\":5,\\\"total_tokens\\\":15}\"}");
    EXPECT(&f, "kind=llm", "session=s1", "user_id=u1", "tokens_in=10", "tokens_out=5");
    fixture_map(
        &f, "{\"mlflow.spanType\":\"\\\"TOOL\\\"\",\"mlflow.spanFunctionName\":\"\\\"lookup\\\"\","
            "\"mlflow.spanOutputs\":\"[]\"}");
    EXPECT(&f, "kind=tool", "tool_name=lookup", "tool_result=[]", "tool_result_empty=1");
}

/* ---- Genkit ---- */

Test(mapper, genkit)
{
    fixture_map(
        &f,
        "{\"genkit:type\":\"action\",\"genkit:metadata:subtype\":\"model\",\"genkit:name\":\"googleai/gemini\","
        "\"genkit:state\":\"error\",\"genkit:output\":\"{\\\"finishReason\\\":\\\"length\\\",\\\"usage\\\":{"
        "\\\"inputTokens\\\":10,\\\"outputTokens\\\":5,\\\"thoughtsTokens\\\":2}}\"}");
    EXPECT(&f, "kind=llm", "status=error", "finish_reason=length", "tokens_in=10", "tokens_out=5",
           "tokens_reasoning=2");
    fixture_map(&f, "{\"genkit:type\":\"flow\",\"genkit:name\":\"menu\"}");
    EXPECT(&f, "kind=chain");
}

/* ---- Claude Code ---- */

Test(mapper, claude_code)
{
    fixture_map(
        &f,
        "{\"span.type\":\"llm_request\",\"model\":\"claude-sonnet\",\"input_tokens\":4,\"output_tokens\":50,"
        "\"cache_read_tokens\":1000,\"cache_creation_tokens\":200,\"ttft_ms\":340,\"success\":\"false\","
        "\"status_code\":529,\"session.id\":\"s\",\"user.id\":\"u\",\"error\":\"Overloaded\"}");
    EXPECT(&f, "kind=llm", "model=claude-sonnet", "tokens_in=1204", "tokens_out=50",
           "tokens_cached=1000", "tokens_cache_write=200", "ttft_ms=340000000", "status=error",
           "http_status=529", "session=s", "user_id=u", "error_message=Overloaded");
    fixture_map(&f, "{\"span.type\":\"tool\",\"tool_name\":\"Bash\"}");
    EXPECT(&f, "kind=tool", "tool_name=Bash");
}

/* ---- LangWatch, Latitude, Haystack, Strands, Spring, Sentry, LiveKit ---- */

Test(mapper, langwatch)
{
    fixture_map_span(
        &f, "{}",
        FIXTURE_TIMES
        "\"name\":\"x\",\"attributes\":{\"langwatch.span.type\":\"rag\",\"langwatch.thread.id\":\"t\","
        "\"langwatch.user.id\":\"u\",\"langwatch.prompt.handle\":\"p\",\"langwatch.prompt.version.number\":3},"
        "\"events\":[{\"name\":\"langwatch.evaluation.custom\",\"timeUnixNano\":\"1795452193500000000\","
        "\"attributes\":{\"json_encoded_event\":\"{\\\"name\\\":\\\"faithful\\\",\\\"score\\\":0.9,"
        "\\\"passed\\\":true,\\\"details\\\":\\\"fine\\\"}\"}}]");
    EXPECT(&f, "kind=retrieval", "session=t", "user_id=u", "prompt_name=p", "prompt_version=3");
    cr_assert_eq(f.scores.rows, 1);
    EXPECT_SCORE(&f, 0, "name=faithful", "value=0.9", "explanation=fine", "source=judge",
                 "span_id=1112131415161718");
}

Test(mapper, haystack)
{
    fixture_map(
        &f,
        "{\"haystack.component.type\":\"OpenAIChatGenerator\",\"haystack.component.name\":\"llm\"}");
    EXPECT(&f, "kind=llm");
    fixture_map(&f, "{\"haystack.component.type\":\"SentenceTransformersTextEmbedder\"}");
    EXPECT(&f, "kind=embedding");
    fixture_map(&f, "{\"haystack.component.type\":\"Mystery\"}");
    EXPECT(&f, "kind=other");
}

Test(mapper, strands_and_durations_without_a_unit)
{
    /* The span lasts a second: 350 can be milliseconds only, 0.35 seconds, 350000000 nanoseconds. */
    static const char *const values[] = {"350", "0.35", "350000000"};
    for (size_t i = 0; i < 3; i++) {
        fixture_map(
            &f,
            arena_printf(&f.arena,
                         "{\"gen_ai.system\":\"strands-agents\",\"gen_ai.operation.name\":\"chat\","
                         "\"gen_ai.server.time_to_first_token\":%s}",
                         values[i]));
        EXPECT(&f, "kind=llm", "provider=strands-agents", "ttft_ms=350000000");
    }
    fixture_map_span(&f, "{}", FIXTURE_TIMES "\"name\":\"execute_event_loop_cycle\"");
    EXPECT(&f, "kind=chain");
}

Test(mapper, spring_ai_sentry_livekit)
{
    fixture_map(
        &f, "{\"spring.ai.kind\":\"chat_client\",\"spring.ai.chat.client.conversation.id\":\"c\"}");
    EXPECT(&f, "kind=chain", "session=c");
    fixture_map(
        &f,
        "{\"sentry.op\":\"gen_ai.chat\",\"gen_ai.usage.input_tokens\":9,\"gen_ai.usage.input_tokens.cached\":3,"
        "\"gen_ai.usage.output_tokens.reasoning\":2,\"gen_ai.usage.output_tokens\":4}");
    EXPECT(&f, "kind=llm", "tokens_cached=3", "tokens_reasoning=2");
    fixture_map(&f, "{\"lk.function_tool.name\":\"book\",\"lk.function_tool.is_error\":true}");
    EXPECT(&f, "kind=tool", "tool_name=book", "status=error");
}

/* ---- kinds ---- */

Test(mapper, kinds_in_the_order_of_the_table)
{
    fixture_map(&f, "{\"gen_ai.operation.name\":\"chat\",\"openinference.span.kind\":\"TOOL\","
                    "\"langfuse.observation.type\":\"retriever\"}");
    EXPECT(&f, "kind=retrieval");
    /* Langfuse's "span" says nothing: the next one is asked. */
    fixture_map(
        &f, "{\"langfuse.observation.type\":\"span\",\"gen_ai.operation.name\":\"execute_tool\"}");
    EXPECT(&f, "kind=tool");
    fixture_map(&f, "{\"gen_ai.operation.name\":\"something new\",\"gen_ai.request.model\":\"m\"}");
    EXPECT(&f, "kind=llm");
    fixture_map(&f, "{\"http.request.method\":\"GET\"}");
    EXPECT(&f, "kind=other");
    fixture_map(&f, "{\"traceloop.span.kind\":\"workflow\",\"gen_ai.agent.name\":\"a\"}");
    EXPECT(&f, "kind=chain");
    fixture_map(&f, "{\"gen_ai.agent.name\":\"association only\"}");
    EXPECT(&f, "kind=other");
}

/* ---- how it ended ---- */

Test(mapper, status_is_more_than_its_code)
{
    static const char *const failed[] = {
        "\"status\":{\"code\":2}",
        "\"attributes\":{\"langfuse.observation.level\":\"ERROR\"}",
        "\"status\":{\"code\":1},\"attributes\":{\"error.type\":\"x\"}",
        "\"attributes\":{\"error.message\":\"x\"}",
        "\"attributes\":{\"error\":true}",
        "\"attributes\":{\"http.response.status_code\":503}",
        "\"events\":[{\"name\":\"exception\"}]",
        "\"attributes\":{\"gen_ai.response.finish_reasons\":[\"error\"]}",
    };
    for (size_t i = 0; i < sizeof failed / sizeof *failed; i++) {
        fixture_map_span(&f, "{}",
                         arena_printf(&f.arena, FIXTURE_TIMES "\"name\":\"x\",%s", failed[i]));
        EXPECT(&f, "status=error");
    }
    fixture_map_span(&f, "{}",
                     FIXTURE_TIMES
                     "\"name\":\"x\",\"status\":{\"code\":1,\"message\":\"404 documents\"}");
    EXPECT(&f, "status=ok", "http_status=", "error_message=404 documents");
    fixture_map(&f,
                "{\"langfuse.observation.level\":\"WARNING\",\"error\":false,\"error.type\":\"\"}");
    EXPECT(&f, "status=unset");
}

Test(mapper, http_status_out_of_words)
{
    static const struct {
        const char *message;
        const char *status;
    } cases[] = {
        {"429 Rate limit reached", "http_status=429"},
        {"Error code: 503 - {'error': 'x'}", "http_status=503"},
        {"Request failed with status code 500", "http_status=500"},
        {"HTTP 502 Bad Gateway", "http_status=502"},
        {"[429 Too Many Requests]", "http_status=429"},
        {"model gpt-4 took 4290 ms", "http_status="},
        {"429th failure", "http_status="},
        {"200 OK", "http_status="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_map_span(&f, "{}",
                         arena_printf(&f.arena,
                                      FIXTURE_TIMES
                                      "\"name\":\"x\",\"status\":{\"code\":2,\"message\":\"%s\"}",
                                      cases[i].message));
        EXPECT(&f, cases[i].status);
    }
    fixture_map(&f, "{\"error.type\":\"429\"}");
    EXPECT(&f, "http_status=429", "error_type=429", "status=error");
}

Test(mapper, finish_reasons_in_every_form)
{
    static const struct {
        const char *json;
        const char *reason;
    } cases[] = {
        {"[\"tool_call\"]", "finish_reason=tool_calls"},
        {"\"MAX_TOKENS\"", "finish_reason=length"},
        {"\"[\\\"SAFETY\\\"]\"", "finish_reason=content_filter"},
        {"\"\\\"end_turn\\\"\"", "finish_reason=stop"},
        {"[\"stop\",\"length\"]", "finish_reason=stop"},
        {"\"Something-New\"", "finish_reason=something-new"},
        {"[]", "finish_reason="},
        {"\"\"", "finish_reason="},
        {"\"unknown\"", "finish_reason=unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_map(
            &f, arena_printf(&f.arena, "{\"gen_ai.response.finish_reasons\":%s}", cases[i].json));
        if (strcmp(cases[i].json, "\"unknown\"") == 0)
            EXPECT(&f, "finish_reason=");
        else
            EXPECT(&f, cases[i].reason);
    }
    fixture_map(&f, "{\"gen_ai.response.finish_reasons\":[\"stop\",\"length\"]}");
    cr_assert(attributes_have("[\"stop\",\"length\"]"), "the second reason is not lost");
}

Test(mapper, error_class_is_the_clients)
{
    fixture_map(&f, "{\"app.llm.error_class\":\"hallucination\"}");
    EXPECT(&f, "error_class=hallucination", "class_source=client");
    fixture_map(&f, "{\"a\":1}");
    EXPECT(&f, "error_class=", "class_source=");
}

/* ---- time and money ---- */

Test(mapper, cost_from_parts_and_text)
{
    fixture_map(&f,
                "{\"gen_ai.usage.input_cost\":0.000001,\"gen_ai.usage.output_cost\":\"0.000002\"}");
    EXPECT(&f, "cost_usd=3000", "cost_estimated=");
    fixture_map(
        &f, "{\"langfuse.observation.cost_details\":\"{\\\"input\\\":0.1,\\\"total\\\":0.3}\"}");
    EXPECT(&f, "cost_usd=300000000");
    fixture_map(&f, "{\"gen_ai.usage.cost\":-1}");
    EXPECT(&f, "cost_usd=");
    fixture_map(&f, "{\"gen_ai.usage.cost\":1e300}");
    EXPECT(&f, "cost_usd=");
    cr_assert(attributes_have("gen_ai.usage.cost"));
    /* Less than a nano-USD is not all of it: the number stays. */
    fixture_map(&f, "{\"gen_ai.usage.cost\":0.00001234567891}");
    EXPECT(&f, "cost_usd=12346");
    cr_assert(attributes_have("\"gen_ai.usage.cost\":0.00001234567891"));
}

Test(mapper, first_token_from_events_and_times)
{
    fixture_map_span(&f, "{}",
                     FIXTURE_TIMES
                     "\"name\":\"x\",\"events\":[{\"name\":\"First Token Stream Event\","
                     "\"timeUnixNano\":\"1795452193120000000\"}]");
    EXPECT(&f, "ttft_ms=120000000", "attributes=");
    fixture_map_span(&f, "{}",
                     FIXTURE_TIMES "\"name\":\"x\",\"events\":[{\"name\":\"gen_ai.choice\","
                                   "\"timeUnixNano\":\"1795452193120000000\"}]");
    EXPECT(&f, "ttft_ms=120000000");
    /* A choice at the very end is no first token, unless the call was streamed. */
    fixture_map_span(&f, "{}",
                     FIXTURE_TIMES "\"name\":\"x\",\"events\":[{\"name\":\"gen_ai.choice\","
                                   "\"timeUnixNano\":\"1795452193990000000\"}]");
    EXPECT(&f, "ttft_ms=");
    fixture_map_span(
        &f, "{}",
        FIXTURE_TIMES
        "\"name\":\"x\",\"attributes\":{\"gen_ai.request.stream\":true},\"events\":[{\"name\":"
        "\"gen_ai.choice\",\"timeUnixNano\":\"1795452193990000000\"}]");
    EXPECT(&f, "ttft_ms=990000000");
    fixture_map(&f,
                "{\"langfuse.observation.completion_start_time\":\"2026-11-23T16:43:12.999Z\"}");
    EXPECT(&f, "ttft_ms=0");
    fixture_map(&f, "{\"langfuse.observation.completion_start_time\":\"2026-11-23T16:43:10Z\"}");
    EXPECT(&f, "ttft_ms=");
    fixture_map(&f, "{\"completion_start_time\":1795452193.5}");
    EXPECT(&f, "ttft_ms=500000000");
}

Test(mapper, a_span_that_ends_before_it_starts)
{
    fixture_map_span(
        &f, "{}",
        "\"startTimeUnixNano\":\"1795452194000000000\",\"endTimeUnixNano\":\"1795452193000000000\",\"name\":\"x\"");
    EXPECT(&f, "latency_ms=0", "attributes={\"driftline.ends_before_start\":true}");
    fixture_map_span(&f, "{}", "\"startTimeUnixNano\":\"1795452194000000000\",\"name\":\"x\"");
    EXPECT(&f, "latency_ms=", "attributes=");
}

/* ---- names ---- */

Test(mapper, providers_fold)
{
    static const char *const pairs[][2] = {
        {"OpenAI", "provider=openai"},
        {"xai", "provider=x_ai"},
        {"bedrock", "provider=aws.bedrock"},
        {"vertexai", "provider=gcp.vertex_ai"},
        {"mistralai", "provider=mistral_ai"},
        {"anthropic.messages", "provider=anthropic"},
        {"google.generative-ai", "provider=gcp.gemini"},
        {"google.vertex.chat", "provider=gcp.vertex_ai"},
        {"azure-openai.chat", "provider=azure.ai.openai"},
        {"AWS", "provider=aws.bedrock"},
        {"az.ai.inference", "provider=azure.ai.inference"},
        {"My.Own", "provider=my.own"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fixture_map(&f, arena_printf(&f.arena, "{\"gen_ai.system\":\"%s\"}", pairs[i][0]));
        EXPECT(&f, pairs[i][1]);
    }
}

Test(mapper, tool_names_from_spans)
{
    fixture_map_span(
        &f, "{}",
        FIXTURE_TIMES
        "\"name\":\"execute_tool lookup\",\"attributes\":{\"gen_ai.operation.name\":\"execute_tool\"}");
    EXPECT(&f, "tool_name=lookup", "name=execute_tool lookup");
    fixture_map_span(&f, "{}",
                     FIXTURE_TIMES
                     "\"name\":\"plain\",\"attributes\":{\"gen_ai.operation.name\":\"chat\"}");
    EXPECT(&f, "tool_name=");
}

/* ---- scores ---- */

Test(mapper, scores_of_many_at_once)
{
    fixture_map(
        &f,
        "{\"evaluations.0.evaluation.name\":\"a\",\"evaluations.0.evaluation.score\":0.5,"
        "\"evaluations.1.evaluation.name\":\"b b\",\"evaluations.1.evaluation.label\":\"good\","
        "\"evaluations.1.evaluation.explanation\":\"why\",\"evaluations.2.evaluation.score\":1}");
    cr_assert_eq(f.scores.rows, 2);
    EXPECT_SCORE(&f, 0, "name=a", "value=0.5", "source=client", "span_id=1112131415161718");
    EXPECT_SCORE(&f, 1, "name=b_b", "value=", "label=good", "explanation=why");
    cr_assert_not(attributes_have("evaluations.0"));
    cr_assert(attributes_have("evaluations.1.evaluation.name"),
              "its name was changed, so it stays as it came");
    cr_assert(attributes_have("evaluations.2.evaluation.score"), "a score without a name is none");
}

Test(mapper, scores_of_braintrust_and_pydantic)
{
    fixture_map(&f, "{\"braintrust.scores\":\"{\\\"a\\\":0.5,\\\"b\\\":null,\\\"c\\\":true}\","
                    "\"assertions\":{\"LLMJudge\":{\"value\":false,\"reason\":\"no source\"}}}");
    cr_assert_eq(f.scores.rows, 3);
    EXPECT_SCORE(&f, 0, "name=a", "value=0.5");
    EXPECT_SCORE(&f, 1, "name=c", "value=1");
    EXPECT_SCORE(&f, 2, "name=LLMJudge", "value=0", "explanation=no source");
}

Test(mapper, an_evaluators_score_is_its_parents)
{
    fixture_map_span(
        &f, "{}",
        FIXTURE_TIMES
        "\"name\":\"grounded\",\"attributes\":{\"langfuse.observation.type\":\"evaluator\","
        "\"gen_ai.request.model\":\"judge-1\",\"langfuse.observation.output\":"
        "\"{\\\"score\\\":0.4,\\\"reasoning\\\":\\\"no\\\"}\"}");
    cr_assert_eq(f.scores.rows, 1);
    EXPECT_SCORE(&f, 0, "span_id=2122232425262728", "name=grounded", "value=0.4", "explanation=no",
                 "source=judge", "scorer=grounded", "judge_model=judge-1");
    fixture_map(&f, "{\"openinference.span.kind\":\"EVALUATOR\",\"output.value\":\"0.25\"}");
    EXPECT_SCORE(&f, 0, "name=span", "value=0.25");
    fixture_map(
        &f, "{\"openinference.span.kind\":\"EVALUATOR\",\"output.value\":\"{\\\"score\\\": 0.2\"}");
    cr_assert_eq(f.scores.rows, 0, "half a JSON text is no answer");
}

Test(mapper, no_more_scores_than_the_limit)
{
    struct buffer text = {0};
    buffer_add_text(&text, "{\"braintrust.scores\":{");
    for (int i = 0; i < 100; i++)
        buffer_printf(&text, "%s\"s%d\":0.5", i == 0 ? "" : ",", i);
    buffer_add_text(&text, "}}");
    buffer_add_byte(&text, 0);
    fixture_map(&f, (const char *)text.data);
    buffer_deinit(&text);
    cr_assert_eq(f.scores.rows, 64);
    cr_assert(attributes_have("\"s99\":0.5"), "those beyond stay in attributes");
}
