/*
 * alert_state.h - what becomes of one group of a rule at one look: a pure function.
 *
 *     inactive --breach--> pending --breach for `for`--> firing --clear--> (resolved) inactive
 *                             |                             |
 *                             +--anything but a breach      +--a hold keeps it firing
 *
 * A rule with `for: 0s` goes to firing at once. Without a verdict (no row, a NULL in the condition, too few samples)
 * the rule's no_data decides; time without a verdict never makes a pending group fire.
 */
#ifndef DRIFTLINE_ALERT_STATE_H
#define DRIFTLINE_ALERT_STATE_H

#include "server/alert/alert_rule.h"

/* A resolved group is inactive again; "resolved" is what its incident says. */
enum group_state {
    GROUP_INACTIVE,
    GROUP_PENDING,
    GROUP_FIRING
};

enum verdict {
    VERDICT_CLEAR,   /* the condition is false, and `resolve` (when given) true */
    VERDICT_HOLD,    /* the condition is false, `resolve` too: between the two thresholds */
    VERDICT_BREACH,  /* the condition is true */
    VERDICT_FEW,     /* fewer than min_samples */
    VERDICT_NO_DATA, /* no row, or the condition is unknown */
};

enum group_event {
    EVENT_NONE,
    EVENT_PEND,    /* a new incident, pending */
    EVENT_FIRE,    /* the incident fires; a new one when the group was inactive */
    EVENT_CANCEL,  /* was pending, is forgotten */
    EVENT_RESOLVE, /* was firing */
};

struct group_policy {
    int64_t for_ns;
    int64_t keep_ns; /* how long NO_DATA_KEEP, and few samples, keep a state */
    enum no_data no_data;
};

/* Times are wall clock, so that they mean something after a restart. */
struct group_clock {
    enum group_state state;
    int64_t since_ns;   /* PENDING: when it began */
    int64_t missing_ns; /* since when there is no verdict; 0: there was one at the last look */
};

struct group_policy group_policy_of(const struct alert_rule *rule);
enum group_event group_step(const struct group_policy *policy, struct group_clock *clock,
                            enum verdict verdict, int64_t now_ns);
/* "inactive", "pending", "firing". */
const char *group_state_name(enum group_state state);

#endif
