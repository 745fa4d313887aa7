/*
 * test_enrich_trace.c - retry loops, and spans that never came.
 */
#include "enrich_fixture.h"

static void failing_tool(struct desk *d, const char *args)
{
    desk_row(d, "tool");
    desk_text(d, SPANS_tool_name, "lookup");
    desk_text(d, SPANS_tool_args, args);
    desk_text(d, SPANS_status, "error");
}

Test(enrich_trace, the_same_failing_call_again_and_again_is_a_loop)
{
    struct desk *d = desk_begin(NULL);
    failing_tool(d, "{\"id\":1}");
    failing_tool(d, "{\"id\": 1}");
    failing_tool(d, "{\"id\":2}");
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 0, "no_retry_loop"), 1);
    cr_expect_eq(desk_score(d, 1, "no_retry_loop"), 0.5,
                 "white space in arguments is no difference");
    cr_expect_eq(desk_score(d, 2, "no_retry_loop"), 1);
    cr_expect_str_eq(desk_class(d, 1), "tool_error");
    desk_next(d);
    failing_tool(d, "{\"id\":1}"); /* in another batch */
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "loop");
    cr_expect(desk_finding(d, 0, "the same call failed 3 times in this trace"));
    desk_end(d);
}

Test(enrich_trace, a_rate_limit_stays_the_cause_of_its_retries)
{
    struct desk *d = desk_begin(NULL);
    for (int i = 0; i < 4; i++) {
        desk_row(d, "llm");
        desk_text(d, SPANS_model, "gpt-4o");
        builder_i64(&d->in, SPANS_http_status, 429);
        desk_message(d, SPANS_input, "{\"role\":\"user\",\"content\":\"hello\"}");
    }
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 3), "rate_limit");
    cr_expect_eq(desk_score(d, 3, "no_retry_loop"), 0.25);
    desk_end(d);
}

Test(enrich_trace, calls_that_succeed_or_ask_something_else_are_no_retries)
{
    struct desk *d = desk_begin(NULL);
    for (int i = 0; i < 3; i++) {
        desk_row(d, "llm");
        desk_text(d, SPANS_status, "error");
        desk_message(d, SPANS_input,
                     i == 0   ? "{\"role\":\"user\",\"content\":\"a\"}"
                     : i == 1 ? "{\"role\":\"user\",\"content\":\"b\"}"
                              : "{\"role\":\"user\",\"content\":\"c\"}");
        desk_row(d, "llm");
        desk_text(d, SPANS_status, "ok");
        desk_message(d, SPANS_input, "{\"role\":\"user\",\"content\":\"same\"}");
    }
    desk_enrich(d);
    for (uint32_t row = 0; row < 6; row++)
        cr_expect_eq(desk_score(d, row, "no_retry_loop"), row % 2 == 0 ? 1 : -1, "row %u", row);
    desk_end(d);
}

Test(enrich_trace, a_span_sent_twice_is_no_retry)
{
    struct desk *d = desk_begin(NULL);
    failing_tool(d, "{}");
    for (int i = 0; i < 4; i++) {
        desk_enrich(d);
        cr_expect_eq(desk_score(d, 0, "no_retry_loop"), 1);
    }
    desk_end(d);
}

/* A row with a parent (0: none) that has ended. */
static uint64_t member(struct desk *d, const char *kind, uint64_t parent)
{
    uint64_t id = desk_row(d, kind);
    if (parent != 0)
        builder_id64(&d->in, SPANS_parent_id, parent);
    builder_i64(&d->in, SPANS_latency_ms, 5);
    return id;
}

Test(enrich_trace, a_parent_that_never_came_shows_on_the_root)
{
    struct desk *d = desk_begin(NULL);
    member(d, "llm", 0xdead);
    member(d, "llm", 0xdead);
    member(d, "tool", 100);
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 0, "trace_complete"), -1, "nothing can be said before the root");
    desk_next(d);
    d->next_id = 100;
    member(d, "chain", 0);
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 0, "trace_complete"), 4.0 / 5);
    cr_expect(desk_finding(
        d, 0,
        "1 parent named by spans of this trace had not come when its root did: 000000000000dead"));
    cr_expect_str_eq(desk_class(d, 0), "none");
    desk_end(d);
}

