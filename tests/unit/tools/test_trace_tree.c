/*
 * test_trace_tree.c - parents before children, whatever the data says.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/rng.h"
#include "tools/trace_print.h"
#include "tools/trace_tree.h"

/* Rows of span and parent, given as pairs of letters; '-' is no parent. */
static struct rows rows_of(const char *pairs)
{
    struct buffer json = {0};
    struct rows rows = {0};
    buffer_add_text(&json,
                    "{\"columns\":[{\"name\":\"span_id\"},{\"name\":\"parent_id\"}],\"rows\":[");
    for (const char *p = pairs; *p != 0; p += p[2] == ' ' ? 3 : 2) {
        buffer_printf(&json, p == pairs ? "[\"%c\"," : ",[\"%c\",", p[0]);
        buffer_printf(&json, p[1] == '-' ? "null]" : "\"%c\"]", p[1]);
    }
    buffer_add_text(&json, "],\"stats\":{\"x\":1}}");
    struct error error = {0};
    cr_assert(rows_parse(buffer_slice(&json), &rows, &error) == STATUS_OK, "%s", error.text);
    buffer_deinit(&json);
    return rows;
}

/* The order as "a0 b1 c1": span and depth, an '!' behind the last of its siblings. */
static void check(const char *pairs, const char *expected)
{
    struct rows rows = rows_of(pairs);
    struct tree_node nodes[16];
    struct buffer b = {0};
    trace_tree_build(&rows, nodes);
    for (uint64_t i = 0; i < rows.row_count; i++)
        buffer_printf(&b, "%s%c%u%s", i == 0 ? "" : " ", rows_cell(&rows, nodes[i].row, 0).data[0],
                      nodes[i].depth, nodes[i].is_last ? "!" : "");
    cr_assert(slice_is(buffer_slice(&b), expected), "%s: %.*s", pairs, SLICE_ARG(buffer_slice(&b)));
    buffer_deinit(&b);
    rows_deinit(&rows);
}

Test(trace_tree, children_follow_their_parents)
{
    check("a-", "a0!");
    check("a- ba ca", "a0! b1 c1!");
    check("a- ba ca db ec fb", "a0! b1 d2 f2! c1! e2!");
    check("ba a- ca", "a0! b1 c1!");
    check("a- b- cb da", "a0! d1! b0! c1!");
}

Test(trace_tree, missing_parents_make_roots)
{
    check("ax ba", "a0! b1!");
    check("aa ba", "a0! b1!");
}

Test(trace_tree, circles_are_cut_and_nothing_is_lost)
{
    check("ab ba", "a0! b1!");
    check("ab bc ca d-", "d0! a0! c1! b2!");
    check("a- a- ba", "a0! b1! a0!");
}

Test(trace_tree, a_long_chain_needs_no_deep_stack)
{
    enum {
        LENGTH = 20000
    };
    struct buffer json = {0};
    struct rows rows = {0};
    buffer_add_text(&json,
                    "{\"columns\":[{\"name\":\"span_id\"},{\"name\":\"parent_id\"}],\"rows\":[");
    for (int i = 0; i < LENGTH; i++)
        buffer_printf(&json, "%s[\"%d\",\"%d\"]", i == 0 ? "" : ",", i, i - 1);
    buffer_add_text(&json, "]}");
    cr_assert(eq(int, rows_parse(buffer_slice(&json), &rows, NULL), STATUS_OK));
    struct tree_node *nodes = mem_zero(LENGTH, sizeof *nodes);
    trace_tree_build(&rows, nodes);
    for (uint32_t i = 0; i < LENGTH; i++) {
        cr_assert(eq(u32, nodes[i].row, i));
        cr_assert(eq(u32, nodes[i].depth, i < TREE_DEPTH_MAX ? i : TREE_DEPTH_MAX - 1));
    }
    mem_free(nodes);
    buffer_deinit(&json);
    rows_deinit(&rows);
}

