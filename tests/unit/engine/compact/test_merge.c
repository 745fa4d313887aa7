/*
 * test_merge.c - merged segments against a plain list of rows.
 *
 * A test makes rows in memory, deals them out to segments with different columns, amends some,
 * merges, and reads everything back as text.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/io_sim.h"
#include "engine/base/rng.h"
#include "engine/compact/compact.h"

#define HOUR0      ((int64_t)480000 * NS_PER_HOUR) /* 2024-10-04T00:00Z */
#define ROWS_MAX   40000u
#define INPUTS_MAX 6u
#define TEXT_BYTES 900u

/* One span as the test knows it. NULL text and has_x false: NULL. */
struct span {
    int64_t time_ns;
    struct id128 trace_id;
    uint64_t span_id;
    int64_t seq;
    char session[16];
    char model[16];
    char error_class[24];
    bool has_cost, has_temperature, has_score_a, has_score_b;
    int64_t cost;
    double temperature, score_a, score_b;
    char attributes[40];
    uint32_t input_refs;
    uint32_t input; /* which segment it goes to */
};

struct world {
    struct io *io;
    struct schema schema;
    struct rng rng;
    struct span *spans;
    uint32_t count;
    const struct column *score_a;
    const struct column *score_b;
    struct segment *segments[INPUTS_MAX];
    struct patch_set *patches[INPUTS_MAX];
    uint32_t inputs;
};

static struct world *world_create(uint64_t seed)
{
    struct world *w = MEM_NEW(struct world);
    struct error e = {0};
    w->io = io_sim_create(seed);
    cr_assert(io_make_dir(w->io, "s", &e) == STATUS_OK, "%s", e.text);
    schema_init(&w->schema);
    rng_init(&w->rng, seed);
    w->spans = mem_zero(ROWS_MAX, sizeof *w->spans);
    cr_assert(schema_add_score(&w->schema, slice_text("score.a"), &w->score_a, &e) == STATUS_OK);
    cr_assert(schema_add_score(&w->schema, slice_text("score.b"), &w->score_b, &e) == STATUS_OK);
    return w;
}

static void world_destroy(struct world *w)
{
    for (uint32_t i = 0; i < w->inputs; i++) {
        segment_close(w->segments[i]);
        patch_set_unref(w->patches[i]);
    }
    schema_deinit(&w->schema);
    io_destroy(w->io);
    mem_free(w->spans);
    mem_free(w);
}

/* Odd inputs lack the model, cost and attributes columns; score.a is in the even ones, score.b in
 * the odd ones. */
static void span_make(struct world *w, struct span *s, uint32_t input, uint32_t hours)
{
    struct rng *r = &w->rng;
    uint64_t trace = rng_below(r, 1 + w->count / 3);
    bool even = input % 2 == 0;
    *s = (struct span){.seq = (int64_t)w->count + 1, .input = input};
    s->time_ns = HOUR0 + (int64_t)rng_below(r, hours) * NS_PER_HOUR +
                 (int64_t)rng_below(r, (uint64_t)NS_PER_HOUR);
    memcpy(s->trace_id.bytes, &trace, sizeof trace);
    s->trace_id.bytes[15] = 7;
    s->span_id = w->count + 1;
    if (rng_below(r, 4) != 0)
        snprintf(s->session, sizeof s->session, "s%u", (unsigned)(trace % 50));
    if (even && rng_below(r, 5) != 0)
        snprintf(s->model, sizeof s->model, "gpt-%u", (unsigned)rng_below(r, 5));
    snprintf(s->error_class, sizeof s->error_class, "%s",
             rng_below(r, 9) == 0 ? "timeout" : "none");
    s->has_cost = even && rng_below(r, 3) != 0;
    s->cost = s->has_cost ? (int64_t)rng_below(r, 1000000) : 0;
    s->has_temperature = rng_below(r, 2) == 0;
    s->temperature = s->has_temperature ? (double)rng_below(r, 10) / 10 : 0;
    s->has_score_a = even && rng_below(r, 2) == 0;
    s->score_a = s->has_score_a ? rng_unit(r) : 0;
    s->has_score_b = !even;
    s->score_b = s->has_score_b ? rng_unit(r) : 0;
    if (even && rng_below(r, 3) == 0)
        snprintf(s->attributes, sizeof s->attributes, "{\"k\":%u}", (unsigned)rng_below(r, 100000));
    s->input_refs = (uint32_t)rng_below(r, 4);
}

