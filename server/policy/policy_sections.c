/*
 * policy_sections.c - classes, scorers, masks and judges of a policy file.
 */
#include "server/policy/policy_reader.h"

#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/span/cell.h"

#define ORDER_MAX       1000000
#define REPEATS_MAX     1000
#define ATTEMPTS_MAX    100
#define WHERE_BYTES_MAX 16384u
#define LEASE_NS_MAX    NS_PER_DAY

/* ---- classes ---- */

struct class_spec {
    struct slice name;
    enum bucket bucket;
    int order;
    bool has_bucket, has_order;
    const char *definition;
};

static enum status class_name(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "a class's name", CLASS_NAME_BYTES_MAX,
                       &((struct class_spec *)target)->name);
}

static enum status class_bucket(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct class_spec *c = target;
    struct slice text;
    enum status s = policy_text(r, node, "bucket", POLICY_NAME_BYTES_MAX, &text);
    if (s < 0)
        return s;
    c->has_bucket = true;
    if (!bucket_from_name(text, &c->bucket) || c->bucket == BUCKET_NONE)
        return yaml_error(r->yaml, node, r->reterr,
                          "'%.*s' is not a bucket: ops, quality, structure or safety",
                          SLICE_ARG(text));
    return STATUS_OK;
}

static enum status class_order(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct class_spec *c = target;
    int64_t order;
    enum status s = policy_count(r, node, 1, ORDER_MAX, &order);
    if (s < 0)
        return s;
    c->order = (int)order;
    c->has_order = true;
    return STATUS_OK;
}

static enum status class_definition(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_string(r, node, "definition", POLICY_TEXT_BYTES_MAX,
                         &((struct class_spec *)target)->definition);
}

/* ---- scorers ---- */

/* Scores that are computed by name: those of one span, then those of a trace (enrich_trace.c), as bits of `disabled`. */
static const char *const scorer_names[] = {
#define SCORER(name, version, class, threshold, doc) #name,
#include "engine/enrich/scorer.def"
#undef SCORER
#define TRACE_SCORER(name, version, doc) #name,
#include "engine/enrich/trace_scorer.def"
#undef TRACE_SCORER
};
#define SCORER_NAME_COUNT ((uint32_t)(sizeof scorer_names / sizeof *scorer_names))

static enum status scorer_find(struct policy_reader *r, struct fy_node *node, struct slice name,
                               uint32_t count, uint32_t *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slice_is(name, scorer_names[i])) {
            *ret = i;
            return STATUS_OK;
        }
    }
    const char *nearest = nearest_name(name, scorer_names, count);
    char hint[96] = "";
    if (nearest != NULL)
        (void)snprintf(hint, sizeof hint, "; did you mean '%s'?", nearest);
    return yaml_error(r->yaml, node, r->reterr, "there is no scorer '%.*s'%s",
                      (int)(name.size < 80 ? name.size : 80), (const char *)name.data, hint);
}

static struct scorer_options *options_of(struct policy_reader *r)
{
    return &r->policy->settings.scorers;
}

static enum status scorers_off(struct policy_reader *r, struct fy_node *node, void *target)
{
    (void)target;
    return policy_bool(r, node, &r->policy->settings.scorers_off);
}

static enum status disabled_one(struct policy_reader *r, struct fy_node *node, void *target)
{
    uint32_t found = 0;
    struct slice name;
    enum status s;
    (void)target;
    if ((s = policy_text(r, node, "a scorer's name", POLICY_NAME_BYTES_MAX, &name)) < 0 ||
        (s = scorer_find(r, node, name, SCORER_NAME_COUNT, &found)) < 0)
        return s;
    options_of(r)->disabled |= 1ull << found;
    return STATUS_OK;
}

static enum status scorers_disabled(struct policy_reader *r, struct fy_node *node, void *target)
{
    void *ignored;
    uint32_t count;
    (void)target;
    return policy_list(r, node, "disabled scorers", SCORER_NAME_COUNT, 1, disabled_one, &ignored,
                       &count);
}

static enum status scorers_thresholds(struct policy_reader *r, struct fy_node *node, void *target)
{
    (void)target;
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(r->yaml, node, r->reterr,
                          "thresholds are a mapping of scorers and numbers");
    size_t count = yaml_count(node);
    for (size_t i = 0; i < count; i++) {
        uint32_t found = 0;
        struct fy_node *key = yaml_key_node(node, i);
        struct fy_node *value = yaml_value(node, i);
        enum status s;
        if ((s = scorer_find(r, key, yaml_key(node, i), SCORER_COUNT, &found)) < 0)
            return s;
        if (value == NULL)
            return yaml_error(r->yaml, key, r->reterr, "'%s' has no value", scorer_names[found]);
        if ((s = policy_number(r, value, 0, 1, &options_of(r)->thresholds[found])) < 0)
            return s;
    }
    return STATUS_OK;
}

