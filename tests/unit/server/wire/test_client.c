/*
 * test_client.c - the client against a scripted server on loopback: it accepts, drops connections before
 * acks, sends garbage and half frames, wants messages, refuses.
 */
#include "server/wire/client.h"

#include "engine/base/hash.h"
#include "engine/base/thread.h"
#include "server/wire/handshake.h"
#include "server/wire/reply.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a server made of blocking calls, run by a script in its own thread ---- */

struct peer {
    int listening;
    uint16_t port;
    int fd; /* the connection being served */
    struct buffer in;
    size_t in_at;
    struct wire_dictionaries dictionaries;
    struct schema schema;
    struct arena arena;
    void (*script)(struct peer *p);
    struct thread thread;
    /* What arrived, for the test to look at after the thread has ended. */
    uint64_t seqs[64];
    uint32_t rows[64];
    uint32_t bodies[64];
    int batches;
    char model[64]; /* of the last row of the last batch */
    bool broken;    /* a step did not go as the script wanted */
};

static void peer_run(void *context)
{
    struct peer *p = context;
    p->script(p);
}

static void peer_listen(struct peer *p)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    p->fd = -1;
    p->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(p->listening >= 0);
    cr_assert_eq(bind(p->listening, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(listen(p->listening, 8), 0);
    cr_assert_eq(getsockname(p->listening, (struct sockaddr *)&a, &size), 0);
    p->port = ntohs(a.sin_port);
    schema_init(&p->schema);
}

static void peer_start(struct peer *p, void (*script)(struct peer *p))
{
    peer_listen(p);
    p->script = script;
    thread_start(&p->thread, "peer", peer_run, p);
}

static void peer_hang_up(struct peer *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
    buffer_reset(&p->in);
    p->in_at = 0;
    wire_dictionaries_reset(&p->dictionaries);
}

static void peer_join(struct peer *p)
{
    thread_join(&p->thread);
    peer_hang_up(p);
    (void)close(p->listening);
    wire_dictionaries_deinit(&p->dictionaries);
    buffer_deinit(&p->in);
    arena_deinit(&p->arena);
    schema_deinit(&p->schema);
    cr_assert(!p->broken);
}

static bool readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 10000) == 1;
}

static void peer_accept(struct peer *p)
{
    if (!readable(p->listening) || (p->fd = accept(p->listening, NULL, NULL)) < 0)
        p->broken = true;
}

static void peer_send(struct peer *p, struct buffer *b)
{
    if (p->fd < 0 || send(p->fd, b->data, b->size, MSG_NOSIGNAL) != (ssize_t)b->size)
        p->broken = true;
    buffer_deinit(b);
}

/* The next frame; false when the client hung up or stayed silent. */
static bool peer_frame(struct peer *p, struct frame *ret)
{
    for (;;) {
        size_t bytes;
        struct slice left = slice_of(p->in.data + p->in_at, p->in.size - p->in_at);
        enum status s = frame_read(left, WIRE_PAYLOAD_MAX, ret, &bytes, NULL);
        if (s == STATUS_OK) {
            p->in_at += bytes;
            return true;
        }
        if (s < 0 || p->fd < 0 || !readable(p->fd))
            return false;
        if (p->in_at == p->in.size) {
            buffer_reset(&p->in);
            p->in_at = 0;
        }
        ssize_t got = recv(p->fd, buffer_reserve(&p->in, 65536), 65536, 0);
        if (got <= 0)
            return false;
        p->in.size += (size_t)got;
    }
}

static void peer_expect(struct peer *p, enum wire_type type, struct frame *ret)
{
    if (!peer_frame(p, ret) || ret->type != type)
        p->broken = true;
}

static void peer_welcome_with(struct peer *p, uint64_t last_batch_seq, uint32_t credit_rows)
{
    struct frame frame;
    struct buffer out = {0};
    peer_accept(p);
    peer_expect(p, WIRE_HELLO, &frame);
    wire_welcome_write(&out, &(struct wire_welcome){.version = 1,
                                                    .last_batch_seq = last_batch_seq,
                                                    .credit_rows = credit_rows,
                                                    .credit_bytes = 64u << 20,
                                                    .payload_max = WIRE_PAYLOAD_MAX,
                                                    .server = slice_text("test")});
    peer_send(p, &out);
}

