/*
 * test_wal.c - append, commit, reopen, release on every backend.
 */
#include "tests/unit/engine/wal/wal_testing.h"

#include <poll.h>

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

struct names {
    unsigned count;
    uint64_t least;
    uint64_t most;
};

static void name_count(void *context, const char *name)
{
    struct names *names = context;
    uint64_t number = strtoull(name, NULL, 10);
    names->count++;
    if (names->least == 0 || number < names->least)
        names->least = number;
    if (number > names->most)
        names->most = number;
}

static struct names names_of(struct io *io)
{
    struct names names = {0};
    struct error e = {0};
    cr_assert(io_list(io, "wal", name_count, &names, &e) == STATUS_OK, "%s", e.text);
    return names;
}

/* Half a megabyte goes through a handful of 64 KiB files. */
static void run_recycle(struct io *io)
{
    struct seen seen;
    struct wal *w = log_open_ok(io, SMALL_FILE, 0, &seen);
    for (unsigned i = 0; i < 40; i++) {
        append_durably(w, 10);
        wal_release(w, wal_durable(w) - 3);
    }
    cr_assert(wal_last_seq(w) == 400);
    cr_assert(wal_stats(w).failures == 0);
    wal_close(w);
    struct names names = names_of(io);
    cr_assert(names.count <= 14, "%u files are left", names.count);
    cr_assert(names.most > names.count, "no file was reused: %u of %llu", names.count,
              (unsigned long long)names.most);

    w = log_open_ok(io, SMALL_FILE, 397, &seen);
    cr_assert(seen.first == 397 && seen.last == 400);
    append_durably(w, 5);
    wal_close(w);
    w = log_open_ok(io, SMALL_FILE, 397, &seen);
    cr_assert(seen.first == 397 && seen.last == 405);
    wal_close(w);
}

Test(wal, released_files_are_recycled_and_old_records_never_return)
{
    on_each_backend(run_recycle);
}

/* The last commit moves to a new file at each start, and the old one is used again. */
static void run_restarts(struct io *io)
{
    struct seen seen;
    struct wal *w = log_open_ok(io, SMALL_FILE, 0, &seen);
    append_durably(w, 30);
    wal_close(w);
    for (unsigned i = 0; i < 30; i++) {
        w = log_open_ok(io, SMALL_FILE, 0, &seen);
        cr_assert(seen.first == 1 && seen.last == 30 && seen.count == 30);
        (void)wal_pump(w);
        wal_close(w);
    }
    cr_assert(names_of(io).count <= 8, "%u files", names_of(io).count);
}

Test(wal, restarting_again_and_again_costs_no_files)
{
    on_each_backend(run_restarts);
}

/* Whatever the release point, the records from it on are there, those at a file's edge included. */
Test(wal, release_never_takes_the_record_it_names)
{
    for (uint64_t keep = 1; keep <= 120; keep++) {
        struct io *io = io_sim_create(1);
        struct seen seen;
        struct wal *w = log_open_ok(io, SMALL_FILE / 4, 0, &seen);
        for (unsigned i = 0; i < 30; i++)
            append_durably(w, 4);
        wal_release(w, keep);
        append_durably(w, 40);
        wal_release(w, keep);
        append_durably(w, 40);
        wal_close(w);
        w = log_open_ok(io, SMALL_FILE / 4, keep, &seen);
        cr_assert(seen.first == keep && seen.last == 200, "%llu", (unsigned long long)keep);
        wal_close(w);
        io_destroy(io);
    }
}

static void run_busy(struct io *io)
{
    struct wal_options options = {.file_bytes = SMALL_FILE, .pending_bytes_max = 20000};
    struct seen seen = {0};
    struct wal *w = NULL;
    struct error e = {0};
    cr_assert(wal_open(io, &options, 0, 0, seen_record, &seen, &w, NULL, &e) == STATUS_OK);
    enum status s = STATUS_OK;
    uint64_t taken = 0;
    while (taken < 1000 && (s = append_next(w, &e)) == STATUS_OK)
        taken++;
    cr_assert(s == STATUS_BUSY, "%s", status_name(s));
    cr_assert(strstr(e.text, "20000") != NULL, "%s", e.text);
    cr_assert(wal_last_seq(w) == taken);
    cr_assert(wal_wait(w, taken, 20 * NS_PER_S, &e) == STATUS_OK, "%s", e.text);
    cr_assert(append_next(w, &e) == STATUS_OK, "%s", e.text);
    wal_close(w);
}

