/*
 * alert_state.c - the transitions drawn in alert_state.h.
 */
#include "server/alert/alert_state.h"

const char *group_state_name(enum group_state state)
{
    switch (state) {
    case GROUP_INACTIVE:
        return "inactive";
    case GROUP_PENDING:
        return "pending";
    case GROUP_FIRING:
        return "firing";
    }
    return "?";
}

struct group_policy group_policy_of(const struct alert_rule *rule)
{
    return (struct group_policy){.for_ns = rule->for_ns,
                                 .keep_ns = NO_DATA_KEEP_TIMES * rule->every_ns,
                                 .no_data = rule->no_data};
}

static enum group_event become(struct group_clock *clock, enum group_state state,
                               enum group_event event)
{
    *clock = (struct group_clock){.state = state};
    return event;
}

static enum group_event breach(const struct group_policy *policy, struct group_clock *clock,
                               int64_t now_ns)
{
    clock->missing_ns = 0;
    switch (clock->state) {
    case GROUP_INACTIVE:
        if (policy->for_ns == 0)
            return become(clock, GROUP_FIRING, EVENT_FIRE);
        (void)become(clock, GROUP_PENDING, EVENT_PEND);
        clock->since_ns = now_ns;
        return EVENT_PEND;
    case GROUP_PENDING:
        if (clock->since_ns > now_ns) /* the wall clock was set back */
            clock->since_ns = now_ns;
        if (now_ns - clock->since_ns < policy->for_ns)
            return EVENT_NONE;
        return become(clock, GROUP_FIRING, EVENT_FIRE);
    case GROUP_FIRING:
        return EVENT_NONE;
    }
    return EVENT_NONE;
}

static enum group_event end(struct group_clock *clock)
{
    if (clock->state == GROUP_INACTIVE)
        return EVENT_NONE;
    bool was_pending = clock->state == GROUP_PENDING;
    return become(clock, GROUP_INACTIVE, was_pending ? EVENT_CANCEL : EVENT_RESOLVE);
}

/* No verdict: the state stays for a while. */
static enum group_event keep(const struct group_policy *policy, struct group_clock *clock,
                             int64_t now_ns)
{
    if (clock->missing_ns == 0 || clock->missing_ns > now_ns)
        clock->missing_ns = now_ns;
    return now_ns - clock->missing_ns >= policy->keep_ns ? end(clock) : EVENT_NONE;
}

enum group_event group_step(const struct group_policy *policy, struct group_clock *clock,
                            enum verdict verdict, int64_t now_ns)
{
    switch (verdict) {
    case VERDICT_BREACH:
        return breach(policy, clock, now_ns);
    case VERDICT_CLEAR:
        return end(clock);
    case VERDICT_HOLD:
        if (clock->state == GROUP_PENDING)
            return end(clock);
        clock->missing_ns = 0;
        return EVENT_NONE;
    case VERDICT_FEW:
        return keep(policy, clock, now_ns);
    case VERDICT_NO_DATA:
        if (policy->no_data == NO_DATA_FIRE)
            return breach(policy, clock, now_ns);
        if (policy->no_data == NO_DATA_RESOLVE)
            return end(clock);
        return keep(policy, clock, now_ns);
    }
    return EVENT_NONE;
}
