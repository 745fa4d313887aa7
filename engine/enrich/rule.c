/*
 * rule.c - user rules: checked, compiled, kept, run over a span.
 *
 * Place:     server/policy (YAML) -> [here: rules_add]; scorers.c -> [here: rules_run]
 * Score:     1 when `fail` is false, 0 when it is true; none when `when` is false or a regular expression met its limit.
 * Failure:   what can't be right is refused when the rule is added, with the rule's name and the field or pattern.
 * Threads:   rules are only read once they are added; the count of evaluations given up is atomic.
 */
#include <stdatomic.h>

#include "engine/base/decimal.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"
#include "engine/enrich/rule_internal.h"
#include "engine/span/schema.h"

#define RULE_REGEX_STEPS    100000u
#define RULE_TEXT_BYTES_MAX 4096u
#define RULE_VALUES_MAX     1024u
#define RULE_DEPTH_MAX      32u

struct rule {
    char *name; /* without "score." */
    struct slice project;
    struct slice error_class;
    struct slice finding;
    struct rule_step when;
    struct rule_step fail;
};

struct rules {
    struct arena arena;
    struct rule rules[RULES_MAX];
    uint32_t count;
    struct regex **regexes;
    size_t regex_capacity;
    size_t regex_count;
    struct buffer text; /* everything that can change a score, for the hash */
    atomic_uint_fast64_t *limited;
};

struct rules *rules_create(void)
{
    struct rules *r = MEM_NEW(struct rules);
    r->limited = MEM_NEW(atomic_uint_fast64_t);
    return r;
}

void rules_destroy(struct rules *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->regex_count; i++)
        regex_destroy(r->regexes[i]);
    mem_free(r->regexes);
    mem_free(r->limited);
    buffer_deinit(&r->text);
    arena_deinit(&r->arena);
    mem_free(r);
}

uint32_t rules_count(const struct rules *r)
{
    return r->count;
}

uint64_t rules_hash(const struct rules *r)
{
    return r->count == 0 ? 0 : hash64(buffer_slice(&r->text));
}

uint64_t rules_limited(const struct rules *r)
{
    return atomic_load_explicit(r->limited, memory_order_relaxed);
}

/* ---- compiling ---- */

struct rule_compiler {
    struct rules *rules;
    uint32_t nodes;
    struct error *reterr;
};

static enum status text_check(struct rule_compiler *c, struct slice text, const char *what)
{
    if (text.size > RULE_TEXT_BYTES_MAX)
        return error_set(c->reterr, STATUS_INVALID, "%s has more than %u bytes", what,
                         RULE_TEXT_BYTES_MAX);
    return STATUS_OK;
}

static enum status number_of(struct rule_compiler *c, struct slice field, struct slice text,
                             double *ret)
{
    if (!decimal_to_double(text, ret))
        return error_set(c->reterr, STATUS_INVALID, "%.*s is a number, '%.*s' is none",
                         SLICE_ARG(field), SLICE_ARG(text));
    return STATUS_OK;
}

static enum status regex_of(struct rule_compiler *c, struct slice field, struct slice pattern,
                            struct regex **ret)
{
    struct rules *r = c->rules;
    const struct regex_options options = {.fast = true, .match_limit = RULE_REGEX_STEPS};
    enum status s = regex_create(pattern, &options, ret, c->reterr);
    if (s < 0) {
        error_prefix(c->reterr, "matches on %.*s", SLICE_ARG(field));
        return s;
    }
    r->regexes = mem_grow(r->regexes, &r->regex_capacity, r->regex_count + 1, sizeof *r->regexes);
    r->regexes[r->regex_count++] = *ret;
    return STATUS_OK;
}

static enum status values_compile(struct rule_compiler *c, const struct rule_node *node,
                                  struct rule_step *step)
{
    enum status s = STATUS_OK;
    if (node->value_count == 0 || node->value_count > RULE_VALUES_MAX)
        return error_set(c->reterr, STATUS_INVALID, "in on %.*s needs 1 to %u values",
                         SLICE_ARG(node->field), RULE_VALUES_MAX);
    step->value_count = node->value_count;
    step->values = arena_zero(&c->rules->arena, node->value_count, sizeof *step->values);
    if (rule_field_is_number(step->field))
        step->numbers = arena_zero(&c->rules->arena, node->value_count, sizeof *step->numbers);
    for (uint32_t i = 0; i < node->value_count && s == STATUS_OK; i++) {
        s = text_check(c, node->values[i], "a value");
        step->values[i] = arena_copy(&c->rules->arena, node->values[i]);
        if (s == STATUS_OK && step->numbers != NULL)
            s = number_of(c, node->field, node->values[i], &step->numbers[i]);
    }
    return s;
}

