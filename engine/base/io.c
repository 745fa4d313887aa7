/*
 * io.c - the front of the file table: checks paths, passes calls on, and keeps the helpers.
 *
 * Place:     storage layers -> [here] -> io_uring.c | io_posix.c | io_sim.c
 * Invariant: no path leaves this file that is absolute or climbs with "..".
 */
#include "engine/base/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/io_backend.h"
#include "engine/base/memory.h"

enum status io_status_of(int error_number)
{
    switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
        return STATUS_FULL;
    case ENOENT:
        return STATUS_NOT_FOUND;
    case EEXIST:
        return STATUS_EXISTS;
    default:
        return STATUS_IO;
    }
}

enum status io_error(struct error *reterr, const char *path, const char *verb, int error_number)
{
    char text[128];
    return error_set(reterr, io_status_of(error_number), "%s: %s: %s",
                     path[0] == '\0' ? "data directory" : path, verb,
                     strerror_r(error_number, text, sizeof text));
}

static bool component_climbs(const char *start, size_t size)
{
    return size == 0 || (size == 1 && start[0] == '.') ||
           (size == 2 && start[0] == '.' && start[1] == '.');
}

/* Empty names the root where that is allowed. */
static enum status path_check(const char *path, bool root_allowed, struct error *reterr)
{
    size_t size = strlen(path);
    if (size == 0 && root_allowed)
        return STATUS_OK;
    if (size >= IO_PATH_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID, "a path of %zu bytes is longer than %u", size,
                         IO_PATH_BYTES_MAX - 1);
    const char *start = path;
    for (;;) {
        size_t part = strcspn(start, "/");
        if (component_climbs(start, part))
            return error_set(reterr, STATUS_INVALID,
                             "%s: a path must be relative and without \".\" or \"..\"", path);
        if (start[part] == '\0')
            return STATUS_OK;
        start += part + 1;
    }
}

enum status io_create(const char *root, const char *prefer, struct io **ret_io,
                      char ret_reason[128], struct error *reterr)
{
    if (ret_reason != NULL)
        ret_reason[0] = '\0';
    if (prefer != NULL && strcmp(prefer, "uring") == 0)
        return io_uring_backend_create(root, ret_io, reterr);
    if (prefer != NULL && strcmp(prefer, "posix") == 0)
        return io_posix_backend_create(root, ret_io, reterr);
    if (prefer != NULL && strcmp(prefer, "auto") != 0)
        return error_set(reterr, STATUS_INVALID,
                         "\"%s\" is no way to reach the disk; known are auto, uring, posix",
                         prefer);
    struct error refused = {0};
    if (io_uring_backend_create(root, ret_io, &refused) == STATUS_OK)
        return STATUS_OK;
    if (ret_reason != NULL)
        (void)snprintf(ret_reason, 128, "%.127s", refused.text);
    return io_posix_backend_create(root, ret_io, reterr);
}

void io_destroy(struct io *io)
{
    if (io != NULL)
        io->ops->destroy(io);
}

const char *io_name(const struct io *io)
{
    return io->ops->name;
}

enum status io_open(struct io *io, const char *path, int flags, struct io_file **ret,
                    struct error *reterr)
{
    ASSERT((flags & (IO_READ | IO_WRITE)) != 0);
    enum status s = path_check(path, false, reterr);
    return s < 0 ? s : io->ops->open(io, path, flags, ret, reterr);
}

void io_close(struct io_file *file)
{
    if (file != NULL)
        file->ops->close(file);
}

enum status io_read(struct io_file *file, uint64_t offset, void *to, size_t size, size_t *ret_read,
                    struct error *reterr)
{
    return file->ops->read(file, offset, to, size, ret_read, reterr);
}

enum status io_write(struct io_file *file, uint64_t offset, const void *from, size_t size,
                     struct error *reterr)
{
    return file->ops->write(file, offset, from, size, reterr);
}

enum status io_sync(struct io_file *file, struct error *reterr)
{
    return file->ops->sync(file, reterr);
}

enum status io_size(struct io_file *file, uint64_t *ret, struct error *reterr)
{
    return file->ops->size(file, ret, reterr);
}

enum status io_truncate(struct io_file *file, uint64_t size, struct error *reterr)
{
    return file->ops->truncate(file, size, reterr);
}

enum status io_rename(struct io *io, const char *from, const char *to, struct error *reterr)
{
    enum status s = path_check(from, false, reterr);
    if (s == STATUS_OK)
        s = path_check(to, false, reterr);
    return s < 0 ? s : io->ops->rename(io, from, to, reterr);
}

enum status io_unlink(struct io *io, const char *path, struct error *reterr)
{
    enum status s = path_check(path, false, reterr);
    return s < 0 ? s : io->ops->unlink(io, path, reterr);
}