static enum status scorers_latency_budget(struct policy_reader *r, struct fy_node *node,
                                          void *target)
{
    (void)target;
    return policy_duration(r, node, &options_of(r)->latency_budget_ns);
}

static enum status scorers_cost_budget(struct policy_reader *r, struct fy_node *node, void *target)
{
    (void)target;
    return policy_usd(r, node, &options_of(r)->cost_budget_nusd);
}

static enum status scorers_loop_repeats(struct policy_reader *r, struct fy_node *node, void *target)
{
    (void)target;
    return policy_count(r, node, 2, REPEATS_MAX, &options_of(r)->loop_repeats);
}

static enum status scorers_retrieval_min(struct policy_reader *r, struct fy_node *node,
                                         void *target)
{
    (void)target;
    return policy_number(r, node, 0, 1e9, &options_of(r)->retrieval_score_min);
}

/* ---- masks ---- */

static enum status mask_name(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "a mask's name", POLICY_NAME_BYTES_MAX,
                       &((struct mask_rule *)target)->name);
}

static enum status mask_project(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_project(r, node, &((struct mask_rule *)target)->project);
}

static enum status mask_detect(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "detect", POLICY_NAME_BYTES_MAX,
                       &((struct mask_rule *)target)->detector);
}

static enum status mask_pattern(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "pattern", POLICY_TEXT_BYTES_MAX,
                       &((struct mask_rule *)target)->pattern);
}

static enum status mask_replace(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_text(r, node, "replace", POLICY_TEXT_BYTES_MAX,
                       &((struct mask_rule *)target)->replacement);
}

/* ---- judges ---- */

static enum status judge_name(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_string(r, node, "a judge's name", POLICY_NAME_BYTES_MAX,
                         &((struct judge_rule *)target)->name);
}

static enum status judge_project(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct slice name;
    enum status s = policy_project(r, node, &name);
    if (s >= 0)
        ((struct judge_rule *)target)->project = (const char *)name.data;
    return s;
}

static enum status judge_where(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_string(r, node, "where", WHERE_BYTES_MAX, &((struct judge_rule *)target)->where);
}

static enum status judge_sample(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_number(r, node, 0, 1, &((struct judge_rule *)target)->sample);
}

static enum status judge_flagged(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_bool(r, node, &((struct judge_rule *)target)->flagged);
}

static enum status judge_cost_cap(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_usd(r, node, &((struct judge_rule *)target)->cost_cap_nusd_per_day);
}

static enum status judge_lease(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct judge_rule *j = target;
    enum status s = policy_duration(r, node, &j->lease_ns);
    if (s >= 0 && (j->lease_ns < NS_PER_S || j->lease_ns > LEASE_NS_MAX))
        return yaml_error(r->yaml, node, r->reterr, "a lease lasts from 1s to 1d");
    return s;
}

static enum status judge_attempts(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_count(r, node, 1, ATTEMPTS_MAX, &((struct judge_rule *)target)->attempts_max);
}

static enum status judge_scorer(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_string(r, node, "scorer", NAME_BYTES_MAX, &((struct judge_rule *)target)->scorer);
}

static enum status judge_model(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_string(r, node, "judge_model", POLICY_NAME_BYTES_MAX,
                         &((struct judge_rule *)target)->judge_model);
}

static enum status judge_scorer_version(struct policy_reader *r, struct fy_node *node, void *target)
{
    return policy_string(r, node, "scorer_version", POLICY_NAME_BYTES_MAX,
                         &((struct judge_rule *)target)->scorer_version);
}

/* ---- the tables of keys, and what is read by them ---- */

#define KEY(section, name, read, required) KEY_##section(name, read, required)
#define KEY_file(...)
#define KEY_rule(...)
#define KEY_price(...)
#define KEY_prices(...)
#define KEY_class(...)
#define KEY_scorers(...)
#define KEY_mask(...)
#define KEY_judge(...)
#undef KEY_class
#define KEY_class(name, read, required) {#name, read, required},
static const struct policy_key class_keys[] = {
#include "server/policy/policy_keys.def"
};
#undef KEY_class
#define KEY_class(...)
#undef KEY_scorers
#define KEY_scorers(name, read, required) {#name, read, required},
static const struct policy_key scorers_keys[] = {
#include "server/policy/policy_keys.def"
};
#undef KEY_scorers
#define KEY_scorers(...)
#undef KEY_mask
#define KEY_mask(name, read, required) {#name, read, required},
static const struct policy_key mask_keys[] = {
#include "server/policy/policy_keys.def"
};
#undef KEY_mask
#define KEY_mask(...)
#undef KEY_judge
#define KEY_judge(name, read, required) {#name, read, required},
static const struct policy_key judge_keys[] = {
#include "server/policy/policy_keys.def"
};

