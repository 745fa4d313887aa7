/*
 * score_grounding.h - what message facts need to know about given context.
 */
#ifndef DRIFTLINE_ENRICH_SCORE_GROUNDING_H
#define DRIFTLINE_ENRICH_SCORE_GROUNDING_H

#include "engine/base/slice.h"

/* Does a prompt announce documents: "Context:", "<documents>", "Search results:", ...? Of a text only the words in front
 * of a colon or in angle brackets at the start of a line count. */
bool announces_context(struct slice text);

#endif
