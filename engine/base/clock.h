/*
 * clock.h - time, as nanoseconds, and its text forms. Tests replace the source with clock_fake.
 */
#ifndef DRIFTLINE_BASE_CLOCK_H
#define DRIFTLINE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/slice.h"

#define NS_PER_US   1000LL
#define NS_PER_MS   1000000LL
#define NS_PER_S    1000000000LL
#define NS_PER_HOUR (3600 * NS_PER_S)
#define NS_PER_DAY  (24 * NS_PER_HOUR)

int64_t clock_wall_ns(void);
int64_t clock_monotonic_ns(void);
/* From now on both clocks stand at this value until set again; 0 restores the real ones. */
void clock_fake(int64_t now_ns);

/* "2026-11-01T14:05:00.123456789Z", trailing zeros of the fraction dropped. */
#define TIME_TEXT_BYTES 40
void time_to_text(int64_t time_ns, char to[TIME_TEXT_BYTES]);
/* PostgreSQL's form: "2026-11-01 14:05:00.123456+00" (microseconds). */
void time_to_pg_text(int64_t time_ns, char to[TIME_TEXT_BYTES]);
/* RFC 3339 and PostgreSQL spellings: date alone, T or space, fraction up to 9 digits, Z or
 * +-HH[[:]MM] (none means UTC). False when it is not a time or lies outside int64 ns. */
bool time_from_text(struct slice text, int64_t *ret_ns);
/* "250ms", "5m", "1h30m", "28d", "2w", "1.5h", "1 hour", "5 minutes"; a bare number is refused, and so are
 * months and years, a sign, and what is no whole number of ns. */
bool duration_from_text(struct slice text, int64_t *ret_ns);
/* The shortest exact form, from days down to ns: "90s" -> "1m30s", "2w" -> "14d". */
void duration_to_text(int64_t duration_ns, char to[TIME_TEXT_BYTES]);

#endif
