/*
 * head_find.c - is this span here already, and is it the same one?
 *
 * A lookup of an absent span, the usual case, is one cache miss in the index; batches hide it by
 * asking for the lines of all their spans before they look at the first.
 */
#include "engine/base/check.h"
#include "engine/head/head_state.h"

#define FIND_STRIDE 64u

/* Trace and span ids of rows the writer appended; NULL columns have no keys. */
static bool row_has_key(const struct head *h, uint64_t row, struct id128 trace_id, uint64_t span_id)
{
    const struct head_column *traces = head_column_find(h, SPANS_trace_id);
    const struct head_column *spans = head_column_find(h, SPANS_span_id);
    uint32_t chunk = (uint32_t)(row / BLOCK_ROWS);
    uint32_t at = (uint32_t)(row % BLOCK_ROWS);
    const uint8_t *valid;
    const void *ids = head_column_chunk(spans, chunk, &valid);
    if (((const uint64_t *)ids)[at] != span_id)
        return false;
    ids = head_column_chunk(traces, chunk, &valid);
    return id128_equal(((const struct id128 *)ids)[at], trace_id);
}

static int64_t find_hashed(const struct head *h, uint64_t hash, struct id128 trace_id,
                           uint64_t span_id, struct head_probe *probe)
{
    *probe = head_probe_start(&h->index, hash);
    int64_t row;
    while ((row = head_probe_next(probe)) >= 0) {
        if (row_has_key(h, (uint64_t)row, trace_id, span_id))
            return row;
    }
    return -1;
}

int64_t head_find(const struct head *h, struct id128 trace_id, uint64_t span_id)
{
    if (h->table != TABLE_SPANS)
        return -1;
    struct head_probe probe;
    uint64_t hash = head_span_hash(head_trace_hash(h->hash_seed, trace_id), span_id);
    return find_hashed(h, hash, trace_id, span_id, &probe);
}

void head_find_many(const struct head *h, const struct id128 *traces, const uint64_t *spans,
                    uint32_t count, int64_t *ret_rows)
{
    uint64_t hashes[FIND_STRIDE];
    for (uint32_t first = 0; first < count; first += FIND_STRIDE) {
        uint32_t some = count - first < FIND_STRIDE ? count - first : FIND_STRIDE;
        for (uint32_t i = 0; i < some; i++) {
            uint64_t trace = head_trace_hash(h->hash_seed, traces[first + i]);
            hashes[i] = head_span_hash(trace, spans[first + i]);
            if (h->table == TABLE_SPANS)
                head_index_prefetch(&h->index, hashes[i]);
        }
        for (uint32_t i = 0; i < some; i++) {
            struct head_probe probe;
            ret_rows[first + i] =
                h->table != TABLE_SPANS
                    ? -1
                    : find_hashed(h, hashes[i], traces[first + i], spans[first + i], &probe);
        }
    }
}

static void filter_add(struct head_chunk *chunk, uint64_t trace_hash)
{
    _Atomic uint64_t *word = &chunk->filter[head_filter_word(trace_hash)];
    uint64_t bits = head_filter_bits(trace_hash);
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);
    if ((before & bits) != bits)
        atomic_store_explicit(word, before | bits, memory_order_relaxed);
}

