/*
 * plan.c - makes a plan cheaper without changing its answer.
 *
 * Place: check -> [here] -> exec
 */
#include "query/plan.h"

#include "query/function.h"

/* ---- time bounds ---- */

/* Is it `time op constant`, either way round? */
static bool time_comparison(const struct plan *p, const struct expr *e, enum function_tag *ret_tag,
                            int64_t *ret_value)
{
    if (e->kind != EXPR_CALL || e->function->tag < TAG_EQ || e->function->tag > TAG_GE ||
        p->time_column == UINT32_MAX)
        return false;
    const struct expr *a = e->args[0];
    const struct expr *b = e->args[1];
    bool swap = a->kind == EXPR_CONST;
    const struct expr *column = swap ? b : a;
    const struct expr *constant = swap ? a : b;
    if (column->kind != EXPR_COLUMN || column->column != p->time_column ||
        constant->kind != EXPR_CONST || constant->is_null || constant->phys != PHYS_I64)
        return false;
    static const enum function_tag swapped[] = {
        [TAG_EQ] = TAG_EQ, [TAG_NE] = TAG_NE, [TAG_LT] = TAG_GT,
        [TAG_LE] = TAG_GE, [TAG_GT] = TAG_LT, [TAG_GE] = TAG_LE,
    };
    *ret_tag = swap ? swapped[e->function->tag] : e->function->tag;
    *ret_value = constant->value.i64;
    return true;
}

static int64_t next_ns(int64_t t)
{
    return t == INT64_MAX ? t : t + 1;
}

void plan_time_bounds(struct plan *p, bool take_lower)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->where_count; i++) {
        enum function_tag tag = TAG_NONE;
        int64_t value = 0;
        bool lower = false;
        if (time_comparison(p, p->where[i], &tag, &value)) {
            int64_t from = tag == TAG_GT ? next_ns(value) : value;
            int64_t until = tag == TAG_LT ? value : next_ns(value);
            bool bounds_low = tag == TAG_GT || tag == TAG_GE || tag == TAG_EQ;
            bool bounds_high = tag == TAG_LT || tag == TAG_LE || tag == TAG_EQ;
            if (bounds_low && from > p->from_ns)
                p->from_ns = from;
            if (bounds_high && until < p->until_ns)
                p->until_ns = until;
            lower = tag == TAG_GT || tag == TAG_GE;
        }
        if (!(lower && take_lower))
            p->where[kept++] = p->where[i];
    }
    p->where_count = kept;
}

struct expr *plan_time_condition(const struct plan *p, const char *op, int64_t value,
                                 struct arena *arena)
{
    uint32_t count;
    const struct function *table = function_table(&count);
    struct expr *column = expr_new(arena, EXPR_COLUMN, SQL_TIMESTAMP, PHYS_I64, 0);
    struct expr *e = expr_new(arena, EXPR_CALL, SQL_BOOL, PHYS_BOOL, 0);
    column->column = p->time_column;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(table[i].name, op) == 0 && strcmp(table[i].args, "zz") == 0)
            e->function = &table[i];
    e->args = ARENA_ARRAY(arena, struct expr *, 2);
    e->args[0] = column;
    e->args[1] = expr_int(arena, SQL_TIMESTAMP, value, 0);
    e->arg_count = 2;
    expr_weigh(e);
    return e;
}

/* ---- scan filters ---- */

static bool filter_op(enum function_tag tag, bool swap, enum scan_op *ret)
{
    switch (tag) {
    case TAG_EQ:
        *ret = SCAN_EQ;
        return true;
    case TAG_NE:
        *ret = SCAN_NE;
        return true;
    case TAG_LT:
        *ret = swap ? SCAN_GT : SCAN_LT;
        return true;
    case TAG_LE:
        *ret = swap ? SCAN_GE : SCAN_LE;
        return true;
    case TAG_GT:
        *ret = swap ? SCAN_LT : SCAN_GT;
        return true;
    case TAG_GE:
        *ret = swap ? SCAN_LE : SCAN_GE;
        return true;
    case TAG_IN:
        *ret = SCAN_IN;
        return !swap;
    default:
        return false;
    }
}

