/*
 * mask_memory.h - the way from the address a client knows a message by to the address it is stored under, once masked.
 *
 * Bounds:    MASK_MEMORY_PAIRS pairs, more than the references of any batch, so that bodies sent one after another for one batch
 *            never put each other out.
 * Eviction:  second chance: a hand goes round; who was asked for since it last came by stays once more.
 * Threads:   one user at a time.
 */
#ifndef DRIFTLINE_ENRICH_MASK_MEMORY_H
#define DRIFTLINE_ENRICH_MASK_MEMORY_H

#include "engine/base/id.h"
#include "engine/base/memory.h"

#define MASK_MEMORY_PAIRS 131072u

struct mask_memory;

struct mask_memory *mask_memory_create(void);
void mask_memory_destroy(struct mask_memory *m);
/* project: a hash of its name; rules differ between projects. stored may equal sent: there was nothing to mask. */
void mask_memory_note(struct mask_memory *m, uint64_t project, struct id128 sent,
                      struct id128 stored);
bool mask_memory_find(struct mask_memory *m, uint64_t project, struct id128 sent,
                      struct id128 *ret_stored);

#endif
