/*
 * word_set.h - a set of word hashes.
 *
 * The lowest two bits of a hash don't choose its place (words.h keeps them free).
 */
#ifndef DRIFTLINE_ENRICH_WORD_SET_H
#define DRIFTLINE_ENRICH_WORD_SET_H

#include "engine/base/memory.h"

/* Distinct hashes: open addressing, a power of two at most half full, 0 is free. Zero is the empty set. */
struct word_set {
    uint32_t *slots;
    uint32_t mask;
    uint32_t count;
    uint32_t capacity; /* slots that were allocated; a reset may use fewer */
};
/* Words beyond are not remembered. Chosen texts can't make it slow: a word that finds no place within WORD_PROBES_MAX
 * isn't remembered either. */
#define WORD_SET_MAX    (1u << 16)
#define WORD_PROBES_MAX 64u
/* Adds what is new; slots are mem_alloc'ed. False: it was there, or there is no place. */
bool word_set_add(struct word_set *set, uint32_t hash);
static inline bool word_set_has(const struct word_set *set, uint32_t hash)
{
    if (set->count == 0)
        return false;
    for (uint32_t i = hash >> 2, end = i + WORD_PROBES_MAX; i != end; i++) {
        uint32_t there = set->slots[i & set->mask];
        if (there == hash)
            return true;
        if (there == 0)
            return false;
    }
    return false;
}
/* Empties the set and keeps its memory; expected: how many words may come, so that only what they need is cleared. */
void word_set_reset(struct word_set *set, size_t expected);
/* A copy that takes no more memory than it needs. */
struct word_set word_set_copy(const struct word_set *set);
/* How many words two sets share. */
uint32_t word_set_shared(const struct word_set *a, const struct word_set *b);
void word_set_deinit(struct word_set *set);
size_t word_set_bytes(const struct word_set *set);

#endif
