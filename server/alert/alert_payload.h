/*
 * alert_payload.h - the body of a notification: the envelope of Alertmanager's webhook, version "4", so that any
 * receiver that takes that takes this, with one alert and our extras in its "driftline" object.
 */
#ifndef DRIFTLINE_ALERT_PAYLOAD_H
#define DRIFTLINE_ALERT_PAYLOAD_H

#include "server/alert/alert_store.h"

/* status: resolved when the incident is inactive, else firing. */
MUST_CHECK enum status alert_payload_write(const struct incident *incident, const char *receiver,
                                           const char *external_url, struct buffer *to,
                                           struct error *reterr);
/* A number as JSON, in the shortest form that reads back the same; not finite ones are null. */
void json_number(double value, struct buffer *to);

#endif
