/*
 * test_write_back.c - scores and tags as JSON: every form, every mistake by item and member, every truncation and bit flip; and that
 * what comes before its span joins it.
 */
#include "judge_fixture.h"

#include "server/judge/write_back.h"

#define TRACE "0102030405060708090a0b0c0d0e0f10"
#define SPAN  "00000000000000ff"
#define IDS   "\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\""

static enum status read_as(enum table table, struct slice body, uint32_t *ret_rows,
                           struct error *reterr)
{
    struct builder b;
    builder_init(&b, table, NULL);
    enum status s = write_back_read(body, &b, reterr);
    if (s >= 0)
        *ret_rows = b.rows;
    builder_deinit(&b);
    return s;
}

static enum status read_scores(const char *body, uint32_t *ret_rows, struct error *reterr)
{
    return read_as(TABLE_SCORES, slice_text(body), ret_rows, reterr);
}

Test(write_back, one_object_an_array_and_lines)
{
#define ONE "{" IDS ",\"name\":\"q\",\"value\":1}"
    static const struct {
        const char *body;
        uint32_t rows;
    } table[] = {{ONE, 1},
                 {" \r\n" ONE "\n", 1},
                 {"[" ONE "]", 1},
                 {"\n[ " ONE " ,\n" ONE " ] \n", 2},
                 {ONE "\n" ONE "\n\n" ONE, 3},
                 {ONE ONE, 2},
                 {"{\n  " IDS ",\n  \"name\": \"q\",\n  \"value\": 1\n}\n" ONE, 2}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct error error = {0};
        uint32_t rows = 0;
        cr_expect_eq(read_scores(table[i].body, &rows, &error), STATUS_OK, "%s: %s", table[i].body,
                     error.text);
        cr_expect_eq(rows, table[i].rows, "%s", table[i].body);
    }
#undef ONE
}

Test(write_back, numbers_booleans_and_labels)
{
    struct builder b;
    struct error error = {0};
    builder_init(&b, TABLE_SCORES, NULL);
    cr_assert_eq(
        write_back_read(
            slice_text(
                "[{" IDS ",\"name\":\"a\",\"value\":-2.5e1},"
                "{" IDS ",\"name\":\"b\",\"value\":true,\"label\":\"x\"},"
                "{" IDS ",\"name\":\"c\",\"value\":false,\"label\":null},"
                "{" IDS ",\"name\":\"d\",\"value\":\"rude \\u00fc\"},"
                "{\"trace_id\":\"" TRACE
                "\",\"name\":\"e\",\"label\":\"y\",\"time\":\"2026-11-01T00:00:00Z\","
                "\"source\":\"judge\",\"scorer\":\"s\",\"scorer_version\":\"2\",\"judge_model\":\"m\","
                "\"explanation\":\"because\"}]"),
            &b, &error),
        STATUS_OK, "%s", error.text);
    struct batch batch = builder_batch(&b);
    cr_assert_eq(batch.rows, 5);
    const struct vector *values = batch_vector(&batch, SCORES_value);
    const struct vector *labels = batch_vector(&batch, SCORES_label);
    const struct vector *spans = batch_vector(&batch, SCORES_span_id);
    cr_expect_eq(values->f64[0], -25);
    cr_expect_eq(values->f64[1], 1);
    cr_expect_eq(values->f64[2], 0);
    cr_expect(vector_has(values, 2) && !vector_has(values, 3) && !vector_has(values, 4));
    cr_expect_not(vector_has(labels, 0) || vector_has(labels, 2));
    cr_expect(slice_is(vector_bytes(labels, 1), "x"));
    cr_expect(slice_is(vector_bytes(labels, 3), "rude \xc3\xbc"));
    cr_expect_eq(spans->id64[0], 0xff);
    cr_expect_not(vector_has(spans, 4));
    cr_expect_eq(batch_vector(&batch, SCORES_time)->i64[4], 1793491200000000000);
    cr_expect(slice_is(vector_bytes(batch_vector(&batch, SCORES_source), 0), "client"),
              "unless said otherwise");
    cr_expect(slice_is(vector_bytes(batch_vector(&batch, SCORES_source), 4), "judge"));
    cr_expect(slice_is(vector_bytes(batch_vector(&batch, SCORES_explanation), 4), "because"));
    builder_deinit(&b);
}

