/*
 * test_judge_complete.c - a verdict becomes a score exactly once, whatever is repeated, interrupted or done at the same time.
 */
#include "judge_fixture.h"

#include "engine/base/json.h"

static const struct judge_rule rule = {.name = "faith",
                                       .sample = 1,
                                       .scorer = "faithful",
                                       .scorer_version = "3",
                                       .judge_model = "judge-1"};

static struct judge_item one_item(struct desk *d)
{
    desk_open(d, &rule, 1);
    add_span(d, 1, 1, NULL);
    (void)fill(d);
    struct leased l = lease(d, 1);
    cr_assert_eq(l.count, 1);
    return l.items[0];
}

Test(judge_complete, the_score_says_who_judged_and_with_what)
{
    struct desk d;
    struct judge_item item = one_item(&d);
    struct error error = {0};
    struct judge_verdict v = {.value = 0.25,
                              .label = slice_text("partly"),
                              .explanation = slice_text("cites nothing"),
                              .judge_model = slice_text("judge-2"),
                              .cost_nusd = 1500000};
    cr_assert_eq(judge_complete(d.judge, 0, item.id, item.token, &v, &error), STATUS_OK, "%s",
                 error.text);
    expect_answer(&d, "select name from scores", "faithful");
    expect_answer(&d, "select value from scores", "0.25");
    expect_answer(&d, "select label from scores", "partly");
    expect_answer(&d, "select explanation from scores", "cites nothing");
    expect_answer(&d, "select source from scores", "judge");
    expect_answer(&d, "select scorer from scores", "faith");
    expect_answer(&d, "select scorer_version from scores", "3");
    expect_answer(&d, "select judge_model from scores", "judge-2");
    expect_answer(&d, "select score.faithful from spans", "0.25");
    expect_answer(&d, "select state from judge_queue", "done");
    expect_answer(&d, "select cost_usd from judge_queue", "0.0015");
    expect_answer(&d, "select value from judge_queue", "0.25");
    desk_close(&d);
}

Test(judge_complete, versions_are_those_of_the_lease)
{
    struct desk d;
    struct judge_item item = one_item(&d);
    d.rules[0].scorer_version = "4";
    desk_restart(&d);
    cr_expect_eq(complete_item(&d, &item, 1, NULL), STATUS_OK);
    expect_answer(&d, "select scorer_version from scores", "3");
    desk_close(&d);
}

Test(judge_complete, a_repeat_is_acknowledged_and_writes_nothing)
{
    struct desk d;
    struct judge_item item = one_item(&d);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(complete_item(&d, &item, 1, NULL), STATUS_OK);
        later(NS_PER_S);
    }
    desk_restart(&d);
    cr_expect_eq(complete_item(&d, &item, 1, NULL), STATUS_OK);
    expect_answer(&d, "select count(*) from scores", "1");
    desk_close(&d);
}

/* What a crash between the score and the end of the item leaves behind. */
static void end_forget(struct desk *d)
{
    struct control_statement *st = NULL;
    cr_assert_eq(control_prepare(d->control,
                                 "update judge_item set state = 'writing', lease_until = 9e18", &st,
                                 NULL),
                 STATUS_OK);
    cr_assert_eq(control_run(st, NULL, NULL), STATUS_OK);
}

Test(judge_complete, a_crash_after_the_score_does_not_write_it_twice)
{
    struct desk d;
    struct judge_item item = one_item(&d);
    cr_assert_eq(complete_item(&d, &item, 1, NULL), STATUS_OK);
    end_forget(&d);
    desk_restart(&d);
    later(NS_PER_S);
    cr_expect_eq(complete_item(&d, &item, 1, NULL), STATUS_OK);
    expect_answer(&d, "select count(*) from scores", "1");
    expect_answer(&d, "select state from judge_queue", "done");
    desk_close(&d);
}

/* Between `writing` and the score: the score was never written, though the item says it was tried. */
Test(judge_complete, a_crash_before_the_score_writes_it_then)
{
    struct desk d;
    struct judge_item item = one_item(&d);
    struct control_statement *st = NULL;
    cr_assert_eq(
        control_prepare(d.control,
                        "update judge_item set state = 'writing', finished = 1759000000000000000",
                        &st, NULL),
        STATUS_OK);
    cr_assert_eq(control_run(st, NULL, NULL), STATUS_OK);
    desk_restart(&d);
    cr_expect_eq(complete_item(&d, &item, 1, NULL), STATUS_OK);
    expect_answer(&d, "select count(*) from scores", "1");
    expect_answer(&d, "select extract(epoch from time)::bigint from scores", "1759000000");
    desk_close(&d);
}

