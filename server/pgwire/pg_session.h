/*
 * pg_session.h - one client connection: what the files of this folder share.
 *
 * Invariants:
 * 1. At most one statement of a session runs at a time; while it runs or its rows are being sent no further
 *    message is taken from the input.
 * 2. A session is freed only when no job of it is on a worker (job_running), even if the client left.
 */
#ifndef DRIFTLINE_PG_SESSION_H
#define DRIFTLINE_PG_SESSION_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "server/pgwire/pg_message.h"
#include "server/pgwire/pg_type.h"
#include "server/pgwire/pgwire.h"

#define PG_MESSAGE_BYTES_MAX      (16u << 20)
#define PG_PREAUTH_BYTES_MAX      (16u << 10)
#define PG_PARAMETERS_MAX         1024u
#define PG_STATEMENTS_MAX         1024u /* prepared statements and portals a session */
#define PG_OUTPUT_HIGH_BYTES      (1u << 20)
#define PG_OUTPUT_LOW_BYTES       (256u << 10)
#define PG_AUTHENTICATION_SECONDS 10

enum pg_state {
    PG_STARTUP, /* waiting for the startup message */
    PG_SASL,    /* in the SCRAM exchange */
    PG_READY,   /* takes messages */
    PG_RUNNING, /* a statement runs on a worker */
    PG_SENDING, /* rows wait for a slow reader */
    PG_CLOSING, /* flushes its output, then closes */
};

struct pg_statement {
    struct pg_statement *next;
    struct arena arena;
    char *name;
    struct slice text;
    uint32_t parameter_count; /* OIDs the client gave */
    uint32_t *oids;
};

struct pg_portal {
    struct pg_portal *next;
    struct arena arena;
    char *name;
    struct slice text;
    struct query_value *parameters;
    uint32_t parameter_count;
    uint32_t format_count; /* 0: all text; 1: for all columns; else one a column */
    uint16_t *formats;
    struct query_result *result; /* NULL until executed */
    bool own_result;             /* a canned one: freed by pg_canned_destroy */
    bool executed;
    const char *tag; /* CommandComplete of a command without rows */
    uint64_t next_row;
};

struct pg_session {
    struct pg_session *next;
    struct pg_session *previous;
    struct pgwire *server;
    struct bufferevent *events;
    struct event *deadline; /* of authentication */
    uint32_t slot;
    uint32_t process_id; /* BackendKeyData */
    uint32_t secret;
    enum pg_state state;
    char transaction; /* 'I', 'T', 'E' */
    bool skip_to_sync;
    bool gone; /* the client left */
    bool job_running;
    atomic_bool cancel;
    struct scram *scram;
    bool sasl_started;
    struct principal principal;
    char database[128];
    char user[128];
    uint32_t project;
    struct buffer out;

    struct pg_statement *statements;
    struct pg_portal *portals;
    uint32_t object_count;

    /* What is being executed: a portal, for the simple or the extended protocol. */
    struct pg_portal *current;
    struct pg_portal simple_portal;
    struct buffer simple_text;
    size_t simple_at; /* where the next statement of simple_text starts */
    bool in_simple;
    uint64_t rows_max; /* of this Execute; 0: all */
    uint64_t rows_sent;
};

struct pgwire {
    struct pgwire_options options;
    struct net_listener *listener;
    struct pg_session *sessions;
    uint32_t session_count;
    uint32_t next_process_id;
    bool draining;
};

/* pg_server.c */
void session_close(struct pg_session *s);
/* Sends what is in s->out. */
void session_flush(struct pg_session *s);
/* Takes messages while the state allows. */
void session_process(struct pg_session *s);
void session_cancel(struct pgwire *p, uint32_t process_id, uint32_t secret);

/* pg_startup.c: the startup packet (without its length) and SASL messages. */
void startup_message(struct pg_session *s, struct slice body);
void sasl_message(struct pg_session *s, struct slice body);
/* Ends the session with an error. */
void session_fatal(struct pg_session *s, const char *sqlstate, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* pg_query.c */
/* A frontend message once authenticated. */
void query_message(struct pg_session *s, char type, struct slice body);
void session_error(struct pg_session *s, const struct error *error, struct slice statement);
/* Runs the next statement of a simple query, or ends it. The loop of session_process calls it, so that a message with a million
 * statements does not recurse. */
void simple_next(struct pg_session *s);

/* pg_extended.c: Parse, Bind, Describe, Execute, Close. */
void extended_message(struct pg_session *s, char type, struct slice body);
void extended_statements_free(struct pg_session *s);
/* Portals live until the end of their transaction. */
void extended_portals_free(struct pg_session *s);
void portal_deinit(struct pg_portal *p);

/* pg_execute.c */
/* Starts the portal's statement; continues with execute_send when rows are there. */
void execute_start(struct pg_session *s, struct pg_portal *p);
/* Sends rows until done, suspended or the reader is slow. */
void execute_send(struct pg_session *s);
void row_description(struct pg_session *s, const struct query_column *columns, uint32_t count,
                     const uint16_t *formats, uint32_t format_count);
/* Called when the portal is done, suspended or failed: goes on with the protocol. pg_query.c */
void execute_finished(struct pg_session *s, bool failed);

/* pg_command.c: statements answered here, without the query engine. */
enum pg_answer {
    PG_ANSWER_QUERY, /* none of ours: run it */
    PG_ANSWER_EMPTY,
    PG_ANSWER_COMMAND, /* *ret_tag */
    PG_ANSWER_ROWS,    /* *ret_result, freed by pg_canned_destroy */
    PG_ANSWER_ERROR,
};
/* effects: also change the session (transaction state, deallocate); false when only describing. */
enum pg_answer pg_command_answer(struct pg_session *s, struct slice text, bool effects,
                                 const char **ret_tag, struct query_result **ret_result,
                                 struct error *reterr);
void pg_canned_destroy(struct query_result *r);

#endif
