/*
 * test_alert_schedule.c - which rule is looked at when: on a clock of the test's own.
 */
#include <criterion/criterion.h>

#include "engine/base/clock.h"
#include "server/alert/alerts_internal.h"

#define MS NS_PER_MS

static int64_t wait_of(struct rule_run *runs, uint32_t count, int64_t now_ns, atomic_bool *woken)
{
    int64_t wait_ns = -1;
    cr_assert(schedule_pick(runs, count, now_ns, woken, &wait_ns) == NULL,
              "nothing is due at %lld ms", (long long)(now_ns / MS));
    return wait_ns;
}

static void look(struct rule_run *runs, uint32_t count, int64_t now_ns, atomic_bool *woken,
                 uint32_t expected, int64_t takes_ns)
{
    int64_t wait_ns;
    struct rule_run *run = schedule_pick(runs, count, now_ns, woken, &wait_ns);
    cr_assert(run == &runs[expected], "at %lld ms: rule %td", (long long)(now_ns / MS),
              run == NULL ? -1 : run - runs);
    schedule_looked(run, now_ns, now_ns + takes_ns);
}

Test(alert_schedule, slow_rules_keep_their_period)
{
    const struct alert_rule rule = {.every_ns = 30 * NS_PER_S};
    struct rule_run run = {.rule = &rule};
    atomic_bool woken = true; /* new data is nothing to a slow rule */
    look(&run, 1, 0, &woken, 0, 10 * MS);
    cr_expect(wait_of(&run, 1, 10 * MS, &woken) == 30 * NS_PER_S - 10 * MS);
    cr_expect(atomic_load(&woken), "nobody took the hint down: the server need not give it again");
    look(&run, 1, 30 * NS_PER_S, &woken, 0, 0);
}

Test(alert_schedule, new_data_is_looked_at_at_once)
{
    const struct alert_rule rule = {.every_ns = NS_PER_S};
    struct rule_run run = {.rule = &rule};
    atomic_bool woken = false;
    look(&run, 1, 0, &woken, 0, 1 * MS);
    cr_expect(wait_of(&run, 1, 500 * MS, &woken) == 500 * MS);
    atomic_store(&woken, true);
    look(&run, 1, 500 * MS, &woken, 0, 1 * MS);
    cr_expect(!atomic_load(&woken));
    /* More data: not before three quarters of `every`, and always before all of it. */
    atomic_store(&woken, true);
    cr_expect(wait_of(&run, 1, 501 * MS, &woken) == 749 * MS);
    cr_expect(atomic_load(&woken), "it stays up until it can be used");
    look(&run, 1, 1250 * MS, &woken, 0, 1 * MS);
    cr_expect(!atomic_load(&woken));
    /* No more data: the next tick. */
    cr_expect(wait_of(&run, 1, 1251 * MS, &woken) == 999 * MS);
}

Test(alert_schedule, an_idle_fast_rule_rests)
{
    const struct alert_rule rule = {.every_ns = 100 * MS};
    struct rule_run run = {.rule = &rule};
    atomic_bool woken = false;
    look(&run, 1, 0, &woken, 0, 0);
    cr_expect(wait_of(&run, 1, 0, &woken) == NS_PER_S, "nothing is open, no data: once a second");
    run.open = 1;
    look(&run, 1, NS_PER_S, &woken, 0, 0);
    cr_expect(wait_of(&run, 1, NS_PER_S, &woken) == 100 * MS,
              "something is open: its end is watched");
    run.open = 0;
    atomic_store(&woken, true);
    look(&run, 1, 1050 * MS, &woken, 0, 0);
    cr_expect(wait_of(&run, 1, 1050 * MS, &woken) == 100 * MS,
              "after data the next look comes after `every`");
}

Test(alert_schedule, whoever_waits_longest_is_next)
{
    const struct alert_rule rules[] = {
        {.every_ns = 10 * NS_PER_S}, {.every_ns = 10 * NS_PER_S}, {.every_ns = NS_PER_S}};
    struct rule_run runs[] = {{.rule = &rules[0]}, {.rule = &rules[1]}, {.rule = &rules[2]}};
    atomic_bool woken = false;
    look(runs, 3, 0, &woken, 0, 30 * NS_PER_S); /* slow: a whole 30 s */
    look(runs, 3, 30 * NS_PER_S, &woken, 1, 1 * MS);
    look(runs, 3, 30 * NS_PER_S + 1 * MS, &woken, 2, 1 * MS);
    cr_expect(wait_of(runs, 3, 30 * NS_PER_S + 2 * MS, &woken) <= NS_PER_S);
    look(runs, 3, 32 * NS_PER_S, &woken, 2, 1 * MS);
    cr_expect(runs[0].due_ns == 60 * NS_PER_S, "the slow one rests as long as it took");
}

Test(alert_schedule, every_rule_gets_its_turn_under_a_storm)
{
    enum {
        RULES = 5
    };
    struct alert_rule rules[RULES];
    struct rule_run runs[RULES];
    unsigned looks[RULES] = {0};
    atomic_bool woken = false;
    int64_t now_ns = 0;
    for (int i = 0; i < RULES; i++) {
        rules[i] = (struct alert_rule){.every_ns = (i + 1) * 100 * MS};
        runs[i] = (struct rule_run){.rule = &rules[i]};
    }
    for (int step = 0; step < 4000; step++) {
        int64_t wait_ns;
        atomic_store(&woken, true);
        struct rule_run *run = schedule_pick(runs, RULES, now_ns, &woken, &wait_ns);
        if (run == NULL) {
            now_ns += wait_ns > 0 ? wait_ns : 1;
            continue;
        }
        schedule_looked(run, now_ns, now_ns + 40 * MS);
        now_ns += 40 * MS;
        looks[run - runs]++;
    }
    for (int i = 0; i < RULES; i++)
        cr_expect(looks[i] * 8 > looks[0], "rule %d: %u of %u", i, looks[i], looks[0]);
}

Test(alert_schedule, without_rules_it_sleeps)
{
    atomic_bool woken = true;
    cr_expect(wait_of(NULL, 0, 0, &woken) > NS_PER_S);
}
