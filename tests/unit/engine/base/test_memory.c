/*
 * test_memory.c - arenas, buffers, number builders and error texts.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/cursor.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"

Test(arena, hands_out_aligned_memory_that_does_not_overlap)
{
    enum {
        COUNT = 2000
    };
    struct arena a = {0};
    uint8_t *pieces[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        pieces[i] = arena_alloc(&a, i);
        cr_assert(eq(u64, (uintptr_t)pieces[i] % 16, 0));
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < i; k++)
            cr_assert(eq(u8, pieces[i][k], (uint8_t)i), "piece %zu was overwritten", i);
    }
    arena_deinit(&a);
}

Test(arena, gives_room_larger_than_its_largest_block)
{
    struct arena a = {0};
    size_t size = (size_t)5 << 20;
    uint8_t *large = arena_zero(&a, size, 1);
    large[size - 1] = 7;
    (void)arena_alloc(&a, 16);
    cr_assert(ge(sz, a.bytes, size + 16));
    arena_reset(&a);
    cr_assert(eq(sz, a.bytes, 0));
    (void)arena_alloc(&a, size);
    arena_deinit(&a);
    arena_deinit(&a);
    arena_deinit(NULL);
}

Test(arena, copies_end_with_a_nul)
{
    struct arena a = {0};
    struct slice copy = arena_copy(&a, slice_of("abc", 2));
    cr_assert(eq(sz, copy.size, 2));
    cr_assert(eq(int, memcmp(copy.data, "ab", 3), 0));
    cr_assert_str_eq(arena_strdup(&a, "x"), "x");
    cr_assert_str_eq(arena_printf(&a, "%d-%s", 7, "y"), "7-y");
    arena_deinit(&a);
}

Test(buffer, grows_and_keeps_what_it_holds)
{
    struct buffer b = {0};
    cr_assert(eq(sz, buffer_slice(&b).size, 0));
    cr_assert(ne(ptr, (void *)buffer_slice(&b).data, NULL));
    for (int i = 0; i < 10000; i++)
        buffer_printf(&b, "%d,", i);
    cr_assert(eq(sz, b.size, 48890));
    cr_assert(eq(int, memcmp(b.data + b.size - 10, "9998,9999,", 10), 0));
    size_t capacity = b.capacity;
    buffer_reset(&b);
    buffer_add_text(&b, "abc");
    buffer_add_byte(&b, 'd');
    buffer_add_slice(&b, SLICE_EMPTY);
    cr_assert(slice_is(buffer_slice(&b), "abcd"));
    cr_assert(eq(sz, b.capacity, capacity));
    buffer_deinit(&b);
    buffer_deinit(NULL);
}

Test(put, writes_little_endian)
{
    struct buffer b = {0};
    put_u8(&b, 0x01);
    put_u16(&b, 0x0203);
    put_u32(&b, 0x04050607);
    put_u64(&b, 0x08090a0b0c0d0e0fu);
    put_bytes(&b, slice_text("hi"));
    static const uint8_t expected[] = {1,    3,    2,    7,    6, 5, 4, 0x0f, 0x0e,
                                       0x0d, 0x0c, 0x0b, 0x0a, 9, 8, 2, 'h',  'i'};
    cr_assert(slice_equal(buffer_slice(&b), slice_of(expected, sizeof expected)));
    struct cursor c = cursor_over(buffer_slice(&b));
    cr_assert(eq(u8, cursor_u8(&c), 1));
    cr_assert(eq(u16, cursor_u16(&c), 0x0203));
    cr_assert(eq(u32, cursor_u32(&c), 0x04050607));
    cr_assert(eq(u64, cursor_u64(&c), 0x08090a0b0c0d0e0fu));
    cr_assert(slice_is(cursor_bytes(&c), "hi"));
    cr_assert(cursor_done(&c));
    buffer_deinit(&b);
}

Test(error, texts_are_cut_where_they_end)
{
    struct error e = {0};
    char text[2 * ERROR_TEXT_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    cr_assert(eq(int, error_set_at(&e, STATUS_IO, 42, "%s", text), STATUS_IO));
    cr_assert(eq(sz, strlen(e.text), ERROR_TEXT_BYTES - 1));
    error_prefix(&e, "file %d", 7);
    cr_assert(eq(sz, strlen(e.text), ERROR_TEXT_BYTES - 1));
    cr_assert(eq(int, strncmp(e.text, "file 7: xxx", 11), 0));
    cr_assert(eq(i64, e.position, 42));
    error_prefix(&e, "%s", text);
    cr_assert(eq(int, e.status, STATUS_IO));
}

Test(error, damage_names_file_and_offset)
{
    struct error e = {0};
    cr_assert(eq(int, corrupt(&e, "wal/1.wal", 4096, "frame of %d bytes", 7), STATUS_CORRUPT));
    cr_assert_str_eq(e.text, "wal/1.wal at offset 4096: frame of 7 bytes");
    cr_assert(eq(i64, e.position, 4096));
    error_prefix(&e, "replay");
    cr_assert_str_eq(e.text, "replay: wal/1.wal at offset 4096: frame of 7 bytes");
    cr_assert(eq(int, corrupt(NULL, "f", 0, "x"), STATUS_CORRUPT));
}

Test(error, every_status_has_a_name_and_a_sentence)
{
    cr_assert_str_eq(status_name(STATUS_READ_ONLY), "READ_ONLY");
    cr_assert_str_eq(status_sentence(STATUS_OK), "ok");
    cr_assert_str_eq(status_name((enum status) - 999), "UNKNOWN");
}
