/*
 * test_wal_faults.c - a disk that fails, fills up or writes short under a running log.
 */
#include "tests/unit/engine/wal/wal_testing.h"

#define SMALL_FILE ((uint64_t)64 << 10)

struct rig {
    struct io *io;
    struct wal *wal;
    int64_t now_ns;
};

static struct rig rig_make(void)
{
    struct rig r = {.io = io_sim_create(9), .now_ns = NS_PER_DAY};
    struct seen seen;
    clock_fake(r.now_ns);
    r.wal = log_open_ok(r.io, SMALL_FILE, 0, &seen);
    append_durably(r.wal, 10);
    return r;
}

static void time_passes(struct rig *r, int64_t ns)
{
    r->now_ns += ns;
    clock_fake(r->now_ns);
}

/* Power loss, then everything acknowledged must be there, and at most what was submitted. */
static void rig_check(struct rig *r)
{
    uint64_t durable = wal_durable(r->wal);
    uint64_t submitted = wal_last_seq(r->wal);
    wal_close(r->wal);
    io_sim_crash(r->io, 4);
    struct seen seen;
    struct wal *w = log_open_ok(r->io, SMALL_FILE, 0, &seen);
    cr_assert(seen.first == 1);
    cr_assert(seen.last >= durable && seen.last <= submitted);
    append_durably(w, 3);
    wal_close(w);
    io_destroy(r->io);
    clock_fake(0);
}

/* The next operations of a commit into a ready file are its write and its sync. */
static void fault_at(struct rig *r, enum io_sim_fault fault, uint64_t operations_ahead)
{
    io_sim_set_fault(r->io, fault, io_sim_operations(r->io) + operations_ahead);
}

Test(wal_faults, a_write_that_fails_once_is_repeated_in_another_file)
{
    for (uint64_t ahead = 0; ahead < 2; ahead++) {
        struct rig r = rig_make();
        struct error e = {0};
        fault_at(&r, IO_SIM_FAIL_ONCE, ahead);
        cr_assert(append_next(r.wal, &e) == STATUS_OK);
        cr_assert(wal_wait(r.wal, 11, NS_PER_S, &e) == STATUS_OK, "%s", e.text);
        cr_assert(wal_stats(r.wal).failures == 1);
        cr_assert(wal_stalled(r.wal) == NULL);
        append_durably(r.wal, 5);
        rig_check(&r);
    }
}

static void run_stall(enum io_sim_fault fault, uint64_t ahead, enum status expected)
{
    struct rig r = rig_make();
    struct error e = {0};
    fault_at(&r, fault, ahead);
    cr_assert(append_next(r.wal, &e) == STATUS_OK);
    cr_assert(wal_wait(r.wal, 11, NS_PER_S, &e) == STATUS_READ_ONLY, "%s", e.text);
    cr_assert(wal_durable(r.wal) == 10);
    const struct error *why = wal_stalled(r.wal);
    cr_assert(why != NULL);
    cr_assert(why->status == expected, "%s: %s", status_name(why->status), why->text);
    cr_assert(append_next(r.wal, &e) == STATUS_READ_ONLY);
    cr_assert(wal_last_seq(r.wal) == 11);

    /* While the fault lasts each second brings one attempt, and none leaves a file behind. */
    uint64_t files = wal_stats(r.wal).files;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t failures = wal_stats(r.wal).failures;
        for (unsigned k = 0; k < 5; k++) {
            cr_assert(wal_pump(r.wal) == 10);
            time_passes(&r, NS_PER_S / 4);
        }
        cr_assert(wal_stats(r.wal).failures <= failures + 2);
    }
    cr_assert(wal_stats(r.wal).failures > 10);
    cr_assert(wal_stats(r.wal).files <= files + 1);

    /* The fault ends: within two seconds the record is durable, without any call but pump. */
    io_sim_set_fault(r.io, IO_SIM_NONE, 0);
    for (unsigned i = 0; wal_stalled(r.wal) != NULL && i < 8; i++) {
        (void)wal_pump(r.wal);
        time_passes(&r, NS_PER_S / 4);
    }
    cr_assert(wal_stalled(r.wal) == NULL);
    cr_assert(wal_durable(r.wal) == 11);
    append_durably(r.wal, 20);
    rig_check(&r);
}

Test(wal_faults, writes_that_always_fail_stall_the_log_until_they_work)
{
    run_stall(IO_SIM_FAIL_ALWAYS, 0, STATUS_IO);
}

Test(wal_faults, syncs_that_always_fail_stall_the_log_until_they_work)
{
    run_stall(IO_SIM_FAIL_ALWAYS, 1, STATUS_IO);
}

Test(wal_faults, a_full_disk_stalls_the_log_until_there_is_room)
{
    run_stall(IO_SIM_FULL, 0, STATUS_FULL);
}

