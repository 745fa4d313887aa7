/*
 * segment_find.c - lookups by trace, session and dictionary code.
 *
 * Traces:   the hash index names blocks (rarely one too many); the block's trace_id runs say which rows.
 * Sessions: rows are clustered by session, so within a group the blocks of a code are found by halves over the
 *           zone maps of the session column; there is no index to store.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/segment/segment_read.h"

/* ---- ranges ---- */

struct ranges {
    struct row_range *to;
    uint32_t max;
    uint32_t count;
    uint64_t base; /* row of the file where the current block starts */
};

/* Ascending; touching ranges are joined, and so is what doesn't fit. */
static void ranges_add(struct ranges *r, uint64_t first, uint64_t count)
{
    if (r->count > 0) {
        struct row_range *last = &r->to[r->count - 1];
        if (last->first + last->count == first || r->count == r->max) {
            last->count = first + count - last->first;
            return;
        }
    }
    if (r->max == 0)
        return;
    r->to[r->count++] = (struct row_range){.first = first, .count = count};
}

static void ranges_add_in_block(void *context, uint32_t first, uint32_t count)
{
    struct ranges *r = context;
    ranges_add(r, r->base + first, count);
}

/* ---- traces ---- */

struct block_list {
    uint32_t *blocks;
    size_t capacity;
    uint32_t count;
};

static void block_list_add(void *context, uint32_t value)
{
    struct block_list *l = context;
    l->blocks = mem_grow(l->blocks, &l->capacity, l->count + 1, sizeof *l->blocks);
    l->blocks[l->count++] = value;
}

static int number_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static enum status trace_blocks(struct segment *s, struct id128 trace_id, struct block_list *l,
                                struct error *reterr)
{
    struct slice index;
    enum status status = segment_part(s, &s->trace_index, &index, reterr);
    if (status < 0)
        return status;
    if (index.size == 0) {
        for (uint32_t b = 0; b < s->block_count; b++)
            block_list_add(l, b);
        return STATUS_OK;
    }
    if (!hash_index_find(index, hash64(slice_of(&trace_id, sizeof trace_id)), block_list_add, l))
        return corrupt(reterr, s->path, s->trace_index.part.offset, "segment: trace index");
    if (l->count > 1)
        qsort(l->blocks, l->count, sizeof *l->blocks, number_compare);
    return STATUS_OK;
}

static enum status trace_find_in(struct segment *s, uint32_t block, struct id128 trace_id,
                                 struct ranges *r, struct error *reterr)
{
    struct arena arena = {0};
    struct block_reader reader;
    struct slice bytes;
    enum status status =
        segment_block_reader(s, s->trace_id_column, block, &arena, &reader, &bytes, reterr);
    r->base = s->first[block];
    if (status >= 0 && bytes.size != 0 &&
        !id128_block_find(&reader, bytes, trace_id, ranges_add_in_block, r))
        status = block_corrupt(&reader, reterr, "trace_id");
    arena_deinit(&arena);
    return status;
}

enum status segment_find_trace(struct segment *s, struct id128 trace_id, struct row_range *ret,
                               uint32_t max, uint32_t *ret_count, struct error *reterr)
{
    struct ranges r = {.to = ret, .max = max};
    struct block_list l = {0};
    enum status status = STATUS_OK;
    if (s->trace_id_column >= 0)
        status = trace_blocks(s, trace_id, &l, reterr);
    for (uint32_t i = 0; i < l.count && status >= 0; i++) {
        if (i > 0 && l.blocks[i] == l.blocks[i - 1])
            continue;
        if (l.blocks[i] >= s->block_count)
            status = corrupt(reterr, s->path, s->trace_index.part.offset, "segment: trace index");
        else
            status = trace_find_in(s, l.blocks[i], trace_id, &r, reterr);
    }
    mem_free(l.blocks);
    if (status >= 0)
        *ret_count = r.count;
    return status;
}

static void note(void *context, uint32_t value)
{
    (void)value;
    *(bool *)context = true;
}

