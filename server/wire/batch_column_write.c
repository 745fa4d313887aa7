/*
 * batch_column_write.c - one column of a batch as bytes.
 *
 * Format:    FORMAT.md 9.6
 * Cost:      loops over arrays that vectorise; I64 takes the narrowest width its range allows.
 */
#include "server/wire/batch_write.h"

static uint8_t width_for(uint64_t max)
{
    return max <= UINT8_MAX ? 1 : max <= UINT16_MAX ? 2 : max <= UINT32_MAX ? 4 : 8;
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

#define NARROW(type, to, rows, value)                                                              \
    do {                                                                                           \
        type *out = (type *)(void *)(to);                                                          \
        for (uint32_t i = 0; i < (rows); i++)                                                      \
            out[i] = (type)(value);                                                                \
    } while (0)

static void codes_write(struct writer *w, const struct coded *coded, uint32_t rows,
                        struct wire_column_header *h)
{
    if (coded->constant) {
        h->base = coded->codes[0];
        return;
    }
    h->width = width_for(coded->code_max);
    uint8_t *to = part_add(w->to, (size_t)rows * h->width);
    if (h->width == 1)
        NARROW(uint8_t, to, rows, coded->codes[i]);
    else if (h->width == 2)
        NARROW(uint16_t, to, rows, coded->codes[i]);
    else
        NARROW(uint32_t, to, rows, coded->codes[i]);
}

/* Smallest and largest value of rows that have one (at least one does). */
static void range_find(const int64_t *values, const uint8_t *valid, uint32_t rows, int64_t *ret_min,
                       int64_t *ret_max)
{
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    if (valid == NULL) {
        for (uint32_t i = 0; i < rows; i++) {
            min = values[i] < min ? values[i] : min;
            max = values[i] > max ? values[i] : max;
        }
    } else {
        for (uint32_t i = 0; i < rows; i++) {
            int64_t low = valid[i] != 0 ? values[i] : INT64_MAX;
            int64_t high = valid[i] != 0 ? values[i] : INT64_MIN;
            min = low < min ? low : min;
            max = high > max ? high : max;
        }
    }
    *ret_min = min;
    *ret_max = max;
}

static void words_mask(uint8_t *to, const uint8_t *valid, uint32_t rows, size_t words_a_row)
{
    uint64_t *words = (uint64_t *)(void *)to;
    for (size_t i = 0; i < rows * words_a_row; i++)
        words[i] &= 0 - (uint64_t)(valid[i / words_a_row] != 0);
}

static void words_write(struct writer *w, const struct vector *v, const uint8_t *valid,
                        struct wire_column_header *h)
{
    size_t width = storage_width(v->storage);
    h->width = (uint8_t)width;
    uint8_t *to = part_add(w->to, v->rows * width);
    bytes_copy(to, v->i64, v->rows * width);
    if (valid != NULL)
        words_mask(to, valid, v->rows, width / sizeof(uint64_t));
}

static void i64_write(struct writer *w, const struct vector *v, const uint8_t *valid,
                      struct wire_column_header *h)
{
    int64_t min;
    int64_t max;
    range_find(v->i64, valid, v->rows, &min, &max);
    uint64_t range = (uint64_t)max - (uint64_t)min;
    h->width = range == 0 ? 0 : width_for(range);
    if (h->width == 8) {
        words_write(w, v, valid, h);
        return;
    }
    h->base = (uint64_t)min;
    uint8_t *to = part_add(w->to, (size_t)v->rows * h->width);
    /* What stands for a NULL row is ignored by the reader. */
    if (h->width == 1)
        NARROW(uint8_t, to, v->rows, (uint64_t)v->i64[i] - h->base);
    else if (h->width == 2)
        NARROW(uint16_t, to, v->rows, (uint64_t)v->i64[i] - h->base);
    else if (h->width == 4)
        NARROW(uint32_t, to, v->rows, (uint64_t)v->i64[i] - h->base);
}

static bool words_constant(const struct vector *v, const uint8_t *valid, uint64_t *ret)
{
    uint64_t value = 0;
    uint64_t differs = 0;
    for (uint32_t i = 0; i < v->rows; i++)
        if (valid == NULL || valid[i] != 0) {
            value = v->id64[i];
            break;
        }
    for (uint32_t i = 0; i < v->rows; i++)
        differs |= (valid == NULL || valid[i] != 0) ? v->id64[i] ^ value : 0;
    *ret = value;
    return differs == 0;
}

static void texts_write(struct writer *w, const struct vector *v, const uint8_t *valid,
                        struct wire_column_header *h)
{
    uint8_t *lengths = part_add(w->to, h->value_count * sizeof(uint32_t));
    uint64_t total = 0;
    for (uint32_t i = 0; i < v->rows; i++) {
        if (valid != NULL && valid[i] == 0)
            continue;
        uint32_t length = (uint32_t)v->bytes[i].size;
        memcpy(lengths, &length, sizeof length);
        lengths += sizeof length;
        total += length;
    }
    uint8_t *bytes = part_add(w->to, total);
    for (uint32_t i = 0; i < v->rows; i++) {
        if (valid != NULL && valid[i] == 0)
            continue;
        bytes_copy(bytes, v->bytes[i].data, v->bytes[i].size);
        bytes += v->bytes[i].size;
    }
}

static uint64_t texts_bytes(const struct vector *v, const uint8_t *valid)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < v->rows; i++)
        total += valid != NULL && valid[i] == 0 ? 0 : v->bytes[i].size;
    return total;
}

