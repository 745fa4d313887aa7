/*
 * test_segment_writer.c - what the writer refuses, what a failing disk leaves behind, and the odd shapes of files.
 */
#include "segment_fixture.h"

#include "engine/segment/segment_format.h"

/* A few rows of spans. */
struct rows {
    struct schema schema;
    struct builder builder;
    struct batch batch;
};

static void rows_init(struct rows *r, uint32_t count)
{
    struct rng rng;
    rng_init(&rng, 1);
    schema_init(&r->schema);
    builder_init(&r->builder, TABLE_SPANS, &r->schema);
    rows_lifelike(&r->builder, &rng, count, 1763856000000000000, false);
    r->batch = builder_batch(&r->builder);
}

static void rows_deinit(struct rows *r)
{
    builder_deinit(&r->builder);
    schema_deinit(&r->schema);
}

static enum status write_try(struct io *io, const struct batch *batch, struct error *e)
{
    struct segment_writer *w = NULL;
    struct segment_meta meta;
    enum status s = segment_writer_open(io, "p1/a.seg", TABLE_SPANS, TIER_SEAL, 0, 1, &w, e);
    if (s >= 0)
        s = segment_writer_add_group(w, batch, e);
    if (s >= 0)
        s = segment_writer_finish(w, &meta, e);
    segment_writer_close(w);
    return s;
}

static void name_count(void *context, const char *name)
{
    (void)name;
    ++*(uint32_t *)context;
}

static uint32_t files_in(struct io *io)
{
    uint32_t count = 0;
    MUST(io_list(io, "p1", name_count, &count, NULL));
    return count;
}

Test(segment_writer, a_failing_disk_leaves_no_file_and_says_so)
{
    struct rows r;
    static const enum io_sim_fault faults[] = {IO_SIM_FAIL_ONCE, IO_SIM_FULL};
    rows_init(&r, 300);
    for (uint32_t f = 0; f < 2; f++) {
        uint64_t failures = 0;
        for (uint64_t at = 0;; at++) {
            struct io *io = io_sim_create(at);
            struct error e = {0};
            MUST(io_make_dir(io, "p1", NULL));
            io_sim_set_fault(io, faults[f], io_sim_operations(io) + at);
            uint64_t before = io_sim_operations(io);
            enum status s = write_try(io, &r.batch, &e);
            uint64_t passed = io_sim_operations(io) - before;
            io_sim_set_fault(io, IO_SIM_NONE, 0);
            if (s < 0) {
                failures++;
                cr_assert(e.text[0] != 0);
            } else {
                cr_assert(segment_verify(io, "p1/a.seg", NULL, NULL, &e) >= 0, "%s", e.text);
            }
            cr_assert(files_in(io) <= 1);
            io_destroy(io);
            if (at > passed)
                break;
        }
        cr_assert(failures >= (f == 0 ? 4u : 1u), "%llu failures", (unsigned long long)failures);
    }
    rows_deinit(&r);
}

Test(segment_writer, a_crash_leaves_the_whole_file_or_none)
{
    struct rows r;
    rows_init(&r, 300);
    uint32_t whole = 0;
    uint32_t none = 0;
    for (uint64_t at = 0; at < 12; at++) {
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct io *io = io_sim_create(seed);
            struct error e = {0};
            MUST(io_make_dir(io, "p1", NULL));
            MUST(io_sync_dir(io, "", NULL));
            io_sim_set_fault(io, IO_SIM_CRASH_AFTER, io_sim_operations(io) + at);
            enum status s = write_try(io, &r.batch, &e);
            io_sim_crash(io, seed);
            struct segment *segment = NULL;
            struct schema schema;
            schema_init(&schema);
            if (segment_open(io, "p1/a.seg", &schema, false, &segment, &e) >= 0) {
                cr_assert(segment_verify(io, "p1/a.seg", NULL, NULL, &e) >= 0, "%s", e.text);
                whole++;
            } else {
                cr_assert(s < 0, "finished, then lost");
                cr_assert(e.status != STATUS_CORRUPT, "%s", e.text);
                none++;
            }
            segment_close(segment);
            schema_deinit(&schema);
            io_destroy(io);
        }
    }
    cr_assert(whole > 0);
    cr_assert(none > 0);
    rows_deinit(&r);
}

