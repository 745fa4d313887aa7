/*
 * price_match.c - which price of a table a call has.
 *
 * Models:  the served model decides, then the requested one; each as it is, then without what stands before the last '/'
 *          ("openai/gpt-4o", "accounts/x/models/y").
 * Order:   exact model before pattern, longer pattern before shorter, with a provider before without, with a tier before without,
 *          higher above_tokens before lower, later from_ns before earlier, later in the file before earlier.
 * Tiers:   a call of a tier no entry names pays the default price.
 * Sketch:  globbing a table of 500 entries takes tens of microseconds and happens once a combination; after that a cost is a
 *          hash of the names and a few compares, about 100 ns (bench_enrich).
 */
#include "engine/enrich/price_internal.h"

#include <stdlib.h>

static uint8_t lower(uint8_t b)
{
    return b >= 'A' && b <= 'Z' ? b | 0x20 : b;
}

/* The usual loop with one point of return: linear for one '*', quadratic at worst. */
bool price_glob(struct slice pattern, struct slice text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.size &&
                   (pattern.data[p] == '?' || lower(pattern.data[p]) == lower(text.data[t]))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*')
        p++;
    return p == pattern.size;
}

static int descending(int64_t a, int64_t b)
{
    return (a < b) - (a > b);
}

static int entry_compare(const void *left, const void *right)
{
    const struct price_entry *a = left;
    const struct price_entry *b = right;
    const int orders[] = {
        descending(a->exact, b->exact),
        descending(a->literal, b->literal),
        descending(a->price.provider.size > 0, b->price.provider.size > 0),
        descending(a->price.tier.size > 0, b->price.tier.size > 0),
        descending(a->price.above_tokens, b->price.above_tokens),
        descending(a->price.from_ns, b->price.from_ns),
        descending(a->index, b->index),
    };
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (orders[i] != 0)
            return orders[i];
    }
    return 0;
}

void price_table_sort(struct price_table *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct price_entry *e = &t->entries[i];
        e->literal = 0;
        for (size_t k = 0; k < e->price.model.size; k++)
            e->literal += e->price.model.data[k] != '*' && e->price.model.data[k] != '?';
        e->exact = e->literal == e->price.model.size;
    }
    if (t->count > 1)
        qsort(t->entries, t->count, sizeof *t->entries, entry_compare);
}

static bool entry_fits(const struct price_entry *e, struct slice model, const struct usage_cost *u)
{
    const struct price *p = &e->price;
    return price_glob(p->model, model) &&
           (p->provider.size == 0 || price_glob(p->provider, u->provider)) &&
           (p->tier.size == 0 || price_glob(p->tier, u->tier));
}

static struct price_match entries_for(struct price_table *t, struct slice model,
                                      const struct usage_cost *u)
{
    struct price_match m = {0};
    if (model.size == 0)
        return m;
    for (uint32_t i = 0; i < t->count; i++)
        m.count += entry_fits(&t->entries[i], model, u);
    m.entries = ARENA_ARRAY(&t->remembered, const struct price_entry *, m.count);
    uint32_t at = 0;
    for (uint32_t i = 0; i < t->count && at < m.count; i++) {
        if (entry_fits(&t->entries[i], model, u))
            m.entries[at++] = &t->entries[i];
    }
    return m;
}

static struct slice last_part(struct slice model)
{
    const uint8_t *slash = memrchr(model.data, '/', model.size);
    if (slash == NULL)
        return SLICE_EMPTY;
    size_t skip = (size_t)(slash + 1 - model.data);
    return slice_of(slash + 1, model.size - skip);
}

static struct price_match match_make(struct price_table *t, const struct usage_cost *u)
{
    const struct slice models[] = {u->model_served, last_part(u->model_served), u->model,
                                   last_part(u->model)};
    struct price_match m = {0};
    for (size_t i = 0; i < sizeof models / sizeof *models && m.count == 0; i++)
        m = entries_for(t, models[i], u);
    return m;
}

/* The four names with separators that none of them can hold at that place: each length goes first. */
static struct slice key_of(const struct usage_cost *u, uint8_t *to, size_t capacity)
{
    const struct slice parts[] = {u->provider, u->model, u->model_served, u->tier};
    size_t used = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint32_t size = (uint32_t)parts[i].size;
        if (parts[i].size > capacity || capacity - parts[i].size < used + sizeof size)
            return SLICE_EMPTY;
        memcpy(to + used, &size, sizeof size);
        bytes_copy(to + used + sizeof size, parts[i].data, size);
        used += sizeof size + size;
    }
    return slice_of(to, used);
}

REQUIRES(t->lock)
static struct price_match match_find_locked(struct price_table *t, const struct usage_cost *u)
{
    uint8_t bytes[1024];
    struct slice key = key_of(u, bytes, sizeof bytes);
    if (key.size == 0) /* names this long have no price */
        return (struct price_match){0};
    uint32_t code = intern_find(&t->keys, key);
    if (code != 0)
        return t->matches[code];
    if (t->keys.count > PRICE_MATCHES_MAX) {
        intern_reset(&t->keys);
        arena_reset(&t->remembered);
    }
    code = intern_add(&t->keys, key);
    t->matches = mem_grow(t->matches, &t->matches_capacity, code + 1u, sizeof *t->matches);
    t->matches[code] = match_make(t, u);
    return t->matches[code];
}

static bool entry_holds(const struct price *p, const struct usage_cost *u)
{
    return u->time_ns >= p->from_ns && u->time_ns < p->until_ns &&
           (p->above_tokens == 0 || u->tokens_in > p->above_tokens);
}

bool price_cost(struct price_table *t, const struct usage_cost *u, int64_t *ret_nusd)
{
    if (u->tokens_in < 0 && u->tokens_out < 0 && u->tokens_cached < 0 &&
        u->tokens_cache_write < 0 && u->tokens_reasoning < 0)
        return false;
    struct usage_cost usage = *u;
    if (price_tier_is_default(usage.tier))
        usage.tier = SLICE_EMPTY;
    const struct price *price = NULL;
    mutex_lock(&t->lock);
    struct price_match m = match_find_locked(t, &usage);
    for (uint32_t i = 0; i < m.count && price == NULL; i++) {
        if (entry_holds(&m.entries[i]->price, u))
            price = &m.entries[i]->price;
    }
    mutex_unlock(&t->lock);
    return price != NULL && price_usage_cost(price, u, ret_nusd);
}
