/*
 * compact_pick.c - decides which segments to merge next.
 *
 * Place:   engine (maintenance) -> [here], pure
 * Groups:  a seal file lies in one hour as a rule; files of one hour become hour files, files of
 *          one day a day file. Files that span days (backfills, absurd clocks) only ever merge
 *          with their like, so they spoil no neighbour.
 * Writes:  a row is written by the WAL, the seal, one hour merge and one day merge. So an hour file
 *          is never an input of an hour merge, and a day file is rewritten only when the result is
 *          three times its size (late data: logarithmic).
 * Ends:    every merge makes fewer files, every fold fewer waiting amendments.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/compact/compact.h"

#define SEAL_FILES_MIN       4u
#define SEAL_FILES_RUNNING   32u /* of an hour that is not over: better one large merge than many */
#define HOUR_QUIET_NS        (600 * NS_PER_S)
#define DAY_QUIET_NS         (7200 * NS_PER_S)
#define PATCHED_SHARE_MAX    0.05
#define REWRITE_RATIO        3u
#define WIDE_FILES_MIN       4u
#define INPUTS_MAX           64u /* of struct compact_job */
#define ROWS_WORTH_AN_OUTPUT (SEGMENT_ROWS_MAX / 4 * 3)
#define HOURS_A_DAY          24

static_assert(sizeof(((struct compact_job *)0)->inputs) == INPUTS_MAX * sizeof(uint32_t), "inputs");

/* One file that may be merged. */
struct item {
    uint32_t index; /* candidate */
    const struct manifest_segment *segment;
    int64_t hour; /* of its first row */
    int64_t day;
    bool one_hour;
    bool one_day;
};

/* The best inputs found for one group. */
struct choice {
    uint32_t items[INPUTS_MAX];
    uint32_t count;
    uint64_t rows;
};

struct picker {
    const struct compact_policy *policy;
    struct item *items;
    uint32_t count;
    struct item *group; /* scratch: the items of one group */
    uint32_t group_count;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && a < 0);
}

static int64_t subtract(int64_t a, int64_t b)
{
    int64_t difference;
    return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value != 0 ? value : fallback;
}

/* Did the hour (day) with this index end at least quiet_ns ago? */
static bool is_over(int64_t index, int64_t length_ns, int64_t now_ns, int64_t quiet_ns)
{
    return floor_div(subtract(now_ns, quiet_ns), length_ns) > index;
}

