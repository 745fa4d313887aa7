/*
 * test_retain_pick.c - which segments leave: by age, by size, and what wrong clocks may not do.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/clock.h"
#include "engine/base/rng.h"
#include "engine/compact/compact.h"

#define DAY0     (20000 * NS_PER_DAY) /* 2024-10-04 */
#define YEAR2200 ((int64_t)7258118400 * NS_PER_S)

/* Twenty segments of a day each, the newest ends at DAY0 + 20 d; then those given. */
#define DAYS 20u
struct store {
    struct manifest_segment files[DAYS + 8];
    const struct manifest_segment *pointers[DAYS + 8];
    bool drop[DAYS + 8];
    uint32_t count;
};

static void file_add(struct store *s, int64_t min_ns, int64_t max_ns, uint64_t seq)
{
    s->files[s->count] = (struct manifest_segment){.number = s->count + 1,
                                                   .rows = 1000,
                                                   .bytes = 100,
                                                   .time_min_ns = min_ns,
                                                   .time_max_ns = max_ns,
                                                   .seq_min = seq,
                                                   .seq_max = seq + 9};
    s->pointers[s->count] = &s->files[s->count];
    s->count++;
}

static void store_fill(struct store *s)
{
    *s = (struct store){0};
    for (uint32_t i = 0; i < DAYS; i++)
        file_add(s, DAY0 + i * NS_PER_DAY, DAY0 + (i + 1) * NS_PER_DAY - 1, 100 * (i + 1));
}

static uint32_t retain(struct store *s, struct retain_policy policy)
{
    memset(s->drop, 0xff, sizeof s->drop);
    uint32_t dropped = retain_pick(s->pointers, s->count, &policy, s->drop);
    uint32_t marked = 0;
    for (uint32_t i = 0; i < s->count; i++)
        marked += s->drop[i];
    cr_assert(eq(u32, marked, dropped));
    return dropped;
}

Test(retain_pick, what_is_older_than_the_age_leaves_and_nothing_else)
{
    struct store s;
    store_fill(&s);
    int64_t end = DAY0 + DAYS * NS_PER_DAY;
    cr_assert(eq(u32, retain(&s, (struct retain_policy){.now_ns = end}), 0));
    cr_assert(
        eq(u32, retain(&s, (struct retain_policy){.now_ns = end, .age_ns = 5 * NS_PER_DAY}), 15));
    for (uint32_t i = 0; i < DAYS; i++)
        cr_assert(s.drop[i] == (i < 15), "%u", i);
    cr_assert(eq(
        u32, retain(&s, (struct retain_policy){.now_ns = end - 1, .age_ns = 5 * NS_PER_DAY}), 14));
    cr_assert(
        eq(u32, retain(&s, (struct retain_policy){.now_ns = end, .age_ns = 20 * NS_PER_DAY}), 0));
    cr_assert(eq(
        u32, retain_pick(NULL, 0, &(struct retain_policy){.now_ns = end, .age_ns = 1}, s.drop), 0));
}

Test(retain_pick, a_clock_that_jumps_ahead_drops_a_day_and_not_everything)
{
    struct store s;
    store_fill(&s);
    struct retain_policy policy = {.now_ns = DAY0 + 4000 * NS_PER_DAY, .age_ns = 5 * NS_PER_DAY};
    cr_assert(eq(u32, retain(&s, policy), 15));
    for (uint32_t i = 0; i < DAYS; i++)
        cr_assert(s.drop[i] == (i < 15), "%u", i);
    policy.confirmed = true;
    cr_assert(eq(u32, retain(&s, policy), DAYS));
}

Test(retain_pick, a_clock_that_is_behind_drops_nothing_new)
{
    struct store s;
    store_fill(&s);
    struct retain_policy policy = {.now_ns = 0, .age_ns = 5 * NS_PER_DAY};
    cr_assert(eq(u32, retain(&s, policy), 0));
    policy.confirmed = true;
    cr_assert(eq(u32, retain(&s, policy), 0));
    policy.now_ns = INT64_MIN;
    cr_assert(eq(u32, retain(&s, policy), 0));
    policy.now_ns = INT64_MAX;
    policy.age_ns = INT64_MAX;
    cr_assert(eq(u32, retain(&s, policy), 0));
}

