/*
 * vec.h - one column of a batch during execution.
 *
 * Invariants: 1. a row without a value still has a harmless payload (0, the empty slice, code 0);
 *             2. a constant vec has one row that stands for all;
 *             3. CODES have no valid bytes of their own: dict_valid says which entries are values
 *                (NULL: all but entry 0).
 */
#ifndef DRIFTLINE_QUERY_VEC_H
#define DRIFTLINE_QUERY_VEC_H

#include "engine/span/vector.h"

enum phys {
    PHYS_I64,   /* INT, TIMESTAMP, INTERVAL, and FLOAT columns stored scaled */
    PHYS_F64,   /* FLOAT */
    PHYS_BOOL,  /* bytes 0 and 1 */
    PHYS_TEXT,  /* slices: TEXT, and MESSAGES as references */
    PHYS_CODES, /* TEXT through a dictionary */
    PHYS_ID64,  /* HEX */
    PHYS_ID128, /* HEX */
};

struct vec {
    enum phys phys;
    bool constant;
    const uint8_t *valid; /* one byte a row; NULL: all rows have a value */
    const struct dict *dict;
    const uint8_t *dict_valid;
    union {
        const int64_t *i64;
        const double *f64;
        const uint8_t *truth;
        const struct slice *text;
        const uint32_t *codes;
        const uint64_t *id64;
        const struct id128 *id128;
        const void *data;
    };
};

/* Memory that is handed out and taken back all at once, batch after batch; it keeps its chunks. */
struct scratch {
    uint8_t **chunks;
    size_t *sizes;
    size_t chunks_capacity;
    size_t sizes_capacity;
    uint32_t chunk_count;
    uint32_t chunk; /* in use */
    size_t used;    /* of it */
    uint64_t bytes; /* of all chunks */
};
struct scratch_mark {
    uint32_t chunk;
    size_t used;
};

void scratch_deinit(struct scratch *s);
void scratch_reset(struct scratch *s);
/* 64-byte aligned, not zeroed. */
void *scratch_alloc(struct scratch *s, size_t size);
struct scratch_mark scratch_mark(const struct scratch *s);
/* Takes back what was handed out since. */
void scratch_release(struct scratch *s, struct scratch_mark mark);
#define SCRATCH_ARRAY(s, type, count) ((type *)scratch_alloc((s), (size_t)(count) * sizeof(type)))

/* Bytes a row takes. */
size_t phys_width(enum phys phys);

static inline bool vec_has(const struct vec *v, uint32_t row)
{
    if (v->constant)
        row = 0;
    if (v->phys == PHYS_CODES)
        return v->dict_valid != NULL ? v->dict_valid[v->codes[row]] != 0 : v->codes[row] != 0;
    return v->valid == NULL || v->valid[row] != 0;
}

/* The bytes of a TEXT or CODES row. */
static inline struct slice vec_text(const struct vec *v, uint32_t row)
{
    if (v->constant)
        row = 0;
    return v->phys == PHYS_CODES ? v->dict->values[v->codes[row]] : v->text[row];
}

/* True when no row has a value and the vec is constant. */
static inline bool vec_is_null_constant(const struct vec *v)
{
    return v->constant && !vec_has(v, 0);
}

/* A stored column as the executor sees it; I64 columns of type BOOL become bytes. */
void vec_from_vector(const struct vector *from, enum phys want, uint32_t rows,
                     struct scratch *scratch, struct vec *ret);
/* All rows written out: a constant is repeated. */
void vec_expand(struct vec *v, uint32_t rows, struct scratch *scratch);
/* CODES to TEXT with valid bytes. */
void vec_decode(struct vec *v, uint32_t rows, struct scratch *scratch);
/* ret[i] = v[rows[i]]; constants stay as they are. */
void vec_gather(const struct vec *v, const uint32_t *rows, uint32_t count, struct scratch *scratch,
                struct vec *ret);
/* mask &= truth, bytes 0 or 1; returns how many are left. */
uint32_t mask_and(uint8_t *mask, const uint8_t *truth, uint32_t rows);
/* Indexes of the rows whose byte is 1; picked has a place more than rows. Returns how many. */
uint32_t mask_pick(const uint8_t *mask, uint32_t rows, uint32_t *picked);
/* to[i] = from[order[i]], values of `width` bytes. */
void copy_picked(size_t width, const void *from, const uint32_t *order, uint64_t count, void *to);
/* Rows first .. of v (valid bytes and payload move along); constants stay as they are. */
struct vec vec_slice(const struct vec *v, uint64_t first);
/* Valid bytes of a vec, written out; NULL when every row has a value. */
const uint8_t *vec_valid_bytes(const struct vec *v, uint32_t rows, struct scratch *scratch);

#endif
