/*
 * schema.h - tables, their columns, and the dynamic score columns of a project.
 *
 * A column is named in memory by its id: fixed ids come from column.def; "score.NAME" columns of
 * spans get ids from COLUMN_DYNAMIC up, in order of first appearance, per project and process. On
 * disk and on the wire a dynamic column is always written by name, so ids need not survive.
 */
#ifndef DRIFTLINE_SPAN_SCHEMA_H
#define DRIFTLINE_SPAN_SCHEMA_H

#include "engine/base/intern.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"
#include "engine/base/thread.h"

/* On disk: append only, never renumber. */
enum table {
    TABLE_SPANS = 0,
    TABLE_SCORES = 1,
    TABLE_TAGS = 2,
};
#define TABLE_COUNT 3

/* On disk: append only, never renumber. */
enum storage {
    STORAGE_I64 = 0,
    STORAGE_F64 = 1,
    STORAGE_STR = 2,
    STORAGE_TEXT = 3,
    STORAGE_REFS = 4,
    STORAGE_ID64 = 5,
    STORAGE_ID128 = 6,
};

enum sql_type {
    SQL_TIMESTAMP, /* i64 ns */
    SQL_INT,
    SQL_FLOAT,
    SQL_BOOL,
    SQL_TEXT,
    SQL_HEX,      /* text, but compared as an id */
    SQL_MESSAGES, /* text rendered from message references */
    SQL_INTERVAL, /* i64 ns; only in expressions */
    SQL_NULL,     /* the type of a bare NULL */
};

struct column {
    uint16_t id;
    enum storage storage;
    enum sql_type sql;
    int64_t divisor;
    const char *name;
    const char *doc;
};

#define COLUMN_DYNAMIC 0x8000u
/* The names SPANS_time, SPANS_trace_id, ...: fixed column ids. */
enum column_id {
#define COLUMN(table, id, name, storage, sql, divisor, doc) table##_##name = (id),
#include "engine/span/column.def"
#undef COLUMN
};

/* Columns of spans that refer to messages: everything that follows references walks this list. */
#define REFS_COLUMNS 3
extern const uint16_t refs_columns[REFS_COLUMNS];

const char *table_name(enum table table);
bool table_from_name(struct slice name, enum table *ret_table);
/* The fixed columns of a table, in column.def order. */
const struct column *table_columns(enum table table, uint32_t *ret_count);
const struct column *table_column(enum table table, uint16_t id);
const struct column *table_column_by_name(enum table table, struct slice name);

/* The dynamic score columns of one project's spans. Columns are only ever added, so a struct column *
 * stays valid for the life of the schema. Thread-safe. */
struct schema {
    struct mutex lock;
    struct arena arena;
    struct column **scores; /* scores[id - COLUMN_DYNAMIC] */
    size_t scores_capacity;
    uint32_t score_count;
    struct intern names; /* "score.x"; code 1 is COLUMN_DYNAMIC */
};

void schema_init(struct schema *s);
void schema_deinit(struct schema *s);
/* Fixed or dynamic; NULL when unknown. name may be "score.x". A NULL schema has fixed columns only. */
const struct column *schema_column(struct schema *s, enum table table, uint16_t id);
const struct column *schema_find(struct schema *s, enum table table, struct slice name);
#define SCORE_PREFIX "score."
/* "score." and then [A-Za-z0-9_.-]{1,NAME_BYTES_MAX}. */
bool score_name_is_valid(struct slice name);
/* "score.x" -> its column, added when new. STATUS_INVALID: not [A-Za-z0-9_.-]{1,NAME_BYTES_MAX} after
 * "score."; STATUS_LIMIT: SCORE_COLUMNS_MAX reached. */
MUST_CHECK enum status schema_add_score(struct schema *s, struct slice name, const struct column **ret,
                                        struct error *reterr);
uint32_t schema_score_count(struct schema *s);

#endif
