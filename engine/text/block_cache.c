/*
 * block_cache.c - the decoded blocks read last.
 *
 * Place:     pack_read -> [here]
 * Invariant: cache.bytes is the sum over filled slots and at most BLOCK_CACHE_BYTES_MAX.
 * Threads:   one mutex around the slots; a search of 256 keys costs about 0.1 us, a decode 300 us.
 */
#include "engine/text/block_cache.h"

#include "engine/base/memory.h"
#include "engine/base/thread.h"

struct slot {
    uint64_t pack;
    uint32_t block;
    uint64_t used; /* tick of the last use */
    struct cached_block *b;
};

static struct {
    struct mutex lock;
    struct slot slots[BLOCK_CACHE_SLOTS];
    uint64_t tick;
    uint64_t bytes;
} cache = {.lock = {PTHREAD_MUTEX_INITIALIZER}};

void block_cache_release(struct cached_block *b)
{
    if (b == NULL || atomic_fetch_sub(&b->references, 1) > 1)
        return;
    mem_free(b->starts);
    mem_free(b->raw);
    mem_free(b);
}

struct cached_block *block_cache_get(uint64_t pack, uint32_t block)
{
    struct cached_block *found = NULL;
    mutex_lock(&cache.lock);
    for (uint32_t i = 0; i < BLOCK_CACHE_SLOTS && found == NULL; i++) {
        struct slot *s = &cache.slots[i];
        if (s->b == NULL || s->pack != pack || s->block != block)
            continue;
        s->used = ++cache.tick;
        found = s->b;
        atomic_fetch_add(&found->references, 1);
    }
    mutex_unlock(&cache.lock);
    return found;
}

static void slot_clear_locked(struct slot *s)
{
    cache.bytes -= s->b->bytes;
    block_cache_release(s->b);
    *s = (struct slot){0};
}

/* A free slot, made by dropping the blocks unused for longest until `bytes` more fit. */
static struct slot *slot_make_locked(size_t bytes)
{
    for (;;) {
        struct slot *oldest = NULL;
        struct slot *empty = NULL;
        for (uint32_t i = 0; i < BLOCK_CACHE_SLOTS; i++) {
            struct slot *s = &cache.slots[i];
            if (s->b == NULL)
                empty = s;
            else if (oldest == NULL || s->used < oldest->used)
                oldest = s;
        }
        if (empty != NULL && cache.bytes + bytes <= BLOCK_CACHE_BYTES_MAX)
            return empty;
        slot_clear_locked(oldest);
    }
}

void block_cache_put(struct cached_block *b)
{
    if (b->bytes > BLOCK_CACHE_BYTES_MAX / 4)
        return;
    mutex_lock(&cache.lock);
    struct slot *s = slot_make_locked(b->bytes);
    *s = (struct slot){.pack = b->pack, .block = b->block, .used = ++cache.tick, .b = b};
    atomic_fetch_add(&b->references, 1);
    cache.bytes += b->bytes;
    mutex_unlock(&cache.lock);
}

void block_cache_forget(uint64_t pack)
{
    mutex_lock(&cache.lock);
    for (uint32_t i = 0; i < BLOCK_CACHE_SLOTS; i++) {
        struct slot *s = &cache.slots[i];
        if (s->b != NULL && s->pack == pack)
            slot_clear_locked(s);
    }
    mutex_unlock(&cache.lock);
}

uint64_t block_cache_bytes(void)
{
    mutex_lock(&cache.lock);
    uint64_t bytes = cache.bytes;
    mutex_unlock(&cache.lock);
    return bytes;
}
