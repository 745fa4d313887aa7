/*
 * test_patch_table.c - one amendment a cell, the latest; compared with a plain list.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/rng.h"
#include "engine/patch/patch.h"

struct fixture {
    struct schema schema;
    struct patch_table *table;
    const struct column *columns[4];
};

static void setup(struct fixture *f)
{
    schema_init(&f->schema);
    f->table = patch_table_create(&f->schema);
    f->columns[0] = table_column(TABLE_SPANS, SPANS_error_class);
    f->columns[1] = table_column(TABLE_SPANS, SPANS_class_source);
    f->columns[2] = table_column(TABLE_SPANS, SPANS_turn);
    cr_assert_eq(schema_add_score(&f->schema, slice_text("score.a"), &f->columns[3], NULL), 0);
}

static void teardown(struct fixture *f)
{
    patch_table_destroy(f->table);
    schema_deinit(&f->schema);
}

static struct id128 trace_of(uint64_t number)
{
    struct id128 id = {{0}};
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static struct amendment score(const struct fixture *f, uint64_t span, uint64_t seq, double value)
{
    return (struct amendment){.seq = seq,
                              .trace_id = trace_of(1),
                              .span_id = span,
                              .column = f->columns[3],
                              .f64 = value};
}

static struct amendment tag(const struct fixture *f, uint64_t span, uint64_t seq, const char *text)
{
    return (struct amendment){.seq = seq,
                              .trace_id = trace_of(1),
                              .span_id = span,
                              .column = f->columns[0],
                              .bytes = slice_text(text)};
}

Test(patch_table, the_later_seq_wins_whichever_comes_first)
{
    struct fixture f;
    setup(&f);
    struct amendment late = score(&f, 1, 9, 0.9);
    struct amendment early = score(&f, 1, 3, 0.3);
    struct amendment same = score(&f, 1, 9, 0.5);
    const struct amendment *found[4];
    patch_table_add(f.table, &late);
    patch_table_add(f.table, &early);
    cr_assert_eq(patch_table_find(f.table, trace_of(1), 1, found, 4), 1);
    cr_assert(found[0]->f64 == 0.9 && found[0]->seq == 9);
    patch_table_add(f.table, &same);
    cr_assert_eq(patch_table_find(f.table, trace_of(1), 1, found, 4), 1);
    cr_assert(found[0]->f64 == 0.5, "of equal seqs the last one added");
    cr_assert_eq(patch_table_count(f.table), 1);
    teardown(&f);
}

Test(patch_table, strings_are_copied)
{
    struct fixture f;
    setup(&f);
    char text[] = "hallucination";
    struct amendment a = tag(&f, 1, 1, text);
    patch_table_add(f.table, &a);
    memset(text, 'x', sizeof text - 1);
    const struct amendment *found[1];
    cr_assert_eq(patch_table_find(f.table, trace_of(1), 1, found, 1), 1);
    cr_assert(slice_is(found[0]->bytes, "hallucination"));
    teardown(&f);
}

Test(patch_table, find_counts_more_than_it_returns)
{
    struct fixture f;
    setup(&f);
    for (uint32_t i = 0; i < 4; i++) {
        struct amendment a = {.seq = 1,
                              .trace_id = trace_of(1),
                              .span_id = 7,
                              .column = f.columns[i],
                              .bytes = SLICE_EMPTY};
        patch_table_add(f.table, &a);
    }
    const struct amendment *found[4] = {0};
    cr_assert_eq(patch_table_find(f.table, trace_of(1), 7, found, 2), 4);
    cr_assert(found[1] != NULL && found[2] == NULL);
    cr_assert_eq(patch_table_find(f.table, trace_of(1), 8, found, 2), 0);
    cr_assert_eq(patch_table_find(f.table, trace_of(2), 7, found, 2), 0);
    teardown(&f);
}

static void count_each(void *context, const struct amendment *a)
{
    uint64_t *seqs = context;
    seqs[0]++;
    seqs[1] += a->seq;
}

Test(patch_table, each_starts_behind_a_seq)
{
    struct fixture f;
    setup(&f);
    for (uint64_t i = 1; i <= 100; i++) {
        struct amendment a = score(&f, i, i, 0);
        patch_table_add(f.table, &a);
    }
    uint64_t seen[2] = {0};
    patch_table_each(f.table, 90, count_each, seen);
    cr_assert_eq(seen[0], 10);
    cr_assert_eq(seen[1], 91 + 92 + 93 + 94 + 95 + 96 + 97 + 98 + 99 + 100);
    teardown(&f);
}

static bool seq_is_done(void *context, const struct amendment *a)
{
    return a->seq <= *(const uint64_t *)context;
}

Test(patch_table, pruning_keeps_what_is_not_done)
{
    struct fixture f;
    setup(&f);
    char text[32];
    /* Many strings, so that the ones nobody uses any more are let go of. */
    for (uint64_t i = 1; i <= 1000; i++) {
        (void)snprintf(text, sizeof text, "class-%lu", (unsigned long)i);
        struct amendment a = tag(&f, i % 300, i, text);
        patch_table_add(f.table, &a);
    }
    uint64_t done = 850;
    patch_table_prune(f.table, seq_is_done, &done);
    cr_assert_eq(patch_table_count(f.table), 150);
    for (uint64_t span = 0; span < 300; span++) {
        uint64_t last = span == 0 ? 900 : span <= 100 ? 900 + span : 600 + span;
        const struct amendment *found[1];
        uint32_t count = patch_table_find(f.table, trace_of(1), span, found, 1);
        cr_assert_eq(count, last > done ? 1 : 0);
        (void)snprintf(text, sizeof text, "class-%lu", (unsigned long)last);
        cr_assert(count == 0 || slice_is(found[0]->bytes, text));
    }
    done = 1000;
    patch_table_prune(f.table, seq_is_done, &done);
    cr_assert_eq(patch_table_count(f.table), 0);
    struct amendment a = tag(&f, 5, 2000, "again");
    patch_table_add(f.table, &a);
    cr_assert_eq(patch_table_count(f.table), 1);
    teardown(&f);
}

