/*
 * expr.c - making, comparing and rewriting checked expressions.
 */
#include "query/expr.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

struct expr *expr_new(struct arena *arena, enum expr_kind kind, enum sql_type type, enum phys phys,
                      uint32_t position)
{
    struct expr *e = ARENA_NEW(arena, struct expr);
    e->kind = kind;
    e->type = type;
    e->phys = phys;
    e->scale = 1;
    e->position = position;
    e->weight = 1;
    return e;
}

struct expr *expr_int(struct arena *arena, enum sql_type type, int64_t value, uint32_t position)
{
    struct expr *e = expr_new(arena, EXPR_CONST, type, phys_of_type(type), position);
    e->value.i64 = value;
    return e;
}

struct expr *expr_bool(struct arena *arena, bool value, uint32_t position)
{
    return expr_int(arena, SQL_BOOL, value, position);
}

struct expr *expr_null(struct arena *arena, enum sql_type type, uint32_t position)
{
    struct expr *e = expr_new(arena, EXPR_CONST, type, phys_of_type(type), position);
    e->is_null = true;
    if (e->phys == PHYS_TEXT)
        e->value.text = SLICE_EMPTY;
    return e;
}

void expr_weigh(struct expr *e)
{
    uint64_t weight = 1;
    for (uint32_t i = 0; i < e->arg_count; i++)
        weight += e->args[i]->weight;
    e->weight = weight > UINT32_MAX ? UINT32_MAX : (uint32_t)weight;
}

static bool constants_equal(const struct expr *a, const struct expr *b)
{
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    switch (a->phys) {
    case PHYS_I64:
    case PHYS_BOOL:
        return a->value.i64 == b->value.i64;
    case PHYS_F64:
        return memcmp(&a->value.f64, &b->value.f64, sizeof(double)) == 0;
    case PHYS_ID64:
        return a->value.id64 == b->value.id64;
    case PHYS_ID128:
        return id128_equal(a->value.id128, b->value.id128);
    case PHYS_TEXT:
    case PHYS_CODES:
        return slice_equal(a->value.text, b->value.text);
    }
    return false;
}

bool expr_equal(const struct expr *a, const struct expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->type != b->type || a->phys != b->phys || a->scale != b->scale ||
        a->arg_count != b->arg_count || a->function != b->function)
        return false;
    if (a->kind == EXPR_CONST)
        return a->parameter == b->parameter && constants_equal(a, b);
    if ((a->kind == EXPR_COLUMN || a->kind == EXPR_AGGREGATE) && a->column != b->column)
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (!expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

bool expr_is_constant(const struct expr *e)
{
    return e->kind == EXPR_CONST;
}

void expr_walk(struct expr *e, void (*each)(void *context, struct expr *node), void *context)
{
    each(context, e);
    for (uint32_t i = 0; i < e->arg_count; i++)
        expr_walk(e->args[i], each, context);
}

struct expr *expr_rewrite(struct arena *arena, struct expr *e,
                          struct expr *(*replace)(void *context, struct expr *node), void *context)
{
    struct expr *instead = replace(context, e);
    if (instead != NULL)
        return instead;
    if (e->arg_count == 0)
        return e;
    struct expr *copy = ARENA_NEW(arena, struct expr);
    *copy = *e;
    copy->args = ARENA_ARRAY(arena, struct expr *, e->arg_count);
    for (uint32_t i = 0; i < e->arg_count; i++)
        copy->args[i] = expr_rewrite(arena, e->args[i], replace, context);
    return copy;
}

struct vec expr_constant_vec(const struct expr *e)
{
    static const uint8_t no = 0;
    static const uint8_t truth[2] = {0, 1};
    struct vec v = {.phys = e->phys, .constant = true, .valid = e->is_null ? &no : NULL};
    switch (e->phys) {
    case PHYS_I64:
        v.i64 = &e->value.i64;
        break;
    case PHYS_F64:
        v.f64 = &e->value.f64;
        break;
    case PHYS_BOOL:
        v.truth = &truth[e->value.i64 != 0];
        break;
    case PHYS_TEXT:
    case PHYS_CODES:
        v.phys = PHYS_TEXT;
        v.text = &e->value.text;
        break;
    case PHYS_ID64:
        v.id64 = &e->value.id64;
        break;
    case PHYS_ID128:
        v.id128 = &e->value.id128;
        break;
    }
    return v;
}

enum phys phys_of_type(enum sql_type type)
{
    switch (type) {
    case SQL_TIMESTAMP:
    case SQL_INT:
    case SQL_INTERVAL:
        return PHYS_I64;
    case SQL_FLOAT:
        return PHYS_F64;
    case SQL_BOOL:
        return PHYS_BOOL;
    case SQL_HEX:
        return PHYS_ID64;
    case SQL_TEXT:
    case SQL_MESSAGES:
    case SQL_NULL:
        return PHYS_TEXT;
    }
    return PHYS_TEXT;
}

const char *sql_type_name(enum sql_type type)
{
    switch (type) {
    case SQL_TIMESTAMP:
        return "timestamp";
    case SQL_INT:
        return "bigint";
    case SQL_FLOAT:
        return "double precision";
    case SQL_BOOL:
        return "boolean";
    case SQL_TEXT:
        return "text";
    case SQL_HEX:
        return "hex id";
    case SQL_MESSAGES:
        return "messages";
    case SQL_INTERVAL:
        return "interval";
    case SQL_NULL:
        return "unknown";
    }
    return "unknown";
}
