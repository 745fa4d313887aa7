/*
 * batch.c - access to a batch.
 */
#include "engine/span/batch.h"

const struct vector *batch_vector(const struct batch *b, uint16_t column_id)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        if (b->columns[i].column->id == column_id)
            return &b->columns[i].vector;
    }
    return NULL;
}
