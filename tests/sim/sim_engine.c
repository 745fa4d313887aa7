/*
 * sim_engine.c - cuts the power at every operation of a store's life and checks what is left.
 *
 * Shape:   scripts (ingest, seal, amend, compact, retain, recover, rewrite) run on the simulated disk. For every operation of a
 *          script, every kind of crash and several seeds of damage: run up to it, lose power, reopen, check,
 *          send everything again, check, seal and merge, check. The same with faults that do not kill.
 * Checks:  what survives is a prefix of the commits, each whole, acknowledged ones among it; every span, score, tag and
 *          message of it is there exactly once with the values sent, amendments with the latest value; nothing
 *          else is; client batches are remembered; verify finds nothing; the store takes more.
 * Proof:   planted defects must each be caught, or the program fails.
 * Usage:   sim_engine [--exhaustive] [--seed N] [--script N --at N --kind N --seed N]
 *          Without arguments a sample that ends in seconds. Prints points and violations.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/rng.h"
#include "engine/engine.h"

#define HOUR0        (480000 * NS_PER_HOUR)
#define COMMITS_MAX  64u
#define DAMAGE_SEEDS 4u
#define SAMPLE_RUNS  175u
/* A rewrite sets tokens_out to tokens_in times this. */
#define REWRITE_FACTOR 10

/* ---- scripts ---- */

enum verb {
    END,
    OPEN,   /* also after an open store: closes it first */
    COMMIT, /* count commits, waiting after each */
    FLOOD,  /* count commits, waiting after the last */
    LEAVE,  /* count commits, not waiting */
    SEAL,
    COMPACT, /* full */
    RETAIN,  /* hours before HOUR0 + count leave */
    REWRITE, /* sets tokens_out of every span 2 */
};
struct step {
    enum verb verb;
    uint32_t count;
};

#define STEPS_MAX 24
static const struct step scripts[][STEPS_MAX] = {
    {{OPEN, 0}, {COMMIT, 3}, {FLOOD, 4}, {COMMIT, 1}, {LEAVE, 2}},
    {{OPEN, 0}, {COMMIT, 3}, {SEAL, 0}, {FLOOD, 2}, {SEAL, 0}, {COMMIT, 2}, {LEAVE, 1}, {SEAL, 0}},
    {{OPEN, 0},
     {COMMIT, 6},
     {SEAL, 0},
     {COMMIT, 2},
     {SEAL, 0},
     {COMMIT, 1},
     {SEAL, 0},
     {OPEN, 0},
     {COMMIT, 1},
     {SEAL, 0},
     {SEAL, 0},
     {COMMIT, 1}},
    {{OPEN, 0},
     {COMMIT, 4},
     {SEAL, 0},
     {COMMIT, 4},
     {SEAL, 0},
     {COMMIT, 2},
     {COMPACT, 0},
     {COMMIT, 2},
     {SEAL, 0},
     {COMPACT, 0},
     {COMMIT, 1}},
    {{OPEN, 0},
     {COMMIT, 5},
     {SEAL, 0},
     {COMMIT, 4},
     {SEAL, 0},
     {RETAIN, 1},
     {COMMIT, 2},
     {SEAL, 0},
     {COMPACT, 0},
     {RETAIN, 2},
     {COMMIT, 1}},
    {{OPEN, 0},
     {COMMIT, 3},
     {OPEN, 0},
     {COMMIT, 2},
     {SEAL, 0},
     {OPEN, 0},
     {LEAVE, 2},
     {OPEN, 0},
     {COMMIT, 3},
     {OPEN, 0},
     {SEAL, 0},
     {COMMIT, 1},
     {OPEN, 0}},
    {{OPEN, 0},
     {COMMIT, 5},
     {SEAL, 0},
     {COMMIT, 3},
     {REWRITE, 0},
     {COMMIT, 2},
     {LEAVE, 1},
     {REWRITE, 0},
     {COMPACT, 0},
     {COMMIT, 1},
     {REWRITE, 0},
     {COMMIT, 1}},
};
static const char *const script_names[] = {"ingest", "seal",    "amend",  "compact",
                                           "retain", "recover", "rewrite"};
#define SCRIPTS (sizeof scripts / sizeof *scripts)

/* ---- what was sent ---- */

/*
 * Commit n (from 1) of client `client_id`, batch_seq n:
 *   spans    trace n: span 1, a root of session s<n % 3>; span 2, its child, an llm call
 *   message  {"m":n}, the input of span 1
 *   scores   r of its own span 2 = n; q of span 1 of traces n - 1 and n - 4 = n; o of span 1 of trace n + 2 = n (too
 *            early: the span has not come)
 *   tags     class c<n> for span 1 of trace n - 2
 */
static const struct id128 client_id = {{'c', 'l', 'i', 'e', 'n', 't'}};

