/*
 * test_content.c - which source fills which field, what stays, and what bad values become.
 */
#include <stdio.h>

#include "tests/unit/server/dialect/content_rig.h"

#define USER(text) "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"" text "\"}]}"
#define ASSISTANT(text)                                                                            \
    "{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"" text "\"}]}"

/* One attribute on a span of a kind. */
static void run_one(struct rig *r, const char *kind, const char *key, struct value value)
{
    rig_clear(r);
    rig_value(r, key, value);
    rig_run(r, kind);
}

static const char *input_of(struct rig *r, const char *text)
{
    run_one(r, "agent", "input.value", text_value(text));
    return rig_messages(r, SPANS_input);
}

/* ---- values that are no messages ---- */

Test(content, a_text_is_a_message_of_the_natural_role)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "input.value", "Where is order 4711?");
    rig_text(&r, "output.value", "Order 4711 shipped.");
    rig_run(&r, "agent");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), USER("Where is order 4711?"));
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("Order 4711 shipped."));
    cr_expect_eq(r.result.winners[CONTENT_INPUT], 0);
    cr_expect_eq(r.result.winners[CONTENT_OUTPUT], 1);
    rig_deinit(&r);
}

Test(content, an_object_that_is_no_message_keeps_its_text)
{
    struct rig r;
    rig_init(&r);
    cr_expect_str_eq(input_of(&r, "{\"question\": \"Where?\"}"),
                     USER("{\\\"question\\\": \\\"Where?\\\"}"));
    cr_expect_str_eq(input_of(&r, "[1,2]"), USER("[1,2]"));
    cr_expect_str_eq(input_of(&r, "[{\"id\":1}]"), USER("[{\\\"id\\\":1}]"));
    cr_expect_str_eq(input_of(&r, "[\"a\",\"b\"]"), USER("[\\\"a\\\",\\\"b\\\"]"));
    cr_expect_str_eq(input_of(&r, "{\"role\":\"admin\",\"name\":\"X\"}"),
                     USER("{\\\"role\\\":\\\"admin\\\",\\\"name\\\":\\\"X\\\"}"));
    cr_expect_str_eq(input_of(&r, "42"), USER("42"));
    cr_expect_str_eq(input_of(&r, "{\"input\":\"hi\",\"chat_history\":[1]}"),
                     USER("{\\\"input\\\":\\\"hi\\\",\\\"chat_history\\\":[1]}"));
    cr_expect_str_eq(input_of(&r, "{\"input\":\"hi\"}"), USER("hi"));
    rig_deinit(&r);
}

Test(content, what_a_model_wrote_is_not_unwrapped)
{
    struct rig r;
    rig_init(&r);
    run_one(&r, "llm", "langfuse.observation.output", text_value("{\"output\":\"x\"}"));
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("{\\\"output\\\":\\\"x\\\"}"));
    run_one(&r, "llm", "ai.response.text", text_value("{\"role\":\"user\",\"content\":\"x\"}"));
    cr_expect_str_eq(rig_messages(&r, SPANS_output),
                     ASSISTANT("{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"x\\\"}"));
    rig_deinit(&r);
}

