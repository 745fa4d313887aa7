/*
 * message_cache.h - bodies a client has sent, so that each goes over the wire once and the client can
 * still answer when the server asks for one again.
 *
 * Invariant: a body that an unsettled batch refers to is never evicted.
 */
#ifndef DRIFTLINE_WIRE_MESSAGE_CACHE_H
#define DRIFTLINE_WIRE_MESSAGE_CACHE_H

#include "engine/base/id.h"
#include "engine/base/memory.h"

struct cached_message {
    struct id128 address;
    struct slice body;  /* owned */
    uint64_t batch_seq; /* the last batch that refers to it */
    struct cached_message *newer;
    struct cached_message *older;
};

struct message_cache {
    struct cached_message **slots; /* open addressing */
    uint32_t slot_mask;
    uint32_t count;
    uint64_t bytes;
    uint64_t bytes_max;
    struct cached_message *newest;
    struct cached_message *oldest;
};

void message_cache_init(struct message_cache *cache, uint64_t bytes_max);
void message_cache_deinit(struct message_cache *cache);
struct cached_message *message_cache_find(const struct message_cache *cache, struct id128 address);
/* Marks it as referred to by a batch. */
void message_cache_touch(struct message_cache *cache, struct cached_message *m, uint64_t batch_seq);
/* Adds a body (copied) that is not there yet. */
void message_cache_add(struct message_cache *cache, struct id128 address, struct slice body,
                       uint64_t batch_seq);
/* Lets go of the oldest bodies beyond bytes_max whose batches are all settled (seq <= settled). */
void message_cache_trim(struct message_cache *cache, uint64_t settled);
/* Forgets a body: it was never sent after all. */
void message_cache_remove(struct message_cache *cache, struct cached_message *m);

#endif
