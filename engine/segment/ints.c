/*
 * ints.c - encoder and decoder of integer streams.
 *
 * Format:  FORMAT.md 5.4.
 *   u8 kind
 *   CONST    zigzag base
 *   PACKED   zigzag base, varint factor, u8 width, varint patches, packed values,
 *            then if there are patches: u8 high width, patches x u16 index, packed high parts
 *   BINS     zigzag base, varint factor, u8 index bits, u8 bins - 1, bins x {varint start - previous
 *            start, u8 width}, packed indexes, offsets as a bit string
 */
#include "engine/segment/ints.h"

#include "engine/base/check.h"
#include "engine/segment/bins.h"
#include "engine/segment/pack.h"

#define CHUNK            4096u /* values converted at a time; a multiple of PACK_VECTOR */
#define BINS_COUNT_MIN   64u
#define BINS_WIDTH_MIN   4u
#define PATCH_INDEX_BITS 16u

static_assert(INTS_COUNT_MAX <= 1u << PATCH_INDEX_BITS, "a patch index is a u16");
static_assert(CHUNK % PACK_VECTOR == 0, "chunks are whole vectors");

/* ---- encoder ---- */

struct plan {
    int64_t base;
    uint64_t factor;
    uint64_t range; /* largest x */
    unsigned width; /* of PACKED */
    uint32_t patches;
    uint64_t bits; /* of PACKED, without its few header bytes */
};

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* base, factor and range of values. */
static void plan_range(const int64_t *values, uint32_t count, struct plan *p)
{
    int64_t least = values[0];
    int64_t most = values[0];
    for (uint32_t i = 1; i < count; i++) {
        least = values[i] < least ? values[i] : least;
        most = values[i] > most ? values[i] : most;
    }
    uint64_t factor = (uint64_t)most - (uint64_t)least;
    uint64_t range = factor;
    for (uint32_t i = 0; i < count && factor > 1; i++) {
        uint64_t x = (uint64_t)values[i] - (uint64_t)least;
        if (x % factor != 0)
            factor = gcd(factor, x);
    }
    p->base = least;
    p->factor = factor == 0 ? 1 : factor;
    p->range = range / p->factor;
}

/* x of each value. */
static void plan_reduce(const struct plan *p, const int64_t *values, uint32_t count, uint64_t *x)
{
    if (p->factor == 1) {
        for (uint32_t i = 0; i < count; i++)
            x[i] = (uint64_t)values[i] - (uint64_t)p->base;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        x[i] = ((uint64_t)values[i] - (uint64_t)p->base) / p->factor;
}

/* The width with the fewest bits, patches included. */
static void plan_width(struct plan *p, const uint64_t *x, uint32_t count)
{
    /* Two sets of counters, so that equal neighbours don't wait for each other. */
    uint32_t with_bits[65] = {0};
    uint32_t with_bits_odd[65] = {0};
    for (uint32_t i = 0; i + 1 < count; i += 2) {
        with_bits[bits_of(x[i])]++;
        with_bits_odd[bits_of(x[i + 1])]++;
    }
    if (count % 2 == 1)
        with_bits[bits_of(x[count - 1])]++;
    unsigned widest = bits_of(p->range);
    p->width = widest;
    p->patches = 0;
    p->bits = (uint64_t)count * widest;
    uint32_t patches = 0;
    for (unsigned width = widest; width > 0; width--) {
        patches += with_bits[width] + with_bits_odd[width];
        uint64_t bits = (uint64_t)count * (width - 1) +
                        (uint64_t)patches * (PATCH_INDEX_BITS + widest - (width - 1)) + 8;
        if (bits < p->bits) {
            p->bits = bits;
            p->width = width - 1;
            p->patches = patches;
        }
    }
}

static void packed_put(const struct plan *p, const uint64_t *x, uint32_t count, struct buffer *to)
{
    put_u8(to, INTS_PACKED);
    put_zigzag(to, p->base);
    put_varint(to, p->factor);
    put_u8(to, (uint8_t)p->width);
    put_varint(to, p->patches);
    pack_put(x, count, p->width, to);
    if (p->patches == 0)
        return;
    unsigned high_width = bits_of(p->range) - p->width;
    put_u8(to, (uint8_t)high_width);
    uint64_t *high = mem_alloc(p->patches * sizeof *high);
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (bits_of(x[i]) > p->width) {
            put_u16(to, (uint16_t)i);
            high[n++] = x[i] >> p->width;
        }
    }
    ASSERT(n == p->patches);
    pack_put(high, n, high_width, to);
    mem_free(high);
}

