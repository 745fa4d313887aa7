/*
 * test_message_read.c - the same message in every dialect's shape, and bodies that are none.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/json.h"
#include "engine/enrich/message_read.h"

struct sample {
    const char *body;
    enum message_role role;
    const char *text;
    const char *call; /* "name arguments" of the calls, joined by ';' */
    const char *tool_call_id;
};

/* clang-format off */
static const struct sample samples[] = {
    /* GenAI semantic conventions. */
    {"{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]}", ROLE_USER, "hi", "", ""},
    {"{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"a\"},{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":\"f\",\"arguments\":{\"x\":1}},{\"type\":\"text\",\"content\":\"b\"}],\"finish_reason\":\"stop\"}",
     ROLE_ASSISTANT, "a\nb", "f {\"x\":1}", ""},
    {"{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"c1\",\"response\":\"rainy\"}]}", ROLE_TOOL, "rainy", "", "c1"},
    {"{\"role\":\"tool\",\"parts\":[{\"type\":\"tool_call_response\",\"id\":\"c1\",\"result\":{\"t\":3}}]}", ROLE_TOOL, "{\"t\":3}", "", "c1"},
    {"{\"role\":\"assistant\",\"parts\":[{\"type\":\"reasoning\",\"content\":\"hm\"},{\"type\":\"text\",\"content\":\"yes\"}]}", ROLE_ASSISTANT, "yes", "", ""},
    /* OpenAI chat. */
    {"{\"role\":\"system\",\"content\":\"be kind\"}", ROLE_SYSTEM, "be kind", "", ""},
    {"{\"role\":\"developer\",\"content\":\"be kind\"}", ROLE_SYSTEM, "be kind", "", ""},
    {"{\"content\":null,\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"{\\\"id\\\":7}\",\"name\":\"get\"},\"id\":\"c2\",\"type\":\"function\"},{\"id\":\"c3\",\"function\":{\"name\":\"put\",\"arguments\":\"\"}}]}",
     ROLE_ASSISTANT, "", "get {\"id\":7};put ", ""},
    {"{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"name\":\"get\",\"content\":\"[]\"}", ROLE_TOOL, "[]", "", "c2"},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"what is\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}},{\"type\":\"text\",\"text\":\"this\"}]}", ROLE_USER, "what is\nthis", "", ""},
    {"{\"role\":\"assistant\",\"content\":null,\"refusal\":\"I can't\"}", ROLE_ASSISTANT, "I can't", "", ""},
    {"{\"role\":\"assistant\",\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}}", ROLE_ASSISTANT, "", "f {}", ""},
    /* OpenAI responses. */
    {"{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"ok\"}]}", ROLE_ASSISTANT, "ok", "", ""},
    {"{\"type\":\"function_call\",\"call_id\":\"c4\",\"name\":\"f\",\"arguments\":\"{}\"}", ROLE_ASSISTANT, "", "f {}", "c4"},
    {"{\"type\":\"function_call_output\",\"call_id\":\"c4\",\"output\":\"12\"}", ROLE_TOOL, "12", "", "c4"},
    /* Anthropic. */
    {"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":\"let me see\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"see\",\"input\":{\"q\":\"a\"}}]}",
     ROLE_ASSISTANT, "let me see", "see {\"q\":\"a\"}", ""},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[{\"type\":\"text\",\"text\":\"seen\"}]}]}", ROLE_TOOL, "seen", "", "t1"},
    {"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"seen\"},{\"type\":\"text\",\"text\":\"and?\"}]}", ROLE_USER, "seen\nand?", "", "t1"},
    /* Gemini. */
    {"{\"role\":\"model\",\"parts\":[{\"text\":\"ok\"},{\"functionCall\":{\"name\":\"f\",\"args\":{\"x\":2}}}]}", ROLE_ASSISTANT, "ok", "f {\"x\":2}", ""},
    {"{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"y\":3}}}]}", ROLE_TOOL, "{\"y\":3}", "", ""},
    /* Bedrock converse. */
    {"{\"role\":\"assistant\",\"content\":[{\"text\":\"ok\"},{\"toolUse\":{\"toolUseId\":\"b1\",\"name\":\"f\",\"input\":{\"x\":2}}}]}", ROLE_ASSISTANT, "ok", "f {\"x\":2}", ""},
    {"{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"b1\",\"content\":[{\"text\":\"done\"}]}}]}", ROLE_TOOL, "done", "", "b1"},
    /* Vercel AI SDK. */
    {"{\"role\":\"assistant\",\"content\":[{\"type\":\"tool-call\",\"toolCallId\":\"v1\",\"toolName\":\"f\",\"args\":{\"x\":2}}]}", ROLE_ASSISTANT, "", "f {\"x\":2}", ""},
    {"{\"role\":\"tool\",\"content\":[{\"type\":\"tool-result\",\"toolCallId\":\"v1\",\"toolName\":\"f\",\"result\":\"sunny\"}]}", ROLE_TOOL, "sunny", "", "v1"},
    /* LangChain. */
    {"{\"type\":\"human\",\"content\":\"hi\"}", ROLE_USER, "hi", "", ""},
    {"{\"lc\":1,\"type\":\"constructor\",\"kwargs\":{\"type\":\"ai\",\"content\":\"\",\"tool_calls\":[{\"name\":\"f\",\"args\":{\"x\":1},\"id\":\"l1\"}]}}", ROLE_ASSISTANT, "", "f {\"x\":1}", ""},
    /* What a tool answered may be any JSON. */
    {"{\"role\":\"tool\",\"content\":[{\"seat\":\"4A\"},{\"seat\":\"4B\"}]}", ROLE_TOOL, "[{\"seat\":\"4A\"},{\"seat\":\"4B\"}]", "", ""},
    {"{\"role\":\"tool\",\"content\":{\"seat\":\"4A\"}}", ROLE_TOOL, "{\"seat\":\"4A\"}", "", ""},
    {"{\"role\":\"tool\",\"content\":17}", ROLE_TOOL, "17", "", ""},
    {"{\"role\":\"assistant\",\"content\":[\"a\",\"b\"]}", ROLE_ASSISTANT, "a\nb", "", ""},
    /* Escapes, repeated members, unknown roles. */
    {"{\"role\":\"user\",\"content\":\"a\\n\\u00e9\\\"\"}", ROLE_USER, "a\n\xc3\xa9\"", "", ""},
    {"{\"role\":\"user\",\"content\":\"a\",\"content\":\"b\"}", ROLE_USER, "b", "", ""},
    {"{\"role\":\"critic\",\"content\":\"meh\"}", ROLE_OTHER, "meh", "", ""},
    {"{\"role\":\"user\"}", ROLE_USER, "", "", ""},
    /* No message. */
    {"{\"question\":\"why?\"}", ROLE_OTHER, "{\"question\":\"why?\"}", "", ""},
    {"\"plain\\ttext\"", ROLE_OTHER, "plain\ttext", "", ""},
    {"[1,2]", ROLE_OTHER, "[1,2]", "", ""},
    {"12", ROLE_OTHER, "12", "", ""},
};
/* clang-format on */

static void calls_join(const struct message_reading *m, struct buffer *to)
{
    buffer_reset(to);
    for (uint32_t i = 0; i < m->call_count; i++)
        buffer_printf(to, "%s%.*s %.*s", i == 0 ? "" : ";", SLICE_ARG(m->calls[i].name),
                      SLICE_ARG(m->calls[i].arguments));
}

Test(message_read, every_shape_gives_role_text_and_calls)
{
    struct arena arena = {0};
    struct buffer calls = {0};
    struct message_reading *m = MEM_NEW(struct message_reading);
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const struct sample *s = &samples[i];
        cr_assert(message_read(slice_text(s->body), &arena, m), "%s", s->body);
        cr_expect_eq(m->role, s->role, "%s: role %d", s->body, (int)m->role);
        cr_expect(slice_is(m->text, s->text), "%s: text %.*s", s->body, SLICE_ARG(m->text));
        calls_join(m, &calls);
        cr_expect(slice_is(buffer_slice(&calls), s->call), "%s: calls %.*s", s->body,
                  SLICE_ARG(buffer_slice(&calls)));
        cr_expect(slice_is(m->tool_call_id, s->tool_call_id), "%s: id %.*s", s->body,
                  SLICE_ARG(m->tool_call_id));
    }
    mem_free(m);
    buffer_deinit(&calls);
    arena_deinit(&arena);
}

