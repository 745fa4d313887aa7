/*
 * test_head_append.c - whatever is appended is read back, compared with a plain table of cells.
 */
#include "tests/unit/engine/head/head_model.h"

#include <criterion/parameterized.h>

#define ALL_COLUMNS 0xffffffffu

struct fixture {
    struct schema schema;
    struct model model;
    struct builder builder;
    struct rng rng;
    struct head *head;
};

static void setup(struct fixture *f, uint64_t seed)
{
    schema_init(&f->schema);
    model_init(&f->model, &f->schema);
    builder_init(&f->builder, TABLE_SPANS, &f->schema);
    rng_init(&f->rng, seed);
    f->head = head_create(TABLE_SPANS, &f->schema);
}

static void teardown(struct fixture *f)
{
    head_destroy(f->head);
    builder_deinit(&f->builder);
    model_deinit(&f->model);
    schema_deinit(&f->schema);
}

static void append(struct fixture *f, const struct batch *b, const uint32_t *rows, uint32_t count)
{
    head_append(f->head, b, rows, count);
    model_append(&f->model, b, rows, count);
    cr_assert_eq(head_rows(f->head), f->model.rows);
}

static void publish_and_check(struct fixture *f)
{
    head_publish(f->head, head_rows(f->head));
    struct head_view *view = head_view_create(f->head, head_published(f->head));
    model_check(&f->model, view);
    head_view_destroy(view);
}

Test(head_append, an_empty_head_has_nothing)
{
    struct fixture f;
    setup(&f, 1);
    struct head_view *view = head_view_create(f.head, 0);
    int64_t min_ns;
    int64_t max_ns;
    uint64_t seq_min;
    uint64_t seq_max;
    uint64_t row;
    cr_assert_eq(head_view_rows(view), 0);
    cr_assert_eq(head_chunk_count(0), 0);
    cr_assert(!head_bounds(f.head, &min_ns, &max_ns, &seq_min, &seq_max));
    cr_assert_eq(head_view_find_trace(view, model_trace(1), &row, 1), 0);
    cr_assert_eq(head_find(f.head, model_trace(1), 1), -1);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_append, random_batches_read_back_as_they_came)
{
    struct fixture f;
    uint64_t seed = 20261101;
    setup(&f, seed);
    cr_log_info("seed %lu", (unsigned long)seed);
    /* Sizes that end before, at and after a chunk, and one that spans three. */
    static const uint32_t sizes[] = {1, 511, 1, 2000, 5678, 1, 8192, 20000, 3, 8191, 17, 100};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t columns = (uint32_t)rng_u64(&f.rng) | (uint32_t)rng_u64(&f.rng);
        uint32_t nulls = (uint32_t)(i % 4 * 30);
        struct batch b = model_random_batch(&f.model, &f.builder, &f.rng, sizes[i], columns, nulls,
                                            i % 2 == 0 ? 5 : 3000);
        append(&f, &b, NULL, b.rows);
        if (i % 3 == 0)
            publish_and_check(&f);
    }
    publish_and_check(&f);
    teardown(&f);
}

Test(head_append, picked_rows_come_in_the_order_asked_for)
{
    struct fixture f;
    setup(&f, 7);
    for (uint32_t round = 0; round < 12; round++) {
        struct batch b = model_random_batch(&f.model, &f.builder, &f.rng, 1500, ALL_COLUMNS,
                                            round % 3 * 40, 100);
        uint32_t rows[2000];
        uint32_t count = 1 + (uint32_t)rng_below(&f.rng, 2000);
        for (uint32_t i = 0; i < count; i++)
            rows[i] = (uint32_t)rng_below(&f.rng, b.rows);
        append(&f, &b, rows, count);
    }
    append(&f, &(struct batch){.table = TABLE_SPANS}, NULL, 0);
    publish_and_check(&f);
    teardown(&f);
}

Test(head_append, a_batch_without_columns_is_rows_of_null)
{
    struct fixture f;
    setup(&f, 3);
    struct batch b = {.table = TABLE_SPANS, .rows = 9000};
    append(&f, &b, NULL, b.rows);
    publish_and_check(&f);
    teardown(&f);
}

/* How a column behaves in each of a row of batches: absent, all NULL, some NULL, all set. */
enum presence {
    ABSENT,
    ALL_NULL,
    SOME,
    ALL
};

ParameterizedTestParameters(head_append, null_patterns_of_three_batches)
{
    static uint32_t patterns[64];
    for (uint32_t i = 0; i < 64; i++)
        patterns[i] = i;
    return cr_make_param_array(uint32_t, patterns, 64);
}

