/*
 * seal_rows.c - splits, clusters and gathers the rows of a head.
 *
 * Memory: the gathered rows once, in one block that asks for huge pages (hundreds of MB come and go with a seal, and
 *         small pages would cost more than filling them), plus one whole column where amendments touch it.
 * Hours:  a file holds one hour, so that late and backfilled rows don't widen the time range of their neighbours.
 *         When times are absurd (a backfill of years, broken clocks) the number of files stays bounded: the
 *         fullest hours keep theirs, the others share files by day, by year, or all in one. A group is an hour
 *         in any case.
 */
#include "engine/seal_rows.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"

#define HOURS_A_DAY  24
#define HOURS_A_YEAR (366 * HOURS_A_DAY)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* ---- splitting ---- */

/* Hours seen so far, by open addressing. */
struct hour_map {
    struct split_group *groups;
    size_t capacity;
    uint32_t count;
    uint32_t *slots;
    uint32_t mask;
};

static uint32_t *hour_slot(const struct hour_map *m, int64_t hour)
{
    uint32_t at = (uint32_t)hash_mix((uint64_t)hour) & m->mask;
    while (m->slots[at] != 0 && m->groups[m->slots[at] - 1].hour != hour)
        at = (at + 1) & m->mask;
    return &m->slots[at];
}

static void hour_slots_make(struct hour_map *m, uint32_t slots)
{
    mem_free(m->slots);
    m->slots = mem_zero(slots, sizeof *m->slots);
    m->mask = slots - 1;
    for (uint32_t i = 0; i < m->count; i++)
        *hour_slot(m, m->groups[i].hour) = i + 1;
}

static uint32_t hour_group(struct hour_map *m, int64_t hour)
{
    uint32_t *slot = hour_slot(m, hour);
    if (*slot != 0)
        return *slot - 1;
    if (m->count >= m->mask / 2) {
        hour_slots_make(m, 2 * (m->mask + 1));
        slot = hour_slot(m, hour);
    }
    m->groups = mem_grow(m->groups, &m->capacity, (size_t)m->count + 1, sizeof *m->groups);
    m->groups[m->count] = (struct split_group){.hour = hour};
    *slot = ++m->count;
    return m->count - 1;
}

static int by_file_and_hour(const void *a, const void *b)
{
    const struct split_group *x = a;
    const struct split_group *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return (x->hour > y->hour) - (x->hour < y->hour);
}

static int by_count(const void *a, const void *b)
{
    uint32_t x = ((const struct split_group *)a)->count;
    uint32_t y = ((const struct split_group *)b)->count;
    return (x < y) - (x > y);
}

static int by_hour(const void *a, const void *b)
{
    int64_t x = ((const struct split_group *)a)->hour;
    int64_t y = ((const struct split_group *)b)->hour;
    return (x > y) - (x < y);
}

static uint32_t spans_of(const struct split_group *groups, uint32_t count, int64_t hours)
{
    uint32_t distinct = count > 0;
    for (uint32_t i = 1; i < count; i++)
        distinct += floor_div(groups[i].hour, hours) != floor_div(groups[i - 1].hour, hours);
    return distinct;
}

/* Gives groups files. Returns how many files. */
static uint32_t files_assign(struct split_group *groups, uint32_t count)
{
    uint32_t dense = count;
    if (count > SPLIT_FILES_MAX) {
        dense = SPLIT_DENSE_MAX;
        qsort(groups, count, sizeof *groups, by_count);
        qsort(groups + dense, count - dense, sizeof *groups, by_hour);
    }
    for (uint32_t i = 0; i < dense; i++)
        groups[i].file = i;
    if (dense == count)
        return count;
    struct split_group *sparse = groups + dense;
    uint32_t sparse_count = count - dense;
    int64_t hours = HOURS_A_DAY;
    if (spans_of(sparse, sparse_count, hours) > SPLIT_SPARSE_MAX)
        hours = HOURS_A_YEAR;
    bool one = spans_of(sparse, sparse_count, hours) > SPLIT_SPARSE_MAX;
    uint32_t file = dense;
    uint32_t in_file = 0;
    for (uint32_t i = 0; i < sparse_count; i++) {
        bool next = i > 0 && !one &&
                    floor_div(sparse[i].hour, hours) != floor_div(sparse[i - 1].hour, hours);
        if (next || in_file == SPLIT_GROUPS_MAX) {
            file++;
            in_file = 0;
        }
        sparse[i].file = file;
        in_file++;
    }
    return file + 1;
}

