/*
 * bench_otlp.c - spans a second from request body to durable acknowledgement, with and without scorers.
 *
 *     bench_otlp [--spans 1000000] [--batch 512] [--text BYTES] [--only CASE] [--dir DIR] [--chat FILE]
 *
 * Cases: OTLP protobuf, OTLP JSON, native batches (the same rows), each with the whole enrichment and with scorers off.
 * --chat: conversations of a chat log (a JSON array) as requests with their full histories, protobuf, in place of made spans: what
 * scorers cost on real text.
 * Bodies are made before the clock runs. One thread decodes, maps, enriches and appends; a request counts once engine_pump()
 * reached its ticket. MB/s is of request bodies. "CPU us/span" is this thread's, so it says what one core can do.
 *
 * Expected without text, one core: decode 0.35 us (500 bytes at 1.5 GB/s) + map 1.2 us (13 attributes, ~60 ns each, and the
 * row) + prices, facts and scorers 0.3 us + append 0.9 us = 2.8 us, or 360 k spans/s; the goal is 250 k.
 */
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/otlp_chat.h"
#include "bench/otlp_make.h"
#include "engine/engine.h"
#include "server/dialect/mapper.h"
#include "server/ingest/ingest.h"

struct options {
    uint32_t spans;
    uint32_t batch;
    uint32_t text_bytes;
    const char *only;
    const char *chat;
    const char *dir;
};

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "bench_otlp: %s: %s\n", what, error->text);
    exit(1);
}

static int64_t thread_cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void event_wait(struct engine *e)
{
    struct pollfd p = {.fd = engine_event_fd(e), .events = POLLIN};
    (void)poll(&p, 1, 100);
}

static void durable_wait(struct engine *e, uint64_t ticket)
{
    while (engine_pump(e) < ticket)
        event_wait(e);
}

struct bodies {
    struct buffer bytes;
    size_t *ends;
    size_t ends_capacity;
    uint32_t count;
    uint64_t spans;
};

static void body_end(struct bodies *b, uint32_t spans)
{
    b->ends = mem_grow(b->ends, &b->ends_capacity, (size_t)b->count + 1, sizeof *b->ends);
    b->ends[b->count++] = b->bytes.size;
    b->spans += spans;
}

static void file_read(const char *path, struct buffer *to)
{
    struct error error = {0};
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        (void)snprintf(error.text, sizeof error.text, "%s: %m", path);
        die("chat", &error);
    }
    size_t got;
    while ((got = fread(buffer_reserve(to, 1u << 20), 1, 1u << 20, f)) > 0)
        to->size += got;
    (void)fclose(f);
}

static struct bodies bodies_of_chat(const char *path)
{
    struct bodies b = {0};
    struct buffer text = {0};
    struct chat chat = {0};
    struct error error = {0};
    uint64_t next_id = 0;
    file_read(path, &text);
    struct json j = json_over(buffer_slice(&text));
    enum json_token t = json_next(&j);
    if (t != JSON_ARRAY_BEGIN)
        die("chat", &error);
    while ((t = json_next(&j)) != JSON_ARRAY_END) {
        struct slice value = t < 0 ? SLICE_EMPTY : json_skip(&j, t);
        if (value.size == 0 || chat_parse(value, &chat, &error) < 0)
            die("chat", &error);
        body_end(&b, otlp_chat_make(&chat, &next_id, &b.bytes));
    }
    chat_deinit(&chat);
    buffer_deinit(&text);
    return b;
}

static struct bodies bodies_make(const struct options *o, bool json)
{
    struct bodies b = {0};
    if (o->chat != NULL)
        return bodies_of_chat(o->chat);
    for (uint64_t first = 0; first < o->spans; first += o->batch) {
        struct otlp_make m = {
            .json = json, .spans = o->batch, .first = first, .text_bytes = o->text_bytes};
        otlp_make(&m, &b.bytes);
        body_end(&b, o->batch);
    }
    return b;
}

