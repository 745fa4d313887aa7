/*
 * alerts_schedule.c - which rule is looked at next.
 *
 * Order:     the rule that has waited longest goes first, so a slow one delays others but never starves them.
 * New data:  rules with an `every` up to ALERT_WAKE_EVERY_NS look at once when data arrives, and again after three
 *            quarters of `every` while it keeps arriving: from a breaching commit to the look is then always less than
 *            `every`. Looks that nothing caused do not delay those.
 * Idle:      such a rule with nothing open looks only once a second while no data arrives.
 * Share:     a look of t is followed by a rest of at least t: no rule takes more than half of the thread.
 */
#include "server/alert/alert_limits.h"
#include "server/alert/alerts_internal.h"

#define WAIT_MAX_NS (60 * NS_PER_S)

static bool is_fast(const struct rule_run *run)
{
    return run->rule->every_ns <= ALERT_WAKE_EVERY_NS;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The flag is taken down only when some rule can make use of it; until then alerts_wake() costs its caller nothing. */
static int64_t take_woken(struct rule_run *runs, uint32_t count, int64_t now_ns, atomic_bool *woken)
{
    int64_t first_ns = INT64_MAX;
    if (!atomic_load(woken))
        return INT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (is_fast(&runs[i]))
            first_ns = sooner(first_ns, runs[i].wake_ns);
    }
    if (first_ns > now_ns)
        return first_ns;
    atomic_store(woken, false);
    for (uint32_t i = 0; i < count; i++)
        runs[i].fresh = runs[i].fresh || is_fast(&runs[i]);
    return INT64_MAX;
}

struct rule_run *schedule_pick(struct rule_run *runs, uint32_t count, int64_t now_ns,
                               atomic_bool *woken, int64_t *ret_wait_ns)
{
    struct rule_run *picked = NULL;
    int64_t first_ns = sooner(now_ns + WAIT_MAX_NS, take_woken(runs, count, now_ns, woken));
    for (uint32_t i = 0; i < count; i++) {
        int64_t at_ns = runs[i].fresh ? sooner(runs[i].due_ns, runs[i].wake_ns) : runs[i].due_ns;
        if (at_ns < first_ns) {
            first_ns = at_ns;
            picked = &runs[i];
        }
    }
    *ret_wait_ns = first_ns > now_ns ? first_ns - now_ns : 0;
    return first_ns <= now_ns ? picked : NULL;
}

void schedule_looked(struct rule_run *run, int64_t begin_ns, int64_t end_ns)
{
    int64_t every_ns = run->rule->every_ns;
    int64_t rest_ns = end_ns + (end_ns - begin_ns);
    bool is_idle = is_fast(run) && !run->fresh && run->open == 0;
    run->due_ns = later(begin_ns + (is_idle ? ALERT_WAKE_EVERY_NS : every_ns), rest_ns);
    run->wake_ns = later(run->fresh ? begin_ns + every_ns - every_ns / 4 : run->wake_ns, rest_ns);
    run->fresh = false;
}
