/*
 * alerts.c - starts and stops the scheduler.
 */
#include "server/alert/alert_rule.h"

struct alerts {
    struct alert_options options;
    struct alert_rules *rules;
};

enum status alerts_start(const struct alert_options *options, struct alerts **ret,
                         struct error *reterr)
{
    struct alerts *a = MEM_NEW(struct alerts);
    a->options = *options;
    enum status s = STATUS_OK;
    if (options->rules_path != NULL)
        s = alert_rules_load(options->rules_path, options->db, &a->rules, reterr);
    if (s < 0) {
        alerts_stop(a);
        return s;
    }
    *ret = a;
    return STATUS_OK;
}

void alerts_stop(struct alerts *a)
{
    if (a == NULL)
        return;
    alert_rules_destroy(a->rules);
    mem_free(a);
}

enum status alerts_reload(struct alerts *a, struct error *reterr)
{
    struct alert_rules *rules = NULL;
    enum status s = alert_rules_load(a->options.rules_path, a->options.db, &rules, reterr);
    if (s < 0)
        return s;
    alert_rules_destroy(a->rules);
    a->rules = rules;
    return STATUS_OK;
}

void alerts_wake(struct alerts *a)
{
    (void)a;
}

enum status alert_tables_add(struct query_db *db, struct control *control, struct error *reterr)
{
    (void)db;
    (void)control;
    (void)reterr;
    return STATUS_OK;
}

enum status alert_rules_test(const struct alert_rules *rules, const char *name,
                             struct engine *engine, struct query_db *db, struct buffer *to_json,
                             struct error *reterr)
{
    (void)rules;
    (void)name;
    (void)engine;
    (void)db;
    (void)to_json;
    return error_set(reterr, STATUS_UNAVAILABLE, "rules can't be tried out yet");
}
