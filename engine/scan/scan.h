/*
 * scan.h - reading rows: a snapshot of sources, cut into morsels that threads take one at a time.
 *
 * Place:    engine (takes the snapshot) -> [here] -> query
 * Order:    none. A morsel is one block of a segment or one chunk of a head; it comes whole.
 * Failure:  a damaged block is skipped and counted, never guessed at and never hiding others.
 * Threads:  one scan is shared by many threads; a scan_reader belongs to one.
 */
#ifndef DRIFTLINE_SCAN_H
#define DRIFTLINE_SCAN_H

#include "engine/span/batch.h"

enum scan_op { SCAN_EQ, SCAN_NE, SCAN_LT, SCAN_LE, SCAN_GT, SCAN_GE, SCAN_IN };

/* A conjunct the scan may use to skip blocks. Skipping is all it does: rows that don't match may still come. */
struct scan_filter {
    const struct column *column;
    enum scan_op op;
    uint32_t count;              /* values, 1 except for SCAN_IN */
    const int64_t *i64;          /* I64 columns: stored units; ID64 columns: the id */
    const double *f64;           /* F64 */
    const struct slice *bytes;   /* STR, TEXT: text; ID128: 16 bytes */
};

struct scan_options {
    uint32_t project;
    enum table table;
    int64_t from_ns;             /* blocks wholly outside [from_ns, until_ns) are skipped; */
    int64_t until_ns;            /* 0, 0: all time */
    const struct column *const *columns; /* what to decode */
    uint32_t column_count;
    const struct scan_filter *filters;
    uint32_t filter_count;
    uint64_t after_seq;          /* only rows with seq > this may be wanted (for `tail`); 0: all */
};

struct scan;        /* a snapshot and a list of morsels; shared by the threads of one query */
struct scan_reader; /* one thread's decoding state */

/* At most BLOCK_ROWS rows; vectors[i] is columns[i]. Valid until the next scan_next on the same reader; dicts stay until
 * scan_close. Within one scan equal dict pointers mean equal codes. */
struct scan_batch {
    uint32_t rows;
    const struct vector *vectors;
};

struct scan_stats {
    uint64_t segments, segments_skipped, blocks, blocks_skipped, rows;
    uint64_t damaged; /* blocks that could not be read; see scan_damage */
};

void scan_close(struct scan *s);
struct scan_reader *scan_reader_create(struct scan *s);
void scan_reader_destroy(struct scan_reader *r);
/* STATUS_OK a batch, STATUS_END none left. Each morsel goes to one reader only. A damaged block is skipped and counted: the
 * rest of the data stays readable, and whoever answers a user must say so (scan_damage). */
MUST_CHECK enum status scan_next(struct scan_reader *r, struct scan_batch *ret, struct error *reterr);
struct scan_stats scan_stats(const struct scan *s);
/* The first damage met, or NULL. */
const struct error *scan_damage(const struct scan *s);

/* ---- for the engine ---- */

struct scan_input;
/* Checks the options and makes a scan of the inputs (one table; segments outside the time range may be left out already and
 * are counted by skipped_segments). Takes over the inputs' references, also when it fails. columns and filters are borrowed for
 * the call only. */
MUST_CHECK enum status scan_create(const struct scan_options *options, const struct scan_input *own_inputs,
                                   uint32_t input_count, uint64_t skipped_segments, uint64_t skipped_blocks,
                                   struct scan **ret, struct error *reterr);

#endif
