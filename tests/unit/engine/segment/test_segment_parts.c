/*
 * test_segment_parts.c - the small encodings against obvious versions of themselves, and against damage.
 */
#include "engine/segment/ints.h"
#include "engine/segment/pack.h"
#include "segment_fixture.h"

#include "engine/segment/segment_format.h"
#include "engine/segment/shape.h"

/* ---- packed integers ---- */

Test(segment_pack, every_width_comes_back_and_agrees_with_the_slow_version)
{
    static const uint32_t counts[] = {0, 1, 7, 255, 256, 257, 511, 512, 1000};
    static uint64_t values[1000];
    static uint64_t got[1000];
    static uint32_t got32[1000];
    struct rng rng;
    rng_init(&rng, 1);
    for (unsigned width = 0; width <= 64; width++) {
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            uint32_t count = counts[k];
            struct buffer b = {0};
            for (uint32_t i = 0; i < count; i++)
                values[i] = i % 5 == 0 ? bits_mask(width) : rng_u64(&rng) & bits_mask(width);
            pack_put(values, count, width, &b);
            cr_assert(b.size == pack_bytes(count, width));
            /* Exactly as many bytes as needed: reading beyond them is an error the sanitizer sees. */
            uint8_t *exact = mem_alloc(b.size);
            bytes_copy(exact, b.data, b.size);
            pack_get64(exact, count, width, got);
            cr_assert(memcmp(got, values, count * sizeof *got) == 0, "width %u", width);
            if (width <= 32) {
                pack_get32(exact, count, width, got32);
                for (uint32_t i = 0; i < count; i++)
                    cr_assert(got32[i] == values[i], "width %u", width);
            }
            for (uint32_t i = 0; i < count; i += 1 + count / 50)
                cr_assert(pack_get_slow(exact, count, width, i) == values[i], "width %u", width);
            mem_free(exact);
            buffer_deinit(&b);
        }
    }
}

Test(segment_pack, the_example_of_the_format)
{
    uint64_t values[] = {1, 2, 31};
    struct buffer b = {0};
    pack_put(values, 3, 5, &b);
    cr_assert(slice_equal(buffer_slice(&b), slice_of("\x41\x7c", 2)));
    buffer_deinit(&b);
}

/* ---- integer streams ---- */

static uint32_t style_values(enum style style, struct rng *rng, uint32_t count, int64_t *to)
{
    for (uint32_t i = 0; i < count; i++) {
        bool null;
        to[i] = styled(style, i, rng, &null);
    }
    return count;
}

static void stream_check(const int64_t *values, uint32_t count)
{
    struct buffer b = {0};
    int64_t *got = mem_alloc((size_t)count * sizeof *got);
    ints_put(values, count, false, &b);

    uint8_t *exact = mem_alloc(b.size);
    memcpy(exact, b.data, b.size);
    struct cursor c = cursor_over(slice_of(exact, b.size));
    ints_get64(&c, count, got);
    cr_assert(cursor_done(&c));
    cr_assert(memcmp(got, values, (size_t)count * sizeof *got) == 0);
    cr_assert(count == 0 || b.size <= (size_t)count * 8 + 32, "larger than the raw values");
    /* Every truncation is refused. */
    for (size_t cut = 0; cut < b.size; cut += 1 + b.size / 200) {
        uint8_t *shorter = mem_alloc(cut);
        bytes_copy(shorter, exact, cut);
        struct cursor t = cursor_over(slice_of(shorter, cut));
        ints_get64(&t, count, got);
        cr_assert(t.failed);
        mem_free(shorter);
    }
    mem_free(exact);
    mem_free(got);
    buffer_deinit(&b);
}

Test(segment_ints, every_style_and_length_comes_back)
{
    static int64_t values[8192];
    static const uint32_t counts[] = {0, 1, 2, 3, 63, 64, 65, 257, 1024, 8192};
    struct rng rng;
    rng_init(&rng, 2);
    for (int style = 0; style < STYLE_COUNT; style++) {
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
            stream_check(values, style_values((enum style)style, &rng, counts[k], values));
    }
}

Test(segment_ints, outliers_are_patched)
{
    static int64_t values[4096];
    struct buffer b = {0};
    for (uint32_t i = 0; i < 4096; i++)
        values[i] = i % 1000 == 999 ? INT64_MAX - i : (int64_t)(i % 16);
    stream_check(values, 4096);
    ints_put(values, 4096, false, &b);
    cr_assert(b.size < 2200, "%zu bytes", b.size);
    buffer_deinit(&b);
}