static struct id128 trace_of(uint64_t n)
{
    struct id128 id = {{0}};
    uint64_t mixed = hash_mix(n + 1);
    memcpy(id.bytes, &mixed, sizeof mixed);
    memcpy(id.bytes + 8, &n, sizeof n);
    return id;
}

static uint64_t number_of(struct id128 trace_id)
{
    uint64_t n;
    memcpy(&n, trace_id.bytes + 8, sizeof n);
    return id128_equal(trace_of(n), trace_id) ? n : 0;
}

static int64_t time_of(uint64_t n)
{
    return HOUR0 + (int64_t)(n % 4) * NS_PER_HOUR + (int64_t)n;
}

/* ---- one run ---- */

struct run {
    struct io *io;
    struct engine_options options;
    struct engine *engine;
    uint32_t project;
    uint64_t sent;          /* commits given to the store, this or in an earlier life */
    uint64_t acked;         /* the last one acknowledged */
    int64_t gone_before_ns; /* rows older than this may have left */
    uint64_t survived;      /* found by the last check */
    uint64_t rewritten;     /* commits whose span 2 must have tokens_out: a rewrite said so */
    char violation[512];    /* "": none so far */
};

static void violate(struct run *r, const char *format, ...) PRINTF_LIKE(2, 3);
static void violate(struct run *r, const char *format, ...)
{
    va_list args;
    if (r->violation[0] != 0)
        return;
    va_start(args, format);
    (void)vsnprintf(r->violation, sizeof r->violation, format, args);
    va_end(args);
}

static struct engine_options run_options(void)
{
    return (struct engine_options){
        .maintenance_threads = UINT32_MAX, .wal_file_bytes = 32 << 10, .reserve_bytes = UINT64_MAX};
}

static enum status run_open(struct run *r, struct error *reterr)
{
    engine_close(r->engine);
    r->engine = NULL;
    enum status s = engine_open(r->io, &r->options, &r->engine, reterr);
    if (s < 0)
        return s;
    return engine_project(r->engine, slice_text("default"), true, &r->project, reterr);
}

static void score_put(struct builder *b, uint64_t trace, uint64_t span, const char *name,
                      uint64_t n)
{
    builder_row(b);
    builder_i64(b, SCORES_time, time_of(n));
    builder_id128(b, SCORES_trace_id, trace_of(trace));
    builder_id64(b, SCORES_span_id, span);
    builder_str(b, SCORES_name, slice_text(name));
    builder_f64(b, SCORES_value, (double)n);
}

static void spans_put(struct builder *b, uint64_t n, const struct message *m)
{
    char text[32];
    builder_row(b);
    builder_i64(b, SPANS_time, time_of(n));
    builder_id128(b, SPANS_trace_id, trace_of(n));
    builder_id64(b, SPANS_span_id, 1);
    (void)snprintf(text, sizeof text, "s%u", (unsigned)(n % 3));
    builder_str(b, SPANS_session, slice_text(text));
    builder_str(b, SPANS_input, slice_of(m->address.bytes, sizeof m->address));
    builder_row(b);
    builder_i64(b, SPANS_time, time_of(n));
    builder_id128(b, SPANS_trace_id, trace_of(n));
    builder_id64(b, SPANS_span_id, 2);
    builder_id64(b, SPANS_parent_id, 1);
    builder_str(b, SPANS_session, slice_text(text));
    builder_str(b, SPANS_kind, slice_text("llm"));
    builder_i64(b, SPANS_tokens_in, (int64_t)n);
}

static void tags_put(struct builder *b, uint64_t n)
{
    char text[32];
    builder_row(b);
    builder_i64(b, TAGS_time, time_of(n));
    builder_id128(b, TAGS_trace_id, trace_of(n - 2));
    builder_id64(b, TAGS_span_id, 1);
    (void)snprintf(text, sizeof text, "c%u", (unsigned)n);
    builder_str(b, TAGS_class, slice_text(text));
    builder_str(b, TAGS_source, slice_text("human"));
}

static enum status commit_send(struct run *r, uint64_t n, struct append_result *ret,
                               struct error *reterr)
{
    char body[32];
    struct builder b[TABLE_COUNT];
    struct batch batches[TABLE_COUNT];
    struct schema *schema = engine_schema(r->engine, r->project);
    (void)snprintf(body, sizeof body, "{\"m\":%u}", (unsigned)n);
    const struct message m = {.address = hash128(slice_text(body)), .body = slice_text(body)};
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        builder_init(&b[t], (enum table)t, schema);
    spans_put(&b[TABLE_SPANS], n, &m);
    score_put(&b[TABLE_SCORES], n, 2, "r", n);
    if (n > 1)
        score_put(&b[TABLE_SCORES], n - 1, 1, "q", n);
    if (n > 4)
        score_put(&b[TABLE_SCORES], n - 4, 1, "q", n);
    score_put(&b[TABLE_SCORES], n + 2, 1, "o", n);
    if (n > 2)
        tags_put(&b[TABLE_TAGS], n);
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        batches[t] = builder_batch(&b[t]);
    const struct append a = {.project = r->project,
                             .spans = &batches[TABLE_SPANS],
                             .scores = &batches[TABLE_SCORES],
                             .tags = n > 2 ? &batches[TABLE_TAGS] : NULL,
                             .messages = &m,
                             .message_count = 1,
                             .client = client_id,
                             .batch_seq = n};
    enum status s = engine_append(r->engine, &a, ret, reterr);
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        builder_deinit(&b[t]);
    return s;
}

