/*
 * head_dict.h - the append-only dictionary of one STR column of a head.
 *
 * Codes:     as everywhere: 0 is NULL, values start at 1, in order of arrival.
 * Threads:   one writer adds; readers call head_dict_read and may use what it returned until the
 *            head goes: an array that was outgrown stays (at most as much again).
 */
#ifndef DRIFTLINE_HEAD_DICT_H
#define DRIFTLINE_HEAD_DICT_H

#include <stdatomic.h>

#include "engine/head/head_memory.h"
#include "engine/span/vector.h"

struct head_dict {
    _Atomic(struct slice *) values;
    _Atomic uint32_t count; /* NULL included */
    uint32_t capacity;      /* of values; writer only, as all below */
    uint32_t slot_mask;
    /* Open addressing, at most half full: hash's low 32 bits << 32 | code; 0 is free. */
    uint64_t *slots;
};

void head_dict_init(struct head_dict *d, struct head_memory *m);
/* The code of a text, added when new. hash is hash64 of it. */
uint32_t head_dict_add(struct head_dict *d, struct head_memory *m, struct slice text,
                       uint64_t hash);
static inline void head_dict_prefetch(const struct head_dict *d, uint64_t hash)
{
    __builtin_prefetch(&d->slots[(uint32_t)hash & d->slot_mask]);
}
/* Writer only. */
struct slice head_dict_value(const struct head_dict *d, uint32_t code);
/* Every code of a row published before the call, and perhaps more. */
struct dict head_dict_read(const struct head_dict *d);

#endif
