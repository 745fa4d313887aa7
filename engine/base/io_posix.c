/*
 * io_posix.c - files through pread, pwrite and fdatasync; also the plain calls of the ring backend.
 *
 * Place:     io.c -> [here] -> the kernel
 * Invariant: every path is opened relative to the root descriptor. Files are 0600, directories 0700.
 *            A file whose sync failed is never synced again: the kernel has marked the lost pages
 *            clean, so a second fdatasync would succeed without having saved anything.
 * Failure:   STATUS_IO, STATUS_FULL, STATUS_NOT_FOUND, STATUS_EXISTS with path and errno text.
 * Threads:   any; the list of locks is guarded by the caller (io_lock at start only).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/io_backend.h"
#include "engine/base/memory.h"

struct posix_lock {
    struct posix_lock *next;
    int fd;
    char path[IO_PATH_BYTES_MAX];
};

static struct posix_io *posix_io_of(struct io *io)
{
    return (struct posix_io *)(void *)io;
}

static struct posix_file *posix_file_of(struct io_file *file)
{
    return (struct posix_file *)(void *)file;
}

enum status posix_io_create(const char *root, const struct io_ops *ops, struct io **ret_io,
                            struct error *reterr)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_error(reterr, root, "open", errno);
    struct posix_io *p = MEM_NEW(struct posix_io);
    p->base.ops = ops;
    p->root_fd = fd;
    *ret_io = &p->base;
    return STATUS_OK;
}

enum status io_posix_backend_create(const char *root, struct io **ret_io, struct error *reterr)
{
    return posix_io_create(root, &posix_ops, ret_io, reterr);
}

static void posix_op_destroy(struct io *io)
{
    struct posix_io *p = posix_io_of(io);
    while (p->locks != NULL) {
        struct posix_lock *lock = p->locks;
        p->locks = lock->next;
        (void)close(lock->fd);
        mem_free(lock);
    }
    (void)close(p->root_fd);
    mem_free(p);
}

static int open_flags(int flags)
{
    int f = O_CLOEXEC | O_NOFOLLOW;
    if ((flags & IO_READ) != 0 && (flags & IO_WRITE) != 0)
        f |= O_RDWR;
    else
        f |= (flags & IO_WRITE) != 0 ? O_WRONLY : O_RDONLY;
    f |= (flags & IO_CREATE) != 0 ? O_CREAT : 0;
    f |= (flags & IO_EXCLUSIVE) != 0 ? O_EXCL : 0;
    f |= (flags & IO_TRUNCATE) != 0 ? O_TRUNC : 0;
    return f;
}

static int open_again(int root_fd, const char *path, int flags)
{
    int fd;
    do
        fd = openat(root_fd, path, flags, 0600);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/*
 * A file system without direct access refuses it with EINVAL, some only after the file was made.
 * So the file is opened plainly and the flag is added afterwards; a refusal leaves it plain.
 */
static bool direct_set(int fd)
{
    int now = fcntl(fd, F_GETFL);
    return now >= 0 && fcntl(fd, F_SETFL, now | O_DIRECT) == 0;
}

static enum status posix_op_open(struct io *io, const char *path, int flags, struct io_file **ret,
                                 struct error *reterr)
{
    int fd = open_again(posix_io_of(io)->root_fd, path, open_flags(flags));
    if (fd < 0)
        return io_error(reterr, path, "open", errno);
    struct posix_file *file = MEM_NEW(struct posix_file);
    file->base.ops = io->ops;
    file->fd = fd;
    file->direct = (flags & IO_DIRECT) != 0 && direct_set(fd);
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    *ret = &file->base;
    return STATUS_OK;
}

static void posix_op_close(struct io_file *base)
{
    struct posix_file *file = posix_file_of(base);
    (void)close(file->fd);
    mem_free(file);
}

