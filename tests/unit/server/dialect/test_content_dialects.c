/*
 * test_content_dialects.c - one conversation, told by every dialect, is the same messages.
 */
#include "tests/unit/server/dialect/content_rig.h"

/* ---- the conversation ---- */

#define SYSTEM                                                                                     \
    "{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"You are a support agent.\"}]}"
#define ASKED                                                                                      \
    "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Where is order 4711?\"}]}"
#define CALLED                                                                                                \
    "{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"call_1\",\"name\":\"lookup_order\"," \
    "\"arguments\":{\"order_id\":4711}}]}"
#define ANSWERED                                                                                   \
    "{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"call_1\",\"response\":{\"status\":\"shipped\"}}]}"
#define SAID                                                                                       \
    "{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Order 4711 shipped.\"}]}"

#define CONVERSATION SYSTEM "\n" ASKED "\n" CALLED "\n" ANSWERED

static void told(struct rig *r, const char *what)
{
    cr_expect_str_eq(rig_messages(r, SPANS_input), CONVERSATION, "%s: input:\n%s", what,
                     rig_messages(r, SPANS_input));
    cr_expect_str_eq(rig_messages(r, SPANS_output), SAID, "%s: output:\n%s", what,
                     rig_messages(r, SPANS_output));
    cr_expect_eq(r->result.input_count, 4, "%s", what);
    cr_expect_eq(r->result.output_count, 1, "%s", what);
    cr_expect_eq(r->result.cut, 0, "%s", what);
    cr_expect_eq(r->messages.count, 5, "%s: five messages, whatever the dialect", what);
}

static void tell(const char *what, const char *input_key, const char *input, const char *output_key,
                 const char *output)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, input_key, input);
    rig_text(&r, output_key, output);
    rig_run(&r, "llm");
    told(&r, what);
    cr_expect_eq(rig_field(&r, 0), CONTENT_INPUT, "%s", what);
    cr_expect_eq(rig_field(&r, 1), CONTENT_OUTPUT, "%s", what);
    rig_deinit(&r);
}

/* ---- dialects that send JSON ---- */

struct telling {
    char what[48];
    char input_key[48];
    char input[1400];
    char output_key[48];
    char output[700];
};

