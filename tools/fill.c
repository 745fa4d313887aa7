/*
 * fill.c - columns, rows, and cells from any text.
 */
#include "tools/fill.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"

#define STRINGS_KEPT      8192u      /* a dictionary beyond this starts over with the next batch */
#define STRINGS_BYTES     (4u << 20) /* likewise */
#define CACHE_ENTRIES_MAX 8192u      /* a power of two; no more than rows of a batch are of use */
#define NUMBER_BYTES_MAX  48u        /* longer ones are left to cell_parse */
#define NUMBER_BYTES_ROOM (NUMBER_BYTES_MAX + 16u)

/* What a row can't do without, as the engine sees it. */
static const uint16_t required_ids[TABLE_COUNT][FILL_REQUIRED_MAX] = {
    [TABLE_SPANS] = {SPANS_time, SPANS_trace_id, SPANS_span_id},
    [TABLE_SCORES] = {SCORES_trace_id, SCORES_name, 0},
    [TABLE_TAGS] = {TAGS_trace_id, TAGS_span_id, TAGS_class},
};

void fill_init(struct fill *f, enum table table, struct schema *schema, uint32_t rows_max)
{
    ASSERT(rows_max > 0 && rows_max <= BATCH_ROWS_MAX);
    *f = (struct fill){.table = table, .schema = schema, .rows_max = rows_max};
    builder_init(&f->scratch, table, schema);
}

static void column_free(struct fill_column *c)
{
    if (c->kind == FILL_STRING)
        intern_deinit(&c->strings);
    mem_free(c->cache);
    mem_free(c->valid);
    mem_free(c->payload);
    mem_free(c);
}

void fill_deinit(struct fill *f)
{
    for (uint32_t i = 0; i < f->column_count; i++)
        column_free(f->columns[i]);
    mem_free(f->columns);
    mem_free(f->out);
    arena_deinit(&f->arena);
    builder_deinit(&f->scratch);
    *f = (struct fill){0};
}

void fill_reset(struct fill *f)
{
    for (uint32_t i = 0; i < f->column_count; i++) {
        struct fill_column *c = f->columns[i];
        if (c->kind != FILL_STRING ||
            (c->strings.count <= STRINGS_KEPT && c->strings.arena.bytes <= STRINGS_BYTES))
            continue;
        intern_reset(&c->strings);
        memset(c->cache, 0, ((size_t)c->cache_mask + 1) * sizeof *c->cache);
    }
    arena_reset(&f->arena);
    f->bytes = 0;
    f->rows = 0;
}

/* ---- columns ---- */

static enum fill_kind kind_of(enum table table, const struct column *column)
{
    static const uint16_t seq_ids[TABLE_COUNT] = {SPANS_seq, SCORES_seq, TAGS_seq};
    if (column->id == seq_ids[table])
        return FILL_SKIP;
    switch (column->storage) {
    case STORAGE_I64:
        if (column->sql == SQL_TIMESTAMP)
            return FILL_TIME;
        return column->sql == SQL_BOOL ? FILL_BOOL : FILL_NUMBER;
    case STORAGE_F64:
        return FILL_FLOAT;
    case STORAGE_STR:
        return FILL_STRING;
    case STORAGE_TEXT:
        return FILL_TEXT;
    case STORAGE_REFS:
        return FILL_REFS;
    case STORAGE_ID64:
        return FILL_SPAN_ID;
    case STORAGE_ID128:
        return FILL_TRACE_ID;
    }
    return FILL_SKIP;
}

static void cell_null(struct fill_column *c, uint32_t row)
{
    switch (c->kind) {
    case FILL_SKIP:
        return;
    case FILL_STRING:
        c->codes[row] = 0;
        return;
    case FILL_TEXT:
    case FILL_REFS:
        c->bytes[row] = SLICE_EMPTY;
        break;
    case FILL_TRACE_ID:
        c->id128[row] = (struct id128){0};
        break;
    case FILL_NUMBER:
    case FILL_TIME:
    case FILL_FLOAT:
    case FILL_BOOL:
    case FILL_SPAN_ID:
        c->id64[row] = 0; /* all of them are eight bytes, and zero is zero bits */
        break;
    }
    c->valid[row] = 0;
}

