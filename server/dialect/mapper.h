/*
 * mapper.h - meaning: an OTLP span of any SDK becomes a row of our columns.
 *
 * Place:    server/codec -> [here] -> batches of spans, scores, tags and messages -> server/ingest
 * Data:     genai.def is the table: canonical column <- ordered sources. Adding a dialect is adding lines.
 * Promise:  nothing is lost: an attribute that became no column stays in `attributes`, typed, under its own name; events, links,
 *           resource and scope likewise (DIALECTS.md documents the shape).
 * Threads:  a mapper belongs to one thread.
 */
#ifndef DRIFTLINE_DIALECT_MAPPER_H
#define DRIFTLINE_DIALECT_MAPPER_H

#include "engine/span/batch.h"
#include "engine/span/message_set.h"
#include "server/codec/otlp.h"

/* The version of genai.def: part of what `driftline remap` compares. Bump it when a line changes. */
#define DIALECT_VERSION 1

/* Rows gathered so far. Zero is not valid: mapped_init. */
struct mapped {
    struct builder spans;
    struct builder scores; /* of evaluation events, logs, evaluator spans, braintrust.scores, ... */
    struct builder tags;   /* error_class written by the client on another span (logs) */
    struct message_set messages;
    size_t bytes; /* of text in it, about: to flush in time */
};
void mapped_init(struct mapped *m, struct schema *schema);
void mapped_deinit(struct mapped *m);
void mapped_reset(struct mapped *m);

/* What became of one attribute, event or field, for `driftline doctor otlp`. */
struct mapping_note {
    struct slice source;  /* "gen_ai.request.model", "event gen_ai.choice", "resource service.name", "scope", "status" */
    struct slice value;   /* as text, cut */
    const char *column;   /* "model", "score.groundedness", "input"; "attributes" when kept as it is; NULL: ignored */
    const char *why;      /* "first source of model", "model came from gen_ai.request.model", "no mapping", ... */
};
struct mapper_explain {
    void (*note)(void *context, const struct mapping_note *note);
    void *context;
};

struct mapper;
/* explain may be NULL. */
struct mapper *mapper_create(const struct mapper_explain *explain);
void mapper_destroy(struct mapper *m);
/* Adds one row to `to->spans` (and what belongs to it to the other parts). STATUS_INVALID: this span can't be a row (then nothing
 * was added). */
MUST_CHECK enum status mapper_span(struct mapper *m, const struct otlp_span *span, struct mapped *to, struct error *reterr);
/* gen_ai.evaluation.result -> a score; gen_ai.client.operation.exception -> a tag of the span; other records that carry a span id -> a child
 * row of kind 'other' named by the event, so that nothing is lost; records without a trace are ignored (STATUS_END). */
MUST_CHECK enum status mapper_log(struct mapper *m, const struct otlp_log *log, struct mapped *to, struct error *reterr);

/* The project a span names by itself (latitude.project, langsmith.trace.session_name, braintrust.parent, ...), as it came; empty: none. */
struct slice mapper_project_hint(const struct otlp_span *span);

/*
 * Maps once more what an older table left in `attributes` (the JSON text of the column): fills only what is not set in `have`
 * (bit i of have[i / 64]: column id i is not NULL) and hands over the new cells through a one-row `to` (emptied first; its scores have the zero trace and no span); *ret_attributes is
 * what still stays (the same text when nothing was used). False: nothing new.
 */
bool mapper_remap(struct mapper *m, struct slice attributes, const uint64_t have[2], struct mapped *to, struct arena *arena,
                  struct slice *ret_attributes);

#endif
