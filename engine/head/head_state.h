/*
 * head_state.h - the parts of a head, shared by the files of this folder.
 *
 * Threads:   fields marked atomic are read by anyone; the rest belongs to the writer. What a view
 *            reads through an atomic pointer was complete before the watermark it knows.
 */
#ifndef DRIFTLINE_HEAD_STATE_H
#define DRIFTLINE_HEAD_STATE_H

#include "engine/base/hash.h"
#include "engine/head/head.h"
#include "engine/head/head_column.h"
#include "engine/head/head_index.h"

#define HEAD_FIXED_IDS         128u
#define HEAD_FILTER_WORDS      1024u
#define HEAD_FILTER_WORDS_BITS 10u

/* What is known about BLOCK_ROWS rows. */
struct head_chunk {
    /* Of published rows with a time; min > max: none. */
    _Atomic int64_t time_min_ns;
    _Atomic int64_t time_max_ns;
    /* Spans only: which traces may be here, 4 bits of one word each; NULL otherwise. */
    _Atomic uint64_t *filter;
};

/* One entry a code of the batch's dictionary: which append translated it last, and to what. */
struct head_remap {
    uint32_t stamp;
    uint32_t code;
};

struct head {
    enum table table;
    struct schema *schema;
    struct head_memory memory;
    struct head_index index; /* spans only */
    uint64_t hash_seed;      /* random: senders choose ids, they must not choose collisions */

    _Atomic uint64_t rows;
    _Atomic uint64_t published;
    _Atomic uint64_t bytes;
    _Atomic uint32_t views;
    /* Of published rows; min > max: none. */
    _Atomic int64_t time_min_ns;
    _Atomic int64_t time_max_ns;
    _Atomic int64_t seq_min;
    _Atomic int64_t seq_max;

    _Atomic(struct head_column *) fixed[HEAD_FIXED_IDS];
    /* By id - COLUMN_DYNAMIC; made when the first score column comes. */
    _Atomic(_Atomic(struct head_column *) *) dynamic;
    _Atomic(struct head_chunk *) chunks[HEAD_CHUNK_BUCKETS];

    struct head_column **columns; /* all, in order of creation; writer only, as all below */
    size_t columns_capacity;
    uint32_t column_count;
    uint64_t append_stamp;

    struct head_remap *remap;
    size_t remap_capacity;
    uint32_t remap_stamp;
    uint8_t *picked_valid; /* validity of the rows picked from a batch */
    size_t picked_capacity;
    uint64_t *hashes; /* of the traces, then of the spans of a batch */
    size_t hashes_capacity;
};

/* NULL when nobody wrote the column. Any thread. */
struct head_column *head_column_find(const struct head *h, uint16_t column_id);
struct head_column *head_column_get(struct head *h, const struct column *column);
/* NULL before the chunk's first row. Any thread. */
struct head_chunk *head_chunk_find(const struct head *h, uint32_t chunk);
struct head_chunk *head_chunk_get(struct head *h, uint32_t chunk);

static inline uint64_t head_trace_hash(uint64_t seed, struct id128 trace_id)
{
    uint64_t half[2];
    memcpy(half, trace_id.bytes, sizeof half);
    return hash_mix(half[0] ^ hash_mix(half[1] ^ seed));
}

static inline uint64_t head_span_hash(uint64_t trace_hash, uint64_t span_id)
{
    return hash_mix(trace_hash ^ span_id);
}

static inline uint32_t head_filter_word(uint64_t trace_hash)
{
    return (uint32_t)(trace_hash >> (64 - HEAD_FILTER_WORDS_BITS));
}

static inline uint64_t head_filter_bits(uint64_t trace_hash)
{
    return 1ull << (trace_hash & 63) | 1ull << (trace_hash >> 6 & 63) |
           1ull << (trace_hash >> 12 & 63) | 1ull << (trace_hash >> 18 & 63);
}

/* Indexes rows [first, first + count) just appended. */
void head_index_rows(struct head *h, uint64_t first, uint32_t count);

#endif
