/*
 * test_alert_store.c - incidents and the outbox: transactions, uniqueness, order, restart.
 */
#include "alert_fixture.h"

#include "server/alert/alert_limits.h"
#include "server/alert/alert_rule.h"

static const char rules_text[] =
    "notifiers:\n"
    "- {name: ops, type: webhook, url: 'http://x.example'}\n"
    "- {name: chat, type: webhook, url: 'http://y.example'}\n"
    "rules:\n"
    "- {name: drop, query: select 1 as value, condition: value > 0, notify: [ops, chat]}\n";

struct bench {
    struct fixture f;
    struct alert_rules *rules;
    struct alert_audience audience;
};

static void bench_init(struct bench *b)
{
    fixture_init(&b->f);
    MUST(alert_rules_parse("r", slice_text(rules_text), NULL, &b->rules, &error));
    b->audience = (struct alert_audience){.rules = b->rules, .rule = &b->rules->rules[0]};
}

static void bench_deinit(struct bench *b)
{
    alert_rules_destroy(b->rules);
    fixture_deinit(&b->f);
}

static struct transition transition(const struct bench *b, enum group_event event, int64_t id,
                                    const char *group)
{
    static const enum group_state states[] = {GROUP_INACTIVE, GROUP_PENDING, GROUP_FIRING,
                                              GROUP_INACTIVE, GROUP_INACTIVE};
    struct transition t = {.event = event,
                           .incident = {.id = id,
                                        .project = b->f.project,
                                        .project_name = slice_text("default"),
                                        .rule = slice_text("drop"),
                                        .severity = slice_text("page"),
                                        .group = slice_text(group),
                                        .label_set = slice_text(group),
                                        .fingerprint = "00000000000000aa",
                                        .state = states[event],
                                        .has_value = true,
                                        .value = 0.5,
                                        .summary = slice_text("s"),
                                        .exemplars = slice_text("[]"),
                                        .reason = SLICE_EMPTY,
                                        .started_ns = 1000}};
    if (event == EVENT_FIRE || event == EVENT_RESOLVE)
        t.incident.fired_ns = 2000;
    if (event == EVENT_RESOLVE)
        t.incident.resolved_ns = 3000;
    return t;
}

static enum status apply(struct bench *b, struct transition *t, uint32_t count,
                         uint32_t *ret_notifications)
{
    uint32_t dropped;
    return alert_store_apply(b->f.control, &b->audience, t, count, 5000, ret_notifications,
                             &dropped, NULL);
}

static int64_t apply_one(struct bench *b, enum group_event event, int64_t id, const char *group)
{
    uint32_t notifications;
    struct transition t = transition(b, event, id, group);
    cr_assert(apply(b, &t, 1, &notifications) == STATUS_OK);
    return t.incident.id;
}

static int64_t number(struct bench *b, const char *sql)
{
    struct control_statement *st = NULL;
    MUST(control_prepare(b->f.control, sql, &st, &error));
    cr_assert(control_step(st, NULL) == STATUS_OK, "%s", sql);
    int64_t value = control_i64(st, 0);
    control_finish(st);
    return value;
}

Test(alert_store, an_incident_lives_from_pending_to_resolved)
{
    struct bench b;
    bench_init(&b);
    int64_t id = apply_one(&b, EVENT_PEND, 0, "{}");
    cr_expect(number(&b, "select count(*) from alert_incident where state = 'pending'") == 1);
    cr_expect(number(&b, "select count(*) from alert_outbox") == 0, "nobody is told of pending");
    cr_expect(apply_one(&b, EVENT_FIRE, id, "{}") == id, "it is the same incident");
    cr_expect(
        number(&b, "select count(*) from alert_incident where state = 'firing' and fired = 2000") ==
        1);
    cr_expect(
        number(&b,
               "select count(*) from alert_outbox where event = 'firing' and state = 'waiting'") ==
        2);
    apply_one(&b, EVENT_RESOLVE, id, "{}");
    cr_expect(
        number(
            &b,
            "select count(*) from alert_incident where state = 'resolved' and resolved = 3000") ==
        1);
    cr_expect(number(&b, "select count(*) from alert_outbox where event = 'resolved'") == 2);
    cr_expect(number(&b, "select count(distinct key) from alert_outbox") == 4,
              "each has a key of its own");
    cr_expect(apply_one(&b, EVENT_PEND, 0, "{}") != id, "the next one is new");
    bench_deinit(&b);
}

Test(alert_store, a_cancelled_one_leaves_nothing)
{
    struct bench b;
    bench_init(&b);
    int64_t id = apply_one(&b, EVENT_PEND, 0, "{}");
    apply_one(&b, EVENT_CANCEL, id, "{}");
    cr_expect(number(&b, "select count(*) from alert_incident") == 0);
    bench_deinit(&b);
}

