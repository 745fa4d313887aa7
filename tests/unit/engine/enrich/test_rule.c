/*
 * test_rule.c - user rules: every operator on every kind of field, NULL, what is refused, limits, versions.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "engine/base/limits.h"
#include "engine/enrich/rule.h"
#include "tests/unit/engine/enrich/scorer_fixture.h"

static struct rule_node text_node(enum rule_op op, const char *field, const char *text)
{
    return (struct rule_node){.op = op, .field = slice_text(field), .text = slice_text(text)};
}

static struct rule_node number_node(enum rule_op op, const char *field, const char *text,
                                    double number)
{
    return (struct rule_node){.op = op,
                              .field = slice_text(field),
                              .text = slice_text(text),
                              .number = number,
                              .is_number = true};
}

static struct rule_spec spec_of(const char *name, struct rule_node fail)
{
    return (struct rule_spec){.name = slice_text(name),
                              .version = SLICE_EMPTY,
                              .project = SLICE_EMPTY,
                              .fail = fail,
                              .error_class = slice_text("other"),
                              .finding = slice_text("because")};
}

/* A span with something in most fields. */
static struct span_view sample_view(struct text_message *messages)
{
    struct span_view v = view_empty();
    v.kind = slice_text("llm");
    v.model = slice_text("gpt-4o");
    v.latency_ns = 2500000000;
    v.cost_nusd = 12500000;
    v.tokens_out = 0;
    v.temperature = 0.7;
    v.parent_id = 0;
    v.span_id = 0xabcdef;
    v.has_tool_result = true;
    v.attributes = slice_text(
        "{\"tier\":\"gold\",\"n\":12,\"version\":\"1.10\",\"on\":true,\"o\":{\"k\":[1]},\"q\\u0022\":\"x\",\"gone\":null}");
    messages[0] = message_of(slice_text("{\"role\":\"system\",\"content\":\"Be brief.\"}"));
    messages[1] =
        message_of(slice_text("{\"role\":\"user\",\"content\":\"Gr\xc3\xbc\xc3\x9f Gott\"}"));
    messages[2] = message_of(
        slice_text("{\"role\":\"assistant\",\"content\":\"Our competitor ACME is cheaper.\"}"));
    v.input = messages;
    v.input_count = 2;
    v.output = messages + 2;
    v.output_count = 1;
    return v;
}

/* The value of the only rule: 1 passed, 0 failed, NAN no score. */
static double run_one(const struct rule_spec *spec, const struct span_view *v)
{
    struct rules *rules = rules_create();
    struct error e = {0};
    struct score_list list = {.count = 0};
    struct arena arena = {0};
    cr_assert_eq(rules_add(rules, spec, &e), STATUS_OK, "%s", e.text);
    rules_run(rules, slice_text("default"), v, &arena, &list);
    double value = list.count == 0 ? (double)NAN : list.items[0].value;
    if (list.count == 1)
        cr_assert_str_eq(list.items[0].name, "r");
    arena_deinit(&arena);
    rules_destroy(rules);
    return value;
}

