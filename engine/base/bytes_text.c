/*
 * bytes_text.c - sizes to text and back.
 */
#include "engine/base/bytes_text.h"

#include <stdio.h>

static const struct {
    const char *suffix;
    uint64_t factor;
} byte_units[] = {{"GiB", (uint64_t)1 << 30}, {"MiB", (uint64_t)1 << 20}, {"KiB", (uint64_t)1 << 10},
                  {"TiB", (uint64_t)1 << 40}, {"B", 1}};

bool count_from_text(struct slice text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.size == 0 || text.size > 19)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret = value;
    return true;
}

bool bytes_from_text(struct slice text, uint64_t *ret_bytes)
{
    for (size_t i = 0; i < sizeof byte_units / sizeof byte_units[0]; i++) {
        size_t size = strlen(byte_units[i].suffix);
        if (text.size <= size || memcmp(text.data + text.size - size, byte_units[i].suffix, size) != 0)
            continue;
        uint64_t count;
        if (!count_from_text(slice_of(text.data, text.size - size), &count))
            return false;
        return !__builtin_mul_overflow(count, byte_units[i].factor, ret_bytes);
    }
    return count_from_text(text, ret_bytes);
}

void bytes_to_text(uint64_t bytes, char to[BYTES_TEXT_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (unit < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(to, BYTES_TEXT_BYTES, "%llu%s", (unsigned long long)bytes, units[unit]);
}
