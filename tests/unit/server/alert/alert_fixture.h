/*
 * alert_fixture.h - a store with a query engine and a control file, and a receiver of webhooks, for alert tests.
 */
#ifndef DRIFTLINE_TESTS_ALERT_FIXTURE_H
#define DRIFTLINE_TESTS_ALERT_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "server/alert/alert.h"
#include "server/alert/alert_store.h"

struct fixture {
    char root[64];
    struct io *io;
    struct engine *engine;
    struct query_db *db;
    struct control *control;
    uint32_t project;
    uint64_t spans;
};

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct error error = {0};                                                                  \
        enum status must_ = (call);                                                                \
        cr_assert(must_ >= 0, "%s: %s", #call, error.text);                                        \
    } while (0)

static inline void fixture_path(const struct fixture *f, const char *name, char to[128])
{
    (void)snprintf(to, 128, "%s/%s", f->root, name);
}

static inline void fixture_control_open(struct fixture *f)
{
    char path[128];
    fixture_path(f, "control.db", path);
    MUST(control_open(path, &f->control, &error));
    MUST(alert_store_schema(f->control, &error));
}

static inline void fixture_init(struct fixture *f)
{
    const struct engine_options options = {.maintenance_threads = UINT32_MAX,
                                           .wal_file_bytes = 256 << 10,
                                           .reserve_bytes = UINT64_MAX};
    *f = (struct fixture){.root = "/tmp/driftline-alert-XXXXXX"};
    cr_assert(mkdtemp(f->root) != NULL);
    f->io = io_sim_create(1);
    MUST(engine_open(f->io, &options, &f->engine, &error));
    MUST(engine_project(f->engine, slice_text("default"), true, &f->project, &error));
    f->db = query_db_create(f->engine);
    fixture_control_open(f);
    MUST(alert_tables_add(f->db, f->control, &error));
}

/* The control file is closed and opened again, as by the next process. */
static inline void fixture_restart(struct fixture *f)
{
    query_db_destroy(f->db);
    control_close(f->control);
    fixture_control_open(f);
    f->db = query_db_create(f->engine);
    MUST(alert_tables_add(f->db, f->control, &error));
}

static inline void fixture_deinit(struct fixture *f)
{
    char command[128];
    query_db_destroy(f->db);
    control_close(f->control);
    engine_close(f->engine);
    io_destroy(f->io);
    (void)snprintf(command, sizeof command, "rm -rf %s", f->root);
    cr_assert(system(command) == 0);
}

/* One span now; latency and score as given. */
static inline void fixture_span(struct fixture *f, const char *version, double latency_ms,
                                double score)
{
    struct builder b;
    uint64_t number = ++f->spans;
    struct id128 trace = {{0}};
    uint64_t mixed = hash_mix(number);
    const struct column *column = NULL;
    struct append_result result;
    memcpy(trace.bytes, &mixed, sizeof mixed);
    MUST(schema_add_score(engine_schema(f->engine, f->project), slice_text("score.groundedness"),
                          &column, &error));
    builder_init(&b, TABLE_SPANS, engine_schema(f->engine, f->project));
    builder_row(&b);
    builder_i64(&b, SPANS_time, clock_wall_ns());
    builder_id128(&b, SPANS_trace_id, trace);
    builder_id64(&b, SPANS_span_id, number);
    builder_str(&b, SPANS_prompt_version, slice_text(version));
    builder_i64(&b, SPANS_latency_ms, (int64_t)(latency_ms * 1e6));
    builder_f64(&b, column->id, score);
    struct batch batch = builder_batch(&b);
    struct append append = {.project = f->project, .spans = &batch};
    MUST(engine_append(f->engine, &append, &result, &error));
    MUST(engine_wait(f->engine, result.ticket, 10 * NS_PER_S, &error));
    builder_deinit(&b);
}

/* The single cell of a query over the fixture, as text; valid until the next call. */
static inline const char *fixture_ask(struct fixture *f, const char *text)
{
    static char answer[4096];
    const struct query_options options = {.project = f->project};
    struct query_result *result = NULL;
    struct buffer cell = {0};
    MUST(query_run(f->db, slice_text(text), &options, &result, &error));
    cr_assert(result->row_count == 1 && result->column_count == 1, "%s: %d rows", text,
              (int)result->row_count);
    if (!query_value_text(&result->cells[0], &cell))
        buffer_add_text(&cell, "null");
    (void)snprintf(answer, sizeof answer, "%.*s", SLICE_ARG(buffer_slice(&cell)));
    buffer_deinit(&cell);
    query_result_destroy(result);
    return answer;
}

/* Waits until the query says that, at most half a minute. */
static inline void fixture_await(struct fixture *f, const char *text, const char *expected)
{
    for (int i = 0; i < 3000; i++) {
        if (strcmp(fixture_ask(f, text), expected) == 0)
            return;
        (void)usleep(10000);
    }
    cr_assert(false, "%s: still %s, not %s", text, fixture_ask(f, text), expected);
}

static inline void fixture_file(struct fixture *f, const char *name, const char *text,
                                char path[128])
{
    fixture_path(f, name, path);
    FILE *file = fopen(path, "we");
    cr_assert(file != NULL);
    cr_assert(fputs(text, file) >= 0);
    cr_assert(fclose(file) == 0);
}

#endif
