/*
 * judge_exec.h - one command of a judge worker: JSON in, JSON out, a time limit.
 *
 * Place:     tools/judge_run.c -> [here] -> /bin/sh -c COMMAND, in a process group of its own
 * Threads:   any number at once.
 */
#ifndef DRIFTLINE_TOOLS_JUDGE_EXEC_H
#define DRIFTLINE_TOOLS_JUDGE_EXEC_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

#define JUDGE_OUTPUT_MAX     (1u << 20) /* standard output */
#define JUDGE_ERROR_TAIL_MAX 2000u      /* of standard error, the end is kept */

struct judge_exec {
    const char *command;
    struct slice input;
    int64_t timeout_ns;
    int64_t renew_every_ns;
    /* Called about every renew_every_ns while the command runs; false: end it. */
    bool (*renew)(void *context);
    /* Looked at a few times a second; true: end it. */
    bool (*stop)(void *context);
    void *context;
};

/* Appends standard output to ret_output. STATUS_INVALID: it failed; the error says how (exit code, signal, time, too much output) with the
 * end of its standard error. STATUS_CANCELLED: renew or stop ended it. STATUS_IO: it could not be started. */
MUST_CHECK enum status judge_exec(const struct judge_exec *e, struct buffer *ret_output,
                                  struct error *reterr);

#endif
