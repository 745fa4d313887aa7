/*
 * test_patch_set.c - sets of patches against a plain table of cells.
 */
#include <assert.h>
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/rng.h"
#include "engine/patch/patch_set.h"

enum {
    COLUMNS = 4,
    ROWS = 2000
};

/* What the set should say of a cell. */
struct model_cell {
    bool amended;
    struct amendment amendment;
    char text[24];
};

struct fixture {
    struct schema schema;
    struct arena arena;
    struct rng rng;
    const struct column *columns[COLUMNS]; /* error_class, turn, score.a, class_source */
    struct model_cell cells[COLUMNS][ROWS];
    uint32_t cell_count;
};

static struct fixture *setup(uint64_t seed)
{
    struct fixture *f = MEM_NEW(struct fixture);
    schema_init(&f->schema);
    rng_init(&f->rng, seed);
    f->columns[0] = table_column(TABLE_SPANS, SPANS_error_class);
    f->columns[1] = table_column(TABLE_SPANS, SPANS_turn);
    cr_assert_eq(schema_add_score(&f->schema, slice_text("score.a"), &f->columns[2], NULL), 0);
    f->columns[3] = table_column(TABLE_SPANS, SPANS_class_source);
    return f;
}

static void teardown(struct fixture *f)
{
    arena_deinit(&f->arena);
    schema_deinit(&f->schema);
    mem_free(f);
}

static struct amendment amendment_at(const struct fixture *f, uint32_t column, uint64_t row,
                                     uint64_t seq)
{
    struct amendment a = {.seq = seq, .span_id = row, .column = f->columns[column]};
    memcpy(a.trace_id.bytes, &row, sizeof row);
    a.bytes = SLICE_EMPTY;
    return a;
}

/* Random amendments, applied to the model too. Seqs are not in order. */
static struct patch_set *extend(struct fixture *f, struct patch_set *old, uint32_t count,
                                uint32_t rows_max)
{
    struct amendment *amendments = ARENA_ARRAY(&f->arena, struct amendment, count);
    struct patch_row *rows = ARENA_ARRAY(&f->arena, struct patch_row, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column = (uint32_t)rng_below(&f->rng, COLUMNS);
        uint64_t row = rng_below(&f->rng, rows_max);
        amendments[i] = amendment_at(f, column, row, rng_below(&f->rng, 500));
        struct amendment *a = &amendments[i];
        char text[24] = "";
        if (f->columns[column]->storage == STORAGE_STR) {
            (void)snprintf(text, sizeof text, "class-%lu", (unsigned long)rng_below(&f->rng, 40));
            a->bytes = arena_copy(&f->arena, slice_text(text));
        } else {
            a->i64 = (int64_t)(rng_u64(&f->rng) >> 12);
        }
        rows[i] = (struct patch_row){.row = row, .amendment = a};
        struct model_cell *cell = &f->cells[column][row];
        f->cell_count += !cell->amended;
        if (!cell->amended || a->seq >= cell->amendment.seq) {
            cell->amendment = *a;
            memcpy(cell->text, text, sizeof text);
        }
        cell->amended = true;
    }
    struct patch_set *s = patch_set_extend(old, rows, count);
    /* It keeps nothing of ours. */
    for (uint32_t i = 0; i < count; i++)
        memset((void *)amendments[i].bytes.data, 'x', amendments[i].bytes.size);
    memset(amendments, 0xff, count * sizeof *amendments);
    memset(rows, 0xff, count * sizeof *rows);
    patch_set_unref(old);
    return s;
}

/* A base column: nulls 0: none, 1: some, 2: all. */
static struct vector base_vector(struct fixture *f, uint32_t column, uint32_t rows, uint32_t nulls,
                                 const struct dict *dict)
{
    enum storage storage = f->columns[column]->storage;
    struct vector v = vector_null(storage, rows, &f->arena);
    if (nulls == 2)
        return v;
    uint8_t *valid = arena_zero(&f->arena, rows, 1);
    if (storage == STORAGE_STR) {
        uint32_t *codes = arena_zero(&f->arena, rows, sizeof *codes);
        for (uint32_t i = 0; i < rows; i++)
            codes[i] = nulls == 1 && i % 3 == 0 ? 0 : 1 + i % (dict->count - 1);
        v.codes = codes;
        v.dict = dict;
        return v;
    }
    int64_t *numbers = arena_zero(&f->arena, rows, sizeof *numbers);
    for (uint32_t i = 0; i < rows; i++) {
        valid[i] = nulls == 0 || i % 3 != 0;
        numbers[i] = valid[i] != 0 ? (int64_t)i * 7 : 0;
    }
    v.i64 = numbers;
    v.valid = nulls == 0 ? NULL : valid;
    return v;
}

