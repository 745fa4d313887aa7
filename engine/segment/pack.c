/*
 * pack.c - bit packing: one kernel a lane width, driven by run-time shifts.
 *
 * Format:  FORMAT.md 5.3.
 * The inner loops have constant trip counts over adjacent lanes with one shift for all of them;
 * compilers turn each into one or two vector instructions.
 */
#include "engine/segment/pack.h"

#include "engine/base/check.h"

#define LANES32 8u
#define LANES64 4u

void bit_writer_put(struct bit_writer *w, uint64_t value, unsigned width)
{
    value &= bits_mask(width);
    w->pending |= w->pending_bits < 64 ? value << w->pending_bits : 0;
    unsigned total = w->pending_bits + width;
    if (total < 64) {
        w->pending_bits = total;
        return;
    }
    put_u64(w->to, w->pending);
    unsigned taken = 64 - w->pending_bits;
    w->pending = taken < 64 ? value >> taken : 0;
    w->pending_bits = total - 64;
}

void bit_writer_end(struct bit_writer *w)
{
    for (unsigned bit = 0; bit < w->pending_bits; bit += 8)
        put_u8(w->to, (uint8_t)(w->pending >> bit));
    w->pending = 0;
    w->pending_bits = 0;
}

uint64_t bits_read(struct slice bytes, uint64_t at, unsigned width)
{
    if (width == 0)
        return 0;
    uint64_t first = at / 8;
    unsigned shift = (unsigned)(at % 8);
    uint64_t size = (shift + width + 7) / 8;
    DEBUG_ASSERT(first + size <= bytes.size);
    uint64_t low = 0;
    memcpy(&low, bytes.data + first, size < 8 ? size : 8);
    uint64_t value = low >> shift;
    if (size > 8)
        value |= (uint64_t)bytes.data[first + 8] << (64 - shift);
    return value & bits_mask(width);
}

static void vector_put32(const uint64_t *values, unsigned width, struct buffer *to)
{
    uint32_t words[32 * LANES32 + LANES32] = {0};
    for (unsigned k = 0; k < 32; k++) {
        unsigned word = k * width / 32;
        unsigned shift = k * width % 32;
        for (unsigned lane = 0; lane < LANES32; lane++) {
            uint64_t v = (values[k * LANES32 + lane] & bits_mask(width)) << shift;
            words[word * LANES32 + lane] |= (uint32_t)v;
            words[(word + 1) * LANES32 + lane] |= (uint32_t)(v >> 32);
        }
    }
    buffer_add(to, words, (size_t)width * LANES32 * sizeof words[0]);
}

static void vector_put64(const uint64_t *values, unsigned width, struct buffer *to)
{
    uint64_t words[64 * LANES64 + LANES64] = {0};
    for (unsigned k = 0; k < 64; k++) {
        unsigned word = k * width / 64;
        unsigned shift = k * width % 64;
        for (unsigned lane = 0; lane < LANES64; lane++) {
            uint64_t v = values[k * LANES64 + lane] & bits_mask(width);
            words[word * LANES64 + lane] |= v << shift;
            if (shift + width > 64)
                words[(word + 1) * LANES64 + lane] |= v >> (64 - shift);
        }
    }
    buffer_add(to, words, (size_t)width * LANES64 * sizeof words[0]);
}

void pack_put(const uint64_t *values, uint32_t count, unsigned width, struct buffer *to)
{
    if (width == 0)
        return;
    uint32_t whole = count / PACK_VECTOR;
    for (uint32_t v = 0; v < whole; v++) {
        if (width <= 32)
            vector_put32(values + (size_t)v * PACK_VECTOR, width, to);
        else
            vector_put64(values + (size_t)v * PACK_VECTOR, width, to);
    }
    struct bit_writer w = {.to = to};
    for (uint32_t i = whole * PACK_VECTOR; i < count; i++)
        bit_writer_put(&w, values[i], width);
    bit_writer_end(&w);
}

/* One lane group: a single register with AVX2, two without. */
typedef uint32_t lanes32 __attribute__((vector_size(LANES32 * 4), aligned(4), may_alias));
typedef uint64_t lanes64 __attribute__((vector_size(LANES64 * 8), aligned(8), may_alias));

