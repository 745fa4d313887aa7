/*
 * compact.h - what to merge and what to drop: pure decisions, and the merge itself.
 *
 * Tiers:     seal files of one hour -> one hour file -> hour files of one day -> one day file (24
 *            groups). Write amplification at most 4 (WAL, seal, hour, day). Heavily patched
 *            segments are rewritten in place (fold).
 * Pure:      compact_pick and retain_pick look at plain numbers only, so that tests can enumerate
 *            them.
 */
#ifndef DRIFTLINE_COMPACT_H
#define DRIFTLINE_COMPACT_H

#include "engine/manifest/manifest.h"
#include "engine/patch/patch.h"
#include "engine/segment/segment.h"

/* One merge: inputs (indexes into the array given), output tier. */
struct compact_job {
    uint32_t inputs[64];
    uint32_t input_count;
    enum segment_tier tier;
    bool fold; /* one input, rewritten only to fold its patches */
};
struct compact_candidate {
    const struct manifest_segment *segment;
    uint32_t patches; /* amendments waiting on it */
    bool busy;        /* in another job */
};
struct compact_policy {
    int64_t now_ns;
    /* Files of one hour worth a merge. 0: 4 once the hour is over, 32 (or the rows of a whole
     * output) while it runs, so that its rows are merged once and not again and again. */
    uint32_t seal_files_min;
    /* 0: 10 min; this long after its end an hour's files are merged whatever their number. */
    int64_t hour_quiet_ns;
    int64_t day_quiet_ns;     /* 0: 2 h after its end a day's hour files are merged */
    double patched_share_max; /* 0: 0.05; fold when more of its rows are amended */
    bool full;                /* merge everything that can be merged, fold everything patched */
};
/* The best job of one (project, table), or false. Never plans more than SEGMENT_ROWS_MAX rows. */
bool compact_pick(const struct compact_candidate *c, uint32_t count,
                  const struct compact_policy *policy, struct compact_job *ret);

struct retain_policy {
    int64_t now_ns;
    int64_t age_ns;     /* 0: none */
    uint64_t bytes_max; /* 0: none */
    /* The wall clock is not believed blindly: unless this is set, "now" is at most a day past the
     * newest plausible data. */
    bool confirmed;
};
/* Marks drop[i] for segments that leave whole; returns how many. By age: those older than age_ns.
 * By size: the oldest until the rest fits; the newest one always stays. A segment with absurd
 * times (before 2015, or more than a day ahead of now) decides for no other: it leaves with those
 * committed around it. */
uint32_t retain_pick(const struct manifest_segment *const *s, uint32_t count,
                     const struct retain_policy *policy, bool *drop);

/* What a merge reads: sources with their amendments. */
struct merge_input {
    struct segment *segment;
    struct patch_set *patches; /* may be NULL */
};
/* Merges inputs of one table into one file: hour group by hour group, clustered, duplicates (same
 * trace_id and span_id; the row committed first stays) dropped, patches with seq <= fold_seq
 * applied. wait() is called between blocks for throttling and cancelling (false: stop,
 * STATUS_CANCELLED). */
MUST_CHECK enum status merge_segments(struct io *io, struct schema *schema, enum table table,
                                      const struct merge_input *inputs, uint32_t count,
                                      const char *path, enum segment_tier tier, uint64_t fold_seq,
                                      bool (*wait)(void *context, uint64_t bytes), void *context,
                                      struct segment_meta *ret_meta, struct error *reterr);

/* Changes of cells while a segment is written anew. */
#define MERGE_EDIT_COLUMNS_MAX 64u
struct merge_edit {
    const struct column *const *read;
    uint32_t read_count;
    int64_t from_ns, until_ns; /* only blocks with rows in [from, until) are asked; 0, 0: all */
    /* See struct rewrite of engine.h. ret_columns: whole vectors of `rows` rows that stand in for
     * what is there; room for MERGE_EDIT_COLUMNS_MAX. */
    enum status (*edit)(void *context, uint32_t rows, const struct vector *vectors,
                        struct arena *arena, struct batch_column *ret_columns, uint32_t *ret_count,
                        uint64_t *ret_changed, struct error *reterr);
    void *context;
    uint64_t rows, changed; /* grow: rows asked about that lie in the range; rows changed */
};
/* Which columns may not change: what orders and identifies rows. */
bool merge_edit_is_fixed(enum table table, const struct column *column);
/* Writes the segment anew as a merge of one input, in the same tier, with the edit's cells in place
 * of its own. Every block in range is asked once, in order. STATUS_END: nothing was to change, and
 * no file was written. */
MUST_CHECK enum status merge_edited(struct io *io, const struct merge_input *input,
                                    const char *path, uint64_t fold_seq, struct merge_edit *edit,
                                    bool (*wait)(void *context, uint64_t bytes), void *context,
                                    struct segment_meta *ret_meta, struct error *reterr);

#endif