Test(message_read, what_is_not_json_is_its_own_text)
{
    static const char *const bodies[] = {
        "",
        "hello",
        "{\"role\":\"user\",\"content\":\"cut o",
        "{\"role\":\"user\"} trailing",
        "{\"role\":\"user\",\"content\":\"a\"",
        "\xff\xfe",
    };
    struct arena arena = {0};
    struct message_reading m;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        cr_expect_not(message_read(slice_text(bodies[i]), &arena, &m), "%s", bodies[i]);
        cr_expect(slice_is(m.text, bodies[i]));
        cr_expect_eq(m.role, ROLE_OTHER);
        cr_expect_eq(m.call_count, 0);
    }
    arena_deinit(&arena);
}

/* A copy on the heap, so that a read behind the end is noticed. */
static void read_copy(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    uint8_t *copy = mem_alloc(size != 0 ? size : 1);
    bytes_copy(copy, data, size);
    struct message_reading *m = mem_alloc(sizeof *m);
    bool whole = message_read(slice_of(copy, size), &arena, m);
    cr_assert_leq(m->call_count, MESSAGE_CALLS_MAX);
    struct json j = json_over(slice_of(copy, size));
    enum json_token t;
    while ((t = json_next(&j)) > 0) {
    }
    cr_assert_eq(whole, t == JSON_END);
    struct tool_definition d;
    (void)tool_definition_read(slice_of(copy, size), &arena, &d);
    mem_free(m);
    mem_free(copy);
    arena_deinit(&arena);
}

