/*
 * intern.c - open addressing with linear probing over codes; half of the slots stay free.
 *
 * The table holds codes only; the hash of a code is compared before its bytes are, so a probe that
 * passes other strings rarely touches them.
 */
#include "engine/base/intern.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

#define TABLE_SLOTS_MIN  16u
#define INTERN_COUNT_MAX (1u << 30)

void intern_init(struct intern *in)
{
    *in = (struct intern){.count = 1, .table_mask = TABLE_SLOTS_MIN - 1};
    in->values = mem_grow(NULL, &in->values_capacity, 1, sizeof *in->values);
    in->hashes = mem_grow(NULL, &in->hashes_capacity, 1, sizeof *in->hashes);
    in->values[0] = SLICE_EMPTY;
    in->hashes[0] = 0;
    in->table = mem_zero(TABLE_SLOTS_MIN, sizeof *in->table);
}

void intern_deinit(struct intern *in)
{
    if (in == NULL)
        return;
    arena_deinit(&in->arena);
    mem_free(in->values);
    mem_free(in->hashes);
    mem_free(in->table);
    *in = (struct intern){0};
}

void intern_reset(struct intern *in)
{
    if (in->count == 1)
        return;
    arena_reset(&in->arena);
    memset(in->table, 0, ((size_t)in->table_mask + 1) * sizeof *in->table);
    in->count = 1;
}

static void table_grow(struct intern *in)
{
    size_t slots = 2 * ((size_t)in->table_mask + 1);
    mem_free(in->table);
    in->table = mem_zero(slots, sizeof *in->table);
    in->table_mask = (uint32_t)(slots - 1);
    for (uint32_t code = 1; code < in->count; code++) {
        uint32_t slot = (uint32_t)in->hashes[code] & in->table_mask;
        while (in->table[slot] != 0)
            slot = (slot + 1) & in->table_mask;
        in->table[slot] = code;
    }
}

/* The slot that holds text, or the free one where it would go. */
static uint32_t slot_find(const struct intern *in, struct slice text, uint64_t hash)
{
    uint32_t slot = (uint32_t)hash & in->table_mask;
    for (;;) {
        uint32_t code = in->table[slot];
        if (code == 0 || (in->hashes[code] == hash && slice_equal(in->values[code], text)))
            return slot;
        slot = (slot + 1) & in->table_mask;
    }
}

uint32_t intern_add_hashed(struct intern *in, struct slice text, uint64_t hash)
{
    uint32_t slot = slot_find(in, text, hash);
    if (in->table[slot] != 0)
        return in->table[slot];
    ASSERT(in->count < INTERN_COUNT_MAX);
    if (in->count > in->table_mask / 2) {
        table_grow(in);
        slot = slot_find(in, text, hash);
    }
    uint32_t code = in->count;
    in->values = mem_grow(in->values, &in->values_capacity, (size_t)code + 1, sizeof *in->values);
    in->hashes = mem_grow(in->hashes, &in->hashes_capacity, (size_t)code + 1, sizeof *in->hashes);
    in->values[code] = arena_copy(&in->arena, text);
    in->hashes[code] = hash;
    in->table[slot] = code;
    in->count = code + 1;
    return code;
}

uint32_t intern_add(struct intern *in, struct slice text)
{
    return intern_add_hashed(in, text, hash64(text));
}

uint32_t intern_find(const struct intern *in, struct slice text)
{
    return in->table[slot_find(in, text, hash64(text))];
}
