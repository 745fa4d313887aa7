/*
 * io_uring.c - asynchronous write and sync through the ring; plain calls are io_posix.c's.
 *
 * Place:     io_queue_* -> [here] -> the kernel
 * Shape:     a request is a linked pair, WRITE then FSYNC(DATASYNC), and lives until both have
 *            completed. A short write breaks the link (the sync comes back -ECANCELED), and the
 *            remainder goes out as a new pair.
 * Invariant: a request counts as done only if all its bytes were written and a sync that the kernel
 *            started after the write has succeeded. A failed sync is never repeated.
 * Failure:   a ring refused at creation (EPERM, ENOSYS, ENOMEM, ...: containers) is the caller's
 *            cue for the posix backend; one refused later for a queue is replaced by its thread.
 * Threads:   one at a time (the owner may hand the queue on under a lock); uring_queue_wake from any.
 */
#include <errno.h>
#include <liburing.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/io_backend.h"
#include "engine/base/memory.h"

#define RING_ENTRIES     64u
#define REGISTERED_MAX   8u
#define SUBMIT_TRIES_MAX 64u
#define USER_DATA_SYNC   ((uintptr_t)1)
#define RESULT_NONE      INT32_MIN

struct request {
    struct request *next; /* among those that wait to be submitted */
    struct posix_file *file;
    uint64_t offset;
    const char *from;
    size_t size;
    size_t written;
    unsigned parts_pending; /* completions of the current pair still to come */
    unsigned idle;          /* pairs in a row that wrote nothing */
    int write_result;       /* RESULT_NONE until it is known */
    int sync_result;
    bool sync_untrusted; /* the pair was torn apart at submission: sync again after the write */
    struct io_completion completion;
};

struct uring_queue {
    struct io_queue base;
    struct io_uring ring;
    int event_fd;
    uint32_t in_flight;
    struct request *entering; /* its pair may still stand in the ring; NULL: none does */
    struct request *waiting;  /* no room in the ring yet, in order */
    struct request **waiting_end;
    struct request *done; /* finished, not yet handed out, in order */
    struct request **done_end;
    struct slice registered[REGISTERED_MAX];
    uint32_t registered_count;
};

static struct uring_queue *queue_of(struct io_queue *q)
{
    return (struct uring_queue *)(void *)q;
}

/*
 * No flags on purpose. SINGLE_ISSUER and DEFER_TASKRUN bind the ring to the thread that made it, but the owner may
 * hand the queue on under a lock; COOP_TASKRUN would hold a completion back while the thread that
 * submitted it computes. One interrupt a commit is nothing beside its sync.
 */
static int ring_create(struct io_uring *ring)
{
    return io_uring_queue_init(RING_ENTRIES, ring, 0);
}

static int ring_supports(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (probe == NULL)
        return -ENOSYS;
    bool known = io_uring_opcode_supported(probe, IORING_OP_WRITE) &&
                 io_uring_opcode_supported(probe, IORING_OP_WRITE_FIXED) &&
                 io_uring_opcode_supported(probe, IORING_OP_FSYNC);
    io_uring_free_probe(probe);
    return known ? 0 : -EOPNOTSUPP;
}

enum status io_uring_backend_create(const char *root, struct io **ret_io, struct error *reterr)
{
    struct io_uring ring;
    int failed = ring_create(&ring);
    if (failed == 0) {
        failed = ring_supports(&ring);
        io_uring_queue_exit(&ring);
    }
    if (failed < 0)
        return error_set(reterr, STATUS_UNAVAILABLE, "io_uring: %s", strerror(-failed));
    return posix_io_create(root, &uring_ops, ret_io, reterr);
}

enum status uring_queue_create(struct io *io, struct io_queue **ret, struct error *reterr)
{
    struct uring_queue *q = MEM_NEW(struct uring_queue);
    q->base.ops = &uring_ops;
    q->waiting_end = &q->waiting;
    q->done_end = &q->done;
    if ((q->event_fd = io_event_create()) < 0) {
        enum status s = io_error(reterr, "", "eventfd", errno);
        mem_free(q);
        return s;
    }
    int failed = ring_create(&q->ring);
    if (failed == 0 && (failed = io_uring_register_eventfd(&q->ring, q->event_fd)) < 0)
        io_uring_queue_exit(&q->ring);
    if (failed < 0) {
        (void)close(q->event_fd);
        mem_free(q);
        return posix_queue_create(io, ret, reterr);
    }
    *ret = &q->base;
    return STATUS_OK;
}

