/*
 * score_repetition.c - does the answer repeat itself?
 *
 * Formula:   the smaller of two shares of n-grams (n = 4) of words:
 *              distinct / all of them, over the whole answer (distinct-n: Li et al., "A Diversity-Promoting Objective
 *              Function", 2016; sequence repetition 1 - distinct-4: Welleck et al., "Neural Text Degeneration", 2019);
 *              fresh / all in the worst window of 128, fresh being those not seen within the 128 before.
 *            The second finds the token loop at the end of a long answer that ran into its limit. Answers without words
 *            ("!!!!!!") are compared byte by byte.
 * Silence:   answers of fewer than 20 words (or bytes) say nothing.
 * Bounds:    a direct-mapped table of at most 65,536 n-grams: beyond, old ones are forgotten, which only makes the answer look
 *            less repetitive.
 */
#include "engine/base/hash.h"
#include "engine/enrich/scorers_internal.h"

#define GRAM             4u
#define WINDOW           128u
#define TOKENS_MIN       20u
#define TABLE_SLOTS_MIN  64u
#define TABLE_SLOTS_MAX  65536u
#define WORD_BYTES_LIMIT 32u    /* fewer words than one in that many bytes: bytes are compared */
#define TAIL_BYTES_MAX   65536u /* the last ones, where loops are */

struct seen {
    uint32_t hash; /* 0: free */
    uint32_t at;
};

struct repetition {
    struct seen *table;
    uint32_t mask;
    uint64_t last[GRAM];
    uint32_t token_count;
    uint32_t gram_count;
    uint32_t distinct_count;
    uint32_t fresh_count; /* in the current window */
    uint32_t fresh_least; /* in any full window */
    bool fresh[WINDOW];   /* ring over the current window */
};

static void repetition_begin(struct repetition *r, size_t tokens_max, struct arena *arena)
{
    uint32_t slots = TABLE_SLOTS_MIN;
    while (slots < tokens_max * 2 && slots < TABLE_SLOTS_MAX)
        slots *= 2;
    *r = (struct repetition){
        .table = arena_zero(arena, slots, sizeof *r->table),
        .mask = slots - 1,
        .fresh_least = WINDOW,
    };
}

static void gram_take(struct repetition *r, uint32_t hash)
{
    uint32_t at = r->gram_count++;
    struct seen *seen = &r->table[hash & r->mask];
    bool known = seen->hash == hash;
    bool fresh = !known || at - seen->at > WINDOW;
    *seen = (struct seen){hash, at};
    r->distinct_count += !known;
    bool *slot = &r->fresh[at % WINDOW];
    r->fresh_count = r->fresh_count + fresh - *slot;
    *slot = fresh;
    if (r->gram_count >= WINDOW && r->fresh_count < r->fresh_least)
        r->fresh_least = r->fresh_count;
}

static void token_take(struct repetition *r, uint32_t token)
{
    r->last[r->token_count++ % GRAM] = token;
    if (r->token_count < GRAM)
        return;
    uint64_t h = 0;
    for (uint32_t i = 0; i < GRAM; i++)
        h = hash_mix(h ^ r->last[(r->token_count + i) % GRAM]);
    uint32_t folded = (uint32_t)(h ^ h >> 32);
    gram_take(r, folded != 0 ? folded : 1);
}

static void words_take(struct repetition *r, const struct output_words *words, struct arena *arena)
{
    repetition_begin(r, words->count, arena);
    for (uint32_t i = 0; i < words->count; i++)
        token_take(r, words->items[i].hash);
}

static void bytes_take(struct repetition *r, struct slice text, struct arena *arena)
{
    if (text.size > TAIL_BYTES_MAX)
        text = slice_of(text.data + text.size - TAIL_BYTES_MAX, TAIL_BYTES_MAX);
    repetition_begin(r, text.size, arena);
    for (size_t i = 0; i < text.size; i++)
        token_take(r, text.data[i]);
}

bool score_not_repetitive(struct scorer_run *run, struct score *ret)
{
    if (!is_generation(run->view))
        return false;
    struct slice text = output_text(run);
    if (text.size < TOKENS_MIN)
        return false;
    struct repetition r;
    words_take(&r, output_words(run), run->arena);
    if (r.token_count < text.size / WORD_BYTES_LIMIT && r.token_count < OUTPUT_WORDS_MAX)
        bytes_take(&r, text, run->arena);
    if (r.token_count < TOKENS_MIN)
        return false;
    double whole = (double)r.distinct_count / r.gram_count;
    double window = (double)r.fresh_least / WINDOW;
    ret->value = whole < window ? whole : window;
    if (ret->value < 0.5)
        ret->finding = finding(run, "%s: only %.0f %% of its 4-word sequences are new",
                               whole < window ? "the answer repeats itself"
                                              : "a part of the answer repeats itself",
                               ret->value * 100);
    return true;
}
