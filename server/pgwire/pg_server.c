/*
 * pg_server.c - the listener, its sessions, and the taking of messages.
 *
 * Threads: everything here runs on the loop thread; only the statement itself runs on a worker.
 */
#include <stdio.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/rng.h"
#include "server/pgwire/pg_session.h"

#define SSL_REQUEST       80877103u
#define GSSENC_REQUEST    80877104u
#define CANCEL_REQUEST    80877102u
#define STARTUP_BYTES_MIN 8u

static void session_free(struct pg_session *s)
{
    struct pgwire *p = s->server;
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        p->sessions = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    p->session_count--;
    if (s->deadline != NULL)
        event_free(s->deadline);
    if (s->events != NULL)
        bufferevent_free(s->events);
    if (p->listener != NULL)
        net_listener_release(p->listener, s->slot);
    scram_end(s->scram);
    extended_statements_free(s);
    extended_portals_free(s);
    portal_deinit(&s->simple_portal);
    buffer_deinit(&s->simple_text);
    buffer_deinit(&s->out);
    mem_free(s);
}

void session_close(struct pg_session *s)
{
    s->gone = true;
    s->state = PG_CLOSING;
    if (s->job_running) {
        atomic_store(&s->cancel, true);
        return;
    }
    session_free(s);
}

void session_flush(struct pg_session *s)
{
    if (s->out.size == 0)
        return;
    (void)bufferevent_write(s->events, s->out.data, s->out.size);
    buffer_reset(&s->out);
}

void session_cancel(struct pgwire *p, uint32_t process_id, uint32_t secret)
{
    for (struct pg_session *s = p->sessions; s != NULL; s = s->next) {
        if (s->process_id == process_id && s->secret == secret && s->job_running)
            atomic_store(&s->cancel, true);
    }
}

/* Requests that come before the startup message, each 8 bytes (16 for cancel). True: handled. */
static bool handle_request_code(struct pg_session *s, uint32_t code, struct slice rest)
{
    struct pg_reader r = pg_reader_over(rest);
    switch (code) {
    case SSL_REQUEST:
    case GSSENC_REQUEST:
        buffer_add_byte(&s->out, 'N');
        return true;
    case CANCEL_REQUEST: {
        uint32_t process_id = pg_read_u32(&r);
        uint32_t secret = pg_read_u32(&r);
        if (!r.failed)
            session_cancel(s->server, process_id, secret);
        s->state = PG_CLOSING;
        return true;
    }
    default:
        return false;
    }
}

/* The first packet has no type byte. False: wait for more. */
static bool take_startup(struct pg_session *s, struct evbuffer *in)
{
    uint8_t *head = evbuffer_pullup(in, 4);
    if (head == NULL)
        return false;
    uint32_t size =
        (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    if (size < STARTUP_BYTES_MIN || size > PG_PREAUTH_BYTES_MAX) {
        session_fatal(s, "08P01", "invalid length of startup packet");
        return false;
    }
    uint8_t *packet = evbuffer_pullup(in, (ev_ssize_t)size);
    if (packet == NULL)
        return false;
    struct pg_reader r = pg_reader_over(slice_of(packet + 4, size - 4));
    uint32_t code = pg_read_u32(&r);
    struct slice rest = slice_of(packet + 8, size - 8);
    if (!handle_request_code(s, code, rest))
        startup_message(s, slice_of(packet + 4, size - 4));
    if (s->state != PG_CLOSING)
        (void)evbuffer_drain(in, size);
    return true;
}

/* False: wait for more. */
static bool take_message(struct pg_session *s, struct evbuffer *in)
{
    uint8_t *head = evbuffer_pullup(in, 5);
    if (head == NULL)
        return false;
    char type = (char)head[0];
    uint32_t size =
        (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
    uint32_t size_max = s->state == PG_SASL ? PG_PREAUTH_BYTES_MAX : PG_MESSAGE_BYTES_MAX;
    if (size < 4 || size > size_max) {
        session_fatal(s, "08P01", "invalid message length %u (limit %u)", size, size_max);
        return false;
    }
    uint8_t *message = evbuffer_pullup(in, (ev_ssize_t)size + 1);
    if (message == NULL)
        return false;
    struct slice body = slice_of(message + 5, size - 4);
    if (s->state != PG_SASL)
        query_message(s, type, body);
    else if (type == 'p')
        sasl_message(s, body);
    else
        session_fatal(s, "08P01", "password message expected, got '%c'",
                      type >= ' ' && type < 127 ? type : '?');
    (void)evbuffer_drain(in, (size_t)size + 1);
    return true;
}

void session_process(struct pg_session *s)
{
    struct evbuffer *in = bufferevent_get_input(s->events);
    bool more = true;
    while (more && (s->state == PG_STARTUP || s->state == PG_SASL || s->state == PG_READY)) {
        if (s->state == PG_STARTUP)
            more = take_startup(s, in);
        else if (s->in_simple)
            simple_next(s);
        else
            more = take_message(s, in);
        if (s->out.size > PG_OUTPUT_LOW_BYTES)
            session_flush(s);
    }
    session_flush(s);
    if (s->state == PG_CLOSING) {
        (void)bufferevent_disable(s->events, EV_READ);
        if (evbuffer_get_length(bufferevent_get_output(s->events)) == 0)
            session_close(s);
        return;
    }
    /* While a statement runs, a client that talks on waits; one message is let in so that a hang-up is seen. */
    size_t waiting = evbuffer_get_length(in);
    if ((s->state == PG_RUNNING || s->state == PG_SENDING) && waiting > PG_MESSAGE_BYTES_MAX)
        (void)bufferevent_disable(s->events, EV_READ);
    else
        (void)bufferevent_enable(s->events, EV_READ);
}

static void on_read(struct bufferevent *events, void *context)
{
    (void)events;
    session_process(context);
}

static void on_write(struct bufferevent *events, void *context)
{
    struct pg_session *s = context;
    if (s->state == PG_CLOSING) {
        if (evbuffer_get_length(bufferevent_get_output(events)) == 0)
            session_close(s);
        return;
    }
    if (s->state == PG_SENDING) {
        execute_send(s);
        session_process(s);
    }
}

static void on_event(struct bufferevent *events, short what, void *context)
{
    (void)events;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) != 0)
        session_close(context);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pg_session *s = context;
    if (s->state != PG_STARTUP && s->state != PG_SASL)
        return;
    session_fatal(s, "08006", "authentication took longer than %d s", PG_AUTHENTICATION_SECONDS);
    session_process(s);
}

