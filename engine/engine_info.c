/*
 * engine_info.c - looking at a running store: segments, text, health, and a full check of its files.
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine/engine_internal.h"

/* ---- the manifest, told through one place ---- */

void garbage_add(struct engine *e, const char *path)
{
    e->garbage =
        mem_grow(e->garbage, &e->garbage_capacity, e->garbage_count + 1, sizeof *e->garbage);
    e->garbage[e->garbage_count++] = mem_strdup(path);
}

enum status manifest_tell(struct engine *e, const struct manifest_edit *edits, uint32_t count,
                          struct error *reterr)
{
    enum status s = manifest_commit(e->manifest, edits, count, reterr);
    if (s < 0)
        return s;
    for (size_t i = 0; i < e->garbage_count; i++) {
        (void)!io_unlink(e->io, e->garbage[i], NULL);
        mem_free(e->garbage[i]);
    }
    e->garbage_count = 0;
    return STATUS_OK;
}

uint64_t engine_next_number(struct engine *e)
{
    mutex_lock(&e->manifest_lock);
    uint64_t number = manifest_next_number(e->manifest);
    mutex_unlock(&e->manifest_lock);
    return number;
}

/* ---- segments ---- */

static const char *tier_name(uint8_t tier)
{
    switch ((enum segment_tier)tier) {
    case TIER_SEAL:
        return "seal";
    case TIER_HOUR:
        return "hour";
    case TIER_DAY:
        return "day";
    }
    return "?";
}

static void segment_tell(const struct scan_input *in, bool columns,
                         void (*each)(void *context, const struct segment_info *s), void *context)
{
    const struct source *s = in->source;
    struct column_info *infos = NULL;
    struct segment_info info = {
        .project = s->project,
        .table = s->table,
        .path = s->path,
        .tier = tier_name(s->meta.tier),
        .rows = s->meta.rows,
        .bytes = s->meta.bytes,
        .time_min_ns = s->meta.time_min_ns,
        .time_max_ns = s->meta.time_max_ns,
        .seq_min = s->meta.seq_min,
        .seq_max = s->meta.seq_max,
        .patches = patch_set_count(in->patches),
    };
    if (columns && s->segment != NULL) {
        info.column_count = segment_column_count(s->segment);
        infos = mem_zero(info.column_count, sizeof *infos);
        for (uint32_t i = 0; i < info.column_count; i++) {
            infos[i].name = segment_column(s->segment, i)->name;
            segment_column_usage(s->segment, i, &infos[i].bytes, &infos[i].encoding);
        }
        info.columns = infos;
    }
    each(context, &info);
    mem_free(infos);
}

enum status engine_segments(struct engine *e, bool columns,
                            void (*each)(void *context, const struct segment_info *s),
                            void *context, struct error *reterr)
{
    (void)reterr;
    struct scan_input *inputs = NULL;
    size_t capacity = 0;
    size_t count = 0;
    mutex_lock(&e->state_lock);
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++) {
        for (uint32_t t = 0; t < TABLE_COUNT; t++) {
            const struct source_list *l = &e->projects[i]->tables[t];
            for (uint32_t k = 0; k < l->count; k++) {
                if (l->items[k]->head != NULL)
                    continue;
                inputs = mem_grow(inputs, &capacity, count + 1, sizeof *inputs);
                inputs[count++] =
                    (struct scan_input){.source = source_ref(l->items[k]),
                                        .patches = patch_set_ref(l->items[k]->patches)};
            }
        }
    }
    mutex_unlock(&e->state_lock);
    for (size_t i = 0; i < count; i++) {
        segment_tell(&inputs[i], columns, each, context);
        scan_input_deinit(&inputs[i]);
    }
    mem_free(inputs);
    return STATUS_OK;
}

struct text_info engine_text_info(struct engine *e, uint32_t project)
{
    const struct project *p = engine_find_project(e, project, NULL);
    if (p == NULL)
        return (struct text_info){0};
    struct text_totals t = text_totals(p->text);
    return (struct text_info){
        .messages = t.messages, .bytes = t.bytes, .stored_bytes = t.stored_bytes, .packs = t.packs};
}

/* ---- health ---- */

static void health_of_log(struct engine *e, struct engine_health *h)
{
    if (e->wal == NULL) {
        (void)snprintf(h->reason, sizeof h->reason, "the store was opened read-only");
        return;
    }
    struct wal_stats stats = wal_stats(e->wal);
    const struct error *stalled = wal_stalled(e->wal);
    h->wal_files = stats.files;
    h->wal_bytes = stats.bytes;
    h->commits = stats.commits;
    h->commit_failures = stats.failures;
    h->writable = stalled == NULL && !e->disk_low;
    if (stalled != NULL)
        (void)snprintf(h->reason, sizeof h->reason, "%.250s", stalled->text);
    else if (e->disk_low)
        (void)snprintf(h->reason, sizeof h->reason, "%.250s", e->disk_reason);
}

struct engine_health engine_health(struct engine *e)
{
    struct engine_health h = {.io = io_name(e->io)};
    mutex_lock(&e->write_lock);
    health_of_log(e, &h);
    h.recovered_records = e->recovery.records;
    h.torn_bytes = e->recovery.torn_bytes;
    h.head_bytes = e->head_bytes;
    h.durable_ticket = e->published_seq;
    h.damaged_files = e->damaged_files;
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++) {
        const struct project *p = e->projects[i];
        h.head_rows += p->head_rows;
        for (uint32_t t = 0; t < TABLE_COUNT; t++) {
            for (uint32_t k = 0; k < p->tables[t].count; k++) {
                const struct source *s = p->tables[t].items[k];
                h.segments += s->head == NULL;
                h.segment_bytes += s->head == NULL ? s->meta.bytes : 0;
            }
        }
    }
    mutex_unlock(&e->write_lock);
    (void)!io_space(e->io, &h.disk_free_bytes, &h.disk_total_bytes, NULL);
    return h;
}

