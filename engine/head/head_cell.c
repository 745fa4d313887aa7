/*
 * head_cell.c - one cell of an appended row, published or not, for the writer; which columns there are.
 */
#include "engine/base/check.h"
#include "engine/head/head_state.h"

const void *head_cell(const struct head *h, uint64_t row, uint16_t column_id)
{
    ASSERT(row < head_rows(h));
    const struct head_column *c = head_column_find(h, column_id);
    if (c == NULL)
        return NULL;
    uint32_t at = (uint32_t)(row % BLOCK_ROWS);
    const uint8_t *valid;
    const uint8_t *payload = head_column_chunk(c, (uint32_t)(row / BLOCK_ROWS), &valid);
    if (payload == NULL || (valid != NULL && valid[at] == 0))
        return NULL;
    const uint8_t *cell = payload + at * c->width;
    if (c->column->storage != STORAGE_STR)
        return cell;
    uint32_t code = *(const uint32_t *)(const void *)cell;
    return code == 0 ? NULL : &atomic_load_explicit(&c->dict.values, memory_order_relaxed)[code];
}

bool head_has(const struct head *h, uint16_t column_id)
{
    return head_column_find(h, column_id) != NULL;
}
