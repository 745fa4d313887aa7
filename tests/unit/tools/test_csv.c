/*
 * test_csv.c - fields against a splitter that looks at one byte at a time.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/rng.h"
#include "tools/csv.h"
#include "tools/input.h"

/* Bytes with the padding the scanner may read. */
struct window {
    uint8_t *data;
    size_t size;
};

static struct window window_of(struct slice text, size_t size)
{
    struct window w = {.data = mem_zero(size + INPUT_PADDING, 1), .size = size};
    bytes_copy(w.data, text.data, size);
    return w;
}

/* The naive splitter: one record into fields. Returns how many bytes it took; *ret_bad: the rules were broken. */
static size_t naive_record(struct slice text, struct buffer *fields, uint32_t *ret_count,
                           bool *ret_bad)
{
    size_t at = 0;
    *ret_count = 0;
    *ret_bad = false;
    for (;;) {
        if (at < text.size && text.data[at] == '"') {
            for (at++;; at++) {
                if (at >= text.size) {
                    *ret_bad = true;
                    return at;
                }
                if (text.data[at] != '"') {
                    buffer_add_byte(fields, text.data[at]);
                } else if (at + 1 < text.size && text.data[at + 1] == '"') {
                    buffer_add_byte(fields, '"');
                    at++;
                } else {
                    break;
                }
            }
            at++;
            bool end = at >= text.size || text.data[at] == ',' || text.data[at] == '\n' ||
                       (text.data[at] == '\r' && at + 1 < text.size && text.data[at + 1] == '\n');
            if (!end) {
                *ret_bad = true;
                return at;
            }
        } else {
            while (at < text.size && text.data[at] != ',' && text.data[at] != '\n' &&
                   !(text.data[at] == '\r' && at + 1 < text.size && text.data[at + 1] == '\n')) {
                if (text.data[at] == '"') {
                    *ret_bad = true;
                    return at;
                }
                buffer_add_byte(fields, text.data[at++]);
            }
        }
        buffer_add_byte(fields, 0x1f);
        ++*ret_count;
        if (at >= text.size)
            return at;
        if (text.data[at] == ',') {
            at++;
            continue;
        }
        return at + (text.data[at] == '\r' ? 2 : 1);
    }
}

static size_t our_record(const uint8_t *data, size_t size, struct buffer *fields,
                         uint32_t *ret_count, bool *ret_bad)
{
    struct buffer scratch = {0};
    const uint8_t *at = data;
    const uint8_t *end = data + size;
    *ret_count = 0;
    *ret_bad = false;
    for (;;) {
        struct slice text;
        bool quoted;
        const char *reason = NULL;
        enum csv_result r = csv_take(at, end, true, &scratch, &text, &quoted, &at, &reason);
        if (r != CSV_FIELD) {
            cr_assert(eq(int, r, CSV_BAD));
            cr_assert(ne(ptr, (void *)(uintptr_t)reason, NULL));
            *ret_bad = true;
            break;
        }
        buffer_add_slice(fields, text);
        buffer_add_byte(fields, 0x1f);
        ++*ret_count;
        if (at < end && *at == ',') {
            at++;
            continue;
        }
        at += csv_line_end(at, end);
        break;
    }
    buffer_deinit(&scratch);
    return (size_t)(at - data);
}

static void compare(struct slice text)
{
    struct buffer ours = {0};
    struct buffer naive = {0};
    uint32_t our_count, naive_count;
    bool our_bad, naive_bad;
    struct window w = window_of(text, text.size);
    size_t our_size = our_record(w.data, w.size, &ours, &our_count, &our_bad);
    size_t naive_size = naive_record(text, &naive, &naive_count, &naive_bad);
    cr_assert(our_bad == naive_bad, "'%.*s'", SLICE_ARG(text));
    if (!our_bad) {
        cr_assert(eq(u32, our_count, naive_count));
        cr_assert(eq(sz, our_size, naive_size));
        cr_assert(slice_equal(buffer_slice(&ours), buffer_slice(&naive)), "'%.*s'",
                  SLICE_ARG(text));
        /* A record that is good is also skipped whole. */
        const uint8_t *skipped = csv_skip_record(w.data, w.data + w.size, true);
        cr_assert(eq(sz, (size_t)(skipped - w.data), our_size));
    }
    mem_free(w.data);
    buffer_deinit(&ours);
    buffer_deinit(&naive);
}

