/*
 * rows.c - the server's JSON answer as an array of cells.
 */
#include "tools/rows.h"

#include "engine/base/json.h"

void rows_deinit(struct rows *r)
{
    arena_deinit(&r->arena);
    mem_free(r->cells);
    mem_free(r->strings);
    buffer_deinit(&r->text);
    *r = (struct rows){0};
}

static enum status parse_columns(struct json *j, struct rows *r, struct error *reterr)
{
    enum json_token t = json_next(j);
    r->names = ARENA_ARRAY(&r->arena, struct slice, ROWS_COLUMNS_MAX);
    if (t != JSON_ARRAY_BEGIN)
        return json_error(j, "columns", reterr);
    while ((t = json_next(j)) == JSON_OBJECT_BEGIN) {
        if (r->column_count >= ROWS_COLUMNS_MAX)
            return error_set(reterr, STATUS_LIMIT, "more than %u columns", ROWS_COLUMNS_MAX);
        struct slice name = SLICE_EMPTY;
        while ((t = json_next(j)) == JSON_KEY) {
            bool is_name = slice_is(json_string(j, &r->arena), "name");
            t = json_next(j);
            if (is_name && t == JSON_STRING)
                name = json_string(j, &r->arena);
            else
                (void)json_skip(j, t);
        }
        r->names[r->column_count++] = name;
    }
    return t == JSON_ARRAY_END ? STATUS_OK : json_error(j, "columns", reterr);
}

static enum status parse_row(struct json *j, struct rows *r, struct error *reterr)
{
    size_t at = (size_t)r->row_count * r->column_count;
    uint32_t count = 0;
    enum json_token t;
    r->cells = mem_grow(r->cells, &r->cells_capacity, at + r->column_count + 1, sizeof *r->cells);
    r->strings = mem_grow(r->strings, &r->strings_capacity, at + r->column_count + 1, 1);
    while ((t = json_next(j)) != JSON_ARRAY_END) {
        struct slice string = t == JSON_STRING ? json_string(j, &r->arena) : SLICE_EMPTY;
        struct slice raw = t < 0 ? SLICE_EMPTY : json_skip(j, t);
        if (raw.size == 0 || count >= r->column_count)
            return json_error(j, "rows", reterr);
        struct slice cell = t == JSON_STRING ? string : raw;
        if (t == JSON_NULL)
            cell = (struct slice){0};
        r->strings[at + count] = t == JSON_STRING;
        r->cells[at + count++] = cell;
    }
    if (count != r->column_count)
        return json_error(j, "rows", reterr);
    r->row_count++;
    return STATUS_OK;
}

static enum status parse_rows(struct json *j, struct rows *r, struct error *reterr)
{
    enum json_token t = json_next(j);
    if (t != JSON_ARRAY_BEGIN)
        return json_error(j, "rows", reterr);
    while ((t = json_next(j)) == JSON_ARRAY_BEGIN) {
        enum status s = parse_row(j, r, reterr);
        if (s < 0)
            return s;
    }
    return t == JSON_ARRAY_END ? STATUS_OK : json_error(j, "rows", reterr);
}

/* r->text holds the answer, which cells point into. */
static enum status parse_answer(struct rows *r, struct error *reterr)
{
    struct json j = json_over(buffer_slice(&r->text));
    enum status s = STATUS_OK;
    enum json_token t = json_next(&j);
    if (t != JSON_OBJECT_BEGIN)
        return json_error(&j, "the server's answer", reterr);
    while ((t = json_next(&j)) == JSON_KEY && s >= 0) {
        struct slice key = json_string(&j, &r->arena);
        if (slice_is(key, "columns"))
            s = parse_columns(&j, r, reterr);
        else if (slice_is(key, "rows"))
            s = parse_rows(&j, r, reterr);
        else
            (void)json_skip(&j, json_next(&j));
    }
    if (s >= 0 && t != JSON_OBJECT_END)
        s = json_error(&j, "the server's answer", reterr);
    return s;
}

enum status rows_parse(struct slice json, struct rows *ret, struct error *reterr)
{
    struct rows r = {0};
    buffer_add_slice(&r.text, json);
    enum status s = parse_answer(&r, reterr);
    if (s < 0)
        rows_deinit(&r);
    else
        *ret = r;
    return s;
}

enum status rows_query(struct sql_session *session, const char *statement, struct rows *ret,
                       struct error *reterr)
{
    struct rows r = {0};
    enum status s = sql_session_json(session, slice_text(statement), &r.text, reterr);
    if (s >= 0)
        s = parse_answer(&r, reterr);
    if (s < 0)
        rows_deinit(&r);
    else
        *ret = r;
    return s;
}

uint32_t rows_column(const struct rows *r, const char *name)
{
    for (uint32_t i = 0; i < r->column_count; i++) {
        if (slice_is(r->names[i], name))
            return i;
    }
    return UINT32_MAX;
}

bool rows_has(const struct rows *r, uint64_t row, uint32_t column)
{
    return row < r->row_count && column < r->column_count &&
           r->cells[row * r->column_count + column].data != NULL;
}

struct slice rows_cell(const struct rows *r, uint64_t row, uint32_t column)
{
    return rows_has(r, row, column) ? r->cells[row * r->column_count + column] : SLICE_EMPTY;
}

void rows_json(const struct rows *r, uint64_t row, uint32_t column, struct buffer *to)
{
    struct slice cell = rows_cell(r, row, column);
    if (!rows_has(r, row, column))
        buffer_add_text(to, "null");
    else if (r->strings[row * r->column_count + column])
        buffer_add_json(to, cell);
    else
        buffer_add_slice(to, cell);
}

void sql_quote(struct buffer *to, struct slice text)
{
    buffer_add_byte(to, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'')
            buffer_add_byte(to, '\'');
        buffer_add_byte(to, text.data[i]);
    }
    buffer_add_byte(to, '\'');
}