Test(content, cut_json_is_kept_as_the_text_it_is)
{
    struct rig r;
    rig_init(&r);
    const char *whole =
        "[{\"role\":\"user\",\"content\":\"Where is it?\"},{\"role\":\"assistant\",\"content\":\"Here\"}]";
    for (size_t size = 1; size < strlen(whole); size++) {
        struct value v = {.type = VALUE_STRING, .bytes = slice_of(whole, size)};
        run_one(&r, "llm", "gen_ai.input.messages", v);
        cr_assert_eq(r.result.input_count, 1, "%zu bytes", size);
        cr_assert(strstr(rig_messages(&r, SPANS_input),
                         "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"[") !=
                      NULL,
                  "%zu bytes: %s", size, rig_messages(&r, SPANS_input));
    }
    run_one(&r, "llm", "gen_ai.input.messages", text_value(whole));
    cr_expect_eq(r.result.input_count, 2);
    rig_deinit(&r);
}

Test(content, bytes_that_are_no_text_become_replacement_characters)
{
    struct rig r;
    rig_init(&r);
    cr_expect_str_eq(input_of(&r, "a\xff"
                                  "b\xc3"),
                     USER("a\xef\xbf\xbd"
                          "b\xef\xbf\xbd"));
    cr_expect_str_eq(input_of(&r, "[{\"role\":\"user\",\"content\":\"\xe2\x82\"}]"),
                     USER("\xef\xbf\xbd"));
    cr_expect_str_eq(input_of(&r, "tab\there \"quoted\" back\\slash \x01 \xf0\x9f\x9a\x9a"),
                     USER("tab\\there \\\"quoted\\\" back\\\\slash \\u0001 \xf0\x9f\x9a\x9a"));
    rig_deinit(&r);
}

Test(content, escapes_of_every_spelling_are_the_same_message)
{
    struct rig r;
    rig_init(&r);
    cr_expect_str_eq(
        input_of(&r, "[{\"role\":\"user\",\"content\":\"\\u00e9\\/\\u0041\\n\\ud83d\\ude9a\"}]"),
        USER("\xc3\xa9/A\\n\xf0\x9f\x9a\x9a"));
    cr_expect_str_eq(
        input_of(&r, "[{\"role\":\"user\",\"content\":\"\xc3\xa9/A\\n\xf0\x9f\x9a\x9a\"}]"),
        USER("\xc3\xa9/A\\n\xf0\x9f\x9a\x9a"));
    rig_deinit(&r);
}

/* ---- parts ---- */

Test(content, unknown_parts_survive_as_they_came)
{
    struct rig r;
    rig_init(&r);
    cr_expect_str_eq(
        input_of(
            &r,
            "[{\"role\":\"user\",\"parts\":[{\"type\":\"blob\", \"modality\":\"image\",\"content\":\"aGk=\"},"
            "{\"type\":\"hologram\",\"x\":[1, 2.50]}]}]"),
        "{\"role\":\"user\",\"parts\":[{\"type\":\"blob\",\"modality\":\"image\",\"content\":\"aGk=\"},"
        "{\"type\":\"hologram\",\"x\":[1,2.5]}]}");
    rig_deinit(&r);
}

Test(content, reasoning_of_every_dialect_is_one_part)
{
    static const char *const spellings[] = {
        "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"reasoning\",\"content\":\"hm\"},{\"type\":\"text\",\"content\":\"yes\"}]}]",
        "[{\"role\":\"assistant\",\"reasoning_content\":\"hm\",\"content\":\"yes\"}]",
        "[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},{\"type\":\"text\",\"text\":\"yes\"}]}]",
        "[{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\"}}},{\"text\":\"yes\"}]}]",
        "[{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":\"yes\"}]}]",
        ("[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}]},"
         "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"yes\"}]}]"),
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        run_one(&r, "llm", "gen_ai.output.messages", text_value(spellings[i]));
        cr_expect_str_eq(
            rig_messages(&r, SPANS_output),
            "{\"role\":\"assistant\",\"parts\":[{\"type\":\"reasoning\",\"content\":\"hm\"},"
            "{\"type\":\"text\",\"content\":\"yes\"}]}",
            "%zu: %s", i, rig_messages(&r, SPANS_output));
    }
    rig_deinit(&r);
}

Test(content, malformed_arguments_stay_visible)
{
    struct rig r;
    rig_init(&r);
    run_one(
        &r, "llm", "langfuse.observation.output",
        text_value(
            "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"{\\\"order_id\\\": 47\"}}]}"));
    cr_expect_str_eq(
        rig_messages(&r, SPANS_output),
        "{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"c\",\"name\":\"f\","
        "\"arguments\":\"{\\\"order_id\\\": 47\"}]}");
    rig_deinit(&r);
}

Test(content, long_integers_in_arguments_keep_their_digits)
{
    struct rig r;
    rig_init(&r);
    run_one(
        &r, "llm", "gen_ai.output.messages",
        text_value(
            "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":"
            "\"{ \\\"id\\\" : 12345678901234567890, \\\"x\\\":[ true ,null ] }\"}}]}]"));
    cr_expect_str_eq(
        rig_messages(&r, SPANS_output),
        "{\"role\":\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"c\",\"name\":\"f\","
        "\"arguments\":{\"id\":12345678901234567890,\"x\":[true,null]}}]}");
    rig_deinit(&r);
}

Test(content, calls_that_langchain_says_twice_are_one)
{
    struct rig r;
    rig_init(&r);
    run_one(
        &r, "llm", "gen_ai.output.messages",
        text_value(
            "[{\"type\":\"ai\",\"content\":[{\"type\":\"text\",\"text\":\"Let me see.\"},{\"type\":\"tool_use\",\"id\":\"c\","
            "\"name\":\"f\",\"input\":{}}],\"tool_calls\":[{\"name\":\"f\",\"args\":{},\"id\":\"c\"}]}]"));
    cr_expect_str_eq(
        rig_messages(&r, SPANS_output),
        "{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Let me see.\"},"
        "{\"type\":\"tool_call\",\"id\":\"c\",\"name\":\"f\",\"arguments\":{}}]}");
    rig_deinit(&r);
}

Test(content, every_result_of_a_tool_is_a_message_of_its_own)
{
    struct rig r;
    rig_init(&r);
    run_one(
        &r, "llm", "gen_ai.input.messages",
        text_value(
            "[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":\"one\"},"
            "{\"type\":\"tool_result\",\"tool_use_id\":\"b\",\"content\":\"two\",\"is_error\":true},"
            "{\"type\":\"text\",\"text\":\"Go on.\"}]}]"));
    cr_expect_str_eq(
        rig_messages(&r, SPANS_input),
        "{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"a\",\"response\":\"one\"}]}\n"
        "{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"b\",\"response\":\"two\",\"is_error\":true}]}\n" USER(
            "Go on."));
    rig_deinit(&r);
}

/* ---- finish reasons ---- */

Test(content, finish_reasons_are_found_where_dialects_hide_them)
{
    static const char *const outputs[] = {
        "[{\"role\":\"assistant\",\"parts\":[],\"finish_reason\":\"length\"}]",
        "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"x\"},\"finish_reason\":\"length\"}]}",
        "{\"choices\":[{\"text\":\"x\",\"index\":0,\"finish_reason\":\"length\"}]}",
        "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"stop_reason\":\"length\"}",
        "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"x\"}]}},\"stopReason\":\"length\"}",
        "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"x\"}]},\"finishReason\":\"length\"}]}",
        "{\"generations\":[[{\"text\":\"x\",\"generation_info\":{\"finish_reason\":\"length\"}}]]}",
        "[{\"type\":\"ai\",\"content\":\"x\",\"response_metadata\":{\"finish_reason\":\"length\"}}]",
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        run_one(&r, "llm", "gen_ai.completion", text_value(outputs[i]));
        cr_expect(slice_is(r.result.finish_reason, "length"), "%zu: %.*s", i,
                  SLICE_ARG(r.result.finish_reason));
        cr_expect_eq(r.result.output_count, 1, "%zu", i);
        /* Of the input it says nothing. */
        run_one(&r, "llm", "gen_ai.prompt", text_value(outputs[i]));
        cr_expect_eq(r.result.finish_reason.size, 0, "%zu", i);
    }
    rig_deinit(&r);
}

/* ---- rank, rests, repetitions ---- */

Test(content, the_best_source_wins_and_the_others_stay)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "input.value", "lesser");
    rig_text(&r, "gen_ai.input.messages", "[{\"role\":\"user\",\"content\":\"better\"}]");
    rig_text(&r, "langfuse.observation.input", "best");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), USER("best"));
    cr_expect_eq(rig_field(&r, 0), CONTENT_NONE);
    cr_expect_eq(rig_field(&r, 1), CONTENT_NONE);
    cr_expect_eq(rig_field(&r, 2), CONTENT_INPUT);
    rig_deinit(&r);
}

