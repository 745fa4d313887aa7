/*
 * engine_retain.c - whole files leave by age or size: text first, then rows.
 *
 * Invariant: a file is deleted only after the manifest durably forgot it and its last reader is gone.
 * Clock:     what leaves by age is decided by retain_pick, which does not believe a clock that is far ahead of the
 *            data unless the pass is confirmed: background passes never are, a caller's is.
 * Size:      bytes_max bounds segments and packs of a project together. The oldest segments leave; packs that hold
 *            nothing newer than what left go with them.
 * Text:      a message that a younger span still refers to (a system prompt, say) does not leave with its pack: what is
 *            referred to moves to a new pack first, which counts as new. engine_refs.c finds out.
 */
#include "engine/compact/compact.h"
#include "engine/engine_internal.h"

struct retainer {
    struct engine *engine;
    struct project *project;
    const struct retention *rule;
    bool confirmed;
    bool dry_run;
    struct retain_result *result;
    struct source **dropped; /* with a reference each */
    size_t dropped_capacity;
    uint32_t dropped_count;
    struct manifest_pack *packs; /* that leave */
    size_t pack_capacity;
    uint32_t pack_count;
    int64_t text_until_ns; /* texts of spans older than this may go */
    struct manifest_pack
        kept; /* the new pack with what is still referred to; messages == 0: none */
};

static uint64_t packs_bytes(struct retainer *r)
{
    uint32_t count;
    uint64_t bytes = 0;
    const struct manifest_pack *packs = manifest_packs(r->engine->manifest, &count);
    for (uint32_t i = 0; i < count; i++)
        bytes += packs[i].project == r->project->number ? packs[i].bytes : 0;
    return bytes;
}

/* All segments of the project, damaged ones too: they also grow old. */
static void segments_pick(struct retainer *r, uint64_t text_bytes)
{
    struct engine *e = r->engine;
    uint32_t count = 0;
    uint64_t max = r->rule->bytes_max;
    mutex_lock(&e->state_lock);
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        count += r->project->tables[t].count;
    struct source **sources = mem_zero(count, sizeof *sources);
    const struct manifest_segment **metas = mem_zero(count, sizeof *metas);
    bool *drop = mem_zero(count, sizeof *drop);
    count = 0;
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        for (uint32_t i = 0; i < r->project->tables[t].count; i++) {
            struct source *s = r->project->tables[t].items[i];
            if (s->head != NULL)
                continue;
            metas[count] = &s->meta;
            sources[count++] = s;
        }
    }
    const struct retain_policy policy = {
        .now_ns = clock_wall_ns(),
        .age_ns = r->rule->rows_age_ns,
        .bytes_max = max == 0           ? 0
                     : max > text_bytes ? max - text_bytes
                                        : 1,
        .confirmed = r->confirmed,
    };
    if (policy.age_ns != 0 || policy.bytes_max != 0)
        (void)retain_pick(metas, count, &policy, drop);
    for (uint32_t i = 0; i < count; i++) {
        if (!drop[i])
            continue;
        r->dropped = mem_grow(r->dropped, &r->dropped_capacity, (size_t)r->dropped_count + 1,
                              sizeof *r->dropped);
        r->dropped[r->dropped_count++] = source_ref(sources[i]);
    }
    mutex_unlock(&e->state_lock);
    mem_free(sources);
    mem_free(metas);
    mem_free(drop);
}

