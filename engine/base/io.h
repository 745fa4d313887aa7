/*
 * io.h - files behind one function table, so that tests can lose power.
 *
 * Place:    wal, segment, text, manifest, patch -> [here] -> io_uring | posix | simulated
 * Paths:    relative to the root given at creation ("wal/000001.wal"); never absolute, no "..".
 * Threads:  every call is thread-safe except that one io_queue belongs to one thread.
 * Failure:  STATUS_IO with the path and errno in the text; STATUS_FULL for ENOSPC, EDQUOT and EROFS.
 *           A failed sync is never retried on the same file (reliability: the kernel drops the
 *           dirty pages); the caller must abandon the file.
 */
#ifndef DRIFTLINE_BASE_IO_H
#define DRIFTLINE_BASE_IO_H

#include <stdbool.h>

#include "engine/base/slice.h"
#include "engine/base/status.h"

struct io;
struct io_file;
struct io_queue;

enum io_flags {
    IO_READ = 1,
    IO_WRITE = 2,
    IO_CREATE = 4,
    IO_EXCLUSIVE = 8, /* with IO_CREATE: fail with STATUS_EXISTS */
    IO_TRUNCATE = 16,
    IO_DIRECT = 32, /* O_DIRECT where the file system has it: offsets, sizes, buffers 4 KiB aligned */
};
#define IO_ALIGN 4096u

/* A file's bytes, readable until io_unmap. Zero is an empty map. */
struct io_map {
    struct slice bytes;
    void *handle;
};

struct io_completion {
    uint64_t tag;
    enum status status; /* OK: all bytes written and synced */
    int error_number;   /* errno behind a failure */
};

struct io_ops {
    const char *name; /* "io_uring", "posix", "simulated" */
    enum status (*open)(struct io *, const char *path, int flags, struct io_file **ret, struct error *);
    void (*close)(struct io_file *);
    enum status (*read)(struct io_file *, uint64_t offset, void *to, size_t size, size_t *ret_read, struct error *);
    enum status (*write)(struct io_file *, uint64_t offset, const void *from, size_t size, struct error *);
    enum status (*sync)(struct io_file *, struct error *);
    enum status (*size)(struct io_file *, uint64_t *ret, struct error *);
    enum status (*truncate)(struct io_file *, uint64_t size, struct error *);
    enum status (*rename)(struct io *, const char *from, const char *to, struct error *);
    enum status (*unlink)(struct io *, const char *path, struct error *);
    enum status (*make_dir)(struct io *, const char *path, struct error *);
    enum status (*sync_dir)(struct io *, const char *path, struct error *);
    enum status (*list)(struct io *, const char *dir, void (*each)(void *, const char *name), void *, struct error *);
    enum status (*map)(struct io *, const char *path, struct io_map *ret, struct error *);
    void (*unmap)(struct io *, struct io_map *);
    enum status (*lock)(struct io *, const char *path, struct error *);
    enum status (*space)(struct io *, uint64_t *ret_free, uint64_t *ret_total, struct error *);
    void (*destroy)(struct io *);
    enum status (*queue_create)(struct io *, struct io_queue **ret, struct error *);
    void (*queue_destroy)(struct io_queue *);
    enum status (*queue_write_sync)(struct io_queue *, struct io_file *, uint64_t offset, const void *from,
                                    size_t size, uint64_t tag, struct error *);
    int (*queue_poll)(struct io_queue *, struct io_completion *ret, int max, int64_t timeout_ns);
    int (*queue_event_fd)(struct io_queue *);
    void (*queue_wake)(struct io_queue *);
    void (*queue_register)(struct io_queue *, const struct slice *buffers, uint32_t count); /* may be NULL */
};

struct io {
    const struct io_ops *ops;
};

/* io_uring, falling back to posix for whatever errno the ring is refused with; *ret_reason (may be
 * NULL) then says why and otherwise is "". prefer: "uring" (no fallback: fail), "posix", or NULL for auto.
 * root must be an existing directory. */
MUST_CHECK enum status io_create(const char *root, const char *prefer, struct io **ret_io,
                                 char ret_reason[128], struct error *reterr);
