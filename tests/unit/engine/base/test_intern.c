/*
 * test_intern.c - dictionaries: codes in order, growth, reset.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/hash.h"
#include "engine/base/intern.h"

Test(intern, codes_count_from_one_and_zero_is_null)
{
    struct intern in;
    intern_init(&in);
    cr_assert(eq(u32, in.count, 1));
    cr_assert(eq(sz, in.values[0].size, 0));
    cr_assert(eq(u32, intern_find(&in, slice_text("a")), 0));
    cr_assert(eq(u32, intern_add(&in, slice_text("a")), 1));
    cr_assert(eq(u32, intern_add(&in, SLICE_EMPTY), 2));
    cr_assert(eq(u32, intern_add(&in, slice_of("a\0b", 3)), 3));
    cr_assert(eq(u32, intern_add(&in, slice_text("a")), 1));
    cr_assert(eq(u32, intern_find(&in, SLICE_EMPTY), 2));
    cr_assert(eq(u32, in.count, 4));
    intern_deinit(&in);
    intern_deinit(&in);
    intern_deinit(NULL);
}

Test(intern, a_hundred_thousand_strings_keep_their_codes)
{
    enum {
        COUNT = 100000
    };
    struct intern in;
    intern_init(&in);
    char text[16];
    for (uint32_t i = 0; i < COUNT; i++) {
        int size = snprintf(text, sizeof text, "session-%u", i);
        cr_assert(eq(u32, intern_add(&in, slice_of(text, (size_t)size)), i + 1));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        int size = snprintf(text, sizeof text, "session-%u", i);
        struct slice name = slice_of(text, (size_t)size);
        cr_assert(eq(u32, intern_find(&in, name), i + 1));
        cr_assert(slice_equal(in.values[i + 1], name));
    }
    cr_assert(eq(u32, intern_find(&in, slice_text("session-100000")), 0));
    cr_assert(gt(u32, in.table_mask, COUNT));
    intern_deinit(&in);
}

Test(intern, reset_forgets_everything)
{
    struct intern in;
    intern_init(&in);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 1000; i++)
            cr_assert(eq(u32, intern_add(&in, slice_of(&i, sizeof i)), i + 1));
        intern_reset(&in);
        cr_assert(eq(u32, in.count, 1));
        uint32_t first = 0;
        cr_assert(eq(u32, intern_find(&in, slice_of(&first, sizeof first)), 0));
    }
    intern_deinit(&in);
}

Test(intern, equal_hashes_do_not_make_equal_strings)
{
    struct intern in;
    intern_init(&in);
    for (uint32_t i = 0; i < 200; i++)
        cr_assert(eq(u32, intern_add_hashed(&in, slice_of(&i, sizeof i), 12345), i + 1));
    for (uint32_t i = 0; i < 200; i++)
        cr_assert(eq(u32, intern_add_hashed(&in, slice_of(&i, sizeof i), 12345), i + 1));
    intern_deinit(&in);
}

/* Known answers of the xxHash specification's reference implementation. */
Test(hash, is_xxh3_with_seed_zero)
{
    cr_assert(eq(u64, hash64(SLICE_EMPTY), 0x2d06800538d394c2u));
    char hex[33] = {0};
    id128_to_hex(hash128(SLICE_EMPTY), hex);
    cr_assert_str_eq(hex, "99aa06d3014798d86001c324468d497f");
}
