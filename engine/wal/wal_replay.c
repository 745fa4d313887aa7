/*
 * wal_replay.c - hands out the records of all log files in order, and tells damage from a torn tail.
 *
 * Place:     wal_reader.c -> [here] -> wal_open | wal_verify
 * Format:    FORMAT.md 4.3
 * Rule:      one commit is in flight at a time, so a commit that is whole proves that every earlier one
 *            was durable. Bytes that are no commit are therefore damage when a whole commit comes
 *            after them, and otherwise the torn last commit, which nobody was told of. The first
 *            frame of a file names the record before it: what it names must have been found in the
 *            earlier files, and what they hold beyond it is void (a commit whose sync failed and
 *            that was written again to the next file).
 * Invariant: records are handed out with rising sequence, none twice.
 */
#include "engine/wal/wal_replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"

#define FILES_MAX 100000u

void wal_log_deinit(struct wal_log *log)
{
    mem_free(log->files);
    *log = (struct wal_log){0};
}

/* --- the list of files ------------------------------------------------------------------------ */

static void file_found(void *context, const char *name)
{
    struct wal_log *log = context;
    uint64_t number;
    if (!wal_name_parse(name, &number) || log->count > FILES_MAX)
        return;
    log->files = mem_grow(log->files, &log->capacity, log->count + 1, sizeof *log->files);
    log->files[log->count++] = (struct wal_log_file){.number = number};
}

static int file_compare(const void *a, const void *b)
{
    uint64_t left = ((const struct wal_log_file *)a)->number;
    uint64_t right = ((const struct wal_log_file *)b)->number;
    return (left > right) - (left < right);
}

static enum status files_list(const struct wal_replay *replay, struct wal_log *log,
                              struct error *reterr)
{
    enum status s;
    if (replay->sync_names && (s = io_sync_dir(replay->io, "wal", reterr)) < 0)
        return s;
    if ((s = io_list(replay->io, "wal", file_found, log, reterr)) < 0)
        return s;
    if (log->count > FILES_MAX)
        return error_set(reterr, STATUS_LIMIT, "wal: more than %u files", FILES_MAX);
    if (log->count != 0)
        qsort(log->files, log->count, sizeof *log->files, file_compare);
    return STATUS_OK;
}

static enum status files_look(const struct wal_replay *replay, struct wal_log *log,
                              struct error *reterr)
{
    for (size_t i = 0; i < log->count; i++) {
        struct wal_log_file *file = &log->files[i];
        struct wal_reader r;
        enum status s = wal_reader_open(replay->io, file->number, replay->trust, &r, reterr);
        if (s < 0)
            return s;
        file->size = r.size;
        file->is_begun = r.is_begun;
        file->previous_seq = r.is_begun ? r.first.previous_seq : 0;
        wal_reader_close(&r);
    }
    return STATUS_OK;
}

/* The next begun file after `at`, or count. */
static size_t begun_after(const struct wal_log *log, size_t at)
{
    do
        at++;
    while (at < log->count && !log->files[at].is_begun);
    return at;
}

/* --- one file --------------------------------------------------------------------------------- */

struct walk {
    const struct wal_replay *replay;
    struct wal_log *log;
    struct wal_reader reader;
    uint64_t last_seq; /* of the last record seen; the records up to it are there */
    uint64_t bound;    /* records above it are void in this file */
    bool is_last;      /* no later file is begun */
};

static enum status damage(const struct wal_replay *replay, const char *path, uint64_t offset,
                          const char *text, struct error *reterr)
{
    if (replay->finding == NULL)
        return corrupt(reterr, path, offset, "%s", text);
    replay->finding(replay->context, path, offset, text);
    return STATUS_OK;
}

