/*
 * race_rewrite.c - rewrites of history while a writer appends and amends, readers scan, and the store seals and merges by itself.
 *
 * Checks: no row is lost or doubled by a rewrite; once a rewrite of round k is done, every row that was acknowledged before it shows k
 *         or more; scores given meanwhile stay whole; a second rewrite at the same time is refused.
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

#define ROWS         64u /* a commit */
#define COMMITS_MAX  500u /* then only the others go on: a store that grows faster than it is rewritten never ends */
#define RUN_NS       (2 * NS_PER_S)
#define REWRITES_MIN 3u /* however long they take */
#define START_NS     (480000 * NS_PER_HOUR)

struct race {
    struct engine *engine;
    uint32_t project;
    const struct column *score;
    atomic_uint_fast64_t acked_rows;
    atomic_uint_fast64_t rewrites, refused, scans;
    atomic_bool stop;
};

static _Noreturn void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "race_rewrite: %s: %s\n", what, error == NULL ? "" : error->text);
    _exit(1);
}

static struct id128 trace_of(uint64_t n)
{
    struct id128 id;
    uint64_t half[2] = {hash_mix(n + 1), n};
    memcpy(id.bytes, half, sizeof half);
    return id;
}

/* ---- the writer: a commit of spans, with a score for each span of an earlier one ---- */

static void rows_make(struct builder *spans, struct builder *scores, uint64_t commit)
{
    uint64_t old = commit > 20 ? commit - 20 : 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        builder_row(spans);
        builder_i64(spans, SPANS_time, START_NS + (int64_t)(commit % 3) * NS_PER_HOUR + i);
        builder_id128(spans, SPANS_trace_id, trace_of(commit));
        builder_id64(spans, SPANS_span_id, i + 1);
        builder_i64(spans, SPANS_cost_usd, 3);
        if (old == 0)
            continue;
        builder_row(scores);
        builder_id128(scores, SCORES_trace_id, trace_of(old));
        builder_id64(scores, SCORES_span_id, i + 1);
        builder_str(scores, SCORES_name, slice_text("q"));
        builder_f64(scores, SCORES_value, (double)old);
    }
}

static uint64_t commit_send(struct race *r, uint64_t commit)
{
    struct builder spans, scores;
    struct append_result result;
    struct error error = {0};
    enum status s;
    builder_init(&spans, TABLE_SPANS, engine_schema(r->engine, r->project));
    builder_init(&scores, TABLE_SCORES, engine_schema(r->engine, r->project));
    rows_make(&spans, &scores, commit);
    struct batch batches[2] = {builder_batch(&spans), builder_batch(&scores)};
    const struct append a = {.project = r->project,
                             .spans = &batches[0],
                             .scores = scores.rows > 0 ? &batches[1] : NULL};
    while ((s = engine_append(r->engine, &a, &result, &error)) == STATUS_BUSY)
        (void)engine_pump(r->engine);
    if (s < 0)
        die("append", &error);
    builder_deinit(&spans);
    builder_deinit(&scores);
    return result.ticket;
}

static void pump_until(struct race *r, uint64_t ticket)
{
    while (engine_pump(r->engine) < ticket) {
        struct pollfd p = {.fd = engine_event_fd(r->engine), .events = POLLIN};
        (void)poll(&p, 1, 10);
    }
}

static void run_writer(void *context)
{
    struct race *r = context;
    for (uint64_t commit = 2; !atomic_load(&r->stop); commit++) {
        if (commit > COMMITS_MAX) {
            (void)engine_pump(r->engine);
            (void)usleep(1000);
            continue;
        }
        pump_until(r, commit_send(r, commit));
        atomic_store(&r->acked_rows, commit * ROWS);
    }
    /* Seals of others still wait for us. */
    for (int i = 0; i < 100; i++) {
        (void)engine_pump(r->engine);
        (void)usleep(10000);
    }
}

/* ---- rewrites ---- */

static enum status round_edit(void *context, const struct rewrite_rows *in, struct arena *arena,
                              struct batch_column *ret_columns, uint32_t *ret_count,
                              uint64_t *ret_changed, struct error *reterr)
{
    const int64_t *round = context;
    struct vector v = vector_null(STORAGE_I64, in->rows, arena);
    (void)reterr;
    for (uint32_t i = 0; i < in->rows; i++) {
        ((int64_t *)(uintptr_t)v.i64)[i] = *round;
        ((uint8_t *)(uintptr_t)v.valid)[i] = 1;
    }
    ret_columns[0] =
        (struct batch_column){.column = table_column(TABLE_SPANS, SPANS_tokens_out), .vector = v};
    *ret_count = 1;
    *ret_changed = in->rows;
    return STATUS_OK;
}

