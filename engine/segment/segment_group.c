/*
 * segment_group.c - takes groups of rows and writes their blocks.
 *
 * Shape:     rows are picked and ordered block by block, so a group is never copied as a whole. All columns but STR are
 *            encoded at once. Final dictionary codes follow byte order over the whole file, so STR codes wait in memory (1,
 *            2 or 4 bytes each) until finish.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/segment/segment_write.h"

static_assert((int)SPANS_time == (int)SCORES_time && (int)SPANS_time == (int)TAGS_time, "one id");
static_assert((int)SPANS_seq == (int)SCORES_seq && (int)SPANS_seq == (int)TAGS_seq, "one id");

/* A group on its way in. */
struct group {
    const struct batch *batch;
    const uint32_t *order; /* rows of the batch, NULL: all as they stand */
    uint32_t rows;
    const struct batch_column **columns; /* in file order */
    struct writer_column **stored;       /* the same columns in the file */
    uint32_t **arrival;                  /* STR columns: code -> arrival code, 0: not seen yet */
};

/* The rows of the group that make up one block. */
struct range {
    uint32_t first;
    uint32_t rows;
    uint32_t block; /* number in the file */
};

static uint32_t group_row(const struct group *g, uint32_t i)
{
    return g->order == NULL ? i : g->order[i];
}

/* The block's rows of a column: a view, or gathered into the arena. */
static struct vector block_vector(const struct group *g, const struct vector *v,
                                  const struct range *r, struct arena *arena)
{
    if (g->order != NULL)
        return vector_gather(v, g->order + r->first, r->rows, arena);
    struct vector view = *v;
    const uint8_t *payload = (const uint8_t *)v->i64;
    view.i64 = (const int64_t *)(const void *)(payload + r->first * storage_width(v->storage));
    view.valid = v->valid == NULL ? NULL : v->valid + r->first;
    view.rows = r->rows;
    return view;
}

/* ---- zone maps ---- */

static uint32_t nulls_of(const struct vector *v)
{
    uint32_t nulls = 0;
    for (uint32_t i = 0; v->valid != NULL && i < v->rows; i++)
        nulls += v->valid[i] == 0;
    return nulls;
}

static void zone_i64(const struct vector *v, struct writer_block *z)
{
    int64_t least = INT64_MAX;
    int64_t most = INT64_MIN;
    for (uint32_t i = 0; i < v->rows; i++) {
        if (v->valid != NULL && !v->valid[i])
            continue;
        least = v->i64[i] < least ? v->i64[i] : least;
        most = v->i64[i] > most ? v->i64[i] : most;
    }
    z->min = z->nulls < v->rows ? least : 0;
    z->max = z->nulls < v->rows ? most : 0;
}

static void zone_id64(const struct vector *v, struct writer_block *z)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (uint32_t i = 0; i < v->rows; i++) {
        if (v->valid != NULL && !v->valid[i])
            continue;
        least = v->id64[i] < least ? v->id64[i] : least;
        most = v->id64[i] > most ? v->id64[i] : most;
    }
    z->min = z->nulls < v->rows ? (int64_t)least : 0;
    z->max = (int64_t)most;
}

/* NaN has no place in an order: a block with one claims every value. */
static void zone_f64(const struct vector *v, struct writer_block *z)
{
    double least = __builtin_inf();
    double most = -__builtin_inf();
    bool unordered = false;
    for (uint32_t i = 0; i < v->rows; i++) {
        if (v->valid != NULL && !v->valid[i])
            continue;
        unordered |= v->f64[i] != v->f64[i];
        least = v->f64[i] < least ? v->f64[i] : least;
        most = v->f64[i] > most ? v->f64[i] : most;
    }
    if (unordered) {
        least = -__builtin_inf();
        most = __builtin_inf();
    }
    if (z->nulls == v->rows)
        return;
    memcpy(&z->min, &least, sizeof z->min);
    memcpy(&z->max, &most, sizeof z->max);
}

/* ---- one block ---- */

