/*
 * engine_append.h - one commit on its way in, shared by the files that take it: engine_append.c checks, drops and logs,
 * engine_fill.c fills in, engine_messages.c looks after the texts.
 */
#ifndef DRIFTLINE_ENGINE_APPEND_H
#define DRIFTLINE_ENGINE_APPEND_H

#include "engine/span/batch_edit.h"
#include "engine/engine_internal.h"

struct taker {
    struct engine *engine;
    struct project *project;
    const struct append *append;
    struct append_result *result;
    struct error *reterr;
    struct arena *arena;
    struct place_reader *reader;
    int64_t now_ns;
    struct commit commit;
    struct row_map map; /* over commit.batches[TABLE_SPANS] */
    struct commit_places places;
};

/* The n-th root span of a session gets turn n. The project's map learns of it when the commit is applied. */
void turns_fill(struct taker *t);
/* Scores and tags without a time were given now. */
void times_fill(struct taker *t, enum table table);
/* Scores get the session, service, model and prompt of their span. */
void dimensions_fill(struct taker *t);
/* Sorts out which bodies are new (t->commit.messages) and whether all that spans refer to is there. STATUS_NOT_FOUND with the
 * missing addresses in the result; STATUS_INVALID for a body that its address does not name. */
MUST_CHECK enum status messages_take(struct taker *t);

#endif
