/*
 * test_import_ndjson.c - objects to rows.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/unit/tools/import_fixture.h"

#define IDS  "\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\""
#define BASE "\"time\":5," IDS
#define ROW  "time=5 trace_id=" TRACE " span_id=" SPAN " "

static void extra(struct import *im)
{
    im->extra_attributes = true;
}

static void skip(struct import *im)
{
    im->skip_unknown = true;
}

struct line_case {
    const char *line;
    const char *row; /* NULL: rejected */
};

static void check(const struct line_case *cases, size_t count, void (*set)(struct import *im))
{
    for (size_t i = 0; i < count; i++) {
        struct imported got =
            import_bytes(import_ndjson, TABLE_SPANS, 8192, slice_text(cases[i].line), set);
        cr_assert(got.status == STATUS_OK, "%s: %s", cases[i].line, got.error.text);
        bool taken = cases[i].row != NULL;
        cr_assert(got.rows == taken && got.rejected == !taken, "%s", cases[i].line);
        if (taken)
            EXPECT_TEXT(imported_text(&got), cases[i].row);
        imported_free(&got);
    }
}
#define CHECK(cases, set) check(cases, sizeof cases / sizeof cases[0], set)

Test(import_ndjson, takes_values_of_every_kind)
{
    static const struct line_case cases[] = {
        {"{" BASE "}", ROW "\n"},
        {"{" BASE ",\"latency_ms\":1.5,\"cost_usd\":\"0.25\"}\r\n",
         ROW "latency_ms=1500000 cost_usd=250000000 \n"},
        {"{" BASE ",\"session\":\"a\\u00e9\\n\",\"model\":null,\"user_id\":\"\"}",
         ROW "session=a\xc3\xa9\n user_id= \n"},
        {"{" BASE ",\"tool_result_empty\":true,\"cost_estimated\":0}",
         ROW "tool_result_empty=1 cost_estimated=0 \n"},
        {"{" BASE ",\"tool_args\":{\"a\": [1, 2]},\"tool_result\":\"x\"}",
         ROW "tool_args={\"a\": [1, 2]} tool_result=x \n"},
        {"{" BASE ",\"session\":17,\"score.x\":1e-2}", ROW "session=17 score.x=0.01 \n"},
        {"{" BASE ",\"input\":[{\"role\":\"user\", \"n\":1.0}],\"output\":\"fine\"}",
         ROW "input=[{\"role\":\"user\",\"n\":1}] "
             "output=[{\"role\":\"assistant\",\"content\":\"fine\"}] \n"},
        {"{" BASE ",\"input\":\"[{\\\"role\\\":\\\"user\\\"}]\",\"output\":{\"a\":1}}",
         ROW "input=[{\"role\":\"user\"}] output=[{\"a\":1}] \n"},
        {"{" BASE ",\"attributes\":{\"k\":\"v\"}}", ROW "attributes={\"k\":\"v\"} \n"},
        {"{" BASE ",\"seq\":12}", ROW "\n"},
    };
    CHECK(cases, NULL);
}

Test(import_ndjson, rejects_what_is_wrong)
{
    static const struct line_case cases[] = {
        {"{" IDS "}", NULL},
        {"{\"time\":5,\"trace_id\":\"" TRACE "\"}", NULL},
        {"[]", NULL},
        {"5", NULL},
        {"{" BASE, NULL},
        {"{" BASE "} x", NULL},
        {"{" BASE ",\"sesion\":\"x\"}", NULL},
        {"{" BASE ",\"session\":{}}", NULL},
        {"{" BASE ",\"tokens_in\":1.5}", NULL},
        {"{" BASE ",\"tokens_in\":[1]}", NULL},
        {"{" BASE ",\"tokens_in\":true}", NULL},
        {"{" BASE ",\"time\":6}", NULL},
        {"{" BASE ",\"time_ns\":6}", NULL},
        {"{" BASE ",\"input\":5}", NULL},
        {"{" BASE ",\"input\":[5]}", NULL},
        {"{" BASE ",\"attributes\":[1]}", NULL},
        {"{\"time\":5,\"trace_id\":\"xyz\",\"span_id\":\"" SPAN "\"}", NULL},
        {"{\"time\":5,\"trace_id\":5,\"span_id\":\"" SPAN "\"}", NULL},
    };
    CHECK(cases, NULL);
}

Test(import_ndjson, unknown_keys_go_where_the_flag_says)
{
    static const struct line_case kept[] = {
        {"{" BASE ",\"x\":1,\"y\":{\"z\":[]}}", ROW "attributes={\"x\":1,\"y\":{\"z\":[]}} \n"},
        {"{" BASE ",\"x\":1,\"attributes\":{\"k\":2}}", ROW "attributes={\"k\":2,\"x\":1} \n"},
        {"{" BASE ",\"attributes\":{},\"x\\n\":1}", ROW "attributes={\"x\\n\":1} \n"},
        {"{" BASE ",\"attributes\":\"{\\\"k\\\":2} \",\"x\":1}",
         ROW "attributes={\"k\":2,\"x\":1} \n"},
        {"{" BASE ",\"attributes\":\"{broken\",\"x\":1}", NULL},
    };
    static const struct line_case left[] = {
        {"{" BASE ",\"x\":1,\"y\":{\"z\":[]}}", ROW "\n"},
    };
    CHECK(kept, extra);
    CHECK(left, skip);
}

Test(import_ndjson, bad_lines_are_left_out_and_the_rest_goes_on)
{
    struct imported got =
        import_text(import_ndjson, "{" BASE "}\n\n  \r\nnot json\n{" BASE ",\"session\":\"last\"}");
    cr_assert(eq(int, got.status, STATUS_OK));
    cr_assert(eq(u64, got.rows, 2));
    cr_assert(eq(u64, got.rejected, 1));
    EXPECT_TEXT(imported_text(&got), ROW "\n" ROW "session=last \n");
    imported_free(&got);
}

/* A rejected line must not leave its cells in the next one. */
Test(import_ndjson, a_rejected_line_leaves_nothing_behind)
{
    struct imported got = import_text(
        import_ndjson, "{" BASE ",\"session\":\"a\",\"tokens_in\":7,\"model\":{}}\n{" BASE "}\n");
    cr_assert(eq(u64, got.rejected, 1));
    EXPECT_TEXT(imported_text(&got), ROW "\n");
    imported_free(&got);
}

Test(import_ndjson, survives_every_truncation_and_bit_flip)
{
    static const char text[] =
        "{" BASE ",\"session\":\"\\u00e9\",\"input\":[{\"a\":1}],\"score.q\":0.5}\n";
    uint8_t copy[sizeof text];
    for (size_t size = 0; size < sizeof text - 2; size++) {
        struct imported got =
            import_bytes(import_ndjson, TABLE_SPANS, 16, slice_of(text, size), NULL);
        cr_assert(eq(u64, got.rows, 0));
        cr_assert(eq(u64, got.rejected, size != 0));
        imported_free(&got);
    }
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
        memcpy(copy, text, sizeof text);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct imported got =
            import_bytes(import_ndjson, TABLE_SPANS, 16, slice_of(copy, sizeof text - 1), NULL);
        cr_assert(le(u64, got.rows, 1));
        imported_free(&got);
    }
}
