/*
 * test_native.c - the native listener with a real engine in a temporary directory: the loop runs in a
 * thread, clients and hostile peers in the test.
 */
#include "engine/base/hash.h"
#include "engine/base/rng.h"
#include "engine/base/thread.h"
#include "server/auth/auth.h"
#include "server/native.h"
#include "server/wire/client.h"
#include "server/wire/handshake.h"
#include "server/wire/reply.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a server without the rest of the server ---- */

struct host {
    char directory[64];
    struct io *io;
    struct engine *engine;
    struct net_loop *loop;
    struct native *native;
    struct event *engine_event;
    struct event *pump_event;
    struct thread thread;
    uint32_t project;
    atomic_uint scopes;
    atomic_int trouble; /* enum status that append answers instead of the engine */
    atomic_bool deaf;   /* the core forgets to pump: nothing becomes durable */
    atomic_bool idle;
};

static enum status host_authenticate(void *context, struct slice key, struct slice project,
                                     uint32_t *ret_project, unsigned *ret_scopes,
                                     struct error *reterr)
{
    struct host *h = context;
    if (!slice_is(key, "right"))
        return error_set(reterr, STATUS_DENIED, "the key is not valid");
    if (!slice_is(project, "default"))
        return error_set(reterr, STATUS_NOT_FOUND, "there is no project %.*s", SLICE_ARG(project));
    *ret_project = h->project;
    *ret_scopes = atomic_load(&h->scopes);
    return STATUS_OK;
}

static enum status host_append(void *context, const struct append *a, struct append_result *ret,
                               struct error *reterr)
{
    struct host *h = context;
    enum status trouble = (enum status)atomic_load(&h->trouble);
    if (trouble != STATUS_OK)
        return error_set(reterr, trouble, "trouble on purpose");
    return engine_append(h->engine, a, ret, reterr);
}

static void host_pump(evutil_socket_t fd, short what, void *context)
{
    struct host *h = context;
    (void)fd;
    (void)what;
    if (!atomic_load(&h->deaf))
        native_pump(h->native, engine_pump(h->engine));
}

static void host_appended(void *context)
{
    event_active(((struct host *)context)->pump_event, EV_TIMEOUT, 1);
}

static void host_run(void *context)
{
    net_loop_run(((struct host *)context)->loop);
}

/* Opens the store in h->directory and serves it on a port (0: any). */
static void host_start(struct host *h, const struct native_options *options, uint16_t port)
{
    struct error error = {0};
    struct native_options o = *options;
    cr_assert(io_create(h->directory, "posix", &h->io, NULL, &error) == STATUS_OK, "%s",
              error.text);
    cr_assert(engine_open(h->io, &(struct engine_options){.maintenance_threads = UINT32_MAX},
                          &h->engine, &error) == STATUS_OK,
              "%s", error.text);
    cr_assert(engine_project(h->engine, slice_text("default"), true, &h->project, &error) ==
                  STATUS_OK,
              "%s", error.text);
    cr_assert_eq(net_loop_create(&h->loop, &error), STATUS_OK);
    o.address.port = port;
    (void)snprintf(o.address.host, sizeof o.address.host, "127.0.0.1");
    struct native_hooks hooks = {.authenticate = host_authenticate,
                                 .append = host_append,
                                 .appended = host_appended,
                                 .context = h};
    enum status s = native_create(h->loop, h->engine, &o, &hooks, &h->native, &error);
    cr_assert(s == STATUS_OK, "%s", error.text);
    struct event_base *base = net_loop_base(h->loop);
    h->engine_event =
        event_new(base, engine_event_fd(h->engine), EV_READ | EV_PERSIST, host_pump, h);
    h->pump_event = evtimer_new(base, host_pump, h);
    cr_assert_eq(event_add(h->engine_event, NULL), 0);
    thread_start(&h->thread, "host", host_run, h);
}

static void host_open(struct host *h, const struct native_options *options)
{
    *h = (struct host){0};
    atomic_store(&h->scopes, SCOPE_INGEST);
    (void)snprintf(h->directory, sizeof h->directory, "/tmp/driftline-native-XXXXXX");
    cr_assert(mkdtemp(h->directory) != NULL);
    host_start(h, options, 0);
}

static void host_stop(struct host *h)
{
    net_loop_stop(h->loop);
    thread_join(&h->thread);
}

