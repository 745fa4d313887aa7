/*
 * segment_write.c - takes groups of rows and writes a segment file.
 *
 * Place:     sealed heads and merges -> [here] -> path.tmp -> path
 * Shape:     all columns but STR are encoded as groups arrive. Final dictionary codes follow byte order over the whole file,
 *            so STR codes wait in memory (1, 2 or 4 bytes each) until finish.
 * Failure:   nothing is visible before finish has synced the file, renamed it and synced the directory; any failure leaves
 *            only path.tmp, which close deletes.
 * Threads:   one.
 */
#include "engine/segment/segment_write.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"

static_assert((int)SPANS_time == (int)SCORES_time && (int)SPANS_time == (int)TAGS_time, "one id");
static_assert((int)SPANS_seq == (int)SCORES_seq && (int)SPANS_seq == (int)TAGS_seq, "one id");

#define OUT_BYTES (1u << 20) /* written to the file in pieces of about this size */

enum status segment_writer_open(struct io *io, const char *path, enum table table,
                                enum segment_tier tier, uint64_t fold_seq, int compression_level,
                                struct segment_writer **ret, struct error *reterr)
{
    struct segment_writer *w = MEM_NEW(struct segment_writer);
    size_t size = strlen(path);
    w->io = io;
    w->path = mem_strdup(path);
    w->temporary = mem_alloc(size + sizeof ".tmp");
    memcpy(w->temporary, path, size);
    memcpy(w->temporary + size, ".tmp", sizeof ".tmp");
    w->table = table;
    w->level = compression_level;
    w->meta = (struct segment_meta){.table = table, .tier = tier, .fold_seq = fold_seq};
    enum status s = io_open(io, w->temporary, IO_WRITE | IO_CREATE | IO_TRUNCATE, &w->file, reterr);
    if (s < 0) {
        segment_writer_close(w);
        return s;
    }
    w->exists = true;
    buffer_add(&w->out, SEGMENT_MAGIC, 8);
    put_u32(&w->out, SEGMENT_VERSION);
    put_u32(&w->out, 0);
    *ret = w;
    return STATUS_OK;
}

static void column_destroy(struct writer_column *c)
{
    for (uint32_t i = 0; c->codes != NULL && i < c->blocks; i++)
        mem_free(c->codes[i].codes);
    mem_free(c->codes);
    mem_free(c->block);
    mem_free(c->rank);
    intern_deinit(&c->values);
    mem_free(c);
}

void segment_writer_close(struct segment_writer *w)
{
    if (w == NULL)
        return;
    io_close(w->file);
    /* Nothing can be done about a file that can't be deleted; opening the store sweeps it. */
    if (w->exists && io_unlink(w->io, w->temporary, NULL) < 0)
        w->exists = false;
    for (uint32_t i = 0; i < w->column_count; i++)
        column_destroy(w->columns[i]);
    for (uint32_t i = 0; i < w->block_count; i++)
        mask_set_deinit(&w->blocks[i].masks);
    mem_free(w->columns);
    mem_free(w->blocks);
    mem_free(w->groups);
    mem_free(w->traces);
    buffer_deinit(&w->out);
    mem_free(w->path);
    mem_free(w->temporary);
    mem_free(w);
}

enum status writer_flush(struct segment_writer *w, struct error *reterr)
{
    enum status s =
        io_write(w->file, w->out_start, buffer_slice(&w->out).data, w->out.size, reterr);
    if (s < 0)
        return s;
    w->out_start += w->out.size;
    buffer_reset(&w->out);
    return STATUS_OK;
}

enum status writer_put_part(struct segment_writer *w, struct buffer *bytes, struct part *ret,
                            struct error *reterr)
{
    block_end_put(bytes);
    ret->offset = w->out_start + w->out.size;
    ret->size = bytes->size;
    ret->checksum = hash64(buffer_slice(bytes));
    buffer_add_slice(&w->out, buffer_slice(bytes));
    buffer_reset(bytes);
    return w->out.size < OUT_BYTES ? STATUS_OK : writer_flush(w, reterr);
}

