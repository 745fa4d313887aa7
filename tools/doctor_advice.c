/*
 * doctor_advice.c - goes through doctor_advice.def for every span of the request.
 */
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "tools/doctor.h"

#define EARLIEST_NS      (1420070400LL * NS_PER_S) /* 2015-01-01 */
#define ATTRIBUTES_BYTES 65536u

/* One span and its row. */
struct look {
    const struct doctor *d;
    const struct doctor_item *item;
    uint32_t index;        /* of the item */
    const uint32_t *twins; /* by item: 1: an earlier one has its ids */
};

static bool has(const struct look *l, uint16_t column_id)
{
    return doctor_cell(l->d, l->item->row, column_id) != NULL;
}

static struct slice text(const struct look *l, uint16_t column_id)
{
    return doctor_text(l->d, l->item->row, column_id);
}

static bool is_row(const struct look *l)
{
    return l->item->row != UINT32_MAX && !l->item->is_log;
}

static bool is_kind(const struct look *l, const char *kind)
{
    return is_row(l) && slice_is(text(l, SPANS_kind), kind);
}

static bool is_error(const struct look *l)
{
    return is_row(l) && slice_is(text(l, SPANS_status), "error");
}

static bool has_tokens(const struct look *l)
{
    return has(l, SPANS_tokens_in) || has(l, SPANS_tokens_out);
}

/* ---- the checks, one a line of the table ---- */

static bool check_rejected(const struct look *l)
{
    return l->item->rejected.size > 0;
}

static bool check_same_ids(const struct look *l)
{
    return l->twins[l->index] != 0;
}

static bool check_odd_time(const struct look *l)
{
    const struct vector *v = is_row(l) ? doctor_cell(l->d, l->item->row, SPANS_time) : NULL;
    return v != NULL && (v->i64[l->item->row] < EARLIEST_NS ||
                         v->i64[l->item->row] > clock_wall_ns() + NS_PER_DAY);
}

static bool check_ends_early(const struct look *l)
{
    return l->item->ends_before_start;
}

static bool check_status_differs(const struct look *l)
{
    return is_error(l) && l->item->status_code != 2;
}

static bool check_error_untold(const struct look *l)
{
    return is_error(l) && !has(l, SPANS_error_type) && !has(l, SPANS_error_message) &&
           !has(l, SPANS_http_status);
}

static bool check_no_model(const struct look *l)
{
    return (is_kind(l, "llm") || is_kind(l, "embedding")) && !has(l, SPANS_model) &&
           !has(l, SPANS_model_served);
}

static bool check_no_tokens(const struct look *l)
{
    return is_kind(l, "llm") && !is_error(l) && !has_tokens(l);
}

static bool check_no_price(const struct look *l)
{
    return (is_kind(l, "llm") || is_kind(l, "embedding")) && has_tokens(l) &&
           (has(l, SPANS_model) || has(l, SPANS_model_served)) && !has(l, SPANS_cost_usd);
}

static bool check_no_content(const struct look *l)
{
    return is_kind(l, "llm") && !has(l, SPANS_input) && !has(l, SPANS_output);
}

static bool check_no_output(const struct look *l)
{
    return is_kind(l, "llm") && !is_error(l) && has(l, SPANS_input) && !has(l, SPANS_output);
}

static bool check_tool_unnamed(const struct look *l)
{
    return is_kind(l, "tool") && !has(l, SPANS_tool_name);
}

static bool check_tool_silent(const struct look *l)
{
    return is_kind(l, "tool") && !is_error(l) && !has(l, SPANS_tool_args) &&
           !has(l, SPANS_tool_result);
}

static bool check_nothing_retrieved(const struct look *l)
{
    return is_kind(l, "retrieval") && !is_error(l) && !has(l, SPANS_retrieved) &&
           !has(l, SPANS_retrieved_count);
}

static bool check_no_session(const struct look *l)
{
    return (is_kind(l, "llm") || is_kind(l, "agent") || is_kind(l, "chain")) &&
           !has(l, SPANS_session);
}

static bool check_no_user(const struct look *l)
{
    return is_row(l) && l->item->parent_id == 0 && !has(l, SPANS_user_id);
}

static bool check_no_prompt_version(const struct look *l)
{
    return is_kind(l, "llm") && !has(l, SPANS_prompt_version);
}

static bool check_no_finish_reason(const struct look *l)
{
    return is_kind(l, "llm") && !is_error(l) && !has(l, SPANS_finish_reason);
}

