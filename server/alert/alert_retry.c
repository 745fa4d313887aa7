/*
 * alert_retry.c - outcomes and delays.
 */
#include "server/alert/alert_retry.h"

enum delivery delivery_of_status(int http_status)
{
    if (http_status >= 200 && http_status < 300)
        return DELIVERY_DONE;
    if (http_status == 0 || http_status == 408 || http_status == 425 || http_status == 429 ||
        http_status >= 500)
        return DELIVERY_RETRY;
    return DELIVERY_GIVE_UP; /* 3xx, too: redirects are not followed */
}

int64_t retry_delay_ns(uint32_t attempts, int64_t retry_after_ns, struct rng *rng)
{
    int64_t delay_ns = RETRY_FIRST_NS;
    for (uint32_t i = 1; i < attempts && delay_ns < RETRY_MAX_NS; i++)
        delay_ns *= 2;
    if (delay_ns > RETRY_MAX_NS)
        delay_ns = RETRY_MAX_NS;
    delay_ns = delay_ns / 2 + (int64_t)rng_below(rng, (uint64_t)(delay_ns / 2 + 1));
    if (retry_after_ns > RETRY_AFTER_MAX_NS)
        retry_after_ns = RETRY_AFTER_MAX_NS;
    return retry_after_ns > delay_ns ? retry_after_ns : delay_ns;
}
