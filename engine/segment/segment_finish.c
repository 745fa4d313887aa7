/*
 * segment_finish.c - the second half of the writer: dictionaries, STR blocks, row sets, indexes, directories, the table of
 * contents and the footer.
 *
 * Format:  FORMAT.md 5.2.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/segment/ints.h"
#include "engine/segment/pack.h"
#include "engine/segment/segment_write.h"

#define MAP_VALUES_MAX  4096u /* columns with more values are neither maps nor sources of maps */
#define MAP_BYTES_MIN   64u   /* smaller blocks are left alone */
#define STR_COLUMNS_MAX 64u
#define POSTINGS_WORDS_MAX                                                                         \
    (1u << 20) /* code x block bits while building; more is not worth an index */

/* ---- dictionaries ---- */

struct ranked {
    struct slice value;
    uint32_t arrival;
};

static int ranked_compare(const void *a, const void *b)
{
    return slice_compare(((const struct ranked *)a)->value, ((const struct ranked *)b)->value);
}

/* Sorts the values; c->rank gets the final code of each arrival code. Returns the sorted values. */
static struct slice *values_rank(struct writer_column *c)
{
    uint32_t count = c->values.count - 1;
    struct ranked *order = mem_alloc((size_t)count * sizeof *order);
    for (uint32_t i = 0; i < count; i++)
        order[i] = (struct ranked){.value = c->values.values[i + 1], .arrival = i + 1};
    qsort(order, count, sizeof *order, ranked_compare);
    struct slice *values = mem_alloc((size_t)count * sizeof *values);
    c->rank = mem_alloc(((size_t)count + 1) * sizeof *c->rank);
    c->rank[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        values[i] = order[i].value;
        c->rank[order[i].arrival] = i + 1;
    }
    mem_free(order);
    return values;
}

static enum status session_index_put(struct segment_writer *w, const struct slice *values,
                                     uint32_t count, struct part *ret, struct error *reterr)
{
    struct hash_entry *entries = mem_alloc((size_t)count * sizeof *entries);
    for (uint32_t i = 0; i < count; i++)
        entries[i] = (struct hash_entry){.hash = hash64(values[i])};
    struct buffer bytes = {0};
    hash_index_put(entries, count, SESSION_FINGERPRINT_BITS, 0, &bytes);
    enum status s = writer_put_part(w, &bytes, ret, reterr);
    buffer_deinit(&bytes);
    mem_free(entries);
    return s;
}

static enum status dict_put(struct segment_writer *w, struct writer_column *c,
                            struct part *ret_session_index, struct error *reterr)
{
    uint32_t count = c->values.count - 1;
    struct slice *values = values_rank(c);
    struct dict_page *pages = NULL;
    size_t capacity = 0;
    uint32_t page_count = 0;
    struct buffer bytes = {0};
    enum status s = STATUS_OK;
    for (uint32_t done = 0; done < count && s >= 0;) {
        pages = mem_grow(pages, &capacity, page_count + 1, sizeof *pages);
        struct dict_page *p = &pages[page_count++];
        *p = (struct dict_page){.first_value = values[done]};
        dict_page_put(values + done, count - done, w->level, &p->count, &p->raw_bytes,
                      &p->compressed, &bytes);
        done += p->count;
        s = writer_put_part(w, &bytes, &p->part, reterr);
        c->bytes += p->part.size;
    }
    if (s >= 0) {
        dict_directory_put(pages, page_count, &bytes);
        s = writer_put_part(w, &bytes, &c->dict, reterr);
        c->bytes += c->dict.size;
    }
    if (s >= 0 && w->table == TABLE_SPANS && c->column->id == SPANS_session) {
        s = session_index_put(w, values, count, ret_session_index, reterr);
        c->bytes += ret_session_index->size;
    }
    buffer_deinit(&bytes);
    mem_free(pages);
    mem_free(values);
    return s;
}

/* ---- codes ---- */

/* One STR column within one block. */
struct code_column {
    struct writer_column *column;
    uint32_t *codes;
    struct map_source as_source;
    size_t guess; /* bytes it would take by itself, about */
    bool source;  /* a map leans on it: it must not become one */
    bool done;
};

static void codes_load(const struct writer_column *c, uint32_t block, uint32_t *to)
{
    const struct code_block *b = &c->codes[block];
    for (uint32_t i = 0; i < b->rows; i++) {
        uint32_t arrival = 0;
        if (b->width == 1)
            arrival = ((const uint8_t *)b->codes)[i];
        else if (b->width == 2)
            arrival = ((const uint16_t *)b->codes)[i];
        else if (b->width == 4)
            arrival = ((const uint32_t *)b->codes)[i];
        to[i] = c->rank[arrival];
    }
}

