/*
 * test_judge_queue.c - what is queued, who gets it, what happens to it.
 */
#include "judge_fixture.h"

#include <string.h>

static const struct judge_rule all = {
    .name = "all", .sample = 1, .scorer = "helpful", .scorer_version = "v1", .judge_model = "m"};

static struct judge_rule rule_where(const char *name, const char *where)
{
    return (struct judge_rule){.name = name, .where = where, .sample = 1, .scorer = "helpful"};
}

/* ---- filling ---- */

Test(judge_queue, every_llm_span_is_queued_once)
{
    struct desk d;
    struct builder b;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    add_span(&d, 2, 1, NULL);
    rows_begin(&d.store, &b, TABLE_SPANS);
    span_row(&b, 3, 1, HOUR0);
    builder_str(&b, SPANS_kind, slice_text("tool"));
    (void)append(&d.store, &b, NULL, NULL);
    builder_deinit(&b);
    cr_expect_eq(fill(&d), 2);
    cr_expect_eq(fill(&d), 0);
    add_span(&d, 1, 2, NULL);
    cr_expect_eq(fill(&d), 1);
    expect_answer(&d, "select count(*) from judge_queue where state = 'queued'", "3");
    desk_close(&d);
}

Test(judge_queue, a_new_rule_begins_now_and_an_old_one_goes_on)
{
    struct desk d;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    cr_expect_eq(fill(&d), 1);
    add_span(&d, 2, 1, NULL);
    d.rules[1] = rule_where("late", "");
    d.rule_count = 2;
    desk_restart(&d);
    add_span(&d, 3, 1, NULL);
    cr_expect_eq(fill(&d), 3);
    expect_answer(&d, "select count(*) from judge_queue where rule = 'all'", "3");
    expect_answer(&d, "select count(*) from judge_queue where rule = 'late'", "1");
    desk_close(&d);
}

Test(judge_queue, a_condition_selects_and_scores_that_nobody_has_are_null)
{
    struct desk d;
    const struct judge_rule rules[] = {
        rule_where("timeouts", "error_class = 'timeout' -- only these"),
        rule_where("low", "score.q < 0.5"),
        rule_where("either", "span_id = '0000000000000002' or error_class = 'timeout'")};
    desk_open(&d, rules, 3);
    add_span(&d, 1, 1, "timeout");
    add_span(&d, 1, 2, NULL);
    add_span(&d, 1, 3, "refusal");
    (void)append_score(&d.store, 1, 3, "q", 0.25);
    (void)fill(&d);
    expect_answer(&d, "select count(*) from judge_queue where rule = 'timeouts'", "1");
    expect_answer(&d, "select span_id from judge_queue where rule = 'low'", "0000000000000003");
    expect_answer(&d, "select count(*) from judge_queue where rule = 'either'", "2");
    desk_close(&d);
}

Test(judge_queue, samples_follow_the_trace_and_flagged_spans_come_anyway)
{
    struct desk d;
    struct judge_rule rules[] = {rule_where("quarter", ""), rule_where("again", ""),
                                 rule_where("flagged", ""), rule_where("only_flagged", "")};
    rules[0].sample = rules[1].sample = rules[2].sample = 0.25;
    rules[2].flagged = rules[3].flagged = true;
    rules[3].sample = 0;
    desk_open(&d, rules, 4);
    struct builder b;
    rows_begin(&d.store, &b, TABLE_SPANS);
    for (uint64_t i = 1; i <= 2000; i++) {
        span_row(&b, i, 1, HOUR0 + (int64_t)i);
        builder_str(&b, SPANS_kind, slice_text("llm"));
        if (i % 100 == 0)
            builder_str(&b, SPANS_error_class, slice_text("refusal"));
        if (i % 100 == 50)
            builder_str(&b, SPANS_findings, slice_text("{\"q\":\"low\"}"));
    }
    (void)append(&d.store, &b, NULL, NULL);
    builder_deinit(&b);
    (void)fill(&d);
    long quarter =
        strtol(ask(&d, "select count(*) from judge_queue where rule = 'quarter'"), NULL, 10);
    cr_expect(quarter > 430 && quarter < 570, "%ld of 2000 at a share of 0.25", quarter);
    expect_answer(
        &d,
        "select count(*) from (select trace_id, count(*) as n from judge_queue where rule in ('quarter','again')"
        " group by trace_id) t where n <> 2",
        "0");
    expect_answer(&d, "select count(*) from judge_queue where rule = 'only_flagged'", "40");
    expect_answer(&d, "select count(*) from judge_queue where rule = 'flagged' and flagged", "40");
    cr_expect_geq(
        strtol(ask(&d, "select count(*) from judge_queue where rule = 'flagged'"), NULL, 10),
        quarter);
    desk_close(&d);
}

