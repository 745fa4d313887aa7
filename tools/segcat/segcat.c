/*
 * segcat.c - prints what a segment file or a log file holds, written from FORMAT.md 2 to 5 alone.
 *
 * It shares no code and no header with the engine: what both read the same way, the page says. It favours the obvious
 * over the fast: values are picked bit by bit, every part is checked before it is used, and the first damage ends it.
 *
 * usage: segcat FILE [--columns a,b] [--format csv|ndjson]
 *        segcat --toc FILE
 *        segcat --wal FILE       a file of the write-ahead log by itself: one JSON object a row or message, NULLs left out
 * Rows:  CSV with a header (NULL is an empty cell, an empty string is ""), or one JSON object a line. Ids in lower-case hex,
 *        times and other integers as stored, message references as hex addresses separated by spaces. Bytes
 *        that are not UTF-8 are printed as they are.
 * Exit:  0 ok, 1 can't read or write, 2 usage, 3 damaged.
 */
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

#define EXIT_FAILED  1
#define EXIT_USAGE   2
#define EXIT_CORRUPT 3

/* FORMAT.md 5.1, 5.6, 5.7 */
#define ROWS_MAX        4194304u
#define BLOCKS_MAX      65536u
#define BLOCK_ROWS_MAX  8192u
#define COLUMNS_MAX     1088u
#define INTS_MAX        65536u
#define SETS_MAX        4096u
#define SET_DEPTH       3u
#define MAP_MAX         4096u
#define BLOCK_BYTES_MAX 83886080u
#define PAGE_RAW_MAX    98320u
#define PAGE_TEXT_MAX   589824u
#define VALUE_BYTES_MAX 65536u
#define BY_NAME         0xffffu

enum storage {
    I64,
    F64,
    STR,
    TEXT,
    REFS,
    ID64,
    ID128
};
enum encoding {
    PLAIN = 1,
    DELTA,
    ANCHOR,
    TIMELINE,
    MAP,
    PARENT,
    DECIMAL,
    RAW,
    ZSTD,
    BYTES
};
enum shape {
    DENSE,
    AT,
    RUNS
};

/* FORMAT.md 2.2 */
static const struct {
    int table;
    unsigned id;
    enum storage storage;
    const char *name;
} known[] = {
    {0, 1, I64, "time"},
    {0, 2, ID128, "trace_id"},
    {0, 3, ID64, "span_id"},
    {0, 4, ID64, "parent_id"},
    {0, 5, STR, "session"},
    {0, 6, STR, "user_id"},
    {0, 7, I64, "turn"},
    {0, 8, I64, "seq"},
    {0, 10, STR, "service"},
    {0, 11, STR, "environment"},
    {0, 12, STR, "release"},
    {0, 13, STR, "name"},
    {0, 14, STR, "kind"},
    {0, 15, STR, "provider"},
    {0, 16, STR, "model"},
    {0, 17, STR, "model_served"},
    {0, 18, STR, "prompt_name"},
    {0, 19, STR, "prompt_version"},
    {0, 20, F64, "temperature"},
    {0, 30, STR, "status"},
    {0, 31, I64, "http_status"},
    {0, 32, STR, "finish_reason"},
    {0, 33, STR, "error_type"},
    {0, 34, TEXT, "error_message"},
    {0, 35, STR, "error_class"},
    {0, 36, STR, "class_source"},
    {0, 37, STR, "scorer_version"},
    {0, 38, TEXT, "findings"},
    {0, 40, I64, "latency_ms"},
    {0, 41, I64, "ttft_ms"},
    {0, 42, I64, "tokens_in"},
    {0, 43, I64, "tokens_out"},
    {0, 44, I64, "tokens_cached"},
    {0, 45, I64, "tokens_cache_write"},
    {0, 46, I64, "tokens_reasoning"},
    {0, 47, I64, "cost_usd"},
    {0, 48, I64, "cost_estimated"},
    {0, 49, STR, "pricing_version"},
    {0, 60, STR, "tool_name"},
    {0, 61, TEXT, "tool_call_id"},
    {0, 62, TEXT, "tool_args"},
    {0, 63, TEXT, "tool_result"},
    {0, 64, I64, "tool_result_empty"},
    {0, 65, TEXT, "retrieved"},
    {0, 66, I64, "retrieved_count"},
    {0, 67, F64, "retrieved_top_score"},
    {0, 70, REFS, "input"},
    {0, 71, REFS, "output"},
    {0, 72, TEXT, "attributes"},
    {0, 73, REFS, "tools"},
    {1, 1, I64, "time"},
    {1, 2, ID128, "trace_id"},
    {1, 3, ID64, "span_id"},
    {1, 8, I64, "seq"},
    {1, 9, STR, "name"},
    {1, 10, F64, "value"},
    {1, 11, STR, "label"},
    {1, 12, TEXT, "explanation"},
    {1, 13, STR, "source"},
    {1, 14, STR, "scorer"},
    {1, 15, STR, "scorer_version"},
    {1, 16, STR, "judge_model"},
    {1, 20, STR, "session"},
    {1, 21, STR, "service"},
    {1, 22, STR, "model"},
    {1, 23, STR, "prompt_name"},
    {1, 24, STR, "prompt_version"},
    {2, 1, I64, "time"},
    {2, 2, ID128, "trace_id"},
    {2, 3, ID64, "span_id"},
    {2, 8, I64, "seq"},
    {2, 9, STR, "class"},
    {2, 10, STR, "source"},
    {2, 11, STR, "by"},
    {2, 12, TEXT, "note"},
};
static const char *const storage_names[] = {"I64", "F64", "STR", "TEXT", "REFS", "ID64", "ID128"};
static const char *const encoding_names[] = {
    "", "PLAIN", "DELTA", "ANCHOR", "TIMELINE", "MAP", "PARENT", "DECIMAL", "RAW", "ZSTD", "BYTES"};

/* ---- failures and memory ---- */

static const char *file_name = "";

_Noreturn static void fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(int code, const char *format, ...)
{
    va_list args;
    (void)fflush(stdout);
    (void)fprintf(stderr, "segcat: ");
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    exit(code);
}

/* Memory of one lifetime: freed together. */
struct pool_item {
    struct pool_item *next;
    max_align_t bytes[];
};
struct pool {
    struct pool_item *items;
};
static struct pool file_pool;
static struct pool block_pool;

static void *pool_zero(struct pool *p, uint64_t count, size_t size)
{
    struct pool_item *item = calloc(1, sizeof *item + count * size + 1);
    if (item == NULL)
        fail(EXIT_FAILED, "out of memory");
    item->next = p->items;
    p->items = item;
    return item->bytes;
}

static void pool_free(struct pool *p)
{
    while (p->items != NULL) {
        struct pool_item *next = p->items->next;
        free(p->items);
        p->items = next;
    }
}

/* ---- bytes ---- */

struct bytes {
    const uint8_t *data;
    uint64_t size;
};

/* A range of the file being read; every damage names where it was found. */
struct reader {
    const uint8_t *data;
    uint64_t size;
    uint64_t at;
    uint64_t file_offset; /* of data */
};

_Noreturn static void damaged(const struct reader *r, const char *what)
{
    fail(EXIT_CORRUPT, "%s: offset %llu: %s", file_name,
         (unsigned long long)(r->file_offset + r->at), what);
}

static struct bytes take(struct reader *r, uint64_t size)
{
    if (size > r->size - r->at)
        damaged(r, "cut short");
    struct bytes b = {r->data + r->at, size};
    r->at += size;
    return b;
}