static void check_range(struct fixture *f, struct patch_set *s, uint32_t column, uint32_t first,
                        uint32_t rows, uint32_t nulls, const struct dict *dict)
{
    struct vector base = base_vector(f, column, rows, nulls, dict);
    struct vector v = base;
    bool touched = false;
    for (uint32_t i = 0; i < rows; i++)
        touched |= f->cells[column][first + i].amended;
    cr_assert_eq(patch_set_touches(s, f->columns[column], first, rows), touched);
    patch_set_apply(s, f->columns[column], first, &v, &f->arena);
    cr_assert_eq(v.rows, rows);
    if (!touched)
        cr_assert(memcmp(&v, &base, sizeof v) == 0, "an untouched vector stays as it is");
    for (uint32_t i = 0; i < rows; i++) {
        const struct model_cell *cell = &f->cells[column][first + i];
        bool is_str = base.storage == STORAGE_STR;
        if (!cell->amended) {
            cr_assert_eq(vector_has(&v, i), vector_has(&base, i));
            cr_assert(is_str ? slice_equal(vector_bytes(&v, i), vector_bytes(&base, i))
                             : v.i64[i] == base.i64[i]);
            continue;
        }
        cr_assert(vector_has(&v, i));
        if (is_str)
            cr_assert(slice_is(vector_bytes(&v, i), cell->text), "row %u: %.*s, not %s", first + i,
                      SLICE_ARG(vector_bytes(&v, i)), cell->text);
        else
            cr_assert_eq(v.i64[i], cell->amendment.i64);
    }
}

/* Values some of which the amendments have too. */
static struct dict base_dict(struct fixture *f, uint32_t count)
{
    struct slice *values = ARENA_ARRAY(&f->arena, struct slice, count);
    values[0] = SLICE_EMPTY;
    for (uint32_t i = 1; i < count; i++)
        values[i] = slice_text(arena_printf(&f->arena, "class-%u", i * 5));
    return (struct dict){.values = values, .count = count};
}

static void check_all(struct fixture *f, struct patch_set *s)
{
    struct dict dict = base_dict(f, 20);
    cr_assert_eq(patch_set_count(s), f->cell_count);
    for (uint32_t column = 0; column < COLUMNS; column++) {
        for (uint32_t nulls = 0; nulls < 3; nulls++) {
            check_range(f, s, column, 0, ROWS, nulls, &dict);
            for (uint32_t i = 0; i < 10; i++) {
                uint32_t first = (uint32_t)rng_below(&f->rng, ROWS);
                uint32_t rows = 1 + (uint32_t)rng_below(&f->rng, i < 5 ? 3 : ROWS);
                rows = rows < ROWS - first ? rows : ROWS - first;
                check_range(f, s, column, first, rows, nulls, &dict);
            }
        }
    }
}

Test(patch_set, no_amendments_are_no_set)
{
    struct fixture *f = setup(1);
    cr_assert(patch_set_extend(NULL, NULL, 0) == NULL);
    cr_assert_eq(patch_set_count(NULL), 0);
    cr_assert(!patch_set_touches(NULL, f->columns[0], 0, UINT64_MAX));
    patch_set_each(NULL, NULL, NULL);
    patch_set_unref(NULL);
    struct vector v = vector_null(STORAGE_F64, 3, &f->arena);
    struct vector before = v;
    patch_set_apply(NULL, f->columns[2], 0, &v, &f->arena);
    cr_assert(memcmp(&v, &before, sizeof v) == 0);
    struct patch_set *s = extend(f, NULL, 5, 10);
    struct patch_set *same = patch_set_extend(s, NULL, 0);
    cr_assert(same == s);
    patch_set_unref(same);
    patch_set_unref(s);
    teardown(f);
}

Test(patch_set, growing_sets_match_a_plain_table)
{
    struct fixture *f = setup(77);
    struct patch_set *s = NULL;
    static const uint32_t counts[] = {1, 1, 1, 30, 2, 1, 200, 5, 5, 5, 1, 1000, 1, 1, 1, 600};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        s = extend(f, s, counts[i], i < 6 ? 100 : ROWS);
        if (i % 3 == 0 || i > 12)
            check_all(f, s);
        arena_reset(&f->arena);
    }
    patch_set_unref(s);
    teardown(f);
}

