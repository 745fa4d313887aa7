/*
 * row_map.h - which row of a batch holds (trace_id, span_id). Made once a commit, thrown away after it.
 *
 * Cost:  about 10 ns a row; half of the slots stay free.
 */
#ifndef DRIFTLINE_ROW_MAP_H
#define DRIFTLINE_ROW_MAP_H

#include "engine/base/id.h"
#include "engine/base/memory.h"

struct row_map {
    const struct id128 *traces;
    const uint64_t *spans;
    uint64_t seed;
    uint32_t *slots; /* row + 1; NULL: an empty map */
    uint32_t mask;
};

/* Slots come from the arena, the ids are borrowed. repeated[] (may be NULL, else rows zeroed bytes) is set for rows whose key an
 * earlier row has: the map names the first. Returns how many. seed: random, so that senders can't choose collisions. */
uint32_t row_map_build(struct row_map *m, const struct id128 *traces, const uint64_t *spans,
                       uint32_t rows, uint64_t seed, struct arena *arena, uint8_t *repeated);
/* -1: not there. */
int64_t row_map_find(const struct row_map *m, struct id128 trace_id, uint64_t span_id);

/* The hash used for keys here and in usage.c. */
uint64_t span_key_hash(uint64_t seed, struct id128 trace_id, uint64_t span_id);

#endif
