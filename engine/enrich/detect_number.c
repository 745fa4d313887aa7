/*
 * detect_number.c - what hangs on digits: cards, IBANs, social security numbers, IP addresses, phone numbers.
 *
 * Place:  detect.c -> [here]; `at` is always the first digit of a run.
 * Rule:   a number that is part of a longer word, number, version or decimal is none of these.
 * Source: ISO/IEC 7812-1 (Luhn, issuer ranges as the networks publish them), ISO 13616 (IBAN), the Social Security Administration's
 *         "numbers never issued", RFC 6890 (special-purpose IPv4), ITU-T E.164 and its list of country codes, the North American
 *         Numbering Plan.
 */
#include "engine/enrich/detect_internal.h"

#define CARD_DIGITS_MAX     19u
#define PHONE_DIGITS_MAX    15u
#define SECTION_NUMBERS_MAX 32u /* four numbers below it are rather a section than an address */
#define ADDRESS_WORDS_BYTES 24u /* how far before an address a word may call it one */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Does a word, a decimal point or a sign of a longer number lead up to start? */
static bool is_continued_left(const struct detect_scan *s, size_t start)
{
    if (byte_before(s, start, BYTE_WORD))
        return true;
    if (start <= s->fence + 1)
        return false;
    uint8_t c = s->text.data[start - 1];
    return (c == '.' || c == '-' || c == ',') && byte_before(s, start - 1, BYTE_ALNUM);
}

/* Does a word, an '@', a fraction or one more group go on at end? */
static bool is_continued_right(const struct detect_scan *s, size_t end)
{
    uint8_t c = byte_at(s, end);
    if (byte_is(s, end, BYTE_WORD) || c == '@')
        return true;
    return (c == '.' || c == '-') && byte_is(s, end + 1, BYTE_ALNUM) &&
           (c == '-' || byte_is(s, end + 1, BYTE_DIGIT));
}

/* Reads groups of digits of the given sizes with the same separator between them; 0: not that shape. */
static size_t groups_end(const struct detect_scan *s, size_t at, const uint8_t *sizes,
                         uint32_t count, char separator, char *digits)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && byte_at(s, at++) != (uint8_t)separator)
            return 0;
        if (run_end(s, at, BYTE_DIGIT, (size_t)sizes[i] + 1) - at != sizes[i])
            return 0;
        memcpy(digits, s->text.data + at, sizes[i]);
        digits += sizes[i];
        at += sizes[i];
    }
    return at;
}

/* ---- cards ---- */

/* Issuer ranges: the first `digits` digits in [low, high], numbers of size_min to size_max digits. */
static const struct issuer {
    uint32_t low, high;
    uint8_t digits;
    uint8_t size_min, size_max;
} issuers[] = {
    {4, 4, 1, 13, 13},       {4, 4, 1, 16, 16},       {4, 4, 1, 19, 19},   /* Visa */
    {51, 55, 2, 16, 16},     {2221, 2720, 4, 16, 16},                      /* Mastercard */
    {34, 34, 2, 15, 15},     {37, 37, 2, 15, 15},                          /* American Express */
    {6011, 6011, 4, 16, 19}, {644, 649, 3, 16, 19},   {65, 65, 2, 16, 19}, /* Discover */
    {300, 305, 3, 14, 19},   {3095, 3095, 4, 14, 19}, {36, 36, 2, 14, 19}, /* Diners Club */
    {38, 39, 2, 14, 19},     {3528, 3589, 4, 16, 19}, {62, 62, 2, 16, 19}, /* JCB, UnionPay */
    {2200, 2204, 4, 16, 19}, {5018, 5018, 4, 13, 19}, {5020, 5020, 4, 13, 19}, /* Mir, Maestro */
    {5038, 5038, 4, 13, 19}, {5893, 5893, 4, 13, 19}, {6304, 6304, 4, 13, 19},
    {6759, 6759, 4, 13, 19}, {6761, 6763, 4, 13, 19},
};

