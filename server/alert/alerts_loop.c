/*
 * alerts_loop.c - the evaluation thread: takes over rules, looks at what is due.
 */
#include "server/alert/alerts_internal.h"

#include <stdio.h>

#include "engine/base/clock.h"

/* ---- rules and their open incidents ---- */

/* Incidents of rules that are gone, copied out of the statement that reads them. */
struct adoption {
    const struct alert_rules *rules;
    struct rule_run *runs;
    struct arena arena;
    struct transition *orphans;
    size_t capacity;
    uint32_t orphan_count;
    int64_t now_ns;
};

static struct rule_run *run_of(const struct adoption *ad, const struct incident *i)
{
    for (uint32_t k = 0; k < ad->rules->rule_count; k++) {
        const struct alert_rule *rule = &ad->rules->rules[k];
        if (slice_is(i->rule, rule->name) && slice_is(i->project_name, rule->project))
            return &ad->runs[k];
    }
    return NULL;
}

static void adopt(void *context, const struct incident *i)
{
    struct adoption *ad = context;
    struct rule_run *run = run_of(ad, i);
    if (run != NULL) {
        rule_run_adopt(run, i);
        return;
    }
    ad->orphans = mem_grow(ad->orphans, &ad->capacity, ad->orphan_count + 1, sizeof *ad->orphans);
    struct transition *t = &ad->orphans[ad->orphan_count++];
    struct incident *to = &t->incident;
    t->event = i->state == GROUP_PENDING ? EVENT_CANCEL : EVENT_RESOLVE;
    *to = *i;
    to->project_name = arena_copy(&ad->arena, i->project_name);
    to->rule = arena_copy(&ad->arena, i->rule);
    to->severity = arena_copy(&ad->arena, i->severity);
    to->group = arena_copy(&ad->arena, i->group);
    to->label_set = arena_copy(&ad->arena, i->label_set);
    to->summary = arena_copy(&ad->arena, i->summary);
    to->exemplars = arena_copy(&ad->arena, i->exemplars);
    to->state = GROUP_INACTIVE;
    to->resolved_ns = ad->now_ns;
    to->reason = slice_text("rule removed");
}

static void rule_start(const struct alerts *a, struct rule_run *run, const struct alert_rule *rule)
{
    rule_run_init(run, rule);
    /* It need not be there yet; each look asks again. */
    IGNORE_STATUS(engine_project(a->options.engine, slice_text(rule->project), false,
                                 &run->report.project, NULL));
}

enum status alerts_runs_create(struct alerts *a, const struct alert_rules *rules,
                               struct rule_run **ret, uint32_t *ret_notifications,
                               struct error *reterr)
{
    struct adoption ad = {.rules = rules, .now_ns = clock_wall_ns()};
    const struct alert_audience audience = {.rules = rules};
    uint32_t dropped = 0;
    *ret_notifications = 0;
    ad.runs = mem_zero(rules->rule_count + 1, sizeof *ad.runs);
    for (uint32_t i = 0; i < rules->rule_count; i++)
        rule_start(a, &ad.runs[i], &rules->rules[i]);
    enum status s = alert_store_open_incidents(a->options.control, adopt, &ad, reterr);
    if (s >= 0 && ad.orphan_count > 0)
        s = alert_store_apply(a->options.control, &audience, ad.orphans, ad.orphan_count, ad.now_ns,
                              ret_notifications, &dropped, reterr);
    if (s >= 0 && ad.orphan_count > 0)
        alerts_say(a, "info", "%u incidents of rules that are gone have ended", ad.orphan_count);
    mem_free(ad.orphans);
    arena_deinit(&ad.arena);
    if (s < 0) {
        alerts_runs_destroy(ad.runs, rules->rule_count);
        return s;
    }
    *ret = ad.runs;
    return STATUS_OK;
}

void alerts_runs_destroy(struct rule_run *runs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        rule_run_deinit(&runs[i]);
    mem_free(runs);
}

