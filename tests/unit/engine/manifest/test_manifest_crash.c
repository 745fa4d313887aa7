/*
 * test_manifest_crash.c - the manifest on files that lose power: every fault at every operation.
 *
 * A scenario prepares a store, then commits steps of the script. Whatever strikes, after the
 * reboot the state must be the one after the last acknowledged commit, or after the one that was
 * under way.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "engine/base/io_sim.h"
#include "tests/unit/engine/manifest/manifest_script.h"

#define OUTCOMES   4u /* dice throws a crash point */
#define OPERATIONS 4000u

enum prepare {
    PREPARE_NONE,
    PREPARE_TORN,
    PREPARE_OVERGROWN
};

struct scenario {
    enum prepare prepare;
    uint32_t first; /* step */
    enum io_sim_defect defect;
};

/* What the run before the crash got. */
struct run {
    struct buffer states[SCRIPT_STEPS + 1]; /* states[i]: after i commits of this run */
    uint32_t acked;
    bool attempted; /* a commit behind the acked ones was under way */
};

static void run_free(struct run *r)
{
    for (uint32_t i = 0; i <= SCRIPT_STEPS; i++)
        buffer_deinit(&r->states[i]);
}

static struct manifest *open_ok(struct io *io)
{
    struct error e = {0};
    struct manifest *m = NULL;
    cr_assert(manifest_open(io, false, &m, &e) == STATUS_OK, "%s", e.text);
    return m;
}

static enum status commit_step(struct manifest *m, uint32_t step, struct error *reterr)
{
    struct manifest_edit edits[4];
    uint32_t count = script_edits(step, edits);
    return manifest_commit(m, edits, count, reterr);
}

/* A log with one commit so large that the next one rewrites the file. */
#define OVERGROWN_EDITS 22000u
static void prepare_overgrown(struct manifest *m)
{
    static struct manifest_edit edits[OVERGROWN_EDITS];
    struct error e = {0};
    for (uint32_t i = 0; i < OVERGROWN_EDITS; i++)
        edits[i] = (struct manifest_edit){.kind = EDIT_WAL_KEEP, .value = UINT64_MAX - i};
    cr_assert(manifest_commit(m, edits, OVERGROWN_EDITS, &e) == STATUS_OK, "%s", e.text);
}

static struct io *scenario_begin(const struct scenario *sc)
{
    struct io *io = io_sim_create(1);
    if (sc->prepare == PREPARE_NONE)
        return io;
    struct manifest *m = open_ok(io);
    for (uint32_t step = 0; step < sc->first; step++)
        cr_assert(commit_step(m, step, NULL) == STATUS_OK);
    if (sc->prepare == PREPARE_OVERGROWN)
        prepare_overgrown(m);
    uint64_t size = io_sim_peek(io, "manifest/0000000001").size;
    cr_assert(sc->prepare != PREPARE_OVERGROWN || size > 256u << 10);
    if (sc->prepare == PREPARE_TORN) {
        cr_assert(commit_step(m, 10, NULL) == STATUS_OK);
        io_sim_poke(io, "manifest/0000000001", size + 5, 0xee);
    }
    manifest_close(m);
    return io;
}

/* Opens and commits until something fails; the states are recorded from a run nothing struck. */
static void scenario_run(struct io *io, const struct scenario *sc, struct run *r, bool record)
{
    struct manifest *m = NULL;
    r->acked = 0;
    r->attempted = false;
    if (manifest_open(io, false, &m, NULL) < 0)
        return;
    if (record)
        script_state(m, &r->states[0]);
    for (uint32_t step = sc->first; step < SCRIPT_STEPS; step++) {
        r->attempted = true;
        if (commit_step(m, step, NULL) < 0)
            break;
        r->acked++;
        r->attempted = false;
        if (record)
            script_state(m, &r->states[r->acked]);
    }
    manifest_close(m);
}

static bool state_is(const struct run *r, uint32_t commits, const struct buffer *state)
{
    return slice_equal(buffer_slice(&r->states[commits]), buffer_slice(state));
}

/* After the reboot: a legal state, and the rest of the script still goes through. */
static bool reboot_is_sound(struct io *io, const struct scenario *sc, const struct run *r)
{
    struct buffer state = {0};
    struct manifest *m = NULL;
    if (manifest_open(io, false, &m, NULL) < 0)
        return false;
    script_state(m, &state);
    uint32_t commits = r->acked;
    bool sound = state_is(r, commits, &state);
    if (!sound && r->attempted) {
        commits++;
        sound = state_is(r, commits, &state);
    }
    for (uint32_t step = sc->first + commits; sound && step < SCRIPT_STEPS; step++)
        sound = commit_step(m, step, NULL) == STATUS_OK;
    if (sound) {
        manifest_close(m);
        m = open_ok(io);
        script_state(m, &state);
        sound = state_is(r, SCRIPT_STEPS - sc->first, &state);
    }
    manifest_close(m);
    buffer_deinit(&state);
    return sound;
}