/* Ends the server and closes the store, which stays on disk. */
static void host_end(struct host *h)
{
    native_destroy(h->native);
    event_free(h->engine_event);
    event_free(h->pump_event);
    engine_close(h->engine);
    net_loop_destroy(h->loop);
    io_destroy(h->io);
}

static void host_destroy(struct host *h)
{
    char command[128];
    host_end(h);
    (void)snprintf(command, sizeof command, "rm -rf %s", h->directory);
    cr_assert_eq(system(command), 0);
}

static void host_close(struct host *h)
{
    host_stop(h);
    host_destroy(h);
}

/* Rows of a table, all of them through the query door; *ret_distinct: different span ids. */
static uint64_t host_count(struct host *h, enum table table, uint64_t *ret_distinct)
{
    uint16_t id = table == TABLE_SPANS ? (uint16_t)SPANS_span_id : (uint16_t)SCORES_span_id;
    const struct column *columns[1] = {table_column(table, id)};
    struct scan *scan = NULL;
    struct scan_batch batch;
    struct error error = {0};
    uint64_t rows = 0;
    uint64_t distinct = 0;
    uint8_t *seen = mem_zero(1u << 20, 1);
    enum status s =
        scan_open(h->engine,
                  &(struct scan_options){
                      .project = h->project, .table = table, .columns = columns, .column_count = 1},
                  &scan, &error);
    cr_assert(s == STATUS_OK, "%s", error.text);
    struct scan_reader *reader = scan_reader_create(scan);
    while ((s = scan_next(reader, &batch, &error)) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.rows; i++) {
            uint64_t span = batch.vectors[0].id64[i];
            cr_assert(span < 1u << 20);
            distinct += seen[span] == 0;
            seen[span] = 1;
        }
        rows += batch.rows;
    }
    cr_assert(s == STATUS_END, "%s", error.text);
    scan_reader_destroy(reader);
    scan_close(scan);
    mem_free(seen);
    *ret_distinct = distinct;
    return rows;
}

/* ---- clients ---- */

struct sender {
    struct schema schema;
    struct builder spans;
    struct builder scores;
    struct wire_client *client;
    struct error error;
    uint64_t next_span;
    int rejects;
    struct wire_client_reject reject;
    char reject_text[256];
    char reject_column[64];
};

static void sender_on_reject(void *context, const struct wire_client_reject *reject)
{
    struct sender *s = context;
    s->rejects++;
    s->reject = *reject;
    (void)snprintf(s->reject_text, sizeof s->reject_text, "%.*s", SLICE_ARG(reject->text));
    (void)snprintf(s->reject_column, sizeof s->reject_column, "%.*s", SLICE_ARG(reject->column));
}

static enum status sender_try(struct sender *s, uint16_t port, const char *key, const char *project,
                              struct id128 client)
{
    return wire_client_open(&(struct wire_client_options){.port = port,
                                                          .key = slice_text(key),
                                                          .project = slice_text(project),
                                                          .client = client,
                                                          .backoff_min_ns = NS_PER_MS,
                                                          .backoff_max_ns = 20 * NS_PER_MS,
                                                          .on_reject = sender_on_reject,
                                                          .context = s},
                            &s->client, &s->error);
}

static void sender_open(struct sender *s, uint16_t port)
{
    *s = (struct sender){.next_span = 1};
    schema_init(&s->schema);
    builder_init(&s->spans, TABLE_SPANS, &s->schema);
    builder_init(&s->scores, TABLE_SCORES, &s->schema);
    enum status st = sender_try(s, port, "right", "default", (struct id128){0});
    cr_assert(st == STATUS_OK, "%s", s->error.text);
}

static void sender_close(struct sender *s)
{
    wire_client_close(s->client);
    builder_deinit(&s->spans);
    builder_deinit(&s->scores);
    schema_deinit(&s->schema);
}

static void sender_fill(struct sender *s, uint32_t rows)
{
    char text[32];
    builder_reset(&s->spans);
    builder_reset(&s->scores);
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t span = s->next_span++;
        struct id128 trace = {
            .bytes = {1, (uint8_t)(span / 4), (uint8_t)(span / 1024), (uint8_t)(span / 262144)}};
        builder_row(&s->spans);
        builder_i64(&s->spans, SPANS_time, 1700000000000000000 + (int64_t)span);
        builder_id128(&s->spans, SPANS_trace_id, trace);
        builder_id64(&s->spans, SPANS_span_id, span);
        (void)snprintf(text, sizeof text, "session-%u", (unsigned)(span / 8));
        builder_str(&s->spans, SPANS_session, slice_text(text));
        builder_str(&s->spans, SPANS_model, slice_text("gpt-4o"));
        builder_i64(&s->spans, SPANS_tokens_in, (int64_t)span % 1000);
        builder_row(&s->scores);
        builder_id128(&s->scores, SCORES_trace_id, trace);
        builder_id64(&s->scores, SCORES_span_id, span);
        builder_str(&s->scores, SCORES_name, slice_text("quality"));
        builder_f64(&s->scores, SCORES_value, 0.5);
        builder_str(&s->scores, SCORES_source, slice_text("client"));
    }
}

