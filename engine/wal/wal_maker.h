/*
 * wal_maker.h - gets log files ready and removes old ones, away from the writer.
 */
#ifndef DRIFTLINE_WAL_MAKER_H
#define DRIFTLINE_WAL_MAKER_H

#include "engine/base/thread.h"
#include "engine/wal/wal_reader.h"

#define WAL_REMOVE_MAX 64u
/* A file made in a hurry: the first of an empty log, and after a failure. */
#define WAL_FIRST_FILE_BYTES ((uint64_t)1 << 20)

/* A file ready for commits: zeroed, synced, its name durable. */
struct wal_file {
    struct io_file *file; /* NULL: none */
    uint64_t number;
    uint64_t bytes; /* prepared; writing beyond works but is slower */
    char path[WAL_PATH_BYTES];
};

struct wal_job {
    uint64_t number; /* of the file to make; 0: only remove */
    uint64_t bytes;
    uint64_t recycle_number; /* becomes the new file; 0: make a fresh one */
    uint64_t recycle_bytes;
    int64_t not_before_ns; /* on the monotonic clock; 0: at once */
    uint32_t remove_count;
    uint64_t remove[WAL_REMOVE_MAX]; /* numbers of files to unlink */
};

struct wal_job_result {
    enum status status; /* of making the file */
    struct error error;
    struct wal_file made;
    uint32_t removed_count; /* from the front of job.remove: it stops at the first that fails */
    bool is_recycled;       /* recycle_number is gone; false: it is still there under its name */
};

enum wal_maker_state {
    WAL_MAKER_IDLE,
    WAL_MAKER_ASKED,
    WAL_MAKER_WORKING,
    WAL_MAKER_DONE,
};

/*
 * One job at a time. With a thread of its own the job runs there and `queue` is woken at its end; without
 * (the simulator) it runs inside wal_maker_take, when its time has come.
 */
struct wal_maker {
    struct io *io;
    struct io_queue *queue;
    bool is_threaded;
    struct thread thread;
    struct mutex mutex;
    struct condition changed;
    enum wal_maker_state state; /* this and the next three: under the mutex */
    struct wal_job job;
    struct wal_job_result result;
    bool quit;
};

void wal_maker_init(struct wal_maker *m, struct io *io, struct io_queue *queue, bool is_threaded);
/* Waits for the job that runs; one that has not begun is dropped. */
void wal_maker_deinit(struct wal_maker *m);
bool wal_maker_is_idle(struct wal_maker *m);
/* REQUIRES(wal_maker_is_idle). */
void wal_maker_start(struct wal_maker *m, const struct wal_job *job);
/* True when a job has ended since: *ret is its result, and the maker is idle. m->job is still that job. */
bool wal_maker_take(struct wal_maker *m, struct wal_job_result *ret);
/* The work itself, in the caller's thread. */
void wal_job_run(struct io *io, const struct wal_job *job, struct wal_job_result *ret);
/* True when it is gone. */
bool wal_file_remove(struct io *io, uint64_t number);
/* Opens a file that is ready already. */
MUST_CHECK enum status wal_file_open(struct io *io, uint64_t number, struct wal_file *ret,
                                     struct error *reterr);

#endif