enum status writer_put_block(struct segment_writer *w, struct writer_column *c, uint32_t block,
                             enum encoding encoding, struct buffer *bytes, struct error *reterr)
{
    c->encodings[encoding]++;
    if (encoding == ENCODING_NONE)
        return STATUS_OK;
    struct part part;
    enum status s = writer_put_part(w, bytes, &part, reterr);
    c->block[block].offset = part.offset;
    c->block[block].size = (uint32_t)part.size;
    c->block[block].checksum = part.checksum;
    c->bytes += part.size;
    return s;
}

/* Gives the column block entries up to `blocks`; new ones are all NULL. */
static void column_extend(const struct segment_writer *w, struct writer_column *c, uint32_t blocks)
{
    c->block = mem_grow(c->block, &c->block_capacity, blocks, sizeof *c->block);
    if (c->column->storage == STORAGE_STR)
        c->codes = mem_grow(c->codes, &c->codes_capacity, blocks, sizeof *c->codes);
    for (uint32_t b = c->blocks; b < blocks; b++) {
        c->block[b] = (struct writer_block){.nulls = w->blocks[b].rows};
        if (c->codes != NULL)
            c->codes[b] = (struct code_block){.rows = w->blocks[b].rows};
    }
    c->blocks = blocks;
}

/* The file's column, made when new. */
static struct writer_column *column_for(struct segment_writer *w, const struct column *column)
{
    for (uint32_t i = 0; i < w->column_count; i++) {
        if (w->columns[i]->column == column)
            return w->columns[i];
    }
    struct writer_column *c = MEM_NEW(struct writer_column);
    c->column = column;
    intern_init(&c->values);
    w->columns = mem_grow(w->columns, &w->columns_capacity, w->column_count + 1, sizeof(void *));
    w->columns[w->column_count++] = c;
    return c;
}

/* Fixed columns by id, then score columns by name: the order of the file, whatever the order of the batch. */
static int column_order(const struct column *a, const struct column *b)
{
    bool a_fixed = a->id < COLUMN_DYNAMIC;
    bool b_fixed = b->id < COLUMN_DYNAMIC;
    if (a_fixed != b_fixed)
        return a_fixed ? -1 : 1;
    return a_fixed ? (a->id > b->id) - (a->id < b->id) : strcmp(a->name, b->name);
}

static int batch_column_compare(const void *a, const void *b)
{
    const struct batch_column *const *x = a;
    const struct batch_column *const *y = b;
    return column_order((*x)->column, (*y)->column);
}

/* ---- one block ---- */

/* The rows of the group that make up one block. */
struct range {
    uint32_t first;
    uint32_t rows;
    uint32_t block; /* number in the file */
};

static const uint8_t *valid_from(const struct vector *v, uint32_t first)
{
    return v->valid == NULL ? NULL : v->valid + first;
}

static uint32_t nulls_in(const struct vector *v, const struct range *r)
{
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < r->rows; i++)
        nulls += !vector_has(v, r->first + i);
    return nulls;
}

static void zone_i64(const struct vector *v, const struct range *r, struct writer_block *z)
{
    bool any = false;
    for (uint32_t i = r->first; i < r->first + r->rows; i++) {
        if (v->valid != NULL && !v->valid[i])
            continue;
        z->min = !any || v->i64[i] < z->min ? v->i64[i] : z->min;
        z->max = !any || v->i64[i] > z->max ? v->i64[i] : z->max;
        any = true;
    }
}

static void zone_id64(const struct vector *v, const struct range *r, struct writer_block *z)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (uint32_t i = r->first; i < r->first + r->rows; i++) {
        if (v->valid != NULL && !v->valid[i])
            continue;
        least = v->id64[i] < least ? v->id64[i] : least;
        most = v->id64[i] > most ? v->id64[i] : most;
    }
    z->min = (int64_t)(z->nulls < r->rows ? least : 0);
    z->max = (int64_t)most;
}