void split_rows(const int64_t *times, uint32_t rows, struct arena *arena, struct split *ret)
{
    struct hour_map map = {0};
    uint32_t *group_of = ARENA_ARRAY(arena, uint32_t, rows);
    int64_t last_hour = 0;
    uint32_t last = UINT32_MAX;
    hour_slots_make(&map, 64);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t hour = floor_div(times[i], NS_PER_HOUR);
        if (last == UINT32_MAX || hour != last_hour) {
            last = hour_group(&map, hour);
            last_hour = hour;
        }
        group_of[i] = last;
        map.groups[last].count++;
    }
    /* Sorting the groups moves them: first is their old place meanwhile. */
    for (uint32_t g = 0; g < map.count; g++)
        map.groups[g].first = g;
    ret->file_count = files_assign(map.groups, map.count);
    qsort(map.groups, map.count, sizeof *map.groups, by_file_and_hour);
    uint32_t *next = ARENA_ARRAY(arena, uint32_t, map.count);
    uint32_t at = 0;
    for (uint32_t g = 0; g < map.count; g++) {
        next[map.groups[g].first] = at;
        map.groups[g].first = at;
        at += map.groups[g].count;
    }
    ret->order = ARENA_ARRAY(arena, uint32_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        ret->order[next[group_of[i]]++] = i;
    ret->group_count = map.count;
    ret->groups = ARENA_ARRAY(arena, struct split_group, map.count);
    bytes_copy(ret->groups, map.groups, map.count * sizeof *map.groups);
    mem_free(map.groups);
    mem_free(map.slots);
}

/* ---- gathering ---- */

/* A whole column of the view, amended. Memory from the arena. */
static struct vector column_flat(struct head_view *view, struct patch_set *patches,
                                 const struct column *column, struct arena *arena)
{
    uint32_t rows = (uint32_t)head_view_rows(view);
    size_t width = storage_width(column->storage);
    struct vector flat = {.storage = column->storage, .rows = rows};
    uint8_t *payload = arena_alloc(arena, rows * width);
    uint8_t *valid = NULL;
    struct arena chunk_arena = {0};
    for (uint32_t c = 0; c < head_chunk_count(rows); c++) {
        struct vector v;
        size_t first = (size_t)c * BLOCK_ROWS;
        head_view_read(view, column, c, &chunk_arena, &v);
        memcpy(payload + first * width, v.i64, v.rows * width);
        flat.dict = v.dict;
        if (v.valid != NULL && valid == NULL) {
            valid = arena_alloc(arena, rows);
            memset(valid, 1, rows);
        }
        if (v.valid != NULL)
            memcpy(valid + first, v.valid, v.rows);
        arena_reset(&chunk_arena);
    }
    arena_deinit(&chunk_arena);
    flat.i64 = (const int64_t *)(const void *)payload;
    flat.valid = valid;
    patch_set_apply(patches, column, 0, &flat, arena);
    return flat;
}

struct gatherer {
    struct head_view *view;
    const struct head *head;
    struct patch_set *patches;
    struct arena *arena;
    struct seal_rows *out;
    uint32_t columns_max;
    uint8_t *at; /* free part of out->columns */
    uint8_t *end;
};

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define CELL_ALIGN      ((size_t)16)

static size_t cells_bytes(size_t size)
{
    return (size + CELL_ALIGN - 1) & ~(CELL_ALIGN - 1);
}

static void *cells_alloc(struct gatherer *g, size_t size)
{
    uint8_t *cells = g->at;
    ASSERT(cells_bytes(size) <= (size_t)(g->end - g->at));
    g->at += cells_bytes(size);
    return cells;
}

static bool is_wanted(const struct gatherer *g, const struct column *column)
{
    return head_has(g->head, column->id) || patch_set_touches(g->patches, column, 0, UINT64_MAX);
}

