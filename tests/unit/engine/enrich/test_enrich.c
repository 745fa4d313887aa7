/*
 * test_enrich.c - a batch on arrival: prices, classes, scores, and what a batch looks like afterwards.
 */
#include "enrich_fixture.h"

/* ---- prices ---- */

Test(enrich, a_call_without_a_cost_is_priced)
{
    struct desk *d = desk_begin(NULL);
    desk_row(d, "llm");
    desk_text(d, SPANS_model, "gpt-4o");
    builder_i64(&d->in, SPANS_tokens_in, 1000);
    builder_i64(&d->in, SPANS_tokens_out, 100);
    builder_i64(&d->in, SPANS_tokens_cached, 400);
    desk_enrich(d);
    cr_expect_eq(desk_i64(d, 0, SPANS_cost_usd), 600 * 2500 + 400 * 1250 + 100 * 10000);
    cr_expect_eq(desk_i64(d, 0, SPANS_cost_estimated), 1);
    cr_expect(desk_is(d, 0, SPANS_pricing_version, "test-1"));
    cr_expect(d->counts.priced == 1 && d->counts.unpriced == 0);
    desk_end(d);
}

Test(enrich, what_the_client_says_about_a_cost_stays)
{
    struct desk *d = desk_begin(NULL);
    desk_row(d, "llm");
    desk_text(d, SPANS_model, "gpt-4o");
    builder_i64(&d->in, SPANS_tokens_in, 1000);
    builder_i64(&d->in, SPANS_cost_usd, 77);
    desk_row(d, "llm");
    builder_i64(&d->in, SPANS_cost_usd, 78);
    builder_i64(&d->in, SPANS_cost_estimated, 1);
    desk_text(d, SPANS_pricing_version, "theirs");
    desk_enrich(d);
    cr_expect_eq(desk_i64(d, 0, SPANS_cost_usd), 77);
    cr_expect_eq(desk_i64(d, 0, SPANS_cost_estimated), 0);
    cr_expect(desk_is(d, 0, SPANS_pricing_version, "client"));
    cr_expect_eq(desk_i64(d, 1, SPANS_cost_usd), 78);
    cr_expect_eq(desk_i64(d, 1, SPANS_cost_estimated), 1);
    cr_expect(desk_is(d, 1, SPANS_pricing_version, "theirs"));
    cr_expect_eq(d->counts.priced, 0);
    desk_end(d);
}

Test(enrich, only_calls_with_tokens_of_a_known_model_are_priced)
{
    struct desk *d = desk_begin(NULL);
    static const char *const kinds[] = {"llm", "llm", "agent", "embedding", "", "llm"};
    static const char *const models[] = {"gpt-4o", "mystery", "gpt-4o", "gpt-4o", "gpt-4o", ""};
    static const bool tokens[] = {false, true, true, true, true, true};
    static const bool priced[] = {false, false, false, true, true, false};
    for (size_t i = 0; i < 6; i++) {
        desk_row(d, kinds[i]);
        if (*models[i] != 0)
            desk_text(d, SPANS_model, models[i]);
        if (tokens[i])
            builder_i64(&d->in, SPANS_tokens_in, 10);
    }
    desk_enrich(d);
    for (uint32_t i = 0; i < 6; i++) {
        cr_expect_eq(desk_has(d, i, SPANS_cost_usd), priced[i], "row %u", i);
        cr_expect_eq(desk_has(d, i, SPANS_cost_estimated), priced[i], "row %u", i);
        cr_expect_eq(desk_has(d, i, SPANS_pricing_version), priced[i], "row %u", i);
    }
    cr_expect(d->counts.priced == 2 && d->counts.unpriced == 1);
    desk_end(d);
}

