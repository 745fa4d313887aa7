/*
 * test_enrich_view.c - a row as scorers see it: every field, what NULL looks like, and which bodies are asked for.
 */
#include "enrich_fixture.h"

#include <math.h>

#include "engine/enrich/enrich_internal.h"

struct text_field {
    uint16_t column;
    size_t offset;
};
#define TEXT_FIELD(column, field)                                                                  \
    {                                                                                              \
        SPANS_##column, offsetof(struct span_view, field)                                          \
    }
static const struct text_field texts[] = {
    TEXT_FIELD(session, session),
    TEXT_FIELD(kind, kind),
    TEXT_FIELD(name, name),
    TEXT_FIELD(model, model),
    TEXT_FIELD(model_served, model_served),
    TEXT_FIELD(provider, provider),
    TEXT_FIELD(service, service),
    TEXT_FIELD(prompt_name, prompt_name),
    TEXT_FIELD(prompt_version, prompt_version),
    TEXT_FIELD(environment, environment),
    TEXT_FIELD(status, status),
    TEXT_FIELD(finish_reason, finish_reason),
    TEXT_FIELD(error_type, error_type),
    TEXT_FIELD(error_message, error_message),
    TEXT_FIELD(tool_name, tool_name),
    TEXT_FIELD(tool_call_id, tool_call_id),
    TEXT_FIELD(tool_args, tool_args),
    TEXT_FIELD(tool_result, tool_result),
    TEXT_FIELD(retrieved, retrieved),
    TEXT_FIELD(attributes, attributes),
};
#define TEXT_COUNT (sizeof texts / sizeof *texts)

struct number_field {
    uint16_t column;
    size_t offset;
};
static const struct number_field numbers[] = {
    {SPANS_time, offsetof(struct span_view, time_ns)},
    {SPANS_http_status, offsetof(struct span_view, http_status)},
    {SPANS_latency_ms, offsetof(struct span_view, latency_ns)},
    {SPANS_ttft_ms, offsetof(struct span_view, ttft_ns)},
    {SPANS_tokens_in, offsetof(struct span_view, tokens_in)},
    {SPANS_tokens_out, offsetof(struct span_view, tokens_out)},
    {SPANS_cost_usd, offsetof(struct span_view, cost_nusd)},
    {SPANS_tool_result_empty, offsetof(struct span_view, tool_result_empty)},
    {SPANS_retrieved_count, offsetof(struct span_view, retrieved_count)},
};
#define NUMBER_COUNT (sizeof numbers / sizeof *numbers)

static struct slice text_at(const struct span_view *v, size_t i)
{
    struct slice s;
    memcpy(&s, (const char *)v + texts[i].offset, sizeof s);
    return s;
}

static int64_t number_at(const struct span_view *v, size_t i)
{
    int64_t n;
    memcpy(&n, (const char *)v + numbers[i].offset, sizeof n);
    return n;
}

Test(enrich_view, every_field_comes_from_its_column)
{
    struct desk *d = desk_begin(NULL);
    struct body_map bodies;
    struct view_reader reader;
    struct span_view v;
    uint64_t id = desk_row(d, "");
    builder_id64(&d->in, SPANS_parent_id, 77);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        desk_text(d, texts[i].column, table_column(TABLE_SPANS, texts[i].column)->name);
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        builder_i64(&d->in, numbers[i].column, 1000 + (int64_t)i);
    builder_f64(&d->in, SPANS_temperature, 0.5);
    builder_f64(&d->in, SPANS_retrieved_top_score, 0.75);
    desk_row(d, "");
    struct enrich_work work = {.project = slice_text("p"),
                               .schema = &d->schema,
                               .spans = builder_batch(&d->in),
                               .arena = &d->arena};
    body_map_init(&bodies, &work);
    view_reader_init(&reader, &work, &bodies, NULL);

    view_read(&reader, 0, &v);
    cr_expect(slice_is(v.project, "p") && id128_equal(v.trace_id, desk_trace(1)) &&
              v.span_id == id && v.parent_id == 77);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        cr_expect(slice_is(text_at(&v, i), table_column(TABLE_SPANS, texts[i].column)->name),
                  "text %zu", i);
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        cr_expect_eq(number_at(&v, i), 1000 + (int64_t)i, "number %zu", i);
    cr_expect(v.temperature == 0.5 && v.retrieved_top_score == 0.75);
    cr_expect(v.has_tool_result && v.has_retrieved);

    view_read(&reader, 1, &v);
    cr_expect_eq(v.parent_id, 0);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        cr_expect_eq(text_at(&v, i).size, 0, "text %zu", i);
    for (size_t i = 1; i < NUMBER_COUNT; i++)
        cr_expect_eq(number_at(&v, i), -1, "number %zu", i);
    cr_expect(isnan(v.temperature) && isnan(v.retrieved_top_score));
    cr_expect(!v.has_tool_result && !v.has_retrieved);
    cr_expect(v.input_count == 0 && v.output_count == 0 && v.tool_count == 0);
    view_reader_deinit(&reader);
    desk_end(d);
}

