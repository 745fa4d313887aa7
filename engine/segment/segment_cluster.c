/*
 * segment_cluster.c - the order of rows in a group: by session, trace, time, span for spans; by time otherwise.
 *
 * A radix sort over (session rank, first bytes of the trace id) does nearly all the work; rows that are still equal are few
 * and settled by comparison.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/segment/segment.h"

struct keyed {
    uint64_t key;
    uint32_t row;
};

/* Stable, by key. scratch has room for count. */
static void radix_sort(struct keyed *items, uint32_t count, struct keyed *scratch)
{
    uint64_t differing = 0;
    for (uint32_t i = 1; i < count; i++)
        differing |= items[i].key ^ items[0].key;
    struct keyed *from = items;
    struct keyed *to = scratch;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if ((differing >> shift & 255) == 0)
            continue;
        uint32_t at[256] = {0};
        for (uint32_t i = 0; i < count; i++)
            at[from[i].key >> shift & 255]++;
        uint32_t sum = 0;
        for (unsigned digit = 0; digit < 256; digit++) {
            uint32_t here = at[digit];
            at[digit] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < count; i++)
            to[at[from[i].key >> shift & 255]++] = from[i];
        struct keyed *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}

static int ranked_compare(const void *a, const void *b, void *context)
{
    const struct dict *dict = context;
    return slice_compare(dict->values[*(const uint32_t *)a], dict->values[*(const uint32_t *)b]);
}

/* Rank of each code in byte order, NULL last; equal strings under two codes get one rank. */
static uint32_t *session_ranks(const struct vector *v)
{
    uint32_t *rank = mem_zero(v->dict->count, sizeof *rank);
    uint32_t *used = mem_alloc(v->dict->count * sizeof *used);
    uint32_t count = 0;
    for (uint32_t row = 0; row < v->rows; row++) {
        uint32_t code = v->codes[row];
        ASSERT(code < v->dict->count);
        if (code != 0 && rank[code] == 0) {
            rank[code] = 1;
            used[count++] = code;
        }
    }
    qsort_r(used, count, sizeof *used, ranked_compare, (void *)v->dict);
    for (uint32_t i = 0; i < count; i++) {
        bool same = i > 0 && slice_equal(v->dict->values[used[i]], v->dict->values[used[i - 1]]);
        rank[used[i]] = same ? rank[used[i - 1]] : i;
    }
    rank[0] = UINT32_MAX;
    mem_free(used);
    return rank;
}

struct order {
    const struct vector *trace_id;
    const struct vector *time;
    const struct vector *span_id;
};

static int row_compare(const void *a, const void *b, void *context)
{
    const struct order *o = context;
    uint32_t x = ((const struct keyed *)a)->row;
    uint32_t y = ((const struct keyed *)b)->row;
    int order = 0;
    if (o->trace_id != NULL)
        order = id128_compare(o->trace_id->id128[x], o->trace_id->id128[y]);
    if (order == 0 && o->time != NULL)
        order = (o->time->i64[x] > o->time->i64[y]) - (o->time->i64[x] < o->time->i64[y]);
    if (order == 0 && o->span_id != NULL)
        order = (o->span_id->id64[x] > o->span_id->id64[y]) -
                (o->span_id->id64[x] < o->span_id->id64[y]);
    return order != 0 ? order : (x > y) - (x < y);
}

static uint32_t trace_prefix(const struct vector *v, uint32_t row)
{
    const uint8_t *b = v->id128[row].bytes;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void spans_cluster(const struct batch *b, struct keyed *items, struct keyed *scratch)
{
    const struct vector *session = batch_vector(b, SPANS_session);
    struct order o = {.trace_id = batch_vector(b, SPANS_trace_id),
                      .time = batch_vector(b, SPANS_time),
                      .span_id = batch_vector(b, SPANS_span_id)};
    uint32_t *rank = session == NULL ? NULL : session_ranks(session);
    for (uint32_t row = 0; row < b->rows; row++) {
        uint64_t high = rank == NULL ? 0 : rank[session->codes[row]];
        uint64_t low = o.trace_id == NULL ? 0 : trace_prefix(o.trace_id, row);
        items[row] = (struct keyed){.key = high << 32 | low, .row = row};
    }
    mem_free(rank);
    radix_sort(items, b->rows, scratch);
    for (uint32_t start = 0; start < b->rows;) {
        uint32_t end = start + 1;
        while (end < b->rows && items[end].key == items[start].key)
            end++;
        if (end - start > 1)
            qsort_r(items + start, end - start, sizeof *items, row_compare, &o);
        start = end;
    }
}

void rows_cluster(const struct batch *b, uint32_t *rows)
{
    struct keyed *items = mem_alloc((size_t)b->rows * 2 * sizeof *items);
    if (b->table == TABLE_SPANS) {
        spans_cluster(b, items, items + b->rows);
    } else {
        const struct vector *time = batch_vector(b, SPANS_time);
        for (uint32_t row = 0; row < b->rows; row++) {
            uint64_t t = time == NULL ? 0 : (uint64_t)time->i64[row] ^ 1ull << 63;
            items[row] = (struct keyed){.key = t, .row = row};
        }
        radix_sort(items, b->rows, items + b->rows);
    }
    for (uint32_t i = 0; i < b->rows; i++)
        rows[i] = items[i].row;
    mem_free(items);
}
