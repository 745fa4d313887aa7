/*
 * test_policy.c - policy files: what a good one means, and that each mistake is named with its place.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "server/policy/policy.h"

static struct error error;

static const char *source_dir(void)
{
    const char *dir = getenv("SOURCE_DIR");
    return dir != NULL ? dir : "../..";
}

static const char *path_of(const char *file)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", source_dir(), file);
    return path;
}

static void built_in(const struct policy *p)
{
    struct taxonomy shipped;
    taxonomy_init(&shipped);
    cr_expect_eq(p->settings.taxonomy.count, shipped.count);
    cr_expect(p->settings.prices != NULL && price_table_count(p->settings.prices) > 150);
    cr_expect(p->settings.masker == NULL && p->settings.rules == NULL);
    cr_expect(p->judge_count == 0 && !p->settings.scorers_off && p->settings.scorers.disabled == 0);
}

Test(policy, without_a_file_everything_has_its_default)
{
    struct policy p;
    cr_assert_eq(policy_load("", "", &p, &error), STATUS_OK, "%s", error.text);
    built_in(&p);
    policy_deinit(&p);
    cr_assert_eq(policy_load(NULL, NULL, &p, &error), STATUS_OK);
    built_in(&p);
    policy_deinit(&p);
    static const char *const empty[] = {"", "# nothing\n", "{}\n",
                                        "classes:\nrules:\nmask:\njudges:\n"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        cr_assert_eq(policy_parse("p.yaml", slice_text(empty[i]), &p, &error), STATUS_OK, "%zu: %s",
                     i, error.text);
        built_in(&p);
        policy_deinit(&p);
    }
}

static void classes_are_right(const struct taxonomy *t)
{
    const struct error_class *c = taxonomy_find(t, slice_text("off_topic"));
    cr_assert(c != NULL);
    cr_expect(c->bucket == BUCKET_QUALITY && c->order == 95);
    cr_expect_str_eq(c->definition, "the answer is about something else");
    c = taxonomy_find(t, slice_text("refusal"));
    cr_expect(c->bucket == BUCKET_SAFETY && c->order == 70 && strlen(c->definition) > 0,
              "what is not said stays");
    c = taxonomy_find(t, slice_text("late"));
    cr_assert(c != NULL);
    cr_expect_eq(c->order, 101, "between tool_error and other");
}

static void scorers_are_right(const struct scorer_options *o)
{
    cr_expect_eq(o->disabled, 1ull << SCORER_on_goal | 1ull << (SCORER_COUNT + 1));
    cr_expect_eq(o->thresholds[SCORER_not_repetitive], 0.3);
    cr_expect_eq(o->thresholds[SCORER_grounding], 0.5);
    cr_expect(isnan(o->thresholds[SCORER_complete]));
    cr_expect(o->latency_budget_ns == 10 * NS_PER_S && o->cost_budget_nusd == 50000000);
    cr_expect(o->loop_repeats == 4 && o->retrieval_score_min == 0.25);
}

static void judges_are_right(const struct policy *p)
{
    cr_assert_eq(p->judge_count, 2);
    const struct judge_rule *j = &p->judges[0];
    cr_expect_str_eq(j->name, "groundedness");
    cr_expect_str_eq(j->project, "support");
    cr_expect_str_eq(j->where, "kind = 'llm' and retrieved_count > 0");
    cr_expect(j->sample == 0.05 && j->flagged);
    cr_expect(j->cost_cap_nusd_per_day == 20500000000 && j->lease_ns == 120 * NS_PER_S &&
              j->attempts_max == 5);
    cr_expect_str_eq(j->scorer, "groundedness");
    cr_expect_str_eq(j->judge_model, "gpt-4o-mini");
    cr_expect_str_eq(j->scorer_version, "3");
    j = &p->judges[1];
    cr_expect(j->sample == 1 && !j->flagged && j->cost_cap_nusd_per_day == 0 && j->lease_ns == 0 &&
              j->attempts_max == 0);
    cr_expect(*j->project == 0 && *j->where == 0 && *j->judge_model == 0);
    cr_expect_str_eq(j->scorer_version, "1");
}

Test(policy, a_file_with_every_part)
{
    struct policy p;
    struct arena arena = {0};
    uint64_t counts[2] = {0};
    cr_assert_eq(policy_load(path_of("tests/unit/server/policy/policy_full.yaml"), "", &p, &error),
                 STATUS_OK, "%s", error.text);
    classes_are_right(&p.settings.taxonomy);
    scorers_are_right(&p.settings.scorers);
    judges_are_right(&p);
    cr_assert(p.settings.rules != NULL);
    cr_expect_eq(rules_count(p.settings.rules), 2);
    cr_assert(p.settings.masker != NULL);
    struct slice text = mask_text(p.settings.masker, slice_text("support"),
                                  slice_text("bob@example.com TKT-123456"), &arena, counts);
    cr_expect(slice_is(text, "<mail> [ticket]"), "%.*s", SLICE_ARG(text));
    arena_deinit(&arena);

    struct enrich_settings settings = policy_detach_settings(&p);
    struct enricher *e = enricher_create(&settings);
    policy_deinit(&p);
    cr_expect_eq(enrich_class_check(e, slice_text("off_topic"), &error), STATUS_OK);
    cr_expect_str_eq(
        taxonomy_find(&enricher_settings(e)->taxonomy, slice_text("off_topic"))->definition,
        "the answer is about something else", "outlives the policy");
    cr_expect_eq(enrich_class_check(e, slice_text("off_topics"), &error), STATUS_INVALID);
    cr_expect(strstr(error.text, "did you mean 'off_topic'?") != NULL, "%s", error.text);
    enricher_destroy(e);
}

/* Text between the fences of one YAML example. */
static struct slice example_next(struct slice *rest)
{
    static const char open[] = "```yaml\n";
    const char *start = memmem(rest->data, rest->size, open, sizeof open - 1);
    if (start == NULL)
        return SLICE_EMPTY;
    start += sizeof open - 1;
    size_t left = (size_t)((const char *)rest->data + rest->size - start);
    const char *end = memmem(start, left, "```\n", 4);
    cr_assert(end != NULL);
    *rest = slice_of(end + 4, left - (size_t)(end + 4 - start));
    return slice_of(start, (size_t)(end - start));
}

