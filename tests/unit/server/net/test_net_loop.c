/*
 * test_net_loop.c - posting into the loop, stopping it, and the worker pool.
 */
#include "server/net/net.h"

#include "engine/base/thread.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

static struct net_loop *loop_make(void)
{
    struct net_loop *loop = NULL;
    struct error error = {0};
    cr_assert_eq(net_loop_create(&loop, &error), STATUS_OK);
    return loop;
}

struct order {
    struct net_loop *loop;
    int seen[64];
    int count;
};
struct item {
    struct order *order;
    int number;
};

static void item_note(void *context)
{
    struct item *item = context;
    item->order->seen[item->order->count++] = item->number;
}

static void loop_stop(void *context)
{
    net_loop_stop(context);
}

Test(net_loop, runs_posts_in_order_and_before_it_stops)
{
    struct net_loop *loop = loop_make();
    struct order order = {.loop = loop};
    struct item items[32];
    for (int i = 0; i < 32; i++) {
        items[i] = (struct item){.order = &order, .number = i};
        net_post(loop, item_note, &items[i]);
    }
    net_post(loop, loop_stop, loop);
    net_loop_run(loop);
    cr_assert_eq(order.count, 32);
    for (int i = 0; i < 32; i++)
        cr_assert_eq(order.seen[i], i);
    net_loop_destroy(loop);
}

Test(net_loop, a_stop_before_run_still_runs_what_was_posted)
{
    struct net_loop *loop = loop_make();
    struct order order = {.loop = loop};
    struct item item = {.order = &order, .number = 7};
    net_post(loop, item_note, &item);
    net_loop_stop(loop);
    net_loop_run(loop);
    cr_assert_eq(order.count, 1);
    net_loop_destroy(loop);
}

Test(net_loop, destroy_drops_what_never_ran)
{
    struct net_loop *loop = loop_make();
    struct order order = {.loop = loop};
    struct item item = {.order = &order};
    net_post(loop, item_note, &item);
    net_loop_destroy(loop);
    cr_assert_eq(order.count, 0);
}

struct crowd {
    struct net_loop *loop;
    int total;   /* loop thread only */
    int threads; /* still posting; loop thread only */
};

static void crowd_count(void *context)
{
    ((struct crowd *)context)->total++;
}

static void crowd_leave(void *context)
{
    struct crowd *crowd = context;
    if (--crowd->threads == 0)
        net_loop_stop(crowd->loop);
}

static void crowd_run(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < 1000; i++)
        net_post(crowd->loop, crowd_count, crowd);
    net_post(crowd->loop, crowd_leave, crowd);
}

Test(net_loop, takes_posts_from_many_threads)
{
    struct net_loop *loop = loop_make();
    struct crowd crowd = {.loop = loop, .threads = 3};
    struct thread threads[3];
    for (int i = 0; i < 3; i++)
        thread_start(&threads[i], "crowd", crowd_run, &crowd);
    net_loop_run(loop);
    for (int i = 0; i < 3; i++)
        thread_join(&threads[i]);
    cr_assert_eq(crowd.total, 3000);
    net_loop_destroy(loop);
}

struct work {
    struct net_job job; /* first */
    struct net_loop *loop;
    atomic_int *ran;
    int *done;
    int *skipped;
    int stop_at;
    atomic_bool *gate;
};

static void work_run(struct net_job *job)
{
    struct work *work = (struct work *)job;
    while (work->gate != NULL && !atomic_load(work->gate))
        (void)0;
    atomic_fetch_add(work->ran, 1);
}

static void work_done(struct net_job *job)
{
    struct work *work = (struct work *)job;
    if (job->run == NULL)
        ++*work->skipped;
    if (++*work->done == work->stop_at)
        net_loop_stop(work->loop);
}

Test(net_pool, runs_jobs_and_reports_on_the_loop)
{
    struct net_loop *loop = loop_make();
    struct net_pool *pool = net_pool_create(loop, "test", 2, 100);
    struct work works[50];
    atomic_int ran = 0;
    int done = 0;
    int skipped = 0;
    for (int i = 0; i < 50; i++) {
        works[i] = (struct work){.job = {.run = work_run, .done = work_done},
                                 .loop = loop,
                                 .ran = &ran,
                                 .done = &done,
                                 .skipped = &skipped,
                                 .stop_at = 50};
        cr_assert_eq(net_pool_submit(pool, &works[i].job, NULL), STATUS_OK);
    }
    net_loop_run(loop);
    cr_assert_eq(atomic_load(&ran), 50);
    cr_assert_eq(done, 50);
    cr_assert_eq(skipped, 0);
    net_pool_destroy(pool);
    net_loop_destroy(loop);
}

Test(net_pool, is_busy_when_full_and_tells_every_job_at_the_end)
{
    struct net_loop *loop = loop_make();
    struct net_pool *pool = net_pool_create(loop, "test", 1, 2);
    struct work works[4];
    struct error error = {0};
    atomic_int ran = 0;
    atomic_bool gate = false;
    int done = 0;
    int skipped = 0;
    int accepted = 0;
    for (int i = 0; i < 4; i++)
        works[i] = (struct work){.job = {.run = work_run, .done = work_done},
                                 .loop = loop,
                                 .ran = &ran,
                                 .done = &done,
                                 .skipped = &skipped,
                                 .stop_at = -1,
                                 .gate = &gate};
    /* The worker takes at most one job off the queue of two, so the fourth can't fit. */
    for (int i = 0; i < 4; i++) {
        enum status s = net_pool_submit(pool, &works[i].job, &error);
        accepted += s == STATUS_OK;
        if (s != STATUS_OK)
            cr_assert_eq(s, STATUS_BUSY);
    }
    cr_assert(accepted == 2 || accepted == 3);
    atomic_store(&gate, true);
    net_pool_destroy(pool);
    cr_assert_eq(done, accepted);
    cr_assert_eq(atomic_load(&ran) + skipped, accepted);
    net_loop_destroy(loop);
}
