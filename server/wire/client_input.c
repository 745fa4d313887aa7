/*
 * client_input.c - what the server says.
 *
 * Failure:   a frame that makes no sense ends the connection; the batches are sent again on a new one.
 */
#include "server/wire/client_internal.h"

#include "engine/base/check.h"

#include <errno.h>
#include <sys/socket.h>

#define READ_BYTES           65536u
#define WANT_ATTEMPTS_MAX    3u
#define FATALS_MAX           3u
#define MESSAGES_FRAME_BYTES (8u << 20)

static void nonsense(struct wire_client *c, const char *what)
{
    client_disconnect(c, STATUS_CORRUPT, "the server's answer makes no sense: %s", what);
}

static uint64_t settled_seq(const struct wire_client *c)
{
    return (c->first != NULL ? c->first->batch_seq : c->next_seq) - 1;
}

static void on_welcome(struct wire_client *c, const struct frame *frame)
{
    struct wire_welcome w;
    struct error error = {0};
    enum status s = wire_welcome_read(frame->payload, &w, &error);
    if (s == STATUS_UNAVAILABLE) {
        client_fail(c, s, "%s", error.text);
        return;
    }
    if (s < 0) {
        nonsense(c, error.text);
        return;
    }
    /* Batches the server knows under our id but we never sent: ours would be taken for repeats. */
    if (c->ever_ready && w.last_batch_seq >= c->next_seq) {
        client_fail(c, STATUS_EXISTS, "another program sends with the same client id");
        return;
    }
    if (!c->ever_ready)
        c->next_seq = w.last_batch_seq + 1;
    c->ever_ready = true;
    c->wanted = false;
    c->state = CLIENT_READY;
    c->stats.connections++;
    c->credit_rows = w.credit_rows;
    c->credit_bytes = w.credit_bytes;
    c->bounds = (struct wire_bounds){.batch_rows_max = w.batch_rows_max,
                                     .payload_max = w.payload_max,
                                     .dictionary_entries_max = w.dictionary_entries_max,
                                     .dictionary_bytes_max = w.dictionary_bytes_max};
}

static void on_ack(struct wire_client *c, const struct frame *frame)
{
    struct wire_ack ack;
    struct error error = {0};
    if (wire_ack_read(frame->payload, &ack, &error) < 0) {
        nonsense(c, error.text);
        return;
    }
    while (c->first != NULL && c->first->batch_seq <= ack.batch_seq) {
        if (!client_was_sent(c, c->first)) {
            nonsense(c, "it acknowledges a batch that was not sent");
            return;
        }
        c->stats.batches_acked++;
        client_settle(c, c->first);
    }
    c->credit_rows = ack.credit_rows;
    c->credit_bytes = ack.credit_bytes;
    c->stats.rows_acked += ack.accepted;
    c->stats.duplicates += ack.duplicates;
    c->backoff_ns = c->options.backoff_min_ns;
    c->fatal_count = 0;
    message_cache_trim(&c->cache, settled_seq(c));
    if (c->options.on_ack != NULL)
        c->options.on_ack(c->options.context,
                          &(struct wire_client_ack){.batch_seq = ack.batch_seq,
                                                    .accepted = ack.accepted,
                                                    .duplicates = ack.duplicates});
}

static void batch_reject(struct wire_client *c, struct outgoing *o,
                         const struct wire_client_reject *reject)
{
    client_settle(c, o);
    c->stats.batches_rejected++;
    message_cache_trim(&c->cache, settled_seq(c));
    if (c->options.on_reject != NULL)
        c->options.on_reject(c->options.context, reject);
}

/* An error of the connection as a whole. */
static void on_connection_error(struct wire_client *c, const struct wire_error *e)
{
    bool hopeless = e->status == STATUS_DENIED || e->status == STATUS_NOT_FOUND ||
                    e->status == STATUS_UNAVAILABLE || e->status == STATUS_INVALID ||
                    e->status == STATUS_EXISTS;
    if (!e->retryable && (hopeless || ++c->fatal_count >= FATALS_MAX)) {
        client_fail(c, e->status, "%.*s", SLICE_ARG(e->text));
        return;
    }
    client_disconnect(c, e->status, "%.*s", SLICE_ARG(e->text));
}

static void on_error(struct wire_client *c, const struct frame *frame)
{
    struct wire_error e;
    struct error error = {0};
    if (wire_error_read(frame->payload, &e, &error) < 0) {
        nonsense(c, error.text);
        return;
    }
    if (e.fatal || e.batch_seq == 0) {
        on_connection_error(c, &e);
        return;
    }
    struct outgoing *o = client_find(c, e.batch_seq);
    if (o == NULL || !client_was_sent(c, o)) {
        nonsense(c, "it refuses a batch that was not sent");
        return;
    }
    if (e.retryable) {
        client_rewind(c, o, clock_monotonic_ns() + e.retry_after_ms * NS_PER_MS);
        return;
    }
    batch_reject(c, o,
                 &(struct wire_client_reject){.batch_seq = e.batch_seq,
                                              .status = e.status,
                                              .row = e.row,
                                              .column = e.column,
                                              .text = e.text});
}

/* The wanted bodies as MESSAGES frames; false when one of them is not here. */
static bool bodies_queue(struct wire_client *c, const struct wire_addresses *want)
{
    struct message *messages = mem_zero(want->count, sizeof *messages);
    uint32_t count = 0;
    uint64_t bytes = 0;
    bool all = true;
    for (uint32_t i = 0; i < want->count && all; i++) {
        struct cached_message *m = message_cache_find(&c->cache, want->addresses[i]);
        all = m != NULL;
        if (m == NULL)
            break;
        if (count > 0 && bytes + m->body.size > MESSAGES_FRAME_BYTES) {
            wire_messages_write(messages, count, &c->control);
            count = 0;
            bytes = 0;
        }
        messages[count++].body = m->body;
        bytes += m->body.size;
    }
    if (all && count > 0)
        wire_messages_write(messages, count, &c->control);
    mem_free(messages);
    return all;
}