static void requests_free(struct request *request)
{
    while (request != NULL) {
        struct request *next = request->next;
        mem_free(request);
        request = next;
    }
}

void uring_queue_register(struct io_queue *base, const struct slice *buffers, uint32_t count)
{
    struct uring_queue *q = queue_of(base);
    struct iovec vectors[REGISTERED_MAX];
    if (count > REGISTERED_MAX || q->registered_count != 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        vectors[i] = (struct iovec){.iov_base = (void *)(uintptr_t)buffers[i].data,
                                    .iov_len = buffers[i].size};
    /* Refused (locked memory limit): plain writes do the same, a little slower. */
    if (io_uring_register_buffers(&q->ring, vectors, count) < 0)
        return;
    memcpy(q->registered, buffers, count * sizeof *buffers);
    q->registered_count = count;
}

static int registered_index(const struct uring_queue *q, const char *from, size_t size)
{
    for (uint32_t i = 0; i < q->registered_count; i++) {
        const char *start = (const char *)q->registered[i].data;
        if (from >= start && size <= q->registered[i].size &&
            (size_t)(from - start) <= q->registered[i].size - size)
            return (int)i;
    }
    return -1;
}

static void prepare_write(struct uring_queue *q, struct request *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
    ASSERT(sqe != NULL);
    const char *from = r->from + r->written;
    size_t left = r->size - r->written;
    unsigned size = (unsigned)(left < IO_CALL_BYTES_MAX ? left : IO_CALL_BYTES_MAX);
    int index = registered_index(q, from, size);
    if (index >= 0)
        io_uring_prep_write_fixed(sqe, r->file->fd, from, size, r->offset + r->written, index);
    else
        io_uring_prep_write(sqe, r->file->fd, from, size, r->offset + r->written);
    io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
    io_uring_sqe_set_data(sqe, r);
    r->write_result = RESULT_NONE;
    r->parts_pending++;
}

static void prepare_sync(struct uring_queue *q, struct request *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
    ASSERT(sqe != NULL);
    io_uring_prep_fsync(sqe, r->file->fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sqe, (uintptr_t)r | USER_DATA_SYNC);
    r->sync_result = RESULT_NONE;
    r->parts_pending++;
}

/*
 * Hands what stands in the ring to the kernel. EAGAIN, EBUSY and EINTR are passing: what could
 * not go stays in the ring, and the event fd makes the owner poll again. A pair of which the kernel
 * took only the write has lost its link, so its sync proves nothing.
 */
static void ring_submit(struct uring_queue *q)
{
    unsigned left = io_uring_sq_ready(&q->ring);
    for (unsigned tries = 0; left != 0 && tries < SUBMIT_TRIES_MAX; tries++) {
        int taken = io_uring_submit(&q->ring);
        left = io_uring_sq_ready(&q->ring);
        if (left == 1 && q->entering->parts_pending == 2)
            q->entering->sync_untrusted = true;
        if (taken == -EBUSY || taken == -EAGAIN)
            break;
    }
    if (left != 0)
        io_event_signal(q->event_fd);
    else
        q->entering = NULL;
}

static void request_submit(struct uring_queue *q, struct request *r)
{
    if (r->written < r->size)
        prepare_write(q, r);
    prepare_sync(q, r);
    q->in_flight++;
    q->entering = r;
    ring_submit(q);
}

static void waiting_submit(struct uring_queue *q)
{
    if (q->entering != NULL)
        ring_submit(q);
    /* One pair at a time and nothing left over: so a split pair is recognised by the count. */
    while (q->waiting != NULL && q->entering == NULL && q->in_flight < RING_ENTRIES / 2) {
        struct request *r = q->waiting;
        q->waiting = r->next;
        if (q->waiting == NULL)
            q->waiting_end = &q->waiting;
        request_submit(q, r);
    }
}

static void waiting_add(struct uring_queue *q, struct request *r)
{
    r->next = NULL;
    *q->waiting_end = r;
    q->waiting_end = &r->next;
}

enum status uring_queue_write_sync(struct io_queue *base, struct io_file *file, uint64_t offset,
                                   const void *from, size_t size, uint64_t tag,
                                   struct error *reterr)
{
    (void)reterr;
    struct uring_queue *q = queue_of(base);
    struct request *r = MEM_NEW(struct request);
    *r = (struct request){.file = (struct posix_file *)(void *)file,
                          .offset = offset,
                          .from = from,
                          .size = size,
                          .completion = {.tag = tag}};
    waiting_add(q, r);
    waiting_submit(q);
    return STATUS_OK;
}

static void request_finish(struct uring_queue *q, struct request *r, int failed)
{
    r->completion.error_number = failed;
    r->completion.status = failed == 0 ? STATUS_OK : io_status_of(failed);
    r->next = NULL;
    *q->done_end = r;
    q->done_end = &r->next;
}

static bool result_passes(int result)
{
    return result == -EINTR || result == -EAGAIN || result == -ECANCELED;
}

/* What the write of a finished pair means: 0 go on, else the errno that ends the request. */
static int write_judge(struct request *r)
{
    if (r->write_result == RESULT_NONE)
        return 0;
    if (r->write_result < 0 && !result_passes(r->write_result))
        return -r->write_result;
    size_t before = r->written;
    if (r->write_result > 0)
        r->written = posix_progress(r->file, before + (size_t)r->write_result, r->size);
    r->idle = r->written > before ? 0 : r->idle + 1;
    return r->idle >= IO_IDLE_WRITES_MAX ? EIO : 0;
}

/* Both halves are in: the request is finished, failed, or goes on with a new pair. */
static void pair_finish(struct uring_queue *q, struct request *r)
{
    q->in_flight--;
    int failed = write_judge(r);
    if (failed == 0 && r->written == r->size && !r->sync_untrusted &&
        r->sync_result != -ECANCELED) {
        if (r->sync_result < 0)
            atomic_store(&r->file->sync_failed, true);
        request_finish(q, r, -r->sync_result);
        return;
    }
    if (failed == 0 && r->sync_result < 0 && r->sync_result != -ECANCELED) {
        atomic_store(&r->file->sync_failed, true);
        failed = -r->sync_result;
    }
    if (failed == 0 && atomic_load(&r->file->sync_failed))
        failed = EIO;
    /* A sync cancelled on its own, with every byte written, must not go round for ever. */
    if (failed == 0 && r->write_result == RESULT_NONE && ++r->idle >= IO_IDLE_WRITES_MAX)
        failed = EIO;
    if (failed != 0) {
        request_finish(q, r, failed);
        return;
    }
    r->sync_untrusted = false;
    r->write_result = RESULT_NONE;
    waiting_add(q, r);
}

static void completion_take(struct uring_queue *q, const struct io_uring_cqe *cqe)
{
    struct request *r = (struct request *)((uintptr_t)cqe->user_data & ~USER_DATA_SYNC);
    if (((uintptr_t)cqe->user_data & USER_DATA_SYNC) != 0)
        r->sync_result = cqe->res;
    else
        r->write_result = cqe->res;
    ASSERT(r->parts_pending > 0);
    if (--r->parts_pending == 0)
        pair_finish(q, r);
}

static void ring_reap(struct uring_queue *q)
{
    struct io_uring_cqe *cqe = NULL;
    while (io_uring_peek_cqe(&q->ring, &cqe) == 0) {
        struct io_uring_cqe seen = {.user_data = cqe->user_data, .res = cqe->res};
        io_uring_cqe_seen(&q->ring, cqe);
        completion_take(q, &seen);
    }
    waiting_submit(q);
}

int uring_queue_poll(struct io_queue *base, struct io_completion *ret, int max, int64_t timeout_ns)
{
    struct uring_queue *q = queue_of(base);
    if (timeout_ns != 0 && q->done == NULL)
        io_event_wait(q->event_fd, timeout_ns);
    /* Cleared before the look, so what completes after the look signals again. */
    io_event_clear(q->event_fd);
    ring_reap(q);
    int count = 0;
    while (count < max && q->done != NULL) {
        struct request *r = q->done;
        q->done = r->next;
        ret[count++] = r->completion;
        mem_free(r);
    }
    if (q->done == NULL)
        q->done_end = &q->done;
    else
        io_event_signal(q->event_fd);
    return count;
}

/* The owner has drained it; if it gave up on a stuck disk, the ring's exit cancels what is left. */
void uring_queue_destroy(struct io_queue *base)
{
    struct uring_queue *q = queue_of(base);
    io_uring_queue_exit(&q->ring);
    (void)close(q->event_fd);
    requests_free(q->waiting);
    requests_free(q->done);
    mem_free(q);
}

int uring_queue_event_fd(struct io_queue *base)
{
    return queue_of(base)->event_fd;
}

void uring_queue_wake(struct io_queue *base)
{
    io_event_signal(queue_of(base)->event_fd);
}
