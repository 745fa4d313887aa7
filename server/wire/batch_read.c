/*
 * batch_read.c - a BATCH frame to span batches. The bytes may come from anywhere.
 *
 * Place:     socket -> frame.c -> [here] -> engine_append
 * Format:    FORMAT.md 9.4 to 9.6
 * Invariant: a decoded batch keeps every promise of batch.h and vector.h, whatever the bytes were.
 *            Dictionary deltas are taken in before anything else is looked at, so a batch with a bad
 *            column leaves the two sides in step and the next batch is fine.
 * Failure:   CORRUPT, LIMIT or INVALID name the column and the offset in the payload.
 * Cost:      8-byte values without NULLs stay where they are; the arena gets at most 24 bytes a row
 *            and column.
 */
#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "server/wire/batch_frame.h"

#include <stdio.h>

struct reader {
    struct cursor c;
    const struct wire_dictionaries *dictionaries;
    struct arena *arena;
    struct wire_fault *fault;
    struct error *reterr;
    enum table table;
    uint32_t rows;
    uint64_t cell_bytes; /* of all columns so far */
    /* Of the column being read. */
    struct wire_column_header header;
    size_t offset;
    struct slice label;
    struct cursor body;
    const uint8_t *valid; /* a byte a row, or NULL */
    uint32_t present;     /* rows with a value */
};

static enum status column_fail(const struct reader *r, enum status status, const char *reason)
{
    (void)snprintf(r->fault->column, sizeof r->fault->column, "%s.%.*s", table_name(r->table),
                   SLICE_ARG(r->label));
    return error_set_at(r->reterr, status, (int64_t)r->offset, "column %s at offset %zu: %s",
                        r->fault->column, r->offset, reason);
}

static enum status column_damaged(const struct reader *r, const char *reason)
{
    return column_fail(r, STATUS_CORRUPT, reason);
}

/* Spreads bits to bytes; returns how many are set. `to` has room for rows rounded up to 8. */
static uint32_t bitmap_unpack(const uint8_t *bits, uint32_t rows, uint8_t *to)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows; row += 8) {
        uint64_t byte = bits[row / 8];
        /* Bit k goes to byte k, at bit 0. */
        uint64_t low = (byte & 0x7f) * 0x0002040810204081u & 0x0001010101010101u;
        uint64_t eight = low | (byte >> 7) << 56;
        count += (uint32_t)(eight * 0x0101010101010101u >> 56);
        memcpy(to + row, &eight, sizeof eight);
    }
    return count;
}

static enum status bitmap_read(struct reader *r)
{
    r->valid = NULL;
    r->present = r->rows;
    if ((r->header.flags & WIRE_COLUMN_BITMAP) == 0)
        return STATUS_OK;
    struct slice bits = part_take(&r->body, wire_bitmap_bytes(r->rows));
    if (r->body.failed)
        return column_damaged(r, "the presence bitmap is cut short");
    uint8_t *valid = arena_alloc(r->arena, wire_padded(r->rows));
    r->present = bitmap_unpack(bits.data, r->rows, valid);
    if (r->rows % 8 != 0 && bits.data[bits.size - 1] >> r->rows % 8 != 0)
        return column_damaged(r, "the presence bitmap has bits beyond the last row");
    r->valid = valid;
    return STATUS_OK;
}

/* ---- values ---- */

#define WIDEN(type, out, from, rows, base)                                                         \
    do {                                                                                           \
        const type *narrow_ = (const type *)(const void *)(from);                                  \
        for (uint32_t i = 0; i < (rows); i++)                                                      \
            (out)[i] = (base) + narrow_[i];                                                        \
    } while (0)

static void words_mask(uint64_t *words, const uint8_t *valid, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++)
        words[i] &= 0 - (uint64_t)valid[i];
}

