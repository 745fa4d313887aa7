/*
 * test_batch_codec.c - batches to bytes and back.
 */
#include "tests/unit/engine/span/batch_fixture.h"

Test(batch_codec, every_storage_survives_the_way_there_and_back)
{
    static const uint32_t sizes[] = {1, 2, 7, 8, 9, 63, 64, 65, 255, 256, 257, 1000, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct fixture f;
        fixture_init(&f);
        fill(&f, sizes[i], i);
        for (size_t shift = 0; shift < 9; shift += 4) {
            struct batch back;
            struct error e = {0};
            enum status s = fixture_decode(&f, buffer_slice(&f.bytes), shift, &back, &e);
            cr_assert(eq(int, s, STATUS_OK), "%s", e.text);
            batch_check(&back);
            cr_assert(batch_equal(&f.batch, &back));
        }
        fixture_deinit(&f);
    }
}

Test(batch_codec, the_encoding_appends_and_is_aligned_to_its_own_start)
{
    struct fixture f;
    fixture_init(&f);
    fill(&f, 100, 1);
    struct buffer shifted = {0};
    buffer_add_text(&shifted, "abc");
    batch_encode(&f.batch, &shifted);
    struct slice tail = slice_of(shifted.data + 3, shifted.size - 3);
    cr_assert(slice_equal(tail, buffer_slice(&f.bytes)));
    struct batch back;
    cr_assert(eq(int, batch_decode(tail, &f.schema, &f.arena, &back, NULL), STATUS_OK));
    batch_check(&back);
    cr_assert(batch_equal(&f.batch, &back));
    buffer_deinit(&shifted);
    fixture_deinit(&f);
}

Test(batch_codec, an_empty_batch_is_eight_bytes)
{
    struct fixture f;
    fixture_init(&f);
    fixture_encode(&f);
    static const uint8_t expected[] = {1, 0, 0, 0, 0, 0, 0, 0};
    cr_assert(slice_equal(buffer_slice(&f.bytes), slice_of(expected, sizeof expected)));
    struct batch back;
    cr_assert(eq(int, fixture_decode(&f, buffer_slice(&f.bytes), 0, &back, NULL), STATUS_OK));
    cr_assert(eq(u32, back.column_count, 0));
    fixture_deinit(&f);
}

/* The example of FORMAT.md 3.4. */
Test(batch_codec, the_bytes_are_those_of_the_format)
{
    struct fixture f;
    fixture_init(&f);
    struct builder b;
    builder_init(&b, TABLE_TAGS, NULL);
    builder_row(&b);
    builder_i64(&b, TAGS_time, 1);
    builder_str(&b, TAGS_class, slice_text("timeout"));
    builder_str(&b, TAGS_note, slice_text("why"));
    builder_row(&b);
    builder_i64(&b, TAGS_time, 2);
    struct batch batch = builder_batch(&b);
    batch_encode(&batch, &f.bytes);
    static const uint8_t expected[] = {
        1,   2,   3,   0,   2,   0,   0,   0, /* version, table tags, 3 columns, 2 rows */
        1,   0,   0,   0,   16,  0,   0,   0,
        0,   0,   0,   0,   0,   0,   0,   0, /* time: I64, 16 bytes */
        1,   0,   0,   0,   0,   0,   0,   0,
        2,   0,   0,   0,   0,   0,   0,   0, /* 1, 2 */
        9,   0,   2,   0,   24,  0,   0,   0,
        1,   0,   0,   0,   1,   0,   0,   0, /* class: STR, 1 value, 1 byte codes */
        1,   0,   0,   0,   0,   0,   0,   0, /* codes 1, NULL */
        7,   0,   0,   0,   0,   0,   0,   0, /* length */
        't', 'i', 'm', 'e', 'o', 'u', 't', 0, /* bytes */
        12,  0,   3,   1,   24,  0,   0,   0,
        1,   0,   0,   0,   0,   0,   0,   0, /* note: TEXT, bitmap, 1 value */
        1,   0,   0,   0,   0,   0,   0,   0, /* bitmap: the first row */
        3,   0,   0,   0,   0,   0,   0,   0, /* length */
        'w', 'h', 'y', 0,   0,   0,   0,   0, /* bytes */
    };
    cr_assert(slice_equal(buffer_slice(&f.bytes), slice_of(expected, sizeof expected)));
    builder_deinit(&b);
    fixture_deinit(&f);
}

Test(batch_codec, columns_without_values_are_left_out)
{
    struct fixture f;
    fixture_init(&f);
    const struct column *model = table_column(TABLE_SPANS, SPANS_model);
    const struct column *cost = table_column(TABLE_SPANS, SPANS_cost_usd);
    const struct column *input = table_column(TABLE_SPANS, SPANS_input);
    struct batch_column columns[] = {
        {model, vector_null(STORAGE_STR, 10, &f.arena)},
        {cost, vector_null(STORAGE_I64, 10, &f.arena)},
        {input, vector_null(STORAGE_REFS, 10, &f.arena)},
    };
    struct batch batch = {.table = TABLE_SPANS, .rows = 10, .column_count = 3, .columns = columns};
    batch_encode(&batch, &f.bytes);
    cr_assert(eq(sz, f.bytes.size, 8));
    struct batch back;
    cr_assert(eq(int, fixture_decode(&f, buffer_slice(&f.bytes), 0, &back, NULL), STATUS_OK));
    cr_assert(eq(u32, back.rows, 10));
    fixture_deinit(&f);
}

