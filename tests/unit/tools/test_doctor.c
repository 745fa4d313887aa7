/*
 * test_doctor.c - a captured request is recognised whatever way it was packed, and no bytes hurt.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "server/policy/policy.h"
#include "tools/doctor.h"

static const char traces[] =
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
    "{\"stringValue\":\"bot\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":"
    "\"000102030405060708090a0b0c0d0e0f\",\"spanId\":\"0000000000000001\",\"name\":\"chat\","
    "\"startTimeUnixNano\":\"1793577600000000000\",\"endTimeUnixNano\":\"1793577601000000000\","
    "\"attributes\":[{\"key\":\"gen_ai.operation.name\",\"value\":{\"stringValue\":\"chat\"}},"
    "{\"key\":\"gen_ai.request.model\",\"value\":{\"stringValue\":\"acme\"}}]}]}]}]}";

/* One span "s" with ids, as protobuf. */
static const uint8_t protobuf[] = {
    0x0a, 0x23, 0x12, 0x21, 0x12, 0x1f, 0x0a, 0x10, 1, 2, 3, 4, 5, 6, 7, 8,    9,    10, 11,
    12,   13,   14,   15,   16,   0x12, 0x08, 1,    2, 3, 4, 5, 6, 7, 8, 0x2a, 0x01, 's'};

static struct enricher *enricher_make(void)
{
    struct policy policy;
    struct error error = {0};
    cr_assert_eq(policy_load(NULL, NULL, &policy, &error), STATUS_OK, "%s", error.text);
    const struct enrich_settings settings = policy_detach_settings(&policy);
    struct enricher *e = enricher_create(&settings);
    policy_deinit(&policy);
    return e;
}

/* Everything the command does; the report is appended to `to` (may be NULL). */
static enum status examine(struct doctor_source *source, bool json, struct buffer *to,
                           struct error *reterr)
{
    struct doctor d;
    struct buffer text = {0};
    source->name = "body";
    doctor_init(&d, source, enricher_make());
    enum status s = doctor_unpack(&d, reterr);
    if (s >= 0)
        s = doctor_read(&d, reterr);
    if (s >= 0) {
        doctor_look(&d);
        if (json)
            doctor_print_json(&d, &text);
        else
            doctor_print(&d, &text, false);
    }
    if (to != NULL)
        buffer_add_slice(to, buffer_slice(&text));
    buffer_deinit(&text);
    doctor_deinit(&d);
    return s;
}

static bool has(const struct buffer *b, const char *text)
{
    return b->size > 0 && memmem(b->data, b->size, text, strlen(text)) != NULL;
}

static void report_expect(struct doctor_source source, const char *text)
{
    struct buffer report = {0};
    struct error error = {0};
    cr_assert_eq(examine(&source, false, &report, &error), STATUS_OK, "%s", error.text);
    cr_expect(has(&report, text), "no '%s' in:\n%.*s", text, (int)report.size,
              report.data == NULL ? "" : (const char *)report.data);
    buffer_deinit(&report);
}

static struct doctor_source source_of(struct slice bytes, const char *type, const char *encoding)
{
    struct doctor_source s = {.bytes = bytes};
    (void)snprintf(s.content_type, sizeof s.content_type, "%s", type);
    (void)snprintf(s.content_encoding, sizeof s.content_encoding, "%s", encoding);
    return s;
}

static struct slice gzipped(struct slice bytes, uint8_t to[2048])
{
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes.data;
    z.avail_in = (uInt)bytes.size;
    z.next_out = to;
    z.avail_out = 2048;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    struct slice out = slice_of(to, 2048 - z.avail_out);
    (void)deflateEnd(&z);
    return out;
}

Test(doctor, json_and_protobuf_are_told_apart)
{
    report_expect(source_of(slice_text(traces), "", ""), "body: JSON, ");
    report_expect(source_of(slice_text(traces), "", ""), "first source of model");
    report_expect(source_of(slice_of(protobuf, sizeof protobuf), "", ""), "body: protobuf, ");
    report_expect(source_of(slice_of(protobuf, sizeof protobuf), "", ""), "1 span\n");
}

Test(doctor, wrong_labels_are_named)
{
    struct slice json = slice_text(traces);
    struct slice proto = slice_of(protobuf, sizeof protobuf);
    report_expect(source_of(json, "application/x-protobuf", ""),
                  "the body is JSON, but Content-Type says protobuf");
    report_expect(source_of(proto, "application/json", ""),
                  "the body is protobuf, but Content-Type says JSON");
    report_expect(source_of(json, "text/plain", ""), "is neither application/x-protobuf nor");
    report_expect(source_of(json, "application/json", "snappy"), "'snappy' is none a server knows");
    report_expect(source_of(json, "application/json", "gzip"), "says gzip, but the bytes are not");
    struct doctor_source logs = source_of(json, "", "");
    logs.has_signal = logs.is_logs = true;
    report_expect(logs, "this is a traces export, not logs");
}

