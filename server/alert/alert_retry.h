/*
 * alert_retry.h - what follows from how a delivery went: pure functions.
 */
#ifndef DRIFTLINE_ALERT_RETRY_H
#define DRIFTLINE_ALERT_RETRY_H

#include "engine/base/clock.h"
#include "engine/base/rng.h"

#define RETRY_FIRST_NS     (250 * NS_PER_MS)
#define RETRY_MAX_NS       (300 * NS_PER_S)
#define RETRY_AFTER_MAX_NS NS_PER_HOUR /* of a receiver's Retry-After */

enum delivery {
    DELIVERY_DONE,
    DELIVERY_RETRY, /* the receiver may answer better later: no answer, 408, 425, 429, 5xx */
    DELIVERY_GIVE_UP,
};

/* http_status 0: there was no answer. */
enum delivery delivery_of_status(int http_status);
/* How long to wait after the attempts-th try (from 1) failed: doubling from RETRY_FIRST_NS to RETRY_MAX_NS, of that a
 * random half to all, but at least what the receiver asked for. */
int64_t retry_delay_ns(uint32_t attempts, int64_t retry_after_ns, struct rng *rng);

#endif