struct store {
    char dir[64];
    struct io *io;
    struct engine *engine;
    uint32_t project;
    struct ingest *ingest;
};

static void store_open(struct store *s, const struct options *o, bool scorers)
{
    struct error error = {0};
    struct policy policy;
    (void)snprintf(s->dir, sizeof s->dir, "%s", "/tmp/driftline-bench-XXXXXX");
    const char *dir = o->dir != NULL ? o->dir : mkdtemp(s->dir);
    const struct engine_options options = {0};
    if (dir == NULL || io_create(dir, NULL, &s->io, NULL, &error) < 0)
        die("io", &error);
    if (engine_open(s->io, &options, &s->engine, &error) < 0 ||
        engine_project(s->engine, slice_text("default"), true, &s->project, &error) < 0)
        die("open", &error);
    if (policy_load(NULL, NULL, &policy, &error) < 0)
        die("policy", &error);
    struct enrich_settings settings = policy_detach_settings(&policy);
    settings.scorers_off = !scorers;
    s->ingest = ingest_create(s->engine, &settings);
    policy_deinit(&policy);
}

static void store_close(struct store *s, const struct options *o)
{
    ingest_destroy(s->ingest);
    engine_close(s->engine);
    io_destroy(s->io);
    if (o->dir == NULL) {
        char command[128];
        (void)snprintf(command, sizeof command, "rm -rf %s", s->dir);
        if (system(command) != 0)
            (void)fprintf(stderr, "bench_otlp: %s is left\n", s->dir);
    }
}

static void report(const char *name, bool scorers, uint64_t spans, uint64_t bytes,
                   int64_t elapsed_ns, int64_t cpu_ns)
{
    printf("%-9s %-12s %7.0f k spans/s %7.1f MB/s   %5.2f CPU us/span = %4.0f k spans/s and core\n",
           name, scorers ? "all scorers" : "no scorers", (double)spans / (double)elapsed_ns * 1e6,
           (double)bytes / (double)elapsed_ns * 1e3, (double)cpu_ns / (double)spans / 1e3,
           (double)spans / (double)cpu_ns * 1e6);
}

static void bench_requests(const struct options *o, bool json, bool scorers)
{
    struct bodies b = bodies_make(o, json);
    struct store s = {0};
    struct error error = {0};
    store_open(&s, o, scorers);
    uint64_t spans = 0;
    uint64_t ticket = 0;
    int64_t start_cpu_ns = thread_cpu_ns();
    int64_t start_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < b.count; i++) {
        size_t begin = i == 0 ? 0 : b.ends[i - 1];
        struct ingest_request request = {.project = s.project,
                                         .signal = OTLP_TRACES,
                                         .encoding = json ? OTLP_JSON : OTLP_PROTOBUF,
                                         .body = slice_of(b.bytes.data + begin, b.ends[i] - begin)};
        struct ingest_result result;
        enum status status;
        while ((status = ingest_otlp(s.ingest, &request, &result, &error)) == STATUS_BUSY) {
            (void)engine_pump(s.engine);
            event_wait(s.engine);
        }
        if (status < 0)
            die("ingest", &error);
        spans += result.accepted;
        ticket = result.ticket;
        (void)engine_pump(s.engine);
    }
    durable_wait(s.engine, ticket);
    int64_t elapsed_ns = clock_monotonic_ns() - start_ns;
    int64_t cpu_ns = thread_cpu_ns() - start_cpu_ns;
    if (spans != b.spans)
        (void)fprintf(stderr, "bench_otlp: %llu of %llu spans taken\n", (unsigned long long)spans,
                      (unsigned long long)b.spans);
    report(json ? "JSON" : "protobuf", scorers, spans, b.bytes.size, elapsed_ns, cpu_ns);
    store_close(&s, o);
    buffer_deinit(&b.bytes);
    mem_free(b.ends);
}

