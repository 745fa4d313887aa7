/*
 * commit.h - the payload of a WAL record of type COMMIT_RECORD: one atomic commit of one project.
 *
 * Format:    FORMAT.md 4.5
 * Invariant: the record is self-contained: dictionaries, bodies of new messages and everything the
 *            engine decided (turns, copied dimensions, times) are in it; only seq, which is the record's own
 *            sequence, and the default error class are left to whoever applies it.
 */
#ifndef DRIFTLINE_COMMIT_H
#define DRIFTLINE_COMMIT_H

#include "engine/span/batch.h"

/* On disk: append only, never renumber. */
#define COMMIT_RECORD  1u
#define COMMIT_VERSION 1u

struct commit {
    struct id128 client; /* zero: none */
    uint64_t batch_seq;
    int64_t time_ns;                   /* wall clock when it was accepted */
    struct batch batches[TABLE_COUNT]; /* by table; rows == 0: none */
    uint32_t message_count;
    const struct message *messages;
};

void commit_encode(const struct commit *c, struct buffer *to);
/* Vectors and bodies point into payload where they can, else into the arena; both must outlive *ret. Score names are added to
 * the schema. STATUS_CORRUPT or STATUS_LIMIT. */
MUST_CHECK enum status commit_decode(struct slice payload, struct schema *schema,
                                     struct arena *arena, struct commit *ret, struct error *reterr);

#endif
