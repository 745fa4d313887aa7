/*
 * inflate.h - Content-Encoding of request bodies, with the output bounded while it is made.
 */
#ifndef DRIFTLINE_CODEC_INFLATE_H
#define DRIFTLINE_CODEC_INFLATE_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

enum content_encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_DEFLATE, ENCODING_ZSTD };

/* "gzip", "x-gzip", "deflate", "zstd", "identity", "" or NULL; any case. False: another. */
bool content_encoding_from_name(const char *name, enum content_encoding *ret);
/*
 * Appends the decoded bytes. deflate is zlib's format or raw (clients send both). Several gzip members or zstd frames in a row
 * are one body. STATUS_LIMIT: more than bytes_max would come out (nothing larger than bytes_max is ever allocated; zstd
 * windows above 8 MiB are refused); STATUS_INVALID: not that encoding, cut short, or bytes behind its end.
 */
MUST_CHECK enum status content_decode(enum content_encoding encoding, struct slice bytes, size_t bytes_max, struct buffer *to,
                                      struct error *reterr);

#endif
