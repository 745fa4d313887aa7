/*
 * engine_recover.c - from files to a running store.
 *
 * Order:     manifest -> segments, packs, patch files -> log from WAL_KEEP -> heads -> unowned files leave.
 * Invariant: a commit is either in the files the manifest names or in the log from WAL_KEEP on, never in both.
 * Failure:   a damaged segment, pack or patch file is set aside, reported, and hides only itself. Damage of
 *            the manifest or in the middle of the log stops the store from opening. Where anything
 *            was damaged, nothing is deleted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/span/batch_edit.h"
#include "engine/engine_internal.h"
#include "engine/wal/wal_replay.h"

/* Published in between, so that what waits stays small. */
#define REPLAY_PUBLISH_RECORDS 1024u

static void damage_note(struct engine *e, const struct error *error)
{
    e->damaged_at_open = true;
    e->damaged_files++;
    engine_log(e, "error", "%s", error->text);
}

/* ---- what the manifest names ---- */

static void name_ignore(void *context, const char *name)
{
    (void)context;
    (void)name;
}

static bool directory_exists(struct io *io, const char *path)
{
    return io_list(io, path, name_ignore, NULL, NULL) >= 0;
}

static enum status projects_open(struct engine *e, struct error *reterr)
{
    uint32_t count;
    const char *const *names = manifest_projects(e->manifest, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct project *p;
        char last_made[MANIFEST_PATH_BYTES];
        (void)snprintf(last_made, sizeof last_made, "p%u/patch", i + 1);
        bool missing = !e->options.read_only && !directory_exists(e->io, last_made);
        enum status s = project_create(e, names[i], missing, &p, reterr);
        if (s < 0)
            return s;
        project_publish(e, p);
    }
    return STATUS_OK;
}

static void packs_open(struct engine *e)
{
    uint32_t count;
    const struct manifest_pack *packs = manifest_packs(e->manifest, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct error error = {0};
        struct text_pack_meta meta;
        struct project *p = engine_find_project(e, packs[i].project, &error);
        if (p == NULL || text_pack_open(p->text, packs[i].number, &meta, &error) < 0)
            damage_note(e, &error);
        if (e->last_seq < packs[i].seq_max)
            e->last_seq = packs[i].seq_max;
    }
}

static void segments_open(struct engine *e)
{
    uint32_t count;
    const struct manifest_segment *segments = manifest_segments(e->manifest, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct manifest_segment *m = &segments[i];
        struct error error = {0};
        struct project *p = engine_find_project(e, m->project, &error);
        if (p == NULL || m->table >= TABLE_COUNT) {
            damage_note(e, &error);
            continue;
        }
        struct source *s =
            source_create_segment(e->io, m, &p->schema, e->options.defect_skip_checksum);
        if (s->damage != NULL)
            damage_note(e, s->damage);
        source_list_add(&p->tables[m->table], s);
        if (e->last_seq < m->seq_max)
            e->last_seq = m->seq_max;
    }
}

/* ---- amendments ---- */

struct collect {
    const struct amendment **items;
    size_t capacity;
    size_t count;
};

static void collect_each(void *context, const struct amendment *a)
{
    struct collect *c = context;
    c->items = mem_grow(c->items, &c->capacity, c->count + 1, sizeof *c->items);
    c->items[c->count++] = a;
}

static int by_span(const void *a, const void *b)
{
    const struct amendment *x = *(const struct amendment *const *)a;
    const struct amendment *y = *(const struct amendment *const *)b;
    int order = id128_compare(x->trace_id, y->trace_id);
    return order != 0 ? order : (x->span_id > y->span_id) - (x->span_id < y->span_id);
}

/* Finds the rows of amendments read from patch files. Those of spans that are not stored wait as orphans: their spans
 * are in the log or have not come yet. */
static void amendments_place(struct engine *e, struct project *p, struct collect *c)
{
    struct place_reader *reader = place_reader_create();
    struct place_list places = {0};
    struct patch_staging staging = {0};
    if (c->count > 0)
        qsort(c->items, c->count, sizeof(struct amendment *), by_span);
    for (size_t i = 0; i < c->count; i++) {
        const struct amendment *a = c->items[i];
        struct located found;
        places.count = 0;
        const struct locate_request q = {
            .traces = &a->trace_id, .spans = &a->span_id, .count = 1, .segments_only = true};
        locate(p, &q, reader, &found, &places);
        for (uint32_t k = 0; k < found.count; k++) {
            if (place_takes(&places.items[k], a->seq))
                patch_stage(&staging, &places.items[k], a);
        }
        if (found.count == 0)
            patch_table_add(p->orphans, a);
    }
    patch_staging_extend(&staging);
    mutex_lock(&e->state_lock);
    patch_staging_swap_locked(&staging);
    mutex_unlock(&e->state_lock);
    patch_staging_deinit(&staging);
    place_list_deinit(&places);
    place_reader_destroy(reader);
}

