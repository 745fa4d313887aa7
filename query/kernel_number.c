/*
 * kernel_number.c - arithmetic and mathematics.
 *
 * Rules: PostgreSQL's. bigint / bigint truncates, division by zero and overflow are errors; a double that
 *        overflows becomes Infinity. A row that is NULL or not active never fails.
 */
#include <float.h>
#include <math.h>

#include "query/float_text.h"
#include "query/function.h"
#include "query/hot.h"

static enum status out_of_range(struct eval *ev, const struct expr *e)
{
    return eval_fail(ev, e, "%s out of range", sql_type_name(e->type));
}

/* ---- bigint, timestamp, interval ---- */

#define INTEGER_KERNEL(name, builtin)                                                              \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);                                   \
        uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;                                       \
        uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;                                       \
        bool overflow = false;                                                                     \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            overflow |= builtin(args[0].i64[i & mask_a], args[1].i64[i & mask_b], &to[i]);         \
        for (uint32_t i = 0; overflow && i < rows; i++) {                                          \
            if (!builtin(args[0].i64[i & mask_a], args[1].i64[i & mask_b], &to[i]))                \
                continue;                                                                          \
            if (eval_row_counts(ev, out->valid, i))                                                \
                return out_of_range(ev, e);                                                        \
            to[i] = 0;                                                                             \
        }                                                                                          \
        out->i64 = to;                                                                             \
        return STATUS_OK;                                                                          \
    }
INTEGER_KERNEL(kernel_add_i64, __builtin_add_overflow)
INTEGER_KERNEL(kernel_sub_i64, __builtin_sub_overflow)
INTEGER_KERNEL(kernel_mul_i64, __builtin_mul_overflow)

KERNEL(kernel_neg_i64)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        if (__builtin_sub_overflow((int64_t)0, args[0].i64[i], &to[i]) &&
            eval_row_counts(ev, out->valid, i))
            return out_of_range(ev, e);
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_abs_i64)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        to[i] = args[0].i64[i];
        if (to[i] < 0 && __builtin_sub_overflow((int64_t)0, to[i], &to[i]) &&
            eval_row_counts(ev, out->valid, i))
            return out_of_range(ev, e);
    }
    out->i64 = to;
    return STATUS_OK;
}

/* Division and remainder share what can go wrong. */
static enum status divide(struct eval *ev, const struct expr *e, const struct vec *args,
                          uint32_t rows, bool remainder, struct vec *out)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t a = args[0].i64[i & mask_a];
        int64_t b = args[1].i64[i & mask_b];
        to[i] = 0;
        if (b == 0) {
            if (eval_row_counts(ev, out->valid, i))
                return eval_fail(ev, e, "division by zero");
        } else if (b == -1) {
            if (!remainder && __builtin_sub_overflow((int64_t)0, a, &to[i]) &&
                eval_row_counts(ev, out->valid, i))
                return out_of_range(ev, e);
        } else {
            to[i] = remainder ? a % b : a / b;
        }
    }
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_div_i64)
{
    return divide(ev, e, args, rows, false, out);
}

KERNEL(kernel_mod_i64)
{
    return divide(ev, e, args, rows, true, out);
}

/* ---- double ---- */

#define DOUBLE_LOOP(name, expression)                                                              \
    HOT static void loop_##name(const double *restrict pa, const double *restrict pb,              \
                                uint32_t mask_a, uint32_t mask_b, uint32_t rows,                   \
                                double *restrict to)                                               \
    {                                                                                              \
        if (mask_a != 0 && mask_b != 0) {                                                          \
            for (uint32_t i = 0; i < rows; i++) {                                                  \
                double a = pa[i];                                                                  \
                double b = pb[i];                                                                  \
                to[i] = expression;                                                                \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (uint32_t i = 0; i < rows; i++) {                                                      \
            double a = pa[i & mask_a];                                                             \
            double b = pb[i & mask_b];                                                             \
            to[i] = expression;                                                                    \
        }                                                                                          \
    }                                                                                              \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        (void)e;                                                                                   \
        double *to = SCRATCH_ARRAY(ev->scratch, double, rows);                                     \
        loop_##name(args[0].f64, args[1].f64, args[0].constant ? 0 : UINT32_MAX,                   \
                    args[1].constant ? 0 : UINT32_MAX, rows, to);                                  \
        out->f64 = to;                                                                             \
        return STATUS_OK;                                                                          \
    }
