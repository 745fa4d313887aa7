/*
 * bench_query.c - the questions dashboards ask, over a day of spans.
 *
 *     bench_query --dir DIR [--spans 10000000] [--threads 2] [--repeat 7] [--only NAME] [--sql 'SELECT ...']
 *
 * Makes the store in DIR when it is empty: traces of an agent with tools, retrieval and llm calls, 20 prompts, a new prompt
 * version every three hours, log-normal latencies and tokens, scores on a third of the llm spans, one prompt that gets worse in
 * the last four hours. Then times each query: first run, least and median of the repeats, and the least processor time of all
 * threads together, in milliseconds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/rng.h"
#include "query/query.h"

#define START_NS    1763856000000000000ll
#define BATCH_SPANS 16384u

struct options {
    const char *dir;
    uint64_t spans;
    uint32_t threads;
    uint32_t repeat;
    const char *only;
    const char *sql;
};

struct question {
    const char *name;
    const char *sql;
};

static const struct question questions[] = {
    {"count", "SELECT count(*) FROM spans"},
    {"pct_by_version_24h",
     "SELECT prompt_version, p50(latency_ms), p95(latency_ms), p99(latency_ms) FROM spans WHERE kind = 'llm' "
     "GROUP BY 1 ORDER BY 1"},
    {"pct_by_version_exact",
     "SELECT prompt_version, quantile_exact(latency_ms, 0.5), quantile_exact(latency_ms, 0.95), "
     "quantile_exact(latency_ms, 0.99) FROM spans WHERE kind = 'llm' GROUP BY 1 ORDER BY 1"},
    {"ttft_5m_model_6h",
     "SELECT time_bucket('5m', time) b, model, p50(ttft_ms), p99(ttft_ms), count(*) FROM spans WHERE kind = 'llm' "
     "AND time >= '2025-11-23T18:00:00Z' GROUP BY 1, 2 ORDER BY 1, 2"},
    {"drift_rolling",
     "SELECT prompt_name, prompt_version, time_bucket('1m', time) b, avg(score.groundedness) FROM spans WHERE "
     "score.groundedness IS NOT NULL GROUP BY 1, 2, 3 ROLLING '1h' ORDER BY 1, 2, 3"},
    {"drift_now_vs_24h",
     "SELECT prompt_name, prompt_version, avg(score.groundedness) FILTER (WHERE time >= '2025-11-23T23:00:00Z') a, "
     "avg(score.groundedness) FILTER (WHERE time < '2025-11-23T23:00:00Z') b, count(score.groundedness) FROM spans "
     "GROUP BY 1, 2 ORDER BY b - a DESC NULLS LAST LIMIT 10"},
    {"cost_baseline_hourly",
     "SELECT time_bucket('1h', time) h, model, sum(cost_usd), avg(cost_usd), count(*) FROM spans WHERE kind IN "
     "('llm', 'embedding') GROUP BY 1, 2 ORDER BY 1, 2"},
    {"error_rate_5m",
     "SELECT time_bucket('5m', time) b, count(*) FILTER (WHERE error_class <> 'none') * 1.0 / count(*) FROM spans "
     "GROUP BY 1 ORDER BY 1"},
    {"class_by_version",
     "SELECT prompt_name, prompt_version, error_class, count(*) FROM spans WHERE error_class <> 'none' GROUP BY 1, 2, 3 "
     "ORDER BY 1, 2, 3"},
    {"session_lookup",
     "SELECT time, kind, model, latency_ms, cost_usd FROM spans WHERE session = 'ses_4242' ORDER BY time"},
    {"trace_lookup", NULL},
    {"rare_class_latest",
     "SELECT time, trace_id, session, prompt_version FROM spans WHERE error_class = 'jailbreak' ORDER BY time DESC "
     "LIMIT 20"},
    {"top_sessions_cost",
     "SELECT session, sum(cost_usd) c, count(*) FROM spans GROUP BY 1 ORDER BY 2 DESC NULLS LAST LIMIT 20"},
};

/* ---- rows ---- */

struct maker {
    struct rng rng;
    struct builder builder;
    struct schema *schema;
    const struct column *scores[3];
    uint64_t spans;
    uint64_t made;
    uint64_t traces;
};

static double log_normal(struct rng *r, double mu, double sigma)
{
    return exp(mu + sigma * rng_normal(r));
}

static void put_name(struct builder *b, uint16_t column, const char *format, uint64_t n)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%s%llu", format, (unsigned long long)n);
    builder_str(b, column, slice_of(text, (size_t)size));
}

