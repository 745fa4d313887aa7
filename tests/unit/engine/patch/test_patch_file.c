/*
 * test_patch_file.c - what is written is read; what is damaged is found and changes nothing.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "engine/patch/patch.h"

#define PATH         "0000000001.patch"
#define HEADER_BYTES 48u

struct fixture {
    struct io *io;
    struct schema schema;
    struct arena arena;
    struct patch_table *table;
    const struct column *columns[4];
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){.io = io_sim_create(1)};
    schema_init(&f->schema);
    f->table = patch_table_create(&f->schema);
    f->columns[0] = table_column(TABLE_SPANS, SPANS_error_class);
    f->columns[1] = table_column(TABLE_SPANS, SPANS_turn);
    f->columns[2] = table_column(TABLE_SPANS, SPANS_class_source);
    cr_assert_eq(schema_add_score(&f->schema, slice_text("score.a"), &f->columns[3], NULL), 0);
}

static void teardown(struct fixture *f)
{
    patch_table_destroy(f->table);
    schema_deinit(&f->schema);
    arena_deinit(&f->arena);
    io_destroy(f->io);
}

/* count different cells. compressible: few values, so that zstd shortens the body. */
static const struct amendment **make(struct fixture *f, uint32_t count, bool compressible)
{
    static const char *const texts[] = {"timeout", "", "refusal", "none"};
    struct rng r;
    rng_init(&r, 8);
    const struct amendment **a = ARENA_ARRAY(&f->arena, const struct amendment *, count);
    for (uint32_t i = 0; i < count; i++) {
        struct amendment *one = ARENA_NEW(&f->arena, struct amendment);
        one->seq = compressible ? 1 : rng_u64(&r);
        one->span_id = i;
        for (uint32_t j = 0; !compressible && j < 16; j++)
            one->trace_id.bytes[j] = (uint8_t)rng_u64(&r);
        one->column = f->columns[i % 4];
        one->i64 = (int64_t)(compressible ? i % 2 : rng_u64(&r) >> 12);
        one->bytes = slice_text(texts[i / 4 % 4]);
        a[i] = one;
    }
    return a;
}

static void write_file(struct fixture *f, const struct amendment **a, uint32_t count)
{
    uint64_t bytes = 0;
    struct error error = {0};
    enum status s = patch_file_write(f->io, PATH, a, count, &bytes, &error);
    cr_assert_eq(s, STATUS_OK, "%s", error.text);
    cr_assert_eq(bytes, io_sim_peek(f->io, PATH).size);
}

static void check_table(const struct fixture *f, const struct patch_table *t,
                        const struct amendment **a, uint32_t count)
{
    cr_assert_eq(patch_table_count(t), count);
    for (uint32_t i = 0; i < count; i++) {
        const struct amendment *found[1];
        cr_assert_eq(patch_table_find(t, a[i]->trace_id, a[i]->span_id, found, 1), 1);
        cr_assert(found[0]->seq == a[i]->seq && found[0]->column == a[i]->column);
        if (a[i]->column->storage == STORAGE_STR)
            cr_assert(slice_equal(found[0]->bytes, a[i]->bytes));
        else
            cr_assert_eq(found[0]->i64, a[i]->i64);
    }
    (void)f;
}

static enum status read_file(struct fixture *f, struct error *reterr)
{
    return patch_file_read(f->io, PATH, &f->schema, f->table, reterr);
}

Test(patch_file, what_is_written_is_read)
{
    static const uint32_t counts[] = {0, 1, 2, 5, 1000, 1001};
    for (uint32_t i = 0; i < 12; i++) {
        struct fixture f;
        setup(&f);
        uint32_t count = counts[i / 2];
        const struct amendment **a = make(&f, count, i % 2 == 0);
        write_file(&f, a, count);
        struct error error = {0};
        cr_assert_eq(read_file(&f, &error), STATUS_OK, "%s", error.text);
        check_table(&f, f.table, a, count);
        if (count == 1000 && i % 2 == 0)
            cr_assert_lt(io_sim_peek(f.io, PATH).size, 10000, "compressed");
        teardown(&f);
    }
}