static const struct telling tellings[] = {
    {"semantic conventions", "gen_ai.input.messages",
     "[{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"You are a support agent.\"}]},"
     "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Where is order 4711?\"}]},"
     "{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"call_1\",\"name\":\"lookup_order\","
     "\"arguments\":{\"order_id\":4711}}]},"
     "{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"call_1\",\"response\":{\"status\":\"shipped\"}}]}]",
     "gen_ai.output.messages",
     "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Order 4711 shipped.\"}],\"finish_reason\":\"stop\"}]"},
    {"OpenAI chat", "gen_ai.prompt",
     "[{\"role\":\"system\",\"content\":\"You are a support agent.\"},{\"role\":\"user\",\"content\":\"Where is order 4711?\"},"
     "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
     "\"lookup_order\",\"arguments\":\"{\\\"order_id\\\": 4711}\"}}]},"
     "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"{\\\"status\\\":\\\"shipped\\\"}\"}]",
     "gen_ai.completion",
     "{\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
     "\"Order 4711 shipped.\",\"refusal\":null},\"finish_reason\":\"stop\"}]}"},
    {"OpenAI request", "input.value",
     "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"You are a support agent.\"}]},"
     "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Where is order 4711?\"}]},"
     "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
     "\"lookup_order\",\"arguments\":\"{\\\"order_id\\\":4711}\"}}]},"
     "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"name\":\"lookup_order\",\"content\":[{\"type\":\"text\",\"text\":"
     "\"{\\\"status\\\": \\\"shipped\\\"}\"}]}]}",
     "output.value",
     "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"Order 4711 shipped.\"}}]}"},
    {"OpenAI Responses", "input.value",
     "{\"model\":\"gpt-4o\",\"instructions\":\"You are a support agent.\",\"input\":[{\"role\":\"user\",\"content\":"
     "[{\"type\":\"input_text\",\"text\":\"Where is order 4711?\"}]},{\"type\":\"function_call\",\"id\":\"fc_9\",\"call_id\":\"call_1\","
     "\"name\":\"lookup_order\",\"arguments\":\"{\\\"order_id\\\":4711}\"},{\"type\":\"function_call_output\",\"call_id\":\"call_1\","
     "\"output\":\"{\\\"status\\\":\\\"shipped\\\"}\"}]}",
     "output.value",
     "{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"id\":\"msg_1\",\"role\":\"assistant\",\"content\":"
     "[{\"type\":\"output_text\",\"text\":\"Order 4711 shipped.\",\"annotations\":[]}]}]}"},
    {"Anthropic", "langfuse.observation.input",
     "{\"system\":[{\"type\":\"text\",\"text\":\"You are a support agent.\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\":["
     "{\"role\":\"user\",\"content\":\"Where is order 4711?\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
     "\"call_1\",\"name\":\"lookup_order\",\"input\":{\"order_id\":4711}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
     "\"tool_use_id\":\"call_1\",\"content\":[{\"type\":\"text\",\"text\":\"{\\\"status\\\":\\\"shipped\\\"}\"}]}]}]}",
     "langfuse.observation.output",
     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Order 4711 shipped.\"}],"
     "\"stop_reason\":\"end_turn\"}"},
    {"Gemini", "gcp.vertex.agent.llm_request",
     "{\"model\":\"gemini\",\"config\":{\"system_instruction\":\"You are a support agent.\"},\"contents\":[{\"role\":\"user\","
     "\"parts\":[{\"text\":\"Where is order 4711?\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"call_1\",\"name\":"
     "\"lookup_order\",\"args\":{\"order_id\":4711}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"call_1\",\"name\":"
     "\"lookup_order\",\"response\":{\"status\":\"shipped\"}}}]}]}",
     "gcp.vertex.agent.llm_response",
     "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Order 4711 shipped.\"}]},\"finishReason\":\"STOP\"}]}"},
    {"Bedrock converse", "input.value",
     "{\"modelId\":\"claude\",\"system\":[{\"text\":\"You are a support agent.\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
     "\"Where is order 4711?\"}]},{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"call_1\",\"name\":\"lookup_order\","
     "\"input\":{\"order_id\":4711}}}]},{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"call_1\",\"content\":[{\"json\":"
     "{\"status\":\"shipped\"}}],\"status\":\"success\"}}]}]}",
     "output.value",
     "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"Order 4711 shipped.\"}]}},\"stopReason\":\"end_turn\"}"},
    {"Vercel", "ai.prompt.messages",
     "[{\"role\":\"system\",\"content\":\"You are a support agent.\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
     "\"Where is order 4711?\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool-call\",\"toolCallId\":\"call_1\",\"toolName\":"
     "\"lookup_order\",\"input\":{\"order_id\":4711}}]},{\"role\":\"tool\",\"content\":[{\"type\":\"tool-result\",\"toolCallId\":\"call_1\","
     "\"toolName\":\"lookup_order\",\"output\":{\"type\":\"json\",\"value\":{\"status\":\"shipped\"}}}]}]",
     "ai.response.text", "Order 4711 shipped."},
    {"LangChain classes", "gen_ai.prompt",
     "{\"messages\":[[{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain_core\",\"messages\",\"SystemMessage\"],\"kwargs\":{\"content\":"
     "\"You are a support agent.\"}},{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain_core\",\"messages\",\"HumanMessage\"],\"kwargs\":"
     "{\"content\":\"Where is order 4711?\",\"additional_kwargs\":{}}},{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain_core\","
     "\"messages\",\"AIMessage\"],\"kwargs\":{\"content\":\"\",\"tool_calls\":[{\"name\":\"lookup_order\",\"args\":{\"order_id\":4711},"
     "\"id\":\"call_1\",\"type\":\"tool_call\"}],\"id\":\"run-1\"}},{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain_core\","
     "\"messages\",\"ToolMessage\"],\"kwargs\":{\"content\":\"{\\\"status\\\":\\\"shipped\\\"}\",\"tool_call_id\":\"call_1\"}}]]}",
     "gen_ai.completion",
     "{\"generations\":[[{\"text\":\"Order 4711 shipped.\",\"message\":{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain_core\","
     "\"messages\",\"AIMessage\"],\"kwargs\":{\"content\":\"Order 4711 shipped.\",\"response_metadata\":{\"finish_reason\":\"stop\"}}}}]]}"},
    {"LangChain dumps", "traceloop.entity.input",
     "{\"messages\":[{\"type\":\"system\",\"content\":\"You are a support agent.\"},{\"type\":\"human\",\"data\":{\"content\":"
     "\"Where is order 4711?\"}},{\"type\":\"ai\",\"content\":\"\",\"tool_calls\":[{\"name\":\"lookup_order\",\"args\":{\"order_id\":4711},"
     "\"id\":\"call_1\"}]},{\"type\":\"tool\",\"content\":\"{\\\"status\\\":\\\"shipped\\\"}\",\"tool_call_id\":\"call_1\"}]}",
     "traceloop.entity.output",
     "{\"messages\":[{\"type\":\"ai\",\"content\":\"Order 4711 shipped.\"}]}"},
    {"Pydantic AI before semconv", "request_data",
     "{\"messages\":[{\"role\":\"system\",\"content\":\"You are a support agent.\"},{\"role\":\"user\",\"content\":\"Where is order 4711?\"},"
     "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"call_1\",\"function\":{\"name\":\"lookup_order\",\"arguments\":{\"order_id\":4711}}}]},"
     "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":{\"status\":\"shipped\"}}]}",
     "response_data",
     "{\"message\":{\"role\":\"assistant\",\"content\":\"Order 4711 shipped.\"},\"usage\":{\"x\":1}}"},
    {"LangWatch", "langwatch.input",
     "{\"type\":\"chat_messages\",\"value\":[{\"role\":\"system\",\"content\":\"You are a support agent.\"},{\"role\":\"user\",\"content\":"
     "\"Where is order 4711?\"},{\"role\":\"assistant\",\"function_call\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\","
     "\"function\":{\"name\":\"lookup_order\",\"arguments\":\"{\\\"order_id\\\":4711}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_1\","
     "\"content\":\"{\\\"status\\\":\\\"shipped\\\"}\"}]}",
     "langwatch.output", "{\"type\":\"text\",\"value\":\"Order 4711 shipped.\"}"},
    {"LlamaIndex blocks", "input.value",
     "{\"messages\":[{\"role\":\"system\",\"blocks\":[{\"block_type\":\"text\",\"text\":\"You are a support agent.\"}]},{\"role\":\"user\","
     "\"blocks\":[{\"block_type\":\"text\",\"text\":\"Where is order 4711?\"}],\"additional_kwargs\":{}},{\"role\":\"assistant\",\"blocks\":[],"
     "\"additional_kwargs\":{\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"lookup_order\","
     "\"arguments\":\"{\\\"order_id\\\":4711}\"}}]}},{\"role\":\"tool\",\"blocks\":[{\"block_type\":\"text\",\"text\":"
     "\"{\\\"status\\\":\\\"shipped\\\"}\"}],\"tool_call_id\":\"call_1\"}]}",
     "output.value", "Order 4711 shipped."},
};
#define TELLINGS (sizeof tellings / sizeof tellings[0])

Test(content_dialects, the_same_conversation_is_the_same_messages)
{
    for (size_t i = 0; i < TELLINGS; i++)
        tell(tellings[i].what, tellings[i].input_key, tellings[i].input, tellings[i].output_key,
             tellings[i].output);
}

/* ---- dialects that flatten ---- */

Test(content_dialects, openinference_tells_it_in_indexed_attributes)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "llm.input_messages.10.message.role",
             "tool"); /* order is by number, not by text */
    rig_text(&r, "llm.input_messages.10.message.content", "{\"status\":\"shipped\"}");
    rig_text(&r, "llm.input_messages.10.message.tool_call_id", "call_1");
    rig_text(&r, "llm.input_messages.0.message.role", "system");
    rig_text(&r, "llm.input_messages.0.message.content", "You are a support agent.");
    rig_text(&r, "llm.input_messages.1.message.contents.0.message_content.text",
             "Where is order 4711?");
    rig_text(&r, "llm.input_messages.1.message.contents.0.message_content.type", "text");
    rig_text(&r, "llm.input_messages.1.message.role", "user");
    rig_text(&r, "llm.input_messages.2.message.role", "assistant");
    rig_text(&r, "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments",
             "{\"order_id\": 4711}");
    rig_text(&r, "llm.input_messages.2.message.tool_calls.0.tool_call.function.name",
             "lookup_order");
    rig_text(&r, "llm.input_messages.2.message.tool_calls.0.tool_call.id", "call_1");
    rig_text(&r, "llm.output_messages.0.message.role", "assistant");
    rig_text(&r, "llm.output_messages.0.message.content", "Order 4711 shipped.");
    rig_run(&r, "llm");
    told(&r, "OpenInference");
    for (uint32_t i = 0; i < r.count; i++)
        cr_expect_neq(rig_field(&r, i), CONTENT_NONE, "%.*s", SLICE_ARG(r.attributes[i].key));
    rig_deinit(&r);
}

