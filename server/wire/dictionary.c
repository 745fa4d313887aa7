/*
 * dictionary.c - connection dictionaries, the receiving side.
 *
 * Format:    FORMAT.md 9.5
 * Invariant: values[code] never changes until a reset; all columns together stay within
 *            WIRE_DICTIONARY_ENTRIES_MAX and WIRE_DICTIONARY_BYTES_MAX.
 */
#include "server/wire/dictionary.h"

#include "engine/base/check.h"

#define KEPT_CAPACITY_MAX 4096u

static const struct slice null_values[1] = {{.data = (const uint8_t *)"", .size = 0}};
static const struct dict null_dict = {.values = null_values, .count = 1};

void wire_dictionaries_deinit(struct wire_dictionaries *d)
{
    if (d == NULL)
        return;
    for (unsigned table = 0; table < TABLE_COUNT; table++) {
        for (unsigned id = 0; id < WIRE_COLUMN_IDS; id++) {
            if (d->columns[table][id] == NULL)
                continue;
            mem_free(d->columns[table][id]->values);
            mem_free(d->columns[table][id]);
        }
    }
    arena_deinit(&d->arena);
    *d = (struct wire_dictionaries){0};
}

/* Lets go of large arrays, or resets in turn would grow every column to the limit of them all. */
static void dictionary_reset(struct wire_dictionary *dictionary)
{
    if (dictionary->capacity > KEPT_CAPACITY_MAX) {
        dictionary->capacity = KEPT_CAPACITY_MAX;
        dictionary->values =
            mem_resize(dictionary->values, KEPT_CAPACITY_MAX * sizeof *dictionary->values);
        dictionary->dict.values = dictionary->values;
    }
    dictionary->dict.count = 1;
}

void wire_dictionaries_reset(struct wire_dictionaries *d)
{
    for (unsigned table = 0; table < TABLE_COUNT; table++) {
        for (unsigned id = 0; id < WIRE_COLUMN_IDS; id++) {
            if (d->columns[table][id] != NULL)
                dictionary_reset(d->columns[table][id]);
        }
    }
    arena_reset(&d->arena);
    d->entries = 0;
    d->bytes = 0;
}

uint64_t wire_dictionaries_memory(const struct wire_dictionaries *d)
{
    return d->bytes + (uint64_t)d->entries * (sizeof(struct slice) + 16);
}

const struct dict *wire_dictionaries_find(const struct wire_dictionaries *d, enum table table,
                                          uint16_t column_id)
{
    ASSERT(column_id < WIRE_COLUMN_IDS);
    const struct wire_dictionary *found = d->columns[table][column_id];
    return found != NULL ? &found->dict : &null_dict;
}

static struct wire_dictionary *dictionary_make(struct wire_dictionaries *d, uint8_t table,
                                               uint16_t id)
{
    struct wire_dictionary **place = &d->columns[table][id];
    if (*place == NULL) {
        *place = MEM_NEW(struct wire_dictionary);
        (*place)->values = mem_grow(NULL, &(*place)->capacity, 8, sizeof(struct slice));
        (*place)->values[0] = SLICE_EMPTY;
        (*place)->dict = (struct dict){.values = (*place)->values, .count = 1};
    }
    return *place;
}

static enum status delta_bad(struct error *reterr, const struct wire_delta_header *h,
                             const char *reason)
{
    const struct column *column =
        h->table < TABLE_COUNT ? table_column((enum table)h->table, h->column_id) : NULL;
    return error_set(reterr, STATUS_CORRUPT, "dictionary of %s.%s: %s",
                     h->table < TABLE_COUNT ? table_name((enum table)h->table) : "?",
                     column != NULL ? column->name : "?", reason);
}