static uint64_t number(struct reader *r, unsigned bytes)
{
    struct bytes b = take(r, bytes);
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)b.data[i] << (8 * i);
    return v;
}

static uint64_t varint(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 10; i++) {
        uint8_t byte = (uint8_t)number(r, 1);
        if (i == 9 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            if (byte == 0 && i > 0)
                break;
            return v;
        }
    }
    damaged(r, "bad varint");
}

static int64_t zigzag(struct reader *r)
{
    uint64_t v = varint(r);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static uint64_t varint_max(struct reader *r, uint64_t max, const char *what)
{
    uint64_t v = varint(r);
    if (v > max)
        damaged(r, what);
    return v;
}

static struct bytes prefixed(struct reader *r)
{
    return take(r, varint(r));
}

/* A part ends in fewer than 8 zero bytes. */
static void padding(struct reader *r)
{
    if (r->size - r->at >= 8)
        damaged(r, "bytes left over");
    while (r->at < r->size) {
        if (number(r, 1) != 0)
            damaged(r, "padding is not zero");
    }
}

/* Bit string, lowest bits first. */
static uint64_t bits_at(struct bytes b, uint64_t at, unsigned width)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < width; i++)
        v |= (uint64_t)(b.data[(at + i) / 8] >> ((at + i) % 8) & 1) << i;
    return v;
}

static struct bytes decompress(const struct reader *r, struct pool *p, struct bytes frame,
                               uint64_t raw_size)
{
    uint8_t *raw = pool_zero(p, raw_size, 1);
    size_t size = ZSTD_decompress(raw, raw_size, frame.data, frame.size);
    if (ZSTD_isError(size) || size != raw_size)
        damaged(r, "zstd frame");
    return (struct bytes){raw, raw_size};
}

/* ---- parts ---- */

static struct bytes file;

struct part {
    uint64_t offset, size, checksum;
};

static struct part part_reference(struct reader *r)
{
    struct part p;
    p.offset = number(r, 8);
    p.size = number(r, 8);
    p.checksum = number(r, 8);
    return p;
}

static struct reader part_open(struct part p)
{
    if (p.offset < 16 || p.offset % 8 != 0 || p.size % 8 != 0 || p.offset > file.size - 48 ||
        p.size > file.size - 48 - p.offset)
        fail(EXIT_CORRUPT, "%s: a part at %llu lies outside the file", file_name,
             (unsigned long long)p.offset);
    struct reader r = {file.data + p.offset, p.size, 0, p.offset};
    if (XXH3_64bits(r.data, p.size) != p.checksum)
        damaged(&r, "checksum");
    return r;
}

/* ---- 5.3, 5.4: packed integers and integer streams ---- */

static uint64_t packed_size(uint64_t n, unsigned w)
{
    return n / 256 * 32 * w + (n % 256 * w + 7) / 8;
}

static uint64_t packed_value(struct bytes b, uint64_t n, unsigned w, uint64_t i)
{
    uint64_t vector = i / 256;
    struct bytes here = {b.data + vector * 32 * w, 0};
    if (vector == n / 256)
        return bits_at(here, i % 256 * w, w);
    unsigned lanes = w <= 32 ? 8 : 4;
    unsigned word_bits = w <= 32 ? 32 : 64;
    uint64_t lane = i % 256 % lanes;
    uint64_t start = i % 256 / lanes * w;
    uint64_t v = 0;
    for (unsigned bit = 0; bit < w; bit++) {
        uint64_t word = (start + bit) / word_bits;
        uint64_t at = (word * lanes + lane) * word_bits + (start + bit) % word_bits;
        v |= (uint64_t)(here.data[at / 8] >> (at % 8) & 1) << bit;
    }
    return v;
}

static void bins_stream(struct reader *r, uint64_t n, uint64_t base, int64_t *to)
{
    uint64_t factor = varint(r);
    unsigned w = (unsigned)number(r, 1);
    unsigned bins = (unsigned)number(r, 1) + 1;
    uint64_t start[16];
    unsigned width[16];
    if (factor == 0 || w < 1 || w > 4 || bins > 16)
        damaged(r, "bins");
    for (unsigned i = 0; i < bins; i++) {
        start[i] = varint(r) + (i == 0 ? 0 : start[i - 1]);
        width[i] = (unsigned)number(r, 1);
        if (width[i] > 56)
            damaged(r, "bins");
    }
    struct bytes indexes = take(r, packed_size(n, w));
    uint64_t bits = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bin = packed_value(indexes, n, w, i);
        if (bin >= bins)
            damaged(r, "bins");
        bits += width[bin];
    }
    struct bytes offsets = take(r, (bits + 7) / 8);
    uint64_t at = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bin = packed_value(indexes, n, w, i);
        to[i] = (int64_t)(base + factor * (start[bin] + bits_at(offsets, at, width[bin])));
        at += width[bin];
    }
}

static void packed_stream(struct reader *r, uint64_t n, uint64_t base, int64_t *to)
{
    uint64_t factor = varint(r);
    unsigned w = (unsigned)number(r, 1);
    uint64_t patches = varint_max(r, n, "patches");
    if (factor == 0 || w > 64)
        damaged(r, "packed integers");
    struct bytes low = take(r, packed_size(n, w));
    for (uint64_t i = 0; i < n; i++)
        to[i] = (int64_t)(base + factor * packed_value(low, n, w, i));
    if (patches == 0)
        return;
    unsigned h = (unsigned)number(r, 1);
    if (h == 0 || w + h > 64)
        damaged(r, "patches");
    struct bytes indexes = take(r, patches * 2);
    struct bytes high = take(r, packed_size(patches, h));
    uint64_t next = 0;
    for (uint64_t i = 0; i < patches; i++) {
        uint64_t index = bits_at(indexes, i * 16, 16);
        if (index < next || index >= n)
            damaged(r, "patches");
        next = index + 1;
        to[index] =
            (int64_t)((uint64_t)to[index] + factor * (packed_value(high, patches, h, i) << w));
    }
}

static int64_t *ints(struct reader *r, struct pool *p, uint64_t n)
{
    if (n > INTS_MAX)
        damaged(r, "integer stream");
    int64_t *to = pool_zero(p, n, sizeof *to);
    unsigned kind = (unsigned)number(r, 1);
    uint64_t base = (uint64_t)zigzag(r);
    if (kind == 0) {
        for (uint64_t i = 0; i < n; i++)
            to[i] = (int64_t)base;
    } else if (kind == 1) {
        packed_stream(r, n, base, to);
    } else if (kind == 2) {
        bins_stream(r, n, base, to);
    } else {
        damaged(r, "integer stream");
    }
    return to;
}

/* ints(n) whose numbers lie in 0..max. */
static int64_t *ints_max(struct reader *r, struct pool *p, uint64_t n, uint64_t max)
{
    int64_t *to = ints(r, p, n);
    for (uint64_t i = 0; i < n; i++) {
        if ((uint64_t)to[i] > max)
            damaged(r, "a number is too large");
    }
    return to;
}

/* ---- 5.2: contents and directories ---- */

struct directory {
    int64_t *size, *offset, *nulls, *min, *max;
    uint64_t *checksum;
};

struct page_values {
    struct bytes *values; /* from code 1 */
};

struct column {
    unsigned id;
    enum storage storage;
    const char *name;
    enum encoding encoding;
    uint64_t bytes;
    struct part directory_part;
    uint64_t values;
    struct part dict_part, postings;
    struct directory directory;
    struct bytes *dict; /* [0] is NULL */
    bool loaded;
};