struct trace_facts {
    struct id128 id;
    uint64_t number;
    int64_t start;
    double part; /* of the day */
    uint64_t session;
    uint32_t prompt;
    uint32_t version;
    uint32_t model;
    uint64_t root;
};

static const char *class_of(struct rng *r, bool llm)
{
    double e = rng_unit(r);
    if (e < 0.003)
        return "hallucination";
    if (e < 0.005)
        return llm ? "tool_call_malformed" : "none";
    if (e < 0.0065)
        return llm ? "refusal" : "none";
    if (e < 0.009)
        return llm ? "truncation" : "none";
    if (e < 0.014)
        return "timeout";
    if (e < 0.022)
        return "rate_limit";
    return e < 0.0222 ? "jailbreak" : "none";
}

static void put_scores(struct maker *m, const struct trace_facts *t, const char *class)
{
    struct rng *r = &m->rng;
    double grounded = 0.91 + 0.06 * rng_normal(r);
    if (t->part > 0.8333 && t->prompt == 3 && t->version >= 7)
        grounded -= 0.07;
    if (strcmp(class, "hallucination") == 0)
        grounded -= 0.4;
    grounded = grounded > 1 ? 1 : grounded < 0 ? 0 : grounded;
    double relevance = 0.88 + 0.07 * rng_normal(r);
    builder_f64(&m->builder, m->scores[0]->id, round(grounded * 1e4) / 1e4);
    builder_f64(&m->builder, m->scores[1]->id, round((relevance > 1 ? 1 : relevance) * 1e4) / 1e4);
    builder_f64(&m->builder, m->scores[2]->id, round(fabs(rng_normal(r)) * 1e3) / 1e5);
}

static void put_llm(struct maker *m, const struct trace_facts *t, const char *class)
{
    struct rng *r = &m->rng;
    struct builder *b = &m->builder;
    int64_t in = (int64_t)log_normal(r, 6.93, 1.1);
    int64_t out = (int64_t)log_normal(r, 4.86, 1.0);
    int64_t ttft_us = (int64_t)(log_normal(r, 12.9, 0.6) + (double)in * 20);
    int64_t latency_us = ttft_us + (int64_t)((double)out * 18000 * log_normal(r, 0, 0.2));
    builder_i64(b, SPANS_latency_ms, latency_us * NS_PER_US);
    builder_i64(b, SPANS_ttft_ms, ttft_us * NS_PER_US);
    builder_i64(b, SPANS_tokens_in, in);
    builder_i64(b, SPANS_tokens_out, out);
    builder_i64(b, SPANS_tokens_cached, rng_unit(r) < 0.35 ? in / 2 : 0);
    builder_i64(b, SPANS_cost_usd,
                in * (100 + 250 * (int64_t)t->model) + out * (400 + 900 * (int64_t)t->model));
    builder_str(b, SPANS_pricing_version, slice_text(t->part < 0.5 ? "2026-10" : "2026-11"));
    builder_str(b, SPANS_finish_reason, slice_text(rng_unit(r) < 0.2 ? "tool_calls" : "stop"));
    builder_f64(b, SPANS_temperature, t->prompt % 2 == 1 ? 0.2 : 0.7);
    if (strcmp(class, "none") != 0 || rng_unit(r) < 0.3)
        put_scores(m, t, class);
}

