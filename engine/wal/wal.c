/*
 * wal.c - appends records and makes them durable, one commit in flight at a time.
 *
 * Place:     engine -> [here] -> io_queue
 * Commit:    records collect in chunks (wal_chunk.c). When the last commit is done, the first chunk,
 *            with all that has arrived meanwhile, becomes the next: one write and one sync.
 * Invariant: 1. A record counts as durable only after the sync that followed its write succeeded.
 *            2. Commits are submitted in the order of their records, each after the one before is
 *               durable; so a whole commit on disk proves all earlier ones.
 * Failure:   the failed file is given up, the same chunk goes to another one. After three failures in a
 *            row the log is stalled until an attempt, one a second, succeeds.
 * Threads:   one; `durable` alone may be read by others.
 */
#include "engine/wal/wal.h"

#include <stdatomic.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/wal/wal_chunk.h"
#include "engine/wal/wal_files.h"
#include "engine/wal/wal_replay.h"

#define FILE_BYTES_DEFAULT    ((uint64_t)16 << 20)
#define FILE_BYTES_MAX        ((uint64_t)16 << 30)
#define PENDING_BYTES_DEFAULT ((uint64_t)256 << 20)
#define FAILURES_MAX          3u
#define RETRY_NS              NS_PER_S
#define CLOSE_WAIT_NS         (10 * NS_PER_S)
#define OPEN_WAIT_NS          (10 * NS_PER_S)

struct wal {
    struct io_queue *queue;
    struct wal_options options;
    struct wal_chunks chunks;
    struct wal_files files;
    uint64_t next_seq;
    uint64_t written_seq; /* the last record in the log's files that is known good */
    atomic_uint_fast64_t durable;
    bool has_event_fd; /* the simulator has none */
    bool is_in_flight;
    size_t in_flight_bytes;
    int64_t submitted_ns;
    uint32_t failures_in_row;
    bool is_stalled;
    struct error stall;
    struct wal_stats stats;
};

/* --- opening ---------------------------------------------------------------------------------- */

struct recovery_count {
    enum status (*each)(void *context, const struct wal_record *record, struct error *reterr);
    void *context;
    struct wal_recovery recovery;
};

static enum status record_recover(void *context, const struct wal_record *record,
                                  struct error *reterr)
{
    struct recovery_count *count = context;
    enum status s = count->each(count->context, record, reterr);
    if (s < 0)
        return s;
    if (count->recovery.records++ == 0)
        count->recovery.first_seq = record->seq;
    count->recovery.last_seq = record->seq;
    return STATUS_OK;
}

static enum status directory_make(struct io *io, struct error *reterr)
{
    enum status s = io_make_dir(io, "wal", reterr);
    return s < 0 ? s : io_sync_dir(io, "", reterr);
}

