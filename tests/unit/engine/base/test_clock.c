/*
 * test_clock.c - moments and durations as text, the fake clock.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <time.h>

#include "engine/base/clock.h"
#include "engine/base/rng.h"

struct time_case {
    const char *text;
    int64_t ns;
};

static const struct time_case good_times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01", 0},
    {"1970-01-01 00:00", 0},
    {"1970-01-01T00:00:00.000000001Z", 1},
    {"1969-12-31T23:59:59.999999999Z", -1},
    {"2026-11-01T14:05Z", 1793541900 * NS_PER_S},
    {"2026-11-01T14:05:00.123456789Z", 1793541900 * NS_PER_S + 123456789},
    {"2026-11-01t14:05:00.5z", 1793541900 * NS_PER_S + 500000000},
    {"2026-11-01 14:05:00+00", 1793541900 * NS_PER_S},
    {"2026-11-01 16:05:00.000000+02", 1793541900 * NS_PER_S},
    {"2026-11-01T08:35:00-05:30", 1793541900 * NS_PER_S},
    {"2026-11-01T08:35:00-0530", 1793541900 * NS_PER_S},
    {"2026-11-02T13:04:00+22:59", 1793541900 * NS_PER_S},
    {"2000-02-29T00:00:00Z", 951782400 * NS_PER_S},
    {"2024-02-29", 1709164800 * NS_PER_S},
    {"1900-02-28T23:59:59Z", -2203891201 * NS_PER_S},
    {"2100-02-28", 4107456000 * NS_PER_S},
    {"2016-12-31T23:59:60Z", 1483228800 * NS_PER_S},
    {"2262-04-11T23:47:16.854775807Z", INT64_MAX},
    {"1677-09-21T00:12:43.145224192Z", INT64_MIN},
};

Test(time, known_moments_are_read)
{
    for (size_t i = 0; i < sizeof good_times / sizeof good_times[0]; i++) {
        int64_t ns = 12345;
        cr_assert(time_from_text(slice_text(good_times[i].text), &ns), "%s", good_times[i].text);
        cr_assert(eq(i64, ns, good_times[i].ns), "%s", good_times[i].text);
    }
}

/* clang-format off */
static const char *const bad_times[] = {
    "", "2026", "2026-11", "2026-11-1", "26-11-01", "2026-13-01", "2026-00-01", "2026-11-00",
    "2026-11-31", "2023-02-29", "1900-02-29", "2100-02-29", "2026-11-01T", "2026-11-01T14",
    "2026-11-01T14:", "2026-11-01T24:00:00Z", "2026-11-01T14:60:00Z", "2026-11-01T14:05:61Z",
    "2026-11-01T14:05:00.Z", "2026-11-01T14:05:00.1234567890Z", "2026-11-01T14:05:00Zx",
    "2026-11-01T14:05:00+", "2026-11-01T14:05:00+1", "2026-11-01T14:05:00+010", "2026-11-01T14:05:00+24:00",
    "2026-11-01T14:05:00+01:60", "2026-11-01T14:05:00+01:", " 2026-11-01", "2026-11-01 ",
    "2026/11/01", "+2026-11-01", "2026-11-01_14:05", "2262-04-11T23:47:16.854775808Z",
    "1677-09-21T00:12:43.145224191Z", "9999-12-31", "0000-01-01", "now", "12:00",
};
/* clang-format on */

Test(time, what_is_not_a_moment_is_refused)
{
    for (size_t i = 0; i < sizeof bad_times / sizeof bad_times[0]; i++) {
        int64_t ns = 12345;
        cr_assert(not(time_from_text(slice_text(bad_times[i]), &ns)), "%s", bad_times[i]);
        cr_assert(eq(i64, ns, 12345));
    }
}

Test(time, is_written_as_short_as_it_is_exact)
{
    char text[TIME_TEXT_BYTES];
    time_to_text(1793541900 * NS_PER_S + 123456789, text);
    cr_assert_str_eq(text, "2026-11-01T14:05:00.123456789Z");
    time_to_text(1793541900 * NS_PER_S + 500000000, text);
    cr_assert_str_eq(text, "2026-11-01T14:05:00.5Z");
    time_to_text(0, text);
    cr_assert_str_eq(text, "1970-01-01T00:00:00Z");
    time_to_text(INT64_MIN, text);
    cr_assert_str_eq(text, "1677-09-21T00:12:43.145224192Z");
    time_to_text(INT64_MAX, text);
    cr_assert_str_eq(text, "2262-04-11T23:47:16.854775807Z");
    time_to_pg_text(1793541900 * NS_PER_S + 123456789, text);
    cr_assert_str_eq(text, "2026-11-01 14:05:00.123456+00");
    time_to_pg_text(-1, text);
    cr_assert_str_eq(text, "1969-12-31 23:59:59.999999+00");
    time_to_pg_text(1, text);
    cr_assert_str_eq(text, "1970-01-01 00:00:00+00");
}

