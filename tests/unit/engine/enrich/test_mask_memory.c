/*
 * test_mask_memory.c - addresses before and after masking: bounded, and the ones in use stay.
 */
#include <criterion/criterion.h>

#include "engine/enrich/mask_memory.h"

static struct id128 number(uint64_t n)
{
    struct id128 id = {{0}};
    memcpy(id.bytes, &n, sizeof n);
    return id;
}

Test(mask_memory, pairs_are_kept_by_project)
{
    struct mask_memory *m = mask_memory_create();
    struct id128 found = number(0);
    mask_memory_note(m, 1, number(10), number(11));
    mask_memory_note(m, 2, number(10), number(12));
    cr_expect(mask_memory_find(m, 1, number(10), &found) && id128_equal(found, number(11)));
    cr_expect(mask_memory_find(m, 2, number(10), &found) && id128_equal(found, number(12)));
    cr_expect(!mask_memory_find(m, 3, number(10), &found));
    mask_memory_note(m, 1, number(10), number(13));
    cr_expect(mask_memory_find(m, 1, number(10), &found) && id128_equal(found, number(13)));
    mask_memory_destroy(m);
    mask_memory_destroy(NULL);
}

Test(mask_memory, the_newest_are_all_there_and_so_is_what_is_asked_for)
{
    struct mask_memory *m = mask_memory_create();
    struct id128 found;
    const uint64_t notes = 4 * (uint64_t)MASK_MEMORY_PAIRS + 17;
    mask_memory_note(m, 0, number(UINT64_MAX), number(7));
    for (uint64_t i = 0; i < notes; i++) {
        mask_memory_note(m, 0, number(i), number(i + 1));
        if (i % 10000 == 0)
            cr_assert(mask_memory_find(m, 0, number(UINT64_MAX), &found), "after %lu",
                      (unsigned long)i);
    }
    uint64_t there = 0;
    for (uint64_t i = 0; i < notes; i++) {
        if (mask_memory_find(m, 0, number(i), &found)) {
            cr_assert(id128_equal(found, number(i + 1)));
            there++;
        }
    }
    cr_expect_eq(there, MASK_MEMORY_PAIRS - 1);
    for (uint64_t i = notes - MASK_MEMORY_PAIRS + 100; i < notes; i++)
        cr_assert(mask_memory_find(m, 0, number(i), &found), "%lu", (unsigned long)i);
    mask_memory_destroy(m);
}
