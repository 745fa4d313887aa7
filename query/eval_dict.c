/*
 * eval_dict.c - evaluates an expression over one dictionary column once per dictionary entry.
 *
 * Place:     eval -> [here]
 * Shape:     model = 'gpt-4o' over 8192 rows becomes a table look-up per code; upper(model) becomes a second
 *            dictionary under the same codes and costs nothing per row.
 * Choice:    a table of a dictionary with many entries pays only when many rows use it: rows are evaluated one
 *            by one until half as many rows as entries were seen (at most 1.5 times the work of either way).
 * Failure:   an entry that raises an error (a cast of a text no row selects) sends the whole dictionary
 *            back to evaluation row by row, where only active rows count.
 * Lifetime:  results live as long as the cache; dictionaries outlive it.
 */
#include "engine/base/limits.h"

#include "query/function.h"
#include "query/hot.h"

struct dict_result {
    const struct dict *dict;
    uint64_t rows_seen;
    bool row_by_row;
    bool ready;
    enum phys phys;
    uint8_t *valid; /* per entry; NULL: all */
    void *values;   /* per entry; for TEXT: of `derived` */
    struct dict derived;
    uint32_t truths; /* BOOL, at most 32 entries: bit c is entry c's value */
    uint32_t valids; /* and whether it has one */
    bool is_small;
};

struct dict_slot {
    struct dict_result **results;
    size_t capacity;
    uint32_t count;
    uint32_t last;
};

struct dict_cache {
    struct arena arena;
    struct dict_slot *slots;
    uint32_t slot_count;
};

struct dict_cache *dict_cache_create(uint32_t slots)
{
    struct dict_cache *c = MEM_NEW(struct dict_cache);
    c->slots = mem_zero(slots + 1, sizeof *c->slots);
    c->slot_count = slots;
    return c;
}

void dict_cache_destroy(struct dict_cache *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->slot_count; i++)
        mem_free(c->slots[i].results);
    mem_free(c->slots);
    arena_deinit(&c->arena);
    mem_free(c);
}

/* ---- which expressions ---- */

struct column_use {
    const bool *is_dict;
    bool fits;
    bool any;
    uint32_t column;
};

static void see_column(void *context, struct expr *node)
{
    struct column_use *use = context;
    if (node->kind == EXPR_AGGREGATE)
        use->fits = false;
    if (node->kind != EXPR_COLUMN)
        return;
    if (!use->is_dict[node->column] || (use->any && use->column != node->column))
        use->fits = false;
    use->any = true;
    use->column = node->column;
}

void expr_assign_dict_slots(struct expr *e, const bool *is_dict, uint32_t *slots)
{
    struct column_use use = {.is_dict = is_dict, .fits = true};
    if (e->kind == EXPR_COLUMN || e->kind == EXPR_CONST || e->dict_slot != 0)
        return;
    expr_walk(e, see_column, &use);
    if (use.fits && use.any) {
        e->dict_slot = ++*slots;
        e->dict_column = use.column;
        return;
    }
    for (uint32_t i = 0; i < e->arg_count; i++)
        expr_assign_dict_slots(e->args[i], is_dict, slots);
}

/* ---- tables ---- */

static struct dict_result *find_result(struct dict_cache *c, uint32_t slot_index,
                                       const struct dict *dict)
{
    struct dict_slot *slot = &c->slots[slot_index];
    if (slot->count > 0 && slot->results[slot->last]->dict == dict)
        return slot->results[slot->last];
    for (uint32_t i = slot->count; i-- > 0;)
        if (slot->results[i]->dict == dict) {
            slot->last = i;
            return slot->results[i];
        }
    slot->results =
        mem_grow(slot->results, &slot->capacity, slot->count + 1, sizeof *slot->results);
    slot->last = slot->count;
    struct dict_result *r = ARENA_NEW(&c->arena, struct dict_result);
    r->dict = dict;
    slot->results[slot->count++] = r;
    return r;
}

static void keep_values(struct dict_cache *c, struct dict_result *r, const struct vec *v,
                        uint32_t first, uint32_t rows)
{
    size_t width = phys_width(r->phys);
    memcpy((uint8_t *)r->values + first * width, v->data, rows * width);
    for (uint32_t i = 0; i < rows; i++)
        r->valid[first + i] = v->valid == NULL || v->valid[i] != 0;
    if (r->phys != PHYS_TEXT)
        return;
    struct slice *texts = (struct slice *)r->values + first;
    for (uint32_t i = 0; i < rows; i++)
        texts[i] = arena_copy(&c->arena, texts[i]);
}