Test(alert_store, no_group_has_two_open_incidents)
{
    struct bench b;
    uint32_t notifications;
    bench_init(&b);
    apply_one(&b, EVENT_FIRE, 0, "{\"a\":\"1\"}");
    struct transition t[] = {transition(&b, EVENT_FIRE, 0, "{\"a\":\"2\"}"),
                             transition(&b, EVENT_FIRE, 0, "{\"a\":\"1\"}")};
    cr_expect(apply(&b, t, 2, &notifications) == STATUS_EXISTS);
    cr_expect(number(&b, "select count(*) from alert_incident") == 1, "all or nothing");
    cr_expect(number(&b, "select count(*) from alert_outbox") == 2, "all or nothing");
    bench_deinit(&b);
}

Test(alert_store, an_incident_that_is_not_open_does_not_change)
{
    struct bench b;
    uint32_t notifications;
    bench_init(&b);
    int64_t id = apply_one(&b, EVENT_FIRE, 0, "{}");
    apply_one(&b, EVENT_RESOLVE, id, "{}");
    struct transition again = transition(&b, EVENT_RESOLVE, id, "{}");
    cr_expect(apply(&b, &again, 1, &notifications) == STATUS_NOT_FOUND);
    cr_expect(number(&b, "select count(*) from alert_outbox") == 4, "nothing was told twice");
    bench_deinit(&b);
}

Test(alert_store, the_end_is_told_to_those_who_heard_the_start)
{
    struct bench b;
    bench_init(&b);
    int64_t id = apply_one(&b, EVENT_FIRE, 0, "{}");
    b.audience.rule = NULL;
    struct alert_rules *fewer = NULL;
    struct alert_rules *all = b.rules;
    MUST(alert_rules_parse(
        "r", slice_text("notifiers: [{name: chat, type: webhook, url: 'http://y.example'}]\n"),
        NULL, &fewer, &error));
    b.audience.rules = fewer;
    apply_one(&b, EVENT_RESOLVE, id, "{}");
    cr_expect(
        number(
            &b,
            "select count(*) from alert_outbox where event = 'resolved' and notifier = 'chat'") ==
        1);
    cr_expect(number(&b, "select count(*) from alert_outbox where event = 'resolved'") == 1,
              "ops is gone");
    alert_rules_destroy(fewer);
    b.rules = all;
    bench_deinit(&b);
}

/* ---- the outbox ---- */

struct due {
    int64_t ids[16];
    uint32_t count;
};

static void note_due(void *context, const struct notification *n)
{
    struct due *d = context;
    d->ids[d->count++] = n->id;
}

static struct due due_at(struct bench *b, const char *notifier, int64_t now_ns)
{
    struct due d = {0};
    MUST(alert_outbox_due(b->f.control, slice_text(notifier), now_ns, 16, note_due, &d, &error));
    return d;
}

static void settle(struct bench *b, int64_t id, enum outcome_kind kind, int http_status,
                   const char *why, int64_t next_ns)
{
    const struct outcome o = {
        .id = id, .kind = kind, .http_status = http_status, .why = why, .next_ns = next_ns};
    MUST(alert_outbox_settle(b->f.control, &o, 1, 6000, &error));
}

Test(alert_store, the_outbox_keeps_the_order_of_one_incident)
{
    struct bench b;
    bench_init(&b);
    int64_t first = apply_one(&b, EVENT_FIRE, 0, "{\"a\":\"1\"}");
    apply_one(&b, EVENT_RESOLVE, first, "{\"a\":\"1\"}");
    apply_one(&b, EVENT_FIRE, 0, "{\"a\":\"2\"}");
    struct due d = due_at(&b, "ops", 5000);
    cr_assert(d.count == 2, "the two starts; the end waits for its start");
    settle(&b, d.ids[0], OUTCOME_RETRY, 503, "busy", 9000);
    cr_expect(due_at(&b, "ops", 5000).count == 1, "its start waits, and so does the end");
    cr_expect(due_at(&b, "ops", 9000).count == 2);
    cr_expect(due_at(&b, "chat", 5000).count == 2, "the other notifier is not held up");
    settle(&b, d.ids[0], OUTCOME_SENT, 200, "", 0);
    struct due later = due_at(&b, "ops", 9500);
    cr_expect(later.count == 2 && later.ids[0] != d.ids[0]);
    cr_expect(number(&b, "select notified from alert_incident where id = 1") == 1);
    bench_deinit(&b);
}

Test(alert_store, outcomes_count_once)
{
    struct bench b;
    bench_init(&b);
    apply_one(&b, EVENT_FIRE, 0, "{}");
    struct due d = due_at(&b, "ops", 5000);
    settle(&b, d.ids[0], OUTCOME_RETRY, 0, "refused", 6000);
    settle(&b, d.ids[0], OUTCOME_SENT, 202, "", 0);
    settle(&b, d.ids[0], OUTCOME_SENT, 202, "", 0);
    settle(&b, d.ids[0], OUTCOME_FAILED, 500, "late", 0);
    cr_expect(number(&b, "select notified from alert_incident") == 1);
    cr_expect(number(&b, "select attempts from alert_outbox where id = 1") == 2);
    cr_expect(number(&b, "select count(*) from alert_outbox where state = 'sent'") == 1);
    cr_expect(number(&b, "select count(*) from alert_outbox where state = 'failed'") == 0);
    bench_deinit(&b);
}

