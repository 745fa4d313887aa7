/*
 * fill.h - rows of text to column arrays: the fast way into a batch for importers.
 *
 * Place:     csv, ndjson -> [here] -> struct batch -> native client
 * Invariant: whatever a fast path takes it takes as cell_parse would; everything else goes to
 *            cell_parse itself, which also words the errors.
 * Use:       set cells of the row f->rows, then fill_row_end. A row that is not ended is overwritten
 *            by the next one.
 */
#ifndef DRIFTLINE_TOOLS_FILL_H
#define DRIFTLINE_TOOLS_FILL_H

#include "engine/base/limits.h"
#include "engine/span/cell.h"

#define FILL_COLUMNS_MAX  (128u + SCORE_COLUMNS_MAX)
#define FILL_REQUIRED_MAX 3u

/* How the text of a column is read. */
enum fill_kind {
    FILL_SKIP, /* a field that is there but not stored */
    FILL_NUMBER,
    FILL_TIME,
    FILL_FLOAT,
    FILL_BOOL,
    FILL_STRING,
    FILL_TEXT,
    FILL_REFS,
    FILL_SPAN_ID,
    FILL_TRACE_ID,
};

/* A short string and its code: the bytes are the key, so no hash collision can lie. */
struct fill_cached {
    uint64_t low, high;
    uint32_t size;
    uint32_t code; /* 0: free */
};

struct fill_column {
    struct cell_target target;
    enum fill_kind kind;
    uint8_t *valid; /* not for STR */
    union {
        void *payload;
        int64_t *i64;
        double *f64;
        uint32_t *codes;
        struct slice *bytes;
        uint64_t *id64;
        struct id128 *id128;
    };
    struct intern strings; /* STR */
    struct fill_cached *cache;
    uint32_t cache_mask; /* entries - 1, a power of two less one */
    struct dict dict;
    uint8_t last_hex[ID128_HEX_BYTES]; /* text of the trace id before; a zero means none */
    struct id128 last_id;
};

struct fill {
    enum table table;
    struct schema *schema;
    uint32_t rows; /* complete ones */
    uint32_t rows_max;
    struct fill_column **columns;
    size_t columns_capacity;
    uint32_t column_count;
    struct fill_column *required[FILL_REQUIRED_MAX];
    struct arena arena;     /* TEXT and REFS of the rows so far */
    size_t bytes;           /* of them */
    struct builder scratch; /* where cell_parse puts what the fast paths leave */
    struct batch_column *out;
};

void fill_init(struct fill *f, enum table table, struct schema *schema, uint32_t rows_max);
void fill_deinit(struct fill *f);
/* Forgets the rows. Dictionaries stay until they are large: the next batch has much the same strings. */
void fill_reset(struct fill *f);
/* The index of a column for fields of this target; rows so far are NULL. A column that the store fills itself
 * (seq) is skipped. STATUS_LIMIT: too many columns. */
MUST_CHECK enum status fill_column_add(struct fill *f, const struct cell_target *target,
                                       uint32_t *ret_index, struct error *reterr);

/* All cells of the current row NULL. */
void fill_row_nulls(struct fill *f);
/* A row stands: the cells were set one by one, all of them. */
void fill_row_end(struct fill *f);
/* NULL when the current row may be ended; else the column that has no value or a zero. */
const char *fill_row_lacks(const struct fill *f);
/* NULL, or the name of a column that every row needs and that was not added. */
const char *fill_lacks(const struct fill *f);
/* Valid until the fill changes. */
struct batch fill_batch(struct fill *f);

/* Cells of the current row. fill_text takes any text as cell_parse does; REFS take raw addresses by fill_refs. */
void fill_null(struct fill *f, struct fill_column *c);
MUST_CHECK enum status fill_text(struct fill *f, struct fill_column *c, struct slice text,
                                 struct error *reterr);
/* The empty string, which fill_text takes for NULL. STR and TEXT only. */
void fill_empty(struct fill *f, struct fill_column *c);
void fill_refs(struct fill *f, struct fill_column *c, struct slice addresses);
void fill_i64(struct fill *f, struct fill_column *c, int64_t value);

/*
 * Fast paths over text that ends in the window and is followed by INPUT_PADDING readable bytes. They return where the
 * value ends, or NULL: not a case for them, nothing was set.
 */
const uint8_t *fill_number_fast(struct fill_column *c, uint32_t row, const uint8_t *at);
const uint8_t *fill_float_fast(struct fill_column *c, uint32_t row, const uint8_t *at);
const uint8_t *fill_span_id_fast(struct fill_column *c, uint32_t row, const uint8_t *at);
const uint8_t *fill_trace_id_fast(struct fill_column *c, uint32_t row, const uint8_t *at);
/* size <= STR_BYTES_MAX; 16 bytes from at are readable. */
void fill_string_fast(struct fill_column *c, uint32_t row, const uint8_t *at, size_t size);

#endif
