/*
 * merge.h - one hour of a merge in memory, shared by merge.c and merge_column.c.
 */
#ifndef DRIFTLINE_MERGE_H
#define DRIFTLINE_MERGE_H

#include "engine/base/intern.h"
#include "engine/compact/compact.h"

/* A stretch of rows of one block of one input, that go to the group at hand. */
struct merge_piece {
    uint32_t input;
    uint32_t block;
    uint32_t rows;        /* picked */
    const uint32_t *pick; /* which of the block's rows, ascending; NULL: all */
};

struct merge_source {
    struct segment *segment;
    struct patch_set *patches; /* those up to fold_seq; own reference */
    uint64_t block_bytes;      /* of the file, a block's share */
};

struct merge_group {
    int64_t hour;
    struct merge_piece *pieces;
    size_t pieces_capacity;
    uint32_t piece_count;
    uint32_t rows;
};

/* The rows of one column of the group, piece after piece, amended. Everything it needs is in the
 * arena. strings is the caller's scratch and holds the dictionary. False in *ret_any: no input has
 * the column. */
MUST_CHECK enum status merge_column_read(const struct merge_source *sources,
                                         const struct merge_group *group,
                                         const struct column *column, struct intern *strings,
                                         struct arena *arena, struct vector *ret, bool *ret_any,
                                         struct error *reterr);

#endif
