/*
 * net_loop.c - the event loop and the mailbox that other threads post into.
 *
 * Place:     other threads -> net_post -> [here] -> run(context) on the loop thread
 * Invariant: functions run in the order they were posted; what was posted before net_loop_stop has
 *            run when net_loop_run returns.
 * Failure:   creation reports what the kernel refused; afterwards nothing can fail.
 * Threads:   net_post and net_loop_stop from any thread, the rest on the loop thread. libevent
 *            itself is touched by the loop thread only, so it needs no locks of its own.
 */
#include "server/net/net.h"
#include "server/net/net_wake.h"

#include "engine/base/check.h"
#include "engine/base/memory.h"
#include "engine/base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct post {
    struct post *next;
    void (*run)(void *context);
    void *context;
};

struct net_loop {
    struct event_base *base;
    struct net_wake wake;
    struct mutex lock;
    struct post *first; /* guarded by lock */
    struct post *last;  /* guarded by lock; meaningless while first is NULL */
    atomic_bool stopping;
};

enum status net_wake_open(struct net_wake *wake, struct event_base *base,
                          event_callback_fn callback, void *context, struct error *reterr)
{
    *wake = (struct net_wake){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (wake->fd < 0)
        return error_set(reterr, STATUS_IO, "eventfd: %s", strerror(errno));
    wake->open = true;
    wake->event = event_new(base, wake->fd, EV_READ | EV_PERSIST, callback, context);
    if (wake->event == NULL || event_add(wake->event, NULL) != 0) {
        net_wake_close(wake);
        return error_set(reterr, STATUS_IO, "the event loop does not take a wake-up descriptor");
    }
    return STATUS_OK;
}

void net_wake_close(struct net_wake *wake)
{
    if (wake->event != NULL)
        event_free(wake->event);
    if (wake->open)
        (void)close(wake->fd);
    *wake = (struct net_wake){0};
}

void net_wake_ring(struct net_wake *wake)
{
    uint64_t one = 1;
    /* EAGAIN means the counter is at its maximum: the bell is ringing already. */
    ssize_t written = write(wake->fd, &one, sizeof one);
    ASSERT(written == sizeof one || errno == EAGAIN || errno == EINTR);
}

void net_wake_clear(struct net_wake *wake)
{
    uint64_t rings;
    ssize_t got = read(wake->fd, &rings, sizeof rings);
    (void)got; /* nothing to read is as good as cleared */
}

/* Runs everything posted so far. Posts made meanwhile wait for the next turn, so that a function
 * that posts itself can't keep the loop from its sockets. */
static void posts_run(struct net_loop *loop)
{
    mutex_lock(&loop->lock);
    struct post *post = loop->first;
    loop->first = NULL;
    mutex_unlock(&loop->lock);
    while (post != NULL) {
        struct post *next = post->next;
        post->run(post->context);
        mem_free(post);
        post = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct net_loop *loop = context;
    (void)fd;
    (void)what;
    net_wake_clear(&loop->wake);
    posts_run(loop);
    if (atomic_load(&loop->stopping))
        (void)event_base_loopbreak(loop->base);
}

enum status net_loop_create(struct net_loop **ret, struct error *reterr)
{
    enum status s = STATUS_OK;
    struct net_loop *loop = MEM_NEW(struct net_loop);
    mutex_init(&loop->lock);
    /* A peer that went away shows as EPIPE where it happens, not as the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    loop->base = event_base_new();
    if (loop->base == NULL) {
        s = error_set(reterr, STATUS_IO, "libevent can't make an event base");
        goto out;
    }
    if ((s = net_wake_open(&loop->wake, loop->base, on_wake, loop, reterr)) < 0)
        goto out;
    *ret = loop;
    loop = NULL;
out:
    net_loop_destroy(loop);
    return s;
}

void net_loop_destroy(struct net_loop *loop)
{
    if (loop == NULL)
        return;
    while (loop->first != NULL) {
        struct post *post = loop->first;
        loop->first = post->next;
        mem_free(post);
    }
    net_wake_close(&loop->wake);
    if (loop->base != NULL)
        event_base_free(loop->base);
    mutex_deinit(&loop->lock);
    mem_free(loop);
}

struct event_base *net_loop_base(struct net_loop *loop)
{
    return loop->base;
}

void net_loop_run(struct net_loop *loop)
{
    while (!atomic_load(&loop->stopping))
        (void)event_base_dispatch(loop->base);
    posts_run(loop);
    atomic_store(&loop->stopping, false);
}

void net_loop_stop(struct net_loop *loop)
{
    atomic_store(&loop->stopping, true);
    net_wake_ring(&loop->wake);
}

void net_post(struct net_loop *loop, void (*run)(void *context), void *context)
{
    struct post *post = MEM_NEW(struct post);
    post->run = run;
    post->context = context;
    mutex_lock(&loop->lock);
    bool was_empty = loop->first == NULL;
    if (was_empty)
        loop->first = post;
    else
        loop->last->next = post;
    loop->last = post;
    mutex_unlock(&loop->lock);
    if (was_empty)
        net_wake_ring(&loop->wake);
}
