/*
 * agg.c - state arrays: growing, updating through filters and NULLs, merging; and final values.
 */
#include "query/agg.h"

#include <math.h>

#include "engine/base/check.h"

#include "query/exact_sum.h"
#include "query/histogram.h"
#include "query/key_map.h"

const struct state_ops *state_ops_of(const struct state_spec *spec)
{
    bool integers = spec->phys == PHYS_I64;
    switch (spec->kind) {
    case STATE_ROWS:
        return &ops_rows;
    case STATE_COUNT:
        return &ops_count;
    case STATE_SUM:
        return integers ? &ops_sum_i64 : &ops_sum_f64;
    case STATE_SQUARES:
        return integers ? &ops_squares_i64 : &ops_squares_f64;
    case STATE_MIN:
        return &ops_min;
    case STATE_MAX:
        return &ops_max;
    case STATE_HISTOGRAM:
        return integers ? &ops_histogram_i64 : &ops_histogram_f64;
    case STATE_VALUES:
        return &ops_values;
    case STATE_DISTINCT:
        return &ops_distinct;
    case STATE_FIRST:
        return &ops_first;
    case STATE_LAST:
        return &ops_last;
    case STATE_TEXTS:
        return &ops_texts;
    case STATE_SLOTS:
        return &ops_slots;
    }
    return NULL;
}

void states_init(struct states *s, const struct state_spec *spec, struct scratch *scratch)
{
    *s = (struct states){.spec = spec, .ops = state_ops_of(spec), .scratch = scratch};
    if (spec->kind == STATE_DISTINCT) {
        s->values = MEM_NEW(struct key_map);
        key_map_init(s->values, spec->phys);
    }
}

void states_deinit(struct states *s)
{
    if (s->ops != NULL && s->ops->release != NULL)
        for (uint32_t g = 0; g < s->count; g++)
            s->ops->release(states_at(s, g));
    block_free(s->data, s->capacity * (s->ops == NULL ? 0 : s->ops->bytes));
    text_store_deinit(&s->texts);
    if (s->values != NULL)
        key_map_deinit(s->values);
    mem_free(s->values);
    *s = (struct states){0};
}

void states_resize(struct states *s, uint32_t groups)
{
    if (groups <= s->count)
        return;
    s->data = block_grow(s->data, &s->capacity, groups, s->ops->bytes);
    memset(s->data + s->count * s->ops->bytes, 0, (groups - s->count) * s->ops->bytes);
    s->count = groups;
}

uint64_t states_bytes(const struct states *s)
{
    uint64_t bytes = s->capacity * s->ops->bytes + s->texts.bytes + s->heap_bytes;
    return s->values == NULL ? bytes : bytes + key_map_bytes(s->values);
}

static const uint8_t *both(struct states *s, const uint8_t *a, const uint8_t *b, uint32_t rows)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    uint8_t *take = SCRATCH_ARRAY(s->scratch, uint8_t, rows);
    memcpy(take, a, rows);
    (void)mask_and(take, b, rows);
    return take;
}

void states_update(struct states *s, const uint32_t *groups, const struct vec *arg,
                   const struct vec *by, const uint8_t *mask, uint32_t rows)
{
    const uint8_t *take = mask;
    if (arg != NULL)
        take = both(s, take, vec_valid_bytes(arg, rows, s->scratch), rows);
    if (by != NULL)
        take = both(s, take, vec_valid_bytes(by, rows, s->scratch), rows);
    struct vec dense_arg;
    struct vec dense_by;
    if (arg != NULL && arg->constant) {
        dense_arg = *arg;
        vec_expand(&dense_arg, rows, s->scratch);
        arg = &dense_arg;
    }
    if (take != NULL) {
        uint32_t *picked = SCRATCH_ARRAY(s->scratch, uint32_t, rows + 1);
        uint32_t count = mask_pick(take, rows, picked);
        if (groups != NULL) {
            uint32_t *some = SCRATCH_ARRAY(s->scratch, uint32_t, count);
            for (uint32_t i = 0; i < count; i++)
                some[i] = groups[picked[i]];
            groups = some;
        }
        if (arg != NULL && s->spec->kind != STATE_COUNT) {
            struct vec from = *arg;
            from.valid = NULL;
            vec_gather(&from, picked, count, s->scratch, &dense_arg);
            arg = &dense_arg;
        }
        if (by != NULL) {
            struct vec from = *by;
            vec_expand(&from, rows, s->scratch);
            from.valid = NULL;
            vec_gather(&from, picked, count, s->scratch, &dense_by);
            by = &dense_by;
        }
        rows = count;
    } else if (by != NULL) {
        dense_by = *by;
        vec_expand(&dense_by, rows, s->scratch);
        by = &dense_by;
    }
    s->rows += rows;
    if (rows > 0)
        s->ops->update(s, groups, arg, by, rows);
}

void states_merge(struct states *to, const struct states *from, const uint32_t *map)
{
    uint32_t *ids = NULL;
    if (from->values != NULL) {
        ids = mem_alloc(key_map_count(from->values) * sizeof *ids);
        key_map_merge(to->values, from->values, ids);
    }
    for (uint32_t g = 0; g < from->count; g++)
        to->ops->merge(to, states_at(to, map[g]), states_at(from, g), ids);
    mem_free(ids);
    to->rows += from->rows;
}

/* ---- final values ---- */

static void put_f64(struct column_out *out, uint32_t row, double value)
{
    ((double *)out->data)[row] = value;
    out->valid[row] = 1;
}

