/*
 * test_compact_pick.c - which segments merge: tables of cases, and properties of simulated stores.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "engine/compact/compact.h"

#define DAY0 (20000 * NS_PER_DAY) /* 2024-10-04 */

/* A store of at most this many files, some of which are gone. */
#define FILES_MAX 20000u
struct store {
    struct manifest_segment files[FILES_MAX];
    uint32_t patches[FILES_MAX];
    uint32_t count;
    uint64_t next_number;
    uint64_t rows_written; /* by seals and merges */
    uint64_t rows_sealed;
};

static struct store *store_create(void)
{
    struct store *s = MEM_NEW(struct store);
    s->next_number = 1;
    return s;
}

static void file_add(struct store *s, uint8_t tier, int64_t min_ns, int64_t max_ns, uint64_t rows)
{
    cr_assert(s->count < FILES_MAX);
    s->patches[s->count] = 0;
    s->files[s->count++] = (struct manifest_segment){.number = s->next_number++,
                                                     .project = 1,
                                                     .tier = tier,
                                                     .rows = rows,
                                                     .bytes = rows * 30,
                                                     .time_min_ns = min_ns,
                                                     .time_max_ns = max_ns};
    s->rows_written += rows;
}

static bool pick(const struct store *s, const struct compact_policy *policy,
                 struct compact_job *ret)
{
    struct compact_candidate *c = mem_zero((size_t)s->count + 1, sizeof *c);
    for (uint32_t i = 0; i < s->count; i++)
        c[i] = (struct compact_candidate){.segment = &s->files[i], .patches = s->patches[i]};
    bool picked = compact_pick(c, s->count, policy, ret);
    mem_free(c);
    return picked;
}

/* What every job must be, whatever the store. */
static void job_check(const struct store *s, const struct compact_job *job)
{
    uint64_t rows = 0;
    cr_assert(job->input_count >= 1 && job->input_count <= 64);
    cr_assert(job->fold == (job->input_count == 1));
    for (uint32_t i = 0; i < job->input_count; i++) {
        cr_assert(job->inputs[i] < s->count);
        rows += s->files[job->inputs[i]].rows;
        for (uint32_t k = 0; k < i; k++)
            cr_assert(job->inputs[k] != job->inputs[i]);
    }
    cr_assert(rows <= SEGMENT_ROWS_MAX);
}

static void job_run(struct store *s, const struct compact_job *job)
{
    bool leaves[FILES_MAX] = {false};
    int64_t min_ns = INT64_MAX;
    int64_t max_ns = INT64_MIN;
    uint64_t rows = 0;
    job_check(s, job);
    for (uint32_t i = 0; i < job->input_count; i++) {
        const struct manifest_segment *f = &s->files[job->inputs[i]];
        leaves[job->inputs[i]] = true;
        min_ns = min_ns < f->time_min_ns ? min_ns : f->time_min_ns;
        max_ns = max_ns > f->time_max_ns ? max_ns : f->time_max_ns;
        rows += f->rows;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (leaves[i])
            continue;
        s->files[kept] = s->files[i];
        s->patches[kept++] = s->patches[i];
    }
    s->count = kept;
    file_add(s, (uint8_t)job->tier, min_ns, max_ns, rows);
}

/* Runs all jobs that are due; returns how many. */
static uint32_t settle(struct store *s, const struct compact_policy *policy)
{
    struct compact_job job;
    uint32_t jobs = 0;
    while (pick(s, policy, &job)) {
        job_run(s, &job);
        jobs++;
        cr_assert(jobs < 2 * FILES_MAX, "it does not end");
    }
    return jobs;
}

static uint32_t tier_count(const struct store *s, enum segment_tier tier)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        count += s->files[i].tier == tier;
    return count;
}