HOT_LOOP static void vectors_get32(const uint8_t *from, uint32_t vectors, unsigned width,
                                   uint32_t *restrict to)
{
    uint32_t mask = (uint32_t)bits_mask(width);
    for (uint32_t v = 0; v < vectors; v++, from += (size_t)width * 32, to += PACK_VECTOR) {
        const uint8_t *word = from;
        unsigned shift = 0;
        lanes32 low;
        memcpy(&low, word, sizeof low);
        for (unsigned k = 0; k < 32; k++) {
            lanes32 out = low >> shift;
            shift += width;
            if (shift >= 32) {
                shift -= 32;
                word += sizeof low;
                /* The next group; after the last value there is none and nothing is missing. */
                if (k < 31)
                    memcpy(&low, word, sizeof low);
                if (shift > 0)
                    out |= low << (width - shift);
            }
            out &= mask;
            memcpy(to + (size_t)k * LANES32, &out, sizeof out);
        }
    }
}

HOT_LOOP static void vectors_get64(const uint8_t *from, uint32_t vectors, unsigned width,
                                   uint64_t *restrict to)
{
    uint64_t mask = bits_mask(width);
    for (uint32_t v = 0; v < vectors; v++, from += (size_t)width * 32, to += PACK_VECTOR) {
        const uint8_t *word = from;
        unsigned shift = 0;
        lanes64 low;
        memcpy(&low, word, sizeof low);
        for (unsigned k = 0; k < 64; k++) {
            lanes64 out = low >> shift;
            shift += width;
            if (shift >= 64) {
                shift -= 64;
                word += sizeof low;
                if (k < 63)
                    memcpy(&low, word, sizeof low);
                if (shift > 0)
                    out |= low << (width - shift);
            }
            out &= mask;
            memcpy(to + (size_t)k * LANES64, &out, sizeof out);
        }
    }
}

HOT_LOOP static void widen(const uint32_t *restrict from, uint32_t count, uint64_t *restrict to)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[i];
}

void pack_get32(const uint8_t *from, uint32_t count, unsigned width, uint32_t *to)
{
    ASSERT(width <= 32);
    if (width == 0) {
        memset(to, 0, (size_t)count * sizeof *to);
        return;
    }
    uint32_t whole = count / PACK_VECTOR;
    vectors_get32(from, whole, width, to);
    uint32_t rest = count % PACK_VECTOR;
    struct slice tail = slice_of(from + (size_t)whole * 32 * width, ((size_t)rest * width + 7) / 8);
    for (uint32_t i = 0; i < rest; i++)
        to[whole * PACK_VECTOR + i] = (uint32_t)bits_read(tail, (uint64_t)i * width, width);
}

void pack_get64(const uint8_t *from, uint32_t count, unsigned width, uint64_t *to)
{
    ASSERT(width <= 64);
    if (width == 0) {
        memset(to, 0, (size_t)count * sizeof *to);
        return;
    }
    uint32_t whole = count / PACK_VECTOR;
    if (width > 32) {
        vectors_get64(from, whole, width, to);
    } else {
        for (uint32_t v = 0; v < whole; v++) {
            uint32_t values[PACK_VECTOR];
            vectors_get32(from + (size_t)v * 32 * width, 1, width, values);
            widen(values, PACK_VECTOR, to + (size_t)v * PACK_VECTOR);
        }
    }
    uint32_t rest = count % PACK_VECTOR;
    struct slice tail = slice_of(from + (size_t)whole * 32 * width, ((size_t)rest * width + 7) / 8);
    for (uint32_t i = 0; i < rest; i++)
        to[whole * PACK_VECTOR + i] = bits_read(tail, (uint64_t)i * width, width);
}

uint64_t pack_get_slow(const uint8_t *from, uint32_t count, unsigned width, uint32_t index)
{
    uint32_t vector = index / PACK_VECTOR;
    uint32_t inside = index % PACK_VECTOR;
    bool is_tail = vector == count / PACK_VECTOR;
    unsigned lanes = width <= 32 ? LANES32 : LANES64;
    unsigned word_bits = width <= 32 ? 32 : 64;
    const uint8_t *base = from + (size_t)vector * 32 * width;
    uint64_t value = 0;
    for (unsigned bit = 0; bit < width; bit++) {
        uint64_t at;
        if (is_tail) {
            at = (uint64_t)inside * width + bit;
        } else {
            uint64_t in_lane = (uint64_t)(inside / lanes) * width + bit;
            at = (in_lane / word_bits * lanes + inside % lanes) * word_bits + in_lane % word_bits;
        }
        value |= (uint64_t)(base[at / 8] >> (at % 8) & 1) << bit;
    }
    return value;
}