static void codes_zone(const uint32_t *codes, uint32_t rows, struct writer_block *z)
{
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (uint32_t i = 0; i < rows; i++) {
        least = codes[i] != 0 && codes[i] < least ? codes[i] : least;
        most = codes[i] > most ? codes[i] : most;
    }
    z->min = most == 0 ? 0 : least;
    z->max = most;
}

/* Range of the codes; guess: its bits for each row, or for each run when there are few. */
static void codes_measure(struct code_column *c, uint32_t rows)
{
    const uint32_t *codes = c->codes;
    uint32_t least = codes[0];
    uint32_t most = codes[0];
    uint32_t runs = 1;
    for (uint32_t i = 1; i < rows; i++) {
        least = codes[i] < least ? codes[i] : least;
        most = codes[i] > most ? codes[i] : most;
        runs += codes[i] != codes[i - 1];
    }
    uint32_t stored = runs < rows / 2 ? runs * 3 / 2 : rows;
    c->guess = (size_t)stored * bits_of(most - least) / 8;
    c->as_source.least = least;
    c->as_source.span = most - least + 1;
}

static int guess_compare(const void *a, const void *b)
{
    const struct code_column *const *x = a;
    const struct code_column *const *y = b;
    if ((*x)->guess != (*y)->guess)
        return (*x)->guess > (*y)->guess ? -1 : 1;
    return (*x)->as_source.index < (*y)->as_source.index ? -1 : 1;
}

static bool may_be_source(const struct code_column *c, const struct code_column *of)
{
    return c != of && c->column->values.count <= MAP_VALUES_MAX && c->guess > 0 && !c->done;
}

/* Writes `c` as a function of one or two other columns when it is one. */
static enum encoding map_try(const struct block_writer *bw, struct code_column *c,
                             struct code_column *all, uint32_t count, struct buffer *to)
{
    for (uint32_t a = 0; a < count; a++) {
        if (may_be_source(&all[a], c) &&
            block_put_map(bw, c->codes, &all[a].as_source, NULL, c->guess, to) != ENCODING_NONE) {
            all[a].source = true;
            return ENCODING_MAP;
        }
    }
    for (uint32_t a = 0; a < count; a++) {
        for (uint32_t b = a + 1; b < count && may_be_source(&all[a], c); b++) {
            if (may_be_source(&all[b], c) &&
                block_put_map(bw, c->codes, &all[a].as_source, &all[b].as_source, c->guess, to) !=
                    ENCODING_NONE) {
                all[a].source = true;
                all[b].source = true;
                return ENCODING_MAP;
            }
        }
    }
    return ENCODING_NONE;
}