Test(segment_ints, the_example_of_the_format)
{
    int64_t values[] = {1000, 3000, 2000};
    struct buffer b = {0};
    ints_put(values, 3, false, &b);
    cr_assert(slice_equal(buffer_slice(&b), slice_of("\x01\xd0\x0f\xe8\x07\x02\x00\x18", 8)));
    buffer_deinit(&b);
}

Test(segment_ints, every_bit_flip_is_refused_or_harmless)
{
    static int64_t values[700];
    static int64_t got[700];
    static uint32_t got32[700];
    struct rng rng;
    rng_init(&rng, 3);
    static const enum style styles[] = {STYLE_SKEWED, STYLE_MOSTLY_ZERO, STYLE_RUNS, STYLE_EXTREME};
    for (size_t k = 0; k < 4; k++) {
        struct buffer b = {0};
        ints_put(values, style_values(styles[k], &rng, 700, values), false, &b);
        for (size_t bit = 0; bit < b.size * 8; bit += bit < 800 ? 1 : 61) {
            uint8_t *exact = mem_alloc(b.size);
            memcpy(exact, b.data, b.size);
            exact[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            struct cursor c = cursor_over(slice_of(exact, b.size));
            ints_get64(&c, 700, got);
            c = cursor_over(slice_of(exact, b.size));
            ints_get32(&c, 700, got32);
            mem_free(exact);
        }
        buffer_deinit(&b);
    }
}

Test(segment_ints, numbers_above_32_bits_are_refused_as_codes)
{
    uint32_t got[3];
    int64_t good[] = {0, UINT32_MAX, 5};
    int64_t bad[][3] = {{0, 1ll << 32, 5}, {0, -1, 5}, {-7, -7, -7}, {1ll << 40, 0, 0}};
    struct buffer b = {0};
    ints_put(good, 3, false, &b);
    struct cursor c = cursor_over(buffer_slice(&b));
    ints_get32(&c, 3, got);
    cr_assert(cursor_done(&c));
    cr_assert(got[1] == UINT32_MAX);
    for (size_t i = 0; i < 4; i++) {
        buffer_reset(&b);
        ints_put(bad[i], 3, false, &b);
        c = cursor_over(buffer_slice(&b));
        ints_get32(&c, 3, got);
        cr_assert(c.failed, "case %zu", i);
    }
    buffer_deinit(&b);
}

/* ---- row sets ---- */

static void mask_random(struct rng *rng, uint32_t rows, struct mask *m)
{
    uint64_t density = rng_below(rng, 5);
    uint32_t run = 1;
    bool in = false;
    memset(m, 0, sizeof *m);
    for (uint32_t row = 0; row < rows; row++) {
        if (density == 4 && --run == 0) {
            run = 1 + (uint32_t)rng_below(rng, 300);
            in = !in;
        }
        bool set = density == 0   ? rng_below(rng, 2) == 0
                   : density == 1 ? rng_below(rng, 60) == 0
                   : density == 2 ? rng_below(rng, 60) != 0
                   : density == 3 ? rng_below(rng, 3) == 0
                                  : in;
        if (set)
            mask_set(m, row);
    }
}

Test(segment_mask, sets_and_complements_come_back)
{
    static const uint32_t row_counts[] = {1, 2, 63, 64, 65, 1000, 8191, 8192};
    struct rng rng;
    rng_init(&rng, 4);
    for (uint32_t round = 0; round < 24; round++) {
        struct mask_set set = {.rows = row_counts[round % 8]};
        struct mask masks[12];
        uint16_t refs[12];
        for (uint32_t i = 0; i < 12; i++) {
            mask_random(&rng, set.rows, &masks[i]);
            for (uint32_t w = 0; i % 3 == 2 && w < MASK_WORDS; w++)
                masks[i].words[w] &= masks[i - 1].words[w];
            refs[i] = mask_set_add(&set, &masks[i]);
            cr_assert(mask_set_find(&set, &masks[i]) == refs[i]);
            cr_assert(mask_set_cost(&set, &masks[i]) == 0);
        }
        struct buffer b = {0};
        mask_set_put(&set, &b);
        for (uint32_t i = 0; i < 12; i++) {
            struct mask got;
            cr_assert(mask_part_get(buffer_slice(&b), set.rows, refs[i], &got));
            cr_assert(memcmp(&got, &masks[i], sizeof got) == 0, "round %u mask %u", round, i);
            mask_invert(&masks[i], set.rows);
            cr_assert(mask_part_get(buffer_slice(&b), set.rows, refs[i] ^ 1, &got));
            cr_assert(memcmp(&got, &masks[i], sizeof got) == 0);
        }
        struct mask got;
        cr_assert(mask_part_get(buffer_slice(&b), set.rows, (uint16_t)(2 * set.count + 2), &got) ==
                  false);
        for (size_t cut = 0; cut < b.size; cut += 1 + b.size / 50) {
            uint8_t *shorter = mem_alloc(cut);
            bytes_copy(shorter, b.data, cut);
            for (uint16_t ref = 2; ref < 2 * set.count + 2; ref += 2)
                (void)mask_part_get(slice_of(shorter, cut), set.rows, ref, &got);
            mem_free(shorter);
        }
        for (size_t bit = 0; bit < b.size * 8; bit += 1 + b.size / 20) {
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            for (uint16_t ref = 2; ref < 2 * set.count + 2; ref += 2)
                (void)mask_part_get(buffer_slice(&b), set.rows, ref, &got);
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        buffer_deinit(&b);
        mask_set_deinit(&set);
    }
}

Test(segment_mask, a_chain_of_sets_within_sets_is_bounded)
{
    /* Each set lies within the one before: a hostile part could make a reader recurse without end. */
    struct buffer b = {0};
    struct mask got;
    put_varint(&b, 40);
    put_varint(&b, 2);
    for (uint32_t i = 1; i < 40; i++)
        put_varint(&b, 4);
    put_u8(&b, 0);
    put_u8(&b, 0xff);
    for (uint32_t i = 1; i < 40; i++) {
        put_u8(&b, 3);
        put_u16(&b, (uint16_t)(2 * i));
        put_u8(&b, 0xff);
    }
    cr_assert(mask_part_get(buffer_slice(&b), 8, 2 * 3 + 2, &got));
    cr_assert(mask_ones(&got) == 8);
    cr_assert(mask_part_get(buffer_slice(&b), 8, 2 * 4 + 2, &got) == false);
    cr_assert(mask_part_get(buffer_slice(&b), 8, 2 * 39 + 2, &got) == false);
    buffer_deinit(&b);
}

Test(segment_mask, bits_are_deposited_at_the_places_of_others)
{
    struct rng rng;
    rng_init(&rng, 6);
    for (uint32_t round = 0; round < 1000; round++) {
        uint64_t outer = rng_u64(&rng) & rng_u64(&rng);
        uint64_t bits = rng_u64(&rng);
        uint64_t want = 0;
        uint32_t used = 0;
        for (uint32_t i = 0; i < 64; i++) {
            if (outer >> i & 1)
                want |= (bits >> used++ & 1) << i;
        }
        cr_assert(bits_deposit_slow(bits, outer) == want);
    }
}

/* ---- shapes ---- */

Test(segment_shape, spreading_is_the_same_fast_and_slow)
{
    static uint32_t stored[BLOCK_ROWS + SPREAD_SPARE];
    static uint32_t fast[BLOCK_ROWS];
    static uint32_t slow[BLOCK_ROWS];
    static const uint32_t row_counts[] = {1, 63, 64, 65, 128, 1000, 8191, 8192};
    struct rng rng;
    rng_init(&rng, 7);
    for (uint32_t i = 0; i < BLOCK_ROWS + SPREAD_SPARE; i++)
        stored[i] = 100000 + i;
    for (uint32_t round = 0; round < 64; round++) {
        uint32_t rows = row_counts[round % 8];
        struct mask m;
        mask_random(&rng, rows, &m);
        shape_spread32(&m, SHAPE_AT, rows, 5, stored, fast);
        shape_spread32_slow(&m, SHAPE_AT, rows, 5, stored, slow);
        cr_assert(memcmp(fast, slow, rows * sizeof *fast) == 0);
        uint32_t next = 0;
        for (uint32_t row = 0; row < rows; row++)
            cr_assert(slow[row] == (mask_get(&m, row) ? 100000 + next++ : 5));
        mask_set(&m, 0);
        shape_spread32(&m, SHAPE_RUNS, rows, 0, stored, fast);
        shape_spread32_slow(&m, SHAPE_RUNS, rows, 0, stored, slow);
        cr_assert(memcmp(fast, slow, rows * sizeof *fast) == 0);
        next = 0;
        for (uint32_t row = 0; row < rows; row++) {
            next += mask_get(&m, row);
            cr_assert(slow[row] == 100000 + next - 1);
        }
    }
}

/* ---- hash index ---- */

static void value_note(void *context, uint32_t value)
{
    uint64_t *seen = context;
    seen[value / 64] |= 1ull << (value % 64);
}

Test(segment_hash_index, finds_all_and_rarely_more)
{
    static const uint32_t counts[] = {0, 1, 15, 16, 1000, 20000};
    for (size_t k = 0; k < 6; k++) {
        uint32_t count = counts[k];
        struct hash_entry *entries = mem_alloc((count + 1) * sizeof *entries);
        struct buffer b = {0};
        for (uint32_t i = 0; i < count; i++)
            entries[i] = (struct hash_entry){.hash = hash_mix(i / 2 + 1), .value = i % 100};
        hash_index_put(entries, count, TRACE_FINGERPRINT_BITS, 7, &b);
        uint32_t kept;
        cr_assert(hash_index_check(buffer_slice(&b), 99, &kept));
        for (uint32_t i = 0; i < count; i++) {
            uint64_t seen[2] = {0};
            cr_assert(hash_index_find(buffer_slice(&b), hash_mix(i / 2 + 1), value_note, seen));
            cr_assert(seen[i % 100 / 64] >> (i % 100 % 64) & 1, "entry %u", i);
        }
        uint32_t false_hits = 0;
        for (uint32_t i = 0; i < 10000; i++) {
            uint64_t seen[2] = {0};
            cr_assert(hash_index_find(buffer_slice(&b), hash_mix(1000000 + i), value_note, seen));
            false_hits += (seen[0] | seen[1]) != 0;
        }
        cr_assert(false_hits < 100, "%u of 10000", false_hits);
        for (size_t cut = 0; cut < b.size; cut += 1 + b.size / 100)
            cr_assert(hash_index_check(slice_of(b.data, cut), 99, &kept) == false);
        buffer_deinit(&b);
        mem_free(entries);
    }
}

/* ---- postings ---- */

Test(segment_postings, agree_with_the_bitmaps_they_were_made_from)
{
    static const uint32_t block_counts[] = {1, 2, 63, 64, 65, 200};
    struct rng rng;
    rng_init(&rng, 5);
    for (size_t k = 0; k < 6; k++) {
        uint32_t blocks = block_counts[k];
        uint32_t words = (blocks + 63) / 64;
        uint64_t present[20 * 4] = {0};
        struct buffer b = {0};
        for (uint32_t code = 0; code < 20; code++) {
            for (uint32_t block = 0; block < blocks; block++) {
                if (code == 1 || (code > 1 && rng_below(&rng, code) == 0))
                    present[code * words + block / 64] |= 1ull << (block % 64);
            }
        }
        postings_put(present, 20, blocks, &b);
        for (uint32_t code = 0; code < 20; code++) {
            uint64_t bits[4] = {0};
            cr_assert(postings_get(buffer_slice(&b), 20, blocks, code, bits));
            cr_assert(memcmp(bits, present + code * words, words * 8) == 0);
        }
        cr_assert(postings_check(buffer_slice(&b), 20, blocks));
        for (size_t bit = 0; bit < b.size * 8; bit++) {
            uint64_t bits[4] = {0};
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            (void)postings_get(buffer_slice(&b), 20, blocks, 3, bits);
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        buffer_deinit(&b);
    }
}

/* ---- dictionary pages ---- */

Test(segment_dict_page, values_come_back_and_disorder_is_refused)
{
    static struct slice values[3000];
    struct arena arena = {0};
    for (uint32_t i = 0; i < 3000; i++)
        values[i] = slice_text(arena_printf(&arena, "value-%07u-%u", i, i * 2654435761u));
    values[0] = SLICE_EMPTY;
    uint32_t done = 0;
    while (done < 3000) {
        struct buffer b = {0};
        struct dict_page page = {.first_value = values[done]};
        dict_page_put(values + done, 3000 - done, 3, &page.count, &page.raw_bytes, &page.compressed,
                      &b);
        block_end_put(&b);
        struct slice *got = ARENA_ARRAY(&arena, struct slice, page.count);
        cr_assert(dict_page_get(&page, buffer_slice(&b), &arena, got));
        for (uint32_t i = 0; i < page.count; i++)
            cr_assert(slice_equal(got[i], values[done + i]));
        page.first_value = slice_text("zz");
        cr_assert(dict_page_get(&page, buffer_slice(&b), &arena, got) == false);
        done += page.count;
        buffer_deinit(&b);
    }
    struct slice unsorted[2] = {slice_text("b"), slice_text("a")};
    struct slice got[2];
    struct dict_page page = {.first_value = unsorted[0]};
    struct buffer b = {0};
    dict_page_put(unsorted, 2, 3, &page.count, &page.raw_bytes, &page.compressed, &b);
    block_end_put(&b);
    cr_assert(dict_page_get(&page, buffer_slice(&b), &arena, got) == false);
    buffer_deinit(&b);
    arena_deinit(&arena);
}
