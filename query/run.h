/*
 * run.h - what one running statement shares between its threads: limits, the way to stop, the first error.
 *
 * Threads: everything here may be called from any thread of the statement.
 */
#ifndef DRIFTLINE_QUERY_RUN_H
#define DRIFTLINE_QUERY_RUN_H

#include "query/query.h"

struct query_db;

struct run {
    struct query_db *db;
    struct engine *engine;
    uint32_t project;
    uint32_t threads;
    int64_t now_ns;
    int64_t started_ns; /* monotonic */
    int64_t timeout_ns;
    uint64_t memory_bytes_max;
    uint64_t rows_max;
    uint64_t result_bytes_max;
    const atomic_bool *cancel;
    _Atomic uint64_t memory_bytes;
    atomic_bool stop; /* a thread failed or enough rows are there */
    struct mutex lock;
    struct error error; /* of the thread that failed first; under lock */
    /* What the scans did, for EXPLAIN and the result's stats; under lock. */
    struct scan_stats scanned;
    bool damaged;
    struct error damage;
    uint32_t threads_used;
};

void run_init(struct run *r, struct query_db *db, struct engine *engine,
              const struct query_options *options);
void run_deinit(struct run *r);
/* STATUS_OK to go on; STATUS_CANCELLED or STATUS_TIMEOUT. Called at least once a batch. */
MUST_CHECK enum status run_check(struct run *r, struct error *reterr);
/* Counts memory in; STATUS_LIMIT when it is too much. */
MUST_CHECK enum status run_charge(struct run *r, uint64_t bytes, struct error *reterr);
void run_discharge(struct run *r, uint64_t bytes);

#endif
