/*
 * test_ingest.c - OTLP requests become commits: all of it or what can be, once, within bounded memory.
 */
#include "tests/unit/engine/engine_fixture.h"

#include "bench/otlp_make.h"
#include "server/ingest/ingest.h"

struct door {
    struct store store;
    struct ingest *ingest;
};

static struct door door_open(void)
{
    struct door d = {.store = store_sim(NULL)};
    struct error error = {0};
    struct policy policy;
    cr_assert_eq(policy_load(NULL, NULL, &policy, &error), STATUS_OK, "%s", error.text);
    struct enrich_settings settings = policy_detach_settings(&policy);
    d.ingest = ingest_create(d.store.engine, &settings);
    policy_deinit(&policy);
    return d;
}

static void door_close(struct door *d)
{
    ingest_destroy(d->ingest);
    store_destroy(&d->store);
}

static enum status send(struct door *d, enum otlp_encoding encoding, enum otlp_signal signal,
                        struct slice body, struct ingest_result *result, struct error *error)
{
    struct ingest_request request = {
        .project = d->store.project, .signal = signal, .encoding = encoding, .body = body};
    enum status s = ingest_otlp(d->ingest, &request, result, error);
    if (s >= 0)
        cr_assert_eq(engine_wait(d->store.engine, result->ticket, 10 * NS_PER_S, error), STATUS_OK);
    return s;
}

static struct ingest_result send_ok(struct door *d, enum otlp_encoding encoding, struct slice body)
{
    struct ingest_result result;
    struct error error = {0};
    cr_assert_eq(send(d, encoding, OTLP_TRACES, body, &result, &error), STATUS_OK, "%s",
                 error.text);
    return result;
}

static struct ingest_result send_made(struct door *d, struct otlp_make make)
{
    struct buffer body = {0};
    otlp_make(&make, &body);
    struct ingest_result result =
        send_ok(d, make.json ? OTLP_JSON : OTLP_PROTOBUF, buffer_slice(&body));
    buffer_deinit(&body);
    return result;
}

Test(ingest, both_encodings_give_the_same_rows)
{
    struct door a = door_open();
    struct door b = door_open();
    struct ingest_result x = send_made(&a, (struct otlp_make){.spans = 64, .text_bytes = 100});
    struct ingest_result y =
        send_made(&b, (struct otlp_make){.spans = 64, .text_bytes = 100, .json = true});
    cr_expect_eq(x.accepted, 64);
    cr_expect_eq(y.accepted, 64);
    cr_expect_eq(row_count(&a.store, TABLE_SPANS), 64);
    cr_expect_eq(row_count(&b.store, TABLE_SPANS), 64);
    cr_expect_eq(engine_text_info(a.store.engine, a.store.project).messages,
                 engine_text_info(b.store.engine, b.store.project).messages);
    cr_expect_gt(engine_text_info(a.store.engine, a.store.project).messages, 0);
    door_close(&a);
    door_close(&b);
}

Test(ingest, a_request_sent_again_is_counted_once)
{
    struct door d = door_open();
    (void)send_made(&d, (struct otlp_make){.spans = 40});
    struct ingest_result again = send_made(&d, (struct otlp_make){.spans = 48});
    cr_expect_eq(again.accepted, 48);
    cr_expect_eq(again.duplicates, 40);
    cr_expect_eq(row_count(&d.store, TABLE_SPANS), 48);
    door_close(&d);
}

Test(ingest, a_large_request_is_cut_into_commits)
{
    struct door d = door_open();
    uint32_t spans = 2 * INGEST_CHUNK_ROWS + 17;
    struct ingest_result result = send_made(&d, (struct otlp_make){.spans = spans});
    cr_expect_eq(result.accepted, spans);
    cr_expect_eq(row_count(&d.store, TABLE_SPANS), spans);
    cr_expect_geq(result.ticket, 3);
    door_close(&d);
}

Test(ingest, spans_before_the_place_where_a_body_breaks_are_kept)
{
    struct door d = door_open();
    struct buffer body = {0};
    struct otlp_make make = {.spans = 32, .json = true};
    otlp_make(&make, &body);
    struct slice cut = slice_of(body.data, body.size - 40);
    struct ingest_result result = send_ok(&d, OTLP_JSON, cut);
    cr_expect_eq(result.accepted, 31);
    cr_expect_geq(result.rejected, 1);
    cr_expect_neq(result.message[0], 0);
    cr_expect_eq(row_count(&d.store, TABLE_SPANS), 31);
    buffer_deinit(&body);
    door_close(&d);
}

Test(ingest, a_body_of_something_else_is_an_error_that_says_so)
{
    struct door d = door_open();
    struct ingest_result result;
    struct error error = {0};
    static const char *const bodies[] = {"{\"resourceSpans\":[", "[1,2]",
                                         "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                         "\x0a\x7fshort"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        enum otlp_encoding encoding = i < 2 ? OTLP_JSON : OTLP_PROTOBUF;
        error = (struct error){0};
        cr_expect_eq(send(&d, encoding, OTLP_TRACES, slice_text(bodies[i]), &result, &error),
                     STATUS_INVALID, "body %zu", i);
        cr_expect_neq(error.text[0], 0);
    }
    cr_expect_eq(row_count(&d.store, TABLE_SPANS), 0);
    door_close(&d);
}