Test(doctor, packing_is_recognised)
{
    uint8_t space[2048];
    uint8_t frame[5 + sizeof protobuf] = {0, 0, 0, 0, sizeof protobuf};
    struct slice gzip = gzipped(slice_text(traces), space);
    report_expect(source_of(gzip, "", ""), "body: gzip, JSON, ");
    report_expect(source_of(gzip, "application/json", "gzip"), "body: gzip, JSON, ");
    report_expect(source_of(gzip, "application/json", ""), "send Content-Encoding: gzip");
    memcpy(frame + 5, protobuf, sizeof protobuf);
    report_expect(source_of(slice_of(frame, sizeof frame), "application/grpc", ""),
                  "gRPC frame of");
    report_expect(source_of(slice_of(frame, sizeof frame), "", ""), "gRPC frame of");
    report_expect(source_of(slice_of(protobuf, sizeof protobuf), "application/grpc", ""),
                  "the body is not one frame");
}

Test(doctor, headers_tell_type_encoding_and_signal)
{
    struct doctor_source s = {0};
    struct error error = {0};
    cr_assert_eq(
        doctor_headers_read(&s, "h",
                            slice_text("POST /base/v1/logs?x=1 HTTP/1.1\r\nContent-TYPE:  "
                                       "application/json \r\nContent-Encoding: zstd\r\n\r\n"),
                            &error),
        STATUS_OK, "%s", error.text);
    cr_expect_str_eq(s.content_type, "application/json");
    cr_expect_str_eq(s.content_encoding, "zstd");
    cr_expect(s.has_signal && s.is_logs);
    struct doctor_source h2 = {0};
    cr_assert_eq(doctor_headers_read(&h2, "h",
                                     slice_text(":method: POST\n:path: /opentelemetry.proto."
                                                "collector.logs.v1.LogsService/Export\n"
                                                "grpc-encoding: gzip\n"),
                                     &error),
                 STATUS_OK, "%s", error.text);
    cr_expect(h2.has_signal && h2.is_logs);
    cr_expect_str_eq(h2.content_encoding, "gzip");
}

struct bad_header {
    char text[64];
    char expected[32];
};

Test(doctor, bad_headers_name_their_line)
{
    static const struct bad_header bad[] = {
        {"no header at all", "h:1:"},
        {"a: b\nand then this", "h:2:"},
        {"a: b\n{\"x\": 1}", "h:2:"},
        {":", "h:1:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct doctor_source s = {0};
        struct error error = {0};
        cr_expect_eq(doctor_headers_read(&s, "h", slice_text(bad[i].text), &error), STATUS_INVALID,
                     "%s", bad[i].text);
        cr_expect_not_null(strstr(error.text, bad[i].expected), "%s", error.text);
    }
}

struct look {
    char bytes[64];
    char like[48];
};

Test(doctor, what_bytes_look_like)
{
    static const struct look looks[] = {
        {"", "empty"},
        {" \r\n ", "empty"},
        {"\x1f\x8b\x08", "gzip"},
        {"\x28\xb5\x2f\xfd", "zstd"},
        {"PRI * HTTP/2.0\r\n\r\nSM", "an HTTP/2 connection"},
        {"HTTP/1.1 200 OK\r\n", "an HTTP answer"},
        {"<html>", "HTML or XML"},
        {"  {\"a\"", "JSON"},
        {"1f4\r\n{\"a\"", "a body that still has its chunk sizes"},
        {"0a23 1221", "hexadecimal text"},
        {"ewogICJyZXNvdXJjZVNwYW5zIg==", "base64 text"},
        {"\x0a\x7f\x12\x03", "a protobuf export that is cut short"},
        {"hello, world!", "text"},
        {"\x08\x96\x01", "binary data"},
    };
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        const char *like = doctor_looks_like(slice_text(looks[i].bytes));
        cr_expect_eq(strncmp(like, looks[i].like, strlen(looks[i].like)), 0, "%s instead of %s",
                     like, looks[i].like);
    }
}

/* Nothing but an answer or an error, whatever is missing or flipped. */
static void hurt(struct slice bytes, size_t step)
{
    uint8_t copy[2048];
    struct error error;
    cr_assert_leq(bytes.size, sizeof copy);
    for (size_t size = 0; size < bytes.size; size += step) {
        struct doctor_source s = source_of(slice_of(bytes.data, size), "", "");
        enum status status = examine(&s, size % 2 == 0, NULL, &error);
        cr_expect(status == STATUS_OK || error.text[0] != 0);
    }
    for (size_t bit = 0; bit < bytes.size * 8; bit += step) {
        memcpy(copy, bytes.data, bytes.size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct doctor_source s = source_of(slice_of(copy, bytes.size), "", "");
        enum status status = examine(&s, bit % 2 == 0, NULL, &error);
        cr_expect(status == STATUS_OK || error.text[0] != 0);
    }
}

Test(doctor, no_truncation_and_no_flipped_bit_hurts)
{
    uint8_t space[2048];
    hurt(slice_of(protobuf, sizeof protobuf), 1);
    hurt(slice_text(traces), 41);
    hurt(gzipped(slice_text(traces), space), 29);
}
