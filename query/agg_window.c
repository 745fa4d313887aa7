/*
 * agg_window.c - drift and baseline for queries without buckets: sums of x in a few slots of time before one moment.
 *
 * Slots: drift has two, the current window and the one before it; baseline has one for the same hour of each of the
 *        weeks before. Definitions and a worked example: DIALECT.md.
 */
#include <math.h>
#include <stdlib.h>

#include "engine/base/clock.h"

#include "query/agg.h"
#include "query/exact_sum.h"
#include "query/order.h"

#define WEEK_NS (7 * NS_PER_DAY)

/* A state is an array of `weeks` or two sums, made when the first row comes. */
struct slots {
    struct exact_sum *sums;
    uint32_t count;
};

static int64_t floor_hour(int64_t t)
{
    int64_t into = t % NS_PER_HOUR;
    int64_t start;
    if (__builtin_sub_overflow(t, into < 0 ? into + NS_PER_HOUR : into, &start))
        return INT64_MIN;
    return start;
}

int64_t baseline_hour(int64_t end_ns, uint32_t k)
{
    int64_t hour = floor_hour(end_ns == INT64_MIN ? end_ns : end_ns - 1);
    int64_t back;
    return __builtin_sub_overflow(hour, (int64_t)k * WEEK_NS, &back) ? INT64_MIN : back;
}

/* Which slot a time belongs to, or -1. */
static int slot_of(const struct window_spec *w, int64_t hour, int64_t t)
{
    if (w->is_drift) {
        if (t >= w->end_ns || t < w->end_ns - w->current_ns - w->baseline_ns)
            return -1;
        return t >= w->end_ns - w->current_ns ? 0 : 1;
    }
    int64_t before = hour - t;
    if (before <= 0)
        return -1;
    /* Weeks from this hour back to the start of t's; the slot's hour is the first of its week. */
    int64_t weeks = (before + WEEK_NS - 1) / WEEK_NS;
    if (weeks > w->weeks || t >= hour - weeks * WEEK_NS + NS_PER_HOUR)
        return -1;
    return (int)weeks - 1;
}

static void slots_update(struct states *to, const uint32_t *groups, const struct vec *arg,
                         const struct vec *by, uint32_t rows)
{
    struct slots *all = (struct slots *)(void *)to->data;
    const struct window_spec *w = &to->spec->window;
    int64_t hour = baseline_hour(w->end_ns, 0);
    uint32_t count = w->is_drift ? 2 : w->weeks;
    for (uint32_t i = 0; i < rows; i++) {
        struct slots *s = &all[groups == NULL ? 0 : groups[i]];
        int slot = slot_of(w, hour, by->i64[i]);
        if (slot < 0)
            continue;
        if (s->sums == NULL) {
            s->sums = mem_zero(count, sizeof *s->sums);
            s->count = count;
            to->heap_bytes += count * sizeof *s->sums;
        }
        exact_sum_add(&s->sums[slot], arg->f64[i]);
    }
}

static void slots_merge(struct states *to, void *state, const void *from, const uint32_t *ids)
{
    struct slots *a = state;
    const struct slots *b = from;
    (void)ids;
    if (b->sums == NULL)
        return;
    if (a->sums == NULL) {
        a->sums = mem_zero(b->count, sizeof *a->sums);
        a->count = b->count;
        to->heap_bytes += a->count * sizeof *a->sums;
    }
    for (uint32_t i = 0; i < a->count; i++)
        exact_sum_merge(&a->sums[i], &b->sums[i], 1);
}

static void slots_release(void *state)
{
    struct slots *s = state;
    for (uint32_t i = 0; s->sums != NULL && i < s->count; i++)
        exact_sum_release(&s->sums[i]);
    mem_free(s->sums);
}

const struct state_ops ops_slots = {sizeof(struct slots), slots_update, slots_merge, NULL,
                                    slots_release};

bool drift_value(const struct window_spec *w, const struct exact_sum *current,
                 const struct exact_sum *before, double *ret)
{
    int64_t least = (int64_t)w->samples_min;
    if (current->count < least || before->count < least)
        return false;
    *ret = exact_sum_mean(current) - exact_sum_mean(before);
    return true;
}

static int compare_doubles(const void *a, const void *b)
{
    return order_f64(*(const double *)a, *(const double *)b);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

bool baseline_value(double *means, uint32_t count, bool mad, double *ret)
{
    if (count < BASELINE_HOURS_MIN)
        return false;
    double middle = median(means, count);
    if (mad) {
        for (uint32_t i = 0; i < count; i++)
            means[i] = fabs(means[i] - middle);
        middle = median(means, count);
    }
    *ret = middle;
    return true;
}

bool slots_final(const struct aggregate *a, const void *state, double *ret)
{
    const struct slots *s = state;
    double means[BASELINE_WEEKS_MAX];
    uint32_t count = 0;
    if (s->sums == NULL)
        return false;
    if (a->final == FINAL_DRIFT)
        return drift_value(&a->window, &s->sums[0], &s->sums[1], ret);
    for (uint32_t k = 0; k < s->count; k++)
        if (s->sums[k].count >= (int64_t)a->window.samples_min)
            means[count++] = exact_sum_mean(&s->sums[k]);
    return baseline_value(means, count, a->final == FINAL_BASELINE_MAD, ret);
}
