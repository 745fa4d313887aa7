/*
 * engine_fixture.h - a store for tests: on simulated or real files, filled by short calls, read cell by cell.
 */
#ifndef DRIFTLINE_TESTS_ENGINE_FIXTURE_H
#define DRIFTLINE_TESTS_ENGINE_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/limits.h"
#include "engine/engine.h"

#define HOUR0 (480000 * NS_PER_HOUR) /* 2024-10-04: where test data begins */

struct store {
    struct io *io;
    char root[64]; /* "": simulated */
    struct engine_options options;
    struct engine *engine;
    uint32_t project;
};

static inline void store_reopen(struct store *s)
{
    struct error error = {0};
    engine_close(s->engine);
    s->engine = NULL;
    if (s->root[0] != 0) {
        io_destroy(s->io);
        cr_assert_eq(io_create(s->root, s->options.log_context, &s->io, NULL, &error), STATUS_OK,
                     "%s", error.text);
    }
    cr_assert_eq(engine_open(s->io, &s->options, &s->engine, &error), STATUS_OK, "%s", error.text);
}

static inline struct engine_options store_options(void)
{
    return (struct engine_options){.maintenance_threads = UINT32_MAX,
                                   .wal_file_bytes = 256 << 10,
                                   .reserve_bytes = UINT64_MAX};
}

/* Simulated files; NULL options: those above. */
static inline struct store store_sim(const struct engine_options *options)
{
    struct store s = {.io = io_sim_create(1),
                      .options = options != NULL ? *options : store_options()};
    struct error error = {0};
    store_reopen(&s);
    cr_assert_eq(engine_project(s.engine, slice_text("default"), true, &s.project, &error),
                 STATUS_OK, "%s", error.text);
    return s;
}

