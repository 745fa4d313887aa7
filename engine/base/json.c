/*
 * json.c - the pull reader: one byte of lookahead, a bit a level, no allocation.
 *
 * Place:     text from outside -> [here] -> tokens
 * Invariant: a token is returned only if everything up to its end is well-formed.
 * Failure:   JSON_ERROR once and for ever; json_error says what and where.
 */
#include "engine/base/json.h"

#include "engine/base/check.h"
#include "engine/base/decimal.h"

enum json_state {
    EXPECT_VALUE, /* the document's, a member's, or the one after a comma in an array */
    EXPECT_KEY,
    EXPECT_KEY_OR_END,
    EXPECT_VALUE_OR_END,
    EXPECT_COMMA_OR_END,
    DOCUMENT_DONE,
    FAILED,
};

struct json json_over(struct slice text)
{
    return json_over_deep(text, JSON_DEPTH_MAX);
}

struct json json_over_deep(struct slice text, uint32_t depth_max)
{
    ASSERT(depth_max <= JSON_DEEP_MAX);
    return (struct json){
        .text = text, .raw = SLICE_EMPTY, .state = EXPECT_VALUE, .depth_max = depth_max};
}

/* The next byte, or -1 at the end. */
static int json_peek(const struct json *j)
{
    return j->at < j->text.size ? j->text.data[j->at] : -1;
}

static enum json_token json_fail(struct json *j, const char *reason)
{
    if (j->state != FAILED) {
        j->state = FAILED;
        j->reason = j->at < j->text.size ? reason : "the text ends too early";
        j->start = j->at;
        j->raw = SLICE_EMPTY;
    }
    return JSON_ERROR;
}

