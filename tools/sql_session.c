/*
 * sql_session.c - runs one statement and prints what comes back.
 */
#include "tools/sql_session.h"

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

enum status sql_session_open_data(struct sql_session *s, const char *directory, struct error *reterr)
{
    enum status status;
    if ((status = io_create(directory, NULL, &s->io, NULL, reterr)) < 0)
        return status;
    struct engine_options options = {.read_only = true, .maintenance_threads = UINT32_MAX};
    if ((status = engine_open(s->io, &options, &s->engine, reterr)) < 0)
        goto out;
    status = engine_project(s->engine, slice_text(s->connect.project), false, &s->project, reterr);
    if (status < 0)
        goto out;
    s->db = query_db_create(s->engine);
out:
    if (status < 0)
        sql_session_close(s);
    return status;
}

void sql_session_close(struct sql_session *s)
{
    query_db_destroy(s->db);
    engine_close(s->engine);
    io_destroy(s->io);
    s->db = NULL;
    s->engine = NULL;
    s->io = NULL;
}

static bool print_chunk(void *context, struct slice bytes)
{
    (void)context;
    if (atomic_load(&interrupted))
        return false;
    return fwrite(bytes.data, 1, bytes.size, stdout) == bytes.size;
}

static enum status run_remote(struct sql_session *s, struct slice statement, struct buffer *caret,
                              struct error *reterr)
{
    struct buffer path = {0};
    buffer_printf(&path, "/api/v1/sql?format=%s&width=%u&project=", format_names[s->format],
                  terminal_width(STDOUT_FILENO));
    url_encode(&path, slice_text(s->connect.project));
    buffer_add_byte(&path, 0);
    struct http_request request = {.method = "POST",
                                   .path = (const char *)path.data,
                                   .body = statement,
                                   .chunk = print_chunk};
    enum status status = http_call(&s->connect, &request, NULL, caret, reterr);
    buffer_deinit(&path);
    return status;
}

static enum status run_local(struct sql_session *s, struct slice statement, struct buffer *caret,
                             struct error *reterr)
{
    struct query_result *result = NULL;
    struct query_options options = {.project = s->project, .cancel = &interrupted};
    enum status status = query_run(s->db, statement, &options, &result, reterr);
    if (status < 0) {
        query_error_caret(statement, reterr, caret);
        return status;
    }
    struct buffer text = {0};
    query_result_write(result, s->format, terminal_width(STDOUT_FILENO), &text);
    (void)fwrite(text.data, 1, text.size, stdout);
    buffer_deinit(&text);
    query_result_destroy(result);
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
    enum status status = s->engine != NULL ? run_local(s, statement, &caret, &error)
                                           : run_remote(s, statement, &caret, &error);
    (void)sigaction(SIGINT, &before, NULL);
    (void)fflush(stdout);
    int exit_code = EXIT_CODE_OK;
    if (status < 0) {
        (void)fprintf(stderr, "driftline: %s\n", error.text);
        (void)fwrite(caret.data, 1, caret.size, stderr);
        exit_code = command_exit_code(status);
    } else if (s->timing) {
        (void)fprintf(stderr, "%.1f ms\n", (double)(clock_monotonic_ns() - started_ns) / 1e6);
    }
    buffer_deinit(&caret);
    return exit_code;
}
