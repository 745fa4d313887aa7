/*
 * wal_replay.h - the log as a whole: which files there are, and their records in order.
 */
#ifndef DRIFTLINE_WAL_REPLAY_H
#define DRIFTLINE_WAL_REPLAY_H

#include "engine/wal/wal_reader.h"

struct wal_log_file {
    uint64_t number;
    uint64_t size;
    uint64_t previous_seq; /* of its first frame */
    uint64_t last_seq;     /* of its records; an upper bound when they were not read */
    bool is_begun;
};

/* The files in order of their numbers. Zero is an empty log. */
struct wal_log {
    struct wal_log_file *files;
    size_t count;
    size_t capacity;
    size_t first_needed;  /* earlier files hold no record that was asked for */
    uint64_t last_seq;    /* the end of the log; 0: no record at all */
    uint64_t last_number; /* where the commit with last_seq stands; 0: nowhere */
    uint64_t last_offset;
    uint64_t torn_bytes;
};

struct wal_replay {
    struct io *io;
    uint64_t from_seq;
    bool sync_names; /* the files found will be built upon */
    bool trust;      /* planted defect */
    enum status (*each)(void *context, const struct wal_record *record, struct error *reterr);
    /* NULL: damage ends the replay with STATUS_CORRUPT. Else it is told and the replay goes on. */
    void (*finding)(void *context, const char *path, uint64_t offset, const char *text);
    void *context;
};

void wal_log_deinit(struct wal_log *log);
/* Fills *log, which is zero, in any case; the caller releases it. */
MUST_CHECK enum status wal_replay_run(const struct wal_replay *replay, struct wal_log *log,
                                      struct error *reterr);

#endif
