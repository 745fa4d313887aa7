/*
 * test_inflate.c - content encodings: several members, both forms of deflate, cuts, flips, bombs, limits +-1.
 */
#include <criterion/criterion.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/base/rng.h"
#include "server/codec/base64.h"
#include "server/codec/inflate.h"

#define WINDOW_GZIP (15 + 16)
#define WINDOW_ZLIB 15
#define WINDOW_RAW  (-15)

static void deflate_to(struct buffer *to, int window, struct slice bytes)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes.data, .avail_in = (uInt)bytes.size};
    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, bytes.size);
    z.next_out = buffer_reserve(to, bound);
    z.avail_out = (uInt)bound;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    to->size += bound - z.avail_out;
    (void)deflateEnd(&z);
}

static void zstd_to(struct buffer *to, struct slice bytes)
{
    size_t bound = ZSTD_compressBound(bytes.size);
    to->size += ZSTD_compress(buffer_reserve(to, bound), bound, bytes.data, bytes.size, 3);
}

static void encode(struct buffer *to, enum content_encoding encoding, int window,
                   struct slice bytes)
{
    if (encoding == ENCODING_ZSTD)
        zstd_to(to, bytes);
    else if (encoding == ENCODING_IDENTITY)
        buffer_add_slice(to, bytes);
    else
        deflate_to(to, window, bytes);
}

static const struct {
    enum content_encoding encoding;
    int window;
} kinds[] = {
    {ENCODING_IDENTITY, 0},         {ENCODING_GZIP, WINDOW_GZIP}, {ENCODING_DEFLATE, WINDOW_ZLIB},
    {ENCODING_DEFLATE, WINDOW_RAW}, {ENCODING_ZSTD, 0},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* Half noise, half repetition. */
static void text_fill(struct buffer *to, size_t size)
{
    struct rng rng;
    rng_init(&rng, size);
    uint8_t *at = buffer_reserve(to, size);
    for (size_t i = 0; i < size; i++)
        at[i] = i % 64 < 32 ? (uint8_t)rng_below(&rng, 256) : 'a';
    to->size += size;
}

/* Decodes a copy of exactly its size. */
static enum status decode(enum content_encoding encoding, struct slice bytes, size_t bytes_max,
                          struct buffer *to, struct error *error)
{
    uint8_t *copy = mem_alloc(bytes.size);
    bytes_copy(copy, bytes.data, bytes.size);
    enum status s = content_decode(encoding, slice_of(copy, bytes.size), bytes_max, to, error);
    mem_free(copy);
    return s;
}

Test(inflate, what_was_encoded_comes_back)
{
    static const size_t sizes[] = {0, 1, 1000, 65535, 65536, 65537, 300000};
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct buffer text = {0};
            struct buffer packed = {0};
            struct buffer out = {0};
            struct error error = {0};
            text_fill(&text, sizes[i]);
            encode(&packed, kinds[k].encoding, kinds[k].window, buffer_slice(&text));
            buffer_add_text(&out, "before");
            cr_assert_eq(decode(kinds[k].encoding, buffer_slice(&packed), sizes[i], &out, &error),
                         STATUS_OK, "kind %zu, %zu bytes: %s", k, sizes[i], error.text);
            cr_assert_eq(out.size, 6 + sizes[i]);
            cr_assert_eq(memcmp(out.data, "before", 6), 0);
            cr_assert(slice_equal(slice_of(out.data + 6, sizes[i]), buffer_slice(&text)));
            buffer_deinit(&text);
            buffer_deinit(&packed);
            buffer_deinit(&out);
        }
    }
}

Test(inflate, one_byte_over_the_limit_is_too_many)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer text = {0};
        struct buffer packed = {0};
        struct buffer out = {0};
        struct error error = {0};
        text_fill(&text, 200000);
        encode(&packed, kinds[k].encoding, kinds[k].window, buffer_slice(&text));
        cr_assert_eq(decode(kinds[k].encoding, buffer_slice(&packed), 199999, &out, &error),
                     STATUS_LIMIT, "kind %zu", k);
        cr_assert_str_eq(error.text, "the body has more than 199999 bytes when decoded");
        cr_assert_eq(out.size, 0);
        cr_assert_leq(out.capacity, 199999);
        cr_assert_eq(decode(kinds[k].encoding, buffer_slice(&packed), 0, &out, NULL), STATUS_LIMIT);
        cr_assert_eq(decode(kinds[k].encoding, buffer_slice(&packed), 200000, &out, NULL),
                     STATUS_OK);
        buffer_deinit(&text);
        buffer_deinit(&packed);
        buffer_deinit(&out);
    }
}

/* 1 GiB of zeros in a megabyte or less. */
Test(inflate, bombs_stop_at_the_limit)
{
    struct buffer zeros = {0};
    memset(buffer_reserve(&zeros, 16u << 20), 0, 16u << 20);
    zeros.size = 16u << 20;
    for (size_t k = 1; k < KINDS; k++) {
        struct buffer packed = {0};
        struct buffer out = {0};
        encode(&packed, kinds[k].encoding, kinds[k].window, buffer_slice(&zeros));
        struct slice one = buffer_slice(&packed);
        size_t size = one.size;
        bool has_members = kinds[k].encoding != ENCODING_DEFLATE;
        for (int i = 1; has_members && i < 64; i++)
            buffer_add(&packed, packed.data, size);
        cr_assert_eq(content_decode(kinds[k].encoding, buffer_slice(&packed), 4u << 20, &out, NULL),
                     STATUS_LIMIT);
        cr_assert_leq(out.capacity, 4u << 20);
        buffer_deinit(&packed);
        buffer_deinit(&out);
    }
    buffer_deinit(&zeros);
}

