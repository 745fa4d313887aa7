/*
 * scorers_internal.h - the inside of struct scorers, for the scorers that keep memory of their own.
 */
#ifndef DRIFTLINE_ENRICH_SCORERS_INTERNAL_H
#define DRIFTLINE_ENRICH_SCORERS_INTERNAL_H

#include "engine/enrich/scorer_cache.h"
#include "engine/enrich/scorer_internal.h"
#include "engine/enrich/trace_memory.h"

struct scorers {
    struct scorer_options options; /* defaults filled in */
    const struct rules *rules;     /* borrowed */
    struct scorer_cache *cache;
    struct trace_memory *traces;
    struct scorer_slot slots[SLOT_COUNT];
    struct arena scratch; /* of the current span */
    /* Sets under construction: of a message, and of the span's retrieved text. */
    struct word_set words_building;
    struct word_set pairs_building;
    struct word_set retrieved_words;
    struct word_set retrieved_pairs;
    char version[16];
};

/* Words of the output beyond are not looked at; no model answers that much. */
#define OUTPUT_WORDS_MAX (1u << 18)

struct output_word {
    uint32_t hash;
    uint32_t flags;
    uint32_t start; /* in output_text */
    uint32_t size;
};

struct output_words {
    struct output_word *items;
    uint32_t count;
};

/* What there is to know about an input message before one asks for its facts. */
struct input_note {
    uint8_t role; /* enum message_role */
    bool known;   /* false: no body, no facts */
    bool calls;
    bool gives_context; /* a tool's result, or a prompt that announces documents */
};

/* What scorers of one span share. */
struct span_memo {
    uint32_t *input_hints; /* places in the cache */
    uint32_t *output_hints;
    struct message_reading **readings; /* of the output; NULL: not yet */
    struct slice text;
    bool has_text;
    bool has_words;
    struct output_words words;
    struct input_note *notes; /* NULL: not yet */
    uint32_t newest_user;     /* input_count: none */
};

/* The words of output_text. */
const struct output_words *output_words(struct scorer_run *run);
/* A note for every input message; the facts of all of them are in the cache afterwards, if they fit. */
const struct input_note *input_notes(struct scorer_run *run);

#endif
