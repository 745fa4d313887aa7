/*
 * word_set.c - open addressing with linear probing, at most half full.
 */
#include "engine/enrich/word_set.h"

#define SLOTS_MIN 16u

static struct word_set slots_zeroed(uint32_t slot_count)
{
    return (struct word_set){
        .slots = mem_zero(slot_count, sizeof(uint32_t)),
        .mask = slot_count - 1,
        .capacity = slot_count,
    };
}

/* True: it stands in the set now and didn't before. */
static bool word_set_put(struct word_set *set, uint32_t hash)
{
    for (uint32_t i = hash >> 2, end = i + WORD_PROBES_MAX; i != end; i++) {
        uint32_t *slot = &set->slots[i & set->mask];
        if (*slot == hash)
            return false;
        if (*slot == 0) {
            *slot = hash;
            set->count++;
            return true;
        }
    }
    return false;
}

static void word_set_grow(struct word_set *set)
{
    uint32_t slot_count = set->slots == NULL ? SLOTS_MIN : (set->mask + 1) * 2;
    struct word_set grown = slots_zeroed(slot_count);
    for (uint32_t i = 0; set->slots != NULL && i <= set->mask; i++) {
        if (set->slots[i] != 0)
            (void)word_set_put(&grown, set->slots[i]);
    }
    mem_free(set->slots);
    *set = grown;
}

bool word_set_add(struct word_set *set, uint32_t hash)
{
    if (set->count >= WORD_SET_MAX)
        return false;
    if (set->slots == NULL || (set->count + 1) * 2 > set->mask + 1)
        word_set_grow(set);
    return word_set_put(set, hash);
}

void word_set_reset(struct word_set *set, size_t expected)
{
    set->count = 0;
    if (set->slots == NULL)
        return;
    uint32_t slot_count = SLOTS_MIN;
    while (slot_count < set->capacity && slot_count / 2 < expected)
        slot_count *= 2;
    set->mask = slot_count - 1;
    memset(set->slots, 0, slot_count * sizeof *set->slots);
}

struct word_set word_set_copy(const struct word_set *set)
{
    struct word_set copy = {0};
    if (set->count == 0)
        return copy;
    uint32_t slot_count = SLOTS_MIN;
    while (slot_count < set->count * 2)
        slot_count *= 2;
    copy = slots_zeroed(slot_count);
    for (uint32_t i = 0; i <= set->mask; i++) {
        if (set->slots[i] != 0)
            (void)word_set_put(&copy, set->slots[i]);
    }
    return copy;
}

uint32_t word_set_shared(const struct word_set *a, const struct word_set *b)
{
    if (a->count > b->count) {
        const struct word_set *larger = a;
        a = b;
        b = larger;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; a->count != 0 && i <= a->mask; i++) {
        if (a->slots[i] != 0)
            count += word_set_has(b, a->slots[i]);
    }
    return count;
}

void word_set_deinit(struct word_set *set)
{
    mem_free(set->slots);
    *set = (struct word_set){0};
}

size_t word_set_bytes(const struct word_set *set)
{
    return set->capacity * sizeof(uint32_t);
}
