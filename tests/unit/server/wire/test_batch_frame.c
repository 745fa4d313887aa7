/*
 * test_batch_frame.c - BATCH frames: good, cut, flipped; dictionaries over several frames.
 */
#include "server/wire/batch_frame.h"

#include "engine/base/hash.h"
#include "engine/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MODELS 5

static void score_set(struct builder *b, struct schema *schema, const char *name, double value)
{
    const struct column *column;
    cr_assert_eq(schema_add_score(schema, slice_text(name), &column, NULL), STATUS_OK);
    builder_f64(b, column->id, value);
}

/* Spans with every storage, NULLs in most columns, widths 0 to 8. */
static void spans_fill(struct builder *b, struct schema *schema, uint32_t rows, uint32_t first)
{
    char text[64];
    struct id128 refs[2] = {{{1, 2}}, {{3, 4}}};
    for (uint32_t i = first; i < first + rows; i++) {
        struct id128 trace = {.bytes = {(uint8_t)i, (uint8_t)(i >> 8), 3}};
        builder_row(b);
        builder_i64(b, SPANS_time, 1700000000000000000 + (int64_t)i * 9000000000);
        builder_id128(b, SPANS_trace_id, trace);
        builder_id64(b, SPANS_span_id, i + 1);
        if (i % 3 != 0)
            builder_id64(b, SPANS_parent_id, i);
        (void)snprintf(text, sizeof text, "session-%u", (unsigned)i);
        builder_str(b, SPANS_session, slice_text(text));
        if (i % 5 != 1) {
            (void)snprintf(text, sizeof text, "model-%u", (unsigned)(i % MODELS));
            builder_str(b, SPANS_model, slice_text(text));
        }
        builder_str(b, SPANS_service, slice_text("checkout"));
        builder_i64(b, SPANS_tokens_in, (int64_t)i % 200);
        if (i % 2 == 0)
            builder_i64(b, SPANS_tokens_out, -(int64_t)i * 300);
        builder_i64(b, SPANS_latency_ms, (int64_t)i * 1000003);
        builder_i64(b, SPANS_http_status, 200);
        if (i % 4 == 0)
            builder_f64(b, SPANS_temperature, 0.7);
        if (i % 4 == 1)
            builder_str(b, SPANS_tool_args, slice_text("{\"a\":1}"));
        if (i % 4 == 2)
            builder_str(b, SPANS_tool_args, SLICE_EMPTY);
        builder_str(b, SPANS_input, slice_of(refs, i % 3 * 16));
        score_set(b, schema, "score.fluency", (double)i / 7.0);
    }
}

static void scores_fill(struct builder *b, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        builder_row(b);
        builder_id128(b, SCORES_trace_id, (struct id128){{(uint8_t)i, 1}});
        builder_id64(b, SCORES_span_id, i + 1);
        builder_str(b, SCORES_name, slice_text("groundedness"));
        builder_f64(b, SCORES_value, i);
    }
}

static void cells_equal(const struct vector *a, const struct vector *b, const char *name)
{
    cr_assert_eq(a->rows, b->rows);
    for (uint32_t row = 0; row < a->rows; row++) {
        cr_assert(vector_has(a, row) == vector_has(b, row), "%s row %u", name, (unsigned)row);
        switch (a->storage) {
        case STORAGE_I64:
        case STORAGE_F64:
        case STORAGE_ID64:
            cr_assert(!vector_has(a, row) || a->id64[row] == b->id64[row], "%s row %u", name,
                      (unsigned)row);
            cr_assert(vector_has(b, row) || b->id64[row] == 0, "%s row %u", name, (unsigned)row);
            break;
        case STORAGE_ID128:
            cr_assert(id128_equal(a->id128[row], b->id128[row]), "%s row %u", name, (unsigned)row);
            break;
        case STORAGE_STR:
        case STORAGE_TEXT:
        case STORAGE_REFS:
            cr_assert(slice_equal(vector_bytes(a, row), vector_bytes(b, row)), "%s row %u", name,
                      (unsigned)row);
            break;
        }
    }
}

