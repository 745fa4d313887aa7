/*
 * head_model.h - a head as a plain table of cells: the oracle the head's tests compare with.
 */
#ifndef DRIFTLINE_TEST_HEAD_MODEL_H
#define DRIFTLINE_TEST_HEAD_MODEL_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "engine/head/head.h"

#define MODEL_COLUMNS_MAX 24

/* A cell's value: text, or the bytes of the number or id. */
struct model_cell {
    bool has;
    struct slice bytes;
};

struct model {
    struct schema *schema;
    struct arena arena;
    const struct column *columns[MODEL_COLUMNS_MAX];
    uint32_t column_count;
    struct model_cell *cells; /* row after row */
    size_t capacity;
    uint64_t rows;
};

/* One column of every storage, and some more. */
static const uint16_t model_ids[] = {
    SPANS_time,         SPANS_trace_id,   SPANS_span_id,   SPANS_parent_id,   SPANS_session,
    SPANS_turn,         SPANS_seq,        SPANS_model,     SPANS_temperature, SPANS_error_message,
    SPANS_error_class,  SPANS_input,      SPANS_tokens_in, SPANS_cost_usd,    SPANS_prompt_version,
    SPANS_class_source, SPANS_attributes,
};

static inline void model_init(struct model *m, struct schema *schema)
{
    *m = (struct model){.schema = schema};
    for (size_t i = 0; i < sizeof model_ids / sizeof *model_ids; i++)
        m->columns[m->column_count++] = table_column(TABLE_SPANS, model_ids[i]);
    static const char *const scores[] = {"score.a", "score.b", "score.late"};
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        enum status s =
            schema_add_score(schema, slice_text(scores[i]), &m->columns[m->column_count++], NULL);
        cr_assert_eq(s, STATUS_OK);
    }
}

static inline void model_deinit(struct model *m)
{
    arena_deinit(&m->arena);
    mem_free(m->cells);
}

static inline struct slice vector_cell(const struct vector *v, uint32_t row)
{
    if (v->storage == STORAGE_STR || v->storage == STORAGE_TEXT || v->storage == STORAGE_REFS)
        return vector_bytes(v, row);
    size_t width = storage_width(v->storage);
    return slice_of((const uint8_t *)v->i64 + row * width, width);
}

static inline void model_append(struct model *m, const struct batch *b, const uint32_t *rows,
                                uint32_t count)
{
    m->cells =
        mem_grow(m->cells, &m->capacity, (m->rows + count) * m->column_count, sizeof *m->cells);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows == NULL ? i : rows[i];
        for (uint32_t j = 0; j < m->column_count; j++) {
            const struct vector *v = batch_vector(b, m->columns[j]->id);
            struct model_cell cell = {0};
            if (v != NULL && vector_has(v, row)) {
                cell.has = true;
                cell.bytes = arena_copy(&m->arena, vector_cell(v, row));
            }
            m->cells[(m->rows + i) * m->column_count + j] = cell;
        }
    }
    m->rows += count;
}

static inline struct model_cell *model_cell(struct model *m, uint64_t row, uint16_t column_id)
{
    for (uint32_t j = 0; j < m->column_count; j++) {
        if (m->columns[j]->id == column_id)
            return &m->cells[row * m->column_count + j];
    }
    ASSERT(!"a column of the model");
    return NULL;
}

/* Every cell of the view, against the model's rows of the same number. */
static inline void model_check(const struct model *m, struct head_view *view)
{
    struct arena arena = {0};
    uint64_t watermark = head_view_rows(view);
    for (uint32_t j = 0; j < m->column_count; j++) {
        const struct column *column = m->columns[j];
        const struct dict *dict = NULL;
        uint64_t row = 0;
        for (uint32_t chunk = 0; chunk < head_chunk_count(watermark); chunk++) {
            struct vector v;
            head_view_read(view, column, chunk, &arena, &v);
            cr_assert_eq(v.storage, column->storage);
            if (column->storage == STORAGE_STR) {
                cr_assert(v.dict != NULL && (dict == NULL || dict == v.dict));
                cr_assert(v.valid == NULL);
                dict = v.dict;
            }
            for (uint32_t i = 0; i < v.rows; i++, row++) {
                const struct model_cell *want = &m->cells[row * m->column_count + j];
                cr_assert(vector_has(&v, i) == want->has, "%s row %lu: %s", column->name,
                          (unsigned long)row, want->has ? "lost" : "invented");
                if (want->has)
                    cr_assert(slice_equal(vector_cell(&v, i), want->bytes), "%s row %lu",
                              column->name, (unsigned long)row);
            }
            arena_reset(&arena);
        }
        cr_assert_eq(row, watermark);
    }
    arena_deinit(&arena);
}

static inline struct id128 model_trace(uint64_t number)
{
    struct id128 id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    id.bytes[15] = 1;
    return id;
}

/* A cell of a random value in the builder's current row. */
static inline void model_random_cell(struct builder *b, struct rng *r, const struct column *c,
                                     uint32_t distinct)
{
    char text[64];
    switch (c->storage) {
    case STORAGE_I64:
        builder_i64(b, c->id, (int64_t)(rng_u64(r) >> 20));
        break;
    case STORAGE_F64:
        builder_f64(b, c->id, rng_unit(r));
        break;
    case STORAGE_STR:
        (void)snprintf(text, sizeof text, "%s-%lu", c->name, (unsigned long)rng_below(r, distinct));
        builder_str(b, c->id, rng_below(r, 50) == 0 ? SLICE_EMPTY : slice_text(text));
        break;
    case STORAGE_TEXT:
        (void)snprintf(text, sizeof text, "%016lx%016lx", (unsigned long)rng_u64(r),
                       (unsigned long)rng_u64(r));
        builder_str(b, c->id, slice_of(text, rng_below(r, 33)));
        break;
    case STORAGE_REFS: {
        struct id128 refs[3] = {model_trace(rng_u64(r)), model_trace(rng_u64(r))};
        builder_str(b, c->id, slice_of(refs, rng_below(r, 4) * sizeof *refs));
        break;
    }
    case STORAGE_ID64:
        builder_id64(b, c->id, rng_u64(r));
        break;
    case STORAGE_ID128:
        builder_id128(b, c->id, model_trace(rng_u64(r)));
        break;
    }
}

/* Random rows; bit j of columns says whether column j of the model may have values, null_percent how
 * often it has none. */
static inline struct batch model_random_batch(const struct model *m, struct builder *b,
                                              struct rng *r, uint32_t rows, uint32_t columns,
                                              uint32_t null_percent, uint32_t distinct)
{
    builder_reset(b);
    for (uint32_t i = 0; i < rows; i++) {
        builder_row(b);
        for (uint32_t j = 0; j < m->column_count; j++) {
            if ((columns >> j & 1) != 0 && rng_below(r, 100) >= null_percent)
                model_random_cell(b, r, m->columns[j], distinct);
        }
    }
    return builder_batch(b);
}

#endif
