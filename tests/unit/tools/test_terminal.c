/*
 * test_terminal.c - what others wrote must not move the cursor.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tools/terminal.h"

struct clip_case {
    const char *text;
    uint32_t max;
    const char *shown;
    uint32_t count;
};

Test(terminal, clips_by_characters)
{
    static const struct clip_case cases[] = {
        {"", 10, "", 0},
        {"abc", 3, "abc", 3},
        {"abcd", 3, "abc", 3},
        {"abcdef", 5, "ab...", 5},
        {"abcde", 5, "abcde", 5},
        {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 5, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
         5},
        {"\xf0\x9f\x98\x80xyzab", 4, "\xf0\x9f\x98\x80...", 4},
        {"long without bound", 0, "long without bound", 18},
        {"a\nb\tc\r", 0, "a b c ", 6},
        {"\033[31mred\x07", 0, "?[31mred?", 9},
        {"\x7f\xc2\x9b\x31m", 0, "??1m", 4},
        {"\xff\xc3", 0, "\xef\xbf\xbd\xef\xbf\xbd", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer b = {0};
        uint32_t count = terminal_add_clipped(&b, slice_text(cases[i].text), cases[i].max);
        cr_assert(slice_is(buffer_slice(&b), cases[i].shown), "case %zu: '%.*s'", i,
                  SLICE_ARG(buffer_slice(&b)));
        cr_assert(eq(u32, count, cases[i].count));
        buffer_deinit(&b);
    }
}

Test(terminal, pads_to_the_width)
{
    struct buffer b = {0};
    terminal_add_padded(&b, slice_text("\xc3\xa9"), 3);
    terminal_add_padded(&b, slice_text("abcdef"), 5);
    cr_assert(slice_is(buffer_slice(&b), "\xc3\xa9  ab..."));
    buffer_deinit(&b);
}

Test(terminal, blocks_keep_their_lines)
{
    struct buffer b = {0};
    terminal_add_block(&b, slice_text("one\n\x1b[2Jtwo\n\nlast"), 2);
    cr_assert(slice_is(buffer_slice(&b), "  one\n  ?[2Jtwo\n  \n  last\n"));
    buffer_deinit(&b);
}
