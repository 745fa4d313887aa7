/*
 * merge_edit.c - writes one segment anew with some of its cells replaced.
 *
 * Place:   engine (rewrite) -> [here] -> merge.c -> segment_writer
 * Order:   hour by hour: the edit is asked block by block, then the hour is written. Until an hour
 *          changes nothing is written; hours before it then follow as they are. So every block is
 *          asked once, and a file that stays the same costs only the columns the edit reads.
 * Memory:  the rows of one hour, as in a merge, and the cells that replace its own.
 * Failure: a damaged block or a failing edit ends it; no file is left behind.
 */
#include "engine/base/check.h"
#include "engine/compact/merge.h"

struct editor {
    struct merger merger;
    struct merge_edit *edit;
    struct merge_overlay *overlays; /* of the group at hand */
    size_t overlays_capacity;
    uint32_t overlay_count;
};

bool merge_edit_is_fixed(enum table table, const struct column *column)
{
    if (column->id == SPANS_time || column->id == SPANS_trace_id || column->id == SPANS_span_id ||
        column->id == SPANS_seq)
        return true;
    return table == TABLE_SPANS && (column->id == SPANS_parent_id || column->id == SPANS_session);
}

static void overlays_reset(struct editor *ed)
{
    for (uint32_t i = 0; i < ed->overlay_count; i++)
        arena_deinit(&ed->overlays[i].arena);
    ed->overlay_count = 0;
}

static bool is_everything(const struct merge_edit *edit)
{
    return edit->from_ns == 0 && edit->until_ns == 0;
}

/* Rows of the piece that lie in the range. */
static enum status rows_in_range(struct editor *ed, const struct merge_source *source,
                                 const struct merge_piece *piece, struct arena *arena,
                                 uint32_t *ret, struct error *reterr)
{
    const struct merge_edit *edit = ed->edit;
    int64_t min_ns;
    int64_t max_ns;
    struct vector times;
    bool any;
    segment_block_time(source->segment, piece->block, &min_ns, &max_ns);
    *ret = 0;
    if (is_everything(edit) || (min_ns >= edit->from_ns && max_ns < edit->until_ns)) {
        *ret = piece->rows;
        return STATUS_OK;
    }
    if (max_ns < edit->from_ns || min_ns >= edit->until_ns)
        return STATUS_OK;
    enum status s =
        merge_block_read(source, piece->block, table_column(ed->merger.table, SPANS_time), arena,
                         &times, &any, reterr);
    for (uint32_t i = 0; s == STATUS_OK && any && i < piece->rows; i++) {
        int64_t time_ns = times.i64[piece->pick == NULL ? i : piece->pick[i]];
        *ret += time_ns >= edit->from_ns && time_ns < edit->until_ns;
    }
    return s;
}

static enum status columns_check(struct editor *ed, const struct batch_column *columns,
                                 uint32_t count, uint32_t rows, struct error *reterr)
{
    ASSERT(count <= MERGE_EDIT_COLUMNS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (merge_edit_is_fixed(ed->merger.table, columns[i].column))
            return error_set(reterr, STATUS_INVALID, "%s of stored rows can't be changed",
                             columns[i].column->name);
        ASSERT(columns[i].vector.rows == rows);
        ASSERT(columns[i].vector.storage == columns[i].column->storage);
    }
    return STATUS_OK;
}

/* What the edit reads of a piece. */
static enum status vectors_read(struct editor *ed, const struct merge_source *source,
                                const struct merge_piece *piece, struct arena *arena,
                                struct vector *vectors, struct error *reterr)
{
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < ed->edit->read_count && s == STATUS_OK; i++) {
        const struct column *column = ed->edit->read[i];
        bool any = true;
        s = merge_block_read(source, piece->block, column, arena, &vectors[i], &any, reterr);
        if (s < 0)
            break;
        if (!any)
            vectors[i] = vector_null(column->storage, piece->rows, arena);
        else if (piece->pick != NULL)
            vectors[i] = vector_gather(&vectors[i], piece->pick, piece->rows, arena);
    }
    return s;
}

