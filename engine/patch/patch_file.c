/*
 * patch_file.c - amendments that a seal could not fold, in a file: writing and reading.
 *
 * Format:    FORMAT.md 7. Header, then one body of columns, zstd-compressed where that is shorter.
 * Invariant: reading adds nothing to the table unless the whole file is sound.
 * Failure:   STATUS_CORRUPT with path and offset; offsets in a compressed body count its raw bytes
 *            and the text says so.
 */
#include <stdlib.h>
#include <zstd.h>

#include "engine/base/check.h"
#include "engine/base/cursor.h"
#include "engine/base/hash.h"
#include "engine/base/intern.h"
#include "engine/base/limits.h"
#include "engine/patch/patch.h"

#define MAGIC        "DLPATCH1"
#define HEADER_BYTES 48u
#define COLUMNS_MAX  (SCORE_COLUMNS_MAX + 128u)
#define ZSTD_LEVEL   3

static_assert(sizeof MAGIC == 9, "FORMAT.md 7: eight bytes of magic");
static_assert(sizeof(struct id128) == 16, "FORMAT.md 7: trace ids are 16 bytes");

struct header {
    uint32_t count;
    uint32_t column_count;
    uint64_t raw_bytes;
    uint64_t stored_bytes;
    uint64_t body_checksum;
};

/* ---- writing ---- */

