/*
 * test_head_find.c - spans and traces by id, and equality of a resent row.
 */
#include "tests/unit/engine/head/head_model.h"

struct fixture {
    struct schema schema;
    struct builder builder;
    struct head *head;
};

static void setup(struct fixture *f)
{
    schema_init(&f->schema);
    builder_init(&f->builder, TABLE_SPANS, &f->schema);
    f->head = head_create(TABLE_SPANS, &f->schema);
}

static void teardown(struct fixture *f)
{
    head_destroy(f->head);
    builder_deinit(&f->builder);
    schema_deinit(&f->schema);
}

static void append(struct fixture *f)
{
    struct batch b = builder_batch(&f->builder);
    head_append(f->head, &b, NULL, b.rows);
    builder_reset(&f->builder);
}

/* Trace t has spans 0 .. t % 7; rows of a trace lie far apart. */
enum {
    TRACES = 30000
};

static void append_traces(struct fixture *f)
{
    for (uint64_t span = 0; span < 7; span++) {
        for (uint64_t trace = 0; trace < TRACES; trace++) {
            if (span > trace % 7)
                continue;
            builder_row(&f->builder);
            builder_id128(&f->builder, SPANS_trace_id, model_trace(trace));
            builder_id64(&f->builder, SPANS_span_id, span);
            if (f->builder.rows == 4096)
                append(f);
        }
    }
    append(f);
}

Test(head_find, every_span_is_found_where_it_is_and_no_other)
{
    struct fixture f;
    setup(&f);
    append_traces(&f);
    int64_t row = 0;
    for (uint64_t span = 0; span < 7; span++) {
        for (uint64_t trace = 0; trace < TRACES; trace++) {
            int64_t want = span > trace % 7 ? -1 : row++;
            cr_assert(head_find(f.head, model_trace(trace), span) == want, "span %lu of trace %lu",
                      (unsigned long)span, (unsigned long)trace);
        }
    }
    cr_assert_eq(head_find(f.head, model_trace(TRACES), 0), -1);
    teardown(&f);
}

Test(head_find, many_at_once_says_the_same_as_one_by_one)
{
    struct fixture f;
    setup(&f);
    append_traces(&f);
    struct rng rng;
    rng_init(&rng, 5);
    enum {
        COUNT = 1001
    };
    struct id128 traces[COUNT];
    uint64_t spans[COUNT];
    int64_t rows[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        traces[i] = model_trace(rng_below(&rng, TRACES + 1000));
        spans[i] = rng_below(&rng, 8);
    }
    head_find_many(f.head, traces, spans, COUNT, rows);
    uint32_t found = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        cr_assert_eq(rows[i], head_find(f.head, traces[i], spans[i]));
        found += rows[i] >= 0;
    }
    cr_assert(found > COUNT / 4 && found < COUNT);
    teardown(&f);
}

Test(head_find, the_first_of_two_equal_spans_is_the_one_found)
{
    struct fixture f;
    setup(&f);
    for (uint32_t i = 0; i < 20000; i++) {
        builder_row(&f.builder);
        builder_id128(&f.builder, SPANS_trace_id, model_trace(i % 1000));
        builder_id64(&f.builder, SPANS_span_id, 1);
    }
    append(&f);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(head_find(f.head, model_trace(i), 1), (int64_t)i);
    teardown(&f);
}

Test(head_find, rows_without_ids_are_not_found)
{
    struct fixture f;
    setup(&f);
    builder_row(&f.builder);
    builder_id128(&f.builder, SPANS_trace_id, model_trace(1));
    builder_id64(&f.builder, SPANS_span_id, 1);
    builder_row(&f.builder);
    append(&f);
    struct id128 zero = {{0}};
    cr_assert_eq(head_find(f.head, zero, 0), -1);
    head_publish(f.head, 2);
    struct head_view *view = head_view_create(f.head, 2);
    uint64_t row;
    cr_assert_eq(head_view_find_trace(view, zero, &row, 1), 0);
    head_view_destroy(view);
    teardown(&f);
}

