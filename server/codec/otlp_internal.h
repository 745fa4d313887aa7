/*
 * otlp_internal.h - what both encodings share: the record under construction, its limits, nested values as JSON.
 *
 * Place:     otlp_proto.c, otlp_json.c -> [here, otlp_reader.c] -> struct otlp_sink
 *
 * A reader (otlp_proto.c, otlp_json.c) fills resource and scope, then for each record: record_begin, fields,
 * record_end. Whatever is wrong inside one record is said with record_fault; record_end then rejects it.
 */
#ifndef DRIFTLINE_CODEC_OTLP_INTERNAL_H
#define DRIFTLINE_CODEC_OTLP_INTERNAL_H

#include "engine/base/json.h"
#include "server/codec/otlp.h"

/* Text of all nested values of one span. A text cell holds no more (TEXT_BYTES_MAX); what goes beyond is dropped and counted. */
#define OTLP_NESTED_BYTES_MAX (16u << 20)
/* What a reader keeps of its text memory from one request to the next. */
#define OTLP_KEPT_BYTES_MAX (1u << 20)

/* One growing array; the attributes of several owners (events) lie in it one after the other. */
struct attribute_list {
    struct attribute *items;
    size_t capacity;
    uint32_t count;
};

/* The span or log record being read. */
struct record {
    struct otlp_span span;
    struct otlp_log log;
    struct attribute_list attributes;
    struct attribute_list event_attributes;
    struct attribute_list link_attributes;
    struct otlp_event *events;
    size_t events_capacity;
    struct otlp_link *links;
    size_t links_capacity;
    struct slice name;    /* for messages */
    size_t nested_bytes;  /* of its nested values so far */
    bool is_bad;
    bool is_mistaken;     /* it looks like a record of the other signal */
    char fault[160];      /* why it is bad; only worded for the first bad one of a request */
};

/* Names of JSON members, see otlp_json_names.h; where in each table the last one was found. */
#define OTLP_NAME_TABLES 16

struct otlp_reader {
    /* of the request */
    enum otlp_signal signal;
    const struct otlp_sink *sink;
    struct slice body;
    struct otlp_result result;
    uint64_t mistaken;
    uint32_t attributes_left; /* of the resource, scope or record being read */
    /* of the resource and scope */
    struct otlp_resource resource;
    struct attribute_list resource_attributes;
    struct arena resource_text;
    struct otlp_scope scope;
    struct attribute_list scope_attributes;
    struct arena scope_text;
    /* of the record */
    struct record record;
    struct arena record_text;
    struct buffer nested; /* one nested value while it is written */
    /* for all its life */
    uint64_t serial;
    uint32_t name_hints[OTLP_NAME_TABLES];
};

MUST_CHECK enum status otlp_read_proto(struct otlp_reader *r, struct error *reterr);
MUST_CHECK enum status otlp_read_json(struct otlp_reader *r, struct error *reterr);

void resource_begin(struct otlp_reader *r);
void resource_end(struct otlp_reader *r);
void scope_begin(struct otlp_reader *r);
void scope_end(struct otlp_reader *r);
void record_begin(struct otlp_reader *r);
/* Gives it to the sink, or rejects it. */
MUST_CHECK enum status record_end(struct otlp_reader *r, struct error *reterr);
void record_fault(struct otlp_reader *r, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for one more attribute of owner, which must be the last owner in the list, or NULL: over the limit, and counted.
 * It belongs to the list once attribute_keep was called. */
struct attribute *attribute_slot(struct otlp_reader *r, struct attribute_list *list,
                                 struct attributes *owner);
void attribute_keep(struct otlp_reader *r, struct attribute_list *list, struct attributes *owner);
void attribute_drop(struct otlp_reader *r, struct attributes *owner);
/* Forgets the last owner's attributes (a JSON member met twice). */
void attributes_forget(struct otlp_reader *r, struct attribute_list *list,
                       struct attributes *owner);
/* Room for one more, zeroed; NULL: over the limit, and the first time is remembered for the message. */
struct otlp_event *event_slot(struct otlp_reader *r);
struct otlp_link *link_slot(struct otlp_reader *r);
/* A clients' timestamps are unsigned; what doesn't fit is the latest time we have. */
int64_t time_from_unsigned(uint64_t ns);

/* ---- nested values: the JSON text grows in r->nested ---- */

enum value_fault {
    VALUE_FINE,
    VALUE_MALFORMED, /* its bytes are no value */
    VALUE_TOO_DEEP,  /* more than OTLP_DEPTH_MAX */
    VALUE_TOO_LARGE, /* the record's nested values are more than OTLP_NESTED_BYTES_MAX */
};

/* Each returns VALUE_TOO_LARGE once the limit is passed. */
enum value_fault nested_raw(struct otlp_reader *r, struct slice json);
enum value_fault nested_text(struct otlp_reader *r, struct slice text);
/* Any value but VALUE_JSON's containers: strings, numbers (infinities and NaN as strings), base64. */
enum value_fault nested_scalar(struct otlp_reader *r, const struct value *value);
/* Moves what was written to the arena. */
struct value nested_take(struct otlp_reader *r, struct arena *arena);

#endif