/* The constants as the scan wants them. False: not this kind of column. */
static bool filter_values(const struct column *column, struct expr *const *items, uint32_t count,
                          struct arena *arena, struct scan_filter *f)
{
    int64_t *i64 = ARENA_ARRAY(arena, int64_t, count);
    double *f64 = ARENA_ARRAY(arena, double, count);
    struct slice *bytes = ARENA_ARRAY(arena, struct slice, count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct expr *e = items[i];
        if (e->kind != EXPR_CONST)
            return false;
        if (e->is_null)
            continue;
        bool fits = false;
        switch (column->storage) {
        case STORAGE_I64:
            fits = e->phys == PHYS_I64 || e->phys == PHYS_BOOL;
            i64[kept] = e->value.i64;
            break;
        case STORAGE_F64:
            fits = e->phys == PHYS_F64;
            f64[kept] = e->value.f64;
            break;
        case STORAGE_STR:
        case STORAGE_TEXT:
            fits = e->phys == PHYS_TEXT;
            bytes[kept] = e->value.text;
            break;
        case STORAGE_ID64:
            fits = e->phys == PHYS_ID64;
            memcpy(&i64[kept], &e->value.id64, sizeof(int64_t));
            break;
        case STORAGE_ID128:
            fits = e->phys == PHYS_ID128;
            bytes[kept] = slice_of(e->value.id128.bytes, 16);
            break;
        case STORAGE_REFS:
            break;
        }
        if (!fits)
            return false;
        kept++;
    }
    f->count = kept;
    f->i64 = i64;
    f->f64 = f64;
    f->bytes = bytes;
    return kept > 0;
}

static bool filter_of(const struct plan *p, const struct expr *e, struct arena *arena,
                      struct scan_filter *f)
{
    enum scan_op op;
    if (e->kind == EXPR_COLUMN && e->type == SQL_BOOL) {
        static const int64_t one = 1;
        *f = (struct scan_filter){
            .column = p->source.columns[e->column].stored, .op = SCAN_EQ, .count = 1, .i64 = &one};
        return f->column != NULL;
    }
    if (e->kind != EXPR_CALL || e->arg_count < 2)
        return false;
    bool swap = e->args[0]->kind == EXPR_CONST;
    const struct expr *column = e->args[swap ? 1 : 0];
    if (!filter_op(e->function->tag, swap, &op) || column->kind != EXPR_COLUMN)
        return false;
    *f = (struct scan_filter){.column = p->source.columns[column->column].stored, .op = op};
    if (f->column == NULL)
        return false;
    struct expr *const *items = swap ? &e->args[0] : &e->args[1];
    return filter_values(f->column, items, op == SCAN_IN ? e->arg_count - 1 : 1, arena, f);
}

static void find_filters(struct plan *p, struct arena *arena)
{
    p->filters = ARENA_ARRAY(arena, struct scan_filter, p->where_count + 1);
    p->filter_count = 0;
    for (uint32_t i = 0; i < p->where_count; i++)
        if (filter_of(p, p->where[i], arena, &p->filters[p->filter_count]))
            p->filter_count++;
}

/* ---- conditions into subqueries ---- */

struct move {
    const struct plan *inner;
    bool possible;
};

/* Output i of the inner plan as an expression over its source; NULL when it can't be had before grouping. */
static struct expr *inner_source_expr(const struct plan *inner, uint32_t output)
{
    struct expr *e = inner->outputs[output].expr;
    if (!inner->grouped)
        return e;
    if (e->kind == EXPR_COLUMN && e->column < inner->key_count)
        return inner->keys[e->column];
    return NULL;
}

