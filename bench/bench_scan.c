/*
 * bench_scan.c - reading a store in process: columns, ranges, one trace, one session, opening.
 *
 *     bench_scan [--spans 2000000] [--rounds 5] [--dir DIR]
 *
 * Fills a store (reused when DIR has one), seals and merges it, reopens it and prints what each kind of read takes. Times are the
 * best of the rounds: everything is in the page cache. Expected on one core: about 1 ns a row for a
 * number column, below 1 ms for a trace with six columns, below 2 ms for a session, 100 ms to open 10 M spans.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/rng.h"
#include "engine/engine.h"

#define START_NS   (490000 * NS_PER_HOUR)
#define BATCH_ROWS 8192u
#define SPACING_NS 2000000 /* 500 spans a second */

struct bench {
    struct engine *engine;
    uint32_t project;
    uint64_t spans;
    uint32_t rounds;
};

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "bench_scan: %s: %s\n", what, error->text);
    exit(1);
}

static struct id128 trace_of(uint64_t n)
{
    struct id128 id;
    uint64_t half[2] = {hash_mix(n + 1), n};
    memcpy(id.bytes, half, sizeof half);
    return id;
}

static void str(struct builder *b, uint16_t column, const char *format, uint64_t n)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s%u", format, (unsigned)n);
    builder_str(b, column, slice_text(text));
}

static void span_make(struct builder *b, struct rng *r, uint64_t n)
{
    bool llm = n % 4 == 1;
    builder_row(b);
    builder_i64(b, SPANS_time, START_NS + (int64_t)n * SPACING_NS);
    builder_id128(b, SPANS_trace_id, trace_of(n / 8));
    builder_id64(b, SPANS_span_id, hash_mix(n + 99) | 1);
    if (n % 8 != 0)
        builder_id64(b, SPANS_parent_id, hash_mix(n - n % 8 + 99) | 1);
    str(b, SPANS_session, "session-", n / 40);
    str(b, SPANS_service, "service-", rng_below(r, 8));
    builder_str(b, SPANS_kind, slice_text(llm ? "llm" : n % 8 == 0 ? "agent" : "tool"));
    str(b, SPANS_model, "model-", rng_below(r, 12));
    str(b, SPANS_prompt_version, "v", rng_below(r, 60));
    builder_str(b, SPANS_error_class, slice_text(rng_below(r, 50) == 0 ? "timeout" : "none"));
    builder_i64(b, SPANS_latency_ms, (int64_t)rng_below(r, 5000000000u));
    if (!llm)
        return;
    builder_i64(b, SPANS_tokens_in, (int64_t)rng_below(r, 8000));
    builder_i64(b, SPANS_cost_usd, (int64_t)rng_below(r, 40000000));
}

static void store_fill(struct bench *b)
{
    struct rng r;
    struct builder rows;
    struct error error = {0};
    struct append_result result;
    rng_init(&r, 7);
    builder_init(&rows, TABLE_SPANS, engine_schema(b->engine, b->project));
    for (uint64_t n = 0; n < b->spans;) {
        builder_reset(&rows);
        for (uint32_t i = 0; i < BATCH_ROWS && n < b->spans; i++, n++)
            span_make(&rows, &r, n);
        struct batch batch = builder_batch(&rows);
        const struct append a = {.project = b->project, .spans = &batch};
        enum status s;
        while ((s = engine_append(b->engine, &a, &result, &error)) == STATUS_BUSY) {
            (void)engine_pump(b->engine);
            (void)usleep(1000);
        }
        if (s < 0 || engine_wait(b->engine, result.ticket, 60 * NS_PER_S, &error) < 0)
            die("append", &error);
    }
    builder_deinit(&rows);
    struct compact_result compacted;
    if (engine_seal(b->engine, &error) < 0 ||
        engine_compact(b->engine, true, NULL, &compacted, &error) < 0)
        die("seal and merge", &error);
}

struct question {
    const char *name;
    const char *columns[8];
    struct scan_filter filter; /* column NULL: none */
    int64_t from_ns;
    int64_t until_ns;
};

static struct scan_stats read_all(struct bench *b, const struct question *q, int64_t *ret_ns,
                                  uint64_t *ret_sum)
{
    const struct column *columns[8];
    uint32_t count = 0;
    struct error error = {0};
    struct scan *scan;
    struct scan_batch batch;
    for (; count < 8 && q->columns[count] != NULL; count++)
        columns[count] = table_column_by_name(TABLE_SPANS, slice_text(q->columns[count]));
    int64_t start_ns = clock_monotonic_ns();
    const struct scan_options o = {.project = b->project,
                                   .table = TABLE_SPANS,
                                   .from_ns = q->from_ns,
                                   .until_ns = q->until_ns,
                                   .columns = columns,
                                   .column_count = count,
                                   .filters = &q->filter,
                                   .filter_count = q->filter.column != NULL};
    if (scan_open(b->engine, &o, &scan, &error) < 0)
        die("scan", &error);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &batch, &error) == STATUS_OK) {
        if (count > 0 && columns[0]->storage == STORAGE_I64) {
            for (uint32_t i = 0; i < batch.rows; i++)
                *ret_sum += (uint64_t)batch.vectors[0].i64[i];
        }
    }
    struct scan_stats stats = scan_stats(scan);
    scan_reader_destroy(reader);
    scan_close(scan);
    *ret_ns = clock_monotonic_ns() - start_ns;
    return stats;
}

