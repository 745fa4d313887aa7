/*
 * alert_rules.c - a rules file: its sections, in the order that lets names be looked up.
 *
 * Place:     text -> server/yaml -> [here] -> the rules in memory, for the scheduler
 * Order:     defaults, then notifiers, then rules, wherever they stand in the file.
 * Failure:   STATUS_INVALID naming file:line:column; nothing is returned then.
 */
#include <stdio.h>

#include "engine/base/clock.h"
#include "server/alert/alert_rules_reader.h"

#define EVERY_DEFAULT_NS (30 * NS_PER_S)

const char *severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_PAGE:
        return "page";
    case SEVERITY_WARN:
        return "warn";
    case SEVERITY_INFO:
        return "info";
    }
    return "?";
}

const struct alert_notifier *alert_rules_notifier(const struct alert_rules *rules,
                                                  struct slice name)
{
    for (uint32_t i = 0; i < rules->notifier_count; i++) {
        if (rules->notifiers[i].name != NULL && slice_is(name, rules->notifiers[i].name))
            return &rules->notifiers[i];
    }
    return NULL;
}

/* ---- defaults ---- */

static enum status read_default_every(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)index;
    return read_duration(r, node, ALERT_EVERY_NS_MIN, &r->default_every_ns);
}

static enum status read_default_for(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)index;
    return read_duration(r, node, 0, &r->default_for_ns);
}

static enum status read_default_notify(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)index;
    r->default_notify = node; /* its names are looked up with each rule */
    return STATUS_OK;
}

/* ---- sections; the file's table only notes where they are ---- */

static enum status read_defaults(struct rules_reader *r, struct fy_node *node, uint32_t index);
static enum status read_notifiers(struct rules_reader *r, struct fy_node *node, uint32_t index);
static enum status read_rules(struct rules_reader *r, struct fy_node *node, uint32_t index);
static enum status read_external_url(struct rules_reader *r, struct fy_node *node, uint32_t index);

#define KEY(section, name, read, required) KEY_##section(name, read, required)
#define KEY_notifier(...)
#define KEY_rule(...)
static const struct rules_key default_keys[] = {
#define KEY_file(...)
#define KEY_defaults(name, read, required) {#name, read, required},
#include "server/alert/alert_rule_keys.def"
#undef KEY_file
#undef KEY_defaults
};
static const struct rules_key file_keys[] = {
#define KEY_defaults(...)
#define KEY_file(name, read, required) {#name, read, required},
#include "server/alert/alert_rule_keys.def"
#undef KEY_file
#undef KEY_defaults
};
#undef KEY
#undef KEY_notifier
#undef KEY_rule

static enum status read_defaults(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    return read_mapping(r, node, "defaults", default_keys,
                        sizeof default_keys / sizeof *default_keys, index);
}

static enum status list_check(struct rules_reader *r, struct fy_node *node, const char *what,
                              uint32_t max, uint32_t *ret_count)
{
    bool is_empty = yaml_kind(node) == YAML_SCALAR && yaml_text(node).size == 0;
    if (yaml_kind(node) != YAML_SEQUENCE && !is_empty)
        return yaml_error(r->yaml, node, r->reterr, "%s are a list", what);
    size_t count = is_empty ? 0 : yaml_count(node);
    if (count > max)
        return yaml_error(r->yaml, node, r->reterr, "at most %u %s", max, what);
    *ret_count = (uint32_t)count;
    return STATUS_OK;
}

static enum status read_notifiers(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)index;
    uint32_t count;
    enum status s = list_check(r, node, "notifiers", ALERT_NOTIFIERS_MAX, &count);
    if (s < 0)
        return s;
    r->rules->notifiers = arena_zero(&r->rules->arena, count, sizeof *r->rules->notifiers);
    for (uint32_t i = 0; i < count; i++) {
        if ((s = read_notifier(r, yaml_item(node, i), i)) < 0)
            return s;
        r->rules->notifier_count = i + 1;
    }
    return STATUS_OK;
}

