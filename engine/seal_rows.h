/*
 * seal_rows.h - the rows of a head as they go into segments: split by hour of event time, clustered, amended.
 */
#ifndef DRIFTLINE_SEAL_ROWS_H
#define DRIFTLINE_SEAL_ROWS_H

#include "engine/scan/source.h"

/* A head with more hours than this puts the sparse ones together. */
#define SPLIT_FILES_MAX  64u
#define SPLIT_DENSE_MAX  48u    /* hours that keep a file of their own then: the fullest */
#define SPLIT_SPARSE_MAX 16u    /* days, else years, else one file for the rest */
#define SPLIT_GROUPS_MAX 16384u /* hours in one file; each takes a block at least */

/* Rows order[first .. first + count) are of one hour. */
struct split_group {
    int64_t hour; /* since 1970, rounded down */
    uint32_t first;
    uint32_t count;
    uint32_t file;
};
struct split {
    uint32_t *order;
    uint32_t group_count;
    struct split_group *groups; /* by file, then hour */
    uint32_t file_count;
};
/* Memory from the arena. rows > 0. */
void split_rows(const int64_t *times, uint32_t rows, struct arena *arena, struct split *ret);

/* Groups of a head's rows, ready for the segment writer. batches[i] belongs to groups[i]; dictionaries are those of the
 * view and the set, which must outlive them. */
struct seal_rows {
    struct split split;
    struct batch *batches;
    void *columns; /* one block for all gathered cells */
};
void seal_rows_make(struct head_view *view, const struct head *head, struct patch_set *patches,
                    enum table table, struct schema *schema, struct arena *arena,
                    struct seal_rows *ret);
void seal_rows_deinit(struct seal_rows *r);

#endif
