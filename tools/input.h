/*
 * input.h - a file or standard input as a window of bytes that importers walk through.
 *
 * A record is parsed where it lies in the window; when the window ends inside it, input_more moves
 * the record to the front, reads on, and the record is parsed again.
 */
#ifndef DRIFTLINE_TOOLS_INPUT_H
#define DRIFTLINE_TOOLS_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/slice.h"
#include "engine/base/status.h"

#define INPUT_PADDING    64u           /* zero bytes behind the window, so that scans may overrun */
#define INPUT_CHUNK      (1u << 20)    /* read at once: stays in the second-level cache */
#define INPUT_RECORD_MAX (96u << 20)   /* one record; more is refused */
#define INPUT_WHOLE_MAX  (1024u << 20) /* a file that is read as a whole */

/* Zero is closed. */
struct input {
    const char *name; /* for messages */
    FILE *file;
    bool is_stdin;
    bool finished; /* nothing comes behind the window */
    uint8_t *data;
    size_t at; /* the window is data[at, end) */
    size_t end;
    size_t capacity;
    uint64_t bytes_read;
    uint64_t bytes_total; /* 0: unknown */
};

/* "-" is standard input. */
MUST_CHECK enum status input_open(const char *path, struct input *ret, struct error *reterr);
void input_close(struct input *in);
/* Reads on. STATUS_END when there was nothing more; STATUS_LIMIT when the window is full. */
MUST_CHECK enum status input_more(struct input *in, struct error *reterr);
/* Everything that is left, as one window of at most INPUT_WHOLE_MAX bytes. */
MUST_CHECK enum status input_all(struct input *in, struct error *reterr);
/* How far along, in [0, 1]; negative when the size is unknown. */
double input_fraction(const struct input *in);

static inline struct slice input_window(const struct input *in)
{
    return slice_of(in->data + in->at, in->end - in->at);
}

#endif