static struct fill_column *column_make(struct fill *f, const struct cell_target *target)
{
    struct fill_column *c = MEM_NEW(struct fill_column);
    c->target = *target;
    c->kind = kind_of(f->table, target->column);
    if (c->kind == FILL_SKIP)
        return c;
    c->payload = mem_zero(f->rows_max, storage_width(target->column->storage));
    if (c->kind == FILL_STRING) {
        intern_init(&c->strings);
        c->cache_mask = CACHE_ENTRIES_MAX - 1;
        while (c->cache_mask / 2 >= f->rows_max)
            c->cache_mask /= 2;
        c->cache = mem_zero((size_t)c->cache_mask + 1, sizeof *c->cache);
    } else {
        c->valid = mem_zero(f->rows_max, 1);
    }
    for (uint32_t row = 0; row <= f->rows && row < f->rows_max; row++)
        cell_null(c, row);
    for (uint32_t i = 0; i < FILL_REQUIRED_MAX; i++) {
        if (required_ids[f->table][i] == target->column->id)
            f->required[i] = c;
    }
    return c;
}

enum status fill_column_add(struct fill *f, const struct cell_target *target, uint32_t *ret_index,
                            struct error *reterr)
{
    if (f->column_count >= FILL_COLUMNS_MAX)
        return error_set(reterr, STATUS_LIMIT, "more than %u columns", FILL_COLUMNS_MAX);
    f->columns = mem_grow(f->columns, &f->columns_capacity, (size_t)f->column_count + 1,
                          sizeof(struct fill_column *));
    f->columns[f->column_count] = column_make(f, target);
    *ret_index = f->column_count++;
    return STATUS_OK;
}

/* ---- rows ---- */

void fill_row_nulls(struct fill *f)
{
    for (uint32_t i = 0; i < f->column_count; i++)
        cell_null(f->columns[i], f->rows);
}

void fill_row_end(struct fill *f)
{
    ASSERT(f->rows < f->rows_max);
    f->rows++;
}

static bool cell_is_missing(const struct fill_column *c, uint32_t row)
{
    switch (c->kind) {
    case FILL_STRING:
        return c->codes[row] == 0 || c->strings.values[c->codes[row]].size == 0;
    case FILL_SPAN_ID:
        return c->id64[row] == 0;
    case FILL_TRACE_ID:
        return id128_is_zero(c->id128[row]);
    default:
        return c->valid[row] == 0;
    }
}

const char *fill_row_lacks(const struct fill *f)
{
    for (uint32_t i = 0; i < FILL_REQUIRED_MAX && required_ids[f->table][i] != 0; i++) {
        if (f->required[i] == NULL || cell_is_missing(f->required[i], f->rows))
            return table_column(f->table, required_ids[f->table][i])->name;
    }
    return NULL;
}

const char *fill_lacks(const struct fill *f)
{
    for (uint32_t i = 0; i < FILL_REQUIRED_MAX && required_ids[f->table][i] != 0; i++) {
        if (f->required[i] == NULL)
            return table_column(f->table, required_ids[f->table][i])->name;
    }
    return NULL;
}

static struct vector column_vector(struct fill_column *c, uint32_t rows)
{
    struct vector v = {.storage = c->target.column->storage, .rows = rows};
    v.i64 = c->payload;
    if (c->kind == FILL_STRING) {
        c->dict = (struct dict){.values = c->strings.values, .count = c->strings.count};
        v.dict = &c->dict;
    } else if (memchr(c->valid, 0, rows) != NULL) {
        v.valid = c->valid;
    }
    return v;
}

struct batch fill_batch(struct fill *f)
{
    struct batch batch = {.table = f->table, .rows = f->rows};
    mem_free(f->out);
    f->out = mem_zero((size_t)f->column_count + 1, sizeof *f->out);
    for (uint32_t i = 0; i < f->column_count; i++) {
        struct fill_column *c = f->columns[i];
        if (c->kind == FILL_SKIP)
            continue;
        f->out[batch.column_count++] =
            (struct batch_column){.column = c->target.column, .vector = column_vector(c, f->rows)};
    }
    batch.columns = f->out;
    return batch;
}

/* ---- cells ---- */

void fill_null(struct fill *f, struct fill_column *c)
{
    cell_null(c, f->rows);
}

void fill_i64(struct fill *f, struct fill_column *c, int64_t value)
{
    ASSERT(c->target.column->storage == STORAGE_I64);
    if (c->kind == FILL_SKIP)
        return;
    c->i64[f->rows] = value;
    c->valid[f->rows] = 1;
}