static void patch_files_open(struct engine *e)
{
    uint32_t count;
    uint32_t projects = atomic_load(&e->project_count);
    const struct manifest_patch *files = manifest_patches(e->manifest, &count);
    for (uint32_t n = 1; n <= projects; n++) {
        struct project *p = e->projects[n - 1];
        struct patch_table *table = patch_table_create(&p->schema);
        for (uint32_t i = 0; i < count; i++) {
            if (files[i].project != n)
                continue;
            char path[MANIFEST_PATH_BYTES];
            struct error error = {0};
            patch_file_note(p, files[i].number, files[i].bytes);
            manifest_patch_path(n, files[i].number, path);
            if (patch_file_read(e->io, path, &p->schema, table, &error) < 0) {
                p->patch_file_damaged = true;
                damage_note(e, &error);
            }
            if (e->last_seq < files[i].seq_max)
                e->last_seq = files[i].seq_max;
        }
        struct collect c = {0};
        patch_table_each(table, 0, collect_each, &c);
        amendments_place(e, p, &c);
        mem_free(c.items);
        patch_table_destroy(table);
    }
}

static void clients_open(struct engine *e)
{
    uint32_t count;
    const struct manifest_client *clients = manifest_clients(e->manifest, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct id128 id;
        memcpy(id.bytes, clients[i].id, sizeof id);
        client_table_load(&e->clients, id, clients[i].batch_seq, clients[i].seq,
                          clients[i].time_ns);
    }
}

/* ---- the log ---- */

struct replay {
    struct engine *engine;
    uint64_t records;
    uint64_t first_seq;
    uint64_t last_seq;
};

static enum status commit_replay(struct engine *e, struct project *p, uint64_t seq,
                                 struct commit *c)
{
    struct arena arena = {0};
    struct row_map map = {0};
    struct commit_places places = {0};
    struct place_reader *reader = place_reader_create();
    struct batch *spans = &c->batches[TABLE_SPANS];
    if (spans->rows > 0)
        row_map_build(&map, batch_vector(spans, SPANS_trace_id)->id128,
                      batch_vector(spans, SPANS_span_id)->id64, spans->rows, e->hash_seed, &arena,
                      NULL);
    /* Marks ancestors again; the usage itself was settled before it was logged. */
    struct batch copy = batch_edit(spans, TABLE_SPANS, 2, &arena);
    const struct usage_request request = {
        .rows = &map, .stored_parent = project_stored_parent, .context = p};
    usage_settle(&p->usage, &copy, &request, &arena);
    commit_locate(p, c, &map, reader, &arena, &places);
    engine_apply(e, p, seq, c, &places);
    place_list_deinit(&places.list);
    place_reader_destroy(reader);
    arena_deinit(&arena);
    return STATUS_OK;
}

/* What the log's checksums can't promise: that the rows have what apply relies on. */
static enum status commit_check(struct project *p, const struct commit *c, struct error *reterr)
{
    uint64_t bytes = 0;
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        if (c->batches[t].rows == 0)
            continue;
        enum status s =
            engine_batch_check(&c->batches[t], (enum table)t, &p->schema, &bytes, reterr);
        if (s < 0)
            return error_set(reterr, STATUS_CORRUPT, "%.900s", reterr == NULL ? "" : reterr->text);
    }
    return STATUS_OK;
}

