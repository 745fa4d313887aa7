/*
 * fuzz_inflate.c - the first byte chooses encoding and limit, the rest is the body.
 */
#include "engine/base/check.h"
#include "server/codec/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum content_encoding encoding = (enum content_encoding)(data[0] & 3);
    size_t bytes_max = (size_t)1 << (data[0] >> 2 & 31) % 21;
    struct buffer out = {0};
    struct error error = {0};
    buffer_add_text(&out, "kept");
    enum status s = content_decode(encoding, slice_of(data + 1, size - 1), bytes_max, &out, &error);
    ASSERT(s == STATUS_OK || s == STATUS_INVALID || s == STATUS_LIMIT);
    ASSERT(s == STATUS_OK ? out.size - 4 <= bytes_max : out.size == 4 && error.text[0] != 0);
    ASSERT(out.capacity <= bytes_max + 16);
    ASSERT(memcmp(out.data, "kept", 4) == 0);
    buffer_deinit(&out);
    return 0;
}