/* The chunks of one column as the view has them. */
struct chunks {
    const uint8_t **payloads;
    const uint8_t **valids; /* of each; NULL: all rows have a value */
    bool any_valid;
    const struct dict *dict;
};

static void chunks_read(struct gatherer *g, const struct column *column, struct arena *arena,
                        struct chunks *ret)
{
    uint32_t count = head_chunk_count(head_view_rows(g->view));
    *ret = (struct chunks){.payloads = ARENA_ARRAY(arena, const uint8_t *, count),
                           .valids = ARENA_ARRAY(arena, const uint8_t *, count)};
    for (uint32_t c = 0; c < count; c++) {
        struct vector v;
        head_view_read(g->view, column, c, arena, &v);
        ret->payloads[c] = (const uint8_t *)v.i64;
        ret->valids[c] = v.valid;
        ret->any_valid |= v.valid != NULL;
        ret->dict = v.dict;
    }
}

#define GATHER(type, to)                                                                           \
    for (uint32_t i = 0; i < group->count; i++) {                                                  \
        uint32_t row = order[i];                                                                   \
        ((type *)(to))[i] =                                                                        \
            ((const type *)(const void *)c->payloads[row / BLOCK_ROWS])[row % BLOCK_ROWS];         \
    }

/* The group's rows straight from the chunks: no copy of the column in between. */
static struct vector chunks_gather(struct gatherer *g, const struct chunks *c,
                                   const struct column *column, const struct split_group *group)
{
    const uint32_t *order = g->out->split.order + group->first;
    size_t width = storage_width(column->storage);
    struct vector v = {.storage = column->storage, .rows = group->count, .dict = c->dict};
    void *payload = cells_alloc(g, group->count * width);
    if (width == sizeof(uint32_t))
        GATHER(uint32_t, payload)
    else if (width == sizeof(uint64_t))
        GATHER(uint64_t, payload)
    else
        GATHER(struct id128, payload)
    v.i64 = payload;
    if (!c->any_valid)
        return v;
    uint8_t *valid = cells_alloc(g, group->count);
    for (uint32_t i = 0; i < group->count; i++) {
        const uint8_t *chunk = c->valids[order[i] / BLOCK_ROWS];
        valid[i] = chunk == NULL ? 1 : chunk[order[i] % BLOCK_ROWS];
    }
    v.valid = valid;
    return v;
}

static_assert(sizeof(struct slice) == sizeof(struct id128), "both are copied as 16 bytes");

static void column_gather(struct gatherer *g, const struct column *column)
{
    bool patched = patch_set_touches(g->patches, column, 0, UINT64_MAX);
    if (!is_wanted(g, column))
        return;
    struct arena scratch = {0};
    struct vector flat = {0};
    struct chunks chunks = {0};
    if (patched)
        flat = column_flat(g->view, g->patches, column, &scratch);
    else
        chunks_read(g, column, &scratch, &chunks);
    for (uint32_t i = 0; i < g->out->split.group_count; i++) {
        const struct split_group *group = &g->out->split.groups[i];
        struct batch *b = &g->out->batches[i];
        ASSERT(b->column_count < g->columns_max);
        b->columns[b->column_count++] = (struct batch_column){
            .column = column,
            .vector = patched ? vector_gather(&flat, g->out->split.order + group->first,
                                              group->count, g->arena)
                              : chunks_gather(g, &chunks, column, group)};
    }
    arena_deinit(&scratch);
}