Test(patch_table, random_amendments_match_a_plain_array)
{
    struct fixture f;
    setup(&f);
    struct rng r;
    rng_init(&r, 99);
    enum {
        SPANS = 3000
    };
    static struct amendment model[SPANS][4];
    static bool has[SPANS][4];
    uint64_t count = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t span = rng_below(&r, SPANS);
        uint32_t column = (uint32_t)rng_below(&r, 4);
        static const char *const texts[] = {"", "none", "timeout", "refusal"};
        struct amendment a = {.seq = rng_below(&r, 1000),
                              .trace_id = trace_of(span / 4),
                              .span_id = span,
                              .column = f.columns[column],
                              .i64 = (int64_t)rng_u64(&r) >> 20,
                              .bytes = slice_text(texts[rng_below(&r, 4)])};
        patch_table_add(f.table, &a);
        if (!has[span][column] || a.seq >= model[span][column].seq)
            model[span][column] = a;
        count += !has[span][column];
        has[span][column] = true;
    }
    cr_assert_eq(patch_table_count(f.table), count);
    for (uint64_t span = 0; span < SPANS; span++) {
        const struct amendment *found[4];
        uint32_t got = patch_table_find(f.table, trace_of(span / 4), span, found, 4);
        uint32_t want = 0;
        for (uint32_t column = 0; column < 4; column++)
            want += has[span][column];
        cr_assert_eq(got, want);
        for (uint32_t i = 0; i < got; i++) {
            uint32_t column = 0;
            while (f.columns[column] != found[i]->column)
                column++;
            const struct amendment *a = &model[span][column];
            cr_assert(has[span][column] && found[i]->seq == a->seq);
            cr_assert(column < 2 ? slice_equal(found[i]->bytes, a->bytes)
                                 : found[i]->i64 == a->i64);
        }
    }
    teardown(&f);
}
