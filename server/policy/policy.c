/*
 * policy.c - the policy file: its sections, in the order that lets names be looked up.
 *
 * Place:     file -> server/yaml -> [here] -> engine/enrich settings and judge rules
 * Order:     classes first, then the rest, wherever they stand in the file: rules name classes.
 * Failure:   STATUS_INVALID naming file:line:column; nothing is returned then.
 * Lifetime:  names of classes' definitions and judges live in the policy's arena; an enricher copies what it needs.
 */
#include "server/policy/policy_reader.h"

#include "engine/enrich/taxonomy.h"

/* The file's table only notes where sections are. */
struct policy_sections {
    struct fy_node *classes, *scorers, *rules, *mask, *judges;
};

#define SECTION(function, field)                                                                   \
    static enum status function(struct policy_reader *r, struct fy_node *node, void *target)       \
    {                                                                                              \
        (void)r;                                                                                   \
        ((struct policy_sections *)target)->field = node;                                          \
        return STATUS_OK;                                                                          \
    }
SECTION(read_classes, classes)
SECTION(read_scorers, scorers)
SECTION(read_rules, rules)
SECTION(read_masks, mask)
SECTION(read_judges, judges)

#define KEY(section, name, read, required) KEY_##section(name, read, required)
#define KEY_file(name, read, required)     {#name, read, required},
#define KEY_class(...)
#define KEY_scorers(...)
#define KEY_rule(...)
#define KEY_mask(...)
#define KEY_judge(...)
#define KEY_price(...)
#define KEY_prices(...)
static const struct policy_key file_keys[] = {
#include "server/policy/policy_keys.def"
};

static enum status judges_read(struct policy_reader *r, struct fy_node *list)
{
    void *items;
    uint32_t count;
    enum status s = policy_list(r, list, "judges", POLICY_JUDGES_MAX, sizeof(struct judge_rule),
                                policy_read_judge, &items, &count);
    if (s < 0)
        return s;
    struct judge_rule *judges = items;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(judges[i].name, judges[k].name) == 0)
                return yaml_error(r->yaml, yaml_item(list, i), r->reterr,
                                  "there is a judge '%s' already", judges[i].name);
        }
    }
    r->policy->judges = judges;
    r->policy->judge_count = count;
    return STATUS_OK;
}

static enum status sections_read(struct policy_reader *r, const struct policy_sections *at)
{
    enum status s = STATUS_OK;
    void *ignored;
    uint32_t count;
    if (at->classes != NULL && (s = policy_list(r, at->classes, "classes", TAXONOMY_CLASSES_MAX, 1,
                                                policy_read_class, &ignored, &count)) < 0)
        return s;
    if (at->scorers != NULL && (s = policy_read_scorers(r, at->scorers)) < 0)
        return s;
    if (at->rules != NULL && (s = policy_list(r, at->rules, "rules", RULES_MAX, 1, policy_read_rule,
                                              &ignored, &count)) < 0)
        return s;
    if (at->mask != NULL && (s = policy_read_masks(r, at->mask)) < 0)
        return s;
    return at->judges != NULL ? judges_read(r, at->judges) : s;
}

static enum status file_read(struct policy_reader *r)
{
    struct policy_sections at = {0};
    struct fy_node *root = yaml_root(r->yaml);
    enum status s;
    if (root == NULL) /* an empty file is the built-in policy */
        return STATUS_OK;
    if ((s = policy_mapping(r, root, "a policy", file_keys, sizeof file_keys / sizeof *file_keys,
                            &at)) < 0)
        return s;
    return sections_read(r, &at);
}

static void policy_defaults(struct policy *p)
{
    *p = (struct policy){0};
    taxonomy_init(&p->settings.taxonomy);
    scorer_options_init(&p->settings.scorers);
}

static bool is_set(const char *path)
{
    return path != NULL && *path != 0;
}

static enum status prices_read(const char *path, struct policy *p, struct error *reterr)
{
    if (is_set(path))
        return policy_prices_load(path, &p->settings.prices, reterr);
    p->settings.prices = policy_prices_builtin();
    return STATUS_OK;
}

/* Takes the document. */
static enum status policy_read(struct yaml *own_yaml, struct policy *p, struct error *reterr)
{
    struct policy_reader r = {.yaml = own_yaml, .arena = &p->arena, .policy = p, .reterr = reterr};
    enum status s = own_yaml != NULL ? file_read(&r) : STATUS_OK;
    yaml_destroy(own_yaml);
    return s;
}

enum status policy_load(const char *path, const char *prices_path, struct policy *ret,
                        struct error *reterr)
{
    struct policy p;
    struct yaml *yaml = NULL;
    enum status s = STATUS_OK;
    policy_defaults(&p);
    if (is_set(path) && (s = yaml_load(path, &yaml, reterr)) < 0)
        goto out;
    if ((s = policy_read(yaml, &p, reterr)) < 0)
        goto out;
    if ((s = prices_read(prices_path, &p, reterr)) < 0)
        goto out;
    *ret = p;
    return s;
out:
    policy_deinit(&p);
    return s;
}

enum status policy_parse(const char *name, struct slice text, struct policy *ret,
                         struct error *reterr)
{
    struct policy p;
    struct yaml *yaml = NULL;
    enum status s;
    policy_defaults(&p);
    if ((s = yaml_parse(name, text, &yaml, reterr)) < 0 ||
        (s = policy_read(yaml, &p, reterr)) < 0) {
        policy_deinit(&p);
        return s;
    }
    p.settings.prices = policy_prices_builtin();
    *ret = p;
    return s;
}

void policy_deinit(struct policy *p)
{
    if (p == NULL)
        return;
    price_table_destroy(p->settings.prices);
    masker_destroy(p->settings.masker);
    rules_destroy(p->settings.rules);
    arena_deinit(&p->arena);
    *p = (struct policy){0};
}

struct enrich_settings policy_detach_settings(struct policy *p)
{
    struct enrich_settings settings = p->settings;
    p->settings.prices = NULL;
    p->settings.masker = NULL;
    p->settings.rules = NULL;
    return settings;
}
