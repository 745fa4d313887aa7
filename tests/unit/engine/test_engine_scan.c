/*
 * test_engine_scan.c - scans: what filters skip never matters, what they skip is much, snapshots stand still.
 */
#include "engine_fixture.h"

#include "engine/base/rng.h"

/* ---- a store with everything: segments, amendments on them, heads, amendments on those ---- */

#define SPANS 30000u

static const char *const models[] = {"alpha", "beta", "gamma", "delta"};

static void filled_span(struct builder *b, uint64_t n)
{
    char text[32];
    uint64_t trace = n / 6;
    /* Three hours, a day apart. */
    span_row(b, trace, n % 6 + 1, HOUR0 + (int64_t)(n / 10000) * NS_PER_DAY + (int64_t)n * 1000);
    (void)snprintf(text, sizeof text, "session-%u", (unsigned)(trace / 4));
    builder_str(b, SPANS_session, slice_text(text));
    builder_str(b, SPANS_model, slice_text(models[n / 10000 + (n % 97 == 0)]));
    if (n % 6 != 0)
        builder_id64(b, SPANS_parent_id, 1);
    builder_i64(b, SPANS_latency_ms, (int64_t)n);
    if (n % 5 == 0)
        builder_f64(b, SPANS_temperature, (double)(n % 50) / 10);
    if (n % 500 == 0)
        builder_str(b, SPANS_error_class, slice_text("timeout"));
}

static struct store filled_store(void)
{
    struct store s = store_sim(NULL);
    for (uint64_t n = 0; n < SPANS; n += 5000) {
        struct builder b;
        rows_begin(&s, &b, TABLE_SPANS);
        for (uint64_t i = n; i < n + 5000; i++)
            filled_span(&b, i);
        (void)append(&s, &b, NULL, NULL);
        builder_deinit(&b);
        /* The last two batches stay in the head. */
        if (n == 5000 || n == 15000)
            seal(&s);
    }
    for (uint64_t trace = 10; trace < SPANS / 6; trace += 701) {
        (void)append_score(&s, trace, 2, "q", (double)trace);
        (void)append_tag(&s, trace, 3, "refusal", "human");
    }
    return s;
}

/* ---- filters against a plain reading ---- */

static bool compares(int order, enum scan_op op)
{
    switch (op) {
    case SCAN_EQ:
    case SCAN_IN:
        return order == 0;
    case SCAN_NE:
        return order != 0;
    case SCAN_LT:
        return order < 0;
    case SCAN_LE:
        return order <= 0;
    case SCAN_GT:
        return order > 0;
    case SCAN_GE:
        return order >= 0;
    }
    return false;
}

static bool row_matches(const struct scan_filter *f, const struct vector *v, uint32_t row)
{
    if (!vector_has(v, row))
        return false;
    for (uint32_t i = 0; i < f->count; i++) {
        int order = 0;
        if (v->storage == STORAGE_I64)
            order = (v->i64[row] > f->i64[i]) - (v->i64[row] < f->i64[i]);
        else if (v->storage == STORAGE_F64)
            order = (v->f64[row] > f->f64[i]) - (v->f64[row] < f->f64[i]);
        else if (v->storage == STORAGE_ID64)
            order = v->id64[row] != (uint64_t)f->i64[i];
        else if (v->storage == STORAGE_ID128)
            order = memcmp(v->id128[row].bytes, f->bytes[i].data, sizeof v->id128[row]);
        else
            order = slice_compare(vector_bytes(v, row), f->bytes[i]);
        if (compares(order, f->op))
            return true;
    }
    return false;
}

struct matched {
    uint64_t rows;
    uint64_t sum; /* of hashed (trace, span) */
    struct scan_stats stats;
};

/* Rows that pass both conjuncts, read with or without telling the scan about them. */
static struct matched match(struct store *s, const struct scan_filter *filters, uint32_t count,
                            bool told)
{
    struct matched m = {0};
    struct error error = {0};
    struct scan *scan;
    struct scan_batch b;
    const struct column *columns[4] = {table_column(TABLE_SPANS, SPANS_trace_id),
                                       table_column(TABLE_SPANS, SPANS_span_id)};
    for (uint32_t i = 0; i < count; i++)
        columns[2 + i] = filters[i].column;
    const struct scan_options o = {.project = s->project,
                                   .table = TABLE_SPANS,
                                   .columns = columns,
                                   .column_count = 2 + count,
                                   .filters = filters,
                                   .filter_count = told ? count : 0};
    cr_assert_eq(scan_open(s->engine, &o, &scan, &error), STATUS_OK, "%s", error.text);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &b, &error) == STATUS_OK) {
        for (uint32_t row = 0; row < b.rows; row++) {
            bool passes = true;
            for (uint32_t i = 0; i < count; i++)
                passes = passes && row_matches(&filters[i], &b.vectors[2 + i], row);
            if (!passes)
                continue;
            m.rows++;
            m.sum += hash_mix(id128_hash(b.vectors[0].id128[row]) ^ b.vectors[1].id64[row]);
        }
    }
    m.stats = scan_stats(scan);
    scan_reader_destroy(reader);
    scan_close(scan);
    return m;
}

