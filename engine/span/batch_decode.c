/*
 * batch_decode.c - a batch from bytes, which may come from anywhere.
 *
 * Place:     wal at recovery, files of batches -> [here] -> span batch
 * Format:    FORMAT.md 3
 * Invariant: a decoded batch keeps every promise of batch.h and vector.h, whatever the bytes were.
 *            The schema learns score names only from a batch that is good as a whole.
 * Failure:   CORRUPT, LIMIT or INVALID (a column this version does not know) name the column and
 *            its offset in the batch.
 * Memory:    fixed-width values stay in the bytes; the arena gets at most 24 bytes a row and column.
 */
#include "engine/base/check.h"
#include "engine/base/cursor.h"
#include "engine/base/limits.h"
#include "engine/span/batch.h"
#include "engine/span/batch_format.h"

struct decoder {
    struct arena *arena;
    struct error *reterr;
    enum table table;
    uint32_t rows;
    /* Of the column being read. */
    struct column_header header;
    size_t offset;
    struct slice label; /* its name, for messages */
    struct cursor body;
    const uint8_t *valid; /* a byte a row, or NULL */
};

static enum status column_damaged(const struct decoder *d, const char *reason)
{
    return corrupt(d->reterr, "batch", d->offset, "column %.*s: %s", SLICE_ARG(d->label), reason);
}

static enum status column_too_large(const struct decoder *d, const char *what, uint64_t size,
                                    uint64_t limit)
{
    return error_set_at(d->reterr, STATUS_LIMIT, (int64_t)d->offset,
                        "batch at offset %zu: column %.*s: %s of %llu, at most %llu is allowed",
                        d->offset, SLICE_ARG(d->label), what, (unsigned long long)size,
                        (unsigned long long)limit);
}

/* A part of the body: `size` bytes, then zeros up to a multiple of 8. */
static struct slice part_take(struct cursor *body, uint64_t size)
{
    struct slice part = cursor_take(body, size);
    struct slice padding = cursor_take(body, (0 - size) & (BATCH_PART_ALIGN - 1));
    for (size_t i = 0; i < padding.size; i++) {
        if (padding.data[i] != 0)
            cursor_fail(body);
    }
    return body->failed ? SLICE_EMPTY : part;
}

/* Spreads bits to bytes; returns how many are set. to has room for rows rounded up to 8. */
static uint32_t bitmap_unpack(const uint8_t *bits, uint32_t rows, uint8_t *to)
{
    uint32_t count = 0;
    for (size_t i = 0; i < batch_bitmap_bytes(rows); i++) {
        /* Byte k keeps bit k; adding 0x7f carries into the top bit of every byte that isn't 0. */
        uint64_t spread = (bits[i] * 0x0101010101010101u) & 0x8040201008040201u;
        spread = (spread + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
        memcpy(to + 8 * i, &spread, sizeof spread);
        count += (uint32_t)__builtin_popcount(bits[i]);
    }
    return count;
}

static enum status decode_bitmap(struct decoder *d, uint32_t *ret_count)
{
    d->valid = NULL;
    *ret_count = d->rows;
    if ((d->header.flags & BATCH_FLAG_BITMAP) == 0)
        return STATUS_OK;
    struct slice bits = part_take(&d->body, batch_bitmap_bytes(d->rows));
    if (d->body.failed)
        return column_damaged(d, "the bitmap of rows with a value is cut short or badly padded");
    if (d->rows % 8 != 0 && bits.data[bits.size - 1] >> (d->rows % 8) != 0)
        return column_damaged(d, "the bitmap has bits behind the last row");
    uint8_t *valid = arena_alloc(d->arena, bits.size * 8);
    uint32_t count = bitmap_unpack(bits.data, d->rows, valid);
    if (count == 0)
        return column_damaged(d, "no row has a value, so it should have been left out");
    if (count != d->rows)
        d->valid = valid;
    *ret_count = count;
    return STATUS_OK;
}

static enum status decode_words(struct decoder *d, struct vector *v)
{
    size_t words_a_row = storage_width(v->storage) / sizeof(uint64_t);
    struct slice part = part_take(&d->body, d->rows * storage_width(v->storage));
    if (d->body.failed)
        return column_damaged(d, "the values are cut short");
    v->i64 = (const int64_t *)(const void *)part.data;
    v->valid = d->valid;
    if (v->valid == NULL)
        return STATUS_OK;
    uint64_t stray = 0;
    for (size_t i = 0; i < d->rows * words_a_row; i++) {
        uint64_t word;
        memcpy(&word, part.data + i * sizeof word, sizeof word);
        stray |= word & ((uint64_t)v->valid[i / words_a_row] - 1);
    }
    return stray == 0 ? STATUS_OK : column_damaged(d, "a row without a value isn't zero");
}

/* Lengths and bytes of `count` strings; to[] gets one slice each. */
static enum status decode_strings(struct decoder *d, uint32_t count, size_t limit, struct slice *to)
{
    struct slice lengths = part_take(&d->body, (uint64_t)count * sizeof(uint32_t));
    if (d->body.failed)
        return column_damaged(d, "the lengths are cut short or badly padded");
    uint64_t total = 0;
    uint32_t longest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + i * sizeof length, sizeof length);
        total += length;
        longest = length > longest ? length : longest;
    }
    if (longest > limit)
        return column_too_large(d, "a value", longest, limit);
    struct slice bytes = part_take(&d->body, total);
    if (d->body.failed)
        return column_damaged(d, "the bytes of the values are cut short or badly padded");
    const uint8_t *at = bytes.data;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + i * sizeof length, sizeof length);
        to[i] = slice_of(at, length);
        at += length;
    }
    return STATUS_OK;
}