ParameterizedTest(uint32_t *pattern, head_append, null_patterns_of_three_batches)
{
    struct fixture f;
    setup(&f, *pattern);
    /* 4000 + 4192 rows end with chunk 0, so that the third batch meets a fresh chunk. */
    static const uint32_t sizes[] = {4000, 4192, 300};
    for (uint32_t i = 0; i < 3; i++) {
        enum presence presence = (enum presence)(*pattern >> (2 * i) & 3);
        builder_reset(&f.builder);
        for (uint32_t row = 0; row < sizes[i]; row++) {
            builder_row(&f.builder);
            for (uint32_t j = 0; j < f.model.column_count; j++) {
                /* An all-NULL column is one whose only value is overwritten below. */
                bool set = presence == ALL || (presence == SOME && rng_below(&f.rng, 2) == 0) ||
                           (presence == ALL_NULL && row == 0);
                if (set)
                    model_random_cell(&f.builder, &f.rng, f.model.columns[j], 4);
            }
        }
        struct batch b = builder_batch(&f.builder);
        uint32_t rows[5000];
        for (uint32_t row = 0; row < sizes[i]; row++)
            rows[row] = presence == ALL_NULL ? 1 : row;
        append(&f, &b, rows, sizes[i]);
    }
    publish_and_check(&f);
    teardown(&f);
}

Test(head_append, a_column_may_appear_late)
{
    struct fixture f;
    setup(&f, 11);
    uint32_t late = f.model.column_count - 1;
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t columns = i < 3 ? ALL_COLUMNS & ~(1u << late) : ALL_COLUMNS;
        struct batch b = model_random_batch(&f.model, &f.builder, &f.rng, 5000, columns, 10, 10);
        append(&f, &b, NULL, b.rows);
    }
    publish_and_check(&f);
    teardown(&f);
}

