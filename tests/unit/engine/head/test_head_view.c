/*
 * test_head_view.c - watermarks, bounds, and cells set between append and publish.
 */
#include "tests/unit/engine/head/head_model.h"

struct fixture {
    struct schema schema;
    struct model model;
    struct builder builder;
    struct rng rng;
    struct head *head;
};

static void setup(struct fixture *f)
{
    schema_init(&f->schema);
    model_init(&f->model, &f->schema);
    builder_init(&f->builder, TABLE_SPANS, &f->schema);
    rng_init(&f->rng, 42);
    f->head = head_create(TABLE_SPANS, &f->schema);
}

static void teardown(struct fixture *f)
{
    head_destroy(f->head);
    builder_deinit(&f->builder);
    model_deinit(&f->model);
    schema_deinit(&f->schema);
}

static void append_random(struct fixture *f, uint32_t rows, uint32_t null_percent)
{
    struct batch b =
        model_random_batch(&f->model, &f->builder, &f->rng, rows, 0xffffffffu, null_percent, 2000);
    head_append(f->head, &b, NULL, b.rows);
    model_append(&f->model, &b, NULL, b.rows);
}

Test(head_view, appended_rows_are_not_visible_before_they_are_published)
{
    struct fixture f;
    setup(&f);
    append_random(&f, 100, 10);
    cr_assert_eq(head_published(f.head), 0);
    head_publish(f.head, 40);
    cr_assert_eq(head_published(f.head), 40);
    cr_assert_eq(head_rows(f.head), 100);
    struct head_view *view = head_view_create(f.head, head_published(f.head));
    cr_assert_eq(head_view_rows(view), 40);
    model_check(&f.model, view);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_view, old_views_stay_true_while_the_head_grows)
{
    struct fixture f;
    setup(&f);
    /* Rows that have all values first: masks, larger first chunks and larger dictionaries come after
     * the views that must not mind. */
    static const uint32_t sizes[] = {1, 100, 411, 1, 1500, 40, 6000, 139, 8192, 9000};
    enum {
        COUNT = sizeof sizes / sizeof *sizes
    };
    struct head_view *views[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        append_random(&f, sizes[i], i < 2 ? 0 : 20);
        head_publish(f.head, head_rows(f.head));
        views[i] = head_view_create(f.head, head_published(f.head));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        model_check(&f.model, views[i]);
        head_view_destroy(views[i]);
    }
    teardown(&f);
}