Test(patch_set, an_old_set_stays_as_it_was)
{
    struct fixture *f = setup(78);
    struct patch_set *s = extend(f, NULL, 300, ROWS);
    struct patch_set *old = patch_set_ref(s);
    struct fixture *then = MEM_NEW(struct fixture);
    memcpy(then->cells, f->cells, sizeof f->cells);
    memcpy(then->columns, f->columns, sizeof f->columns);
    then->cell_count = f->cell_count;
    rng_init(&then->rng, 3);
    for (uint32_t i = 0; i < 20; i++)
        s = extend(f, s, 100, ROWS);
    check_all(f, s);
    patch_set_unref(s);
    check_all(then, old);
    patch_set_unref(old);
    arena_deinit(&then->arena);
    mem_free(then);
    teardown(f);
}

struct walk {
    const struct fixture *f;
    uint64_t row;
    uint16_t column_id;
    uint32_t count;
};

static void walk_step(void *context, uint64_t row, const struct amendment *a)
{
    struct walk *w = context;
    cr_assert(w->count == 0 || row > w->row || (row == w->row && a->column->id > w->column_id));
    w->row = row;
    w->column_id = a->column->id;
    w->count++;
    uint32_t column = 0;
    while (w->f->columns[column] != a->column)
        column++;
    const struct model_cell *cell = &w->f->cells[column][row];
    cr_assert(cell->amended && cell->amendment.seq == a->seq);
    cr_assert(a->span_id == row && id128_equal(a->trace_id, cell->amendment.trace_id));
    cr_assert(a->column->storage == STORAGE_STR ? slice_is(a->bytes, cell->text)
                                                : a->i64 == cell->amendment.i64);
}

Test(patch_set, each_goes_by_row_and_names_every_cell_once)
{
    struct fixture *f = setup(79);
    struct patch_set *s = NULL;
    for (uint32_t i = 0; i < 9; i++)
        s = extend(f, s, 1u << (9 - i), ROWS);
    struct walk w = {.f = f};
    cr_assert_gt(s->run_count, 1);
    patch_set_each(s, walk_step, &w);
    cr_assert_eq(w.count, f->cell_count);
    patch_set_unref(s);
    teardown(f);
}

Test(patch_set, a_dictionary_is_made_once_and_shares_the_base_codes)
{
    struct fixture *f = setup(80);
    struct patch_set *s = extend(f, NULL, 400, ROWS);
    struct dict base = base_dict(f, 20);
    const struct dict *d = patch_set_dict(s, f->columns[0], &base);
    cr_assert(d == patch_set_dict(s, f->columns[0], &base));
    cr_assert(d != patch_set_dict(s, f->columns[3], &base));
    cr_assert_geq(d->count, base.count);
    for (uint32_t code = 0; code < d->count; code++) {
        cr_assert(code >= base.count || slice_equal(d->values[code], base.values[code]));
        for (uint32_t other = 1; other < code; other++)
            cr_assert(!slice_equal(d->values[code], d->values[other]), "a value has one code");
    }
    /* The same array of values read through another dict is the same base; a longer one is not. */
    struct dict again = base;
    struct dict shorter = {.values = base.values, .count = 10};
    cr_assert(d == patch_set_dict(s, f->columns[0], &again));
    cr_assert(d != patch_set_dict(s, f->columns[0], &shorter));
    /* Vectors of several blocks share it. */
    struct vector a = base_vector(f, 0, 1000, 0, &base);
    struct vector b = base_vector(f, 0, 1000, 0, &base);
    patch_set_apply(s, f->columns[0], 0, &a, &f->arena);
    patch_set_apply(s, f->columns[0], 1000, &b, &f->arena);
    cr_assert(a.dict == d && b.dict == d);
    patch_set_unref(s);
    teardown(f);
}

Test(patch_set, a_vector_without_a_dictionary_gets_one)
{
    struct fixture *f = setup(81);
    struct amendment a = amendment_at(f, 0, 2, 1);
    a.bytes = slice_text("timeout");
    struct patch_row row = {.row = 2, .amendment = &a};
    struct patch_set *s = patch_set_extend(NULL, &row, 1);
    uint32_t codes[4] = {0};
    struct vector v = {.storage = STORAGE_STR, .rows = 4, .codes = codes};
    patch_set_apply(s, f->columns[0], 0, &v, &f->arena);
    cr_assert_eq(v.dict->count, 2);
    cr_assert(slice_is(vector_bytes(&v, 2), "timeout"));
    cr_assert(!vector_has(&v, 0) && !vector_has(&v, 1) && !vector_has(&v, 3));
    cr_assert_eq(codes[2], 0, "the base is not written to");
    patch_set_unref(s);
    teardown(f);
}

