/*
 * bench_wire.c - spans a second over the native protocol, durable and acknowledged, and how long an ack takes.
 *
 *     bench_wire [--backend uring|posix] [--rows 2048] [--spans 4000000] [--rate 200000] [--seconds 5] [--dir DIR]
 *
 * The server (engine, loop, listener) runs in a process of its own, the client in this one, over loopback. Spans have 27
 * columns, 8 a trace, 4 traces a session; ids, times and sessions are new in every batch, the rest repeats. First as fast
 * as credits allow, then at --rate spans a second with batches of 512. Prints a line for each. Expected on 2 cores: 1.0 M
 * spans/s, ack p50 below 2 ms at the lower rate.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/hash.h"
#include "engine/base/rng.h"
#include "server/native.h"
#include "server/wire/client.h"

#define START_NS         (490000 * NS_PER_HOUR)
#define BATCHES_MAX      (1u << 20)
#define ROWS_PER_TRACE   8
#define ROWS_PER_SESSION 32

struct options {
    const char *backend;
    const char *dir;
    uint32_t rows;
    uint64_t spans;
    uint64_t rate;
    uint64_t seconds;
};

static _Noreturn void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "bench_wire: %s: %s\n", what, error->text);
    exit(1);
}

/* ---- server process ---- */

struct host {
    struct engine *engine;
    struct native *native;
    struct event *pump_event;
};

static enum status host_authenticate(void *context, struct slice key, struct slice project,
                                     uint32_t *ret_project, unsigned *ret_scopes,
                                     struct error *reterr)
{
    struct host *h = context;
    (void)key;
    *ret_scopes = 1;
    return engine_project(h->engine, project, true, ret_project, reterr);
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

static void on_terminate(evutil_socket_t signal_number, short what, void *context)
{
    (void)signal_number;
    (void)what;
    net_loop_stop(context);
}

static void server_run(const struct options *o, const char *directory, int port_fd)
{
    struct host h = {0};
    struct error error = {0};
    struct io *io = NULL;
    struct net_loop *loop = NULL;
    struct net_address address = {.host = "127.0.0.1"};
    char reason[128];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "bench-server");
    if (io_create(directory, o->backend, &io, reason, &error) < 0)
        die("io", &error);
    if (engine_open(io, &(struct engine_options){0}, &h.engine, &error) < 0)
        die("engine", &error);
    if (net_loop_create(&loop, &error) < 0)
        die("loop", &error);
    struct native_hooks hooks = {
        .authenticate = host_authenticate, .appended = host_appended, .context = &h};
    if (native_create(loop, h.engine, &(struct native_options){.address = address}, &hooks,
                      &h.native, &error) < 0)
        die("listener", &error);
    struct event_base *base = net_loop_base(loop);
    struct event *engine_event =
        event_new(base, engine_event_fd(h.engine), EV_READ | EV_PERSIST, host_pump, &h);
    struct event *term_event = evsignal_new(base, SIGTERM, on_terminate, loop);
    h.pump_event = evtimer_new(base, host_pump, &h);
    (void)event_add(engine_event, NULL);
    (void)event_add(term_event, NULL);
    uint16_t port = native_port(h.native);
    if (write(port_fd, &port, sizeof port) != sizeof port)
        die("port", &error);
    (void)close(port_fd);
    net_loop_run(loop);
    native_destroy(h.native);
    engine_close(h.engine);
    event_free(engine_event);
    event_free(term_event);
    event_free(h.pump_event);
    net_loop_destroy(loop);
    io_destroy(io);
}

static pid_t server_start(const struct options *o, const char *directory, uint16_t *ret_port)
{
    int fds[2];
    if (pipe(fds) != 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        server_run(o, directory, fds[1]);
        _exit(0);
    }
    (void)close(fds[1]);
    if (pid < 0 || read(fds[0], ret_port, sizeof *ret_port) != sizeof *ret_port) {
        (void)fprintf(stderr, "bench_wire: the server did not start\n");
        exit(1);
    }
    (void)close(fds[0]);
    return pid;
}

/* ---- spans ---- */

/* A batch whose ids and sessions are rewritten in place. */
struct template
{
    struct builder builder;
    struct batch batch;
    int64_t *times;
    struct id128 *traces;
    uint64_t *spans;
    uint64_t *parents;
    const struct dict *sessions;
};

static void str(struct builder *b, uint16_t column, const char *format, uint64_t n)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s%llu", format, (unsigned long long)n);
    builder_str(b, column, slice_text(text));
}

