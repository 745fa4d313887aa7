/*
 * test_alert_rules.c - rules files: what a good one means, and that each mistake is named with its place.
 */
#include "alert_fixture.h"

#include "engine/base/limits.h"
#include "server/alert/alert_limits.h"
#include "server/alert/alert_rule.h"

static const char good[] =
    "defaults: {every: 15s, for: 2m, notify: [ops]}\n"
    "external_url: https://driftline.example.com\n"
    "rules:\n"
    "  - name: groundedness_drop\n"
    "    project: default\n"
    "    query: |\n"
    "      select prompt_version, avg(score.groundedness) as value, count(*) as samples\n"
    "      from spans where time > now() - interval '1h' group by prompt_version\n"
    "    condition: value < 0.80 and samples > 10\n"
    "    resolve: value > 0.85\n"
    "    group_by: [prompt_version]\n"
    "    for: 5m\n"
    "    every: 1m\n"
    "    timeout: 10s\n"
    "    min_samples: 50\n"
    "    severity: page\n"
    "    no_data: resolve\n"
    "    summary: \"groundedness of {{prompt_version}} is {{value:2}} ({{severity}})\"\n"
    "    exemplars: select trace_id from spans where prompt_version = {{prompt_version}} limit 5\n"
    "    labels: {team: llm, area: quality}\n"
    "    notify: [ops, chat]\n"
    "  - name: slow\n"
    "    query: select p99(latency_ms) as p99 from spans\n"
    "    condition: p99 > 5000\n"
    "    group_by: []\n"
    "notifiers:\n"
    "  - name: ops\n"
    "    type: webhook\n"
    "    url: http://127.0.0.1:9000/hook\n"
    "    secret: s3cret\n"
    "    timeout: 2s\n"
    "    retries: 3\n"
    "    allow_private: true\n"
    "    headers: {X-Team: llm}\n"
    "  - {name: chat, type: webhook, url: 'https://chat.example.com/x'}\n";

static void good_rules_are_right(const struct alert_rules *r)
{
    cr_assert(alert_rules_count(r) == 2);
    cr_assert(r->notifier_count == 2);
    const struct alert_notifier *ops = &r->notifiers[0];
    cr_expect_str_eq(ops->name, "ops");
    cr_expect_str_eq(ops->url, "http://127.0.0.1:9000/hook");
    cr_expect(slice_is(ops->secret, "s3cret"));
    cr_expect(ops->timeout_ns == 2 * NS_PER_S && ops->retries == 3 && ops->allow_private);
    cr_expect(ops->header_count == 1 && strcmp(ops->headers[0].name, "X-Team") == 0);
    cr_expect(!r->notifiers[1].allow_private && r->notifiers[1].secret.size == 0 &&
              r->notifiers[1].retries > 0);
    const struct alert_rule *a = &r->rules[0];
    cr_expect_str_eq(a->name, "groundedness_drop");
    cr_expect(a->group_count == 1 && slice_is(a->group_by[0], "prompt_version"));
    cr_expect(a->for_ns == 300 * NS_PER_S && a->every_ns == 60 * NS_PER_S &&
              a->timeout_ns == 10 * NS_PER_S);
    cr_expect(a->min_samples == 50 && strcmp(a->samples, "samples") == 0);
    cr_expect(a->severity == SEVERITY_PAGE && a->no_data == NO_DATA_RESOLVE);
    cr_expect(a->resolve != NULL && a->notify_count == 2 && a->notify[0] == 0 && a->notify[1] == 1);
    cr_expect(a->label_count == 2 && strcmp(a->labels[1].value, "quality") == 0);
    const struct alert_rule *b = &r->rules[1];
    cr_expect_str_eq(b->project, "default");
    cr_expect(b->every_ns == 15 * NS_PER_S && b->for_ns == 120 * NS_PER_S, "defaults apply");
    cr_expect(b->notify_count == 1 && b->notify[0] == 0, "defaults apply");
    cr_expect(b->group_by != NULL && b->group_count == 0 && b->resolve == NULL);
    cr_expect(b->severity == SEVERITY_WARN && b->no_data == NO_DATA_KEEP && b->min_samples == 0);
    cr_expect_str_eq(r->external_url, "https://driftline.example.com");
}

Test(alert_rules, a_good_file_is_read_whatever_the_order)
{
    struct alert_rules *r = NULL;
    MUST(alert_rules_parse("rules.yaml", slice_text(good), NULL, &r, &error));
    good_rules_are_right(r);
    alert_rules_destroy(r);
}

Test(alert_rules, a_good_file_passes_the_query_engine)
{
    struct fixture f;
    struct alert_rules *r = NULL;
    fixture_init(&f);
    MUST(alert_rules_parse("rules.yaml", slice_text(good), f.db, &r, &error));
    good_rules_are_right(r);
    alert_rules_destroy(r);
    fixture_deinit(&f);
}

