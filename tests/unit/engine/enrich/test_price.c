/*
 * test_price.c - which price fits, and what it makes.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/enrich/price.h"

#define USD_PER_M INT64_C(1000000000) /* femto-USD a token */

static struct error error;

static struct price price(const char *model, int64_t input, int64_t output)
{
    return (struct price){.model = slice_text(model),
                          .provider = SLICE_EMPTY,
                          .tier = SLICE_EMPTY,
                          .from_ns = INT64_MIN,
                          .until_ns = INT64_MAX,
                          .input = input,
                          .output = output,
                          .cached = PRICE_UNSET,
                          .cache_write = PRICE_UNSET,
                          .reasoning = PRICE_UNSET};
}

static struct price_table *table(const struct price *prices, uint32_t count)
{
    struct price_table_builder *b = price_table_begin(slice_text("v1"));
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(price_table_add(b, &prices[i], &error), STATUS_OK, "%s", error.text);
    return price_table_end(b);
}

static struct usage_cost usage(const char *model, int64_t in, int64_t out)
{
    return (struct usage_cost){.provider = SLICE_EMPTY,
                               .model = slice_text(model),
                               .model_served = SLICE_EMPTY,
                               .tier = SLICE_EMPTY,
                               .tokens_in = in,
                               .tokens_out = out,
                               .tokens_cached = -1,
                               .tokens_cache_write = -1,
                               .tokens_reasoning = -1};
}

/* -1: no price. */
static int64_t cost(struct price_table *t, const struct usage_cost *u)
{
    int64_t nusd = -1;
    int64_t again = -1;
    bool found = price_cost(t, u, &nusd);
    cr_assert_eq(price_cost(t, u, &again), found);
    cr_assert_eq(nusd, again, "the remembered answer is the same");
    return found ? nusd : -1;
}

static int64_t cost_of(struct price_table *t, const char *model)
{
    struct usage_cost u = usage(model, 1000000, 0);
    return cost(t, &u);
}

Test(price, a_cost_is_exact)
{
    struct price p = price("gpt-4o", 2500000000, 10000000000);
    p.cached = 1250000000;
    struct price_table *t = table(&p, 1);
    struct usage_cost u = usage("gpt-4o", 1000, 100);
    cr_assert_eq(cost(t, &u), 2500000 + 1000000);
    u.tokens_cached = 400;
    cr_assert_eq(cost(t, &u), 600 * 2500 + 400 * 1250 + 100 * 10000);
    u.tokens_reasoning = 40;
    cr_assert_eq(cost(t, &u), 600 * 2500 + 400 * 1250 + 100 * 10000, "reasoning costs like output");
    u.tokens_cache_write = 100;
    cr_assert_eq(cost(t, &u), 600 * 2500 + 400 * 1250 + 100 * 10000, "writing costs like input");
    price_table_destroy(t);
}

Test(price, parts_have_prices_of_their_own)
{
    struct price p = price("m", 3 * USD_PER_M, 15 * USD_PER_M);
    p.cached = 300000000;
    p.cache_write = 3750000000;
    p.reasoning = 20 * USD_PER_M;
    struct price_table *t = table(&p, 1);
    struct usage_cost u = usage("m", 1000, 500);
    u.tokens_cached = 200;
    u.tokens_cache_write = 300;
    u.tokens_reasoning = 100;
    cr_assert_eq(cost(t, &u), 500 * 3000 + 200 * 300 + 300 * 3750 + 400 * 15000 + 100 * 20000);
    price_table_destroy(t);
}

Test(price, a_sum_is_rounded_once_half_up)
{
    struct price p = price("m", 500000, 400000); /* half and 0.4 nano-USD a token */
    struct price_table *t = table(&p, 1);
    struct usage_cost u = usage("m", 1, 0);
    cr_assert_eq(cost(t, &u), 1);
    u = usage("m", 0, 1);
    cr_assert_eq(cost(t, &u), 0);
    u = usage("m", 1, 1);
    cr_assert_eq(cost(t, &u), 1, "0.9, not 1 + 0");
    u = usage("m", 3, 0);
    cr_assert_eq(cost(t, &u), 2, "1.5");
    price_table_destroy(t);
}

