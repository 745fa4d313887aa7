/*
 * patch_run.h - amendments of one source, sorted by column and row: what sets of patches share.
 *
 * Invariants: 1. groups are by ascending column id; rows of a group ascend, each once.
 *             2. immutable once made, but for the count of its references.
 */
#ifndef DRIFTLINE_PATCH_RUN_H
#define DRIFTLINE_PATCH_RUN_H

#include <stdatomic.h>

#include "engine/base/intern.h"
#include "engine/patch/patch.h"

struct patch_group {
    const struct column *column;
    uint32_t first; /* in the arrays of the run */
    uint32_t count;
};

struct patch_run {
    _Atomic uint32_t refs;
    uint32_t count;
    uint32_t group_count;
    struct patch_group *groups;
    uint32_t *rows;
    uint64_t *seqs;
    uint64_t *values; /* bits of an F64 or I64; for STR a code of strings */
    struct id128 *traces;
    uint64_t *spans;
    bool has_strings; /* strings is initialised */
    struct intern strings;
};

struct patch_run *patch_run_create(const struct patch_row *rows, uint32_t count);
/* Both stay as they are. For the same cell the later seq wins, then newer. */
struct patch_run *patch_run_merge(const struct patch_run *older, const struct patch_run *newer);
void patch_run_ref(struct patch_run *r);
void patch_run_unref(struct patch_run *r);
/* The column's group or NULL. */
const struct patch_group *patch_run_group(const struct patch_run *r, const struct column *column);
/* Index of the group's first row >= row; may be the group's end. */
uint32_t patch_run_lower(const struct patch_run *r, const struct patch_group *g, uint64_t row);
/* Entry i, of group g, as an amendment. Its bytes belong to the run. */
struct amendment patch_run_amendment(const struct patch_run *r, const struct patch_group *g,
                                     uint32_t i);

#endif
