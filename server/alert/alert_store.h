/*
 * alert_store.h - incidents and the outbox of notifications, in the control file.
 *
 * Invariant: at most one open (pending or firing) incident a (project, rule, group): a unique index says so.
 *            A transition and the notifications it causes are one transaction.
 *            A notification leaves the outbox ("sent" or "failed") only after its receiver answered or its tries
 *            are used up; so a crash repeats at most the request that was under way, with the same key.
 * Threads:   any.
 */
#ifndef DRIFTLINE_ALERT_STORE_H
#define DRIFTLINE_ALERT_STORE_H

#include "server/alert/alert_state.h"

MUST_CHECK enum status alert_store_schema(struct control *control, struct error *reterr);

/* An incident as a transition leaves it. Texts are borrowed. */
struct incident {
    int64_t id; /* 0: not stored yet */
    uint32_t project;
    struct slice project_name;
    struct slice rule;
    struct slice severity;
    struct slice group;     /* JSON: the group's columns */
    struct slice label_set; /* JSON: all labels, as notified */
    char fingerprint[17];
    enum group_state state;
    bool has_value;
    double value;
    bool has_samples;
    int64_t samples;
    struct slice summary;
    struct slice exemplars; /* JSON list of trace ids */
    struct slice reason;    /* why it ended, when not by its value: "no data", "rule removed" */
    int64_t started_ns, fired_ns, resolved_ns, updated_ns;
};

/* Every open incident, oldest first; each() copies what it keeps. */
MUST_CHECK enum status alert_store_open_incidents(struct control *control,
                                                  void (*each)(void *context,
                                                               const struct incident *i),
                                                  void *context, struct error *reterr);

struct transition {
    enum group_event event;
    struct incident incident; /* id is filled in when it is new */
};

/* Who is told, and what the envelope says of the server. */
struct alert_audience {
    const struct alert_rules *rules;
    const struct alert_rule
        *rule; /* NULL: it is gone; whoever was told of the start is told of the end */
};

/* All of them or none. A notification that the outbox has no room for is noted as failed; *ret_dropped counts them. */
MUST_CHECK enum status alert_store_apply(struct control *control,
                                         const struct alert_audience *audience,
                                         struct transition *transitions, uint32_t count,
                                         int64_t now_ns, uint32_t *ret_notifications,
                                         uint32_t *ret_dropped, struct error *reterr);
/* Notes the present value of a firing incident. */
MUST_CHECK enum status alert_store_refresh(struct control *control,
                                           const struct incident *incidents, uint32_t count,
                                           struct error *reterr);

/* ---- the outbox ---- */

struct notification {
    int64_t id;
    int64_t incident;
    struct slice notifier;
    struct slice key;
    struct slice body;
    uint32_t attempts;
};

/* When something of a notifier waits: its name, and the next time after now that matters (INT64_MAX: none). */
MUST_CHECK enum status alert_outbox_notifiers(struct control *control, int64_t now_ns,
                                              void (*each)(void *context, struct slice notifier),
                                              void *context, int64_t *ret_next_ns,
                                              struct error *reterr);
/* The notifier's due notifications, oldest first: not those that wait for an earlier one of the same incident. */
MUST_CHECK enum status alert_outbox_due(struct control *control, struct slice notifier,
                                        int64_t now_ns, uint32_t limit,
                                        void (*each)(void *context, const struct notification *n),
                                        void *context, struct error *reterr);

/* How a try ended. */
struct outcome {
    int64_t id; /* of the notification */
    enum outcome_kind {
        OUTCOME_SENT,
        OUTCOME_RETRY,
        OUTCOME_FAILED
    } kind;
    bool no_try;     /* it failed before anything was sent: the number of tries stays */
    int http_status; /* 0: there was no answer */
    int64_t next_ns; /* RETRY: when */
    const char *why; /* not for SENT */
};
/* Notes them in one transaction. What is not waiting any more stays as it is. */
MUST_CHECK enum status alert_outbox_settle(struct control *control, const struct outcome *outcomes,
                                           uint32_t count, int64_t now_ns, struct error *reterr);
/* Drops the oldest finished notifications and resolved incidents past ALERT_*_KEPT_MAX. */
MUST_CHECK enum status alert_store_trim(struct control *control, struct error *reterr);

#endif
