/*
 * engine_seal_write.c - the files of a seal: segments, packs, patch files.
 *
 * Invariant: every file is synced and its directory too before the manifest is told; amendments up to fold_seq are in the
 *            segments, younger ones stay in the sets.
 * Memory:    the rows of one head at a time (seal_rows.c).
 */
#include "engine/base/check.h"
#include "engine/engine_seal.h"
#include "engine/seal_rows.h"

#define SEAL_COMPRESSION 1

/* ---- segments ---- */

static void manifest_of(const struct segment_meta *m, uint32_t project, uint64_t number,
                        struct manifest_segment *ret)
{
    *ret = (struct manifest_segment){
        .number = number,
        .project = project,
        .table = (uint8_t)m->table,
        .tier = (uint8_t)m->tier,
        .rows = m->rows,
        .bytes = m->bytes,
        .time_min_ns = m->time_min_ns,
        .time_max_ns = m->time_max_ns,
        .seq_min = m->seq_min,
        .seq_max = m->seq_max,
        .fold_seq = m->fold_seq,
    };
}

enum status segment_register(struct engine *e, struct project *p, uint64_t number,
                             const struct segment_meta *meta, struct source **ret,
                             struct error *reterr)
{
    struct manifest_segment m;
    manifest_of(meta, p->number, number, &m);
    struct source *s =
        source_create_segment(e->io, &m, &p->schema, e->options.defect_skip_checksum);
    if (s->damage != NULL) {
        /* Just written and unreadable: better to keep what it was made of. */
        enum status status = error_set(reterr, s->damage->status, "%s", s->damage->text);
        source_drop(s);
        source_unref(s);
        return status;
    }
    *ret = s;
    return STATUS_OK;
}

static enum status file_write(struct seal *seal, const struct frozen *f,
                              const struct seal_rows *rows, uint32_t first_group,
                              uint32_t group_count, struct error *reterr)
{
    struct engine *e = seal->engine;
    struct segment_writer *w = NULL;
    struct segment_meta meta;
    char path[MANIFEST_PATH_BYTES];
    uint64_t number = engine_next_number(e);
    manifest_segment_path(f->project->number, number, path);
    enum status s = segment_writer_open(e->io, path, f->source->table, TIER_SEAL, seal->fold_seq,
                                        SEAL_COMPRESSION, &w, reterr);
    for (uint32_t i = 0; i < group_count && s >= 0; i++)
        s = segment_writer_add_group(w, &rows->batches[first_group + i], reterr);
    if (s >= 0)
        s = segment_writer_finish(w, &meta, reterr);
    segment_writer_close(w);
    struct source *source;
    if (s >= 0)
        s = segment_register(e, f->project, number, &meta, &source, reterr);
    if (s < 0)
        return s;
    seal->created = mem_grow(seal->created, &seal->created_capacity,
                             (size_t)seal->created_count + 1, sizeof *seal->created);
    seal->created[seal->created_count++] = source;
    return STATUS_OK;
}

static enum status head_write(struct seal *seal, const struct frozen *f, struct error *reterr)
{
    uint64_t watermark = head_published(f->source->head);
    ASSERT(watermark == head_rows(f->source->head));
    if (watermark == 0)
        return STATUS_OK;
    struct arena arena = {0};
    struct seal_rows rows;
    struct head_view *view = head_view_create(f->source->head, watermark);
    seal_rows_make(view, f->source->head, f->patches, f->source->table, &f->project->schema, &arena,
                   &rows);
    enum status s = STATUS_OK;
    const struct split *split = &rows.split;
    for (uint32_t first = 0, end; first < split->group_count && s >= 0; first = end) {
        for (end = first;
             end < split->group_count && split->groups[end].file == split->groups[first].file;)
            end++;
        s = file_write(seal, f, &rows, first, end - first, reterr);
    }
    seal_rows_deinit(&rows);
    head_view_destroy(view);
    arena_deinit(&arena);
    return s;
}

/* ---- packs ---- */

static enum status packs_write(struct seal *seal, struct error *reterr)
{
    struct engine *e = seal->engine;
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++) {
        struct project *p = e->projects[i];
        struct text_pack_meta meta;
        uint64_t number = engine_next_number(e);
        enum status s = text_seal(p->text, number, seal->up_to_seq, &meta, reterr);
        if (s == STATUS_END)
            continue;
        if (s < 0)
            return s;
        seal->packs = mem_grow(seal->packs, &seal->pack_capacity, (size_t)seal->pack_count + 1,
                               sizeof *seal->packs);
        seal->packs[seal->pack_count++] =
            (struct made_pack){.project = p,
                               .meta = {.number = number,
                                        .project = p->number,
                                        .bytes = meta.bytes,
                                        .messages = meta.messages,
                                        .text_bytes = meta.text_bytes,
                                        .seq_max = meta.seq_max,
                                        .time_max_ns = meta.time_max_ns}};
    }
    return STATUS_OK;
}