Test(patch_file, score_columns_are_found_by_name_in_another_process)
{
    struct fixture f;
    setup(&f);
    struct amendment one = {.seq = 4, .span_id = 9, .f64 = 0.25};
    cr_assert_eq(schema_add_score(&f.schema, slice_text("score.other"), &one.column, NULL), 0);
    const struct amendment *a[1] = {&one};
    write_file(&f, a, 1);
    struct schema fresh;
    schema_init(&fresh);
    struct patch_table *t = patch_table_create(&fresh);
    cr_assert_eq(patch_file_read(f.io, PATH, &fresh, t, NULL), STATUS_OK);
    const struct amendment *found[1];
    cr_assert_eq(patch_table_find(t, one.trace_id, 9, found, 1), 1);
    cr_assert(found[0]->column == schema_find(&fresh, TABLE_SPANS, slice_text("score.other")));
    cr_assert(found[0]->f64 == 0.25);
    patch_table_destroy(t);
    schema_deinit(&fresh);
    teardown(&f);
}

Test(patch_file, a_file_adds_to_a_table_and_the_later_seq_wins)
{
    struct fixture f;
    setup(&f);
    struct amendment one = {.seq = 5, .span_id = 1, .column = f.columns[3], .f64 = 0.5};
    const struct amendment *a[1] = {&one};
    write_file(&f, a, 1);
    struct amendment newer = one;
    newer.seq = 6;
    newer.f64 = 0.6;
    patch_table_add(f.table, &newer);
    cr_assert_eq(read_file(&f, NULL), STATUS_OK);
    const struct amendment *found[1];
    cr_assert_eq(patch_table_find(f.table, one.trace_id, 1, found, 1), 1);
    cr_assert(found[0]->f64 == 0.6);
    teardown(&f);
}

Test(patch_file, the_example_of_the_format_is_read)
{
    /* FORMAT.md 7, byte for byte. */
    static const uint8_t example[] = {
        0x44, 0x4c, 0x50, 0x41, 0x54, 0x43, 0x48, 0x31, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00,
        0x00, 0x00, 0x32, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x24, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x5e, 0xe2, 0x35, 0xbb, 0x93, 0xd5, 0xc7, 0xa5, 0x9f, 0x15,
        0x4b, 0xee, 0x6c, 0x5a, 0x8f, 0x86, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x32, 0xdd, 0x00,
        0x00, 0x90, 0x07, 0x73, 0x63, 0x6f, 0x72, 0x65, 0x2e, 0x61, 0x01, 0x01, 0x00, 0x01,
        0x02, 0x00, 0x03, 0x00, 0xe0, 0x3f, 0x03, 0x10, 0x00, 0x1c, 0x0f, 0x43, 0xf6, 0x02};
    struct fixture f;
    setup(&f);
    cr_assert_eq(io_replace_file(f.io, PATH, slice_of(example, sizeof example), NULL), STATUS_OK);
    cr_assert_eq(read_file(&f, NULL), STATUS_OK);
    struct id128 trace = {.bytes = {[15] = 1}};
    const struct amendment *found[1];
    cr_assert_eq(patch_table_find(f.table, trace, 2, found, 1), 1);
    cr_assert(found[0]->seq == 3 && found[0]->column == f.columns[3] && found[0]->f64 == 0.5);
    teardown(&f);
}

Test(patch_file, a_missing_file_is_an_error)
{
    struct fixture f;
    setup(&f);
    struct error error = {0};
    cr_assert_lt(read_file(&f, &error), 0);
    cr_assert(strstr(error.text, PATH) != NULL);
    teardown(&f);
}

/* The file's bytes as a copy that can be changed. */
static struct buffer file_copy(struct fixture *f)
{
    struct buffer b = {0};
    buffer_add_slice(&b, io_sim_peek(f->io, PATH));
    return b;
}

static void put_file(struct fixture *f, struct slice bytes)
{
    cr_assert_eq(io_replace_file(f->io, PATH, bytes, NULL), STATUS_OK);
}

