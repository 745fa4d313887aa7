/*
 * trace.c - `driftline trace`: one trace as a tree.
 */
#include <stdio.h>
#include <unistd.h>

#include "tools/find.h"
#include "tools/terminal.h"
#include "tools/trace_print.h"
#include "tools/trace_tree.h"

enum {
    OPTION_JSON = OPTION_LONG(0),
    OPTION_FULL,
    OPTION_NO_MESSAGES,
    OPTION_DATA,
};

static const struct option_spec trace_options[] = {
    {OPTION_FULL, "full", NULL, "messages uncut"},
    {OPTION_NO_MESSAGES, "no-messages", NULL, "the tree alone"},
    {OPTION_JSON, "json", NULL, "the spans as JSON"},
    {OPTION_DATA, "data", "DIR", "open this store directly, without a server"},
    CONNECT_OPTIONS,
};

static enum status trace_load(struct sql_session *session, const char *id, struct rows *ret,
                              struct error *reterr)
{
    struct id128 trace;
    char hex[ID128_HEX_BYTES];
    char statement[256];
    enum status s = find_trace(session, id, &trace, reterr);
    if (s < 0)
        return s;
    id128_to_hex(trace, hex);
    (void)snprintf(statement, sizeof statement,
                   "select * from spans where trace_id = '%.*s' order by time limit %u",
                   ID128_HEX_BYTES, hex, TRACE_SPANS_MAX);
    return rows_query(session, statement, ret, reterr);
}

static int trace_run(const struct command *self, int argc, char **argv)
{
    struct sql_session session = {0};
    struct error error = {0};
    struct trace_style style = {.coloured = terminal_is_colourful(STDOUT_FILENO),
                                .utf8 = terminal_is_utf8(),
                                .messages = true};
    const char *data = NULL;
    bool json = false;
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&session.connect, &error) < 0)
        return command_usage_error("trace", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&session.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("trace", "%s", error.text);
        } else if (key == OPTION_DATA) {
            data = o.value;
        }
        json |= key == OPTION_JSON;
        style.full |= key == OPTION_FULL;
        style.messages &= key != OPTION_NO_MESSAGES;
    }
    if (argc - o.at != 1)
        return command_usage_error("trace", "one trace ID expected (its first digits will do)");
    if (data != NULL && sql_session_open_data(&session, data, &error) < 0)
        return command_fail(&error);
    struct rows rows = {0};
    struct buffer text = {0};
    if (trace_load(&session, argv[o.at], &rows, &error) < 0)
        exit_code = command_fail(&error);
    else if (json)
        trace_print_json(&rows, &text);
    else
        trace_print(&rows, &style, &text);
    (void)terminal_write(&text);
    if (rows.row_count == TRACE_SPANS_MAX)
        (void)fprintf(stderr, "driftline: only the first %u spans are shown\n", TRACE_SPANS_MAX);
    buffer_deinit(&text);
    rows_deinit(&rows);
    sql_session_close(&session);
    return exit_code;
}

const struct command command_trace = {
    .usage = "trace [FLAGS] ID",
    .examples =
        "  driftline trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
        "  driftline trace 4bf92f                 # the first digits, when only one trace has them\n"
        "  driftline trace --full 4bf92f | less -R\n"
        "  driftline trace --json 4bf92f | jq '.spans[].model'\n",
    .about =
        "Each message is shown where it first appears in the trace; `<` is what a span was given, `>` what it\n"
        "gave. Errors are red, scores stand at the end of the line.",
    OPTIONS(trace_options),
    .run = trace_run,
};