static void on_accept(void *context, int fd, const char *peer, uint32_t slot)
{
    (void)peer;
    struct pgwire *p = context;
    struct event_base *base = net_loop_base(p->options.loop);
    struct pg_session *s = MEM_NEW(struct pg_session);
    s->server = p;
    s->slot = slot;
    s->transaction = 'I';
    s->process_id = ++p->next_process_id;
    random_bytes(&s->secret, sizeof s->secret);
    s->events = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    s->deadline = event_new(base, -1, EV_TIMEOUT, on_deadline, s);
    ASSERT(s->events != NULL);
    ASSERT(s->deadline != NULL);
    struct timeval limit = {.tv_sec = PG_AUTHENTICATION_SECONDS};
    (void)event_add(s->deadline, &limit);
    bufferevent_setcb(s->events, on_read, on_write, on_event, s);
    bufferevent_setwatermark(s->events, EV_WRITE, PG_OUTPUT_LOW_BYTES, 0);
    s->next = p->sessions;
    if (p->sessions != NULL)
        p->sessions->previous = s;
    p->sessions = s;
    p->session_count++;
    (void)bufferevent_enable(s->events, EV_READ | EV_WRITE);
}

enum status pgwire_start(const struct pgwire_options *options, struct pgwire **ret,
                         struct error *reterr)
{
    struct pgwire *p = MEM_NEW(struct pgwire);
    p->options = *options;
    struct net_listener_options listen = {
        .what = "pg",
        .connections_max = options->connections_max != 0 ? options->connections_max : 256,
        .accepted = on_accept,
        .context = p,
    };
    enum status s = net_listen(options->loop, &options->address, &listen, &p->listener, reterr);
    if (s < 0) {
        mem_free(p);
        return s;
    }
    *ret = p;
    return STATUS_OK;
}

uint16_t pgwire_port(const struct pgwire *p)
{
    return net_listener_port(p->listener);
}

void pgwire_drain(struct pgwire *p)
{
    p->draining = true;
    struct pg_session *next;
    for (struct pg_session *s = p->sessions; s != NULL; s = next) {
        next = s->next;
        atomic_store(&s->cancel, true);
        if (s->job_running || s->state == PG_CLOSING)
            continue;
        session_fatal(s, "57P01", "the server is shutting down");
        session_process(s);
    }
}

uint32_t pgwire_sessions(const struct pgwire *p)
{
    return p->session_count;
}

void pgwire_stop(struct pgwire *p)
{
    if (p == NULL)
        return;
    while (p->sessions != NULL) {
        ASSERT(!p->sessions->job_running);
        session_free(p->sessions);
    }
    net_listener_close(p->listener);
    mem_free(p);
}