static bool is_issued(const char *digits, size_t count)
{
    for (size_t i = 0; i < sizeof issuers / sizeof issuers[0]; i++) {
        uint32_t prefix = 0;
        for (uint32_t d = 0; d < issuers[i].digits; d++)
            prefix = prefix * 10 + (uint32_t)(digits[d] - '0');
        if (prefix >= issuers[i].low && prefix <= issuers[i].high && count >= issuers[i].size_min &&
            count <= issuers[i].size_max)
            return true;
    }
    return false;
}

static bool luhn_fits(const char *digits, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t d = (uint32_t)(digits[count - 1 - i] - '0');
        d <<= i % 2;
        sum += d > 9 ? d - 9 : d;
    }
    return sum % 10 == 0;
}

/* How cards are printed, besides without separators. */
static const struct {
    uint8_t sizes[5];
    uint8_t count;
} card_groups[] = {{{4, 4, 4, 4}, 4}, {{4, 6, 5}, 3}, {{4, 6, 4}, 3}, {{4, 4, 4, 4, 3}, 5}};

bool find_card(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    char digits[CARD_DIGITS_MAX + 1];
    size_t end = run_end(s, at, BYTE_DIGIT, CARD_DIGITS_MAX + 1);
    size_t count = end - at;
    if (is_continued_left(s, at))
        return false;
    if (count == 4) {
        uint8_t separator = byte_at(s, end);
        size_t longest = 0;
        for (size_t i = 0; (separator == ' ' || separator == '-') && i < 4; i++) {
            end = groups_end(s, at, card_groups[i].sizes, card_groups[i].count, (char)separator,
                             digits);
            longest = end > longest ? end : longest;
        }
        end = longest;
        count = 0;
        for (size_t i = at; i < end; i++) {
            if (byte_is(s, i, BYTE_DIGIT))
                digits[count++] = (char)s->text.data[i];
        }
    } else if (count >= 13 && count <= CARD_DIGITS_MAX) {
        memcpy(digits, s->text.data + at, count);
    } else {
        return false;
    }
    if (count == 0 || is_continued_right(s, end) || !is_issued(digits, count) ||
        !luhn_fits(digits, count))
        return false;
    *ret_start = at;
    *ret_end = end;
    return true;
}

/* ---- IBAN ---- */

static const struct {
    char country[3];
    uint8_t size;
} iban_countries[] = {
#define IBAN(country, size) {country, size},
#include "engine/enrich/detect_iban.def"
#undef IBAN
};
#define IBAN_BYTES_MAX 34u

static size_t iban_size(const uint8_t *country)
{
    for (size_t i = 0; i < sizeof iban_countries / sizeof iban_countries[0]; i++) {
        if (memcmp(iban_countries[i].country, country, 2) == 0)
            return iban_countries[i].size;
    }
    return 0;
}

/* ISO 7064 mod 97-10: the first four characters go last, letters count from A = 10. */
static bool iban_fits(const uint8_t *iban, size_t size)
{
    uint32_t rest = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = iban[(i + 4) % size];
        uint32_t value = c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'A' + 10);
        rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    }
    return rest == 1;
}

bool find_iban(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    uint8_t iban[IBAN_BYTES_MAX];
    if (at - s->fence < 2 || !byte_is(s, at - 1, BYTE_UPPER) || !byte_is(s, at - 2, BYTE_UPPER))
        return false;
    size_t start = at - 2;
    size_t wanted = iban_size(s->text.data + start);
    if (wanted == 0 || byte_before(s, start, BYTE_WORD | BYTE_DASH) ||
        !byte_is(s, at + 1, BYTE_DIGIT))
        return false;
    /* Without spaces, or with one after every four characters. */
    bool spaced = byte_at(s, start + 4) == ' ';
    size_t end = start;
    size_t size = 0;
    while (size < wanted) {
        if (spaced && size > 0 && size % 4 == 0 && byte_at(s, end++) != ' ')
            return false;
        if (!byte_is(s, end, BYTE_UPPER | BYTE_DIGIT))
            return false;
        iban[size++] = s->text.data[end++];
    }
    if (byte_is(s, end, BYTE_WORD) || !iban_fits(iban, size))
        return false;
    *ret_start = start;
    *ret_end = end;
    return true;
}

/* ---- social security numbers ---- */

