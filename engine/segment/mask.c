/*
 * mask.c - encoder and decoder of a block's row sets.
 *
 * Format:  FORMAT.md 5.5.
 *   varint count, count x varint size of a record, records. A record is u8 kind, then
 *   BITS    ceil(rows / 8) bytes
 *   SPARSE  varint ones, int stream of ones gaps (rows skipped before each)
 *   EDGES   varint runs, int stream of run lengths; runs alternate, the first one is of rows not in the set
 *   WITHIN  u16 reference to an earlier mask, ceil(its ones / 8) bytes: one bit for each of its rows
 *   Kind bit 0x80: the record describes the complement.
 */
#include "engine/segment/mask.h"

#include "engine/base/check.h"
#include "engine/segment/ints.h"
#include "engine/segment/pack.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum mask_kind {
    MASK_BITS = 0,
    MASK_SPARSE = 1,
    MASK_EDGES = 2,
    MASK_WITHIN = 3
};
#define MASK_INVERTED 0x80u
#define OUTER_TRIES   32u /* only the first masks are tried as a frame for others */

HOT_LOOP uint32_t mask_ones(const struct mask *m)
{
    uint32_t ones = 0;
    for (uint32_t i = 0; i < MASK_WORDS; i++)
        ones += (uint32_t)__builtin_popcountll(m->words[i]);
    return ones;
}

void mask_fill(struct mask *m, uint32_t rows)
{
    memset(m, 0, sizeof *m);
    memset(m->words, 0xff, rows / 64 * sizeof m->words[0]);
    if (rows % 64 != 0)
        m->words[rows / 64] = (1ull << (rows % 64)) - 1;
}

void mask_invert(struct mask *m, uint32_t rows)
{
    struct mask all;
    mask_fill(&all, rows);
    for (uint32_t i = 0; i < MASK_WORDS; i++)
        m->words[i] ^= all.words[i];
}

bool mask_within(const struct mask *a, const struct mask *b)
{
    uint64_t outside = 0;
    for (uint32_t i = 0; i < MASK_WORDS; i++)
        outside |= a->words[i] & ~b->words[i];
    return outside == 0;
}

void mask_set_deinit(struct mask_set *s)
{
    mem_free(s->masks);
    *s = (struct mask_set){0};
}

static bool mask_equal(const struct mask *a, const struct mask *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

uint16_t mask_set_find(const struct mask_set *s, const struct mask *m)
{
    struct mask inverted = *m;
    mask_invert(&inverted, s->rows);
    struct mask none = {0};
    if (mask_equal(m, &none))
        return MASK_NONE;
    if (mask_equal(&inverted, &none))
        return MASK_ALL;
    for (uint32_t i = 0; i < s->count; i++) {
        if (mask_equal(&s->masks[i], m))
            return (uint16_t)(2 * i + 2);
        if (mask_equal(&s->masks[i], &inverted))
            return (uint16_t)(2 * i + 3);
    }
    return MASK_UNKNOWN;
}

uint16_t mask_set_add(struct mask_set *s, const struct mask *m)
{
    uint16_t ref = mask_set_find(s, m);
    if (ref != MASK_UNKNOWN || s->count == MASKS_MAX)
        return ref;
    s->masks = mem_grow(s->masks, &s->capacity, s->count + 1, sizeof *s->masks);
    s->masks[s->count] = *m;
    return (uint16_t)(2 * s->count++ + 2);
}

size_t mask_set_cost(const struct mask_set *s, const struct mask *m)
{
    if (mask_set_find(s, m) != MASK_UNKNOWN)
        return 0;
    uint32_t ones = mask_ones(m);
    uint32_t few = ones < s->rows - ones ? ones : s->rows - ones;
    size_t bits = 4 + (s->rows + 7) / 8;
    /* A position among few costs about log2(rows / few) + 2 bits. */
    unsigned gap_bits = 2;
    for (uint32_t gap = s->rows / few; gap > 1; gap /= 2)
        gap_bits++;
    size_t sparse = 10 + (size_t)few * gap_bits / 8;
    size_t best = bits < sparse ? bits : sparse;
    for (uint32_t i = 0; i < s->count && i < OUTER_TRIES; i++) {
        uint32_t outer = mask_ones(&s->masks[i]);
        if (5 + outer / 8 < best && mask_within(m, &s->masks[i]))
            best = 5 + outer / 8;
    }
    return best;
}

void mask_set_get(const struct mask_set *s, uint16_t ref, struct mask *ret)
{
    if (ref >= 2)
        *ret = s->masks[ref / 2 - 1];
    else
        mask_fill(ret, s->rows);
    if (ref % 2 == 1)
        mask_invert(ret, s->rows);
}

/* ---- encoder ---- */

static void bits_put(const struct mask *m, uint32_t rows, struct buffer *to)
{
    put_u8(to, MASK_BITS);
    buffer_add(to, m->words, (rows + 7) / 8);
}

static void sparse_put(const struct mask *m, uint32_t rows, unsigned flag, struct buffer *to)
{
    int64_t *gaps = mem_alloc((size_t)rows * sizeof *gaps);
    uint32_t ones = 0;
    uint32_t next = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (mask_get(m, row)) {
            gaps[ones++] = row - next;
            next = row + 1;
        }
    }
    put_u8(to, (uint8_t)(MASK_SPARSE | flag));
    put_varint(to, ones);
    ints_put(gaps, ones, true, to);
    mem_free(gaps);
}

