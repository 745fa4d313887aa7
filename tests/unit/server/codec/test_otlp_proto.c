/*
 * test_otlp_proto.c - the protobuf walker's corners: wire forms, merging, faults of one record, exports gone astray.
 */
#include <criterion/criterion.h>

#include "otlp_fixture.h"
#include "server/codec/protobuf.h"

/* ---- the walker ---- */

/* clang-format off */
static const struct {
    const char *bytes;
    size_t size;
    bool good;
    uint64_t integer; /* of the last field */
} fields[] = {
    {"", 0, true, 0},
    {"\x08\x00", 2, true, 0},
    {"\x08\xac\x02", 3, true, 300},
    {"\x08\x80\x80\x00", 4, true, 0}, /* padded */
    {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, true, UINT64_MAX},
    {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, false, 0},      /* a 65th bit */
    {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12, false, 0}, /* eleven bytes */
    {"\x08\x80", 2, false, 0},
    {"\x08", 1, false, 0},
    {"\x88\x80\x00\x05", 4, true, 5}, /* a padded tag */
    {"\x00\x01", 2, false, 0},        /* field 0 */
    {"\x07", 1, false, 0},
    {"\x0e\x00", 2, false, 0}, /* wire type 6 */
    {"\x0f\x00", 2, false, 0},
    {"\xf8\xff\xff\xff\x0f\x01", 6, true, 1},      /* the largest number there is */
    {"\xf8\xff\xff\xff\x1f\x01", 6, false, 0},     /* and one above */
    {"\x09\x01\x00\x00\x00\x00\x00\x00\x00", 9, true, 1},
    {"\x09\x01\x00\x00\x00\x00\x00\x00", 8, false, 0},
    {"\x0d\x01\x00\x00\x00", 5, true, 1},
    {"\x0d\x01\x00\x00", 4, false, 0},
    {"\x0a\x01x\x08\x07", 5, true, 7},
    {"\x0a\x02x", 3, false, 0},
    {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12, false, 0},
    {"\x0b\x10\x01\x1a\x01x\x25zzzz\x29zzzzzzzz\x0c\x08\x09", 23, true, 9}, /* a group is skipped */
    {"\x0b\x13\x14\x0c\x08\x09", 6, true, 9},                               /* one in another */
    {"\x0b\x13\x0c\x14\x08\x09", 6, false, 0},                              /* crossed */
    {"\x0b\x10\x01", 3, false, 0},
    {"\x0c", 1, false, 0}, /* an end without a begin */
};
/* clang-format on */

Test(otlp_proto, wire_forms)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        uint8_t *copy = mem_alloc(fields[i].size);
        bytes_copy(copy, fields[i].bytes, fields[i].size);
        struct cursor c = cursor_over(slice_of(copy, fields[i].size));
        struct proto_field f = {0};
        while (proto_next(&c, &f)) {
        }
        cr_assert_eq(!c.failed, fields[i].good, "row %zu", i);
        if (fields[i].good)
            cr_assert_eq(f.integer, fields[i].integer, "row %zu", i);
        mem_free(copy);
    }
}

Test(otlp_proto, groups_nest_as_deep_as_the_limit)
{
    uint8_t bytes[2 * (PROTO_GROUP_DEPTH_MAX + 1)];
    for (size_t depth = PROTO_GROUP_DEPTH_MAX; depth <= PROTO_GROUP_DEPTH_MAX + 1; depth++) {
        memset(bytes, 0x0b, depth);
        memset(bytes + depth, 0x0c, depth);
        struct cursor c = cursor_over(slice_of(bytes, 2 * depth));
        struct proto_field f = {0};
        cr_assert(!proto_next(&c, &f));
        cr_assert_eq(c.failed, depth > PROTO_GROUP_DEPTH_MAX);
    }
}

/* ---- values ---- */

/* What a span's attribute "k" of this AnyValue reads as. pieces: where the AnyValue is cut in two KeyValue fields. */
static void value_check(struct slice any, size_t cut, const char *expected, size_t row)
{
    struct buffer pair = {0};
    struct buffer span = {0};
    struct buffer spans = {0};
    struct buffer body = {0};
    struct dump d = {0};
    struct otlp_result result = {0};
    struct otlp_reader *r = otlp_reader_create();
    pb_text(&pair, 1, "k");
    pb_bytes(&pair, 2, slice_of(any.data, cut));
    if (cut < any.size)
        pb_bytes(&pair, 2, slice_of(any.data + cut, any.size - cut));
    pb_ids(&span, 1);
    pb_wrap(&span, 9, &pair);
    pb_wrap(&spans, 2, &span);
    pb_request(&body, &spans);
    const char *text = dump_text(r, OTLP_TRACES, OTLP_PROTOBUF, buffer_slice(&body), &d, &result);
    const char *line = strstr(text, "\n    \"k\": ");
    if (line == NULL)
        line = result.message;
    else
        line += strlen("\n    \"k\": ");
    size_t size = strcspn(line, "\n");
    cr_assert(size == strlen(expected) && memcmp(line, expected, size) == 0, "row %zu: %s", row,
              line);
    otlp_reader_destroy(r);
    buffer_deinit(&pair);
    buffer_deinit(&span);
    buffer_deinit(&spans);
    buffer_deinit(&body);
    dump_deinit(&d);
}

