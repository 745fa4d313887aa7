/*
 * schema_format.c - the values of `format` that are checked: dates and times, e-mail, addresses, UUIDs.
 *
 * Source:   RFC 3339 5.6 (date, time, date-time), RFC 2673 and 4291 (ipv4, ipv6), RFC 4122 (uuid).
 * Lenient:  a time may come without an offset, because the libraries that write most schemas (pydantic, zod) take that; an e-mail
 *           address is something, an '@' and something. What is refused here no reader of that format takes.
 * Others:   every other format is an annotation, as JSON Schema has it.
 */
#include <arpa/inet.h>

#include "engine/enrich/schema_checker.h"

#define ADDRESS_BYTES_MAX 64u

/* Reads exactly `count` digits. False: they are not there. */
static bool digits_take(struct slice *text, uint32_t count, uint32_t *ret)
{
    uint32_t value = 0;
    if (text->size < count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t c = text->data[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (uint32_t)(c - '0');
    }
    *text = slice_of(text->data + count, text->size - count);
    *ret = value;
    return true;
}

static bool byte_take(struct slice *text, const char *any_of)
{
    if (text->size == 0 || text->data[0] == 0 || strchr(any_of, text->data[0]) == NULL)
        return false;
    *text = slice_of(text->data + 1, text->size - 1);
    return true;
}

static bool date_take(struct slice *text)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year;
    uint32_t month;
    uint32_t day;
    if (!digits_take(text, 4, &year) || !byte_take(text, "-") || !digits_take(text, 2, &month) ||
        !byte_take(text, "-") || !digits_take(text, 2, &day) || month < 1 || month > 12)
        return false;
    bool leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day >= 1 && day <= days[month - 1] + (uint32_t)leap;
}

static bool offset_take(struct slice *text)
{
    uint32_t hours;
    uint32_t minutes;
    if (text->size == 0 || byte_take(text, "Zz"))
        return true;
    return byte_take(text, "+-") && digits_take(text, 2, &hours) && byte_take(text, ":") &&
           digits_take(text, 2, &minutes) && hours < 24 && minutes < 60;
}

static bool time_take(struct slice *text)
{
    uint32_t hours;
    uint32_t minutes;
    uint32_t seconds;
    uint32_t digit;
    if (!digits_take(text, 2, &hours) || !byte_take(text, ":") || !digits_take(text, 2, &minutes) ||
        !byte_take(text, ":") || !digits_take(text, 2, &seconds))
        return false;
    if (byte_take(text, ".")) {
        if (!digits_take(text, 1, &digit))
            return false;
        while (digits_take(text, 1, &digit))
            ;
    }
    return hours < 24 && minutes < 60 && seconds <= 60 && offset_take(text); /* 60: leap seconds */
}

static bool is_date(struct slice text)
{
    return date_take(&text) && text.size == 0;
}

static bool is_time(struct slice text)
{
    return time_take(&text) && text.size == 0;
}

static bool is_date_time(struct slice text)
{
    return date_take(&text) && byte_take(&text, "Tt ") && time_take(&text) && text.size == 0;
}

static bool is_email(struct slice text)
{
    const uint8_t *at = text.size < 3 ? NULL : memchr(text.data + 1, '@', text.size - 2);
    return at != NULL && memchr(text.data, ' ', (size_t)(at - text.data)) == NULL;
}

static bool is_address(struct slice text, int family)
{
    char copy[ADDRESS_BYTES_MAX + 1];
    uint8_t address[16];
    if (text.size > ADDRESS_BYTES_MAX || memchr(text.data, 0, text.size) != NULL)
        return false;
    bytes_copy(copy, text.data, text.size);
    copy[text.size] = 0;
    return inet_pton(family, copy, address) == 1;
}

static bool is_ipv4(struct slice text)
{
    return is_address(text, AF_INET);
}

static bool is_ipv6(struct slice text)
{
    return is_address(text, AF_INET6);
}

static bool is_uuid(struct slice text)
{
    if (text.size != 36)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        if (hyphen ? c != '-' : !hex)
            return false;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*fits)(struct slice text);
} formats[] = {
    {"date", is_date}, {"time", is_time}, {"date-time", is_date_time}, {"email", is_email},
    {"ipv4", is_ipv4}, {"ipv6", is_ipv6}, {"uuid", is_uuid},
};

bool schema_check_format(const struct check *k)
{
    const struct json_value *format = k->o->value;
    if (k->v->type != VALUE_STRING || format->type != VALUE_STRING)
        return true;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (slice_is(format->text, formats[i].name))
            return formats[i].fits(k->v->text) || check_fail(k, KEYWORD_format, "%s is no %s",
                                                             check_shown(k, k->v), formats[i].name);
    }
    return true;
}
