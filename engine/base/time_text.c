/*
 * time_text.c - moments to text and back: RFC 3339 and PostgreSQL's spelling.
 *
 * The calendar is the proleptic Gregorian one; int64 nanoseconds span the years 1677 to 2262, so a
 * year always has four digits. The day arithmetic counts in eras of 400 years (146 097 days) that
 * begin on 1 March, which puts the leap day last.
 */
#include <stdio.h>

#include "engine/base/clock.h"

#define DAYS_PER_ERA       146097
#define DAYS_BEFORE_1970   719468 /* from 0000-03-01 to 1970-01-01 */
#define SECONDS_PER_DAY    86400
#define SECONDS_PER_HOUR   3600
#define SECONDS_PER_MINUTE 60

struct civil {
    int year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
    int hour;
    int minute;
    int second;
    int64_t fraction_ns;
    int offset_s; /* east of UTC */
};

static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970;
}

static void civil_from_days(int64_t days, struct civil *to)
{
    int64_t z = days + DAYS_BEFORE_1970;
    int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = z - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    to->day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    to->month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    to->year = (int)(year_of_era + era * 400 + (to->month <= 2));
}

static struct civil civil_from_ns(int64_t time_ns)
{
    int64_t days = time_ns / NS_PER_DAY;
    int64_t rest = time_ns % NS_PER_DAY;
    if (rest < 0) {
        rest += NS_PER_DAY;
        days--;
    }
    struct civil c = {0};
    civil_from_days(days, &c);
    int64_t seconds = rest / NS_PER_S;
    c.fraction_ns = rest % NS_PER_S;
    c.hour = (int)(seconds / SECONDS_PER_HOUR);
    c.minute = (int)(seconds % SECONDS_PER_HOUR / SECONDS_PER_MINUTE);
    c.second = (int)(seconds % SECONDS_PER_MINUTE);
    return c;
}

/* Writes ".digits" without trailing zeros, or nothing. */
static size_t fraction_to_text(int64_t fraction, int digits, char *to)
{
    if (fraction == 0)
        return 0;
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    to[0] = '.';
    for (int i = digits; i > 0; i--) {
        to[i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    return (size_t)digits + 1;
}

static size_t civil_to_text(const struct civil *c, char separator, char *to)
{
    return (size_t)snprintf(to, TIME_TEXT_BYTES, "%04d-%02d-%02d%c%02d:%02d:%02d", c->year,
                            c->month, c->day, separator, c->hour, c->minute, c->second);
}

void time_to_text(int64_t time_ns, char to[TIME_TEXT_BYTES])
{
    struct civil c = civil_from_ns(time_ns);
    size_t size = civil_to_text(&c, 'T', to);
    size += fraction_to_text(c.fraction_ns, 9, to + size);
    memcpy(to + size, "Z", 2);
}

void time_to_pg_text(int64_t time_ns, char to[TIME_TEXT_BYTES])
{
    struct civil c = civil_from_ns(time_ns);
    size_t size = civil_to_text(&c, ' ', to);
    size += fraction_to_text(c.fraction_ns / NS_PER_US, 6, to + size);
    memcpy(to + size, "+00", 4);
}

/* Takes exactly `digits` digits off the front. */
static bool take_digits(struct slice *text, int digits, int *ret)
{
    int value = 0;
    if (text->size < (size_t)digits)
        return false;
    for (int i = 0; i < digits; i++) {
        uint8_t c = text->data[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    text->data += digits;
    text->size -= (size_t)digits;
    *ret = value;
    return true;
}

/* Takes one byte off the front when it is a or b. */
static bool take_byte(struct slice *text, char a, char b)
{
    if (text->size == 0 || (text->data[0] != (uint8_t)a && text->data[0] != (uint8_t)b))
        return false;
    text->data++;
    text->size--;
    return true;
}

static bool take_fraction(struct slice *text, int64_t *ret_ns)
{
    int64_t value = 0;
    int digits = 0;
    int digit = 0;
    while (digits < 9 && take_digits(text, 1, &digit)) {
        value = value * 10 + digit;
        digits++;
    }
    if (digits == 0)
        return false;
    for (; digits < 9; digits++)
        value *= 10;
    *ret_ns = value;
    return true;
}

static bool take_offset(struct slice *text, int *ret_offset_s)
{
    if (text->size == 0 || take_byte(text, 'Z', 'z'))
        return true;
    bool west = text->data[0] == '-';
    int hours = 0;
    int minutes = 0;
    if (!take_byte(text, '+', '-') || !take_digits(text, 2, &hours))
        return false;
    bool has_colon = take_byte(text, ':', ':');
    if ((has_colon || text->size != 0) && !take_digits(text, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    int offset_s = hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE;
    *ret_offset_s = west ? -offset_s : offset_s;
    return true;
}

static bool take_clock(struct slice *text, struct civil *c)
{
    if (!take_digits(text, 2, &c->hour) || !take_byte(text, ':', ':') ||
        !take_digits(text, 2, &c->minute))
        return false;
    if (take_byte(text, ':', ':')) {
        if (!take_digits(text, 2, &c->second))
            return false;
        if (take_byte(text, '.', '.') && !take_fraction(text, &c->fraction_ns))
            return false;
    }
    return take_offset(text, &c->offset_s);
}

static int days_in_month(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool civil_is_valid(const struct civil *c)
{
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > days_in_month(c->year, c->month))
        return false;
    /* Second 60 is RFC 3339's leap second; like POSIX we count it as the next minute's first. */
    return c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

bool time_from_text(struct slice text, int64_t *ret_ns)
{
    struct civil c = {0};
    if (!take_digits(&text, 4, &c.year) || !take_byte(&text, '-', '-') ||
        !take_digits(&text, 2, &c.month) || !take_byte(&text, '-', '-') ||
        !take_digits(&text, 2, &c.day))
        return false;
    if (text.size != 0) {
        if (!take_byte(&text, 'T', 't') && !take_byte(&text, ' ', ' '))
            return false;
        if (!take_clock(&text, &c))
            return false;
    }
    if (text.size != 0 || !civil_is_valid(&c))
        return false;

    int64_t seconds = days_from_civil(c.year, c.month, c.day) * SECONDS_PER_DAY +
                      c.hour * SECONDS_PER_HOUR + c.minute * SECONDS_PER_MINUTE + c.second -
                      c.offset_s;
    /* The earliest moment lies in a second that begins before int64 does, so add in 128 bits. */
    __int128 ns = (__int128)seconds * NS_PER_S + c.fraction_ns;
    if (ns < INT64_MIN || ns > INT64_MAX)
        return false;
    *ret_ns = (int64_t)ns;
    return true;
}
