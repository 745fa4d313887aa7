/*
 * shape.c - picks shapes by estimated size and spreads stored values over rows.
 *
 * The spread loops carry no branch that depends on a row: the mask bit itself advances the source.
 */
#include "engine/segment/shape.h"

#include "engine/base/check.h"
#include "engine/segment/ints.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define FILL_SHARE_MIN 8u /* a fill value must hold at least 1/8 of the rows */

void changes_of(const int64_t *values, uint32_t rows, struct mask *ret)
{
    memset(ret, 0, sizeof *ret);
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t changed = row == 0 || values[row] != values[row - 1];
        ret->words[row / 64] |= changed << (row % 64);
    }
}

void shape_gather(const struct shape *s, uint32_t rows, const int64_t *values, int64_t *to)
{
    uint32_t n = 0;
    if (s->kind == SHAPE_DENSE) {
        memcpy(to, values, (size_t)rows * sizeof *to);
        return;
    }
    for (uint32_t word = 0; word * 64 < rows; word++) {
        for (uint64_t left = s->mask.words[word]; left != 0; left &= left - 1)
            to[n++] = values[word * 64 + (uint32_t)__builtin_ctzll(left)];
    }
    DEBUG_ASSERT(n == s->count);
}

struct pick {
    const struct mask_set *masks;
    const int64_t *values;
    int64_t *scratch;
    struct shape *best;
    size_t best_cost;
};

static size_t shape_cost(const struct pick *p, const struct shape *s)
{
    return s->kind == SHAPE_DENSE ? 0 : mask_set_cost(p->masks, &s->mask) + 2;
}

static void pick_try(struct pick *p, enum shape_kind kind, const struct mask *m, int64_t fill)
{
    struct shape s = {.kind = kind, .mask = *m, .fill = fill, .count = mask_ones(m)};
    size_t cost = shape_cost(p, &s);
    if (cost >= p->best_cost)
        return;
    shape_gather(&s, p->masks->rows, p->values, p->scratch);
    cost += ints_estimate(p->scratch, s.count, p->masks->fast);
    if (cost < p->best_cost) {
        p->best_cost = cost;
        *p->best = s;
    }
}

/* The same shape with differences instead of values, when that is clearly smaller. */
static void pick_try_delta(struct pick *p, const struct shape *shape)
{
    if (shape->count < 3 || p->best_cost <= 16)
        return;
    struct shape s = *shape;
    int64_t *steps = p->scratch;
    shape_gather(&s, p->masks->rows, p->values, steps);
    for (uint32_t i = s.count - 1; i > 0; i--)
        steps[i] = (int64_t)((uint64_t)steps[i] - (uint64_t)steps[i - 1]);
    size_t cost = shape_cost(p, &s) + ints_estimate(steps + 1, s.count - 1, p->masks->fast) + 4;
    if (cost + p->best_cost / 16 < p->best_cost) {
        p->best_cost = cost;
        s.delta = true;
        *p->best = s;
    }
}

/* A value that holds many rows: 0, else the majority candidate (Boyer and Moore). False: there is none. */
static bool fill_find(const int64_t *values, uint32_t rows, int64_t *ret)
{
    uint32_t zeros = 0;
    uint32_t lead = 0;
    int64_t leader = 0;
    for (uint32_t i = 0; i < rows; i++) {
        zeros += values[i] == 0;
        if (lead == 0)
            leader = values[i];
        lead = values[i] == leader ? lead + 1 : lead - 1;
    }
    *ret = zeros >= rows / FILL_SHARE_MIN ? 0 : leader;
    uint32_t held = 0;
    for (uint32_t i = 0; i < rows; i++)
        held += values[i] == *ret;
    return held >= rows / FILL_SHARE_MIN;
}

