/*
 * render.c - results as CSV, JSON and NDJSON, and single cells as text.
 */
#include <math.h>

#include "engine/base/clock.h"

#include "query/float_text.h"
#include "query/query.h"
#include "query/render.h"

bool query_format_from_name(struct slice name, enum query_format *ret)
{
    static const char *const names[] = {"table", "csv", "json", "ndjson"};
    for (int i = 0; i < 4; i++)
        if (slice_is(name, names[i])) {
            *ret = (enum query_format)i;
            return true;
        }
    return false;
}

bool query_value_text(const struct query_value *v, struct buffer *to)
{
    char text[TIME_TEXT_BYTES];
    switch (v->type) {
    case SQL_NULL:
        return false;
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
        buffer_add_slice(to, v->text);
        return true;
    case SQL_INT:
        buffer_printf(to, "%lld", (long long)v->i64);
        return true;
    case SQL_BOOL:
        buffer_add_text(to, v->i64 != 0 ? "true" : "false");
        return true;
    case SQL_FLOAT:
        (void)float_to_text(v->f64, text);
        buffer_add_text(to, text);
        return true;
    case SQL_TIMESTAMP:
        time_to_text(v->i64, text);
        buffer_add_text(to, text);
        return true;
    case SQL_INTERVAL:
        duration_to_text(v->i64, text);
        buffer_add_text(to, text);
        return true;
    }
    return false;
}

/* ---- CSV ---- */

static void csv_field(struct buffer *to, struct slice text)
{
    bool quote = text.size == 0;
    for (size_t i = 0; i < text.size && !quote; i++) {
        uint8_t c = text.data[i];
        quote = c == '"' || c == ',' || c == '\n' || c == '\r';
    }
    if (!quote) {
        buffer_add_slice(to, text);
        return;
    }
    buffer_add_byte(to, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            buffer_add_byte(to, '"');
        buffer_add_byte(to, text.data[i]);
    }
    buffer_add_byte(to, '"');
}

static void write_csv(const struct query_result *r, struct buffer *to)
{
    struct buffer cell = {0};
    for (uint32_t c = 0; c < r->column_count; c++) {
        if (c > 0)
            buffer_add_byte(to, ',');
        csv_field(to, slice_text(r->columns[c].name));
    }
    buffer_add_byte(to, '\n');
    const struct query_value *v = r->cells;
    for (uint64_t row = 0; row < r->row_count; row++) {
        for (uint32_t c = 0; c < r->column_count; c++) {
            if (c > 0)
                buffer_add_byte(to, ',');
            buffer_reset(&cell);
            if (query_value_text(v++, &cell))
                csv_field(to, buffer_slice(&cell));
        }
        buffer_add_byte(to, '\n');
    }
    buffer_deinit(&cell);
}

/* ---- JSON ---- */

static const char *json_type(enum sql_type type)
{
    switch (type) {
    case SQL_TIMESTAMP:
        return "timestamp";
    case SQL_INT:
        return "int";
    case SQL_FLOAT:
        return "float";
    case SQL_BOOL:
        return "bool";
    case SQL_HEX:
        return "hex";
    case SQL_MESSAGES:
        return "messages";
    case SQL_INTERVAL:
        return "interval";
    case SQL_TEXT:
    case SQL_NULL:
        return "text";
    }
    return "text";
}

/* Numbers and truth values as such; JSON has no NaN and no infinity, so those are strings. */
static void json_value(const struct query_value *v, struct buffer *cell, struct buffer *to)
{
    bool bare =
        v->type == SQL_INT || v->type == SQL_BOOL || (v->type == SQL_FLOAT && isfinite(v->f64));
    buffer_reset(cell);
    if (!query_value_text(v, cell))
        buffer_add_text(to, "null");
    else if (bare)
        buffer_add_slice(to, buffer_slice(cell));
    else
        buffer_add_json(to, buffer_slice(cell));
}

static void write_json(const struct query_result *r, struct buffer *to)
{
    struct buffer cell = {0};
    buffer_add_text(to, "{\"columns\":[");
    for (uint32_t c = 0; c < r->column_count; c++) {
        buffer_add_text(to, c > 0 ? ",{\"name\":" : "{\"name\":");
        buffer_add_json(to, slice_text(r->columns[c].name));
        buffer_printf(to, ",\"type\":\"%s\"}", json_type(r->columns[c].type));
    }
    buffer_add_text(to, "],\"rows\":[");
    const struct query_value *v = r->cells;
    for (uint64_t row = 0; row < r->row_count; row++) {
        buffer_add_text(to, row > 0 ? ",\n[" : "\n[");
        for (uint32_t c = 0; c < r->column_count; c++) {
            if (c > 0)
                buffer_add_byte(to, ',');
            json_value(v++, &cell, to);
        }
        buffer_add_byte(to, ']');
    }
    buffer_printf(to,
                  "],\"stats\":{\"elapsed_ms\":%.3f,\"rows\":%llu,\"rows_read\":%llu,"
                  "\"blocks_read\":%llu,\"blocks_skipped\":%llu,\"segments_read\":%llu,"
                  "\"segments_skipped\":%llu},\"partial\":%s",
                  (double)r->stats.elapsed_ns / 1e6, (unsigned long long)r->row_count,
                  (unsigned long long)r->stats.rows_read, (unsigned long long)r->stats.blocks_read,
                  (unsigned long long)r->stats.blocks_skipped,
                  (unsigned long long)r->stats.segments_read,
                  (unsigned long long)r->stats.segments_skipped, r->partial ? "true" : "false");
    if (r->partial) {
        buffer_add_text(to, ",\"notice\":");
        buffer_add_json(to, slice_text(r->notice));
    }
    buffer_add_text(to, "}\n");
    buffer_deinit(&cell);
}

static void write_ndjson(const struct query_result *r, struct buffer *to)
{
    struct buffer cell = {0};
    const struct query_value *v = r->cells;
    for (uint64_t row = 0; row < r->row_count; row++) {
        for (uint32_t c = 0; c < r->column_count; c++) {
            buffer_add_byte(to, c > 0 ? ',' : '{');
            buffer_add_json(to, slice_text(r->columns[c].name));
            buffer_add_byte(to, ':');
            json_value(v++, &cell, to);
        }
        buffer_add_text(to, r->column_count == 0 ? "{}\n" : "}\n");
    }
    buffer_deinit(&cell);
}

void query_result_write(const struct query_result *r, enum query_format format, uint32_t width,
                        struct buffer *to)
{
    switch (format) {
    case QUERY_TABLE:
        render_table(r, width, to);
        return;
    case QUERY_CSV:
        write_csv(r, to);
        return;
    case QUERY_JSON:
        write_json(r, to);
        return;
    case QUERY_NDJSON:
        write_ndjson(r, to);
        return;
    }
}
