/*
 * io_sim.h - files in memory that can lose power, for tests.
 *
 * Every write since the last sync of its file, and every create, rename and unlink since the last
 * sync of its directory, is kept apart from what is durable. io_sim_crash throws the dice: each
 * unsynced write is dropped, kept, torn at 512 bytes or zeroed, in any combination; unsynced directory
 * operations of a directory are lost from some point on, even if the file itself was synced.
 * Deterministic for a seed. One thread.
 */
#ifndef DRIFTLINE_BASE_IO_SIM_H
#define DRIFTLINE_BASE_IO_SIM_H

#include "engine/base/io.h"

enum io_sim_fault {
    IO_SIM_NONE = 0,
    IO_SIM_CRASH_BEFORE, /* the operation does not happen; every later one fails with STATUS_IO */
    IO_SIM_CRASH_AFTER,  /* it happens (unsynced), then as above */
    IO_SIM_CRASH_TORN,   /* a write happens in part, then as above */
    IO_SIM_FAIL_ONCE,    /* STATUS_IO this time */
    IO_SIM_FAIL_ALWAYS,  /* STATUS_IO from now on for this kind of operation (writes or syncs) */
    IO_SIM_FULL,         /* writes get STATUS_FULL until io_sim_set_fault(NONE) */
    IO_SIM_SHORT_WRITE,  /* the backend writes less than asked; the layer above must go on */
};

struct io *io_sim_create(uint64_t seed);
/* How many fault points (write, sync, sync_dir, rename, unlink, create) were passed so far. */
uint64_t io_sim_operations(const struct io *io);
/* The fault strikes at operation number `at` (counted as above, from 0). */
void io_sim_set_fault(struct io *io, enum io_sim_fault fault, uint64_t at);
/* True once a CRASH fault struck. */
bool io_sim_crashed(const struct io *io);
/* Power loss and reboot: what is left is a legal outcome for the seed. Open files become invalid and
 * must only be closed; queues and maps must be gone. Faults are cleared. */
void io_sim_crash(struct io *io, uint64_t seed);
/* The process dies and starts again while the machine stays up: nothing is lost, but open files become
 * invalid as above. Faults are cleared. */
void io_sim_kill(struct io *io);
/* Direct access for flips: the current bytes of a file, or the empty slice. */
struct slice io_sim_peek(struct io *io, const char *path);
void io_sim_poke(struct io *io, const char *path, uint64_t offset, uint8_t value);

/* Planted defects, to prove that the tests can fail. */
enum io_sim_defect {
    IO_SIM_DEFECT_NONE = 0,
    IO_SIM_DEFECT_SKIP_SYNC,     /* io_sync and the sync of queue writes do nothing */
    IO_SIM_DEFECT_SKIP_DIR_SYNC, /* io_sync_dir does nothing */
    IO_SIM_DEFECT_IGNORE_SHORT,  /* short writes are reported as whole */
};
void io_sim_set_defect(struct io *io, enum io_sim_defect defect);

#endif
