/*
 * test_loop.c - the same call again: in the history an agent sends, and across spans that send none.
 */
#include "engine/enrich/trace_memory.h"
#include "tests/unit/engine/enrich/scorer_fixture.h"

#define CALL(id)                                                                                   \
    "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"find\","       \
    "\"arguments\":\"{\\\"id\\\":" id "}\"}}]}"

static bool is_loop(struct fixture *f)
{
    const struct score *score = fixture_score(f, SCORER_no_loop);
    return score != NULL && slice_is(score->error_class, "loop");
}

Test(loop, repeats_in_the_history_are_counted)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"find it\"}");
    fixture_output(f, CALL("7"));
    cr_expect_eq(fixture_run(f, SCORER_no_loop), 1);
    fixture_input(f, CALL("7"));
    fixture_input(f, "{\"role\":\"tool\",\"content\":\"\"}");
    cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 0.5, 1e-12);
    cr_expect_not(is_loop(f));
    fixture_input(f, CALL("8"));
    cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 0.5, 1e-12);
    fixture_input(f, CALL(" 7.0"));
    cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 1.0 / 3, 1e-12);
    cr_expect(is_loop(f));
    char finding[200];
    (void)snprintf(finding, sizeof finding, "%.*s",
                   SLICE_ARG(fixture_score(f, SCORER_no_loop)->finding));
    cr_expect_str_eq(finding, "find was called 3 times with the same arguments");
    fixture_end(f);
}

Test(loop, the_number_of_repeats_is_an_option)
{
    struct scorer_options o;
    scorer_options_init(&o);
    for (int64_t repeats = 2; repeats <= 12; repeats++) {
        o.loop_repeats = repeats;
        struct fixture *f = fixture_begin(&o);
        fixture_input(f, "{\"role\":\"user\",\"content\":\"find it\"}");
        fixture_output(f, CALL("7"));
        for (int64_t made = 1; made <= repeats + 1; made++) {
            cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 1.0 / (double)made, 1e-12);
            cr_expect_eq(is_loop(f), made >= repeats, "%ld of %ld", (long)made, (long)repeats);
            fixture_input(f, CALL("7"));
        }
        fixture_end(f);
    }
}

Test(loop, the_same_call_twice_in_one_answer_is_a_repeat)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, "{\"role\":\"user\",\"content\":\"find it\"}");
    fixture_output(f, CALL("7"));
    fixture_output(f, CALL("9"));
    cr_expect_eq(fixture_run(f, SCORER_no_loop), 1);
    fixture_output(f, CALL("7"));
    cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 0.5, 1e-12);
    fixture_end(f);
}

Test(loop, without_calls_there_is_no_score)
{
    struct fixture *f = fixture_begin(NULL);
    fixture_input(f, CALL("7"));
    fixture_output(f, "{\"role\":\"assistant\",\"content\":\"done\"}");
    cr_expect(isnan(fixture_run(f, SCORER_no_loop)));
    fixture_end(f);
}

static void tool_span(struct fixture *f, uint8_t trace, uint64_t span, const char *arguments)
{
    fixture_span(f);
    f->view.kind = slice_text("tool");
    f->view.tool_name = slice_text("find");
    f->view.tool_args = slice_text(arguments);
    f->view.trace_id.bytes[15] = trace;
    f->view.span_id = span;
}

Test(loop, tool_spans_of_a_trace_are_remembered)
{
    struct fixture *f = fixture_begin(NULL);
    tool_span(f, 1, 10, "{\"id\":7}");
    cr_expect_eq(fixture_run(f, SCORER_no_loop), 1);
    cr_expect_eq(fixture_run(f, SCORER_no_loop), 1, "the same span again is no repeat");
    tool_span(f, 1, 11, "{\"id\": 7}");
    cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 0.5, 1e-12);
    tool_span(f, 1, 12, "{\"id\":8}");
    cr_expect_eq(fixture_run(f, SCORER_no_loop), 1);
    tool_span(f, 2, 13, "{\"id\":7}");
    cr_expect_eq(fixture_run(f, SCORER_no_loop), 1, "another trace");
    tool_span(f, 1, 14, "{\"id\":7}");
    cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 1.0 / 3, 1e-12);
    cr_expect(is_loop(f));
    tool_span(f, 1, 11, "{\"id\":7}");
    cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 0.5, 1e-12, "as when it came");
    tool_span(f, 0, 15, "{\"id\":7}");
    cr_expect(isnan(fixture_run(f, SCORER_no_loop)), "no trace, no memory");
    fixture_end(f);
}

