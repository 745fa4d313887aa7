/*
 * scan.c - opens a scan over a snapshot and hands its morsels to readers.
 *
 * Place:     snapshot -> prune -> morsels -> [scan_next] decode -> apply amendments -> batch
 * Threads:   the morsel list is fixed before the first reader; `next` is the only thing readers fight
 *            for. Counters are atomics, the first damage is kept under a lock.
 */
#include "engine/scan/scan.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/thread.h"
#include "engine/scan/prune.h"
#include "engine/scan/source.h"

struct scan_place {
    struct scan_input input;
    struct head_view *view; /* heads */
};

struct morsel {
    uint32_t place;
    uint32_t block;
};

struct scan {
    enum table table;
    uint32_t column_count;
    const struct column **columns;
    uint32_t place_count;
    struct scan_place *places;
    size_t morsel_count;
    size_t morsel_capacity;
    struct morsel *morsels;
    struct scan_stats opened; /* what pruning found */
    atomic_size_t next;
    atomic_uint_fast64_t blocks;
    atomic_uint_fast64_t rows;
    atomic_uint_fast64_t damaged;
    struct mutex damage_lock;
    struct error damage;
};

/* What a reader knows about the place of its current morsel. */
struct reader_column {
    int index;               /* in the segment, -1: not stored */
    bool patched;            /* amendments touch it somewhere */
    const struct dict *dict; /* STR of a patched segment: the extended dictionary, once known */
};

struct scan_reader {
    struct scan *scan;
    struct arena arena; /* the current batch */
    struct vector *vectors;
    struct reader_column *columns;
    uint32_t place; /* that columns[] describes; UINT32_MAX: none yet */
};

static void damage_note(struct scan *s, const struct error *error)
{
    atomic_fetch_add(&s->damaged, 1);
    mutex_lock(&s->damage_lock);
    if (s->damage.status == STATUS_OK)
        s->damage = *error;
    mutex_unlock(&s->damage_lock);
}

static void morsel_add(struct scan *s, uint32_t place, uint32_t block)
{
    s->morsels = mem_grow(s->morsels, &s->morsel_capacity, s->morsel_count + 1, sizeof *s->morsels);
    s->morsels[s->morsel_count++] = (struct morsel){.place = place, .block = block};
}

static enum status options_check(const struct scan_options *o, struct error *reterr)
{
    if ((unsigned)o->table >= TABLE_COUNT)
        return error_set(reterr, STATUS_INVALID, "scan: no table %d", (int)o->table);
    if (o->until_ns < o->from_ns)
        return error_set(reterr, STATUS_INVALID, "scan: the time range ends before it begins");
    for (uint32_t i = 0; i < o->filter_count; i++) {
        const struct scan_filter *f = &o->filters[i];
        if (f->op != SCAN_IN && f->count != 1)
            return error_set(reterr, STATUS_INVALID, "scan: filter on %s with %u values",
                             f->column->name, f->count);
    }
    return STATUS_OK;
}

static void open_segment(struct scan *s, uint32_t place, const struct scan_options *o,
                         struct arena *scratch)
{
    const struct scan_input *in = &s->places[place].input;
    struct segment *segment = in->source->segment;
    s->opened.segments++;
    if (segment == NULL) {
        damage_note(s, in->source->damage);
        return;
    }
    const struct error *doubt = atomic_load(&in->source->doubt);
    if (doubt != NULL)
        damage_note(s, doubt);
    uint32_t blocks = segment_block_count(segment);
    uint64_t *bits = ARENA_ARRAY(scratch, uint64_t, PRUNE_WORDS(blocks));
    uint32_t left = prune_segment(segment, in->patches, o, scratch, bits);
    s->opened.blocks_skipped += blocks - left;
    s->opened.segments_skipped += left == 0;
    for (uint32_t b = 0; left > 0 && b < blocks; b++) {
        if (prune_bit(bits, b))
            morsel_add(s, place, b);
    }
}

/* The trace a scan is limited to by an equality, or NULL. */
static const struct scan_filter *trace_filter(const struct scan_options *o)
{
    for (uint32_t i = 0; i < o->filter_count; i++) {
        const struct scan_filter *f = &o->filters[i];
        if (o->table == TABLE_SPANS && f->column->id == SPANS_trace_id && f->op == SCAN_EQ &&
            f->bytes[0].size == sizeof(struct id128))
            return f;
    }
    return NULL;
}

