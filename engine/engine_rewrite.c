/*
 * engine_rewrite.c - changes cells of stored spans: every segment with changed rows is written anew.
 *
 * Order:     seal -> mark the segments in range as busy, so that no merge takes them -> one after the other: ask and write to a
 *            new file, with amendments up to F folded in -> manifest and swap, as after a merge (engine_replace.c).
 * Locks:     while a file is written none is held: ingest, seals, merges of other segments and retention go on. Retention may take a
 *            segment away meanwhile; its new file is then dropped.
 * Failure:   a segment that can't be read stays as it is and the others go on; the first damage is what the call returns.
 * Dry run:   the same questions over a scan, heads included; nothing is sealed or written.
 */
#include "engine/compact/compact.h"
#include "engine/engine_internal.h"
#include "engine/scan/prune.h"

struct rewriter {
    struct engine *engine;
    const struct rewrite *rewrite;
    struct project *project;
    const struct progress *progress;
    struct rewrite_result *result;
    struct scan_input *inputs; /* what is in range, segments and (dry run) heads */
    bool *marked;              /* inputs[i] is busy because of us */
    uint32_t input_count;
    uint64_t bytes_total;
    uint64_t bytes_done;   /* of inputs that are done */
    uint64_t source_bytes; /* of the input at hand, */
    uint64_t source_done;  /* and as far as it is done */
    struct error damage;   /* the first */
};

/* ---- what is in range ---- */

static bool source_in_range(const struct rewriter *w, const struct source *s)
{
    const struct scan_options range = {.from_ns = w->rewrite->from_ns,
                                       .until_ns = w->rewrite->until_ns};
    if (s->head != NULL)
        return w->rewrite->dry_run;
    return !prune_time(&range, s->meta.time_min_ns, s->meta.time_max_ns);
}

static void inputs_take(struct rewriter *w, bool mark)
{
    struct engine *e = w->engine;
    const struct source_list *l = &w->project->tables[TABLE_SPANS];
    mutex_lock(&e->state_lock);
    w->inputs = mem_zero(l->count, sizeof *w->inputs);
    w->marked = mem_zero(l->count, sizeof *w->marked);
    for (uint32_t i = 0; i < l->count; i++) {
        struct source *s = l->items[i];
        if (!source_in_range(w, s))
            continue;
        w->marked[w->input_count] = mark && !s->busy;
        s->busy |= mark;
        w->inputs[w->input_count++] =
            (struct scan_input){.source = source_ref(s),
                                .patches = patch_set_ref(s->patches),
                                .watermark = s->head == NULL ? 0 : head_published(s->head)};
        w->bytes_total += s->meta.bytes;
    }
    mutex_unlock(&e->state_lock);
}

/* Lets go of an input as soon as it is done, so that what was replaced leaves the disk. */
static void input_release(struct rewriter *w, uint32_t index)
{
    struct scan_input *in = &w->inputs[index];
    if (in->source == NULL)
        return;
    mutex_lock(&w->engine->state_lock);
    in->source->busy &= !w->marked[index];
    mutex_unlock(&w->engine->state_lock);
    scan_input_deinit(in);
}

static void inputs_release(struct rewriter *w)
{
    for (uint32_t i = 0; i < w->input_count; i++)
        input_release(w, i);
    mem_free(w->inputs);
    mem_free(w->marked);
}

/* Called between columns and blocks. False cancels. */
static bool go_on(void *context, uint64_t bytes)
{
    struct rewriter *w = context;
    w->source_done += bytes;
    if (w->source_done > w->source_bytes)
        w->source_done = w->source_bytes;
    double total = w->bytes_total == 0 ? 1 : (double)w->bytes_total;
    double done = (double)(w->bytes_done + w->source_done);
    return w->progress == NULL ||
           w->progress->report(w->progress->context, done / total, "rewriting");
}

/* Damage of one segment is kept for the end; everything else ends the rewrite. */
static enum status damage_note(struct rewriter *w, enum status s, const struct error *error,
                               struct error *reterr)
{
    if (s >= 0)
        return STATUS_OK;
    if (s != STATUS_CORRUPT) {
        if (reterr != NULL)
            *reterr = *error;
        return s;
    }
    if (w->damage.status == STATUS_OK)
        w->damage = *error;
    engine_log(w->engine, "error", "rewrite: %s; the segment is left as it is", error->text);
    return STATUS_OK;
}

/* ---- one segment ---- */

static enum status edit_ask(void *context, uint32_t rows, const struct vector *vectors,
                            struct arena *arena, struct batch_column *ret_columns,
                            uint32_t *ret_count, uint64_t *ret_changed, struct error *reterr)
{
    const struct rewriter *w = context;
    const struct rewrite_rows in = {.rows = rows, .vectors = vectors};
    return w->rewrite->edit(w->rewrite->context, &in, arena, ret_columns, ret_count, ret_changed,
                            reterr);
}

