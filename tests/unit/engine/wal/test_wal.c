/*
 * test_wal.c - append, commit, reopen, release on every backend.
 */
#include "tests/unit/engine/wal/wal_testing.h"

#define SMALL_FILE ((uint64_t)64 << 10)

static void on_each_backend(void (*run)(struct io *io))
{
    for (enum backend b = BACKEND_SIM; b < BACKEND_COUNT; b++) {
        struct place p;
        if (!place_open(&p, b))
            continue;
        run(p.io);
        place_close(&p);
    }
}

static void run_reopen(struct io *io)
{
    struct seen seen;
    struct wal *w = log_open_ok(io, SMALL_FILE, 0, &seen);
    cr_assert(seen.count == 0);
    cr_assert(wal_durable(w) == 0);
    append_durably(w, 1);
    append_durably(w, 60);
    append_durably(w, 100);
    cr_assert(wal_durable(w) == 161);
    wal_close(w);

    w = log_open_ok(io, SMALL_FILE, 0, &seen);
    cr_assert(seen.first == 1 && seen.last == 161 && seen.count == 161);
    cr_assert(wal_last_seq(w) == 161);
    append_durably(w, 10);
    wal_close(w);

    w = log_open_ok(io, SMALL_FILE, 100, &seen);
    cr_assert(seen.first == 100 && seen.last == 171);
    wal_close(w);
}

Test(wal, records_come_back_in_order_after_reopening)
{
    on_each_backend(run_reopen);
}
