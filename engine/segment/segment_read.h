/*
 * segment_read.h - the open segment, as its parts see it: segment_open.c reads the table of contents, segment.c
 * blocks and dictionaries, segment_find.c the indexes, segment_verify.c everything.
 */
#ifndef DRIFTLINE_SEGMENT_READ_H
#define DRIFTLINE_SEGMENT_READ_H

#include <stdatomic.h>

#include "engine/base/thread.h"
#include "engine/segment/segment_format.h"

/* A part that is checked once, at first touch. */
struct lazy_part {
    struct part part;
    atomic_bool checked;
};

/* A directory that is loaded at first touch. */
struct lazy_directory {
    struct lazy_part part;
    _Atomic(struct directory *) loaded;
    _Atomic uint64_t *checked; /* one bit a block; set before `loaded` is */
};

struct stored_column {
    const struct column *column;
    enum encoding encoding; /* most frequent */
    uint64_t bytes;
    struct lazy_directory directory;
    /* STR */
    uint32_t values; /* NULL not counted */
    struct lazy_part dict;
    struct lazy_part postings;
    _Atomic(struct dict_page *) pages;
    uint32_t page_count; /* set before `pages` is */
    _Atomic(struct dict *) values_loaded;
};

/*
 * Invariants: what open read never changes. Lazily loaded pointers go from NULL to their value once, under the lock, with
 * release order; memory comes from `arena`, which only grows under the lock.
 */
struct segment {
    struct io *io;
    char *path;
    struct io_map map;
    bool skip_checksum;
    struct segment_meta meta;
    uint32_t block_count;
    uint32_t group_count;
    uint64_t *first; /* block_count + 1 */
    int64_t *time_min, *time_max;
    uint32_t *group_first; /* group_count + 1: first block */
    bool *by_session;
    uint32_t column_count;
    struct stored_column *columns;
    struct lazy_directory masks;
    struct lazy_part trace_index;
    struct lazy_part session_index;
    int session_column; /* index or -1 */
    int trace_id_column;
    struct mutex lock;
    struct arena arena;
};

/* Bytes of a part, checked when touched first. */
MUST_CHECK enum status segment_part(struct segment *s, struct lazy_part *p, struct slice *ret,
                                    struct error *reterr);
/* A directory, loaded when touched first. zoned: of a column, not of the row sets. */
MUST_CHECK enum status segment_directory(struct segment *s, struct lazy_directory *d, bool zoned,
                                         const struct directory **ret, struct error *reterr);
/* Bytes of one block; empty when all NULL. */
MUST_CHECK enum status segment_block(struct segment *s, struct lazy_directory *d, bool zoned,
                                     uint32_t block, struct slice *ret, uint64_t *ret_offset,
                                     struct error *reterr);
/* A reader for one block of a column. The row sets are checked. */
MUST_CHECK enum status segment_block_reader(struct segment *s, int column_index, uint32_t block,
                                            struct arena *arena, struct block_reader *ret,
                                            struct slice *ret_bytes, struct error *reterr);
/* segment_block_read without the dictionary. */
MUST_CHECK enum status segment_block_read_plain(struct segment *s, int column_index, uint32_t block,
                                                struct arena *arena, struct vector *ret,
                                                struct error *reterr);
/* The pages of a dictionary. */
MUST_CHECK enum status segment_dict_pages(struct segment *s, struct stored_column *c,
                                          const struct dict_page **ret, struct error *reterr);
/* The values of one page. */
MUST_CHECK enum status segment_dict_page(struct segment *s, const struct dict_page *p,
                                         struct arena *arena, struct slice *to,
                                         struct error *reterr);

#endif
