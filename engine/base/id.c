/*
 * id.c - identifiers to hex and back.
 */
#include "engine/base/id.h"

#include "engine/base/hash.h"

uint64_t id128_hash(struct id128 id)
{
    uint64_t half[2];
    memcpy(half, id.bytes, sizeof half);
    return hash_mix(half[0] ^ hash_mix(half[1]));
}

void hex_encode(const uint8_t *bytes, size_t size, char *to)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* 0..15, or 255 for a byte that is no hex digit. */
static uint8_t hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10) : 255;
}

bool hex_decode(struct slice text, uint8_t *to, size_t size)
{
    if (text.size != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t high = hex_value(text.data[2 * i]);
        uint8_t low = hex_value(text.data[2 * i + 1]);
        if ((high | low) > 15)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void id128_to_hex(struct id128 id, char *to)
{
    hex_encode(id.bytes, sizeof id.bytes, to);
}

void id64_to_hex(uint64_t id, char *to)
{
    uint64_t big = __builtin_bswap64(id);
    hex_encode((const uint8_t *)&big, sizeof big, to);
}

bool id128_from_hex(struct slice text, struct id128 *ret_id)
{
    struct id128 id;
    if (!hex_decode(text, id.bytes, sizeof id.bytes))
        return false;
    *ret_id = id;
    return true;
}

bool id64_from_hex(struct slice text, uint64_t *ret_id)
{
    uint64_t big;
    if (!hex_decode(text, (uint8_t *)&big, sizeof big))
        return false;
    *ret_id = __builtin_bswap64(big);
    return true;
}
