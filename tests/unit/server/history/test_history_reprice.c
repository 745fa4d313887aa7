/*
 * test_history_reprice.c - costs of stored spans under another table, to the last nano-dollar.
 */
#include "../../engine/engine_fixture.h"

#include "server/history/history.h"

/* Dollars per million tokens. */
#define USD_PER_MILLION(cents) ((int64_t)(cents)*10000000)

static void price_put(struct price_table_builder *b, const char *model, const char *tier,
                      int64_t input, int64_t output)
{
    const struct price p = {.model = slice_text(model),
                            .provider = SLICE_EMPTY,
                            .tier = slice_text(tier),
                            .from_ns = INT64_MIN,
                            .until_ns = INT64_MAX,
                            .input = input,
                            .output = output,
                            .cached = PRICE_UNSET,
                            .cache_write = PRICE_UNSET,
                            .reasoning = PRICE_UNSET};
    struct error error = {0};
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_OK, "%s", error.text);
}

/* "v2": model a costs $2 in, $4 out; b $1 and $1; a in batch half; c has no price. */
static struct price_table *table_make(void)
{
    struct price_table_builder *b = price_table_begin(slice_text("v2"));
    price_put(b, "a", "", USD_PER_MILLION(200), USD_PER_MILLION(400));
    price_put(b, "a", "batch", USD_PER_MILLION(100), USD_PER_MILLION(200));
    price_put(b, "b", "", USD_PER_MILLION(100), USD_PER_MILLION(100));
    return price_table_end(b);
}

struct row {
    const char *model, *kind;
    int64_t tokens_in, tokens_out; /* -1: NULL */
    int64_t cost_nusd;             /* -1: NULL */
    int estimated;                 /* -1: NULL */
    const char *version;           /* NULL */
    const char *attributes;        /* NULL */
    const char *cost_after;
    const char *version_after;
};
static const struct row rows[] = {
    /* model kind tokens      cost    est version   attributes  ->  cost     version */
    {"a", "llm", 1000, 500, 999, 1, "v1", NULL, "4000000", "v2"},
    {"a", "llm", 1000, 500, -1, -1, NULL, NULL, "4000000", "v2"},
    {"a", "llm", 1000, 500, 777, 0, "client", NULL, "777", "client"},
    {"a", NULL, 10, -1, -1, -1, NULL, NULL, "20000", "v2"},
    {"a", "llm", 1000, 500, 5, 1, "v1", "{\"openai.response.service_tier\":\"batch\"}", "2000000",
     "v2"},
    {"a", "agent", 1000, 500, -1, -1, NULL, NULL, "NULL", "NULL"},
    {"b", "embedding", 3, -1, 3000, 1, "v1", NULL, "3000", "v2"},
    {"b", "llm", 3, -1, 3000, 1, "v2", NULL, "3000", "v2"},
    {"c", "llm", 10, 10, 50, 1, "v1", NULL, "50", "v1"},
    {"c", "llm", 10, 10, -1, -1, NULL, NULL, "NULL", "NULL"},
    {"a", "llm", -1, -1, -1, -1, NULL, NULL, "NULL", "NULL"},
    {NULL, "llm", 10, 10, -1, -1, NULL, NULL, "NULL", "NULL"},
};
#define ROWS (sizeof rows / sizeof *rows)

static void row_add(struct builder *b, uint32_t i)
{
    const struct row *r = &rows[i];
    span_row(b, i + 1, 1, HOUR0 + (int64_t)i * NS_PER_HOUR / 4);
    if (r->model != NULL)
        builder_str(b, SPANS_model, slice_text(r->model));
    if (r->kind != NULL)
        builder_str(b, SPANS_kind, slice_text(r->kind));
    if (r->tokens_in >= 0)
        builder_i64(b, SPANS_tokens_in, r->tokens_in);
    if (r->tokens_out >= 0)
        builder_i64(b, SPANS_tokens_out, r->tokens_out);
    if (r->cost_nusd >= 0)
        builder_i64(b, SPANS_cost_usd, r->cost_nusd);
    if (r->estimated >= 0)
        builder_i64(b, SPANS_cost_estimated, r->estimated);
    if (r->version != NULL)
        builder_str(b, SPANS_pricing_version, slice_text(r->version));
    if (r->attributes != NULL)
        builder_str(b, SPANS_attributes, slice_text(r->attributes));
}

static struct store filled(void)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    for (uint32_t i = 0; i < ROWS; i++)
        row_add(&b, i);
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    return s;
}

static struct reprice_result reprice(struct store *s, struct reprice_options o)
{
    struct error error = {0};
    struct reprice_result result;
    struct price_table *table = table_make();
    o.project = s->project;
    o.table = table;
    cr_assert_eq(history_reprice(s->engine, &o, NULL, &result, &error), STATUS_OK, "%s",
                 error.text);
    price_table_destroy(table);
    return result;
}