/* ---- patch files ---- */

struct amendment_list {
    struct arena *arena;
    uint64_t after_seq;
    uint64_t up_to_seq;
    const struct amendment **items;
    size_t capacity;
    size_t count;
    uint64_t seq_max;
};

static void amendment_collect(void *context, const struct amendment *a)
{
    struct amendment_list *l = context;
    if (a->seq <= l->after_seq || a->seq > l->up_to_seq)
        return;
    struct amendment *copy = arena_alloc(l->arena, sizeof *copy);
    *copy = *a;
    copy->bytes = a->column->storage == STORAGE_STR ? arena_copy(l->arena, a->bytes) : SLICE_EMPTY;
    l->items = mem_grow(l->items, &l->capacity, l->count + 1, sizeof *l->items);
    l->items[l->count++] = copy;
    if (l->seq_max < a->seq)
        l->seq_max = a->seq;
}

static void patch_collect(void *context, uint64_t row, const struct amendment *a)
{
    (void)row;
    amendment_collect(context, a);
}

/* Whatever was amended after it was folded for the last time. The sets are walked outside of the locks. */
static void amendments_collect(struct engine *e, struct project *p, struct amendment_list *l)
{
    const struct source_list *list = &p->tables[TABLE_SPANS];
    struct patch_set **sets = NULL;
    size_t capacity = 0;
    size_t count = 0;
    mutex_lock(&e->write_lock);
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i]->segment == NULL || list->items[i]->patches == NULL)
            continue;
        sets = mem_grow(sets, &capacity, count + 1, sizeof *sets);
        sets[count++] = patch_set_ref(list->items[i]->patches);
    }
    patch_table_each(p->orphans, l->after_seq, amendment_collect, l);
    mutex_unlock(&e->write_lock);
    for (size_t i = 0; i < count; i++) {
        patch_set_each(sets[i], patch_collect, l);
        patch_set_unref(sets[i]);
    }
    mem_free(sets);
}

static enum status patch_write(struct seal *seal, struct project *p, struct error *reterr)
{
    struct engine *e = seal->engine;
    struct arena arena = {0};
    struct amendment_list l = {
        .arena = &arena, .after_seq = p->filed_seq, .up_to_seq = seal->fold_seq};
    struct made_patch made = {.project = p};
    /* A damaged file is never replaced: what it had is not in memory. */
    made.replaces = p->patch_file_count >= PATCH_FILES_MAX && !p->patch_file_damaged;
    if (made.replaces)
        l.after_seq = 0;
    amendments_collect(e, p, &l);
    enum status s = STATUS_OK;
    if (l.count > 0) {
        char path[MANIFEST_PATH_BYTES];
        made.meta = (struct manifest_patch){.number = engine_next_number(e),
                                            .project = p->number,
                                            .rows = l.count,
                                            .seq_max = l.seq_max};
        manifest_patch_path(p->number, made.meta.number, path);
        s = patch_file_write(e->io, path, l.items, (uint32_t)l.count, &made.meta.bytes, reterr);
    }
    if (s >= 0 && (l.count > 0 || made.replaces)) {
        made.replaced_count = made.replaces ? p->patch_file_count : 0;
        made.replaced = ARENA_ARRAY(&seal->arena, struct patch_file, made.replaced_count);
        bytes_copy(made.replaced, p->patch_files, made.replaced_count * sizeof *made.replaced);
        seal->patches = mem_grow(seal->patches, &seal->patch_capacity,
                                 (size_t)seal->patch_count + 1, sizeof *seal->patches);
        seal->patches[seal->patch_count++] = made;
    }
    mem_free(l.items);
    arena_deinit(&arena);
    return s;
}

static enum status patches_write(struct seal *seal, struct error *reterr)
{
    struct engine *e = seal->engine;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < atomic_load(&e->project_count) && s >= 0; i++)
        s = patch_write(seal, e->projects[i], reterr);
    return s;
}

/* ---- all of it ---- */

enum status seal_write(struct seal *seal, struct error *reterr)
{
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < seal->frozen_count && s >= 0; i++)
        s = head_write(seal, &seal->frozen[i], reterr);
    if (s >= 0)
        s = packs_write(seal, reterr);
    if (s >= 0)
        s = patches_write(seal, reterr);
    if (s < 0) {
        for (uint32_t i = 0; i < seal->pack_count; i++)
            text_seal_abort(seal->packs[i].project->text, seal->packs[i].meta.number);
    }
    return s;
}
