/*
 * judge_exec.c - see judge_exec.h.
 *
 * Ends:      the command itself is waited for through a pidfd, so that a child it leaves behind with our pipes open can't hold us
 *            up; its whole process group is killed in the end, whatever became of it.
 */
#include "tools/judge_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"

#define TICK_MS     200
#define READ_BYTES  65536
#define TAIL_CHUNKS 2 /* times JUDGE_ERROR_TAIL_MAX are buffered before the front is dropped */

extern char **environ;

enum {
    PIPE_IN,
    PIPE_OUT,
    PIPE_ERR,
    PIPE_PROCESS,
    PIPE_COUNT
};

struct child {
    pid_t pid;
    int fds[PIPE_COUNT]; /* our ends and the pidfd; -1: closed */
    struct slice left;   /* of the input */
    struct buffer *output;
    struct buffer errors;
    bool too_much;
};

static void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* ---- starting ---- */

/* ends[i][0] is read from, ends[i][1] written to. */
static enum status pipes_make(int ends[3][2], struct error *reterr)
{
    for (int i = 0; i < 3; i++) {
        if (pipe2(ends[i], O_CLOEXEC) != 0)
            return error_set(reterr, STATUS_IO, "pipe: %m");
    }
    return STATUS_OK;
}

/* A thread's signals are blocked; a command expects them as a shell would have them. */
static void attributes_set(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t defaults;
    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)sigaddset(&defaults, SIGINT);
    (void)sigaddset(&defaults, SIGTERM);
    (void)posix_spawnattr_setsigmask(attributes, &none);
    (void)posix_spawnattr_setsigdefault(attributes, &defaults);
    (void)posix_spawnattr_setpgroup(attributes, 0);
    (void)posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                   POSIX_SPAWN_SETSIGDEF);
}

