/*
 * check_expression.c - literals, logic, CASE, IN, BETWEEN, casts.
 */
#include "engine/base/decimal.h"

#include "query/check.h"
#include "query/token.h"

static enum status check_integer(struct check *c, const struct ast *a, struct expr **ret)
{
    int64_t value;
    double real;
    if (decimal_to_int(a->text, 1, 1, &value) == DECIMAL_EXACT) {
        *ret = expr_int(c->arena, SQL_INT, value, a->position);
        return STATUS_OK;
    }
    if (!decimal_to_double(a->text, &real))
        return error_set_at(c->reterr, STATUS_INVALID, a->position, "number out of range");
    *ret = expr_new(c->arena, EXPR_CONST, SQL_FLOAT, PHYS_F64, a->position);
    (*ret)->value.f64 = real;
    return STATUS_OK;
}

static struct expr *text_constant(struct check *c, struct slice text, uint32_t position)
{
    struct expr *e = expr_new(c->arena, EXPR_CONST, SQL_TEXT, PHYS_TEXT, position);
    e->value.text = text;
    e->unknown = true;
    return e;
}

static enum status check_parameter(struct check *c, const struct ast *a, struct expr **ret)
{
    struct statement *st = c->statement;
    uint32_t number = (uint32_t)a->integer;
    if (st->describing) {
        struct expr *e = expr_null(c->arena, SQL_NULL, a->position);
        e->parameter = number;
        e->unknown = true;
        *ret = e;
        return STATUS_OK;
    }
    if (number > st->parameter_count)
        return error_set_at(c->reterr, STATUS_INVALID, a->position, "there is no parameter $%u",
                            number);
    const struct query_value *v = &st->parameters[number - 1];
    switch (v->type) {
    case SQL_NULL:
        *ret = expr_null(c->arena, SQL_NULL, a->position);
        return STATUS_OK;
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
        *ret = text_constant(c, arena_copy(c->arena, v->text), a->position);
        return STATUS_OK;
    case SQL_FLOAT:
        *ret = expr_new(c->arena, EXPR_CONST, SQL_FLOAT, PHYS_F64, a->position);
        (*ret)->value.f64 = v->f64;
        return STATUS_OK;
    case SQL_INT:
    case SQL_BOOL:
    case SQL_TIMESTAMP:
    case SQL_INTERVAL:
        *ret = expr_int(c->arena, v->type, v->i64, a->position);
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* ---- conditions ---- */

enum status check_condition(struct check *c, const struct ast *a, const char *what,
                            struct expr **ret)
{
    struct expr *e;
    enum status s = check_expr(c, a, &e);
    if (s < 0)
        return s;
    if (coerce_cost(e, 'b') < 0)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "argument of %s must be type boolean, not type %s", what,
                            type_name_of(e));
    return coerce(c, e, 'b', ret);
}

static enum status check_logic(struct check *c, const struct ast *a, bool is_and, struct expr **ret)
{
    enum status s;
    struct expr *e =
        expr_new(c->arena, is_and ? EXPR_AND : EXPR_OR, SQL_BOOL, PHYS_BOOL, a->position);
    e->args = ARENA_ARRAY(c->arena, struct expr *, a->arg_count);
    for (uint32_t i = 0; i < a->arg_count; i++) {
        struct expr *arg;
        if ((s = check_condition(c, a->args[i], is_and ? "AND" : "OR", &arg)) < 0)
            return s;
        bool constant = arg->kind == EXPR_CONST && !arg->is_null && arg->parameter == 0;
        if (constant && (arg->value.i64 != 0) == is_and)
            continue; /* TRUE AND x, FALSE OR x */
        if (constant) {
            *ret = expr_bool(c->arena, !is_and, a->position);
            return STATUS_OK;
        }
        e->args[e->arg_count++] = arg;
    }
    if (e->arg_count == 0)
        *ret = expr_bool(c->arena, is_and, a->position);
    else
        *ret = e->arg_count == 1 ? e->args[0] : e;
    if ((s = weigh(c, *ret)) < 0)
        return s;
    return fold(c, ret);
}

static enum status check_between(struct check *c, const struct ast *a, struct expr **ret)
{
    enum status s;
    struct expr *x;
    struct expr *args[2];
    struct expr *both = expr_new(c->arena, EXPR_AND, SQL_BOOL, PHYS_BOOL, a->position);
    both->args = ARENA_ARRAY(c->arena, struct expr *, 2);
    both->arg_count = 2;
    if ((s = check_expr(c, a->args[0], &x)) < 0)
        return s;
    for (int i = 0; i < 2; i++) {
        args[0] = x;
        if ((s = check_expr(c, a->args[i + 1], &args[1])) < 0 ||
            (s = make_call(c, a->position, i == 0 ? ">=" : "<=", args, 2, &both->args[i])) < 0)
            return s;
    }
    if ((s = weigh(c, both)) < 0)
        return s;
    *ret = both;
    return fold(c, ret);
}

/* x IN (constants) is a set; with anything else it is a chain of comparisons. */
static enum status check_in(struct check *c, const struct ast *a, struct expr **ret)
{
    enum status s;
    char letter;
    struct expr **args = ARENA_ARRAY(c->arena, struct expr *, a->arg_count);
    for (uint32_t i = 0; i < a->arg_count; i++)
        if ((s = check_expr(c, a->args[i], &args[i])) < 0)
            return s;
    if ((s = common_letter(c, args, a->arg_count, "IN", &letter)) < 0)
        return s;
    bool constant = letter != 'b' && letter != 'd' && !c->statement->describing;
    for (uint32_t i = 0; i < a->arg_count; i++) {
        if ((s = coerce(c, args[i], letter, &args[i])) < 0)
            return s;
        constant = constant && (i == 0 || args[i]->kind == EXPR_CONST);
    }
    if (constant)
        return make_call(c, a->position, "in", args, a->arg_count, ret);
    struct expr *any = expr_new(c->arena, EXPR_OR, SQL_BOOL, PHYS_BOOL, a->position);
    any->args = ARENA_ARRAY(c->arena, struct expr *, a->arg_count);
    for (uint32_t i = 1; i < a->arg_count; i++) {
        struct expr *pair[2] = {args[0], args[i]};
        if ((s = make_call(c, a->position, "=", pair, 2, &any->args[any->arg_count++])) < 0)
            return s;
    }
    *ret = any->arg_count == 1 ? any->args[0] : any;
    return weigh(c, *ret);
}

/* ---- CASE, COALESCE ---- */

static enum status check_case(struct check *c, const struct ast *a, struct expr **ret)
{
    enum status s;
    char letter;
    uint32_t at = 0;
    struct expr *operand = NULL;
    struct expr *e = expr_new(c->arena, EXPR_CASE, SQL_TEXT, PHYS_TEXT, a->position);
    struct expr **values = ARENA_ARRAY(c->arena, struct expr *, a->arg_count);
    uint32_t value_count = 0;
    e->args = ARENA_ARRAY(c->arena, struct expr *, a->arg_count + 1);
    if (a->has_operand && (s = check_expr(c, a->args[at++], &operand)) < 0)
        return s;
    while (at < a->arg_count) {
        bool otherwise = at + 1 == a->arg_count;
        if (!otherwise) {
            struct expr *when;
            s = operand == NULL ? check_condition(c, a->args[at], "CASE/WHEN", &when)
                                : check_expr(c, a->args[at], &when);
            if (s < 0)
                return s;
            struct expr *pair[2] = {operand, when};
            if (operand != NULL &&
                (s = make_call(c, a->args[at]->position, "=", pair, 2, &when)) < 0)
                return s;
            e->args[e->arg_count++] = when;
            at++;
        }
        if ((s = check_expr(c, a->args[at++], &values[value_count])) < 0)
            return s;
        e->args[e->arg_count++] = values[value_count++];
    }
    if ((s = common_letter(c, values, value_count, "CASE", &letter)) < 0)
        return s;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if ((i % 2 == 1 || i + 1 == e->arg_count) &&
            (s = coerce(c, e->args[i], letter, &e->args[i])) < 0)
            return s;
    e->type = type_of_letter(letter);
    e->phys = phys_of_letter(letter);
    if ((s = weigh(c, e)) < 0)
        return s;
    *ret = e;
    return fold(c, ret);
}

static enum status check_coalesce(struct check *c, const struct ast *a, struct expr **ret)
{
    enum status s;
    char letter;
    struct expr *e = expr_new(c->arena, EXPR_COALESCE, SQL_TEXT, PHYS_TEXT, a->position);
    if (a->arg_count == 0)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "coalesce needs at least one argument");
    e->args = ARENA_ARRAY(c->arena, struct expr *, a->arg_count);
    e->arg_count = a->arg_count;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if ((s = check_expr(c, a->args[i], &e->args[i])) < 0)
            return s;
    if ((s = common_letter(c, e->args, e->arg_count, "COALESCE", &letter)) < 0)
        return s;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if ((s = coerce(c, e->args[i], letter, &e->args[i])) < 0)
            return s;
    e->type = type_of_letter(letter);
    e->phys = phys_of_letter(letter);
    if ((s = weigh(c, e)) < 0)
        return s;
    *ret = e;
    return fold(c, ret);
}

