/*
 * sim_wal.c - cuts the power at every operation of a log's life and checks what is left.
 *
 * Shape:   a script (open, append, pump, wait, release, close, reopen) runs on the simulated disk. For every
 *          operation of the script, every kind of crash and several seeds of damage: run up to it,
 *          lose power, reopen, check, go on, check again. The same with faults that do not kill.
 *          Random runs crash several times in a row.
 * Checks:  every acknowledged record from the released point on is there; what is there is a run without gaps
 *          of what was submitted, with the bytes submitted; the log then works, and verify finds
 *          nothing wrong.
 * Proof:   five planted defects must each be caught, or the program fails.
 * Usage:   sim_wal [--exhaustive] [--seed N]. Prints points and violations.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/wal/wal.h"

#define FILE_BYTES       ((uint64_t)32 << 10)
#define RECORDS_MAX      1000u
#define RECORD_BYTES_BIG 40000u
#define WAIT_ROUNDS_MAX  50u
#define TOLD_MAX         10u
#define SAMPLE_RUNS      1000u
#define RANDOM_RUNS      300u

enum verb {
    VERB_OPEN,
    VERB_APPEND, /* count small records */
    VERB_BIG,    /* count records larger than a file */
    VERB_PUMP,
    VERB_WAIT,    /* until all is durable */
    VERB_RELEASE, /* all but the last count of the durable records */
    VERB_CLOSE,
};

struct step {
    enum verb verb;
    uint32_t count;
};

static const struct step script[] = {
    {VERB_OPEN, 0},    {VERB_APPEND, 3},  {VERB_WAIT, 0},    {VERB_APPEND, 5},  {VERB_PUMP, 0},
    {VERB_APPEND, 4},  {VERB_PUMP, 0},    {VERB_APPEND, 1},  {VERB_WAIT, 0},    {VERB_APPEND, 20},
    {VERB_WAIT, 0},    {VERB_APPEND, 6},  {VERB_WAIT, 0},    {VERB_RELEASE, 9}, {VERB_APPEND, 12},
    {VERB_WAIT, 0},    {VERB_BIG, 1},     {VERB_APPEND, 2},  {VERB_WAIT, 0},    {VERB_APPEND, 15},
    {VERB_WAIT, 0},    {VERB_RELEASE, 4}, {VERB_CLOSE, 0},   {VERB_OPEN, 0},    {VERB_APPEND, 2},
    {VERB_WAIT, 0},    {VERB_APPEND, 18}, {VERB_WAIT, 0},    {VERB_RELEASE, 0}, {VERB_APPEND, 16},
    {VERB_WAIT, 0},    {VERB_APPEND, 16}, {VERB_WAIT, 0},    {VERB_RELEASE, 2}, {VERB_APPEND, 16},
    {VERB_PUMP, 0},    {VERB_CLOSE, 0},   {VERB_OPEN, 0},    {VERB_APPEND, 1},  {VERB_WAIT, 0},
    {VERB_APPEND, 14}, {VERB_WAIT, 0},    {VERB_RELEASE, 1}, {VERB_APPEND, 14}, {VERB_WAIT, 0},
    {VERB_APPEND, 3},
};
#define SCRIPT_STEPS (sizeof script / sizeof *script)

/* What a client and the rest of the engine know. */
struct model {
    uint64_t submitted;    /* the last record given to wal_append */
    uint64_t acknowledged; /* the last record seen durable */
    uint64_t released;     /* records from here on must come back */
    uint32_t
        key[RECORDS_MAX + 1]; /* what record i was written with, in the life that wrote it last */
    uint32_t next_key;
};

struct run {
    struct io *io;
    struct wal *wal;
    struct wal_options options;
    struct model model;
    int64_t now_ns;
    const char *violation; /* NULL: none so far */
    uint64_t violation_seq;
    /* Of the replay under way. */
    uint64_t first_seen;
    uint64_t last_seen;
};

static void violate(struct run *r, const char *what, uint64_t seq)
{
    if (r->violation != NULL)
        return;
    r->violation = what;
    r->violation_seq = seq;
}

