/*
 * test_engine_commit.c - commits from append to scan: durable, visible, once, and the same after a restart.
 */
#include "engine_fixture.h"

static void a_span_is_there(struct store *s)
{
    struct builder b;
    rows_begin(s, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);
    builder_str(&b, SPANS_model, slice_text("m-1"));
    builder_i64(&b, SPANS_cost_usd, 5);
    struct append_result result = append(s, &b, NULL, NULL);
    builder_deinit(&b);
    cr_expect_eq(result.spans, 1);
    cr_expect_eq(result.ticket, 1);
    for (int restarts = 0; restarts < 3; restarts++) {
        cr_expect_eq(row_count(s, TABLE_SPANS), 1);
        expect_cell(s, 1, 1, "model", "m-1");
        expect_cell(s, 1, 1, "cost_usd", "5");
        expect_cell(s, 1, 1, "seq", "1");
        expect_cell(s, 1, 1, "error_class", "none");
        expect_cell(s, 1, 1, "session", "NULL");
        cr_expect_eq(engine_last_seq(s->engine), 1);
        store_reopen(s);
    }
}

Test(engine_commit, a_span_is_there_after_its_ticket_and_after_restarts)
{
    struct store s = store_sim(NULL);
    a_span_is_there(&s);
    store_destroy(&s);
}

Test(engine_commit, the_same_on_posix_files)
{
    struct store s = store_disk("posix", NULL);
    a_span_is_there(&s);
    store_destroy(&s);
}

Test(engine_commit, the_same_on_io_uring)
{
    struct io *io;
    if (io_uring_backend_create("/tmp", &io, NULL) < 0)
        cr_skip_test("io_uring is not allowed here");
    io_destroy(io);
    struct store s = store_disk("uring", NULL);
    a_span_is_there(&s);
    store_destroy(&s);
}

Test(engine_commit, nothing_is_visible_before_it_is_durable)
{
    struct store s = store_sim(NULL);
    struct builder b;
    struct append_result result;
    rows_begin(&s, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);
    struct batch batch = builder_batch(&b);
    cr_assert_eq(engine_append(s.engine, &(struct append){.project = s.project, .spans = &batch},
                               &result, NULL),
                 STATUS_OK);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 0);
    cr_assert_eq(engine_wait(s.engine, result.ticket, NS_PER_S, NULL), STATUS_OK);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 1);
    builder_deinit(&b);
    store_destroy(&s);
}

Test(engine_commit, a_resent_span_is_dropped_wherever_the_first_one_is)
{
    struct store s = store_sim(NULL);
    struct builder b;
    cr_expect_eq(append_span(&s, 1, 1, HOUR0).spans, 1);
    cr_expect_eq(append_span(&s, 1, 1, HOUR0).duplicates, 1);
    seal(&s);
    cr_expect_eq(append_span(&s, 1, 1, HOUR0).duplicates, 1);
    store_reopen(&s);
    rows_begin(&s, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);     /* in a segment */
    span_row(&b, 1, 2, HOUR0);     /* new */
    span_row(&b, 1, 2, HOUR0 + 1); /* in this very batch */
    span_row(&b, 2, 1, HOUR0);     /* the same span id in another trace is another span */
    struct append_result result = append(&s, &b, NULL, NULL);
    cr_expect_eq(result.spans, 2);
    cr_expect_eq(result.duplicates, 2);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 3);
    char first[32];
    (void)snprintf(first, sizeof first, "%lld", (long long)HOUR0);
    expect_cell(&s, 1, 2, "time", first);
    builder_deinit(&b);
    store_destroy(&s);
}