Test(content, a_source_that_says_the_same_is_used_up)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "llm.input_messages.0.message.role", "system");
    rig_text(&r, "llm.input_messages.0.message.content", "Be brief.");
    rig_text(&r, "llm.input_messages.1.message.role", "user");
    rig_text(&r, "llm.input_messages.1.message.content", "Hi");
    rig_text(
        &r, "input.value",
        "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"}],"
        "\"model\":\"m\",\"response_format\":{\"type\":\"json_object\"}}");
    rig_run(&r, "llm");
    cr_expect_eq(r.result.input_count, 2);
    cr_expect_eq(rig_field(&r, 4), CONTENT_INPUT);
    cr_expect_str_eq(rig_rest(&r, 4),
                     "{\"model\":\"m\",\"response_format\":{\"type\":\"json_object\"}}");
    /* Anthropic's SDK says the system message apart. */
    r.attributes[4].value = text_value(
        "{\"system\":\"Be brief.\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
    rig_run(&r, "llm");
    cr_expect_eq(rig_field(&r, 4), CONTENT_INPUT);
    cr_expect_eq(r.result.input_count, 2);
    /* Something else stays. */
    r.attributes[4].value = text_value("{\"messages\":[{\"role\":\"user\",\"content\":\"Ho\"}]}");
    rig_run(&r, "llm");
    cr_expect_eq(rig_field(&r, 4), CONTENT_NONE);
    cr_expect_eq(r.result.rest_count, 0);
    rig_deinit(&r);
}