/* ---- verify ---- */

struct verifier {
    struct engine *engine;
    void (*each)(void *context, const struct finding *f);
    void *context;
    const char *path; /* of the file being read */
    uint64_t damages;
};

static void verifier_tell(struct verifier *v, const char *path, uint64_t offset, const char *text)
{
    const struct finding f = {.path = path, .offset = offset, .text = text};
    if (v->each != NULL)
        v->each(v->context, &f);
}

static void path_damage(void *context, const char *path, uint64_t offset, const char *text)
{
    struct verifier *v = context;
    v->damages++;
    verifier_tell(v, path, offset, text);
}

static void file_damage(void *context, uint64_t offset, const char *text)
{
    struct verifier *v = context;
    path_damage(v, v->path, offset, text);
}

static void stray_tell(void *context, const char *path)
{
    verifier_tell(context, path, 0, "no manifest entry owns this file");
}

/* What could not even be opened or checked is a finding as well. */
static void outcome_note(struct verifier *v, enum status s, uint64_t damages_before,
                         const struct error *error)
{
    if (s < 0 && v->damages == damages_before)
        path_damage(v, v->path, error->position < 0 ? 0 : (uint64_t)error->position, error->text);
}

struct file_names {
    char (*paths)[MANIFEST_PATH_BYTES];
    uint32_t *projects;
    uint32_t segments; /* first these, */
    uint32_t packs;    /* then these, */
    uint32_t patches;  /* then these */
};

static void names_collect(struct engine *e, struct file_names *n)
{
    mutex_lock(&e->manifest_lock);
    const struct manifest_segment *segments = manifest_segments(e->manifest, &n->segments);
    const struct manifest_pack *packs = manifest_packs(e->manifest, &n->packs);
    const struct manifest_patch *patches = manifest_patches(e->manifest, &n->patches);
    size_t total = (size_t)n->segments + n->packs + n->patches;
    n->paths = mem_zero(total, sizeof *n->paths);
    n->projects = mem_zero(total, sizeof *n->projects);
    size_t at = 0;
    for (uint32_t i = 0; i < n->segments; i++, at++)
        manifest_segment_path(segments[i].project, segments[i].number, n->paths[at]);
    for (uint32_t i = 0; i < n->packs; i++, at++)
        manifest_pack_path(packs[i].project, packs[i].number, n->paths[at]);
    for (uint32_t i = 0; i < n->patches; i++, at++) {
        manifest_patch_path(patches[i].project, patches[i].number, n->paths[at]);
        n->projects[at] = patches[i].project;
    }
    mutex_unlock(&e->manifest_lock);
}

static enum status patch_verify(struct engine *e, uint32_t project, const char *path,
                                struct error *reterr)
{
    struct project *p = engine_find_project(e, project, reterr);
    if (p == NULL)
        return STATUS_NOT_FOUND;
    struct patch_table *table = patch_table_create(&p->schema);
    enum status s = patch_file_read(e->io, path, &p->schema, table, reterr);
    patch_table_destroy(table);
    return s;
}

static bool verify_files(struct verifier *v, const struct file_names *n,
                         const struct progress *progress)
{
    struct engine *e = v->engine;
    uint32_t total = n->segments + n->packs + n->patches;
    for (uint32_t i = 0; i < total; i++) {
        struct error error = {.position = -1};
        uint64_t before = v->damages;
        enum status s;
        v->path = n->paths[i];
        if (progress != NULL &&
            !progress->report(progress->context, (double)i / total, n->paths[i]))
            return false;
        if (i < n->segments)
            s = segment_verify(e->io, v->path, file_damage, v, &error);
        else if (i < n->segments + n->packs)
            s = text_pack_verify(e->io, v->path, file_damage, v, &error);
        else
            s = patch_verify(e, n->projects[i], v->path, &error);
        outcome_note(v, s, before, &error);
    }
    return true;
}

enum status engine_verify(struct engine *e, void (*each)(void *context, const struct finding *f),
                          void *context, const struct progress *progress, struct error *reterr)
{
    struct verifier v = {.engine = e, .each = each, .context = context};
    struct file_names names = {0};
    struct error error = {.position = -1};
    uint64_t records;
    /* Merges, retention and seals come and go with files; they wait. Commits go on. */
    compact_lock_now(e);
    mutex_lock(&e->seal_lock);
    names_collect(e, &names);
    bool done = verify_files(&v, &names, progress);
    mutex_lock(&e->manifest_lock);
    uint64_t before = v.damages;
    v.path = "manifest";
    outcome_note(&v, manifest_verify(e->io, path_damage, &v, &error), before, &error);
    engine_unowned_each(e, stray_tell, &v);
    mutex_unlock(&e->manifest_lock);
    before = v.damages;
    v.path = "wal";
    outcome_note(&v, wal_verify(e->io, path_damage, &v, &records, &error), before, &error);
    mutex_unlock(&e->seal_lock);
    mutex_unlock(&e->compact_lock);
    mem_free(names.paths);
    mem_free(names.projects);
    if (!done)
        return error_set(reterr, STATUS_CANCELLED, "cancelled");
    if (v.damages > 0)
        return error_set(reterr, STATUS_CORRUPT, "%" PRIu64 " damaged places", v.damages);
    return STATUS_OK;
}
