/*
 * test_alerts.c - the scheduler with a store, a query engine and a receiver: from spans to webhooks.
 */
#include "alert_fixture.h"
#include "receiver.h"

#include "engine/base/json.h"

struct bench {
    struct fixture f;
    struct receiver receiver;
    struct alerts *alerts;
    char path[128];
    char log[65536];
    struct mutex lock;
};

static void note_log(void *context, const char *level, const char *text)
{
    struct bench *b = context;
    mutex_lock(&b->lock);
    size_t used = strlen(b->log);
    (void)snprintf(b->log + used, sizeof b->log - used, "%s: %s\n", level, text);
    mutex_unlock(&b->lock);
}

static bool logged(struct bench *b, const char *text)
{
    mutex_lock(&b->lock);
    bool found = strstr(b->log, text) != NULL;
    mutex_unlock(&b->lock);
    return found;
}

static void rules_write(struct bench *b, const char *rules)
{
    struct buffer text = {0};
    buffer_printf(
        &text,
        "defaults: {every: 100ms, notify: ops}\n"
        "notifiers:\n- {name: ops, type: webhook, url: 'http://127.0.0.1:%u/', allow_private: true}\n"
        "rules:\n%s",
        b->receiver.port, rules);
    buffer_add_byte(&text, 0);
    fixture_file(&b->f, "rules.yaml", (const char *)text.data, b->path);
    buffer_deinit(&text);
}

static void start(struct bench *b)
{
    const struct alert_options options = {.engine = b->f.engine,
                                          .db = b->f.db,
                                          .control = b->f.control,
                                          .rules_path = b->path,
                                          .log = note_log,
                                          .log_context = b};
    MUST(alerts_start(&options, &b->alerts, &error));
}

static struct bench *bench_create(const char *rules)
{
    static const char *const script[] = {ANSWER_OK};
    struct bench *b = MEM_NEW(struct bench);
    mutex_init(&b->lock);
    fixture_init(&b->f);
    receiver_start(&b->receiver, 0, script, 1);
    rules_write(b, rules);
    start(b);
    return b;
}

static void bench_destroy(struct bench *b)
{
    alerts_stop(b->alerts);
    receiver_stop(&b->receiver);
    fixture_deinit(&b->f);
    mutex_deinit(&b->lock);
    mem_free(b);
}

static void span(struct bench *b, const char *version, double latency_ms, double score)
{
    fixture_span(&b->f, version, latency_ms, score);
    alerts_wake(b->alerts);
}

#define LATENCY_RULE                                                                               \
    "- name: slow\n"                                                                               \
    "  query: select prompt_version, max(latency_ms) as value, count(*) as samples from spans\n"   \
    "    where time > now() - interval '1h' group by prompt_version\n"                             \
    "  condition: value > 500\n"                                                                   \
    "  severity: page\n"                                                                           \
    "  summary: \"{{prompt_version}} took {{value:0}} ms in {{samples}} calls\"\n"                 \
    "  exemplars: select trace_id from spans where prompt_version = {{prompt_version}} and latency_ms > 500\n"

Test(alerts, a_breach_becomes_one_incident_and_one_webhook)
{
    struct bench *b = bench_create(LATENCY_RULE);
    span(b, "v1", 100, 1);
    span(b, "v2", 900, 1);
    receiver_await(&b->receiver, 1);
    const char *body = receiver_body(&b->receiver, 0);
    cr_expect(strstr(body, "\"status\":\"firing\"") != NULL, "%s", body);
    cr_expect(strstr(body, "\"prompt_version\":\"v2\"") != NULL, "%s", body);
    cr_expect(strstr(body, "\"summary\":\"v2 took 900 ms in 1 calls\"") != NULL, "%s", body);
    cr_expect(strstr(body, "\"value\":900,\"samples\":1,\"exemplars\":[\"") != NULL, "%s", body);
    span(b, "v2", 950, 1); /* still the same incident */
    fixture_await(&b->f, "select evaluations > 5 from alert_rules", "true");
    cr_expect(receiver_count(&b->receiver) == 1);
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from incidents"), "1");
    cr_expect_str_eq(fixture_ask(&b->f, "select state from incidents"), "firing");
    cr_expect_str_eq(fixture_ask(&b->f, "select labels from incidents"),
                     "{\"prompt_version\":\"v2\"}");
    cr_expect_str_eq(fixture_ask(&b->f, "select state from alert_rules"), "firing");
    cr_expect_str_eq(fixture_ask(&b->f, "select firing from alert_rules"), "1");
    cr_expect_str_eq(fixture_ask(&b->f, "select errors from alert_rules"), "0");
    cr_expect(logged(b, "rule 'slow': incident 1 firing"));
    bench_destroy(b);
}