/* A batch refers to messages the server lacks: send them, then go on from that batch. */
static void on_want_for_batch(struct wire_client *c, const struct wire_addresses *want)
{
    struct outgoing *o = client_find(c, want->batch_seq);
    if (o == NULL || !client_was_sent(c, o)) {
        nonsense(c, "it wants messages for a batch that was not sent");
        return;
    }
    client_rewind(c, o, clock_monotonic_ns());
    if (++o->attempts <= WANT_ATTEMPTS_MAX && bodies_queue(c, want))
        return;
    batch_reject(c, o,
                 &(struct wire_client_reject){
                     .batch_seq = want->batch_seq,
                     .status = STATUS_NOT_FOUND,
                     .row = WIRE_ROW_NONE,
                     .column = SLICE_EMPTY,
                     .text = slice_text("the server lacks messages the batch refers to, and they "
                                        "were not given with it")});
}

static void on_want(struct wire_client *c, const struct frame *frame)
{
    struct wire_addresses want;
    struct error error = {0};
    if (wire_addresses_read(frame->payload, WIRE_MESSAGES_WANT, &want, &error) < 0) {
        nonsense(c, error.text);
        return;
    }
    if (want.batch_seq != 0) {
        on_want_for_batch(c, &want);
        return;
    }
    if (!c->asking || want.count > c->answer_capacity) {
        nonsense(c, "it wants messages nobody offered");
        return;
    }
    bytes_copy(c->answer, want.addresses, want.count * sizeof *want.addresses);
    c->answer_count = want.count;
    c->asking = false;
}

static void on_ping(struct wire_client *c, const struct frame *frame)
{
    uint64_t token;
    struct error error = {0};
    if (wire_number_read(frame->payload, frame->type, &token, &error) < 0) {
        nonsense(c, error.text);
        return;
    }
    if (frame->type == WIRE_PING)
        wire_number_write(&c->control, WIRE_PONG, token);
}

static void on_goaway(struct wire_client *c, const struct frame *frame)
{
    struct wire_goaway goaway;
    struct error error = {0};
    if (wire_goaway_read(frame->payload, &goaway, &error) < 0) {
        nonsense(c, error.text);
        return;
    }
    c->goaway = true;
    error_set(&c->last_error, STATUS_UNREACHABLE, "%.*s", SLICE_ARG(goaway.text));
}

static void frame_handle(struct wire_client *c, const struct frame *frame)
{
    if (c->state == CLIENT_GREETING && frame->type != WIRE_WELCOME && frame->type != WIRE_ERROR) {
        nonsense(c, "it does not begin with WELCOME");
        return;
    }
    switch (frame->type) {
    case WIRE_WELCOME:
        if (c->state == CLIENT_GREETING)
            on_welcome(c, frame);
        else
            nonsense(c, "it says WELCOME twice");
        break;
    case WIRE_ACK:
        on_ack(c, frame);
        break;
    case WIRE_ERROR:
        on_error(c, frame);
        break;
    case WIRE_MESSAGES_WANT:
        on_want(c, frame);
        break;
    case WIRE_PING:
    case WIRE_PONG:
        on_ping(c, frame);
        break;
    case WIRE_GOAWAY:
        on_goaway(c, frame);
        break;
    case WIRE_HELLO:
    case WIRE_BATCH:
    case WIRE_DICTIONARY:
    case WIRE_MESSAGES:
    case WIRE_MESSAGES_HAVE:
    case WIRE_RESUME:
        nonsense(c, "it sends a client's frame");
        break;
    }
}

/* Handles whole frames; a disconnect on the way empties the buffer. */
static void frames_handle(struct wire_client *c)
{
    while (c->fd >= 0) {
        struct frame frame;
        size_t bytes;
        struct error error = {0};
        uint32_t payload_max =
            c->state == CLIENT_READY ? WIRE_PAYLOAD_REPLY_MAX : WIRE_PAYLOAD_GREETING_MAX;
        struct slice left = slice_of(c->in.data + c->in_at, c->in.size - c->in_at);
        enum status s = frame_read(left, payload_max, &frame, &bytes, &error);
        if (s == STATUS_END)
            break;
        if (s < 0) {
            nonsense(c, error.text);
            return;
        }
        c->in_at += bytes;
        frame_handle(c, &frame);
    }
    if (c->fd < 0)
        return;
    /* Frames take multiples of 8 bytes, so the rest moves to an aligned place. */
    size_t rest = c->in.size - c->in_at;
    if (rest != 0 && c->in_at != 0)
        memmove(c->in.data, c->in.data + c->in_at, rest);
    c->in.size = rest;
    c->in_at = 0;
}

void client_read(struct wire_client *c)
{
    while (c->fd >= 0 && c->state != CLIENT_CONNECTING) {
        uint8_t *to = buffer_reserve(&c->in, READ_BYTES);
        ssize_t got = recv(c->fd, to, READ_BYTES, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            client_disconnect(c, STATUS_UNREACHABLE, "%s",
                              got == 0 ? "it closed the connection" : strerror(errno));
            return;
        }
        c->in.size += (size_t)got;
        c->heard_ns = clock_monotonic_ns();
        c->pinged = false;
        frames_handle(c);
        if ((size_t)got < READ_BYTES)
            return;
    }
}
