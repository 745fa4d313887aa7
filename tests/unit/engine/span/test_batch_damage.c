/*
 * test_batch_damage.c - encoded batches that are cut, flipped, forged or too large.
 */
#include "engine/span/batch_format.h"
#include "tests/unit/engine/span/batch_fixture.h"

Test(batch_damage, every_truncation_is_damage)
{
    struct fixture f;
    fixture_init(&f);
    fill(&f, 21, 3);
    for (size_t size = 0; size < f.bytes.size; size++) {
        struct batch back;
        struct error e = {0};
        struct slice cut = slice_of(f.bytes.data, size);
        uint8_t *copy = mem_alloc(size);
        bytes_copy(copy, cut.data, size);
        enum status s = batch_decode(slice_of(copy, size), &f.schema, &f.arena, &back, &e);
        cr_assert(eq(int, s, STATUS_CORRUPT), "%zu bytes: %d", size, (int)s);
        cr_assert(ge(i64, e.position, 0));
        mem_free(copy);
        arena_reset(&f.arena);
    }
    fixture_deinit(&f);
}

/* Every bit flip is refused or gives a batch that keeps all promises and can be written again. */
Test(batch_damage, every_bit_flip_is_an_error_or_a_sound_batch)
{
    struct fixture f;
    fixture_init(&f);
    fill(&f, 21, 4);
    uint8_t *copy = mem_alloc(f.bytes.size);
    uint32_t refused = 0;
    uint32_t taken = 0;
    for (size_t bit = 0; bit < 8 * f.bytes.size; bit++) {
        struct batch back;
        struct error e = {0};
        memcpy(copy, f.bytes.data, f.bytes.size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct slice flipped = slice_of(copy, f.bytes.size);
        if (batch_decode(flipped, &f.schema, &f.arena, &back, &e) < 0) {
            refused++;
            cr_assert(ne(sz, strlen(e.text), 0));
        } else {
            struct buffer again = {0};
            struct batch twice;
            taken++;
            batch_check(&back);
            batch_encode(&back, &again);
            cr_assert(eq(int, batch_decode(buffer_slice(&again), &f.schema, &f.arena, &twice, NULL),
                         STATUS_OK));
            cr_assert(batch_equal(&back, &twice));
            buffer_deinit(&again);
        }
        arena_reset(&f.arena);
    }
    cr_assert(gt(u32, refused, 500));
    cr_assert(gt(u32, taken, 500));
    mem_free(copy);
    fixture_deinit(&f);
}

/* A batch of one column, written by hand. */
static void raw_batch(struct buffer *b, uint8_t table, uint32_t rows, struct column_header header,
                      const void *body, size_t body_size)
{
    buffer_reset(b);
    put_u8(b, BATCH_VERSION);
    put_u8(b, table);
    put_u16(b, 1);
    put_u32(b, rows);
    header.body_bytes = (uint32_t)body_size;
    buffer_add(b, &header, sizeof header);
    buffer_add(b, body, body_size);
}

static void expect_error(struct fixture *f, enum status status, const char *part)
{
    struct batch back;
    struct error e = {0};
    enum status s = fixture_decode(f, buffer_slice(&f->bytes), 0, &back, &e);
    cr_assert(eq(int, s, status), "%s", e.text);
    cr_assert(ne(ptr, strstr(e.text, part), NULL), "\"%s\" isn't in: %s", part, e.text);
}

Test(batch_damage, too_many_rows_are_a_limit)
{
    struct fixture f;
    fixture_init(&f);
    put_u64(&f.bytes, BATCH_VERSION | (uint64_t)BATCH_ROWS_MAX << 32);
    struct batch back;
    cr_assert(eq(int, fixture_decode(&f, buffer_slice(&f.bytes), 0, &back, NULL), STATUS_OK));
    cr_assert(eq(u32, back.rows, BATCH_ROWS_MAX));
    buffer_reset(&f.bytes);
    put_u64(&f.bytes, BATCH_VERSION | ((uint64_t)BATCH_ROWS_MAX + 1) << 32);
    expect_error(&f, STATUS_LIMIT, "65537 rows");
    fixture_deinit(&f);
}

Test(batch_damage, headers_are_checked)
{
    struct fixture f;
    fixture_init(&f);
    put_u64(&f.bytes, 2);
    expect_error(&f, STATUS_CORRUPT, "version 2");
    buffer_reset(&f.bytes);
    put_u64(&f.bytes, BATCH_VERSION | 3 << 8);
    expect_error(&f, STATUS_CORRUPT, "no table 3");
    buffer_reset(&f.bytes);
    put_u64(&f.bytes, BATCH_VERSION | 0xffffu << 16);
    expect_error(&f, STATUS_CORRUPT, "65535 columns");
    buffer_reset(&f.bytes);
    put_u64(&f.bytes, BATCH_VERSION);
    put_u8(&f.bytes, 0);
    expect_error(&f, STATUS_CORRUPT, "left over");
    raw_batch(&f.bytes, 0, 0, (struct column_header){.id = SPANS_time}, NULL, 0);
    expect_error(&f, STATUS_CORRUPT, "columns without rows");
    fixture_deinit(&f);
}

struct column_case {
    struct column_header header;
    uint32_t rows;
    uint8_t table;
    uint8_t body[56];
    size_t body_size;
    enum status status;
    const char *part;
};

#define STR_(count, width)                                                                         \
    {                                                                                              \
        .id = SPANS_model, .storage = STORAGE_STR, .value_count = (count), .code_bytes = (width)   \
    }

static const struct column_case column_cases[] = {
    {{.id = 9}, 1, 0, {0}, 8, STATUS_INVALID, "table spans has no column with id 9"},
    {{.id = 0x8001}, 1, 0, {0}, 8, STATUS_INVALID, "id 32769"},
    {{.id = 0x8000}, 1, 1, {0}, 8, STATUS_INVALID, "table scores has no column with id 32768"},
    {{.id = SPANS_time, .storage = 1}, 1, 0, {0}, 8, STATUS_CORRUPT, "time: its storage"},
    {{.id = SPANS_time, .storage = 200}, 1, 0, {0}, 8, STATUS_CORRUPT, "time: its storage"},
    {{.id = SPANS_time, .flags = 2}, 1, 0, {0}, 8, STATUS_CORRUPT, "time: reserved bits"},
    {{.id = SPANS_time, .reserved = 1}, 1, 0, {0}, 8, STATUS_CORRUPT, "time: reserved bits"},
    {{.id = SPANS_time, .value_count = 1}, 1, 0, {0}, 8, STATUS_CORRUPT, "time: reserved bits"},
    {{.id = SPANS_time, .name_bytes = 1}, 1, 0, {0}, 8, STATUS_CORRUPT, "carries a name"},
    {{.id = SPANS_time}, 1, 0, {0}, 7, STATUS_CORRUPT, "time: reserved bits"},
    {{.id = SPANS_time}, 2, 0, {0}, 8, STATUS_CORRUPT, "time: the values are cut short"},
    {{.id = SPANS_time}, 1, 0, {0}, 16, STATUS_CORRUPT, "time: bytes are left over"},
    {{.id = SPANS_time, .flags = 1}, 1, 0, {0}, 16, STATUS_CORRUPT, "time: no row has a value"},
    {{.id = SPANS_time, .flags = 1}, 1, 0, {3}, 16, STATUS_CORRUPT, "behind the last row"},
    {{.id = SPANS_time, .flags = 1}, 2, 0, {1, 1}, 24, STATUS_CORRUPT, "badly padded"},
    {{.id = SPANS_time, .flags = 1},
     2,
     0,
     {1, [23] = 9},
     24,
     STATUS_CORRUPT,
     "time: a row without a value isn't zero"},
    {STR_(0, 1), 1, 0, {0}, 8, STATUS_CORRUPT, "model: its dictionary has no values"},
    {STR_(2, 1), 1, 0, {0}, 16, STATUS_CORRUPT, "more than there are rows"},
    {STR_(1, 3), 1, 0, {0}, 24, STATUS_CORRUPT, "impossible width"},
    {STR_(1, 8), 1, 0, {0}, 24, STATUS_CORRUPT, "impossible width"},
    {STR_(2, 0), 2, 0, {0}, 16, STATUS_CORRUPT, "impossible width"},
    {STR_(1, 1), 1, 0, {2}, 16, STATUS_CORRUPT, "model: a code lies outside its dictionary"},
    {STR_(1, 2), 1, 0, {0, 1}, 16, STATUS_CORRUPT, "a code lies outside"},
    {STR_(1, 4), 1, 0, {0, 0, 0, 1}, 16, STATUS_CORRUPT, "a code lies outside"},
    {STR_(1, 1), 1, 0, {1}, 8, STATUS_CORRUPT, "lengths are cut short"},
    {STR_(1, 1), 1, 0, {1, [8] = 9}, 24, STATUS_CORRUPT, "bytes of the values are cut short"},
    {STR_(1, 1), 1, 0, {1, [8] = 1, [10] = 1}, 24, STATUS_LIMIT, "a value of 65537, at most 65536"},
    {{.id = SPANS_attributes, .storage = STORAGE_TEXT, .value_count = 2},
     1,
     0,
     {0},
     8,
     STATUS_CORRUPT,
     "attributes: its count of values"},
    {{.id = SPANS_attributes, .storage = STORAGE_TEXT, .value_count = 1},
     1,
     0,
     {1, 0, 0, 1},
     8,
     STATUS_LIMIT,
     "attributes: a value of 16777217"},
    {{.id = SPANS_input, .storage = STORAGE_REFS, .value_count = 1},
     1,
     0,
     {8, [8] = 1},
     16,
     STATUS_CORRUPT,
     "input: a list of message addresses"},
    {{.id = SPANS_input, .storage = STORAGE_REFS, .value_count = 1},
     1,
     0,
     {16, 0, 16},
     8,
     STATUS_LIMIT,
     "input: a value of 1048592, at most 1048576"},
    {{.id = 0x8000, .storage = STORAGE_F64, .name_bytes = 7},
     1,
     0,
     "score.!",
     16,
     STATUS_CORRUPT,
     "score name"},
    {{.id = 0x8000, .storage = STORAGE_F64, .name_bytes = 6},
     1,
     0,
     "score.",
     16,
     STATUS_CORRUPT,
     ""},
    {{.id = 0x8000, .storage = STORAGE_F64, .name_bytes = 60},
     1,
     0,
     "score.a",
     16,
     STATUS_CORRUPT,
     ""},
    {{.id = 0x8000, .storage = STORAGE_I64, .name_bytes = 7},
     1,
     0,
     "score.a",
     16,
     STATUS_CORRUPT,
     "score.a: its storage"},
    {{.id = 0x8000, .storage = STORAGE_F64, .name_bytes = 7}, 1, 0, "score.a", 16, STATUS_OK, ""},
};

Test(batch_damage, columns_are_checked)
{
    struct fixture f;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof column_cases / sizeof column_cases[0]; i++) {
        const struct column_case *c = &column_cases[i];
        raw_batch(&f.bytes, c->table, c->rows, c->header, c->body, c->body_size);
        expect_error(&f, c->status, c->part);
        cr_assert(eq(u32, schema_score_count(&f.schema), c->status == STATUS_OK));
    }
    fixture_deinit(&f);
}

