/*
 * emit.c - groups to rows: their keys and the values of their aggregates.
 */
#include "engine/base/check.h"
#include "engine/base/limits.h"

#include "query/exec.h"

static void emit_keys(const struct plan *plan, const struct group_table *table,
                      const uint32_t *groups, uint64_t count, struct relation *to)
{
    struct scratch scratch = {0};
    for (uint32_t k = 0; k < plan->key_count; k++) {
        struct vec values = key_map_values(&table->keys[k], &scratch);
        struct relation_column *c = &to->columns[k];
        size_t width = phys_width(c->phys);
        for (uint64_t i = 0; i < count; i++) {
            uint32_t id = table->group_keys[(uint64_t)groups[i] * plan->key_count + k];
            c->valid[i] = values.valid[id];
            memcpy(c->data + i * width, (const uint8_t *)values.data + id * width, width);
            if (c->phys == PHYS_TEXT && c->valid[i]) {
                struct slice *text = (struct slice *)(void *)c->data + i;
                *text = arena_copy(&to->texts, *text);
            }
        }
    }
    scratch_deinit(&scratch);
}

static enum status emit_rows(const struct plan *plan, struct windows *windows, struct relation *to,
                             uint32_t **groups, size_t *capacity, struct error *reterr)
{
    enum status s;
    uint32_t group;
    while ((s = windows_next(windows, &group, reterr)) == STATUS_OK) {
        uint64_t row = to->rows;
        relation_reserve(to, 1);
        *groups = mem_grow(*groups, capacity, row + 1, sizeof **groups);
        (*groups)[row] = group;
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
                .phys = c->phys, .valid = c->valid, .data = c->data, .arena = &to->texts};
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
    uint32_t *order = NULL;
    size_t capacity = 0;
    for (uint32_t k = 0; k < plan->key_count; k++)
        phys[k] = plan->keys[k]->phys;
    for (uint32_t a = 0; a < plan->aggregate_count; a++)
        phys[plan->key_count + a] = plan->aggregates[a].phys;
    relation_init(ret, phys, columns);
    mem_free(phys);
    struct windows *windows = windows_create(plan, groups, run);
    enum status s = emit_rows(plan, windows, ret, &order, &capacity, reterr);
    if (s == STATUS_OK)
        emit_keys(plan, &groups->table, order, ret->rows, ret);
    windows_destroy(windows);
    mem_free(order);
    if (s < 0)
        relation_deinit(ret);
    return s;
}
