/*
 * message_cache.c - a hash table of bodies and a list by age of use.
 */
#include "server/wire/message_cache.h"

#include "engine/base/check.h"

#define SLOTS_MIN      64u
#define ENTRY_OVERHEAD 96u /* what an entry costs besides its body */

void message_cache_init(struct message_cache *cache, uint64_t bytes_max)
{
    *cache = (struct message_cache){.bytes_max = bytes_max, .slot_mask = SLOTS_MIN - 1};
    cache->slots = mem_zero(SLOTS_MIN, sizeof(struct cached_message *));
}

void message_cache_deinit(struct message_cache *cache)
{
    for (struct cached_message *m = cache->oldest; m != NULL;) {
        struct cached_message *newer = m->newer;
        mem_free(m);
        m = newer;
    }
    mem_free(cache->slots);
    *cache = (struct message_cache){0};
}

static uint32_t slot_find(const struct message_cache *cache, struct id128 address)
{
    uint32_t slot = (uint32_t)id128_hash(address) & cache->slot_mask;
    while (cache->slots[slot] != NULL && !id128_equal(cache->slots[slot]->address, address))
        slot = (slot + 1) & cache->slot_mask;
    return slot;
}

struct cached_message *message_cache_find(const struct message_cache *cache, struct id128 address)
{
    return cache->slots[slot_find(cache, address)];
}

static void list_remove(struct message_cache *cache, struct cached_message *m)
{
    if (m->newer != NULL)
        m->newer->older = m->older;
    else
        cache->newest = m->older;
    if (m->older != NULL)
        m->older->newer = m->newer;
    else
        cache->oldest = m->newer;
}

static void list_add(struct message_cache *cache, struct cached_message *m)
{
    m->newer = NULL;
    m->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = m;
    else
        cache->oldest = m;
    cache->newest = m;
}

void message_cache_touch(struct message_cache *cache, struct cached_message *m, uint64_t batch_seq)
{
    m->batch_seq = batch_seq;
    if (cache->newest == m)
        return;
    list_remove(cache, m);
    list_add(cache, m);
}

static void slots_grow(struct message_cache *cache)
{
    struct cached_message **old = cache->slots;
    uint32_t old_count = cache->slot_mask + 1;
    cache->slot_mask = 2 * old_count - 1;
    cache->slots = mem_zero(2 * (size_t)old_count, sizeof(struct cached_message *));
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i] != NULL)
            cache->slots[slot_find(cache, old[i]->address)] = old[i];
    mem_free(old);
}

void message_cache_add(struct message_cache *cache, struct id128 address, struct slice body,
                       uint64_t batch_seq)
{
    if (cache->count > cache->slot_mask / 2)
        slots_grow(cache);
    uint32_t slot = slot_find(cache, address);
    ASSERT(cache->slots[slot] == NULL);
    struct cached_message *m = mem_alloc(sizeof *m + body.size);
    uint8_t *copy = (uint8_t *)(m + 1);
    bytes_copy(copy, body.data, body.size);
    *m = (struct cached_message){
        .address = address, .body = slice_of(copy, body.size), .batch_seq = batch_seq};
    cache->slots[slot] = m;
    cache->count++;
    cache->bytes += body.size + ENTRY_OVERHEAD;
    list_add(cache, m);
}

void message_cache_remove(struct message_cache *cache, struct cached_message *m)
{
    uint32_t hole = slot_find(cache, m->address);
    ASSERT(cache->slots[hole] == m);
    cache->slots[hole] = NULL;
    /* Entries behind the hole that hashed to before it move up, so that probes still find them. */
    for (uint32_t at = (hole + 1) & cache->slot_mask; cache->slots[at] != NULL;
         at = (at + 1) & cache->slot_mask) {
        struct cached_message *moved = cache->slots[at];
        cache->slots[at] = NULL;
        cache->slots[slot_find(cache, moved->address)] = moved;
    }
    list_remove(cache, m);
    cache->count--;
    cache->bytes -= m->body.size + ENTRY_OVERHEAD;
    mem_free(m);
}

void message_cache_trim(struct message_cache *cache, uint64_t settled)
{
    /* The list is in order of use and batch_seq only grows, so the first pinned entry ends it. */
    while (cache->bytes > cache->bytes_max && cache->oldest != NULL &&
           cache->oldest->batch_seq <= settled)
        message_cache_remove(cache, cache->oldest);
}
