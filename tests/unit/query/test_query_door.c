/*
 * test_query_door.c - splitting, carets, describing, parameters, formats: the rest of query.h.
 */
#include <criterion/criterion.h>

#include "query_fixture.h"

static enum status fill_things(void *context, uint32_t project, struct query_table_rows *to,
                               struct error *reterr)
{
    (void)context;
    (void)project;
    (void)reterr;
    const struct query_value cells[2][4] = {
        {{.type = SQL_INT, .i64 = 1},
         {.type = SQL_TEXT, .text = slice_text("a \"quoted\", text\nof two lines")},
         {.type = SQL_FLOAT, .f64 = 0.1},
         {.type = SQL_TIMESTAMP, .i64 = FIXTURE_NOW_NS}},
        {{.type = SQL_INT, .i64 = 2},
         {.type = SQL_TEXT, .text = slice_text("")},
         {.type = SQL_NULL},
         {.type = SQL_TIMESTAMP, .i64 = FIXTURE_NOW_NS + 1}}};
    query_table_row(to, cells[0]);
    query_table_row(to, cells[1]);
    return STATUS_OK;
}

static struct query_db *things_db(void)
{
    static const struct query_column columns[] = {
        {"i", SQL_INT}, {"t", SQL_TEXT}, {"f", SQL_FLOAT}, {"at", SQL_TIMESTAMP}};
    const struct query_table table = {
        .name = "things", .columns = columns, .column_count = 4, .fill = fill_things};
    struct query_db *db = query_db_create(NULL);
    query_db_add_table(db, &table);
    return db;
}

