/*
 * test_import_csv.c - files to rows, and what becomes of bad ones.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/rng.h"
#include "tests/unit/tools/import_fixture.h"

#define HEADER "time_ns,trace_id,span_id,session,latency_us,score.g,tool_args\n"
#define ID     TRACE "," SPAN

Test(import_csv, reads_rows)
{
    struct imported got = import_text(import_csv, HEADER "5," ID ",s1,12,0.5,\"{\"\"a\"\":1}\"\n"
                                                         "6," ID ",,,,\r\n"
                                                         "7," ID ",\"a,\nb\",1.5,1,x");
    cr_assert(eq(int, got.status, STATUS_OK));
    cr_assert(eq(u64, got.rows, 3));
    cr_assert(eq(u64, got.rejected, 0));
    EXPECT_TEXT(imported_text(&got),
                "time=5 trace_id=" TRACE " span_id=" SPAN
                " session=s1 latency_ms=12000 score.g=0.5 tool_args={\"a\":1} \n"
                "time=6 trace_id=" TRACE " span_id=" SPAN " \n"
                "time=7 trace_id=" TRACE " span_id=" SPAN
                " session=a,\nb latency_ms=1500 score.g=1 tool_args=x \n");
    imported_free(&got);
}

Test(import_csv, takes_a_mark_crlf_and_quoted_names)
{
    struct imported got = import_text(import_csv, "\xef\xbb\xbf\"time_ns\",trace_id,\"span_id\"\r\n"
                                                  "5," ID "\r\n\r\n6," ID "\r\n");
    cr_assert(eq(int, got.status, STATUS_OK));
    cr_assert(eq(u64, got.rows, 2));
    imported_free(&got);
}

Test(import_csv, keeps_the_empty_string_apart_from_null)
{
    struct imported got =
        import_text(import_csv, "time_ns,trace_id,span_id,session,tool_args,tokens_in\n"
                                "5," ID ",\"\",\"\",\"\"\n6," ID ",,,\n");
    cr_assert(eq(u64, got.rows, 2));
    EXPECT_TEXT(imported_text(&got),
                "time=5 trace_id=" TRACE " span_id=" SPAN " session= tool_args= \n"
                "time=6 trace_id=" TRACE " span_id=" SPAN " \n");
    imported_free(&got);
}

struct bad_header {
    const char *text;
    const char *message;
};

Test(import_csv, refuses_wrong_headers)
{
    static const struct bad_header cases[] = {
        {"", "test:1: expected a header line with column names"},
        {"\n5", "test:1: expected a header line with column names"},
        {"time_ns,trace_id\n", "test:1: the header has no column span_id"},
        {"time_ns,trace_id,span_id,sesion\n",
         "test:1: table spans has no column \"sesion\"; did you mean \"session\"?"},
        {"time_ns,time_us,trace_id,span_id\n",
         "test:1: \"time_us\" is time, which stands there already"},
        {"time_ns,\"trace_id\n", "test:1: the file ends inside a quoted field"},
        {"time_ns,trace_id,span_id,score.\n",
         "test:1: \"score.\" is not a score column: expected score.NAME with 1 to 256 of A-Z a-z "
         "0-9 _ . -"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imported got = import_text(import_csv, cases[i].text);
        cr_assert(lt(int, got.status, 0));
        EXPECT_TEXT(got.error.text, cases[i].message);
        cr_assert(eq(u64, got.rows, 0));
        imported_free(&got);
    }
}

Test(import_csv, leaves_bad_rows_out_and_goes_on)
{
    struct imported got = import_text(
        import_csv, HEADER "1," ID ",s,1,1,x\n"
                           "two," ID ",s,1,1,x\n"                   /* not a time */
                           "3," ID ",s,1,1\n"                       /* a field short */
                           "4," ID ",s,1,1,x,y\n"                   /* one too many */
                           "5,zz,00,s,1,1,x\n"                      /* no ids */
                           "6," TRACE ",0000000000000000,s,1,1,x\n" /* zero */
                           "7," ID ",\"s\"x,1,1,x\n"                /* behind a quote */
                           "8," ID ",s\"x,1,1,x\n"                  /* quote inside */
                           ",,,,,,\n"                               /* nothing at all */
                           "9," ID ",\"a\nb,\",1e,1,x\n" /* after a line break in quotes */
                           "10," ID ",s,1,1,x\n");
    cr_assert(eq(int, got.status, STATUS_OK));
    cr_assert(eq(u64, got.rows, 2));
    cr_assert(eq(u64, got.rejected, 9));
    cr_assert(eq(ptr, strstr(imported_text(&got), "time=3"), NULL));
    cr_assert(ne(ptr, strstr(imported_text(&got), "time=10 "), NULL));
    imported_free(&got);
}

static void stop_at_two(struct import *im)
{
    im->rejects_max = 2;
}

Test(import_csv, stops_at_the_bound_on_bad_rows)
{
    struct imported got = import_bytes(
        import_csv, TABLE_SPANS, 8192,
        slice_text(HEADER "1," ID ",s,1,1,x\nbad\nbad\n2," ID ",s,1,1,x\n"), stop_at_two);
    cr_assert(eq(int, got.status, STATUS_LIMIT));
    cr_assert(ne(ptr, strstr(got.error.text, "test:4: stopped after 2 bad rows"), NULL));
    cr_assert(eq(u64, got.rows, 1));
    imported_free(&got);
}

