/*
 * batch_write.h - what the two files that write a BATCH frame share. Private to server/wire.
 */
#ifndef DRIFTLINE_WIRE_BATCH_WRITE_H
#define DRIFTLINE_WIRE_BATCH_WRITE_H

#include "server/wire/batch_frame.h"

struct writer {
    struct buffer *to;
    struct wire_strings *strings;
    struct arena *arena; /* codes of STR columns until they are written */
    struct error *reterr;
    uint32_t payload_max;
    size_t start;
};

/* Codes of one STR column, before they are narrowed. */
struct coded {
    uint32_t *codes;
    uint32_t code_max;
    bool constant;
};

/* "column spans.model: reason". */
enum status batch_column_bad(struct error *reterr, enum status status, enum table table,
                             const struct column *column, const char *reason);

/* Adds a column; coded is that of a STR column, else ignored. *ret_written is false for a column that
 * is left out: one without a value, and seq, which is the engine's to give. */
MUST_CHECK enum status batch_column_write(struct writer *w, const struct batch *b,
                                          const struct batch_column *c, const struct coded *coded,
                                          bool *ret_written);

#endif