Test(patch_file, every_truncation_is_damage_and_changes_nothing)
{
    for (uint32_t compressible = 0; compressible < 2; compressible++) {
        struct fixture f;
        setup(&f);
        write_file(&f, make(&f, 40, compressible != 0), 40);
        struct buffer whole = file_copy(&f);
        for (size_t size = 0; size < whole.size; size++) {
            struct error error = {0};
            put_file(&f, slice_of(whole.data, size));
            cr_assert_eq(read_file(&f, &error), STATUS_CORRUPT, "%zu bytes", size);
            cr_assert(strstr(error.text, PATH) != NULL);
        }
        buffer_add_byte(&whole, 0);
        put_file(&f, buffer_slice(&whole));
        cr_assert_eq(read_file(&f, NULL), STATUS_CORRUPT, "a byte too many");
        cr_assert_eq(patch_table_count(f.table), 0);
        buffer_deinit(&whole);
        teardown(&f);
    }
}

Test(patch_file, every_flipped_bit_is_damage_and_changes_nothing)
{
    for (uint32_t compressible = 0; compressible < 2; compressible++) {
        struct fixture f;
        setup(&f);
        write_file(&f, make(&f, 12, compressible != 0), 12);
        struct buffer whole = file_copy(&f);
        for (size_t bit = 0; bit < 8 * whole.size; bit++) {
            io_sim_poke(f.io, PATH, bit / 8, whole.data[bit / 8] ^ (uint8_t)(1u << bit % 8));
            cr_assert_eq(read_file(&f, NULL), STATUS_CORRUPT, "bit %zu", bit);
            io_sim_poke(f.io, PATH, bit / 8, whole.data[bit / 8]);
        }
        cr_assert_eq(patch_table_count(f.table), 0);
        cr_assert_eq(read_file(&f, NULL), STATUS_OK, "unflipped it is whole again");
        buffer_deinit(&whole);
        teardown(&f);
    }
}

/* Makes the checksums of header and body right, so that what they protect is looked at. */
static void reseal(struct buffer *b)
{
    uint64_t body = hash64(slice_of(b->data + HEADER_BYTES, b->size - HEADER_BYTES));
    memcpy(b->data + 32, &body, sizeof body);
    uint64_t header = hash64(slice_of(b->data, 40));
    memcpy(b->data + 40, &header, sizeof header);
}

static enum status read_resealed(struct fixture *f, struct buffer *b, struct error *reterr)
{
    reseal(b);
    put_file(f, buffer_slice(b));
    return read_file(f, reterr);
}

Test(patch_file, a_wrong_number_behind_a_right_checksum_does_no_harm)
{
    for (uint32_t compressible = 0; compressible < 2; compressible++) {
        struct fixture f;
        setup(&f);
        write_file(&f, make(&f, 8, compressible != 0), 8);
        struct buffer whole = file_copy(&f);
        struct buffer changed = {0};
        for (size_t at = 0; at < whole.size; at++) {
            for (uint32_t flip = 0; flip < 9; flip++) {
                buffer_reset(&changed);
                buffer_add_slice(&changed, buffer_slice(&whole));
                changed.data[at] ^= flip == 8 ? 0xff : (uint8_t)(1u << flip);
                struct error error = {0};
                enum status s = read_resealed(&f, &changed, &error);
                cr_assert(s == STATUS_OK || s == STATUS_CORRUPT, "%s", error.text);
            }
        }
        /* A body cut short, with the header agreeing to what is left. */
        for (size_t size = HEADER_BYTES; size < whole.size; size++) {
            buffer_reset(&changed);
            buffer_add_slice(&changed, slice_of(whole.data, size));
            uint64_t stored = size - HEADER_BYTES;
            if (compressible == 0)
                memcpy(changed.data + 16, &stored, sizeof stored);
            memcpy(changed.data + 24, &stored, sizeof stored);
            cr_assert_eq(read_resealed(&f, &changed, NULL), STATUS_CORRUPT, "%zu bytes", size);
        }
        buffer_deinit(&changed);
        buffer_deinit(&whole);
        teardown(&f);
    }
}

/* A header over a raw body. */
static void header_begin(struct buffer *b, uint32_t count, uint32_t column_count,
                         uint64_t raw_bytes, uint64_t stored_bytes)
{
    buffer_reset(b);
    buffer_add(b, "DLPATCH1", 8);
    put_u32(b, count);
    put_u32(b, column_count);
    put_u64(b, raw_bytes);
    put_u64(b, stored_bytes);
    put_u64(b, 0);
    put_u64(b, 0);
}

