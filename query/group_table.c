/*
 * group_table.c - dense and hashed look-up of key combinations.
 */
#include "query/group_table.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"

#include "query/hot.h"

#define DENSE_BITS 22u /* a table of 16 MiB at most */

void group_table_init(struct group_table *t, const enum phys *phys, uint32_t key_count)
{
    *t = (struct group_table){.key_count = key_count, .is_dense = true};
    t->keys = mem_zero(key_count + 1, sizeof *t->keys);
    for (uint32_t k = 0; k < key_count; k++)
        key_map_init(&t->keys[k], phys[k]);
}

void group_table_deinit(struct group_table *t)
{
    for (uint32_t k = 0; t->keys != NULL && k < t->key_count; k++)
        key_map_deinit(&t->keys[k]);
    mem_free(t->keys);
    block_free(t->group_keys, t->group_keys_capacity * sizeof *t->group_keys);
    block_free(t->table, t->table_size * sizeof *t->table);
    *t = (struct group_table){0};
}

uint64_t group_table_bytes(const struct group_table *t)
{
    uint64_t bytes = t->table_size * sizeof *t->table + t->group_keys_capacity * sizeof(uint32_t);
    for (uint32_t k = 0; k < t->key_count; k++)
        bytes += key_map_bytes(&t->keys[k]);
    return bytes;
}

static uint64_t hash_keys(const uint32_t *keys, uint32_t key_count)
{
    uint64_t hash = 0;
    for (uint32_t k = 0; k < key_count; k++)
        hash = hash_mix(hash * 0x9e3779b97f4a7c15u + keys[k] + 1);
    return hash;
}

static uint64_t dense_index(const struct group_table *t, const uint32_t *keys)
{
    uint64_t index = 0;
    uint32_t shift = 0;
    for (uint32_t k = 0; k < t->key_count; k++) {
        index |= (uint64_t)keys[k] << shift;
        shift += t->bits[k];
    }
    return index;
}

static void place_group(struct group_table *t, uint32_t group)
{
    const uint32_t *keys = t->group_keys + (uint64_t)group * t->key_count;
    if (t->is_dense) {
        t->table[dense_index(t, keys)] = group + 1;
        return;
    }
    uint64_t at = hash_keys(keys, t->key_count) & t->table_mask;
    while (t->table[at] != 0)
        at = (at + 1) & t->table_mask;
    t->table[at] = group + 1;
}

static void rebuild(struct group_table *t, uint64_t size)
{
    block_free(t->table, t->table_size * sizeof *t->table);
    t->table = block_zero(size * sizeof *t->table);
    t->table_size = size;
    t->table_mask = size - 1;
    for (uint32_t g = 0; g < t->count; g++)
        place_group(t, g);
}

/* Makes the index wide enough for all key numbers; switches to hashing when it would be too wide. */
static void fit_keys(struct group_table *t)
{
    uint32_t total = 0;
    bool changed = t->table == NULL;
    for (uint32_t k = 0; k < t->key_count; k++) {
        uint32_t count = key_map_count(&t->keys[k]);
        uint8_t bits = t->bits[k];
        while ((1ull << bits) < count)
            bits++;
        changed |= bits != t->bits[k];
        t->bits[k] = bits;
        total += bits;
    }
    if (!changed || !t->is_dense)
        return;
    if (total <= DENSE_BITS) {
        rebuild(t, 1ull << total);
        return;
    }
    t->is_dense = false;
    uint64_t size = 4096;
    while (size < 4ull * t->count)
        size *= 2;
    rebuild(t, size);
}

static uint32_t add_group(struct group_table *t, uint32_t *const *ids, uint32_t row)
{
    t->group_keys = block_grow(t->group_keys, &t->group_keys_capacity,
                               ((size_t)t->count + 1) * t->key_count, sizeof *t->group_keys);
    for (uint32_t k = 0; k < t->key_count; k++)
        t->group_keys[(uint64_t)t->count * t->key_count + k] = ids[k][row];
    return t->count++;
}

HOT static void index_first(const uint32_t *restrict ids, uint32_t rows, uint32_t *restrict index)
{
    for (uint32_t i = 0; i < rows; i++)
        index[i] = ids[i];
}