static enum status options_resolve(const struct wal_options *options, struct wal_options *ret,
                                   struct error *reterr)
{
    *ret = options != NULL ? *options : (struct wal_options){0};
    if (ret->file_bytes == 0)
        ret->file_bytes = FILE_BYTES_DEFAULT;
    if (ret->pending_bytes_max == 0)
        ret->pending_bytes_max = PENDING_BYTES_DEFAULT;
    if (ret->file_bytes > FILE_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID,
                         "a log file of %llu bytes is above the limit of %llu",
                         (unsigned long long)ret->file_bytes, (unsigned long long)FILE_BYTES_MAX);
    ret->file_bytes = (ret->file_bytes + IO_ALIGN - 1) / IO_ALIGN * IO_ALIGN;
    return STATUS_OK;
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct wal *wal_create(struct io *io, struct io_queue *own_queue,
                              const struct wal_options *options, const struct wal_log *log,
                              uint64_t next_seq)
{
    ASSERT(next_seq > log->last_seq);
    struct wal *w = MEM_NEW(struct wal);
    w->queue = own_queue;
    w->options = *options;
    w->has_event_fd = io_queue_event_fd(own_queue) >= 0;
    w->next_seq = next_seq;
    w->written_seq = log->last_seq;
    atomic_init(&w->durable, next_seq - 1);
    struct slice fixed[WAL_CHUNKS_FIXED];
    wal_chunks_init(&w->chunks, options->file_bytes, fixed);
    io_queue_register_buffers(w->queue, fixed, WAL_CHUNKS_FIXED);
    wal_files_init(&w->files, io, w->queue, options, log);
    return w;
}

/* Queues the records of a frame for another commit. */
static enum status frame_requeue(struct wal *w, const struct wal_frame *frame, struct slice behind)
{
    struct wal_records records = wal_frame_records(frame, behind);
    struct wal_record record;
    enum status s;
    while ((s = wal_records_next(&records, &record)) == STATUS_OK) {
        uint8_t *to =
            wal_chunks_add(&w->chunks, WAL_RECORD_HEADER_BYTES + record.payload.size, record.seq);
        wal_record_encode(to, record.type, record.project, (uint32_t)record.payload.size);
        bytes_copy(to + WAL_RECORD_HEADER_BYTES, record.payload.data, record.payload.size);
    }
    return s == STATUS_END ? STATUS_OK : s;
}

/*
 * The last commit may have been in flight when the process ended, or its sync may have failed: then what
 * replay read is in a cache and in no place that lasts, and syncing its file again proves nothing.
 * Earlier commits are proven by the one after them. So the last one is written again, to a new file.
 */
static enum status last_commit_repeat(struct wal *w, struct io *io, const struct wal_log *log,
                                      struct error *reterr)
{
    struct wal_reader r;
    struct wal_frame frame;
    struct slice behind;
    enum status s =
        wal_reader_open(io, log->last_number, w->options.defect_skip_checksum, &r, reterr);
    if (s < 0)
        return s;
    s = wal_reader_frame(&r, log->last_offset, &frame, &behind, reterr);
    if (s == STATUS_OK) {
        w->written_seq = frame.previous_seq;
        atomic_store(&w->durable, frame.previous_seq);
        s = frame_requeue(w, &frame, behind);
    }
    if (s == STATUS_END || s == STATUS_CORRUPT)
        s = corrupt(reterr, r.path, log->last_offset, "the last commit reads differently now");
    wal_reader_close(&r);
    if (s < 0)
        return s;
    /* On a full or failing disk it stays queued, and the log is stalled like any other time. */
    if (wal_wait(w, log->last_seq, OPEN_WAIT_NS, NULL) == STATUS_OK) {
        atomic_store(&w->durable, w->next_seq - 1);
        wal_files_superseded(&w->files, frame.previous_seq);
    }
    return STATUS_OK;
}

enum status
wal_open(struct io *io, const struct wal_options *options, uint64_t from_seq, uint64_t next_seq_min,
         enum status (*each)(void *context, const struct wal_record *record, struct error *reterr),
         void *context, struct wal **ret_wal, struct wal_recovery *ret_recovery,
         struct error *reterr)
{
    struct wal_options resolved;
    struct recovery_count count = {.each = each, .context = context};
    struct wal_log log = {0};
    struct io_queue *queue = NULL;
    struct wal *w = NULL;
    enum status s;
    if ((s = options_resolve(options, &resolved, reterr)) < 0)
        return s;
    struct wal_replay replay = {.io = io,
                                .from_seq = from_seq == 0 ? 1 : from_seq,
                                .sync_names = true,
                                .trust = resolved.defect_skip_checksum,
                                .each = record_recover,
                                .context = &count};
    if ((s = directory_make(io, reterr)) < 0)
        goto out;
    if ((s = wal_replay_run(&replay, &log, reterr)) < 0)
        goto out;
    if ((s = io_queue_create(io, &queue, reterr)) < 0)
        goto out;
    /* Numbers below from_seq would be skipped by the next replay, so they are not given out. */
    w = wal_create(io, queue, &resolved, &log,
                   greatest(greatest(next_seq_min, log.last_seq + 1), replay.from_seq));
    if (log.last_number != 0 && log.last_seq >= replay.from_seq &&
        (s = last_commit_repeat(w, io, &log, reterr)) < 0)
        goto out;
    count.recovery.torn_bytes = log.torn_bytes;
    count.recovery.files = log.count;
    if (ret_recovery != NULL)
        *ret_recovery = count.recovery;
    *ret_wal = w;
    w = NULL;
out:
    wal_close(w);
    wal_log_deinit(&log);
    return s;
}

/* --- appending -------------------------------------------------------------------------------- */

static enum status append_check(const struct wal *w, size_t payload_bytes, struct error *reterr)
{
    if (payload_bytes > WAL_PAYLOAD_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "a log record of %zu bytes is above the limit of %u",
                         payload_bytes, WAL_PAYLOAD_BYTES_MAX);
    if (w->is_stalled)
        return error_set(reterr, STATUS_READ_ONLY, "%.900s", w->stall.text);
    uint64_t pending = w->chunks.pending_bytes;
    uint64_t needed = payload_bytes + WAL_RECORD_HEADER_BYTES;
    if (pending != 0 && pending + needed > w->options.pending_bytes_max)
        return error_set(
            reterr, STATUS_BUSY, "%llu bytes wait to be written to the log; the limit is %llu",
            (unsigned long long)pending, (unsigned long long)w->options.pending_bytes_max);
    return STATUS_OK;
}

static size_t parts_bytes(const struct slice *parts, uint32_t part_count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        if (parts[i].size > WAL_PAYLOAD_BYTES_MAX || total > WAL_PAYLOAD_BYTES_MAX)
            return SIZE_MAX;
        total += parts[i].size;
    }
    return total;
}