bool find_ssn(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    static const uint8_t sizes[] = {3, 2, 4};
    char digits[10] = {0};
    size_t end = groups_end(s, at, sizes, 3, '-', digits);
    if (end == 0 || is_continued_left(s, at) || is_continued_right(s, end))
        return false;
    if (memcmp(digits, "000", 3) == 0 || memcmp(digits, "666", 3) == 0 || digits[0] == '9' ||
        memcmp(digits + 3, "00", 2) == 0 || memcmp(digits + 5, "0000", 4) == 0)
        return false;
    /* Printed in advertisements, so never valid again. */
    if (memcmp(digits, "078051120", 9) == 0 || memcmp(digits, "219099999", 9) == 0)
        return false;
    *ret_start = at;
    *ret_end = end;
    return true;
}

/* ---- IPv4 ---- */

/* RFC 6890 and successors: private, shared, loopback, link-local, documentation, benchmarks, multicast, reserved. */
static const struct {
    uint32_t network;
    uint8_t bits;
} special_networks[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
    {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
};

static bool is_public(uint32_t address)
{
    for (size_t i = 0; i < sizeof special_networks / sizeof special_networks[0]; i++) {
        if ((address ^ special_networks[i].network) >> (32 - special_networks[i].bits) == 0)
            return false;
    }
    return true;
}

/* "version 4.8.1.2", "Edg/4.8.1.2", "section 3.2.1.4": numbers that only look like addresses. */
static bool is_called_a_version(const struct detect_scan *s, size_t start)
{
    static const char *const words[] = {"version", "ver",      "v",       "release",
                                        "build",   "firmware", "section", "chapter",
                                        "clause",  "driver",   "sha"};
    size_t end = start;
    while (end > s->fence && strchr(" :=.", s->text.data[end - 1]) != NULL && start - end < 3)
        end--;
    if (end > s->fence && s->text.data[end - 1] == '/' && byte_before(s, end - 1, BYTE_LETTER))
        return true;
    size_t word = end;
    while (end - word < 10 && byte_before(s, word, BYTE_LETTER))
        word--;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i]);
        if (size != end - word)
            continue;
        size_t same = 0;
        while (same < size && (s->text.data[word + same] | 0x20) == (uint8_t)words[i][same])
            same++;
        if (same == size)
            return true;
    }
    return false;
}

/* Numbers of sections and releases are small: 1.8.1.2 is an address only where the text says so. */
static bool is_called_an_address(const struct detect_scan *s, size_t start)
{
    static const char *const words[] = {"ip", "addr", "host", "client", "://", "from", "visitor"};
    size_t least = start - s->fence > ADDRESS_WORDS_BYTES ? start - ADDRESS_WORDS_BYTES : s->fence;
    for (size_t at = least; at < start; at++) {
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            size_t size = strlen(words[i]);
            size_t same = 0;
            while (same < size && at + same < start &&
                   lower(s->text.data[at + same]) == (uint8_t)words[i][same])
                same++;
            if (same == size)
                return true;
        }
    }
    return false;
}

bool find_ip(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    uint32_t address = 0;
    uint32_t largest = 0;
    size_t end = at;
    for (uint32_t part = 0; part < 4; part++) {
        if (part > 0 && byte_at(s, end++) != '.')
            return false;
        size_t part_end = run_end(s, end, BYTE_DIGIT, 4);
        size_t size = part_end - end;
        if (size == 0 || size > 3 || (size > 1 && s->text.data[end] == '0'))
            return false;
        uint32_t value = 0;
        for (; end < part_end; end++)
            value = value * 10 + (uint32_t)(s->text.data[end] - '0');
        if (value > 255)
            return false;
        address = address << 8 | value;
        largest = value > largest ? value : largest;
    }
    if (is_continued_left(s, at) || is_continued_right(s, end) || !is_public(address) ||
        is_called_a_version(s, at) ||
        (largest < SECTION_NUMBERS_MAX && !is_called_an_address(s, at)))
        return false;
    *ret_start = at;
    *ret_end = end;
    return true;
}

/* ---- phone numbers ---- */