Test(head_view, vectors_point_into_the_head)
{
    struct fixture f;
    setup(&f);
    append_random(&f, 9000, 0);
    head_publish(f.head, 9000);
    struct head_view *view = head_view_create(f.head, 9000);
    struct arena arena = {0};
    struct vector first;
    struct vector again;
    head_view_read(view, f.model.columns[0], 1, &arena, &first);
    head_view_read(view, f.model.columns[0], 1, &arena, &again);
    cr_assert(first.i64 == again.i64 && arena.bytes == 0);
    cr_assert_eq(first.rows, 9000 - BLOCK_ROWS);
    cr_assert(first.valid == NULL, "all rows have a value");
    arena_deinit(&arena);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_view, cells_can_be_set_until_they_are_published)
{
    struct fixture f;
    setup(&f);
    append_random(&f, 700, 50);
    head_publish(f.head, 700);
    append_random(&f, 9000, 50);
    for (uint64_t row = 700; row < 9700; row += 1 + rng_below(&f.rng, 3)) {
        static const uint16_t ids[] = {SPANS_seq, SPANS_turn, SPANS_tokens_in};
        uint16_t id = ids[rng_below(&f.rng, 3)];
        int64_t value = (int64_t)rng_u64(&f.rng);
        head_set_i64(f.head, row, id, value);
        struct model_cell *cell = model_cell(&f.model, row, id);
        cell->has = true;
        cell->bytes = arena_copy(&f.model.arena, slice_of(&value, sizeof value));
    }
    head_publish(f.head, 9700);
    struct head_view *view = head_view_create(f.head, 9700);
    model_check(&f.model, view);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_view, setting_a_cell_of_a_new_column_leaves_the_others_null)
{
    struct fixture f;
    setup(&f);
    /* Only time is written, so seq and turn come into being by being set. */
    for (uint32_t i = 0; i < 2; i++) {
        struct batch b = model_random_batch(&f.model, &f.builder, &f.rng, 8000, 1, 0, 1);
        head_append(f.head, &b, NULL, b.rows);
        model_append(&f.model, &b, NULL, b.rows);
        for (uint64_t row = i * 8000; row < (i + 1) * 8000; row++) {
            int64_t value = (int64_t)row + 1;
            head_set_i64(f.head, row, SPANS_seq, value);
            struct model_cell *cell = model_cell(&f.model, row, SPANS_seq);
            *cell = (struct model_cell){
                .has = true, .bytes = arena_copy(&f.model.arena, slice_of(&value, sizeof value))};
            if (row % 1000 != 0)
                continue;
            head_set_i64(f.head, row, SPANS_turn, value);
            *model_cell(&f.model, row, SPANS_turn) = *cell;
        }
        head_publish(f.head, head_rows(f.head));
    }
    struct head_view *view = head_view_create(f.head, 16000);
    model_check(&f.model, view);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_view, bounds_are_those_of_published_rows)
{
    struct fixture f;
    setup(&f);
    enum {
        ROWS = 20000
    };
    builder_reset(&f.builder);
    int64_t times[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) {
        times[i] = (int64_t)rng_below(&f.rng, 1000000) - 500000;
        builder_row(&f.builder);
        builder_i64(&f.builder, SPANS_time, times[i]);
        builder_i64(&f.builder, SPANS_seq, 1000 + i);
    }
    struct batch b = builder_batch(&f.builder);
    head_append(f.head, &b, NULL, b.rows);
    static const uint64_t steps[] = {1, 2, 8191, 8192, 8193, 16384, 19999, 20000};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        head_publish(f.head, steps[i]);
        int64_t want_min = INT64_MAX;
        int64_t want_max = INT64_MIN;
        for (uint64_t row = 0; row < steps[i]; row++) {
            want_min = times[row] < want_min ? times[row] : want_min;
            want_max = times[row] > want_max ? times[row] : want_max;
        }
        int64_t min_ns = 0;
        int64_t max_ns = 0;
        uint64_t seq_min = 0;
        uint64_t seq_max = 0;
        cr_assert(head_bounds(f.head, &min_ns, &max_ns, &seq_min, &seq_max));
        cr_assert(min_ns == want_min && max_ns == want_max);
        cr_assert(seq_min == 1000 && seq_max == 999 + steps[i]);
    }
    struct head_view *view = head_view_create(f.head, ROWS);
    for (uint32_t chunk = 0; chunk < head_chunk_count(ROWS); chunk++) {
        int64_t want_min = INT64_MAX;
        int64_t want_max = INT64_MIN;
        for (uint32_t row = chunk * BLOCK_ROWS; row < ROWS && row < (chunk + 1) * BLOCK_ROWS;
             row++) {
            want_min = times[row] < want_min ? times[row] : want_min;
            want_max = times[row] > want_max ? times[row] : want_max;
        }
        int64_t min_ns;
        int64_t max_ns;
        head_view_chunk_time(view, chunk, &min_ns, &max_ns);
        cr_assert(min_ns == want_min && max_ns == want_max);
    }
    head_view_destroy(view);
    teardown(&f);
}

Test(head_view, rows_without_time_are_in_every_time_range)
{
    struct fixture f;
    setup(&f);
    struct batch b = {.table = TABLE_SPANS, .rows = 10};
    head_append(f.head, &b, NULL, 10);
    head_publish(f.head, 10);
    struct head_view *view = head_view_create(f.head, 10);
    int64_t min_ns;
    int64_t max_ns;
    head_view_chunk_time(view, 0, &min_ns, &max_ns);
    cr_assert(min_ns == INT64_MIN && max_ns == INT64_MAX);
    head_view_destroy(view);
    teardown(&f);
}