/* count seal files of the first hour of DAY0, and the time. */
struct hour_case {
    uint32_t files;
    uint64_t rows;
    int64_t now_ns;
    bool full;
    uint32_t inputs; /* 0: no job */
};
static const struct hour_case hour_cases[] = {
    {0, 100, DAY0 + 2 * NS_PER_HOUR, false, 0},
    {1, 100, DAY0 + 2 * NS_PER_HOUR, false, 0},
    {2, 100, DAY0 + 2 * NS_PER_HOUR, false, 2},
    {3, 100, DAY0 + NS_PER_HOUR + 1 * NS_PER_S, false, 0},
    {4, 100, DAY0 + NS_PER_HOUR - 1, false, 0},
    {4, 100, DAY0 + NS_PER_HOUR, false, 4},
    {2, 100, DAY0 + NS_PER_HOUR + 599 * NS_PER_S, false, 0},
    {2, 100, DAY0 + NS_PER_HOUR + 600 * NS_PER_S, false, 2},
    {31, 100, DAY0 + 10 * NS_PER_S, false, 0},
    {32, 100, DAY0 + 10 * NS_PER_S, false, 32},
    {90, 100, DAY0 + 10 * NS_PER_S, false, 64},
    {3, SEGMENT_ROWS_MAX / 4, DAY0 + 10 * NS_PER_S, false, 3},
    {2, SEGMENT_ROWS_MAX / 4, DAY0 + 10 * NS_PER_S, false, 0},
    {5, SEGMENT_ROWS_MAX / 4, DAY0 + 10 * NS_PER_S, false, 4},
    {5, SEGMENT_ROWS_MAX / 2 + 1, DAY0 + 2 * NS_PER_HOUR, false, 0},
    {5, SEGMENT_ROWS_MAX, DAY0 + 2 * NS_PER_HOUR, true, 0},
    {2, SEGMENT_ROWS_MAX / 2, DAY0 + 2 * NS_PER_HOUR, false, 2},
    {2, 100, DAY0 + 10 * NS_PER_S, true, 2},
    {1, 100, DAY0 + 10 * NS_PER_S, true, 0},
};

Test(compact_pick, seal_files_of_one_hour)
{
    for (size_t i = 0; i < sizeof hour_cases / sizeof hour_cases[0]; i++) {
        const struct hour_case *h = &hour_cases[i];
        struct store *s = store_create();
        struct compact_job job = {0};
        for (uint32_t f = 0; f < h->files; f++)
            file_add(s, TIER_SEAL, DAY0 + f * NS_PER_S, DAY0 + (f + 1) * NS_PER_S, h->rows);
        /* An hour file is never rewritten by an hour merge. */
        file_add(s, TIER_HOUR, DAY0 + 25 * NS_PER_HOUR, DAY0 + 25 * NS_PER_HOUR, 100);
        const struct compact_policy policy = {.now_ns = h->now_ns, .full = h->full};
        bool picked = pick(s, &policy, &job);
        cr_assert(eq(u32, job.input_count, h->inputs), "case %zu", i);
        cr_assert(picked == (h->inputs > 0), "case %zu", i);
        if (picked) {
            job_check(s, &job);
            cr_assert(job.tier == (h->full ? TIER_DAY : TIER_HOUR), "case %zu", i);
        }
        mem_free(s);
    }
}

Test(compact_pick, busy_files_are_left_alone)
{
    struct store *s = store_create();
    struct compact_job job;
    for (uint32_t f = 0; f < 4; f++)
        file_add(s, TIER_SEAL, DAY0 + f, DAY0 + f, 100);
    struct compact_candidate c[4];
    for (uint32_t f = 0; f < 4; f++)
        c[f] = (struct compact_candidate){.segment = &s->files[f], .patches = 100, .busy = f != 2};
    const struct compact_policy policy = {.now_ns = DAY0 + 2 * NS_PER_HOUR};
    cr_assert(compact_pick(c, 4, &policy, &job));
    cr_assert(job.fold);
    cr_assert(eq(u32, job.inputs[0], 2));
    c[2].busy = true;
    cr_assert(not(compact_pick(c, 4, &policy, &job)));
    mem_free(s);
}