static enum status read_rules(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)index;
    uint32_t count;
    enum status s = list_check(r, node, "rules", ALERT_RULES_MAX, &count);
    if (s < 0)
        return s;
    r->rules->rules = arena_zero(&r->rules->arena, count, sizeof *r->rules->rules);
    r->nodes = mem_zero(count > 0 ? count : 1, sizeof *r->nodes);
    for (uint32_t i = 0; i < count; i++) {
        if ((s = read_rule(r, yaml_item(node, i), i)) < 0)
            return s;
        r->rules->rule_count = i + 1;
    }
    return STATUS_OK;
}

static enum status read_external_url(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)index;
    return read_string(r, node, "external_url", ALERT_URL_BYTES_MAX, &r->rules->external_url);
}

static enum status key_only(struct rules_reader *r, struct fy_node *node, uint32_t index)
{
    (void)r;
    (void)node;
    (void)index;
    return STATUS_OK;
}

/* First that all keys are known, then the sections in an order of our own. */
static enum status read_file(struct rules_reader *r)
{
    const uint32_t count = sizeof file_keys / sizeof *file_keys;
    struct rules_key only[sizeof file_keys / sizeof *file_keys];
    struct fy_node *root = yaml_root(r->yaml);
    if (root == NULL)
        return STATUS_OK;
    for (uint32_t i = 0; i < count; i++) {
        only[i] = file_keys[i];
        only[i].read = key_only;
    }
    enum status s = read_mapping(r, root, "a rules file", only, count, 0);
    for (uint32_t i = 0; i < count && s >= 0; i++) {
        struct fy_node *node = yaml_find(root, file_keys[i].name);
        if (node != NULL)
            s = file_keys[i].read(r, node, 0);
    }
    return s;
}

static enum status rules_from(struct yaml *y, const char *name, bool read_secrets,
                              struct query_db *db, struct alert_rules **ret, struct error *reterr)
{
    struct alert_rules *rules = MEM_NEW(struct alert_rules);
    struct rules_reader r = {.yaml = y,
                             .name = name,
                             .read_secrets = read_secrets,
                             .rules = rules,
                             .default_every_ns = EVERY_DEFAULT_NS,
                             .reterr = reterr};
    rules->external_url = "";
    enum status s = read_file(&r);
    for (uint32_t i = 0; i < rules->rule_count && s >= 0 && db != NULL; i++)
        s = check_rule(&r, i, db);
    mem_free(r.nodes);
    if (s < 0) {
        alert_rules_destroy(rules);
        return s;
    }
    *ret = rules;
    return STATUS_OK;
}

enum status alert_rules_parse(const char *name, struct slice text, struct query_db *db,
                              struct alert_rules **ret, struct error *reterr)
{
    struct yaml *y = NULL;
    enum status s = yaml_parse(name, text, &y, reterr);
    if (s >= 0)
        s = rules_from(y, name, false, db, ret, reterr);
    yaml_destroy(y);
    return s;
}

enum status alert_rules_load(const char *path, struct query_db *db, struct alert_rules **ret,
                             struct error *reterr)
{
    struct yaml *y = NULL;
    enum status s = yaml_load(path, &y, reterr);
    if (s >= 0)
        s = rules_from(y, path, true, db, ret, reterr);
    yaml_destroy(y);
    return s;
}

void alert_rules_destroy(struct alert_rules *rules)
{
    if (rules == NULL)
        return;
    for (uint32_t i = 0; i < rules->notifier_count; i++) {
        struct slice secret = rules->notifiers[i].secret;
        if (secret.size != 0)
            explicit_bzero((void *)(uintptr_t)secret.data, secret.size);
    }
    arena_deinit(&rules->arena);
    mem_free(rules);
}

uint32_t alert_rules_count(const struct alert_rules *rules)
{
    return rules->rule_count;
}
