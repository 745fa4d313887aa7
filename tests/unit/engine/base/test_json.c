/*
 * test_json.c - RFC 8259: what is taken, what is refused and where, strings both ways.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>

#include "engine/base/json.h"

/* Reads all tokens; true when the document is complete. */
static bool accepts(struct slice text)
{
    struct json j = json_over(text);
    enum json_token t;
    while ((t = json_next(&j)) > 0) {
    }
    return t == JSON_END;
}

/* clang-format off */
static const char *const good[] = {
    "{}", "[]", "null", "true", "false", "0", "-0", "1", "-1", "10", "1.5", "1e5", "1E+5", "1e-5",
    "-1.25e+10", "0.0", "0e0", "\"\"", "\"a\"", " \t\r\n1 \t\r\n", "[1,2,3]", "[ 1 , 2 ]",
    "{\"a\":1}", "{ \"a\" : 1 , \"b\" : [ ] }", "{\"\":0}", "{\"a\":{\"a\":{}}}", "[[[[]]]]",
    "[{},{},[]]", "{\"a\":1,\"a\":2}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0041\"",
    "\"\\uD83D\\uDE00\"", "\"\\ud83d\"", "\"\\u0000\"", "\"\x7f\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"",
    "\"\xff\xfe\"", "123456789012345678901234567890", "1e400", "[null,true,false]",
};
/* clang-format on */

/* clang-format off */
static const char *const bad[] = {
    "", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,,2]", "{\"a\"",
    "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{\"a\" 1}", "{a:1}", "{1:1}",
    "{'a':1}", "{\"a\":1 \"b\":2}", "{\"a\":}", "{:1}", "[1}", "{\"a\":1]", "{\"a\"]", "nul",
    "nulL", "truex", "True", "TRUE", "fals", "nan", "NaN", "Infinity", "-Infinity", "-", "+1",
    "01", "-01", "1.", ".5", "-.5", "1.e5", "1e", "1e+", "1E-", "0x10", "1_0", "--1", "1a", "\"",
    "\"a", "'a'", "\"\\\"", "\"\\x\"", "\"\\u\"", "\"\\u12\"", "\"\\u123g\"", "\"\\u 123\"",
    "\"\\\n\"", "\"\n\"", "\"\t\"", "\"\x01\"", "\"\x1f\"", "1 2", "{} {}", "[]]", "{}}",
    "null null", "\"a\" \"b\"", "//c\n1", "/*c*/1", "1 //c", ("\xef\xbb\xbf" "1"), "\f1", "\v1",
    "[\"a\",\n4\n,1,", "[\"\\ud83d\\u\"]", "{\"a\":1,,\"b\":2}", "[1]x", "tru", "undefined",
};
/* clang-format on */

Test(json, what_the_grammar_allows_is_taken)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert(accepts(slice_text(good[i])), "%s", good[i]);
}

Test(json, everything_else_is_refused)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(not(accepts(slice_text(bad[i]))), "%s", bad[i]);
    cr_assert(not(accepts(slice_of("1\0", 2))));
    cr_assert(not(accepts(slice_of("\"a\0b\"", 5))));
    cr_assert(not(accepts(slice_of("\"\\\0\"", 4))));
}

Test(json, every_truncation_of_a_document_is_refused)
{
    const char *text = "{\"a\":[1.5e3,\"x\\u00e9\\n\",true,null,{\"b\":false}],\"c\":\"d\"}";
    size_t size = strlen(text);
    cr_assert(accepts(slice_text(text)));
    for (size_t i = 0; i < size; i++) {
        uint8_t *copy = mem_alloc(i);
        bytes_copy(copy, text, i);
        struct slice cut = slice_of(copy, i);
        struct json j = json_over(cut);
        enum json_token t;
        while ((t = json_next(&j)) > 0) {
        }
        cr_assert(eq(int, t, JSON_ERROR), "%zu bytes were taken for all", i);
        struct error e = {0};
        cr_assert(eq(int, json_error(&j, "body", &e), STATUS_INVALID));
        cr_assert_str_eq(j.reason, "the text ends too early");
        cr_assert(le(i64, e.position, (int64_t)i));
        mem_free(copy);
    }
}