static int by_time(const void *a, const void *b)
{
    const struct manifest_segment *x = ((const struct item *)a)->segment;
    const struct manifest_segment *y = ((const struct item *)b)->segment;
    if (x->time_min_ns != y->time_min_ns)
        return x->time_min_ns < y->time_min_ns ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_rows(const void *a, const void *b)
{
    const struct manifest_segment *x = ((const struct item *)a)->segment;
    const struct manifest_segment *y = ((const struct item *)b)->segment;
    if (x->rows != y->rows)
        return x->rows < y->rows ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Takes from group[start] on while the output may be written; keeps the best stretch that pays.
 * `settled`: files of this tier and above were written as often as they should be, so the output
 * must be REWRITE_RATIO times as large. */
static void stretch_try(const struct picker *p, uint32_t start, enum segment_tier settled,
                        struct choice *best)
{
    struct choice c = {0};
    uint64_t settled_rows = 0;
    for (uint32_t i = start; i < p->group_count && c.count < INPUTS_MAX; i++) {
        const struct manifest_segment *s = p->group[i].segment;
        if (s->rows > SEGMENT_ROWS_MAX - c.rows)
            break;
        c.rows += s->rows;
        if (s->tier >= settled && s->rows > settled_rows)
            settled_rows = s->rows;
        c.items[c.count++] = p->group[i].index;
        bool pays = p->policy->full || c.rows >= settled_rows * REWRITE_RATIO;
        if (c.count >= 2 && pays && c.count > best->count)
            *best = c;
    }
}

/* Neighbours in time first; where large files stand between, the smallest ones. */
static bool inputs_choose(struct picker *p, enum segment_tier settled, struct choice *ret)
{
    *ret = (struct choice){0};
    qsort(p->group, p->group_count, sizeof *p->group, by_time);
    for (uint32_t i = 0; i < p->group_count; i++)
        stretch_try(p, i, settled, ret);
    if (ret->count == 0) {
        qsort(p->group, p->group_count, sizeof *p->group, by_rows);
        stretch_try(p, 0, settled, ret);
    }
    return ret->count >= 2;
}

/* Is an hour with these seal files worth a merge now? */
static bool hour_is_due(const struct picker *p, int64_t hour, uint32_t files, uint64_t rows)
{
    const struct compact_policy *policy = p->policy;
    int64_t quiet_ns = or_default(policy->hour_quiet_ns, HOUR_QUIET_NS);
    uint32_t files_min = policy->seal_files_min != 0 ? policy->seal_files_min : SEAL_FILES_MIN;
    uint32_t files_running =
        policy->seal_files_min != 0 ? policy->seal_files_min : SEAL_FILES_RUNNING;
    if (is_over(hour, NS_PER_HOUR, policy->now_ns, quiet_ns))
        return files >= 2;
    if (is_over(hour, NS_PER_HOUR, policy->now_ns, 0))
        return files >= files_min;
    return files >= files_running || (files >= 2 && rows >= ROWS_WORTH_AN_OUTPUT);
}

/* The items of one group, in group[]. */
enum grouping {
    GROUP_HOUR,
    GROUP_DAY,
    GROUP_WIDE
};

static bool item_belongs(const struct item *i, enum grouping grouping, int64_t key)
{
    switch (grouping) {
    case GROUP_HOUR:
        return i->one_hour && i->segment->tier == TIER_SEAL && i->hour == key;
    case GROUP_DAY:
        return i->one_day && i->day == key;
    case GROUP_WIDE:
        return !i->one_day;
    }
    return false;
}

static uint64_t group_fill(struct picker *p, enum grouping grouping, int64_t key)
{
    uint64_t rows = 0;
    p->group_count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (!item_belongs(&p->items[i], grouping, key))
            continue;
        p->group[p->group_count++] = p->items[i];
        rows += p->items[i].segment->rows;
    }
    return rows;
}

static bool group_is_due(const struct picker *p, enum grouping grouping, int64_t key, uint64_t rows)
{
    const struct compact_policy *policy = p->policy;
    if (p->group_count < 2)
        return false;
    switch (grouping) {
    case GROUP_HOUR:
        return !policy->full && hour_is_due(p, key, p->group_count, rows);
    case GROUP_DAY:
        return policy->full || is_over(key, NS_PER_DAY, policy->now_ns,
                                       or_default(policy->day_quiet_ns, DAY_QUIET_NS));
    case GROUP_WIDE:
        return policy->full || p->group_count >= WIDE_FILES_MIN;
    }
    return false;
}

static enum segment_tier group_tier(enum grouping grouping)
{
    return grouping == GROUP_DAY ? TIER_DAY : TIER_HOUR;
}

/* The group of the kind that loses the most files; the oldest of equals. */
static bool merge_pick(struct picker *p, enum grouping grouping, struct compact_job *ret)
{
    struct choice best = {0};
    for (uint32_t i = 0; i < p->count; i++) {
        int64_t key = grouping == GROUP_HOUR ? p->items[i].hour : p->items[i].day;
        if (!item_belongs(&p->items[i], grouping, key))
            continue;
        /* Items are in time order: the first of a group stands for it. */
        if (i > 0 && item_belongs(&p->items[i - 1], grouping, key))
            continue;
        struct choice c;
        uint64_t rows = group_fill(p, grouping, key);
        if (!group_is_due(p, grouping, key, rows) || !inputs_choose(p, group_tier(grouping), &c))
            continue;
        if (c.count > best.count)
            best = c;
    }
    if (best.count == 0)
        return false;
    *ret = (struct compact_job){.input_count = best.count, .tier = group_tier(grouping)};
    for (uint32_t i = 0; i < best.count; i++)
        ret->inputs[i] = best.items[i];
    return true;
}

/* The segment with the largest share of amended rows. */
static bool fold_pick(const struct compact_candidate *c, uint32_t count,
                      const struct compact_policy *policy, struct compact_job *ret)
{
    double share_max =
        policy->patched_share_max > 0 ? policy->patched_share_max : PATCHED_SHARE_MAX;
    if (policy->full)
        share_max = 0;
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct manifest_segment *s = c[i].segment;
        double share = s->rows == 0 ? 0 : (double)c[i].patches / (double)s->rows;
        if (c[i].busy || c[i].patches == 0 || s->rows > SEGMENT_ROWS_MAX || share <= share_max)
            continue;
        share_max = share;
        found = true;
        *ret = (struct compact_job){
            .inputs = {i}, .input_count = 1, .tier = (enum segment_tier)s->tier, .fold = true};
    }
    return found;
}

bool compact_pick(const struct compact_candidate *c, uint32_t count,
                  const struct compact_policy *policy, struct compact_job *ret)
{
    struct picker p = {.policy = policy};
    p.items = mem_zero((size_t)count + 1, sizeof *p.items);
    p.group = mem_zero((size_t)count + 1, sizeof *p.group);
    for (uint32_t i = 0; i < count; i++) {
        const struct manifest_segment *s = c[i].segment;
        if (c[i].busy)
            continue;
        int64_t last = floor_div(s->time_max_ns, NS_PER_HOUR);
        struct item *item = &p.items[p.count++];
        *item =
            (struct item){.index = i, .segment = s, .hour = floor_div(s->time_min_ns, NS_PER_HOUR)};
        item->day = floor_div(item->hour, HOURS_A_DAY);
        item->one_hour = item->hour == last;
        item->one_day = item->day == floor_div(last, HOURS_A_DAY);
    }
    qsort(p.items, p.count, sizeof *p.items, by_time);
    bool found = merge_pick(&p, GROUP_HOUR, ret) || merge_pick(&p, GROUP_DAY, ret) ||
                 merge_pick(&p, GROUP_WIDE, ret) || fold_pick(c, count, policy, ret);
    mem_free(p.items);
    mem_free(p.group);
    return found;
}
