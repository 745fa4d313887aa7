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

/* What scorers of one span share. */
struct span_memo {
    uint32_t *input_hints; /* places in the cache */
    uint32_t *output_hints;
    struct message_reading **readings; /* of the output; NULL: not yet */
    struct slice text;
    bool has_text;
    bool has_newest_user;
    uint32_t newest_user;
};

#endif
