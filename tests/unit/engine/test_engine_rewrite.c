/*
 * test_engine_rewrite.c - cells of stored spans change, everything else stays as it was.
 */
#include "engine_fixture.h"

#include "engine/span/batch_edit.h"

#define ROWS  4000u
#define HOURS 3u

/* ---- the edit under test: renames a model, sets a cost, notes it in attributes, gives a score ---- */

enum {
    READ_TIME,
    READ_MODEL,
    READ_COST,
    READ_ATTRIBUTES,
    READ_CLASS,
    READ_COUNT
};
static const uint16_t read_ids[READ_COUNT] = {SPANS_time, SPANS_model, SPANS_cost_usd,
                                              SPANS_attributes, SPANS_error_class};

struct renaming {
    struct store *store;
    const char *from, *to;
    int64_t from_ns, until_ns;
    uint64_t asked;
    uint64_t blocks;
    void (*before_block)(struct renaming *r); /* may be NULL */
    const struct column *score;               /* a column the file does not have, or NULL */
    bool break_rule;                          /* tries to change the session */
};

static bool in_range(const struct renaming *r, int64_t time_ns)
{
    return (r->from_ns == 0 && r->until_ns == 0) ||
           (time_ns >= r->from_ns && time_ns < r->until_ns);
}

static struct vector model_vector(const struct renaming *r, const struct rewrite_rows *in,
                                  const uint8_t *wanted, struct arena *arena)
{
    struct intern names;
    struct vector v = vector_null(STORAGE_STR, in->rows, arena);
    uint32_t *codes = (uint32_t *)(uintptr_t)v.codes;
    struct dict *dict = ARENA_NEW(arena, struct dict);
    intern_init(&names);
    for (uint32_t i = 0; i < in->rows; i++) {
        struct slice name =
            wanted[i] ? slice_text(r->to) : vector_bytes(&in->vectors[READ_MODEL], i);
        codes[i] =
            wanted[i] || vector_has(&in->vectors[READ_MODEL], i) ? intern_add(&names, name) : 0;
    }
    struct slice *values = ARENA_ARRAY(arena, struct slice, names.count);
    for (uint32_t i = 0; i < names.count; i++)
        values[i] = arena_copy(arena, names.values[i]);
    *dict = (struct dict){.values = values, .count = names.count};
    v.dict = dict;
    intern_deinit(&names);
    return v;
}

static enum status rename_rows(void *context, const struct rewrite_rows *in, struct arena *arena,
                               struct batch_column *ret_columns, uint32_t *ret_count,
                               uint64_t *ret_changed, struct error *reterr)
{
    struct renaming *r = context;
    (void)reterr;
    uint8_t *wanted = arena_zero(arena, in->rows, 1);
    uint64_t changed = 0;
    if (r->before_block != NULL)
        r->before_block(r);
    r->blocks++;
    for (uint32_t i = 0; i < in->rows; i++) {
        r->asked += in_range(r, in->vectors[READ_TIME].i64[i]);
        wanted[i] = in_range(r, in->vectors[READ_TIME].i64[i]) &&
                    slice_is(vector_bytes(&in->vectors[READ_MODEL], i), r->from);
        changed += wanted[i];
    }
    *ret_changed = changed;
    if (changed == 0)
        return STATUS_OK;
    struct batch_column read[READ_COUNT];
    for (uint32_t i = 0; i < READ_COUNT; i++)
        read[i] = (struct batch_column){.column = table_column(TABLE_SPANS, read_ids[i]),
                                        .vector = in->vectors[i]};
    const struct batch batch = {
        .table = TABLE_SPANS, .rows = in->rows, .column_count = READ_COUNT, .columns = read};
    struct vector cost = vector_writable(&batch, read[READ_COST].column, arena);
    struct vector notes = vector_writable(&batch, read[READ_ATTRIBUTES].column, arena);
    struct vector score = vector_null(STORAGE_F64, in->rows, arena);
    for (uint32_t i = 0; i < in->rows; i++) {
        if (!wanted[i])
            continue;
        ((int64_t *)(uintptr_t)cost.i64)[i] = 77;
        ((uint8_t *)(uintptr_t)cost.valid)[i] = 1;
        ((struct slice *)(uintptr_t)notes.bytes)[i] =
            slice_text(arena_printf(arena, "{\"was\":\"%s\"}", r->from));
        ((uint8_t *)(uintptr_t)notes.valid)[i] = 1;
        ((double *)(uintptr_t)score.f64)[i] = 0.25;
        ((uint8_t *)(uintptr_t)score.valid)[i] = 1;
    }
    uint32_t count = 0;
    ret_columns[count++] = (struct batch_column){.column = read[READ_MODEL].column,
                                                 .vector = model_vector(r, in, wanted, arena)};
    ret_columns[count++] = (struct batch_column){.column = read[READ_COST].column, .vector = cost};
    ret_columns[count++] =
        (struct batch_column){.column = read[READ_ATTRIBUTES].column, .vector = notes};
    if (r->score != NULL)
        ret_columns[count++] = (struct batch_column){.column = r->score, .vector = score};
    if (r->break_rule)
        ret_columns[count++] =
            (struct batch_column){.column = table_column(TABLE_SPANS, SPANS_session),
                                  .vector = vector_null(STORAGE_STR, in->rows, arena)};
    *ret_count = count;
    return STATUS_OK;
}

