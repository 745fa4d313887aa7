/*
 * test_otlp_json.c - OTLP in JSON: as the specification has it, and as clients write it.
 */
#include <criterion/criterion.h>

#include "otlp_fixture.h"

#define IDS           "\"traceId\":\"000102030405060708090a0b0c0d0e0f\",\"spanId\":\"0001020304050607\""
#define SPAN(members) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" IDS "," members "}]}]}]}"
#define VALUE(value)  SPAN("\"attributes\":[{\"key\":\"k\",\"value\":" value "}]")

/* The text between `from` and the end of its line in what was read, or a complaint. */
static const char *read_line(const char *json, const char *from)
{
    static char line[4096];
    struct otlp_reader *r = otlp_reader_create();
    struct dump d = {0};
    struct otlp_result result = {0};
    const char *text = dump_text(r, OTLP_TRACES, OTLP_JSON, slice_text(json), &d, &result);
    const char *found = strstr(text, from);
    if (result.rejected != 0)
        (void)snprintf(line, sizeof line, "rejected: %s", result.message);
    else if (found == NULL)
        (void)snprintf(line, sizeof line, "%s", text);
    else
        (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(found + strlen(from), "\n"),
                       found + strlen(from));
    dump_deinit(&d);
    otlp_reader_destroy(r);
    return line;
}

/* clang-format off */
static const struct {
    const char *json;
    const char *expected;
} values[] = {
    {VALUE("{\"stringValue\":\"a\\u00e9\\n\"}"), "\"a\xc3\xa9\\n\""},
    {VALUE("{\"stringValue\":\"\"}"), "\"\""},
    {VALUE("{\"boolValue\":true}"), "true"},
    {VALUE("{\"boolValue\":\"false\"}"), "false"},
    {VALUE("{\"intValue\":\"-9223372036854775808\"}"), "int -9223372036854775808"},
    {VALUE("{\"intValue\":17}"), "int 17"},
    {VALUE("{\"intValue\":17.0}"), "int 17"},
    {VALUE("{\"intValue\":1e3}"), "int 1000"},
    {VALUE("{\"intValue\":1.5}"), "double 1.5"},
    {VALUE("{\"intValue\":\"18446744073709551615\"}"), "double 1.8446744073709552e+19"},
    {VALUE("{\"intValue\":\"many\"}"), "\"many\""},
    {VALUE("{\"doubleValue\":0.25}"), "double 0.25"},
    {VALUE("{\"doubleValue\":1}"), "double 1"},
    {VALUE("{\"doubleValue\":\"0.5\"}"), "double 0.5"},
    {VALUE("{\"doubleValue\":\"Infinity\"}"), "double inf"},
    {VALUE("{\"doubleValue\":\"-Infinity\"}"), "double -inf"},
    {VALUE("{\"bytesValue\":\"AAEC/w==\"}"), "bytes 000102ff"},
    {VALUE("{\"bytesValue\":\"AAEC_w\"}"), "bytes 000102ff"},
    {VALUE("{\"bytesValue\":\"\"}"), "bytes "},
    {VALUE("{\"bytesValue\":\"!\"}"), "\"!\""},
    {VALUE("{}"), "none"},
    {VALUE("null"), "none"},
    {VALUE("{\"stringValue\":null}"), "none"},
    {VALUE("{\"arrayValue\":{}}"), "json []"},
    {VALUE("{\"arrayValue\":{\"values\":[]}}"), "json []"},
    {VALUE("{\"arrayValue\":{\"values\":null}}"), "json []"},
    {VALUE("{\"kvlistValue\":{\"values\":[]}}"), "json {}"},
    {VALUE("{\"arrayValue\":{\"values\":[{\"stringValue\":\"\\u0041\\u0001\"},{\"intValue\":\"5\"},{\"doubleValue\":1.50},"
           "{\"boolValue\":false},{},{\"bytesValue\":\"AA==\"},{\"doubleValue\":\"NaN\"}]}}"),
     "json [\"A\\u0001\",5,1.5,false,null,\"AA==\",\"NaN\"]"},
    {VALUE("{\"arrayValue\":{\"values\":[{\"arrayValue\":{\"values\":[{\"intValue\":1}]}},"
           "{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":{\"intValue\":2}}]}}]}}"),
     "json [[1],{\"a\":2}]"},
    {VALUE("{\"kvlistValue\":{\"values\":[{\"value\":{\"kvlistValue\":{\"values\":[{\"value\":{\"intValue\":1},\"key\":\"b\"}]}},"
           "\"key\":\"a\"},{\"key\":\"c\"},{\"value\":{\"boolValue\":true}}]}}"),
     "json {\"a\":{\"b\":1},\"c\":null,\"\":true}"},
    /* the last counts */
    {VALUE("{\"stringValue\":\"a\",\"intValue\":2}"), "int 2"},
    {VALUE("{\"arrayValue\":{\"values\":[{\"intValue\":1}]},\"stringValue\":\"x\"}"), "\"x\""},
    {VALUE("{\"stringValue\":\"x\",\"arrayValue\":{\"values\":[{\"intValue\":1}],\"values\":[{\"intValue\":2}]}}"), "json [2]"},
    {SPAN("\"attributes\":[{\"key\":\"a\"}],\"attributes\":[{\"value\":{\"intValue\":1},\"key\":\"x\",\"key\":\"k\"}]"), "int 1"},
    /* bare values */
    {VALUE("\"x\""), "\"x\""},
    {VALUE("5"), "int 5"},
    {VALUE("5.5"), "double 5.5"},
    {VALUE("2.0"), "double 2"},
    {VALUE("true"), "true"},
    {VALUE("[1, {\"a\":2}]"), "json [1, {\"a\":2}]"},
    {VALUE("{\"a\":{\"stringValue\":3}}"), "json {\"a\":{\"stringValue\":3}}"},
    {VALUE("{\"arrayValue\":[{\"intValue\":1},[2],\"x\"]}"), "json [1,[2],\"x\"]"},
    /* attributes as an object; other spellings */
    {SPAN("\"attributes\":{\"a\":1,\"k\":{\"stringValue\":\"x\"}}"), "\"x\""},
    {SPAN("\"attributes\":{\"k\":[1]}"), "json [1]"},
    {VALUE("{\"string_value\":\"x\"}"), "\"x\""},
    {VALUE("{\"kvlist_value\":{\"values\":[]}}"), "json {}"},
    {VALUE("{\"stringValueStrindex\":4}"), "none"},
};
/* clang-format on */

Test(otlp_json, values_of_attributes)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        cr_assert_str_eq(read_line(values[i].json, "\n    \"k\": "), values[i].expected, "%s",
                         values[i].json);
}