/* clang-format off */
static const struct {
    const char *any;
    size_t size;
    size_t cut;
    const char *expected;
} values[] = {
    {"", 0, 0, "none"},
    {"\x0a\x02hi", 4, 4, "\"hi\""},
    {"\x0a\x02\xff\xfe", 4, 4, "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* kept as it is; the dump replaces */
    {"\x10\x01", 2, 2, "true"},
    {"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 11, "int -1"},
    {"\x21\x00\x00\x00\x00\x00\x00\xf8\x3f", 9, 9, "double 1.5"},
    {"\x3a\x02\x00\xff", 4, 4, "bytes 00ff"},
    {"\x40\x05", 2, 2, "none"},                          /* string_value_strindex */
    {"\x0a\x01" "a\x18\x05", 5, 5, "int 5"},             /* the last of the oneof */
    {"\x18\x05\x0a\x01" "a", 5, 2, "\"a\""},             /* in two pieces */
    {"\x12\x01x", 3, 3, "none"},                         /* a bool as bytes: unknown */
    {"\x2a\x00", 2, 2, "json []"},
    {"\x32\x00", 2, 2, "json {}"},
    {"\x2a\x04\x0a\x02\x18\x01\x2a\x04\x0a\x02\x18\x02", 12, 6, "json [1,2]"},         /* arrays merge */
    {"\x2a\x04\x0a\x02\x18\x01\x18\x07\x2a\x04\x0a\x02\x18\x02", 14, 8, "json [2]"},   /* overruled between */
    {"\x2a\x02\x0a\x00\x32\x05\x0a\x03\x0a\x01m", 11, 11, "json {\"m\":null}"},
    {"\x32\x0d\x0a\x0b\x0a\x01m\x12\x02\x18\x01\x12\x02\x18\x02", 15, 15, "json {\"m\":2}"}, /* a value twice */
    {"\x2a\x08\x0a\x06\x0a\x04\xff\"\\\n", 10, 10, "json [\"\xef\xbf\xbd\\\"\\\\\\n\"]"},
    {"\x2a\x0d\x0a\x0b\x21\x00\x00\x00\x00\x00\x00\xf8\x7f\x10\x00", 15, 15, "json [false]"},
    {"\x2a\x0b\x0a\x09\x21\x00\x00\x00\x00\x00\x00\xf8\x7f", 13, 13, "json [\"NaN\"]"},
    {"\x2a\x03\x0a\x05\x18", 5, 5, "span 0: byte 36: damaged protobuf in an attribute"},
    {"\x0a\x05hi", 4, 4, "span 0: byte 36: damaged protobuf in an attribute"},
};
/* clang-format on */

Test(otlp_proto, values_of_attributes)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        value_check(slice_of(values[i].any, values[i].size), values[i].cut, values[i].expected, i);
}

Test(otlp_proto, a_status_in_two_pieces_merges)
{
    struct otlp_reader *r = otlp_reader_create();
    struct buffer part = {0};
    struct buffer span = {0};
    struct buffer spans = {0};
    struct buffer body = {0};
    struct dump d = {0};
    struct otlp_result result = {0};
    pb_ids(&span, 1);
    pb_varint(&part, 3, 2);
    pb_text(&part, 2, "first");
    pb_wrap(&span, 15, &part);
    pb_text(&part, 2, "second");
    pb_wrap(&span, 15, &part);
    pb_wrap(&spans, 2, &span);
    pb_request(&body, &spans);
    const char *text = dump_text(r, OTLP_TRACES, OTLP_PROTOBUF, buffer_slice(&body), &d, &result);
    cr_assert_not_null(strstr(text, "status 2 flags 0 \"\"\"\"\"second\""), "%s", text);
    otlp_reader_destroy(r);
    buffer_deinit(&part);
    buffer_deinit(&span);
    buffer_deinit(&spans);
    buffer_deinit(&body);
    dump_deinit(&d);
}

/* ---- records that are wrong ---- */

/* clang-format off */
static const struct {
    const char *span;
    size_t size;
    const char *complaint;
} rejected[] = {
    {"", 0, "span 0: it has no trace id"},
    {"\x2a\x01n", 3, "span 0 'n': it has no trace id"},
    {"\x0a\x03" "abc", 5, "span 0: its trace id has 3 bytes, not 16"},
    {"\x0a\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x12\x08" "12345678", 28, "span 0: it has no trace id"},
    {"\x0a\x10" "0123456789abcdef\x12\x08\0\0\0\0\0\0\0\0", 28, "span 0: it has no span id"},
    {"\x0a\x10" "0123456789abcdef\x12\x07" "1234567", 27, "span 0: its span id has 7 bytes, not 8"},
    {"\x0a\x10" "0123456789abcdef\x12\x08" "12345678\x22\x04zzzz", 34, "span 0: its parent id has 4 bytes, not 8"},
    {"\x0a\x10" "0123456789abcdef\x12\x08" "12345678\x2a\x05x", 31, "span 0: byte 34: damaged protobuf in a span"},
    {"\x0a\x10" "0123456789abcdef\x12\x08" "12345678\x5a\x02\x12\x05", 32, "span 0: byte 36: damaged protobuf in an event"},
    {"\x0a\x10" "0123456789abcdef\x12\x08" "12345678\x6a\x02\x1a\x05", 32, "span 0: byte 36: damaged protobuf in a link"},
    {"\x0a\x10" "0123456789abcdef\x12\x08" "12345678\x7a\x02\x12\x05", 32, "span 0: byte 36: damaged protobuf in a status"},
    {"\x0a\x10" "0123456789abcdef\x12\x08" "12345678\x4a\x02\x0a\x05", 32, "span 0: byte 36: damaged protobuf in an attribute"},
};
/* clang-format on */

Test(otlp_proto, a_span_that_is_wrong_does_not_lose_the_batch)
{
    struct otlp_reader *r = otlp_reader_create();
    for (size_t i = 0; i < sizeof rejected / sizeof rejected[0]; i++) {
        struct buffer span = {0};
        struct buffer spans = {0};
        struct buffer body = {0};
        struct dump d = {0};
        struct otlp_result result = {0};
        pb_bytes(&spans, 2, slice_of(rejected[i].span, rejected[i].size));
        pb_ids(&span, 1);
        pb_wrap(&spans, 2, &span);
        pb_request(&body, &spans);
        (void)dump_text(r, OTLP_TRACES, OTLP_PROTOBUF, buffer_slice(&body), &d, &result);
        cr_assert_str_eq(result.message, rejected[i].complaint, "row %zu: %s", i, result.message);
        cr_assert_eq(result.rejected, 1);
        cr_assert_eq(result.accepted, 1);
        buffer_deinit(&span);
        buffer_deinit(&spans);
        buffer_deinit(&body);
        dump_deinit(&d);
    }
    otlp_reader_destroy(r);
}

Test(otlp_proto, damage_around_records_ends_the_reading)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *complaint;
    } bodies[] = {
        {"\x0a\x05x", 3, "byte 0: damaged protobuf in an export request"},
        {"\x0a\x00\x0a\x02\x12\x05", 6, "byte 4: damaged protobuf in the records of a resource"},
        {"\x0a\x02\x0a\x00\x0a\x06\x0a\x04\x0a\x02\x0a\x05", 12,
         "byte 6: damaged protobuf in a resource"},
        {"\x0a\x04\x12\x02\x12\x07", 6, "byte 4: damaged protobuf in the records of a scope"},
        {"\x0a\x06\x12\x04\x0a\x02\x0a\x07", 8, "byte 4: damaged protobuf in a scope"},
        {"not protobuf at all", 19, "byte 0: damaged protobuf in an export request"},
    };
    struct otlp_reader *r = otlp_reader_create();
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct dump d = {0};
        struct otlp_result result = {0};
        struct error error = {0};
        cr_assert_eq(read_exactly(r, OTLP_TRACES, OTLP_PROTOBUF,
                                  slice_of(bodies[i].bytes, bodies[i].size), &d, &result, &error),
                     STATUS_INVALID);
        cr_assert_str_eq(error.text, bodies[i].complaint, "row %zu: %s", i, error.text);
        dump_deinit(&d);
    }
    otlp_reader_destroy(r);
}