/* Entries first .. first + rows as a TEXT column in the place of the dictionary's. */
static struct vec dictionary_rows(struct eval *sub, const struct vec *codes, uint32_t first,
                                  uint32_t rows)
{
    uint8_t *valid = SCRATCH_ARRAY(sub->scratch, uint8_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        valid[i] = codes->dict_valid != NULL ? codes->dict_valid[first + i] : first + i != 0;
    return (struct vec){.phys = PHYS_TEXT, .valid = valid, .text = codes->dict->values + first};
}

static enum status build_table(struct eval *ev, const struct expr *e, const struct vec *codes,
                               struct dict_result *r)
{
    uint32_t count = codes->dict->count;
    r->phys = e->phys;
    r->values = arena_alloc(&ev->cache->arena, count * phys_width(e->phys));
    r->valid = arena_alloc(&ev->cache->arena, count);
    struct vec *columns = SCRATCH_ARRAY(ev->scratch, struct vec, e->dict_column + 1);
    memset(columns, 0, (e->dict_column + 1) * sizeof *columns);
    struct eval sub = *ev;
    struct error ignored;
    sub.columns = columns;
    sub.active = NULL;
    sub.cache = NULL;
    sub.reterr = &ignored;
    for (uint32_t first = 0; first < count; first += BLOCK_ROWS) {
        struct scratch_mark mark = scratch_mark(ev->scratch);
        struct vec v;
        sub.rows = count - first < BLOCK_ROWS ? count - first : BLOCK_ROWS;
        columns[e->dict_column] = dictionary_rows(&sub, codes, first, sub.rows);
        enum status s = eval_expr(&sub, e, &v);
        if (s == STATUS_INVALID) {
            r->row_by_row = true;
            return STATUS_OK;
        }
        if (s < 0)
            return error_set(ev->reterr, ignored.status, "%s", ignored.text);
        vec_decode(&v, sub.rows, ev->scratch);
        vec_expand(&v, sub.rows, ev->scratch);
        keep_values(ev->cache, r, &v, first, sub.rows);
        scratch_release(ev->scratch, mark);
        if ((s = eval_check(ev)) < 0)
            return s;
    }
    r->derived = (struct dict){.values = r->values, .count = count};
    r->ready = true;
    if (r->phys != PHYS_TEXT && memchr(r->valid, 0, count) == NULL)
        r->valid = NULL;
    r->is_small = r->phys == PHYS_BOOL && count <= 32;
    for (uint32_t i = 0; r->is_small && i < count; i++) {
        r->truths |= (uint32_t)((const uint8_t *)r->values)[i] << i;
        r->valids |= (uint32_t)(r->valid == NULL || r->valid[i] != 0) << i;
    }
    return STATUS_OK;
}

#define LOOK_UP(type, member)                                                                      \
    do {                                                                                           \
        const type *table = r->values;                                                             \
        type *to = SCRATCH_ARRAY(ev->scratch, type, rows);                                         \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            to[i] = table[codes[i]];                                                               \
        ret->member = to;                                                                          \
    } while (0)

/* Eight look-ups an instruction instead of one. */
HOT static void look_up_bits(uint32_t truths, const uint32_t *restrict codes, uint32_t rows,
                             uint8_t *restrict to)
{
    for (uint32_t i = 0; i < rows; i++)
        to[i] = (uint8_t)(truths >> (codes[i] & 31) & 1);
}

static void look_up(struct eval *ev, const struct dict_result *r, const uint32_t *codes,
                    struct vec *ret)
{
    uint32_t rows = ev->rows;
    *ret = (struct vec){.phys = r->phys};
    if (r->phys == PHYS_TEXT) {
        *ret = (struct vec){
            .phys = PHYS_CODES, .dict = &r->derived, .dict_valid = r->valid, .codes = codes};
        return;
    }
    if (r->is_small) {
        uint8_t *truth = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
        look_up_bits(r->truths, codes, rows, truth);
        ret->truth = truth;
        if (r->valid != NULL) {
            uint8_t *valid = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
            look_up_bits(r->valids, codes, rows, valid);
            ret->valid = valid;
        }
        return;
    }
    if (r->valid != NULL) {
        uint8_t *valid = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
        for (uint32_t i = 0; i < rows; i++)
            valid[i] = r->valid[codes[i]];
        ret->valid = valid;
    }
    switch (r->phys) {
    case PHYS_I64:
        LOOK_UP(int64_t, i64);
        break;
    case PHYS_F64:
        LOOK_UP(double, f64);
        break;
    case PHYS_BOOL:
        LOOK_UP(uint8_t, truth);
        break;
    case PHYS_ID64:
        LOOK_UP(uint64_t, id64);
        break;
    case PHYS_ID128:
        LOOK_UP(struct id128, id128);
        break;
    case PHYS_TEXT:
    case PHYS_CODES:
        break;
    }
}

enum status eval_by_dictionary(struct eval *ev, const struct expr *e, struct vec *ret,
                               bool *ret_done)
{
    const struct vec *codes = &ev->columns[e->dict_column];
    if (codes->phys != PHYS_CODES || codes->constant)
        return STATUS_OK;
    struct dict_result *r = find_result(ev->cache, e->dict_slot - 1, codes->dict);
    if (r->row_by_row)
        return STATUS_OK;
    if (!r->ready) {
        r->rows_seen += ev->rows;
        if (r->rows_seen < codes->dict->count / 2)
            return STATUS_OK;
        enum status s = build_table(ev, e, codes, r);
        if (s < 0 || r->row_by_row)
            return s;
    }
    look_up(ev, r, codes->codes, ret);
    *ret_done = true;
    return STATUS_OK;
}