static enum status rewrite_try(struct store *s, struct renaming *r, bool dry_run,
                               const struct progress *progress, struct rewrite_result *ret,
                               struct error *reterr)
{
    const struct column *read[READ_COUNT];
    for (uint32_t i = 0; i < READ_COUNT; i++)
        read[i] = table_column(TABLE_SPANS, read_ids[i]);
    const struct rewrite rewrite = {.project = s->project,
                                    .from_ns = r->from_ns,
                                    .until_ns = r->until_ns,
                                    .read = read,
                                    .read_count = READ_COUNT,
                                    .edit = rename_rows,
                                    .context = r,
                                    .dry_run = dry_run};
    r->store = s;
    return engine_rewrite(s->engine, &rewrite, progress, ret, reterr);
}

static struct rewrite_result rewrite(struct store *s, struct renaming *r)
{
    struct error error = {0};
    struct rewrite_result result;
    cr_assert_eq(rewrite_try(s, r, false, NULL, &result, &error), STATUS_OK, "%s", error.text);
    return result;
}

static const struct column *score_add(struct store *s, const char *name)
{
    const struct column *column;
    cr_assert_eq(
        schema_add_score(engine_schema(s->engine, s->project), slice_text(name), &column, NULL),
        STATUS_OK);
    return column;
}

/* ---- the store under test ---- */

static int64_t time_of(uint64_t n)
{
    return HOUR0 + (int64_t)(n % HOURS) * NS_PER_HOUR + (int64_t)n;
}

/* Spans 1 .. ROWS over three hours; every tenth is of model "old", the others of "new" or none. */
static const char *model_of(uint64_t n)
{
    return n % 10 == 0 ? "old" : n % 10 == 1 ? NULL : "mid";
}

static void fill(struct store *s)
{
    struct builder b;
    rows_begin(s, &b, TABLE_SPANS);
    for (uint64_t n = 1; n <= ROWS; n++) {
        span_row(&b, n, 1, time_of(n));
        if (model_of(n) != NULL)
            builder_str(&b, SPANS_model, slice_text(model_of(n)));
        builder_str(&b, SPANS_session, slice_text(n % 2 == 0 ? "even" : "odd"));
        builder_i64(&b, SPANS_latency_ms, (int64_t)n);
    }
    (void)append(s, &b, NULL, NULL);
    builder_deinit(&b);
}

static struct store filled(void)
{
    struct store s = store_sim(NULL);
    fill(&s);
    seal(&s);
    return s;
}