static enum status decode_texts(struct decoder *d, uint32_t valid_count, struct vector *v)
{
    bool is_refs = v->storage == STORAGE_REFS;
    size_t limit = is_refs ? sizeof(struct id128) * (size_t)MESSAGE_REFS_MAX : TEXT_BYTES_MAX;
    if (d->header.value_count != valid_count)
        return column_damaged(d, "its count of values differs from its rows with a value");
    struct slice *texts = ARENA_ARRAY(d->arena, struct slice, d->rows);
    /* The values come first in the array, then move up to their rows, from the last one down. */
    enum status s = decode_strings(d, valid_count, limit, texts);
    if (s < 0)
        return s;
    for (uint32_t i = 0; is_refs && i < valid_count; i++) {
        if (texts[i].size % sizeof(struct id128) != 0)
            return column_damaged(d, "a list of message addresses isn't a multiple of 16 bytes");
    }
    uint32_t next = valid_count;
    for (uint32_t row = d->rows; d->valid != NULL && row-- > 0;)
        texts[row] = d->valid[row] != 0 ? texts[--next] : SLICE_EMPTY;
    v->bytes = texts;
    v->valid = d->valid;
    return STATUS_OK;
}

/* Widens the codes; returns the largest. */
static uint32_t codes_widen(struct slice part, uint8_t code_bytes, uint32_t rows, uint32_t *to)
{
    uint32_t largest = 0;
    if (code_bytes == 1) {
        for (uint32_t i = 0; i < rows; i++) {
            to[i] = part.data[i];
            largest = to[i] > largest ? to[i] : largest;
        }
        return largest;
    }
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t code = 0;
        if (code_bytes == 2) {
            uint16_t narrow;
            memcpy(&narrow, part.data + (size_t)i * sizeof narrow, sizeof narrow);
            code = narrow;
        } else if (code_bytes == 4) {
            memcpy(&code, part.data + (size_t)i * sizeof code, sizeof code);
        } else {
            code = 1;
        }
        to[i] = code;
        largest = code > largest ? code : largest;
    }
    return largest;
}

