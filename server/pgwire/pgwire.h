/*
 * pgwire.h - the PostgreSQL wire protocol (version 3), so that psql, drivers and dashboards can ask.
 *
 * Place:    sockets -> [here] -> query/query.h on worker threads
 * Source:   PostgreSQL documentation, "Frontend/Backend Protocol".
 * Speaks:   simple and extended queries, text and binary results, row limits of portals, cancel requests,
 *           SCRAM-SHA-256 (or trust with authentication switched off). Not: COPY, TLS (answers 'N').
 * Names:    database = project, user = key id, password = key.
 * Limits:   10 s and 16 KiB before authentication; 16 MiB a message; output waits for slow readers.
 */
#ifndef DRIFTLINE_PGWIRE_H
#define DRIFTLINE_PGWIRE_H

#include "query/query.h"
#include "server/auth/auth.h"
#include "server/net/net.h"

struct pgwire;

struct pgwire_options {
    struct net_loop *loop;
    struct net_pool *queries; /* where statements run */
    struct auth *auth;
    struct engine *engine;
    struct query_db *db;
    struct query_options
        limits; /* timeout, memory, rows, threads; the rest is filled in per statement */
    struct net_address address;
    uint32_t connections_max; /* 0: 256 */
};

/* options are copied, what they point to is borrowed. */
MUST_CHECK enum status pgwire_start(const struct pgwire_options *options, struct pgwire **ret,
                                    struct error *reterr);
uint16_t pgwire_port(const struct pgwire *p);
/* Stops listening; idle sessions are told (57P01) and closed, running statements are cancelled. */
void pgwire_drain(struct pgwire *p);
/* Sessions still open; 0 once a drain is over. */
uint32_t pgwire_sessions(const struct pgwire *p);
/* Closes what is left. The query pool must not run jobs of sessions any more. Accepts NULL. */
void pgwire_stop(struct pgwire *p);

#endif
