/*
 * alert_notifier.h - delivers what is in the outbox, in a thread of its own.
 *
 * Place:     outbox (control file) -> [here] -> libcurl -> receivers
 * Promise:   a notification is tried until the receiver answers 2xx, refuses it (4xx, 3xx) or its tries are used up. The same
 *            Idempotency-Key goes with every try of one notification.
 * Bounds:    ALERT_TRANSFERS_MAX requests at once, ALERT_TRANSFERS_PER_HOOK to one notifier; ALERT_RESPONSE_BYTES_MAX of an
 *            answer are read; no redirects, no proxies, http and https only; see alert_address.h for where it won't go.
 */
#ifndef DRIFTLINE_ALERT_NOTIFIER_H
#define DRIFTLINE_ALERT_NOTIFIER_H

#include <stdatomic.h>

#include "server/alert/alert_rule.h"

struct alert_sender;

struct alert_sender_options {
    struct control *control;
    /* The notifier of that name is written to by visit, under the owner's lock; false: there is none any more. */
    bool (*find)(void *context, struct slice name,
                 void (*visit)(void *visit_context, const struct alert_notifier *n),
                 void *visit_context);
    void (*log)(void *context, const char *level, const char *text); /* may be NULL */
    void *context;                                                   /* of find */
    void *log_context;
};

MUST_CHECK enum status alert_sender_start(const struct alert_sender_options *options,
                                          struct alert_sender **ret, struct error *reterr);
/* Gives requests under way STOP_GRACE to finish; what is left stays in the outbox. Accepts NULL. */
void alert_sender_stop(struct alert_sender *s);
/* There may be something new in the outbox. Any thread. */
void alert_sender_wake(struct alert_sender *s);

#endif