Test(rule, operators_on_text_numbers_and_attributes)
{
    static const char *const models[] = {"gpt-4o", "gpt-4"};
    struct slice values[] = {slice_text(models[0]), slice_text(models[1])};
    struct slice numbers[] = {slice_text("2500"), slice_text("7.0")};
    struct rule_node in_models = {
        .op = RULE_IN, .field = slice_text("model"), .values = values, .value_count = 2};
    struct rule_node in_kinds = {
        .op = RULE_IN, .field = slice_text("kind"), .values = values, .value_count = 2};
    struct rule_node in_numbers = {
        .op = RULE_IN, .field = slice_text("latency_ms"), .values = numbers, .value_count = 2};
    const struct {
        struct rule_node node;
        bool is_true;
    } cases[] = {
        {text_node(RULE_EQ, "model", "gpt-4o"), true},
        {text_node(RULE_EQ, "model", "gpt-4"), false},
        {text_node(RULE_NE, "model", "gpt-4"), true},
        {text_node(RULE_LT, "model", "gpt-5"), true},
        {text_node(RULE_GE, "model", "gpt-5"), false},
        {number_node(RULE_GT, "latency_ms", "2000", 2000), true},
        {number_node(RULE_GT, "latency_ms", "2500", 2500), false},
        {number_node(RULE_GE, "latency_ms", "2500", 2500), true},
        {number_node(RULE_LE, "latency_ms", "2499.9", 2499.9), false},
        {text_node(RULE_EQ, "cost_usd", "0.0125"), true},
        {number_node(RULE_EQ, "tokens_out", "0", 0), true},
        {number_node(RULE_LT, "temperature", "0.71", 0.71), true},
        {in_models, true},
        {in_kinds, false},
        {in_numbers, true},
        {text_node(RULE_CONTAINS, "output_text", "ACME"), true},
        {text_node(RULE_CONTAINS, "output_text", "acme"), false},
        {text_node(RULE_ICONTAINS, "output_text", "acme IS"), true},
        {text_node(RULE_MATCHES, "output_text", "competitor\\s+[A-Z]{4}\\b"), true},
        {text_node(RULE_MATCHES, "output_text", "^ACME"), false},
        {text_node(RULE_CONTAINS, "input_text", "brief.\nGr"), true},
        {text_node(RULE_EQ, "last_user_text", "Gr\xc3\xbc\xc3\x9f Gott"), true},
        {number_node(RULE_LENGTH_LT, "last_user_text", "10", 10), true},
        {number_node(RULE_LENGTH_GT, "last_user_text", "8", 8), true},
        {number_node(RULE_LENGTH_GT, "last_user_text", "9", 9), false},
        {text_node(RULE_LENGTH_LT, "last_user_text", "9.5"), true},
        {text_node(RULE_EQ, "attributes.tier", "gold"), true},
        {number_node(RULE_GE, "attributes.n", "12", 12), true},
        {number_node(RULE_GT, "attributes.n", "12", 12), false},
        {text_node(RULE_EQ, "attributes.on", "true"), true},
        {text_node(RULE_EQ, "attributes.o", "{\"k\":[1]}"), true},
        {text_node(RULE_EQ, "attributes.q\"", "x"), true},
        {text_node(RULE_EQ, "attributes.version", "1.1"), false},
        {number_node(RULE_EQ, "attributes.version", "1.1", 1.1), true},
        {text_node(RULE_EQ, "span_id", "0000000000abcdef"), true},
        {text_node(RULE_IS_NULL, "attributes.missing", ""), true},
        {text_node(RULE_IS_NULL, "attributes.gone", ""), true},
        {text_node(RULE_IS_NULL, "attributes.on", ""), false},
        {text_node(RULE_IS_NULL, "parent_id", ""), true},
        {text_node(RULE_IS_NULL, "tokens_in", ""), true},
        {text_node(RULE_IS_NULL, "tokens_out", ""), false},
        {text_node(RULE_IS_NULL, "tool_result", ""), false},
        {text_node(RULE_IS_NULL, "retrieved_top_score", ""), true},
        /* NULL compares with nothing. */
        {number_node(RULE_LT, "tokens_in", "5", 5), false},
        {text_node(RULE_NE, "session", "x"), false},
        {text_node(RULE_NE, "attributes.missing", "x"), false},
    };
    struct text_message messages[3];
    struct span_view v = sample_view(messages);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rule_spec spec = spec_of("r", cases[i].node);
        double value = run_one(&spec, &v);
        cr_expect_eq(value, cases[i].is_true ? 0 : 1, "%zu: %.*s %.*s", i,
                     SLICE_ARG(cases[i].node.field), SLICE_ARG(cases[i].node.text));
    }
}

Test(rule, conditions_combine)
{
    struct rule_node yes = text_node(RULE_EQ, "kind", "llm");
    struct rule_node no = text_node(RULE_EQ, "kind", "tool");
    struct rule_node yes_no[] = {yes, no};
    struct rule_node yes_yes[] = {yes, yes};
    struct rule_node no_no[] = {no, no};
    const struct {
        struct rule_node node;
        bool is_true;
    } cases[] = {
        {{.op = RULE_ALL, .children = yes_no, .child_count = 2}, false},
        {{.op = RULE_ALL, .children = yes_yes, .child_count = 2}, true},
        {{.op = RULE_ANY, .children = yes_no, .child_count = 2}, true},
        {{.op = RULE_ANY, .children = no_no, .child_count = 2}, false},
        {{.op = RULE_NOT, .children = yes_no, .child_count = 1}, false},
        {{.op = RULE_NOT, .children = no_no, .child_count = 1}, true},
        {{.op = RULE_ALL}, true},
        {{.op = RULE_ANY}, false},
    };
    struct text_message messages[3];
    struct span_view v = sample_view(messages);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rule_spec spec = spec_of("r", cases[i].node);
        cr_expect_eq(run_one(&spec, &v), cases[i].is_true ? 0 : 1, "%zu", i);
        /* As the condition of application it decides whether there is a score. */
        spec.when = cases[i].node;
        spec.fail = no;
        cr_expect_eq(isnan(run_one(&spec, &v)), !cases[i].is_true, "%zu", i);
    }
}

