/*
 * batch_encode.c - a batch as bytes.
 *
 * Place:     span batch -> [here] -> wal, files of batches; batch_decode.c is the way back
 * Format:    FORMAT.md 3
 * Invariant: what is written is accepted by batch_decode, even where NULL rows carry stray payload.
 * Cost:      about 120 bytes a row of a full span; copies and vectorised loops over arrays. A STR
 *            column costs O(rows + distinct), however large its dictionary is.
 */
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/span/batch.h"
#include "engine/span/batch_format.h"

struct code_slot {
    uint32_t code; /* 0: free */
    uint32_t local;
};

struct encoder {
    struct buffer *to;
    size_t start; /* of the batch in `to` */
    uint32_t rows;
    /* Scratch of one STR column, kept from column to column. */
    uint32_t *locals; /* [rows] */
    uint32_t *used;   /* [rows + 1]: source code by local code */
    uint32_t *direct; /* [direct_count]: local code by source code */
    uint32_t direct_count;
    struct code_slot *slots;
    size_t slots_capacity;
};

/* Room for a part of `size` bytes, its padding already zeroed. */
static uint8_t *part_add(struct encoder *e, size_t size)
{
    size_t total = batch_padded(size);
    uint8_t *part = buffer_reserve(e->to, total);
    memset(part + size, 0, total - size);
    e->to->size += total;
    return part;
}

static void bitmap_pack(const uint8_t *valid, uint32_t rows, uint8_t *to)
{
    uint32_t row = 0;
    for (; row + 8 <= rows; row += 8) {
        /* The multiplication moves the low bit of byte k to bit 56 + k. */
        uint64_t eight;
        memcpy(&eight, valid + row, sizeof eight);
        *to++ = (uint8_t)(eight * 0x0102040810204080u >> 56);
    }
    if (row == rows)
        return;
    uint8_t last = 0;
    for (uint32_t bit = 0; row + bit < rows; bit++)
        last |= (uint8_t)(valid[row + bit] << bit);
    *to = last;
}

static uint32_t valid_count(const uint8_t *valid, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows; i++)
        count += valid[i] != 0;
    return count;
}

/* Copies words, zeros in place of those without a value. */
static void words_copy(uint8_t *to, const void *from, const uint8_t *valid, size_t rows,
                       size_t words_a_row)
{
    if (valid == NULL) {
        bytes_copy(to, from, rows * words_a_row * sizeof(uint64_t));
        return;
    }
    const uint8_t *source = from;
    for (size_t i = 0; i < rows * words_a_row; i++) {
        uint64_t word;
        memcpy(&word, source + i * sizeof word, sizeof word);
        word &= 0 - (uint64_t)valid[i / words_a_row];
        memcpy(to + i * sizeof word, &word, sizeof word);
    }
}

static void encode_words(struct encoder *e, const struct vector *v, const uint8_t *valid)
{
    size_t width = storage_width(v->storage);
    words_copy(part_add(e, e->rows * width), v->i64, valid, e->rows, width / sizeof(uint64_t));
}

static void encode_texts(struct encoder *e, const struct vector *v, const uint8_t *valid,
                         uint32_t value_count)
{
    size_t limit = v->storage == STORAGE_REFS ? sizeof(struct id128) * (size_t)MESSAGE_REFS_MAX
                                              : TEXT_BYTES_MAX;
    uint8_t *lengths = part_add(e, value_count * sizeof(uint32_t));
    size_t total = 0;
    for (uint32_t i = 0; i < e->rows; i++) {
        if (valid != NULL && valid[i] == 0)
            continue;
        ASSERT(v->bytes[i].size <= limit);
        ASSERT(v->storage != STORAGE_REFS || v->bytes[i].size % sizeof(struct id128) == 0);
        uint32_t length = (uint32_t)v->bytes[i].size;
        memcpy(lengths, &length, sizeof length);
        lengths += sizeof length;
        total += length;
    }
    uint8_t *bytes = part_add(e, total);
    for (uint32_t i = 0; i < e->rows; i++) {
        if (valid != NULL && valid[i] == 0)
            continue;
        bytes_copy(bytes, v->bytes[i].data, v->bytes[i].size);
        bytes += v->bytes[i].size;
    }
}

/* Local codes through an array over the whole dictionary, for dictionaries about as small as the
 * batch. Returns the number of distinct values. */
