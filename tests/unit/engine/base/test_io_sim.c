/*
 * test_io_sim.c - the simulated disk keeps what was synced, may lose the rest, and strikes where it is told.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/io_sim.h"
#include "engine/base/memory.h"

#define SEEDS 200u

static struct io_file *open_ok(struct io *io, const char *path, int flags)
{
    struct io_file *file = NULL;
    struct error e = {0};
    cr_assert(io_open(io, path, flags, &file, &e) == STATUS_OK, "%s", e.text);
    return file;
}

static void must(enum status s)
{
    cr_assert(s == STATUS_OK, "%s", status_name(s));
}

static bool exists(struct io *io, const char *path)
{
    struct io_file *file = NULL;
    bool is_there = io_open(io, path, IO_READ, &file, NULL) == STATUS_OK;
    io_close(file);
    return is_there;
}

/* A durable file of 4 sectors of 'a'. */
static struct io *disk_make(void)
{
    static uint8_t bytes[2048];
    memset(bytes, 'a', sizeof bytes);
    struct io *io = io_sim_create(1);
    struct io_file *file = open_ok(io, "f", IO_WRITE | IO_CREATE);
    must(io_write(file, 0, bytes, sizeof bytes, NULL));
    must(io_sync(file, NULL));
    must(io_sync_dir(io, "", NULL));
    io_close(file);
    return io;
}

Test(io_sim, what_was_synced_survives_every_crash)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = disk_make();
        io_sim_crash(io, seed);
        struct slice got = io_sim_peek(io, "f");
        cr_assert(got.size == 2048);
        for (size_t i = 0; i < got.size; i++)
            cr_assert(got.data[i] == 'a');
        io_destroy(io);
    }
}

/* Of an unsynced write each sector is old, new or zero, and over the seeds each of these happens. */
Test(io_sim, an_unsynced_write_is_kept_lost_torn_or_zeroed)
{
    static uint8_t bytes[2048];
    memset(bytes, 'b', sizeof bytes);
    unsigned all_new = 0;
    unsigned all_old = 0;
    unsigned mixed = 0;
    unsigned zeroed = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = disk_make();
        struct io_file *file = open_ok(io, "f", IO_WRITE);
        must(io_write(file, 0, bytes, sizeof bytes, NULL));
        cr_assert(io_sim_peek(io, "f").data[0] == 'b');
        io_close(file);
        io_sim_crash(io, seed);
        struct slice got = io_sim_peek(io, "f");
        cr_assert(got.size == 2048);
        unsigned news = 0;
        unsigned olds = 0;
        for (size_t i = 0; i < 4; i++) {
            uint8_t first = got.data[i * 512];
            for (size_t k = 0; k < 512; k++)
                cr_assert(got.data[i * 512 + k] == first, "torn inside a sector");
            cr_assert(first == 'a' || first == 'b' || first == 0);
            news += first == 'b';
            olds += first == 'a';
        }
        all_new += news == 4;
        all_old += olds == 4;
        mixed += news != 0 && olds != 0;
        zeroed += news + olds < 4;
        io_destroy(io);
    }
    cr_assert(all_new > 0 && all_old > 0 && mixed > 0 && zeroed > 0);
}

Test(io_sim, a_file_may_grow_without_its_bytes)
{
    unsigned grown_empty = 0;
    unsigned not_grown = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = disk_make();
        struct io_file *file = open_ok(io, "f", IO_WRITE);
        must(io_write(file, 2048, "new bytes", 9, NULL));
        io_close(file);
        io_sim_crash(io, seed);
        struct slice got = io_sim_peek(io, "f");
        cr_assert(got.size == 2048 || got.size == 2057);
        grown_empty += got.size == 2057 && got.data[2050] == 0;
        not_grown += got.size == 2048;
        io_destroy(io);
    }
    cr_assert(grown_empty > 0);
    cr_assert(not_grown > 0);
}

/* A synced file whose name was not synced may be gone; names are lost from some point on, in order. */
Test(io_sim, names_need_their_directory_synced)
{
    unsigned lost = 0;
    unsigned kept = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = disk_make();
        for (unsigned i = 0; i < 3; i++) {
            const char *names[] = {"x", "y", "z"};
            struct io_file *file = open_ok(io, names[i], IO_WRITE | IO_CREATE);
            must(io_write(file, 0, "data", 4, NULL));
            must(io_sync(file, NULL));
            io_close(file);
        }
        io_sim_crash(io, seed);
        cr_assert(exists(io, "f"));
        cr_assert(exists(io, "x") || !exists(io, "y"));
        cr_assert(exists(io, "y") || !exists(io, "z"));
        lost += !exists(io, "x");
        kept += exists(io, "z");
        if (exists(io, "z"))
            cr_assert(slice_is(io_sim_peek(io, "z"), "data"));
        io_destroy(io);
    }
    cr_assert(lost > 0);
    cr_assert(kept > 0);
}

