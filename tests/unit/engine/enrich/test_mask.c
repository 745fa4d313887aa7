/*
 * test_mask.c - what is replaced, that JSON stays JSON, and that nothing gets past a limit.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/json.h"
#include "engine/enrich/mask.h"

static struct error error;

static struct mask_rule rule(const char *name, const char *detector, const char *pattern)
{
    return (struct mask_rule){.name = slice_text(name),
                              .project = SLICE_EMPTY,
                              .detector = slice_text(detector),
                              .pattern = slice_text(pattern),
                              .replacement = SLICE_EMPTY};
}

static struct masker *masker(const struct mask_rule *rules, uint32_t count)
{
    struct masker *m = NULL;
    cr_assert_eq(masker_create(rules, count, &m, &error), STATUS_OK, "%s", error.text);
    return m;
}

static bool is_json(struct slice text)
{
    struct json j = json_over(text);
    enum json_token token;
    while ((token = json_next(&j)) > JSON_END)
        ;
    return token == JSON_END;
}

/* The masked text, good until the next call. */
static const char *masked(const struct masker *m, const char *text, uint64_t *counts)
{
    static char result[4096];
    struct arena arena = {0};
    struct slice before = slice_text(text);
    struct slice after = mask_text(m, slice_text("default"), before, &arena, counts);
    cr_assert_lt(after.size, sizeof result);
    cr_assert(!is_json(before) || is_json(after), "%.*s", SLICE_ARG(after));
    memcpy(result, after.data, after.size);
    result[after.size] = 0;
    arena_deinit(&arena);
    return result;
}

Test(mask, detectors_and_patterns_in_plain_text)
{
    struct mask_rule rules[] = {rule("email", "pii.email", ""), rule("ticket", "", "TKT-\\d+")};
    rules[1].replacement = slice_text("<ticket>");
    struct masker *m = masker(rules, 2);
    uint64_t counts[2] = {0};
    cr_expect_str_eq(masked(m, "write to bob@example.com or ann@example.org about TKT-12", counts),
                     "write to [email] or [email] about <ticket>");
    cr_expect(counts[0] == 2 && counts[1] == 1);
    cr_expect_str_eq(masked(m, "nothing here", counts), "nothing here");
    cr_expect(counts[0] == 2 && counts[1] == 1);
    cr_expect_eq(masker_count(m), 2);
    cr_expect(slice_is(masker_rule_name(m, 1), "ticket"));
    masker_destroy(m);
}

Test(mask, what_does_not_change_is_not_copied)
{
    struct mask_rule rules[] = {rule("email", "pii.email", ""), rule("x", "", "zzz")};
    struct masker *m = masker(rules, 2);
    struct arena arena = {0};
    uint64_t counts[2] = {0};
    struct slice text = slice_text("{\"a\":\"line\\nline\",\"b\":[1,2,\"\\u00e9\"]}");
    struct slice after = mask_text(m, slice_text("default"), text, &arena, counts);
    cr_expect(after.data == text.data && after.size == text.size);
    arena_deinit(&arena);
    masker_destroy(m);
}

Test(mask, json_is_masked_string_by_string)
{
    struct mask_rule rules[] = {rule("email", "pii.email", ""), rule("card", "pii.card", ""),
                                rule("secret", "", "(?i)hunter\\d")};
    struct masker *m = masker(rules, 3);
    uint64_t counts[3] = {0};
    cr_expect_str_eq(masked(m, "{\"content\":\"bob@example.com says \\\"hi\\\"\"}", counts),
                     "{\"content\":\"[email] says \\\"hi\\\"\"}");
    cr_expect_str_eq(masked(m, "{\"content\":\"bob\\u0040example.com\"}", counts),
                     "{\"content\":\"[email]\"}");
    cr_expect_str_eq(masked(m, "{\"bob@example.com\":1}", counts), "{\"[email]\":1}", "keys, too");
    cr_expect_str_eq(masked(m, "[4111111111111111, 17]", counts), "[\"[card]\", 17]",
                     "a number becomes a string");
    cr_expect_str_eq(masked(m, "{\"pw\" : \"Hunter2\"}", counts), "{\"pw\" : \"[secret]\"}");
    cr_expect_str_eq(masked(m, "[0.4111111111111111, 4111111111111111.5]", counts),
                     "[0.4111111111111111, 4111111111111111.5]", "fractions are measurements");
    masker_destroy(m);
}

