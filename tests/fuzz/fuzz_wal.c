/*
 * fuzz_wal.c - log files of any bytes: replay and verify end, with an error or with records that lie inside.
 *
 * Input: a byte of choices, then the bytes of one or two files. With choice 1 replay believes checksums, so that
 *        what lies behind them is reached too; with choice 2 the header's checksum of each block that looks like a
 *        commit is made right first.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/memory.h"
#include "engine/wal/wal_replay.h"

#define INPUT_BYTES_MAX ((size_t)256 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void file_store(struct io *io, uint64_t number, const uint8_t *bytes, size_t size)
{
    char path[WAL_PATH_BYTES];
    struct io_file *file = NULL;
    wal_path(number, path);
    if (io_open(io, path, IO_WRITE | IO_CREATE, &file, NULL) < 0 ||
        io_write(file, 0, bytes, size, NULL) < 0)
        abort();
    io_close(file);
}

static void checksums_mend(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + IO_ALIGN <= size; at += IO_ALIGN) {
        uint32_t magic;
        memcpy(&magic, bytes + at, sizeof magic);
        if (magic != WAL_MAGIC)
            continue;
        uint64_t checksum = hash64(slice_of(bytes + at, WAL_FRAME_HEADER_BYTES - 8));
        memcpy(bytes + at + WAL_FRAME_HEADER_BYTES - 8, &checksum, sizeof checksum);
    }
}

struct sink {
    uint64_t last_seq;
    uint64_t bytes;
};

static enum status record_touch(void *context, const struct wal_record *record,
                                struct error *reterr)
{
    (void)reterr;
    struct sink *sink = context;
    if (record->seq <= sink->last_seq)
        abort();
    sink->last_seq = record->seq;
    sink->bytes += record->payload.size + hash64(record->payload) % 2;
    return STATUS_OK;
}

static void finding_ignore(void *context, const char *path, uint64_t offset, const char *text)
{
    (void)context;
    (void)path;
    (void)offset;
    (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_BYTES_MAX)
        return 0;
    uint8_t choices = data[0];
    struct buffer bytes = {0};
    buffer_add(&bytes, data + 1, size - 1);
    if ((choices & 2) != 0)
        checksums_mend(bytes.data, bytes.size);
    size_t first = bytes.size;
    if ((choices & 4) != 0)
        first = bytes.size / 2 / IO_ALIGN * IO_ALIGN;

    struct io *io = io_sim_create(1);
    struct error e = {0};
    if (io_make_dir(io, "wal", &e) < 0)
        abort();
    file_store(io, 1, bytes.data, first);
    file_store(io, 2, bytes.data + first, bytes.size - first);
    struct sink sink = {0};
    struct wal_replay replay = {.io = io,
                                .from_seq = choices >> 4,
                                .trust = (choices & 1) != 0,
                                .each = record_touch,
                                .context = &sink};
    struct wal_log log = {0};
    enum status s = wal_replay_run(&replay, &log, &e);
    if (s != STATUS_OK && s != STATUS_CORRUPT)
        abort();
    wal_log_deinit(&log);
    uint64_t records = 0;
    if (wal_verify(io, finding_ignore, NULL, &records, &e) < 0)
        abort();
    io_destroy(io);
    buffer_deinit(&bytes);
    return 0;
}
