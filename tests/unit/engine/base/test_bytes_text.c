/*
 * test_bytes_text.c - sizes people write.
 */
#include <criterion/criterion.h>

#include "engine/base/bytes_text.h"

Test(bytes_text, sizes_read_and_write)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *canonical;
    } cases[] = {{"0", 0, "0B"},           {"64MiB", 64u << 20, "64MiB"}, {"1024KiB", 1u << 20, "1MiB"},
                 {"100B", 100, "100B"},    {"1536KiB", 1536u << 10, "1536KiB"},
                 {"2TiB", 2199023255552u, "2TiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes = 1;
        char text[BYTES_TEXT_BYTES];
        cr_assert(bytes_from_text(slice_text(cases[i].text), &bytes), "%s", cases[i].text);
        cr_assert_eq(bytes, cases[i].bytes);
        bytes_to_text(bytes, text);
        cr_assert_str_eq(text, cases[i].canonical);
    }
}

Test(bytes_text, what_is_no_size_is_refused)
{
    static const char *const bad[] = {"", "B", "MiB", "5MB", "-1", "1.5GiB", "99999999999999999999", "99999999999TiB", " 1"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!bytes_from_text(slice_text(bad[i]), &bytes), "%s", bad[i]);
}