/* The stored mask with the fewest rows that has every change in it. */
static bool runs_find(const struct mask_set *masks, const struct mask *changes, struct mask *ret)
{
    uint32_t ones_best = masks->rows * 7 / 8;
    bool found = false;
    for (uint32_t ref = 2; ref < 2 * masks->count + 2 && ref < 64; ref++) {
        struct mask m;
        mask_set_get(masks, (uint16_t)ref, &m);
        uint32_t ones = mask_ones(&m);
        if (ones < ones_best && mask_within(changes, &m)) {
            ones_best = ones;
            *ret = m;
            found = true;
        }
    }
    return found;
}

void shape_pick(const struct mask_set *masks, const int64_t *values, const struct mask *valid,
                struct shape *ret)
{
    uint32_t rows = masks->rows;
    struct pick p = {.masks = masks, .values = values, .best = ret, .best_cost = SIZE_MAX};
    p.scratch = mem_alloc((size_t)rows * sizeof *p.scratch);
    struct mask all;
    mask_fill(&all, rows);
    pick_try(&p, SHAPE_DENSE, &all, 0);

    struct mask changes;
    changes_of(values, rows, &changes);
    uint32_t change_count = mask_ones(&changes);
    if (change_count > 1) {
        if (mask_ones(valid) < rows)
            pick_try(&p, SHAPE_AT, valid, 0);
        int64_t fill;
        if (fill_find(values, rows, &fill)) {
            struct mask other = {0};
            for (uint32_t row = 0; row < rows; row++)
                other.words[row / 64] |= (uint64_t)(values[row] != fill) << (row % 64);
            pick_try(&p, SHAPE_AT, &other, fill);
        }
        struct mask runs;
        if (runs_find(masks, &changes, &runs))
            pick_try(&p, SHAPE_RUNS, &runs, 0);
        if (change_count < rows - rows / 8)
            pick_try(&p, SHAPE_RUNS, &changes, 0);
        struct shape best = *ret;
        pick_try_delta(&p, &best);
        struct shape dense = {.kind = SHAPE_DENSE, .mask = all, .count = rows};
        if (best.kind != SHAPE_DENSE)
            pick_try_delta(&p, &dense);
    }
    mem_free(p.scratch);
}