static void row_make(struct builder *b, struct rng *r, uint32_t row)
{
    bool root = row % ROWS_PER_TRACE == 0;
    bool llm = row % ROWS_PER_TRACE == 2 || row % ROWS_PER_TRACE == 5;
    builder_row(b);
    builder_i64(b, SPANS_time, 1);
    builder_id128(b, SPANS_trace_id, (struct id128){{1}});
    builder_id64(b, SPANS_span_id, 1);
    if (!root)
        builder_id64(b, SPANS_parent_id, 1);
    str(b, SPANS_session, "session-", 100000000000 + row / ROWS_PER_SESSION);
    str(b, SPANS_user_id, "user-", rng_below(r, 1000));
    str(b, SPANS_service, "service-", rng_below(r, 8));
    str(b, SPANS_environment, "env-", rng_below(r, 2));
    str(b, SPANS_release, "r", rng_below(r, 5));
    str(b, SPANS_name, "step-", row % ROWS_PER_TRACE);
    builder_str(b, SPANS_kind, slice_text(root ? "agent" : llm ? "llm" : "tool"));
    str(b, SPANS_provider, "provider-", rng_below(r, 3));
    str(b, SPANS_model, "model-", rng_below(r, 12));
    str(b, SPANS_model_served, "model-2026-", rng_below(r, 12));
    str(b, SPANS_prompt_name, "prompt-", rng_below(r, 20));
    str(b, SPANS_prompt_version, "v", rng_below(r, 60));
    builder_f64(b, SPANS_temperature, (double)rng_below(r, 10) / 10);
    builder_str(b, SPANS_status, slice_text(rng_below(r, 50) == 0 ? "error" : "ok"));
    builder_i64(b, SPANS_http_status, rng_below(r, 50) == 0 ? 500 : 200);
    builder_str(b, SPANS_finish_reason, slice_text(rng_below(r, 30) == 0 ? "length" : "stop"));
    builder_str(b, SPANS_error_class, slice_text(rng_below(r, 50) == 0 ? "timeout" : "none"));
    builder_i64(b, SPANS_latency_ms, (int64_t)rng_below(r, 5000000000u));
    builder_i64(b, SPANS_ttft_ms, (int64_t)rng_below(r, 900000000));
    if (llm) {
        builder_i64(b, SPANS_tokens_in, (int64_t)rng_below(r, 8000));
        builder_i64(b, SPANS_tokens_out, (int64_t)rng_below(r, 1000));
        builder_i64(b, SPANS_cost_usd, (int64_t)rng_below(r, 40000000));
    }
    str(b, SPANS_pricing_version, "2026-", rng_below(r, 2));
}

static void *payload(struct template *t, uint16_t column)
{
    return (void *)batch_vector(&t->batch, column)->i64;
}

static void template_init(struct template *t, struct schema *schema, uint32_t rows)
{
    struct rng r;
    rng_init(&r, 7);
    builder_init(&t->builder, TABLE_SPANS, schema);
    for (uint32_t i = 0; i < rows; i++)
        row_make(&t->builder, &r, i);
    t->batch = builder_batch(&t->builder);
    t->times = payload(t, SPANS_time);
    t->traces = payload(t, SPANS_trace_id);
    t->spans = payload(t, SPANS_span_id);
    t->parents = payload(t, SPANS_parent_id);
    t->sessions = batch_vector(&t->batch, SPANS_session)->dict;
}

/* New traces, spans, times and sessions. */
static void template_renew(struct template *t, uint64_t first)
{
    for (uint32_t i = 0; i < t->batch.rows; i++) {
        uint64_t n = first + i;
        uint64_t half[2] = {hash_mix(n / ROWS_PER_TRACE + 1), n / ROWS_PER_TRACE};
        memcpy(t->traces[i].bytes, half, sizeof half);
        t->spans[i] = hash_mix(n + 12345) | 1;
        t->parents[i] = i % ROWS_PER_TRACE == 0 ? 0 : t->spans[i - i % ROWS_PER_TRACE];
        t->times[i] = START_NS + (int64_t)n * 1000;
    }
    for (uint32_t code = 1; code < t->sessions->count; code++) {
        char text[32];
        struct slice value = t->sessions->values[code];
        int size = snprintf(text, sizeof text, "session-%llu",
                            100000000000 + (unsigned long long)first / ROWS_PER_SESSION + code);
        if ((size_t)size == value.size)
            memcpy((void *)value.data, text, value.size);
    }
}

/* ---- client ---- */

struct run {
    struct wire_client *client;
    int64_t *sent_ns; /* by batch_seq */
    int64_t *latencies;
    size_t latency_count;
    uint64_t settled;
};

static void on_ack(void *context, const struct wire_client_ack *ack)
{
    struct run *r = context;
    int64_t now_ns = clock_monotonic_ns();
    for (; r->settled < ack->batch_seq; r->settled++)
        r->latencies[r->latency_count++] = now_ns - r->sent_ns[r->settled + 1];
}

static void on_reject(void *context, const struct wire_client_reject *reject)
{
    (void)context;
    (void)fprintf(stderr, "bench_wire: batch %llu: %.*s\n", (unsigned long long)reject->batch_seq,
                  SLICE_ARG(reject->text));
    exit(1);
}

