/*
 * utf8.h - UTF-8 one character at a time.
 */
#ifndef DRIFTLINE_BASE_UTF8_H
#define DRIFTLINE_BASE_UTF8_H

#include "engine/base/memory.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* True: a whole character of *ret_size bytes stands at at < end. False: *ret_size bytes (1 to 3) together are none, as
 * the Unicode standard ("maximal subpart") and browsers count them. */
bool utf8_take(const uint8_t *at, const uint8_t *end, size_t *ret_size);
/* code is no surrogate. */
void utf8_put(struct buffer *to, uint32_t code);

#endif