static struct {
    unsigned table, tier;
    uint64_t rows, seq_min, seq_max, fold_seq, blocks, groups, columns;
    int64_t time_min, time_max;
    int64_t *block_rows, *block_min, *block_max, *group_blocks, *group_sorted;
    struct part sets_part, trace_index, session_index;
    struct directory sets;
    struct column *column;
} seg;

static struct directory directory_read(struct part p, bool zoned)
{
    struct reader r = part_open(p);
    struct directory d = {0};
    d.size = ints_max(&r, &file_pool, seg.blocks, UINT32_MAX);
    d.offset = ints(&r, &file_pool, seg.blocks);
    if (zoned) {
        d.nulls = ints_max(&r, &file_pool, seg.blocks, BLOCK_ROWS_MAX);
        d.min = ints(&r, &file_pool, seg.blocks);
        d.max = ints(&r, &file_pool, seg.blocks);
    }
    d.checksum = pool_zero(&file_pool, seg.blocks, sizeof *d.checksum);
    for (uint64_t i = 0; i < seg.blocks; i++) {
        if (d.size[i] != 0)
            d.checksum[i] = number(&r, 8);
    }
    padding(&r);
    return d;
}

/* The part of one block; false: all rows are NULL. */
static bool block_open(const struct directory *d, uint64_t block, struct reader *ret)
{
    if (d->size[block] == 0)
        return false;
    *ret = part_open(
        (struct part){(uint64_t)d->offset[block], (uint64_t)d->size[block], d->checksum[block]});
    return true;
}

static void column_read(struct reader *r, struct column *c)
{
    c->id = (unsigned)number(r, 2);
    unsigned storage = (unsigned)number(r, 1);
    if (storage > ID128)
        damaged(r, "storage");
    c->storage = (enum storage)storage;
    if (c->id == BY_NAME) {
        struct bytes name = prefixed(r);
        char *text = pool_zero(&file_pool, name.size + 1, 1);
        if (name.size < 7 || name.size > 262 || memcmp(name.data, "score.", 6) != 0 ||
            seg.table != 0 || storage != F64)
            damaged(r, "score column");
        memcpy(text, name.data, name.size);
        c->name = text;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].table == (int)seg.table && known[i].id == c->id &&
            known[i].storage == c->storage)
            c->name = known[i].name;
    }
    if (c->name == NULL)
        damaged(r, "unknown column");
    unsigned encoding = (unsigned)number(r, 1);
    if (encoding < PLAIN || encoding > BYTES)
        damaged(r, "encoding");
    c->encoding = (enum encoding)encoding;
    c->bytes = varint(r);
    c->directory_part = part_reference(r);
    if (c->storage != STR)
        return;
    c->values = varint_max(r, ROWS_MAX, "dictionary");
    c->dict_part = part_reference(r);
    c->postings = part_reference(r);
}

static void contents_read(struct part p)
{
    struct reader r = part_open(p);
    seg.table = (unsigned)number(&r, 1);
    seg.tier = (unsigned)number(&r, 1);
    if (seg.table > 2 || seg.tier > 2)
        damaged(&r, "table or tier");
    seg.rows = varint_max(&r, ROWS_MAX, "too many rows");
    seg.time_min = zigzag(&r);
    seg.time_max = zigzag(&r);
    seg.seq_min = varint(&r);
    seg.seq_max = varint(&r);
    seg.fold_seq = varint(&r);
    seg.blocks = varint_max(&r, BLOCKS_MAX, "too many blocks");
    seg.groups = varint_max(&r, seg.blocks, "too many groups");
    seg.block_rows = ints_max(&r, &file_pool, seg.blocks, BLOCK_ROWS_MAX);
    seg.block_min = ints(&r, &file_pool, seg.blocks);
    seg.block_max = ints(&r, &file_pool, seg.blocks);
    seg.group_blocks = ints_max(&r, &file_pool, seg.groups, seg.blocks);
    seg.group_sorted = ints(&r, &file_pool, seg.groups);
    uint64_t rows = 0;
    for (uint64_t b = 0; b < seg.blocks; b++) {
        if (seg.block_rows[b] == 0)
            damaged(&r, "an empty block");
        rows += (uint64_t)seg.block_rows[b];
    }
    uint64_t blocks = 0;
    for (uint64_t g = 0; g < seg.groups; g++)
        blocks += (uint64_t)seg.group_blocks[g];
    if (rows != seg.rows || blocks != seg.blocks)
        damaged(&r, "the blocks' rows don't add up");
    seg.sets_part = part_reference(&r);
    seg.trace_index = part_reference(&r);
    seg.session_index = part_reference(&r);
    seg.columns = varint_max(&r, COLUMNS_MAX, "too many columns");
    seg.column = pool_zero(&file_pool, seg.columns, sizeof *seg.column);
    for (uint64_t i = 0; i < seg.columns; i++)
        column_read(&r, &seg.column[i]);
    padding(&r);
}

static void file_read(const char *path)
{
    file_name = path;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail(EXIT_FAILED, "can't open %s", path);
    uint64_t capacity = 0;
    uint8_t *data = NULL;
    for (size_t got = 1; got > 0; file.size += got) {
        if (file.size + 65536 > capacity) {
            capacity = capacity * 2 + 65536;
            uint8_t *grown = pool_zero(&file_pool, capacity, 1);
            if (file.size > 0)
                memcpy(grown, data, file.size);
            data = grown;
        }
        got = fread(data + file.size, 1, 65536, f);
    }
    if (ferror(f))
        fail(EXIT_FAILED, "can't read %s", path);
    (void)fclose(f);
    file.data = data;
}

static void file_open(const char *path)
{
    file_read(path);
    struct reader r = {file.data, file.size, 0, 0};
    if (file.size < 64)
        damaged(&r, "too short for a segment");
    struct bytes magic = take(&r, 8);
    if (memcmp(magic.data, "DRIFTSEG", 8) != 0)
        damaged(&r, "not a segment");
    if (number(&r, 4) != 1)
        damaged(&r, "version is not 1");
    if (number(&r, 4) != 0)
        damaged(&r, "reserved bytes are not zero");
    uint8_t checked[48];
    memcpy(checked, file.data, 16);
    memcpy(checked + 16, file.data + file.size - 48, 32);
    r.at = file.size - 48;
    struct part contents = part_reference(&r);
    uint64_t size = number(&r, 8);
    uint64_t checksum = number(&r, 8);
    magic = take(&r, 8);
    if (checksum != XXH3_64bits(checked, 48))
        damaged(&r, "footer checksum");
    if (memcmp(magic.data, "DRIFTSEG", 8) != 0 || size != file.size)
        damaged(&r, "footer");
    contents_read(contents);
    seg.sets = directory_read(seg.sets_part, false);
    for (uint64_t i = 0; i < seg.columns; i++)
        seg.column[i].directory = directory_read(seg.column[i].directory_part, true);
}

/* ---- 5.7: dictionaries ---- */

static void page_read(struct reader *r, bool compressed, uint64_t raw_size, uint64_t count,
                      struct bytes first, struct bytes *to)
{
    struct reader raw = *r;
    raw.size = r->at + raw_size;
    if (compressed) {
        struct bytes frame = prefixed(r);
        struct bytes b = decompress(r, &file_pool, frame, raw_size);
        raw = (struct reader){b.data, b.size, 0, r->file_offset};
    } else {
        (void)take(r, raw_size);
    }
    padding(r);
    uint64_t text = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct bytes last = i == 0 ? (struct bytes){(const uint8_t *)"", 0} : to[i - 1];
        uint64_t shared = varint_max(&raw, last.size, "dictionary value");
        struct bytes rest = prefixed(&raw);
        text += shared + rest.size;
        if (shared + rest.size > VALUE_BYTES_MAX || text > PAGE_TEXT_MAX)
            damaged(&raw, "dictionary value");
        uint8_t *value = pool_zero(&file_pool, shared + rest.size, 1);
        memcpy(value, last.data, shared);
        memcpy(value + shared, rest.data, rest.size);
        to[i] = (struct bytes){value, shared + rest.size};
    }
    if (raw.at != raw.size || to[0].size != first.size ||
        memcmp(to[0].data, first.data, first.size) != 0)
        damaged(r, "dictionary page");
}

