/*
 * test_history_remap.c - what an older dialect table left in attributes becomes cells.
 */
#include "../../engine/engine_fixture.h"

#include "server/history/history.h"

struct row {
    const char *kind;       /* NULL: none */
    const char *model;      /* NULL: none */
    const char *attributes; /* NULL: none */
    uint64_t parent;        /* 0: root; spans of a row are all of trace 1 */
};
static const struct row rows[] = {
    /* 1 */ {"llm", NULL,
             "{\"gen_ai.request.model\":\"gpt-4o\",\"gen_ai.usage.input_tokens\":12,"
             "\"own.key\":true}",
             4},
    /* 2: the cell is there already */
    {"llm", "kept", "{\"gen_ai.request.model\":\"other\",\"own.key\":1}", 4},
    /* 3 */
    {"llm", NULL,
     "{\"gen_ai.input.messages\":[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":"
     "\"hello\"}]}],\"own.key\":2}",
     4},
    /* 4: a wrapper, whose usage is its children's */
    {"llm", NULL, "{\"gen_ai.request.model\":\"gpt-4o\",\"gen_ai.usage.input_tokens\":24}", 0},
    /* 5 */ {"tool", NULL, "{\"own.key\":3}", 4},
    /* 6 */ {"llm", NULL, NULL, 4},
    /* 7 */ {"llm", NULL, "{\"gen_ai.request.model\":\"gpt-4o-mini\"}", 4},
};
#define ROWS (sizeof rows / sizeof *rows)

static struct store filled(void)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    for (uint64_t i = 1; i <= ROWS; i++) {
        const struct row *r = &rows[i - 1];
        span_row(&b, 1, i, HOUR0 + (int64_t)i);
        if (r->parent != 0)
            builder_id64(&b, SPANS_parent_id, r->parent);
        if (r->kind != NULL)
            builder_str(&b, SPANS_kind, slice_text(r->kind));
        if (r->model != NULL)
            builder_str(&b, SPANS_model, slice_text(r->model));
        if (r->attributes != NULL)
            builder_str(&b, SPANS_attributes, slice_text(r->attributes));
    }
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    return s;
}

static struct remap_result remap(struct store *s, bool dry_run)
{
    const struct remap_options o = {.project = s->project, .dry_run = dry_run, .offline = true};
    struct error error = {0};
    struct remap_result result;
    cr_assert_eq(history_remap(s->engine, &o, NULL, &result, &error), STATUS_OK, "%s", error.text);
    return result;
}

static struct slice input_text(struct store *s, uint64_t span, struct arena *arena)
{
    const struct column *columns[] = {table_column(TABLE_SPANS, SPANS_span_id),
                                      table_column(TABLE_SPANS, SPANS_input)};
    const struct scan_options o = {
        .project = s->project, .table = TABLE_SPANS, .columns = columns, .column_count = 2};
    struct slice text = SLICE_EMPTY;
    struct scan *scan;
    struct scan_batch batch;
    cr_assert_eq(scan_open(s->engine, &o, &scan, NULL), STATUS_OK);
    struct scan_reader *reader = scan_reader_create(scan);
    while (scan_next(reader, &batch, NULL) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.rows; i++) {
            if (batch.vectors[0].id64[i] == span)
                cr_assert_eq(engine_messages_text(s->engine, s->project,
                                                  vector_bytes(&batch.vectors[1], i), arena, &text,
                                                  NULL),
                             STATUS_OK);
        }
    }
    scan_reader_destroy(reader);
    scan_close(scan);
    return text;
}

Test(history_remap, attributes_become_cells)
{
    struct store s = filled();
    struct arena arena = {0};
    struct remap_result result = remap(&s, false);
    cr_expect_eq(result.rows, ROWS);
    for (int round = 0; round < 2; round++) {
        expect_cell(&s, 1, 1, "model", "gpt-4o");
        expect_cell(&s, 1, 1, "tokens_in", "12");
        expect_cell(&s, 1, 1, "attributes", "{\"own.key\":true}");
        expect_cell(&s, 1, 2, "model", "kept");
        expect_cell(&s, 1, 4, "model", "gpt-4o");
        expect_cell(&s, 1, 4, "tokens_in", "NULL");
        expect_cell(&s, 1, 5, "attributes", "{\"own.key\":3}");
        expect_cell(&s, 1, 6, "model", "NULL");
        expect_cell(&s, 1, 6, "attributes", "NULL");
        expect_cell(&s, 1, 7, "model", "gpt-4o-mini");
        expect_cell(&s, 1, 3, "attributes", "{\"own.key\":2}");
        struct slice text = input_text(&s, 3, &arena);
        cr_expect_not_null(memmem(text.data, text.size, "hello", 5), "%.*s", SLICE_ARG(text));
        cr_expect_not_null(memmem(text.data, text.size, "user", 4), "%.*s", SLICE_ARG(text));
        cr_expect_eq(engine_verify(s.engine, NULL, NULL, NULL, NULL), STATUS_OK);
        store_reopen(&s);
    }
    cr_expect_eq(result.changed, 4);
    cr_expect_geq(result.cells, 5);
    /* What the wrapper repeats is still with it. */
    const char *kept = span_cell(&s, 1, 4, "attributes");
    cr_expect_not_null(strstr(kept, "24"), "%s", kept);
    arena_deinit(&arena);
    store_destroy(&s);
}

Test(history_remap, a_second_time_finds_nothing)
{
    struct store s = filled();
    (void)remap(&s, false);
    struct remap_result again = remap(&s, false);
    cr_expect_eq(again.changed, 0);
    cr_expect_eq(again.cells, 0);
    store_destroy(&s);
}

Test(history_remap, a_dry_run_writes_nothing)
{
    struct store s = filled();
    uint64_t messages = engine_text_info(s.engine, s.project).messages;
    struct remap_result result = remap(&s, true);
    cr_expect_eq(result.changed, 4);
    expect_cell(&s, 1, 1, "model", "NULL");
    expect_cell(&s, 1, 1, "attributes", rows[0].attributes);
    cr_expect_eq(engine_text_info(s.engine, s.project).messages, messages);
    cr_expect_eq(remap(&s, false).cells, result.cells);
    store_destroy(&s);
}