static void skip_white_space(struct json *j)
{
    while (j->at < j->text.size) {
        uint8_t c = j->text.data[j->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        j->at++;
    }
}

static bool level_is_object(const struct json *j)
{
    uint32_t level = j->depth - 1;
    return (j->is_object[level / 64] >> level % 64 & 1) != 0;
}

/* A value just ended. */
static void value_done(struct json *j)
{
    j->state = j->depth == 0 ? DOCUMENT_DONE : EXPECT_COMMA_OR_END;
}

static enum json_token level_begin(struct json *j, bool is_object)
{
    if (j->depth >= j->depth_max)
        return json_fail(j, "nested too deeply");
    uint64_t bit = (uint64_t)1 << j->depth % 64;
    uint64_t *levels = &j->is_object[j->depth / 64];
    *levels = is_object ? *levels | bit : *levels & ~bit;
    j->depth++;
    j->at++;
    j->raw = slice_of(j->text.data + j->start, 1);
    j->state = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return is_object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static enum json_token level_end(struct json *j)
{
    bool is_object = level_is_object(j);
    j->depth--;
    j->at++;
    j->raw = slice_of(j->text.data + j->start, 1);
    value_done(j);
    return is_object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum json_token take_word(struct json *j, const char *word, enum json_token token)
{
    size_t size = strlen(word);
    for (size_t i = 0; i < size; i++, j->at++) {
        if (json_peek(j) != word[i])
            return json_fail(j, "expected true, false or null");
    }
    j->raw = slice_of(j->text.data + j->start, size);
    value_done(j);
    return token;
}

static bool skip_digits(struct json *j)
{
    size_t before = j->at;
    while (json_peek(j) >= '0' && json_peek(j) <= '9')
        j->at++;
    return j->at != before;
}

static enum json_token take_number(struct json *j)
{
    if (json_peek(j) == '-')
        j->at++;
    if (json_peek(j) == '0')
        j->at++;
    else if (!skip_digits(j))
        return json_fail(j, "expected a digit");
    if (json_peek(j) == '.') {
        j->at++;
        if (!skip_digits(j))
            return json_fail(j, "expected a digit after the decimal point");
    }
    if (json_peek(j) == 'e' || json_peek(j) == 'E') {
        j->at++;
        if (json_peek(j) == '+' || json_peek(j) == '-')
            j->at++;
        if (!skip_digits(j))
            return json_fail(j, "expected a digit in the exponent");
    }
    j->raw = slice_of(j->text.data + j->start, j->at - j->start);
    value_done(j);
    return JSON_NUMBER;
}

#define REPEAT(byte) (UINT64_MAX / 255 * (byte))
#define HAS_ZERO(v)  (((v)-REPEAT(0x01)) & ~(v)&REPEAT(0x80))

/* Bits in those of eight bytes that end a plain run: a quote, a backslash or a control character. The lowest is right; a borrow
 * may set wrong ones above it. */
static uint64_t special_bits(uint64_t v)
{
    uint64_t quote = HAS_ZERO(v ^ REPEAT('"'));
    uint64_t backslash = HAS_ZERO(v ^ REPEAT('\\'));
    uint64_t control = (v - REPEAT(0x20)) & ~v & REPEAT(0x80);
    return quote | backslash | control;
}

static void skip_plain(struct json *j)
{
    const uint8_t *data = j->text.data;
    size_t size = j->text.size;
    size_t at = j->at;
    uint64_t eight;
    while (size - at >= sizeof eight) {
        memcpy(&eight, data + at, sizeof eight);
        uint64_t special = special_bits(eight);
        if (special != 0) {
            j->at = at + (size_t)__builtin_ctzll(special) / 8;
            return;
        }
        at += sizeof eight;
    }
    while (at < size && data[at] >= 0x20 && data[at] != '"' && data[at] != '\\')
        at++;
    j->at = at;
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Past a backslash: checks and skips the rest of the escape. */
static bool skip_escape(struct json *j)
{
    static const bool known[256] = {
        ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true, ['f'] = true,
        ['n'] = true, ['r'] = true,  ['t'] = true, ['u'] = true};
    int c = json_peek(j);
    if (c == -1 || !known[c])
        return false;
    j->at++;
    for (int i = 0; c == 'u' && i < 4; i++) {
        int digit = json_peek(j);
        if (digit == -1 || hex_digit(digit) < 0)
            return false;
        j->at++;
    }
    return true;
}

/* Takes a string with its quotes; raw is what stands between them. */
static bool take_string(struct json *j)
{
    j->escaped = false;
    j->at++;
    for (;;) {
        skip_plain(j);
        int c = json_peek(j);
        if (c == '"')
            break;
        if (c != '\\') {
            (void)json_fail(j, "a control character inside a string");
            return false;
        }
        j->escaped = true;
        j->at++;
        if (!skip_escape(j)) {
            (void)json_fail(j, "an unknown escape");
            return false;
        }
    }
    j->raw = slice_of(j->text.data + j->start + 1, j->at - j->start - 1);
    j->at++;
    return true;
}

static enum json_token take_value(struct json *j)
{
    int c = json_peek(j);
    switch (c) {
    case '{':
        return level_begin(j, true);
    case '[':
        return level_begin(j, false);
    case '"':
        if (!take_string(j))
            return JSON_ERROR;
        value_done(j);
        return JSON_STRING;
    case 't':
        return take_word(j, "true", JSON_TRUE);
    case 'f':
        return take_word(j, "false", JSON_FALSE);
    case 'n':
        return take_word(j, "null", JSON_NULL);
    default:
        if (c == '-' || (c >= '0' && c <= '9'))
            return take_number(j);
        return json_fail(j, "expected a value");
    }
}

static enum json_token take_key(struct json *j)
{
    if (json_peek(j) != '"')
        return json_fail(j, "expected a member name in quotes");
    if (!take_string(j))
        return JSON_ERROR;
    skip_white_space(j);
    if (json_peek(j) != ':')
        return json_fail(j, "expected a colon after a member name");
    j->at++;
    j->state = EXPECT_VALUE;
    return JSON_KEY;
}

/* Inside an object or array, after a value. */
static enum json_token take_after_value(struct json *j)
{
    bool is_object = level_is_object(j);
    int c = json_peek(j);
    if (c == (is_object ? '}' : ']'))
        return level_end(j);
    if (c != ',')
        return json_fail(j, is_object ? "expected a comma or }" : "expected a comma or ]");
    j->at++;
    skip_white_space(j);
    j->start = j->at;
    return is_object ? take_key(j) : take_value(j);
}

enum json_token json_next(struct json *j)
{
    skip_white_space(j);
    j->start = j->at;
    switch ((enum json_state)j->state) {
    case EXPECT_VALUE:
        return take_value(j);
    case EXPECT_KEY:
        return take_key(j);
    case EXPECT_KEY_OR_END:
        return json_peek(j) == '}' ? level_end(j) : take_key(j);
    case EXPECT_VALUE_OR_END:
        return json_peek(j) == ']' ? level_end(j) : take_value(j);
    case EXPECT_COMMA_OR_END:
        return take_after_value(j);
    case DOCUMENT_DONE:
        if (j->at == j->text.size)
            return JSON_END;
        return json_fail(j, "something follows the document");
    case FAILED:
        break;
    }
    return JSON_ERROR;
}

struct slice json_skip(struct json *j, enum json_token first)
{
    size_t start = j->start;
    if (first == JSON_OBJECT_BEGIN || first == JSON_ARRAY_BEGIN) {
        uint32_t outside = j->depth - 1;
        while (j->depth > outside) {
            if (json_next(j) < 0)
                return SLICE_EMPTY;
        }
    }
    return j->state == FAILED ? SLICE_EMPTY : slice_of(j->text.data + start, j->at - start);
}

bool json_leap(struct json *j, enum json_token first)
{
    if (first != JSON_OBJECT_BEGIN && first != JSON_ARRAY_BEGIN)
        return j->state != FAILED;
    size_t open = 1;
    while (open > 0 && j->at < j->text.size) {
        uint8_t c = j->text.data[j->at];
        if (c == '"') {
            if (!take_string(j))
                return false;
            continue;
        }
        open += (size_t)(c == '{' || c == '[') - (size_t)(c == '}' || c == ']');
        j->at++;
    }
    if (open > 0) {
        (void)json_fail(j, "");
        return false;
    }
    j->depth--;
    value_done(j);
    return true;
}

static uint32_t hex4(const uint8_t *at)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 4 | (uint32_t)hex_digit(at[i]);
    return v;
}

static uint8_t *utf8_put(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (uint8_t)code;
    } else if (code < 0x800) {
        *to++ = (uint8_t)(0xc0 | code >> 6);
        *to++ = (uint8_t)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (uint8_t)(0xe0 | code >> 12);
        *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (code & 0x3f));
    } else {
        *to++ = (uint8_t)(0xf0 | code >> 18);
        *to++ = (uint8_t)(0x80 | (code >> 12 & 0x3f));
        *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (code & 0x3f));
    }
    return to;
}

