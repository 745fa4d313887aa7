/*
 * exec_group.c - the sink for groups: key numbers, group numbers, aggregate states.
 */
#include "query/exec.h"

#include "query/function.h"

void group_sink_init(struct worker *w)
{
    const struct plan *plan = w->stage->plan;
    struct group_sink *g = &w->groups;
    enum phys phys[GROUP_KEYS_MAX];
    for (uint32_t k = 0; k < plan->key_count; k++)
        phys[k] = plan->keys[k]->phys;
    group_table_init(&g->table, phys, plan->key_count);
    g->states = mem_zero(plan->state_count + 1, sizeof *g->states);
    for (uint32_t i = 0; i < plan->state_count; i++) {
        states_init(&g->states[i], &plan->states[i], &w->scratch);
        /* Without keys there is one group, even of no rows. */
        if (plan->key_count == 0)
            states_resize(&g->states[i], 1);
    }
    if (plan->key_count == 0)
        g->table.count = 1;
}

void group_sink_deinit(struct worker *w)
{
    struct group_sink *g = &w->groups;
    for (uint32_t i = 0; g->states != NULL && i < w->stage->plan->state_count; i++)
        states_deinit(&g->states[i]);
    mem_free(g->states);
    group_table_deinit(&g->table);
    run_discharge(w->stage->x->run, g->charged);
    *g = (struct group_sink){0};
}

static enum status key_numbers(struct worker *w, struct eval *ev, uint32_t k, uint32_t *ids)
{
    const struct plan *plan = w->stage->plan;
    const struct expr *key = plan->keys[k];
    struct key_map *map = &w->groups.table.keys[k];
    struct vec v;
    enum status s;
    if (key->kind == EXPR_CALL && key->function->tag == TAG_BUCKET && key->dict_slot == 0) {
        if ((s = eval_expr(ev, key->args[1], &v)) < 0)
            return s;
        key_map_bucket_rows(map, &v, key->args[0]->value.i64, ev->rows, ids, &w->scratch);
        return STATUS_OK;
    }
    if ((s = eval_expr(ev, key, &v)) < 0)
        return s;
    key_map_rows(map, &v, ev->rows, ids, &w->scratch);
    return STATUS_OK;
}

/* The group of each row; NULL when there is one group. */
static enum status group_numbers(struct worker *w, struct eval *ev, uint32_t **ret)
{
    const struct plan *plan = w->stage->plan;
    uint32_t *ids[GROUP_KEYS_MAX];
    *ret = NULL;
    if (plan->key_count == 0)
        return STATUS_OK;
    for (uint32_t k = 0; k < plan->key_count; k++) {
        ids[k] = SCRATCH_ARRAY(&w->scratch, uint32_t, ev->rows);
        enum status s = key_numbers(w, ev, k, ids[k]);
        if (s < 0)
            return s;
    }
    uint32_t *groups = SCRATCH_ARRAY(&w->scratch, uint32_t, ev->rows);
    group_table_rows(&w->groups.table, ids, ev->rows, groups, &w->scratch);
    *ret = groups;
    return STATUS_OK;
}

/* States often share arguments: each is computed once a batch. */
struct values {
    const struct expr **exprs;
    struct vec *vecs;
    uint32_t count;
};

static enum status value_of(struct eval *ev, struct values *values, const struct expr *e,
                            struct vec *ret)
{
    if (e->kind == EXPR_COLUMN) {
        *ret = ev->columns[e->column];
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < values->count; i++)
        if (values->exprs[i] == e || expr_equal(values->exprs[i], e)) {
            *ret = values->vecs[i];
            return STATUS_OK;
        }
    enum status s = eval_expr(ev, e, ret);
    if (s < 0)
        return s;
    values->exprs[values->count] = e;
    values->vecs[values->count++] = *ret;
    return STATUS_OK;
}

static enum status update_state(struct worker *w, struct eval *ev, struct values *values,
                                struct states *states, const uint32_t *groups)
{
    enum status s;
    const struct state_spec *spec = states->spec;
    struct vec arg;
    struct vec by;
    struct vec filter;
    uint8_t *mask = NULL;
    if (spec->filter != NULL) {
        if ((s = value_of(ev, values, spec->filter, &filter)) < 0)
            return s;
        vec_expand(&filter, ev->rows, &w->scratch);
        mask = SCRATCH_ARRAY(&w->scratch, uint8_t, ev->rows);
        memcpy(mask, filter.truth, ev->rows);
        if (filter.valid != NULL)
            (void)mask_and(mask, filter.valid, ev->rows);
    }
    /* The argument of a row that FILTER drops must not fail. */
    const uint8_t *active = ev->active;
    ev->active = mask;
    if (spec->arg != NULL)
        s = mask == NULL ? value_of(ev, values, spec->arg, &arg) : eval_expr(ev, spec->arg, &arg);
    else
        s = STATUS_OK;
    if (s == STATUS_OK && spec->by != NULL)
        s = eval_expr(ev, spec->by, &by);
    ev->active = active;
    if (s == STATUS_OK)
        states_update(states, groups, spec->arg == NULL ? NULL : &arg,
                      spec->by == NULL ? NULL : &by, mask, ev->rows);
    return s;
}

static enum status charge(struct worker *w, struct error *reterr)
{
    struct group_sink *g = &w->groups;
    uint64_t bytes = group_table_bytes(&g->table);
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < w->stage->plan->state_count; i++)
        bytes += states_bytes(&g->states[i]);
    if (bytes > g->charged)
        s = run_charge(w->stage->x->run, bytes - g->charged, reterr);
    if (s == STATUS_OK && bytes > g->charged)
        g->charged = bytes;
    return s;
}

enum status group_sink_push(struct worker *w, const struct vec *columns, uint32_t rows,
                            struct error *reterr)
{
    enum status s;
    const struct plan *plan = w->stage->plan;
    struct group_sink *g = &w->groups;
    struct eval ev;
    uint32_t *groups;
    worker_eval(w, columns, rows, &ev, reterr);
    if ((s = group_numbers(w, &ev, &groups)) < 0)
        return s;
    struct values values = {
        .exprs = SCRATCH_ARRAY(&w->scratch, const struct expr *, 2 * plan->state_count + 1),
        .vecs = SCRATCH_ARRAY(&w->scratch, struct vec, 2 * plan->state_count + 1)};
    for (uint32_t i = 0; i < plan->state_count; i++) {
        if (!plan->states[i].used)
            continue;
        states_resize(&g->states[i], g->table.count);
        if ((s = update_state(w, &ev, &values, &g->states[i], groups)) < 0)
            return s;
    }
    return charge(w, reterr);
}

enum status group_sink_join(struct worker *to, struct worker *from, struct error *reterr)
{
    const struct plan *plan = to->stage->plan;
    struct group_table *a = &to->groups.table;
    const struct group_table *b = &from->groups.table;
    uint32_t *map = mem_zero((size_t)b->count + 1, sizeof *map);
    if (plan->key_count > 0)
        group_table_merge(a, b, map, &to->scratch);
    for (uint32_t i = 0; i < plan->state_count; i++) {
        states_resize(&to->groups.states[i], a->count);
        states_merge(&to->groups.states[i], &from->groups.states[i], map);
    }
    mem_free(map);
    enum status s = charge(to, reterr);
    return s < 0 ? s : run_check(to->stage->x->run, reterr);
}