/* An absurd file leaves with those written at its time, and changes nothing for them. */
Test(retain_pick, absurd_times_follow_their_contemporaries)
{
    static const int64_t absurd[] = {INT64_MIN, 0, NS_PER_DAY, YEAR2200, INT64_MAX};
    int64_t end = DAY0 + DAYS * NS_PER_DAY;
    for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        struct store s;
        struct retain_policy policy = {.now_ns = end, .age_ns = 5 * NS_PER_DAY};
        store_fill(&s);
        retain(&s, policy);
        bool without[DAYS];
        memcpy(without, s.drop, sizeof without);
        file_add(&s, absurd[i], absurd[i], 320);  /* with the third day, which leaves */
        file_add(&s, absurd[i], absurd[i], 1820); /* with the eighteenth, which stays */
        retain(&s, policy);
        cr_assert(memcmp(without, s.drop, sizeof without) == 0, "time %zu", i);
        cr_assert(s.drop[DAYS], "time %zu", i);
        cr_assert(not(s.drop[DAYS + 1]), "time %zu", i);
        /* And by size: the five oldest leave, the absurd one among them where it was written. */
        policy = (struct retain_policy){.now_ns = end, .bytes_max = 100 * (DAYS + 2 - 5)};
        cr_assert(eq(u32, retain(&s, policy), 5));
        cr_assert(s.drop[0] && s.drop[1] && s.drop[2] && s.drop[3] && s.drop[DAYS]);
    }
}

Test(retain_pick, absurd_data_alone_is_kept_unless_someone_says_so)
{
    struct store s = {0};
    file_add(&s, 0, 0, 10);
    file_add(&s, YEAR2200, YEAR2200, 20);
    struct retain_policy policy = {.now_ns = DAY0, .age_ns = NS_PER_DAY};
    cr_assert(eq(u32, retain(&s, policy), 0));
    policy.confirmed = true;
    cr_assert(eq(u32, retain(&s, policy), 1));
    cr_assert(s.drop[0]);
}

/* The clock says 2201 and one small file says 2200: the rest still dates the data. */
Test(retain_pick, a_few_rows_near_a_wrong_clock_do_not_date_the_store)
{
    struct store s;
    store_fill(&s);
    file_add(&s, YEAR2200, YEAR2200, 2500);
    s.files[DAYS].rows = 50;
    struct retain_policy policy = {.now_ns = YEAR2200 + 365 * NS_PER_DAY, .age_ns = 5 * NS_PER_DAY};
    retain(&s, policy);
    for (uint32_t i = 17; i < DAYS; i++)
        cr_assert(not(s.drop[i]), "%u", i);
}

Test(retain_pick, size_drops_the_oldest_until_the_rest_fits)
{
    struct store s;
    store_fill(&s);
    int64_t end = DAY0 + DAYS * NS_PER_DAY;
    cr_assert(eq(u32, retain(&s, (struct retain_policy){.now_ns = end, .bytes_max = 2000}), 0));
    cr_assert(eq(u32, retain(&s, (struct retain_policy){.now_ns = end, .bytes_max = 1999}), 1));
    cr_assert(s.drop[0]);
    cr_assert(eq(u32, retain(&s, (struct retain_policy){.now_ns = end, .bytes_max = 550}), 15));
    for (uint32_t i = 0; i < DAYS; i++)
        cr_assert(s.drop[i] == (i < 15), "%u", i);
    cr_assert(eq(u32, retain(&s, (struct retain_policy){.now_ns = end, .bytes_max = 1}), DAYS - 1));
    cr_assert(not(s.drop[DAYS - 1]));
    /* Age and size together. */
    cr_assert(eq(
        u32,
        retain(&s,
               (struct retain_policy){.now_ns = end, .age_ns = 5 * NS_PER_DAY, .bytes_max = 300}),
        17));
}