Test(enrich, the_service_tier_stands_among_the_attributes)
{
    static const struct {
        const char *attributes, *tier;
    } examples[] = {
        {"{\"openai.response.service_tier\":\"batch\"}", "batch"},
        {"{\"gen_ai.openai.request.service_tier\":\"auto\",\"x\":[{}],\"gen_ai.openai.response.service_tier\":\"batch\"}",
         "batch"},
        {"{\"gen_ai.openai.response.service_tier\":\"default\",\"openai.request.service_tier\":\"batch\"}",
         "default"},
        {"{\"openai.request.service_tier\":\"flex\"}", "flex"},
        {"{\"a\":\"service_tier\"}", ""},
        {"{\"deep\":{\"service_tier\":\"batch\"}}", ""},
        {"{\"openai.response.service_tier\":7}", ""},
        {"[\"service_tier\"]", ""},
        {"{\"service_tier\"", ""},
        {"", ""},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct slice tier = enrich_service_tier(slice_text(examples[i].attributes), &arena);
        cr_expect(slice_is(tier, examples[i].tier), "%s: %.*s", examples[i].attributes,
                  SLICE_ARG(tier));
    }
    arena_deinit(&arena);
    struct desk *d = desk_begin(NULL);
    desk_row(d, "llm");
    desk_text(d, SPANS_model, "gpt-4o");
    desk_text(d, SPANS_attributes, examples[0].attributes);
    builder_i64(&d->in, SPANS_tokens_in, 1000);
    desk_enrich(d);
    cr_expect_eq(desk_i64(d, 0, SPANS_cost_usd), 1000 * 1250);
    desk_end(d);
}

/* ---- classes ---- */

Test(enrich, facts_give_classes_and_their_source)
{
    struct desk *d = desk_begin(NULL);
    desk_row(d, "llm");
    builder_i64(&d->in, SPANS_http_status, 429);
    desk_row(d, "llm");
    desk_text(d, SPANS_status, "ok");
    desk_row(d, "tool");
    desk_text(d, SPANS_status, "error");
    desk_text(d, SPANS_error_type, "KeyError");
    desk_row(d, "tool");
    desk_text(d, SPANS_error_message, "Request timed out");
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "rate_limit");
    cr_expect(desk_is(d, 0, SPANS_class_source, "rule"));
    cr_expect_str_eq(desk_class(d, 1), "none");
    cr_expect(!desk_has(d, 1, SPANS_class_source));
    cr_expect_str_eq(desk_class(d, 2), "tool_error");
    cr_expect_str_eq(desk_class(d, 3), "timeout");
    cr_expect_eq(d->counts.classified, 3);
    desk_end(d);
}

Test(enrich, truncation_beats_the_malformed_call_it_caused)
{
    struct desk *d = desk_begin(NULL);
    static const char cut[] =
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\","
        "\"function\":{\"name\":\"search\",\"arguments\":\"{\\\"q\\\": \\\"unfini\"}}]}";
    static const char *const reasons[] = {"length", "tool_calls"};
    for (size_t i = 0; i < 2; i++) {
        desk_row(d, "llm");
        desk_text(d, SPANS_finish_reason, reasons[i]);
        desk_message(d, SPANS_output, cut);
    }
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "truncation");
    cr_expect_str_eq(desk_class(d, 1), "tool_call_malformed");
    cr_expect_eq(desk_score(d, 1, "tool_args_valid"), 0);
    cr_expect(desk_finding(d, 1, "tool_args_valid"));
    desk_end(d);
}

Test(enrich, the_class_the_client_gave_stays)
{
    struct desk *d = desk_begin(NULL);
    desk_row(d, "llm");
    builder_i64(&d->in, SPANS_http_status, 429);
    desk_text(d, SPANS_error_class, "hallucination");
    desk_row(d, "llm");
    builder_i64(&d->in, SPANS_http_status, 429);
    desk_text(d, SPANS_error_class, "none");
    desk_text(d, SPANS_class_source, "human");
    desk_row(d, "llm");
    builder_i64(&d->in, SPANS_http_status, 429);
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "hallucination");
    cr_expect(desk_is(d, 0, SPANS_class_source, "client"));
    cr_expect_str_eq(desk_class(d, 1), "none");
    cr_expect(desk_is(d, 1, SPANS_class_source, "human"));
    cr_expect_str_eq(desk_class(d, 2), "rate_limit");
    desk_end(d);
}

