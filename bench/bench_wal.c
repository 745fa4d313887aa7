/*
 * bench_wal.c - how fast the log makes records durable.
 *
 * Usage:    bench_wal [--dir DIR] [--seconds S] [--fresh]
 *           Prints, a backend and record size each: MB/s, records/s and commits/s with the queue kept full, then
 *           p50/p99/max of one record at a time. --fresh never releases, so every file is new.
 * Expect:   with the queue full a commit is one chunk of 2 MiB. Copying a record (one memcpy, ~8 GB/s) and
 *           hashing the chunk (XXH3, ~10 GB/s or more) cost 2 MiB / 8 GB/s + 2 MiB / 10 GB/s = 0.45 ms of CPU, while the
 *           disk takes 2 MiB / D for its bandwidth D plus one flush. The next chunk is filled meanwhile, so the
 *           log runs at about 2 MiB / max(0.45 ms, 2 MiB / D + flush): at D = 2 GB/s and a flush of 0.1 ms
 *           that is 1.8 GB/s, some 860 commits/s.
 *           One record at a time costs one 4 KiB write and one flush: 0.1 to 0.3 ms on a disk that is not
 *           busy, so p50 well below 1 ms.
 *           Fresh files are zeroed before they are used: every byte is written twice, about half the speed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/memory.h"
#include "engine/wal/wal.h"

#define LATENCY_SAMPLES 2000u
#define PENDING_BYTES   ((uint64_t)16 << 20)
#define RELEASE_BYTES   ((uint64_t)192 << 20)

struct bench {
    const char *backend;
    double seconds;
    bool is_fresh;
    struct io *io;
    struct wal *wal;
};

static void die(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "bench_wal: %s: %s\n", what, e->text);
    exit(1);
}

static enum status record_ignore(void *context, const struct wal_record *record,
                                 struct error *reterr)
{
    (void)context;
    (void)record;
    (void)reterr;
    return STATUS_OK;
}

static void log_open(struct bench *b, uint64_t from_seq)
{
    struct error e = {0};
    struct wal_options options = {.pending_bytes_max = PENDING_BYTES};
    if (wal_open(b->io, &options, from_seq, 0, record_ignore, NULL, &b->wal, NULL, &e) < 0)
        die("open", &e);
}

static void wait_all(struct bench *b)
{
    struct error e = {0};
    if (wal_wait(b->wal, wal_last_seq(b->wal), 60 * NS_PER_S, &e) < 0)
        die("wait", &e);
}

/* Keeps the queue full for the given time. */
static void throughput(struct bench *b, const uint8_t *payload, size_t size)
{
    struct error e = {0};
    struct slice part = slice_of(payload, size);
    struct wal_stats before = wal_stats(b->wal);
    uint64_t first = wal_last_seq(b->wal);
    uint64_t release_step = RELEASE_BYTES / size + 1;
    uint64_t release_next = first + release_step;
    int64_t start_ns = clock_monotonic_ns();
    int64_t until_ns = start_ns + (int64_t)(b->seconds * 1e9);
    uint64_t appended = 0;
    while (clock_monotonic_ns() < until_ns) {
        uint64_t seq;
        enum status s = STATUS_OK;
        for (unsigned i = 0; i < 64 && s == STATUS_OK; i++) {
            s = wal_append(b->wal, 1, 1, &part, 1, &seq, &e);
            appended += s == STATUS_OK;
        }
        uint64_t durable = wal_pump(b->wal);
        if (s == STATUS_BUSY && wal_wait(b->wal, durable + 1, 10 * NS_PER_S, &e) < 0)
            die("wait", &e);
        else if (s != STATUS_OK && s != STATUS_BUSY)
            die("append", &e);
        if (!b->is_fresh && durable >= release_next) {
            wal_release(b->wal, durable);
            release_next = durable + release_step;
        }
    }
    wait_all(b);
    double took = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    struct wal_stats after = wal_stats(b->wal);
    printf("%-9s %8zu B  %8.0f MB/s  %9.0f records/s  %6.0f commits/s", b->backend, size,
           (double)appended * (double)size / 1e6 / took, (double)appended / took,
           (double)(after.commits - before.commits) / took);
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void latency(struct bench *b, const uint8_t *payload, size_t size)
{
    struct error e = {0};
    struct slice part = slice_of(payload, size);
    int64_t *took = mem_zero(LATENCY_SAMPLES, sizeof *took);
    unsigned count = 0;
    int64_t until_ns = clock_monotonic_ns() + (int64_t)(b->seconds * 1e9);
    while (count < LATENCY_SAMPLES && clock_monotonic_ns() < until_ns) {
        uint64_t seq;
        int64_t start_ns = clock_monotonic_ns();
        if (wal_append(b->wal, 1, 1, &part, 1, &seq, &e) < 0 ||
            wal_wait(b->wal, seq, 10 * NS_PER_S, &e) < 0)
            die("append", &e);
        took[count++] = clock_monotonic_ns() - start_ns;
    }
    qsort(took, count, sizeof *took, compare);
    printf("   alone: p50 %6.3f p99 %6.3f max %7.3f ms\n", (double)took[count / 2] / 1e6,
           (double)took[(uint64_t)count * 99 / 100] / 1e6, (double)took[count - 1] / 1e6);
    mem_free(took);
}

static void backend_run(struct bench *b, const char *dir)
{
    static const size_t sizes[] = {256, 4096, 65536, 1048576};
    struct error e = {0};
    char root[512];
    char command[600];
    (void)snprintf(root, sizeof root, "%s/bench-wal-XXXXXX", dir);
    if (mkdtemp(root) == NULL) {
        perror("bench_wal: mkdtemp");
        exit(1);
    }
    if (io_create(root, b->backend, &b->io, NULL, &e) < 0) {
        printf("%-9s skipped: %s\n", b->backend, e.text);
        (void)rmdir(root);
        return;
    }
    uint8_t *payload = mem_alloc(sizes[3]);
    memset(payload, 0x5a, sizes[3]);
    uint64_t from_seq = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        log_open(b, from_seq);
        throughput(b, payload, sizes[i]);
        latency(b, payload, sizes[i]);
        from_seq = wal_last_seq(b->wal);
        wal_close(b->wal);
    }
    int64_t start_ns = clock_monotonic_ns();
    log_open(b, from_seq);
    printf("%-9s reopening with %llu files: %.1f ms\n", b->backend,
           (unsigned long long)wal_stats(b->wal).files,
           (double)(clock_monotonic_ns() - start_ns) / 1e6);
    wal_close(b->wal);
    mem_free(payload);
    io_destroy(b->io);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (system(command) != 0)
        (void)fprintf(stderr, "bench_wal: %s is left\n", root);
}

int main(int argc, char **argv)
{
    struct bench b = {.seconds = 1.0};
    const char *dir = "/tmp";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
            dir = argv[++i];
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            b.seconds = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--fresh") == 0)
            b.is_fresh = true;
    }
    static const char *const backends[] = {"uring", "posix"};
    for (size_t i = 0; i < 2; i++) {
        b.backend = backends[i];
        backend_run(&b, dir);
    }
    return 0;
}
