/*
 * otlp_write.c - answers: export responses and google.rpc.Status, in the encoding of the request.
 *
 * Format:  ExportTraceServiceResponse {1: partial_success {1: rejected_spans, 2: error_message}}, the same for logs;
 *          google.rpc.Status {1: code, 2: message}. JSON: 64-bit integers as strings.
 */
#include <inttypes.h>

#include "engine/base/utf8.h"
#include "server/codec/otlp.h"
#include "server/codec/protobuf.h"

/* A protobuf string is UTF-8, and messages quote what clients sent. */
static void text_put(uint32_t number, struct slice text, struct buffer *to)
{
    struct buffer clean = {0};
    const uint8_t *end = text.data + text.size;
    size_t size = 0;
    for (const uint8_t *at = text.data; at < end; at += size) {
        if (utf8_take(at, end, &size))
            buffer_add(&clean, at, size);
        else
            buffer_add_text(&clean, UTF8_REPLACEMENT);
    }
    put_varint(to, PROTO_TAG(number, PROTO_BYTES));
    put_bytes(to, buffer_slice(&clean));
    buffer_deinit(&clean);
}

static void integer_put(uint32_t number, uint64_t integer, struct buffer *to)
{
    put_varint(to, PROTO_TAG(number, PROTO_VARINT));
    put_varint(to, integer);
}

void otlp_write_success(enum otlp_encoding encoding, enum otlp_signal signal, uint64_t rejected,
                        struct slice message, struct buffer *to)
{
    bool is_partial = rejected != 0 || message.size != 0;
    if (encoding == OTLP_JSON) {
        if (!is_partial) {
            buffer_add_text(to, "{}");
            return;
        }
        buffer_printf(to, "{\"partialSuccess\":{\"%s\":\"%" PRIu64 "\",\"errorMessage\":",
                      signal == OTLP_TRACES ? "rejectedSpans" : "rejectedLogRecords", rejected);
        buffer_add_json(to, message);
        buffer_add_text(to, "}}");
    } else if (is_partial) {
        struct buffer partial = {0};
        if (rejected != 0)
            integer_put(1, rejected, &partial);
        if (message.size != 0)
            text_put(2, message, &partial);
        put_varint(to, PROTO_TAG(1, PROTO_BYTES));
        put_bytes(to, buffer_slice(&partial));
        buffer_deinit(&partial);
    }
}

void otlp_write_error(enum otlp_encoding encoding, int code, struct slice message,
                      struct buffer *to)
{
    if (encoding == OTLP_JSON) {
        buffer_printf(to, "{\"code\":%d,\"message\":", code);
        buffer_add_json(to, message);
        buffer_add_byte(to, '}');
    } else {
        integer_put(1, (uint64_t)code, to);
        text_put(2, message, to);
    }
}
