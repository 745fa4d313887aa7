/*
 * alert.h - the alert scheduler: rules are queries with a condition and a schedule.
 *
 * Place:    YAML rules -> [here] -> query/query.h; states and incidents in server/control; webhooks through libcurl
 * State:    per rule and group: inactive -> pending (condition true, shorter than `for`) -> firing -> resolved. All transitions are
 *           committed to SQLite together with the notifications they cause (an outbox), so a restart neither forgets
 *           nor repeats; a notification is tried until the receiver answers 2xx or its tries are used up.
 * Threads:  one evaluation thread and one notifier thread of its own.
 */
#ifndef DRIFTLINE_ALERT_H
#define DRIFTLINE_ALERT_H

#include "query/query.h"
#include "server/control/control.h"

struct alert_rule;
struct alert_rules;

/* Reads and checks a rules file; unknown keys, bad durations, bad SQL (when db is given) are STATUS_INVALID naming file:line:column. */
MUST_CHECK enum status alert_rules_load(const char *path, struct query_db *db, struct alert_rules **ret, struct error *reterr);
/* The same from text; name stands for the file in messages. secret_file and secret_env are not read: the text may come
 * from anybody who may try rules out. */
MUST_CHECK enum status alert_rules_parse(const char *name, struct slice text, struct query_db *db, struct alert_rules **ret,
                                         struct error *reterr);
/* Accepts NULL. */
void alert_rules_destroy(struct alert_rules *r);
uint32_t alert_rules_count(const struct alert_rules *r);

struct alert_options {
    struct engine *engine;
    struct query_db *db;
    struct control *control;
    const char *rules_path; /* NULL: no rules; reloaded by alert_reload */
    void (*log)(void *context, const char *level, const char *text);
    void *log_context;
};
struct alerts;
MUST_CHECK enum status alerts_start(const struct alert_options *options, struct alerts **ret, struct error *reterr);
/* Cancels the evaluation under way (it then changes nothing) and gives deliveries under way two seconds; what is not
 * delivered by then stays in the outbox for the next start. Accepts NULL. */
void alerts_stop(struct alerts *a);
/* Keeps the old rules when the new ones are not valid. */
MUST_CHECK enum status alerts_reload(struct alerts *a, struct error *reterr);
/* Hint from the server after commits became visible: rules with a short `every` look at once instead of at their next tick. */
void alerts_wake(struct alerts *a);
/* The tables incidents, alert_rules and notifications. Call between query_db_create and the first query. */
MUST_CHECK enum status alert_tables_add(struct query_db *db, struct control *control, struct error *reterr);

/* Evaluates every rule (or the named one) of a file once, against the db, and writes one JSON object a (rule, group): value, condition, would-be state. Nothing is
 * stored or sent. */
MUST_CHECK enum status alert_rules_test(const struct alert_rules *rules, const char *name, struct engine *engine, struct query_db *db,
                                        struct buffer *to_json, struct error *reterr);

#endif