Test(content, what_stands_around_the_messages_stays)
{
    struct rig r;
    rig_init(&r);
    rig_text(
        &r, "input.value",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0.50,\"tools\":[{\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"description\":\"does\",\"parameters\":{\"type\":\"object\"}}}],\"stream\":true}");
    rig_text(&r, "output.value",
             "{\"role\":\"assistant\",\"content\":\"Yes\",\"usage\":{\"output_tokens\":3}}");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), USER("Hi"));
    cr_expect_str_eq(rig_rest(&r, 0), "{\"temperature\":0.5,\"stream\":true}");
    cr_expect_str_eq(rig_rest(&r, 1), "{\"usage\":{\"output_tokens\":3}}");
    cr_expect_str_eq(
        rig_messages(&r, SPANS_tools),
        "{\"name\":\"f\",\"description\":\"does\",\"parameters\":{\"type\":\"object\"}}");
    rig_deinit(&r);
}

Test(content, a_field_that_has_a_value_is_left_alone)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "input.value", "a");
    rig_text(&r, "output.value", "b");
    rig_run_without(&r, "agent", 1u << CONTENT_INPUT);
    cr_expect_str_eq(rig_messages(&r, SPANS_input), "NULL");
    cr_expect_eq(rig_field(&r, 0), CONTENT_NONE);
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("b"));
    rig_deinit(&r);
}

Test(content, empty_is_kept_apart_from_absent)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "gen_ai.output.messages", "[]");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_output), "");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), "NULL");
    cr_expect_eq(rig_field(&r, 0), CONTENT_OUTPUT);
    /* A later source that says something is better than an empty one. */
    rig_text(&r, "output.value", "x");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("x"));
    rig_deinit(&r);
}

Test(content, a_bare_span_has_no_contents)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "gen_ai.request.model", "m");
    rig_text(&r, "", "x");
    rig_text(&r, "gen_ai.prompt.version", "3");
    rig_text(&r, "llm.input_messages.x.message.role", "user");
    rig_run(&r, "llm");
    for (uint16_t id = SPANS_tool_name; id <= SPANS_tools; id++) {
        struct slice cell;
        cr_expect(table_column(TABLE_SPANS, id) == NULL || !rig_cell(&r, id, &cell), "column %u",
                  id);
    }
    for (uint32_t i = 0; i < r.count; i++)
        cr_expect_eq(rig_field(&r, i), CONTENT_NONE);
    rig_deinit(&r);
}

/* ---- tools ---- */

struct tool_case {
    char args_key[48];
    char args[80];
    char result_key[48];
    char result[80];
    char cell_args[48];
    char cell_result[48];
    int empty;
};

static const struct tool_case tool_cases[] = {
    {"gen_ai.tool.call.arguments", "{\"order_id\": 4711}", "gen_ai.tool.call.result",
     "{\"status\":\"shipped\"}", "{\"order_id\":4711}", "{\"status\":\"shipped\"}", 0},
    {"ai.toolCall.args", "{\"order_id\":4711}", "ai.toolCall.result", "\"shipped\"",
     "{\"order_id\":4711}", "shipped", 0},
    {"input.value", "{\"order_id\": 4711}", "output.value", "[]", "{\"order_id\":4711}", "[]", 1},
    {"langfuse.observation.input", "{\"order_id\":4711}", "langfuse.observation.output", "",
     "{\"order_id\":4711}", "", 1},
    {"braintrust.input", "{\"order_id\":4711}", "braintrust.output", "{}", "{\"order_id\":4711}",
     "{}", 1},
    {"traceloop.entity.input", "{\"args\":[],\"kwargs\":{\"order_id\":4711}}",
     "traceloop.entity.output", "null", "{\"order_id\":4711}", "null", 1},
    {"tool.parameters", "{\"order_id\":47", "output.value", "\"\"", "{\"order_id\":47", "\"\"", 1},
    {"gcp.vertex.agent.tool_call_args", "{}", "gcp.vertex.agent.tool_response", "{\"content\":[]}",
     "{}", "{\"content\":[]}", 1},
    {"gen_ai.prompt", "{\"a\":1}", "gen_ai.completion", "0", "{\"a\":1}", "0", 0},
};

