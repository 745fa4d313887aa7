/*
 * native_connection.c - one connection of the native protocol: reading, writing, closing.
 *
 * Memory:    the input buffer grows only as bytes really come, never to a length that was only
 *            claimed; all of them together stay within memory_bytes_max.
 */
#include "server/native_internal.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_BYTES_MIN ((size_t)64 << 10)
#define INPUT_BYTES_BIG ((size_t)512 << 10) /* of a connection that fills what it gets */
#define DISCARDS_A_TURN 4
#define OUT_COMPACT     65536u
#define DISCARD_BYTES   16384u

/* ---- output ---- */

static void connection_write(struct native_connection *c)
{
    while (c->out_at < c->out.size) {
        ssize_t sent = send(c->fd, c->out.data + c->out_at, c->out.size - c->out_at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            connection_close(c);
            return;
        }
        c->out_at += (size_t)sent;
        c->native->stats.bytes_out += (uint64_t)sent;
    }
    if (c->out_at == c->out.size) {
        buffer_reset(&c->out);
        c->out_at = 0;
        if (c->state == CONNECTION_CLOSING)
            (void)shutdown(c->fd, SHUT_WR);
        return;
    }
    if (c->out_at >= OUT_COMPACT) {
        /* Frames must go on starting at multiples of 8. */
        size_t gone = c->out_at & ~(size_t)(WIRE_ALIGN - 1);
        memmove(c->out.data, c->out.data + gone, c->out.size - gone);
        c->out.size -= gone;
        c->out_at -= gone;
    }
    if (c->out.size - c->out_at > c->native->options.output_bytes_max) {
        connection_close(c);
        return;
    }
    (void)event_add(c->write_event, NULL);
}

void connection_flush(struct native_connection *c)
{
    if (c->state != CONNECTION_DEAD && !event_pending(c->write_event, EV_WRITE, NULL))
        connection_write(c);
    else if (c->state != CONNECTION_DEAD &&
             c->out.size - c->out_at > c->native->options.output_bytes_max)
        connection_close(c);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct native_connection *c = context;
    (void)fd;
    (void)what;
    connection_write(c);
}

/* ---- input ---- */

static bool input_resize(struct native_connection *c, size_t capacity)
{
    struct native *n = c->native;
    uint64_t others = n->stats.memory_bytes - c->in_capacity;
    if (capacity > c->in_capacity && others + capacity > n->options.memory_bytes_max)
        return false;
    if (capacity == 0) {
        mem_free(c->in);
        c->in = NULL;
    } else {
        c->in = mem_resize(c->in, capacity);
    }
    n->stats.memory_bytes = others + capacity;
    c->in_capacity = capacity;
    return true;
}

void connection_trim(struct native_connection *c)
{
    if (c->in_at == c->in_size && !c->stalled && c->in_capacity != 0) {
        c->in_at = 0;
        c->in_size = 0;
        (void)input_resize(c, 0);
    }
}

/* Moves what is left to the front; frames take multiples of 8 bytes, so alignment survives. */
static void input_compact(struct native_connection *c)
{
    size_t left = c->in_size - c->in_at;
    if (c->in_at == 0)
        return;
    if (left != 0)
        memmove(c->in, c->in + c->in_at, left);
    c->in_at = 0;
    c->in_size = left;
}

/* Room for reading. Growth is by doubling, and beyond INPUT_BYTES_BIG only for a frame that has already
 * filled what there was. */
static bool input_room(struct native_connection *c)
{
    input_compact(c);
    if (c->in_size == 0 && c->in_capacity > INPUT_BYTES_BIG)
        (void)input_resize(c, INPUT_BYTES_BIG); /* a large frame is over */
    size_t wanted = c->in_capacity;
    if (wanted == 0)
        wanted = INPUT_BYTES_MIN;
    else if (c->in_size == c->in_capacity || (c->hungry && c->in_capacity < INPUT_BYTES_BIG))
        wanted = 2 * c->in_capacity;
    if (wanted > INPUT_BYTES_BIG && wanted > c->frame_bytes)
        wanted = c->frame_bytes > INPUT_BYTES_BIG ? c->frame_bytes : INPUT_BYTES_BIG;
    if (wanted <= c->in_capacity || input_resize(c, wanted))
        return true;
    /* What is there may still do. */
    return c->in_size < c->in_capacity;
}