static void sender_send(struct sender *s, uint32_t rows)
{
    sender_fill(s, rows);
    struct batch spans = builder_batch(&s->spans);
    struct batch scores = builder_batch(&s->scores);
    enum status st =
        wire_client_send(s->client, &(struct wire_input){.spans = &spans, .scores = &scores},
                         20 * NS_PER_S, NULL, &s->error);
    cr_assert(st == STATUS_OK, "%s", s->error.text);
}

/* Spans, then their scores in a batch of their own. */
static void sender_send_apart(struct sender *s, uint32_t rows)
{
    sender_fill(s, rows);
    struct batch spans = builder_batch(&s->spans);
    struct batch scores = builder_batch(&s->scores);
    struct wire_input parts[2] = {{.spans = &spans}, {.scores = &scores}};
    for (int i = 0; i < 2; i++) {
        enum status st = wire_client_send(s->client, &parts[i], 20 * NS_PER_S, NULL, &s->error);
        cr_assert(st == STATUS_OK, "%s", s->error.text);
    }
}

static void sender_flush(struct sender *s)
{
    enum status st = wire_client_flush(s->client, 60 * NS_PER_S, &s->error);
    cr_assert(st == STATUS_OK, "%s", s->error.text);
}

static int dial(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* ---- tests ---- */

Test(native, acks_what_is_durable_and_a_scan_sees_it)
{
    struct host h;
    struct sender s;
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    sender_open(&s, native_port(h.native));
    for (int i = 0; i < 10; i++)
        sender_send(&s, 50);
    sender_flush(&s);
    /* Still running: what is acknowledged is visible at once. */
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 500);
    cr_assert_eq(distinct, 500);
    cr_assert_eq(wire_client_stats(s.client).rows_acked, 500);
    sender_close(&s);
    host_close(&h);
}

Test(native, does_not_ack_before_the_engine_says_durable)
{
    struct host h;
    struct sender s;
    host_open(&h, &(struct native_options){0});
    atomic_store(&h.deaf, true);
    sender_open(&s, native_port(h.native));
    sender_send(&s, 5);
    cr_assert_eq(wire_client_flush(s.client, 100 * NS_PER_MS, &s.error), STATUS_TIMEOUT);
    cr_assert_eq(wire_client_stats(s.client).batches_acked, 0);
    atomic_store(&h.deaf, false);
    sender_send(&s, 5); /* wakes the core */
    sender_flush(&s);
    sender_close(&s);
    host_close(&h);
}

/* Passes bytes on and cuts both sides after a number of bytes, again and again. */
struct cutter {
    int listening;
    uint16_t port;
    uint16_t server_port;
    struct thread thread;
    struct rng rng;
    int cuts_left;
    int cuts;
    atomic_bool stop;
};

static bool pass_on(int from, int to, size_t *left)
{
    char bytes[4096];
    size_t wanted = *left < sizeof bytes ? *left : sizeof bytes;
    ssize_t got = recv(from, bytes, wanted, MSG_DONTWAIT);
    if (got < 0)
        return true;
    if (got == 0)
        return false;
    *left -= (size_t)got;
    return send(to, bytes, (size_t)got, MSG_NOSIGNAL) == got && *left > 0;
}

static void cutter_connection(struct cutter *c, int client)
{
    int server = dial(c->server_port);
    size_t left = c->cuts_left > 0 ? 1 + (size_t)rng_below(&c->rng, 30000) : SIZE_MAX;
    size_t up = left;
    size_t down = c->cuts_left > 0 ? 1 + (size_t)rng_below(&c->rng, 600) : SIZE_MAX;
    while (!atomic_load(&c->stop)) {
        struct pollfd wait[2] = {{.fd = client, .events = POLLIN},
                                 {.fd = server, .events = POLLIN}};
        (void)poll(wait, 2, 20);
        if ((wait[0].revents != 0 && !pass_on(client, server, &up)) ||
            (wait[1].revents != 0 && !pass_on(server, client, &down)))
            break;
    }
    if (c->cuts_left > 0) {
        c->cuts_left--;
        c->cuts++;
    }
    (void)close(client);
    (void)close(server);
}