static void see_move(void *context, struct expr *node)
{
    struct move *m = context;
    if (node->kind == EXPR_COLUMN && inner_source_expr(m->inner, node->column) == NULL)
        m->possible = false;
}

static struct expr *substitute(void *context, struct expr *node)
{
    const struct move *m = context;
    return node->kind == EXPR_COLUMN ? inner_source_expr(m->inner, node->column) : NULL;
}

/* Weights of a rewritten tree, leaves first. */
static uint32_t reweigh(struct expr *e)
{
    for (uint32_t i = 0; i < e->arg_count; i++)
        (void)reweigh(e->args[i]);
    expr_weigh(e);
    return e->weight;
}

static void move_conditions(struct plan *p, struct arena *arena)
{
    struct plan *inner = p->source.plan;
    uint32_t kept = 0;
    if (inner->has_limit || inner->offset > 0 || inner->looks_back || p->where_count == 0 ||
        (inner->grouped && inner->key_count == 0))
        return;
    struct expr **where = ARENA_ARRAY(arena, struct expr *, inner->where_count + p->where_count);
    bytes_copy(where, inner->where, inner->where_count * sizeof *where);
    for (uint32_t i = 0; i < p->where_count; i++) {
        struct move m = {.inner = inner, .possible = true};
        expr_walk(p->where[i], see_move, &m);
        struct expr *moved = NULL;
        if (m.possible) {
            moved = expr_rewrite(arena, p->where[i], substitute, &m);
            if (reweigh(moved) > EXPRESSION_WEIGHT_MAX)
                moved = NULL;
        }
        if (moved != NULL)
            where[inner->where_count++] = moved;
        else
            p->where[kept++] = p->where[i];
    }
    p->where_count = kept;
    inner->where = where;
}

/* ---- what is read ---- */

struct use {
    bool *used;
};

static void see_use(void *context, struct expr *node)
{
    struct use *u = context;
    if (node->kind == EXPR_COLUMN)
        u->used[node->column] = true;
}

static void use_expr(struct expr *e, bool *used)
{
    struct use u = {.used = used};
    if (e != NULL)
        expr_walk(e, see_use, &u);
}

/* Which aggregates do outputs, having and order read? The others' states are not kept. */
static void mark_states(struct plan *p, struct arena *arena, bool *state_used)
{
    bool *used = arena_zero(arena, p->key_count + p->aggregate_count + 1, sizeof *used);
    for (uint32_t i = 0; i < p->output_count; i++)
        use_expr(p->outputs[i].expr, used);
    for (uint32_t i = 0; i < p->order_count; i++)
        use_expr(p->order[i].expr, used);
    use_expr(p->having, used);
    for (uint32_t i = 0; i < p->aggregate_count; i++) {
        p->aggregates[i].used = used[p->key_count + i];
        if (used[p->key_count + i])
            state_used[p->aggregates[i].state] = true;
    }
    if (p->own_state != UINT32_MAX)
        state_used[p->own_state] = true;
}

static void mark_columns(struct plan *p, struct arena *arena)
{
    bool *used = arena_zero(arena, p->source.column_count + 1, sizeof *used);
    for (uint32_t i = 0; i < p->where_count; i++)
        use_expr(p->where[i], used);
    bool *after = arena_zero(arena, p->source.column_count + 1, sizeof *after);
    if (p->grouped) {
        bool *state_used = arena_zero(arena, p->state_count + 1, sizeof *state_used);
        mark_states(p, arena, state_used);
        for (uint32_t i = 0; i < p->key_count; i++)
            use_expr(p->keys[i], after);
        for (uint32_t i = 0; i < p->state_count; i++) {
            p->states[i].used = state_used[i];
            if (!state_used[i])
                continue;
            use_expr(p->states[i].arg, after);
            use_expr(p->states[i].by, after);
            use_expr(p->states[i].filter, after);
        }
    } else {
        for (uint32_t i = 0; i < p->output_count; i++)
            use_expr(p->outputs[i].expr, after);
        for (uint32_t i = 0; i < p->order_count; i++)
            use_expr(p->order[i].expr, after);
    }
    for (uint32_t i = 0; i < p->source.column_count; i++) {
        p->source.columns[i].used = used[i] || after[i];
        p->source.columns[i].used_late = after[i];
    }
}