static void batches_equal(const struct batch *a, const struct batch *b)
{
    uint32_t compared = 0;
    cr_assert_eq(a->rows, b->rows);
    for (uint32_t i = 0; i < a->column_count; i++) {
        const struct column *column = a->columns[i].column;
        for (uint32_t k = 0; k < b->column_count; k++) {
            if (strcmp(b->columns[k].column->name, column->name) == 0) {
                cells_equal(&a->columns[i].vector, &b->columns[k].vector, column->name);
                compared++;
            }
        }
    }
    cr_assert_eq(compared, b->column_count);
}

/* Everything a consumer may rely on; reads every byte, so that the sanitizer sees bad pointers. */
static uint64_t batch_touch(const struct wire_batch *batch)
{
    uint64_t sum = 0;
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        const struct batch *b = &batch->tables[t];
        for (uint32_t i = 0; i < b->column_count; i++) {
            const struct vector *v = &b->columns[i].vector;
            cr_assert(v->rows == b->rows && v->storage == b->columns[i].column->storage);
            for (uint32_t row = 0; row < b->rows; row++) {
                if (v->storage == STORAGE_STR)
                    cr_assert(v->codes[row] < v->dict->count);
                if (v->valid != NULL)
                    cr_assert(v->valid[row] <= 1);
                if (v->storage == STORAGE_STR || v->storage == STORAGE_TEXT ||
                    v->storage == STORAGE_REFS) {
                    struct slice s = vector_bytes(v, row);
                    for (size_t k = 0; k < s.size; k++)
                        sum += s.data[k];
                } else if (v->storage == STORAGE_ID128) {
                    sum += v->id128[row].bytes[15];
                } else {
                    cr_assert(vector_has(v, row) || v->id64[row] == 0);
                    sum += v->id64[row];
                }
            }
        }
    }
    for (uint32_t i = 0; i < batch->message_count; i++) {
        struct id128 address = hash128(batch->messages[i].body);
        cr_assert(id128_equal(address, batch->messages[i].address));
    }
    return sum;
}

struct rig {
    struct schema schema;          /* the sender's */
    struct schema receiver_schema; /* the receiver's: ids need not agree */
    struct builder spans;
    struct builder scores;
    struct wire_strings strings;
    struct wire_dictionaries dictionaries;
    struct buffer out;
    struct arena arena;
    struct wire_batch decoded;
    struct wire_fault fault;
    struct error error;
};

static void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    schema_init(&r->schema);
    schema_init(&r->receiver_schema);
    const struct column *other;
    cr_assert_eq(schema_add_score(&r->receiver_schema, slice_text("score.other"), &other, NULL),
                 STATUS_OK);
    builder_init(&r->spans, TABLE_SPANS, &r->schema);
    builder_init(&r->scores, TABLE_SCORES, &r->schema);
}

static void rig_deinit(struct rig *r)
{
    builder_deinit(&r->spans);
    builder_deinit(&r->scores);
    wire_strings_deinit(&r->strings);
    wire_dictionaries_deinit(&r->dictionaries);
    buffer_deinit(&r->out);
    arena_deinit(&r->arena);
    schema_deinit(&r->schema);
    schema_deinit(&r->receiver_schema);
}

static enum status rig_write(struct rig *r, const struct wire_input *in, uint64_t seq,
                             uint8_t flags)
{
    buffer_reset(&r->out);
    return wire_batch_write(in, seq, flags, &r->strings, NULL, &r->out, &r->error);
}

static struct frame rig_frame(const struct rig *r)
{
    struct frame frame;
    size_t bytes;
    cr_assert_eq(frame_read(buffer_slice(&r->out), WIRE_PAYLOAD_MAX, &frame, &bytes, NULL),
                 STATUS_OK);
    cr_assert_eq(bytes, r->out.size);
    return frame;
}

static enum status rig_read(struct rig *r, const struct frame *frame)
{
    arena_reset(&r->arena);
    return wire_batch_read(frame, &r->dictionaries, &r->receiver_schema, &r->arena, &r->decoded,
                           &r->fault, &r->error);
}