Test(price, nonsense_never_makes_more_than_the_totals_or_less_than_nothing)
{
    struct price p = price("m", USD_PER_M, USD_PER_M);
    p.cached = 0;
    struct price_table *t = table(&p, 1);
    struct usage_cost u = usage("m", 100, 100);
    u.tokens_cached = 5000;
    u.tokens_cache_write = 5000;
    u.tokens_reasoning = 5000;
    cr_assert_eq(cost(t, &u), 100 * 1000, "all input cached, output once");
    u = usage("m", -1, -1);
    cr_assert_eq(cost(t, &u), -1, "no tokens, no cost");
    u.tokens_reasoning = 10;
    cr_assert_eq(cost(t, &u), 10 * 1000);
    u = usage("m", 0, 0);
    cr_assert_eq(cost(t, &u), 0);
    u = usage("m", INT64_MAX, INT64_MAX);
    cr_assert_eq(cost(t, &u), -1, "more than an int64 of nano-USD");
    price_table_destroy(t);
}

Test(price, the_most_specific_wins)
{
    struct price prices[] = {
        price("*", 1000000, 0),
        price("gpt-*", 2000000, 0),
        price("gpt-4o*", 3000000, 0),
        price("gpt-4o", 4000000, 0),
        price("gpt-4o-mini*", 5000000, 0),
        price("claude-?-sonnet", 6000000, 0),
        price("*claude-3*", 7000000, 0),
    };
    struct price_table *t = table(prices, sizeof prices / sizeof *prices);
    cr_assert_eq(cost_of(t, "gpt-4o"), 4000000);
    cr_assert_eq(cost_of(t, "GPT-4O"), 4000000, "case does not matter");
    cr_assert_eq(cost_of(t, "gpt-4o-2024-08-06"), 3000000);
    cr_assert_eq(cost_of(t, "gpt-4o-mini-2024-07-18"), 5000000);
    cr_assert_eq(cost_of(t, "gpt-5"), 2000000);
    cr_assert_eq(cost_of(t, "claude-3-sonnet"), 6000000);
    cr_assert_eq(cost_of(t, "us.anthropic.claude-3-haiku-v1:0"), 7000000);
    cr_assert_eq(cost_of(t, "mystery"), 1000000);
    cr_assert_eq(cost_of(t, ""), -1);
    price_table_destroy(t);
}

Test(price, the_served_model_comes_before_the_requested_one)
{
    struct price prices[] = {price("asked", 1000000, 0), price("served", 2000000, 0)};
    struct price_table *t = table(prices, 2);
    struct usage_cost u = usage("asked", 1000000, 0);
    u.model_served = slice_text("served");
    cr_assert_eq(cost(t, &u), 2000000);
    u.model_served = slice_text("nobody-knows");
    cr_assert_eq(cost(t, &u), 1000000);
    u = usage("accounts/x/models/served", 1000000, 0);
    cr_assert_eq(cost(t, &u), 2000000, "what stands before the last slash may go");
    price_table_destroy(t);
}

Test(price, tiers_and_providers)
{
    struct price prices[] = {price("m", 4000000, 0), price("m", 2000000, 0),
                             price("m", 8000000, 0)};
    prices[1].tier = slice_text("batch");
    prices[2].provider = slice_text("azure*");
    struct price_table *t = table(prices, 3);
    struct usage_cost u = usage("m", 1000000, 0);
    cr_assert_eq(cost(t, &u), 4000000);
    u.tier = slice_text("Batch");
    cr_assert_eq(cost(t, &u), 2000000);
    u.tier = slice_text("default");
    cr_assert_eq(cost(t, &u), 4000000);
    u.tier = slice_text("scale");
    cr_assert_eq(cost(t, &u), 4000000, "a tier nobody prices pays the default");
    u.provider = slice_text("azure.ai.openai");
    cr_assert_eq(cost(t, &u), 8000000);
    u.provider = slice_text("openai");
    cr_assert_eq(cost(t, &u), 4000000);
    price_table_destroy(t);
}

