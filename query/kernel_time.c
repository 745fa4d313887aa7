/*
 * kernel_time.c - timestamps and intervals: extract, date_trunc, time_bucket, to_timestamp.
 *
 * Rules:  the calendar is the proleptic Gregorian one in UTC; weeks are ISO weeks. An interval is a number of
 *         nanoseconds: a day is 24 hours, months have no length and are refused.
 */
#include <math.h>

#include "engine/base/clock.h"
#include "engine/base/decimal.h"

#include "query/function.h"
#include "query/token.h"

enum field {
    FIELD_EPOCH,
    FIELD_YEAR,
    FIELD_QUARTER,
    FIELD_MONTH,
    FIELD_WEEK,
    FIELD_DAY,
    FIELD_HOUR,
    FIELD_MINUTE,
    FIELD_SECOND,
    FIELD_MILLISECONDS,
    FIELD_MICROSECONDS,
    FIELD_DOW,
    FIELD_ISODOW,
    FIELD_DOY,
};

static const char *const field_names[] = {
    "epoch",  "year",   "quarter",      "month",        "week", "day",    "hour",
    "minute", "second", "milliseconds", "microseconds", "dow",  "isodow", "doy"};

enum status prepare_field(const struct prepare *p, struct expr *e, struct error *reterr)
{
    const struct expr *name = e->args[0];
    if (name->kind != EXPR_CONST || name->is_null)
        return error_set_at(reterr, STATUS_INVALID, name->position,
                            "the field of %s must be a constant like 'hour'", e->function->name);
    enum field *field = ARENA_NEW(p->arena, enum field);
    for (size_t i = 0; i < sizeof field_names / sizeof *field_names; i++)
        if (word_equal(name->value.text, field_names[i])) {
            *field = (enum field)i;
            e->data = field;
            return STATUS_OK;
        }
    return error_set_at(reterr, STATUS_INVALID, name->position, "unknown field \"%.*s\" of %s",
                        SLICE_ARG(name->value.text), e->function->name);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b < 0);
}

struct date {
    int64_t year;
    int month; /* 1 .. 12 */
    int day;   /* 1 .. 31 */
};

/* Days since 1970-01-01 to a civil date and back (Hinnant, "chrono-compatible low-level date algorithms"). */
static struct date date_of_days(int64_t days)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    return (struct date){.year = yoe + era * 400 + (month <= 2),
                         .month = month,
                         .day = (int)(doy - (153 * mp + 2) / 5 + 1)};
}

static int64_t days_of_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

/* 1970-01-01 was a Thursday. 0 = Monday. */
static int64_t weekday(int64_t days)
{
    return days + 3 - 7 * floor_div(days + 3, 7);
}

static int64_t iso_week(int64_t days)
{
    int64_t thursday = days - weekday(days) + 3;
    struct date d = date_of_days(thursday);
    return (thursday - days_of_date(d.year, 1, 1)) / 7 + 1;
}

static double extract_field(enum field field, int64_t t)
{
    int64_t days = floor_div(t, NS_PER_DAY);
    int64_t in_day = t - days * NS_PER_DAY;
    int64_t in_minute = in_day % (60 * NS_PER_S);
    struct date d = date_of_days(days);
    switch (field) {
    case FIELD_EPOCH:
        return (double)t / 1e9;
    case FIELD_YEAR:
        return (double)d.year;
    case FIELD_QUARTER:
        return (d.month + 2) / 3;
    case FIELD_MONTH:
        return d.month;
    case FIELD_WEEK:
        return (double)iso_week(days);
    case FIELD_DAY:
        return d.day;
    case FIELD_HOUR:
        return (double)(in_day / NS_PER_HOUR);
    case FIELD_MINUTE:
        return (double)(in_day % NS_PER_HOUR / (60 * NS_PER_S));
    case FIELD_SECOND:
        return (double)in_minute / 1e9;
    case FIELD_MILLISECONDS:
        return (double)in_minute / 1e6;
    case FIELD_MICROSECONDS:
        return (double)in_minute / 1e3;
    case FIELD_DOW:
        return (double)((weekday(days) + 1) % 7);
    case FIELD_ISODOW:
        return (double)(weekday(days) + 1);
    case FIELD_DOY:
        return (double)(days - days_of_date(d.year, 1, 1) + 1);
    }
    return 0;
}

KERNEL(kernel_extract)
{
    const enum field *field = e->data;
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    if (*field == FIELD_EPOCH) {
        for (uint32_t i = 0; i < rows; i++)
            to[i] = (double)args[1].i64[i] / 1e9;
    } else {
        for (uint32_t i = 0; i < rows; i++)
            to[i] = extract_field(*field, args[1].i64[i]);
    }
    out->f64 = to;
    return STATUS_OK;
}