Test(judge_queue, a_span_that_is_tagged_later_is_flagged_too)
{
    struct desk d;
    struct judge_rule rule = rule_where("flagged", "");
    rule.sample = 0;
    rule.flagged = true;
    desk_open(&d, &rule, 1);
    add_span(&d, 1, 1, NULL);
    add_span(&d, 1, 2, NULL);
    cr_expect_eq(fill(&d), 0);
    (void)append_tag(&d.store, 1, 2, "hallucination", "human");
    cr_expect_eq(fill(&d), 1);
    expect_answer(&d, "select span_id from judge_queue", "0000000000000002");
    (void)append_tag(&d.store, 1, 1, "none", "human");
    cr_expect_eq(fill(&d), 0);
    desk_close(&d);
}

Test(judge_queue, a_condition_over_scores_and_classes_sees_what_comes_later)
{
    struct desk d;
    const struct judge_rule rules[] = {rule_where("down", "score.thumbs < 0.5"),
                                       rule_where("refused", "error_class = 'refusal'"),
                                       rule_where("plain", "kind = 'llm'")};
    desk_open(&d, rules, 3);
    for (uint64_t i = 1; i <= 3; i++)
        add_span(&d, 1, i, NULL);
    cr_expect_eq(fill(&d), 3, "by the plain rule");
    (void)append_score(&d.store, 1, 1, "thumbs", 0);
    (void)append_score(&d.store, 1, 2, "thumbs", 1);
    cr_expect_eq(fill(&d), 1);
    expect_answer(&d, "select span_id from judge_queue where rule = 'down'", "0000000000000001");
    (void)append_score(&d.store, 1, 2, "thumbs", 0.25);
    (void)append_tag(&d.store, 1, 3, "refusal", "human");
    cr_expect_eq(fill(&d), 2);
    expect_answer(&d, "select span_id from judge_queue where rule = 'refused'", "0000000000000003");
    (void)append_score(&d.store, 1, 2, "thumbs", 0);
    (void)append_score(&d.store, 9, 9, "thumbs", 0); /* of a span that is not there yet */
    cr_expect_eq(fill(&d), 0);
    add_span(&d, 9, 9, NULL);
    cr_expect_eq(fill(&d), 2, "by the plain rule, and thumbs down");
    desk_close(&d);
}

Test(judge_queue, of_an_amended_trace_only_the_amended_span_is_looked_at_again)
{
    struct desk d;
    struct judge_rule rule = rule_where("flagged", "");
    rule.flagged = true;
    desk_open(&d, &rule, 1);
    add_span(&d, 1, 1, NULL);
    add_span(&d, 1, 2, NULL);
    (void)fill(&d);
    for (int i = 0; i < 2; i++)
        cr_expect_eq(complete_item(&d, &lease(&d, 1).items[0], 1, NULL), STATUS_OK);
    later(8 * NS_PER_DAY);
    cr_expect_eq(fill(&d), 0);
    expect_answer(&d, "select count(*) from judge_queue", "0");
    (void)append_tag(&d.store, 1, 2, "refusal", "human");
    cr_expect_eq(fill(&d), 1, "a new reason to look, a week later");
    expect_answer(&d, "select span_id from judge_queue", "0000000000000002");
    desk_close(&d);
}

Test(judge_queue, more_rows_than_a_page_and_a_commit_that_straddles_it)
{
    struct desk d;
    desk_open(&d, &all, 1);
    for (uint64_t commit = 0; commit < 2; commit++) {
        struct builder b;
        rows_begin(&d.store, &b, TABLE_SPANS);
        for (uint64_t i = 1; i <= 40000; i++) {
            span_row(&b, 1 + i / 100, commit * 40000 + i, HOUR0);
            builder_str(&b, SPANS_kind, slice_text("llm"));
        }
        (void)append(&d.store, &b, NULL, NULL);
        builder_deinit(&b);
    }
    cr_expect_eq(fill(&d), 80000);
    cr_expect_eq(fill(&d), 0);
    desk_close(&d);
}