Test(batch_frame, carries_all_tables_and_bodies)
{
    struct rig r;
    rig_init(&r);
    for (uint32_t rows = 1; rows <= 70; rows += rows < 20 ? 1 : 17) {
        builder_reset(&r.spans);
        builder_reset(&r.scores);
        spans_fill(&r.spans, &r.schema, rows, rows * 100);
        scores_fill(&r.scores, rows);
        struct batch spans = builder_batch(&r.spans);
        struct batch scores = builder_batch(&r.scores);
        struct message bodies[2] = {{.body = slice_text("{\"role\":\"user\"}")},
                                    {.body = slice_text("x")}};
        struct wire_input in = {
            .spans = &spans, .scores = &scores, .messages = bodies, .message_count = 2};
        cr_assert(rig_write(&r, &in, rows, 0) == STATUS_OK, "%s", r.error.text);
        struct frame frame = rig_frame(&r);
        cr_assert(rig_read(&r, &frame) == STATUS_OK, "%s", r.error.text);
        cr_assert_eq(r.decoded.batch_seq, rows);
        batches_equal(&spans, &r.decoded.tables[TABLE_SPANS]);
        batches_equal(&scores, &r.decoded.tables[TABLE_SCORES]);
        cr_assert_eq(r.decoded.tables[TABLE_TAGS].rows, 0);
        cr_assert_eq(r.decoded.message_count, 2);
        cr_assert(slice_equal(r.decoded.messages[0].body, bodies[0].body));
        (void)batch_touch(&r.decoded);
    }
    rig_deinit(&r);
}

Test(batch_frame, sends_each_string_once)
{
    struct rig r;
    size_t sizes[3];
    rig_init(&r);
    for (int i = 0; i < 3; i++) {
        builder_reset(&r.scores);
        scores_fill(&r.scores, 50);
        struct batch scores = builder_batch(&r.scores);
        cr_assert_eq(rig_write(&r, &(struct wire_input){.scores = &scores}, (uint64_t)i + 1, 0),
                     STATUS_OK);
        sizes[i] = r.out.size;
        struct frame frame = rig_frame(&r);
        cr_assert_eq(rig_read(&r, &frame), STATUS_OK);
        batches_equal(&scores, &r.decoded.tables[TABLE_SCORES]);
    }
    cr_assert(sizes[1] < sizes[0]);
    cr_assert_eq(sizes[1], sizes[2]);
    rig_deinit(&r);
}

Test(batch_frame, a_frame_read_twice_is_the_same_and_a_gap_is_fatal)
{
    struct rig r;
    rig_init(&r);
    spans_fill(&r.spans, &r.schema, 20, 0);
    struct batch spans = builder_batch(&r.spans);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, 1, 0), STATUS_OK);
    struct frame frame = rig_frame(&r);
    cr_assert_eq(rig_read(&r, &frame), STATUS_OK);
    uint32_t entries = r.dictionaries.entries;
    cr_assert(rig_read(&r, &frame) == STATUS_OK, "%s", r.error.text);
    cr_assert_eq(r.dictionaries.entries, entries);
    batches_equal(&spans, &r.decoded.tables[TABLE_SPANS]);

    /* The second frame builds on the first: without it there is a gap. */
    builder_reset(&r.spans);
    spans_fill(&r.spans, &r.schema, 20, 20);
    spans = builder_batch(&r.spans);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, 2, 0), STATUS_OK);
    wire_dictionaries_reset(&r.dictionaries);
    frame = rig_frame(&r);
    cr_assert_eq(rig_read(&r, &frame), STATUS_CORRUPT);
    cr_assert(r.fault.fatal);
    rig_deinit(&r);
}

