/*
 * wal_maker.c - gets log files ready and removes old ones, away from the writer.
 *
 * Place:     wal.c asks -> [here] -> io, on a thread of its own
 * Why:       a commit into bytes that were written before needs no journal entry of the file system, so
 *            its sync is several times faster. Making such a file takes as long as writing it, and
 *            making a name durable may take longer; neither may hold up a commit.
 * Invariant: a file is handed over only when its name is durable, so what is then synced into it
 *            can't be lost with the name. A recycled file is renamed and its directory synced before
 *            its first new byte; until then it holds the old frames under the old name.
 * Threads:   `mutex` guards the state; the job itself runs outside of it.
 */
#include "engine/wal/wal_maker.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/memory.h"

#define ZERO_BYTES ((size_t)1 << 20)

bool wal_file_remove(struct io *io, uint64_t number)
{
    char path[WAL_PATH_BYTES];
    wal_path(number, path);
    enum status s = io_unlink(io, path, NULL);
    return s == STATUS_OK || s == STATUS_NOT_FOUND;
}

static enum status zeros_write(struct io_file *file, uint64_t bytes, struct error *reterr)
{
    size_t piece = bytes < ZERO_BYTES ? (size_t)bytes : ZERO_BYTES;
    uint8_t *zeros = io_buffer_alloc(piece);
    memset(zeros, 0, piece);
    enum status s = STATUS_OK;
    for (uint64_t at = 0; s == STATUS_OK && at < bytes; at += piece) {
        uint64_t left = bytes - at;
        s = io_write(file, at, zeros, left < piece ? (size_t)left : piece, reterr);
    }
    io_buffer_free(zeros);
    return s == STATUS_OK ? io_sync(file, reterr) : s;
}

/* A nearly full disk keeps most of what is left for those who can't do without. */
static uint64_t bytes_affordable(struct io *io, uint64_t bytes)
{
    uint64_t disk_free;
    uint64_t disk_total;
    if (io_space(io, &disk_free, &disk_total, NULL) < 0)
        return bytes;
    uint64_t share = disk_free / 8 / IO_ALIGN * IO_ALIGN;
    if (share < WAL_FIRST_FILE_BYTES)
        share = WAL_FIRST_FILE_BYTES;
    return bytes < share ? bytes : share;
}

static enum status file_create(struct io *io, uint64_t bytes, struct wal_file *made,
                               struct error *reterr)
{
    int flags = IO_WRITE | IO_CREATE | IO_EXCLUSIVE | IO_DIRECT;
    enum status s = io_open(io, made->path, flags, &made->file, reterr);
    if (s < 0)
        return s;
    made->bytes = bytes_affordable(io, bytes);
    s = zeros_write(made->file, made->bytes, reterr);
    if (s == STATUS_OK)
        s = io_sync_dir(io, "wal", reterr);
    if (s < 0) {
        io_close(made->file);
        made->file = NULL;
        /* What stays is found and removed at the next start. */
        (void)wal_file_remove(io, made->number);
    }
    return s;
}

static enum status file_recycle(struct io *io, const struct wal_job *job,
                                struct wal_job_result *ret, struct error *reterr)
{
    char old_path[WAL_PATH_BYTES];
    wal_path(job->recycle_number, old_path);
    enum status s = io_rename(io, old_path, ret->made.path, reterr);
    if (s < 0)
        return s;
    ret->is_recycled = true;
    ret->made.bytes = job->recycle_bytes;
    if ((s = io_sync_dir(io, "wal", reterr)) == STATUS_OK)
        s = io_open(io, ret->made.path, IO_WRITE | IO_DIRECT, &ret->made.file, reterr);
    if (s < 0)
        (void)wal_file_remove(io, job->number);
    return s;
}

enum status wal_file_open(struct io *io, uint64_t number, struct wal_file *ret,
                          struct error *reterr)
{
    struct wal_file made = {.number = number};
    wal_path(number, made.path);
    enum status s = io_open(io, made.path, IO_WRITE | IO_DIRECT, &made.file, reterr);
    if (s == STATUS_OK)
        s = io_size(made.file, &made.bytes, reterr);
    if (s < 0) {
        io_close(made.file);
        return s;
    }
    *ret = made;
    return STATUS_OK;
}

