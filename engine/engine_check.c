/*
 * engine_check.c - is a batch one that can be stored as it stands?
 *
 * Place:     engine_append -> [here]. Everything behind it (encode, head, segment) may rely on what is checked.
 * Failure:   STATUS_INVALID (STATUS_LIMIT for sizes) naming table, row and column; nothing was changed.
 * Cost:      one pass over every column, loops without branches where the storage allows.
 */
#include <math.h>

#include "engine/base/check.h"
#include "engine/engine_internal.h"

struct checker {
    const struct batch *batch;
    uint64_t bytes; /* of strings and texts, about what encoding them takes */
    struct error *reterr;
};

static enum status bad_row(const struct checker *c, enum status status, uint32_t row,
                           const struct column *column, const char *what)
{
    return error_set(c->reterr, status, "%s row %u: %s %s", table_name(c->batch->table), row,
                     column->name, what);
}

static enum status check_f64(const struct checker *c, const struct column *column,
                             const struct vector *v)
{
    for (uint32_t i = 0; i < v->rows; i++) {
        if (!isfinite(v->f64[i]) && vector_has(v, i))
            return bad_row(c, STATUS_INVALID, i, column, "is not a finite number");
    }
    return STATUS_OK;
}

static enum status check_str(struct checker *c, const struct column *column, const struct vector *v)
{
    if (v->dict == NULL || v->dict->count == 0 || v->valid != NULL)
        return error_set(c->reterr, STATUS_INVALID, "%s: column %s has no dictionary",
                         table_name(c->batch->table), column->name);
    uint32_t most = 0;
    for (uint32_t i = 0; i < v->rows; i++)
        most = v->codes[i] > most ? v->codes[i] : most;
    if (most >= v->dict->count)
        return error_set(c->reterr, STATUS_INVALID,
                         "%s: column %s uses code %u of a dictionary of %u",
                         table_name(c->batch->table), column->name, most, v->dict->count);
    /* The dictionary may be a connection's, much larger than the batch. */
    bool small = v->dict->count <= v->rows;
    uint32_t count = small ? v->dict->count : v->rows;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = small ? i : v->codes[i];
        c->bytes += v->dict->values[code].size;
        if (v->dict->values[code].size <= STR_BYTES_MAX)
            continue;
        for (uint32_t row = 0; row < v->rows; row++) {
            if (v->codes[row] == code)
                return bad_row(c, STATUS_LIMIT, row, column, "is longer than 64 KiB");
        }
    }
    return STATUS_OK;
}

static enum status check_text(struct checker *c, const struct column *column,
                              const struct vector *v)
{
    for (uint32_t i = 0; i < v->rows; i++) {
        if (!vector_has(v, i))
            continue;
        c->bytes += v->bytes[i].size;
        if (v->bytes[i].size > TEXT_BYTES_MAX)
            return bad_row(c, STATUS_LIMIT, i, column, "is longer than 16 MiB");
    }
    return STATUS_OK;
}

static enum status check_refs(struct checker *c, const struct column *column,
                              const struct vector *v)
{
    for (uint32_t i = 0; i < v->rows; i++) {
        if (!vector_has(v, i))
            continue;
        c->bytes += v->bytes[i].size;
        if (v->bytes[i].size % sizeof(struct id128) != 0)
            return bad_row(c, STATUS_INVALID, i, column, "is not a list of message addresses");
        if (v->bytes[i].size / sizeof(struct id128) > MESSAGE_REFS_MAX)
            return bad_row(c, STATUS_LIMIT, i, column, "names more than 65536 messages");
    }
    return STATUS_OK;
}

static enum status check_values(struct checker *c, const struct column *column,
                                const struct vector *v)
{
    switch (v->storage) {
    case STORAGE_I64:
    case STORAGE_ID64:
    case STORAGE_ID128:
        return STATUS_OK;
    case STORAGE_F64:
        return check_f64(c, column, v);
    case STORAGE_STR:
        return check_str(c, column, v);
    case STORAGE_TEXT:
        return check_text(c, column, v);
    case STORAGE_REFS:
        return check_refs(c, column, v);
    }
    return STATUS_OK;
}

