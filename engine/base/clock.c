/*
 * clock.c - the two clocks of the process, and the fake that tests put in their place.
 *
 * Threads: all functions may be called from any thread.
 */
#include "engine/base/clock.h"

#include <stdatomic.h>
#include <time.h>

#include "engine/base/check.h"

static _Atomic int64_t fake_ns;

static int64_t clock_read_ns(clockid_t id)
{
    int64_t fake = atomic_load_explicit(&fake_ns, memory_order_relaxed);
    if (fake != 0)
        return fake;
    struct timespec now;
    int failed = clock_gettime(id, &now);
    ASSERT(failed == 0);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

int64_t clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

void clock_fake(int64_t now_ns)
{
    atomic_store_explicit(&fake_ns, now_ns, memory_order_relaxed);
}
