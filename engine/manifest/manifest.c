/*
 * manifest.c - opens, commits to and rewrites the log of live files.
 *
 * Place:     engine -> [here] -> CURRENT, manifest/NNNNNNNNNN
 * Format:    FORMAT.md 8
 * Invariant: 1. m->state is what a replay of the durable bytes gives.
 *            2. m->file is NULL, or the file CURRENT names, which ends at m->end with a good
 *               record and never had a write or sync fail. Only then is a record appended; in
 *               every other case the next commit writes its whole state to a file with a number
 *               never used before.
 *            3. A manifest file is unlinked only when CURRENT durably names another one.
 * Failure:   after a failed commit the edits are not in m->state, but a crash may still show them
 *            (the write may have reached the disk). So neither the files they add nor those they
 *            remove may be deleted before a later commit succeeded.
 * Threads:   the caller's lock.
 */
#include "engine/manifest/manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/manifest/manifest_log.h"

#define REWRITE_BYTES_MIN (256u << 10)
#define REWRITE_GROWTH    4u
#define REWRITE_TRIES     3

struct manifest {
    struct io *io;
    bool read_only;
    struct manifest_state state;
    uint64_t next_number; /* handed out; may run ahead of state.next_number */
    struct io_file *file;
    uint64_t file_number;     /* CURRENT */
    uint64_t file_number_max; /* of all that were ever seen or tried */
    uint64_t end;
    uint64_t snapshot;
};

/* What the root holds before anything is opened. */
struct root_scan {
    bool current;
    bool directory;
    bool projects;
};

static void root_entry(void *context, const char *name)
{
    struct root_scan *r = context;
    if (strcmp(name, MANIFEST_CURRENT) == 0)
        r->current = true;
    if (strcmp(name, MANIFEST_DIRECTORY) == 0)
        r->directory = true;
    if (name[0] == 'p' && name[1] >= '1' && name[1] <= '9')
        r->projects = true;
}

struct log_scan {
    uint64_t *numbers;
    size_t capacity;
    size_t count;
    uint64_t number_max;
};

static void log_entry(void *context, const char *name)
{
    struct log_scan *l = context;
    uint64_t number;
    if (!manifest_log_number(name, &number))
        return;
    l->numbers = mem_grow(l->numbers, &l->capacity, l->count + 1, sizeof *l->numbers);
    l->numbers[l->count++] = number;
    if (l->number_max < number)
        l->number_max = number;
}

static enum status current_read(struct io *io, uint64_t *ret_number, struct error *reterr)
{
    struct io_file *file;
    enum status status = io_open(io, MANIFEST_CURRENT, IO_READ, &file, reterr);
    if (status < 0)
        return status;
    uint8_t bytes[MANIFEST_CURRENT_BYTES_MAX];
    size_t size;
    status = io_read(file, 0, bytes, sizeof bytes, &size, reterr);
    io_close(file);
    if (status < 0)
        return status;
    return manifest_current_decode(slice_of(bytes, size), ret_number, reterr);
}

/* Replays the file CURRENT names. */
static enum status log_load(struct io *io, uint64_t number, struct manifest_state *s,
                            struct manifest_replay *ret, struct error *reterr)
{
    char path[MANIFEST_PATH_BYTES];
    manifest_log_path(number, path);
    struct io_map map;
    enum status status = io_map(io, path, &map, reterr);
    if (status < 0)
        return status;
    if (map.bytes.size > MANIFEST_FILE_BYTES_MAX)
        status = corrupt(reterr, path, MANIFEST_FILE_BYTES_MAX, "larger than a manifest may be");
    else
        status = manifest_replay(map.bytes, number, path, s, ret, reterr);
    io_unmap(io, &map);
    return status;
}

/* Deletes manifest files CURRENT does not name. Invariant 3: call it only when CURRENT is
 * durable. */
static void strays_remove(struct manifest *m)
{
    struct log_scan found = {0};
    if (io_list(m->io, MANIFEST_DIRECTORY, log_entry, &found, NULL) == STATUS_OK) {
        for (size_t i = 0; i < found.count; i++) {
            char path[MANIFEST_PATH_BYTES];
            manifest_log_path(found.numbers[i], path);
            if (found.numbers[i] != m->file_number)
                (void)!io_unlink(m->io, path, NULL);
        }
    }
    mem_free(found.numbers);
}