static enum status frame_records(struct walk *w, const struct wal_frame *frame, struct slice behind,
                                 struct error *reterr)
{
    const struct wal_replay *replay = w->replay;
    struct wal_records records = wal_frame_records(frame, behind);
    struct wal_record record;
    enum status s;
    while ((s = wal_records_next(&records, &record)) == STATUS_OK) {
        if (record.seq > w->bound)
            return STATUS_OK;
        if (record.seq >= replay->from_seq &&
            (s = replay->each(replay->context, &record, reterr)) < 0)
            return s;
        w->last_seq = record.seq;
        w->log->last_number = frame->number;
        w->log->last_offset = frame->offset;
    }
    if (s == STATUS_CORRUPT)
        return damage(replay, w->reader.path, frame->offset,
                      "a commit with good checksums has malformed records", reterr);
    return STATUS_OK;
}

/* No whole commit stands at `offset`. *ret_next is where to go on, or the file's size. */
static enum status chain_ended(struct walk *w, uint64_t offset, uint64_t *ret_next,
                               struct error *reterr)
{
    struct wal_reader *r = &w->reader;
    const char *reason = r->reason;
    char text[256];
    *ret_next = r->size;
    if (w->last_seq >= w->bound)
        return STATUS_OK;
    struct wal_frame later;
    enum status s = wal_reader_find(r, offset + IO_ALIGN, w->replay->from_seq, &later, reterr);
    if (s < 0)
        return s;
    if (s == STATUS_OK) {
        (void)snprintf(text, sizeof text,
                       "%s, but the commit at offset %llu (records %llu to %llu) is whole", reason,
                       (unsigned long long)later.offset, (unsigned long long)later.first_seq,
                       (unsigned long long)wal_frame_last_seq(&later));
        *ret_next = later.offset;
        w->last_seq = later.previous_seq;
        return damage(w->replay, r->path, offset, text, reterr);
    }
    if (w->is_last)
        return STATUS_OK;
    (void)snprintf(text, sizeof text,
                   "%s, and records %llu to %llu, which later files build upon, are missing",
                   reason, (unsigned long long)w->last_seq + 1, (unsigned long long)w->bound);
    w->last_seq = w->bound;
    return damage(w->replay, r->path, offset, text, reterr);
}

static enum status frame_follows(const struct walk *w, const struct wal_frame *frame,
                                 struct error *reterr)
{
    if (frame->previous_seq == w->last_seq)
        return STATUS_OK;
    char text[256];
    (void)snprintf(text, sizeof text, "a commit of records %llu to %llu follows record %llu",
                   (unsigned long long)frame->first_seq,
                   (unsigned long long)wal_frame_last_seq(frame), (unsigned long long)w->last_seq);
    return damage(w->replay, w->reader.path, frame->offset, text, reterr);
}

/* How much of a commit that never became whole is recognisably there. */
static uint64_t torn_bytes(struct wal_reader *r, uint64_t offset)
{
    uint8_t *block = io_buffer_alloc(IO_ALIGN);
    size_t got = 0;
    struct wal_frame frame;
    uint64_t bytes = 0;
    if (io_read(r->file, offset, block, IO_ALIGN, &got, NULL) == STATUS_OK &&
        wal_frame_decode(slice_of(block, got), false, &frame) == NULL &&
        frame.number == r->number && frame.offset == offset)
        bytes = wal_frame_bytes(frame.body_bytes);
    io_buffer_free(block);
    return bytes;
}

static enum status file_walk(struct walk *w, struct error *reterr)
{
    struct wal_reader *r = &w->reader;
    uint64_t offset = 0;
    while (offset < r->size) {
        struct wal_frame frame;
        struct slice behind;
        enum status s = wal_reader_frame(r, offset, &frame, &behind, reterr);
        if (s == STATUS_END) {
            uint64_t next;
            if ((s = chain_ended(w, offset, &next, reterr)) < 0)
                return s;
            if (next == r->size && w->is_last)
                w->log->torn_bytes += torn_bytes(r, offset);
            offset = next;
            continue;
        }
        if (s == STATUS_OK)
            s = frame_follows(w, &frame, reterr);
        if (s == STATUS_OK)
            s = frame_records(w, &frame, behind, reterr);
        if (s < 0)
            return s;
        if (w->last_seq < wal_frame_last_seq(&frame))
            return STATUS_OK;
        offset += wal_frame_bytes(frame.body_bytes);
    }
    if (w->last_seq < w->bound && !w->is_last) {
        r->reason = "the file ends";
        return chain_ended(w, r->size, &offset, reterr);
    }
    return STATUS_OK;
}