Test(mask, json_inside_json_stays_json_at_every_level)
{
    struct mask_rule rules[] = {rule("email", "pii.email", "")};
    struct masker *m = masker(rules, 1);
    uint64_t counts[1] = {0};
    cr_expect_str_eq(
        masked(m, "{\"arguments\":\"{\\\"to\\\":\\\"bob@example.com\\\",\\\"n\\\":1}\"}", counts),
        "{\"arguments\":\"{\\\"to\\\":\\\"[email]\\\",\\\"n\\\":1}\"}");
    cr_expect_eq(counts[0], 1);
    masker_destroy(m);
}

Test(mask, a_pattern_can_not_break_json)
{
    struct mask_rule rules[] = {rule("all", "", ".*"), rule("quotes", "", "\"[^\"]*\"")};
    struct masker *m = masker(rules, 2);
    uint64_t counts[2] = {0};
    cr_expect_str_eq(masked(m, "{\"a\":\"b\",\"n\":1}", counts),
                     "{\"[all]\":\"[all]\",\"[all]\":1}");
    masker_destroy(m);
}

Test(mask, broken_json_is_masked_as_text_and_counted_once)
{
    struct mask_rule rules[] = {rule("email", "pii.email", "")};
    struct masker *m = masker(rules, 1);
    uint64_t counts[1] = {0};
    cr_expect_str_eq(masked(m, "{\"a\":\"bob@example.com\",", counts), "{\"a\":\"[email]\",");
    cr_expect_eq(counts[0], 1);
    masker_destroy(m);
}

Test(mask, every_truncation_and_bit_flip_is_safe)
{
    static const char text[] =
        "{\"c\":\"bob@example.com \\u00e9\\n\",\"d\":[\"{\\\"x\\\":\\\"+1 415 555 0100\\\"}\",4111111111111111]}";
    struct mask_rule rules[] = {rule("pii", "pii", ""), rule("x", "", "e.?")};
    struct masker *m = masker(rules, 2);
    struct arena arena = {0};
    uint64_t counts[2] = {0};
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char *copy = malloc(size + 1);
        cr_assert(copy != NULL);
        memcpy(copy, text, size);
        (void)mask_text(m, slice_text("p"), slice_of(copy, size), &arena, counts);
        free(copy);
    }
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        copy[bit / 8] ^= (char)(1 << bit % 8);
        struct slice before = slice_of(copy, sizeof text - 1);
        struct slice after = mask_text(m, slice_text("p"), before, &arena, counts);
        cr_assert(!is_json(before) || is_json(after), "bit %zu: %.*s", bit, SLICE_ARG(after));
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    masker_destroy(m);
}

Test(mask, rules_of_one_project_leave_the_others_alone)
{
    struct mask_rule rules[] = {rule("email", "pii.email", "")};
    rules[0].project = slice_text("support");
    struct masker *m = masker(rules, 1);
    struct arena arena = {0};
    uint64_t counts[1] = {0};
    struct slice text = slice_text("bob@example.com");
    cr_expect(masker_applies(m, slice_text("support")));
    cr_expect(!masker_applies(m, slice_text("default")));
    cr_expect(!masker_applies(NULL, slice_text("default")));
    cr_expect(
        slice_is(mask_text(m, slice_text("default"), text, &arena, counts), "bob@example.com"));
    cr_expect(slice_is(mask_text(m, slice_text("support"), text, &arena, counts), "[email]"));
    arena_deinit(&arena);
    masker_destroy(m);
}

Test(mask, a_pattern_at_its_limit_masks_what_it_could_not_check)
{
    struct mask_rule rules[] = {rule("slow", "", "^(?:a|a)*(?:a|a)*(?:a|a)*b$")};
    struct masker *m = masker(rules, 1);
    uint64_t counts[1] = {0};
    char text[512] = "[\"fine\"";
    char evil[64];
    memset(evil, 'a', sizeof evil - 1);
    memcpy(evil + sizeof evil - 3, "bc", 3); /* the b it needs is there, the end is not */
    for (int i = 0; i < 4; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ",\"%s\"", evil);
    strcat(text, ",\"fine\"]");
    cr_expect_str_eq(masked(m, text, counts),
                     "[\"fine\",\"[slow]\",\"[slow]\",\"[slow]\",\"[slow]\",\"[slow]\"]",
                     "after three it is not tried any more");
    cr_expect_eq(counts[0], 5);
    masker_destroy(m);
}