Test(ingest, a_class_that_is_not_in_the_taxonomy_is_refused_from_native_clients_and_other_from_sdks)
{
    struct door d = door_open();
    struct builder b;
    rows_begin(&d.store, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);
    builder_str(&b, SPANS_error_class, slice_text("my_own_class"));
    struct batch batch = builder_batch(&b);
    const struct append append = {.project = d.store.project, .spans = &batch};
    struct append_result taken;
    struct error error = {0};
    cr_expect_eq(ingest_append(d.ingest, &append, &taken, &error), STATUS_INVALID);
    cr_expect_not_null(strstr(error.text, "my_own_class"), "%s", error.text);
    builder_deinit(&b);

    struct ingest_result result = send_ok(
        &d, OTLP_JSON,
        slice_text(
            "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"00000000000000000000000000000001\","
            "\"spanId\":\"0000000000000001\",\"name\":\"x\",\"startTimeUnixNano\":\"1793491200000000000\",\"attributes\":"
            "[{\"key\":\"app.llm.error_class\",\"value\":{\"stringValue\":\"my_own_class\"}}]}]}]}]}"));
    cr_expect_eq(result.accepted, 1);
    cr_expect_eq(row_count(&d.store, TABLE_SPANS), 1);
    door_close(&d);
}

Test(ingest, a_store_that_takes_nothing_says_so_before_work_is_done)
{
    struct engine_options options = store_options();
    options.head_bytes_max = 1;
    struct door d = {.store = store_sim(&options)};
    struct error error = {0};
    struct policy policy;
    cr_assert_eq(policy_load(NULL, NULL, &policy, &error), STATUS_OK);
    struct enrich_settings settings = policy_detach_settings(&policy);
    d.ingest = ingest_create(d.store.engine, &settings);
    policy_deinit(&policy);
    (void)send_made(&d, (struct otlp_make){.spans = 8});
    struct buffer body = {0};
    struct otlp_make make = {.spans = 8, .first = 8};
    struct ingest_result result;
    otlp_make(&make, &body);
    cr_expect_eq(send(&d, OTLP_PROTOBUF, OTLP_TRACES, buffer_slice(&body), &result, &error),
                 STATUS_BUSY);
    cr_expect_eq(ingest_stats(d.ingest).spans, 8);
    buffer_deinit(&body);
    door_close(&d);
}

Test(ingest, settings_are_swapped_under_those_who_hold_them)
{
    struct door d = door_open();
    struct policy policy;
    struct error error = {0};
    struct shared_enricher *held = ingest_hold(d.ingest);
    (void)send_made(&d, (struct otlp_make){.spans = 8});
    cr_assert_eq(policy_load(NULL, NULL, &policy, &error), STATUS_OK);
    struct enrich_settings settings = policy_detach_settings(&policy);
    ingest_reload(d.ingest, &settings);
    policy_deinit(&policy);
    cr_expect_not_null(enricher_version(ingest_enricher(held)));
    ingest_release(d.ingest, held);
    (void)send_made(&d, (struct otlp_make){.spans = 8, .first = 8});
    cr_expect_eq(ingest_stats(d.ingest).spans, 16);
    cr_expect_gt(ingest_stats(d.ingest).enriched.priced, 0);
    door_close(&d);
}

/* ---- masks ---- */

static struct door door_masking_emails(void)
{
    struct door d = {.store = store_sim(NULL)};
    struct error error = {0};
    struct policy policy;
    cr_assert_eq(policy_parse("test", slice_text("mask:\n  - {name: emails, detect: pii.email}\n"), &policy, &error),
                 STATUS_OK, "%s", error.text);
    struct enrich_settings settings = policy_detach_settings(&policy);
    d.ingest = ingest_create(d.store.engine, &settings);
    policy_deinit(&policy);
    return d;
}

static bool stored(struct door *d, struct id128 address)
{
    struct id128 missing;
    return engine_messages_missing(d->store.engine, d->store.project, &address, 1, &missing) == 0;
}