#define KEY_COUNT(keys) ((uint32_t)(sizeof(keys) / sizeof *(keys)))

/* A new class without an order stands before `other`, behind all that is more telling. */
static int order_before_other(const struct taxonomy *t)
{
    const struct error_class *other = taxonomy_find(t, slice_text("other"));
    int order = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->classes[i].order < other->order && t->classes[i].order > order)
            order = t->classes[i].order;
    }
    return order + 1;
}

enum status policy_read_class(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct taxonomy *t = &r->policy->settings.taxonomy;
    struct class_spec spec = {.definition = ""};
    struct error error = {0};
    enum status s;
    (void)target;
    if ((s = policy_mapping(r, node, "a class", class_keys, KEY_COUNT(class_keys), &spec)) < 0)
        return s;
    const struct error_class *old = taxonomy_find(t, spec.name);
    if (!spec.has_bucket)
        spec.bucket = old != NULL ? old->bucket : BUCKET_NONE;
    if (!spec.has_order)
        spec.order = old != NULL ? old->order : order_before_other(t);
    if (*spec.definition == 0 && old != NULL)
        spec.definition = old->definition;
    if (taxonomy_set(t, spec.name, spec.bucket, spec.order, spec.definition, &error) < 0)
        return policy_error_at(r, node, &error);
    return STATUS_OK;
}

enum status policy_read_scorers(struct policy_reader *r, struct fy_node *node)
{
    return policy_mapping(r, node, "scorers", scorers_keys, KEY_COUNT(scorers_keys), NULL);
}

static enum status read_mask(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct mask_rule *m = target;
    *m = (struct mask_rule){.name = SLICE_EMPTY,
                            .project = SLICE_EMPTY,
                            .detector = SLICE_EMPTY,
                            .pattern = SLICE_EMPTY,
                            .replacement = SLICE_EMPTY};
    enum status s = policy_mapping(r, node, "a mask", mask_keys, KEY_COUNT(mask_keys), m);
    if (s < 0)
        return s;
    if (m->name.size == 0)
        m->name = m->detector;
    if (m->name.size == 0)
        return yaml_error(r->yaml, node, r->reterr, "a mask with a pattern needs the key 'name'");
    return STATUS_OK;
}

/* masker_create stops at the first rule that is wrong: rules are tried one more at a time to know which it is. */
static enum status masks_compile(struct policy_reader *r, struct fy_node *list,
                                 const struct mask_rule *rules, uint32_t count)
{
    struct error error = {0};
    enum status s = masker_create(rules, count, &r->policy->settings.masker, &error);
    for (uint32_t good = 0; s < 0 && good < count; good++) {
        struct masker *m = NULL;
        if (masker_create(rules, good + 1, &m, &error) < 0)
            return policy_error_at(r, yaml_item(list, good), &error);
        masker_destroy(m);
    }
    return s < 0 ? policy_error_at(r, list, &error) : s;
}

enum status policy_read_masks(struct policy_reader *r, struct fy_node *node)
{
    void *rules;
    uint32_t count;
    enum status s = policy_list(r, node, "masks", MASK_RULES_MAX, sizeof(struct mask_rule),
                                read_mask, &rules, &count);
    if (s < 0 || count == 0)
        return s;
    return masks_compile(r, node, rules, count);
}

static bool score_name_fits(const char *name)
{
    char full[NAME_BYTES_MAX + sizeof SCORE_PREFIX];
    (void)snprintf(full, sizeof full, SCORE_PREFIX "%s", name);
    return score_name_is_valid(slice_text(full));
}

enum status policy_read_judge(struct policy_reader *r, struct fy_node *node, void *target)
{
    struct judge_rule *j = target;
    *j = (struct judge_rule){
        .project = "", .where = "", .sample = 1, .judge_model = "", .scorer_version = "1"};
    enum status s = policy_mapping(r, node, "a judge", judge_keys, KEY_COUNT(judge_keys), j);
    if (s < 0)
        return s;
    if (!score_name_fits(j->scorer))
        return yaml_error(r->yaml, node, r->reterr,
                          "'%s' can't be a score's name: A-Z a-z 0-9 _ . - only", j->scorer);
    return STATUS_OK;
}
