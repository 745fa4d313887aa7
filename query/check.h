/*
 * check.h - gives names and types to a statement and makes its plan.
 *
 * Place: parse -> [here] -> plan, exec
 * Files: check_select.c (clauses), check_expression.c (operators, CASE, IN), check_call.c (overloads, casts),
 *        check_name.c (columns, aliases), check_aggregate.c (aggregates and grouping)
 * Failure: STATUS_INVALID at the position of what is wrong, in PostgreSQL's words where it has some.
 */
#ifndef DRIFTLINE_QUERY_CHECK_H
#define DRIFTLINE_QUERY_CHECK_H

#include "query/ast.h"
#include "query/function.h"
#include "query/group_table.h"
#include "query/plan.h"

#define PLANS_MAX 256u /* subqueries, CTEs as often as they are used, views */

/* Objects that outlive checking and are freed with the statement (compiled patterns). */
struct owned {
    void (*destroy)(void *);
    void *object;
    struct owned *next;
};

struct statement {
    struct arena arena;
    struct owned *owned;
    struct run *run;
    const struct query_value *parameters;
    uint32_t parameter_count;
    bool describing;        /* parameters have no values yet */
    enum sql_type *guesses; /* describing: types of $1.., SQL_NULL unknown */
    struct slice text;
    uint32_t plan_count;
};

void statement_deinit(struct statement *s);

/* One SELECT being checked. */
struct check {
    struct statement *statement;
    struct arena *arena;
    struct plan *plan;
    const struct ast_select *select;
    struct slice table_name; /* qualifiers that mean the source */
    struct slice alias;
    const struct ast_with *with;
    bool aliases_visible; /* an unknown name may be an output's alias (ORDER BY, HAVING) */
    bool in_aggregate;
    const char *no_aggregates; /* "WHERE": aggregates are not allowed there; NULL: they are */
    uint32_t depth;            /* of subqueries and views */
    struct error *reterr;
};

MUST_CHECK enum status check_select(struct statement *st, const struct ast_select *select,
                                    uint32_t depth, struct plan **ret, struct error *reterr);

/* ---- shared by the checker's files ---- */

enum status check_expr(struct check *c, const struct ast *a, struct expr **ret);
/* The expression must be a condition. what: "WHERE", "HAVING", ... */
enum status check_condition(struct check *c, const struct ast *a, const char *what,
                            struct expr **ret);
enum status check_name(struct check *c, const struct ast *a, struct expr **ret);
/* Index of the item a name stands for as an alias, or -1. */
int check_find_alias(const struct check *c, const struct ast *a);
/* Is there a column of that name in the source? */
bool check_has_column(const struct check *c, const struct ast *a);
struct expr *check_column(struct check *c, uint32_t index, uint32_t position);
uint32_t check_time_column(const struct check *c);
enum status check_call(struct check *c, const struct ast *a, struct expr **ret);
bool is_aggregate_name(struct slice name);
enum status check_aggregate(struct check *c, const struct ast *a, struct expr **ret);
/* Builds name(args) from checked arguments: overload, conversions, constant folding. */
enum status make_call(struct check *c, uint32_t position, const char *name, struct expr **args,
                      uint32_t arg_count, struct expr **ret);
enum status make_cast(struct check *c, struct expr *e, char letter, uint32_t position,
                      struct expr **ret);
/* Implicit conversion to a letter's type; error when there is none. */
enum status coerce(struct check *c, struct expr *e, char letter, struct expr **ret);
/* What conversion would cost; -1: impossible. */
int coerce_cost(const struct expr *e, char letter);
/* The letter all of them can have, or an error that names two types. what: "CASE", "IN", ... */
enum status common_letter(struct check *c, struct expr *const *list, uint32_t count,
                          const char *what, char *ret);
/* Replaces a call of constants by its value when it has one. */
enum status fold(struct check *c, struct expr **e);
enum status weigh(struct check *c, struct expr *e);
/* Turns outputs, having and order into expressions over groups. */
enum status check_grouping(struct check *c);
/* Constant of an aggregate's argument. */
enum status constant_interval(struct check *c, const struct ast *a, const char *what, int64_t *ret);
char letter_of_expr(const struct expr *e);
const char *type_name_of(const struct expr *e);

/* ---- where tables come from (tables.c, views.c) ---- */

/* What a plan's outputs are to the SELECT around it. */
void source_columns_of_plan(struct arena *arena, const struct plan *plan, struct source *to);
enum status resolve_table(struct check *c, const struct ast_from *from, struct source *ret);
/* The SELECT text of a view, or NULL. */
const char *view_text(struct statement *st, struct slice name);
/* Names of all tables; for messages, SHOW TABLES and information_schema. */
struct table_list {
    const char **names;
    size_t names_capacity;
    const char **kinds; /* "table", "view", "system" */
    size_t kinds_capacity;
    uint32_t count;
};
void table_list_fill(struct statement *st, struct table_list *to);
void table_list_deinit(struct table_list *l);
/* The columns of any table, for SHOW COLUMNS and information_schema. */
enum status table_columns_of(struct statement *st, struct slice schema, struct slice name,
                             uint32_t position, const struct source_column **ret,
                             uint32_t *ret_count, struct error *reterr);

#endif