/* ---- casts ---- */

static const struct {
    const char *name;
    char letter;
} type_names[] = {
    {"int", 'i'},       {"int2", 'i'},     {"int4", 'i'},      {"int8", 'i'},
    {"integer", 'i'},   {"bigint", 'i'},   {"smallint", 'i'},  {"float", 'f'},
    {"float4", 'f'},    {"float8", 'f'},   {"double", 'f'},    {"real", 'f'},
    {"numeric", 'f'},   {"decimal", 'f'},  {"text", 't'},      {"varchar", 't'},
    {"character", 't'}, {"char", 't'},     {"string", 't'},    {"name", 't'},
    {"bool", 'b'},      {"boolean", 'b'},  {"timestamp", 'z'}, {"timestamptz", 'z'},
    {"date", 'z'},      {"interval", 'd'}, {"json", 't'},      {"jsonb", 't'},
};

static enum status check_cast(struct check *c, const struct ast *a, struct expr **ret)
{
    enum status s;
    struct expr *e;
    char letter = 0;
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (slice_is(a->text, type_names[i].name))
            letter = type_names[i].letter;
    if (letter == 0)
        return error_set_at(c->reterr, STATUS_INVALID, a->position, "type \"%.*s\" does not exist",
                            SLICE_ARG(a->text));
    if ((s = check_expr(c, a->args[0], &e)) < 0 ||
        (s = make_cast(c, e, letter, a->position, &e)) < 0)
        return s;
    if (!slice_is(a->text, "date")) {
        *ret = e;
        return STATUS_OK;
    }
    /* A date is a timestamp at midnight. */
    struct expr *day[2] = {text_constant(c, slice_text("day"), a->position), e};
    return make_call(c, a->position, "date_trunc", day, 2, ret);
}