static void peer_welcome(struct peer *p)
{
    peer_welcome_with(p, 0, 1000);
}

/* Takes frames until a batch is decoded. */
static void peer_batch(struct peer *p)
{
    struct frame frame = {0};
    struct wire_batch batch;
    struct wire_fault fault;
    struct error error = {0};
    while (!p->broken) {
        if (!peer_frame(p, &frame)) {
            p->broken = true;
            return;
        }
        if (frame.type == WIRE_BATCH)
            break;
        if (frame.type == WIRE_DICTIONARY &&
            wire_dictionary_frame_read(&frame, &p->dictionaries, &error) < 0)
            p->broken = true;
    }
    arena_reset(&p->arena);
    if (p->broken || wire_batch_read(&frame, &p->dictionaries, &p->schema, &p->arena, &batch,
                                     &fault, &error) < 0) {
        p->broken = true;
        return;
    }
    const struct batch *spans = &batch.tables[TABLE_SPANS];
    const struct vector *models = batch_vector(spans, SPANS_model);
    if (models != NULL)
        (void)snprintf(p->model, sizeof p->model, "%.*s",
                       SLICE_ARG(vector_bytes(models, spans->rows - 1)));
    p->seqs[p->batches] = batch.batch_seq;
    p->rows[p->batches] = spans->rows;
    p->bodies[p->batches] = batch.message_count;
    p->batches++;
}

static void peer_ack(struct peer *p, uint64_t batch_seq)
{
    struct buffer out = {0};
    wire_ack_write(&out, &(struct wire_ack){.batch_seq = batch_seq,
                                            .credit_rows = 1000,
                                            .credit_bytes = 1u << 20,
                                            .accepted = 1});
    peer_send(p, &out);
}

static void peer_error(struct peer *p, const struct wire_error *e)
{
    struct buffer out = {0};
    wire_error_write(&out, e);
    peer_send(p, &out);
}

/* ---- the client's side ---- */

struct side {
    struct peer peer;
    struct schema schema;
    struct builder builder;
    struct wire_client *client;
    struct error error;
    uint64_t acked;
    int acks;
    struct wire_client_reject reject; /* slices are stale, texts are below */
    char reject_text[256];
    char reject_column[64];
    int rejects;
    int64_t silence_timeout_ns; /* 0: the client's default */
};

static void on_ack(void *context, const struct wire_client_ack *ack)
{
    struct side *s = context;
    s->acked = ack->batch_seq;
    s->acks++;
}

static void on_reject(void *context, const struct wire_client_reject *reject)
{
    struct side *s = context;
    s->reject = *reject;
    (void)snprintf(s->reject_text, sizeof s->reject_text, "%.*s", SLICE_ARG(reject->text));
    (void)snprintf(s->reject_column, sizeof s->reject_column, "%.*s", SLICE_ARG(reject->column));
    s->rejects++;
}

static enum status side_try_open(struct side *s)
{
    return wire_client_open(&(struct wire_client_options){.port = s->peer.port,
                                                          .key = slice_text("k"),
                                                          .backoff_min_ns = NS_PER_MS,
                                                          .backoff_max_ns = 10 * NS_PER_MS,
                                                          .connect_timeout_ns = 5 * NS_PER_S,
                                                          .silence_timeout_ns = s->silence_timeout_ns,
                                                          .seed = 1,
                                                          .on_ack = on_ack,
                                                          .on_reject = on_reject,
                                                          .context = s},
                            &s->client, &s->error);
}

static void side_open(struct side *s, void (*script)(struct peer *p))
{
    peer_start(&s->peer, script);
    schema_init(&s->schema);
    builder_init(&s->builder, TABLE_SPANS, &s->schema);
    cr_assert(side_try_open(s) == STATUS_OK, "%s", s->error.text);
}

static void side_close(struct side *s)
{
    wire_client_close(s->client);
    peer_join(&s->peer);
    builder_deinit(&s->builder);
    schema_deinit(&s->schema);
}

