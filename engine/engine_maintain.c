/*
 * engine_maintain.c - the background: when to seal, merge and retain, and the watch over free space.
 *
 * Threads:   one does everything; a merge seals from its throttle (engine_compact.c), so that ingest never waits
 *            for a merge. With two, the second merges and retains.
 * Idle:      sleeps on a condition; wakes once a second to look at ages and free space.
 */
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/engine_internal.h"

#define TICK_NS       NS_PER_S
#define SEAL_RETRY_NS (5 * NS_PER_S)
#define RESERVE_PATH  "reserve"
#define RESERVE_CHUNK ((size_t)1 << 20)

void maintenance_wake(struct engine *e, bool seal)
{
    mutex_lock(&e->wake_lock);
    e->seal_wanted |= seal;
    condition_broadcast(&e->wake);
    mutex_unlock(&e->wake_lock);
}

bool maintenance_stopping(struct engine *e)
{
    mutex_lock(&e->wake_lock);
    bool stopping = e->stopping;
    mutex_unlock(&e->wake_lock);
    return stopping;
}

/* ---- free space ---- */

/* Ballast that can be let go of when the disk is full, so that sealing and retention have room to work. */
static void reserve_make(struct engine *e)
{
    struct io_file *file;
    uint64_t size = 0;
    if (io_open(e->io, RESERVE_PATH, IO_READ | IO_WRITE | IO_CREATE, &file, NULL) < 0)
        return;
    void *zeros = mem_zero(1, RESERVE_CHUNK);
    enum status s = io_size(file, &size, NULL);
    while (s >= 0 && size < e->options.reserve_bytes) {
        uint64_t left = e->options.reserve_bytes - size;
        size_t some = left < RESERVE_CHUNK ? (size_t)left : RESERVE_CHUNK;
        s = io_write(file, size, zeros, some, NULL);
        size += some;
    }
    if (s >= 0)
        s = io_sync(file, NULL);
    io_close(file);
    mem_free(zeros);
    if (s < 0)
        (void)!io_unlink(e->io, RESERVE_PATH, NULL);
    e->reserve_made = s >= 0;
}

static void reserve_drop(struct engine *e)
{
    if (!e->reserve_made)
        return;
    e->reserve_made = false;
    (void)!io_unlink(e->io, RESERVE_PATH, NULL);
    engine_log(e, "warn",
               "the disk is nearly full: the reserve was released, nothing is taken in "
               "until there is room");
}

/* Low: less free than the reserve holds. Well again: twice the reserve on top of what it needs itself. */
void engine_check_disk(struct engine *e)
{
    uint64_t free_bytes, total_bytes;
    uint64_t reserve = e->options.reserve_bytes;
    if (reserve == 0 || io_space(e->io, &free_bytes, &total_bytes, NULL) < 0)
        return;
    mutex_lock(&e->write_lock);
    bool was_low = e->disk_low;
    const struct error *stalled = wal_stalled(e->wal);
    bool full = stalled != NULL && stalled->status == STATUS_FULL;
    if (free_bytes < reserve || full) {
        e->disk_low = true;
        (void)snprintf(e->disk_reason, sizeof e->disk_reason,
                       "the disk is full: %llu bytes are free, %llu are kept for recovery",
                       (unsigned long long)free_bytes, (unsigned long long)reserve);
    } else if (free_bytes > 3 * reserve) {
        e->disk_low = false;
    }
    bool low = e->disk_low;
    mutex_unlock(&e->write_lock);
    if (low) {
        reserve_drop(e);
        return;
    }
    if (was_low)
        engine_log(e, "info", "there is room on the disk again");
    if (!e->reserve_made)
        reserve_make(e);
}

/* ---- what is due ---- */

