/*
 * test_engine_turn.c - turns of sessions, and the map that remembers them.
 */
#include "engine/turn.h"

#include "engine_fixture.h"

static void root(struct builder *b, uint64_t trace, uint64_t span, const char *session)
{
    span_row(b, trace, span, HOUR0 + (int64_t)trace);
    builder_str(b, SPANS_session, slice_text(session));
}

static void append_root(struct store *s, uint64_t trace, const char *session)
{
    struct builder b;
    rows_begin(s, &b, TABLE_SPANS);
    root(&b, trace, 1, session);
    (void)append(s, &b, NULL, NULL);
    builder_deinit(&b);
}

Test(engine_turn, the_nth_root_span_of_a_session_has_turn_n)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    root(&b, 1, 1, "a");
    root(&b, 2, 1, "b");
    root(&b, 3, 1, "a");
    root(&b, 3, 2, "a"); /* a child has no turn of its own */
    builder_id64(&b, SPANS_parent_id, 1);
    span_row(&b, 4, 1, HOUR0); /* no session, no turn */
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    expect_cell(&s, 1, 1, "turn", "1");
    expect_cell(&s, 2, 1, "turn", "1");
    expect_cell(&s, 3, 1, "turn", "2");
    expect_cell(&s, 3, 2, "turn", "NULL");
    expect_cell(&s, 4, 1, "turn", "NULL");
    append_root(&s, 5, "a");
    expect_cell(&s, 5, 1, "turn", "3");
    store_destroy(&s);
}

Test(engine_turn, counting_goes_on_after_restarts_and_seals)
{
    struct store s = store_sim(NULL);
    char expected[16];
    for (uint64_t i = 1; i <= 12; i++) {
        append_root(&s, i, "a");
        (void)snprintf(expected, sizeof expected, "%d", (int)i);
        expect_cell(&s, i, 1, "turn", expected);
        if (i % 3 == 0)
            seal(&s);
        if (i % 2 == 0)
            store_reopen(&s);
    }
    store_destroy(&s);
}

Test(engine_turn, a_turn_the_sender_gives_is_kept_and_counted_from)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    root(&b, 1, 1, "a");
    builder_i64(&b, SPANS_turn, 7);
    root(&b, 2, 1, "a");
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    expect_cell(&s, 1, 1, "turn", "7");
    expect_cell(&s, 2, 1, "turn", "8");
    append_root(&s, 3, "a");
    expect_cell(&s, 3, 1, "turn", "9");
    store_destroy(&s);
}

Test(engine_turn, a_refused_commit_uses_no_turn)
{
    struct store s = store_sim(NULL);
    struct builder b;
    struct append_result result;
    const struct id128 unknown = trace_of(99);
    rows_begin(&s, &b, TABLE_SPANS);
    root(&b, 1, 1, "a");
    builder_str(&b, SPANS_input, slice_of(unknown.bytes, sizeof unknown));
    cr_expect_eq(append_try(&s, (struct append){0}, &b, NULL, NULL, &result, NULL),
                 STATUS_NOT_FOUND);
    builder_deinit(&b);
    append_root(&s, 2, "a");
    expect_cell(&s, 2, 1, "turn", "1");
    store_destroy(&s);
}

Test(engine_turn, the_map_remembers_the_highest_turn_of_many_sessions)
{
    struct turn_map m = {0};
    int64_t turn;
    cr_expect_not(turn_map_find(&m, 5, &turn));
    for (uint64_t i = 0; i < 100000; i++)
        turn_map_raise(&m, hash_mix(i), (int64_t)i);
    uint64_t remembered = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        turn_map_raise(&m, hash_mix(i), 1);
        cr_assert(turn_map_find(&m, hash_mix(i), &turn));
        remembered += turn == (i == 0 ? 1 : (int64_t)i);
    }
    /* A full neighbourhood may forget one; that is rare. */
    cr_expect_gt(remembered, 99000);
    turn_map_deinit(&m);
}

Test(engine_turn, the_map_stays_bounded)
{
    struct turn_map m = {0};
    for (uint64_t i = 0; i < 3 * (uint64_t)TURN_SESSIONS_MAX; i++)
        turn_map_raise(&m, hash_mix(i), 1);
    cr_expect_leq(m.mask, 2 * TURN_SESSIONS_MAX - 1);
    cr_expect_leq(m.count, m.mask + 1);
    turn_map_deinit(&m);
}
