/*
 * head_append.c - a batch becomes rows, column by column.
 *
 * Fixed-width cells are copied run by run, a run ending with its chunk. A STR column translates the
 * batch's codes to the head's: once a distinct code (head_remap, stamped, so that the size of the
 * batch's dictionary costs nothing), then a plain loop. Expected here: about 120 ns a row of 27
 * columns; bench/bench_head.c checks it.
 */
#include "engine/base/check.h"
#include "engine/head/head_state.h"

/* The rows of a batch to append, and where. */
struct picked {
    const uint32_t *rows; /* NULL: 0, 1, ... */
    uint64_t first;       /* row of the head */
    uint32_t count;
};

/* Rows [at, at + *ret_count) of the picked ones lie in one chunk of the head. */
static uint64_t run_start(const struct picked *p, uint32_t at, uint32_t *ret_count)
{
    uint64_t row = p->first + at;
    uint32_t room = BLOCK_ROWS - (uint32_t)(row % BLOCK_ROWS);
    *ret_count = p->count - at < room ? p->count - at : room;
    return row;
}

static void *scratch(struct head *h, void *old, size_t *capacity, size_t count, size_t size)
{
    size_t before = *capacity;
    void *p = mem_grow(old, capacity, count, size);
    h->memory.bytes += (*capacity - before) * size;
    return p;
}

/* ---- STR ---- */

/* Makes remap cover the dictionary and none of it translated. */
static void remap_begin(struct head *h, uint32_t dict_count)
{
    size_t before = h->remap_capacity;
    h->remap = scratch(h, h->remap, &h->remap_capacity, dict_count, sizeof *h->remap);
    memset(h->remap + before, 0, (h->remap_capacity - before) * sizeof *h->remap);
    h->remap_stamp++;
    if (h->remap_stamp == 0) {
        memset(h->remap, 0, h->remap_capacity * sizeof *h->remap);
        h->remap_stamp = 1;
    }
    h->remap[0] = (struct head_remap){.stamp = h->remap_stamp, .code = 0};
}

/* Apart from the loop, which it would slow down when inlined. */
static __attribute__((noinline)) uint32_t remap_add(struct head *h, struct head_column *c,
                                                    const struct dict *dict, uint32_t code)
{
    ASSERT(code < dict->count);
    struct slice text = dict->values[code];
    uint32_t own = head_dict_add(&c->dict, &h->memory, text, hash64(text));
    h->remap[code] = (struct head_remap){.stamp = h->remap_stamp, .code = own};
    return own;
}

static void codes_translate(struct head *h, struct head_column *c, const struct vector *v,
                            const uint32_t *rows, uint32_t at, uint32_t count, uint32_t *to)
{
    const struct head_remap *remap = h->remap;
    const uint32_t *codes = v->codes;
    const uint32_t stamp = h->remap_stamp;
    const uint32_t dict_count = v->dict->count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = codes[rows == NULL ? at + i : rows[at + i]];
        ASSERT(code < dict_count);
        struct head_remap known = remap[code];
        to[i] = known.stamp == stamp ? known.code : remap_add(h, c, v->dict, code);
    }
}

static bool codes_any(const struct vector *v, const uint32_t *rows, uint32_t at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (v->codes[rows == NULL ? at + i : rows[at + i]] != 0)
            return true;
    }
    return false;
}

static void append_str(struct head *h, const struct column *column, const struct vector *v,
                       const struct picked *p)
{
    struct head_column *c = head_column_find(h, column->id);
    ASSERT(v->dict != NULL);
    remap_begin(h, v->dict->count == 0 ? 1 : v->dict->count);
    uint32_t count;
    for (uint32_t at = 0; at < p->count; at += count) {
        uint64_t row = run_start(p, at, &count);
        if (codes_any(v, p->rows, at, count)) {
            if (c == NULL)
                c = head_column_get(h, column);
            uint32_t *to = head_column_append(c, &h->memory, row, count, NULL);
            codes_translate(h, c, v, p->rows, at, count, to);
        } else if (c != NULL) {
            head_column_append_null(c, &h->memory, row, count);
        }
    }
    if (c != NULL)
        c->stamp = h->append_stamp;
}

/* ---- everything else ---- */