static enum status rewrite_try(struct race *r, int64_t round, struct error *reterr)
{
    const struct column *read = table_column(TABLE_SPANS, SPANS_time);
    const struct rewrite rewrite = {.project = r->project,
                                    .read = &read,
                                    .read_count = 1,
                                    .edit = round_edit,
                                    .context = &round};
    struct rewrite_result result;
    return engine_rewrite(r->engine, &rewrite, NULL, &result, reterr);
}

/* ---- readers ---- */

struct sums {
    uint64_t rows, scored;
    uint64_t cost;
    uint64_t at_least; /* rows of this round or a later one */
};

static struct sums scan_sums(struct race *r, int64_t round)
{
    struct sums sums = {0};
    struct error error = {0};
    struct scan *scan;
    struct scan_batch b;
    enum status s;
    const struct column *columns[3] = {table_column(TABLE_SPANS, SPANS_cost_usd), r->score,
                                       table_column(TABLE_SPANS, SPANS_tokens_out)};
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
            sums.at_least += vector_has(&b.vectors[2], i) && b.vectors[2].i64[i] >= round;
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
        die("part of a commit is visible, or a row is there twice", NULL);
    if (now->cost != 3 * now->rows)
        die("the sum is wrong", NULL);
}

static void run_reader(void *context)
{
    struct race *r = context;
    struct sums before = {0};
    while (!atomic_load(&r->stop)) {
        uint64_t acked = atomic_load(&r->acked_rows);
        struct sums now = scan_sums(r, 1);
        sums_check(&now, &before, acked);
        if (now.at_least < before.at_least)
            die("a rewrite was undone", NULL);
        before = now;
    }
}

static void run_rewriter(void *context)
{
    struct race *r = context;
    for (int64_t round = 1; !atomic_load(&r->stop); round++) {
        struct error error = {0};
        uint64_t acked = atomic_load(&r->acked_rows);
        enum status s = rewrite_try(r, round, &error);
        if (s == STATUS_BUSY)
            continue;
        if (s < 0)
            die("rewrite", &error);
        if (scan_sums(r, 1).at_least < acked)
            die("a row was not rewritten", NULL);
        atomic_fetch_add(&r->rewrites, 1);
    }
}

/* Rewrites, seals and merges at the same time as the other. */
static void run_rival(void *context)
{
    struct race *r = context;
    for (uint32_t i = 0; !atomic_load(&r->stop); i++) {
        struct error error = {0};
        struct compact_result compacted;
        enum status s = i % 2 == 0 ? rewrite_try(r, 1, &error)
                                   : engine_compact(r->engine, true, NULL, &compacted, &error);
        atomic_fetch_add(&r->refused, s == STATUS_BUSY);
        if (s < 0 && s != STATUS_BUSY)
            die("rival", &error);
        (void)usleep(30000);
    }
}

/* ---- one backend ---- */

static void run_backend(const char *backend, uint32_t maintenance_threads)
{
    struct race r = {0};
    struct error error = {0};
    struct io *io;
    char root[] = "/tmp/driftline-race-XXXXXX";
    char command[64];
    const struct engine_options options = {.head_rows_max = 2000,
                                           .maintenance_threads = maintenance_threads,
                                           .compact_every_ns = 50 * NS_PER_MS,
                                           .reserve_bytes = UINT64_MAX};
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
    pump_until(&r, commit_send(&r, 1));
    struct thread writer, reader, rewriter, rival;
    thread_start(&writer, "writer", run_writer, &r);
    thread_start(&reader, "reader", run_reader, &r);
    thread_start(&rewriter, "rewriter", run_rewriter, &r);
    thread_start(&rival, "rival", run_rival, &r);
    (void)usleep(RUN_NS / NS_PER_US);
    while (atomic_load(&r.rewrites) < REWRITES_MIN)
        (void)usleep(10000);
    atomic_store(&r.stop, true);
    thread_join(&rival);
    thread_join(&rewriter);
    thread_join(&reader);
    thread_join(&writer);
    struct sums last = scan_sums(&r, 1);
    struct sums none = {0};
    sums_check(&last, &none, atomic_load(&r.acked_rows));
    printf("%s: %llu rows, %llu rewrites, %llu refused, %llu scans\n", backend,
           (unsigned long long)last.rows, (unsigned long long)atomic_load(&r.rewrites),
           (unsigned long long)atomic_load(&r.refused), (unsigned long long)atomic_load(&r.scans));
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
