/*
 * grpc_status.c - the forms of a refusal.
 *
 * Retry:   OTLP clients come again after UNAVAILABLE, and after RESOURCE_EXHAUSTED only with a RetryInfo; everything else they drop.
 * Format:  google.rpc.Status {1 code, 2 message, 3 details: Any {1 type_url, 2 value}}, RetryInfo {1 Duration {1 seconds}}
 */
#include "server/codec/base64.h"
#include "server/codec/protobuf.h"
#include "server/grpc/grpc_internal.h"

#define TEXT_SHOWN_MAX 512
#define RETRY_SECONDS  1

bool grpc_code_asks_again(enum rpc_code code)
{
    return code == RPC_UNAVAILABLE;
}

static struct slice message_cut(struct slice message)
{
    return slice_of(message.data, message.size < TEXT_SHOWN_MAX ? message.size : TEXT_SHOWN_MAX);
}

void grpc_message_encode(struct slice message, struct buffer *to)
{
    message = message_cut(message);
    for (size_t i = 0; i < message.size; i++) {
        uint8_t c = message.data[i];
        if (c >= 0x20 && c < 0x7f && c != '%')
            buffer_add_byte(to, c);
        else
            buffer_printf(to, "%%%02X", c);
    }
}

static void field_put(struct buffer *to, uint32_t number, struct slice bytes)
{
    put_varint(to, PROTO_TAG(number, PROTO_BYTES));
    put_bytes(to, bytes);
}

void grpc_details_encode(enum rpc_code code, struct slice message, struct buffer *to)
{
    static const uint8_t retry_info[] = {PROTO_TAG(1, PROTO_BYTES), 2, PROTO_TAG(1, PROTO_VARINT),
                                         RETRY_SECONDS};
    struct buffer any = {0};
    struct buffer status = {0};
    field_put(&any, 1, slice_text("type.googleapis.com/google.rpc.RetryInfo"));
    field_put(&any, 2, slice_of(retry_info, sizeof retry_info));
    otlp_write_error(OTLP_PROTOBUF, code, message_cut(message), &status);
    field_put(&status, 3, buffer_slice(&any));
    base64_encode(buffer_slice(&status), to);
    buffer_deinit(&any);
    buffer_deinit(&status);
}
