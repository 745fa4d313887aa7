/*
 * rows.h - the rows of a statement as text cells, for commands that ask before they show or act.
 */
#ifndef DRIFTLINE_TOOLS_ROWS_H
#define DRIFTLINE_TOOLS_ROWS_H

#include "tools/sql_session.h"

#define ROWS_COLUMNS_MAX 4096u

/* Zero is empty. Everything is the arena's. */
struct rows {
    struct arena arena;
    struct slice *names;
    uint32_t column_count;
    uint64_t row_count;
    struct slice *
        cells; /* row-major; data NULL: no value. Strings unescaped, numbers and nested JSON as written */
    size_t cells_capacity;
    bool *strings; /* of the cells: it was a JSON string */
    size_t strings_capacity;
    struct buffer text;
};

MUST_CHECK enum status rows_query(struct sql_session *s, const char *statement, struct rows *ret,
                                  struct error *reterr);
/* From {"columns":[{"name":..}],"rows":[[..]]}. */
MUST_CHECK enum status rows_parse(struct slice json, struct rows *ret, struct error *reterr);
void rows_deinit(struct rows *r);

/* The column of that name; UINT32_MAX when there is none. */
uint32_t rows_column(const struct rows *r, const char *name);
/* The cell; the empty slice for NULL and for a column that isn't there. */
struct slice rows_cell(const struct rows *r, uint64_t row, uint32_t column);
bool rows_has(const struct rows *r, uint64_t row, uint32_t column);
/* The cell as JSON, "null" for none. */
void rows_json(const struct rows *r, uint64_t row, uint32_t column, struct buffer *to);
/* 'it''s' */
void sql_quote(struct buffer *to, struct slice text);

#endif
