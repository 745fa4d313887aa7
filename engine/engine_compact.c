/*
 * engine_compact.c - merges segments and packs in the background or on demand.
 *
 * Order:     pick (a pure decision) -> merge to a new file, amendments up to F folded in -> one manifest commit adds
 *            it and removes the inputs -> swap, carrying later amendments over -> inputs are deleted when
 *            their last reader goes.
 * Failure:   an input that can't be read is set aside for good: it stays as it is and is not picked again.
 * Throttle:  a token bucket of compact_bytes_per_second in the background; full speed on demand.
 * End:       a pass merges what was committed before it began and folds what it wrote itself no more, so it ends however fast rows
 *            and amendments come. A background pass also ends when somebody waits for compact_lock.
 */
#include "engine/compact/compact.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/engine_internal.h"

/* Packs of one day that are smaller than this are put together, when there are enough of them. */
#define PACK_SMALL_BYTES ((uint64_t)8 << 20)
#define PACK_MERGE_BYTES ((uint64_t)256 << 20) /* of bodies, in one pack */
#define PACK_MERGE_MIN   8u
#define PACK_MERGE_MAX   256u
#define NAP_NS           (100 * NS_PER_MS)

struct merger {
    struct engine *engine;
    bool background;
    bool full;
    const struct progress *progress;
    struct compact_result *result;
    /* Token bucket: the monotonic time until which what was read is paid for. */
    int64_t paid_until_ns;
    double fraction;
    uint64_t until_seq;    /* segments with newer rows only are for the next pass */
    uint64_t first_number; /* of the files the pass writes */
};

/* ---- throttle ---- */

static void nap(struct engine *e, int64_t ns)
{
    mutex_lock(&e->wake_lock);
    if (!e->stopping)
        (void)condition_wait_ns(&e->wake, &e->wake_lock, ns);
    mutex_unlock(&e->wake_lock);
}

/* Called by merges between blocks. False cancels. */
static bool merge_wait(void *context, uint64_t bytes)
{
    struct merger *m = context;
    struct engine *e = m->engine;
    if (!m->background)
        return m->progress == NULL ||
               m->progress->report(m->progress->context, m->fraction, "merging");
    uint64_t rate = e->options.compact_bytes_per_second;
    int64_t cost_ns = (int64_t)(bytes * 1000 / (rate / 1000000 + 1));
    int64_t now_ns = clock_monotonic_ns();
    if (m->paid_until_ns < now_ns)
        m->paid_until_ns = now_ns;
    m->paid_until_ns += cost_ns;
    for (;;) {
        if (maintenance_stopping(e))
            return false;
        if (e->thread_count == 1)
            seal_if_due(e);
        now_ns = clock_monotonic_ns();
        if (m->paid_until_ns - now_ns < NAP_NS || atomic_load(&e->compact_waiters) > 0)
            return true;
        nap(e, NAP_NS);
    }
}

void compact_lock_now(struct engine *e)
{
    atomic_fetch_add(&e->compact_waiters, 1);
    mutex_lock(&e->compact_lock);
    atomic_fetch_sub(&e->compact_waiters, 1);
}

/* A background pass can go on another time. */
static bool gives_way(const struct merger *m)
{
    return m->background && atomic_load(&m->engine->compact_waiters) > 0;
}

/* ---- segments ---- */

struct merge {
    struct project *project;
    enum table table;
    struct compact_job job;
    uint64_t fold_seq;
    struct source *inputs[64];
    struct merge_input merged[64]; /* with the amendments of the moment */
};

/* Picks a job and takes references to its inputs. */
static bool merge_pick(struct merger *m, struct project *p, enum table table, struct merge *ret)
{
    struct engine *e = m->engine;
    const struct source_list *l = &p->tables[table];
    const struct compact_policy policy = {.now_ns = clock_wall_ns(), .full = m->full};
    mutex_lock(&e->state_lock);
    struct compact_candidate *candidates = mem_zero(l->count, sizeof *candidates);
    struct source **sources = mem_zero(l->count, sizeof *sources);
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        struct source *s = l->items[i];
        if (s->segment == NULL || s->busy || s->meta.seq_min > m->until_seq)
            continue;
        candidates[count] = (struct compact_candidate){
            .segment = &s->meta,
            .patches = s->meta.number < m->first_number ? patch_set_count(s->patches) : 0};
        sources[count++] = s;
    }
    *ret = (struct merge){.project = p, .table = table, .fold_seq = e->published_seq};
    bool picked = compact_pick(candidates, count, &policy, &ret->job);
    for (uint32_t i = 0; picked && i < ret->job.input_count; i++) {
        struct source *s = sources[ret->job.inputs[i]];
        ret->inputs[i] = source_ref(s);
        ret->merged[i] =
            (struct merge_input){.segment = s->segment, .patches = patch_set_ref(s->patches)};
    }
    mutex_unlock(&e->state_lock);
    mem_free(candidates);
    mem_free(sources);
    return picked;
}

