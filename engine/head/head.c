/*
 * head.c - life of a head, its columns and chunks, publishing.
 *
 * Invariant: rows <= 2^32 - 2, published <= rows. head_publish finishes the bounds of the rows it
 *            publishes before it stores the count with release order; readers load the count with
 *            acquire order and so see everything below it.
 */
#include "engine/head/head.h"

#include "engine/base/check.h"
#include "engine/base/rng.h"
#include "engine/head/head_state.h"

#define COLUMN(table, id, ...) static_assert((id) < HEAD_FIXED_IDS, "head.fixed holds every id");
#include "engine/span/column.def"
#undef COLUMN

struct head *head_create(enum table table, struct schema *schema)
{
    struct head *h = MEM_NEW(struct head);
    h->table = table;
    h->schema = schema;
    h->memory.bytes = sizeof *h;
    atomic_store_explicit(&h->time_min_ns, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&h->time_max_ns, INT64_MIN, memory_order_relaxed);
    atomic_store_explicit(&h->seq_min, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&h->seq_max, INT64_MIN, memory_order_relaxed);
    if (table == TABLE_SPANS) {
        random_bytes(&h->hash_seed, sizeof h->hash_seed);
        head_index_init(&h->index, &h->memory);
    }
    atomic_store_explicit(&h->bytes, h->memory.bytes, memory_order_relaxed);
    return h;
}

void head_destroy(struct head *h)
{
    if (h == NULL)
        return;
    ASSERT(atomic_load_explicit(&h->views, memory_order_acquire) == 0);
    head_memory_deinit(&h->memory);
    mem_free(h->columns);
    mem_free(h->remap);
    mem_free(h->picked_valid);
    mem_free(h->hashes);
    mem_free(h);
}

struct head_column *head_column_find(const struct head *h, uint16_t column_id)
{
    if (column_id < HEAD_FIXED_IDS)
        return atomic_load_explicit(&h->fixed[column_id], memory_order_acquire);
    if (column_id < COLUMN_DYNAMIC || column_id - COLUMN_DYNAMIC >= SCORE_COLUMNS_MAX)
        return NULL;
    _Atomic(struct head_column *) *dynamic =
        atomic_load_explicit(&h->dynamic, memory_order_acquire);
    if (dynamic == NULL)
        return NULL;
    return atomic_load_explicit(&dynamic[column_id - COLUMN_DYNAMIC], memory_order_acquire);
}

static _Atomic(struct head_column *) *column_place(struct head *h, uint16_t column_id)
{
    if (column_id < HEAD_FIXED_IDS)
        return &h->fixed[column_id];
    ASSERT(column_id >= COLUMN_DYNAMIC);
    ASSERT(column_id - COLUMN_DYNAMIC < SCORE_COLUMNS_MAX);
    _Atomic(struct head_column *) *dynamic =
        atomic_load_explicit(&h->dynamic, memory_order_relaxed);
    if (dynamic == NULL) {
        dynamic = head_memory_zero(&h->memory, SCORE_COLUMNS_MAX, sizeof *dynamic);
        atomic_store_explicit(&h->dynamic, dynamic, memory_order_release);
    }
    return &dynamic[column_id - COLUMN_DYNAMIC];
}

struct head_column *head_column_get(struct head *h, const struct column *column)
{
    struct head_column *c = head_column_find(h, column->id);
    if (c != NULL)
        return c;
    c = head_column_create(column, &h->memory);
    h->columns =
        mem_grow(h->columns, &h->columns_capacity, (size_t)h->column_count + 1, sizeof *h->columns);
    h->columns[h->column_count++] = c;
    atomic_store_explicit(column_place(h, column->id), c, memory_order_release);
    return c;
}

struct head_chunk *head_chunk_find(const struct head *h, uint32_t chunk)
{
    uint32_t slot;
    uint32_t bucket = head_chunk_bucket(chunk, &slot);
    struct head_chunk *chunks = atomic_load_explicit(&h->chunks[bucket], memory_order_acquire);
    return chunks == NULL ? NULL : &chunks[slot];
}

struct head_chunk *head_chunk_get(struct head *h, uint32_t chunk)
{
    uint32_t slot;
    uint32_t bucket = head_chunk_bucket(chunk, &slot);
    ASSERT(bucket < HEAD_CHUNK_BUCKETS);
    struct head_chunk *chunks = atomic_load_explicit(&h->chunks[bucket], memory_order_relaxed);
    if (chunks == NULL) {
        chunks = head_memory_zero(&h->memory, (size_t)1 << bucket, sizeof *chunks);
        for (uint32_t i = 0; i < 1u << bucket; i++) {
            atomic_store_explicit(&chunks[i].time_min_ns, INT64_MAX, memory_order_relaxed);
            atomic_store_explicit(&chunks[i].time_max_ns, INT64_MIN, memory_order_relaxed);
        }
        atomic_store_explicit(&h->chunks[bucket], chunks, memory_order_release);
    }
    if (chunks[slot].filter == NULL && h->table == TABLE_SPANS)
        chunks[slot].filter =
            head_memory_zero(&h->memory, HEAD_FILTER_WORDS, sizeof *chunks[slot].filter);
    return &chunks[slot];
}

