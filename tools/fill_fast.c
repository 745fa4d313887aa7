/*
 * fill_fast.c - the cells most rows are made of, read in one pass over their bytes.
 *
 * Cost:      a few ns each: whole numbers 8 digits at a time, ids by a table of hex digits, strings up to
 *            16 bytes through a small cache that is keyed by the bytes themselves.
 * Invariant: tests hold every result against cell_parse.
 */
#include "tools/fill.h"

#include "engine/base/hash.h"

#define DIGITS_MAX 18u /* 10^18 fits an int64 */
#define FLOAT_DIGITS_MAX                                                                           \
    15u /* 10^15 is exact in a double, and so are the powers of ten below 10^22 */

static const int64_t powers[DIGITS_MAX + 1] = {
    1LL,
    10LL,
    100LL,
    1000LL,
    10000LL,
    100000LL,
    1000000LL,
    10000000LL,
    100000000LL,
    1000000000LL,
    10000000000LL,
    100000000000LL,
    1000000000000LL,
    10000000000000LL,
    100000000000000LL,
    1000000000000000LL,
    10000000000000000LL,
    100000000000000000LL,
    1000000000000000000LL,
};

static uint64_t load64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

/* Every byte '0' to '9'? Their high nibble is 3, and adding 6 to the low one must not carry. */
static bool is_eight_digits(uint64_t v)
{
    return ((v & (v + 0x0606060606060606u)) & 0xf0f0f0f0f0f0f0f0u) == 0x3030303030303030u;
}