KERNEL(kernel_extract_interval)
{
    const enum field *field = e->data;
    double *to = SCRATCH_ARRAY(ev->scratch, double, rows);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t d = args[1].i64[i];
        switch (*field) {
        case FIELD_EPOCH:
            to[i] = (double)d / 1e9;
            break;
        case FIELD_DAY:
            to[i] = (double)(d / NS_PER_DAY);
            break;
        case FIELD_HOUR:
            to[i] = (double)(d % NS_PER_DAY / NS_PER_HOUR);
            break;
        case FIELD_MINUTE:
            to[i] = (double)(d % NS_PER_HOUR / (60 * NS_PER_S));
            break;
        case FIELD_SECOND:
            to[i] = (double)(d % (60 * NS_PER_S)) / 1e9;
            break;
        case FIELD_MILLISECONDS:
            to[i] = (double)(d % (60 * NS_PER_S)) / 1e6;
            break;
        case FIELD_MICROSECONDS:
            to[i] = (double)(d % (60 * NS_PER_S)) / 1e3;
            break;
        case FIELD_YEAR:
        case FIELD_QUARTER:
        case FIELD_MONTH:
        case FIELD_WEEK:
        case FIELD_DOW:
        case FIELD_ISODOW:
        case FIELD_DOY:
            return eval_fail(ev, e, "an interval has no field \"%s\"", field_names[*field]);
        }
    }
    out->f64 = to;
    return STATUS_OK;
}

static int64_t truncate_to(enum field field, int64_t t)
{
    int64_t days = floor_div(t, NS_PER_DAY);
    struct date d = date_of_days(days);
    int64_t unit = 1;
    switch (field) {
    case FIELD_YEAR:
        return days_of_date(d.year, 1, 1) * NS_PER_DAY;
    case FIELD_QUARTER:
        return days_of_date(d.year, (d.month - 1) / 3 * 3 + 1, 1) * NS_PER_DAY;
    case FIELD_MONTH:
        return days_of_date(d.year, d.month, 1) * NS_PER_DAY;
    case FIELD_WEEK:
        return (days - weekday(days)) * NS_PER_DAY;
    case FIELD_DAY:
        unit = NS_PER_DAY;
        break;
    case FIELD_HOUR:
        unit = NS_PER_HOUR;
        break;
    case FIELD_MINUTE:
        unit = 60 * NS_PER_S;
        break;
    case FIELD_SECOND:
        unit = NS_PER_S;
        break;
    case FIELD_MILLISECONDS:
        unit = NS_PER_MS;
        break;
    case FIELD_MICROSECONDS:
        unit = NS_PER_US;
        break;
    case FIELD_EPOCH:
    case FIELD_DOW:
    case FIELD_ISODOW:
    case FIELD_DOY:
        break;
    }
    return floor_div(t, unit) * unit;
}

/* The earliest time whose year can still be truncated to without leaving int64. */
#define TRUNCATE_MIN_NS (INT64_MIN + 400 * NS_PER_DAY)

KERNEL(kernel_date_trunc)
{
    const enum field *field = e->data;
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    if (*field == FIELD_EPOCH || *field >= FIELD_DOW)
        return eval_fail(ev, e, "date_trunc can't truncate to \"%s\"", field_names[*field]);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t t = args[1].i64[i];
        to[i] = t < TRUNCATE_MIN_NS ? INT64_MIN : truncate_to(*field, t);
    }
    out->i64 = to;
    return STATUS_OK;
}

int64_t bucket_start(int64_t time_ns, int64_t width_ns)
{
    __int128 offset = (__int128)time_ns - BUCKET_ORIGIN_NS;
    __int128 into = offset % width_ns;
    __int128 start = time_ns - (into < 0 ? into + width_ns : into);
    return start < INT64_MIN ? INT64_MIN : (int64_t)start;
}

enum status prepare_bucket(const struct prepare *p, struct expr *e, struct error *reterr)
{
    (void)p;
    const struct expr *width = e->args[0];
    if (width->kind != EXPR_CONST || width->is_null)
        return error_set_at(reterr, STATUS_INVALID, width->position,
                            "the width of time_bucket must be a constant like '5m'");
    if (width->value.i64 <= 0)
        return error_set_at(reterr, STATUS_INVALID, width->position,
                            "the width of time_bucket must be greater than zero");
    return STATUS_OK;
}

