/*
 * mapper_json.c - values as JSON text, whatever bytes they hold.
 *
 * Invariant: what is written is valid JSON in UTF-8; what is no UTF-8 becomes U+FFFD, NaN and infinities text, bytes base64.
 */
#include <math.h>

#include "engine/base/stringify.h"
#include "engine/base/utf8.h"
#include "server/codec/base64.h"
#include "server/dialect/mapper_internal.h"

struct slice text_cut(struct slice text, size_t bytes_max)
{
    if (text.size <= bytes_max)
        return text;
    size_t size = bytes_max;
    /* A continuation byte at the cut: the character began up to three bytes before. */
    for (int i = 0; i < 3 && size > 0 && (text.data[size] & 0xc0) == 0x80; i++)
        size--;
    return slice_of(text.data, size);
}

static bool is_ascii(struct slice text)
{
    uint64_t all = 0;
    size_t at = 0;
    for (uint64_t eight; text.size - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text.data + at, sizeof eight);
        all |= eight;
    }
    for (; at < text.size; at++)
        all |= text.data[at];
    return (all & 0x8080808080808080u) == 0;
}

/* JSON text whose strings may hold bytes that are not UTF-8. */
static void add_json_text(struct buffer *to, struct slice text)
{
    if (is_ascii(text)) {
        buffer_add_slice(to, text);
        return;
    }
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    for (size_t size; at < end; at += size) {
        if (utf8_take(at, end, &size))
            buffer_add(to, at, size);
        else
            buffer_add_text(to, UTF8_REPLACEMENT);
    }
}

/* Nothing in it needs an escape: printable ASCII without quotes and backslashes. */
static bool is_plain(struct slice text)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t highs = 0x8080808080808080u;
    size_t at = 0;
    for (uint64_t eight; text.size - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text.data + at, sizeof eight);
        uint64_t quote = eight ^ ones * '"';
        uint64_t backslash = eight ^ ones * '\\';
        uint64_t special = eight | (eight - ones * 0x20) | (quote - ones) | (backslash - ones);
        if ((special & highs) != 0)
            return false;
    }
    for (; at < text.size; at++) {
        uint8_t c = text.data[at];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            return false;
    }
    return true;
}

static void add_text(struct buffer *to, struct slice text)
{
    if (!is_plain(text)) {
        buffer_add_json(to, text);
        return;
    }
    uint8_t *at = buffer_reserve(to, text.size + 2);
    at[0] = '"';
    bytes_copy(at + 1, text.data, text.size);
    at[text.size + 1] = '"';
    to->size += text.size + 2;
}

void json_add_int(struct buffer *to, int64_t value)
{
    char text[24];
    char *at = text + sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        *--at = '-';
    buffer_add(to, at, (size_t)(text + sizeof text - at));
}

static void add_double(struct buffer *to, double number)
{
    if (isnan(number))
        buffer_add_text(to, "\"NaN\"");
    else if (isinf(number))
        buffer_add_text(to, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        stringify_number(number, to);
}

void json_add_value(struct buffer *to, const struct value *v)
{
    switch (v->type) {
    case VALUE_STRING:
        add_text(to, v->bytes);
        break;
    case VALUE_BOOL:
        buffer_add_text(to, v->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        json_add_int(to, v->integer);
        break;
    case VALUE_DOUBLE:
        add_double(to, v->number);
        break;
    case VALUE_BYTES:
        buffer_add_byte(to, '"');
        base64_encode(v->bytes, to);
        buffer_add_byte(to, '"');
        break;
    case VALUE_JSON:
        add_json_text(to, v->bytes);
        break;
    case VALUE_NONE:
        buffer_add_text(to, "null");
        break;
    }
}