/* Keeps codes for finish; values new to the file enter its dictionary. */
static enum status codes_keep(const struct batch_column *column, struct writer_column *c,
                              const struct vector *v, uint32_t block, uint32_t *arrival,
                              struct error *reterr)
{
    uint32_t codes[BLOCK_ROWS];
    uint32_t most = 0;
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < v->rows; i++) {
        uint32_t code = v->codes[i];
        ASSERT(code < v->dict->count);
        if (code != 0 && arrival[code] == 0) {
            struct slice value = v->dict->values[code];
            if (value.size > STR_BYTES_MAX)
                return error_set(reterr, STATUS_LIMIT, "%s: a value of %zu bytes is above %u",
                                 column->column->name, value.size, STR_BYTES_MAX);
            arrival[code] = intern_add(&c->values, value);
        }
        codes[i] = arrival[code];
        most = codes[i] > most ? codes[i] : most;
        nulls += codes[i] == 0;
    }
    struct code_block *b = &c->codes[block];
    c->block[block].nulls = nulls;
    b->rows = v->rows;
    b->width = most == 0 ? 0 : most <= UINT8_MAX ? 1 : most <= UINT16_MAX ? 2 : 4;
    b->codes = b->width == 0 ? NULL : mem_alloc((size_t)v->rows * b->width);
    for (uint32_t i = 0; i < v->rows && b->width == 1; i++)
        ((uint8_t *)b->codes)[i] = (uint8_t)codes[i];
    for (uint32_t i = 0; i < v->rows && b->width == 2; i++)
        ((uint16_t *)b->codes)[i] = (uint16_t)codes[i];
    if (b->width == 4)
        memcpy(b->codes, codes, (size_t)v->rows * sizeof codes[0]);
    return STATUS_OK;
}

/* What a text column can't hold, naming it. */
static enum status bytes_check(const struct batch_column *c, const struct vector *v,
                               struct error *reterr)
{
    uint32_t limit = v->storage == STORAGE_REFS ? MESSAGE_REFS_MAX * 16u : TEXT_BYTES_MAX;
    for (uint32_t row = 0; row < v->rows; row++) {
        if (v->bytes[row].size > limit)
            return error_set(reterr, STATUS_LIMIT, "%s: a value of %zu bytes is above %u",
                             c->column->name, v->bytes[row].size, limit);
        if (v->storage == STORAGE_REFS && v->bytes[row].size % 16 != 0)
            return error_set(reterr, STATUS_INVALID, "%s: %zu bytes are not whole addresses",
                             c->column->name, v->bytes[row].size);
    }
    return STATUS_OK;
}

static enum encoding vector_put(const struct segment_writer *w, const struct block_writer *bw,
                                uint16_t column_id, const struct vector *v, struct writer_block *z,
                                struct buffer *to)
{
    z->nulls = nulls_of(v);
    switch (v->storage) {
    case STORAGE_I64:
        zone_i64(v, z);
        return block_put_i64(bw, v->i64, v->valid,
                             column_id == SPANS_time || column_id == SPANS_seq, to);
    case STORAGE_F64:
        zone_f64(v, z);
        return block_put_f64(bw, v->f64, v->valid, to);
    case STORAGE_ID64:
        zone_id64(v, z);
        return block_put_id64(bw, v->id64, v->valid,
                              w->table == TABLE_SPANS && column_id == SPANS_parent_id, to);
    case STORAGE_ID128:
        return block_put_id128(bw, v->id128, v->valid, to);
    case STORAGE_TEXT:
    case STORAGE_REFS:
        return block_put_bytes(bw, v->bytes, v->valid, to);
    case STORAGE_STR:
        break;
    }
    return ENCODING_NONE;
}

/* The columns others lean on, of one block. */
struct leading {
    struct vector time, trace_id, span_id, seq; /* rows == 0: there is no such column */
};

static struct vector leading_vector(const struct group *g, uint16_t id, const struct range *r,
                                    struct arena *arena)
{
    const struct vector *v = batch_vector(g->batch, id);
    return v == NULL ? (struct vector){0} : block_vector(g, v, r, arena);
}

/* Notes where traces start: for the trace index, and as a set of rows when there are fewer traces than rows. */
static uint16_t starts_note(struct segment_writer *w, const struct vector *trace_id,
                            const struct range *r, struct mask_set *masks)
{
    struct mask starts = {0};
    if (trace_id->rows == 0)
        return MASK_UNKNOWN;
    for (uint32_t i = 0; i < r->rows; i++) {
        const struct id128 *id = trace_id->id128 + i;
        if (i > 0 && id128_equal(id[0], id[-1]))
            continue;
        mask_set(&starts, i);
        if (w->table != TABLE_SPANS || (trace_id->valid != NULL && !trace_id->valid[i]))
            continue;
        w->traces = mem_grow(w->traces, &w->traces_capacity, w->trace_count + 1, sizeof *w->traces);
        w->traces[w->trace_count++] =
            (struct hash_entry){.hash = hash64(slice_of(id, sizeof *id)), .value = r->block};
    }
    return mask_ones(&starts) > r->rows - r->rows / 16 ? (uint16_t)MASK_UNKNOWN
                                                       : mask_set_find(masks, &starts);
}

