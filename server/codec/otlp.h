/*
 * otlp.h - OTLP export requests, protobuf or JSON, one span at a time.
 *
 * Place:     body bytes -> [here] -> struct otlp_sink (server/dialect)
 * Format:    opentelemetry-proto trace/v1, logs/v1, collector; JSON mapping of the OTLP specification
 * Memory:    nothing is kept from span to span except the resource's and scope's attributes; what a sink gets is
 *            valid during the call only. Besides the body the reader needs the attributes of one span (OTLP_ATTRIBUTES_MAX
 *            at most) and copies of strings with escapes (JSON) and of nested values.
 * Threads:   a reader belongs to one thread.
 */
#ifndef DRIFTLINE_CODEC_OTLP_H
#define DRIFTLINE_CODEC_OTLP_H

#include "engine/base/id.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"

#define OTLP_BODY_BYTES_MAX  (64u << 20) /* decoded; the specification's default */
#define OTLP_DEPTH_MAX       60u         /* of nested values; deeper is that span's error. JSON_DEPTH_MAX less what may be wrapped around them */
#define OTLP_ATTRIBUTES_MAX  16384u      /* of one span with its events and links; those beyond are dropped and counted */
#define OTLP_EVENTS_MAX      4096u       /* of one span; likewise */
#define OTLP_LINKS_MAX       1024u

enum value_type {
    VALUE_NONE, /* the empty AnyValue */
    VALUE_STRING,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DOUBLE,
    VALUE_BYTES,
    VALUE_JSON, /* an array or a key-value list, as the text of a JSON array or object */
};

struct value {
    enum value_type type;
    union {
        struct slice bytes; /* STRING (any bytes: invalid UTF-8 occurs), BYTES, JSON */
        bool boolean;
        int64_t integer;
        double number;
    };
};

struct attribute {
    struct slice key;
    struct value value;
};

struct attributes {
    const struct attribute *items;
    uint32_t count;
    uint32_t dropped; /* said by the client, plus those over our limit */
};

struct otlp_resource {
    struct attributes attributes;
    struct slice schema_url;
    uint64_t serial; /* changes with every resource of every request: for what is cached per resource */
};

struct otlp_scope {
    struct slice name;
    struct slice version;
    struct attributes attributes;
    struct slice schema_url;
};

struct otlp_event {
    int64_t time_ns;
    struct slice name;
    struct attributes attributes;
};

struct otlp_link {
    struct id128 trace_id;
    uint64_t span_id;
    struct slice trace_state;
    struct attributes attributes;
};

struct otlp_span {
    const struct otlp_resource *resource;
    const struct otlp_scope *scope;
    struct id128 trace_id; /* never zero */
    uint64_t span_id;      /* as its 8 bytes read big-endian; never zero */
    uint64_t parent_id;    /* 0: root (absent, empty or all zero) */
    struct slice trace_state;
    struct slice name;
    int32_t kind; /* 0 unspecified .. 5 consumer; anything else as it came */
    int64_t start_ns;
    int64_t end_ns;
    struct attributes attributes;
    const struct otlp_event *events;
    uint32_t event_count;
    const struct otlp_link *links;
    uint32_t link_count;
    int32_t status_code; /* 0 unset, 1 ok, 2 error */
    struct slice status_message;
    uint32_t flags;
};

struct otlp_log {
    const struct otlp_resource *resource;
    const struct otlp_scope *scope;
    int64_t time_ns; /* 0: unknown */
    int64_t observed_ns;
    int32_t severity;
    struct slice severity_text;
    struct slice event_name; /* the field, else the attribute "event.name" */
    struct value body;
    struct attributes attributes;
    struct id128 trace_id; /* zero: none */
    uint64_t span_id;      /* zero: none */
};

enum otlp_encoding { OTLP_PROTOBUF, OTLP_JSON };
enum otlp_signal { OTLP_TRACES, OTLP_LOGS };

/* A failure of a sink ends the reading and is returned. */
struct otlp_sink {
    enum status (*span)(void *context, const struct otlp_span *span, struct error *reterr);
    enum status (*log)(void *context, const struct otlp_log *log, struct error *reterr);
    void *context;
};

struct otlp_result {
    uint64_t accepted; /* spans or log records given to the sink */
    uint64_t rejected; /* those without usable ids, or malformed inside their own bounds */
    uint64_t dropped_attributes; /* over our limits */
    char message[256]; /* why the first one was rejected (or attributes were dropped), else "" */
};

struct otlp_reader;
struct otlp_reader *otlp_reader_create(void);
void otlp_reader_destroy(struct otlp_reader *r);
/*
 * Reads a whole request. A span that is wrong in itself (ids of the wrong length or zero, a bad nested value, too deep) is
 * rejected and the rest goes on. STATUS_INVALID: the body as a whole is not the message it claims to be (with the byte
 * offset in error.position); spans before that place were given to the sink already. A logs export in place of a traces
 * export (the field numbers are shared) is STATUS_INVALID saying so, since none of its records has span ids. An empty body
 * is an empty request. Attributes sent as an object ({"a":1}), bare JSON values instead of AnyValues, integers as strings or
 * numbers, snake_case names of fields: taken. Enum names ("SPAN_KIND_CLIENT", "STATUS_CODE_ERROR"): taken.
 */
MUST_CHECK enum status otlp_read(struct otlp_reader *r, enum otlp_signal signal, enum otlp_encoding encoding,
                                 struct slice body, const struct otlp_sink *sink, struct otlp_result *ret,
                                 struct error *reterr);
/* Memory the reader holds now, for limits and tests. */
size_t otlp_reader_memory(const struct otlp_reader *r);

/* "application/json; charset=utf-8" -> OTLP_JSON; "application/x-protobuf", "application/protobuf" -> OTLP_PROTOBUF.
 * NULL or another type: guessed from the body's first byte ('{' or white space: JSON). */
enum otlp_encoding otlp_encoding_of(const char *content_type, struct slice body);
const char *otlp_content_type(enum otlp_encoding encoding);

/* ---- answers ---- */

/* ExportTraceServiceResponse / ExportLogsServiceResponse (same shape). rejected 0 and an empty message: full success. */
void otlp_write_success(enum otlp_encoding encoding, enum otlp_signal signal, uint64_t rejected, struct slice message,
                        struct buffer *to);
/* google.rpc.Status with a google.rpc code (3 INVALID_ARGUMENT, 7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED, 13 INTERNAL,
 * 14 UNAVAILABLE, 16 UNAUTHENTICATED). */
void otlp_write_error(enum otlp_encoding encoding, int code, struct slice message, struct buffer *to);

#endif
