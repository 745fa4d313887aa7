/*
 * emit.c - groups to rows: their keys and the values of their aggregates.
 */
#include "engine/base/check.h"
#include "engine/base/limits.h"

#include "query/exec.h"

/* Key texts move over from their key map; the groups are not needed any more. */
static void emit_keys(const struct plan *plan, struct group_table *table, const uint32_t *groups,
                      uint64_t count, struct relation *to)
{
    struct scratch scratch = {0};
    uint32_t *ids = mem_alloc((count + 1) * sizeof *ids);
    for (uint32_t k = 0; k < plan->key_count; k++) {
        struct vec values = key_map_values(&table->keys[k], &scratch);
        struct relation_column *c = &to->columns[k];
        for (uint64_t i = 0; i < count; i++)
            ids[i] = group_key(table, groups[i], k);
        copy_picked(1, values.valid, ids, count, c->valid);
        copy_picked(phys_width(c->phys), values.data, ids, count, c->data);
        if (c->phys == PHYS_TEXT)
            text_store_take(&to->texts, &table->keys[k].texts.store);
    }
    mem_free(ids);
    scratch_deinit(&scratch);
}

static enum status emit_rows(const struct plan *plan, struct windows *windows, struct relation *to,
                             uint32_t *groups, struct error *reterr)
{
    enum status s;
    uint32_t group;
    while ((s = windows_next(windows, &group, reterr)) == STATUS_OK) {
        uint64_t row = to->rows;
        groups[row] = group;
        for (uint32_t a = 0; a < plan->aggregate_count; a++) {
            struct relation_column *c = &to->columns[plan->key_count + a];
            size_t width = phys_width(c->phys);
            c->valid[row] = 0;
            memset(c->data + row * width, 0, width);
            if (c->phys == PHYS_TEXT)
                ((struct slice *)(void *)c->data)[row] = SLICE_EMPTY;
            if (!plan->aggregates[a].used)
                continue;
            struct column_out out = {
                .phys = c->phys, .valid = c->valid, .data = c->data, .texts = &to->texts};
            if ((s = windows_final(windows, a, &out, (uint32_t)row, reterr)) < 0)
                return s;
        }
        to->rows++;
    }
    return s == STATUS_END ? STATUS_OK : s;
}

enum status groups_emit(const struct plan *plan, struct group_sink *groups, struct run *run,
                        struct relation *ret, struct error *reterr)
{
    uint32_t columns = plan->key_count + plan->aggregate_count;
    enum phys *phys = mem_zero(columns + 1, sizeof *phys);
    uint32_t *order = mem_alloc(((size_t)groups->table.count + 1) * sizeof *order);
    for (uint32_t k = 0; k < plan->key_count; k++)
        phys[k] = plan->keys[k]->phys;
    for (uint32_t a = 0; a < plan->aggregate_count; a++)
        phys[plan->key_count + a] = plan->aggregates[a].phys;
    relation_init(ret, phys, columns);
    mem_free(phys);
    relation_reserve(ret, groups->table.count);
    struct windows *windows = windows_create(plan, groups, run);
    enum status s = emit_rows(plan, windows, ret, order, reterr);
    if (s == STATUS_OK)
        emit_keys(plan, &groups->table, order, ret->rows, ret);
    windows_destroy(windows);
    mem_free(order);
    if (s < 0)
        relation_deinit(ret);
    return s;
}