Test(write_back, a_mistake_is_named_by_item_and_member)
{
#define GOOD "{" IDS ",\"name\":\"q\",\"value\":1}"
    static const struct {
        const char *body, *words;
    } table[] = {
        {"", "no score in the body"},
        {"[]", "no score in the body"},
        {"  \n", "no score in the body"},
        {"1", "item 0: the item: an object expected"},
        {"[1]", "item 0: the item: an object expected"},
        {"[" GOOD ",{\"name\":\"q\",\"value\":1}]", "item 1: trace_id: missing"},
        {GOOD "\n{" IDS ",\"value\":1}", "item 1: name: missing"},
        {"{" IDS ",\"name\":\"q\"}", "item 0: value: missing: a score has a value or a label"},
        {"{" IDS ",\"name\":\"q\",\"value\":null}", "item 0: value: missing"},
        {"{" IDS ",\"name\":\"a b\",\"value\":1}", "item 0: name: a score name has"},
        {"{" IDS ",\"name\":\"\",\"value\":1}", "item 0: name: a score name has"},
        {"{" IDS ",\"name\":1,\"value\":1}", "item 0: name: a string expected"},
        {"{" IDS ",\"name\":\"q\",\"value\":[1]}",
         "item 0: value: a number, true, false or a label"},
        {"{" IDS ",\"name\":\"q\",\"value\":1e999}", "item 0: value: not a finite number"},
        {"{" IDS ",\"name\":\"q\",\"value\":\"\"}", "item 0: value: a label is not empty"},
        {"{" IDS ",\"name\":\"q\",\"label\":\"a\",\"value\":\"b\"}",
         "item 0: value: the item has a label already"},
        {"{" IDS ",\"name\":\"q\",\"value\":1,\"value\":2}", "item 0: value: given twice"},
        {"{" IDS ",\"name\":\"q\",\"vlaue\":1}",
         "item 0: 'vlaue': unknown member; did you mean 'value'?"},
        {"{" IDS ",\"name\":\"q\",\"value\":1,\"zzzzzzzz\":1}",
         "item 0: 'zzzzzzzz': unknown member"},
        {"{\"trace_id\":\"12\",\"name\":\"q\",\"value\":1}", "item 0: trace_id: 32 hex digits"},
        {"{\"trace_id\":\"00000000000000000000000000000000\",\"name\":\"q\",\"value\":1}",
         "item 0: trace_id: 32 hex digits"},
        {"{\"trace_id\":\"" TRACE "\",\"span_id\":\"0\",\"name\":\"q\",\"value\":1}",
         "item 0: span_id: 16 hex digits"},
        {"{\"trace_id\":\"" TRACE "\",\"span_id\":\"0000000000000000\",\"name\":\"q\",\"value\":1}",
         "item 0: span_id: 16 hex"},
        {"{" IDS ",\"name\":\"q\",\"value\":1,\"source\":\"me\"}",
         "item 0: source: rule, judge, human or client"},
        {"{" IDS ",\"name\":\"q\",\"value\":1,\"time\":\"noon\"}", "item 0: time: a time like"},
        {"{" IDS ",\"name\":\"q\",\"value\":1,\"time\":1.5}", "item 0: time: a time like"},
        {"[" GOOD, "item 1: byte"},
        {"[" GOOD ",", "item 1: byte"},
        {"[" GOOD "] x", "byte"},
        {GOOD "x", "item 1: byte"},
        {"[[" GOOD "]]", "item 0: the item: an object expected"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint32_t rows = 0;
        struct error error = {0};
        cr_expect_eq(read_scores(table[i].body, &rows, &error), STATUS_INVALID, "%s",
                     table[i].body);
        cr_expect(strstr(error.text, table[i].words) != NULL, "%s: '%s'", table[i].body,
                  error.text);
    }
#undef GOOD
}

Test(write_back, tags_need_a_span_and_a_class)
{
    uint32_t rows = 0;
    struct error error = {0};
    cr_expect_eq(
        read_as(TABLE_TAGS,
                slice_text(
                    "{" IDS
                    ",\"class\":\"refusal\",\"by\":\"ada\",\"note\":\"n\",\"source\":\"human\"}"),
                &rows, &error),
        STATUS_OK, "%s", error.text);
    cr_expect_eq(rows, 1);
    static const struct {
        const char *body, *words;
    } table[] = {{"{\"trace_id\":\"" TRACE "\",\"class\":\"x\"}", "span_id: missing"},
                 {"{" IDS "}", "class: missing"},
                 {"{" IDS ",\"class\":\"\"}", "class: 1 to 256 bytes"},
                 {"{" IDS ",\"class\":\"x\",\"value\":1}", "'value': unknown member"},
                 {"", "no tag in the body"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        cr_expect_eq(read_as(TABLE_TAGS, slice_text(table[i].body), &rows, &error), STATUS_INVALID);
        cr_expect(strstr(error.text, table[i].words) != NULL, "%s: %s", table[i].body, error.text);
    }
}

Test(write_back, names_and_rows_at_their_limits)
{
    struct buffer body = {0};
    struct error error = {0};
    uint32_t rows = 0;
    for (uint32_t size = NAME_BYTES_MAX; size <= NAME_BYTES_MAX + 1; size++) {
        buffer_reset(&body);
        buffer_add_text(&body, "{" IDS ",\"value\":1,\"name\":\"");
        for (uint32_t i = 0; i < size; i++)
            buffer_add_byte(&body, 'n');
        buffer_add_text(&body, "\"}");
        cr_expect_eq(read_as(TABLE_SCORES, buffer_slice(&body), &rows, &error),
                     size <= NAME_BYTES_MAX ? STATUS_OK : STATUS_INVALID);
    }
    for (uint32_t count = BATCH_ROWS_MAX; count <= BATCH_ROWS_MAX + 1; count++) {
        buffer_reset(&body);
        for (uint32_t i = 0; i < count; i++)
            buffer_add_text(&body, "{" IDS ",\"name\":\"q\",\"value\":1}\n");
        enum status expected = count <= BATCH_ROWS_MAX ? STATUS_OK : STATUS_LIMIT;
        cr_expect_eq(read_as(TABLE_SCORES, buffer_slice(&body), &rows, &error), expected, "%s",
                     error.text);
    }
    cr_expect(strstr(error.text, "more than 65536 items") != NULL);
    buffer_deinit(&body);
}

/* A piece of a good body is never read as more than its whole items; whatever comes, it ends. */
Test(write_back, every_truncation_and_every_bit_flip)
{
    static const char body[] =
        "[{" IDS ",\"name\":\"q\",\"value\":-1.5e2,\"label\":\"a\\u00e4\\n\",\"time\":5},{" IDS
        ",\"name\":\"r\",\"value\":true,\"source\":\"human\"}]";
    uint32_t rows = 0;
    struct error error = {0};
    uint8_t *copy = mem_alloc(sizeof body);
    for (size_t size = 0; size < sizeof body - 1; size++) {
        uint8_t *piece = mem_alloc(size + 1);
        memcpy(piece, body, size);
        cr_expect_eq(read_as(TABLE_SCORES, slice_of(piece, size), &rows, &error), STATUS_INVALID,
                     "%zu bytes", size);
        mem_free(piece);
    }
    for (size_t bit = 0; bit < (sizeof body - 1) * 8; bit++) {
        memcpy(copy, body, sizeof body);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        rows = 0;
        enum status s = read_as(TABLE_SCORES, slice_of(copy, sizeof body - 1), &rows, &error);
        cr_expect(s == STATUS_INVALID || (s == STATUS_OK && rows == 2), "bit %zu", bit);
    }
    mem_free(copy);
}

Test(write_back, scores_before_their_span_join_it_also_across_seal_compaction_and_restart)
{
    for (int step = 0; step < 4; step++) {
        struct desk d;
        struct builder b;
        struct error error = {0};
        struct buffer body = {0};
        char trace[ID128_HEX_BYTES];
        desk_open(&d, NULL, 0);
        id128_to_hex(trace_of(1), trace);
        buffer_printf(
            &body,
            "{\"trace_id\":\"%.32s\",\"span_id\":\"0000000000000001\",\"name\":\"q\",\"value\":0.25}",
            trace);
        rows_begin(&d.store, &b, TABLE_SCORES);
        cr_assert_eq(write_back_read(buffer_slice(&body), &b, &error), STATUS_OK, "%s", error.text);
        (void)append(&d.store, NULL, &b, NULL);
        builder_deinit(&b);
        buffer_deinit(&body);
        if (step >= 1)
            seal(&d.store);
        if (step >= 2)
            (void)compact_full(&d.store);
        if (step >= 3)
            desk_restart(&d);
        add_span(&d, 1, 1, NULL);
        expect_answer(&d, "select score.q from spans", "0.25");
        seal(&d.store);
        (void)compact_full(&d.store);
        desk_restart(&d);
        expect_answer(&d, "select score.q from spans", "0.25");
        expect_answer(&d, "select count(*) from scores", "1");
        desk_close(&d);
    }
}