static void span_build(struct world *w, struct builder *b, const struct span *s)
{
    uint8_t refs[64];
    builder_row(b);
    builder_i64(b, SPANS_time, s->time_ns);
    builder_id128(b, SPANS_trace_id, s->trace_id);
    builder_id64(b, SPANS_span_id, s->span_id);
    builder_i64(b, SPANS_seq, s->seq);
    builder_str(b, SPANS_error_class, slice_text(s->error_class));
    if (s->session[0] != 0)
        builder_str(b, SPANS_session, slice_text(s->session));
    if (s->model[0] != 0)
        builder_str(b, SPANS_model, slice_text(s->model));
    if (s->has_cost)
        builder_i64(b, SPANS_cost_usd, s->cost);
    if (s->has_temperature)
        builder_f64(b, SPANS_temperature, s->temperature);
    if (s->has_score_a)
        builder_f64(b, w->score_a->id, s->score_a);
    if (s->has_score_b)
        builder_f64(b, w->score_b->id, s->score_b);
    if (s->attributes[0] != 0)
        builder_str(b, SPANS_attributes, slice_text(s->attributes));
    memset(refs, (int)(s->span_id & 0xff), sizeof refs);
    if (s->input_refs > 0)
        builder_str(b, SPANS_input, slice_of(refs, s->input_refs * 16));
}

/* The rows of one hour of one input as a clustered group. */
static void group_write(struct world *w, struct segment_writer *writer, uint32_t input,
                        int64_t hour)
{
    struct builder b;
    struct arena arena = {0};
    struct error e = {0};
    builder_init(&b, TABLE_SPANS, &w->schema);
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->spans[i].input == input && w->spans[i].time_ns / NS_PER_HOUR == hour)
            span_build(w, &b, &w->spans[i]);
    }
    struct batch batch = builder_batch(&b);
    if (batch.rows > 0) {
        uint32_t *order = ARENA_ARRAY(&arena, uint32_t, batch.rows);
        struct batch out = batch;
        rows_cluster(&batch, order);
        out.columns = ARENA_ARRAY(&arena, struct batch_column, batch.column_count);
        for (uint32_t i = 0; i < batch.column_count; i++)
            out.columns[i] = (struct batch_column){
                .column = batch.columns[i].column,
                .vector = vector_gather(&batch.columns[i].vector, order, batch.rows, &arena)};
        cr_assert(segment_writer_add_group(writer, &out, &e) == STATUS_OK, "%s", e.text);
    }
    builder_deinit(&b);
    arena_deinit(&arena);
}

static void input_write(struct world *w, uint32_t input, uint32_t hours)
{
    struct segment_writer *writer;
    struct segment_meta meta;
    struct error e = {0};
    char path[32];
    snprintf(path, sizeof path, "s/%u.seg", input);
    cr_assert(segment_writer_open(w->io, path, TABLE_SPANS, TIER_SEAL, 0, 3, &writer, &e) ==
                  STATUS_OK,
              "%s", e.text);
    for (uint32_t h = 0; h < hours; h++)
        group_write(w, writer, input, HOUR0 / NS_PER_HOUR + h);
    cr_assert(segment_writer_finish(writer, &meta, &e) == STATUS_OK, "%s", e.text);
    segment_writer_close(writer);
    cr_assert(segment_open(w->io, path, &w->schema, false, &w->segments[input], &e) == STATUS_OK,
              "%s", e.text);
    if (input >= w->inputs)
        w->inputs = input + 1;
}

