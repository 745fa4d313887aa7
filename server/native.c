/*
 * native.c - the listener of the native protocol: start, timers, pump, drain.
 *
 * Failure:   what goes wrong on a connection ends that connection, never the listener.
 */
#include "server/native_internal.h"

#include "engine/base/check.h"
#include "server/wire/wire_format.h"

#define RETRY_US      5000
#define SWEEP_S       1
#define LINGER_NS     (2 * NS_PER_S)
#define INPUT_KEEP_NS (2 * NS_PER_S)

static void sweep_arm(struct native *n)
{
    struct timeval every = {.tv_sec = SWEEP_S};
    if (!evtimer_pending(n->sweep_event, NULL))
        (void)evtimer_add(n->sweep_event, &every);
}

static void on_accepted(void *context, int fd, const char *peer, uint32_t slot)
{
    struct native *n = context;
    n->stats.accepted++;
    connection_open(n, fd, peer, slot);
    sweep_arm(n);
}

static void connection_sweep(struct native_connection *c, int64_t now_ns)
{
    const struct native_options *o = &c->native->options;
    switch (c->state) {
    case CONNECTION_GREETING:
        if (now_ns - c->since_ns >= o->greeting_timeout_ns)
            (void)connection_fail(c, STATUS_TIMEOUT, true, "no HELLO in %lld ms",
                                  (long long)(o->greeting_timeout_ns / NS_PER_MS));
        break;
    case CONNECTION_OPEN:
        if (!c->stalled && c->pending_count == 0 && now_ns - c->heard_ns >= o->idle_timeout_ns) {
            wire_goaway_write(&c->out, &(struct wire_goaway){

                                           .text = slice_text("nothing was sent for a long time")});
            connection_close_soon(c);
        } else if (now_ns - c->heard_ns >= INPUT_KEEP_NS) {
            connection_trim(c);
        }
        break;
    case CONNECTION_DRAINING:
        break;
    case CONNECTION_CLOSING:
        if (now_ns - c->since_ns >= LINGER_NS)
            connection_close(c);
        break;
    case CONNECTION_DEAD:
        break;
    }
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct native *n = context;
    int64_t now_ns = clock_monotonic_ns();
    struct native_connection *next;
    (void)fd;
    (void)what;
    for (struct native_connection *c = TAILQ_FIRST(&n->connections); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        connection_sweep(c, now_ns);
    }
    if (!TAILQ_EMPTY(&n->connections))
        sweep_arm(n);
}

/* ---- stalled connections ---- */

static void retry_arm(struct native *n)
{
    struct timeval soon = {.tv_usec = RETRY_US};
    if (!TAILQ_EMPTY(&n->stalled) && !evtimer_pending(n->retry_event, NULL))
        (void)evtimer_add(n->retry_event, &soon);
}

/* True when the next in line may try. */
static bool stalled_try(struct native_connection *c, int64_t now_ns)
{
    enum outcome outcome = c->held ? native_batch_retry(c) : OUTCOME_TAKEN;
    if (outcome == OUTCOME_TAKEN) {
        connection_unstall(c);
        connection_process(c);
    }
    if (!c->stalled)
        return true;
    if (!c->held || now_ns - c->stalled_ns < c->native->options.stall_timeout_ns)
        return false;
    native_batch_give_back(c);
    connection_unstall(c);
    connection_process(c);
    return !c->stalled;
}

/* First come, first served; the first that still has to wait ends the round, as what the engine
 * lacks it lacks for all. */
static void stalled_retry(struct native *n)
{
    int64_t now_ns = clock_monotonic_ns();
    uint64_t rounds = n->stats.connections;
    n->retrying = true;
    while (rounds-- > 0 && !TAILQ_EMPTY(&n->stalled))
        if (!stalled_try(TAILQ_FIRST(&n->stalled), now_ns))
            break;
    n->retrying = false;
    retry_arm(n);
    native_tell_appended(n);
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    stalled_retry(context);
}

static void on_reap(evutil_socket_t fd, short what, void *context)
{
    struct native *n = context;
    struct native_connection *c;
    (void)fd;
    (void)what;
    while ((c = TAILQ_FIRST(&n->dead)) != NULL) {
        TAILQ_REMOVE(&n->dead, c, all);
        connection_free(c);
    }
}

