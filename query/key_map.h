/*
 * key_map.h - values of one column to small numbers, in order of first appearance; 0 is NULL.
 *
 * Invariant: every number but 0 belongs to a value some row had.
 * Place:   group_table, count(DISTINCT) -> [here]
 * Speed:   dictionary codes are translated through a table per dictionary; integers in a narrow range through a
 *          table per batch; everything else through a hash table.
 */
#ifndef DRIFTLINE_QUERY_KEY_MAP_H
#define DRIFTLINE_QUERY_KEY_MAP_H

#include "query/text_map.h"
#include "query/vec.h"

struct dict_ids;

struct key_map {
    enum phys phys;         /* CODES count as TEXT */
    struct text_map texts;  /* TEXT */
    struct dict_ids *dicts; /* translations, the latest first */
    /* Everything else: values[id], 8 or 16 bytes wide; BOOL and doubles as 8-byte integers. */
    uint8_t *values;
    size_t values_capacity;
    uint32_t count; /* ids in use, NULL included */
    uint32_t *table;
    uint32_t table_mask;
    uint64_t bytes; /* rough */
};

void key_map_init(struct key_map *m, enum phys phys);
void key_map_deinit(struct key_map *m);
uint32_t key_map_count(const struct key_map *m);
/* ids[i] of each row. */
void key_map_rows(struct key_map *m, const struct vec *v, uint32_t rows, uint32_t *ids,
                  struct scratch *scratch);
/* The same for time_bucket(width_ns, times): the bucket's start is the value. */
void key_map_bucket_rows(struct key_map *m, const struct vec *times, int64_t width_ns,
                         uint32_t rows, uint32_t *ids, struct scratch *scratch);
/* ret[id of from] = id in m. ret has key_map_count(from) places. */
void key_map_merge(struct key_map *m, const struct key_map *from, uint32_t *ret);
/* values[id] as a column of key_map_count rows; row 0 is NULL. TEXT, I64, F64, BOOL, ID64, ID128. */
struct vec key_map_values(const struct key_map *m, struct scratch *scratch);
uint64_t key_map_bytes(const struct key_map *m);

#endif
