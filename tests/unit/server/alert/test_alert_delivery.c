/*
 * test_alert_delivery.c - the notifier thread against a receiver that answers by a script.
 */
#include "alert_fixture.h"
#include "receiver.h"

#include "engine/base/intern.h"
#include "server/alert/alert_limits.h"
#include "server/alert/alert_notifier.h"
#include "server/alert/alert_signature.h"

struct bench {
    struct fixture f;
    struct receiver receiver;
    struct alert_rules *rules;
    struct alert_sender *sender;
};

static bool find(void *context, struct slice name,
                 void (*visit)(void *visit_context, const struct alert_notifier *n),
                 void *visit_context)
{
    struct bench *b = context;
    const struct alert_notifier *n = alert_rules_notifier(b->rules, name);
    if (n != NULL)
        visit(visit_context, n);
    return n != NULL;
}

static void sender_start(struct bench *b)
{
    const struct alert_sender_options options = {
        .control = b->f.control, .find = find, .context = b};
    MUST(alert_sender_start(&options, &b->sender, &error));
}

/* more: further keys of the notifier. */
static void bench_init(struct bench *b, const char *const *script, size_t script_count,
                       const char *more)
{
    char text[1024];
    fixture_init(&b->f);
    receiver_start(&b->receiver, 0, script, script_count);
    (void)snprintf(
        text, sizeof text,
        "notifiers:\n- {name: ops, type: webhook, url: 'http://127.0.0.1:%u/hook', secret: s3cret, timeout: "
        "300ms, headers: {X-Team: llm}%s}\n"
        "rules:\n- {name: drop, query: select 1 as value, condition: value > 0, notify: ops}\n",
        b->receiver.port, more);
    MUST(alert_rules_parse("r", slice_text(text), NULL, &b->rules, &error));
    b->sender = NULL;
}

static void bench_deinit(struct bench *b)
{
    alert_sender_stop(b->sender);
    receiver_stop(&b->receiver);
    alert_rules_destroy(b->rules);
    fixture_deinit(&b->f);
}

static int64_t fire(struct bench *b, const char *group)
{
    struct alert_audience audience = {.rules = b->rules, .rule = &b->rules->rules[0]};
    struct transition t = {.event = EVENT_FIRE,
                           .incident = {.project = b->f.project,
                                        .project_name = slice_text("default"),
                                        .rule = slice_text("drop"),
                                        .severity = slice_text("page"),
                                        .group = slice_text(group),
                                        .label_set = slice_text(group),
                                        .state = GROUP_FIRING,
                                        .summary = slice_text("s"),
                                        .exemplars = slice_text("[]"),
                                        .reason = SLICE_EMPTY}};
    uint32_t notifications;
    uint32_t dropped;
    MUST(alert_store_apply(b->f.control, &audience, &t, 1, clock_wall_ns(), &notifications,
                           &dropped, &error));
    if (b->sender != NULL)
        alert_sender_wake(b->sender);
    return t.incident.id;
}

static void expect_signed(struct bench *b, uint32_t request)
{
    struct slice signature = receiver_header(&b->receiver, request, "X-Driftline-Signature");
    cr_expect(alert_signature_matches(signature, slice_text("s3cret"),
                                      slice_text(receiver_body(&b->receiver, request)),
                                      clock_wall_ns() / NS_PER_S, 60),
              "request %u", request);
}

#define SCRIPT(...)                                                                                \
    static const char *const script[] = {__VA_ARGS__};                                             \
    const size_t script_count = sizeof script / sizeof *script

Test(alert_delivery, a_webhook_arrives_signed)
{
    SCRIPT(ANSWER_OK);
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true");
    sender_start(&b);
    int64_t id = fire(&b, "{\"a\":\"1\"}");
    receiver_await(&b.receiver, 1);
    fixture_await(&b.f, "select state from notifications", "sent");
    char incident[32];
    (void)snprintf(incident, sizeof incident, "\"incident\":%lld,", (long long)id);
    cr_expect(strncmp(b.receiver.requests[0], "POST /hook HTTP/1.1\r\n", 21) == 0);
    cr_expect(strstr(receiver_body(&b.receiver, 0), incident) != NULL);
    cr_expect(slice_is(receiver_header(&b.receiver, 0, "Content-Type"), "application/json"));
    cr_expect(slice_is(receiver_header(&b.receiver, 0, "X-Team"), "llm"));
    cr_expect(slice_is(receiver_header(&b.receiver, 0, "X-Driftline-Attempt"), "1"));
    cr_expect(receiver_header(&b.receiver, 0, "Idempotency-Key").size == 32);
    cr_expect(receiver_header(&b.receiver, 0, "Expect").size == 0);
    expect_signed(&b, 0);
    cr_expect_str_eq(fixture_ask(&b.f, "select notified from incidents"), "1");
    bench_deinit(&b);
}