/* ---- exports that went astray ---- */

static void record_of(enum otlp_signal signal, struct buffer *record)
{
    uint8_t id[16] = {1};
    if (signal == OTLP_TRACES) {
        pb_ids(record, 1);
        pb_fixed64(record, 7, 5);
    } else {
        pb_fixed64(record, 1, 5);
        pb_attribute(record, 6, "a", "b");
        pb_bytes(record, 9, slice_of(id, 16));
        pb_bytes(record, 10, slice_of(id, 8));
        pb_fixed64(record, 11, 6);
    }
}

static enum status read_as(enum otlp_signal sent, enum otlp_signal path, bool with_a_good_one,
                           struct otlp_result *result, struct error *error)
{
    struct otlp_reader *r = otlp_reader_create();
    struct buffer record = {0};
    struct buffer records = {0};
    struct buffer body = {0};
    struct dump d = {0};
    for (int i = 0; i < 3; i++) {
        record_of(sent, &record);
        pb_wrap(&records, 2, &record);
    }
    if (with_a_good_one) {
        record_of(path, &record);
        pb_wrap(&records, 2, &record);
    }
    pb_request(&body, &records);
    enum status s = read_exactly(r, path, OTLP_PROTOBUF, buffer_slice(&body), &d, result, error);
    buffer_deinit(&record);
    buffer_deinit(&records);
    buffer_deinit(&body);
    dump_deinit(&d);
    otlp_reader_destroy(r);
    return s;
}