/* Sets the bits of the chunks with rows of the trace; false: too many rows to tell. */
static bool head_trace_chunks(struct head_view *view, const struct scan_filter *f, uint64_t *bits)
{
    uint64_t rows[1024];
    struct id128 id;
    memcpy(id.bytes, f->bytes[0].data, sizeof id);
    uint32_t count = head_view_find_trace(view, id, rows, 1024);
    if (count >= 1024)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t chunk = rows[i] / BLOCK_ROWS;
        bits[chunk / 64] |= 1ull << (chunk % 64);
    }
    return true;
}

/* Rows of a head stand in commit order, so the last row of a chunk has its largest seq. */
static bool head_chunk_old(struct head_view *view, const struct scan_options *o, uint32_t chunk,
                           struct arena *scratch)
{
    if (o->after_seq == 0)
        return false;
    struct vector v;
    head_view_read(view, table_column(o->table, SPANS_seq), chunk, scratch, &v);
    return v.rows == 0 || (uint64_t)v.i64[v.rows - 1] <= o->after_seq;
}

static void open_head(struct scan *s, uint32_t place, const struct scan_options *o,
                      struct arena *scratch)
{
    struct scan_place *p = &s->places[place];
    uint32_t chunks = head_chunk_count(p->input.watermark);
    if (chunks == 0)
        return;
    p->view = head_view_create(p->input.source->head, p->input.watermark);
    uint64_t *wanted = arena_zero(scratch, PRUNE_WORDS(chunks), sizeof *wanted);
    const struct scan_filter *trace = trace_filter(o);
    if (trace != NULL && !head_trace_chunks(p->view, trace, wanted))
        trace = NULL;
    for (uint32_t c = 0; c < chunks; c++) {
        int64_t min_ns, max_ns;
        head_view_chunk_time(p->view, c, &min_ns, &max_ns);
        if ((trace != NULL && !prune_bit(wanted, c)) || prune_time(o, min_ns, max_ns) ||
            head_chunk_old(p->view, o, c, scratch))
            s->opened.blocks_skipped++;
        else
            morsel_add(s, place, c);
    }
}

enum status scan_create(const struct scan_options *options, const struct scan_input *own_inputs,
                        uint32_t input_count, uint64_t skipped_segments, uint64_t skipped_blocks,
                        struct scan **ret, struct error *reterr)
{
    struct scan *s = MEM_NEW(struct scan);
    struct arena scratch = {0};
    mutex_init(&s->damage_lock);
    s->table = options->table;
    s->opened.segments = skipped_segments;
    s->opened.segments_skipped = skipped_segments;
    s->opened.blocks_skipped = skipped_blocks;
    s->place_count = input_count;
    s->places = mem_zero(input_count, sizeof *s->places);
    for (uint32_t i = 0; i < input_count; i++)
        s->places[i].input = own_inputs[i];
    enum status status = options_check(options, reterr);
    if (status < 0)
        goto out;
    s->column_count = options->column_count;
    s->columns = mem_alloc(sizeof(struct column *) * options->column_count);
    for (uint32_t i = 0; i < options->column_count; i++)
        s->columns[i] = options->columns[i];
    for (uint32_t i = 0; i < input_count; i++) {
        if (own_inputs[i].source->head != NULL)
            open_head(s, i, options, &scratch);
        else
            open_segment(s, i, options, &scratch);
        arena_reset(&scratch);
    }
    *ret = s;
    s = NULL;
out:
    arena_deinit(&scratch);
    scan_close(s);
    return status;
}

void scan_close(struct scan *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->place_count; i++) {
        if (s->places[i].view != NULL)
            head_view_destroy(s->places[i].view);
        scan_input_deinit(&s->places[i].input);
    }
    mem_free(s->places);
    mem_free(s->columns);
    mem_free(s->morsels);
    mutex_deinit(&s->damage_lock);
    mem_free(s);
}

struct scan_reader *scan_reader_create(struct scan *s)
{
    struct scan_reader *r = MEM_NEW(struct scan_reader);
    r->scan = s;
    r->vectors = mem_zero(s->column_count, sizeof *r->vectors);
    r->columns = mem_zero(s->column_count, sizeof *r->columns);
    r->place = UINT32_MAX;
    return r;
}