enum status io_make_dir(struct io *io, const char *path, struct error *reterr)
{
    enum status s = path_check(path, false, reterr);
    return s < 0 ? s : io->ops->make_dir(io, path, reterr);
}

enum status io_sync_dir(struct io *io, const char *path, struct error *reterr)
{
    enum status s = path_check(path, true, reterr);
    return s < 0 ? s : io->ops->sync_dir(io, path, reterr);
}

enum status io_list(struct io *io, const char *dir, void (*each)(void *context, const char *name),
                    void *context, struct error *reterr)
{
    enum status s = path_check(dir, true, reterr);
    return s < 0 ? s : io->ops->list(io, dir, each, context, reterr);
}

enum status io_map(struct io *io, const char *path, struct io_map *ret, struct error *reterr)
{
    enum status s = path_check(path, false, reterr);
    return s < 0 ? s : io->ops->map(io, path, ret, reterr);
}

void io_unmap(struct io *io, struct io_map *map)
{
    if (map->handle != NULL)
        io->ops->unmap(io, map);
    *map = (struct io_map){.bytes = SLICE_EMPTY, .handle = NULL};
}

enum status io_lock(struct io *io, const char *path, struct error *reterr)
{
    enum status s = path_check(path, false, reterr);
    return s < 0 ? s : io->ops->lock(io, path, reterr);
}

enum status io_space(struct io *io, uint64_t *ret_free, uint64_t *ret_total, struct error *reterr)
{
    return io->ops->space(io, ret_free, ret_total, reterr);
}

enum status io_queue_create(struct io *io, struct io_queue **ret, struct error *reterr)
{
    return io->ops->queue_create(io, ret, reterr);
}

void io_queue_destroy(struct io_queue *q)
{
    if (q != NULL)
        q->ops->queue_destroy(q);
}

enum status io_queue_write_sync(struct io_queue *q, struct io_file *file, uint64_t offset,
                                const void *from, size_t size, uint64_t tag, struct error *reterr)
{
    return q->ops->queue_write_sync(q, file, offset, from, size, tag, reterr);
}

int io_queue_poll(struct io_queue *q, struct io_completion *ret, int max, int64_t timeout_ns)
{
    return q->ops->queue_poll(q, ret, max, timeout_ns);
}

int io_queue_event_fd(struct io_queue *q)
{
    return q->ops->queue_event_fd(q);
}

void io_queue_wake(struct io_queue *q)
{
    q->ops->queue_wake(q);
}

void io_queue_register_buffers(struct io_queue *q, const struct slice *buffers, uint32_t count)
{
    if (q->ops->queue_register != NULL)
        q->ops->queue_register(q, buffers, count);
}

/* The block's own address stands right before the aligned one. */
void *io_buffer_alloc(size_t size)
{
    ASSERT(size <= SIZE_MAX - 2 * IO_ALIGN);
    char *block = mem_alloc(size + IO_ALIGN + sizeof block);
    uintptr_t start = (uintptr_t)block + sizeof block;
    char *aligned = block + sizeof block + (IO_ALIGN - start % IO_ALIGN) % IO_ALIGN;
    memcpy(aligned - sizeof block, &block, sizeof block);
    return aligned;
}

void io_buffer_free(void *buffer)
{
    if (buffer == NULL)
        return;
    char *block = NULL;
    memcpy(&block, (char *)buffer - sizeof block, sizeof block);
    mem_free(block);
}

static enum status write_whole(struct io *io, const char *path, struct slice bytes,
                               struct error *reterr)
{
    struct io_file *file = NULL;
    enum status s = io_open(io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file, reterr);
    if (s == STATUS_OK && bytes.size != 0)
        s = io_write(file, 0, bytes.data, bytes.size, reterr);
    if (s == STATUS_OK)
        s = io_sync(file, reterr);
    io_close(file);
    return s;
}

enum status io_replace_file(struct io *io, const char *path, struct slice bytes,
                            struct error *reterr)
{
    char temporary[IO_PATH_BYTES_MAX];
    char directory[IO_PATH_BYTES_MAX];
    enum status s = path_check(path, false, reterr);
    if (s < 0)
        return s;
    int printed = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (printed < 0 || (size_t)printed >= sizeof temporary)
        return error_set(reterr, STATUS_INVALID, "%s: the path is too long", path);
    const char *slash = strrchr(path, '/');
    size_t directory_bytes = slash == NULL ? 0 : (size_t)(slash - path);
    bytes_copy(directory, path, directory_bytes);
    directory[directory_bytes] = '\0';

    if ((s = write_whole(io, temporary, bytes, reterr)) == STATUS_OK)
        s = io_rename(io, temporary, path, reterr);
    if (s < 0) {
        /* What is left of it does no harm: the next attempt truncates it. */
        enum status ignored = io_unlink(io, temporary, NULL);
        (void)ignored;
        return s;
    }
    return io_sync_dir(io, directory, reterr);
}
