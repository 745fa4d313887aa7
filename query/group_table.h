/*
 * group_table.h - combinations of group keys to group numbers.
 *
 * Place: key_map (a number a key) -> [here] (a number a combination) -> states
 * Shape: with one key, a group's number is its value's number. With more, while the key numbers fit into DENSE_BITS together, a plain array indexed by their concatenated bits; a hash
 *        table otherwise.
 */
#ifndef DRIFTLINE_QUERY_GROUP_TABLE_H
#define DRIFTLINE_QUERY_GROUP_TABLE_H

#include "query/key_map.h"

#define GROUP_KEYS_MAX 32u

struct group_table {
    uint32_t key_count;
    struct key_map *keys;
    uint32_t count;       /* groups */
    uint32_t *group_keys; /* [group * key_count + key] = number of the key's value */
    size_t group_keys_capacity;
    uint8_t bits[GROUP_KEYS_MAX]; /* the dense index gives each key */
    bool is_dense;
    uint32_t *table; /* group + 1; 0: free */
    uint64_t table_size;
    uint64_t table_mask; /* hash */
    bool null_seen;      /* one key: the group of NULL, number 0, has rows */
};

/* The number of group g's value of key k. */
static inline uint32_t group_key(const struct group_table *t, uint32_t g, uint32_t k)
{
    return t->key_count == 1 ? g : t->group_keys[(uint64_t)g * t->key_count + k];
}
/* Does the group have rows? */
static inline bool group_exists(const struct group_table *t, uint32_t g)
{
    return t->key_count != 1 || g != 0 || t->null_seen;
}

void group_table_init(struct group_table *t, const enum phys *phys, uint32_t key_count);
void group_table_deinit(struct group_table *t);
/* groups[i] of the row whose key k has number ids[k][i]; new combinations become groups. */
void group_table_rows(struct group_table *t, uint32_t *const *ids, uint32_t rows, uint32_t *groups,
                      struct scratch *scratch);
/* map[group of from] = group in t. */
void group_table_merge(struct group_table *t, const struct group_table *from, uint32_t *map,
                       struct scratch *scratch);
uint64_t group_table_bytes(const struct group_table *t);

#endif
