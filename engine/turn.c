/*
 * turn.c - open addressing with a short probe: a full neighbourhood forgets one of its sessions.
 */
#include "engine/turn.h"

#include "engine/base/hash.h"

#define PROBES 8u

void turn_map_deinit(struct turn_map *m)
{
    mem_free(m->entries);
    *m = (struct turn_map){0};
}

static uint64_t key_of(uint64_t session_hash)
{
    return session_hash == 0 ? 1 : session_hash;
}

static struct turn_entry *entry_find(const struct turn_map *m, uint64_t key)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        struct turn_entry *e = &m->entries[((uint32_t)hash_mix(key) + i) & m->mask];
        if (e->session == key || e->session == 0)
            return e;
    }
    return NULL;
}

bool turn_map_find(const struct turn_map *m, uint64_t session_hash, int64_t *ret_turn)
{
    uint64_t key = key_of(session_hash);
    if (m->entries == NULL)
        return false;
    const struct turn_entry *e = entry_find(m, key);
    if (e == NULL || e->session != key)
        return false;
    *ret_turn = e->turn;
    return true;
}

static void grow(struct turn_map *m)
{
    struct turn_map old = *m;
    uint32_t slots = old.entries == NULL ? 64 : 2 * (old.mask + 1);
    *m = (struct turn_map){.entries = mem_zero(slots, sizeof *m->entries), .mask = slots - 1};
    for (uint32_t i = 0; old.entries != NULL && i <= old.mask; i++) {
        if (old.entries[i].session != 0)
            turn_map_raise(m, old.entries[i].session, old.entries[i].turn);
    }
    mem_free(old.entries);
}

void turn_map_raise(struct turn_map *m, uint64_t session_hash, int64_t turn)
{
    uint64_t key = key_of(session_hash);
    if (m->entries == NULL || (m->count > m->mask / 2 && m->mask < 2 * TURN_SESSIONS_MAX - 1))
        grow(m);
    struct turn_entry *e = entry_find(m, key);
    if (e == NULL) {
        /* Which one goes depends on who comes, so that no session is always the victim. */
        e = &m->entries[((uint32_t)hash_mix(key) + (uint32_t)(key >> 32) % PROBES) & m->mask];
        e->session = 0;
        m->count--;
    }
    if (e->session == 0) {
        *e = (struct turn_entry){.session = key, .turn = turn};
        m->count++;
        return;
    }
    if (e->turn < turn)
        e->turn = turn;
}
