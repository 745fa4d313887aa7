/*
 * wal_chunk.h - the records that wait, in the memory they are written from.
 */
#ifndef DRIFTLINE_WAL_CHUNK_H
#define DRIFTLINE_WAL_CHUNK_H

#include "engine/wal/wal_format.h"

/* One commit under load. Larger writes gain nothing measurable and cost latency: see bench_wal.c. */
#define WAL_CHUNK_BYTES_MAX ((size_t)2 << 20)
#define WAL_CHUNKS_FIXED    2u
#define WAL_CHUNKS_KEPT     10u

struct wal_chunk {
    struct wal_chunk *next;
    uint8_t *bytes; /* IO_ALIGN aligned: room for the header, then records */
    size_t capacity;
    size_t used; /* header included */
    uint64_t first_seq;
    uint32_t record_count;
    bool is_sealed; /* submitted at least once: nothing is added any more */
    bool is_fixed;  /* lives as long as the log; registered with the queue */
};

/* A queue: appended at the end, written and removed at the front. Zero is empty. */
struct wal_chunks {
    struct wal_chunk *first;
    struct wal_chunk *last;
    struct wal_chunk *spare;
    uint32_t spare_count;
    uint64_t pending_bytes; /* of records, in the queue */
    size_t chunk_bytes;     /* of an ordinary chunk */
};

/* Makes the fixed chunks and names their memory. Chunks are no larger than a file. */
void wal_chunks_init(struct wal_chunks *c, uint64_t file_bytes,
                     struct slice ret_fixed[WAL_CHUNKS_FIXED]);
void wal_chunks_deinit(struct wal_chunks *c);
/* Where the next record of `bytes` (its header included) goes; it is counted as there. Sequences rise;
 * a gap begins a new chunk. */
uint8_t *wal_chunks_add(struct wal_chunks *c, size_t bytes, uint64_t seq);
/* Forgets the first chunk: it is durable. */
void wal_chunks_pop(struct wal_chunks *c);

static inline uint64_t wal_chunk_last_seq(const struct wal_chunk *chunk)
{
    return chunk->first_seq + chunk->record_count - 1;
}

#endif