Test(head_append, every_score_column_of_a_project_fits)
{
    struct fixture f;
    setup(&f, 12);
    const struct column *columns[SCORE_COLUMNS_MAX];
    for (uint32_t i = 0; i < SCORE_COLUMNS_MAX; i++)
        columns[i] = i < schema_score_count(&f.schema)
                         ? schema_column(&f.schema, TABLE_SPANS, (uint16_t)(COLUMN_DYNAMIC + i))
                         : NULL;
    char name[32];
    for (uint32_t i = schema_score_count(&f.schema); i < SCORE_COLUMNS_MAX; i++) {
        (void)snprintf(name, sizeof name, "score.n%u", i);
        cr_assert_eq(schema_add_score(&f.schema, slice_text(name), &columns[i], NULL), 0);
    }
    builder_reset(&f.builder);
    for (uint32_t i = 0; i < SCORE_COLUMNS_MAX; i++) {
        builder_row(&f.builder);
        builder_f64(&f.builder, columns[i]->id, i);
    }
    struct batch b = builder_batch(&f.builder);
    head_append(f.head, &b, NULL, b.rows);
    head_publish(f.head, b.rows);
    struct head_view *view = head_view_create(f.head, b.rows);
    struct arena arena = {0};
    for (uint32_t i = 0; i < SCORE_COLUMNS_MAX; i++) {
        struct vector v;
        head_view_read(view, columns[i], 0, &arena, &v);
        for (uint32_t row = 0; row < v.rows; row++) {
            cr_assert(vector_has(&v, row) == (row == i));
            cr_assert(row != i || v.f64[row] == (double)i);
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_append, a_hundred_thousand_sessions_keep_their_codes)
{
    struct fixture f;
    setup(&f, 13);
    enum {
        SESSIONS = 100000,
        ROWS = 20000
    };
    for (uint32_t first = 0; first < 2 * SESSIONS; first += ROWS) {
        builder_reset(&f.builder);
        for (uint32_t i = 0; i < ROWS; i++) {
            char session[32];
            (void)snprintf(session, sizeof session, "session-%u", (first + i) % SESSIONS);
            builder_row(&f.builder);
            builder_str(&f.builder, SPANS_session, slice_text(session));
        }
        struct batch b = builder_batch(&f.builder);
        append(&f, &b, NULL, b.rows);
    }
    publish_and_check(&f);
    struct head_view *view = head_view_create(f.head, head_published(f.head));
    struct arena arena = {0};
    struct vector v;
    head_view_read(view, table_column(TABLE_SPANS, SPANS_session), 0, &arena, &v);
    cr_assert_eq(v.dict->count, SESSIONS + 1, "a value is stored once");
    arena_deinit(&arena);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_append, a_large_batch_dictionary_of_which_little_is_used_leaves_little)
{
    struct fixture f;
    setup(&f, 14);
    struct slice *values = mem_alloc(50001 * sizeof *values);
    values[0] = SLICE_EMPTY;
    for (uint32_t i = 1; i <= 50000; i++)
        values[i] = slice_text(arena_printf(&f.model.arena, "v%u", i));
    struct dict dict = {.values = values, .count = 50001};
    uint32_t codes[3] = {50000, 0, 1};
    struct batch_column column = {
        .column = table_column(TABLE_SPANS, SPANS_model),
        .vector = {.storage = STORAGE_STR, .rows = 3, .dict = &dict, .codes = codes}};
    struct batch b = {.table = TABLE_SPANS, .rows = 3, .column_count = 1, .columns = &column};
    append(&f, &b, NULL, 3);
    publish_and_check(&f);
    struct head_view *view = head_view_create(f.head, 3);
    struct arena arena = {0};
    struct vector v;
    head_view_read(view, column.column, 0, &arena, &v);
    cr_assert_eq(v.dict->count, 3);
    arena_deinit(&arena);
    head_view_destroy(view);
    mem_free(values);
    teardown(&f);
}

Test(head_append, nothing_of_the_batch_is_borrowed)
{
    struct fixture f;
    setup(&f, 15);
    struct batch b = model_random_batch(&f.model, &f.builder, &f.rng, 3000, ALL_COLUMNS, 20, 50);
    append(&f, &b, NULL, b.rows);
    builder_deinit(&f.builder);
    publish_and_check(&f);
    teardown(&f);
}

Test(head_append, texts_of_all_sizes_are_kept)
{
    struct fixture f;
    setup(&f, 16);
    struct buffer text = {0};
    for (uint32_t i = 0; i < 400000; i++)
        buffer_add_byte(&text, (uint8_t)(i * 31 >> 3));
    static const uint32_t sizes[] = {0, 1, 2047, 2048, 2049, 65535, 65536, 262144, 262145, 400000};
    builder_reset(&f.builder);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        builder_row(&f.builder);
        builder_str(&f.builder, SPANS_attributes, slice_of(text.data, sizes[i]));
        builder_row(&f.builder);
    }
    struct batch b = builder_batch(&f.builder);
    append(&f, &b, NULL, b.rows);
    publish_and_check(&f);
    buffer_deinit(&text);
    teardown(&f);
}

Test(head_append, a_small_head_is_small)
{
    struct fixture f;
    setup(&f, 17);
    struct batch b = model_random_batch(&f.model, &f.builder, &f.rng, 10, ALL_COLUMNS, 0, 3);
    append(&f, &b, NULL, b.rows);
    cr_assert_lt(head_bytes(f.head), 300000);
    uint64_t before = head_bytes(f.head);
    b = model_random_batch(&f.model, &f.builder, &f.rng, 30000, ALL_COLUMNS, 0, 3);
    append(&f, &b, NULL, b.rows);
    cr_assert_gt(head_bytes(f.head), before + 30000 * 100, "growth is counted");
    teardown(&f);
}

Test(head_append, a_column_nobody_writes_costs_nothing)
{
    struct fixture f;
    setup(&f, 18);
    uint32_t time_only = 1;
    struct batch b = model_random_batch(&f.model, &f.builder, &f.rng, 60000, time_only, 0, 3);
    append(&f, &b, NULL, b.rows);
    cr_assert_lt(head_bytes(f.head), 60000 * 8 * 3);
    teardown(&f);
}

Test(head_append, scores_and_tags_are_tables_too)
{
    struct schema schema;
    schema_init(&schema);
    static const enum table tables[] = {TABLE_SCORES, TABLE_TAGS};
    for (uint32_t i = 0; i < 2; i++) {
        struct builder builder;
        builder_init(&builder, tables[i], &schema);
        builder_row(&builder);
        builder_i64(&builder, SCORES_time, 5);
        builder_id128(&builder, SCORES_trace_id, model_trace(3));
        builder_str(&builder, SCORES_name, slice_text("x"));
        struct batch b = builder_batch(&builder);
        struct head *h = head_create(tables[i], &schema);
        head_append(h, &b, NULL, 1);
        head_set_i64(h, 0, SCORES_seq, 77);
        head_publish(h, 1);
        int64_t min_ns = 0;
        int64_t max_ns = 0;
        uint64_t seq_min = 0;
        uint64_t seq_max = 0;
        cr_assert(head_bounds(h, &min_ns, &max_ns, &seq_min, &seq_max));
        cr_assert(min_ns == 5 && max_ns == 5 && seq_min == 77 && seq_max == 77);
        cr_assert_eq(head_find(h, model_trace(3), 0), -1, "only spans are looked up");
        struct head_view *view = head_view_create(h, 1);
        struct arena arena = {0};
        struct vector v;
        head_view_read(view, table_column(tables[i], SCORES_name), 0, &arena, &v);
        cr_assert(slice_is(vector_bytes(&v, 0), "x"));
        arena_deinit(&arena);
        head_view_destroy(view);
        head_destroy(h);
        builder_deinit(&builder);
    }
    schema_deinit(&schema);
}
