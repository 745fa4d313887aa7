/*
 * patch_set.c - sets of patches: extending, asking, walking.
 */
#include "engine/patch/patch_set.h"

#include <stdlib.h>

#include "engine/base/check.h"

/* Does a run of the set already have the cell? */
static bool set_has(const struct patch_set *s, const struct column *column, uint32_t row)
{
    return patch_set_touches(s, column, row, 1);
}

static uint32_t count_new(const struct patch_set *old, const struct patch_run *run)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->group_count; i++) {
        const struct patch_group *g = &run->groups[i];
        for (uint32_t j = g->first; j < g->first + g->count; j++)
            count += !set_has(old, g->column, run->rows[j]);
    }
    return count;
}

/* Should the run at position `at` and the newer one behind it become one? */
static bool should_merge(const struct patch_run *older, const struct patch_run *newer, uint32_t at)
{
    if (at + 1 == PATCH_RUNS_MAX)
        return true;
    uint64_t together = (uint64_t)older->count + newer->count;
    return older->count < 2 * (uint64_t)newer->count &&
           together <= (uint64_t)PATCH_MERGE_MAX << (at / PATCH_RUNS_DOUBLING);
}

struct patch_set *patch_set_extend(const struct patch_set *old, const struct patch_row *rows,
                                   uint32_t count)
{
    if (count == 0)
        return patch_set_ref((struct patch_set *)old);
    struct patch_set *s = MEM_NEW(struct patch_set);
    atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
    mutex_init(&s->lock);
    struct patch_run *run = patch_run_create(rows, count);
    s->count = patch_set_count(old) + count_new(old, run);
    uint32_t kept = old == NULL ? 0 : old->run_count;
    while (kept > 0 && should_merge(old->runs[kept - 1], run, kept - 1)) {
        struct patch_run *merged = patch_run_merge(old->runs[kept - 1], run);
        patch_run_unref(run);
        run = merged;
        kept--;
    }
    ASSERT(kept < PATCH_RUNS_MAX);
    for (uint32_t i = 0; i < kept; i++) {
        patch_run_ref(old->runs[i]);
        s->runs[i] = old->runs[i];
    }
    s->runs[kept] = run;
    s->run_count = kept + 1;
    return s;
}

struct patch_set *patch_set_ref(struct patch_set *s)
{
    if (s != NULL)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void patch_set_unref(struct patch_set *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < s->run_count; i++)
        patch_run_unref(s->runs[i]);
    patch_set_dicts_destroy(s);
    mutex_deinit(&s->lock);
    mem_free(s);
}

uint32_t patch_set_count(const struct patch_set *s)
{
    return s == NULL ? 0 : s->count;
}

bool patch_set_touches(const struct patch_set *s, const struct column *column, uint64_t first,
                       uint64_t count)
{
    for (uint32_t i = 0; s != NULL && i < s->run_count; i++) {
        const struct patch_run *run = s->runs[i];
        const struct patch_group *g = patch_run_group(run, column);
        if (g == NULL)
            continue;
        uint32_t at = patch_run_lower(run, g, first);
        if (at < g->first + g->count && run->rows[at] - first < count)
            return true;
    }
    return false;
}

/* ---- walking ---- */

struct walk_entry {
    uint32_t row;
    uint16_t column_id;
    uint16_t run;
    uint32_t group;
    uint32_t at;
    uint64_t seq;
};

/* By row, then column; of one cell the winner first. */
static int walk_compare(const void *left, const void *right)
{
    const struct walk_entry *a = left;
    const struct walk_entry *b = right;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    if (a->column_id != b->column_id)
        return a->column_id < b->column_id ? -1 : 1;
    if (a->seq != b->seq)
        return a->seq > b->seq ? -1 : 1;
    return (a->run < b->run) - (a->run > b->run);
}

static struct walk_entry *walk_collect(const struct patch_set *s, size_t *ret_count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < s->run_count; i++)
        total += s->runs[i]->count;
    struct walk_entry *entries = mem_alloc(total * sizeof *entries);
    size_t count = 0;
    for (uint32_t i = 0; i < s->run_count; i++) {
        const struct patch_run *run = s->runs[i];
        for (uint32_t group = 0; group < run->group_count; group++) {
            const struct patch_group *g = &run->groups[group];
            for (uint32_t at = g->first; at < g->first + g->count; at++)
                entries[count++] = (struct walk_entry){.row = run->rows[at],
                                                       .column_id = g->column->id,
                                                       .run = (uint16_t)i,
                                                       .group = group,
                                                       .at = at,
                                                       .seq = run->seqs[at]};
        }
    }
    *ret_count = count;
    return entries;
}

void patch_set_each(const struct patch_set *s,
                    void (*each)(void *context, uint64_t row, const struct amendment *a),
                    void *context)
{
    if (s == NULL)
        return;
    size_t count;
    struct walk_entry *entries = walk_collect(s, &count);
    qsort(entries, count, sizeof *entries, walk_compare);
    for (size_t i = 0; i < count; i++) {
        const struct walk_entry *e = &entries[i];
        if (i != 0 && e->row == e[-1].row && e->column_id == e[-1].column_id)
            continue;
        const struct patch_run *run = s->runs[e->run];
        struct amendment a = patch_run_amendment(run, &run->groups[e->group], e->at);
        each(context, e->row, &a);
    }
    mem_free(entries);
}
