/*
 * test_query_numbers.c - exact sums, histograms, float texts: each against the slow and obvious way.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "query/exact_sum.h"
#include "query/float_text.h"
#include "query/histogram.h"

#define VALUES 5000

static double any_double(struct rng *r)
{
    double value = ldexp(rng_unit(r) - 0.5, (int)rng_below(r, 600) - 300);
    return rng_below(r, 10) == 0 ? 0 : value;
}

Test(exact_sum, order_makes_no_difference)
{
    static double values[VALUES];
    struct rng r;
    struct exact_sum first = {0};
    rng_init(&r, 1);
    for (int i = 0; i < VALUES; i++)
        values[i] = any_double(&r);
    for (int i = 0; i < VALUES; i++)
        exact_sum_add(&first, values[i]);
    for (int round = 0; round < 20; round++) {
        struct exact_sum again = {0};
        for (int i = VALUES; i-- > 1;) {
            int k = (int)rng_below(&r, (uint64_t)i + 1);
            double swap = values[i];
            values[i] = values[k];
            values[k] = swap;
        }
        for (int i = 0; i < VALUES; i++)
            exact_sum_add(&again, values[i]);
        cr_assert(exact_sum_total(&again) == exact_sum_total(&first));
        cr_assert(again.count == VALUES);
        exact_sum_release(&again);
    }
    exact_sum_release(&first);
}

Test(exact_sum, large_values_cancel_without_a_trace)
{
    static const double values[] = {1e300, 1, -1e300, 1e-300, 0x1p-1074, -1e-300, 3e15, -3e15};
    struct exact_sum s = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        exact_sum_add(&s, values[i]);
    cr_assert(exact_sum_total(&s) == 1);
    exact_sum_add(&s, -1);
    cr_assert(exact_sum_total(&s) == 0x1p-1074, "%g", exact_sum_total(&s));
    exact_sum_release(&s);
}

Test(exact_sum, what_is_taken_out_is_gone)
{
    struct rng r;
    struct exact_sum all = {0};
    struct exact_sum part = {0};
    struct exact_sum rest = {0};
    rng_init(&r, 2);
    for (int i = 0; i < VALUES; i++) {
        double value = i % 7 == 0 ? any_double(&r) : rng_unit(&r);
        exact_sum_add(&all, value);
        exact_sum_add(i % 3 == 0 ? &part : &rest, value);
    }
    exact_sum_merge(&all, &part, -1);
    cr_assert(exact_sum_total(&all) == exact_sum_total(&rest));
    cr_assert(all.count == rest.count);
    exact_sum_merge(&all, &rest, -1);
    cr_assert(exact_sum_total(&all) == 0);
    exact_sum_release(&all);
    exact_sum_release(&part);
    exact_sum_release(&rest);
}

Test(exact_sum, a_full_window_spills)
{
    struct exact_sum s = {0};
    struct exact_sum other = {0};
    for (int i = 0; i < 100000; i++)
        exact_sum_add(&s, 0x1.fffffffffffffp42);
    exact_sum_merge(&other, &s, 1);
    for (int i = 0; i < 12; i++)
        exact_sum_merge(&s, &other, 1);
    cr_assert(exact_sum_total(&s) == 0x1.fffffffffffffp42 * 1300000.0);
    exact_sum_release(&s);
    exact_sum_release(&other);
}

Test(exact_sum, infinities_and_nan_follow_ieee_754)
{
    struct exact_sum s = {0};
    exact_sum_add(&s, 5);
    exact_sum_add(&s, (double)INFINITY);
    cr_assert(exact_sum_total(&s) == (double)INFINITY);
    exact_sum_add(&s, -(double)INFINITY);
    cr_assert(isnan(exact_sum_total(&s)));
    exact_sum_add_slow(&s, -(double)INFINITY, -1);
    exact_sum_add_slow(&s, (double)INFINITY, -1);
    cr_assert(exact_sum_total(&s) == 5);
    exact_sum_add(&s, (double)NAN);
    cr_assert(isnan(exact_sum_total(&s)));
    exact_sum_release(&s);
}

/* ---- histograms ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double exact_quantile(const double *sorted, int count, double q)
{
    double position = q * (count - 1);
    int low = (int)position;
    double part = position - low;
    return part == 0 ? sorted[low] : sorted[low] + (sorted[low + 1] - sorted[low]) * part;
}

/* Values of one sign keep the bound through interpolation; mixed signs keep it per neighbour. */
static void check_bound(const struct histogram *h, bool integers, double *values, int count)
{
    static const double qs[] = {0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1};
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    cr_assert(histogram_count(h) == (uint64_t)count);
    for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
        double want = exact_quantile(values, count, qs[i]);
        double got = histogram_quantile(h, integers, qs[i]);
        cr_assert(fabs(got - want) <= fabs(want) / 128 + 1e-300, "q %g: %.17g, not %.17g", qs[i],
                  got, want);
    }
}

