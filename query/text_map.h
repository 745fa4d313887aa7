/*
 * text_map.h - texts to small numbers, many at a time: the hash table behind text group keys.
 *
 * Ids count from 1 in order of arrival. Up to 16 bytes are compared inside the table's slots, so a look-up of a short text costs
 * one cache miss; look-ups of a batch are prefetched, so that the misses overlap.
 */
#ifndef DRIFTLINE_QUERY_TEXT_MAP_H
#define DRIFTLINE_QUERY_TEXT_MAP_H

#include "query/block.h"

struct text_slot;

struct text_map {
    struct text_store store; /* the texts' bytes */
    struct slice *values;    /* values[id]; values[0] is empty */
    size_t values_capacity;
    uint32_t count; /* ids in use, 0 included */
    struct text_slot *slots;
    uint64_t slot_mask;
};

void text_map_init(struct text_map *m);
void text_map_deinit(struct text_map *m);
/* ids[i] = the number of texts[i], new when it was not there (the bytes are copied). */
void text_map_add(struct text_map *m, const struct slice *texts, uint32_t count, uint32_t *ids);
uint64_t text_map_bytes(const struct text_map *m);

#endif
