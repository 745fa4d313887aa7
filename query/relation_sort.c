/*
 * relation_sort.c - ORDER BY over rows in memory, and picking the rows that stay.
 *
 * Shape:     merge sort of row indexes, bottom up, so that it can be stopped between runs. A single number as first key is
 *            copied next to the indexes, which saves most of the cache misses.
 * Invariant: the order is total but for rows that are equal in every column: results don't depend on the order in
 *            which threads delivered rows.
 */
#include "query/order.h"
#include "query/relation.h"

struct sorter {
    const struct relation *relation;
    const struct sort_key *keys;
    uint32_t key_count;
    struct vec *vecs; /* of all columns */
};

/* NULL sorts above every value unless the key says otherwise. */
static int compare_column(const struct vec *v, uint32_t a, uint32_t b, bool descending,
                          bool nulls_first)
{
    bool has_a = v->valid[a] != 0;
    bool has_b = v->valid[b] != 0;
    if (!has_a || !has_b) {
        if (has_a == has_b)
            return 0;
        return has_a == nulls_first ? 1 : -1;
    }
    int order = order_rows(v, a, v, b);
    return descending ? -order : order;
}

static int compare_rows(const struct sorter *s, uint32_t a, uint32_t b)
{
    for (uint32_t k = 0; k < s->key_count; k++) {
        const struct sort_key *key = &s->keys[k];
        int order = compare_column(&s->vecs[key->column], a, b, key->descending, key->nulls_first);
        if (order != 0)
            return order;
    }
    for (uint32_t c = 0; c < s->relation->column_count; c++) {
        int order = compare_column(&s->vecs[c], a, b, false, false);
        if (order != 0)
            return order;
    }
    return 0;
}

static struct vec *all_vecs(const struct relation *r)
{
    struct vec *vecs = mem_zero(r->column_count + 1, sizeof *vecs);
    for (uint32_t i = 0; i < r->column_count; i++)
        vecs[i] = relation_vec(r, i);
    return vecs;
}

int relation_compare(const struct relation *r, const struct sort_key *keys, uint32_t key_count,
                     uint32_t a, uint32_t b)
{
    struct sorter s = {.relation = r, .keys = keys, .key_count = key_count, .vecs = all_vecs(r)};
    int order = compare_rows(&s, a, b);
    mem_free(s.vecs);
    return order;
}

/* A row index with its first key as an integer that orders the same way. */
struct item {
    int64_t key;
    uint32_t row;
};

/* The first key of each row, or 0 for all when it is no number. NULLs become the ends of the range, which values
 * may share: equal keys are always compared in full. */
static void fill_items(const struct sorter *s, struct item *items)
{
    const struct sort_key *key = s->key_count > 0 ? &s->keys[0] : NULL;
    const struct vec *v = key == NULL ? NULL : &s->vecs[key->column];
    bool number = v != NULL && (v->phys == PHYS_I64 || v->phys == PHYS_F64);
    for (uint32_t i = 0; i < s->relation->rows; i++) {
        items[i] = (struct item){.row = i};
        if (!number)
            continue;
        int64_t value;
        if (v->valid[i] == 0) {
            value = key->nulls_first ? INT64_MIN : INT64_MAX;
        } else {
            value = v->phys == PHYS_I64 ? v->i64[i] : order_key_f64(v->f64[i]);
            if (key->descending)
                value = ~value;
        }
        items[i].key = value;
    }
}

static int compare_items(const struct sorter *s, const struct item *a, const struct item *b)
{
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return compare_rows(s, a->row, b->row);
}

#define RUN_ROWS 16u

static void sort_run(const struct sorter *s, struct item *items, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        struct item item = items[i];
        uint64_t at = i;
        while (at > 0 && compare_items(s, &item, &items[at - 1]) < 0) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}

static void merge_runs(const struct sorter *s, const struct item *a, uint64_t a_count,
                       const struct item *b, uint64_t b_count, struct item *to)
{
    uint64_t i = 0;
    uint64_t j = 0;
    while (i < a_count && j < b_count)
        *to++ = compare_items(s, &b[j], &a[i]) < 0 ? b[j++] : a[i++];
    bytes_copy(to, a + i, (a_count - i) * sizeof *to);
    bytes_copy(to + (a_count - i), b + j, (b_count - j) * sizeof *to);
}

static enum status sort_items(const struct sorter *s, struct item **items, struct item **spare,
                              uint64_t count, struct run *run, struct error *reterr)
{
    for (uint64_t at = 0; at < count; at += RUN_ROWS)
        sort_run(s, *items + at, count - at < RUN_ROWS ? count - at : RUN_ROWS);
    for (uint64_t width = RUN_ROWS; width < count; width *= 2) {
        for (uint64_t at = 0; at < count; at += 2 * width) {
            uint64_t a = count - at < width ? count - at : width;
            uint64_t b = count - at - a < width ? count - at - a : width;
            merge_runs(s, *items + at, a, *items + at + a, b, *spare + at);
            enum status status = at % (64 * 1024) == 0 ? run_check(run, reterr) : STATUS_OK;
            if (status < 0)
                return status;
        }
        struct item *swap = *items;
        *items = *spare;
        *spare = swap;
    }
    return STATUS_OK;
}

enum status relation_sort(const struct relation *r, const struct sort_key *keys, uint32_t key_count,
                          struct run *run, uint32_t **ret_order, struct error *reterr)
{
    uint64_t bytes = r->rows * (2 * sizeof(struct item) + sizeof(uint32_t));
    enum status status = run_charge(run, bytes, reterr);
    if (status < 0)
        return status;
    struct sorter s = {.relation = r, .keys = keys, .key_count = key_count, .vecs = all_vecs(r)};
    struct item *items = block_alloc(r->rows * sizeof *items);
    struct item *spare = block_alloc(r->rows * sizeof *spare);
    fill_items(&s, items);
    status = sort_items(&s, &items, &spare, r->rows, run, reterr);
    if (status == STATUS_OK) {
        uint32_t *order = mem_alloc(r->rows * sizeof *order);
        for (uint64_t i = 0; i < r->rows; i++)
            order[i] = items[i].row;
        *ret_order = order;
    }
    block_free(items, r->rows * sizeof *items);
    block_free(spare, r->rows * sizeof *spare);
    mem_free(s.vecs);
    run_discharge(run, bytes);
    return status;
}

void relation_pick(struct relation *r, const uint32_t *order, uint64_t first, uint64_t count)
{
    struct text_store texts = {0};
    bool any_text = false;
    for (uint32_t c = 0; c < r->column_count; c++) {
        struct relation_column *column = &r->columns[c];
        size_t width = phys_width(column->phys);
        struct relation_column to = {.phys = column->phys};
        to.valid = block_grow(NULL, &to.valid_capacity, count + 1, 1);
        to.data = block_grow(NULL, &to.data_capacity, count + 1, width);
        copy_picked(1, column->valid, order + first, count, to.valid);
        copy_picked(width, column->data, order + first, count, to.data);
        any_text |= to.phys == PHYS_TEXT;
        relation_free_column(column);
        *column = to;
    }
    /* When most rows leave, their texts should too. */
    if (any_text && count < r->rows / 2) {
        for (uint32_t c = 0; c < r->column_count; c++) {
            struct slice *text = (struct slice *)(void *)r->columns[c].data;
            for (uint64_t i = 0; r->columns[c].phys == PHYS_TEXT && i < count; i++)
                text[i] = text_store_add(&texts, text[i]);
        }
        text_store_deinit(&r->texts);
        r->texts = texts;
    }
    r->rows = count;
}
