/*
 * turn.h - the last turn of each session, so that the n-th root span of a session knows its n.
 *
 * Bounds:  TURN_SESSIONS_MAX sessions. When full, a session is forgotten (pseudo-randomly); the engine then
 *          finds its last turn in the segments again.
 * Limits:  sessions are told apart by a 64-bit hash: two that collide would share their count.
 * Threads: under the engine's write lock.
 */
#ifndef DRIFTLINE_TURN_H
#define DRIFTLINE_TURN_H

#include "engine/base/memory.h"

#define TURN_SESSIONS_MAX (1u << 19)

struct turn_entry {
    uint64_t session; /* hash; 0: free */
    int64_t turn;
};

/* Zero is valid and empty. */
struct turn_map {
    struct turn_entry *entries;
    uint32_t mask;
    uint32_t count;
};

void turn_map_deinit(struct turn_map *m);
/* The last turn of a session; false when it is not remembered. */
bool turn_map_find(const struct turn_map *m, uint64_t session_hash, int64_t *ret_turn);
/* The session has reached at least this turn. */
void turn_map_raise(struct turn_map *m, uint64_t session_hash, int64_t turn);

#endif
