/*
 * float_text.h - doubles as text: the shortest digits that read back as the same double.
 */
#ifndef DRIFTLINE_QUERY_FLOAT_TEXT_H
#define DRIFTLINE_QUERY_FLOAT_TEXT_H

#include <stdint.h>

#define FLOAT_TEXT_BYTES 32
/* "0.1", "1e+21", "NaN", "Infinity", "-Infinity", as PostgreSQL prints them. Returns the length. */
int float_to_text(double value, char to[FLOAT_TEXT_BYTES]);
/* To `places` decimals (negative: to tens, hundreds, ...), halves away from zero, as the decimal text reads: 2.675
 * to 2 places is 2.68. */
double float_round(double value, int64_t places);

#endif