void native_pump(struct native *n, uint64_t durable)
{
    struct native_connection *next;
    if (durable > n->durable)
        n->durable = durable;
    for (struct native_connection *c = TAILQ_FIRST(&n->acking); c != NULL; c = next) {
        next = TAILQ_NEXT(c, acking_link);
        native_ack(c);
    }
    if (!TAILQ_EMPTY(&n->stalled))
        stalled_retry(n);
}

/* ---- life ---- */

static void options_fill(struct native_options *o)
{
    if (o->payload_max == 0 || o->payload_max > WIRE_PAYLOAD_MAX)
        o->payload_max = WIRE_PAYLOAD_MAX;
    if (o->credit_rows == 0)
        o->credit_rows = 65536;
    if (o->credit_bytes == 0)
        o->credit_bytes = 16u << 20;
    if (o->output_bytes_max == 0)
        o->output_bytes_max = 8u << 20;
    if (o->memory_bytes_max == 0)
        o->memory_bytes_max = 512u << 20;
    if (o->greeting_timeout_ns == 0)
        o->greeting_timeout_ns = 10 * NS_PER_S;
    if (o->idle_timeout_ns == 0)
        o->idle_timeout_ns = 600 * NS_PER_S;
    if (o->stall_timeout_ns == 0)
        o->stall_timeout_ns = 5 * NS_PER_S;
}

enum status native_create(struct net_loop *loop, struct engine *engine,
                          const struct native_options *options, const struct native_hooks *hooks,
                          struct native **ret, struct error *reterr)
{
    struct event_base *base = net_loop_base(loop);
    struct native *n = MEM_NEW(struct native);
    enum status s;
    n->loop = loop;
    n->engine = engine;
    n->options = *options;
    n->hooks = *hooks;
    options_fill(&n->options);
    TAILQ_INIT(&n->connections);
    TAILQ_INIT(&n->stalled);
    TAILQ_INIT(&n->acking);
    TAILQ_INIT(&n->dead);
    n->sweep_event = evtimer_new(base, on_sweep, n);
    n->retry_event = evtimer_new(base, on_retry, n);
    n->reap_event = evtimer_new(base, on_reap, n);
    if (n->sweep_event == NULL || n->retry_event == NULL || n->reap_event == NULL) {
        s = error_set(reterr, STATUS_IO, "the event loop does not take the native timers");
        goto out;
    }
    s = net_listen(loop, &n->options.address,
                   &(struct net_listener_options){.what = "native",
                                                  .connections_max = n->options.connections_max,
                                                  .per_address_max = n->options.per_address_max,
                                                  .accepted = on_accepted,
                                                  .context = n},
                   &n->listener, reterr);
    if (s < 0)
        goto out;
    n->port = net_listener_port(n->listener);
    n->durable = engine_pump(engine);
    *ret = n;
    n = NULL;
out:
    native_destroy(n);
    return s;
}

void native_destroy(struct native *n)
{
    if (n == NULL)
        return;
    struct native_connection *c;
    while ((c = TAILQ_FIRST(&n->connections)) != NULL)
        connection_close(c);
    on_reap(-1, 0, n);
    net_listener_close(n->draining ? NULL : n->listener);
    if (n->sweep_event != NULL)
        event_free(n->sweep_event);
    if (n->retry_event != NULL)
        event_free(n->retry_event);
    if (n->reap_event != NULL)
        event_free(n->reap_event);
    arena_deinit(&n->arena);
    mem_free(n);
}

uint16_t native_port(const struct native *n)
{
    return n->port;
}

void native_drain(struct native *n, uint32_t reconnect_after_ms)
{
    struct native_connection *next;
    if (n->draining)
        return;
    for (struct native_connection *c = TAILQ_FIRST(&n->connections); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        if (c->state == CONNECTION_GREETING) {
            (void)connection_fail(c, STATUS_UNREACHABLE, true, "the server is shutting down");
        } else if (c->state == CONNECTION_OPEN) {
            c->state = CONNECTION_DRAINING;
            c->since_ns = clock_monotonic_ns();
            wire_goaway_write(
                &c->out, &(struct wire_goaway){.reconnect_after_ms = reconnect_after_ms,
                                               .text = slice_text("the server is shutting down")});
            if (c->stalled)
                connection_unstall(c);
            if (c->pending_count == 0)
                connection_close_soon(c);
            else
                connection_flush(c);
        }
    }
    n->draining = true;
    net_listener_close(n->listener);
}

bool native_is_idle(const struct native *n)
{
    return TAILQ_EMPTY(&n->connections);
}

struct native_stats native_stats(const struct native *n)
{
    return n->stats;
}