/* Sorts the rows of each group as segments want them. */
static void groups_cluster(struct gatherer *g, enum table table)
{
    static const uint16_t keys[] = {SPANS_session, SPANS_trace_id, SPANS_time, SPANS_span_id};
    struct batch_column columns[4];
    struct arena flat_arena = {0};
    struct batch all = {
        .table = table, .rows = (uint32_t)head_view_rows(g->view), .columns = columns};
    uint32_t key_count = table == TABLE_SPANS ? 4 : 1;
    for (uint32_t i = 0; i < key_count; i++) {
        const struct column *column =
            table_column(table, table == TABLE_SPANS ? keys[i] : (uint16_t)SCORES_time);
        if (!head_has(g->head, column->id))
            continue;
        columns[all.column_count++] = (struct batch_column){
            .column = column, .vector = column_flat(g->view, NULL, column, &flat_arena)};
    }
    const struct vector *times = batch_vector(&all, SPANS_time);
    ASSERT(times != NULL);
    split_rows(times->i64, all.rows, g->arena, &g->out->split);
    struct split *s = &g->out->split;
    for (uint32_t i = 0; i < s->group_count; i++) {
        uint32_t *order = s->order + s->groups[i].first;
        struct batch group = all;
        struct batch_column picked[4];
        struct arena arena = {0};
        /* rows_cluster orders the rows of a batch of its own, numbered from 0. */
        uint32_t *rows = ARENA_ARRAY(&arena, uint32_t, s->groups[i].count);
        for (uint32_t c = 0; c < all.column_count; c++)
            picked[c] = (struct batch_column){
                .column = columns[c].column,
                .vector = vector_gather(&columns[c].vector, order, s->groups[i].count, &arena)};
        group.rows = s->groups[i].count;
        group.columns = picked;
        rows_cluster(&group, rows);
        for (uint32_t r = 0; r < group.rows; r++)
            rows[r] = order[rows[r]];
        memcpy(order, rows, group.rows * sizeof *order);
        arena_deinit(&arena);
    }
    arena_deinit(&flat_arena);
}

/* Columns of the table that have values, and the block their cells go to. */
static const struct column **columns_choose(struct gatherer *g, enum table table,
                                            struct schema *schema, uint32_t *ret_count)
{
    uint32_t fixed;
    const struct column *columns = table_columns(table, &fixed);
    uint32_t scores = table == TABLE_SPANS ? schema_score_count(schema) : 0;
    const struct column **chosen = ARENA_ARRAY(g->arena, const struct column *, fixed + scores);
    size_t rows = (size_t)head_view_rows(g->view);
    size_t bytes = 0;
    *ret_count = 0;
    for (uint32_t i = 0; i < fixed + scores; i++) {
        const struct column *c =
            i < fixed ? &columns[i]
                      : schema_column(schema, table, (uint16_t)(COLUMN_DYNAMIC + i - fixed));
        if (!is_wanted(g, c))
            continue;
        chosen[(*ret_count)++] = c;
        bytes += rows * (storage_width(c->storage) + 1);
        bytes += 2 * CELL_ALIGN * g->out->split.group_count;
    }
    g->out->columns = mem_alloc(bytes + HUGE_PAGE_BYTES);
    uintptr_t start = ((uintptr_t)g->out->columns + CELL_ALIGN - 1) & ~(uintptr_t)(CELL_ALIGN - 1);
    if (bytes >= 2 * HUGE_PAGE_BYTES) {
        start = (start + HUGE_PAGE_BYTES - 1) & ~(uintptr_t)(HUGE_PAGE_BYTES - 1);
        /* Advice: without huge pages all works the same, slower. */
        (void)madvise((void *)start, bytes & ~(HUGE_PAGE_BYTES - 1), MADV_HUGEPAGE);
    }
    g->at = (uint8_t *)start;
    g->end = g->at + bytes;
    return chosen;
}

void seal_rows_make(struct head_view *view, const struct head *head, struct patch_set *patches,
                    enum table table, struct schema *schema, struct arena *arena,
                    struct seal_rows *ret)
{
    struct gatherer g = {
        .view = view, .head = head, .patches = patches, .arena = arena, .out = ret};
    groups_cluster(&g, table);
    const struct column **columns = columns_choose(&g, table, schema, &g.columns_max);
    ret->batches = ARENA_ARRAY(arena, struct batch, ret->split.group_count);
    for (uint32_t i = 0; i < ret->split.group_count; i++)
        ret->batches[i] =
            (struct batch){.table = table,
                           .rows = ret->split.groups[i].count,
                           .columns = ARENA_ARRAY(arena, struct batch_column, g.columns_max)};
    for (uint32_t i = 0; i < g.columns_max; i++)
        column_gather(&g, columns[i]);
}

void seal_rows_deinit(struct seal_rows *r)
{
    mem_free(r->columns);
    r->columns = NULL;
}
