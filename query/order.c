/*
 * order.c - compares single values.
 */
#include "query/order.h"

int order_f64(double a, double b)
{
    if (a < b)
        return -1;
    if (a > b)
        return 1;
    if (a == b)
        return 0;
    /* At least one is NaN. */
    return (a != a) - (b != b);
}

int order_rows(const struct vec *a, uint32_t i, const struct vec *b, uint32_t j)
{
    if (a->constant)
        i = 0;
    if (b->constant)
        j = 0;
    switch (a->phys) {
    case PHYS_I64:
        return (a->i64[i] > b->i64[j]) - (a->i64[i] < b->i64[j]);
    case PHYS_F64:
        return order_f64(a->f64[i], b->f64[j]);
    case PHYS_BOOL:
        return a->truth[i] - b->truth[j];
    case PHYS_TEXT:
    case PHYS_CODES:
        return slice_compare(vec_text(a, i), vec_text(b, j));
    case PHYS_ID64:
        return (a->id64[i] > b->id64[j]) - (a->id64[i] < b->id64[j]);
    case PHYS_ID128:
        return id128_compare(a->id128[i], b->id128[j]);
    }
    return 0;
}
