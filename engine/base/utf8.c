/*
 * utf8.c - Unicode 15.0, table 3-7: which second byte may follow which first.
 */
#include "engine/base/utf8.h"

bool utf8_take(const uint8_t *at, const uint8_t *end, size_t *ret_size)
{
    uint8_t first = at[0];
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t size;
    *ret_size = 1;
    if (first < 0x80)
        return true;
    if (first >= 0xc2 && first <= 0xdf)
        size = 2;
    else if ((first & 0xf0) == 0xe0)
        size = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        size = 4;
    else
        return false;
    if (first == 0xe0)
        low = 0xa0; /* shorter forms exist */
    else if (first == 0xed)
        high = 0x9f; /* surrogates */
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    for (size_t i = 1; i < size; i++) {
        if (at + i >= end || at[i] < low || at[i] > high) {
            *ret_size = i;
            return false;
        }
        low = 0x80;
        high = 0xbf;
    }
    *ret_size = size;
    return true;
}

void utf8_put(struct buffer *to, uint32_t code)
{
    uint8_t bytes[4];
    size_t size;
    if (code < 0x80) {
        bytes[0] = (uint8_t)code;
        size = 1;
    } else if (code < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | code >> 6);
        size = 2;
    } else if (code < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | code >> 12);
        size = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | code >> 18);
        size = 4;
    }
    for (size_t i = 1; i < size; i++)
        bytes[i] = (uint8_t)(0x80 | (code >> (6 * (size - 1 - i)) & 0x3f));
    buffer_add(to, bytes, size);
}
