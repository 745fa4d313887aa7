/*
 * check_select.c - the clauses of a SELECT, in the order in which they give each other names.
 *
 * Order: FROM, WHERE, GROUP BY, the list, HAVING, ORDER BY, LIMIT; then grouping turns what reads rows into what reads
 *        groups.
 */
#include "query/check.h"
#include "query/token.h"

void statement_deinit(struct statement *s)
{
    for (struct owned *o = s->owned; o != NULL; o = o->next)
        o->destroy(o->object);
    arena_deinit(&s->arena);
    *s = (struct statement){0};
}

/* ---- WHERE ---- */

static void add_conjunct(struct check *c, struct expr *e)
{
    struct plan *p = c->plan;
    if (e->kind == EXPR_AND) {
        for (uint32_t i = 0; i < e->arg_count; i++)
            add_conjunct(c, e->args[i]);
        return;
    }
    if (e->kind == EXPR_CONST && !e->is_null && e->parameter == 0 && e->value.i64 != 0)
        return;
    struct expr **where = ARENA_ARRAY(c->arena, struct expr *, p->where_count + 1);
    bytes_copy(where, p->where, p->where_count * sizeof *where);
    where[p->where_count++] = e;
    p->where = where;
}

static enum status check_where(struct check *c)
{
    struct expr *e;
    if (c->select->where == NULL)
        return STATUS_OK;
    c->no_aggregates = "WHERE";
    enum status s = check_condition(c, c->select->where, "WHERE", &e);
    c->no_aggregates = NULL;
    if (s == STATUS_OK)
        add_conjunct(c, e);
    return s;
}

/* ---- GROUP BY ---- */

/* The number, from 0, that an ordinal (GROUP BY 1) means among count; -1 when it is none. */
static enum status ordinal(struct check *c, const struct ast *a, const char *clause, uint32_t count,
                           int *ret)
{
    *ret = -1;
    if (a->kind != AST_INTEGER)
        return STATUS_OK;
    uint64_t number = 0;
    for (size_t i = 0; i < a->text.size && number <= UINT32_MAX; i++) {
        if (a->text.data[i] < '0' || a->text.data[i] > '9')
            return STATUS_OK;
        number = number * 10 + (a->text.data[i] - '0');
    }
    if (number < 1 || number > count)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "%s position %.*s is not in the select list", clause,
                            SLICE_ARG(a->text));
    *ret = (int)number - 1;
    return STATUS_OK;
}

static enum status check_key(struct check *c, const struct ast *a, struct expr **ret)
{
    enum status s;
    int item;
    if ((s = ordinal(c, a, "GROUP BY", c->select->item_count, &item)) < 0)
        return s;
    if (item < 0 && !check_has_column(c, a))
        item = check_find_alias(c, a);
    const struct ast *from = item >= 0 ? c->select->items[item].expression : a;
    if (from->kind == AST_STAR)
        return error_set_at(c->reterr, STATUS_INVALID, a->position, "GROUP BY can't take *");
    c->no_aggregates = "GROUP BY";
    if ((s = check_expr(c, from, ret)) < 0)
        return s;
    c->no_aggregates = NULL;
    if ((*ret)->type == SQL_MESSAGES || (*ret)->type == SQL_NULL || (*ret)->unknown)
        return coerce(c, *ret, 't', ret);
    return STATUS_OK;
}

static bool is_bucket(const struct expr *e)
{
    return e->kind == EXPR_CALL && e->function->tag == TAG_BUCKET;
}