/* Writes and syncs one new file, its name included. */
static enum status file_write_new(struct manifest *m, const char *path, struct slice bytes,
                                  struct io_file **ret, struct error *reterr)
{
    struct io_file *file = NULL;
    enum status status =
        io_open(m->io, path, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, &file, reterr);
    if (status < 0)
        return status;
    if ((status = io_write(file, 0, bytes.data, bytes.size, reterr)) < 0)
        goto out;
    if ((status = io_sync(file, reterr)) < 0)
        goto out;
    if ((status = io_sync_dir(m->io, MANIFEST_DIRECTORY, reterr)) < 0)
        goto out;
    *ret = file;
    return STATUS_OK;
out:
    io_close(file);
    return status;
}

/* One try to make a new file with the whole of s and to point CURRENT at it. */
static enum status log_rewrite_once(struct manifest *m, const struct manifest_state *s,
                                    struct error *reterr)
{
    char path[MANIFEST_PATH_BYTES];
    uint64_t number = ++m->file_number_max;
    struct buffer bytes = {0};
    struct buffer current = {0};
    struct io_file *file = NULL;
    enum status status;
    manifest_log_path(number, path);
    manifest_snapshot_encode(number, s, &bytes);
    manifest_current_encode(number, &current);
    if (bytes.size > MANIFEST_FILE_BYTES_MAX) {
        status = error_set(reterr, STATUS_LIMIT, "the manifest would take %zu bytes", bytes.size);
        goto out;
    }
    if ((status = file_write_new(m, path, buffer_slice(&bytes), &file, reterr)) < 0)
        goto out;
    status = io_replace_file(m->io, MANIFEST_CURRENT, buffer_slice(&current), reterr);
    if (status < 0)
        goto out;
    m->file = file;
    file = NULL;
    m->file_number = number;
    m->end = bytes.size;
    m->snapshot = bytes.size;
    strays_remove(m);
out:
    io_close(file);
    buffer_deinit(&bytes);
    buffer_deinit(&current);
    return status;
}

static enum status log_rewrite(struct manifest *m, const struct manifest_state *s,
                               struct error *reterr)
{
    enum status status = STATUS_OK;
    io_close(m->file);
    m->file = NULL;
    for (int tries = 0; tries < REWRITE_TRIES; tries++) {
        status = log_rewrite_once(m, s, reterr);
        if (status != STATUS_IO)
            break;
    }
    return status;
}

/* Appends one record to the healthy file. */
static enum status log_append(struct manifest *m, struct slice record, struct error *reterr)
{
    enum status status = io_write(m->file, m->end, record.data, record.size, reterr);
    if (status == STATUS_OK)
        status = io_sync(m->file, reterr);
    if (status == STATUS_OK)
        m->end += record.size;
    return status;
}

/* Does manifest file 1 hold more than the empty state it was created with? */
static enum status first_log_has_data(struct manifest *m, bool *ret, struct error *reterr)
{
    char path[MANIFEST_PATH_BYTES];
    struct buffer empty = {0};
    struct io_file *file;
    uint64_t size = 0;
    manifest_log_path(1, path);
    enum status status = io_open(m->io, path, IO_READ, &file, reterr);
    if (status < 0)
        return status;
    status = io_size(file, &size, reterr);
    io_close(file);
    manifest_snapshot_encode(1, &m->state, &empty);
    *ret = size > empty.size;
    buffer_deinit(&empty);
    return status;
}

/* A crash while the store was being created leaves an empty file 1 without CURRENT. Anything more
 * means that CURRENT was lost: going on would make every file of the store an orphan. */
static enum status loss_check(struct manifest *m, const struct root_scan *root,
                              struct error *reterr)
{
    struct log_scan found = {0};
    bool data = root->projects;
    enum status status = STATUS_OK;
    if (root->directory)
        status = io_list(m->io, MANIFEST_DIRECTORY, log_entry, &found, reterr);
    if (status == STATUS_OK && found.number_max == 1)
        status = first_log_has_data(m, &data, reterr);
    mem_free(found.numbers);
    if (status < 0)
        return status;
    if (data || root->projects || found.number_max > 1)
        return corrupt(reterr, MANIFEST_CURRENT, 0, "it is missing, but the store holds data");
    return STATUS_OK;
}

