/*
 * test_query_oracle.c - random queries against plain loops over the same rows.
 *
 * Conditions, keys and aggregates are drawn from tables; each has its SQL and its C. Every query runs with one, two and four
 * threads and must say the same. The seed is printed with a failure.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "query_fixture.h"

#define QUERIES 150

/* ---- conditions ---- */

static bool is_llm(const struct sample *s)
{
    return strcmp(s->kind, "llm") == 0;
}
static bool is_gpt(const struct sample *s)
{
    return s->model != NULL && strncmp(s->model, "gpt", 3) == 0;
}
static bool no_model(const struct sample *s)
{
    return s->model == NULL;
}
static bool is_slow(const struct sample *s)
{
    return s->latency_ns > 2500500000;
}
static bool is_cheap(const struct sample *s)
{
    return s->cost_nusd >= 0 && s->cost_nusd <= 4000000;
}
static bool has_failed(const struct sample *s)
{
    return strcmp(s->error_class, "none") != 0;
}
static bool some_classes(const struct sample *s)
{
    return strcmp(s->error_class, "timeout") == 0 || strcmp(s->error_class, "jailbreak") == 0;
}
static bool afternoon(const struct sample *s)
{
    return s->time >= FIXTURE_NOW_NS - 12 * NS_PER_HOUR &&
           s->time < FIXTURE_NOW_NS - 5 * NS_PER_HOUR;
}
static bool is_root(const struct sample *s)
{
    return s->parent == 0;
}
static bool low_score(const struct sample *s)
{
    return s->scored && s->groundedness < 0.25;
}
static bool is_ses_1x(const struct sample *s)
{
    return strncmp(s->session, "ses_1", 5) == 0;
}
static bool is_estimated(const struct sample *s)
{
    return s->estimated;
}
static bool odd_tokens(const struct sample *s)
{
    return s->tokens_in >= 0 && s->tokens_in % 2 == 1;
}
static bool long_row(const struct sample *s)
{
    return strlen(s->model == NULL ? "" : s->model) > 7;
}
static bool not_gold(const struct sample *s)
{
    return strstr(s->attributes, "gold") == NULL;
}
static bool http_known_ok(const struct sample *s)
{
    return s->http_status == 200;
}

static const struct {
    const char *sql;
    bool (*test)(const struct sample *);
} conditions[] = {
    {"kind = 'llm'", is_llm},
    {"model LIKE 'gpt%'", is_gpt},
    {"model IS NULL", no_model},
    {"latency_ms > 2500.5", is_slow},
    {"cost_usd <= 0.004", is_cheap},
    {"error_class <> 'none'", has_failed},
    {"error_class IN ('timeout', 'jailbreak')", some_classes},
    {"time >= now() - interval '12h' AND time < now() - interval '5h'", afternoon},
    {"parent_id IS NULL", is_root},
    {"score.groundedness < 0.25", low_score},
    {"session ~ '^ses_1'", is_ses_1x},
    {"cost_estimated", is_estimated},
    {"tokens_in % 2 = 1", odd_tokens},
    {"length(coalesce(model, '')) > 7", long_row},
    {"attributes->>'tier' <> 'gold'", not_gold},
    {"http_status IS NOT NULL AND http_status BETWEEN 200 AND 299", http_known_ok},
};
#define CONDITIONS (sizeof conditions / sizeof *conditions)

/* ---- keys: text, or NULL ---- */

static const char *key_model(const struct sample *s, char *to)
{
    (void)to;
    return s->model;
}
static const char *key_kind(const struct sample *s, char *to)
{
    (void)to;
    return s->kind;
}
static const char *key_version(const struct sample *s, char *to)
{
    (void)snprintf(to, 64, "%s", s->version);
    return to;
}
static const char *key_class(const struct sample *s, char *to)
{
    (void)to;
    return s->error_class;
}
static const char *key_session(const struct sample *s, char *to)
{
    (void)snprintf(to, 64, "%s", s->session);
    return to;
}
static const char *key_bucket(const struct sample *s, char *to)
{
    time_to_text(s->time / (2 * NS_PER_HOUR) * (2 * NS_PER_HOUR), to);
    return to;
}
static const char *key_speed(const struct sample *s, char *to)
{
    (void)to;
    return s->latency_ns < 1000000000 ? "a" : s->latency_ns < 3000000000 ? "b" : NULL;
}
static const char *key_estimated(const struct sample *s, char *to)
{
    (void)to;
    return s->estimated ? "true" : "false";
}

