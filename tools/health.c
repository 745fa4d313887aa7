/*
 * health.c - `driftline health`: how the server is doing, for people or as JSON.
 */
#include <stdio.h>

#include "tools/connect.h"
#include "tools/json_lines.h"

enum {
    OPTION_JSON = OPTION_LONG(0)
};

static const struct option_spec health_options[] = {
    {OPTION_JSON, "json", NULL, "print the server's answer as it is"},
    CONNECT_OPTIONS,
};

static int health_run(const struct command *self, int argc, char **argv)
{
    struct connect connect;
    struct error error = {0};
    bool json = false;
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&connect, &error) < 0)
        return command_usage_error("health", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("health", "%s", error.text);
        } else {
            json = true;
        }
    }
    struct buffer body = {0};
    struct http_request request = {.method = "GET", .path = "/api/v1/health", .body = SLICE_EMPTY};
    enum status s = http_call(&connect, &request, &body, NULL, &error);
    if (s >= 0 && json)
        (void)printf("%.*s\n", SLICE_ARG(buffer_slice(&body)));
    else if (s >= 0)
        s = json_lines_print(buffer_slice(&body), &error);
    buffer_deinit(&body);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_health = {
    .usage = "health [--json]",
    .examples = "  driftline health\n"
                "  driftline health --json | jq .writable\n",
    .about = "Exit code 4 when no server answers.",
    OPTIONS(health_options),
    .run = health_run,
};
