/*
 * grpc.h - OTLP over gRPC: unary Export of traces and logs.
 *
 * Place:     sockets -> bufferevents (TLS with ALPN h2, or plain) -> nghttp2 -> [here] -> a writer thread (content_decode, ingest_otlp)
 *            -> answer once the commit is durable
 * Speaks:    opentelemetry.proto.collector.{trace,logs}.v1.*Service/Export; metrics are answered OK and dropped, every other method
 *            is UNIMPLEMENTED. Messages plain, gzip, deflate or zstd.
 * Keys:      metadata `authorization` (Bearer or Basic) or a vendor's header (server/auth/key_header.h), checked before any of
 *            the message is kept. Project: metadata `x-driftline-project`, else the key's own.
 * Limits:    grpc_limits.h; a message of message_bytes_max, decoded; bytes of messages under way together inflight_bytes_max.
 * Threads:   everything on the loop thread but the reading of messages.
 */
#ifndef DRIFTLINE_GRPC_H
#define DRIFTLINE_GRPC_H

#include "server/auth/auth.h"
#include "server/ingest/ingest.h"
#include "server/net/net.h"

struct grpc;

struct grpc_options {
    struct net_loop *loop;
    struct net_pool *writers; /* where messages are read and committed */
    struct auth *auth;
    struct engine *engine;
    struct ingest *ingest;
    /* A worker has appended: schedule engine_pump and then grpc_pump. Loop thread. */
    void (*appended)(void *context);
    void *context;
    struct net_address address;
    const char *tls_cert; /* PEM chain and key; NULL or "": plain HTTP/2 */
    const char *tls_key;
    uint64_t message_bytes_max;  /* 0: 64 MiB; one decoded message */
    uint64_t inflight_bytes_max; /* 0: 256 MiB */
    uint32_t connections_max;    /* 0: 1024 */
    int64_t idle_ns;             /* 0: 5 min; a connection without calls this long is told to go */
};

/* options are copied, what they point to is borrowed (the TLS files are read here). */
MUST_CHECK enum status grpc_start(const struct grpc_options *options, struct grpc **ret,
                                  struct error *reterr);
uint16_t grpc_port(const struct grpc *g);
/* Everything up to this ticket is durable and visible: sends the answers that waited for it. Accepts NULL. */
void grpc_pump(struct grpc *g, uint64_t durable);
/* Stops listening; new calls are UNAVAILABLE, connections get GOAWAY and close when their calls are answered. Accepts NULL. */
void grpc_drain(struct grpc *g);
/* Calls that are still being answered, and connections that have not taken their answers. NULL: 0. */
uint32_t grpc_requests(const struct grpc *g);
/* Closes what is left. The writer pool must not run jobs of calls any more. Accepts NULL. */
void grpc_stop(struct grpc *g);

struct grpc_stats {
    uint32_t connections;
    uint64_t calls;        /* Export of traces and logs that were taken */
    uint64_t refused;      /* answered with an error */
    uint64_t bytes;        /* of messages, as they came */
    uint64_t goaways;      /* connections ended for breaking the protocol or a limit */
};
struct grpc_stats grpc_stats(const struct grpc *g);

#endif
