/*
 * tables.c - names after FROM: CTEs, stored tables, views, system tables, tables the server registered.
 */
#include "engine/span/cell.h"

#include "query/check.h"
#include "query/db.h"
#include "query/parse.h"
#include "query/system_tables.h"
#include "query/token.h"

#define VIEW_DEPTH_MAX 40u

void source_columns_of_plan(struct arena *arena, const struct plan *plan, struct source *to)
{
    to->column_count = plan->output_count;
    to->columns = arena_zero(arena, plan->output_count + 1, sizeof *to->columns);
    for (uint32_t i = 0; i < plan->output_count; i++) {
        const struct expr *e = plan->outputs[i].expr;
        to->columns[i] = (struct source_column){
            .name = plan->outputs[i].name, .type = e->type, .phys = e->phys, .scale = e->scale};
    }
}

/* ---- stored tables ---- */

static void stored_column(const struct column *from, struct source_column *to)
{
    *to = (struct source_column){.name = from->name, .type = from->sql, .scale = 1, .stored = from};
    switch (from->storage) {
    case STORAGE_I64:
        to->phys = from->sql == SQL_BOOL ? PHYS_BOOL : PHYS_I64;
        to->scale = from->divisor;
        break;
    case STORAGE_F64:
        to->phys = PHYS_F64;
        break;
    case STORAGE_STR:
    case STORAGE_TEXT:
    case STORAGE_REFS:
        to->phys = PHYS_TEXT;
        break;
    case STORAGE_ID64:
        to->phys = PHYS_ID64;
        break;
    case STORAGE_ID128:
        to->phys = PHYS_ID128;
        break;
    }
}

static void stored_source(struct statement *st, enum table table, struct source *to)
{
    uint32_t count;
    const struct column *columns = table_columns(table, &count);
    struct schema *schema = table == TABLE_SPANS && st->run->engine != NULL
                                ? engine_schema(st->run->engine, st->run->project)
                                : NULL;
    uint32_t scores = schema == NULL ? 0 : schema_score_count(schema);
    *to = (struct source){.kind = SOURCE_SCAN, .name = table_name(table), .table = table};
    to->columns = arena_zero(&st->arena, count + scores + 1, sizeof *to->columns);
    for (uint32_t i = 0; i < count; i++)
        stored_column(&columns[i], &to->columns[to->column_count++]);
    for (uint32_t i = 0; i < scores; i++) {
        const struct column *score = schema_column(schema, table, (uint16_t)(COLUMN_DYNAMIC + i));
        if (score != NULL)
            stored_column(score, &to->columns[to->column_count++]);
    }
}

/* ---- registered tables ---- */

static enum status fill_registered(void *context, struct run *run, struct relation *to,
                                   struct error *reterr)
{
    const struct query_table *t = context;
    struct query_table_rows rows = {.to = to,
                                    .columns = t->columns,
                                    .column_count = t->column_count,
                                    .run = run,
                                    .reterr = reterr};
    enum status s = t->fill(t->context, run->project, &rows, reterr);
    return s < 0 ? s : rows.status;
}

static void registered_source(struct statement *st, struct query_table *t, struct source *to)
{
    *to = (struct source){.kind = SOURCE_ROWS,
                          .name = t->name,
                          .column_count = t->column_count,
                          .fill = fill_registered,
                          .fill_context = t};
    to->columns = arena_zero(&st->arena, t->column_count + 1, sizeof *to->columns);
    for (uint32_t i = 0; i < t->column_count; i++) {
        /* Ids come as text from the server. */
        enum sql_type type = t->columns[i].type;
        if (type == SQL_HEX || type == SQL_MESSAGES || type == SQL_NULL)
            type = SQL_TEXT;
        to->columns[i] = (struct source_column){
            .name = t->columns[i].name, .type = type, .phys = phys_of_type(type), .scale = 1};
    }
}

void query_table_row(struct query_table_rows *to, const struct query_value *cells)
{
    struct relation *r = to->to;
    if (to->status < 0)
        return;
    relation_reserve(r, 1);
    for (uint32_t i = 0; i < to->column_count; i++) {
        struct relation_column *c = &r->columns[i];
        const struct query_value *v = &cells[i];
        bool has = v->type != SQL_NULL;
        size_t width = phys_width(c->phys);
        uint8_t *data = c->data + r->rows * width;
        c->valid[r->rows] = has;
        memset(data, 0, width);
        if (c->phys == PHYS_TEXT) {
            struct slice text = has ? text_store_add(&r->texts, v->text) : SLICE_EMPTY;
            memcpy(data, &text, sizeof text);
        } else if (has && c->phys == PHYS_BOOL) {
            *data = v->i64 != 0;
        } else if (has) {
            memcpy(data, &v->i64, width);
        }
    }
    r->rows++;
    if (r->rows % 1024 == 0)
        to->status = relation_charge(r, to->run, to->reterr);
}

static struct query_table *registered_find(struct query_db *db, struct slice name)
{
    for (uint32_t i = 0; db != NULL && i < db->table_count; i++)
        if (word_equal(name, db->tables[i].name))
            return &db->tables[i];
    return NULL;
}

/* ---- names ---- */

static bool is_public(struct slice schema)
{
    return schema.size == 0 || word_equal(schema, "public") || word_equal(schema, "driftline");
}

static void list_add(struct table_list *l, const char *name, const char *kind)
{
    l->names = mem_grow(l->names, &l->names_capacity, l->count + 1, sizeof *l->names);
    l->kinds = mem_grow(l->kinds, &l->kinds_capacity, l->count + 1, sizeof *l->kinds);
    l->names[l->count] = name;
    l->kinds[l->count++] = kind;
}