/* ---- rules that can't be ---- */

static enum status open_rule(struct desk *d, struct judge_rule rule, struct error *reterr)
{
    struct judge *judge = NULL;
    enum status s = judge_open(d->store.engine, d->db, d->control, &rule, 1, &judge, reterr);
    judge_close(judge);
    return s;
}

Test(judge_queue, a_rule_that_cannot_be_is_refused_by_name)
{
    struct desk d;
    struct judge_rule bad;
    desk_open(&d, &all, 1);
    static const char *const conditions[] = {
        "nope = 1",     "kind = 'llm') or (true",     "true) group by (kind",
        "count(*) > 1", "true group by kind",         "kind = 'llm",
        "kind",         "true order by time limit 1", "kind = $1",
        "(select 1"};
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        struct error error = {0};
        cr_expect_eq(open_rule(&d, rule_where("bad", conditions[i]), &error), STATUS_INVALID, "%s",
                     conditions[i]);
        cr_expect(strstr(error.text, "judge bad: where") != NULL, "%s: %s", conditions[i],
                  error.text);
    }
    expect_refused(open_rule(&d, rule_where("", ""), &refusal), STATUS_INVALID,
                   "a name has 1 to 256");
    bad = rule_where("bad", "");
    bad.scorer = "a b";
    expect_refused(open_rule(&d, bad, &refusal), STATUS_INVALID, "'a b' is no score name");
    bad = rule_where("bad", "");
    bad.sample = 1.5;
    expect_refused(open_rule(&d, bad, &refusal), STATUS_INVALID, "sample: 1.5");
    bad.sample = NOTHING;
    expect_refused(open_rule(&d, bad, &refusal), STATUS_INVALID, "sample");
    const struct judge_rule twice[] = {all, all};
    struct judge *judge = NULL;
    expect_refused(judge_open(d.store.engine, d.db, d.control, twice, 2, &judge, &refusal),
                   STATUS_INVALID, "two rules");
    desk_close(&d);
}

/* ---- leases ---- */

Test(judge_queue, flagged_items_come_first_then_the_oldest)
{
    struct desk d;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    add_span(&d, 1, 2, NULL);
    add_span(&d, 1, 3, "refusal");
    (void)fill(&d);
    struct leased first = lease(&d, 2);
    cr_assert_eq(first.count, 2);
    cr_expect_eq(first.items[0].span_id, 3);
    cr_expect_eq(first.items[1].span_id, 1);
    cr_expect_eq(first.items[0].token, 1);
    cr_expect_eq(first.items[0].attempt, 1);
    cr_expect_eq(first.items[0].lease_until_ns, NOW_NS + 60 * NS_PER_S);
    cr_expect_str_eq(first.items[0].scorer, "helpful");
    cr_expect_str_eq(first.items[0].project, "default");
    cr_expect(id128_equal(first.items[0].trace_id, trace_of(1)));
    struct leased second = lease(&d, 2);
    cr_assert_eq(second.count, 1);
    cr_expect_eq(second.items[0].span_id, 2);
    cr_expect_eq(lease(&d, 2).count, 0);
    desk_close(&d);
}

Test(judge_queue, rules_share_a_lease)
{
    struct desk d;
    const struct judge_rule rules[] = {rule_where("a", ""),
                                       rule_where("b", "span_id = '0000000000000001'")};
    desk_open(&d, rules, 2);
    for (uint64_t i = 1; i <= 10; i++)
        add_span(&d, 1, i, NULL);
    (void)fill(&d);
    for (int round = 0; round < 2; round++) {
        struct leased l = lease(&d, 4);
        int of_b = 0;
        cr_assert_eq(l.count, 4);
        for (uint32_t i = 0; i < l.count; i++)
            of_b += strcmp(l.items[i].rule, "b") == 0;
        cr_expect_eq(of_b, round == 0 ? 1 : 0, "the short queue is not starved by the long one");
    }
    desk_close(&d);
}

