/*
 * judge_run.h - `driftline judge run`: a worker of the judge queue.
 */
#ifndef DRIFTLINE_TOOLS_JUDGE_RUN_H
#define DRIFTLINE_TOOLS_JUDGE_RUN_H

#include "tools/connect.h"

struct judge_run_options {
    const struct connect *connect;
    const char *command;
    const char *worker; /* NULL: host and process */
    uint64_t max;       /* items; 0: no end */
    uint32_t concurrency;
    int64_t timeout_ns;
    bool once; /* end when nothing waits */
};
/* Returns an exit code. */
int judge_run(const struct judge_run_options *options);

/* "/api/v1/judge/VERB?project=NAME" with a NUL behind it. */
void judge_path(const struct connect *c, const char *verb, struct buffer *to);

#endif
