/*
 * rolling.c - values of groups that depend on their neighbours in time: ROLLING, drift and baseline over buckets.
 *
 * Shape:  groups are ordered by their other keys, then by bucket. Along one such line of buckets
 *         - ROLLING keeps the merged state of the trailing window: the bucket that enters is merged in, the ones that leave
 *           are subtracted. States that can't be subtracted (min, max, distinct, exact quantiles) are merged anew.
 *         - drift keeps two exact sums, baseline looks up the sums of the same hour in the weeks before.
 *         Nothing is read again.
 * Exact:  counts, sums and histograms are integers or exact sums, so subtracting leaves no trace.
 */
#include <stdlib.h>

#include "engine/base/clock.h"

#include "query/exact_sum.h"
#include "query/exec.h"

struct place {
    uint32_t group;
    int64_t bucket; /* start */
};

struct hour_sum {
    int64_t hour;
    struct exact_sum sum;
};

/* The windows of one drift or baseline aggregate along the current line. */
struct line {
    uint32_t aggregate;
    struct exact_sum current;
    struct exact_sum before;
    uint32_t current_low; /* first place in `current` */
    uint32_t before_low;
    struct hour_sum *hours;
    size_t hours_capacity;
    uint32_t hour_count;
};

struct windows {
    const struct plan *plan;
    struct group_sink *groups;
    struct run *run;
    bool ordered;         /* along buckets */
    struct place *places; /* ordered: all groups */
    uint32_t next;        /* place or group to look at */
    uint32_t at;          /* the place given last */
    uint32_t line_begin;
    uint32_t line_end;
    uint32_t low;           /* first place inside the rolling window */
    uint32_t high;          /* first place not yet merged */
    struct states *rolling; /* one group each: the window */
    struct line *lines;
    uint32_t line_count;
};

static const struct state_spec *spec_of(const struct windows *w, uint32_t state)
{
    return &w->plan->states[state];
}

/* ---- order ---- */

struct order_context {
    const struct plan *plan;
    const struct group_table *table;
};

static bool same_line(const struct order_context *o, uint32_t a, uint32_t b)
{
    for (uint32_t k = 0; k < o->plan->key_count; k++)
        if (k != o->plan->bucket_key && group_key(o->table, a, k) != group_key(o->table, b, k))
            return false;
    return true;
}

static int compare_places(const void *pa, const void *pb, void *context)
{
    const struct order_context *o = context;
    const struct place *a = pa;
    const struct place *b = pb;
    for (uint32_t k = 0; k < o->plan->key_count; k++) {
        uint32_t x = group_key(o->table, a->group, k);
        uint32_t y = group_key(o->table, b->group, k);
        if (k != o->plan->bucket_key && x != y)
            return x < y ? -1 : 1;
    }
    return (a->bucket > b->bucket) - (a->bucket < b->bucket);
}

static void order_places(struct windows *w)
{
    const struct group_table *t = &w->groups->table;
    uint32_t bucket_key = w->plan->bucket_key;
    struct scratch scratch = {0};
    struct vec values = key_map_values(&t->keys[bucket_key], &scratch);
    w->places = mem_alloc((size_t)t->count * sizeof *w->places);
    for (uint32_t g = 0; g < t->count; g++) {
        uint32_t id = group_key(t, g, bucket_key);
        w->places[g] = (struct place){g, id == 0 ? INT64_MIN : values.i64[id]};
    }
    scratch_deinit(&scratch);
    struct order_context o = {.plan = w->plan, .table = t};
    qsort_r(w->places, t->count, sizeof *w->places, compare_places, &o);
}

/* ---- life ---- */

static bool is_windowed(const struct windows *w, const struct aggregate *a)
{
    bool kind =
        a->final == FINAL_DRIFT || a->final == FINAL_BASELINE || a->final == FINAL_BASELINE_MAD;
    return kind && spec_of(w, a->state)->kind == STATE_SUM;
}