static uint32_t payload_max(const struct native_connection *c)
{
    return c->state == CONNECTION_GREETING ? WIRE_PAYLOAD_GREETING_MAX
                                           : c->native->options.payload_max;
}

static enum outcome frame_next(struct native_connection *c, bool *ret_any)
{
    struct frame frame;
    size_t bytes = 0;
    struct error error = {0};
    struct slice left = slice_of(c->in + c->in_at, c->in_size - c->in_at);
    enum status s = frame_read(left, payload_max(c), &frame, &bytes, &error);
    *ret_any = s == STATUS_OK;
    if (s == STATUS_END) {
        c->frame_bytes = bytes;
        return OUTCOME_TAKEN;
    }
    if (s < 0)
        return connection_fail(c, s, false, "%s", error.text);
    enum outcome outcome = native_frame_handle(c, &frame, bytes);
    if (outcome == OUTCOME_TAKEN) {
        c->in_at += bytes;
        c->frame_bytes = 0;
    }
    return outcome;
}

void connection_process(struct native_connection *c)
{
    bool any = true;
    while (any && (c->state == CONNECTION_GREETING || c->state == CONNECTION_OPEN)) {
        enum outcome outcome = frame_next(c, &any);
        if (outcome != OUTCOME_TAKEN)
            break;
    }
    if (c->state == CONNECTION_DEAD)
        return;
    /* Batches that were durable already (repeats) wait for no pump. */
    native_ack(c);
    if (c->state != CONNECTION_DEAD && c->out.size > c->out_at)
        connection_flush(c);
}

/* A closing connection reads only to see the peer hang up. */
static void input_discard(struct native_connection *c)
{
    uint8_t nothing[DISCARD_BYTES];
    for (int i = 0; i < DISCARDS_A_TURN; i++) {
        ssize_t got = recv(c->fd, nothing, sizeof nothing, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            connection_close(c);
            return;
        }
    }
}

static void input_read(struct native_connection *c)
{
    if (!input_room(c)) {
        (void)connection_fail(c, STATUS_BUSY, true, "the server is out of memory for input");
        return;
    }
    size_t room = c->in_capacity - c->in_size;
    ssize_t got = recv(c->fd, c->in + c->in_size, room, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        connection_close(c);
        return;
    }
    c->in_size += (size_t)got;
    c->hungry = (size_t)got == room;
    c->heard_ns = clock_monotonic_ns();
    c->native->stats.bytes_in += (uint64_t)got;
    connection_process(c);
}

/* One read a turn: what it brings is work for milliseconds, and acks must not wait behind more. */
static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct native_connection *c = context;
    struct native *n = c->native;
    (void)fd;
    (void)what;
    if (c->state == CONNECTION_CLOSING || c->state == CONNECTION_DRAINING)
        input_discard(c);
    else
        input_read(c);
    native_tell_appended(n);
}

/* ---- stalls ---- */

void connection_stall(struct native_connection *c, const struct error *error)
{
    c->stall_status = error->status;
    (void)snprintf(c->stall_text, sizeof c->stall_text, "%.255s", error->text);
    if (c->stalled)
        return;
    c->stalled = true;
    if (c->stalled_ns == 0)
        c->stalled_ns = clock_monotonic_ns();
    c->native->stats.stalls++;
    /* Who had its turn in vain stays first, so that at most one decoded batch is held at a time. */
    if (c->native->retrying)
        TAILQ_INSERT_HEAD(&c->native->stalled, c, stalled_link);
    else
        TAILQ_INSERT_TAIL(&c->native->stalled, c, stalled_link);
    (void)event_del(c->read_event);
    struct timeval soon = {.tv_usec = 5000};
    if (!evtimer_pending(c->native->retry_event, NULL))
        (void)evtimer_add(c->native->retry_event, &soon);
}