Test(content, a_tool_call_fills_arguments_and_result)
{
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof tool_cases / sizeof tool_cases[0]; i++) {
        const struct tool_case *t = &tool_cases[i];
        rig_clear(&r);
        rig_text(&r, t->args_key, t->args);
        rig_text(&r, t->result_key, t->result);
        rig_run(&r, "tool");
        cr_expect_str_eq(rig_cell_text(&r, SPANS_tool_args), t->cell_args, "%s", t->args_key);
        cr_expect_str_eq(rig_cell_text(&r, SPANS_tool_result), t->cell_result, "%s", t->result_key);
        cr_expect_eq(rig_cell_i64(&r, SPANS_tool_result_empty), t->empty, "%s", t->result_key);
        cr_expect_str_eq(rig_messages(&r, SPANS_input), "NULL", "%s", t->args_key);
        cr_expect_str_eq(rig_messages(&r, SPANS_output), "NULL", "%s", t->result_key);
    }
    rig_deinit(&r);
}

Test(content, no_result_is_not_an_empty_result)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "gen_ai.tool.call.arguments", "{}");
    rig_run(&r, "tool");
    cr_expect_str_eq(rig_cell_text(&r, SPANS_tool_result), "NULL");
    cr_expect_eq(rig_cell_i64(&r, SPANS_tool_result_empty), -1);
    rig_deinit(&r);
}

Test(content, a_schema_is_not_the_arguments)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "tool.parameters", "{\"type\":\"object\",\"properties\":{\"a\":{}}}");
    rig_text(&r, "input.value", "{\"a\":1}");
    rig_run(&r, "tool");
    cr_expect_str_eq(rig_cell_text(&r, SPANS_tool_args), "{\"a\":1}");
    cr_expect_eq(rig_field(&r, 0), CONTENT_NONE);
    rig_deinit(&r);
}

Test(content, definitions_of_every_dialect_are_the_same)
{
    static const char *const spellings[] = {
        "[{\"type\":\"function\",\"name\":\"f\",\"description\":\"does\",\"parameters\":{\"type\":\"object\"}}]",
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"does\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}]",
        "[{\"name\":\"f\",\"description\":\"does\",\"input_schema\":{\"type\":\"object\"}}]",
        "[{\"name\":\"f\",\"description\":\"does\",\"inputSchema\":{\"jsonSchema\":{\"type\":\"object\"}}}]",
        "[\"{\\\"name\\\":\\\"f\\\",\\\"description\\\":\\\"does\\\",\\\"inputSchema\\\":{\\\"type\\\":\\\"object\\\"}}\"]",
        "{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"description\":\"does\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}",
        "[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":\"does\",\"parameters\":{\"type\":\"object\"}}]}]",
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        run_one(&r, "llm", "gen_ai.tool.definitions", text_value(spellings[i]));
        cr_expect_str_eq(
            rig_messages(&r, SPANS_tools),
            "{\"name\":\"f\",\"description\":\"does\",\"parameters\":{\"type\":\"object\"}}",
            "%zu: %s", i, rig_messages(&r, SPANS_tools));
    }
    rig_clear(&r);
    rig_text(&r, "llm.tools.1.tool.json_schema",
             "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}");
    rig_text(&r, "llm.tools.0.tool.json_schema", "{\"name\":\"f\"}");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_tools), "{\"name\":\"f\"}\n{\"name\":\"g\"}");
    rig_clear(&r);
    rig_text(&r, "llm.request.functions.0.name", "f");
    rig_text(&r, "llm.request.functions.0.description", "does");
    rig_text(&r, "llm.request.functions.0.parameters", "{\"type\": \"object\"}");
    rig_run(&r, "llm");
    cr_expect_str_eq(
        rig_messages(&r, SPANS_tools),
        "{\"name\":\"f\",\"description\":\"does\",\"parameters\":{\"type\":\"object\"}}");
    rig_deinit(&r);
}

