/*
 * race_engine.c - one writer, readers, seals, merges and onlookers on one store, for ThreadSanitizer.
 *
 * Checks: a scan sees at least what was acknowledged before it began, whole commits only, and never less than the scan
 *         before it; sums agree with counts; scores given to a whole commit later are seen for all of it or none.
 * Bounds: a few seconds a backend. Exits 1 on the first violation.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/thread.h"
#include "engine/engine.h"

#define ROWS     64u /* a commit */
#define RUN_NS   (4 * NS_PER_S)
#define START_NS (480000 * NS_PER_HOUR)

struct race {
    struct engine *engine;
    uint32_t project;
    const struct column *score;
    atomic_uint_fast64_t acked_rows;
    atomic_uint_fast64_t scans;
    atomic_bool stop;
};

static _Noreturn void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "race_engine: %s: %s\n", what, error == NULL ? "" : error->text);
    _exit(1);
}

static struct id128 trace_of(uint64_t n)
{
    struct id128 id;
    uint64_t half[2] = {hash_mix(n + 1), n};
    memcpy(id.bytes, half, sizeof half);
    return id;
}

/* ---- the writer ---- */

static void spans_make(struct builder *b, uint64_t commit)
{
    char text[32];
    for (uint32_t i = 0; i < ROWS; i++) {
        builder_row(b);
        builder_i64(b, SPANS_time, START_NS + (int64_t)(commit % 3) * NS_PER_HOUR + i);
        builder_id128(b, SPANS_trace_id, trace_of(commit));
        builder_id64(b, SPANS_span_id, i + 1);
        if (i > 0)
            builder_id64(b, SPANS_parent_id, 1);
        (void)snprintf(text, sizeof text, "session-%u", (unsigned)(commit % 10));
        builder_str(b, SPANS_session, slice_text(text));
        builder_i64(b, SPANS_cost_usd, 3);
    }
}

static void scores_make(struct builder *b, uint64_t commit)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        builder_row(b);
        builder_id128(b, SCORES_trace_id, trace_of(commit));
        builder_id64(b, SCORES_span_id, i + 1);
        builder_str(b, SCORES_name, slice_text("q"));
        builder_f64(b, SCORES_value, (double)commit);
    }
}

static uint64_t commit_send(struct race *r, uint64_t commit)
{
    struct builder spans, scores;
    struct append_result result;
    struct error error = {0};
    enum status s;
    char body[32];
    (void)snprintf(body, sizeof body, "{\"n\":%u}", (unsigned)commit);
    const struct message m = {.address = hash128(slice_text(body)), .body = slice_text(body)};
    builder_init(&spans, TABLE_SPANS, engine_schema(r->engine, r->project));
    builder_init(&scores, TABLE_SCORES, engine_schema(r->engine, r->project));
    spans_make(&spans, commit);
    /* Of a commit long ago: in a head, in a segment or in the middle of a merge. */
    uint64_t old = commit > 40 ? commit - 40 : commit > 1 ? commit - 1 : 0;
    if (old != 0)
        scores_make(&scores, old);
    struct batch batches[2] = {builder_batch(&spans), builder_batch(&scores)};
    const struct append a = {.project = r->project,
                             .spans = &batches[0],
                             .scores = old != 0 ? &batches[1] : NULL,
                             .messages = &m,
                             .message_count = 1};
    while ((s = engine_append(r->engine, &a, &result, &error)) == STATUS_BUSY)
        (void)engine_pump(r->engine);
    if (s < 0)
        die("append", &error);
    builder_deinit(&spans);
    builder_deinit(&scores);
    return result.ticket;
}

static void run_writer(void *context)
{
    struct race *r = context;
    uint64_t tickets[8];
    uint64_t sent = 0;
    uint64_t acked = 0;
    while (!atomic_load(&r->stop)) {
        tickets[sent % 8] = commit_send(r, sent + 1);
        sent++;
        do {
            uint64_t durable = engine_pump(r->engine);
            while (acked < sent && tickets[acked % 8] <= durable)
                acked++;
            atomic_store(&r->acked_rows, acked * ROWS);
            if (sent - acked < 8)
                break;
            struct pollfd p = {.fd = engine_event_fd(r->engine), .events = POLLIN};
            (void)poll(&p, 1, 10);
        } while (true);
    }
    struct error error = {0};
    if (engine_wait(r->engine, tickets[(sent - 1) % 8], 10 * NS_PER_S, &error) < 0)
        die("wait", &error);
    atomic_store(&r->acked_rows, sent * ROWS);
    /* Seals still wait for us. */
    for (int i = 0; i < 20; i++) {
        (void)engine_pump(r->engine);
        (void)usleep(10000);
    }
}

/* ---- readers ---- */

struct sums {
    uint64_t rows;
    uint64_t cost;
    uint64_t scored;
};