static const struct {
    const char *sql;
    const char *(*text)(const struct sample *, char *);
} keys[] = {
    {"model", key_model},
    {"kind", key_kind},
    {"prompt_version", key_version},
    {"error_class", key_class},
    {"session", key_session},
    {"time_bucket('2h', time)", key_bucket},
    {"CASE WHEN latency_ms < 1000 THEN 'a' WHEN latency_ms < 3000 THEN 'b' END", key_speed},
    {"cost_estimated", key_estimated},
};
#define KEYS (sizeof keys / sizeof *keys)

/* ---- aggregates over the rows of a group; false: NULL ---- */

struct rows {
    const struct sample *all;
    const uint32_t *list;
    uint32_t count;
};
#define EACH(r, s)                                                                                 \
    for (uint32_t each = 0; each < (r)->count; each++)                                             \
        for (const struct sample *s = &(r)->all[(r)->list[each]]; s != NULL; s = NULL)

static bool agg_count(const struct rows *r, double *ret)
{
    *ret = r->count;
    return true;
}
static bool agg_count_model(const struct rows *r, double *ret)
{
    *ret = 0;
    EACH(r, s)
    *ret += s->model != NULL;
    return true;
}
static bool agg_sum_tokens(const struct rows *r, double *ret)
{
    bool any = false;
    *ret = 0;
    EACH(r, s)
    if (s->tokens_in >= 0) {
        *ret += (double)s->tokens_in;
        any = true;
    }
    return any;
}
static bool agg_sum_cost(const struct rows *r, double *ret)
{
    int64_t sum = 0;
    bool any = false;
    EACH(r, s)
    if (s->cost_nusd >= 0) {
        sum += s->cost_nusd;
        any = true;
    }
    *ret = (double)sum / 1e9;
    return any;
}
static bool agg_avg_score(const struct rows *r, double *ret)
{
    long double sum = 0;
    uint32_t count = 0;
    EACH(r, s)
    if (s->scored) {
        sum += (long double)s->groundedness;
        count++;
    }
    *ret = count == 0 ? 0 : (double)(sum / count);
    return count > 0;
}
static bool agg_stddev_latency(const struct rows *r, double *ret)
{
    long double mean = 0;
    long double squares = 0;
    EACH(r, s)
    mean += (long double)s->latency_ns / 1e6L / r->count;
    EACH(r, s)
    {
        long double d = (long double)s->latency_ns / 1e6L - mean;
        squares += d * d;
    }
    *ret = r->count < 2 ? 0 : (double)sqrtl(squares / (r->count - 1));
    return r->count >= 2;
}
static bool agg_min_latency(const struct rows *r, double *ret)
{
    int64_t best = INT64_MAX;
    EACH(r, s)
    best = s->latency_ns < best ? s->latency_ns : best;
    *ret = (double)best / 1e6;
    return true;
}
static bool agg_distinct(const struct rows *r, double *ret)
{
    *ret = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        bool seen = false;
        for (uint32_t k = 0; k < i && !seen; k++)
            seen = strcmp(r->all[r->list[i]].session, r->all[r->list[k]].session) == 0;
        *ret += !seen;
    }
    return true;
}
static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}
static double quantile_of(double *values, uint32_t count, double q)
{
    qsort(values, count, sizeof *values, compare_doubles);
    double position = q * (count - 1);
    uint32_t low = (uint32_t)position;
    double part = position - low;
    return part == 0 ? values[low] : values[low] + (values[low + 1] - values[low]) * part;
}
static bool agg_exact_90(const struct rows *r, double *ret)
{
    static double values[FIXTURE_ROWS];
    uint32_t count = 0;
    EACH(r, s)
    values[count++] = (double)s->latency_ns / 1e6;
    *ret = quantile_of(values, count, 0.9);
    return true;
}
static bool agg_p50_score(const struct rows *r, double *ret)
{
    static double values[FIXTURE_ROWS];
    uint32_t count = 0;
    EACH(r, s)
    if (s->scored)
        values[count++] = s->groundedness;
    *ret = count == 0 ? 0 : quantile_of(values, count, 0.5);
    return count > 0;
}
static bool agg_failed(const struct rows *r, double *ret)
{
    *ret = 0;
    EACH(r, s)
    *ret += has_failed(s);
    return true;
}
static bool agg_gpt_tokens(const struct rows *r, double *ret)
{
    double sum = 0;
    uint32_t count = 0;
    EACH(r, s)
    if (is_gpt(s)) {
        sum += (double)s->tokens_out;
        count++;
    }
    *ret = count == 0 ? 0 : sum / count;
    return count > 0;
}

