/*
 * config_command.c - `driftline config`: checks a file, or prints the configuration that would be in force.
 */
#include <stdio.h>
#include <string.h>

#include "server/server.h"
#include "tools/command.h"
#include "tools/terminal.h"

enum {
    OPTION_DEFAULTS = OPTION_LONG(0),
    OPTION_SET
};

static const struct option_spec config_options[] = {
    {OPTION_DEFAULTS, "defaults", NULL, "dump: the defaults alone, without environment or file"},
    {OPTION_SET, "set", "KEY=VALUE", "as with serve; may be repeated"},
};

static int dump(const struct server_config *config)
{
    struct buffer text = {0};
    server_config_dump(config, &text);
    (void)terminal_write(&text);
    buffer_deinit(&text);
    return EXIT_CODE_OK;
}

static int check_or_dump(struct server_config *config, char **operands, int count, bool defaults,
                         struct error *error)
{
    const char *verb = operands[0];
    const char *file = count == 2 ? operands[1] : NULL;
    bool is_check = strcmp(verb, "check") == 0;
    if (!is_check && strcmp(verb, "dump") != 0)
        return command_usage_error("config", "'%s' is neither check nor dump", verb);
    if (is_check && file == NULL)
        return command_usage_error("config", "check needs a FILE");
    if (file != NULL && server_config_load(config, file, error) < 0)
        return command_fail(error);
    if (!defaults && server_config_environment(config, error) < 0)
        return command_fail(error);
    if (!is_check)
        return dump(config);
    /* A file need not name the directory: `serve --data` does. */
    if (config->data_dir[0] == 0 && server_config_set(config, "data", ".", error) < 0)
        return command_fail(error);
    if (server_config_check(config, error) < 0)
        return command_fail(error);
    (void)printf("%s: ok\n", file);
    return EXIT_CODE_OK;
}

static int config_run(const struct command *self, int argc, char **argv)
{
    struct server_config config;
    struct error error = {0};
    bool defaults = false;
    int exit_code = EXIT_CODE_OK;
    server_config_init(&config);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        if (key == OPTION_STOP)
            goto out;
        if (key == OPTION_DEFAULTS) {
            defaults = true;
        } else if (server_config_set_pair(&config, o.value, &error) < 0) {
            exit_code = command_usage_error("config", "%s", error.text);
            goto out;
        }
    }
    if (argc - o.at < 1 || argc - o.at > 2)
        exit_code = command_usage_error("config", "check FILE or dump [FILE] expected");
    else
        exit_code = check_or_dump(&config, argv + o.at, argc - o.at, defaults, &error);
out:
    server_config_deinit(&config);
    return exit_code;
}

const struct command command_config = {
    .usage = "config check FILE | config dump [--defaults] [FILE]",
    .examples = "  driftline config dump --defaults > driftline.yaml\n"
                "  driftline config check driftline.yaml\n"
                "  driftline serve --config driftline.yaml\n",
    .about =
        "Precedence: flag, then environment (DRIFTLINE_LISTEN_HTTP, ...), then file, then default.",
    OPTIONS(config_options),
    .run = config_run,
};