Test(patch_set, the_empty_string_is_a_value)
{
    struct fixture *f = setup(82);
    struct amendment a = amendment_at(f, 0, 0, 1);
    struct patch_row row = {.row = 0, .amendment = &a};
    struct patch_set *s = patch_set_extend(NULL, &row, 1);
    struct vector v = vector_null(STORAGE_STR, 1, &f->arena);
    patch_set_apply(s, f->columns[0], 0, &v, &f->arena);
    cr_assert(vector_has(&v, 0) && vector_bytes(&v, 0).size == 0);
    patch_set_unref(s);
    teardown(f);
}

Test(patch_set, rows_at_the_ends_of_a_range)
{
    struct fixture *f = setup(83);
    struct amendment a = amendment_at(f, 2, 100, 1);
    struct patch_row row = {.row = 100, .amendment = &a};
    struct patch_set *s = patch_set_extend(NULL, &row, 1);
    const struct column *c = f->columns[2];
    cr_assert(patch_set_touches(s, c, 100, 1) && patch_set_touches(s, c, 0, 101));
    cr_assert(!patch_set_touches(s, c, 0, 100) && !patch_set_touches(s, c, 101, UINT64_MAX));
    cr_assert(!patch_set_touches(s, c, 100, 0) && patch_set_touches(s, c, 100, UINT64_MAX));
    cr_assert(!patch_set_touches(s, f->columns[1], 0, UINT64_MAX));
    patch_set_unref(s);
    teardown(f);
}

Test(patch_set, a_few_more_rows_share_the_long_runs)
{
    struct fixture *f = setup(84);
    enum {
        MANY = 100000
    };
    struct amendment *amendments = mem_zero(MANY, sizeof *amendments);
    struct patch_row *rows = mem_zero(MANY, sizeof *rows);
    for (uint32_t i = 0; i < MANY; i++) {
        amendments[i] = amendment_at(f, 2, i, 1);
        rows[i] = (struct patch_row){.row = i, .amendment = &amendments[i]};
    }
    struct patch_set *s = patch_set_extend(NULL, rows, MANY);
    const struct patch_run *longest = s->runs[0];
    /* What 1000 extensions copy, in entries. */
    uint64_t copied = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct patch_set *next = patch_set_extend(s, &rows[i * 17], 1);
        copied += next->runs[next->run_count - 1]->count;
        for (uint32_t j = 0; j + 1 < next->run_count; j++)
            cr_assert_geq(next->runs[j]->count, 2 * next->runs[j + 1]->count);
        patch_set_unref(s);
        s = next;
        cr_assert(s->runs[0] == longest);
        cr_assert_leq(s->run_count, 12);
    }
    cr_assert_lt(copied, 1000 * 12);
    cr_assert_eq(patch_set_count(s), MANY);
    patch_set_unref(s);
    mem_free(amendments);
    mem_free(rows);
    teardown(f);
}

Test(patch_set, runs_too_long_to_merge_stay_side_by_side)
{
    struct fixture *f = setup(85);
    enum {
        MANY = 70000,
        ROUNDS = 3
    };
    static_assert(2 * MANY > PATCH_MERGE_MAX, "two of them are too long");
    struct amendment *amendments = mem_zero(MANY, sizeof *amendments);
    struct patch_row *rows = mem_zero(MANY, sizeof *rows);
    struct patch_set *s = NULL;
    /* Round k amends rows k, k + 2, ...: rounds 0 and 2 meet in the same rows; the seq of 2 is lower in
     * every third. */
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            uint64_t row = round + 2 * (uint64_t)i;
            amendments[i] = amendment_at(f, 1, row, round == 2 && row % 3 == 0 ? 1 : 10 + round);
            amendments[i].i64 = round;
            rows[i] = (struct patch_row){.row = row, .amendment = &amendments[i]};
        }
        struct patch_set *next = patch_set_extend(s, rows, MANY);
        patch_set_unref(s);
        s = next;
    }
    cr_assert_eq(s->run_count, ROUNDS);
    cr_assert_eq(patch_set_count(s), 2 * MANY + 1);
    for (uint64_t first = 0; first < 2 * MANY; first += 5000) {
        struct vector v = vector_null(STORAGE_I64, 5000, &f->arena);
        patch_set_apply(s, f->columns[1], first, &v, &f->arena);
        for (uint32_t i = 0; i < v.rows; i++) {
            uint64_t row = first + i;
            int64_t want = row % 2 == 1 ? 1 : row == 0 || row % 3 == 0 ? 0 : 2;
            cr_assert(v.valid[i] == 1 && v.i64[i] == want, "row %lu", (unsigned long)row);
        }
        arena_reset(&f->arena);
    }
    patch_set_unref(s);
    mem_free(amendments);
    mem_free(rows);
    teardown(f);
}
