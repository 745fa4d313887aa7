/*
 * test_engine_amend.c - scores and tags: with their span, after it, before it; in a head, in a segment, merged,
 * restarted. Each stage ends with the same questions.
 */
#include "engine_fixture.h"

/* What happens between the amendments: an index, for tests that try all. */
enum step {
    STEP_NONE,
    STEP_SEAL,
    STEP_RESTART,
    STEP_SEAL_RESTART,
    STEP_COMPACT,
    STEP_COUNT
};

static void step(struct store *s, enum step what)
{
    if (what == STEP_SEAL || what == STEP_SEAL_RESTART || what == STEP_COMPACT)
        seal(s);
    if (what == STEP_COMPACT)
        (void)compact_full(s);
    if (what == STEP_RESTART || what == STEP_SEAL_RESTART)
        store_reopen(s);
}

Test(engine_amend, scores_with_their_span_become_its_columns)
{
    for (enum step what = STEP_NONE; what < STEP_COUNT; what++) {
        struct store s = store_sim(NULL);
        struct builder spans, scores, tags;
        rows_begin(&s, &spans, TABLE_SPANS);
        rows_begin(&s, &scores, TABLE_SCORES);
        rows_begin(&s, &tags, TABLE_TAGS);
        span_row(&spans, 1, 1, HOUR0);
        span_row(&spans, 1, 2, HOUR0 + 1);
        score_row(&scores, 1, 2, "q", 0.25);
        score_row(&scores, 1, 2, "q", 0.5); /* within a commit the later row wins */
        score_row(&scores, 1, 1, "other", 3);
        tag_row(&tags, 1, 1, "refusal", "rule");
        (void)append(&s, &spans, &scores, &tags);
        step(&s, what);
        expect_cell(&s, 1, 1, "score.q", "NULL");
        expect_cell(&s, 1, 2, "score.q", "0.5");
        expect_cell(&s, 1, 1, "score.other", "3");
        expect_cell(&s, 1, 1, "error_class", "refusal");
        expect_cell(&s, 1, 1, "class_source", "rule");
        expect_cell(&s, 1, 2, "error_class", "none");
        cr_expect_eq(row_count(&s, TABLE_SCORES), 3);
        cr_expect_eq(row_count(&s, TABLE_TAGS), 1);
        builder_deinit(&spans);
        builder_deinit(&scores);
        builder_deinit(&tags);
        store_destroy(&s);
    }
}

/* Two amendments of one cell with anything before, between and after them. */
static void late(enum step first, enum step second, enum step third)
{
    struct store s = store_sim(NULL);
    (void)append_span(&s, 1, 1, HOUR0);
    (void)append_span(&s, 1, 2, HOUR0 + NS_PER_HOUR);
    step(&s, first);
    (void)append_score(&s, 1, 1, "q", 0.25);
    (void)append_tag(&s, 1, 2, "timeout", "human");
    expect_cell(&s, 1, 1, "score.q", "0.25");
    expect_cell(&s, 1, 2, "error_class", "timeout");
    step(&s, second);
    expect_cell(&s, 1, 1, "score.q", "0.25");
    (void)append_score(&s, 1, 1, "q", 0.5);
    (void)append_tag(&s, 1, 2, "refusal", "judge");
    step(&s, third);
    expect_cell(&s, 1, 1, "score.q", "0.5");
    expect_cell(&s, 1, 2, "score.q", "NULL");
    expect_cell(&s, 1, 1, "error_class", "none");
    expect_cell(&s, 1, 2, "error_class", "refusal");
    expect_cell(&s, 1, 2, "class_source", "judge");
    cr_expect_eq(row_count(&s, TABLE_SPANS), 2);
    cr_expect_eq(row_count(&s, TABLE_SCORES), 2, "history keeps both");
    cr_expect_eq(row_count(&s, TABLE_TAGS), 2);
    store_destroy(&s);
}

Test(engine_amend, the_latest_amendment_wins_whatever_happens_in_between)
{
    for (enum step a = STEP_NONE; a < STEP_COUNT; a++) {
        for (enum step b = STEP_NONE; b < STEP_COUNT; b++) {
            for (enum step c = STEP_NONE; c < STEP_COUNT; c++)
                late(a, b, c);
        }
    }
}

/* Amendments wait for their span. */
static void early(enum step first, enum step second)
{
    struct store s = store_sim(NULL);
    (void)append_score(&s, 1, 1, "q", 0.25);
    (void)append_tag(&s, 1, 1, "timeout", "human");
    (void)append_score(&s, 1, 1, "q", 0.5);
    step(&s, first);
    cr_expect_str_eq(cell_of(&s, TABLE_SPANS, 1, 1, "score.q", false), "absent");
    (void)append_span(&s, 1, 1, HOUR0);
    expect_cell(&s, 1, 1, "score.q", "0.5");
    expect_cell(&s, 1, 1, "error_class", "timeout");
    step(&s, second);
    expect_cell(&s, 1, 1, "score.q", "0.5");
    expect_cell(&s, 1, 1, "error_class", "timeout");
    expect_cell(&s, 1, 1, "class_source", "human");
    (void)append_score(&s, 1, 1, "q", 0.75);
    step(&s, STEP_SEAL_RESTART);
    expect_cell(&s, 1, 1, "score.q", "0.75");
    store_destroy(&s);
}

Test(engine_amend, amendments_before_their_span_find_it)
{
    for (enum step a = STEP_NONE; a < STEP_COUNT; a++) {
        for (enum step b = STEP_NONE; b < STEP_COUNT; b++)
            early(a, b);
    }
}

