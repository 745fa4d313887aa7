/*
 * float_text.c - shortest round-trip text of a double, and rounding by decimal digits.
 */
#include "query/float_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int float_to_text(double value, char to[FLOAT_TEXT_BYTES])
{
    if (isnan(value))
        return snprintf(to, FLOAT_TEXT_BYTES, "NaN");
    if (isinf(value))
        return snprintf(to, FLOAT_TEXT_BYTES, value > 0 ? "Infinity" : "-Infinity");
    /* 15 digits always survive the way back from text; only subnormals need fewer to be shortest. */
    int length = 0;
    for (int digits = fabs(value) < 1e-300 ? 1 : 15; digits <= 17; digits++) {
        length = snprintf(to, FLOAT_TEXT_BYTES, "%.*g", digits, value);
        if (strtod(to, NULL) == value)
            break;
    }
    return length;
}

/* Adds one to the last of `count` decimal digits; true when it carried out of the first. */
static int digits_increment(char *digits, int count)
{
    int i = count - 1;
    for (; i >= 0 && digits[i] == '9'; i--)
        digits[i] = '0';
    if (i >= 0)
        digits[i]++;
    return i < 0;
}

double float_round(double value, int64_t places)
{
    char text[FLOAT_TEXT_BYTES];
    if (!isfinite(value) || value == 0 || places > 330)
        return value;
    if (places < -310)
        return 0;
    /* d.ddde+-xx with as few digits as read back the same */
    for (int precision = 14; precision <= 16; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    char digits[20];
    int count = 0;
    const char *p = text;
    for (; *p != 0 && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[count++] = *p;
    int exponent = *p == 'e' ? atoi(p + 1) : 0;
    /* digits[k] stands for 10^(exponent - k); keep those down to 10^-places. */
    int64_t keep = (int64_t)exponent + places + 1;
    if (keep >= count)
        return value;
    if (keep < 0)
        return 0;
    int up = digits[keep] >= '5';
    digits[keep] = 0;
    int carried = up ? digits_increment(digits, (int)keep) : 0;
    char rounded[64];
    (void)snprintf(rounded, sizeof rounded, "%s%s%se%d", value < 0 ? "-" : "", carried ? "1" : "",
                   keep == 0 && !carried ? "0" : digits, exponent - (int)keep + 1);
    return strtod(rounded, NULL);
}