Test(ingest, messages_ahead_of_their_spans_are_masked)
{
    struct door d = door_masking_emails();
    struct error error = {0};
    struct slice body = slice_text("{\"role\":\"user\",\"content\":\"write to jane@example.com\"}");
    struct message message = {.address = hash128(body), .body = body};
    struct append append = {.project = d.store.project, .messages = &message, .message_count = 1};
    struct append_result taken;
    cr_assert_eq(ingest_append(d.ingest, &append, &taken, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(engine_wait(d.store.engine, taken.ticket, NS_PER_S, &error), STATUS_OK);
    cr_expect_not(stored(&d, message.address), "the address was stored as it came");
    cr_expect_eq(engine_text_info(d.store.engine, d.store.project).messages, 1);

    struct builder b;
    rows_begin(&d.store, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);
    builder_str(&b, SPANS_input, slice_of(message.address.bytes, sizeof message.address.bytes));
    struct batch batch = builder_batch(&b);
    append = (struct append){.project = d.store.project, .spans = &batch};
    cr_expect_eq(ingest_append(d.ingest, &append, &taken, &error), STATUS_OK, "%s", error.text);
    builder_deinit(&b);
    door_close(&d);
}

Test(ingest, what_is_missing_is_named_as_the_client_knows_it)
{
    struct door d = door_masking_emails();
    struct error error = {0};
    struct slice body = slice_text("{\"role\":\"user\",\"content\":\"never sent\"}");
    struct id128 address = hash128(body);
    struct builder b;
    rows_begin(&d.store, &b, TABLE_SPANS);
    span_row(&b, 1, 1, HOUR0);
    builder_str(&b, SPANS_input, slice_of(address.bytes, sizeof address.bytes));
    struct batch batch = builder_batch(&b);
    struct append append = {.project = d.store.project, .spans = &batch};
    struct append_result taken;
    cr_expect_eq(ingest_append(d.ingest, &append, &taken, &error), STATUS_NOT_FOUND);
    cr_assert_eq(taken.missing, 1);
    cr_expect(id128_equal(taken.missing_addresses[0], address));
    builder_deinit(&b);
    door_close(&d);
}

/* ---- memory ---- */

/* What the request took at most beyond the body itself and what the store keeps. */
static void expect_bounded(struct door *d, enum otlp_encoding encoding, struct slice body,
                           const char *what)
{
    struct ingest_result result;
    struct error error = {0};
    struct ingest_request request = {
        .project = d->store.project, .signal = OTLP_TRACES, .encoding = encoding, .body = body};
    IGNORE_STATUS(engine_seal(d->store.engine, NULL));
    mem_peak_reset();
    size_t before = mem_in_use();
    enum status s = ingest_otlp(d->ingest, &request, &result, &error);
    size_t taken = mem_peak() - before;
    size_t kept = mem_in_use() - before;
    cr_expect(s == STATUS_OK || s == STATUS_INVALID || s == STATUS_LIMIT, "%s: %s", what,
              error.text);
    cr_expect_leq(taken, kept + 3 * body.size + INGEST_FLOOR_BYTES,
                  "%s: %zu bytes at the peak, %zu kept, body %zu", what, taken, kept, body.size);
    if (s >= 0)
        IGNORE_STATUS(engine_wait(d->store.engine, result.ticket, 30 * NS_PER_S, NULL));
}

Test(ingest, peak_memory_is_at_most_four_bodies)
{
    struct door d = door_open();
    size_t size = 16u << 20;
    struct buffer body = {0};

    uint8_t *bytes = buffer_reserve(&body, size);
    for (size_t i = 0; i < size; i += 2) {
        bytes[i] = 0x0a;
        bytes[i + 1] = 0;
    }
    body.size = size;
    expect_bounded(&d, OTLP_PROTOBUF, buffer_slice(&body), "empty resource spans");

    /* One span with as many two-byte attributes as fit. */
    struct buffer span = {0};
    pb_bytes(&span, 1, slice_of("0123456789abcdef", 16));
    pb_bytes(&span, 2, slice_of("01234567", 8));
    while (span.size < size / 2)
        pb_bytes(&span, 9, SLICE_EMPTY);
    struct buffer scope = {0};
    pb_message(&scope, 2, &span);
    struct buffer resource = {0};
    pb_message(&resource, 2, &scope);
    buffer_reset(&body);
    pb_message(&body, 1, &resource);
    expect_bounded(&d, OTLP_PROTOBUF, buffer_slice(&body), "a span of empty attributes");

    /* One attribute of text. */
    struct buffer text = {0};
    memset(buffer_reserve(&text, size / 2), 'x', size / 2);
    text.size = size / 2;
    struct attribute_sink s = {.field = 9, .to = &span};
    buffer_reset(&span);
    pb_bytes(&span, 1, slice_of("1123456789abcdef", 16));
    pb_bytes(&span, 2, slice_of("01234567", 8));
    attribute_text(&s, "gen_ai.input.messages", buffer_slice(&text));
    buffer_reset(&scope);
    pb_message(&scope, 2, &span);
    pb_message(&resource, 2, &scope);
    buffer_reset(&body);
    pb_message(&body, 1, &resource);
    expect_bounded(&d, OTLP_PROTOBUF, buffer_slice(&body), "one large text");

    /* Ordinary spans, many. */
    for (int json = 0; json < 2; json++) {
        struct otlp_make make = {
            .spans = 12000, .first = 100000 + 12000 * (uint64_t)json, .json = json != 0};
        buffer_reset(&body);
        otlp_make(&make, &body);
        expect_bounded(&d, json != 0 ? OTLP_JSON : OTLP_PROTOBUF, buffer_slice(&body),
                       "ordinary spans");
    }
    buffer_deinit(&s.value);
    buffer_deinit(&s.pair);
    buffer_deinit(&text);
    buffer_deinit(&span);
    buffer_deinit(&scope);
    buffer_deinit(&resource);
    buffer_deinit(&body);
    door_close(&d);
}
