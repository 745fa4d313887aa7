/*
 * bench_ingest.c - spans a second into the store, in process: durable, visible, acknowledged.
 *
 *     bench_ingest [--backend uring|posix] [--rows 2048] [--spans 4000000] [--in-flight 8] [--dir DIR]
 *
 * Spans have 27 columns, 8 a trace, 4 traces a session; ids and times are new in every batch, the rest repeats. The time
 * to make a batch is measured apart and not counted. An acknowledgement is engine_pump() reaching the ticket.
 * Prints one line: spans/s, bytes of log a span, and percentiles of append -> acknowledgement. Expected on 2 cores: 1.5 M
 * spans/s; the seal thread works meanwhile.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "engine/engine.h"

#define START_NS (490000 * NS_PER_HOUR)

struct options {
    const char *backend;
    const char *dir;
    uint32_t rows;
    uint64_t spans;
    uint32_t in_flight;
};

/* A batch whose ids are rewritten in place. */
struct template
{
    struct builder builder;
    struct batch batch;
    int64_t *times;
    struct id128 *traces;
    uint64_t *spans;
    uint64_t *parents;
    uint32_t *sessions;
};

static void str(struct builder *b, uint16_t column, const char *format, uint64_t n)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s%u", format, (unsigned)n);
    builder_str(b, column, slice_text(text));
}

static void row_make(struct builder *b, struct rng *r, uint32_t row)
{
    bool root = row % 8 == 0;
    bool llm = row % 8 == 2 || row % 8 == 5;
    builder_row(b);
    builder_i64(b, SPANS_time, 1);
    builder_id128(b, SPANS_trace_id, (struct id128){{1}});
    builder_id64(b, SPANS_span_id, 1);
    if (!root)
        builder_id64(b, SPANS_parent_id, 1);
    str(b, SPANS_session, "session-", row / 32);
    str(b, SPANS_user_id, "user-", rng_below(r, 1000));
    str(b, SPANS_service, "service-", rng_below(r, 8));
    str(b, SPANS_environment, "env-", rng_below(r, 2));
    str(b, SPANS_release, "r", rng_below(r, 5));
    str(b, SPANS_name, "step-", row % 8);
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
}

/* New traces, spans and times. */
static void template_renew(struct template *t, uint64_t first)
{
    for (uint32_t i = 0; i < t->batch.rows; i++) {
        uint64_t n = first + i;
        uint64_t half[2] = {hash_mix(n / 8 + 1), n / 8};
        memcpy(t->traces[i].bytes, half, sizeof half);
        t->spans[i] = hash_mix(n + 12345) | 1;
        t->parents[i] = i % 8 == 0 ? 0 : t->spans[i - i % 8];
        t->times[i] = START_NS + (int64_t)n * 1000;
    }
}

struct ack {
    uint64_t ticket;
    int64_t since_ns;
};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct run {
    struct engine *engine;
    struct ack *acks;
    size_t ack_first;
    size_t ack_count;
    int64_t *latencies;
    size_t latency_capacity;
    size_t latency_count;
};

static void acks_collect(struct run *r)
{
    uint64_t durable = engine_pump(r->engine);
    int64_t now_ns = clock_monotonic_ns();
    while (r->ack_first < r->ack_count && r->acks[r->ack_first].ticket <= durable) {
        r->latencies = mem_grow(r->latencies, &r->latency_capacity, r->latency_count + 1,
                                sizeof *r->latencies);
        r->latencies[r->latency_count++] = now_ns - r->acks[r->ack_first++].since_ns;
    }
}

static void event_wait(struct run *r)
{
    struct pollfd p = {.fd = engine_event_fd(r->engine), .events = POLLIN};
    (void)poll(&p, 1, 100);
}

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "bench_ingest: %s: %s\n", what, error->text);
    exit(1);
}

