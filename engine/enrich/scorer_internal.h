/*
 * scorer_internal.h - what the scorers of this folder share.
 *
 * A scorer is `bool score_NAME(struct scorer_run *run, struct score *ret)`: false when it has nothing to say about the span; else value and,
 * below 1, a finding in words. scorers.c sets name, class (by scorer.def's threshold) and calls them in the order of scorer.def.
 */
#ifndef DRIFTLINE_ENRICH_SCORER_INTERNAL_H
#define DRIFTLINE_ENRICH_SCORER_INTERNAL_H

#include "engine/enrich/detect.h"
#include "engine/enrich/message_read.h"
#include "engine/enrich/phrase.h"
#include "engine/enrich/scorer.h"
#include "engine/enrich/words.h"

#define FACTS_CALLS_MAX   8u
#define FACTS_KEYS_MAX    48u

/* What kind of content word; a hash has no bits there. */
enum { KEY_WORD, KEY_NAME, KEY_NUMBER, KEY_MASK = 3 };

/* What is remembered of a message by its address; computed from its body once. */
struct message_facts {
    enum message_role role;
    uint64_t detected;      /* detect_any(text, all) */
    uint32_t refusal;       /* phrase_find(text, PHRASE_REFUSAL) */
    uint32_t injection;     /* phrase_find(text, PHRASE_INJECTION) */
    uint32_t call_count;
    uint64_t calls[FACTS_CALLS_MAX];    /* hash64 of name and canonical arguments of the first calls */
    uint32_t word_count;    /* words, repeated ones too */
    struct word_set set;    /* its content words and numbers, each once (words.h) */
    struct word_set pairs;  /* its neighbouring words, function words too; empty for assistants, whom nothing is grounded in */
    uint32_t keys[FACTS_KEYS_MAX]; /* its first content words, each once, with its KEY_... in the lowest two bits */
    uint32_t key_count;
    bool asks_with_context; /* its text announces documents: "Context:", "<documents>" */
};

struct scorer_run {
    struct scorers *scorers;
    const struct scorer_options *options;
    const struct span_view *view;
    struct arena *arena;
    struct span_memo *memo; /* what scorers of one span share; belongs to scorers.c */
};

/* The facts of a message, from the cache or computed. NULL: its body is not at hand and nobody has seen it. Valid until the next call of
 * facts_of. */
const struct message_facts *facts_of(struct scorer_run *run, const struct text_message *m);
/* The output messages read, each once per span (kept in the run's arena by the first caller). */
const struct message_reading *output_reading(struct scorer_run *run, uint32_t index);
/* All text of the output, joined by '\n'; empty when there is none. */
struct slice output_text(struct scorer_run *run);
/* Is the span a model's generation (kind llm) with an output, or a finished one without? */
bool is_generation(const struct span_view *v);
/* Something a scorer keeps between spans (compiled schemas): filled by its first user, destroyed with the scorers. */
struct scorer_slot {
    void *data;
    void (*destroy)(void *data);
};
enum scorer_slot_id { SLOT_SCHEMAS, SLOT_COUNT };
struct scorer_slot *scorer_slot(struct scorer_run *run, enum scorer_slot_id id);
/* The input message the span answers: the index of the newest user message, or input_count. */
uint32_t newest_user_message(struct scorer_run *run);
/* A finding in the arena. */
struct slice finding(struct scorer_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define SCORER(name, version, class, threshold, doc) bool score_##name(struct scorer_run *run, struct score *ret);
#include "engine/enrich/scorer.def"
#undef SCORER

#endif
