/*
 * test_content_limits.c - large, deep and many: cut and reported, never a failure.
 */
#include "tests/unit/server/dialect/content_rig.h"

static struct value bytes_value(const struct buffer *b)
{
    return (struct value){.type = VALUE_STRING, .bytes = buffer_slice(b)};
}

/* One attribute on an llm span; every cell that refers to messages is checked. */
static void run_bytes(struct rig *r, const char *key, const struct buffer *b)
{
    rig_clear(r);
    rig_value(r, key, bytes_value(b));
    message_set_reset(&r->messages);
    rig_run(r, "llm");
    for (uint32_t i = 0; i < r->messages.count; i++)
        cr_assert_leq(r->messages.messages[i].body.size, MESSAGE_BYTES_MAX);
}

static void fill(struct buffer *b, const char *unit, size_t bytes)
{
    size_t size = strlen(unit);
    for (size_t at = 0; at < bytes; at += size)
        buffer_add(b, unit, size);
}

Test(content_limits, a_text_over_the_limit_is_cut_at_a_character)
{
    static const char *const units[] = {"plain text ", "\xf0\x9f\x9a\x9a", "\x01", "\"quoted\"\n",
                                        "\xff"};
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        buffer_reset(&text);
        fill(&text, units[i], MESSAGE_BYTES_MAX + 1000);
        run_bytes(&r, "output.value", &text);
        cr_expect_eq(r.result.cut, 1u << CONTENT_OUTPUT, "%zu", i);
        cr_expect_eq(r.result.output_count, 1);
        cr_expect_geq(r.messages.messages[0].body.size, MESSAGE_BYTES_MAX - 4096, "%zu: %zu", i,
                      r.messages.messages[0].body.size);
        (void)rig_messages(&r, SPANS_output); /* checks that the body is JSON */
    }
    buffer_deinit(&text);
    rig_deinit(&r);
}

Test(content_limits, a_text_just_within_the_limit_is_whole)
{
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    fill(&text, "0123456789abcdef", MESSAGE_BYTES_MAX - 1024);
    run_bytes(&r, "output.value", &text);
    cr_expect_eq(r.result.cut, 0);
    buffer_deinit(&text);
    rig_deinit(&r);
}

Test(content_limits, long_parts_of_a_message_are_cut_too)
{
    static const char *const starts[] = {
        "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"",
        "[{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"",
        "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"first\"},{\"type\":\"odd\",\"x\":\"",
        "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\\u00e9",
        "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"",
    };
    static const char *const ends[] = {"\"}}]}]", "\"}]", "\"}]}]", "\"}]}]",
                                       "\",\"function\":{\"name\":\"f\"}}]}]"};
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        buffer_reset(&text);
        buffer_add_text(&text, starts[i]);
        fill(&text, "0123456789abcdef", MESSAGE_BYTES_MAX);
        buffer_add_text(&text, ends[i]);
        run_bytes(&r, "gen_ai.output.messages", &text);
        cr_expect_eq(r.result.cut, 1u << CONTENT_OUTPUT, "%zu", i);
        cr_expect_eq(r.result.output_count, 1, "%zu", i);
        (void)rig_messages(&r, SPANS_output);
    }
    buffer_deinit(&text);
    rig_deinit(&r);
}

Test(content_limits, parts_of_one_message_share_its_limit)
{
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    buffer_add_text(&text, "[{\"role\":\"assistant\",\"content\":[");
    for (int i = 0; i < 20; i++) {
        buffer_add_text(&text, "{\"type\":\"text\",\"text\":\"");
        fill(&text, "0123456789abcdef", 1u << 20);
        buffer_add_text(
            &text,
            "\"},{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{\"x\":\"y\"}},");
    }
    buffer_add_text(&text, "{\"type\":\"text\",\"text\":\"end\"}]}]");
    run_bytes(&r, "gen_ai.output.messages", &text);
    cr_expect_eq(r.result.output_count, 1);
    cr_expect_eq(r.result.cut, 1u << CONTENT_OUTPUT);
    (void)rig_messages(&r, SPANS_output);
    buffer_deinit(&text);
    rig_deinit(&r);
}

static void many(struct buffer *text, uint32_t count)
{
    buffer_reset(text);
    buffer_add_byte(text, '[');
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(text, "%s{\"role\":\"user\",\"content\":\"%u\"}", i == 0 ? "" : ",", i % 100);
    buffer_add_byte(text, ']');
}