static void edges_put(const struct mask *m, uint32_t rows, struct buffer *to)
{
    int64_t *lengths = mem_alloc(((size_t)rows + 1) * sizeof *lengths);
    uint32_t runs = 0;
    uint32_t start = 0;
    bool in = false;
    for (uint32_t row = 0; row <= rows; row++) {
        if (row < rows && mask_get(m, row) == in)
            continue;
        lengths[runs++] = row - start;
        start = row;
        in = !in;
    }
    put_u8(to, MASK_EDGES);
    put_varint(to, runs);
    ints_put(lengths, runs, true, to);
    mem_free(lengths);
}

static void within_put(const struct mask *m, const struct mask *outer, uint16_t ref, unsigned flag,
                       struct buffer *to)
{
    put_u8(to, (uint8_t)(MASK_WITHIN | flag));
    put_u16(to, ref);
    uint32_t bit = 0;
    uint8_t byte = 0;
    for (uint32_t word = 0; word < MASK_WORDS; word++) {
        for (uint64_t left = outer->words[word]; left != 0; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            byte |= (uint8_t)(mask_get(m, row) << (bit % 8));
            if (++bit % 8 == 0) {
                put_u8(to, byte);
                byte = 0;
            }
        }
    }
    if (bit % 8 != 0)
        put_u8(to, byte);
}

static uint32_t mask_edges(const struct mask *m, uint32_t rows)
{
    uint32_t edges = 1;
    for (uint32_t row = 1; row < rows; row++)
        edges += mask_get(m, row) != mask_get(m, row - 1);
    return edges;
}

/* How a mask may be told as a part of an earlier one. */
struct outer {
    uint16_t ref; /* MASK_UNKNOWN: there is none */
    uint32_t ones;
    bool inverted; /* it is the complement that lies within */
};

/* The smallest earlier mask (or complement) that holds the mask (or its complement). */
static struct outer outer_find(const struct mask_set *s, uint32_t index, const uint8_t *depths)
{
    struct outer best = {.ref = MASK_UNKNOWN};
    struct mask inverted = s->masks[index];
    mask_invert(&inverted, s->rows);
    for (uint32_t ref = 2; ref < 2 * index + 2 && ref < 2 * OUTER_TRIES + 2; ref++) {
        if (depths[ref / 2 - 1] + 1u >= MASK_DEPTH)
            continue;
        struct mask outer;
        mask_set_get(s, (uint16_t)ref, &outer);
        uint32_t ones = mask_ones(&outer);
        if (best.ref != MASK_UNKNOWN && ones >= best.ones)
            continue;
        bool plain = mask_within(&s->masks[index], &outer);
        if (plain || mask_within(&inverted, &outer))
            best = (struct outer){.ref = (uint16_t)ref, .ones = ones, .inverted = !plain};
    }
    return best;
}

