/*
 * batch.h - the span batch: rows of one table of one project on their way through the system.
 *
 * Columns may be missing (all NULL) and stand in any order, each at most once. What a batch borrows
 * must outlive it.
 */
#ifndef DRIFTLINE_SPAN_BATCH_H
#define DRIFTLINE_SPAN_BATCH_H

#include "engine/span/vector.h"

struct batch_column {
    const struct column *column;
    struct vector vector;
};

struct batch {
    enum table table;
    uint32_t rows;
    uint32_t column_count;
    struct batch_column *columns;
};

const struct vector *batch_vector(const struct batch *b, uint16_t column_id);

/* One message body, addressed by hash128(body) (FORMAT.md 2.3). */
struct message {
    struct id128 address;
    struct slice body;
};

/*
 * The self-contained encoding of a batch (FORMAT.md 3): used in the WAL and by files of batches.
 * Column blocks with batch-local dictionaries; STR codes are rewritten to the values in use.
 */
void batch_encode(const struct batch *b, struct buffer *to);
/* Never less than what batch_encode appends: check it against the limit of the container first. */
uint64_t batch_encoded_bytes_max(const struct batch *b);
/* Decoded vectors point into bytes where they can, else into the arena; both must outlive the batch.
 * Score names are added to the schema. STATUS_CORRUPT or STATUS_LIMIT name the column and offset; STATUS_INVALID:
 * a column id this version does not know. schema may be NULL where there are no score columns. */
MUST_CHECK enum status batch_decode(struct slice bytes, struct schema *schema, struct arena *arena,
                                    struct batch *ret_batch, struct error *reterr);

/*
 * Builds a batch row by row: what importers, clients and tests use.
 *
 *     builder_begin(&b, TABLE_SPANS, schema);
 *     builder_row(&b);
 *     builder_i64(&b, SPANS_time, t);
 *     builder_str(&b, SPANS_model, slice_text("gpt-4o"));
 *     ...
 *     struct batch batch = builder_batch(&b);   valid until the builder changes in any way
 */
struct builder_column;
struct builder {
    enum table table;
    struct schema *schema;
    struct arena arena;
    struct builder_column **columns;
    size_t columns_capacity;
    uint32_t column_count;
    uint32_t rows;
    struct batch_column *out;
};

void builder_init(struct builder *b, enum table table, struct schema *schema);
void builder_deinit(struct builder *b);
void builder_reset(struct builder *b);
/* Starts the next row, all columns NULL. At most BATCH_ROWS_MAX (ASSERT). */
void builder_row(struct builder *b);
/* Set a cell of the row begun last; the storage must fit the column, and bytes meet
 * STR_BYTES_MAX or TEXT_BYTES_MAX (ASSERT). Bytes are copied. */
void builder_i64(struct builder *b, uint16_t column_id, int64_t value);
void builder_f64(struct builder *b, uint16_t column_id, double value);
void builder_str(struct builder *b, uint16_t column_id, struct slice value); /* STR, TEXT and REFS */
void builder_id64(struct builder *b, uint16_t column_id, uint64_t value);
void builder_id128(struct builder *b, uint16_t column_id, struct id128 value);
struct batch builder_batch(struct builder *b);

#endif
