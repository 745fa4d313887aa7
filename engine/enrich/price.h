/*
 * price.h - what a call costs: price tables with versions and effective dates.
 *
 * Unit:     prices are USD per 1,000,000 tokens in the file, femto-USD (1e-15) per token here, so that cents per
 *           million are exact integers; a cost is rounded once, to nano-USD.
 * Formula:  tokens_in includes cached and cache-written tokens (GenAI semantic conventions), tokens_out includes reasoning:
 *           (in - cached - cache_write) * input + cached * cached_price + cache_write * write_price
 *           + (out - reasoning) * output + reasoning * reasoning_price        (missing parts cost like input / output)
 */
#ifndef DRIFTLINE_ENRICH_PRICE_H
#define DRIFTLINE_ENRICH_PRICE_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

#define PRICE_ENTRIES_MAX 16384u
#define PRICE_UNSET       INT64_MIN

struct price {
    struct slice model;    /* pattern: '*' any run, '?' one character; matched without case against model_served, then model */
    struct slice provider; /* pattern, or empty: any */
    struct slice tier;     /* "batch", "flex", "priority", ...; empty: the default tier */
    int64_t from_ns;       /* effective for spans that start in [from_ns, until_ns) */
    int64_t until_ns;      /* INT64_MAX: open */
    int64_t input, output, cached, cache_write, reasoning; /* femto-USD a token; PRICE_UNSET: see the formula */
    int64_t above_tokens;  /* 0, or: only when tokens_in is above this (long-context prices) */
};

struct price_table; /* immutable */

struct price_table_builder;
/* version: written into pricing_version; at most 64 bytes. */
struct price_table_builder *price_table_begin(struct slice version);
/* Copies. STATUS_LIMIT, or STATUS_INVALID: negative, or no model. */
MUST_CHECK enum status price_table_add(struct price_table_builder *b, const struct price *price, struct error *reterr);
struct price_table *price_table_end(struct price_table_builder *b);
void price_table_abandon(struct price_table_builder *b);
void price_table_destroy(struct price_table *t);
struct slice price_table_version(const struct price_table *t);
uint32_t price_table_count(const struct price_table *t);

struct usage_cost {
    struct slice provider, model, model_served, tier;
    int64_t time_ns;
    int64_t tokens_in, tokens_out, tokens_cached, tokens_cache_write, tokens_reasoning; /* -1: unknown */
};
/* Most specific match wins: exact model before pattern, longer pattern before shorter, with a tier before without, later from_ns before
 * earlier. False: no price, or no tokens. *ret_nusd: nano-USD, rounded half up. Any thread; results per (model, tier, provider) are remembered
 * inside the table behind a lock. */
bool price_cost(struct price_table *t, const struct usage_cost *u, int64_t *ret_nusd);

#endif