static const struct {
    const char *sql;
    bool (*value)(const struct rows *, double *);
    double tolerance; /* relative */
} aggregates[] = {
    {"count(*)", agg_count, 0},
    {"count(model)", agg_count_model, 0},
    {"sum(tokens_in)", agg_sum_tokens, 0},
    {"sum(cost_usd)", agg_sum_cost, 0},
    {"avg(score.groundedness)", agg_avg_score, 1e-14},
    {"stddev(latency_ms)", agg_stddev_latency, 1e-12},
    {"min(latency_ms)", agg_min_latency, 0},
    {"count(DISTINCT session)", agg_distinct, 0},
    {"quantile_exact(latency_ms, 0.9)", agg_exact_90, 1e-12},
    {"p50(score.groundedness)", agg_p50_score, 0.0079},
    {"count(*) FILTER (WHERE error_class <> 'none')", agg_failed, 0},
    {"avg(tokens_out) FILTER (WHERE model LIKE 'gpt%')", agg_gpt_tokens, 1e-14},
};
#define AGGREGATES (sizeof aggregates / sizeof *aggregates)

/* ---- one query ---- */

struct group {
    const char *keys[3];
    char text[3][64];
    uint32_t rows[FIXTURE_ROWS];
    uint32_t count;
};

static int compare_keys(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return (a == NULL) - (b == NULL);
    return strcmp(a, b);
}

static int compare_groups(const void *pa, const void *pb)
{
    const struct group *a = *(const struct group *const *)pa;
    const struct group *b = *(const struct group *const *)pb;
    for (int k = 0; k < 3; k++) {
        int order = compare_keys(a->keys[k], b->keys[k]);
        if (order != 0)
            return order;
    }
    return 0;
}

struct trial {
    uint32_t condition_count;
    uint32_t conditions[3];
    bool any; /* OR */
    bool negate;
    uint32_t key_count;
    uint32_t keys[3];
    uint32_t aggregate_count;
    uint32_t aggregates[4];
};

static bool passes(const struct trial *t, const struct sample *s)
{
    bool all = true;
    bool any = false;
    for (uint32_t i = 0; i < t->condition_count; i++) {
        bool truth = conditions[t->conditions[i]].test(s);
        all = all && truth;
        any = any || truth;
    }
    return t->condition_count == 0 || (t->any ? any : all);
}

static uint32_t group_rows(const struct fixture *f, const struct trial *t, struct group **groups)
{
    uint32_t count = 0;
    if (t->key_count == 0)
        groups[count++] = mem_zero(1, sizeof **groups);
    for (uint32_t i = 0; i < FIXTURE_ROWS; i++) {
        if (!passes(t, &f->rows[i]))
            continue;
        struct group *g = mem_zero(1, sizeof *g);
        for (uint32_t k = 0; k < t->key_count; k++)
            g->keys[k] = keys[t->keys[k]].text(&f->rows[i], g->text[k]);
        uint32_t at = 0;
        while (at < count && compare_groups(&groups[at], &g) != 0)
            at++;
        if (at == count)
            groups[count++] = g;
        else
            mem_free(g);
        groups[at]->rows[groups[at]->count++] = i;
    }
    qsort(groups, count, sizeof *groups, compare_groups);
    return count;
}

static struct trial trial_make(struct rng *r)
{
    struct trial t = {.condition_count = (uint32_t)rng_below(r, 4),
                      .any = rng_below(r, 3) == 0,
                      .key_count = (uint32_t)rng_below(r, 4),
                      .aggregate_count = 1 + (uint32_t)rng_below(r, 4)};
    for (uint32_t i = 0; i < t.condition_count; i++)
        t.conditions[i] = (uint32_t)rng_below(r, CONDITIONS);
    for (uint32_t i = 0; i < t.key_count; i++)
        t.keys[i] = (uint32_t)((rng_below(r, KEYS / 3) * 3 + i) % KEYS);
    for (uint32_t i = 0; i < t.aggregate_count; i++)
        t.aggregates[i] = (uint32_t)rng_below(r, AGGREGATES);
    return t;
}

