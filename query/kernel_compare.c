/*
 * kernel_compare.c - = <> < <= > >= IN, IS NULL, IS DISTINCT FROM, NULLIF, GREATEST, LEAST, NOT.
 *
 * Order:  numbers by value with NaN largest and equal to itself, texts by bytes, ids by bytes; as sorting does.
 * Speed:  integers and doubles against a constant run at memory speed (bench_query).
 */
#include <math.h>
#include <stdlib.h>

#include "query/function.h"
#include "query/hot.h"
#include "query/order.h"

#define EQ_(a, b) ((a) == (b))
#define NE_(a, b) ((a) != (b))
#define LT_(a, b) ((a) < (b))
#define LE_(a, b) ((a) <= (b))
#define GT_(a, b) ((a) > (b))
#define GE_(a, b) ((a) >= (b))

/* One loop for column against column and one for column against constant. */
#define COMPARE_LOOPS(suffix, type, name, op)                                                      \
    HOT static void name##_##suffix##_columns(const type *restrict a, const type *restrict b,      \
                                              uint32_t rows, uint8_t *restrict to)                 \
    {                                                                                              \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            to[i] = op(a[i], b[i]);                                                                \
    }                                                                                              \
    HOT static void name##_##suffix##_constant(const type *restrict a, type b, uint32_t rows,      \
                                               uint8_t *restrict to)                               \
    {                                                                                              \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            to[i] = op(a[i], b);                                                                   \
    }

/* `back` is the operator with its sides swapped. */
#define COMPARE_KERNEL(suffix, type, member, name, back)                                           \
    KERNEL(kernel_##name##_##suffix)                                                               \
    {                                                                                              \
        (void)e;                                                                                   \
        uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);                                   \
        const type *a = args[0].member;                                                            \
        const type *b = args[1].member;                                                            \
        if (args[1].constant)                                                                      \
            name##_##suffix##_constant(a, b[0], rows, to);                                         \
        else if (args[0].constant)                                                                 \
            back##_##suffix##_constant(b, a[0], rows, to);                                         \
        else                                                                                       \
            name##_##suffix##_columns(a, b, rows, to);                                             \
        out->truth = to;                                                                           \
        return STATUS_OK;                                                                          \
    }

#define COMPARE_NUMBERS(suffix, type, member)                                                      \
    COMPARE_LOOPS(suffix, type, eq, EQ_)                                                           \
    COMPARE_LOOPS(suffix, type, ne, NE_)                                                           \
    COMPARE_LOOPS(suffix, type, lt, LT_)                                                           \
    COMPARE_LOOPS(suffix, type, le, LE_)                                                           \
    COMPARE_LOOPS(suffix, type, gt, GT_)                                                           \
    COMPARE_LOOPS(suffix, type, ge, GE_)                                                           \
    COMPARE_KERNEL(suffix, type, member, eq, eq)                                                   \
    COMPARE_KERNEL(suffix, type, member, ne, ne)                                                   \
    COMPARE_KERNEL(suffix, type, member, lt, gt)                                                   \
    COMPARE_KERNEL(suffix, type, member, le, ge)                                                   \
    COMPARE_KERNEL(suffix, type, member, gt, lt)                                                   \
    COMPARE_KERNEL(suffix, type, member, ge, le)

COMPARE_NUMBERS(i64, int64_t, i64)
COMPARE_NUMBERS(truth, uint8_t, truth)
COMPARE_NUMBERS(id64, uint64_t, id64)

/* NaN is equal to NaN and above everything else. */
static inline bool f64_eq(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}
static inline bool f64_lt(double a, double b)
{
    return a < b || (!isnan(a) && isnan(b));
}
#define EQ_F64(a, b) f64_eq(a, b)
#define NE_F64(a, b) (!f64_eq(a, b))
#define LT_F64(a, b) f64_lt(a, b)
#define LE_F64(a, b) (!f64_lt(b, a))
#define GT_F64(a, b) f64_lt(b, a)
#define GE_F64(a, b) (!f64_lt(a, b))
COMPARE_LOOPS(f64, double, eq, EQ_F64)
COMPARE_LOOPS(f64, double, ne, NE_F64)
COMPARE_LOOPS(f64, double, lt, LT_F64)
COMPARE_LOOPS(f64, double, le, LE_F64)
COMPARE_LOOPS(f64, double, gt, GT_F64)
COMPARE_LOOPS(f64, double, ge, GE_F64)
COMPARE_KERNEL(f64, double, f64, eq, eq)
COMPARE_KERNEL(f64, double, f64, ne, ne)
COMPARE_KERNEL(f64, double, f64, lt, gt)
COMPARE_KERNEL(f64, double, f64, le, ge)
COMPARE_KERNEL(f64, double, f64, gt, lt)
COMPARE_KERNEL(f64, double, f64, ge, le)

