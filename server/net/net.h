/*
 * net.h - the event loop, listeners and worker threads, thin over libevent.
 *
 * Threads:  one loop thread owns sockets, timers and the engine's writer side. net_post and net_pool_submit are the only
 *           ways in from other threads. The loop never waits for disk or for a query.
 */
#ifndef DRIFTLINE_NET_H
#define DRIFTLINE_NET_H

#include <event2/event.h>

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/slice.h"
#include "engine/base/status.h"

struct net_loop;
MUST_CHECK enum status net_loop_create(struct net_loop **ret, struct error *reterr);
void net_loop_destroy(struct net_loop *loop);
struct event_base *net_loop_base(struct net_loop *loop);
/* Runs until net_loop_stop (any thread, also from a signal event). */
void net_loop_run(struct net_loop *loop);
void net_loop_stop(struct net_loop *loop);
/* run(context) on the loop thread, in order of posting. Any thread. */
void net_post(struct net_loop *loop, void (*run)(void *context), void *context);

/* Worker threads for what may take long. run() on a worker, then done() on the loop thread. */
struct net_pool;
struct net_job {
    void (*run)(struct net_job *job);
    void (*done)(struct net_job *job);
    struct net_job *next;
};
struct net_pool *net_pool_create(struct net_loop *loop, const char *name, uint32_t threads,
                                 uint32_t queue_max);
/* Finishes running jobs, calls done() for all queued ones without run (job->run set to NULL). */
void net_pool_destroy(struct net_pool *pool);
/* STATUS_BUSY when the queue is full. Loop thread. */
MUST_CHECK enum status net_pool_submit(struct net_pool *pool, struct net_job *job,
                                       struct error *reterr);

/* "ADDR:PORT", "[v6]:PORT", ":PORT" (loopback), "PORT" (loopback); names are resolved. */
struct net_address {
    char host[256];
    uint16_t port;
};
MUST_CHECK enum status net_address_parse(struct slice text, uint16_t default_port,
                                         struct net_address *ret, struct error *reterr);
bool net_address_is_loopback(const struct net_address *a);

struct net_listener;
struct net_listener_options {
    const char *what;         /* "http", for messages and the log */
    uint32_t connections_max; /* 0: 4096 */
    uint32_t per_address_max; /* 0: 256 */
    /* Owns fd from here on (non-blocking, TCP_NODELAY); must call net_listener_release(listener, slot) after closing it. peer: "127.0.0.1". */
    void (*accepted)(void *context, int fd, const char *peer, uint32_t slot);
    void *context;
};
MUST_CHECK enum status net_listen(struct net_loop *loop, const struct net_address *address,
                                  const struct net_listener_options *options,
                                  struct net_listener **ret, struct error *reterr);
/* Accepts NULL. Connections already accepted live on; their slots must still be released. */
void net_listener_close(struct net_listener *l);
void net_listener_release(struct net_listener *l, uint32_t slot);
/* The port bound (useful with port 0). */
uint16_t net_listener_port(const struct net_listener *l);

struct net_listener_stats {
    uint32_t connections; /* open now */
    uint64_t refused;     /* closed at once because of a limit */
    uint64_t pauses;      /* times accepting stopped for 100 ms: no descriptors or memory */
};
struct net_listener_stats net_listener_stats(const struct net_listener *l);

#endif
