/*
 * policy_rule.c - user rules of a policy file: YAML conditions to trees of rule nodes.
 *
 * Bounds:  RULE_NODES_MAX nodes a rule and CONDITION_DEPTH_MAX levels, counted while reading.
 */
#include "server/policy/policy_reader.h"

#include "engine/base/decimal.h"
#include "engine/span/cell.h"

#define CONDITION_DEPTH_MAX 16u
#define VALUES_MAX          256u

enum operand {
    OPERAND_SCALAR,
    OPERAND_NUMBER,
    OPERAND_TEXT,
    OPERAND_LIST,
    OPERAND_BOOL
};

static const struct comparison {
    const char *name;
    enum rule_op op;
    enum operand operand;
} comparisons[] = {
    {"eq", RULE_EQ, OPERAND_SCALAR},
    {"ne", RULE_NE, OPERAND_SCALAR},
    {"lt", RULE_LT, OPERAND_NUMBER},
    {"le", RULE_LE, OPERAND_NUMBER},
    {"gt", RULE_GT, OPERAND_NUMBER},
    {"ge", RULE_GE, OPERAND_NUMBER},
    {"in", RULE_IN, OPERAND_LIST},
    {"contains", RULE_CONTAINS, OPERAND_TEXT},
    {"icontains", RULE_ICONTAINS, OPERAND_TEXT},
    {"matches", RULE_MATCHES, OPERAND_TEXT},
    {"longer_than", RULE_LENGTH_GT, OPERAND_NUMBER},
    {"shorter_than", RULE_LENGTH_LT, OPERAND_NUMBER},
    {"is_null", RULE_IS_NULL, OPERAND_BOOL},
};
#define COMPARISON_COUNT (sizeof comparisons / sizeof *comparisons)

struct condition_reader {
    struct policy_reader *r;
    uint32_t nodes;
};

static enum status read_node(struct condition_reader *c, struct fy_node *node, uint32_t depth,
                             struct rule_node *ret);

static enum status node_count(struct condition_reader *c, struct fy_node *node)
{
    if (++c->nodes > RULE_NODES_MAX)
        return yaml_error(c->r->yaml, node, c->r->reterr,
                          "the conditions of a rule have at most %u parts", RULE_NODES_MAX);
    return STATUS_OK;
}

static enum status read_children(struct condition_reader *c, struct fy_node *list, const char *what,
                                 uint32_t depth, struct rule_node *ret)
{
    enum status s;
    if (yaml_kind(list) != YAML_SEQUENCE)
        return yaml_error(c->r->yaml, list, c->r->reterr, "'%s' has a list of conditions", what);
    size_t count = yaml_count(list);
    if (count > RULE_NODES_MAX)
        return yaml_error(c->r->yaml, list, c->r->reterr,
                          "the conditions of a rule have at most %u parts", RULE_NODES_MAX);
    struct rule_node *children = arena_zero(c->r->arena, count + 1, sizeof *children);
    for (size_t i = 0; i < count; i++) {
        if ((s = read_node(c, yaml_item(list, i), depth + 1, &children[i])) < 0)
            return s;
    }
    ret->children = children;
    ret->child_count = (uint32_t)count;
    return STATUS_OK;
}

static enum status read_values(struct condition_reader *c, struct fy_node *list,
                               struct rule_node *ret)
{
    struct policy_reader *r = c->r;
    if (yaml_kind(list) != YAML_SEQUENCE || yaml_count(list) == 0 || yaml_count(list) > VALUES_MAX)
        return yaml_error(r->yaml, list, r->reterr, "'in' has a list of 1 to %u values",
                          VALUES_MAX);
    size_t count = yaml_count(list);
    struct slice *values = arena_zero(r->arena, count, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        enum status s =
            policy_text(r, yaml_item(list, i), "a value", POLICY_TEXT_BYTES_MAX, &values[i]);
        if (s < 0)
            return s;
    }
    ret->values = values;
    ret->value_count = (uint32_t)count;
    return STATUS_OK;
}

/* is_null: false is "not null". */
static enum status read_null(struct condition_reader *c, struct fy_node *value,
                             struct rule_node *ret)
{
    bool wanted;
    enum status s = policy_bool(c->r, value, &wanted);
    if (s < 0 || wanted)
        return s;
    struct rule_node *child = arena_alloc(c->r->arena, sizeof *child);
    *child = *ret;
    *ret = (struct rule_node){.op = RULE_NOT, .children = child, .child_count = 1};
    return node_count(c, value);
}