Test(judge_complete, a_crashed_worker_that_never_returns_leaves_the_item_to_another)
{
    struct desk d;
    struct judge_item item = one_item(&d);
    struct control_statement *st = NULL;
    cr_assert_eq(control_prepare(d.control, "update judge_item set state = 'writing', finished = 5",
                                 &st, NULL),
                 STATUS_OK);
    cr_assert_eq(control_run(st, NULL, NULL), STATUS_OK);
    later(61 * NS_PER_S);
    struct leased l = lease_as(&d, "other", 1);
    cr_assert_eq(l.count, 1);
    cr_expect_eq(l.items[0].id, item.id);
    expect_refused(complete_item(&d, &item, 1, &refusal), STATUS_INVALID, "token 1");
    cr_expect_eq(complete_item(&d, &l.items[0], 0, NULL), STATUS_OK);
    expect_answer(&d, "select value from scores", "0");
    desk_close(&d);
}

struct racer {
    struct desk *desk;
    struct judge_item item;
    double value;
    struct thread thread;
    enum status status;
};

static void race_complete(void *context)
{
    struct racer *r = context;
    r->status = complete_item(r->desk, &r->item, r->value, NULL);
}

Test(judge_complete, the_same_verdict_sent_twice_at_once_is_one_score)
{
    struct desk d;
    struct racer racers[8];
    struct judge_item item = one_item(&d);
    for (int i = 0; i < 8; i++) {
        racers[i] = (struct racer){.desk = &d, .item = item, .value = i};
        thread_start(&racers[i].thread, "racer", race_complete, &racers[i]);
    }
    for (int i = 0; i < 8; i++) {
        thread_join(&racers[i].thread);
        cr_expect_eq(racers[i].status, STATUS_OK);
    }
    expect_answer(&d, "select count(*) from scores", "1");
    desk_close(&d);
}

Test(judge_complete, a_verdict_must_say_something)
{
    struct desk d;
    struct judge_item item = one_item(&d);
    struct judge_verdict v = verdict_of(NOTHING);
    expect_refused(judge_complete(d.judge, 0, item.id, item.token, &v, &refusal), STATUS_INVALID,
                   "a value or a label");
    v.value = (double)INFINITY;
    expect_refused(judge_complete(d.judge, 0, item.id, item.token, &v, &refusal), STATUS_INVALID,
                   "finite");
    v.value = 1;
    v.cost_nusd = -1;
    expect_refused(judge_complete(d.judge, 0, item.id, item.token, &v, &refusal), STATUS_INVALID,
                   "cost_usd");
    v.cost_nusd = 0;
    expect_refused(judge_complete(d.judge, 0, item.id + 1, item.token, &v, &refusal),
                   STATUS_NOT_FOUND, "there is no judge item 2");
    expect_refused(judge_complete(d.judge, 0, item.id, 0, &v, &refusal), STATUS_INVALID, "token 0");
    expect_refused(judge_complete(d.judge, 0, item.id, item.token + 1, &v, &refusal),
                   STATUS_INVALID, "token 2");
    expect_answer(&d, "select count(*) from scores", "0");
    v = verdict_of(NOTHING);
    v.label = slice_text("rude");
    cr_expect_eq(judge_complete(d.judge, 0, item.id, item.token, &v, NULL), STATUS_OK);
    expect_answer(&d, "select label from scores where value is null", "rude");
    desk_close(&d);
}

Test(judge_complete, a_judge_of_the_class_writes_tags)
{
    struct desk d;
    struct judge_rule classes = rule;
    struct judge_verdict v = verdict_of(NOTHING);
    classes.scorer = "error_class";
    desk_open(&d, &classes, 1);
    add_span(&d, 1, 1, NULL);
    (void)fill(&d);
    struct judge_item item = lease(&d, 1).items[0];
    v.label = slice_text("hallucination");
    v.explanation = slice_text("no such paper");
    cr_expect_eq(judge_complete(d.judge, 0, item.id, item.token, &v, NULL), STATUS_OK);
    end_forget(&d);
    desk_restart(&d);
    cr_expect_eq(judge_complete(d.judge, 0, item.id, item.token, &v, NULL), STATUS_OK);
    expect_answer(&d, "select error_class from spans", "hallucination");
    expect_answer(&d, "select class_source from spans", "judge");
    expect_answer(&d, "select by from tags", "faith");
    expect_answer(&d, "select note from tags", "no such paper");
    expect_answer(&d, "select count(*) from tags", "1");
    expect_answer(&d, "select count(*) from scores", "0");
    desk_close(&d);
}