/* Fixed-width values as they lie, or a copy where NULL rows must be cleared. */
static const void *words_take(const struct reader *r, struct slice cells, size_t words_a_row)
{
    if (r->valid == NULL)
        return cells.data;
    uint64_t *words = arena_alloc(r->arena, cells.size);
    bytes_copy(words, cells.data, cells.size);
    if (words_a_row == 1)
        words_mask(words, r->valid, r->rows);
    for (uint32_t i = 0; words_a_row == 2 && i < r->rows; i++) {
        words[2 * (size_t)i] &= 0 - (uint64_t)r->valid[i];
        words[2 * (size_t)i + 1] &= 0 - (uint64_t)r->valid[i];
    }
    return words;
}

/* I64, F64, ID64: constants and, for I64, narrow offsets from the base. */
static enum status words_read(struct reader *r, struct vector *v)
{
    uint8_t width = r->header.width;
    bool narrow = width == 1 || width == 2 || width == 4;
    if (width != 0 && width != 8 && !(narrow && v->storage == STORAGE_I64))
        return column_damaged(r, "its width is not one of its storage");
    if (width == 8 && r->header.base != 0)
        return column_damaged(r, "a base beside whole values");
    struct slice cells = part_take(&r->body, (uint64_t)r->rows * width);
    if (r->body.failed)
        return column_damaged(r, "the values are cut short");
    if (width == 8) {
        v->id64 = words_take(r, cells, 1);
        return STATUS_OK;
    }
    uint64_t *words = ARENA_ARRAY(r->arena, uint64_t, r->rows);
    uint64_t base = r->header.base;
    if (width == 0) {
        for (uint32_t i = 0; i < r->rows; i++)
            words[i] = base;
    } else if (width == 1) {
        WIDEN(uint8_t, words, cells.data, r->rows, base);
    } else if (width == 2) {
        WIDEN(uint16_t, words, cells.data, r->rows, base);
    } else {
        WIDEN(uint32_t, words, cells.data, r->rows, base);
    }
    if (r->valid != NULL)
        words_mask(words, r->valid, r->rows);
    v->id64 = words;
    return STATUS_OK;
}

static enum status id128_read(struct reader *r, struct vector *v)
{
    if (r->header.width != sizeof(struct id128) || r->header.base != 0)
        return column_damaged(r, "its width is not one of its storage");
    struct slice cells = part_take(&r->body, (uint64_t)r->rows * sizeof(struct id128));
    if (r->body.failed)
        return column_damaged(r, "the values are cut short");
    v->id128 = words_take(r, cells, 2);
    return STATUS_OK;
}

static enum status codes_read(struct reader *r, struct vector *v)
{
    const struct dict *dict = wire_dictionaries_find(r->dictionaries, r->table, r->header.id);
    uint8_t width = r->header.width;
    if (width > 4 || width == 3 || (width != 0 && r->header.base != 0))
        return column_damaged(r, "its width is not one of its storage");
    struct slice cells = part_take(&r->body, (uint64_t)r->rows * width);
    if (r->body.failed)
        return column_damaged(r, "the codes are cut short");
    if (width == 0 && r->header.base >= dict->count)
        return column_damaged(r, "a code is outside the dictionary");
    uint32_t *codes = ARENA_ARRAY(r->arena, uint32_t, r->rows);
    uint32_t constant = (uint32_t)r->header.base;
    if (width == 0) {
        for (uint32_t i = 0; i < r->rows; i++)
            codes[i] = constant;
    } else if (width == 1) {
        WIDEN(uint8_t, codes, cells.data, r->rows, 0u);
    } else if (width == 2) {
        WIDEN(uint16_t, codes, cells.data, r->rows, 0u);
    } else {
        WIDEN(uint32_t, codes, cells.data, r->rows, 0u);
    }
    uint32_t code_max = 0;
    for (uint32_t i = 0; i < r->rows; i++)
        code_max = codes[i] > code_max ? codes[i] : code_max;
    if (code_max >= dict->count)
        return column_damaged(r, "a code is outside the dictionary");
    v->dict = dict;
    v->codes = codes;
    v->valid = NULL;
    return STATUS_OK;
}

