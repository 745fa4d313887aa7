/*
 * scorer_cache.h - what is remembered of messages, by their address, within a fixed memory.
 *
 * Eviction:  second chance: a hand goes round; who was asked for since it last came by stays once more.
 * Invariant: an address is at most once in the cache; `bytes` counts entries, buckets and the sets' slots.
 * Threads:   one user at a time.
 */
#ifndef DRIFTLINE_ENRICH_SCORER_CACHE_H
#define DRIFTLINE_ENRICH_SCORER_CACHE_H

#include "engine/base/id.h"
#include "engine/enrich/scorer_internal.h"

struct scorer_cache;

struct scorer_cache *scorer_cache_create(size_t bytes_max);
void scorer_cache_destroy(struct scorer_cache *c);
/* hint: the index of an earlier answer that may still be it, or 0. NULL: not there. Valid until the next scorer_cache_put. */
const struct message_facts *scorer_cache_find(struct scorer_cache *c, struct id128 address,
                                              uint32_t *hint);
/* The address is not there. Takes the facts' set over. */
const struct message_facts *scorer_cache_put(struct scorer_cache *c, struct id128 address,
                                             const struct message_facts *own_facts, uint32_t *hint);
size_t scorer_cache_bytes(const struct scorer_cache *c);
uint32_t scorer_cache_count(const struct scorer_cache *c);
/* Counts puts: as long as it stays the same, all answers stay valid. */
uint64_t scorer_cache_puts(const struct scorer_cache *c);

#endif