Test(alerts, an_incident_ends_and_both_are_told_in_order)
{
    struct bench *b =
        bench_create("- name: low\n"
                     "  query: select last(score.groundedness, time) as value from spans\n"
                     "  condition: value < 0.8\n"
                     "  resolve: value > 0.85\n"
                     "  group_by: []\n");
    span(b, "v1", 1, 0.7);
    fixture_await(&b->f, "select count(*) from incidents where state = 'firing'", "1");
    span(b, "v1", 1, 0.82); /* between the thresholds */
    fixture_await(&b->f, "select evaluations > 12 from alert_rules", "true");
    cr_expect_str_eq(fixture_ask(&b->f, "select state from incidents"), "firing");
    span(b, "v1", 1, 0.9);
    receiver_await(&b->receiver, 2);
    cr_expect(strstr(receiver_body(&b->receiver, 0), "\"status\":\"firing\"") != NULL);
    cr_expect(strstr(receiver_body(&b->receiver, 1), "\"status\":\"resolved\"") != NULL);
    cr_expect_str_eq(fixture_ask(&b->f, "select state from incidents"), "resolved");
    cr_expect_str_eq(fixture_ask(&b->f, "select resolved > fired from incidents"), "true");
    span(b, "v1", 1, 0.1); /* the next one is another incident */
    receiver_await(&b->receiver, 3);
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from incidents"), "2");
    bench_destroy(b);
}

Test(alerts, few_samples_and_short_breaches_do_not_fire)
{
    struct bench *b = bench_create(LATENCY_RULE "  min_samples: 3\n  for: 300ms\n");
    span(b, "v2", 900, 1);
    span(b, "v2", 900, 1);
    fixture_await(&b->f, "select evaluations > 5 from alert_rules", "true");
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from incidents"), "0");
    span(b, "v2", 900, 1);
    fixture_await(&b->f, "select count(*) from incidents where state = 'firing'", "1");
    cr_expect_str_eq(
        fixture_ask(&b->f, "select fired - started >= interval '300ms' from incidents"), "true");
    bench_destroy(b);
}

Test(alerts, a_restart_neither_forgets_nor_repeats)
{
    struct bench *b = bench_create(LATENCY_RULE);
    span(b, "v2", 900, 1);
    fixture_await(&b->f, "select count(*) from notifications where state = 'sent'", "1");
    for (int i = 0; i < 3; i++) {
        alerts_stop(b->alerts);
        fixture_restart(&b->f);
        start(b);
        fixture_await(&b->f, "select evaluations > 2 from alert_rules", "true");
    }
    cr_expect(receiver_count(&b->receiver) == 1, "told once");
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from incidents"), "1");
    cr_expect_str_eq(fixture_ask(&b->f, "select firing from alert_rules"), "1");
    bench_destroy(b);
}