Test(time, any_int64_survives_the_way_to_text_and_back)
{
    struct rng r;
    rng_init(&r, 20261101);
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)rng_u64(&r);
        char text[TIME_TEXT_BYTES];
        int64_t back = 0;
        time_to_text(ns, text);
        cr_assert(time_from_text(slice_text(text), &back));
        cr_assert(eq(i64, back, ns), "%s", text);
    }
}

/* The C library's calendar is the oracle. */
Test(time, agrees_with_gmtime)
{
    struct rng r;
    rng_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        time_t seconds = (time_t)((int64_t)rng_u64(&r) / NS_PER_S);
        struct tm tm;
        char expected[TIME_TEXT_BYTES];
        char text[TIME_TEXT_BYTES];
        cr_assert(ne(ptr, gmtime_r(&seconds, &tm), NULL));
        (void)strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm);
        time_to_text((int64_t)seconds * NS_PER_S, text);
        cr_assert_str_eq(text, expected);
    }
}

static const struct time_case good_durations[] = {
    {"250ms", 250 * NS_PER_MS},
    {"5m", 300 * NS_PER_S},
    {"1h30m", 5400 * NS_PER_S},
    {"28d", 28 * NS_PER_DAY},
    {"2w", 14 * NS_PER_DAY},
    {"1 hour", NS_PER_HOUR},
    {"5 minutes", 300 * NS_PER_S},
    {"1 day 2 hours", NS_PER_DAY + 2 * NS_PER_HOUR},
    {"1 HOUR", NS_PER_HOUR},
    {"1.5h", 5400 * NS_PER_S},
    {"0.5s", 500 * NS_PER_MS},
    {"1.000000001s", NS_PER_S + 1},
    {"10us", 10 * NS_PER_US},
    {"1ns", 1},
    {"0s", 0},
    {"2 hrs", 2 * NS_PER_HOUR},
    {"3 secs", 3 * NS_PER_S},
    {"10 mins", 600 * NS_PER_S},
    {"1 week", 7 * NS_PER_DAY},
    {"9223372036854775807ns", INT64_MAX},
    {"106751d", 106751 * NS_PER_DAY},
    {" 1h ", NS_PER_HOUR},
};

/* clang-format off */
static const char *const bad_durations[] = {
    "", " ", "5", "m", "5 parsecs", "5mm", "1M", "5S", "1 month", "1 year", "-5m", "+5m", "1.h",
    ".5h", "1h30", "9223372036854775808ns", "106752d", "99999999999999999999s", "1.0000000001s",
    "0.1ns", "1e3s", "1h,30m", "5 m s", "1sss", "1mss",
};
/* clang-format on */

Test(duration, spellings_are_read)
{
    for (size_t i = 0; i < sizeof good_durations / sizeof good_durations[0]; i++) {
        int64_t ns = -1;
        cr_assert(duration_from_text(slice_text(good_durations[i].text), &ns), "%s",
                  good_durations[i].text);
        cr_assert(eq(i64, ns, good_durations[i].ns), "%s", good_durations[i].text);
    }
}

Test(duration, what_has_no_fixed_length_is_refused)
{
    for (size_t i = 0; i < sizeof bad_durations / sizeof bad_durations[0]; i++) {
        int64_t ns = -1;
        cr_assert(not(duration_from_text(slice_text(bad_durations[i]), &ns)), "%s",
                  bad_durations[i]);
        cr_assert(eq(i64, ns, -1));
    }
}

Test(duration, is_written_exactly)
{
    char text[TIME_TEXT_BYTES];
    duration_to_text(90 * NS_PER_S, text);
    cr_assert_str_eq(text, "1m30s");
    duration_to_text(28 * NS_PER_DAY, text);
    cr_assert_str_eq(text, "28d");
    duration_to_text(0, text);
    cr_assert_str_eq(text, "0s");
    duration_to_text(-1500 * NS_PER_US, text);
    cr_assert_str_eq(text, "-1ms500us");
    duration_to_text(INT64_MAX, text);
    cr_assert_str_eq(text, "106751d23h47m16s854ms775us807ns");
    duration_to_text(INT64_MIN, text);
    cr_assert_str_eq(text, "-106751d23h47m16s854ms775us808ns");
    struct rng r;
    rng_init(&r, 3);
    for (int i = 0; i < 5000; i++) {
        int64_t ns = (int64_t)(rng_u64(&r) >> 1 >> rng_below(&r, 60));
        int64_t back = -1;
        duration_to_text(ns, text);
        cr_assert(duration_from_text(slice_text(text), &back));
        cr_assert(eq(i64, back, ns), "%s", text);
    }
}

Test(clock, can_be_faked_and_restored)
{
    int64_t before = clock_monotonic_ns();
    cr_assert(gt(i64, clock_wall_ns(), 1600000000 * NS_PER_S));
    clock_fake(77);
    cr_assert(eq(i64, clock_wall_ns(), 77));
    cr_assert(eq(i64, clock_monotonic_ns(), 77));
    clock_fake(0);
    cr_assert(ge(i64, clock_monotonic_ns(), before));
}
