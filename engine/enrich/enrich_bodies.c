/*
 * enrich_bodies.c - the bodies a batch may refer to, by address.
 *
 * A body that came with the batch is at hand; one that was stored before is asked for once a batch, however many histories
 * repeat it. What is not found is remembered as not found.
 */
#include "engine/enrich/enrich_internal.h"

#define SLOTS_MIN 64u

struct body_slot {
    struct id128 address;
    struct slice body;
    bool taken;
};

static struct body_slot *slot_of(const struct body_map *map, struct id128 address)
{
    uint32_t at = (uint32_t)id128_hash(address) & (map->slot_count - 1);
    while (map->slots[at].taken && !id128_equal(map->slots[at].address, address))
        at = (at + 1) & (map->slot_count - 1);
    return &map->slots[at];
}

static void slots_make(struct body_map *map, uint32_t items, struct arena *arena)
{
    map->slot_count = SLOTS_MIN;
    while (map->slot_count < 2 * items)
        map->slot_count *= 2;
    map->slots = arena_zero(arena, map->slot_count, sizeof *map->slots);
    map->used = 0;
}

static void put(struct body_map *map, struct body_slot *slot, struct id128 address,
                struct slice body)
{
    map->used += !slot->taken;
    *slot = (struct body_slot){.address = address, .body = body, .taken = true};
}

void body_map_init(struct body_map *map, const struct enrich_work *work)
{
    *map = (struct body_map){0};
    slots_make(map, work->message_count, work->arena);
    for (uint32_t i = 0; i < work->message_count; i++) {
        const struct message *m = &work->messages[i];
        put(map, slot_of(map, m->address), m->address, m->body);
    }
}

static void grow(struct body_map *map, struct arena *arena)
{
    struct body_map old = *map;
    slots_make(map, old.slot_count, arena);
    for (uint32_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].taken)
            put(map, slot_of(map, old.slots[i].address), old.slots[i].address, old.slots[i].body);
    }
}

bool body_map_has(const struct body_map *map, struct id128 address, struct slice *ret)
{
    const struct body_slot *slot = slot_of(map, address);
    if (slot->taken)
        *ret = slot->body;
    return slot->taken;
}

struct slice body_map_find(struct body_map *map, const struct enrich_work *work,
                           struct id128 address)
{
    struct body_slot *slot = slot_of(map, address);
    if (slot->taken)
        return slot->body;
    struct slice body = SLICE_EMPTY;
    if (work->body == NULL || map->fetched_bytes >= ENRICH_FETCH_BYTES_MAX)
        return body;
    if (!work->body(work->body_context, address, work->arena, &body))
        body = SLICE_EMPTY;
    map->fetched_bytes += body.size;
    if (map->used >= map->slot_count / 2) {
        grow(map, work->arena);
        slot = slot_of(map, address);
    }
    put(map, slot, address, body);
    return body;
}
