/*
 * test_query_limits.c - every limit of a query is met, named, and leaves nothing behind.
 */
#include <criterion/criterion.h>

#include "engine/base/limits.h"

#include "query_fixture.h"

#define NUMBERS 100000

static enum status fill_numbers(void *context, uint32_t project, struct query_table_rows *to,
                                struct error *reterr)
{
    (void)context;
    (void)project;
    (void)reterr;
    for (int64_t i = 0; i < NUMBERS; i++) {
        char text[24];
        int size = snprintf(text, sizeof text, "text %d", (int)i);
        const struct query_value cells[] = {
            {.type = SQL_INT, .i64 = i},
            {.type = SQL_TEXT, .text = slice_of(text, (size_t)size)},
        };
        query_table_row(to, cells);
    }
    return STATUS_OK;
}

/* A table that takes an hour to read. */
static enum status fill_slowly(void *context, uint32_t project, struct query_table_rows *to,
                               struct error *reterr)
{
    (void)context;
    clock_fake(FIXTURE_NOW_NS + NS_PER_HOUR);
    return fill_numbers(NULL, project, to, reterr);
}

static atomic_bool cancelled;

static enum status fill_and_cancel(void *context, uint32_t project, struct query_table_rows *to,
                                   struct error *reterr)
{
    (void)context;
    atomic_store(&cancelled, true);
    return fill_numbers(NULL, project, to, reterr);
}

static struct query_db *open_db(void)
{
    static const struct query_column columns[] = {{"n", SQL_INT}, {"t", SQL_TEXT}};
    struct query_db *db = query_db_create(NULL);
    const struct query_table tables[] = {
        {.name = "numbers", .columns = columns, .column_count = 2, .fill = fill_numbers},
        {.name = "slow", .columns = columns, .column_count = 2, .fill = fill_slowly},
        {.name = "cancelling", .columns = columns, .column_count = 2, .fill = fill_and_cancel},
    };
    clock_fake(FIXTURE_NOW_NS);
    for (int i = 0; i < 3; i++)
        query_db_add_table(db, &tables[i]);
    return db;
}

static enum status run(struct query_db *db, const char *sql, const struct query_options *options,
                       struct error *error)
{
    struct query_result *result = NULL;
    *error = (struct error){0};
    enum status s = query_run(db, slice_text(sql), options, &result, error);
    cr_assert((s == STATUS_OK) == (result != NULL));
    query_result_destroy(result);
    return s;
}

static void expect(struct query_db *db, const char *sql, const struct query_options *options,
                   enum status status, const char *part)
{
    struct error error;
    enum status s = run(db, sql, options, &error);
    cr_assert(s == status, "%s: %s %s", sql, status_name(s), error.text);
    cr_assert(part == NULL || strstr(error.text, part) != NULL, "%s: %s", sql, error.text);
}

Test(query_limits, rows)
{
    struct query_db *db = open_db();
    struct query_options exact = {.rows_max = NUMBERS};
    struct query_options less = {.rows_max = NUMBERS - 1};
    expect(db, "SELECT n FROM numbers", &exact, STATUS_OK, NULL);
    expect(db, "SELECT n FROM numbers", &less, STATUS_LIMIT, "limit of 99999 rows");
    expect(db, "SELECT n FROM numbers ORDER BY t", &less, STATUS_LIMIT, "rows");
    expect(db, "SELECT n FROM numbers LIMIT 99999", &less, STATUS_OK, NULL);
    expect(db, "SELECT n, count(*) FROM numbers GROUP BY n", &less, STATUS_LIMIT, "rows");
    expect(db, "SELECT count(*) FROM (SELECT n FROM numbers)", &less, STATUS_OK, NULL);
    query_db_destroy(db);
}

Test(query_limits, result_bytes)
{
    struct query_db *db = open_db();
    struct query_options options = {.result_bytes_max = 1 << 20};
    expect(db, "SELECT n FROM numbers LIMIT 1000", &options, STATUS_OK, NULL);
    expect(db, "SELECT n FROM numbers", &options, STATUS_LIMIT, "larger than its limit of 1 MiB");
    query_db_destroy(db);
}

Test(query_limits, memory)
{
    struct query_db *db = open_db();
    struct query_options options = {.memory_bytes_max = 12 << 20};
    expect(db, "SELECT sum(n) FROM numbers", &options, STATUS_OK, NULL);
    expect(db, "SELECT count(DISTINCT t) FROM numbers", &options, STATUS_LIMIT, "12 MiB of memory");
    expect(db, "SELECT t, p50(n) FROM numbers GROUP BY t", &options, STATUS_LIMIT, "memory");
    options.memory_bytes_max = 7 << 20;
    expect(db, "SELECT * FROM numbers ORDER BY t", &options, STATUS_LIMIT, "memory");
    options.memory_bytes_max = 1 << 20;
    expect(db, "SELECT sum(n) FROM numbers", &options, STATUS_LIMIT, "memory");
    query_db_destroy(db);
}

Test(query_limits, time_and_cancelling)
{
    struct query_db *db = open_db();
    struct query_options options = {.timeout_ns = 59 * 60 * NS_PER_S};
    expect(db, "SELECT sum(n) FROM slow", &options, STATUS_TIMEOUT, "59m");
    clock_fake(FIXTURE_NOW_NS);
    options.timeout_ns = 2 * NS_PER_HOUR;
    expect(db, "SELECT sum(n) FROM slow", &options, STATUS_OK, NULL);
    options.cancel = &cancelled;
    atomic_store(&cancelled, false);
    expect(db, "SELECT sum(n) FROM numbers", &options, STATUS_OK, NULL);
    expect(db, "SELECT sum(n) FROM cancelling", &options, STATUS_CANCELLED, "cancelled");
    query_db_destroy(db);
    clock_fake(0);
}

