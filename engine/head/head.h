/*
 * head.h - the newest rows of one table of one project, in memory, readable at once.
 *
 * Place:     engine (commits) -> [here] -> scan, seal
 * Shape:     chunks of BLOCK_ROWS rows, column arrays that never move; one append-only dictionary a STR column.
 * Invariant: rows below the published count never change. Readers take a watermark, never a lock.
 * Threads:   one writer appends and publishes; any number of readers hold views.
 */
#ifndef DRIFTLINE_HEAD_H
#define DRIFTLINE_HEAD_H

#include "engine/span/batch.h"

struct head;

struct head *head_create(enum table table, struct schema *schema);
/* No views may be left. */
void head_destroy(struct head *h);
/* Copies the rows of b picked by rows[] (NULL: all, in order). Not visible before head_publish. */
void head_append(struct head *h, const struct batch *b, const uint32_t *rows, uint32_t count);
/* Overwrites one cell of a row that is appended but not yet published (engine-filled columns). */
void head_set_i64(struct head *h, uint64_t row, uint16_t column_id, int64_t value);
/* Everything appended so far becomes visible to views made from now on... up to `rows`. */
void head_publish(struct head *h, uint64_t rows);
uint64_t head_rows(const struct head *h);      /* appended */
uint64_t head_published(const struct head *h); /* visible */
uint64_t head_bytes(const struct head *h);
/* Times and seqs of the published rows; false when there are none. */
bool head_bounds(const struct head *h, int64_t *ret_time_min_ns, int64_t *ret_time_max_ns,
                 uint64_t *ret_seq_min, uint64_t *ret_seq_max);

/* Row of (trace_id, span_id) or -1 (spans only). Writer thread only: it sees unpublished rows too. */
int64_t head_find(const struct head *h, struct id128 trace_id, uint64_t span_id);
/* The same for many spans at once, several times as fast: ret_rows[i] is for (traces[i], spans[i]). */
void head_find_many(const struct head *h, const struct id128 *traces, const uint64_t *spans,
                    uint32_t count, int64_t *ret_rows);
/* Does the batch's row say the same as the head's? seq is never compared; turn, error_class and class_source are not when the
 * batch leaves them NULL (the engine fills them). Writer thread. */
bool head_row_equal(const struct head *h, uint64_t row, const struct batch *b, uint32_t batch_row);

/* One cell of an appended row, published or not: an int64_t, double, uint64_t, struct id128 or struct slice (STR, TEXT, REFS) by
 * the column's storage; NULL when it has no value. Writer thread; valid until the next append. */
const void *head_cell(const struct head *h, uint64_t row, uint16_t column_id);
/* False: all rows so far are NULL. Any thread. */
bool head_has(const struct head *h, uint16_t column_id);

/* What readers use: watermark = head_published at the time of their snapshot. Chunk c holds rows
 * [c * BLOCK_ROWS, min((c + 1) * BLOCK_ROWS, watermark)). */
uint32_t head_chunk_count(uint64_t watermark);
/* The column's rows of one chunk. The arrays belong to the head. dict holds at least the codes in use and stays valid (same pointer for the
 * same view) until the view's dicts are released: the caller passes a struct head_view. */
struct head_view;
struct head_view *head_view_create(const struct head *h, uint64_t watermark);
void head_view_destroy(struct head_view *v);
uint64_t head_view_rows(const struct head_view *v);
/* Thread-safe on one view. A column nobody wrote is all NULL (memory from the arena). */
void head_view_read(struct head_view *v, const struct column *column, uint32_t chunk,
                    struct arena *arena, struct vector *ret);
/* Bounds of the times in a chunk; they may be wider than the view's rows, never narrower. */
void head_view_chunk_time(const struct head_view *v, uint32_t chunk, int64_t *ret_min_ns,
                          int64_t *ret_max_ns);
/* Is a span or trace in the view? Rows of a trace, ascending, at most max. */
uint32_t head_view_find_trace(const struct head_view *v, struct id128 trace_id, uint64_t *rows,
                              uint32_t max);

#endif