/* clang-format off */
static const struct {
    const char *members;
    const char *expected;
} spans[] = {
    {"\"x\":1", "0000000000000000 kind 0 0-0 status 0 flags 0 \"\"\"\"\"\""},
    {"\"parentSpanId\":\"00000000000000Ab\",\"name\":\"n\",\"kind\":3,\"startTimeUnixNano\":\"1700000000000000001\","
     "\"endTimeUnixNano\":1700000000000000002,\"status\":{\"code\":2,\"message\":\"m\"},\"flags\":257,\"traceState\":\"s\"",
     "00000000000000ab kind 3 1700000000000000001-1700000000000000002 status 2 flags 257 \"n\"\"s\"\"m\""},
    {"\"parent_span_id\":\"00000000000000ab\",\"name\":\"n\",\"kind\":\"SPAN_KIND_SERVER\",\"start_time_unix_nano\":\"1\","
     "\"end_time_unix_nano\":\"2\",\"status\":{\"code\":\"STATUS_CODE_ERROR\"},\"trace_state\":\"s\"",
     "00000000000000ab kind 2 1-2 status 2 flags 0 \"n\"\"s\"\"\""},
    {"\"parentSpanId\":\"\"", "0000000000000000 kind 0 0-0 status 0 flags 0 \"\"\"\"\"\""},
    {"\"parentSpanId\":\"0000000000000000\",\"kind\":null,\"name\":null,\"status\":{}",
     "0000000000000000 kind 0 0-0 status 0 flags 0 \"\"\"\"\"\""},
    {"\"parentSpanId\":\"AAAAAAAAAAE=\",\"kind\":\"1\"", "0000000000000001 kind 1 0-0 status 0 flags 0 \"\"\"\"\"\""},
    {"\"startTimeUnixNano\":1.7e18,\"endTimeUnixNano\":\"18446744073709551615\"",
     "0000000000000000 kind 0 1700000000000000000-9223372036854775807 status 0 flags 0 \"\"\"\"\"\""},
    {"\"name\":\"a\",\"name\":\"b\"", "0000000000000000 kind 0 0-0 status 0 flags 0 \"b\"\"\"\"\""},
};
/* clang-format on */