Test(content_dialects, openllmetry_tells_it_in_indexed_attributes)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "gen_ai.prompt.0.role", "system");
    rig_text(&r, "gen_ai.prompt.0.content", "You are a support agent.");
    rig_text(&r, "gen_ai.prompt.1.role", "user");
    rig_text(&r, "gen_ai.prompt.1.content",
             "[{\"type\":\"text\",\"text\":\"Where is order 4711?\"}]");
    rig_text(&r, "gen_ai.prompt.2.role", "assistant");
    rig_text(&r, "gen_ai.prompt.2.tool_calls.0.id", "call_1");
    rig_text(&r, "gen_ai.prompt.2.tool_calls.0.name", "lookup_order");
    rig_text(&r, "gen_ai.prompt.2.tool_calls.0.arguments", "{\"order_id\": 4711}");
    rig_text(&r, "gen_ai.prompt.3.role", "tool");
    rig_text(&r, "gen_ai.prompt.3.content", "{\"status\": \"shipped\"}");
    rig_text(&r, "gen_ai.prompt.3.tool_call_id", "call_1");
    rig_text(&r, "gen_ai.completion.0.finish_reason", "stop");
    rig_text(&r, "gen_ai.completion.0.role", "assistant");
    rig_text(&r, "gen_ai.completion.0.content", "Order 4711 shipped.");
    rig_text(&r, "gen_ai.prompt.name", "support"); /* is no message */
    rig_run(&r, "llm");
    told(&r, "OpenLLMetry");
    cr_expect(slice_is(r.result.finish_reason, "stop"));
    cr_expect_eq(rig_field(&r, r.count - 1), CONTENT_NONE);
    rig_deinit(&r);
}