struct windows *windows_create(const struct plan *plan, struct group_sink *groups, struct run *run)
{
    struct windows *w = MEM_NEW(struct windows);
    *w = (struct windows){.plan = plan, .groups = groups, .run = run};
    w->lines = mem_zero(plan->aggregate_count + 1, sizeof *w->lines);
    for (uint32_t a = 0; a < plan->aggregate_count; a++)
        if (plan->aggregates[a].used && is_windowed(w, &plan->aggregates[a]))
            w->lines[w->line_count++].aggregate = a;
    w->ordered = plan->rolling_ns != 0 || w->line_count > 0;
    for (uint32_t i = 0; i < plan->state_count; i++)
        states_resize(&groups->states[i], groups->table.count);
    if (!w->ordered)
        return w;
    order_places(w);
    if (plan->rolling_ns != 0) {
        w->rolling = mem_zero(plan->state_count + 1, sizeof *w->rolling);
        for (uint32_t i = 0; i < plan->state_count; i++) {
            states_init(&w->rolling[i], &plan->states[i], groups->states[i].scratch);
            states_resize(&w->rolling[i], 1);
        }
    }
    return w;
}

static void line_reset(struct line *l, uint32_t begin)
{
    exact_sum_release(&l->current);
    exact_sum_release(&l->before);
    for (uint32_t i = 0; i < l->hour_count; i++)
        exact_sum_release(&l->hours[i].sum);
    l->hour_count = 0;
    l->current_low = begin;
    l->before_low = begin;
}

void windows_destroy(struct windows *w)
{
    for (uint32_t i = 0; i < w->line_count; i++) {
        line_reset(&w->lines[i], 0);
        mem_free(w->lines[i].hours);
    }
    for (uint32_t i = 0; w->rolling != NULL && i < w->plan->state_count; i++)
        states_deinit(&w->rolling[i]);
    mem_free(w->rolling);
    mem_free(w->lines);
    mem_free(w->places);
    mem_free(w);
}

/* ---- moving along a line ---- */

static int64_t minus(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_sub_overflow(a, b, &r) ? INT64_MIN : r;
}

static void state_clear(struct states *s)
{
    if (s->ops->release != NULL)
        s->ops->release(states_at(s, 0));
    memset(states_at(s, 0), 0, s->ops->bytes);
}

/* The rolling states' window becomes the buckets [bucket + width - rolling, bucket]. */
static void roll_to(struct windows *w, uint32_t at)
{
    const struct plan *plan = w->plan;
    int64_t first = minus(w->places[at].bucket, plan->rolling_ns - plan->bucket_ns);
    uint32_t low = w->low;
    while (w->places[low].bucket < first)
        low++;
    for (uint32_t i = 0; i < plan->state_count; i++) {
        struct states *window = &w->rolling[i];
        const struct states *from = &w->groups->states[i];
        if (!plan->states[i].used)
            continue;
        bool again = window->ops->subtract == NULL;
        if (again)
            state_clear(window);
        for (uint32_t p = again ? low : w->high; p <= at; p++)
            window->ops->merge(window, states_at(window, 0), states_at(from, w->places[p].group),
                               NULL);
        for (uint32_t p = w->low; !again && p < low; p++)
            window->ops->subtract(window, states_at(window, 0),
                                  states_at(from, w->places[p].group));
    }
    w->low = low;
    w->high = at + 1;
}

static const struct exact_sum *sum_at(const struct windows *w, const struct line *l, uint32_t place)
{
    uint32_t state = w->plan->aggregates[l->aggregate].state;
    return states_at(&w->groups->states[state], w->places[place].group);
}

static void move_drift(struct windows *w, struct line *l, uint32_t at)
{
    const struct window_spec *spec = &w->plan->aggregates[l->aggregate].window;
    int64_t end = w->places[at].bucket;
    if (__builtin_add_overflow(end, w->plan->bucket_ns, &end))
        end = INT64_MAX;
    int64_t current = minus(end, spec->current_ns);
    int64_t before = minus(current, spec->baseline_ns);
    exact_sum_merge(&l->current, sum_at(w, l, at), 1);
    for (; w->places[l->current_low].bucket < current; l->current_low++) {
        exact_sum_merge(&l->current, sum_at(w, l, l->current_low), -1);
        exact_sum_merge(&l->before, sum_at(w, l, l->current_low), 1);
    }
    for (; l->before_low < l->current_low && w->places[l->before_low].bucket < before;
         l->before_low++)
        exact_sum_merge(&l->before, sum_at(w, l, l->before_low), -1);
}

static int64_t hour_of(int64_t t)
{
    return baseline_hour(t == INT64_MAX ? t : t + 1, 0);
}

