/*
 * block.h - large pieces of memory that queries hand to each other.
 *
 * Why:     the first touch of a fresh page costs microseconds (tens on virtual machines), often more than the work done in it.
 *          A query that needs 50 MB of tables would spend most of its time there.
 * Shape:   pieces of at least BLOCK_BYTES_MIN are powers of two and go back to a process-wide pool that keeps at most
 *          POOL_BYTES_MAX; smaller ones come from malloc.
 * Threads: any.
 */
#ifndef DRIFTLINE_QUERY_BLOCK_H
#define DRIFTLINE_QUERY_BLOCK_H

#include "engine/base/memory.h"

#define BLOCK_BYTES_MIN (64u << 10)
#define POOL_BYTES_MAX  (64ull << 20)

/* Not zeroed. Free with the same size. */
void *block_alloc(size_t size);
void *block_zero(size_t size);
void block_free(void *p, size_t size);
/* mem_grow with blocks: at least count items, *capacity in items. Free with block_free(p, *capacity * item_size). */
void *block_grow(void *p, size_t *capacity, size_t count, size_t item_size);

/* Texts that live as long as the store; short ones are packed. Zero is empty. */
struct text_store {
    uint8_t **blocks;
    size_t *sizes;
    size_t blocks_capacity;
    size_t sizes_capacity;
    uint32_t block_count;
    uint8_t *at;
    size_t left;
    uint64_t bytes; /* of all blocks */
};
void text_store_deinit(struct text_store *s);
void *text_store_alloc(struct text_store *s, size_t size);
struct slice text_store_add(struct text_store *s, struct slice text);
/* All texts of from live as long as to; from is empty afterwards. */
void text_store_take(struct text_store *to, struct text_store *from);

#endif
