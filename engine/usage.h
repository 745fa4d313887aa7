/*
 * usage.h - every call is counted once: wrapper spans give their usage up to attributes.
 *
 * Rule:    tokens_* and cost_usd that are not zero stay on spans of kind llm and embedding (and of unknown kind); on other
 *          kinds, and on llm spans with an llm descendant in the same trace, they become NULL and move
 *          into attributes as {"usage":{"tokens_in":...,"cost_usd":...}} (the next free of usage, usage_2, ...
 *          when attributes has one already).
 * Limits:  descendants are looked for within the commit and among what came before it, as far as usage_map remembers
 *          (at least the last USAGE_KEYS_MAX marked ancestors) and the path between them is in the commit or an
 *          unsealed head. An llm span that was committed before its llm child keeps its usage: a
 *          published row does not change. (Exporters send spans as they end, children first.)
 * Threads: under the engine's write lock.
 */
#ifndef DRIFTLINE_USAGE_H
#define DRIFTLINE_USAGE_H

#include "engine/row_map.h"
#include "engine/span/batch.h"

#define USAGE_KEYS_MAX  (1u << 19)
#define USAGE_DEPTH_MAX 64u

/* Keys of spans known to have an llm descendant; two generations, the older goes when the newer is full. Zero is
 * valid and empty. */
struct usage_map {
    uint64_t *keys[2];
    uint32_t mask[2];
    uint32_t count; /* in keys[0] */
};

void usage_map_deinit(struct usage_map *m);

struct usage_request {
    const struct row_map *rows; /* of the batch */
    /* The parent of a span stored in an unsealed head: false when it is not there or has none. */
    bool (*stored_parent)(void *context, struct id128 trace_id, uint64_t span_id,
                          uint64_t *ret_parent);
    void *context;
};
/* Settles the usage of a batch of new spans. b's columns may be replaced, one may be added (there is room);
 * memory comes from the arena. */
void usage_settle(struct usage_map *m, struct batch *b, const struct usage_request *request,
                  struct arena *arena);

#endif