static void put_i64(struct column_out *out, uint32_t row, int64_t value)
{
    ((int64_t *)out->data)[row] = value;
    out->valid[row] = 1;
}

static enum status final_sum(const struct aggregate *a, const struct states *s, const void *state,
                             struct column_out *out, uint32_t row, struct error *reterr)
{
    if (sum_count(s->spec, state) == 0)
        return STATUS_OK;
    if (out->phys == PHYS_F64) {
        /* A scaled column's sum is an exact integer until it is divided. */
        put_f64(out, row, sum_value(s->spec, state, 1, a->scale));
        return STATUS_OK;
    }
    const struct sum_i64 *sum = state;
    if (sum->sum > INT64_MAX || sum->sum < INT64_MIN)
        return error_set_at(reterr, STATUS_INVALID, a->position, "%s out of range",
                            sql_type_name(a->type));
    put_i64(out, row, (int64_t)sum->sum);
    return STATUS_OK;
}

static void final_avg(const struct aggregate *a, const struct states *s, const void *state,
                      struct column_out *out, uint32_t row)
{
    int64_t count = sum_count(s->spec, state);
    if (count == 0)
        return;
    double mean = sum_value(s->spec, state, count, a->scale);
    if (out->phys == PHYS_I64)
        put_i64(out, row, llrint(mean));
    else
        put_f64(out, row, mean);
}

static void final_variance(const struct aggregate *a, const struct states *s, const void *state,
                           struct column_out *out, uint32_t row)
{
    double variance;
    bool population = a->final == FINAL_VAR_POP || a->final == FINAL_STDDEV_POP;
    bool root = a->final == FINAL_STDDEV_POP || a->final == FINAL_STDDEV_SAMP;
    if (squares_variance(s->spec, state, a->scale, population, &variance))
        put_f64(out, row, root ? sqrt(variance) : variance);
}

static void put_number(const struct aggregate *a, struct column_out *out, uint32_t row,
                       double value)
{
    if (out->phys == PHYS_I64)
        put_i64(out, row, llrint(value));
    else
        put_f64(out, row, value / (double)a->scale);
}

static enum status final_quantile(const struct aggregate *a, const struct states *s, void *state,
                                  struct column_out *out, uint32_t row, struct error *reterr)
{
    double value;
    if (s->spec->kind == STATE_VALUES) {
        if (values_quantile(state, s->spec->phys, a->q, a->final == FINAL_QUANTILE_DISC, &value))
            put_number(a, out, row, value);
        return STATUS_OK;
    }
    const struct histogram *h = state;
    if (h->full || s->rows > UINT32_MAX)
        return error_set_at(reterr, STATUS_LIMIT, a->position,
                            "%s saw more than %u values; narrow the query", a->name, UINT32_MAX);
    if (histogram_count(h) != 0)
        put_number(a, out, row, histogram_quantile(h, s->spec->phys == PHYS_I64, a->q));
    return STATUS_OK;
}

static void final_value(const void *state, struct column_out *out, uint32_t row)
{
    const struct extreme *x = state;
    size_t width = phys_width(out->phys);
    if (!x->has)
        return;
    memcpy((uint8_t *)out->data + row * width, &x->value, width);
    if (out->phys == PHYS_TEXT) {
        struct slice *text = (struct slice *)out->data + row;
        *text = text_store_add(out->texts, *text);
    }
    out->valid[row] = 1;
}

static void final_count(const struct states *s, const void *state, struct column_out *out,
                        uint32_t row)
{
    int64_t count = 0;
    if (s->spec->kind == STATE_DISTINCT)
        (void)distinct_count(state, &count);
    else if (s->spec->kind == STATE_SUM)
        count = sum_count(s->spec, state);
    else
        memcpy(&count, state, sizeof count);
    put_i64(out, row, count);
}

static enum status final_texts(const struct aggregate *a, const void *state, struct column_out *out,
                               uint32_t row, struct error *reterr)
{
    bool too_long = false;
    struct slice text;
    if (texts_join(state, a->separator, out->texts, &text, &too_long)) {
        ((struct slice *)out->data)[row] = text;
        out->valid[row] = 1;
    }
    return too_long
               ? error_set_at(reterr, STATUS_LIMIT, a->position,
                              "string_agg would make a text of more than %u bytes", TEXT_BYTES_MAX)
               : STATUS_OK;
}

enum status aggregate_final(const struct aggregate *a, const struct states *s, void *state,
                            struct column_out *out, uint32_t row, struct error *reterr)
{
    double value;
    switch (a->final) {
    case FINAL_COUNT:
        final_count(s, state, out, row);
        return STATUS_OK;
    case FINAL_SUM:
        return final_sum(a, s, state, out, row, reterr);
    case FINAL_AVG:
        final_avg(a, s, state, out, row);
        return STATUS_OK;
    case FINAL_VAR_SAMP:
    case FINAL_VAR_POP:
    case FINAL_STDDEV_SAMP:
    case FINAL_STDDEV_POP:
        final_variance(a, s, state, out, row);
        return STATUS_OK;
    case FINAL_VALUE:
        final_value(state, out, row);
        return STATUS_OK;
    case FINAL_QUANTILE:
    case FINAL_QUANTILE_DISC:
        return final_quantile(a, s, state, out, row, reterr);
    case FINAL_TEXTS:
        return final_texts(a, state, out, row, reterr);
    case FINAL_DRIFT:
    case FINAL_BASELINE:
    case FINAL_BASELINE_MAD:
        if (slots_final(a, state, &value))
            put_f64(out, row, value);
        return STATUS_OK;
    }
    return STATUS_OK;
}
