/*
 * engine_stage.c - collects amendments by source, so that each source's set is extended once; carries amendments
 * over when rows move.
 */
#include <stdlib.h>

#include "engine/engine_internal.h"

void patch_stage(struct patch_staging *st, const struct place *place,
                 const struct amendment *amendment)
{
    st->items = mem_grow(st->items, &st->capacity, st->count + 1, sizeof *st->items);
    st->items[st->count] = (struct staged){.source = place->source,
                                           .order = st->count,
                                           .row = {.row = place->row, .amendment = amendment}};
    st->count++;
}

static int by_source_and_order(const void *a, const void *b)
{
    const struct staged *x = a;
    const struct staged *y = b;
    if (x->source != y->source)
        return (uintptr_t)x->source < (uintptr_t)y->source ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

void patch_staging_extend(struct patch_staging *st)
{
    if (st->count == 0)
        return;
    qsort(st->items, st->count, sizeof *st->items, by_source_and_order);
    struct patch_row *rows = mem_alloc(st->count * sizeof *rows);
    for (size_t first = 0, end; first < st->count; first = end) {
        struct source *s = st->items[first].source;
        for (end = first; end < st->count && st->items[end].source == s; end++)
            rows[end - first] = st->items[end].row;
        st->extensions = mem_grow(st->extensions, &st->extension_capacity, st->extension_count + 1,
                                  sizeof *st->extensions);
        st->extensions[st->extension_count++] = (struct extension){
            .source = s, .set = patch_set_extend(s->patches, rows, (uint32_t)(end - first))};
    }
    mem_free(rows);
}

void patch_staging_swap_locked(struct patch_staging *st)
{
    for (size_t i = 0; i < st->extension_count; i++) {
        struct patch_set *old = st->extensions[i].source->patches;
        st->extensions[i].source->patches = st->extensions[i].set;
        st->extensions[i].set = old;
    }
}

void patch_staging_deinit(struct patch_staging *st)
{
    for (size_t i = 0; i < st->extension_count; i++)
        patch_set_unref(st->extensions[i].set);
    mem_free(st->extensions);
    mem_free(st->items);
    *st = (struct patch_staging){0};
}

/* ---- carrying over ---- */

struct late {
    struct arena arena;
    uint64_t after_seq;
    uint64_t up_to_seq;
    const struct amendment **items;
    size_t capacity;
    size_t count;
};

static void late_collect(void *context, uint64_t row, const struct amendment *a)
{
    struct late *l = context;
    (void)row;
    if (a->seq <= l->after_seq || a->seq > l->up_to_seq)
        return;
    struct amendment *copy = arena_alloc(&l->arena, sizeof *copy);
    *copy = *a; /* its bytes belong to the set, which is held meanwhile */
    l->items = mem_grow(l->items, &l->capacity, l->count + 1, sizeof *l->items);
    l->items[l->count++] = copy;
}

static void late_stage(const struct carry *c, const struct late *l, struct patch_staging *staging)
{
    struct place_reader *reader = place_reader_create();
    struct place_list places = {0};
    for (size_t i = 0; i < l->count; i++) {
        struct located found;
        places.count = 0;
        const struct locate_request q = {
            .traces = &l->items[i]->trace_id, .spans = &l->items[i]->span_id, .count = 1};
        locate_in(c->to, c->to_count, &q, reader, &found, &places);
        for (uint32_t k = 0; k < found.count; k++)
            patch_stage(staging, &places.items[k], l->items[i]);
    }
    place_list_deinit(&places);
    place_reader_destroy(reader);
}

/* The new sources are invisible, so their sets are replaced without the state lock. */
static void carry_sets(const struct carry *c, struct patch_set *const *sets, uint64_t up_to_seq)
{
    struct late l = {.after_seq = c->done_seq, .up_to_seq = up_to_seq};
    struct patch_staging staging = {0};
    for (uint32_t i = 0; i < c->from_count; i++)
        patch_set_each(sets[i], late_collect, &l);
    if (l.count > 0) {
        late_stage(c, &l, &staging);
        patch_staging_extend(&staging);
        patch_staging_swap_locked(&staging);
        patch_staging_deinit(&staging);
    }
    mem_free(l.items);
    arena_deinit(&l.arena);
}

void carry_begin(struct engine *e, struct carry *c, uint64_t fold_seq)
{
    struct patch_set **sets = mem_zero(c->from_count, sizeof(struct patch_set *));
    c->done_seq = fold_seq;
    mutex_lock(&e->state_lock);
    uint64_t up_to_seq = e->published_seq;
    for (uint32_t i = 0; i < c->from_count; i++)
        sets[i] = patch_set_ref(c->from[i]->patches);
    mutex_unlock(&e->state_lock);
    carry_sets(c, sets, up_to_seq);
    c->done_seq = up_to_seq;
    for (uint32_t i = 0; i < c->from_count; i++)
        patch_set_unref(sets[i]);
    mem_free(sets);
}

void carry_finish(struct carry *c)
{
    struct patch_set **sets = mem_zero(c->from_count, sizeof(struct patch_set *));
    for (uint32_t i = 0; i < c->from_count; i++)
        sets[i] = c->from[i]->patches;
    carry_sets(c, sets, UINT64_MAX);
    mem_free(sets);
}