static bool ascends(struct bytes a, struct bytes b)
{
    uint64_t least = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.data, b.data, least);
    return order < 0 || (order == 0 && a.size < b.size);
}

static void dict_load(struct column *c)
{
    if (c->loaded || c->storage != STR)
        return;
    struct reader r = part_open(c->dict_part);
    uint64_t pages = varint_max(&r, c->values, "dictionary pages");
    uint64_t code = 1;
    c->dict = pool_zero(&file_pool, c->values + 1, sizeof *c->dict);
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t count = varint_max(&r, 65536, "dictionary page");
        struct part p = part_reference(&r);
        uint64_t compressed = varint_max(&r, 1, "dictionary page");
        uint64_t raw_size = varint_max(&r, PAGE_RAW_MAX, "dictionary page");
        struct bytes first = prefixed(&r);
        if (count == 0 || count > c->values + 1 - code)
            damaged(&r, "dictionary page");
        struct reader page = part_open(p);
        page_read(&page, compressed == 1, raw_size, count, first, c->dict + code);
        code += count;
    }
    padding(&r);
    if (code != c->values + 1)
        damaged(&r, "values are missing from the dictionary");
    for (uint64_t i = 2; i <= c->values; i++) {
        if (!ascends(c->dict[i - 1], c->dict[i]))
            damaged(&r, "the dictionary is not sorted");
    }
    c->loaded = true;
}

/* ---- 5.5: row sets ---- */

struct set {
    bool in[BLOCK_ROWS_MAX];
};

static uint64_t set_count(const struct set *s, uint64_t rows)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < rows; i++)
        n += s->in[i];
    return n;
}

static struct set *set_read(uint64_t block, unsigned reference, unsigned depth);

static void record_read(struct reader *r, uint64_t block, unsigned number_of_set, unsigned depth,
                        struct set *s)
{
    uint64_t rows = (uint64_t)seg.block_rows[block];
    unsigned kind = (unsigned)number(r, 1);
    bool inverted = kind >= 0x80;
    kind &= 0x7f;
    if (kind == 0) {
        struct bytes b = take(r, (rows + 7) / 8);
        for (uint64_t i = 0; i < rows; i++)
            s->in[i] = bits_at(b, i, 1) != 0;
        if (rows % 8 != 0 && b.data[rows / 8] >> (rows % 8) != 0)
            damaged(r, "row set: bits after the last row");
    } else if (kind == 1) {
        uint64_t m = varint_max(r, rows, "row set");
        int64_t *gaps = ints_max(r, &block_pool, m, rows);
        uint64_t row = 0;
        for (uint64_t i = 0; i < m; i++, row++) {
            row += (uint64_t)gaps[i];
            if (row >= rows)
                damaged(r, "row set");
            s->in[row] = true;
        }
    } else if (kind == 2) {
        uint64_t m = varint_max(r, BLOCK_ROWS_MAX, "row set");
        int64_t *lengths = ints_max(r, &block_pool, m, rows);
        uint64_t row = 0;
        for (uint64_t i = 0; i < m; i++) {
            for (int64_t k = 0; k < lengths[i]; k++, row++) {
                if (row >= rows)
                    damaged(r, "row set");
                s->in[row] = i % 2 == 1;
            }
        }
        if (row != rows)
            damaged(r, "row set");
    } else if (kind == 3) {
        unsigned reference = (unsigned)number(r, 2);
        if (reference < 2 || reference / 2 - 1 >= number_of_set || depth == 0)
            damaged(r, "row set within another");
        const struct set *outer = set_read(block, reference, depth - 1);
        struct bytes b = take(r, (set_count(outer, rows) + 7) / 8);
        uint64_t bit = 0;
        for (uint64_t i = 0; i < rows; i++) {
            if (outer->in[i])
                s->in[i] = bits_at(b, bit++, 1) != 0;
        }
    } else {
        damaged(r, "row set kind");
    }
    for (uint64_t i = 0; i < rows && inverted; i++)
        s->in[i] = !s->in[i];
    if (r->at != r->size)
        damaged(r, "row set: bytes left over");
}

/* The rows of a reference. */
static struct set *set_read(uint64_t block, unsigned reference, unsigned depth)
{
    struct set *s = pool_zero(&block_pool, 1, sizeof *s);
    uint64_t rows = (uint64_t)seg.block_rows[block];
    if (reference >= 2) {
        struct reader r;
        if (!block_open(&seg.sets, block, &r))
            fail(EXIT_CORRUPT, "%s: block %llu has no row sets", file_name,
                 (unsigned long long)block);
        uint64_t count = varint_max(&r, SETS_MAX, "too many row sets");
        uint64_t before = 0;
        uint64_t size = 0;
        unsigned index = reference / 2 - 1;
        if (index >= count)
            damaged(&r, "no such row set");
        for (uint64_t i = 0; i < count; i++) {
            uint64_t here = varint_max(&r, r.size, "row set size");
            before += i < index ? here : 0;
            size = i == index ? here : size;
        }
        (void)take(&r, before);
        struct reader record = r;
        record.size = r.at + take(&r, size).size;
        record_read(&record, block, index, depth, s);
    } else {
        for (uint64_t i = 0; i < rows; i++)
            s->in[i] = true;
    }
    for (uint64_t i = 0; i < rows && reference % 2 == 1; i++)
        s->in[i] = !s->in[i];
    return s;
}

/* ---- 5.6: column blocks ---- */

/* A column of one block, a row a cell: numbers (integers, codes, bits of doubles, ids) or bytes. */
struct cells {
    bool valid[BLOCK_ROWS_MAX];
    uint64_t numbers[BLOCK_ROWS_MAX];
    struct bytes bytes[BLOCK_ROWS_MAX];
};

struct head {
    enum encoding encoding;
    enum shape shape;
    const struct set *valid;
    const struct set *set; /* of the shape */
    uint64_t n;            /* stored values */
};

static struct cells *cells_read(uint64_t index, uint64_t block, bool alone);

static struct head head_read(struct reader *r, uint64_t block, unsigned *ret_valid)
{
    struct head h;
    uint64_t rows = (uint64_t)seg.block_rows[block];
    unsigned encoding = (unsigned)number(r, 1);
    unsigned shape = (unsigned)number(r, 1);
    *ret_valid = (unsigned)number(r, 2);
    unsigned reference = (unsigned)number(r, 2);
    if (encoding < PLAIN || encoding > BYTES || shape > RUNS || number(r, 2) != 0 ||
        (shape == DENSE && reference != 0))
        damaged(r, "block head");
    h.encoding = (enum encoding)encoding;
    h.shape = (enum shape)shape;
    h.valid = set_read(block, *ret_valid, SET_DEPTH);
    h.set = set_read(block, reference, SET_DEPTH);
    h.n = set_count(h.set, rows);
    if (shape == RUNS && !h.set->in[0])
        damaged(r, "runs don't start at the first row");
    return h;
}