static void merge_release(struct merge *j)
{
    for (uint32_t i = 0; i < j->job.input_count; i++) {
        patch_set_unref(j->merged[i].patches);
        source_unref(j->inputs[i]);
    }
}

static enum status merge_run(struct merger *m, struct merge *j, struct error *reterr)
{
    struct engine *e = m->engine;
    char path[MANIFEST_PATH_BYTES];
    struct segment_meta meta;
    struct source *merged = NULL;
    uint64_t number = engine_next_number(e);
    manifest_segment_path(j->project->number, number, path);
    enum status s =
        merge_segments(e->io, &j->project->schema, j->table, j->merged, j->job.input_count, path,
                       j->job.tier, j->fold_seq, merge_wait, m, &meta, reterr);
    if (s < 0)
        return s;
    if ((s = segment_register(e, j->project, number, &meta, &merged, reterr)) < 0)
        return s;
    for (uint32_t i = 0; i < j->job.input_count && e->options.defect_delete_before_manifest; i++)
        (void)!io_unlink(e->io, j->inputs[i]->path, NULL);
    const struct replacement replacement = {.project = j->project,
                                            .table = j->table,
                                            .inputs = j->inputs,
                                            .input_count = j->job.input_count,
                                            .output = merged,
                                            .fold_seq = j->fold_seq};
    if ((s = replacement_tell(e, &replacement, reterr)) < 0) {
        source_unref(merged);
        return s;
    }
    m->result->merges++;
    m->result->segments_out++;
    m->result->bytes_out += meta.bytes;
    m->result->segments_in += j->job.input_count;
    for (uint32_t i = 0; i < j->job.input_count; i++)
        m->result->bytes_in += j->inputs[i]->meta.bytes;
    replacement_swap(e, &replacement);
    return STATUS_OK;
}

/* Damage in one input must not keep the others from merging for ever. */
static void inputs_set_aside(struct merger *m, struct merge *j, const struct error *error)
{
    mutex_lock(&m->engine->state_lock);
    for (uint32_t i = 0; i < j->job.input_count; i++)
        j->inputs[i]->busy = true;
    mutex_unlock(&m->engine->state_lock);
    engine_log(m->engine, "error", "merge: %s; its inputs are left as they are", error->text);
}

static enum status table_merge(struct merger *m, struct project *p, enum table table,
                               struct error *reterr)
{
    struct merge job;
    while (!gives_way(m) && merge_pick(m, p, table, &job)) {
        struct error error = {0};
        enum status s = merge_run(m, &job, &error);
        if (s == STATUS_CORRUPT)
            inputs_set_aside(m, &job, &error);
        merge_release(&job);
        if (s < 0 && s != STATUS_CORRUPT) {
            if (reterr != NULL)
                *reterr = error;
            return s;
        }
    }
    return STATUS_OK;
}

/* ---- packs ---- */

struct pack_job {
    uint64_t numbers[PACK_MERGE_MAX];
    uint32_t count;
};

static int64_t day_of(const struct manifest_pack *p)
{
    return p->time_max_ns / NS_PER_DAY;
}

