/*
 * doctor.h - one captured OTLP request, taken apart: what the parts of `driftline doctor otlp` share.
 *
 * Place:    file -> doctor_body.c (what the bytes are) -> doctor_read.c (decode, map, enrich) -> doctor_advice.c -> doctor_print.c,
 *           doctor_json.c
 */
#ifndef DRIFTLINE_TOOLS_DOCTOR_H
#define DRIFTLINE_TOOLS_DOCTOR_H

#include "engine/enrich/enrich.h"
#include "server/codec/otlp.h"
#include "server/dialect/mapper.h"

#define DOCTOR_ROWS_MAX 10000u /* spans and records that are explained; the others are only counted */

/* ---- what the bytes are ---- */

/* How a request came, as far as anybody said. "": nobody did. */
struct doctor_source {
    const char *name;
    struct slice bytes; /* of the file */
    char content_type[128];
    char content_encoding[64];
    bool is_logs;    /* --logs, or a path that ends in /v1/logs */
    bool has_signal; /* one of both, or a path that ends in /v1/traces */
};
/* Header lines, with or without a request line, into what was not said yet. STATUS_INVALID names the line. */
MUST_CHECK enum status doctor_headers_read(struct doctor_source *source, const char *name, struct slice text, struct error *reterr);

enum advice_level {
    ADVICE_ERROR, /* a server refuses the request, or loses something */
    ADVICE_WARN,  /* taken, but something will be missing or wrong */
    ADVICE_HINT,  /* could be better */
};
struct advice {
    enum advice_level level;
    const char *code;
    const char *text;
    uint64_t spans;     /* it concerns; 0: the request */
    struct slice first; /* name of the first one */
};

/* ---- the patient ---- */

/* A mapping_note that lasts. */
struct doctor_note {
    struct slice source, value;
    const char *column;
    const char *why;
};

/* One span or log record. */
struct doctor_item {
    struct slice name;
    bool is_log;
    struct id128 trace_id;
    uint64_t span_id, parent_id;
    int32_t status_code;
    bool ends_before_start;
    struct doctor_note *notes;
    size_t notes_capacity;
    uint32_t note_count;
    uint32_t row;          /* of spans; UINT32_MAX: it became none */
    uint32_t score_first;  /* of scores: what it gave */
    uint32_t score_count;
    struct slice rejected; /* why; empty: it was taken */
};

struct doctor {
    struct arena arena;
    const struct doctor_source *source;
    /* The body. */
    struct buffer wire; /* how it was packed: "gRPC frame of 99 bytes, gzip, " */
    struct buffer decoded;
    struct slice body;
    enum otlp_encoding encoding;
    enum otlp_signal signal;
    /* What is in it. */
    struct schema schema;
    struct mapped mapped;
    struct enricher *enricher;
    struct mapper *mapper;
    struct doctor_item *items;
    size_t items_capacity;
    uint32_t item_count;
    struct doctor_item *current; /* notes go here */
    struct otlp_result result;
    struct enrich_work work; /* spans and messages after enrichment */
    struct batch scores, tags;
    struct enrich_counts counts;
    struct advice *advice;
    size_t advice_capacity;
    uint32_t advice_count;
};

/* Takes the enricher over. */
void doctor_init(struct doctor *d, const struct doctor_source *source, struct enricher *own_enricher);
void doctor_deinit(struct doctor *d);
/* Text that lasts as long as the doctor. */
struct slice doctor_keep(struct doctor *d, struct slice text);
/* Advice about the request as a whole. */
void doctor_advise(struct doctor *d, enum advice_level level, const char *code, const char *format, ...) PRINTF_LIKE(4, 5);

/* Finds the body in the file: gRPC frame, content encoding, protobuf or JSON. What a server would stumble over becomes advice. */
MUST_CHECK enum status doctor_unpack(struct doctor *d, struct error *reterr);
/* What bytes that do not decode look like: "gzip", "an HTTP/2 connection", ... Never NULL. */
const char *doctor_looks_like(struct slice bytes);
/* Decodes, maps and enriches. When the body is not what it was said to be but something else we can read, it is read as that, with advice. */
MUST_CHECK enum status doctor_read(struct doctor *d, struct error *reterr);
/* Goes through the rules of doctor_advice.def. */
void doctor_look(struct doctor *d);

/* ---- cells ---- */

/* A cell of the row by column id; NULL where it has no value. */
const struct vector *doctor_cell(const struct doctor *d, uint32_t row, uint16_t column_id);
struct slice doctor_text(const struct doctor *d, uint32_t row, uint16_t column_id);
/* As SQL would show it: dollars, milliseconds, times. json: as a JSON value (columns that hold JSON as what they hold). */
void doctor_cell_add(struct doctor *d, const struct column *column, const struct vector *v, uint32_t row, bool json,
                     struct buffer *to);

void doctor_print(struct doctor *d, struct buffer *to, bool coloured);
void doctor_print_json(struct doctor *d, struct buffer *to);

#endif