static enum status texts_read(struct reader *r, struct vector *v)
{
    bool is_refs = v->storage == STORAGE_REFS;
    size_t limit = is_refs ? sizeof(struct id128) * (size_t)MESSAGE_REFS_MAX : TEXT_BYTES_MAX;
    if (r->header.width != 0 || r->header.base != 0 || r->header.value_count != r->present)
        return column_damaged(r, "its count of values does not fit the presence bitmap");
    struct slice lengths = part_take(&r->body, (uint64_t)r->present * sizeof(uint32_t));
    if (r->body.failed)
        return column_damaged(r, "the lengths are cut short");
    uint64_t total = 0;
    for (uint32_t i = 0; i < r->present; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + (size_t)i * sizeof length, sizeof length);
        if (length > limit)
            return column_fail(r, STATUS_LIMIT, "a cell is too long");
        if (is_refs && length % sizeof(struct id128) != 0)
            return column_damaged(r, "references must be whole 16-byte addresses");
        total += length;
    }
    struct slice bytes = part_take(&r->body, total);
    if (r->body.failed)
        return column_damaged(r, "the cells are cut short");
    struct slice *cells = ARENA_ARRAY(r->arena, struct slice, r->rows);
    struct cursor left = cursor_over(bytes);
    uint32_t taken = 0;
    for (uint32_t i = 0; i < r->rows; i++) {
        cells[i] = SLICE_EMPTY;
        if (r->valid != NULL && r->valid[i] == 0)
            continue;
        uint32_t length;
        memcpy(&length, lengths.data + (size_t)taken++ * sizeof length, sizeof length);
        cells[i] = cursor_take(&left, length);
    }
    ASSERT(cursor_done(&left));
    v->bytes = cells;
    return STATUS_OK;
}

/* ---- columns ---- */

static enum status vector_read(struct reader *r, struct vector *v)
{
    enum status s = bitmap_read(r);
    if (s < 0)
        return s;
    if (v->storage != STORAGE_TEXT && v->storage != STORAGE_REFS && r->header.value_count != 0)
        return column_damaged(r, "reserved bits of the header are set");
    if (v->storage == STORAGE_STR && r->header.flags != 0)
        return column_damaged(r, "a column of strings carries a presence bitmap");
    v->valid = r->valid;
    switch (v->storage) {
    case STORAGE_I64:
    case STORAGE_F64:
    case STORAGE_ID64:
        s = words_read(r, v);
        break;
    case STORAGE_ID128:
        s = id128_read(r, v);
        break;
    case STORAGE_STR:
        s = codes_read(r, v);
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        s = texts_read(r, v);
        break;
    }
    if (s < 0)
        return s;
    return cursor_done(&r->body) ? STATUS_OK : column_damaged(r, "bytes are left over behind it");
}

/* Which column a header speaks of: *ret_column, or for a score column its name in r->label. */
static enum status column_name_read(struct reader *r, const struct column **ret_column)
{
    *ret_column = table_column(r->table, r->header.id);
    if (*ret_column != NULL) {
        r->label = slice_text((*ret_column)->name);
        if (r->header.name_bytes != 0)
            return column_damaged(r, "a fixed column carries a name");
        if (slice_is(r->label, "seq"))
            return column_fail(r, STATUS_INVALID, "it is the server's to give");
        return STATUS_OK;
    }
    if (r->header.id != COLUMN_DYNAMIC || r->table != TABLE_SPANS)
        return error_set_at(r->reterr, STATUS_INVALID, (int64_t)r->offset,
                            "table %s has no column with id %u", table_name(r->table),
                            (unsigned)r->header.id);
    struct slice name = part_take(&r->body, r->header.name_bytes);
    if (r->body.failed || !score_name_is_valid(name))
        return column_damaged(r, "its score name is cut short, badly padded or not allowed");
    r->label = name;
    return STATUS_OK;
}

