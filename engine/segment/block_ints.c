/*
 * block_ints.c - integer columns and dictionary codes: PLAIN, DELTA, ANCHOR, TIMELINE.
 *
 * Format:  FORMAT.md 5.6.
 *   PLAIN     [AT: zigzag fill] stream of the stored values
 *   DELTA     [AT: zigzag fill] zigzag first, stream of the differences (stored - 1)
 *   ANCHOR    u16 mask reference; stream of the values at its rows; stream of the differences to the row
 *             before at all other rows
 *   TIMELINE  as ANCHOR, but a value at the mask's rows is base + ((time - t0) * slope >> 64) + stream,
 *             after zigzag base, zigzag t0, u64 slope
 */
#include "engine/base/check.h"
#include "engine/segment/block.h"
#include "engine/segment/ints.h"

/* ---- encoder ---- */

void block_values_put(const struct block_writer *w, const struct shape *shape,
                      const int64_t *values, struct buffer *to)
{
    if (shape->kind == SHAPE_AT)
        put_zigzag(to, shape->fill);
    int64_t *stored = mem_alloc((size_t)w->rows * sizeof *stored);
    shape_gather(shape, w->rows, values, stored);
    if (shape->delta) {
        put_zigzag(to, stored[0]);
        for (uint32_t i = shape->count - 1; i > 0; i--)
            stored[i] = (int64_t)((uint64_t)stored[i] - (uint64_t)stored[i - 1]);
        ints_put(stored + 1, shape->count - 1, w->fast, to);
    } else {
        ints_put(stored, shape->count, w->fast, to);
    }
    mem_free(stored);
}

static enum encoding ints_block_put(const struct block_writer *w, const int64_t *values,
                                    const struct mask *valid, struct buffer *to)
{
    struct shape shape;
    shape_pick(w->masks, values, valid, &shape);
    enum encoding encoding = shape.delta ? ENCODING_DELTA : ENCODING_PLAIN;
    block_head_put(w, encoding, &shape, valid, to);
    block_values_put(w, &shape, values, to);
    block_end_put(to);
    return encoding;
}

/* values at the trace starts and differences elsewhere, in two arrays. */
static uint32_t anchors_split(const struct block_writer *w, const struct mask *starts,
                              const int64_t *values, int64_t *anchors, int64_t *steps)
{
    uint32_t anchor_count = 0;
    uint32_t step_count = 0;
    for (uint32_t row = 0; row < w->rows; row++) {
        if (mask_get(starts, row))
            anchors[anchor_count++] = values[row];
        else
            steps[step_count++] = (int64_t)((uint64_t)values[row] - (uint64_t)values[row - 1]);
    }
    return anchor_count;
}

/* seq as a straight line over time: what most of its bits say. */
struct line {
    int64_t base;
    int64_t t0;
    uint64_t slope; /* per ns, in units of 2^-64 */
};

static int64_t line_at(const struct line *l, int64_t time)
{
    unsigned __int128 product = (unsigned __int128)((uint64_t)time - (uint64_t)l->t0) * l->slope;
    return (int64_t)((uint64_t)l->base + (uint64_t)(product >> 64));
}

/* Through the earliest and the latest trace start of the block. */
static struct line line_through(const struct block_writer *w, const struct mask *starts,
                                const int64_t *values)
{
    uint32_t first = 0;
    uint32_t last = 0;
    for (uint32_t row = 1; row < w->rows; row++) {
        if (!mask_get(starts, row))
            continue;
        first = w->time[row] < w->time[first] ? row : first;
        last = w->time[row] > w->time[last] ? row : last;
    }
    struct line l = {.base = values[first], .t0 = w->time[first]};
    uint64_t span = (uint64_t)w->time[last] - (uint64_t)l.t0;
    uint64_t rise = (uint64_t)values[last] - (uint64_t)values[first];
    if (span > 0 && values[last] > values[first] && rise < span)
        l.slope = (uint64_t)(((unsigned __int128)rise << 64) / span);
    return l;
}