static uint64_t rows_with_model(struct store *s, const char *model, bool indexed,
                                struct scan_stats *ret_stats)
{
    const struct column *column = table_column(TABLE_SPANS, SPANS_model);
    const struct slice value = slice_text(model);
    const struct scan_filter filter = {
        .column = column, .op = SCAN_EQ, .count = 1, .bytes = &value};
    const struct scan_options o = {.project = s->project,
                                   .table = TABLE_SPANS,
                                   .columns = &column,
                                   .column_count = 1,
                                   .filters = &filter,
                                   .filter_count = indexed};
    struct error error = {0};
    struct scan *scan;
    struct scan_batch batch;
    uint64_t rows = 0;
    cr_assert_eq(scan_open(s->engine, &o, &scan, &error), STATUS_OK, "%s", error.text);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &batch, &error) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.rows; i++)
            rows += slice_is(vector_bytes(&batch.vectors[0], i), model);
    }
    cr_assert_null(scan_damage(scan));
    scan_reader_destroy(reader);
    if (ret_stats != NULL)
        *ret_stats = scan_stats(scan);
    scan_close(scan);
    return rows;
}

static void nothing_else_changed(struct store *s)
{
    cr_expect_eq(row_count(s, TABLE_SPANS), ROWS);
    expect_cell(s, 7, 1, "model", "mid");
    expect_cell(s, 7, 1, "cost_usd", "NULL");
    expect_cell(s, 7, 1, "latency_ms", "7");
    expect_cell(s, 7, 1, "session", "odd");
    expect_cell(s, 11, 1, "model", "NULL");
    expect_cell(s, 20, 1, "latency_ms", "20");
    expect_cell(s, 20, 1, "error_class", "none");
}

struct seen {
    uint64_t segments, rows, patches;
    char paths[16][64];
};

static void segment_see(void *context, const struct segment_info *info)
{
    struct seen *seen = context;
    if (info->table != TABLE_SPANS)
        return;
    (void)snprintf(seen->paths[seen->segments++ % 16], 64, "%s", info->path);
    seen->rows += info->rows;
    seen->patches += info->patches;
}

static struct seen segments_see(struct store *s)
{
    struct seen seen = {0};
    cr_assert_eq(engine_segments(s->engine, false, segment_see, &seen, NULL), STATUS_OK);
    return seen;
}

/* ---- tests ---- */

Test(engine_rewrite, cells_are_replaced_and_columns_added)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed", .score = score_add(&s, "score.fresh")};
    struct rewrite_result result = rewrite(&s, &r);
    cr_expect_eq(result.rows, ROWS);
    cr_expect_eq(r.asked, ROWS, "every row is asked about once");
    cr_expect_eq(result.changed, ROWS / 10);
    cr_expect_eq(result.segments, HOURS);
    cr_expect_eq(result.rewritten, HOURS);
    cr_expect_gt(result.bytes_in, 0);
    cr_expect_gt(result.bytes_out, 0);
    for (int round = 0; round < 2; round++) {
        nothing_else_changed(&s);
        expect_cell(&s, 20, 1, "model", "renamed");
        expect_cell(&s, 20, 1, "cost_usd", "77");
        expect_cell(&s, 20, 1, "attributes", "{\"was\":\"old\"}");
        expect_cell(&s, 20, 1, "score.fresh", "0.25");
        expect_cell(&s, 7, 1, "score.fresh", "NULL");
        cr_expect_eq(rows_with_model(&s, "renamed", false, NULL), ROWS / 10);
        cr_expect_eq(rows_with_model(&s, "renamed", true, NULL), ROWS / 10);
        cr_expect_eq(rows_with_model(&s, "old", true, NULL), 0);
        cr_expect_eq(engine_verify(s.engine, NULL, NULL, NULL, NULL), STATUS_OK);
        store_reopen(&s);
    }
    (void)compact_full(&s);
    expect_cell(&s, 20, 1, "model", "renamed");
    expect_cell(&s, 20, 1, "score.fresh", "0.25");
    cr_expect_eq(segments_see(&s).segments, 1, "rewritten segments merge like others");
    store_destroy(&s);
}