Test(batch_frame, a_new_connection_catches_up_with_dictionary_frames)
{
    struct rig r;
    struct buffer all = {0};
    rig_init(&r);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        builder_reset(&r.spans);
        spans_fill(&r.spans, &r.schema, 30, (uint32_t)seq * 30);
        struct batch spans = builder_batch(&r.spans);
        cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, seq, 0), STATUS_OK);
    }
    struct batch spans = builder_batch(&r.spans);
    /* Small pages, so that there are several. */
    wire_strings_write_all(&r.strings, 200, &all);
    struct slice left = buffer_slice(&all);
    int pages = 0;
    while (left.size > 0) {
        struct frame frame;
        size_t bytes;
        cr_assert_eq(frame_read(left, WIRE_PAYLOAD_MAX, &frame, &bytes, NULL), STATUS_OK);
        cr_assert_eq(frame.type, WIRE_DICTIONARY);
        cr_assert_eq(frame.flags, pages == 0 ? WIRE_FLAG_RESET : 0);
        cr_assert(wire_dictionary_frame_read(&frame, &r.dictionaries, &r.error) == STATUS_OK, "%s",
                  r.error.text);
        left = slice_of(left.data + bytes, left.size - bytes);
        pages++;
    }
    cr_assert(pages > 3, "%d", pages);
    struct frame frame = rig_frame(&r);
    cr_assert(rig_read(&r, &frame) == STATUS_OK, "%s", r.error.text);
    batches_equal(&spans, &r.decoded.tables[TABLE_SPANS]);
    buffer_deinit(&all);
    rig_deinit(&r);
}

Test(batch_frame, the_reset_flag_starts_new_dictionaries)
{
    struct rig r;
    rig_init(&r);
    spans_fill(&r.spans, &r.schema, 20, 0);
    struct batch spans = builder_batch(&r.spans);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, 1, 0), STATUS_OK);
    struct frame frame = rig_frame(&r);
    cr_assert_eq(rig_read(&r, &frame), STATUS_OK);
    wire_strings_deinit(&r.strings);
    builder_reset(&r.spans);
    spans_fill(&r.spans, &r.schema, 20, 500);
    spans = builder_batch(&r.spans);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, 2, WIRE_FLAG_RESET),
                 STATUS_OK);
    frame = rig_frame(&r);
    cr_assert(rig_read(&r, &frame) == STATUS_OK, "%s", r.error.text);
    batches_equal(&spans, &r.decoded.tables[TABLE_SPANS]);
    /* Without the flag the values differ from those sent before. */
    wire_dictionaries_reset(&r.dictionaries);
    builder_reset(&r.spans);
    spans_fill(&r.spans, &r.schema, 20, 0);
    spans = builder_batch(&r.spans);
    wire_strings_deinit(&r.strings);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, 3, 0), STATUS_OK);
    frame = rig_frame(&r);
    cr_assert_eq(rig_read(&r, &frame), STATUS_OK);
    wire_strings_deinit(&r.strings);
    builder_reset(&r.spans);
    spans_fill(&r.spans, &r.schema, 20, 900);
    spans = builder_batch(&r.spans);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, 4, 0), STATUS_OK);
    frame = rig_frame(&r);
    cr_assert_eq(rig_read(&r, &frame), STATUS_CORRUPT);
    cr_assert(strstr(r.error.text, "different") != NULL, "%s", r.error.text);
    rig_deinit(&r);
}

/* A payload whose frame was sealed; the caller damages it. */
static struct buffer payload_make(struct rig *r)
{
    struct buffer payload = {0};
    struct message bodies[2] = {{.body = slice_text("one")}, {.body = slice_text("two!")}};
    spans_fill(&r->spans, &r->schema, 11, 0);
    scores_fill(&r->scores, 3);
    struct batch spans = builder_batch(&r->spans);
    struct batch scores = builder_batch(&r->scores);
    cr_assert_eq(
        rig_write(r,
                  &(struct wire_input){
                      .spans = &spans, .scores = &scores, .messages = bodies, .message_count = 2},
                  9, 0),
        STATUS_OK);
    buffer_add_slice(&payload, rig_frame(r).payload);
    return payload;
}

Test(batch_frame, refuses_every_truncation)
{
    struct rig r;
    rig_init(&r);
    struct buffer payload = payload_make(&r);
    for (size_t size = 0; size < payload.size; size++) {
        uint8_t *tight = mem_alloc(size);
        bytes_copy(tight, payload.data, size);
        struct frame frame = {.type = WIRE_BATCH, .payload = slice_of(tight, size)};
        wire_dictionaries_reset(&r.dictionaries);
        cr_assert(rig_read(&r, &frame) < 0, "cut at %zu", size);
        mem_free(tight);
    }
    buffer_deinit(&payload);
    rig_deinit(&r);
}

