/*
 * head_index.h - hash of (trace_id, span_id) -> row, for duplicate checks.
 *
 * Shape:     64 tables by the hash's top bits, each open addressing and grown on its own, so that
 *            no growth stops the writer for long. A slot is hash's low 32 bits << 32 | row + 1.
 * Size:      8 bytes a slot, at most 5/8 full.
 * Threads:   writer only.
 */
#ifndef DRIFTLINE_HEAD_INDEX_H
#define DRIFTLINE_HEAD_INDEX_H

#include "engine/head/head_memory.h"

#define HEAD_INDEX_PARTS     64u
#define HEAD_INDEX_PART_BITS 6u

struct head_index_part {
    uint64_t *slots;
    uint32_t mask;
    uint32_t used;
};

struct head_index {
    struct head_index_part parts[HEAD_INDEX_PARTS];
};

void head_index_init(struct head_index *x, struct head_memory *m);

static inline const struct head_index_part *head_index_part(const struct head_index *x,
                                                            uint64_t hash)
{
    return &x->parts[hash >> (64 - HEAD_INDEX_PART_BITS)];
}

static inline void head_index_prefetch(const struct head_index *x, uint64_t hash)
{
    const struct head_index_part *part = head_index_part(x, hash);
    __builtin_prefetch(&part->slots[(uint32_t)hash & part->mask]);
}

/*
 * Rows whose hash looks like this one; the caller compares keys:
 *     struct head_probe p = head_probe_start(x, hash);
 *     while ((row = head_probe_next(&p)) >= 0)
 * After it ended, head_index_insert puts a new row where it stopped.
 */
struct head_probe {
    const struct head_index_part *part;
    uint32_t slot;
    uint32_t fragment;
};

static inline struct head_probe head_probe_start(const struct head_index *x, uint64_t hash)
{
    const struct head_index_part *part = head_index_part(x, hash);
    return (struct head_probe){
        .part = part, .slot = (uint32_t)hash & part->mask, .fragment = (uint32_t)hash};
}

static inline int64_t head_probe_next(struct head_probe *p)
{
    for (;;) {
        uint64_t entry = p->part->slots[p->slot];
        if (entry == 0)
            return -1;
        p->slot = (p->slot + 1) & p->part->mask;
        if ((uint32_t)(entry >> 32) == p->fragment)
            return (int64_t)(uint32_t)entry - 1;
    }
}

void head_index_insert(struct head_index *x, struct head_memory *m, const struct head_probe *at,
                       uint64_t row);

#endif