/* Column objects of this schema, each once, with vectors that fit them. */
static enum status check_shape(const struct checker *c, struct schema *schema)
{
    const struct batch *b = c->batch;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct column *column = b->columns[i].column;
        const struct vector *v = &b->columns[i].vector;
        if (column == NULL || schema_column(schema, b->table, column->id) != column)
            return error_set(c->reterr, STATUS_INVALID, "%s: column %u is not one of the project",
                             table_name(b->table), i);
        if (v->storage != column->storage || v->rows != b->rows)
            return error_set(c->reterr, STATUS_INVALID, "%s: column %s has the wrong shape",
                             table_name(b->table), column->name);
        for (uint32_t j = 0; j < i; j++) {
            if (b->columns[j].column == column)
                return error_set(c->reterr, STATUS_INVALID, "%s: column %s comes twice",
                                 table_name(b->table), column->name);
        }
    }
    return STATUS_OK;
}

static bool is_missing(const struct vector *v, uint32_t row)
{
    if (!vector_has(v, row))
        return true;
    if (v->storage == STORAGE_ID64)
        return v->id64[row] == 0;
    if (v->storage == STORAGE_ID128)
        return id128_is_zero(v->id128[row]);
    return v->storage == STORAGE_STR && v->dict->values[v->codes[row]].size == 0;
}

static enum status check_required(const struct checker *c, uint16_t column_id)
{
    const struct column *column = table_column(c->batch->table, column_id);
    const struct vector *v = batch_vector(c->batch, column_id);
    if (v == NULL)
        return error_set(c->reterr, STATUS_INVALID, "%s: column %s is required",
                         table_name(c->batch->table), column->name);
    for (uint32_t i = 0; i < v->rows; i++) {
        if (is_missing(v, i))
            return bad_row(c, STATUS_INVALID, i, column, "is required");
    }
    return STATUS_OK;
}

/* A score or class name becomes a column name or a low-cardinality value. */
static enum status check_names(const struct checker *c, uint16_t column_id)
{
    const struct column *column = table_column(c->batch->table, column_id);
    const struct vector *v = batch_vector(c->batch, column_id);
    for (uint32_t i = 0; i < v->rows; i++) {
        if (v->dict->values[v->codes[i]].size > NAME_BYTES_MAX)
            return bad_row(c, STATUS_LIMIT, i, column, "is longer than 256 bytes");
    }
    return STATUS_OK;
}

static enum status check_score_values(const struct checker *c)
{
    const struct vector *value = batch_vector(c->batch, SCORES_value);
    const struct vector *label = batch_vector(c->batch, SCORES_label);
    for (uint32_t i = 0; i < c->batch->rows; i++) {
        bool any =
            (value != NULL && vector_has(value, i)) || (label != NULL && vector_has(label, i));
        if (!any)
            return error_set(c->reterr, STATUS_INVALID,
                             "scores row %u: a value or a label is required", i);
    }
    return STATUS_OK;
}

/* The ids the engine itself gives meaning to. */
static enum status check_table(const struct checker *c)
{
    static const uint16_t required[TABLE_COUNT][3] = {
        [TABLE_SPANS] = {SPANS_time, SPANS_trace_id, SPANS_span_id},
        [TABLE_SCORES] = {SCORES_trace_id, SCORES_name, 0},
        [TABLE_TAGS] = {TAGS_trace_id, TAGS_span_id, TAGS_class},
    };
    enum table table = c->batch->table;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < 3 && s >= 0 && required[table][i] != 0; i++)
        s = check_required(c, required[table][i]);
    if (s >= 0 && table == TABLE_SCORES)
        s = check_names(c, SCORES_name);
    if (s >= 0 && table == TABLE_SCORES)
        s = check_score_values(c);
    if (s >= 0 && table == TABLE_TAGS)
        s = check_names(c, TAGS_class);
    return s;
}

enum status engine_batch_check(const struct batch *b, enum table table, struct schema *schema,
                               uint64_t *bytes, struct error *reterr)
{
    struct checker c = {.batch = b, .reterr = reterr};
    if (b->table != table)
        return error_set(reterr, STATUS_INVALID, "a batch of table %d came as %s", (int)b->table,
                         table_name(table));
    if (b->rows > BATCH_ROWS_MAX)
        return error_set(reterr, STATUS_LIMIT, "%s: a batch of %u rows; at most %u are taken",
                         table_name(table), b->rows, BATCH_ROWS_MAX);
    enum status s = check_shape(&c, schema);
    for (uint32_t i = 0; s >= 0 && i < b->column_count; i++)
        s = check_values(&c, b->columns[i].column, &b->columns[i].vector);
    *bytes += c.bytes;
    return s < 0 ? s : check_table(&c);
}
