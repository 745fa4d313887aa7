/*
 * test_fill.c - every text becomes what cell_parse makes of it, whatever way it takes.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "tools/fill.h"

static const char *const names[] = {
    "time",           "time_ns",     "time_us",     "time_s",    "latency_ms",
    "latency_us",     "latency_ns",  "cost_usd",    "cost_nusd", "turn",
    "tokens_in",      "http_status", "temperature", "score.x",   "retrieved_top_score",
    "cost_estimated", "session",     "tool_args",   "span_id",   "parent_id",
    "trace_id"};
#define NAME_COUNT (sizeof names / sizeof names[0])

static const char *const texts[] = {
    "",
    "0",
    "-0",
    "00",
    "7",
    "-7",
    "+7",
    "007",
    "1.5",
    "-1.5",
    "1.",
    ".5",
    "1.0",
    "12345678",
    "123456789",
    "1234567812345678",
    "12345678123456789",
    "999999999999999999",
    "1000000000000000000",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0.1234",
    "0.123456",
    "0.1234567",
    "0.000000001",
    "0.0000000005",
    "123456789012345678901234567890",
    "0.3000000000000000444",
    "4.35",
    "1e3",
    "1e-3",
    "1E2",
    "1e999",
    "1e",
    "e1",
    "nan",
    "inf",
    "--1",
    "1-",
    "1 ",
    " 1",
    "1,2",
    "true",
    "false",
    "t",
    "F",
    "TRUE",
    "yes",
    "2026-11-01T14:05:00Z",
    "2026-11-01 14:05:00.123456789+02:00",
    "2026-11-01",
    "2026-11-31",
    "0123456789abcdef",
    "0123456789ABCDEF",
    "0123456789abcdeg",
    "0123456789abcde",
    "0123456789abcdef0",
    "0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdeF",
    "0123456789abcdef0123456789abcde/",
    "0123456789abcdef0123456789abcde:",
    "@123456789abcdef0123456789abcdef",
    "`123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0",
    "a",
    "exactly16 bytes!",
    "seventeen bytes!!",
    "a longer text with a comma, a \"quote\" and a\nnewline",
    "\xff\xfe not utf8",
    "//////////",
    "::::::::::",
    "3333333:",
};
#define TEXT_COUNT (sizeof texts / sizeof texts[0])

struct pair {
    struct schema schema;
    struct fill fill;
    struct builder builder;
    struct cell_target target;
    struct fill_column *column;
};

static void pair_init(struct pair *p, const char *name)
{
    uint32_t index;
    *p = (struct pair){0};
    schema_init(&p->schema);
    fill_init(&p->fill, TABLE_SPANS, &p->schema, 64);
    builder_init(&p->builder, TABLE_SPANS, &p->schema);
    cr_assert(eq(int, cell_target_find(&p->schema, TABLE_SPANS, slice_text(name), &p->target, NULL),
                 STATUS_OK));
    cr_assert(eq(int, fill_column_add(&p->fill, &p->target, &index, NULL), STATUS_OK));
    p->column = p->fill.columns[index];
}

static void pair_deinit(struct pair *p)
{
    fill_deinit(&p->fill);
    builder_deinit(&p->builder);
    schema_deinit(&p->schema);
}

/* Both take the text, or both refuse it in the same words; then the cells are equal. */
static void compare(struct pair *p, const char *name, struct slice text)
{
    struct error fill_error = {0};
    struct error cell_error = {0};
    builder_row(&p->builder);
    enum status a = fill_text(&p->fill, p->column, text, &fill_error);
    enum status b = cell_parse(&p->target, text, &p->builder, &cell_error);
    cr_assert(a == b, "%s '%.*s': %d and %d", name, SLICE_ARG(text), a, b);
    if (a < 0) {
        cr_assert(eq(str, fill_error.text, cell_error.text));
        fill_null(&p->fill, p->column);
    }
    fill_row_end(&p->fill);
    struct batch mine = fill_batch(&p->fill);
    struct batch theirs = builder_batch(&p->builder);
    const struct vector *x = batch_vector(&mine, p->target.column->id);
    const struct vector *y = batch_vector(&theirs, p->target.column->id);
    uint32_t row = mine.rows - 1;
    bool has = y != NULL && vector_has(y, row);
    cr_assert(vector_has(x, row) == has, "%s '%.*s'", name, SLICE_ARG(text));
    if (!has)
        return;
    if (x->storage == STORAGE_STR || x->storage == STORAGE_TEXT) {
        cr_assert(slice_equal(vector_bytes(x, row), vector_bytes(y, row)), "%s '%.*s'", name,
                  SLICE_ARG(text));
    } else {
        size_t width = storage_width(x->storage);
        cr_assert(memcmp((const uint8_t *)x->i64 + row * width,
                         (const uint8_t *)y->i64 + row * width, width) == 0,
                  "%s '%.*s'", name, SLICE_ARG(text));
    }
}

static void compare_and_clear(struct pair *p, const char *name, struct slice text)
{
    compare(p, name, text);
    if (p->fill.rows == 60) {
        fill_reset(&p->fill);
        builder_reset(&p->builder);
    }
}

Test(fill, reads_every_text_as_cell_parse_does)
{
    for (size_t n = 0; n < NAME_COUNT; n++) {
        struct pair p;
        pair_init(&p, names[n]);
        for (size_t i = 0; i < TEXT_COUNT; i++)
            compare_and_clear(&p, names[n], slice_text(texts[i]));
        pair_deinit(&p);
    }
}