/* Rows [first, first + count) of one chunk, count <= FIND_STRIDE. */
static void index_stride(struct head *h, uint64_t first, uint32_t count, const struct id128 *traces,
                         const uint64_t *spans, const uint8_t *has_trace, const uint8_t *has_span)
{
    uint64_t hashes[FIND_STRIDE];
    struct head_chunk *chunk = head_chunk_get(h, (uint32_t)(first / BLOCK_ROWS));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t trace = head_trace_hash(h->hash_seed, traces[i]);
        if (has_trace == NULL || has_trace[i] != 0)
            filter_add(chunk, trace);
        hashes[i] = head_span_hash(trace, spans[i]);
        head_index_prefetch(&h->index, hashes[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if ((has_trace != NULL && has_trace[i] == 0) || (has_span != NULL && has_span[i] == 0))
            continue;
        struct head_probe probe;
        if (find_hashed(h, hashes[i], traces[i], spans[i], &probe) < 0)
            head_index_insert(&h->index, &h->memory, &probe, first + i);
    }
}

void head_index_rows(struct head *h, uint64_t first, uint32_t count)
{
    const struct head_column *traces = head_column_find(h, SPANS_trace_id);
    const struct head_column *spans = head_column_find(h, SPANS_span_id);
    if (traces == NULL || spans == NULL)
        return;
    for (uint64_t row = first, end = first + count; row < end;) {
        uint32_t chunk = (uint32_t)(row / BLOCK_ROWS);
        uint32_t at = (uint32_t)(row % BLOCK_ROWS);
        uint32_t some = BLOCK_ROWS - at < FIND_STRIDE ? BLOCK_ROWS - at : FIND_STRIDE;
        if (some > end - row)
            some = (uint32_t)(end - row);
        const uint8_t *has_trace;
        const uint8_t *has_span;
        const void *trace_ids = head_column_chunk(traces, chunk, &has_trace);
        const void *span_ids = head_column_chunk(spans, chunk, &has_span);
        if (trace_ids != NULL && span_ids != NULL)
            index_stride(h, row, some, (const struct id128 *)trace_ids + at,
                         (const uint64_t *)span_ids + at, has_trace == NULL ? NULL : has_trace + at,
                         has_span == NULL ? NULL : has_span + at);
        row += some;
    }
}

/* ---- equality ---- */

/* A column the engine fills when the sender left it out. */
static bool is_filled(uint16_t column_id)
{
    return column_id == SPANS_turn || column_id == SPANS_error_class ||
           column_id == SPANS_class_source;
}

static bool cell_equal(const struct head_column *c, const uint8_t *payload, uint32_t at,
                       const struct vector *v, uint32_t row)
{
    const void *cell = payload + at * c->width;
    switch (v->storage) {
    case STORAGE_I64:
        return memcmp(cell, &v->i64[row], sizeof(int64_t)) == 0;
    case STORAGE_F64:
        return memcmp(cell, &v->f64[row], sizeof(double)) == 0;
    case STORAGE_ID64:
        return memcmp(cell, &v->id64[row], sizeof(uint64_t)) == 0;
    case STORAGE_ID128:
        return memcmp(cell, &v->id128[row], sizeof(struct id128)) == 0;
    case STORAGE_STR:
        return slice_equal(head_dict_value(&c->dict, *(const uint32_t *)cell),
                           vector_bytes(v, row));
    case STORAGE_TEXT:
    case STORAGE_REFS:
        return slice_equal(*(const struct slice *)cell, v->bytes[row]);
    }
    ASSERT(!"a storage");
    return false;
}

/* Where the head's cell is, NULL when it has no value. */
static const uint8_t *cell_chunk(const struct head_column *c, uint64_t row)
{
    const uint8_t *valid;
    uint32_t at = (uint32_t)(row % BLOCK_ROWS);
    const uint8_t *payload = head_column_chunk(c, (uint32_t)(row / BLOCK_ROWS), &valid);
    if (payload == NULL || (valid != NULL && valid[at] == 0))
        return NULL;
    if (c->column->storage == STORAGE_STR && ((const uint32_t *)(const void *)payload)[at] == 0)
        return NULL;
    return payload;
}

bool head_row_equal(const struct head *h, uint64_t row, const struct batch *b, uint32_t batch_row)
{
    ASSERT(b->table == h->table);
    ASSERT(row < head_rows(h));
    ASSERT(batch_row < b->rows);
    bool is_spans = h->table == TABLE_SPANS;
    uint32_t matched = 0;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct column *column = b->columns[i].column;
        const struct vector *v = &b->columns[i].vector;
        if (column->id == SPANS_seq || !vector_has(v, batch_row))
            continue;
        const struct head_column *c = head_column_find(h, column->id);
        const uint8_t *payload = c == NULL ? NULL : cell_chunk(c, row);
        if (payload == NULL || !cell_equal(c, payload, (uint32_t)(row % BLOCK_ROWS), v, batch_row))
            return false;
        matched++;
    }
    /* The batch's values are all here; the head must have no others but what the engine adds. */
    uint32_t values = 0;
    for (uint32_t i = 0; i < h->column_count; i++) {
        const struct head_column *c = h->columns[i];
        if (c->column->id == SPANS_seq || cell_chunk(c, row) == NULL)
            continue;
        values++;
        if (!is_spans || !is_filled(c->column->id))
            continue;
        const struct vector *v = batch_vector(b, c->column->id);
        if (v == NULL || !vector_has(v, batch_row))
            values--;
    }
    return values == matched;
}