Test(batch_codec, stray_payload_of_null_rows_is_not_written)
{
    struct fixture f;
    fixture_init(&f);
    static const uint8_t valid[] = {1, 0, 1};
    static const int64_t costs[] = {1, 99, 3};
    static const struct id128 traces[] = {{{1}}, {{99}}, {{3}}};
    const struct slice texts[] = {slice_text("a"), slice_text("stray"), SLICE_EMPTY};
    struct batch_column columns[] = {
        {table_column(TABLE_SPANS, SPANS_cost_usd),
         {.storage = STORAGE_I64, .rows = 3, .valid = valid, .i64 = costs}},
        {table_column(TABLE_SPANS, SPANS_trace_id),
         {.storage = STORAGE_ID128, .rows = 3, .valid = valid, .id128 = traces}},
        {table_column(TABLE_SPANS, SPANS_attributes),
         {.storage = STORAGE_TEXT, .rows = 3, .valid = valid, .bytes = texts}},
    };
    struct batch batch = {.table = TABLE_SPANS, .rows = 3, .column_count = 3, .columns = columns};
    batch_encode(&batch, &f.bytes);
    struct batch back;
    cr_assert(eq(int, fixture_decode(&f, buffer_slice(&f.bytes), 0, &back, NULL), STATUS_OK));
    batch_check(&back);
    cr_assert(eq(i64, batch_vector(&back, SPANS_cost_usd)->i64[2], 3));
    cr_assert(eq(sz, batch_vector(&back, SPANS_attributes)->bytes[1].size, 0));
    fixture_deinit(&f);
}

/* Codes from a connection's dictionary of a hundred thousand strings and from one just as large as
 * the batch needs: hashed and direct remapping. Every other case has NULLs. */
Test(batch_codec, only_values_in_use_are_written)
{
    enum {
        DICT = 100000,
        ROWS = 3000
    };
    static uint32_t numbers[DICT];
    static struct slice values[DICT];
    static uint32_t codes[ROWS];
    static const uint32_t distinct[] = {1, 2, 31, 32, 33, 255, 256, 2999, 3000};
    for (uint32_t i = 0; i < DICT; i++) {
        numbers[i] = i;
        values[i] = i == 0 ? SLICE_EMPTY : slice_of(&numbers[i], sizeof numbers[i]);
    }
    struct fixture f;
    fixture_init(&f);
    for (size_t k = 0; k < 2 * (sizeof distinct / sizeof distinct[0]); k++) {
        uint32_t count = distinct[k / 2];
        struct dict dict = {.values = values, .count = k % 2 == 0 ? DICT : count + 1};
        for (uint32_t row = 0; row < ROWS; row++)
            codes[row] = row % 10 == 9 && k % 4 < 2 ? 0 : dict.count - 1 - row % count;
        struct batch_column column = {
            table_column(TABLE_SPANS, SPANS_session),
            {.storage = STORAGE_STR, .rows = ROWS, .dict = &dict, .codes = codes}};
        struct batch batch = {
            .table = TABLE_SPANS, .rows = ROWS, .column_count = 1, .columns = &column};
        buffer_reset(&f.bytes);
        batch_encode(&batch, &f.bytes);
        struct batch back;
        cr_assert(eq(int, fixture_decode(&f, buffer_slice(&f.bytes), 0, &back, NULL), STATUS_OK));
        batch_check(&back);
        cr_assert(le(u32, batch_vector(&back, SPANS_session)->dict->count, count + 1));
        cr_assert(batch_equal(&batch, &back));
    }
    fixture_deinit(&f);
}

Test(batch_codec, codes_of_every_width)
{
    static const uint32_t distinct[] = {255, 256, 65535, 65536};
    static const uint8_t widths[] = {1, 2, 2, 4};
    for (size_t k = 0; k < 4; k++) {
        struct fixture f;
        fixture_init(&f);
        for (uint32_t row = 0; row < distinct[k]; row++) {
            builder_row(&f.builder);
            builder_str(&f.builder, SPANS_session, slice_of(&row, sizeof row));
        }
        fixture_encode(&f);
        cr_assert(eq(u8, f.bytes.data[8 + 12], widths[k]));
        struct batch back;
        cr_assert(eq(int, fixture_decode(&f, buffer_slice(&f.bytes), 0, &back, NULL), STATUS_OK));
        batch_check(&back);
        cr_assert(batch_equal(&f.batch, &back));
        fixture_deinit(&f);
    }
}

/* Ten numbers, two ids and ten strings of low cardinality. */
Test(batch_codec, a_full_span_takes_about_120_bytes)
{
    struct fixture f;
    fixture_init(&f);
    struct builder *b = &f.builder;
    for (uint32_t row = 0; row < 512; row++) {
        builder_row(b);
        builder_i64(b, SPANS_time, row);
        builder_i64(b, SPANS_cost_usd, row);
        builder_i64(b, SPANS_http_status, 200);
        builder_id128(b, SPANS_trace_id, (struct id128){{1}});
        builder_id64(b, SPANS_span_id, row);
        uint8_t letter = (uint8_t)('a' + row % 7);
        for (uint16_t id = SPANS_service; id <= SPANS_prompt_version; id++)
            builder_str(b, id, slice_of(&letter, 1));
        for (uint16_t id = SPANS_latency_ms; id <= SPANS_tokens_reasoning; id++)
            builder_i64(b, id, row);
    }
    fixture_encode(&f);
    cr_assert(lt(sz, f.bytes.size / 512, 120), "%zu bytes a span", f.bytes.size / 512);
    fixture_deinit(&f);
}