Test(histogram, quantiles_of_integers_are_within_the_stated_bound)
{
    static double values[VALUES];
    struct rng r;
    rng_init(&r, 3);
    for (int shape = 0; shape < 6; shape++) {
        struct histogram h = {0};
        for (int i = 0; i < VALUES; i++) {
            int64_t v = shape == 0   ? (int64_t)rng_below(&r, 200)
                        : shape == 1 ? (int64_t)exp(14 + 2 * rng_normal(&r))
                        : shape == 2 ? INT64_MAX - (int64_t)rng_below(&r, 1000)
                        : shape == 3 ? -(int64_t)rng_below(&r, 1u << 30)
                        : shape == 4 ? (i % 2 == 0 ? 63 : 1000000007)
                                     : 64 + i % 3;
            values[i] = (double)v;
            histogram_add_i64(&h, v);
        }
        check_bound(&h, true, values, VALUES);
        histogram_release(&h);
    }
}

Test(histogram, quantiles_of_doubles_are_within_the_stated_bound)
{
    static double values[VALUES];
    struct rng r;
    rng_init(&r, 4);
    for (int shape = 0; shape < 5; shape++) {
        struct histogram h = {0};
        for (int i = 0; i < VALUES; i++) {
            double v = shape == 0   ? rng_unit(&r)
                       : shape == 1 ? ldexp(rng_unit(&r) + 0.5, (int)rng_below(&r, 1800) - 900)
                       : shape == 2 ? -rng_unit(&r) * 1e6
                       : shape == 3 ? 0
                                    : 0.91;
            values[i] = v;
            histogram_add_f64(&h, v);
        }
        check_bound(&h, false, values, VALUES);
        histogram_release(&h);
    }
}

Test(histogram, small_integers_are_exact)
{
    for (int64_t v = -63; v < 64; v++) {
        struct histogram h = {0};
        histogram_add_i64(&h, v);
        cr_assert(histogram_quantile(&h, true, 0.5) == (double)v);
        histogram_release(&h);
    }
}

Test(histogram, parts_merged_in_any_order_are_the_whole_and_come_out_again)
{
    struct rng r;
    struct histogram whole = {0};
    struct histogram part[3];
    memset(part, 0, sizeof part);
    rng_init(&r, 5);
    for (int i = 0; i < VALUES; i++) {
        double v = rng_normal(&r) * 100;
        histogram_add_f64(&whole, v);
        histogram_add_f64(&part[rng_below(&r, 3)], v);
    }
    struct histogram a = {0};
    struct histogram b = {0};
    for (int i = 0; i < 3; i++) {
        histogram_merge(&a, &part[i], 1);
        histogram_merge(&b, &part[2 - i], 1);
    }
    for (double q = 0; q <= 1; q += 0.01) {
        cr_assert(histogram_quantile(&a, false, q) == histogram_quantile(&whole, false, q));
        cr_assert(histogram_quantile(&b, false, q) == histogram_quantile(&whole, false, q));
    }
    histogram_merge(&a, &part[0], -1);
    histogram_merge(&a, &part[1], -1);
    cr_assert(histogram_count(&a) == histogram_count(&part[2]));
    for (double q = 0; q <= 1; q += 0.01)
        cr_assert(histogram_quantile(&a, false, q) == histogram_quantile(&part[2], false, q));
    histogram_release(&whole);
    histogram_release(&a);
    histogram_release(&b);
    for (int i = 0; i < 3; i++)
        histogram_release(&part[i]);
}

Test(histogram, a_bin_that_overflows_is_noticed)
{
    struct histogram a = {0};
    struct histogram b = {0};
    histogram_add_i64(&a, 5);
    histogram_add_i64(&b, 5);
    a.positive.counts[5 - a.positive.first] = UINT32_MAX;
    histogram_merge(&b, &a, 1);
    cr_assert(b.full);
    histogram_release(&a);
    histogram_release(&b);
}

/* ---- texts ---- */

Test(float_text, reads_back_the_same_and_is_short)
{
    struct rng r;
    char text[FLOAT_TEXT_BYTES];
    rng_init(&r, 6);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_u64(&r);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        cr_assert(float_to_text(value, text) == (int)strlen(text));
        cr_assert(strtod(text, NULL) == value);
    }
    static const struct {
        double value;
        const char *text;
    } known[] = {{0.1, "0.1"},    {1.0 / 3, "0.3333333333333333"},
                 {1e21, "1e+21"}, {5e-324, "5e-324"},
                 {100, "100"},    {0.0025, "0.0025"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        (void)float_to_text(known[i].value, text);
        cr_assert(strcmp(text, known[i].text) == 0, "%s", text);
    }
}

Test(float_round, rounds_the_decimal_text)
{
    cr_assert(float_round(2.675, 2) == 2.68);
    cr_assert(float_round(-2.675, 2) == -2.68);
    cr_assert(float_round(1.005, 2) == 1.01);
    cr_assert(float_round(0.5, 0) == 1);
    cr_assert(float_round(9.995, 2) == 10);
    cr_assert(float_round(999.9, -3) == 1000);
    cr_assert(float_round(499.9, -3) == 0);
    cr_assert(float_round(123456, -2) == 123500);
    cr_assert(float_round(0.1, 20) == 0.1);
    cr_assert(float_round(1e300, -400) == 0);
}
