/*
 * test_io.c - the file table, the same checks on every backend.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/io_sim.h"
#include "engine/base/memory.h"

enum backend {
    BACKEND_SIM,
    BACKEND_POSIX,
    BACKEND_URING,
    BACKEND_COUNT,
};

struct place {
    struct io *io;
    const char *name;
    char root[64];
};

static bool place_open(struct place *p, enum backend backend)
{
    struct error e = {0};
    p->root[0] = '\0';
    p->name = backend == BACKEND_URING ? "uring" : "posix";
    if (backend == BACKEND_SIM) {
        p->io = io_sim_create(1);
        return true;
    }
    (void)snprintf(p->root, sizeof p->root, "/tmp/driftline-test-XXXXXX");
    cr_assert(mkdtemp(p->root) != NULL);
    if (io_create(p->root, p->name, &p->io, NULL, &e) == STATUS_OK)
        return true;
    cr_assert(backend == BACKEND_URING, "%s", e.text);
    cr_log_warn("skipped, the ring is refused here: %s", e.text);
    (void)rmdir(p->root);
    return false;
}

static void place_close(struct place *p)
{
    char command[96];
    io_destroy(p->io);
    if (p->root[0] == '\0')
        return;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", p->root);
    cr_assert(system(command) == 0);
}

static void on_backends(enum backend first, void (*run)(struct place *p))
{
    for (enum backend b = first; b < BACKEND_COUNT; b++) {
        struct place p;
        if (!place_open(&p, b))
            continue;
        run(&p);
        place_close(&p);
    }
}

static struct io_file *open_ok(struct io *io, const char *path, int flags)
{
    struct io_file *file = NULL;
    struct error e = {0};
    cr_assert(io_open(io, path, flags, &file, &e) == STATUS_OK, "%s", e.text);
    return file;
}

static void run_paths(struct place *p)
{
    static const char *const bad[] = {"/etc/passwd", "",     "..", "a/../b", "../x", "./a",
                                      "a/.",         "a//b", "a/", "/",      "a/..", "."};
    struct io_file *file = NULL;
    struct io_map map;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error e = {0};
        cr_assert(io_open(p->io, bad[i], IO_READ, &file, &e) == STATUS_INVALID, "%s", bad[i]);
        cr_assert(io_unlink(p->io, bad[i], &e) == STATUS_INVALID);
        cr_assert(io_rename(p->io, "a", bad[i], &e) == STATUS_INVALID);
        cr_assert(io_rename(p->io, bad[i], "a", &e) == STATUS_INVALID);
        cr_assert(io_make_dir(p->io, bad[i], &e) == STATUS_INVALID);
        cr_assert(io_map(p->io, bad[i], &map, &e) == STATUS_INVALID);
        cr_assert(io_lock(p->io, bad[i], &e) == STATUS_INVALID);
        cr_assert(io_replace_file(p->io, bad[i], SLICE_EMPTY, &e) == STATUS_INVALID);
        if (bad[i][0] != '\0')
            cr_assert(io_sync_dir(p->io, bad[i], &e) == STATUS_INVALID);
    }
    char text[3000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    struct error e = {0};
    cr_assert(io_open(p->io, text, IO_READ, &file, &e) == STATUS_INVALID);
    text[1020] = '\0';
    cr_assert(io_replace_file(p->io, text, SLICE_EMPTY, &e) == STATUS_INVALID);
    cr_assert(file == NULL);
}

Test(io, paths_that_leave_the_root_are_refused)
{
    on_backends(BACKEND_SIM, run_paths);
}

static void run_files(struct place *p)
{
    struct error e = {0};
    struct io_file *file = NULL;
    cr_assert(io_open(p->io, "f", IO_READ, &file, &e) == STATUS_NOT_FOUND);
    cr_assert(strstr(e.text, "f: open") != NULL, "%s", e.text);
    cr_assert(io_open(p->io, "d/f", IO_WRITE | IO_CREATE, &file, &e) == STATUS_NOT_FOUND);
    file = open_ok(p->io, "f", IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE);
    struct io_file *second = NULL;
    cr_assert(io_open(p->io, "f", IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &second, &e) ==
              STATUS_EXISTS);
    cr_assert(io_write(file, 5, "hello", 5, &e) == STATUS_OK);
    uint64_t size = 0;
    cr_assert(io_size(file, &size, &e) == STATUS_OK);
    cr_assert(size == 10);
    char got[32];
    size_t count = 0;
    cr_assert(io_read(file, 3, got, sizeof got, &count, &e) == STATUS_OK);
    cr_assert(count == 7);
    cr_assert(memcmp(got, "\0\0hello", 7) == 0);
    cr_assert(io_read(file, 10, got, sizeof got, &count, &e) == STATUS_OK);
    cr_assert(count == 0);
    cr_assert(io_read(file, 1000, got, sizeof got, &count, &e) == STATUS_OK);
    cr_assert(count == 0);
    cr_assert(io_truncate(file, 7, &e) == STATUS_OK);
    cr_assert(io_size(file, &size, &e) == STATUS_OK);
    cr_assert(size == 7);
    cr_assert(io_sync(file, &e) == STATUS_OK);
    io_close(file);
    file = open_ok(p->io, "f", IO_READ | IO_WRITE | IO_TRUNCATE);
    cr_assert(io_size(file, &size, &e) == STATUS_OK);
    cr_assert(size == 0);
    io_close(file);
    io_close(NULL);
}

Test(io, files_are_created_written_read_and_truncated)
{
    on_backends(BACKEND_SIM, run_files);
}

static void run_modes(struct place *p)
{
    struct error e = {0};
    struct stat st;
    char path[128];
    cr_assert(io_make_dir(p->io, "d", &e) == STATUS_OK);
    io_close(open_ok(p->io, "d/f", IO_WRITE | IO_CREATE));
    (void)snprintf(path, sizeof path, "%s/d", p->root);
    cr_assert(stat(path, &st) == 0);
    cr_assert(0700 == (st.st_mode & 0777));
    (void)snprintf(path, sizeof path, "%s/d/f", p->root);
    cr_assert(stat(path, &st) == 0);
    cr_assert(0600 == (st.st_mode & 0777));
    char link[128];
    (void)snprintf(link, sizeof link, "%s/l", p->root);
    cr_assert(symlink("/etc/passwd", link) == 0);
    struct io_file *file = NULL;
    cr_assert(io_open(p->io, "l", IO_READ, &file, &e) == STATUS_IO);
}

Test(io, files_and_directories_are_private_and_links_are_not_followed)
{
    on_backends(BACKEND_POSIX, run_modes);
}

struct names {
    unsigned count;
    unsigned found;
};

static void name_see(void *context, const char *name)
{
    struct names *names = context;
    names->count++;
    names->found |=
        (strcmp(name, "a") == 0) | (strcmp(name, "b") == 0) << 1 | (strcmp(name, "sub") == 0) << 2;
}

static void run_directories(struct place *p)
{
    struct error e = {0};
    struct names names = {0};
    cr_assert(io_list(p->io, "d", name_see, &names, &e) == STATUS_NOT_FOUND);
    cr_assert(io_make_dir(p->io, "d", &e) == STATUS_OK);
    cr_assert(io_make_dir(p->io, "d", &e) == STATUS_OK);
    cr_assert(io_make_dir(p->io, "x/y", &e) == STATUS_NOT_FOUND);
    cr_assert(io_make_dir(p->io, "d/sub", &e) == STATUS_OK);
    io_close(open_ok(p->io, "d/a", IO_WRITE | IO_CREATE));
    io_close(open_ok(p->io, "d/b", IO_WRITE | IO_CREATE));
    cr_assert(io_make_dir(p->io, "d/a", &e) < 0);
    cr_assert(io_list(p->io, "d", name_see, &names, &e) == STATUS_OK);
    cr_assert(names.count == 3);
    cr_assert(names.found == 7);
    cr_assert(io_sync_dir(p->io, "d", &e) == STATUS_OK);
    cr_assert(io_sync_dir(p->io, "", &e) == STATUS_OK);
    cr_assert(io_sync_dir(p->io, "none", &e) == STATUS_NOT_FOUND);
    names = (struct names){0};
    cr_assert(io_rename(p->io, "d/a", "d/b", &e) == STATUS_OK);
    cr_assert(io_rename(p->io, "d/a", "d/c", &e) == STATUS_NOT_FOUND);
    cr_assert(io_unlink(p->io, "d/a", &e) == STATUS_NOT_FOUND);
    cr_assert(io_list(p->io, "d", name_see, &names, &e) == STATUS_OK);
    cr_assert(names.count == 2);
    cr_assert(names.found == 6);
    names = (struct names){0};
    cr_assert(io_list(p->io, "", name_see, &names, &e) == STATUS_OK);
    cr_assert(names.count == 1);
}

Test(io, directories_list_rename_and_unlink)
{
    on_backends(BACKEND_SIM, run_directories);
}

static void run_map(struct place *p)
{
    struct error e = {0};
    struct io_map map;
    cr_assert(io_replace_file(p->io, "m", slice_text("contents"), &e) == STATUS_OK, "%s", e.text);
    cr_assert(io_map(p->io, "m", &map, &e) == STATUS_OK);
    /* Replaced meanwhile: what is mapped stays as it was. */
    cr_assert(io_replace_file(p->io, "m", slice_text("other"), &e) == STATUS_OK);
    cr_assert(slice_is(map.bytes, "contents"));
    io_unmap(p->io, &map);
    io_unmap(p->io, &map);
    cr_assert(io_map(p->io, "m", &map, &e) == STATUS_OK);
    cr_assert(slice_is(map.bytes, "other"));
    io_unmap(p->io, &map);
    cr_assert(io_replace_file(p->io, "m", SLICE_EMPTY, &e) == STATUS_OK);
    cr_assert(io_map(p->io, "m", &map, &e) == STATUS_OK);
    cr_assert(map.bytes.size == 0);
    cr_assert(map.bytes.data != NULL);
    io_unmap(p->io, &map);
    cr_assert(io_map(p->io, "none", &map, &e) == STATUS_NOT_FOUND);
    struct names names = {0};
    cr_assert(io_list(p->io, "", name_see, &names, &e) == STATUS_OK);
    cr_assert(names.count == 1, "a temporary file is left");
}

