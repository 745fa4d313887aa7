/*
 * race_net.c - many threads post into one loop and a pool works, under ThreadSanitizer.
 */
#include "server/net/net.h"

#include "engine/base/check.h"
#include "engine/base/thread.h"

#include <stdio.h>

#define THREADS 3
#define POSTS   2000
#define JOBS    200

struct tally {
    struct net_loop *loop;
    /* Loop thread only, so without atomics: a race here is what the test is for. */
    uint64_t posted;
    uint64_t worked;
    uint64_t leaving;
};

struct task {
    struct net_job job; /* first */
    struct tally *tally;
    uint64_t value; /* written by a worker, read by done() */
};

static void tally_check(struct tally *tally)
{
    if (tally->leaving == THREADS && tally->worked == JOBS)
        net_loop_stop(tally->loop);
}

static void on_post(void *context)
{
    ((struct tally *)context)->posted++;
}

static void on_leave(void *context)
{
    struct tally *tally = context;
    tally->leaving++;
    tally_check(tally);
}

static void poster_run(void *context)
{
    struct tally *tally = context;
    for (int i = 0; i < POSTS; i++)
        net_post(tally->loop, on_post, tally);
    net_post(tally->loop, on_leave, tally);
}

static void task_run(struct net_job *job)
{
    ((struct task *)job)->value++;
}

static void task_done(struct net_job *job)
{
    struct task *task = (struct task *)job;
    task->tally->worked += task->value;
    tally_check(task->tally);
}

int main(void)
{
    struct tally tally = {0};
    struct task tasks[JOBS];
    struct thread threads[THREADS];
    struct error error = {0};
    if (net_loop_create(&tally.loop, &error) < 0) {
        (void)fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    struct net_pool *pool = net_pool_create(tally.loop, "race", 2, JOBS);
    for (int i = 0; i < JOBS; i++) {
        tasks[i] = (struct task){.job = {.run = task_run, .done = task_done}, .tally = &tally};
        ASSERT(net_pool_submit(pool, &tasks[i].job, NULL) == STATUS_OK);
    }
    for (int i = 0; i < THREADS; i++)
        thread_start(&threads[i], "poster", poster_run, &tally);
    net_loop_run(tally.loop);
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    net_pool_destroy(pool);
    net_loop_destroy(tally.loop);
    ASSERT(tally.posted == THREADS * POSTS);
    ASSERT(tally.worked == JOBS);
    return 0;
}