Test(enrich, a_class_nobody_knows_is_an_error_that_helps)
{
    struct desk *d = desk_begin(NULL);
    desk_row(d, "llm");
    desk_row(d, "llm");
    desk_text(d, SPANS_error_class, "refusual");
    cr_expect_eq(desk_try(d), STATUS_INVALID);
    cr_expect(strstr(d->error.text, "row 1: error class 'refusual'") != NULL, "%s", d->error.text);
    cr_expect(strstr(d->error.text, "did you mean 'refusal'?") != NULL, "%s", d->error.text);
    cr_expect(strstr(d->error.text, "classes:") != NULL, "%s", d->error.text);
    cr_expect_eq(enricher_totals(d->enricher).classified, 0);
    cr_expect_eq(enrich_class_check(d->enricher, slice_text("zzz"), &d->error), STATUS_INVALID);
    cr_expect_eq(enrich_class_check(d->enricher, slice_text("loop"), &d->error), STATUS_OK);
    desk_end(d);
}

Test(enrich, or_it_becomes_other_with_a_finding)
{
    struct desk *d = desk_begin(NULL);
    d->lenient = true;
    desk_row(d, "llm");
    desk_text(d, SPANS_error_class, "my_class");
    desk_row(d, "llm");
    desk_text(d, SPANS_error_class, "loop");
    desk_row(d, "llm");
    desk_text(d, SPANS_error_class, "my_class");
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "other");
    cr_expect_str_eq(desk_class(d, 1), "loop");
    cr_expect_str_eq(desk_class(d, 2), "other");
    cr_expect(desk_finding(d, 0, "\"error_class\":\"the client said 'my_class'"));
    cr_expect(!desk_finding(d, 1, "error_class"));
    cr_expect_eq(d->counts.unknown_classes, 2);
    desk_end(d);
}

/* ---- what a batch looks like ---- */

Test(enrich, columns_nobody_needs_are_not_added)
{
    struct desk *d = desk_begin(NULL);
    desk_row(d, "other");
    desk_enrich(d);
    cr_expect_eq(d->work.spans.column_count, 5, "the four that came and scorer_version");
    cr_expect(desk_is(d, 0, SPANS_scorer_version, enricher_version(d->enricher)));
    desk_end(d);
}

Test(enrich, what_came_in_is_never_written_through)
{
    struct desk *d = desk_begin(NULL);
    struct buffer before = {0};
    struct buffer after = {0};
    d->lenient = true;
    for (int i = 0; i < 50; i++) {
        desk_row(d, i % 3 == 0 ? "tool" : "llm");
        desk_text(d, SPANS_model, "gpt-4o");
        builder_i64(&d->in, SPANS_tokens_in, i);
        builder_i64(&d->in, SPANS_http_status, i % 2 == 0 ? 200 : 429);
        desk_message(d, SPANS_output,
                     "{\"role\":\"assistant\",\"content\":\"I cannot help with that.\"}");
        if (i % 7 == 0)
            desk_text(d, SPANS_error_class, i % 2 == 0 ? "loop" : "unheard_of");
        if (i % 5 == 0)
            builder_i64(&d->in, SPANS_cost_usd, 5);
    }
    struct batch in = builder_batch(&d->in);
    batch_encode(&in, &before);
    desk_enrich(d);
    in = builder_batch(&d->in); /* the same vectors, listed anew */
    batch_encode(&in, &after);
    cr_expect(slice_equal(buffer_slice(&before), buffer_slice(&after)));
    buffer_deinit(&before);
    buffer_deinit(&after);
    desk_end(d);
}