static enum status manifest_create(struct manifest *m, const struct root_scan *root,
                                   struct error *reterr)
{
    enum status status;
    if ((status = loss_check(m, root, reterr)) < 0)
        return status;
    if ((status = io_make_dir(m->io, MANIFEST_DIRECTORY, reterr)) < 0)
        return status;
    if ((status = io_sync_dir(m->io, "", reterr)) < 0)
        return status;
    return log_rewrite_once(m, &m->state, reterr);
}

/* A process may have died between write and sync: what is read now must be as durable as it looks
 * before anything is deleted on the strength of it. */
static enum status log_settle(struct manifest *m, struct io_file **ret, struct error *reterr)
{
    char path[MANIFEST_PATH_BYTES];
    struct io_file *file;
    manifest_log_path(m->file_number, path);
    enum status status = io_open(m->io, path, IO_READ | IO_WRITE, &file, reterr);
    if (status < 0)
        return status;
    if ((status = io_sync(file, reterr)) < 0)
        goto out;
    if ((status = io_sync_dir(m->io, MANIFEST_DIRECTORY, reterr)) < 0)
        goto out;
    if ((status = io_sync_dir(m->io, "", reterr)) < 0)
        goto out;
    *ret = file;
    return STATUS_OK;
out:
    io_close(file);
    return status;
}

static enum status manifest_load(struct manifest *m, struct error *reterr)
{
    struct log_scan found = {0};
    struct manifest_replay replay;
    struct io_file *file = NULL;
    enum status status = current_read(m->io, &m->file_number, reterr);
    if (status < 0)
        return status;
    status = io_list(m->io, MANIFEST_DIRECTORY, log_entry, &found, reterr);
    mem_free(found.numbers);
    if (status < 0)
        return status;
    m->file_number_max = found.number_max > m->file_number ? found.number_max : m->file_number;
    if (!m->read_only && (status = log_settle(m, &file, reterr)) < 0)
        return status;
    if ((status = log_load(m->io, m->file_number, &m->state, &replay, reterr)) < 0)
        goto out;
    m->end = replay.end;
    m->snapshot = replay.snapshot;
    m->next_number = m->state.next_number;
    if (!m->read_only)
        strays_remove(m);
    /* Nothing is appended behind a torn tail: the next commit starts a new file. */
    if (replay.torn == 0) {
        m->file = file;
        file = NULL;
    }
out:
    io_close(file);
    return status;
}

enum status manifest_open(struct io *io, bool read_only, struct manifest **ret,
                          struct error *reterr)
{
    struct root_scan root = {0};
    enum status status = io_list(io, "", root_entry, &root, reterr);
    if (status < 0)
        return status;
    struct manifest *m = MEM_NEW(struct manifest);
    m->io = io;
    m->read_only = read_only;
    m->next_number = 1;
    manifest_state_init(&m->state);
    if (root.current)
        status = manifest_load(m, reterr);
    else if (!read_only)
        status = manifest_create(m, &root, reterr);
    else
        status = error_set(reterr, STATUS_NOT_FOUND, "there is no store here (no file %s)",
                           MANIFEST_CURRENT);
    if (status < 0) {
        manifest_close(m);
        return status;
    }
    *ret = m;
    return STATUS_OK;
}

void manifest_close(struct manifest *m)
{
    if (m == NULL)
        return;
    io_close(m->file);
    manifest_state_deinit(&m->state);
    mem_free(m);
}

static bool log_is_overgrown(const struct manifest *m)
{
    return m->end > REWRITE_BYTES_MIN && m->end / REWRITE_GROWTH > m->snapshot;
}

/* The old state plus the edits. */
static enum status state_next(const struct manifest *m, const struct manifest_edit *edits,
                              uint32_t count, struct manifest_state *ret, struct error *reterr)
{
    manifest_state_copy(&m->state, ret);
    for (uint32_t i = 0; i < count; i++) {
        enum status status = manifest_state_apply(ret, &edits[i], reterr);
        if (status < 0) {
            manifest_state_deinit(ret);
            return status;
        }
    }
    return STATUS_OK;
}

static void record_build(const struct manifest *m, const struct manifest_edit *edits,
                         uint32_t count, struct manifest_state *next, struct buffer *to)
{
    struct manifest_edit *all = mem_alloc(((size_t)count + 1) * sizeof *all);
    uint32_t all_count = count;
    bytes_copy(all, edits, count * sizeof *all);
    /* Numbers handed out for files that never made it into a commit are not used again either. */
    if (next->next_number < m->next_number) {
        next->next_number = m->next_number;
        all[all_count++] =
            (struct manifest_edit){.kind = EDIT_NEXT_NUMBER, .value = m->next_number};
    }
    manifest_record_encode(m->file_number, m->end, MANIFEST_COMMIT, all, all_count, to);
    mem_free(all);
}