/* The same rows, decoded and mapped before the clock runs. */
struct collector {
    struct mapper *mapper;
    struct mapped *mapped;
};

static enum status on_span(void *context, const struct otlp_span *span, struct error *reterr)
{
    struct collector *c = context;
    return mapper_span(c->mapper, span, c->mapped, reterr);
}

static void bench_native(const struct options *o, bool scorers)
{
    struct bodies b = bodies_make(o, false);
    struct store s = {0};
    struct error error = {0};
    store_open(&s, o, scorers);
    struct mapped mapped;
    mapped_init(&mapped, engine_schema(s.engine, s.project));
    struct collector collector = {.mapper = mapper_create(NULL), .mapped = &mapped};
    struct otlp_reader *reader = otlp_reader_create();
    struct otlp_sink sink = {.span = on_span, .context = &collector};
    int64_t cpu_ns = 0;
    int64_t elapsed_ns = 0;
    uint64_t ticket = 0;
    uint64_t spans = 0;
    for (uint32_t i = 0; i < b.count; i++) {
        struct otlp_result read;
        struct append_result result;
        size_t begin = i == 0 ? 0 : b.ends[i - 1];
        mapped_reset(&mapped);
        if (otlp_read(reader, OTLP_TRACES, OTLP_PROTOBUF,
                      slice_of(b.bytes.data + begin, b.ends[i] - begin), &sink, &read, &error) < 0)
            die("read", &error);
        struct batch batch = builder_batch(&mapped.spans);
        const struct append append = {.project = s.project,
                                      .spans = &batch,
                                      .messages = mapped.messages.messages,
                                      .message_count = mapped.messages.count};
        int64_t start_ns = clock_monotonic_ns();
        int64_t start_cpu_ns = thread_cpu_ns();
        enum status status;
        while ((status = ingest_append(s.ingest, &append, &result, &error)) == STATUS_BUSY) {
            (void)engine_pump(s.engine);
            event_wait(s.engine);
        }
        if (status < 0)
            die("append", &error);
        spans += result.spans;
        ticket = result.ticket;
        (void)engine_pump(s.engine);
        if (i + 1 == b.count)
            durable_wait(s.engine, ticket);
        elapsed_ns += clock_monotonic_ns() - start_ns;
        cpu_ns += thread_cpu_ns() - start_cpu_ns;
    }
    report("native", scorers, spans, b.bytes.size, elapsed_ns, cpu_ns);
    mapped_deinit(&mapped);
    mapper_destroy(collector.mapper);
    otlp_reader_destroy(reader);
    store_close(&s, o);
    buffer_deinit(&b.bytes);
    mem_free(b.ends);
}

static struct options options_parse(int argc, char **argv)
{
    struct options o = {.spans = 1000000, .batch = 512};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--spans") == 0)
            o.spans = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--batch") == 0)
            o.batch = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--text") == 0)
            o.text_bytes = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0)
            o.only = argv[i + 1];
        else if (strcmp(argv[i], "--chat") == 0)
            o.chat = argv[i + 1];
        else if (strcmp(argv[i], "--dir") == 0)
            o.dir = argv[i + 1];
    }
    if (o.batch == 0 || o.batch > INGEST_CHUNK_ROWS)
        o.batch = 512;
    return o;
}

static bool wanted(const struct options *o, const char *name)
{
    return o->only == NULL || strcmp(o->only, name) == 0;
}

int main(int argc, char **argv)
{
    struct options o = options_parse(argc, argv);
    for (int scorers = 0; scorers < 2; scorers++) {
        if (wanted(&o, "protobuf"))
            bench_requests(&o, false, scorers != 0);
        if (wanted(&o, "json") && o.chat == NULL)
            bench_requests(&o, true, scorers != 0);
        if (wanted(&o, "native"))
            bench_native(&o, scorers != 0);
    }
    return 0;
}