static size_t payload_bytes(uint32_t key)
{
    return key % 16 == 15 ? RECORD_BYTES_BIG : (size_t)(hash_mix(key) % 4000);
}

static uint8_t *payload_make(uint32_t key, size_t size)
{
    struct rng rng;
    rng_init(&rng, key);
    uint8_t *bytes = mem_alloc(size + 8);
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = rng_u64(&rng);
        memcpy(bytes + at, &word, 8);
    }
    return bytes;
}

/* --- the steps -------------------------------------------------------------------------------- */

static enum status record_check(void *context, const struct wal_record *record,
                                struct error *reterr)
{
    (void)reterr;
    struct run *r = context;
    if (r->last_seen != 0 && record->seq != r->last_seen + 1)
        violate(r, "a gap in the records", record->seq);
    if (r->first_seen == 0)
        r->first_seen = record->seq;
    r->last_seen = record->seq;
    if (record->seq > r->model.submitted) {
        violate(r, "a record that was never submitted", record->seq);
        return STATUS_OK;
    }
    uint32_t key = r->model.key[record->seq];
    uint8_t *expected = payload_make(key, payload_bytes(key));
    if (!slice_equal(record->payload, slice_of(expected, payload_bytes(key))) ||
        record->type != key % 200 || record->project != key)
        violate(r, "a record with other bytes", record->seq);
    mem_free(expected);
    return STATUS_OK;
}

/* Everything acknowledged and not released must have come back. */
static void recovered_check(struct run *r)
{
    struct model *m = &r->model;
    if (m->acknowledged >= m->released) {
        if (r->first_seen == 0 || r->first_seen > m->released)
            violate(r, "the first records are missing", m->released);
        if (r->last_seen < m->acknowledged)
            violate(r, "an acknowledged record is missing", r->last_seen + 1);
    }
    /* What is not there now never was. */
    m->submitted = r->last_seen > m->acknowledged ? r->last_seen : m->acknowledged;
}

static void acknowledge(struct run *r)
{
    uint64_t durable = wal_durable(r->wal);
    if (durable > r->model.submitted)
        violate(r, "durable beyond what was submitted", durable);
    if (durable > r->model.acknowledged)
        r->model.acknowledged = durable;
}

static enum status step_open(struct run *r, struct error *e)
{
    r->first_seen = 0;
    r->last_seen = 0;
    enum status s = wal_open(r->io, &r->options, r->model.released, r->model.released, record_check,
                             r, &r->wal, NULL, e);
    if (s == STATUS_CORRUPT)
        violate(r, "damage was reported where there is none", 0);
    if (s != STATUS_OK)
        return s;
    recovered_check(r);
    if (wal_last_seq(r->wal) != r->model.submitted)
        violate(r, "the next sequence is wrong", wal_last_seq(r->wal));
    acknowledge(r);
    return STATUS_OK;
}

static uint32_t key_next(struct model *m, bool is_big)
{
    do
        m->next_key++;
    while ((m->next_key % 16 == 15) != is_big);
    return m->next_key;
}

static enum status step_append(struct run *r, uint32_t count, bool is_big, struct error *e)
{
    struct model *m = &r->model;
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(m->submitted < RECORDS_MAX);
        uint32_t key = key_next(m, is_big);
        uint8_t *payload = payload_make(key, payload_bytes(key));
        struct slice part = slice_of(payload, payload_bytes(key));
        uint64_t seq;
        enum status s = wal_append(r->wal, (uint8_t)(key % 200), key, &part, 1, &seq, e);
        mem_free(payload);
        if (s < 0)
            return s;
        if (seq != m->submitted + 1)
            violate(r, "append gave an unexpected sequence", seq);
        m->submitted = seq;
        m->key[seq] = key;
    }
    return STATUS_OK;
}