Test(compact_pick, a_day_is_merged_when_it_is_over)
{
    struct store *s = store_create();
    struct compact_policy policy = {.now_ns = DAY0 + NS_PER_DAY + 2 * NS_PER_HOUR - 1};
    struct compact_job job;
    for (uint32_t h = 0; h < 24; h++)
        file_add(s, TIER_HOUR, DAY0 + h * NS_PER_HOUR, DAY0 + (h + 1) * NS_PER_HOUR - 1, 1000);
    cr_assert(not(pick(s, &policy, &job)));
    policy.now_ns++;
    cr_assert(pick(s, &policy, &job));
    cr_assert(eq(u32, job.input_count, 24));
    cr_assert(job.tier == TIER_DAY);
    mem_free(s);
}

Test(compact_pick, a_day_file_is_rewritten_only_for_three_times_its_size)
{
    struct store *s = store_create();
    const struct compact_policy policy = {.now_ns = DAY0 + 2 * NS_PER_DAY};
    struct compact_job job;
    file_add(s, TIER_DAY, DAY0, DAY0 + NS_PER_DAY - 1, 1000);
    file_add(s, TIER_HOUR, DAY0, DAY0 + NS_PER_HOUR - 1, 1999);
    cr_assert(not(pick(s, &policy, &job)));
    s->files[1].rows = 2000;
    cr_assert(pick(s, &policy, &job));
    cr_assert(eq(u32, job.input_count, 2));
    mem_free(s);
}

Test(compact_pick, amended_segments_are_folded_when_it_pays)
{
    struct store *s = store_create();
    struct compact_policy policy = {.now_ns = DAY0};
    struct compact_job job;
    file_add(s, TIER_DAY, DAY0, DAY0, 1000);
    s->patches[0] = 50;
    cr_assert(not(pick(s, &policy, &job)));
    s->patches[0] = 51;
    cr_assert(pick(s, &policy, &job));
    cr_assert(job.fold && job.tier == TIER_DAY);
    s->patches[0] = 1;
    policy.full = true;
    cr_assert(pick(s, &policy, &job));
    s->patches[0] = 0;
    cr_assert(not(pick(s, &policy, &job)));
    mem_free(s);
}

Test(compact_pick, files_that_span_days_merge_only_with_their_like)
{
    struct store *s = store_create();
    const struct compact_policy policy = {.now_ns = DAY0 + 5 * NS_PER_DAY};
    struct compact_job job;
    for (uint32_t i = 0; i < 4; i++)
        file_add(s, TIER_SEAL, 0, INT64_MAX, 10);
    file_add(s, TIER_SEAL, DAY0, DAY0, 10);
    cr_assert(pick(s, &policy, &job));
    cr_assert(eq(u32, job.input_count, 4));
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(job.inputs[i] < 4);
    job_run(s, &job);
    cr_assert(not(pick(s, &policy, &job)));
    mem_free(s);
}

Test(compact_pick, absurd_times_do_not_overflow)
{
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX};
    for (uint32_t i = 0; i < 6; i++) {
        for (uint32_t k = 0; k < 6; k++) {
            struct store *s = store_create();
            struct compact_job job;
            for (uint32_t f = 0; f < 4; f++)
                file_add(s, TIER_SEAL, times[i], times[i], 10);
            const struct compact_policy policy = {.now_ns = times[k]};
            if (pick(s, &policy, &job))
                job_check(s, &job);
            mem_free(s);
        }
    }
}

/* Seals every minute with rows_of() rows, for a day, compacting as time passes. */
static void simulate_day(struct store *s, struct rng *rng, uint64_t rows_min, uint64_t rows_max)
{
    for (int64_t minute = 0; minute < 27 * 60; minute++) {
        int64_t now_ns = DAY0 + minute * 60 * NS_PER_S;
        if (minute < 24 * 60) {
            uint64_t rows = rows_min + rng_below(rng, rows_max - rows_min + 1);
            file_add(s, TIER_SEAL, now_ns, now_ns + 59 * NS_PER_S, rows);
            s->rows_sealed += rows;
        }
        const struct compact_policy policy = {.now_ns = now_ns + 60 * NS_PER_S};
        settle(s, &policy);
    }
}