Test(rule, a_failing_rule_gives_class_and_words)
{
    struct rules *rules = rules_create();
    struct arena arena = {0};
    struct score_list list = {.count = 0};
    struct text_message messages[3];
    struct span_view v = sample_view(messages);
    struct rule_spec fails = spec_of("fails", text_node(RULE_EQ, "kind", "llm"));
    struct rule_spec passes = spec_of("passes", text_node(RULE_EQ, "kind", "tool"));
    struct rule_spec elsewhere = spec_of("elsewhere", text_node(RULE_EQ, "kind", "llm"));
    elsewhere.project = slice_text("other");
    cr_assert_eq(rules_add(rules, &fails, NULL), STATUS_OK);
    cr_assert_eq(rules_add(rules, &passes, NULL), STATUS_OK);
    cr_assert_eq(rules_add(rules, &elsewhere, NULL), STATUS_OK);
    cr_expect_eq(rules_count(rules), 3);
    rules_run(rules, slice_text("default"), &v, &arena, &list);
    cr_assert_eq(list.count, 2);
    cr_expect_str_eq(list.items[0].name, "fails");
    cr_expect_eq(list.items[0].value, 0);
    cr_expect(slice_is(list.items[0].error_class, "other"));
    cr_expect(slice_is(list.items[0].finding, "because"));
    cr_expect_eq(list.items[1].value, 1);
    cr_expect_eq(list.items[1].error_class.size, 0);
    cr_expect_eq(list.items[1].finding.size, 0);
    rules_run(rules, slice_text("other"), &v, &arena, &list);
    cr_expect_eq(list.count, 5, "scores are added behind those that are there");
    arena_deinit(&arena);
    rules_destroy(rules);
}

Test(rule, what_cannot_be_right_is_refused_with_its_name)
{
    struct rule_node two[] = {text_node(RULE_EQ, "kind", "llm"), text_node(RULE_EQ, "kind", "llm")};
    const struct {
        const char *name;
        struct rule_node node;
        const char *words;
    } cases[] = {
        {"r", text_node(RULE_EQ, "modle", "x"),
         "rule 'r': rules know no field 'modle'; did you mean 'model'?"},
        {"r", text_node(RULE_EQ, "zzzzzz", "x"), "read as attributes.KEY"},
        {"r", text_node(RULE_EQ, "attributes.", "x"), "rules know no field"},
        {"r", text_node(RULE_GT, "latency_ms", "fast"), "latency_ms is a number, 'fast' is none"},
        {"r", text_node(RULE_CONTAINS, "latency_ms", "1"), "latency_ms is a number"},
        {"r", text_node(RULE_MATCHES, "model", "a(b"),
         "rule 'r': matches on model: invalid pattern at byte 3"},
        {"r", text_node(RULE_MATCHES, "model", "a\\Cb"), "invalid pattern"},
        {"r", text_node(RULE_CONTAINS, "model", ""), "nothing to look for in model"},
        {"r", text_node(RULE_LENGTH_GT, "model", "long"), "a length is a number"},
        {"r", number_node(RULE_LENGTH_GT, "latency_ms", "3", 3), "it is a number"},
        {"r", {.op = RULE_IN, .field = slice_text("model")}, "in on model needs 1 to"},
        {"r",
         {.op = RULE_NOT, .children = two, .child_count = 2},
         "not takes one condition, got 2"},
        {"r", {.op = RULE_NOT}, "not takes one condition, got 0"},
        {"", text_node(RULE_EQ, "kind", "llm"), "a rule's name has"},
        {"a b", text_node(RULE_EQ, "kind", "llm"), "a rule's name has"},
        {"json_valid", text_node(RULE_EQ, "kind", "llm"), "'json_valid' is the name of a scorer"},
        {"taken", text_node(RULE_EQ, "kind", "llm"), "there are two rules 'taken'"},
    };
    struct rules *rules = rules_create();
    struct rule_spec taken = spec_of("taken", text_node(RULE_EQ, "kind", "llm"));
    cr_assert_eq(rules_add(rules, &taken, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e = {0};
        struct rule_spec spec = spec_of(cases[i].name, cases[i].node);
        cr_expect_eq(rules_add(rules, &spec, &e), STATUS_INVALID, "%zu", i);
        cr_expect(strstr(e.text, cases[i].words) != NULL, "%zu: %s", i, e.text);
    }
    cr_expect_eq(rules_count(rules), 1);
    rules_destroy(rules);
}

Test(rule, limits_hold_on_both_sides)
{
    struct rules *rules = rules_create();
    struct rule_node nodes[RULE_NODES_MAX + 1];
    struct rule_node chain[40];
    for (uint32_t i = 0; i <= RULE_NODES_MAX; i++)
        nodes[i] = text_node(RULE_EQ, "kind", "llm");
    /* `when` of these has one node, which counts, as the top of `fail` does. */
    struct rule_spec spec = spec_of(
        "wide",
        (struct rule_node){.op = RULE_ALL, .children = nodes, .child_count = RULE_NODES_MAX - 2});
    cr_expect_eq(rules_add(rules, &spec, NULL), STATUS_OK);
    spec.name = slice_text("wider");
    spec.fail.child_count++;
    cr_expect_eq(rules_add(rules, &spec, NULL), STATUS_INVALID);
    chain[0] = nodes[0];
    for (uint32_t i = 1; i < 40; i++)
        chain[i] = (struct rule_node){.op = RULE_NOT, .children = &chain[i - 1], .child_count = 1};
    spec = spec_of("deep", chain[32]);
    cr_expect_eq(rules_add(rules, &spec, NULL), STATUS_OK);
    spec = spec_of("deeper", chain[33]);
    cr_expect_eq(rules_add(rules, &spec, NULL), STATUS_INVALID);
    for (uint32_t i = rules_count(rules); i < RULES_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "r%u", i);
        spec = spec_of(name, nodes[0]);
        cr_assert_eq(rules_add(rules, &spec, NULL), STATUS_OK, "%u", i);
    }
    spec = spec_of("one-more", nodes[0]);
    cr_expect_eq(rules_add(rules, &spec, NULL), STATUS_LIMIT);
    rules_destroy(rules);
}