static void bounds_note(struct segment_writer *w, const struct leading *l, const struct range *r)
{
    struct block_info *b = &w->blocks[r->block];
    bool first = w->meta.rows == 0;
    for (uint32_t i = 0; i < r->rows; i++) {
        int64_t t = l->time.rows == 0 ? 0 : l->time.i64[i];
        uint64_t seq = l->seq.rows == 0 ? 0 : (uint64_t)l->seq.i64[i];
        b->time_min = i == 0 || t < b->time_min ? t : b->time_min;
        b->time_max = i == 0 || t > b->time_max ? t : b->time_max;
        bool first_row = first && i == 0;
        w->meta.seq_min = first_row || seq < w->meta.seq_min ? seq : w->meta.seq_min;
        w->meta.seq_max = first_row || seq > w->meta.seq_max ? seq : w->meta.seq_max;
    }
    w->meta.time_min_ns =
        first || b->time_min < w->meta.time_min_ns ? b->time_min : w->meta.time_min_ns;
    w->meta.time_max_ns =
        first || b->time_max > w->meta.time_max_ns ? b->time_max : w->meta.time_max_ns;
    w->meta.rows += r->rows;
}

static enum status column_write(struct segment_writer *w, const struct group *g, uint32_t i,
                                const struct block_writer *bw, const struct range *r,
                                struct arena *arena, struct buffer *scratch, struct error *reterr)
{
    const struct batch_column *column = g->columns[i];
    struct writer_column *c = g->stored[i];
    struct vector v = block_vector(g, &column->vector, r, arena);
    enum status s = STATUS_OK;
    writer_column_extend(w, c, r->block + 1);
    if (v.storage == STORAGE_STR)
        return codes_keep(column, c, &v, r->block, g->arrival[i], reterr);
    if ((v.storage == STORAGE_TEXT || v.storage == STORAGE_REFS) &&
        (s = bytes_check(column, &v, reterr)) < 0)
        return s;
    enum encoding e = vector_put(w, bw, column->column->id, &v, &c->block[r->block], scratch);
    return writer_put_block(w, c, r->block, e, scratch, reterr);
}

static enum status block_write(struct segment_writer *w, const struct group *g,
                               const struct range *r, struct arena *arena, struct buffer *scratch,
                               struct error *reterr)
{
    struct leading l = {.time = leading_vector(g, SPANS_time, r, arena),
                        .trace_id = leading_vector(g, SPANS_trace_id, r, arena),
                        .span_id = leading_vector(g, SPANS_span_id, r, arena),
                        .seq = leading_vector(g, SPANS_seq, r, arena)};
    w->blocks = mem_grow(w->blocks, &w->blocks_capacity, r->block + 1, sizeof *w->blocks);
    w->blocks[r->block] =
        (struct block_info){.rows = r->rows, .masks = {.rows = r->rows, .fast = w->fast}};
    w->block_count = r->block + 1;
    bounds_note(w, &l, r);
    struct block_writer bw = {.rows = r->rows,
                              .level = w->level,
                              .fast = w->fast,
                              .masks = &w->blocks[r->block].masks,
                              .starts = MASK_UNKNOWN};
    if (w->table == TABLE_SPANS && l.span_id.rows != 0 && l.span_id.valid == NULL)
        bw.span_id = l.span_id.id64;
    /* trace_id goes first: its runs are what other columns lean on. */
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < g->batch->column_count; i++) {
            uint16_t id = g->columns[i]->column->id;
            if ((id == SPANS_trace_id) != (pass == 0))
                continue;
            bw.time =
                id == SPANS_seq && l.time.rows != 0 && l.time.valid == NULL ? l.time.i64 : NULL;
            enum status s = column_write(w, g, i, &bw, r, arena, scratch, reterr);
            if (s < 0)
                return s;
        }
        if (pass == 0)
            bw.starts = starts_note(w, &l.trace_id, r, bw.masks);
    }
    return STATUS_OK;
}

/* ---- a group ---- */

/* Rows of the next block: BLOCK_ROWS, fewer when text would grow too large or the group ends. */
static uint32_t block_rows(const struct group *g, uint32_t first)
{
    uint32_t rows = g->rows - first < BLOCK_ROWS ? g->rows - first : BLOCK_ROWS;
    for (uint32_t i = 0; i < g->batch->column_count; i++) {
        const struct vector *v = &g->columns[i]->vector;
        size_t bytes = 0;
        for (uint32_t row = 0;
             row < rows && (v->storage == STORAGE_TEXT || v->storage == STORAGE_REFS); row++) {
            bytes += v->bytes[group_row(g, first + row)].size;
            if (bytes > BLOCK_TEXT_MAX && row > 0) {
                rows = row;
                break;
            }
        }
    }
    return rows;
}

