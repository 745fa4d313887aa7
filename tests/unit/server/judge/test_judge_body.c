/*
 * test_judge_body.c - what workers send and commands print.
 */
#include "judge_fixture.h"

#include "server/judge/judge_body.h"

static enum status read_body(const char *text, unsigned allowed, unsigned required,
                             struct arena *arena, struct judge_body *ret, struct error *reterr)
{
    return judge_body_read(slice_text(text), allowed, required, arena, ret, reterr);
}

Test(judge_body, a_verdict_in_all_its_spellings)
{
    static const struct {
        const char *text;
        double value;
        const char *label;
    } table[] = {{"{\"score\":0.5}", 0.5, ""},
                 {"{\"value\":true}", 1, ""},
                 {"{\"value\":false,\"label\":\"x\"}", 0, "x"},
                 {"{\"value\":\"rude\"}", NOTHING, "rude"},
                 {" {\"label\" : \"a\\\"b\", \"explanation\": null}\n", NOTHING, "a\"b"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct arena arena = {0};
        struct error error = {0};
        struct judge_body b;
        cr_assert_eq(read_body(table[i].text, BODY_VERDICT, 0, &arena, &b, &error), STATUS_OK,
                     "%s: %s", table[i].text, error.text);
        cr_expect(isnan(table[i].value) ? isnan(b.verdict.value)
                                        : b.verdict.value == table[i].value,
                  "%s", table[i].text);
        cr_expect(slice_is(b.verdict.label, table[i].label), "%s", table[i].text);
        arena_deinit(&arena);
    }
}

Test(judge_body, all_members)
{
    struct arena arena = {0};
    struct judge_body b;
    struct error error = {0};
    cr_assert_eq(
        read_body(
            "{\"id\":7,\"token\":3,\"worker\":\"w\",\"max\":9,\"lease\":\"1m30s\",\"reason\":\"r\",\"cost_usd\":0.0015,"
            "\"judge_model\":\"m\",\"explanation\":\"e\",\"value\":1}",
            ~0u, BODY_ID, &arena, &b, &error),
        STATUS_OK, "%s", error.text);
    cr_expect_eq(b.id, 7);
    cr_expect_eq(b.token, 3);
    cr_expect_eq(b.max, 9);
    cr_expect_eq(b.lease_ns, 90 * NS_PER_S);
    cr_expect_eq(b.verdict.cost_nusd, 1500000);
    cr_expect(slice_is(b.worker, "w") && slice_is(b.reason, "r") &&
              slice_is(b.verdict.judge_model, "m"));
    cr_assert_eq(read_body("{\"lease\":45}", ~0u, 0, &arena, &b, &error), STATUS_OK, "%s",
                 error.text);
    cr_expect_eq(b.lease_ns, 45 * NS_PER_S);
    arena_deinit(&arena);
}

Test(judge_body, mistakes_are_named)
{
    static const struct {
        const char *text, *words;
    } table[] = {
        {"", "the JSON"},
        {"[]", "a JSON object expected"},
        {"1", "a JSON object expected"},
        {"{\"id\":1", "the JSON"},
        {"{\"id\":1} {}", "the JSON"},
        {"{}", "id: missing"},
        {"{\"id\":null}", "id: missing"},
        {"{\"id\":1.5}", "id: an integer expected"},
        {"{\"id\":\"1\"}", "id: an integer expected"},
        {"{\"id\":1,\"id\":2}", "id: given twice"},
        {"{\"id\":1,\"tokn\":2}", "unknown member 'tokn'; did you mean 'token'?"},
        {"{\"id\":1,\"lease\":0}", "lease: a duration"},
        {"{\"id\":1,\"lease\":\"soon\"}", "lease: a duration"},
        {"{\"id\":1,\"lease\":86401}", "lease: a duration"},
        {"{\"id\":1,\"value\":1e400}", "value: a finite number"},
        {"{\"id\":1,\"value\":{}}", "value: a number"},
        {"{\"id\":1,\"value\":1,\"score\":1}", "send one of them"},
        {"{\"id\":1,\"value\":\"a\",\"label\":\"b\"}", "label: the value is a label already"},
        {"{\"id\":1,\"label\":\"b\",\"value\":\"a\"}", "value: a number"},
        {"{\"id\":1,\"cost_usd\":-1}", "cost_usd: a number of USD"},
        {"{\"id\":1,\"cost_usd\":1e7}", "cost_usd: a number of USD"},
        {"{\"id\":1,\"explanation\":5}", "explanation: a string expected"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct arena arena = {0};
        struct error error = {0};
        struct judge_body b;
        cr_expect_eq(read_body(table[i].text, ~0u, BODY_ID, &arena, &b, &error), STATUS_INVALID,
                     "%s", table[i].text);
        cr_expect(strstr(error.text, table[i].words) != NULL, "%s: %s", table[i].text, error.text);
        arena_deinit(&arena);
    }
    struct arena arena = {0};
    struct judge_body b;
    expect_refused(read_body("{\"worker\":\"w\"}", BODY_VERDICT, 0, &arena, &b, &refusal),
                   STATUS_INVALID, "unknown member 'worker'");
    arena_deinit(&arena);
}
