/*
 * judge_status.c - how the queue is doing, by rule.
 */
#include "engine/base/clock.h"
#include "server/judge/judge_internal.h"

struct rule_state {
    int64_t queued, flagged, leased, done, poison;
    int64_t oldest_queued_ns; /* 0: none */
    int64_t cost_today_nusd, verdicts_today;
};

static enum status state_read(struct judge *j, const struct judge_rule *rule, uint32_t project,
                              int64_t now_ns, struct rule_state *ret, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        j->control,
        "select count(*) filter (where state = 'queued'), count(*) filter (where state = 'queued' and flagged),"
        " count(*) filter (where state in ('leased','writing')), count(*) filter (where state = 'done'),"
        " count(*) filter (where state = 'poison'), coalesce(min(queued) filter (where state = 'queued'), 0),"
        " coalesce((select cost_nusd from judge_cost where rule = ?1 and day = ?3), 0),"
        " coalesce((select verdicts from judge_cost where rule = ?1 and day = ?3), 0)"
        " from judge_item where rule = ?1 and (?2 = 0 or project = ?2)",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(rule->name));
    control_bind_i64(st, 2, project);
    control_bind_i64(st, 3, now_ns / NS_PER_DAY);
    int64_t *const fields[] = {
        &ret->queued, &ret->flagged,          &ret->leased,          &ret->done,
        &ret->poison, &ret->oldest_queued_ns, &ret->cost_today_nusd, &ret->verdicts_today};
    if ((s = control_step(st, reterr)) == STATUS_OK) {
        for (int i = 0; i < 8; i++)
            *fields[i] = control_i64(st, i);
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

static void text_member(struct buffer *to, const char *name, const char *text)
{
    buffer_printf(to, ",\"%s\":", name);
    buffer_add_json(to, slice_text(text));
}

/* Nano-USD as an exact decimal. */
static void usd_member(struct buffer *to, const char *name, int64_t nusd)
{
    buffer_printf(to, ",\"%s\":%lld.%09lld", name, (long long)(nusd / 1000000000),
                  (long long)(nusd % 1000000000));
}

static void state_write(const struct judge_rule *rule, const struct rule_state *state,
                        struct buffer *to)
{
    buffer_add_text(to, "{\"rule\":");
    buffer_add_json(to, slice_text(rule->name));
    text_member(to, "project", rule->project);
    text_member(to, "where", rule->where);
    buffer_printf(to, ",\"sample\":%.17g,\"always_flagged\":%s", rule->sample,
                  rule->flagged ? "true" : "false");
    text_member(to, "scorer", rule->scorer);
    text_member(to, "scorer_version", rule->scorer_version);
    text_member(to, "judge_model", rule->judge_model);
    buffer_printf(
        to,
        ",\"queued\":%lld,\"queued_flagged\":%lld,\"leased\":%lld,\"done\":%lld,\"poison\":%lld",
        (long long)state->queued, (long long)state->flagged, (long long)state->leased,
        (long long)state->done, (long long)state->poison);
    if (state->oldest_queued_ns != 0) {
        char text[TIME_TEXT_BYTES];
        time_to_text(state->oldest_queued_ns, text);
        text_member(to, "oldest_queued", text);
    }
    buffer_printf(to, ",\"verdicts_today\":%lld", (long long)state->verdicts_today);
    usd_member(to, "cost_usd_today", state->cost_today_nusd);
    if (rule->cost_cap_nusd_per_day != 0)
        usd_member(to, "cost_cap_usd", rule->cost_cap_nusd_per_day);
    buffer_add_text(to, "}");
}

enum status judge_status_write(struct judge *j, uint32_t project, struct buffer *to,
                               struct error *reterr)
{
    int64_t now_ns = clock_wall_ns();
    const char *name = project != 0 ? engine_project_name(j->engine, project) : NULL;
    const char *comma = "";
    buffer_add_text(to, "{\"rules\":[");
    for (uint32_t i = 0; i < j->rule_count; i++) {
        const struct judge_rule *rule = &j->rules[i];
        struct rule_state state = {0};
        if (name != NULL && rule->project[0] != 0 && strcmp(rule->project, name) != 0)
            continue;
        enum status s = state_read(j, rule, project, now_ns, &state, reterr);
        if (s < 0)
            return s;
        buffer_add_text(to, comma);
        state_write(rule, &state, to);
        comma = ",";
    }
    buffer_add_text(to, "]}\n");
    return STATUS_OK;
}