static bool check_kind_unknown(const struct look *l)
{
    return is_row(l) && (!has(l, SPANS_kind) || slice_is(text(l, SPANS_kind), "other"));
}

static bool check_no_service(const struct look *l)
{
    static const char unknown[] = "unknown_service";
    struct slice service = is_row(l) ? text(l, SPANS_service) : SLICE_EMPTY;
    return is_row(l) &&
           (service.size == 0 || (service.size >= sizeof unknown - 1 &&
                                  memcmp(service.data, unknown, sizeof unknown - 1) == 0));
}

static bool check_much_attributes(const struct look *l)
{
    return is_row(l) && text(l, SPANS_attributes).size > ATTRIBUTES_BYTES;
}

/* ---- the table ---- */

static const struct rule {
    const char *code;
    enum advice_level level;
    const char *text;
    bool (*check)(const struct look *l);
} rules[] = {
#define ADVICE(code, level, text) {#code, ADVICE_##level, text, check_##code},
#include "tools/doctor_advice.def"
#undef ADVICE
};

/* Marks spans whose ids came before. */
static void twins_mark(const struct doctor *d, uint32_t *twins)
{
    uint32_t mask = 15;
    while (mask < 2 * d->item_count)
        mask = mask * 2 + 1;
    uint32_t *table = mem_zero((size_t)mask + 1, sizeof *table); /* index + 1 */
    for (uint32_t i = 0; i < d->item_count; i++) {
        const struct doctor_item *item = &d->items[i];
        if (item->is_log || item->row == UINT32_MAX)
            continue;
        uint32_t at = (uint32_t)(id128_hash(item->trace_id) ^ hash_mix(item->span_id)) & mask;
        while (table[at] != 0 && (d->items[table[at] - 1].span_id != item->span_id ||
                                  !id128_equal(d->items[table[at] - 1].trace_id, item->trace_id)))
            at = (at + 1) & mask;
        twins[i] = table[at] != 0;
        table[at] = table[at] != 0 ? table[at] : i + 1;
    }
    mem_free(table);
}

static void rule_apply(struct doctor *d, const struct rule *rule, const uint32_t *twins)
{
    uint64_t count = 0;
    struct slice first = SLICE_EMPTY;
    for (uint32_t i = 0; i < d->item_count; i++) {
        const struct look l = {.d = d, .item = &d->items[i], .index = i, .twins = twins};
        if (!rule->check(&l))
            continue;
        first = count++ == 0 ? d->items[i].name : first;
    }
    if (count == 0)
        return;
    doctor_advise(d, rule->level, rule->code, "%s", rule->text);
    d->advice[d->advice_count - 1].spans = count;
    d->advice[d->advice_count - 1].first = first;
}

/* What the reader, the mapper and the policy did to the request as a whole. */
static void look_at_all(struct doctor *d)
{
    if (d->result.accepted == 0 && d->result.rejected == 0)
        doctor_advise(d, ADVICE_WARN, "empty", "the request holds no %s",
                      d->signal == OTLP_LOGS ? "log records" : "spans");
    if (d->result.rejected > 0)
        doctor_advise(d, ADVICE_ERROR, "malformed", "%llu could not be read: %s",
                      (unsigned long long)d->result.rejected, d->result.message);
    if (d->result.dropped_attributes > 0)
        doctor_advise(d, ADVICE_WARN, "dropped_attributes",
                      "%llu attributes are over the limit and dropped",
                      (unsigned long long)d->result.dropped_attributes);
    if (d->result.accepted > d->item_count)
        doctor_advise(d, ADVICE_HINT, "explained", "only the first %u of %llu are explained",
                      d->item_count, (unsigned long long)d->result.accepted);
    if (d->counts.unknown_classes > 0)
        doctor_advise(d, ADVICE_WARN, "unknown_class",
                      "%llu error classes are not in the taxonomy and became 'other'",
                      (unsigned long long)d->counts.unknown_classes);
    if (d->counts.masked > 0)
        doctor_advise(d, ADVICE_HINT, "masked", "%llu places were masked by the policy",
                      (unsigned long long)d->counts.masked);
}

void doctor_look(struct doctor *d)
{
    uint32_t *twins = mem_zero((size_t)d->item_count + 1, sizeof *twins);
    look_at_all(d);
    twins_mark(d, twins);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        rule_apply(d, &rules[i], twins);
    mem_free(twins);
}
