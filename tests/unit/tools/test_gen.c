/*
 * test_gen.c - the traffic is the same for the same seed, and has the shape it claims to have.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "tests/unit/tools/import_fixture.h"
#include "tools/gen.h"

static struct gen_options options_of(uint64_t spans, uint64_t seed, bool text)
{
    struct gen_options o = {.spans = spans, .seed = seed, .text = text};
    o.from_ns = 1767225600 * NS_PER_S;
    o.until_ns = o.from_ns + NS_PER_DAY;
    return o;
}

static void write_all(const struct gen_options *options, bool ndjson, struct buffer *to)
{
    struct gen g;
    cr_assert(eq(int, gen_init(&g, options, NULL), STATUS_OK));
    if (!ndjson)
        gen_csv_header(options->text, to);
    while (gen_trace(&g)) {
        for (uint32_t i = 0; i < g.span_count; i++) {
            if (ndjson)
                gen_ndjson_row(&g.spans[i], options->text, to);
            else
                gen_csv_row(&g.spans[i], options->text, to);
        }
    }
    gen_deinit(&g);
}

Test(gen, the_seed_decides_everything)
{
    struct gen_options one = options_of(2000, 1, true);
    struct gen_options two = options_of(2000, 2, true);
    struct buffer a = {0}, b = {0}, c = {0};
    write_all(&one, false, &a);
    write_all(&one, false, &b);
    write_all(&two, false, &c);
    cr_assert(slice_equal(buffer_slice(&a), buffer_slice(&b)));
    cr_assert(not(slice_equal(buffer_slice(&a), buffer_slice(&c))));
    buffer_deinit(&a);
    buffer_deinit(&b);
    buffer_deinit(&c);
}

/* Rows of a builder, dumped like an import. */
static void build_all(const struct gen_options *options, struct buffer *to)
{
    struct gen g;
    struct schema schema;
    struct builder b;
    struct gen_columns columns;
    struct message_set messages;
    schema_init(&schema);
    builder_init(&b, TABLE_SPANS, &schema);
    message_set_init(&messages);
    cr_assert(eq(int, gen_columns_find(&schema, &columns, NULL), STATUS_OK));
    cr_assert(eq(int, gen_init(&g, options, NULL), STATUS_OK));
    while (gen_trace(&g)) {
        for (uint32_t i = 0; i < g.span_count; i++)
            gen_build_row(&g.spans[i], options->text, &columns, &b, &messages);
    }
    struct batch batch = builder_batch(&b);
    struct wire_input in = {.messages = messages.messages, .message_count = messages.count};
    dump_batch(&batch, &in, to);
    gen_deinit(&g);
    message_set_deinit(&messages);
    builder_deinit(&b);
    schema_deinit(&schema);
}

/* Cells of a row in any order: "name=value " pieces sorted by the columns' order of appearance differ, so compare sets. */
static size_t count_of(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *p = text; (p = strstr(p, piece)) != NULL; p += strlen(piece))
        count++;
    return count;
}

/* What is written to files, read back by the importers, is what would be sent. */
Test(gen, files_hold_what_is_sent)
{
    static const char *const pieces[] = {
        "kind=llm ",          "kind=tool ",          "tool_result_empty=1 ",
        "error_class=",       "parent_id=",          "ttft_ms=",
        "cost_usd=",          "score.groundedness=", "input=[{\"role\":",
        "output=[{\"role\":", "retrieved=[",         "http_status=504",
    };
    struct gen_options o = options_of(3000, 3, true);
    struct buffer csv = {0}, ndjson = {0}, sent = {0};
    write_all(&o, false, &csv);
    write_all(&o, true, &ndjson);
    build_all(&o, &sent);
    buffer_add_byte(&sent, 0);
    struct imported a = import_bytes(import_csv, TABLE_SPANS, 8192, buffer_slice(&csv), NULL);
    struct imported b = import_bytes(import_ndjson, TABLE_SPANS, 8192, buffer_slice(&ndjson), NULL);
    cr_assert(eq(u64, a.rows, 3000));
    cr_assert(eq(u64, a.rejected, 0));
    cr_assert(eq(u64, b.rows, 3000));
    cr_assert(eq(u64, b.rejected, 0));
    cr_assert(eq(sz, a.text.size, sent.size));
    cr_assert(eq(sz, b.text.size, sent.size));
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t count = count_of((const char *)sent.data, pieces[i]);
        cr_assert(count > 0 || i == 11, "no %s", pieces[i]);
        cr_assert(count_of(imported_text(&a), pieces[i]) == count, "%s", pieces[i]);
        cr_assert(count_of(imported_text(&b), pieces[i]) == count, "%s", pieces[i]);
    }
    imported_free(&a);
    imported_free(&b);
    buffer_deinit(&csv);
    buffer_deinit(&ndjson);
    buffer_deinit(&sent);
}

struct shape {
    uint64_t spans, llm, roots, failed, scored;
    double log_out, log_out_squares;
    uint64_t out_count;
    int64_t first_ns, last_ns;
};