static void skip(struct import *im)
{
    im->skip_unknown = true;
}

Test(import_csv, skips_unknown_columns_when_told)
{
    struct imported got = import_bytes(
        import_csv, TABLE_SPANS, 8192,
        slice_text("x,time_ns,seq,trace_id,y,span_id\na,5,99," TRACE ",\"b,c\"," SPAN "\n"), skip);
    cr_assert(eq(int, got.status, STATUS_OK));
    EXPECT_TEXT(imported_text(&got), "time=5 trace_id=" TRACE " span_id=" SPAN " \n");
    imported_free(&got);
}

Test(import_csv, reads_messages)
{
    struct imported got = import_text(
        import_csv,
        "time_ns,trace_id,span_id,input,output\n"
        "5," ID
        ",\"[{\"\"role\"\":\"\"user\"\", \"\"content\"\":\"\"a\"\"},{ \"\"x\"\":1.0}]\",fine\n"
        "6," ID ",[],[not json\n");
    cr_assert(eq(u64, got.rows, 2));
    EXPECT_TEXT(imported_text(&got),
                "time=5 trace_id=" TRACE " span_id=" SPAN
                " input=[{\"role\":\"user\",\"content\":\"a\"},{\"x\":1}] "
                "output=[{\"role\":\"assistant\",\"content\":\"fine\"}] \n"
                "time=6 trace_id=" TRACE " span_id=" SPAN
                " input=[] output=[{\"role\":\"assistant\",\"content\":\"[not json\"}] \n");
    imported_free(&got);
}

Test(import_csv, reads_scores_and_tags)
{
    struct imported scores = import_bytes(import_csv, TABLE_SCORES, 8192,
                                          slice_text("trace_id,span_id,name,value,label\n" ID
                                                     ",g,0.5,\n" ID ",tone,,rude\n" ID ",,1,\n"),
                                          NULL);
    cr_assert(eq(u64, scores.rows, 2));
    cr_assert(eq(u64, scores.rejected, 1));
    struct imported tags = import_bytes(
        import_csv, TABLE_TAGS, 8192, slice_text("trace_id,span_id,class\n" ID ",refusal\n"), NULL);
    cr_assert(eq(u64, tags.rows, 1));
    imported_free(&scores);
    imported_free(&tags);
}

Test(import_csv, batches_have_the_size_asked_for)
{
    struct buffer text = {0};
    buffer_add_text(&text, "time_ns,trace_id,span_id,session\n");
    for (int i = 1; i <= 1000; i++)
        buffer_printf(&text, "%d,%s,%s,s%d\n", i, TRACE, SPAN, i);
    struct imported got = import_bytes(import_csv, TABLE_SPANS, 64, buffer_slice(&text), NULL);
    cr_assert(eq(u64, got.rows, 1000));
    cr_assert(eq(u64, got.batches, 16));
    cr_assert(ne(ptr, strstr(imported_text(&got), " session=s1000 "), NULL));
    buffer_deinit(&text);
    imported_free(&got);
}

/* Rows around the borders of the read window: nothing gets lost or doubled there. */
Test(import_csv, rows_may_lie_across_reads)
{
    struct buffer text = {0};
    struct rng rng;
    int64_t sum = 0;
    rng_init(&rng, 3);
    buffer_add_text(&text, "time_ns,trace_id,span_id,tool_args,tokens_in\n");
    int rows = 0;
    while (text.size < 2 * (size_t)INPUT_CHUNK) {
        buffer_printf(&text, "%d,%s,%s,\"", ++rows, TRACE, SPAN);
        for (uint64_t i = rng_below(&rng, 9000); i > 0; i--)
            buffer_add_text(&text, i % 7 == 0 ? "\n" : i % 11 == 0 ? "\"\"" : "x");
        buffer_printf(&text, "\",%d\n", rows);
        sum += rows;
    }
    struct imported got = import_bytes(import_csv, TABLE_SPANS, 8192, buffer_slice(&text), NULL);
    cr_assert(eq(int, got.status, STATUS_OK));
    cr_assert(eq(u64, got.rows, (uint64_t)rows));
    cr_assert(eq(u64, got.rejected, 0));
    for (const char *p = imported_text(&got); (p = strstr(p, "tokens_in=")) != NULL; p++)
        sum -= strtoll(p + 10, NULL, 10);
    cr_assert(eq(i64, sum, 0));
    buffer_deinit(&text);
    imported_free(&got);
}

Test(import_csv, survives_every_truncation_and_many_bit_flips)
{
    static const char text[] = HEADER "5," ID ",s1,12,0.5,\"{\"\"a\"\":1}\"\r\n6," ID ",,,,\n";
    uint8_t copy[sizeof text];
    for (size_t size = 0; size < sizeof text; size++) {
        struct imported got = import_bytes(import_csv, TABLE_SPANS, 16, slice_of(text, size), NULL);
        cr_assert(le(u64, got.rows + got.rejected, 2));
        imported_free(&got);
    }
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
        memcpy(copy, text, sizeof text);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct imported got =
            import_bytes(import_csv, TABLE_SPANS, 16, slice_of(copy, sizeof text - 1), NULL);
        cr_assert(le(u64, got.rows + got.rejected, 3));
        imported_free(&got);
    }
}
