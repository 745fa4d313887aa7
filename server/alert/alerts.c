/*
 * alerts.c - starts, reloads and stops the scheduler.
 *
 * Place:     server -> [here] -> an evaluation thread (alerts_loop.c) and a notifier thread (alert_notifier.c)
 * Reload:    new rules are checked in the caller's thread and taken over by the evaluation thread between two looks.
 */
#include "server/alert/alerts_internal.h"

#include <stdio.h>

void alerts_say(const struct alerts *a, const char *level, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    if (a->options.log == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    a->options.log(a->options.log_context, level, text);
}

/* ---- registry ---- */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct alerts *registry;

void alerts_register(struct alerts *a)
{
    (void)pthread_mutex_lock(&registry_lock);
    a->next = registry;
    registry = a;
    (void)pthread_mutex_unlock(&registry_lock);
}

void alerts_unregister(struct alerts *a)
{
    (void)pthread_mutex_lock(&registry_lock);
    for (struct alerts **at = &registry; *at != NULL; at = &(*at)->next) {
        if (*at == a) {
            *at = a->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

void alerts_each_rule(const struct control *control,
                      void (*each)(void *context, const struct alert_rules *rules,
                                   const struct alert_rule *rule, const struct rule_report *report),
                      void *context)
{
    (void)pthread_mutex_lock(&registry_lock);
    for (struct alerts *a = registry; a != NULL; a = a->next) {
        if (a->options.control != control)
            continue;
        mutex_lock(&a->lock);
        for (uint32_t i = 0; i < a->rules->rule_count; i++)
            each(context, a->rules, &a->rules->rules[i], &a->reports[i]);
        mutex_unlock(&a->lock);
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

/* ---- life ---- */

static bool find_notifier(void *context, struct slice name,
                          void (*visit)(void *visit_context, const struct alert_notifier *n),
                          void *visit_context)
{
    struct alerts *a = context;
    mutex_lock(&a->lock);
    const struct alert_notifier *found = alert_rules_notifier(a->rules, name);
    if (found != NULL)
        visit(visit_context, found);
    mutex_unlock(&a->lock);
    return found != NULL;
}

static enum status rules_read(const struct alerts *a, struct alert_rules **ret,
                              struct error *reterr)
{
    if (a->rules_path == NULL)
        return alert_rules_parse("(no rules)", SLICE_EMPTY, NULL, ret, reterr);
    return alert_rules_load(a->rules_path, a->options.db, ret, reterr);
}

static void alerts_free(struct alerts *a)
{
    if (a->runs != NULL)
        alerts_runs_destroy(a->runs, a->rules->rule_count);
    mem_free(a->reports);
    alert_rules_destroy(a->rules);
    alert_rules_destroy(a->next_rules);
    mutex_deinit(&a->lock);
    condition_deinit(&a->changed);
    mem_free(a->rules_path);
    mem_free(a);
}

enum status alerts_start(const struct alert_options *options, struct alerts **ret,
                         struct error *reterr)
{
    struct alerts *a = MEM_NEW(struct alerts);
    struct alert_sender_options sender = {.control = options->control,
                                          .find = find_notifier,
                                          .log = options->log,
                                          .context = a,
                                          .log_context = options->log_context};
    uint32_t ignored;
    enum status s;
    a->options = *options;
    a->rules_path = options->rules_path != NULL ? mem_strdup(options->rules_path) : NULL;
    mutex_init(&a->lock);
    condition_init(&a->changed);
    if ((s = alert_store_schema(options->control, reterr)) < 0 ||
        (s = rules_read(a, &a->rules, reterr)) < 0 ||
        (s = alerts_runs_create(a, a->rules, &a->runs, &ignored, reterr)) < 0)
        goto out;
    a->reports = mem_zero(a->rules->rule_count + 1, sizeof *a->reports);
    for (uint32_t i = 0; i < a->rules->rule_count; i++)
        a->reports[i] = a->runs[i].report;
    if ((s = alert_sender_start(&sender, &a->sender, reterr)) < 0)
        goto out;
    thread_start(&a->thread, "alert-look", alerts_loop, a);
    alerts_register(a);
    *ret = a;
    a = NULL;
out:
    if (a != NULL)
        alerts_free(a);
    return s;
}

void alerts_stop(struct alerts *a)
{
    if (a == NULL)
        return;
    alerts_unregister(a);
    atomic_store(&a->cancel, true);
    mutex_lock(&a->lock);
    a->stop = true;
    condition_signal(&a->changed);
    mutex_unlock(&a->lock);
    thread_join(&a->thread);
    alert_sender_stop(a->sender);
    alerts_free(a);
}

enum status alerts_reload(struct alerts *a, struct error *reterr)
{
    struct alert_rules *rules = NULL;
    enum status s = rules_read(a, &rules, reterr);
    if (s < 0)
        return s;
    mutex_lock(&a->lock);
    struct alert_rules *unused = a->next_rules;
    a->next_rules = rules;
    condition_signal(&a->changed);
    mutex_unlock(&a->lock);
    alert_rules_destroy(unused);
    return STATUS_OK;
}

void alerts_wake(struct alerts *a)
{
    if (atomic_exchange(&a->woken, true))
        return; /* the evaluation thread knows and has not looked since */
    mutex_lock(&a->lock);
    condition_signal(&a->changed);
    mutex_unlock(&a->lock);
}
