/*
 * vector.h - one column of some rows in memory: what batches hold, heads keep and scans return.
 *
 * Nothing here owns its memory; whoever hands a vector out says how long it lives.
 */
#ifndef DRIFTLINE_SPAN_VECTOR_H
#define DRIFTLINE_SPAN_VECTOR_H

#include "engine/base/id.h"
#include "engine/base/memory.h"
#include "engine/span/schema.h"

/* A dictionary: values[0] stands for NULL, real values start at 1. Two vectors with the same dict
 * pointer (within one scan) share codes. */
struct dict {
    const struct slice *values;
    uint32_t count; /* NULL included */
};

/* By storage: I64 -> i64; F64 -> f64; STR -> codes + dict; TEXT, REFS -> bytes; ID64 -> id64;
 * ID128 -> id128. */
struct vector {
    enum storage storage;
    uint32_t rows;
    /* One byte a row, 1 = has a value; NULL pointer: all rows have one. Always NULL for STR, where code
     * 0 says it. The payload of a row without a value is 0 (or the empty slice). */
    const uint8_t *valid;
    const struct dict *dict; /* STR only */
    union {
        const int64_t *i64;
        const double *f64;
        const uint32_t *codes;
        const struct slice *bytes;
        const uint64_t *id64;
        const struct id128 *id128;
    };
};

/* Bytes a row of the payload array takes. */
size_t storage_width(enum storage storage);
bool vector_has(const struct vector *v, uint32_t row);
/* The bytes of a STR, TEXT or REFS row; empty when NULL. */
struct slice vector_bytes(const struct vector *v, uint32_t row);
/* All-NULL rows of a storage, memory from the arena. */
struct vector vector_null(enum storage storage, uint32_t rows, struct arena *arena);
/* rows[] picks and orders: out[i] = v[rows[i]]. */
struct vector vector_gather(const struct vector *v, const uint32_t *rows, uint32_t count, struct arena *arena);

#endif
