/*
 * alerts_internal.h - the scheduler's state, shared by alerts.c (life), alerts_loop.c (the evaluation thread) and
 * alert_tables.c.
 *
 * Locks:  struct alerts.lock guards rules, next_rules, reports and stop; it is never held while a query runs. Order:
 *         the registry's lock, then this one.
 */
#ifndef DRIFTLINE_ALERTS_INTERNAL_H
#define DRIFTLINE_ALERTS_INTERNAL_H

#include "engine/base/thread.h"
#include "server/alert/alert_notifier.h"
#include "server/alert/alert_run.h"

struct alerts {
    struct alert_options options;
    char *rules_path; /* NULL: no rules */
    struct mutex lock;
    struct condition changed;
    struct thread thread;
    bool stop;
    atomic_bool cancel; /* stops the query under way */
    atomic_bool woken;  /* new data since the evaluation thread last looked */
    struct alert_rules *rules;
    struct alert_rules *next_rules; /* waits to be taken over; NULL: none */
    struct rule_run *runs;          /* one a rule; the evaluation thread's own */
    struct rule_report *reports;    /* one a rule: what others may see */
    struct alert_sender *sender;
    struct alerts *next; /* of the registry */
};

/* Runs for the rules, with their open incidents; incidents of rules that are gone end. */
MUST_CHECK enum status alerts_runs_create(struct alerts *a, const struct alert_rules *rules,
                                          struct rule_run **ret, uint32_t *ret_notifications,
                                          struct error *reterr);
void alerts_runs_destroy(struct rule_run *runs, uint32_t count);
/* The evaluation thread. */
void alerts_loop(void *context);
void alerts_say(const struct alerts *a, const char *level, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The schedulers of this process, so that the table alert_rules finds the one that works on its control file. */
void alerts_register(struct alerts *a);
void alerts_unregister(struct alerts *a);
/* Calls each() with the lock held for every rule at work. */
void alerts_each_rule(const struct control *control,
                      void (*each)(void *context, const struct alert_rules *rules,
                                   const struct alert_rule *rule, const struct rule_report *report),
                      void *context);

/* ---- the schedule: pure, over the runs ---- */

/* The rule to look at now, or NULL and *ret_wait_ns until there may be one. */
struct rule_run *schedule_pick(struct rule_run *runs, uint32_t count, int64_t now_ns,
                               atomic_bool *woken, int64_t *ret_wait_ns);
/* After a look that began and ended then. */
void schedule_looked(struct rule_run *run, int64_t begin_ns, int64_t end_ns);

#endif
