/*
 * ast.h - a statement as it was written, before names and types mean anything.
 *
 * Everything lives in the statement's arena. Depth is bounded by EXPRESSION_DEPTH_MAX, so walking a
 * tree recursively is safe.
 */
#ifndef DRIFTLINE_QUERY_AST_H
#define DRIFTLINE_QUERY_AST_H

#include "engine/base/limits.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"

enum ast_kind {
    AST_NULL,
    AST_BOOL,      /* integer: 0 or 1 */
    AST_INTEGER,   /* text: digits */
    AST_DECIMAL,   /* text */
    AST_STRING,    /* text */
    AST_PARAMETER, /* integer: from 1 */
    AST_NAME,      /* text: the name, dots included; first: its first part when it had dots */
    AST_STAR,      /* * or first.* */
    AST_CALL,      /* text: function or operator name in lower case; args */
    AST_CAST,      /* args[0] as the type text */
    AST_CASE,      /* has_operand: args[0]; then (when, then) pairs; has_else: the last */
};

struct ast_order {
    struct ast *expression;
    bool descending;
    bool nulls_first;
};

/* What only calls of aggregates have. */
struct ast_call {
    bool star;                /* count(*) */
    bool distinct;            /* count(DISTINCT x) */
    struct ast *filter;       /* FILTER (WHERE ...) */
    struct ast_order *within; /* WITHIN GROUP (ORDER BY ...) */
};

struct ast {
    enum ast_kind kind;
    uint32_t position;
    uint16_t depth;
    bool quoted;      /* AST_NAME: was it in quotes? then its case counts */
    bool has_operand; /* AST_CASE */
    bool has_else;
    uint32_t arg_count;
    struct ast **args;
    struct slice text;
    struct slice first; /* AST_NAME, AST_STAR: the qualifier, or empty */
    int64_t integer;
    struct ast_call *call;
};

struct ast_item {
    struct ast *expression;
    struct slice alias; /* empty: none */
};

struct ast_select;

struct ast_from {
    enum {
        FROM_NOTHING,
        FROM_TABLE,
        FROM_SUBQUERY
    } kind;
    uint32_t position;
    struct slice schema; /* "information_schema" or empty */
    struct slice name;
    struct slice alias;
    struct ast_select *subquery;
};

struct ast_with {
    struct slice name;
    uint32_t position;
    struct ast_select *select;
    struct slice *columns; /* WITH x (a, b) AS ... */
    uint32_t column_count;
    struct ast_with *outer; /* the one before it: what its own select may see */
};

struct ast_select {
    struct ast_with *with; /* the last of the list in scope, or NULL */
    bool distinct;
    uint32_t item_count;
    struct ast_item *items;
    struct ast_from from;
    struct ast *where;
    uint32_t group_count;
    struct ast **group;
    struct slice rolling; /* the text of ROLLING '1h' */
    bool has_rolling;
    uint32_t rolling_position;
    struct ast *having;
    uint32_t order_count;
    struct ast_order *order;
    struct ast *limit;
    struct ast *offset;
    uint32_t position;
};

struct ast_statement {
    enum {
        STATEMENT_SELECT,
        STATEMENT_EXPLAIN,
        STATEMENT_SHOW_TABLES,
        STATEMENT_SHOW_COLUMNS
    } kind;
    struct ast_select *select;
    struct ast_from table; /* SHOW COLUMNS FROM */
    uint32_t parameter_count;
};

#endif