static void add_hour(struct windows *w, struct line *l, uint32_t at)
{
    int64_t hour = hour_of(w->places[at].bucket);
    if (l->hour_count == 0 || l->hours[l->hour_count - 1].hour != hour) {
        l->hours = mem_grow(l->hours, &l->hours_capacity, l->hour_count + 1, sizeof *l->hours);
        l->hours[l->hour_count++] = (struct hour_sum){.hour = hour};
    }
    exact_sum_merge(&l->hours[l->hour_count - 1].sum, sum_at(w, l, at), 1);
}

static const struct exact_sum *find_hour(const struct line *l, int64_t hour)
{
    uint32_t low = 0;
    uint32_t high = l->hour_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->hours[middle].hour < hour)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->hour_count && l->hours[low].hour == hour ? &l->hours[low].sum : NULL;
}

static void begin_line(struct windows *w, uint32_t at)
{
    struct order_context o = {.plan = w->plan, .table = &w->groups->table};
    uint32_t count = w->groups->table.count;
    w->line_begin = at;
    w->line_end = at + 1;
    while (w->line_end < count && same_line(&o, w->places[at].group, w->places[w->line_end].group))
        w->line_end++;
    w->low = at;
    w->high = at;
    for (uint32_t i = 0; w->rolling != NULL && i < w->plan->state_count; i++)
        state_clear(&w->rolling[i]);
    for (uint32_t i = 0; i < w->line_count; i++)
        line_reset(&w->lines[i], at);
}

static bool has_own_rows(const struct windows *w, uint32_t group)
{
    uint32_t state = w->plan->own_state;
    if (!group_exists(&w->groups->table, group))
        return false;
    if (state == UINT32_MAX || w->plan->key_count == 0)
        return true;
    return *(const int64_t *)states_at(&w->groups->states[state], group) > 0;
}

static void move_to(struct windows *w, uint32_t at)
{
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct line *l = &w->lines[i];
        if (w->plan->aggregates[l->aggregate].final == FINAL_DRIFT)
            move_drift(w, l, at);
        else
            add_hour(w, l, at);
    }
    if (w->rolling != NULL)
        roll_to(w, at);
}

enum status windows_next(struct windows *w, uint32_t *ret_group, struct error *reterr)
{
    uint32_t count = w->groups->table.count;
    for (; w->next < count; w->next++) {
        if (w->next % 1024 == 0) {
            enum status s = run_check(w->run, reterr);
            if (s < 0)
                return s;
        }
        uint32_t group = w->ordered ? w->places[w->next].group : w->next;
        if (w->ordered) {
            if (w->next >= w->line_end)
                begin_line(w, w->next);
            move_to(w, w->next);
        }
        if (!has_own_rows(w, group))
            continue;
        w->at = w->next++;
        *ret_group = group;
        return STATUS_OK;
    }
    return STATUS_END;
}

static bool baseline_final(const struct windows *w, const struct line *l, double *ret)
{
    const struct aggregate *a = &w->plan->aggregates[l->aggregate];
    double means[BASELINE_WEEKS_MAX];
    uint32_t count = 0;
    int64_t hour = hour_of(w->places[w->at].bucket);
    for (uint32_t k = 1; k <= a->window.weeks; k++) {
        const struct exact_sum *sum = find_hour(l, minus(hour, (int64_t)k * 7 * NS_PER_DAY));
        if (sum != NULL && sum->count >= (int64_t)a->window.samples_min)
            means[count++] = exact_sum_mean(sum);
    }
    return baseline_value(means, count, a->final == FINAL_BASELINE_MAD, ret);
}

enum status windows_final(struct windows *w, uint32_t aggregate, struct column_out *out,
                          uint32_t row, struct error *reterr)
{
    const struct aggregate *a = &w->plan->aggregates[aggregate];
    const struct states *states = &w->groups->states[a->state];
    for (uint32_t i = 0; i < w->line_count; i++) {
        const struct line *l = &w->lines[i];
        double value;
        if (l->aggregate != aggregate)
            continue;
        bool has = a->final == FINAL_DRIFT
                       ? drift_value(&a->window, &l->current, &l->before, &value)
                       : baseline_final(w, l, &value);
        out->valid[row] = has;
        if (has)
            ((double *)out->data)[row] = value;
        return STATUS_OK;
    }
    if (w->rolling != NULL)
        return aggregate_final(a, &w->rolling[a->state], states_at(&w->rolling[a->state], 0), out,
                               row, reterr);
    uint32_t group = w->ordered ? w->places[w->at].group : w->at;
    return aggregate_final(a, states, states_at(states, group), out, row, reterr);
}