/* time and seq lean on the traces' rows. ENCODING_NONE when that isn't smaller than bytes_max. */
static enum encoding anchor_block_put(const struct block_writer *w, const int64_t *values,
                                      const struct mask *valid, size_t bytes_max, struct buffer *to)
{
    struct mask starts;
    mask_set_get(w->masks, w->starts, &starts);
    int64_t *anchors = mem_alloc((size_t)w->rows * 3 * sizeof *anchors);
    int64_t *steps = anchors + w->rows;
    int64_t *off_line = steps + w->rows;
    uint32_t anchor_count = anchors_split(w, &starts, values, anchors, steps);
    uint32_t step_count = w->rows - anchor_count;
    size_t anchors_bytes = ints_estimate(anchors, anchor_count, w->fast);
    size_t bytes = 16 + anchors_bytes + ints_estimate(steps, step_count, w->fast);
    enum encoding encoding = ENCODING_ANCHOR;
    struct line line = {0};
    if (w->time != NULL) {
        line = line_through(w, &starts, values);
        for (uint32_t row = 0, i = 0; row < w->rows; row++) {
            if (mask_get(&starts, row))
                off_line[i++] =
                    (int64_t)((uint64_t)values[row] - (uint64_t)line_at(&line, w->time[row]));
        }
        size_t line_bytes = ints_estimate(off_line, anchor_count, w->fast) + 24;
        if (line_bytes < anchors_bytes) {
            bytes = bytes - anchors_bytes + line_bytes;
            encoding = ENCODING_TIMELINE;
        }
    }
    if (bytes >= bytes_max) {
        mem_free(anchors);
        return ENCODING_NONE;
    }
    struct shape dense = {.kind = SHAPE_DENSE};
    block_head_put(w, encoding, &dense, valid, to);
    if (encoding == ENCODING_TIMELINE) {
        put_zigzag(to, line.base);
        put_zigzag(to, line.t0);
        put_u64(to, line.slope);
    }
    put_u16(to, w->starts);
    ints_put(encoding == ENCODING_TIMELINE ? off_line : anchors, anchor_count, w->fast, to);
    ints_put(steps, step_count, w->fast, to);
    block_end_put(to);
    mem_free(anchors);
    return encoding;
}

enum encoding block_put_i64(const struct block_writer *w, const int64_t *values,
                            const uint8_t *valid, bool timely, struct buffer *to)
{
    struct mask rows;
    mask_from_bytes(valid, w->rows, &rows);
    if (mask_ones(&rows) == 0)
        return ENCODING_NONE;
    size_t size_before = to->size;
    enum encoding encoding = ints_block_put(w, values, &rows, to);
    if (timely && w->starts != MASK_UNKNOWN) {
        size_t plain_bytes = to->size - size_before;
        struct buffer other = {0};
        enum encoding anchored = anchor_block_put(w, values, &rows, plain_bytes + 64, &other);
        if (anchored != ENCODING_NONE && other.size < plain_bytes) {
            to->size = size_before;
            buffer_add_slice(to, buffer_slice(&other));
            encoding = anchored;
        }
        buffer_deinit(&other);
    }
    return encoding;
}

enum encoding block_put_codes(const struct block_writer *w, const uint32_t *codes,
                              struct buffer *to)
{
    int64_t *values = mem_alloc((size_t)w->rows * sizeof *values);
    uint32_t any = 0;
    for (uint32_t i = 0; i < w->rows; i++) {
        values[i] = codes[i];
        any |= codes[i];
    }
    enum encoding encoding = ENCODING_NONE;
    if (any != 0) {
        struct mask all;
        mask_fill(&all, w->rows);
        encoding = ints_block_put(w, values, &all, to);
    }
    mem_free(values);
    return encoding;
}

/* ---- decoder ---- */

static void prefix_sum(int64_t *values, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += (uint64_t)values[i];
        values[i] = (int64_t)sum;
    }
}

void ints_stored_get(const struct block_head *h, struct cursor *c, int64_t *to)
{
    if (h->encoding != ENCODING_DELTA || h->stored == 0) {
        ints_get64(c, h->stored, to);
        return;
    }
    to[0] = cursor_zigzag(c);
    ints_get64(c, h->stored - 1, to + 1);
    prefix_sum(to, h->stored);
}

void ints_block_get64(const struct block_reader *r, const struct block_head *h, struct cursor *c,
                      int64_t *to)
{
    if (h->kind == SHAPE_DENSE) {
        ints_stored_get(h, c, to);
        return;
    }
    int64_t fill = h->kind == SHAPE_AT ? cursor_zigzag(c) : 0;
    int64_t *stored = mem_alloc((size_t)r->rows * sizeof *stored);
    ints_stored_get(h, c, stored);
    if (!c->failed)
        shape_spread64(&h->mask, h->kind, r->rows, fill, stored, to);
    mem_free(stored);
}

