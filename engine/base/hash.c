/*
 * hash.c - XXH3 through the packaged library, compiled inline for small keys.
 */
#include "engine/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(struct slice bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}

struct id128 hash128(struct slice bytes)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data, bytes.size));
    struct id128 id;
    memcpy(id.bytes, canonical.digest, sizeof id.bytes);
    return id;
}