static struct batch side_batch(struct side *s, uint32_t rows, unsigned number)
{
    char model[32];
    builder_reset(&s->builder);
    for (uint32_t i = 0; i < rows; i++) {
        builder_row(&s->builder);
        builder_i64(&s->builder, SPANS_time, 1000 + (int64_t)i);
        (void)snprintf(model, sizeof model, "model-%u", number);
        builder_str(&s->builder, SPANS_model, slice_text(model));
    }
    return builder_batch(&s->builder);
}

static void side_send(struct side *s, uint32_t rows, unsigned number)
{
    struct batch spans = side_batch(s, rows, number);
    enum status st = wire_client_send(s->client, &(struct wire_input){.spans = &spans},
                                      10 * NS_PER_S, NULL, &s->error);
    cr_assert(st == STATUS_OK, "%s", s->error.text);
}

static void side_flush(struct side *s)
{
    enum status st = wire_client_flush(s->client, 10 * NS_PER_S, &s->error);
    cr_assert(st == STATUS_OK, "%s", s->error.text);
}

/* ---- tests ---- */

static void script_two_batches(struct peer *p)
{
    peer_welcome(p);
    peer_batch(p);
    peer_batch(p);
    peer_ack(p, 2);
}

Test(client, sends_batches_and_hears_one_ack_for_both)
{
    struct side s = {0};
    side_open(&s, script_two_batches);
    side_send(&s, 3, 1);
    side_send(&s, 4, 2);
    side_flush(&s);
    cr_assert_eq(s.acked, 2);
    cr_assert_eq(wire_client_stats(s.client).batches_acked, 2);
    cr_assert_eq(wire_client_stats(s.client).unsettled, 0);
    side_close(&s);
    cr_assert(s.peer.seqs[0] == 1 && s.peer.seqs[1] == 2);
    cr_assert(s.peer.rows[0] == 3 && s.peer.rows[1] == 4);
    cr_assert_str_eq(s.peer.model, "model-2");
}

static void script_drop_before_ack(struct peer *p)
{
    peer_welcome(p);
    peer_batch(p);
    peer_batch(p);
    peer_ack(p, 1);
    peer_batch(p); /* the third: its dictionary builds on the first two */
    peer_hang_up(p);
    peer_welcome_with(p, 2, 1000);
    peer_batch(p);
    peer_batch(p);
    peer_ack(p, 3);
}

Test(client, sends_again_what_was_not_acked_with_the_dictionaries_it_needs)
{
    struct side s = {0};
    side_open(&s, script_drop_before_ack);
    for (unsigned i = 1; i <= 3; i++)
        side_send(&s, i, i);
    side_flush(&s);
    side_close(&s);
    cr_assert_eq(s.peer.batches, 5);
    cr_assert(s.peer.seqs[3] == 2 && s.peer.seqs[4] == 3);
    cr_assert(s.peer.rows[3] == 2 && s.peer.rows[4] == 3);
    cr_assert_str_eq(s.peer.model, "model-3");
}

static void script_garbage(struct peer *p)
{
    struct buffer out = {0};
    peer_welcome(p);
    peer_batch(p);
    buffer_add_text(&out, "HTTP/1.1 400 Bad Request\r\n\r\n");
    peer_send(p, &out);
    peer_hang_up(p);
    /* A frame whose checksum is wrong. */
    peer_welcome_with(p, 1, 1000);
    peer_batch(p);
    out = (struct buffer){0};
    wire_ack_write(&out, &(struct wire_ack){.batch_seq = 1});
    out.data[out.size - 1] ^= 1;
    peer_send(p, &out);
    peer_hang_up(p);
    /* Half a frame, then nothing more. */
    peer_welcome_with(p, 1, 1000);
    peer_batch(p);
    out = (struct buffer){0};
    wire_ack_write(&out, &(struct wire_ack){.batch_seq = 1});
    out.size = 11;
    peer_send(p, &out);
    peer_hang_up(p);
    /* An ack for what was never sent. */
    peer_welcome_with(p, 1, 1000);
    peer_batch(p);
    peer_ack(p, 1);
}

