/*
 * serve.c - `driftline serve`: flags onto the configuration, then the server.
 */
#include <stdio.h>
#include <string.h>

#include "server/server.h"
#include "tools/command.h"

enum {
    OPTION_DATA = OPTION_LONG(0),
    OPTION_HTTP,
    OPTION_NATIVE,
    OPTION_PG,
    OPTION_GRPC,
    OPTION_POLICY,
    OPTION_PRICES,
    OPTION_NO_AUTH,
    OPTION_CONFIG,
    OPTION_IO,
    OPTION_RULES,
    OPTION_SET,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
};

static const struct option_spec serve_options[] = {
    {OPTION_DATA, "data", "DIR", "the store's directory; made when missing"},
    {OPTION_HTTP, "http", "ADDR:PORT", "HTTP (default 127.0.0.1:4318; port 0 picks a free one)"},
    {OPTION_NATIVE, "native", "ADDR:PORT", "native protocol (default 127.0.0.1:4319)"},
    {OPTION_PG, "pg", "ADDR:PORT", "PostgreSQL protocol (default 127.0.0.1:4320)"},
    {OPTION_GRPC, "grpc", "ADDR:PORT", "OTLP over gRPC (default 127.0.0.1:4317; off: not at all)"},
    {OPTION_NO_AUTH, "no-auth", NULL, "no keys needed; loopback only"},
    {OPTION_RULES, "rules", "FILE", "alert rules (YAML)"},
    {OPTION_POLICY, "policy", "FILE", "classes, scorers, rules, masks and judges (YAML)"},
    {OPTION_PRICES, "prices", "FILE", "price table (YAML) in place of the one that ships"},
    {OPTION_CONFIG, "config", "FILE", "configuration (YAML); `driftline config dump` shows all keys"},
    {OPTION_IO, "io", "auto|uring|posix", "how the log is written"},
    {OPTION_SET, "set", "KEY=VALUE", "any configuration key; may be repeated"},
    {OPTION_LOG_LEVEL, "log-level", "LEVEL", "debug, info, warn or error"},
    {OPTION_LOG_FORMAT, "log-format", "FORMAT", "text, logfmt or json"},
};

/* Which configuration key a flag sets; NULL: none. */
static const char *key_of(int flag)
{
    static const struct {
        int flag;
        const char *key;
    } keys[] = {{OPTION_DATA, "data"},         {OPTION_HTTP, "listen.http"},     {OPTION_NATIVE, "listen.native"},
                {OPTION_PG, "listen.pg"},      {OPTION_GRPC, "listen.grpc"},
                {OPTION_POLICY, "policy.file"}, {OPTION_PRICES, "policy.prices"}, {OPTION_RULES, "alerts.rules"},   {OPTION_IO, "storage.io"},
                {OPTION_NO_AUTH, "auth.disabled"}, {OPTION_LOG_LEVEL, "log.level"}, {OPTION_LOG_FORMAT, "log.format"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].flag == flag)
            return keys[i].key;
    }
    return NULL;
}

static enum status flag_apply(struct server_config *config, int flag, const char *value, struct error *reterr)
{
    const char *key = key_of(flag);
    if (key != NULL)
        return server_config_set(config, key, value != NULL ? value : "true", reterr);
    if (flag != OPTION_SET)
        return STATUS_OK; /* --config was read in the first round */
    return server_config_set_pair(config, value, reterr);
}

/* Walks the flags: in the first round only --config counts, so that flags win whatever their order. */
static int flags_walk(const struct command *self, int argc, char **argv, struct server_config *config,
                      bool first_round, const char **ret_file, bool *ret_stop)
{
    struct error error = {0};
    struct options o;
    int exit_code = EXIT_CODE_OK;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        *ret_stop = key == OPTION_STOP;
        if (*ret_stop)
            return exit_code;
        if (first_round && key == OPTION_CONFIG)
            *ret_file = o.value;
        if (!first_round && flag_apply(config, key, o.value, &error) < 0)
            return command_usage_error("serve", "%s", error.text);
    }
    if (o.at < argc)
        return command_usage_error("serve", "unexpected '%s'", argv[o.at]);
    return EXIT_CODE_OK;
}

static int serve_run(const struct command *self, int argc, char **argv)
{
    struct server_config config;
    struct error error = {0};
    const char *file = NULL;
    bool stop = false;
    server_config_init(&config);
    int exit_code = flags_walk(self, argc, argv, &config, true, &file, &stop);
    if (exit_code != EXIT_CODE_OK || stop)
        goto out;
    if ((file != NULL && server_config_load(&config, file, &error) < 0) ||
        server_config_environment(&config, &error) < 0) {
        exit_code = command_usage_error("serve", "%s", error.text);
        goto out;
    }
    exit_code = flags_walk(self, argc, argv, &config, false, &file, &stop);
    if (exit_code != EXIT_CODE_OK)
        goto out;
    if (server_config_check(&config, &error) < 0) {
        exit_code = command_usage_error("serve", "%s", error.text);
        goto out;
    }
    if (server_run(&config, &error) < 0)
        exit_code = command_fail(&error);
out:
    server_config_deinit(&config);
    return exit_code;
}

const struct command command_serve = {
    .usage = "serve --data DIR [FLAGS]",
    .examples = "  driftline serve --data ./data\n"
                "  driftline serve --data ./data --no-auth            # try it out on this machine\n"
                "  driftline serve --config /etc/driftline.yaml --rules /etc/driftline-rules.yaml\n"
                "  driftline serve --data ./data --http :0 --native :0 --grpc :0 --pg :0 --io posix\n",
    .about = "Prints one line once it takes work: ready http=ADDR:PORT native=ADDR:PORT grpc=ADDR:PORT pg=ADDR:PORT.\n"
             "The first start prints the admin key on stderr. SIGTERM drains and exits 0; SIGHUP reloads rules and policy.",
    OPTIONS(serve_options),
    .run = serve_run,
};