static enum status check_group_by(struct check *c)
{
    enum status s;
    struct plan *p = c->plan;
    const struct ast_select *select = c->select;
    uint32_t buckets = 0;
    if (select->group_count > GROUP_KEYS_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, select->group[GROUP_KEYS_MAX]->position,
                            "GROUP BY takes at most %u keys", GROUP_KEYS_MAX);
    p->keys = ARENA_ARRAY(c->arena, struct expr *, GROUP_KEYS_MAX + 1);
    for (uint32_t i = 0; i < select->group_count; i++) {
        struct expr *key;
        bool known = false;
        if ((s = check_key(c, select->group[i], &key)) < 0)
            return s;
        for (uint32_t k = 0; k < p->key_count; k++)
            known = known || expr_equal(p->keys[k], key);
        if (known)
            continue;
        if (is_bucket(key)) {
            buckets++;
            p->bucket_key = p->key_count;
            p->bucket_ns = key->args[0]->value.i64;
        }
        p->keys[p->key_count++] = key;
    }
    p->grouped = p->key_count > 0;
    if (buckets > 1)
        p->bucket_key = UINT32_MAX;
    if (!select->has_rolling)
        return STATUS_OK;
    if (buckets != 1)
        return error_set_at(c->reterr, STATUS_INVALID, select->rolling_position,
                            "ROLLING needs exactly one time_bucket in GROUP BY");
    if (!interval_from_text(select->rolling, &p->rolling_ns) || p->rolling_ns <= 0)
        return error_set_at(c->reterr, STATUS_INVALID, select->rolling_position,
                            "ROLLING needs a window like '1h'");
    if (p->rolling_ns % p->bucket_ns != 0 || p->rolling_ns > INT64_MAX / 4)
        return error_set_at(c->reterr, STATUS_INVALID, select->rolling_position,
                            "the window of ROLLING must be a multiple of the bucket");
    p->looks_back = true;
    return STATUS_OK;
}

/* ---- the list ---- */

static const char *output_name(struct check *c, const struct ast_item *item, const struct expr *e)
{
    const struct ast *a = item->expression;
    if (item->alias.size > 0)
        return arena_printf(c->arena, "%.*s", SLICE_ARG(item->alias));
    while (a->kind == AST_CAST && a->args[0]->kind != AST_STRING)
        a = a->args[0];
    if (e->kind == EXPR_COLUMN && a->kind == AST_NAME)
        return c->plan->source.columns[e->column].name;
    if (a->kind == AST_NAME)
        return arena_printf(c->arena, "%.*s", SLICE_ARG(a->text));
    if (a->kind == AST_CASE)
        return "case";
    if (a->kind == AST_CAST)
        return arena_printf(c->arena, "%.*s", SLICE_ARG(a->text));
    if (a->kind == AST_BOOL)
        return "bool";
    bool word =
        a->kind == AST_CALL && a->text.size > 0 && (a->call != NULL || slice_is(a->text, "now"));
    return word ? arena_printf(c->arena, "%.*s", SLICE_ARG(a->text)) : "?column?";
}

static enum status add_output(struct check *c, const char *name, struct expr *e, uint32_t position)
{
    struct plan *p = c->plan;
    if (p->output_count == SELECT_COLUMNS_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, position, "more than %u columns",
                            SELECT_COLUMNS_MAX);
    uint32_t count = p->output_count;
    if ((count & (count - 1)) == 0) {
        struct output *outputs = ARENA_ARRAY(c->arena, struct output, count == 0 ? 1 : 2 * count);
        bytes_copy(outputs, p->outputs, count * sizeof *outputs);
        p->outputs = outputs;
    }
    p->outputs[p->output_count++] = (struct output){.name = name, .expr = e};
    return STATUS_OK;
}

static enum status add_star(struct check *c, const struct ast *a)
{
    enum status s;
    struct plan *p = c->plan;
    if (p->source.kind == SOURCE_NOTHING)
        return error_set_at(c->reterr, STATUS_INVALID, a->position, "SELECT * needs a FROM");
    for (uint32_t i = 0; i < p->source.column_count; i++)
        if (!p->source.columns[i].hidden &&
            (s = add_output(c, p->source.columns[i].name, check_column(c, i, a->position),
                            a->position)) < 0)
            return s;
    return STATUS_OK;
}

static enum status check_items(struct check *c)
{
    enum status s;
    for (uint32_t i = 0; i < c->select->item_count; i++) {
        const struct ast_item *item = &c->select->items[i];
        struct expr *e;
        if (item->expression->kind == AST_STAR) {
            if ((s = add_star(c, item->expression)) < 0)
                return s;
            continue;
        }
        if ((s = check_expr(c, item->expression, &e)) < 0)
            return s;
        if ((e->unknown || e->type == SQL_NULL) && (s = coerce(c, e, 't', &e)) < 0)
            return s;
        if ((s = add_output(c, output_name(c, item, e), e, item->expression->position)) < 0)
            return s;
    }
    return STATUS_OK;
}

/* ---- ORDER BY, LIMIT ---- */

