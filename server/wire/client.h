/*
 * client.h - a client of the native protocol: sends batches, keeps them until they are durable.
 *
 * Place:     services, importers, benchmarks -> [here] -> socket -> server
 * Promise:   every batch that wire_client_send took is applied exactly once, over any number of lost
 *            connections, as long as the process lives: it is kept and sent again until the server
 *            says that it is durable (on_ack) or that it is wrong (on_reject).
 * Progress:  happens inside wire_client_send, _poll and _flush, nowhere else. A program that has an
 *            event loop waits for wire_client_fd and calls wire_client_poll(c, 0, ...).
 * Threads:   one at a time per client.
 *
 *     wire_client_open(&(struct wire_client_options){.host = "127.0.0.1", .key = key}, &c, &error);
 *     wire_client_send(c, &(struct wire_input){.spans = &batch}, -1, NULL, &error);
 *     wire_client_flush(c, 10 * NS_PER_S, &error);
 *     wire_client_close(c);
 */
#ifndef DRIFTLINE_WIRE_CLIENT_H
#define DRIFTLINE_WIRE_CLIENT_H

#include "engine/base/clock.h"
#include "server/wire/batch_frame.h"

struct wire_client;

struct wire_client_ack {
    uint64_t batch_seq; /* this batch and all before it are settled */
    uint32_t accepted;  /* spans stored, since the last ack */
    uint32_t duplicates;
};

/* A batch the server will never take. */
struct wire_client_reject {
    uint64_t batch_seq;
    enum status status;
    uint32_t row;        /* WIRE_ROW_NONE: unknown */
    struct slice column; /* "spans.model"; empty: unknown */
    struct slice text;
};

struct wire_client_options {
    const char *host;     /* NULL: "127.0.0.1" */
    uint16_t port;        /* 0: 4319 */
    struct slice key;     /* empty: none */
    struct slice project; /* empty: the key's own, or "default" */
    struct slice name;    /* of the program, for the server's log */
    struct id128 client;  /* zero: a random one. A fixed one goes on after a restart, with care: one
                              process at a time, and batches that were not acked must come again */
    int64_t connect_timeout_ns;   /* 0: 5 s, for connecting and being greeted */
    int64_t silence_timeout_ns;   /* 0: 30 s without a byte while an answer is due */
    int64_t backoff_min_ns;       /* 0: 50 ms; doubled up to backoff_max_ns, with jitter */
    int64_t backoff_max_ns;       /* 0: 5 s */
    uint64_t unsettled_bytes_max; /* 0: 64 MiB kept here, besides the server's credits */
    uint64_t message_bytes_max;   /* 0: 64 MiB of bodies remembered, so that each is sent once */
    uint64_t seed;                /* of the jitter; 0: random */
    /* May be NULL. Called from send, poll and flush; they must not call the client. */
    void (*on_ack)(void *context, const struct wire_client_ack *ack);
    void (*on_reject)(void *context, const struct wire_client_reject *reject);
    void *context;
};

/*
 * Connects and waits for the greeting. STATUS_UNREACHABLE names host and port; STATUS_DENIED: the key;
 * STATUS_NOT_FOUND: the project; STATUS_UNAVAILABLE: no common version.
 */
MUST_CHECK enum status wire_client_open(const struct wire_client_options *options,
                                        struct wire_client **ret, struct error *reterr);
/* Drops what is not settled; flush first. Accepts NULL. */
void wire_client_close(struct wire_client *c);

/*
 * Takes a batch (everything is copied). Pass all messages that the spans refer to: bodies the server has
 * are not sent again. Waits up to timeout_ns (negative: for ever) while credits are used up, then
 * STATUS_BUSY and nothing was taken. STATUS_INVALID, STATUS_LIMIT: the batch is wrong. Other failures: the
 * client can't go on (wrong key after a reconnect, for instance) and every later call says the same.
 */
MUST_CHECK enum status wire_client_send(struct wire_client *c, const struct wire_input *in,
                                        int64_t timeout_ns, uint64_t *ret_batch_seq,
                                        struct error *reterr);
/* Reads, writes, reconnects; waits up to timeout_ns for something to happen. A lost connection is no
 * failure: it is made again. */
MUST_CHECK enum status wire_client_poll(struct wire_client *c, int64_t timeout_ns,
                                        struct error *reterr);
/* Until everything is settled. STATUS_TIMEOUT says what was in the way. */
MUST_CHECK enum status wire_client_flush(struct wire_client *c, int64_t timeout_ns,
                                         struct error *reterr);
/* Asks which messages the server lacks (have/want): worth it before sending large old bodies. Waits.
 * ret_missing has room for count (at most WIRE_ADDRESSES_MAX). */
MUST_CHECK enum status wire_client_messages_missing(struct wire_client *c,
                                                    const struct id128 *addresses, uint32_t count,
                                                    int64_t timeout_ns, struct id128 *ret_missing,
                                                    uint32_t *ret_count, struct error *reterr);

/* -1 while there is no connection. It may change with every call. */
int wire_client_fd(const struct wire_client *c);
/* Whether the fd should be watched for writing too. */
bool wire_client_wants_write(const struct wire_client *c);

struct wire_client_stats {
    uint64_t batches_sent, batches_acked, batches_rejected;
    uint64_t rows_acked, duplicates;
    uint64_t bytes_sent; /* of all frames, repeats included */
    uint64_t connections;
    uint64_t unsettled; /* batches taken and neither acked nor rejected */
    uint64_t resent;    /* batches sent more than once */
    uint64_t messages_skipped;
};
struct wire_client_stats wire_client_stats(const struct wire_client *c);

#endif