/* A stalled log tries again once a second, so time is moved on. */
static enum status step_wait(struct run *r, struct error *e)
{
    enum status s = STATUS_TIMEOUT;
    for (uint32_t i = 0; s != STATUS_OK && i < WAIT_ROUNDS_MAX; i++) {
        s = wal_wait(r->wal, r->model.submitted, 0, e);
        acknowledge(r);
        if (io_sim_crashed(r->io))
            return STATUS_IO;
        r->now_ns += NS_PER_S / 10;
        clock_fake(r->now_ns);
    }
    return s;
}

static void step_close(struct run *r)
{
    if (r->wal == NULL)
        return;
    acknowledge(r);
    wal_close(r->wal);
    r->wal = NULL;
    /* What was neither durable nor in flight is gone; only the next replay knows which. */
}

static enum status step_run(struct run *r, const struct step *step, struct error *e)
{
    switch (step->verb) {
    case VERB_OPEN:
        return step_open(r, e);
    case VERB_APPEND:
        return step_append(r, step->count, false, e);
    case VERB_BIG:
        return step_append(r, step->count, true, e);
    case VERB_PUMP:
        (void)wal_pump(r->wal);
        acknowledge(r);
        return STATUS_OK;
    case VERB_WAIT:
        return step_wait(r, e);
    case VERB_RELEASE:
        if (r->model.acknowledged > step->count)
            r->model.released = r->model.acknowledged - step->count;
        wal_release(r->wal, r->model.released);
        acknowledge(r);
        return STATUS_OK;
    case VERB_CLOSE:
        step_close(r);
        return STATUS_OK;
    }
    return STATUS_OK;
}

static void script_run(struct run *r)
{
    for (size_t i = 0; i < SCRIPT_STEPS; i++) {
        struct error e = {0};
        enum status s = step_run(r, &script[i], &e);
        for (uint32_t again = 0; s < 0 && again < WAIT_ROUNDS_MAX; again++) {
            if (io_sim_crashed(r->io))
                return;
            /* A passing fault: time goes by and the step is tried again. */
            r->now_ns += NS_PER_S / 4;
            clock_fake(r->now_ns);
            if (r->wal != NULL)
                (void)wal_pump(r->wal);
            if (again == WAIT_ROUNDS_MAX / 2)
                io_sim_set_fault(r->io, IO_SIM_NONE, 0);
            struct step rest = script[i];
            if (rest.verb == VERB_APPEND || rest.verb == VERB_BIG)
                rest.count = 1;
            s = step_run(r, &rest, &e);
        }
        if (s < 0)
            violate(r, "the log does not recover when the fault is gone", i);
        if (r->violation != NULL)
            return;
    }
}

/* --- one life and what is left of it ---------------------------------------------------------- */

static void finding_count(void *context, const char *path, uint64_t offset, const char *text)
{
    (void)path;
    (void)text;
    violate(context, "verify found damage", offset);
}

static void power_cycle(struct run *r, uint64_t seed)
{
    wal_close(r->wal);
    r->wal = NULL;
    io_sim_crash(r->io, seed);
}

/* The process alone dies: what it wrote is in the machine's caches, synced or not. */
static void process_cycle(struct run *r)
{
    wal_close(r->wal);
    r->wal = NULL;
    io_sim_kill(r->io);
}

/* After a power cut: reopen, check, go on, check again. */
static void aftermath_check(struct run *r)
{
    static const struct step after[] = {
        {VERB_OPEN, 0}, {VERB_APPEND, 5}, {VERB_WAIT, 0}, {VERB_CLOSE, 0},
        {VERB_OPEN, 0}, {VERB_APPEND, 2}, {VERB_WAIT, 0}, {VERB_CLOSE, 0},
    };
    for (size_t i = 0; i < sizeof after / sizeof *after && r->violation == NULL; i++) {
        struct error e = {0};
        if (step_run(r, &after[i], &e) < 0)
            violate(r, "the log can't be used after the power cut", i);
    }
    if (r->violation != NULL)
        return;
    uint64_t records = 0;
    struct error e = {0};
    if (wal_verify(r->io, finding_count, r, &records, &e) < 0)
        violate(r, "verify failed", 0);
}