Test(client, recovers_from_garbage_wrong_checksums_and_half_frames)
{
    struct side s = {0};
    side_open(&s, script_garbage);
    side_send(&s, 1, 1);
    side_flush(&s);
    cr_assert_eq(wire_client_stats(s.client).connections, 4);
    cr_assert_eq(wire_client_stats(s.client).batches_acked, 1);
    side_close(&s);
    cr_assert_eq(s.peer.batches, 4);
}

static void script_slow_bytes(struct peer *p)
{
    struct frame frame;
    struct buffer out = {0};
    peer_accept(p);
    peer_expect(p, WIRE_HELLO, &frame);
    wire_welcome_write(&out, &(struct wire_welcome){.version = 1,
                                                    .credit_rows = 1000,
                                                    .credit_bytes = 1u << 20,
                                                    .server = slice_text("test")});
    for (size_t i = 0; i < out.size; i++)
        if (send(p->fd, out.data + i, 1, MSG_NOSIGNAL) != 1)
            p->broken = true;
    buffer_deinit(&out);
    peer_batch(p);
    wire_ack_write(&out, &(struct wire_ack){.batch_seq = 1, .credit_rows = 1, .credit_bytes = 1});
    for (size_t i = 0; i < out.size; i++)
        if (send(p->fd, out.data + i, 1, MSG_NOSIGNAL) != 1)
            p->broken = true;
    buffer_deinit(&out);
}

Test(client, reads_answers_that_come_byte_by_byte)
{
    struct side s = {0};
    side_open(&s, script_slow_bytes);
    side_send(&s, 1, 1);
    side_flush(&s);
    side_close(&s);
}

static void script_reject(struct peer *p)
{
    peer_welcome(p);
    for (int i = 0; i < 3; i++)
        peer_batch(p);
    peer_error(p, &(struct wire_error){.batch_seq = 2,
                                       .status = STATUS_INVALID,
                                       .row = 7,
                                       .column = slice_text("spans.time"),
                                       .text = slice_text("row 7: time is missing")});
    peer_ack(p, 3);
}

Test(client, a_bad_batch_is_reported_and_the_others_go_on)
{
    struct side s = {0};
    side_open(&s, script_reject);
    for (unsigned i = 1; i <= 3; i++)
        side_send(&s, 1, i);
    side_flush(&s);
    cr_assert_eq(s.rejects, 1);
    cr_assert(s.reject.batch_seq == 2 && s.reject.row == 7);
    cr_assert_eq(s.reject.status, STATUS_INVALID);
    cr_assert_str_eq(s.reject_column, "spans.time");
    cr_assert_str_eq(s.reject_text, "row 7: time is missing");
    cr_assert_eq(wire_client_stats(s.client).batches_acked, 2);
    cr_assert_eq(wire_client_stats(s.client).connections, 1);
    side_close(&s);
}

static void script_try_later(struct peer *p)
{
    struct frame frame;
    uint64_t from = 0;
    peer_welcome(p);
    for (int i = 0; i < 3; i++)
        peer_batch(p);
    peer_error(p, &(struct wire_error){.batch_seq = 2,
                                       .status = STATUS_READ_ONLY,
                                       .retryable = true,
                                       .row = WIRE_ROW_NONE,
                                       .retry_after_ms = 5,
                                       .column = SLICE_EMPTY,
                                       .text = slice_text("disk full")});
    peer_expect(p, WIRE_RESUME, &frame);
    if (p->broken || wire_number_read(frame.payload, WIRE_RESUME, &from, NULL) < 0 || from != 2)
        p->broken = true;
    peer_batch(p);
    peer_batch(p);
    peer_ack(p, 3);
}

Test(client, goes_back_to_a_batch_that_may_be_tried_later)
{
    struct side s = {0};
    side_open(&s, script_try_later);
    for (unsigned i = 1; i <= 3; i++)
        side_send(&s, i, i);
    side_flush(&s);
    cr_assert_eq(s.rejects, 0);
    side_close(&s);
    cr_assert(s.peer.seqs[3] == 2 && s.peer.seqs[4] == 3);
    cr_assert_eq(s.peer.rows[3], 2);
}

static const char *const body_texts[2] = {"{\"role\":\"system\"}", "{\"role\":\"user\"}"};