static void simulate(uint64_t seed, uint64_t rows_min, uint64_t rows_max, uint32_t *ret_files)
{
    struct store *s = store_create();
    struct rng rng;
    rng_init(&rng, seed);
    simulate_day(s, &rng, rows_min, rows_max);
    /* rows_written counts seals and merges; the WAL is the fourth. */
    double amplification = 1 + (double)s->rows_written / (double)s->rows_sealed;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < s->count; i++)
        rows += s->files[i].rows;
    cr_assert(eq(u64, rows, s->rows_sealed));
    cr_assert(amplification <= 4, "seed %lu: %f", seed, amplification);
    *ret_files = s->count;
    mem_free(s);
}

Test(compact_pick, a_day_of_seals_is_written_at_most_four_times)
{
    uint32_t files;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        simulate(seed, 1, 2000, &files);
        cr_assert(eq(u32, files, 1));
        simulate(seed, 1, 100000, &files);
        cr_assert(files <= 30, "%u", files);
        simulate(seed, 900000, 1000000, &files);
        cr_assert(files <= 420, "%u", files);
    }
}

Test(compact_pick, full_leaves_one_file_a_day)
{
    struct store *s = store_create();
    struct rng rng;
    rng_init(&rng, 5);
    for (uint32_t i = 0; i < 1000; i++) {
        int64_t at = DAY0 + (int64_t)rng_below(&rng, 3 * (uint64_t)NS_PER_DAY - NS_PER_HOUR);
        at = at / NS_PER_HOUR * NS_PER_HOUR;
        file_add(s, (uint8_t)rng_below(&rng, 3), at, at + NS_PER_HOUR - 1,
                 1 + rng_below(&rng, 100));
        s->patches[i] = (uint32_t)rng_below(&rng, 2);
    }
    const struct compact_policy policy = {.now_ns = DAY0 + NS_PER_DAY, .full = true};
    settle(s, &policy);
    cr_assert(eq(u32, s->count, 3));
    cr_assert(eq(u32, tier_count(s, TIER_DAY), 3));
    mem_free(s);
}

/* Late data trickling into an old day: files stay few and rewriting stays logarithmic. */
Test(compact_pick, late_data_neither_piles_up_nor_rewrites_for_ever)
{
    struct store *s = store_create();
    const struct compact_policy policy = {.now_ns = DAY0 + 5 * NS_PER_DAY};
    file_add(s, TIER_DAY, DAY0, DAY0 + NS_PER_DAY - 1, 1000000);
    s->rows_written = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        int64_t at = DAY0 + (i % 24) * NS_PER_HOUR;
        file_add(s, TIER_SEAL, at, at, 1);
        settle(s, &policy);
        cr_assert(s->count < 60, "%u files after %u", s->count, i);
    }
    cr_assert(s->rows_written < 3000 * 14, "%lu", s->rows_written);
    mem_free(s);
}

Test(compact_pick, random_stores_settle)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct store *s = store_create();
        struct rng rng;
        rng_init(&rng, seed);
        for (uint32_t i = 0; i < 300; i++) {
            int64_t at = rng_below(&rng, 20) == 0
                             ? (int64_t)rng_u64(&rng)
                             : DAY0 + (int64_t)rng_below(&rng, 5 * (uint64_t)NS_PER_DAY);
            int64_t length = rng_below(&rng, 10) == 0 ? 3 * NS_PER_DAY : NS_PER_S;
            int64_t end = at > INT64_MAX - length ? INT64_MAX : at + length;
            file_add(s, (uint8_t)rng_below(&rng, 3), at, end,
                     1 + rng_below(&rng, seed % 2 == 0 ? 100 : SEGMENT_ROWS_MAX));
            s->patches[i] = rng_below(&rng, 4) == 0 ? (uint32_t)rng_below(&rng, 50) : 0;
        }
        const struct compact_policy policy = {
            .now_ns = DAY0 + (int64_t)rng_below(&rng, 6 * (uint64_t)NS_PER_DAY),
            .full = seed % 3 == 0};
        settle(s, &policy);
        mem_free(s);
    }
}