Test(alert_rules, an_empty_file_has_no_rules)
{
    static const char *const texts[] = {"", "# nothing\n", "rules:\n",
                                        "rules: []\nnotifiers: []\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct alert_rules *r = NULL;
        MUST(alert_rules_parse("r", slice_text(texts[i]), NULL, &r, &error));
        cr_expect(alert_rules_count(r) == 0);
        alert_rules_destroy(r);
    }
    alert_rules_destroy(NULL);
}

/* A notifier and the start of a rule, so that a case is the lines that matter; they begin at line 4. */
#define HEAD                                                                                       \
    "notifiers:\n"                                                                                 \
    "  - {name: ops, type: webhook, url: 'http://x.example'}\n"                                    \
    "rules:\n"
#define RULE                                                                                       \
    "  - name: r\n"                                                                                \
    "    query: select prompt_version, count(*) as value from spans group by prompt_version\n"

struct bad {
    const char *text;
    const char *says;
};

static void expect_bad(const struct bad *cases, size_t count, struct query_db *db)
{
    for (size_t i = 0; i < count; i++) {
        struct alert_rules *r = NULL;
        struct error error = {0};
        enum status s = alert_rules_parse("f.yaml", slice_text(cases[i].text), db, &r, &error);
        cr_expect(s == STATUS_INVALID || s == STATUS_LIMIT, "%s", cases[i].text);
        cr_expect(strstr(error.text, cases[i].says) != NULL, "%s\nsays: %s\nnot:  %s",
                  cases[i].text, error.text, cases[i].says);
        if (s >= 0)
            alert_rules_destroy(r);
    }
}