/* ---- what a worker gets ---- */

Test(judge_item, holds_the_lease_and_the_span_as_one_json_object)
{
    struct desk d;
    struct error error = {0};
    struct builder b;
    struct message messages[] = {
        {.body = slice_text("{\"role\":\"user\",\"content\":\"hi \\\"you\\\"\"}")},
        {.body = slice_text("{\"role\":\"assistant\",\"content\":\"hello\"}")}};
    desk_open(&d, &rule, 1);
    for (int i = 0; i < 2; i++)
        messages[i].address = hash128(messages[i].body);
    rows_begin(&d.store, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);
    builder_str(&b, SPANS_kind, slice_text("llm"));
    builder_str(&b, SPANS_model, slice_text("gpt-\"4\""));
    builder_str(&b, SPANS_prompt_name, slice_text("greet"));
    builder_str(&b, SPANS_tool_args, slice_text("{\"a\":1}"));
    builder_str(&b, SPANS_tool_result, slice_text("plain {text"));
    builder_str(&b, SPANS_attributes, slice_text("{\"x\":[1,2]}"));
    builder_str(&b, SPANS_retrieved, slice_text("[{\"id\":\"doc\",\"score\":0.5}]"));
    builder_i64(&b, SPANS_latency_ms, 1500000);
    builder_i64(&b, SPANS_cost_usd, 2500);
    builder_i64(&b, SPANS_tool_result_empty, 0);
    builder_str(&b, SPANS_input, slice_of(messages[0].address.bytes, 16));
    builder_str(&b, SPANS_output, slice_of(messages[1].address.bytes, 16));
    struct append_result result;
    struct append a = {.messages = messages, .message_count = 2};
    cr_assert_eq(append_try(&d.store, a, &b, NULL, NULL, &result, &error), STATUS_OK, "%s",
                 error.text);
    builder_deinit(&b);
    (void)fill(&d);
    struct leased l = lease(&d, 1);
    cr_assert_eq(l.count, 1);
    struct buffer text = {0};
    cr_assert_eq(judge_item_write(d.judge, &l.items[0], &text, &error), STATUS_OK, "%s",
                 error.text);
    struct json j = json_over(buffer_slice(&text));
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END)
        ;
    cr_expect_eq(t, JSON_END);
    buffer_add_byte(&text, 0);
    const char *json = (const char *)text.data;
    static const char *const parts[] = {
        "\"id\":1,\"token\":1,\"attempt\":1,\"lease_until\":\"2024-",
        "\"rule\":\"faith\",\"project\":\"default\",\"scorer\":\"faithful\",\"scorer_version\":\"3\",\"judge_model\":\"judge-1\"",
        "\"span_id\":\"0000000000000001\"",
        "\"model\":\"gpt-\\\"4\\\"\"",
        "\"prompt_name\":\"greet\"",
        "\"input\":[{\"role\":\"user\",\"content\":\"hi \\\"you\\\"\"}]",
        "\"output\":[{\"role\":\"assistant\",\"content\":\"hello\"}]",
        "\"tool_args\":{\"a\":1}",
        "\"tool_result\":\"plain {text\"",
        "\"tool_result_empty\":false",
        "\"retrieved\":[{\"id\":\"doc\",\"score\":0.5}]",
        "\"attributes\":{\"x\":[1,2]}",
        "\"error_class\":\"none\"",
        "\"latency_ms\":1.5",
        "\"cost_usd\":2.5e-06"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cr_expect(strstr(json, parts[i]) != NULL, "%s is not in %s", parts[i], json);
    cr_expect(strstr(json, "session") == NULL, "what is not known is left out");
    buffer_deinit(&text);
    l.items[0].span_id = 99;
    expect_refused(judge_item_write(d.judge, &l.items[0], &text, &refusal), STATUS_NOT_FOUND,
                   "0000000000000063");
    buffer_deinit(&text);
    desk_close(&d);
}
