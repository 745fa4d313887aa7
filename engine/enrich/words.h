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
#include "engine/enrich/word_set.h"

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

/* Adds a text's content words to words and its neighbours to pairs. */
void text_words_add(struct slice text, struct word_set *words, struct word_set *pairs);

#endif
