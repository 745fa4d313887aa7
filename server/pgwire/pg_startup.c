/*
 * pg_startup.c - from the startup packet to the first ReadyForQuery.
 */
#include <stdio.h>

#include "server/pgwire/pg_session.h"

#define PROTOCOL_MAJOR       3u
#define AUTHENTICATION_OK    0u
#define AUTHENTICATION_SASL  10u
#define AUTHENTICATION_NEXT  11u
#define AUTHENTICATION_FINAL 12u
#define SCRAM_REPLY_BYTES    1024

/* What every driver looks for; psycopg2 refuses to work without client_encoding, JDBC without server_version. */
static const struct {
    const char *name;
    const char *value;
} parameters[] = {
    {"server_version", "15.0 (Driftline " DRIFTLINE_VERSION ")"},
    {"server_encoding", "UTF8"},
    {"client_encoding", "UTF8"},
    {"DateStyle", "ISO, MDY"},
    {"IntervalStyle", "postgres"},
    {"TimeZone", "UTC"},
    {"integer_datetimes", "on"},
    {"standard_conforming_strings", "on"},
    {"is_superuser", "off"},
    {"default_transaction_read_only", "on"},
    {"in_hot_standby", "off"},
};

void session_fatal(struct pg_session *s, const char *sqlstate, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pg_error(&s->out, "FATAL", sqlstate, text, 0);
    s->state = PG_CLOSING;
}

static void authentication(struct pg_session *s, uint32_t code, const char *data, bool with_nul)
{
    size_t start = pg_begin(&s->out, 'R');
    pg_put_u32(&s->out, code);
    buffer_add(&s->out, data, strlen(data) + (with_nul ? 1 : 0));
    if (code == AUTHENTICATION_SASL)
        buffer_add_byte(&s->out, 0);
    pg_end(&s->out, start);
}

/* Authenticated: the key must be allowed to read the project that the database name means. */
static void session_welcome(struct pg_session *s)
{
    const struct pgwire_options *options = &s->server->options;
    struct error error = {0};
    struct slice database = slice_text(s->database);
    if (auth_allow(&s->principal, SCOPE_READ, database, &error) < 0) {
        session_fatal(s, "42501", "%s", error.text);
        return;
    }
    if (engine_project(options->engine, database, false, &s->project, &error) < 0) {
        session_fatal(
            s, "3D000",
            "project \"%s\" does not exist; the database name is the project, it comes to be with its first span",
            s->database);
        return;
    }
    (void)event_del(s->deadline);
    size_t start = pg_begin(&s->out, 'R');
    pg_put_u32(&s->out, AUTHENTICATION_OK);
    pg_end(&s->out, start);
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        pg_parameter_status(&s->out, parameters[i].name, parameters[i].value);
    pg_parameter_status(&s->out, "session_authorization", s->user);
    start = pg_begin(&s->out, 'K');
    pg_put_u32(&s->out, s->process_id);
    pg_put_u32(&s->out, s->secret);
    pg_end(&s->out, start);
    s->state = PG_READY;
    pg_ready_for_query(&s->out, s->transaction);
}

static void name_set(char to[128], struct slice value)
{
    (void)snprintf(to, 128, "%.*s", SLICE_ARG(value));
}

void startup_message(struct pg_session *s, struct slice body)
{
    struct pg_reader r = pg_reader_over(body);
    uint32_t version = pg_read_u32(&r);
    if (version >> 16 != PROTOCOL_MAJOR) {
        session_fatal(s, "08P01", "unsupported frontend protocol %u.%u: the server speaks 3.0",
                      version >> 16, version & 0xffff);
        return;
    }
    for (;;) {
        struct slice name = pg_read_text(&r);
        if (r.failed || name.size == 0)
            break;
        struct slice value = pg_read_text(&r);
        if (slice_is(name, "user"))
            name_set(s->user, value);
        else if (slice_is(name, "database"))
            name_set(s->database, value);
        else if (slice_is(name, "client_encoding") && value.size != 0 && !slice_is(value, "UTF8") &&
                 !slice_is(value, "utf-8") && !slice_is(value, "UTF-8") &&
                 !slice_is(value, "utf8") && !slice_is(value, "'utf-8'") &&
                 !slice_is(value, "SQL_ASCII"))
            session_fatal(s, "22023", "client_encoding must be UTF8");
    }
    if (s->state == PG_CLOSING)
        return;
    if (r.failed || r.at != r.end) {
        session_fatal(s, "08P01", "malformed startup packet");
        return;
    }
    if (s->database[0] == 0)
        name_set(s->database, slice_text(s->user));
    if (s->server->draining) {
        session_fatal(s, "57P03", "the server is shutting down");
        return;
    }
    if (auth_is_disabled(s->server->options.auth)) {
        if (auth_check(s->server->options.auth, SLICE_EMPTY, &s->principal, NULL) >= 0)
            session_welcome(s);
        return;
    }
    s->scram = scram_begin(s->server->options.auth, slice_text(s->user));
    s->state = PG_SASL;
    authentication(s, AUTHENTICATION_SASL, "SCRAM-SHA-256", true);
}

void sasl_message(struct pg_session *s, struct slice body)
{
    struct pg_reader r = pg_reader_over(body);
    struct slice message = body;
    if (!s->sasl_started) {
        struct slice mechanism = pg_read_text(&r);
        uint32_t size = pg_read_u32(&r);
        message = pg_read_bytes(&r, size);
        if (r.failed || r.at != r.end || !slice_is(mechanism, "SCRAM-SHA-256")) {
            session_fatal(s, "08P01", "SCRAM-SHA-256 is the only mechanism offered");
            return;
        }
        s->sasl_started = true;
    }
    char reply[SCRAM_REPLY_BYTES];
    struct error error = {0};
    enum status status = scram_step(s->scram, message, reply, sizeof reply, &s->principal, &error);
    if (status < 0) {
        if (status == STATUS_DENIED)
            session_fatal(
                s, "28P01",
                "password authentication failed for user \"%s\": the user is the key's id, the password the whole key",
                s->user);
        else
            session_fatal(s, "08P01", "%s", error.text);
        return;
    }
    authentication(s, status == STATUS_END ? AUTHENTICATION_FINAL : AUTHENTICATION_NEXT, reply,
                   false);
    if (status == STATUS_END)
        session_welcome(s);
}