static void trial_sql(const struct trial *t, struct buffer *to)
{
    buffer_add_text(to, "SELECT ");
    for (uint32_t k = 0; k < t->key_count; k++)
        buffer_printf(to, "%s, ", keys[t->keys[k]].sql);
    for (uint32_t a = 0; a < t->aggregate_count; a++)
        buffer_printf(to, "%s%s", a > 0 ? ", " : "", aggregates[t->aggregates[a]].sql);
    buffer_add_text(to, " FROM spans");
    for (uint32_t i = 0; i < t->condition_count; i++)
        buffer_printf(to, "%s(%s)",
                      i == 0   ? " WHERE "
                      : t->any ? " OR "
                               : " AND ",
                      conditions[t->conditions[i]].sql);
    for (uint32_t k = 0; k < t->key_count; k++)
        buffer_printf(to, "%s%u", k == 0 ? " GROUP BY " : ", ", k + 1);
    for (uint32_t k = 0; k < t->key_count; k++)
        buffer_printf(to, "%s%u", k == 0 ? " ORDER BY " : ", ", k + 1);
}

static double number_of(const struct query_value *v)
{
    return v->type == SQL_INT ? (double)v->i64 : v->f64;
}

static void check_row(const struct fixture *f, const struct trial *t, const struct group *g,
                      const struct query_value *cells, const char *sql)
{
    struct buffer text = {0};
    for (uint32_t k = 0; k < t->key_count; k++) {
        buffer_reset(&text);
        bool has = query_value_text(&cells[k], &text);
        cr_assert(has == (g->keys[k] != NULL), "%s: key %u", sql, k);
        cr_assert(!has || slice_is(buffer_slice(&text), g->keys[k]), "%s: key %u is %.*s, not %s",
                  sql, k, SLICE_ARG(buffer_slice(&text)), g->keys[k]);
    }
    struct rows rows = {.all = f->rows, .list = g->rows, .count = g->count};
    for (uint32_t a = 0; a < t->aggregate_count; a++) {
        double expected = 0;
        const struct query_value *v = &cells[t->key_count + a];
        bool has = aggregates[t->aggregates[a]].value(&rows, &expected);
        if (g->count == 0 && strncmp(aggregates[t->aggregates[a]].sql, "count", 5) != 0)
            has = false;
        cr_assert(has == (v->type != SQL_NULL), "%s: %s NULL?", sql,
                  aggregates[t->aggregates[a]].sql);
        double error = fabs(number_of(v) - expected);
        cr_assert(!has || error <= fabs(expected) * aggregates[t->aggregates[a]].tolerance,
                  "%s: %s is %.17g, not %.17g", sql, aggregates[t->aggregates[a]].sql, number_of(v),
                  expected);
    }
    buffer_deinit(&text);
}

static void run_trial(struct fixture *f, const struct trial *t)
{
    static struct group *groups[FIXTURE_ROWS];
    static const uint32_t threads[] = {1, 2, 4};
    struct buffer sql = {0};
    struct buffer csv[3] = {{0}};
    trial_sql(t, &sql);
    buffer_add_byte(&sql, 0);
    struct slice text = slice_text((const char *)sql.data);
    uint32_t count = group_rows(f, t, groups);
    for (int i = 0; i < 3; i++) {
        struct error error = {0};
        struct query_result *result = NULL;
        struct query_options options = {
            .project = f->project, .now_ns = FIXTURE_NOW_NS, .threads = threads[i]};
        cr_assert(query_run(f->db, text, &options, &result, &error) == STATUS_OK, "%s: %s",
                  sql.data, error.text);
        cr_assert(result->row_count == count, "%s: %u rows, not %u", sql.data,
                  (unsigned)result->row_count, count);
        for (uint32_t g = 0; g < count; g++)
            check_row(f, t, groups[g], &result->cells[g * result->column_count],
                      (const char *)sql.data);
        query_result_write(result, QUERY_CSV, 0, &csv[i]);
        query_result_destroy(result);
    }
    cr_assert(slice_equal(buffer_slice(&csv[0]), buffer_slice(&csv[1])), "%s: 2 threads", sql.data);
    cr_assert(slice_equal(buffer_slice(&csv[0]), buffer_slice(&csv[2])), "%s: 4 threads", sql.data);
    for (uint32_t g = 0; g < count; g++)
        mem_free(groups[g]);
    for (int i = 0; i < 3; i++)
        buffer_deinit(&csv[i]);
    buffer_deinit(&sql);
}

Test(query_oracle, grouped_queries_agree_with_plain_loops)
{
    static struct fixture f;
    struct rng rng;
    fixture_open(&f);
    rng_init(&rng, 7);
    for (uint32_t i = 0; i < QUERIES; i++) {
        struct trial t = trial_make(&rng);
        run_trial(&f, &t);
    }
    fixture_close(&f);
}