static uint32_t valid_count(const uint8_t *valid, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows; i++)
        count += valid[i] != 0;
    return count;
}

/* ---- the column ---- */

/* Columns without a value are left out, and so is seq: the engine gives it. */
static bool column_wanted(const struct batch *b, const struct batch_column *c,
                          const struct coded *coded, uint32_t *ret_present)
{
    if (b->rows == 0 || strcmp(c->column->name, "seq") == 0)
        return false;
    if (c->column->storage == STORAGE_STR)
        return !(coded->constant && coded->codes[0] == 0);
    *ret_present = c->vector.valid == NULL ? b->rows : valid_count(c->vector.valid, b->rows);
    return *ret_present != 0;
}

static void column_head_write(struct writer *w, const struct column *column,
                              struct wire_column_header *h)
{
    buffer_add(w->to, h, sizeof *h);
    if (column->id < COLUMN_DYNAMIC)
        return;
    size_t size = strlen(column->name);
    h->id = COLUMN_DYNAMIC;
    h->name_bytes = (uint16_t)size;
    memcpy(part_add(w->to, size), column->name, size);
}

enum status batch_column_write(struct writer *w, const struct batch *b,
                               const struct batch_column *c, const struct coded *coded,
                               bool *ret_written)
{
    const struct vector *v = &c->vector;
    size_t start = w->to->size;
    const uint8_t *valid = NULL;
    uint32_t present = 0;
    *ret_written = column_wanted(b, c, coded, &present);
    if (!*ret_written)
        return STATUS_OK;
    struct wire_column_header h = {.id = c->column->id, .storage = (uint8_t)v->storage};
    column_head_write(w, c->column, &h);
    if (v->storage != STORAGE_STR && present != b->rows) {
        valid = v->valid;
        h.flags = WIRE_COLUMN_BITMAP;
        bitmap_pack(valid, b->rows, part_add(w->to, wire_bitmap_bytes(b->rows)));
    }
    switch (v->storage) {
    case STORAGE_I64:
        i64_write(w, v, valid, &h);
        break;
    case STORAGE_F64:
    case STORAGE_ID64:
        if (!words_constant(v, valid, &h.base)) {
            h.base = 0;
            words_write(w, v, valid, &h);
        }
        break;
    case STORAGE_ID128:
        words_write(w, v, valid, &h);
        break;
    case STORAGE_STR:
        codes_write(w, coded, b->rows, &h);
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        if (texts_bytes(v, valid) > w->payload_max)
            return batch_column_bad(
                w->reterr, STATUS_LIMIT, b->table, c->column,
                "its cells are too large for one batch; send fewer rows at a time");
        h.value_count = present;
        texts_write(w, v, valid, &h);
        break;
    }
    h.body_bytes = (uint32_t)(w->to->size - start - sizeof h);
    memcpy(w->to->data + start, &h, sizeof h);
    if (w->to->size - w->start > w->payload_max)
        return error_set(w->reterr, STATUS_LIMIT,
                         "the batch takes more than %lu bytes; send fewer rows at a time",
                         (unsigned long)w->payload_max);
    return STATUS_OK;
}
