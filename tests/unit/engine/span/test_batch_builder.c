/*
 * test_batch_builder.c - rows to columns.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/limits.h"
#include "tests/unit/engine/span/batch_checks.h"

Test(builder, missing_cells_are_null_wherever_they_stand)
{
    struct schema schema;
    struct builder b;
    schema_init(&schema);
    builder_init(&b, TABLE_SPANS, &schema);
    builder_row(&b);
    builder_i64(&b, SPANS_time, 100);
    builder_str(&b, SPANS_model, slice_text("m1"));
    builder_row(&b);
    builder_i64(&b, SPANS_time, 200);
    builder_str(&b, SPANS_attributes, slice_text("{}"));
    builder_row(&b);
    builder_i64(&b, SPANS_time, 300);
    builder_f64(&b, SPANS_temperature, 0.5);
    builder_str(&b, SPANS_model, SLICE_EMPTY);
    struct batch batch = builder_batch(&b);
    batch_check(&batch);
    cr_assert(eq(u32, batch.rows, 3));
    cr_assert(eq(u32, batch.column_count, 4));

    const struct vector *time = batch_vector(&batch, SPANS_time);
    cr_assert(eq(ptr, (void *)time->valid, NULL));
    cr_assert(eq(i64, time->i64[2], 300));
    const struct vector *model = batch_vector(&batch, SPANS_model);
    cr_assert(slice_is(vector_bytes(model, 0), "m1"));
    cr_assert(not(vector_has(model, 1)));
    cr_assert(vector_has(model, 2), "an empty string is not NULL");
    const struct vector *attributes = batch_vector(&batch, SPANS_attributes);
    cr_assert(not(vector_has(attributes, 0)));
    cr_assert(slice_is(vector_bytes(attributes, 1), "{}"));
    cr_assert(not(vector_has(attributes, 2)));
    const struct vector *temperature = batch_vector(&batch, SPANS_temperature);
    cr_assert(not(vector_has(temperature, 1)));
    cr_assert(vector_has(temperature, 2));
    cr_assert(eq(ptr, (void *)batch_vector(&batch, SPANS_service), NULL));
    builder_deinit(&b);
    schema_deinit(&schema);
}

Test(builder, a_cell_set_twice_keeps_the_last_value)
{
    struct schema schema;
    struct builder b;
    schema_init(&schema);
    builder_init(&b, TABLE_SPANS, &schema);
    builder_row(&b);
    builder_id64(&b, SPANS_span_id, 1);
    builder_id64(&b, SPANS_span_id, 2);
    builder_str(&b, SPANS_service, slice_text("a"));
    builder_str(&b, SPANS_service, slice_text("b"));
    struct batch batch = builder_batch(&b);
    batch_check(&batch);
    cr_assert(eq(u64, batch_vector(&batch, SPANS_span_id)->id64[0], 2));
    cr_assert(slice_is(vector_bytes(batch_vector(&batch, SPANS_service), 0), "b"));
    builder_deinit(&b);
    builder_deinit(NULL);
    schema_deinit(&schema);
}

Test(builder, bytes_are_copied_and_reset_forgets_them)
{
    struct schema schema;
    struct builder b;
    const struct column *score = NULL;
    schema_init(&schema);
    cr_assert(eq(int, schema_add_score(&schema, slice_text("score.q"), &score, NULL), STATUS_OK));
    builder_init(&b, TABLE_SPANS, &schema);
    for (int round = 0; round < 3; round++) {
        for (uint32_t row = 0; row < 1000; row++) {
            char text[32];
            int size = snprintf(text, sizeof text, "%d/%u", round, row);
            builder_row(&b);
            builder_str(&b, SPANS_session, slice_of(text, (size_t)size));
            builder_str(&b, SPANS_tool_args, slice_of(text, (size_t)size));
            if (row % 7 == 0)
                builder_f64(&b, score->id, row);
            memset(text, '#', sizeof text);
        }
        struct batch batch = builder_batch(&b);
        batch_check(&batch);
        cr_assert(eq(u32, batch.column_count, 3));
        char expected[32];
        (void)snprintf(expected, sizeof expected, "%d/999", round);
        cr_assert(slice_is(vector_bytes(batch_vector(&batch, SPANS_session), 999), expected));
        cr_assert(slice_is(vector_bytes(batch_vector(&batch, SPANS_tool_args), 999), expected));
        cr_assert(not(vector_has(batch_vector(&batch, score->id), 999)));
        cr_assert(eq(dbl, batch_vector(&batch, score->id)->f64[994], 994));
        builder_reset(&b);
    }
    cr_assert(eq(u32, builder_batch(&b).column_count, 0));
    cr_assert(eq(u32, builder_batch(&b).rows, 0));
    builder_deinit(&b);
    schema_deinit(&schema);
}

Test(builder, takes_as_many_rows_as_a_batch_may_have)
{
    struct builder b;
    builder_init(&b, TABLE_TAGS, NULL);
    for (uint32_t row = 0; row < BATCH_ROWS_MAX; row++)
        builder_row(&b);
    builder_str(&b, TAGS_class, slice_text("timeout"));
    struct batch batch = builder_batch(&b);
    batch_check(&batch);
    cr_assert(eq(u32, batch.rows, BATCH_ROWS_MAX));
    const struct vector *class = batch_vector(&batch, TAGS_class);
    cr_assert(not(vector_has(class, BATCH_ROWS_MAX - 2)));
    cr_assert(vector_has(class, BATCH_ROWS_MAX - 1));
    builder_deinit(&b);
}
