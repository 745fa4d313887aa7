/*
 * test_rows.c - answers of the server as cells; the server is not trusted more than others.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tools/rows.h"

static const char answer[] =
    "{\"columns\":[{\"name\":\"a\",\"type\":\"int\"},{\"type\":\"text\",\"name\":\"b\"}],"
    "\"rows\":[\n[1,\"x\\n\"],\n[null,\"\"],\n[1.50,[1, 2]]],\"stats\":{\"rows\":3},\"partial\":false}\n";

Test(rows, reads_cells)
{
    struct rows r = {0};
    struct buffer b = {0};
    cr_assert(eq(int, rows_parse(slice_text(answer), &r, NULL), STATUS_OK));
    cr_assert(eq(u64, r.row_count, 3));
    cr_assert(eq(u32, rows_column(&r, "b"), 1));
    cr_assert(eq(u32, rows_column(&r, "c"), UINT32_MAX));
    cr_assert(slice_is(rows_cell(&r, 0, 0), "1"));
    cr_assert(slice_is(rows_cell(&r, 0, 1), "x\n"));
    cr_assert(not(rows_has(&r, 1, 0)));
    cr_assert(rows_has(&r, 1, 1));
    cr_assert(not(rows_has(&r, 3, 0)));
    cr_assert(not(rows_has(&r, 0, UINT32_MAX)));
    rows_json(&r, 0, 1, &b);
    rows_json(&r, 1, 0, &b);
    rows_json(&r, 2, 0, &b);
    rows_json(&r, 2, 1, &b);
    cr_assert(slice_is(buffer_slice(&b), "\"x\\n\"null1.50[1, 2]"));
    buffer_deinit(&b);
    rows_deinit(&r);
}

Test(rows, refuses_answers_that_are_none)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{\"rows\":[[1]]}",
        "{\"columns\":{},\"rows\":[]}",
        "{\"columns\":[{\"name\":\"a\"}],\"rows\":[[1,2]]}",
        "{\"columns\":[{\"name\":\"a\"}],\"rows\":[[]]}",
        "{\"columns\":[{\"name\":\"a\"}],\"rows\":[1]}",
        "{\"columns\":[1],\"rows\":[]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rows r = {0};
        cr_assert(rows_parse(slice_text(texts[i]), &r, NULL) < 0, "%s", texts[i]);
    }
}

Test(rows, survives_every_truncation_and_bit_flip)
{
    uint8_t copy[sizeof answer];
    for (size_t size = 0; size < sizeof answer - 2; size++) {
        struct rows r = {0};
        cr_assert(rows_parse(slice_of(answer, size), &r, NULL) < 0, "%zu bytes", size);
    }
    for (size_t bit = 0; bit < 8 * (sizeof answer - 1); bit++) {
        struct rows r = {0};
        memcpy(copy, answer, sizeof answer);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (rows_parse(slice_of(copy, sizeof answer - 1), &r, NULL) == STATUS_OK)
            rows_deinit(&r);
    }
}

Test(rows, quotes_for_sql)
{
    struct buffer b = {0};
    sql_quote(&b, slice_text("it's ''"));
    cr_assert(slice_is(buffer_slice(&b), "'it''s '''''"));
    buffer_deinit(&b);
}