Test(json, every_bit_flip_is_taken_or_refused)
{
    char text[] =
        "{\"key\":[-12.5e3,\"x\\u00e9\\n\",true,null,{\"b\":false}],\"c\":\"plain text\"}";
    struct arena arena = {0};
    for (size_t bit = 0; bit < (sizeof text - 1) * 8; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        struct json j = json_over(slice_of(text, sizeof text - 1));
        enum json_token t;
        uint32_t count = 0;
        while ((t = json_next(&j)) > 0) {
            count++;
            if (t == JSON_KEY || t == JSON_STRING)
                cr_assert(le(sz, json_string(&j, &arena).size, sizeof text));
        }
        cr_assert(le(u32, count, sizeof text));
        cr_assert(eq(int, json_next(&j), t), "the end isn't final");
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    arena_deinit(&arena);
}

Test(json, nesting_is_bounded)
{
    char text[2 * (JSON_DEPTH_MAX + 1)];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool fits = depth <= JSON_DEPTH_MAX;
        cr_assert(eq(int, accepts(slice_of(text, 2 * depth)), fits));
    }
    struct json j = json_over(slice_of(text, 2 * (JSON_DEPTH_MAX + 1)));
    while (json_next(&j) > 0) {
    }
    struct error e = {0};
    (void)json_error(&j, "rules", &e);
    cr_assert_str_eq(e.text, "rules: byte 64: nested too deeply");
    cr_assert(eq(i64, e.position, 64));
}

/* Objects and arrays mixed to the full depth: the bits of the levels must not run into another. */
Test(json, levels_remember_what_they_are)
{
    for (uint64_t pattern = 0; pattern < 64; pattern++) {
        struct buffer b = {0};
        uint64_t bits = pattern * 0x0410410410410411u;
        for (uint32_t d = 0; d < JSON_DEPTH_MAX; d++)
            buffer_add_text(&b, (bits >> d & 1) != 0 ? "{\"k\":" : "[");
        buffer_add_text(&b, "1");
        for (uint32_t d = JSON_DEPTH_MAX; d-- > 0;)
            buffer_add_text(&b, (bits >> d & 1) != 0 ? "}" : "]");
        cr_assert(accepts(buffer_slice(&b)), "%.*s", SLICE_ARG(buffer_slice(&b)));
        b.data[b.size - 1] ^= '}' ^ ']';
        cr_assert(not(accepts(buffer_slice(&b))));
        buffer_deinit(&b);
    }
}

Test(json, tokens_come_in_order_with_their_text)
{
    struct json j = json_over(slice_text(" {\"a\\n\": [1.5, \"x\"], \"b\": null}"));
    struct arena arena = {0};
    cr_assert(eq(int, json_next(&j), JSON_OBJECT_BEGIN));
    cr_assert(eq(sz, j.start, 1));
    cr_assert(eq(int, json_next(&j), JSON_KEY));
    cr_assert(slice_is(j.raw, "a\\n"));
    cr_assert(slice_is(json_string(&j, &arena), "a\n"));
    cr_assert(eq(int, json_next(&j), JSON_ARRAY_BEGIN));
    cr_assert(eq(int, json_next(&j), JSON_NUMBER));
    cr_assert(slice_is(j.raw, "1.5"));
    cr_assert(eq(dbl, json_double(&j), 1.5));
    cr_assert(eq(int, json_next(&j), JSON_STRING));
    cr_assert(eq(sz, arena.bytes, 16));
    cr_assert(slice_is(json_string(&j, &arena), "x"));
    cr_assert(eq(sz, arena.bytes, 16), "a string without escapes was copied");
    cr_assert(eq(int, json_next(&j), JSON_ARRAY_END));
    cr_assert(eq(int, json_next(&j), JSON_KEY));
    cr_assert(eq(int, json_next(&j), JSON_NULL));
    cr_assert(slice_is(j.raw, "null"));
    cr_assert(eq(int, json_next(&j), JSON_OBJECT_END));
    cr_assert(eq(int, json_next(&j), JSON_END));
    cr_assert(eq(int, json_next(&j), JSON_END));
    arena_deinit(&arena);
}

