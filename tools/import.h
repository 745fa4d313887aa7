/*
 * import.h - what the importers share: rows on their way to a sink, messages beside them, and bad rows.
 *
 * Place:   input -> import_csv | import_ndjson | import_chat -> [here] -> sink
 * Failure: what is wrong with a row is reported with file:line:column and the row left out; a function fails only
 *          when it can't go on (unreadable file, wrong header, too many bad rows, server gone).
 */
#ifndef DRIFTLINE_TOOLS_IMPORT_H
#define DRIFTLINE_TOOLS_IMPORT_H

#include "tools/fill.h"
#include "engine/span/message_set.h"
#include "tools/sink.h"

#define IMPORT_BATCH_ROWS_DEFAULT 8192u
#define IMPORT_BATCH_BYTES        (8u << 20) /* text and messages that make a batch full */
#define IMPORT_REPORTS_MAX        10u        /* bad rows shown one by one */

struct import {
    struct sink *sink;
    struct schema schema;
    enum table table;
    uint32_t batch_rows;
    uint64_t rejects_max;       /* give up after so many; 0: never */
    bool skip_unknown;          /* fields without a column are left out */
    bool extra_attributes;      /* ndjson: they go into attributes */
    const char *session_prefix; /* chat: of session names; NULL: from the file's name */
    const char *service;        /* chat; NULL: none */
    const char *model;          /* chat: when a conversation names none; NULL: none */
    int64_t start_ns;           /* chat: when the first conversation without times began */

    struct fill fill;
    struct message_set messages;
    uint64_t rejected;
    struct sink_origin origin; /* of the rows in fill */
};

void import_init(struct import *im, enum table table, uint32_t batch_rows, struct sink *sink);
void import_deinit(struct import *im);

/* Before each file: its columns are its own. Nothing may be waiting. */
void import_begin(struct import *im);
/* A bad row: counts it and reports it. column: in bytes from 1, 0: the whole line; field: may be empty. Fails with
 * STATUS_LIMIT when that was one too many. */
MUST_CHECK enum status import_reject(struct import *im, const char *file, uint64_t line,
                                     uint64_t column, struct slice field, const char *text,
                                     struct error *reterr);
/* The current row stands (it came from that line); sends the batch when it is full. */
MUST_CHECK enum status import_row(struct import *im, const char *file, uint64_t line,
                                  struct error *reterr);
MUST_CHECK enum status import_flush(struct import *im, struct error *reterr);

MUST_CHECK enum status import_csv(struct import *im, struct input *in, struct error *reterr);
MUST_CHECK enum status import_ndjson(struct import *im, struct input *in, struct error *reterr);
MUST_CHECK enum status import_chat(struct import *im, struct input *in, struct error *reterr);

#endif