/* The header against the schema and the limits, before anything is sized by it. */
static enum status delta_check(const struct wire_delta_header *h, const struct wire_dictionaries *d,
                               struct error *reterr)
{
    if (h->table >= TABLE_COUNT || h->reserved != 0)
        return delta_bad(reterr, h, "there is no such table");
    const struct column *column = table_column((enum table)h->table, h->column_id);
    if (column == NULL || column->storage != STORAGE_STR)
        return delta_bad(reterr, h, "there is no such column of strings");
    uint32_t have = wire_dictionaries_find(d, (enum table)h->table, h->column_id)->count;
    if (h->start == 0 || h->start > have)
        return delta_bad(reterr, h, "values are missing before its first");
    uint32_t known = have - h->start;
    uint32_t added = h->count > known ? h->count - known : 0;
    if (added > WIRE_DICTIONARY_ENTRIES_MAX - d->entries)
        return delta_bad(reterr, h, "too many values; start new dictionaries with the reset flag");
    if (h->bytes > WIRE_DICTIONARY_BYTES_MAX)
        return delta_bad(reterr, h, "too many bytes");
    return STATUS_OK;
}

static enum status delta_read(struct cursor *c, struct wire_dictionaries *d, struct error *reterr)
{
    struct wire_delta_header h = {0};
    struct slice head = cursor_take(c, sizeof h);
    bytes_copy(&h, head.data, head.size);
    if (c->failed)
        return delta_bad(reterr, &h, "it is cut short");
    enum status s = delta_check(&h, d, reterr);
    if (s < 0)
        return s;
    struct slice lengths = part_take(c, (uint64_t)h.count * sizeof(uint32_t));
    struct slice bytes = part_take(c, h.bytes);
    if (c->failed)
        return delta_bad(reterr, &h, "it is cut short or badly padded");
    struct wire_dictionary *to = dictionary_make(d, h.table, h.column_id);
    struct cursor values = cursor_over(bytes);
    to->values = mem_grow(to->values, &to->capacity, (size_t)h.start + h.count, sizeof *to->values);
    to->dict.values = to->values;
    for (uint32_t i = 0; i < h.count; i++) {
        uint32_t length;
        memcpy(&length, lengths.data + i * sizeof length, sizeof length);
        struct slice value = cursor_take(&values, length);
        if (values.failed || value.size > STR_BYTES_MAX)
            return delta_bad(reterr, &h, "a value is too long or its length lies");
        if (h.start + i < to->dict.count) {
            if (!slice_equal(to->values[h.start + i], value))
                return delta_bad(reterr, &h, "a value sent before is different now");
            continue;
        }
        if (value.size > WIRE_DICTIONARY_BYTES_MAX - d->bytes)
            return delta_bad(reterr, &h,
                             "too many bytes; start new dictionaries with the reset flag");
        to->values[h.start + i] = arena_copy(&d->arena, value);
        to->dict.count = h.start + i + 1;
        d->entries++;
        d->bytes += value.size;
    }
    return cursor_done(&values) ? STATUS_OK : delta_bad(reterr, &h, "bytes are left over");
}

enum status wire_deltas_read(struct cursor *c, uint32_t count, struct wire_dictionaries *d,
                             struct error *reterr)
{
    for (uint32_t i = 0; i < count; i++) {
        enum status s = delta_read(c, d, reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

enum status wire_dictionary_frame_read(const struct frame *frame, struct wire_dictionaries *d,
                                       struct error *reterr)
{
    struct cursor c = cursor_over(frame->payload);
    uint32_t count = cursor_u32(&c);
    uint32_t reserved = cursor_u32(&c);
    if (c.failed || reserved != 0)
        return error_set(reterr, STATUS_CORRUPT, "frame DICTIONARY: the header is cut short");
    if ((frame->flags & WIRE_FLAG_RESET) != 0)
        wire_dictionaries_reset(d);
    enum status s = wire_deltas_read(&c, count, d, reterr);
    if (s == STATUS_OK && !cursor_done(&c))
        return error_set(reterr, STATUS_CORRUPT, "frame DICTIONARY: bytes are left over");
    return s;
}
