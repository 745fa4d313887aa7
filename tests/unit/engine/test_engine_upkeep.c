/*
 * test_engine_upkeep.c - sealing, merging, retention, and the threads that do it by themselves.
 */
#include "engine_fixture.h"

struct seen {
    uint64_t segments;
    uint64_t rows;
    uint64_t patches;
    uint64_t columns;
    char tiers[128];
};

static void segment_see(void *context, const struct segment_info *info)
{
    struct seen *seen = context;
    size_t used = strlen(seen->tiers);
    seen->segments++;
    seen->rows += info->rows;
    seen->patches += info->patches;
    seen->columns += info->column_count;
    (void)snprintf(seen->tiers + used, sizeof seen->tiers - used, "%s ", info->tier);
}

static struct seen segments_see(struct store *s, bool columns)
{
    struct seen seen = {0};
    cr_assert_eq(engine_segments(s->engine, columns, segment_see, &seen, NULL), STATUS_OK);
    return seen;
}

Test(engine_upkeep, a_seal_of_nothing_makes_nothing)
{
    struct store s = store_sim(NULL);
    seal(&s);
    (void)append_span(&s, 1, 1, HOUR0);
    seal(&s);
    seal(&s);
    cr_expect_eq(segments_see(&s, false).segments, 1);
    cr_expect_eq(engine_health(s.engine).head_rows, 0);
    store_destroy(&s);
}

Test(engine_upkeep, a_head_is_split_by_hour_and_merged_by_day)
{
    struct store s = store_sim(NULL);
    struct builder b;
    for (int round = 0; round < 2; round++) {
        rows_begin(&s, &b, TABLE_SPANS);
        for (uint64_t i = 0; i < 300; i++)
            span_row(&b, (uint64_t)round * 300 + i, 1, HOUR0 + (int64_t)(i % 3) * NS_PER_HOUR);
        (void)append(&s, &b, NULL, NULL);
        builder_deinit(&b);
        seal(&s);
    }
    struct seen seen = segments_see(&s, true);
    cr_expect_eq(seen.segments, 6);
    cr_expect_eq(seen.rows, 600);
    cr_expect_gt(seen.columns, 20, "every segment tells its columns");
    struct compact_result merged = compact_full(&s);
    cr_expect_gt(merged.merges, 0);
    seen = segments_see(&s, false);
    cr_expect_eq(seen.segments, 1);
    cr_expect_str_eq(seen.tiers, "day ");
    cr_expect_eq(seen.rows, 600);
    cr_expect_eq(compact_full(&s).merges, 0, "and then there is nothing to do");
    store_reopen(&s);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 600);
    store_destroy(&s);
}

Test(engine_upkeep, a_merge_folds_amendments)
{
    struct store s = store_sim(NULL);
    (void)append_span(&s, 1, 1, HOUR0);
    seal(&s);
    (void)append_score(&s, 1, 1, "q", 1);
    cr_expect_eq(segments_see(&s, false).patches, 1);
    cr_expect_eq(compact_full(&s).merges, 1);
    cr_expect_eq(segments_see(&s, false).patches, 0);
    expect_cell(&s, 1, 1, "score.q", "1");
    store_reopen(&s);
    cr_expect_eq(segments_see(&s, false).patches, 0, "what is folded is not amended again");
    expect_cell(&s, 1, 1, "score.q", "1");
    store_destroy(&s);
}

static bool stop_at_once(void *context, double fraction, const char *what)
{
    (void)context;
    (void)fraction;
    (void)what;
    return false;
}

Test(engine_upkeep, a_cancelled_merge_changes_nothing)
{
    struct store s = store_sim(NULL);
    const struct progress progress = {.report = stop_at_once};
    struct compact_result result;
    for (uint64_t i = 1; i <= 3; i++) {
        (void)append_span(&s, i, 1, HOUR0);
        seal(&s);
    }
    cr_expect_eq(engine_compact(s.engine, true, &progress, &result, NULL), STATUS_CANCELLED);
    cr_expect_eq(segments_see(&s, false).segments, 3);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 3);
    cr_expect_gt(compact_full(&s).merges, 0);
    store_destroy(&s);
}

struct amending {
    struct store *store;
    uint32_t calls;
};

/* Amends and appends at every step of a merge. */
static bool amend_meanwhile(void *context, double fraction, const char *what)
{
    struct amending *a = context;
    (void)fraction;
    (void)what;
    (void)append_score(a->store, 1, 1, "q", (double)++a->calls);
    (void)append_span(a->store, 100 + a->calls, 1, HOUR0);
    seal(a->store);
    return a->calls < 200; /* far more than the merges of a pass that ends */
}

Test(engine_upkeep, a_full_merge_ends_however_fast_amendments_come)
{
    struct store s = store_sim(NULL);
    struct amending a = {.store = &s};
    const struct progress progress = {.report = amend_meanwhile, .context = &a};
    struct compact_result result;
    struct error error = {0};
    char expected[32];
    for (uint64_t i = 1; i <= 3; i++) {
        (void)append_span(&s, i, 1, HOUR0);
        seal(&s);
    }
    cr_expect_eq(engine_compact(s.engine, true, &progress, &result, &error), STATUS_OK, "%s",
                 error.text);
    (void)snprintf(expected, sizeof expected, "%u", a.calls);
    expect_cell(&s, 1, 1, "score.q", expected);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 3 + a.calls);
    store_destroy(&s);
}

