/*
 * source.c - life and death of sources.
 */
#include "engine/scan/source.h"

#include "engine/base/check.h"

static struct source *source_create(uint32_t project, enum table table)
{
    struct source *s = MEM_NEW(struct source);
    atomic_init(&s->references, 1);
    atomic_init(&s->dropped, false);
    atomic_init(&s->doubt, NULL);
    s->project = project;
    s->table = table;
    return s;
}

struct source *source_create_head(uint32_t project, enum table table, struct head *own_head)
{
    struct source *s = source_create(project, table);
    s->head = own_head;
    return s;
}

struct source *source_create_segment(struct io *io, const struct manifest_segment *meta,
                                     struct schema *schema, bool skip_checksum)
{
    struct source *s = source_create(meta->project, (enum table)meta->table);
    struct error error = {0};
    s->io = io;
    s->meta = *meta;
    manifest_segment_path(meta->project, meta->number, s->path);
    enum status status = segment_open(io, s->path, schema, skip_checksum, &s->segment, &error);
    if (status >= 0) {
        const struct segment_meta *found = segment_meta(s->segment);
        if (found->table == s->table && found->rows == meta->rows)
            return s;
        (void)corrupt(&error, s->path, 0,
                      "table %d with %llu rows where the manifest names table %d with %llu rows",
                      (int)found->table, (unsigned long long)found->rows, (int)s->table,
                      (unsigned long long)meta->rows);
        segment_close(s->segment);
        s->segment = NULL;
    }
    s->damage = MEM_NEW(struct error);
    *s->damage = error;
    return s;
}

struct source *source_ref(struct source *s)
{
    unsigned before = atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return s;
}

void source_unref(struct source *s)
{
    if (s == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    patch_set_unref(s->patches);
    if (s->head != NULL)
        head_destroy(s->head);
    if (s->segment != NULL)
        segment_close(s->segment);
    /* The file is garbage already: what can't be deleted now is found again at the next open. */
    if (s->io != NULL && atomic_load(&s->dropped))
        (void)!io_unlink(s->io, s->path, NULL);
    mem_free(s->damage);
    mem_free(atomic_load(&s->doubt));
    mem_free(s);
}

void source_doubt(struct source *s, const struct error *reason)
{
    struct error *none = NULL;
    if (atomic_load(&s->doubt) != NULL)
        return;
    struct error *copy = MEM_NEW(struct error);
    *copy = *reason;
    if (!atomic_compare_exchange_strong(&s->doubt, &none, copy))
        mem_free(copy);
}

void source_drop(struct source *s)
{
    atomic_store(&s->dropped, true);
}

void scan_input_deinit(struct scan_input *in)
{
    patch_set_unref(in->patches);
    source_unref(in->source);
    *in = (struct scan_input){0};
}