static bool seal_is_due(struct engine *e)
{
    mutex_lock(&e->write_lock);
    bool due = e->head_bytes >= e->options.head_bytes_max;
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++)
        due |= e->projects[i]->head_rows >= e->options.head_rows_max;
    due |= e->unsealed_since_ns != 0 &&
           clock_monotonic_ns() - e->unsealed_since_ns >= e->options.head_age_ns_max;
    mutex_unlock(&e->write_lock);
    return due;
}

void seal_if_due(struct engine *e)
{
    struct error error = {0};
    if (!seal_is_due(e) || clock_monotonic_ns() < e->seal_retry_ns)
        return;
    if (engine_seal(e, &error) >= 0)
        return;
    e->seal_retry_ns = clock_monotonic_ns() + SEAL_RETRY_NS;
    engine_log(e, "error", "seal: %s", error.text);
}

static void merge_if_due(struct engine *e, int64_t *next_ns)
{
    struct error error = {0};
    struct compact_result result;
    if (clock_monotonic_ns() < *next_ns)
        return;
    if (compact_background(e, &result, &error) < 0 && !maintenance_stopping(e))
        engine_log(e, "error", "compaction: %s", error.text);
    *next_ns = clock_monotonic_ns() + e->options.compact_every_ns;
}

static void retain_if_due(struct engine *e, int64_t *next_ns)
{
    struct error error = {0};
    struct retain_result result;
    const struct retention *r = &e->options.retention;
    if (clock_monotonic_ns() < *next_ns ||
        (r->rows_age_ns == 0 && r->text_age_ns == 0 && r->bytes_max == 0))
        return;
    if (retain_background(e, &result, &error) < 0)
        engine_log(e, "error", "retention: %s", error.text);
    *next_ns = clock_monotonic_ns() + e->options.retain_every_ns;
}

/* False when it is time to stop. */
static bool tick_wait(struct engine *e)
{
    mutex_lock(&e->wake_lock);
    if (!e->stopping && !e->seal_wanted)
        (void)condition_wait_ns(&e->wake, &e->wake_lock, TICK_NS);
    e->seal_wanted = false;
    bool go_on = !e->stopping;
    mutex_unlock(&e->wake_lock);
    return go_on;
}

static void run_seals(void *context)
{
    struct engine *e = context;
    int64_t compact_ns = clock_monotonic_ns() + e->options.compact_every_ns;
    int64_t retain_ns = clock_monotonic_ns() + TICK_NS;
    do {
        engine_check_disk(e);
        seal_if_due(e);
        if (e->thread_count > 1)
            continue;
        merge_if_due(e, &compact_ns);
        retain_if_due(e, &retain_ns);
    } while (tick_wait(e));
}

static void run_merges(void *context)
{
    struct engine *e = context;
    int64_t compact_ns = clock_monotonic_ns() + e->options.compact_every_ns;
    int64_t retain_ns = clock_monotonic_ns() + TICK_NS;
    for (bool go_on = true; go_on;) {
        mutex_lock(&e->wake_lock);
        if (!e->stopping)
            (void)condition_wait_ns(&e->wake, &e->wake_lock, TICK_NS);
        go_on = !e->stopping;
        mutex_unlock(&e->wake_lock);
        if (go_on) {
            merge_if_due(e, &compact_ns);
            retain_if_due(e, &retain_ns);
        }
    }
}

void maintenance_start(struct engine *e)
{
    e->thread_count = e->options.maintenance_threads;
    if (e->thread_count > 0)
        thread_start(&e->threads[0], "seal", run_seals, e);
    if (e->thread_count > 1)
        thread_start(&e->threads[1], "merge", run_merges, e);
}

void maintenance_stop(struct engine *e)
{
    mutex_lock(&e->wake_lock);
    e->stopping = true;
    condition_broadcast(&e->wake);
    mutex_unlock(&e->wake_lock);
    mutex_lock(&e->state_lock);
    condition_broadcast(&e->published);
    mutex_unlock(&e->state_lock);
    for (uint32_t i = 0; i < e->thread_count; i++)
        thread_join(&e->threads[i]);
    e->thread_count = 0;
}
