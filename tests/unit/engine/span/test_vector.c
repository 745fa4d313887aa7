/*
 * test_vector.c - NULLs, access and gathering for every storage.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/span/vector.h"
#include "tests/unit/engine/span/batch_checks.h"

#define STORAGE_COUNT 7

Test(vector, null_vectors_have_no_values)
{
    struct arena arena = {0};
    for (unsigned i = 0; i < STORAGE_COUNT; i++) {
        for (uint32_t rows = 0; rows < 20; rows += 19) {
            struct vector v = vector_null((enum storage)i, rows, &arena);
            cr_assert(eq(u32, v.rows, rows));
            vector_check(&v);
            for (uint32_t row = 0; row < rows; row++)
                cr_assert(not(vector_has(&v, row)));
        }
    }
    struct vector v = vector_null(STORAGE_STR, 1, &arena);
    cr_assert(eq(sz, vector_bytes(&v, 0).size, 0));
    v = vector_null(STORAGE_REFS, 1, &arena);
    cr_assert(eq(sz, vector_bytes(&v, 0).size, 0));
    arena_deinit(&arena);
}

Test(vector, missing_masks_mean_values_everywhere)
{
    static const int64_t numbers[] = {5, 0, -5};
    struct vector v = {.storage = STORAGE_I64, .rows = 3, .i64 = numbers};
    cr_assert(vector_has(&v, 1));
    static const uint8_t valid[] = {1, 0, 1};
    v.valid = valid;
    cr_assert(not(vector_has(&v, 1)));
}

Test(vector, gather_picks_repeats_and_reorders)
{
    static const uint32_t rows[] = {2, 2, 0, 1};
    static const uint8_t valid[] = {1, 0, 1};
    static const uint64_t ids[] = {11, 0, 33};
    static const struct id128 traces[] = {{{1}}, {{0}}, {{3}}};
    static const double floats[] = {0.5, 0, 1.5};
    static const uint32_t codes[] = {1, 0, 2};
    const struct slice texts[] = {slice_text("a"), SLICE_EMPTY, slice_text("c")};
    const struct slice values[] = {SLICE_EMPTY, slice_text("x"), slice_text("y")};
    const struct dict dict = {.values = values, .count = 3};
    struct vector all[] = {
        {.storage = STORAGE_I64, .rows = 3, .valid = valid, .i64 = (const int64_t *)ids},
        {.storage = STORAGE_F64, .rows = 3, .valid = valid, .f64 = floats},
        {.storage = STORAGE_STR, .rows = 3, .dict = &dict, .codes = codes},
        {.storage = STORAGE_TEXT, .rows = 3, .valid = valid, .bytes = texts},
        {.storage = STORAGE_REFS, .rows = 3, .valid = NULL, .bytes = texts},
        {.storage = STORAGE_ID64, .rows = 3, .valid = valid, .id64 = ids},
        {.storage = STORAGE_ID128, .rows = 3, .valid = valid, .id128 = traces},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct vector *v = &all[i];
        struct vector out = vector_gather(v, rows, 4, &arena);
        cr_assert(eq(u32, out.rows, 4));
        cr_assert(eq(int, v->valid == NULL, out.valid == NULL));
        size_t width = storage_width(v->storage);
        for (uint32_t row = 0; row < 4; row++) {
            cr_assert(eq(int, vector_has(&out, row), vector_has(v, rows[row])));
            cr_assert(eq(int,
                         memcmp((const uint8_t *)out.i64 + row * width,
                                (const uint8_t *)v->i64 + rows[row] * width, width),
                         0));
        }
    }
    struct vector none = vector_gather(&all[2], rows, 0, &arena);
    cr_assert(eq(u32, none.rows, 0));
    cr_assert(eq(ptr, (void *)none.dict, (void *)&dict));
    arena_deinit(&arena);
}