static enum status posix_op_read(struct io_file *base, uint64_t offset, void *to, size_t size,
                                 size_t *ret_read, struct error *reterr)
{
    struct posix_file *file = posix_file_of(base);
    size_t done = 0;
    while (done < size) {
        size_t wanted = size - done < IO_CALL_BYTES_MAX ? size - done : IO_CALL_BYTES_MAX;
        ssize_t got = pread(file->fd, (char *)to + done, wanted, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return io_error(reterr, file->path, "read", errno);
        done += (size_t)got;
        /* A direct read can't go on from an odd place; only the end of the file leads there. */
        if (got == 0 || (file->direct && (size_t)got % IO_ALIGN != 0))
            break;
    }
    *ret_read = done;
    return STATUS_OK;
}

int posix_write_all(struct posix_file *file, uint64_t offset, const void *from, size_t size)
{
    size_t done = 0;
    unsigned idle = 0;
    while (done < size) {
        size_t wanted = size - done < IO_CALL_BYTES_MAX ? size - done : IO_CALL_BYTES_MAX;
        ssize_t put = pwrite(file->fd, (const char *)from + done, wanted, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        size_t next = posix_progress(file, done + (size_t)put, size);
        idle = next > done ? 0 : idle + 1;
        if (idle >= IO_IDLE_WRITES_MAX)
            return EIO;
        done = next;
    }
    return 0;
}

static enum status posix_op_write(struct io_file *base, uint64_t offset, const void *from,
                                  size_t size, struct error *reterr)
{
    struct posix_file *file = posix_file_of(base);
    int failed = posix_write_all(file, offset, from, size);
    return failed != 0 ? io_error(reterr, file->path, "write", failed) : STATUS_OK;
}

int posix_sync(struct posix_file *file)
{
    if (atomic_load(&file->sync_failed))
        return EIO;
    if (fdatasync(file->fd) == 0)
        return 0;
    int failed = errno;
    atomic_store(&file->sync_failed, true);
    return failed;
}

static enum status posix_op_sync(struct io_file *base, struct error *reterr)
{
    struct posix_file *file = posix_file_of(base);
    int failed = posix_sync(file);
    return failed != 0 ? io_error(reterr, file->path, "sync", failed) : STATUS_OK;
}

static enum status posix_op_size(struct io_file *base, uint64_t *ret, struct error *reterr)
{
    struct posix_file *file = posix_file_of(base);
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return io_error(reterr, file->path, "size", errno);
    *ret = (uint64_t)st.st_size;
    return STATUS_OK;
}

static enum status posix_op_truncate(struct io_file *base, uint64_t size, struct error *reterr)
{
    struct posix_file *file = posix_file_of(base);
    if (size > INT64_MAX)
        return io_error(reterr, file->path, "truncate", EFBIG);
    while (ftruncate(file->fd, (off_t)size) != 0) {
        if (errno != EINTR)
            return io_error(reterr, file->path, "truncate", errno);
    }
    return STATUS_OK;
}

static enum status posix_op_rename(struct io *io, const char *from, const char *to,
                                   struct error *reterr)
{
    int root = posix_io_of(io)->root_fd;
    if (renameat(root, from, root, to) != 0)
        return io_error(reterr, from, "rename", errno);
    return STATUS_OK;
}

static enum status posix_op_unlink(struct io *io, const char *path, struct error *reterr)
{
    if (unlinkat(posix_io_of(io)->root_fd, path, 0) != 0)
        return io_error(reterr, path, "unlink", errno);
    return STATUS_OK;
}

static enum status posix_op_make_dir(struct io *io, const char *path, struct error *reterr)
{
    int root = posix_io_of(io)->root_fd;
    if (mkdirat(root, path, 0700) == 0)
        return STATUS_OK;
    int failed = errno;
    struct stat st;
    if (failed == EEXIST && fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        return STATUS_OK;
    return io_error(reterr, path, "make directory", failed);
}

static int directory_open(struct io *io, const char *path)
{
    return open_again(posix_io_of(io)->root_fd, path[0] == '\0' ? "." : path,
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum status posix_op_sync_dir(struct io *io, const char *path, struct error *reterr)
{
    int fd = directory_open(io, path);
    if (fd < 0)
        return io_error(reterr, path, "open", errno);
    int failed = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd);
    return failed != 0 ? io_error(reterr, path, "sync directory", failed) : STATUS_OK;
}

static enum status posix_op_list(struct io *io, const char *path,
                                 void (*each)(void *, const char *name), void *context,
                                 struct error *reterr)
{
    int fd = directory_open(io, path);
    if (fd < 0)
        return io_error(reterr, path, "open", errno);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int failed = errno;
        (void)close(fd);
        return io_error(reterr, path, "list", failed);
    }
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(context, entry->d_name);
    }
    int failed = errno;
    (void)closedir(directory);
    return failed != 0 ? io_error(reterr, path, "list", failed) : STATUS_OK;
}

static enum status posix_op_map(struct io *io, const char *path, struct io_map *ret,
                                struct error *reterr)
{
    int fd = open_again(posix_io_of(io)->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return io_error(reterr, path, "open", errno);
    struct stat st;
    int failed = fstat(fd, &st) == 0 ? 0 : errno;
    if (failed == 0 && !S_ISREG(st.st_mode))
        failed = EISDIR;
    struct io_map map = {.bytes = SLICE_EMPTY, .handle = NULL};
    if (failed == 0 && st.st_size != 0) {
        void *start = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (start == MAP_FAILED)
            failed = errno;
        else
            map = (struct io_map){.bytes = slice_of(start, (size_t)st.st_size), .handle = start};
    }
    (void)close(fd);
    if (failed != 0)
        return io_error(reterr, path, "map", failed);
    *ret = map;
    return STATUS_OK;
}

static void posix_op_unmap(struct io *io, struct io_map *map)
{
    (void)io;
    (void)munmap(map->handle, map->bytes.size);
}

/* The holder leaves its process id in the file, for the message only. */
static enum status lock_refused(int fd, const char *path, int failed, struct error *reterr)
{
    if (failed != EAGAIN && failed != EACCES)
        return io_error(reterr, path, "lock", failed);
    char text[24] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;
    if (pid <= 0)
        return error_set(reterr, STATUS_BUSY, "%s is locked by another process", path);
    return error_set(reterr, STATUS_BUSY, "%s is locked by process %ld", path, pid);
}

static int pid_write(int fd)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)size, 0) < 0)
        return errno;
    return 0;
}