enum status check_expr(struct check *c, const struct ast *a, struct expr **ret)
{
    switch (a->kind) {
    case AST_NULL:
        *ret = expr_null(c->arena, SQL_NULL, a->position);
        return STATUS_OK;
    case AST_BOOL:
        *ret = expr_bool(c->arena, a->integer != 0, a->position);
        return STATUS_OK;
    case AST_INTEGER:
    case AST_DECIMAL:
        if (a->kind == AST_INTEGER)
            return check_integer(c, a, ret);
        *ret = expr_new(c->arena, EXPR_CONST, SQL_FLOAT, PHYS_F64, a->position);
        if (!decimal_to_double(a->text, &(*ret)->value.f64))
            return error_set_at(c->reterr, STATUS_INVALID, a->position, "number out of range");
        return STATUS_OK;
    case AST_STRING:
        *ret = text_constant(c, a->text, a->position);
        return STATUS_OK;
    case AST_PARAMETER:
        return check_parameter(c, a, ret);
    case AST_NAME:
        return check_name(c, a, ret);
    case AST_STAR:
        return error_set_at(
            c->reterr, STATUS_INVALID, a->position,
            "* stands for all columns of a SELECT list and for the rows of count(*)");
    case AST_CAST:
        return check_cast(c, a, ret);
    case AST_CASE:
        return check_case(c, a, ret);
    case AST_CALL:
        break;
    }
    if (slice_is(a->text, "and") || slice_is(a->text, "or"))
        return check_logic(c, a, slice_is(a->text, "and"), ret);
    if (slice_is(a->text, "between"))
        return check_between(c, a, ret);
    if (slice_is(a->text, "in"))
        return check_in(c, a, ret);
    if (slice_is(a->text, "coalesce"))
        return check_coalesce(c, a, ret);
    return check_call(c, a, ret);
}