/* Returns how many crash points (each with OUTCOMES dice throws) ended in an unsound state. */
static uint32_t explore(const struct scenario *sc, enum io_sim_fault fault, uint32_t *ret_points)
{
    struct run r = {0};
    struct io *io = scenario_begin(sc);
    scenario_run(io, sc, &r, true);
    cr_assert(eq(u32, r.acked, SCRIPT_STEPS - sc->first));
    io_destroy(io);
    uint32_t unsound = 0;
    uint32_t points = 0;
    bool struck = true;
    for (uint64_t at = 0; struck; at++) {
        cr_assert(at < OPERATIONS);
        for (uint64_t dice = 0; struck && dice < OUTCOMES; dice++) {
            io = scenario_begin(sc);
            io_sim_set_defect(io, sc->defect);
            uint64_t start = io_sim_operations(io);
            io_sim_set_fault(io, fault, start + at);
            scenario_run(io, sc, &r, false);
            struck = io_sim_operations(io) > start + at || io_sim_crashed(io);
            io_sim_set_defect(io, IO_SIM_DEFECT_NONE);
            io_sim_crash(io, at * OUTCOMES + dice);
            if (!reboot_is_sound(io, sc, &r)) {
                unsound++;
                if (sc->defect == IO_SIM_DEFECT_NONE)
                    cr_log_warn("unsound: fault %d at operation %lu, dice %lu", (int)fault, at,
                                dice);
            }
            points++;
            io_destroy(io);
        }
    }
    run_free(&r);
    *ret_points = points;
    return unsound;
}

static const enum io_sim_fault faults[] = {
    IO_SIM_CRASH_BEFORE, IO_SIM_CRASH_AFTER, IO_SIM_CRASH_TORN,  IO_SIM_FAIL_ONCE,
    IO_SIM_FAIL_ALWAYS,  IO_SIM_FULL,        IO_SIM_SHORT_WRITE,
};

static void explore_all_faults(const struct scenario *sc)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint32_t points;
        uint32_t unsound = explore(sc, faults[i], &points);
        cr_assert(points >= 10, "fault %d: %u points", (int)faults[i], points);
        cr_assert(eq(u32, unsound, 0), "fault %d", (int)faults[i]);
    }
}

Test(manifest_crash, a_new_store_survives_any_fault_anywhere)
{
    explore_all_faults(&(struct scenario){.prepare = PREPARE_NONE});
}

Test(manifest_crash, leaving_a_torn_file_survives_any_fault_anywhere)
{
    explore_all_faults(&(struct scenario){.prepare = PREPARE_TORN, .first = 7});
}

Test(manifest_crash, rewriting_a_grown_log_survives_any_fault_anywhere)
{
    explore_all_faults(&(struct scenario){.prepare = PREPARE_OVERGROWN, .first = 10});
}

/* The exploration must be able to fail: with a disk that lies, it has to find unsound states. */
Test(manifest_crash, a_lying_disk_is_noticed)
{
    static const enum io_sim_defect defects[] = {IO_SIM_DEFECT_SKIP_SYNC,
                                                 IO_SIM_DEFECT_SKIP_DIR_SYNC};
    for (size_t i = 0; i < sizeof defects / sizeof defects[0]; i++) {
        uint32_t points;
        struct scenario sc = {.prepare = PREPARE_NONE, .defect = defects[i]};
        cr_assert(explore(&sc, IO_SIM_CRASH_BEFORE, &points) > 0, "defect %d", (int)defects[i]);
    }
}

Test(manifest_crash, one_failed_operation_does_not_fail_a_commit)
{
    struct scenario sc = {.prepare = PREPARE_OVERGROWN, .first = 5};
    bool struck = true;
    for (uint64_t at = 0; struck; at++) {
        struct io *io = scenario_begin(&sc);
        struct manifest *m = open_ok(io);
        uint64_t start = io_sim_operations(io);
        io_sim_set_fault(io, IO_SIM_FAIL_ONCE, start + at);
        for (uint32_t step = sc.first; step < SCRIPT_STEPS; step++) {
            struct error e = {0};
            cr_assert(commit_step(m, step, &e) == STATUS_OK, "operation %lu: %s", at, e.text);
        }
        struck = io_sim_operations(io) > start + at;
        manifest_close(m);
        io_destroy(io);
    }
}

Test(manifest_crash, a_full_disk_fails_commits_until_there_is_room)
{
    struct scenario sc = {.prepare = PREPARE_TORN, .first = 7};
    struct io *io = scenario_begin(&sc);
    struct manifest *m = open_ok(io);
    struct buffer before = {0};
    struct buffer after = {0};
    struct error e = {0};
    script_state(m, &before);
    io_sim_set_fault(io, IO_SIM_FULL, 0);
    cr_assert(commit_step(m, 7, &e) == STATUS_FULL, "%s", e.text);
    script_state(m, &after);
    cr_assert(slice_equal(buffer_slice(&before), buffer_slice(&after)));
    io_sim_set_fault(io, IO_SIM_NONE, 0);
    cr_assert(commit_step(m, 7, &e) == STATUS_OK, "%s", e.text);
    script_state(m, &before);
    manifest_close(m);
    m = open_ok(io);
    script_state(m, &after);
    cr_assert(slice_equal(buffer_slice(&before), buffer_slice(&after)));
    manifest_close(m);
    io_destroy(io);
    buffer_deinit(&before);
    buffer_deinit(&after);
}