static void bins_put(const struct plan *p, const struct bins *b, const uint64_t *x, uint32_t count,
                     uint64_t *indexes, struct buffer *to)
{
    put_u8(to, INTS_BINS);
    put_zigzag(to, p->base);
    put_varint(to, p->factor);
    put_u8(to, (uint8_t)b->index_bits);
    put_u8(to, (uint8_t)(b->count - 1));
    for (uint32_t i = 0; i < b->count; i++) {
        put_varint(to, i == 0 ? 0 : b->start[i] - b->start[i - 1]);
        put_u8(to, b->width[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        indexes[i] = bins_find(b, x[i]);
    pack_put(indexes, count, b->index_bits, to);
    struct bit_writer w = {.to = to};
    for (uint32_t i = 0; i < count; i++)
        bit_writer_put(&w, x[i] - b->start[indexes[i]], b->width[indexes[i]]);
    bit_writer_end(&w);
}

void ints_put(const int64_t *values, uint32_t count, bool fast, struct buffer *to)
{
    ASSERT(count <= INTS_COUNT_MAX);
    struct plan p = {0};
    if (count > 0)
        plan_range(values, count, &p);
    if (count == 0 || p.range == 0) {
        put_u8(to, INTS_CONST);
        put_zigzag(to, p.base);
        return;
    }
    uint64_t *x = mem_alloc((size_t)count * 3 * sizeof *x);
    plan_reduce(&p, values, count, x);
    plan_width(&p, x, count);
    struct bins b = {0};
    if (!fast && count >= BINS_COUNT_MIN && bits_of(p.range) >= BINS_WIDTH_MIN)
        bins_plan(x, count, x + count, &b);
    /* Bins decode at about half the speed, so they must save something. */
    if (b.index_bits != 0 && b.bits + b.bits / 32 < p.bits)
        bins_put(&p, &b, x, count, x + count, to);
    else
        packed_put(&p, x, count, to);
    mem_free(x);
}

size_t ints_estimate(const int64_t *values, uint32_t count, bool fast)
{
    struct plan p = {0};
    if (count > 0)
        plan_range(values, count, &p);
    if (count == 0 || p.range == 0)
        return 4;
    if (fast)
        return 12 + (uint64_t)count * bits_of(p.range) / 8;
    uint64_t *x = mem_alloc((size_t)count * sizeof *x);
    plan_reduce(&p, values, count, x);
    plan_width(&p, x, count);
    mem_free(x);
    return 12 + p.bits / 8;
}

/* ---- decoder ---- */

/* What precedes the payload, checked. */
struct head {
    enum ints_kind kind;
    uint64_t base;
    uint64_t factor;
    unsigned width; /* PACKED: of a value; BINS: of an index */
    uint32_t patches;
};

static struct head head_read(struct cursor *c, uint32_t count)
{
    struct head h = {0};
    uint8_t kind = cursor_u8(c);
    h.base = (uint64_t)cursor_zigzag(c);
    h.kind = kind == INTS_PACKED ? INTS_PACKED : kind == INTS_BINS ? INTS_BINS : INTS_CONST;
    h.factor = 1;
    if (kind > INTS_BINS)
        cursor_fail(c);
    if (kind != INTS_CONST) {
        h.factor = cursor_varint(c);
        h.width = cursor_u8(c);
        if (h.width > 64 || h.factor == 0)
            cursor_fail(c);
    }
    if (kind == INTS_PACKED) {
        uint64_t patches = cursor_varint(c);
        if (patches > count)
            cursor_fail(c);
        h.patches = (uint32_t)patches;
    }
    return h;
}

/* x and to may be the same array. */
HOT_LOOP static void scale64(const uint64_t *x, uint32_t count, uint64_t base, uint64_t factor,
                             int64_t *to)
{
    if (factor == 1) {
        for (uint32_t i = 0; i < count; i++)
            to[i] = (int64_t)(x[i] + base);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        to[i] = (int64_t)(x[i] * factor + base);
}

/* The usual case: 32-bit x, 32-bit factor, one widening multiplication each. */
HOT_LOOP static void scale32(const uint32_t *restrict x, uint32_t count, uint64_t base,
                             uint32_t factor, int64_t *restrict to)
{
    if (factor == 1) {
        for (uint32_t i = 0; i < count; i++)
            to[i] = (int64_t)((uint64_t)x[i] + base);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        to[i] = (int64_t)((uint64_t)x[i] * factor + base);
}

HOT_LOOP static void offset32(uint32_t *x, uint32_t count, uint32_t base, uint32_t factor)
{
    for (uint32_t i = 0; i < count; i++)
        x[i] = x[i] * factor + base;
}

struct patches {
    struct slice indexes; /* u16 each */
    struct slice high;
    unsigned high_width;
    uint32_t count;
};

static struct patches patches_read(struct cursor *c, const struct head *h, uint32_t count)
{
    struct patches p = {.count = h->patches};
    if (p.count == 0)
        return p;
    p.high_width = cursor_u8(c);
    if (p.high_width == 0 || p.high_width + h->width > 64)
        cursor_fail(c);
    p.indexes = cursor_take(c, (uint64_t)p.count * 2);
    p.high = cursor_take(c, c->failed ? 0 : pack_bytes(p.count, p.high_width));
    int32_t last = -1;
    for (uint32_t i = 0; i < p.count && !c->failed; i++) {
        uint16_t index;
        memcpy(&index, p.indexes.data + (size_t)i * 2, 2);
        if (index <= last || index >= count)
            cursor_fail(c);
        last = index;
    }
    return p;
}

/* Calls for each patch: index and what to add to the value. */
static void patches_apply(const struct patches *p, const struct head *h, int64_t *to)
{
    uint64_t *high = p->count == 0 ? NULL : mem_alloc(p->count * sizeof *high);
    if (high == NULL)
        return;
    pack_get64(p->high.data, p->count, p->high_width, high);
    for (uint32_t i = 0; i < p->count; i++) {
        uint16_t index;
        memcpy(&index, p->indexes.data + (size_t)i * 2, 2);
        to[index] = (int64_t)((uint64_t)to[index] + (high[i] << h->width) * h->factor);
    }
    mem_free(high);
}

static void packed_get64(struct cursor *c, const struct head *h, uint32_t count, int64_t *to)
{
    struct slice packed = cursor_take(c, pack_bytes(count, h->width));
    struct patches p = patches_read(c, h, count);
    if (c->failed)
        return;
    const uint8_t *from = packed.data;
    for (uint32_t done = 0; done < count; done += CHUNK, from += pack_bytes(CHUNK, h->width)) {
        uint32_t here = count - done < CHUNK ? count - done : CHUNK;
        if (h->width <= 32 && h->factor <= UINT32_MAX) {
            uint32_t x[CHUNK];
            pack_get32(from, here, h->width, x);
            scale32(x, here, h->base, (uint32_t)h->factor, to + done);
        } else {
            uint64_t x[CHUNK];
            pack_get64(from, here, h->width, x);
            scale64(x, here, h->base, h->factor, to + done);
        }
    }
    patches_apply(&p, h, to);
}

struct bin {
    uint64_t start;
    uint64_t mask; /* of an offset */
    uint64_t width;
    uint64_t unused; /* 32 bytes: indexed by a shift */
};

struct bin_table {
    struct bin bins[BINS_MAX];
    uint32_t count;
};

static struct bin_table bin_table_read(struct cursor *c, const struct head *h)
{
    struct bin_table t = {0};
    if (h->width < 1 || h->width > 4)
        cursor_fail(c);
    t.count = cursor_u8(c) + 1u;
    if (t.count > BINS_MAX)
        cursor_fail(c);
    uint64_t start = 0;
    for (uint32_t i = 0; i < t.count && !c->failed; i++) {
        start += cursor_varint(c);
        unsigned width = cursor_u8(c);
        if (width > BINS_OFFSET_BITS)
            cursor_fail(c);
        else
            t.bins[i] = (struct bin){.start = start, .mask = bits_mask(width), .width = width};
    }
    return t;
}

/* Bits all offsets take; false: an index without a bin. Four sets of counters, so that equal neighbours don't wait for
 * each other. */
static bool offsets_measure(const struct bin_table *t, const uint32_t *indexes, uint32_t count,
                            uint64_t *ret_bits)
{
    uint32_t with_index[4][BINS_MAX] = {0};
    uint64_t bits = 0;
    uint32_t fours = count / 4 * 4;
    for (uint32_t i = 0; i < fours; i += 4) {
        for (uint32_t k = 0; k < 4; k++)
            with_index[k][indexes[i + k]]++;
    }
    for (uint32_t i = fours; i < count; i++)
        with_index[0][indexes[i]]++;
    for (uint32_t i = 0; i < BINS_MAX; i++) {
        uint64_t here =
            (uint64_t)with_index[0][i] + with_index[1][i] + with_index[2][i] + with_index[3][i];
        if (i >= t->count && here != 0)
            return false;
        bits += here * t->bins[i].width;
    }
    *ret_bits = bits;
    return true;
}

/* x of each value. The position is the only chain from one value to the next: one addition. */
static void offsets_get(const struct bin_table *t, const uint32_t *indexes, uint32_t count,
                        struct slice offsets, uint64_t bits, uint64_t *to)
{
    /* From the end, values whose eight bytes would pass the last one are read with care. */
    uint64_t at = bits;
    uint32_t rest = count;
    while (rest > 0 && at / 8 + 8 > offsets.size) {
        const struct bin *b = &t->bins[indexes[--rest]];
        at -= b->width;
        to[rest] = b->start + bits_read(offsets, at, (unsigned)b->width);
    }
    at = 0;
    const uint8_t *restrict from = offsets.data;
    const struct bin *restrict bins = t->bins;
    const uint32_t *restrict ix = indexes;
    uint64_t *restrict out = to;
    for (uint32_t i = 0; i < rest; i++) {
        const struct bin *b = bins + ix[i];
        uint64_t word;
        memcpy(&word, from + at / 8, sizeof word);
        out[i] = b->start + (word >> (at % 8) & b->mask);
        at += b->width;
    }
}

static void bins_get64(struct cursor *c, const struct head *h, uint32_t count, int64_t *to)
{
    struct bin_table t = bin_table_read(c, h);
    struct slice packed = cursor_take(c, c->failed ? 0 : pack_bytes(count, h->width));
    if (c->failed)
        return;
    uint32_t *indexes = mem_alloc((size_t)count * sizeof *indexes);
    uint64_t bits = 0;
    pack_get32(packed.data, count, h->width, indexes);
    if (!offsets_measure(&t, indexes, count, &bits))
        cursor_fail(c);
    struct slice offsets = cursor_take(c, (bits + 7) / 8);
    if (!c->failed) {
        offsets_get(&t, indexes, count, offsets, bits, (uint64_t *)to);
        scale64((uint64_t *)to, count, h->base, h->factor, to);
    }
    mem_free(indexes);
}

void ints_get64(struct cursor *c, uint32_t count, int64_t *to)
{
    ASSERT(count <= INTS_COUNT_MAX);
    struct head h = head_read(c, count);
    if (!c->failed) {
        switch (h.kind) {
        case INTS_CONST:
            for (uint32_t i = 0; i < count; i++)
                to[i] = (int64_t)h.base;
            break;
        case INTS_PACKED:
            packed_get64(c, &h, count, to);
            break;
        case INTS_BINS:
            bins_get64(c, &h, count, to);
            break;
        }
    }
    if (c->failed)
        memset(to, 0, (size_t)count * sizeof *to);
}

/* True when no x of that width can leave the 32-bit range. */
static bool head_fits32(const struct head *h)
{
    if (h->kind == INTS_CONST)
        return h->base <= UINT32_MAX;
    if (h->kind != INTS_PACKED || h->patches != 0 || h->width > 32 || h->factor > UINT32_MAX)
        return false;
    uint64_t most = bits_mask(h->width) * h->factor;
    return h->base <= UINT32_MAX && most <= UINT32_MAX - h->base;
}

void ints_get32(struct cursor *c, uint32_t count, uint32_t *to)
{
    ASSERT(count <= INTS_COUNT_MAX);
    struct cursor start = *c;
    struct head h = head_read(c, count);
    if (!c->failed && head_fits32(&h)) {
        struct slice packed = cursor_take(c, pack_bytes(count, h.width));
        if (!c->failed) {
            pack_get32(packed.data, count, h.width, to);
            if (h.base != 0 || h.factor != 1)
                offset32(to, count, (uint32_t)h.base, (uint32_t)h.factor);
            return;
        }
    }
    if (!c->failed) {
        *c = start;
        int64_t *wide = mem_alloc((size_t)count * sizeof *wide);
        ints_get64(c, count, wide);
        uint64_t seen = 0;
        for (uint32_t i = 0; i < count; i++) {
            seen |= (uint64_t)wide[i];
            to[i] = (uint32_t)wide[i];
        }
        mem_free(wide);
        if (seen > UINT32_MAX)
            cursor_fail(c);
    }
    if (c->failed)
        memset(to, 0, (size_t)count * sizeof *to);
}
