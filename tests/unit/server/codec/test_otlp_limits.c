/*
 * test_otlp_limits.c - bombs: whatever the bytes say, memory stays below 4x the body or a fixed floor, and the reader reads the next
 * request as if nothing had been.
 */
#include <criterion/criterion.h>

#include "otlp_fixture.h"
#include "server/codec/otlp_internal.h"

#define MEMORY_FLOOR ((size_t)4 << 20)

struct outcome {
    enum status status;
    struct otlp_result result;
    struct error error;
    size_t memory_peak;
    uint64_t spans, attributes;
};

static struct slice good_request(enum otlp_encoding encoding, struct buffer *body)
{
    struct buffer span = {0};
    struct buffer spans = {0};
    buffer_reset(body);
    if (encoding == OTLP_JSON) {
        buffer_add_text(body, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
                              "\"000102030405060708090a0b0c0d0e0f\",\"spanId\":"
                              "\"0001020304050607\"}]}]}]}");
    } else {
        pb_ids(&span, 1);
        pb_wrap(&spans, 2, &span);
        pb_request(body, &spans);
    }
    buffer_deinit(&span);
    buffer_deinit(&spans);
    return buffer_slice(body);
}

/* Reads it, checks the bound of memory and that nothing stays behind. */
static struct outcome bomb(enum otlp_encoding encoding, struct slice body)
{
    struct otlp_reader *r = otlp_reader_create();
    struct dump d = {.reader = r};
    struct otlp_sink sink = dump_sink(&d);
    struct outcome o = {0};
    struct buffer good = {0};
    o.status = otlp_read(r, OTLP_TRACES, encoding, body, &sink, &o.result, &o.error);
    o.memory_peak = d.memory_peak;
    o.spans = d.spans;
    o.attributes = d.attributes;
    size_t bound = 4 * body.size > MEMORY_FLOOR ? 4 * body.size : MEMORY_FLOOR;
    cr_assert_leq(o.memory_peak, bound, "%zu bytes for a body of %zu", o.memory_peak, body.size);
    cr_assert_leq(otlp_reader_memory(r), MEMORY_FLOOR + OTLP_KEPT_BYTES_MAX);

    struct otlp_result result = {0};
    cr_assert_eq(
        otlp_read(r, OTLP_TRACES, encoding, good_request(encoding, &good), &sink, &result, NULL),
        STATUS_OK);
    cr_assert_eq(result.accepted, 1);
    cr_assert_eq(result.dropped_attributes, 0);
    cr_assert_str_eq(result.message, "");
    buffer_deinit(&good);
    dump_deinit(&d);
    otlp_reader_destroy(r);
    return o;
}

static void repeat(struct buffer *to, const char *bytes, size_t size, size_t count)
{
    uint8_t *start = buffer_reserve(to, size * count);
    size_t all = size * count;
    bytes_copy(start, bytes, all < size ? all : size);
    for (size_t done = size; done < all; done *= 2)
        memcpy(start + done, start, done < all - done ? done : all - done);
    to->size += all;
}

/* One span with ids whose further fields are `fields`. */
static struct outcome span_bomb(struct buffer *fields)
{
    struct buffer span = {0};
    struct buffer spans = {0};
    struct buffer body = {0};
    pb_ids(&span, 1);
    buffer_add_slice(&span, buffer_slice(fields));
    buffer_deinit(fields);
    pb_wrap(&spans, 2, &span);
    buffer_deinit(&span);
    pb_request(&body, &spans);
    buffer_deinit(&spans);
    struct outcome o = bomb(OTLP_PROTOBUF, buffer_slice(&body));
    buffer_deinit(&body);
    return o;
}

static struct outcome json_bomb(struct buffer *members)
{
    struct buffer body = {0};
    buffer_add_text(&body, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
                           "\"000102030405060708090a0b0c0d0e0f\",\"spanId\":\"0001020304050607\","
                           "\"name\":\"n\",");
    buffer_add_slice(&body, buffer_slice(members));
    buffer_deinit(members);
    buffer_add_text(&body, "},{\"traceId\":\"000102030405060708090a0b0c0d0e0f\",\"spanId\":"
                           "\"0001020304050608\"}]}]}]}");
    struct outcome o = bomb(OTLP_JSON, buffer_slice(&body));
    buffer_deinit(&body);
    return o;
}

/* ---- many of nothing ---- */