void table_list_fill(struct statement *st, struct table_list *to)
{
    *to = (struct table_list){0};
    for (int t = 0; t < TABLE_COUNT; t++)
        list_add(to, table_name((enum table)t), "table");
    list_add(to, "traces", "view");
    list_add(to, "sessions", "view");
    for (uint32_t i = 0; st->run->db != NULL && i < st->run->db->table_count; i++)
        list_add(to, st->run->db->tables[i].name, "table");
    system_table_names(list_add, to);
}

void table_list_deinit(struct table_list *l)
{
    mem_free(l->names);
    mem_free(l->kinds);
    *l = (struct table_list){0};
}

static enum status no_such_table(struct check *c, const struct ast_from *from)
{
    struct table_list list;
    table_list_fill(c->statement, &list);
    struct slice name = from->name;
    if (name.size > NAME_BYTES_MAX)
        name.size = NAME_BYTES_MAX;
    const char *nearest = nearest_name(name, list.names, list.count);
    enum status s = nearest != NULL
                        ? error_set_at(c->reterr, STATUS_INVALID, from->position,
                                       "table \"%.*s\" does not exist; did you mean \"%s\"?",
                                       SLICE_ARG(name), nearest)
                        : error_set_at(c->reterr, STATUS_INVALID, from->position,
                                       "table \"%.*s\" does not exist; SHOW TABLES lists them",
                                       SLICE_ARG(name));
    table_list_deinit(&list);
    return s;
}

/* ---- subqueries ---- */

static enum status plan_source(struct check *c, const struct ast_select *select, const char *name,
                               struct source *ret)
{
    if (c->depth + 1 > VIEW_DEPTH_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, c->select->from.position,
                            "subqueries and CTEs nest deeper than %u", VIEW_DEPTH_MAX);
    *ret = (struct source){.kind = SOURCE_PLAN, .name = name};
    if (++c->statement->plan_count > PLANS_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, c->select->from.position,
                            "the statement expands to more than %u subqueries", PLANS_MAX);
    enum status s = check_select(c->statement, select, c->depth + 1, &ret->plan, c->reterr);
    if (s == STATUS_OK)
        source_columns_of_plan(c->arena, ret->plan, ret);
    return s;
}

static enum status with_source(struct check *c, const struct ast_with *with, struct source *ret)
{
    const char *name = arena_printf(c->arena, "%.*s", SLICE_ARG(with->name));
    enum status s = plan_source(c, with->select, name, ret);
    if (s < 0)
        return s;
    if (with->column_count > ret->column_count)
        return error_set_at(c->reterr, STATUS_INVALID, with->position,
                            "\"%s\" has %u columns available but %u columns specified", name,
                            ret->column_count, with->column_count);
    for (uint32_t i = 0; i < with->column_count; i++)
        ret->columns[i].name = arena_printf(c->arena, "%.*s", SLICE_ARG(with->columns[i]));
    return STATUS_OK;
}

/* A view's text is ours: an error in it has no position in the user's text. */
static enum status view_source(struct check *c, const char *text, const char *name,
                               struct source *ret)
{
    struct ast_statement view;
    enum status s = parse_statement(slice_text(text), c->arena, &view, c->reterr);
    if (s == STATUS_OK)
        s = plan_source(c, view.select, name, ret);
    if (s < 0 && c->reterr != NULL)
        c->reterr->position = -1;
    return s;
}

static enum status named_source(struct check *c, const struct ast_from *from, struct source *ret)
{
    enum table table;
    struct slice name = from->name;
    if (from->schema.size == 0)
        for (const struct ast_with *w = c->with; w != NULL; w = w->outer)
            if (slice_equal(w->name, name))
                return with_source(c, w, ret);
    char lower[NAME_BYTES_MAX];
    size_t size = name.size < sizeof lower ? name.size : sizeof lower;
    for (size_t i = 0; i < size; i++)
        lower[i] =
            (char)(name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i]);
    struct slice folded = slice_of(lower, size);
    if (system_table_source(c->statement, from->schema, folded, ret))
        return STATUS_OK;
    if (!is_public(from->schema))
        return no_such_table(c, from);
    if (table_from_name(folded, &table)) {
        stored_source(c->statement, table, ret);
        return STATUS_OK;
    }
    struct query_table *t = registered_find(c->statement->run->db, folded);
    if (t != NULL) {
        registered_source(c->statement, t, ret);
        return STATUS_OK;
    }
    const char *view = view_text(c->statement, folded);
    if (view != NULL)
        return view_source(c, view, arena_printf(c->arena, "%.*s", SLICE_ARG(folded)), ret);
    return no_such_table(c, from);
}

enum status resolve_table(struct check *c, const struct ast_from *from, struct source *ret)
{
    switch (from->kind) {
    case FROM_NOTHING:
        *ret = (struct source){.kind = SOURCE_NOTHING, .name = "nothing"};
        return STATUS_OK;
    case FROM_TABLE:
        return named_source(c, from, ret);
    case FROM_SUBQUERY:
        return plan_source(c, from->subquery, "subquery", ret);
    }
    return STATUS_OK;
}

enum status table_columns_of(struct statement *st, struct slice schema, struct slice name,
                             uint32_t position, const struct source_column **ret,
                             uint32_t *ret_count, struct error *reterr)
{
    struct source source;
    struct ast_select select = {.from = {.kind = FROM_TABLE,
                                         .schema = schema,
                                         .name = name,
                                         .position = position,
                                         .alias = SLICE_EMPTY}};
    struct plan plan = {0};
    struct check c = {
        .statement = st, .arena = &st->arena, .plan = &plan, .select = &select, .reterr = reterr};
    enum status s = named_source(&c, &select.from, &source);
    if (s < 0)
        return s;
    *ret = source.columns;
    *ret_count = source.column_count;
    return STATUS_OK;
}
