/*
 * control.h - small transactional state in one SQLite file (keys, incidents, alert state, ...).
 *
 * Place:    auth, alert, later review and judge -> [here] -> SQLite, journal WAL, synchronous FULL
 * Threads:  any; a statement holds the control's lock from control_prepare to control_finish, so keep it short.
 * Failure:  STATUS_IO / STATUS_FULL / STATUS_BUSY with SQLite's message; STATUS_CORRUPT names the file.
 */
#ifndef DRIFTLINE_CONTROL_H
#define DRIFTLINE_CONTROL_H

#include <stdbool.h>

#include "engine/base/slice.h"
#include "engine/base/status.h"

struct control;
struct control_statement;

/* Creates the file (mode 0600) when missing; checks its integrity quickly. */
MUST_CHECK enum status control_open(const char *path, struct control **ret, struct error *reterr);
void control_close(struct control *c);
/* Runs DDL made of CREATE ... IF NOT EXISTS: each module brings its own tables. */
MUST_CHECK enum status control_schema(struct control *c, const char *ddl, struct error *reterr);

/* Parameters count from 1, columns from 0. Text read is valid until the next step or finish. */
MUST_CHECK enum status control_prepare(struct control *c, const char *sql, struct control_statement **ret, struct error *reterr);
void control_bind_text(struct control_statement *s, int parameter, struct slice text);
void control_bind_blob(struct control_statement *s, int parameter, struct slice bytes);
void control_bind_i64(struct control_statement *s, int parameter, int64_t value);
void control_bind_f64(struct control_statement *s, int parameter, double value);
void control_bind_null(struct control_statement *s, int parameter);
/* STATUS_OK: a row; STATUS_END: done. */
MUST_CHECK enum status control_step(struct control_statement *s, struct error *reterr);
bool control_is_null(const struct control_statement *s, int column);
struct slice control_text(const struct control_statement *s, int column);
int64_t control_i64(const struct control_statement *s, int column);
double control_f64(const struct control_statement *s, int column);
/* Accepts NULL. */
void control_finish(struct control_statement *s);
/* Runs a statement without rows to its end; returns rows changed through ret_changes (may be NULL). Finishes s. */
MUST_CHECK enum status control_run(struct control_statement *s, int64_t *ret_changes, struct error *reterr);
/* All of work() or nothing; the lock is held, work() may prepare statements. */
MUST_CHECK enum status control_transaction(struct control *c, enum status (*work)(void *context, struct error *reterr),
                                           void *context, struct error *reterr);

#endif
