/*
 * merge.c - merges segments of one table into one, hour by hour.
 *
 * Place:   engine (maintenance) -> [here] -> segment_writer
 * Memory:  the rows of one hour, twice while they are put in order.
 * Rows:    a span that is there twice within an hour (same trace_id and span_id) is kept as it was
 *          committed first. Scores and tags are history: none is dropped.
 * Failure: a damaged block of an input ends the merge; no file is left behind.
 */
#include "engine/compact/merge.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"

/* zstd, where a block needs it. A day file is written once and read for long. */
#define LEVEL_HOUR 3
#define LEVEL_DAY  9

static int64_t hour_of(int64_t time_ns)
{
    return time_ns / NS_PER_HOUR - (time_ns % NS_PER_HOUR != 0 && time_ns < 0);
}

/* ---- what there is to merge ---- */

void merger_column_add(struct merger *m, const struct column *column)
{
    for (uint32_t i = 0; i < m->column_count; i++) {
        if (m->columns[i] == column)
            return;
    }
    size_t count = (size_t)m->column_count + 1;
    m->columns = mem_grow(m->columns, &m->columns_capacity, count, sizeof(const struct column *));
    m->strings = mem_grow(m->strings, &m->strings_capacity, count, sizeof(struct intern *));
    m->batch_columns =
        mem_grow(m->batch_columns, &m->batch_columns_capacity, count, sizeof *m->batch_columns);
    m->strings[m->column_count] = MEM_NEW(struct intern);
    intern_init(m->strings[m->column_count]);
    m->columns[m->column_count++] = column;
}

/* The amendments of one input up to fold_seq. */
struct fold {
    struct merger *merger;
    uint64_t fold_seq;
    struct arena arena;
    struct patch_row *rows;
    size_t capacity;
    uint32_t count;
    bool later; /* there are some beyond */
};

static void fold_look(void *context, uint64_t row, const struct amendment *a)
{
    struct fold *f = context;
    (void)row;
    if (a->seq > f->fold_seq)
        f->later = true;
    else
        merger_column_add(f->merger, a->column);
}

static void fold_copy(void *context, uint64_t row, const struct amendment *a)
{
    struct fold *f = context;
    if (a->seq > f->fold_seq)
        return;
    struct amendment *copy = arena_alloc(&f->arena, sizeof *copy);
    *copy = *a;
    copy->bytes = arena_copy(&f->arena, a->bytes);
    f->rows = mem_grow(f->rows, &f->capacity, (size_t)f->count + 1, sizeof *f->rows);
    f->rows[f->count++] = (struct patch_row){.row = row, .amendment = copy};
}

/* A reference to the set, or to a smaller one when some amendments are too late to be folded. */
static struct patch_set *patches_fold(struct merger *m, struct patch_set *all, uint64_t fold_seq)
{
    struct fold f = {.merger = m, .fold_seq = fold_seq};
    struct patch_set *folded = NULL;
    if (all == NULL)
        return NULL;
    patch_set_each(all, fold_look, &f);
    if (!f.later)
        return patch_set_ref(all);
    patch_set_each(all, fold_copy, &f);
    if (f.count > 0)
        folded = patch_set_extend(NULL, f.rows, f.count);
    mem_free(f.rows);
    arena_deinit(&f.arena);
    return folded;
}