static void cutter_run(void *context)
{
    struct cutter *c = context;
    while (!atomic_load(&c->stop)) {
        struct pollfd wait = {.fd = c->listening, .events = POLLIN};
        if (poll(&wait, 1, 20) == 1)
            cutter_connection(c, accept(c->listening, NULL, NULL));
    }
}

static void cutter_start(struct cutter *c, uint16_t server_port, int cuts)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    *c = (struct cutter){.server_port = server_port, .cuts_left = 0};
    rng_init(&c->rng, 20261);
    c->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(c->listening, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(listen(c->listening, 8), 0);
    cr_assert_eq(getsockname(c->listening, (struct sockaddr *)&a, &size), 0);
    c->port = ntohs(a.sin_port);
    c->cuts_left = cuts;
    thread_start(&c->thread, "cutter", cutter_run, c);
}

static void cutter_stop(struct cutter *c)
{
    atomic_store(&c->stop, true);
    thread_join(&c->thread);
    (void)close(c->listening);
}

/* Scores that come alone are never dropped as repeats of a span, so their count shows whether a batch was
 * applied twice. */
Test(native, applies_every_batch_exactly_once_over_a_line_that_is_cut)
{
    struct host h;
    struct sender s = {.next_span = 1};
    struct cutter cutter;
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    cutter_start(&cutter, native_port(h.native), 40);
    schema_init(&s.schema);
    builder_init(&s.spans, TABLE_SPANS, &s.schema);
    builder_init(&s.scores, TABLE_SCORES, &s.schema);
    /* The line may be cut during the greeting, which open reports: try until it stands. */
    while (sender_try(&s, cutter.port, "right", "default", (struct id128){{7}}) != STATUS_OK)
        cr_assert_eq(s.error.status, STATUS_UNREACHABLE, "%s", s.error.text);
    for (int i = 0; i < 150; i++)
        sender_send_apart(&s, 1 + (uint32_t)i % 60);
    sender_flush(&s);
    uint64_t sent = s.next_span - 1;
    struct wire_client_stats stats = wire_client_stats(s.client);
    cutter_stop(&cutter);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), sent);
    cr_assert_eq(distinct, sent);
    cr_assert_eq(host_count(&h, TABLE_SCORES, &distinct), sent);
    cr_assert_eq(distinct, sent);
    cr_assert_eq(s.rejects, 0);
    cr_assert(stats.resent > 0 && cutter.cuts > 10, "%d cuts", cutter.cuts);
    sender_close(&s);
    host_close(&h);
}

/* The server is gone several times, with batches applied but not acknowledged; another takes its place on what
 * the log has kept. */
Test(native, applies_every_batch_exactly_once_over_restarts_of_the_server)
{
    struct host h;
    struct sender s;
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    uint16_t port = native_port(h.native);
    sender_open(&s, port);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 10; i++)
            sender_send_apart(&s, 7);
        sender_flush(&s);
        /* From here on nothing is acknowledged, but the log may well get it. */
        atomic_store(&h.deaf, round % 2 == 0);
        for (int i = 0; i < 10; i++)
            sender_send_apart(&s, 7);
        host_stop(&h);
        host_end(&h);
        cr_assert_eq(wire_client_poll(s.client, 30 * NS_PER_MS, &s.error), STATUS_OK);
        atomic_store(&h.deaf, false);
        host_start(&h, &(struct native_options){0}, port);
    }
    sender_flush(&s);
    uint64_t sent = s.next_span - 1;
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), sent);
    cr_assert_eq(distinct, sent);
    cr_assert_eq(host_count(&h, TABLE_SCORES, &distinct), sent);
    cr_assert_eq(s.rejects, 0);
    cr_assert(wire_client_stats(s.client).connections >= 5);
    sender_close(&s);
    host_close(&h);
}

Test(native, sends_idle_clients_away_and_they_come_back)
{
    struct host h;
    struct sender s;
    uint64_t distinct;
    host_open(&h, &(struct native_options){.idle_timeout_ns = 1});
    sender_open(&s, native_port(h.native));
    sender_send(&s, 2);
    sender_flush(&s);
    while (wire_client_fd(s.client) >= 0)
        cr_assert_eq(wire_client_poll(s.client, 50 * NS_PER_MS, &s.error), STATUS_OK);
    sender_send(&s, 2);
    sender_flush(&s);
    cr_assert_eq(wire_client_stats(s.client).connections, 2);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 4);
    sender_close(&s);
    host_close(&h);
}

