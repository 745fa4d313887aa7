/*
 * segment.h - immutable files of rows: one table of one project, clustered and indexed.
 *
 * Place:     sealed head or merged segments -> segment_writer -> file -> segment -> scan
 * Format:    FORMAT.md 5. Footer -> table of contents -> column blocks, dictionaries, indexes; every part has
 *            its own XXH3-64 and is checked at first touch.
 * Rows:      the writer takes groups of at most an hour of event time, rows already clustered by session, trace,
 *            time (see rows_cluster). Blocks of BLOCK_ROWS rows, never across groups.
 * Failure:   damage is STATUS_CORRUPT naming file and offset; other blocks stay readable.
 * Threads:   a segment is immutable and shared by any number of readers.
 */
#ifndef DRIFTLINE_SEGMENT_H
#define DRIFTLINE_SEGMENT_H

#include "engine/base/io.h"
#include "engine/span/batch.h"

/* On disk: append only, never renumber. */
enum segment_tier {
    TIER_SEAL = 0,
    TIER_HOUR = 1,
    TIER_DAY = 2
};

struct segment_writer;

struct segment_meta {
    enum table table;
    enum segment_tier tier;
    uint64_t rows;
    uint64_t bytes;
    int64_t time_min_ns, time_max_ns; /* inclusive */
    uint64_t seq_min, seq_max;        /* of the seq column */
    uint64_t fold_seq;                /* amendments with seq <= this are folded in */
};

/* Writes path + ".tmp"; segment_writer_finish syncs, renames and syncs the directory. Nothing is visible before. Files of TIER_SEAL are
 * encoded quickly (about 3 % larger), others as small as they get. compression_level is zstd's, for text and dictionaries. */
MUST_CHECK enum status segment_writer_open(struct io *io, const char *path, enum table table,
                                           enum segment_tier tier, uint64_t fold_seq,
                                           int compression_level, struct segment_writer **ret,
                                           struct error *reterr);
/* One group: any number of rows up to SEGMENT_ROWS_MAX, clustered. Vectors are whole-group columns. All STR vectors of one column
 * may have a different dict in each group. Columns that are all NULL are left out. */
MUST_CHECK enum status segment_writer_add_group(struct segment_writer *w, const struct batch *rows,
                                                struct error *reterr);
/* One group out of a larger batch: the rows order[0..rows) in that order (clustered). Spares the caller the copy: rows are
 * gathered block by block. */
MUST_CHECK enum status segment_writer_add_rows(struct segment_writer *w, const struct batch *batch,
                                               const uint32_t *order, uint32_t rows,
                                               struct error *reterr);
MUST_CHECK enum status segment_writer_finish(struct segment_writer *w,
                                             struct segment_meta *ret_meta, struct error *reterr);
/* Accepts NULL; deletes an unfinished file. */
void segment_writer_close(struct segment_writer *w);

/* rows[] becomes the order: by session (NULL last), trace_id, time, span_id for SPANS; by time otherwise. */
void rows_cluster(const struct batch *b, uint32_t *rows);

struct segment;

/* Maps the file, checks footer and table of contents. Score columns are added to the schema. */
MUST_CHECK enum status segment_open(struct io *io, const char *path, struct schema *schema,
                                    bool skip_checksum, struct segment **ret, struct error *reterr);
void segment_close(struct segment *s);
const struct segment_meta *segment_meta(const struct segment *s);
const char *segment_path(const struct segment *s);

/* Blocks are numbered over the whole file. Rows of block b: segment_block_first(b) .. + segment_block_rows(b). */
uint32_t segment_block_count(const struct segment *s);
uint32_t segment_block_rows(const struct segment *s, uint32_t block);
uint64_t segment_block_first(const struct segment *s, uint32_t block);
void segment_block_time(const struct segment *s, uint32_t block, int64_t *ret_min_ns,
                        int64_t *ret_max_ns);

/* The columns that are stored (others are all NULL). */
uint32_t segment_column_count(const struct segment *s);
const struct column *segment_column(const struct segment *s, uint32_t index);
/* Index of a column or -1. */
int segment_column_index(const struct segment *s, const struct column *column);

/* Zone map of one block of one column. For I64, F64 and ID64: min and max of the values (f64 bits by memcpy; ID64 in unsigned order;
 * a block with a NaN claims -infinity to +infinity); for STR: min and max code in the segment's dictionary, NULL apart. */
struct zone {
    bool any; /* false: all NULL, min and max mean nothing */
    uint32_t nulls;
    int64_t min, max;
    double f64_min, f64_max;
};
MUST_CHECK enum status segment_zone(struct segment *s, int column_index, uint32_t block,
                                    struct zone *ret, struct error *reterr);

/* The dictionary of a STR column (loaded and checked at first use, then shared). Codes 1.. are in byte order of the values. */
MUST_CHECK enum status segment_dict(struct segment *s, int column_index, const struct dict **ret,
                                    struct error *reterr);
/* 0 when absent. */
MUST_CHECK enum status segment_dict_find(struct segment *s, int column_index, struct slice value,
                                         uint32_t *ret_code, struct error *reterr);

/* Decodes one block. The vector's memory is in the arena (or in the file's map for raw data). */
MUST_CHECK enum status segment_block_read(struct segment *s, int column_index, uint32_t block,
                                          struct arena *arena, struct vector *ret,
                                          struct error *reterr);

/* Row ranges [first, first + count) of the file, ascending; the caller's array of capacity max. STATUS_LIMIT is never given: when there are
 * more than max ranges, neighbours are joined. */
struct row_range {
    uint64_t first;
    uint64_t count;
};
/* All rows of a trace (spans only). Filter first, then sorted hashes; 0 ranges when absent. */
MUST_CHECK enum status segment_find_trace(struct segment *s, struct id128 trace_id,
                                          struct row_range *ret, uint32_t max, uint32_t *ret_count,
                                          struct error *reterr);
/* The filter alone: false means surely absent. Very cheap, for duplicate checks at ingest. */
bool segment_may_have_trace(struct segment *s, struct id128 trace_id);
/* Rows of one session. */
MUST_CHECK enum status segment_find_session(struct segment *s, struct slice session,
                                            struct row_range *ret, uint32_t max,
                                            uint32_t *ret_count, struct error *reterr);
bool segment_may_have_session(struct segment *s, struct slice session);
/* Which blocks hold a dictionary code of an indexed STR column (prompt_version, error_class, model, service, kind, prompt_name,
 * tool_name): sets bit b of bits[] (caller's, segment_block_count bits, zeroed). Columns without postings: all bits set. */
MUST_CHECK enum status segment_postings(struct segment *s, int column_index, uint32_t code,
                                        uint64_t *bits, struct error *reterr);

/* Reads and checks every byte. Each damage is reported; returns STATUS_CORRUPT if there was any. */
MUST_CHECK enum status segment_verify(struct io *io, const char *path,
                                      void (*finding)(void *context, uint64_t offset,
                                                      const char *text),
                                      void *context, struct error *reterr);
/* Bytes a column takes (blocks, dictionary, indexes) and the name of its most frequent encoding. */
void segment_column_usage(const struct segment *s, uint32_t index, uint64_t *ret_bytes,
                          const char **ret_encoding);

#endif