static void put_span(struct maker *m, const struct trace_facts *t, uint32_t step, uint32_t steps)
{
    static const char *const kinds[] = {"llm", "tool", "retrieval", "agent", "embedding"};
    static const char *const models[] = {"gpt-4o",           "gpt-4o-mini",      "claude-sonnet-4",
                                         "claude-haiku-3.5", "gemini-2.0-flash", "llama-3.3-70b",
                                         "mistral-large",    "gpt-4.1",          "o3-mini",
                                         "deepseek-v3",      "qwen-2.5-72b",     "command-r"};
    struct rng *r = &m->rng;
    struct builder *b = &m->builder;
    uint32_t kind = step == 0 ? (steps > 1 ? 3 : 0) : step % 3 == 1 ? 0 : step % 3 == 2 ? 1 : 2;
    if (rng_unit(r) < 0.03)
        kind = 4;
    const char *class = class_of(r, kind == 0);
    builder_row(b);
    builder_i64(b, SPANS_time,
                t->start + (int64_t)step * 400 * NS_PER_MS + (int64_t)rng_below(r, NS_PER_MS));
    builder_id128(b, SPANS_trace_id, t->id);
    builder_id64(b, SPANS_span_id, hash_mix(t->number * 64 + step + 1));
    if (step > 0)
        builder_id64(b, SPANS_parent_id, t->root);
    put_name(b, SPANS_session, "ses_", t->session);
    put_name(b, SPANS_user_id, "usr_", t->session % (m->spans / 200 + 7));
    put_name(b, SPANS_service, "svc-", t->prompt % 6);
    builder_str(b, SPANS_kind, slice_text(kinds[kind]));
    builder_str(b, SPANS_name, slice_text(kind == 1 ? "tool.call" : kinds[kind]));
    if (kind == 0 || kind == 4)
        builder_str(b, SPANS_model, slice_text(models[t->model]));
    put_name(b, SPANS_prompt_name, "prompt-", t->prompt);
    put_name(b, SPANS_prompt_version, "v", t->version);
    if (strcmp(class, "none") != 0)
        builder_str(b, SPANS_error_class, slice_text(class));
    builder_i64(b, SPANS_http_status, strcmp(class, "timeout") == 0 ? 504 : 200);
    if (kind == 1)
        put_name(b, SPANS_tool_name, "tool_", rng_below(r, 30));
    if (kind == 0)
        put_llm(m, t, class);
    else
        builder_i64(b, SPANS_latency_ms, (int64_t)log_normal(r, 11.8, 0.8) * NS_PER_US);
    if (kind == 4)
        builder_i64(b, SPANS_cost_usd, (int64_t)log_normal(r, 5.5, 0.7) * 100);
}

static void put_trace(struct maker *m)
{
    struct rng *r = &m->rng;
    struct trace_facts t = {.number = ++m->traces};
    uint64_t mixed[2] = {hash_mix(t.number * 7919), hash_mix(t.number * 104729)};
    memcpy(t.id.bytes, mixed, sizeof mixed);
    t.part = (double)m->made / (double)m->spans;
    t.start = START_NS + (int64_t)(t.part * (double)NS_PER_DAY);
    t.session = (uint64_t)((double)m->spans / 40 * pow(rng_unit(r), 1.6)) + 1;
    t.prompt = (uint32_t)(20 * pow(rng_unit(r), 2));
    t.version = (uint32_t)(8 * t.part + rng_unit(r) * 1.5);
    t.version = t.version > 8 ? 8 : t.version;
    t.model = (uint32_t)(12 * pow(rng_unit(r), 1.7));
    t.root = hash_mix(t.number * 64 + 1);
    uint32_t steps = 1 + (uint32_t)(rng_unit(r) * rng_unit(r) * 9);
    for (uint32_t step = 0; step < steps; step++)
        put_span(m, &t, step, steps);
    m->made += steps;
}

/* ---- the store ---- */

static void die(const char *what, const struct error *error)
{
    (void)fprintf(stderr, "bench_query: %s: %s\n", what, error->text);
    exit(1);
}

static void append(struct engine *e, uint32_t project, struct maker *m)
{
    struct error error = {0};
    struct append_result result;
    struct batch batch = builder_batch(&m->builder);
    struct append a = {.project = project, .spans = &batch};
    enum status s;
    while ((s = engine_append(e, &a, &result, &error)) == STATUS_BUSY)
        if (engine_seal(e, &error) < 0)
            die("seal", &error);
    if (s < 0 || engine_wait(e, result.ticket, 60 * NS_PER_S, &error) < 0)
        die("append", &error);
    builder_reset(&m->builder);
}

static void fill(struct engine *e, uint32_t project, uint64_t spans)
{
    static const char *const names[] = {"score.groundedness", "score.relevance", "score.toxicity"};
    struct error error = {0};
    struct compact_result compacted;
    struct maker m = {.schema = engine_schema(e, project), .spans = spans};
    rng_init(&m.rng, 1);
    for (int i = 0; i < 3; i++)
        if (schema_add_score(m.schema, slice_text(names[i]), &m.scores[i], &error) < 0)
            die("score", &error);
    builder_init(&m.builder, TABLE_SPANS, m.schema);
    uint64_t sealed = 0;
    while (m.made < spans) {
        put_trace(&m);
        if (m.builder.rows >= BATCH_SPANS)
            append(e, project, &m);
        if (m.made - sealed > 1000000) {
            sealed = m.made;
            (void)fprintf(stderr, "%llu spans\n", (unsigned long long)m.made);
            if (engine_seal(e, &error) < 0)
                die("seal", &error);
        }
    }
    append(e, project, &m);
    builder_deinit(&m.builder);
    if (engine_seal(e, &error) < 0 || engine_compact(e, true, NULL, &compacted, &error) < 0)
        die("compact", &error);
}