/* ---- rows, ordered and limited ---- */

struct ordered {
    const struct sample *s;
};

static int compare_cost(const void *pa, const void *pb)
{
    const struct sample *a = ((const struct ordered *)pa)->s;
    const struct sample *b = ((const struct ordered *)pb)->s;
    bool null_a = a->cost_nusd < 0;
    bool null_b = b->cost_nusd < 0;
    if (null_a != null_b)
        return null_a ? 1 : -1;
    if (!null_a && a->cost_nusd != b->cost_nusd)
        return a->cost_nusd > b->cost_nusd ? -1 : 1;
    return (a->time > b->time) - (a->time < b->time);
}

Test(query_oracle, ordered_rows_agree_with_qsort)
{
    static struct fixture f;
    static struct ordered all[FIXTURE_ROWS];
    static const char *const sql[] = {
        "SELECT span_id FROM spans ORDER BY cost_usd DESC NULLS LAST, time LIMIT 37 OFFSET 5",
        "SELECT span_id FROM spans ORDER BY cost_usd DESC NULLS LAST, time",
    };
    fixture_open(&f);
    for (uint32_t i = 0; i < FIXTURE_ROWS; i++)
        all[i].s = &f.rows[i];
    qsort(all, FIXTURE_ROWS, sizeof *all, compare_cost);
    for (int q = 0; q < 2; q++)
        for (uint32_t threads = 1; threads <= 3; threads++) {
            struct error error = {0};
            struct query_result *result = NULL;
            struct query_options options = {.project = f.project, .threads = threads};
            cr_assert(query_run(f.db, slice_text(sql[q]), &options, &result, &error) == STATUS_OK);
            cr_assert(result->row_count == (q == 0 ? 37 : FIXTURE_ROWS));
            for (uint64_t i = 0; i < result->row_count; i++) {
                char hex[ID64_HEX_BYTES];
                id64_to_hex(all[i + (q == 0 ? 5 : 0)].s->span, hex);
                cr_assert(slice_equal(result->cells[i].text, slice_of(hex, sizeof hex)), "row %u",
                          (unsigned)i);
            }
            query_result_destroy(result);
        }
    fixture_close(&f);
}

/* ---- trailing windows ---- */

struct window_sums {
    uint32_t count;
    int64_t tokens;
    int64_t latency_max;
    double exact_90;
};

static struct window_sums window_of(const struct fixture *f, const char *version, int64_t from,
                                    int64_t until)
{
    static double values[FIXTURE_ROWS];
    struct window_sums w = {0};
    for (uint32_t i = 0; i < FIXTURE_ROWS; i++) {
        const struct sample *s = &f->rows[i];
        if (strcmp(s->version, version) != 0 || s->time < from || s->time >= until)
            continue;
        values[w.count++] = (double)s->latency_ns / 1e6;
        w.tokens += s->tokens_in >= 0 ? s->tokens_in : 0;
        w.latency_max = s->latency_ns > w.latency_max ? s->latency_ns : w.latency_max;
    }
    if (w.count > 0)
        w.exact_90 = quantile_of(values, w.count, 0.9);
    return w;
}

Test(query_oracle, rolling_windows_agree_with_plain_loops)
{
    static struct fixture f;
    static const char *const sql[] = {
        "SELECT time_bucket('30m', time) b, prompt_version v, count(*), sum(tokens_in), max(latency_ms), "
        "quantile_exact(latency_ms, 0.9) FROM spans GROUP BY 1, 2 ROLLING '3h' ORDER BY v, b",
        /* What is before the lower bound fills the windows, but makes no buckets. */
        "SELECT time_bucket('30m', time) b, prompt_version v, count(*), sum(tokens_in), max(latency_ms), "
        "quantile_exact(latency_ms, 0.9) FROM spans WHERE time >= now() - interval '7h10m' "
        "GROUP BY 1, 2 ROLLING '3h' ORDER BY v, b"};
    static const int64_t from[] = {INT64_MIN, FIXTURE_NOW_NS - 430 * 60 * NS_PER_S};
    fixture_open(&f);
    for (int q = 0; q < 2; q++) {
        struct error error = {0};
        struct query_result *result = NULL;
        struct query_options options = {
            .project = f.project, .now_ns = FIXTURE_NOW_NS, .threads = 2};
        cr_assert(query_run(f.db, slice_text(sql[q]), &options, &result, &error) == STATUS_OK, "%s",
                  error.text);
        uint64_t row = 0;
        for (int version = 1; version <= 3; version++)
            for (int64_t b = FIXTURE_NOW_NS - 24 * NS_PER_HOUR; b < FIXTURE_NOW_NS;
                 b += 30 * 60 * NS_PER_S) {
                char name[16];
                int64_t end = b + 30 * 60 * NS_PER_S;
                (void)snprintf(name, sizeof name, "v%d", version);
                if (window_of(&f, name, b > from[q] ? b : from[q], end).count == 0)
                    continue;
                struct window_sums w = window_of(&f, name, end - 3 * NS_PER_HOUR, end);
                const struct query_value *cells = &result->cells[row++ * 6];
                cr_assert(cells[0].i64 == b);
                cr_assert(cells[2].i64 == w.count, "%d rows at %d, not %u", (int)cells[2].i64,
                          (int)row, w.count);
                cr_assert(cells[3].i64 == w.tokens);
                cr_assert(cells[4].f64 == (double)w.latency_max / 1e6);
                cr_assert(fabs(cells[5].f64 - w.exact_90) < 1e-9);
            }
        cr_assert(row == result->row_count);
        query_result_destroy(result);
    }
    fixture_close(&f);
}