Test(inflate, several_members_are_one_body)
{
    for (int zstd = 0; zstd < 2; zstd++) {
        struct buffer packed = {0};
        struct buffer out = {0};
        for (int i = 0; i < 3; i++)
            encode(&packed, zstd ? ENCODING_ZSTD : ENCODING_GZIP, WINDOW_GZIP,
                   slice_text(i == 1 ? "" : "part"));
        cr_assert_eq(
            decode(zstd ? ENCODING_ZSTD : ENCODING_GZIP, buffer_slice(&packed), 8, &out, NULL),
            STATUS_OK);
        cr_assert(slice_is(buffer_slice(&out), "partpart"));
        buffer_deinit(&packed);
        buffer_deinit(&out);
    }
}

Test(inflate, every_truncation_is_refused_and_every_flip_is_harmless)
{
    for (size_t k = 1; k < KINDS; k++) {
        struct buffer text = {0};
        struct buffer packed = {0};
        struct buffer out = {0};
        text_fill(&text, 600);
        encode(&packed, kinds[k].encoding, kinds[k].window, buffer_slice(&text));
        for (size_t cut = 0; cut < packed.size; cut++) {
            struct error error = {0};
            cr_assert_eq(decode(kinds[k].encoding, slice_of(packed.data, cut), 4096, &out, &error),
                         STATUS_INVALID, "kind %zu: %zu of %zu bytes", k, cut, packed.size);
            cr_assert_eq(out.size, 0);
            cr_assert_neq(error.text[0], 0);
        }
        for (size_t bit = 0; bit < packed.size * 8; bit++) {
            packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum status s = decode(kinds[k].encoding, buffer_slice(&packed), 4096, &out, NULL);
            cr_assert(s == STATUS_OK || s == STATUS_INVALID || s == STATUS_LIMIT);
            cr_assert_leq(out.size, 4096);
            buffer_reset(&out);
            packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buffer_add_byte(&packed, 'x');
        cr_assert_eq(decode(kinds[k].encoding, buffer_slice(&packed), 4096, &out, NULL),
                     STATUS_INVALID, "kind %zu: bytes behind the end", k);
        buffer_deinit(&text);
        buffer_deinit(&packed);
        buffer_deinit(&out);
    }
}

/* A frame that wants a 16 MiB window. */
Test(inflate, large_zstd_windows_are_refused)
{
    static const uint8_t frames[2][10] = {
        {0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x01, 0x00, 0x00, 0}, /* 8 MiB, one empty block */
        {0x28, 0xb5, 0x2f, 0xfd, 0x00, 14 << 3, 0x01, 0x00, 0x00, 0},
    };
    struct buffer out = {0};
    cr_assert_eq(decode(ENCODING_ZSTD, slice_of(frames[0], 9), 100, &out, NULL), STATUS_OK);
    cr_assert_eq(decode(ENCODING_ZSTD, slice_of(frames[1], 9), 100, &out, NULL), STATUS_INVALID);
    buffer_deinit(&out);
}

Test(inflate, names_of_encodings)
{
    static const struct {
        const char *name;
        bool known;
        enum content_encoding encoding;
    } names[] = {{NULL, true, ENCODING_IDENTITY},       {"", true, ENCODING_IDENTITY},
                 {"identity", true, ENCODING_IDENTITY}, {"GZip", true, ENCODING_GZIP},
                 {"x-gzip", true, ENCODING_GZIP},       {"deflate", true, ENCODING_DEFLATE},
                 {"ZSTD", true, ENCODING_ZSTD},         {"br", false, ENCODING_IDENTITY},
                 {"snappy", false, ENCODING_IDENTITY},  {"gzip, gzip", false, ENCODING_IDENTITY}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        enum content_encoding encoding = ENCODING_IDENTITY;
        cr_assert_eq(content_encoding_from_name(names[i].name, &encoding), names[i].known, "%zu",
                     i);
        cr_assert_eq(encoding, names[i].encoding, "%zu", i);
    }
}

Test(base64, round_trip_and_refusals)
{
    static const char *const bad[] = {
        "A", "AAAAA", "A===", "AA=A", "A A=", "AA==AA==", "AAA*", "=", "AA="};
    struct arena arena = {0};
    struct slice back;
    for (size_t size = 0; size < 70; size++) {
        struct buffer text = {0};
        struct buffer bytes = {0};
        text_fill(&bytes, size);
        base64_encode(buffer_slice(&bytes), &text);
        cr_assert_eq(text.size, base64_size(size));
        cr_assert(base64_parse(buffer_slice(&text), &arena, &back));
        cr_assert(slice_equal(back, buffer_slice(&bytes)));
        buffer_deinit(&text);
        buffer_deinit(&bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!base64_parse(slice_text(bad[i]), &arena, &back), "%s", bad[i]);
    cr_assert(base64_parse(slice_text("_-8"), &arena, &back));
    cr_assert(slice_equal(back, slice_text("\xff\xef")));
    arena_deinit(&arena);
}
