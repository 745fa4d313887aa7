/*
 * retain_pick.c - decides which segments leave by age or size.
 *
 * Place:   engine (maintenance, `driftline retain`) -> [here], pure
 * Clocks:  two are not believed. The wall clock: unless the pass is confirmed, "now" is at most a
 *          day past the newest data, so a clock that jumps ahead empties nothing. Event times: a
 *          segment with times before 2015 or more than a day ahead of now is dated by when it was
 *          written instead, from the segments committed around it, so that it leaves with its
 *          contemporaries and decides for nobody.
 */
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/compact/compact.h"

#define TIME_PLAUSIBLE_MIN_NS ((int64_t)1420070400 * NS_PER_S) /* 2015-01-01T00:00:00Z */
#define CLOCK_SLACK_NS        NS_PER_DAY
/* "The newest data" leaves out this share of the rows: a few from a bad clock near the bad wall
 * clock. */
#define NEWEST_SHARE 100u

struct dated {
    uint32_t index;
    const struct manifest_segment *segment;
    int64_t time_ns; /* what counts as the time of its newest row */
    bool plausible;
    bool known; /* time_ns means something */
};

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t subtract(int64_t a, int64_t b)
{
    int64_t difference;
    return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
}

static int by_seq(const void *a, const void *b)
{
    const struct dated *x = a;
    const struct dated *y = b;
    if (x->segment->seq_max != y->segment->seq_max)
        return x->segment->seq_max < y->segment->seq_max ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Undated ones first: they are compared by seq, by which they are sorted already. */
static int by_time(const void *a, const void *b)
{
    const struct dated *x = a;
    const struct dated *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return by_seq(a, b);
}

/* Gives every segment a time: its own, or that of the plausible one written last before it (or first
 * after it). */
static void segments_date(struct dated *d, uint32_t count, int64_t now_ns)
{
    qsort(d, count, sizeof *d, by_seq);
    int64_t before_ns = 0;
    bool before = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct manifest_segment *s = d[i].segment;
        d[i].plausible = s->time_min_ns >= TIME_PLAUSIBLE_MIN_NS &&
                         s->time_max_ns <= add(now_ns, CLOCK_SLACK_NS);
        if (d[i].plausible && (!before || s->time_max_ns > before_ns)) {
            before_ns = s->time_max_ns;
            before = true;
        }
        d[i].known = d[i].plausible || before;
        d[i].time_ns = d[i].plausible ? s->time_max_ns : before_ns;
    }
    bool after = false;
    int64_t after_ns = 0;
    for (uint32_t i = count; i-- > 0;) {
        if (d[i].plausible) {
            after = true;
            after_ns = d[i].time_ns;
        } else if (!d[i].known && after) {
            d[i].known = true;
            d[i].time_ns = after_ns;
        }
    }
}

/* The time of the newest plausible data; false when there is none. d is sorted by time. */
static bool newest_find(const struct dated *d, uint32_t count, int64_t *ret_ns)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < count; i++)
        rows += d[i].plausible ? d[i].segment->rows : 0;
    uint64_t skipped = 0;
    for (uint32_t i = count; i-- > 0;) {
        if (!d[i].plausible)
            continue;
        *ret_ns = d[i].time_ns;
        skipped += d[i].segment->rows;
        if (skipped > rows / NEWEST_SHARE)
            return true;
    }
    return rows > 0;
}

static uint32_t drop_by_age(const struct dated *d, uint32_t count,
                            const struct retain_policy *policy, bool *drop)
{
    int64_t now_ns = policy->now_ns;
    int64_t newest_ns = 0;
    uint32_t dropped = 0;
    if (!policy->confirmed) {
        if (!newest_find(d, count, &newest_ns))
            return 0;
        int64_t believed_ns = add(newest_ns, CLOCK_SLACK_NS);
        now_ns = now_ns < believed_ns ? now_ns : believed_ns;
    }
    int64_t until_ns = subtract(now_ns, policy->age_ns);
    for (uint32_t i = 0; i < count; i++) {
        /* Nothing dates it: only who confirmed the pass may take its times for true. */
        if (!d[i].known && !policy->confirmed)
            continue;
        if ((d[i].known ? d[i].time_ns : d[i].segment->time_max_ns) >= until_ns)
            continue;
        drop[d[i].index] = true;
        dropped++;
    }
    return dropped;
}

/* Oldest first, until the rest fits; the newest one stays in any case. */
static uint32_t drop_by_size(const struct dated *d, uint32_t count, uint64_t bytes_max, bool *drop)
{
    uint64_t bytes = 0;
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += drop[d[i].index] ? 0 : d[i].segment->bytes;
    for (uint32_t i = 0; i + 1 < count && bytes > bytes_max; i++) {
        if (drop[d[i].index])
            continue;
        drop[d[i].index] = true;
        bytes -= d[i].segment->bytes;
        dropped++;
    }
    return dropped;
}

uint32_t retain_pick(const struct manifest_segment *const *s, uint32_t count,
                     const struct retain_policy *policy, bool *drop)
{
    struct dated *d = mem_zero((size_t)count + 1, sizeof *d);
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < count; i++) {
        d[i] = (struct dated){.index = i, .segment = s[i]};
        drop[i] = false;
    }
    segments_date(d, count, policy->now_ns);
    qsort(d, count, sizeof *d, by_time);
    if (policy->age_ns != 0)
        dropped += drop_by_age(d, count, policy, drop);
    if (policy->bytes_max != 0)
        dropped += drop_by_size(d, count, policy->bytes_max, drop);
    mem_free(d);
    return dropped;
}
