/*
 * key_header.h - where clients of HTTP and gRPC put the key.
 *
 * SDKs of other products carry their key in a header of their own; pointed here, that header carries ours.
 */
#ifndef DRIFTLINE_AUTH_KEY_HEADER_H
#define DRIFTLINE_AUTH_KEY_HEADER_H

#include "engine/base/slice.h"

#define KEY_HEADER_BYTES_MAX 512

/* How much a header of this name (any case) counts as the place of the key: 0 not at all, else higher wins. */
int key_header_rank(struct slice name);
/* The key in the value of such a header: "Bearer KEY", the bare KEY, or "Basic base64(user:password)", of which either half may be ours.
 * Empty when there is none; may point into buffer. */
struct slice key_header_read(struct slice value, char buffer[KEY_HEADER_BYTES_MAX]);

#endif