static void run_begin(struct run *r, uint64_t seed, bool ack_early, bool skip_checksum,
                      enum io_sim_defect defect)
{
    *r = (struct run){.now_ns = NS_PER_DAY};
    clock_fake(r->now_ns);
    r->io = io_sim_create(seed);
    r->model.released = 1;
    r->options = (struct wal_options){.file_bytes = FILE_BYTES,
                                      .salt_seed = seed + 1,
                                      .defect_ack_before_sync = ack_early,
                                      .defect_skip_checksum = skip_checksum};
    io_sim_set_defect(r->io, defect);
}

static void run_end(struct run *r)
{
    wal_close(r->wal);
    io_destroy(r->io);
}

struct plan {
    enum io_sim_fault fault;
    uint64_t at;
    uint64_t seed;
    uint32_t crashes; /* more than one: the later ones at random operations */
    bool ack_early;
    bool skip_checksum;
    enum io_sim_defect defect;
};

static bool kills(enum io_sim_fault fault)
{
    return fault == IO_SIM_CRASH_BEFORE || fault == IO_SIM_CRASH_AFTER ||
           fault == IO_SIM_CRASH_TORN;
}

static const char *plan_run(const struct plan *plan, uint64_t *ret_seq)
{
    struct run r;
    struct rng rng;
    rng_init(&rng, plan->seed * 1000003 + plan->at);
    run_begin(&r, plan->seed, plan->ack_early, plan->skip_checksum, plan->defect);
    io_sim_set_fault(r.io, plan->fault, plan->at);
    script_run(&r);
    for (uint32_t crash = 1; crash < plan->crashes && r.violation == NULL; crash++) {
        if (rng_below(&rng, 2) == 0)
            process_cycle(&r);
        else
            power_cycle(&r, rng_u64(&rng));
        enum io_sim_fault kind = (enum io_sim_fault)(IO_SIM_CRASH_BEFORE + rng_below(&rng, 3));
        io_sim_set_fault(r.io, kind, io_sim_operations(r.io) + rng_below(&rng, 60));
        script_run(&r);
    }
    if (r.violation == NULL) {
        power_cycle(&r, plan->seed * 7919 + plan->at);
        aftermath_check(&r);
    }
    run_end(&r);
    *ret_seq = r.violation_seq;
    return r.violation;
}

/* --- sweeps ----------------------------------------------------------------------------------- */

static const struct {
    enum io_sim_fault fault;
    const char *name;
} faults[] = {
    {IO_SIM_CRASH_BEFORE, "crash before"}, {IO_SIM_CRASH_AFTER, "crash after"},
    {IO_SIM_CRASH_TORN, "crash torn"},     {IO_SIM_FAIL_ONCE, "fail once"},
    {IO_SIM_FAIL_ALWAYS, "fail always"},   {IO_SIM_FULL, "full"},
    {IO_SIM_SHORT_WRITE, "short write"},
};
#define FAULT_COUNT (sizeof faults / sizeof *faults)

struct sweep {
    struct plan plan; /* the defect; fault, at and seed are filled in */
    uint64_t seeds;
    uint64_t seed_base;
    uint64_t stride; /* 1: every point */
    bool stop_at_first;
    uint64_t points;
    uint64_t violations;
};

static void violation_tell(const struct sweep *sweep, const char *fault, const struct plan *plan,
                           const char *what, uint64_t seq)
{
    if (sweep->stop_at_first || sweep->violations > TOLD_MAX)
        return;
    printf("VIOLATION: %s (%llu); %s at operation %llu, seed %llu, crashes %u\n", what,
           (unsigned long long)seq, fault, (unsigned long long)plan->at,
           (unsigned long long)plan->seed, plan->crashes);
}

static void sweep_point(struct sweep *sweep, const char *fault, const struct plan *plan)
{
    uint64_t seq = 0;
    const char *what = plan_run(plan, &seq);
    sweep->points++;
    if (what == NULL)
        return;
    sweep->violations++;
    violation_tell(sweep, fault, plan, what, seq);
}

