/*
 * sql_session.c - runs one statement and prints what comes back.
 */
#include "tools/sql_session.h"
#include "tools/terminal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"

/* Set by Ctrl-C while a statement runs. */
static atomic_bool interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    atomic_store(&interrupted, true);
}

static const char *const format_names[] = {
    [QUERY_TABLE] = "table", [QUERY_CSV] = "csv", [QUERY_JSON] = "json", [QUERY_NDJSON] = "ndjson"};

enum status sql_session_open_data(struct sql_session *s, const char *directory,
                                  struct error *reterr)
{
    enum status status = store_open(directory, true, &s->store, reterr);
    if (status < 0)
        return status;
    status =
        engine_project(s->store.engine, slice_text(s->connect.project), false, &s->project, reterr);
    if (status < 0)
        sql_session_close(s);
    else
        s->db = query_db_create(s->store.engine);
    return status;
}

void sql_session_close(struct sql_session *s)
{
    query_db_destroy(s->db);
    s->db = NULL;
    store_close(&s->store);
}

static bool print_chunk(void *context, struct slice bytes)
{
    (void)context;
    if (atomic_load(&interrupted))
        return false;
    return fwrite(bytes.data, 1, bytes.size, stdout) == bytes.size;
}

/* A statement to the server: to ret_body, or (NULL) in pieces to stdout. */
static enum status run_remote(struct sql_session *s, struct slice statement,
                              enum query_format format, struct buffer *ret_body,
                              struct buffer *caret, struct error *reterr)
{
    struct buffer path = {0};
    unsigned width = format == QUERY_TABLE ? terminal_width(STDOUT_FILENO) : 0;
    buffer_printf(&path, "/api/v1/sql?format=%s&width=%u&project=", format_names[format], width);
    url_encode(&path, slice_text(s->connect.project));
    buffer_add_byte(&path, 0);
    struct http_request request = {.method = "POST",
                                   .path = (const char *)path.data,
                                   .body = statement,
                                   .chunk = ret_body == NULL ? print_chunk : NULL};
    enum status status = http_call(&s->connect, &request, ret_body, caret, reterr);
    buffer_deinit(&path);
    return status;
}

static enum status run_local(struct sql_session *s, struct slice statement,
                             enum query_format format, struct buffer *ret_body,
                             struct buffer *caret, struct error *reterr)
{
    struct query_result *result = NULL;
    struct query_options options = {.project = s->project, .cancel = &interrupted};
    enum status status = query_run(s->db, statement, &options, &result, reterr);
    if (status < 0) {
        query_error_caret(statement, reterr, caret);
        return status;
    }
    struct buffer text = {0};
    struct buffer *to = ret_body != NULL ? ret_body : &text;
    query_result_write(result, format, terminal_width(STDOUT_FILENO), to);
    (void)terminal_write(&text);
    buffer_deinit(&text);
    query_result_destroy(result);
    return status;
}

enum status sql_session_json(struct sql_session *s, struct slice statement, struct buffer *ret_json,
                             struct error *reterr)
{
    struct buffer caret = {0};
    enum status status = s->store.engine != NULL
                             ? run_local(s, statement, QUERY_JSON, ret_json, &caret, reterr)
                             : run_remote(s, statement, QUERY_JSON, ret_json, &caret, reterr);
    buffer_deinit(&caret);
    return status;
}

int sql_session_run(struct sql_session *s, struct slice statement)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    struct sigaction before;
    atomic_store(&interrupted, false);
    (void)sigaction(SIGINT, &action, &before);
    struct buffer caret = {0};
    struct error error = {0};
    int64_t started_ns = clock_monotonic_ns();
    enum status status = s->store.engine != NULL
                             ? run_local(s, statement, s->format, NULL, &caret, &error)
                             : run_remote(s, statement, s->format, NULL, &caret, &error);
    (void)sigaction(SIGINT, &before, NULL);
    (void)fflush(stdout);
    int exit_code = EXIT_CODE_OK;
    if (status < 0) {
        (void)fprintf(stderr, "driftline: %s\n", error.text);
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buffer_slice(&caret)));
        exit_code = command_exit_code(status);
    } else if (s->timing) {
        (void)fprintf(stderr, "%.1f ms\n", (double)(clock_monotonic_ns() - started_ns) / 1e6);
    }
    buffer_deinit(&caret);
    return exit_code;
}
