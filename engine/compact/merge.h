/*
 * merge.h - a merge and the hour of it that is in memory, shared by merge.c, merge_column.c and
 * merge_edit.c.
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

/* Cells that stand in for those of a piece: vectors of its picked rows. */
struct merge_overlay {
    struct batch_column *columns;
    uint32_t column_count;
    struct arena arena; /* what the vectors borrow */
};

struct merge_group {
    int64_t hour;
    struct merge_piece *pieces;
    size_t pieces_capacity;
    uint32_t piece_count;
    uint32_t rows;
    const struct merge_overlay *overlays; /* one a piece; NULL: no cell is replaced */
};

struct merger {
    enum table table;
    struct merge_source *sources;
    uint32_t source_count;
    const struct column **columns; /* of any input, amendment or overlay */
    size_t columns_capacity;
    uint32_t column_count;
    int64_t *hours; /* ascending, each once */
    size_t hours_capacity;
    uint32_t hour_count;
    struct intern **strings; /* one a column, reused from hour to hour */
    size_t strings_capacity;
    struct batch_column *batch_columns; /* room for all columns */
    size_t batch_columns_capacity;
    struct segment_writer *writer;
    bool (*wait)(void *context, uint64_t bytes);
    void *context;
};

/* ---- merge.c ---- */

/* Finds the columns and hours of the inputs. merger_end is due also when it fails. */
MUST_CHECK enum status merger_begin(struct merger *m, const struct merge_input *inputs,
                                    uint32_t count, uint64_t fold_seq, struct error *reterr);
void merger_end(struct merger *m);
/* The column will be part of the output. */
void merger_column_add(struct merger *m, const struct column *column);
/* Opens the output. */
MUST_CHECK enum status merger_open(struct merger *m, struct io *io, const char *path,
                                   enum segment_tier tier, uint64_t fold_seq, struct error *reterr);
/* The pieces of the group's hour; picks live in the arena. */
MUST_CHECK enum status merger_group_find(struct merger *m, struct merge_group *g,
                                         struct arena *arena, struct error *reterr);
/* Puts the group in order and writes it. */
MUST_CHECK enum status merger_group_write(struct merger *m, struct merge_group *g,
                                          struct error *reterr);

/* ---- merge_column.c ---- */

/* A block of a column as it stands, amended. False in *ret_any: the input does not have the column. */
MUST_CHECK enum status merge_block_read(const struct merge_source *source, uint32_t block,
                                        const struct column *column, struct arena *arena,
                                        struct vector *ret, bool *ret_any, struct error *reterr);

/* The rows of one column of the group, piece after piece, amended. Everything it needs is in the
 * arena. strings is the caller's scratch and holds the dictionary. False in *ret_any: no input has
 * the column. */
MUST_CHECK enum status merge_column_read(const struct merge_source *sources,
                                         const struct merge_group *group,
                                         const struct column *column, struct intern *strings,
                                         struct arena *arena, struct vector *ret, bool *ret_any,
                                         struct error *reterr);

#endif