/* Pairs, then fours, then eights: the first byte is the highest digit. */
static uint64_t eight_digits(uint64_t v)
{
    v = (v & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
    v = (v & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
    return (v & 0x0000ffff0000ffffu) * 42949672960001u >> 32;
}

static bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

/* Appends digits to *value and returns behind the last; at most 24 are looked at. */
static const uint8_t *take_digits(const uint8_t *at, uint64_t *value)
{
    const uint8_t *limit = at + DIGITS_MAX + 2;
    uint64_t v = *value;
    uint64_t word = load64(at);
    if (is_eight_digits(word)) {
        v = v * 100000000 + eight_digits(word);
        at += 8;
    }
    for (; is_digit(*at) && at < limit; at++)
        v = v * 10 + (uint64_t)(*at - '0');
    *value = v;
    return at;
}

/* [-]digits[.digits] of at most digits_max digits, as value / 10^*ret_places. */
static const uint8_t *take_decimal(const uint8_t *at, size_t digits_max, int64_t *ret_value,
                                   size_t *ret_places)
{
    bool negative = *at == '-';
    const uint8_t *start = at + negative;
    uint64_t value = 0;
    size_t places = 0;
    const uint8_t *end = take_digits(start, &value);
    size_t digits = (size_t)(end - start);
    if (digits == 0 || digits > digits_max)
        return NULL;
    if (*end == '.') {
        const uint8_t *fraction = end + 1;
        end = take_digits(fraction, &value);
        places = (size_t)(end - fraction);
        if (places == 0 || digits + places > digits_max)
            return NULL;
    }
    *ret_value = negative ? -(int64_t)value : (int64_t)value;
    *ret_places = places;
    return end;
}

const uint8_t *fill_number_fast(struct fill_column *c, uint32_t row, const uint8_t *at)
{
    int64_t value;
    size_t places;
    const uint8_t *end = take_decimal(at, DIGITS_MAX, &value, &places);
    if (end == NULL || c->target.denominator != 1)
        return NULL;
    int64_t factor = c->target.numerator;
    if (places != 0) {
        if (factor % powers[places] != 0)
            return NULL;
        factor /= powers[places];
    }
    if (__builtin_mul_overflow(value, factor, &c->i64[row]))
        return NULL;
    c->valid[row] = 1;
    return end;
}

const uint8_t *fill_float_fast(struct fill_column *c, uint32_t row, const uint8_t *at)
{
    int64_t value;
    size_t places;
    const uint8_t *end = take_decimal(at, FLOAT_DIGITS_MAX, &value, &places);
    if (end == NULL || (value == 0 && *at == '-'))
        return NULL;
    /* Both are exact, so the division rounds once: to the nearest double. */
    c->f64[row] = (double)value / (double)powers[places];
    c->valid[row] = 1;
    return end;
}

/* ---- ids ---- */

#define HEX_DIGIT  0x10u /* set in every entry that is one */
#define HEX(value) (HEX_DIGIT | (value))
static const uint8_t hex_value[256] = {
    ['0'] = HEX(0),  ['1'] = HEX(1),  ['2'] = HEX(2),  ['3'] = HEX(3),  ['4'] = HEX(4),
    ['5'] = HEX(5),  ['6'] = HEX(6),  ['7'] = HEX(7),  ['8'] = HEX(8),  ['9'] = HEX(9),
    ['a'] = HEX(10), ['b'] = HEX(11), ['c'] = HEX(12), ['d'] = HEX(13), ['e'] = HEX(14),
    ['f'] = HEX(15), ['A'] = HEX(10), ['B'] = HEX(11), ['C'] = HEX(12), ['D'] = HEX(13),
    ['E'] = HEX(14), ['F'] = HEX(15),
};
#undef HEX

/* 16 digits, first one highest. False when one of them isn't. */
static bool hex16(const uint8_t *at, uint64_t *ret)
{
    uint64_t v = 0;
    uint8_t all = HEX_DIGIT;
    for (int i = 0; i < 16; i++) {
        uint8_t digit = hex_value[at[i]];
        all &= digit;
        v = v << 4 | (digit & 0x0fu);
    }
    *ret = v;
    return all != 0;
}

const uint8_t *fill_span_id_fast(struct fill_column *c, uint32_t row, const uint8_t *at)
{
    if (!hex16(at, &c->id64[row]))
        return NULL;
    c->valid[row] = 1;
    return at + ID64_HEX_BYTES;
}

const uint8_t *fill_trace_id_fast(struct fill_column *c, uint32_t row, const uint8_t *at)
{
    /* Spans of a trace come together as a rule. */
    if (memcmp(at, c->last_hex, ID128_HEX_BYTES) != 0) {
        uint64_t halves[2];
        if (!hex16(at, &halves[0]) || !hex16(at + ID64_HEX_BYTES, &halves[1]))
            return NULL;
        halves[0] = __builtin_bswap64(halves[0]);
        halves[1] = __builtin_bswap64(halves[1]);
        memcpy(c->last_id.bytes, halves, sizeof halves);
        memcpy(c->last_hex, at, ID128_HEX_BYTES);
    }
    c->id128[row] = c->last_id;
    c->valid[row] = 1;
    return at + ID128_HEX_BYTES;
}

/* ---- strings ---- */

/* The first size (1 to 8) bytes of a word, the others zero. */
static uint64_t word_head(uint64_t v, size_t size)
{
    return v & (UINT64_MAX >> (64 - 8 * size));
}

void fill_string_fast(struct fill_column *c, uint32_t row, const uint8_t *at, size_t size)
{
    if (size == 0 || size > 16) {
        c->codes[row] = size == 0 ? 0 : intern_add(&c->strings, slice_of(at, size));
        return;
    }
    uint64_t low = load64(at);
    uint64_t high = 0;
    if (size <= 8)
        low = word_head(low, size);
    else
        high = word_head(load64(at + 8), size - 8);
    uint64_t hash = (low ^ (high + size) * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    struct fill_cached *cached = &c->cache[hash >> 32 & c->cache_mask];
    if (cached->code == 0 || cached->low != low || cached->high != high || cached->size != size)
        *cached = (struct fill_cached){.low = low,
                                       .high = high,
                                       .size = (uint32_t)size,
                                       .code = intern_add(&c->strings, slice_of(at, size))};
    c->codes[row] = cached->code;
}
