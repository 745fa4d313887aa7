/*
 * alert_rules_rule.c - one rule of a rules file.
 */
#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "server/alert/alert_rules_reader.h"
#include "server/alert/alert_template.h"

#define TIMEOUT_DEFAULT_NS (30 * NS_PER_S)
#define TIMEOUT_MAX_NS     (10 * 60 * NS_PER_S)
#define MIN_SAMPLES_MAX    1000000000000u

static struct alert_rule *rule_at(struct rules_reader *r, uint32_t index)
{
    return &r->rules->rules[index];
}

static enum status rule_name(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    enum status s = read_name(r, node, "the rule's name", &rule_at(r, index)->name);
    for (uint32_t i = 0; s >= 0 && i < index; i++) {
        if (strcmp(r->rules->rules[i].name, rule_at(r, index)->name) == 0)
            return yaml_error(r->yaml, node, r->reterr, "there is a rule '%s' already",
                              rule_at(r, index)->name);
    }
    return s;
}

static enum status rule_project(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    const char *name;
    enum status s = read_string(r, node, "project", PROJECT_NAME_MAX, &name);
    if (s < 0)
        return s;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(name))
        return yaml_error(r->yaml, node, r->reterr,
                          "a project's name is made of a-z 0-9 _ -; '%s' is not", name);
    rule_at(r, index)->project = name;
    return STATUS_OK;
}

static enum status rule_query(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    r->nodes[index].query = node;
    return read_text(r, node, "query", QUERY_TEXT_MAX, &rule_at(r, index)->query);
}

static enum status condition_read(struct rules_reader *r, struct fy_node *node, const char *key,
                                  struct slice *ret_text, struct alert_condition **ret)
{
    struct error error = {.position = -1};
    enum status s = read_text(r, node, key, ALERT_TEMPLATE_BYTES_MAX, ret_text);
    if (s < 0)
        return s;
    if (alert_condition_parse(*ret_text, &r->rules->arena, ret, &error) < 0)
        return error_within(r, node, key, &error);
    return STATUS_OK;
}

static enum status rule_condition(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    struct alert_rule *rule = rule_at(r, index);
    r->nodes[index].condition = node;
    return condition_read(r, node, "condition", &rule->condition_text, &rule->condition);
}

static enum status rule_resolve(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    struct slice ignored;
    r->nodes[index].resolve = node;
    return condition_read(r, node, "resolve", &ignored, &rule_at(r, index)->resolve);
}

/* [] is one group for the whole result. */
static enum status rule_group_by(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    struct alert_rule *rule = rule_at(r, index);
    r->nodes[index].group_by = node;
    uint32_t count = list_count(node);
    if (count > ALERT_GROUP_COLUMNS_MAX)
        return yaml_error(r->yaml, node, r->reterr, "group_by has at most %u columns",
                          ALERT_GROUP_COLUMNS_MAX);
    rule->group_by = arena_zero(&r->rules->arena, count + 1, sizeof *rule->group_by);
    for (uint32_t i = 0; i < count; i++) {
        enum status s = read_text(r, list_item(node, i), "a column of group_by", NAME_BYTES_MAX,
                                  &rule->group_by[i]);
        if (s < 0)
            return s;
    }
    rule->group_count = count;
    return STATUS_OK;
}

static enum status rule_value(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    r->nodes[index].value = node;
    return read_string(r, node, "value", NAME_BYTES_MAX, &rule_at(r, index)->value);
}

static enum status rule_samples(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    r->nodes[index].samples = node;
    return read_string(r, node, "samples", NAME_BYTES_MAX, &rule_at(r, index)->samples);
}

static enum status rule_min_samples(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    if (r->nodes[index].samples == NULL)
        r->nodes[index].samples = node;
    return read_count(r, node, MIN_SAMPLES_MAX, &rule_at(r, index)->min_samples);
}

static enum status rule_for(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    return read_duration(r, node, 0, &rule_at(r, index)->for_ns);
}

static enum status rule_every(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    return read_duration(r, node, ALERT_EVERY_NS_MIN, &rule_at(r, index)->every_ns);
}

static enum status rule_timeout(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    enum status s = read_duration(r, node, NS_PER_MS, &rule_at(r, index)->timeout_ns);
    if (s >= 0 && rule_at(r, index)->timeout_ns > TIMEOUT_MAX_NS)
        return yaml_error(r->yaml, node, r->reterr, "timeout is at most 10m");
    return s;
}

static enum status rule_severity(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    static const char *const words[] = {"page", "warn", "info"};
    uint32_t found;
    enum status s = read_choice(r, node, words, 3, &found);
    if (s >= 0)
        rule_at(r, index)->severity = (enum severity)found;
    return s;
}