Test(content_dialects, older_conventions_tell_it_in_events)
{
    struct rig r;
    rig_init(&r);
    rig_event(&r, "gen_ai.system.message", 1);
    event_text(&r, "content", "You are a support agent.");
    rig_event(&r, "gen_ai.user.message", 2);
    event_text(&r, "content", "Where is order 4711?");
    event_text(&r, "gen_ai.system", "openai");
    rig_event(&r, "gen_ai.assistant.message", 3);
    event_value(&r, "tool_calls",
                json_value("[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
                           "\"lookup_order\",\"arguments\":\"{\\\"order_id\\\":4711}\"}}]"));
    rig_event(&r, "gen_ai.tool.message", 4);
    event_text(&r, "id", "call_1");
    event_text(&r, "content", "{\"status\":\"shipped\"}");
    rig_event(&r, "gen_ai.choice", 5);
    event_text(&r, "finish_reason", "stop");
    event_text(&r, "message", "{\"content\":\"Order 4711 shipped.\"}");
    rig_run(&r, "llm");
    told(&r, "events");
    cr_expect(slice_is(r.result.finish_reason, "stop"));
    cr_expect_eq(r.result.first_token_ns, 5);
    cr_expect(r.result.first_token_is_choice);
    for (uint32_t i = 0; i < r.event_count; i++)
        cr_expect_neq(r.result.event_fields[i], CONTENT_NONE);
    rig_deinit(&r);
}