static enum status read_operand(struct condition_reader *c, struct fy_node *value,
                                const struct comparison *how, struct rule_node *ret)
{
    struct policy_reader *r = c->r;
    enum status s;
    if (how->operand == OPERAND_LIST)
        return read_values(c, value, ret);
    if (how->operand == OPERAND_BOOL)
        return read_null(c, value, ret);
    if ((s = policy_text(r, value, how->name, POLICY_TEXT_BYTES_MAX, &ret->text)) < 0)
        return s;
    ret->is_number = how->operand != OPERAND_TEXT && decimal_to_double(ret->text, &ret->number);
    if (how->operand == OPERAND_NUMBER && !ret->is_number)
        return yaml_error(r->yaml, value, r->reterr, "'%s' compares with a number; '%.*s' is none",
                          how->name, (int)(ret->text.size < 80 ? ret->text.size : 80),
                          (const char *)ret->text.data);
    return STATUS_OK;
}

static const struct comparison *comparison_find(struct slice key)
{
    for (size_t i = 0; i < COMPARISON_COUNT; i++) {
        if (slice_is(key, comparisons[i].name))
            return &comparisons[i];
    }
    return NULL;
}

static enum status unknown_comparison(struct policy_reader *r, struct fy_node *node,
                                      struct slice key)
{
    const char *names[COMPARISON_COUNT + 4] = {"field", "all", "any", "not"};
    for (size_t i = 0; i < COMPARISON_COUNT; i++)
        names[i + 4] = comparisons[i].name;
    const char *nearest = nearest_name(key, names, COMPARISON_COUNT + 4);
    return yaml_error(r->yaml, node, r->reterr, "a condition has no key '%.*s'%s%s%s",
                      (int)(key.size < 80 ? key.size : 80), (const char *)key.data,
                      nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                      nearest != NULL ? "'?" : "; it has field and a comparison, or all, any, not");
}

/* {field: kind, eq: llm} */
static enum status read_comparison(struct condition_reader *c, struct fy_node *node,
                                   struct rule_node *ret)
{
    struct policy_reader *r = c->r;
    const struct comparison *how = NULL;
    struct fy_node *operand = NULL;
    struct fy_node *field = NULL;
    enum status s;
    for (size_t i = 0; i < yaml_count(node); i++) {
        struct slice key = yaml_key(node, i);
        const struct comparison *found = comparison_find(key);
        if (slice_is(key, "field") && field == NULL) {
            field = yaml_value(node, i);
        } else if (found == NULL) {
            return unknown_comparison(r, yaml_key_node(node, i), key);
        } else if (how != NULL) {
            return yaml_error(r->yaml, yaml_key_node(node, i), r->reterr,
                              "a condition makes one comparison; join several with all or any");
        } else {
            how = found;
            operand = yaml_value(node, i);
        }
    }
    if (field == NULL || how == NULL || operand == NULL)
        return yaml_error(
            r->yaml, node, r->reterr,
            "a condition needs a field and a comparison, such as {field: kind, eq: llm}");
    ret->op = how->op;
    if ((s = policy_text(r, field, "field", POLICY_NAME_BYTES_MAX, &ret->field)) < 0)
        return s;
    return read_operand(c, operand, how, ret);
}

static enum status read_node(struct condition_reader *c, struct fy_node *node, uint32_t depth,
                             struct rule_node *ret)
{
    struct policy_reader *r = c->r;
    enum status s;
    *ret = (struct rule_node){.field = SLICE_EMPTY, .text = SLICE_EMPTY};
    if ((s = node_count(c, node)) < 0)
        return s;
    if (depth > CONDITION_DEPTH_MAX)
        return yaml_error(r->yaml, node, r->reterr, "conditions are nested deeper than %u levels",
                          CONDITION_DEPTH_MAX);
    if (node == NULL || yaml_kind(node) != YAML_MAPPING || yaml_count(node) == 0)
        return yaml_error(r->yaml, node, r->reterr,
                          "a condition is a mapping such as {field: kind, eq: llm}");
    struct slice key = yaml_key(node, 0);
    struct fy_node *value = yaml_value(node, 0);
    bool is_all = slice_is(key, "all");
    bool is_any = slice_is(key, "any");
    bool is_not = slice_is(key, "not");
    if (!is_all && !is_any && !is_not)
        return read_comparison(c, node, ret);
    if (yaml_count(node) > 1)
        return yaml_error(r->yaml, yaml_key_node(node, 1), r->reterr,
                          "'%.*s' stands alone in its condition", SLICE_ARG(key));
    if (value == NULL)
        return yaml_error(r->yaml, node, r->reterr, "'%.*s' has no value", SLICE_ARG(key));
    ret->op = is_all ? RULE_ALL : is_any ? RULE_ANY : RULE_NOT;
    if (!is_not)
        return read_children(c, value, is_all ? "all" : "any", depth, ret);
    struct rule_node *child = arena_alloc(r->arena, sizeof *child);
    ret->children = child;
    ret->child_count = 1;
    return read_node(c, value, depth + 1, child);
}