/* ---- retrieved documents ---- */

static void retrieved(struct rig *r, const char *kind, const char *key, struct value v)
{
    run_one(r, kind, key, v);
    cr_expect_str_eq(
        rig_cell_text(r, SPANS_retrieved),
        "[{\"id\":\"a\",\"score\":0.25,\"content\":\"one\"},{\"id\":\"b\",\"score\":0.75,\"content\":\"two\"}]",
        "%s: %s", key, rig_cell_text(r, SPANS_retrieved));
    cr_expect_eq(rig_cell_i64(r, SPANS_retrieved_count), 2, "%s", key);
    cr_expect_eq(rig_cell_f64(r, SPANS_retrieved_top_score), 0.75, "%s", key);
}

Test(content, documents_of_every_dialect_are_the_same)
{
    struct rig r;
    rig_init(&r);
    retrieved(
        &r, "retrieval", "gen_ai.retrieval.documents",
        text_value(
            "[{\"id\":\"a\",\"score\":0.25,\"content\":\"one\"},{\"id\":\"b\",\"score\":0.75,\"content\":\"two\"}]"));
    retrieved(
        &r, "retrieval", "langfuse.observation.output",
        text_value(
            "[{\"id\":\"a\",\"score\":0.25,\"text\":\"one\"},{\"id\":\"b\",\"score\":\"0.75\",\"text\":\"two\"}]"));
    retrieved(
        &r, "retrieval", "output.value",
        text_value(
            "{\"documents\":[[{\"page_content\":\"one\",\"metadata\":null,\"id\":\"a\"},0.25],[{\"page_content\":\"two\",\"id\":\"b\"},0.75]]}"));
    retrieved(
        &r, "retrieval", "gen_ai.completion",
        text_value(
            "{\"outputs\":[{\"document_id\":\"a\",\"similarity\":0.25,\"pageContent\":\"one\"},"
            "{\"document\":{\"id\":\"b\",\"text\":\"two\"},\"score\":0.75}]}"));
    retrieved(
        &r, "llm", "langwatch.contexts",
        text_value(
            "{\"type\":\"json\",\"value\":[{\"document_id\":\"a\",\"score\":0.25,\"content\":\"one\"},"
            "{\"node\":{\"id_\":\"b\",\"text\":\"two\"},\"score\":0.75}]}"));
    rig_clear(&r);
    rig_text(&r, "retrieval.documents.1.document.id", "b");
    rig_double(&r, "retrieval.documents.1.document.score", 0.75);
    rig_text(&r, "retrieval.documents.1.document.content", "two");
    rig_text(&r, "retrieval.documents.0.document.id", "a");
    rig_double(&r, "retrieval.documents.0.document.score", 0.25);
    rig_text(&r, "retrieval.documents.0.document.content", "one");
    rig_run(&r, "retrieval");
    cr_expect_str_eq(
        rig_cell_text(&r, SPANS_retrieved),
        "[{\"id\":\"a\",\"score\":0.25,\"content\":\"one\"},{\"id\":\"b\",\"score\":0.75,\"content\":\"two\"}]");
    rig_deinit(&r);
}

Test(content, documents_of_vector_databases_come_as_events)
{
    struct rig r;
    rig_init(&r);
    rig_event(&r, "db.query.embeddings", 1);
    rig_event(&r, "db.query.result", 2);
    event_text(&r, "db.query.result.id", "a");
    event_value(&r, "db.query.result.score", (struct value){.type = VALUE_DOUBLE, .number = 0.95});
    event_text(&r, "db.query.result.metadata", "{\"a\":1}");
    event_text(&r, "db.query.result.document", "Refunds take 5 days");
    rig_event(&r, "db.query.result", 3);
    event_text(&r, "db.query.result.id", "b");
    rig_run(&r, "retrieval");
    cr_expect_str_eq(
        rig_cell_text(&r, SPANS_retrieved),
        "[{\"id\":\"a\",\"score\":0.95,\"content\":\"Refunds take 5 days\",\"metadata\":{\"a\":1}},{\"id\":\"b\"}]");
    cr_expect_eq(rig_cell_f64(&r, SPANS_retrieved_top_score), 0.95);
    cr_expect_eq(r.result.event_fields[0], CONTENT_NONE);
    cr_expect_eq(r.result.event_fields[2], CONTENT_RETRIEVED);
    rig_deinit(&r);
}