/* Operations of the script without any fault. */
static uint64_t script_operations(uint64_t seed)
{
    struct run r;
    run_begin(&r, seed, false, false, IO_SIM_DEFECT_NONE);
    script_run(&r);
    uint64_t operations = io_sim_operations(r.io);
    if (r.violation != NULL)
        printf("VIOLATION: %s (%llu) without any fault\n", r.violation,
               (unsigned long long)r.violation_seq);
    ASSERT(r.violation == NULL);
    run_end(&r);
    return operations;
}

static void sweep_run(struct sweep *sweep)
{
    uint64_t phase = 0;
    for (uint64_t i = 0; i < sweep->seeds; i++) {
        uint64_t seed = sweep->seed_base + i;
        uint64_t operations = script_operations(seed);
        for (uint64_t at = 0; at < operations; at++) {
            for (size_t f = 0; f < FAULT_COUNT; f++) {
                if (phase++ % sweep->stride != 0)
                    continue;
                struct plan plan = sweep->plan;
                plan.fault = faults[f].fault;
                plan.at = at;
                plan.seed = seed;
                plan.crashes = 1;
                sweep_point(sweep, faults[f].name, &plan);
                if (sweep->stop_at_first && sweep->violations != 0)
                    return;
            }
        }
    }
}

static void random_run(struct sweep *sweep, uint64_t runs)
{
    struct rng rng;
    rng_init(&rng, sweep->seed_base);
    for (uint64_t i = 0; i < runs; i++) {
        size_t f = (size_t)rng_below(&rng, FAULT_COUNT);
        struct plan plan = sweep->plan;
        plan.fault = faults[f].fault;
        plan.at = rng_below(&rng, kills(plan.fault) ? 120 : 60);
        plan.seed = rng_u64(&rng) >> 1;
        plan.crashes = 2 + (uint32_t)rng_below(&rng, 3);
        sweep_point(sweep, faults[f].name, &plan);
    }
}

static const struct {
    const char *name;
    struct plan plan;
} defects[] = {
    {"acknowledge before the sync", {.ack_early = true}},
    {"skip the sync", {.defect = IO_SIM_DEFECT_SKIP_SYNC}},
    {"skip the directory's sync", {.defect = IO_SIM_DEFECT_SKIP_DIR_SYNC}},
    {"ignore short writes", {.defect = IO_SIM_DEFECT_IGNORE_SHORT}},
    {"skip the checksum", {.skip_checksum = true}},
};

static uint64_t defects_survive(uint64_t seed_base)
{
    uint64_t survived = 0;
    for (size_t i = 0; i < sizeof defects / sizeof *defects; i++) {
        struct sweep sweep = {.plan = defects[i].plan,
                              .seeds = 4,
                              .seed_base = seed_base,
                              .stride = 3,
                              .stop_at_first = true};
        sweep_run(&sweep);
        printf("planted defect, %s: %s after %llu points\n", defects[i].name,
               sweep.violations != 0 ? "caught" : "NOT CAUGHT", (unsigned long long)sweep.points);
        survived += sweep.violations == 0;
    }
    return survived;
}

int main(int argc, char **argv)
{
    bool is_exhaustive = false;
    uint64_t seed = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--exhaustive") == 0)
            is_exhaustive = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
    }
    uint64_t seeds = is_exhaustive ? 8 : 3;
    uint64_t all = script_operations(seed) * FAULT_COUNT * seeds;
    struct sweep sweep = {.seeds = seeds, .seed_base = seed, .stride = 1};
    if (!is_exhaustive && all > SAMPLE_RUNS)
        sweep.stride = all / SAMPLE_RUNS | 1;
    sweep_run(&sweep);
    random_run(&sweep, is_exhaustive ? RANDOM_RUNS * 20 : RANDOM_RUNS);
    printf("%s from seed %llu: %llu points, %llu violations\n",
           is_exhaustive ? "exhaustive" : "sampled", (unsigned long long)seed,
           (unsigned long long)sweep.points, (unsigned long long)sweep.violations);
    uint64_t survived = defects_survive(seed);
    return sweep.violations == 0 && survived == 0 ? 0 : 1;
}
