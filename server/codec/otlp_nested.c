/*
 * otlp_nested.c - values inside arrays and key-value lists, as JSON text.
 *
 * Meaning:  numbers as JavaScript prints them (so that a message is the same bytes however it was sent), 64-bit integers with
 *           all their digits, bytes as base64, infinities and NaN as strings (protobuf's JSON mapping).
 * Bounds:   a record's nested text is at most OTLP_NESTED_BYTES_MAX: escapes make up to six bytes of one, so the limit
 *           is asked while writing. The buffer doubles, hence never holds more than twice that.
 */
#include <inttypes.h>
#include <math.h>

#include "engine/base/stringify.h"
#include "engine/base/utf8.h"
#include "server/codec/base64.h"
#include "server/codec/otlp_internal.h"

static bool has_room(const struct otlp_reader *r, size_t bytes)
{
    return bytes <= OTLP_NESTED_BYTES_MAX &&
           r->record.nested_bytes + r->nested.size <= OTLP_NESTED_BYTES_MAX - bytes;
}

enum value_fault nested_raw(struct otlp_reader *r, struct slice json)
{
    if (!has_room(r, json.size))
        return VALUE_TOO_LARGE;
    buffer_add_slice(&r->nested, json);
    return VALUE_FINE;
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void escape_write(struct buffer *to, uint8_t c)
{
    static const char letters[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char letter = c < sizeof letters ? letters[c] : 0;
    if (c == '"' || c == '\\')
        letter = (char)c;
    if (letter == 0) {
        buffer_printf(to, "\\u%04x", c);
        return;
    }
    buffer_add_byte(to, '\\');
    buffer_add_byte(to, (uint8_t)letter);
}

enum value_fault nested_text(struct otlp_reader *r, struct slice text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.size;
    buffer_add_byte(&r->nested, '"');
    while (at < end) {
        const uint8_t *run = at;
        size_t size = 1;
        while (at < end && (is_plain(*at) || (*at >= 0x80 && utf8_take(at, end, &size)))) {
            at += size;
            size = 1;
        }
        if (!has_room(r, (size_t)(at - run) + 8))
            return VALUE_TOO_LARGE;
        buffer_add(&r->nested, run, (size_t)(at - run));
        if (at == end)
            break;
        if (*at < 0x80)
            escape_write(&r->nested, *at);
        else
            buffer_add_text(&r->nested, UTF8_REPLACEMENT);
        at += size;
    }
    buffer_add_byte(&r->nested, '"');
    return VALUE_FINE;
}

static void number_write(struct buffer *to, double number)
{
    if (isnan(number))
        buffer_add_text(to, "\"NaN\"");
    else if (isinf(number))
        buffer_add_text(to, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        stringify_number(number, to);
}

enum value_fault nested_scalar(struct otlp_reader *r, const struct value *value)
{
    if (!has_room(r, 32))
        return VALUE_TOO_LARGE;
    switch (value->type) {
    case VALUE_NONE:
        return nested_raw(r, slice_text("null"));
    case VALUE_STRING:
        return nested_text(r, value->bytes);
    case VALUE_BOOL:
        return nested_raw(r, slice_text(value->boolean ? "true" : "false"));
    case VALUE_INT:
        buffer_printf(&r->nested, "%" PRId64, value->integer);
        return VALUE_FINE;
    case VALUE_DOUBLE:
        number_write(&r->nested, value->number);
        return VALUE_FINE;
    case VALUE_BYTES:
        if (!has_room(r, base64_size(value->bytes.size) + 2))
            return VALUE_TOO_LARGE;
        buffer_add_byte(&r->nested, '"');
        base64_encode(value->bytes, &r->nested);
        buffer_add_byte(&r->nested, '"');
        return VALUE_FINE;
    case VALUE_JSON:
        return nested_raw(r, value->bytes);
    }
    return VALUE_MALFORMED;
}

struct value nested_take(struct otlp_reader *r, struct arena *arena)
{
    struct slice text = arena_copy(arena, buffer_slice(&r->nested));
    r->record.nested_bytes += text.size;
    buffer_reset(&r->nested);
    return (struct value){.type = VALUE_JSON, .bytes = text};
}
