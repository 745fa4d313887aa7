/*
 * test_thread.c - threads hand values over, timeouts end, signals stay away.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>

#include "engine/base/clock.h"
#include "engine/base/thread.h"

struct mailbox {
    struct mutex lock;
    struct condition changed;
    int value;
    bool blocks_signals;
    char name[16];
};

static void mailbox_init(struct mailbox *m)
{
    *m = (struct mailbox){0};
    mutex_init(&m->lock);
    condition_init(&m->changed);
}

static void answer(void *context)
{
    struct mailbox *m = context;
    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    mutex_lock(&m->lock);
    m->blocks_signals = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
    (void)pthread_getname_np(pthread_self(), m->name, sizeof m->name);
    while (m->value != 1)
        condition_wait(&m->changed, &m->lock);
    m->value = 2;
    condition_broadcast(&m->changed);
    mutex_unlock(&m->lock);
}

Test(thread, two_threads_hand_a_value_over)
{
    struct mailbox m;
    mailbox_init(&m);
    struct thread t;
    thread_start(&t, "answer", answer, &m);
    mutex_lock(&m.lock);
    m.value = 1;
    condition_signal(&m.changed);
    while (m.value != 2)
        cr_assert(condition_wait_ns(&m.changed, &m.lock, 60 * NS_PER_S));
    mutex_unlock(&m.lock);
    thread_join(&t);
    cr_assert(m.blocks_signals);
    cr_assert_str_eq(m.name, "answer");
    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    cr_assert(eq(int, sigismember(&mask, SIGTERM), 0));
    condition_deinit(&m.changed);
    mutex_deinit(&m.lock);
}

Test(thread, waiting_ends_without_a_signal)
{
    struct mailbox m;
    mailbox_init(&m);
    mutex_lock(&m.lock);
    cr_assert(not(condition_wait_ns(&m.changed, &m.lock, NS_PER_MS)));
    cr_assert(not(condition_wait_ns(&m.changed, &m.lock, 0)));
    cr_assert(not(condition_wait_ns(&m.changed, &m.lock, -5)));
    clock_fake(1); /* must not make the wait endless */
    cr_assert(not(condition_wait_ns(&m.changed, &m.lock, NS_PER_MS)));
    clock_fake(0);
    mutex_unlock(&m.lock);
    condition_deinit(&m.changed);
    mutex_deinit(&m.lock);
}