/* Values to compare with, some in the data, some not. */
struct values {
    int64_t i64[3];
    double f64[3];
    struct slice bytes[3];
    struct id128 ids[3];
    char texts[3][32];
};

static void filter_random(struct store *s, struct rng *r, struct values *v, struct scan_filter *ret)
{
    static const char *const names[] = {"latency_ms", "temperature", "model",        "session",
                                        "trace_id",   "parent_id",   "error_class",  "score.q",
                                        "time",       "user_id",     "class_source", "seq"};
    const char *name = names[rng_below(r, sizeof names / sizeof *names)];
    const struct column *c =
        schema_find(engine_schema(s->engine, s->project), TABLE_SPANS, slice_text(name));
    enum scan_op op = (enum scan_op)rng_below(r, 7);
    uint32_t count = op == SCAN_IN ? 1 + (uint32_t)rng_below(r, 3) : 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t n = rng_below(r, SPANS + 5000);
        v->i64[i] = c->id == SPANS_time        ? HOUR0 + (int64_t)rng_below(r, 3) * NS_PER_DAY
                    : c->id == SPANS_parent_id ? (int64_t)rng_below(r, 3)
                    : c->id == SPANS_seq       ? (int64_t)rng_below(r, 20)
                                               : (int64_t)n;
        v->f64[i] = (double)(n % 60) / 10;
        if (c->id >= COLUMN_DYNAMIC)
            v->f64[i] = 10 + 701 * (double)rng_below(r, 8);
        v->ids[i] = trace_of(n / 6);
        if (c->id == SPANS_session)
            (void)snprintf(v->texts[i], 32, "session-%u", (unsigned)(n / 24));
        else if (c->id == SPANS_model)
            (void)snprintf(v->texts[i], 32, "%s", models[n % 4]);
        else if (c->id == SPANS_error_class)
            (void)snprintf(v->texts[i], 32, "%s",
                           n % 3 == 0   ? "refusal"
                           : n % 3 == 1 ? "timeout"
                                        : "none");
        else
            (void)snprintf(v->texts[i], 32, "%s", n % 2 == 0 ? "human" : "nobody");
        v->bytes[i] =
            c->storage == STORAGE_ID128 ? slice_of(v->ids[i].bytes, 16) : slice_text(v->texts[i]);
    }
    if (c->storage == STORAGE_ID128 && op != SCAN_IN)
        op = SCAN_EQ;
    if (c->storage == STORAGE_ID64 && op != SCAN_IN)
        op = rng_below(r, 2) == 0 ? SCAN_EQ : SCAN_NE;
    *ret = (struct scan_filter){
        .column = c, .op = op, .count = count, .i64 = v->i64, .f64 = v->f64, .bytes = v->bytes};
}

Test(engine_scan, told_of_a_filter_or_not_the_matching_rows_are_the_same)
{
    struct store s = filled_store();
    struct rng r;
    uint64_t skipped = 0;
    rng_init(&r, 42);
    for (int round = 0; round < 300; round++) {
        if (round == 150)
            seal(&s);
        if (round == 200)
            (void)compact_full(&s);
        struct scan_filter filters[2];
        struct values values[2];
        filter_random(&s, &r, &values[0], &filters[0]);
        filter_random(&s, &r, &values[1], &filters[1]);
        uint32_t count = filters[0].column == filters[1].column ? 1 : 2;
        struct matched plain = match(&s, filters, count, false);
        struct matched told = match(&s, filters, count, true);
        cr_assert_eq(told.rows, plain.rows, "round %d: %s op %d: %d of %d rows", round,
                     filters[0].column->name, (int)filters[0].op, (int)told.rows, (int)plain.rows);
        cr_assert_eq(told.sum, plain.sum);
        skipped += told.stats.blocks_skipped;
    }
    cr_expect_gt(skipped, 300, "pruning does something");
    store_destroy(&s);
}

Test(engine_scan, a_trace_reads_one_block_and_an_unknown_one_none)
{
    struct store s = filled_store();
    seal(&s);
    const struct id128 id = trace_of(77);
    const struct id128 nobody = trace_of(1000000);
    struct slice bytes = slice_of(id.bytes, sizeof id);
    struct scan_filter f = {.column = table_column(TABLE_SPANS, SPANS_trace_id),
                            .op = SCAN_EQ,
                            .count = 1,
                            .bytes = &bytes};
    struct matched m = match(&s, &f, 1, true);
    cr_expect_eq(m.rows, 6);
    cr_expect_eq(m.stats.blocks, 1);
    cr_expect_gt(m.stats.segments_skipped, 0);
    bytes = slice_of(nobody.bytes, sizeof nobody);
    m = match(&s, &f, 1, true);
    cr_expect_eq(m.stats.blocks, 0);
    const struct slice session = slice_text("session-3");
    f = (struct scan_filter){.column = table_column(TABLE_SPANS, SPANS_session),
                             .op = SCAN_EQ,
                             .count = 1,
                             .bytes = &session};
    m = match(&s, &f, 1, true);
    cr_expect_eq(m.rows, 24);
    cr_expect_eq(m.stats.blocks, 1);
    store_destroy(&s);
}