static void world_fill(struct world *w, uint32_t inputs, uint32_t rows, uint32_t hours)
{
    for (uint32_t i = 0; i < inputs; i++) {
        for (uint32_t r = 0; r < rows; r++) {
            span_make(w, &w->spans[w->count], i, hours);
            w->count++;
        }
        input_write(w, i, hours);
    }
}

/* ---- amendments ---- */

static struct span *span_find(struct world *w, uint32_t input, struct id128 trace_id,
                              uint64_t span_id)
{
    for (uint32_t i = 0; i < w->count; i++) {
        struct span *s = &w->spans[i];
        if (s->input == input && s->span_id == span_id && id128_equal(s->trace_id, trace_id))
            return s;
    }
    cr_assert(false, "a row that was never written");
    return NULL;
}

/* Amends a tenth of the rows of an input: half of the amendments come after fold_seq and must not
 * show. */
static void input_amend(struct world *w, uint32_t input, uint64_t fold_seq)
{
    struct segment *s = w->segments[input];
    struct error e = {0};
    int trace_index = segment_column_index(s, table_column(TABLE_SPANS, SPANS_trace_id));
    int span_index = segment_column_index(s, table_column(TABLE_SPANS, SPANS_span_id));
    for (uint32_t b = 0; b < segment_block_count(s); b++) {
        struct arena arena = {0};
        struct vector trace_ids;
        struct vector span_ids;
        cr_assert(segment_block_read(s, trace_index, b, &arena, &trace_ids, &e) == STATUS_OK);
        cr_assert(segment_block_read(s, span_index, b, &arena, &span_ids, &e) == STATUS_OK);
        for (uint32_t i = 0; i < trace_ids.rows; i++) {
            if (rng_below(&w->rng, 10) != 0)
                continue;
            bool folded = rng_below(&w->rng, 2) == 0;
            bool score = rng_below(&w->rng, 2) == 0;
            char text[24];
            struct span *span = span_find(w, input, trace_ids.id128[i], span_ids.id64[i]);
            snprintf(text, sizeof text, "class-%u", (unsigned)rng_below(&w->rng, 7));
            struct amendment a = {.seq = folded ? fold_seq : fold_seq + 1,
                                  .trace_id = span->trace_id,
                                  .span_id = span->span_id,
                                  .column = score ? w->score_b
                                                  : table_column(TABLE_SPANS, SPANS_error_class),
                                  .f64 = rng_unit(&w->rng),
                                  .bytes = slice_text(text)};
            struct patch_row row = {.row = segment_block_first(s, b) + i, .amendment = &a};
            struct patch_set *old = w->patches[input];
            w->patches[input] = patch_set_extend(old, &row, 1);
            patch_set_unref(old);
            if (folded && score) {
                span->has_score_b = true;
                span->score_b = a.f64;
            } else if (folded) {
                memcpy(span->error_class, text, sizeof text);
            }
        }
        arena_deinit(&arena);
    }
}

/* ---- rows as text ---- */

struct lines {
    char (*text)[TEXT_BYTES];
    uint32_t count;
};

PRINTF_LIKE(3, 4)
static void cell_print(char *to, const char *name, const char *format, ...)
{
    size_t used = strlen(to);
    va_list args;
    va_start(args, format);
    used += (size_t)snprintf(to + used, TEXT_BYTES - used, " %s=", name);
    vsnprintf(to + used, TEXT_BYTES - used, format, args);
    va_end(args);
}

