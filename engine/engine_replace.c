/*
 * engine_replace.c - one segment takes the place of others: the end of every merge and rewrite.
 *
 * Order:     the manifest learns of it in one commit -> the lists swap, late amendments carried over -> the inputs are deleted
 *            when their last reader goes. A crash leaves either the inputs or the output.
 */
#include "engine/engine_internal.h"

enum status replacement_tell(struct engine *e, const struct replacement *r, struct error *reterr)
{
    struct manifest_edit *edits = mem_zero((size_t)r->input_count + 1, sizeof *edits);
    uint32_t count = 0;
    edits[count++] = (struct manifest_edit){
        .kind = EDIT_SEGMENT_ADD, .project = r->project->number, .segment = &r->output->meta};
    for (uint32_t i = 0; i < r->input_count; i++)
        edits[count++] = (struct manifest_edit){.kind = EDIT_SEGMENT_REMOVE,
                                                .project = r->project->number,
                                                .number = r->inputs[i]->meta.number};
    mutex_lock(&e->manifest_lock);
    enum status s = manifest_tell(e, edits, count, reterr);
    if (s < 0)
        garbage_add(e, r->output->path);
    mutex_unlock(&e->manifest_lock);
    mem_free(edits);
    return s;
}

void replacement_swap(struct engine *e, const struct replacement *r)
{
    struct source_list *l = &r->project->tables[r->table];
    struct source *const output = r->output;
    struct carry carry = {
        .from = r->inputs, .from_count = r->input_count, .to = &output, .to_count = 1};
    carry_begin(e, &carry, r->fold_seq);
    mutex_lock(&e->write_lock);
    carry_finish(&carry);
    mutex_lock(&e->state_lock);
    for (uint32_t i = 0; i < r->input_count; i++)
        source_list_remove(l, r->inputs[i]);
    source_list_add(l, output);
    mutex_unlock(&e->state_lock);
    e->generation++;
    mutex_unlock(&e->write_lock);
    for (uint32_t i = 0; i < r->input_count; i++) {
        source_drop(r->inputs[i]);
        source_unref(r->inputs[i]); /* the list's reference */
    }
}
