/*
 * client_table.c - open addressing over a dense array; removal rebuilds the slots, it is rare.
 */
#include "engine/client_table.h"

#include <stdlib.h>

void client_table_deinit(struct client_table *t)
{
    mem_free(t->clients);
    mem_free(t->slots);
    *t = (struct client_table){0};
}

static uint32_t *slot_find(const struct client_table *t, struct id128 id)
{
    uint32_t at = (uint32_t)id128_hash(id) & t->slot_mask;
    while (t->slots[at] != 0 && !id128_equal(t->clients[t->slots[at] - 1].id, id))
        at = (at + 1) & t->slot_mask;
    return &t->slots[at];
}

static void slots_rebuild(struct client_table *t, uint32_t slot_count)
{
    mem_free(t->slots);
    t->slots = mem_zero(slot_count, sizeof *t->slots);
    t->slot_mask = slot_count - 1;
    for (uint32_t i = 0; i < t->count; i++)
        *slot_find(t, t->clients[i].id) = i + 1;
}

struct client *client_table_find(const struct client_table *t, struct id128 id)
{
    if (t->slots == NULL)
        return NULL;
    uint32_t index = *slot_find(t, id);
    return index == 0 ? NULL : &t->clients[index - 1];
}

static struct client *client_get(struct client_table *t, struct id128 id)
{
    struct client *c = client_table_find(t, id);
    if (c != NULL)
        return c;
    if (t->slots == NULL || t->count >= t->slot_mask / 2)
        slots_rebuild(t, t->slots == NULL ? 16 : 2 * (t->slot_mask + 1));
    t->clients = mem_grow(t->clients, &t->capacity, (size_t)t->count + 1, sizeof *t->clients);
    c = &t->clients[t->count++];
    *c = (struct client){.id = id};
    *slot_find(t, id) = t->count;
    return c;
}

void client_table_apply(struct client_table *t, struct id128 id, uint64_t batch_seq, uint64_t seq,
                        int64_t time_ns)
{
    struct client *c = client_get(t, id);
    if (batch_seq < c->batch_seq)
        return;
    c->batch_seq = batch_seq;
    c->seq = seq;
    c->time_ns = time_ns;
}

void client_table_durable(struct client_table *t, struct id128 id, uint64_t batch_seq, uint64_t seq)
{
    struct client *c = client_table_find(t, id);
    if (c == NULL || batch_seq < c->durable_batch_seq)
        return;
    c->durable_batch_seq = batch_seq;
    c->durable_seq = seq;
}

void client_table_load(struct client_table *t, struct id128 id, uint64_t batch_seq, uint64_t seq,
                       int64_t time_ns)
{
    client_table_apply(t, id, batch_seq, seq, time_ns);
    client_table_durable(t, id, batch_seq, seq);
    client_table_find(t, id)->saved_batch_seq = batch_seq;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = ((const struct client *)a)->time_ns;
    int64_t y = ((const struct client *)b)->time_ns;
    return (x < y) - (x > y);
}

void client_table_expire(struct client_table *t, int64_t now_ns,
                         void (*each)(void *context, struct id128 id), void *context)
{
    if (t->count == 0)
        return;
    qsort(t->clients, t->count, sizeof *t->clients, newest_first);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        struct client c = t->clients[i];
        bool in_flight = c.batch_seq != c.durable_batch_seq;
        /* A clock that was set back makes ages negative, never large. */
        bool old = now_ns > c.time_ns && now_ns - c.time_ns > CLIENT_AGE_NS;
        if (in_flight || (!old && kept < CLIENTS_MAX)) {
            t->clients[kept++] = c;
            continue;
        }
        if (c.saved_batch_seq != 0)
            each(context, c.id);
    }
    t->count = kept;
    slots_rebuild(t, t->slot_mask + 1);
}
