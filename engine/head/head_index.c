/*
 * head_index.c - growth and insertion of the duplicate index.
 */
#include "engine/head/head_index.h"

#include "engine/base/check.h"

#define SLOTS_MIN 16u

void head_index_init(struct head_index *x, struct head_memory *m)
{
    for (uint32_t i = 0; i < HEAD_INDEX_PARTS; i++) {
        x->parts[i].slots = head_memory_zero(m, SLOTS_MIN, sizeof *x->parts[i].slots);
        x->parts[i].mask = SLOTS_MIN - 1;
        x->parts[i].used = 0;
    }
}

static void part_grow(struct head_index_part *part, struct head_memory *m)
{
    size_t before = (size_t)part->mask + 1;
    uint64_t *old = part->slots;
    part->slots = head_memory_zero(m, 2 * before, sizeof *part->slots);
    part->mask = (uint32_t)(2 * before - 1);
    for (size_t i = 0; i < before; i++) {
        if (old[i] == 0)
            continue;
        uint32_t slot = (uint32_t)(old[i] >> 32) & part->mask;
        while (part->slots[slot] != 0)
            slot = (slot + 1) & part->mask;
        part->slots[slot] = old[i];
    }
    head_memory_reuse(m, old, before, sizeof *old);
}

void head_index_insert(struct head_index *x, struct head_memory *m, const struct head_probe *at,
                       uint64_t row)
{
    ASSERT(row < UINT32_MAX);
    struct head_index_part *part = &x->parts[at->part - x->parts];
    DEBUG_ASSERT(part->slots[at->slot] == 0);
    part->slots[at->slot] = (uint64_t)at->fragment << 32 | (uint32_t)(row + 1);
    part->used++;
    if (part->used > part->mask / 8 * 5)
        part_grow(part, m);
}
