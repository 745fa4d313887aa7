/*
 * batch_builder.c - rows to columns.
 *
 * A column comes into being with its first cell and lives as long as the builder; builder_reset
 * keeps its memory. Rows it was not told about are filled with NULL when the next cell or the
 * batch needs them.
 */
#include "engine/base/check.h"
#include "engine/base/intern.h"
#include "engine/base/limits.h"
#include "engine/span/batch.h"

#define FIXED_SLOTS 128u /* a dynamic column's slot is this plus its number */

struct builder_column {
    const struct column *column;
    uint32_t rows; /* filled so far */
    uint32_t null_count;
    uint8_t *valid; /* not for STR */
    size_t valid_capacity;
    void *payload;
    size_t payload_capacity;
    struct intern strings; /* STR only */
    struct dict dict;
};

void builder_init(struct builder *b, enum table table, struct schema *schema)
{
    *b = (struct builder){.table = table, .schema = schema};
}

void builder_deinit(struct builder *b)
{
    if (b == NULL)
        return;
    for (uint32_t i = 0; i < b->column_count; i++) {
        struct builder_column *c = b->columns[i];
        if (c == NULL)
            continue;
        intern_deinit(&c->strings);
        mem_free(c->valid);
        mem_free(c->payload);
        mem_free(c);
    }
    mem_free(b->columns);
    mem_free(b->out);
    arena_deinit(&b->arena);
    *b = (struct builder){0};
}

void builder_reset(struct builder *b)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        struct builder_column *c = b->columns[i];
        if (c == NULL)
            continue;
        c->rows = 0;
        c->null_count = 0;
        if (c->column->storage == STORAGE_STR)
            intern_reset(&c->strings);
    }
    arena_reset(&b->arena);
    b->rows = 0;
}

void builder_row(struct builder *b)
{
    ASSERT(b->rows < BATCH_ROWS_MAX);
    b->rows++;
}

static struct builder_column *column_create(struct builder *b, uint16_t column_id)
{
    struct builder_column *c = MEM_NEW(struct builder_column);
    c->column = schema_column(b->schema, b->table, column_id);
    ASSERT(c->column != NULL);
    if (c->column->storage == STORAGE_STR)
        intern_init(&c->strings);
    return c;
}

static struct builder_column *column_get(struct builder *b, uint16_t column_id)
{
    uint32_t slot =
        column_id < COLUMN_DYNAMIC ? column_id : FIXED_SLOTS + (column_id - COLUMN_DYNAMIC);
    ASSERT(column_id >= COLUMN_DYNAMIC || column_id < FIXED_SLOTS);
    if (slot >= b->column_count) {
        size_t pointer = sizeof(struct builder_column *);
        b->columns = mem_grow(b->columns, &b->columns_capacity, (size_t)slot + 1, pointer);
        memset(b->columns + b->column_count, 0, (slot + 1 - b->column_count) * pointer);
        b->column_count = slot + 1;
    }
    if (b->columns[slot] == NULL)
        b->columns[slot] = column_create(b, column_id);
    return b->columns[slot];
}

/* Makes the column `rows` long, new rows NULL. */
static void column_fill(struct builder_column *c, uint32_t rows)
{
    enum storage storage = c->column->storage;
    size_t width = storage_width(storage);
    uint32_t more = rows - c->rows;
    c->payload = mem_grow(c->payload, &c->payload_capacity, rows, width);
    if (storage == STORAGE_TEXT || storage == STORAGE_REFS) {
        struct slice *bytes = c->payload;
        for (uint32_t i = c->rows; i < rows; i++)
            bytes[i] = SLICE_EMPTY;
    } else {
        memset((uint8_t *)c->payload + c->rows * width, 0, more * width);
    }
    if (storage != STORAGE_STR) {
        c->valid = mem_grow(c->valid, &c->valid_capacity, rows, 1);
        memset(c->valid + c->rows, 0, more);
    }
    c->null_count += more;
    c->rows = rows;
}

/* The column, long enough, with the current row marked as having a value. */
static struct builder_column *cell_begin(struct builder *b, uint16_t column_id)
{
    ASSERT(b->rows > 0);
    struct builder_column *c = column_get(b, column_id);
    if (c->rows < b->rows)
        column_fill(c, b->rows);
    if (c->column->storage != STORAGE_STR) {
        c->null_count -= c->valid[b->rows - 1] == 0;
        c->valid[b->rows - 1] = 1;
    }
    return c;
}

void builder_i64(struct builder *b, uint16_t column_id, int64_t value)
{
    struct builder_column *c = cell_begin(b, column_id);
    ASSERT(c->column->storage == STORAGE_I64);
    ((int64_t *)c->payload)[b->rows - 1] = value;
}

void builder_f64(struct builder *b, uint16_t column_id, double value)
{
    struct builder_column *c = cell_begin(b, column_id);
    ASSERT(c->column->storage == STORAGE_F64);
    ((double *)c->payload)[b->rows - 1] = value;
}

void builder_id64(struct builder *b, uint16_t column_id, uint64_t value)
{
    struct builder_column *c = cell_begin(b, column_id);
    ASSERT(c->column->storage == STORAGE_ID64);
    ((uint64_t *)c->payload)[b->rows - 1] = value;
}

void builder_id128(struct builder *b, uint16_t column_id, struct id128 value)
{
    struct builder_column *c = cell_begin(b, column_id);
    ASSERT(c->column->storage == STORAGE_ID128);
    ((struct id128 *)c->payload)[b->rows - 1] = value;
}

void builder_str(struct builder *b, uint16_t column_id, struct slice value)
{
    struct builder_column *c = cell_begin(b, column_id);
    enum storage storage = c->column->storage;
    if (storage == STORAGE_STR) {
        ASSERT(value.size <= STR_BYTES_MAX);
        uint32_t *code = (uint32_t *)c->payload + (b->rows - 1);
        c->null_count -= *code == 0;
        *code = intern_add(&c->strings, value);
        return;
    }
    ASSERT(storage == STORAGE_TEXT || storage == STORAGE_REFS);
    ASSERT(value.size <= TEXT_BYTES_MAX);
    ASSERT(storage != STORAGE_REFS || value.size % sizeof(struct id128) == 0);
    ((struct slice *)c->payload)[b->rows - 1] = arena_copy(&b->arena, value);
}

static struct vector column_vector(struct builder_column *c)
{
    struct vector v = {.storage = c->column->storage, .rows = c->rows};
    v.i64 = c->payload;
    if (v.storage == STORAGE_STR) {
        c->dict = (struct dict){.values = c->strings.values, .count = c->strings.count};
        v.dict = &c->dict;
    } else if (c->null_count != 0) {
        v.valid = c->valid;
    }
    return v;
}

struct batch builder_batch(struct builder *b)
{
    struct batch batch = {.table = b->table, .rows = b->rows};
    mem_free(b->out);
    b->out = mem_zero(b->column_count, sizeof *b->out);
    for (uint32_t i = 0; i < b->column_count; i++) {
        struct builder_column *c = b->columns[i];
        if (c == NULL || c->rows == 0)
            continue;
        if (c->rows < b->rows)
            column_fill(c, b->rows);
        b->out[batch.column_count++] =
            (struct batch_column){.column = c->column, .vector = column_vector(c)};
    }
    batch.columns = b->out;
    return batch;
}
