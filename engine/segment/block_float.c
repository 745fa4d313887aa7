/*
 * block_float.c - floating point columns: DECIMAL, RAW or ZSTD.
 *
 * Format:  FORMAT.md 5.6. DECIMAL: u8 digits, varint exceptions, exceptions x u16 row, exceptions x u64 bits; then as
 *          PLAIN or DELTA (by u8 1 or 2) the integers n; a value is n / 10^digits in IEEE arithmetic, then
 *          exceptions overwrite their rows.
 * Source:  the idea of ALP (Afroozeh et al. 2023): most doubles in practice are short decimals.
 * Exact:   the encoder keeps a decimal only if dividing gives the same bits back; -0, NaN and infinities are
 *          exceptions.
 */
#include <math.h>

#include "engine/base/check.h"
#include "engine/segment/block.h"
#include "engine/segment/ints.h"
#include "engine/segment/pack.h"

#define DIGITS_MAX  15u
#define SAMPLE_ROWS 64u
#define EXACT_MAX   9007199254740992.0 /* 2^53: integers up to here are exact doubles */

static const double powers_of_ten[DIGITS_MAX + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static uint64_t bits_of_double(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* v as n / 10^digits, when that gives v back bit for bit. */
static bool decimal_of(double v, unsigned digits, int64_t *ret_n)
{
    double scaled = v * powers_of_ten[digits];
    if (!(fabs(scaled) < EXACT_MAX))
        return false;
    int64_t n = llrint(scaled);
    *ret_n = n;
    return bits_of_double((double)n / powers_of_ten[digits]) == bits_of_double(v);
}

/* The fewest digits that keep most of a sample of the rows with a value. */
static unsigned digits_pick(const double *values, const struct mask *valid, uint32_t rows)
{
    double sample[SAMPLE_ROWS];
    uint32_t count = 0;
    uint32_t step = mask_ones(valid) / SAMPLE_ROWS + 1;
    uint32_t seen = 0;
    for (uint32_t row = 0; row < rows && count < SAMPLE_ROWS; row++) {
        if (mask_get(valid, row) && seen++ % step == 0)
            sample[count++] = values[row];
    }
    unsigned digits_best = 0;
    uint32_t kept_best = 0;
    for (unsigned digits = 0; digits <= DIGITS_MAX && kept_best < count; digits++) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < count; i++) {
            int64_t n;
            kept += decimal_of(sample[i], digits, &n);
        }
        if (kept > kept_best) {
            kept_best = kept;
            digits_best = digits;
        }
    }
    return digits_best;
}

struct exceptions {
    uint32_t count;
    uint16_t rows[BLOCK_ROWS];
    uint64_t bits[BLOCK_ROWS];
};

static void decimals_of(const struct block_writer *w, const double *values,
                        const struct mask *valid, unsigned digits, int64_t *n, struct exceptions *x)
{
    x->count = 0;
    for (uint32_t row = 0; row < w->rows; row++) {
        n[row] = 0;
        if (!mask_get(valid, row) || decimal_of(values[row], digits, &n[row]))
            continue;
        n[row] = row == 0 ? 0 : n[row - 1];
        x->rows[x->count] = (uint16_t)row;
        x->bits[x->count++] = bits_of_double(values[row]);
    }
}

static void decimal_block_put(const struct block_writer *w, const int64_t *n,
                              const struct mask *valid, unsigned digits, const struct exceptions *x,
                              struct buffer *to)
{
    struct shape shape;
    shape_pick(w->masks, n, valid, &shape);
    block_head_put(w, ENCODING_DECIMAL, &shape, valid, to);
    put_u8(to, (uint8_t)digits);
    put_u8(to, shape.delta ? ENCODING_DELTA : ENCODING_PLAIN);
    put_varint(to, x->count);
    for (uint32_t i = 0; i < x->count; i++)
        put_u16(to, x->rows[i]);
    for (uint32_t i = 0; i < x->count; i++)
        put_u64(to, x->bits[i]);
    block_values_put(w, &shape, n, to);
    block_end_put(to);
}

enum encoding block_put_f64(const struct block_writer *w, const double *values,
                            const uint8_t *valid, struct buffer *to)
{
    struct mask rows;
    mask_from_bytes(valid, w->rows, &rows);
    uint32_t present = mask_ones(&rows);
    if (present == 0)
        return ENCODING_NONE;
    unsigned digits = digits_pick(values, &rows, w->rows);
    int64_t *n = mem_alloc((size_t)w->rows * sizeof *n);
    struct exceptions *x = MEM_NEW(struct exceptions);
    decimals_of(w, values, &rows, digits, n, x);
    enum encoding encoding = ENCODING_DECIMAL;
    if (x->count <= present / 4) {
        decimal_block_put(w, n, &rows, digits, x, to);
    } else {
        struct shape shape = {.mask = rows, .count = present};
        shape.kind = present < w->rows ? SHAPE_AT : SHAPE_DENSE;
        for (uint32_t row = 0; row < w->rows; row++)
            n[row] = (int64_t)bits_of_double(values[row]);
        int64_t *stored = mem_alloc((size_t)w->rows * sizeof *stored);
        shape_gather(&shape, w->rows, n, stored);
        encoding = block_raw_put(w, &shape, &rows, slice_of(stored, present * sizeof *stored), to);
        mem_free(stored);
    }
    mem_free(n);
    mem_free(x);
    return encoding;
}

/* In place. Division, not multiplication by the inverse: the encoder checked exactly this. */
HOT_LOOP static void divide(int64_t *values, uint32_t count, double by)
{
    for (uint32_t i = 0; i < count; i++) {
        double v = (double)values[i] / by;
        memcpy(&values[i], &v, sizeof v);
    }
}

/* The integers as doubles, divided before they are spread over the rows. */
static void quotients_get(const struct block_reader *r, const struct block_head *h, double by,
                          struct cursor *c, int64_t *to)
{
    int64_t fill = h->kind == SHAPE_AT ? cursor_zigzag(c) : 0;
    divide(&fill, 1, by);
    if (h->kind == SHAPE_DENSE) {
        ints_stored_get(h, c, to);
        divide(to, h->stored, by);
        return;
    }
    int64_t *stored = mem_alloc((size_t)r->rows * sizeof *stored);
    ints_stored_get(h, c, stored);
    divide(stored, h->stored, by);
    if (!c->failed)
        shape_spread64(&h->mask, h->kind, r->rows, fill, stored, to);
    mem_free(stored);
}

void decimal_block_get(const struct block_reader *r, const struct block_head *h, struct cursor *c,
                       double *to)
{
    unsigned digits = cursor_u8(c);
    uint8_t inner = cursor_u8(c);
    uint64_t count = cursor_varint(c);
    if (digits > DIGITS_MAX || count > r->rows ||
        (inner != ENCODING_PLAIN && inner != ENCODING_DELTA))
        cursor_fail(c);
    struct slice rows = cursor_take(c, count * 2);
    struct slice bits = cursor_take(c, count * 8);
    if (c->failed)
        return;
    struct block_head integers = *h;
    integers.encoding = (enum encoding)inner;
    quotients_get(r, &integers, powers_of_ten[digits], c, (int64_t *)to);
    for (uint64_t i = 0; i < count && !c->failed; i++) {
        uint16_t row;
        memcpy(&row, rows.data + i * 2, 2);
        if (row >= r->rows)
            cursor_fail(c);
        else
            memcpy(&to[row], bits.data + i * 8, 8);
    }
}
