/*
 * batch_edit.h - changing a batch on its way in: the columns array is ours, the vectors are replaced, never
 * written through.
 */
#ifndef DRIFTLINE_SPAN_BATCH_EDIT_H
#define DRIFTLINE_SPAN_BATCH_EDIT_H

#include "engine/span/batch.h"

/* The same batch with an array of its own and room for `spare` more columns. Accepts NULL: no rows. */
struct batch batch_edit(const struct batch *b, enum table table, uint32_t spare,
                        struct arena *arena);
/* Replaces the vector of a column or adds the column; the room must be there. */
void batch_put(struct batch *b, const struct column *column, struct vector vector);
/* Keeps rows[0 .. count) only, in that order. */
void batch_pick(struct batch *b, const uint32_t *rows, uint32_t count, struct arena *arena);
/* A copy of a column's payload and validity that may be written; all NULL when the batch lacks it. valid is never NULL
 * (except for STR). Put it back with batch_put. */
struct vector vector_writable(const struct batch *b, const struct column *column,
                              struct arena *arena);

#endif