Test(native, says_what_is_wrong_with_key_project_and_scope)
{
    struct host h;
    struct sender s = {0};
    host_open(&h, &(struct native_options){0});
    uint16_t port = native_port(h.native);
    cr_assert_eq(sender_try(&s, port, "wrong", "default", (struct id128){0}), STATUS_DENIED);
    cr_assert(strstr(s.error.text, "key") != NULL, "%s", s.error.text);
    cr_assert_eq(sender_try(&s, port, "right", "nope", (struct id128){0}), STATUS_NOT_FOUND);
    cr_assert(strstr(s.error.text, "nope") != NULL, "%s", s.error.text);
    atomic_store(&h.scopes, SCOPE_READ);
    cr_assert_eq(sender_try(&s, port, "right", "default", (struct id128){0}), STATUS_DENIED);
    cr_assert(strstr(s.error.text, "scope ingest") != NULL, "%s", s.error.text);
    host_close(&h);
}

Test(native, a_bad_row_is_named_and_the_connection_goes_on)
{
    struct host h;
    struct sender s;
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    sender_open(&s, native_port(h.native));
    sender_send(&s, 3);
    sender_fill(&s, 3);
    builder_row(&s.spans); /* without time and ids */
    builder_str(&s.spans, SPANS_model, slice_text("x"));
    struct batch spans = builder_batch(&s.spans);
    cr_assert_eq(
        wire_client_send(s.client, &(struct wire_input){.spans = &spans}, NS_PER_S, NULL, &s.error),
        STATUS_OK);
    sender_send(&s, 3);
    sender_flush(&s);
    cr_assert_eq(s.rejects, 1);
    cr_assert_eq(s.reject.batch_seq, 2);
    cr_assert_eq(s.reject.status, STATUS_INVALID);
    cr_assert_eq(s.reject.row, 3, "%s", s.reject_text);
    cr_assert(strncmp(s.reject_column, "spans.", 6) == 0, "%s | %s", s.reject_column,
              s.reject_text);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 6);
    cr_assert_eq(wire_client_stats(s.client).connections, 1);
    sender_close(&s);
    host_close(&h);
}

Test(native, wants_messages_it_lacks_and_takes_the_batch_then)
{
    struct host h;
    struct sender s;
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    sender_open(&s, native_port(h.native));
    /* 200 messages: more than a rejected append names by itself. */
    struct message messages[200];
    struct id128 refs[200];
    char bodies[200][24];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(bodies[i], sizeof bodies[i], "{\"n\":%d}", i);
        messages[i] = (struct message){.address = hash128(slice_text(bodies[i])),
                                       .body = slice_text(bodies[i])};
        refs[i] = messages[i].address;
    }
    /* Let the client believe that the server has them: the batch that brings them is refused. */
    struct wire_input bad = {.messages = messages, .message_count = 200};
    builder_row(&s.spans);
    builder_str(&s.spans, SPANS_model, slice_text("no time"));
    struct batch spans = builder_batch(&s.spans);
    bad.spans = &spans;
    cr_assert_eq(wire_client_send(s.client, &bad, NS_PER_S, NULL, &s.error), STATUS_OK);
    sender_fill(&s, 2);
    builder_str(&s.spans, SPANS_input, slice_of(refs, sizeof refs));
    spans = builder_batch(&s.spans);
    struct wire_input in = {.spans = &spans, .messages = messages, .message_count = 200};
    cr_assert_eq(wire_client_send(s.client, &in, NS_PER_S, NULL, &s.error), STATUS_OK);
    sender_send(&s, 2);
    sender_flush(&s);
    cr_assert_eq(s.rejects, 1);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 4);
    cr_assert_eq(distinct, 4);
    uint32_t count = 99;
    struct id128 unknown[2] = {{{1}}, refs[0]};
    struct id128 missing[2];
    cr_assert_eq(wire_client_messages_missing(s.client, unknown, 2, 10 * NS_PER_S, missing, &count,
                                              &s.error),
                 STATUS_OK);
    cr_assert(count == 1 && id128_equal(missing[0], unknown[0]));
    host_stop(&h);
    cr_assert(native_stats(h.native).wanted >= 1);
    sender_close(&s);
    host_destroy(&h);
}

