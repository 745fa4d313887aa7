/*
 * dictionary.h - the strings of one connection, per STR column: sent once, then named by code.
 *
 * The sender keeps struct wire_strings, the receiver struct wire_dictionaries; code 0 is NULL on
 * both sides, real values count from 1. A delta names the code of its first value. It may repeat
 * values the receiver has (after a reconnect it will), but then they must be equal; it may not leave
 * a gap.
 */
#ifndef DRIFTLINE_WIRE_DICTIONARY_H
#define DRIFTLINE_WIRE_DICTIONARY_H

#include "engine/base/intern.h"
#include "engine/span/vector.h"
#include "server/wire/frame.h"

/* ---- receiver ---- */

struct wire_dictionary {
    struct slice *values; /* values[0] is the empty slice */
    size_t capacity;
    struct dict dict; /* .values == values */
};

/* Zero is empty. */
struct wire_dictionaries {
    struct wire_dictionary *columns[TABLE_COUNT][WIRE_COLUMN_IDS];
    struct arena arena; /* the strings */
    uint32_t entries;   /* over all columns */
    uint64_t bytes;
};

void wire_dictionaries_deinit(struct wire_dictionaries *d);
/* Forgets all values. */
void wire_dictionaries_reset(struct wire_dictionaries *d);
/* About what they take in memory. */
uint64_t wire_dictionaries_memory(const struct wire_dictionaries *d);
/* Never NULL: a column nothing was sent for has the dictionary of NULL alone. */
const struct dict *wire_dictionaries_find(const struct wire_dictionaries *d, enum table table,
                                          uint16_t column_id);
/* Reads `count` delta sections. A failure leaves the two sides apart: the connection must end. */
MUST_CHECK enum status wire_deltas_read(struct cursor *c, uint32_t count,
                                        struct wire_dictionaries *d, struct error *reterr);
/* The payload of a DICTIONARY frame with its flags. */
MUST_CHECK enum status wire_dictionary_frame_read(const struct frame *frame,
                                                  struct wire_dictionaries *d,
                                                  struct error *reterr);

/* ---- sender ---- */

/* Zero is empty. */
struct wire_strings {
    struct intern *columns[TABLE_COUNT][WIRE_COLUMN_IDS];
    uint32_t sent[TABLE_COUNT][WIRE_COLUMN_IDS]; /* values a delta carried; codes from 1 */
    uint32_t entries;                            /* interned, over all columns */
    uint64_t bytes;
    struct arena scratch; /* of wire_batch_write, kept from batch to batch */
};

void wire_strings_deinit(struct wire_strings *s);
/* The code of a value, added when new. */
uint32_t wire_strings_code(struct wire_strings *s, enum table table, uint16_t column_id,
                           struct slice value);
/* Adds the delta section of a column's values since the last one. False: there are none. */
bool wire_delta_write(struct wire_strings *s, enum table table, uint16_t column_id,
                      struct buffer *to);
/* DICTIONARY frames with all values, the first with RESET: what makes a new connection understand
 * frames that were encoded for an old one. Each has at most about payload_bytes of payload. */
void wire_strings_write_all(const struct wire_strings *s, uint32_t payload_bytes,
                            struct buffer *to);

#endif