Test(mask, a_text_that_would_grow_too_much_goes_as_a_whole)
{
    struct mask_rule rules[] = {rule("e", "", "e")};
    rules[0].replacement = slice_text(
        "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    struct masker *m = masker(rules, 1);
    struct arena arena = {0};
    uint64_t counts[1] = {0};
    size_t size = 100000;
    char *text = malloc(size);
    cr_assert(text != NULL);
    memset(text, 'e', size);
    struct slice after = mask_text(m, slice_text("p"), slice_of(text, size), &arena, counts);
    cr_expect(slice_equal(after, rules[0].replacement));
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + size - 2, "\"}", 2);
    after = mask_text(m, slice_text("p"), slice_of(text, size), &arena, counts);
    cr_expect(is_json(after) && after.size < 200 && after.data[0] == '{', "%.*s", SLICE_ARG(after));
    text[0] = '[';
    memset(text + 1, ' ', 4);
    text[size - 1] = ']';
    after = mask_text(m, slice_text("p"), slice_of(text, size), &arena, counts);
    cr_expect(is_json(after) && after.data[0] == '[', "%.*s", SLICE_ARG(after));
    cr_expect_eq(counts[0], 3);
    free(text);
    arena_deinit(&arena);
    masker_destroy(m);
}

Test(mask, empty_matches_and_odd_anchors_end)
{
    struct mask_rule rules[] = {rule("empty", "", "x*"), rule("keep", "", "a\\Kb"),
                                rule("look", "", "(?<=a)b")};
    struct masker *m = masker(rules, 2);
    uint64_t counts[3] = {0};
    cr_expect_str_eq(masked(m, "ab\xc3\xa9xx\xff ab", counts),
                     "a[keep]\xc3\xa9[empty]\xff a[keep]");
    masker_destroy(m);
    m = masker(rules + 2, 1);
    cr_expect_str_eq(masked(m, "ab b ab", counts), "a[look] b a[look]");
    masker_destroy(m);
}

Test(mask, later_rules_see_what_earlier_ones_left)
{
    struct mask_rule rules[] = {rule("a", "", "cat"), rule("b", "", "\\[a\\]")};
    struct masker *m = masker(rules, 2);
    uint64_t counts[2] = {0};
    cr_expect_str_eq(masked(m, "cat", counts), "[b]");
    masker_destroy(m);
}

static void refused(struct mask_rule r, const char *word)
{
    struct masker *m = NULL;
    error.text[0] = 0;
    cr_expect_eq(masker_create(&r, 1, &m, &error), STATUS_INVALID, "%s", word);
    cr_expect(strstr(error.text, word) != NULL, "%s: %s", word, error.text);
    cr_expect(m == NULL);
}

Test(mask, wrong_rules_are_named)
{
    struct mask_rule r = rule("", "pii", "");
    refused(r, "name");
    r = rule("x", "pii.nonsense", "");
    refused(r, "pii.nonsense");
    r = rule("x", "", "");
    refused(r, "either");
    r = rule("x", "pii", "a");
    refused(r, "either");
    r = rule("x", "", "a(b");
    refused(r, "byte 3");
    r = rule("x", "", "\\C");
    refused(r, "invalid pattern");
    r = rule("x", "pii", "");
    r.replacement = slice_text("say \"x\"");
    refused(r, "replacement");
    r.replacement = slice_text("a\\b");
    refused(r, "replacement");
    r.replacement = slice_text("a\nb");
    refused(r, "replacement");
    r.replacement = slice_text("\xff");
    refused(r, "replacement");
    r = rule("quo\"te", "pii", "");
    refused(r, "name");
    struct mask_rule two[] = {rule("x", "pii", ""), rule("x", "secret", "")};
    struct masker *m = NULL;
    cr_expect_eq(masker_create(two, 2, &m, &error), STATUS_INVALID);
    cr_expect(strstr(error.text, "'x' already") != NULL, "%s", error.text);
}

Test(mask, as_many_rules_as_allowed)
{
    struct mask_rule rules[MASK_RULES_MAX + 1];
    char names[MASK_RULES_MAX + 1][8];
    struct masker *m = NULL;
    for (uint32_t i = 0; i <= MASK_RULES_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "r%u", i);
        rules[i] = rule(names[i], "", "q");
    }
    cr_assert_eq(masker_create(rules, MASK_RULES_MAX + 1, &m, &error), STATUS_LIMIT);
    m = masker(rules, MASK_RULES_MAX);
    masker_destroy(m);
    masker_destroy(NULL);
}