Test(engine_upkeep, the_log_is_released_by_sealing)
{
    struct store s = store_sim(NULL);
    char body[20000];
    uint64_t first = 0;
    memset(body, 'x', sizeof body);
    for (uint64_t round = 0; round < 4; round++) {
        for (uint64_t i = 1; i <= 60; i++) {
            struct builder b;
            rows_begin(&s, &b, TABLE_SPANS);
            span_row(&b, round * 100 + i, 1, HOUR0);
            builder_str(&b, SPANS_tool_result, slice_of(body, sizeof body));
            (void)append(&s, &b, NULL, NULL);
            builder_deinit(&b);
        }
        uint64_t files = engine_health(s.engine).wal_files;
        first = round == 0 ? files : first;
        cr_expect_gt(files, 3);
        cr_expect_leq(files, first + 1, "files are used again");
        seal(&s);
    }
    store_reopen(&s);
    cr_expect_eq(engine_health(s.engine).recovered_records, 0);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 240);
    store_destroy(&s);
}

/* ---- retention ---- */

static struct retain_result retain(struct store *s, struct retention rule, bool dry_run)
{
    struct error error = {0};
    struct retain_result result;
    cr_assert_eq(engine_retain(s->engine, s->project, &rule, dry_run, NULL, &result, &error),
                 STATUS_OK, "%s", error.text);
    return result;
}

Test(engine_upkeep, old_rows_leave_for_good)
{
    struct store s = store_sim(NULL);
    clock_fake(HOUR0 + 10 * NS_PER_DAY);
    (void)append_span(&s, 1, 1, HOUR0);
    seal(&s);
    (void)append_span(&s, 2, 1, HOUR0 + 9 * NS_PER_DAY);
    (void)append_score(&s, 1, 1, "q", 1);
    seal(&s);
    const struct retention rule = {.rows_age_ns = 5 * NS_PER_DAY};
    struct retain_result counted = retain(&s, rule, true);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 2);
    struct retain_result retained = retain(&s, rule, false);
    cr_expect_eq(retained.rows, counted.rows);
    cr_expect_eq(retained.segments, counted.segments);
    cr_expect_eq(retained.bytes, counted.bytes);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(row_count(&s, TABLE_SPANS), 1);
        expect_cell(&s, 2, 1, "error_class", "none");
        if (i == 0)
            store_reopen(&s);
        if (i == 1)
            seal(&s);
    }
    /* A tag for what has left is history without a row. */
    (void)append_tag(&s, 1, 1, "refusal", "human");
    cr_expect_eq(row_count(&s, TABLE_TAGS), 1);
    clock_fake(0);
    store_destroy(&s);
}

Test(engine_upkeep, too_many_bytes_drive_out_the_oldest)
{
    struct store s = store_sim(NULL);
    clock_fake(HOUR0 + 40 * NS_PER_HOUR);
    for (uint64_t i = 0; i < 10; i++) {
        (void)append_span(&s, i + 1, 1, HOUR0 + (int64_t)i * NS_PER_HOUR);
        seal(&s);
    }
    uint64_t bytes = engine_health(s.engine).segment_bytes;
    struct retain_result r = retain(&s, (struct retention){.bytes_max = bytes / 2}, false);
    cr_expect_geq(r.segments, 4);
    cr_expect_leq(engine_health(s.engine).segment_bytes, bytes / 2);
    cr_expect_str_eq(cell_of(&s, TABLE_SPANS, 1, 1, "time", false), "absent");
    expect_cell(&s, 10, 1, "error_class", "none");
    clock_fake(0);
    store_destroy(&s);
}

/* ---- by itself ---- */

static bool eventually(struct store *s, uint64_t segments_min)
{
    for (int i = 0; i < 500; i++) {
        (void)engine_pump(s->engine);
        if (engine_health(s->engine).segments >= segments_min &&
            engine_health(s->engine).head_rows == 0)
            return true;
        (void)usleep(10000);
    }
    return false;
}

Test(engine_upkeep, full_and_old_heads_are_sealed_in_the_background)
{
    struct engine_options options = store_options();
    options.maintenance_threads = 1;
    options.head_rows_max = 100;
    options.head_age_ns_max = 200 * NS_PER_MS;
    struct store s = store_disk("posix", &options);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    for (uint64_t i = 0; i < 150; i++)
        span_row(&b, i, 1, HOUR0);
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    cr_expect(eventually(&s, 1), "a full head");
    (void)append_span(&s, 1000, 1, HOUR0);
    cr_expect(eventually(&s, 2), "an old head");
    cr_expect_eq(row_count(&s, TABLE_SPANS), 151);
    store_destroy(&s);
}

static void name_find(void *context, const char *name)
{
    if (strcmp(name, "reserve") == 0)
        *(bool *)context = true;
}

Test(engine_upkeep, a_reserve_is_kept_for_a_full_disk)
{
    struct engine_options options = store_options();
    options.maintenance_threads = 1;
    options.reserve_bytes = 1 << 20;
    struct store s = store_disk("posix", &options);
    bool found = false;
    for (int i = 0; i < 500 && !found; i++) {
        cr_assert_eq(io_list(s.io, "", name_find, &found, NULL), STATUS_OK);
        (void)usleep(10000);
    }
    cr_expect(found);
    cr_expect(engine_health(s.engine).writable);
    store_destroy(&s);
}