KERNEL(kernel_bucket)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    int64_t width = e->args[0]->value.i64;
    int64_t start = 0;
    int64_t end = 0;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t t = args[1].i64[i];
        /* Neighbouring rows mostly share their bucket. */
        if (t < start || t >= end) {
            start = bucket_start(t, width);
            if (__builtin_add_overflow(start, width, &end))
                end = INT64_MAX;
        }
        to[i] = start;
    }
    out->i64 = to;
    return STATUS_OK;
}

KERNEL(kernel_to_timestamp)
{
    int64_t *to = SCRATCH_ARRAY(ev->scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        double seconds = args[0].f64[i];
        bool fits = fabs(seconds) < 9.2e9;
        if (!fits && eval_row_counts(ev, out->valid, i))
            return eval_fail(ev, e, "timestamp out of range");
        double whole = fits ? floor(seconds) : 0;
        to[i] = fits ? (int64_t)whole * NS_PER_S + llrint((seconds - whole) * 1e9) : 0;
    }
    out->i64 = to;
    return STATUS_OK;
}

/* ---- interval text ---- */

struct unit {
    const char *name;
    int64_t ns;
};

static const struct unit units[] = {
    {"ns", 1},
    {"nanosecond", 1},
    {"us", NS_PER_US},
    {"microsecond", NS_PER_US},
    {"ms", NS_PER_MS},
    {"millisecond", NS_PER_MS},
    {"s", NS_PER_S},
    {"sec", NS_PER_S},
    {"second", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"min", 60 * NS_PER_S},
    {"minute", 60 * NS_PER_S},
    {"h", NS_PER_HOUR},
    {"hr", NS_PER_HOUR},
    {"hour", NS_PER_HOUR},
    {"d", NS_PER_DAY},
    {"day", NS_PER_DAY},
    {"w", 7 * NS_PER_DAY},
    {"week", 7 * NS_PER_DAY},
};

static int64_t unit_ns(struct slice name)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice singular = name;
        if (word_equal(name, units[i].name))
            return units[i].ns;
        if (name.size > 2 && (name.data[name.size - 1] | 0x20) == 's') {
            singular.size--;
            if (word_equal(singular, units[i].name))
                return units[i].ns;
        }
    }
    return 0;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool add_part(struct slice number, int64_t unit, bool negative, int64_t *sum)
{
    double value;
    if (!decimal_to_double(number, &value))
        return false;
    __int128 part;
    bool whole = memchr(number.data, '.', number.size) == NULL;
    double scaled = value * (double)unit;
    if (fabs(scaled) > 9.2e18)
        return false;
    part = whole ? (__int128)(int64_t)value * unit : (__int128)llrint(scaled);
    __int128 total = (__int128)*sum + (negative ? -part : part);
    if (total > INT64_MAX || total < INT64_MIN)
        return false;
    *sum = (int64_t)total;
    return true;
}

/* HH:MM[:SS[.fff]] at text.data[*at]; parts are the numbers between the colons. */
static bool add_clock(struct slice text, size_t *at, bool negative, int64_t *sum)
{
    static const int64_t parts[] = {NS_PER_HOUR, 60 * NS_PER_S, NS_PER_S};
    for (int i = 0; i < 3; i++) {
        size_t start = *at;
        while (*at < text.size && (is_digit(text.data[*at]) || (i == 2 && text.data[*at] == '.')))
            ++*at;
        if (*at == start ||
            !add_part(slice_of(text.data + start, *at - start), parts[i], negative, sum))
            return false;
        if (*at >= text.size || text.data[*at] != ':')
            return i > 0;
        ++*at;
    }
    return false;
}

bool interval_from_text(struct slice text, int64_t *ret_ns)
{
    int64_t sum = 0;
    size_t at = 0;
    bool any = false;
    while (at < text.size) {
        uint8_t c = text.data[at];
        if (c == ' ' || c == '\t') {
            at++;
            continue;
        }
        bool negative = c == '-';
        if (c == '-' || c == '+')
            at++;
        size_t start = at;
        while (at < text.size && (is_digit(text.data[at]) || text.data[at] == '.'))
            at++;
        struct slice number = slice_of(text.data + start, at - start);
        if (at < text.size && text.data[at] == ':') {
            at = start;
            if (!add_clock(text, &at, negative, &sum))
                return false;
            any = true;
            continue;
        }
        while (at < text.size && text.data[at] == ' ')
            at++;
        start = at;
        while (at < text.size && ((text.data[at] | 0x20) >= 'a' && (text.data[at] | 0x20) <= 'z'))
            at++;
        int64_t unit = unit_ns(slice_of(text.data + start, at - start));
        if (unit == 0 || !add_part(number, unit, negative, &sum))
            return false;
        any = true;
    }
    *ret_ns = sum;
    return any;
}