static void hour_note(struct merger *m, int64_t hour)
{
    if (m->hour_count > 0 && m->hours[m->hour_count - 1] == hour)
        return;
    m->hours = mem_grow(m->hours, &m->hours_capacity, (size_t)m->hour_count + 1, sizeof *m->hours);
    m->hours[m->hour_count++] = hour;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool block_in_one_hour(const struct segment *s, uint32_t block, int64_t *ret_first,
                              int64_t *ret_last)
{
    int64_t min_ns;
    int64_t max_ns;
    segment_block_time(s, block, &min_ns, &max_ns);
    *ret_first = hour_of(min_ns);
    *ret_last = hour_of(max_ns);
    return *ret_first == *ret_last;
}

static enum status times_read(struct segment *s, uint32_t block, struct arena *arena,
                              struct vector *ret, struct error *reterr)
{
    int index = segment_column_index(s, table_column(segment_meta(s)->table, SPANS_time));
    if (index < 0)
        return corrupt(reterr, segment_path(s), 0, "a segment without times");
    return segment_block_read(s, index, block, arena, ret, reterr);
}

/* Writers keep blocks within an hour; one that is not is looked at row by row. */
static enum status hours_collect(struct merger *m, struct segment *s, struct error *reterr)
{
    enum status status = STATUS_OK;
    for (uint32_t b = 0; b < segment_block_count(s) && status == STATUS_OK; b++) {
        struct arena arena = {0};
        struct vector times;
        int64_t first;
        int64_t last;
        if (block_in_one_hour(s, b, &first, &last)) {
            hour_note(m, first);
            continue;
        }
        status = times_read(s, b, &arena, &times, reterr);
        for (uint32_t i = 0; status == STATUS_OK && i < times.rows; i++)
            hour_note(m, hour_of(times.i64[i]));
        arena_deinit(&arena);
    }
    return status;
}

enum status merger_begin(struct merger *m, const struct merge_input *inputs, uint32_t count,
                         uint64_t fold_seq, struct error *reterr)
{
    m->sources = mem_zero((size_t)count + 1, sizeof *m->sources);
    for (uint32_t i = 0; i < count; i++) {
        struct segment *s = inputs[i].segment;
        struct merge_source *source = &m->sources[m->source_count++];
        uint32_t blocks = segment_block_count(s);
        source->segment = s;
        source->patches = patches_fold(m, inputs[i].patches, fold_seq);
        source->block_bytes = segment_meta(s)->bytes / (blocks == 0 ? 1 : blocks);
        for (uint32_t c = 0; c < segment_column_count(s); c++)
            merger_column_add(m, segment_column(s, c));
        enum status status = hours_collect(m, s, reterr);
        if (status < 0)
            return status;
    }
    if (m->hour_count > 0)
        qsort(m->hours, m->hour_count, sizeof *m->hours, by_value);
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < m->hour_count; i++) {
        if (distinct == 0 || m->hours[distinct - 1] != m->hours[i])
            m->hours[distinct++] = m->hours[i];
    }
    m->hour_count = distinct;
    return STATUS_OK;
}

void merger_end(struct merger *m)
{
    for (uint32_t i = 0; i < m->source_count; i++)
        patch_set_unref(m->sources[i].patches);
    for (uint32_t i = 0; i < m->column_count; i++) {
        intern_deinit(m->strings[i]);
        mem_free(m->strings[i]);
    }
    segment_writer_close(m->writer);
    mem_free(m->sources);
    mem_free(m->columns);
    mem_free(m->hours);
    mem_free(m->strings);
    mem_free(m->batch_columns);
}

/* ---- one hour ---- */

static void piece_add(struct merge_group *g, struct merge_piece piece)
{
    g->pieces =
        mem_grow(g->pieces, &g->pieces_capacity, (size_t)g->piece_count + 1, sizeof *g->pieces);
    g->pieces[g->piece_count++] = piece;
    g->rows += piece.rows;
}

/* The rows of one hour in a block that has several. */
static enum status block_pick(struct segment *s, uint32_t block, int64_t hour, struct arena *arena,
                              struct merge_piece *piece, struct error *reterr)
{
    struct vector times;
    enum status status = times_read(s, block, arena, &times, reterr);
    if (status < 0)
        return status;
    uint32_t *pick = ARENA_ARRAY(arena, uint32_t, times.rows);
    piece->rows = 0;
    for (uint32_t i = 0; i < times.rows; i++) {
        if (hour_of(times.i64[i]) == hour)
            pick[piece->rows++] = i;
    }
    piece->pick = pick;
    return STATUS_OK;
}

enum status merger_group_find(struct merger *m, struct merge_group *g, struct arena *arena,
                              struct error *reterr)
{
    g->piece_count = 0;
    g->rows = 0;
    for (uint32_t i = 0; i < m->source_count; i++) {
        struct segment *s = m->sources[i].segment;
        for (uint32_t b = 0; b < segment_block_count(s); b++) {
            struct merge_piece piece = {.input = i, .block = b, .rows = segment_block_rows(s, b)};
            int64_t first;
            int64_t last;
            bool whole = block_in_one_hour(s, b, &first, &last);
            if (g->hour < first || g->hour > last)
                continue;
            if (!whole) {
                enum status status = block_pick(s, b, g->hour, arena, &piece, reterr);
                if (status < 0)
                    return status;
            }
            if (piece.rows > SEGMENT_ROWS_MAX - g->rows)
                return error_set(reterr, STATUS_LIMIT, "a merge of more than %u rows of one hour",
                                 SEGMENT_ROWS_MAX);
            if (piece.rows > 0)
                piece_add(g, piece);
        }
    }
    return STATUS_OK;
}