Test(alert_delivery, trouble_is_tried_again_with_the_same_key)
{
    SCRIPT(ANSWER_503, "", "hang-up\r\n\r\n", ANSWER_OK);
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true");
    sender_start(&b);
    fire(&b, "{}");
    receiver_await(&b.receiver, 4);
    fixture_await(&b.f, "select state from notifications", "sent");
    cr_expect_str_eq(fixture_ask(&b.f, "select attempts from notifications"), "4");
    for (uint32_t i = 0; i < 4; i++) {
        char attempt[8];
        (void)snprintf(attempt, sizeof attempt, "%u", i + 1);
        cr_expect(slice_equal(receiver_header(&b.receiver, i, "Idempotency-Key"),
                              receiver_header(&b.receiver, 0, "Idempotency-Key")));
        cr_expect(slice_is(receiver_header(&b.receiver, i, "X-Driftline-Attempt"), attempt));
        expect_signed(&b, i);
    }
    cr_expect_str_eq(fixture_ask(&b.f, "select notified from incidents"), "1");
    bench_deinit(&b);
}

Test(alert_delivery, a_refusal_is_final)
{
    SCRIPT(ANSWER_400, ANSWER_OK);
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true");
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select state from notifications", "failed");
    cr_expect_str_eq(fixture_ask(&b.f, "select error from notifications"), "HTTP 400: wrong");
    cr_expect_str_eq(fixture_ask(&b.f, "select http_status from notifications"), "400");
    cr_expect(receiver_count(&b.receiver) == 1);
    bench_deinit(&b);
}

Test(alert_delivery, redirects_are_not_followed)
{
    SCRIPT("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true");
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select state from notifications", "failed");
    cr_expect_str_eq(fixture_ask(&b.f, "select error from notifications"),
                     "HTTP 302 (redirects are not followed)");
    bench_deinit(&b);
}

Test(alert_delivery, tries_are_used_up)
{
    SCRIPT(ANSWER_503);
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true, retries: 1");
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select state from notifications", "failed");
    cr_expect_str_eq(fixture_ask(&b.f, "select error from notifications"),
                     "HTTP 503: busy (after 2 tries)");
    cr_expect(receiver_count(&b.receiver) == 2);
    bench_deinit(&b);
}

Test(alert_delivery, private_addresses_need_permission)
{
    SCRIPT(ANSWER_OK);
    struct bench b;
    bench_init(&b, script, script_count, "");
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select state from notifications", "failed");
    cr_expect_str_eq(fixture_ask(&b.f, "select error from notifications"),
                     "the address 127.0.0.1 is loopback; `allow_private: true` would allow it");
    cr_expect(receiver_count(&b.receiver) == 0, "not one byte went there");
    bench_deinit(&b);
}

Test(alert_delivery, names_are_judged_by_what_they_resolve_to)
{
    SCRIPT(ANSWER_OK);
    struct bench b;
    char text[256];
    bench_init(&b, script, script_count, "");
    alert_rules_destroy(b.rules);
    (void)snprintf(
        text, sizeof text,
        "notifiers: [{name: ops, type: webhook, url: 'http://localhost:%u/'}]\n"
        "rules: [{name: drop, query: select 1 as value, condition: value > 0, notify: ops}]\n",
        b.receiver.port);
    MUST(alert_rules_parse("r", slice_text(text), NULL, &b.rules, &error));
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select state from notifications", "failed");
    cr_expect(strstr(fixture_ask(&b.f, "select error from notifications"), "is loopback") != NULL);
    cr_expect(receiver_count(&b.receiver) == 0);
    bench_deinit(&b);
}

Test(alert_delivery, a_receiver_that_hangs_is_a_timeout)
{
    SCRIPT("hang");
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true, retries: 0");
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select state from notifications", "failed");
    cr_expect(strstr(fixture_ask(&b.f, "select error from notifications"), "timed out") != NULL,
              "%s", fixture_ask(&b.f, "select error from notifications"));
    bench_deinit(&b);
}

