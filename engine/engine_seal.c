/*
 * engine_seal.c - heads become segments, messages become packs, amendments become patch files, and the log may forget.
 *
 * Order:     rotate heads (all projects at one commit S) -> wait until S is durable and visible -> write segments
 *            with amendments up to F folded in, packs, patch files -> one manifest commit that also moves
 *            WAL_KEEP to S + 1 -> swap heads for segments, carrying later amendments over -> release the log.
 * Invariant: before the manifest commit the log has everything and the new files are unowned; after it the files
 *            have everything up to S. Readers see either the head or its segments.
 * Failure:   before the manifest commit: new files are deleted, frozen heads stay readable, the next seal starts anew.
 *            When the commit itself fails the disk may or may not have it: the prepared seal is kept and
 *            the next seal commits it again.
 * Threads:   one seal at a time (seal_lock); the writer goes on meanwhile.
 */
#include <stdlib.h>

#include "engine/engine_seal.h"

#define WAIT_SLICE_NS  (20 * NS_PER_MS)
#define WRITER_WAIT_NS (30 * NS_PER_S)

/* ---- 1. rotate and wait ---- */

/* Heads stop taking rows; the next commit makes new ones. False: nothing at all is there to seal. */
static bool rotate(struct engine *e, uint64_t *ret_up_to_seq)
{
    bool any = false;
    mutex_lock(&e->write_lock);
    mutex_lock(&e->state_lock);
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++) {
        struct project *p = e->projects[i];
        for (uint32_t t = 0; t < TABLE_COUNT; t++) {
            if (p->tables[t].active != NULL)
                p->frozen_bytes += head_bytes(p->tables[t].active->head);
            p->tables[t].active = NULL;
        }
    }
    mutex_unlock(&e->state_lock);
    any = e->unsealed_since_ns != 0;
    e->unsealed_since_ns = 0;
    *ret_up_to_seq = e->last_seq;
    mutex_unlock(&e->write_lock);
    return any;
}

static enum status wait_as_writer(struct engine *e, uint64_t seq, struct error *reterr)
{
    enum status s = STATUS_OK;
    if (e->published_seq < seq)
        s = wal_wait(e->wal, seq, WRITER_WAIT_NS, reterr);
    (void)engine_pump_locked(e);
    /* The last to append need not be the one that pumps, who has answers waiting for what was published just now. */
    wal_wake(e->wal);
    return s;
}

/* The writer moves the log along; when that is us, we do. */
static enum status wait_published(struct engine *e, uint64_t seq, struct error *reterr)
{
    int64_t deadline_ns = clock_monotonic_ns() + WRITER_WAIT_NS;
    for (;;) {
        enum status s = STATUS_OK;
        mutex_lock(&e->write_lock);
        const struct error *stalled = wal_stalled(e->wal);
        if (!e->writer_known || pthread_equal(e->writer, pthread_self()))
            s = wait_as_writer(e, seq, reterr);
        else if (e->published_seq < seq && stalled != NULL)
            s = error_set(reterr, STATUS_READ_ONLY, "the log can't be written: %.900s",
                          stalled->text);
        mutex_unlock(&e->write_lock);
        if (s < 0)
            return s;
        mutex_lock(&e->state_lock);
        if (e->published_seq < seq)
            (void)condition_wait_ns(&e->published, &e->state_lock, WAIT_SLICE_NS);
        bool done = e->published_seq >= seq;
        mutex_unlock(&e->state_lock);
        if (done)
            return STATUS_OK;
        if (e->thread_count > 0 && maintenance_stopping(e))
            return error_set(reterr, STATUS_CANCELLED, "the store is closing");
        if (clock_monotonic_ns() > deadline_ns)
            return error_set(reterr, STATUS_TIMEOUT, "commit %llu is not durable yet",
                             (unsigned long long)seq);
    }
}

/* Takes every head that no commit goes to, with the amendments it has now. */
static void frozen_take(struct seal *seal)
{
    struct engine *e = seal->engine;
    mutex_lock(&e->state_lock);
    seal->fold_seq = e->published_seq;
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++) {
        struct project *p = e->projects[i];
        for (uint32_t t = 0; t < TABLE_COUNT; t++) {
            for (uint32_t k = 0; k < p->tables[t].count; k++) {
                struct source *s = p->tables[t].items[k];
                if (s->head == NULL || s == p->tables[t].active)
                    continue;
                seal->frozen = mem_grow(seal->frozen, &seal->frozen_capacity,
                                        (size_t)seal->frozen_count + 1, sizeof *seal->frozen);
                seal->frozen[seal->frozen_count++] = (struct frozen){
                    .project = p, .source = source_ref(s), .patches = patch_set_ref(s->patches)};
            }
        }
    }
    mutex_unlock(&e->state_lock);
}

