/*
 * duration_text.c - lengths of time to text and back.
 *
 * Months and years are refused: they have no fixed length.
 */
#include <stdio.h>

#include "engine/base/clock.h"

struct unit {
    const char *name;
    int64_t ns;
};

/* Longer names also stand for themselves with an s. One letter is always lower case, because "M"
 * means month elsewhere. */
static const struct unit units[] = {
    {"ns", 1},
    {"us", NS_PER_US},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", NS_PER_HOUR},
    {"d", NS_PER_DAY},
    {"w", 7 * NS_PER_DAY},
    {"nanosecond", 1},
    {"microsecond", NS_PER_US},
    {"millisecond", NS_PER_MS},
    {"sec", NS_PER_S},
    {"second", NS_PER_S},
    {"min", 60 * NS_PER_S},
    {"minute", 60 * NS_PER_S},
    {"hr", NS_PER_HOUR},
    {"hour", NS_PER_HOUR},
    {"day", NS_PER_DAY},
    {"week", 7 * NS_PER_DAY},
};
#define UNIT_COUNT (sizeof units / sizeof units[0])

#define UNIT_BYTES_MAX 16

/* The length of the unit's name at the front of text, with its ns in *ret_ns; 0: none. */
static size_t unit_match(struct slice text, int64_t *ret_ns)
{
    char word[UNIT_BYTES_MAX];
    size_t size = 0;
    while (size < text.size && size < sizeof word - 1) {
        uint8_t c = text.data[size];
        uint8_t lower = c | 0x20;
        if (lower < 'a' || lower > 'z')
            break;
        word[size++] = (char)lower;
    }
    if (size == 0 || (size == 1 && text.data[0] < 'a'))
        return 0;
    struct slice whole = slice_of(word, size);
    struct slice singular = slice_of(word, size - (size > 2 && word[size - 1] == 's'));
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        bool is_long = strlen(units[i].name) > 2 || slice_is(slice_text(units[i].name), "hr");
        if (slice_is(whole, units[i].name) || (is_long && slice_is(singular, units[i].name))) {
            *ret_ns = units[i].ns;
            return size;
        }
    }
    return 0;
}

static size_t skip_blanks(struct slice text, size_t at)
{
    while (at < text.size && text.data[at] == ' ')
        at++;
    return at;
}

static bool is_digit(struct slice text, size_t at)
{
    return at < text.size && text.data[at] >= '0' && text.data[at] <= '9';
}

/* One "12.5 unit" at *at; false when it isn't one, isn't a whole number of ns, or overflows. */
static bool take_part(struct slice text, size_t *at, int64_t *ret_ns)
{
    int64_t value = 0;
    int64_t scale = 1;
    size_t i = *at;
    if (!is_digit(text, i))
        return false;
    for (; is_digit(text, i); i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.data[i] - '0', &value))
            return false;
    }
    if (i < text.size && text.data[i] == '.') {
        if (!is_digit(text, ++i))
            return false;
        for (; is_digit(text, i); i++) {
            if (__builtin_mul_overflow(value, 10, &value) ||
                __builtin_add_overflow(value, text.data[i] - '0', &value) ||
                __builtin_mul_overflow(scale, 10, &scale))
                return false;
        }
    }
    i = skip_blanks(text, i);
    int64_t unit_ns = 0;
    size_t unit_size = unit_match(slice_of(text.data + i, text.size - i), &unit_ns);
    if (unit_size == 0)
        return false;
    __int128 ns = (__int128)value * unit_ns;
    if (ns % scale != 0 || ns / scale > INT64_MAX)
        return false;
    *ret_ns = (int64_t)(ns / scale);
    *at = skip_blanks(text, i + unit_size);
    return true;
}

bool duration_from_text(struct slice text, int64_t *ret_ns)
{
    int64_t total = 0;
    size_t at = skip_blanks(text, 0);
    if (at == text.size)
        return false;
    while (at < text.size) {
        int64_t part = 0;
        if (!take_part(text, &at, &part) || __builtin_add_overflow(total, part, &total))
            return false;
    }
    *ret_ns = total;
    return true;
}

void duration_to_text(int64_t duration_ns, char to[TIME_TEXT_BYTES])
{
    static const struct unit shown[] = {
        {"d", NS_PER_DAY}, {"h", NS_PER_HOUR}, {"m", 60 * NS_PER_S},
        {"s", NS_PER_S},   {"ms", NS_PER_MS},  {"us", NS_PER_US},
        {"ns", 1},
    };
    if (duration_ns == 0) {
        memcpy(to, "0s", 3);
        return;
    }
    uint64_t left = duration_ns < 0 ? 0 - (uint64_t)duration_ns : (uint64_t)duration_ns;
    size_t size = 0;
    if (duration_ns < 0)
        to[size++] = '-';
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        uint64_t count = left / (uint64_t)shown[i].ns;
        left %= (uint64_t)shown[i].ns;
        if (count != 0)
            size += (size_t)snprintf(to + size, TIME_TEXT_BYTES - size, "%llu%s",
                                     (unsigned long long)count, shown[i].name);
    }
}