/* Real files. backend: "uring" or "posix". */
static inline struct store store_disk(const char *backend, const struct engine_options *options)
{
    struct store s = {.options = options != NULL ? *options : store_options()};
    struct error error = {0};
    (void)snprintf(s.root, sizeof s.root, "/tmp/driftline-engine-XXXXXX");
    cr_assert_not_null(mkdtemp(s.root));
    s.options.log_context = (void *)backend; /* nobody logs; reopen takes the backend from here */
    cr_assert_eq(io_create(s.root, backend, &s.io, NULL, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(engine_open(s.io, &s.options, &s.engine, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(engine_project(s.engine, slice_text("default"), true, &s.project, &error),
                 STATUS_OK, "%s", error.text);
    return s;
}

static inline void store_destroy(struct store *s)
{
    char command[128];
    engine_close(s->engine);
    io_destroy(s->io);
    if (s->root[0] == 0)
        return;
    (void)snprintf(command, sizeof command, "rm -rf %s", s->root);
    cr_assert_eq(system(command), 0);
}

/* ---- rows ---- */

static inline struct id128 trace_of(uint64_t n)
{
    struct id128 id = {{0}};
    uint64_t mixed = hash_mix(n + 1);
    memcpy(id.bytes, &mixed, sizeof mixed);
    memcpy(id.bytes + 8, &n, sizeof n);
    return id;
}

/* Begins a span with the required cells; more may be set. Spans are numbered from 1. */
static inline void span_row(struct builder *b, uint64_t trace, uint64_t span, int64_t time_ns)
{
    builder_row(b);
    builder_i64(b, SPANS_time, time_ns);
    builder_id128(b, SPANS_trace_id, trace_of(trace));
    builder_id64(b, SPANS_span_id, span);
}

static inline void score_row(struct builder *b, uint64_t trace, uint64_t span, const char *name,
                             double value)
{
    builder_row(b);
    builder_i64(b, SCORES_time, HOUR0);
    builder_id128(b, SCORES_trace_id, trace_of(trace));
    builder_id64(b, SCORES_span_id, span);
    builder_str(b, SCORES_name, slice_text(name));
    builder_f64(b, SCORES_value, value);
}

static inline void tag_row(struct builder *b, uint64_t trace, uint64_t span, const char *class,
                           const char *source)
{
    builder_row(b);
    builder_i64(b, TAGS_time, HOUR0);
    builder_id128(b, TAGS_trace_id, trace_of(trace));
    builder_id64(b, TAGS_span_id, span);
    builder_str(b, TAGS_class, slice_text(class));
    builder_str(b, TAGS_source, slice_text(source));
}

static inline void rows_begin(struct store *s, struct builder *b, enum table table)
{
    builder_init(b, table, engine_schema(s->engine, s->project));
}

/* Appends what a is, with the builders' rows (each may be NULL), and waits until it is visible. */
static inline enum status append_try(struct store *s, struct append a, struct builder *spans,
                                     struct builder *scores, struct builder *tags,
                                     struct append_result *ret, struct error *reterr)
{
    struct batch batches[TABLE_COUNT];
    a.project = a.project == 0 ? s->project : a.project;
    if (spans != NULL) {
        batches[TABLE_SPANS] = builder_batch(spans);
        a.spans = &batches[TABLE_SPANS];
    }
    if (scores != NULL) {
        batches[TABLE_SCORES] = builder_batch(scores);
        a.scores = &batches[TABLE_SCORES];
    }
    if (tags != NULL) {
        batches[TABLE_TAGS] = builder_batch(tags);
        a.tags = &batches[TABLE_TAGS];
    }
    enum status status = engine_append(s->engine, &a, ret, reterr);
    if (status < 0)
        return status;
    return engine_wait(s->engine, ret->ticket, 10 * NS_PER_S, reterr);
}

static inline struct append_result append(struct store *s, struct builder *spans,
                                          struct builder *scores, struct builder *tags)
{
    struct error error = {0};
    struct append_result result;
    cr_assert_eq(append_try(s, (struct append){0}, spans, scores, tags, &result, &error), STATUS_OK,
                 "%s", error.text);
    return result;
}

/* One span with nothing but ids and a time. */
static inline struct append_result append_span(struct store *s, uint64_t trace, uint64_t span,
                                               int64_t time_ns)
{
    struct builder b;
    rows_begin(s, &b, TABLE_SPANS);
    span_row(&b, trace, span, time_ns);
    struct append_result result = append(s, &b, NULL, NULL);
    builder_deinit(&b);
    return result;
}

static inline struct append_result append_score(struct store *s, uint64_t trace, uint64_t span,
                                                const char *name, double value)
{
    struct builder b;
    rows_begin(s, &b, TABLE_SCORES);
    score_row(&b, trace, span, name, value);
    struct append_result result = append(s, NULL, &b, NULL);
    builder_deinit(&b);
    return result;
}

static inline struct append_result append_tag(struct store *s, uint64_t trace, uint64_t span,
                                              const char *class, const char *source)
{
    struct builder b;
    rows_begin(s, &b, TABLE_TAGS);
    tag_row(&b, trace, span, class, source);
    struct append_result result = append(s, NULL, NULL, &b);
    builder_deinit(&b);
    return result;
}

static inline void seal(struct store *s)
{
    struct error error = {0};
    cr_assert_eq(engine_seal(s->engine, &error), STATUS_OK, "%s", error.text);
}

static inline struct compact_result compact_full(struct store *s)
{
    struct error error = {0};
    struct compact_result result;
    cr_assert_eq(engine_compact(s->engine, true, NULL, &result, &error), STATUS_OK, "%s",
                 error.text);
    return result;
}

/* ---- reading ---- */

static inline uint64_t rows_of(struct store *s, struct scan_options o, struct scan_stats *ret_stats)
{
    struct error error = {0};
    struct scan *scan;
    struct scan_batch batch;
    uint64_t rows = 0;
    enum status status;
    o.project = o.project == 0 ? s->project : o.project;
    cr_assert_eq(scan_open(s->engine, &o, &scan, &error), STATUS_OK, "%s", error.text);
    struct scan_reader *reader = scan_reader_create(scan);
    while ((status = scan_next(reader, &batch, &error)) == STATUS_OK)
        rows += batch.rows;
    cr_assert_eq(status, STATUS_END, "%s", error.text);
    scan_reader_destroy(reader);
    if (ret_stats != NULL)
        *ret_stats = scan_stats(scan);
    scan_close(scan);
    return rows;
}

static inline uint64_t row_count(struct store *s, enum table table)
{
    return rows_of(s, (struct scan_options){.table = table}, NULL);
}

static inline void cell_print(const struct vector *v, uint32_t row, char to[256])
{
    struct slice text;
    if (!vector_has(v, row)) {
        (void)snprintf(to, 256, "NULL");
        return;
    }
    switch (v->storage) {
    case STORAGE_I64:
        (void)snprintf(to, 256, "%" PRId64, v->i64[row]);
        return;
    case STORAGE_F64:
        (void)snprintf(to, 256, "%.17g", v->f64[row]);
        return;
    case STORAGE_STR:
    case STORAGE_TEXT:
    case STORAGE_REFS:
        text = vector_bytes(v, row);
        (void)snprintf(to, 256, "%.*s", SLICE_ARG(text));
        return;
    case STORAGE_ID64:
        (void)snprintf(to, 256, "%016" PRIx64, v->id64[row]);
        return;
    case STORAGE_ID128:
        id128_to_hex(v->id128[row], to);
        to[ID128_HEX_BYTES] = 0;
        return;
    }
}

/* The cell of the only row of a table with this span, as text; "absent" when there is no row, "twice" when there are
 * two. filtered: through the trace index, else by reading everything. */
static inline const char *cell_of(struct store *s, enum table table, uint64_t trace, uint64_t span,
                                  const char *column, bool filtered)
{
    static char text[8][256];
    static unsigned next;
    char *to = text[next++ % 8];
    struct error error = {0};
    struct scan *scan;
    struct scan_batch batch;
    const struct id128 id = trace_of(trace);
    const struct slice bytes = slice_of(id.bytes, sizeof id);
    const struct column *columns[3] = {
        table_column(table, SPANS_trace_id), table_column(table, SPANS_span_id),
        schema_find(engine_schema(s->engine, s->project), table, slice_text(column))};
    (void)snprintf(to, 256, "absent");
    if (columns[2] == NULL)
        return "no such column";
    const struct scan_filter filter = {
        .column = columns[0], .op = SCAN_EQ, .count = 1, .bytes = &bytes};
    const struct scan_options o = {.project = s->project,
                                   .table = table,
                                   .columns = columns,
                                   .column_count = 3,
                                   .filters = &filter,
                                   .filter_count = filtered};
    cr_assert_eq(scan_open(s->engine, &o, &scan, &error), STATUS_OK, "%s", error.text);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &batch, &error) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.rows; i++) {
            if (!id128_equal(batch.vectors[0].id128[i], id) || batch.vectors[1].id64[i] != span)
                continue;
            if (strcmp(to, "absent") != 0)
                (void)snprintf(to, 256, "twice");
            else
                cell_print(&batch.vectors[2], i, to);
        }
    }
    scan_reader_destroy(reader);
    scan_close(scan);
    return to;
}

/* Both ways of reading must agree. */
static inline const char *span_cell(struct store *s, uint64_t trace, uint64_t span,
                                    const char *column)
{
    const char *all = cell_of(s, TABLE_SPANS, trace, span, column, false);
    const char *found = cell_of(s, TABLE_SPANS, trace, span, column, true);
    cr_assert_str_eq(all, found);
    return all;
}

#define expect_cell(store, trace, span, column, expected)                                          \
    cr_expect_str_eq(span_cell(store, trace, span, column), expected, "%s of %d/%d: %s", column,   \
                     (int)(trace), (int)(span), span_cell(store, trace, span, column))

#endif
