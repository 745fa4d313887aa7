/*
 * test_history_rescore.c - a changed scorer over stored spans: new values show, old ones stay with their version.
 */
#include "../../engine/engine_fixture.h"

#include "server/history/history.h"

#define SPANS 600u
#define SCORE "in_latency_budget"

/* Latency budget in milliseconds: the score of a span is min(1, budget / latency). */
static struct enricher *enricher_make(int64_t budget_ms)
{
    struct enrich_settings settings = {0};
    taxonomy_init(&settings.taxonomy);
    scorer_options_init(&settings.scorers);
    settings.scorers.latency_budget_ns = budget_ms * NS_PER_MS;
    return enricher_create(&settings);
}

static int64_t latency_of(uint64_t n)
{
    return (int64_t)(n % 4 + 1) * 100 * NS_PER_MS; /* 100 .. 400 ms */
}

static double score_of(uint64_t n, int64_t budget_ms)
{
    double score = (double)(budget_ms * NS_PER_MS) / (double)latency_of(n);
    return score < 1 ? score : 1;
}

/* Llm spans that arrived under a budget of 200 ms; the first half sealed. */
static struct store filled(struct enricher *e)
{
    struct store s = store_sim(NULL);
    const struct message m = {.address = hash128(slice_text("{\"role\":\"assistant\","
                                                            "\"content\":\"yes\"}")),
                              .body = slice_text("{\"role\":\"assistant\",\"content\":\"yes\"}")};
    struct arena arena = {0};
    struct error error = {0};
    for (uint64_t first = 1; first <= SPANS; first += SPANS / 2) {
        struct builder b;
        struct append_result result;
        rows_begin(&s, &b, TABLE_SPANS);
        for (uint64_t n = first; n < first + SPANS / 2; n++) {
            span_row(&b, n, 1, HOUR0 + (int64_t)n * NS_PER_S);
            builder_str(&b, SPANS_kind, slice_text("llm"));
            builder_i64(&b, SPANS_latency_ms, latency_of(n));
            builder_str(&b, SPANS_output, slice_of(m.address.bytes, sizeof m.address));
        }
        struct enrich_work work = {.project = slice_text("default"),
                                   .schema = engine_schema(s.engine, s.project),
                                   .spans = builder_batch(&b),
                                   .messages = &m,
                                   .message_count = 1,
                                   .arena = &arena};
        cr_assert_eq(enrich(e, &work, NULL, &error), STATUS_OK, "%s", error.text);
        const struct append a = {
            .spans = &work.spans, .messages = work.messages, .message_count = 1};
        cr_assert_eq(append_try(&s, a, NULL, NULL, NULL, &result, &error), STATUS_OK, "%s",
                     error.text);
        builder_deinit(&b);
        if (first == 1)
            seal(&s);
    }
    arena_deinit(&arena);
    return s;
}

static enum status rescore_try(struct store *s, struct enricher *e, struct rescore_options o,
                               struct rescore_result *ret, struct error *reterr)
{
    o.project = s->project;
    o.enricher = e;
    o.offline = true;
    return history_rescore(s->engine, &o, NULL, ret, reterr);
}

static struct rescore_result rescore(struct store *s, struct enricher *e, struct rescore_options o)
{
    struct error error = {0};
    struct rescore_result result;
    cr_assert_eq(rescore_try(s, e, o, &result, &error), STATUS_OK, "%s", error.text);
    return result;
}

static void scores_expect(struct store *s, int64_t budget_ms)
{
    char expected[64];
    for (uint64_t n = 1; n <= SPANS; n += 37) {
        (void)snprintf(expected, sizeof expected, "%.17g", score_of(n, budget_ms));
        expect_cell(s, n, 1, "score." SCORE, expected);
    }
}

struct history_count {
    uint64_t rows, of_span[2]; /* of span 3: old, new */
    char versions[4][64];      /* of span 3 in order of value, ascending */
    uint32_t version_count;
};

static struct history_count history_read(struct store *s)
{
    struct history_count h = {0};
    const struct column *columns[] = {table_column(TABLE_SCORES, SCORES_trace_id),
                                      table_column(TABLE_SCORES, SCORES_scorer_version),
                                      table_column(TABLE_SCORES, SCORES_source)};
    const struct scan_options o = {
        .project = s->project, .table = TABLE_SCORES, .columns = columns, .column_count = 3};
    struct scan *scan;
    struct scan_batch batch;
    cr_assert_eq(scan_open(s->engine, &o, &scan, NULL), STATUS_OK);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &batch, NULL) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.rows; i++) {
            h.rows++;
            cr_assert(slice_is(vector_bytes(&batch.vectors[2], i), "rule"));
            if (!id128_equal(batch.vectors[0].id128[i], trace_of(3)) || h.version_count == 4)
                continue;
            (void)snprintf(h.versions[h.version_count++], 64, "%.*s",
                           SLICE_ARG(vector_bytes(&batch.vectors[1], i)));
        }
    }
    scan_reader_destroy(reader);
    scan_close(scan);
    return h;
}

static bool has_version(const struct history_count *h, const char *version)
{
    for (uint32_t i = 0; i < h->version_count; i++) {
        if (strcmp(h->versions[i], version) == 0)
            return true;
    }
    return false;
}