/* ---- checking ---- */

#define SPAN_COLUMNS 13
static const char *const span_columns[SPAN_COLUMNS] = {
    "trace_id", "span_id",     "time",         "session",   "turn",      "input",     "seq",
    "kind",     "error_class", "class_source", "tokens_in", "parent_id", "tokens_out"};
static const char *const score_names[] = {"score.q", "score.r", "score.o"};

struct found {
    uint8_t spans[COMMITS_MAX][3];
    uint8_t scores[COMMITS_MAX]; /* rows written by commit n */
    uint8_t tags[COMMITS_MAX];
};

static bool may_be_gone(const struct run *r, uint64_t n)
{
    return time_of(n) < r->gone_before_ns;
}

/* The value of a score column after commits 1 .. last; 0: NULL. */
static uint64_t score_expected(const char *name, uint64_t n, uint64_t span, uint64_t last)
{
    if (strcmp(name, "score.r") == 0)
        return span == 2 ? n : 0;
    if (span != 1)
        return 0;
    if (strcmp(name, "score.o") == 0)
        return n > 2 ? n - 2 : 0;
    if (n + 4 <= last)
        return n + 4;
    return n + 1 <= last ? n + 1 : 0;
}

static void text_expect(struct run *r, uint64_t n, uint64_t span, const char *what, bool has,
                        struct slice value, const char *expected)
{
    if (expected == NULL ? !has : has && slice_is(value, expected))
        return;
    violate(r, "commit %u span %u: %s is %.*s instead of %s", (unsigned)n, (unsigned)span, what,
            has ? (int)value.size : 4, has ? (const char *)value.data : "NULL",
            expected == NULL ? "NULL" : expected);
}

static void int_expect(struct run *r, uint64_t n, uint64_t span, const char *what, bool has,
                       int64_t value, int64_t expected)
{
    if (expected == 0 ? has : !has || value != expected)
        violate(r, "commit %u span %u: %s is %lld (%s) instead of %lld", (unsigned)n,
                (unsigned)span, what, (long long)value, has ? "set" : "NULL", (long long)expected);
}

static void message_expect(struct run *r, uint64_t n, struct slice refs)
{
    struct arena arena = {0};
    struct error error = {0};
    struct slice text = SLICE_EMPTY;
    char expected[32];
    (void)snprintf(expected, sizeof expected, "[{\"m\":%u}]", (unsigned)n);
    enum status s = engine_messages_text(r->engine, r->project, refs, &arena, &text, &error);
    bool gone = r->gone_before_ns != 0 && slice_is(text, "[null]");
    if (s < 0)
        violate(r, "commit %u: message: %s", (unsigned)n, error.text);
    else if (!slice_is(text, expected) && !gone)
        violate(r, "commit %u: message is %.*s", (unsigned)n, SLICE_ARG(text));
    arena_deinit(&arena);
}

/* What a rewrite sets is there or not; after one that succeeded it is there. */
static void rewritten_expect(struct run *r, uint64_t n, uint64_t span, const struct vector *v,
                             uint32_t row)
{
    bool has = vector_has(v, row);
    if (has || (span == 2 && n <= r->rewritten))
        int_expect(r, n, span, "tokens_out", has, v->i64[row],
                   span == 2 ? (int64_t)n * REWRITE_FACTOR : 0);
}

static void span_check(struct run *r, const struct vector *v, const struct vector *scores,
                       const bool *has_score, uint32_t row, uint64_t last)
{
    uint64_t n = number_of(v[0].id128[row]);
    uint64_t span = v[1].id64[row];
    char text[32];
    int_expect(r, n, span, "time", vector_has(&v[2], row), v[2].i64[row], time_of(n));
    (void)snprintf(text, sizeof text, "s%u", (unsigned)(n % 3));
    text_expect(r, n, span, "session", vector_has(&v[3], row), vector_bytes(&v[3], row), text);
    if (r->gone_before_ns == 0)
        int_expect(r, n, span, "turn", vector_has(&v[4], row), v[4].i64[row],
                   span == 1 ? (int64_t)((n + 2) / 3) : 0);
    if (span == 1)
        message_expect(r, n, vector_bytes(&v[5], row));
    text_expect(r, n, span, "kind", vector_has(&v[7], row), vector_bytes(&v[7], row),
                span == 2 ? "llm" : NULL);
    bool tagged = span == 1 && n + 2 <= last;
    (void)snprintf(text, sizeof text, "c%u", (unsigned)(n + 2));
    text_expect(r, n, span, "error_class", vector_has(&v[8], row), vector_bytes(&v[8], row),
                tagged ? text : "none");
    text_expect(r, n, span, "class_source", vector_has(&v[9], row), vector_bytes(&v[9], row),
                tagged ? "human" : NULL);
    int_expect(r, n, span, "tokens_in", vector_has(&v[10], row), v[10].i64[row],
               span == 2 ? (int64_t)n : 0);
    int_expect(r, n, span, "parent_id", vector_has(&v[11], row), (int64_t)v[11].id64[row],
               span == 2 ? 1 : 0);
    rewritten_expect(r, n, span, &v[12], row);
    for (uint32_t i = 0; i < 3; i++) {
        bool has = has_score[i] && vector_has(&scores[i], row);
        int_expect(r, n, span, score_names[i], has, has ? (int64_t)scores[i].f64[row] : 0,
                   (int64_t)score_expected(score_names[i], n, span, last));
    }
}

