/*
 * json_write.c - bytes to a JSON string. What is not UTF-8 becomes U+FFFD, one for each longest
 * piece that could have begun a character (the Unicode standard's recommendation).
 */
#include "engine/base/memory.h"

/* Length of the well-formed character at `at`; 0 and the length of the bad piece otherwise. */
static size_t utf8_length(const uint8_t *at, size_t left, size_t *ret_bad)
{
    uint8_t first = at[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    *ret_bad = 1;
    if (size == 1)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    /* The second byte's range keeps out overlong forms, surrogates and what lies past U+10FFFF. */
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < size; i++) {
        if (i >= left || at[i] < low || at[i] > high) {
            *ret_bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return size;
}

static void add_escape(struct buffer *b, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    };
    char escape[6] = {'\\', (char)c, '0', '0', 0, 0};
    if (c >= 0x20) {
        buffer_add(b, escape, 2);
    } else if (letters[c] != 0) {
        escape[1] = letters[c];
        buffer_add(b, escape, 2);
    } else {
        escape[1] = 'u';
        escape[4] = digits[c >> 4];
        escape[5] = digits[c & 15];
        buffer_add(b, escape, 6);
    }
}

void buffer_add_json(struct buffer *b, struct slice bytes)
{
    (void)buffer_reserve(b, bytes.size + 2);
    buffer_add_byte(b, '"');
    size_t copied = 0;
    size_t at = 0;
    while (at < bytes.size) {
        uint8_t c = bytes.data[at];
        size_t bad = 1;
        size_t size = 0;
        if (c >= 0x20 && c != '"' && c != '\\' &&
            (size = utf8_length(bytes.data + at, bytes.size - at, &bad)) != 0) {
            at += size;
            continue;
        }
        buffer_add(b, bytes.data + copied, at - copied);
        if (c < 0x80)
            add_escape(b, c);
        else
            buffer_add(b, "\xef\xbf\xbd", 3);
        at += bad;
        copied = at;
    }
    buffer_add(b, bytes.data + copied, at - copied);
    buffer_add_byte(b, '"');
}