void head_set_i64(struct head *h, uint64_t row, uint16_t column_id, int64_t value)
{
    uint64_t rows = atomic_load_explicit(&h->rows, memory_order_relaxed);
    ASSERT(row < rows);
    ASSERT(row >= atomic_load_explicit(&h->published, memory_order_relaxed));
    struct head_column *c = head_column_find(h, column_id);
    if (c == NULL) {
        const struct column *column = schema_column(h->schema, h->table, column_id);
        ASSERT(column != NULL);
        c = head_column_get(h, column);
    }
    ASSERT(c->column->storage == STORAGE_I64);
    *(int64_t *)head_column_cell(c, &h->memory, row, rows) = value;
    atomic_store_explicit(&h->bytes, h->memory.bytes, memory_order_relaxed);
}

/* Widens [*min, *max] by the values of rows [first, first + count) of one chunk. */
static void range_widen(const struct head_column *c, uint64_t first, uint32_t count, int64_t *min,
                        int64_t *max)
{
    const uint8_t *valid;
    const uint8_t *payload = head_column_chunk(c, (uint32_t)(first / BLOCK_ROWS), &valid);
    if (payload == NULL)
        return;
    uint32_t at = (uint32_t)(first % BLOCK_ROWS);
    const int64_t *values = (const int64_t *)(const void *)payload + at;
    int64_t least = *min;
    int64_t most = *max;
    for (uint32_t i = 0; i < count; i++) {
        if (valid != NULL && valid[at + i] == 0)
            continue;
        least = values[i] < least ? values[i] : least;
        most = values[i] > most ? values[i] : most;
    }
    *min = least;
    *max = most;
}

/* Only the writer stores the bounds, so load, compare and store need not be one step. */
static void bounds_store(_Atomic int64_t *to_min, _Atomic int64_t *to_max, int64_t min, int64_t max)
{
    if (min < atomic_load_explicit(to_min, memory_order_relaxed))
        atomic_store_explicit(to_min, min, memory_order_relaxed);
    if (max > atomic_load_explicit(to_max, memory_order_relaxed))
        atomic_store_explicit(to_max, max, memory_order_relaxed);
}

void head_publish(struct head *h, uint64_t rows)
{
    /* Every table has its time and seq under the same ids. */
    static_assert(SPANS_time == SCORES_time && SPANS_time == TAGS_time, "one id of time");
    static_assert(SPANS_seq == SCORES_seq && SPANS_seq == TAGS_seq, "one id of seq");
    uint64_t from = atomic_load_explicit(&h->published, memory_order_relaxed);
    ASSERT(rows >= from);
    ASSERT(rows <= atomic_load_explicit(&h->rows, memory_order_relaxed));
    const struct head_column *time = head_column_find(h, SPANS_time);
    const struct head_column *seq = head_column_find(h, SPANS_seq);
    while (from < rows) {
        uint32_t chunk = (uint32_t)(from / BLOCK_ROWS);
        uint64_t end = ((uint64_t)chunk + 1) * BLOCK_ROWS;
        uint32_t count = (uint32_t)((end < rows ? end : rows) - from);
        int64_t min = INT64_MAX;
        int64_t max = INT64_MIN;
        if (time != NULL)
            range_widen(time, from, count, &min, &max);
        struct head_chunk *info = head_chunk_get(h, chunk);
        bounds_store(&info->time_min_ns, &info->time_max_ns, min, max);
        bounds_store(&h->time_min_ns, &h->time_max_ns, min, max);
        min = INT64_MAX;
        max = INT64_MIN;
        if (seq != NULL)
            range_widen(seq, from, count, &min, &max);
        bounds_store(&h->seq_min, &h->seq_max, min, max);
        from += count;
    }
    atomic_store_explicit(&h->published, rows, memory_order_release);
}

uint64_t head_rows(const struct head *h)
{
    return atomic_load_explicit(&h->rows, memory_order_relaxed);
}

uint64_t head_published(const struct head *h)
{
    return atomic_load_explicit(&h->published, memory_order_acquire);
}

uint64_t head_bytes(const struct head *h)
{
    return atomic_load_explicit(&h->bytes, memory_order_relaxed);
}

bool head_bounds(const struct head *h, int64_t *ret_time_min_ns, int64_t *ret_time_max_ns,
                 uint64_t *ret_seq_min, uint64_t *ret_seq_max)
{
    if (head_published(h) == 0)
        return false;
    *ret_time_min_ns = atomic_load_explicit(&h->time_min_ns, memory_order_relaxed);
    *ret_time_max_ns = atomic_load_explicit(&h->time_max_ns, memory_order_relaxed);
    int64_t seq_min = atomic_load_explicit(&h->seq_min, memory_order_relaxed);
    int64_t seq_max = atomic_load_explicit(&h->seq_max, memory_order_relaxed);
    bool has_seq = seq_min <= seq_max;
    *ret_seq_min = has_seq ? (uint64_t)seq_min : 0;
    *ret_seq_max = has_seq ? (uint64_t)seq_max : 0;
    return true;
}