Test(native, waits_while_the_engine_is_busy_and_loses_nothing)
{
    struct host h;
    struct sender senders[3];
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    for (int i = 0; i < 3; i++) {
        sender_open(&senders[i], native_port(h.native));
        senders[i].next_span = 1 + (uint64_t)i * 10000;
    }
    sender_send(&senders[0], 10);
    sender_flush(&senders[0]);
    atomic_store(&h.trouble, STATUS_BUSY);
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < 3; i++)
            sender_send(&senders[i], 10);
    cr_assert_eq(wire_client_flush(senders[1].client, 100 * NS_PER_MS, &senders[1].error),
                 STATUS_TIMEOUT);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 10);
    atomic_store(&h.trouble, STATUS_OK);
    for (int i = 0; i < 3; i++)
        sender_flush(&senders[i]);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 160);
    cr_assert_eq(host_count(&h, TABLE_SCORES, &distinct), 160);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(wire_client_stats(senders[i].client).connections, 1);
        cr_assert_eq(senders[i].rejects, 0);
        sender_close(&senders[i]);
    }
    host_stop(&h);
    cr_assert(native_stats(h.native).stalls >= 3);
    host_destroy(&h);
}

Test(native, gives_batches_back_when_it_takes_too_long_and_takes_them_later)
{
    struct host h;
    struct sender senders[2];
    uint64_t distinct;
    host_open(&h, &(struct native_options){.stall_timeout_ns = 30 * NS_PER_MS});
    for (int i = 0; i < 2; i++) {
        sender_open(&senders[i], native_port(h.native));
        senders[i].next_span = 1 + (uint64_t)i * 10000;
    }
    atomic_store(&h.trouble, STATUS_READ_ONLY);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 2; i++)
            sender_send(&senders[i], 5);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(wire_client_flush(senders[i].client, 200 * NS_PER_MS, &senders[i].error),
                     STATUS_TIMEOUT);
    atomic_store(&h.trouble, STATUS_OK);
    for (int i = 0; i < 2; i++)
        sender_flush(&senders[i]);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 40);
    cr_assert_eq(host_count(&h, TABLE_SCORES, &distinct), 40);
    for (int i = 0; i < 2; i++) {
        cr_assert(wire_client_stats(senders[i].client).resent > 0);
        cr_assert_eq(senders[i].rejects, 0);
        sender_close(&senders[i]);
    }
    host_close(&h);
}

Test(native, human_scores_need_the_scope_review)
{
    struct host h;
    struct sender s;
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    sender_open(&s, native_port(h.native));
    for (int round = 0; round < 2; round++) {
        sender_fill(&s, 1);
        builder_str(&s.scores, SCORES_source, slice_text("human"));
        struct batch scores = builder_batch(&s.scores);
        cr_assert_eq(wire_client_send(s.client, &(struct wire_input){.scores = &scores}, NS_PER_S,
                                      NULL, &s.error),
                     STATUS_OK);
        sender_flush(&s);
        wire_client_close(s.client);
        s.client = NULL;
        cr_assert_eq(s.rejects, 1);
        if (round == 0)
            cr_assert_eq(s.reject.status, STATUS_DENIED);
        atomic_store(&h.scopes, SCOPE_INGEST | SCOPE_REVIEW);
        cr_assert_eq(sender_try(&s, native_port(h.native), "right", "default", (struct id128){0}),
                     STATUS_OK);
    }
    cr_assert_eq(host_count(&h, TABLE_SCORES, &distinct), 1);
    sender_close(&s);
    host_close(&h);
}

Test(native, the_newest_connection_of_a_client_id_wins)
{
    struct host h;
    struct sender a;
    struct sender b = {0};
    host_open(&h, &(struct native_options){0});
    sender_open(&a, native_port(h.native));
    wire_client_close(a.client);
    struct id128 same = {{1, 2, 3}};
    cr_assert_eq(sender_try(&a, native_port(h.native), "right", "default", same), STATUS_OK);
    sender_send(&a, 2);
    sender_flush(&a);
    cr_assert_eq(sender_try(&b, native_port(h.native), "right", "default", same), STATUS_OK);
    sender_fill(&a, 2);
    struct batch spans = builder_batch(&a.spans);
    enum status s =
        wire_client_send(a.client, &(struct wire_input){.spans = &spans}, NS_PER_S, NULL, &a.error);
    if (s == STATUS_OK)
        s = wire_client_flush(a.client, 10 * NS_PER_S, &a.error);
    cr_assert_eq(s, STATUS_EXISTS, "%s", a.error.text);
    wire_client_close(b.client);
    sender_close(&a);
    host_close(&h);
}

