/*
 * history_internal.h - what rescore and remap share: writing to the store, and reading message bodies.
 */
#ifndef DRIFTLINE_HISTORY_INTERNAL_H
#define DRIFTLINE_HISTORY_INTERNAL_H

#include "server/history/history.h"

/* Rows of one commit. */
#define HISTORY_COMMIT_ROWS 8192u

/* Appends and waits until the commit is durable and visible. When the store is too full of rows to take more they are sealed first.
 * offline: nobody else moves the store along. */
MUST_CHECK enum status history_append(struct engine *e, const struct append *append, bool offline,
                                      struct error *reterr);

/* The body hook of struct enrich_work. */
struct history_bodies {
    struct engine *engine;
    uint32_t project;
};
bool history_body(void *context, struct id128 address, struct arena *arena, struct slice *ret);

#endif
