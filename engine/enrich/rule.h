/*
 * rule.h - user rules: a condition over a span gives a score and maybe an error class.
 *
 * Conditions: field comparisons (= != < <= > >=, in), contains, icontains, matches (PCRE2), length; all / any / not.
 * Fields:     the columns of spans by name, plus input_text, output_text, last_user_text; `attributes.KEY`.
 * Bounds:     RULES_MAX rules, RULE_NODES_MAX nodes each, PCRE2 match and depth limits (a rule that hits one gives no score and is
 *             counted).
 */
#ifndef DRIFTLINE_ENRICH_RULE_H
#define DRIFTLINE_ENRICH_RULE_H

#include "engine/enrich/scorer.h"

#define RULES_MAX      64u
#define RULE_NODES_MAX 256u

enum rule_op {
    RULE_ALL, RULE_ANY, RULE_NOT,
    RULE_EQ, RULE_NE, RULE_LT, RULE_LE, RULE_GT, RULE_GE, RULE_IN,
    RULE_CONTAINS, RULE_ICONTAINS, RULE_MATCHES,
    RULE_LENGTH_LT, RULE_LENGTH_GT, RULE_IS_NULL,
};

/* What a policy reader builds; rules_add compiles and copies it. */
struct rule_node {
    enum rule_op op;
    struct slice field;            /* comparisons */
    struct slice text;             /* operand as text */
    double number;                 /* operand as number, when is_number */
    bool is_number;
    const struct slice *values;    /* RULE_IN */
    uint32_t value_count;
    const struct rule_node *children; /* ALL, ANY, NOT */
    uint32_t child_count;
};
struct rule_spec {
    struct slice name;      /* the score's name */
    struct slice version;   /* "" : "1" */
    struct slice project;   /* "" : every project */
    struct rule_node when;  /* applies to these spans; children of an empty ALL: all spans */
    struct rule_node fail;  /* true: score 0, else 1 */
    struct slice error_class; /* when it fails; "" none */
    struct slice finding;     /* words for the finding */
};

struct rules *rules_create(void);
void rules_destroy(struct rules *r);
/* STATUS_INVALID names the rule and field (with the nearest known field) or the pattern's position. */
MUST_CHECK enum status rules_add(struct rules *r, const struct rule_spec *spec, struct error *reterr);
uint32_t rules_count(const struct rules *r);
void rules_run(const struct rules *r, struct slice project, const struct span_view *v, struct arena *arena, struct score_list *ret);
uint64_t rules_hash(const struct rules *r);
uint64_t rules_limited(const struct rules *r); /* evaluations given up at a limit */

#endif
