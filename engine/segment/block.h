/*
 * block.h - one column of at most BLOCK_ROWS rows, encoded and decoded.
 *
 * Format:  FORMAT.md 5.6. Encoders choose by estimated size among the encodings of encoding.def; each family's
 *          encoder and decoder share a file (block_ints.c, block_float.c, block_ids.c, block_parent.c,
 *          block_map.c, block_bytes.c).
 */
#ifndef DRIFTLINE_SEGMENT_BLOCK_H
#define DRIFTLINE_SEGMENT_BLOCK_H

#include "engine/base/cursor.h"
#include "engine/segment/shape.h"
#include "engine/span/vector.h"

enum encoding {
    ENCODING_NONE = 0, /* all rows NULL: nothing is stored */
#define ENCODING(value, name, text) ENCODING_##name = (value),
#include "engine/segment/encoding.def"
#undef ENCODING
};
#define ENCODING_COUNT 11
const char *encoding_name(enum encoding e);

#define BLOCK_HEAD_BYTES 8u
#define BLOCK_TEXT_MAX   (64u << 20) /* a block is cut before its bytes of one column pass this */
#define BLOCK_BYTES_MAX  (BLOCK_TEXT_MAX + TEXT_BYTES_MAX) /* raw bytes of one block */

/* ---- writing ---- */

/* What the encoders of one block share. */
struct block_writer {
    uint32_t rows;
    int level; /* zstd */
    bool fast; /* fewer things are tried: no bins, no maps */
    struct mask_set *masks;
    uint16_t starts;         /* rows where trace_id changes; MASK_UNKNOWN: not clustered by trace */
    const int64_t *time;     /* of the block's rows, when seq may lean on it; else NULL */
    const uint64_t *span_id; /* when parent_id may lean on it; else NULL */
};

/* Appends the block of one column. `to` must be 8-byte aligned relative to the file at its end. valid: NULL for all rows.
 * Returns the encoding, ENCODING_NONE (and appends nothing) when all rows are NULL. */
enum encoding block_put_i64(const struct block_writer *w, const int64_t *values,
                            const uint8_t *valid, bool timely, struct buffer *to);
enum encoding block_put_f64(const struct block_writer *w, const double *values,
                            const uint8_t *valid, struct buffer *to);
enum encoding block_put_codes(const struct block_writer *w, const uint32_t *codes,
                              struct buffer *to);
enum encoding block_put_id64(const struct block_writer *w, const uint64_t *values,
                             const uint8_t *valid, bool parent, struct buffer *to);
enum encoding block_put_id128(const struct block_writer *w, const struct id128 *values,
                              const uint8_t *valid, struct buffer *to);
enum encoding block_put_bytes(const struct block_writer *w, const struct slice *values,
                              const uint8_t *valid, struct buffer *to);
/* Another STR column of the same block: its codes lie in [least, least + span). */
struct map_source {
    const uint32_t *codes;
    uint16_t index; /* of the column in the file */
    uint32_t least;
    uint32_t span;
};
/* codes as a function of one column, or two (b not NULL); ENCODING_NONE when they aren't, or when that takes bytes_max. */
enum encoding block_put_map(const struct block_writer *w, const uint32_t *codes,
                            const struct map_source *a, const struct map_source *b,
                            size_t bytes_max, struct buffer *to);

/* Parts of encoders. */
void block_head_put(const struct block_writer *w, enum encoding encoding, const struct shape *shape,
                    const struct mask *valid, struct buffer *to);
void block_end_put(struct buffer *to);
/* The fill (AT) and the stream of stored values of a PLAIN, DELTA or DECIMAL block. */
void block_values_put(const struct block_writer *w, const struct shape *shape,
                      const int64_t *values, struct buffer *to);
bool block_put_parent(const struct block_writer *w, const uint64_t *values,
                      const struct mask *valid, struct buffer *to);
/* A RAW block of the stored values' bytes, or ZSTD when that is clearly smaller. */
enum encoding block_raw_put(const struct block_writer *w, const struct shape *shape,
                            const struct mask *valid, struct slice bytes, struct buffer *to);
/* Compresses bytes if that saves at least 1/16: then true and `to` has got the frame. */
bool block_compress(struct slice bytes, int level, struct buffer *to);

/* ---- reading ---- */

/* A block being read: its bytes are checked against their checksum already. */
struct block_reader {
    const char *path;
    uint64_t offset; /* of the block in the file, for messages */
    uint32_t rows;
    uint32_t dict_count; /* STR: codes must be below */
    struct slice masks;
    struct arena *arena;
    /* Another column of the same block: by column id (fixed columns) or by index in the file. NULL: this block is
     * itself read for another one and must stand alone. */
    enum status (*by_id)(void *context, uint16_t column_id, struct vector *ret,
                         struct error *reterr);
    enum status (*by_index)(void *context, uint16_t index, struct vector *ret,
                            struct error *reterr);
    void *context;
};

/* The vector's memory is in the arena or in bytes. dict is not set. */
MUST_CHECK enum status block_get(const struct block_reader *r, enum storage storage,
                                 struct slice bytes, struct vector *ret, struct error *reterr);

/* What the head of a block says. */
struct block_head {
    enum encoding encoding;
    enum shape_kind kind;
    uint16_t valid_ref;
    uint32_t stored; /* values stored */
    struct mask mask;
};

/* Decoders of families. The cursor stands behind the head; damage marks it failed. */
void ints_block_get64(const struct block_reader *r, const struct block_head *h, struct cursor *c,
                      int64_t *to);
void ints_block_get32(const struct block_reader *r, const struct block_head *h, struct cursor *c,
                      uint32_t *to);
/* The stored values alone, in order (behind the fill). */
void ints_stored_get(const struct block_head *h, struct cursor *c, int64_t *to);
enum status anchor_block_get(const struct block_reader *r, const struct block_head *h,
                             struct cursor *c, int64_t *to, struct error *reterr);
enum status parent_block_get(const struct block_reader *r, const struct block_head *h,
                             struct cursor *c, uint64_t *to, struct error *reterr);
enum status map_block_get(const struct block_reader *r, struct cursor *c, uint32_t *to,
                          struct error *reterr);
void decimal_block_get(const struct block_reader *r, const struct block_head *h, struct cursor *c,
                       double *to);
/* RAW and ZSTD: values of 8 or 16 bytes; may point into the file. NULL: damaged. */
const void *raw_block_get(const struct block_reader *r, const struct block_head *h,
                          struct cursor *c, uint32_t width);
const struct slice *bytes_block_get(const struct block_reader *r, const struct block_head *h,
                                    struct cursor *c);
/* Rows of a RAW, ZSTD trace_id block that hold an id, without spreading it: calls found(first, count). False: damaged. */
bool id128_block_find(const struct block_reader *r, struct slice bytes, struct id128 id,
                      void (*found)(void *context, uint32_t first, uint32_t count), void *context);
/* Decompresses a frame that must give exactly raw_bytes (met its limit already). */
bool block_decompress(struct slice frame, void *to, size_t raw_bytes);
/* Reads the head; false: damaged. */
bool block_head_get(const struct block_reader *r, struct cursor *c, struct block_head *ret);
enum status block_corrupt(const struct block_reader *r, struct error *reterr, const char *what);

#endif