/* Which output an item of the list became: stars before it move it on. */
static uint32_t output_of_item(const struct check *c, int item)
{
    uint32_t visible = 0;
    uint32_t output = 0;
    for (uint32_t i = 0; i < c->plan->source.column_count; i++)
        visible += !c->plan->source.columns[i].hidden;
    for (int i = 0; i < item; i++)
        output += c->select->items[i].expression->kind == AST_STAR ? visible : 1;
    return output;
}

static enum status check_order_item(struct check *c, const struct ast_order *from,
                                    struct order_item *to)
{
    enum status s;
    int output;
    int item;
    if ((s = ordinal(c, from->expression, "ORDER BY", c->plan->output_count, &output)) < 0)
        return s;
    if (output < 0 && (item = check_find_alias(c, from->expression)) >= 0)
        output = (int)output_of_item(c, item);
    to->descending = from->descending;
    to->nulls_first = from->nulls_first;
    if (output >= 0) {
        to->expr = c->plan->outputs[output].expr;
    } else {
        c->aliases_visible = true;
        s = check_expr(c, from->expression, &to->expr);
        c->aliases_visible = false;
        if (s < 0)
            return s;
    }
    if (to->expr->type == SQL_MESSAGES || to->expr->type == SQL_NULL || to->expr->unknown)
        return coerce(c, to->expr, 't', &to->expr);
    return STATUS_OK;
}

static enum status check_order_by(struct check *c)
{
    enum status s;
    struct plan *p = c->plan;
    p->order = ARENA_ARRAY(c->arena, struct order_item, c->select->order_count + GROUP_KEYS_MAX);
    for (uint32_t i = 0; i < c->select->order_count; i++)
        if ((s = check_order_item(c, &c->select->order[i], &p->order[p->order_count++])) < 0)
            return s;
    return STATUS_OK;
}

static enum status check_count(struct check *c, const struct ast *a, const char *what,
                               bool *ret_set, uint64_t *ret)
{
    enum status s;
    struct expr *e;
    if (a == NULL)
        return STATUS_OK;
    c->no_aggregates = what;
    if ((s = check_expr(c, a, &e)) < 0 || (s = coerce(c, e, 'i', &e)) < 0)
        return s;
    c->no_aggregates = NULL;
    if (e->kind != EXPR_CONST)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "argument of %s must be a constant", what);
    if (e->is_null)
        return STATUS_OK;
    if (e->value.i64 < 0)
        return error_set_at(c->reterr, STATUS_INVALID, a->position, "%s must not be negative",
                            what);
    *ret = (uint64_t)e->value.i64;
    *ret_set = true;
    return STATUS_OK;
}

static enum status check_limit(struct check *c)
{
    bool ignored;
    enum status s = check_count(c, c->select->limit, "LIMIT", &c->plan->has_limit, &c->plan->limit);
    return s < 0 ? s : check_count(c, c->select->offset, "OFFSET", &ignored, &c->plan->offset);
}

/* ---- DISTINCT ---- */

static struct expr *group_column(struct check *c, uint32_t index, const struct expr *from)
{
    struct expr *e = expr_new(c->arena, EXPR_COLUMN, from->type, from->phys, from->position);
    e->scale = from->scale;
    e->column = index;
    return e;
}

