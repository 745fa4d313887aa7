/*
 * grpc_internal.h - connections and calls.
 *
 * A call lives from the HEADERS of its stream until it is answered and its stream closed. While a worker reads its message it
 * can't go: if the stream or the connection goes first, `connection` becomes NULL and the answer is dropped.
 */
#ifndef DRIFTLINE_GRPC_INTERNAL_H
#define DRIFTLINE_GRPC_INTERNAL_H

#include <event2/bufferevent.h>
#include <nghttp2/nghttp2.h>
#include <openssl/types.h>

#include "engine/base/limits.h"
#include "engine/base/memory.h"
#include "server/auth/key_header.h"
#include "server/codec/inflate.h"
#include "server/codec/rpc_code.h"
#include "server/grpc/grpc.h"
#include "server/grpc/grpc_limits.h"

enum grpc_method {
    GRPC_METHOD_UNKNOWN,
    GRPC_TRACES,
    GRPC_LOGS,
    GRPC_METRICS
};

enum call_state {
    CALL_RECEIVING, /* metadata, then the message */
    CALL_REFUSED,   /* the client is told once it has sent all */
    CALL_WORKING,   /* a worker has it */
    CALL_WAITING,   /* committed, not durable yet */
    CALL_ANSWERED,
};

struct grpc_connection;

struct grpc_call {
    struct net_job job;
    struct grpc *grpc;
    struct grpc_connection *connection; /* NULL: nobody wants the answer any more */
    int32_t stream;
    enum call_state state;
    /* its metadata */
    enum grpc_method method;
    bool is_post;
    bool is_grpc; /* content-type */
    bool has_project;
    bool is_encoding_known;
    enum content_encoding encoding;
    int key_rank;
    char key[KEY_HEADER_BYTES_MAX];
    char project_name[PROJECT_NAME_MAX + 1];
    uint32_t header_bytes;
    uint32_t project;
    /* its message, with the five bytes before it */
    struct buffer body;
    uint64_t admitted_bytes;  /* counted in grpc.inflight_bytes */
    uint64_t discarded_bytes; /* came after it was refused */
    bool has_ended;           /* the client has sent all */
    enum rpc_code refusal;
    char *refusal_text; /* owned */
    /* what came of it */
    enum status status;
    struct error error;
    struct ingest_result result;
    struct buffer answer; /* the DATA to send */
    size_t answer_sent;
    struct grpc_call *next; /* of the connection */
    struct grpc_call *previous;
    struct grpc_call *next_waiting;
};

struct grpc_connection {
    struct grpc *grpc;
    struct bufferevent *events;
    nghttp2_session *session;
    struct grpc_call *calls;
    uint32_t slot;
    bool has_spoken; /* the client; nothing is sent before */
    bool is_http1;   /* it was told where to go */
    bool is_ready;   /* its first HTTP/2 frame is here */
    bool is_leaving; /* GOAWAY was sent */
    struct grpc_connection *next;
    struct grpc_connection *previous;
};

struct grpc {
    struct grpc_options options;
    struct net_listener *listener;
    uint16_t port;
    SSL_CTX *tls;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *http2;
    struct grpc_connection *connections;
    struct grpc_call *waiting; /* by next_waiting, in no order */
    uint32_t requests;         /* calls WORKING or WAITING */
    uint64_t inflight_bytes;
    uint64_t durable;
    bool is_draining;
    struct grpc_stats stats;
};

/* grpc_tls.c */
MUST_CHECK enum status grpc_tls_open(const char *cert, const char *key, SSL_CTX **ret,
                                     struct error *reterr);
void grpc_tls_close(SSL_CTX *tls);
struct bufferevent *grpc_tls_accept(SSL_CTX *tls, struct event_base *base, int fd);

/* grpc_session.c: HTTP/2 */
MUST_CHECK enum status grpc_session_setup(struct grpc *g, struct error *reterr);
bool grpc_session_begin(struct grpc_connection *c);
/* What arrived. False: close the connection. */
bool grpc_session_receive(struct grpc_connection *c, struct evbuffer *in);
/* GOAWAY: no new streams; those there are go on. */
void grpc_session_leave(struct grpc_connection *c);
/* Moves frames to the socket's buffer. False: close the connection. */
bool grpc_session_send(struct grpc_connection *c);
/* Answer of a call; the connection must be sent afterwards. */
void grpc_session_answer(struct grpc_call *call);
void grpc_session_refuse(struct grpc_call *call, enum rpc_code code, const char *message);

/* grpc_call.c: what a call means */
struct grpc_call *grpc_call_create(struct grpc_connection *c, int32_t stream);
/* Its stream or connection is gone. */
void grpc_call_leave(struct grpc_call *call);
void grpc_call_metadata(struct grpc_call *call, struct slice name, struct slice value);
/* All metadata is there: refuses what can't be served. */
void grpc_call_begin(struct grpc_call *call);
void grpc_call_data(struct grpc_call *call, struct slice bytes);
/* Tells a REFUSED call's client why. */
void grpc_call_tell(struct grpc_call *call);
/* The client has sent all. */
void grpc_call_end(struct grpc_call *call);
/* Work of ours is under way for it: the client can only wait. */
bool grpc_call_is_working(const struct grpc_call *call);
/* At the end: those that still wait for their commits, their connections being closed. */
void grpc_calls_abandon(struct grpc *g);

/* grpc_status.c */
bool grpc_code_asks_again(enum rpc_code code);
/* grpc-message: printable ASCII, the rest %XX. */
void grpc_message_encode(struct slice message, struct buffer *to);
/* grpc-status-details-bin: google.rpc.Status with a RetryInfo of one second, as base64. */
void grpc_details_encode(enum rpc_code code, struct slice message, struct buffer *to);

/* grpc.c */
void grpc_connection_flush(struct grpc_connection *c);

#endif