static enum status rule_no_data(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    static const char *const words[] = {"keep", "resolve", "fire"};
    uint32_t found;
    enum status s = read_choice(r, node, words, 3, &found);
    if (s >= 0)
        rule_at(r, index)->no_data = (enum no_data)found;
    return s;
}

static enum status template_read(struct rules_reader *r, struct fy_node *node, const char *key,
                                 size_t limit, enum template_kind kind, struct slice *ret)
{
    struct error error = {.position = -1};
    enum status s = read_text(r, node, key, limit, ret);
    if (s < 0)
        return s;
    if (template_check(*ret, kind, NULL, 0, NULL, 0, &error) < 0)
        return error_within(r, node, key, &error);
    return STATUS_OK;
}

static enum status rule_summary(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    r->nodes[index].summary = node;
    return template_read(r, node, "summary", ALERT_TEMPLATE_BYTES_MAX, TEMPLATE_PLAIN,
                         &rule_at(r, index)->summary);
}

static enum status rule_exemplars(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    r->nodes[index].exemplars = node;
    return template_read(r, node, "exemplars", QUERY_TEXT_MAX / 2, TEMPLATE_SQL,
                         &rule_at(r, index)->exemplars);
}

static enum status rule_labels(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    struct alert_rule *rule = rule_at(r, index);
    enum status s =
        read_pairs(r, node, "labels", ALERT_LABELS_MAX, &rule->labels, &rule->label_count);
    for (uint32_t i = 0; s >= 0 && i < rule->label_count; i++) {
        if (strcmp(rule->labels[i].name, "alertname") == 0 ||
            strcmp(rule->labels[i].name, "severity") == 0 ||
            strcmp(rule->labels[i].name, "project") == 0)
            return yaml_error(r->yaml, yaml_key_node(node, i), r->reterr,
                              "the label '%s' is set by the rule itself", rule->labels[i].name);
    }
    return s;
}

static enum status notify_read(struct rules_reader *r, struct fy_node *node,
                               struct alert_rule *rule)
{
    uint32_t count = list_count(node);
    if (count > ALERT_NOTIFIERS_MAX)
        return yaml_error(r->yaml, node, r->reterr, "notify names at most %u notifiers",
                          ALERT_NOTIFIERS_MAX);
    rule->notify = arena_zero(&r->rules->arena, count, sizeof *rule->notify);
    rule->notify_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *name;
        struct fy_node *item = list_item(node, i);
        enum status s = read_name(r, item, "a notifier's name", &name);
        if (s < 0)
            return s;
        const struct alert_notifier *found = alert_rules_notifier(r->rules, slice_text(name));
        if (found == NULL)
            return yaml_error(r->yaml, item, r->reterr, "there is no notifier '%s'", name);
        uint32_t at = (uint32_t)(found - r->rules->notifiers);
        for (uint32_t k = 0; k < rule->notify_count; k++) {
            if (rule->notify[k] == at)
                return yaml_error(r->yaml, item, r->reterr, "'%s' stands here twice", name);
        }
        rule->notify[rule->notify_count++] = at;
    }
    return STATUS_OK;
}

static enum status rule_notify(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    r->nodes[index].notify = node;
    return notify_read(r, node, rule_at(r, index));
}

static const struct rules_key rule_keys[] = {
#define KEY(section, name, read, required) KEY_##section(name, read, required)
#define KEY_file(...)
#define KEY_defaults(...)
#define KEY_notifier(...)
#define KEY_rule(name, read, required) {#name, read, required},
#include "server/alert/alert_rule_keys.def"
#undef KEY
#undef KEY_file
#undef KEY_defaults
#undef KEY_notifier
#undef KEY_rule
};

enum status read_rule(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    struct alert_rule *rule = rule_at(r, index);
    r->nodes[index].rule = node;
    *rule = (struct alert_rule){.project = "default",
                                .query = SLICE_EMPTY,
                                .condition_text = SLICE_EMPTY,
                                .samples = "samples",
                                .for_ns = r->default_for_ns,
                                .every_ns = r->default_every_ns,
                                .timeout_ns = TIMEOUT_DEFAULT_NS,
                                .severity = SEVERITY_WARN,
                                .summary = slice_text("{{rule}}: {{value}}"),
                                .exemplars = SLICE_EMPTY};
    enum status s =
        read_mapping(r, node, "a rule", rule_keys, sizeof rule_keys / sizeof *rule_keys, index);
    if (s >= 0 && r->nodes[index].notify == NULL && r->default_notify != NULL)
        s = notify_read(r, r->default_notify, rule);
    return s;
}
