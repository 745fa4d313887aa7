/*
 * test_alert_state.c - the state machine of a group, as scripts of verdicts.
 *
 * A script is one letter a look, ten seconds apart: B breach, C clear, H hold, F few samples, N no data. What is expected is
 * one letter a look: p pending began, f fires, c cancelled, r resolved, . nothing.
 */
#include <criterion/criterion.h>

#include "engine/base/clock.h"
#include "server/alert/alert_state.h"

#define LOOK_NS (10 * NS_PER_S)

static enum verdict verdict_of(char letter)
{
    switch (letter) {
    case 'B':
        return VERDICT_BREACH;
    case 'C':
        return VERDICT_CLEAR;
    case 'H':
        return VERDICT_HOLD;
    case 'F':
        return VERDICT_FEW;
    default:
        return VERDICT_NO_DATA;
    }
}

static char letter_of(enum group_event event)
{
    return ".pfcr"[event];
}

static void script(const struct group_policy *policy, const char *verdicts, const char *expected)
{
    struct group_clock clock = {0};
    char events[64] = "";
    int64_t now_ns = 1000 * NS_PER_S;
    cr_assert(strlen(verdicts) == strlen(expected) && strlen(expected) < sizeof events);
    for (size_t i = 0; verdicts[i] != 0; i++, now_ns += LOOK_NS)
        events[i] = letter_of(group_step(policy, &clock, verdict_of(verdicts[i]), now_ns));
    cr_expect(strcmp(events, expected) == 0, "%s gives %s, not %s", verdicts, events, expected);
}

Test(alert_state, follows_the_drawing)
{
    static const struct {
        int64_t for_ns;
        enum no_data no_data;
        const char *verdicts;
        const char *events;
    } cases[] = {
        /* at once */
        {0, NO_DATA_KEEP, "CBBBC", ".f..r"},
        {0, NO_DATA_KEEP, "BCBC", "frfr"},
        /* sustained: exactly `for` after the first breach */
        {30 * NS_PER_S, NO_DATA_KEEP, "BBBBB", "p..f."},
        {1, NO_DATA_KEEP, "BB", "pf"},
        {30 * NS_PER_S, NO_DATA_KEEP, "BBBCBBBB", "p..cp..f"},
        {30 * NS_PER_S, NO_DATA_KEEP, "BBBC", "p..c"},
        /* hysteresis: a hold neither fires nor resolves, but breaks a pending streak */
        {0, NO_DATA_KEEP, "BHHHC", "f...r"},
        {0, NO_DATA_KEEP, "HHH", "..."},
        {0, NO_DATA_KEEP, "BHBHBC", "f....r"},
        {30 * NS_PER_S, NO_DATA_KEEP, "BBHBBBB", "p.cp..f"},
        /* few samples: no verdict, whatever no_data says */
        {0, NO_DATA_KEEP, "FFF", "..."},
        {0, NO_DATA_FIRE, "FFF", "..."},
        {0, NO_DATA_RESOLVE, "BFFC", "f..r"},
        {0, NO_DATA_KEEP, "BFFB", "f..."},
        /* no data, keep: for ten times `every` (ten seconds here, so 100 s) */
        {0, NO_DATA_KEEP, "NN", ".."},
        {0, NO_DATA_KEEP, "BNNNNNNNNNNN", "f..........r"},
        {0, NO_DATA_KEEP, "BNNNNNNNNNBNNNNNNNNNNN", "f....................r"},
        {0, NO_DATA_KEEP, "BNNNNNNNNNHNNC", "f............r"},
        /* no data does not count towards `for`; the next breach may fire */
        {30 * NS_PER_S, NO_DATA_KEEP, "BNNNB", "p...f"},
        {30 * NS_PER_S, NO_DATA_KEEP, "BNNNNNNNNNNNB", "p..........cp"},
        /* no data, resolve */
        {0, NO_DATA_RESOLVE, "BNB", "frf"},
        {30 * NS_PER_S, NO_DATA_RESOLVE, "BNBBBB", "pcp..f"},
        /* no data, fire: a dead man's switch */
        {0, NO_DATA_FIRE, "CNNC", ".f.r"},
        {20 * NS_PER_S, NO_DATA_FIRE, "NNNNC", "p.f.r"},
        {0, NO_DATA_FIRE, "BNNC", "f..r"},
        /* flapping without hysteresis is many incidents: what resolve: and for: are for */
        {0, NO_DATA_KEEP, "BCBCBC", "frfrfr"},
        {10 * NS_PER_S, NO_DATA_KEEP, "BCBCBC", "pcpcpc"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct group_policy policy = {.for_ns = cases[i].for_ns,
                                            .keep_ns = NO_DATA_KEEP_TIMES * LOOK_NS,
                                            .no_data = cases[i].no_data};
        script(&policy, cases[i].verdicts, cases[i].events);
    }
}

Test(alert_state, a_pending_group_goes_on_after_a_restart)
{
    const struct group_policy policy = {.for_ns = 30 * NS_PER_S, .keep_ns = 100 * NS_PER_S};
    struct group_clock clock = {.state = GROUP_PENDING, .since_ns = 1000 * NS_PER_S};
    cr_expect(group_step(&policy, &clock, VERDICT_BREACH, 1029 * NS_PER_S) == EVENT_NONE);
    cr_expect(group_step(&policy, &clock, VERDICT_BREACH, 1030 * NS_PER_S) == EVENT_FIRE);
    cr_expect(clock.state == GROUP_FIRING);
    clock = (struct group_clock){.state = GROUP_FIRING};
    cr_expect(group_step(&policy, &clock, VERDICT_BREACH, 9000 * NS_PER_S) == EVENT_NONE);
    cr_expect(group_step(&policy, &clock, VERDICT_CLEAR, 9001 * NS_PER_S) == EVENT_RESOLVE);
}

Test(alert_state, a_clock_set_back_does_not_stall)
{
    const struct group_policy policy = {.for_ns = 30 * NS_PER_S, .keep_ns = 100 * NS_PER_S};
    struct group_clock clock = {0};
    cr_expect(group_step(&policy, &clock, VERDICT_BREACH, 5000 * NS_PER_S) == EVENT_PEND);
    cr_expect(group_step(&policy, &clock, VERDICT_BREACH, 1000 * NS_PER_S) == EVENT_NONE);
    cr_expect(group_step(&policy, &clock, VERDICT_BREACH, 1030 * NS_PER_S) == EVENT_FIRE);
    cr_expect(group_step(&policy, &clock, VERDICT_NO_DATA, 5000 * NS_PER_S) == EVENT_NONE);
    cr_expect(group_step(&policy, &clock, VERDICT_NO_DATA, 1000 * NS_PER_S) == EVENT_NONE);
    cr_expect(group_step(&policy, &clock, VERDICT_NO_DATA, 1100 * NS_PER_S) == EVENT_RESOLVE);
}
