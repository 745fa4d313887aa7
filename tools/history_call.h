/*
 * history_call.h - what reprice, rescore and remap share: flags, the call to a server, and the report for people.
 */
#ifndef DRIFTLINE_TOOLS_HISTORY_CALL_H
#define DRIFTLINE_TOOLS_HISTORY_CALL_H

#include "tools/upkeep.h"

enum {
    HISTORY_SINCE = OPTION_LONG(700),
    HISTORY_UNTIL,
    HISTORY_DRY_RUN
};

#define HISTORY_OPTIONS                                                                            \
    {HISTORY_SINCE, "since", "WHEN", "spans from here on: 7d (ago) or 2026-11-01T14:05Z"},         \
        {HISTORY_UNTIL, "until", "WHEN", "spans before this"},                                     \
        {HISTORY_DRY_RUN, "dry-run", NULL, "say what would change, write nothing"}, UPKEEP_OPTIONS

/* Zero is valid. Commands embed it first in their own struct. */
struct history_call {
    const char *since, *until; /* as given */
    bool dry_run;
    int64_t from_ns, until_ns; /* once history_call_check was content */
};

/* True when key was one of HISTORY_OPTIONS. */
bool history_call_take(struct history_call *c, int key, const char *value);
/* Reads the range; an exit code. */
int history_call_check(struct history_call *c, const char *command);
/* POST /api/v1/admin/JOB with the flags and `more` ("&all=true", already encoded, or ""); the answer is in u->answer. */
MUST_CHECK enum status history_call_remote(struct upkeep *u, const struct history_call *c,
                                           const char *job, const char *more, struct slice body,
                                           struct error *reterr);
/* Opens --data and finds the project. */
MUST_CHECK enum status history_call_open(const struct upkeep *u, const struct history_call *c,
                                         struct store *ret, uint32_t *ret_project,
                                         struct error *reterr);
/* The answer as it is (--json), or as sentences and a table. */
MUST_CHECK enum status history_call_print(const struct upkeep *u, struct error *reterr);

#endif