/* Packs leave by their own age (or that of rows), or with the rows that size drove out. */
static void packs_pick(struct retainer *r)
{
    struct engine *e = r->engine;
    uint32_t count;
    int64_t age_ns = r->rule->text_age_ns != 0 ? r->rule->text_age_ns : r->rule->rows_age_ns;
    int64_t now_ns = clock_wall_ns();
    int64_t newest_ns = INT64_MIN;
    int64_t gone_ns = INT64_MIN;
    const struct manifest_pack *packs = manifest_packs(e->manifest, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (packs[i].project == r->project->number && packs[i].time_max_ns > newest_ns)
            newest_ns = packs[i].time_max_ns;
    }
    /* As for rows: a clock that jumped ahead of everything must not empty the store on its own. */
    if (!r->confirmed && newest_ns != INT64_MIN && now_ns - NS_PER_DAY > newest_ns)
        now_ns = newest_ns + NS_PER_DAY;
    if (r->rule->bytes_max != 0) {
        for (uint32_t i = 0; i < r->dropped_count; i++) {
            int64_t until = r->dropped[i]->meta.time_max_ns;
            if (until < now_ns && until > gone_ns)
                gone_ns = until;
        }
    }
    r->text_until_ns = age_ns != 0 && now_ns - age_ns > gone_ns ? now_ns - age_ns : gone_ns;
    for (uint32_t i = 0; i < count; i++) {
        bool old = age_ns != 0 && packs[i].time_max_ns < now_ns - age_ns;
        if (packs[i].project != r->project->number || (!old && packs[i].time_max_ns > gone_ns))
            continue;
        r->packs =
            mem_grow(r->packs, &r->pack_capacity, (size_t)r->pack_count + 1, sizeof *r->packs);
        r->packs[r->pack_count++] = packs[i];
    }
}

static enum status forget(struct retainer *r, struct error *reterr)
{
    struct manifest_edit *edits =
        mem_zero((size_t)r->dropped_count + r->pack_count + 1, sizeof *edits);
    uint32_t count = 0;
    if (r->kept.messages > 0)
        edits[count++] = (struct manifest_edit){
            .kind = EDIT_PACK_ADD, .project = r->project->number, .pack = &r->kept};
    for (uint32_t i = 0; i < r->pack_count; i++)
        edits[count++] = (struct manifest_edit){
            .kind = EDIT_PACK_REMOVE, .project = r->project->number, .number = r->packs[i].number};
    for (uint32_t i = 0; i < r->dropped_count; i++)
        edits[count++] = (struct manifest_edit){.kind = EDIT_SEGMENT_REMOVE,
                                                .project = r->project->number,
                                                .number = r->dropped[i]->meta.number};
    enum status s = manifest_tell(r->engine, edits, count, reterr);
    mem_free(edits);
    return s;
}

/* Nothing leaves; the manifest may still have heard of the new pack. */
static void forget_failed(struct retainer *r)
{
    char path[MANIFEST_PATH_BYTES];
    for (uint32_t i = 0; i < r->pack_count; i++)
        text_pack_leave(r->project->text, r->packs[i].number, false);
    if (r->kept.messages == 0)
        return;
    manifest_pack_path(r->project->number, r->kept.number, path);
    garbage_add(r->engine, path);
}

static void let_go(struct retainer *r)
{
    struct engine *e = r->engine;
    mutex_lock(&e->write_lock);
    mutex_lock(&e->state_lock);
    for (uint32_t i = 0; i < r->dropped_count; i++)
        source_list_remove(&r->project->tables[r->dropped[i]->table], r->dropped[i]);
    mutex_unlock(&e->state_lock);
    e->generation++;
    mutex_unlock(&e->write_lock);
    for (uint32_t i = 0; i < r->dropped_count; i++) {
        source_drop(r->dropped[i]);
        source_unref(r->dropped[i]); /* the list's reference */
    }
    struct error error = {0};
    struct text_pack_meta meta;
    if (r->kept.messages > 0 &&
        text_pack_open(r->project->text, r->kept.number, &meta, &error) < 0) {
        /* The manifest names it; until the next open its messages read from the packs they came from. */
        engine_log(e, "error", "%s", error.text);
        return;
    }
    for (uint32_t i = 0; i < r->pack_count; i++)
        text_pack_remove(r->project->text, r->packs[i].number);
}

/* Puts aside what is still referred to. Where that can't be found out, the packs stay. */
static enum status texts_keep(struct retainer *r, struct error *reterr)
{
    struct engine *e = r->engine;
    uint64_t *numbers = mem_zero(r->pack_count, sizeof *numbers);
    struct error error = {0};
    for (uint32_t i = 0; i < r->pack_count; i++)
        numbers[i] = r->packs[i].number;
    enum status s =
        refs_keep(e, r->project, numbers, r->pack_count, r->text_until_ns, &r->kept, &error);
    mem_free(numbers);
    if (s >= 0)
        return STATUS_OK;
    for (uint32_t i = 0; i < r->pack_count; i++)
        text_pack_leave(r->project->text, r->packs[i].number, false);
    r->pack_count = 0;
    r->kept.messages = 0;
    if (s == STATUS_CANCELLED || s == STATUS_IO || s == STATUS_FULL)
        return error_set(reterr, s, "%s", error.text);
    engine_log(e, "warn", "retention keeps the texts of project %s: %s", r->project->name,
               error.text);
    return STATUS_OK;
}

