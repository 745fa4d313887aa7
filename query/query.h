/*
 * query.h - the door for everything that asks: text in, rows out.
 *
 * Place:    pgwire, http, alert, tools -> [here] token -> ast -> check -> plan -> exec -> engine scans
 * Threads:  query_run may be called from any number of threads.
 * Failure:  STATUS_INVALID with the byte position in the text and, where it helps, a suggestion; query_error_caret
 *           draws it. STATUS_LIMIT, STATUS_TIMEOUT, STATUS_CANCELLED name the limit and how to raise it.
 */
#ifndef DRIFTLINE_QUERY_H
#define DRIFTLINE_QUERY_H

#include <stdatomic.h>

#include "engine/engine.h"

/* One cell. text for TEXT, HEX and MESSAGES; i64 for TIMESTAMP and INTERVAL (ns), INT, BOOL; f64 for FLOAT. */
struct query_value {
    enum sql_type type; /* SQL_NULL: no value */
    union {
        int64_t i64;
        double f64;
        struct slice text;
    };
};

struct query_column {
    const char *name;
    enum sql_type type;
};

/* Rows of a finished query, all in memory of the result. */
struct query_result {
    struct arena arena;
    uint32_t column_count;
    struct query_column *columns;
    uint64_t row_count;
    struct query_value *cells; /* row-major: cells[row * column_count + column] */
    bool partial;              /* some data was damaged and left out; see notice */
    char notice[256];
    struct {
        int64_t elapsed_ns;
        uint64_t rows_read, blocks_read, blocks_skipped, segments_read, segments_skipped;
    } stats;
};
void query_result_destroy(struct query_result *r);

/* A table that is not in the engine (incidents, keys, ...): the server registers these. fill() adds all rows it has for the project with
 * query_table_row; WHERE, GROUP BY and the rest happen here. */
struct query_table_rows;
void query_table_row(struct query_table_rows *to, const struct query_value *cells); /* copies */
struct query_table {
    const char *name;
    const struct query_column *columns;
    uint32_t column_count;
    enum status (*fill)(void *context, uint32_t project, struct query_table_rows *to,
                        struct error *reterr);
    void *context;
};

struct query_db;
/* The engine must outlive the db. */
struct query_db *query_db_create(struct engine *engine);
void query_db_destroy(struct query_db *db);
/* Before the first query_run. The table struct is copied, what it points to is borrowed. */
void query_db_add_table(struct query_db *db, const struct query_table *table);

struct query_options {
    uint32_t project;
    int64_t timeout_ns;                   /* 0: 30 s */
    uint64_t memory_bytes_max;            /* 0: 1 GiB */
    uint64_t rows_max;                    /* result rows; 0: 1,000,000 */
    uint64_t result_bytes_max;            /* 0: 256 MiB */
    uint32_t threads;                     /* 0: all cores */
    int64_t now_ns;                       /* what now() is; 0: the clock */
    const atomic_bool *cancel;            /* NULL, or true to stop within 100 ms */
    const struct query_value *parameters; /* $1, $2, ... */
    uint32_t parameter_count;
};

/* Queries keep up to 64 MiB of working memory for the next one, process-wide. Gives it back: for when no query ran for a
 * while. Any thread. */
void query_trim(void);

/* One SELECT, EXPLAIN or SHOW statement; a final ';' is allowed. */
MUST_CHECK enum status query_run(struct query_db *db, struct slice text,
                                 const struct query_options *options, struct query_result **ret,
                                 struct error *reterr);
/* Checks only: columns and their types, number of parameters ($n) used and their guessed types (SQL_NULL: unknown). For Describe. */
struct query_shape {
    struct arena arena;
    uint32_t column_count;
    struct query_column *columns;
    uint32_t parameter_count;
    enum sql_type *parameters;
};
MUST_CHECK enum status query_describe(struct query_db *db, struct slice text,
                                      const struct query_options *options, struct query_shape **ret,
                                      struct error *reterr);
void query_shape_destroy(struct query_shape *s);

/* Splits at ';' outside strings and comments: the first statement; *rest is what follows. Empty when only white space or comments are left. */
struct slice query_split(struct slice text, struct slice *rest);
/* "LINE 1: select modle from spans\n               ^\n" for an error with a position. */
void query_error_caret(struct slice text, const struct error *error, struct buffer *to);

/* ---- writing results as text ---- */

enum query_format {
    QUERY_TABLE,
    QUERY_CSV,
    QUERY_JSON,
    QUERY_NDJSON
};
bool query_format_from_name(struct slice name, enum query_format *ret);
/* CSV: RFC 4180 with a header line, empty for NULL, quoted "" for the empty string. JSON: one object {"columns":[{"name","type"}],"rows":[[...]],"stats":{...}}
 * ; NDJSON: one object a row. TABLE: for people; width in columns, 0: unlimited. Numbers print exactly: integers as such, floats in the shortest form that reads back
 * the same; columns with a divisor (latency_ms, cost_usd) are exact decimals. Timestamps: RFC 3339. */
void query_result_write(const struct query_result *r, enum query_format format, uint32_t width,
                        struct buffer *to);
/* One cell as text without quoting; false for NULL. timestamps RFC 3339. */
bool query_value_text(const struct query_value *v, struct buffer *to);

#endif