static void ignore_notifier(void *context, struct slice name)
{
    (void)name;
    ++*(uint32_t *)context;
}

Test(alert_store, the_next_time_that_matters_is_known)
{
    struct bench b;
    uint32_t notifiers = 0;
    int64_t next_ns;
    bench_init(&b);
    MUST(alert_outbox_notifiers(b.f.control, 5000, ignore_notifier, &notifiers, &next_ns, &error));
    cr_expect(notifiers == 0 && next_ns == INT64_MAX);
    apply_one(&b, EVENT_FIRE, 0, "{}");
    settle(&b, 1, OUTCOME_RETRY, 503, "busy", 9000);
    MUST(alert_outbox_notifiers(b.f.control, 5000, ignore_notifier, &notifiers, &next_ns, &error));
    cr_expect(notifiers == 2 && next_ns == 9000);
    /* A clock set back by a year must not delay by a year. */
    cr_expect(due_at(&b, "ops", 9000 - 366 * NS_PER_DAY).count == 1);
    bench_deinit(&b);
}

Test(alert_store, the_outbox_is_bounded)
{
    struct bench b;
    bench_init(&b);
    MUST(control_schema(
        b.f.control,
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9999)"
        " insert into alert_outbox (incident, project, rule, notifier, event, key, body, state, created,"
        " next) select 100000 + i, 1, 'x', 'ops', 'firing', i, '{}', 'waiting', 1, 1 from n",
        &error));
    struct transition t = transition(&b, EVENT_FIRE, 0, "{}");
    uint32_t notifications;
    uint32_t dropped;
    MUST(
        alert_store_apply(b.f.control, &b.audience, &t, 1, 5000, &notifications, &dropped, &error));
    cr_expect(notifications == 1 && dropped == 1);
    cr_expect(number(&b, "select count(*) from alert_incident where state = 'firing'") == 1,
              "it fires all the same");
    cr_expect(
        number(&b, "select count(*) from alert_outbox where state = 'failed' and error <> ''") ==
        1);
    bench_deinit(&b);
}

Test(alert_store, trimming_spares_what_waits_and_what_is_open)
{
    struct bench b;
    bench_init(&b);
    int64_t open = apply_one(&b, EVENT_FIRE, 0, "{}");
    settle(&b, 1, OUTCOME_SENT, 200, "", 0);
    MUST(control_schema(
        b.f.control,
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20100)"
        " insert into alert_outbox (incident, project, rule, notifier, event, key, body, state, created,"
        " next, finished) select 100000 + i, 1, 'x', 'ops', 'firing', i, '{}', 'sent', 1, 1, 1 from n",
        &error));
    MUST(alert_store_trim(b.f.control, &error));
    cr_expect(number(&b, "select count(*) from alert_outbox where state = 'sent'") ==
              ALERT_OUTBOX_KEPT_MAX + 1);
    cr_expect(number(&b, "select count(*) from alert_outbox where state = 'waiting'") == 1);
    apply_one(&b, EVENT_RESOLVE, open, "{}");
    cr_expect(number(&b, "select count(*) from alert_outbox where event = 'resolved'") == 2);
    bench_deinit(&b);
}

static void count_open(void *context, const struct incident *i)
{
    uint32_t *counts = context;
    counts[i->state]++;
    cr_expect(slice_is(i->rule, "drop") && slice_is(i->project_name, "default"));
    cr_expect(i->started_ns == 1000 && strcmp(i->fingerprint, "00000000000000aa") == 0);
}

Test(alert_store, open_incidents_survive_a_restart)
{
    struct bench b;
    uint32_t counts[3] = {0};
    bench_init(&b);
    apply_one(&b, EVENT_PEND, 0, "{\"a\":\"1\"}");
    apply_one(&b, EVENT_FIRE, 0, "{\"a\":\"2\"}");
    int64_t done = apply_one(&b, EVENT_FIRE, 0, "{\"a\":\"3\"}");
    apply_one(&b, EVENT_RESOLVE, done, "{\"a\":\"3\"}");
    control_close(b.f.control);
    fixture_control_open(&b.f);
    MUST(alert_store_open_incidents(b.f.control, count_open, counts, &error));
    cr_expect(counts[GROUP_PENDING] == 1 && counts[GROUP_FIRING] == 1 &&
              counts[GROUP_INACTIVE] == 0);
    bench_deinit(&b);
}

Test(alert_store, a_refresh_keeps_the_rest)
{
    struct bench b;
    bench_init(&b);
    int64_t id = apply_one(&b, EVENT_FIRE, 0, "{}");
    const struct incident i = {.id = id, .has_value = true, .value = 42, .updated_ns = 8000};
    MUST(alert_store_refresh(b.f.control, &i, 1, &error));
    cr_expect(number(&b, "select value from alert_incident") == 42);
    cr_expect(number(&b, "select updated from alert_incident") == 8000);
    cr_expect(number(&b, "select fired from alert_incident") == 2000);
    bench_deinit(&b);
}