static void drain_start(void *context)
{
    native_drain(((struct host *)context)->native, 5);
}

static void idle_look(void *context)
{
    struct host *h = context;
    atomic_store(&h->idle, native_is_idle(h->native));
}

Test(native, drains_with_every_ack_out)
{
    struct host h;
    struct sender s;
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    sender_open(&s, native_port(h.native));
    for (int i = 0; i < 20; i++)
        sender_send(&s, 20);
    net_post(h.loop, drain_start, &h);
    /* Goes on until the server has closed; what was not taken stays unsettled. */
    while (wire_client_fd(s.client) >= 0)
        cr_assert_eq(wire_client_poll(s.client, 10 * NS_PER_MS, &s.error), STATUS_OK);
    struct wire_client_stats stats = wire_client_stats(s.client);
    for (int i = 0; i < 500 && !atomic_load(&h.idle); i++) {
        net_post(h.loop, idle_look, &h);
        (void)usleep(1000);
    }
    cr_assert(atomic_load(&h.idle));
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), stats.rows_acked);
    cr_assert_eq(stats.batches_acked + stats.unsettled, 20);
    /* Nobody listens any more. */
    cr_assert_eq(wire_client_flush(s.client, 50 * NS_PER_MS, &s.error),
                 stats.unsettled == 0 ? STATUS_OK : STATUS_TIMEOUT);
    sender_close(&s);
    host_close(&h);
}

/* ---- hostile peers ---- */

/* Sends bytes; returns the status of the fatal ERROR, STATUS_END for a hang-up without a word, STATUS_OK while
 * the connection lives on. */
static enum status provoke(int fd, struct slice bytes, char text[256])
{
    struct buffer in = {0};
    enum status result = STATUS_OK;
    (void)send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 300) != 1)
            break;
        ssize_t got = recv(fd, buffer_reserve(&in, 4096), 4096, 0);
        if (got <= 0) {
            result = STATUS_END;
            break;
        }
        in.size += (size_t)got;
    }
    struct slice left = buffer_slice(&in);
    struct frame frame;
    size_t size;
    while (frame_read(left, WIRE_PAYLOAD_MAX, &frame, &size, NULL) == STATUS_OK) {
        struct wire_error e;
        if (frame.type == WIRE_ERROR && wire_error_read(frame.payload, &e, NULL) == STATUS_OK) {
            result = e.status;
            (void)snprintf(text, 256, "%.*s", SLICE_ARG(e.text));
        }
        left = slice_of(left.data + size, left.size - size);
    }
    buffer_deinit(&in);
    return result;
}

static struct buffer hello_make(void)
{
    struct buffer b = {0};
    wire_hello_write(&b, &(struct wire_hello){.version_min = 1,
                                              .version_max = 1,
                                              .key = slice_text("right"),
                                              .project = slice_text("default"),
                                              .name = slice_text("raw")});
    return b;
}

Test(native, refuses_other_protocols_and_frames_out_of_place)
{
    struct host h;
    char text[256] = "";
    struct buffer b = {0};
    host_open(&h, &(struct native_options){0});
    uint16_t port = native_port(h.native);

    int fd = dial(port);
    cr_assert_eq(provoke(fd, slice_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), text),
                 STATUS_CORRUPT);
    cr_assert(strstr(text, "native protocol") != NULL, "%s", text);
    (void)close(fd);

    fd = dial(port);
    wire_number_write(&b, WIRE_PING, 1);
    cr_assert_eq(provoke(fd, buffer_slice(&b), text), STATUS_INVALID);
    cr_assert(strstr(text, "HELLO") != NULL, "%s", text);
    (void)close(fd);
    buffer_deinit(&b);

    /* Before the greeting 16 KiB are the limit, and the claim alone is refused. */
    fd = dial(port);
    struct wire_frame_header header = {.payload_bytes = WIRE_PAYLOAD_GREETING_MAX + 1,
                                       .type = WIRE_HELLO};
    cr_assert_eq(provoke(fd, slice_of(&header, sizeof header), text), STATUS_LIMIT);
    (void)close(fd);

    fd = dial(port);
    b = hello_make();
    wire_ack_write(&b, &(struct wire_ack){.batch_seq = 1});
    cr_assert_eq(provoke(fd, buffer_slice(&b), text), STATUS_INVALID);
    cr_assert(strstr(text, "ACK") != NULL, "%s", text);
    (void)close(fd);
    buffer_deinit(&b);

    fd = dial(port);
    b = hello_make();
    wire_number_write(&b, WIRE_PING, 1);
    b.data[b.size - 1] ^= 1;
    cr_assert_eq(provoke(fd, buffer_slice(&b), text), STATUS_CORRUPT);
    cr_assert(strstr(text, "checksum") != NULL, "%s", text);
    (void)close(fd);
    buffer_deinit(&b);

    /* The server is as well as before. */
    struct sender s;
    sender_open(&s, port);
    sender_send(&s, 3);
    sender_flush(&s);
    sender_close(&s);
    host_close(&h);
}