static void span_print(const struct span *s, char *to)
{
    char hex[33] = "";
    id128_to_hex(s->trace_id, hex);
    to[0] = 0;
    cell_print(to, "time", "%" PRId64, s->time_ns);
    cell_print(to, "trace", "%.32s", hex);
    cell_print(to, "span", "%" PRIu64, s->span_id);
    cell_print(to, "seq", "%" PRId64, s->seq);
    cell_print(to, "session", "%s", s->session);
    cell_print(to, "model", "%s", s->model);
    cell_print(to, "class", "%s", s->error_class);
    cell_print(to, "cost", "%d %" PRId64, s->has_cost, s->cost);
    cell_print(to, "temperature", "%d %.17g", s->has_temperature, s->temperature);
    cell_print(to, "a", "%d %.17g", s->has_score_a, s->score_a);
    cell_print(to, "b", "%d %.17g", s->has_score_b, s->score_b);
    cell_print(to, "attributes", "%s", s->attributes);
    cell_print(to, "input", "%u %u", s->input_refs * 16,
               s->input_refs > 0 ? (unsigned)(s->span_id & 0xff) : 0);
}

/* The columns of the printed row, in its order. */
enum shown {
    TIME,
    TRACE,
    SPAN,
    SEQ,
    SESSION,
    MODEL,
    CLASS,
    COST,
    TEMPERATURE,
    A,
    B,
    ATTRIBUTES,
    INPUT,
    SHOWN
};

static void columns_shown(const struct world *w, const struct column *to[SHOWN])
{
    static const uint16_t ids[SHOWN] = {
        SPANS_time,  SPANS_trace_id,    SPANS_span_id,  SPANS_seq,         SPANS_session,
        SPANS_model, SPANS_error_class, SPANS_cost_usd, SPANS_temperature, 0,
        0,           SPANS_attributes,  SPANS_input};
    for (uint32_t i = 0; i < SHOWN; i++)
        to[i] = ids[i] == 0 ? NULL : table_column(TABLE_SPANS, ids[i]);
    to[A] = w->score_a;
    to[B] = w->score_b;
}

static void text_copy(char *to, size_t size, const struct vector *v, uint32_t row)
{
    struct slice bytes = vector_bytes(v, row);
    cr_assert(bytes.size < size);
    bytes_copy(to, bytes.data, bytes.size);
    to[bytes.size] = 0;
}

static struct span span_read(const struct vector v[SHOWN], uint32_t row)
{
    struct span s = {0};
    s.time_ns = v[TIME].i64[row];
    s.trace_id = v[TRACE].id128[row];
    s.span_id = v[SPAN].id64[row];
    s.seq = v[SEQ].i64[row];
    text_copy(s.session, sizeof s.session, &v[SESSION], row);
    text_copy(s.model, sizeof s.model, &v[MODEL], row);
    text_copy(s.error_class, sizeof s.error_class, &v[CLASS], row);
    text_copy(s.attributes, sizeof s.attributes, &v[ATTRIBUTES], row);
    s.has_cost = vector_has(&v[COST], row);
    s.cost = v[COST].i64[row];
    s.has_temperature = vector_has(&v[TEMPERATURE], row);
    s.temperature = v[TEMPERATURE].f64[row];
    s.has_score_a = vector_has(&v[A], row);
    s.score_a = v[A].f64[row];
    s.has_score_b = vector_has(&v[B], row);
    s.score_b = v[B].f64[row];
    struct slice refs = vector_bytes(&v[INPUT], row);
    s.input_refs = (uint32_t)(refs.size / 16);
    for (size_t i = 0; i < refs.size; i++)
        cr_assert(refs.data[i] == (s.span_id & 0xff));
    return s;
}

