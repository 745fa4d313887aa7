/*
 * test_query_baseline.c - baseline and baseline_mad over weeks of values in a registered table, against plain loops.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "query_fixture.h"

#define VALUES 20000u
#define WEEK   (7 * NS_PER_DAY)

static struct {
    int64_t time;
    double value;
    bool odd;
} series[VALUES];

static enum status fill_series(void *context, uint32_t project, struct query_table_rows *to,
                               struct error *reterr)
{
    (void)context;
    (void)project;
    (void)reterr;
    for (uint32_t i = 0; i < VALUES; i++) {
        const struct query_value cells[] = {
            {.type = SQL_TIMESTAMP, .i64 = series[i].time},
            {.type = SQL_FLOAT, .f64 = series[i].value},
            {.type = SQL_TEXT, .text = slice_text(series[i].odd ? "odd" : "even")}};
        query_table_row(to, cells);
    }
    return STATUS_OK;
}

static struct query_db *series_db(void)
{
    static const struct query_column columns[] = {
        {"time", SQL_TIMESTAMP}, {"value", SQL_FLOAT}, {"parity", SQL_TEXT}};
    const struct query_table table = {
        .name = "series", .columns = columns, .column_count = 3, .fill = fill_series};
    struct rng rng;
    rng_init(&rng, 3);
    for (uint32_t i = 0; i < VALUES; i++) {
        series[i].time = FIXTURE_NOW_NS - (int64_t)rng_below(&rng, 6 * (uint64_t)WEEK);
        series[i].value = 10 + rng_normal(&rng);
        series[i].odd = rng_below(&rng, 4) == 0;
    }
    struct query_db *db = query_db_create(NULL);
    query_db_add_table(db, &table);
    return db;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The definition, word by word. */
static bool naive_baseline(bool odd, int64_t end, uint32_t weeks, uint32_t samples, bool mad,
                           double *ret)
{
    double means[64];
    uint32_t count = 0;
    int64_t hour = (end - 1) / NS_PER_HOUR * NS_PER_HOUR;
    for (uint32_t k = 1; k <= weeks; k++) {
        int64_t from = hour - k * WEEK;
        long double sum = 0;
        uint32_t n = 0;
        for (uint32_t i = 0; i < VALUES; i++)
            if (series[i].odd == odd && series[i].time >= from &&
                series[i].time < from + NS_PER_HOUR) {
                sum += (long double)series[i].value;
                n++;
            }
        if (n >= samples)
            means[count++] = (double)(sum / n);
    }
    if (count < 2)
        return false;
    double middle = median(means, count);
    for (uint32_t i = 0; mad && i < count; i++)
        means[i] = fabs(means[i] - middle);
    *ret = mad ? median(means, count) : middle;
    return true;
}

static void check(const struct query_value *v, bool odd, int64_t end, uint32_t weeks,
                  uint32_t samples, bool mad)
{
    double expected = 0;
    bool has = naive_baseline(odd, end, weeks, samples, mad, &expected);
    cr_assert(has == (v->type != SQL_NULL));
    cr_assert(!has || fabs(v->f64 - expected) < 1e-12, "%.17g, not %.17g", v->f64, expected);
}

static struct query_result *ask(struct query_db *db, const char *sql, uint32_t threads)
{
    struct error error = {0};
    struct query_result *result = NULL;
    struct query_options options = {.now_ns = FIXTURE_NOW_NS, .threads = threads};
    cr_assert(query_run(db, slice_text(sql), &options, &result, &error) == STATUS_OK, "%s: %s", sql,
              error.text);
    return result;
}

Test(query_baseline, of_groups_is_the_median_of_the_same_hour_of_the_weeks_before)
{
    struct query_db *db = series_db();
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct query_result *r =
            ask(db,
                "SELECT parity, baseline(value, '28d'), baseline_mad(value, '28d'), "
                "baseline(value, '5w', 3) FROM series GROUP BY parity",
                threads);
        cr_assert(r->row_count == 2);
        for (int i = 0; i < 2; i++) {
            check(&r->cells[4 * i + 1], i == 1, FIXTURE_NOW_NS, 4, 1, false);
            check(&r->cells[4 * i + 2], i == 1, FIXTURE_NOW_NS, 4, 1, true);
            check(&r->cells[4 * i + 3], i == 1, FIXTURE_NOW_NS, 5, 3, false);
        }
        query_result_destroy(r);
    }
    query_db_destroy(db);
}

Test(query_baseline, of_buckets_looks_back_past_the_lower_time_bound)
{
    struct query_db *db = series_db();
    struct query_result *r = ask(
        db,
        "SELECT time_bucket('30m', time) b, parity, baseline(value, '28d'), baseline_mad(value, '28d'), "
        "count(*) FROM series WHERE time >= now() - interval '36h' GROUP BY 1, 2 ORDER BY 1, 2",
        2);
    uint64_t rows = 0;
    cr_assert(r->row_count > 60);
    for (uint64_t i = 0; i < r->row_count; i++) {
        const struct query_value *cells = &r->cells[5 * i];
        bool odd = slice_is(cells[1].text, "odd");
        int64_t end = cells[0].i64 + 30 * 60 * NS_PER_S;
        cr_assert(cells[0].i64 >= FIXTURE_NOW_NS - 36 * NS_PER_HOUR);
        check(&cells[2], odd, end, 4, 1, false);
        check(&cells[3], odd, end, 4, 1, true);
        rows += (uint64_t)cells[4].i64;
    }
    uint64_t expected = 0;
    for (uint32_t i = 0; i < VALUES; i++)
        expected += series[i].time >= FIXTURE_NOW_NS - 36 * NS_PER_HOUR;
    cr_assert(rows == expected, "ordinary aggregates count the rows in range alone");
    query_result_destroy(r);
    query_db_destroy(db);
}

Test(query_baseline, too_few_hours_or_samples_are_null)
{
    struct query_db *db = series_db();
    struct query_result *r = ask(db,
                                 "SELECT baseline(value, '7d'), baseline(value, '28d', 1000), "
                                 "drift(value, '1s', '1s') FROM series",
                                 1);
    for (int i = 0; i < 3; i++)
        cr_assert(r->cells[i].type == SQL_NULL);
    query_result_destroy(r);
    query_db_destroy(db);
}