/* ---- timing ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of all threads: what a machine that others use at the same time does not blur. */
static double cpu_ms(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void ask(struct query_db *db, uint32_t project, const struct options *o, const char *name,
                const char *sql)
{
    struct error error = {0};
    double times[64];
    double cpu = INFINITY;
    double first = 0;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < o->repeat; i++) {
        struct query_result *result;
        struct query_options options = {.project = project,
                                        .threads = o->threads,
                                        .timeout_ns = 300 * NS_PER_S,
                                        .memory_bytes_max = 8ull << 30,
                                        .now_ns = START_NS + NS_PER_DAY};
        double cpu_before = cpu_ms();
        int64_t started = clock_monotonic_ns();
        if (query_run(db, slice_text(sql), &options, &result, &error) < 0)
            die(name, &error);
        times[i] = (double)(clock_monotonic_ns() - started) / 1e6;
        first = i == 0 ? times[0] : first;
        cpu = fmin(cpu, cpu_ms() - cpu_before);
        rows = result->row_count;
        query_result_destroy(result);
    }
    qsort(times, o->repeat, sizeof *times, compare_doubles);
    (void)printf("%-22s rows %7llu  first %9.3f  min %9.3f  med %9.3f ms  cpu %9.3f ms\n", name,
                 (unsigned long long)rows, first, times[0], times[o->repeat / 2], cpu);
}

static void show(struct query_db *db, uint32_t project, const struct options *o)
{
    struct error error = {0};
    struct query_result *result;
    struct buffer out = {0};
    struct query_options options = {
        .project = project, .threads = o->threads, .now_ns = START_NS + NS_PER_DAY};
    if (query_run(db, slice_text(o->sql), &options, &result, &error) < 0) {
        query_error_caret(slice_text(o->sql), &error, &out);
        (void)fwrite(out.data, 1, out.size, stderr);
        die("sql", &error);
    }
    query_result_write(result, QUERY_TABLE, 0, &out);
    (void)fwrite(out.data, 1, out.size, stdout);
    buffer_deinit(&out);
    query_result_destroy(result);
}

static struct options parse_options(int argc, char **argv)
{
    struct options o = {.spans = 10000000, .threads = 2, .repeat = 7};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--dir") == 0)
            o.dir = value;
        else if (strcmp(argv[i], "--spans") == 0)
            o.spans = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--threads") == 0)
            o.threads = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--repeat") == 0)
            o.repeat = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--only") == 0)
            o.only = value;
        else if (strcmp(argv[i], "--sql") == 0)
            o.sql = value;
    }
    if (o.dir == NULL || o.repeat == 0 || o.repeat > 64) {
        (void)fprintf(stderr,
                      "usage: bench_query --dir DIR [--spans N] [--threads N] [--repeat 1..64] "
                      "[--only NAME] [--sql SQL]\n");
        exit(2);
    }
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse_options(argc, argv);
    struct error error = {0};
    struct io *io;
    struct engine *e;
    uint32_t project;
    const struct engine_options options = {.maintenance_threads = UINT32_MAX};
    (void)mkdir(o.dir, 0755);
    if (io_create(o.dir, NULL, &io, NULL, &error) < 0 || engine_open(io, &options, &e, &error) < 0)
        die("open", &error);
    if (engine_project(e, slice_text("default"), true, &project, &error) < 0)
        die("project", &error);
    if (engine_last_seq(e) == 0)
        fill(e, project, o.spans);
    struct query_db *db = query_db_create(e);
    char trace_sql[128];
    char hex[ID128_HEX_BYTES + 1] = {0};
    uint64_t mixed[2] = {hash_mix(777 * 7919), hash_mix(777 * 104729)};
    hex_encode((const uint8_t *)mixed, sizeof mixed, hex);
    (void)snprintf(trace_sql, sizeof trace_sql,
                   "SELECT * FROM spans WHERE trace_id = '%s' ORDER BY time", hex);
    if (o.sql != NULL)
        show(db, project, &o);
    for (size_t i = 0; o.sql == NULL && i < sizeof questions / sizeof *questions; i++)
        if (o.only == NULL || strcmp(o.only, questions[i].name) == 0)
            ask(db, project, &o, questions[i].name,
                questions[i].sql == NULL ? trace_sql : questions[i].sql);
    query_db_destroy(db);
    engine_close(e);
    io_destroy(io);
    return 0;
}
