/*
 * control.c - SQLite behind control.h.
 *
 * Threads:  one connection, one recursive lock: a statement holds it from prepare to finish, and
 *           control_transaction around its work, so statements inside a transaction nest.
 * Durable:  journal_mode WAL with synchronous FULL: a committed transaction survives power loss.
 */
#include "server/control/control.h"

#include <pthread.h>
#include <sqlite3.h>

#include "engine/base/check.h"
#include "engine/base/memory.h"

#define BUSY_TIMEOUT_MS 5000

struct control {
    sqlite3 *db;
    pthread_mutex_t lock;
    char *path;
};

struct control_statement {
    struct control *control;
    sqlite3_stmt *statement;
};

static enum status control_error(struct control *c, int code, const char *what,
                                 struct error *reterr)
{
    enum status status;
    switch (code & 0xff) {
    case SQLITE_FULL:
        status = STATUS_FULL;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = STATUS_BUSY;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = STATUS_CORRUPT;
        break;
    case SQLITE_CONSTRAINT:
        status = STATUS_EXISTS;
        break;
    case SQLITE_READONLY:
        status = STATUS_READ_ONLY;
        break;
    default:
        status = STATUS_IO;
        break;
    }
    return error_set(reterr, status, "%s: %s: %s", c->path, what, sqlite3_errmsg(c->db));
}

static void lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    ASSERT(pthread_mutexattr_init(&attributes) == 0);
    ASSERT(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE) == 0);
    ASSERT(pthread_mutex_init(lock, &attributes) == 0);
    (void)pthread_mutexattr_destroy(&attributes);
}

enum status control_open(const char *path, struct control **ret, struct error *reterr)
{
    struct control *c = MEM_NEW(struct control);
    c->path = mem_strdup(path);
    lock_init(&c->lock);
    enum status s = STATUS_OK;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &c->db, flags, NULL);
    if (code != SQLITE_OK) {
        s = control_error(c, code, "can't open", reterr);
        goto out;
    }
    (void)sqlite3_extended_result_codes(c->db, 1);
    (void)sqlite3_busy_timeout(c->db, BUSY_TIMEOUT_MS);
    code = sqlite3_exec(c->db,
                        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                        "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;",
                        NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        s = control_error(c, code, "can't set up", reterr);
        goto out;
    }
    struct control_statement *check = NULL;
    if ((s = control_prepare(c, "PRAGMA quick_check(1)", &check, reterr)) < 0)
        goto out;
    s = control_step(check, reterr);
    if (s == STATUS_OK && !slice_is(control_text(check, 0), "ok"))
        s = error_set(reterr, STATUS_CORRUPT, "%s: %.*s", path, SLICE_ARG(control_text(check, 0)));
    control_finish(check);
    if (s < 0)
        goto out;
    s = STATUS_OK;
    *ret = c;
    c = NULL;
out:
    control_close(c);
    return s;
}

void control_close(struct control *c)
{
    if (c == NULL)
        return;
    (void)sqlite3_close_v2(c->db);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c->path);
    mem_free(c);
}

static enum status control_exec(struct control *c, const char *sql, struct error *reterr)
{
    ASSERT(pthread_mutex_lock(&c->lock) == 0);
    int code = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    enum status s = STATUS_OK;
    if (code != SQLITE_OK)
        s = control_error(c, code, "statement failed", reterr);
    ASSERT(pthread_mutex_unlock(&c->lock) == 0);
    return s;
}

enum status control_schema(struct control *c, const char *ddl, struct error *reterr)
{
    return control_exec(c, ddl, reterr);
}

enum status control_prepare(struct control *c, const char *sql, struct control_statement **ret,
                            struct error *reterr)
{
    ASSERT(pthread_mutex_lock(&c->lock) == 0);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(c->db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK) {
        enum status s = control_error(c, code, "can't prepare", reterr);
        ASSERT(pthread_mutex_unlock(&c->lock) == 0);
        return s;
    }
    struct control_statement *s = MEM_NEW(struct control_statement);
    s->control = c;
    s->statement = statement;
    *ret = s;
    return STATUS_OK;
}

void control_bind_text(struct control_statement *s, int parameter, struct slice text)
{
    ASSERT(sqlite3_bind_text64(s->statement, parameter, (const char *)text.data, text.size,
                               SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK);
}

void control_bind_blob(struct control_statement *s, int parameter, struct slice bytes)
{
    ASSERT(sqlite3_bind_blob64(s->statement, parameter, bytes.data, bytes.size, SQLITE_TRANSIENT) ==
           SQLITE_OK);
}

void control_bind_i64(struct control_statement *s, int parameter, int64_t value)
{
    ASSERT(sqlite3_bind_int64(s->statement, parameter, value) == SQLITE_OK);
}

void control_bind_f64(struct control_statement *s, int parameter, double value)
{
    ASSERT(sqlite3_bind_double(s->statement, parameter, value) == SQLITE_OK);
}

void control_bind_null(struct control_statement *s, int parameter)
{
    ASSERT(sqlite3_bind_null(s->statement, parameter) == SQLITE_OK);
}

enum status control_step(struct control_statement *s, struct error *reterr)
{
    int code = sqlite3_step(s->statement);
    if (code == SQLITE_ROW)
        return STATUS_OK;
    if (code == SQLITE_DONE)
        return STATUS_END;
    return control_error(s->control, code, "statement failed", reterr);
}

bool control_is_null(const struct control_statement *s, int column)
{
    return sqlite3_column_type(s->statement, column) == SQLITE_NULL;
}

struct slice control_text(const struct control_statement *s, int column)
{
    const void *bytes = sqlite3_column_blob(s->statement, column);
    int size = sqlite3_column_bytes(s->statement, column);
    return bytes == NULL || size <= 0 ? SLICE_EMPTY : slice_of(bytes, (size_t)size);
}

int64_t control_i64(const struct control_statement *s, int column)
{
    return sqlite3_column_int64(s->statement, column);
}

double control_f64(const struct control_statement *s, int column)
{
    return sqlite3_column_double(s->statement, column);
}

void control_finish(struct control_statement *s)
{
    if (s == NULL)
        return;
    struct control *c = s->control;
    (void)sqlite3_finalize(s->statement);
    mem_free(s);
    ASSERT(pthread_mutex_unlock(&c->lock) == 0);
}

enum status control_run(struct control_statement *s, int64_t *ret_changes, struct error *reterr)
{
    enum status status;
    while ((status = control_step(s, reterr)) == STATUS_OK)
        ;
    if (status == STATUS_END) {
        status = STATUS_OK;
        if (ret_changes != NULL)
            *ret_changes = sqlite3_changes64(s->control->db);
    }
    control_finish(s);
    return status;
}

enum status control_transaction(struct control *c,
                                enum status (*work)(void *context, struct error *reterr),
                                void *context, struct error *reterr)
{
    ASSERT(pthread_mutex_lock(&c->lock) == 0);
    enum status s = control_exec(c, "BEGIN IMMEDIATE", reterr);
    if (s < 0)
        goto out;
    s = work(context, reterr);
    if (s >= 0)
        s = control_exec(c, "COMMIT", reterr);
    if (s < 0)
        (void)control_exec(c, "ROLLBACK", NULL);
out:
    ASSERT(pthread_mutex_unlock(&c->lock) == 0);
    return s;
}