Test(judge_queue, a_lease_that_runs_out_goes_to_the_next_and_fences_the_first)
{
    struct desk d;
    int64_t until_ns = 0;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    (void)fill(&d);
    struct judge_item slow = lease_as(&d, "slow", 1).items[0];
    later(59 * NS_PER_S);
    cr_expect_eq(lease_as(&d, "quick", 1).count, 0);
    cr_expect_eq(judge_renew(d.judge, 0, slow.id, slow.token, 30 * NS_PER_S, &until_ns, NULL),
                 STATUS_OK);
    cr_expect_eq(until_ns, NOW_NS + 89 * NS_PER_S);
    later(29 * NS_PER_S);
    cr_expect_eq(lease_as(&d, "quick", 1).count, 0, "renewed");
    later(1 * NS_PER_S);
    struct leased l = lease_as(&d, "quick", 1);
    cr_assert_eq(l.count, 1);
    cr_expect_eq(l.items[0].id, slow.id);
    cr_expect_gt(l.items[0].token, slow.token);
    cr_expect_eq(l.items[0].attempt, 2);
    expect_refused(complete_item(&d, &slow, 1, &refusal), STATUS_INVALID,
                   "token 1 is not the one of its last lease");
    expect_refused(judge_renew(d.judge, 0, slow.id, slow.token, 0, &until_ns, &refusal),
                   STATUS_INVALID, "token 1");
    expect_refused(judge_fail(d.judge, 0, slow.id, slow.token, slice_text("x"), &refusal),
                   STATUS_INVALID, "token 1");
    cr_expect_eq(complete_item(&d, &l.items[0], 0.5, NULL), STATUS_OK);
    expect_answer(&d, "select count(*) from scores", "1");
    desk_close(&d);
}

Test(judge_queue, a_late_verdict_counts_while_nobody_else_has_the_item)
{
    struct desk d;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    (void)fill(&d);
    struct judge_item item = lease(&d, 1).items[0];
    later(NS_PER_HOUR);
    cr_expect_eq(complete_item(&d, &item, 1, NULL), STATUS_OK);
    cr_expect_eq(lease(&d, 1).count, 0);
    desk_close(&d);
}

Test(judge_queue, failures_pause_longer_and_longer_until_the_item_is_set_aside)
{
    struct desk d;
    int64_t retried = 0;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    (void)fill(&d);
    int64_t pause_ns = 5 * NS_PER_S;
    for (int attempt = 1; attempt <= 3; attempt++) {
        struct leased l = lease(&d, 1);
        cr_assert_eq(l.count, 1);
        cr_expect_eq(l.items[0].attempt, attempt);
        cr_expect_eq(judge_fail(d.judge, 0, l.items[0].id, l.items[0].token,
                                slice_text("exit 1: no key"), NULL),
                     STATUS_OK);
        cr_expect_eq(
            judge_fail(d.judge, 0, l.items[0].id, l.items[0].token, slice_text("again"), NULL),
            STATUS_OK, "a repeat is acknowledged");
        expect_refused(complete_item(&d, &l.items[0], 1, &refusal), STATUS_INVALID, "has ended");
        later(pause_ns - 1);
        cr_expect_eq(lease(&d, 1).count, 0, "attempt %d rests", attempt);
        later(1);
        pause_ns *= 2;
    }
    expect_answer(&d, "select state from judge_queue", "poison");
    expect_answer(&d, "select reason from judge_queue", "exit 1: no key");
    later(NS_PER_DAY);
    cr_expect_eq(lease(&d, 1).count, 0);
    cr_expect_eq(judge_retry_poison(d.judge, 0, &retried, NULL), STATUS_OK);
    cr_expect_eq(retried, 1);
    struct leased l = lease(&d, 1);
    cr_assert_eq(l.count, 1);
    cr_expect_eq(l.items[0].attempt, 1);
    cr_expect_eq(l.items[0].token, 4);
    desk_close(&d);
}

Test(judge_queue, workers_that_vanish_poison_an_item_too)
{
    struct desk d;
    struct judge_rule rule = all;
    rule.attempts_max = 2;
    desk_open(&d, &rule, 1);
    add_span(&d, 1, 1, NULL);
    (void)fill(&d);
    for (int attempt = 0; attempt < 2; attempt++) {
        cr_expect_eq(lease(&d, 1).count, 1);
        later(NS_PER_HOUR);
    }
    cr_expect_eq(lease(&d, 1).count, 0);
    expect_answer(&d, "select state from judge_queue", "poison");
    expect_answer(&d, "select reason from judge_queue", "the lease of ada ran out");
    desk_close(&d);
}

