/*
 * system_tables.c - segments, projects, settings, information_schema.tables and .columns.
 *
 * Rows are made when a query reads them. A table is described by its columns and by the function that fills it.
 */
#include "query/system_tables.h"

#include "query/db.h"
#include "query/token.h"

struct system_table {
    const char *schema; /* NULL: none */
    const char *name;
    const struct query_column *columns;
    uint32_t column_count;
    enum status (*fill)(struct statement *st, struct query_table_rows *to, struct error *reterr);
};

/* What fill_system needs: the table and the statement that reads it. */
struct system_context {
    const struct system_table *table;
    struct statement *statement;
};

static struct query_value text_value(const char *text)
{
    return (struct query_value){.type = SQL_TEXT, .text = slice_text(text)};
}

static struct query_value int_value(uint64_t value)
{
    return (struct query_value){.type = SQL_INT, .i64 = (int64_t)value};
}

static struct query_value time_value(int64_t ns)
{
    return (struct query_value){.type = SQL_TIMESTAMP, .i64 = ns};
}

/* ---- segments ---- */

static const struct query_column segment_columns[] = {
    {"path", SQL_TEXT},          {"table_name", SQL_TEXT}, {"tier", SQL_TEXT},
    {"rows", SQL_INT},           {"bytes", SQL_INT},       {"time_min", SQL_TIMESTAMP},
    {"time_max", SQL_TIMESTAMP}, {"seq_min", SQL_INT},     {"seq_max", SQL_INT},
    {"patches", SQL_INT},
};

struct segment_fill {
    struct query_table_rows *to;
    uint32_t project;
};

static void add_segment(void *context, const struct segment_info *s)
{
    struct segment_fill *f = context;
    if (s->project != f->project)
        return;
    const struct query_value cells[] = {
        text_value(s->path),        text_value(table_name(s->table)),
        text_value(s->tier),        int_value(s->rows),
        int_value(s->bytes),        time_value(s->time_min_ns),
        time_value(s->time_max_ns), int_value(s->seq_min),
        int_value(s->seq_max),      int_value(s->patches),
    };
    query_table_row(f->to, cells);
}

static enum status fill_segments(struct statement *st, struct query_table_rows *to,
                                 struct error *reterr)
{
    struct segment_fill f = {.to = to, .project = st->run->project};
    return engine_segments(st->run->engine, false, add_segment, &f, reterr);
}

/* ---- projects, settings ---- */

static const struct query_column project_columns[] = {{"id", SQL_INT}, {"name", SQL_TEXT}};

/* Only the caller's own: a key belongs to one project. */
static enum status fill_projects(struct statement *st, struct query_table_rows *to,
                                 struct error *reterr)
{
    (void)reterr;
    const char *name = engine_project_name(st->run->engine, st->run->project);
    if (name != NULL) {
        const struct query_value cells[] = {int_value(st->run->project), text_value(name)};
        query_table_row(to, cells);
    }
    return STATUS_OK;
}

static const struct query_column setting_columns[] = {
    {"name", SQL_TEXT}, {"value", SQL_INT}, {"unit", SQL_TEXT}, {"about", SQL_TEXT}};

