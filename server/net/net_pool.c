/*
 * net_pool.c - worker threads for what may take long: run() there, done() back on the loop thread.
 *
 * Invariant: every submitted job gets exactly one done(); those that never ran have run == NULL.
 * Threads:   create, submit and destroy on the loop thread; run() on the workers.
 */
#include "server/net/net.h"
#include "server/net/net_wake.h"

#include "engine/base/check.h"
#include "engine/base/memory.h"
#include "engine/base/thread.h"

#include <string.h>

struct queue {
    struct net_job *first;
    struct net_job *last;
};

struct net_pool {
    struct net_wake wake;
    struct mutex lock;
    struct condition work;
    struct queue waiting;  /* guarded by lock */
    struct queue finished; /* guarded by lock */
    uint32_t waiting_count;
    uint32_t queue_max;
    bool stopping; /* guarded by lock */
    uint32_t thread_count;
    struct thread *threads;
};

static void queue_add(struct queue *q, struct net_job *job)
{
    job->next = NULL;
    if (q->first == NULL)
        q->first = job;
    else
        q->last->next = job;
    q->last = job;
}

static struct net_job *queue_take(struct queue *q)
{
    struct net_job *job = q->first;
    if (job != NULL)
        q->first = job->next;
    return job;
}

static void worker_run(void *context)
{
    struct net_pool *pool = context;
    mutex_lock(&pool->lock);
    for (;;) {
        while (pool->waiting.first == NULL && !pool->stopping)
            condition_wait(&pool->work, &pool->lock);
        if (pool->stopping)
            break;
        struct net_job *job = queue_take(&pool->waiting);
        pool->waiting_count--;
        mutex_unlock(&pool->lock);
        job->run(job);
        mutex_lock(&pool->lock);
        bool ring = pool->finished.first == NULL;
        queue_add(&pool->finished, job);
        if (ring)
            net_wake_ring(&pool->wake);
    }
    mutex_unlock(&pool->lock);
}

/* done() may free the job and may submit new ones. */
static void finished_report(struct net_pool *pool)
{
    mutex_lock(&pool->lock);
    struct queue finished = pool->finished;
    pool->finished = (struct queue){0};
    mutex_unlock(&pool->lock);
    struct net_job *job;
    while ((job = queue_take(&finished)) != NULL)
        job->done(job);
}

static void on_finished(evutil_socket_t fd, short what, void *context)
{
    struct net_pool *pool = context;
    (void)fd;
    (void)what;
    net_wake_clear(&pool->wake);
    finished_report(pool);
}

struct net_pool *net_pool_create(struct net_loop *loop, const char *name, uint32_t threads,
                                 uint32_t queue_max)
{
    ASSERT(threads > 0);
    struct net_pool *pool = MEM_NEW(struct net_pool);
    struct error error = {0};
    enum status s = net_wake_open(&pool->wake, net_loop_base(loop), on_finished, pool, &error);
    ASSERT(s == STATUS_OK); /* at start-up only: no descriptor left means no server */
    mutex_init(&pool->lock);
    condition_init(&pool->work);
    pool->queue_max = queue_max;
    pool->thread_count = threads;
    pool->threads = mem_zero(threads, sizeof *pool->threads);
    for (uint32_t i = 0; i < threads; i++)
        thread_start(&pool->threads[i], name, worker_run, pool);
    return pool;
}

void net_pool_destroy(struct net_pool *pool)
{
    if (pool == NULL)
        return;
    mutex_lock(&pool->lock);
    pool->stopping = true;
    condition_broadcast(&pool->work);
    mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        thread_join(&pool->threads[i]);
    finished_report(pool);
    /* A done() that submits another job finds it here too, so nothing stays behind. */
    struct net_job *job;
    while ((job = queue_take(&pool->waiting)) != NULL) {
        job->run = NULL;
        job->done(job);
    }
    net_wake_close(&pool->wake);
    condition_deinit(&pool->work);
    mutex_deinit(&pool->lock);
    mem_free(pool->threads);
    mem_free(pool);
}

enum status net_pool_submit(struct net_pool *pool, struct net_job *job, struct error *reterr)
{
    enum status s = STATUS_OK;
    mutex_lock(&pool->lock);
    if (pool->waiting_count >= pool->queue_max || pool->stopping) {
        s = error_set(reterr, STATUS_BUSY, "%u requests are waiting already",
                      (unsigned)pool->waiting_count);
    } else {
        queue_add(&pool->waiting, job);
        pool->waiting_count++;
        condition_signal(&pool->work);
    }
    mutex_unlock(&pool->lock);
    return s;
}