static const struct reprice_line *line_of(const struct reprice_result *r, const char *model)
{
    for (uint32_t i = 0; i < r->line_count; i++) {
        if (strcmp(r->lines[i].model, model) == 0)
            return &r->lines[i];
    }
    return NULL;
}

Test(history_reprice, our_costs_and_missing_ones_are_computed_anew)
{
    struct store s = filled();
    struct reprice_result result = reprice(&s, (struct reprice_options){0});
    cr_expect_eq(result.rows, ROWS);
    cr_expect_eq(result.changed, 5);
    cr_expect_eq(result.unpriced, 2);
    for (uint32_t i = 0; i < ROWS; i++) {
        expect_cell(&s, i + 1, 1, "cost_usd", rows[i].cost_after);
        expect_cell(&s, i + 1, 1, "pricing_version", rows[i].version_after);
    }
    expect_cell(&s, 2, 1, "cost_estimated", "1");
    expect_cell(&s, 3, 1, "cost_estimated", "0");
    cr_expect_eq(reprice(&s, (struct reprice_options){0}).changed, 0, "and then all is done");
    store_destroy(&s);
}

Test(history_reprice, the_report_sums_what_the_range_holds)
{
    struct store s = filled();
    struct reprice_result result = reprice(&s, (struct reprice_options){.dry_run = true});
    const struct reprice_line *a = line_of(&result, "a");
    const struct reprice_line *b = line_of(&result, "b");
    const struct reprice_line *c = line_of(&result, "c");
    cr_assert_not_null(a);
    cr_assert_not_null(b);
    cr_assert_not_null(c);
    cr_expect_eq(a->spans, 5);
    cr_expect_eq(a->before_nusd, 999 + 777 + 5);
    cr_expect_eq(a->after_nusd, 4000000 + 4000000 + 777 + 20000 + 2000000);
    cr_expect_eq(b->before_nusd, 6000);
    cr_expect_eq(b->after_nusd, 6000);
    cr_expect_eq(c->before_nusd, 50);
    cr_expect_eq(c->after_nusd, 50);
    cr_expect_eq(result.before_nusd, a->before_nusd + b->before_nusd + c->before_nusd);
    cr_expect_eq(result.after_nusd, a->after_nusd + b->after_nusd + c->after_nusd);
    cr_expect_eq(a, &result.lines[0], "the largest difference comes first");
    cr_expect_eq(result.line_count, 3);
    expect_cell(&s, 1, 1, "cost_usd", "999");
    store_destroy(&s);
}

Test(history_reprice, all_takes_reported_costs_too)
{
    struct store s = filled();
    cr_expect_eq(reprice(&s, (struct reprice_options){.all = true}).changed, 6);
    expect_cell(&s, 3, 1, "cost_usd", "4000000");
    expect_cell(&s, 3, 1, "cost_estimated", "1");
    expect_cell(&s, 3, 1, "pricing_version", "v2");
    store_destroy(&s);
}

Test(history_reprice, the_time_range_is_kept_to)
{
    struct store s = filled();
    struct reprice_result result = reprice(
        &s, (struct reprice_options){.from_ns = HOUR0 + 1, .until_ns = HOUR0 + NS_PER_HOUR / 2});
    cr_expect_eq(result.rows, 1);
    cr_expect_eq(result.changed, 1);
    cr_expect_eq(result.before_nusd, 0);
    cr_expect_eq(result.after_nusd, 4000000);
    expect_cell(&s, 1, 1, "cost_usd", "999");
    expect_cell(&s, 2, 1, "cost_usd", "4000000");
    store_destroy(&s);
}

/* More models than lines: the smallest differences share one. */
Test(history_reprice, many_models_share_a_line)
{
    struct store s = store_sim(NULL);
    struct builder b;
    char model[32];
    rows_begin(&s, &b, TABLE_SPANS);
    for (uint64_t i = 1; i <= 40; i++) {
        span_row(&b, i, 1, HOUR0);
        (void)snprintf(model, sizeof model, "model-%02u", (unsigned)i);
        builder_str(&b, SPANS_model, slice_text(model));
        builder_i64(&b, SPANS_cost_usd, (int64_t)i);
    }
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    struct reprice_result result = reprice(&s, (struct reprice_options){0});
    cr_expect_eq(result.line_count, 32);
    cr_expect_str_eq(result.lines[31].model, "(others)");
    cr_expect_eq(result.lines[31].spans, 40 - 31);
    int64_t sum = 0;
    for (uint32_t i = 0; i < result.line_count; i++)
        sum += result.lines[i].before_nusd;
    cr_expect_eq(sum, 40 * 41 / 2);
    cr_expect_eq(result.before_nusd, sum);
    store_destroy(&s);
}
