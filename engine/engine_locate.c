/*
 * engine_locate.c - where a span is stored: heads by their index, segments by filter, trace index and
 * the span ids of the blocks of its trace.
 *
 * Cost:      a filter probe a segment for every trace (10-50 ns); a block of span ids is decoded only where
 *            the filter and the trace index say yes, and kept while spans of the same place follow.
 * Failure:   where the trace index is damaged all blocks are read; where a block is, the source is put in doubt, so
 *            that scans of it say that amendments may be missing.
 */
#include "engine/base/check.h"
#include "engine/engine_internal.h"

#define RANGES_MAX 64u
#define BLOCKS_MAX 256u

struct cached_block {
    struct segment *segment;
    int column;
    uint32_t block;
    struct vector vector;
};

/* Decoded blocks; when all slots are used they go together. */
struct place_reader {
    struct arena arena;
    uint32_t count;
    struct cached_block blocks[BLOCKS_MAX];
};

struct place_reader *place_reader_create(void)
{
    return MEM_NEW(struct place_reader);
}

void place_reader_destroy(struct place_reader *r)
{
    if (r == NULL)
        return;
    arena_deinit(&r->arena);
    mem_free(r);
}

/* The next `blocks` reads keep what the one before them returned. */
static void reader_make_room(struct place_reader *r, uint32_t blocks)
{
    if (r->count + blocks <= BLOCKS_MAX)
        return;
    r->count = 0;
    arena_reset(&r->arena);
}

/* NULL when it can't be read; the source is in doubt then. */
static const struct vector *block_read(struct place_reader *r, struct source *source, int column,
                                       uint32_t block)
{
    struct segment *s = source->segment;
    struct error error = {0};
    for (uint32_t i = 0; i < r->count; i++) {
        const struct cached_block *c = &r->blocks[i];
        if (c->segment == s && c->column == column && c->block == block)
            return &c->vector;
    }
    reader_make_room(r, 1);
    struct cached_block *c = &r->blocks[r->count];
    if (segment_block_read(s, column, block, &r->arena, &c->vector, &error) < 0) {
        source_doubt(source, &error);
        return NULL;
    }
    c->segment = s;
    c->column = column;
    c->block = block;
    r->count++;
    return &c->vector;
}

