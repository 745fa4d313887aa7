/*
 * alert_run.h - a rule at work: its groups, and one look after another.
 *
 * Threads:  the evaluation thread only; what others read is copied into struct rule_report under the owner's lock.
 */
#ifndef DRIFTLINE_ALERT_RUN_H
#define DRIFTLINE_ALERT_RUN_H

#include "engine/base/intern.h"
#include "server/alert/alert_evaluate.h"
#include "server/alert/alert_store.h"

/* A group that is pending or firing; with NO_DATA_FIRE also one that was seen and is inactive. */
struct group {
    int64_t incident; /* 0: inactive */
    struct group_clock clock;
    uint64_t look; /* that saw it last */
    int64_t started_ns, fired_ns;
    int64_t stored_ns; /* when its value was last stored */
    char fingerprint[17];
    char *label_set;
    char *summary;
    char *exemplars;
};

struct rule_report {
    uint64_t looks;
    uint64_t errors;
    uint32_t pending;
    uint32_t firing;
    uint32_t project; /* 0: there is none of that name yet */
    int64_t last_ns;  /* wall clock; 0: never */
    int64_t duration_ns;
    char error[256]; /* of the last look; "" when it went well */
};

struct rule_run {
    const struct alert_rule *rule;
    struct intern keys; /* group JSON; code - 1 is the index in groups */
    struct group *groups;
    size_t groups_capacity;
    uint32_t open; /* groups with an incident */
    uint64_t look;
    struct rule_report report;
    /* The schedule, monotonic. */
    int64_t due_ns;
    int64_t wake_ns; /* new data may cause a look from then on */
    bool fresh;      /* there is new data */
};

struct look_options {
    struct engine *engine;
    struct query_db *db;
    struct control *control;
    const struct alert_rules *rules;
    const atomic_bool *cancel;
    void (*log)(void *context, const char *level, const char *text); /* may be NULL */
    void *log_context;
};

void rule_run_init(struct rule_run *run, const struct alert_rule *rule);
void rule_run_deinit(struct rule_run *run);
/* Takes over an open incident of the rule, at start. */
void rule_run_adopt(struct rule_run *run, const struct incident *incident);
/* One evaluation with everything that follows from it, except telling the notifier thread that *ret_notifications
 * are new in the outbox (written always). A failure leaves all states as they are, but STATUS_LIMIT, which says that
 * more groups breach than may be open. */
MUST_CHECK enum status rule_run_look(struct rule_run *run, const struct look_options *options,
                                     uint32_t *ret_notifications, struct error *reterr);

#endif
