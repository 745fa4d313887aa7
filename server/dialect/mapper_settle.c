/*
 * mapper_settle.c - what takes more than one source: kind, tool name, time to first token, finish reason, status.
 */
#include "server/dialect/mapper_internal.h"

void settle_kind(struct mapper *m)
{
    const struct slot *kind = &m->slots[TARGET_kind];
    m->kind = kind->rank != RANK_NONE && m->log == NULL ? kind->found.text : slice_text("other");
}

static void slot_derive(struct mapper *m, enum target target, struct found found)
{
    m->slots[target] =
        (struct slot){.found = found, .origin = NOT_AN_ATTRIBUTE, .rank = RANK_DERIVED};
}

static void settle_tool_name(struct mapper *m)
{
    if (!slot_has(m, TARGET_tool_name) && slot_has(m, TARGET_tool_label) &&
        slice_is(m->kind, "tool"))
        m->slots[TARGET_tool_name] = m->slots[TARGET_tool_label];
}

static void settle_finish_reason(struct mapper *m)
{
    struct found found;
    if (!slot_has(m, TARGET_finish_reason) &&
        finish_convert(m, m->content_result.finish_reason, &found))
        slot_derive(m, TARGET_finish_reason, found);
}

/*
 * gen_ai.choice marks the first token only where it is sent with the first chunk; without streaming it comes at the end
 * and says nothing. The last twentieth of a span counts as its end.
 */
static bool choice_is_first_token(const struct mapper *m, int64_t at_ns)
{
    int64_t duration_ns = span_duration_ns(m->span);
    return slot_has(m, TARGET_streamed) ||
           at_ns - m->span->start_ns < duration_ns - duration_ns / 20;
}

static void settle_ttft(struct mapper *m)
{
    int64_t first_ns = m->content_result.first_token_ns;
    int64_t start_ns = m->span->start_ns;
    if (slot_has(m, TARGET_ttft) || first_ns == 0 || start_ns <= 0 || first_ns < start_ns)
        return;
    if (m->content_result.first_token_is_choice && !choice_is_first_token(m, first_ns))
        return;
    slot_derive(m, TARGET_ttft, (struct found){.integer = first_ns - start_ns});
}

/*
 * A call that was answered with an error failed, whatever else the span says. A number read out of a message is believed
 * only when the span failed anyway ("404 documents found").
 */
static void settle_failure(struct mapper *m)
{
    struct slot *http = &m->slots[TARGET_http_status];
    const struct slot *finish = &m->slots[TARGET_finish_reason];
    bool failed = m->span->status_code == 2 || slot_has(m, TARGET_failed) ||
                  (finish->rank != RANK_NONE && slice_is(finish->found.text, "error"));
    if (http->rank != RANK_NONE && dialect_sources[http->rank].how == HOW_HTTP)
        failed = failed || http->found.integer >= 400;
    else if (!failed)
        http->rank = RANK_NONE;
    if (failed)
        slot_derive(m, TARGET_failed, (struct found){.integer = 1});
}

void mapper_settle(struct mapper *m)
{
    settle_tool_name(m);
    settle_finish_reason(m);
    settle_ttft(m);
    settle_failure(m);
    settle_usage(m);
}