static enum status record_replay(void *context, const struct wal_record *record,
                                 struct error *reterr)
{
    struct replay *r = context;
    struct engine *e = r->engine;
    struct project *p = engine_find_project(e, record->project, reterr);
    if (p == NULL || record->type != COMMIT_RECORD)
        return error_set(reterr, STATUS_CORRUPT,
                         "log record %llu: type %u of project %u is unknown",
                         (unsigned long long)record->seq, record->type, record->project);
    struct arena arena = {0};
    struct commit c;
    enum status s = commit_decode(record->payload, &p->schema, &arena, &c, reterr);
    if (s >= 0)
        s = commit_check(p, &c, reterr);
    if (s >= 0)
        s = commit_replay(e, p, record->seq, &c);
    else
        error_prefix(reterr, "log record %llu", (unsigned long long)record->seq);
    arena_deinit(&arena);
    if (s < 0)
        return s;
    if (r->records++ == 0)
        r->first_seq = record->seq;
    r->last_seq = record->seq;
    if (r->records % REPLAY_PUBLISH_RECORDS == 0)
        engine_publish(e, record->seq);
    return STATUS_OK;
}

/* Read-only: the same replay without opening the log for writing. */
static enum status log_read(struct engine *e, uint64_t keep, struct replay *r, struct error *reterr)
{
    struct wal_log log = {0};
    const struct wal_replay replay = {.io = e->io,
                                      .from_seq = keep,
                                      .trust = e->options.defect_skip_checksum,
                                      .each = record_replay,
                                      .context = r};
    if (!directory_exists(e->io, "wal"))
        return STATUS_OK;
    enum status s = wal_replay_run(&replay, &log, reterr);
    e->recovery = (struct wal_recovery){.records = r->records,
                                        .first_seq = r->first_seq,
                                        .last_seq = r->last_seq,
                                        .torn_bytes = log.torn_bytes,
                                        .files = log.count};
    wal_log_deinit(&log);
    return s;
}

static enum status log_open(struct engine *e, struct error *reterr)
{
    struct replay r = {.engine = e};
    uint64_t keep = manifest_wal_keep(e->manifest);
    keep = keep == 0 ? 1 : keep;
    uint64_t next = e->last_seq + 1 > keep ? e->last_seq + 1 : keep;
    const struct wal_options options = {
        .file_bytes = e->options.wal_file_bytes,
        .defect_ack_before_sync = e->options.defect_ack_before_sync,
        .defect_skip_checksum = e->options.defect_skip_checksum,
    };
    enum status s;
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++)
        e->projects[i]->filed_seq = keep - 1;
    if (e->options.read_only)
        s = log_read(e, keep, &r, reterr);
    else
        s = wal_open(e->io, &options, keep, next, record_replay, &r, &e->wal, &e->recovery, reterr);
    if (s < 0)
        return s;
    if (e->wal != NULL)
        e->last_seq = wal_last_seq(e->wal);
    else if (e->last_seq < keep - 1)
        e->last_seq = keep - 1;
    engine_publish(e, e->last_seq);
    e->published_seq = e->last_seq;
    return STATUS_OK;
}

/* ---- unowned files ---- */

enum file_kind {
    FILE_SEGMENT,
    FILE_PACK,
    FILE_PATCH
};

struct owned {
    uint32_t project;
    enum file_kind kind;
    uint64_t number;
};

struct sweep {
    struct owned *owned; /* sorted */
    size_t owned_capacity;
    size_t owned_count;
    uint32_t project; /* of the directory being listed */
    enum file_kind kind;
    const char *directory;
    char **strays;
    size_t stray_capacity;
    size_t stray_count;
};