void scan_reader_destroy(struct scan_reader *r)
{
    if (r == NULL)
        return;
    arena_deinit(&r->arena);
    mem_free(r->vectors);
    mem_free(r->columns);
    mem_free(r);
}

static void reader_enter(struct scan_reader *r, uint32_t place)
{
    struct scan *s = r->scan;
    const struct scan_input *in = &s->places[place].input;
    for (uint32_t i = 0; i < s->column_count; i++) {
        struct reader_column *c = &r->columns[i];
        *c = (struct reader_column){.index = -1};
        if (in->source->segment != NULL)
            c->index = segment_column_index(in->source->segment, s->columns[i]);
        c->patched =
            in->patches != NULL && patch_set_touches(in->patches, s->columns[i], 0, UINT64_MAX);
    }
    r->place = place;
}

static enum status column_read(struct scan_reader *r, uint32_t column, const struct morsel *m,
                               struct error *reterr)
{
    struct scan *s = r->scan;
    struct scan_place *p = &s->places[m->place];
    struct reader_column *c = &r->columns[column];
    struct vector *v = &r->vectors[column];
    struct segment *segment = p->input.source->segment;
    uint64_t first = (uint64_t)m->block * BLOCK_ROWS;
    if (segment == NULL) {
        head_view_read(p->view, s->columns[column], m->block, &r->arena, v);
    } else {
        first = segment_block_first(segment, m->block);
        if (c->index < 0) {
            *v = vector_null(s->columns[column]->storage, segment_block_rows(segment, m->block),
                             &r->arena);
        } else {
            enum status status =
                segment_block_read(segment, c->index, m->block, &r->arena, v, reterr);
            if (status < 0)
                return status;
        }
    }
    if (c->patched)
        patch_set_apply(p->input.patches, s->columns[column], first, v, &r->arena);
    return STATUS_OK;
}

static enum status morsel_read(struct scan_reader *r, const struct morsel *m,
                               struct scan_batch *ret, struct error *reterr)
{
    struct scan *s = r->scan;
    struct scan_place *p = &s->places[m->place];
    if (r->place != m->place)
        reader_enter(r, m->place);
    for (uint32_t i = 0; i < s->column_count; i++) {
        enum status status = column_read(r, i, m, reterr);
        if (status < 0)
            return status;
    }
    struct segment *segment = p->input.source->segment;
    uint64_t rows = 0;
    if (segment != NULL) {
        rows = segment_block_rows(segment, m->block);
    } else {
        rows = p->input.watermark - (uint64_t)m->block * BLOCK_ROWS;
        rows = rows < BLOCK_ROWS ? rows : BLOCK_ROWS;
    }
    *ret = (struct scan_batch){.rows = (uint32_t)rows, .vectors = r->vectors};
    return STATUS_OK;
}

enum status scan_next(struct scan_reader *r, struct scan_batch *ret, struct error *reterr)
{
    struct scan *s = r->scan;
    for (;;) {
        size_t next = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
        if (next >= s->morsel_count)
            return STATUS_END;
        struct error error = {0};
        arena_reset(&r->arena);
        enum status status = morsel_read(r, &s->morsels[next], ret, &error);
        if (status >= 0) {
            atomic_fetch_add_explicit(&s->blocks, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&s->rows, ret->rows, memory_order_relaxed);
            return STATUS_OK;
        }
        if (status != STATUS_CORRUPT) {
            if (reterr != NULL)
                *reterr = error;
            return status;
        }
        damage_note(s, &error);
    }
}

struct scan_stats scan_stats(const struct scan *s)
{
    struct scan_stats stats = s->opened;
    stats.blocks = atomic_load(&s->blocks);
    stats.rows = atomic_load(&s->rows);
    stats.damaged = atomic_load(&s->damaged);
    return stats;
}

const struct error *scan_damage(const struct scan *s)
{
    /* Once set it never changes, so the lock is only needed to look. */
    struct mutex *lock = (struct mutex *)&s->damage_lock;
    mutex_lock(lock);
    bool any = s->damage.status != STATUS_OK;
    mutex_unlock(lock);
    return any ? &s->damage : NULL;
}