static enum status column_read(struct reader *r, struct batch_column *ret)
{
    r->offset = cursor_offset(&r->c);
    r->label = slice_text("?");
    struct slice head = cursor_take(&r->c, sizeof r->header);
    if (r->c.failed)
        return column_damaged(r, "the header is cut short");
    memcpy(&r->header, head.data, sizeof r->header);
    r->body = cursor_over(cursor_take(&r->c, r->header.body_bytes));
    if (r->c.failed)
        return column_damaged(r, "the body is cut short");
    enum status s = column_name_read(r, &ret->column);
    if (s < 0)
        return s;
    if (r->header.reserved != 0 || (r->header.flags & ~WIRE_COLUMN_BITMAP) != 0 ||
        r->header.body_bytes % WIRE_ALIGN != 0)
        return column_damaged(r, "reserved bits of the header are set");
    enum storage storage = ret->column != NULL ? ret->column->storage : STORAGE_F64;
    if (r->header.storage != storage)
        return column_damaged(r, "its storage is not the table's");
    r->cell_bytes += r->rows * (storage_width(storage) + 1);
    if (r->cell_bytes > WIRE_CELL_BYTES_MAX)
        return column_fail(r, STATUS_LIMIT, "too many columns for so many rows; send fewer rows");
    ret->vector = (struct vector){.storage = storage, .rows = r->rows};
    return vector_read(r, &ret->vector);
}

/* labels[i] is the score name of a column that has no id yet. */
static enum status table_read(struct reader *r, uint32_t column_count, struct batch *ret,
                              struct slice **ret_labels)
{
    if (r->rows == 0 && column_count != 0)
        return error_set(r->reterr, STATUS_CORRUPT, "columns of %s without rows",
                         table_name(r->table));
    if (r->rows > BATCH_ROWS_MAX)
        return error_set(r->reterr, STATUS_LIMIT, "%lu rows of %s, at most %u are allowed",
                         (unsigned long)r->rows, table_name(r->table), BATCH_ROWS_MAX);
    if (column_count > cursor_left(&r->c) / sizeof(struct wire_column_header) ||
        column_count > WIRE_COLUMN_IDS + SCORE_COLUMNS_MAX)
        return error_set(r->reterr, STATUS_CORRUPT, "%u columns of %s do not fit the frame",
                         (unsigned)column_count, table_name(r->table));
    struct batch b = {.table = r->table, .rows = r->rows, .column_count = column_count};
    b.columns = ARENA_ARRAY(r->arena, struct batch_column, column_count);
    struct slice *labels = ARENA_ARRAY(r->arena, struct slice, column_count);
    for (uint32_t i = 0; i < column_count; i++) {
        enum status s = column_read(r, &b.columns[i]);
        if (s < 0)
            return s;
        labels[i] = r->label;
    }
    *ret = b;
    *ret_labels = labels;
    return STATUS_OK;
}

/* Gives score columns their ids and finds columns that stand twice. */
static enum status columns_resolve(struct reader *r, const struct batch *b,
                                   const struct slice *labels, struct schema *schema)
{
    uint64_t seen[(WIRE_COLUMN_IDS + SCORE_COLUMNS_MAX) / 64] = {0};
    r->table = b->table;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct column **column = &b->columns[i].column;
        r->label = labels[i];
        if (*column == NULL) {
            if (schema == NULL)
                return column_fail(r, STATUS_INVALID, "there are no score columns here");
            enum status s = schema_add_score(schema, labels[i], column, r->reterr);
            if (s < 0)
                return s;
        }
        uint32_t id = (*column)->id;
        uint32_t bit = id < COLUMN_DYNAMIC ? id : WIRE_COLUMN_IDS + (id - COLUMN_DYNAMIC);
        ASSERT(bit < WIRE_COLUMN_IDS + SCORE_COLUMNS_MAX);
        if ((seen[bit / 64] >> (bit % 64) & 1) != 0)
            return column_damaged(r, "it stands twice");
        seen[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
    return STATUS_OK;
}

/* ---- bodies ---- */

static enum status bodies_read(struct cursor *c, uint32_t count, struct arena *arena,
                               struct message **ret, struct error *reterr)
{
    if (count > WIRE_MESSAGES_MAX)
        return error_set(reterr, STATUS_LIMIT, "%lu messages, at most %u are allowed",
                         (unsigned long)count, WIRE_MESSAGES_MAX);
    struct slice lengths = part_take(c, (uint64_t)count * sizeof(uint32_t));
    if (c->failed)
        return error_set(reterr, STATUS_CORRUPT, "the lengths of the messages are cut short");
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + (size_t)i * sizeof length, sizeof length);
        if (length > MESSAGE_BYTES_MAX)
            return error_set(reterr, STATUS_LIMIT,
                             "message %lu has %lu bytes, at most %u are allowed", (unsigned long)i,
                             (unsigned long)length, MESSAGE_BYTES_MAX);
        total += length;
    }
    struct slice bytes = part_take(c, total);
    if (!cursor_done(c))
        return error_set(reterr, STATUS_CORRUPT,
                         "the messages are cut short or bytes are left over behind them");
    struct message *messages = ARENA_ARRAY(arena, struct message, count);
    struct cursor left = cursor_over(bytes);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + (size_t)i * sizeof length, sizeof length);
        messages[i].body = cursor_take(&left, length);
        messages[i].address = hash128(messages[i].body);
    }
    *ret = messages;
    return STATUS_OK;
}

