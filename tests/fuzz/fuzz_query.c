/*
 * fuzz_query.c - any bytes as a statement: parse, check, describe and run it over a small table in memory.
 *
 * The table has a column of each type, so that most expressions find something to work on. Limits keep a single input cheap.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum status fill(void *context, uint32_t project, struct query_table_rows *to,
                        struct error *reterr)
{
    (void)context;
    (void)project;
    (void)reterr;
    for (int64_t i = 0; i < 20; i++) {
        char text[16];
        int length = snprintf(text, sizeof text, "text %d", (int)i % 7);
        const struct query_value cells[] = {
            {.type = SQL_TIMESTAMP, .i64 = 1793577600000000000ll - i * 600 * NS_PER_S},
            {.type = i % 5 == 0 ? SQL_NULL : SQL_INT, .i64 = i * i - 30},
            {.type = i % 6 == 0 ? SQL_NULL : SQL_FLOAT, .f64 = (double)i / 3 - 2},
            {.type = i % 4 == 0 ? SQL_NULL : SQL_TEXT, .text = slice_of(text, (size_t)length)},
            {.type = SQL_BOOL, .i64 = i % 2},
            {.type = SQL_INTERVAL, .i64 = i * NS_PER_S},
            {.type = SQL_TEXT, .text = slice_text("{\"a\":[1,{\"b\":\"c\"}],\"n\":null}")},
        };
        query_table_row(to, cells);
    }
    return STATUS_OK;
}

static struct query_db *db_make(void)
{
    static const struct query_column columns[] = {
        {"time", SQL_TIMESTAMP}, {"i", SQL_INT},      {"f", SQL_FLOAT}, {"t", SQL_TEXT},
        {"b", SQL_BOOL},         {"d", SQL_INTERVAL}, {"j", SQL_TEXT}};
    const struct query_table table = {
        .name = "x", .columns = columns, .column_count = 7, .fill = fill};
    struct query_db *db = query_db_create(NULL);
    query_db_add_table(db, &table);
    return db;
}

static bool reads_the_engine(struct slice text)
{
    static const char *const names[] = {"spans",    "scores",   "tags",    "traces",
                                        "sessions", "segments", "projects"};
    struct buffer lower = {0};
    bool reads = false;
    for (size_t i = 0; i < text.size; i++)
        buffer_add_byte(&lower, text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] | 0x20
                                                                           : text.data[i]);
    for (size_t i = 0; i < sizeof names / sizeof *names && lower.size > 0; i++)
        reads = reads || memmem(lower.data, lower.size, names[i], strlen(names[i])) != NULL;
    buffer_deinit(&lower);
    return reads;
}

static void run(struct query_db *db, struct slice text)
{
    static const struct query_value parameters[] = {
        {.type = SQL_INT, .i64 = 3}, {.type = SQL_TEXT, .text = {(const uint8_t *)"5", 1}}};
    const struct query_options options = {.timeout_ns = 2 * NS_PER_S,
                                          .memory_bytes_max = 64 << 20,
                                          .result_bytes_max = 8 << 20,
                                          .threads = 1,
                                          .now_ns = 1793577600000000000ll,
                                          .parameters = parameters,
                                          .parameter_count = 2};
    struct error error = {0};
    struct query_result *result = NULL;
    struct query_shape *shape = NULL;
    struct buffer out = {0};
    if (query_describe(db, text, &options, &shape, &error) == STATUS_OK)
        query_shape_destroy(shape);
    else
        query_error_caret(text, &error, &out);
    if (!reads_the_engine(text)) {
        if (query_run(db, text, &options, &result, &error) < 0)
            query_error_caret(text, &error, &out);
        else
            for (int format = QUERY_TABLE; format <= QUERY_NDJSON; format++)
                query_result_write(result, (enum query_format)format, 40, &out);
        query_result_destroy(result);
    }
    buffer_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct query_db *db;
    struct slice rest = slice_of(data, size);
    if (db == NULL)
        db = db_make();
    for (int i = 0; i < 4; i++) {
        struct slice statement = query_split(rest, &rest);
        if (statement.size == 0)
            break;
        run(db, statement);
    }
    run(db, slice_of(data, size));
    return 0;
}
