/*
 * pg_type.c - values on the PostgreSQL wire.
 *
 * Source: PostgreSQL's *send and *recv functions: integers and floats are big-endian, timestamps are
 *         microseconds since 2000-01-01 UTC, intervals are microseconds, days and months.
 */
#include "server/pgwire/pg_type.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "server/pgwire/pg_message.h"

/* 2000-01-01T00:00:00Z in ns since 1970. */
#define PG_EPOCH_NS (946684800LL * NS_PER_S)

uint32_t pg_oid_of(enum sql_type type)
{
    switch (type) {
    case SQL_TIMESTAMP:
        return PG_TIMESTAMPTZ;
    case SQL_INT:
        return PG_INT8;
    case SQL_FLOAT:
        return PG_FLOAT8;
    case SQL_BOOL:
        return PG_BOOL;
    case SQL_INTERVAL:
        return PG_INTERVAL;
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
    case SQL_NULL:
        return PG_TEXT;
    }
    return PG_TEXT;
}

int16_t pg_size_of(uint32_t oid)
{
    switch (oid) {
    case PG_BOOL:
        return 1;
    case PG_INT2:
        return 2;
    case PG_INT4:
    case PG_OID:
    case PG_FLOAT4:
        return 4;
    case PG_INT8:
    case PG_FLOAT8:
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        return 8;
    case PG_INTERVAL:
        return 16;
    default:
        return -1;
    }
}

/* PostgreSQL's "postgres" interval style: [-]HH:MM:SS[.ffffff], days apart. */
static void interval_text(int64_t ns, struct buffer *to)
{
    int64_t us = ns / NS_PER_US;
    bool negative = us < 0;
    uint64_t left = negative ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t days = left / 86400000000u;
    left %= 86400000000u;
    if (days != 0)
        buffer_printf(to, "%s%llu day%s ", negative ? "-" : "", (unsigned long long)days,
                      days == 1 ? "" : "s");
    buffer_printf(
        to, "%s%02llu:%02llu:%02llu", negative ? "-" : "", (unsigned long long)(left / 3600000000u),
        (unsigned long long)(left / 60000000u % 60), (unsigned long long)(left / 1000000u % 60));
    if (left % 1000000u != 0)
        buffer_printf(to, ".%06llu", (unsigned long long)(left % 1000000u));
}

static void text_write(const struct query_value *v, struct buffer *to)
{
    char text[TIME_TEXT_BYTES];
    switch (v->type) {
    case SQL_TIMESTAMP:
        time_to_pg_text(v->i64, text);
        buffer_add_text(to, text);
        return;
    case SQL_BOOL:
        buffer_add_text(to, v->i64 != 0 ? "t" : "f");
        return;
    case SQL_INTERVAL:
        interval_text(v->i64, to);
        return;
    case SQL_INT:
    case SQL_FLOAT:
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
    case SQL_NULL:
        (void)query_value_text(v, to);
        return;
    }
}

static void binary_write(const struct query_value *v, struct buffer *to)
{
    uint64_t bits;
    switch (v->type) {
    case SQL_TIMESTAMP: {
        /* Round towards minus infinity, as the text form truncates. */
        int64_t us = (v->i64 - PG_EPOCH_NS) / NS_PER_US;
        if ((v->i64 - PG_EPOCH_NS) % NS_PER_US < 0)
            us--;
        pg_put_u64(to, (uint64_t)us);
        return;
    }
    case SQL_INT:
        pg_put_u64(to, (uint64_t)v->i64);
        return;
    case SQL_FLOAT:
        memcpy(&bits, &v->f64, sizeof bits);
        pg_put_u64(to, bits);
        return;
    case SQL_BOOL:
        buffer_add_byte(to, v->i64 != 0);
        return;
    case SQL_INTERVAL:
        pg_put_u64(to, (uint64_t)(v->i64 / NS_PER_US));
        pg_put_u32(to, 0);
        pg_put_u32(to, 0);
        return;
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
    case SQL_NULL:
        (void)query_value_text(v, to);
        return;
    }
}

void pg_value_write(const struct query_value *v, enum sql_type column, enum pg_format format,
                    struct buffer *to)
{
    if (v->type == SQL_NULL) {
        pg_put_u32(to, UINT32_MAX);
        return;
    }
    struct query_value converted = *v;
    /* The row description promised the column's type; an integer among floats must keep that promise. */
    if (column == SQL_FLOAT && v->type == SQL_INT)
        converted = (struct query_value){.type = SQL_FLOAT, .f64 = (double)v->i64};
    size_t length_at = to->size;
    pg_put_u32(to, 0);
    if (format == PG_FORMAT_BINARY)
        binary_write(&converted, to);
    else
        text_write(&converted, to);
    pg_patch_u32(to, length_at, (uint32_t)(to->size - length_at - 4));
}