static int spawn(const char *command, int ends[3][2], pid_t *ret_pid)
{
    char shell[] = "sh";
    char option[] = "-c";
    char *const arguments[] = {shell, option, (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ASSERT(posix_spawn_file_actions_init(&actions) == 0);
    ASSERT(posix_spawnattr_init(&attributes) == 0);
    attributes_set(&attributes);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[PIPE_IN][0], STDIN_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[PIPE_OUT][1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[PIPE_ERR][1], STDERR_FILENO);
    int code = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return code;
}

static void child_kill(struct child *c)
{
    int status;
    (void)kill(-c->pid, SIGKILL);
    if (c->fds[PIPE_PROCESS] >= 0)
        (void)waitpid(c->pid, &status, 0);
    fd_close(&c->fds[PIPE_PROCESS]);
}

static enum status child_start(const struct judge_exec *e, struct child *c, struct error *reterr)
{
    int ends[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    enum status s = pipes_make(ends, reterr);
    int code = s < 0 ? 0 : spawn(e->command, ends, &c->pid);
    if (code != 0)
        s = error_set(reterr, STATUS_IO, "can't start /bin/sh: %s", strerrordesc_np(code));
    fd_close(&ends[PIPE_IN][0]);
    fd_close(&ends[PIPE_OUT][1]);
    fd_close(&ends[PIPE_ERR][1]);
    c->fds[PIPE_IN] = ends[PIPE_IN][1];
    c->fds[PIPE_OUT] = ends[PIPE_OUT][0];
    c->fds[PIPE_ERR] = ends[PIPE_ERR][0];
    if (s < 0)
        return s;
    for (int i = 0; i < 3; i++)
        (void)fcntl(c->fds[i], F_SETFL, O_NONBLOCK);
    c->fds[PIPE_PROCESS] = pidfd_open(c->pid, 0);
    if (c->fds[PIPE_PROCESS] >= 0)
        return STATUS_OK;
    s = error_set(reterr, STATUS_IO, "pidfd_open: %m");
    (void)kill(-c->pid, SIGKILL);
    (void)waitpid(c->pid, &code, 0);
    return s;
}

/* ---- moving bytes ---- */

static void input_feed(struct child *c)
{
    while (c->left.size > 0) {
        ssize_t put = write(c->fds[PIPE_IN], c->left.data, c->left.size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0)
            break; /* it does not want to read on, which is its affair */
        c->left = slice_of(c->left.data + put, c->left.size - (size_t)put);
    }
    fd_close(&c->fds[PIPE_IN]);
}

static void errors_trim(struct buffer *b, size_t most)
{
    if (b->size <= most)
        return;
    memmove(b->data, b->data + (b->size - JUDGE_ERROR_TAIL_MAX), JUDGE_ERROR_TAIL_MAX);
    b->size = JUDGE_ERROR_TAIL_MAX;
}

/* What is there now; closes at the end. */
static void pipe_drain(struct child *c, int which)
{
    uint8_t bytes[READ_BYTES];
    while (c->fds[which] >= 0 && !c->too_much) {
        ssize_t got = read(c->fds[which], bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            fd_close(&c->fds[which]);
            return;
        }
        struct buffer *to = which == PIPE_OUT ? c->output : &c->errors;
        buffer_add(to, bytes, (size_t)got);
        if (which == PIPE_ERR)
            errors_trim(to, (size_t)TAIL_CHUNKS * JUDGE_ERROR_TAIL_MAX);
        else
            c->too_much = to->size > JUDGE_OUTPUT_MAX;
    }
}

/* True: the command has ended. */
static bool child_poll(struct child *c, int timeout_ms)
{
    struct pollfd fds[PIPE_COUNT];
    for (int i = 0; i < PIPE_COUNT; i++)
        fds[i] = (struct pollfd){.fd = c->fds[i], .events = i == PIPE_IN ? POLLOUT : POLLIN};
    if (poll(fds, PIPE_COUNT, timeout_ms) <= 0)
        return false;
    if (fds[PIPE_IN].revents != 0)
        input_feed(c);
    if (fds[PIPE_OUT].revents != 0)
        pipe_drain(c, PIPE_OUT);
    if (fds[PIPE_ERR].revents != 0)
        pipe_drain(c, PIPE_ERR);
    return fds[PIPE_PROCESS].revents != 0;
}

/* ---- its end ---- */

static enum status failed(struct child *c, const char *how, struct error *reterr)
{
    errors_trim(&c->errors, JUDGE_ERROR_TAIL_MAX);
    struct slice tail = buffer_slice(&c->errors);
    while (tail.size > 0 && (tail.data[tail.size - 1] == '\n' || tail.data[tail.size - 1] == ' '))
        tail.size--;
    /* An error's text is shorter than the tail: its end says most. */
    size_t room = ERROR_TEXT_BYTES - 200;
    if (tail.size > room)
        tail = slice_of(tail.data + (tail.size - room), room);
    return error_set(reterr, STATUS_INVALID, "%s%s%.*s", how, tail.size > 0 ? ": " : "",
                     SLICE_ARG(tail));
}

static enum status exit_read(struct child *c, struct error *reterr)
{
    int status = 0;
    char how[64];
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    fd_close(&c->fds[PIPE_PROCESS]);
    pipe_drain(c, PIPE_OUT);
    pipe_drain(c, PIPE_ERR);
    if (c->too_much)
        return failed(c, "more than 1 MiB on standard output", reterr);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return STATUS_OK;
    if (WIFEXITED(status))
        (void)snprintf(how, sizeof how, "exit code %d", WEXITSTATUS(status));
    else
        (void)snprintf(how, sizeof how, "ended by signal %d", WTERMSIG(status));
    return failed(c, how, reterr);
}

static enum status child_watch(const struct judge_exec *e, struct child *c, struct error *reterr)
{
    int64_t started_ns = clock_monotonic_ns();
    int64_t renew_ns = started_ns + e->renew_every_ns;
    for (;;) {
        if (child_poll(c, TICK_MS))
            return exit_read(c, reterr);
        int64_t now_ns = clock_monotonic_ns();
        if (c->too_much)
            return failed(c, "more than 1 MiB on standard output", reterr);
        if (now_ns - started_ns >= e->timeout_ns) {
            char how[64];
            char text[TIME_TEXT_BYTES];
            duration_to_text(e->timeout_ns, text);
            (void)snprintf(how, sizeof how, "no answer within %s", text);
            return failed(c, how, reterr);
        }
        if (e->stop != NULL && e->stop(e->context))
            return error_set(reterr, STATUS_CANCELLED, "interrupted");
        if (now_ns >= renew_ns) {
            if (!e->renew(e->context))
                return error_set(reterr, STATUS_CANCELLED, "the lease was lost");
            renew_ns = now_ns + e->renew_every_ns;
        }
    }
}

enum status judge_exec(const struct judge_exec *e, struct buffer *ret_output, struct error *reterr)
{
    struct child c = {.fds = {-1, -1, -1, -1}, .left = e->input, .output = ret_output};
    enum status s = child_start(e, &c, reterr);
    if (s >= 0) {
        s = child_watch(e, &c, reterr);
        child_kill(&c);
    }
    for (int i = 0; i < PIPE_COUNT; i++)
        fd_close(&c.fds[i]);
    buffer_deinit(&c.errors);
    return s;
}