static enum status length_compile(struct rule_compiler *c, const struct rule_node *node,
                                  struct rule_step *step)
{
    if (rule_field_is_number(step->field))
        return error_set(c->reterr, STATUS_INVALID, "length of %.*s: it is a number",
                         SLICE_ARG(node->field));
    if (node->is_number)
        return STATUS_OK;
    return number_of(c, slice_text("a length"), node->text, &step->number);
}

static enum status comparison_compile(struct rule_compiler *c, const struct rule_node *node,
                                      struct rule_step *step)
{
    enum status s =
        rule_field_find(node->field, &c->rules->arena, &step->field, &step->key, c->reterr);
    if (s == STATUS_OK)
        s = text_check(c, node->text, "an operand");
    if (s < 0)
        return s;
    step->text = arena_copy(&c->rules->arena, node->text);
    step->number = node->number;
    step->is_number = node->is_number;
    switch (node->op) {
    case RULE_EQ:
    case RULE_NE:
    case RULE_LT:
    case RULE_LE:
    case RULE_GT:
    case RULE_GE:
        if (!rule_field_is_number(step->field)) {
            /* "1.10" of a text field is a text; only attributes have types of their own. */
            step->is_number = node->is_number && step->field == FIELD_ATTRIBUTE;
            return STATUS_OK;
        }
        step->is_number = true;
        return node->is_number ? STATUS_OK : number_of(c, node->field, node->text, &step->number);
    case RULE_IN:
        return values_compile(c, node, step);
    case RULE_LENGTH_LT:
    case RULE_LENGTH_GT:
        return length_compile(c, node, step);
    case RULE_CONTAINS:
    case RULE_ICONTAINS:
    case RULE_MATCHES:
        if (rule_field_is_number(step->field))
            return error_set(c->reterr, STATUS_INVALID, "%.*s is a number and holds no text",
                             SLICE_ARG(node->field));
        if (node->text.size == 0)
            return error_set(c->reterr, STATUS_INVALID, "nothing to look for in %.*s",
                             SLICE_ARG(node->field));
        return node->op == RULE_MATCHES ? regex_of(c, node->field, node->text, &step->regex)
                                        : STATUS_OK;
    case RULE_IS_NULL:
    case RULE_ALL:
    case RULE_ANY:
    case RULE_NOT:
        break;
    }
    return STATUS_OK;
}

static enum status node_compile(struct rule_compiler *c, const struct rule_node *node,
                                uint32_t depth, struct rule_step *step)
{
    enum status s = STATUS_OK;
    *step = (struct rule_step){
        .op = node->op, .field = FIELD_NONE, .key = SLICE_EMPTY, .text = SLICE_EMPTY};
    if (++c->nodes > RULE_NODES_MAX || depth > RULE_DEPTH_MAX)
        return error_set(c->reterr, STATUS_INVALID,
                         "more than %u conditions, or %u inside one another", RULE_NODES_MAX,
                         RULE_DEPTH_MAX);
    if (node->op != RULE_ALL && node->op != RULE_ANY && node->op != RULE_NOT)
        return comparison_compile(c, node, step);
    if (node->op == RULE_NOT && node->child_count != 1)
        return error_set(c->reterr, STATUS_INVALID, "not takes one condition, got %u",
                         node->child_count);
    if (node->child_count > RULE_NODES_MAX)
        return error_set(c->reterr, STATUS_INVALID, "more than %u conditions", RULE_NODES_MAX);
    step->child_count = node->child_count;
    step->children = arena_zero(&c->rules->arena, node->child_count, sizeof *step->children);
    for (uint32_t i = 0; i < node->child_count && s == STATUS_OK; i++)
        s = node_compile(c, &node->children[i], depth + 1, &step->children[i]);
    return s;
}

/* The node as text, so that rules_hash changes with whatever changes a score. */
static void node_write(const struct rule_node *node, struct buffer *b)
{
    put_u8(b, (uint8_t)node->op);
    put_bytes(b, node->field.data != NULL ? node->field : SLICE_EMPTY);
    put_bytes(b, node->text.data != NULL ? node->text : SLICE_EMPTY);
    buffer_printf(b, "%.17g%d", node->number, node->is_number);
    put_varint(b, node->value_count);
    for (uint32_t i = 0; i < node->value_count; i++)
        put_bytes(b, node->values[i]);
    put_varint(b, node->child_count);
    for (uint32_t i = 0; i < node->child_count; i++)
        node_write(&node->children[i], b);
}