Test(head_find, a_trace_is_found_with_all_its_visible_rows)
{
    struct fixture f;
    setup(&f);
    append_traces(&f);
    uint64_t rows = head_rows(f.head);
    head_publish(f.head, rows - 1);
    struct head_view *view = head_view_create(f.head, rows - 1);
    for (uint64_t trace = 0; trace < TRACES; trace += 997) {
        uint64_t found[8];
        uint32_t count = head_view_find_trace(view, model_trace(trace), found, 8);
        cr_assert_eq(count, (uint32_t)(trace % 7 + 1));
        for (uint32_t i = 0; i < count; i++)
            cr_assert_eq(head_find(f.head, model_trace(trace), i), (int64_t)found[i]);
        if (count > 1)
            cr_assert_eq(head_view_find_trace(view, model_trace(trace), found, 1), 1);
    }
    /* The very last row belongs to the last trace with 7 spans and is not published. */
    uint64_t last = TRACES - 1 - (TRACES - 1) % 7 + 6 < TRACES ? TRACES - 1 - (TRACES - 1) % 7 + 6
                                                               : TRACES - 1 - (TRACES - 1) % 7 - 1;
    uint64_t found[8];
    cr_assert_eq(head_view_find_trace(view, model_trace(last), found, 8), 6);
    cr_assert_eq(head_view_find_trace(view, model_trace(TRACES), found, 8), 0);
    head_view_destroy(view);
    teardown(&f);
}

/* One row with a bit of everything; variant 0 is the original. */
static void add_row(struct builder *b, uint32_t variant)
{
    builder_row(b);
    builder_i64(b, SPANS_time, 100);
    builder_id128(b, SPANS_trace_id, model_trace(variant == 1 ? 2 : 1));
    builder_id64(b, SPANS_span_id, variant == 2 ? 8 : 7);
    builder_str(b, SPANS_model, slice_text(variant == 3 ? "m2" : "m"));
    if (variant != 4)
        builder_f64(b, SPANS_temperature, variant == 5 ? 0.7 : 0.2);
    builder_str(b, SPANS_attributes, slice_text(variant == 6 ? "{ }" : "{}"));
    if (variant == 7)
        builder_i64(b, SPANS_tokens_in, 0);
    if (variant == 8)
        builder_i64(b, SPANS_turn, 2);
    if (variant == 9)
        builder_str(b, SPANS_error_class, slice_text("timeout"));
    if (variant == 10)
        builder_str(b, SPANS_session, SLICE_EMPTY);
    /* From here on the same span. */
    if (variant == 11)
        builder_i64(b, SPANS_seq, 99);
    if (variant == 12)
        builder_str(b, SPANS_error_class, slice_text("none"));
    if (variant == 13)
        builder_i64(b, SPANS_turn, 1);
}

Test(head_find, a_resent_row_is_equal_unless_a_value_differs)
{
    struct fixture f;
    setup(&f);
    /* As stored: with what the engine filled in. */
    add_row(&f.builder, 0);
    builder_str(&f.builder, SPANS_error_class, slice_text("none"));
    builder_i64(&f.builder, SPANS_turn, 1);
    builder_i64(&f.builder, SPANS_seq, 5);
    append(&f);
    for (uint32_t variant = 0; variant <= 13; variant++) {
        struct builder other;
        builder_init(&other, TABLE_SPANS, &f.schema);
        builder_row(&other);
        add_row(&other, variant);
        struct batch b = builder_batch(&other);
        bool want = variant == 0 || variant > 10;
        cr_assert(head_row_equal(f.head, 0, &b, 1) == want, "variant %u", variant);
        cr_assert(!head_row_equal(f.head, 0, &b, 0), "a row of nothing is another row");
        builder_deinit(&other);
    }
    teardown(&f);
}

Test(head_find, not_a_number_equals_itself_when_resent)
{
    struct fixture f;
    setup(&f);
    builder_row(&f.builder);
    builder_f64(&f.builder, SPANS_temperature, __builtin_nan(""));
    struct batch b = builder_batch(&f.builder);
    head_append(f.head, &b, NULL, 1);
    cr_assert(head_row_equal(f.head, 0, &b, 0));
    teardown(&f);
}