Test(json, skip_returns_the_value_as_written)
{
    struct json j = json_over(slice_text("{\"a\": {\"b\": [1, {}]} , \"c\":\"d\", \"e\":-1e2}"));
    cr_assert(eq(int, json_next(&j), JSON_OBJECT_BEGIN));
    cr_assert(eq(int, json_next(&j), JSON_KEY));
    cr_assert(slice_is(json_skip(&j, json_next(&j)), "{\"b\": [1, {}]}"));
    cr_assert(eq(int, json_next(&j), JSON_KEY));
    cr_assert(slice_is(json_skip(&j, json_next(&j)), "\"d\""));
    cr_assert(eq(int, json_next(&j), JSON_KEY));
    cr_assert(slice_is(json_skip(&j, json_next(&j)), "-1e2"));
    cr_assert(eq(int, json_next(&j), JSON_OBJECT_END));
    cr_assert(eq(int, json_next(&j), JSON_END));
    j = json_over(slice_text("[[1,2"));
    cr_assert(eq(int, json_next(&j), JSON_ARRAY_BEGIN));
    cr_assert(eq(sz, json_skip(&j, json_next(&j)).size, 0));
    cr_assert(eq(int, json_next(&j), JSON_ERROR));
}

struct string_case {
    const char *json;
    const char *text;
};

static const struct string_case strings[] = {
    {"\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac"},
    {"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80"},
    {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
    {"\"\\ud83d\"", "\xef\xbf\xbd"},
    {"\"\\ude00\"", "\xef\xbf\xbd"},
    {"\"\\ud83dx\"", "\xef\xbf\xbdx"},
    {"\"\\ud83d\\n\"", "\xef\xbf\xbd\n"},
    {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                           "A"},
    {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
    {"\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\"a\\\"b\\\\c\\/d\\be\\ff\\ng\\rh\\ti\"", "a\"b\\c/d\be\ff\ng\rh\ti"},
    {"\"\\n\"", "\n"},
    {"\"12345678\\\"1234567\\\"\"", "12345678\"1234567\""},
};

Test(json, escapes_are_resolved)
{
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        struct json j = json_over(slice_text(strings[i].json));
        cr_assert(eq(int, json_next(&j), JSON_STRING), "%s", strings[i].json);
        cr_assert(slice_is(json_string(&j, &arena), strings[i].text), "%s", strings[i].json);
    }
    struct json j = json_over(slice_text("\"\\u0000x\""));
    cr_assert(eq(int, json_next(&j), JSON_STRING));
    cr_assert(slice_equal(json_string(&j, &arena), slice_of("\0x", 2)));
    arena_deinit(&arena);
}

static bool int_of(const char *text, int64_t *ret)
{
    struct json j = json_over(slice_text(text));
    cr_assert(eq(int, json_next(&j), JSON_NUMBER));
    return json_int(&j, ret);
}

Test(json, integers_are_exact_or_refused)
{
    int64_t v = 0;
    cr_assert(int_of("9223372036854775807", &v));
    cr_assert(eq(i64, v, INT64_MAX));
    cr_assert(int_of("-9223372036854775808", &v));
    cr_assert(eq(i64, v, INT64_MIN));
    cr_assert(int_of("12.0", &v));
    cr_assert(eq(i64, v, 12));
    cr_assert(not(int_of("9223372036854775808", &v)));
    cr_assert(not(int_of("1.5", &v)));
    cr_assert(not(int_of("1e30", &v)));
    cr_assert(eq(i64, v, 12));
    struct json j = json_over(slice_text("-1e999"));
    cr_assert(eq(int, json_next(&j), JSON_NUMBER));
    cr_assert(isinf(json_double(&j)) && json_double(&j) < 0);
}

/* A quote, backslash or control byte must be seen wherever it stands in a word of eight. */
Test(json, string_ends_are_found_at_every_offset)
{
    for (size_t before = 0; before < 20; before++) {
        for (int c = 0; c < 256; c++) {
            char text[64];
            size_t size = 0;
            text[size++] = '"';
            memset(text + size, 'a', before);
            size += before;
            text[size++] = (char)c;
            memset(text + size, 'b', 12);
            size += 12;
            text[size++] = '"';
            bool plain = c >= 0x20 && c != '"' && c != '\\';
            bool escape = c == '\\'; /* followed by b: a backspace */
            cr_assert(eq(int, accepts(slice_of(text, size)), plain || escape), "byte %d at %zu", c,
                      before);
        }
    }
}

static const struct string_case written[] = {
    {"\"\"", ""},
    {"\"plain\"", "plain"},
    {"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"", "\"\\/\b\f\n\r\t\x01\x1f\x7f"},
    {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\"\xef\xbf\xbd\"", "\xff"},
    {"\"\xef\xbf\xbd\"", "\xc3"},
    {"\"\xef\xbf\xbd"
     "a\"",
     "\xe2\x82"
     "a"},
    {"\"\xef\xbf\xbd\xef\xbf\xbd\"", "\xc0\x80"},                 /* overlong */
    {"\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", "\xed\xa0\x80"}, /* a surrogate */
    {"\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", "\xf4\x90\x80\x80"},
    {"\"\xef\xbf\xbd"
     "b\"",
     "\xf0\x9f\x98"
     "b"},
};

Test(json, strings_are_written_as_valid_utf8)
{
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct buffer b = {0};
        buffer_add_json(&b, slice_text(written[i].text));
        cr_assert(slice_is(buffer_slice(&b), written[i].json), "case %zu: %.*s", i,
                  SLICE_ARG(buffer_slice(&b)));
        cr_assert(accepts(buffer_slice(&b)));
        buffer_deinit(&b);
    }
}

