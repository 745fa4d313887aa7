/*
 * test_decimal.c - decimal text to integers and doubles.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/decimal.h"
#include "engine/base/rng.h"

struct integer_case {
    const char *text;
    int64_t numerator;
    enum decimal_result result;
    int64_t value;
};

static const struct integer_case integers[] = {
    {"0", 1, DECIMAL_EXACT, 0},
    {"-0", 1, DECIMAL_EXACT, 0},
    {"+7", 1, DECIMAL_EXACT, 7},
    {"007", 1, DECIMAL_EXACT, 7},
    {"12.0", 1, DECIMAL_EXACT, 12},
    {"1.2e1", 1, DECIMAL_EXACT, 12},
    {"1E3", 1, DECIMAL_EXACT, 1000},
    {"1200e-2", 1, DECIMAL_EXACT, 12},
    {".5", 10, DECIMAL_EXACT, 5},
    {"5.", 1, DECIMAL_EXACT, 5},
    {"0.1", 1000000, DECIMAL_EXACT, 100000},
    {"0.000125", 1000000000, DECIMAL_EXACT, 125000},
    {"2.675", 100, DECIMAL_ROUNDED, 268}, /* 267 through a double */
    {"1.005", 100, DECIMAL_ROUNDED, 101}, /* 100 through a double */
    {"0.5", 1, DECIMAL_ROUNDED, 1},
    {"-0.5", 1, DECIMAL_ROUNDED, -1},
    {"0.49999999999999999999999999999999999999999999", 1, DECIMAL_ROUNDED, 0},
    {"0.50000000000000000000000000000000000000000001", 1, DECIMAL_ROUNDED, 1},
    {"1.49999999999999999999999999999999999999999999", 1, DECIMAL_ROUNDED, 1},
    {"12.3456789", 1000000, DECIMAL_ROUNDED, 12345679},
    {"9223372036854775807", 1, DECIMAL_EXACT, INT64_MAX},
    {"-9223372036854775808", 1, DECIMAL_EXACT, INT64_MIN},
    {"9223372036854775808", 1, DECIMAL_RANGE, 0},
    {"-9223372036854775809", 1, DECIMAL_RANGE, 0},
    {"9223372036854775807.4", 1, DECIMAL_ROUNDED, INT64_MAX},
    {"9223372036854775807.5", 1, DECIMAL_RANGE, 0},
    {"9223372036.854775807", 1000000000, DECIMAL_EXACT, INT64_MAX},
    {"9223372036.854775808", 1000000000, DECIMAL_RANGE, 0},
    {"18446744073709551615", 1, DECIMAL_RANGE, 0},
    {"18446744073709551616", 1, DECIMAL_RANGE, 0},
    {"340282366920938463463374607431768211456", 1, DECIMAL_RANGE, 0},
    {"1e19", 1, DECIMAL_RANGE, 0},
    {"1e999999999999999999999", 1, DECIMAL_RANGE, 0},
    {"1e-999999999999999999999", 1, DECIMAL_ROUNDED, 0},
    {"0e999999999999999999999", 1, DECIMAL_EXACT, 0},
    {"1000000000000000000000000000000000000000e-39", 1, DECIMAL_EXACT, 1},
    {"0.00000000000000000000000000000000000000001e41", 1, DECIMAL_EXACT, 1},
    {"", 1, DECIMAL_SYNTAX, 0},
    {"-", 1, DECIMAL_SYNTAX, 0},
    {".", 1, DECIMAL_SYNTAX, 0},
    {"1e", 1, DECIMAL_SYNTAX, 0},
    {"1e+", 1, DECIMAL_SYNTAX, 0},
    {"e5", 1, DECIMAL_SYNTAX, 0},
    {"1.2.3", 1, DECIMAL_SYNTAX, 0},
    {" 1", 1, DECIMAL_SYNTAX, 0},
    {"1 ", 1, DECIMAL_SYNTAX, 0},
    {"--1", 1, DECIMAL_SYNTAX, 0},
    {"0x10", 1, DECIMAL_SYNTAX, 0},
    {"nan", 1, DECIMAL_SYNTAX, 0},
    {"inf", 1, DECIMAL_SYNTAX, 0},
    {"1,5", 1, DECIMAL_SYNTAX, 0},
    {"1_000", 1, DECIMAL_SYNTAX, 0},
};