Test(engine_rewrite, zone_maps_and_postings_are_of_the_new_values)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed"};
    struct scan_stats stats;
    (void)rewrite(&s, &r);
    cr_expect_eq(rows_with_model(&s, "old", true, &stats), 0);
    cr_expect_eq(stats.blocks, 0, "no dictionary has it any more");
    const struct column *cost = table_column(TABLE_SPANS, SPANS_cost_usd);
    const int64_t wanted = 77;
    const struct scan_filter filter = {.column = cost, .op = SCAN_EQ, .count = 1, .i64 = &wanted};
    const struct scan_options o = {.table = TABLE_SPANS,
                                   .columns = &cost,
                                   .column_count = 1,
                                   .filters = &filter,
                                   .filter_count = 1};
    cr_expect_gt(rows_of(&s, o, &stats), 0, "blocks with the new value are not skipped");
    store_destroy(&s);
}

Test(engine_rewrite, rows_of_heads_are_sealed_and_changed)
{
    struct store s = store_sim(NULL);
    fill(&s);
    struct renaming r = {.from = "old", .to = "renamed"};
    cr_expect_eq(rewrite(&s, &r).changed, ROWS / 10);
    expect_cell(&s, 20, 1, "model", "renamed");
    cr_expect_eq(engine_health(s.engine).head_rows, 0);
    store_destroy(&s);
}

Test(engine_rewrite, only_segments_with_changes_are_written)
{
    struct store s = filled();
    struct seen before = segments_see(&s);
    struct renaming r = {.from = "absent", .to = "renamed"};
    struct rewrite_result result = rewrite(&s, &r);
    struct seen after = segments_see(&s);
    cr_expect_eq(result.changed, 0);
    cr_expect_eq(result.rewritten, 0);
    cr_expect_eq(result.rows, ROWS);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0, "the files are the same");
    store_destroy(&s);
}

Test(engine_rewrite, the_time_range_is_kept_to)
{
    struct store s = filled();
    struct renaming r = {.from = "old",
                         .to = "renamed",
                         .from_ns = HOUR0 + NS_PER_HOUR,
                         .until_ns = HOUR0 + NS_PER_HOUR + 2000};
    uint64_t rows = 0;
    uint64_t changed = 0;
    for (uint64_t n = 1; n <= ROWS; n++) {
        bool in = time_of(n) >= r.from_ns && time_of(n) < r.until_ns;
        rows += in;
        changed += in && n % 10 == 0;
    }
    struct rewrite_result result = rewrite(&s, &r);
    cr_expect_eq(result.segments, 1);
    cr_expect_eq(result.rewritten, 1);
    cr_expect_eq(result.rows, rows);
    cr_expect_eq(result.changed, changed);
    expect_cell(&s, 10, 1, "model", "renamed"); /* hour 1 */
    expect_cell(&s, 2500, 1, "model", "old");   /* hour 1, too late */
    expect_cell(&s, 20, 1, "model", "old");     /* hour 2 */
    store_destroy(&s);
}

/* The first hours of a day file are copied as they are, the rest is edited. */
Test(engine_rewrite, hours_before_the_first_change_are_kept)
{
    struct store s = filled();
    (void)compact_full(&s);
    cr_assert_eq(segments_see(&s).segments, 1);
    struct renaming r = {.from = "old",
                         .to = "renamed",
                         .from_ns = HOUR0 + 2 * NS_PER_HOUR,
                         .until_ns = HOUR0 + 3 * NS_PER_HOUR};
    cr_expect_eq(rewrite(&s, &r).rewritten, 1);
    nothing_else_changed(&s);
    expect_cell(&s, 20, 1, "model", "renamed"); /* hour 2 */
    expect_cell(&s, 10, 1, "model", "old");     /* hour 1 */
    expect_cell(&s, 30, 1, "model", "old");     /* hour 0 */
    cr_expect_eq(segments_see(&s).segments, 1);
    store_destroy(&s);
}