/* Texts and 16-byte ids: row by row. */
#define COMPARE_ROWS(suffix, member, name, test)                                                   \
    KERNEL(kernel_##name##_##suffix)                                                               \
    {                                                                                              \
        (void)e;                                                                                   \
        uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);                                   \
        uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;                                       \
        uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;                                       \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            to[i] = test(args[0].member[i & mask_a], args[1].member[i & mask_b]);                  \
        out->truth = to;                                                                           \
        return STATUS_OK;                                                                          \
    }
#define TEXT_NE(a, b) (!slice_equal(a, b))
#define TEXT_LT(a, b) (slice_compare(a, b) < 0)
#define TEXT_LE(a, b) (slice_compare(a, b) <= 0)
#define TEXT_GT(a, b) (slice_compare(a, b) > 0)
#define TEXT_GE(a, b) (slice_compare(a, b) >= 0)
COMPARE_ROWS(text, text, eq, slice_equal)
COMPARE_ROWS(text, text, ne, TEXT_NE)
COMPARE_ROWS(text, text, lt, TEXT_LT)
COMPARE_ROWS(text, text, le, TEXT_LE)
COMPARE_ROWS(text, text, gt, TEXT_GT)
COMPARE_ROWS(text, text, ge, TEXT_GE)
#define ID_NE(a, b) (!id128_equal(a, b))
#define ID_LT(a, b) (id128_compare(a, b) < 0)
#define ID_LE(a, b) (id128_compare(a, b) <= 0)
#define ID_GT(a, b) (id128_compare(a, b) > 0)
#define ID_GE(a, b) (id128_compare(a, b) >= 0)
COMPARE_ROWS(id128, id128, eq, id128_equal)
COMPARE_ROWS(id128, id128, ne, ID_NE)
COMPARE_ROWS(id128, id128, lt, ID_LT)
COMPARE_ROWS(id128, id128, le, ID_LE)
COMPARE_ROWS(id128, id128, gt, ID_GT)
COMPARE_ROWS(id128, id128, ge, ID_GE)

/* ---- IN (constants) ---- */

/* The constants, sorted; a NULL among them makes every miss unknown. */
struct in_set {
    uint32_t count;
    bool has_null;
    const void *values;
};

static int compare_in_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_in_id64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_in_f64(const void *a, const void *b)
{
    return order_f64(*(const double *)a, *(const double *)b);
}