static void expect(struct fixture *f, struct buffer *b, enum status want, const char *words)
{
    struct error error = {0};
    uint64_t size = b->size - HEADER_BYTES;
    uint64_t raw;
    memcpy(&raw, b->data + 16, sizeof raw);
    if (raw == 0)
        memcpy(b->data + 16, &size, sizeof size);
    memcpy(b->data + 24, &size, sizeof size);
    cr_assert_eq(read_resealed(f, b, &error), want, "%s: %s", words, error.text);
    cr_assert(want == STATUS_OK || strstr(error.text, words) != NULL, "\"%s\" lacks \"%s\"",
              error.text, words);
}

/* One column of one amendment. */
static void put_column(struct buffer *b, const char *name, enum storage storage, uint64_t count)
{
    put_bytes(b, slice_text(name));
    put_u8(b, (uint8_t)storage);
    put_varint(b, count);
    for (uint32_t i = 0; i < 4; i++)
        put_u64(b, i);
}

Test(patch_file, limits_are_checked_before_anything_is_sized_by_them)
{
    struct fixture f;
    setup(&f);
    struct buffer b = {0};
    header_begin(&b, PATCH_FILE_AMENDMENTS_MAX + 1, 0, 0, 0);
    expect(&f, &b, STATUS_CORRUPT, "amendments, at most");
    header_begin(&b, PATCH_FILE_AMENDMENTS_MAX, 0, 0, 0);
    expect(&f, &b, STATUS_CORRUPT, "promised");
    header_begin(&b, 0, SCORE_COLUMNS_MAX + 129, 0, 0);
    expect(&f, &b, STATUS_CORRUPT, "columns, at most");
    header_begin(&b, 0, SCORE_COLUMNS_MAX + 128, 0, 0);
    expect(&f, &b, STATUS_CORRUPT, "cut off");
    header_begin(&b, 0, 0, (uint64_t)PATCH_FILE_BYTES_MAX + 1, 0);
    expect(&f, &b, STATUS_CORRUPT, "bytes of body, at most");
    header_begin(&b, 0, 0, PATCH_FILE_BYTES_MAX, 0);
    expect(&f, &b, STATUS_CORRUPT, "zstd");
    header_begin(&b, 0, 0, 0, 0);
    expect(&f, &b, STATUS_OK, "");
    buffer_deinit(&b);
    teardown(&f);
}

