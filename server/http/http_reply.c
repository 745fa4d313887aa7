/*
 * http_reply.c - answers, and jobs that answer later.
 */
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "server/http/http_request.h"

#define HTTP_UNAUTHORIZED 401
#define HTTP_FORBIDDEN    403
#define HTTP_TOO_LARGE    413
#define HTTP_TOO_MANY     429
#define HTTP_GATEWAY_TIME 504

static void release_bytes(const void *data, size_t size, void *extra)
{
    (void)size;
    (void)extra;
    mem_free((void *)(uintptr_t)data);
}

/* Sends the bytes; they are given away, not copied, when own is true. */
static void reply(struct evhttp_request *event, int code, const char *content_type,
                  struct buffer *body, bool own)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(event);
    (void)evhttp_add_header(headers, "Content-Type", content_type);
    (void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    struct evbuffer *out = evbuffer_new();
    ASSERT(out != NULL);
    if (own && body->size != 0) {
        (void)evbuffer_add_reference(out, body->data, body->size, release_bytes, NULL);
        *body = (struct buffer){0};
    } else {
        (void)evbuffer_add(out, body->data, body->size);
    }
    evhttp_send_reply(event, code, NULL, out);
    evbuffer_free(out);
}

void reply_text(struct evhttp_request *event, int code, const char *content_type,
                const struct buffer *body)
{
    struct buffer borrowed = *body;
    reply(event, code, content_type, &borrowed, false);
}

void reply_json(struct evhttp_request *event, int code, const struct buffer *body)
{
    reply_text(event, code, "application/json", body);
}

static void add_name(struct buffer *to, const char *name)
{
    buffer_printf(to, "%c\"%s\":", to->size == 0 ? '{' : ',', name);
}

void add_count(struct buffer *to, const char *name, uint64_t value)
{
    add_name(to, name);
    buffer_printf(to, "%llu", (unsigned long long)value);
}

void add_time(struct buffer *to, const char *name, int64_t time_ns)
{
    char text[TIME_TEXT_BYTES];
    add_name(to, name);
    if (time_ns == 0) {
        buffer_add_text(to, "null");
        return;
    }
    time_to_text(time_ns, text);
    buffer_printf(to, "\"%s\"", text);
}

static int code_of(enum status status, const char *text)
{
    switch (status) {
    case STATUS_DENIED:
        /* Who you are is not known (401), or it is and does not suffice (403). */
        return strstr(text, "key is") != NULL ? HTTP_UNAUTHORIZED : HTTP_FORBIDDEN;
    case STATUS_INVALID:
        return HTTP_BADREQUEST;
    case STATUS_NOT_FOUND:
        return HTTP_NOTFOUND;
    case STATUS_LIMIT:
        return HTTP_TOO_LARGE;
    case STATUS_BUSY:
        return HTTP_TOO_MANY;
    case STATUS_READ_ONLY:
    case STATUS_FULL:
    case STATUS_CANCELLED:
        return HTTP_SERVUNAVAIL;
    case STATUS_TIMEOUT:
        return HTTP_GATEWAY_TIME;
    case STATUS_UNAVAILABLE:
        return HTTP_NOTIMPLEMENTED;
    case STATUS_EXISTS:
        return 409;
    case STATUS_OK:
    case STATUS_END:
    case STATUS_CORRUPT:
    case STATUS_IO:
    case STATUS_UNREACHABLE:
        return HTTP_INTERNAL;
    }
    return HTTP_INTERNAL;
}

void reply_error(struct evhttp_request *event, const struct error *error, struct slice statement)
{
    struct buffer body = {0};
    buffer_printf(&body, "{\"error\":{\"status\":\"%s\",\"message\":", status_name(error->status));
    buffer_add_json(&body, slice_text(error->text));
    if (error->position >= 0 && statement.size != 0 &&
        (uint64_t)error->position <= statement.size) {
        struct buffer caret = {0};
        query_error_caret(statement, error, &caret);
        buffer_printf(&body, ",\"position\":%lld,\"caret\":", (long long)error->position);
        buffer_add_json(&body, buffer_slice(&caret));
        buffer_deinit(&caret);
    }
    buffer_add_text(&body, "}}\n");
    int code = code_of(error->status, error->text);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(event);
    if (code == HTTP_UNAUTHORIZED)
        (void)evhttp_add_header(headers, "WWW-Authenticate", "Bearer realm=\"driftline\"");
    if (code == HTTP_TOO_MANY || code == HTTP_SERVUNAVAIL)
        (void)evhttp_add_header(headers, "Retry-After", "1");
    reply_json(event, code, &body);
    buffer_deinit(&body);
}

