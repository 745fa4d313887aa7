/*
 * wal_files.h - which log files there are: the one written to, the next, the full ones, the spares.
 */
#ifndef DRIFTLINE_WAL_FILES_H
#define DRIFTLINE_WAL_FILES_H

#include "engine/base/rng.h"
#include "engine/wal/wal_maker.h"
#include "engine/wal/wal_replay.h"

#define WAL_SPARES_MAX 8u

struct wal_full_file {
    uint64_t number;
    uint64_t bytes;
    uint64_t last_seq;     /* no record in it is above */
    uint64_t previous_seq; /* of an adopted file: all its records are above */
    bool is_bad;           /* a write or sync failed: not to be used again */
};

struct wal_full_list {
    struct wal_full_file *items; /* oldest first */
    size_t count;
    size_t capacity;
};

/*
 * Invariants: 1. The files that hold records are a run of the log without holes: the oldest are recycled first,
 *                and before a younger one is removed all older ones are.
 *             2. A file is written to in one life of the log only; after a restart a new one is begun.
 */
struct wal_files {
    struct wal_maker maker;
    uint64_t file_bytes;
    uint64_t next_number;
    struct wal_file current;
    uint64_t offset; /* of the next frame in current */
    uint64_t salt;   /* of current */
    struct wal_file next;
    struct wal_full_list full;
    struct wal_full_list spares;
    uint64_t *removals; /* numbers, in the order to be removed */
    size_t removal_count;
    size_t removal_capacity;
    int64_t make_after_ns;   /* no attempt before */
    int64_t remove_after_ns; /* likewise */
    bool is_hurried;         /* after a failure: a fresh file is small */
    struct rng salt_rng;
    bool salt_is_seeded;
};

/* Takes over what replay found, and gets a first file ready if it can. */
void wal_files_init(struct wal_files *f, struct io *io, struct io_queue *queue,
                    const struct wal_options *options, const struct wal_log *log);
void wal_files_deinit(struct wal_files *f);
/* Starts and collects the maker's work. STATUS_OK, or why a file that is needed at once could not be made. */
MUST_CHECK enum status wal_files_drive(struct wal_files *f, struct error *reterr);
/* The file for a frame of that size, or NULL: not ready yet. durable: the last durable record. */
struct wal_file *wal_files_for(struct wal_files *f, size_t frame_bytes, uint64_t durable);
/* A frame was written to current and is durable. */
void wal_files_written(struct wal_files *f, size_t frame_bytes);
/* A write or sync of current failed: it is never touched again. */
void wal_files_failed(struct wal_files *f, uint64_t durable);
/* Nothing is made before that time, and what is ready is given up: after repeated failures. */
void wal_files_pause(struct wal_files *f, int64_t until_ns);
void wal_files_release(struct wal_files *f, uint64_t seq);
/* Every record above `previous_seq` is durable in current: adopted files that hold no others are free again. */
void wal_files_superseded(struct wal_files *f, uint64_t previous_seq);
uint64_t wal_files_count(const struct wal_files *f);

#endif