static int amendment_order(const void *left, const void *right)
{
    const struct amendment *a = *(const struct amendment *const *)left;
    const struct amendment *b = *(const struct amendment *const *)right;
    if (a->column->id != b->column->id)
        return a->column->id < b->column->id ? -1 : 1;
    int order = id128_compare(a->trace_id, b->trace_id);
    if (order != 0)
        return order;
    if (a->span_id != b->span_id)
        return a->span_id < b->span_id ? -1 : 1;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

static void put_strings(struct buffer *to, const struct amendment *const *a, uint32_t count)
{
    struct intern strings;
    intern_init(&strings);
    uint32_t *codes = mem_alloc(count * sizeof *codes);
    for (uint32_t i = 0; i < count; i++)
        codes[i] = intern_add(&strings, a[i]->bytes) - 1;
    put_varint(to, strings.count - 1);
    for (uint32_t code = 1; code < strings.count; code++)
        put_bytes(to, strings.values[code]);
    for (uint32_t i = 0; i < count; i++)
        put_u32(to, codes[i]);
    mem_free(codes);
    intern_deinit(&strings);
}

/* count amendments of one column. */
static void put_column(struct buffer *to, const struct amendment *const *a, uint32_t count)
{
    const struct column *column = a[0]->column;
    put_bytes(to, slice_text(column->name));
    put_u8(to, (uint8_t)column->storage);
    put_varint(to, count);
    for (uint32_t i = 0; i < count; i++)
        buffer_add(to, a[i]->trace_id.bytes, sizeof a[i]->trace_id.bytes);
    for (uint32_t i = 0; i < count; i++)
        put_u64(to, a[i]->span_id);
    for (uint32_t i = 0; i < count; i++)
        put_u64(to, a[i]->seq);
    if (column->storage == STORAGE_STR) {
        put_strings(to, a, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        put_u64(to, (uint64_t)a[i]->i64);
}

static void put_header(struct buffer *to, const struct header *h)
{
    size_t start = to->size;
    buffer_add(to, MAGIC, sizeof MAGIC - 1);
    put_u32(to, h->count);
    put_u32(to, h->column_count);
    put_u64(to, h->raw_bytes);
    put_u64(to, h->stored_bytes);
    put_u64(to, h->body_checksum);
    put_u64(to, hash64(slice_of(to->data + start, to->size - start)));
    ASSERT(to->size - start == HEADER_BYTES);
}

/* The body, shorter if it can be: *ret_stored is raw's bytes or compressed's. */
static enum status body_compress(const struct buffer *raw, struct buffer *compressed,
                                 struct slice *ret_stored, const char *path, struct error *reterr)
{
    *ret_stored = buffer_slice(raw);
    if (raw->size == 0)
        return STATUS_OK;
    size_t bound = ZSTD_compressBound(raw->size);
    uint8_t *to = buffer_reserve(compressed, bound);
    size_t size = ZSTD_compress(to, bound, raw->data, raw->size, ZSTD_LEVEL);
    if (ZSTD_isError(size))
        return error_set(reterr, STATUS_LIMIT, "%s: zstd: %s", path, ZSTD_getErrorName(size));
    compressed->size = size;
    if (size < raw->size)
        *ret_stored = buffer_slice(compressed);
    return STATUS_OK;
}

/* Sorts order[] and encodes the columns. */
static uint32_t body_encode(const struct amendment **order, uint32_t count, struct buffer *raw)
{
    uint32_t column_count = 0;
    if (count != 0)
        qsort(order, count, sizeof *order, amendment_order);
    for (uint32_t first = 0; first < count; column_count++) {
        uint32_t end = first + 1;
        while (end < count && order[end]->column == order[first]->column)
            end++;
        put_column(raw, order + first, end - first);
        first = end;
    }
    return column_count;
}

static uint64_t bytes_of_values(const struct amendment *const *amendments, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += 40 + amendments[i]->bytes.size;
    return bytes;
}

enum status patch_file_write(struct io *io, const char *path,
                             const struct amendment *const *amendments, uint32_t count,
                             uint64_t *ret_bytes, struct error *reterr)
{
    if (count > PATCH_FILE_AMENDMENTS_MAX)
        return error_set(reterr, STATUS_LIMIT, "%s: %u amendments, a patch file holds %u", path,
                         count, PATCH_FILE_AMENDMENTS_MAX);
    if (bytes_of_values(amendments, count) > PATCH_FILE_BYTES_MAX / 2)
        return error_set(reterr, STATUS_LIMIT, "%s: the amendments take more than %u bytes", path,
                         PATCH_FILE_BYTES_MAX / 2);
    const struct amendment **order = mem_alloc(count * sizeof *order);
    bytes_copy(order, amendments, count * sizeof *order);
    struct buffer raw = {0};
    struct buffer compressed = {0};
    struct buffer file = {0};
    struct slice stored;
    struct header h = {.count = count};
    h.column_count = body_encode(order, count, &raw);
    enum status s = body_compress(&raw, &compressed, &stored, path, reterr);
    if (s < 0)
        goto out;
    h.raw_bytes = raw.size;
    h.stored_bytes = stored.size;
    h.body_checksum = hash64(stored);
    put_header(&file, &h);
    buffer_add_slice(&file, stored);
    if ((s = io_replace_file(io, path, buffer_slice(&file), reterr)) < 0)
        goto out;
    *ret_bytes = file.size;
out:
    buffer_deinit(&file);
    buffer_deinit(&compressed);
    buffer_deinit(&raw);
    mem_free(order);
    return s;
}

/* ---- reading ---- */

/* One column of the body; the slices are of the raw bytes. */
struct file_column {
    struct slice name;
    const struct column *column;
    enum storage storage;
    uint32_t count;
    struct slice traces, spans, seqs;
    struct slice values;   /* numbers, or codes of strings */
    struct slice *strings; /* STR only */
    uint32_t string_count;
};

static enum status header_decode(struct slice file, const char *path, struct header *h,
                                 struct error *reterr)
{
    struct cursor c = cursor_over(file);
    struct slice magic = cursor_take(&c, sizeof MAGIC - 1);
    h->count = cursor_u32(&c);
    h->column_count = cursor_u32(&c);
    h->raw_bytes = cursor_u64(&c);
    h->stored_bytes = cursor_u64(&c);
    h->body_checksum = cursor_u64(&c);
    uint64_t checksum = cursor_u64(&c);
    if (c.failed)
        return corrupt(reterr, path, file.size, "%zu bytes are too short for a patch file",
                       file.size);
    if (!slice_is(magic, MAGIC))
        return corrupt(reterr, path, 0, "not a patch file (no " MAGIC ")");
    if (checksum != hash64(slice_of(file.data, HEADER_BYTES - sizeof checksum)))
        return corrupt(reterr, path, 0, "checksum of the header");
    if (h->count > PATCH_FILE_AMENDMENTS_MAX)
        return corrupt(reterr, path, 8, "%u amendments, at most %u", h->count,
                       PATCH_FILE_AMENDMENTS_MAX);
    if (h->column_count > COLUMNS_MAX)
        return corrupt(reterr, path, 12, "%u columns, at most %u", h->column_count, COLUMNS_MAX);
    if (h->raw_bytes > PATCH_FILE_BYTES_MAX)
        return corrupt(reterr, path, 16, "%llu bytes of body, at most %u",
                       (unsigned long long)h->raw_bytes, PATCH_FILE_BYTES_MAX);
    if (h->stored_bytes != cursor_left(&c))
        return corrupt(reterr, path, 24, "%llu bytes of body promised, %zu there",
                       (unsigned long long)h->stored_bytes, cursor_left(&c));
    if (h->stored_bytes > h->raw_bytes)
        return corrupt(reterr, path, 24, "a stored body longer than the raw one");
    return STATUS_OK;
}

/* *own holds the raw bytes when they had to be decompressed. */
static enum status body_decompress(struct slice stored, const struct header *h, const char *path,
                                   struct buffer *own, struct slice *ret_raw, struct error *reterr)
{
    if (hash64(stored) != h->body_checksum)
        return corrupt(reterr, path, HEADER_BYTES, "checksum of the body");
    *ret_raw = stored;
    if (h->stored_bytes == h->raw_bytes)
        return STATUS_OK;
    if (ZSTD_getFrameContentSize(stored.data, stored.size) != h->raw_bytes)
        return corrupt(reterr, path, HEADER_BYTES, "the body is no zstd frame of %llu bytes",
                       (unsigned long long)h->raw_bytes);
    uint8_t *to = buffer_reserve(own, h->raw_bytes);
    size_t size = ZSTD_decompress(to, h->raw_bytes, stored.data, stored.size);
    if (ZSTD_isError(size) || size != h->raw_bytes)
        return corrupt(reterr, path, HEADER_BYTES, "the body does not decompress: %s",
                       ZSTD_isError(size) ? ZSTD_getErrorName(size) : "too short");
    own->size = size;
    *ret_raw = buffer_slice(own);
    return STATUS_OK;
}

/* Every byte of a string takes a byte of the body, so its count is bounded by what is left. */
static const char *strings_decode(struct cursor *c, struct file_column *column, struct arena *arena)
{
    uint64_t count = cursor_varint(c);
    if (count > column->count || count > cursor_left(c))
        return "more strings than values";
    column->string_count = (uint32_t)count;
    column->strings = ARENA_ARRAY(arena, struct slice, count);
    for (uint64_t i = 0; i < count; i++) {
        column->strings[i] = cursor_bytes(c);
        if (column->strings[i].size > STR_BYTES_MAX)
            return "a string is too long";
    }
    column->values = cursor_take(c, (uint64_t)column->count * sizeof(uint32_t));
    struct cursor codes = cursor_over(column->values);
    while (cursor_left(&codes) != 0) {
        if (cursor_u32(&codes) >= count)
            return "a code without a string";
    }
    return NULL;
}

/* NULL, or what is wrong. */
static const char *column_decode(struct cursor *c, struct file_column *column, struct arena *arena)
{
    column->name = cursor_bytes(c);
    uint8_t storage = cursor_u8(c);
    uint64_t count = cursor_varint(c);
    if (c->failed)
        return "cut off";
    if (storage != STORAGE_F64 && storage != STORAGE_I64 && storage != STORAGE_STR)
        return "a storage that cannot be amended";
    if (count == 0 || count > PATCH_FILE_AMENDMENTS_MAX)
        return "the number of amendments";
    column->storage = (enum storage)storage;
    column->count = (uint32_t)count;
    column->traces = cursor_take(c, count * sizeof(struct id128));
    column->spans = cursor_take(c, count * sizeof(uint64_t));
    column->seqs = cursor_take(c, count * sizeof(uint64_t));
    if (storage == STORAGE_STR && !c->failed) {
        const char *wrong = strings_decode(c, column, arena);
        if (wrong != NULL)
            return wrong;
    } else {
        column->values = cursor_take(c, count * sizeof(uint64_t));
    }
    return c->failed ? "cut off" : NULL;
}

static bool column_is_known(const struct file_column *column)
{
    if (score_name_is_valid(column->name))
        return column->storage == STORAGE_F64;
    const struct column *fixed = table_column_by_name(TABLE_SPANS, column->name);
    return fixed != NULL && fixed->storage == column->storage;
}

static enum status body_decode(struct slice raw, const struct header *h, const char *path,
                               struct arena *arena, struct file_column *columns,
                               struct error *reterr)
{
    const char *of = h->stored_bytes == h->raw_bytes ? "" : " (of the raw body)";
    uint64_t base = *of == '\0' ? HEADER_BYTES : 0;
    struct cursor c = cursor_over(raw);
    uint64_t count = 0;
    for (uint32_t i = 0; i < h->column_count; i++) {
        uint64_t start = base + cursor_offset(&c);
        const char *wrong = column_decode(&c, &columns[i], arena);
        if (wrong != NULL)
            return corrupt(reterr, path, start, "column %u: %s%s", i, wrong, of);
        if (!column_is_known(&columns[i]))
            return corrupt(reterr, path, start, "column %u: no such column of spans%s", i, of);
        for (uint32_t j = 0; j < i; j++) {
            if (slice_equal(columns[j].name, columns[i].name))
                return corrupt(reterr, path, start, "column %u: the same as column %u%s", i, j, of);
        }
        count += columns[i].count;
    }
    if (!cursor_done(&c))
        return corrupt(reterr, path, base + cursor_offset(&c), "bytes behind the last column%s",
                       of);
    if (count != h->count)
        return corrupt(reterr, path, 8, "%u amendments promised, %llu there", h->count,
                       (unsigned long long)count);
    return STATUS_OK;
}

static enum status columns_resolve(struct file_column *columns, uint32_t count, const char *path,
                                   struct schema *schema, struct error *reterr)
{
    for (uint32_t i = 0; i < count; i++) {
        struct file_column *column = &columns[i];
        if (!score_name_is_valid(column->name)) {
            column->column = table_column_by_name(TABLE_SPANS, column->name);
            continue;
        }
        enum status s = schema_add_score(schema, column->name, &column->column, reterr);
        if (s < 0) {
            error_prefix(reterr, "%s", path);
            return s;
        }
    }
    return STATUS_OK;
}

static void column_add(const struct file_column *column, struct patch_table *to)
{
    struct cursor traces = cursor_over(column->traces);
    struct cursor spans = cursor_over(column->spans);
    struct cursor seqs = cursor_over(column->seqs);
    struct cursor values = cursor_over(column->values);
    for (uint32_t i = 0; i < column->count; i++) {
        struct amendment a = {.seq = cursor_u64(&seqs),
                              .span_id = cursor_u64(&spans),
                              .column = column->column,
                              .bytes = SLICE_EMPTY};
        memcpy(a.trace_id.bytes, cursor_take(&traces, sizeof a.trace_id).data, sizeof a.trace_id);
        if (column->storage == STORAGE_STR)
            a.bytes = column->strings[cursor_u32(&values)];
        else
            a.i64 = (int64_t)cursor_u64(&values);
        patch_table_add(to, &a);
    }
}

enum status patch_file_read(struct io *io, const char *path, struct schema *schema,
                            struct patch_table *to, struct error *reterr)
{
    struct io_map map = {0};
    struct header h;
    struct slice raw;
    struct buffer own = {0};
    struct arena arena = {0};
    struct file_column *columns = NULL;
    enum status s = io_map(io, path, &map, reterr);
    if (s < 0)
        return s;
    if ((s = header_decode(map.bytes, path, &h, reterr)) < 0)
        goto out;
    struct slice stored = slice_of(map.bytes.data + HEADER_BYTES, h.stored_bytes);
    if ((s = body_decompress(stored, &h, path, &own, &raw, reterr)) < 0)
        goto out;
    columns = mem_zero(h.column_count, sizeof *columns);
    if ((s = body_decode(raw, &h, path, &arena, columns, reterr)) < 0)
        goto out;
    if ((s = columns_resolve(columns, h.column_count, path, schema, reterr)) < 0)
        goto out;
    for (uint32_t i = 0; i < h.column_count; i++)
        column_add(&columns[i], to);
out:
    mem_free(columns);
    arena_deinit(&arena);
    buffer_deinit(&own);
    io_unmap(io, &map);
    return s;
}
