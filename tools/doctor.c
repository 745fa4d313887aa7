/*
 * doctor.c - `driftline doctor otlp FILE`: what one captured request becomes, part by part.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/policy/policy.h"
#include "tools/command.h"
#include "tools/doctor.h"
#include "tools/input.h"
#include "tools/terminal.h"

enum {
    OPTION_HEADERS = OPTION_LONG(0),
    OPTION_CONTENT_TYPE,
    OPTION_CONTENT_ENCODING,
    OPTION_LOGS,
    OPTION_POLICY,
    OPTION_JSON,
};

static const struct option_spec doctor_options[] = {
    {OPTION_HEADERS, "headers", "FILE", "the request's headers, one NAME: VALUE a line"},
    {OPTION_CONTENT_TYPE, "content-type", "TYPE", "what Content-Type said"},
    {OPTION_CONTENT_ENCODING, "content-encoding", "NAME", "what Content-Encoding said"},
    {OPTION_LOGS, "logs", NULL, "it was posted to /v1/logs, not /v1/traces"},
    {OPTION_POLICY, "policy", "FILE", "classes, scorers, rules and masks (default: what ships)"},
    {OPTION_JSON, "json", NULL, "print JSON"},
};

struct doctor_call {
    const char *file, *headers, *policy;
    bool json;
    struct doctor_source source;
};

static enum status file_read(const char *path, struct input *in, struct error *reterr)
{
    enum status s = input_open(path, in, reterr);
    return s < 0 ? s : input_all(in, reterr);
}

/* The built-in policy, or that of a file. */
static enum status enricher_make(const char *policy_path, struct enricher **ret,
                                 struct error *reterr)
{
    struct policy policy;
    enum status s = policy_load(policy_path, NULL, &policy, reterr);
    if (s < 0)
        return s;
    const struct enrich_settings settings = policy_detach_settings(&policy);
    *ret = enricher_create(&settings);
    policy_deinit(&policy);
    return STATUS_OK;
}

static enum status examine(const struct doctor_call *c, struct enricher *own_enricher,
                           struct error *reterr)
{
    struct doctor d;
    struct buffer text = {0};
    doctor_init(&d, &c->source, own_enricher);
    enum status s = doctor_unpack(&d, reterr);
    if (s >= 0)
        s = doctor_read(&d, reterr);
    if (s >= 0) {
        doctor_look(&d);
        if (c->json)
            doctor_print_json(&d, &text);
        else
            doctor_print(&d, &text, terminal_is_colourful(STDOUT_FILENO));
        if (!terminal_write(&text))
            s = error_set(reterr, STATUS_IO, "standard output can't be written");
    }
    buffer_deinit(&text);
    doctor_deinit(&d);
    return s;
}

static enum status doctor_otlp(struct doctor_call *c, struct error *reterr)
{
    struct input body = {0};
    struct input headers = {0};
    struct enricher *enricher = NULL;
    enum status s = file_read(c->file, &body, reterr);
    if (s >= 0 && c->headers != NULL)
        s = file_read(c->headers, &headers, reterr);
    if (s >= 0 && c->headers != NULL)
        s = doctor_headers_read(&c->source, c->headers, input_window(&headers), reterr);
    if (s >= 0)
        s = enricher_make(c->policy, &enricher, reterr);
    if (s >= 0) {
        c->source.name = c->file;
        c->source.bytes = input_window(&body);
        s = examine(c, enricher, reterr);
    }
    input_close(&body);
    input_close(&headers);
    return s;
}

static int take_text(const char *flag, const char *value, char *to, size_t size)
{
    if (strlen(value) >= size)
        return command_usage_error("doctor", "%s is longer than %zu characters", flag, size - 1);
    memcpy(to, value, strlen(value) + 1);
    return EXIT_CODE_OK;
}

static int take_option(struct doctor_call *c, int key, const char *value)
{
    struct doctor_source *s = &c->source;
    switch (key) {
    case OPTION_HEADERS:
        c->headers = value;
        break;
    case OPTION_CONTENT_TYPE:
        return take_text("--content-type", value, s->content_type, sizeof s->content_type);
    case OPTION_CONTENT_ENCODING:
        return take_text("--content-encoding", value, s->content_encoding,
                         sizeof s->content_encoding);
    case OPTION_LOGS:
        s->is_logs = s->has_signal = true;
        break;
    case OPTION_POLICY:
        c->policy = value;
        break;
    case OPTION_JSON:
        c->json = true;
        break;
    }
    return EXIT_CODE_OK;
}

static int doctor_run(const struct command *self, int argc, char **argv)
{
    struct doctor_call c = {0};
    struct error error = {0};
    struct options o;
    int exit_code = EXIT_CODE_OK;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        if (key == OPTION_STOP)
            return exit_code;
        if ((exit_code = take_option(&c, key, o.value)) != EXIT_CODE_OK)
            return exit_code;
    }
    if (o.at >= argc || strcmp(argv[o.at], "otlp") != 0)
        return command_usage_error("doctor", "say what to look at: doctor otlp FILE");
    if (o.at + 2 != argc)
        return command_usage_error("doctor", "otlp takes one FILE ('-': standard input)");
    c.file = argv[o.at + 1];
    return doctor_otlp(&c, &error) < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_doctor = {
    .usage = "doctor otlp FILE [--headers FILE] [--content-type TYPE] [--content-encoding NAME] "
             "[--logs] [FLAGS]",
    .examples = "  driftline doctor otlp body.bin --headers headers.txt\n"
                "  driftline doctor otlp spans.json --json\n"
                "  driftline doctor otlp - --logs < logs.bin\n",
    .about =
        "FILE is the body of one request as a client sent it (curl --data-binary @FILE would send it again), or a whole\n"
        "request with its head. Compression and gRPC frames are recognised. Says of every attribute which column it became\n"
        "and why, shows the row with its scores, and what the client could do better. Nothing is stored.",
    OPTIONS(doctor_options),
    .run = doctor_run,
};