/* Asks for the cells of one piece; an overlay without columns is no change. */
static enum status piece_ask(struct editor *ed, const struct merge_piece *piece,
                             struct merge_overlay *ret, struct error *reterr)
{
    const struct merge_source *source = &ed->merger.sources[piece->input];
    struct batch_column columns[MERGE_EDIT_COLUMNS_MAX];
    uint32_t in_range;
    uint32_t count = 0;
    uint64_t changed = 0;
    enum status s = rows_in_range(ed, source, piece, &ret->arena, &in_range, reterr);
    if (s < 0 || in_range == 0)
        return s;
    struct vector *vectors = ARENA_ARRAY(&ret->arena, struct vector, ed->edit->read_count);
    if ((s = vectors_read(ed, source, piece, &ret->arena, vectors, reterr)) < 0)
        return s;
    s = ed->edit->edit(ed->edit->context, piece->rows, vectors, &ret->arena, columns, &count,
                       &changed, reterr);
    if (s < 0)
        return s;
    if ((s = columns_check(ed, columns, count, piece->rows, reterr)) < 0)
        return s;
    ed->edit->rows += in_range;
    ed->edit->changed += changed;
    ret->columns = ARENA_ARRAY(&ret->arena, struct batch_column, count);
    bytes_copy(ret->columns, columns, count * sizeof *columns);
    ret->column_count = count;
    for (uint32_t i = 0; i < count; i++)
        merger_column_add(&ed->merger, columns[i].column);
    return STATUS_OK;
}

/* Asks about every piece of the group. */
static enum status group_ask(struct editor *ed, const struct merge_group *g, bool *ret_any,
                             struct error *reterr)
{
    struct merger *m = &ed->merger;
    *ret_any = false;
    ed->overlays =
        mem_grow(ed->overlays, &ed->overlays_capacity, g->piece_count, sizeof *ed->overlays);
    for (uint32_t i = 0; i < g->piece_count; i++) {
        struct merge_overlay *overlay = &ed->overlays[ed->overlay_count++];
        *overlay = (struct merge_overlay){0};
        enum status s = piece_ask(ed, &g->pieces[i], overlay, reterr);
        if (s < 0)
            return s;
        if (overlay->column_count == 0)
            arena_deinit(&overlay->arena);
        *ret_any |= overlay->column_count > 0;
        if (m->wait != NULL && !m->wait(m->context, 0))
            return error_set(reterr, STATUS_CANCELLED, "the rewrite was cancelled");
    }
    return STATUS_OK;
}

static enum status group_write(struct editor *ed, struct merge_group *g, bool edited,
                               struct error *reterr)
{
    g->overlays = edited ? ed->overlays : NULL;
    enum status s = merger_group_write(&ed->merger, g, reterr);
    g->overlays = NULL;
    return s;
}

/* The hours before the first that changes, as they are. */
static enum status groups_copy(struct editor *ed, uint32_t hours, struct error *reterr)
{
    struct merge_group group = {0};
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < hours && s == STATUS_OK; i++) {
        struct arena arena = {0};
        group.hour = ed->merger.hours[i];
        s = merger_group_find(&ed->merger, &group, &arena, reterr);
        if (s == STATUS_OK)
            s = group_write(ed, &group, false, reterr);
        arena_deinit(&arena);
    }
    mem_free(group.pieces);
    return s;
}

enum status merge_edited(struct io *io, const struct merge_input *input, const char *path,
                         uint64_t fold_seq, struct merge_edit *edit,
                         bool (*wait)(void *context, uint64_t bytes), void *context,
                         struct segment_meta *ret_meta, struct error *reterr)
{
    const struct segment_meta *meta = segment_meta(input->segment);
    struct editor ed = {.edit = edit,
                        .merger = {.table = meta->table, .wait = wait, .context = context}};
    struct merger *m = &ed.merger;
    struct merge_group group = {0};
    enum status s = merger_begin(m, input, 1, fold_seq, reterr);
    for (uint32_t i = 0; i < m->hour_count && s == STATUS_OK; i++) {
        struct arena arena = {0};
        bool edited = false;
        group.hour = m->hours[i];
        s = merger_group_find(m, &group, &arena, reterr);
        if (s == STATUS_OK)
            s = group_ask(&ed, &group, &edited, reterr);
        if (s == STATUS_OK && edited && m->writer == NULL) {
            s = merger_open(m, io, path, meta->tier, fold_seq, reterr);
            if (s == STATUS_OK)
                s = groups_copy(&ed, i, reterr);
        }
        if (s == STATUS_OK && m->writer != NULL)
            s = group_write(&ed, &group, edited, reterr);
        overlays_reset(&ed);
        arena_deinit(&arena);
    }
    if (s == STATUS_OK)
        s = m->writer == NULL ? STATUS_END : segment_writer_finish(m->writer, ret_meta, reterr);
    mem_free(group.pieces);
    mem_free(ed.overlays);
    merger_end(m);
    return s;
}
