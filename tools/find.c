/*
 * find.c - ids by prefix.
 */
#include "tools/find.h"

static enum status prefix_check(const char *prefix, size_t digits_max, const char *what,
                                struct error *reterr)
{
    size_t size = strlen(prefix);
    if (size >= 1 && size <= digits_max && strspn(prefix, "0123456789abcdefABCDEF") == size)
        return STATUS_OK;
    return error_set(reterr, STATUS_INVALID, "'%.40s' is not a %s id (up to %zu hex digits)",
                     prefix, what, digits_max);
}

/* Appends a condition on an id column: equal when all digits are there. */
static void add_condition(struct buffer *sql, const char *column, const char *prefix,
                          size_t digits_max)
{
    bool whole = strlen(prefix) == digits_max;
    buffer_printf(sql, whole ? "%s = '" : "cast(%s as text) like '", column);
    for (const char *p = prefix; *p != 0; p++)
        buffer_add_byte(sql, (uint8_t)(*p >= 'A' && *p <= 'F' ? *p | 0x20 : *p));
    buffer_add_text(sql, whole ? "'" : "%'");
}

static enum status none_or_many(const struct rows *rows, const char *what, const char *prefix,
                                struct error *reterr)
{
    if (rows->row_count == 0)
        return error_set(reterr, STATUS_NOT_FOUND, "no %s begins with %s", what, prefix);
    return error_set(reterr, STATUS_INVALID, "%s fits more than one %s; give more digits", prefix,
                     what);
}

enum status find_trace(struct sql_session *session, const char *prefix, struct id128 *ret,
                       struct error *reterr)
{
    struct buffer sql = {0};
    struct rows rows = {0};
    enum status s = prefix_check(prefix, ID128_HEX_BYTES, "trace", reterr);
    if (s < 0)
        return s;
    buffer_add_text(&sql, "select trace_id from spans where ");
    add_condition(&sql, "trace_id", prefix, ID128_HEX_BYTES);
    buffer_add_text(&sql, " group by trace_id limit 2");
    buffer_add_byte(&sql, 0);
    s = rows_query(session, (const char *)sql.data, &rows, reterr);
    if (s >= 0 && rows.row_count != 1)
        s = none_or_many(&rows, "trace", prefix, reterr);
    if (s >= 0 && !id128_from_hex(rows_cell(&rows, 0, 0), ret))
        s = error_set(reterr, STATUS_INVALID, "the server's answer holds no trace id");
    rows_deinit(&rows);
    buffer_deinit(&sql);
    return s;
}

enum status find_span(struct sql_session *session, const struct id128 *trace, const char *prefix,
                      struct found_span *ret, struct error *reterr)
{
    struct buffer sql = {0};
    struct rows rows = {0};
    enum status s = prefix_check(prefix, ID64_HEX_BYTES, "span", reterr);
    if (s < 0)
        return s;
    buffer_add_text(&sql, "select trace_id, span_id from spans where ");
    if (trace != NULL) {
        char hex[ID128_HEX_BYTES];
        id128_to_hex(*trace, hex);
        buffer_printf(&sql, "trace_id = '%.*s' and ", ID128_HEX_BYTES, hex);
    }
    add_condition(&sql, "span_id", prefix, ID64_HEX_BYTES);
    buffer_add_text(&sql, " limit 2");
    buffer_add_byte(&sql, 0);
    s = rows_query(session, (const char *)sql.data, &rows, reterr);
    if (s >= 0 && rows.row_count != 1)
        s = none_or_many(&rows, "span", prefix, reterr);
    if (s >= 0 && (!id128_from_hex(rows_cell(&rows, 0, 0), &ret->trace_id) ||
                   !id64_from_hex(rows_cell(&rows, 0, 1), &ret->span_id)))
        s = error_set(reterr, STATUS_INVALID, "the server's answer holds no ids");
    rows_deinit(&rows);
    buffer_deinit(&sql);
    return s;
}