/* 64 MiB of empty messages at every level: resources, scopes, spans, attributes, events, links. */
Test(otlp_limits, empty_messages_cost_no_memory)
{
    struct buffer body = {0};
    struct outcome o;
    repeat(&body, "\x0a\x00", 2, 32u << 20);
    o = bomb(OTLP_PROTOBUF, buffer_slice(&body));
    cr_assert_eq(o.status, STATUS_OK);
    cr_assert_eq(o.result.rejected, 0);

    buffer_reset(&body);
    put_u8(&body, 0x0a);
    put_varint(&body, 16u << 20);
    repeat(&body, "\x12\x00", 2, 8u << 20);
    o = bomb(OTLP_PROTOBUF, buffer_slice(&body));
    cr_assert_eq(o.status, STATUS_OK);

    buffer_reset(&body);
    struct buffer spans = {0};
    repeat(&spans, "\x12\x00", 2, 2u << 20);
    pb_request(&body, &spans);
    o = bomb(OTLP_PROTOBUF, buffer_slice(&body));
    cr_assert_eq(o.status, STATUS_OK);
    cr_assert_eq(o.result.rejected, 2u << 20);
    cr_assert_str_eq(o.result.message, "span 0: it has no trace id");
    buffer_deinit(&spans);
    buffer_deinit(&body);
}

Test(otlp_limits, attributes_events_and_links_are_bounded)
{
    struct buffer fields = {0};
    struct outcome o;
    repeat(&fields, "\x4a\x00", 2, OTLP_ATTRIBUTES_MAX);
    o = span_bomb(&fields);
    cr_assert_eq(o.attributes, OTLP_ATTRIBUTES_MAX);
    cr_assert_eq(o.result.dropped_attributes, 0);
    cr_assert_str_eq(o.result.message, "");

    repeat(&fields, "\x4a\x00", 2, OTLP_ATTRIBUTES_MAX + 1);
    o = span_bomb(&fields);
    cr_assert_eq(o.attributes, OTLP_ATTRIBUTES_MAX);
    cr_assert_eq(o.result.dropped_attributes, 1);
    cr_assert_str_neq(o.result.message, "");

    repeat(&fields, "\x4a\x05\x0a\x01k\x12\x00", 7, 4u << 20);
    o = span_bomb(&fields);
    cr_assert_eq(o.attributes, OTLP_ATTRIBUTES_MAX);
    cr_assert_eq(o.result.dropped_attributes, (4u << 20) - OTLP_ATTRIBUTES_MAX);

    repeat(&fields, "\x5a\x00", 2, 4u << 20);
    o = span_bomb(&fields);
    cr_assert_eq(o.result.accepted, 1);
    cr_assert_str_eq(o.result.message, "events were dropped: a span may have 4096");

    repeat(&fields, "\x6a\x00", 2, 4u << 20);
    o = span_bomb(&fields);
    cr_assert_str_eq(o.result.message, "links were dropped: a span may have 1024");
}

/* Attributes of events count like those of the span. */
Test(otlp_limits, attributes_of_events_share_the_bound)
{
    struct buffer fields = {0};
    struct buffer event = {0};
    for (int i = 0; i < 100; i++) {
        repeat(&event, "\x1a\x00", 2, 1000);
        pb_wrap(&fields, 11, &event);
    }
    buffer_deinit(&event);
    struct outcome o = span_bomb(&fields);
    cr_assert_eq(o.result.accepted, 1);
    cr_assert_eq(o.result.dropped_attributes, 100000 - OTLP_ATTRIBUTES_MAX);
}

Test(otlp_limits, the_same_in_json)
{
    struct buffer members = {0};
    struct outcome o;
    buffer_add_text(&members, "\"attributes\":[{}");
    repeat(&members, ",{}", 3, 99999);
    buffer_add_text(&members, "]");
    o = json_bomb(&members);
    cr_assert_eq(o.status, STATUS_OK);
    cr_assert_eq(o.result.accepted, 2);
    cr_assert_eq(o.attributes, OTLP_ATTRIBUTES_MAX);
    cr_assert_eq(o.result.dropped_attributes, 100000 - OTLP_ATTRIBUTES_MAX);

    buffer_add_text(&members, "\"events\":[{\"attributes\":{\"a\":1}}");
    repeat(&members, ",{\"attributes\":{\"a\":1}}", 23, 99999);
    buffer_add_text(&members, "]");
    o = json_bomb(&members);
    cr_assert_eq(o.result.accepted, 2);
    cr_assert_str_eq(o.result.message, "events were dropped: a span may have 4096");

    /* A list met again and again: only the last one counts, and so does its budget. */
    buffer_add_text(&members, "\"attributes\":[{},{},{}]");
    repeat(&members, ",\"attributes\":[{},{},{}]", 24, 99999);
    o = json_bomb(&members);
    cr_assert_eq(o.result.accepted, 2);
    cr_assert_eq(o.attributes, 3);
    cr_assert_eq(o.result.dropped_attributes, 0);
}

/* ---- deep ---- */