DOUBLE_LOOP(kernel_add_f64, a + b)
DOUBLE_LOOP(kernel_sub_f64, a - b)
DOUBLE_LOOP(kernel_mul_f64, a *b)

/* a op b where b == 0 is an error. */
static enum status divide_f64(struct eval *ev, const struct expr *e, const struct vec *args,
                              uint32_t rows, double (*op)(double, double), struct vec *out)
{
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        double b = args[1].f64[i & mask_b];
        to[i] = 0;
        if (b != 0)
            to[i] = op(args[0].f64[i & mask_a], b);
        else if (eval_row_counts(ev, out->valid, i))
            return eval_fail(ev, e, "division by zero");
    }
    out->f64 = to;
    return STATUS_OK;
}

static double quotient(double a, double b)
{
    return a / b;
}

static double floor_quotient(double a, double b)
{
    return floor(a / b);
}

KERNEL(kernel_div_f64)
{
    return divide_f64(ev, e, args, rows, quotient, out);
}

KERNEL(kernel_floor_div_f64)
{
    return divide_f64(ev, e, args, rows, floor_quotient, out);
}

KERNEL(kernel_mod_f64)
{
    return divide_f64(ev, e, args, rows, fmod, out);
}

static double sign_of(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

#define MAP_KERNEL(name, function)                                                                 \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        (void)e;                                                                                   \
        double *to = SCRATCH_ARRAY(ev->scratch, double, rows);                                     \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            to[i] = function(args[0].f64[i]);                                                      \
        out->f64 = to;                                                                             \
        return STATUS_OK;                                                                          \
    }
MAP_KERNEL(kernel_neg_f64, -)
MAP_KERNEL(kernel_abs_f64, fabs)
MAP_KERNEL(kernel_sign, sign_of)
MAP_KERNEL(kernel_round, round)
MAP_KERNEL(kernel_floor, floor)
MAP_KERNEL(kernel_ceil, ceil)
MAP_KERNEL(kernel_trunc, trunc)

/* A function with a bound on its argument: `bad` says which rows are errors. */
#define DOMAIN_KERNEL(name, function, bad, message)                                                \
    KERNEL(name)                                                                                   \
    {                                                                                              \
        double *to = SCRATCH_ARRAY(ev->scratch, double, rows);                                     \
        for (uint32_t i = 0; i < rows; i++) {                                                      \
            double x = args[0].f64[i];                                                             \
            to[i] = 0;                                                                             \
            if (!(bad))                                                                            \
                to[i] = function(x);                                                               \
            else if (eval_row_counts(ev, out->valid, i))                                           \
                return eval_fail(ev, e, message);                                                  \
        }                                                                                          \
        out->f64 = to;                                                                             \
        return STATUS_OK;                                                                          \
    }
#define LOG_MESSAGE "cannot take the logarithm of zero or of a negative number"
DOMAIN_KERNEL(kernel_ln, log, x <= 0, LOG_MESSAGE)
DOMAIN_KERNEL(kernel_log10, log10, x <= 0, LOG_MESSAGE)
DOMAIN_KERNEL(kernel_log2, log2, x <= 0, LOG_MESSAGE)
DOMAIN_KERNEL(kernel_sqrt, sqrt, x < 0, "cannot take the square root of a negative number")
DOMAIN_KERNEL(kernel_exp, exp, x > 709.782712893384 && x < (double)INFINITY,
              "value out of range: overflow")