/* at: behind "\u". Reads one or, for a surrogate pair, two units; returns where it stopped. */
static const uint8_t *unescape_unicode(const uint8_t *at, const uint8_t *end, uint32_t *ret_code)
{
    uint32_t code = hex4(at);
    at += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hex4(at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *ret_code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            return at + 6;
        }
    }
    *ret_code = code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
    return at;
}

static uint8_t unescape_letter(uint8_t c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* quote, backslash, slash */
    }
}

/* Escapes were checked by take_string; no escape is shorter than what it stands for. */
struct slice json_string(const struct json *j, struct arena *arena)
{
    if (!j->escaped || j->raw.size == 0)
        return j->raw;
    uint8_t *text = arena_alloc(arena, j->raw.size + 1);
    uint8_t *to = text;
    const uint8_t *end = j->raw.data + j->raw.size;
    for (const uint8_t *at = j->raw.data; at < end;) {
        const uint8_t *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash != NULL ? backslash : end) - at);
        bytes_copy(to, at, plain);
        to += plain;
        at += plain;
        if (backslash == NULL)
            break;
        uint8_t letter = at[1];
        at += 2;
        if (letter == 'u') {
            uint32_t code = 0;
            at = unescape_unicode(at, end, &code);
            to = utf8_put(to, code);
        } else {
            *to++ = unescape_letter(letter);
        }
    }
    *to = 0;
    return slice_of(text, (size_t)(to - text));
}

bool json_int(const struct json *j, int64_t *ret)
{
    int64_t value = 0;
    if (decimal_to_int(j->raw, 1, 1, &value) != DECIMAL_EXACT)
        return false;
    *ret = value;
    return true;
}

double json_double(const struct json *j)
{
    double value = 0;
    if (!decimal_to_double(j->raw, &value))
        return j->raw.data[0] == '-' ? -__builtin_inf() : __builtin_inf();
    return value;
}

enum status json_error(const struct json *j, const char *what, struct error *reterr)
{
    return error_set_at(reterr, STATUS_INVALID, (int64_t)j->start, "%s: byte %zu: %s", what,
                        j->start, j->reason != NULL ? j->reason : "not what was expected here");
}