/* All rows of a segment in file order; checks the order and the hours on the way. */
static void segment_print(struct world *w, struct segment *s, struct lines *to)
{
    const struct column *columns[SHOWN];
    struct error e = {0};
    int64_t last_hour = INT64_MIN;
    char last_key[64] = "";
    columns_shown(w, columns);
    for (uint32_t b = 0; b < segment_block_count(s); b++) {
        struct arena arena = {0};
        struct vector v[SHOWN];
        uint32_t rows = segment_block_rows(s, b);
        for (uint32_t c = 0; c < SHOWN; c++) {
            int index = segment_column_index(s, columns[c]);
            if (index < 0)
                v[c] = vector_null(columns[c]->storage, rows, &arena);
            else
                cr_assert(segment_block_read(s, index, b, &arena, &v[c], &e) == STATUS_OK, "%s",
                          e.text);
        }
        for (uint32_t row = 0; row < rows; row++) {
            struct span span = span_read(v, row);
            int64_t hour = span.time_ns / NS_PER_HOUR;
            char key[64];
            snprintf(key, sizeof key, "%s/%016" PRIx64, span.session[0] != 0 ? span.session : "~",
                     __builtin_bswap64(*(const uint64_t *)(const void *)span.trace_id.bytes));
            cr_assert(hour >= last_hour);
            cr_assert(hour > last_hour || strcmp(key, last_key) >= 0, "%s after %s", key, last_key);
            last_hour = hour;
            memcpy(last_key, key, sizeof key);
            cr_assert(to->count < ROWS_MAX);
            span_print(&span, to->text[to->count++]);
        }
        arena_deinit(&arena);
    }
}

static int line_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void lines_check(struct lines *got, struct lines *expected)
{
    cr_assert(eq(u32, got->count, expected->count));
    qsort(got->text, got->count, TEXT_BYTES, line_order);
    qsort(expected->text, expected->count, TEXT_BYTES, line_order);
    for (uint32_t i = 0; i < got->count; i++)
        cr_assert(strcmp(got->text[i], expected->text[i]) == 0, "got %s, expected %s", got->text[i],
                  expected->text[i]);
    mem_free(got->text);
    mem_free(expected->text);
}

static struct lines lines_make(void)
{
    return (struct lines){.text = mem_zero(ROWS_MAX, TEXT_BYTES)};
}

static struct lines world_print(const struct world *w)
{
    struct lines l = lines_make();
    for (uint32_t i = 0; i < w->count; i++)
        span_print(&w->spans[i], l.text[l.count++]);
    return l;
}

static bool go_on(void *context, uint64_t bytes)
{
    uint64_t *calls = context;
    (void)bytes;
    ++*calls;
    return true;
}

static bool stop(void *context, uint64_t bytes)
{
    uint32_t *left = context;
    (void)bytes;
    return (*left)-- > 0;
}

static enum status merge(struct world *w, enum segment_tier tier, uint64_t fold_seq,
                         bool (*wait)(void *, uint64_t), void *context, struct segment_meta *meta,
                         struct error *reterr)
{
    struct merge_input inputs[INPUTS_MAX];
    for (uint32_t i = 0; i < w->inputs; i++)
        inputs[i] = (struct merge_input){.segment = w->segments[i], .patches = w->patches[i]};
    return merge_segments(w->io, &w->schema, TABLE_SPANS, inputs, w->inputs, "s/out.seg", tier,
                          fold_seq, wait, context, meta, reterr);
}

static void merge_and_check(struct world *w, enum segment_tier tier, uint64_t fold_seq)
{
    struct segment_meta meta;
    struct segment *merged;
    struct error e = {0};
    uint64_t calls = 0;
    struct lines expected = world_print(w);
    struct lines got = lines_make();
    cr_assert(merge(w, tier, fold_seq, go_on, &calls, &meta, &e) == STATUS_OK, "%s", e.text);
    cr_assert(calls > 0);
    cr_assert(eq(u64, meta.rows, w->count));
    cr_assert(meta.tier == tier);
    cr_assert(eq(u64, meta.fold_seq, fold_seq));
    cr_assert(eq(u64, meta.seq_min, 1));
    cr_assert(segment_open(w->io, "s/out.seg", &w->schema, false, &merged, &e) == STATUS_OK, "%s",
              e.text);
    segment_print(w, merged, &got);
    segment_close(merged);
    lines_check(&got, &expected);
}

Test(merge, one_hour_of_several_inputs_with_different_columns)
{
    struct world *w = world_create(1);
    world_fill(w, 5, 700, 1);
    merge_and_check(w, TIER_HOUR, 0);
    world_destroy(w);
}

