/*
 * patch_apply.c - patches onto decoded vectors, and the dictionaries they need.
 */
#include "engine/base/check.h"
#include "engine/patch/patch_set.h"

/* ---- dictionaries ---- */

static const struct slice null_values[1] = {{.data = (const uint8_t *)"", .size = 0}};
static const struct dict null_dict = {.values = null_values, .count = 1};

void patch_set_dicts_destroy(struct patch_set *s)
{
    for (struct patch_dict *d = s->dicts; d != NULL;) {
        struct patch_dict *next = d->next;
        for (uint32_t i = 0; i < s->run_count; i++)
            mem_free(d->codes[i]);
        mem_free((void *)d->dict.values);
        mem_free(d);
        d = next;
    }
}

/* The strings the set gives to the column, run by run; those of a run's other columns are not among
 * them. */
static void strings_collect(const struct patch_set *s, const struct column *column,
                            struct intern *strings)
{
    for (uint32_t i = 0; i < s->run_count; i++) {
        const struct patch_run *run = s->runs[i];
        const struct patch_group *g = patch_run_group(run, column);
        for (uint32_t at = 0; g != NULL && at < g->count; at++) {
            uint64_t code = run->values[g->first + at];
            (void)intern_add_hashed(strings, run->strings.values[code], run->strings.hashes[code]);
        }
    }
}

/* codes[] of d from the codes the strings of the column got. */
static void codes_fill(const struct patch_set *s, const struct column *column,
                       const struct intern *strings, const uint32_t *final_codes,
                       struct patch_dict *d)
{
    for (uint32_t i = 0; i < s->run_count; i++) {
        const struct patch_run *run = s->runs[i];
        const struct patch_group *g = patch_run_group(run, column);
        if (g == NULL)
            continue;
        d->codes[i] = mem_zero(run->strings.count, sizeof *d->codes[i]);
        for (uint32_t code = 1; code < run->strings.count; code++)
            d->codes[i][code] = final_codes[intern_find(strings, run->strings.values[code])];
    }
}

static struct patch_dict *dict_create(const struct patch_set *s, const struct column *column,
                                      const struct dict *base)
{
    struct patch_dict *d = MEM_NEW(struct patch_dict);
    d->column = column;
    d->base_values = base->values;
    d->base_count = base->count;
    struct intern strings;
    intern_init(&strings);
    strings_collect(s, column, &strings);

    /* A string the base has keeps the base's code; the rest come behind. */
    uint32_t *final_codes = mem_zero(strings.count, sizeof *final_codes);
    for (uint32_t code = 1; code < base->count; code++) {
        uint32_t found = intern_find(&strings, base->values[code]);
        if (found != 0 && final_codes[found] == 0)
            final_codes[found] = code;
    }
    struct slice *values = mem_alloc((base->count + strings.count) * sizeof *values);
    memcpy(values, base->values, base->count * sizeof *values);
    uint32_t count = base->count;
    for (uint32_t i = 1; i < strings.count; i++) {
        if (final_codes[i] != 0)
            continue;
        final_codes[i] = count;
        values[count++] = strings.values[i];
    }
    codes_fill(s, column, &strings, final_codes, d);
    d->dict = (struct dict){.values = values, .count = count};
    /* The new values' bytes live in the runs; strings has copies that go now. */
    for (uint32_t i = 0; i < s->run_count; i++) {
        const struct patch_run *run = s->runs[i];
        for (uint32_t code = 1; d->codes[i] != NULL && code < run->strings.count; code++) {
            if (d->codes[i][code] >= base->count)
                values[d->codes[i][code]] = run->strings.values[code];
        }
    }
    mem_free(final_codes);
    intern_deinit(&strings);
    return d;
}

