/*
 * base64.c - three bytes are four characters of six bits.
 */
#include "server/codec/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_size(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

void base64_encode(struct slice bytes, struct buffer *to)
{
    uint8_t *out = buffer_reserve(to, base64_size(bytes.size));
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t three = (uint32_t)bytes.data[i] << 16;
        three |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        three |= left > 2 ? bytes.data[i + 2] : 0;
        *out++ = (uint8_t)alphabet[three >> 18];
        *out++ = (uint8_t)alphabet[three >> 12 & 63];
        *out++ = left > 1 ? (uint8_t)alphabet[three >> 6 & 63] : '=';
        *out++ = left > 2 ? (uint8_t)alphabet[three & 63] : '=';
    }
    to->size += base64_size(bytes.size);
}

/* 0 to 63, or -1. */
static int six_bits(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_parse(struct slice text, struct arena *arena, struct slice *ret_bytes)
{
    size_t size = text.size;
    for (int padding = 0; padding < 2 && size > 0 && text.data[size - 1] == '='; padding++)
        size--;
    if (size % 4 == 1 || (size != text.size && text.size % 4 != 0))
        return false;
    uint8_t *bytes = arena_alloc(arena, size / 4 * 3 + 3);
    uint8_t *to = bytes;
    uint32_t bits = 0;
    unsigned held = 0; /* bits not written yet */
    for (size_t i = 0; i < size; i++) {
        int six = six_bits(text.data[i]);
        if (six < 0)
            return false;
        bits = bits << 6 | (uint32_t)six;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *to++ = (uint8_t)(bits >> held);
        }
    }
    *ret_bytes = slice_of(bytes, (size_t)(to - bytes));
    return true;
}
