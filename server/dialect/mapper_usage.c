/*
 * mapper_usage.c - tokens and cost, settled to one meaning whatever a dialect counts.
 *
 * Meaning:  tokens_in includes tokens read from and written to a cache, tokens_out includes reasoning.
 * Rule:     a total, when there is one, decides: the sum that gives it is what the client meant. Else the source says
 *           (Langfuse's usage_details never include their details). Else the provider: Anthropic and Bedrock, passed
 *           through by OpenInference and older OpenLLMetry, count cached tokens apart. An input smaller than its cached
 *           part can't include it.
 */
#include "server/dialect/mapper_internal.h"

static int64_t slot_count(const struct mapper *m, enum target target)
{
    return slot_has(m, target) ? m->slots[target].found.integer : 0;
}

static enum how slot_how(const struct mapper *m, enum target target)
{
    return dialect_sources[m->slots[target].rank].how;
}

/* Adds to a count; what was read no longer stands as it was, so it stays in `attributes` too. */
static void slot_increase(struct mapper *m, enum target target, int64_t more)
{
    struct slot *slot = &m->slots[target];
    if (more == 0 || __builtin_add_overflow(slot->found.integer, more, &more))
        return;
    slot->found.integer = more;
    slot->found.exact = false;
}

static bool counts_cached_apart(const struct mapper *m)
{
    const struct slot *provider = &m->slots[TARGET_provider];
    return provider->rank != RANK_NONE && (slice_is(provider->found.text, "anthropic") ||
                                           slice_is(provider->found.text, "aws.bedrock"));
}

/* Which parts are missing in input (bit 0: cached, bit 1: cache-written) and output (bit 2: reasoning) so that they
 * make the total; -1: no way gives it. */
static int parts_missing(int64_t sum, const int64_t parts[3], int64_t total)
{
    static const int ways[] = {0, 1 | 2, 1, 2, 4, 1 | 2 | 4, 1 | 4, 2 | 4};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int64_t with = sum;
        bool is_sound = true;
        for (int part = 0; part < 3; part++) {
            bool is_in = (ways[i] >> part & 1) != 0;
            is_sound = is_sound && !(is_in && __builtin_add_overflow(with, parts[part], &with));
        }
        if (is_sound && with == total)
            return ways[i];
    }
    return -1;
}

static int parts_missing_by_source(const struct mapper *m, int64_t in, const int64_t parts[3])
{
    int missing = 0;
    if (slot_has(m, TARGET_tokens_in)) {
        enum how how = slot_how(m, TARGET_tokens_in);
        if (how == HOW_COUNT_WITHOUT_DETAILS || in < parts[0] || in < parts[1] ||
            in - parts[0] < parts[1] || (how == HOW_COUNT_AS_BILLED && counts_cached_apart(m)))
            missing |= 1 | 2;
    }
    if (slot_has(m, TARGET_tokens_out)) {
        bool is_apart = slot_how(m, TARGET_tokens_out) == HOW_COUNT_WITHOUT_DETAILS;
        if (is_apart || slot_count(m, TARGET_tokens_out) < parts[2])
            missing |= 4;
    }
    return missing;
}

static void slot_derive(struct mapper *m, enum target target, int64_t count)
{
    m->slots[target] = (struct slot){
        .found = {.integer = count}, .origin = NOT_AN_ATTRIBUTE, .rank = RANK_DERIVED};
}

/* One side and the total give the other side. */
static void missing_side(struct mapper *m)
{
    int64_t total = slot_count(m, TARGET_tokens_total);
    bool has_in = slot_has(m, TARGET_tokens_in);
    bool has_out = slot_has(m, TARGET_tokens_out);
    if (!slot_has(m, TARGET_tokens_total) || (has_in && has_out))
        return;
    if (has_out && slot_count(m, TARGET_tokens_out) <= total)
        slot_derive(m, TARGET_tokens_in, total - slot_count(m, TARGET_tokens_out));
    else if (!has_in && !has_out && slice_is(m->kind, "embedding"))
        slot_derive(m, TARGET_tokens_in, total);
}

static void settle_tokens(struct mapper *m)
{
    int64_t in = slot_count(m, TARGET_tokens_in);
    int64_t out = slot_count(m, TARGET_tokens_out);
    int64_t parts[3] = {slot_count(m, TARGET_tokens_cached),
                        slot_count(m, TARGET_tokens_cache_write),
                        slot_count(m, TARGET_tokens_reasoning)};
    int64_t sum;
    bool has_both = slot_has(m, TARGET_tokens_in) && slot_has(m, TARGET_tokens_out);
    int missing = -1;
    if (has_both && slot_has(m, TARGET_tokens_total) && !__builtin_add_overflow(in, out, &sum))
        missing = parts_missing(sum, parts, slot_count(m, TARGET_tokens_total));
    if (missing < 0)
        missing = parts_missing_by_source(m, in, parts);
    if (slot_has(m, TARGET_tokens_in)) {
        slot_increase(m, TARGET_tokens_in, (missing & 1) != 0 ? parts[0] : 0);
        slot_increase(m, TARGET_tokens_in, (missing & 2) != 0 ? parts[1] : 0);
    }
    if (slot_has(m, TARGET_tokens_out))
        slot_increase(m, TARGET_tokens_out, (missing & 4) != 0 ? parts[2] : 0);
    missing_side(m);
}

/* Input and output cost make the cost when nobody gave the sum. */
static void settle_cost(struct mapper *m)
{
    bool has_parts = slot_has(m, TARGET_cost_in) || slot_has(m, TARGET_cost_out);
    int64_t cost = slot_count(m, TARGET_cost_in);
    if (slot_has(m, TARGET_cost) || !has_parts ||
        __builtin_add_overflow(cost, slot_count(m, TARGET_cost_out), &cost) ||
        __builtin_add_overflow(cost, slot_count(m, TARGET_cost_cached), &cost))
        return;
    slot_derive(m, TARGET_cost, cost);
}

void settle_usage(struct mapper *m)
{
    settle_tokens(m);
    settle_cost(m);
}