Test(otlp_proto, an_export_of_the_other_signal_is_refused_with_the_way_to_go)
{
    struct otlp_result result = {0};
    struct error error = {0};
    cr_assert_eq(read_as(OTLP_LOGS, OTLP_TRACES, false, &result, &error), STATUS_INVALID);
    cr_assert_str_eq(error.text, "this is a logs export: send it to /v1/logs, not to /v1/traces");
    cr_assert_eq(read_as(OTLP_TRACES, OTLP_LOGS, false, &result, &error), STATUS_INVALID);
    cr_assert_str_eq(error.text, "this is a traces export: send it to /v1/traces, not to /v1/logs");
    cr_assert_eq(read_as(OTLP_TRACES, OTLP_TRACES, true, &result, &error), STATUS_OK);
    cr_assert_eq(result.accepted, 4);
    cr_assert_eq(read_as(OTLP_LOGS, OTLP_LOGS, true, &result, &error), STATUS_OK);
    cr_assert_eq(result.accepted, 4);
    cr_assert_eq(read_as(OTLP_LOGS, OTLP_TRACES, true, &result, &error), STATUS_OK);
    cr_assert_eq(result.accepted, 1);
    cr_assert_eq(result.rejected, 3);
}

Test(otlp_proto, a_failing_sink_ends_the_reading)
{
    struct otlp_reader *r = otlp_reader_create();
    struct buffer span = {0};
    struct buffer spans = {0};
    struct buffer body = {0};
    struct dump d = {.answer = STATUS_BUSY};
    struct otlp_result result = {.accepted = 77};
    struct error error = {0};
    for (int i = 0; i < 3; i++) {
        pb_ids(&span, 1);
        pb_wrap(&spans, 2, &span);
    }
    pb_request(&body, &spans);
    cr_assert_eq(
        read_exactly(r, OTLP_TRACES, OTLP_PROTOBUF, buffer_slice(&body), &d, &result, &error),
        STATUS_BUSY);
    cr_assert_str_eq(error.text, "the sink fails");
    cr_assert_eq(d.spans, 1);
    cr_assert_eq(result.accepted, 77, "written although it failed");
    otlp_reader_destroy(r);
    buffer_deinit(&span);
    buffer_deinit(&spans);
    buffer_deinit(&body);
    dump_deinit(&d);
}

static enum status serial_keep(void *context, const struct otlp_span *span, struct error *reterr)
{
    (void)reterr;
    uint64_t *serials = context;
    serials[++serials[0]] = span->resource->serial;
    return STATUS_OK;
}

Test(otlp_proto, resources_have_serials_of_their_own)
{
    struct otlp_reader *readers[2] = {otlp_reader_create(), otlp_reader_create()};
    struct buffer span = {0};
    struct buffer spans = {0};
    struct buffer body = {0};
    uint64_t serials[16] = {0};
    struct otlp_sink sink = {.span = serial_keep, .context = serials};
    for (int i = 0; i < 2; i++) { /* two resources with two spans each */
        for (int k = 0; k < 2; k++) {
            pb_ids(&span, 1);
            pb_wrap(&spans, 2, &span);
        }
        pb_request(&body, &spans);
    }
    for (int i = 0; i < 3; i++) {
        struct otlp_result result;
        cr_assert_eq(otlp_read(readers[i / 2], OTLP_TRACES, OTLP_PROTOBUF, buffer_slice(&body),
                               &sink, &result, NULL),
                     STATUS_OK);
    }
    cr_assert_eq(serials[0], 12);
    for (int i = 1; i < 12; i += 2) {
        cr_assert_eq(serials[i], serials[i + 1]);
        for (int k = 1; k < i; k++)
            cr_assert_neq(serials[i], serials[k]);
    }
    otlp_reader_destroy(readers[0]);
    otlp_reader_destroy(readers[1]);
    buffer_deinit(&span);
    buffer_deinit(&spans);
    buffer_deinit(&body);
}