/* Amendments of the moment, and up to which commit they are complete. */
static uint64_t patches_refresh(struct rewriter *w, struct scan_input *in)
{
    mutex_lock(&w->engine->state_lock);
    struct patch_set *old = in->patches;
    in->patches = patch_set_ref(in->source->patches);
    uint64_t seq = w->engine->published_seq;
    mutex_unlock(&w->engine->state_lock);
    patch_set_unref(old);
    return seq;
}

/* False: retention took the old segment, and the new one is of no use. */
static enum status source_publish(struct rewriter *w, struct scan_input *in, struct source *output,
                                  uint64_t fold_seq, bool *ret_done, struct error *reterr)
{
    struct engine *e = w->engine;
    const struct replacement r = {.project = w->project,
                                  .table = TABLE_SPANS,
                                  .inputs = &in->source,
                                  .input_count = 1,
                                  .output = output,
                                  .fold_seq = fold_seq};
    enum status s = STATUS_OK;
    compact_lock_now(e);
    *ret_done = !atomic_load(&in->source->dropped);
    if (*ret_done && e->options.defect_delete_before_manifest)
        (void)!io_unlink(e->io, in->source->path, NULL);
    if (*ret_done)
        s = replacement_tell(e, &r, reterr);
    if (*ret_done && s >= 0)
        replacement_swap(e, &r);
    mutex_unlock(&e->compact_lock);
    if (!*ret_done)
        source_drop(output);
    if (!*ret_done || s < 0)
        source_unref(output);
    return s;
}

static enum status source_write(struct rewriter *w, struct scan_input *in, struct merge_edit *edit,
                                struct error *reterr)
{
    struct engine *e = w->engine;
    char path[MANIFEST_PATH_BYTES];
    struct segment_meta meta;
    struct source *output;
    bool done;
    const struct error *doubt = atomic_load(&in->source->doubt);
    if (in->source->segment == NULL)
        return error_set(reterr, in->source->damage->status, "%s", in->source->damage->text);
    if (doubt != NULL)
        return error_set(reterr, doubt->status, "%s", doubt->text);
    uint64_t fold_seq = patches_refresh(w, in);
    uint64_t number = engine_next_number(e);
    const struct merge_input input = {.segment = in->source->segment, .patches = in->patches};
    manifest_segment_path(w->project->number, number, path);
    enum status s = merge_edited(e->io, &input, path, fold_seq, edit, go_on, w, &meta, reterr);
    if (s != STATUS_OK)
        return s;
    if ((s = segment_register(e, w->project, number, &meta, &output, reterr)) < 0)
        return s;
    if ((s = source_publish(w, in, output, fold_seq, &done, reterr)) < 0 || !done)
        return s;
    w->result->rewritten++;
    w->result->bytes_in += in->source->meta.bytes;
    w->result->bytes_out += meta.bytes;
    return STATUS_OK;
}

static enum status source_rewrite(struct rewriter *w, struct scan_input *in, struct error *reterr)
{
    struct merge_edit edit = {.read = w->rewrite->read,
                              .read_count = w->rewrite->read_count,
                              .from_ns = w->rewrite->from_ns,
                              .until_ns = w->rewrite->until_ns,
                              .edit = edit_ask,
                              .context = w};
    enum status s = source_write(w, in, &edit, reterr);
    if (s < 0)
        return s;
    w->result->rows += edit.rows;
    w->result->changed += edit.changed;
    return STATUS_OK;
}

/* ---- dry run ---- */

static uint32_t rows_in_range(const struct rewrite *r, const struct vector *times)
{
    uint32_t count = 0;
    if (r->from_ns == 0 && r->until_ns == 0)
        return times->rows;
    for (uint32_t i = 0; i < times->rows; i++)
        count += times->i64[i] >= r->from_ns && times->i64[i] < r->until_ns;
    return count;
}

static enum status batch_ask(struct rewriter *w, const struct scan_batch *batch, bool *ret_changes,
                             struct error *reterr)
{
    struct arena arena = {0};
    struct batch_column columns[MERGE_EDIT_COLUMNS_MAX];
    uint32_t column_count = 0;
    uint64_t changed = 0;
    uint32_t rows = rows_in_range(w->rewrite, &batch->vectors[w->rewrite->read_count]);
    enum status s = STATUS_OK;
    if (rows > 0)
        s = edit_ask(w, batch->rows, batch->vectors, &arena, columns, &column_count, &changed,
                     reterr);
    w->result->rows += rows;
    w->result->changed += changed;
    *ret_changes |= column_count > 0;
    arena_deinit(&arena);
    return s;
}