Test(io_sim, a_rename_is_the_old_name_or_the_new_one)
{
    unsigned olds = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = disk_make();
        must(io_rename(io, "f", "g", NULL));
        io_sim_crash(io, seed);
        cr_assert(exists(io, "f") != exists(io, "g"));
        olds += exists(io, "f");
        io_destroy(io);
    }
    cr_assert(olds > 0 && olds < SEEDS);
}

Test(io_sim, a_rename_between_directories_needs_both_synced)
{
    for (unsigned synced = 0; synced < 4; synced++) {
        unsigned moved = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct io *io = disk_make();
            must(io_make_dir(io, "d", NULL));
            must(io_sync_dir(io, "", NULL));
            must(io_rename(io, "f", "d/g", NULL));
            if ((synced & 1) != 0)
                must(io_sync_dir(io, "", NULL));
            if ((synced & 2) != 0)
                must(io_sync_dir(io, "d", NULL));
            io_sim_crash(io, seed);
            cr_assert(exists(io, "f") != exists(io, "d/g"));
            moved += exists(io, "d/g");
            io_destroy(io);
        }
        cr_assert(synced == 3 ? moved == SEEDS : moved < SEEDS, "synced %u", synced);
    }
}

Test(io_sim, a_lost_directory_takes_its_files_with_it)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = disk_make();
        must(io_make_dir(io, "d", NULL));
        io_close(open_ok(io, "d/x", IO_WRITE | IO_CREATE));
        must(io_sync_dir(io, "d", NULL));
        io_sim_crash(io, seed);
        cr_assert(exists(io, "d/x") || io_sync_dir(io, "d", NULL) == STATUS_NOT_FOUND);
        lost += !exists(io, "d/x");
        io_destroy(io);
    }
    cr_assert(lost > 0 && lost < SEEDS);
}

/* As the kernel does: after a failed sync the bytes look fine and the next sync succeeds without saving them. */
Test(io_sim, a_sync_repeated_after_a_failure_saves_nothing)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = disk_make();
        struct io_file *file = open_ok(io, "f", IO_WRITE);
        must(io_write(file, 0, "NEW", 3, NULL));
        io_sim_set_fault(io, IO_SIM_FAIL_ONCE, io_sim_operations(io));
        cr_assert(io_sync(file, NULL) == STATUS_IO);
        cr_assert(io_sim_peek(io, "f").data[0] == 'N');
        must(io_sync(file, NULL));
        io_close(file);
        io_sim_crash(io, seed);
        lost += io_sim_peek(io, "f").data[0] == 'a';
        io_destroy(io);
    }
    /* The dice of a failed sync come from the disk's own seed, which is the same each time. */
    cr_assert(lost == 0 || lost == SEEDS);
    unsigned lost_by_disk = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct io *io = io_sim_create(seed);
        struct io_file *file = open_ok(io, "f", IO_WRITE | IO_CREATE);
        must(io_sync_dir(io, "", NULL));
        must(io_write(file, 0, "NEW", 3, NULL));
        io_sim_set_fault(io, IO_SIM_FAIL_ONCE, io_sim_operations(io));
        cr_assert(io_sync(file, NULL) == STATUS_IO);
        must(io_sync(file, NULL));
        io_close(file);
        io_sim_crash(io, 1);
        lost_by_disk += io_sim_peek(io, "f").size == 0;
        io_destroy(io);
    }
    cr_assert(lost_by_disk > 0 && lost_by_disk < SEEDS);
}

Test(io_sim, after_a_crash_fault_everything_fails_until_the_reboot)
{
    static const enum io_sim_fault faults[] = {IO_SIM_CRASH_BEFORE, IO_SIM_CRASH_AFTER,
                                               IO_SIM_CRASH_TORN};
    for (size_t i = 0; i < 3; i++) {
        struct io *io = disk_make();
        struct io_file *file = open_ok(io, "f", IO_READ | IO_WRITE);
        struct io_file *other = NULL;
        struct io_map map;
        char byte;
        size_t got;
        uint64_t number;
        io_sim_set_fault(io, faults[i], io_sim_operations(io));
        cr_assert(io_sim_crashed(io) == false);
        cr_assert(io_write(file, 0, "x", 1, NULL) == STATUS_IO);
        cr_assert(io_sim_crashed(io));
        cr_assert(io_read(file, 0, &byte, 1, &got, NULL) == STATUS_IO);
        cr_assert(io_sync(file, NULL) == STATUS_IO);
        cr_assert(io_size(file, &number, NULL) == STATUS_IO);
        cr_assert(io_open(io, "f", IO_READ, &other, NULL) == STATUS_IO);
        cr_assert(io_map(io, "f", &map, NULL) == STATUS_IO);
        cr_assert(io_sync_dir(io, "", NULL) == STATUS_IO);
        cr_assert(io_unlink(io, "f", NULL) == STATUS_IO);
        io_sim_crash(io, 7);
        cr_assert(io_sim_crashed(io) == false);
        cr_assert(io_read(file, 0, &byte, 1, &got, NULL) == STATUS_IO);
        io_close(file);
        cr_assert(exists(io, "f"));
        io_destroy(io);
    }
}