/* For each row the number of the stored value it shows, or -1. */
static int64_t stored_index(const struct head *h, uint64_t row, int64_t *last)
{
    if (h->set->in[row])
        return ++*last;
    return h->shape == RUNS ? *last : -1;
}

/* PLAIN and DELTA. */
static void integers_read(struct reader *r, const struct head *h, enum encoding encoding,
                          uint64_t rows, uint64_t *to)
{
    uint64_t fill = h->shape == AT ? (uint64_t)zigzag(r) : 0;
    int64_t *stored;
    if (encoding == DELTA && h->n > 0) {
        uint64_t sum = (uint64_t)zigzag(r);
        int64_t *steps = ints(r, &block_pool, h->n - 1);
        stored = pool_zero(&block_pool, h->n, sizeof *stored);
        for (uint64_t i = 0; i < h->n; i++) {
            sum += i == 0 ? 0 : (uint64_t)steps[i - 1];
            stored[i] = (int64_t)sum;
        }
    } else {
        stored = ints(r, &block_pool, h->n);
    }
    int64_t last = -1;
    for (uint64_t row = 0; row < rows; row++) {
        int64_t i = stored_index(h, row, &last);
        to[row] = i < 0 ? fill : (uint64_t)stored[i];
    }
}

static uint64_t column_with_id(const struct reader *r, unsigned id)
{
    for (uint64_t i = 0; i < seg.columns; i++) {
        if (seg.column[i].id == id)
            return i;
    }
    damaged(r, "a column it leans on is missing");
}

static void anchors_read(struct reader *r, const struct head *h, uint64_t block, bool alone,
                         uint64_t *to)
{
    uint64_t rows = (uint64_t)seg.block_rows[block];
    int64_t base = 0;
    int64_t t0 = 0;
    uint64_t slope = 0;
    const struct cells *time = NULL;
    if (h->encoding == TIMELINE) {
        if (alone)
            damaged(r, "a timeline where none may be");
        base = zigzag(r);
        t0 = zigzag(r);
        slope = number(r, 8);
        time = cells_read(column_with_id(r, 1), block, true);
    }
    const struct set *s = set_read(block, (unsigned)number(r, 2), SET_DEPTH);
    uint64_t anchors = set_count(s, rows);
    int64_t *at = ints(r, &block_pool, anchors);
    int64_t *steps = ints(r, &block_pool, rows - anchors);
    if (!s->in[0] || h->shape != DENSE)
        damaged(r, "anchors");
    uint64_t a = 0;
    for (uint64_t row = 0; row < rows; row++) {
        if (!s->in[row]) {
            to[row] = to[row - 1] + (uint64_t)steps[row - a];
            continue;
        }
        to[row] = (uint64_t)at[a++];
        if (time != NULL) {
            unsigned __int128 product = time->numbers[row] - (uint64_t)t0;
            product = product * slope >> 64;
            to[row] += (uint64_t)base + (uint64_t)product;
        }
    }
}

static void map_read(struct reader *r, uint64_t block, bool alone, uint64_t *to)
{
    uint64_t rows = (uint64_t)seg.block_rows[block];
    unsigned sources = (unsigned)number(r, 1);
    uint64_t entries = 1;
    if (alone || sources < 1 || sources > 2)
        damaged(r, "map");
    memset(to, 0, rows * sizeof *to);
    for (unsigned k = 0; k < sources; k++) {
        uint64_t index = number(r, 2);
        uint64_t least = varint(r);
        uint64_t span = varint_max(r, MAP_MAX, "map");
        if (index >= seg.columns || seg.column[index].storage != STR || span == 0 ||
            entries * span > MAP_MAX)
            damaged(r, "map");
        entries *= span;
        const struct cells *source = cells_read(index, block, true);
        for (uint64_t row = 0; row < rows; row++) {
            uint64_t place = source->numbers[row] - least;
            if (place >= span)
                damaged(r, "map");
            to[row] = to[row] * span + place;
        }
    }
    int64_t *table = ints(r, &block_pool, entries);
    for (uint64_t row = 0; row < rows; row++)
        to[row] = (uint64_t)table[to[row]];
}

static void parent_read(struct reader *r, const struct head *h, uint64_t block, bool alone,
                        uint64_t *to)
{
    uint64_t rows = (uint64_t)seg.block_rows[block];
    if (alone || h->shape != DENSE)
        damaged(r, "parents");
    const struct set *starts = set_read(block, (unsigned)number(r, 2), SET_DEPTH);
    uint64_t n = set_count(h->valid, rows);
    int64_t *places = ints(r, &block_pool, n);
    uint64_t listed = varint_max(r, n, "parents");
    const struct cells *span_id = cells_read(column_with_id(r, 3), block, true);
    uint64_t start = 0;
    uint64_t i = 0;
    if (!starts->in[0])
        damaged(r, "parents");
    for (uint64_t row = 0; row < rows; row++) {
        start = starts->in[row] ? row : start;
        if (!h->valid->in[row])
            continue;
        uint64_t place = (uint64_t)places[i++];
        if (place > rows - start || (place == 0 && listed == 0))
            damaged(r, "parents");
        if (place == 0) {
            to[row] = number(r, 8);
            listed--;
        } else {
            to[row] = span_id->numbers[start + place - 1];
        }
    }
    if (listed != 0)
        damaged(r, "parents");
}

static void decimal_read(struct reader *r, const struct head *h, uint64_t rows, uint64_t *to)
{
    unsigned digits = (unsigned)number(r, 1);
    unsigned inner = (unsigned)number(r, 1);
    uint64_t m = varint_max(r, rows, "decimals");
    struct bytes places = take(r, m * 2);
    struct bytes bits = take(r, m * 8);
    if (digits > 15 || (inner != PLAIN && inner != DELTA))
        damaged(r, "decimals");
    integers_read(r, h, (enum encoding)inner, rows, to);
    double by = 1;
    for (unsigned i = 0; i < digits; i++)
        by *= 10;
    for (uint64_t row = 0; row < rows; row++) {
        double v = (double)(int64_t)to[row] / by;
        memcpy(&to[row], &v, sizeof v);
    }
    for (uint64_t i = 0; i < m; i++) {
        uint64_t row = bits_at(places, i * 16, 16);
        if (row >= rows)
            damaged(r, "decimals");
        to[row] = bits_at(bits, i * 64, 64);
    }
}

static void raw_read(struct reader *r, const struct head *h, uint64_t rows, unsigned width,
                     struct cells *c)
{
    static const uint8_t zeros[16];
    struct bytes raw;
    if (h->encoding == ZSTD)
        raw = decompress(r, &block_pool, prefixed(r), h->n * width);
    else
        raw = take(r, h->n * width);
    int64_t last = -1;
    for (uint64_t row = 0; row < rows; row++) {
        int64_t i = stored_index(h, row, &last);
        c->bytes[row] = (struct bytes){i < 0 ? zeros : raw.data + (uint64_t)i * width, width};
        c->numbers[row] = bits_at(c->bytes[row], 0, 64);
    }
}

static void bytes_read(struct reader *r, const struct head *h, uint64_t rows, struct cells *c)
{
    if (h->shape == RUNS)
        damaged(r, "bytes in runs");
    int64_t *lengths = ints_max(r, &block_pool, h->n, UINT32_MAX);
    uint64_t compressed = varint_max(r, 1, "bytes");
    uint64_t size = varint_max(r, BLOCK_BYTES_MAX, "bytes");
    struct bytes all = prefixed(r);
    if (compressed == 1)
        all = decompress(r, &block_pool, all, size);
    if (all.size != size)
        damaged(r, "bytes");
    uint64_t at = 0;
    int64_t last = -1;
    for (uint64_t row = 0; row < rows; row++) {
        int64_t i = stored_index(h, row, &last);
        uint64_t length = i < 0 ? 0 : (uint64_t)lengths[i];
        if (length > all.size - at)
            damaged(r, "bytes");
        c->bytes[row] = (struct bytes){all.data + at, length};
        at += length;
    }
    if (at != all.size)
        damaged(r, "bytes");
}