/* All STR columns of one block: first those that follow from others (the largest first), then the rest. */
static enum status codes_block_put(struct segment_writer *w, struct code_column *all,
                                   uint32_t count, uint32_t block, struct buffer *scratch,
                                   struct error *reterr)
{
    uint32_t rows = w->blocks[block].rows;
    struct block_writer bw = {.rows = rows,
                              .level = w->level,
                              .fast = w->fast,
                              .masks = &w->blocks[block].masks,
                              .starts = MASK_UNKNOWN};
    struct code_column *order[STR_COLUMNS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        struct code_column *c = &all[i];
        codes_load(c->column, block, c->codes);
        codes_zone(c->codes, rows, &c->column->block[block]);
        codes_measure(c, rows);
        c->source = false;
        c->done = false;
        order[i] = c;
    }
    qsort(order, count, sizeof order[0], guess_compare);
    for (uint32_t i = 0; i < count && order[i]->guess >= MAP_BYTES_MIN; i++) {
        struct code_column *c = order[i];
        if (c->source || c->column->values.count > MAP_VALUES_MAX ||
            map_try(&bw, c, all, count, scratch) == ENCODING_NONE)
            continue;
        c->done = true;
        enum status s = writer_put_block(w, c->column, block, ENCODING_MAP, scratch, reterr);
        if (s < 0)
            return s;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].done)
            continue;
        enum encoding e = block_put_codes(&bw, all[i].codes, scratch);
        enum status s = writer_put_block(w, all[i].column, block, e, scratch, reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

static void present_note(const struct code_column *c, uint32_t rows, uint32_t block,
                         uint32_t blocks, uint64_t *present)
{
    for (uint32_t i = 0; i < rows; i++)
        present[(size_t)c->codes[i] * ((blocks + 63) / 64) + block / 64] |= 1ull << (block % 64);
}

static enum status postings_write(struct segment_writer *w, struct code_column *c,
                                  struct error *reterr)
{
    uint32_t codes = c->column->values.count;
    uint64_t words = (uint64_t)codes * ((w->block_count + 63) / 64);
    if (!postings_wanted(w->table, c->column->column->id) || codes > POSTINGS_CODES_MAX ||
        words > POSTINGS_WORDS_MAX)
        return STATUS_OK;
    uint64_t *present = mem_zero(words, sizeof *present);
    for (uint32_t b = 0; b < w->block_count; b++) {
        codes_load(c->column, b, c->codes);
        present_note(c, w->blocks[b].rows, b, w->block_count, present);
    }
    struct buffer bytes = {0};
    postings_put(present, codes, w->block_count, &bytes);
    enum status s = writer_put_part(w, &bytes, &c->column->postings, reterr);
    c->column->bytes += c->column->postings.size;
    buffer_deinit(&bytes);
    mem_free(present);
    return s;
}

static enum status strings_write(struct segment_writer *w, struct part *ret_session_index,
                                 struct error *reterr)
{
    struct code_column all[STR_COLUMNS_MAX];
    uint32_t count = 0;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < w->column_count && s >= 0; i++) {
        if (w->columns[i]->column->storage != STORAGE_STR)
            continue;
        ASSERT(count < STR_COLUMNS_MAX);
        struct code_column *c = &all[count++];
        *c = (struct code_column){.column = w->columns[i]};
        c->codes = mem_alloc(BLOCK_ROWS * sizeof *c->codes);
        c->as_source = (struct map_source){.codes = c->codes, .index = (uint16_t)i};
        s = dict_put(w, w->columns[i], ret_session_index, reterr);
    }
    struct buffer scratch = {0};
    for (uint32_t b = 0; b < w->block_count && s >= 0; b++)
        s = codes_block_put(w, all, count, b, &scratch, reterr);
    for (uint32_t i = 0; i < count && s >= 0; i++)
        s = postings_write(w, &all[i], reterr);
    buffer_deinit(&scratch);
    for (uint32_t i = 0; i < count; i++)
        mem_free(all[i].codes);
    return s;
}

/* ---- row sets, directories, table of contents ---- */

static enum status masks_write(struct segment_writer *w, struct arena *arena, struct part *ret,
                               struct error *reterr)
{
    struct directory d;
    directory_init(&d, w->block_count, false, arena);
    struct buffer bytes = {0};
    enum status s = STATUS_OK;
    for (uint32_t b = 0; b < w->block_count && s >= 0; b++) {
        struct part part;
        mask_set_put(&w->blocks[b].masks, &bytes);
        s = writer_put_part(w, &bytes, &part, reterr);
        d.offset[b] = part.offset;
        d.size[b] = (uint32_t)part.size;
        d.checksum[b] = part.checksum;
    }
    if (s >= 0) {
        directory_put(&d, &bytes);
        s = writer_put_part(w, &bytes, ret, reterr);
    }
    buffer_deinit(&bytes);
    return s;
}

static enum status column_directory_write(struct segment_writer *w, struct writer_column *c,
                                          struct error *reterr)
{
    struct arena arena = {0};
    struct directory d;
    directory_init(&d, w->block_count, true, &arena);
    for (uint32_t b = 0; b < w->block_count; b++) {
        d.offset[b] = c->block[b].offset;
        d.size[b] = c->block[b].size;
        d.checksum[b] = c->block[b].checksum;
        d.nulls[b] = c->block[b].nulls;
        d.min[b] = c->block[b].min;
        d.max[b] = c->block[b].max;
    }
    struct buffer bytes = {0};
    directory_put(&d, &bytes);
    enum status s = writer_put_part(w, &bytes, &c->directory, reterr);
    c->bytes += c->directory.size;
    buffer_deinit(&bytes);
    arena_deinit(&arena);
    return s;
}

static void column_entry_put(const struct writer_column *c, struct buffer *to)
{
    bool fixed = c->column->id < COLUMN_DYNAMIC;
    put_u16(to, fixed ? c->column->id : (uint16_t)COLUMN_BY_NAME);
    put_u8(to, (uint8_t)c->column->storage);
    if (!fixed)
        put_bytes(to, slice_text(c->column->name));
    uint8_t top = 1;
    for (uint8_t e = 2; e < ENCODING_COUNT; e++)
        top = c->encodings[e] > c->encodings[top] ? e : top;
    put_u8(to, top);
    put_varint(to, c->bytes);
    put_part(to, c->directory);
    if (c->column->storage == STORAGE_STR) {
        put_varint(to, c->values.count - 1);
        put_part(to, c->dict);
        put_part(to, c->postings);
    }
}