enum status wire_messages_read(struct slice payload, struct arena *arena,
                               struct message **ret_messages, uint32_t *ret_count,
                               struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    uint32_t count = cursor_u32(&c);
    uint32_t reserved = cursor_u32(&c);
    if (c.failed || reserved != 0)
        return error_set(reterr, STATUS_CORRUPT, "frame MESSAGES: the header is cut short");
    enum status s = bodies_read(&c, count, arena, ret_messages, reterr);
    if (s == STATUS_OK)
        *ret_count = count;
    return s;
}

/* ---- the frame ---- */

bool wire_batch_seq(struct slice payload, uint64_t *ret)
{
    if (payload.size < sizeof(struct wire_batch_header))
        return false;
    memcpy(ret, payload.data, sizeof *ret);
    return true;
}

/* Everything behind the dictionaries: what may fail without hurting the connection. */
static enum status content_read(struct reader *r, const struct wire_batch_header *h,
                                struct schema *schema, struct wire_batch *ret)
{
    struct slice *labels[TABLE_COUNT] = {0};
    enum status s;
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        r->table = (enum table)t;
        r->rows = h->rows[t];
        if ((s = table_read(r, h->column_counts[t], &ret->tables[t], &labels[t])) < 0)
            return s;
    }
    if (h->message_count != 0 || !cursor_done(&r->c)) {
        if ((s = bodies_read(&r->c, h->message_count, r->arena, &ret->messages, r->reterr)) < 0)
            return s;
    }
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        if ((s = columns_resolve(r, &ret->tables[t], labels[t], schema)) < 0)
            return s;
    ret->message_count = h->message_count;
    return STATUS_OK;
}

enum status wire_batch_read(const struct frame *frame, struct wire_dictionaries *d,
                            struct schema *schema, struct arena *arena, struct wire_batch *ret,
                            struct wire_fault *ret_fault, struct error *reterr)
{
    struct wire_batch_header header;
    struct wire_batch batch = {0};
    struct slice payload = frame->payload;
    if ((uintptr_t)payload.data % WIRE_ALIGN != 0)
        payload = arena_copy(arena, payload);
    struct reader r = {.c = cursor_over(payload),
                       .dictionaries = d,
                       .arena = arena,
                       .fault = ret_fault,
                       .reterr = reterr};
    *ret_fault = (struct wire_fault){.fatal = true};
    struct slice head = cursor_take(&r.c, sizeof header);
    if (r.c.failed)
        return error_set(reterr, STATUS_CORRUPT, "frame BATCH: the header is cut short");
    memcpy(&header, head.data, sizeof header);
    ret_fault->batch_seq = header.batch_seq;
    if ((frame->flags & WIRE_FLAG_RESET) != 0)
        wire_dictionaries_reset(d);
    enum status s = wire_deltas_read(&r.c, header.dictionary_count, d, reterr);
    if (s < 0)
        return s;
    ret_fault->fatal = false;
    batch.batch_seq = header.batch_seq;
    if (header.batch_seq == 0)
        return error_set(reterr, STATUS_INVALID, "a batch_seq of 0: they count from 1");
    if ((s = content_read(&r, &header, schema, &batch)) < 0)
        return s;
    *ret = batch;
    return STATUS_OK;
}
