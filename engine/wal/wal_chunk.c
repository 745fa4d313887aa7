/*
 * wal_chunk.c - the records that wait, in the memory they are written from.
 *
 * Place:     wal_append -> [here] -> a commit
 * Shape:     chunks of 2 MiB in a queue. Records are copied once, behind room for the frame's header,
 *            so a commit is one write from one buffer. A record that does not fit opens a new
 *            chunk, of its own size if need be.
 * Memory:    two fixed chunks; more under load, kept until the queue runs empty.
 */
#include "engine/wal/wal_chunk.h"

#include "engine/base/check.h"
#include "engine/base/memory.h"

static struct wal_chunk *chunk_create(size_t capacity)
{
    struct wal_chunk *chunk = MEM_NEW(struct wal_chunk);
    chunk->bytes = io_buffer_alloc(capacity);
    chunk->capacity = capacity;
    return chunk;
}

static void chunk_destroy(struct wal_chunk *chunk)
{
    io_buffer_free(chunk->bytes);
    mem_free(chunk);
}

static void spare_add(struct wal_chunks *c, struct wal_chunk *chunk)
{
    chunk->next = c->spare;
    c->spare = chunk;
    c->spare_count++;
}

void wal_chunks_init(struct wal_chunks *c, uint64_t file_bytes,
                     struct slice ret_fixed[WAL_CHUNKS_FIXED])
{
    *c = (struct wal_chunks){.chunk_bytes = WAL_CHUNK_BYTES_MAX};
    if (file_bytes < c->chunk_bytes)
        c->chunk_bytes = (size_t)file_bytes;
    for (uint32_t i = 0; i < WAL_CHUNKS_FIXED; i++) {
        struct wal_chunk *chunk = chunk_create(c->chunk_bytes);
        chunk->is_fixed = true;
        ret_fixed[i] = slice_of(chunk->bytes, chunk->capacity);
        spare_add(c, chunk);
    }
}

static void list_destroy(struct wal_chunk *chunk)
{
    while (chunk != NULL) {
        struct wal_chunk *next = chunk->next;
        chunk_destroy(chunk);
        chunk = next;
    }
}

void wal_chunks_deinit(struct wal_chunks *c)
{
    list_destroy(c->first);
    list_destroy(c->spare);
    *c = (struct wal_chunks){0};
}

static struct wal_chunk *chunk_get(struct wal_chunks *c, size_t record_bytes)
{
    size_t needed = wal_frame_bytes((uint32_t)record_bytes);
    if (needed > c->chunk_bytes)
        return chunk_create(needed);
    struct wal_chunk *chunk = c->spare;
    if (chunk == NULL)
        return chunk_create(c->chunk_bytes);
    c->spare = chunk->next;
    c->spare_count--;
    return chunk;
}

static void chunk_open(struct wal_chunks *c, size_t record_bytes, uint64_t seq)
{
    struct wal_chunk *chunk = chunk_get(c, record_bytes);
    chunk->next = NULL;
    chunk->used = WAL_FRAME_HEADER_BYTES;
    chunk->first_seq = seq;
    chunk->record_count = 0;
    chunk->is_sealed = false;
    if (c->last != NULL)
        c->last->next = chunk;
    else
        c->first = chunk;
    c->last = chunk;
}

uint8_t *wal_chunks_add(struct wal_chunks *c, size_t bytes, uint64_t seq)
{
    ASSERT(bytes <= WAL_BODY_BYTES_MAX);
    struct wal_chunk *last = c->last;
    if (last == NULL || last->is_sealed || bytes > last->capacity - last->used ||
        seq != last->first_seq + last->record_count)
        chunk_open(c, bytes, seq);
    last = c->last;
    uint8_t *to = last->bytes + last->used;
    last->used += bytes;
    last->record_count++;
    c->pending_bytes += bytes;
    return to;
}

/* Only the fixed ones stay when nothing waits. */
static void spare_trim(struct wal_chunks *c)
{
    struct wal_chunk **at = &c->spare;
    while (*at != NULL) {
        struct wal_chunk *chunk = *at;
        if (chunk->is_fixed) {
            at = &chunk->next;
            continue;
        }
        *at = chunk->next;
        c->spare_count--;
        chunk_destroy(chunk);
    }
}

void wal_chunks_pop(struct wal_chunks *c)
{
    struct wal_chunk *chunk = c->first;
    c->first = chunk->next;
    if (c->first == NULL)
        c->last = NULL;
    c->pending_bytes -= chunk->used - WAL_FRAME_HEADER_BYTES;
    bool keep =
        chunk->is_fixed || (chunk->capacity == c->chunk_bytes && c->spare_count < WAL_CHUNKS_KEPT);
    if (keep)
        spare_add(c, chunk);
    else
        chunk_destroy(chunk);
    if (c->first == NULL)
        spare_trim(c);
}