/* ---- reload ---- */

/* States come back from the control file: what is stored is what counts. */
static void rules_take_over(struct alerts *a, struct alert_rules *rules)
{
    struct rule_run *runs = NULL;
    struct error error = {0};
    uint32_t notifications = 0;
    if (alerts_runs_create(a, rules, &runs, &notifications, &error) < 0) {
        alerts_say(a, "error", "the old rules stay in force: %s", error.text);
        alert_rules_destroy(rules);
        return;
    }
    struct rule_report *reports = mem_zero(rules->rule_count + 1, sizeof *reports);
    for (uint32_t i = 0; i < rules->rule_count; i++)
        reports[i] = runs[i].report;
    mutex_lock(&a->lock);
    struct alert_rules *old_rules = a->rules;
    struct rule_run *old_runs = a->runs;
    struct rule_report *old_reports = a->reports;
    a->rules = rules;
    a->runs = runs;
    a->reports = reports;
    mutex_unlock(&a->lock);
    alerts_runs_destroy(old_runs, old_rules->rule_count);
    alert_rules_destroy(old_rules);
    mem_free(old_reports);
    if (notifications > 0)
        alert_sender_wake(a->sender);
}

/* ---- looking ---- */

/* Says what is new about a rule's errors, not the same thing every second. */
static void report_outcome(struct alerts *a, struct rule_run *run, enum status s,
                           const struct error *error)
{
    struct rule_report *r = &run->report;
    const char *text = s < 0 ? error->text : "";
    char before[sizeof r->error];
    memcpy(before, r->error, sizeof before);
    r->errors += s < 0;
    (void)snprintf(r->error, sizeof r->error, "%.*s", (int)sizeof r->error - 1, text);
    if (strcmp(before, r->error) == 0)
        return;
    if (s < 0)
        alerts_say(a, "error", "rule '%s': %s", run->rule->name, text);
    else
        alerts_say(a, "info", "rule '%s' works again", run->rule->name);
}

static void look_at(struct alerts *a, struct rule_run *run)
{
    const struct look_options options = {.engine = a->options.engine,
                                         .db = a->options.db,
                                         .control = a->options.control,
                                         .rules = a->rules,
                                         .cancel = &a->cancel,
                                         .log = a->options.log,
                                         .log_context = a->options.log_context};
    struct error error = {0};
    uint32_t notifications = 0;
    int64_t begin_ns = clock_monotonic_ns();
    run->report.last_ns = clock_wall_ns();
    enum status s = rule_run_look(run, &options, &notifications, &error);
    int64_t end_ns = clock_monotonic_ns();
    if (notifications > 0)
        alert_sender_wake(a->sender);
    run->report.looks++;
    run->report.duration_ns = end_ns - begin_ns;
    if (!atomic_load(&a->cancel))
        report_outcome(a, run, s, &error);
    schedule_looked(run, begin_ns, end_ns);
    mutex_lock(&a->lock);
    a->reports[run - a->runs] = run->report;
    mutex_unlock(&a->lock);
}

void alerts_loop(void *context)
{
    struct alerts *a = context;
    mutex_lock(&a->lock);
    while (!a->stop) {
        int64_t wait_ns;
        if (a->next_rules != NULL) {
            struct alert_rules *rules = a->next_rules;
            a->next_rules = NULL;
            mutex_unlock(&a->lock);
            rules_take_over(a, rules);
            mutex_lock(&a->lock);
            continue;
        }
        struct rule_run *run =
            schedule_pick(a->runs, a->rules->rule_count, clock_monotonic_ns(), &a->woken, &wait_ns);
        if (run == NULL) {
            (void)condition_wait_ns(&a->changed, &a->lock, wait_ns);
            continue;
        }
        mutex_unlock(&a->lock);
        look_at(a, run);
        mutex_lock(&a->lock);
    }
    mutex_unlock(&a->lock);
}
