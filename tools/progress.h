/*
 * progress.h - one line of progress on stderr: at most ten times a second on a terminal, every ten seconds elsewhere.
 */
#ifndef DRIFTLINE_TOOLS_PROGRESS_H
#define DRIFTLINE_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress_line {
    const char *what; /* "ingest" */
    const char *unit; /* "spans" */
    int64_t started_ns, shown_ns;
    bool terminal;
    bool quiet;
    bool dirty; /* a line stands on the terminal */
};

void progress_begin(struct progress_line *p, const char *what, const char *unit, bool quiet);
/* done of total (0: unknown) items; fraction in [0, 1], negative: unknown. Cheap to call often. */
void progress_update(struct progress_line *p, uint64_t done, double fraction);
/* Takes the line away. */
void progress_end(struct progress_line *p);
double progress_seconds(const struct progress_line *p);

#endif
