/*
 * find.h - the trace or span somebody means by the first digits of its id.
 */
#ifndef DRIFTLINE_TOOLS_FIND_H
#define DRIFTLINE_TOOLS_FIND_H

#include "tools/rows.h"

struct found_span {
    struct id128 trace_id;
    uint64_t span_id;
};

/* 1 to 32 hex digits. STATUS_NOT_FOUND; STATUS_INVALID when it is no id or fits several. */
MUST_CHECK enum status find_trace(struct sql_session *s, const char *prefix, struct id128 *ret,
                                  struct error *reterr);
/* Within a trace (NULL: anywhere), 1 to 16 digits. */
MUST_CHECK enum status find_span(struct sql_session *s, const struct id128 *trace,
                                 const char *prefix, struct found_span *ret, struct error *reterr);

#endif