/* ---- a rule ---- */

struct rule_target {
    struct rule_spec spec;
    struct condition_reader conditions;
};

/* rules_add knows the names of scorers; these are the scores of whole traces. */
static const char *const trace_scorers[] = {
#define TRACE_SCORER(name, version, doc) #name,
#include "engine/enrich/trace_scorer.def"
#undef TRACE_SCORER
};

static enum status rule_name(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct rule_target *t = target;
    enum status s = policy_text(r, node, "a rule's name", POLICY_NAME_BYTES_MAX, &t->spec.name);
    for (size_t i = 0; s >= 0 && i < sizeof trace_scorers / sizeof *trace_scorers; i++) {
        if (slice_is(t->spec.name, trace_scorers[i]))
            return yaml_error(r->yaml, node, r->reterr, "'%s' is a built-in score",
                              trace_scorers[i]);
    }
    return s;
}

static enum status rule_version(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "version", POLICY_NAME_BYTES_MAX,
                       &((struct rule_target *)target)->spec.version);
}

static enum status rule_project(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_project(r, node, &((struct rule_target *)target)->spec.project);
}

static enum status rule_when(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct rule_target *t = target;
    (void)r;
    return read_node(&t->conditions, node, 1, &t->spec.when);
}

static enum status rule_fail(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct rule_target *t = target;
    (void)r;
    return read_node(&t->conditions, node, 1, &t->spec.fail);
}

static enum status rule_class(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct rule_target *t = target;
    const struct taxonomy *taxonomy = &r->policy->settings.taxonomy;
    const char *names[TAXONOMY_CLASSES_MAX];
    enum status s = policy_text(r, node, "class", CLASS_NAME_BYTES_MAX, &t->spec.error_class);
    if (s < 0 || taxonomy_find(taxonomy, t->spec.error_class) != NULL)
        return s;
    for (uint32_t i = 0; i < taxonomy->count; i++)
        names[i] = taxonomy->classes[i].name;
    const char *nearest = nearest_name(t->spec.error_class, names, taxonomy->count);
    return yaml_error(r->yaml, node, r->reterr,
                      "'%.*s' is not in the taxonomy%s%s%s add it under classes",
                      SLICE_ARG(t->spec.error_class), nearest != NULL ? "; did you mean '" : ";",
                      nearest != NULL ? nearest : "", nearest != NULL ? "'? Else" : "");
}

static enum status rule_finding(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "finding", POLICY_TEXT_BYTES_MAX,
                       &((struct rule_target *)target)->spec.finding);
}

#define KEY(section, name, read, required) KEY_##section(name, read, required)
#define KEY_rule(name, read, required)     {#name, read, required},
#define KEY_file(...)
#define KEY_class(...)
#define KEY_scorers(...)
#define KEY_mask(...)
#define KEY_judge(...)
#define KEY_price(...)
#define KEY_prices(...)
static const struct policy_key rule_keys[] = {
#include "server/policy/policy_keys.def"
};

enum status policy_read_rule(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct rule_target t = {
        .spec = {.name = SLICE_EMPTY,
                 .version = SLICE_EMPTY,
                 .project = SLICE_EMPTY,
                 .when = {.op = RULE_ALL, .field = SLICE_EMPTY, .text = SLICE_EMPTY},
                 .error_class = SLICE_EMPTY,
                 .finding = SLICE_EMPTY},
        .conditions = {.r = r}};
    struct error error = {0};
    enum status s;
    (void)target;
    if ((s = policy_mapping(r, node, "a rule", rule_keys, sizeof rule_keys / sizeof *rule_keys,
                            &t)) < 0)
        return s;
    if (r->policy->settings.rules == NULL)
        r->policy->settings.rules = rules_create();
    if (rules_add(r->policy->settings.rules, &t.spec, &error) < 0)
        return policy_error_at(r, node, &error);
    return STATUS_OK;
}