Test(otlp_json, members_of_spans)
{
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        char json[2048];
        (void)snprintf(json, sizeof json, SPAN("%s"), spans[i].members);
        cr_assert_str_eq(read_line(json, "span 000102030405060708090a0b0c0d0e0f 0001020304050607 "),
                         spans[i].expected, "%s", json);
    }
}

Test(otlp_json, base64_ids_are_taken)
{
    cr_assert_str_eq(read_line("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
                               "\"AAECAwQFBgcICQoLDA0ODw==\",\"spanId\":\"AAECAwQFBgc=\"}]}]}]}",
                               "span 000102030405060708090a0b0c0d0e0f 0001020304050607 "),
                     "0000000000000000 kind 0 0-0 status 0 flags 0 \"\"\"\"\"\"");
}

/* clang-format off */
static const struct {
    const char *members;
    const char *complaint;
} rejected[] = {
    {"\"traceId\":\"00\",\"spanId\":\"0001020304050607\"", "span 0: traceId is no id of 16 bytes: '00'"},
    {"\"traceId\":\"00000000000000000000000000000000\",\"spanId\":\"0001020304050607\"", "span 0: it has no trace id"},
    {"\"traceId\":\"000102030405060708090a0b0c0d0e0g\",\"spanId\":\"0001020304050607\"",
     "span 0: traceId is no id of 16 bytes: '000102030405060708090a0b0c0d0e0g'"},
    {"\"traceId\":5,\"spanId\":\"0001020304050607\"", "span 0: byte 54: traceId is not of the right type"},
    {"\"name\":\"n\",\"spanId\":\"0001020304050607\"", "span 0 'n': it has no trace id"},
    {"\"traceId\":\"000102030405060708090a0b0c0d0e0f\",\"spanId\":\"0000000000000000\"", "span 0: it has no span id"},
    {IDS ",\"parentSpanId\":\"12\"", "span 0: parentSpanId is no id of 8 bytes: '12'"},
    {IDS ",\"startTimeUnixNano\":\"yesterday\"", "span 0: byte 137: startTimeUnixNano is not of the right type"},
    {IDS ",\"attributes\":5", "span 0: byte 130: attributes is not of the right type"},
    {IDS ",\"attributes\":[5]", "span 0: byte 131: an attribute is not of the right type"},
    {IDS ",\"events\":{}", "span 0: byte 126: events is not of the right type"},
    {IDS ",\"status\":[{\"code\":1}]", "span 0: byte 126: status is not of the right type"},
    {IDS ",\"name\":{\"a\":[]}", "span 0: byte 124: name is not of the right type"},
};
/* clang-format on */

Test(otlp_json, a_span_that_is_wrong_does_not_lose_the_batch)
{
    struct otlp_reader *r = otlp_reader_create();
    for (size_t i = 0; i < sizeof rejected / sizeof rejected[0]; i++) {
        char json[2048];
        struct dump d = {0};
        struct otlp_result result = {0};
        (void)snprintf(json, sizeof json,
                       "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{%s},{" IDS "}]}]}]}",
                       rejected[i].members);
        (void)dump_text(r, OTLP_TRACES, OTLP_JSON, slice_text(json), &d, &result);
        cr_assert_str_eq(result.message, rejected[i].complaint, "%s: %s", json, result.message);
        cr_assert_eq(result.rejected, 1);
        cr_assert_eq(result.accepted, 1, "%s", json);
        dump_deinit(&d);
    }
    otlp_reader_destroy(r);
}