struct reading {
    struct scan *scan;
    struct scan_reader *reader;
};

static bool reading_begin(struct run *r, enum table table, const struct column *const *columns,
                          uint32_t count, struct reading *ret)
{
    struct error error = {0};
    const struct scan_options o = {
        .project = r->project, .table = table, .columns = columns, .column_count = count};
    if (scan_open(r->engine, &o, &ret->scan, &error) < 0) {
        violate(r, "scan: %s", error.text);
        return false;
    }
    ret->reader = scan_reader_create(ret->scan);
    return true;
}

static bool reading_next(struct run *r, struct reading *reading, struct scan_batch *batch)
{
    struct error error = {0};
    enum status s = scan_next(reading->reader, batch, &error);
    if (s < 0)
        violate(r, "scan: %s", error.text);
    return s == STATUS_OK;
}

static void reading_end(struct run *r, struct reading *reading)
{
    const struct error *damage = scan_damage(reading->scan);
    if (damage != NULL)
        violate(r, "damage: %s", damage->text);
    scan_reader_destroy(reading->reader);
    scan_close(reading->scan);
}

/* Reads all spans: first to count them, then, when last is known, to check their cells. */
static void spans_read(struct run *r, struct found *f, uint64_t last, bool check)
{
    const struct column *columns[SPAN_COLUMNS + 3];
    bool has_score[3];
    uint32_t count = SPAN_COLUMNS;
    uint32_t score_at[3] = {0};
    struct reading reading;
    struct scan_batch batch;
    for (uint32_t i = 0; i < SPAN_COLUMNS; i++)
        columns[i] = table_column_by_name(TABLE_SPANS, slice_text(span_columns[i]));
    for (uint32_t i = 0; i < 3; i++) {
        const struct column *c = schema_find(engine_schema(r->engine, r->project), TABLE_SPANS,
                                             slice_text(score_names[i]));
        has_score[i] = c != NULL;
        score_at[i] = count;
        if (c != NULL)
            columns[count++] = c;
    }
    if (!reading_begin(r, TABLE_SPANS, columns, count, &reading))
        return;
    while (reading_next(r, &reading, &batch)) {
        struct vector scores[3] = {0};
        for (uint32_t i = 0; i < 3; i++) {
            if (has_score[i])
                scores[i] = batch.vectors[score_at[i]];
        }
        for (uint32_t i = 0; i < batch.rows && r->violation[0] == 0; i++) {
            uint64_t n = number_of(batch.vectors[0].id128[i]);
            uint64_t span = batch.vectors[1].id64[i];
            if (n == 0 || n > r->sent || span < 1 || span > 2) {
                violate(r, "a span nobody sent: %u/%u", (unsigned)n, (unsigned)span);
                break;
            }
            f->spans[n][span]++;
            if (check)
                span_check(r, batch.vectors, scores, has_score, i, last);
        }
    }
    reading_end(r, &reading);
}

static void history_read(struct run *r, enum table table, uint8_t *rows)
{
    const struct column *columns[3] = {
        table_column(table, SCORES_trace_id), table_column(table, SCORES_time),
        table_column(table,
                     table == TABLE_SCORES ? (uint16_t)SCORES_session : (uint16_t)TAGS_class)};
    struct reading reading;
    struct scan_batch batch;
    if (!reading_begin(r, table, columns, 3, &reading))
        return;
    while (reading_next(r, &reading, &batch)) {
        for (uint32_t i = 0; i < batch.rows; i++) {
            uint64_t n = (uint64_t)(batch.vectors[1].i64[i] % NS_PER_HOUR);
            if (n == 0 || n > r->sent || time_of(n) != batch.vectors[1].i64[i])
                violate(r, "a row of %s nobody sent", table_name(table));
            else
                rows[n]++;
        }
    }
    reading_end(r, &reading);
}

static uint32_t scores_expected(uint64_t n)
{
    return 2 + (n > 1) + (n > 4);
}

