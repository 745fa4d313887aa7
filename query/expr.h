/*
 * expr.h - a checked expression: names are columns, every node has a type, every call its kernel.
 *
 * Place:     check -> [here] -> plan, eval
 * Invariant: an expression is immutable once its statement is planned and is shared by all threads.
 *            Nodes may be shared between trees; `weight` counts them as often as they are evaluated
 *            and is bounded by EXPRESSION_WEIGHT_MAX, so sharing can't blow up.
 */
#ifndef DRIFTLINE_QUERY_EXPR_H
#define DRIFTLINE_QUERY_EXPR_H

#include "query/vec.h"

#define EXPRESSION_WEIGHT_MAX 1000000u

struct function;

enum expr_kind {
    EXPR_CONST,
    EXPR_COLUMN,    /* column: index among the columns of its source */
    EXPR_CALL,      /* function(args) */
    EXPR_AND,       /* args, at least two */
    EXPR_OR,        /* args, at least two */
    EXPR_CASE,      /* args: (condition, value) pairs, then the value of ELSE */
    EXPR_COALESCE,  /* args */
    EXPR_AGGREGATE, /* column: index among the plan's aggregates; gone once a plan is grouped */
};

struct expr {
    enum expr_kind kind;
    enum sql_type type;
    enum phys phys;
    int64_t scale; /* PHYS_I64: stored integer / scale = SQL value; else 1 */
    uint32_t position;
    uint32_t weight;
    uint32_t column;
    uint32_t parameter; /* CONST that is $n while describing: n; else 0 */
    /* Evaluated once per dictionary entry of column dict_column: slot of the result cache + 1. */
    uint32_t dict_slot;
    uint32_t dict_column;
    bool unknown; /* a text literal or parameter: takes the type its context wants */
    bool is_null; /* CONST */
    union {
        int64_t i64; /* also BOOL */
        double f64;
        struct slice text;
        uint64_t id64;
        struct id128 id128;
    } value;
    const struct function *function;
    uint32_t arg_count;
    struct expr **args;
    const void *data; /* what the function's prepare made of its constants: a pattern, a set */
};

struct expr *expr_new(struct arena *arena, enum expr_kind kind, enum sql_type type, enum phys phys,
                      uint32_t position);
struct expr *expr_int(struct arena *arena, enum sql_type type, int64_t value, uint32_t position);
struct expr *expr_bool(struct arena *arena, bool value, uint32_t position);
struct expr *expr_null(struct arena *arena, enum sql_type type, uint32_t position);
/* Sets weight from the arguments; saturates. */
void expr_weigh(struct expr *e);
/* The same computation on the same columns? */
bool expr_equal(const struct expr *a, const struct expr *b);
bool expr_is_constant(const struct expr *e);
/* Calls each() for every node, parents first. */
void expr_walk(struct expr *e, void (*each)(void *context, struct expr *node), void *context);
/* A copy with some nodes replaced: replace() returns the new node or NULL to copy and go on below. */
struct expr *expr_rewrite(struct arena *arena, struct expr *e,
                          struct expr *(*replace)(void *context, struct expr *node), void *context);
/* The constant's value as a one-row vec that points into the expression. */
struct vec expr_constant_vec(const struct expr *e);

/* The representation a type has when it is computed. */
enum phys phys_of_type(enum sql_type type);
/* "integer", "double precision", "text", ... for messages, and for information_schema. */
const char *sql_type_name(enum sql_type type);

#endif
