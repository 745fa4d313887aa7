/*
 * otlp_proto_value.h - KeyValue and AnyValue in protobuf.
 */
#ifndef DRIFTLINE_CODEC_OTLP_PROTO_VALUE_H
#define DRIFTLINE_CODEC_OTLP_PROTO_VALUE_H

#include "server/codec/otlp_internal.h"
#include "server/codec/protobuf.h"

/* bytes is a KeyValue. Strings are borrowed from it, nested values go to the arena as JSON. ret->key is set even when the value
 * is too deep or too large. */
enum value_fault proto_attribute_read(struct otlp_reader *r, struct arena *arena,
                                      struct slice bytes, struct attribute *ret);

/* The payloads of every field `tag` of a message, in order; tag 0: the message itself, once. */
struct pieces {
    struct cursor message;
    uint32_t tag;
};
struct pieces pieces_of(struct slice message, uint32_t tag);
/* The pieces together are an AnyValue. */
enum value_fault proto_value_read(struct otlp_reader *r, struct arena *arena, struct pieces pieces,
                                  struct value *ret);

#endif