static struct shape shape_of(const struct gen_options *options)
{
    struct shape s = {.first_ns = INT64_MAX, .last_ns = INT64_MIN};
    struct gen g;
    cr_assert(eq(int, gen_init(&g, options, NULL), STATUS_OK));
    while (gen_trace(&g)) {
        cr_assert(eq(u64, g.spans[0].parent_id, 0));
        for (uint32_t i = 0; i < g.span_count; i++) {
            const struct gen_span *span = &g.spans[i];
            bool llm = strcmp(span->kind, "llm") == 0;
            s.spans++;
            s.llm += llm;
            s.roots += span->parent_id == 0;
            s.failed += span->error_class != NULL;
            s.scored += !isnan(span->groundedness);
            s.first_ns = i == 0 && span->time_ns < s.first_ns ? span->time_ns : s.first_ns;
            s.last_ns = i == 0 && span->time_ns > s.last_ns ? span->time_ns : s.last_ns;
            cr_assert(gt(i64, span->latency_ns, 0));
            if (llm && span->tokens_out > 0) {
                double log_out = log((double)span->tokens_out);
                s.log_out += log_out;
                s.log_out_squares += log_out * log_out;
                s.out_count++;
            }
        }
    }
    gen_deinit(&g);
    return s;
}

Test(gen, makes_exactly_as_many_spans_as_asked_for)
{
    for (uint64_t spans = 1; spans < 40; spans++) {
        struct gen_options o = options_of(spans, spans, false);
        cr_assert(eq(u64, shape_of(&o).spans, spans));
    }
}

Test(gen, has_the_shape_of_the_trace_it_was_fitted_to)
{
    struct gen_options o = options_of(60000, 11, false);
    struct shape s = shape_of(&o);
    double mu = s.log_out / (double)s.out_count;
    double sigma = sqrt(s.log_out_squares / (double)s.out_count - mu * mu);
    cr_assert(fabs(mu - 5.02) < 0.05, "mu %f", mu);
    cr_assert(fabs(sigma - 0.85) < 0.05, "sigma %f", sigma);
    double failed = (double)s.failed / (double)s.spans;
    cr_assert(failed > 0.003 && failed < 0.03, "%f", failed);
    cr_assert(ge(i64, s.first_ns, o.from_ns));
    cr_assert(le(i64, s.last_ns, o.until_ns));
    /* Traffic fills the day. */
    cr_assert(lt(i64, s.first_ns - o.from_ns, NS_PER_HOUR));
    cr_assert(lt(i64, o.until_ns - s.last_ns, NS_PER_HOUR));
    cr_assert(gt(u64, s.roots, s.spans / 10));
    cr_assert(gt(u64, s.llm, s.spans / 4));
}

/* Mean groundedness of a prompt version before and after a share of the traffic. */
static void means(const struct gen_options *options, double after, double ret[2])
{
    double sums[2] = {0, 0};
    uint64_t counts[2] = {0, 0};
    struct gen g;
    cr_assert(eq(int, gen_init(&g, options, NULL), STATUS_OK));
    for (;;) {
        double position = (double)g.made / (double)options->spans;
        if (!gen_trace(&g))
            break;
        for (uint32_t i = 0; i < g.span_count; i++) {
            const struct gen_span *s = &g.spans[i];
            if (isnan(s->groundedness) || strcmp(s->prompt_name, "support-answer") != 0 ||
                strcmp(s->prompt_version, "v7") != 0)
                continue;
            sums[position >= after] += s->groundedness;
            counts[position >= after]++;
        }
    }
    gen_deinit(&g);
    cr_assert(gt(u64, counts[0], 500));
    cr_assert(gt(u64, counts[1], 200));
    ret[0] = sums[0] / (double)counts[0];
    ret[1] = sums[1] / (double)counts[1];
}

Test(gen, plants_the_regression_it_was_asked_for)
{
    struct gen_options o = options_of(100000, 5, false);
    double mean[2];
    means(&o, 0.8, mean);
    cr_assert(fabs(mean[0] - mean[1]) < 0.01, "%f %f", mean[0], mean[1]);
    cr_assert(eq(
        int,
        gen_regress_parse("prompt=support-answer,version=v7,score=groundedness,by=0.08,after=0.8",
                          &o.regress, NULL),
        STATUS_OK));
    means(&o, 0.8, mean);
    cr_assert(fabs(mean[0] - mean[1] - 0.08) < 0.01, "%f %f", mean[0], mean[1]);
}

Test(gen, refuses_regressions_of_nothing)
{
    static const char *const texts[] = {
        "",
        "prompt",
        "version=v7",
        "prompt=x,by=-1",
        "prompt=x,by=much",
        "prompt=x,after=2",
        "prompt=x,score=speed",
        "prompt=x,nonsense=1",
    };
    struct gen_regress r;
    struct error error = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert(gen_regress_parse(texts[i], &r, &error) == STATUS_INVALID, "%s", texts[i]);
    struct gen g;
    struct gen_options o = options_of(10, 1, false);
    cr_assert(eq(int, gen_regress_parse("prompt=support-answer,version=v1", &o.regress, NULL),
                 STATUS_OK));
    cr_assert(eq(int, gen_init(&g, &o, &error), STATUS_INVALID));
    cr_assert(ne(ptr, strstr(error.text, "support-answer v6-v8"), NULL));
    cr_assert(eq(int, gen_regress_parse("prompt=docs-answer,after=30s", &r, NULL), STATUS_OK));
    cr_assert(eq(i64, r.after_ns, 30 * NS_PER_S));
}