Test(engine_rewrite, a_dry_run_asks_and_writes_nothing)
{
    struct store s = filled();
    struct builder b;
    struct rewrite_result result;
    struct error error = {0};
    rows_begin(&s, &b, TABLE_SPANS);
    span_row(&b, ROWS + 10, 1, HOUR0);
    builder_str(&b, SPANS_model, slice_text("old"));
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    struct seen before = segments_see(&s);
    struct renaming r = {.from = "old", .to = "renamed"};
    cr_assert_eq(rewrite_try(&s, &r, true, NULL, &result, &error), STATUS_OK, "%s", error.text);
    struct seen after = segments_see(&s);
    cr_expect_eq(result.rows, ROWS + 1, "heads are asked too");
    cr_expect_eq(result.changed, ROWS / 10 + 1);
    cr_expect_eq(result.rewritten, HOURS + 1);
    cr_expect_eq(result.bytes_out, 0);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0);
    cr_expect_eq(engine_health(s.engine).head_rows, 1, "nothing was sealed");
    expect_cell(&s, 20, 1, "model", "old");
    store_destroy(&s);
}

Test(engine_rewrite, a_dry_run_works_read_only)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed"};
    struct rewrite_result result;
    struct error error = {0};
    s.options.read_only = true;
    store_reopen(&s);
    cr_assert_eq(rewrite_try(&s, &r, true, NULL, &result, &error), STATUS_OK, "%s", error.text);
    cr_expect_eq(result.changed, ROWS / 10);
    cr_expect_eq(rewrite_try(&s, &r, false, NULL, &result, &error), STATUS_READ_ONLY);
    store_destroy(&s);
}

Test(engine_rewrite, earlier_amendments_are_seen_and_folded)
{
    struct store s = filled();
    (void)append_tag(&s, 20, 1, "refusal", "human");
    (void)append_score(&s, 20, 1, "q", 0.5);
    struct renaming r = {.from = "old", .to = "renamed"};
    (void)rewrite(&s, &r);
    cr_expect_eq(segments_see(&s).patches, 0);
    for (int round = 0; round < 2; round++) {
        expect_cell(&s, 20, 1, "error_class", "refusal");
        expect_cell(&s, 20, 1, "score.q", "0.5");
        expect_cell(&s, 20, 1, "model", "renamed");
        store_reopen(&s);
    }
    store_destroy(&s);
}

/* While a segment is written anew its spans take amendments and the store takes spans. */
static void amend_meanwhile(struct renaming *r)
{
    (void)append_tag(r->store, 20, 1, "refusal", "human");
    (void)append_score(r->store, 30, 1, "late", 0.75);
    (void)append_span(r->store, ROWS + 100, 1, HOUR0);
}

Test(engine_rewrite, amendments_that_come_meanwhile_are_carried_over)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed", .before_block = amend_meanwhile};
    (void)rewrite(&s, &r);
    for (int round = 0; round < 3; round++) {
        expect_cell(&s, 20, 1, "error_class", "refusal");
        expect_cell(&s, 30, 1, "score.late", "0.75");
        expect_cell(&s, 20, 1, "model", "renamed");
        expect_cell(&s, 30, 1, "model", "renamed");
        cr_expect_eq(row_count(&s, TABLE_SPANS), ROWS + 1);
        if (round == 0)
            store_reopen(&s);
        else
            (void)compact_full(&s);
    }
    store_destroy(&s);
}

/* An amendment of a column the rewrite sets: what came later wins, also after a restart. */
static void score_meanwhile(struct renaming *r)
{
    (void)append_score(r->store, 20, 1, "fresh", 0.875);
}

Test(engine_rewrite, what_came_later_wins)
{
    struct store s = filled();
    (void)append_score(&s, 20, 1, "fresh", 0.125);
    (void)append_score(&s, 30, 1, "fresh", 0.125);
    struct renaming r = {.from = "old",
                         .to = "renamed",
                         .score = score_add(&s, "score.fresh"),
                         .before_block = score_meanwhile};
    (void)rewrite(&s, &r);
    for (int round = 0; round < 2; round++) {
        expect_cell(&s, 20, 1, "score.fresh", "0.875");
        expect_cell(&s, 30, 1, "score.fresh", "0.25");
        store_reopen(&s);
    }
    store_destroy(&s);
}