Test(policy, the_examples_of_the_manual_work)
{
    static char text[65536];
    FILE *file = fopen(path_of("server/policy/policy.md"), "r");
    cr_assert(file != NULL);
    size_t size = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    struct slice rest = slice_of(text, size);
    struct slice example;
    uint32_t policies = 0;
    uint32_t tables = 0;
    while ((example = example_next(&rest)).size > 0) {
        struct policy p;
        struct price_table *t;
        if (memmem(example.data, example.size, "prices:", 7) != NULL) {
            cr_assert_eq(policy_prices_parse("policy.md", example, &t, &error), STATUS_OK, "%s",
                         error.text);
            price_table_destroy(t);
            tables++;
        } else {
            cr_assert_eq(policy_parse("policy.md", example, &p, &error), STATUS_OK, "%s",
                         error.text);
            policy_deinit(&p);
            policies++;
        }
    }
    cr_expect(policies == 5 && tables == 1, "%u policies, %u tables", policies, tables);
}

struct mistake {
    const char *text;
    const char *expected; /* place and words, both in the message */
    const char *words;
};

Test(policy, each_mistake_is_named_with_its_place)
{
    static const struct mistake mistakes[] = {
        {"clases: []\n", "p.yaml:1:1:", "did you mean 'classes'?"},
        {"zzz: 1\n", "p.yaml:1:1:", "it has classes, scorers"},
        {"[1]\n", "p.yaml:1:2:", "a policy is a mapping"},
        {"classes: {a: 1}\n", "p.yaml:1:", "classes are a list"},
        {"classes:\n  - {name: x, buckte: ops}\n", "p.yaml:2:15:", "did you mean 'bucket'?"},
        {"classes:\n  - {name: x, bucket: opps}\n", "p.yaml:2:23:", "'opps' is not a bucket"},
        {"classes:\n  - {bucket: ops}\n", "p.yaml:2:6:", "needs the key 'name'"},
        {"classes:\n  - {name: x}\n", "p.yaml:2:6:", "needs a bucket"},
        {"classes:\n  - {name: X, bucket: ops}\n", "p.yaml:2:6:", "'X' is not a class name"},
        {"classes:\n  - {name: x, bucket: ops, order: 70}\n", "p.yaml:2:6:", "taken by 'refusal'"},
        {"classes:\n  - {name: x, bucket: ops, order: -1}\n", "p.yaml:2:", "'-1' is not a number"},
        {"classes:\n  - {name: x, name: y}\n", "p.yaml:2:", ""},
        {"scorers: {disabled: [on_gaol]}\n", "p.yaml:1:22:", "did you mean 'on_goal'?"},
        {"scorers: {thresholds: {complete: 2}}\n",
         "p.yaml:1:34:", "'2' is not a number from 0 to 1"},
        {"scorers: {thresholds: {trace_complete: 1}}\n",
         "p.yaml:1:24:", "no scorer 'trace_complete'"},
        {"scorers: {latency_budget: 10}\n", "p.yaml:1:27:", "not a duration"},
        {"scorers: {latency_budget: 0s}\n", "p.yaml:1:27:", "above 0"},
        {"scorers: {cost_budget_usd: -1}\n", "p.yaml:1:28:", "not an amount of USD"},
        {"scorers: {loop_repeats: 1}\n", "p.yaml:1:25:", "from 2 to"},
        {"scorers: {off: maybe}\n", "p.yaml:1:16:", "not true or false"},
        {"rules:\n  - name: x\n", "p.yaml:2:5:", "needs the key 'fail'"},
        {"rules:\n  - {name: x, fail: {field: kind, equals: llm}}\n",
         "p.yaml:2:35:", "has no key 'equals'"},
        {"rules:\n  - {name: x, fail: {field: kind, icontain: llm}}\n",
         "p.yaml:2:35:", "did you mean 'icontains'?"},
        {"rules:\n  - {name: x, fail: {field: kind}}\n",
         "p.yaml:2:22:", "needs a field and a comparison"},
        {"rules:\n  - {name: x, fail: {field: kind, eq: a, ne: b}}\n",
         "p.yaml:2:", "makes one comparison"},
        {"rules:\n  - {name: x, fail: {field: kindd, eq: a}}\n", "p.yaml:2:6:", "kind"},
        {"rules:\n  - {name: x, fail: {field: tokens_in, gt: many}}\n",
         "p.yaml:2:", "'many' is none"},
        {"rules:\n  - {name: x, fail: {field: output_text, matches: \"a(b\"}}\n", "p.yaml:2:", "x"},
        {"rules:\n  - {name: x, fail: {all: {field: kind}}}\n", "p.yaml:2:", "'all' has a list"},
        {"rules:\n  - {name: x, fail: {all: [], any: []}}\n", "p.yaml:2:", "stands alone"},
        {"rules:\n  - {name: x, fail: llm}\n", "p.yaml:2:", "a condition is a mapping"},
        {"rules:\n  - {name: x, class: refusual, fail: {field: kind, eq: a}}\n",
         "p.yaml:2:22:", "did you mean 'refusal'?"},
        {"rules:\n  - {name: x, project: Big, fail: {field: kind, eq: a}}\n",
         "p.yaml:2:24:", "'Big' is not"},
        {"mask:\n  - {detect: pii.mail}\n", "p.yaml:2:6:", "no detector 'pii.mail'"},
        {"mask:\n  - {detect: pii}\n  - {name: x, pattern: \"a(\"}\n",
         "p.yaml:3:6:", "invalid pattern at byte 2"},
        {"mask:\n  - {pattern: a}\n", "p.yaml:2:6:", "needs the key 'name'"},
        {"mask:\n  - {name: x, detect: pii, pattern: a}\n", "p.yaml:2:6:", "either"},
        {"mask:\n  - {detect: pii, replace: 'a\"b'}\n", "p.yaml:2:6:", "replacement"},
        {"judges:\n  - {name: x}\n", "p.yaml:2:6:", "needs the key 'scorer'"},
        {"judges:\n  - {name: x, scorer: a b}\n", "p.yaml:2:6:", "can't be a score's name"},
        {"judges:\n  - {name: x, scorer: s, sample: 1.5}\n", "p.yaml:2:34:", "from 0 to 1"},
        {"judges:\n  - {name: x, scorer: s, lease: 1ms}\n", "p.yaml:2:33:", "from 1s to 1d"},
        {"judges:\n  - {name: x, scorer: s}\n  - {name: x, scorer: t}\n",
         "p.yaml:3:6:", "'x' already"},
        {"rules:\n  - {name: trace_complete, fail: {field: kind, eq: a}}\n",
         "p.yaml:2:12:", "built-in score"},
        {"classes: [\n", "p.yaml:", ""},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct policy p;
        error = (struct error){0};
        enum status s = policy_parse("p.yaml", slice_text(mistakes[i].text), &p, &error);
        cr_expect_eq(s, STATUS_INVALID, "%s is taken", mistakes[i].text);
        if (s >= 0)
            policy_deinit(&p);
        cr_expect(strncmp(error.text, mistakes[i].expected, strlen(mistakes[i].expected)) == 0 &&
                      strstr(error.text, mistakes[i].words) != NULL,
                  "%s gave %s", mistakes[i].text, error.text);
    }
}

