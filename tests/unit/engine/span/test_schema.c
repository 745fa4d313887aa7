/*
 * test_schema.c - fixed columns by id and name, score columns.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/limits.h"
#include "engine/span/schema.h"

Test(schema, every_fixed_column_is_found_by_id_and_by_name)
{
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        enum table table = (enum table)t;
        uint32_t count = 0;
        const struct column *columns = table_columns(table, &count);
        cr_assert(ge(u32, count, 8));
        for (uint32_t i = 0; i < count; i++) {
            const struct column *c = &columns[i];
            cr_assert(eq(ptr, (void *)table_column(table, c->id), (void *)c), "%s", c->name);
            struct slice name = slice_text(c->name);
            cr_assert(eq(ptr, (void *)table_column_by_name(table, name), (void *)c));
            cr_assert(gt(i64, c->divisor, 0));
            cr_assert(lt(u16, c->id, COLUMN_DYNAMIC));
        }
        enum table back = TABLE_COUNT;
        cr_assert(table_from_name(slice_text(table_name(table)), &back));
        cr_assert(eq(int, back, table));
    }
    enum table none = TABLE_TAGS;
    cr_assert(not(table_from_name(slice_text("span"), &none)));
}

Test(schema, columns_say_what_column_def_says)
{
    const struct column *c = table_column(TABLE_SPANS, SPANS_cost_usd);
    cr_assert_str_eq(c->name, "cost_usd");
    cr_assert(eq(int, c->storage, STORAGE_I64));
    cr_assert(eq(int, c->sql, SQL_FLOAT));
    cr_assert(eq(i64, c->divisor, 1000000000));
    cr_assert_str_eq(table_column(TABLE_TAGS, TAGS_by)->name, "by");
    cr_assert_str_eq(table_column(TABLE_SCORES, SCORES_value)->name, "value");
}

Test(schema, ids_and_names_of_no_column_give_null)
{
    for (uint32_t id = 0; id <= UINT16_MAX; id++) {
        const struct column *c = table_column(TABLE_TAGS, (uint16_t)id);
        cr_assert(c == NULL || c->id == id);
        cr_assert(c != NULL || id != TAGS_note);
    }
    cr_assert(eq(ptr, (void *)table_column(TABLE_SPANS, 0), NULL));
    cr_assert(eq(ptr, (void *)table_column(TABLE_SPANS, 9), NULL));
    cr_assert(eq(ptr, (void *)table_column(TABLE_SPANS, 127), NULL));
    cr_assert(eq(ptr, (void *)table_column(TABLE_SPANS, 128), NULL));
    cr_assert(eq(ptr, (void *)table_column_by_name(TABLE_SPANS, slice_text("Time")), NULL));
    cr_assert(eq(ptr, (void *)table_column_by_name(TABLE_SPANS, SLICE_EMPTY), NULL));
}

Test(schema, score_columns_are_added_once_and_stay)
{
    struct schema s;
    schema_init(&s);
    const struct column *a = NULL;
    const struct column *b = NULL;
    const struct column *again = NULL;
    cr_assert(eq(int, schema_add_score(&s, slice_text("score.a"), &a, NULL), STATUS_OK));
    cr_assert(eq(int, schema_add_score(&s, slice_text("score.B-2_x.y"), &b, NULL), STATUS_OK));
    cr_assert(eq(u16, a->id, COLUMN_DYNAMIC));
    cr_assert(eq(u16, b->id, COLUMN_DYNAMIC + 1));
    cr_assert(eq(int, b->storage, STORAGE_F64));
    cr_assert_str_eq(b->name, "score.B-2_x.y");
    for (int i = 0; i < 500; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "score.s%d", i);
        cr_assert(eq(int, schema_add_score(&s, slice_text(name), &again, NULL), STATUS_OK));
    }
    cr_assert(eq(int, schema_add_score(&s, slice_text("score.a"), &again, NULL), STATUS_OK));
    cr_assert(eq(ptr, (void *)again, (void *)a));
    cr_assert(eq(u32, schema_score_count(&s), 502));
    cr_assert(eq(ptr, (void *)schema_column(&s, TABLE_SPANS, COLUMN_DYNAMIC + 1), (void *)b));
    cr_assert(eq(ptr, (void *)schema_find(&s, TABLE_SPANS, slice_text("score.a")), (void *)a));
    cr_assert(eq(ptr, (void *)schema_column(&s, TABLE_SPANS, COLUMN_DYNAMIC + 502), NULL));
    cr_assert(eq(ptr, (void *)schema_column(&s, TABLE_SCORES, COLUMN_DYNAMIC), NULL));
    cr_assert(eq(ptr, (void *)schema_find(&s, TABLE_SPANS, slice_text("score.none")), NULL));
    cr_assert(eq(ptr, (void *)schema_find(&s, TABLE_TAGS, slice_text("score.a")), NULL));
    cr_assert(ne(ptr, (void *)schema_find(&s, TABLE_SPANS, slice_text("model")), NULL));
    cr_assert(ne(ptr, (void *)schema_column(NULL, TABLE_SPANS, SPANS_model), NULL));
    cr_assert(eq(ptr, (void *)schema_column(NULL, TABLE_SPANS, COLUMN_DYNAMIC), NULL));
    schema_deinit(&s);
}

Test(schema, score_names_are_checked)
{
    static const char *const bad[] = {"score.",  "score",     "scores.a",       "a",
                                      "",        "score.a b", "score.\xc3\xa9", "score.a/b",
                                      "Score.a", "score.a\n"};
    struct schema s;
    schema_init(&s);
    const struct column *column = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error e = {0};
        enum status status = schema_add_score(&s, slice_text(bad[i]), &column, &e);
        cr_assert(eq(int, status, STATUS_INVALID), "%s", bad[i]);
        cr_assert(ne(ptr, strstr(e.text, "score.NAME"), NULL));
    }
    char longest[6 + NAME_BYTES_MAX + 2] = "score.";
    memset(longest + 6, 'x', NAME_BYTES_MAX + 1);
    struct slice name = slice_of(longest, 6 + NAME_BYTES_MAX);
    cr_assert(eq(int, schema_add_score(&s, name, &column, NULL), STATUS_OK));
    name.size++;
    cr_assert(eq(int, schema_add_score(&s, name, &column, NULL), STATUS_INVALID));
    cr_assert(eq(u32, schema_score_count(&s), 1));
    schema_deinit(&s);
}

Test(schema, score_columns_are_limited)
{
    struct schema s;
    schema_init(&s);
    const struct column *column = NULL;
    char name[32];
    for (uint32_t i = 0; i < SCORE_COLUMNS_MAX; i++) {
        (void)snprintf(name, sizeof name, "score.%u", i);
        cr_assert(eq(int, schema_add_score(&s, slice_text(name), &column, NULL), STATUS_OK));
    }
    struct error e = {0};
    cr_assert(
        eq(int, schema_add_score(&s, slice_text("score.one-more"), &column, &e), STATUS_LIMIT));
    cr_assert(ne(ptr, strstr(e.text, "1024"), NULL));
    cr_assert(eq(int, schema_add_score(&s, slice_text("score.7"), &column, NULL), STATUS_OK));
    cr_assert(eq(u16, column->id, COLUMN_DYNAMIC + 7));
    schema_deinit(&s);
}