/* Damage and missing indexes answer "maybe": the lookup itself will say what is wrong. */
static bool may_have(struct segment *s, struct lazy_part *part, struct slice key)
{
    struct slice index;
    bool found = false;
    if (part->part.size == 0 || segment_part(s, part, &index, NULL) < 0 ||
        !hash_index_find(index, hash64(key), note, &found))
        return true;
    return found;
}

bool segment_may_have_trace(struct segment *s, struct id128 trace_id)
{
    return s->trace_id_column >= 0 &&
           may_have(s, &s->trace_index, slice_of(&trace_id, sizeof trace_id));
}

bool segment_may_have_session(struct segment *s, struct slice session)
{
    return s->session_column >= 0 && may_have(s, &s->session_index, session);
}

/* ---- sessions ---- */

/* First block of [begin, end) whose largest code is not below `code`; blocks of NULLs only come last. */
static uint32_t block_lower(const struct directory *d, const struct segment *s, uint32_t begin,
                            uint32_t end, uint32_t code)
{
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        bool any = d->nulls[middle] < segment_block_rows(s, middle);
        if (any && (uint32_t)d->max[middle] < code)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

static enum status session_find_in(struct segment *s, uint32_t block, uint32_t code,
                                   struct ranges *r, struct error *reterr)
{
    struct arena arena = {0};
    struct vector v;
    enum status status = segment_block_read_plain(s, s->session_column, block, &arena, &v, reterr);
    for (uint32_t row = 0; status >= 0 && row < v.rows; row++) {
        if (v.codes[row] == code)
            ranges_add(r, s->first[block] + row, 1);
    }
    arena_deinit(&arena);
    return status;
}

enum status segment_find_session(struct segment *s, struct slice session, struct row_range *ret,
                                 uint32_t max, uint32_t *ret_count, struct error *reterr)
{
    struct ranges r = {.to = ret, .max = max};
    const struct directory *d = NULL;
    uint32_t code = 0;
    enum status status = STATUS_OK;
    if (s->session_column >= 0 &&
        (status = segment_dict_find(s, s->session_column, session, &code, reterr)) < 0)
        return status;
    if (code == 0) {
        *ret_count = 0;
        return STATUS_OK;
    }
    status = segment_directory(s, &s->columns[s->session_column].directory, true, &d, reterr);
    for (uint32_t g = 0; g < s->group_count && status >= 0; g++) {
        uint32_t end = s->group_first[g + 1];
        uint32_t b = s->group_first[g];
        if (s->by_session[g])
            b = block_lower(d, s, b, end, code);
        for (; b < end && status >= 0; b++) {
            if (d->nulls[b] == segment_block_rows(s, b))
                continue;
            if (s->by_session[g] && (uint32_t)d->min[b] > code)
                break;
            if ((uint32_t)d->min[b] <= code && code <= (uint32_t)d->max[b])
                status = session_find_in(s, b, code, &r, reterr);
        }
    }
    if (status >= 0)
        *ret_count = r.count;
    return status;
}

/* ---- dictionary codes ---- */

enum status segment_postings(struct segment *s, int column_index, uint32_t code, uint64_t *bits,
                             struct error *reterr)
{
    ASSERT(column_index >= 0);
    ASSERT((uint32_t)column_index < s->column_count);
    struct stored_column *c = &s->columns[column_index];
    if (c->column->storage != STORAGE_STR || c->postings.part.size == 0) {
        for (uint32_t b = 0; b < s->block_count; b++)
            bits[b / 64] |= 1ull << (b % 64);
        return STATUS_OK;
    }
    struct slice bytes;
    enum status status = segment_part(s, &c->postings, &bytes, reterr);
    if (status < 0)
        return status;
    if (code > c->values)
        return STATUS_OK;
    if (!postings_get(bytes, c->values + 1, s->block_count, code, bits))
        return corrupt(reterr, s->path, c->postings.part.offset, "segment: postings of %s",
                       c->column->name);
    return STATUS_OK;
}