Test(enrich_trace, a_trace_that_came_whole_is_complete_in_any_order)
{
    for (int order = 0; order < 2; order++) {
        struct desk *d = desk_begin(NULL);
        uint64_t root = 50;
        if (order == 0) { /* children first, in two batches */
            member(d, "llm", root);
            member(d, "tool", 1);
            desk_enrich(d);
            desk_next(d);
        }
        d->next_id = root;
        member(d, "agent", 0);
        if (order == 1) { /* root first, in one batch */
            d->next_id = 1;
            member(d, "llm", root);
            member(d, "tool", 1);
        }
        desk_enrich(d);
        cr_expect_eq(desk_score(d, 0, "trace_complete"), 1, "order %d", order);
        cr_expect(!desk_has(d, 0, SPANS_findings));
        desk_end(d);
    }
}

Test(enrich_trace, an_agent_without_children_did_its_work_unseen)
{
    struct desk *d = desk_begin(NULL);
    uint64_t agent = member(d, "agent", 0);
    uint64_t busy = member(d, "agent", agent);
    member(d, "llm", busy);
    uint64_t idle = member(d, "agent", agent);
    (void)idle;
    desk_row(d, "agent"); /* still running */
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 0, "trace_complete"), 1);
    cr_expect_eq(desk_score(d, 1, "trace_complete"), -1);
    cr_expect_eq(desk_score(d, 3, "trace_complete"), 0);
    cr_expect(desk_finding(d, 3, "no child of this finished agent"));
    cr_expect_eq(desk_score(d, 4, "trace_complete"), -1);
    desk_end(d);
}

Test(enrich_trace, traces_with_too_much_missing_get_no_verdict)
{
    struct desk *d = desk_begin(NULL);
    for (uint64_t i = 0; i < 40; i++)
        member(d, "llm", 0x10000 + i);
    member(d, "chain", 0);
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 40, "trace_complete"), -1);
    desk_end(d);
}

Test(enrich_trace, can_be_switched_off)
{
    struct enrich_settings s = desk_settings();
    s.scorers.disabled = 3ull << SCORER_COUNT;
    struct desk *d = desk_begin(&s);
    failing_tool(d, "{}");
    member(d, "llm", 0xdead);
    member(d, "chain", 0);
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 0, "no_retry_loop"), -1);
    cr_expect_eq(desk_score(d, 2, "trace_complete"), -1);
    desk_end(d);
}

static void no_trace_score(void *context, uint32_t row, const struct score *score)
{
    (void)context;
    cr_expect(strcmp(score->name, "trace_complete") != 0 &&
                  strcmp(score->name, "no_retry_loop") != 0,
              "row %u: %s", row, score->name);
}

Test(enrich_trace, history_is_not_judged_by_what_comes_with_it)
{
    struct desk *d = desk_begin(NULL);
    failing_tool(d, "{}");
    member(d, "llm", 0xdead);
    member(d, "agent", 0);
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 2, "trace_complete"), 0);
    d->work.spans = builder_batch(&d->in);
    cr_assert_eq(enrich_scores(d->enricher, &d->work, no_trace_score, NULL, &d->error), STATUS_OK);
    desk_end(d);
}

Test(enrich_trace, more_traces_than_are_remembered)
{
    struct desk *d = desk_begin(NULL);
    for (uint32_t batch = 0; batch < 20; batch++) {
        for (uint32_t i = 0; i < 1000; i++) {
            uint64_t id = d->next_id;
            member(d, "llm", 0);
            struct id128 trace = desk_trace(2);
            memcpy(trace.bytes, &id, sizeof id);
            builder_id128(&d->in, SPANS_trace_id, trace);
        }
        desk_enrich(d);
        desk_next(d);
        arena_reset(&d->arena);
    }
    desk_end(d);
}