Test(alert_delivery, retry_after_is_honoured)
{
    SCRIPT(ANSWER_LATER, ANSWER_OK);
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true");
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select http_status from notifications", "429");
    /* At least the second asked for; our own first delay is a quarter of that. */
    cr_expect_str_eq(
        fixture_ask(&b.f, "select next_attempt - created >= interval '1s' from notifications"),
        "true");
    fixture_await(&b.f, "select state from notifications", "sent");
    bench_deinit(&b);
}

Test(alert_delivery, a_flood_of_an_answer_is_cut)
{
    struct buffer flood = {0};
    buffer_add_text(&flood, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (size_t i = 0; i < 4 * ALERT_RESPONSE_BYTES_MAX; i++)
        buffer_add_byte(&flood, 'x');
    buffer_add_byte(&flood, 0);
    const char *script[] = {(const char *)flood.data};
    struct bench b;
    bench_init(&b, script, 1, ", allow_private: true");
    sender_start(&b);
    fire(&b, "{}");
    fixture_await(&b.f, "select state from notifications", "sent");
    bench_deinit(&b);
    buffer_deinit(&flood);
}

/* What waited when the process ended is delivered once by the next one. */
Test(alert_delivery, a_restart_neither_forgets_nor_repeats)
{
    SCRIPT(ANSWER_OK);
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true");
    fire(&b,
         "{\"a\":\"1\"}"); /* the transition is stored; the process "ends" before any delivery */
    fixture_restart(&b.f);
    sender_start(&b);
    fixture_await(&b.f, "select state from notifications", "sent");
    alert_sender_stop(b.sender);
    sender_start(&b); /* and once more */
    fire(&b, "{\"a\":\"2\"}");
    receiver_await(&b.receiver, 2);
    cr_expect(strstr(receiver_body(&b.receiver, 0), "\"a\":\"1\"") != NULL);
    cr_expect(strstr(receiver_body(&b.receiver, 1), "\"a\":\"2\"") != NULL,
              "the first was not repeated");
    bench_deinit(&b);
}

/* A stop while the receiver thinks: the try counts for nothing, and the next process sends it with the same key. */
Test(alert_delivery, what_a_stop_cuts_short_is_repeated_with_its_key)
{
    SCRIPT("", "", ANSWER_OK);
    struct bench b;
    bench_init(&b, script, script_count, ", allow_private: true");
    sender_start(&b);
    fire(&b, "{}");
    receiver_await(&b.receiver, 1);
    alert_sender_stop(b.sender);
    sender_start(&b);
    fixture_await(&b.f, "select state from notifications", "sent");
    uint32_t last = receiver_count(&b.receiver) - 1;
    cr_expect(slice_equal(receiver_header(&b.receiver, 0, "Idempotency-Key"),
                          receiver_header(&b.receiver, last, "Idempotency-Key")));
    cr_expect_str_eq(fixture_ask(&b.f, "select notified from incidents"), "1");
    bench_deinit(&b);
}

Test(alert_delivery, many_are_delivered_each_once)
{
    SCRIPT(ANSWER_OK);
    enum {
        COUNT = 40
    };
    struct bench b;
    struct intern keys;
    bench_init(&b, script, script_count, ", allow_private: true");
    sender_start(&b);
    for (int i = 0; i < COUNT; i++) {
        char group[32];
        (void)snprintf(group, sizeof group, "{\"a\":\"%d\"}", i);
        fire(&b, group);
    }
    fixture_await(&b.f, "select count(*) from notifications where state = 'sent'", "40");
    intern_init(&keys);
    cr_assert(receiver_count(&b.receiver) == COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct slice key = receiver_header(&b.receiver, i, "Idempotency-Key");
        cr_expect(intern_find(&keys, key) == 0);
        (void)intern_add(&keys, key);
    }
    intern_deinit(&keys);
    bench_deinit(&b);
}

Test(alert_delivery, a_notifier_that_is_gone_fails_what_waits_for_it)
{
    SCRIPT(ANSWER_OK);
    struct bench b;
    struct alert_rules *none = NULL;
    bench_init(&b, script, script_count, ", allow_private: true");
    fire(&b, "{}");
    struct alert_rules *before = b.rules;
    MUST(alert_rules_parse("r", SLICE_EMPTY, NULL, &none, &error));
    b.rules = none;
    sender_start(&b);
    fixture_await(&b.f, "select error from notifications", "there is no such notifier any more");
    alert_rules_destroy(before);
    bench_deinit(&b);
}