Test(engine_scan, time_ranges_skip_whole_segments)
{
    struct store s = filled_store();
    seal(&s);
    struct scan_stats stats;
    struct scan_options o = {
        .table = TABLE_SPANS, .from_ns = HOUR0 + NS_PER_DAY, .until_ns = HOUR0 + 2 * NS_PER_DAY};
    cr_expect_eq(rows_of(&s, o, &stats), 10000);
    cr_expect_gt(stats.segments_skipped, 0);
    o.until_ns = o.from_ns = HOUR0 - 1;
    cr_expect_eq(rows_of(&s, o, &stats), 0);
    cr_expect_eq(stats.segments, stats.segments_skipped);
    struct scan *scan;
    o.until_ns = HOUR0 - 2;
    o.project = s.project;
    cr_expect_eq(scan_open(s.engine, &o, &scan, NULL), STATUS_INVALID);
    store_destroy(&s);
}

Test(engine_scan, after_seq_finds_what_is_new)
{
    struct store s = store_sim(NULL);
    for (uint64_t i = 1; i <= 5; i++)
        (void)append_span(&s, i, 1, HOUR0);
    seal(&s);
    uint64_t seen = engine_last_seq(s.engine);
    struct scan_options o = {.table = TABLE_SPANS, .after_seq = seen};
    cr_expect_eq(rows_of(&s, o, NULL), 0);
    (void)append_span(&s, 6, 1, HOUR0);
    cr_expect_eq(rows_of(&s, o, NULL), 1);
    seal(&s);
    cr_expect_eq(rows_of(&s, o, NULL), 1);
    store_destroy(&s);
}

Test(engine_scan, a_snapshot_stands_still_while_the_store_moves_on)
{
    struct store s = filled_store();
    struct scan *scan;
    struct scan_batch b;
    struct error error = {0};
    uint64_t rows = 0;
    uint64_t amended = 0;
    const struct column *columns[2] = {
        table_column(TABLE_SPANS, SPANS_error_class),
        schema_find(engine_schema(s.engine, s.project), TABLE_SPANS, slice_text("score.q"))};
    const struct scan_options o = {
        .project = s.project, .table = TABLE_SPANS, .columns = columns, .column_count = 2};
    cr_assert_eq(scan_open(s.engine, &o, &scan, &error), STATUS_OK);
    struct scan_reader *reader = scan_reader_create(scan);
    cr_assert_eq(scan_next(reader, &b, &error), STATUS_OK);
    rows += b.rows;
    (void)append_span(&s, 900000, 1, HOUR0);
    for (uint64_t trace = 1; trace < 500; trace++)
        (void)append_tag(&s, trace, 1, "loop", "rule");
    seal(&s);
    (void)compact_full(&s);
    struct retain_result retained;
    const struct retention all = {.rows_age_ns = 1};
    cr_assert_eq(engine_retain(s.engine, 0, &all, false, NULL, &retained, &error), STATUS_OK);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 0);
    while (scan_next(reader, &b, &error) == STATUS_OK) {
        rows += b.rows;
        for (uint32_t i = 0; i < b.rows; i++)
            amended += slice_is(vector_bytes(&b.vectors[0], i), "loop");
    }
    cr_expect_eq(rows, SPANS);
    cr_expect_eq(amended, 0);
    scan_reader_destroy(reader);
    scan_close(scan);
    store_destroy(&s);
}

Test(engine_scan, no_columns_count_rows_without_reading_them)
{
    struct store s = filled_store();
    seal(&s);
    cr_expect_eq(row_count(&s, TABLE_SPANS), SPANS);
    cr_expect_gt(row_count(&s, TABLE_SCORES), 0);
    store_destroy(&s);
}

Test(engine_scan, absurd_times_neither_get_lost_nor_make_many_files)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    for (uint64_t i = 0; i < 5000; i++)
        span_row(&b, i, 1, HOUR0 + (int64_t)i);
    for (uint64_t i = 5000; i < 9000; i++)
        span_row(&b, i, 1, (int64_t)hash_mix(i));
    span_row(&b, 9001, 1, INT64_MIN);
    span_row(&b, 9002, 1, INT64_MAX);
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    seal(&s);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(row_count(&s, TABLE_SPANS), 9002);
        const struct scan_options o = {
            .table = TABLE_SPANS, .from_ns = HOUR0, .until_ns = HOUR0 + NS_PER_HOUR};
        struct scan_stats stats;
        cr_expect_geq(rows_of(&s, o, &stats), 5000);
        cr_expect_leq(stats.segments, 80);
        expect_cell(&s, 9001, 1, "time", "-9223372036854775808");
        expect_cell(&s, 9002, 1, "time", "9223372036854775807");
        (void)compact_full(&s);
        store_reopen(&s);
    }
    store_destroy(&s);
}