void connection_unstall(struct native_connection *c)
{
    if (!c->stalled)
        return;
    c->stalled = false;
    TAILQ_REMOVE(&c->native->stalled, c, stalled_link);
    if (c->held) {
        c->held = false;
        arena_deinit(&c->held_arena);
    }
    (void)event_add(c->read_event, NULL);
}

/* ---- life ---- */

void connection_open(struct native *n, int fd, const char *peer, uint32_t slot)
{
    struct event_base *base = net_loop_base(n->loop);
    struct native_connection *c = MEM_NEW(struct native_connection);
    c->native = n;
    c->fd = fd;
    c->slot = slot;
    c->since_ns = clock_monotonic_ns();
    c->heard_ns = c->since_ns;
    (void)snprintf(c->peer, sizeof c->peer, "%s", peer);
    c->read_event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->write_event = event_new(base, fd, EV_WRITE, on_writable, c);
    TAILQ_INSERT_TAIL(&n->connections, c, all);
    n->stats.connections++;
    if (c->read_event == NULL || c->write_event == NULL || event_add(c->read_event, NULL) != 0)
        connection_close(c);
}

enum outcome connection_fail(struct native_connection *c, enum status status, bool retryable,
                             const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct native *n = c->native;
    n->stats.refused++;
    if (n->hooks.log != NULL) {
        char line[ERROR_TEXT_BYTES + 80];
        (void)snprintf(line, sizeof line, "native connection from %s ends: %s", c->peer, text);
        n->hooks.log(n->hooks.context, "warn", line);
    }
    wire_error_write(&c->out, &(struct wire_error){.status = status,
                                                   .retryable = retryable,
                                                   .fatal = true,
                                                   .row = WIRE_ROW_NONE,
                                                   .column = SLICE_EMPTY,
                                                   .text = slice_text(text)});
    connection_close_soon(c);
    return OUTCOME_ENDED;
}

void connection_close_soon(struct native_connection *c)
{
    if (c->state == CONNECTION_CLOSING || c->state == CONNECTION_DEAD)
        return;
    connection_unstall(c);
    if (c->acking) {
        TAILQ_REMOVE(&c->native->acking, c, acking_link);
        c->acking = false;
    }
    c->state = CONNECTION_CLOSING;
    c->since_ns = clock_monotonic_ns();
    connection_flush(c);
}

void connection_close(struct native_connection *c)
{
    struct native *n = c->native;
    if (c->state == CONNECTION_DEAD)
        return;
    if (c->stalled)
        connection_unstall(c);
    if (c->acking)
        TAILQ_REMOVE(&n->acking, c, acking_link);
    c->state = CONNECTION_DEAD;
    if (c->read_event != NULL)
        event_free(c->read_event);
    if (c->write_event != NULL)
        event_free(c->write_event);
    (void)close(c->fd);
    net_listener_release(n->listener, c->slot);
    TAILQ_REMOVE(&n->connections, c, all);
    TAILQ_INSERT_TAIL(&n->dead, c, all);
    n->stats.connections--;
    n->stats.memory_bytes -= c->in_capacity + c->dictionary_memory;
    event_active(n->reap_event, EV_TIMEOUT, 1);
}

void connection_free(struct native_connection *c)
{
    ASSERT(c->state == CONNECTION_DEAD);
    wire_dictionaries_deinit(&c->dictionaries);
    arena_deinit(&c->held_arena);
    buffer_deinit(&c->out);
    mem_free(c->pending);
    mem_free(c->in);
    mem_free(c);
}