static uint64_t differing(int64_t a_ms, int64_t b_ms)
{
    uint64_t count = 0;
    for (uint64_t n = 1; n <= SPANS; n++)
        count += score_of(n, a_ms) != score_of(n, b_ms);
    return count;
}

Test(history_rescore, the_same_scorer_changes_nothing)
{
    struct enricher *e = enricher_make(200);
    struct store s = filled(e);
    struct rescore_result result = rescore(&s, e, (struct rescore_options){0});
    cr_expect_eq(result.rows, SPANS);
    cr_expect_gt(result.scores, SPANS - 1);
    cr_expect_eq(result.changed, 0, "%s", result.line_count > 0 ? result.lines[0].name : "");
    cr_expect_eq(history_read(&s).rows, 0);
    store_destroy(&s);
    enricher_destroy(e);
}

Test(history_rescore, new_values_show_and_old_ones_stay_with_their_version)
{
    struct enricher *old = enricher_make(200);
    struct enricher *new = enricher_make(150);
    struct store s = filled(old);
    scores_expect(&s, 200);
    uint64_t changes = differing(200, 150);
    struct rescore_result result = rescore(&s, new, (struct rescore_options){.scorer = SCORE});
    cr_expect_eq(result.rows, SPANS);
    cr_expect_eq(result.scores, SPANS);
    cr_expect_eq(result.changed, changes);
    cr_expect_eq(result.line_count, 1);
    cr_expect_str_eq(result.lines[0].name, SCORE);
    cr_expect_eq(result.lines[0].before_count, changes);
    for (int round = 0; round < 2; round++) {
        scores_expect(&s, 150);
        struct history_count h = history_read(&s);
        cr_expect_eq(h.rows, 2 * changes);
        cr_expect_eq(h.version_count, 2);
        cr_expect(has_version(&h, enricher_version(old)));
        cr_expect(has_version(&h, enricher_version(new)));
        store_reopen(&s);
    }
    store_destroy(&s);
    enricher_destroy(old);
    enricher_destroy(new);
}

/* What stands in `scores` already is not written a second time. */
Test(history_rescore, an_old_value_is_recorded_once)
{
    struct enricher *old = enricher_make(200);
    struct enricher *new = enricher_make(150);
    struct enricher *newest = enricher_make(120);
    struct store s = filled(old);
    (void)rescore(&s, new, (struct rescore_options){.scorer = SCORE});
    uint64_t before = history_read(&s).rows;
    cr_expect_eq(rescore(&s, new, (struct rescore_options){.scorer = SCORE}).changed, 0);
    cr_expect_eq(history_read(&s).rows, before, "nothing to do, nothing written");
    (void)rescore(&s, newest, (struct rescore_options){.scorer = SCORE});
    struct history_count h = history_read(&s);
    cr_expect_eq(h.version_count, 3);
    cr_expect(has_version(&h, enricher_version(old)));
    cr_expect(has_version(&h, enricher_version(new)));
    cr_expect(has_version(&h, enricher_version(newest)));
    scores_expect(&s, 120);
    store_destroy(&s);
    enricher_destroy(old);
    enricher_destroy(new);
    enricher_destroy(newest);
}

Test(history_rescore, a_dry_run_only_counts)
{
    struct enricher *old = enricher_make(200);
    struct enricher *new = enricher_make(150);
    struct store s = filled(old);
    struct rescore_result result = rescore(&s, new, (struct rescore_options){.dry_run = true});
    cr_expect_eq(result.changed, differing(200, 150));
    cr_expect_eq(history_read(&s).rows, 0);
    scores_expect(&s, 200);
    store_destroy(&s);
    enricher_destroy(old);
    enricher_destroy(new);
}

Test(history_rescore, the_time_range_is_kept_to)
{
    struct enricher *old = enricher_make(200);
    struct enricher *new = enricher_make(50);
    struct store s = filled(old);
    struct rescore_result result = rescore(
        &s, new,
        (struct rescore_options){
            .from_ns = HOUR0 + 10 * NS_PER_S, .until_ns = HOUR0 + 20 * NS_PER_S, .scorer = SCORE});
    cr_expect_eq(result.rows, 10);
    cr_expect_eq(result.scores, 10);
    char expected[64];
    (void)snprintf(expected, sizeof expected, "%.17g", score_of(10, 50));
    expect_cell(&s, 10, 1, "score." SCORE, expected);
    (void)snprintf(expected, sizeof expected, "%.17g", score_of(20, 200));
    expect_cell(&s, 20, 1, "score." SCORE, expected);
    store_destroy(&s);
    enricher_destroy(old);
    enricher_destroy(new);
}

Test(history_rescore, unknown_scorers_are_refused_with_a_hint)
{
    struct enricher *e = enricher_make(200);
    struct store s = filled(e);
    struct rescore_result result;
    struct error error = {0};
    cr_expect_eq(
        rescore_try(&s, e, (struct rescore_options){.scorer = "not_refuse"}, &result, &error),
        STATUS_INVALID);
    cr_expect_not_null(strstr(error.text, "not_refused"), "%s", error.text);
    cr_expect_eq(
        rescore_try(&s, e, (struct rescore_options){.scorer = "trace_complete"}, &result, &error),
        STATUS_INVALID);
    cr_expect_not_null(strstr(error.text, "on arrival only"), "%s", error.text);
    store_destroy(&s);
    enricher_destroy(e);
}
