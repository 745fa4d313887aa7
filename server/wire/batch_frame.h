/*
 * batch_frame.h - the BATCH and MESSAGES frames: spans, scores, tags and bodies, column by column.
 *
 * Place:     span batches -> wire_batch_write -> socket -> wire_batch_read -> span batches
 */
#ifndef DRIFTLINE_WIRE_BATCH_FRAME_H
#define DRIFTLINE_WIRE_BATCH_FRAME_H

#include "engine/span/batch.h"
#include "server/wire/dictionary.h"

/* What a client sends as one atomic commit. Any part may be NULL or empty. */
struct wire_input {
    const struct batch *spans;
    const struct batch *scores;
    const struct batch *tags;
    const struct message *messages; /* only the bodies count: an address is the hash of its body */
    uint32_t message_count;
};

/* The largest batch and payload the other side takes; 0: this protocol's own bounds. */
struct wire_bounds {
    uint32_t batch_rows_max;
    uint32_t payload_max;
    uint32_t dictionary_entries_max;
    uint32_t dictionary_bytes_max;
};

/*
 * Adds a BATCH frame to an empty or 8-byte aligned buffer. STATUS_INVALID and STATUS_LIMIT name the
 * column; then nothing was added and nothing counts as sent.
 */
MUST_CHECK enum status wire_batch_write(const struct wire_input *in, uint64_t batch_seq,
                                        uint8_t flags, struct wire_strings *strings,
                                        const struct wire_bounds *bounds, struct buffer *to,
                                        struct error *reterr);
/* Adds a MESSAGES frame. The bodies fit into one payload (ASSERT). */
void wire_messages_write(const struct message *messages, uint32_t count, struct buffer *to);

/* A decoded BATCH. tables[t].rows is 0 for a table that is not there. */
struct wire_batch {
    uint64_t batch_seq;
    struct batch tables[TABLE_COUNT];
    struct message *messages;
    uint32_t message_count;
};

/* Where a batch went wrong. */
struct wire_fault {
    bool fatal;         /* the dictionaries are out of step: the connection must end */
    uint64_t batch_seq; /* 0 when not even that was readable */
    char column[NAME_BYTES_MAX + 16]; /* "spans.model", or "" */
};

/*
 * Vectors point into the payload where they can (if it is 8-byte aligned), else into the arena;
 * strings belong to the dictionaries. All three must outlive the batch, and the dictionaries must not
 * take another delta meanwhile. Score names are added to the schema once everything else is good.
 * Reading the same frame twice is harmless.
 */
MUST_CHECK enum status wire_batch_read(const struct frame *frame, struct wire_dictionaries *d,
                                       struct schema *schema, struct arena *arena,
                                       struct wire_batch *ret, struct wire_fault *ret_fault,
                                       struct error *reterr);
/* The payload of a MESSAGES frame; addresses are computed. */
MUST_CHECK enum status wire_messages_read(struct slice payload, struct arena *arena,
                                          struct message **ret_messages, uint32_t *ret_count,
                                          struct error *reterr);
/* The batch_seq of a BATCH payload without decoding it; false when it is too short. */
bool wire_batch_seq(struct slice payload, uint64_t *ret);

#endif