static void rows_expect(struct run *r, uint64_t n, const char *what, uint32_t count,
                        uint32_t expected)
{
    if (count == expected || (count == 0 && may_be_gone(r, n)))
        return;
    violate(r, "commit %u: %u rows of %s instead of %u (%u acknowledged, %u sent)", (unsigned)n,
            count, what, expected, (unsigned)r->acked, (unsigned)r->sent);
}

static void verify_tell(void *context, const struct finding *f)
{
    struct run *r = context;
    if (strstr(f->text, "no manifest entry owns") == NULL)
        violate(r, "verify: %s at %llu: %s", f->path, (unsigned long long)f->offset, f->text);
}

/* Everything a user may rely on. */
static void check(struct run *r)
{
    struct found f = {0};
    struct found again = {0};
    struct error error = {0};
    uint64_t last = 0;
    spans_read(r, &f, 0, false);
    history_read(r, TABLE_SCORES, f.scores);
    history_read(r, TABLE_TAGS, f.tags);
    for (uint64_t n = 1; n <= r->sent; n++) {
        if (f.spans[n][1] + f.spans[n][2] + f.scores[n] + f.tags[n] > 0)
            last = n;
    }
    if (r->gone_before_ns != 0 && last < r->acked)
        last = r->acked;
    if (last < r->acked)
        violate(r, "commit %u was acknowledged, %u is the last one there", (unsigned)r->acked,
                (unsigned)last);
    for (uint64_t n = 1; n <= last; n++) {
        rows_expect(r, n, "span 1", f.spans[n][1], 1);
        rows_expect(r, n, "span 2", f.spans[n][2], 1);
        rows_expect(r, n, "scores", f.scores[n], scores_expected(n));
        rows_expect(r, n, "tags", f.tags[n], n > 2);
    }
    spans_read(r, &again, last, true);
    uint64_t client = engine_client_seq(r->engine, client_id);
    if (client != last)
        violate(r, "client batch %u is remembered, %u is there", (unsigned)client, (unsigned)last);
    if (engine_verify(r->engine, verify_tell, r, NULL, &error) < 0)
        violate(r, "verify: %s", error.text);
    r->survived = last;
}

/* ---- running a script ---- */

static void ack_note(struct run *r, uint64_t n)
{
    if (r->acked < n)
        r->acked = n;
}

/* Sends commit n and, when wanted, waits. What fails, fails: the fault decides. */
static enum status commit_run(struct run *r, uint64_t n, bool wait)
{
    struct append_result result;
    struct error error = {0};
    if (r->sent < n)
        r->sent = n;
    enum status s = commit_send(r, n, &result, &error);
    if (s >= 0 && wait)
        s = engine_wait(r->engine, result.ticket, 10 * NS_PER_S, &error);
    if (s >= 0 && wait)
        ack_note(r, n);
    return s;
}

/* The next commit is the one after the last that the store knows. */
static enum status commits_run(struct run *r, uint32_t count, enum verb verb)
{
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < count && s >= 0; i++) {
        uint64_t n = engine_client_seq(r->engine, client_id) + 1;
        ASSERT(n < COMMITS_MAX);
        s = commit_run(r, n, verb == COMMIT || (verb == FLOOD && i + 1 == count));
    }
    return s;
}

static enum status tokens_edit(void *context, const struct rewrite_rows *in, struct arena *arena,
                               struct batch_column *ret_columns, uint32_t *ret_count,
                               uint64_t *ret_changed, struct error *reterr)
{
    const struct vector *tokens_in = &in->vectors[0];
    struct vector out = vector_null(STORAGE_I64, in->rows, arena);
    int64_t *values = (int64_t *)(uintptr_t)out.i64;
    uint8_t *valid = (uint8_t *)(uintptr_t)out.valid;
    (void)context;
    (void)reterr;
    for (uint32_t i = 0; i < in->rows; i++) {
        valid[i] = vector_has(tokens_in, i);
        values[i] = tokens_in->i64[i] * REWRITE_FACTOR;
        *ret_changed += valid[i];
    }
    ret_columns[0] =
        (struct batch_column){.column = table_column(TABLE_SPANS, SPANS_tokens_out), .vector = out};
    *ret_count = *ret_changed > 0;
    return STATUS_OK;
}

static enum status rewrite_run(struct run *r, struct error *reterr)
{
    const struct column *read = table_column(TABLE_SPANS, SPANS_tokens_in);
    const struct rewrite rewrite = {
        .project = r->project, .read = &read, .read_count = 1, .edit = tokens_edit};
    struct rewrite_result result;
    enum status s = engine_rewrite(r->engine, &rewrite, NULL, &result, reterr);
    if (s >= 0)
        r->rewritten = r->acked;
    return s;
}

