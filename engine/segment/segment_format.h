/*
 * segment_format.h - constants of the segment file and the small pieces writer and reader share.
 *
 * Format:  FORMAT.md 5.1, 5.2. header | parts, each padded with zeros to 8 bytes | footer. The last part is the
 *          table of contents.
 */
#ifndef DRIFTLINE_SEGMENT_FORMAT_H
#define DRIFTLINE_SEGMENT_FORMAT_H

#include "engine/base/cursor.h"
#include "engine/segment/block.h"
#include "engine/segment/segment.h"

#define SEGMENT_MAGIC        "DRIFTSEG"
#define SEGMENT_VERSION      1u
#define SEGMENT_HEADER_BYTES 16u
#define SEGMENT_FOOTER_BYTES 48u
#define SEGMENT_BLOCKS_MAX   65536u
#define SEGMENT_COLUMNS_MAX  (64u + SCORE_COLUMNS_MAX)
#define COLUMN_BY_NAME       0xffffu /* in place of the id of a score column */

/* A checksummed range of the file. size counts the padding; 0: there is no such part. */
struct part {
    uint64_t offset;
    uint64_t size;
    uint64_t checksum; /* XXH3-64 of its bytes, padding included */
};

static inline void put_part(struct buffer *b, struct part p)
{
    put_u64(b, p.offset);
    put_u64(b, p.size);
    put_u64(b, p.checksum);
}

static inline struct part cursor_part(struct cursor *c)
{
    struct part p;
    p.offset = cursor_u64(c);
    p.size = cursor_u64(c);
    p.checksum = cursor_u64(c);
    return p;
}

/* Parts end in zeros up to a multiple of 8: true when nothing else is left. */
static inline bool cursor_padded_end(struct cursor *c)
{
    while (!c->failed && cursor_left(c) > 0 && cursor_left(c) < 8) {
        if (cursor_u8(c) != 0)
            cursor_fail(c);
    }
    return cursor_done(c);
}

/* Where the blocks of one column are, and their zone maps; one item a block. */
struct directory {
    uint32_t blocks;
    bool zoned; /* nulls, min and max are kept */
    uint32_t *size;
    uint64_t *offset;
    uint64_t *checksum;
    uint32_t *nulls;
    int64_t *min; /* I64 as is; F64 and ID64 by their bits; STR codes; else 0 */
    int64_t *max;
};

/* All arrays from the arena, zeroed. */
void directory_init(struct directory *d, uint32_t blocks, bool zoned, struct arena *arena);
void directory_put(const struct directory *d, struct buffer *to);
/* d was initialised; false: damaged. */
bool directory_get(struct directory *d, struct slice bytes);

/* ---- dictionaries: FORMAT.md 5.7 ---- */

#define DICT_PAGE_BYTES     (32u << 10) /* a page is closed when its front-coded bytes reach this */
#define DICT_PAGE_RAW_MAX   (DICT_PAGE_BYTES + STR_BYTES_MAX + 16u)
#define DICT_PAGE_TEXT      (512u << 10) /* or when its values' bytes reach this */
#define DICT_PAGE_TEXT_MAX  (DICT_PAGE_TEXT + STR_BYTES_MAX)
#define DICT_PAGE_COUNT_MAX 65536u

struct dict_page {
    struct part part;
    uint32_t first; /* code of its first value */
    uint32_t count;
    uint32_t raw_bytes;
    bool compressed;
    struct slice first_value;
};

/* Encodes values [first, first + *ret_count) as one page. */
void dict_page_put(const struct slice *values, uint32_t count, int level, uint32_t *ret_count,
                   uint32_t *ret_raw_bytes, bool *ret_compressed, struct buffer *to);
void dict_directory_put(const struct dict_page *pages, uint32_t count, struct buffer *to);
/* Pages in the arena; their first values point into bytes. values: of the whole dictionary, NULL not counted. */
bool dict_directory_get(struct slice bytes, uint32_t values, struct arena *arena,
                        struct dict_page **ret_pages, uint32_t *ret_count);
/* Values of a page into to[page->count]; false: damaged (also when they don't ascend). */
bool dict_page_get(const struct dict_page *page, struct slice bytes, struct arena *arena,
                   struct slice *to);

/* ---- hash indexes: FORMAT.md 5.8 ---- */

struct hash_entry {
    uint64_t hash;
    uint32_t value;
};

#define TRACE_FINGERPRINT_BITS   12u
#define SESSION_FINGERPRINT_BITS 10u

/* Sorts entries, drops repeated ones and encodes them. value_bits may be 0. */
void hash_index_put(struct hash_entry *entries, uint32_t count, unsigned fingerprint_bits,
                    unsigned value_bits, struct buffer *to);
/* Calls found(value) for each entry that may have this hash. False: damaged. */
bool hash_index_find(struct slice bytes, uint64_t hash,
                     void (*found)(void *context, uint32_t value), void *context);
/* Checks everything there is to check; *ret_count: entries. */
bool hash_index_check(struct slice bytes, uint32_t value_max, uint32_t *ret_count);

/* ---- postings: FORMAT.md 5.9 ---- */

#define POSTINGS_CODES_MAX 65536u

/* present: one bitmap of `blocks` bits (in u64 words) a code, codes 0..count-1. */
void postings_put(const uint64_t *present, uint32_t codes, uint32_t blocks, struct buffer *to);
/* Sets bits of the blocks of one code; false: damaged. */
bool postings_get(struct slice bytes, uint32_t codes, uint32_t blocks, uint32_t code,
                  uint64_t *bits);
/* All entries of all codes; false: damaged. */
bool postings_check(struct slice bytes, uint32_t codes, uint32_t blocks);

/* Is this column given postings? */
bool postings_wanted(enum table table, uint16_t column_id);

#endif