Test(wal, append_is_refused_at_the_pending_limit_and_taken_again_later)
{
    on_each_backend(run_busy);
}

/* A single record may be above the pending limit, or it could never be written. */
Test(wal, one_record_above_the_pending_limit_is_taken)
{
    struct io *io = io_sim_create(1);
    struct wal_options options = {.file_bytes = SMALL_FILE, .pending_bytes_max = 10};
    struct seen seen = {0};
    struct wal *w = NULL;
    struct error e = {0};
    cr_assert(wal_open(io, &options, 0, 0, seen_record, &seen, &w, NULL, &e) == STATUS_OK);
    append_durably(w, 1);
    append_durably(w, 1);
    wal_close(w);
    io_destroy(io);
}

struct large {
    const uint8_t *bytes;
    size_t size;
    unsigned count;
};

static enum status large_check(void *context, const struct wal_record *record, struct error *reterr)
{
    (void)reterr;
    struct large *large = context;
    large->count += slice_equal(record->payload, slice_of(large->bytes, large->size));
    return STATUS_OK;
}

static void run_large(struct io *io)
{
    struct large large = {.size = WAL_PAYLOAD_BYTES_MAX};
    uint8_t *bytes = mem_alloc(large.size + 1);
    memset(bytes, 0x5a, large.size + 1);
    large.bytes = bytes;
    struct wal *w = NULL;
    struct error e = {0};
    uint64_t seq;
    struct slice part = slice_of(bytes, large.size);
    struct slice beyond = slice_of(bytes, large.size + 1);
    cr_assert(wal_open(io, NULL, 0, 0, large_check, &large, &w, NULL, &e) == STATUS_OK);
    cr_assert(wal_append(w, 1, 1, &beyond, 1, &seq, &e) == STATUS_LIMIT);
    cr_assert(wal_last_seq(w) == 0);
    cr_assert(wal_append(w, 1, 1, &part, 1, &seq, &e) == STATUS_OK, "%s", e.text);
    cr_assert(wal_wait(w, seq, 60 * NS_PER_S, &e) == STATUS_OK, "%s", e.text);
    wal_close(w);
    cr_assert(wal_open(io, NULL, 0, 0, large_check, &large, &w, NULL, &e) == STATUS_OK, "%s",
              e.text);
    cr_assert(large.count == 1);
    wal_close(w);
    mem_free(bytes);
}

Test(wal, the_largest_record_goes_through_and_one_byte_more_does_not)
{
    struct place p;
    cr_assert(place_open(&p, BACKEND_POSIX));
    run_large(p.io);
    place_close(&p);
}

Test(wal, parts_whose_sizes_overflow_are_refused)
{
    struct io *io = io_sim_create(1);
    struct seen seen;
    struct wal *w = log_open_ok(io, SMALL_FILE, 0, &seen);
    struct error e = {0};
    uint64_t seq;
    /* Never read: the sizes alone decide. */
    struct slice parts[] = {{(const uint8_t *)"x", SIZE_MAX}, {(const uint8_t *)"x", 2}};
    cr_assert(wal_append(w, 1, 1, parts, 2, &seq, &e) == STATUS_LIMIT);
    cr_assert(wal_append(w, 1, 1, parts, 0, &seq, &e) == STATUS_OK);
    cr_assert(seq == 1);
    wal_close(w);
    io_destroy(io);
}

/* Sequences go on where the caller says, and the gap is no hole. */
Test(wal, a_gap_in_the_sequence_made_at_opening_survives)
{
    struct io *io = io_sim_create(1);
    struct seen seen = {0};
    struct wal_options options = {.file_bytes = SMALL_FILE, .salt_seed = 5};
    struct wal *w = log_open_ok(io, SMALL_FILE, 0, &seen);
    struct error e = {0};
    append_durably(w, 5);
    wal_close(w);
    cr_assert(wal_open(io, &options, 3, 101, seen_record, &seen, &w, NULL, &e) == STATUS_OK);
    cr_assert(wal_durable(w) == 100);
    cr_assert(wal_last_seq(w) == 100);
    append_durably(w, 4);
    wal_close(w);
    w = log_open_ok(io, SMALL_FILE, 101, &seen);
    cr_assert(seen.first == 101 && seen.last == 104);
    wal_close(w);
    w = log_open_ok(io, SMALL_FILE, 200, &seen);
    cr_assert(seen.count == 0);
    cr_assert(wal_last_seq(w) == 199);
    wal_close(w);
    io_destroy(io);
}