Test(decimal, integers_are_exact_or_rounded_to_nearest)
{
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        const struct integer_case *c = &integers[i];
        int64_t value = 0;
        enum decimal_result result = decimal_to_int(slice_text(c->text), c->numerator, 1, &value);
        cr_assert(eq(int, result, c->result), "%s", c->text);
        cr_assert(eq(i64, value, c->value), "%s", c->text);
    }
}

Test(decimal, denominators_round_too)
{
    int64_t value = 0;
    cr_assert(eq(int, decimal_to_int(slice_text("1499"), 1, 1000, &value), DECIMAL_ROUNDED));
    cr_assert(eq(i64, value, 1));
    cr_assert(eq(int, decimal_to_int(slice_text("1500"), 1, 1000, &value), DECIMAL_ROUNDED));
    cr_assert(eq(i64, value, 2));
    cr_assert(eq(int, decimal_to_int(slice_text("-5000"), 10, 1000, &value), DECIMAL_EXACT));
    cr_assert(eq(i64, value, -50));
}

Test(decimal, every_int64_survives)
{
    struct rng r;
    rng_init(&r, 99);
    for (int i = 0; i < 20000; i++) {
        int64_t v = (int64_t)(rng_u64(&r) >> rng_below(&r, 64));
        v = i % 2 == 0 ? v : (int64_t)(0 - (uint64_t)v);
        char text[32];
        int64_t back = 0;
        (void)snprintf(text, sizeof text, "%" PRId64, v);
        cr_assert(eq(int, decimal_to_int(slice_text(text), 1, 1, &back), DECIMAL_EXACT));
        cr_assert(eq(i64, back, v));
    }
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* strtod is the oracle. */
Test(decimal, doubles_are_the_nearest)
{
    struct rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 50000; i++) {
        char text[64];
        double value = 0;
        int digits = 1 + (int)rng_below(&r, 17);
        int exponent = (int)rng_below(&r, 60) - 30;
        uint64_t limit = 1;
        for (int k = 0; k < digits; k++)
            limit *= 10;
        (void)snprintf(text, sizeof text, "%s%" PRIu64 ".%02de%d", i % 3 == 0 ? "-" : "",
                       rng_below(&r, limit), (int)rng_below(&r, 100), exponent);
        cr_assert(decimal_to_double(slice_text(text), &value));
        cr_assert(same_bits(value, strtod(text, NULL)), "%s", text);
    }
}

Test(decimal, doubles_at_the_edges)
{
    double value = 1;
    cr_assert(decimal_to_double(slice_text("-0"), &value));
    cr_assert(value == 0 && signbit(value));
    cr_assert(decimal_to_double(slice_text("1.7976931348623157e308"), &value));
    cr_assert(same_bits(value, 0x1.fffffffffffffp1023));
    cr_assert(decimal_to_double(slice_text("5e-324"), &value));
    cr_assert(same_bits(value, 0x1p-1074));
    cr_assert(decimal_to_double(slice_text("1e-400"), &value));
    cr_assert(same_bits(value, 0));
    cr_assert(decimal_to_double(slice_text("9007199254740993"), &value));
    cr_assert(same_bits(value, 9007199254740992.0));
    char many[1200];
    memset(many, '3', sizeof many);
    many[1] = '.';
    cr_assert(decimal_to_double(slice_of(many, sizeof many), &value));
    cr_assert(same_bits(value, 10.0 / 3));
    value = 7;
    cr_assert(not(decimal_to_double(slice_text("1e309"), &value)));
    cr_assert(not(decimal_to_double(slice_text("-1e309"), &value)));
    cr_assert(not(decimal_to_double(slice_text("inf"), &value)));
    cr_assert(not(decimal_to_double(slice_text("nan"), &value)));
    cr_assert(not(decimal_to_double(slice_text("0x1p3"), &value)));
    cr_assert(not(decimal_to_double(SLICE_EMPTY, &value)));
    cr_assert(same_bits(value, 7));
}