/* NaN has no place in an order: a block with one claims every value. */
static void zone_f64(const struct vector *v, const struct range *r, struct writer_block *z)
{
    double least = __builtin_inf();
    double most = -__builtin_inf();
    bool unordered = false;
    for (uint32_t i = r->first; i < r->first + r->rows; i++) {
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
    if (z->nulls == r->rows)
        return;
    memcpy(&z->min, &least, sizeof z->min);
    memcpy(&z->max, &most, sizeof z->max);
}

/* Keeps codes for finish. values: the vector's dictionary code -> arrival code of this file. */
static void codes_keep(struct writer_column *c, const struct vector *v, const struct range *r,
                       const uint32_t *arrival)
{
    struct code_block *b = &c->codes[r->block];
    uint32_t most = 0;
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < r->rows; i++) {
        uint32_t code = arrival[v->codes[r->first + i]];
        most = code > most ? code : most;
        nulls += code == 0;
    }
    c->block[r->block].nulls = nulls;
    b->rows = r->rows;
    b->width = most == 0 ? 0 : most <= UINT8_MAX ? 1 : most <= UINT16_MAX ? 2 : 4;
    b->codes = b->width == 0 ? NULL : mem_alloc((size_t)r->rows * b->width);
    for (uint32_t i = 0; i < r->rows && b->width != 0; i++) {
        uint32_t code = arrival[v->codes[r->first + i]];
        if (b->width == 1)
            ((uint8_t *)b->codes)[i] = (uint8_t)code;
        else if (b->width == 2)
            ((uint16_t *)b->codes)[i] = (uint16_t)code;
        else
            ((uint32_t *)b->codes)[i] = code;
    }
}

static enum encoding vector_put(const struct segment_writer *w, const struct block_writer *bw,
                                const struct batch_column *column, const struct range *r,
                                struct writer_block *z, struct buffer *to)
{
    const struct vector *v = &column->vector;
    const uint8_t *valid = valid_from(v, r->first);
    uint16_t id = column->column->id;
    z->nulls = nulls_in(v, r);
    switch (v->storage) {
    case STORAGE_I64:
        zone_i64(v, r, z);
        return block_put_i64(bw, v->i64 + r->first, valid, id == SPANS_time || id == SPANS_seq, to);
    case STORAGE_F64:
        zone_f64(v, r, z);
        return block_put_f64(bw, v->f64 + r->first, valid, to);
    case STORAGE_ID64:
        zone_id64(v, r, z);
        return block_put_id64(bw, v->id64 + r->first, valid,
                              w->table == TABLE_SPANS && id == SPANS_parent_id, to);
    case STORAGE_ID128:
        return block_put_id128(bw, v->id128 + r->first, valid, to);
    case STORAGE_TEXT:
    case STORAGE_REFS:
        return block_put_bytes(bw, v->bytes + r->first, valid, to);
    case STORAGE_STR:
        break;
    }
    return ENCODING_NONE;
}

/* What is known about a group while its blocks are written. */
struct group {
    const struct batch *rows;
    const struct batch_column **columns; /* in file order */
    uint32_t **arrival;                  /* STR columns: code -> arrival code */
    const struct vector *time;
    const struct vector *trace_id;
    const struct vector *span_id;
    const struct vector *seq;
};

/* Rows where the trace changes, as the masks know them after trace_id was written. */
static uint16_t starts_find(const struct group *g, const struct range *r,
                            const struct mask_set *masks)
{
    if (g->trace_id == NULL)
        return MASK_UNKNOWN;
    struct mask starts = {0};
    for (uint32_t i = 0; i < r->rows; i++) {
        const struct id128 *id = g->trace_id->id128 + r->first + i;
        if (i == 0 || !id128_equal(id[0], id[-1]))
            mask_set(&starts, i);
    }
    return mask_ones(&starts) > r->rows - r->rows / 16 ? (uint16_t)MASK_UNKNOWN
                                                       : mask_set_find(masks, &starts);
}