static enum status fill_settings(struct statement *st, struct query_table_rows *to,
                                 struct error *reterr)
{
    (void)reterr;
    const struct run *r = st->run;
    const struct {
        const char *name;
        uint64_t value;
        const char *unit;
        const char *about;
    } settings[] = {
        {"query_timeout", (uint64_t)(r->timeout_ns / 1000000), "ms", "longest a query may take"},
        {"query_memory", r->memory_bytes_max, "bytes", "most memory a query may use"},
        {"query_rows", r->rows_max, "rows", "most rows a result may have"},
        {"query_result_bytes", r->result_bytes_max, "bytes", "largest result"},
        {"query_threads", r->threads, "threads", "threads of a query"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const struct query_value cells[] = {
            text_value(settings[i].name), int_value(settings[i].value),
            text_value(settings[i].unit), text_value(settings[i].about)};
        query_table_row(to, cells);
    }
    return STATUS_OK;
}

/* ---- information_schema ---- */

static const struct query_column info_table_columns[] = {{"table_catalog", SQL_TEXT},
                                                         {"table_schema", SQL_TEXT},
                                                         {"table_name", SQL_TEXT},
                                                         {"table_type", SQL_TEXT}};

/* "information_schema.tables" -> its schema and name. */
static struct slice schema_of(const char *name, struct slice *ret_name)
{
    const char *dot = strchr(name, '.');
    *ret_name = slice_text(dot == NULL ? name : dot + 1);
    return dot == NULL ? slice_text("public") : slice_of(name, (size_t)(dot - name));
}

static enum status fill_info_tables(struct statement *st, struct query_table_rows *to,
                                    struct error *reterr)
{
    (void)reterr;
    struct table_list list;
    table_list_fill(st, &list);
    for (uint32_t i = 0; i < list.count; i++) {
        struct slice name;
        struct slice schema = schema_of(list.names[i], &name);
        const struct query_value cells[] = {
            text_value("driftline"),
            {.type = SQL_TEXT, .text = schema},
            {.type = SQL_TEXT, .text = name},
            text_value(strcmp(list.kinds[i], "view") == 0 ? "VIEW" : "BASE TABLE"),
        };
        query_table_row(to, cells);
    }
    table_list_deinit(&list);
    return STATUS_OK;
}

static const struct query_column info_column_columns[] = {
    {"table_catalog", SQL_TEXT}, {"table_schema", SQL_TEXT},    {"table_name", SQL_TEXT},
    {"column_name", SQL_TEXT},   {"ordinal_position", SQL_INT}, {"is_nullable", SQL_TEXT},
    {"data_type", SQL_TEXT}};

/* The type names drivers know. */
static const char *driver_type(enum sql_type type)
{
    switch (type) {
    case SQL_TIMESTAMP:
        return "timestamp with time zone";
    case SQL_HEX:
    case SQL_MESSAGES:
    case SQL_NULL:
        return "text";
    case SQL_INT:
    case SQL_FLOAT:
    case SQL_BOOL:
    case SQL_TEXT:
    case SQL_INTERVAL:
        break;
    }
    return sql_type_name(type);
}

static enum status add_columns(struct statement *st, const char *table, struct query_table_rows *to,
                               struct error *reterr)
{
    uint32_t count;
    const struct source_column *columns;
    struct slice name;
    struct slice schema = schema_of(table, &name);
    enum status s = table_columns_of(st, schema, name, 0, &columns, &count, reterr);
    for (uint32_t i = 0; s == STATUS_OK && i < count; i++) {
        const struct query_value cells[] = {
            text_value("driftline"),
            {.type = SQL_TEXT, .text = schema},
            {.type = SQL_TEXT, .text = name},
            text_value(columns[i].name),
            int_value(i + 1),
            text_value("YES"),
            text_value(driver_type(columns[i].type)),
        };
        query_table_row(to, cells);
    }
    return s;
}

static enum status fill_info_columns(struct statement *st, struct query_table_rows *to,
                                     struct error *reterr)
{
    struct table_list list;
    enum status s = STATUS_OK;
    table_list_fill(st, &list);
    for (uint32_t i = 0; i < list.count && s == STATUS_OK; i++)
        s = add_columns(st, list.names[i], to, reterr);
    table_list_deinit(&list);
    return s;
}

#define TABLE_OF(schema, name, columns, fill)                                                      \
    {                                                                                              \
        schema, name, columns, sizeof columns / sizeof *columns, fill                              \
    }
static const struct system_table system_tables[] = {
    TABLE_OF(NULL, "segments", segment_columns, fill_segments),
    TABLE_OF(NULL, "projects", project_columns, fill_projects),
    TABLE_OF(NULL, "settings", setting_columns, fill_settings),
    TABLE_OF("information_schema", "tables", info_table_columns, fill_info_tables),
    TABLE_OF("information_schema", "columns", info_column_columns, fill_info_columns),
};

void system_table_names(void (*add)(struct table_list *to, const char *name, const char *kind),
                        struct table_list *to)
{
    static const char *const names[] = {"segments", "projects", "settings",
                                        "information_schema.tables", "information_schema.columns"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add(to, names[i], "system");
}

static enum status fill_system(void *context, struct run *run, struct relation *to,
                               struct error *reterr)
{
    const struct system_context *sc = context;
    struct query_table_rows rows = {.to = to,
                                    .columns = sc->table->columns,
                                    .column_count = sc->table->column_count,
                                    .run = run,
                                    .reterr = reterr};
    enum status s = sc->table->fill(sc->statement, &rows, reterr);
    return s < 0 ? s : rows.status;
}

bool system_table_source(struct statement *st, struct slice schema, struct slice name,
                         struct source *ret)
{
    for (size_t i = 0; i < sizeof system_tables / sizeof *system_tables; i++) {
        const struct system_table *t = &system_tables[i];
        bool same_schema = t->schema == NULL ? schema.size == 0 || word_equal(schema, "public")
                                             : word_equal(schema, t->schema);
        if (!same_schema || !slice_is(name, t->name))
            continue;
        struct system_context *context = ARENA_NEW(&st->arena, struct system_context);
        *context = (struct system_context){.table = t, .statement = st};
        *ret = (struct source){.kind = SOURCE_ROWS,
                               .name = t->name,
                               .column_count = t->column_count,
                               .fill = fill_system,
                               .fill_context = context};
        ret->columns = arena_zero(&st->arena, t->column_count, sizeof *ret->columns);
        for (uint32_t c = 0; c < t->column_count; c++)
            ret->columns[c] = (struct source_column){.name = t->columns[c].name,
                                                     .type = t->columns[c].type,
                                                     .phys = phys_of_type(t->columns[c].type),
                                                     .scale = 1};
        return true;
    }
    return false;
}
