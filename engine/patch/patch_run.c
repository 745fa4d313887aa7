/*
 * patch_run.c - making, merging and searching sorted runs.
 *
 * About 44 bytes an amendment, in columns, so that a merge is a walk over arrays.
 */
#include "engine/patch/patch_run.h"

#include <stdlib.h>

#include "engine/base/check.h"

static struct patch_run *run_alloc(uint32_t count, uint32_t group_count, bool has_strings)
{
    struct patch_run *r = MEM_NEW(struct patch_run);
    atomic_store_explicit(&r->refs, 1, memory_order_relaxed);
    r->groups = mem_zero(group_count, sizeof *r->groups);
    r->rows = mem_alloc(count * sizeof *r->rows);
    r->seqs = mem_alloc(count * sizeof *r->seqs);
    r->values = mem_alloc(count * sizeof *r->values);
    r->traces = mem_alloc(count * sizeof *r->traces);
    r->spans = mem_alloc(count * sizeof *r->spans);
    r->has_strings = has_strings;
    if (has_strings)
        intern_init(&r->strings);
    return r;
}

void patch_run_ref(struct patch_run *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

void patch_run_unref(struct patch_run *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(r->groups);
    mem_free(r->rows);
    mem_free(r->seqs);
    mem_free(r->values);
    mem_free(r->traces);
    mem_free(r->spans);
    if (r->has_strings)
        intern_deinit(&r->strings);
    mem_free(r);
}

/* ---- making ---- */

struct sort_key {
    uint16_t column_id;
    uint32_t row;
    uint64_t seq;
    uint32_t index;
};

static int key_compare(const void *left, const void *right)
{
    const struct sort_key *a = left;
    const struct sort_key *b = right;
    if (a->column_id != b->column_id)
        return a->column_id < b->column_id ? -1 : 1;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static uint64_t value_bits(struct patch_run *r, const struct amendment *a)
{
    if (a->column->storage == STORAGE_STR)
        return intern_add(&r->strings, a->bytes);
    uint64_t bits;
    memcpy(&bits, &a->i64, sizeof bits);
    return bits;
}

/* The group that entries of the column are being added to: the last one, or a new one. */
static struct patch_group *group_open(struct patch_run *r, const struct column *column)
{
    struct patch_group *last = r->group_count == 0 ? NULL : &r->groups[r->group_count - 1];
    if (last != NULL && last->column == column)
        return last;
    r->groups[r->group_count] = (struct patch_group){.column = column, .first = r->count};
    return &r->groups[r->group_count++];
}

static void run_add(struct patch_run *r, const struct patch_row *row)
{
    const struct amendment *a = row->amendment;
    group_open(r, a->column)->count++;
    r->rows[r->count] = (uint32_t)row->row;
    r->seqs[r->count] = a->seq;
    r->values[r->count] = value_bits(r, a);
    r->traces[r->count] = a->trace_id;
    r->spans[r->count] = a->span_id;
    r->count++;
}

struct patch_run *patch_run_create(const struct patch_row *rows, uint32_t count)
{
    struct sort_key *keys = mem_alloc(count * sizeof *keys);
    bool has_strings = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct amendment *a = rows[i].amendment;
        ASSERT(patch_can_amend(a->column));
        ASSERT(rows[i].row < UINT32_MAX);
        has_strings |= a->column->storage == STORAGE_STR;
        keys[i] = (struct sort_key){
            .column_id = a->column->id, .row = (uint32_t)rows[i].row, .seq = a->seq, .index = i};
    }
    qsort(keys, count, sizeof *keys, key_compare);
    uint32_t column_count = 0;
    for (uint32_t i = 0; i < count; i++)
        column_count += i == 0 || keys[i].column_id != keys[i - 1].column_id;
    struct patch_run *r = run_alloc(count, column_count, has_strings);
    for (uint32_t i = 0; i < count; i++) {
        /* Of a cell's amendments the last one sorted counts. */
        if (i + 1 == count || keys[i].row != keys[i + 1].row ||
            keys[i].column_id != keys[i + 1].column_id)
            run_add(r, &rows[keys[i].index]);
    }
    mem_free(keys);
    return r;
}

/* ---- merging ---- */

/* A run being read, with its strings' codes in the run being made. */
struct merge_side {
    const struct patch_run *run;
    uint32_t *codes; /* 0: not translated yet */
};

static struct merge_side side_open(const struct patch_run *run)
{
    struct merge_side side = {.run = run};
    if (run->has_strings)
        side.codes = mem_zero(run->strings.count, sizeof *side.codes);
    return side;
}

static void entry_copy(struct patch_run *to, struct merge_side *side, const struct patch_group *g,
                       uint32_t from)
{
    const struct patch_run *run = side->run;
    uint64_t value = run->values[from];
    if (g->column->storage == STORAGE_STR) {
        uint32_t *code = &side->codes[value];
        if (*code == 0)
            *code = intern_add_hashed(&to->strings, run->strings.values[value],
                                      run->strings.hashes[value]);
        value = *code;
    }
    to->rows[to->count] = run->rows[from];
    to->seqs[to->count] = run->seqs[from];
    to->values[to->count] = value;
    to->traces[to->count] = run->traces[from];
    to->spans[to->count] = run->spans[from];
    to->count++;
}

static void group_merge(struct patch_run *to, struct merge_side *older,
                        const struct patch_group *older_group, struct merge_side *newer,
                        const struct patch_group *newer_group)
{
    static const struct patch_group none;
    const struct patch_group *a = older_group != NULL ? older_group : &none;
    const struct patch_group *b = newer_group != NULL ? newer_group : &none;
    const struct column *column = older_group != NULL ? a->column : b->column;
    struct patch_group *group = group_open(to, column);
    uint32_t i = a->first;
    uint32_t j = b->first;
    while (i < a->first + a->count && j < b->first + b->count) {
        uint32_t row_a = older->run->rows[i];
        uint32_t row_b = newer->run->rows[j];
        bool take_a =
            row_a < row_b || (row_a == row_b && older->run->seqs[i] > newer->run->seqs[j]);
        if (take_a)
            entry_copy(to, older, a, i);
        else
            entry_copy(to, newer, b, j);
        i += row_a <= row_b;
        j += row_b <= row_a;
    }
    for (; i < a->first + a->count; i++)
        entry_copy(to, older, a, i);
    for (; j < b->first + b->count; j++)
        entry_copy(to, newer, b, j);
    group->count = to->count - group->first;
}

struct patch_run *patch_run_merge(const struct patch_run *older, const struct patch_run *newer)
{
    struct patch_run *to =
        run_alloc(older->count + newer->count, older->group_count + newer->group_count,
                  older->has_strings || newer->has_strings);
    struct merge_side a = side_open(older);
    struct merge_side b = side_open(newer);
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < older->group_count || j < newer->group_count) {
        const struct patch_group *left = i < older->group_count ? &older->groups[i] : NULL;
        const struct patch_group *right = j < newer->group_count ? &newer->groups[j] : NULL;
        if (left != NULL && right != NULL && left->column->id != right->column->id) {
            if (left->column->id < right->column->id)
                right = NULL;
            else
                left = NULL;
        }
        group_merge(to, &a, left, &b, right);
        i += left != NULL;
        j += right != NULL;
    }
    mem_free(a.codes);
    mem_free(b.codes);
    return to;
}

/* ---- searching ---- */

const struct patch_group *patch_run_group(const struct patch_run *r, const struct column *column)
{
    uint32_t low = 0;
    uint32_t high = r->group_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->groups[middle].column->id < column->id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->group_count && r->groups[low].column->id == column->id ? &r->groups[low] : NULL;
}

uint32_t patch_run_lower(const struct patch_run *r, const struct patch_group *g, uint64_t row)
{
    uint32_t low = g->first;
    uint32_t high = g->first + g->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct amendment patch_run_amendment(const struct patch_run *r, const struct patch_group *g,
                                     uint32_t i)
{
    struct amendment a = {.seq = r->seqs[i],
                          .trace_id = r->traces[i],
                          .span_id = r->spans[i],
                          .column = g->column,
                          .bytes = SLICE_EMPTY};
    if (g->column->storage == STORAGE_STR)
        a.bytes = r->strings.values[r->values[i]];
    else
        memcpy(&a.i64, &r->values[i], sizeof a.i64);
    return a;
}
