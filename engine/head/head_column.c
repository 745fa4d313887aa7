/*
 * head_column.c - storage of cells and masks; the writer's side of the invariants in the header.
 */
#include "engine/head/head_column.h"

#include "engine/base/check.h"

#define FIRST_CHUNK_ROWS_MIN 512u

struct head_column *head_column_create(const struct column *column, struct head_memory *m)
{
    struct head_column *c = head_memory_zero(m, 1, sizeof *c);
    c->column = column;
    c->width = storage_width(column->storage);
    if (column->storage == STORAGE_STR)
        head_dict_init(&c->dict, m);
    return c;
}

static struct head_cells *cells_get(struct head_column *c, struct head_memory *m, uint32_t chunk)
{
    uint32_t slot;
    uint32_t bucket = head_chunk_bucket(chunk, &slot);
    ASSERT(bucket < HEAD_CHUNK_BUCKETS);
    struct head_cells *cells = atomic_load_explicit(&c->buckets[bucket], memory_order_relaxed);
    if (cells == NULL) {
        cells = head_memory_zero(m, (size_t)1 << bucket, sizeof *cells);
        atomic_store_explicit(&c->buckets[bucket], cells, memory_order_release);
    }
    return &cells[slot];
}

static uint32_t capacity_for(uint32_t chunk, uint32_t rows)
{
    if (chunk != 0)
        return BLOCK_ROWS;
    uint32_t capacity = FIRST_CHUNK_ROWS_MIN;
    while (capacity < rows)
        capacity *= 4;
    return capacity < BLOCK_ROWS ? capacity : BLOCK_ROWS;
}

/* Cells without a value are zero, or the empty slice, which is not all zeros. */
static uint8_t *payload_create(const struct head_column *c, struct head_memory *m,
                               uint32_t capacity)
{
    uint8_t *payload = head_memory_zero(m, capacity, c->width);
    if (c->column->storage == STORAGE_TEXT || c->column->storage == STORAGE_REFS) {
        struct slice *bytes = (struct slice *)(void *)payload;
        for (uint32_t i = 0; i < capacity; i++)
            bytes[i] = SLICE_EMPTY;
    }
    return payload;
}

/* Makes the arrays that exist long enough for `rows` rows of the chunk. */
static void cells_grow(const struct head_column *c, struct head_memory *m, struct head_cells *cells,
                       uint32_t chunk, uint32_t rows)
{
    if (rows <= cells->capacity)
        return;
    uint32_t before = cells->capacity;
    cells->capacity = capacity_for(chunk, rows);
    uint8_t *valid = atomic_load_explicit(&cells->valid, memory_order_relaxed);
    if (valid != NULL) {
        uint8_t *longer = head_memory_zero(m, cells->capacity, 1);
        memcpy(longer, valid, before);
        atomic_store_explicit(&cells->valid, longer, memory_order_release);
    }
    uint8_t *payload = atomic_load_explicit(&cells->payload, memory_order_relaxed);
    if (payload != NULL) {
        uint8_t *longer = payload_create(c, m, cells->capacity);
        memcpy(longer, payload, before * c->width);
        atomic_store_explicit(&cells->payload, longer, memory_order_release);
    }
}

/* A mask whose first `ones` rows have values. */
static uint8_t *mask_create(struct head_memory *m, struct head_cells *cells, uint32_t ones)
{
    uint8_t *valid = head_memory_zero(m, cells->capacity, 1);
    memset(valid, 1, ones);
    atomic_store_explicit(&cells->valid, valid, memory_order_release);
    return valid;
}

void *head_column_append(struct head_column *c, struct head_memory *m, uint64_t row, uint32_t count,
                         const uint8_t *valid)
{
    uint32_t chunk = (uint32_t)(row / BLOCK_ROWS);
    uint32_t at = (uint32_t)(row % BLOCK_ROWS);
    DEBUG_ASSERT(at + count <= BLOCK_ROWS);
    struct head_cells *cells = cells_get(c, m, chunk);
    cells_grow(c, m, cells, chunk, at + count);
    uint8_t *payload = atomic_load_explicit(&cells->payload, memory_order_relaxed);
    if (c->column->storage != STORAGE_STR) {
        uint8_t *mask = atomic_load_explicit(&cells->valid, memory_order_relaxed);
        if (mask == NULL && (valid != NULL || (payload == NULL && at > 0)))
            mask = mask_create(m, cells, payload == NULL ? 0 : at);
        if (mask != NULL && valid != NULL)
            memcpy(mask + at, valid, count);
        else if (mask != NULL)
            memset(mask + at, 1, count);
    }
    if (payload == NULL) {
        payload = payload_create(c, m, cells->capacity);
        atomic_store_explicit(&cells->payload, payload, memory_order_release);
    }
    return payload + at * c->width;
}

void head_column_append_null(struct head_column *c, struct head_memory *m, uint64_t row,
                             uint32_t count)
{
    uint32_t chunk = (uint32_t)(row / BLOCK_ROWS);
    uint32_t at = (uint32_t)(row % BLOCK_ROWS);
    DEBUG_ASSERT(at + count <= BLOCK_ROWS);
    struct head_cells *cells = cells_get(c, m, chunk);
    if (atomic_load_explicit(&cells->payload, memory_order_relaxed) == NULL)
        return;
    cells_grow(c, m, cells, chunk, at + count);
    if (c->column->storage != STORAGE_STR &&
        atomic_load_explicit(&cells->valid, memory_order_relaxed) == NULL)
        (void)mask_create(m, cells, at);
}

void *head_column_cell(struct head_column *c, struct head_memory *m, uint64_t row, uint64_t rows)
{
    ASSERT(row < rows);
    uint32_t chunk = (uint32_t)(row / BLOCK_ROWS);
    uint32_t at = (uint32_t)(row % BLOCK_ROWS);
    uint64_t first = (uint64_t)chunk * BLOCK_ROWS;
    uint32_t end = rows - first < BLOCK_ROWS ? (uint32_t)(rows - first) : BLOCK_ROWS;
    struct head_cells *cells = cells_get(c, m, chunk);
    cells_grow(c, m, cells, chunk, end);
    uint8_t *payload = atomic_load_explicit(&cells->payload, memory_order_relaxed);
    if (c->column->storage != STORAGE_STR) {
        uint8_t *mask = atomic_load_explicit(&cells->valid, memory_order_relaxed);
        if (mask == NULL && payload == NULL && end > 1)
            mask = mask_create(m, cells, 0);
        if (mask != NULL)
            mask[at] = 1;
    }
    if (payload == NULL) {
        payload = payload_create(c, m, cells->capacity);
        atomic_store_explicit(&cells->payload, payload, memory_order_release);
    }
    return payload + at * c->width;
}