static enum status name_check(const struct rules *r, const struct rule_spec *spec,
                              struct error *reterr)
{
    char full[sizeof SCORE_PREFIX + NAME_BYTES_MAX];
    size_t prefix = strlen(SCORE_PREFIX);
    bool fits = spec->name.size > 0 && spec->name.size <= NAME_BYTES_MAX;
    if (fits) {
        memcpy(full, SCORE_PREFIX, prefix);
        memcpy(full + prefix, spec->name.data, spec->name.size);
    }
    if (!fits || !score_name_is_valid(slice_of(full, prefix + spec->name.size)))
        return error_set(reterr, STATUS_INVALID, "a rule's name has 1 to %u of A-Z a-z 0-9 _ . -",
                         NAME_BYTES_MAX);
    for (unsigned i = 0; i < SCORER_COUNT; i++) {
        if (slice_is(spec->name, scorer_name(i)))
            return error_set(reterr, STATUS_INVALID, "'%.*s' is the name of a scorer",
                             SLICE_ARG(spec->name));
    }
    for (uint32_t i = 0; i < r->count; i++) {
        bool same_project = r->rules[i].project.size == 0 || spec->project.size == 0 ||
                            slice_equal(r->rules[i].project, spec->project);
        if (same_project && slice_is(spec->name, r->rules[i].name))
            return error_set(reterr, STATUS_INVALID, "there are two rules '%.*s'",
                             SLICE_ARG(spec->name));
    }
    return STATUS_OK;
}

static struct slice copied(struct rules *r, struct slice text)
{
    return text.size == 0 ? SLICE_EMPTY : arena_copy(&r->arena, text);
}

enum status rules_add(struct rules *r, const struct rule_spec *spec, struct error *reterr)
{
    struct rule_compiler c = {.rules = r, .reterr = reterr};
    struct rule rule = {.project = copied(r, spec->project),
                        .error_class = copied(r, spec->error_class),
                        .finding = copied(r, spec->finding)};
    if (r->count == RULES_MAX)
        return error_set(reterr, STATUS_LIMIT, "more than %u rules", RULES_MAX);
    enum status s = name_check(r, spec, reterr);
    if (s == STATUS_OK)
        s = node_compile(&c, &spec->when, 0, &rule.when);
    if (s == STATUS_OK)
        s = node_compile(&c, &spec->fail, 0, &rule.fail);
    if (s < 0) {
        error_prefix(reterr, "rule '%.*s'", SLICE_ARG(spec->name));
        return s;
    }
    rule.name = (char *)(uintptr_t)arena_copy(&r->arena, spec->name).data;
    const struct slice parts[] = {spec->name, spec->version, spec->project, spec->error_class};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        put_bytes(&r->text, parts[i].size == 0 ? SLICE_EMPTY : parts[i]);
    node_write(&spec->when, &r->text);
    node_write(&spec->fail, &r->text);
    r->rules[r->count++] = rule;
    return STATUS_OK;
}

/* ---- running ---- */

static void rule_run(const struct rules *r, const struct rule *rule, struct rule_run *run,
                     struct score_list *ret)
{
    enum rule_truth applies = rule_evaluate(run, &rule->when);
    enum rule_truth fails = applies == RULE_TRUE ? rule_evaluate(run, &rule->fail) : RULE_FALSE;
    if (applies == RULE_UNKNOWN || fails == RULE_UNKNOWN) {
        (void)atomic_fetch_add_explicit(r->limited, 1, memory_order_relaxed);
        return;
    }
    if (applies == RULE_FALSE || ret->count == sizeof ret->items / sizeof ret->items[0])
        return;
    bool failed = fails == RULE_TRUE;
    ret->items[ret->count++] = (struct score){
        .name = rule->name,
        .value = failed ? 0 : 1,
        .finding = failed ? rule->finding : SLICE_EMPTY,
        .error_class = failed ? rule->error_class : SLICE_EMPTY,
    };
}

void rules_run(const struct rules *r, struct slice project, const struct span_view *v,
               struct arena *arena, struct score_list *ret)
{
    struct rule_run run = {.view = v, .arena = arena};
    for (uint32_t i = 0; i < r->count; i++) {
        const struct rule *rule = &r->rules[i];
        if (rule->project.size == 0 || slice_equal(rule->project, project))
            rule_run(r, rule, &run, ret);
    }
}