/* What this thread has used; says more than elapsed time on a machine that others use too. */
static int64_t thread_cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static void bench(const struct options *o, struct engine *engine, uint32_t project)
{
    struct template t = {0};
    struct run r = {.engine = engine};
    struct error error = {0};
    template_init(&t, engine_schema(engine, project), o->rows);
    r.acks = mem_zero(o->spans / o->rows + 2, sizeof *r.acks);
    int64_t making_ns = 0;
    int64_t making_cpu_ns = 0;
    int64_t start_cpu_ns = thread_cpu_ns();
    uint64_t busy = 0;
    int64_t start_ns = clock_monotonic_ns();
    for (uint64_t done = 0; done < o->spans; done += o->rows) {
        int64_t make_ns = clock_monotonic_ns();
        int64_t make_cpu_ns = thread_cpu_ns();
        template_renew(&t, done);
        making_cpu_ns += thread_cpu_ns() - make_cpu_ns;
        int64_t now_ns = clock_monotonic_ns();
        making_ns += now_ns - make_ns;
        const struct append a = {.project = project, .spans = &t.batch};
        struct append_result result;
        enum status s;
        while ((s = engine_append(engine, &a, &result, &error)) == STATUS_BUSY) {
            busy++;
            acks_collect(&r);
            event_wait(&r);
        }
        if (s < 0)
            die("append", &error);
        if (result.spans != o->rows) {
            (void)snprintf(error.text, sizeof error.text, "%u of %u spans taken", result.spans,
                           o->rows);
            die("append", &error);
        }
        r.acks[r.ack_count++] = (struct ack){.ticket = result.ticket, .since_ns = now_ns};
        acks_collect(&r);
        while (r.ack_count - r.ack_first > o->in_flight) {
            event_wait(&r);
            acks_collect(&r);
        }
    }
    while (r.ack_first < r.ack_count) {
        event_wait(&r);
        acks_collect(&r);
    }
    int64_t elapsed_ns = clock_monotonic_ns() - start_ns - making_ns;
    int64_t cpu_ns = thread_cpu_ns() - start_cpu_ns - making_cpu_ns;
    struct engine_health h = engine_health(engine);
    uint64_t spans = r.ack_count * (uint64_t)o->rows;
    qsort(r.latencies, r.latency_count, sizeof *r.latencies, by_value);
    printf(
        "%-8s %6u rows/batch %4.2f M spans/s, writer %4.0f CPU ns/span, %5.1f log bytes/span %6llu commits  ack p50 %.2f "
        "p90 %.2f p99 %.2f max %.2f ms  busy %llu  segments %llu\n",
        h.io, o->rows, (double)spans / (double)elapsed_ns * 1e3, (double)cpu_ns / (double)spans,
        (double)h.wal_bytes / (double)spans, (unsigned long long)h.commits,
        ms(r.latencies[r.latency_count / 2]), ms(r.latencies[r.latency_count * 9 / 10]),
        ms(r.latencies[r.latency_count * 99 / 100]), ms(r.latencies[r.latency_count - 1]),
        (unsigned long long)busy, (unsigned long long)h.segments);
    builder_deinit(&t.builder);
    mem_free(r.acks);
    mem_free(r.latencies);
}

static void log_line(void *context, const char *level, const char *text)
{
    (void)context;
    (void)fprintf(stderr, "%s: %s\n", level, text);
}

static struct options options_parse(int argc, char **argv)
{
    struct options o = {.rows = 2048, .spans = 4000000, .in_flight = 8};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--backend") == 0)
            o.backend = argv[i + 1];
        else if (strcmp(argv[i], "--dir") == 0)
            o.dir = argv[i + 1];
        else if (strcmp(argv[i], "--rows") == 0)
            o.rows = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--spans") == 0)
            o.spans = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--in-flight") == 0)
            o.in_flight = (uint32_t)strtoul(argv[i + 1], NULL, 10);
    }
    if (o.rows == 0 || o.rows > BATCH_ROWS_MAX)
        o.rows = 2048;
    return o;
}

int main(int argc, char **argv)
{
    struct options o = options_parse(argc, argv);
    struct error error = {0};
    struct io *io;
    struct engine *engine;
    uint32_t project;
    char made[] = "/tmp/driftline-bench-XXXXXX";
    const char *dir = o.dir != NULL ? o.dir : mkdtemp(made);
    if (dir == NULL || io_create(dir, o.backend, &io, NULL, &error) < 0)
        die("io", &error);
    const struct engine_options options = {.log = log_line};
    if (engine_open(io, &options, &engine, &error) < 0)
        die("open", &error);
    if (engine_project(engine, slice_text("default"), true, &project, &error) < 0)
        die("project", &error);
    bench(&o, engine, project);
    engine_close(engine);
    io_destroy(io);
    if (o.dir == NULL) {
        char command[128];
        (void)snprintf(command, sizeof command, "rm -rf %s", dir);
        return system(command) != 0;
    }
    return 0;
}
