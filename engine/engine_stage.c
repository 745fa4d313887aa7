/*
 * engine_stage.c - collects amendments by source, so that each source's set is extended once.
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
