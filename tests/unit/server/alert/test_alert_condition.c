/*
 * test_alert_condition.c - conditions: what they say of a row, and where they are wrong.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "engine/base/clock.h"
#include "server/alert/alert_condition.h"
#include "server/alert/alert_limits.h"

static const struct query_column columns[] = {
    {"value", SQL_FLOAT}, {"samples", SQL_INT},        {"model", SQL_TEXT},
    {"gone", SQL_FLOAT},  {"silence", SQL_INTERVAL},   {"seen", SQL_TIMESTAMP},
    {"is_new", SQL_BOOL}, {"score.ground", SQL_FLOAT}, {"odd name", SQL_INT},
    {"big", SQL_INT},     {"weird", SQL_FLOAT},
};
#define COLUMNS (uint32_t)(sizeof columns / sizeof *columns)

static void make_row(struct query_value row[COLUMNS])
{
    int64_t seen;
    cr_assert(time_from_text(slice_text("2026-11-01T14:05:00Z"), &seen));
    const struct query_value values[COLUMNS] = {
        {.type = SQL_FLOAT, .f64 = -0.03},
        {.type = SQL_INT, .i64 = 120},
        {.type = SQL_TEXT, .text = slice_text("gpt-4o")},
        {.type = SQL_NULL},
        {.type = SQL_INTERVAL, .i64 = 400 * NS_PER_S},
        {.type = SQL_TIMESTAMP, .i64 = seen},
        {.type = SQL_BOOL, .i64 = 1},
        {.type = SQL_FLOAT, .f64 = 0.75},
        {.type = SQL_INT, .i64 = 7},
        {.type = SQL_INT, .i64 = 9007199254740993},
        {.type = SQL_FLOAT, .f64 = NAN},
    };
    memcpy(row, values, sizeof values);
}

static enum truth truth_of(const char *text)
{
    struct arena arena = {0};
    struct alert_condition *c = NULL;
    struct error error = {.position = -1};
    uint32_t bound[ALERT_CONDITION_NODES];
    uint32_t missing;
    struct query_value row[COLUMNS];
    make_row(row);
    cr_assert(alert_condition_parse(slice_text(text), &arena, &c, &error) == STATUS_OK,
              "%s: %s at %d", text, error.text, (int)error.position);
    cr_assert(alert_condition_bind(c, columns, COLUMNS, bound, &missing), "%s", text);
    enum truth truth = alert_condition_evaluate(c, bound, row);
    arena_deinit(&arena);
    return truth;
}

Test(alert_condition, says_what_sql_would)
{
    static const struct {
        const char *text;
        enum truth truth;
    } cases[] = {
        {"value < -0.02", TRUTH_TRUE},
        {"value < -.02", TRUTH_TRUE},
        {"value<-0.03", TRUTH_FALSE},
        {"value <= -0.03", TRUTH_TRUE},
        {"-0.02 > value", TRUTH_TRUE},
        {"VALUE < 0", TRUTH_TRUE},
        {"samples = 120", TRUTH_TRUE},
        {"samples == 120.0", TRUTH_TRUE},
        {"samples != 120", TRUTH_FALSE},
        {"samples <> 1.2e2", TRUTH_FALSE},
        {"samples > 119 and value < 0", TRUTH_TRUE},
        {"samples > 120 and value < 0", TRUTH_FALSE},
        {"samples > 120 or value < 0", TRUTH_TRUE},
        /* and binds tighter than or */
        {"value < 0 or value > 1 and samples > 1000", TRUTH_TRUE},
        {"(value < 0 or value > 1) and samples > 1000", TRUTH_FALSE},
        {"not value < 0", TRUTH_FALSE},
        {"not not (value < 0)", TRUTH_TRUE},
        {"value between -0.03 and 0", TRUTH_TRUE},
        {"value between 0 and 1", TRUTH_FALSE},
        {"value not between 0 and 1", TRUTH_TRUE},
        {"value between -1 and 0 and samples >= 120", TRUTH_TRUE},
        {"model = 'gpt-4o'", TRUTH_TRUE},
        {"model = 'GPT-4o'", TRUTH_FALSE},
        {"model >= 'gpt'", TRUTH_TRUE},
        {"model != 'it''s'", TRUTH_TRUE},
        {"is_new = true", TRUTH_TRUE},
        {"is_new = 1", TRUTH_TRUE},
        {"is_new = false", TRUTH_FALSE},
        {"score.ground < 0.80", TRUTH_TRUE},
        {"\"odd name\" = 7", TRUTH_TRUE},
        {"silence > '5m'", TRUTH_TRUE},
        {"silence > '7 minutes'", TRUTH_FALSE},
        {"'5m' < silence", TRUTH_TRUE},
        {"seen > '2026-11-01T14:00:00Z'", TRUTH_TRUE},
        {"seen between '2026-10-01' and '2026-11-01'", TRUTH_FALSE},
        {"big = 9007199254740993", TRUTH_TRUE},
        {"big = 9007199254740992", TRUTH_FALSE},
        {"1 < 2", TRUTH_TRUE},
        /* NULL is unknown */
        {"gone < 1", TRUTH_UNKNOWN},
        {"not gone < 1", TRUTH_UNKNOWN},
        {"gone < 1 and value > 0", TRUTH_FALSE},
        {"gone < 1 and value < 0", TRUTH_UNKNOWN},
        {"gone < 1 or value < 0", TRUTH_TRUE},
        {"gone < 1 or value > 0", TRUTH_UNKNOWN},
        {"gone is null", TRUTH_TRUE},
        {"gone is not null", TRUTH_FALSE},
        {"value is null", TRUTH_FALSE},
        {"gone between 0 and 1", TRUTH_UNKNOWN},
        /* so is what can't be compared */
        {"model > 5", TRUTH_UNKNOWN},
        {"silence > 'often'", TRUTH_UNKNOWN},
        {"weird < 1", TRUTH_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect(truth_of(cases[i].text) == cases[i].truth, "%s", cases[i].text);
    }
}

