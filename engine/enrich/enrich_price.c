/*
 * enrich_price.c - the cost of every call that came without one, and which prices a cost stands for.
 *
 * Cost given:    stays; cost_estimated false and pricing_version 'client' where the client did not say.
 * Cost missing:  computed for llm and embedding spans (and spans of unknown kind with a model) that have tokens: cost_usd,
 *                cost_estimated true, pricing_version of the table. No price fits: all three stay NULL and the span counts as
 *                unpriced.
 * Tier:          a service tier among the attributes, what the provider answered before what was asked for.
 */
#include "engine/enrich/enrich_internal.h"

#include "engine/base/json.h"

#define TIER_KEY "service_tier"

struct price_columns {
    const struct vector *time, *kind, *provider, *model, *model_served, *attributes;
    const struct vector *tokens_in, *tokens_out, *tokens_cached, *tokens_cache_write,
        *tokens_reasoning;
    const struct vector *cost;
};

static struct price_columns columns_of(const struct batch *b)
{
    return (struct price_columns){
        .time = batch_vector(b, SPANS_time),
        .kind = batch_vector(b, SPANS_kind),
        .provider = batch_vector(b, SPANS_provider),
        .model = batch_vector(b, SPANS_model),
        .model_served = batch_vector(b, SPANS_model_served),
        .attributes = batch_vector(b, SPANS_attributes),
        .tokens_in = batch_vector(b, SPANS_tokens_in),
        .tokens_out = batch_vector(b, SPANS_tokens_out),
        .tokens_cached = batch_vector(b, SPANS_tokens_cached),
        .tokens_cache_write = batch_vector(b, SPANS_tokens_cache_write),
        .tokens_reasoning = batch_vector(b, SPANS_tokens_reasoning),
        .cost = batch_vector(b, SPANS_cost_usd),
    };
}

static int64_t number(const struct vector *v, uint32_t row)
{
    return v != NULL && vector_has(v, row) ? v->i64[row] : -1;
}

static struct slice text(const struct vector *v, uint32_t row)
{
    return v != NULL ? vector_bytes(v, row) : SLICE_EMPTY;
}

static bool has_bytes(struct slice in, const char *what)
{
    return memmem(in.data, in.size, what, strlen(what)) != NULL;
}

static bool ends_with(struct slice s, const char *end)
{
    size_t size = strlen(end);
    return s.size >= size && memcmp(s.data + s.size - size, end, size) == 0;
}

/* The members of the attributes whose name ends in service_tier, such as openai.response.service_tier. */
struct slice enrich_service_tier(struct slice attributes, struct arena *arena)
{
    struct slice tier = SLICE_EMPTY;
    bool answered = false;
    if (!has_bytes(attributes, TIER_KEY))
        return tier;
    struct json j = json_over(attributes);
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return tier;
    while (!answered && json_next(&j) == JSON_KEY) {
        struct slice key = json_string(&j, arena);
        enum json_token value = json_next(&j);
        if (value == JSON_STRING && ends_with(key, TIER_KEY)) {
            answered = has_bytes(key, "response");
            tier = json_string(&j, arena);
        } else {
            (void)json_skip(&j, value);
        }
    }
    return tier;
}

static bool is_priced_kind(const struct vector *kinds, uint32_t row)
{
    struct slice kind = text(kinds, row);
    return kind.size == 0 || slice_is(kind, "llm") || slice_is(kind, "embedding");
}

/* False: not a call that costs something. */
static bool usage_read(const struct price_columns *c, uint32_t row, struct arena *arena,
                       struct usage_cost *ret)
{
    *ret = (struct usage_cost){
        .time_ns = number(c->time, row),
        .model = text(c->model, row),
        .model_served = text(c->model_served, row),
        .tokens_in = number(c->tokens_in, row),
        .tokens_out = number(c->tokens_out, row),
        .tokens_cached = number(c->tokens_cached, row),
        .tokens_cache_write = number(c->tokens_cache_write, row),
        .tokens_reasoning = number(c->tokens_reasoning, row),
    };
    if ((ret->model.size == 0 && ret->model_served.size == 0) ||
        (ret->tokens_in < 0 && ret->tokens_out < 0 && ret->tokens_cached < 0 &&
         ret->tokens_cache_write < 0 && ret->tokens_reasoning < 0) ||
        !is_priced_kind(c->kind, row))
        return false;
    ret->provider = text(c->provider, row);
    ret->tier = enrich_service_tier(text(c->attributes, row), arena);
    return true;
}

/* The three columns that say what a call cost; made when a row needs them first. */
struct cost_columns {
    struct enrich_work *work;
    bool begun;
    struct vector cost, estimated;
    struct str_edit version;
    uint32_t client_code, table_code;
};

static void cost_columns_begin(struct cost_columns *c, const struct price_table *prices)
{
    struct batch *b = &c->work->spans;
    struct arena *arena = c->work->arena;
    if (c->begun)
        return;
    c->begun = true;
    c->cost = vector_writable(b, table_column(TABLE_SPANS, SPANS_cost_usd), arena);
    c->estimated = vector_writable(b, table_column(TABLE_SPANS, SPANS_cost_estimated), arena);
    c->version = str_edit_begin(b, SPANS_pricing_version, 2, arena);
    c->client_code = str_edit_value(&c->version, slice_text("client"));
    if (prices != NULL)
        c->table_code = str_edit_value(&c->version, price_table_version(prices));
}

/* vector_writable made the vectors; they are const only for readers. */
static void cell_set(struct vector *v, uint32_t row, int64_t value)
{
    ((int64_t *)v->i64)[row] = value;
    ((uint8_t *)v->valid)[row] = 1;
}

static void client_cost(struct cost_columns *c, const struct price_table *prices, uint32_t row)
{
    cost_columns_begin(c, prices);
    if (!vector_has(&c->estimated, row))
        cell_set(&c->estimated, row, 0);
    if (c->version.codes[row] == 0)
        c->version.codes[row] = c->client_code;
}

static void table_cost(struct cost_columns *c, const struct price_table *prices, uint32_t row,
                       int64_t nusd)
{
    cost_columns_begin(c, prices);
    cell_set(&c->cost, row, nusd);
    cell_set(&c->estimated, row, 1);
    c->version.codes[row] = c->table_code;
}

void enrich_price(struct price_table *prices, struct enrich_work *work,
                  struct enrich_counts *counts)
{
    struct cost_columns out = {.work = work};
    const struct price_columns in = columns_of(&work->spans);
    bool priceable = prices != NULL && (in.model != NULL || in.model_served != NULL);
    if (in.cost == NULL && !priceable)
        return;
    for (uint32_t row = 0; row < work->spans.rows; row++) {
        struct usage_cost usage;
        int64_t nusd;
        if (in.cost != NULL && vector_has(in.cost, row)) {
            client_cost(&out, prices, row);
        } else if (priceable && usage_read(&in, row, work->arena, &usage)) {
            bool priced = price_cost(prices, &usage, &nusd);
            if (priced)
                table_cost(&out, prices, row, nusd);
            counts->priced += priced;
            counts->unpriced += !priced;
        }
    }
    if (!out.begun)
        return;
    batch_put(&work->spans, table_column(TABLE_SPANS, SPANS_cost_usd), out.cost);
    batch_put(&work->spans, table_column(TABLE_SPANS, SPANS_cost_estimated), out.estimated);
    str_edit_end(&out.version, &work->spans, SPANS_pricing_version);
}