static void ask(struct bench *b, const struct question *q)
{
    int64_t best_ns = INT64_MAX;
    uint64_t sum = 0;
    struct scan_stats stats = {0};
    for (uint32_t i = 0; i < b->rounds; i++) {
        int64_t ns;
        stats = read_all(b, q, &ns, &sum);
        best_ns = ns < best_ns ? ns : best_ns;
    }
    printf("%-34s %9.3f ms %10llu rows %6llu blocks %6llu skipped", q->name, (double)best_ns / 1e6,
           (unsigned long long)stats.rows, (unsigned long long)stats.blocks,
           (unsigned long long)stats.blocks_skipped);
    if (stats.rows > 100000)
        printf("  %6.2f ns/row", (double)best_ns / (double)stats.rows);
    printf("\n");
}

static void ask_all(struct bench *b)
{
    const struct id128 trace = trace_of(b->spans / 16);
    const struct slice trace_bytes = slice_of(trace.bytes, sizeof trace);
    char session[32];
    (void)snprintf(session, sizeof session, "session-%u", (unsigned)(b->spans / 80));
    const struct slice session_text = slice_text(session);
    const struct slice version = slice_text("v17");
    const struct column *ids[3] = {table_column(TABLE_SPANS, SPANS_trace_id),
                                   table_column(TABLE_SPANS, SPANS_session),
                                   table_column(TABLE_SPANS, SPANS_prompt_version)};
    int64_t hour = START_NS + (int64_t)(b->spans / 2) * SPACING_NS;
    const struct question questions[] = {
        {.name = "count only", .columns = {NULL}},
        {.name = "time", .columns = {"time"}},
        {.name = "latency_ms", .columns = {"latency_ms"}},
        {.name = "cost_usd, a quarter NULL", .columns = {"cost_usd"}},
        {.name = "latency_ms, prompt_version", .columns = {"latency_ms", "prompt_version"}},
        {.name = "five dictionary columns",
         .columns = {"service", "model", "kind", "prompt_version", "error_class"}},
        {.name = "latency_ms of an hour",
         .columns = {"latency_ms"},
         .from_ns = hour,
         .until_ns = hour + NS_PER_HOUR},
        {.name = "a prompt version",
         .columns = {"latency_ms"},
         .filter = {.column = ids[2], .op = SCAN_EQ, .count = 1, .bytes = &version}},
        {.name = "a trace, six columns",
         .columns = {"time", "span_id", "parent_id", "model", "kind", "latency_ms"},
         .filter = {.column = ids[0], .op = SCAN_EQ, .count = 1, .bytes = &trace_bytes}},
        {.name = "a session, six columns",
         .columns = {"time", "span_id", "parent_id", "model", "kind", "latency_ms"},
         .filter = {.column = ids[1], .op = SCAN_EQ, .count = 1, .bytes = &session_text}},
    };
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        ask(b, &questions[i]);
}

int main(int argc, char **argv)
{
    struct bench b = {.spans = 2000000, .rounds = 5};
    const char *dir = NULL;
    char made[] = "/tmp/driftline-bench-XXXXXX";
    struct error error = {0};
    struct io *io;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--spans") == 0)
            b.spans = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0)
            b.rounds = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--dir") == 0)
            dir = argv[i + 1];
    }
    bool own = dir == NULL;
    if (own && (dir = mkdtemp(made)) == NULL)
        return 1;
    const struct engine_options options = {.reserve_bytes = UINT64_MAX};
    if (io_create(dir, NULL, &io, NULL, &error) < 0 ||
        engine_open(io, &options, &b.engine, &error) < 0 ||
        engine_project(b.engine, slice_text("default"), true, &b.project, &error) < 0)
        die("open", &error);
    int64_t start_ns = clock_monotonic_ns();
    if (engine_health(b.engine).segments == 0) {
        store_fill(&b);
        printf("filled, sealed and merged in %.1f s\n",
               (double)(clock_monotonic_ns() - start_ns) / 1e9);
    }
    struct engine_health h = engine_health(b.engine);
    printf("%llu segments, %.1f bytes a span\n", (unsigned long long)h.segments,
           (double)h.segment_bytes / (double)b.spans);
    engine_close(b.engine);
    start_ns = clock_monotonic_ns();
    if (engine_open(io, &options, &b.engine, &error) < 0)
        die("open", &error);
    printf("opened in %.1f ms\n", (double)(clock_monotonic_ns() - start_ns) / 1e6);
    ask_all(&b);
    engine_close(b.engine);
    io_destroy(io);
    if (!own)
        return 0;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0;
}