Test(engine_commit, scores_of_a_dropped_span_go_with_it)
{
    struct store s = store_sim(NULL);
    struct builder spans, scores;
    rows_begin(&s, &spans, TABLE_SPANS);
    rows_begin(&s, &scores, TABLE_SCORES);
    span_row(&spans, 1, 1, HOUR0);
    score_row(&scores, 1, 1, "q", 0.5);
    (void)append(&s, &spans, &scores, NULL);
    (void)append(&s, &spans, &scores, NULL);
    cr_expect_eq(row_count(&s, TABLE_SCORES), 1);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 1);
    /* Without the span the same score is news. */
    (void)append(&s, NULL, &scores, NULL);
    cr_expect_eq(row_count(&s, TABLE_SCORES), 2);
    builder_deinit(&spans);
    builder_deinit(&scores);
    store_destroy(&s);
}

Test(engine_commit, a_client_batch_is_applied_once_also_after_seals_and_restarts)
{
    struct store s = store_sim(NULL);
    struct append_result result;
    const struct id128 client = trace_of(77);
    struct builder b;
    for (uint64_t round = 1; round <= 3; round++) {
        rows_begin(&s, &b, TABLE_SCORES);
        score_row(&b, 1, 1, "q", (double)round);
        struct append a = {.client = client, .batch_seq = round};
        cr_assert_eq(append_try(&s, a, NULL, &b, NULL, &result, NULL), STATUS_OK);
        cr_expect_not(result.already_applied);
        uint64_t ticket = result.ticket;
        if (round == 2)
            seal(&s);
        if (round >= 2) {
            builder_deinit(&b);
            store_reopen(&s);
            rows_begin(&s, &b, TABLE_SCORES);
            score_row(&b, 1, 1, "q", (double)round);
        }
        cr_expect_eq(engine_client_seq(s.engine, client), round);
        cr_assert_eq(append_try(&s, a, NULL, &b, NULL, &result, NULL), STATUS_OK);
        cr_expect(result.already_applied);
        cr_expect_eq(result.ticket, ticket);
        cr_expect_eq(row_count(&s, TABLE_SCORES), round);
        builder_deinit(&b);
    }
    cr_expect_eq(engine_client_seq(s.engine, trace_of(78)), 0);
    store_destroy(&s);
}

Test(engine_commit, projects_do_not_see_each_other)
{
    struct store s = store_sim(NULL);
    uint32_t other;
    cr_assert_eq(engine_project(s.engine, slice_text("other"), true, &other, NULL), STATUS_OK);
    cr_expect_eq(other, 2);
    (void)append_span(&s, 1, 1, HOUR0);
    struct builder b;
    struct append_result result;
    builder_init(&b, TABLE_SPANS, engine_schema(s.engine, other));
    span_row(&b, 1, 1, HOUR0);
    span_row(&b, 1, 2, HOUR0);
    cr_assert_eq(append_try(&s, (struct append){.project = other}, &b, NULL, NULL, &result, NULL),
                 STATUS_OK);
    cr_expect_eq(result.spans, 2);
    builder_deinit(&b);
    for (int sealed = 0; sealed < 2; sealed++) {
        cr_expect_eq(row_count(&s, TABLE_SPANS), 1);
        cr_expect_eq(rows_of(&s, (struct scan_options){.project = other}, NULL), 2);
        seal(&s);
        store_reopen(&s);
    }
    cr_expect_str_eq(engine_project_name(s.engine, 1), "default");
    cr_expect_str_eq(engine_project_name(s.engine, 2), "other");
    cr_expect_null(engine_project_name(s.engine, 3));
    store_destroy(&s);
}

Test(engine_commit, project_names_are_checked)
{
    struct store s = store_sim(NULL);
    static const char *const bad[] = {"", "A", "a/b", "..", "a b", "\xc3\xa4"};
    uint32_t number;
    char longest[66];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(engine_project(s.engine, slice_text(bad[i]), true, &number, NULL),
                     STATUS_INVALID);
    memset(longest, 'a', 65);
    cr_expect_eq(engine_project(s.engine, slice_of(longest, 65), true, &number, NULL),
                 STATUS_INVALID);
    cr_expect_eq(engine_project(s.engine, slice_of(longest, 64), true, &number, NULL), STATUS_OK);
    cr_expect_eq(engine_project(s.engine, slice_text("nobody"), false, &number, NULL),
                 STATUS_NOT_FOUND);
    store_destroy(&s);
}