Test(message_read, every_truncation_and_every_flipped_bit_is_taken_or_refused_whole)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        size_t size = strlen(samples[i].body);
        uint8_t *body = mem_alloc(size);
        memcpy(body, samples[i].body, size);
        for (size_t cut = 0; cut <= size; cut++)
            read_copy(body, cut);
        for (size_t bit = 0; bit < size * 8; bit++) {
            body[bit / 8] ^= (uint8_t)(1 << bit % 8);
            read_copy(body, size);
            body[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        mem_free(body);
    }
}

static void calls_body(struct buffer *b, uint32_t count)
{
    buffer_reset(b);
    buffer_add_text(b, "{\"role\":\"assistant\",\"tool_calls\":[");
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(b, "%s{\"name\":\"f\",\"arguments\":\"%u\"}", i == 0 ? "" : ",", i);
    buffer_add_text(b, "]}");
}

Test(message_read, calls_beyond_the_limit_are_left_out)
{
    struct arena arena = {0};
    struct buffer b = {0};
    struct message_reading *m = MEM_NEW(struct message_reading);
    for (uint32_t count = MESSAGE_CALLS_MAX - 1; count <= MESSAGE_CALLS_MAX + 1; count++) {
        calls_body(&b, count);
        cr_assert(message_read(buffer_slice(&b), &arena, m));
        cr_expect_eq(m->call_count, count < MESSAGE_CALLS_MAX ? count : MESSAGE_CALLS_MAX);
    }
    mem_free(m);
    buffer_deinit(&b);
    arena_deinit(&arena);
}

Test(message_read, deep_nesting_ends)
{
    struct arena arena = {0};
    struct buffer b = {0};
    struct message_reading *m = MEM_NEW(struct message_reading);
    buffer_add_text(&b, "{\"role\":\"user\",\"content\":");
    for (int i = 0; i < 20; i++)
        buffer_add_text(&b, "[{\"type\":\"tool_result\",\"content\":");
    buffer_add_text(&b, "\"deep\"");
    for (int i = 0; i < 20; i++)
        buffer_add_text(&b, "}]");
    buffer_add_text(&b, "}");
    cr_assert(message_read(buffer_slice(&b), &arena, m));
    cr_expect_geq(m->text.size, 4);
    cr_expect_lt(arena.bytes, 4096);
    mem_free(m);
    buffer_deinit(&b);
    arena_deinit(&arena);
}

struct definition_sample {
    const char *body;
    const char *name; /* NULL: none */
    const char *schema;
};

/* clang-format off */
static const struct definition_sample definitions[] = {
    {"{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}", "f", "{\"type\":\"object\"}"},
    {"{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"a\":1}}}", "f", "{\"a\":1}"},
    {"{\"name\":\"f\",\"input_schema\":{\"a\":1}}", "f", "{\"a\":1}"},
    {"{\"name\":\"f\",\"inputSchema\":{\"a\":1}}", "f", "{\"a\":1}"},
    {"{\"name\":\"f\",\"parameters\":\"{\\\"a\\\":1}\"}", "f", "{\"a\":1}"},
    {"{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"a\":1}}}}", "f", "{\"a\":1}"},
    {"{\"json_schema\":\"{\\\"type\\\":\\\"function\\\",\\\"function\\\":{\\\"name\\\":\\\"f\\\",\\\"parameters\\\":{\\\"a\\\":1}}}\"}", "f", "{\"a\":1}"},
    {"{\"name\":\"f\"}", "f", ""},
    {"{\"name\":\"f\",\"parameters\":null}", "f", ""},
    {"{\"name\":7}", NULL, ""},
    {"{}", NULL, ""},
    {"[]", NULL, ""},
    {"f", NULL, ""},
    {"{\"name\":\"f\"", NULL, ""},
};
/* clang-format on */

Test(message_read, tool_definitions_are_read_in_every_shape)
{
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof definitions / sizeof definitions[0]; i++) {
        const struct definition_sample *s = &definitions[i];
        struct tool_definition d;
        bool read = tool_definition_read(slice_text(s->body), &arena, &d);
        cr_assert_eq(read, s->name != NULL, "%s", s->body);
        if (!read)
            continue;
        cr_expect(slice_is(d.name, s->name), "%s", s->body);
        cr_expect(slice_is(d.schema, s->schema), "%s: %.*s", s->body, SLICE_ARG(d.schema));
    }
    arena_deinit(&arena);
}
