/*
 * agg_distinct.c - count(DISTINCT x), exactly.
 *
 * Shape: values get numbers from one key_map for all groups; each group has a set of numbers: a short list, then an
 *        open-addressing table.
 */
#include "query/agg.h"
#include "query/key_map.h"

#include "engine/base/hash.h"

#define LIST_MAX 8u

/* ids[0 .. count) while table_mask is 0, else a table; 0 is free. */
struct id_set {
    uint32_t *ids;
    uint32_t count;
    uint32_t table_mask;
};

static void set_insert(struct id_set *s, uint32_t id)
{
    uint32_t at = (uint32_t)hash_mix(id) & s->table_mask;
    while (s->ids[at] != 0) {
        if (s->ids[at] == id)
            return;
        at = (at + 1) & s->table_mask;
    }
    s->ids[at] = id;
    s->count++;
}

static void set_grow(struct states *to, struct id_set *s)
{
    struct id_set bigger = {.table_mask =
                                s->table_mask == 0 ? 4 * LIST_MAX - 1 : s->table_mask * 2 + 1};
    uint32_t slots = s->table_mask == 0 ? s->count : s->table_mask + 1;
    bigger.ids = mem_zero((size_t)bigger.table_mask + 1, sizeof *bigger.ids);
    for (uint32_t i = 0; i < slots; i++)
        if (s->ids[i] != 0)
            set_insert(&bigger, s->ids[i]);
    to->heap_bytes += (bigger.table_mask + 1 - slots) * sizeof *bigger.ids;
    mem_free(s->ids);
    *s = bigger;
}

static void set_add(struct states *to, struct id_set *s, uint32_t id)
{
    if (s->table_mask == 0) {
        for (uint32_t i = 0; i < s->count; i++)
            if (s->ids[i] == id)
                return;
        if (s->ids == NULL) {
            s->ids = mem_alloc(LIST_MAX * sizeof *s->ids);
            to->heap_bytes += LIST_MAX * sizeof *s->ids;
        }
        if (s->count < LIST_MAX) {
            s->ids[s->count++] = id;
            return;
        }
        set_grow(to, s);
    }
    if (s->count > s->table_mask / 2)
        set_grow(to, s);
    set_insert(s, id);
}

static void distinct_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                            const struct vec *by, uint32_t rows)
{
    struct id_set *all = (struct id_set *)(void *)to->data;
    uint32_t *ids = SCRATCH_ARRAY(to->scratch, uint32_t, rows);
    (void)by;
    key_map_rows(to->values, arg, rows, ids, to->scratch);
    uint32_t last_group = UINT32_MAX;
    uint32_t last_id = 0;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t group = groups == NULL ? 0 : groups[i];
        /* Neighbours often are of one session. */
        if (group == last_group && ids[i] == last_id)
            continue;
        last_group = group;
        last_id = ids[i];
        set_add(to, &all[group], ids[i]);
    }
}

static void distinct_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    const struct id_set *s = from;
    uint32_t slots = s->table_mask == 0 ? s->count : s->table_mask + 1;
    for (uint32_t i = 0; i < slots; i++)
        if (s->ids[i] != 0)
            set_add(to, state, ids == NULL ? s->ids[i] : ids[s->ids[i]]);
}

static void distinct_release(void *state)
{
    mem_free(((struct id_set *)state)->ids);
}

const struct state_ops ops_distinct = {sizeof(struct id_set), distinct_update, distinct_merge, NULL,
                                       distinct_release};

bool distinct_count(const void *state, int64_t *ret)
{
    *ret = ((const struct id_set *)state)->count;
    return true;
}
