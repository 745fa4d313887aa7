/*
 * decimal.c - decimal text to integers and doubles.
 *
 * A number is held as digits * 10^exponent with up to 28 significant digits; what comes after them
 * is remembered only as "there was more". 28 digits times 10^9 fit 128 bits, and since the scale
 * and the divisor are powers of ten the lost digits can never turn a rounding except for a tie.
 */
#include "engine/base/decimal.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/memory.h"

#define DIGITS_MAX   28
#define EXPONENT_MAX 1000000 /* beyond it the exact size no longer matters */

struct decimal {
    unsigned __int128 digits;
    int64_t exponent;
    int digit_count; /* significant ones kept */
    bool negative;
    bool more; /* digits were lost */
};

static bool is_digit(struct slice text, size_t at)
{
    return at < text.size && text.data[at] >= '0' && text.data[at] <= '9';
}

static void decimal_add_digit(struct decimal *d, uint8_t digit, bool is_fraction)
{
    if (d->digit_count < DIGITS_MAX) {
        d->digits = d->digits * 10 + digit;
        d->digit_count += d->digits != 0;
        d->exponent -= is_fraction;
    } else {
        d->more |= digit != 0;
        d->exponent += !is_fraction;
    }
}

static size_t parse_exponent(struct slice text, size_t at, struct decimal *d)
{
    bool negative = at < text.size && text.data[at] == '-';
    if (at < text.size && (text.data[at] == '-' || text.data[at] == '+'))
        at++;
    if (!is_digit(text, at))
        return 0;
    int64_t exponent = 0;
    for (; is_digit(text, at); at++) {
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (text.data[at] - '0');
    }
    d->exponent += negative ? -exponent : exponent;
    return at;
}

static bool decimal_parse(struct slice text, struct decimal *d)
{
    *d = (struct decimal){0};
    size_t at = 0;
    size_t digits = 0;
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        d->negative = text.data[0] == '-';
        at++;
    }
    for (; is_digit(text, at); at++, digits++)
        decimal_add_digit(d, text.data[at] - '0', false);
    if (at < text.size && text.data[at] == '.') {
        for (at++; is_digit(text, at); at++, digits++)
            decimal_add_digit(d, text.data[at] - '0', true);
    }
    if (digits == 0)
        return false;
    if (at < text.size && (text.data[at] | 0x20) == 'e') {
        at = parse_exponent(text, at + 1, d);
        if (at == 0)
            return false;
    }
    return at == text.size;
}

/* digits * numerator * 10^exponent with exponent >= 0, as far as it fits 64 bits. */
static bool scale_up(struct decimal *d, uint64_t *ret)
{
    for (; d->exponent > 0; d->exponent--) {
        if (d->digits > UINT64_MAX)
            return false;
        d->digits *= 10;
    }
    *ret = (uint64_t)d->digits;
    return d->digits <= UINT64_MAX;
}

/* Divides by 10^-exponent, rounding; *ret_exact says whether nothing was lost. */
static bool scale_down(struct decimal *d, uint64_t *ret, bool *ret_exact)
{
    unsigned __int128 divisor = 1;
    for (; d->exponent < 0; d->exponent++) {
        if (divisor > d->digits * 2) {
            /* Less than half of one: the rest of the exponent changes nothing. */
            *ret = 0;
            *ret_exact = d->digits == 0 && !d->more;
            return true;
        }
        divisor *= 10;
    }
    unsigned __int128 quotient = d->digits / divisor;
    unsigned __int128 rest = d->digits % divisor;
    bool up = rest >= divisor - rest;
    *ret = (uint64_t)quotient;
    *ret_exact = rest == 0 && !d->more;
    return quotient < UINT64_MAX && !__builtin_add_overflow(*ret, (uint64_t)up, ret);
}

static bool is_power_of_ten(int64_t v)
{
    while (v > 0 && v % 10 == 0)
        v /= 10;
    return v == 1;
}

enum decimal_result decimal_to_int(struct slice text, int64_t numerator, int64_t denominator,
                                   int64_t *ret)
{
    ASSERT(is_power_of_ten(numerator) && numerator <= 1000000000);
    ASSERT(is_power_of_ten(denominator) && denominator <= 1000000000);
    struct decimal d;
    if (!decimal_parse(text, &d))
        return DECIMAL_SYNTAX;
    if (d.digits == 0) {
        *ret = 0;
        return DECIMAL_EXACT;
    }
    d.digits *= (uint64_t)numerator;
    for (; denominator > 1; denominator /= 10)
        d.exponent--;

    uint64_t magnitude = 0;
    bool exact = !d.more;
    bool fits = d.exponent > 0 ? scale_up(&d, &magnitude) : scale_down(&d, &magnitude, &exact);
    uint64_t limit = (uint64_t)INT64_MAX + d.negative;
    if (!fits || magnitude > limit)
        return DECIMAL_RANGE;
    *ret = (int64_t)(d.negative ? 0 - magnitude : magnitude);
    return exact ? DECIMAL_EXACT : DECIMAL_ROUNDED;
}

static locale_t plain_locale;

static void plain_locale_open(void)
{
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    ASSERT(plain_locale != (locale_t)0);
}

/* The slow, always right way: the C library's conversion in the C locale. */
static double text_to_double(struct slice text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, plain_locale_open);
    char small[128];
    char *copy = text.size < sizeof small ? small : mem_alloc(text.size + 1);
    bytes_copy(copy, text.data, text.size);
    copy[text.size] = 0;
    double value = strtod_l(copy, NULL, plain_locale);
    if (copy != small)
        mem_free(copy);
    return value;
}

bool decimal_to_double(struct slice text, double *ret)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    if (!decimal_parse(text, &d))
        return false;
    double value = 0;
    /* Both the digits and the power are exact doubles here, so one operation rounds once. */
    if (!d.more && d.digits <= ((uint64_t)1 << 53) && d.exponent >= -22 && d.exponent <= 22) {
        double digits = (double)(uint64_t)d.digits;
        value = d.exponent < 0 ? digits / powers[-d.exponent] : digits * powers[d.exponent];
        value = d.negative ? -value : value;
    } else {
        value = text_to_double(text);
    }
    if (!isfinite(value))
        return false;
    *ret = value;
    return true;
}
