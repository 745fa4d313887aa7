/*
 * phrase.h - phrases that give an answer or a request away: refusals, jailbreaks and injections.
 *
 * Data:     phrase.def: set, phrase, source. Matched on words without case, punctuation and repeated white space.
 */
#ifndef DRIFTLINE_ENRICH_PHRASE_H
#define DRIFTLINE_ENRICH_PHRASE_H

#include "engine/base/slice.h"

enum phrase_set { PHRASE_REFUSAL, PHRASE_INJECTION };

/* The number of the first phrase of the set found in text, from 1; 0: none. A refusal counts only near the start of the text. */
uint32_t phrase_find(struct slice text, enum phrase_set set);
/* The same; *ret_words are the words of the text that fit. */
uint32_t phrase_locate(struct slice text, enum phrase_set set, struct slice *ret_words);
/* The phrase of a number. */
const char *phrase_text(uint32_t number);

#endif