static void keep_smaller(struct buffer *best, struct buffer *try)
{
    if (try->size != 0 && try->size < best->size) {
        buffer_reset(best);
        buffer_add_slice(best, buffer_slice(try));
    }
    buffer_reset(try);
}

static void record_put(const struct mask_set *s, uint32_t index, uint8_t *depths, struct buffer *to,
                       struct buffer *try)
{
    const struct mask *m = &s->masks[index];
    struct mask inverted = *m;
    mask_invert(&inverted, s->rows);
    uint32_t ones = mask_ones(m);
    bits_put(m, s->rows, to);
    if (ones <= s->rows / 4)
        sparse_put(m, s->rows, 0, try);
    else if (s->rows - ones <= s->rows / 4)
        sparse_put(&inverted, s->rows, MASK_INVERTED, try);
    keep_smaller(to, try);
    if (mask_edges(m, s->rows) < s->rows / 8)
        edges_put(m, s->rows, try);
    keep_smaller(to, try);
    struct outer o = outer_find(s, index, depths);
    if (o.ref == MASK_UNKNOWN || 3 + (o.ones + 7) / 8 >= to->size)
        return;
    struct mask outer;
    mask_set_get(s, o.ref, &outer);
    buffer_reset(to);
    within_put(o.inverted ? &inverted : m, &outer, o.ref, o.inverted ? MASK_INVERTED : 0, to);
    depths[index] = depths[o.ref / 2 - 1] + 1;
}

void mask_set_put(const struct mask_set *s, struct buffer *to)
{
    struct buffer records = {0};
    struct buffer record = {0};
    struct buffer try = {0};
    uint8_t *depths = mem_zero(s->count, 1);
    put_varint(to, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        buffer_reset(&record);
        record_put(s, i, depths, &record, &try);
        put_varint(to, record.size);
        buffer_add_slice(&records, buffer_slice(&record));
    }
    buffer_add_slice(to, buffer_slice(&records));
    buffer_deinit(&records);
    buffer_deinit(&record);
    buffer_deinit(&try);
    mem_free(depths);
}

/* ---- decoder ---- */

static void sparse_get(struct cursor *c, uint32_t rows, struct mask *ret)
{
    uint64_t ones = cursor_varint(c);
    if (ones > rows) {
        cursor_fail(c);
        return;
    }
    int64_t *gaps = mem_alloc((size_t)ones * sizeof *gaps);
    ints_get64(c, (uint32_t)ones, gaps);
    uint64_t row = 0;
    for (uint32_t i = 0; i < ones && !c->failed; i++) {
        if ((uint64_t)gaps[i] >= rows || row + (uint64_t)gaps[i] >= rows) {
            cursor_fail(c);
            break;
        }
        row += (uint64_t)gaps[i];
        mask_set(ret, (uint32_t)row);
        row++;
    }
    mem_free(gaps);
}

static void edges_get(struct cursor *c, uint32_t rows, struct mask *ret)
{
    uint64_t runs = cursor_varint(c);
    if (runs > BLOCK_ROWS) {
        cursor_fail(c);
        return;
    }
    int64_t *lengths = mem_alloc((size_t)runs * sizeof *lengths);
    ints_get64(c, (uint32_t)runs, lengths);
    uint64_t row = 0;
    for (uint32_t i = 0; i < runs && !c->failed; i++) {
        if ((uint64_t)lengths[i] > rows - row) {
            cursor_fail(c);
            break;
        }
        for (uint64_t end = row + (uint64_t)lengths[i]; row < end; row++) {
            if (i % 2 == 1)
                mask_set(ret, (uint32_t)row);
        }
    }
    mem_free(lengths);
    if (row != rows)
        cursor_fail(c);
}

/* The lowest bits of `bits`, one for each bit of `outer`, at its places: the simple version and the instruction. */
uint64_t bits_deposit_slow(uint64_t bits, uint64_t outer)
{
    uint64_t out = 0;
    for (; outer != 0; outer &= outer - 1, bits >>= 1)
        out |= (outer & (0 - outer)) & (0 - (bits & 1));
    return out;
}

