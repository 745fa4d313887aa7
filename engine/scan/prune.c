/*
 * prune.c - skips blocks by time, commit sequence, zone maps, dictionaries, postings and id indexes.
 *
 * A filter on a column that amendments touch in a block is not used for that block: zone maps and
 * postings describe the rows as they were written.
 */
#include "engine/scan/prune.h"

#include <math.h>

#include "engine/base/check.h"

/* Ranges asked of an id index; more than this are joined by the segment. */
#define RANGES_MAX 256u

struct pruner {
    struct segment *segment;
    const struct patch_set *patches;
    const struct scan_options *options;
    struct arena *scratch;
    uint32_t blocks;
    uint64_t *bits;
};

bool prune_time(const struct scan_options *o, int64_t min_ns, int64_t max_ns)
{
    if (o->from_ns == 0 && o->until_ns == 0)
        return false;
    return max_ns < o->from_ns || min_ns >= o->until_ns;
}

static bool i64_excluded(int64_t v, enum scan_op op, int64_t min, int64_t max)
{
    switch (op) {
    case SCAN_EQ:
    case SCAN_IN:
        return v < min || v > max;
    case SCAN_NE:
        return min == v && max == v;
    case SCAN_LT:
        return min >= v;
    case SCAN_LE:
        return min > v;
    case SCAN_GT:
        return max <= v;
    case SCAN_GE:
        return max < v;
    }
    return false;
}

static bool f64_excluded(double v, enum scan_op op, double min, double max)
{
    if (isnan(v) || isnan(min) || isnan(max))
        return false;
    switch (op) {
    case SCAN_EQ:
    case SCAN_IN:
        return v < min || v > max;
    case SCAN_NE:
        return min >= v && max <= v;
    case SCAN_LT:
        return min >= v;
    case SCAN_LE:
        return min > v;
    case SCAN_GT:
        return max <= v;
    case SCAN_GE:
        return max < v;
    }
    return false;
}

/* Ids have no order to speak of; equality works whichever way the zone's was made. */
static bool id64_excluded(uint64_t v, enum scan_op op, uint64_t min, uint64_t max)
{
    bool asked = op == SCAN_EQ || op == SCAN_IN;
    return asked && min <= max && (v < min || v > max);
}

static bool value_excluded(const struct scan_filter *f, uint32_t i, const struct zone *z)
{
    if (f->column->storage == STORAGE_F64)
        return f64_excluded(f->f64[i], f->op, z->f64_min, z->f64_max);
    if (f->column->storage == STORAGE_ID64)
        return id64_excluded((uint64_t)f->i64[i], f->op, (uint64_t)z->min, (uint64_t)z->max);
    return i64_excluded(f->i64[i], f->op, z->min, z->max);
}

/* Is every value of the filter impossible in the zone? */
static bool zone_excludes(const struct scan_filter *f, const struct zone *z)
{
    if (!z->any)
        return true;
    for (uint32_t i = 0; i < f->count; i++) {
        if (!value_excluded(f, i, z))
            return false;
    }
    return true;
}

static bool patched(const struct pruner *p, const struct column *column, uint32_t block)
{
    return p->patches != NULL &&
           patch_set_touches(p->patches, column, segment_block_first(p->segment, block),
                             segment_block_rows(p->segment, block));
}

static void bit_clear(uint64_t *bits, uint32_t block)
{
    bits[block / 64] &= ~(1ull << (block % 64));
}

/* Keeps only the wanted blocks and those whose rows changed since. */
static void keep(struct pruner *p, const struct column *column, const uint64_t *wanted)
{
    for (uint32_t b = 0; b < p->blocks; b++) {
        if (prune_bit(p->bits, b) && !prune_bit(wanted, b) && !patched(p, column, b))
            bit_clear(p->bits, b);
    }
}

static void prune_zones(struct pruner *p, const struct scan_filter *f, int index)
{
    for (uint32_t b = 0; b < p->blocks; b++) {
        struct zone z;
        if (!prune_bit(p->bits, b) || segment_zone(p->segment, index, b, &z, NULL) < 0)
            continue;
        if (zone_excludes(f, &z) && !patched(p, f->column, b))
            bit_clear(p->bits, b);
    }
}