Test(content_limits, at_most_so_many_messages)
{
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    many(&text, MESSAGE_REFS_MAX - 1);
    run_bytes(&r, "gen_ai.input.messages", &text);
    cr_expect_eq(r.result.input_count, MESSAGE_REFS_MAX - 1);
    cr_expect_eq(r.result.cut, 0);
    many(&text, MESSAGE_REFS_MAX);
    run_bytes(&r, "gen_ai.input.messages", &text);
    cr_expect_eq(r.result.input_count, MESSAGE_REFS_MAX);
    cr_expect_eq(r.result.cut, 0);
    many(&text, MESSAGE_REFS_MAX + 1);
    run_bytes(&r, "gen_ai.input.messages", &text);
    cr_expect_eq(r.result.input_count, MESSAGE_REFS_MAX);
    cr_expect_eq(r.result.cut, 1u << CONTENT_INPUT);
    /* The instructions that come first push one out. */
    many(&text, MESSAGE_REFS_MAX);
    rig_clear(&r);
    rig_value(&r, "gen_ai.input.messages", bytes_value(&text));
    rig_text(&r, "gen_ai.system_instructions", "Be brief.");
    rig_run(&r, "llm");
    cr_expect_eq(r.result.input_count, MESSAGE_REFS_MAX);
    cr_expect_eq(r.result.cut, 1u << CONTENT_INPUT);
    buffer_deinit(&text);
    rig_deinit(&r);
}