static bool column_is_key(const struct merger *m, const struct column *column)
{
    if (column->id == SPANS_time || column->id == SPANS_seq)
        return true;
    return m->table == TABLE_SPANS && (column->id == SPANS_session ||
                                       column->id == SPANS_trace_id || column->id == SPANS_span_id);
}

/* Throttling and cancelling: one call a column, with its share of the file bytes. */
static enum status merger_wait(struct merger *m, const struct merge_group *g, struct error *reterr)
{
    uint64_t bytes = 0;
    if (m->wait == NULL)
        return STATUS_OK;
    for (uint32_t i = 0; i < g->piece_count; i++)
        bytes += m->sources[g->pieces[i].input].block_bytes;
    if (m->wait(m->context, bytes / m->column_count))
        return STATUS_OK;
    return error_set(reterr, STATUS_CANCELLED, "the merge was cancelled");
}

static enum status keys_read(struct merger *m, const struct merge_group *g, struct batch *keys,
                             struct arena *arena, struct error *reterr)
{
    for (uint32_t i = 0; i < m->column_count; i++) {
        struct vector v;
        bool any;
        if (!column_is_key(m, m->columns[i]))
            continue;
        intern_reset(m->strings[i]);
        enum status s =
            merge_column_read(m->sources, g, m->columns[i], m->strings[i], arena, &v, &any, reterr);
        if (s < 0)
            return s;
        keys->columns[keys->column_count++] =
            (struct batch_column){.column = m->columns[i], .vector = v};
    }
    return STATUS_OK;
}

/* What tells spans apart. */
struct identity {
    const struct id128 *trace_id;
    const uint64_t *span_id;
    const int64_t *seq; /* may be NULL */
};

static uint64_t identity_hash(const struct identity *id, uint32_t row)
{
    return hash_mix(id128_hash(id->trace_id[row]) ^ hash_mix(id->span_id[row]));
}

static bool identity_equal(const struct identity *id, uint32_t a, uint32_t b)
{
    return id->span_id[a] == id->span_id[b] && id128_equal(id->trace_id[a], id->trace_id[b]);
}

/* Marks all but the first committed row of each span. Returns how many it marked. */
static uint32_t duplicates_mark(const struct identity *id, uint32_t rows, uint8_t *drop)
{
    uint32_t mask = 15;
    uint32_t marked = 0;
    while (mask < rows)
        mask = mask * 2 + 1;
    mask = mask * 2 + 1;
    uint32_t *table = mem_zero((size_t)mask + 1, sizeof *table); /* row + 1 */
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t slot = (uint32_t)identity_hash(id, row) & mask;
        while (table[slot] != 0 && !identity_equal(id, table[slot] - 1, row))
            slot = (slot + 1) & mask;
        uint32_t other = table[slot] - 1;
        if (table[slot] == 0) {
            table[slot] = row + 1;
        } else if (id->seq != NULL && id->seq[row] < id->seq[other]) {
            drop[other] = 1;
            table[slot] = row + 1;
            marked++;
        } else {
            drop[row] = 1;
            marked++;
        }
    }
    mem_free(table);
    return marked;
}

/* The order of the output: clustered, without duplicates. Returns how many rows are left. */
static uint32_t rows_order(const struct batch *keys, uint32_t *order, struct arena *arena)
{
    const struct vector *seq = batch_vector(keys, SPANS_seq);
    rows_cluster(keys, order);
    if (keys->table != TABLE_SPANS)
        return keys->rows;
    const struct vector *trace_id = batch_vector(keys, SPANS_trace_id);
    const struct vector *span_id = batch_vector(keys, SPANS_span_id);
    if (trace_id == NULL || span_id == NULL)
        return keys->rows;
    uint8_t *drop = arena_zero(arena, keys->rows, 1);
    struct identity id = {.trace_id = trace_id->id128,
                          .span_id = span_id->id64,
                          .seq = seq == NULL ? NULL : seq->i64};
    if (duplicates_mark(&id, keys->rows, drop) == 0)
        return keys->rows;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < keys->rows; i++) {
        if (drop[order[i]] == 0)
            order[kept++] = order[i];
    }
    return kept;
}