/* ---- 2. the manifest ---- */

static struct manifest_edit *edit_add(struct seal *seal, enum manifest_edit_kind kind,
                                      uint32_t project)
{
    seal->edits = mem_grow(seal->edits, &seal->edit_capacity, (size_t)seal->edit_count + 1,
                           sizeof *seal->edits);
    struct manifest_edit *edit = &seal->edits[seal->edit_count++];
    *edit = (struct manifest_edit){.kind = kind, .project = project};
    return edit;
}

static void client_expired(void *context, struct id128 id)
{
    struct seal *seal = context;
    struct manifest_client *gone = ARENA_NEW(&seal->arena, struct manifest_client);
    memcpy(gone->id, id.bytes, sizeof gone->id);
    edit_add(seal, EDIT_CLIENT_REMOVE, 0)->client = gone;
}

/* What the log is about to forget about clients. Only what is durable. */
static void clients_save(struct seal *seal)
{
    struct engine *e = seal->engine;
    mutex_lock(&e->write_lock);
    client_table_expire(&e->clients, clock_wall_ns(), client_expired, seal);
    seal->clients = ARENA_ARRAY(&seal->arena, struct manifest_client, e->clients.count);
    for (uint32_t i = 0; i < e->clients.count; i++) {
        const struct client *c = &e->clients.clients[i];
        if (c->durable_batch_seq == 0 || c->durable_batch_seq == c->saved_batch_seq)
            continue;
        struct manifest_client *saved = &seal->clients[seal->client_count++];
        memcpy(saved->id, c->id.bytes, sizeof saved->id);
        saved->batch_seq = c->durable_batch_seq;
        saved->seq = c->durable_seq;
        saved->time_ns = c->time_ns;
        edit_add(seal, EDIT_CLIENT, 0)->client = saved;
    }
    mutex_unlock(&e->write_lock);
}

static void edits_make(struct seal *seal)
{
    for (uint32_t i = 0; i < seal->created_count; i++) {
        struct source *s = seal->created[i];
        edit_add(seal, EDIT_SEGMENT_ADD, s->project)->segment = &s->meta;
    }
    for (uint32_t i = 0; i < seal->pack_count; i++)
        edit_add(seal, EDIT_PACK_ADD, seal->packs[i].project->number)->pack = &seal->packs[i].meta;
    for (uint32_t i = 0; i < seal->patch_count; i++) {
        const struct made_patch *m = &seal->patches[i];
        if (m->meta.rows > 0)
            edit_add(seal, EDIT_PATCH_ADD, m->project->number)->patch = &m->meta;
        for (uint32_t k = 0; k < m->replaced_count; k++)
            edit_add(seal, EDIT_PATCH_REMOVE, m->project->number)->number = m->replaced[k].number;
    }
    clients_save(seal);
    edit_add(seal, EDIT_WAL_KEEP, 0)->value = seal->up_to_seq + 1;
}

/* ---- 3. the swap ---- */

static void joined_drop(struct engine *e, struct project *p, uint64_t up_to_seq);

static void rows_recount(struct engine *e, struct project *p)
{
    p->frozen_bytes = 0;
    p->head_rows = 0;
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        for (uint32_t i = 0; i < p->tables[t].count; i++) {
            const struct source *s = p->tables[t].items[i];
            if (s->head == NULL)
                continue;
            p->head_rows += head_rows(s->head);
            if (s != p->tables[t].active)
                p->frozen_bytes += head_bytes(s->head);
        }
    }
    engine_count_bytes(e, p);
}

/* Spans only: other tables have no amendments. A new file holds rows of one head, but a span is looked for in all new
 * files of its project: that is where the head's other hours are. */
static void carries_begin(struct seal *seal)
{
    struct engine *e = seal->engine;
    uint32_t count = atomic_load(&e->project_count);
    seal->carries = ARENA_ARRAY(&seal->arena, struct carry, count);
    for (uint32_t n = 1; n <= count; n++) {
        struct source **from = ARENA_ARRAY(&seal->arena, struct source *, seal->frozen_count);
        struct source **to = ARENA_ARRAY(&seal->arena, struct source *, seal->created_count);
        struct carry c = {.from = from, .to = to};
        for (uint32_t i = 0; i < seal->frozen_count; i++) {
            struct source *s = seal->frozen[i].source;
            if (s->project == n && s->table == TABLE_SPANS)
                from[c.from_count++] = s;
        }
        for (uint32_t i = 0; i < seal->created_count; i++) {
            struct source *s = seal->created[i];
            if (s->project == n && s->table == TABLE_SPANS)
                to[c.to_count++] = s;
        }
        if (c.from_count == 0)
            continue;
        carry_begin(e, &c, seal->fold_seq);
        seal->carries[seal->carry_count++] = c;
    }
}

