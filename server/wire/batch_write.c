/*
 * batch_write.c - span batches to a BATCH frame.
 *
 * Format:    FORMAT.md 9.4 to 9.6
 * Invariant: what is written is accepted by batch_read.c, even where NULL rows carry stray payload.
 * Cost:      about 80 bytes a row of a 27-column span; loops over arrays that vectorise. A STR
 *            column costs one hash per distinct value in use, not per row.
 */
#include "server/wire/batch_write.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

enum status batch_column_bad(struct error *reterr, enum status status, enum table table,
                             const struct column *column, const char *reason)
{
    return error_set(reterr, status, "column %s.%s: %s", table_name(table), column->name, reason);
}

/* ---- checks: the caller is a program of someone else ---- */

static enum status cells_check(const struct batch *b, const struct batch_column *c,
                               struct error *reterr)
{
    const struct vector *v = &c->vector;
    bool is_refs = v->storage == STORAGE_REFS;
    size_t limit = is_refs ? sizeof(struct id128) * (size_t)MESSAGE_REFS_MAX : TEXT_BYTES_MAX;
    for (uint32_t i = 0; i < b->rows; i++) {
        if (v->valid != NULL && v->valid[i] == 0)
            continue;
        if (v->bytes[i].size > limit)
            return batch_column_bad(reterr, STATUS_LIMIT, b->table, c->column,
                                    "a cell is too long");
        if (is_refs && v->bytes[i].size % sizeof(struct id128) != 0)
            return batch_column_bad(reterr, STATUS_INVALID, b->table, c->column,
                                    "references must be whole 16-byte addresses");
    }
    return STATUS_OK;
}

static enum status batch_check(const struct batch *b, enum table table, uint32_t rows_max,
                               struct error *reterr)
{
    if (b->table != table)
        return error_set(reterr, STATUS_INVALID, "a batch of %s was given as %s",
                         table_name(b->table), table_name(table));
    if (b->rows > rows_max)
        return error_set(reterr, STATUS_LIMIT, "a batch of %lu %s, at most %lu are allowed",
                         (unsigned long)b->rows, table_name(table), (unsigned long)rows_max);
    if (b->column_count > WIRE_COLUMN_IDS + SCORE_COLUMNS_MAX)
        return error_set(reterr, STATUS_LIMIT, "too many columns in a batch of %s",
                         table_name(table));
    uint64_t cell_bytes = 0;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct batch_column *c = &b->columns[i];
        cell_bytes += b->rows * (storage_width(c->column->storage) + 1);
        if (c->vector.rows != b->rows || c->vector.storage != c->column->storage)
            return batch_column_bad(reterr, STATUS_INVALID, table, c->column,
                                    "its vector does not fit the batch");
        if (c->column->storage == STORAGE_TEXT || c->column->storage == STORAGE_REFS) {
            enum status s = cells_check(b, c, reterr);
            if (s < 0)
                return s;
        }
    }
    if (cell_bytes > WIRE_CELL_BYTES_MAX / TABLE_COUNT)
        return error_set(reterr, STATUS_LIMIT,
                         "too many columns for so many rows of %s; send fewer rows at a time",
                         table_name(table));
    return STATUS_OK;
}

/* ---- STR columns: dictionary codes to connection codes ---- */

/* Connection codes of the dictionary values in use; 0 elsewhere. */
static enum status codes_map(struct writer *w, const struct batch *b, const struct batch_column *c,
                             uint32_t **ret_map)
{
    const struct vector *v = &c->vector;
    uint32_t count = v->dict->count;
    uint32_t *map = arena_zero(w->arena, count, sizeof *map);
    for (uint32_t i = 0; i < b->rows; i++) {
        if (v->codes[i] >= count)
            return batch_column_bad(w->reterr, STATUS_INVALID, b->table, c->column,
                                    "a code is outside its dictionary");
        map[v->codes[i]] = 1;
    }
    map[0] = 0;
    for (uint32_t code = 1; code < count; code++) {
        if (map[code] == 0)
            continue;
        if (v->dict->values[code].size > STR_BYTES_MAX)
            return batch_column_bad(w->reterr, STATUS_LIMIT, b->table, c->column,
                                    "a string is too long");
        map[code] = wire_strings_code(w->strings, b->table, c->column->id, v->dict->values[code]);
    }
    *ret_map = map;
    return STATUS_OK;
}

