/*
 * column_edit.c - cells into a copy; strings into a dictionary that begins with the old one.
 *
 * Dictionary: new values of a block are few (a version, a model), so they are found by looking through those added here. Whether
 *             the old part holds the value too does not matter: whoever takes the vector goes by value.
 */
#include "server/history/column_edit.h"

#include "engine/base/check.h"

static void values_reserve(struct column_edit *e, size_t count)
{
    if (count <= e->values_capacity)
        return;
    size_t capacity = e->values_capacity < 8 ? 8 : e->values_capacity * 2;
    while (capacity < count)
        capacity *= 2;
    struct slice *values = ARENA_ARRAY(e->arena, struct slice, capacity);
    bytes_copy(values, e->values, e->value_count * sizeof *values);
    e->values = values;
    e->values_capacity = capacity;
}

static void dictionary_begin(struct column_edit *e, const struct dict *old)
{
    uint32_t count = old == NULL ? 1 : old->count;
    values_reserve(e, count);
    e->values[0] = SLICE_EMPTY;
    if (old != NULL)
        bytes_copy(e->values, old->values, old->count * sizeof *e->values);
    e->value_count = count;
    e->old_count = count;
}

void column_edit_begin(struct column_edit *e, const struct column *column, const struct vector *old,
                       uint32_t rows, struct arena *arena)
{
    *e = (struct column_edit){.column = column, .arena = arena};
    e->vector = vector_null(column->storage, rows, arena);
    if (old != NULL) {
        ASSERT(old->storage == column->storage);
        ASSERT(old->rows == rows);
        bytes_copy((void *)(uintptr_t)e->vector.i64, old->i64,
                   rows * storage_width(column->storage));
    }
    if (column->storage == STORAGE_STR) {
        dictionary_begin(e, old == NULL ? NULL : old->dict);
        return;
    }
    uint8_t *valid = (uint8_t *)(uintptr_t)e->vector.valid;
    for (uint32_t i = 0; old != NULL && i < rows; i++)
        valid[i] = old->valid == NULL || old->valid[i] != 0;
}

static void valid_set(struct column_edit *e, uint32_t row)
{
    ASSERT(row < e->vector.rows);
    ((uint8_t *)(uintptr_t)e->vector.valid)[row] = 1;
}

void column_edit_i64(struct column_edit *e, uint32_t row, int64_t value)
{
    ASSERT(e->column->storage == STORAGE_I64);
    valid_set(e, row);
    ((int64_t *)(uintptr_t)e->vector.i64)[row] = value;
}

void column_edit_f64(struct column_edit *e, uint32_t row, double value)
{
    ASSERT(e->column->storage == STORAGE_F64);
    valid_set(e, row);
    ((double *)(uintptr_t)e->vector.f64)[row] = value;
}

static uint32_t code_of(struct column_edit *e, struct slice value)
{
    if (e->last != 0 && slice_equal(e->values[e->last], value))
        return e->last;
    for (uint32_t code = e->value_count - 1; code >= e->old_count; code--) {
        if (slice_equal(e->values[code], value))
            return code;
    }
    values_reserve(e, (size_t)e->value_count + 1);
    e->values[e->value_count] = arena_copy(e->arena, value);
    return e->value_count++;
}

void column_edit_bytes(struct column_edit *e, uint32_t row, struct slice value)
{
    ASSERT(row < e->vector.rows);
    if (e->column->storage == STORAGE_STR) {
        e->last = code_of(e, value);
        ((uint32_t *)(uintptr_t)e->vector.codes)[row] = e->last;
        return;
    }
    ASSERT(e->column->storage == STORAGE_TEXT || e->column->storage == STORAGE_REFS);
    valid_set(e, row);
    ((struct slice *)(uintptr_t)e->vector.bytes)[row] = arena_copy(e->arena, value);
}

void column_edit_null(struct column_edit *e, uint32_t row)
{
    ASSERT(row < e->vector.rows);
    switch (e->column->storage) {
    case STORAGE_STR:
        ((uint32_t *)(uintptr_t)e->vector.codes)[row] = 0;
        return;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        ((struct slice *)(uintptr_t)e->vector.bytes)[row] = SLICE_EMPTY;
        break;
    case STORAGE_I64:
    case STORAGE_F64:
    case STORAGE_ID64:
        ((int64_t *)(uintptr_t)e->vector.i64)[row] = 0;
        break;
    case STORAGE_ID128:
        ((struct id128 *)(uintptr_t)e->vector.id128)[row] = (struct id128){{0}};
        break;
    }
    ((uint8_t *)(uintptr_t)e->vector.valid)[row] = 0;
}

void column_edit_cell(struct column_edit *e, uint32_t row, const struct vector *from,
                      uint32_t from_row)
{
    ASSERT(from->storage == e->column->storage);
    switch (from->storage) {
    case STORAGE_I64:
        column_edit_i64(e, row, from->i64[from_row]);
        return;
    case STORAGE_F64:
        column_edit_f64(e, row, from->f64[from_row]);
        return;
    case STORAGE_STR:
    case STORAGE_TEXT:
    case STORAGE_REFS:
        column_edit_bytes(e, row, vector_bytes(from, from_row));
        return;
    case STORAGE_ID64:
    case STORAGE_ID128:
        break; /* identity: never edited */
    }
    ASSERT(!"a column of ids can't be edited");
}

struct batch_column column_edit_end(struct column_edit *e)
{
    if (e->column->storage == STORAGE_STR) {
        struct dict *dict = ARENA_NEW(e->arena, struct dict);
        *dict = (struct dict){.values = e->values, .count = e->value_count};
        e->vector.dict = dict;
    }
    return (struct batch_column){.column = e->column, .vector = e->vector};
}