Test(engine_rewrite, resent_spans_are_still_duplicates)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed"};
    (void)rewrite(&s, &r);
    cr_expect_eq(append_span(&s, 20, 1, time_of(20)).duplicates, 1);
    store_reopen(&s);
    cr_expect_eq(append_span(&s, 20, 1, time_of(20)).duplicates, 1);
    cr_expect_eq(row_count(&s, TABLE_SPANS), ROWS);
    store_destroy(&s);
}

Test(engine_rewrite, readers_keep_their_snapshot)
{
    struct store s = filled();
    const struct column *column = table_column(TABLE_SPANS, SPANS_model);
    const struct scan_options o = {
        .project = s.project, .table = TABLE_SPANS, .columns = &column, .column_count = 1};
    struct scan *scan;
    struct scan_batch batch;
    struct error error = {0};
    uint64_t old = 0;
    cr_assert_eq(scan_open(s.engine, &o, &scan, &error), STATUS_OK);
    struct renaming r = {.from = "old", .to = "renamed"};
    (void)rewrite(&s, &r);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &batch, &error) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.rows; i++)
            old += slice_is(vector_bytes(&batch.vectors[0], i), "old");
    }
    cr_expect_eq(old, ROWS / 10);
    scan_reader_destroy(reader);
    scan_close(scan);
    store_destroy(&s);
}

static bool stop_later(void *context, double fraction, const char *what)
{
    int *left = context;
    cr_expect_str_eq(what, "rewriting");
    cr_expect(fraction >= 0 && fraction <= 1);
    return --*left > 0;
}

Test(engine_rewrite, a_cancelled_rewrite_leaves_whole_segments)
{
    struct store s = filled();
    int left = 4; /* within the first segment */
    const struct progress progress = {.report = stop_later, .context = &left};
    struct renaming r = {.from = "old", .to = "renamed"};
    struct rewrite_result result;
    struct seen before = segments_see(&s);
    cr_expect_eq(rewrite_try(&s, &r, false, &progress, &result, NULL), STATUS_CANCELLED);
    struct seen after = segments_see(&s);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0);
    cr_expect_eq(rewrite(&s, &r).changed, ROWS / 10, "and it can be done again");
    cr_expect_gt(compact_full(&s).merges, 0, "no segment stays marked");
    store_destroy(&s);
}

static void rewrite_meanwhile(struct renaming *r)
{
    struct renaming other = {.from = "old", .to = "other"};
    struct rewrite_result result;
    struct error error = {0};
    if (r->blocks == 0) {
        cr_expect_eq(rewrite_try(r->store, &other, false, NULL, &result, &error), STATUS_BUSY);
        cr_expect_not_null(strstr(error.text, "already"), "%s", error.text);
    }
    /* Merges pass the marked segments over. */
    (void)compact_full(r->store);
}

Test(engine_rewrite, only_one_at_a_time_and_merges_keep_away)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed", .before_block = rewrite_meanwhile};
    cr_expect_eq(rewrite(&s, &r).changed, ROWS / 10);
    cr_expect_eq(rows_with_model(&s, "renamed", true, NULL), ROWS / 10);
    nothing_else_changed(&s);
    store_destroy(&s);
}

static void retain_meanwhile(struct renaming *r)
{
    const struct retention rule = {.bytes_max = 1};
    struct retain_result result;
    if (r->blocks == 0)
        cr_assert_eq(
            engine_retain(r->store->engine, r->store->project, &rule, false, NULL, &result, NULL),
            STATUS_OK);
}