static enum status decode_str(struct decoder *d, struct vector *v)
{
    uint32_t count = d->header.value_count;
    uint8_t code_bytes = d->header.code_bytes;
    if (count == 0 || count > d->rows)
        return column_damaged(d, "its dictionary has no values or more than there are rows");
    if (code_bytes == 3 || code_bytes > 4 || (code_bytes == 0 && count != 1))
        return column_damaged(d, "its codes have an impossible width");
    struct slice part = part_take(&d->body, (uint64_t)d->rows * code_bytes);
    if (d->body.failed)
        return column_damaged(d, "the codes are cut short or badly padded");
    uint32_t *codes = ARENA_ARRAY(d->arena, uint32_t, d->rows);
    uint32_t largest = codes_widen(part, code_bytes, d->rows, codes);
    if (largest > count)
        return column_damaged(d, "a code lies outside its dictionary");

    struct slice *values = ARENA_ARRAY(d->arena, struct slice, (size_t)count + 1);
    values[0] = SLICE_EMPTY;
    enum status s = decode_strings(d, count, STR_BYTES_MAX, values + 1);
    if (s < 0)
        return s;
    struct dict *dict = ARENA_NEW(d->arena, struct dict);
    *dict = (struct dict){.values = values, .count = count + 1};
    v->dict = dict;
    v->codes = codes;
    return STATUS_OK;
}

static enum status decode_vector(struct decoder *d, struct vector *v)
{
    uint32_t valid_count = 0;
    enum status s = decode_bitmap(d, &valid_count);
    if (s < 0)
        return s;
    switch (v->storage) {
    case STORAGE_I64:
    case STORAGE_F64:
    case STORAGE_ID64:
    case STORAGE_ID128:
        s = decode_words(d, v);
        break;
    case STORAGE_STR:
        s = decode_str(d, v);
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        s = decode_texts(d, valid_count, v);
        break;
    }
    if (s < 0)
        return s;
    return cursor_done(&d->body) ? STATUS_OK : column_damaged(d, "bytes are left over behind it");
}

/* Header fields that mean nothing for a storage must be zero, so that they can get a meaning. */
static bool header_is_tidy(const struct column_header *h)
{
    bool is_str = h->storage == STORAGE_STR;
    bool counts = is_str || h->storage == STORAGE_TEXT || h->storage == STORAGE_REFS;
    return h->reserved == 0 && (h->flags & ~BATCH_FLAG_BITMAP) == 0 &&
           (counts || h->value_count == 0) && (is_str || h->code_bytes == 0) &&
           (!is_str || h->flags == 0) && h->body_bytes % BATCH_PART_ALIGN == 0;
}

/* Which column a header speaks of: *ret_column, or for a score column its name in d->label. */
static enum status decode_column_name(struct decoder *d, const struct column **ret_column)
{
    *ret_column = table_column(d->table, d->header.id);
    if (*ret_column != NULL) {
        d->label = slice_text((*ret_column)->name);
        if (d->header.name_bytes != 0)
            return column_damaged(d, "a fixed column carries a name");
        return STATUS_OK;
    }
    if (d->header.id != COLUMN_DYNAMIC || d->table != TABLE_SPANS)
        return error_set_at(d->reterr, STATUS_INVALID, (int64_t)d->offset,
                            "batch at offset %zu: table %s has no column with id %u", d->offset,
                            table_name(d->table), (unsigned)d->header.id);
    struct slice name = part_take(&d->body, d->header.name_bytes);
    if (d->body.failed || !score_name_is_valid(name))
        return column_damaged(d, "its score name is cut short, badly padded or not allowed");
    d->label = name;
    return STATUS_OK;
}

static enum status decode_column(struct decoder *d, struct cursor *c, struct batch_column *ret)
{
    d->offset = cursor_offset(c);
    d->label = slice_text("?");
    struct slice head = cursor_take(c, sizeof d->header);
    if (c->failed)
        return column_damaged(d, "the header is cut short");
    memcpy(&d->header, head.data, sizeof d->header);
    d->body = cursor_over(cursor_take(c, d->header.body_bytes));
    if (c->failed)
        return column_damaged(d, "the body is cut short");
    enum status s = decode_column_name(d, &ret->column);
    if (s < 0)
        return s;
    if (!header_is_tidy(&d->header))
        return column_damaged(d, "reserved bits of the header are set");
    enum storage storage = ret->column != NULL ? ret->column->storage : STORAGE_F64;
    if (d->header.storage != storage)
        return column_damaged(d, "its storage isn't the table's");
    ret->vector = (struct vector){.storage = storage, .rows = d->rows};
    return decode_vector(d, &ret->vector);
}

