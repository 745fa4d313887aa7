/*
 * io_backend.h - what the backends of io.h share. Nobody but io*.c includes it.
 *
 * Every file and queue begins with the table that made it, so a backend can hand out another
 * backend's queue (the ring refused at run time becomes the posix thread).
 */
#ifndef DRIFTLINE_BASE_IO_BACKEND_H
#define DRIFTLINE_BASE_IO_BACKEND_H

#include <stdatomic.h>

#include "engine/base/io.h"

#define IO_PATH_BYTES_MAX 1024u
/* The kernel takes at most 2 GiB - 4 KiB a call. */
#define IO_CALL_BYTES_MAX (1u << 30)
/* Writes that make no progress this often in a row are a failure. */
#define IO_IDLE_WRITES_MAX 16u

struct io_file {
    const struct io_ops *ops;
};

struct io_queue {
    const struct io_ops *ops;
};

/* Fills *reterr for a failed system call: path, verb, the text of the errno. */
enum status io_error(struct error *reterr, const char *path, const char *verb, int error_number);
enum status io_status_of(int error_number);

/* A file of the posix and io_uring backends. */
struct posix_file {
    struct io_file base;
    int fd;
    bool direct;
    atomic_bool sync_failed; /* set for ever by the first failed sync */
    char path[IO_PATH_BYTES_MAX];
};

struct posix_io {
    struct io base;
    int root_fd;
    struct posix_lock *locks;
};

enum status posix_io_create(const char *root, const struct io_ops *ops, struct io **ret_io,
                            struct error *reterr);
/* Both tables stand in io_posix.c: they differ in their queues only. */
extern const struct io_ops posix_ops;
extern const struct io_ops uring_ops;
/* All bytes; 0 or an errno. */
int posix_write_all(struct posix_file *file, uint64_t offset, const void *from, size_t size);
/* fdatasync unless an earlier one failed; 0 or an errno. */
int posix_sync(struct posix_file *file);
/* How far a write of a direct file may go on from after `done` bytes went well. */
static inline size_t posix_progress(const struct posix_file *file, size_t done, size_t size)
{
    return file->direct && done < size ? done - done % IO_ALIGN : done;
}

enum status posix_queue_create(struct io *io, struct io_queue **ret, struct error *reterr);
void posix_queue_destroy(struct io_queue *q);
enum status posix_queue_write_sync(struct io_queue *q, struct io_file *file, uint64_t offset,
                                   const void *from, size_t size, uint64_t tag,
                                   struct error *reterr);
int posix_queue_poll(struct io_queue *q, struct io_completion *ret, int max, int64_t timeout_ns);
int posix_queue_event_fd(struct io_queue *q);
void posix_queue_wake(struct io_queue *q);

enum status uring_queue_create(struct io *io, struct io_queue **ret, struct error *reterr);
void uring_queue_destroy(struct io_queue *q);
enum status uring_queue_write_sync(struct io_queue *q, struct io_file *file, uint64_t offset,
                                   const void *from, size_t size, uint64_t tag,
                                   struct error *reterr);
int uring_queue_poll(struct io_queue *q, struct io_completion *ret, int max, int64_t timeout_ns);
int uring_queue_event_fd(struct io_queue *q);
void uring_queue_wake(struct io_queue *q);
void uring_queue_register(struct io_queue *q, const struct slice *buffers, uint32_t count);

/* A non-blocking event fd, or -1 with errno. */
int io_event_create(void);
/* Waits until an event fd is readable, at most timeout_ns (<0: for ever). */
void io_event_wait(int event_fd, int64_t timeout_ns);
/* Clears or sets an event fd. */
void io_event_clear(int event_fd);
void io_event_signal(int event_fd);

#endif
