/*
 * test_alert_template.c - holes in texts: for people, and as SQL literals.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "engine/base/clock.h"
#include "server/alert/alert_template.h"

static const struct query_column columns[] = {
    {"version", SQL_TEXT}, {"value", SQL_FLOAT},  {"count", SQL_INT},    {"none", SQL_TEXT},
    {"fresh", SQL_BOOL},   {"at", SQL_TIMESTAMP}, {"age", SQL_INTERVAL}, {"nan", SQL_FLOAT},
};
#define COLUMNS (uint32_t)(sizeof columns / sizeof *columns)

static char *fill(const char *text, enum template_kind kind, const char *version)
{
    const struct query_value row[COLUMNS] = {
        {.type = SQL_TEXT, .text = slice_text(version)},
        {.type = SQL_FLOAT, .f64 = -0.031415},
        {.type = SQL_INT, .i64 = -12},
        {.type = SQL_NULL},
        {.type = SQL_BOOL, .i64 = 1},
        {.type = SQL_TIMESTAMP, .i64 = 1764277200 * NS_PER_S},
        {.type = SQL_INTERVAL, .i64 = 90 * NS_PER_S},
        {.type = SQL_FLOAT, .f64 = NAN},
    };
    const struct template_word words[] = {{"rule", "drop"}, {"value", "hidden by the column"}};
    struct buffer out = {0};
    template_fill(slice_text(text), kind, columns, COLUMNS, row, words, 2, &out);
    buffer_add_byte(&out, 0);
    return (char *)out.data;
}

Test(alert_template, fills_holes_for_people)
{
    static const struct {
        const char *text;
        const char *filled;
    } cases[] = {
        {"nothing to fill", "nothing to fill"},
        {"{{version}}", "v2"},
        {"a {{ version }} b {{version}}!", "a v2 b v2!"},
        {"{{value}}", "-0.031415"},
        {"{{value:3}}", "-0.031"},
        {"{{ value : 0 }}", "-0"},
        {"{{count:2}}", "-12"},
        {"{{none}}", "null"},
        {"{{VERSION}}", "v2"},
        {"{{rule}}: {{version}}", "drop: v2"},
        {"single { and } stay", "single { and } stay"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *filled = fill(cases[i].text, TEMPLATE_PLAIN, "v2");
        cr_expect(strcmp(filled, cases[i].filled) == 0, "%s: %s", cases[i].text, filled);
        mem_free(filled);
    }
}

Test(alert_template, sql_values_stay_values)
{
    static const struct {
        const char *version;
        const char *text;
        const char *filled;
    } cases[] = {
        {"v2", "where v = {{version}}", "where v = 'v2'"},
        {"'; drop table spans; --", "where v = {{version}}",
         "where v = '''; drop table spans; --'"},
        {"it's {{value}}", "{{version}}", "'it''s {{value}}'"},
        {"\\", "{{version}} and 1", "'\\' and 1"},
        {"v", "{{count}}", "(-12)"},
        {"v", "{{none}}", "null"},
        {"v", "{{nan}}", "null"},
        {"v", "{{fresh}}", "true"},
        {"v", "{{at}}", "timestamp '2025-11-27T21:00:00Z'"},
        {"v", "{{age}}", "interval '1m30s'"},
        {"v", "{{rule}}", "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *filled = fill(cases[i].text, TEMPLATE_SQL, cases[i].version);
        cr_expect(strcmp(filled, cases[i].filled) == 0, "%s: %s", cases[i].text, filled);
        mem_free(filled);
    }
}

Test(alert_template, a_zero_byte_does_not_end_a_literal)
{
    const struct query_value v = {.type = SQL_TEXT, .text = slice_of("a\0'b", 4)};
    struct buffer out = {0};
    sql_literal(&v, &out);
    cr_expect(slice_is(buffer_slice(&out), "'a''b'"));
    buffer_deinit(&out);
}

Test(alert_template, errors_have_a_position)
{
    static const struct {
        const char *text;
        enum template_kind kind;
        int64_t position; /* -1: fine */
        const char *says;
    } cases[] = {
        {"{{version}} {{rule}}", TEMPLATE_PLAIN, -1, ""},
        {"ab {{version", TEMPLATE_PLAIN, 3, "without"},
        {"ab {{}}", TEMPLATE_PLAIN, 3, "names no column"},
        {"{{ }}", TEMPLATE_PLAIN, 0, "names no column"},
        {"{{value:x}}", TEMPLATE_PLAIN, 0, "number of digits"},
        {"{{value:12}}", TEMPLATE_PLAIN, 0, "number of digits"},
        {"{{version}} {{vresion}}", TEMPLATE_PLAIN, 12, "no column 'vresion'"},
        {"v = '{{version}}'", TEMPLATE_SQL, 5, "needs no quotes"},
        {"v = {{version}}", TEMPLATE_SQL, -1, ""},
    };
    const struct template_word words[] = {{"rule", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {.position = -1};
        enum status s = template_check(slice_text(cases[i].text), cases[i].kind, columns, COLUMNS,
                                       words, 1, &error);
        cr_expect((s == STATUS_OK) == (cases[i].position < 0), "%s", cases[i].text);
        cr_expect(error.position == cases[i].position, "%s: at %d", cases[i].text,
                  (int)error.position);
        cr_expect(s >= 0 || strstr(error.text, cases[i].says) != NULL, "%s: %s", cases[i].text,
                  error.text);
    }
}
