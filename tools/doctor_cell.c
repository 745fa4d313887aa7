/*
 * doctor_cell.c - the cells of a row as SQL would show them.
 */
#include <inttypes.h>
#include <math.h>

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "tools/doctor.h"

const struct vector *doctor_cell(const struct doctor *d, uint32_t row, uint16_t column_id)
{
    const struct vector *v = batch_vector(&d->work.spans, column_id);
    return v != NULL && row < v->rows && vector_has(v, row) ? v : NULL;
}

struct slice doctor_text(const struct doctor *d, uint32_t row, uint16_t column_id)
{
    const struct vector *v = doctor_cell(d, row, column_id);
    return v == NULL ? SLICE_EMPTY : vector_bytes(v, row);
}

/* value / divisor without a double; divisors are powers of ten. */
static void add_decimal(struct buffer *to, int64_t value, int64_t divisor)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t d = (uint64_t)divisor;
    uint64_t rest = magnitude % d;
    buffer_printf(to, "%s%" PRIu64, value < 0 ? "-" : "", magnitude / d);
    if (rest == 0)
        return;
    buffer_add_byte(to, '.');
    while (rest > 0) {
        d /= 10;
        buffer_add_byte(to, (uint8_t)('0' + rest / d));
        rest %= d;
    }
}

static void add_integer(const struct column *column, int64_t value, bool json, struct buffer *to)
{
    char text[TIME_TEXT_BYTES];
    if (column->sql == SQL_TIMESTAMP) {
        time_to_text(value, text);
        buffer_printf(to, json ? "\"%s\"" : "%s", text);
    } else if (column->sql == SQL_BOOL) {
        buffer_add_text(to, value != 0 ? "true" : "false");
    } else {
        add_decimal(to, value, column->divisor);
    }
}

static void add_double(double value, struct buffer *to)
{
    if (isfinite(value))
        buffer_printf(to, "%.15g", value);
    else
        buffer_add_text(to, "null");
}

static bool is_json_object(struct slice text)
{
    struct json j = json_over(text);
    enum json_token token = json_next(&j);
    if (token != JSON_OBJECT_BEGIN && token != JSON_ARRAY_BEGIN)
        return false;
    while (token > JSON_END)
        token = json_next(&j);
    return token == JSON_END;
}

static void add_text(const struct column *column, struct slice text, bool json, struct buffer *to)
{
    bool holds_json = column->id == SPANS_attributes || column->id == SPANS_findings ||
                      column->id == SPANS_retrieved;
    if (json && !(holds_json && is_json_object(text)))
        buffer_add_json(to, text);
    else
        buffer_add_slice(to, text);
}

static const struct message *message_find(const struct doctor *d, struct id128 address)
{
    for (uint32_t i = 0; i < d->work.message_count; i++) {
        if (id128_equal(d->work.messages[i].address, address))
            return &d->work.messages[i];
    }
    return NULL;
}

/* The JSON array of the messages. */
static void add_messages(const struct doctor *d, struct slice refs, struct buffer *to)
{
    buffer_add_byte(to, '[');
    for (size_t at = 0; at + sizeof(struct id128) <= refs.size; at += sizeof(struct id128)) {
        struct id128 address;
        memcpy(address.bytes, refs.data + at, sizeof address);
        const struct message *m = message_find(d, address);
        if (at > 0)
            buffer_add_byte(to, ',');
        if (m == NULL)
            buffer_add_text(to, "null");
        else
            buffer_add_slice(to, m->body);
    }
    buffer_add_byte(to, ']');
}

void doctor_cell_add(struct doctor *d, const struct column *column, const struct vector *v,
                     uint32_t row, bool json, struct buffer *to)
{
    char hex[ID128_HEX_BYTES];
    switch (v->storage) {
    case STORAGE_I64:
        add_integer(column, v->i64[row], json, to);
        return;
    case STORAGE_F64:
        add_double(v->f64[row], to);
        return;
    case STORAGE_STR:
    case STORAGE_TEXT:
        add_text(column, vector_bytes(v, row), json, to);
        return;
    case STORAGE_REFS:
        add_messages(d, vector_bytes(v, row), to);
        return;
    case STORAGE_ID64:
        id64_to_hex(v->id64[row], hex);
        buffer_printf(to, json ? "\"%.16s\"" : "%.16s", hex);
        return;
    case STORAGE_ID128:
        id128_to_hex(v->id128[row], hex);
        buffer_printf(to, json ? "\"%.32s\"" : "%.32s", hex);
        return;
    }
}
