/*
 * test_prices.c - price tables from YAML, and the one that ships.
 */
#include <criterion/criterion.h>

#include "engine/base/clock.h"
#include "server/policy/policy.h"

static struct error error;

static struct usage_cost usage(const char *model, const char *tier, int64_t in, int64_t out)
{
    struct usage_cost u = {.provider = SLICE_EMPTY,
                           .model = slice_text(model),
                           .model_served = SLICE_EMPTY,
                           .tier = slice_text(tier),
                           .tokens_in = in,
                           .tokens_out = out,
                           .tokens_cached = -1,
                           .tokens_cache_write = -1,
                           .tokens_reasoning = -1};
    cr_assert(time_from_text(slice_text("2025-11-01"), &u.time_ns));
    return u;
}

static int64_t cost(struct price_table *t, const struct usage_cost *u)
{
    int64_t nusd;
    return price_cost(t, u, &nusd) ? nusd : -1;
}

Test(prices, a_table_from_yaml)
{
    static const char text[] =
        "version: \"2026-11-01\"\n"
        "prices:\n"
        "  - {model: m, input: 2.5, output: 10, cached: 1.25, cache_write: 3, reasoning: 12}\n"
        "  - {model: m, tier: batch, input: 1.000000001, output: 0}\n"
        "  - {model: 'n*', provider: groq, from: 2025-06-10, until: '2026-01-01T12:00:00Z', input: 1}\n"
        "  - {model: 'n*', above_tokens: 1000, output: 7}\n";
    struct price_table *t;
    cr_assert_eq(policy_prices_parse("t.yaml", slice_text(text), &t, &error), STATUS_OK, "%s",
                 error.text);
    cr_expect_eq(price_table_count(t), 4);
    cr_expect(slice_is(price_table_version(t), "2026-11-01"));
    struct usage_cost u = usage("m", "", 1000, 100);
    u.tokens_cached = 100;
    u.tokens_cache_write = 100;
    u.tokens_reasoning = 50;
    cr_expect_eq(cost(t, &u), 800 * 2500 + 100 * 1250 + 100 * 3000 + 50 * 10000 + 50 * 12000);
    u = usage("m", "batch", 1000000000, 5);
    cr_expect_eq(cost(t, &u), 1000000001000, "nine decimals are exact");
    u = usage("n1", "", 10, 10);
    cr_expect_eq(cost(t, &u), -1, "another provider");
    u.provider = slice_text("groq");
    cr_expect_eq(cost(t, &u), 10 * 1000);
    u.time_ns = 0;
    cr_expect_eq(cost(t, &u), -1, "before it began");
    u.tokens_in = 1001;
    cr_expect_eq(cost(t, &u), 10 * 7000);
    price_table_destroy(t);
}

Test(prices, each_mistake_is_named_with_its_place)
{
    static const struct {
        const char *text, *place, *words;
    } mistakes[] = {
        {"prices: []\n", "t.yaml:1:", "at least one price"},
        {"prices: [{model: m, input: 1}]\n", "t.yaml:1:1:", "needs the key 'version'"},
        {"version: v\n", "t.yaml:1:1:", "needs the key 'prices'"},
        {"version: v\nprices: {a: 1}\n", "t.yaml:2:", "a list"},
        {"version: v\nprices: [{input: 1}]\n", "t.yaml:2:", "needs the key 'model'"},
        {"version: v\nprices: [{model: m}]\n", "t.yaml:2:", "input or output"},
        {"version: v\nprices: [{model: m, inptu: 1}]\n", "t.yaml:2:21:", "did you mean 'input'?"},
        {"version: v\nprices: [{model: m, input: -1}]\n", "t.yaml:2:28:", "not a price"},
        {"version: v\nprices: [{model: m, input: a lot}]\n", "t.yaml:2:28:", "not a price"},
        {"version: v\nprices: [{model: m, input: 0.0000000001}]\n",
         "t.yaml:2:28:", "nine decimals"},
        {"version: v\nprices: [{model: m, input: 99999999999999}]\n",
         "t.yaml:2:28:", "not a price"},
        {"version: v\nprices: [{model: m, input: 1, from: june}]\n", "t.yaml:2:37:", "not a date"},
        {"version: v\nprices: [{model: m, input: 1, from: 2026-02-01, until: 2026-01-01}]\n",
         "t.yaml:2:11:", "ends before"},
        {"version: v\nprices: [{model: m, input: 1, above_tokens: -5}]\n",
         "t.yaml:2:45:", "not a number"},
        {"version: \"\"\nprices: [{model: m, input: 1}]\n", "t.yaml:1:", "version is empty"},
        {"", "t.yaml", ""},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct price_table *t;
        error = (struct error){0};
        enum status s = policy_prices_parse("t.yaml", slice_text(mistakes[i].text), &t, &error);
        cr_expect_eq(s, STATUS_INVALID, "%s is taken", mistakes[i].text);
        if (s >= 0)
            price_table_destroy(t);
        cr_expect(strncmp(error.text, mistakes[i].place, strlen(mistakes[i].place)) == 0 &&
                      strstr(error.text, mistakes[i].words) != NULL,
                  "%s gave %s", mistakes[i].text, error.text);
    }
}

