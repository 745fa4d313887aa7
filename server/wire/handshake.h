/*
 * handshake.h - HELLO and WELCOME.
 */
#ifndef DRIFTLINE_WIRE_HANDSHAKE_H
#define DRIFTLINE_WIRE_HANDSHAKE_H

#include "engine/base/id.h"
#include "server/wire/frame.h"

struct wire_hello {
    uint16_t version_min;
    uint16_t version_max;
    struct id128 client;  /* zero: no exactly-once memory wanted */
    struct slice key;     /* at most WIRE_KEY_BYTES_MAX; empty where none is needed */
    struct slice project; /* at most PROJECT_NAME_MAX */
    struct slice name;    /* of the program, for people; at most WIRE_NAME_BYTES_MAX */
};

struct wire_welcome {
    uint16_t version;
    uint64_t last_batch_seq; /* of this client, applied or on its way; 0: none */
    int64_t server_time_ns;
    uint32_t credit_rows;
    uint64_t credit_bytes;
    uint32_t payload_max;
    uint32_t batch_rows_max;
    uint32_t dictionary_entries_max;
    uint32_t dictionary_bytes_max;
    struct slice server; /* "driftline 0.1.0" */
};

void wire_hello_write(struct buffer *to, const struct wire_hello *hello);
/* Slices borrow from the payload. */
MUST_CHECK enum status wire_hello_read(struct slice payload, struct wire_hello *ret,
                                       struct error *reterr);
/* The version both speak; STATUS_UNAVAILABLE naming both ranges when there is none. */
MUST_CHECK enum status wire_version_agree(const struct wire_hello *hello, uint16_t *ret_version,
                                          struct error *reterr);
void wire_welcome_write(struct buffer *to, const struct wire_welcome *welcome);
MUST_CHECK enum status wire_welcome_read(struct slice payload, struct wire_welcome *ret,
                                         struct error *reterr);

#endif