/* Digits of the country code that starts the number, by the ITU's list; 0: there is no such code. */
static uint32_t country_code_size(const char *digits)
{
    static const char two[] =
        "20 27 28 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 "
        "60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 ";
    static const char three[] =
        "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99 ";
    char start[4] = {digits[0], digits[1], ' ', 0};
    if (digits[0] == '1' || digits[0] == '7')
        return 1;
    if (strstr(two, start) != NULL)
        return 2;
    return strstr(three, start) != NULL ? 3 : 0;
}

static bool is_area_code(const char *digits)
{
    return digits[0] >= '2' && (digits[1] != '1' || digits[2] != '1');
}

/* at: the first digit behind a '+'. Digits in groups, with single spaces, dots, hyphens or parentheses between. */
static bool find_international(const struct detect_scan *s, size_t at, size_t *ret_end)
{
    char digits[PHONE_DIGITS_MAX + 1] = {0};
    uint32_t count = 0;
    size_t end = at;
    uint32_t between = 0;
    bool national = s->text.data[at] == '1' || s->text.data[at] == '7'; /* always 11 digits */
    for (size_t i = at; i < s->text.size && between < 3; i++) {
        uint8_t c = s->text.data[i];
        if (c >= '0' && c <= '9') {
            if (count == PHONE_DIGITS_MAX)
                return false;
            digits[count++] = (char)c;
            end = i + 1;
            between = 0;
            if (national && count == 11)
                break;
        } else if (strchr(" .-()", c) != NULL && c != 0) {
            between++;
        } else {
            break;
        }
    }
    if (count < 8 || digits[0] == '0' || country_code_size(digits) == 0 ||
        is_continued_right(s, end))
        return false;
    if (national &&
        (count != 11 || (digits[0] == '1' && (!is_area_code(digits + 1) || digits[4] < '2'))))
        return false;
    *ret_end = end;
    return true;
}

/* 3-3-4 with separators: 415-555-2671, 415.555.2671, 415 555 2671, (415) 555-2671, each maybe behind "1-". */
static bool find_north_american(const struct detect_scan *s, size_t at, size_t *ret_start,
                                size_t *ret_end)
{
    static const uint8_t plain[] = {3, 3, 4};
    static const uint8_t last[] = {3, 4};
    char digits[11] = {0};
    size_t start = at;
    uint8_t next = byte_at(s, at + 1);
    if (byte_at(s, at) == '1' && (next == '-' || next == '.' || next == ' '))
        at += byte_at(s, at + 2) == '(' ? 3 : 2; /* "1-" and "1 (" */
    bool parenthesis = at > s->fence && byte_at(s, at - 1) == '(';
    size_t end = 0;
    if (parenthesis) {
        if (run_end(s, at, BYTE_DIGIT, 4) - at != 3 || byte_at(s, at + 3) != ')')
            return false;
        memcpy(digits, s->text.data + at, 3);
        size_t exchange = at + (byte_at(s, at + 4) == ' ' || byte_at(s, at + 4) == '-' ? 5 : 4);
        uint8_t separator = byte_at(s, exchange + 3);
        if (separator == '-' || separator == '.' || separator == ' ')
            end = groups_end(s, exchange, last, 2, (char)separator, digits + 3);
        start = start == at ? at - 1 : start;
    } else {
        uint8_t separator = byte_at(s, at + 3);
        if (separator == '-' || separator == '.' || separator == ' ')
            end = groups_end(s, at, plain, 3, (char)separator, digits);
        /* Columns of numbers are not phone numbers. */
        if (end != 0 && separator == ' ' &&
            ((start > s->fence + 1 && s->text.data[start - 1] == ' ' &&
              byte_before(s, start - 1, BYTE_DIGIT)) ||
             (byte_at(s, end) == ' ' && byte_is(s, end + 1, BYTE_DIGIT))))
            return false;
    }
    if (end == 0 || !is_area_code(digits) || digits[3] < '2' || is_continued_left(s, start) ||
        is_continued_right(s, end))
        return false;
    *ret_start = start;
    *ret_end = end;
    return true;
}

bool find_phone(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    if (at > s->fence && s->text.data[at - 1] == '+') {
        *ret_start = at - 1;
        return !byte_before(s, at - 1, BYTE_WORD) && find_international(s, at, ret_end);
    }
    return find_north_american(s, at, ret_start, ret_end);
}
