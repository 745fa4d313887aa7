/*
 * thread.c - pthreads with every failure a broken invariant.
 *
 * Condition variables wait on the monotonic clock, the real one: a faked clock does not move them.
 */
#include "engine/base/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/memory.h"

#define MUST(call)                                                                                 \
    do {                                                                                           \
        int must_failed = (call);                                                                  \
        ASSERT(must_failed == 0);                                                                  \
    } while (0)

void mutex_init(struct mutex *m)
{
    MUST(pthread_mutex_init(&m->m, NULL));
}

void mutex_deinit(struct mutex *m)
{
    MUST(pthread_mutex_destroy(&m->m));
}

void mutex_lock(struct mutex *m)
{
    MUST(pthread_mutex_lock(&m->m));
}

void mutex_unlock(struct mutex *m)
{
    MUST(pthread_mutex_unlock(&m->m));
}

void condition_init(struct condition *c)
{
    pthread_condattr_t attributes;
    MUST(pthread_condattr_init(&attributes));
    MUST(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    MUST(pthread_cond_init(&c->c, &attributes));
    MUST(pthread_condattr_destroy(&attributes));
}

void condition_deinit(struct condition *c)
{
    MUST(pthread_cond_destroy(&c->c));
}

void condition_wait(struct condition *c, struct mutex *m)
{
    MUST(pthread_cond_wait(&c->c, &m->m));
}

bool condition_wait_ns(struct condition *c, struct mutex *m, int64_t timeout_ns)
{
    struct timespec until;
    MUST(clock_gettime(CLOCK_MONOTONIC, &until));
    if (timeout_ns > 0) {
        until.tv_sec += timeout_ns / NS_PER_S;
        until.tv_nsec += timeout_ns % NS_PER_S;
        if (until.tv_nsec >= NS_PER_S) {
            until.tv_nsec -= NS_PER_S;
            until.tv_sec++;
        }
    }
    int result = pthread_cond_timedwait(&c->c, &m->m, &until);
    ASSERT(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

void condition_signal(struct condition *c)
{
    MUST(pthread_cond_signal(&c->c));
}

void condition_broadcast(struct condition *c)
{
    MUST(pthread_cond_broadcast(&c->c));
}

#define THREAD_NAME_BYTES 16 /* the kernel's limit, NUL included */

struct thread_start {
    void (*run)(void *);
    void *context;
    char name[THREAD_NAME_BYTES];
};

static void *thread_main(void *argument)
{
    struct thread_start start;
    memcpy(&start, argument, sizeof start);
    mem_free(argument);
    (void)pthread_setname_np(pthread_self(), start.name);
    start.run(start.context);
    return NULL;
}

void thread_start(struct thread *t, const char *name, void (*run)(void *), void *context)
{
    size_t size = strlen(name);
    ASSERT(size < THREAD_NAME_BYTES);
    struct thread_start *start = MEM_NEW(struct thread_start);
    start->run = run;
    start->context = context;
    memcpy(start->name, name, size);

    /* A new thread inherits the mask, so block everything around its creation. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    MUST(pthread_sigmask(SIG_SETMASK, &all, &before));
    MUST(pthread_create(&t->t, NULL, thread_main, start));
    MUST(pthread_sigmask(SIG_SETMASK, &before, NULL));
}

void thread_join(struct thread *t)
{
    MUST(pthread_join(t->t, NULL));
}
