/*
 * io_sim_state.h - the simulator's state, shared by io_sim*.c only.
 */
#ifndef DRIFTLINE_BASE_IO_SIM_STATE_H
#define DRIFTLINE_BASE_IO_SIM_STATE_H

#include "engine/base/io_backend.h"
#include "engine/base/io_sim.h"
#include "engine/base/io_sim_disk.h"
#include "engine/base/rng.h"

enum sim_kind {
    SIM_WRITE,
    SIM_SYNC,
    SIM_NAMES, /* create, rename, unlink, make_dir */
    SIM_SYNC_DIR,
};

/* What is to become of an operation. */
enum sim_verdict {
    SIM_GO,
    SIM_REFUSE_DEAD, /* the power is off */
    SIM_REFUSE_IO,
    SIM_REFUSE_FULL,
    SIM_GO_AND_DIE,
    SIM_TEAR_AND_DIE,
    SIM_SHORT,
};

struct sim_io {
    struct io base;
    struct sim_disk disk;
    struct rng rng;
    uint64_t operations;
    uint64_t lives; /* of the process: files opened in an earlier one are dead */
    enum io_sim_fault fault;
    uint64_t fault_at;
    enum sim_kind fault_kind; /* FAIL_ALWAYS: known once it struck */
    bool fault_armed;
    bool crashed;
    enum io_sim_defect defect;
    char **locks;
    size_t lock_count;
    size_t lock_capacity;
};

static inline struct sim_io *sim_of(struct io *io)
{
    return (struct sim_io *)(void *)io;
}

/* Counts a fault point and says what becomes of the operation. */
enum sim_verdict sim_point(struct sim_io *sim, enum sim_kind kind);
/* The status the caller sees; SIM_GO and SIM_SHORT are a success. */
enum status sim_verdict_status(enum sim_verdict verdict, const char *path, const char *verb,
                               struct error *reterr);
/* STATUS_IO while the power is off. */
enum status sim_power_check(const struct sim_io *sim, const char *path, struct error *reterr);

enum status sim_queue_create(struct io *io, struct io_queue **ret, struct error *reterr);
void sim_queue_destroy(struct io_queue *q);
enum status sim_queue_write_sync(struct io_queue *q, struct io_file *file, uint64_t offset,
                                 const void *from, size_t size, uint64_t tag, struct error *reterr);
int sim_queue_poll(struct io_queue *q, struct io_completion *ret, int max, int64_t timeout_ns);
int sim_queue_event_fd(struct io_queue *q);
void sim_queue_wake(struct io_queue *q);

#endif
