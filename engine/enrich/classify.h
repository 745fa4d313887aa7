/*
 * classify.h - which error classes the facts of a span (status, codes, exception, finish reason) speak for.
 *
 * Data:     class_rule.def: field, how, pattern, class.
 * Threads:  any; no state.
 */
#ifndef DRIFTLINE_ENRICH_CLASSIFY_H
#define DRIFTLINE_ENRICH_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/slice.h"

/* Names a column's value or is empty; http_status: -1 unknown. */
struct class_facts {
    struct slice kind;
    struct slice status;
    struct slice finish_reason;
    struct slice error_type;
    struct slice error_message;
    int64_t http_status;
};

#define CLASSIFY_CLASSES_MAX 12u

struct class_candidates {
    const char *names[CLASSIFY_CLASSES_MAX]; /* each once, names of class.def */
    uint32_t count;
};

/* Did the call fail? Status error, an HTTP status from 400 up, a finish reason of error, an error type, or a message that
 * no status "ok" contradicts. */
bool class_facts_failed(const struct class_facts *f);
/* All classes that fit. A failure always has one: tool_error for a tool, other for the rest, beside what else fits. */
void classify(const struct class_facts *f, struct class_candidates *ret);
/* Changes when the rules do; part of scorer_version. */
uint64_t class_rules_hash(void);

#endif