/* --- all files -------------------------------------------------------------------------------- */

/*
 * The last begun file whose first frame lies at or before from_seq holds the first record wanted. Without such a
 * file, but with later ones, records are missing.
 */
static enum status start_find(const struct wal_replay *replay, struct wal_log *log,
                              struct error *reterr)
{
    size_t first = begun_after(log, SIZE_MAX);
    size_t start = log->count;
    for (size_t i = first; i < log->count; i = begun_after(log, i)) {
        if (log->files[i].previous_seq < replay->from_seq)
            start = i;
    }
    log->first_needed = start;
    if (start < log->count || first == log->count)
        return STATUS_OK;
    log->first_needed = first;
    if (replay->finding != NULL)
        return STATUS_OK;
    char path[WAL_PATH_BYTES];
    wal_path(log->files[first].number, path);
    return corrupt(reterr, path, 0, "the log begins after record %llu, but it is needed from %llu",
                   (unsigned long long)log->files[first].previous_seq,
                   (unsigned long long)replay->from_seq);
}

/* A file whose first commit is not whole: nothing, the torn last commit, or damage. */
static enum status unbegun_check(const struct wal_replay *replay, struct wal_log *log,
                                 const struct wal_log_file *file, struct error *reterr)
{
    struct wal_reader r;
    enum status s = wal_reader_open(replay->io, file->number, replay->trust, &r, reterr);
    if (s < 0)
        return s;
    struct wal_frame later;
    s = wal_reader_find(&r, IO_ALIGN, replay->from_seq, &later, reterr);
    if (s == STATUS_OK)
        s = damage(replay, r.path, 0,
                   "the first commit is not whole, but a later one in the file is", reterr);
    else if (s == STATUS_END) {
        log->torn_bytes += torn_bytes(&r, 0);
        s = STATUS_OK;
    }
    wal_reader_close(&r);
    return s;
}

static enum status begun_walk(struct walk *w, size_t at, struct error *reterr)
{
    struct wal_log *log = w->log;
    struct wal_log_file *file = &log->files[at];
    size_t next = begun_after(log, at);
    w->is_last = next == log->count;
    w->bound = w->is_last ? UINT64_MAX : log->files[next].previous_seq;
    enum status s =
        wal_reader_open(w->replay->io, file->number, w->replay->trust, &w->reader, reterr);
    if (s < 0)
        return s;
    s = file_walk(w, reterr);
    file->last_seq = w->last_seq;
    wal_reader_close(&w->reader);
    return s;
}

enum status wal_replay_run(const struct wal_replay *replay, struct wal_log *log,
                           struct error *reterr)
{
    enum status s = files_list(replay, log, reterr);
    if (s == STATUS_OK)
        s = files_look(replay, log, reterr);
    if (s == STATUS_OK)
        s = start_find(replay, log, reterr);
    if (s < 0)
        return s;

    struct walk w = {.replay = replay, .log = log};
    size_t last_begun = SIZE_MAX;
    for (size_t i = begun_after(log, SIZE_MAX); i < log->count; i = begun_after(log, i)) {
        last_begun = i;
        if (i < log->first_needed) {
            size_t next = begun_after(log, i);
            log->files[i].last_seq = log->files[next].previous_seq;
            continue;
        }
        if (i == log->first_needed)
            w.last_seq = log->files[i].previous_seq;
        if ((s = begun_walk(&w, i, reterr)) < 0)
            return s;
    }
    log->last_seq = w.last_seq;
    for (size_t i = last_begun + 1; i < log->count; i++) {
        if ((s = unbegun_check(replay, log, &log->files[i], reterr)) < 0)
            return s;
    }
    return STATUS_OK;
}