static int compare_in_text(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static int compare_in_id128(const void *a, const void *b)
{
    return id128_compare(*(const struct id128 *)a, *(const struct id128 *)b);
}

enum status prepare_in(const struct prepare *p, struct expr *e, struct error *reterr)
{
    (void)reterr;
    struct in_set *set = ARENA_NEW(p->arena, struct in_set);
    enum phys phys = e->args[0]->phys == PHYS_CODES ? PHYS_TEXT : e->args[0]->phys;
    size_t width = phys_width(phys);
    uint8_t *values = arena_alloc(p->arena, e->arg_count * width);
    int (*compare)(const void *, const void *) = phys == PHYS_I64    ? compare_in_i64
                                                 : phys == PHYS_F64  ? compare_in_f64
                                                 : phys == PHYS_TEXT ? compare_in_text
                                                 : phys == PHYS_ID64 ? compare_in_id64
                                                                     : compare_in_id128;
    for (uint32_t i = 1; i < e->arg_count; i++) {
        const struct expr *item = e->args[i];
        if (item->is_null)
            set->has_null = true;
        else
            memcpy(values + width * set->count++, &item->value, width);
    }
    qsort(values, set->count, width, compare);
    set->values = values;
    e->data = set;
    /* The kernel needs the set alone; keep the values as arguments out of its way. */
    return STATUS_OK;
}

#define IN_KERNEL(suffix, type, member, compare)                                                   \
    KERNEL(kernel_in_##suffix)                                                                     \
    {                                                                                              \
        const struct in_set *set = e->data;                                                        \
        const type *values = set->values;                                                          \
        uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);                                   \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            to[i] =                                                                                \
                bsearch(&args[0].member[i], values, set->count, sizeof *values, compare) != NULL;  \
        out->truth = to;                                                                           \
        if (set->has_null) {                                                                       \
            uint8_t *valid = eval_own_valid(ev, rows, out);                                        \
            for (uint32_t i = 0; i < rows; i++)                                                    \
                valid[i] &= to[i];                                                                 \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
IN_KERNEL(i64, int64_t, i64, compare_in_i64)
IN_KERNEL(f64, double, f64, compare_in_f64)
IN_KERNEL(text, struct slice, text, compare_in_text)
IN_KERNEL(id64, uint64_t, id64, compare_in_id64)
IN_KERNEL(id128, struct id128, id128, compare_in_id128)

/* ---- truth and NULL ---- */

KERNEL(kernel_not)
{
    (void)e;
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = args[0].truth[i] ^ 1;
    out->truth = to;
    return STATUS_OK;
}

KERNEL(kernel_is_null)
{
    (void)e;
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    const uint8_t *valid = vec_valid_bytes(&args[0], rows, ev->scratch);
    if (valid == NULL)
        memset(to, 0, rows);
    for (uint32_t i = 0; valid != NULL && i < rows; i++)
        to[i] = valid[i] ^ 1;
    out->truth = to;
    return STATUS_OK;
}

static void truth_is(struct eval *ev, const struct vec *v, uint8_t want, uint32_t rows,
                     struct vec *out)
{
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = vec_has(v, i) && v->truth[i] == want;
    out->truth = to;
}

KERNEL(kernel_is_true)
{
    (void)e;
    truth_is(ev, &args[0], 1, rows, out);
    return STATUS_OK;
}

KERNEL(kernel_is_false)
{
    (void)e;
    truth_is(ev, &args[0], 0, rows, out);
    return STATUS_OK;
}

static bool rows_equal(const struct vec *a, const struct vec *b, uint32_t row)
{
    bool has_a = vec_has(a, row);
    bool has_b = vec_has(b, row);
    return has_a && has_b ? order_rows(a, row, b, row) == 0 : has_a == has_b;
}

KERNEL(kernel_distinct)
{
    (void)e;
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = !rows_equal(&args[0], &args[1], i);
    out->truth = to;
    return STATUS_OK;
}

/* Copies row `from_row` of v into row i of a result; shared by NULLIF, GREATEST and LEAST. */
static void put_row(enum phys phys, void *to, uint32_t i, const struct vec *v, uint32_t row)
{
    if (v->constant)
        row = 0;
    size_t width = phys_width(phys);
    memcpy((uint8_t *)to + i * width, (const uint8_t *)v->data + row * width, width);
}

KERNEL(kernel_nullif)
{
    void *to = scratch_alloc(ev->scratch, rows * phys_width(e->phys));
    uint8_t *valid = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        put_row(e->phys, to, i, &args[0], i);
        valid[i] = vec_has(&args[0], i) &&
                   !(vec_has(&args[1], i) && order_rows(&args[0], i, &args[1], i) == 0);
    }
    out->data = to;
    out->valid = valid;
    return STATUS_OK;
}

/* sign 1: the greatest, -1: the least; NULLs are left out. */
static void extreme(struct eval *ev, const struct expr *e, const struct vec *args, uint32_t rows,
                    int sign, struct vec *out)
{
    void *to = scratch_alloc(ev->scratch, rows * phys_width(e->phys));
    uint8_t *valid = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t best = 0;
        valid[i] = vec_has(&args[0], i);
        for (uint32_t a = 1; a < e->arg_count; a++) {
            if (!vec_has(&args[a], i))
                continue;
            if (!valid[i] || sign * order_rows(&args[a], i, &args[best], i) > 0)
                best = a;
            valid[i] = 1;
        }
        put_row(e->phys, to, i, &args[best], i);
    }
    out->data = to;
    out->valid = valid;
}

KERNEL(kernel_greatest)
{
    extreme(ev, e, args, rows, 1, out);
    return STATUS_OK;
}

KERNEL(kernel_least)
{
    extreme(ev, e, args, rows, -1, out);
    return STATUS_OK;
}