static void count(struct retainer *r)
{
    for (uint32_t i = 0; i < r->dropped_count; i++) {
        r->result->segments++;
        r->result->rows += r->dropped[i]->meta.rows;
        r->result->bytes += r->dropped[i]->meta.bytes;
    }
    for (uint32_t i = 0; i < r->pack_count; i++) {
        r->result->packs++;
        r->result->messages += r->packs[i].messages;
        r->result->text_bytes += r->packs[i].bytes;
    }
    r->result->messages -= r->kept.messages;
    r->result->text_bytes -=
        r->kept.bytes < r->result->text_bytes ? r->kept.bytes : r->result->text_bytes;
}

static enum status project_retain(struct retainer *r, struct error *reterr)
{
    struct engine *e = r->engine;
    enum status s = STATUS_OK;
    mutex_lock(&e->manifest_lock);
    segments_pick(r, packs_bytes(r));
    packs_pick(r);
    mutex_unlock(&e->manifest_lock);
    if (r->pack_count > 0 && !r->dry_run)
        s = texts_keep(r, reterr);
    bool any = r->dropped_count + r->pack_count > 0;
    if (s >= 0 && any && !r->dry_run) {
        mutex_lock(&e->manifest_lock);
        s = forget(r, reterr);
        if (s < 0)
            forget_failed(r);
        mutex_unlock(&e->manifest_lock);
    }
    if (s >= 0)
        count(r);
    if (s >= 0 && any && !r->dry_run)
        let_go(r);
    for (uint32_t i = 0; i < r->dropped_count; i++)
        source_unref(r->dropped[i]);
    mem_free(r->dropped);
    mem_free(r->packs);
    return s;
}

static enum status retain(struct engine *e, uint32_t project, const struct retention *rule,
                          bool confirmed, bool dry_run, const struct progress *progress,
                          struct retain_result *ret, struct error *reterr)
{
    enum status s = STATUS_OK;
    if (e->wal == NULL && !dry_run)
        return error_set(reterr, STATUS_READ_ONLY, "the store was opened read-only");
    if (project != 0 && engine_find_project(e, project, reterr) == NULL)
        return STATUS_NOT_FOUND;
    if (confirmed)
        compact_lock_now(e);
    else
        mutex_lock(&e->compact_lock);
    uint32_t projects = atomic_load(&e->project_count);
    for (uint32_t i = 0; i < projects && s >= 0; i++) {
        if (project != 0 && project != i + 1)
            continue;
        struct retainer r = {.engine = e,
                             .project = e->projects[i],
                             .rule = rule,
                             .confirmed = confirmed,
                             .dry_run = dry_run,
                             .result = ret};
        s = project_retain(&r, reterr);
        if (s >= 0 && progress != NULL &&
            !progress->report(progress->context, (double)(i + 1) / projects, "retention"))
            s = error_set(reterr, STATUS_CANCELLED, "cancelled");
    }
    mutex_unlock(&e->compact_lock);
    return s;
}

enum status engine_retain(struct engine *e, uint32_t project, const struct retention *retention,
                          bool dry_run, const struct progress *progress, struct retain_result *ret,
                          struct error *reterr)
{
    struct retain_result result = {0};
    enum status s = retain(e, project, retention, true, dry_run, progress, &result, reterr);
    *ret = result;
    return s;
}

enum status retain_background(struct engine *e, struct retain_result *ret, struct error *reterr)
{
    *ret = (struct retain_result){0};
    enum status s = retain(e, 0, &e->options.retention, false, false, NULL, ret, reterr);
    if (ret->segments + ret->packs > 0)
        engine_log(e, "info", "retention: %llu segments with %llu rows and %llu packs left",
                   (unsigned long long)ret->segments, (unsigned long long)ret->rows,
                   (unsigned long long)ret->packs);
    return s;
}