enum status manifest_commit(struct manifest *m, const struct manifest_edit *edits, uint32_t count,
                            struct error *reterr)
{
    if (m->read_only)
        return error_set(reterr, STATUS_READ_ONLY, "the manifest was opened for reading only");
    struct manifest_state next;
    struct buffer record = {0};
    enum status status = state_next(m, edits, count, &next, reterr);
    if (status < 0)
        return status;
    record_build(m, edits, count, &next, &record);
    bool append =
        m->file != NULL && !log_is_overgrown(m) && record.size <= MANIFEST_FILE_BYTES_MAX - m->end;
    if (!append || log_append(m, buffer_slice(&record), NULL) < 0)
        status = log_rewrite(m, &next, reterr);
    if (status == STATUS_OK) {
        struct manifest_state old = m->state;
        m->state = next;
        next = old;
        if (m->next_number < m->state.next_number)
            m->next_number = m->state.next_number;
    }
    manifest_state_deinit(&next);
    buffer_deinit(&record);
    return status;
}

uint64_t manifest_next_number(struct manifest *m)
{
    return m->next_number++;
}

#define STATE_GETTER(function, type, list)                                                         \
    const struct type *function(const struct manifest *m, uint32_t *ret_count)                     \
    {                                                                                              \
        *ret_count = m->state.list.count;                                                          \
        return m->state.list.items;                                                                \
    }
STATE_GETTER(manifest_segments, manifest_segment, segments)
STATE_GETTER(manifest_packs, manifest_pack, packs)
STATE_GETTER(manifest_patches, manifest_patch, patches)
STATE_GETTER(manifest_clients, manifest_client, clients)
#undef STATE_GETTER

const char *const *manifest_projects(const struct manifest *m, uint32_t *ret_count)
{
    *ret_count = m->state.names.count;
    return m->state.names.items;
}

uint64_t manifest_wal_keep(const struct manifest *m)
{
    return m->state.wal_keep;
}

void manifest_segment_path(uint32_t project, uint64_t number, char to[MANIFEST_PATH_BYTES])
{
    snprintf(to, MANIFEST_PATH_BYTES, "p%" PRIu32 "/seg/%010" PRIu64 ".seg", project, number);
}

void manifest_pack_path(uint32_t project, uint64_t number, char to[MANIFEST_PATH_BYTES])
{
    snprintf(to, MANIFEST_PATH_BYTES, "p%" PRIu32 "/text/%010" PRIu64 ".pack", project, number);
}

void manifest_patch_path(uint32_t project, uint64_t number, char to[MANIFEST_PATH_BYTES])
{
    snprintf(to, MANIFEST_PATH_BYTES, "p%" PRIu32 "/patch/%010" PRIu64 ".patch", project, number);
}

/* A finding carries the offset the error names. */
static void finding_report(void (*finding)(void *, const char *, uint64_t, const char *),
                           void *context, const char *path, const struct error *e)
{
    finding(context, path, e->position < 0 ? 0 : (uint64_t)e->position, e->text);
}

enum status manifest_verify(struct io *io,
                            void (*finding)(void *context, const char *path, uint64_t offset,
                                            const char *text),
                            void *context, struct error *reterr)
{
    struct error detail = {.position = -1};
    struct manifest_state state;
    struct manifest_replay replay;
    char path[MANIFEST_PATH_BYTES] = MANIFEST_CURRENT;
    uint64_t number;
    manifest_state_init(&state);
    enum status status = current_read(io, &number, &detail);
    if (status == STATUS_OK) {
        manifest_log_path(number, path);
        status = log_load(io, number, &state, &replay, &detail);
    }
    if (status == STATUS_OK && replay.torn > 0)
        status = corrupt(&detail, path, replay.end,
                         "%" PRIu64 " bytes behind the last commit are no record", replay.torn);
    manifest_state_deinit(&state);
    if (status == STATUS_CORRUPT)
        finding_report(finding, context, path, &detail);
    if (status < 0 && reterr != NULL)
        *reterr = detail;
    return status;
}