Test(alert_condition, errors_have_a_position)
{
    static const struct {
        const char *text;
        int64_t position;
        const char *says;
    } cases[] = {
        {"", 0, "it ends here"},
        {"value", 5, "it ends here"},
        {"value <", 7, "it ends here"},
        {"value < and", 8, "not 'and'"},
        {"value < 1 samples > 2", 10, "not 'samples'"},
        {"value = = 1", 8, "not '='"},
        {"value ~ 1", 6, "not '~'"},
        {"(value < 1", 10, "it ends here"},
        {"value < 1)", 9, "not ')'"},
        {"value < 1 and", 13, "it ends here"},
        {"value between 1 or 2", 16, "\"and\" of between"},
        {"value not 1", 10, "\"between\""},
        {"value is 1", 9, "\"null\""},
        {"model = 'open", 8, "never closed"},
        {"value < - model", 10, "a number after the sign"},
        {"value < 1.2.3", 8, "a number"},
        {"value < 1e999", 8, "a number"},
        {"or value < 1", 0, "not 'or'"},
        {"null = value", 0, "not 'null'"},
        {"-", 1, "a number after the sign"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = {0};
        struct alert_condition *c = NULL;
        struct error error = {.position = -1};
        cr_expect(alert_condition_parse(slice_text(cases[i].text), &arena, &c, &error) ==
                      STATUS_INVALID,
                  "%s", cases[i].text);
        cr_expect(error.position == cases[i].position, "%s: at %d", cases[i].text,
                  (int)error.position);
        cr_expect(strstr(error.text, cases[i].says) != NULL, "%s: %s", cases[i].text, error.text);
        arena_deinit(&arena);
    }
}

Test(alert_condition, sizes_are_bounded)
{
    struct arena arena = {0};
    struct alert_condition *c = NULL;
    struct error error = {0};
    struct buffer text = {0};
    for (unsigned depth = ALERT_CONDITION_DEPTH; depth <= ALERT_CONDITION_DEPTH + 1; depth++) {
        buffer_reset(&text);
        for (unsigned i = 0; i < depth; i++)
            buffer_add_byte(&text, '(');
        buffer_add_text(&text, "a<1");
        for (unsigned i = 0; i < depth; i++)
            buffer_add_byte(&text, ')');
        enum status s = alert_condition_parse(buffer_slice(&text), &arena, &c, &error);
        cr_expect(s == (depth <= ALERT_CONDITION_DEPTH ? STATUS_OK : STATUS_LIMIT));
    }
    buffer_reset(&text);
    for (unsigned i = 0; i < 100; i++)
        buffer_printf(&text, "%sa%u<1", i == 0 ? "(" : i % 20 == 0 ? ") and (" : " or ", i);
    buffer_add_text(&text, ")");
    cr_expect(alert_condition_parse(buffer_slice(&text), &arena, &c, &error) == STATUS_LIMIT);
    cr_expect(strstr(error.text, "at most 256 parts") != NULL, "%s", error.text);
    buffer_reset(&text);
    for (unsigned i = 0; i <= ALERT_TEMPLATE_BYTES_MAX; i++)
        buffer_add_byte(&text, ' ');
    cr_expect(alert_condition_parse(buffer_slice(&text), &arena, &c, &error) == STATUS_LIMIT);
    buffer_deinit(&text);
    arena_deinit(&arena);
}

Test(alert_condition, is_checked_against_the_columns)
{
    static const struct {
        const char *text;
        int64_t position; /* -1: fine */
        const char *says;
    } cases[] = {
        {"value < 1 and model = 'x'", -1, ""},
        {"silence > '5m'", -1, ""},
        {"value < 1 and valeu > 2", 14, "no column 'valeu'; it has value, samples"},
        {"model > 5", 6, "a text with a number"},
        {"silence > 5", 8, "durations are written like '5m'"},
        {"silence > 'often'", 8, "an interval with a text"},
        {"seen > 5", 5, "times are written like"},
        {"value = 'a'", 6, "a number with a text"},
        {"is_new = 1", -1, ""},
        {"seen between '2026-01-01' and 5", 5, "a timestamp with a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = {0};
        struct alert_condition *c = NULL;
        struct error error = {.position = -1};
        cr_assert(alert_condition_parse(slice_text(cases[i].text), &arena, &c, &error) ==
                  STATUS_OK);
        enum status s = alert_condition_check(c, columns, COLUMNS, &error);
        cr_expect((s == STATUS_OK) == (cases[i].position < 0), "%s: %s", cases[i].text, error.text);
        cr_expect(error.position == cases[i].position, "%s: at %d", cases[i].text,
                  (int)error.position);
        cr_expect(s >= 0 || strstr(error.text, cases[i].says) != NULL, "%s: %s", cases[i].text,
                  error.text);
        arena_deinit(&arena);
    }
}

Test(alert_condition, every_truncation_is_handled)
{
    static const char text[] =
        "not (value between -1.5e3 and 'x''y') or \"odd name\" is not null and model != 'z'";
    for (size_t size = 0; size < sizeof text; size++) {
        struct arena arena = {0};
        struct alert_condition *c = NULL;
        struct error error = {.position = -1};
        /* A copy of its own size, so that reading past the end is seen. */
        uint8_t *copy = mem_alloc(size + 1);
        memcpy(copy, text, size);
        enum status s = alert_condition_parse(slice_of(copy, size), &arena, &c, &error);
        if (s < 0)
            cr_expect(error.position >= 0 && (size_t)error.position <= size);
        mem_free(copy);
        arena_deinit(&arena);
    }
}
