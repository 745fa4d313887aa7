/*
 * schema.h - JSON Schema, the subset that tool definitions and response formats are written in.
 *
 * Source:   draft-04 to draft-07 and 2020-12 (json-schema.org), OpenAPI's `nullable` and upper-case type names (Gemini). schema.def
 *           lists every keyword that is checked and every one that is known to say nothing about validity. A keyword in neither list is
 *           never skipped silently: json_schema_unsupported names it.
 * Bounds:   SCHEMA_BYTES_MAX, SCHEMA_NODES_MAX, SCHEMA_PATTERNS_MAX for schemas; SCHEMA_INSTANCE_NODES_MAX, SCHEMA_STEPS_MAX,
 *           SCHEMA_DEPTH_MAX for a validation, which gives up (no verdict) at a bound.
 * Threads:  a compiled schema is only read.
 */
#ifndef DRIFTLINE_ENRICH_SCHEMA_H
#define DRIFTLINE_ENRICH_SCHEMA_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

#define SCHEMA_BYTES_MAX          (256u << 10)
#define SCHEMA_NODES_MAX          4096u  /* subschemas */
#define SCHEMA_PATTERNS_MAX       64u    /* regular expressions */
#define SCHEMA_INSTANCE_NODES_MAX 65536u /* values of an instance */
#define SCHEMA_STEPS_MAX          200000u
#define SCHEMA_DEPTH_MAX          200u /* subschemas inside one another, references followed */
#define SCHEMA_UNSUPPORTED_MAX    8u   /* names kept; more are counted */

struct json_schema;

struct json_schema_options {
    /* 4, 6, 7: that draft; 2020: draft 2020-12. 0: what $schema says, else 2020. Up to draft 7 a $ref hides its siblings. */
    int draft;
};
/* Compiles; copies. STATUS_INVALID: no JSON, or a keyword with an impossible value, named with its byte; STATUS_LIMIT. */
MUST_CHECK enum status json_schema_create(struct slice text,
                                          const struct json_schema_options *options,
                                          struct json_schema **ret, struct error *reterr);
void json_schema_destroy(struct json_schema *s);
/* Keywords (and references out of the document) that validation does not look at. *ret_names lives as long as the schema. */
uint32_t json_schema_unsupported(const struct json_schema *s, const struct slice **ret_names);
/* Memory it holds, about. */
size_t json_schema_bytes(const struct json_schema *s);

enum json_schema_verdict {
    SCHEMA_FITS,
    SCHEMA_FAILS,
    SCHEMA_NOT_JSON,
    SCHEMA_GAVE_UP, /* a bound was met: nothing is known */
};
/* Where and why, for people: "$.order_id", "type", "expected integer, got string". */
struct json_schema_failure {
    char path[160];
    const char *keyword;
    char words[256];
};
/* *ret is written unless it fits. scratch is used for the instance. */
enum json_schema_verdict json_schema_validate(const struct json_schema *s, struct slice instance,
                                              struct arena *scratch,
                                              struct json_schema_failure *ret);

#endif
