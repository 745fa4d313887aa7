/*
 * io_posix_queue.c - asynchronous write and sync without the ring: one thread and an event fd.
 *
 * Place:     io_queue_* -> [here] -> io_posix.c, on its own thread
 * Invariant: requests run one at a time in the order given; each is synced before the next is
 *            written. The event fd is readable while `done` holds something or a wake is due.
 * Threads:   `mutex` guards both lists; the worker holds it only to take and give requests.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/io_backend.h"
#include "engine/base/memory.h"
#include "engine/base/thread.h"

struct request {
    struct request *next;
    struct posix_file *file;
    uint64_t offset;
    const void *from;
    size_t size;
    struct io_completion completion;
};

struct request_list {
    struct request *first;
    struct request **end;
};

struct posix_queue {
    struct io_queue base;
    struct mutex mutex;
    struct condition work;
    struct thread thread;
    struct request_list waiting;
    struct request_list done;
    int event_fd;
    bool quit;
};

int io_event_create(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void io_event_wait(int event_fd, int64_t timeout_ns)
{
    struct pollfd ready = {.fd = event_fd, .events = POLLIN};
    struct timespec limit = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};
    (void)ppoll(&ready, 1, timeout_ns < 0 ? NULL : &limit, NULL);
}

void io_event_clear(int event_fd)
{
    uint64_t count = 0;
    ssize_t got = read(event_fd, &count, sizeof count);
    ASSERT(got == (ssize_t)sizeof count || errno == EAGAIN || errno == EINTR);
}

void io_event_signal(int event_fd)
{
    uint64_t one = 1;
    ssize_t put = write(event_fd, &one, sizeof one);
    ASSERT(put == (ssize_t)sizeof one || errno == EAGAIN || errno == EINTR);
}

static struct posix_queue *queue_of(struct io_queue *q)
{
    return (struct posix_queue *)(void *)q;
}

static void list_init(struct request_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct request_list *list, struct request *request)
{
    request->next = NULL;
    *list->end = request;
    list->end = &request->next;
}

static struct request *list_take(struct request_list *list)
{
    struct request *request = list->first;
    if (request == NULL)
        return NULL;
    list->first = request->next;
    if (list->first == NULL)
        list->end = &list->first;
    return request;
}

static void request_run(struct request *request)
{
    int failed = posix_write_all(request->file, request->offset, request->from, request->size);
    if (failed == 0)
        failed = posix_sync(request->file);
    request->completion.error_number = failed;
    request->completion.status = failed == 0 ? STATUS_OK : io_status_of(failed);
}

static void queue_run(void *context)
{
    struct posix_queue *q = context;
    mutex_lock(&q->mutex);
    for (;;) {
        struct request *request = list_take(&q->waiting);
        if (request == NULL && q->quit)
            break;
        if (request == NULL) {
            condition_wait(&q->work, &q->mutex);
            continue;
        }
        mutex_unlock(&q->mutex);
        request_run(request);
        mutex_lock(&q->mutex);
        list_add(&q->done, request);
        io_event_signal(q->event_fd);
    }
    mutex_unlock(&q->mutex);
}

enum status posix_queue_create(struct io *io, struct io_queue **ret, struct error *reterr)
{
    (void)io;
    int event_fd = io_event_create();
    if (event_fd < 0)
        return io_error(reterr, "", "eventfd", errno);
    struct posix_queue *q = MEM_NEW(struct posix_queue);
    q->base.ops = &posix_ops;
    q->event_fd = event_fd;
    list_init(&q->waiting);
    list_init(&q->done);
    mutex_init(&q->mutex);
    condition_init(&q->work);
    thread_start(&q->thread, "dl-disk", queue_run, q);
    *ret = &q->base;
    return STATUS_OK;
}

static void list_free(struct request_list *list)
{
    struct request *request;
    while ((request = list_take(list)) != NULL)
        mem_free(request);
}

void posix_queue_destroy(struct io_queue *base)
{
    struct posix_queue *q = queue_of(base);
    mutex_lock(&q->mutex);
    q->quit = true;
    condition_signal(&q->work);
    mutex_unlock(&q->mutex);
    thread_join(&q->thread);
    list_free(&q->waiting);
    list_free(&q->done);
    condition_deinit(&q->work);
    mutex_deinit(&q->mutex);
    (void)close(q->event_fd);
    mem_free(q);
}

enum status posix_queue_write_sync(struct io_queue *base, struct io_file *file, uint64_t offset,
                                   const void *from, size_t size, uint64_t tag,
                                   struct error *reterr)
{
    (void)reterr;
    struct posix_queue *q = queue_of(base);
    struct request *request = MEM_NEW(struct request);
    *request = (struct request){.file = (struct posix_file *)(void *)file,
                                .offset = offset,
                                .from = from,
                                .size = size,
                                .completion = {.tag = tag}};
    mutex_lock(&q->mutex);
    list_add(&q->waiting, request);
    condition_signal(&q->work);
    mutex_unlock(&q->mutex);
    return STATUS_OK;
}

static int completions_take(struct posix_queue *q, struct io_completion *ret, int max)
{
    int count = 0;
    mutex_lock(&q->mutex);
    while (count < max) {
        struct request *request = list_take(&q->done);
        if (request == NULL)
            break;
        ret[count++] = request->completion;
        mem_free(request);
    }
    /* Cleared under the lock, so a completion that comes after it signals again. */
    if (q->done.first == NULL)
        io_event_clear(q->event_fd);
    mutex_unlock(&q->mutex);
    return count;
}

int posix_queue_poll(struct io_queue *base, struct io_completion *ret, int max, int64_t timeout_ns)
{
    struct posix_queue *q = queue_of(base);
    if (timeout_ns != 0)
        io_event_wait(q->event_fd, timeout_ns);
    return completions_take(q, ret, max);
}

int posix_queue_event_fd(struct io_queue *base)
{
    return queue_of(base)->event_fd;
}

void posix_queue_wake(struct io_queue *base)
{
    io_event_signal(queue_of(base)->event_fd);
}