static enum sql_type type_of_oid(uint32_t oid, enum sql_type guess)
{
    switch (oid) {
    case PG_BOOL:
        return SQL_BOOL;
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
    case PG_OID:
        return SQL_INT;
    case PG_FLOAT4:
    case PG_FLOAT8:
    case PG_NUMERIC:
        return SQL_FLOAT;
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        return SQL_TIMESTAMP;
    case PG_TEXT:
    case PG_VARCHAR:
        return SQL_TEXT;
    default:
        return guess == SQL_NULL || guess == SQL_HEX || guess == SQL_MESSAGES ? SQL_TEXT : guess;
    }
}

static enum status text_read(struct slice text, enum sql_type type, struct query_value *ret,
                             struct error *reterr)
{
    char copy[64];
    char *end = NULL;
    bool is_short = text.size > 0 && text.size < sizeof copy;
    (void)snprintf(copy, sizeof copy, "%.*s", SLICE_ARG(text));
    *ret = (struct query_value){.type = type};
    switch (type) {
    case SQL_INT:
        ret->i64 = strtoll(copy, &end, 10);
        if (is_short && *end == 0)
            return STATUS_OK;
        /* Drivers send "2.5" for a number they were told is an integer; let the comparison decide. */
        ret->type = SQL_FLOAT;
        ret->f64 = strtod(copy, &end);
        if (is_short && *end == 0)
            return STATUS_OK;
        break;
    case SQL_FLOAT:
        ret->f64 = strtod(copy, &end);
        if (is_short && *end == 0)
            return STATUS_OK;
        break;
    case SQL_BOOL:
        if (slice_is(text, "t") || slice_is(text, "true") || slice_is(text, "1") ||
            slice_is(text, "on"))
            ret->i64 = 1;
        else if (!slice_is(text, "f") && !slice_is(text, "false") && !slice_is(text, "0") &&
                 !slice_is(text, "off"))
            break;
        return STATUS_OK;
    case SQL_TIMESTAMP:
        if (time_from_text(text, &ret->i64))
            return STATUS_OK;
        break;
    case SQL_INTERVAL:
        if (duration_from_text(text, &ret->i64))
            return STATUS_OK;
        break;
    case SQL_TEXT:
    case SQL_HEX:
    case SQL_MESSAGES:
    case SQL_NULL:
        ret->type = SQL_TEXT;
        ret->text = text;
        return STATUS_OK;
    }
    return error_set(reterr, STATUS_INVALID, "parameter '%.*s' can't be read as its type",
                     SLICE_ARG(text));
}

static enum status binary_read(struct slice bytes, uint32_t oid, struct query_value *ret,
                               struct error *reterr)
{
    int16_t size = pg_size_of(oid);
    if (size > 0 && bytes.size != (size_t)size)
        return error_set(reterr, STATUS_INVALID,
                         "binary parameter of type %u has %zu bytes instead of %d", oid, bytes.size,
                         size);
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.size && i < 8; i++)
        number = number << 8 | bytes.data[i];
    uint32_t half = (uint32_t)number;
    float f32;
    double f64;
    int64_t ns;
    switch (oid) {
    case PG_BOOL:
        *ret = (struct query_value){.type = SQL_BOOL, .i64 = number != 0};
        return STATUS_OK;
    case PG_INT2:
        *ret = (struct query_value){.type = SQL_INT, .i64 = (int16_t)number};
        return STATUS_OK;
    case PG_INT4:
        *ret = (struct query_value){.type = SQL_INT, .i64 = (int32_t)number};
        return STATUS_OK;
    case PG_OID:
    case PG_INT8:
        *ret = (struct query_value){.type = SQL_INT, .i64 = (int64_t)number};
        return STATUS_OK;
    case PG_FLOAT4:
        memcpy(&f32, &half, sizeof f32);
        *ret = (struct query_value){.type = SQL_FLOAT, .f64 = (double)f32};
        return STATUS_OK;
    case PG_FLOAT8:
        memcpy(&f64, &number, sizeof f64);
        *ret = (struct query_value){.type = SQL_FLOAT, .f64 = f64};
        return STATUS_OK;
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        if (__builtin_mul_overflow((int64_t)number, NS_PER_US, &ns) ||
            __builtin_add_overflow(ns, PG_EPOCH_NS, &ns))
            return error_set(reterr, STATUS_INVALID, "timestamp parameter out of range");
        *ret = (struct query_value){.type = SQL_TIMESTAMP, .i64 = ns};
        return STATUS_OK;
    case 0:
    case PG_TEXT:
    case PG_VARCHAR:
    case PG_UNKNOWN:
        *ret = (struct query_value){.type = SQL_TEXT, .text = bytes};
        return STATUS_OK;
    default:
        return error_set(reterr, STATUS_UNAVAILABLE,
                         "binary parameters of type %u are not supported; send text", oid);
    }
}

enum status pg_parameter_read(struct slice bytes, uint32_t oid, enum pg_format format,
                              enum sql_type guess, struct query_value *ret, struct error *reterr)
{
    if (format == PG_FORMAT_BINARY)
        return binary_read(bytes, oid, ret, reterr);
    return text_read(bytes, type_of_oid(oid, guess), ret, reterr);
}