static enum status column_code(struct writer *w, const struct batch *b,
                               const struct batch_column *c, struct coded *ret)
{
    uint32_t *map = NULL;
    enum status s = codes_map(w, b, c, &map);
    if (s < 0)
        return s;
    uint32_t *codes = ARENA_ARRAY(w->arena, uint32_t, b->rows);
    uint32_t code_max = 0;
    uint32_t differs = 0;
    for (uint32_t i = 0; i < b->rows; i++) {
        uint32_t code = map[c->vector.codes[i]];
        codes[i] = code;
        code_max = code > code_max ? code : code_max;
        differs |= code ^ codes[0];
    }
    *ret = (struct coded){.codes = codes, .code_max = code_max, .constant = differs == 0};
    return STATUS_OK;
}

static enum status bodies_write(struct writer *w, const struct message *messages, uint32_t count)
{
    if (count == 0)
        return STATUS_OK;
    uint64_t total = 0;
    uint8_t *lengths = part_add(w->to, count * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        if (messages[i].body.size > MESSAGE_BYTES_MAX)
            return error_set(w->reterr, STATUS_LIMIT,
                             "message %lu has %zu bytes, at most %u are allowed", (unsigned long)i,
                             messages[i].body.size, MESSAGE_BYTES_MAX);
        uint32_t length = (uint32_t)messages[i].body.size;
        memcpy(lengths + i * sizeof length, &length, sizeof length);
        total += length;
    }
    if (total > w->payload_max)
        return error_set(w->reterr, STATUS_LIMIT,
                         "the messages take %llu bytes; send fewer rows at a time",
                         (unsigned long long)total);
    uint8_t *bytes = part_add(w->to, total);
    for (uint32_t i = 0; i < count; i++) {
        bytes_copy(bytes, messages[i].body.data, messages[i].body.size);
        bytes += messages[i].body.size;
    }
    return STATUS_OK;
}

/* ---- the frame ---- */

static void bounds_fill(struct wire_bounds *to, const struct wire_bounds *from)
{
    static const struct wire_bounds own = {
        .batch_rows_max = BATCH_ROWS_MAX,
        .payload_max = WIRE_PAYLOAD_MAX,
        .dictionary_entries_max = WIRE_DICTIONARY_ENTRIES_MAX,
        .dictionary_bytes_max = WIRE_DICTIONARY_BYTES_MAX,
    };
    *to = from != NULL ? *from : own;
#define BOUND(member)                                                                              \
    if (to->member == 0 || to->member > own.member)                                                \
    to->member = own.member
    BOUND(batch_rows_max);
    BOUND(payload_max);
    BOUND(dictionary_entries_max);
    BOUND(dictionary_bytes_max);
#undef BOUND
}

/* First pass over the STR columns: new values must stand before all columns. */
static enum status tables_code(struct writer *w, const struct batch *const tables[TABLE_COUNT],
                               struct coded *coded[TABLE_COUNT])
{
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        const struct batch *b = tables[t];
        if (b == NULL || b->rows == 0)
            continue;
        coded[t] = arena_zero(w->arena, b->column_count, sizeof *coded[t]);
        for (uint32_t i = 0; i < b->column_count; i++) {
            if (b->columns[i].column->storage != STORAGE_STR)
                continue;
            enum status s = column_code(w, b, &b->columns[i], &coded[t][i]);
            if (s < 0)
                return s;
        }
    }
    return STATUS_OK;
}

static uint16_t deltas_write(struct writer *w)
{
    uint16_t count = 0;
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        for (uint16_t id = 0; id < WIRE_COLUMN_IDS; id++)
            count += wire_delta_write(w->strings, (enum table)t, id, w->to);
    return count;
}

