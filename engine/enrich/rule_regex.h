/*
 * rule_regex.h - regular expressions (PCRE2) that can't cost more than their limits: what rules and JSON Schema patterns share.
 */
#ifndef DRIFTLINE_ENRICH_RULE_REGEX_H
#define DRIFTLINE_ENRICH_RULE_REGEX_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#define REGEX_PATTERN_BYTES_MAX 4096u

enum regex_result {
    REGEX_NO,
    REGEX_YES,
    REGEX_GAVE_UP /* a limit was met */
};

struct regex_options {
    bool ecma;            /* as JSON Schema has it (ECMA-262): $ is the very end, \uXXXX */
    bool fast;            /* compile for speed (JIT): for expressions that live long */
    uint32_t match_limit; /* steps */
};

struct regex;
/* STATUS_INVALID with the position in the pattern. */
MUST_CHECK enum status regex_create(struct slice pattern, const struct regex_options *options,
                                    struct regex **ret, struct error *reterr);
void regex_destroy(struct regex *r);
/* Does it match anywhere in text? Any thread. */
enum regex_result regex_match(const struct regex *r, struct slice text);

#endif