/* Blocks whose dictionary codes include one of the filter's values. */
static void prune_strings(struct pruner *p, const struct scan_filter *f, int index)
{
    if (f->op != SCAN_EQ && f->op != SCAN_IN)
        return;
    uint64_t *wanted = arena_zero(p->scratch, PRUNE_WORDS(p->blocks), sizeof *wanted);
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t code = 0;
        if (segment_dict_find(p->segment, index, f->bytes[i], &code, NULL) < 0)
            return;
        if (code == 0)
            continue;
        uint64_t *bits = arena_zero(p->scratch, PRUNE_WORDS(p->blocks), sizeof *bits);
        if (segment_postings(p->segment, index, code, bits, NULL) < 0)
            return;
        for (uint32_t b = 0; b < p->blocks; b++) {
            struct zone z;
            if (!prune_bit(bits, b) || prune_bit(wanted, b))
                continue;
            bool known = segment_zone(p->segment, index, b, &z, NULL) >= 0;
            if (!known || (z.any && !i64_excluded(code, SCAN_EQ, z.min, z.max)))
                wanted[b / 64] |= 1ull << (b % 64);
        }
    }
    keep(p, f->column, wanted);
}

static uint32_t block_of(const struct segment *s, uint32_t blocks, uint64_t row)
{
    uint32_t low = 0;
    uint32_t high = blocks;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (segment_block_first(s, middle) <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Blocks that hold rows of one of the sessions or traces. */
static void prune_runs(struct pruner *p, const struct scan_filter *f, bool trace)
{
    if (f->op != SCAN_EQ && f->op != SCAN_IN)
        return;
    uint64_t *wanted = arena_zero(p->scratch, PRUNE_WORDS(p->blocks), sizeof *wanted);
    struct row_range ranges[RANGES_MAX];
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t count = 0;
        enum status s;
        if (trace) {
            struct id128 id;
            if (f->bytes[i].size != sizeof id)
                continue; /* equals no trace id */
            memcpy(id.bytes, f->bytes[i].data, sizeof id);
            s = segment_find_trace(p->segment, id, ranges, RANGES_MAX, &count, NULL);
        } else {
            s = segment_find_session(p->segment, f->bytes[i], ranges, RANGES_MAX, &count, NULL);
        }
        if (s < 0)
            return;
        for (uint32_t r = 0; r < count; r++) {
            uint64_t last = ranges[r].first + ranges[r].count;
            for (uint32_t b = block_of(p->segment, p->blocks, ranges[r].first);
                 b < p->blocks && segment_block_first(p->segment, b) < last; b++)
                wanted[b / 64] |= 1ull << (b % 64);
        }
    }
    keep(p, f->column, wanted);
}

static void prune_filter(struct pruner *p, const struct scan_filter *f)
{
    int index = segment_column_index(p->segment, f->column);
    if (index < 0) {
        /* All NULL as written, and no comparison with NULL is true. */
        uint64_t *none = arena_zero(p->scratch, PRUNE_WORDS(p->blocks), sizeof *none);
        keep(p, f->column, none);
        return;
    }
    bool spans = p->options->table == TABLE_SPANS;
    switch (f->column->storage) {
    case STORAGE_I64:
    case STORAGE_F64:
    case STORAGE_ID64:
        prune_zones(p, f, index);
        break;
    case STORAGE_STR:
        if (spans && f->column->id == SPANS_session)
            prune_runs(p, f, false);
        else
            prune_strings(p, f, index);
        break;
    case STORAGE_ID128:
        if (spans && f->column->id == SPANS_trace_id)
            prune_runs(p, f, true);
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        break;
    }
}

static void prune_blocks_by_time(struct pruner *p)
{
    for (uint32_t b = 0; b < p->blocks; b++) {
        int64_t min_ns, max_ns;
        segment_block_time(p->segment, b, &min_ns, &max_ns);
        if (prune_time(p->options, min_ns, max_ns))
            bit_clear(p->bits, b);
    }
}

static void prune_seq(struct pruner *p)
{
    /* seq has the same id in all three tables. */
    static_assert((int)SPANS_seq == (int)SCORES_seq && (int)SPANS_seq == (int)TAGS_seq,
                  "column.def");
    if (p->options->after_seq == 0)
        return;
    int64_t after = (int64_t)p->options->after_seq;
    const struct column *seq = table_column(p->options->table, SPANS_seq);
    const struct scan_filter f = {.column = seq, .op = SCAN_GT, .count = 1, .i64 = &after};
    prune_filter(p, &f);
}

uint32_t prune_segment(struct segment *s, const struct patch_set *patches,
                       const struct scan_options *o, struct arena *scratch, uint64_t *bits)
{
    struct pruner p = {.segment = s,
                       .patches = patches,
                       .options = o,
                       .scratch = scratch,
                       .blocks = segment_block_count(s),
                       .bits = bits};
    memset(bits, 0xff, PRUNE_WORDS(p.blocks) * sizeof *bits);
    prune_blocks_by_time(&p);
    prune_seq(&p);
    for (uint32_t i = 0; i < o->filter_count; i++)
        prune_filter(&p, &o->filters[i]);
    uint32_t left = 0;
    for (uint32_t b = 0; b < p.blocks; b++)
        left += prune_bit(bits, b);
    return left;
}
