/*
 * words.h - text as words: what repetition, grounding, goals and loops compare.
 *
 * A word is a run of letters and digits, lower-cased; '.' and ',' inside numbers belong to them; '_' and '-' separate;
 * a CJK character is a word of its own. Words are compared by a 30-bit hash of their stem, a light one: the S-stemmer
 * (D. Harman, "How effective is suffixing?", JASIS 42, 1991) and then -ed, -ing and a final -e.
 */
#ifndef DRIFTLINE_ENRICH_WORDS_H
#define DRIFTLINE_ENRICH_WORDS_H

#include "engine/base/hash.h"
#include "engine/base/memory.h"

enum word_flag {
    WORD_STOP = 1,     /* a function word: the, of, is */
    WORD_NUMBER = 2,   /* holds a digit */
    WORD_NAME = 4,     /* starts with a capital, not first in its sentence */
    WORD_SENTENCE = 8, /* first in its sentence */
};

struct word {
    struct slice text; /* as written */
    uint32_t hash;     /* of the stem; never 0, and its lowest two bits are 0 */
    uint32_t flags;
};

struct words {
    const uint8_t *at;
    const uint8_t *end;
    bool sentence_start;
};
struct words words_over(struct slice text);
/* False at the end. */
bool words_next(struct words *w, struct word *ret);

/* Two neighbouring words as one. */
static inline uint32_t word_pair(uint32_t first, uint32_t second)
{
    uint64_t both = hash_mix((uint64_t)first << 32 | second);
    return (uint32_t)both != 0 ? (uint32_t)both : 1;
}

/* Distinct hashes: open addressing, a power of two at most half full, 0 is free. Zero is the empty set. */
struct word_set {
    uint32_t *slots;
    uint32_t mask;
    uint32_t count;
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
/* Empties the set, keeps its memory. */
void word_set_reset(struct word_set *set);
/* A copy that takes no more memory than it needs. */
struct word_set word_set_copy(const struct word_set *set);
/* How many words two sets share. */
uint32_t word_set_shared(const struct word_set *a, const struct word_set *b);
void word_set_deinit(struct word_set *set);
/* Adds a text's content words to words and its neighbours to pairs. */
void text_words_add(struct slice text, struct word_set *words, struct word_set *pairs);
size_t word_set_bytes(const struct word_set *set);

#endif