/* Reads column after column, puts it in order and keeps only that. */
static enum status columns_read(struct merger *m, const struct merge_group *g,
                                const uint32_t *order, struct batch *out, struct arena *arena,
                                struct error *reterr)
{
    struct arena scratch = {0};
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < m->column_count && s == STATUS_OK; i++) {
        const struct column *column = m->columns[i];
        bool borrows = column->storage == STORAGE_TEXT || column->storage == STORAGE_REFS;
        struct vector v;
        bool any;
        if ((s = merger_wait(m, g, reterr)) < 0)
            break;
        intern_reset(m->strings[i]);
        s = merge_column_read(m->sources, g, column, m->strings[i], borrows ? arena : &scratch, &v,
                              &any, reterr);
        if (s == STATUS_OK && any) {
            v = vector_gather(&v, order, out->rows, arena);
            if (column->storage == STORAGE_STR) {
                struct dict *dict = ARENA_NEW(arena, struct dict);
                *dict = *v.dict;
                v.dict = dict;
            }
            out->columns[out->column_count++] =
                (struct batch_column){.column = column, .vector = v};
        }
        arena_reset(&scratch);
    }
    arena_deinit(&scratch);
    return s;
}

enum status merger_group_write(struct merger *m, struct merge_group *g, struct error *reterr)
{
    struct arena key_arena = {0};
    struct arena arena = {0};
    struct batch keys = {.table = m->table, .columns = m->batch_columns, .rows = g->rows};
    struct batch out = {.table = m->table, .columns = m->batch_columns};
    enum status s = keys_read(m, g, &keys, &key_arena, reterr);
    if (s < 0)
        goto out;
    uint32_t *order = ARENA_ARRAY(&arena, uint32_t, g->rows);
    out.rows = rows_order(&keys, order, &key_arena);
    arena_deinit(&key_arena);
    if ((s = columns_read(m, g, order, &out, &arena, reterr)) < 0)
        goto out;
    s = segment_writer_add_group(m->writer, &out, reterr);
out:
    arena_deinit(&key_arena);
    arena_deinit(&arena);
    return s;
}

enum status merger_open(struct merger *m, struct io *io, const char *path, enum segment_tier tier,
                        uint64_t fold_seq, struct error *reterr)
{
    return segment_writer_open(io, path, m->table, tier, fold_seq,
                               tier == TIER_DAY ? LEVEL_DAY : LEVEL_HOUR, &m->writer, reterr);
}

static enum status group_merge(struct merger *m, struct merge_group *g, struct error *reterr)
{
    struct arena arena = {0};
    enum status s = merger_group_find(m, g, &arena, reterr);
    if (s == STATUS_OK)
        s = merger_group_write(m, g, reterr);
    arena_deinit(&arena);
    return s;
}

enum status merge_segments(struct io *io, struct schema *schema, enum table table,
                           const struct merge_input *inputs, uint32_t count, const char *path,
                           enum segment_tier tier, uint64_t fold_seq,
                           bool (*wait)(void *context, uint64_t bytes), void *context,
                           struct segment_meta *ret_meta, struct error *reterr)
{
    struct merger m = {.table = table, .wait = wait, .context = context};
    struct merge_group group = {0};
    (void)schema; /* score columns came into it when the inputs were opened */
    enum status s = merger_begin(&m, inputs, count, fold_seq, reterr);
    if (s == STATUS_OK)
        s = merger_open(&m, io, path, tier, fold_seq, reterr);
    for (uint32_t i = 0; i < m.hour_count && s == STATUS_OK; i++) {
        group.hour = m.hours[i];
        s = group_merge(&m, &group, reterr);
    }
    if (s == STATUS_OK)
        s = segment_writer_finish(m.writer, ret_meta, reterr);
    mem_free(group.pieces);
    merger_end(&m);
    return s;
}