static void blocks_put(const struct segment_writer *w, struct buffer *to)
{
    int64_t *numbers = mem_alloc((size_t)w->block_count * sizeof *numbers);
    for (uint32_t b = 0; b < w->block_count; b++)
        numbers[b] = w->blocks[b].rows;
    ints_put(numbers, w->block_count, false, to);
    for (uint32_t b = 0; b < w->block_count; b++)
        numbers[b] = w->blocks[b].time_min;
    ints_put(numbers, w->block_count, false, to);
    for (uint32_t b = 0; b < w->block_count; b++)
        numbers[b] = w->blocks[b].time_max;
    ints_put(numbers, w->block_count, false, to);
    for (uint32_t g = 0; g < w->group_count; g++)
        numbers[g] = w->groups[g].blocks;
    ints_put(numbers, w->group_count, false, to);
    for (uint32_t g = 0; g < w->group_count; g++)
        numbers[g] = w->groups[g].by_session;
    ints_put(numbers, w->group_count, false, to);
    mem_free(numbers);
}

static void contents_put(const struct segment_writer *w, struct part masks, struct part trace_index,
                         struct part session_index, struct buffer *to)
{
    put_u8(to, (uint8_t)w->meta.table);
    put_u8(to, (uint8_t)w->meta.tier);
    put_varint(to, w->meta.rows);
    put_zigzag(to, w->meta.time_min_ns);
    put_zigzag(to, w->meta.time_max_ns);
    put_varint(to, w->meta.seq_min);
    put_varint(to, w->meta.seq_max);
    put_varint(to, w->meta.fold_seq);
    put_varint(to, w->block_count);
    put_varint(to, w->group_count);
    blocks_put(w, to);
    put_part(to, masks);
    put_part(to, trace_index);
    put_part(to, session_index);
    put_varint(to, w->column_count);
    for (uint32_t i = 0; i < w->column_count; i++)
        column_entry_put(w->columns[i], to);
}

static enum status trace_index_write(struct segment_writer *w, struct part *ret,
                                     struct error *reterr)
{
    if (w->trace_count == 0)
        return STATUS_OK;
    struct buffer bytes = {0};
    hash_index_put(w->traces, w->trace_count, TRACE_FINGERPRINT_BITS, bits_of(w->block_count - 1),
                   &bytes);
    enum status s = writer_put_part(w, &bytes, ret, reterr);
    buffer_deinit(&bytes);
    return s;
}

static void footer_put(struct segment_writer *w, struct part contents)
{
    struct buffer checked = {0};
    buffer_add(&checked, SEGMENT_MAGIC, 8);
    put_u32(&checked, SEGMENT_VERSION);
    put_u32(&checked, 0);
    size_t start = checked.size;
    put_part(&checked, contents);
    put_u64(&checked, w->out_start + w->out.size + SEGMENT_FOOTER_BYTES);
    uint64_t checksum = hash64(buffer_slice(&checked));
    buffer_add(&w->out, checked.data + start, checked.size - start);
    put_u64(&w->out, checksum);
    buffer_add(&w->out, SEGMENT_MAGIC, 8);
    buffer_deinit(&checked);
}

enum status writer_write_rest(struct segment_writer *w, struct error *reterr)
{
    struct part masks = {0};
    struct part trace_index = {0};
    struct part session_index = {0};
    struct part contents = {0};
    struct arena arena = {0};
    struct buffer bytes = {0};
    enum status s;
    if ((s = strings_write(w, &session_index, reterr)) < 0)
        goto out;
    if ((s = masks_write(w, &arena, &masks, reterr)) < 0)
        goto out;
    if ((s = trace_index_write(w, &trace_index, reterr)) < 0)
        goto out;
    for (uint32_t i = 0; i < w->column_count; i++) {
        if ((s = column_directory_write(w, w->columns[i], reterr)) < 0)
            goto out;
    }
    contents_put(w, masks, trace_index, session_index, &bytes);
    if ((s = writer_put_part(w, &bytes, &contents, reterr)) < 0)
        goto out;
    footer_put(w, contents);
out:
    buffer_deinit(&bytes);
    arena_deinit(&arena);
    return s;
}