Test(query_split, takes_one_statement_at_a_time)
{
    static const struct {
        const char *text;
        const char *first;
        const char *rest;
    } cases[] = {
        {"select 1; select 2", "select 1", " select 2"},
        {"select 1", "select 1", ""},
        {"  ;; select ';' ; x", "select ';' ", " x"},
        {"select $$;$$; y", "select $$;$$", " y"},
        {"select \";\" -- ;\n, 2; z", "select \";\" -- ;\n, 2", " z"},
        {"/* ; /* ; */ ; */ select 1;", "select 1", ""},
        {" -- nothing\n /* here */ ", "", ""},
        {"", "", ""},
        {"select 'never ends; ", "select 'never ends; ", ""},
        {"select 1a; select 2", "select 1a", " select 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice rest;
        struct slice first = query_split(slice_text(cases[i].text), &rest);
        cr_assert(slice_is(first, cases[i].first), "%s: '%.*s'", cases[i].text, SLICE_ARG(first));
        cr_assert(slice_is(rest, cases[i].rest), "%s: '%.*s'", cases[i].text, SLICE_ARG(rest));
    }
}

Test(query_caret, stands_under_the_position)
{
    struct buffer b = {0};
    struct error error = {.position = 12};
    query_error_caret(slice_text("select 1,\n  modle\nfrom x"), &error, &b);
    cr_assert(slice_is(buffer_slice(&b), "LINE 2:   modle\n          ^\n"), "%.*s",
              SLICE_ARG(buffer_slice(&b)));
    buffer_reset(&b);
    error.position = -1;
    query_error_caret(slice_text("select"), &error, &b);
    cr_assert(b.size == 0);
    error.position = 7;
    query_error_caret(slice_text("select"), &error, &b);
    cr_assert(b.size == 0, "past the end");
    buffer_deinit(&b);
}

static struct query_shape *describe(struct query_db *db, const char *sql)
{
    struct query_shape *shape = NULL;
    struct error error = {0};
    const struct query_options options = {0};
    cr_assert(query_describe(db, slice_text(sql), &options, &shape, &error) == STATUS_OK, "%s: %s",
              sql, error.text);
    return shape;
}

Test(query_describe, guesses_parameters_from_their_places)
{
    struct query_db *db = things_db();
    struct query_shape *s = describe(
        db, "SELECT i, f * $1 AS x, t || $2, count(*) FROM things WHERE at > $3 AND i IN ($4, 5) "
            "AND t LIKE $5 GROUP BY 1, 2, 3 LIMIT $6");
    cr_assert(s->column_count == 4);
    cr_assert(s->columns[0].type == SQL_INT && s->columns[1].type == SQL_FLOAT);
    cr_assert(s->columns[2].type == SQL_TEXT && s->columns[3].type == SQL_INT);
    cr_assert(strcmp(s->columns[1].name, "x") == 0);
    cr_assert(s->parameter_count == 6);
    static const enum sql_type want[] = {SQL_FLOAT, SQL_TEXT, SQL_TIMESTAMP,
                                         SQL_INT,   SQL_TEXT, SQL_INT};
    for (int i = 0; i < 6; i++)
        cr_assert(s->parameters[i] == want[i], "$%d is %d", i + 1, (int)s->parameters[i]);
    query_shape_destroy(s);
    s = describe(db, "SHOW TABLES");
    cr_assert(s->column_count == 2 && s->parameter_count == 0);
    query_shape_destroy(s);
    s = describe(db, "EXPLAIN SELECT i FROM things");
    cr_assert(s->column_count == 1);
    query_shape_destroy(s);
    query_db_destroy(db);
}

static void expect_csv(struct query_db *db, const char *sql, const struct query_value *parameters,
                       uint32_t count, const char *want)
{
    struct query_result *result = NULL;
    struct error error = {0};
    struct buffer b = {0};
    const struct query_options options = {.parameters = parameters, .parameter_count = count};
    cr_assert(query_run(db, slice_text(sql), &options, &result, &error) == STATUS_OK, "%s: %s", sql,
              error.text);
    query_result_write(result, QUERY_CSV, 0, &b);
    cr_assert(slice_is(buffer_slice(&b), want), "%s: %.*s", sql, SLICE_ARG(buffer_slice(&b)));
    query_result_destroy(result);
    buffer_deinit(&b);
}

Test(query_parameters, take_the_type_of_their_place)
{
    struct query_db *db = things_db();
    const struct query_value p[] = {{.type = SQL_TEXT, .text = slice_text("2")},
                                    {.type = SQL_INT, .i64 = 1},
                                    {.type = SQL_NULL},
                                    {.type = SQL_TEXT, .text = slice_text("2026-11-02T00:00:00Z")}};
    expect_csv(db, "SELECT i FROM things WHERE i = $1", p, 4, "i\n2\n");
    expect_csv(db, "SELECT i FROM things WHERE i = $2 LIMIT $2", p, 4, "i\n1\n");
    expect_csv(db, "SELECT $3 IS NULL AS n, coalesce($3, $1) AS c", p, 4, "n,c\ntrue,2\n");
    expect_csv(db, "SELECT i FROM things WHERE at > $4", p, 4, "i\n2\n");
    query_db_destroy(db);
}

Test(query_formats, keep_every_value)
{
    static const char *const want[] = {
        " i | t                             |   f | at\n"
        "---+-------------------------------+-----+--------------------------------\n"
        " 1 | a \"quoted\", text of two lines | 0.1 | 2026-11-02T00:00:00Z\n"
        " 2 |                               |     | 2026-11-02T00:00:00.000000001Z\n"
        "(2 rows)\n",
        "i,t,f,at\n1,\"a \"\"quoted\"\", text\nof two lines\",0.1,2026-11-02T00:00:00Z\n"
        "2,\"\",,2026-11-02T00:00:00.000000001Z\n",
        "{\"columns\":[{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"t\",\"type\":\"text\"},"
        "{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"at\",\"type\":\"timestamp\"}],\"rows\":[\n"
        "[1,\"a \\\"quoted\\\", text\\nof two lines\",0.1,\"2026-11-02T00:00:00Z\"],\n"
        "[2,\"\",null,\"2026-11-02T00:00:00.000000001Z\"]],\"stats\":{",
        "{\"i\":1,\"t\":\"a \\\"quoted\\\", text\\nof two lines\",\"f\":0.1,\"at\":\"2026-11-02T00:00:00Z\"}\n"
        "{\"i\":2,\"t\":\"\",\"f\":null,\"at\":\"2026-11-02T00:00:00.000000001Z\"}\n"};
    struct query_db *db = things_db();
    struct query_result *result = NULL;
    struct error error = {0};
    const struct query_options options = {0};
    cr_assert(query_run(db, slice_text("SELECT * FROM things ORDER BY i"), &options, &result,
                        &error) == STATUS_OK);
    for (int format = 0; format < 4; format++) {
        struct buffer b = {0};
        query_result_write(result, (enum query_format)format, 0, &b);
        struct slice got = buffer_slice(&b);
        if (format == QUERY_JSON && got.size > strlen(want[format]))
            got.size = strlen(want[format]);
        cr_assert(slice_is(got, want[format]), "%.*s", SLICE_ARG(got));
        buffer_deinit(&b);
    }
    query_result_destroy(result);
    query_db_destroy(db);
}

Test(query_formats, names)
{
    enum query_format f;
    cr_assert(query_format_from_name(slice_text("ndjson"), &f) && f == QUERY_NDJSON);
    cr_assert(!query_format_from_name(slice_text("xml"), &f));
}

Test(query_formats, a_table_fits_its_width)
{
    struct query_db *db = things_db();
    struct query_result *result = NULL;
    struct error error = {0};
    struct buffer b = {0};
    const struct query_options options = {0};
    cr_assert(query_run(db, slice_text("SELECT t, t AS u FROM things"), &options, &result,
                        &error) == STATUS_OK);
    query_result_write(result, QUERY_TABLE, 30, &b);
    size_t width = 0;
    for (size_t i = 0; i < b.size; i++) {
        width += (b.data[i] & 0xc0) != 0x80;
        if (b.data[i] == '\n') {
            cr_assert(width <= 31, "%.*s", SLICE_ARG(buffer_slice(&b)));
            width = 0;
        }
    }
    buffer_deinit(&b);
    query_result_destroy(result);
    query_db_destroy(db);
}

Test(query_trim, may_be_called_at_any_time)
{
    struct query_db *db = things_db();
    query_trim();
    expect_csv(db, "SELECT count(*) FROM things", NULL, 0, "count\n2\n");
    query_trim();
    query_trim();
    expect_csv(db, "SELECT count(*) FROM things", NULL, 0, "count\n2\n");
    query_db_destroy(db);
}
