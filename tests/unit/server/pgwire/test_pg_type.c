/*
 * test_pg_type.c - values on the PostgreSQL wire, against the bytes PostgreSQL sends.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "server/pgwire/pg_message.h"
#include "server/pgwire/pg_type.h"

static void expect_bytes(const struct query_value *v, enum sql_type column, enum pg_format format, const char *hex)
{
    struct buffer out = {0};
    char text[256] = "";
    pg_value_write(v, column, format, &out);
    for (size_t i = 0; i < out.size; i++)
        (void)snprintf(text + 2 * i, sizeof text - 2 * i, "%02x", out.data[i]);
    cr_assert_str_eq(text, hex);
    buffer_deinit(&out);
}

Test(pg_type, binary_values_are_what_postgresql_sends)
{
    /* select int8send(-2), float8send(1.5), boolsend(true), timestamptz_send('2000-01-01 00:00:00.000001Z') */
    expect_bytes(&(struct query_value){.type = SQL_INT, .i64 = -2}, SQL_INT, PG_FORMAT_BINARY, "00000008fffffffffffffffe");
    expect_bytes(&(struct query_value){.type = SQL_FLOAT, .f64 = 1.5}, SQL_FLOAT, PG_FORMAT_BINARY, "000000083ff8000000000000");
    expect_bytes(&(struct query_value){.type = SQL_BOOL, .i64 = 1}, SQL_BOOL, PG_FORMAT_BINARY, "0000000101");
    expect_bytes(&(struct query_value){.type = SQL_TIMESTAMP, .i64 = 946684800LL * NS_PER_S + 1000}, SQL_TIMESTAMP,
                 PG_FORMAT_BINARY, "000000080000000000000001");
    expect_bytes(&(struct query_value){.type = SQL_TIMESTAMP, .i64 = 946684800LL * NS_PER_S - 1}, SQL_TIMESTAMP,
                 PG_FORMAT_BINARY, "00000008ffffffffffffffff");
    expect_bytes(&(struct query_value){.type = SQL_NULL}, SQL_INT, PG_FORMAT_BINARY, "ffffffff");
}

Test(pg_type, an_integer_in_a_float_column_is_sent_as_a_float)
{
    expect_bytes(&(struct query_value){.type = SQL_INT, .i64 = 1}, SQL_FLOAT, PG_FORMAT_BINARY, "000000083ff0000000000000");
}

Test(pg_type, text_values_are_what_postgresql_prints)
{
    expect_bytes(&(struct query_value){.type = SQL_BOOL, .i64 = 0}, SQL_BOOL, PG_FORMAT_TEXT, "0000000166"); /* f */
    struct buffer out = {0};
    pg_value_write(&(struct query_value){.type = SQL_INTERVAL, .i64 = 26 * NS_PER_HOUR + 5 * NS_PER_S}, SQL_INTERVAL, PG_FORMAT_TEXT, &out);
    cr_assert(slice_is(slice_of(out.data + 4, out.size - 4), "1 day 02:00:05"));
    buffer_reset(&out);
    pg_value_write(&(struct query_value){.type = SQL_TIMESTAMP, .i64 = 1761998400LL * NS_PER_S}, SQL_TIMESTAMP, PG_FORMAT_TEXT, &out);
    cr_assert(slice_is(slice_of(out.data + 4, out.size - 4), "2025-11-01 12:00:00+00"), "%.*s", (int)out.size - 4, out.data + 4);
    buffer_deinit(&out);
}

Test(pg_type, binary_parameters_of_a_wrong_size_are_refused)
{
    const uint32_t oids[] = {PG_BOOL, PG_INT2, PG_INT4, PG_INT8, PG_FLOAT4, PG_FLOAT8, PG_TIMESTAMPTZ};
    const uint8_t bytes[9] = {0, 0, 0, 0, 0, 0, 0, 7, 0};
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++) {
        for (size_t size = 0; size <= 9; size++) {
            struct query_value v;
            enum status s = pg_parameter_read(slice_of(bytes, size), oids[i], PG_FORMAT_BINARY, SQL_NULL, &v, NULL);
            cr_assert_eq(s >= 0, (int)size == pg_size_of(oids[i]));
        }
    }
}

Test(pg_type, binary_integers_keep_their_sign)
{
    struct query_value v;
    cr_assert(pg_parameter_read(slice_of("\xff\xfe", 2), PG_INT2, PG_FORMAT_BINARY, SQL_NULL, &v, NULL) >= 0);
    cr_assert_eq(v.i64, -2);
    cr_assert(pg_parameter_read(slice_of("\xff\xff\xff\xfd", 4), PG_INT4, PG_FORMAT_BINARY, SQL_NULL, &v, NULL) >= 0);
    cr_assert_eq(v.i64, -3);
}

Test(pg_type, text_parameters_follow_the_oid_then_the_guess)
{
    struct query_value v;
    struct error error = {0};
    cr_assert(pg_parameter_read(slice_text("42"), PG_INT4, PG_FORMAT_TEXT, SQL_TEXT, &v, &error) >= 0);
    cr_assert(v.type == SQL_INT && v.i64 == 42);
    cr_assert(pg_parameter_read(slice_text("42"), 0, PG_FORMAT_TEXT, SQL_FLOAT, &v, &error) >= 0);
    cr_assert(v.type == SQL_FLOAT && v.f64 == 42.0);
    cr_assert(pg_parameter_read(slice_text("abc"), 0, PG_FORMAT_TEXT, SQL_NULL, &v, &error) >= 0);
    cr_assert(v.type == SQL_TEXT && slice_is(v.text, "abc"));
    cr_assert(pg_parameter_read(slice_text("abc"), PG_INT8, PG_FORMAT_TEXT, SQL_NULL, &v, &error) < 0);
    cr_assert(strstr(error.text, "abc") != NULL);
    cr_assert(pg_parameter_read(slice_text("2025-11-01T12:00:00Z"), PG_TIMESTAMPTZ, PG_FORMAT_TEXT, SQL_NULL, &v, &error) >= 0);
    cr_assert(v.type == SQL_TIMESTAMP && v.i64 == 1761998400LL * NS_PER_S);
}

Test(pg_message, a_reader_that_ran_out_stays_failed)
{
    struct pg_reader r = pg_reader_over(slice_of("\0\1abc", 5));
    cr_assert_eq(pg_read_u16(&r), 1);
    (void)pg_read_text(&r); /* no NUL */
    cr_assert(r.failed);
    cr_assert_eq(pg_read_u32(&r), 0u);
    cr_assert(r.failed);
}

Test(pg_message, lengths_count_themselves_and_not_the_type)
{
    struct buffer out = {0};
    pg_command_complete(&out, "SELECT 1");
    cr_assert_eq(out.size, 1u + 4 + 9);
    cr_assert_eq(out.data[0], 'C');
    cr_assert_eq(out.data[4], 13);
    buffer_deinit(&out);
}