static void run_send(struct run *r, const struct batch *spans)
{
    struct error error = {0};
    uint64_t next =
        wire_client_stats(r->client).batches_acked + wire_client_stats(r->client).unsettled + 1;
    if (next >= BATCHES_MAX)
        exit(1);
    r->sent_ns[next] = clock_monotonic_ns();
    if (wire_client_send(r->client, &(struct wire_input){.spans = spans}, -1, NULL, &error) < 0)
        die("send", &error);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(const struct run *r, double q)
{
    if (r->latency_count == 0)
        return 0;
    return (double)r->latencies[(size_t)((double)(r->latency_count - 1) * q)] / 1e6;
}

static double cpu_s(pid_t pid)
{
    clockid_t clock;
    struct timespec t = {0};
    if (pid == 0)
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    else if (clock_getcpuclockid(pid, &clock) == 0)
        (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* spans a second at full speed (rate 0) or at a rate, durable and acknowledged at the end. */
static void measure(struct run *r, const struct options *o, pid_t server, uint32_t rows,
                    uint64_t spans, uint64_t rate, uint64_t *first)
{
    struct schema schema;
    struct template t = {0};
    struct error error = {0};
    schema_init(&schema);
    template_init(&t, &schema, rows);
    r->latency_count = 0;
    uint64_t bytes = wire_client_stats(r->client).bytes_sent;
    double cpu[2] = {cpu_s(0), cpu_s(server)};
    int64_t start_ns = clock_monotonic_ns();
    uint64_t sent = 0;
    while (sent < spans) {
        int64_t due_ns = rate == 0 ? 0 : start_ns + (int64_t)((double)sent / (double)rate * 1e9);
        while (rate != 0 && clock_monotonic_ns() < due_ns)
            if (wire_client_poll(r->client, due_ns - clock_monotonic_ns(), &error) < 0)
                die("poll", &error);
        template_renew(&t, *first);
        run_send(r, &t.batch);
        *first += rows;
        sent += rows;
    }
    if (wire_client_flush(r->client, 60 * NS_PER_S, &error) < 0)
        die("flush", &error);
    double seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    bytes = wire_client_stats(r->client).bytes_sent - bytes;
    qsort(r->latencies, r->latency_count, sizeof *r->latencies, by_value);
    (void)printf(
        "wire backend=%s rows=%u rate=%s spans/s=%.0f bytes/span=%.1f ack_ms p50=%.2f p95=%.2f "
        "p99=%.2f max=%.2f cpu client=%.2f server=%.2f us/span\n",
        o->backend != NULL ? o->backend : "auto", (unsigned)rows, rate == 0 ? "full" : "held",
        (double)sent / seconds, (double)bytes / (double)sent, percentile_ms(r, 0.5),
        percentile_ms(r, 0.95), percentile_ms(r, 0.99), percentile_ms(r, 1),
        (cpu_s(0) - cpu[0]) * 1e6 / (double)sent, (cpu_s(server) - cpu[1]) * 1e6 / (double)sent);
    (void)fflush(stdout);
    builder_deinit(&t.builder);
    schema_deinit(&schema);
}

static void options_read(struct options *o, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];
        if (strcmp(name, "--backend") == 0)
            o->backend = value;
        else if (strcmp(name, "--dir") == 0)
            o->dir = value;
        else if (strcmp(name, "--rows") == 0)
            o->rows = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(name, "--spans") == 0)
            o->spans = strtoull(value, NULL, 10);
        else if (strcmp(name, "--rate") == 0)
            o->rate = strtoull(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0)
            o->seconds = strtoull(value, NULL, 10);
    }
    if (o->rows == 0 || o->rows > BATCH_ROWS_MAX)
        o->rows = 2048;
}

int main(int argc, char **argv)
{
    struct options o = {.rows = 2048, .spans = 4000000, .rate = 200000, .seconds = 5};
    struct run r = {0};
    struct error error = {0};
    char directory[256];
    char command[300];
    uint16_t port = 0;
    uint64_t first = 0;
    options_read(&o, argc, argv);
    (void)snprintf(directory, sizeof directory, "%s/bench-wire-XXXXXX",
                   o.dir != NULL ? o.dir : "/tmp");
    if (mkdtemp(directory) == NULL)
        return 1;
    pid_t server = server_start(&o, directory, &port);
    r.sent_ns = mem_zero(BATCHES_MAX, sizeof *r.sent_ns);
    r.latencies = mem_zero(BATCHES_MAX, sizeof *r.latencies);
    if (wire_client_open(&(struct wire_client_options){.port = port,
                                                       .project = slice_text("default"),
                                                       .name = slice_text("bench_wire"),
                                                       .on_ack = on_ack,
                                                       .on_reject = on_reject,
                                                       .context = &r},
                         &r.client, &error) < 0)
        die("open", &error);
    if (o.spans > 0)
        measure(&r, &o, server, o.rows, o.spans, 0, &first);
    if (o.rate > 0 && o.seconds > 0)
        measure(&r, &o, server, 512, o.rate * o.seconds, o.rate, &first);
    wire_client_close(r.client);
    (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
    mem_free(r.sent_ns);
    mem_free(r.latencies);
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 ? 0 : 1;
}
