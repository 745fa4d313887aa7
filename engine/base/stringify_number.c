/*
 * stringify_number.c - doubles as JavaScript prints them (ECMA-262 6.1.6.1.20, Number::toString).
 *
 * Method:  the fewest digits that read back as the same double, tried from 15 up (below that nothing is lost
 *          on the way back, so zeros at the end are just dropped). At powers of two the room below a double is half
 *          of that above it, and the nearest decimal may lie outside while the next one away from zero is inside.
 */
#include <math.h>
#include <stdio.h>

#include "engine/base/decimal.h"
#include "engine/base/stringify.h"

#define DIGITS_MAX 17

struct digits {
    char text[DIGITS_MAX + 1];
    int count;
    int exponent; /* value = 0.DIGITS * 10^exponent */
};

/* value rounded to `count` significant digits. */
static struct digits digits_round(double value, int count)
{
    char text[40];
    struct digits d = {.count = count};
    (void)snprintf(text, sizeof text, "%.*e", count - 1, value);
    const char *p = text;
    for (int i = 0; *p != 'e' && *p != 0; p++) {
        if (*p >= '0' && *p <= '9')
            d.text[i++] = *p;
    }
    int exponent = 0;
    bool negative = p[0] == 'e' && p[1] == '-';
    for (p += p[0] == 'e' ? 2 : 0; *p >= '0' && *p <= '9'; p++)
        exponent = exponent * 10 + (*p - '0');
    d.exponent = (negative ? -exponent : exponent) + 1;
    return d;
}

static void digits_step_up(struct digits *d)
{
    int i = d->count - 1;
    for (; i >= 0 && d->text[i] == '9'; i--)
        d->text[i] = '0';
    if (i >= 0) {
        d->text[i]++;
    } else {
        d->text[0] = '1';
        d->exponent++;
    }
}

static bool digits_read_back(const struct digits *d, double value)
{
    char text[40];
    double back = 0;
    int size = snprintf(text, sizeof text, "%.*se%d", d->count, d->text, d->exponent - d->count);
    return decimal_to_double(slice_of(text, (size_t)size), &back) && back == value;
}

static struct digits digits_shortest(double value)
{
    struct digits d = {0};
    for (int count = value < 1e-300 ? 1 : 15; count <= DIGITS_MAX; count++) {
        d = digits_round(value, count);
        if (digits_read_back(&d, value))
            break;
        struct digits up = d;
        digits_step_up(&up);
        if (count < DIGITS_MAX && digits_read_back(&up, value)) {
            d = up;
            break;
        }
    }
    while (d.count > 1 && d.text[d.count - 1] == '0')
        d.count--;
    return d;
}

static void add_zeros(struct buffer *to, int count)
{
    for (int i = 0; i < count; i++)
        buffer_add_byte(to, '0');
}

static void digits_write(const struct digits *d, struct buffer *to)
{
    int point = d->exponent;
    if (point > 0 && point <= 21) {
        int whole = point < d->count ? point : d->count;
        buffer_add(to, d->text, (size_t)whole);
        add_zeros(to, point - whole);
        if (whole < d->count)
            buffer_printf(to, ".%.*s", d->count - whole, d->text + whole);
    } else if (point > -6 && point <= 0) {
        buffer_add_text(to, "0.");
        add_zeros(to, -point);
        buffer_add(to, d->text, (size_t)d->count);
    } else {
        buffer_add_byte(to, (uint8_t)d->text[0]);
        if (d->count > 1)
            buffer_printf(to, ".%.*s", d->count - 1, d->text + 1);
        buffer_printf(to, "e%+d", point - 1);
    }
}

void stringify_number(double value, struct buffer *to)
{
    if (!isfinite(value)) {
        buffer_add_text(to, "null");
        return;
    }
    if (value == 0) {
        buffer_add_byte(to, '0'); /* JSON.stringify(-0) is "0" */
        return;
    }
    if (value < 0)
        buffer_add_byte(to, '-');
    struct digits d = digits_shortest(fabs(value));
    digits_write(&d, to);
}
