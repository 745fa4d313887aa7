/*
 * otlp_json_read.h - members, lists and scalars of OTLP in JSON, as senders really write them.
 *
 * A function that takes a token takes the whole value that begins with it. False means stop: the text is no JSON from here on
 * (json_error says why), or `status` is a failure. What is merely of the wrong type is said with record_fault.
 */
#ifndef DRIFTLINE_CODEC_OTLP_JSON_READ_H
#define DRIFTLINE_CODEC_OTLP_JSON_READ_H

#include "engine/base/check.h"
#include "server/codec/otlp_internal.h"

enum json_message {
#define MESSAGE(message) MESSAGE_##message,
#define NAME(message, field, name)
#define END(message)
#include "server/codec/otlp_json_names.def"
#undef MESSAGE
#undef NAME
#undef END
    MESSAGE_COUNT
};
static_assert(MESSAGE_COUNT <= OTLP_NAME_TABLES, "a hint for every message");

/* span_trace_id, ... and span_other for a name that is none of them. */
#define MESSAGE(message)           enum message##_field {
#define NAME(message, field, name) message##_##field,
#define END(message)                                                                               \
    message##_other                                                                                \
    }                                                                                              \
    ;
#include "server/codec/otlp_json_names.def"
#undef MESSAGE
#undef NAME
#undef END

struct json_reader {
    struct otlp_reader *reader;
    struct json json;
    struct arena *arena; /* for strings with escapes: of the resource, the scope or the record */
    enum status status;  /* of the sink, or of a document of another shape */
    struct error *reterr;
    bool has_schema_urls; /* the body says "schemaUrl" somewhere */
};

typedef bool json_member(struct json_reader *j, int field, enum json_token t, void *context);
typedef bool json_item(struct json_reader *j, enum json_token t, void *context);

/* The object that begins with t, one call of `member` for each known member that is not null; others are skipped. What is no object is
 * said to be wrong with `what`. */
bool json_members(struct json_reader *j, enum json_message message, enum json_token t,
                  const char *what, json_member *member, void *context);
bool json_items(struct json_reader *j, enum json_token t, const char *what, json_item *item,
                void *context);
/* Which field the key just read is, or the message's `other`. */
int json_field(struct json_reader *j, enum json_message message);
bool json_pass(struct json_reader *j, enum json_token t);
/* The token is of the wrong type. */
bool json_wrong(struct json_reader *j, enum json_token t, const char *what);

bool json_take_text(struct json_reader *j, enum json_token t, const char *what, struct slice *ret);
/* Numbers, and strings that hold one. */
bool json_take_int(struct json_reader *j, enum json_token t, const char *what, int64_t *ret);
bool json_take_time(struct json_reader *j, enum json_token t, const char *what, int64_t *ret);
bool json_take_count(struct json_reader *j, enum json_token t, uint32_t *to);
/* A number or a name of the enum: prefix and then one of names, separated by spaces, the first being `first`. */
bool json_take_enum(struct json_reader *j, enum json_token t, const char *what, const char *prefix,
                    const char *names, int32_t first, int32_t *ret);
/* Hex of any case, or base64 as protobuf's own JSON writers have it. *ret_fine: it was size bytes. */
bool json_take_id(struct json_reader *j, enum json_token t, const char *what, uint8_t *to,
                  size_t size, bool *ret_fine);

/* An AnyValue or a bare JSON value. */
bool json_take_value(struct json_reader *j, enum json_token t, struct value *ret,
                     enum value_fault *ret_fault);

#endif
