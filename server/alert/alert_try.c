/*
 * alert_try.c - evaluates rules once and says what they see; nothing is stored or sent.
 *
 * Output:    one JSON object a line: {"rule","group","state","condition","value","samples","min_samples","summary"}, or
 *            {"rule","error"}. state is what the group would become from inactive: "inactive", "pending", "firing", or
 *            "few samples", "no data".
 */
#include "engine/base/clock.h"
#include "server/alert/alert_evaluate.h"
#include "server/alert/alert_payload.h"

static const char *state_after(const struct alert_rule *rule, enum verdict verdict)
{
    const struct group_policy policy = group_policy_of(rule);
    struct group_clock clock = {0};
    (void)group_step(&policy, &clock, verdict, 1);
    if (clock.state != GROUP_INACTIVE)
        return group_state_name(clock.state);
    return verdict == VERDICT_FEW       ? "few samples"
           : verdict == VERDICT_NO_DATA ? "no data"
                                        : "inactive";
}

static const char *condition_word(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_BREACH:
        return "true";
    case VERDICT_CLEAR:
    case VERDICT_HOLD:
        return "false";
    case VERDICT_FEW:
    case VERDICT_NO_DATA:
        return "null";
    }
    return "null";
}

static void observation_write(const struct evaluation *e, const struct alert_rule *rule,
                              const struct observation *o, struct buffer *to)
{
    struct buffer summary = {0};
    evaluation_summary(e, rule, o, &summary);
    buffer_add_text(to, "{\"rule\":");
    buffer_add_json(to, slice_text(rule->name));
    buffer_add_text(to, ",\"group\":");
    buffer_add_slice(to, o->group);
    buffer_printf(to,
                  ",\"state\":\"%s\",\"condition\":%s,\"value\":", state_after(rule, o->verdict),
                  condition_word(o->verdict));
    if (o->has_value)
        json_number(o->value, to);
    else
        buffer_add_text(to, "null");
    if (o->has_samples)
        buffer_printf(to, ",\"samples\":%lld", (long long)o->samples);
    else
        buffer_add_text(to, ",\"samples\":null");
    buffer_printf(to, ",\"min_samples\":%llu,\"summary\":", (unsigned long long)rule->min_samples);
    buffer_add_json(to, buffer_slice(&summary));
    buffer_add_text(to, "}\n");
    buffer_deinit(&summary);
}

static enum status rule_try(const struct alert_rule *rule, struct engine *engine,
                            struct query_db *db, struct buffer *to, struct error *reterr)
{
    struct evaluate_options options = {.now_ns = clock_wall_ns()};
    struct evaluation e = {0};
    enum status s;
    if ((s = engine_project(engine, slice_text(rule->project), false, &options.project, reterr)) <
            0 ||
        (s = evaluation_run(db, rule, &options, &e, reterr)) < 0)
        return s;
    for (uint32_t i = 0; i < e.count; i++)
        observation_write(&e, rule, &e.observations[i], to);
    if (e.count == 0) {
        buffer_add_text(to, "{\"rule\":");
        buffer_add_json(to, slice_text(rule->name));
        buffer_add_text(
            to,
            ",\"group\":null,\"state\":\"no data\",\"condition\":null,\"value\":null,\"samples\":null}\n");
    }
    evaluation_deinit(&e);
    return STATUS_OK;
}

enum status alert_rules_test(const struct alert_rules *rules, const char *name,
                             struct engine *engine, struct query_db *db, struct buffer *to_json,
                             struct error *reterr)
{
    uint32_t tried = 0;
    for (uint32_t i = 0; i < rules->rule_count; i++) {
        const struct alert_rule *rule = &rules->rules[i];
        struct error error = {0};
        if (name != NULL && strcmp(name, rule->name) != 0)
            continue;
        tried++;
        if (rule_try(rule, engine, db, to_json, &error) >= 0)
            continue;
        buffer_add_text(to_json, "{\"rule\":");
        buffer_add_json(to_json, slice_text(rule->name));
        buffer_add_text(to_json, ",\"error\":");
        buffer_add_json(to_json, slice_text(error.text));
        buffer_add_text(to_json, "}\n");
    }
    if (name != NULL && tried == 0)
        return error_set(reterr, STATUS_NOT_FOUND, "there is no rule '%s'", name);
    return STATUS_OK;
}