/* A million tokens in and out: the sum of the list prices, in nano-USD. */
Test(prices, the_table_that_ships_knows_the_names_clients_send)
{
    static const struct {
        const char *model, *tier;
        double usd;
    } expected[] = {
        {"gpt-4o", "", 12.50},
        {"gpt-4o-2024-08-06", "", 12.50},
        {"gpt-4o-2024-05-13", "", 20},
        {"gpt-4o", "batch", 6.25},
        {"gpt-4o-2024-08-06", "priority", 21.25},
        {"gpt-4o-mini-2024-07-18", "default", 0.75},
        {"openai/gpt-4o-mini", "", 0.75},
        {"gpt-4.1-2025-04-14", "", 10},
        {"gpt-5-mini-2025-08-07", "flex", 1.125},
        {"o3-2025-04-16", "", 10},
        {"claude-3-5-sonnet-20241022", "", 18},
        {"us.anthropic.claude-3-5-haiku-20241022-v1:0", "", 4.80},
        {"anthropic/claude-3.5-haiku", "", 4.80},
        {"claude-opus-4-1-20250805", "", 90},
        {"claude-opus-4-5@20251101", "", 30},
        {"gemini-2.5-flash", "", 2.80},
        {"models/gemini-2.5-flash-lite", "", 0.50},
        {"mistral-large-latest", "", 8},
        {"deepseek-chat", "", 0.70},
        {"grok-3-mini", "", 0.80},
        {"command-r-plus-08-2024", "", 12.50},
        {"eu.amazon.nova-lite-v1:0", "", 0.30},
        {"llama-3.3-70b-versatile", "", 1.38},
        {"meta-llama/Llama-3.3-70B-Instruct-Turbo", "", 1.76},
        {"text-embedding-3-small", "", 0.02},
    };
    struct price_table *t = policy_prices_builtin();
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        /* In ten calls, below the prices for long contexts. */
        struct usage_cost u = usage(expected[i].model, expected[i].tier, 100000, 100000);
        int64_t nusd = cost(t, &u);
        int64_t wanted = (int64_t)(expected[i].usd * 1e8 + 0.5);
        cr_expect_eq(nusd, wanted, "%s %s: %lld, not %lld", expected[i].model, expected[i].tier,
                     (long long)nusd, (long long)wanted);
    }
    struct usage_cost u = usage("gpt-4o-realtime-preview", "", 1, 1);
    cr_expect_eq(cost(t, &u), -1, "a model of another price is not mistaken for its relative");
    u = usage("gemini-2.5-pro", "", 200001, 0);
    cr_expect_eq(cost(t, &u), 200001 * 2500);
    u = usage("o3", "", 1000000, 0);
    cr_assert(time_from_text(slice_text("2025-06-09T23:59:59Z"), &u.time_ns));
    cr_expect_eq(cost(t, &u), 10000000000, "before its price was cut");
    price_table_destroy(t);
}
