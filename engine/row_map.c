/*
 * row_map.c - open addressing, filled in strides so that the slots of a stride are on their way from memory
 * while its hashes are computed.
 */
#include "engine/row_map.h"

#include "engine/base/hash.h"

#define STRIDE 64u

uint64_t span_key_hash(uint64_t seed, struct id128 trace_id, uint64_t span_id)
{
    uint64_t half[2];
    memcpy(half, trace_id.bytes, sizeof half);
    return hash_mix(hash_mix(half[0] ^ seed) ^ half[1] ^ hash_mix(span_id + seed));
}

static bool row_is(const struct row_map *m, uint32_t row, struct id128 trace_id, uint64_t span_id)
{
    return m->spans[row] == span_id && id128_equal(m->traces[row], trace_id);
}

static bool row_add(struct row_map *m, uint32_t row, uint64_t hash)
{
    uint32_t slot = (uint32_t)hash & m->mask;
    while (m->slots[slot] != 0) {
        if (row_is(m, m->slots[slot] - 1, m->traces[row], m->spans[row]))
            return false;
        slot = (slot + 1) & m->mask;
    }
    m->slots[slot] = row + 1;
    return true;
}

uint32_t row_map_build(struct row_map *m, const struct id128 *traces, const uint64_t *spans,
                       uint32_t rows, uint64_t seed, struct arena *arena, uint8_t *repeated)
{
    uint32_t slot_count = 16;
    while (slot_count / 2 < rows)
        slot_count *= 2;
    *m = (struct row_map){.traces = traces, .spans = spans, .seed = seed, .mask = slot_count - 1};
    m->slots = arena_zero(arena, slot_count, sizeof *m->slots);
    uint32_t repeats = 0;
    uint64_t hashes[STRIDE];
    for (uint32_t first = 0; first < rows; first += STRIDE) {
        uint32_t count = rows - first < STRIDE ? rows - first : STRIDE;
        for (uint32_t i = 0; i < count; i++) {
            hashes[i] = span_key_hash(seed, traces[first + i], spans[first + i]);
            __builtin_prefetch(&m->slots[(uint32_t)hashes[i] & m->mask], 1);
        }
        for (uint32_t i = 0; i < count; i++) {
            bool added = row_add(m, first + i, hashes[i]);
            if (!added && repeated != NULL)
                repeated[first + i] = 1;
            repeats += !added;
        }
    }
    return repeats;
}

int64_t row_map_find(const struct row_map *m, struct id128 trace_id, uint64_t span_id)
{
    if (m->slots == NULL)
        return -1;
    uint32_t slot = (uint32_t)span_key_hash(m->seed, trace_id, span_id) & m->mask;
    while (m->slots[slot] != 0) {
        if (row_is(m, m->slots[slot] - 1, trace_id, span_id))
            return m->slots[slot] - 1;
        slot = (slot + 1) & m->mask;
    }
    return -1;
}