Test(merge, one_input_alone)
{
    struct world *w = world_create(2);
    world_fill(w, 1, 300, 3);
    input_amend(w, 0, 50);
    merge_and_check(w, TIER_SEAL, 50);
    world_destroy(w);
}

Test(merge, blocks_of_many_rows)
{
    struct world *w = world_create(3);
    world_fill(w, 2, 12000, 1);
    merge_and_check(w, TIER_HOUR, 0);
    world_destroy(w);
}

Test(merge, a_day_keeps_its_hours_apart)
{
    struct world *w = world_create(4);
    world_fill(w, 4, 1500, 24);
    merge_and_check(w, TIER_DAY, 0);
    world_destroy(w);
}

Test(merge, amendments_up_to_the_fold_are_in_and_later_ones_are_not)
{
    for (uint64_t seed = 5; seed < 9; seed++) {
        struct world *w = world_create(seed);
        world_fill(w, 4, 400, 2);
        for (uint32_t i = 0; i < 4; i++)
            input_amend(w, i, 100000);
        merge_and_check(w, TIER_HOUR, 100000);
        world_destroy(w);
    }
}

Test(merge, a_span_stored_twice_is_kept_as_committed_first)
{
    struct world *w = world_create(10);
    world_fill(w, 1, 500, 2);
    uint32_t originals = w->count;
    /* Input 1 repeats a third of input 0 with a later seq and another cost; input 2 with an
     * earlier one. */
    for (uint32_t i = 0; i < originals; i += 3) {
        struct span again = w->spans[i];
        again.input = 1;
        again.seq += 100000;
        again.has_cost = true;
        again.cost = 42;
        w->spans[w->count++] = again;
    }
    input_write(w, 1, 2);
    for (uint32_t i = 1; i < originals; i += 3) {
        struct span again = w->spans[i];
        again.input = 2;
        again.seq = -again.seq;
        again.has_cost = true;
        again.cost = 77;
        w->spans[w->count++] = again;
    }
    input_write(w, 2, 2);
    struct lines expected = lines_make();
    struct lines got = lines_make();
    struct segment_meta meta;
    struct segment *merged;
    struct error e = {0};
    for (uint32_t i = 0; i < w->count; i++) {
        const struct span *s = &w->spans[i];
        bool kept = s->input == 2 || (s->input == 0 && i % 3 != 1);
        if (kept)
            span_print(s, expected.text[expected.count++]);
    }
    cr_assert(merge(w, TIER_HOUR, 0, NULL, NULL, &meta, &e) == STATUS_OK, "%s", e.text);
    cr_assert(segment_open(w->io, "s/out.seg", &w->schema, false, &merged, &e) == STATUS_OK, "%s",
              e.text);
    segment_print(w, merged, &got);
    segment_close(merged);
    lines_check(&got, &expected);
    world_destroy(w);
}

Test(merge, cancelling_leaves_no_file)
{
    struct world *w = world_create(11);
    world_fill(w, 2, 200, 2);
    for (uint32_t after = 0; after < 12; after++) {
        struct segment_meta meta;
        struct error e = {0};
        uint32_t left = after;
        cr_assert(merge(w, TIER_HOUR, 0, stop, &left, &meta, &e) == STATUS_CANCELLED);
        cr_assert(eq(sz, io_sim_peek(w->io, "s/out.seg").size, 0));
        cr_assert(eq(sz, io_sim_peek(w->io, "s/out.seg.tmp").size, 0));
    }
    world_destroy(w);
}