/* depth arrays around nothing, as an attribute; of protobuf each level needs the length of what is in it. */
static void deep_attribute(struct buffer *to, size_t depth)
{
    struct buffer inner = {0};
    struct buffer outer = {0};
    for (size_t i = 0; i < depth; i++) {
        if (i != 0)
            pb_wrap(&outer, 1, &inner); /* element of an ArrayValue */
        pb_wrap(&inner, 5, &outer);
    }
    pb_wrap(&outer, 2, &inner);
    pb_wrap(to, 9, &outer);
    buffer_deinit(&inner);
    buffer_deinit(&outer);
}

static void deep_json_attribute(struct buffer *to, size_t depth, bool bare)
{
    const char *open = bare ? "[" : "{\"arrayValue\":{\"values\":[";
    const char *close = bare ? "]" : "]}}";
    buffer_add_text(to, "\"attributes\":[{\"key\":\"deep\",\"value\":");
    repeat(to, open, strlen(open), depth);
    repeat(to, close, strlen(close), depth);
    buffer_add_text(to, "}]");
}

Test(otlp_limits, nesting_is_bounded_and_one_span_s_fault)
{
    static const size_t depths[] = {1, OTLP_DEPTH_MAX, OTLP_DEPTH_MAX + 1, 1000, 100000};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        struct buffer fields = {0};
        struct outcome o;
        bool fits = depths[i] <= OTLP_DEPTH_MAX;
        if (depths[i] <=
            1000) { /* lengths make each level longer: deeper costs quadratic time to write */
            deep_attribute(&fields, depths[i]);
            o = span_bomb(&fields);
            cr_assert_eq(o.status, STATUS_OK);
            cr_assert_eq(o.result.rejected, fits ? 0 : 1, "depth %zu", depths[i]);
        }
        for (int bare = 0; bare < 2; bare++) {
            deep_json_attribute(&fields, depths[i], bare != 0);
            o = json_bomb(&fields);
            cr_assert_eq(o.status, STATUS_OK, "depth %zu: %s", depths[i], o.error.text);
            cr_assert_eq(o.result.rejected, fits ? 0 : 1, "depth %zu", depths[i]);
            cr_assert_eq(o.result.accepted, fits ? 2 : 1, "depth %zu", depths[i]);
            if (!fits)
                cr_assert_str_eq(o.result.message,
                                 "span 0 'n': attribute 'deep' is nested deeper than 60");
        }
    }
}

/* What the limit allows is JSON that engine/base/json.h reads, also inside the attributes of an event in a column. */
static enum status depth_check(void *context, const struct otlp_span *span, struct error *reterr)
{
    struct buffer column = {0};
    (void)reterr;
    if (span->attributes.count == 0)
        return STATUS_OK;
    buffer_add_text(&column, "{\"events\":[{\"attributes\":{\"a\":");
    buffer_add_slice(&column, span->attributes.items[0].value.bytes);
    buffer_add_text(&column, "}}]}");
    struct json j = json_over(buffer_slice(&column));
    enum json_token t;
    while ((t = json_next(&j)) > 0) {
    }
    cr_assert_eq(t, JSON_END, "%s", j.reason);
    buffer_deinit(&column);
    ++*(int *)context;
    return STATUS_OK;
}

Test(otlp_limits, the_deepest_value_fits_a_column)
{
    struct otlp_reader *r = otlp_reader_create();
    struct buffer fields = {0};
    struct buffer span = {0};
    struct buffer body = {0};
    struct otlp_result result = {0};
    int seen = 0;
    struct otlp_sink sink = {.span = depth_check, .context = &seen};
    deep_attribute(&fields, OTLP_DEPTH_MAX);
    pb_ids(&span, 1);
    buffer_add_slice(&span, buffer_slice(&fields));
    buffer_reset(&fields);
    pb_wrap(&fields, 2, &span);
    pb_request(&body, &fields);
    cr_assert_eq(
        otlp_read(r, OTLP_TRACES, OTLP_PROTOBUF, buffer_slice(&body), &sink, &result, NULL),
        STATUS_OK);
    cr_assert_eq(seen, 1);
    buffer_deinit(&fields);
    buffer_deinit(&span);
    buffer_deinit(&body);
    otlp_reader_destroy(r);
}

Test(otlp_limits, brackets_without_end_are_refused)
{
    struct buffer body = {0};
    repeat(&body, "[", 1, 8u << 20);
    cr_assert_eq(bomb(OTLP_JSON, buffer_slice(&body)).status, STATUS_INVALID);
    buffer_reset(&body);
    buffer_add_text(&body, "{\"x\":");
    repeat(&body, "{\"a\":", 5, 1u << 20);
    cr_assert_eq(bomb(OTLP_JSON, buffer_slice(&body)).status, STATUS_INVALID);
    buffer_deinit(&body);
}

