/*
 * sql.c - `driftline sql`: asks one question, a file of them, or opens the shell.
 *
 * Place:    terminal -> [here] -> HTTP POST /api/v1/sql, or a store opened read-only (--data)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/limits.h"
#include "tools/sql_session.h"

enum {
    OPTION_FORMAT = OPTION_LONG(0),
    OPTION_DATA,
    OPTION_TIMING
};

static const struct option_spec sql_options[] = {
    {OPTION_FORMAT, "format", "table|csv|json|ndjson", "how rows are written (default table)"},
    {'f', "file", "FILE", "read statements from a file ('-': stdin)"},
    {OPTION_DATA, "data", "DIR", "open this store directly, without a server"},
    {OPTION_TIMING, "timing", NULL, "print how long each statement took"},
    CONNECT_OPTIONS,
};

static bool read_stream(FILE *from, struct buffer *to)
{
    for (;;) {
        size_t got = fread(buffer_reserve(to, 65536), 1, 65536, from);
        to->size += got;
        if (got == 0)
            return ferror(from) == 0;
        if (to->size > QUERY_TEXT_MAX)
            return false;
    }
}

/* Every statement of the text in turn; stops at the first failure. */
static int run_all(struct sql_session *s, struct slice text)
{
    struct slice rest = text;
    for (;;) {
        struct slice statement = query_split(rest, &rest);
        if (statement.size == 0)
            return EXIT_CODE_OK;
        int exit_code = sql_session_run(s, statement);
        if (exit_code != EXIT_CODE_OK)
            return exit_code;
    }
}

static int run_file(struct sql_session *s, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *from = is_stdin ? stdin : fopen(path, "re");
    if (from == NULL) {
        (void)fprintf(stderr, "driftline: %s: %m\n", path);
        return EXIT_CODE_FAILURE;
    }
    struct buffer text = {0};
    int exit_code = EXIT_CODE_FAILURE;
    if (!read_stream(from, &text))
        (void)fprintf(stderr, "driftline: %s: can't be read, or is larger than %u bytes\n", path,
                      QUERY_TEXT_MAX);
    else
        exit_code = run_all(s, buffer_slice(&text));
    if (!is_stdin)
        (void)fclose(from);
    buffer_deinit(&text);
    return exit_code;
}

static int sql_run(const struct command *self, int argc, char **argv)
{
    struct sql_session session = {.format = QUERY_TABLE};
    struct error error = {0};
    const char *file = NULL;
    const char *data = NULL;
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&session.connect, &error) < 0)
        return command_usage_error("sql", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&session.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("sql", "%s", error.text);
        } else if (key == OPTION_FORMAT) {
            if (!query_format_from_name(slice_text(o.value), &session.format))
                return command_usage_error("sql", "'%s' is not one of table, csv, json, ndjson",
                                           o.value);
        } else if (key == 'f') {
            file = o.value;
        } else if (key == OPTION_DATA) {
            data = o.value;
        } else if (key == OPTION_TIMING) {
            session.timing = true;
        }
    }
    if (argc - o.at > 1)
        return command_usage_error("sql", "one statement expected; put it into quotes");
    if (file != NULL && o.at < argc)
        return command_usage_error("sql", "a statement and --file exclude each other");
    if (data != NULL && sql_session_open_data(&session, data, &error) < 0)
        return command_fail(&error);
    if (o.at < argc)
        exit_code = run_all(&session, slice_text(argv[o.at]));
    else if (file != NULL)
        exit_code = run_file(&session, file);
    else if (isatty(STDIN_FILENO) != 1)
        exit_code = run_file(&session, "-");
    else
        exit_code = sql_shell(&session);
    sql_session_close(&session);
    return exit_code;
}

const struct command command_sql = {
    .usage = "sql [FLAGS] [STATEMENT]",
    .examples =
        "  driftline sql \"select prompt_version, count(*), p95(latency_ms) from spans group by 1 order by 1\"\n"
        "  driftline sql --format csv \"select * from spans limit 10\" > spans.csv\n"
        "  driftline sql                    # the shell; \\help inside\n"
        "  echo 'show tables' | driftline sql\n"
        "  driftline sql --data /var/lib/driftline \"select count(*) from spans\"   # no server running\n",
    .about =
        "The dialect is described in query/DIALECT.md; `show tables` and `show columns from spans` list what there is.",
    OPTIONS(sql_options),
    .run = sql_run,
};