Test(merge, a_damaged_input_fails_the_merge_and_is_named)
{
    struct world *w = world_create(12);
    world_fill(w, 2, 500, 1);
    segment_close(w->segments[1]);
    struct slice bytes = io_sim_peek(w->io, "s/1.seg");
    uint32_t failed = 0;
    uint32_t opened = 0;
    for (uint64_t at = 20; at < bytes.size; at += 97) {
        struct segment_meta meta;
        struct error e = {0};
        uint8_t old = io_sim_peek(w->io, "s/1.seg").data[at];
        io_sim_poke(w->io, "s/1.seg", at, old ^ 0x40);
        if (segment_open(w->io, "s/1.seg", &w->schema, false, &w->segments[1], &e) == STATUS_OK) {
            opened++;
            enum status s = merge(w, TIER_HOUR, 0, NULL, NULL, &meta, &e);
            cr_assert(s == STATUS_OK || s == STATUS_CORRUPT);
            if (s == STATUS_CORRUPT) {
                failed++;
                cr_assert(strstr(e.text, "s/1.seg") != NULL, "%s", e.text);
            }
            segment_close(w->segments[1]);
        }
        io_sim_poke(w->io, "s/1.seg", at, old);
    }
    cr_assert(failed > opened / 2, "%u of %u", failed, opened);
    w->segments[1] = NULL;
    w->inputs = 1;
    world_destroy(w);
}

/* Scores are history: equal rows stay, ordered by time. */
Test(merge, scores_keep_every_row)
{
    struct world *w = world_create(13);
    struct error e = {0};
    struct segment_meta meta;
    struct merge_input inputs[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct segment_writer *writer;
        struct builder b;
        char path[16];
        snprintf(path, sizeof path, "s/%u.seg", i);
        builder_init(&b, TABLE_SCORES, &w->schema);
        for (uint32_t row = 0; row < 100; row++) {
            builder_row(&b);
            builder_i64(&b, SCORES_time, HOUR0 + 2 * row + i);
            builder_id128(&b, SCORES_trace_id, (struct id128){{1}});
            builder_id64(&b, SCORES_span_id, 1);
            builder_i64(&b, SCORES_seq, 2 * row + i + 1);
            builder_str(&b, SCORES_name, slice_text(i == 0 ? "x" : "y"));
            builder_f64(&b, SCORES_value, row);
        }
        struct batch batch = builder_batch(&b);
        cr_assert(segment_writer_open(w->io, path, TABLE_SCORES, TIER_SEAL, 0, 3, &writer, &e) ==
                  STATUS_OK);
        cr_assert(segment_writer_add_group(writer, &batch, &e) == STATUS_OK, "%s", e.text);
        cr_assert(segment_writer_finish(writer, &meta, &e) == STATUS_OK, "%s", e.text);
        segment_writer_close(writer);
        builder_deinit(&b);
        cr_assert(segment_open(w->io, path, &w->schema, false, &w->segments[i], &e) == STATUS_OK);
        inputs[i] = (struct merge_input){.segment = w->segments[i]};
        w->inputs++;
    }
    cr_assert(merge_segments(w->io, &w->schema, TABLE_SCORES, inputs, 2, "s/out.seg", TIER_HOUR, 0,
                             NULL, NULL, &meta, &e) == STATUS_OK,
              "%s", e.text);
    cr_assert(eq(u64, meta.rows, 200));
    struct segment *merged;
    struct arena arena = {0};
    struct vector times;
    struct vector names;
    cr_assert(segment_open(w->io, "s/out.seg", &w->schema, false, &merged, &e) == STATUS_OK);
    int time_index = segment_column_index(merged, table_column(TABLE_SCORES, SCORES_time));
    int name_index = segment_column_index(merged, table_column(TABLE_SCORES, SCORES_name));
    cr_assert(segment_block_read(merged, time_index, 0, &arena, &times, &e) == STATUS_OK);
    cr_assert(segment_block_read(merged, name_index, 0, &arena, &names, &e) == STATUS_OK);
    for (uint32_t row = 0; row < 200; row++) {
        cr_assert(eq(i64, times.i64[row], HOUR0 + row));
        cr_assert(slice_is(vector_bytes(&names, row), row % 2 == 0 ? "x" : "y"));
    }
    arena_deinit(&arena);
    segment_close(merged);
    world_destroy(w);
}