static void traces_note(struct segment_writer *w, const struct group *g, const struct range *r)
{
    if (w->table != TABLE_SPANS || g->trace_id == NULL)
        return;
    for (uint32_t i = 0; i < r->rows; i++) {
        const struct id128 *id = g->trace_id->id128 + r->first + i;
        if ((i > 0 && id128_equal(id[0], id[-1])) || !vector_has(g->trace_id, r->first + i))
            continue;
        w->traces = mem_grow(w->traces, &w->traces_capacity, w->trace_count + 1, sizeof *w->traces);
        w->traces[w->trace_count++] =
            (struct hash_entry){.hash = hash64(slice_of(id, sizeof *id)), .value = r->block};
    }
}

static void bounds_note(struct segment_writer *w, const struct group *g, const struct range *r)
{
    struct block_info *b = &w->blocks[r->block];
    for (uint32_t i = r->first; i < r->first + r->rows; i++) {
        int64_t t = g->time == NULL ? 0 : g->time->i64[i];
        b->time_min = i == r->first || t < b->time_min ? t : b->time_min;
        b->time_max = i == r->first || t > b->time_max ? t : b->time_max;
        uint64_t seq = g->seq == NULL ? 0 : (uint64_t)g->seq->i64[i];
        bool first = w->meta.rows == 0 && i == r->first;
        w->meta.seq_min = first || seq < w->meta.seq_min ? seq : w->meta.seq_min;
        w->meta.seq_max = first || seq > w->meta.seq_max ? seq : w->meta.seq_max;
    }
    bool first = w->meta.rows == 0;
    w->meta.time_min_ns =
        first || b->time_min < w->meta.time_min_ns ? b->time_min : w->meta.time_min_ns;
    w->meta.time_max_ns =
        first || b->time_max > w->meta.time_max_ns ? b->time_max : w->meta.time_max_ns;
    w->meta.rows += r->rows;
}

static enum status block_write(struct segment_writer *w, const struct group *g,
                               const struct range *r, struct buffer *scratch, struct error *reterr)
{
    w->blocks = mem_grow(w->blocks, &w->blocks_capacity, r->block + 1, sizeof *w->blocks);
    w->blocks[r->block] = (struct block_info){.rows = r->rows, .masks = {.rows = r->rows}};
    w->block_count = r->block + 1;
    bounds_note(w, g, r);
    traces_note(w, g, r);
    struct block_writer bw = {.rows = r->rows,
                              .level = w->level,
                              .masks = &w->blocks[r->block].masks,
                              .starts = MASK_UNKNOWN};
    if (w->table == TABLE_SPANS && g->span_id != NULL && g->span_id->valid == NULL)
        bw.span_id = g->span_id->id64 + r->first;
    /* trace_id goes first: its runs are what other columns lean on. */
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < g->rows->column_count; i++) {
            const struct batch_column *column = g->columns[i];
            if ((&column->vector == g->trace_id) != (pass == 0))
                continue;
            struct writer_column *c = column_for(w, column->column);
            column_extend(w, c, r->block + 1);
            if (column->column->storage == STORAGE_STR) {
                codes_keep(c, &column->vector, r, g->arrival[i]);
                continue;
            }
            bw.time = column->column->id == SPANS_seq && g->time != NULL && g->time->valid == NULL
                          ? g->time->i64 + r->first
                          : NULL;
            enum encoding e = vector_put(w, &bw, column, r, &c->block[r->block], scratch);
            enum status s = writer_put_block(w, c, r->block, e, scratch, reterr);
            if (s < 0)
                return s;
        }
        if (pass == 0)
            bw.starts = starts_find(g, r, bw.masks);
    }
    return STATUS_OK;
}

