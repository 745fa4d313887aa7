/*
 * mask.h - replaces what must not be stored, before anything is written.
 *
 * Where:    message bodies, tool_args, tool_result, error_message, attributes, retrieved. Replacements keep JSON well-formed: they
 *           contain no quotes or backslashes.
 * JSON:     in a JSON text every string, key and whole number is looked at by itself, without its escapes, and so is JSON inside a
 *           JSON string: "bob\u0040example.com" is an address, and no pattern can cut a quote out. Any other text is looked at
 *           as it is.
 * Order:    rules apply in their order, each to what the ones before left.
 */
#ifndef DRIFTLINE_ENRICH_MASK_H
#define DRIFTLINE_ENRICH_MASK_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

#define MASK_RULES_MAX 64u

struct mask_rule {
    struct slice name;        /* counts are kept under it */
    struct slice project;     /* empty: every project */
    struct slice detector;    /* "pii", "pii.email", "secret", ... (detector.def); or empty with a pattern */
    struct slice pattern;     /* PCRE2 */
    struct slice replacement; /* "[email]"; empty: "[NAME]" */
};

struct masker;
/* Compiles; copies. STATUS_INVALID names rule and position. */
MUST_CHECK enum status masker_create(const struct mask_rule *rules, uint32_t count, struct masker **ret, struct error *reterr);
void masker_destroy(struct masker *m);
uint32_t masker_count(const struct masker *m);
struct slice masker_rule_name(const struct masker *m, uint32_t index);
/* Does any rule apply to the project? m may be NULL. */
bool masker_applies(const struct masker *m, struct slice project);
/* The text with all matches replaced (in the arena), or the same slice when there is nothing to mask. counts[i] += replacements of rule
 * i (count of masker_create). A pattern that runs into its match limit masks the whole text and says so in the count. Any thread. */
struct slice mask_text(const struct masker *m, struct slice project, struct slice text, struct arena *arena, uint64_t *counts);

#endif