MUST_CHECK enum status io_uring_backend_create(const char *root, struct io **ret_io, struct error *reterr);
MUST_CHECK enum status io_posix_backend_create(const char *root, struct io **ret_io, struct error *reterr);
/* Accepts NULL. All files must be closed. Releases the lock. */
void io_destroy(struct io *io);
/* "io_uring", "posix" or "simulated". */
const char *io_name(const struct io *io);

MUST_CHECK enum status io_open(struct io *io, const char *path, int flags, struct io_file **ret, struct error *reterr);
void io_close(struct io_file *file);
/* Reads size bytes unless the file ends; *ret_read says how many. */
MUST_CHECK enum status io_read(struct io_file *file, uint64_t offset, void *to, size_t size, size_t *ret_read, struct error *reterr);
/* All bytes or an error; short writes are continued inside. Not durable before io_sync. */
MUST_CHECK enum status io_write(struct io_file *file, uint64_t offset, const void *from, size_t size, struct error *reterr);
MUST_CHECK enum status io_sync(struct io_file *file, struct error *reterr);
MUST_CHECK enum status io_size(struct io_file *file, uint64_t *ret, struct error *reterr);
MUST_CHECK enum status io_truncate(struct io_file *file, uint64_t size, struct error *reterr);
/* Durable after io_sync_dir of the directory (both directories when they differ). */
MUST_CHECK enum status io_rename(struct io *io, const char *from, const char *to, struct error *reterr);
MUST_CHECK enum status io_unlink(struct io *io, const char *path, struct error *reterr);
/* STATUS_OK when it exists already. */
MUST_CHECK enum status io_make_dir(struct io *io, const char *path, struct error *reterr);
/* "" is the root. */
MUST_CHECK enum status io_sync_dir(struct io *io, const char *path, struct error *reterr);
/* Names in a directory, without "." and "..", in no order. */
MUST_CHECK enum status io_list(struct io *io, const char *dir, void (*each)(void *context, const char *name),
                               void *context, struct error *reterr);
MUST_CHECK enum status io_map(struct io *io, const char *path, struct io_map *ret, struct error *reterr);
void io_unmap(struct io *io, struct io_map *map);
/* Exclusive for the life of io; STATUS_BUSY names the process that holds it where known. */
MUST_CHECK enum status io_lock(struct io *io, const char *path, struct error *reterr);
MUST_CHECK enum status io_space(struct io *io, uint64_t *ret_free, uint64_t *ret_total, struct error *reterr);

/*
 * A queue of asynchronous writes, each followed by its own fdatasync: one linked pair in the ring,
 * a thread in the posix backend. Completions may come in any order. The buffer must stay untouched
 * until then. The owner must drain it before destroying it.
 */
MUST_CHECK enum status io_queue_create(struct io *io, struct io_queue **ret, struct error *reterr);
void io_queue_destroy(struct io_queue *q);
MUST_CHECK enum status io_queue_write_sync(struct io_queue *q, struct io_file *file, uint64_t offset,
                                           const void *from, size_t size, uint64_t tag, struct error *reterr);
/* Up to max completions; waits at most timeout_ns (0: not at all, <0: until one comes). Returns how many. */
int io_queue_poll(struct io_queue *q, struct io_completion *ret, int max, int64_t timeout_ns);
/* Readable when io_queue_poll has something; -1 in the simulator. */
int io_queue_event_fd(struct io_queue *q);
/* The only queue call that any thread may make: a poll that waits returns (with 0 when nothing has
 * completed) and the event fd is readable until the next poll. Nothing in the simulator. */
void io_queue_wake(struct io_queue *q);
/* Advice, once per queue: writes from within these buffers will be many. They must outlive the queue. */
void io_queue_register_buffers(struct io_queue *q, const struct slice *buffers, uint32_t count);

/* Helpers above the table. */
/* Memory for direct input and output: the address is a multiple of IO_ALIGN, the bytes are not cleared. */
void *io_buffer_alloc(size_t size);
void io_buffer_free(void *buffer);
/* Writes a whole new file durably: path.tmp, write, sync, rename, sync_dir. */
MUST_CHECK enum status io_replace_file(struct io *io, const char *path, struct slice bytes, struct error *reterr);

#endif
