/*
 * otlp_json_record.h - spans, log records and lists of attributes in JSON.
 */
#ifndef DRIFTLINE_CODEC_OTLP_JSON_RECORD_H
#define DRIFTLINE_CODEC_OTLP_JSON_RECORD_H

#include "server/codec/otlp_json_read.h"

/* Whose attributes are being read. */
struct owner {
    struct attribute_list *list;
    struct attributes *attributes;
    bool is_record; /* a fault is the record's; else the attribute is dropped */
};
/* A list of {"key", "value"}, or an object as hand-written clients have it. */
bool json_take_attributes(struct json_reader *j, enum json_token t, struct owner o);

/* One element of "spans" or "logRecords", given to the sink. */
json_item json_span;
json_item json_log;

#endif