Test(batch_damage, columns_standing_twice_are_damage)
{
    struct fixture f;
    fixture_init(&f);
    static const uint8_t zeros[8];
    raw_batch(&f.bytes, 0, 1, (struct column_header){.id = SPANS_turn}, zeros, 8);
    buffer_add(&f.bytes, f.bytes.data + 8, 24);
    f.bytes.data[2] = 2;
    expect_error(&f, STATUS_CORRUPT, "turn stands twice");

    struct column_header score = {.id = 0x8000, .storage = STORAGE_F64, .name_bytes = 7};
    raw_batch(&f.bytes, 0, 1, score, "score.a\0\0\0\0\0\0\0\0", 16);
    uint8_t again[32];
    memcpy(again, f.bytes.data + 8, sizeof again);
    buffer_add(&f.bytes, again, sizeof again);
    f.bytes.data[2] = 2;
    expect_error(&f, STATUS_CORRUPT, "score.a stands twice");
    fixture_deinit(&f);
}

Test(batch_damage, scores_meet_the_limit_of_the_schema)
{
    struct fixture f;
    fixture_init(&f);
    const struct column *column = NULL;
    for (uint32_t i = 0; i < SCORE_COLUMNS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "score.%u", i);
        cr_assert(eq(int, schema_add_score(&f.schema, slice_text(name), &column, NULL), STATUS_OK));
    }
    struct column_header score = {.id = 0x8000, .storage = STORAGE_F64, .name_bytes = 7};
    raw_batch(&f.bytes, 0, 1, score, "score.a\0\0\0\0\0\0\0\0", 16);
    expect_error(&f, STATUS_LIMIT, "score.a");
    struct batch back;
    struct error e = {0};
    cr_assert(
        eq(int, batch_decode(buffer_slice(&f.bytes), NULL, &f.arena, &back, &e), STATUS_INVALID));
    fixture_deinit(&f);
}

Test(batch_damage, strings_at_their_limits_are_taken)
{
    struct fixture f;
    fixture_init(&f);
    struct slice str = slice_of(mem_zero(STR_BYTES_MAX, 1), STR_BYTES_MAX);
    struct slice text = slice_of(mem_zero(TEXT_BYTES_MAX, 1), TEXT_BYTES_MAX);
    builder_row(&f.builder);
    builder_str(&f.builder, SPANS_model, str);
    builder_str(&f.builder, SPANS_attributes, text);
    builder_str(&f.builder, SPANS_input, slice_of(text.data, 16 * MESSAGE_REFS_MAX));
    fixture_encode(&f);
    struct batch back;
    cr_assert(eq(int, fixture_decode(&f, buffer_slice(&f.bytes), 0, &back, NULL), STATUS_OK));
    batch_check(&back);
    cr_assert(batch_equal(&f.batch, &back));
    mem_free((void *)(uintptr_t)str.data);
    mem_free((void *)(uintptr_t)text.data);
    fixture_deinit(&f);
}
