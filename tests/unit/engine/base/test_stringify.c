/*
 * test_stringify.c - expected texts are what node 20 prints for JSON.stringify(JSON.parse(text)).
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/base/stringify.h"
#include "engine/base/utf8.h"

struct text_case {
    const char *text;
    const char *printed;
};

static void check(const struct text_case *cases, size_t count)
{
    struct buffer b = {0};
    struct error error = {0};
    for (size_t i = 0; i < count; i++) {
        buffer_reset(&b);
        cr_assert(stringify(slice_text(cases[i].text), &b, &error) == STATUS_OK, "%s: %s",
                  cases[i].text, error.text);
        cr_assert(slice_is(buffer_slice(&b), cases[i].printed), "%s: got %.*s, expected %s",
                  cases[i].text, SLICE_ARG(buffer_slice(&b)), cases[i].printed);
    }
    buffer_deinit(&b);
}
#define CHECK(cases) check(cases, sizeof cases / sizeof cases[0])

Test(stringify, prints_numbers_as_javascript_does)
{
    static const struct text_case cases[] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0", "0"},
        {"1.0", "1"},
        {"-12", "-12"},
        {"1.50", "1.5"},
        {"0.0035475000000000003", "0.0035475000000000003"},
        {"1e2", "100"},
        {"1E+2", "100"},
        {"123456789012345", "123456789012345"},
        {"9007199254740993", "9007199254740992"},
        {"12345678901234567890", "12345678901234567000"},
        {"100000000000000000000", "100000000000000000000"},
        {"1e20", "100000000000000000000"},
        {"1e21", "1e+21"},
        {"1.5e21", "1.5e+21"},
        {"123456e25", "1.23456e+30"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"0.00000123", "0.00000123"},
        {"0.000000123", "1.23e-7"},
        {"5e-324", "5e-324"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"1e400", "null"},
        {"-1e400", "null"},
        {"1e-400", "0"},
        {"4.35", "4.35"},
        {"0.1", "0.1"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"1e23", "1e+23"},
        /* Powers of two: the nearest 16 digits do not read back, their neighbour does. */
        {"5.684341886080801486968994140625e-14", "5.684341886080802e-14"},
        {"9.5367431640625e-7", "9.5367431640625e-7"},
    };
    CHECK(cases);
}