static enum status decode_header(struct decoder *d, struct cursor *c, uint32_t *ret_column_count)
{
    struct batch_header header = {0};
    struct slice head = cursor_take(c, sizeof header);
    if (c->failed)
        return corrupt(d->reterr, "batch", 0, "the header is cut short");
    memcpy(&header, head.data, sizeof header);
    if (header.version != BATCH_VERSION)
        return corrupt(d->reterr, "batch", 0, "version %u, expected %u", (unsigned)header.version,
                       BATCH_VERSION);
    if (header.table >= TABLE_COUNT)
        return corrupt(d->reterr, "batch", 1, "there is no table %u", (unsigned)header.table);
    if (header.rows > BATCH_ROWS_MAX)
        return error_set_at(d->reterr, STATUS_LIMIT, 4,
                            "batch at offset 4: %lu rows, at most %u are allowed",
                            (unsigned long)header.rows, BATCH_ROWS_MAX);
    if (header.column_count > BATCH_COLUMNS_MAX ||
        header.column_count > cursor_left(c) / sizeof(struct column_header))
        return corrupt(d->reterr, "batch", 2, "%u columns do not fit its %zu bytes",
                       (unsigned)header.column_count, cursor_left(c));
    if (header.rows == 0 && header.column_count != 0)
        return corrupt(d->reterr, "batch", 2, "columns without rows");
    d->table = (enum table)header.table;
    d->rows = header.rows;
    *ret_column_count = header.column_count;
    return STATUS_OK;
}

/* Gives score columns their ids and finds columns that stand twice. */
static enum status columns_resolve(const struct batch *b, const struct slice *labels,
                                   struct schema *schema, struct error *reterr)
{
    uint64_t seen[BATCH_COLUMNS_MAX / 64] = {0};
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct column **column = &b->columns[i].column;
        if (*column == NULL) {
            if (schema == NULL)
                return error_set(reterr, STATUS_INVALID, "batch: no score columns here: %.*s",
                                 SLICE_ARG(labels[i]));
            enum status s = schema_add_score(schema, labels[i], column, reterr);
            if (s < 0)
                return s;
        }
        uint32_t id = (*column)->id;
        uint32_t bit = id < COLUMN_DYNAMIC ? id : 128 + (id - COLUMN_DYNAMIC);
        ASSERT(bit < BATCH_COLUMNS_MAX);
        if ((seen[bit / 64] >> (bit % 64) & 1) != 0)
            return corrupt(reterr, "batch", 0, "column %s stands twice", (*column)->name);
        seen[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
    return STATUS_OK;
}

enum status batch_decode(struct slice bytes, struct schema *schema, struct arena *arena,
                         struct batch *ret_batch, struct error *reterr)
{
    if ((uintptr_t)bytes.data % BATCH_PART_ALIGN != 0)
        bytes = arena_copy(arena, bytes);
    struct decoder d = {.arena = arena, .reterr = reterr, .label = SLICE_EMPTY};
    struct cursor c = cursor_over(bytes);
    struct batch b = {0};
    enum status s = decode_header(&d, &c, &b.column_count);
    if (s < 0)
        return s;
    b.table = d.table;
    b.rows = d.rows;
    b.columns = ARENA_ARRAY(arena, struct batch_column, b.column_count);
    struct slice *labels = ARENA_ARRAY(arena, struct slice, b.column_count);
    for (uint32_t i = 0; i < b.column_count; i++) {
        if ((s = decode_column(&d, &c, &b.columns[i])) < 0)
            return s;
        labels[i] = d.label;
    }
    if (!cursor_done(&c))
        return corrupt(reterr, "batch", cursor_offset(&c), "bytes are left over behind it");
    if ((s = columns_resolve(&b, labels, schema, reterr)) < 0)
        return s;
    *ret_batch = b;
    return STATUS_OK;
}