Test(content_dialects, azure_keeps_the_body_of_an_event_as_json)
{
    struct rig r;
    rig_init(&r);
    rig_event(&r, "gen_ai.user.message", 2);
    event_text(&r, "gen_ai.event.content",
               "{\"role\":\"user\",\"content\":\"Where is order 4711?\"}");
    rig_event(&r, "gen_ai.choice", 5);
    event_text(
        &r, "gen_ai.event.content",
        "{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"content\":\"Order 4711 shipped.\"}}");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), ASKED);
    cr_expect_str_eq(rig_messages(&r, SPANS_output), SAID);
    cr_expect(slice_is(r.result.finish_reason, "stop"));
    rig_deinit(&r);
}

Test(content_dialects, logfire_keeps_events_in_an_attribute)
{
    struct rig r;
    rig_init(&r);
    rig_text(
        &r, "events",
        "[{\"event.name\":\"gen_ai.system.message\",\"content\":\"You are a support agent.\",\"role\":\"system\"},"
        "{\"event.name\":\"gen_ai.user.message\",\"content\":\"Where is order 4711?\",\"role\":\"user\"},"
        "{\"event.name\":\"gen_ai.assistant.message\",\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"call_1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"lookup_order\",\"arguments\":{\"order_id\":4711}}}]},"
        "{\"event.name\":\"gen_ai.tool.message\",\"role\":\"tool\",\"id\":\"call_1\",\"content\":{\"status\":\"shipped\"}},"
        "{\"event.name\":\"gen_ai.choice\",\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Order 4711 shipped.\"}}]");
    rig_run(&r, "llm");
    told(&r, "Logfire");
    rig_deinit(&r);
}

Test(content_dialects, system_instructions_come_first)
{
    struct rig r;
    rig_init(&r);
    rig_text(
        &r, "gen_ai.input.messages",
        "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Where is order 4711?\"}]}]");
    rig_text(&r, "gen_ai.system_instructions",
             "[{\"type\":\"text\",\"content\":\"You are a support agent.\"}]");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), SYSTEM "\n" ASKED);
    rig_clear(&r);
    /* Sent twice, they are said once. */
    rig_text(
        &r, "gen_ai.input.messages",
        "[{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"You are a support agent.\"}]},"
        "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Where is order 4711?\"}]}]");
    rig_text(&r, "gen_ai.system_instructions", "You are a support agent.");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), SYSTEM "\n" ASKED);
    rig_deinit(&r);
}

Test(content_dialects, vercel_answers_with_text_and_calls)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "ai.prompt",
             "{\"system\":\"You are a support agent.\",\"prompt\":\"Where is order 4711?\"}");
    rig_text(
        &r, "ai.response.toolCalls",
        "[{\"toolCallType\":\"function\",\"toolCallId\":\"call_1\",\"toolName\":\"lookup_order\",\"args\":\"{\\\"order_id\\\":4711}\"}]");
    rig_text(&r, "ai.response.text", "");
    rig_json(
        &r, "ai.prompt.tools",
        "[\"{\\\"type\\\":\\\"function\\\",\\\"name\\\":\\\"lookup_order\\\",\\\"inputSchema\\\":{\\\"type\\\":\\\"object\\\"}}\"]");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), SYSTEM "\n" ASKED);
    cr_expect_str_eq(rig_messages(&r, SPANS_output), CALLED);
    cr_expect_str_eq(rig_messages(&r, SPANS_tools),
                     "{\"name\":\"lookup_order\",\"parameters\":{\"type\":\"object\"}}");
    for (uint32_t i = 0; i < r.count; i++)
        cr_expect_neq(rig_field(&r, i), CONTENT_NONE);
    rig_deinit(&r);
}