enum status wal_append(struct wal *w, uint8_t type, uint32_t project, const struct slice *parts,
                       uint32_t part_count, uint64_t *ret_seq, struct error *reterr)
{
    size_t payload_bytes = parts_bytes(parts, part_count);
    enum status s = append_check(w, payload_bytes, reterr);
    if (s < 0)
        return s;
    uint64_t seq = w->next_seq++;
    uint8_t *to = wal_chunks_add(&w->chunks, WAL_RECORD_HEADER_BYTES + payload_bytes, seq);
    wal_record_encode(to, type, project, (uint32_t)payload_bytes);
    to += WAL_RECORD_HEADER_BYTES;
    for (uint32_t i = 0; i < part_count; i++) {
        bytes_copy(to, parts[i].data, parts[i].size);
        to += parts[i].size;
    }
    *ret_seq = seq;
    return STATUS_OK;
}

/* --- committing ------------------------------------------------------------------------------- */

static void durable_set(struct wal *w, uint64_t seq)
{
    if (seq > atomic_load_explicit(&w->durable, memory_order_relaxed))
        atomic_store_explicit(&w->durable, seq, memory_order_release);
}

static void failure_count(struct wal *w, const struct error *cause)
{
    w->stats.failures++;
    if (++w->failures_in_row < FAILURES_MAX)
        return;
    w->is_stalled = true;
    (void)error_set(&w->stall, cause->status,
                    "the log can't be written, so nothing is accepted (a new attempt every "
                    "second): %.800s",
                    cause->text);
    wal_files_pause(&w->files, clock_monotonic_ns() + RETRY_NS);
}

static void commit_failed(struct wal *w, const struct error *cause)
{
    w->is_in_flight = false;
    wal_files_failed(&w->files, w->written_seq);
    failure_count(w, cause);
}

static void commit_done(struct wal *w)
{
    const struct wal_chunk *chunk = w->chunks.first;
    w->is_in_flight = false;
    w->failures_in_row = 0;
    w->is_stalled = false;
    w->stats.commits++;
    w->stats.bytes += w->in_flight_bytes;
    w->stats.last_commit_ns = clock_monotonic_ns() - w->submitted_ns;
    wal_files_written(&w->files, w->in_flight_bytes);
    w->written_seq = wal_chunk_last_seq(chunk);
    durable_set(w, w->written_seq);
    wal_chunks_pop(&w->chunks);
}

static void completions_collect(struct wal *w, int64_t timeout_ns)
{
    struct io_completion completion;
    if (io_queue_poll(w->queue, &completion, 1, timeout_ns) == 0)
        return;
    ASSERT(w->is_in_flight);
    if (completion.status == STATUS_OK) {
        commit_done(w);
        return;
    }
    struct error cause = {0};
    char text[128];
    (void)error_set(&cause, completion.status, "%s: write: %s", w->files.current.path,
                    completion.error_number == 0
                        ? status_sentence(completion.status)
                        : strerror_r(completion.error_number, text, sizeof text));
    commit_failed(w, &cause);
}