Test(alert_rules, mistakes_have_a_place)
{
    static const struct bad cases[] = {
        {"rules: [", "f.yaml:2:1: flow sequence"},
        {"- a\n", "f.yaml:1:3: a rules file is a mapping"},
        {"rulse: []\n", "f.yaml:1:1: a rules file has no key 'rulse'; did you mean 'rules'?"},
        {"rules: []\nrules: []\n", "f.yaml:2:1"},
        {"rules: []\n---\nrules: []\n", "f.yaml:2:1: a second document"},
        {"rules: &r []\nnotifiers: *r\n", "f.yaml:2:13: notifiers are a list"},
        {"rules: {a: b}\n", "f.yaml:1:9: rules are a list"},
        {"rules: [x]\n", "f.yaml:1:9: a rule is a mapping"},
        {"defaults: {evry: 1s}\n",
         "f.yaml:1:12: defaults has no key 'evry'; did you mean 'every'?"},
        {"defaults: {every: 10ms}\n", "f.yaml:1:19: '10ms' is too short: at least 100ms"},
        {"defaults: {every: 10}\n", "f.yaml:1:19: '10' is not a duration"},
        {"defaults: {every: 400d}\n", "f.yaml:1:19: '400d' is too long"},
        {HEAD "  - {name: a b}\n", "f.yaml:4:12: the rule's name is made of"},
        {HEAD "  - {name: ''}\n", "f.yaml:4:13: the rule's name is empty"},
        {HEAD RULE, "f.yaml:4:5: a rule needs the key 'condition'"},
        {HEAD RULE "    condition: value <\n", "f.yaml:6:23: condition: expected a column"},
        {HEAD RULE "    condition: value < 1 nd\n", "f.yaml:6:26: condition: expected \"and\""},
        {HEAD RULE "    condition: 'value < 1 nd'\n", "f.yaml:6:"},
        {HEAD RULE "    condition: value < 1\n    resolve: value\n",
         "f.yaml:7:19: resolve: expected a comparison"},
        {HEAD RULE "    conditoin: value < 1\n",
         "f.yaml:6:5: a rule has no key 'conditoin'; did you mean 'condition'?"},
        {HEAD RULE "    zzzzzzzz: 1\n",
         "f.yaml:6:5: a rule has no key 'zzzzzzzz'; it has name, project, query"},
        {HEAD RULE "    condition: value < 1\n    severity: critical\n",
         "f.yaml:7:15: 'critical' is not page, warn or info"},
        {HEAD RULE "    condition: value < 1\n    no_data: maybe\n",
         "f.yaml:7:14: 'maybe' is not keep, resolve or fire"},
        {HEAD RULE "    condition: value < 1\n    min_samples: -1\n",
         "f.yaml:7:18: '-1' is not a number"},
        {HEAD RULE "    condition: value < 1\n    notify: [ops, pos]\n",
         "f.yaml:7:19: there is no notifier 'pos'"},
        {HEAD RULE "    condition: value < 1\n    notify: [ops, ops]\n",
         "f.yaml:7:19: 'ops' stands here twice"},
        {HEAD RULE "    condition: value < 1\n    project: Prod\n",
         "f.yaml:7:14: a project's name"},
        {HEAD RULE "    condition: value < 1\n    summary: a {{value\n",
         "f.yaml:7:16: summary: \"{{\" without"},
        {HEAD RULE "    condition: value < 1\n    exemplars: select '{{value}}'\n",
         "exemplars: '{{value}}' needs no quotes"},
        {HEAD RULE "    condition: value < 1\n    labels: {severity: x}\n",
         "f.yaml:7:14: the label 'severity' is set by"},
        {HEAD RULE "    condition: value < 1\n    labels: [a]\n", "labels are a mapping"},
        {HEAD RULE "    condition: value < 1\n    group_by: {a: b}\n",
         "a column of group_by is a text"},
        {HEAD RULE "    condition: value < 1\n    timeout: 11m\n",
         "f.yaml:7:14: timeout is at most 10m"},
        {HEAD RULE "    condition: value < 1\n" RULE "    condition: value < 1\n",
         "f.yaml:7:11: there is a rule 'r' already"},
        {"defaults: {notify: nobody}\nrules:\n" RULE "    condition: value < 1\n",
         "f.yaml:1:20: there is no notifier 'nobody'"},
        {"notifiers: [{name: a, type: mail, url: x}]\n", "f.yaml:1:29: 'mail' is not webhook"},
        {"notifiers: [{name: a, type: webhook}]\n", "a notifier needs the key 'url'"},
        {"notifiers: [{name: a, type: webhook, url: 'ftp://x'}]\n", "url starts with http"},
        {"notifiers: [{name: a, type: webhook, url: 'http://'}]\n", "url starts with http"},
        {"notifiers: [{name: a, type: webhook, url: 'http://x y'}]\n", "white space"},
        {"notifiers: [{name: a, type: webhook, url: 'http://x', retries: 101}]\n",
         "'101' is not a number from 0 to 100"},
        {"notifiers: [{name: a, type: webhook, url: 'http://x', timeout: 2m}]\n",
         "timeout is at most 60s"},
        {"notifiers: [{name: a, type: webhook, url: 'http://x', allow_private: yes}]\n",
         "'yes' is not false or true"},
        {"notifiers: [{name: a, type: webhook, url: 'http://x', secret: s, secret_env: HOME}]\n",
         "is enough"},
        {"notifiers: [{name: a, type: webhook, url: 'http://x', headers: {content-type: x}}]\n",
         "is set by the notifier itself"},
        {"notifiers: [{name: a, type: webhook, url: 'http://x', headers: {A: \"b\\r\\nc: d\"}}]\n",
         "one line of text"},
        {"notifiers:\n- {name: a, type: webhook, url: 'http://x'}\n- {name: a, type: webhook, url: 'http://x'}\n",
         "f.yaml:3:10: there is a notifier 'a' already"},
    };
    expect_bad(cases, sizeof cases / sizeof *cases, NULL);
}

Test(alert_rules, the_query_engine_finds_the_rest)
{
    static const struct bad cases[] = {
        {HEAD "  - name: r\n    query: select modle from spans\n    condition: modle = 'x'\n",
         "f.yaml:5:19: query: "},
        {HEAD
         "  - name: r\n    query: select count(*) as value from spans where model = $1\n    condition: value < 1\n",
         "f.yaml:5:12: query: "},
        {HEAD RULE "    condition: valeu < 1\n",
         "f.yaml:6:16: condition: the query has no column 'valeu'; it has prompt_version, value"},
        {HEAD RULE "    condition: value < 1 and prompt_version > 3\n",
         "f.yaml:6:45: condition: can't compare a text with a number"},
        {HEAD RULE "    condition: value < 1\n    resolve: x > 2\n",
         "f.yaml:7:14: resolve: the query has no column 'x'"},
        {HEAD RULE "    condition: value < 1\n    group_by: [prompt_version, model]\n",
         "f.yaml:7:32: group_by: the query has no column 'model'"},
        {HEAD RULE "    condition: value < 1\n    min_samples: 5\n",
         "f.yaml:7:18: samples: the query has no column 'samples'"},
        {HEAD RULE "    condition: value < 1\n    samples: prompt_version\n",
         "the column 'prompt_version' is not a number"},
        {HEAD RULE "    condition: value < 1\n    value: vlaue\n",
         "f.yaml:7:12: value: the query has no column 'vlaue'"},
        {HEAD RULE "    condition: value < 1\n    summary: of {{model}}\n",
         "f.yaml:7:17: summary: the query has no column 'model'"},
        {HEAD RULE
         "    condition: value < 1\n    exemplars: select trace_id from spans where model = {{model}}\n",
         "exemplars: the query has no column 'model'"},
        {HEAD RULE "    condition: value < 1\n    exemplars: select trace_id from spanz\n",
         "f.yaml:7:16: exemplars: "},
    };
    struct fixture f;
    fixture_init(&f);
    expect_bad(cases, sizeof cases / sizeof *cases, f.db);
    fixture_deinit(&f);
}