Test(io, replaced_files_are_whole_and_maps_keep_what_they_saw)
{
    on_backends(BACKEND_SIM, run_map);
}

static void run_lock(struct place *p)
{
    struct error e = {0};
    struct io *other = NULL;
    char pid[24];
    cr_assert(io_lock(p->io, "LOCK", &e) == STATUS_OK, "%s", e.text);
    cr_assert(io_lock(p->io, "LOCK", &e) == STATUS_OK);
    cr_assert(io_create(p->root, p->name, &other, NULL, &e) == STATUS_OK);
    cr_assert(io_lock(other, "LOCK", &e) == STATUS_BUSY);
    (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    cr_assert(strstr(e.text, pid) != NULL, "%s", e.text);
    io_destroy(p->io);
    p->io = other;
    cr_assert(io_lock(other, "LOCK", &e) == STATUS_OK, "%s", e.text);
}

Test(io, a_lock_lasts_as_long_as_its_io_and_names_the_holder)
{
    on_backends(BACKEND_POSIX, run_lock);
}

static void run_space(struct place *p)
{
    uint64_t left = 0;
    uint64_t total = 0;
    struct error e = {0};
    cr_assert(io_space(p->io, &left, &total, &e) == STATUS_OK);
    cr_assert(left > 0);
    cr_assert(left <= total);
}

Test(io, free_space_is_known)
{
    on_backends(BACKEND_SIM, run_space);
}

#define REQUESTS 100u

static void run_queue(struct place *p)
{
    struct error e = {0};
    struct io_file *file = open_ok(p->io, "q", IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT);
    struct io_queue *q = NULL;
    uint8_t *buffer = io_buffer_alloc((size_t)REQUESTS * IO_ALIGN);
    bool is_done[REQUESTS] = {false};
    cr_assert(0 == (uintptr_t)buffer % IO_ALIGN);
    for (unsigned i = 0; i < REQUESTS; i++)
        memset(buffer + (size_t)i * IO_ALIGN, (int)i, IO_ALIGN);
    cr_assert(io_queue_create(p->io, &q, &e) == STATUS_OK, "%s", e.text);
    /* Half of the buffer is registered, so that both kinds of write occur. */
    struct slice half = slice_of(buffer, (size_t)REQUESTS / 2 * IO_ALIGN);
    io_queue_register_buffers(q, &half, 1);
    struct io_completion completions[7];
    cr_assert(io_queue_poll(q, completions, 7, 0) == 0);
    for (unsigned i = 0; i < REQUESTS; i++)
        cr_assert(io_queue_write_sync(q, file, (uint64_t)i * IO_ALIGN,
                                      buffer + (size_t)i * IO_ALIGN, IO_ALIGN, i, &e) == STATUS_OK);
    for (unsigned done = 0; done < REQUESTS;) {
        int fd = io_queue_event_fd(q);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        cr_assert(fd < 0 || poll(&ready, 1, 20000) == 1, "the event fd is not readable");
        int count = io_queue_poll(q, completions, 7, 0);
        for (int i = 0; i < count; i++) {
            cr_assert(completions[i].status == STATUS_OK);
            cr_assert(is_done[completions[i].tag] == false);
            is_done[completions[i].tag] = true;
        }
        done += (unsigned)count;
    }
    cr_assert(io_queue_poll(q, completions, 7, 0) == 0);
    memset(buffer, 0xff, (size_t)REQUESTS * IO_ALIGN);
    size_t got = 0;
    cr_assert(io_read(file, 0, buffer, (size_t)REQUESTS * IO_ALIGN, &got, &e) == STATUS_OK);
    cr_assert(got == (size_t)REQUESTS * IO_ALIGN);
    for (unsigned i = 0; i < REQUESTS; i++)
        cr_assert(buffer[(size_t)i * IO_ALIGN] == i && buffer[(size_t)(i + 1) * IO_ALIGN - 1] == i);
    io_queue_destroy(q);
    io_close(file);
    io_buffer_free(buffer);
}

Test(io, every_queued_write_completes_once_and_is_there)
{
    on_backends(BACKEND_SIM, run_queue);
}

static void run_queue_failure(struct place *p)
{
    struct error e = {0};
    io_close(open_ok(p->io, "q", IO_WRITE | IO_CREATE));
    struct io_file *file = open_ok(p->io, "q", IO_READ);
    struct io_queue *q = NULL;
    struct io_completion completion;
    cr_assert(io_queue_create(p->io, &q, &e) == STATUS_OK);
    cr_assert(io_queue_write_sync(q, file, 0, "x", 1, 77, &e) == STATUS_OK);
    cr_assert(io_queue_poll(q, &completion, 1, 20 * NS_PER_S) == 1);
    cr_assert(completion.tag == 77);
    cr_assert(completion.status == STATUS_IO);
    cr_assert(completion.error_number == EBADF);
    io_queue_destroy(q);
    io_close(file);
}

Test(io, a_queued_write_that_is_refused_says_so)
{
    on_backends(BACKEND_POSIX, run_queue_failure);
}

/* The size limit of files makes the kernel write short, then refuse: in the ring that breaks the link, and
 * the part that was written must not pass for the whole. */
static void run_queue_short(struct place *p)
{
    struct error e = {0};
    struct io_file *file = open_ok(p->io, "q", IO_READ | IO_WRITE | IO_CREATE);
    struct io_queue *q = NULL;
    struct io_completion completion;
    static uint8_t bytes[20000];
    struct rlimit old;
    cr_assert(io_queue_create(p->io, &q, &e) == STATUS_OK);
    cr_assert(getrlimit(RLIMIT_FSIZE, &old) == 0);
    struct rlimit limit = {.rlim_cur = 10000, .rlim_max = old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    cr_assert(io_queue_write_sync(q, file, 0, bytes, sizeof bytes, 1, &e) == STATUS_OK);
    int count = io_queue_poll(q, &completion, 1, 20 * NS_PER_S);
    for (unsigned i = 0; count == 0 && i < 1000; i++)
        count = io_queue_poll(q, &completion, 1, 20 * NS_PER_S);
    cr_assert(setrlimit(RLIMIT_FSIZE, &old) == 0);
    cr_assert(count == 1);
    cr_assert(completion.status == STATUS_IO);
    cr_assert(completion.error_number == EFBIG, "%d", completion.error_number);
    uint64_t size = 0;
    cr_assert(io_size(file, &size, &e) == STATUS_OK);
    cr_assert(size == 10000, "the write was not short: %llu", (unsigned long long)size);
    io_queue_destroy(q);
    io_close(file);
}

Test(io, a_short_write_in_the_queue_is_not_taken_for_a_whole_one)
{
    on_backends(BACKEND_POSIX, run_queue_short);
}

static void run_wake(struct place *p)
{
    struct error e = {0};
    struct io_queue *q = NULL;
    struct io_completion completion;
    cr_assert(io_queue_create(p->io, &q, &e) == STATUS_OK);
    io_queue_wake(q);
    struct pollfd ready = {.fd = io_queue_event_fd(q), .events = POLLIN};
    cr_assert(poll(&ready, 1, 0) == 1);
    cr_assert(io_queue_poll(q, &completion, 1, -1) == 0);
    cr_assert(poll(&ready, 1, 0) == 0);
    io_queue_destroy(q);
}

Test(io, a_wake_ends_one_wait)
{
    on_backends(BACKEND_POSIX, run_wake);
}

Test(io, an_unknown_backend_and_a_missing_root_are_refused)
{
    struct io *io = NULL;
    struct error e = {0};
    char reason[128];
    cr_assert(io_create("/tmp", "floppy", &io, reason, &e) == STATUS_INVALID);
    cr_assert(strstr(e.text, "floppy") != NULL);
    cr_assert(io_create("/nonexistent/driftline", "posix", &io, reason, &e) == STATUS_NOT_FOUND);
    cr_assert(io_create("/dev/null", NULL, &io, reason, &e) == STATUS_IO);
    cr_assert(io == NULL);
    io_destroy(NULL);
}

/* From here on this process (each test has its own) is refused a ring, as containers do. */
static void ring_refuse(int error_number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error_number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    cr_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    cr_assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void fallback_check(int error_number)
{
    struct io *io = NULL;
    struct io *before = NULL;
    struct io_queue *q = NULL;
    struct error e = {0};
    char reason[128] = "";
    bool had_ring = io_create("/tmp", "uring", &before, NULL, &e) == STATUS_OK;
    ring_refuse(error_number);
    cr_assert(io_create("/tmp", "uring", &io, reason, &e) == STATUS_UNAVAILABLE);
    cr_assert(strstr(e.text, strerror(error_number)) != NULL, "%s", e.text);
    cr_assert(io_create("/tmp", NULL, &io, reason, &e) == STATUS_OK, "%s", e.text);
    cr_assert(strcmp(io_name(io), "posix") == 0);
    cr_assert(strstr(reason, strerror(error_number)) != NULL, "%s", reason);
    io_destroy(io);
    if (!had_ring)
        return;
    /* Refused after the start: the queue alone falls back. */
    char path[64];
    (void)snprintf(path, sizeof path, "driftline-test-queue-%d", error_number); /* the cases run side by side */
    struct io_file *file = open_ok(before, path, IO_WRITE | IO_CREATE);
    struct io_completion completion;
    cr_assert(io_queue_create(before, &q, &e) == STATUS_OK, "%s", e.text);
    cr_assert(io_queue_write_sync(q, file, 0, "x", 1, 5, &e) == STATUS_OK);
    cr_assert(io_queue_poll(q, &completion, 1, 20 * NS_PER_S) == 1);
    cr_assert(completion.status == STATUS_OK);
    io_queue_destroy(q);
    io_close(file);
    cr_assert(io_unlink(before, path, &e) == STATUS_OK);
    io_destroy(before);
}

Test(io, a_ring_refused_with_eperm_becomes_posix)
{
    fallback_check(EPERM);
}

Test(io, a_ring_refused_with_enosys_becomes_posix)
{
    fallback_check(ENOSYS);
}

Test(io, a_ring_refused_with_enomem_becomes_posix)
{
    fallback_check(ENOMEM);
}