Test(engine_amend, a_score_that_comes_with_the_span_is_later_than_one_that_waited)
{
    struct store s = store_sim(NULL);
    struct builder spans, scores;
    (void)append_score(&s, 1, 1, "q", 0.25);
    rows_begin(&s, &spans, TABLE_SPANS);
    rows_begin(&s, &scores, TABLE_SCORES);
    span_row(&spans, 1, 1, HOUR0);
    score_row(&scores, 1, 1, "q", 0.5);
    (void)append(&s, &spans, &scores, NULL);
    expect_cell(&s, 1, 1, "score.q", "0.5");
    step(&s, STEP_SEAL_RESTART);
    expect_cell(&s, 1, 1, "score.q", "0.5");
    builder_deinit(&spans);
    builder_deinit(&scores);
    store_destroy(&s);
}

Test(engine_amend, amendments_of_one_commit_are_seen_together_or_not_at_all)
{
    struct store s = store_sim(NULL);
    struct builder scores;
    struct append_result result;
    for (uint64_t i = 1; i <= 50; i++)
        (void)append_span(&s, i, 1, HOUR0);
    seal(&s);
    rows_begin(&s, &scores, TABLE_SCORES);
    for (uint64_t i = 1; i <= 50; i++)
        score_row(&scores, i, 1, "q", 1);
    struct batch batch = builder_batch(&scores);
    const struct append a = {.project = s.project, .scores = &batch};
    cr_assert_eq(engine_append(s.engine, &a, &result, NULL), STATUS_OK);
    for (uint64_t i = 1; i <= 50; i++)
        expect_cell(&s, i, 1, "score.q", "NULL");
    cr_assert_eq(engine_wait(s.engine, result.ticket, NS_PER_S, NULL), STATUS_OK);
    for (uint64_t i = 1; i <= 50; i++)
        expect_cell(&s, i, 1, "score.q", "1");
    builder_deinit(&scores);
    store_destroy(&s);
}

/* ---- dimensions ---- */

static void dimension_spans(struct store *s)
{
    struct builder b;
    rows_begin(s, &b, TABLE_SPANS);
    for (uint64_t i = 1; i <= 3; i++) {
        char text[32];
        span_row(&b, i, 1, HOUR0);
        (void)snprintf(text, sizeof text, "session-%d", (int)i);
        builder_str(&b, SPANS_session, slice_text(text));
        builder_str(&b, SPANS_prompt_version, slice_text(i == 2 ? "v2" : "v1"));
    }
    (void)append(s, &b, NULL, NULL);
    builder_deinit(&b);
}

Test(engine_amend, scores_carry_the_dimensions_of_their_span)
{
    for (enum step what = STEP_NONE; what < STEP_COUNT; what++) {
        struct store s = store_sim(NULL);
        struct builder scores;
        dimension_spans(&s);
        step(&s, what);
        rows_begin(&s, &scores, TABLE_SCORES);
        for (uint64_t i = 1; i <= 4; i++) {
            score_row(&scores, i, 1, "q", 1);
            builder_str(&scores, SCORES_session, slice_text("as sent"));
        }
        (void)append(&s, NULL, &scores, NULL);
        builder_deinit(&scores);
        step(&s, what);
        cr_expect_str_eq(cell_of(&s, TABLE_SCORES, 1, 1, "session", false), "session-1");
        cr_expect_str_eq(cell_of(&s, TABLE_SCORES, 2, 1, "prompt_version", false), "v2");
        cr_expect_str_eq(cell_of(&s, TABLE_SCORES, 3, 1, "prompt_version", false), "v1");
        cr_expect_str_eq(cell_of(&s, TABLE_SCORES, 1, 1, "model", false), "NULL");
        cr_expect_str_eq(cell_of(&s, TABLE_SCORES, 4, 1, "session", false), "as sent",
                         "of an unknown span the sender's word stands");
        store_destroy(&s);
    }
}

Test(engine_amend, scores_of_a_trace_without_a_span_are_history_only)
{
    struct store s = store_sim(NULL);
    struct builder scores;
    (void)append_span(&s, 1, 1, HOUR0);
    rows_begin(&s, &scores, TABLE_SCORES);
    builder_row(&scores);
    builder_id128(&scores, SCORES_trace_id, trace_of(1));
    builder_str(&scores, SCORES_name, slice_text("q"));
    builder_f64(&scores, SCORES_value, 1);
    (void)append(&s, NULL, &scores, NULL);
    cr_expect_eq(row_count(&s, TABLE_SCORES), 1);
    expect_cell(&s, 1, 1, "score.q", "NULL");
    builder_deinit(&scores);
    store_destroy(&s);
}

/* ---- patch files ---- */

Test(engine_amend, many_seals_with_amendments_keep_few_patch_files)
{
    struct store s = store_sim(NULL);
    char expected[32];
    for (uint64_t i = 1; i <= 10; i++)
        (void)append_span(&s, i, 1, HOUR0);
    seal(&s);
    for (int round = 1; round <= 30; round++) {
        for (uint64_t i = 1; i <= 10; i++)
            (void)append_score(&s, i, 1, "q", round * 100 + (int)i);
        seal(&s);
        if (round % 7 == 0)
            store_reopen(&s);
    }
    store_reopen(&s);
    for (uint64_t i = 1; i <= 10; i++) {
        (void)snprintf(expected, sizeof expected, "%d", 3000 + (int)i);
        expect_cell(&s, i, 1, "score.q", expected);
    }
    cr_expect_eq(row_count(&s, TABLE_SCORES), 300);
    store_destroy(&s);
}