Test(judge_queue, what_is_released_does_not_count_as_an_attempt)
{
    struct desk d;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    (void)fill(&d);
    for (int i = 1; i <= 5; i++) {
        struct leased l = lease(&d, 1);
        cr_assert_eq(l.count, 1);
        cr_expect_eq(l.items[0].attempt, 1);
        cr_expect_eq(l.items[0].token, i);
        cr_expect_eq(judge_release(d.judge, 0, l.items[0].id, l.items[0].token, NULL), STATUS_OK);
    }
    struct leased l = lease(&d, 1);
    cr_expect_eq(
        judge_set_aside(d.judge, 0, l.items[0].id, l.items[0].token, slice_text("gone"), NULL),
        STATUS_OK);
    expect_answer(&d, "select state from judge_queue", "poison");
    desk_close(&d);
}

Test(judge_queue, a_lease_has_bounds)
{
    struct desk d;
    struct leased l = {0};
    char long_name[JUDGE_WORKER_BYTES_MAX + 1];
    memset(long_name, 'w', sizeof long_name);
    desk_open(&d, &all, 1);
#define LEASE(worker, max, ns)                                                                     \
    judge_lease(d.judge, 0, worker, max, ns, &d.arena, &l.items, &l.count, &l.reason, &refusal)
    expect_refused(LEASE(SLICE_EMPTY, 1, 0), STATUS_INVALID, "worker");
    expect_refused(LEASE(slice_of(long_name, sizeof long_name), 1, 0), STATUS_INVALID, "worker");
    expect_refused(LEASE(slice_text("w"), 0, 0), STATUS_INVALID, "max: 0");
    expect_refused(LEASE(slice_text("w"), JUDGE_LEASE_MAX + 1, 0), STATUS_INVALID, "max: 101");
    expect_refused(LEASE(slice_text("w"), 1, NS_PER_DAY + 1), STATUS_INVALID, "at most a day");
    struct error refusal = {0};
    cr_expect_eq(LEASE(slice_of(long_name, sizeof long_name - 1), JUDGE_LEASE_MAX, NS_PER_DAY),
                 STATUS_OK);
#undef LEASE
    desk_close(&d);
}

/* ---- the cost cap ---- */

static void complete_for(struct desk *d, const struct judge_item *item, int64_t cost_nusd)
{
    struct error error = {0};
    struct judge_verdict v = verdict_of(1);
    v.cost_nusd = cost_nusd;
    cr_assert_eq(judge_complete(d->judge, 0, item->id, item->token, &v, &error), STATUS_OK, "%s",
                 error.text);
}

Test(judge_queue, the_cost_cap_ends_the_day)
{
    struct desk d;
    struct judge_rule rule = all;
    rule.cost_cap_nusd_per_day = 1000;
    desk_open(&d, &rule, 1);
    for (uint64_t i = 1; i <= 30; i++)
        add_span(&d, 1, i, NULL);
    (void)fill(&d);
    complete_for(&d, &lease(&d, 1).items[0], 100);
    /* 900 are left and a verdict costs 100: nine, counting those under way. */
    struct leased l = lease(&d, 5);
    cr_assert_eq(l.count, 5);
    struct leased rest = lease(&d, 20);
    cr_expect_eq(rest.count, 4);
    struct leased none = lease(&d, 1);
    cr_expect_eq(none.count, 0);
    cr_expect(strstr(none.reason, "rule all: the cost cap of 1e-06 USD a day") != NULL, "%s",
              none.reason);
    for (uint32_t i = 0; i < 5; i++)
        complete_for(&d, &l.items[i], 200);
    cr_expect_eq(lease(&d, 1).count, 0, "1100 are spent");
    desk_restart(&d);
    cr_expect_eq(lease(&d, 1).count, 0, "and stay spent");
    expect_answer(&d, "select sum(cost_usd) from judge_queue", "1.1e-06");
    later(NS_PER_DAY);
    cr_expect_gt(lease(&d, 1).count, 0, "a new day");
    desk_close(&d);
}