static void side_send_messages(struct side *s, uint32_t given)
{
    struct message messages[2];
    for (uint32_t i = 0; i < 2; i++)
        messages[i] = (struct message){.address = hash128(slice_text(body_texts[i])),
                                       .body = slice_text(body_texts[i])};
    struct id128 refs[2] = {messages[0].address, messages[1].address};
    builder_reset(&s->builder);
    builder_row(&s->builder);
    builder_i64(&s->builder, SPANS_time, 5);
    builder_str(&s->builder, SPANS_input, slice_of(refs, sizeof refs));
    struct batch spans = builder_batch(&s->builder);
    enum status st = wire_client_send(
        s->client,
        &(struct wire_input){.spans = &spans, .messages = messages, .message_count = given},
        10 * NS_PER_S, NULL, &s->error);
    cr_assert(st == STATUS_OK, "%s", s->error.text);
}

static void script_want(struct peer *p)
{
    struct frame frame;
    struct message *messages = NULL;
    uint32_t count = 0;
    struct id128 wanted = hash128(slice_text(body_texts[1]));
    struct buffer out = {0};
    peer_welcome(p);
    peer_batch(p); /* with both bodies */
    peer_batch(p); /* with none: they were sent */
    peer_batch(p);
    peer_ack(p, 1);
    wire_addresses_write(
        &out, WIRE_MESSAGES_WANT,
        &(struct wire_addresses){.batch_seq = 2, .count = 1, .addresses = &wanted});
    peer_send(p, &out);
    peer_expect(p, WIRE_MESSAGES, &frame);
    if (p->broken || wire_messages_read(frame.payload, &p->arena, &messages, &count, NULL) < 0 ||
        count != 1 || !slice_is(messages[0].body, body_texts[1]))
        p->broken = true;
    peer_expect(p, WIRE_RESUME, &frame);
    peer_batch(p);
    peer_batch(p);
    peer_ack(p, 3);
}

Test(client, sends_each_body_once_and_again_when_wanted)
{
    struct side s = {0};
    side_open(&s, script_want);
    for (int i = 0; i < 3; i++)
        side_send_messages(&s, 2);
    side_flush(&s);
    cr_assert_eq(wire_client_stats(s.client).messages_skipped, 4);
    side_close(&s);
    cr_assert(s.peer.bodies[0] == 2 && s.peer.bodies[1] == 0 && s.peer.bodies[2] == 0);
    cr_assert(s.peer.seqs[3] == 2 && s.peer.seqs[4] == 3);
}

static void script_want_unknown(struct peer *p)
{
    struct frame frame;
    struct id128 wanted = hash128(slice_text(body_texts[1]));
    struct buffer out = {0};
    uint64_t from = 0;
    peer_welcome(p);
    peer_batch(p);
    peer_batch(p);
    wire_addresses_write(
        &out, WIRE_MESSAGES_WANT,
        &(struct wire_addresses){.batch_seq = 1, .count = 1, .addresses = &wanted});
    peer_send(p, &out);
    peer_expect(p, WIRE_RESUME, &frame);
    if (p->broken || wire_number_read(frame.payload, WIRE_RESUME, &from, NULL) < 0 || from != 2)
        p->broken = true;
    peer_batch(p);
    peer_ack(p, 2);
}

Test(client, gives_up_a_batch_whose_messages_nobody_has)
{
    struct side s = {0};
    side_open(&s, script_want_unknown);
    side_send_messages(&s, 1);
    side_send(&s, 1, 1);
    side_flush(&s);
    cr_assert_eq(s.rejects, 1);
    cr_assert(s.reject.batch_seq == 1 && s.reject.status == STATUS_NOT_FOUND);
    side_close(&s);
    cr_assert_eq(s.peer.seqs[2], 2);
}

static void script_have(struct peer *p)
{
    struct frame frame;
    struct wire_addresses have;
    struct buffer out = {0};
    peer_welcome(p);
    peer_expect(p, WIRE_MESSAGES_HAVE, &frame);
    if (p->broken || wire_addresses_read(frame.payload, frame.type, &have, NULL) < 0 ||
        have.count != 2) {
        p->broken = true;
        return;
    }
    wire_addresses_write(&out, WIRE_MESSAGES_WANT,
                         &(struct wire_addresses){.count = 1, .addresses = &have.addresses[1]});
    peer_send(p, &out);
}