static int by_owner(const void *a, const void *b)
{
    const struct owned *x = a;
    const struct owned *y = b;
    if (x->project != y->project)
        return x->project < y->project ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static void own(struct sweep *w, uint32_t project, enum file_kind kind, uint64_t number)
{
    w->owned = mem_grow(w->owned, &w->owned_capacity, w->owned_count + 1, sizeof *w->owned);
    w->owned[w->owned_count++] = (struct owned){.project = project, .kind = kind, .number = number};
}

static void owned_collect(struct sweep *w, const struct manifest *m)
{
    uint32_t count;
    const struct manifest_segment *segments = manifest_segments(m, &count);
    for (uint32_t i = 0; i < count; i++)
        own(w, segments[i].project, FILE_SEGMENT, segments[i].number);
    const struct manifest_pack *packs = manifest_packs(m, &count);
    for (uint32_t i = 0; i < count; i++)
        own(w, packs[i].project, FILE_PACK, packs[i].number);
    const struct manifest_patch *patches = manifest_patches(m, &count);
    for (uint32_t i = 0; i < count; i++)
        own(w, patches[i].project, FILE_PATCH, patches[i].number);
    if (w->owned_count > 0)
        qsort(w->owned, w->owned_count, sizeof *w->owned, by_owner);
}

/* The path the manifest would give to the file that the name's leading digits number. */
static bool is_owned(const struct sweep *w, const char *path, const char *name)
{
    char given[MANIFEST_PATH_BYTES];
    const struct owned key = {
        .project = w->project, .kind = w->kind, .number = strtoull(name, NULL, 10)};
    if (w->owned_count == 0 ||
        bsearch(&key, w->owned, w->owned_count, sizeof key, by_owner) == NULL)
        return false;
    if (w->kind == FILE_SEGMENT)
        manifest_segment_path(key.project, key.number, given);
    else if (w->kind == FILE_PACK)
        manifest_pack_path(key.project, key.number, given);
    else
        manifest_patch_path(key.project, key.number, given);
    return strcmp(given, path) == 0;
}

static void sweep_entry(void *context, const char *name)
{
    struct sweep *w = context;
    char path[512];
    int size = snprintf(path, sizeof path, "%s/%s", w->directory, name);
    if (size < 0 || (size_t)size >= sizeof path || name[0] == '.' || is_owned(w, path, name))
        return;
    w->strays = mem_grow(w->strays, &w->stray_capacity, w->stray_count + 1, sizeof *w->strays);
    w->strays[w->stray_count++] = mem_strdup(path);
}

void engine_unowned_each(struct engine *e, void (*each)(void *context, const char *path),
                         void *context)
{
    static const char *const parts[] = {
        [FILE_SEGMENT] = "seg", [FILE_PACK] = "text", [FILE_PATCH] = "patch"};
    struct sweep w = {0};
    owned_collect(&w, e->manifest);
    for (uint32_t n = 1; n <= atomic_load(&e->project_count); n++) {
        for (unsigned kind = FILE_SEGMENT; kind <= FILE_PATCH; kind++) {
            char directory[MANIFEST_PATH_BYTES];
            (void)snprintf(directory, sizeof directory, "p%u/%s", n, parts[kind]);
            w.directory = directory;
            w.project = n;
            w.kind = (enum file_kind)kind;
            (void)!io_list(e->io, directory, sweep_entry, &w, NULL);
        }
    }
    for (size_t i = 0; i < w.stray_count; i++) {
        each(context, w.strays[i]);
        mem_free(w.strays[i]);
    }
    mem_free(w.strays);
    mem_free(w.owned);
}

/* Files of seals and merges that a crash cut short. Only names this program gives are touched. */
static void unowned_remove(void *context, const char *path)
{
    struct engine *e = context;
    if (strstr(path, ".seg") == NULL && strstr(path, ".pack") == NULL &&
        strstr(path, ".patch") == NULL)
        return;
    if (io_unlink(e->io, path, NULL) >= 0)
        engine_log(e, "info", "%s: removed, a crash left it unfinished", path);
}

static void finding_ignore(void *context, const char *path, uint64_t offset, const char *text)
{
    (void)context;
    (void)path;
    (void)offset;
    (void)text;
}

/* What a crash tore off the end of the manifest leaves with the next commit; that one is made now, so that a check of
 * the files finds nothing. */
static enum status manifest_mend(struct engine *e, struct error *reterr)
{
    if (manifest_verify(e->io, finding_ignore, NULL, NULL) >= 0)
        return STATUS_OK;
    const struct manifest_edit edit = {.kind = EDIT_NEXT_NUMBER,
                                       .value = manifest_next_number(e->manifest)};
    return manifest_commit(e->manifest, &edit, 1, reterr);
}

enum status engine_recover(struct engine *e, struct error *reterr)
{
    enum status s;
    if ((s = manifest_open(e->io, e->options.read_only, &e->manifest, reterr)) < 0)
        return s;
    if ((s = projects_open(e, reterr)) < 0)
        return s;
    packs_open(e);
    segments_open(e);
    patch_files_open(e);
    clients_open(e);
    if ((s = log_open(e, reterr)) < 0)
        return s;
    if (!e->options.read_only && (s = manifest_mend(e, reterr)) < 0)
        return s;
    if (!e->damaged_at_open && !e->options.read_only)
        engine_unowned_each(e, unowned_remove, e);
    if (e->recovery.records > 0 || e->recovery.torn_bytes > 0)
        engine_log(e, "info", "recovered %llu commits from the log, %llu torn bytes at its end",
                   (unsigned long long)e->recovery.records,
                   (unsigned long long)e->recovery.torn_bytes);
    return STATUS_OK;
}
