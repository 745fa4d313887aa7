/*
 * price.c - building price tables, and the arithmetic of a cost.
 *
 * Place:     policy YAML, prices.def -> [here] -> enrich.c, history
 * Invariant: costs are exact: tokens times femto-USD are summed in 128 bits and rounded once.
 * Threads:   a finished table is immutable but for the memory of price_match.c, which has its own lock.
 */
#include "engine/enrich/price_internal.h"

#define VERSION_BYTES_MAX 64u
#define PATTERN_BYTES_MAX 256u
#define FEMTO_PER_NANO    1000000

/* The free tiers of thought: names that mean "what everybody gets". */
bool price_tier_is_default(struct slice tier)
{
    static const char *const words[] = {"default", "standard", "auto", "on_demand", "on-demand"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (tier.size == strlen(words[i]) && price_glob(slice_text(words[i]), tier))
            return true;
    }
    return tier.size == 0;
}

struct price_table_builder {
    struct price_table *table;
    size_t capacity;
};

struct price_table_builder *price_table_begin(struct slice version)
{
    struct price_table_builder *b = MEM_NEW(struct price_table_builder);
    struct price_table *t = MEM_NEW(struct price_table);
    if (version.size > VERSION_BYTES_MAX)
        version.size = VERSION_BYTES_MAX;
    t->version = arena_copy(&t->arena, version);
    intern_init(&t->keys);
    mutex_init(&t->lock);
    b->table = t;
    return b;
}

static enum status price_check(const struct price *p, struct error *reterr)
{
    const int64_t amounts[] = {p->input, p->output, p->cached, p->cache_write, p->reasoning};
    if (p->model.size == 0)
        return error_set(reterr, STATUS_INVALID, "a price needs a model");
    if (p->model.size > PATTERN_BYTES_MAX || p->provider.size > PATTERN_BYTES_MAX ||
        p->tier.size > PATTERN_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID,
                         "model, provider and tier of a price have at most %u bytes each",
                         PATTERN_BYTES_MAX);
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
        if (amounts[i] < 0 && amounts[i] != PRICE_UNSET)
            return error_set(reterr, STATUS_INVALID, "a price of '%.*s' is negative",
                             SLICE_ARG(p->model));
    }
    if (p->above_tokens < 0)
        return error_set(reterr, STATUS_INVALID, "above_tokens of '%.*s' is negative",
                         SLICE_ARG(p->model));
    if (p->from_ns >= p->until_ns)
        return error_set(reterr, STATUS_INVALID, "the price of '%.*s' ends before it begins",
                         SLICE_ARG(p->model));
    return STATUS_OK;
}

enum status price_table_add(struct price_table_builder *b, const struct price *price,
                            struct error *reterr)
{
    struct price_table *t = b->table;
    enum status s;
    if (t->count == PRICE_ENTRIES_MAX)
        return error_set(reterr, STATUS_LIMIT, "a price table has at most %u entries",
                         PRICE_ENTRIES_MAX);
    if ((s = price_check(price, reterr)) < 0)
        return s;
    t->entries = mem_grow(t->entries, &b->capacity, t->count + 1, sizeof *t->entries);
    struct price_entry *e = &t->entries[t->count];
    *e = (struct price_entry){.price = *price, .index = t->count};
    e->price.model = arena_copy(&t->arena, price->model);
    e->price.provider = arena_copy(&t->arena, price->provider);
    e->price.tier =
        price_tier_is_default(price->tier) ? SLICE_EMPTY : arena_copy(&t->arena, price->tier);
    t->count++;
    return STATUS_OK;
}

struct price_table *price_table_end(struct price_table_builder *b)
{
    struct price_table *t = b->table;
    mem_free(b);
    price_table_sort(t);
    return t;
}

void price_table_abandon(struct price_table_builder *b)
{
    if (b == NULL)
        return;
    price_table_destroy(b->table);
    mem_free(b);
}

void price_table_destroy(struct price_table *t)
{
    if (t == NULL)
        return;
    mutex_deinit(&t->lock);
    intern_deinit(&t->keys);
    arena_deinit(&t->remembered);
    mem_free(t->matches);
    mem_free(t->entries);
    arena_deinit(&t->arena);
    mem_free(t);
}

struct slice price_table_version(const struct price_table *t)
{
    return t->version;
}

uint32_t price_table_count(const struct price_table *t)
{
    return t->count;
}

static int64_t known(int64_t tokens)
{
    return tokens < 0 ? 0 : tokens;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t or_else(int64_t price, int64_t otherwise)
{
    if (price != PRICE_UNSET)
        return price;
    return otherwise != PRICE_UNSET ? otherwise : 0;
}

/* What is part of a total never makes more than the total, whatever the client claims. A part that comes without its total
 * (output tokens unknown, reasoning known) is the total. */
bool price_usage_cost(const struct price *p, const struct usage_cost *u, int64_t *ret_nusd)
{
    int64_t cached = known(u->tokens_cached);
    int64_t written = known(u->tokens_cache_write);
    int64_t reasoning = known(u->tokens_reasoning);
    int64_t in = u->tokens_in < 0 ? INT64_MAX : u->tokens_in;
    int64_t out = u->tokens_out < 0 ? reasoning : u->tokens_out;
    cached = least(cached, in);
    written = least(written, in - cached);
    reasoning = least(reasoning, out);
    int64_t plain = u->tokens_in < 0 ? 0 : in - cached - written;

    __int128 femto = (__int128)plain * or_else(p->input, PRICE_UNSET);
    femto += (__int128)cached * or_else(p->cached, p->input);
    femto += (__int128)written * or_else(p->cache_write, p->input);
    femto += (__int128)(out - reasoning) * or_else(p->output, PRICE_UNSET);
    femto += (__int128)reasoning * or_else(p->reasoning, p->output);
    __int128 nano = (femto + FEMTO_PER_NANO / 2) / FEMTO_PER_NANO;
    if (nano > INT64_MAX)
        return false;
    *ret_nusd = (int64_t)nano;
    return true;
}