static enum status record_refuse(void *context, const struct wal_record *record,
                                 struct error *reterr)
{
    (void)context;
    return record->seq == 3 ? error_set(reterr, STATUS_LIMIT, "no more") : STATUS_OK;
}

Test(wal, opening_ends_with_the_callers_error)
{
    struct io *io = io_sim_create(1);
    struct seen seen;
    struct wal *w = log_open_ok(io, SMALL_FILE, 0, &seen);
    struct error e = {0};
    append_durably(w, 5);
    wal_close(w);
    w = NULL;
    cr_assert(wal_open(io, NULL, 0, 0, record_refuse, NULL, &w, NULL, &e) == STATUS_LIMIT);
    cr_assert(strcmp(e.text, "no more") == 0);
    cr_assert(w == NULL);
    io_destroy(io);
}

Test(wal, a_log_file_size_above_the_limit_is_refused)
{
    struct io *io = io_sim_create(1);
    struct wal_options options = {.file_bytes = ((uint64_t)16 << 30) + 1};
    struct wal *w = NULL;
    struct error e = {0};
    cr_assert(wal_open(io, &options, 0, 0, seen_record, NULL, &w, NULL, &e) == STATUS_INVALID);
    io_destroy(io);
}

/* Everything submitted while a commit is in flight goes out as one commit. */
Test(wal, records_that_arrive_during_a_commit_share_the_next)
{
    struct io *io = io_sim_create(1);
    struct seen seen;
    struct wal *w = log_open_ok(io, (uint64_t)1 << 20, 0, &seen);
    struct error e = {0};
    cr_assert(append_next(w, &e) == STATUS_OK);
    cr_assert(wal_pump(w) == 0);
    for (unsigned i = 0; i < 50; i++)
        cr_assert(append_next(w, &e) == STATUS_OK);
    cr_assert(wal_pump(w) == 1);
    cr_assert(wal_pump(w) == 51);
    cr_assert(wal_stats(w).commits == 2);
    wal_close(w);
    io_destroy(io);
}

static void run_event(struct io *io)
{
    struct seen seen;
    struct wal *w = log_open_ok(io, SMALL_FILE, 0, &seen);
    struct error e = {0};
    cr_assert(append_next(w, &e) == STATUS_OK);
    /* Only ever pumped when the descriptor says so, as the event loop does. */
    (void)wal_pump(w);
    for (unsigned i = 0; wal_durable(w) == 0 && i < 1000; i++) {
        struct pollfd ready = {.fd = wal_event_fd(w), .events = POLLIN};
        cr_assert(poll(&ready, 1, 20000) == 1);
        (void)wal_pump(w);
    }
    cr_assert(wal_durable(w) == 1);
    wal_close(w);
}

Test(wal, the_event_descriptor_tells_when_to_pump)
{
    for (enum backend b = BACKEND_POSIX; b < BACKEND_COUNT; b++) {
        struct place p;
        if (!place_open(&p, b))
            continue;
        run_event(p.io);
        place_close(&p);
    }
}

/* The bytes and the answers are the same whichever backend wrote them. */
Test(wal, a_log_written_by_one_backend_is_read_by_the_other)
{
    struct place p;
    if (!place_open(&p, BACKEND_URING))
        cr_skip_test();
    struct seen seen;
    struct wal *w = log_open_ok(p.io, SMALL_FILE, 0, &seen);
    append_durably(w, 30);
    wal_close(w);
    struct io *posix = NULL;
    struct error e = {0};
    cr_assert(io_create(p.root, "posix", &posix, NULL, &e) == STATUS_OK);
    w = log_open_ok(posix, SMALL_FILE, 0, &seen);
    cr_assert(seen.last == 30);
    append_durably(w, 30);
    wal_close(w);
    io_destroy(posix);
    w = log_open_ok(p.io, SMALL_FILE, 0, &seen);
    cr_assert(seen.last == 60);
    wal_close(w);
    place_close(&p);
}