/* ---- large ---- */

Test(otlp_limits, large_strings_are_borrowed_or_copied_once)
{
    struct buffer fields = {0};
    struct buffer text = {0};
    struct outcome o;
    repeat(&text, "x", 1, 1u << 20);
    buffer_add_byte(&text, 0);
    pb_attribute(&fields, 9, "k", (const char *)text.data);
    o = span_bomb(&fields);
    cr_assert_eq(o.result.accepted, 1);
    cr_assert_leq(o.memory_peak, 64u << 10, "it was copied");

    buffer_add_text(&fields, "\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"");
    repeat(&fields, "\\u0001\\n", 8, 1u << 20);
    buffer_add_text(&fields, "\"}}]");
    o = json_bomb(&fields);
    cr_assert_eq(o.result.accepted, 2);
    buffer_deinit(&text);
}

/* Nested text grows by escapes: six bytes for one. What passes OTLP_NESTED_BYTES_MAX is dropped and counted. */
Test(otlp_limits, nested_text_is_bounded)
{
    static const struct {
        const char *piece; /* of an ArrayValue's fields */
        size_t size;
        size_t count;
    } pieces[] = {
        {"\x0a\x00", 2, 8u << 20},                         /* null,null, */
        {"\x0a\x03\x0a\x01\x01", 5, 4u << 20},             /* "\u0001" */
        {"\x0a\x06\x32\x04\x0a\x02\x0a\x00", 8, 3u << 20}, /* {"":null} */
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct buffer inner = {0};
        struct buffer outer = {0};
        struct buffer fields = {0};
        repeat(&inner, pieces[i].piece, pieces[i].size, pieces[i].count);
        pb_wrap(&outer, 5, &inner);
        pb_wrap(&inner, 2, &outer);
        pb_wrap(&fields, 9, &inner);
        buffer_deinit(&inner);
        buffer_deinit(&outer);
        struct outcome o = span_bomb(&fields);
        cr_assert_eq(o.result.accepted, 1);
        cr_assert_eq(o.result.dropped_attributes, 1, "row %zu", i);
        cr_assert_leq(o.memory_peak, 3u * OTLP_NESTED_BYTES_MAX);
    }
    struct buffer members = {0};
    buffer_add_text(&members,
                    "\"attributes\":[{\"key\":\"k\",\"value\":{\"arrayValue\":{\"values\":[{}");
    repeat(&members, ",{}", 3, 5u << 20);
    buffer_add_text(&members, "]}}}]");
    struct outcome o = json_bomb(&members);
    cr_assert_eq(o.result.accepted, 2);
    cr_assert_eq(o.result.dropped_attributes, 1);
}

/* A value in millions of pieces, keys behind values at every level: linear, and right. */
Test(otlp_limits, pieces_and_late_keys_stay_linear)
{
    struct buffer fields = {0};
    struct buffer pair = {0};
    pb_text(&pair, 1, "k");
    repeat(&pair, "\x12\x04\x2a\x02\x0a\x00", 6, 1u << 20);
    pb_wrap(&fields, 9, &pair);
    buffer_deinit(&pair);
    struct outcome o = span_bomb(&fields);
    cr_assert_eq(o.result.accepted, 1);
    cr_assert_eq(o.attributes, 1);

    buffer_add_text(&fields, "\"attributes\":[{\"value\":");
    for (size_t i = 0; i < OTLP_DEPTH_MAX; i++)
        buffer_add_text(&fields, "{\"kvlistValue\":{\"values\":[{\"value\":");
    buffer_add_text(&fields, "{\"stringValue\":\"");
    repeat(&fields, "x", 1, 4u << 20);
    buffer_add_text(&fields, "\"}");
    for (size_t i = 0; i < OTLP_DEPTH_MAX; i++)
        buffer_add_text(&fields, ",\"key\":\"a\"}]}}");
    buffer_add_text(&fields, ",\"key\":\"k\"}]");
    o = json_bomb(&fields);
    cr_assert_eq(o.result.accepted, 2);
    cr_assert_eq(o.result.dropped_attributes, 0);
}

Test(otlp_limits, a_body_may_have_64_mib)
{
    struct buffer body = {0};
    repeat(&body, "\x0a\x00", 2, OTLP_BODY_BYTES_MAX / 2);
    cr_assert_eq(bomb(OTLP_PROTOBUF, buffer_slice(&body)).status, STATUS_OK);
    buffer_add_text(&body, "\n");
    struct outcome o = bomb(OTLP_PROTOBUF, buffer_slice(&body));
    cr_assert_eq(o.status, STATUS_LIMIT);
    cr_assert_str_eq(o.error.text, "the request has 67108865 bytes; the limit is 67108864");
    buffer_deinit(&body);
}