void request_fail(struct request *r, const struct error *error)
{
    if (r->fail != NULL)
        r->fail(r, error);
    else
        reply_error(r->event, error, SLICE_EMPTY);
}

/* ---- jobs ---- */

static void on_closed(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct http_job *j = context;
    atomic_store(&j->cancel, true);
}

static void job_run(struct net_job *job)
{
    struct http_job *j = (struct http_job *)job;
    j->run(j);
}

static void job_end(struct http_job *j)
{
    struct http *h = j->http;
    if (j->previous != NULL)
        j->previous->next = j->next;
    else
        h->jobs = j->next;
    if (j->next != NULL)
        j->next->previous = j->previous;
    h->requests--;
    if (j->closed != NULL)
        event_free(j->closed);
    buffer_deinit(&j->body);
    j->destroy(j);
}

static void job_answer(struct http_job *j)
{
    if (j->http->draining)
        (void)evhttp_add_header(evhttp_request_get_output_headers(j->event), "Connection", "close");
    if (j->reply != NULL)
        j->reply(j);
    else if (j->status < 0)
        reply_error(j->event, &j->error, j->statement);
    else
        reply(j->event, HTTP_OK, j->content_type, &j->body, true);
    job_end(j);
}

static void job_done(struct net_job *job)
{
    struct http_job *j = (struct http_job *)job;
    struct http *h = j->http;
    if (job->run == NULL)
        j->status = error_set(&j->error, STATUS_CANCELLED, "the server is shutting down");
    if (j->ticket != 0 && h->options.appended != NULL)
        h->options.appended(h->options.context);
    if (job->run == NULL || j->ticket <= h->durable) {
        job_answer(j);
        return;
    }
    j->next_waiting = h->waiting;
    h->waiting = j;
}

void http_pump(struct http *h, uint64_t durable)
{
    if (h == NULL || durable == h->durable)
        return;
    h->durable = durable;
    struct http_job **link = &h->waiting;
    while (*link != NULL) {
        struct http_job *j = *link;
        if (j->ticket > durable) {
            link = &j->next_waiting;
            continue;
        }
        *link = j->next_waiting;
        job_answer(j);
    }
}

void http_job_start(struct request *r, struct net_pool *pool, struct http_job *j)
{
    struct http *h = r->http;
    j->http = h;
    j->event = r->event;
    j->job.run = job_run;
    j->job.done = job_done;
    j->next = h->jobs;
    if (h->jobs != NULL)
        h->jobs->previous = j;
    h->jobs = j;
    h->requests++;
    /* evhttp does not read while a request is unanswered, so a client that leaves is noticed by its closing alone. */
    struct evhttp_connection *connection = evhttp_request_get_connection(r->event);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    j->closed = event_new(net_loop_base(h->options.loop), fd, EV_CLOSED, on_closed, j);
    if (j->closed != NULL)
        (void)event_add(j->closed, NULL);
    /* Once submitted the job belongs to the worker, which may be done already: nothing of it is touched here. */
    struct error error = {0};
    enum status s = net_pool_submit(pool, &j->job, &error);
    if (s < 0) {
        j->status = s;
        j->error = error;
        job_answer(j);
    }
}

void http_waiting_cancel(struct http *h)
{
    while (h->waiting != NULL) {
        struct http_job *j = h->waiting;
        h->waiting = j->next_waiting;
        j->status = error_set(&j->error, STATUS_CANCELLED, "the server is shutting down");
        job_answer(j);
    }
}

void http_jobs_cancel(struct http *h)
{
    for (struct http_job *j = h->jobs; j != NULL; j = j->next)
        atomic_store(&j->cancel, true);
}
