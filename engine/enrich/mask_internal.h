/*
 * mask_internal.h - what mask.c (rules) and mask_text.c (replacing) share.
 */
#ifndef DRIFTLINE_ENRICH_MASK_INTERNAL_H
#define DRIFTLINE_ENRICH_MASK_INTERNAL_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/enrich/mask.h"

struct mask_entry {
    struct slice name;
    struct slice project;
    struct slice replacement;
    uint64_t detectors; /* bits; 0: a pattern */
    pcre2_code *code;
};

/* Immutable once created, so any number of threads may use it. */
struct masker {
    struct arena arena;
    struct mask_entry entries[MASK_RULES_MAX];
    uint32_t count;
    pcre2_general_context *general;
    pcre2_match_context *match;
};

/* Does rule i apply to the project? */
static inline bool mask_entry_applies(const struct mask_entry *e, struct slice project)
{
    return e->project.size == 0 || slice_equal(e->project, project);
}

#endif