static void payload_read(struct reader *r, const struct head *h, const struct column *column,
                         uint64_t block, bool alone, struct cells *c)
{
    uint64_t rows = (uint64_t)seg.block_rows[block];
    bool integer = column->storage == I64 || column->storage == ID64;
    bool fixed = column->storage == F64 || column->storage == ID64;
    switch (h->encoding) {
    case PLAIN:
    case DELTA:
        if (!integer && column->storage != STR)
            break;
        integers_read(r, h, h->encoding, rows, c->numbers);
        return;
    case ANCHOR:
    case TIMELINE:
        if (!integer)
            break;
        anchors_read(r, h, block, alone, c->numbers);
        return;
    case MAP:
        if (column->storage != STR)
            break;
        map_read(r, block, alone, c->numbers);
        return;
    case PARENT:
        if (!integer)
            break;
        parent_read(r, h, block, alone, c->numbers);
        return;
    case DECIMAL:
        if (column->storage != F64)
            break;
        decimal_read(r, h, rows, c->numbers);
        return;
    case RAW:
    case ZSTD:
        if (!fixed && !integer && column->storage != ID128)
            break;
        raw_read(r, h, rows, column->storage == ID128 ? 16 : 8, c);
        return;
    case BYTES:
        if (column->storage != TEXT && column->storage != REFS)
            break;
        bytes_read(r, h, rows, c);
        return;
    }
    damaged(r, "this encoding is not for this storage");
}

/* alone: another column leans on this one, so it must not lean on any. */
static struct cells *cells_read(uint64_t index, uint64_t block, bool alone)
{
    struct column *column = &seg.column[index];
    struct cells *c = pool_zero(&block_pool, 1, sizeof *c);
    uint64_t rows = (uint64_t)seg.block_rows[block];
    struct reader r;
    if (!block_open(&column->directory, block, &r))
        return c;
    unsigned valid;
    struct head h = head_read(&r, block, &valid);
    if (column->storage == STR && valid != 0)
        damaged(&r, "NULL rows of a dictionary column");
    payload_read(&r, &h, column, block, alone, c);
    padding(&r);
    uint64_t nulls = 0;
    for (uint64_t row = 0; row < rows; row++) {
        c->valid[row] = h.valid->in[row];
        if (column->storage == STR) {
            if (c->numbers[row] > column->values)
                damaged(&r, "no such dictionary code");
            c->valid[row] = c->numbers[row] != 0;
        }
        if (column->storage == REFS && c->bytes[row].size % 16 != 0)
            damaged(&r, "not whole addresses");
        nulls += !c->valid[row];
    }
    if (nulls != (uint64_t)column->directory.nulls[block])
        damaged(&r, "NULLs differ from the directory");
    return c;
}

/* ---- printing ---- */

static void hex_print(struct bytes b)
{
    for (uint64_t i = 0; i < b.size; i++)
        printf("%s%02x", i > 0 && i % 16 == 0 ? " " : "", b.data[i]);
}

/* The shortest text that reads back as the same double. */
static void double_print(uint64_t bits, bool json)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    if (isnan(v) || isinf(v)) {
        const char *text = isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
        printf(json ? "\"%s\"" : "%s", text);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    (void)fputs(text, stdout);
}

static void csv_text_print(struct bytes b)
{
    bool quoted = b.size == 0;
    for (uint64_t i = 0; i < b.size; i++)
        quoted |= strchr(",\"\r\n", b.data[i]) != NULL;
    if (quoted)
        (void)putchar('"');
    for (uint64_t i = 0; i < b.size; i++) {
        if (b.data[i] == '"')
            (void)putchar('"');
        (void)putchar(b.data[i]);
    }
    if (quoted)
        (void)putchar('"');
}

static void json_text_print(struct bytes b)
{
    (void)putchar('"');
    for (uint64_t i = 0; i < b.size; i++) {
        if (b.data[i] == '"' || b.data[i] == '\\')
            printf("\\%c", b.data[i]);
        else if (b.data[i] < 0x20)
            printf("\\u%04x", b.data[i]);
        else
            (void)putchar(b.data[i]);
    }
    (void)putchar('"');
}

static void cell_print(const struct column *column, const struct cells *c, uint64_t row, bool json)
{
    if (!c->valid[row]) {
        printf("%s", json ? "null" : "");
        return;
    }
    bool quoted =
        json && (column->storage == REFS || column->storage == ID64 || column->storage == ID128);
    if (quoted)
        (void)putchar('"');
    switch (column->storage) {
    case I64:
        printf("%lld", (long long)c->numbers[row]);
        break;
    case F64:
        double_print(c->numbers[row], json);
        break;
    case STR:
        (json ? json_text_print : csv_text_print)(column->dict[c->numbers[row]]);
        break;
    case TEXT:
        (json ? json_text_print : csv_text_print)(c->bytes[row]);
        break;
    case REFS:
        if (c->bytes[row].size == 0 && !json)
            printf("\"\"");
        hex_print(c->bytes[row]);
        break;
    case ID64:
        printf("%016llx", (unsigned long long)c->numbers[row]);
        break;
    case ID128:
        hex_print(c->bytes[row]);
        break;
    }
    if (quoted)
        (void)putchar('"');
}

static void rows_print(const uint64_t *wanted, uint64_t count, bool json)
{
    for (uint64_t i = 0; i < count && !json; i++)
        printf("%s%s", i == 0 ? "" : ",", seg.column[wanted[i]].name);
    if (!json)
        printf("\n");
    for (uint64_t i = 0; i < count; i++)
        dict_load(&seg.column[wanted[i]]);
    for (uint64_t block = 0; block < seg.blocks; block++) {
        const struct cells **cells = pool_zero(&block_pool, count, sizeof(struct cells *));
        for (uint64_t i = 0; i < count; i++)
            cells[i] = cells_read(wanted[i], block, false);
        for (uint64_t row = 0; row < (uint64_t)seg.block_rows[block]; row++) {
            for (uint64_t i = 0; i < count; i++) {
                if (json) {
                    printf("%s", i == 0 ? "{" : ",");
                    json_text_print((struct bytes){(const uint8_t *)seg.column[wanted[i]].name,
                                                   strlen(seg.column[wanted[i]].name)});
                    printf(":");
                } else if (i > 0) {
                    printf(",");
                }
                cell_print(&seg.column[wanted[i]], cells[i], row, json);
            }
            printf(json ? "}\n" : "\n");
        }
        pool_free(&block_pool);
    }
}

