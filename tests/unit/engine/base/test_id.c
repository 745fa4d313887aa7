/*
 * test_id.c - identifiers and hex.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/id.h"

Test(id, hex_goes_both_ways)
{
    struct id128 id;
    struct slice text = slice_text("4bf92f3577b34da6a3ce929d0e0e4736");
    cr_assert(id128_from_hex(text, &id));
    cr_assert(eq(u8, id.bytes[0], 0x4b));
    char hex[ID128_HEX_BYTES];
    id128_to_hex(id, hex);
    cr_assert(slice_equal(slice_of(hex, sizeof hex), text));

    uint64_t span = 0;
    cr_assert(id64_from_hex(slice_text("00F067aa0ba902b7"), &span));
    cr_assert(eq(u64, span, 0x00f067aa0ba902b7u));
    id64_to_hex(span, hex);
    cr_assert(eq(int, memcmp(hex, "00f067aa0ba902b7", 16), 0));
}

Test(id, text_that_is_not_exactly_hex_is_refused)
{
    struct id128 id;
    uint64_t span = 7;
    cr_assert(not(id128_from_hex(slice_text("4bf92f3577b34da6a3ce929d0e0e473"), &id)));
    cr_assert(not(id128_from_hex(slice_text("4bf92f3577b34da6a3ce929d0e0e47360"), &id)));
    cr_assert(not(id128_from_hex(slice_text("4bf92f3577b34da6a3ce929d0e0e473g"), &id)));
    cr_assert(not(id64_from_hex(slice_text("00f067aa0ba902b"), &span)));
    cr_assert(not(id64_from_hex(slice_text("00f067aa0ba902b "), &span)));
    cr_assert(not(id64_from_hex(SLICE_EMPTY, &span)));
    cr_assert(eq(u64, span, 7));
    for (int c = 0; c < 256; c++) {
        char text[16];
        memset(text, '1', sizeof text);
        text[9] = (char)c;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        cr_assert(eq(int, id64_from_hex(slice_of(text, sizeof text), &span), is_hex));
    }
}

Test(id, order_and_zero)
{
    struct id128 a = {{0}};
    struct id128 b = {{0}};
    cr_assert(id128_is_zero(a));
    cr_assert(id128_equal(a, b));
    b.bytes[15] = 1;
    a.bytes[0] = 0;
    cr_assert(lt(int, id128_compare(a, b), 0));
    a.bytes[0] = 0x80;
    cr_assert(gt(int, id128_compare(a, b), 0));
    cr_assert(ne(u64, id128_hash(a), id128_hash(b)));
}
