/*
 * agreement.h - how well judges agree with people: accuracy, Cohen's kappa, confusion counts.
 *
 * Place:     rows of scores and tags (judge_tables.c reads them) -> [here] -> judge_agreement, judge_confusion
 *
 * A pair is a span that a person and a judge version gave the same score name; the latest word of each counts. Where both gave
 * labels, these are compared as they are. Otherwise both become pass or fail: a value of at least 0.5 is a pass, and so are the labels
 * pass, true, yes, good, correct, ok and none; fail, false, no, bad, incorrect and wrong are fails; for the name error_class
 * every class but none is one. A pair where a side has no meaning in this sense is left out.
 *
 *     accuracy = agreed / pairs                          p_e = sum over labels of (share judge) * (share human)
 *     kappa    = (accuracy - p_e) / (1 - p_e), unknown where p_e = 1        (Cohen 1960)
 *
 * tp, fp, tn, fn count passes as positive (tp: both pass; fp: the judge passes what the person fails) and are unknown
 * where some label is neither a pass nor a fail.
 */
#ifndef DRIFTLINE_AGREEMENT_H
#define DRIFTLINE_AGREEMENT_H

#include "engine/base/memory.h"

struct agreement;
struct agreement *agreement_create(void);
void agreement_destroy(struct agreement *a);

/* What somebody said of a span. value NAN or label "": not given. */
struct opinion {
    struct slice name;
    struct slice span; /* any bytes that name trace and span */
    double value;
    struct slice label;
    int64_t time_ns; /* the later counts, then the one added last */
};
/* All human opinions first: judges' of other spans are not kept. */
void agreement_human(struct agreement *a, const struct opinion *o);
struct judge_version {
    struct slice name, scorer, scorer_version, judge_model;
};
/* version->name is the opinion's. */
void agreement_judge(struct agreement *a, const struct judge_version *version,
                     const struct opinion *o);

struct agreement_cell {
    const struct judge_version *version;
    struct slice judge_label, human_label;
    uint64_t count;
};
struct agreement_line {
    const struct judge_version *version;
    uint64_t pairs, agreed;
    double accuracy;
    double kappa; /* NAN: unknown */
    bool is_binary;
    uint64_t tp, fp, tn, fn; /* when binary */
};
/* Ordered by version, then labels. What the callback gets is its own only during the call. */
void agreement_cells(struct agreement *a,
                     void (*each)(void *context, const struct agreement_cell *c), void *context);
void agreement_lines(struct agreement *a,
                     void (*each)(void *context, const struct agreement_line *l), void *context);

#endif