Test(client, asks_which_messages_are_missing)
{
    struct side s = {0};
    struct id128 addresses[2] = {{{1}}, {{2}}};
    struct id128 missing[2];
    uint32_t count = 0;
    side_open(&s, script_have);
    enum status st = wire_client_messages_missing(s.client, addresses, 2, 10 * NS_PER_S, missing,
                                                  &count, &s.error);
    cr_assert(st == STATUS_OK, "%s", s.error.text);
    cr_assert(count == 1 && id128_equal(missing[0], addresses[1]));
    side_close(&s);
}

static void script_credits(struct peer *p)
{
    char byte;
    peer_welcome_with(p, 0, 5);
    peer_batch(p);
    peer_batch(p);
    /* The third must not come before an ack. */
    struct pollfd wait = {.fd = p->fd, .events = POLLIN};
    if (poll(&wait, 1, 60) != 0 || recv(p->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
        p->broken = true;
    peer_ack(p, 2);
    peer_batch(p);
    peer_ack(p, 3);
}

Test(client, stops_when_its_credits_are_used_up)
{
    struct side s = {0};
    side_open(&s, script_credits);
    side_send(&s, 4, 1);
    side_send(&s, 4, 2);
    struct batch spans = side_batch(&s, 4, 3);
    struct wire_input in = {.spans = &spans};
    cr_assert_eq(wire_client_send(s.client, &in, 0, NULL, &s.error), STATUS_BUSY);
    cr_assert(strstr(s.error.text, "2 batches") != NULL, "%s", s.error.text);
    uint64_t seq = 0;
    cr_assert_eq(wire_client_send(s.client, &in, 10 * NS_PER_S, &seq, &s.error), STATUS_OK);
    cr_assert_eq(seq, 3);
    side_flush(&s);
    side_close(&s);
    cr_assert_eq(s.peer.batches, 3);
}

static void script_silent(struct peer *p)
{
    struct frame frame;
    peer_welcome(p);
    peer_batch(p);
    peer_expect(p, WIRE_PING, &frame); /* and no PONG: the connection is as good as dead */
    while (peer_frame(p, &frame))
        (void)0;
    peer_hang_up(p);
    peer_welcome_with(p, 1, 1000);
    peer_batch(p);
    peer_ack(p, 1);
}

Test(client, asks_a_silent_server_and_connects_again_without_an_answer)
{
    struct side s = {.silence_timeout_ns = 600 * NS_PER_MS};
    side_open(&s, script_silent);
    side_send(&s, 1, 1);
    side_flush(&s);
    cr_assert_eq(wire_client_stats(s.client).connections, 2);
    side_close(&s);
}

static void script_goaway(struct peer *p)
{
    struct buffer out = {0};
    peer_welcome(p);
    peer_batch(p);
    wire_goaway_write(&out, &(struct wire_goaway){.text = slice_text("restarting")});
    peer_send(p, &out);
    peer_ack(p, 1);
    peer_hang_up(p);
    peer_welcome_with(p, 1, 1000);
    peer_batch(p);
    peer_ack(p, 2);
}

Test(client, leaves_when_told_to_and_comes_back)
{
    struct side s = {0};
    side_open(&s, script_goaway);
    side_send(&s, 1, 1);
    side_flush(&s);
    side_send(&s, 1, 2);
    side_flush(&s);
    side_close(&s);
    cr_assert(s.peer.batches == 2 && s.peer.seqs[1] == 2);
}

static void script_refuse(struct peer *p)
{
    struct frame frame;
    peer_accept(p);
    peer_expect(p, WIRE_HELLO, &frame);
    peer_error(p, &(struct wire_error){.status = STATUS_DENIED,
                                       .fatal = true,
                                       .row = WIRE_ROW_NONE,
                                       .column = SLICE_EMPTY,
                                       .text = slice_text("the key is not valid")});
}

Test(client, says_why_it_was_refused)
{
    struct side s = {0};
    peer_start(&s.peer, script_refuse);
    cr_assert_eq(side_try_open(&s), STATUS_DENIED);
    cr_assert(strstr(s.error.text, "the key is not valid") != NULL, "%s", s.error.text);
    peer_join(&s.peer);
}

static void script_old_server(struct peer *p)
{
    struct frame frame;
    struct buffer out = {0};
    peer_accept(p);
    peer_expect(p, WIRE_HELLO, &frame);
    wire_welcome_write(&out, &(struct wire_welcome){.version = 9, .server = SLICE_EMPTY});
    peer_send(p, &out);
}

Test(client, names_both_versions_when_they_do_not_fit)
{
    struct side s = {0};
    peer_start(&s.peer, script_old_server);
    cr_assert_eq(side_try_open(&s), STATUS_UNAVAILABLE);
    cr_assert(strstr(s.error.text, "version 9") != NULL, "%s", s.error.text);
    peer_join(&s.peer);
}

Test(client, says_where_nobody_listens)
{
    struct side s = {0};
    peer_listen(&s.peer);
    (void)close(s.peer.listening);
    cr_assert_eq(side_try_open(&s), STATUS_UNREACHABLE);
    char place[40];
    (void)snprintf(place, sizeof place, "127.0.0.1:%u", (unsigned)s.peer.port);
    cr_assert(strstr(s.error.text, place) != NULL, "%s", s.error.text);
    cr_assert(strstr(s.error.text, "driftline serve") != NULL, "%s", s.error.text);
    schema_deinit(&s.peer.schema);
}

static void script_other_client(struct peer *p)
{
    peer_welcome(p);
    peer_batch(p);
    peer_hang_up(p);
    peer_welcome_with(p, 99, 1000);
}

Test(client, notices_a_second_program_with_its_id)
{
    struct side s = {0};
    side_open(&s, script_other_client);
    side_send(&s, 1, 1);
    cr_assert_eq(wire_client_flush(s.client, 10 * NS_PER_S, &s.error), STATUS_EXISTS);
    struct batch spans = side_batch(&s, 1, 2);
    cr_assert_eq(
        wire_client_send(s.client, &(struct wire_input){.spans = &spans}, 0, NULL, &s.error),
        STATUS_EXISTS);
    side_close(&s);
}

static void script_continue(struct peer *p)
{
    peer_welcome_with(p, 41, 1000);
    peer_batch(p);
    peer_ack(p, 42);
}

Test(client, counts_on_from_what_the_server_remembers)
{
    struct side s = {0};
    side_open(&s, script_continue);
    side_send(&s, 1, 1);
    side_flush(&s);
    side_close(&s);
    cr_assert_eq(s.peer.seqs[0], 42);
}

static void script_generations(struct peer *p)
{
    peer_welcome_with(p, 0, 1000000);
    peer_batch(p);
    peer_batch(p);
    peer_batch(p);
    peer_hang_up(p);
    peer_welcome_with(p, 3, 1000000);
    for (int i = 0; i < 3; i++)
        peer_batch(p);
    peer_ack(p, 3);
}

/* Many different strings: the second batch starts new dictionaries; after a drop both generations are sent
 * again, in order. */
Test(client, starts_new_dictionaries_and_resends_across_them)
{
    struct side s = {0};
    side_open(&s, script_generations);
    for (unsigned number = 1; number <= 3; number++) {
        char text[32];
        builder_reset(&s.builder);
        for (uint32_t i = 0; i < 61000; i++) {
            builder_row(&s.builder);
            builder_i64(&s.builder, SPANS_time, 1);
            (void)snprintf(text, sizeof text, "s-%u-%u", number, (unsigned)(number < 3 ? i : 0));
            builder_str(&s.builder, SPANS_model, slice_text(text));
            if (number == 3)
                break;
        }
        struct batch spans = builder_batch(&s.builder);
        enum status st = wire_client_send(s.client, &(struct wire_input){.spans = &spans},
                                          10 * NS_PER_S, NULL, &s.error);
        cr_assert(st == STATUS_OK, "%s", s.error.text);
    }
    side_flush(&s);
    side_close(&s);
    cr_assert_eq(s.peer.batches, 6);
    cr_assert_str_eq(s.peer.model, "s-3-0");
}