KERNEL(kernel_log_base)
{
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        double base = args[0].f64[i & mask_a];
        double x = args[1].f64[i & mask_b];
        bool bad = x <= 0 || base <= 0 || base == 1;
        if (bad && eval_row_counts(ev, out->valid, i))
            return eval_fail(ev, e, base == 1 ? "division by zero" : LOG_MESSAGE);
        to[i] = bad ? 0 : log(x) / log(base);
    }
    out->f64 = to;
    return STATUS_OK;
}

KERNEL(kernel_power)
{
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        double a = args[0].f64[i & mask_a];
        double b = args[1].f64[i & mask_b];
        bool counts = eval_row_counts(ev, out->valid, i);
        if (counts && a == 0 && b < 0)
            return eval_fail(ev, e, "zero raised to a negative power is undefined");
        if (counts && a < 0 && isfinite(a) && b != trunc(b))
            return eval_fail(ev, e,
                             "a negative number raised to a non-integer power yields a complex "
                             "result");
        to[i] = pow(a, b);
        if (counts && isinf(to[i]) && isfinite(a) && isfinite(b))
            return eval_fail(ev, e, "value out of range: overflow");
    }
    out->f64 = to;
    return STATUS_OK;
}

KERNEL(kernel_round_to)
{
    (void)e;
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++)
        to[i] = float_round(args[0].f64[i & mask_a], args[1].i64[i & mask_b]);
    out->f64 = to;
    return STATUS_OK;
}

KERNEL(kernel_pi)
{
    (void)e;
    (void)args;
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = 3.14159265358979323846;
    out->f64 = to;
    return STATUS_OK;
}

/* ---- intervals by numbers, and between number types ---- */

/* Rounds to the nearest nanosecond. */
static enum status interval_result(struct eval *ev, const struct expr *e, const struct vec *out,
                                   uint32_t row, double value, int64_t *to)
{
    bool fits = value > -9223372036854775808.0 && value < 9223372036854775808.0;
    *to = fits ? llrint(value) : 0;
    return fits || !eval_row_counts(ev, out->valid, row) ? STATUS_OK : out_of_range(ev, e);
}

KERNEL(kernel_mul_interval)
{
    enum status s;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    const struct vec *d = args[0].phys == PHYS_I64 ? &args[0] : &args[1];
    const struct vec *f = args[0].phys == PHYS_I64 ? &args[1] : &args[0];
    uint32_t mask_d = d->constant ? 0 : UINT32_MAX;
    uint32_t mask_f = f->constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++)
        if ((s = interval_result(ev, e, out, i, (double)d->i64[i & mask_d] * f->f64[i & mask_f],
                                 &to[i])) < 0)
            return s;
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_div_interval)
{
    enum status s;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        double b = args[1].f64[i & mask_b];
        if (b == 0 && eval_row_counts(ev, out->valid, i))
            return eval_fail(ev, e, "division by zero");
        if ((s = interval_result(ev, e, out, i, b == 0 ? 0 : (double)args[0].i64[i & mask_a] / b,
                                 &to[i])) < 0)
            return s;
    }
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_int_to_float)
{
    (void)e;
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = (double)args[0].i64[i];
    out->f64 = to;
    return STATUS_OK;
}

KERNEL(kernel_unscale)
{
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    double scale = (double)e->args[0]->scale;
    for (uint32_t i = 0; i < rows; i++)
        to[i] = (double)args[0].i64[i] / scale;
    out->f64 = to;
    return STATUS_OK;
}

KERNEL(kernel_float_to_int)
{
    enum status s;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        if ((s = interval_result(ev, e, out, i, rint(args[0].f64[i]), &to[i])) < 0)
            return s;
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_bool_to_int)
{
    (void)e;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = args[0].truth[i];
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_int_to_bool)
{
    (void)e;
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        to[i] = args[0].i64[i] != 0;
    out->truth = to;
    return STATUS_OK;
}