/* Outputs that the plan around never reads become NULL constants and stop costing anything. */
static void prune_outputs(struct plan *p, const struct source *outer, struct arena *arena)
{
    for (uint32_t i = 0; i < p->output_count; i++)
        if (!outer->columns[i].used) {
            struct expr *from = p->outputs[i].expr;
            struct expr *null = expr_null(arena, from->type, from->position);
            null->phys = from->phys;
            null->scale = from->scale;
            p->outputs[i].expr = null;
        }
}

/* ---- cost ---- */

static uint32_t expr_cost(const struct expr *e)
{
    uint32_t cost = 1;
    if (e->dict_slot != 0)
        return 1;
    if (e->kind == EXPR_CALL) {
        if (e->function->tag == TAG_RENDER)
            cost = 100000;
        else if (e->function->tag == TAG_EXPENSIVE)
            cost = 1000;
        else if (e->function->tag == TAG_LIKE)
            cost = 100;
        else if (e->phys == PHYS_TEXT || (e->arg_count > 0 && e->args[0]->phys == PHYS_TEXT))
            cost = 20;
    }
    for (uint32_t i = 0; i < e->arg_count && i < 64; i++)
        cost += expr_cost(e->args[i]);
    return cost;
}

static void sort_conditions(struct plan *p)
{
    for (uint32_t i = 1; i < p->where_count; i++) {
        struct expr *e = p->where[i];
        uint32_t cost = expr_cost(e);
        uint32_t at = i;
        while (at > 0 && expr_cost(p->where[at - 1]) > cost) {
            p->where[at] = p->where[at - 1];
            at--;
        }
        p->where[at] = e;
    }
}

static void assign_slots(struct plan *p, struct arena *arena)
{
    bool *is_dict = arena_zero(arena, p->source.column_count + 1, sizeof *is_dict);
    for (uint32_t i = 0; i < p->source.column_count; i++) {
        const struct column *stored = p->source.columns[i].stored;
        is_dict[i] = stored != NULL && stored->storage == STORAGE_STR;
    }
    for (uint32_t i = 0; i < p->where_count; i++)
        expr_assign_dict_slots(p->where[i], is_dict, &p->dict_slots);
    for (uint32_t i = 0; i < p->key_count; i++)
        expr_assign_dict_slots(p->keys[i], is_dict, &p->dict_slots);
    for (uint32_t i = 0; i < p->state_count; i++) {
        if (p->states[i].arg != NULL)
            expr_assign_dict_slots(p->states[i].arg, is_dict, &p->dict_slots);
        if (p->states[i].filter != NULL)
            expr_assign_dict_slots(p->states[i].filter, is_dict, &p->dict_slots);
    }
    for (uint32_t i = 0; !p->grouped && i < p->output_count; i++)
        expr_assign_dict_slots(p->outputs[i].expr, is_dict, &p->dict_slots);
    for (uint32_t i = 0; !p->grouped && i < p->order_count; i++)
        expr_assign_dict_slots(p->order[i].expr, is_dict, &p->dict_slots);
}

void plan_finish(struct plan *p, struct arena *arena)
{
    if (p->source.kind == SOURCE_PLAN)
        move_conditions(p, arena);
    plan_time_bounds(p, false);
    mark_columns(p, arena);
    if (p->source.kind == SOURCE_PLAN) {
        prune_outputs(p->source.plan, &p->source, arena);
        plan_finish(p->source.plan, arena);
    }
    if (p->source.kind == SOURCE_SCAN) {
        find_filters(p, arena);
        assign_slots(p, arena);
    }
    sort_conditions(p);
}
