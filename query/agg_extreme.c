/*
 * agg_extreme.c - min, max, first, last, string_agg.
 *
 * Ties: first and last with equal times take the least and the greatest value, so that rows may come in any order.
 */
#include "query/agg.h"

#include <stdlib.h>

#include "query/order.h"

static void load(const struct vec *v, uint32_t row, struct extreme *to)
{
    size_t width = phys_width(v->phys);
    if (v->phys == PHYS_CODES)
        to->value.text = vec_text(v, row);
    else
        memcpy(&to->value, (const uint8_t *)v->data + row * width, width);
}

static int compare_values(enum phys phys, const struct extreme *a, const struct extreme *b)
{
    struct vec x = {.phys = phys == PHYS_CODES ? PHYS_TEXT : phys, .data = &a->value};
    struct vec y = {.phys = x.phys, .data = &b->value};
    return order_rows(&x, 0, &y, 0);
}

/* Takes `from` over into the state; a text is kept in the states' store. */
static void keep(struct states *to, struct extreme *state, const struct extreme *from)
{
    struct slice before = state->value.text;
    bool had = state->has;
    bool text = to->spec->phys == PHYS_TEXT || to->spec->phys == PHYS_CODES;
    *state = *from;
    state->has = true;
    if (!text)
        return;
    /* A text that is not longer takes the place of the one before it. */
    if (had && before.size >= from->value.text.size) {
        memmove((uint8_t *)(uintptr_t)before.data, from->value.text.data, from->value.text.size);
        state->value.text = slice_of(before.data, from->value.text.size);
        return;
    }
    state->value.text = text_store_add(&to->texts, from->value.text);
}

/* sign 1: keep the greater value, -1: the lesser. */
static void offer(struct states *to, struct extreme *state, const struct extreme *x, int sign)
{
    if (!state->has || sign * compare_values(to->spec->phys, x, state) > 0)
        keep(to, state, x);
}

static void offer_i64(struct states *to, const uint32_t *groups, const int64_t *values,
                      uint32_t rows, int sign)
{
    struct extreme *all = (struct extreme *)(void *)to->data;
    for (uint32_t i = 0; i < rows; i++) {
        struct extreme *s = &all[groups == NULL ? 0 : groups[i]];
        bool better = sign > 0 ? values[i] > s->value.i64 : values[i] < s->value.i64;
        if (better || !s->has) {
            s->value.i64 = values[i];
            s->has = true;
        }
    }
}

static void extreme_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                           uint32_t rows, int sign)
{
    struct extreme *all = (struct extreme *)(void *)to->data;
    if (arg->phys == PHYS_I64) {
        offer_i64(to, groups, arg->i64, rows, sign);
        return;
    }
    for (uint32_t i = 0; i < rows; i++) {
        struct extreme x = {0};
        load(arg, i, &x);
        offer(to, &all[groups == NULL ? 0 : groups[i]], &x, sign);
    }
}

static void min_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                       const struct vec *by, uint32_t rows)
{
    (void)by;
    extreme_update(to, groups, arg, rows, -1);
}

static void max_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                       const struct vec *by, uint32_t rows)
{
    (void)by;
    extreme_update(to, groups, arg, rows, 1);
}

static void min_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    const struct extreme *x = from;
    (void)ids;
    if (x->has)
        offer(to, state, x, -1);
}

static void max_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    const struct extreme *x = from;
    (void)ids;
    if (x->has)
        offer(to, state, x, 1);
}

const struct state_ops ops_min = {sizeof(struct extreme), min_update, min_merge, NULL, NULL};
const struct state_ops ops_max = {sizeof(struct extreme), max_update, max_merge, NULL, NULL};

/* ---- first, last ---- */

static void offer_by_time(struct states *to, struct extreme *state, const struct extreme *x,
                          int sign)
{
    int order = (x->time > state->time) - (x->time < state->time);
    if (state->has && order == 0)
        order = compare_values(to->spec->phys, x, state);
    if (!state->has || sign * order > 0)
        keep(to, state, x);
}

static void by_time_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                           const struct vec *by, uint32_t rows, int sign)
{
    struct extreme *all = (struct extreme *)(void *)to->data;
    for (uint32_t i = 0; i < rows; i++) {
        struct extreme x = {.time = by->i64[i]};
        load(arg, i, &x);
        offer_by_time(to, &all[groups == NULL ? 0 : groups[i]], &x, sign);
    }
}

static void first_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                         const struct vec *by, uint32_t rows)
{
    by_time_update(to, groups, arg, by, rows, -1);
}

static void last_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                        const struct vec *by, uint32_t rows)
{
    by_time_update(to, groups, arg, by, rows, 1);
}

static void first_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    const struct extreme *x = from;
    (void)ids;
    if (x->has)
        offer_by_time(to, state, x, -1);
}

static void last_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    const struct extreme *x = from;
    (void)ids;
    if (x->has)
        offer_by_time(to, state, x, 1);
}

const struct state_ops ops_first = {sizeof(struct extreme), first_update, first_merge, NULL, NULL};
const struct state_ops ops_last = {sizeof(struct extreme), last_update, last_merge, NULL, NULL};

/* ---- string_agg: all texts, joined in order of their bytes ---- */

struct texts {
    struct slice *items;
    size_t capacity;
    size_t count;
};

static void texts_add(struct states *to, struct texts *t, struct slice text)
{
    size_t capacity = t->capacity;
    t->items = mem_grow(t->items, &t->capacity, t->count + 1, sizeof *t->items);
    t->items[t->count++] = text_store_add(&to->texts, text);
    to->heap_bytes += (t->capacity - capacity) * sizeof *t->items;
}

static void texts_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                         const struct vec *by, uint32_t rows)
{
    struct texts *all = (struct texts *)(void *)to->data;
    (void)by;
    for (uint32_t i = 0; i < rows; i++)
        texts_add(to, &all[groups == NULL ? 0 : groups[i]], vec_text(arg, i));
}

static void texts_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    const struct texts *t = from;
    (void)ids;
    for (size_t i = 0; i < t->count; i++)
        texts_add(to, state, t->items[i]);
}

static void texts_release(void *state)
{
    mem_free(((struct texts *)state)->items);
}

const struct state_ops ops_texts = {sizeof(struct texts), texts_update, texts_merge, NULL,
                                    texts_release};

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

bool texts_join(const void *state, struct slice separator, struct text_store *texts,
                struct slice *ret, bool *ret_too_long)
{
    const struct texts *t = state;
    size_t size = 0;
    if (t->count == 0)
        return false;
    qsort(t->items, t->count, sizeof *t->items, compare_slices);
    for (size_t i = 0; i < t->count && size <= TEXT_BYTES_MAX; i++)
        size += t->items[i].size + (i > 0 ? separator.size : 0);
    if (size > TEXT_BYTES_MAX) {
        *ret_too_long = true;
        return false;
    }
    uint8_t *to = text_store_alloc(texts, size + 1);
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (i > 0) {
            bytes_copy(to + at, separator.data, separator.size);
            at += separator.size;
        }
        bytes_copy(to + at, t->items[i].data, t->items[i].size);
        at += t->items[i].size;
    }
    *ret = slice_of(to, size);
    return true;
}