static const char *const records[] = {
    "a,b,c\n",
    "a,b,c\r\n",
    "a,b,c",
    "",
    "\n",
    ",",
    ",,\n",
    "\"\"\n",
    "\"\",\"\"\n",
    "\"a\"\n",
    "\"a,b\",c\n",
    "\"a\nb\",c\n",
    "\"a\r\nb\"\r\nnext",
    "\"say \"\"hi\"\"\",x\n",
    "\"\"\"\"\n",
    "\"\"\"\",\"\"\"\"\"\"\n",
    "\"open",
    "\"open\n,x",
    "\"closed\"x,\n",
    "\"closed\" ,\n",
    "a\"b,c\n",
    "a,b\"\n",
    "a\rb,c\n",
    "a\r,c\n",
    "a\r",
    "\"a\"\r",
    "\"a\"\r\n",
    "a field that is longer than sixteen bytes,and another one of that kind\n",
    "exactly sixteen.,exactly sixteen.\n",
};

Test(csv, agrees_with_the_naive_splitter_on_known_records)
{
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        compare(slice_text(records[i]));
}

Test(csv, agrees_with_the_naive_splitter_on_random_bytes)
{
    static const char alphabet[] = "ab,,,\"\"\"\n\r \xc3\xa9";
    struct rng rng;
    rng_init(&rng, 42);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        size_t size = rng_below(&rng, sizeof text);
        for (size_t k = 0; k < size; k++)
            text[k] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
        compare(slice_of(text, size));
    }
}

/* A window that ends inside a field must ask for more, unless what is there settles it either way. */
Test(csv, asks_for_more_at_every_truncation)
{
    static const char text[] = "\"a \"\"q\"\"\",b\r\n";
    for (size_t size = 0; size < 9; size++) {
        struct window w = window_of(slice_text(text), size);
        struct buffer scratch = {0};
        struct slice field;
        bool quoted;
        const uint8_t *after;
        const char *reason;
        enum csv_result r =
            csv_take(w.data, w.data + w.size, false, &scratch, &field, &quoted, &after, &reason);
        cr_assert(r == CSV_MORE, "%zu bytes", size);
        cr_assert(
            eq(ptr, (void *)(uintptr_t)csv_skip_record(w.data, w.data + w.size, false), NULL));
        buffer_deinit(&scratch);
        mem_free(w.data);
    }
}

Test(csv, a_carriage_return_at_the_windows_end_waits_for_its_line_feed)
{
    struct window w = window_of(slice_text("\"a\"\r"), 4);
    struct buffer scratch = {0};
    struct slice field;
    bool quoted;
    const uint8_t *after;
    const char *reason;
    cr_assert(eq(int,
                 csv_take(w.data, w.data + 4, false, &scratch, &field, &quoted, &after, &reason),
                 CSV_MORE));
    buffer_deinit(&scratch);
    mem_free(w.data);
}

Test(csv, scans_like_a_loop)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 5000; i++) {
        uint8_t bytes[80];
        size_t size = rng_below(&rng, sizeof bytes);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)rng_u64(&rng);
        struct window w = window_of(slice_of(bytes, size), size);
        const uint8_t *naive = w.data;
        while (naive < w.data + size && *naive != ',' && *naive != '\n' && *naive != '"')
            naive++;
        cr_assert(
            eq(ptr, (void *)(uintptr_t)csv_scan(w.data, w.data + size), (void *)(uintptr_t)naive));
        mem_free(w.data);
    }
}