Test(policy, conditions_end_at_their_limits)
{
    static char text[65536];
    for (uint32_t more = 0; more < 2; more++) {
        struct policy p;
        int used = snprintf(
            text, sizeof text,
            "rules:\n  - name: x\n    when: {field: kind, eq: llm}\n    fail:\n      any:\n");
        for (uint32_t i = 2; i < RULE_NODES_MAX + more; i++)
            used += snprintf(text + used, sizeof text - (size_t)used,
                             "        - {field: kind, eq: a%u}\n", i);
        enum status s = policy_parse("p.yaml", slice_text(text), &p, &error);
        cr_expect_eq(s, more == 0 ? STATUS_OK : STATUS_INVALID, "%u: %s", more, error.text);
        if (s >= 0)
            policy_deinit(&p);
        else
            cr_expect(strstr(error.text, "at most 256 parts") != NULL, "%s", error.text);
    }
    int used = snprintf(text, sizeof text, "rules:\n  - {name: x, fail: ");
    for (int i = 0; i < 17; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "{not: ");
    used += snprintf(text + used, sizeof text - (size_t)used, "{field: kind, eq: a}");
    for (int i = 0; i < 17; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "}");
    (void)snprintf(text + used, sizeof text - (size_t)used, "}\n");
    struct policy p;
    cr_expect_eq(policy_parse("p.yaml", slice_text(text), &p, &error), STATUS_INVALID);
    cr_expect(strstr(error.text, "nested deeper than 16") != NULL, "%s", error.text);
}

Test(policy, every_truncation_of_a_good_file_is_safe)
{
    static char text[8192];
    FILE *file = fopen(path_of("tests/unit/server/policy/policy_full.yaml"), "r");
    cr_assert(file != NULL);
    size_t size = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    for (size_t at = 0; at < size; at += 3) {
        struct policy p;
        char *copy = malloc(at + 1);
        cr_assert(copy != NULL);
        memcpy(copy, text, at);
        if (policy_parse("p.yaml", slice_of(copy, at), &p, &error) >= 0)
            policy_deinit(&p);
        free(copy);
    }
}

Test(policy, a_missing_file_is_an_error)
{
    struct policy p;
    cr_expect_lt(policy_load("/nonexistent/policy.yaml", "", &p, &error), 0);
    cr_expect(strstr(error.text, "/nonexistent/policy.yaml") != NULL, "%s", error.text);
    cr_expect_lt(policy_load("", "/nonexistent/prices.yaml", &p, &error), 0);
}