static void swap(struct seal *seal)
{
    struct engine *e = seal->engine;
    carries_begin(seal);
    mutex_lock(&e->write_lock);
    for (uint32_t i = 0; i < seal->carry_count; i++)
        carry_finish(&seal->carries[i]);
    mutex_lock(&e->state_lock);
    for (uint32_t i = 0; i < seal->created_count; i++) {
        struct source *s = seal->created[i];
        source_list_add(&e->projects[s->project - 1]->tables[s->table], s);
    }
    for (uint32_t i = 0; i < seal->frozen_count; i++) {
        struct source *s = seal->frozen[i].source;
        source_list_remove(&e->projects[s->project - 1]->tables[s->table], s);
    }
    mutex_unlock(&e->state_lock);
    seal->created_count = 0; /* they belong to the lists now */
    e->generation++;
    for (uint32_t i = 0; i < seal->pack_count; i++)
        text_seal_commit(seal->packs[i].project->text, seal->packs[i].meta.number);
    for (uint32_t i = 0; i < seal->client_count; i++) {
        struct id128 id;
        memcpy(id.bytes, seal->clients[i].id, sizeof id);
        struct client *c = client_table_find(&e->clients, id);
        if (c != NULL)
            c->saved_batch_seq = seal->clients[i].batch_seq;
    }
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++) {
        struct project *p = e->projects[i];
        joined_drop(e, p, seal->up_to_seq);
        rows_recount(e, p);
    }
    e->release_seq = seal->up_to_seq + 1;
    mutex_unlock(&e->write_lock);
    for (uint32_t i = 0; i < seal->frozen_count; i++)
        source_unref(seal->frozen[i].source); /* the list's reference */
}

static int by_joined(const void *a, const void *b)
{
    const struct joined *x = a;
    const struct joined *y = b;
    int order = id128_compare(x->trace_id, y->trace_id);
    return order != 0 ? order : (x->span_id > y->span_id) - (x->span_id < y->span_id);
}

struct orphan_prune {
    const struct joined *joined; /* sorted */
    uint32_t count;
    uint64_t before_seq; /* older ones go too: there are too many */
};

static bool orphan_done(void *context, const struct amendment *a)
{
    const struct orphan_prune *o = context;
    const struct joined key = {.trace_id = a->trace_id, .span_id = a->span_id};
    if (a->seq < o->before_seq)
        return true;
    const struct joined *j =
        o->count == 0 ? NULL : bsearch(&key, o->joined, o->count, sizeof key, by_joined);
    /* What came after the span went to its row, never here. */
    return j != NULL && a->seq < j->seq;
}

/* The orphans of spans up to the commit have been folded into their segments. */
static void joined_drop(struct engine *e, struct project *p, uint64_t up_to_seq)
{
    uint32_t done = 0;
    uint64_t count = patch_table_count(p->orphans);
    struct orphan_prune prune = {0};
    for (uint32_t i = 0; i < p->joined_count; i++) {
        if (p->joined[i].seq > up_to_seq)
            continue;
        struct joined swapped = p->joined[done];
        p->joined[done++] = p->joined[i];
        p->joined[i] = swapped;
    }
    if (count > ORPHANS_MAX) {
        /* Sequences are spread evenly enough to halve by them. */
        prune.before_seq = up_to_seq / 2 + 1;
        engine_log(e, "warn",
                   "project %s: more than %u amendments wait for spans that never came; those of "
                   "commits before %llu are given up (their rows stay)",
                   p->name, ORPHANS_MAX, (unsigned long long)prune.before_seq);
    }
    if (done == 0 && prune.before_seq == 0)
        return;
    if (done > 0)
        qsort(p->joined, done, sizeof *p->joined, by_joined);
    prune.joined = p->joined;
    prune.count = done;
    patch_table_prune(p->orphans, orphan_done, &prune);
    p->joined_count -= done;
    if (done > 0 && p->joined_count > 0)
        memmove(p->joined, p->joined + done, p->joined_count * sizeof *p->joined);
}