/* ---- what is refused ---- */

struct refusal {
    const char *name;
    enum status status;
    const char *text; /* must be in the message */
};

static void expect_refused(struct store *s, struct builder *spans, struct builder *scores,
                           struct builder *tags, enum status status, const char *text)
{
    struct error error = {0};
    struct append_result result;
    cr_expect_eq(append_try(s, (struct append){0}, spans, scores, tags, &result, &error), status,
                 "%s", text);
    cr_expect_not_null(strstr(error.text, text), "\"%s\" does not say \"%s\"", error.text, text);
    cr_expect_eq(row_count(s, TABLE_SPANS), 0);
    cr_expect_eq(row_count(s, TABLE_SCORES), 0);
    cr_expect_eq(row_count(s, TABLE_TAGS), 0);
    cr_expect_eq(engine_last_seq(s->engine), 0);
}

Test(engine_commit, a_span_without_its_ids_or_time_is_refused_by_name)
{
    struct store s = store_sim(NULL);
    static const uint16_t required[] = {SPANS_time, SPANS_trace_id, SPANS_span_id};
    static const char *const names[] = {"row 1: time", "row 1: trace_id", "row 1: span_id"};
    for (int missing = 0; missing < 3; missing++) {
        struct builder b;
        rows_begin(&s, &b, TABLE_SPANS);
        span_row(&b, 1, 1, HOUR0);
        builder_row(&b);
        if (required[missing] != SPANS_time)
            builder_i64(&b, SPANS_time, HOUR0);
        if (required[missing] != SPANS_trace_id)
            builder_id128(&b, SPANS_trace_id, trace_of(1));
        if (required[missing] != SPANS_span_id)
            builder_id64(&b, SPANS_span_id, 2);
        expect_refused(&s, &b, NULL, NULL, STATUS_INVALID, names[missing]);
        builder_deinit(&b);
    }
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    span_row(&b, 1, 0, HOUR0);
    expect_refused(&s, &b, NULL, NULL, STATUS_INVALID, "row 0: span_id");
    builder_deinit(&b);
    store_destroy(&s);
}

Test(engine_commit, numbers_that_are_none_are_refused)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);
    builder_f64(&b, SPANS_temperature, (double)NAN);
    expect_refused(&s, &b, NULL, NULL, STATUS_INVALID, "row 0: temperature");
    builder_deinit(&b);
    rows_begin(&s, &b, TABLE_SCORES);
    score_row(&b, 1, 1, "q", (double)INFINITY);
    expect_refused(&s, NULL, &b, NULL, STATUS_INVALID, "scores row 0: value");
    builder_deinit(&b);
    store_destroy(&s);
}

Test(engine_commit, scores_and_tags_need_what_names_them)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SCORES);
    score_row(&b, 1, 1, "bad name", 1);
    expect_refused(&s, NULL, &b, NULL, STATUS_INVALID, "score.bad name");
    builder_deinit(&b);
    rows_begin(&s, &b, TABLE_SCORES);
    builder_row(&b);
    builder_id128(&b, SCORES_trace_id, trace_of(1));
    builder_str(&b, SCORES_name, slice_text("q"));
    expect_refused(&s, NULL, &b, NULL, STATUS_INVALID, "a value or a label");
    builder_deinit(&b);
    rows_begin(&s, &b, TABLE_TAGS);
    builder_row(&b);
    builder_id128(&b, TAGS_trace_id, trace_of(1));
    builder_id64(&b, TAGS_span_id, 1);
    expect_refused(&s, NULL, NULL, &b, STATUS_INVALID, "class");
    builder_deinit(&b);
    store_destroy(&s);
}