Test(alerts, new_rules_are_taken_over_and_bad_ones_are_not)
{
    struct bench *b = bench_create(LATENCY_RULE);
    struct error wrong = {0};
    span(b, "v2", 900, 1);
    receiver_await(&b->receiver, 1);
    rules_write(b, "- {name: broken, query: select 1 as value, condition: valeu > 1}\n");
    cr_expect(alerts_reload(b->alerts, &wrong) == STATUS_INVALID);
    cr_expect(strstr(wrong.text, "rules.yaml:5:") != NULL, "%s", wrong.text);
    cr_expect_str_eq(fixture_ask(&b->f, "select name from alert_rules"), "slow");
    /* The same rule, changed: its incident goes on. */
    rules_write(b, LATENCY_RULE "  labels: {team: llm}\n");
    MUST(alerts_reload(b->alerts, &error));
    fixture_await(&b->f, "select count(*) from alert_rules where evaluations > 3 and firing = 1",
                  "1");
    cr_expect(receiver_count(&b->receiver) == 1);
    /* It is gone: so is its incident. */
    rules_write(b, "- {name: other, query: select 1 as value, condition: value > 1}\n");
    MUST(alerts_reload(b->alerts, &error));
    receiver_await(&b->receiver, 2);
    cr_expect(strstr(receiver_body(&b->receiver, 1), "\"reason\":\"rule removed\"") != NULL);
    cr_expect_str_eq(fixture_ask(&b->f, "select state from incidents"), "resolved");
    cr_expect_str_eq(fixture_ask(&b->f, "select name from alert_rules"), "other");
    bench_destroy(b);
}

Test(alerts, a_rule_that_fails_says_so_and_disturbs_no_other)
{
    struct bench *b =
        bench_create("- name: twice\n"
                     "  query: select prompt_version, latency_ms as value from spans\n"
                     "  condition: value > 500\n" LATENCY_RULE);
    span(b, "v2", 900, 1);
    span(b, "v2", 900, 1);
    fixture_await(&b->f, "select state from alert_rules where name = 'twice'", "error");
    cr_expect(strstr(fixture_ask(&b->f, "select error from alert_rules where name = 'twice'"),
                     "two rows for the group"));
    fixture_await(&b->f, "select count(*) from incidents where rule = 'slow' and state = 'firing'",
                  "1");
    cr_expect(logged(b, "error: rule 'twice': the query gives two rows"));
    bench_destroy(b);
}

Test(alerts, a_project_that_is_not_there_yet_is_waited_for)
{
    struct bench *b =
        bench_create("- {name: later, project: other, query: select count(*) as value from spans, "
                     "condition: value > 0}\n");
    uint32_t project;
    fixture_await(&b->f, "select error from alert_rules", "there is no project \"other\"");
    MUST(engine_project(b->f.engine, slice_text("other"), true, &project, &error));
    b->f.project = project;
    fixture_await(&b->f, "select count(*) from alert_rules where error = '' and state = 'inactive'",
                  "1");
    span(b, "v1", 1, 1);
    fixture_await(&b->f, "select count(*) from incidents where state = 'firing'", "1");
    b->f.project = 1;
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from incidents"), "0",
                     "projects see their own");
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from alert_rules"), "0");
    bench_destroy(b);
}

Test(alerts, silence_can_fire)
{
    struct bench *b =
        bench_create("- name: silence\n"
                     "  query: select now() - max(time) as age from spans having count(*) > 0\n"
                     "  condition: age > '10m'\n"
                     "  group_by: []\n"
                     "  no_data: fire\n");
    receiver_await(&b->receiver, 1); /* there is no span at all */
    cr_expect(strstr(receiver_body(&b->receiver, 0), "\"reason\":\"no data\"") != NULL, "%s",
              receiver_body(&b->receiver, 0));
    span(b, "v1", 1, 1);
    receiver_await(&b->receiver, 2);
    cr_expect(strstr(receiver_body(&b->receiver, 1), "\"status\":\"resolved\"") != NULL);
    bench_destroy(b);
}

Test(alerts, without_rules_nothing_happens)
{
    struct bench *b = bench_create("");
    alerts_stop(b->alerts);
    const struct alert_options options = {
        .engine = b->f.engine, .db = b->f.db, .control = b->f.control};
    MUST(alerts_start(&options, &b->alerts, &error));
    alerts_wake(b->alerts);
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from alert_rules"), "0");
    alerts_stop(NULL);
    bench_destroy(b);
}

Test(alerts, a_missing_rules_file_is_an_error_at_start)
{
    struct bench *b = bench_create("");
    struct alerts *alerts = NULL;
    struct error error = {0};
    const struct alert_options options = {.engine = b->f.engine,
                                          .db = b->f.db,
                                          .control = b->f.control,
                                          .rules_path = "/nowhere.yaml"};
    cr_expect(alerts_start(&options, &alerts, &error) == STATUS_NOT_FOUND);
    cr_expect(strstr(error.text, "/nowhere.yaml") != NULL);
    bench_destroy(b);
}

