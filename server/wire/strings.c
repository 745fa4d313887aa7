/*
 * strings.c - connection dictionaries, the sending side.
 *
 * Format:    FORMAT.md 9.5
 */
#include "engine/base/check.h"
#include "server/wire/dictionary.h"

void wire_strings_deinit(struct wire_strings *s)
{
    if (s == NULL)
        return;
    for (unsigned table = 0; table < TABLE_COUNT; table++) {
        for (unsigned id = 0; id < WIRE_COLUMN_IDS; id++) {
            intern_deinit(s->columns[table][id]);
            mem_free(s->columns[table][id]);
        }
    }
    arena_deinit(&s->scratch);
    *s = (struct wire_strings){0};
}

uint32_t wire_strings_code(struct wire_strings *s, enum table table, uint16_t column_id,
                           struct slice value)
{
    ASSERT(column_id < WIRE_COLUMN_IDS);
    struct intern **column = &s->columns[table][column_id];
    if (*column == NULL) {
        *column = MEM_NEW(struct intern);
        intern_init(*column);
    }
    uint32_t count = (*column)->count;
    uint32_t code = intern_add(*column, value);
    if (code == count) {
        s->entries++;
        s->bytes += value.size;
    }
    return code;
}

/* Values [start, end) of a column as a delta section. */
static void delta_add(const struct intern *values, enum table table, uint16_t column_id,
                      uint32_t start, uint32_t end, struct buffer *to)
{
    uint64_t bytes = 0;
    for (uint32_t code = start; code < end; code++)
        bytes += values->values[code].size;
    ASSERT(bytes <= WIRE_DICTIONARY_BYTES_MAX);
    struct wire_delta_header header = {.table = (uint8_t)table,
                                       .column_id = column_id,
                                       .start = start,
                                       .count = end - start,
                                       .bytes = (uint32_t)bytes};
    buffer_add(to, &header, sizeof header);
    uint8_t *lengths = part_add(to, header.count * sizeof(uint32_t));
    for (uint32_t code = start; code < end; code++) {
        uint32_t length = (uint32_t)values->values[code].size;
        memcpy(lengths, &length, sizeof length);
        lengths += sizeof length;
    }
    uint8_t *place = part_add(to, bytes);
    for (uint32_t code = start; code < end; code++) {
        bytes_copy(place, values->values[code].data, values->values[code].size);
        place += values->values[code].size;
    }
}

bool wire_delta_write(struct wire_strings *s, enum table table, uint16_t column_id,
                      struct buffer *to)
{
    const struct intern *values = s->columns[table][column_id];
    uint32_t start = s->sent[table][column_id] + 1;
    if (values == NULL || values->count == start)
        return false;
    delta_add(values, table, column_id, start, values->count, to);
    s->sent[table][column_id] = values->count - 1;
    return true;
}

struct pages {
    struct buffer *to;
    uint32_t payload_bytes;
    size_t start; /* of the open frame */
    uint32_t count;
    bool any; /* a frame was begun before */
};

static void page_begin(struct pages *p)
{
    p->start = frame_begin(p->to, WIRE_DICTIONARY, p->any ? 0 : WIRE_FLAG_RESET);
    put_u64(p->to, 0);
    p->count = 0;
    p->any = true;
}

static void page_end(struct pages *p)
{
    memcpy(p->to->data + p->start + sizeof(struct wire_frame_header), &p->count, sizeof p->count);
    frame_end(p->to, p->start);
}

/* How many values from `start` on fit into about `bytes`; at least one. */
static uint32_t values_fit(const struct intern *values, uint32_t start, uint32_t end,
                           uint64_t bytes)
{
    uint64_t total = sizeof(struct wire_delta_header);
    uint32_t code = start;
    while (code < end && (code == start || total + values->values[code].size + 4 <= bytes)) {
        total += values->values[code].size + 4;
        code++;
    }
    return code - start;
}

void wire_strings_write_all(const struct wire_strings *s, uint32_t payload_bytes, struct buffer *to)
{
    struct pages pages = {.to = to, .payload_bytes = payload_bytes};
    page_begin(&pages);
    for (unsigned table = 0; table < TABLE_COUNT; table++) {
        for (uint16_t id = 0; id < WIRE_COLUMN_IDS; id++) {
            const struct intern *values = s->columns[table][id];
            uint32_t end = s->sent[table][id] + 1;
            for (uint32_t code = 1; values != NULL && code < end;) {
                size_t used = to->size - pages.start;
                if (pages.count > 0 && used >= payload_bytes) {
                    page_end(&pages);
                    page_begin(&pages);
                    used = 0;
                }
                uint64_t room = payload_bytes > used ? payload_bytes - used : 0;
                uint32_t count = values_fit(values, code, end, room);
                delta_add(values, (enum table)table, id, code, code + count, to);
                pages.count++;
                code += count;
            }
        }
    }
    page_end(&pages);
}