/* Takes the input over. */
static enum status source_ask(struct rewriter *w, struct scan_input *own_in, struct error *reterr)
{
    const struct rewrite *r = w->rewrite;
    const struct column **columns = mem_alloc(sizeof(struct column *) * (r->read_count + 1));
    for (uint32_t i = 0; i < r->read_count; i++)
        columns[i] = r->read[i];
    columns[r->read_count] = table_column(TABLE_SPANS, SPANS_time);
    const struct scan_options options = {.project = r->project,
                                         .table = TABLE_SPANS,
                                         .from_ns = r->from_ns,
                                         .until_ns = r->until_ns,
                                         .columns = columns,
                                         .column_count = r->read_count + 1};
    uint64_t bytes = own_in->source->meta.bytes;
    bool changes = false;
    struct scan *scan;
    enum status s = scan_create(&options, own_in, 1, 0, 0, &scan, reterr);
    *own_in = (struct scan_input){0};
    mem_free(columns);
    if (s < 0)
        return s;
    struct scan_reader *reader = scan_reader_create(scan);
    struct scan_batch batch;
    while (s >= 0 && (s = scan_next(reader, &batch, reterr)) == STATUS_OK) {
        s = batch_ask(w, &batch, &changes, reterr);
        if (s >= 0 && !go_on(w, 0))
            s = error_set(reterr, STATUS_CANCELLED, "the rewrite was cancelled");
    }
    scan_reader_destroy(reader);
    const struct error *damage = scan_damage(scan);
    if (s >= 0 && damage != NULL)
        s = error_set(reterr, damage->status, "%s", damage->text);
    scan_close(scan);
    if (changes) {
        w->result->rewritten++;
        w->result->bytes_in += bytes;
    }
    return s < 0 ? s : STATUS_OK;
}

/* ---- all of it ---- */

static enum status inputs_run(struct rewriter *w, struct error *reterr)
{
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < w->input_count && s >= 0; i++) {
        struct error error = {0};
        struct scan_input *in = &w->inputs[i];
        w->result->segments += in->source->head == NULL;
        w->source_bytes = in->source->meta.bytes;
        w->source_done = 0;
        s = w->rewrite->dry_run ? source_ask(w, in, &error) : source_rewrite(w, in, &error);
        s = damage_note(w, s, &error, reterr);
        input_release(w, i);
        w->bytes_done += w->source_bytes;
    }
    if (s >= 0 && w->damage.status != STATUS_OK) {
        s = w->damage.status;
        if (reterr != NULL)
            *reterr = w->damage;
    }
    return s;
}

static enum status rewrite_begin(struct engine *e, struct error *reterr)
{
    mutex_lock(&e->state_lock);
    bool other = e->rewriting;
    e->rewriting = true;
    mutex_unlock(&e->state_lock);
    if (other)
        return error_set(reterr, STATUS_BUSY,
                         "history is being rewritten already; try again when that is done");
    return STATUS_OK;
}

static void rewrite_end(struct engine *e)
{
    mutex_lock(&e->state_lock);
    e->rewriting = false;
    mutex_unlock(&e->state_lock);
}

static enum status rewrite(struct rewriter *w, struct error *reterr)
{
    struct engine *e = w->engine;
    if (w->rewrite->dry_run) {
        inputs_take(w, false);
        return inputs_run(w, reterr);
    }
    enum status s = rewrite_begin(e, reterr);
    if (s < 0)
        return s;
    if ((s = engine_seal(e, reterr)) >= 0) {
        /* No merge is under way while the marks are set. */
        compact_lock_now(e);
        inputs_take(w, true);
        mutex_unlock(&e->compact_lock);
        s = inputs_run(w, reterr);
    }
    rewrite_end(e);
    return s;
}

enum status engine_rewrite(struct engine *e, const struct rewrite *r,
                           const struct progress *progress, struct rewrite_result *ret,
                           struct error *reterr)
{
    struct rewrite_result result = {0};
    struct rewriter w = {.engine = e, .rewrite = r, .progress = progress, .result = &result};
    if (e->wal == NULL && !r->dry_run)
        return error_set(reterr, STATUS_READ_ONLY, "the store was opened read-only");
    if (r->until_ns < r->from_ns)
        return error_set(reterr, STATUS_INVALID, "rewrite: the time range ends before it begins");
    if ((w.project = engine_find_project(e, r->project, reterr)) == NULL)
        return STATUS_NOT_FOUND;
    enum status s = rewrite(&w, reterr);
    inputs_release(&w);
    *ret = result;
    return s < 0 ? s : STATUS_OK;
}