Test(json, every_character_survives_writing_and_reading)
{
    struct arena arena = {0};
    struct buffer b = {0};
    for (uint32_t code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 101) {
        if (code >= 0xd800 && code < 0xe000)
            continue;
        char escape[32];
        if (code < 0x10000)
            (void)snprintf(escape, sizeof escape, "\"\\u%04x\"", code);
        else
            (void)snprintf(escape, sizeof escape, "\"\\u%04x\\u%04x\"",
                           0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff));
        struct json j = json_over(slice_text(escape));
        cr_assert(eq(int, json_next(&j), JSON_STRING));
        struct slice utf8 = json_string(&j, &arena);
        buffer_reset(&b);
        buffer_add_json(&b, utf8);
        struct json again = json_over(buffer_slice(&b));
        cr_assert(eq(int, json_next(&again), JSON_STRING));
        cr_assert(slice_equal(json_string(&again, &arena), utf8), "U+%04X", code);
    }
    buffer_deinit(&b);
    arena_deinit(&arena);
}

Test(json, deep_readers_go_as_deep_as_they_were_told)
{
    char text[2 * (JSON_DEEP_MAX + 1)];
    for (uint32_t limit = 1; limit <= JSON_DEEP_MAX; limit = limit < 60 ? limit * 3 : limit + 1) {
        for (uint32_t depth = limit; depth <= limit + 1; depth++) {
            for (uint32_t i = 0; i < depth; i++) {
                text[i] = '[';
                text[depth + i] = ']';
            }
            struct json j = json_over_deep(slice_of(text, 2 * (size_t)depth), limit);
            enum json_token t;
            while ((t = json_next(&j)) > 0) {
            }
            cr_assert(eq(int, t, depth <= limit ? JSON_END : JSON_ERROR), "depth %u of %u", depth,
                      limit);
        }
    }
}

Test(json, levels_beyond_64_remember_what_they_are)
{
    struct buffer text = {0};
    for (int i = 0; i < 100; i++)
        buffer_add_text(&text, i % 2 == 0 ? "{\"a\":" : "[");
    buffer_add_text(&text, "1");
    for (int i = 100; i-- > 0;)
        buffer_add_text(&text, i % 2 == 0 ? "}" : "]");
    struct json j = json_over_deep(buffer_slice(&text), 100);
    enum json_token t;
    while ((t = json_next(&j)) > 0) {
    }
    cr_assert(eq(int, t, JSON_END), "%s", j.reason);
    text.data[text.size - 10] ^= ']' ^ '}';
    j = json_over_deep(buffer_slice(&text), 100);
    while ((t = json_next(&j)) > 0) {
    }
    cr_assert(eq(int, t, JSON_ERROR));
    buffer_deinit(&text);
}

Test(json, leaping_lands_where_skipping_does)
{
    static const char *const values[] = {
        "{}", "[]", "[1,[2,{\"a\":\"]}\\\"\"}],\"[\"]", "{\"}\":{\"{\":[]}}", "\"x\"", "5", "null"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "{\"before\":%s,\"after\":7}", values[i]);
        struct json j = json_over(slice_text(text));
        (void)json_next(&j);
        (void)json_next(&j);
        cr_assert(json_leap(&j, json_next(&j)));
        cr_assert(eq(int, json_next(&j), JSON_KEY));
        cr_assert(slice_is(j.raw, "after"));
        cr_assert(eq(int, json_next(&j), JSON_NUMBER));
        cr_assert(eq(int, json_next(&j), JSON_OBJECT_END));
        cr_assert(eq(int, json_next(&j), JSON_END));
    }
    struct json cut = json_over(slice_text("[[1,2"));
    cr_assert(not(json_leap(&cut, json_next(&cut))));
    cr_assert(eq(int, json_next(&cut), JSON_ERROR));
}