Test(enrich, the_same_spans_and_settings_give_the_same_answer)
{
    struct buffer results[2] = {{0}, {0}};
    for (size_t k = 0; k < 2; k++) {
        struct desk *d = desk_begin(NULL);
        for (int i = 0; i < 40; i++) {
            desk_row(d, i % 3 == 0 ? "tool" : "llm");
            desk_text(d, SPANS_model, "gpt-4o");
            desk_text(d, SPANS_tool_args, i % 2 == 0 ? "{\"a\":1}" : "{\"a\":2}");
            builder_i64(&d->in, SPANS_tokens_in, i);
            builder_i64(&d->in, SPANS_http_status, i % 4 == 0 ? 500 : 200);
            desk_message(d, SPANS_output,
                         i % 2 == 0 ? "{\"role\":\"assistant\",\"content\":\"ok ok ok\"}"
                                    : "{\"role\":\"assistant\",\"content\":\"\"}");
        }
        desk_enrich(d);
        batch_encode(&d->work.spans, &results[k]);
        desk_end(d);
    }
    cr_expect(slice_equal(buffer_slice(&results[0]), buffer_slice(&results[1])));
    buffer_deinit(&results[0]);
    buffer_deinit(&results[1]);
}

Test(enrich, a_score_the_client_sent_stays)
{
    struct desk *d = desk_begin(NULL);
    const struct column *c = NULL;
    cr_assert_eq(schema_add_score(&d->schema, slice_text("score.complete"), &c, &d->error),
                 STATUS_OK);
    for (int i = 0; i < 2; i++) {
        desk_row(d, "llm");
        desk_text(d, SPANS_finish_reason, "length");
        desk_message(d, SPANS_output, "{\"role\":\"assistant\",\"content\":\"cut\"}");
        if (i == 0)
            builder_f64(&d->in, c->id, 0.75);
    }
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 0, "complete"), 0.75);
    cr_expect_eq(desk_score(d, 1, "complete"), 0);
    desk_end(d);
}

Test(enrich, a_project_full_of_score_columns_still_takes_spans)
{
    struct desk *d = desk_begin(NULL);
    for (uint32_t i = 0; i < SCORE_COLUMNS_MAX; i++) {
        char name[32];
        const struct column *c;
        (void)snprintf(name, sizeof name, "score.c%u", i);
        cr_assert_eq(schema_add_score(&d->schema, slice_text(name), &c, &d->error), STATUS_OK);
    }
    desk_row(d, "llm");
    desk_text(d, SPANS_finish_reason, "length");
    desk_message(d, SPANS_output, "{\"role\":\"assistant\",\"content\":\"cut\"}");
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "truncation");
    cr_expect_eq(schema_score_count(&d->schema), SCORE_COLUMNS_MAX);
    desk_end(d);
}

Test(enrich, without_scorers_masks_prices_and_classes_stay)
{
    struct enrich_settings s = desk_settings();
    s.scorers_off = true;
    struct desk *d = desk_begin(&s);
    desk_row(d, "llm");
    desk_text(d, SPANS_model, "gpt-4o");
    desk_text(d, SPANS_finish_reason, "length");
    builder_i64(&d->in, SPANS_tokens_in, 10);
    desk_message(d, SPANS_output, "{\"role\":\"assistant\",\"content\":\"I cannot help\"}");
    desk_enrich(d);
    cr_expect_str_eq(desk_class(d, 0), "truncation");
    cr_expect_eq(desk_i64(d, 0, SPANS_cost_usd), 25000);
    cr_expect_eq(schema_score_count(&d->schema), 0);
    cr_expect_eq(d->counts.scored, 0);
    desk_end(d);
}