/* The builder keeps to the limits itself, so these rows are made by hand. */
static void expect_size(struct store *s, uint16_t column_id, size_t size, enum status expected)
{
    struct arena arena = {0};
    struct append_result result;
    struct error error = {0};
    const int64_t time = HOUR0;
    const struct id128 trace = trace_of(size);
    const uint64_t span = 1;
    uint8_t *bytes = mem_zero(1, size + 1);
    const struct slice values[2] = {SLICE_EMPTY, slice_of(bytes, size)};
    const struct dict dict = {.values = values, .count = 2};
    const uint32_t code = 1;
    const struct column *column = table_column(TABLE_SPANS, column_id);
    struct batch_column columns[4] = {
        {table_column(TABLE_SPANS, SPANS_time), {.storage = STORAGE_I64, .rows = 1, .i64 = &time}},
        {table_column(TABLE_SPANS, SPANS_trace_id),
         {.storage = STORAGE_ID128, .rows = 1, .id128 = &trace}},
        {table_column(TABLE_SPANS, SPANS_span_id),
         {.storage = STORAGE_ID64, .rows = 1, .id64 = &span}},
        {column, {.storage = column->storage, .rows = 1, .bytes = &values[1]}},
    };
    if (column->storage == STORAGE_STR) {
        columns[3].vector.codes = &code;
        columns[3].vector.dict = &dict;
    }
    const struct batch batch = {
        .table = TABLE_SPANS, .rows = 1, .column_count = 4, .columns = columns};
    const struct append a = {.project = s->project, .spans = &batch};
    cr_expect_eq(engine_append(s->engine, &a, &result, &error), expected, "%s of %zu: %s",
                 column->name, size, error.text);
    if (expected < 0)
        cr_expect_not_null(strstr(error.text, column->name), "%s", error.text);
    mem_free(bytes);
    arena_deinit(&arena);
}

Test(engine_commit, sizes_have_limits)
{
    struct store s = store_sim(NULL);
    expect_size(&s, SPANS_model, STR_BYTES_MAX, STATUS_OK);
    expect_size(&s, SPANS_model, STR_BYTES_MAX + 1, STATUS_LIMIT);
    expect_size(&s, SPANS_attributes, TEXT_BYTES_MAX, STATUS_OK);
    expect_size(&s, SPANS_attributes, TEXT_BYTES_MAX + 1, STATUS_LIMIT);
    expect_size(&s, SPANS_input, 15, STATUS_INVALID);
    expect_size(&s, SPANS_input, 16 * ((size_t)MESSAGE_REFS_MAX + 1), STATUS_LIMIT);
    store_destroy(&s);
}

Test(engine_commit, columns_must_fit_the_project)
{
    struct store s = store_sim(NULL);
    struct builder b;
    struct append_result result;
    struct error error = {0};
    struct schema foreign;
    const struct column *column;
    schema_init(&foreign);
    cr_assert_eq(schema_add_score(&foreign, slice_text("score.q"), &column, NULL), STATUS_OK);
    builder_init(&b, TABLE_SPANS, &foreign);
    span_row(&b, 1, 1, HOUR0);
    builder_f64(&b, column->id, 1.0);
    cr_expect_eq(append_try(&s, (struct append){0}, &b, NULL, NULL, &result, &error),
                 STATUS_INVALID);
    cr_expect_not_null(strstr(error.text, "is not one of the project"));
    cr_expect_eq(append_try(&s, (struct append){.project = 9}, &b, NULL, NULL, &result, &error),
                 STATUS_NOT_FOUND);
    builder_deinit(&b);
    schema_deinit(&foreign);
    store_destroy(&s);
}

/* ---- busy, stalled, resumed ---- */

