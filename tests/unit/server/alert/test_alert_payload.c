/*
 * test_alert_payload.c - label sets, fingerprints and the body of a webhook.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "server/alert/alert_evaluate.h"
#include "server/alert/alert_payload.h"

#define LABEL(n, v)                                                                                \
    {                                                                                              \
        .name = {(const uint8_t *)(n), sizeof(n) - 1},                                             \
        .value = {(const uint8_t *)(v), sizeof(v) - 1}, .has_value = true                          \
    }

Test(alert_labels, fingerprints_are_fnv_1a_over_sorted_labels)
{
    struct label one[] = {LABEL("a", "b")};
    struct label many[] = {LABEL("service", "support-bot"), LABEL("alertname", "GroundednessLow"),
                           LABEL("severity", "page"), LABEL("model", "gpt-4o-mini")};
    cr_expect(labels_fingerprint(NULL, 0) == 0xcbf29ce484222325u);
    cr_expect(labels_fingerprint(one, 1) == 0xd2b371819297f98au);
    labels_sort(many, 4);
    cr_expect(labels_fingerprint(many, 4) == 0x1f6065d2958a7d9fu);
}

Test(alert_labels, are_read_back_as_written)
{
    struct label labels[] = {LABEL("a", ""), LABEL("b", "quote \" back \\ tab \t"),
                             LABEL("c", "\xc3\xa9")};
    struct arena arena = {0};
    struct buffer text = {0};
    struct label *read = NULL;
    uint32_t count = 0;
    labels[0].has_value = false;
    labels_write(labels, 3, &text);
    cr_assert(labels_read(buffer_slice(&text), &arena, &read, &count, NULL) == STATUS_OK);
    cr_assert(count == 3 && !read[0].has_value);
    for (uint32_t i = 0; i < 3; i++)
        cr_expect(slice_equal(read[i].name, labels[i].name) &&
                  slice_equal(read[i].value, labels[i].value));
    for (size_t size = 0; size < text.size; size++) {
        struct error error = {0};
        cr_expect(labels_read(slice_of(text.data, size), &arena, &read, &count, &error) ==
                  STATUS_INVALID);
    }
    static const char *const wrong[] = {"[]",   "{\"a\":1}",      "{\"a\":{}}",
                                        "{} x", "{\"a\":\"b\",}", "null"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect(labels_read(slice_text(wrong[i]), &arena, &read, &count, NULL) == STATUS_INVALID,
                  "%s", wrong[i]);
    buffer_deinit(&text);
    arena_deinit(&arena);
}

static struct incident incident(void)
{
    return (struct incident){
        .id = 7,
        .project_name = slice_text("default"),
        .rule = slice_text("drop"),
        .severity = slice_text("page"),
        .group = slice_text("{\"prompt_version\":\"v\\\"2\",\"region\":null}"),
        .label_set =
            slice_text("{\"alertname\":\"drop\",\"prompt_version\":\"v\\\"2\",\"region\":\"\"}"),
        .fingerprint = "00000000000000ff",
        .state = GROUP_FIRING,
        .has_value = true,
        .value = -0.03,
        .has_samples = true,
        .samples = 120,
        .summary = slice_text("a \"drop\""),
        .exemplars = slice_text("[\"ab\",\"cd\"]"),
        .reason = SLICE_EMPTY,
        .fired_ns = 1764277200 * NS_PER_S};
}

Test(alert_payload, is_alertmanagers_envelope)
{
    struct incident i = incident();
    struct buffer body = {0};
    cr_assert(alert_payload_write(&i, "ops", "https://d.example", &body, NULL) == STATUS_OK);
    buffer_add_byte(&body, 0);
    cr_expect_str_eq(
        (const char *)body.data,
        "{\"version\":\"4\",\"groupKey\":\"{}:{alertname=\\\"drop\\\",prompt_version=\\\"v\\\\\\\"2\\\",region=\\\"\\\"}\","
        "\"truncatedAlerts\":0,\"status\":\"firing\",\"receiver\":\"ops\","
        "\"groupLabels\":{\"alertname\":\"drop\",\"prompt_version\":\"v\\\"2\",\"region\":\"\"},"
        "\"commonLabels\":{\"alertname\":\"drop\",\"prompt_version\":\"v\\\"2\",\"region\":\"\"},"
        "\"commonAnnotations\":{\"summary\":\"a \\\"drop\\\"\"},\"externalURL\":\"https://d.example\","
        "\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"drop\",\"prompt_version\":\"v\\\"2\",\"region\":\"\"},"
        "\"annotations\":{\"summary\":\"a \\\"drop\\\"\"},\"startsAt\":\"2025-11-27T21:00:00Z\","
        "\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"https://d.example/api/v1/alerts?rule=drop\","
        "\"fingerprint\":\"00000000000000ff\",\"driftline\":{\"incident\":7,\"rule\":\"drop\",\"project\":\"default\","
        "\"severity\":\"page\",\"value\":-0.03,\"samples\":120,\"exemplars\":[\"ab\",\"cd\"],\"reason\":\"\"}}]}");
    buffer_deinit(&body);
}

static bool is_json(struct slice text)
{
    struct json j = json_over(text);
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END)
        ;
    return t == JSON_END;
}

Test(alert_payload, stays_json_without_numbers_and_when_resolved)
{
    struct incident i = incident();
    struct buffer body = {0};
    i.state = GROUP_INACTIVE;
    i.resolved_ns = 1764277260 * NS_PER_S;
    i.value = NAN;
    i.has_samples = false;
    i.reason = slice_text("no data");
    cr_assert(alert_payload_write(&i, "o\"ps", "", &body, NULL) == STATUS_OK);
    cr_expect(is_json(buffer_slice(&body)));
    buffer_add_byte(&body, 0);
    cr_expect(strstr((char *)body.data, "\"status\":\"resolved\"") != NULL);
    cr_expect(strstr((char *)body.data, "\"endsAt\":\"2025-11-27T21:01:00Z\"") != NULL);
    cr_expect(strstr((char *)body.data, "\"value\":null,\"samples\":null") != NULL);
    cr_expect(strstr((char *)body.data, "\"generatorURL\":\"\"") != NULL);
    cr_expect(strstr((char *)body.data, "\"reason\":\"no data\"") != NULL);
    buffer_deinit(&body);
}

Test(alert_payload, the_label_set_has_the_rules_own_words_last)
{
    struct alert_pair pairs[] = {{"team", "llm"}, {"model", "of the rule"}};
    const struct alert_rule rule = {.name = "drop",
                                    .project = "default",
                                    .severity = SEVERITY_PAGE,
                                    .label_count = 2,
                                    .labels = pairs};
    struct buffer set = {0};
    char fingerprint[17];
    cr_assert(rule_label_set(&rule,
                             slice_text("{\"model\":\"gpt\",\"project\":\"x\",\"zone\":null}"),
                             &set, fingerprint, NULL) == STATUS_OK);
    buffer_add_byte(&set, 0);
    cr_expect_str_eq(
        (char *)set.data,
        "{\"alertname\":\"drop\",\"model\":\"gpt\",\"project\":\"default\",\"severity\":\"page\",\"team\":\"llm\",\"zone\":\"\"}");
    cr_expect(strlen(fingerprint) == 16);
    buffer_deinit(&set);
}