static enum status step_run(struct run *r, const struct step *step)
{
    struct error error = {0};
    struct compact_result compacted;
    struct retain_result retained;
    switch (step->verb) {
    case OPEN:
        return run_open(r, &error);
    case COMMIT:
    case FLOOD:
    case LEAVE:
        return commits_run(r, step->count, step->verb);
    case SEAL:
        return engine_seal(r->engine, &error);
    case COMPACT:
        return engine_compact(r->engine, true, NULL, &compacted, &error);
    case RETAIN: {
        r->gone_before_ns = HOUR0 + step->count * NS_PER_HOUR;
        const struct retention rule = {.rows_age_ns = clock_wall_ns() - r->gone_before_ns};
        return engine_retain(r->engine, r->project, &rule, false, NULL, &retained, &error);
    }
    case REWRITE:
        return rewrite_run(r, &error);
    case END:
        break;
    }
    return STATUS_END;
}

/* Runs until the power fails (or, without a crash, to the end whatever fails on the way). */
static void script_run(struct run *r, uint32_t script)
{
    for (uint32_t i = 0; i < STEPS_MAX && scripts[script][i].verb != END; i++) {
        if (r->engine == NULL && scripts[script][i].verb != OPEN)
            continue;
        (void)!step_run(r, &scripts[script][i]);
        if (io_sim_crashed(r->io))
            return;
    }
}

/* A store that came back works: everything lost is sent again, sealed, merged and still there. */
static void go_on(struct run *r)
{
    struct error error = {0};
    struct compact_result compacted;
    uint64_t until = r->sent;
    for (uint64_t n = r->survived > 2 ? r->survived - 2 : 1; n <= until + 1; n++) {
        if (commit_run(r, n, true) < 0)
            violate(r, "commit %u is refused after recovery", (unsigned)n);
    }
    if (r->violation[0] == 0)
        check(r);
    if (engine_seal(r->engine, &error) < 0)
        violate(r, "seal after recovery: %s", error.text);
    if (r->violation[0] == 0)
        check(r);
    if (engine_compact(r->engine, true, NULL, &compacted, &error) < 0)
        violate(r, "merge after recovery: %s", error.text);
    if (rewrite_run(r, &error) < 0)
        violate(r, "rewrite after recovery: %s", error.text);
    if (run_open(r, &error) < 0)
        violate(r, "reopening: %s", error.text);
    if (r->violation[0] == 0)
        check(r);
}

struct point {
    uint32_t script;
    uint64_t at;
    enum io_sim_fault kind;
    uint64_t seed;
    uint64_t again_at; /* a second crash, during recovery; UINT64_MAX: none */
};

struct defects {
    enum io_sim_defect io;
    bool ack_before_sync;
    bool delete_before_manifest;
};

static bool is_crash(enum io_sim_fault kind)
{
    return kind == IO_SIM_CRASH_BEFORE || kind == IO_SIM_CRASH_AFTER || kind == IO_SIM_CRASH_TORN;
}

/* Power comes back. */
static void restart(struct run *r, uint64_t seed)
{
    engine_close(r->engine);
    r->engine = NULL;
    io_sim_crash(r->io, seed);
}

static void recover_and_check(struct run *r, const struct point *p)
{
    struct error error = {0};
    if (p->again_at != UINT64_MAX) {
        io_sim_set_fault(r->io, IO_SIM_CRASH_AFTER, io_sim_operations(r->io) + p->again_at);
        (void)!run_open(r, &error);
        restart(r, p->seed + 77);
    }
    if (run_open(r, &error) < 0) {
        violate(r, "the store does not open: %s", error.text);
        return;
    }
    check(r);
    if (r->violation[0] == 0)
        go_on(r);
}

/* Returns whether it was clean; prints what was not, unless a defect is planted. */
static bool point_run(const struct point *p, const struct defects *d, uint64_t *ret_operations)
{
    struct run r = {.io = io_sim_create(p->seed), .options = run_options()};
    struct defects none = {0};
    d = d == NULL ? &none : d;
    io_sim_set_defect(r.io, d->io);
    r.options.defect_ack_before_sync = d->ack_before_sync;
    r.options.defect_delete_before_manifest = d->delete_before_manifest;
    io_sim_set_fault(r.io, p->kind, p->at);
    clock_fake(HOUR0 + 10 * NS_PER_HOUR);
    script_run(&r, p->script);
    if (ret_operations != NULL)
        *ret_operations = io_sim_operations(r.io);
    if (p->kind == IO_SIM_NONE || is_crash(p->kind)) {
        restart(&r, p->seed);
    } else {
        /* The fault ends. The log tries again once a second; then power fails after all. */
        io_sim_set_fault(r.io, IO_SIM_NONE, 0);
        for (int i = 0; i < 20 && r.engine != NULL; i++) {
            clock_fake(clock_wall_ns() + NS_PER_S);
            (void)engine_pump(r.engine);
        }
        restart(&r, p->seed);
    }
    recover_and_check(&r, p);
    engine_close(r.engine);
    io_destroy(r.io);
    clock_fake(0);
    if (r.violation[0] != 0 && d == &none)
        printf("VIOLATION: %s\n  --script %u --at %llu --kind %d --seed %llu --again %lld (%s)\n",
               r.violation, p->script, (unsigned long long)p->at, (int)p->kind,
               (unsigned long long)p->seed, (long long)p->again_at, script_names[p->script]);
    return r.violation[0] == 0;
}

