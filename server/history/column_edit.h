/*
 * column_edit.h - a copy of one column of a block of rows that takes new cells.
 *
 * Lifetime: everything lives in the arena given at the beginning; dictionary values the old vector had are borrowed from it.
 */
#ifndef DRIFTLINE_HISTORY_COLUMN_EDIT_H
#define DRIFTLINE_HISTORY_COLUMN_EDIT_H

#include "engine/span/batch.h"

struct column_edit {
    const struct column *column; /* NULL: not begun */
    struct arena *arena;
    struct vector vector;
    struct slice *values; /* STR: of the dictionary being made */
    size_t values_capacity;
    uint32_t value_count;
    uint32_t old_count; /* of them stood in the old dictionary */
    uint32_t last;      /* STR: the code given last, tried first */
};

/* old: what stands there, or NULL for a column of NULLs. */
void column_edit_begin(struct column_edit *e, const struct column *column, const struct vector *old,
                       uint32_t rows, struct arena *arena);
/* The storage must fit the column. Bytes are copied. */
void column_edit_i64(struct column_edit *e, uint32_t row, int64_t value);
void column_edit_f64(struct column_edit *e, uint32_t row, double value);
void column_edit_bytes(struct column_edit *e, uint32_t row,
                       struct slice value); /* STR, TEXT, REFS */
void column_edit_null(struct column_edit *e, uint32_t row);
/* One cell of a vector of the same storage. */
void column_edit_cell(struct column_edit *e, uint32_t row, const struct vector *from,
                      uint32_t from_row);
/* What to hand back. */
struct batch_column column_edit_end(struct column_edit *e);

#endif
