/*
 * scorer_cache.c - message facts by address: chained buckets over an array of entries, evicted by second chance.
 *
 * Cost:      a find is a bucket and an entry, two cache misses at worst; with a good hint it is the entry alone.
 * Failure:   none; what doesn't fit makes room first. One message's facts are far smaller than the whole
 *            (WORD_SET_MAX), so room is always found.
 */
#include "engine/enrich/scorer_cache.h"

#include "engine/base/check.h"

#define BUCKET_COUNT_MIN 1024u

struct cache_entry {
    struct id128 address;
    uint32_t next; /* in its bucket, or in the free list; 0: last */
    bool in_use;
    bool asked; /* since the hand came by */
    struct message_facts facts;
};

struct scorer_cache {
    size_t bytes_max;
    size_t bytes;
    struct cache_entry *entries; /* from 1 */
    size_t capacity;
    uint32_t used; /* entries[1..used] were used at some time */
    uint32_t count;
    uint32_t free;
    uint32_t hand;
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint64_t puts;
};

static size_t facts_bytes(const struct message_facts *facts)
{
    return word_set_bytes(&facts->set) + word_set_bytes(&facts->pairs);
}

static void facts_deinit(struct message_facts *facts)
{
    word_set_deinit(&facts->set);
    word_set_deinit(&facts->pairs);
}

struct scorer_cache *scorer_cache_create(size_t bytes_max)
{
    struct scorer_cache *c = MEM_NEW(struct scorer_cache);
    c->bytes_max = bytes_max;
    c->bucket_mask = BUCKET_COUNT_MIN - 1;
    c->buckets = mem_zero(BUCKET_COUNT_MIN, sizeof *c->buckets);
    return c;
}

void scorer_cache_destroy(struct scorer_cache *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 1; i <= c->used; i++)
        facts_deinit(&c->entries[i].facts);
    mem_free(c->entries);
    mem_free(c->buckets);
    mem_free(c);
}

size_t scorer_cache_bytes(const struct scorer_cache *c)
{
    return c->bytes + c->capacity * sizeof *c->entries +
           ((size_t)c->bucket_mask + 1) * sizeof *c->buckets;
}

uint64_t scorer_cache_puts(const struct scorer_cache *c)
{
    return c->puts;
}

uint32_t scorer_cache_count(const struct scorer_cache *c)
{
    return c->count;
}

/* Addresses are hashes of the bodies (XXH3), so any eight bytes of one will do. */
static uint32_t *bucket_of(const struct scorer_cache *c, struct id128 address)
{
    uint64_t hash;
    memcpy(&hash, address.bytes, sizeof hash);
    return &c->buckets[hash & c->bucket_mask];
}

const struct message_facts *scorer_cache_find(struct scorer_cache *c, struct id128 address,
                                              uint32_t *hint)
{
    uint32_t i = *hint;
    if (i == 0 || i > c->used || !c->entries[i].in_use ||
        !id128_equal(c->entries[i].address, address)) {
        i = *bucket_of(c, address);
        while (i != 0 && !id128_equal(c->entries[i].address, address))
            i = c->entries[i].next;
    }
    if (i == 0)
        return NULL;
    c->entries[i].asked = true;
    *hint = i;
    return &c->entries[i].facts;
}

static void entry_evict(struct scorer_cache *c, uint32_t i)
{
    struct cache_entry *entry = &c->entries[i];
    uint32_t *link = bucket_of(c, entry->address);
    while (*link != i)
        link = &c->entries[*link].next;
    *link = entry->next;
    c->bytes -= facts_bytes(&entry->facts);
    facts_deinit(&entry->facts);
    entry->in_use = false;
    entry->next = c->free;
    c->free = i;
    c->count--;
}

/* Moves the hand until somebody left. */
static void evict_one(struct scorer_cache *c)
{
    ASSERT(c->count > 0);
    for (;;) {
        c->hand = c->hand >= c->used ? 1 : c->hand + 1;
        struct cache_entry *entry = &c->entries[c->hand];
        if (!entry->in_use)
            continue;
        if (!entry->asked) {
            entry_evict(c, c->hand);
            return;
        }
        entry->asked = false;
    }
}

static void buckets_grow(struct scorer_cache *c)
{
    uint32_t bucket_count = (c->bucket_mask + 1) * 2;
    mem_free(c->buckets);
    c->buckets = mem_zero(bucket_count, sizeof *c->buckets);
    c->bucket_mask = bucket_count - 1;
    for (uint32_t i = 1; i <= c->used; i++) {
        if (!c->entries[i].in_use)
            continue;
        uint32_t *bucket = bucket_of(c, c->entries[i].address);
        c->entries[i].next = *bucket;
        *bucket = i;
    }
}

/* True: the arrays may double and the new entry's set still fits. */
static bool may_grow(const struct scorer_cache *c, size_t set_bytes)
{
    size_t capacity = c->capacity < 64 ? 64 : c->capacity * 2;
    size_t buckets = ((size_t)c->bucket_mask + 1) * (c->used + 1 > c->bucket_mask ? 2 : 1);
    return c->bytes + set_bytes + capacity * sizeof *c->entries + buckets * sizeof *c->buckets <=
           c->bytes_max;
}

/* A free entry, evicting until entry and set fit. */
static uint32_t entry_take(struct scorer_cache *c, size_t set_bytes)
{
    while (c->count != 0 && scorer_cache_bytes(c) + set_bytes > c->bytes_max)
        evict_one(c);
    if (c->free == 0 && (size_t)c->used + 2 > c->capacity && c->count != 0 &&
        !may_grow(c, set_bytes))
        evict_one(c);
    if (c->free != 0) {
        uint32_t i = c->free;
        c->free = c->entries[i].next;
        return i;
    }
    if ((size_t)c->used + 2 > c->capacity) {
        size_t before = c->capacity;
        c->entries =
            mem_grow(c->entries, &c->capacity, before < 64 ? 64 : before * 2, sizeof *c->entries);
        memset(c->entries + before, 0, (c->capacity - before) * sizeof *c->entries);
    }
    if (c->used > c->bucket_mask)
        buckets_grow(c);
    return ++c->used;
}

const struct message_facts *scorer_cache_put(struct scorer_cache *c, struct id128 address,
                                             const struct message_facts *own_facts, uint32_t *hint)
{
    size_t set_bytes = facts_bytes(own_facts);
    uint32_t i = entry_take(c, set_bytes);
    uint32_t *bucket = bucket_of(c, address);
    c->entries[i] = (struct cache_entry){
        .address = address,
        .next = *bucket,
        .in_use = true,
        .facts = *own_facts,
    };
    *bucket = i;
    c->bytes += set_bytes;
    c->count++;
    c->puts++;
    *hint = i;
    return &c->entries[i].facts;
}