static uint32_t remap_direct(struct encoder *e, const struct vector *v)
{
    uint32_t dict_count = v->dict->count;
    if (e->direct_count < dict_count) {
        e->direct_count = dict_count;
        e->direct = mem_resize(e->direct, dict_count * sizeof *e->direct);
    }
    memset(e->direct, 0, dict_count * sizeof *e->direct);
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < e->rows; i++) {
        uint32_t code = v->codes[i];
        ASSERT(code < dict_count);
        uint32_t local = e->direct[code];
        if (local == 0 && code != 0) {
            local = ++distinct;
            e->direct[code] = local;
            e->used[local] = code;
        }
        e->locals[i] = local;
    }
    return distinct;
}

static struct code_slot *slot_find(struct code_slot *slots, size_t mask, uint32_t code)
{
    size_t at = (size_t)(code * 0x9e3779b1u >> 7) & mask;
    while (slots[at].code != 0 && slots[at].code != code)
        at = (at + 1) & mask;
    return &slots[at];
}

/* An empty table of slot_count slots, refilled with the codes in use so far. */
static void slots_rebuild(struct encoder *e, size_t slot_count, uint32_t distinct)
{
    e->slots = mem_grow(e->slots, &e->slots_capacity, slot_count, sizeof *e->slots);
    memset(e->slots, 0, slot_count * sizeof *e->slots);
    for (uint32_t local = 1; local <= distinct; local++)
        *slot_find(e->slots, slot_count - 1, e->used[local]) =
            (struct code_slot){.code = e->used[local], .local = local};
}

/* Local codes through a hash table that grows with the distinct values, for dictionaries much
 * larger than the batch (a connection's). */
static uint32_t remap_hashed(struct encoder *e, const struct vector *v)
{
    size_t slot_count = 64;
    uint32_t distinct = 0;
    slots_rebuild(e, slot_count, distinct);
    for (uint32_t i = 0; i < e->rows; i++) {
        uint32_t code = v->codes[i];
        e->locals[i] = 0;
        if (code == 0)
            continue;
        struct code_slot *slot = slot_find(e->slots, slot_count - 1, code);
        if (slot->code == 0) {
            ASSERT(code < v->dict->count);
            *slot = (struct code_slot){.code = code, .local = ++distinct};
            e->used[distinct] = code;
            e->locals[i] = distinct;
            if (distinct > slot_count / 2)
                slots_rebuild(e, slot_count *= 2, distinct);
            continue;
        }
        e->locals[i] = slot->local;
    }
    return distinct;
}

static void codes_narrow(const uint32_t *codes, uint32_t rows, uint8_t code_bytes, uint8_t *to)
{
    if (code_bytes == 1) {
        for (uint32_t i = 0; i < rows; i++)
            to[i] = (uint8_t)codes[i];
    } else if (code_bytes == 2) {
        for (uint32_t i = 0; i < rows; i++) {
            uint16_t code = (uint16_t)codes[i];
            memcpy(to + (size_t)i * sizeof code, &code, sizeof code);
        }
    } else if (code_bytes == 4) {
        bytes_copy(to, codes, rows * sizeof *codes);
    }
}

static uint8_t code_bytes_for(uint32_t distinct, bool has_null)
{
    if (distinct == 1 && !has_null)
        return 0;
    return distinct <= UINT8_MAX ? 1 : distinct <= UINT16_MAX ? 2 : 4;
}

/* After remap: codes, lengths and bytes of the dictionary. */
static void encode_strings(struct encoder *e, const struct vector *v, uint32_t distinct,
                           uint8_t code_bytes)
{
    codes_narrow(e->locals, e->rows, code_bytes, part_add(e, (size_t)e->rows * code_bytes));
    uint8_t *lengths = part_add(e, distinct * sizeof(uint32_t));
    size_t total = 0;
    for (uint32_t local = 1; local <= distinct; local++) {
        size_t size = v->dict->values[e->used[local]].size;
        ASSERT(size <= STR_BYTES_MAX);
        uint32_t length = (uint32_t)size;
        memcpy(lengths, &length, sizeof length);
        lengths += sizeof length;
        total += size;
    }
    uint8_t *bytes = part_add(e, total);
    for (uint32_t local = 1; local <= distinct; local++) {
        struct slice value = v->dict->values[e->used[local]];
        bytes_copy(bytes, value.data, value.size);
        bytes += value.size;
    }
}