/* Patch files of the project as the manifest has them now. */
static void patch_files_update(struct seal *seal)
{
    struct engine *e = seal->engine;
    for (uint32_t i = 0; i < seal->patch_count; i++) {
        const struct made_patch *m = &seal->patches[i];
        struct project *p = m->project;
        uint32_t kept = p->patch_file_count - m->replaced_count;
        if (m->replaced_count > 0 && kept > 0)
            memmove(p->patch_files, p->patch_files + m->replaced_count,
                    kept * sizeof *p->patch_files);
        p->patch_file_count = kept;
        if (m->meta.rows > 0)
            patch_file_note(p, m->meta.number, m->meta.bytes);
        for (uint32_t k = 0; k < m->replaced_count; k++) {
            char path[MANIFEST_PATH_BYTES];
            manifest_patch_path(p->number, m->replaced[k].number, path);
            (void)!io_unlink(e->io, path, NULL);
        }
    }
    for (uint32_t i = 0; i < atomic_load(&e->project_count); i++)
        e->projects[i]->filed_seq = seal->fold_seq;
}

/* ---- all of it ---- */

static void seal_free(struct seal *seal)
{
    struct engine *e = seal->engine;
    for (uint32_t i = 0; i < seal->frozen_count; i++) {
        patch_set_unref(seal->frozen[i].patches);
        source_unref(seal->frozen[i].source);
    }
    for (uint32_t i = 0; i < seal->created_count; i++) {
        /* Once the manifest was told, a crash may still find that it listened. */
        if (!seal->told)
            source_drop(seal->created[i]);
        source_unref(seal->created[i]);
    }
    for (uint32_t i = 0; i < seal->patch_count && !seal->told; i++) {
        char path[MANIFEST_PATH_BYTES];
        manifest_patch_path(seal->patches[i].project->number, seal->patches[i].meta.number, path);
        if (seal->patches[i].meta.rows > 0)
            (void)!io_unlink(e->io, path, NULL);
    }
    mem_free(seal->frozen);
    mem_free(seal->created);
    mem_free(seal->packs);
    mem_free(seal->patches);
    mem_free(seal->edits);
    arena_deinit(&seal->arena);
    mem_free(seal);
}

static enum status seal_commit(struct seal *seal, struct error *reterr)
{
    struct engine *e = seal->engine;
    seal->told = true;
    mutex_lock(&e->manifest_lock);
    enum status s = manifest_tell(e, seal->edits, seal->edit_count, reterr);
    mutex_unlock(&e->manifest_lock);
    if (s < 0)
        return s;
    swap(seal);
    patch_files_update(seal);
    return STATUS_OK;
}

static enum status prepared_commit(struct engine *e, struct error *reterr)
{
    if (e->prepared == NULL)
        return STATUS_OK;
    enum status s = seal_commit(e->prepared, reterr);
    if (s < 0)
        return s;
    seal_free(e->prepared);
    e->prepared = NULL;
    return STATUS_OK;
}

void seal_discard(struct engine *e)
{
    if (e->prepared != NULL)
        seal_free(e->prepared);
    e->prepared = NULL;
}

/* After a failure there is something to seal again. */
static void unsealed_note(struct engine *e)
{
    mutex_lock(&e->write_lock);
    if (e->unsealed_since_ns == 0)
        e->unsealed_since_ns = clock_monotonic_ns();
    mutex_unlock(&e->write_lock);
}

static enum status seal_round(struct engine *e, struct error *reterr)
{
    uint64_t up_to_seq;
    enum status s = prepared_commit(e, reterr);
    if (s < 0 || !rotate(e, &up_to_seq))
        return s;
    if ((s = wait_published(e, up_to_seq, reterr)) < 0) {
        unsealed_note(e);
        return s;
    }
    struct seal *seal = MEM_NEW(struct seal);
    seal->engine = e;
    seal->up_to_seq = up_to_seq;
    frozen_take(seal);
    if ((s = seal_write(seal, reterr)) >= 0) {
        edits_make(seal);
        s = seal_commit(seal, reterr);
    }
    if (s < 0)
        unsealed_note(e);
    if (s < 0 && seal->told)
        e->prepared = seal;
    else
        seal_free(seal);
    return s;
}

enum status engine_seal(struct engine *e, struct error *reterr)
{
    if (e->wal == NULL)
        return error_set(reterr, STATUS_READ_ONLY, "the store was opened read-only");
    mutex_lock(&e->seal_lock);
    enum status s = seal_round(e, reterr);
    mutex_unlock(&e->seal_lock);
    /* The log is the writer's: when that is us, it lets go at once. */
    mutex_lock(&e->write_lock);
    if (!e->writer_known || pthread_equal(e->writer, pthread_self()))
        (void)engine_pump_locked(e);
    mutex_unlock(&e->write_lock);
    return s;
}