Test(trace_tree, random_parents_give_every_row_once)
{
    struct rng rng;
    rng_init(&rng, 5);
    for (int round = 0; round < 300; round++) {
        char pairs[16 * 3 + 1] = "";
        size_t count = 1 + rng_below(&rng, 15);
        for (size_t i = 0; i < count; i++) {
            pairs[3 * i] = (char)('a' + i);
            pairs[3 * i + 1] = (char)('a' + rng_below(&rng, count + 2));
            pairs[3 * i + 2] = i + 1 < count ? ' ' : 0;
        }
        struct rows rows = rows_of(pairs);
        struct tree_node nodes[16];
        uint32_t seen = 0;
        trace_tree_build(&rows, nodes);
        for (size_t i = 0; i < count; i++)
            seen |= 1u << nodes[i].row;
        cr_assert(eq(u32, seen, (1u << count) - 1));
        rows_deinit(&rows);
    }
}

Test(trace_print, shows_spans_messages_once_and_scores)
{
    static const char json[] =
        "{\"columns\":[{\"name\":\"time\",\"type\":\"timestamp\"},{\"name\":\"trace_id\"},{\"name\":\"span_id\"},"
        "{\"name\":\"parent_id\"},{\"name\":\"kind\"},{\"name\":\"name\"},{\"name\":\"latency_ms\"},"
        "{\"name\":\"error_class\"},{\"name\":\"score.g\"},{\"name\":\"input\"},{\"name\":\"output\"}],\"rows\":["
        "[\"2026-01-01T00:00:00Z\",\"ab\",\"1\",null,\"agent\",\"run\",4000,\"none\",null,null,null],"
        "[\"2026-01-01T00:00:01Z\",\"ab\",\"2\",\"1\",\"llm\",\"chat\",1500.5,\"refusal\",0.25,"
        "\"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hi \\\\u001b[2J\\\"}]\","
        "\"[{\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"no\\\"}]\"],"
        "[\"2026-01-01T00:00:03Z\",\"ab\",\"3\",\"1\",\"llm\",\"chat\",0.5,\"none\",null,"
        "\"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hi \\\\u001b[2J\\\"},null]\",\"[]\"]]}";
    struct rows rows = {0};
    struct buffer b = {0};
    cr_assert(eq(int, rows_parse(slice_text(json), &rows, NULL), STATUS_OK));
    trace_print(&rows, &(struct trace_style){.messages = true}, &b);
    buffer_add_byte(&b, 0);
    const char *text = (const char *)b.data;
    static const char *const lines[] = {
        "trace ab  2026-01-01T00:00:00Z\n3 spans  4.00 s  0>0 tokens\n",
        "agent run                                ######################## 4.00 s\n",
        "| llm chat                               ......##########........ 1.50 s  refusal  g=0.25\n",
        "      user      < hi ?[2J\n      assistant > no\n",
        "` llm chat                               ..................#..... 0.50 ms\n"
        "      message   < (removed by retention)\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_assert(strstr(text, lines[i]) != NULL, "no '%s' in\n%s", lines[i], text);
    cr_assert(eq(ptr, strchr(text, 0x1b), NULL));
    cr_assert(eq(ptr, strstr(strstr(text, "hi ?") + 1, "hi ?"), NULL));
    buffer_reset(&b);
    trace_print_json(&rows, &b);
    buffer_add_byte(&b, 0);
    text = (const char *)b.data;
    cr_assert(ne(ptr, strstr(text, "{\"trace_id\":\"ab\",\"spans\":[\n{\"time\":"), NULL));
    cr_assert(ne(ptr, strstr(text, "\"latency_ms\":1500.5,"), NULL));
    cr_assert(ne(ptr, strstr(text, "\"input\":[{\"role\":"), NULL));
    buffer_deinit(&b);
    rows_deinit(&rows);
}