const struct patch_dict *patch_set_dict_get(struct patch_set *s, const struct column *column,
                                            const struct dict *base)
{
    if (base == NULL || base->count <= 1)
        base = &null_dict;
    mutex_lock(&s->lock);
    struct patch_dict *d = s->dicts;
    while (d != NULL &&
           (d->column != column || d->base_values != base->values || d->base_count != base->count))
        d = d->next;
    if (d == NULL) {
        d = dict_create(s, column, base);
        d->next = s->dicts;
        s->dicts = d;
    }
    mutex_unlock(&s->lock);
    return d;
}

const struct dict *patch_set_dict(struct patch_set *s, const struct column *column,
                                  const struct dict *base)
{
    ASSERT(column->storage == STORAGE_STR);
    return &patch_set_dict_get(s, column, base)->dict;
}

/* ---- application ---- */

/* Writes the amendments of [first, first + rows) into numbers or codes and marks them in valid (may be
 * NULL). Runs may amend the same cell: seqs remembers what is there. */
struct apply {
    uint64_t first;
    uint32_t rows;
    uint64_t *numbers; /* F64, I64 */
    uint32_t *codes;   /* STR */
    uint8_t *valid;
    uint64_t *seqs; /* NULL while only one run has a say */
};

static void apply_run(const struct apply *to, const struct patch_run *run,
                      const struct patch_group *g, const uint32_t *run_codes)
{
    uint32_t end = g->first + g->count;
    for (uint32_t at = patch_run_lower(run, g, to->first);
         at < end && run->rows[at] - to->first < to->rows; at++) {
        uint32_t row = (uint32_t)(run->rows[at] - to->first);
        if (to->seqs != NULL) {
            /* Later runs win ties. */
            if (run->seqs[at] < to->seqs[row])
                continue;
            to->seqs[row] = run->seqs[at];
        }
        if (to->codes != NULL)
            to->codes[row] = run_codes[run->values[at]];
        else
            to->numbers[row] = run->values[at];
        if (to->valid != NULL)
            to->valid[row] = 1;
    }
}

static uint32_t runs_touching(const struct patch_set *s, const struct column *column,
                              uint64_t first, uint32_t rows)
{
    uint32_t touching = 0;
    for (uint32_t i = 0; i < s->run_count; i++) {
        const struct patch_run *run = s->runs[i];
        const struct patch_group *g = patch_run_group(run, column);
        uint32_t at = g == NULL ? 0 : patch_run_lower(run, g, first);
        touching += g != NULL && at < g->first + g->count && run->rows[at] - first < rows;
    }
    return touching;
}

static void *copy(struct arena *arena, const void *from, size_t size)
{
    return memcpy(arena_alloc(arena, size), from, size);
}

void patch_set_apply(struct patch_set *s, const struct column *column, uint64_t first,
                     struct vector *v, struct arena *arena)
{
    ASSERT(v->storage == column->storage);
    uint32_t touching = s == NULL ? 0 : runs_touching(s, column, first, v->rows);
    if (touching == 0)
        return;
    struct apply to = {.first = first, .rows = v->rows};
    const struct patch_dict *d = NULL;
    if (touching > 1)
        to.seqs = arena_zero(arena, v->rows, sizeof *to.seqs);
    if (column->storage == STORAGE_STR) {
        d = patch_set_dict_get(s, column, v->dict);
        to.codes = copy(arena, v->codes, v->rows * sizeof *to.codes);
        v->codes = to.codes;
        v->dict = &d->dict;
    } else {
        to.numbers = copy(arena, v->i64, v->rows * sizeof *to.numbers);
        v->i64 = (const int64_t *)to.numbers;
        if (v->valid != NULL) {
            to.valid = copy(arena, v->valid, v->rows);
            v->valid = to.valid;
        }
    }
    for (uint32_t i = 0; i < s->run_count; i++) {
        const struct patch_group *g = patch_run_group(s->runs[i], column);
        if (g != NULL)
            apply_run(&to, s->runs[i], g, d == NULL ? NULL : d->codes[i]);
    }
}
