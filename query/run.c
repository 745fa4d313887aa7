/*
 * run.c - deadlines, cancellation and memory accounting of one statement.
 */
#include "query/run.h"

#include <unistd.h>

#include "engine/base/clock.h"

#define THREADS_MAX          64u
#define DEFAULT_TIMEOUT_NS   (30 * NS_PER_S)
#define DEFAULT_MEMORY_BYTES (1ull << 30)
#define DEFAULT_ROWS         1000000u
#define DEFAULT_RESULT_BYTES (256ull << 20)

static uint32_t threads_wanted(uint32_t asked)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t all = cores < 1 ? 1 : (uint32_t)cores;
    uint32_t threads = asked == 0 ? all : asked;
    return threads > THREADS_MAX ? THREADS_MAX : threads;
}

void run_init(struct run *r, struct query_db *db, struct engine *engine,
              const struct query_options *o)
{
    *r = (struct run){
        .db = db,
        .engine = engine,
        .project = o->project,
        .threads = threads_wanted(o->threads),
        .now_ns = o->now_ns != 0 ? o->now_ns : clock_wall_ns(),
        .started_ns = clock_monotonic_ns(),
        .timeout_ns = o->timeout_ns != 0 ? o->timeout_ns : DEFAULT_TIMEOUT_NS,
        .memory_bytes_max = o->memory_bytes_max != 0 ? o->memory_bytes_max : DEFAULT_MEMORY_BYTES,
        .rows_max = o->rows_max != 0 ? o->rows_max : DEFAULT_ROWS,
        .result_bytes_max = o->result_bytes_max != 0 ? o->result_bytes_max : DEFAULT_RESULT_BYTES,
        .cancel = o->cancel,
    };
    mutex_init(&r->lock);
}

void run_deinit(struct run *r)
{
    mutex_deinit(&r->lock);
}

enum status run_check(struct run *r, struct error *reterr)
{
    if (r->cancel != NULL && atomic_load_explicit(r->cancel, memory_order_relaxed))
        return error_set(reterr, STATUS_CANCELLED, "cancelled by the user");
    if (clock_monotonic_ns() - r->started_ns > r->timeout_ns) {
        char limit[TIME_TEXT_BYTES];
        duration_to_text(r->timeout_ns, limit);
        return error_set(reterr, STATUS_TIMEOUT,
                         "the query took longer than its limit of %s; narrow the time range or "
                         "raise the query timeout",
                         limit);
    }
    return STATUS_OK;
}

enum status run_charge(struct run *r, uint64_t bytes, struct error *reterr)
{
    uint64_t before = atomic_fetch_add_explicit(&r->memory_bytes, bytes, memory_order_relaxed);
    if (bytes > r->memory_bytes_max || before > r->memory_bytes_max - bytes) {
        atomic_fetch_sub_explicit(&r->memory_bytes, bytes, memory_order_relaxed);
        return error_set(reterr, STATUS_LIMIT,
                         "the query needs more than its limit of %llu MiB of memory; narrow it or "
                         "raise the query memory limit",
                         (unsigned long long)(r->memory_bytes_max >> 20));
    }
    return STATUS_OK;
}

void run_discharge(struct run *r, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&r->memory_bytes, bytes, memory_order_relaxed);
}