/* Nothing waits to be written, yet the log finds out by itself that it can be written again. */
Test(wal_faults, an_idle_log_on_a_full_disk_comes_back_by_itself)
{
    struct io *io = io_sim_create(2);
    struct rig r = {.io = io, .now_ns = NS_PER_DAY};
    struct seen seen;
    struct error e = {0};
    clock_fake(r.now_ns);
    io_sim_set_fault(io, IO_SIM_FULL, 0);
    r.wal = log_open_ok(io, SMALL_FILE, 0, &seen);
    for (unsigned i = 0; i < 8; i++)
        (void)wal_pump(r.wal);
    cr_assert(wal_stalled(r.wal) != NULL);
    cr_assert(wal_stalled(r.wal)->status == STATUS_FULL);
    cr_assert(append_next(r.wal, &e) == STATUS_READ_ONLY);
    io_sim_set_fault(io, IO_SIM_NONE, 0);
    for (unsigned i = 0; wal_stalled(r.wal) != NULL && i < 8; i++) {
        time_passes(&r, NS_PER_S / 4);
        (void)wal_pump(r.wal);
    }
    cr_assert(wal_stalled(r.wal) == NULL);
    append_durably(r.wal, 3);
    rig_check(&r);
}

Test(wal_faults, a_short_write_is_continued)
{
    struct rig r = rig_make();
    for (unsigned i = 0; i < 20; i++) {
        fault_at(&r, IO_SIM_SHORT_WRITE, 0);
        append_durably(r.wal, 3);
    }
    cr_assert(wal_stats(r.wal).failures == 0);
    rig_check(&r);
}

/* Where syncs of one file fail for ever, only that file is given up. */
Test(wal_faults, nothing_unsynced_is_ever_acknowledged)
{
    struct rig r = rig_make();
    struct error e = {0};
    fault_at(&r, IO_SIM_FAIL_ALWAYS, 1);
    for (unsigned i = 0; i < 5; i++) {
        (void)append_next(r.wal, &e);
        cr_assert(wal_pump(r.wal) == 10);
    }
    for (unsigned i = 0; i < 10; i++)
        cr_assert(wal_pump(r.wal) == 10);
    wal_close(r.wal);
    /* The process starts again without a power cut: the cache still shows what no disk has. */
    io_sim_set_fault(r.io, IO_SIM_NONE, 0);
    struct seen seen;
    r.wal = log_open_ok(r.io, SMALL_FILE, 0, &seen);
    cr_assert(wal_durable(r.wal) == seen.last);
    rig_check(&r);
}

Test(wal_faults, a_fault_while_opening_is_an_error_and_not_a_loss)
{
    for (uint64_t ahead = 0; ahead < 30; ahead++) {
        struct rig r = rig_make();
        wal_close(r.wal);
        struct seen seen;
        struct error e = {0};
        struct wal *w = NULL;
        fault_at(&r, IO_SIM_FAIL_ONCE, ahead);
        enum status s = log_open(r.io, SMALL_FILE, 0, &w, &seen, NULL, &e);
        cr_assert(s == STATUS_OK || s == STATUS_IO, "%s", e.text);
        if (s == STATUS_OK)
            wal_close(w);
        io_sim_set_fault(r.io, IO_SIM_NONE, 0);
        r.wal = log_open_ok(r.io, SMALL_FILE, 0, &seen);
        cr_assert(seen.last == 10);
        rig_check(&r);
    }
}

/* Removing fails for a while: no younger file goes before an older one, and all go in the end. */
Test(wal_faults, files_that_can_not_be_removed_are_tried_again)
{
    struct rig r = rig_make();
    for (unsigned i = 0; i < 30; i++)
        append_durably(r.wal, 10);
    uint64_t before = wal_stats(r.wal).files;
    cr_assert(before > 12);
    fault_at(&r, IO_SIM_FAIL_ALWAYS, 0);
    wal_release(r.wal, wal_durable(r.wal));
    for (unsigned i = 0; i < 10; i++) {
        (void)wal_pump(r.wal);
        time_passes(&r, NS_PER_S / 2);
    }
    io_sim_set_fault(r.io, IO_SIM_NONE, 0);
    for (unsigned i = 0; i < 10; i++) {
        (void)wal_pump(r.wal);
        time_passes(&r, NS_PER_S / 2);
    }
    append_durably(r.wal, 5);
    uint64_t last = wal_durable(r.wal);
    wal_close(r.wal);
    struct seen seen;
    r.wal = log_open_ok(r.io, SMALL_FILE, last, &seen);
    cr_assert(seen.count == 1);
    cr_assert(wal_stats(r.wal).files <= 12);
    wal_close(r.wal);
    io_destroy(r.io);
    clock_fake(0);
}