Test(engine_commit, too_much_in_memory_is_busy_until_it_is_sealed)
{
    struct engine_options options = store_options();
    options.head_bytes_max = 1 << 20;
    struct store s = store_sim(&options);
    struct error error = {0};
    struct append_result result;
    enum status status = STATUS_OK;
    uint64_t span = 0;
    while (status == STATUS_OK && span < 10000000) {
        struct builder b;
        rows_begin(&s, &b, TABLE_SPANS);
        for (int i = 0; i < 1000; i++)
            span_row(&b, 1, ++span, HOUR0);
        status = append_try(&s, (struct append){0}, &b, NULL, NULL, &result, &error);
        builder_deinit(&b);
    }
    cr_assert_eq(status, STATUS_BUSY, "%s", error.text);
    seal(&s);
    cr_expect_eq(append_span(&s, 2, 1, HOUR0).spans, 1);
    cr_expect_eq(row_count(&s, TABLE_SPANS), span - 1000 + 1);
    store_destroy(&s);
}

Test(engine_commit, a_full_disk_stops_commits_and_they_go_on_when_there_is_room)
{
    struct store s = store_sim(NULL);
    struct append_result queued, result;
    struct error error = {0};
    struct builder b;
    (void)append_span(&s, 1, 1, HOUR0);
    io_sim_set_fault(s.io, IO_SIM_FULL, io_sim_operations(s.io));
    rows_begin(&s, &b, TABLE_SPANS);
    span_row(&b, 2, 1, HOUR0);
    struct batch batch = builder_batch(&b);
    const struct append a = {.project = s.project, .spans = &batch};
    cr_assert_eq(engine_append(s.engine, &a, &queued, &error), STATUS_OK);
    cr_expect_eq(engine_wait(s.engine, queued.ticket, NS_PER_S, &error), STATUS_READ_ONLY, "%s",
                 error.text);
    cr_expect_eq(engine_append(s.engine, &a, &result, &error), STATUS_READ_ONLY);
    cr_expect_not(engine_health(s.engine).writable);
    cr_expect_neq(engine_health(s.engine).reason[0], 0);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 1, "what is stored stays readable");
    io_sim_set_fault(s.io, IO_SIM_NONE, 0);
    clock_fake(clock_monotonic_ns() + 2 * NS_PER_S);
    for (int i = 0; i < 10 && engine_pump(s.engine) < queued.ticket; i++)
        clock_fake(clock_monotonic_ns() + 2 * NS_PER_S);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 2, "what was queued is not lost");
    cr_expect(engine_health(s.engine).writable);
    cr_expect_eq(append_span(&s, 3, 1, HOUR0).spans, 1);
    clock_fake(0);
    builder_deinit(&b);
    store_reopen(&s);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 3);
    store_destroy(&s);
}

Test(engine_commit, a_store_opened_read_only_reads_the_log_and_writes_nothing)
{
    struct store s = store_disk("posix", NULL);
    (void)append_span(&s, 1, 1, HOUR0);
    seal(&s);
    (void)append_span(&s, 1, 2, HOUR0);
    s.options.read_only = true;
    store_reopen(&s);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 2);
    struct builder b;
    struct append_result result;
    rows_begin(&s, &b, TABLE_SPANS);
    span_row(&b, 1, 3, HOUR0);
    cr_expect_eq(append_try(&s, (struct append){0}, &b, NULL, NULL, &result, NULL),
                 STATUS_READ_ONLY);
    cr_expect_eq(engine_seal(s.engine, NULL), STATUS_READ_ONLY);
    builder_deinit(&b);
    s.options.read_only = false;
    store_reopen(&s);
    cr_expect_eq(row_count(&s, TABLE_SPANS), 2);
    store_destroy(&s);
}

Test(engine_commit, two_processes_can_not_have_one_store)
{
    struct store s = store_disk("posix", NULL);
    struct io *io;
    struct engine *second;
    cr_assert_eq(io_posix_backend_create(s.root, &io, NULL), STATUS_OK);
    cr_expect_eq(engine_open(io, &s.options, &second, NULL), STATUS_BUSY);
    io_destroy(io);
    store_destroy(&s);
}
