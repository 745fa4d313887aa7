/*
 * native.h - the listener of the native protocol: sockets -> batches -> engine -> acks.
 *
 * Place:     server/net -> [here] -> engine_append; engine_pump -> the core -> native_pump -> ACK
 * Promise:   a batch is acknowledged only once it is durable and visible.
 * Pressure:  while the engine is busy the socket is not read; the batch in hand is tried again after
 *            every native_pump and every 5 ms, so that nothing is lost and nothing spins. After
 *            stall_timeout_ns the client is told to come again.
 * Threads:   loop thread.
 */
#ifndef DRIFTLINE_SERVER_NATIVE_H
#define DRIFTLINE_SERVER_NATIVE_H

#include "engine/engine.h"
#include "server/net/net.h"

struct native;

struct native_hooks {
    /* Whether a key may speak for a project (empty: the key's own): its number and the scopes (enum scope of server/auth). A
     * connection needs SCOPE_INGEST, SCOPE_REVIEW or SCOPE_ADMIN. The text of a refusal goes to the client. */
    enum status (*authenticate)(void *context, struct slice key, struct slice project,
                                uint32_t *ret_project, unsigned *ret_scopes, struct error *reterr);
    /* Takes a commit instead of engine_append, with the same results: the place for enrichment and
     * budgets. May be NULL. */
    enum status (*append)(void *context, const struct append *append, struct append_result *ret,
                          struct error *reterr);
    /* Commits wait: schedule engine_pump and then native_pump. Called from inside native's own
     * callbacks (also from native_pump), so don't call back from here. May be NULL. */
    void (*appended)(void *context);
    /* One line about a connection that was refused or broke the protocol. May be NULL. */
    void (*log)(void *context, const char *level, const char *text);
    void *context;
};

struct native_options {
    struct net_address address;
    uint32_t connections_max; /* 0: 4096 */
    uint32_t per_address_max; /* 0: 256 */
    uint32_t payload_max;     /* 0: BATCH_BYTES_MAX and a little */
    uint32_t
        credit_rows; /* 0: 65,536; unsettled rows a connection may have: deeper queues only make acks late */
    uint64_t credit_bytes;       /* 0: 16 MiB */
    uint64_t output_bytes_max;   /* 0: 8 MiB; a reader that is slower than this is cut off */
    uint64_t memory_bytes_max;   /* 0: 512 MiB for input and dictionaries of all connections */
    int64_t greeting_timeout_ns; /* 0: 10 s to authenticate */
    int64_t idle_timeout_ns;     /* 0: 10 min without a byte */
    int64_t stall_timeout_ns;    /* 0: 5 s */
};

MUST_CHECK enum status native_create(struct net_loop *loop, struct engine *engine,
                                     const struct native_options *options,
                                     const struct native_hooks *hooks, struct native **ret,
                                     struct error *reterr);
/* Closes everything at once. Accepts NULL. */
void native_destroy(struct native *n);
uint16_t native_port(const struct native *n);

/* Everything up to this ticket is durable and visible: sends the acks that are due and tries again
 * what the engine was too busy for. */
void native_pump(struct native *n, uint64_t durable);

/* Stops listening, says GOAWAY, takes no more batches; connections close once their acks are out. */
void native_drain(struct native *n, uint32_t reconnect_after_ms);
/* True when no connection is left. */
bool native_is_idle(const struct native *n);

struct native_stats {
    uint64_t connections; /* open now */
    uint64_t accepted;    /* ever */
    uint64_t refused;     /* bad greetings, wrong keys, broken framing */
    uint64_t batches;     /* taken by the engine */
    uint64_t spans;
    uint64_t duplicates;
    uint64_t rejected; /* batches that were wrong */
    uint64_t wanted;   /* batches sent back for messages */
    uint64_t stalls;   /* times a connection had to wait for the engine */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t memory_bytes;
};
struct native_stats native_stats(const struct native *n);

#endif