static struct sums scan_sums(struct race *r)
{
    struct sums sums = {0};
    struct error error = {0};
    struct scan *scan;
    struct scan_batch b;
    enum status s;
    const struct column *columns[3] = {table_column(TABLE_SPANS, SPANS_cost_usd), r->score,
                                       table_column(TABLE_SPANS, SPANS_error_class)};
    const struct scan_options o = {
        .project = r->project, .table = TABLE_SPANS, .columns = columns, .column_count = 3};
    if (scan_open(r->engine, &o, &scan, &error) < 0)
        die("scan", &error);
    struct scan_reader *reader = scan_reader_create(scan);
    while ((s = scan_next(reader, &b, &error)) == STATUS_OK) {
        sums.rows += b.rows;
        for (uint32_t i = 0; i < b.rows; i++) {
            sums.cost += (uint64_t)b.vectors[0].i64[i];
            sums.scored += vector_has(&b.vectors[1], i);
            if (!slice_is(vector_bytes(&b.vectors[2], i), "none"))
                die("a class nobody gave", NULL);
        }
    }
    if (s < 0 || scan_damage(scan) != NULL)
        die("scan", s < 0 ? &error : scan_damage(scan));
    scan_reader_destroy(reader);
    scan_close(scan);
    atomic_fetch_add(&r->scans, 1);
    return sums;
}

static void sums_check(const struct sums *now, const struct sums *before, uint64_t acked)
{
    if (now->rows < acked)
        die("acknowledged rows are missing", NULL);
    if (now->rows < before->rows || now->scored < before->scored)
        die("rows or scores went away", NULL);
    if (now->rows % ROWS != 0 || now->scored % ROWS != 0)
        die("part of a commit is visible", NULL);
    if (now->cost != 3 * now->rows)
        die("the sum is wrong", NULL);
}

static void run_reader(void *context)
{
    struct race *r = context;
    struct sums before = {0};
    while (!atomic_load(&r->stop)) {
        uint64_t acked = atomic_load(&r->acked_rows);
        struct sums now = scan_sums(r);
        sums_check(&now, &before, acked);
        before = now;
    }
}

static void segment_ignore(void *context, const struct segment_info *s)
{
    (void)context;
    (void)s;
}

static void run_onlooker(void *context)
{
    struct race *r = context;
    struct arena arena = {0};
    const struct id128 first = hash128(slice_text("{\"n\":1}"));
    for (uint32_t round = 0; !atomic_load(&r->stop); round++) {
        struct error error = {0};
        struct compact_result compacted;
        struct slice text = SLICE_EMPTY;
        (void)engine_health(r->engine);
        (void)!engine_segments(r->engine, true, segment_ignore, NULL, NULL);
        if (engine_messages_text(r->engine, r->project, slice_of(first.bytes, sizeof first), &arena,
                                 &text, &error) < 0)
            die("text", &error);
        arena_reset(&arena);
        if (engine_seal(r->engine, &error) < 0 && !atomic_load(&r->stop))
            die("seal", &error);
        if (round % 4 == 3 && engine_compact(r->engine, true, NULL, &compacted, &error) < 0)
            die("merge", &error);
        (void)usleep(20000);
    }
    arena_deinit(&arena);
}

/* ---- one backend ---- */

static void log_line(void *context, const char *level, const char *text)
{
    (void)context;
    if (strcmp(level, "info") != 0)
        (void)fprintf(stderr, "%s: %s\n", level, text);
}

static void run_backend(const char *backend, uint32_t maintenance_threads)
{
    struct race r = {0};
    struct error error = {0};
    struct io *io;
    char root[] = "/tmp/driftline-race-XXXXXX";
    char command[64];
    const struct engine_options options = {.head_rows_max = 4000,
                                           .maintenance_threads = maintenance_threads,
                                           .compact_every_ns = 50 * NS_PER_MS,
                                           .reserve_bytes = UINT64_MAX,
                                           .log = log_line};
    if (mkdtemp(root) == NULL)
        die("mkdtemp", NULL);
    if (io_create(root, backend, &io, NULL, &error) < 0) {
        printf("%s: not available here: %s\n", backend, error.text);
        (void)rmdir(root);
        return;
    }
    if (engine_open(io, &options, &r.engine, &error) < 0 ||
        engine_project(r.engine, slice_text("default"), true, &r.project, &error) < 0 ||
        schema_add_score(engine_schema(r.engine, r.project), slice_text("score.q"), &r.score,
                         &error) < 0)
        die("open", &error);
    struct thread writer, readers[2], onlooker;
    (void)commit_send(&r, 1); /* so that there is something to look at */
    if (engine_wait(r.engine, 1, 10 * NS_PER_S, &error) < 0)
        die("wait", &error);
    thread_start(&writer, "writer", run_writer, &r);
    thread_start(&readers[0], "reader0", run_reader, &r);
    thread_start(&readers[1], "reader1", run_reader, &r);
    thread_start(&onlooker, "onlooker", run_onlooker, &r);
    (void)usleep(RUN_NS / NS_PER_US);
    atomic_store(&r.stop, true);
    thread_join(&onlooker);
    thread_join(&readers[0]);
    thread_join(&readers[1]);
    thread_join(&writer);
    struct sums last = scan_sums(&r);
    struct sums none = {0};
    sums_check(&last, &none, atomic_load(&r.acked_rows));
    printf("%s: %llu rows, %llu scored, %llu scans\n", backend, (unsigned long long)last.rows,
           (unsigned long long)last.scored, (unsigned long long)atomic_load(&r.scans));
    engine_close(r.engine);
    io_destroy(io);
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    if (system(command) != 0)
        die("cleaning up", NULL);
}

int main(void)
{
    run_backend("posix", 1);
    run_backend("uring", 2);
    return 0;
}
