/*
 * alert_signature.h - how a receiver knows that a notification is ours and not an old one played again.
 *
 *     X-Driftline-Signature: t=1764277200,v1=5257a869e7...
 *
 * t is the time of sending in seconds since 1970; v1 is the lower-case hex HMAC-SHA256, keyed with the notifier's
 * secret, of the bytes of t as written, a ".", and the body. A receiver computes the same, compares in constant
 * time, and refuses a t that is too old for its taste (five minutes are usual).
 */
#ifndef DRIFTLINE_ALERT_SIGNATURE_H
#define DRIFTLINE_ALERT_SIGNATURE_H

#include "engine/base/slice.h"

#define ALERT_SIGNATURE_BYTES 96

/* The header's value, with a NUL. */
void alert_signature(struct slice secret, int64_t time_s, struct slice body,
                     char to[ALERT_SIGNATURE_BYTES]);
/* Well formed, right, and |now_s - t| <= age_max_s. */
bool alert_signature_matches(struct slice header, struct slice secret, struct slice body,
                             int64_t now_s, int64_t age_max_s);

#endif