/* ---- further clients: their own keys for what they say ---- */

struct client {
    char what[24];
    char kind[12];
    char key[40];
    char value[260];
    uint16_t column; /* where it goes */
    char expected[220];
};

#define HELLO  "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Hello\"}]}"
#define ANSWER "{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Yes\"}]}"
#define CALL_F                                                                                     \
    "{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"c\",\"name\":\"f\",\"arguments\":{\"a\":1}}]}"
#define RESULT_F                                                                                   \
    "{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"c\",\"response\":{\"b\":2}}]}"

static const struct client clients[] = {
    {"LangSmith", "llm", "gen_ai.prompt", "{\"input\":\"Hello\"}", SPANS_input, HELLO},
    {"LangSmith", "llm", "gen_ai.completion", "{\"outputs\":\"Yes\"}", SPANS_output, ANSWER},
    {"Sentry", "llm", "gen_ai.request.messages", "[{\"role\":\"user\",\"content\":\"Hello\"}]",
     SPANS_input, HELLO},
    {"Sentry", "llm", "gen_ai.response.text", "[\"Yes\"]", SPANS_output, ANSWER},
    {"Sentry", "llm", "gen_ai.response.tool_calls",
     "[{\"id\":\"c\",\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}]",
     SPANS_output, CALL_F},
    {"Sentry", "tool", "gen_ai.tool.input", "{\"a\": 1}", SPANS_tool_args, "{\"a\":1}"},
    {"Spring AI", "tool", "spring.ai.tool.call.result", "{\"b\":2}", SPANS_tool_result,
     "{\"b\":2}"},
    {"LiveKit", "llm", "lk.chat_ctx",
     "{\"items\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[\"Hello\"]}]}", SPANS_input,
     HELLO},
    {"LiveKit", "llm", "lk.response.text", "Yes", SPANS_output, ANSWER},
    {"Genkit", "llm", "genkit:input",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hello\"}]}],\"config\":{}}",
     SPANS_input, HELLO},
    {"Genkit", "llm", "genkit:output",
     "{\"message\":{\"role\":\"model\",\"content\":[{\"toolRequest\":{\"name\":\"f\",\"ref\":\"c\",\"input\":{\"a\":1}}}]},\"finishReason\":\"stop\"}",
     SPANS_output, CALL_F},
    {"Genkit", "llm", "genkit:input",
     "{\"messages\":[{\"role\":\"tool\",\"content\":[{\"toolResponse\":{\"name\":\"f\",\"ref\":\"c\",\"output\":{\"b\":2}}}]}]}",
     SPANS_input, RESULT_F},
    {"Haystack", "llm", "haystack.component.input",
     "{\"messages\":[{\"role\":\"user\",\"meta\":{},\"name\":null,\"content\":[{\"text\":\"Hello\"}]}]}",
     SPANS_input, HELLO},
    {"Haystack", "llm", "haystack.component.output",
     "{\"replies\":[{\"role\":\"assistant\",\"content\":[{\"tool_call\":{\"tool_name\":\"f\",\"arguments\":{\"a\":1},\"id\":\"c\"}}]}]}",
     SPANS_output, CALL_F},
    {"Mastra", "llm", "mastra.model_step.input",
     "{\"body\":{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}}",
     SPANS_input, HELLO},
    {"MLflow", "chain", "mlflow.spanOutputs", "\"Yes\"", SPANS_output, ANSWER},
    {"AgentOps", "agent", "agentops.entity.input", "\"Hello\"", SPANS_input, HELLO},
    {"OpenLLMetry callback", "chain", "traceloop.entity.input",
     "{\"inputs\":{\"input\":\"Hello\"},\"tags\":[\"t\"],\"kwargs\":{}}", SPANS_input, HELLO},
    {"OpenLLMetry callback", "tool", "traceloop.entity.output", "{\"output\":\"[]\",\"kwargs\":{}}",
     SPANS_tool_result, "[]"},
    {"Claude Code", "llm", "new_context", "Hello", SPANS_input, HELLO},
    {"Claude Code", "llm", "response.model_output", "Yes", SPANS_output, ANSWER},
    {"Ollama", "llm", "output.value", "{\"model\":\"m\",\"response\":\"Yes\",\"done\":true}",
     SPANS_output, ANSWER},
    {"Anthropic legacy", "llm", "output.value",
     "{\"completion\":\"Yes\",\"stop_reason\":\"stop_sequence\"}", SPANS_output, ANSWER},
    {"Cohere", "llm", "input.value",
     "{\"chat_history\":[],\"messages\":[{\"role\":\"USER\",\"message\":\"Hello\"}]}", SPANS_input,
     HELLO},
    {"AutoGen", "llm", "input.value",
     "{\"messages\":[{\"type\":\"UserMessage\",\"source\":\"user\",\"content\":\"Hello\"}]}",
     SPANS_input, HELLO},
    {"LangChain", "llm", "input.value",
     "{\"messages\":[[{\"lc\":1,\"type\":\"constructor\",\"id\":[\"x\",\"ChatMessage\"],\"kwargs\":{\"role\":\"user\",\"content\":\"Hello\"}}]]}",
     SPANS_input, HELLO},
    {"Pydantic AI", "agent", "pydantic_ai.all_messages",
     "[{\"kind\":\"request\",\"parts\":[{\"part_kind\":\"user-prompt\",\"content\":\"Hello\"}]}]",
     SPANS_input, HELLO},
    {"Vercel", "llm", "ai.prompt.messages",
     "[{\"role\":\"tool\",\"content\":[{\"type\":\"tool-result\",\"toolCallId\":\"c\",\"toolName\":\"f\",\"output\":{\"type\":\"content\",\"value\":"
     "[{\"type\":\"text\",\"text\":\"{\\\"b\\\":2}\"}]}}]}]",
     SPANS_input, RESULT_F},
    {"smolagents", "llm", "input.value",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}]}]}",
     SPANS_input, HELLO},
};