/* The process dies, the machine does not: what was not synced is still there, and can still be lost later. */
Test(io_sim, a_killed_process_loses_nothing)
{
    struct io *io = disk_make();
    struct io_file *file = open_ok(io, "f", IO_WRITE);
    must(io_write(file, 0, "NEW", 3, NULL));
    io_sim_kill(io);
    cr_assert(io_write(file, 0, "x", 1, NULL) == STATUS_IO);
    io_close(file);
    cr_assert(io_sim_peek(io, "f").data[0] == 'N');
    io_destroy(io);
}

Test(io_sim, a_full_disk_refuses_writes_until_it_is_freed)
{
    struct io *io = disk_make();
    struct io_file *file = open_ok(io, "f", IO_WRITE);
    uint64_t left;
    uint64_t total;
    io_sim_set_fault(io, IO_SIM_FULL, 0);
    cr_assert(io_write(file, 0, "x", 1, NULL) == STATUS_FULL);
    cr_assert(io_write(file, 0, "x", 1, NULL) == STATUS_FULL);
    must(io_space(io, &left, &total, NULL));
    cr_assert(left == 0);
    must(io_sync(file, NULL));
    io_sim_set_fault(io, IO_SIM_NONE, 0);
    must(io_write(file, 0, "x", 1, NULL));
    io_close(file);
    io_destroy(io);
}

Test(io_sim, a_short_write_goes_on_and_the_defect_does_not)
{
    static uint8_t bytes[4096];
    memset(bytes, 'c', sizeof bytes);
    unsigned incomplete = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        for (unsigned defect = 0; defect < 2; defect++) {
            struct io *io = io_sim_create(seed);
            struct io_file *file = open_ok(io, "f", IO_WRITE | IO_CREATE);
            if (defect != 0)
                io_sim_set_defect(io, IO_SIM_DEFECT_IGNORE_SHORT);
            io_sim_set_fault(io, IO_SIM_SHORT_WRITE, io_sim_operations(io));
            must(io_write(file, 0, bytes, sizeof bytes, NULL));
            bool is_whole = io_sim_peek(io, "f").size == sizeof bytes;
            cr_assert(is_whole || defect != 0);
            incomplete += !is_whole;
            io_close(file);
            io_destroy(io);
        }
    }
    cr_assert(incomplete == 50);
}

Test(io_sim, direct_files_demand_alignment)
{
    struct io *io = disk_make();
    struct io_file *file = open_ok(io, "f", IO_READ | IO_WRITE | IO_DIRECT);
    uint8_t *buffer = io_buffer_alloc(2 * IO_ALIGN);
    size_t got;
    memset(buffer, 1, 2 * IO_ALIGN);
    must(io_write(file, IO_ALIGN, buffer, IO_ALIGN, NULL));
    cr_assert(io_write(file, 512, buffer, IO_ALIGN, NULL) == STATUS_IO);
    cr_assert(io_write(file, 0, buffer, 512, NULL) == STATUS_IO);
    cr_assert(io_write(file, 0, buffer + 512, IO_ALIGN, NULL) == STATUS_IO);
    cr_assert(io_read(file, 0, buffer + 1, IO_ALIGN, &got, NULL) == STATUS_IO);
    io_buffer_free(buffer);
    io_close(file);
    io_destroy(io);
}

/* Two runs of the same seeds are the same in every byte. */
Test(io_sim, a_seed_repeats_exactly)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct io *pair[2];
        for (unsigned i = 0; i < 2; i++) {
            static uint8_t bytes[5000];
            memset(bytes, 'q', sizeof bytes);
            struct io *io = pair[i] = io_sim_create(seed);
            struct io_queue *q = NULL;
            struct io_completion completions[8];
            struct io_file *file = open_ok(io, "f", IO_WRITE | IO_CREATE);
            must(io_sync_dir(io, "", NULL));
            must(io_queue_create(io, &q, NULL));
            for (uint64_t k = 0; k < 8; k++)
                must(io_queue_write_sync(q, file, k * 5000, bytes, sizeof bytes, k, NULL));
            cr_assert(io_queue_poll(q, completions, 3, 0) == 3);
            io_queue_destroy(q);
            io_close(file);
            io_sim_crash(io, seed + 1);
        }
        cr_assert(slice_equal(io_sim_peek(pair[0], "f"), io_sim_peek(pair[1], "f")));
        io_destroy(pair[0]);
        io_destroy(pair[1]);
    }
}
