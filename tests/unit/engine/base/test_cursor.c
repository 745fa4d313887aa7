/*
 * test_cursor.c - reads of untrusted bytes: every truncation, and the edges of varints.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/cursor.h"
#include "engine/base/memory.h"

/* Reads the record that truncation_fails_and_stays_failed writes. */
static bool read_record(struct slice bytes)
{
    struct cursor c = cursor_over(bytes);
    bool good = cursor_u8(&c) == 1;
    good &= cursor_u16(&c) == 2;
    good &= cursor_u32(&c) == 3;
    good &= cursor_u64(&c) == 4;
    good &= cursor_varint(&c) == 300;
    good &= slice_is(cursor_bytes(&c), "hello");
    good &= cursor_take(&c, 3).size == 3;
    return cursor_done(&c) && good;
}

Test(cursor, every_truncation_fails)
{
    struct buffer b = {0};
    put_u8(&b, 1);
    put_u16(&b, 2);
    put_u32(&b, 3);
    put_u64(&b, 4);
    put_varint(&b, 300);
    put_bytes(&b, slice_text("hello"));
    buffer_add_text(&b, "xyz");
    cr_assert(read_record(buffer_slice(&b)));
    for (size_t size = 0; size < b.size; size++) {
        /* A heap copy of that size lets the sanitizer see any read past its end. */
        uint8_t *copy = mem_alloc(size);
        bytes_copy(copy, b.data, size);
        cr_assert(not(read_record(slice_of(copy, size))), "%zu bytes were taken for all", size);
        mem_free(copy);
    }
    buffer_add_byte(&b, 0);
    cr_assert(not(read_record(buffer_slice(&b))), "a byte too many went unnoticed");
    buffer_deinit(&b);
}

Test(cursor, stays_failed_and_reads_nothing_more)
{
    struct cursor c = cursor_over(slice_of("\1\2\3", 3));
    cr_assert(eq(u32, cursor_u32(&c), 0));
    cr_assert(c.failed);
    cr_assert(eq(u8, cursor_u8(&c), 0));
    cr_assert(eq(u64, cursor_varint(&c), 0));
    cr_assert(eq(sz, cursor_bytes(&c).size, 0));
    cr_assert(eq(sz, cursor_left(&c), 0));
    cr_assert(not(cursor_done(&c)));
}

Test(cursor, lengths_beyond_the_end_take_nothing)
{
    struct cursor c = cursor_over(slice_of("abc", 3));
    cr_assert(eq(sz, cursor_take(&c, UINT64_MAX).size, 0));
    cr_assert(c.failed);
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'a'};
    c = cursor_over(slice_of(huge, sizeof huge));
    cr_assert(eq(sz, cursor_bytes(&c).size, 0));
    cr_assert(c.failed);
}

static bool varint_read(const char *bytes, size_t size, uint64_t *ret)
{
    struct cursor c = cursor_over(slice_of(bytes, size));
    *ret = cursor_varint(&c);
    return cursor_done(&c);
}

Test(cursor, varints_go_both_ways_at_every_length)
{
    struct buffer b = {0};
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
            uint64_t back = 0;
            buffer_reset(&b);
            put_varint(&b, v);
            cr_assert(varint_read((char *)b.data, b.size, &back));
            cr_assert(eq(u64, back, v));
        }
    }
    buffer_deinit(&b);
}

Test(cursor, varints_that_are_too_long_or_padded_fail)
{
    uint64_t v = 0;
    cr_assert(varint_read("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, &v));
    cr_assert(eq(u64, v, UINT64_MAX));
    cr_assert(not(varint_read("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &v)));
    cr_assert(not(varint_read("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, &v)));
    cr_assert(not(varint_read("\x80\x00", 2, &v)));
    cr_assert(not(varint_read("\xac\x82\x00", 3, &v)));
    cr_assert(not(varint_read("\x80", 1, &v)));
    cr_assert(not(varint_read("", 0, &v)));
    cr_assert(varint_read("\x00", 1, &v));
}