static enum status order_of_distinct(struct check *c, struct plan *p, struct expr *const *outputs)
{
    /* Without ORDER BY: in the order of the columns, whatever the threads did. */
    if (p->order_count == 0) {
        p->order = arena_zero(c->arena, p->output_count + 1, sizeof *p->order);
        for (uint32_t i = 0; i < p->output_count; i++)
            p->order[p->order_count++].expr = p->outputs[i].expr;
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < p->order_count; i++) {
        uint32_t at = 0;
        while (at < p->output_count && !expr_equal(outputs[at], p->order[i].expr))
            at++;
        if (at == p->output_count)
            return error_set_at(
                c->reterr, STATUS_INVALID, p->order[i].expr->position,
                "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
        p->order[i].expr = p->outputs[at].expr;
    }
    return STATUS_OK;
}

/* SELECT DISTINCT a, b is GROUP BY a, b. */
static enum status distinct_as_grouping(struct check *c)
{
    enum status s;
    struct plan *p = c->plan;
    struct expr **before = ARENA_ARRAY(c->arena, struct expr *, p->output_count);
    if (p->output_count > GROUP_KEYS_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, c->select->position,
                            "SELECT DISTINCT takes at most %u columns", GROUP_KEYS_MAX);
    for (uint32_t i = 0; i < p->output_count; i++) {
        struct output *o = &p->outputs[i];
        before[i] = o->expr;
        if (o->expr->type == SQL_MESSAGES && (s = coerce(c, o->expr, 't', &o->expr)) < 0)
            return s;
        p->keys[i] = o->expr;
        o->expr = group_column(c, i, o->expr);
    }
    p->key_count = p->output_count;
    p->grouped = true;
    return order_of_distinct(c, p, before);
}

/* DISTINCT over groups: another plan on top that groups them again. */
static enum status distinct_over_groups(struct check *c)
{
    struct plan *inner = c->plan;
    struct plan *outer = ARENA_NEW(c->arena, struct plan);
    *outer = (struct plan){.bucket_key = UINT32_MAX,
                           .own_state = UINT32_MAX,
                           .time_column = UINT32_MAX,
                           .from_ns = INT64_MIN,
                           .until_ns = INT64_MAX,
                           .emit_from_ns = INT64_MIN,
                           .order = inner->order,
                           .order_count = inner->order_count,
                           .grouped = true,
                           .output_count = inner->output_count};
    if (inner->output_count > GROUP_KEYS_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, c->select->position,
                            "SELECT DISTINCT takes at most %u columns", GROUP_KEYS_MAX);
    outer->source = (struct source){.kind = SOURCE_PLAN, .name = "groups", .plan = inner};
    source_columns_of_plan(c->arena, inner, &outer->source);
    outer->keys = ARENA_ARRAY(c->arena, struct expr *, inner->output_count + 1);
    outer->outputs = ARENA_ARRAY(c->arena, struct output, inner->output_count + 1);
    struct expr **before = ARENA_ARRAY(c->arena, struct expr *, inner->output_count);
    for (uint32_t i = 0; i < inner->output_count; i++) {
        before[i] = inner->outputs[i].expr;
        outer->keys[i] = group_column(c, i, before[i]);
        outer->outputs[i] = (struct output){inner->outputs[i].name, group_column(c, i, before[i])};
    }
    outer->key_count = inner->output_count;
    inner->order_count = 0;
    c->plan = outer;
    return order_of_distinct(c, outer, before);
}

static enum status check_distinct(struct check *c)
{
    if (!c->select->distinct)
        return STATUS_OK;
    return c->plan->grouped ? distinct_over_groups(c) : distinct_as_grouping(c);
}

/* ---- all of it ---- */

enum status check_select(struct statement *st, const struct ast_select *select, uint32_t depth,
                         struct plan **ret, struct error *reterr)
{
    enum status s;
    struct plan *plan = ARENA_NEW(&st->arena, struct plan);
    struct check c = {.statement = st,
                      .arena = &st->arena,
                      .plan = plan,
                      .select = select,
                      .with = select->with,
                      .alias = select->from.alias,
                      .table_name = select->from.name,
                      .depth = depth,
                      .reterr = reterr};
    plan->bucket_key = UINT32_MAX;
    plan->own_state = UINT32_MAX;
    plan->from_ns = INT64_MIN;
    plan->until_ns = INT64_MAX;
    plan->emit_from_ns = INT64_MIN;
    if ((s = resolve_table(&c, &select->from, &plan->source)) < 0)
        return s;
    plan->time_column = check_time_column(&c);
    if ((s = check_where(&c)) < 0 || (s = check_group_by(&c)) < 0 || (s = check_items(&c)) < 0)
        return s;
    if (select->having != NULL) {
        c.aliases_visible = true;
        plan->grouped = true;
        if ((s = check_condition(&c, select->having, "HAVING", &plan->having)) < 0)
            return s;
        c.aliases_visible = false;
    }
    if ((s = check_order_by(&c)) < 0)
        return s;
    plan->grouped = plan->grouped || plan->aggregate_count > 0;
    if (plan->grouped && (s = check_grouping(&c)) < 0)
        return s;
    if ((s = check_distinct(&c)) < 0 || (s = check_limit(&c)) < 0)
        return s;
    *ret = c.plan;
    return STATUS_OK;
}
