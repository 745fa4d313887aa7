/*
 * batch_checks.h - what every batch must keep to, and whether two batches say the same. Shared by
 * the codec's tests and its fuzz target; a broken promise traps.
 */
#ifndef DRIFTLINE_TESTS_BATCH_CHECKS_H
#define DRIFTLINE_TESTS_BATCH_CHECKS_H

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/span/batch.h"

static inline bool bytes_are_zero(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++)
        any |= at[i];
    return any == 0;
}

/* Reads every byte, so that a sanitizer sees what lies outside. */
static inline void bytes_touch(struct slice bytes)
{
    uint8_t any = 0;
    ASSERT(bytes.data != NULL);
    for (size_t i = 0; i < bytes.size; i++)
        any ^= bytes.data[i];
    __asm__ volatile("" : : "r"(any)); /* keeps the reads */
}

static inline void dict_check(const struct dict *dict)
{
    ASSERT(dict != NULL && dict->count >= 1);
    ASSERT(dict->values[0].size == 0);
    for (uint32_t code = 0; code < dict->count; code++) {
        ASSERT(dict->values[code].size <= STR_BYTES_MAX);
        bytes_touch(dict->values[code]);
    }
}

static inline void vector_check(const struct vector *v)
{
    size_t width = storage_width(v->storage);
    ASSERT(v->storage != STORAGE_STR || v->valid == NULL);
    ASSERT((uintptr_t)v->i64 % (width < 8 ? width : 8) == 0 || v->storage == STORAGE_ID128);
    if (v->storage == STORAGE_STR)
        dict_check(v->dict);
    for (uint32_t row = 0; row < v->rows; row++) {
        ASSERT(v->valid == NULL || v->valid[row] <= 1);
        if (v->storage == STORAGE_STR) {
            ASSERT(v->codes[row] < v->dict->count);
        } else if (v->storage == STORAGE_TEXT || v->storage == STORAGE_REFS) {
            bytes_touch(v->bytes[row]);
            ASSERT(vector_has(v, row) || v->bytes[row].size == 0);
            ASSERT(v->bytes[row].size <= TEXT_BYTES_MAX);
            ASSERT(v->storage == STORAGE_TEXT ||
                   (v->bytes[row].size % 16 == 0 && v->bytes[row].size / 16 <= MESSAGE_REFS_MAX));
        } else {
            const uint8_t *payload = (const uint8_t *)v->i64 + row * width;
            bytes_touch(slice_of(payload, width));
            ASSERT(vector_has(v, row) || bytes_are_zero(payload, width));
        }
    }
}

static inline void batch_check(const struct batch *b)
{
    ASSERT(b->rows <= BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct batch_column *c = &b->columns[i];
        ASSERT(c->vector.rows == b->rows);
        ASSERT(c->vector.storage == c->column->storage);
        ASSERT(batch_vector(b, c->column->id) == &c->vector);
        vector_check(&c->vector);
    }
}

static inline bool vector_row_equal(const struct vector *a, const struct vector *b, uint32_t row)
{
    if (a->storage != b->storage || vector_has(a, row) != vector_has(b, row))
        return false;
    if (!vector_has(a, row))
        return true;
    if (a->storage == STORAGE_STR || a->storage == STORAGE_TEXT || a->storage == STORAGE_REFS)
        return slice_equal(vector_bytes(a, row), vector_bytes(b, row));
    size_t width = storage_width(a->storage);
    return memcmp((const uint8_t *)a->i64 + row * width, (const uint8_t *)b->i64 + row * width,
                  width) == 0;
}

/* Every value of a's columns is in b, which may lack columns that are all NULL. */
static inline bool batch_contains(const struct batch *b, const struct batch *a)
{
    if (a->table != b->table || a->rows != b->rows)
        return false;
    for (uint32_t i = 0; i < a->column_count; i++) {
        const struct vector *v = &a->columns[i].vector;
        const struct vector *w = batch_vector(b, a->columns[i].column->id);
        for (uint32_t row = 0; row < a->rows; row++) {
            if (w == NULL ? vector_has(v, row) : !vector_row_equal(v, w, row))
                return false;
        }
    }
    return true;
}

static inline bool batch_equal(const struct batch *a, const struct batch *b)
{
    return batch_contains(a, b) && batch_contains(b, a);
}

#endif
