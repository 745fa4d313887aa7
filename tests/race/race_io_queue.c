/*
 * race_io_queue.c - the posix queue's thread, wakes from other threads, and a log with its file maker, under
 * ThreadSanitizer. Exits nonzero when a completion is lost or a record is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/memory.h"
#include "engine/base/thread.h"
#include "engine/wal/wal.h"

#define REQUESTS 400u
#define DEPTH    16u
#define RECORDS  1500u

static void fail(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "race_io_queue: %s: %s\n", what, e->text);
    exit(1);
}

struct waker {
    struct thread thread;
    struct io_queue *queue;
    struct mutex mutex;
    bool quit;
};

static void waker_run(void *context)
{
    struct waker *w = context;
    for (;;) {
        mutex_lock(&w->mutex);
        bool quit = w->quit;
        mutex_unlock(&w->mutex);
        if (quit)
            return;
        io_queue_wake(w->queue);
        (void)usleep(200);
    }
}

/* A full queue, polled with and without waiting, while another thread wakes it. */
static void queue_race(struct io *io)
{
    struct error e = {0};
    struct io_file *file = NULL;
    struct io_queue *q = NULL;
    if (io_open(io, "race", IO_READ | IO_WRITE | IO_CREATE, &file, &e) < 0)
        fail("open", &e);
    if (io_queue_create(io, &q, &e) < 0)
        fail("queue", &e);
    struct waker waker = {.queue = q};
    mutex_init(&waker.mutex);
    thread_start(&waker.thread, "waker", waker_run, &waker);

    uint64_t block[DEPTH][64];
    bool is_done[REQUESTS] = {false};
    unsigned submitted = 0;
    unsigned done = 0;
    while (done < REQUESTS) {
        while (submitted < REQUESTS && submitted - done < DEPTH) {
            uint64_t *slot = block[submitted % DEPTH];
            for (unsigned i = 0; i < 64; i++)
                slot[i] = submitted;
            /* In order in this backend, so a slot is free when the requests before are done. */
            if (io_queue_write_sync(q, file, (uint64_t)submitted * sizeof block[0], slot,
                                    sizeof block[0], submitted, &e) < 0)
                fail("write", &e);
            submitted++;
        }
        struct io_completion completions[4];
        int count = io_queue_poll(q, completions, 4, done % 3 == 0 ? 0 : -1);
        for (int i = 0; i < count; i++) {
            if (completions[i].status != STATUS_OK || is_done[completions[i].tag]) {
                (void)fprintf(stderr, "race_io_queue: a completion is wrong\n");
                exit(1);
            }
            is_done[completions[i].tag] = true;
            done++;
        }
    }
    mutex_lock(&waker.mutex);
    waker.quit = true;
    mutex_unlock(&waker.mutex);
    thread_join(&waker.thread);
    mutex_deinit(&waker.mutex);
    io_queue_destroy(q);
    io_close(file);
}

struct reader {
    struct thread thread;
    struct wal *wal;
    uint64_t last;
    bool went_back;
};

/* Any thread may read how far the log is durable. */
static void reader_run(void *context)
{
    struct reader *r = context;
    while (r->last < RECORDS) {
        uint64_t durable = wal_durable(r->wal);
        r->went_back |= durable < r->last;
        r->last = durable;
        (void)usleep(50);
    }
}

static enum status record_count(void *context, const struct wal_record *record,
                                struct error *reterr)
{
    (void)record;
    (void)reterr;
    (*(unsigned *)context)++;
    return STATUS_OK;
}

static struct wal *log_open(struct io *io, uint64_t from_seq, unsigned *count)
{
    struct error e = {0};
    struct wal *w = NULL;
    struct wal_options options = {.file_bytes = 128 << 10};
    *count = 0;
    if (wal_open(io, &options, from_seq, 0, record_count, count, &w, NULL, &e) < 0)
        fail("log", &e);
    return w;
}

/* Small files, so that the maker works all the time: makes, recycles, removes. */
static void log_race(struct io *io)
{
    static const uint8_t payload[3000];
    struct error e = {0};
    unsigned count = 0;
    struct wal *w = log_open(io, 0, &count);
    struct reader reader = {.wal = w};
    thread_start(&reader.thread, "reader", reader_run, &reader);
    for (unsigned i = 0; i < RECORDS; i++) {
        struct slice part = slice_of(payload, i % sizeof payload);
        uint64_t seq;
        if (wal_append(w, 1, 1, &part, 1, &seq, &e) < 0)
            fail("append", &e);
        uint64_t durable = wal_pump(w);
        if (i % 50 == 49 && wal_wait(w, seq, 20 * NS_PER_S, &e) < 0)
            fail("wait", &e);
        if (i % 100 == 99)
            wal_release(w, durable);
    }
    thread_join(&reader.thread);
    if (reader.went_back) {
        (void)fprintf(stderr, "race_io_queue: durable went back\n");
        exit(1);
    }
    wal_close(w);
    w = log_open(io, RECORDS - 9, &count);
    if (count != 10 || wal_last_seq(w) != RECORDS) {
        (void)fprintf(stderr, "race_io_queue: %u records came back\n", count);
        exit(1);
    }
    wal_close(w);
}

int main(void)
{
    static const char *const backends[] = {"posix", "auto"};
    for (unsigned i = 0; i < 2; i++) {
        char root[] = "/tmp/driftline-race-XXXXXX";
        char command[64];
        struct error e = {0};
        struct io *io = NULL;
        if (mkdtemp(root) == NULL || io_create(root, backends[i], &io, NULL, &e) < 0)
            fail("create", &e);
        if (i == 0)
            queue_race(io);
        log_race(io);
        io_destroy(io);
        (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
        if (system(command) != 0)
            return 1;
    }
    printf("race_io_queue: ok\n");
    return 0;
}
