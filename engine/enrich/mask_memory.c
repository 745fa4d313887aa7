/*
 * mask_memory.c - a chained hash table over a fixed array of pairs.
 *
 * Invariant: each of the first `count` pairs is in the chain of its bucket, once; next and buckets hold index + 1, 0 ends a chain.
 */
#include "engine/enrich/mask_memory.h"

#include "engine/base/hash.h"

struct mask_pair {
    uint64_t project;
    struct id128 sent;
    struct id128 stored;
    uint32_t next;
    bool used; /* since the hand last came by */
};

struct mask_memory {
    struct mask_pair *pairs;
    uint32_t *buckets;
    uint32_t count;
    uint32_t hand;
};

struct mask_memory *mask_memory_create(void)
{
    struct mask_memory *m = MEM_NEW(struct mask_memory);
    m->pairs = mem_zero(MASK_MEMORY_PAIRS, sizeof *m->pairs);
    m->buckets = mem_zero(MASK_MEMORY_PAIRS, sizeof *m->buckets);
    return m;
}

void mask_memory_destroy(struct mask_memory *m)
{
    if (m == NULL)
        return;
    mem_free(m->buckets);
    mem_free(m->pairs);
    mem_free(m);
}

static uint32_t *bucket_of(struct mask_memory *m, uint64_t project, struct id128 sent)
{
    return &m->buckets[hash_mix(id128_hash(sent) ^ project) % MASK_MEMORY_PAIRS];
}

static struct mask_pair *pair_of(struct mask_memory *m, uint64_t project, struct id128 sent)
{
    for (uint32_t at = *bucket_of(m, project, sent); at != 0; at = m->pairs[at - 1].next) {
        struct mask_pair *pair = &m->pairs[at - 1];
        if (pair->project == project && id128_equal(pair->sent, sent))
            return pair;
    }
    return NULL;
}

static void unlink_pair(struct mask_memory *m, struct mask_pair *pair)
{
    uint32_t *link = bucket_of(m, pair->project, pair->sent);
    while (&m->pairs[*link - 1] != pair)
        link = &m->pairs[*link - 1].next;
    *link = pair->next;
}

/* A pair that is in no chain. */
static struct mask_pair *pair_take(struct mask_memory *m)
{
    if (m->count < MASK_MEMORY_PAIRS)
        return &m->pairs[m->count++];
    while (m->pairs[m->hand].used) {
        m->pairs[m->hand].used = false;
        m->hand = (m->hand + 1) % MASK_MEMORY_PAIRS;
    }
    struct mask_pair *pair = &m->pairs[m->hand];
    m->hand = (m->hand + 1) % MASK_MEMORY_PAIRS;
    unlink_pair(m, pair);
    return pair;
}

void mask_memory_note(struct mask_memory *m, uint64_t project, struct id128 sent,
                      struct id128 stored)
{
    struct mask_pair *pair = pair_of(m, project, sent);
    if (pair != NULL) {
        pair->stored = stored;
        pair->used = true;
        return;
    }
    pair = pair_take(m);
    uint32_t *bucket = bucket_of(m, project, sent);
    *pair = (struct mask_pair){.project = project, .sent = sent, .stored = stored, .next = *bucket};
    *bucket = (uint32_t)(pair - m->pairs) + 1;
}

bool mask_memory_find(struct mask_memory *m, uint64_t project, struct id128 sent,
                      struct id128 *ret_stored)
{
    struct mask_pair *pair = pair_of(m, project, sent);
    if (pair == NULL)
        return false;
    pair->used = true;
    *ret_stored = pair->stored;
    return true;
}
