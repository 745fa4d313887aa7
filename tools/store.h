/*
 * store.h - a data directory opened in this process, for commands that work without a server.
 */
#ifndef DRIFTLINE_TOOLS_STORE_H
#define DRIFTLINE_TOOLS_STORE_H

#include "engine/engine.h"

/* Zero is closed. */
struct store {
    struct io *io;
    struct engine *engine;
};

/* STATUS_BUSY when a server has the directory: ask it instead. Background upkeep is off. STATUS_NOT_FOUND when there is no store and
 * nothing may be written. */
MUST_CHECK enum status store_open(const char *directory, bool read_only, struct store *ret,
                                  struct error *reterr);
void store_close(struct store *s);

#endif