/* '#', '@' and '!' in a shape stand for resource, scope and records. */
static void shape_fill(const char *shape, struct buffer *to)
{
    static const char marks[] = "#@!";
    static const char *const texts[] = {
        "\"resource\":{\"attributes\":[{\"key\":\"r\\n\",\"value\":{\"stringValue\":\"1\"}}],"
        "\"droppedAttributesCount\":2}",
        "\"scope\":{\"name\":\"s\",\"version\":\"\\u0032\",\"attributes\":{\"a\":true}}",
        "[{" IDS "},{" IDS ",\"name\":\"two\"}]"};
    buffer_reset(to);
    for (const char *c = shape; *c != 0; c++) {
        const char *mark = strchr(marks, *c);
        if (mark != NULL)
            buffer_add_text(to, texts[mark - marks]);
        else
            buffer_add_byte(to, (uint8_t)*c);
    }
}

/* Resource, scope and URLs in front of the records, behind them, and around them are the same. */
Test(otlp_json, what_describes_records_may_stand_anywhere)
{
    static const char *const shapes[] = {
        "{\"resourceSpans\":[{#,\"schemaUrl\":\"u\",\"scopeSpans\":[{@,\"schemaUrl\":\"v\","
        "\"spans\":!}]}]}",
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":!,@,\"schemaUrl\":\"v\"}],#,"
        "\"schemaUrl\":\"u\"}]}",
        "{\"resourceSpans\":[{#,\"scopeSpans\":[{@,\"spans\":!,\"schemaUrl\":\"v\"}],"
        "\"schemaUrl\":\"u\"}]}",
        "{\"resource_spans\":[{\"schema_url\":\"u\",\"scope_spans\":[{\"spans\":!,"
        "\"schema_url\":\"v\",@}],\"x\":[{}],#}]}",
    };
    struct otlp_reader *r = otlp_reader_create();
    struct dump first = {0};
    struct dump d = {0};
    struct buffer json = {0};
    struct otlp_result result = {0};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        shape_fill(shapes[i], &json);
        const char *text = dump_text(r, OTLP_TRACES, OTLP_JSON, buffer_slice(&json), &d, &result);
        cr_assert_eq(result.accepted, 2, "shape %zu: %s", i, text);
        if (i == 0) {
            cr_assert_not_null(strstr(text, "resource \"u\"\n    \"r\\n\": \"1\"\n    dropped 2\n"
                                            "scope \"s\"\"2\"\"v\"\n    \"a\": true"),
                               "%s", text);
            (void)dump_text(r, OTLP_TRACES, OTLP_JSON, buffer_slice(&json), &first, &result);
        }
        cr_assert_str_eq(text, (const char *)first.text.data, "shape %zu: %s", i, text);
    }
    buffer_deinit(&json);
    dump_deinit(&first);
    dump_deinit(&d);
    otlp_reader_destroy(r);
}