/* ---- a group ---- */

/* Checks what the file could not hold, naming the column. */
static enum status column_check(const struct batch_column *c, struct error *reterr)
{
    const struct vector *v = &c->vector;
    uint32_t limit = v->storage == STORAGE_REFS ? MESSAGE_REFS_MAX * 16u : TEXT_BYTES_MAX;
    if (v->storage == STORAGE_STR) {
        for (uint32_t code = 1; code < v->dict->count; code++) {
            if (v->dict->values[code].size > STR_BYTES_MAX)
                return error_set(reterr, STATUS_LIMIT, "%s: a value of %zu bytes is above %u",
                                 c->column->name, v->dict->values[code].size, STR_BYTES_MAX);
        }
    }
    if (v->storage != STORAGE_TEXT && v->storage != STORAGE_REFS)
        return STATUS_OK;
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

/* Adds the dictionary values in use and returns code -> arrival code. */
static uint32_t *arrival_map(struct writer_column *c, const struct vector *v)
{
    uint32_t *arrival = mem_zero(v->dict->count, sizeof *arrival);
    for (uint32_t row = 0; row < v->rows; row++) {
        uint32_t code = v->codes[row];
        ASSERT(code < v->dict->count);
        if (code != 0 && arrival[code] == 0)
            arrival[code] = intern_add(&c->values, v->dict->values[code]);
    }
    return arrival;
}

/* Rows of the next block: BLOCK_ROWS, fewer when text would grow too large or the group ends. */
static uint32_t block_rows(const struct group *g, uint32_t first)
{
    uint32_t rows = g->rows->rows - first < BLOCK_ROWS ? g->rows->rows - first : BLOCK_ROWS;
    for (uint32_t i = 0; i < g->rows->column_count; i++) {
        const struct vector *v = &g->columns[i]->vector;
        size_t bytes = 0;
        for (uint32_t row = 0;
             row < rows && (v->storage == STORAGE_TEXT || v->storage == STORAGE_REFS); row++) {
            bytes += v->bytes[first + row].size;
            if (bytes > BLOCK_TEXT_MAX && row > 0) {
                rows = row;
                break;
            }
        }
    }
    return rows;
}

/* True when session values ascend in byte order, NULL last: then lookups search the group by halves. */
static bool sessions_ascend(const struct segment_writer *w, const struct batch *rows)
{
    if (w->table != TABLE_SPANS)
        return false;
    const struct vector *v = batch_vector(rows, SPANS_session);
    if (v == NULL)
        return true;
    for (uint32_t row = 1; row < rows->rows; row++) {
        uint32_t before = v->codes[row - 1];
        uint32_t here = v->codes[row];
        if (before == here || here == 0)
            continue;
        if (before == 0 || slice_compare(v->dict->values[before], v->dict->values[here]) > 0)
            return false;
    }
    return true;
}

static enum status group_check(struct segment_writer *w, const struct batch *rows,
                               struct error *reterr)
{
    ASSERT(rows->table == w->table);
    if (rows->rows > SEGMENT_ROWS_MAX - w->meta.rows)
        return error_set(reterr, STATUS_LIMIT, "%s: more than %u rows in one segment", w->path,
                         SEGMENT_ROWS_MAX);
    if (rows->column_count > SEGMENT_COLUMNS_MAX)
        return error_set(reterr, STATUS_LIMIT, "%s: more than %u columns", w->path,
                         SEGMENT_COLUMNS_MAX);
    for (uint32_t i = 0; i < rows->column_count; i++) {
        ASSERT(rows->columns[i].vector.rows == rows->rows);
        ASSERT(rows->columns[i].vector.storage == rows->columns[i].column->storage);
        enum status s = column_check(&rows->columns[i], reterr);
        if (s < 0)
            return s;
    }
    return STATUS_OK;
}

enum status segment_writer_add_group(struct segment_writer *w, const struct batch *rows,
                                     struct error *reterr)
{
    enum status s = group_check(w, rows, reterr);
    if (s < 0 || rows->rows == 0)
        return s;
    struct group g = {.rows = rows,
                      .time = batch_vector(rows, SPANS_time),
                      .trace_id = batch_vector(rows, SPANS_trace_id),
                      .span_id = batch_vector(rows, SPANS_span_id),
                      .seq = batch_vector(rows, SPANS_seq)};
    g.columns = mem_alloc(rows->column_count * sizeof *g.columns);
    g.arrival = mem_zero(rows->column_count, sizeof *g.arrival);
    for (uint32_t i = 0; i < rows->column_count; i++)
        g.columns[i] = &rows->columns[i];
    qsort(g.columns, rows->column_count, sizeof *g.columns, batch_column_compare);
    for (uint32_t i = 0; i < rows->column_count; i++) {
        if (g.columns[i]->column->storage != STORAGE_STR)
            continue;
        struct writer_column *c = column_for(w, g.columns[i]->column);
        g.arrival[i] = arrival_map(c, &g.columns[i]->vector);
    }
    w->groups = mem_grow(w->groups, &w->groups_capacity, w->group_count + 1, sizeof *w->groups);
    struct group_info info = {.by_session = sessions_ascend(w, rows)};
    struct buffer scratch = {0};
    for (uint32_t first = 0; first < rows->rows && s >= 0;) {
        struct range r = {.first = first, .rows = block_rows(&g, first), .block = w->block_count};
        if (r.block >= SEGMENT_BLOCKS_MAX) {
            s = error_set(reterr, STATUS_LIMIT, "%s: more than %u blocks", w->path,
                          SEGMENT_BLOCKS_MAX);
            break;
        }
        s = block_write(w, &g, &r, &scratch, reterr);
        first += r.rows;
        info.blocks++;
    }
    w->groups[w->group_count++] = info;
    buffer_deinit(&scratch);
    for (uint32_t i = 0; i < rows->column_count; i++)
        mem_free(g.arrival[i]);
    mem_free(g.arrival);
    mem_free(g.columns);
    return s;
}

/* ---- the end ---- */

static int writer_column_compare(const void *a, const void *b)
{
    const struct writer_column *const *x = a;
    const struct writer_column *const *y = b;
    return column_order((*x)->column, (*y)->column);
}

/* Columns that turned out to be all NULL are not stored. */
static void columns_settle(struct segment_writer *w)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->column_count; i++) {
        struct writer_column *c = w->columns[i];
        column_extend(w, c, w->block_count);
        bool any = c->values.count > 1;
        for (uint32_t e = 1; e < ENCODING_COUNT; e++)
            any |= c->encodings[e] != 0;
        if (any)
            w->columns[kept++] = c;
        else
            column_destroy(c);
    }
    w->column_count = kept;
    qsort(w->columns, kept, sizeof(void *), writer_column_compare);
}

static enum status directory_sync(struct segment_writer *w, struct error *reterr)
{
    char *slash = strrchr(w->path, '/');
    if (slash == NULL)
        return io_sync_dir(w->io, "", reterr);
    *slash = 0;
    enum status s = io_sync_dir(w->io, w->path, reterr);
    *slash = '/';
    return s;
}

enum status segment_writer_finish(struct segment_writer *w, struct segment_meta *ret_meta,
                                  struct error *reterr)
{
    enum status s;
    columns_settle(w);
    if ((s = writer_write_rest(w, reterr)) < 0)
        return s;
    if ((s = writer_flush(w, reterr)) < 0)
        return s;
    w->meta.bytes = w->out_start;
    if ((s = io_sync(w->file, reterr)) < 0)
        return s;
    if ((s = io_rename(w->io, w->temporary, w->path, reterr)) < 0)
        return s;
    w->exists = false;
    if ((s = directory_sync(w, reterr)) < 0)
        return s;
    *ret_meta = w->meta;
    return STATUS_OK;
}