static int by_bytes(const void *a, const void *b)
{
    const struct manifest_pack *x = *(const struct manifest_pack *const *)a;
    const struct manifest_pack *y = *(const struct manifest_pack *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Of one day's small packs, the smallest first, as many as keep a large one from being written again for a few small
 * ones: none is more than twice what stands before it. */
static void day_pick(const struct merger *m, const struct manifest_pack **day, uint32_t count,
                     struct pack_job *ret)
{
    uint64_t bytes = 0;
    uint64_t text_bytes = 0;
    ret->count = 0;
    qsort(day, count, sizeof *day, by_bytes);
    for (uint32_t i = 0; i < count && ret->count < PACK_MERGE_MAX; i++) {
        bool large = ret->count >= 2 && day[i]->bytes > 2 * bytes && !m->full;
        if (large || text_bytes + day[i]->text_bytes > PACK_MERGE_BYTES)
            break;
        bytes += day[i]->bytes;
        text_bytes += day[i]->text_bytes;
        ret->numbers[ret->count++] = day[i]->number;
    }
}

/* The first day with enough small packs. */
static bool pack_pick(struct merger *m, const struct project *p, struct pack_job *ret)
{
    struct engine *e = m->engine;
    uint32_t count;
    bool picked = false;
    mutex_lock(&e->manifest_lock);
    const struct manifest_pack *packs = manifest_packs(e->manifest, &count);
    const struct manifest_pack **day = mem_zero(count, sizeof(struct manifest_pack *));
    for (uint32_t i = 0; i < count && !picked; i++) {
        uint32_t day_count = 0;
        for (uint32_t k = 0; k < count; k++) {
            if (packs[k].project == p->number && packs[k].bytes <= PACK_SMALL_BYTES &&
                day_of(&packs[k]) == day_of(&packs[i]))
                day[day_count++] = &packs[k];
        }
        /* The first of its day stands for it. */
        if (day_count == 0 || day[0] != &packs[i])
            continue;
        day_pick(m, day, day_count, ret);
        picked = ret->count >= (m->full ? 2 : PACK_MERGE_MIN);
    }
    mutex_unlock(&e->manifest_lock);
    mem_free(day);
    return picked;
}

static enum status pack_tell(struct engine *e, const struct project *p, const struct pack_job *job,
                             uint64_t number, const struct text_pack_meta *meta,
                             struct error *reterr)
{
    const struct manifest_pack pack = {.number = number,
                                       .project = p->number,
                                       .bytes = meta->bytes,
                                       .messages = meta->messages,
                                       .text_bytes = meta->text_bytes,
                                       .seq_max = meta->seq_max,
                                       .time_max_ns = meta->time_max_ns};
    struct manifest_edit edits[PACK_MERGE_MAX + 1];
    uint32_t count = 0;
    edits[count++] =
        (struct manifest_edit){.kind = EDIT_PACK_ADD, .project = p->number, .pack = &pack};
    for (uint32_t i = 0; i < job->count; i++)
        edits[count++] = (struct manifest_edit){
            .kind = EDIT_PACK_REMOVE, .project = p->number, .number = job->numbers[i]};
    mutex_lock(&e->manifest_lock);
    enum status s = manifest_tell(e, edits, count, reterr);
    if (s < 0) {
        char path[MANIFEST_PATH_BYTES];
        manifest_pack_path(p->number, number, path);
        garbage_add(e, path);
    }
    mutex_unlock(&e->manifest_lock);
    return s;
}

static enum status packs_merge(struct merger *m, struct project *p, struct error *reterr)
{
    struct engine *e = m->engine;
    struct pack_job job;
    while (!gives_way(m) && pack_pick(m, p, &job)) {
        struct text_pack_meta meta;
        uint64_t number = engine_next_number(e);
        enum status s =
            text_merge(p->text, job.numbers, job.count, number, NULL, NULL, &meta, reterr);
        if (s == STATUS_CORRUPT) {
            engine_log(e, "error", "merge of packs: %s", reterr == NULL ? "" : reterr->text);
            return STATUS_OK;
        }
        if (s < 0)
            return s;
        if ((s = pack_tell(e, p, &job, number, &meta, reterr)) < 0)
            return s;
        if ((s = text_pack_open(p->text, number, &meta, reterr)) < 0)
            return s;
        for (uint32_t i = 0; i < job.count; i++)
            text_pack_remove(p->text, job.numbers[i]);
        m->result->merges++;
        if (!merge_wait(m, meta.text_bytes))
            return error_set(reterr, STATUS_CANCELLED, "cancelled");
    }
    return STATUS_OK;
}

/* ---- all of it ---- */

static enum status compact(struct merger *m, struct error *reterr)
{
    struct engine *e = m->engine;
    enum status s = STATUS_OK;
    if (e->wal == NULL)
        return error_set(reterr, STATUS_READ_ONLY, "the store was opened read-only");
    if (m->background)
        mutex_lock(&e->compact_lock);
    else
        compact_lock_now(e);
    m->first_number = engine_next_number(e);
    mutex_lock(&e->state_lock);
    m->until_seq = e->published_seq;
    mutex_unlock(&e->state_lock);
    uint32_t count = atomic_load(&e->project_count);
    for (uint32_t i = 0; i < count && s >= 0; i++) {
        m->fraction = (double)i / count;
        for (uint32_t t = 0; t < TABLE_COUNT && s >= 0; t++)
            s = table_merge(m, e->projects[i], (enum table)t, reterr);
        if (s >= 0)
            s = packs_merge(m, e->projects[i], reterr);
    }
    mutex_unlock(&e->compact_lock);
    return s;
}

enum status engine_compact(struct engine *e, bool full, const struct progress *progress,
                           struct compact_result *ret, struct error *reterr)
{
    struct compact_result result = {0};
    struct merger m = {.engine = e, .full = full, .progress = progress, .result = &result};
    enum status s = compact(&m, reterr);
    *ret = result;
    return s;
}

enum status compact_background(struct engine *e, struct compact_result *ret, struct error *reterr)
{
    struct merger m = {.engine = e, .background = true, .result = ret};
    *ret = (struct compact_result){0};
    enum status s = compact(&m, reterr);
    if (ret->merges > 0)
        engine_log(e, "info", "merged %llu files into %llu in %llu merges",
                   (unsigned long long)ret->segments_in, (unsigned long long)ret->segments_out,
                   (unsigned long long)ret->merges);
    return s;
}