/* Codes as differences are summed modulo 2^32; the caller compares them with the dictionary. */
static void stored_get32(const struct block_head *h, struct cursor *c, uint32_t *to)
{
    if (h->encoding != ENCODING_DELTA || h->stored == 0) {
        ints_get32(c, h->stored, to);
        return;
    }
    int64_t *wide = mem_alloc((size_t)h->stored * sizeof *wide);
    ints_stored_get(h, c, wide);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < h->stored; i++) {
        seen |= (uint64_t)wide[i];
        to[i] = (uint32_t)wide[i];
    }
    if (seen > UINT32_MAX)
        cursor_fail(c);
    mem_free(wide);
}

void ints_block_get32(const struct block_reader *r, const struct block_head *h, struct cursor *c,
                      uint32_t *to)
{
    if (h->kind == SHAPE_DENSE) {
        stored_get32(h, c, to);
        return;
    }
    int64_t fill = h->kind == SHAPE_AT ? cursor_zigzag(c) : 0;
    if (fill < 0 || fill > UINT32_MAX)
        cursor_fail(c);
    uint32_t *stored = mem_zero((size_t)r->rows + SPREAD_SPARE, sizeof *stored);
    stored_get32(h, c, stored);
    if (!c->failed)
        shape_spread32(&h->mask, h->kind, r->rows, (uint32_t)fill, stored, to);
    mem_free(stored);
}

/* anchors and steps back to rows: a prefix sum that restarts at each anchor. Which source moves on is arithmetic on the bit; a
 * branch would be mispredicted at every other row. */
static void anchors_join(const struct mask *starts, uint32_t rows, const int64_t *anchors,
                         const int64_t *steps, int64_t *to)
{
    uint64_t last = 0;
    for (uint32_t word = 0; word * 64 < rows; word++) {
        uint32_t here = rows - word * 64 < 64 ? rows - word * 64 : 64;
        uint64_t bits = starts->words[word];
        for (uint32_t i = 0; i < here; i++) {
            uint64_t anchor = bits & 1;
            uint64_t is_anchor = 0 - anchor;
            uint64_t value = ((uint64_t)*anchors & is_anchor) | ((uint64_t)*steps & ~is_anchor);
            last = (last & ~is_anchor) + value;
            bits >>= 1;
            anchors += anchor;
            steps += 1 - anchor;
            to[word * 64 + i] = (int64_t)last;
        }
    }
}

/* Turns distances from the line into values. */
static void line_add(const struct line *l, const struct mask *starts, const int64_t *time,
                     int64_t *anchors)
{
    uint32_t i = 0;
    for (uint32_t word = 0; word < MASK_WORDS; word++) {
        for (uint64_t left = starts->words[word]; left != 0; left &= left - 1, i++) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            anchors[i] = (int64_t)((uint64_t)anchors[i] + (uint64_t)line_at(l, time[row]));
        }
    }
}

enum status anchor_block_get(const struct block_reader *r, const struct block_head *h,
                             struct cursor *c, int64_t *to, struct error *reterr)
{
    struct line line = {0};
    bool timeline = h->encoding == ENCODING_TIMELINE;
    if (timeline) {
        line.base = cursor_zigzag(c);
        line.t0 = cursor_zigzag(c);
        line.slope = cursor_u64(c);
    }
    uint16_t ref = cursor_u16(c);
    struct mask starts;
    if (c->failed || h->kind != SHAPE_DENSE || (timeline && r->by_id == NULL) ||
        !mask_part_get(r->masks, r->rows, ref, &starts) || !mask_get(&starts, 0)) {
        cursor_fail(c);
        return STATUS_OK;
    }
    struct vector time = {0};
    enum status s = STATUS_OK;
    if (timeline && (s = r->by_id(r->context, SPANS_time, &time, reterr)) < 0)
        return s;
    uint32_t anchor_count = mask_ones(&starts);
    /* One spare item each: the join reads both sources before it picks. */
    int64_t *anchors = mem_zero((size_t)r->rows + 2, sizeof *anchors);
    int64_t *steps = anchors + anchor_count + 1;
    ints_get64(c, anchor_count, anchors);
    ints_get64(c, r->rows - anchor_count, steps);
    if (!c->failed && timeline)
        line_add(&line, &starts, time.i64, anchors);
    if (!c->failed)
        anchors_join(&starts, r->rows, anchors, steps, to);
    mem_free(anchors);
    return STATUS_OK;
}
