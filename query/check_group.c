/*
 * check_group.c - turns a checked SELECT with aggregates into expressions over its groups, and settles which rows windows
 * look back to.
 *
 * Rule:     the lower time bound of WHERE says which buckets (or groups) come out and what ordinary aggregates count;
 *           ROLLING, drift and baseline look back past it. The upper bound, or now(), is where windows without
 *           buckets end.
 */
#include "engine/base/clock.h"

#include "query/check.h"

struct regroup {
    struct check *c;
    enum status status;
};

static struct expr *replace_node(void *context, struct expr *node)
{
    struct regroup *r = context;
    struct plan *p = r->c->plan;
    for (uint32_t k = 0; k < p->key_count; k++)
        if (node->kind != EXPR_CONST && expr_equal(p->keys[k], node)) {
            struct expr *e =
                expr_new(r->c->arena, EXPR_COLUMN, node->type, node->phys, node->position);
            e->scale = node->scale;
            e->column = k;
            return e;
        }
    if (node->kind == EXPR_AGGREGATE) {
        struct expr *e = expr_new(r->c->arena, EXPR_COLUMN, node->type, node->phys, node->position);
        e->scale = node->scale;
        e->column = p->key_count + node->column;
        return e;
    }
    if (node->kind == EXPR_COLUMN && r->status == STATUS_OK)
        r->status =
            error_set_at(r->c->reterr, STATUS_INVALID, node->position,
                         "column \"%s\" must appear in the GROUP BY clause or be used in an "
                         "aggregate function",
                         p->source.columns[node->column].name);
    return NULL;
}

static enum status regroup(struct check *c, struct expr **e)
{
    struct regroup r = {.c = c};
    *e = expr_rewrite(c->arena, *e, replace_node, &r);
    return r.status;
}

/* ---- time bounds ---- */

static struct expr *both_conditions(struct check *c, struct expr *a, struct expr *b)
{
    if (a == NULL)
        return b;
    struct expr *e = expr_new(c->arena, EXPR_AND, SQL_BOOL, PHYS_BOOL, a->position);
    e->args = ARENA_ARRAY(c->arena, struct expr *, 2);
    e->args[0] = a;
    e->args[1] = b;
    e->arg_count = 2;
    expr_weigh(e);
    return e;
}

static int64_t minus(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_sub_overflow(a, b, &r) ? INT64_MIN : r;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_add_overflow(a, b, &r) ? INT64_MAX : r;
}

/* The earliest time a window that ends at end_ns needs. */
static int64_t window_start(const struct window_spec *w, int64_t end_ns)
{
    if (w->is_drift)
        return minus(end_ns, w->current_ns + w->baseline_ns);
    return baseline_hour(end_ns, w->weeks);
}

/* Bucketed windows move by buckets: their lengths must be whole ones. */
static enum status check_bucketed(struct check *c, const struct aggregate *g)
{
    int64_t width = c->plan->bucket_ns;
    const struct window_spec *w = &g->window;
    if (w->is_drift && (w->current_ns % width != 0 || w->baseline_ns % width != 0))
        return error_set_at(
            c->reterr, STATUS_INVALID, g->position,
            "with time_bucket, the windows of drift must be multiples of the bucket");
    if (!w->is_drift && NS_PER_HOUR % width != 0)
        return error_set_at(c->reterr, STATUS_INVALID, g->position,
                            "with time_bucket, baseline needs buckets that divide an hour");
    return STATUS_OK;
}

static bool is_window(const struct aggregate *g)
{
    return g->final == FINAL_DRIFT || g->final == FINAL_BASELINE || g->final == FINAL_BASELINE_MAD;
}

