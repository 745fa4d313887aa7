/*
 * id.h - 128-bit and 64-bit identifiers and their lower-case hex text.
 *
 * trace_id and message addresses are 16 bytes in transmission order. A span_id is 8 bytes kept as
 * a u64 read big-endian, so that its hex text is printf("%016llx").
 */
#ifndef DRIFTLINE_BASE_ID_H
#define DRIFTLINE_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/base/slice.h"

struct id128 {
    uint8_t bytes[16];
};

static inline bool id128_equal(struct id128 a, struct id128 b)
{
    return memcmp(a.bytes, b.bytes, 16) == 0;
}

static inline int id128_compare(struct id128 a, struct id128 b)
{
    return memcmp(a.bytes, b.bytes, 16);
}

static inline bool id128_is_zero(struct id128 a)
{
    static const struct id128 zero;
    return id128_equal(a, zero);
}

/* A well-mixed 64-bit hash of an id (ids may be sequential). */
uint64_t id128_hash(struct id128 id);

#define ID128_HEX_BYTES 32
#define ID64_HEX_BYTES  16
/* Write exactly that many digits, no NUL. */
void id128_to_hex(struct id128 id, char *to);
void id64_to_hex(uint64_t id, char *to);
/* Exactly 32 or 16 hex digits, either case; false otherwise. */
bool id128_from_hex(struct slice text, struct id128 *ret_id);
bool id64_from_hex(struct slice text, uint64_t *ret_id);
void hex_encode(const uint8_t *bytes, size_t size, char *to);
bool hex_decode(struct slice text, uint8_t *to, size_t size);

#endif
