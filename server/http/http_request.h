/*
 * http_request.h - one request on its way: what the handlers of this folder share.
 *
 * A handler either replies at once or starts a job (http_job_start) and replies when it is done. The connection can't go away
 * in between: evhttp does not read it while a request is unanswered.
 */
#ifndef DRIFTLINE_HTTP_REQUEST_H
#define DRIFTLINE_HTTP_REQUEST_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "engine/base/memory.h"
#include "server/http/http.h"

struct http {
    struct http_options options;
    struct evhttp *server;
    struct evhttp_bound_socket *socket;
    struct event *accept_again; /* accepting paused for want of descriptors */
    uint16_t port;
    struct http_job *jobs; /* under way */
    uint32_t requests;     /* their number */
    bool draining;
    int64_t started_ns;
    uint64_t durable;           /* of the last http_pump */
    struct http_job *waiting;   /* done, but their commits are not durable yet; by `next_waiting` */
    uint64_t inflight_bytes;    /* bodies of OTLP requests under way */
};

struct request {
    struct http *http;
    struct evhttp_request *event;
    struct evkeyvalq parameters; /* of the query string */
    struct principal principal;
    enum scope scope; /* what the route needs */
    const char *rest; /* what follows the route's path */
    /* Answers errors in the protocol of the route; NULL: reply_error. */
    void (*fail)(struct request *r, const struct error *error);
};

/* A parameter's value or NULL. */
const char *request_parameter(const struct request *r, const char *name);
/* Present and neither "false" nor "0". */
bool request_flag(const struct request *r, const char *name);
/* The whole body; valid while the request is. */
struct slice request_body(const struct request *r);
/* The project asked for (?project=, else the key's own, else "default") as its number; replies with the error itself. */
bool request_project(struct request *r, uint32_t *ret_project);

/* One member of the JSON object being written, with the '{' or ',' before it. A time of 0 is null. */
void add_count(struct buffer *to, const char *name, uint64_t value);
void add_time(struct buffer *to, const char *name, int64_t time_ns);
void reply_json(struct evhttp_request *event, int code, const struct buffer *body);
void reply_text(struct evhttp_request *event, int code, const char *content_type,
                const struct buffer *body);
/* {"error":{"status","message","position","caret"}} with the code that fits; statement: for the caret, may be empty. */
void reply_error(struct evhttp_request *event, const struct error *error, struct slice statement);

/* Work for a pool. The struct is embedded first in the handler's own; run() on a worker, reply() on the loop (it sends the answer), then free()
 * through destroy. cancel becomes true when the client leaves or the server drains. */
struct http_job {
    struct net_job job;
    struct http *http;
    struct evhttp_request *event;
    struct event *closed;
    struct http_job *next;
    struct http_job *previous;
    atomic_bool cancel;
    enum status status;
    struct error error;
    struct buffer body;
    const char *content_type;
    void (*run)(struct http_job *job);
    void (*destroy)(struct http_job *job);
    /* Sends the answer, also of a failure; NULL: body with content_type, or reply_error. */
    void (*reply)(struct http_job *job);
    uint64_t ticket; /* set by run(): the answer waits until the engine has published it; 0: nothing to wait for */
    struct http_job *next_waiting;
    struct slice statement; /* for the caret of an error */
};
/* google.rpc.Status in the request's encoding (http_otlp.c). */
void otlp_fail(struct request *r, const struct error *error);
/* An error where the request stands: by its route's protocol. */
void request_fail(struct request *r, const struct error *error);
/* Takes the job over. */
void http_job_start(struct request *r, struct net_pool *pool, struct http_job *job);

/* Answers those whose commits did not become durable in time. */
void http_waiting_cancel(struct http *h);
/* Tells all jobs to stop. */
void http_jobs_cancel(struct http *h);

typedef void route_handler(struct request *r);
#define ROUTE(method, path, scope, handler, summary) route_handler handler;
#include "server/http/routes.def"
#undef ROUTE

#endif
