/*
 * patch_set.h - a set of patches: sorted runs from the oldest to the newest, and dictionaries.
 *
 * Invariant: a run is at least twice as long as the next newer one, or the two would be too long to
 *            merge in one go (the writer waits for it). So there are about log2(count) of them, a
 *            few more in very large sets, and adding one amendment copies log2(count) on average.
 */
#ifndef DRIFTLINE_PATCH_SET_H
#define DRIFTLINE_PATCH_SET_H

#include "engine/base/thread.h"
#include "engine/patch/patch_run.h"

#define PATCH_RUNS_MAX 40u
/* Amendments of a merge made while extending: some milliseconds. Doubled every PATCH_RUNS_DOUBLING
 * runs, so that PATCH_RUNS_MAX of them suffice for 32 million. */
#define PATCH_MERGE_MAX     (128u << 10)
#define PATCH_RUNS_DOUBLING 8u

/* How a set extends one dictionary of one column. */
struct patch_dict {
    struct patch_dict *next;
    const struct column *column;
    /* What it extends, by content: views come and go, the arrays of values stay. */
    const struct slice *base_values;
    uint32_t base_count;
    struct dict dict;
    uint32_t *codes[PATCH_RUNS_MAX]; /* by run: code of the run's strings -> code here */
};

struct patch_set {
    _Atomic uint32_t refs;
    uint32_t count; /* distinct cells */
    uint32_t run_count;
    struct patch_run *runs[PATCH_RUNS_MAX];
    struct mutex lock; /* of dicts */
    struct patch_dict *dicts;
};

const struct patch_dict *patch_set_dict_get(struct patch_set *s, const struct column *column,
                                            const struct dict *base);
void patch_set_dicts_destroy(struct patch_set *s);

#endif