/* Bit k to byte k, as 0 or 1. */
static uint64_t bits_to_bytes(uint8_t bits)
{
    uint64_t spread = bits * 0x0101010101010101u & 0x8040201008040201u;
    return (spread + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
}

void mask_to_bytes(const struct mask *m, uint32_t rows, uint8_t *to)
{
    for (uint32_t row = 0; row < rows; row += 8) {
        uint64_t spread = bits_to_bytes((uint8_t)(m->words[row / 64] >> (row % 64)));
        memcpy(to + row, &spread, rows - row < 8 ? rows - row : 8);
    }
}

#define SPREAD_AT(type)                                                                            \
    for (uint32_t word = 0; word * 64 < rows; word++) {                                            \
        uint32_t here = rows - word * 64 < 64 ? rows - word * 64 : 64;                             \
        uint64_t bits = m->words[word];                                                            \
        type *restrict out = to + (size_t)word * 64;                                               \
        if (bits == 0) {                                                                           \
            for (uint32_t i = 0; i < here; i++)                                                    \
                out[i] = fill;                                                                     \
        } else if (bits == UINT64_MAX) {                                                           \
            memcpy(out, stored, 64 * sizeof *out);                                                 \
            stored += 64;                                                                          \
        } else {                                                                                   \
            for (uint32_t i = 0; i < here; i++)                                                    \
                out[i] = fill;                                                                     \
            for (; bits != 0; bits &= bits - 1)                                                    \
                out[__builtin_ctzll(bits)] = *stored++;                                            \
        }                                                                                          \
    }

/* The first row is in the mask, so the source index starts one before 0. */
#define SPREAD_RUNS(type)                                                                          \
    uint32_t at = UINT32_MAX;                                                                      \
    for (uint32_t word = 0; word * 64 < rows; word++) {                                            \
        uint32_t here = rows - word * 64 < 64 ? rows - word * 64 : 64;                             \
        uint64_t bits = m->words[word];                                                            \
        type *restrict out = to + (size_t)word * 64;                                               \
        for (uint32_t i = 0; i < here; i++) {                                                      \
            at += (uint32_t)(bits & 1);                                                            \
            bits >>= 1;                                                                            \
            out[i] = stored[at];                                                                   \
        }                                                                                          \
    }

void shape_spread32_slow(const struct mask *m, enum shape_kind kind, uint32_t rows, uint32_t fill,
                         const uint32_t *stored, uint32_t *to)
{
    if (kind == SHAPE_RUNS) {
        SPREAD_RUNS(uint32_t)
    } else {
        SPREAD_AT(uint32_t)
    }
}

#ifdef __x86_64__
/* Eight rows at a time: a multiplication turns eight bits into eight running counts, which pick the stored values. */
__attribute__((target("avx2"))) static void spread32_fast(const struct mask *m,
                                                          enum shape_kind kind, uint32_t eights,
                                                          uint32_t fill, const uint32_t *stored,
                                                          uint32_t *to)
{
    const uint64_t ones = 0x0101010101010101u;
    const __m256i fills = _mm256_set1_epi32((int)fill);
    const uint8_t *bytes = (const uint8_t *)m->words;
    /* RUNS: the value that lasts; AT: the next one. */
    const uint32_t *at = stored;
    bool started = false;
    for (uint32_t i = 0; i < eights; i++) {
        uint64_t bits = bits_to_bytes(bytes[i]);
        uint64_t counts = bits * ones;
        if (kind == SHAPE_RUNS) {
            at += started & bytes[i] & 1;
            started = true;
            counts -= (bits & 1) * ones;
        } else {
            counts -= bits;
        }
        __m256i index = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)counts));
        __m256i values = _mm256_loadu_si256((const __m256i *)(const void *)at);
        __m256i out = _mm256_permutevar8x32_epi32(values, index);
        if (kind == SHAPE_RUNS) {
            at += counts >> 56;
        } else {
            __m256i in = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)(bits * 255)));
            out = _mm256_blendv_epi8(fills, out, in);
            at += bits * ones >> 56;
        }
        _mm256_storeu_si256((__m256i *)(void *)(to + (size_t)i * 8), out);
    }
}
#endif

void shape_spread32(const struct mask *m, enum shape_kind kind, uint32_t rows, uint32_t fill,
                    const uint32_t *stored, uint32_t *to)
{
#ifdef __x86_64__
    if (rows % 64 == 0 && __builtin_cpu_supports("avx2")) {
        spread32_fast(m, kind, rows / 8, fill, stored, to);
        return;
    }
#endif
    shape_spread32_slow(m, kind, rows, fill, stored, to);
}

void shape_spread64(const struct mask *m, enum shape_kind kind, uint32_t rows, int64_t fill,
                    const int64_t *stored, int64_t *to)
{
    if (kind == SHAPE_RUNS) {
        SPREAD_RUNS(int64_t)
    } else {
        SPREAD_AT(int64_t)
    }
}

void shape_spread128(const struct mask *m, enum shape_kind kind, uint32_t rows,
                     const struct id128 *stored, struct id128 *to)
{
    static const struct id128 fill;
    if (kind == SHAPE_RUNS) {
        SPREAD_RUNS(struct id128)
    } else {
        SPREAD_AT(struct id128)
    }
}

void mask_from_bytes(const uint8_t *valid, uint32_t rows, struct mask *ret)
{
    if (valid == NULL) {
        mask_fill(ret, rows);
        return;
    }
    memset(ret, 0, sizeof *ret);
    for (uint32_t row = 0; row < rows; row++)
        ret->words[row / 64] |= (uint64_t)(valid[row] != 0) << (row % 64);
}