static void commit_submit(struct wal *w)
{
    struct wal_chunk *chunk = w->chunks.first;
    if (w->is_in_flight || chunk == NULL)
        return;
    uint32_t body_bytes = (uint32_t)(chunk->used - WAL_FRAME_HEADER_BYTES);
    size_t bytes = wal_frame_bytes(body_bytes);
    struct wal_file *file = wal_files_for(&w->files, bytes, w->written_seq);
    if (file == NULL)
        return;
    struct wal_frame frame = {.number = file->number,
                              .salt = w->files.salt,
                              .offset = w->files.offset,
                              .previous_seq = w->written_seq,
                              .first_seq = chunk->first_seq,
                              .record_count = chunk->record_count,
                              .body_bytes = body_bytes};
    wal_frame_seal(&frame, chunk->bytes);
    chunk->is_sealed = true;
    w->is_in_flight = true;
    w->in_flight_bytes = bytes;
    w->submitted_ns = clock_monotonic_ns();
    struct error cause = {0};
    if (io_queue_write_sync(w->queue, file->file, frame.offset, chunk->bytes, bytes,
                            frame.first_seq, &cause) < 0)
        commit_failed(w, &cause);
    else if (w->options.defect_ack_before_sync)
        durable_set(w, wal_frame_last_seq(&frame));
}

/* Nothing waits that could prove the disk well again, so a file that could be made has to do. The
 * next failure stalls the log at once. */
static void stall_reconsider(struct wal *w)
{
    if (!w->is_stalled || w->chunks.first != NULL || w->files.next.file == NULL)
        return;
    w->is_stalled = false;
    w->failures_in_row = FAILURES_MAX - 1;
}

/* A commit that waits for a file may get one at once where the maker has no thread. */
static void work_start(struct wal *w)
{
    struct error cause = {0};
    if (wal_files_drive(&w->files, &cause) < 0)
        failure_count(w, &cause);
    stall_reconsider(w);
    commit_submit(w);
}

uint64_t wal_pump(struct wal *w)
{
    completions_collect(w, 0);
    work_start(w);
    return wal_durable(w);
}

enum status wal_wait(struct wal *w, uint64_t seq, int64_t timeout_ns, struct error *reterr)
{
    int64_t deadline_ns = clock_monotonic_ns() + timeout_ns;
    for (;;) {
        uint64_t failures = w->stats.failures;
        if (wal_pump(w) >= seq)
            return STATUS_OK;
        if (w->is_stalled)
            return error_set(reterr, STATUS_READ_ONLY, "%.900s", w->stall.text);
        /* Without an event fd all happens inside wal_pump: when it changed nothing, nothing will. */
        bool can_progress = w->has_event_fd || w->is_in_flight || w->stats.failures != failures;
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        if (left_ns <= 0 || !can_progress)
            return error_set(reterr, STATUS_TIMEOUT, "record %llu is not durable yet",
                             (unsigned long long)seq);
        completions_collect(w, left_ns);
    }
}

void wal_close(struct wal *w)
{
    if (w == NULL)
        return;
    int64_t deadline_ns = clock_monotonic_ns() + CLOSE_WAIT_NS;
    while (w->is_in_flight) {
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            break;
        completions_collect(w, left_ns);
    }
    wal_files_deinit(&w->files);
    io_queue_destroy(w->queue);
    wal_chunks_deinit(&w->chunks);
    mem_free(w);
}

/* --- looking ---------------------------------------------------------------------------------- */

uint64_t wal_durable(const struct wal *w)
{
    return atomic_load_explicit(&w->durable, memory_order_acquire);
}

uint64_t wal_last_seq(const struct wal *w)
{
    return w->next_seq - 1;
}

int wal_event_fd(struct wal *w)
{
    return io_queue_event_fd(w->queue);
}

void wal_wake(struct wal *w)
{
    io_queue_wake(w->queue);
}

const struct error *wal_stalled(const struct wal *w)
{
    return w->is_stalled ? &w->stall : NULL;
}

void wal_release(struct wal *w, uint64_t seq)
{
    wal_files_release(&w->files, seq);
    work_start(w);
}

struct wal_stats wal_stats(const struct wal *w)
{
    struct wal_stats stats = w->stats;
    stats.files = wal_files_count(&w->files);
    return stats;
}