/* True when session values ascend in byte order, NULL last: then lookups search the group by halves. */
static bool sessions_ascend(const struct segment_writer *w, const struct group *g)
{
    if (w->table != TABLE_SPANS)
        return false;
    const struct vector *v = batch_vector(g->batch, SPANS_session);
    if (v == NULL)
        return true;
    for (uint32_t i = 1; i < g->rows; i++) {
        uint32_t before = v->codes[group_row(g, i - 1)];
        uint32_t here = v->codes[group_row(g, i)];
        if (before == here || here == 0)
            continue;
        if (before == 0 || slice_compare(v->dict->values[before], v->dict->values[here]) > 0)
            return false;
    }
    return true;
}

static enum status group_check(const struct segment_writer *w, const struct batch *batch,
                               uint32_t rows, struct error *reterr)
{
    ASSERT(batch->table == w->table);
    if (rows > SEGMENT_ROWS_MAX - w->meta.rows)
        return error_set(reterr, STATUS_LIMIT, "%s: more than %u rows in one segment", w->path,
                         SEGMENT_ROWS_MAX);
    if (batch->column_count > SEGMENT_COLUMNS_MAX)
        return error_set(reterr, STATUS_LIMIT, "%s: more than %u columns", w->path,
                         SEGMENT_COLUMNS_MAX);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        ASSERT(batch->columns[i].vector.rows == batch->rows);
        ASSERT(batch->columns[i].vector.storage == batch->columns[i].column->storage);
    }
    return STATUS_OK;
}

static int batch_column_compare(const void *a, const void *b)
{
    const struct batch_column *const *x = a;
    const struct batch_column *const *y = b;
    return writer_column_order((*x)->column, (*y)->column);
}

static void group_init(struct group *g, struct segment_writer *w)
{
    uint32_t count = g->batch->column_count;
    g->columns = mem_alloc(count * sizeof *g->columns);
    g->stored = mem_alloc(count * sizeof *g->stored);
    g->arrival = mem_zero(count, sizeof *g->arrival);
    for (uint32_t i = 0; i < count; i++)
        g->columns[i] = &g->batch->columns[i];
    qsort(g->columns, count, sizeof *g->columns, batch_column_compare);
    for (uint32_t i = 0; i < count; i++) {
        const struct vector *v = &g->columns[i]->vector;
        g->stored[i] = writer_column_for(w, g->columns[i]->column);
        if (v->storage == STORAGE_STR)
            g->arrival[i] = mem_zero(v->dict->count, sizeof(uint32_t));
    }
}

static void group_deinit(struct group *g)
{
    for (uint32_t i = 0; i < g->batch->column_count; i++)
        mem_free(g->arrival[i]);
    mem_free(g->arrival);
    mem_free(g->stored);
    mem_free(g->columns);
}

enum status segment_writer_add_rows(struct segment_writer *w, const struct batch *batch,
                                    const uint32_t *order, uint32_t rows, struct error *reterr)
{
    enum status s = group_check(w, batch, rows, reterr);
    if (s < 0 || rows == 0)
        return s;
    struct group g = {.batch = batch, .order = order, .rows = rows};
    group_init(&g, w);
    w->groups = mem_grow(w->groups, &w->groups_capacity, w->group_count + 1, sizeof *w->groups);
    struct group_info info = {.by_session = sessions_ascend(w, &g)};
    struct buffer scratch = {0};
    struct arena arena = {0};
    for (uint32_t first = 0; first < rows && s >= 0;) {
        struct range r = {.first = first, .rows = block_rows(&g, first), .block = w->block_count};
        if (r.block >= SEGMENT_BLOCKS_MAX) {
            s = error_set(reterr, STATUS_LIMIT, "%s: more than %u blocks", w->path,
                          SEGMENT_BLOCKS_MAX);
            break;
        }
        arena_reset(&arena);
        s = block_write(w, &g, &r, &arena, &scratch, reterr);
        first += r.rows;
        info.blocks++;
    }
    w->groups[w->group_count++] = info;
    buffer_deinit(&scratch);
    arena_deinit(&arena);
    group_deinit(&g);
    return s;
}

enum status segment_writer_add_group(struct segment_writer *w, const struct batch *rows,
                                     struct error *reterr)
{
    return segment_writer_add_rows(w, rows, NULL, rows->rows, reterr);
}
