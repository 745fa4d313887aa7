/*
 * wal.h - the write-ahead log: one stream of records for all projects of a store.
 *
 * Place:    engine -> [here] -> io_queue; at start: files -> [here] -> engine
 * Format:   FORMAT.md 4 (files wal/NNNNNNNNNN.wal)
 * Commit:   self-clocking group commit. Exactly one write+fdatasync is in flight; what is added
 *           meanwhile is the next commit. No timer.
 * Files:    preallocated, zero-written, recycled; O_DIRECT, 4 KiB aligned buffers; checksums cover file
 *           id, offset, sequence, length and payload, so stale bytes of a recycled file never pass.
 * Failure:  after a failed write or sync nothing that depended on it counts as durable; that file is never
 *           written or synced again; the same records go to a new file. After three failures in a row
 *           the log is stalled (wal_stalled): records stay queued in memory and wal_pump tries again once
 *           a second with a fresh file, so ingest resumes by itself when the fault ends.
 * Threads:  one (the writer). wal_durable may be read by any.
 */
#ifndef DRIFTLINE_WAL_H
#define DRIFTLINE_WAL_H

#include "engine/base/io.h"
#include "engine/base/memory.h"

struct wal;

struct wal_options {
    uint64_t file_bytes;    /* 0: 16 MiB; what replay reads at most beyond the records themselves */
    uint64_t pending_bytes_max; /* 0: 256 MiB; wal_append gives STATUS_BUSY beyond it */
    bool defect_ack_before_sync; /* planted defect for tests: records count as durable when submitted */
    bool defect_skip_checksum;   /* planted defect for tests: replay believes what it reads */
    uint64_t salt_seed; /* 0: the kernel's randomness; tests that must repeat exactly give a number */
};

/* One record as replay hands it out. Sequences start at 1 and have no gaps. */
struct wal_record {
    uint64_t seq;
    uint8_t type;      /* the engine's business */
    uint32_t project;
    struct slice payload;
};

/* Bytes at the end of the log that were written but never acknowledged. */
struct wal_recovery {
    uint64_t records;
    uint64_t first_seq; /* 0: none */
    uint64_t last_seq;  /* 0: none */
    uint64_t torn_bytes;
    uint64_t files;
};

/*
 * Opens the directory "wal" (made when missing), replays every record with seq >= from_seq in order
 * through each(), then is ready for appending. A torn tail ends the log; damage before valid later records is
 * STATUS_CORRUPT naming file and offset (nothing is deleted). A hole between from_seq and the first record found is
 * damage too, unless the log is empty.
 * next_seq_min: appending goes on at max(next_seq_min, last replayed + 1).
 */
MUST_CHECK enum status wal_open(struct io *io, const struct wal_options *options, uint64_t from_seq, uint64_t next_seq_min,
                                enum status (*each)(void *context, const struct wal_record *record, struct error *reterr),
                                void *context, struct wal **ret_wal, struct wal_recovery *ret_recovery,
                                struct error *reterr);
/* Drains what is in flight (bounded wait), then closes. Queued records that are not durable are lost, as at a crash. */
void wal_close(struct wal *w);

/* Copies the payload (the parts one after another) into the log's buffer. *ret_seq is the record's sequence; it is durable once
 * wal_durable() >= *ret_seq. STATUS_BUSY: pending_bytes_max reached (try after wal_pump). STATUS_READ_ONLY while
 * stalled. STATUS_LIMIT: payload too large (BATCH_BYTES_MAX + 1 MiB). */
MUST_CHECK enum status wal_append(struct wal *w, uint8_t type, uint32_t project, const struct slice *parts,
                                  uint32_t part_count, uint64_t *ret_seq, struct error *reterr);
/* Collects completions and submits the next commit when none is in flight. Never blocks. Returns wal_durable. */
uint64_t wal_pump(struct wal *w);
/* wal_pump until seq is durable; STATUS_TIMEOUT after timeout_ns, STATUS_READ_ONLY when stalled. */
MUST_CHECK enum status wal_wait(struct wal *w, uint64_t seq, int64_t timeout_ns, struct error *reterr);
uint64_t wal_durable(const struct wal *w);
uint64_t wal_last_seq(const struct wal *w);
/* Readable when wal_pump has something to do. -1 in the simulator. */
int wal_event_fd(struct wal *w);
/* Makes the event fd readable. Any thread. */
void wal_wake(struct wal *w);
/* Why nothing gets durable, or NULL. The text stays valid until the next wal_pump. */
const struct error *wal_stalled(const struct wal *w);
/* Records below seq are no longer needed: files that hold only such records are recycled or deleted. The caller
 * has made their content durable elsewhere first. */
void wal_release(struct wal *w, uint64_t seq);

struct wal_stats {
    uint64_t commits;
    uint64_t bytes;
    uint64_t files;
    uint64_t failures;
    int64_t last_commit_ns; /* submit to completion */
};
struct wal_stats wal_stats(const struct wal *w);

/* Reads every byte of every log file without opening the log: for `verify`. each(): one finding (path, offset,
 * text). Returns STATUS_OK also when there are findings; *ret_records counts good records. */
MUST_CHECK enum status wal_verify(struct io *io, void (*finding)(void *context, const char *path, uint64_t offset, const char *text),
                                  void *context, uint64_t *ret_records, struct error *reterr);

#endif
