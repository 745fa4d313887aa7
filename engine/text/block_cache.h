/*
 * block_cache.h - the decoded blocks read last, of all packs of the process.
 *
 * Why:     a conversation reads neighbours, and every block needs its reference.
 * Memory:  BLOCK_CACHE_BYTES_MAX, plus what readers hold at the moment.
 * Threads: any.
 */
#ifndef DRIFTLINE_BLOCK_CACHE_H
#define DRIFTLINE_BLOCK_CACHE_H

#include <stdatomic.h>

#include "engine/base/slice.h"

#define BLOCK_CACHE_BYTES_MAX (32u << 20)
#define BLOCK_CACHE_SLOTS     256u

/* Immutable but for its count. */
struct cached_block {
    uint64_t pack; /* its identity */
    uint32_t block;
    uint32_t messages;
    atomic_uint references;
    size_t bytes;
    uint32_t *starts; /* starts[i] .. starts[i + 1]: message i in raw */
    uint8_t *raw;
    size_t raw_size;
};

/* NULL when it is not there. */
struct cached_block *block_cache_get(uint64_t pack, uint32_t block);
/* Takes over a block with one reference, which stays the caller's; the cache adds its own. A block
 * too large for the cache is not kept. When another thread was faster, both copies live. */
void block_cache_put(struct cached_block *b);
/* Accepts NULL. */
void block_cache_release(struct cached_block *b);
/* Forgets the blocks of a pack. */
void block_cache_forget(uint64_t pack);
uint64_t block_cache_bytes(void);

#endif
