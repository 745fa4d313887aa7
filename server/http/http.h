/*
 * http.h - the HTTP door: OTLP, SQL, health, administration.
 *
 * Place:     sockets -> evhttp -> [here] -> ingest, query/query.h, engine upkeep, auth, alerts
 * Routes:    routes.def lists method, path, scope and handler; GET /api/v1/health and the probes need no key.
 * Threads:   handlers run on the loop thread; statements and upkeep on worker threads.
 * Limits:    headers 16 KiB, body 64 MiB, 60 s without a byte; accepting pauses while descriptors are short.
 */
#ifndef DRIFTLINE_HTTP_H
#define DRIFTLINE_HTTP_H

#include "query/query.h"
#include "server/alert/alert.h"
#include "server/auth/auth.h"
#include "server/ingest/ingest.h"
#include "server/judge/judge.h"
#include "server/net/net.h"

struct http;

struct http_options {
    struct net_loop *loop;
    struct net_pool *queries;     /* where statements run */
    struct net_pool *maintenance; /* where seal, compact, retain and verify run */
    struct net_pool *writers;     /* where OTLP requests, scores and verdicts are read and committed */
    struct ingest *ingest;
    struct judge *judge;
    /* A worker has appended: schedule engine_pump and then http_pump. Loop thread. */
    void (*appended)(void *context);
    void *context;
    uint64_t otlp_bytes_max; /* 0: 64 MiB; one decoded body */
    uint64_t inflight_bytes_max; /* 0: 256 MiB; bodies being worked on */
    struct auth *auth;
    struct engine *engine;
    struct query_db *db;
    struct alerts *alerts; /* NULL: no rules were configured */
    struct query_options limits;
    struct net_address address;
};

/* options are copied, what they point to is borrowed. */
MUST_CHECK enum status http_start(const struct http_options *options, struct http **ret,
                                  struct error *reterr);
/* Everything up to this ticket is durable and visible: sends the answers that waited for it. */
void http_pump(struct http *h, uint64_t durable);
uint16_t http_port(const struct http *h);
/* Stops accepting; running statements are cancelled. */
void http_drain(struct http *h);
/* Requests that are still being answered. */
uint32_t http_requests(const struct http *h);
/* The pools must not run jobs of requests any more. Accepts NULL. */
void http_stop(struct http *h);

#endif
