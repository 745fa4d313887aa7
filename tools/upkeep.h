/*
 * upkeep.h - what compact, retain, verify and inspect share: they ask a server, or work on a directory, and get the same
 * JSON from both.
 */
#ifndef DRIFTLINE_TOOLS_UPKEEP_H
#define DRIFTLINE_TOOLS_UPKEEP_H

#include "tools/connect.h"
#include "tools/progress.h"
#include "tools/store.h"

enum {
    UPKEEP_DATA = OPTION_LONG(800),
    UPKEEP_JSON
};

#define UPKEEP_OPTIONS                                                                             \
    {UPKEEP_DATA, "data", "DIR", "work on this directory; its server must be down"},               \
        {UPKEEP_JSON, "json", NULL, "print JSON"}, CONNECT_OPTIONS

struct upkeep {
    const char *name; /* of the command */
    struct connect connect;
    const char *data;
    bool json;
    struct buffer answer;
    struct progress_line progress;
    struct progress report; /* for engine calls: draws p->progress */
};

/* Walks the flags; others than UPKEEP_OPTIONS go to take (may be NULL), which returns an exit code. False: *ret_exit says how the
 * command ends. */
bool upkeep_begin(struct upkeep *u, const struct command *self, int argc, char **argv,
                  int (*take)(void *context, int key, const char *value), void *context,
                  int *ret_operands, int *ret_exit);
/* method and path to the server; the answer is in u->answer. */
MUST_CHECK enum status upkeep_remote(struct upkeep *u, const char *method, const char *path,
                                     struct error *reterr);
/* Prints u->answer as it is (--json) or as lines. */
MUST_CHECK enum status upkeep_print(const struct upkeep *u, struct error *reterr);
void upkeep_end(struct upkeep *u);
/* {"name":value, or ,"name":value */
void upkeep_add_count(struct buffer *to, const char *name, uint64_t value);

#endif