Test(enrich, rules_give_scores_classes_and_findings)
{
    struct enrich_settings s = desk_settings();
    struct error error = {0};
    s.rules = rules_create();
    struct rule_spec spec = {
        .name = slice_text("short"),
        .version = SLICE_EMPTY,
        .project = SLICE_EMPTY,
        .when = {.op = RULE_EQ, .field = slice_text("kind"), .text = slice_text("llm")},
        .fail = {.op = RULE_GT,
                 .field = slice_text("tokens_out"),
                 .text = slice_text("100"),
                 .number = 100,
                 .is_number = true},
        .error_class = slice_text("hallucination"),
        .finding = slice_text("too long")};
    cr_assert_eq(rules_add(s.rules, &spec, &error), STATUS_OK, "%s", error.text);
    struct desk *d = desk_begin(&s);
    for (int64_t tokens = 100; tokens <= 101; tokens++) {
        desk_row(d, "llm");
        builder_i64(&d->in, SPANS_tokens_out, tokens);
    }
    desk_row(d, "tool");
    builder_i64(&d->in, SPANS_tokens_out, 1000);
    desk_enrich(d);
    cr_expect_eq(desk_score(d, 0, "short"), 1);
    cr_expect_eq(desk_score(d, 1, "short"), 0);
    cr_expect_eq(desk_score(d, 2, "short"), -1);
    cr_expect_str_eq(desk_class(d, 0), "none");
    cr_expect_str_eq(desk_class(d, 1), "hallucination");
    cr_expect(desk_finding(d, 1, "{\"short\":\"too long\"}"));
    desk_end(d);
}

Test(enrich, totals_add_up)
{
    struct desk *d = desk_begin(NULL);
    for (int i = 0; i < 3; i++) {
        desk_row(d, "llm");
        desk_text(d, SPANS_model, i == 0 ? "mystery" : "gpt-4o");
        builder_i64(&d->in, SPANS_tokens_in, 10);
        desk_text(d, SPANS_status, i == 1 ? "error" : "ok");
        desk_enrich(d);
        desk_next(d);
    }
    struct enrich_counts t = enricher_totals(d->enricher);
    cr_expect(t.priced == 2 && t.unpriced == 1 && t.classified == 1 && t.masked == 0);
    desk_end(d);
}

Test(enrich, an_empty_batch_is_nothing)
{
    struct desk *d = desk_begin(NULL);
    desk_enrich(d);
    cr_expect_eq(d->work.spans.rows, 0);
    (void)message_set_add(&d->messages, slice_text("{\"role\":\"user\",\"content\":\"x\"}"));
    desk_enrich(d);
    cr_expect_eq(d->work.message_count, 1, "bodies may come before their spans");
    desk_end(d);
}

/* ---- scores alone ---- */

struct seen {
    uint32_t count;
    double complete[2];
};

static void see(void *context, uint32_t row, const struct score *score)
{
    struct seen *s = context;
    s->count++;
    if (strcmp(score->name, "complete") == 0)
        s->complete[row] = score->value;
}

Test(enrich, scores_alone_are_those_of_arrival)
{
    struct desk *d = desk_begin(NULL);
    for (int i = 0; i < 2; i++) {
        desk_row(d, "llm");
        desk_text(d, SPANS_finish_reason, i == 0 ? "length" : "stop");
        desk_message(d, SPANS_output, "{\"role\":\"assistant\",\"content\":\"cut\"}");
    }
    struct seen seen = {.complete = {-1, -1}};
    desk_enrich(d);
    uint64_t scored = d->counts.scored;
    d->work.spans = builder_batch(&d->in);
    cr_assert_eq(enrich_scores(d->enricher, &d->work, see, &seen, &d->error), STATUS_OK);
    cr_expect_eq(seen.count, scored);
    cr_expect(seen.complete[0] == 0 && seen.complete[1] == 1);
    desk_end(d);
}

Test(enrich, the_version_changes_with_the_taxonomy)
{
    struct enrich_settings s = desk_settings();
    struct desk *a = desk_begin(NULL);
    cr_assert_eq(taxonomy_set(&s.taxonomy, slice_text("late"), BUCKET_OPS, 101, "", &a->error),
                 STATUS_OK);
    struct desk *b = desk_begin(&s);
    struct desk *c = desk_begin(NULL);
    cr_expect_str_neq(enricher_version(a->enricher), enricher_version(b->enricher));
    cr_expect_str_eq(enricher_version(a->enricher), enricher_version(c->enricher));
    desk_end(a);
    desk_end(b);
    desk_end(c);
}