Test(segment_writer, a_file_without_rows_is_a_file)
{
    struct segment_writer *w = NULL;
    struct segment_meta meta;
    struct schema schema;
    struct segment *s = NULL;
    struct io *io = io_sim_create(1);
    struct row_range range;
    uint32_t count;
    schema_init(&schema);
    MUST(segment_writer_open(io, "a.seg", TABLE_SPANS, TIER_SEAL, 9, 1, &w, NULL));
    MUST(segment_writer_finish(w, &meta, NULL));
    segment_writer_close(w);
    cr_assert(meta.rows == 0);
    MUST(segment_open(io, "a.seg", &schema, false, &s, NULL));
    cr_assert(segment_meta(s)->fold_seq == 9);
    cr_assert(segment_block_count(s) == 0);
    MUST(segment_find_trace(s, (struct id128){{1}}, &range, 1, &count, NULL));
    cr_assert(count == 0);
    MUST(segment_find_session(s, slice_text("x"), &range, 1, &count, NULL));
    cr_assert(count == 0);
    segment_close(s);
    MUST(segment_verify(io, "a.seg", NULL, NULL, NULL));
    io_destroy(io);
    schema_deinit(&schema);
}

Test(segment_writer, picked_rows_are_the_same_as_copied_ones)
{
    struct rows r;
    struct arena arena = {0};
    rows_init(&r, 9000);
    uint32_t *order = ARENA_ARRAY(&arena, uint32_t, 9000);
    rows_cluster(&r.batch, order);
    struct batch copied = clustered(&r.batch, &arena);
    struct io *io = io_sim_create(1);
    struct segment_writer *w = NULL;
    struct segment_meta meta;
    (void)segment_of(io, "copied.seg", &copied, 1);
    MUST(segment_writer_open(io, "picked.seg", TABLE_SPANS, TIER_HOUR, 5, 3, &w, NULL));
    MUST(segment_writer_add_rows(w, &r.batch, order, 9000, NULL));
    MUST(segment_writer_finish(w, &meta, NULL));
    segment_writer_close(w);
    cr_assert(slice_equal(io_sim_peek(io, "copied.seg"), io_sim_peek(io, "picked.seg")));
    io_destroy(io);
    arena_deinit(&arena);
    rows_deinit(&r);
}

Test(segment_writer, blocks_are_cut_when_their_text_grows_large)
{
    struct schema schema;
    struct builder b;
    struct segment *s = NULL;
    struct io *io = io_sim_create(1);
    size_t size = 9u << 20;
    uint8_t *text = mem_zero(size, 1);
    schema_init(&schema);
    builder_init(&b, TABLE_SPANS, &schema);
    for (uint32_t i = 0; i < 9; i++) {
        builder_row(&b);
        builder_i64(&b, SPANS_time, i);
        text[i] = 1;
        builder_str(&b, SPANS_attributes, slice_of(text, size));
    }
    struct batch batch = builder_batch(&b);
    (void)segment_of(io, "a.seg", &batch, 1);
    MUST(segment_open(io, "a.seg", &schema, false, &s, NULL));
    cr_assert(segment_block_count(s) == 2);
    segment_compare(s, &batch, 1);
    segment_close(s);
    io_destroy(io);
    builder_deinit(&b);
    schema_deinit(&schema);
    mem_free(text);
}

