/*
 * reply.h - the small frames after the handshake: ACK, ERROR, MESSAGES_HAVE, MESSAGES_WANT, RESUME,
 * PING, PONG, GOAWAY. Every pair *_write and *_read is the format's encoder and decoder.
 */
#ifndef DRIFTLINE_WIRE_REPLY_H
#define DRIFTLINE_WIRE_REPLY_H

#include "engine/base/id.h"
#include "server/wire/frame.h"

struct wire_ack {
    uint64_t batch_seq;    /* this batch and all before it are settled */
    uint64_t credit_bytes; /* what may be unsettled from now on */
    uint32_t credit_rows;
    uint32_t accepted;   /* spans, since the last ACK */
    uint32_t duplicates; /* spans that were stored before */
};

struct wire_error {
    uint64_t batch_seq; /* 0: the connection as a whole */
    enum status status;
    bool retryable;
    bool fatal; /* the connection ends here */
    uint32_t row;
    uint32_t retry_after_ms;
    struct slice column; /* "spans.model", or empty */
    struct slice text;
};

struct wire_addresses {
    uint64_t
        batch_seq; /* WANT: the batch that is rejected until they come; 0: the answer to HAVE */
    uint32_t count;
    const struct id128 *addresses;
};

struct wire_goaway {
    uint32_t reconnect_after_ms;
    struct slice text;
};

void wire_ack_write(struct buffer *to, const struct wire_ack *ack);
MUST_CHECK enum status wire_ack_read(struct slice payload, struct wire_ack *ret,
                                     struct error *reterr);
/* Texts that are too long are cut. */
void wire_error_write(struct buffer *to, const struct wire_error *error);
MUST_CHECK enum status wire_error_read(struct slice payload, struct wire_error *ret,
                                       struct error *reterr);
/* type: WIRE_MESSAGES_HAVE or WIRE_MESSAGES_WANT. */
void wire_addresses_write(struct buffer *to, enum wire_type type,
                          const struct wire_addresses *list);
MUST_CHECK enum status wire_addresses_read(struct slice payload, enum wire_type type,
                                           struct wire_addresses *ret, struct error *reterr);
/* RESUME, PING and PONG carry one number: a batch_seq or a token. */
void wire_number_write(struct buffer *to, enum wire_type type, uint64_t number);
MUST_CHECK enum status wire_number_read(struct slice payload, enum wire_type type, uint64_t *ret,
                                        struct error *reterr);
void wire_goaway_write(struct buffer *to, const struct wire_goaway *goaway);
MUST_CHECK enum status wire_goaway_read(struct slice payload, struct wire_goaway *ret,
                                        struct error *reterr);

#endif