#define COPY_PICKED(type, from, rows, at, count, to)                                               \
    do {                                                                                           \
        type *copied = (to);                                                                       \
        if ((rows) == NULL) {                                                                      \
            memcpy(copied, (from) + (at), (count) * sizeof *copied);                               \
        } else {                                                                                   \
            for (uint32_t i = 0; i < (count); i++)                                                 \
                copied[i] = (from)[(rows)[(at) + i]];                                              \
        }                                                                                          \
    } while (0)

static void cells_copy(struct head *h, const struct vector *v, const uint32_t *rows, uint32_t at,
                       uint32_t count, void *to)
{
    switch (v->storage) {
    case STORAGE_I64:
        COPY_PICKED(int64_t, v->i64, rows, at, count, to);
        break;
    case STORAGE_F64:
        COPY_PICKED(double, v->f64, rows, at, count, to);
        break;
    case STORAGE_ID64:
        COPY_PICKED(uint64_t, v->id64, rows, at, count, to);
        break;
    case STORAGE_ID128:
        COPY_PICKED(struct id128, v->id128, rows, at, count, to);
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        for (uint32_t i = 0; i < count; i++)
            ((struct slice *)to)[i] =
                head_memory_text(&h->memory, v->bytes[rows == NULL ? at + i : rows[at + i]]);
        break;
    case STORAGE_STR:
        ASSERT(!"append_str does these");
    }
}

/* The mask of the picked rows, or NULL when all have a value. */
static const uint8_t *valid_pick(struct head *h, const struct vector *v, const struct picked *p)
{
    if (v->valid == NULL || p->rows == NULL)
        return v->valid;
    h->picked_valid = scratch(h, h->picked_valid, &h->picked_capacity, p->count, 1);
    for (uint32_t i = 0; i < p->count; i++)
        h->picked_valid[i] = v->valid[p->rows[i]];
    return h->picked_valid;
}

static void append_cells(struct head *h, const struct column *column, const struct vector *v,
                         const struct picked *p)
{
    struct head_column *c = head_column_find(h, column->id);
    const uint8_t *valid = valid_pick(h, v, p);
    uint32_t count;
    for (uint32_t at = 0; at < p->count; at += count) {
        uint64_t row = run_start(p, at, &count);
        const uint8_t *mask = valid == NULL ? NULL : valid + at;
        if (mask == NULL || memchr(mask, 1, count) != NULL) {
            if (mask != NULL && memchr(mask, 0, count) == NULL)
                mask = NULL;
            if (c == NULL)
                c = head_column_get(h, column);
            void *to = head_column_append(c, &h->memory, row, count, mask);
            cells_copy(h, v, p->rows, at, count, to);
        } else if (c != NULL) {
            head_column_append_null(c, &h->memory, row, count);
        }
    }
    if (c != NULL)
        c->stamp = h->append_stamp;
}

/* Columns the batch does not carry. */
static void append_missing(struct head *h, const struct picked *p)
{
    for (uint32_t i = 0; i < h->column_count; i++) {
        if (h->columns[i]->stamp == h->append_stamp)
            continue;
        uint32_t count;
        for (uint32_t at = 0; at < p->count; at += count) {
            uint64_t row = run_start(p, at, &count);
            head_column_append_null(h->columns[i], &h->memory, row, count);
        }
    }
}

void head_append(struct head *h, const struct batch *b, const uint32_t *rows, uint32_t count)
{
    ASSERT(b->table == h->table);
    ASSERT(rows != NULL || count <= b->rows);
    struct picked p = {.rows = rows, .first = head_rows(h), .count = count};
    ASSERT(p.first + count < UINT32_MAX);
    if (count == 0)
        return;
    h->append_stamp++;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct batch_column *column = &b->columns[i];
        ASSERT(column->vector.storage == column->column->storage);
        ASSERT(column->vector.rows == b->rows);
        if (column->vector.storage == STORAGE_STR)
            append_str(h, column->column, &column->vector, &p);
        else
            append_cells(h, column->column, &column->vector, &p);
    }
    append_missing(h, &p);
    if (h->table == TABLE_SPANS)
        head_index_rows(h, p.first, count);
    atomic_store_explicit(&h->rows, p.first + count, memory_order_relaxed);
    atomic_store_explicit(&h->bytes, h->memory.bytes, memory_order_relaxed);
}
