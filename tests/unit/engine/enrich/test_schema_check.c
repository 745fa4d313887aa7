/*
 * test_schema_check.c - JSON Schema where the suite of test_schema_suite.c says nothing: words and paths of failures, what is
 * unsupported, drafts side by side, limits, hostile schemas.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/json.h"
#include "engine/enrich/schema.h"

static struct json_schema *compiled(const char *text)
{
    struct json_schema *schema = NULL;
    struct error e = {0};
    enum status s =
        json_schema_create(slice_text(text), &(struct json_schema_options){0}, &schema, &e);
    cr_assert_eq(s, STATUS_OK, "%s: %s", text, e.text);
    return schema;
}

static enum json_schema_verdict verdict_of(const char *schema_text, const char *instance,
                                           struct json_schema_failure *ret)
{
    struct json_schema *schema = compiled(schema_text);
    struct arena scratch = {0};
    enum json_schema_verdict verdict =
        json_schema_validate(schema, slice_text(instance), &scratch, ret);
    arena_deinit(&scratch);
    json_schema_destroy(schema);
    return verdict;
}

#define ORDER                                                                                                      \
    "{\"type\":\"object\",\"properties\":{\"order_id\":{\"type\":\"integer\",\"minimum\":1},"                      \
    "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"sku\":{\"type\":\"string\","   \
    "\"pattern\":\"^[A-Z]{2}-\\\\d+$\"},\"count\":{\"type\":\"integer\",\"maximum\":9}},\"required\":[\"sku\"]}}," \
    "\"note\":{\"type\":[\"string\",\"null\"],\"maxLength\":5},\"speed\":{\"enum\":[\"slow\",\"fast\",3]}},"       \
    "\"required\":[\"order_id\"],\"additionalProperties\":false}"

Test(schema_check, failures_say_where_and_why)
{
    static const struct {
        const char *instance;
        const char *path;
        const char *keyword;
        const char *words;
    } cases[] = {
        {"{\"order_id\":\"x\"}", "$.order_id", "type", "expected integer, got string"},
        {"{\"order_id\":1.5}", "$.order_id", "type", "expected integer, got number"},
        {"{\"order_id\":0}", "$.order_id", "minimum", "expected at least 1, got 0"},
        {"[]", "$", "type", "expected object, got array"},
        {"{}", "$", "required", "the required property 'order_id' is missing"},
        {"{\"order_id\":1,\"extra\":2}", "$", "additionalProperties",
         "the property 'extra' is not in the schema"},
        {"{\"order_id\":1,\"items\":[{\"sku\":\"AB-1\"},{\"sku\":\"ab\"}]}", "$.items[1].sku",
         "pattern", "\"ab\" does not match \"^[A-Z]{2}-\\d+$\""},
        {"{\"order_id\":1,\"items\":[{\"count\":1}]}", "$.items[0]", "required",
         "the required property 'sku' is missing"},
        {"{\"order_id\":1,\"items\":[{\"sku\":\"AB-1\",\"count\":10}]}", "$.items[0].count",
         "maximum", "expected at most 9, got 10"},
        {"{\"order_id\":1,\"note\":7}", "$.note", "type", "expected null or string, got integer"},
        {"{\"order_id\":1,\"note\":\"abcdef\"}", "$.note", "maxLength",
         "expected at most 5 characters, got 6"},
        {"{\"order_id\":1,\"speed\":\"medium\"}", "$.speed", "enum",
         "expected one of \"slow\", \"fast\", 3, got \"medium\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json_schema_failure f = {0};
        cr_assert_eq(verdict_of(ORDER, cases[i].instance, &f), SCHEMA_FAILS, "%s",
                     cases[i].instance);
        cr_expect_str_eq(f.path, cases[i].path);
        cr_expect_str_eq(f.keyword, cases[i].keyword);
        cr_expect_str_eq(f.words, cases[i].words);
    }
    struct json_schema_failure f = {0};
    cr_expect_eq(verdict_of(ORDER, "{\"order_id\":7,\"note\":null,\"speed\":3.0,\"items\":[]}", &f),
                 SCHEMA_FITS);
    cr_expect_eq(verdict_of(ORDER, "{\"order_id\":", &f), SCHEMA_NOT_JSON);
    cr_expect(strstr(f.words, "byte 12") != NULL, "%s", f.words);
}

Test(schema_check, odd_names_are_quoted_in_paths)
{
    struct json_schema_failure f = {0};
    cr_assert_eq(verdict_of("{\"additionalProperties\":{\"type\":\"null\"}}", "{\"a b.c\":1}", &f),
                 SCHEMA_FAILS);
    cr_expect_str_eq(f.path, "$[\"a b.c\"]");
}

struct verdict_case {
    const char *schema;
    const char *instance;
    enum json_schema_verdict verdict;
};

static void verdicts_check(const struct verdict_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct json_schema_failure f = {0};
        enum json_schema_verdict v = verdict_of(cases[i].schema, cases[i].instance, &f);
        cr_expect_eq(v, cases[i].verdict, "%s of %s: %d (%s: %s)", cases[i].schema,
                     cases[i].instance, v, f.path, f.words);
    }
}

/* Keywords newer than the packaged suite, and what providers write that is no JSON Schema. */
Test(schema_check, newer_and_foreign_keywords)
{
    static const struct verdict_case cases[] = {
        {"{\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":\"string\"}}",
         "[1,\"a\",\"b\"]", SCHEMA_FITS},
        {"{\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":\"string\"}}", "[1,2]",
         SCHEMA_FAILS},
        {"{\"prefixItems\":[{\"type\":\"integer\"}],\"items\":false}", "[1,2]", SCHEMA_FAILS},
        {"{\"prefixItems\":[{\"type\":\"integer\"}]}", "[\"a\"]", SCHEMA_FAILS},
        {"{\"prefixItems\":[{\"type\":\"integer\"}]}", "[]", SCHEMA_FITS},
        {"{\"contains\":{\"type\":\"null\"},\"minContains\":2,\"maxContains\":3}", "[null,null,1]",
         SCHEMA_FITS},
        {"{\"contains\":{\"type\":\"null\"},\"minContains\":2}", "[null,1]", SCHEMA_FAILS},
        {"{\"contains\":{\"type\":\"null\"},\"minContains\":0}", "[1]", SCHEMA_FITS},
        {"{\"contains\":{\"type\":\"null\"},\"maxContains\":1}", "[null,null]", SCHEMA_FAILS},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", SCHEMA_FAILS},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1,\"b\":2}", SCHEMA_FITS},
        {"{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\":1}", SCHEMA_FAILS},
        {"{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"$ref\":\"#/$defs/n\",\"minimum\":5}", "4",
         SCHEMA_FAILS},
        {"{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"$ref\":\"#/$defs/n\",\"minimum\":5}", "5",
         SCHEMA_FITS},
        {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"definitions\":{\"n\":{\"type\":\"integer\"}},"
         "\"$ref\":\"#/definitions/n\",\"minimum\":5}",
         "4", SCHEMA_FITS},
        {"{\"$id\":\"https://x.example/s.json\",\"$defs\":{\"n\":{\"type\":\"integer\"}},\"properties\":{\"a\":{\"$ref\":"
         "\"https://x.example/s.json#/$defs/n\"}}}",
         "{\"a\":\"b\"}", SCHEMA_FAILS},
        {"{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\",\"nullable\":true}}}",
         "{\"a\":null}", SCHEMA_FITS},
        {"{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"STRING\",\"nullable\":true}}}",
         "{\"a\":1}", SCHEMA_FAILS},
        {"{\"type\":\"string\",\"nullable\":false}", "null", SCHEMA_FAILS},
        {"{\"type\":\"string\",\"enum\":[\"a\"],\"nullable\":true}", "null", SCHEMA_FITS},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "null", SCHEMA_FITS},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1", SCHEMA_FAILS},
        {"{\"not\":{\"not\":{\"type\":\"string\"}}}", "1", SCHEMA_FAILS},
        {"true", "1", SCHEMA_FITS},
        {"false", "1", SCHEMA_FAILS},
        {"{}", "{\"anything\":[1,2]}", SCHEMA_FITS},
    };
    verdicts_check(cases, sizeof cases / sizeof cases[0]);
}