/* Mean of the scores of a prompt in [from, until); count by *ret_count. */
static double score_mean(const struct fixture *f, const char *prompt, int64_t from, int64_t until,
                         uint32_t *ret_count)
{
    long double sum = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < FIXTURE_ROWS; i++) {
        const struct sample *s = &f->rows[i];
        if (s->scored && strcmp(s->prompt, prompt) == 0 && s->time >= from && s->time < until) {
            sum += (long double)s->groundedness;
            count++;
        }
    }
    *ret_count = count;
    return count == 0 ? 0 : (double)(sum / count);
}

static void check_drift(const struct fixture *f, const char *prompt, int64_t end,
                        const struct query_value *v)
{
    uint32_t now_count;
    uint32_t before_count;
    double now = score_mean(f, prompt, end - 2 * NS_PER_HOUR, end, &now_count);
    double before =
        score_mean(f, prompt, end - 8 * NS_PER_HOUR, end - 2 * NS_PER_HOUR, &before_count);
    bool has = now_count >= 10 && before_count >= 10;
    cr_assert(has == (v->type != SQL_NULL), "drift NULL? %u and %u values", now_count,
              before_count);
    cr_assert(!has || fabs(v->f64 - (now - before)) < 1e-14, "drift %.17g, not %.17g", v->f64,
              now - before);
}

Test(query_oracle, drift_agrees_with_plain_loops)
{
    static struct fixture f;
    struct error error = {0};
    struct query_result *result = NULL;
    fixture_open(&f);
    struct query_options options = {.project = f.project, .now_ns = FIXTURE_NOW_NS, .threads = 2};
    cr_assert(
        query_run(f.db,
                  slice_text("SELECT prompt_name, drift(score.groundedness, '2h', '6h') FROM spans "
                             "GROUP BY 1"),
                  &options, &result, &error) == STATUS_OK);
    cr_assert(result->row_count == 3);
    for (uint64_t i = 0; i < 3; i++) {
        char prompt[16];
        (void)snprintf(prompt, sizeof prompt, "prompt-%02u", (unsigned)i);
        check_drift(&f, prompt, FIXTURE_NOW_NS, &result->cells[i * 2 + 1]);
    }
    query_result_destroy(result);
    cr_assert(
        query_run(
            f.db,
            slice_text(
                "SELECT prompt_name, time_bucket('1h', time) b, "
                "drift(score.groundedness, '2h', '6h') FROM spans WHERE "
                "time >= now() - interval '10h' AND time < now() GROUP BY 1, 2 ORDER BY 1, 2"),
            &options, &result, &error) == STATUS_OK);
    cr_assert(result->row_count == 30);
    for (uint64_t i = 0; i < 30; i++) {
        char prompt[16];
        (void)snprintf(prompt, sizeof prompt, "prompt-%02u", (unsigned)(i / 10));
        int64_t bucket = FIXTURE_NOW_NS - (10 - (int64_t)(i % 10)) * NS_PER_HOUR;
        cr_assert(result->cells[i * 3 + 1].i64 == bucket);
        check_drift(&f, prompt, bucket + NS_PER_HOUR, &result->cells[i * 3 + 2]);
    }
    query_result_destroy(result);
    fixture_close(&f);
}
