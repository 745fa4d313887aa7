/*
 * client_table.h - which batch each client's commits have reached: the memory behind exactly-once.
 *
 * Invariant: durable_* never runs ahead of what the log has made durable; only that goes to the
 *            manifest, so that a crash can't leave a batch remembered but lost.
 * Bounds:    CLIENTS_MAX entries, CLIENT_AGE_NS without a batch. The least recently heard goes first; a client
 *            that was forgotten is protected by span ids alone.
 * Threads:   under the engine's write lock.
 */
#ifndef DRIFTLINE_CLIENT_TABLE_H
#define DRIFTLINE_CLIENT_TABLE_H

#include "engine/base/clock.h"
#include "engine/base/id.h"
#include "engine/base/memory.h"

#define CLIENTS_MAX   65536u
#define CLIENT_AGE_NS (7 * NS_PER_DAY)

struct client {
    struct id128 id;
    uint64_t batch_seq; /* last applied */
    uint64_t seq;       /* its commit */
    uint64_t durable_batch_seq;
    uint64_t durable_seq;
    uint64_t saved_batch_seq; /* what the manifest says; 0: nothing */
    int64_t time_ns;
};

/* Zero is valid and empty. */
struct client_table {
    struct client *clients; /* dense */
    size_t capacity;
    uint32_t count;
    uint32_t *slots; /* open addressing: index + 1 */
    uint32_t slot_mask;
};

void client_table_deinit(struct client_table *t);
struct client *client_table_find(const struct client_table *t, struct id128 id);
/* Notes an applied batch. */
void client_table_apply(struct client_table *t, struct id128 id, uint64_t batch_seq, uint64_t seq,
                        int64_t time_ns);
/* Notes that a batch became durable. */
void client_table_durable(struct client_table *t, struct id128 id, uint64_t batch_seq,
                          uint64_t seq);
/* An entry as the manifest has it. */
void client_table_load(struct client_table *t, struct id128 id, uint64_t batch_seq, uint64_t seq,
                       int64_t time_ns);
/* Removes what is too old or too many, each() is told of those that the manifest knows. Entries whose last batch is
 * not durable stay. */
void client_table_expire(struct client_table *t, int64_t now_ns,
                         void (*each)(void *context, struct id128 id), void *context);

#endif
