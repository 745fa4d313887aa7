/*
 * head_view.c - what readers see: pointers into the head, bounded by a watermark.
 *
 * Invariant: a view's dictionaries are taken when it is made, after its watermark was, so they hold
 *            every code of its rows; nothing of a view changes afterwards, so threads share it.
 */
#include "engine/base/check.h"
#include "engine/head/head_state.h"

struct head_view {
    const struct head *head;
    uint64_t rows;
    /* Of STR columns by id; score columns are numbers. */
    struct dict dicts[HEAD_FIXED_IDS];
};

static const struct slice null_values[1] = {{.data = (const uint8_t *)"", .size = 0}};

uint32_t head_chunk_count(uint64_t watermark)
{
    return (uint32_t)((watermark + BLOCK_ROWS - 1) / BLOCK_ROWS);
}

struct head_view *head_view_create(const struct head *h, uint64_t watermark)
{
    ASSERT(watermark <= head_published(h));
    struct head_view *v = mem_alloc(sizeof *v);
    v->head = h;
    v->rows = watermark;
    for (uint32_t id = 0; id < HEAD_FIXED_IDS; id++) {
        const struct head_column *c = head_column_find(h, (uint16_t)id);
        v->dicts[id] = c != NULL && c->column->storage == STORAGE_STR
                           ? head_dict_read(&c->dict)
                           : (struct dict){.values = null_values, .count = 1};
    }
    /* The count of views is bookkeeping of the head, not part of what it says. */
    atomic_fetch_add_explicit(&((struct head *)h)->views, 1, memory_order_relaxed);
    return v;
}

void head_view_destroy(struct head_view *v)
{
    if (v == NULL)
        return;
    atomic_fetch_sub_explicit(&((struct head *)v->head)->views, 1, memory_order_release);
    mem_free(v);
}

uint64_t head_view_rows(const struct head_view *v)
{
    return v->rows;
}

static uint32_t chunk_rows(const struct head_view *v, uint32_t chunk)
{
    uint64_t first = (uint64_t)chunk * BLOCK_ROWS;
    ASSERT(first < v->rows);
    return v->rows - first < BLOCK_ROWS ? (uint32_t)(v->rows - first) : BLOCK_ROWS;
}

void head_view_read(struct head_view *v, const struct column *column, uint32_t chunk,
                    struct arena *arena, struct vector *ret)
{
    uint32_t rows = chunk_rows(v, chunk);
    const struct head_column *c = head_column_find(v->head, column->id);
    const uint8_t *valid = NULL;
    const uint8_t *payload = c == NULL ? NULL : head_column_chunk(c, chunk, &valid);
    if (payload == NULL) {
        *ret = vector_null(column->storage, rows, arena);
    } else {
        *ret = (struct vector){.storage = column->storage, .rows = rows, .valid = valid};
        ret->i64 = (const int64_t *)(const void *)payload;
    }
    if (column->storage == STORAGE_STR) {
        ASSERT(column->id < HEAD_FIXED_IDS);
        ret->dict = &v->dicts[column->id];
    }
}

void head_view_chunk_time(const struct head_view *v, uint32_t chunk, int64_t *ret_min_ns,
                          int64_t *ret_max_ns)
{
    (void)chunk_rows(v, chunk);
    const struct head_chunk *info = head_chunk_find(v->head, chunk);
    ASSERT(info != NULL);
    int64_t min = atomic_load_explicit(&info->time_min_ns, memory_order_relaxed);
    int64_t max = atomic_load_explicit(&info->time_max_ns, memory_order_relaxed);
    /* Rows without a time: nothing may be concluded from their time. */
    *ret_min_ns = min <= max ? min : INT64_MIN;
    *ret_max_ns = min <= max ? max : INT64_MAX;
}

static bool filter_may_have(const struct head_chunk *info, uint64_t trace_hash)
{
    uint64_t bits = head_filter_bits(trace_hash);
    return (atomic_load_explicit(&info->filter[head_filter_word(trace_hash)],
                                 memory_order_relaxed) &
            bits) == bits;
}

uint32_t head_view_find_trace(const struct head_view *v, struct id128 trace_id, uint64_t *rows,
                              uint32_t max)
{
    uint32_t found = 0;
    const struct head_column *c = head_column_find(v->head, SPANS_trace_id);
    if (v->head->table != TABLE_SPANS || c == NULL)
        return 0;
    uint64_t hash = head_trace_hash(v->head->hash_seed, trace_id);
    for (uint32_t chunk = 0; chunk < head_chunk_count(v->rows); chunk++) {
        if (!filter_may_have(head_chunk_find(v->head, chunk), hash))
            continue;
        const uint8_t *valid;
        const void *payload = head_column_chunk(c, chunk, &valid);
        const struct id128 *traces = payload;
        uint32_t count = payload == NULL ? 0 : chunk_rows(v, chunk);
        for (uint32_t i = 0; i < count; i++) {
            if (!id128_equal(traces[i], trace_id) || (valid != NULL && valid[i] == 0))
                continue;
            if (found == max)
                return found;
            rows[found++] = (uint64_t)chunk * BLOCK_ROWS + i;
        }
    }
    return found;
}
