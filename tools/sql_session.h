/*
 * sql_session.h - one place to run statements: over HTTP or on a store opened in this process.
 */
#ifndef DRIFTLINE_TOOLS_SQL_SESSION_H
#define DRIFTLINE_TOOLS_SQL_SESSION_H

#include "query/query.h"
#include "tools/connect.h"
#include "tools/store.h"

struct sql_session {
    struct connect connect;
    enum query_format format;
    bool timing;
    /* With --data only: */
    struct store store;
    struct query_db *db;
    uint32_t project;
};

/* STATUS_BUSY when a server has the directory: ask it instead. */
MUST_CHECK enum status sql_session_open_data(struct sql_session *s, const char *directory,
                                             struct error *reterr);
void sql_session_close(struct sql_session *s);
/* Prints rows to stdout and errors with their caret to stderr; returns an exit code. Ctrl-C cancels the statement. */
int sql_session_run(struct sql_session *s, struct slice statement);
/* The same in memory, as one JSON object, with nothing printed. */
MUST_CHECK enum status sql_session_json(struct sql_session *s, struct slice statement,
                                        struct buffer *ret_json, struct error *reterr);
/* The interactive shell; returns an exit code. */
int sql_shell(struct sql_session *s);

#endif