static bool locals_have_null(const struct encoder *e)
{
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < e->rows; i++)
        nulls += e->locals[i] == 0;
    return nulls != 0;
}

/* Fills value_count, code_bytes and flags; false for a column without any value. */
static bool column_survey(struct encoder *e, const struct vector *v, struct column_header *header)
{
    if (v->storage == STORAGE_STR) {
        bool small = v->dict->count / 2 <= e->rows;
        uint32_t distinct = small ? remap_direct(e, v) : remap_hashed(e, v);
        header->value_count = distinct;
        header->code_bytes = distinct == 0 ? 0 : code_bytes_for(distinct, locals_have_null(e));
        return distinct != 0;
    }
    uint32_t count = v->valid == NULL ? e->rows : valid_count(v->valid, e->rows);
    if (count != e->rows)
        header->flags |= BATCH_FLAG_BITMAP;
    if (v->storage == STORAGE_TEXT || v->storage == STORAGE_REFS)
        header->value_count = count;
    return count != 0;
}

/* Returns false when the column is left out. */
static bool encode_column(struct encoder *e, const struct column *column, const struct vector *v)
{
    ASSERT(v->rows == e->rows);
    ASSERT(v->storage == column->storage);
    struct column_header header = {.id = column->id, .storage = (uint8_t)column->storage};
    if (!column_survey(e, v, &header))
        return false;
    size_t header_at = e->to->size;
    (void)part_add(e, sizeof header);
    if (column->id >= COLUMN_DYNAMIC) {
        size_t size = strlen(column->name);
        header.id = COLUMN_DYNAMIC;
        header.name_bytes = (uint16_t)size;
        bytes_copy(part_add(e, size), column->name, size);
    }
    const uint8_t *valid = NULL;
    if ((header.flags & BATCH_FLAG_BITMAP) != 0) {
        valid = v->valid;
        bitmap_pack(valid, e->rows, part_add(e, batch_bitmap_bytes(e->rows)));
    }
    switch (v->storage) {
    case STORAGE_I64:
    case STORAGE_F64:
    case STORAGE_ID64:
    case STORAGE_ID128:
        encode_words(e, v, valid);
        break;
    case STORAGE_STR:
        encode_strings(e, v, header.value_count, header.code_bytes);
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        encode_texts(e, v, valid, header.value_count);
        break;
    }
    size_t body_bytes = e->to->size - header_at - sizeof header;
    ASSERT(body_bytes <= UINT32_MAX);
    header.body_bytes = (uint32_t)body_bytes;
    memcpy(e->to->data + header_at, &header, sizeof header);
    return true;
}

uint64_t batch_encoded_bytes_max(const struct batch *b)
{
    uint64_t total = sizeof(struct batch_header);
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct vector *v = &b->columns[i].vector;
        bool is_text = v->storage == STORAGE_TEXT || v->storage == STORAGE_REFS;
        uint64_t width = is_text ? sizeof(uint32_t) : 2 * storage_width(v->storage);
        total += sizeof(struct column_header) + strlen(b->columns[i].column->name);
        total += batch_bitmap_bytes(b->rows) + width * b->rows + 4 * BATCH_PART_ALIGN;
        if (is_text || v->storage == STORAGE_STR) {
            for (uint32_t row = 0; row < b->rows; row++)
                total += vector_bytes(v, row).size;
        }
    }
    return total;
}

void batch_encode(const struct batch *b, struct buffer *to)
{
    ASSERT(b->rows <= BATCH_ROWS_MAX);
    ASSERT(b->column_count <= BATCH_COLUMNS_MAX);
    struct encoder e = {.to = to, .start = to->size, .rows = b->rows};
    e.locals = mem_alloc(b->rows * sizeof *e.locals);
    e.used = mem_alloc(((size_t)b->rows + 1) * sizeof *e.used);

    put_u8(to, BATCH_VERSION);
    put_u8(to, (uint8_t)b->table);
    put_u16(to, 0);
    put_u32(to, b->rows);
    uint16_t column_count = 0;
    for (uint32_t i = 0; i < b->column_count; i++)
        column_count += encode_column(&e, b->columns[i].column, &b->columns[i].vector);
    memcpy(to->data + e.start + 2, &column_count, sizeof column_count);

    mem_free(e.locals);
    mem_free(e.used);
    mem_free(e.direct);
    mem_free(e.slots);
}
