/*
 * batch_edit.c - see batch_edit.h.
 */
#include "engine/span/batch_edit.h"

struct batch batch_edit(const struct batch *b, enum table table, uint32_t spare,
                        struct arena *arena)
{
    struct batch out = {.table = table};
    if (b == NULL || b->rows == 0)
        return out;
    out.rows = b->rows;
    out.column_count = b->column_count;
    out.columns = ARENA_ARRAY(arena, struct batch_column, b->column_count + spare);
    bytes_copy(out.columns, b->columns, b->column_count * sizeof *out.columns);
    return out;
}

void batch_put(struct batch *b, const struct column *column, struct vector vector)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        if (b->columns[i].column->id == column->id) {
            b->columns[i].vector = vector;
            return;
        }
    }
    b->columns[b->column_count++] = (struct batch_column){.column = column, .vector = vector};
}

void batch_pick(struct batch *b, const uint32_t *rows, uint32_t count, struct arena *arena)
{
    for (uint32_t i = 0; i < b->column_count; i++)
        b->columns[i].vector = vector_gather(&b->columns[i].vector, rows, count, arena);
    b->rows = count;
}

struct vector vector_writable(const struct batch *b, const struct column *column,
                              struct arena *arena)
{
    const struct vector *v = batch_vector(b, column->id);
    struct vector out = vector_null(column->storage, b->rows, arena);
    if (v == NULL)
        return out;
    /* vector_null just allocated these; they are const only for readers. */
    bytes_copy((void *)out.i64, v->i64, b->rows * storage_width(column->storage));
    out.dict = v->dict;
    if (column->storage == STORAGE_STR)
        return out;
    if (v->valid != NULL)
        bytes_copy((void *)out.valid, v->valid, b->rows);
    else
        memset((void *)out.valid, 1, b->rows);
    return out;
}