Test(stringify, escapes_strings_as_javascript_does)
{
    static const struct text_case cases[] = {
        {"\"\"", "\"\""},
        {"\"\\/\"", "\"/\""},
        {"\"\\u0041\\u00e9\\u20ac\"", "\"A\xc3\xa9\xe2\x82\xac\""},
        {"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\\uD83D\"", "\"\\ud83d\""},
        {"\"\\ude00x\"", "\"\\ude00x\""},
        {"\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\xf0\x9f\x98\x80\""},
        {"\"\\ud83d\\n\"", "\"\\ud83d\\n\""},
        {"\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\x7f\""},
        {"\"\\u0008\\u000c\\u000a\\u000d\\u0009\"", "\"\\b\\f\\n\\r\\t\""},
        {"\"\\\"\\\\\"", "\"\\\"\\\\\""},
        {"\"\\u0022\\u005c\"", "\"\\\"\\\\\""},
        {"\"\xe2\x80\xa8\xe2\x80\xa9\"", "\"\xe2\x80\xa8\xe2\x80\xa9\""},
        /* What is not UTF-8 is replaced, maximal subpart by maximal subpart. */
        {"\"a\xff\x62\"", "\"a\xef\xbf\xbd\x62\""},
        {"\"\xe2\x82\"", "\"\xef\xbf\xbd\""},
        {"\"\xed\xa0\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\"\xf0\x9f\x98\"", "\"\xef\xbf\xbd\""},
        {"\"\xc0\xaf\"", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\"\xf4\x90\x80\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    CHECK(cases);
}

Test(stringify, orders_and_merges_keys_as_javascript_does)
{
    static const struct text_case cases[] = {
        {"{}", "{}"},
        {" { \"b\" : 1 , \"a\" : [ ] } ", "{\"b\":1,\"a\":[]}"},
        {"{\"b\":1,\"2\":2,\"a\":3,\"1\":4}", "{\"1\":4,\"2\":2,\"b\":1,\"a\":3}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
        {"{\"a\":1,\"\\u0061\":2,\"b\":0,\"a\":4}", "{\"a\":4,\"b\":0}"},
        {"{\"1\":1,\"0\":0,\"1\":2}", "{\"0\":0,\"1\":2}"},
        {"{\"01\":1,\"10\":2,\"9\":3}", "{\"9\":3,\"10\":2,\"01\":1}"},
        {"{\"4294967295\":1,\"4294967294\":2}", "{\"4294967294\":2,\"4294967295\":1}"},
        {"{\"-1\":1,\"1.5\":2,\"\":3}", "{\"-1\":1,\"1.5\":2,\"\":3}"},
        {"{\"__proto__\":1,\"x\":{\"2\":1,\"1\":[{\"b\":1,\"0\":2}]}}",
         "{\"__proto__\":1,\"x\":{\"1\":[{\"0\":2,\"b\":1}],\"2\":1}}"},
        {"[1, \"two\", null,true ,false,{\"k\":[[]]}]", "[1,\"two\",null,true,false,{\"k\":[[]]}]"},
    };
    CHECK(cases);
}

Test(stringify, what_it_prints_it_prints_again)
{
    static const char *const texts[] = {
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"n\":1.25e-9}]}",
        "[\"\\ud800\",\"\xc3\xa9\",1e300,{\"0\":{}}]",
    };
    for (size_t i = 0; i < 2; i++) {
        struct buffer once = {0};
        struct buffer twice = {0};
        cr_assert(eq(int, stringify(slice_text(texts[i]), &once, NULL), STATUS_OK));
        cr_assert(eq(int, stringify(buffer_slice(&once), &twice, NULL), STATUS_OK));
        cr_assert(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
        buffer_deinit(&once);
        buffer_deinit(&twice);
    }
}

Test(stringify, refuses_what_is_no_json)
{
    static const char *const texts[] = {
        "",           "{", "[1,]", "{\"a\"}", "nul",     "01",        "1 2", "\"open",
        "{\"a\":1,}", "]", "\x01", "'a'",     "\"\\x\"", "\"\\u12\"", "[1}", "\"a\nb\""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buffer b = {0};
        struct error error = {0};
        cr_assert(stringify(slice_text(texts[i]), &b, &error) == STATUS_INVALID, "'%s'", texts[i]);
        cr_assert(ne(chr, error.text[0], 0));
        buffer_deinit(&b);
    }
}

Test(stringify, survives_every_truncation_and_bit_flip)
{
    static const char text[] =
        "{\"role\":\"user\",\"1\":[1.5e3,-0,\"\\ud83d\\ude00\\n\xe2\x82\xac\"],\"role\":{\"a\":null}}";
    uint8_t copy[sizeof text];
    for (size_t size = 0; size < sizeof text - 1; size++) {
        struct buffer b = {0};
        cr_assert(stringify(slice_of(text, size), &b, NULL) == STATUS_INVALID, "%zu bytes", size);
        buffer_deinit(&b);
    }
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
        struct buffer b = {0};
        memcpy(copy, text, sizeof text);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* Good or not, what is taken is JSON afterwards. */
        if (stringify(slice_of(copy, sizeof text - 1), &b, NULL) == STATUS_OK) {
            struct buffer again = {0};
            cr_assert(eq(int, stringify(buffer_slice(&b), &again, NULL), STATUS_OK));
            cr_assert(slice_equal(buffer_slice(&b), buffer_slice(&again)));
            buffer_deinit(&again);
        }
        buffer_deinit(&b);
    }
}

Test(stringify, numbers_read_back_as_the_same_double)
{
    struct rng rng;
    rng_init(&rng, 99);
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = rng_u64(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!__builtin_isfinite(value))
            continue;
        struct buffer b = {0};
        stringify_number(value, &b);
        buffer_add_byte(&b, 0);
        cr_assert(strtod((const char *)b.data, NULL) == value, "%.17g: %s", value, b.data);
        buffer_deinit(&b);
    }
}

Test(stringify, takes_objects_with_many_members)
{
    struct buffer text = {0};
    struct buffer printed = {0};
    buffer_add_byte(&text, '{');
    for (int i = 3000; i > 0; i--)
        buffer_printf(&text, "\"%d\":%d,\"k%d\":0,", i % 1000, i, i % 500);
    buffer_add_text(&text, "\"end\":1}");
    cr_assert(eq(int, stringify(buffer_slice(&text), &printed, NULL), STATUS_OK));
    buffer_add_byte(&printed, 0);
    cr_assert(eq(int, strncmp((const char *)printed.data, "{\"0\":1000,\"1\":1,\"2\":2,", 21), 0));
    cr_assert(
        ne(ptr, strstr((const char *)printed.data, "\"999\":999,\"k0\":0,\"k499\":0,"), NULL));
    buffer_deinit(&text);
    buffer_deinit(&printed);
}