static void contents_print(void)
{
    static const char *const tables[] = {"spans", "scores", "tags"};
    static const char *const tiers[] = {"seal", "hour", "day"};
    printf("table %s\ntier %s\nrows %llu\nbytes %llu\ntime %lld .. %lld\nseq %llu .. %llu\n"
           "fold_seq %llu\n",
           tables[seg.table], tiers[seg.tier], (unsigned long long)seg.rows,
           (unsigned long long)file.size, (long long)seg.time_min, (long long)seg.time_max,
           (unsigned long long)seg.seq_min, (unsigned long long)seg.seq_max,
           (unsigned long long)seg.fold_seq);
    printf("trace_index %llu bytes\nsession_index %llu bytes\n",
           (unsigned long long)seg.trace_index.size, (unsigned long long)seg.session_index.size);
    uint64_t block = 0;
    for (uint64_t g = 0; g < seg.groups; g++) {
        printf("group %llu: %lld blocks%s\n", (unsigned long long)g, (long long)seg.group_blocks[g],
               seg.group_sorted[g] != 0 ? ", by session" : "");
        for (int64_t b = 0; b < seg.group_blocks[g]; b++, block++)
            printf("  block %llu: %lld rows, time %lld .. %lld\n", (unsigned long long)block,
                   (long long)seg.block_rows[block], (long long)seg.block_min[block],
                   (long long)seg.block_max[block]);
    }
    for (uint64_t i = 0; i < seg.columns; i++) {
        const struct column *c = &seg.column[i];
        printf("column %s: %s, %llu bytes, mostly %s", c->name, storage_names[c->storage],
               (unsigned long long)c->bytes, encoding_names[c->encoding]);
        if (c->storage == STR)
            printf(", %llu values%s", (unsigned long long)c->values,
                   c->postings.size != 0 ? ", postings" : "");
        printf("\n");
    }
}

/* ---- 3, 4: write-ahead log files ---- */

/* FORMAT.md 3, 4 */
#define COMMIT_HEADER_BYTES 72u
#define RECORDS_BYTES_MAX   68157452u
#define PAYLOAD_BYTES_MAX   68157440u
#define BATCH_ROWS_MAX      65536u
#define BATCH_COLUMNS_MAX   1152u
#define MESSAGE_BYTES_MAX   16777216u
#define TYPE_COMMIT         1u

static const char *const table_names[] = {"spans", "scores", "tags"};

/* Zeros up to the next multiple of 8 of the batch. */
static void batch_padding(struct reader *r)
{
    while (r->at % 8 != 0) {
        if (number(r, 1) != 0)
            damaged(r, "padding is not zero");
    }
}

static struct bytes batch_take(struct reader *r, uint64_t size)
{
    struct bytes b = take(r, size);
    batch_padding(r);
    return b;
}

/* A column of a batch: where its parts are, and how far rows with a value have been printed. */
struct batch_column {
    const char *name;
    enum storage storage;
    struct bytes bitmap; /* size 0: every row has a value */
    struct bytes values; /* numbers, ids, codes */
    unsigned code_bytes;
    uint64_t dict_values;
    struct bytes *texts; /* from 1: the dictionary of STR; values of TEXT and REFS in row order */
    uint64_t used;       /* of texts, for TEXT and REFS */
};

/* `count` lengths, then the bytes they measure; numbered from 1. */
static struct bytes *batch_texts(struct reader *r, uint64_t count)
{
    struct bytes lengths = batch_take(r, count * 4);
    struct bytes *texts = pool_zero(&block_pool, count + 1, sizeof *texts);
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= count; i++) {
        texts[i].size = bits_at(lengths, (i - 1) * 32, 32);
        sum += texts[i].size;
    }
    const uint8_t *at = batch_take(r, sum).data;
    for (uint64_t i = 1; i <= count; i++) {
        texts[i].data = at;
        at += texts[i].size;
    }
    return texts;
}

static void batch_column_name(struct reader *r, unsigned table, unsigned id, unsigned name_bytes,
                              struct batch_column *c)
{
    if (id == 0x8000) {
        struct bytes name = batch_take(r, name_bytes);
        char *text = pool_zero(&block_pool, name.size + 1, 1);
        memcpy(text, name.data, name.size);
        c->name = text;
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].table == (int)table && known[i].id == id && known[i].storage == c->storage)
            c->name = known[i].name;
    }
    if (c->name == NULL || name_bytes != 0)
        damaged(r, "unknown column");
}

static void batch_column_read(struct reader *r, unsigned table, uint64_t rows,
                              struct batch_column *c)
{
    unsigned id = (unsigned)number(r, 2);
    unsigned storage = (unsigned)number(r, 1);
    unsigned flags = (unsigned)number(r, 1);
    uint64_t body = number(r, 4);
    uint64_t count = number(r, 4);
    c->code_bytes = (unsigned)number(r, 1);
    unsigned zero = (unsigned)number(r, 1);
    unsigned name_bytes = (unsigned)number(r, 2);
    uint64_t end = r->at + body;
    if (storage > ID128 || flags > 1 || zero != 0 || c->code_bytes > 4 || c->code_bytes == 3 ||
        count > rows || (storage == STR && (flags != 0 || count == 0)))
        damaged(r, "batch column");
    c->storage = (enum storage)storage;
    batch_column_name(r, table, id, name_bytes, c);
    if (flags == 1)
        c->bitmap = batch_take(r, (rows + 7) / 8);
    if (c->storage == STR) {
        c->values = batch_take(r, c->code_bytes * rows);
        c->dict_values = count;
        c->texts = batch_texts(r, count);
    } else if (c->storage == TEXT || c->storage == REFS) {
        uint64_t present = 0;
        for (uint64_t i = 0; i < rows; i++)
            present += flags == 0 || bits_at(c->bitmap, i, 1) != 0;
        if (count != present)
            damaged(r, "rows with a value");
        c->texts = batch_texts(r, count);
    } else {
        c->values = batch_take(r, (c->storage == ID128 ? 16 : 8) * rows);
    }
    if (r->at != end)
        damaged(r, "size of a batch column");
}

/* One cell through the printer of segments; nothing when it is NULL. */
static void batch_cell_print(const struct reader *r, struct batch_column *c, uint64_t row,
                             struct cells *cell)
{
    struct column column = {.storage = c->storage, .name = c->name};
    cell->valid[0] = c->bitmap.size == 0 || bits_at(c->bitmap, row, 1) != 0;
    if (c->storage == STR) {
        uint64_t code =
            c->code_bytes == 0 ? 1 : bits_at(c->values, row * c->code_bytes * 8, c->code_bytes * 8);
        if (code > c->dict_values)
            damaged(r, "no such dictionary code");
        cell->valid[0] = code != 0;
        cell->numbers[0] = code;
        column.dict = c->texts;
    } else if (c->storage == TEXT || c->storage == REFS) {
        if (cell->valid[0])
            cell->bytes[0] = c->texts[++c->used];
    } else {
        unsigned width = c->storage == ID128 ? 16 : 8;
        cell->bytes[0] = (struct bytes){c->values.data + row * width, width};
        cell->numbers[0] = bits_at(cell->bytes[0], 0, 64);
    }
    if (!cell->valid[0])
        return;
    printf(",");
    json_text_print((struct bytes){(const uint8_t *)c->name, strlen(c->name)});
    printf(":");
    cell_print(&column, cell, 0, true);
}

static void batch_print(struct reader *record, uint64_t size, unsigned table_wanted, uint64_t seq,
                        uint64_t project)
{
    struct bytes b = take(record, size);
    struct reader r = {b.data, b.size, 0, record->file_offset + record->at - size};
    struct cells *cell = pool_zero(&block_pool, 1, sizeof *cell);
    unsigned version = (unsigned)number(&r, 1);
    unsigned table = (unsigned)number(&r, 1);
    uint64_t columns = number(&r, 2);
    uint64_t rows = number(&r, 4);
    if (version != 1 || table != table_wanted || columns > BATCH_COLUMNS_MAX ||
        rows > BATCH_ROWS_MAX)
        damaged(&r, "batch header");
    struct batch_column *c = pool_zero(&block_pool, columns, sizeof *c);
    for (uint64_t i = 0; i < columns; i++)
        batch_column_read(&r, table, rows, &c[i]);
    if (r.at != r.size)
        damaged(&r, "bytes behind the batch");
    for (uint64_t row = 0; row < rows; row++) {
        printf("{\"log_seq\":%llu,\"project\":%llu,\"table\":\"%s\"", (unsigned long long)seq,
               (unsigned long long)project, table_names[table]);
        for (uint64_t i = 0; i < columns; i++)
            batch_cell_print(&r, &c[i], row, cell);
        printf("}\n");
    }
}