/* ---- which points ---- */

static const enum io_sim_fault kinds[] = {
    IO_SIM_CRASH_BEFORE, IO_SIM_CRASH_AFTER, IO_SIM_CRASH_TORN,  IO_SIM_FAIL_ONCE,
    IO_SIM_FAIL_ALWAYS,  IO_SIM_FULL,        IO_SIM_SHORT_WRITE,
};
#define KINDS (sizeof kinds / sizeof *kinds)

struct tally {
    uint64_t runs;
    uint64_t violations;
};

static void tally_run(struct tally *t, const struct point *p)
{
    t->runs++;
    t->violations += !point_run(p, NULL, NULL);
}

static uint64_t operations_of(uint32_t script)
{
    uint64_t operations = 0;
    const struct point p = {.script = script, .kind = IO_SIM_NONE, .again_at = UINT64_MAX};
    if (!point_run(&p, NULL, &operations))
        printf("script %s fails without any fault\n", script_names[script]);
    return operations;
}

static void run_all(struct tally *t, uint64_t seed)
{
    for (uint32_t script = 0; script < SCRIPTS; script++) {
        uint64_t operations = operations_of(script);
        uint64_t before = t->runs;
        for (uint64_t at = 0; at < operations; at++) {
            for (size_t k = 0; k < KINDS; k++) {
                for (uint64_t s = 0; s < (is_crash(kinds[k]) ? DAMAGE_SEEDS : 1); s++) {
                    struct point p = {.script = script,
                                      .at = at,
                                      .kind = kinds[k],
                                      .seed = seed + s,
                                      .again_at = UINT64_MAX};
                    tally_run(t, &p);
                    p.again_at = (at + s) % 23;
                    if (is_crash(kinds[k]))
                        tally_run(t, &p);
                }
            }
        }
        printf("%-8s %llu operations, %llu runs, %llu violations so far\n", script_names[script],
               (unsigned long long)operations, (unsigned long long)(t->runs - before),
               (unsigned long long)t->violations);
        (void)fflush(stdout);
    }
}

static void run_sample(struct tally *t, uint64_t seed)
{
    struct rng r;
    uint64_t operations[SCRIPTS];
    rng_init(&r, seed);
    for (uint32_t i = 0; i < SCRIPTS; i++)
        operations[i] = operations_of(i);
    for (uint32_t i = 0; i < SAMPLE_RUNS; i++) {
        uint32_t script = i % SCRIPTS;
        struct point p = {.script = script,
                          .at = rng_below(&r, operations[script]),
                          .kind = kinds[rng_below(&r, KINDS)],
                          .seed = rng_u64(&r) >> 1,
                          .again_at = UINT64_MAX};
        if (is_crash(p.kind) && rng_below(&r, 3) == 0)
            p.again_at = rng_below(&r, 30);
        tally_run(t, &p);
    }
}

/* ---- planted defects ---- */

#define DEFECT_RUNS 600u

struct planted {
    char name[32];
    struct defects defects;
    enum io_sim_fault kind;
    uint32_t script; /* that shows it best */
};

/* A defect is caught when some run of a sample of points is not clean. */
static bool is_caught(const struct planted *d, uint64_t seed)
{
    struct rng r;
    uint64_t operations = operations_of(d->script);
    rng_init(&r, seed);
    for (uint32_t i = 0; i < DEFECT_RUNS; i++) {
        const struct point p = {.script = d->script,
                                .at = rng_below(&r, operations),
                                .kind = d->kind,
                                .seed = rng_u64(&r) >> 1,
                                .again_at = UINT64_MAX};
        if (!point_run(&p, &d->defects, NULL)) {
            printf("defect %-28s caught after %u runs\n", d->name, i + 1);
            return true;
        }
    }
    printf("defect %-28s SURVIVED\n", d->name);
    return false;
}

/* Every file of a sealed and merged store, a byte flipped: an error or the same rows, never another value. */
struct flip {
    struct run run;
    char paths[64][64];
    uint32_t path_count;
};

static void path_note(void *context, const struct segment_info *s)
{
    struct flip *f = context;
    (void)snprintf(f->paths[f->path_count++], sizeof f->paths[0], "%s", s->path);
}

static void store_fill(struct run *r)
{
    struct error error = {0};
    ASSERT(run_open(r, &error) >= 0);
    for (uint64_t n = 1; n <= 8; n++) {
        ASSERT(commit_run(r, n, true) >= 0);
        if (n == 6)
            ASSERT(engine_seal(r->engine, &error) >= 0);
    }
}