Test(native, cuts_off_who_never_greets)
{
    struct host h;
    char text[256] = "";
    host_open(&h, &(struct native_options){.greeting_timeout_ns = 1});
    int fd = dial(native_port(h.native));
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&wait, 1, 10000), 1);
    cr_assert_eq(provoke(fd, SLICE_EMPTY, text), STATUS_TIMEOUT);
    (void)close(fd);
    host_close(&h);
}

Test(native, cuts_off_who_never_reads)
{
    struct host h;
    host_open(&h, &(struct native_options){.output_bytes_max = 1000});
    int fd = dial(native_port(h.native));
    struct buffer pings = hello_make();
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    for (int i = 0; i < 2000; i++)
        wire_number_write(&pings, WIRE_PING, (uint64_t)i);
    /* The kernel buffers some megabytes of PONG; then the server's own bound counts. */
    bool cut = false;
    size_t at = 0;
    for (int i = 0; i < 100000 && !cut; i++) {
        size_t size = pings.size - at < 65536 ? pings.size - at : 65536;
        ssize_t sent = send(fd, pings.data + at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            at += (size_t)sent;
        else if (errno == EAGAIN)
            (void)poll(&wait, 1, 100);
        else
            cut = true;
        if (at == pings.size) {
            buffer_reset(&pings);
            at = 0;
            for (int k = 0; k < 2000; k++)
                wire_number_write(&pings, WIRE_PING, (uint64_t)k);
        }
    }
    cr_assert(cut);
    (void)close(fd);
    buffer_deinit(&pings);
    host_close(&h);
}

Test(native, holds_its_bound_on_memory)
{
    struct host h;
    char text[256] = "";
    host_open(&h, &(struct native_options){.memory_bytes_max = 512u << 10});
    int fd = dial(native_port(h.native));
    struct buffer b = hello_make();
    struct wire_frame_header header = {.payload_bytes = 8u << 20, .type = WIRE_BATCH};
    buffer_add(&b, &header, sizeof header);
    memset(buffer_reserve(&b, 1u << 20), 0, 1u << 20);
    b.size += 1u << 20;
    cr_assert_eq(provoke(fd, buffer_slice(&b), text), STATUS_BUSY);
    cr_assert(strstr(text, "memory") != NULL, "%s", text);
    (void)close(fd);
    buffer_deinit(&b);
    host_stop(&h);
    cr_assert(native_stats(h.native).memory_bytes <= 512u << 10);
    host_destroy(&h);
}

/* Every bit of a whole conversation flipped once, each on a connection of its own. */
Test(native, survives_flipped_bits_on_live_connections)
{
    struct host h;
    struct sender s;
    struct buffer talk = hello_make();
    struct wire_strings strings = {0};
    uint64_t distinct;
    host_open(&h, &(struct native_options){0});
    sender_open(&s, native_port(h.native));
    sender_fill(&s, 2);
    struct batch spans = builder_batch(&s.spans);
    cr_assert_eq(wire_batch_write(&(struct wire_input){.spans = &spans}, 1, WIRE_FLAG_RESET,
                                  &strings, NULL, &talk, &s.error),
                 STATUS_OK);
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 150; i++) {
        size_t bit = (size_t)rng_below(&rng, talk.size * 8);
        int fd = dial(native_port(h.native));
        talk.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)send(fd, talk.data, talk.size, MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        char answer[4096];
        while (recv(fd, answer, sizeof answer, 0) > 0)
            (void)0;
        (void)close(fd);
        talk.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* No flipped batch got in: the checksum covers it. */
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 0);
    sender_send(&s, 2);
    sender_flush(&s);
    cr_assert_eq(host_count(&h, TABLE_SPANS, &distinct), 2);
    wire_strings_deinit(&strings);
    buffer_deinit(&talk);
    sender_close(&s);
    host_close(&h);
}