static void cell_bytes(struct fill *f, struct fill_column *c, struct slice bytes)
{
    c->bytes[f->rows] = arena_copy(&f->arena, bytes);
    c->valid[f->rows] = 1;
    f->bytes += bytes.size;
}

void fill_refs(struct fill *f, struct fill_column *c, struct slice addresses)
{
    ASSERT(c->kind == FILL_REFS && addresses.size % sizeof(struct id128) == 0);
    cell_bytes(f, c, addresses);
}

void fill_empty(struct fill *f, struct fill_column *c)
{
    ASSERT(c->kind == FILL_STRING || c->kind == FILL_TEXT);
    if (c->kind == FILL_STRING)
        c->codes[f->rows] = intern_add(&c->strings, SLICE_EMPTY);
    else
        cell_bytes(f, c, SLICE_EMPTY);
}

/* The way that leaves nothing out: cell_parse into a batch of one row. */
static enum status cell_slow(struct fill *f, struct fill_column *c, struct slice text,
                             struct error *reterr)
{
    builder_reset(&f->scratch);
    builder_row(&f->scratch);
    enum status s = cell_parse(&c->target, text, &f->scratch, reterr);
    if (s < 0)
        return s;
    struct batch one = builder_batch(&f->scratch);
    const struct vector *v = batch_vector(&one, c->target.column->id);
    if (v == NULL || !vector_has(v, 0)) {
        cell_null(c, f->rows);
        return STATUS_OK;
    }
    size_t width = storage_width(v->storage);
    if (c->kind == FILL_STRING) {
        c->codes[f->rows] = intern_add(&c->strings, vector_bytes(v, 0));
    } else if (c->kind == FILL_TEXT) {
        cell_bytes(f, c, vector_bytes(v, 0));
    } else {
        memcpy((uint8_t *)c->payload + f->rows * width, v->i64, width);
        c->valid[f->rows] = 1;
    }
    return STATUS_OK;
}

/* Tries the fast path of the kind on a copy with room behind it. */
static bool cell_fast(struct fill_column *c, uint32_t row, struct slice text)
{
    uint8_t copy[NUMBER_BYTES_ROOM] = {0};
    if (text.size > NUMBER_BYTES_MAX)
        return false;
    memcpy(copy, text.data, text.size);
    const uint8_t *end = NULL;
    if (c->kind == FILL_NUMBER || c->kind == FILL_TIME)
        end = fill_number_fast(c, row, copy);
    else if (c->kind == FILL_FLOAT)
        end = fill_float_fast(c, row, copy);
    else if (c->kind == FILL_SPAN_ID)
        end = fill_span_id_fast(c, row, copy);
    else if (c->kind == FILL_TRACE_ID)
        end = fill_trace_id_fast(c, row, copy);
    return end == copy + text.size;
}

enum status fill_text(struct fill *f, struct fill_column *c, struct slice text,
                      struct error *reterr)
{
    int64_t time_ns;
    if (text.size == 0 || c->kind == FILL_SKIP) {
        cell_null(c, f->rows);
        return STATUS_OK;
    }
    switch (c->kind) {
    case FILL_STRING:
        if (text.size > STR_BYTES_MAX)
            break;
        if (text.size <= 16) {
            uint8_t copy[16] = {0};
            memcpy(copy, text.data, text.size);
            fill_string_fast(c, f->rows, copy, text.size);
        } else {
            c->codes[f->rows] = intern_add(&c->strings, text);
        }
        return STATUS_OK;
    case FILL_TEXT:
        if (text.size > TEXT_BYTES_MAX)
            break;
        cell_bytes(f, c, text);
        return STATUS_OK;
    case FILL_TIME:
        if (cell_fast(c, f->rows, text))
            return STATUS_OK;
        if (!time_from_text(text, &time_ns))
            break;
        fill_i64(f, c, time_ns);
        return STATUS_OK;
    case FILL_NUMBER:
    case FILL_FLOAT:
    case FILL_SPAN_ID:
    case FILL_TRACE_ID:
        if (cell_fast(c, f->rows, text))
            return STATUS_OK;
        break;
    case FILL_BOOL:
    case FILL_REFS:
    case FILL_SKIP:
        break;
    }
    return cell_slow(f, c, text, reterr);
}
