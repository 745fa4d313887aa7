/*
 * sink.h - where importers and generators put batches: a server, or nowhere (--dry-run).
 *
 * Promise: what sink_finish counted as stored is durable on the server.
 */
#ifndef DRIFTLINE_TOOLS_SINK_H
#define DRIFTLINE_TOOLS_SINK_H

#include "server/wire/client.h"
#include "tools/connect.h"
#include "tools/input.h"
#include "tools/progress.h"

/* Where the rows of a batch came from, for messages about them. */
struct sink_origin {
    const char *file; /* "" when there is none */
    uint64_t line_first, line_last;
};

struct sink_batch;

struct sink {
    struct wire_client *client; /* NULL: dry run */
    struct progress_line progress;
    const struct input *input; /* for progress; may be NULL */
    /* Sees every batch before it goes out; may be NULL. */
    void (*tap)(void *context, const struct wire_input *in);
    void *tap_context;
    double fraction;          /* progress without an input; negative: unknown */
    struct sink_batch *first; /* sent and not settled, in order */
    struct sink_batch *last;
    uint64_t next_seq;   /* of the next batch: the client counts from 1 */
    uint64_t rows;       /* handed over */
    uint64_t settled;    /* of them: stored or known as duplicates */
    uint64_t duplicates; /* of those */
    uint64_t rejected;   /* refused by the server */
    int64_t moved_ns;    /* when the server last said something */
};

/* what, unit: for the line of progress. */
void sink_begin(struct sink *s, const char *what, const char *unit, bool quiet);
/* STATUS_UNREACHABLE says how to start a server. */
MUST_CHECK enum status sink_connect(struct sink *s, const struct connect *connect,
                                    struct error *reterr);
/* Copies the batch and sends it when there is room. STATUS_UNREACHABLE when the server has been silent for long. */
MUST_CHECK enum status sink_send(struct sink *s, const struct wire_input *in,
                                 const struct sink_origin *origin, struct error *reterr);
/* Waits until everything is settled. */
MUST_CHECK enum status sink_finish(struct sink *s, struct error *reterr);
/* Rows the server has now and did not have before. */
uint64_t sink_stored(const struct sink *s);
void sink_end(struct sink *s);

#endif