Test(batch_frame, survives_every_bit_flip)
{
    struct rig r;
    uint64_t sum = 0;
    uint32_t refused = 0;
    rig_init(&r);
    struct buffer payload = payload_make(&r);
    for (size_t bit = 0; bit < payload.size * 8; bit++) {
        uint8_t *tight = mem_alloc(payload.size);
        memcpy(tight, payload.data, payload.size);
        tight[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct frame frame = {.type = WIRE_BATCH, .payload = slice_of(tight, payload.size)};
        wire_dictionaries_reset(&r.dictionaries);
        enum status s = rig_read(&r, &frame);
        if (s == STATUS_OK)
            sum += batch_touch(&r.decoded);
        else
            refused++;
        mem_free(tight);
    }
    /* Flips of values change values; flips of the structure are refused. */
    cr_assert(refused > 1000 && sum != 0);
    buffer_deinit(&payload);
    rig_deinit(&r);
}

Test(batch_frame, bytes_at_odd_addresses_are_read_too)
{
    struct rig r;
    rig_init(&r);
    struct buffer payload = payload_make(&r);
    for (size_t shift = 1; shift < 8; shift++) {
        uint8_t *moved = mem_alloc(payload.size + shift);
        memcpy(moved + shift, payload.data, payload.size);
        struct frame frame = {.type = WIRE_BATCH, .payload = slice_of(moved + shift, payload.size)};
        wire_dictionaries_reset(&r.dictionaries);
        cr_assert_eq(rig_read(&r, &frame), STATUS_OK);
        (void)batch_touch(&r.decoded);
        mem_free(moved);
    }
    buffer_deinit(&payload);
    rig_deinit(&r);
}

/* ---- hand-made frames ---- */

static struct frame hand_frame(struct buffer *b)
{
    return (struct frame){.type = WIRE_BATCH, .payload = buffer_slice(b)};
}

static void hand_header(struct buffer *b, uint32_t rows, uint16_t columns)
{
    struct wire_batch_header h = {.batch_seq = 1, .rows = {rows}, .column_counts = {columns}};
    buffer_reset(b);
    buffer_add(b, &h, sizeof h);
}

static void hand_column(struct buffer *b, const struct wire_column_header *h)
{
    buffer_add(b, h, sizeof *h);
}

Test(batch_frame, holds_the_row_limit)
{
    struct rig r;
    struct buffer b = {0};
    struct wire_column_header h = {.id = SPANS_http_status, .storage = STORAGE_I64, .base = 200};
    rig_init(&r);
    hand_header(&b, BATCH_ROWS_MAX, 1);
    hand_column(&b, &h);
    struct frame frame = hand_frame(&b);
    cr_assert(rig_read(&r, &frame) == STATUS_OK, "%s", r.error.text);
    cr_assert_eq(r.decoded.tables[TABLE_SPANS].columns[0].vector.i64[BATCH_ROWS_MAX - 1], 200);
    hand_header(&b, BATCH_ROWS_MAX + 1, 1);
    hand_column(&b, &h);
    frame = hand_frame(&b);
    cr_assert_eq(rig_read(&r, &frame), STATUS_LIMIT);
    cr_assert(!r.fault.fatal && r.fault.batch_seq == 1);
    buffer_deinit(&b);
    rig_deinit(&r);
}

Test(batch_frame, constant_columns_do_not_unfold_without_end)
{
    struct rig r;
    struct buffer b = {0};
    rig_init(&r);
    hand_header(&b, BATCH_ROWS_MAX, 1000);
    for (int i = 0; i < 1000; i++)
        hand_column(&b, &(struct wire_column_header){.id = SPANS_turn, .base = 1});
    struct frame frame = hand_frame(&b);
    cr_assert_eq(rig_read(&r, &frame), STATUS_LIMIT);
    cr_assert(r.arena.bytes < 2 * (size_t)WIRE_CELL_BYTES_MAX);
    buffer_deinit(&b);
    rig_deinit(&r);
}

Test(batch_frame, names_the_column_that_is_wrong)
{
    static const struct {
        struct wire_column_header header;
        char why[40];
    } cases[] = {
        {{.id = SPANS_turn, .storage = STORAGE_F64}, "storage"},
        {{.id = SPANS_turn, .width = 3}, "width"},
        {{.id = SPANS_turn, .width = 16}, "width"},
        {{.id = SPANS_temperature, .storage = STORAGE_F64, .width = 4}, "width"},
        {{.id = SPANS_turn, .reserved = 1}, "reserved"},
        {{.id = SPANS_turn, .flags = 2}, "reserved"},
        {{.id = SPANS_turn, .value_count = 1}, "reserved"},
        {{.id = SPANS_turn, .name_bytes = 4}, "name"},
        {{.id = SPANS_model, .storage = STORAGE_STR, .base = 1}, "outside the dictionary"},
        {{.id = SPANS_model, .storage = STORAGE_STR, .flags = 1}, "bitmap"},
        {{.id = SPANS_seq, .base = 1}, "server"},
        {{.id = SPANS_input, .storage = STORAGE_REFS, .value_count = 3}, "count of values"},
    };
    struct rig r;
    struct buffer b = {0};
    rig_init(&r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct column *column = table_column(TABLE_SPANS, cases[i].header.id);
        hand_header(&b, 8, 1);
        hand_column(&b, &cases[i].header);
        struct frame frame = hand_frame(&b);
        cr_assert(rig_read(&r, &frame) < 0, "case %zu", i);
        cr_assert(strstr(r.error.text, cases[i].why) != NULL, "case %zu: %s", i, r.error.text);
        cr_assert(strstr(r.fault.column, column->name) != NULL, "case %zu: %s", i, r.fault.column);
        cr_assert(!r.fault.fatal);
    }
    buffer_deinit(&b);
    rig_deinit(&r);
}

Test(batch_frame, refuses_a_column_that_stands_twice)
{
    struct rig r;
    struct buffer b = {0};
    rig_init(&r);
    hand_header(&b, 3, 2);
    hand_column(&b, &(struct wire_column_header){.id = SPANS_turn, .base = 1});
    hand_column(&b, &(struct wire_column_header){.id = SPANS_turn, .base = 1});
    struct frame frame = hand_frame(&b);
    cr_assert_eq(rig_read(&r, &frame), STATUS_CORRUPT);
    cr_assert_str_eq(r.fault.column, "spans.turn");
    buffer_deinit(&b);
    rig_deinit(&r);
}

Test(batch_frame, dictionaries_hold_their_limits)
{
    struct rig r;
    struct buffer b = {0};
    rig_init(&r);
    for (unsigned more = 0; more < 2; more++) {
        struct wire_batch_header h = {.batch_seq = 1, .dictionary_count = 1};
        struct wire_delta_header d = {.table = TABLE_SPANS,
                                      .column_id = SPANS_session,
                                      .start = 1,
                                      .count = WIRE_DICTIONARY_ENTRIES_MAX + more};
        buffer_reset(&b);
        buffer_add(&b, &h, sizeof h);
        buffer_add(&b, &d, sizeof d);
        memset(part_add(&b, d.count * sizeof(uint32_t)), 0, d.count * sizeof(uint32_t));
        struct frame frame = hand_frame(&b);
        wire_dictionaries_reset(&r.dictionaries);
        cr_assert_eq(rig_read(&r, &frame), more == 0 ? STATUS_OK : STATUS_CORRUPT);
        cr_assert_eq(r.fault.fatal, more != 0);
    }
    buffer_deinit(&b);
    rig_deinit(&r);
}

Test(batch_frame, the_writer_refuses_what_the_reader_would)
{
    struct rig r;
    rig_init(&r);
    char *long_text = mem_alloc(STR_BYTES_MAX + 1);
    memset(long_text, 'x', STR_BYTES_MAX + 1);
    builder_row(&r.spans);
    builder_str(&r.spans, SPANS_model, slice_of(long_text, STR_BYTES_MAX));
    struct batch spans = builder_batch(&r.spans);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &spans}, 1, 0), STATUS_OK);
    struct frame frame = rig_frame(&r);
    cr_assert_eq(rig_read(&r, &frame), STATUS_OK);

    struct slice values[2] = {SLICE_EMPTY, slice_of(long_text, STR_BYTES_MAX + 1)};
    struct dict dict = {.values = values, .count = 2};
    uint32_t codes[1] = {1};
    struct batch_column column = {.column = table_column(TABLE_SPANS, SPANS_model),
                                  .vector = {.storage = STORAGE_STR, .rows = 1}};
    column.vector.dict = &dict;
    column.vector.codes = codes;
    struct batch batch = {.table = TABLE_SPANS, .rows = 1, .column_count = 1, .columns = &column};
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &batch}, 2, 0), STATUS_LIMIT);
    cr_assert(strstr(r.error.text, "spans.model") != NULL, "%s", r.error.text);
    cr_assert_eq(r.out.size, 0);
    codes[0] = 2;
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &batch}, 2, 0), STATUS_INVALID);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.scores = &batch}, 2, 0), STATUS_INVALID);
    mem_free(long_text);
    rig_deinit(&r);
}

