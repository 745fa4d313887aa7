/*
 * limits.h - every bound on input and memory that has a name. Sizes from outside meet one of
 * these before they size anything. Figures a user may change are defaults; see the configuration.
 */
#ifndef DRIFTLINE_BASE_LIMITS_H
#define DRIFTLINE_BASE_LIMITS_H

#define BLOCK_ROWS           8192u               /* rows a column block; also a head chunk */
#define BATCH_ROWS_MAX       65536u              /* rows a span batch */
#define BATCH_BYTES_MAX      (64u << 20)         /* encoded batch, messages included */
#define SCORE_COLUMNS_MAX    1024u               /* distinct score names a project */
#define NAME_BYTES_MAX       256u                /* score names, class names, dictionary-like names */
#define STR_BYTES_MAX        65536u              /* a dictionary string (session, model, ...) */
#define TEXT_BYTES_MAX       (16u << 20)         /* a text cell (attributes, tool_result, ...) */
#define MESSAGE_BYTES_MAX    (16u << 20)         /* one message body */
#define MESSAGE_REFS_MAX     65536u              /* messages in one input or output */
#define PROJECT_NAME_MAX     64u
#define PROJECTS_MAX         4096u
#define SEGMENT_ROWS_MAX     (4u << 20)
#define QUERY_TEXT_MAX       (1u << 20)
#define EXPRESSION_DEPTH_MAX 200u

#endif
