/*
 * text_map.c - open addressing over 24-byte slots: two words of the text, its size, its number.
 *
 * Invariant: (first, second, size) is the text itself when size <= 16; for longer texts second is a hash and the bytes
 *            decide.
 */
#include "query/text_map.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

#define INLINE_BYTES 16u
#define AHEAD        64u /* look-ups in flight */
#define IDS_MAX      0xfffffff0u

struct text_slot {
    uint64_t first;
    uint64_t second;
    uint32_t size;
    uint32_t id; /* 0: free */
};

struct text_words {
    uint64_t first;
    uint64_t second;
    uint64_t hash;
};

void text_map_init(struct text_map *m)
{
    *m = (struct text_map){.count = 1, .slot_mask = 63};
    m->slots = block_zero((m->slot_mask + 1) * sizeof *m->slots);
    m->values = block_grow(NULL, &m->values_capacity, 64, sizeof *m->values);
    m->values[0] = SLICE_EMPTY;
}

void text_map_deinit(struct text_map *m)
{
    if (m->slots == NULL)
        return;
    text_store_deinit(&m->store);
    block_free(m->values, m->values_capacity * sizeof *m->values);
    block_free(m->slots, (m->slot_mask + 1) * sizeof *m->slots);
    *m = (struct text_map){0};
}

uint64_t text_map_bytes(const struct text_map *m)
{
    return m->store.bytes + m->values_capacity * sizeof *m->values +
           (m->slot_mask + 1) * sizeof *m->slots;
}

static uint64_t load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t load4(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Overlapping loads: with the size they determine every byte of a short text. */
static struct text_words words_of(struct slice text)
{
    struct text_words w = {0, 0, 0};
    const uint8_t *p = text.data;
    size_t size = text.size;
    if (size > INLINE_BYTES) {
        w.first = load8(p);
        w.second = hash64(text);
    } else if (size >= 8) {
        w.first = load8(p);
        w.second = load8(p + size - 8);
    } else if (size >= 4) {
        w.first = load4(p) | load4(p + size - 4) << 32;
    } else if (size > 0) {
        w.first = p[0] | (uint64_t)p[size / 2] << 8 | (uint64_t)p[size - 1] << 16;
    }
    w.hash = hash_mix(w.first ^ hash_mix(w.second + size * 0x9e3779b97f4a7c15u));
    return w;
}

static void grow(struct text_map *m)
{
    uint64_t mask = m->slot_mask * 2 + 1;
    struct text_slot *slots = block_zero((mask + 1) * sizeof *slots);
    for (uint64_t i = 0; i <= m->slot_mask; i++) {
        const struct text_slot *s = &m->slots[i];
        if (s->id == 0)
            continue;
        uint64_t at =
            hash_mix(s->first ^ hash_mix(s->second + s->size * 0x9e3779b97f4a7c15u)) & mask;
        while (slots[at].id != 0)
            at = (at + 1) & mask;
        slots[at] = *s;
    }
    block_free(m->slots, (m->slot_mask + 1) * sizeof *m->slots);
    m->slots = slots;
    m->slot_mask = mask;
}

static uint32_t add_one(struct text_map *m, struct slice text, const struct text_words *w)
{
    uint32_t size = (uint32_t)text.size;
    uint64_t at = w->hash & m->slot_mask;
    for (; m->slots[at].id != 0; at = (at + 1) & m->slot_mask) {
        const struct text_slot *s = &m->slots[at];
        if (s->first == w->first && s->second == w->second && s->size == size &&
            (size <= INLINE_BYTES || slice_equal(m->values[s->id], text)))
            return s->id;
    }
    ASSERT(m->count < IDS_MAX);
    uint32_t id = m->count++;
    m->values = block_grow(m->values, &m->values_capacity, m->count, sizeof *m->values);
    m->values[id] = text_store_add(&m->store, text);
    m->slots[at] = (struct text_slot){w->first, w->second, size, id};
    if (m->count > m->slot_mask / 2)
        grow(m);
    return id;
}

void text_map_add(struct text_map *m, const struct slice *texts, uint32_t count, uint32_t *ids)
{
    struct text_words words[AHEAD];
    for (uint32_t first = 0; first < count; first += AHEAD) {
        uint32_t some = count - first < AHEAD ? count - first : AHEAD;
        for (uint32_t i = 0; i < some; i++) {
            words[i] = words_of(texts[first + i]);
            __builtin_prefetch(&m->slots[words[i].hash & m->slot_mask]);
        }
        for (uint32_t i = 0; i < some; i++)
            ids[first + i] = add_one(m, texts[first + i], &words[i]);
    }
}