Test(messages_frame, carries_bodies_and_refuses_truncations)
{
    struct buffer out = {0};
    struct arena arena = {0};
    struct message bodies[3] = {
        {.body = slice_text("one")}, {.body = SLICE_EMPTY}, {.body = slice_text("three")}};
    struct message *read = NULL;
    uint32_t count = 0;
    wire_messages_write(bodies, 3, &out);
    struct frame frame;
    size_t bytes;
    cr_assert_eq(frame_read(buffer_slice(&out), WIRE_PAYLOAD_MAX, &frame, &bytes, NULL), STATUS_OK);
    cr_assert_eq(wire_messages_read(frame.payload, &arena, &read, &count, NULL), STATUS_OK);
    cr_assert_eq(count, 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(slice_equal(read[i].body, bodies[i].body));
    for (size_t size = 0; size < frame.payload.size; size++) {
        uint8_t *tight = mem_alloc(size);
        bytes_copy(tight, frame.payload.data, size);
        cr_assert(wire_messages_read(slice_of(tight, size), &arena, &read, &count, NULL) < 0);
        mem_free(tight);
    }
    buffer_deinit(&out);
    arena_deinit(&arena);
}

/* The example of FORMAT.md 9.9, byte for byte. */
Test(batch_frame, reads_the_example_of_the_format)
{
    static const char example[] = "0100000000000000"
                                  "020000000000000000000000"
                                  "00000000"
                                  "0100020000000000"
                                  "0000100001000000"
                                  "0100000006000000"
                                  "0600000000000000"
                                  "6770742d346f0000"
                                  "0100000001000000"
                                  "0800000000000000"
                                  "00002a36fe9c9717"
                                  "0005000000000000"
                                  "1000020000000000"
                                  "0000000000000000"
                                  "0100000000000000";
    struct rig r;
    _Alignas(8) uint8_t bytes[(sizeof example - 1) / 2];
    rig_init(&r);
    cr_assert(hex_decode(slice_text(example), bytes, sizeof bytes));
    struct frame frame = {.type = WIRE_BATCH, .payload = slice_of(bytes, sizeof bytes)};
    cr_assert(rig_read(&r, &frame) == STATUS_OK, "%s", r.error.text);
    const struct batch *spans = &r.decoded.tables[TABLE_SPANS];
    cr_assert(r.decoded.batch_seq == 1 && spans->rows == 2);
    cr_assert_eq(batch_vector(spans, SPANS_time)->i64[1], 1700000000000000005);
    cr_assert(slice_is(vector_bytes(batch_vector(spans, SPANS_model), 1), "gpt-4o"));

    /* And the writer makes the same bytes of it. */
    for (int i = 0; i < 2; i++) {
        builder_row(&r.spans);
        builder_i64(&r.spans, SPANS_time, 1700000000000000000 + (i == 0 ? 0 : 5));
        builder_str(&r.spans, SPANS_model, slice_text("gpt-4o"));
    }
    struct batch batch = builder_batch(&r.spans);
    cr_assert_eq(rig_write(&r, &(struct wire_input){.spans = &batch}, 1, 0), STATUS_OK);
    cr_assert(slice_equal(rig_frame(&r).payload, frame.payload));
    rig_deinit(&r);
}