static uint32_t block_of(const struct segment *s, uint64_t row)
{
    uint32_t low = 0;
    uint32_t high = segment_block_count(s);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (segment_block_first(s, middle) <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void place_add(struct place_list *l, struct source *source, uint64_t row)
{
    l->items = mem_grow(l->items, &l->capacity, (size_t)l->count + 1, sizeof *l->items);
    l->items[l->count++] = (struct place){.source = source, .row = row};
}

void place_list_deinit(struct place_list *l)
{
    mem_free(l->items);
    *l = (struct place_list){0};
}

/* Where a trace is in one segment. */
struct trace_ranges {
    struct source *source;
    bool exact; /* false: the ranges hold other traces too */
    uint32_t count;
    struct row_range ranges[RANGES_MAX];
};

/* False: the trace is not in the segment. */
static bool ranges_find(struct trace_ranges *t, struct source *source, struct id128 trace_id)
{
    struct segment *s = source->segment;
    if (!segment_may_have_trace(s, trace_id))
        return false;
    t->source = source;
    t->exact = true;
    if (segment_find_trace(s, trace_id, t->ranges, RANGES_MAX, &t->count, NULL) >= 0) {
        /* A full list has been joined with what lay between. */
        t->exact = t->count < RANGES_MAX;
        return t->count > 0;
    }
    t->exact = false;
    t->count = 1;
    t->ranges[0] = (struct row_range){.first = 0, .count = segment_meta(s)->rows};
    return true;
}

/* The rows [first, end) of one block. */
static void block_locate(const struct trace_ranges *t, struct id128 trace_id, uint64_t span_id,
                         uint32_t block, uint64_t first, uint64_t end, struct place_reader *reader,
                         struct place_list *places)
{
    struct segment *s = t->source->segment;
    int spans = segment_column_index(s, table_column(TABLE_SPANS, SPANS_span_id));
    int traces = segment_column_index(s, table_column(TABLE_SPANS, SPANS_trace_id));
    const struct vector *trace_ids = NULL;
    if (spans < 0 || traces < 0)
        return;
    reader_make_room(reader, 2);
    if (!t->exact && (trace_ids = block_read(reader, t->source, traces, block)) == NULL)
        return;
    const struct vector *span_ids = block_read(reader, t->source, spans, block);
    if (span_ids == NULL)
        return;
    uint64_t base = segment_block_first(s, block);
    for (uint64_t row = first; row < end; row++) {
        if (span_ids->id64[row - base] == span_id &&
            (t->exact || id128_equal(trace_ids->id128[row - base], trace_id)))
            place_add(places, t->source, row);
    }
}

static void segment_locate(const struct trace_ranges *t, struct id128 trace_id, uint64_t span_id,
                           struct place_reader *reader, struct place_list *places)
{
    struct segment *s = t->source->segment;
    for (uint32_t i = 0; i < t->count; i++) {
        uint64_t row = t->ranges[i].first;
        uint64_t end = row + t->ranges[i].count;
        while (row < end) {
            uint32_t block = block_of(s, row);
            uint64_t block_end = segment_block_first(s, block) + segment_block_rows(s, block);
            if (row >= block_end)
                return;
            uint64_t stop = end < block_end ? end : block_end;
            block_locate(t, trace_id, span_id, block, row, stop, reader, places);
            row = stop;
        }
    }
}

static bool is_candidate(const struct source *s, const struct locate_request *q, int64_t min_ns,
                         int64_t max_ns)
{
    if (s->segment == NULL)
        return false;
    return q->times == NULL || (s->meta.time_min_ns <= max_ns && s->meta.time_max_ns >= min_ns);
}

static void times_bounds(const struct locate_request *q, int64_t *ret_min_ns, int64_t *ret_max_ns)
{
    *ret_min_ns = INT64_MAX;
    *ret_max_ns = INT64_MIN;
    for (uint32_t i = 0; q->times != NULL && i < q->count; i++) {
        *ret_min_ns = q->times[i] < *ret_min_ns ? q->times[i] : *ret_min_ns;
        *ret_max_ns = q->times[i] > *ret_max_ns ? q->times[i] : *ret_max_ns;
    }
}

void locate_in(struct source *const *sources, uint32_t source_count, const struct locate_request *q,
               struct place_reader *reader, struct located *ret, struct place_list *places)
{
    int64_t min_ns, max_ns;
    times_bounds(q, &min_ns, &max_ns);
    struct source **candidates = mem_alloc(sizeof *candidates * source_count);
    struct source **heads = mem_alloc(sizeof *heads * source_count);
    uint32_t candidate_count = 0;
    uint32_t head_count = 0;
    for (uint32_t s = 0; s < source_count; s++) {
        if (is_candidate(sources[s], q, min_ns, max_ns))
            candidates[candidate_count++] = sources[s];
        if (sources[s]->head != NULL && !q->segments_only)
            heads[head_count++] = sources[s];
    }
    struct trace_ranges *found = NULL;
    size_t found_capacity = 0;
    uint32_t found_count = 0;
    for (uint32_t i = 0; i < q->count; i++) {
        ret[i].first = places->count;
        for (uint32_t h = 0; h < head_count; h++) {
            int64_t row = head_find(heads[h]->head, q->traces[i], q->spans[i]);
            if (row >= 0)
                place_add(places, heads[h], (uint64_t)row);
        }
        bool same = i > 0 && id128_equal(q->traces[i], q->traces[i - 1]);
        found_count = same ? found_count : 0;
        for (uint32_t c = 0; !same && c < candidate_count; c++) {
            found = mem_grow(found, &found_capacity, (size_t)found_count + 1, sizeof *found);
            found_count += ranges_find(&found[found_count], candidates[c], q->traces[i]);
        }
        for (uint32_t f = 0; f < found_count; f++) {
            const struct manifest_segment *m = &found[f].source->meta;
            if (q->times == NULL ||
                (m->time_min_ns <= q->times[i] && q->times[i] <= m->time_max_ns))
                segment_locate(&found[f], q->traces[i], q->spans[i], reader, places);
        }
        ret[i].count = places->count - ret[i].first;
    }
    mem_free(found);
    mem_free(heads);
    mem_free(candidates);
}

void locate(struct project *p, const struct locate_request *q, struct place_reader *reader,
            struct located *ret, struct place_list *places)
{
    const struct source_list *l = &p->tables[TABLE_SPANS];
    locate_in(l->items, l->count, q, reader, ret, places);
}

bool place_str(struct place_reader *r, const struct place *place, uint16_t column_id,
               struct slice *ret)
{
    if (place->source->head != NULL) {
        const struct slice *cell = head_cell(place->source->head, place->row, column_id);
        if (cell != NULL)
            *ret = *cell;
        return cell != NULL;
    }
    struct segment *s = place->source->segment;
    int column = segment_column_index(s, table_column(TABLE_SPANS, column_id));
    if (column < 0)
        return false;
    uint32_t block = block_of(s, place->row);
    const struct vector *v = block_read(r, place->source, column, block);
    if (v == NULL)
        return false;
    uint32_t row = (uint32_t)(place->row - segment_block_first(s, block));
    if (!vector_has(v, row))
        return false;
    *ret = vector_bytes(v, row);
    return true;
}

bool place_takes(const struct place *place, uint64_t amendment_seq)
{
    return place->source->head != NULL || place->source->meta.fold_seq < amendment_seq;
}

static void table_locate(struct project *p, const struct batch *b, const struct row_map *map,
                         struct place_reader *reader, struct arena *arena,
                         struct commit_places *ret)
{
    static_assert((int)SCORES_trace_id == (int)TAGS_trace_id, "one id of trace_id");
    static_assert((int)SCORES_span_id == (int)TAGS_span_id, "one id of span_id");
    struct located *located = arena_zero(arena, b->rows, sizeof *located);
    struct id128 *traces = ARENA_ARRAY(arena, struct id128, b->rows);
    uint64_t *spans = ARENA_ARRAY(arena, uint64_t, b->rows);
    uint32_t *rows = ARENA_ARRAY(arena, uint32_t, b->rows);
    const struct vector *trace_ids = batch_vector(b, SCORES_trace_id);
    const struct vector *span_ids = batch_vector(b, SCORES_span_id);
    uint32_t asked = 0;
    ret->located[b->table] = located;
    for (uint32_t i = 0; i < b->rows; i++) {
        if (span_ids == NULL || !vector_has(span_ids, i))
            continue;
        int64_t row = row_map_find(map, trace_ids->id128[i], span_ids->id64[i]);
        if (row >= 0) {
            located[i] = (struct located){.first = (uint32_t)row, .count = LOCATED_IN_COMMIT};
            continue;
        }
        traces[asked] = trace_ids->id128[i];
        spans[asked] = span_ids->id64[i];
        rows[asked++] = i;
    }
    if (asked == 0)
        return;
    struct located *found = ARENA_ARRAY(arena, struct located, asked);
    const struct locate_request request = {.traces = traces, .spans = spans, .count = asked};
    locate(p, &request, reader, found, &ret->list);
    for (uint32_t i = 0; i < asked; i++)
        located[rows[i]] = found[i];
}

void commit_locate(struct project *p, const struct commit *c, const struct row_map *map,
                   struct place_reader *reader, struct arena *arena, struct commit_places *ret)
{
    for (uint32_t t = TABLE_SCORES; t <= TABLE_TAGS; t++) {
        if (c->batches[t].rows > 0)
            table_locate(p, &c->batches[t], map, reader, arena, ret);
    }
}

bool project_stored_parent(void *context, struct id128 trace_id, uint64_t span_id,
                           uint64_t *ret_parent)
{
    const struct project *p = context;
    const struct source_list *l = &p->tables[TABLE_SPANS];
    for (uint32_t i = 0; i < l->count; i++) {
        const struct head *h = l->items[i]->head;
        int64_t row = h == NULL ? -1 : head_find(h, trace_id, span_id);
        if (row < 0)
            continue;
        const uint64_t *parent = head_cell(h, (uint64_t)row, SPANS_parent_id);
        if (parent != NULL)
            *ret_parent = *parent;
        return parent != NULL;
    }
    return false;
}