Test(fill, reads_random_numbers_as_cell_parse_does)
{
    static const char *const columns[] = {"latency_us", "cost_usd", "tokens_in", "score.x",
                                          "time_ms"};
    struct rng rng;
    rng_init(&rng, 20261101);
    for (size_t n = 0; n < 5; n++) {
        struct pair p;
        pair_init(&p, columns[n]);
        for (int i = 0; i < 4000; i++) {
            char text[64];
            size_t size = 0;
            if (rng_below(&rng, 4) == 0)
                text[size++] = '-';
            for (uint64_t k = rng_below(&rng, 20); k > 0; k--)
                text[size++] = (char)('0' + rng_below(&rng, 10));
            if (rng_below(&rng, 2) == 0) {
                text[size++] = '.';
                for (uint64_t k = rng_below(&rng, 22); k > 0; k--)
                    text[size++] = (char)('0' + rng_below(&rng, 10));
            }
            compare_and_clear(&p, columns[n], slice_of(text, size));
        }
        pair_deinit(&p);
    }
}

Test(fill, keeps_strings_of_all_lengths_apart)
{
    struct pair p;
    pair_init(&p, "session");
    /* Prefixes of one another, zeros inside, and the same bytes in other lengths. */
    for (int round = 0; round < 2; round++) {
        for (size_t size = 0; size <= 24; size++) {
            uint8_t text[24] = {0};
            compare_and_clear(&p, "session", slice_of(text, size));
            memset(text, 'a', sizeof text);
            compare_and_clear(&p, "session", slice_of(text, size));
        }
    }
    pair_deinit(&p);
}

Test(fill, starts_dictionaries_over_when_they_are_large)
{
    struct pair p;
    pair_init(&p, "session");
    for (unsigned i = 0; i < 30000; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "s%u", i % 20000);
        compare_and_clear(&p, "session", slice_text(text));
    }
    cr_assert(lt(u32, p.column->strings.count, 9000));
    pair_deinit(&p);
}

Test(fill, takes_texts_up_to_the_limits)
{
    static const struct {
        const char *name;
        size_t limit;
    } cases[] = {{"session", STR_BYTES_MAX}, {"tool_args", TEXT_BYTES_MAX}};
    for (size_t i = 0; i < 2; i++) {
        struct pair p;
        pair_init(&p, cases[i].name);
        uint8_t *text = mem_zero(cases[i].limit + 1, 1);
        compare(&p, cases[i].name, slice_of(text, cases[i].limit));
        compare(&p, cases[i].name, slice_of(text, cases[i].limit + 1));
        mem_free(text);
        pair_deinit(&p);
    }
}

Test(fill, a_column_added_late_is_null_before)
{
    struct pair p;
    struct cell_target target;
    uint32_t index;
    pair_init(&p, "tokens_in");
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(int, fill_text(&p.fill, p.column, slice_text("5"), NULL), STATUS_OK));
        fill_row_end(&p.fill);
    }
    IGNORE_STATUS(
        cell_target_find(&p.schema, TABLE_SPANS, slice_text("score.late"), &target, NULL));
    cr_assert(eq(int, fill_column_add(&p.fill, &target, &index, NULL), STATUS_OK));
    fill_row_nulls(&p.fill);
    cr_assert(
        eq(int, fill_text(&p.fill, p.fill.columns[index], slice_text("0.5"), NULL), STATUS_OK));
    fill_row_end(&p.fill);
    struct batch b = fill_batch(&p.fill);
    const struct vector *late = batch_vector(&b, target.column->id);
    const struct vector *early = batch_vector(&b, SPANS_tokens_in);
    for (uint32_t row = 0; row < 3; row++) {
        cr_assert(not(vector_has(late, row)));
        cr_assert(vector_has(early, row));
    }
    cr_assert(vector_has(late, 3));
    cr_assert(not(vector_has(early, 3)));
    pair_deinit(&p);
}

Test(fill, says_what_a_row_lacks)
{
    static const char *const columns[] = {"time_ns", "trace_id", "span_id"};
    static const char *const good[] = {"5", "0123456789abcdef0123456789abcdef", "0000000000000001"};
    static const char *const zero[] = {"", "00000000000000000000000000000000", "0000000000000000"};
    struct schema schema;
    struct fill f;
    schema_init(&schema);
    fill_init(&f, TABLE_SPANS, &schema, 4);
    for (size_t i = 0; i < 3; i++) {
        struct cell_target target;
        uint32_t index;
        cr_assert(ne(ptr, (void *)(uintptr_t)fill_lacks(&f), NULL));
        IGNORE_STATUS(
            cell_target_find(&schema, TABLE_SPANS, slice_text(columns[i]), &target, NULL));
        cr_assert(eq(int, fill_column_add(&f, &target, &index, NULL), STATUS_OK));
    }
    cr_assert(eq(ptr, (void *)(uintptr_t)fill_lacks(&f), NULL));
    for (size_t missing = 0; missing < 4; missing++) {
        for (uint32_t i = 0; i < 3; i++) {
            const char *text = i == missing ? zero[i] : good[i];
            cr_assert(eq(int, fill_text(&f, f.columns[i], slice_text(text), NULL), STATUS_OK));
        }
        const char *lacks = fill_row_lacks(&f);
        if (missing == 3)
            cr_assert(eq(ptr, (void *)(uintptr_t)lacks, NULL));
        else
            cr_assert(eq(int, strncmp(columns[missing], lacks, strlen(lacks)), 0));
    }
    fill_deinit(&f);
    schema_deinit(&schema);
}
