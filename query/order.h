/*
 * order.h - the order of values: what ORDER BY, comparisons, min and max agree on.
 *
 * Numbers by value (NaN above all and equal to itself, -0 equal to 0), texts and ids by bytes. NULLs are the caller's.
 */
#ifndef DRIFTLINE_QUERY_ORDER_H
#define DRIFTLINE_QUERY_ORDER_H

#include "query/vec.h"

int order_f64(double a, double b);
/* An integer that orders as the double does. */
static inline int64_t order_key_f64(double value)
{
    int64_t bits;
    if (value != value)
        return INT64_MAX - 1;
    if (value == 0)
        return 0;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}
/* Row i of a against row j of b, same phys (TEXT and CODES mix); both must have a value. */
int order_rows(const struct vec *a, uint32_t i, const struct vec *b, uint32_t j);

#endif
