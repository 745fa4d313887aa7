/*
 * block_parent.c - parent_id as the place of the parent in its trace.
 *
 * Format:  FORMAT.md 5.6. u16 mask reference of the trace starts; stream with one number for each row that has a parent:
 *          0: the id follows in the list; k: the parent is the k-th row (from 1) of this row's trace in
 *          this block. Then varint count of listed ids, u64 each, in row order.
 *          Decoding needs the block's span_id column.
 */
#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/segment/block.h"
#include "engine/segment/ints.h"

#define SLOTS (BLOCK_ROWS * 2)

/* Row of a span id in the block: open addressing, first row wins. */
struct row_table {
    uint16_t rows[SLOTS]; /* row + 1, 0: free */
    const uint64_t *span_id;
};

static uint32_t slot_of(const struct row_table *t, uint64_t id)
{
    uint32_t slot = (uint32_t)hash_mix(id) % SLOTS;
    while (t->rows[slot] != 0 && t->span_id[t->rows[slot] - 1] != id)
        slot = (slot + 1) % SLOTS;
    return slot;
}

bool block_put_parent(const struct block_writer *w, const uint64_t *values,
                      const struct mask *valid, struct buffer *to)
{
    struct row_table *table = MEM_NEW(struct row_table);
    table->span_id = w->span_id;
    for (uint32_t row = 0; row < w->rows; row++) {
        uint32_t slot = slot_of(table, w->span_id[row]);
        if (table->rows[slot] == 0)
            table->rows[slot] = (uint16_t)(row + 1);
    }
    struct mask starts;
    mask_set_get(w->masks, w->starts, &starts);
    int64_t *places = mem_alloc((size_t)w->rows * sizeof *places);
    uint64_t *listed = mem_alloc((size_t)w->rows * sizeof *listed);
    uint32_t count = 0;
    uint32_t listed_count = 0;
    uint32_t start = 0;
    uint32_t end = 0;
    for (uint32_t row = 0; row < w->rows; row++) {
        if (mask_get(&starts, row)) {
            start = row;
            for (end = row + 1; end < w->rows && !mask_get(&starts, end);)
                end++;
        }
        if (!mask_get(valid, row))
            continue;
        uint32_t parent = table->rows[slot_of(table, values[row])];
        bool inside = parent > start && parent <= end;
        places[count++] = inside ? parent - start : 0;
        if (!inside)
            listed[listed_count++] = values[row];
    }
    bool worth = listed_count <= count / 2;
    if (worth) {
        struct shape dense = {.kind = SHAPE_DENSE};
        block_head_put(w, ENCODING_PARENT, &dense, valid, to);
        put_u16(to, w->starts);
        ints_put(places, count, w->fast, to);
        put_varint(to, listed_count);
        buffer_add(to, listed, listed_count * sizeof *listed);
        block_end_put(to);
    }
    mem_free(table);
    mem_free(places);
    mem_free(listed);
    return worth;
}

/* Rows from the places. False: a place outside its trace, or the list is too short. */
static bool places_follow(const struct block_reader *r, const struct mask *starts,
                          const struct mask *valid, const uint32_t *places, const uint64_t *span_id,
                          struct slice listed, uint64_t *to)
{
    uint32_t start = 0;
    uint32_t n = 0;
    size_t used = 0;
    for (uint32_t row = 0; row < r->rows; row++) {
        if (mask_get(starts, row))
            start = row;
        to[row] = 0;
        if (!mask_get(valid, row))
            continue;
        uint32_t place = places[n++];
        if (place == 0) {
            if (used + 8 > listed.size)
                return false;
            memcpy(&to[row], listed.data + used, 8);
            used += 8;
        } else {
            if (place > r->rows - start)
                return false;
            to[row] = span_id[start + place - 1];
        }
    }
    return used == listed.size;
}

enum status parent_block_get(const struct block_reader *r, const struct block_head *h,
                             struct cursor *c, uint64_t *to, struct error *reterr)
{
    struct mask starts;
    struct mask valid;
    uint16_t ref = cursor_u16(c);
    if (c->failed || h->kind != SHAPE_DENSE || r->by_id == NULL ||
        !mask_part_get(r->masks, r->rows, ref, &starts) || !mask_get(&starts, 0) ||
        !mask_part_get(r->masks, r->rows, h->valid_ref, &valid)) {
        cursor_fail(c);
        return STATUS_OK;
    }
    struct vector span_id = {0};
    enum status s = r->by_id(r->context, SPANS_span_id, &span_id, reterr);
    if (s < 0)
        return s;
    uint32_t count = mask_ones(&valid);
    uint32_t *places = mem_alloc((size_t)count * sizeof *places);
    ints_get32(c, count, places);
    uint64_t listed_count = cursor_varint(c);
    struct slice listed = SLICE_EMPTY;
    if (listed_count > count)
        cursor_fail(c);
    else
        listed = cursor_take(c, listed_count * 8);
    if (!c->failed && !places_follow(r, &starts, &valid, places, span_id.id64, listed, to))
        cursor_fail(c);
    mem_free(places);
    return STATUS_OK;
}
