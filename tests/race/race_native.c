/*
 * race_native.c - the native listener on its loop thread, two clients and a scanning reader beside it, under
 * ThreadSanitizer.
 */
#include "engine/base/check.h"
#include "engine/base/thread.h"
#include "server/native.h"
#include "server/wire/client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENTS 2
#define BATCHES 40
#define ROWS    25

struct host {
    struct engine *engine;
    struct net_loop *loop;
    struct native *native;
    struct event *pump_event;
    uint32_t project;
};

static enum status host_authenticate(void *context, struct slice key, struct slice project,
                                     uint32_t *ret_project, unsigned *ret_scopes,
                                     struct error *reterr)
{
    (void)key;
    (void)project;
    (void)reterr;
    *ret_project = ((struct host *)context)->project;
    *ret_scopes = 1;
    return STATUS_OK;
}

static void host_pump(evutil_socket_t fd, short what, void *context)
{
    struct host *h = context;
    (void)fd;
    (void)what;
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

struct sender {
    uint16_t port;
    uint64_t first_span;
    struct thread thread;
};

static void sender_run(void *context)
{
    struct sender *s = context;
    struct wire_client *c = NULL;
    struct error error = {0};
    struct schema schema;
    struct builder b;
    schema_init(&schema);
    builder_init(&b, TABLE_SPANS, &schema);
    ASSERT(wire_client_open(&(struct wire_client_options){.port = s->port}, &c, &error) ==
           STATUS_OK);
    for (uint64_t batch = 0; batch < BATCHES; batch++) {
        builder_reset(&b);
        for (uint64_t i = 0; i < ROWS; i++) {
            uint64_t span = s->first_span + batch * ROWS + i;
            builder_row(&b);
            builder_i64(&b, SPANS_time, 1700000000000000000 + (int64_t)span);
            builder_id128(&b, SPANS_trace_id, (struct id128){{1, (uint8_t)span}});
            builder_id64(&b, SPANS_span_id, span);
            builder_str(&b, SPANS_model, slice_text("m"));
        }
        struct batch spans = builder_batch(&b);
        ASSERT(wire_client_send(c, &(struct wire_input){.spans = &spans}, -1, NULL, &error) ==
               STATUS_OK);
    }
    ASSERT(wire_client_flush(c, -1, &error) == STATUS_OK);
    wire_client_close(c);
    builder_deinit(&b);
    schema_deinit(&schema);
}

static uint64_t rows_count(const struct host *h)
{
    const struct column *columns[1] = {table_column(TABLE_SPANS, SPANS_model)};
    struct scan *scan = NULL;
    struct scan_batch batch;
    struct error error = {0};
    uint64_t rows = 0;
    ASSERT(scan_open(h->engine,
                     &(struct scan_options){.project = h->project,
                                            .table = TABLE_SPANS,
                                            .columns = columns,
                                            .column_count = 1},
                     &scan, &error) == STATUS_OK);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &batch, &error) == STATUS_OK)
        for (uint32_t i = 0; i < batch.rows; i++)
            rows += slice_is(vector_bytes(&batch.vectors[0], i), "m");
    scan_reader_destroy(reader);
    scan_close(scan);
    return rows;
}

int main(void)
{
    struct host h = {0};
    struct error error = {0};
    struct io *io = NULL;
    struct sender senders[CLIENTS];
    struct thread loop_thread;
    char directory[] = "/tmp/driftline-race-XXXXXX";
    char command[64];
    ASSERT(mkdtemp(directory) != NULL);
    ASSERT(io_create(directory, "posix", &io, NULL, &error) == STATUS_OK);
    ASSERT(engine_open(io, &(struct engine_options){.head_rows_max = 700}, &h.engine, &error) ==
           STATUS_OK);
    ASSERT(engine_project(h.engine, slice_text("default"), true, &h.project, &error) == STATUS_OK);
    ASSERT(net_loop_create(&h.loop, &error) == STATUS_OK);
    ASSERT(native_create(
               h.loop, h.engine, &(struct native_options){.address = {.host = "127.0.0.1"}},
               &(struct native_hooks){
                   .authenticate = host_authenticate, .appended = host_appended, .context = &h},
               &h.native, &error) == STATUS_OK);
    struct event_base *base = net_loop_base(h.loop);
    struct event *engine_event =
        event_new(base, engine_event_fd(h.engine), EV_READ | EV_PERSIST, host_pump, &h);
    h.pump_event = evtimer_new(base, host_pump, &h);
    ASSERT(event_add(engine_event, NULL) == 0);
    uint16_t port = native_port(h.native);
    thread_start(&loop_thread, "loop", host_run, &h);
    for (int i = 0; i < CLIENTS; i++) {
        senders[i] = (struct sender){.port = port, .first_span = 1 + (uint64_t)i * 100000};
        thread_start(&senders[i].thread, "sender", sender_run, &senders[i]);
    }
    uint64_t seen = 0;
    for (int i = 0; i < 50; i++) {
        uint64_t rows = rows_count(&h);
        ASSERT(rows >= seen); /* what was visible once stays visible */
        seen = rows;
    }
    for (int i = 0; i < CLIENTS; i++)
        thread_join(&senders[i].thread);
    ASSERT(rows_count(&h) == (uint64_t)CLIENTS * BATCHES * ROWS);
    net_loop_stop(h.loop);
    thread_join(&loop_thread);
    native_destroy(h.native);
    engine_close(h.engine);
    event_free(engine_event);
    event_free(h.pump_event);
    net_loop_destroy(h.loop);
    io_destroy(io);
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}