Test(rule, an_expression_that_takes_too_long_gives_no_score)
{
    struct rules *rules = rules_create();
    struct arena arena = {0};
    struct score_list list = {.count = 0};
    struct span_view v = view_empty();
    v.tool_result = slice_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
    v.has_tool_result = true;
    v.kind = slice_text("tool");
    struct rule_node parts[] = {text_node(RULE_MATCHES, "tool_result", "^(a+)+$"),
                                text_node(RULE_EQ, "kind", "tool")};
    struct rule_spec slow = spec_of("slow", parts[0]);
    struct rule_spec decided =
        spec_of("decided", (struct rule_node){.op = RULE_ANY, .children = parts, .child_count = 2});
    cr_assert_eq(rules_add(rules, &slow, NULL), STATUS_OK);
    cr_assert_eq(rules_add(rules, &decided, NULL), STATUS_OK);
    cr_expect_eq(rules_limited(rules), 0);
    rules_run(rules, slice_text("default"), &v, &arena, &list);
    cr_expect_eq(rules_limited(rules), 1);
    cr_assert_eq(list.count, 1, "the other condition decides");
    cr_expect_str_eq(list.items[0].name, "decided");
    arena_deinit(&arena);
    rules_destroy(rules);
}

static uint64_t hash_of(const struct rule_spec *spec)
{
    struct rules *rules = rules_create();
    cr_assert_eq(rules_add(rules, spec, NULL), STATUS_OK);
    uint64_t hash = rules_hash(rules);
    rules_destroy(rules);
    return hash;
}

Test(rule, the_hash_changes_with_what_changes_scores)
{
    struct rule_spec spec = spec_of("r", text_node(RULE_EQ, "kind", "llm"));
    uint64_t before = hash_of(&spec);
    cr_expect_eq(hash_of(&spec), before);
    struct rule_spec other = spec;
    other.version = slice_text("2");
    cr_expect_neq(hash_of(&other), before);
    other = spec;
    other.fail.op = RULE_NE;
    cr_expect_neq(hash_of(&other), before);
    other = spec;
    other.fail.text = slice_text("tool");
    cr_expect_neq(hash_of(&other), before);
    other = spec;
    other.when = text_node(RULE_EQ, "kind", "llm");
    cr_expect_neq(hash_of(&other), before);
    other = spec;
    other.finding = slice_text("other words");
    cr_expect_eq(hash_of(&other), before, "words change no score");
}

/* Broken attributes and messages are no field. */
Test(rule, broken_json_is_null)
{
    static const char *const broken[] = {
        "", "{", "[1]", "{\"tier\"", "{\"tier\":", "{\"tier\":}", "{\"a\":[}, \"tier\":1}"};
    struct rule_spec spec = spec_of("r", text_node(RULE_IS_NULL, "attributes.tier", ""));
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct span_view v = view_empty();
        v.attributes = slice_text(broken[i]);
        cr_expect_eq(run_one(&spec, &v), 0, "%s", broken[i]);
    }
}