/* SELECT ((( ... 1 ... ))) with `depth` pairs. */
static struct buffer nested(const char *open, const char *close, uint32_t depth)
{
    struct buffer b = {0};
    buffer_add_text(&b, "SELECT ");
    for (uint32_t i = 0; i < depth; i++)
        buffer_add_text(&b, open);
    buffer_add_byte(&b, '1');
    for (uint32_t i = 0; i < depth; i++)
        buffer_add_text(&b, close);
    buffer_add_byte(&b, 0);
    return b;
}

Test(query_limits, nesting)
{
    static const struct {
        const char *open;
        const char *close;
        uint32_t fits;
        uint32_t too_deep;
    } shapes[] = {
        {"(", ")", EXPRESSION_DEPTH_MAX - 1, EXPRESSION_DEPTH_MAX},
        {"abs(", ")", EXPRESSION_DEPTH_MAX - 1, EXPRESSION_DEPTH_MAX},
        {"1+", "", 150, 5000},
        {"- ", "", 150, 5000},
        {"NOT ", "=1", 1, 5000},
        {"CASE WHEN TRUE THEN ", " END", 150, 5000},
        {"coalesce(", ", 1)", 150, 5000},
    };
    struct query_db *db = open_db();
    struct query_options options = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct buffer fits = nested(shapes[i].open, shapes[i].close, shapes[i].fits);
        struct buffer deep = nested(shapes[i].open, shapes[i].close, shapes[i].too_deep);
        expect(db, (const char *)fits.data, &options, STATUS_OK, NULL);
        expect(db, (const char *)deep.data, &options, STATUS_LIMIT, "nests deeper than");
        buffer_deinit(&fits);
        buffer_deinit(&deep);
    }
    struct buffer deep = {0};
    for (int i = 0; i < 40; i++)
        buffer_add_text(&deep, "SELECT * FROM (");
    buffer_add_text(&deep, "SELECT 1");
    for (int i = 0; i < 40; i++)
        buffer_add_byte(&deep, ')');
    buffer_add_byte(&deep, 0);
    expect(db, (const char *)deep.data, &options, STATUS_LIMIT, "nest deeper than");
    buffer_deinit(&deep);
    query_db_destroy(db);
}

/* BETWEEN uses its first argument twice: nesting it must not double the work each time. */
Test(query_limits, expressions_that_multiply)
{
    struct buffer b = {0};
    struct query_db *db = open_db();
    struct query_options options = {0};
    buffer_add_text(&b, "SELECT ");
    for (int i = 0; i < 60; i++)
        buffer_add_byte(&b, '(');
    buffer_add_text(&b, "(n > 1)");
    for (int i = 0; i < 60; i++)
        buffer_add_text(&b, " BETWEEN FALSE AND TRUE)");
    buffer_add_text(&b, " FROM numbers");
    buffer_add_byte(&b, 0);
    expect(db, (const char *)b.data, &options, STATUS_LIMIT, "steps a row");
    buffer_reset(&b);
    /* And each CTE is used twice by the next one. */
    buffer_add_text(&b, "WITH a0 AS (SELECT 1 AS x)");
    for (int i = 1; i < 60; i++)
        buffer_printf(&b, ", a%d AS (SELECT * FROM a%d)", i, i - 1);
    buffer_add_text(&b, " SELECT * FROM a59");
    buffer_add_byte(&b, 0);
    expect(db, (const char *)b.data, &options, STATUS_LIMIT, "nest deeper than");
    buffer_deinit(&b);
    query_db_destroy(db);
}

Test(query_limits, lengths_and_counts)
{
    struct query_db *db = open_db();
    struct query_options options = {0};
    struct buffer b = {0};
    buffer_add_text(&b, "SELECT 1");
    while (b.size < QUERY_TEXT_MAX)
        buffer_add_byte(&b, ' ');
    struct query_result *result = NULL;
    struct error error = {0};
    cr_assert(query_run(db, buffer_slice(&b), &options, &result, &error) == STATUS_OK, "%s",
              error.text);
    query_result_destroy(result);
    buffer_add_byte(&b, ' ');
    cr_assert(query_run(db, buffer_slice(&b), &options, &result, &error) == STATUS_LIMIT);
    cr_assert(strstr(error.text, "1048577 bytes") != NULL);
    buffer_reset(&b);
    buffer_add_text(&b, "SELECT n FROM numbers GROUP BY n");
    for (int i = 0; i < 32; i++)
        buffer_printf(&b, ", n + %d", i + 1);
    buffer_add_byte(&b, 0);
    expect(db, (const char *)b.data, &options, STATUS_LIMIT, "at most 32 keys");
    buffer_reset(&b);
    buffer_add_text(&b, "SELECT 1");
    for (int i = 0; i < 2048; i++)
        buffer_add_text(&b, ",1");
    buffer_add_byte(&b, 0);
    expect(db, (const char *)b.data, &options, STATUS_LIMIT, "more than 2048 columns");
    expect(
        db,
        "SELECT replace('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'a', t) FROM numbers "
        "LIMIT 1",
        &options, STATUS_OK, NULL);
    buffer_deinit(&b);
    query_db_destroy(db);
}

Test(query_limits, a_regular_expression_that_explodes_is_stopped)
{
    struct query_db *db = open_db();
    struct query_options options = {0};
    expect(db, "SELECT count(*) FROM numbers WHERE repeat_me ~ 'x'", &options, STATUS_INVALID,
           "does not exist");
    expect(
        db,
        "SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' || t ~ '^(a+)+$' "
        "FROM numbers LIMIT 1",
        &options, STATUS_LIMIT, "too many steps");
    query_db_destroy(db);
}