Test(patch_file, bodies_that_make_no_sense_are_named)
{
    struct fixture f;
    setup(&f);
    struct buffer b = {0};
    header_begin(&b, 1, 1, 0, 0);
    put_column(&b, "score.a", STORAGE_F64, 1);
    put_u64(&b, 0);
    expect(&f, &b, STATUS_OK, "");

    static const struct {
        const char *name;
        enum storage storage;
        uint64_t count;
        const char *words;
    } cases[] = {
        {"score.a", STORAGE_I64, 1, "no such column"},
        {"score.", STORAGE_F64, 1, "no such column"},
        {"score.a b", STORAGE_F64, 1, "no such column"},
        {"latency", STORAGE_I64, 1, "no such column"},
        {"turn", STORAGE_F64, 1, "no such column"},
        {"attributes", STORAGE_TEXT, 1, "cannot be amended"},
        {"turn", (enum storage)7, 1, "cannot be amended"},
        {"turn", STORAGE_I64, 0, "number of amendments"},
        {"turn", STORAGE_I64, PATCH_FILE_AMENDMENTS_MAX + 1ull, "number of amendments"},
        {"turn", STORAGE_I64, UINT64_MAX, "number of amendments"},
        {"turn", STORAGE_I64, PATCH_FILE_AMENDMENTS_MAX, "cut off"},
        {"turn", STORAGE_I64, 2, "cut off"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        header_begin(&b, 1, 1, 0, 0);
        put_column(&b, cases[i].name, cases[i].storage, cases[i].count);
        put_u64(&b, 0);
        expect(&f, &b, STATUS_CORRUPT, cases[i].words);
    }
    header_begin(&b, 2, 2, 0, 0);
    for (uint32_t i = 0; i < 2; i++) {
        put_column(&b, "turn", STORAGE_I64, 1);
        put_u64(&b, 0);
    }
    expect(&f, &b, STATUS_CORRUPT, "the same as column 0");
    header_begin(&b, 2, 1, 0, 0);
    put_column(&b, "turn", STORAGE_I64, 1);
    put_u64(&b, 0);
    expect(&f, &b, STATUS_CORRUPT, "promised");
    header_begin(&b, 1, 1, 0, 0);
    put_column(&b, "turn", STORAGE_I64, 1);
    put_u64(&b, 0);
    put_u8(&b, 0);
    expect(&f, &b, STATUS_CORRUPT, "behind the last column");
    buffer_deinit(&b);
    teardown(&f);
}

Test(patch_file, strings_of_a_body_are_checked)
{
    struct fixture f;
    setup(&f);
    struct buffer b = {0};
    struct buffer text = {0};
    for (uint32_t i = 0; i <= STR_BYTES_MAX; i++)
        buffer_add_byte(&text, 'x');
    static const struct {
        uint64_t strings;
        uint32_t bytes;
        uint32_t code;
        const char *words; /* NULL: it is right */
    } cases[] = {
        {1, 3, 0, NULL},
        {1, STR_BYTES_MAX, 0, NULL},
        {1, STR_BYTES_MAX + 1, 0, "too long"},
        {1, 3, 1, "a code without a string"},
        {1, 3, UINT32_MAX, "a code without a string"},
        {0, 3, 0, "a code without a string"},
        {2, 3, 0, "more strings than values"},
        {UINT64_MAX, 3, 0, "more strings than values"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        header_begin(&b, 1, 1, 0, 0);
        put_column(&b, "error_class", STORAGE_STR, 1);
        put_varint(&b, cases[i].strings);
        if (cases[i].strings != 0)
            put_bytes(&b, slice_of(text.data, cases[i].bytes));
        put_u32(&b, cases[i].code);
        expect(&f, &b, cases[i].words == NULL ? STATUS_OK : STATUS_CORRUPT,
               cases[i].words == NULL ? "" : cases[i].words);
    }
    buffer_deinit(&text);
    buffer_deinit(&b);
    teardown(&f);
}

Test(patch_file, a_project_with_all_its_score_columns_takes_no_more)
{
    struct fixture f;
    setup(&f);
    struct amendment one = {.span_id = 1, .column = f.columns[3]};
    const struct amendment *a[1] = {&one};
    write_file(&f, a, 1);
    struct schema full;
    schema_init(&full);
    char name[32];
    const struct column *column;
    for (uint32_t i = 0; i < SCORE_COLUMNS_MAX; i++) {
        (void)snprintf(name, sizeof name, "score.n%u", i);
        cr_assert_eq(schema_add_score(&full, slice_text(name), &column, NULL), 0);
    }
    struct patch_table *t = patch_table_create(&full);
    struct error error = {0};
    cr_assert_eq(patch_file_read(f.io, PATH, &full, t, &error), STATUS_LIMIT);
    cr_assert(strstr(error.text, PATH) != NULL);
    cr_assert_eq(patch_table_count(t), 0);
    patch_table_destroy(t);
    schema_deinit(&full);
    teardown(&f);
}

Test(patch_file, a_failing_disk_is_reported_and_leaves_the_old_file)
{
    struct fixture f;
    setup(&f);
    const struct amendment **a = make(&f, 100, false);
    write_file(&f, a, 50);
    for (uint64_t at = 0; at < 3; at++) {
        struct error error = {0};
        uint64_t bytes = 77;
        io_sim_set_fault(f.io, IO_SIM_FAIL_ONCE, io_sim_operations(f.io) + at);
        cr_assert_eq(patch_file_write(f.io, PATH, a, 100, &bytes, &error), STATUS_IO);
        cr_assert_eq(bytes, 77);
        io_sim_set_fault(f.io, IO_SIM_NONE, 0);
    }
    cr_assert_eq(read_file(&f, NULL), STATUS_OK);
    check_table(&f, f.table, a, 50);
    teardown(&f);
}

Test(patch_file, too_many_amendments_are_refused_before_they_are_looked_at)
{
    struct fixture f;
    setup(&f);
    uint64_t bytes;
    struct error error = {0};
    cr_assert_eq(patch_file_write(f.io, PATH, NULL, PATCH_FILE_AMENDMENTS_MAX + 1, &bytes, &error),
                 STATUS_LIMIT);
    teardown(&f);
}