#ifdef __x86_64__
__attribute__((target("bmi2"))) static void
words_deposit_fast(struct slice bits, const struct mask *outer, struct mask *ret)
{
    uint64_t at = 0;
    for (uint32_t word = 0; word < MASK_WORDS; word++) {
        unsigned ones = (unsigned)__builtin_popcountll(outer->words[word]);
        ret->words[word] = _pdep_u64(bits_read(bits, at, ones), outer->words[word]);
        at += ones;
    }
}
#endif

static void words_deposit(struct slice bits, const struct mask *outer, struct mask *ret)
{
    uint64_t at = 0;
    for (uint32_t word = 0; word < MASK_WORDS; word++) {
        unsigned ones = (unsigned)__builtin_popcountll(outer->words[word]);
        ret->words[word] = bits_deposit_slow(bits_read(bits, at, ones), outer->words[word]);
        at += ones;
    }
}

static void within_get(struct cursor *c, const struct mask *outer, struct mask *ret)
{
    struct slice bits = cursor_take(c, (mask_ones(outer) + 7) / 8);
    if (c->failed)
        return;
#ifdef __x86_64__
    if (__builtin_cpu_supports("bmi2")) {
        words_deposit_fast(bits, outer, ret);
        return;
    }
#endif
    words_deposit(bits, outer, ret);
}

/* Record `index` of the part; depth: how many masks it may still lie within. */
static bool record_get(struct slice bytes, uint32_t rows, uint32_t index, unsigned depth,
                       struct mask *ret);

static void record_decode(struct slice part, struct slice record, uint32_t rows, uint32_t index,
                          unsigned depth, struct cursor *c, struct mask *ret)
{
    *c = cursor_over(record);
    memset(ret, 0, sizeof *ret);
    uint8_t kind = cursor_u8(c);
    switch (kind & ~MASK_INVERTED) {
    case MASK_BITS: {
        struct slice bits = cursor_take(c, (rows + 7) / 8);
        bytes_copy(ret->words, bits.data, bits.size);
        if (rows < BLOCK_ROWS && ret->words[rows / 64] >> (rows % 64) != 0)
            cursor_fail(c);
        break;
    }
    case MASK_SPARSE:
        sparse_get(c, rows, ret);
        break;
    case MASK_EDGES:
        edges_get(c, rows, ret);
        break;
    case MASK_WITHIN: {
        uint16_t ref = cursor_u16(c);
        struct mask outer;
        if (ref < 2 || ref >= 2 * index + 2 || depth == 0 ||
            !record_get(part, rows, ref / 2u - 1, depth - 1, &outer)) {
            cursor_fail(c);
            break;
        }
        if (ref % 2 == 1)
            mask_invert(&outer, rows);
        within_get(c, &outer, ret);
        break;
    }
    default:
        cursor_fail(c);
    }
    if (kind & MASK_INVERTED)
        mask_invert(ret, rows);
}

static bool record_get(struct slice bytes, uint32_t rows, uint32_t index, unsigned depth,
                       struct mask *ret)
{
    struct cursor c = cursor_over(bytes);
    uint64_t count = cursor_varint(&c);
    if (count > MASKS_MAX || index >= count)
        return false;
    uint64_t before = 0;
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t here = cursor_varint(&c);
        if (here > bytes.size)
            return false;
        before += i < index ? here : 0;
        size = i == index ? here : size;
    }
    (void)cursor_take(&c, before);
    struct slice record = cursor_take(&c, size);
    if (c.failed)
        return false;
    record_decode(bytes, record, rows, index, depth, &c, ret);
    return cursor_done(&c);
}

bool mask_part_get(struct slice bytes, uint32_t rows, uint16_t ref, struct mask *ret)
{
    ASSERT(rows <= BLOCK_ROWS);
    if (ref < 2)
        mask_fill(ret, rows);
    else if (!record_get(bytes, rows, ref / 2u - 1, MASK_DEPTH - 1, ret))
        return false;
    if (ref % 2 == 1)
        mask_invert(ret, rows);
    return true;
}
