/*
 * policy.h - the policy file and price tables: YAML -> engine/enrich settings, with errors that name file:line:column.
 *
 * policy.yaml (all parts optional; policy.md documents each with an example):
 *     classes:  [{name, bucket: ops|quality|structure|safety, order, definition}]
 *     scorers:  {off: bool, disabled: [names], thresholds: {name: number}, latency_budget: 10s, cost_budget_usd: 0.5, loop_repeats: 3,
 *                retrieval_score_min: 0.2}
 *     rules:    [{name, version, project, when: CONDITION, fail: CONDITION, class, finding}]
 *     mask:     [{name, project, detect: pii.email | pattern: REGEX, replace: "[email]"}]
 *     judges:   [{name, project, where: SQL, sample, flagged, cost_cap_usd_per_day, lease, attempts, scorer, judge_model, scorer_version}]
 * CONDITION:  {all: [..]} | {any: [..]} | {not: ..} | {field: kind, eq: llm} (eq ne lt le gt ge in contains icontains matches
 *             longer_than shorter_than is_null)
 * prices.yaml: {version: "2026-11-01", prices: [{model, provider, tier, from, until, input, output, cached, cache_write, reasoning,
 *             above_tokens}]}  USD per million tokens
 */
#ifndef DRIFTLINE_POLICY_H
#define DRIFTLINE_POLICY_H

#include "engine/enrich/enrich.h"

struct yaml;
struct judge_rule {
    const char *name;
    const char *project; /* "": every project */
    const char *where;   /* SQL condition over spans; "": all llm spans */
    double sample;       /* share of matching spans, by trace id; 1: all */
    bool flagged;        /* spans with an error class are always taken, whatever the sample */
    int64_t cost_cap_nusd_per_day; /* 0: none. Judge costs reported with results count against it */
    int64_t lease_ns;              /* 0: 60 s */
    int64_t attempts_max;          /* 0: 3; then set aside as poison */
    const char *scorer;            /* score name the judge answers with */
    const char *judge_model;
    const char *scorer_version;
};

struct policy {
    struct enrich_settings settings;
    struct judge_rule *judges;
    uint32_t judge_count;
    struct arena arena;
};
/* path "" or NULL: the built-in policy. prices_path "" or NULL: the table that ships (prices.def with its date). Unknown keys are errors
 * with the nearest known key. */
MUST_CHECK enum status policy_load(const char *path, const char *prices_path, struct policy *ret,
                                   struct error *reterr);
/* The same from text, with the prices that ship; name stands for the file in messages. */
MUST_CHECK enum status policy_parse(const char *name, struct slice text, struct policy *ret, struct error *reterr);
void policy_deinit(struct policy *p);
/* The settings' ownership moves out (for enricher_create); the rest stays, and must until enricher_create copied the classes'
 * definitions. */
struct enrich_settings policy_detach_settings(struct policy *p);
/* One price table from YAML text; name stands for the file in messages. */
MUST_CHECK enum status policy_prices_parse(const char *name, struct slice text,
                                           struct price_table **ret, struct error *reterr);
struct price_table *policy_prices_builtin(void);

#endif
