/*
 * amend.c - finds the span, sends the row.
 */
#include "tools/amend.h"

#include <string.h>

bool amend_source_is_known(const char *source)
{
    static const char *const known[] = {"rule", "judge", "human", "client"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(source, known[i]) == 0)
            return true;
    }
    return false;
}

enum status amend_find(struct sql_session *session, const char *trace, const char *span,
                       struct found_span *ret, struct error *reterr)
{
    struct id128 trace_id;
    if (trace == NULL)
        return find_span(session, NULL, span, ret, reterr);
    enum status s = find_trace(session, trace, &trace_id, reterr);
    return s < 0 ? s : find_span(session, &trace_id, span, ret, reterr);
}

enum status amend_send(const struct connect *connect, const struct batch *row, struct error *reterr)
{
    struct sink sink;
    struct sink_origin origin = {.file = ""};
    struct wire_input in = {0};
    if (row->table == TABLE_TAGS)
        in.tags = row;
    else
        in.scores = row;
    sink_begin(&sink, "amend", "rows", true);
    enum status s = sink_connect(&sink, connect, reterr);
    if (s >= 0)
        s = sink_send(&sink, &in, &origin, reterr);
    if (s >= 0)
        s = sink_finish(&sink, reterr);
    if (s >= 0 && sink.rejected != 0)
        s = error_set(reterr, STATUS_INVALID, "nothing was written");
    sink_end(&sink);
    return s;
}
