/*
 * test_engine_usage.c - tokens and cost are counted once, and wrappers keep theirs in attributes.
 */
#include "engine_fixture.h"

static void call(struct builder *b, uint64_t trace, uint64_t span, uint64_t parent,
                 const char *kind, int64_t tokens, int64_t cost)
{
    span_row(b, trace, span, HOUR0 + (int64_t)span);
    if (parent != 0)
        builder_id64(b, SPANS_parent_id, parent);
    if (kind != NULL)
        builder_str(b, SPANS_kind, slice_text(kind));
    builder_i64(b, SPANS_tokens_in, tokens);
    builder_i64(b, SPANS_cost_usd, cost);
}

static void append_call(struct store *s, uint64_t trace, uint64_t span, uint64_t parent,
                        const char *kind, int64_t tokens, int64_t cost)
{
    struct builder b;
    rows_begin(s, &b, TABLE_SPANS);
    call(&b, trace, span, parent, kind, tokens, cost);
    (void)append(s, &b, NULL, NULL);
    builder_deinit(&b);
}

Test(engine_usage, wrappers_move_it_into_attributes)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    call(&b, 1, 1, 0, "agent", 30, 1500000000);
    call(&b, 1, 2, 1, "llm", 10, 5);
    call(&b, 1, 3, 1, "embedding", 20, 7);
    call(&b, 1, 4, 1, "tool", 0, 0); /* zeros stay zero */
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    expect_cell(&s, 1, 1, "tokens_in", "NULL");
    expect_cell(&s, 1, 1, "cost_usd", "NULL");
    expect_cell(&s, 1, 1, "attributes", "{\"usage\":{\"tokens_in\":30,\"cost_usd\":1.5}}");
    expect_cell(&s, 1, 2, "tokens_in", "10");
    expect_cell(&s, 1, 2, "attributes", "NULL");
    expect_cell(&s, 1, 3, "cost_usd", "7");
    expect_cell(&s, 1, 4, "tokens_in", "0");
    expect_cell(&s, 1, 4, "attributes", "NULL");
    store_reopen(&s);
    expect_cell(&s, 1, 1, "attributes", "{\"usage\":{\"tokens_in\":30,\"cost_usd\":1.5}}");
    store_destroy(&s);
}

Test(engine_usage, an_llm_span_with_an_llm_descendant_gives_its_own_up)
{
    struct store s = store_sim(NULL);
    struct builder b;
    rows_begin(&s, &b, TABLE_SPANS);
    call(&b, 1, 1, 0, "llm", 10, 1); /* over a chain over an llm span */
    call(&b, 1, 2, 1, "chain", 0, 0);
    call(&b, 1, 3, 2, "llm", 10, 1);
    call(&b, 1, 4, 3, "tool", 0, 0);
    call(&b, 2, 1, 0, "llm", 4, 0); /* the same ids in another trace: a parent of nothing */
    call(&b, 3, 5, 0, "llm", 6, 0); /* over an embedding: keeps its own */
    call(&b, 3, 6, 5, "embedding", 6, 0);
    (void)append(&s, &b, NULL, NULL);
    builder_deinit(&b);
    expect_cell(&s, 1, 1, "tokens_in", "NULL");
    expect_cell(&s, 1, 3, "tokens_in", "10");
    expect_cell(&s, 2, 1, "tokens_in", "4");
    expect_cell(&s, 3, 5, "tokens_in", "6");
    expect_cell(&s, 3, 6, "tokens_in", "6");
    store_destroy(&s);
}

Test(engine_usage, a_parent_that_comes_after_its_llm_child_is_recognised)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct store s = store_sim(NULL);
        append_call(&s, 1, 3, 2, "llm", 10, 1);
        append_call(&s, 1, 2, 1, "chain", 10, 1);
        if (restarts)
            store_reopen(&s);
        append_call(&s, 1, 1, 0, "llm", 10, 1);
        expect_cell(&s, 1, 3, "tokens_in", "10");
        expect_cell(&s, 1, 2, "tokens_in", "NULL");
        expect_cell(&s, 1, 1, "tokens_in", "NULL");
        expect_cell(&s, 1, 1, "attributes",
                    "{\"usage\":{\"tokens_in\":10,\"cost_usd\":0.000000001}}");
        store_destroy(&s);
    }
}

Test(engine_usage, a_span_of_unknown_kind_keeps_its_own)
{
    struct store s = store_sim(NULL);
    append_call(&s, 1, 1, 0, NULL, 10, 1);
    expect_cell(&s, 1, 1, "tokens_in", "10");
    store_destroy(&s);
}

struct attributes_case {
    char before[64];
    char after[96];
};

Test(engine_usage, attributes_keep_what_they_had)
{
    static const struct attributes_case cases[] = {
        {"{}", "{\"usage\":{\"tokens_in\":3}}"},
        {" { } ", "{\"usage\":{\"tokens_in\":3} } "},
        {"{\"a\":1}", "{\"usage\":{\"tokens_in\":3},\"a\":1}"},
        {"{\"usage\":1}", "{\"usage_2\":{\"tokens_in\":3},\"usage\":1}"},
        {"{\"a\":{\"usage\":1}}", "{\"usage\":{\"tokens_in\":3},\"a\":{\"usage\":1}}"},
        {"{\"us\\u0061ge\":1,\"usage_2\":2}",
         "{\"usage_3\":{\"tokens_in\":3},\"us\\u0061ge\":1,\"usage_2\":2}"},
        /* No object: neither is touched. */
        {"[1]", "[1]"},
        {"text", "text"},
    };
    struct store s = store_sim(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct builder b;
        rows_begin(&s, &b, TABLE_SPANS);
        call(&b, i, 1, 0, "agent", 3, 0);
        builder_str(&b, SPANS_attributes, slice_text(cases[i].before));
        (void)append(&s, &b, NULL, NULL);
        builder_deinit(&b);
        bool moved = cases[i].before[0] == '{' || cases[i].before[0] == ' ';
        expect_cell(&s, i, 1, "tokens_in", moved ? "NULL" : "3");
        expect_cell(&s, i, 1, "attributes", cases[i].after);
    }
    store_destroy(&s);
}
