/*
 * amend.h - a tag or a score written later for one span: what `tag` and `score` share.
 */
#ifndef DRIFTLINE_TOOLS_AMEND_H
#define DRIFTLINE_TOOLS_AMEND_H

#include "tools/find.h"
#include "tools/sink.h"

/* rule, judge, human or client. */
bool amend_source_is_known(const char *source);
/* trace may be NULL: the span's id alone, which then must fit one span only. */
MUST_CHECK enum status amend_find(struct sql_session *session, const char *trace, const char *span,
                                  struct found_span *ret, struct error *reterr);
/* Sends one row of scores or tags and waits until it is durable. */
MUST_CHECK enum status amend_send(const struct connect *connect, const struct batch *row,
                                  struct error *reterr);

#endif