Test(loop, generations_without_history_are_remembered_apart_from_executions)
{
    struct fixture *f = fixture_begin(NULL);
    for (uint64_t span = 1; span <= 3; span++) {
        fixture_span(f);
        f->view.trace_id.bytes[0] = 1;
        f->view.span_id = span * 100;
        fixture_output(f, CALL("7"));
        cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 1.0 / (double)span, 1e-12);
        tool_span(f, 0, span * 100 + 50, "{\"id\":7}");
        f->view.trace_id.bytes[0] = 1;
        cr_expect_float_eq(fixture_run(f, SCORER_no_loop), 1.0 / (double)span, 1e-12);
    }
    fixture_end(f);
}

Test(loop, the_trace_memory_forgets_the_quietest)
{
    struct trace_memory *m = trace_memory_create();
    struct id128 id = {{0}};
    for (uint32_t trace = 0; trace < 4 * TRACE_MEMORY_TRACES; trace++) {
        memcpy(id.bytes, &trace, sizeof trace);
        id.bytes[15] = 1;
        for (uint64_t span = 1; span <= 3; span++)
            cr_assert_eq(trace_memory_note(m, id, span, 42), span);
    }
    uint32_t newest = 4 * TRACE_MEMORY_TRACES - 1;
    memcpy(id.bytes, &newest, sizeof newest);
    cr_expect_eq(trace_memory_note(m, id, 4, 42), 4);
    uint32_t oldest = 0;
    memcpy(id.bytes, &oldest, sizeof oldest);
    cr_expect_eq(trace_memory_note(m, id, 4, 42), 1);
    trace_memory_destroy(m);
}

Test(loop, only_the_newest_calls_of_a_trace_are_kept)
{
    struct trace_memory *m = trace_memory_create();
    struct id128 id = {{1}};
    cr_expect_eq(trace_memory_note(m, id, 1, 1), 1);
    for (uint64_t call = 2; call <= TRACE_MEMORY_CALLS; call++)
        cr_expect_eq(trace_memory_note(m, id, call, call), 1);
    cr_expect_eq(trace_memory_note(m, id, 100, 1), 2);
    cr_expect_eq(trace_memory_note(m, id, 101, 3), 2);
    cr_expect_eq(trace_memory_note(m, id, 102, 2), 1, "its first call left when the ring was full");
    trace_memory_destroy(m);
}

Test(loop, late_and_repeated_spans_count_what_was_before_them)
{
    struct trace_memory *m = trace_memory_create();
    struct id128 id = {{1}};
    uint32_t made = TRACE_MEMORY_CALLS + 10;
    for (uint32_t i = 1; i <= made; i++) {
        uint32_t expected = i <= TRACE_MEMORY_CALLS ? i : TRACE_MEMORY_CALLS + 1;
        cr_expect_eq(trace_memory_note_at(m, id, i, i * 10, 42), expected);
    }
    /* Scored again: the first ten are older than all that is kept. */
    for (uint32_t i = 1; i <= 10; i++)
        cr_expect_eq(trace_memory_note_at(m, id, i, i * 10, 42), 1);
    for (uint32_t i = 11; i <= made; i++)
        cr_expect_eq(trace_memory_note_at(m, id, i, i * 10, 42), i - 10);
    /* A late span between two known ones pushes out the oldest. */
    cr_expect_eq(trace_memory_note_at(m, id, 1000, 205, 42), 11);
    cr_expect_eq(trace_memory_note_at(m, id, 1000, 205, 42), 10);
    cr_expect_eq(trace_memory_note_at(m, id, 2000, 1, 42), 1);
    trace_memory_destroy(m);
}