Test(schema_check, numbers_are_compared_as_numbers)
{
    static const struct verdict_case cases[] = {
        {"{\"type\":\"integer\"}", "1.0", SCHEMA_FITS},
        {"{\"type\":\"integer\"}", "1e3", SCHEMA_FITS},
        {"{\"type\":\"integer\"}", "123456789012345678901234567890", SCHEMA_FITS},
        {"{\"type\":\"integer\"}", "1.5", SCHEMA_FAILS},
        {"{\"const\":1}", "1.0", SCHEMA_FITS},
        {"{\"const\":9007199254740993}", "9007199254740992", SCHEMA_FAILS},
        {"{\"maximum\":9007199254740992}", "9007199254740993", SCHEMA_FAILS},
        {"{\"const\":{\"a\":[1,{\"b\":null}],\"c\":2}}", "{\"c\":2.0,\"a\":[1,{\"b\":null}]}",
         SCHEMA_FITS},
        {"{\"const\":[1,2]}", "[2,1]", SCHEMA_FAILS},
        {"{\"const\":false}", "0", SCHEMA_FAILS},
        {"{\"multipleOf\":0.01}", "19.99", SCHEMA_FITS},
        {"{\"multipleOf\":0.01}", "19.995", SCHEMA_FAILS},
        {"{\"multipleOf\":3}", "9007199254740993", SCHEMA_FITS},
        {"{\"multipleOf\":3}", "9007199254740994", SCHEMA_FAILS},
        {"{\"multipleOf\":2}", "-9223372036854775808", SCHEMA_FITS},
        {"{\"multipleOf\":0.5}", "1e308", SCHEMA_FITS},
        {"{\"uniqueItems\":true}", "[1,1.0]", SCHEMA_FAILS},
        {"{\"uniqueItems\":true}", "[0,-0.0]", SCHEMA_FAILS},
        {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", SCHEMA_FAILS},
        {"{\"uniqueItems\":true}", "[1,\"1\",true,null,[],{},[1]]", SCHEMA_FITS},
        {"{\"minLength\":2}", "\"\\u00e4\\ud83d\\ude00\"", SCHEMA_FITS},
        {"{\"maxLength\":1}", "\"\\ud83d\\ude00\"", SCHEMA_FITS},
    };
    verdicts_check(cases, sizeof cases / sizeof cases[0]);
}

Test(schema_check, known_formats_are_checked_and_others_are_notes)
{
    static const struct verdict_case cases[] = {
        {"{\"format\":\"date\"}", "\"2024-02-29\"", SCHEMA_FITS},
        {"{\"format\":\"date\"}", "\"2023-02-29\"", SCHEMA_FAILS},
        {"{\"format\":\"date\"}", "\"1900-02-29\"", SCHEMA_FAILS},
        {"{\"format\":\"date\"}", "\"May 20\"", SCHEMA_FAILS},
        {"{\"format\":\"date\"}", "\"2024-05-20T10:00:00Z\"", SCHEMA_FAILS},
        {"{\"format\":\"date\"}", "20240520", SCHEMA_FITS},
        {"{\"format\":\"time\"}", "\"10:30:00\"", SCHEMA_FITS},
        {"{\"format\":\"time\"}", "\"24:30:00\"", SCHEMA_FAILS},
        {"{\"format\":\"date-time\"}", "\"2024-05-20T10:00:00.123+02:00\"", SCHEMA_FITS},
        {"{\"format\":\"date-time\"}", "\"2024-05-20T10:00:00\"", SCHEMA_FITS},
        {"{\"format\":\"date-time\"}", "\"2024-05-20T10:00:00.\"", SCHEMA_FAILS},
        {"{\"format\":\"date-time\"}", "\"2024-05-20\"", SCHEMA_FAILS},
        {"{\"format\":\"email\"}", "\"a@b\"", SCHEMA_FITS},
        {"{\"format\":\"email\"}", "\"@b\"", SCHEMA_FAILS},
        {"{\"format\":\"email\"}", "\"Bob <b@x.org>\"", SCHEMA_FAILS},
        {"{\"format\":\"ipv4\"}", "\"1.2.3.4\\u0000\"", SCHEMA_FAILS},
        {"{\"format\":\"ipv6\"}", "\"fe80::1\"", SCHEMA_FITS},
        {"{\"format\":\"uuid\"}", "\"550e8400-e29b-41d4-a716-446655440000\"", SCHEMA_FITS},
        {"{\"format\":\"uuid\"}", "\"550e8400-e29b-41d4-a716-44665544000\"", SCHEMA_FAILS},
        {"{\"format\":\"uuid\"}", "\"550e8400e29b-41d4-a716-4466554400000\"", SCHEMA_FAILS},
        {"{\"format\":\"color\"}", "\"anything\"", SCHEMA_FITS},
        {"{\"format\":3}", "\"anything\"", SCHEMA_FITS},
    };
    verdicts_check(cases, sizeof cases / sizeof cases[0]);
}

Test(schema_check, what_is_not_looked_at_is_named_once)
{
    struct json_schema *schema = compiled(
        "{\"unevaluatedProperties\":false,\"title\":\"t\",\"x-own\":1,\"format\":\"date\","
        "\"properties\":{\"a\":{\"unevaluatedProperties\":false,\"minimun\":3},"
        "\"b\":{\"$ref\":\"https://elsewhere.example/s\"},\"title\":{},\"c\":{\"$id\":\"c\"}}}");
    const struct slice *names;
    char all[512] = "";
    uint32_t count = json_schema_unsupported(schema, &names);
    for (uint32_t i = 0; i < count; i++)
        (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s;", SLICE_ARG(names[i]));
    cr_expect_eq(count, 4, "%s", all);
    cr_expect(strstr(all, "unevaluatedProperties;") != NULL, "%s", all);
    cr_expect(strstr(all, "minimun;") != NULL, "%s", all);
    cr_expect(strstr(all, "$ref https://elsewhere.example/s;") != NULL, "%s", all);
    cr_expect(strstr(all, "$id;") != NULL, "%s", all);
    json_schema_destroy(schema);
}

Test(schema_check, impossible_schemas_are_refused_with_place_and_reason)
{
    static const struct {
        const char *schema;
        const char *words;
    } cases[] = {
        {"", "byte 0"},
        {"{", "byte 1"},
        {"3", "expected a schema, got integer"},
        {"{\"type\":\"strin\"}", "byte 8: type: expected null, boolean"},
        {"{\"type\":7}", "type: expected null"},
        {"{\"type\":[\"string\",7]}", "type: expected null"},
        {"{\"properties\":[]}", "properties: expected an object, got array"},
        {"{\"properties\":{\"a\":3}}", "properties: expected a schema, got integer"},
        {"{\"required\":\"a\"}", "required: expected an array of strings"},
        {"{\"required\":[1]}", "required: expected a string"},
        {"{\"enum\":3}", "enum: expected an array"},
        {"{\"minimum\":\"3\"}", "minimum: expected a number"},
        {"{\"minLength\":-1}", "minLength: expected an integer of at least 0"},
        {"{\"minLength\":1.5}", "minLength: expected an integer of at least 0"},
        {"{\"multipleOf\":0}", "multipleOf: expected a number above 0"},
        {"{\"anyOf\":[]}", "anyOf: expected an array of schemas"},
        {"{\"anyOf\":{}}", "anyOf: expected an array of schemas"},
        {"{\"pattern\":\"(\"}", "invalid pattern at byte 1"},
        {"{\"patternProperties\":{\"[\":{}}}", "invalid pattern"},
        {"{\"$ref\":\"#/nowhere\"}", "nothing stands at '#/nowhere'"},
        {"{\"$ref\":\"#/type\",\"type\":\"string\"}", "$ref: expected a schema"},
        {"{\"uniqueItems\":1}", "uniqueItems: expected true or false"},
        {"{\"items\":3}", "items: expected a schema"},
        {"{\"dependencies\":{\"a\":[1]}}", "dependencies: expected a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json_schema *schema = NULL;
        struct error e = {0};
        enum status s = json_schema_create(slice_text(cases[i].schema),
                                           &(struct json_schema_options){0}, &schema, &e);
        cr_expect_eq(s, STATUS_INVALID, "%s", cases[i].schema);
        cr_expect(strstr(e.text, cases[i].words) != NULL, "%s: %s", cases[i].schema, e.text);
        cr_expect_null(schema);
    }
}

static void gives_up(const char *what, struct slice schema_text, struct slice instance)
{
    struct json_schema *schema = NULL;
    struct arena scratch = {0};
    struct json_schema_failure f = {0};
    struct error e = {0};
    cr_assert_eq(json_schema_create(schema_text, &(struct json_schema_options){0}, &schema, &e),
                 STATUS_OK, "%s: %s", what, e.text);
    cr_expect_eq(json_schema_validate(schema, instance, &scratch, &f), SCHEMA_GAVE_UP, "%s: %s",
                 what, f.words);
    cr_expect(f.words[0] != 0);
    cr_expect(scratch.bytes < 64u << 20, "%s took %zu bytes", what, scratch.bytes);
    arena_deinit(&scratch);
    json_schema_destroy(schema);
}

/* References that lead nowhere, expressions that backtrack, combinations that multiply: no verdict, soon. */
Test(schema_check, hostile_schemas_are_given_up)
{
    struct buffer b = {0};
    gives_up("a reference to itself", slice_text("{\"$ref\":\"#\"}"), slice_text("1"));
    gives_up(
        "two that refer to each other",
        slice_text("{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"$ref\":\"#\"}}}"),
        slice_text("1"));
    gives_up("a pattern that backtracks", slice_text("{\"pattern\":\"^(a+)+$\"}"),
             slice_text("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\""));
    buffer_add_text(&b, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 40; i++)
        buffer_printf(
            &b, "\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},", i,
            i + 1, i + 1);
    buffer_add_text(&b, "\"d40\":{}}}");
    gives_up("doubling forty times", buffer_slice(&b), slice_text("1"));
    buffer_reset(&b);
    buffer_add_byte(&b, '[');
    for (uint32_t i = 0; i < SCHEMA_INSTANCE_NODES_MAX; i++)
        buffer_add_text(&b, i == 0 ? "1" : ",1");
    buffer_add_byte(&b, ']');
    gives_up("more values than an instance may have", slice_text("{}"), buffer_slice(&b));
    buffer_deinit(&b);
}

static enum status created(struct buffer *b)
{
    struct json_schema *schema = NULL;
    enum status s =
        json_schema_create(buffer_slice(b), &(struct json_schema_options){0}, &schema, NULL);
    json_schema_destroy(schema);
    return s;
}

static void subschemas(struct buffer *b, uint32_t count, const char *each)
{
    buffer_reset(b);
    buffer_add_text(b, "{\"allOf\":[");
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(b, "%s%s", i > 0 ? "," : "", each);
    buffer_add_text(b, "]}");
}

Test(schema_check, limits_hold_on_both_sides)
{
    struct buffer b = {0};
    subschemas(&b, SCHEMA_NODES_MAX - 1, "{}"); /* and the top */
    cr_expect_eq(created(&b), STATUS_OK);
    subschemas(&b, SCHEMA_NODES_MAX, "{}");
    cr_expect_eq(created(&b), STATUS_LIMIT);
    subschemas(&b, SCHEMA_PATTERNS_MAX, "{\"pattern\":\"a\"}");
    cr_expect_eq(created(&b), STATUS_OK);
    subschemas(&b, SCHEMA_PATTERNS_MAX + 1, "{\"pattern\":\"a\"}");
    cr_expect_eq(created(&b), STATUS_LIMIT);
    buffer_reset(&b);
    buffer_add_text(&b, "{}");
    while (b.size < SCHEMA_BYTES_MAX)
        buffer_add_byte(&b, ' ');
    cr_expect_eq(created(&b), STATUS_OK);
    buffer_add_byte(&b, ' ');
    cr_expect_eq(created(&b), STATUS_LIMIT);
    /* JSON itself is bounded in depth. */
    buffer_reset(&b);
    for (int i = 0; i < JSON_DEPTH_MAX + 1; i++)
        buffer_add_text(&b, "{\"not\":");
    cr_expect_eq(created(&b), STATUS_INVALID);
    buffer_deinit(&b);
}

/* A list that refers to its own type is no endless loop: the instance ends. */
Test(schema_check, recursive_types_work)
{
    static const char tree[] =
        "{\"$defs\":{\"node\":{\"type\":\"object\",\"required\":[\"v\"],\"properties\":{\"v\":{\"type\":\"integer\"},"
        "\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/node\"}}}}},\"$ref\":\"#/$defs/node\"}";
    struct json_schema_failure f = {0};
    cr_expect_eq(verdict_of(tree, "{\"v\":1,\"kids\":[{\"v\":2,\"kids\":[{\"v\":3}]}]}", &f),
                 SCHEMA_FITS);
    cr_expect_eq(verdict_of(tree, "{\"v\":1,\"kids\":[{\"v\":2,\"kids\":[{\"v\":\"3\"}]}]}", &f),
                 SCHEMA_FAILS);
    cr_expect_str_eq(f.path, "$.kids[0].kids[0].v");
}

Test(schema_check, every_cut_and_every_flip_of_a_schema_is_harmless)
{
    size_t size = strlen(ORDER);
    static const char instance[] =
        "{\"order_id\":1,\"items\":[{\"sku\":\"AB-1\",\"count\":3}],\"note\":null,\"speed\":\"fast\"}";
    for (size_t i = 0; i < size * 9; i++) {
        struct json_schema *schema = NULL;
        struct arena scratch = {0};
        struct json_schema_failure f;
        size_t kept = i < size ? i : size;
        uint8_t *copy = mem_alloc(kept);
        memcpy(copy, ORDER, kept);
        if (i >= size)
            copy[(i - size) / 8] ^= (uint8_t)(1u << (i - size) % 8);
        if (json_schema_create(slice_of(copy, kept), &(struct json_schema_options){0}, &schema,
                               NULL) == STATUS_OK)
            (void)json_schema_validate(schema, slice_text(instance), &scratch, &f);
        else
            cr_assert_null(schema);
        json_schema_destroy(schema);
        arena_deinit(&scratch);
        mem_free(copy);
    }
}