/* What retention took while it was written anew does not come back. */
Test(engine_rewrite, rows_that_left_meanwhile_stay_away)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed", .before_block = retain_meanwhile};
    (void)rewrite(&s, &r);
    struct seen seen = segments_see(&s);
    cr_expect_eq(seen.segments, 1, "the newest stays");
    cr_expect_lt(row_count(&s, TABLE_SPANS), ROWS);
    store_reopen(&s);
    cr_expect_eq(segments_see(&s).rows, seen.rows);
    cr_expect_eq(engine_verify(s.engine, NULL, NULL, NULL, NULL), STATUS_OK);
    store_destroy(&s);
}

Test(engine_rewrite, identity_can_not_be_changed)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed", .break_rule = true};
    struct rewrite_result result;
    struct error error = {0};
    cr_expect_eq(rewrite_try(&s, &r, false, NULL, &result, &error), STATUS_INVALID);
    cr_expect_not_null(strstr(error.text, "session"), "%s", error.text);
    expect_cell(&s, 20, 1, "model", "old");
    expect_cell(&s, 20, 1, "session", "even");
    store_destroy(&s);
}

Test(engine_rewrite, bad_requests_are_refused)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed", .from_ns = 2, .until_ns = 1};
    struct rewrite_result result;
    cr_expect_eq(rewrite_try(&s, &r, false, NULL, &result, NULL), STATUS_INVALID);
    r.from_ns = r.until_ns = 0;
    s.project = 9;
    cr_expect_eq(rewrite_try(&s, &r, false, NULL, &result, NULL), STATUS_NOT_FOUND);
    store_destroy(&s);
}

/* Every bit of trouble in one segment is named, the others are rewritten. */
Test(engine_rewrite, a_damaged_segment_is_left_alone_and_named)
{
    struct store s = filled();
    struct seen seen = segments_see(&s);
    struct renaming r = {.from = "old", .to = "renamed"};
    struct rewrite_result result;
    struct error error = {0};
    const char *path = seen.paths[1];
    engine_close(s.engine);
    s.engine = NULL;
    size_t at = io_sim_peek(s.io, path).size / 4; /* a block of some column */
    uint8_t byte = io_sim_peek(s.io, path).data[at];
    io_sim_poke(s.io, path, at, byte ^ 0x10);
    store_reopen(&s);
    cr_expect_eq(rewrite_try(&s, &r, false, NULL, &result, &error), STATUS_CORRUPT);
    cr_expect_not_null(strstr(error.text, path), "%s", error.text);
    cr_expect_eq(result.rewritten, HOURS - 1);
    struct seen after = segments_see(&s);
    bool is_there = false;
    for (uint64_t i = 0; i < after.segments; i++)
        is_there |= strcmp(after.paths[i], path) == 0;
    cr_expect(is_there, "the damaged file stays");
    cr_expect_eq(after.segments, HOURS);
    store_destroy(&s);
}

Test(engine_rewrite, a_failing_disk_changes_nothing)
{
    struct store s = filled();
    struct renaming r = {.from = "old", .to = "renamed"};
    struct rewrite_result result;
    uint64_t failures = 0;
    for (uint64_t at = 0; at < 40; at++) {
        struct error error = {0};
        io_sim_set_fault(s.io, IO_SIM_FAIL_ONCE, io_sim_operations(s.io) + at);
        enum status status = rewrite_try(&s, &r, false, NULL, &result, &error);
        io_sim_set_fault(s.io, IO_SIM_NONE, 0);
        failures += status < 0;
        cr_expect_eq(row_count(&s, TABLE_SPANS), ROWS);
        nothing_else_changed(&s);
        cr_expect_eq(rows_with_model(&s, "old", false, NULL) +
                         rows_with_model(&s, "renamed", false, NULL),
                     ROWS / 10);
        if (status >= 0)
            break;
    }
    cr_expect_gt(failures, 3, "some operation failed");
    store_reopen(&s);
    (void)rewrite(&s, &r);
    cr_expect_eq(rows_with_model(&s, "renamed", true, NULL), ROWS / 10);
    store_destroy(&s);
}
