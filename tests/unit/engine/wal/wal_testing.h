/*
 * wal_testing.h - a log on a temporary directory or on the simulated disk, for the tests beside it.
 */
#ifndef DRIFTLINE_WAL_TESTING_H
#define DRIFTLINE_WAL_TESTING_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/wal/wal.h"
#include "engine/wal/wal_format.h"

enum backend {
    BACKEND_SIM,
    BACKEND_POSIX,
    BACKEND_URING,
    BACKEND_COUNT,
};

struct place {
    struct io *io;
    char root[64];
};

/* False, with a message, when this machine refuses the ring. */
static inline bool place_open(struct place *p, enum backend backend)
{
    struct error e = {0};
    if (backend == BACKEND_SIM) {
        p->root[0] = '\0';
        p->io = io_sim_create(1);
        return true;
    }
    (void)snprintf(p->root, sizeof p->root, "/tmp/driftline-test-XXXXXX");
    cr_assert(mkdtemp(p->root) != NULL);
    const char *name = backend == BACKEND_URING ? "uring" : "posix";
    if (io_create(p->root, name, &p->io, NULL, &e) == STATUS_OK)
        return true;
    cr_assert(backend == BACKEND_URING, "%s", e.text);
    cr_log_warn("skipped, the ring is refused here: %s", e.text);
    (void)rmdir(p->root);
    return false;
}

static inline void place_close(struct place *p)
{
    io_destroy(p->io);
    if (p->root[0] == '\0')
        return;
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", p->root);
    cr_assert(system(command) == 0);
}

/* The payload of record seq: its length and bytes follow from the number alone. */
static inline size_t payload_bytes_of(uint64_t seq)
{
    return (size_t)(hash_mix(seq) % 3000) + (seq % 7 == 0 ? 9000 : 0);
}

static inline void payload_fill(uint64_t seq, uint8_t *to, size_t size)
{
    struct rng r;
    rng_init(&r, seq);
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)rng_u64(&r);
}

/* What replay handed out. */
struct seen {
    uint64_t first;
    uint64_t last;
    uint64_t count;
    bool is_wrong; /* a gap, or a payload that nobody wrote */
};

static inline enum status seen_record(void *context, const struct wal_record *record,
                                      struct error *reterr)
{
    (void)reterr;
    struct seen *seen = context;
    if (seen->count++ == 0)
        seen->first = record->seq;
    else if (record->seq != seen->last + 1)
        seen->is_wrong = true;
    seen->last = record->seq;
    size_t size = payload_bytes_of(record->seq);
    uint8_t *expected = mem_alloc(size);
    payload_fill(record->seq, expected, size);
    if (record->type != record->seq % 5 || record->project != record->seq % 3 ||
        !slice_equal(record->payload, slice_of(expected, size)))
        seen->is_wrong = true;
    mem_free(expected);
    return STATUS_OK;
}

static inline enum status append_next(struct wal *w, struct error *reterr)
{
    uint64_t seq = wal_last_seq(w) + 1;
    size_t size = payload_bytes_of(seq);
    uint8_t *payload = mem_alloc(size);
    payload_fill(seq, payload, size);
    size_t cut = size / 3;
    struct slice parts[] = {slice_of(payload, cut), SLICE_EMPTY,
                            slice_of(payload + cut, size - cut)};
    uint64_t given = 0;
    enum status s =
        wal_append(w, (uint8_t)(seq % 5), (uint32_t)(seq % 3), parts, 3, &given, reterr);
    mem_free(payload);
    cr_assert(s < 0 || given == seq);
    return s;
}

static inline void append_durably(struct wal *w, uint64_t count)
{
    struct error e = {0};
    for (uint64_t i = 0; i < count; i++)
        cr_assert(append_next(w, &e) == STATUS_OK, "%s", e.text);
    cr_assert(wal_wait(w, wal_last_seq(w), 20 * NS_PER_S, &e) == STATUS_OK, "%s", e.text);
}

static inline enum status log_open(struct io *io, uint64_t file_bytes, uint64_t from_seq,
                                   struct wal **ret, struct seen *seen,
                                   struct wal_recovery *recovery, struct error *reterr)
{
    struct wal_options options = {.file_bytes = file_bytes, .salt_seed = 77};
    *seen = (struct seen){0};
    return wal_open(io, &options, from_seq, 0, seen_record, seen, ret, recovery, reterr);
}

static inline struct wal *log_open_ok(struct io *io, uint64_t file_bytes, uint64_t from_seq,
                                      struct seen *seen)
{
    struct error e = {0};
    struct wal *w = NULL;
    struct wal_recovery recovery;
    cr_assert(log_open(io, file_bytes, from_seq, &w, seen, &recovery, &e) == STATUS_OK, "%s",
              e.text);
    cr_assert(seen->is_wrong == false);
    cr_assert(recovery.records == seen->count);
    return w;
}

#endif