Test(alert_rules, secrets_come_from_files_and_the_environment)
{
    struct fixture f;
    struct alert_rules *r = NULL;
    char secret[128];
    char rules[128];
    char text[512];
    fixture_init(&f);
    fixture_file(&f, "secret", "from a file\n", secret);
    cr_assert(setenv("DRIFTLINE_TEST_SECRET", "from the environment", 1) == 0);
    (void)snprintf(
        text, sizeof text,
        "notifiers:\n- {name: a, type: webhook, url: 'http://x', secret_file: %s}\n"
        "- {name: b, type: webhook, url: 'http://x', secret_env: DRIFTLINE_TEST_SECRET}\n",
        secret);
    fixture_file(&f, "rules.yaml", text, rules);
    MUST(alert_rules_load(rules, NULL, &r, &error));
    cr_expect(slice_is(r->notifiers[0].secret, "from a file"));
    cr_expect(slice_is(r->notifiers[1].secret, "from the environment"));
    alert_rules_destroy(r);
    MUST(alert_rules_parse("r", slice_text(text), NULL, &r, &error));
    cr_expect(r->notifiers[0].secret.size == 0 && r->notifiers[1].secret.size == 0,
              "text that is only tried reads nothing");
    alert_rules_destroy(r);
    static const struct {
        const char *secret_file;
        const char *says;
    } cases[] = {{"", "is empty"}, {"\n", "is empty"}, {NULL, "No such file"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        if (cases[i].secret_file != NULL)
            fixture_file(&f, "secret", cases[i].secret_file, secret);
        else
            cr_assert(unlink(secret) == 0);
        cr_expect(alert_rules_load(rules, NULL, &r, &error) == STATUS_INVALID);
        cr_expect(strstr(error.text, cases[i].says) != NULL, "%s", error.text);
    }
    fixture_deinit(&f);
}

Test(alert_rules, a_missing_file_is_not_found)
{
    struct alert_rules *r = NULL;
    struct error error = {0};
    cr_expect(alert_rules_load("/nowhere/rules.yaml", NULL, &r, &error) == STATUS_NOT_FOUND);
    cr_expect(strstr(error.text, "/nowhere/rules.yaml") != NULL);
}

Test(alert_rules, lists_are_bounded)
{
    struct buffer text = {0};
    struct alert_rules *r = NULL;
    struct error error = {0};
    buffer_add_text(&text, "notifiers:\n");
    for (unsigned i = 0; i <= ALERT_NOTIFIERS_MAX; i++)
        buffer_printf(&text, "- {name: n%u, type: webhook, url: 'http://x'}\n", i);
    cr_expect(alert_rules_parse("r", buffer_slice(&text), NULL, &r, &error) == STATUS_INVALID);
    cr_expect(strstr(error.text, "at most 100 notifiers") != NULL, "%s", error.text);
    buffer_reset(&text);
    buffer_add_text(&text, "rules:\n");
    for (unsigned i = 0; i <= ALERT_RULES_MAX; i++)
        buffer_printf(&text, "- {name: n%u, query: select 1 as a, condition: a < 1}\n", i);
    cr_expect(alert_rules_parse("r", buffer_slice(&text), NULL, &r, &error) == STATUS_INVALID);
    cr_expect(strstr(error.text, "at most 1000 rules") != NULL, "%s", error.text);
    buffer_deinit(&text);
}

Test(alert_rules, every_truncation_and_change_is_handled)
{
    struct buffer text = {0};
    for (size_t size = 0; size < sizeof good - 1; size += 3) {
        struct alert_rules *r = NULL;
        struct error error = {0};
        if (alert_rules_parse("r", slice_of(good, size), NULL, &r, &error) >= 0)
            alert_rules_destroy(r);
        else
            cr_expect(error.text[0] != 0);
    }
    for (size_t at = 0; at < sizeof good - 1; at++) {
        struct alert_rules *r = NULL;
        struct error error = {0};
        buffer_reset(&text);
        buffer_add(&text, good, sizeof good - 1);
        text.data[at] ^= (uint8_t)(1u << (at % 8));
        if (alert_rules_parse("r", buffer_slice(&text), NULL, &r, &error) >= 0)
            alert_rules_destroy(r);
        else
            cr_expect(error.text[0] != 0);
    }
    buffer_deinit(&text);
}
