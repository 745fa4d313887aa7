/*
 * show.c - SHOW TABLES and SHOW COLUMNS.
 */
#include "query/result.h"

static void columns_set(struct query_result *r, const struct query_column *columns, uint32_t count)
{
    r->columns = ARENA_ARRAY(&r->arena, struct query_column, count);
    memcpy(r->columns, columns, count * sizeof *columns);
    r->column_count = count;
}

static struct query_value text_cell(struct query_result *r, const char *text)
{
    struct query_value v = {.type = SQL_NULL, .i64 = 0};
    if (text != NULL) {
        v.type = SQL_TEXT;
        v.text = arena_copy(&r->arena, slice_text(text));
    }
    return v;
}

void result_show_tables(struct statement *st, struct query_result *r)
{
    static const struct query_column columns[] = {{"name", SQL_TEXT}, {"kind", SQL_TEXT}};
    struct table_list list;
    table_list_fill(st, &list);
    columns_set(r, columns, 2);
    r->row_count = list.count;
    r->cells = ARENA_ARRAY(&r->arena, struct query_value, 2 * (size_t)list.count + 1);
    for (uint32_t i = 0; i < list.count; i++) {
        r->cells[2 * i] = text_cell(r, list.names[i]);
        r->cells[2 * i + 1] = text_cell(r, list.kinds[i]);
    }
    table_list_deinit(&list);
}

enum status result_show_columns(struct statement *st, const struct ast_from *table,
                                struct query_result *r, struct error *reterr)
{
    static const struct query_column columns[] = {
        {"name", SQL_TEXT}, {"type", SQL_TEXT}, {"about", SQL_TEXT}};
    const struct source_column *list;
    uint32_t count;
    enum status s =
        table_columns_of(st, table->schema, table->name, table->position, &list, &count, reterr);
    if (s < 0)
        return s;
    columns_set(r, columns, 3);
    r->row_count = count;
    r->cells = ARENA_ARRAY(&r->arena, struct query_value, 3 * (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++) {
        r->cells[3 * i] = text_cell(r, list[i].name);
        r->cells[3 * i + 1] = text_cell(r, sql_type_name(list[i].type));
        r->cells[3 * i + 2] = text_cell(r, list[i].stored != NULL ? list[i].stored->doc : NULL);
    }
    return STATUS_OK;
}
