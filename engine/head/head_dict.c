/*
 * head_dict.c - a slot carries 32 bits of the hash, so that growing the table touches no strings
 * and a probe reads a value only when it is almost surely the one.
 */
#include "engine/head/head_dict.h"

#include "engine/base/check.h"

#define VALUES_MIN 8u
#define SLOTS_MIN  16u
#define CODES_MAX  (1u << 30)

void head_dict_init(struct head_dict *d, struct head_memory *m)
{
    struct slice *values = head_memory_zero(m, VALUES_MIN, sizeof *values);
    values[0] = SLICE_EMPTY;
    d->capacity = VALUES_MIN;
    d->slots = head_memory_zero(m, SLOTS_MIN, sizeof *d->slots);
    d->slot_mask = SLOTS_MIN - 1;
    atomic_store_explicit(&d->values, values, memory_order_release);
    atomic_store_explicit(&d->count, 1, memory_order_release);
}

static void slots_grow(struct head_dict *d, struct head_memory *m)
{
    size_t before = (size_t)d->slot_mask + 1;
    uint64_t *old = d->slots;
    d->slots = head_memory_zero(m, 2 * before, sizeof *d->slots);
    d->slot_mask = (uint32_t)(2 * before - 1);
    for (size_t i = 0; i < before; i++) {
        if (old[i] == 0)
            continue;
        uint32_t slot = (uint32_t)(old[i] >> 32) & d->slot_mask;
        while (d->slots[slot] != 0)
            slot = (slot + 1) & d->slot_mask;
        d->slots[slot] = old[i];
    }
    head_memory_reuse(m, old, before, sizeof *old);
}

/* Readers may hold the old array: values below their count are the same in both. */
static struct slice *values_grow(struct head_dict *d, struct head_memory *m, struct slice *old)
{
    struct slice *values = head_memory_zero(m, 2 * (size_t)d->capacity, sizeof *values);
    memcpy(values, old, d->capacity * sizeof *values);
    d->capacity *= 2;
    atomic_store_explicit(&d->values, values, memory_order_release);
    return values;
}

uint32_t head_dict_add(struct head_dict *d, struct head_memory *m, struct slice text, uint64_t hash)
{
    struct slice *values = atomic_load_explicit(&d->values, memory_order_relaxed);
    uint32_t code = atomic_load_explicit(&d->count, memory_order_relaxed);
    if (code > d->slot_mask / 2)
        slots_grow(d, m);
    uint32_t slot = (uint32_t)hash & d->slot_mask;
    for (; d->slots[slot] != 0; slot = (slot + 1) & d->slot_mask) {
        uint32_t found = (uint32_t)d->slots[slot];
        if ((uint32_t)(d->slots[slot] >> 32) == (uint32_t)hash && slice_equal(values[found], text))
            return found;
    }
    ASSERT(code < CODES_MAX);
    if (code == d->capacity)
        values = values_grow(d, m, values);
    values[code] = head_memory_text(m, text);
    d->slots[slot] = hash << 32 | code;
    atomic_store_explicit(&d->count, code + 1, memory_order_release);
    return code;
}

struct slice head_dict_value(const struct head_dict *d, uint32_t code)
{
    DEBUG_ASSERT(code < atomic_load_explicit(&d->count, memory_order_relaxed));
    return atomic_load_explicit(&d->values, memory_order_relaxed)[code];
}

struct dict head_dict_read(const struct head_dict *d)
{
    /* The count first: an array loaded later holds at least as many values. */
    uint32_t count = atomic_load_explicit(&d->count, memory_order_acquire);
    const struct slice *values = atomic_load_explicit(&d->values, memory_order_acquire);
    return (struct dict){.values = values, .count = count};
}