Test(price, dates_and_long_contexts)
{
    struct price prices[] = {price("m", 1000000, 0), price("m", 2000000, 0),
                             price("m", 3000000, 0)};
    prices[0].until_ns = 100;
    prices[1].from_ns = 100;
    prices[2].from_ns = 100;
    prices[2].above_tokens = 200000;
    struct price_table *t = table(prices, 3);
    struct usage_cost u = usage("m", 200000, 0);
    u.time_ns = 99;
    cr_assert_eq(cost(t, &u), 200000);
    u.time_ns = 100;
    cr_assert_eq(cost(t, &u), 400000);
    u.tokens_in = 200001;
    cr_assert_eq(cost(t, &u), 600003);
    u.time_ns = 99;
    cr_assert_eq(cost(t, &u), 200001);
    price_table_destroy(t);
}

Test(price, of_two_that_hold_the_later_start_wins)
{
    struct price prices[] = {price("m", 1000000, 0), price("m", 2000000, 0)};
    prices[1].from_ns = 100;
    struct price_table *t = table(prices, 2);
    struct usage_cost u = usage("m", 1000000, 0);
    u.time_ns = 50;
    cr_assert_eq(cost(t, &u), 1000000);
    u.time_ns = 150;
    cr_assert_eq(cost(t, &u), 2000000);
    price_table_destroy(t);
}

Test(price, wrong_entries_are_refused)
{
    struct price_table_builder *b = price_table_begin(slice_text("v"));
    struct price p = price("", 1, 1);
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_INVALID);
    p = price("m", -1, 1);
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_INVALID);
    p = price("m", 1, 1);
    p.from_ns = p.until_ns = 7;
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_INVALID);
    p = price("m", 1, 1);
    p.above_tokens = -1;
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_INVALID);
    p.above_tokens = 0;
    for (uint32_t i = 0; i < PRICE_ENTRIES_MAX; i++)
        cr_assert_eq(price_table_add(b, &p, &error), STATUS_OK);
    cr_assert_eq(price_table_add(b, &p, &error), STATUS_LIMIT);
    price_table_abandon(b);
    price_table_abandon(NULL);
    price_table_destroy(NULL);
}

Test(price, more_names_than_are_remembered)
{
    struct price p = price("m*", 1000000, 0);
    struct price_table *t = table(&p, 1);
    char name[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10000; i++) {
            (void)snprintf(name, sizeof name, "m-%d", i);
            struct usage_cost u = usage(name, 1000000, 0);
            int64_t nusd = 0;
            cr_assert(price_cost(t, &u, &nusd) && nusd == 1000000);
        }
    }
    char longest[2000];
    memset(longest, 'm', sizeof longest);
    struct usage_cost u = usage("", 1, 1);
    int64_t nusd;
    u.model = slice_of(longest, sizeof longest);
    cr_assert(!price_cost(t, &u, &nusd), "a name this long is no model's");
    price_table_destroy(t);
}

Test(price, patterns_with_many_stars_end)
{
    struct price p = price("*a*a*a*a*a*a*a*a*b", 1000000, 0);
    struct price_table *t = table(&p, 1);
    char name[200];
    memset(name, 'a', sizeof name);
    struct usage_cost u = usage("", 1000000, 0);
    u.model = slice_of(name, sizeof name);
    cr_assert_eq(cost(t, &u), -1);
    name[199] = 'b';
    u.model = slice_of(name, sizeof name);
    int64_t nusd;
    cr_assert(price_cost(t, &u, &nusd), "the key is the bytes, not the pointer");
    price_table_destroy(t);
}
