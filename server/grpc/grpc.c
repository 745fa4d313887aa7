/*
 * grpc.c - the listener and its connections.
 *
 * Threads:  loop thread.
 * Failure:  a connection that breaks HTTP/2 is told so (GOAWAY, by nghttp2) and closed; one that speaks HTTP/1.1 hears where it
 *           should have gone.
 */
#include "server/grpc/grpc.h"

#include <event2/buffer.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "server/grpc/grpc_internal.h"

/* ---- connections ---- */

static void connection_close(struct grpc_connection *c)
{
    struct grpc *g = c->grpc;
    while (c->calls != NULL)
        grpc_call_leave(c->calls);
    nghttp2_session_del(c->session);
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        g->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    g->stats.connections--;
    bufferevent_free(c->events);
    net_listener_release(
        g->listener, c->slot); /* a listener closed by a drain lives until its last slot is back */
    mem_free(c);
}

/* Nothing to say or hear any more. */
static bool connection_is_over(const struct grpc_connection *c)
{
    return nghttp2_session_want_read(c->session) == 0 &&
           nghttp2_session_want_write(c->session) == 0 &&
           evbuffer_get_length(bufferevent_get_output(c->events)) == 0;
}

/* A slow reader is not read until it has taken its answers. */
static void connection_throttle(struct grpc_connection *c)
{
    bool full = evbuffer_get_length(bufferevent_get_output(c->events)) >= GRPC_OUTPUT_BYTES_MAX;
    if (full)
        (void)bufferevent_disable(c->events, EV_READ);
    else
        (void)bufferevent_enable(c->events, EV_READ);
}

/* False: it was closed. */
static bool connection_send(struct grpc_connection *c)
{
    if (!grpc_session_send(c) || connection_is_over(c)) {
        connection_close(c);
        return false;
    }
    connection_throttle(c);
    return true;
}

void grpc_connection_flush(struct grpc_connection *c)
{
    (void)connection_send(c);
}

static void timeouts_set(struct grpc_connection *c)
{
    struct timeval wait = {.tv_sec = GRPC_HANDSHAKE_SECONDS};
    if (c->is_ready) {
        wait.tv_sec = (time_t)(c->grpc->options.idle_ns / NS_PER_S);
        wait.tv_usec = (suseconds_t)(c->grpc->options.idle_ns % NS_PER_S / 1000);
    }
    bufferevent_set_timeouts(c->events, &wait, &wait);
}

/* A browser or an OTLP/HTTP exporter at the wrong door. True: it was answered. */
static bool answer_http1(struct grpc_connection *c, struct evbuffer *in)
{
    static const char *const methods[] = {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS "};
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
        "This is the OTLP/gRPC port (HTTP/2). OTLP over HTTP is served on the HTTP port, by default 4318.\n";
    char start[8] = "";
    ev_ssize_t size = evbuffer_copyout(in, start, sizeof start);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        size_t length = strlen(methods[i]);
        if (size >= (ev_ssize_t)length && memcmp(start, methods[i], length) == 0) {
            (void)evbuffer_add(bufferevent_get_output(c->events), answer, sizeof answer - 1);
            return true;
        }
    }
    return false;
}

static void on_read(struct bufferevent *events, void *context)
{
    struct grpc_connection *c = context;
    bool was_ready = c->is_ready;
    struct evbuffer *in = bufferevent_get_input(events);
    c->is_http1 = !c->has_spoken && answer_http1(c, in);
    c->has_spoken = true;
    if (c->is_http1) {
        (void)evbuffer_drain(in, evbuffer_get_length(in));
        (void)bufferevent_disable(events, EV_READ);
        return; /* closed once it is written */
    }
    if (!grpc_session_receive(c, in)) {
        connection_close(c);
        return;
    }
    if (!was_ready && c->is_ready)
        timeouts_set(c);
    (void)connection_send(c);
}

/* The output has drained; libevent also says so of one that was empty all the time. */
static void on_write(struct bufferevent *events, void *context)
{
    struct grpc_connection *c = context;
    bool is_empty = evbuffer_get_length(bufferevent_get_output(events)) == 0;
    if (c->is_http1 && is_empty)
        connection_close(c);
    else if (c->has_spoken && !c->is_http1)
        (void)connection_send(c);
}

/* Time to go; calls under way are still answered. */
static bool connection_say_goodbye(struct grpc_connection *c)
{
    if (!c->is_leaving) {
        c->is_leaving = true;
        grpc_session_leave(c);
    }
    return connection_send(c);
}

static bool connection_is_working(const struct grpc_connection *c)
{
    for (const struct grpc_call *call = c->calls; call != NULL; call = call->next) {
        if (grpc_call_is_working(call))
            return true;
    }
    return false;
}

