/*
 * query.c - the door: one statement from text to result.
 *
 * Place:   pgwire, http, alert, tools -> [here] -> parse, check, plan, exec
 * Memory:  a statement's own memory dies with it; results own theirs.
 */
#include "query/query.h"

#include <stdio.h>

#include <unistd.h>

#include "engine/base/clock.h"

#include "query/check.h"
#include "query/db.h"
#include "query/exec.h"
#include "query/parse.h"
#include "query/result.h"
#include "query/token.h"

struct query_db *query_db_create(struct engine *engine)
{
    struct query_db *db = MEM_NEW(struct query_db);
    db->engine = engine;
    return db;
}

void query_db_destroy(struct query_db *db)
{
    if (db == NULL)
        return;
    mem_free(db->tables);
    mem_free(db);
}

void query_db_add_table(struct query_db *db, const struct query_table *table)
{
    db->tables =
        mem_grow(db->tables, &db->tables_capacity, db->table_count + 1, sizeof *db->tables);
    db->tables[db->table_count++] = *table;
}

static void statement_init(struct statement *st, struct run *run, struct slice text,
                           const struct query_options *options)
{
    *st = (struct statement){.run = run,
                             .text = text,
                             .parameters = options->parameters,
                             .parameter_count = options->parameter_count};
}

static enum status run_select(struct statement *st, const struct ast_statement *ast,
                              struct query_result *result, struct error *reterr)
{
    enum status s;
    struct plan *plan;
    struct relation rows = {0};
    struct exec x = {.run = st->run, .arena = &st->arena};
    if ((s = check_select(st, ast->select, 0, &plan, reterr)) < 0)
        return s;
    plan->outermost = ast->kind == STATEMENT_SELECT;
    plan_finish(plan, &st->arena);
    s = exec_plan(&x, plan, &rows, reterr);
    if (s == STATUS_OK && ast->kind == STATEMENT_SELECT)
        s = result_from_rows(st->run, plan, &rows, result, reterr);
    uint64_t row_count = rows.rows;
    relation_deinit(&rows);
    exec_deinit(&x);
    if (s == STATUS_OK && ast->kind == STATEMENT_EXPLAIN)
        result_explain(st->run, plan, row_count, result);
    return s;
}

static void add_stats(struct run *run, struct query_result *result)
{
    result->stats.elapsed_ns = clock_monotonic_ns() - run->started_ns;
    result->stats.rows_read = run->scanned.rows;
    result->stats.blocks_read = run->scanned.blocks - run->scanned.blocks_skipped;
    result->stats.blocks_skipped = run->scanned.blocks_skipped;
    result->stats.segments_read = run->scanned.segments - run->scanned.segments_skipped;
    result->stats.segments_skipped = run->scanned.segments_skipped;
    result->partial = run->scanned.damaged > 0;
    if (result->partial)
        (void)snprintf(result->notice, sizeof result->notice,
                       "%llu blocks could not be read and were left out: %.180s",
                       (unsigned long long)run->scanned.damaged,
                       run->damaged ? run->damage.text : "");
}

static enum status run_statement(struct statement *st, const struct ast_statement *ast,
                                 struct query_result *result, struct error *reterr)
{
    switch (ast->kind) {
    case STATEMENT_SELECT:
    case STATEMENT_EXPLAIN:
        return run_select(st, ast, result, reterr);
    case STATEMENT_SHOW_TABLES:
        result_show_tables(st, result);
        return STATUS_OK;
    case STATEMENT_SHOW_COLUMNS:
        return result_show_columns(st, &ast->table, result, reterr);
    }
    return STATUS_OK;
}

enum status query_run(struct query_db *db, struct slice text, const struct query_options *options,
                      struct query_result **ret, struct error *reterr)
{
    enum status s;
    struct run run;
    struct statement st;
    struct ast_statement ast;
    struct error error = {.position = -1};
    run_init(&run, db, db->engine, options);
    statement_init(&st, &run, text, options);
    struct query_result *result = MEM_NEW(struct query_result);
    if ((s = parse_statement(text, &st.arena, &ast, &error)) == STATUS_OK)
        s = run_statement(&st, &ast, result, &error);
    if (s == STATUS_OK) {
        add_stats(&run, result);
        *ret = result;
        result = NULL;
    } else if (reterr != NULL) {
        *reterr = error;
    }
    query_result_destroy(result);
    statement_deinit(&st);
    run_deinit(&run);
    return s;
}

/* ---- describing ---- */

static enum status describe_select(struct statement *st, const struct ast_statement *ast,
                                   struct query_shape *shape, struct error *reterr)
{
    struct plan *plan;
    enum status s = check_select(st, ast->select, 0, &plan, reterr);
    if (s < 0)
        return s;
    if (ast->kind == STATEMENT_EXPLAIN) {
        shape->columns = ARENA_NEW(&shape->arena, struct query_column);
        shape->columns[0] = (struct query_column){.name = "QUERY PLAN", .type = SQL_TEXT};
        shape->column_count = 1;
        return STATUS_OK;
    }
    result_columns(plan, &shape->arena, &shape->columns, &shape->column_count);
    return STATUS_OK;
}

static enum status describe(struct statement *st, struct query_shape *shape, struct error *reterr)
{
    enum status s;
    struct ast_statement ast;
    if ((s = parse_statement(st->text, &st->arena, &ast, reterr)) < 0)
        return s;
    st->describing = true;
    shape->parameter_count = ast.parameter_count;
    shape->parameters = ARENA_ARRAY(&shape->arena, enum sql_type, ast.parameter_count + 1);
    for (uint32_t i = 0; i < ast.parameter_count; i++)
        shape->parameters[i] = SQL_NULL;
    st->guesses = shape->parameters;
    if (ast.kind == STATEMENT_SELECT || ast.kind == STATEMENT_EXPLAIN)
        return describe_select(st, &ast, shape, reterr);
    struct query_result *result = MEM_NEW(struct query_result);
    s = run_statement(st, &ast, result, reterr);
    if (s == STATUS_OK) {
        shape->column_count = result->column_count;
        shape->columns = ARENA_ARRAY(&shape->arena, struct query_column, result->column_count + 1);
        for (uint32_t i = 0; i < result->column_count; i++)
            shape->columns[i] = (struct query_column){
                arena_strdup(&shape->arena, result->columns[i].name), result->columns[i].type};
    }
    query_result_destroy(result);
    return s;
}

enum status query_describe(struct query_db *db, struct slice text,
                           const struct query_options *options, struct query_shape **ret,
                           struct error *reterr)
{
    struct run run;
    struct statement st;
    struct error error = {.position = -1};
    run_init(&run, db, db->engine, options);
    statement_init(&st, &run, text, options);
    struct query_shape *shape = MEM_NEW(struct query_shape);
    enum status s = describe(&st, shape, &error);
    if (s == STATUS_OK) {
        *ret = shape;
        shape = NULL;
    } else if (reterr != NULL) {
        *reterr = error;
    }
    query_shape_destroy(shape);
    statement_deinit(&st);
    run_deinit(&run);
    return s;
}

void query_shape_destroy(struct query_shape *s)
{
    if (s == NULL)
        return;
    arena_deinit(&s->arena);
    mem_free(s);
}

void query_result_destroy(struct query_result *r)
{
    if (r == NULL)
        return;
    arena_deinit(&r->arena);
    mem_free(r);
}
