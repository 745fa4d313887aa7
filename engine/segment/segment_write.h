/*
 * segment_write.h - what the parts of the writer share: rows come in (segment_group.c), and once all are there,
 * dictionaries, codes, indexes and the table of contents are written (segment_finish.c); segment_write.c has the file.
 */
#ifndef DRIFTLINE_SEGMENT_WRITE_H
#define DRIFTLINE_SEGMENT_WRITE_H

#include "engine/base/intern.h"
#include "engine/segment/segment_format.h"

/* Dictionary codes of one block in order of arrival, as narrow as they fit. */
struct code_block {
    uint32_t rows;
    uint8_t width; /* 0: no value; 1, 2, 4 bytes a code */
    void *codes;
};

/* A column of the file. Block arrays grow with the file; blocks before its first one are absent. */
struct writer_column {
    const struct column *column;
    uint32_t blocks;
    struct writer_block {
        uint64_t offset;
        uint64_t checksum;
        uint32_t size;
        uint32_t nulls;
        int64_t min, max;
    } * block;
    size_t block_capacity;
    struct code_block *codes; /* STR, as many as blocks */
    size_t codes_capacity;
    struct intern values; /* STR */
    uint32_t *rank;       /* STR, at finish: arrival code -> final code */
    uint32_t encodings[ENCODING_COUNT];
    uint64_t bytes;
    struct part directory, dict, postings;
};

struct segment_writer {
    struct io *io;
    char *path;
    char *temporary;
    struct io_file *file;
    bool exists; /* the temporary file must be deleted */
    enum table table;
    int level;
    bool fast; /* encode quickly rather than small */
    struct segment_meta meta;

    struct buffer out;  /* bytes not written yet */
    uint64_t out_start; /* their offset in the file */

    struct writer_column **columns; /* in order of arrival; sorted at finish */
    size_t columns_capacity;
    uint32_t column_count;

    uint32_t block_count;
    struct block_info {
        uint32_t rows;
        int64_t time_min, time_max;
        struct mask_set masks;
    } * blocks;
    size_t blocks_capacity;
    struct group_info {
        uint32_t blocks;
        bool by_session;
    } * groups;
    size_t groups_capacity;
    uint32_t group_count;

    struct hash_entry *traces;
    size_t traces_capacity;
    uint32_t trace_count;
};

/* Fixed columns by id, then score columns by name: the order of the file, whatever the order of the batch. */
int writer_column_order(const struct column *a, const struct column *b);
/* The file's column, made when new. */
struct writer_column *writer_column_for(struct segment_writer *w, const struct column *column);
/* Gives the column block entries up to `blocks`; new ones are all NULL. */
void writer_column_extend(const struct segment_writer *w, struct writer_column *c, uint32_t blocks);
/* Pads the bytes to 8, gives them a place in the file and returns it. */
MUST_CHECK enum status writer_put_part(struct segment_writer *w, struct buffer *bytes,
                                       struct part *ret, struct error *reterr);
MUST_CHECK enum status writer_flush(struct segment_writer *w, struct error *reterr);
/* The same for a block of a column, with its place kept there. */
MUST_CHECK enum status writer_put_block(struct segment_writer *w, struct writer_column *c,
                                        uint32_t block, enum encoding encoding,
                                        struct buffer *bytes, struct error *reterr);
/* Everything after the rows: returns with the footer written, nothing synced. */
MUST_CHECK enum status writer_write_rest(struct segment_writer *w, struct error *reterr);

#endif
