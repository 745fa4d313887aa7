/*
 * base64.h - RFC 4648, both alphabets when reading, padding optional.
 */
#ifndef DRIFTLINE_CODEC_BASE64_H
#define DRIFTLINE_CODEC_BASE64_H

#include "engine/base/memory.h"

/* Characters base64_encode appends for so many bytes. */
size_t base64_size(size_t bytes);
/* Appends the padded form with + and /. */
void base64_encode(struct slice bytes, struct buffer *to);
/* The bytes, in the arena. False: a character that is none of either alphabet, or a length no bytes have. */
bool base64_parse(struct slice text, struct arena *arena, struct slice *ret_bytes);

#endif
