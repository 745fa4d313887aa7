/*
 * decimal.h - decimal text to numbers, exactly: [+-] digits [. digits] [e [+-] digits].
 *
 * Integers never pass through a double. Independent of the locale.
 */
#ifndef DRIFTLINE_BASE_DECIMAL_H
#define DRIFTLINE_BASE_DECIMAL_H

#include "engine/base/slice.h"

enum decimal_result {
    DECIMAL_EXACT,
    DECIMAL_ROUNDED, /* to nearest, ties away from zero */
    DECIMAL_RANGE,   /* a number that does not fit */
    DECIMAL_SYNTAX,  /* not a number */
};

/* text * numerator / denominator as an int64. Both are positive powers of ten up to 10^9.
 * *ret is written for EXACT and ROUNDED. */
enum decimal_result decimal_to_int(struct slice text, int64_t numerator, int64_t denominator,
                                   int64_t *ret);
/* The nearest double. False when it is not a number or is too large to be finite. */
bool decimal_to_double(struct slice text, double *ret);

#endif