/* One row with time and one more column, made by hand: builders refuse such values themselves. */
static enum status odd_write(struct io *io, uint16_t id, struct slice value, struct error *e)
{
    int64_t time = 1;
    uint32_t code = 1;
    struct slice values[2] = {SLICE_EMPTY, value};
    struct dict dict = {.values = values, .count = 2};
    struct batch_column columns[2] = {{.column = table_column(TABLE_SPANS, SPANS_time)},
                                      {.column = table_column(TABLE_SPANS, id)}};
    columns[0].vector = (struct vector){.storage = STORAGE_I64, .rows = 1, .i64 = &time};
    columns[1].vector = (struct vector){.storage = columns[1].column->storage, .rows = 1};
    if (columns[1].vector.storage == STORAGE_STR) {
        columns[1].vector.dict = &dict;
        columns[1].vector.codes = &code;
    } else {
        columns[1].vector.bytes = &value;
    }
    struct batch batch = {.table = TABLE_SPANS, .rows = 1, .column_count = 2, .columns = columns};
    return write_try(io, &batch, e);
}

Test(segment_writer, what_a_column_cannot_hold_is_refused)
{
    struct error e = {0};
    struct io *io = io_sim_create(1);
    size_t size = TEXT_BYTES_MAX + 1;
    uint8_t *text = mem_zero(size, 1);
    MUST(io_make_dir(io, "p1", NULL));
    cr_assert(odd_write(io, SPANS_model, slice_of(text, STR_BYTES_MAX), &e) == STATUS_OK);
    cr_assert(odd_write(io, SPANS_model, slice_of(text, STR_BYTES_MAX + 1), &e) == STATUS_LIMIT);
    cr_assert(strstr(e.text, "model") != NULL, "%s", e.text);
    cr_assert(odd_write(io, SPANS_input, slice_of(text, 32), &e) == STATUS_OK);
    cr_assert(odd_write(io, SPANS_input, slice_of(text, 33), &e) == STATUS_INVALID);
    cr_assert(strstr(e.text, "input") != NULL, "%s", e.text);
    cr_assert(odd_write(io, SPANS_input, slice_of(text, MESSAGE_REFS_MAX * 16), &e) == STATUS_OK);
    cr_assert(odd_write(io, SPANS_input, slice_of(text, MESSAGE_REFS_MAX * 16 + 16), &e) ==
              STATUS_LIMIT);
    cr_assert(odd_write(io, SPANS_attributes, slice_of(text, size - 1), &e) == STATUS_OK);
    cr_assert(odd_write(io, SPANS_attributes, slice_of(text, size), &e) == STATUS_LIMIT);
    cr_assert(strstr(e.text, "attributes") != NULL, "%s", e.text);
    mem_free(text);
    io_destroy(io);
}

Test(segment_writer, columns_that_come_and_go_between_groups)
{
    struct schema schema;
    struct builder b[3];
    struct batch groups[3];
    struct segment *s = NULL;
    struct io *io = io_sim_create(1);
    schema_init(&schema);
    for (uint32_t g = 0; g < 3; g++) {
        builder_init(&b[g], TABLE_SPANS, &schema);
        for (uint32_t i = 0; i < 50; i++) {
            builder_row(&b[g]);
            builder_i64(&b[g], SPANS_time, g * 1000 + i);
            if (g == 1)
                builder_i64(&b[g], SPANS_tokens_in, i);
            if (g == 2)
                builder_str(&b[g], SPANS_model, slice_text(i % 2 == 0 ? "b" : "a"));
            if (g == 0)
                builder_str(&b[g], SPANS_user_id, slice_text("u"));
        }
        groups[g] = builder_batch(&b[g]);
    }
    (void)segment_of(io, "a.seg", groups, 3);
    MUST(segment_open(io, "a.seg", &schema, false, &s, NULL));
    segment_compare(s, groups, 3);
    int c = segment_column_index(s, table_column(TABLE_SPANS, SPANS_tokens_in));
    struct zone zone;
    MUST(segment_zone(s, c, 0, &zone, NULL));
    cr_assert(zone.any == false);
    cr_assert(zone.nulls == 50);
    cr_assert(segment_column_index(s, table_column(TABLE_SPANS, SPANS_name)) == -1);
    segment_close(s);
    MUST(segment_verify(io, "a.seg", NULL, NULL, NULL));
    io_destroy(io);
    for (uint32_t g = 0; g < 3; g++)
        builder_deinit(&b[g]);
    schema_deinit(&schema);
}
