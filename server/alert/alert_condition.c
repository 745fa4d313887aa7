/*
 * alert_condition.c - evaluates conditions; alert_condition_parse.c reads them.
 *
 * Invariant: nodes refer only to nodes before them, so evaluation ends and its depth is below
 *            ALERT_CONDITION_NODES.
 */
#include "server/alert/alert_condition_tree.h"

#include <math.h>
#include <strings.h>

#include "engine/base/check.h"

uint32_t alert_condition_column_count(const struct alert_condition *c)
{
    return c->column_count;
}

struct slice alert_condition_column(const struct alert_condition *c, uint32_t index)
{
    ASSERT(index < c->column_count);
    return c->columns[index];
}

bool result_column_find(const struct query_column *columns, uint32_t count, struct slice name,
                        uint32_t *ret_index)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slice_is(name, columns[i].name)) {
            *ret_index = i;
            return true;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (strlen(columns[i].name) == name.size &&
            strncasecmp(columns[i].name, (const char *)name.data, name.size) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

bool alert_condition_bind(const struct alert_condition *c, const struct query_column *columns,
                          uint32_t column_count, uint32_t *bound, uint32_t *ret_missing)
{
    for (uint32_t i = 0; i < c->column_count; i++) {
        if (!result_column_find(columns, column_count, c->columns[i], &bound[i])) {
            *ret_missing = i;
            return false;
        }
    }
    return true;
}

/* ---- values ---- */

/* What an operand is in one row. */
struct operand {
    enum sql_type type;
    struct query_value value;
    const struct condition_node *literal; /* NULL: a column */
};

static struct operand operand_of(const struct alert_condition *c, uint32_t index,
                                 const uint32_t *bound, const struct query_value *row)
{
    const struct condition_node *n = &c->nodes[index];
    if (n->kind == CONDITION_COLUMN) {
        struct query_value v = row[bound[n->column]];
        return (struct operand){.type = v.type, .value = v};
    }
    return (struct operand){.type = n->value.type, .value = n->value, .literal = n};
}

static bool is_text(enum sql_type type)
{
    return type == SQL_TEXT || type == SQL_HEX || type == SQL_MESSAGES;
}

static bool is_number(enum sql_type type)
{
    return type == SQL_INT || type == SQL_FLOAT || type == SQL_BOOL;
}

static double as_double(const struct query_value *v)
{
    return v->type == SQL_FLOAT ? v->f64 : (double)v->i64;
}

/* A text literal beside an interval or a timestamp stands for one. */
static bool literal_becomes(struct operand *o, enum sql_type type)
{
    if (o->literal == NULL || !is_text(o->type))
        return false;
    if (type == SQL_INTERVAL && o->literal->is_duration)
        o->value = (struct query_value){.type = type, .i64 = o->literal->duration_ns};
    else if (type == SQL_TIMESTAMP && o->literal->is_time)
        o->value = (struct query_value){.type = type, .i64 = o->literal->time_ns};
    else
        return false;
    o->type = type;
    return true;
}

/* False: the pair can't be compared. */
static bool compare(struct operand a, struct operand b, int *ret_order)
{
    if (is_number(a.type) && is_number(b.type)) {
        if (a.type != SQL_FLOAT && b.type != SQL_FLOAT) {
            *ret_order = (a.value.i64 > b.value.i64) - (a.value.i64 < b.value.i64);
            return true;
        }
        double x = as_double(&a.value);
        double y = as_double(&b.value);
        *ret_order = (x > y) - (x < y);
        return !isnan(x) && !isnan(y);
    }
    if (is_text(a.type) && is_text(b.type)) {
        *ret_order = slice_compare(a.value.text, b.value.text);
        return true;
    }
    (void)literal_becomes(&a, b.type);
    (void)literal_becomes(&b, a.type);
    if (a.type != b.type || (a.type != SQL_INTERVAL && a.type != SQL_TIMESTAMP))
        return false;
    *ret_order = (a.value.i64 > b.value.i64) - (a.value.i64 < b.value.i64);
    return true;
}

static enum truth truth_of(bool fact)
{
    return fact ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum truth order_truth(enum condition_compare op, int order)
{
    switch (op) {
    case COMPARE_LT:
        return truth_of(order < 0);
    case COMPARE_LE:
        return truth_of(order <= 0);
    case COMPARE_GT:
        return truth_of(order > 0);
    case COMPARE_GE:
        return truth_of(order >= 0);
    case COMPARE_EQ:
        return truth_of(order == 0);
    case COMPARE_NE:
        return truth_of(order != 0);
    }
    return TRUTH_UNKNOWN;
}

/* ---- logic ---- */

static enum truth truth_and(enum truth a, enum truth b)
{
    if (a == TRUTH_FALSE || b == TRUTH_FALSE)
        return TRUTH_FALSE;
    return a == TRUTH_UNKNOWN || b == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : TRUTH_TRUE;
}

static enum truth truth_not(enum truth a)
{
    if (a == TRUTH_UNKNOWN)
        return a;
    return a == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE;
}

static enum truth node_truth(const struct alert_condition *c, uint32_t index, const uint32_t *bound,
                             const struct query_value *row)
{
    const struct condition_node *n = &c->nodes[index];
    int order;
    switch (n->kind) {
    case CONDITION_AND:
        return truth_and(node_truth(c, n->left, bound, row), node_truth(c, n->right, bound, row));
    case CONDITION_OR:
        return truth_not(truth_and(truth_not(node_truth(c, n->left, bound, row)),
                                   truth_not(node_truth(c, n->right, bound, row))));
    case CONDITION_NOT:
        return truth_not(node_truth(c, n->left, bound, row));
    case CONDITION_COMPARE: {
        struct operand a = operand_of(c, n->left, bound, row);
        struct operand b = operand_of(c, n->right, bound, row);
        if (!compare(a, b, &order))
            return TRUTH_UNKNOWN;
        return order_truth(n->compare, order);
    }
    case CONDITION_IS_NULL:
        return truth_of(operand_of(c, n->left, bound, row).type == SQL_NULL);
    case CONDITION_COLUMN:
    case CONDITION_LITERAL:
        return TRUTH_UNKNOWN;
    }
    return TRUTH_UNKNOWN;
}

enum truth alert_condition_evaluate(const struct alert_condition *c, const uint32_t *bound,
                                    const struct query_value *row)
{
    return node_truth(c, c->root, bound, row);
}

/* ---- check ---- */

static struct operand operand_typed(const struct alert_condition *c, uint32_t index,
                                    const uint32_t *bound, const struct query_column *columns)
{
    const struct condition_node *n = &c->nodes[index];
    if (n->kind == CONDITION_COLUMN)
        return (struct operand){.type = columns[bound[n->column]].type};
    return (struct operand){.type = n->value.type, .literal = n};
}

static const char *type_word(enum sql_type type)
{
    switch (type) {
    case SQL_TIMESTAMP:
        return "a timestamp";
    case SQL_INT:
    case SQL_FLOAT:
        return "a number";
    case SQL_BOOL:
        return "a boolean";
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
        return "a text";
    case SQL_INTERVAL:
        return "an interval";
    case SQL_NULL:
        return "NULL";
    }
    return "?";
}

static enum status compare_check(struct operand a, struct operand b, uint32_t position,
                                 struct error *reterr)
{
    if (a.type == SQL_NULL || b.type == SQL_NULL)
        return STATUS_OK; /* a bare NULL column: always unknown, but that is the query's business */
    (void)literal_becomes(&a, b.type);
    (void)literal_becomes(&b, a.type);
    if ((is_number(a.type) && is_number(b.type)) || (is_text(a.type) && is_text(b.type)))
        return STATUS_OK;
    if (a.type == b.type)
        return STATUS_OK;
    const char *hint = "";
    if (a.type == SQL_INTERVAL || b.type == SQL_INTERVAL)
        hint = "; durations are written like '5m'";
    else if (a.type == SQL_TIMESTAMP || b.type == SQL_TIMESTAMP)
        hint = "; times are written like '2026-11-01T14:05:00Z'";
    return error_set_at(reterr, STATUS_INVALID, position, "can't compare %s with %s%s",
                        type_word(a.type), type_word(b.type), hint);
}

static enum status column_unknown(const struct alert_condition *c, uint32_t missing,
                                  const struct query_column *columns, uint32_t column_count,
                                  struct error *reterr)
{
    uint32_t position = 0;
    for (uint32_t i = 0; i < c->node_count; i++) {
        if (c->nodes[i].kind == CONDITION_COLUMN && c->nodes[i].column == missing) {
            position = c->nodes[i].position;
            break;
        }
    }
    struct buffer names = {0};
    for (uint32_t i = 0; i < column_count; i++)
        buffer_printf(&names, "%s%s", i == 0 ? "" : ", ", columns[i].name);
    enum status s = error_set_at(reterr, STATUS_INVALID, position,
                                 "the query has no column '%.*s'; it has %.*s",
                                 SLICE_ARG(c->columns[missing]), SLICE_ARG(buffer_slice(&names)));
    buffer_deinit(&names);
    return s;
}

enum status alert_condition_check(const struct alert_condition *c,
                                  const struct query_column *columns, uint32_t column_count,
                                  struct error *reterr)
{
    uint32_t bound[ALERT_CONDITION_NODES];
    uint32_t missing;
    if (!alert_condition_bind(c, columns, column_count, bound, &missing))
        return column_unknown(c, missing, columns, column_count, reterr);
    for (uint32_t i = 0; i < c->node_count; i++) {
        const struct condition_node *n = &c->nodes[i];
        if (n->kind != CONDITION_COMPARE)
            continue;
        enum status s =
            compare_check(operand_typed(c, n->left, bound, columns),
                          operand_typed(c, n->right, bound, columns), n->position, reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}
