/*
 * test_alert_retry.c - what answers mean and how long to wait.
 */
#include <criterion/criterion.h>

#include "server/alert/alert_retry.h"

Test(alert_retry, answers_mean_what_receivers_expect)
{
    static const struct {
        int http_status;
        enum delivery delivery;
    } cases[] = {
        {0, DELIVERY_RETRY},     {100, DELIVERY_GIVE_UP}, {199, DELIVERY_GIVE_UP},
        {200, DELIVERY_DONE},    {202, DELIVERY_DONE},    {299, DELIVERY_DONE},
        {300, DELIVERY_GIVE_UP}, {302, DELIVERY_GIVE_UP}, {400, DELIVERY_GIVE_UP},
        {401, DELIVERY_GIVE_UP}, {404, DELIVERY_GIVE_UP}, {408, DELIVERY_RETRY},
        {410, DELIVERY_GIVE_UP}, {425, DELIVERY_RETRY},   {429, DELIVERY_RETRY},
        {499, DELIVERY_GIVE_UP}, {500, DELIVERY_RETRY},   {503, DELIVERY_RETRY},
        {599, DELIVERY_RETRY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect(delivery_of_status(cases[i].http_status) == cases[i].delivery, "%d",
                  cases[i].http_status);
}

Test(alert_retry, delays_double_up_to_a_bound_with_jitter)
{
    struct rng rng;
    rng_init(&rng, 7);
    int64_t least_ns = RETRY_FIRST_NS / 2;
    for (uint32_t attempt = 1; attempt <= 40; attempt++) {
        bool differs = false;
        int64_t first_ns = retry_delay_ns(attempt, 0, &rng);
        for (int i = 0; i < 200; i++) {
            int64_t delay_ns = retry_delay_ns(attempt, 0, &rng);
            cr_expect(delay_ns >= least_ns && delay_ns <= 2 * least_ns, "try %u: %lld", attempt,
                      (long long)delay_ns);
            differs = differs || delay_ns != first_ns;
        }
        cr_expect(differs, "there is jitter at try %u", attempt);
        least_ns = least_ns * 2 > RETRY_MAX_NS / 2 ? RETRY_MAX_NS / 2 : least_ns * 2;
    }
    cr_expect(retry_delay_ns(UINT32_MAX, 0, &rng) <= RETRY_MAX_NS);
}

Test(alert_retry, the_receivers_wish_counts_within_reason)
{
    struct rng rng;
    rng_init(&rng, 7);
    cr_expect(retry_delay_ns(1, 30 * NS_PER_S, &rng) == 30 * NS_PER_S);
    cr_expect(retry_delay_ns(20, NS_PER_S, &rng) >= RETRY_MAX_NS / 2, "our own delay is longer");
    cr_expect(retry_delay_ns(1, 100 * NS_PER_DAY, &rng) == RETRY_AFTER_MAX_NS);
}