/*
 * Removing comes first: on a full disk it makes the room. The oldest file is removed first and nothing
 * younger before it, recycled ones included, so the files that stay are a run without holes.
 */
void wal_job_run(struct io *io, const struct wal_job *job, struct wal_job_result *ret)
{
    *ret = (struct wal_job_result){.status = STATUS_OK};
    while (ret->removed_count < job->remove_count &&
           wal_file_remove(io, job->remove[ret->removed_count]))
        ret->removed_count++;
    if (job->number == 0)
        return;
    ret->made.number = job->number;
    wal_path(job->number, ret->made.path);
    if (job->recycle_number != 0 && ret->removed_count == job->remove_count)
        ret->status = file_recycle(io, job, ret, &ret->error);
    else
        ret->status = file_create(io, job->bytes, &ret->made, &ret->error);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Waits for a job whose time has come; false: it is time to leave. */
static bool job_wait_locked(struct wal_maker *m) REQUIRES(m->mutex)
{
    while (!m->quit) {
        if (m->state != WAL_MAKER_ASKED) {
            condition_wait(&m->changed, &m->mutex);
            continue;
        }
        int64_t wait_ns =
            m->job.not_before_ns == 0 ? 0 : m->job.not_before_ns - clock_monotonic_ns();
        if (wait_ns <= 0)
            return true;
        (void)condition_wait_ns(&m->changed, &m->mutex, wait_ns);
    }
    return false;
}

static void maker_run(void *context)
{
    struct wal_maker *m = context;
    mutex_lock(&m->mutex);
    while (job_wait_locked(m)) {
        m->state = WAL_MAKER_WORKING;
        struct wal_job job = m->job;
        mutex_unlock(&m->mutex);
        struct wal_job_result result;
        wal_job_run(m->io, &job, &result);
        mutex_lock(&m->mutex);
        m->result = result;
        m->state = WAL_MAKER_DONE;
        io_queue_wake(m->queue);
    }
    mutex_unlock(&m->mutex);
}

void wal_maker_init(struct wal_maker *m, struct io *io, struct io_queue *queue, bool is_threaded)
{
    *m = (struct wal_maker){.io = io, .queue = queue, .is_threaded = is_threaded};
    mutex_init(&m->mutex);
    condition_init(&m->changed);
    if (is_threaded)
        thread_start(&m->thread, "dl-wal-files", maker_run, m);
}

void wal_maker_deinit(struct wal_maker *m)
{
    if (m->io == NULL)
        return;
    mutex_lock(&m->mutex);
    m->quit = true;
    condition_signal(&m->changed);
    mutex_unlock(&m->mutex);
    if (m->is_threaded)
        thread_join(&m->thread);
    if (m->state == WAL_MAKER_DONE)
        io_close(m->result.made.file);
    condition_deinit(&m->changed);
    mutex_deinit(&m->mutex);
}

bool wal_maker_is_idle(struct wal_maker *m)
{
    mutex_lock(&m->mutex);
    bool is_idle = m->state == WAL_MAKER_IDLE;
    mutex_unlock(&m->mutex);
    return is_idle;
}

void wal_maker_start(struct wal_maker *m, const struct wal_job *job)
{
    mutex_lock(&m->mutex);
    ASSERT(m->state == WAL_MAKER_IDLE);
    m->job = *job;
    m->state = WAL_MAKER_ASKED;
    condition_signal(&m->changed);
    mutex_unlock(&m->mutex);
}

static void job_run_inline(struct wal_maker *m)
{
    bool due = m->job.not_before_ns == 0 || m->job.not_before_ns <= clock_monotonic_ns();
    if (m->state != WAL_MAKER_ASKED || !due)
        return;
    wal_job_run(m->io, &m->job, &m->result);
    m->state = WAL_MAKER_DONE;
}

bool wal_maker_take(struct wal_maker *m, struct wal_job_result *ret)
{
    mutex_lock(&m->mutex);
    if (!m->is_threaded)
        job_run_inline(m);
    bool is_done = m->state == WAL_MAKER_DONE;
    if (is_done) {
        *ret = m->result;
        m->state = WAL_MAKER_IDLE;
    }
    mutex_unlock(&m->mutex);
    return is_done;
}