/* 4.5: one commit of a project. */
static void commit_print(struct reader *r, uint64_t seq, uint64_t project)
{
    uint64_t sizes[3];
    if (number(r, 1) != 1 || number(r, 3) != 0)
        damaged(r, "commit record");
    uint64_t messages = number(r, 4);
    (void)take(r, 32); /* client, its batch sequence, time */
    for (unsigned table = 0; table < 3; table++)
        sizes[table] = number(r, 8);
    for (unsigned table = 0; table < 3; table++) {
        if (sizes[table] != 0)
            batch_print(r, sizes[table], table, seq, project);
    }
    for (uint64_t i = 0; i < messages; i++) {
        uint64_t size = number(r, 4);
        if (size > MESSAGE_BYTES_MAX)
            damaged(r, "message");
        struct bytes body = take(r, size);
        XXH128_canonical_t address;
        XXH128_canonicalFromHash(&address, XXH3_128bits(body.data, body.size));
        printf("{\"log_seq\":%llu,\"project\":%llu,\"table\":\"messages\",\"address\":\"",
               (unsigned long long)seq, (unsigned long long)project);
        hex_print((struct bytes){address.digest, 16});
        printf("\",\"bytes\":%llu}\n", (unsigned long long)size);
    }
    if (r->at != r->size)
        damaged(r, "bytes behind the commit record");
}

struct commit {
    uint64_t salt, previous, first, count;
    struct bytes records;
    uint64_t bytes; /* of the frame */
};

/* 4.2: is a whole commit at this place? salt: of the commit at offset 0, for later ones. */
static bool commit_read(uint64_t at, uint64_t file_number, const uint64_t *salt, struct commit *ret)
{
    if (file.size < at || file.size - at < COMMIT_HEADER_BYTES)
        return false;
    struct reader r = {file.data + at, file.size - at, 0, at};
    uint64_t magic = number(&r, 4);
    uint64_t version = number(&r, 4);
    uint64_t number_of_file = number(&r, 8);
    ret->salt = number(&r, 8);
    uint64_t offset = number(&r, 8);
    ret->previous = number(&r, 8);
    ret->first = number(&r, 8);
    ret->count = number(&r, 4);
    uint64_t size = number(&r, 4);
    uint64_t body = number(&r, 8);
    uint64_t head = number(&r, 8);
    if (magic != 0x43574c44 || version != 1 || number_of_file != file_number || offset != at ||
        head != XXH3_64bits(r.data, 64) || size > RECORDS_BYTES_MAX || ret->count == 0 ||
        (salt != NULL && *salt != ret->salt))
        return false;
    ret->bytes = (COMMIT_HEADER_BYTES + size + 4095) / 4096 * 4096;
    if (ret->bytes > r.size ||
        body != XXH3_64bits(r.data + COMMIT_HEADER_BYTES, ret->bytes - COMMIT_HEADER_BYTES))
        return false;
    ret->records = (struct bytes){r.data + COMMIT_HEADER_BYTES, size};
    return true;
}

static void records_print(const struct commit *c, uint64_t at)
{
    struct reader r = {c->records.data, c->records.size, 0, at + COMMIT_HEADER_BYTES};
    for (uint64_t i = 0; i < c->count; i++) {
        uint64_t size = number(&r, 4);
        uint64_t project = number(&r, 4);
        unsigned type = (unsigned)number(&r, 1);
        if (number(&r, 3) != 0 || size > PAYLOAD_BYTES_MAX)
            damaged(&r, "record header");
        struct reader payload = {r.data + r.at, size, 0, r.file_offset + r.at};
        (void)take(&r, size);
        if (type == TYPE_COMMIT)
            commit_print(&payload, c->first + i, project);
        else
            printf("{\"log_seq\":%llu,\"project\":%llu,\"type\":%u,\"bytes\":%llu}\n",
                   (unsigned long long)(c->first + i), (unsigned long long)project, type,
                   (unsigned long long)size);
        pool_free(&block_pool);
    }
    if (r.at != r.size)
        damaged(&r, "bytes behind the records");
}

/* One file by itself: its whole commits from the start. Whole commits behind a gap mean damage (4.3). */
static void wal_print(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name == NULL ? path : name + 1;
    uint64_t file_number = strtoull(name, NULL, 10);
    uint64_t at = 0;
    uint64_t salt = 0;
    struct commit c;
    file_read(path);
    while (commit_read(at, file_number, at == 0 ? NULL : &salt, &c)) {
        salt = c.salt;
        records_print(&c, at);
        at += c.bytes;
    }
    for (uint64_t later = at + 4096; later < file.size; later += 4096) {
        if (commit_read(later, file_number, at == 0 ? NULL : &salt, &c))
            fail(EXIT_CORRUPT, "%s: offset %llu: a commit is missing; a whole one follows at %llu",
                 file_name, (unsigned long long)at, (unsigned long long)later);
    }
}

/* ---- command line ---- */

_Noreturn static void usage(void)
{
    fail(EXIT_USAGE,
         "usage: segcat FILE [--columns a,b] [--format csv|ndjson] | segcat --toc FILE");
}

/* Columns by name, in the order asked for. */
static uint64_t columns_pick(const char *names, uint64_t *wanted)
{
    uint64_t count = 0;
    if (names == NULL) {
        for (; count < seg.columns; count++)
            wanted[count] = count;
        return count;
    }
    for (const char *at = names; *at != 0;) {
        size_t size = strcspn(at, ",");
        uint64_t i = 0;
        while (i < seg.columns &&
               (strlen(seg.column[i].name) != size || memcmp(seg.column[i].name, at, size) != 0))
            i++;
        if (i == seg.columns || count == COLUMNS_MAX)
            fail(EXIT_FAILED, "%s: no column %.*s", file_name, (int)size, at);
        wanted[count++] = i;
        at += size + (at[size] == ',');
    }
    return count;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    const char *names = NULL;
    bool toc = false;
    bool wal = false;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--toc") == 0) {
            toc = true;
        } else if (strcmp(argv[i], "--wal") == 0) {
            wal = true;
        } else if (strcmp(argv[i], "--columns") == 0 && i + 1 < argc) {
            names = argv[++i];
        } else if (strcmp(argv[i], "--format") == 0 && i + 1 < argc) {
            i++;
            json = strcmp(argv[i], "ndjson") == 0;
            if (!json && strcmp(argv[i], "csv") != 0)
                usage();
        } else if (argv[i][0] == '-' || path != NULL) {
            usage();
        } else {
            path = argv[i];
        }
    }
    if (path == NULL)
        usage();
    if (!wal)
        file_open(path);
    if (wal) {
        wal_print(path);
    } else if (toc) {
        contents_print();
    } else {
        uint64_t wanted[COLUMNS_MAX];
        rows_print(wanted, columns_pick(names, wanted), json);
    }
    pool_free(&file_pool);
    if (fflush(stdout) != 0 || ferror(stdout))
        fail(EXIT_FAILED, "can't write");
    return 0;
}