Test(content_limits, nesting_of_any_depth)
{
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    for (uint32_t depth = 1; depth < 140; depth += depth < 70 ? 1 : 17) {
        static const char *const opens[] = {"[", "{\"messages\":", "{\"message\":", "{\"input\":[",
                                            "{\"args\":[{\"kwargs\":"};
        for (size_t kind = 0; kind < sizeof opens / sizeof opens[0]; kind++) {
            buffer_reset(&text);
            for (uint32_t i = 0; i < depth; i++)
                buffer_add_text(&text, opens[kind]);
            buffer_add_text(&text, "{\"role\":\"user\",\"content\":\"x\"}");
            for (uint32_t i = depth; i-- > 0;)
                buffer_add_text(&text, kind == 0 ? "]" : kind < 3 ? "}" : kind == 3 ? "]}" : "}]}");
            run_bytes(&r, "input.value", &text);
            cr_expect_eq(r.result.input_count, 1, "depth %u kind %zu", depth, kind);
            (void)rig_messages(&r, SPANS_input);
        }
        /* A value inside a message: bodies stay within what JSON readers take. */
        buffer_reset(&text);
        buffer_add_text(
            &text,
            "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"");
        for (uint32_t i = 0; i < depth; i++)
            buffer_add_text(&text, "[");
        for (uint32_t i = 0; i < depth; i++)
            buffer_add_text(&text, "]");
        buffer_add_text(&text, "\"}}]}]");
        run_bytes(&r, "input.value", &text);
        cr_expect_eq(r.result.input_count, 1, "depth %u", depth);
        (void)rig_messages(&r, SPANS_input);
    }
    buffer_deinit(&text);
    rig_deinit(&r);
}

Test(content_limits, cells_of_tools_and_documents_are_cut)
{
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    fill(&text, "\xc3\xa9\xe2\x82\xac", TEXT_BYTES_MAX + 3);
    rig_value(&r, "gen_ai.tool.call.arguments", bytes_value(&text));
    rig_value(&r, "gen_ai.tool.call.result", bytes_value(&text));
    rig_run(&r, "tool");
    struct slice cell;
    cr_assert(rig_cell(&r, SPANS_tool_args, &cell));
    cr_expect_leq(cell.size, TEXT_BYTES_MAX);
    cr_expect_geq(cell.size, TEXT_BYTES_MAX - 4);
    cr_expect_eq(r.result.cut, 1u << CONTENT_TOOL_ARGS | 1u << CONTENT_TOOL_RESULT);
    struct buffer documents = {0};
    buffer_add_byte(&documents, '[');
    for (int i = 0; i < 20; i++) {
        buffer_printf(&documents, "%s{\"id\":%d,\"content\":\"", i == 0 ? "" : ",", i);
        fill(&documents, "0123456789abcdef", 1u << 20);
        buffer_add_text(&documents, "\"}");
    }
    buffer_add_byte(&documents, ']');
    rig_clear(&r);
    rig_value(&r, "gen_ai.retrieval.documents", bytes_value(&documents));
    rig_run(&r, "retrieval");
    cr_expect_eq(rig_cell_i64(&r, SPANS_retrieved_count), 20);
    cr_expect_eq(r.result.cut, 1u << CONTENT_RETRIEVED);
    cr_assert(rig_cell(&r, SPANS_retrieved, &cell));
    cr_expect_leq(cell.size, TEXT_BYTES_MAX);
    cr_expect_eq(cell.data[cell.size - 1], ']');
    buffer_deinit(&documents);
    buffer_deinit(&text);
    rig_deinit(&r);
}

Test(content_limits, a_large_span_leaves_no_memory_behind)
{
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    buffer_add_text(&text, "[{\"role\":\"user\",\"content\":\"\\n");
    fill(&text, "0123456789abcdef", 12u << 20);
    buffer_add_text(&text, "\"}]");
    run_bytes(&r, "gen_ai.input.messages", &text);
    rig_value(&r, "input.value", bytes_value(&text)); /* said twice: read to compare */
    rig_run(&r, "llm");
    cr_expect_geq(content_memory(r.content), 12u << 20);
    cr_expect_leq(content_memory(r.content), 64u << 20);
    buffer_reset(&text);
    run_bytes(&r, "gen_ai.input.messages", &text);
    cr_expect_leq(content_memory(r.content), 4u << 20);
    buffer_deinit(&text);
    rig_deinit(&r);
}

Test(content_limits, indexes_may_be_any_number)
{
    struct rig r;
    rig_init(&r);
    rig_text(&r, "llm.input_messages.999999.message.content", "last");
    rig_text(&r, "llm.input_messages.7.message.content", "first");
    rig_text(&r, "llm.input_messages.1000000.message.content", "no such index");
    rig_text(&r, "llm.input_messages.8.message.unknown", "tail");
    rig_text(&r, "llm.input_messages.7", "nothing behind");
    rig_run(&r, "llm");
    cr_expect_eq(r.result.input_count, 2);
    cr_expect_eq(rig_field(&r, 0), CONTENT_INPUT);
    cr_expect_eq(rig_field(&r, 1), CONTENT_INPUT);
    for (uint32_t i = 2; i < 5; i++)
        cr_expect_eq(rig_field(&r, i), CONTENT_NONE, "%u", i);
    rig_deinit(&r);
}

/* Every byte of a well-formed value changed in every bit: whatever comes out is well-formed. */
Test(content_limits, every_bit_flip_is_harmless)
{
    static const char good[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi \\u00e9\"}]},"
        "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"[]\"}],\"tools\":[{\"name\":\"f\",\"input_schema\":{}}]}";
    struct rig r;
    struct buffer text = {0};
    rig_init(&r);
    for (size_t at = 0; at < sizeof good - 1; at++) {
        for (int bit = 0; bit < 8; bit++) {
            buffer_reset(&text);
            buffer_add(&text, good, sizeof good - 1);
            text.data[at] ^= (uint8_t)(1 << bit);
            builder_reset(&r.row);
            run_bytes(&r, "input.value", &text);
            cr_assert_geq(r.result.input_count, 1, "byte %zu bit %d", at, bit);
            (void)rig_messages(&r, SPANS_input);
            (void)rig_messages(&r, SPANS_tools);
        }
        arena_reset(&r.arena);
    }
    buffer_deinit(&text);
    rig_deinit(&r);
}

/* ---- log records ---- */

static void log_run(struct rig *r, struct otlp_log *log)
{
    log->attributes = (struct attributes){.items = r->attributes, .count = r->count};
    builder_row(&r->row);
    content_log(r->content, log, &r->row, &r->messages, &r->result);
}

Test(content_log, a_record_is_a_message)
{
    struct rig r;
    rig_init(&r);
    struct otlp_log log = {.event_name = slice_text("gen_ai.user.message"),
                           .body = json_value("{\"content\":\"Hi\"}")};
    rig_text(&r, "gen_ai.system", "openai");
    log_run(&r, &log);
    cr_expect_str_eq(rig_messages(&r, SPANS_input),
                     "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Hi\"}]}");
    cr_expect_eq(r.result.event_fields[0], CONTENT_INPUT);
    cr_expect_eq(rig_field(&r, 0), CONTENT_NONE);
    log = (struct otlp_log){.event_name = slice_text("gen_ai.choice"), .body = text_value("Yes")};
    rig_clear(&r);
    log_run(&r, &log);
    cr_expect_str_eq(
        rig_messages(&r, SPANS_output),
        "{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Yes\"}]}");
    rig_deinit(&r);
}

Test(content_log, details_of_an_inference_are_those_of_a_span)
{
    struct rig r;
    rig_init(&r);
    struct otlp_log log = {.event_name = slice_text("gen_ai.client.inference.operation.details")};
    rig_json(&r, "gen_ai.input.messages",
             "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Hi\"}]}]");
    rig_json(&r, "gen_ai.output.messages",
             "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Yes\"}]}]");
    rig_json(&r, "gen_ai.system_instructions", "[{\"type\":\"text\",\"content\":\"Be brief.\"}]");
    rig_json(&r, "gen_ai.tool.definitions", "[{\"name\":\"f\"}]");
    rig_text(&r, "gen_ai.request.model", "m");
    log_run(&r, &log);
    cr_expect_eq(r.result.input_count, 2);
    cr_expect_eq(r.result.output_count, 1);
    cr_expect_eq(r.result.tool_count, 1);
    cr_expect_eq(rig_field(&r, 0), CONTENT_INPUT);
    cr_expect_eq(rig_field(&r, 1), CONTENT_OUTPUT);
    cr_expect_eq(rig_field(&r, 2), CONTENT_SYSTEM);
    cr_expect_eq(rig_field(&r, 3), CONTENT_TOOLS);
    cr_expect_eq(rig_field(&r, 4), CONTENT_NONE);
    rig_deinit(&r);
}

Test(content_log, other_records_have_no_contents)
{
    struct rig r;
    rig_init(&r);
    struct otlp_log log = {.event_name = slice_text("exception"), .body = text_value("boom")};
    rig_text(&r, "content", "x");
    log_run(&r, &log);
    cr_expect_str_eq(rig_messages(&r, SPANS_input), "NULL");
    cr_expect_eq(r.result.event_fields[0], CONTENT_NONE);
    cr_expect_eq(rig_field(&r, 0), CONTENT_NONE);
    rig_deinit(&r);
}