/* The first time to read, so that every window of what comes out is whole. */
static enum status look_back(struct check *c, int64_t from_ns, int64_t *ret_from_ns, bool *ret_only)
{
    enum status s;
    struct plan *p = c->plan;
    bool bucketed = p->bucket_key != UINT32_MAX;
    int64_t end = p->until_ns != INT64_MAX ? p->until_ns : c->statement->run->now_ns;
    int64_t first = from_ns;
    bool only = p->rolling_ns == 0;
    int64_t bucket =
        bucketed && from_ns != INT64_MIN ? bucket_start(from_ns, p->bucket_ns) : from_ns;
    if (p->rolling_ns != 0 && from_ns != INT64_MIN)
        first = minus(bucket, p->rolling_ns - p->bucket_ns);
    int64_t windows = INT64_MAX;
    for (uint32_t i = 0; i < p->aggregate_count; i++) {
        struct aggregate *g = &p->aggregates[i];
        if (!is_window(g)) {
            only = false;
            continue;
        }
        if (bucketed && (s = check_bucketed(c, g)) < 0)
            return s;
        g->window.end_ns = end;
        p->states[g->state].window.end_ns = end;
        int64_t at = bucketed ? plus(bucket, p->bucket_ns) : end;
        if (bucketed && from_ns == INT64_MIN)
            continue;
        int64_t start = window_start(&g->window, at);
        windows = start < windows ? start : windows;
    }
    only = only && !bucketed;
    if (windows != INT64_MAX && (windows < first || (only && from_ns == INT64_MIN)))
        first = windows;
    *ret_from_ns = first;
    *ret_only = only;
    return STATUS_OK;
}

/* Adds the hidden count of rows in range, and keeps ordinary aggregates to them. */
static void limit_to_range(struct check *c, int64_t from_ns)
{
    struct plan *p = c->plan;
    p->emit_from_ns = from_ns;
    struct expr *in_range = plan_time_condition(p, ">=", from_ns, c->arena);
    for (uint32_t i = 0; i < p->state_count && p->rolling_ns == 0; i++)
        if (!p->states[i].looks_back)
            p->states[i].filter = both_conditions(c, p->states[i].filter, in_range);
    if (p->states == NULL)
        p->states = arena_zero(c->arena, 1, sizeof *p->states);
    p->own_state = p->state_count;
    p->states[p->state_count++] =
        (struct state_spec){.kind = STATE_ROWS, .filter = in_range, .looks_back = true};
}

static enum status settle_windows(struct check *c)
{
    enum status s;
    struct plan *p = c->plan;
    int64_t first;
    bool only;
    if (!p->looks_back)
        return STATUS_OK;
    if (p->time_column == UINT32_MAX)
        return error_set_at(c->reterr, STATUS_INVALID, c->select->position,
                            "ROLLING, drift and baseline need a table with a column \"time\"");
    plan_time_bounds(p, true);
    int64_t from_ns = p->from_ns;
    if ((s = look_back(c, from_ns, &first, &only)) < 0)
        return s;
    p->from_ns = first;
    if (from_ns != INT64_MIN)
        limit_to_range(c, from_ns);
    if (first != INT64_MIN) {
        struct expr *bound = plan_time_condition(p, ">=", first, c->arena);
        struct expr **where = ARENA_ARRAY(c->arena, struct expr *, p->where_count + 1);
        bytes_copy(where, p->where, p->where_count * sizeof *where);
        where[p->where_count++] = bound;
        p->where = where;
    }
    return STATUS_OK;
}

enum status check_grouping(struct check *c)
{
    enum status s;
    struct plan *p = c->plan;
    for (uint32_t i = 0; i < p->output_count; i++)
        if ((s = regroup(c, &p->outputs[i].expr)) < 0)
            return s;
    if (p->having != NULL && (s = regroup(c, &p->having)) < 0)
        return s;
    for (uint32_t i = 0; i < p->order_count; i++)
        if ((s = regroup(c, &p->order[i].expr)) < 0)
            return s;
    /* Without ORDER BY groups come in the order of their keys, whatever the threads did. */
    for (uint32_t k = 0; p->order_count == 0 && k < p->key_count && !c->select->distinct; k++) {
        struct expr *e = expr_new(c->arena, EXPR_COLUMN, p->keys[k]->type, p->keys[k]->phys, 0);
        e->scale = p->keys[k]->scale;
        e->column = k;
        p->order[k].expr = e;
        p->order[k].descending = false;
        p->order[k].nulls_first = false;
    }
    if (p->order_count == 0 && !c->select->distinct)
        p->order_count = p->key_count;
    return settle_windows(c);
}