Test(enrich_view, an_empty_result_is_not_a_missing_one)
{
    struct desk *d = desk_begin(NULL);
    struct body_map bodies;
    struct view_reader reader;
    struct span_view v;
    desk_row(d, "tool");
    desk_text(d, SPANS_tool_result, "");
    struct enrich_work work = {.project = SLICE_EMPTY,
                               .schema = &d->schema,
                               .spans = builder_batch(&d->in),
                               .arena = &d->arena};
    body_map_init(&bodies, &work);
    view_reader_init(&reader, &work, &bodies, NULL);
    view_read(&reader, 0, &v);
    cr_expect(v.has_tool_result && v.tool_result.size == 0);
    view_reader_deinit(&reader);
    desk_end(d);
}

#define QUESTION "{\"role\":\"user\",\"content\":\"where is my order\"}"
#define ANSWER   "{\"role\":\"assistant\",\"content\":\"it is on its way\"}"
#define NEXT     "{\"role\":\"user\",\"content\":\"thank you\"}"

static void turn(struct desk *d, const char *const *history, size_t count, const char *answer)
{
    struct id128 refs[8];
    for (size_t i = 0; i < count; i++)
        refs[i] = hash128(slice_text(history[i]));
    desk_row(d, "llm");
    builder_str(&d->in, SPANS_input, slice_of(refs, count * sizeof *refs));
    refs[0] = hash128(slice_text(answer));
    builder_str(&d->in, SPANS_output, slice_of(refs, sizeof *refs));
}

Test(enrich_view, a_history_that_scorers_remember_is_not_fetched_again)
{
    struct desk *d = desk_begin(NULL);
    static const char *const history[] = {QUESTION, ANSWER, NEXT};
    (void)message_set_add(&d->stored, slice_text(QUESTION));
    (void)message_set_add(&d->stored, slice_text(ANSWER));
    (void)message_set_add(&d->stored, slice_text(NEXT));
    turn(d, history, 1, ANSWER);
    desk_enrich(d);
    cr_expect_eq(d->fetches, 2, "question and answer, %u", d->fetches);
    desk_next(d);
    d->fetches = 0;
    turn(d, history, 3, ANSWER);
    turn(d, history, 3, ANSWER);
    desk_enrich(d);
    cr_expect(d->fetches <= 3, "each at most once a batch: %u", d->fetches);
    desk_next(d);
    d->fetches = 0;
    turn(d, history, 3, ANSWER);
    desk_enrich(d);
    cr_expect_eq(d->fetches, 1, "the answer is read, the history is remembered: %u", d->fetches);
    desk_end(d);
}

Test(enrich_view, what_is_not_stored_is_asked_for_once_a_batch)
{
    struct desk *d = desk_begin(NULL);
    static const char *const history[] = {QUESTION};
    for (int i = 0; i < 200; i++)
        turn(d, history, 1, ANSWER);
    desk_enrich(d);
    cr_expect_eq(d->fetches, 2, "%u", d->fetches);
    desk_end(d);
}

Test(enrich_view, more_bodies_than_the_map_started_with)
{
    struct desk *d = desk_begin(NULL);
    char body[64];
    for (int i = 0; i < 500; i++) {
        (void)snprintf(body, sizeof body, "{\"role\":\"assistant\",\"content\":\"%d\"}", i);
        (void)message_set_add(&d->stored, slice_text(body));
        const char *const history[] = {QUESTION};
        turn(d, history, 1, body);
    }
    desk_enrich(d);
    cr_expect_eq(d->fetches, 501, "%u", d->fetches);
    for (uint32_t row = 0; row < 500; row++)
        cr_expect_eq(desk_score(d, row, "not_empty"), 1);
    desk_end(d);
}