HOT static void index_next(const uint32_t *restrict ids, uint32_t shift, uint32_t rows,
                           uint32_t *restrict index)
{
    for (uint32_t i = 0; i < rows; i++)
        index[i] |= ids[i] << shift;
}

static void dense_rows(struct group_table *t, uint32_t *const *ids, uint32_t rows, uint32_t *groups)
{
    uint32_t shift = t->bits[0];
    index_first(ids[0], rows, groups);
    for (uint32_t k = 1; k < t->key_count; k++) {
        index_next(ids[k], shift, rows, groups);
        shift += t->bits[k];
    }
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t *place = &t->table[groups[i]];
        if (__builtin_expect(*place == 0, 0))
            *place = add_group(t, ids, i) + 1;
        groups[i] = *place - 1;
    }
}

static uint32_t hash_row(struct group_table *t, uint32_t *const *ids, uint32_t row)
{
    uint32_t keys[GROUP_KEYS_MAX];
    for (uint32_t k = 0; k < t->key_count; k++)
        keys[k] = ids[k][row];
    uint64_t at = hash_keys(keys, t->key_count) & t->table_mask;
    for (; t->table[at] != 0; at = (at + 1) & t->table_mask)
        if (memcmp(t->group_keys + (uint64_t)(t->table[at] - 1) * t->key_count, keys,
                   t->key_count * sizeof *keys) == 0)
            return t->table[at] - 1;
    uint32_t group = add_group(t, ids, row);
    t->table[at] = group + 1;
    if (t->count > t->table_mask / 2)
        rebuild(t, t->table_size * 2);
    return group;
}

static bool row_repeats(const struct group_table *t, uint32_t *const *ids, uint32_t row)
{
    for (uint32_t k = 0; k < t->key_count; k++)
        if (ids[k][row] != ids[k][row - 1])
            return false;
    return true;
}

HOT static bool any_zero(const uint32_t *ids, uint32_t rows)
{
    uint32_t any = 0;
    for (uint32_t i = 0; i < rows; i++)
        any |= ids[i] == 0;
    return any != 0;
}

void group_table_rows(struct group_table *t, uint32_t *const *ids, uint32_t rows, uint32_t *groups,
                      struct scratch *scratch)
{
    (void)scratch;
    ASSERT(t->key_count > 0);
    if (t->key_count == 1) {
        memcpy(groups, ids[0], rows * sizeof *groups);
        t->null_seen = t->null_seen || any_zero(groups, rows);
        t->count = key_map_count(&t->keys[0]);
        return;
    }
    fit_keys(t);
    if (t->is_dense) {
        dense_rows(t, ids, rows, groups);
        return;
    }
    for (uint32_t i = 0; i < rows; i++)
        groups[i] = i > 0 && row_repeats(t, ids, i) ? groups[i - 1] : hash_row(t, ids, i);
}

void group_table_merge(struct group_table *t, const struct group_table *from, uint32_t *map,
                       struct scratch *scratch)
{
    uint32_t *translate[GROUP_KEYS_MAX];
    uint32_t *ids[GROUP_KEYS_MAX];
    if (t->key_count == 1) {
        key_map_merge(&t->keys[0], &from->keys[0], map);
        t->count = key_map_count(&t->keys[0]);
        t->null_seen = t->null_seen || from->null_seen;
        return;
    }
    for (uint32_t k = 0; k < t->key_count; k++) {
        translate[k] = mem_alloc(key_map_count(&from->keys[k]) * sizeof(uint32_t));
        key_map_merge(&t->keys[k], &from->keys[k], translate[k]);
        ids[k] = mem_alloc(BLOCK_ROWS * sizeof(uint32_t));
    }
    for (uint32_t first = 0; first < from->count; first += BLOCK_ROWS) {
        uint32_t rows = from->count - first < BLOCK_ROWS ? from->count - first : BLOCK_ROWS;
        for (uint32_t k = 0; k < t->key_count; k++)
            for (uint32_t i = 0; i < rows; i++)
                ids[k][i] =
                    translate[k][from->group_keys[(uint64_t)(first + i) * t->key_count + k]];
        group_table_rows(t, ids, rows, map + first, scratch);
    }
    for (uint32_t k = 0; k < t->key_count; k++) {
        mem_free(translate[k]);
        mem_free(ids[k]);
    }
}