static enum status frame_write(struct writer *w, const struct wire_input *in,
                               const struct batch *const tables[TABLE_COUNT],
                               struct coded *coded[TABLE_COUNT], struct wire_batch_header *h)
{
    size_t header_at = w->to->size;
    enum status s;
    buffer_add(w->to, h, sizeof *h);
    h->dictionary_count = deltas_write(w);
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        const struct batch *b = tables[t];
        h->rows[t] = b != NULL ? b->rows : 0;
        for (uint32_t i = 0; b != NULL && i < b->column_count; i++) {
            bool written = false;
            const struct coded *codes = coded[t] != NULL ? &coded[t][i] : NULL;
            if ((s = batch_column_write(w, b, &b->columns[i], codes, &written)) < 0)
                return s;
            h->column_counts[t] += written;
        }
    }
    h->message_count = in->message_count;
    if ((s = bodies_write(w, in->messages, in->message_count)) < 0)
        return s;
    if (w->to->size - w->start > w->payload_max)
        return error_set(w->reterr, STATUS_LIMIT,
                         "the batch takes more than %lu bytes; send fewer rows at a time",
                         (unsigned long)w->payload_max);
    memcpy(w->to->data + header_at, h, sizeof *h);
    return STATUS_OK;
}

enum status wire_batch_write(const struct wire_input *in, uint64_t batch_seq, uint8_t flags,
                             struct wire_strings *strings, const struct wire_bounds *bounds,
                             struct buffer *to, struct error *reterr)
{
    const struct batch *const tables[TABLE_COUNT] = {in->spans, in->scores, in->tags};
    struct coded *coded[TABLE_COUNT] = {0};
    uint32_t sent[TABLE_COUNT][WIRE_COLUMN_IDS];
    struct wire_bounds b;
    struct writer w = {.to = to,
                       .strings = strings,
                       .arena = &strings->scratch,
                       .reterr = reterr,
                       .start = to->size};
    struct wire_batch_header header = {.batch_seq = batch_seq};
    enum status s = STATUS_OK;

    memcpy(sent, strings->sent, sizeof sent);
    bounds_fill(&b, bounds);
    w.payload_max = b.payload_max;
    if (in->message_count > WIRE_MESSAGES_MAX) {
        s = error_set(reterr, STATUS_LIMIT, "%lu messages in a batch, at most %u are allowed",
                      (unsigned long)in->message_count, WIRE_MESSAGES_MAX);
        goto out;
    }
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        if (tables[t] != NULL &&
            (s = batch_check(tables[t], (enum table)t, b.batch_rows_max, reterr)) < 0)
            goto out;
    if ((s = tables_code(&w, tables, coded)) < 0)
        goto out;
    if (strings->entries > b.dictionary_entries_max || strings->bytes > b.dictionary_bytes_max) {
        s = error_set(reterr, STATUS_LIMIT,
                      "too many different strings for one batch; send fewer rows at a time");
        goto out;
    }
    size_t start = frame_begin(to, WIRE_BATCH, flags);
    if ((s = frame_write(&w, in, tables, coded, &header)) < 0)
        goto out;
    frame_end(to, start);
out:
    arena_reset(w.arena);
    if (s < 0) {
        to->size = w.start;
        memcpy(strings->sent, sent, sizeof sent);
    }
    return s;
}

void wire_messages_write(const struct message *messages, uint32_t count, struct buffer *to)
{
    struct writer w = {.to = to, .payload_max = WIRE_PAYLOAD_MAX, .start = to->size};
    ASSERT(count <= WIRE_MESSAGES_MAX);
    size_t start = frame_begin(to, WIRE_MESSAGES, 0);
    put_u32(to, count);
    put_u32(to, 0);
    enum status s = bodies_write(&w, messages, count);
    ASSERT(s == STATUS_OK);
    frame_end(to, start);
}