Test(otlp_json, events_links_and_logs)
{
    static const char *const trace = SPAN(
        "\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"e\",\"attributes\":[{\"key\":\"a\","
        "\"value\":{\"intValue\":1}}],\"droppedAttributesCount\":3},{\"attributes\":{\"b\":2}}],"
        "\"links\":[{\"traceId\":\"0f0e0d0c0b0a09080706050403020100\",\"spanId\":"
        "\"00000000000000ff\",\"traceState\":\"t\",\"attributes\":[]}]");
    static const char *const logs =
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"7\","
        "\"observedTimeUnixNano\":8,\"severityNumber\":\"SEVERITY_NUMBER_WARN2\",\"severityText\":"
        "\"w\",\"body\":{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":{\"intValue\":1}}]}},"
        "\"attributes\":[{\"key\":\"event.name\",\"value\":{\"stringValue\":\"ev\"}}]," IDS "},"
        "{\"traceId\":\"\",\"eventName\":\"n\",\"body\":\"text\"}]}]}]}";
    struct otlp_reader *r = otlp_reader_create();
    struct dump d = {0};
    struct otlp_result result = {0};
    const char *text = dump_text(r, OTLP_TRACES, OTLP_JSON, slice_text(trace), &d, &result);
    cr_assert_not_null(
        strstr(text, "event 5 \"e\"\n    \"a\": int 1\n    dropped 3\n"
                     "event 0 \"\"\n    \"b\": int 2\n    dropped 0\n"
                     "link 0f0e0d0c0b0a09080706050403020100 00000000000000ff \"t\"\n    dropped 0"),
        "%s", text);
    text = dump_text(r, OTLP_LOGS, OTLP_JSON, slice_text(logs), &d, &result);
    cr_assert_eq(result.accepted, 2);
    cr_assert_not_null(strstr(text, "log 000102030405060708090a0b0c0d0e0f 0001020304050607 7 8 "
                                    "severity 14 \"w\"\"ev\"json {\"a\":1}"),
                       "%s", text);
    cr_assert_not_null(strstr(text, "log 00000000000000000000000000000000 0000000000000000 0 0 "
                                    "severity 0 \"\"\"n\"\"text\""),
                       "%s", text);
    dump_deinit(&d);
    otlp_reader_destroy(r);
}

/* clang-format off */
static const struct {
    const char *json;
    const char *complaint;
    int64_t position;
} refused[] = {
    {"[]", "byte 0: the document is not of the right type", 0},
    {"5", "byte 0: the document is not of the right type", 0},
    {"{\"resourceSpans\":{}}", "byte 17: resourceSpans is not of the right type", 17},
    {"{\"resourceSpans\":[5]}", "byte 18: the records of a resource is not of the right type", 18},
    {"{\"resourceSpans\":[{\"scopeSpans\":[[]]}]}", "byte 33: the records of a scope is not of the right type", 33},
    {"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":3}]}]}", "byte 42: spans is not of the right type", 42},
    {"{\"resourceSpans\":[{\"resource\":3}]}", "byte 30: a resource is not of the right type", 30},
    {"{\"resourceLogs\":[]}", "this is a logs export: send it to /v1/logs, not to /v1/traces", 16},
    {"{\"resourceMetrics\":[]}", "this is a metrics export: send it to /v1/metrics, not to /v1/traces", 19},
    {"{\"resourceSpans\":[", "JSON: byte 18: the text ends too early", 18},
    {"{\"resourceSpans\":[]} x", "JSON: byte 21: something follows the document", 21},
    {"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"a\":tru}]}]}]}", "JSON: byte 51: expected true, false or null", 51},
};
/* clang-format on */

Test(otlp_json, another_document_is_refused_with_its_place)
{
    struct otlp_reader *r = otlp_reader_create();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct dump d = {0};
        struct otlp_result result = {0};
        struct error error = {0};
        cr_assert_eq(read_exactly(r, OTLP_TRACES, OTLP_JSON, slice_text(refused[i].json), &d,
                                  &result, &error),
                     STATUS_INVALID, "%s", refused[i].json);
        cr_assert_str_eq(error.text, refused[i].complaint, "%s", error.text);
        cr_assert_eq(error.position, refused[i].position, "%s", error.text);
        dump_deinit(&d);
    }
    otlp_reader_destroy(r);
}

Test(otlp_json, an_empty_request_is_one)
{
    static const char *const empty[] = {"",
                                        "{}",
                                        " {\"resourceSpans\":[]} ",
                                        "{\"x\":[1,{}]}",
                                        "{\"resourceSpans\":null}",
                                        "{\"resourceSpans\":[{}]}",
                                        "{\"resourceSpans\":[{\"scopeSpans\":[{}]}]}"};
    struct otlp_reader *r = otlp_reader_create();
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct dump d = {0};
        struct otlp_result result = {.accepted = 9};
        cr_assert_str_eq(dump_text(r, OTLP_TRACES, OTLP_JSON, slice_text(empty[i]), &d, &result),
                         "", "%s", empty[i]);
        cr_assert_eq(result.accepted, 0);
        cr_assert_eq(result.rejected, 0);
        cr_assert_str_eq(result.message, "");
        dump_deinit(&d);
    }
    otlp_reader_destroy(r);
}