/* A violation that is not an honest error. */
static bool is_wrong_value(const struct run *r)
{
    return r->violation[0] != 0 && strstr(r->violation, "damage:") == NULL &&
           strstr(r->violation, "verify:") == NULL && strstr(r->violation, "does not open") == NULL;
}

static uint64_t flips_wrong(bool skip_checksum, uint64_t *ret_runs, uint64_t *ret_silent)
{
    struct flip f = {.run = {.io = io_sim_create(1), .options = run_options()}};
    struct error error = {0};
    uint64_t wrong = 0;
    clock_fake(HOUR0 + 10 * NS_PER_HOUR);
    store_fill(&f.run);
    ASSERT(engine_segments(f.run.engine, false, path_note, &f, NULL) >= 0);
    engine_close(f.run.engine);
    f.run.engine = NULL;
    f.run.options.defect_skip_checksum = skip_checksum;
    f.run.options.read_only = true;
    for (uint32_t i = 0; i < f.path_count; i++) {
        size_t size = io_sim_peek(f.run.io, f.paths[i]).size;
        for (size_t at = 0; at < size; at += 1 + size / 60) {
            uint8_t byte = io_sim_peek(f.run.io, f.paths[i]).data[at];
            io_sim_poke(f.run.io, f.paths[i], at, byte ^ (uint8_t)(1u << at % 8));
            f.run.violation[0] = 0;
            enum status s = engine_open(f.run.io, &f.run.options, &f.run.engine, &error);
            if (s >= 0)
                check(&f.run);
            bool is_wrong = is_wrong_value(&f.run);
            /* Rows that are missing because their segment is set aside were announced as damage first. */
            wrong += is_wrong;
            *ret_silent += s >= 0 && f.run.violation[0] == 0;
            (*ret_runs)++;
            if (is_wrong && !skip_checksum)
                printf("VIOLATION: %s byte %zu flipped: %s\n", f.paths[i], at, f.run.violation);
            engine_close(f.run.engine);
            f.run.engine = NULL;
            io_sim_poke(f.run.io, f.paths[i], at, byte);
        }
    }
    io_destroy(f.run.io);
    clock_fake(0);
    return wrong;
}

static bool run_defects(uint64_t seed)
{
    static const struct planted planted[] = {
        {"ack before sync", {.ack_before_sync = true}, IO_SIM_CRASH_BEFORE, 0},
        {"skip sync", {.io = IO_SIM_DEFECT_SKIP_SYNC}, IO_SIM_CRASH_AFTER, 1},
        {"skip directory sync", {.io = IO_SIM_DEFECT_SKIP_DIR_SYNC}, IO_SIM_CRASH_AFTER, 1},
        {"ignore short write", {.io = IO_SIM_DEFECT_IGNORE_SHORT}, IO_SIM_SHORT_WRITE, 1},
        {"delete before the manifest", {.delete_before_manifest = true}, IO_SIM_CRASH_AFTER, 3},
        {"the same in a rewrite", {.delete_before_manifest = true}, IO_SIM_CRASH_AFTER, 6},
    };
    bool all = true;
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++)
        all &= is_caught(&planted[i], seed);
    uint64_t runs = 0;
    uint64_t silent = 0;
    uint64_t wrong = flips_wrong(false, &runs, &silent);
    printf("flips: %llu, %llu without any effect, %llu wrong values\n", (unsigned long long)runs,
           (unsigned long long)silent, (unsigned long long)wrong);
    bool caught = flips_wrong(true, &runs, &silent) > 0;
    printf("defect %-28s %s\n", "skip checksum", caught ? "caught" : "SURVIVED");
    return all && wrong == 0 && caught;
}

/* ---- command line ---- */

static bool number_option(int argc, char **argv, const char *name, uint64_t *ret)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            *ret = strtoull(argv[i + 1], NULL, 10);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct tally t = {0};
    uint64_t seed = 1;
    uint64_t script = 0;
    uint64_t at = 0;
    uint64_t kind = 0;
    uint64_t again = UINT64_MAX;
    bool exhaustive = argc > 1 && strcmp(argv[1], "--exhaustive") == 0;
    (void)number_option(argc, argv, "--seed", &seed);
    if (number_option(argc, argv, "--script", &script) && number_option(argc, argv, "--at", &at) &&
        number_option(argc, argv, "--kind", &kind)) {
        (void)number_option(argc, argv, "--again", &again);
        const struct point p = {.script = (uint32_t)(script % SCRIPTS),
                                .at = at,
                                .kind = (enum io_sim_fault)kind,
                                .seed = seed,
                                .again_at = again};
        return point_run(&p, NULL, NULL) ? 0 : 1;
    }
    if (exhaustive)
        run_all(&t, seed);
    else
        run_sample(&t, seed);
    printf("seed %llu: %llu runs, %llu violations\n", (unsigned long long)seed,
           (unsigned long long)t.runs, (unsigned long long)t.violations);
    bool defects = run_defects(seed);
    return t.violations == 0 && defects ? 0 : 1;
}