static void on_event(struct bufferevent *events, short what, void *context)
{
    struct grpc_connection *c = context;
    if ((what & BEV_EVENT_CONNECTED) != 0)
        return; /* TLS is up: the client speaks first */
    bool is_silence = (what & BEV_EVENT_TIMEOUT) != 0 && (what & BEV_EVENT_READING) != 0;
    if (!is_silence || !c->is_ready) {
        connection_close(c);
        return;
    }
    /* A timeout switches reading off. Silence while we work is no reason to go; a second one is. */
    if (connection_is_working(c))
        (void)bufferevent_enable(events, EV_READ);
    else if (c->is_leaving)
        connection_close(c);
    else if (connection_say_goodbye(c))
        (void)bufferevent_enable(events, EV_READ);
}

static void on_accepted(void *context, int fd, const char *peer, uint32_t slot)
{
    struct grpc *g = context;
    struct event_base *base = net_loop_base(g->options.loop);
    (void)peer;
    struct grpc_connection *c = MEM_NEW(struct grpc_connection);
    c->grpc = g;
    c->slot = slot;
    c->events =
        g->tls != NULL
            ? grpc_tls_accept(g->tls, base, fd)
            : bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (c->events == NULL) {
        (void)close(fd);
        net_listener_release(g->listener, slot);
        mem_free(c);
        return;
    }
    c->next = g->connections;
    if (g->connections != NULL)
        g->connections->previous = c;
    g->connections = c;
    g->stats.connections++;
    bufferevent_setcb(c->events, on_read, on_write, on_event, c);
    timeouts_set(c);
    (void)bufferevent_enable(c->events, EV_READ | EV_WRITE);
    /* Our SETTINGS wait until the client has spoken, so that one that speaks HTTP/1.1 gets an answer it understands. */
    if (!grpc_session_begin(c))
        connection_close(c);
}

/* ---- the door ---- */

enum status grpc_start(const struct grpc_options *options, struct grpc **ret, struct error *reterr)
{
    struct grpc *g = MEM_NEW(struct grpc);
    enum status s;
    g->options = *options;
    struct grpc_options *o = &g->options;
    o->message_bytes_max =
        o->message_bytes_max != 0 ? o->message_bytes_max : GRPC_MESSAGE_BYTES_MAX;
    o->inflight_bytes_max =
        o->inflight_bytes_max != 0 ? o->inflight_bytes_max : GRPC_INFLIGHT_BYTES_MAX;
    o->idle_ns = o->idle_ns != 0 ? o->idle_ns : GRPC_IDLE_SECONDS * NS_PER_S;
    bool has_tls = o->tls_cert != NULL && o->tls_cert[0] != 0;
    if (has_tls && (s = grpc_tls_open(o->tls_cert, o->tls_key, &g->tls, reterr)) < 0)
        goto out;
    if ((s = grpc_session_setup(g, reterr)) < 0)
        goto out;
    struct net_listener_options listen = {
        .what = "grpc",
        .connections_max = o->connections_max != 0 ? o->connections_max : GRPC_CONNECTIONS_MAX,
        .accepted = on_accepted,
        .context = g,
    };
    if ((s = net_listen(o->loop, &o->address, &listen, &g->listener, reterr)) < 0)
        goto out;
    g->port = net_listener_port(g->listener);
    *ret = g;
    g = NULL;
out:
    grpc_stop(g);
    return s;
}

uint16_t grpc_port(const struct grpc *g)
{
    return g->port;
}

uint32_t grpc_requests(const struct grpc *g)
{
    uint32_t count = 0;
    if (g == NULL)
        return 0;
    for (const struct grpc_connection *c = g->connections; c != NULL; c = c->next)
        count += evbuffer_get_length(bufferevent_get_output(c->events)) != 0;
    return count + g->requests;
}

struct grpc_stats grpc_stats(const struct grpc *g)
{
    return g->stats;
}

void grpc_drain(struct grpc *g)
{
    if (g == NULL || g->is_draining)
        return;
    g->is_draining = true;
    net_listener_close(g->listener);
    for (struct grpc_connection *c = g->connections, *next = NULL; c != NULL; c = next) {
        next = c->next;
        if (!c->has_spoken)
            connection_close(c);
        else if (!c->is_http1)
            (void)connection_say_goodbye(c);
    }
}

void grpc_stop(struct grpc *g)
{
    if (g == NULL)
        return;
    while (g->connections != NULL)
        connection_close(g->connections);
    grpc_calls_abandon(g);
    ASSERT(g->inflight_bytes == 0);
    if (!g->is_draining)
        net_listener_close(g->listener);
    nghttp2_session_callbacks_del(g->callbacks);
    nghttp2_option_del(g->http2);
    grpc_tls_close(g->tls);
    mem_free(g);
}