Test(content, an_empty_retrieval_is_not_an_absent_one)
{
    struct rig r;
    rig_init(&r);
    run_one(&r, "retrieval", "gen_ai.retrieval.documents", text_value("[]"));
    cr_expect_str_eq(rig_cell_text(&r, SPANS_retrieved), "[]");
    cr_expect_eq(rig_cell_i64(&r, SPANS_retrieved_count), 0);
    cr_expect_eq(rig_cell_f64(&r, SPANS_retrieved_top_score), -1);
    run_one(&r, "retrieval", "output.value", text_value("no documents, sorry"));
    cr_expect_str_eq(rig_cell_text(&r, SPANS_retrieved), "NULL");
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("no documents, sorry"));
    rig_deinit(&r);
}

Test(content, members_nobody_knows_stay_with_their_document)
{
    struct rig r;
    rig_init(&r);
    run_one(&r, "retrieval", "gen_ai.retrieval.documents",
            json_value("[{\"url\":\"u\",\"id\":7,\"score\":null,\"title\":\"T\"}]"));
    cr_expect_str_eq(rig_cell_text(&r, SPANS_retrieved),
                     "[{\"id\":7,\"url\":\"u\",\"title\":\"T\"}]");
    rig_deinit(&r);
}

/* ---- first token ---- */

Test(content, the_first_token_has_a_time)
{
    struct rig r;
    rig_init(&r);
    rig_event(&r, "gen_ai.choice", 1200);
    rig_event(&r, "First Token Stream Event", 1500);
    rig_event(&r, "First Token Stream Event", 1400);
    rig_run(&r, "llm");
    cr_expect_eq(r.result.first_token_ns, 1400);
    cr_expect_not(r.result.first_token_is_choice);
    rig_deinit(&r);
}

/* ---- the table ---- */

Test(content, every_source_claims_its_own_key)
{
    for (uint16_t number = 1; number <= content_source_count(); number++) {
        const struct content_source *s = content_source_at(number);
        char key[128];
        if (s->key[0] == 0)
            continue;
        (void)snprintf(key, sizeof key, "%s%s", s->key, s->is_prefix ? "0.x" : "");
        cr_expect_eq(content_claim(slice_text(key)), number, "%s", key);
        if (s->is_prefix)
            cr_expect_eq(s->key[strlen(s->key) - 1], '.', "%s", s->key);
    }
    cr_expect_eq(content_claim(slice_text("gen_ai.prompt.name")), 0);
    cr_expect_eq(content_claim(slice_text("")), 0);
    for (int field = CONTENT_INPUT; field < CONTENT_FIELD_COUNT; field++)
        cr_expect_not_null(content_field_column((enum content_field)field));
}

Test(content, an_encoded_text_that_is_no_json_is_kept)
{
    struct rig r;
    rig_init(&r);
    run_one(&r, "agent", "traceloop.entity.output", text_value("\"cut he"));
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("\\\"cut he"));
    run_one(&r, "agent", "traceloop.entity.output", text_value("\"one\" and \"two\""));
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("\\\"one\\\" and \\\"two\\\""));
    run_one(&r, "agent", "traceloop.entity.output", text_value("\"whole \\u00e9\""));
    cr_expect_str_eq(rig_messages(&r, SPANS_output), ASSISTANT("whole \xc3\xa9"));
    rig_deinit(&r);
}

Test(content, a_type_with_escapes_is_a_type)
{
    struct rig r;
    rig_init(&r);
    cr_expect_str_eq(
        input_of(&r, "[{\"role\":\"user\",\"parts\":[{\"type\":\"a\\\"b\",\"text\":\"x\"}]}]"),
        "{\"role\":\"user\",\"parts\":[{\"type\":\"a\\\"b\",\"text\":\"x\"}]}");
    rig_deinit(&r);
}

Test(content, a_role_that_is_no_word_is_none)
{
    struct rig r;
    rig_init(&r);
    rig_event(&r, "gen_ai.user.message", 1);
    event_text(&r, "role", "not a role");
    event_text(&r, "content", "Hi");
    rig_run(&r, "llm");
    cr_expect_str_eq(rig_messages(&r, SPANS_input), USER("Hi"));
    rig_deinit(&r);
}