Test(otlp_json, every_truncation_and_flip_is_taken_or_refused)
{
    char text[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" IDS ",\"attributes\":[{\"value\":"
        "{\"kvlistValue\":{\"values\":[{\"value\":{\"stringValue\":\"\\u00e9\"},\"key\":\"a\\n\"}]}},"
        "\"key\":\"k\"}],\"events\":[{\"name\":\"e\"}],\"startTimeUnixNano\":\"17\"}],\"scope\":"
        "{\"name\":\"s\"}}],\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":{\"bytesValue\":"
        "\"AAAA\"}}]}}]}";
    size_t size = sizeof text - 1;
    struct otlp_reader *r = otlp_reader_create();
    struct dump d = {0};
    struct otlp_result result = {0};
    struct error error = {0};
    for (size_t cut = 1; cut < size; cut++)
        cr_assert_eq(
            read_exactly(r, OTLP_TRACES, OTLP_JSON, slice_of(text, cut), &d, &result, &error),
            STATUS_INVALID, "%zu bytes were taken for all", cut);
    for (size_t bit = 0; bit < size * 8; bit++) {
        buffer_reset(&d.text);
        text[bit / 8] ^= (char)(1 << bit % 8);
        enum status s =
            read_exactly(r, OTLP_TRACES, OTLP_JSON, slice_of(text, size), &d, &result, &error);
        cr_assert(s == STATUS_OK ||
                  (s == STATUS_INVALID && error.position >= 0 && (size_t)error.position <= size));
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    dump_deinit(&d);
    otlp_reader_destroy(r);
}

Test(otlp_json, answers)
{
    struct buffer to = {0};
    otlp_write_success(OTLP_JSON, OTLP_TRACES, 0, SLICE_EMPTY, &to);
    buffer_add_byte(&to, '\n');
    otlp_write_success(OTLP_JSON, OTLP_TRACES, 2, slice_text("a \"b\""), &to);
    buffer_add_byte(&to, '\n');
    otlp_write_success(OTLP_JSON, OTLP_LOGS, 0, slice_text("warning"), &to);
    buffer_add_byte(&to, '\n');
    otlp_write_error(OTLP_JSON, 8, slice_text("too large\n"), &to);
    buffer_add_byte(&to, 0);
    cr_assert_str_eq(
        (const char *)to.data,
        "{}\n{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"a \\\"b\\\"\"}}\n"
        "{\"partialSuccess\":{\"rejectedLogRecords\":\"0\",\"errorMessage\":\"warning\"}}\n"
        "{\"code\":8,\"message\":\"too large\\n\"}");
    buffer_deinit(&to);
}

Test(otlp_json, the_encoding_of_a_body)
{
    struct slice json = slice_text(" \r\n{}");
    struct slice proto = slice_text("\n\x02\n");
    cr_assert_eq(otlp_encoding_of("application/json; charset=utf-8", proto), OTLP_JSON);
    cr_assert_eq(otlp_encoding_of("Application/JSON", proto), OTLP_JSON);
    cr_assert_eq(otlp_encoding_of("application/x-protobuf", json), OTLP_PROTOBUF);
    cr_assert_eq(otlp_encoding_of("application/protobuf;x", json), OTLP_PROTOBUF);
    cr_assert_eq(otlp_encoding_of("application/jsonp", json), OTLP_JSON);
    cr_assert_eq(otlp_encoding_of("text/plain", proto), OTLP_PROTOBUF);
    cr_assert_eq(otlp_encoding_of(NULL, json), OTLP_JSON);
    cr_assert_eq(otlp_encoding_of(NULL, SLICE_EMPTY), OTLP_PROTOBUF);
}