Test(content_dialects, further_clients_are_understood)
{
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        const struct client *t = &clients[i];
        rig_clear(&r);
        rig_text(&r, t->key, t->value);
        rig_run(&r, t->kind);
        bool is_messages = t->column == SPANS_input || t->column == SPANS_output;
        const char *found =
            is_messages ? rig_messages(&r, t->column) : rig_cell_text(&r, t->column);
        cr_expect_str_eq(found, t->expected, "%s %s: %s", t->what, t->key, found);
        cr_expect_neq(rig_field(&r, 0), CONTENT_NONE, "%s %s", t->what, t->key);
    }
    rig_deinit(&r);
}

Test(content_dialects, strands_tells_of_tools_in_events)
{
    struct rig r;
    rig_init(&r);
    rig_event(&r, "gen_ai.tool.message", 1);
    event_text(&r, "role", "tool");
    event_text(&r, "content", "{\"order_id\": 4711}");
    event_text(&r, "id", "call_1");
    rig_event(&r, "gen_ai.choice", 2);
    event_text(&r, "message", "[{\"text\": \"shipped\"}]");
    event_text(&r, "id", "call_1");
    rig_run(&r, "tool");
    cr_expect_str_eq(rig_cell_text(&r, SPANS_tool_args), "{\"order_id\":4711}");
    cr_expect_str_eq(rig_cell_text(&r, SPANS_tool_result), "shipped");
    cr_expect_eq(rig_cell_i64(&r, SPANS_tool_result_empty), 0);
    cr_expect_eq(r.result.event_fields[0], CONTENT_TOOL_ARGS);
    cr_expect_eq(r.result.event_fields[1], CONTENT_TOOL_RESULT);
    rig_deinit(&r);
}