/* ---- trying rules out ---- */

Test(alerts, rules_can_be_tried_without_storing_anything)
{
    struct bench *b = bench_create("");
    struct alert_rules *rules = NULL;
    struct buffer out = {0};
    fixture_span(&b->f, "v1", 100, 1);
    fixture_span(&b->f, "v2", 900, 1);
    MUST(alert_rules_parse(
        "r",
        slice_text(
            "rules:\n" LATENCY_RULE "  for: 5m\n"
            "- {name: none, query: select prompt_version from spans where model = 'x', "
            "condition: prompt_version = 'v'}\n"
            "- {name: gone, project: nobody, query: select 1 as value, condition: value > 0}\n"),
        b->f.db, &rules, &error));
    MUST(alert_rules_test(rules, NULL, b->f.engine, b->f.db, &out, &error));
    buffer_add_byte(&out, 0);
    const char *text = (const char *)out.data;
    cr_expect(
        strstr(
            text,
            "{\"rule\":\"slow\",\"group\":{\"prompt_version\":\"v1\"},\"state\":\"inactive\",\"condition\":false,"
            "\"value\":100,\"samples\":1,\"min_samples\":0,\"summary\":\"v1 took 100 ms in 1 calls\"}\n"),
        "%s", text);
    cr_expect(
        strstr(
            text,
            "\"group\":{\"prompt_version\":\"v2\"},\"state\":\"pending\",\"condition\":true,\"value\":900"),
        "%s", text);
    cr_expect(strstr(text, "{\"rule\":\"none\",\"group\":null,\"state\":\"no data\""), "%s", text);
    cr_expect(strstr(text, "{\"rule\":\"gone\",\"error\":\"there is no project \\\"nobody\\\"\"}"),
              "%s", text);
    buffer_reset(&out);
    MUST(alert_rules_test(rules, "none", b->f.engine, b->f.db, &out, &error));
    cr_expect(memmem(out.data, out.size, "slow", 4) == NULL);
    struct error error = {0};
    cr_expect(alert_rules_test(rules, "nope", b->f.engine, b->f.db, &out, &error) ==
              STATUS_NOT_FOUND);
    cr_expect_str_eq(fixture_ask(&b->f, "select count(*) from incidents"), "0");
    buffer_deinit(&out);
    alert_rules_destroy(rules);
    bench_destroy(b);
}

/* ---- series and long labels ---- */

Test(alerts, of_a_series_the_latest_row_counts)
{
    struct bench *b =
        bench_create("- name: series\n"
                     "  query: select time as at, prompt_version, latency_ms as value from spans\n"
                     "  condition: value > 500\n");
    span(b, "v1", 900, 1);
    receiver_await(&b->receiver, 1);
    span(b, "v1", 100, 1);
    fixture_await(&b->f, "select state from incidents", "resolved");
    bench_destroy(b);
}

Test(alerts, long_labels_are_cut_and_stay_apart)
{
    struct bench *b = bench_create(LATENCY_RULE);
    char version[3000];
    memset(version, 'x', sizeof version);
    for (int i = 0; i < 2; i++) {
        version[sizeof version - 2] = (char)('0' + i);
        version[sizeof version - 1] = 0;
        span(b, version, 900, 1);
    }
    fixture_await(&b->f, "select count(*) from incidents where state = 'firing'", "2");
    cr_expect_str_eq(fixture_ask(&b->f, "select max(length(labels)) < 1100 from incidents"),
                     "true");
    bench_destroy(b);
}

Test(alerts, a_stop_during_the_work_is_clean)
{
    struct bench *b = bench_create(LATENCY_RULE);
    for (int i = 0; i < 20; i++) {
        span(b, "v2", 900, 1);
        alerts_stop(b->alerts);
        start(b);
    }
    fixture_await(&b->f, "select count(*) from notifications where state = 'sent'", "1");
    cr_expect(receiver_count(&b->receiver) == 1);
    bench_destroy(b);
}