Test(judge_queue, one_verdict_dearer_than_the_cap_does_not_stop_every_day_after)
{
    struct desk d;
    struct judge_rule rule = all;
    rule.cost_cap_nusd_per_day = 1000;
    desk_open(&d, &rule, 1);
    for (uint64_t i = 1; i <= 3; i++)
        add_span(&d, 1, i, NULL);
    (void)fill(&d);
    complete_for(&d, &lease(&d, 1).items[0], 5000);
    cr_expect_eq(lease(&d, 1).count, 0);
    later(NS_PER_DAY);
    cr_expect_eq(lease(&d, 2).count, 1, "one at a time while it is not known to be cheaper");
    desk_close(&d);
}

/* ---- projects ---- */

Test(judge_queue, a_key_of_one_project_sees_its_own_items_only)
{
    struct desk d;
    struct error error = {0};
    uint32_t shop = 0;
    struct leased l = {0};
    int64_t count = 0;
    struct judge_rule rules[] = {all, rule_where("shop_only", "")};
    rules[1].project = "shop";
    desk_open(&d, rules, 2);
    cr_assert_eq(engine_project(d.store.engine, slice_text("shop"), true, &shop, &error),
                 STATUS_OK);
    add_span(&d, 1, 1, NULL);
    uint32_t own = d.store.project;
    d.store.project = shop;
    add_span(&d, 2, 1, NULL);
    d.store.project = own;
    cr_expect_eq(fill(&d), 3);
    expect_answer(&d, "select count(*) from judge_queue", "1");
    cr_assert_eq(judge_lease(d.judge, shop, slice_text("w"), 10, 0, &d.arena, &l.items, &l.count,
                             &l.reason, &error),
                 STATUS_OK);
    cr_assert_eq(l.count, 2);
    cr_expect_str_eq(l.items[0].project, "shop");
    struct judge_verdict v = verdict_of(1);
    expect_refused(judge_complete(d.judge, own, l.items[0].id, l.items[0].token, &v, &refusal),
                   STATUS_NOT_FOUND, "there is no judge item");
    expect_refused(judge_fail(d.judge, own, l.items[0].id, l.items[0].token, SLICE_EMPTY, &refusal),
                   STATUS_NOT_FOUND, "there is no judge item");
    cr_expect_eq(judge_set_aside(d.judge, shop, l.items[0].id, l.items[0].token, SLICE_EMPTY, NULL),
                 STATUS_OK);
    cr_expect_eq(judge_retry_poison(d.judge, own, &count, NULL), STATUS_OK);
    cr_expect_eq(count, 0);
    struct buffer own_state = {0};
    cr_expect_eq(judge_status_write(d.judge, own, &own_state, NULL), STATUS_OK);
    buffer_add_byte(&own_state, 0);
    cr_expect(strstr((char *)own_state.data, "shop_only") == NULL);
    cr_expect(strstr((char *)own_state.data, "\"queued\":1,") != NULL, "%s",
              (char *)own_state.data);
    buffer_deinit(&own_state);
    desk_close(&d);
}

/* ---- restarts ---- */

Test(judge_queue, leases_tokens_and_watermarks_survive_a_restart)
{
    struct desk d;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    add_span(&d, 1, 2, NULL);
    (void)fill(&d);
    struct judge_item item = lease(&d, 1).items[0];
    desk_restart(&d);
    cr_expect_eq(fill(&d), 0);
    cr_expect_eq(complete_item(&d, &item, 0.5, NULL), STATUS_OK);
    expect_answer(&d, "select score.helpful from spans where span_id = '0000000000000001'", "0.5");
    expect_answer(&d, "select count(*) from judge_queue where state = 'done'", "1");
    cr_expect_eq(lease(&d, 5).count, 1);
    desk_close(&d);
}

Test(judge_queue, finished_items_leave_after_a_week_and_do_not_come_back)
{
    struct desk d;
    desk_open(&d, &all, 1);
    add_span(&d, 1, 1, NULL);
    (void)fill(&d);
    cr_expect_eq(complete_item(&d, &lease(&d, 1).items[0], 1, NULL), STATUS_OK);
    later(6 * NS_PER_DAY);
    (void)fill(&d);
    expect_answer(&d, "select count(*) from judge_queue", "1");
    later(2 * NS_PER_DAY);
    cr_expect_eq(fill(&d), 0);
    expect_answer(&d, "select count(*) from judge_queue", "0");
    desk_close(&d);
}
