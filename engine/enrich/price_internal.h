/*
 * price_internal.h - a price table's inside, shared by price.c (building, arithmetic) and price_match.c (choosing).
 */
#ifndef DRIFTLINE_ENRICH_PRICE_INTERNAL_H
#define DRIFTLINE_ENRICH_PRICE_INTERNAL_H

#include "engine/base/intern.h"
#include "engine/base/thread.h"
#include "engine/enrich/price.h"

#define PRICE_MATCHES_MAX                                                                          \
    8192u /* (provider, model, model_served, tier) remembered; then all are forgotten */

struct price_entry {
    struct price price;
    uint32_t index;   /* order of price_table_add */
    uint32_t literal; /* bytes of the model pattern that are no wildcards */
    bool exact;       /* no wildcards at all */
};

/* Entries that fit one (provider, model, tier), most specific first. */
struct price_match {
    const struct price_entry **entries;
    uint32_t count;
};

/*
 * Invariants:
 * 1. entries[] are sorted most specific first once price_table_end ran, and never change after.
 * 2. matches[i] belongs to the key with code i of keys; both only grow, together, under lock, until both are forgotten.
 */
struct price_table {
    struct arena arena;
    struct slice version;
    struct price_entry *entries;
    uint32_t count;
    struct mutex lock;
    struct arena remembered;
    struct intern keys;
    struct price_match *matches;
    size_t matches_capacity;
};

/* price_match.c */
void price_table_sort(struct price_table *t);
/* '*' any run, '?' one character; ASCII case does not matter. */
bool price_glob(struct slice pattern, struct slice text);

/* price.c */
bool price_usage_cost(const struct price *p, const struct usage_cost *u, int64_t *ret_nusd);
/* "", "default", "standard", "auto", "on_demand". */
bool price_tier_is_default(struct slice tier);

#endif