/* Locks of open file descriptions conflict inside one process too. */
static enum status posix_op_lock(struct io *io, const char *path, struct error *reterr)
{
    struct posix_io *p = posix_io_of(io);
    for (const struct posix_lock *held = p->locks; held != NULL; held = held->next) {
        if (strcmp(held->path, path) == 0)
            return STATUS_OK;
    }
    int fd = open_again(p->root_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return io_error(reterr, path, "open", errno);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
        enum status s = lock_refused(fd, path, errno, reterr);
        (void)close(fd);
        return s;
    }
    /* A full disk must not keep the store from starting: the id is only for the message. */
    (void)pid_write(fd);
    struct posix_lock *lock = MEM_NEW(struct posix_lock);
    lock->fd = fd;
    (void)snprintf(lock->path, sizeof lock->path, "%s", path);
    lock->next = p->locks;
    p->locks = lock;
    return STATUS_OK;
}

static enum status posix_op_space(struct io *io, uint64_t *ret_free, uint64_t *ret_total,
                                  struct error *reterr)
{
    struct statvfs st;
    if (fstatvfs(posix_io_of(io)->root_fd, &st) != 0)
        return io_error(reterr, "", "free space", errno);
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    return STATUS_OK;
}

/* The plain calls, which the ring backend's table has in common. */
#define POSIX_FILE_OPS                                                                             \
    .open = posix_op_open, .close = posix_op_close, .read = posix_op_read,                         \
    .write = posix_op_write, .sync = posix_op_sync, .size = posix_op_size,                         \
    .truncate = posix_op_truncate, .rename = posix_op_rename, .unlink = posix_op_unlink,           \
    .make_dir = posix_op_make_dir, .sync_dir = posix_op_sync_dir, .list = posix_op_list,           \
    .map = posix_op_map, .unmap = posix_op_unmap, .lock = posix_op_lock, .space = posix_op_space,  \
    .destroy = posix_op_destroy

const struct io_ops posix_ops = {
    .name = "posix",
    POSIX_FILE_OPS,
    .queue_create = posix_queue_create,
    .queue_destroy = posix_queue_destroy,
    .queue_write_sync = posix_queue_write_sync,
    .queue_poll = posix_queue_poll,
    .queue_event_fd = posix_queue_event_fd,
    .queue_wake = posix_queue_wake,
};

const struct io_ops uring_ops = {
    .name = "io_uring",
    POSIX_FILE_OPS,
    .queue_create = uring_queue_create,
    .queue_destroy = uring_queue_destroy,
    .queue_write_sync = uring_queue_write_sync,
    .queue_poll = uring_queue_poll,
    .queue_event_fd = uring_queue_event_fd,
    .queue_wake = uring_queue_wake,
    .queue_register = uring_queue_register,
};
