/*
 * thread.h - mutexes, condition variables and threads, thin over pthreads. A failing call is a
 * broken invariant, so these return nothing.
 */
#ifndef DRIFTLINE_BASE_THREAD_H
#define DRIFTLINE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct mutex {
    pthread_mutex_t m;
};
struct condition {
    pthread_cond_t c;
};
struct thread {
    pthread_t t;
};

#define REQUIRES(lock)

void mutex_init(struct mutex *m);
void mutex_deinit(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
void condition_init(struct condition *c);
void condition_deinit(struct condition *c);
void condition_wait(struct condition *c, struct mutex *m);
/* False on timeout. */
bool condition_wait_ns(struct condition *c, struct mutex *m, int64_t timeout_ns);
void condition_signal(struct condition *c);
void condition_broadcast(struct condition *c);
/* name: at most 15 characters, shown by ps and gdb. All signals are blocked in the new thread. */
void thread_start(struct thread *t, const char *name, void (*run)(void *), void *context);
void thread_join(struct thread *t);

#endif
