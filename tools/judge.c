/*
 * judge.c - `driftline judge`: works on the judge queue, shows it, tries again what was set aside.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "server/judge/judge.h"
#include "tools/judge_run.h"
#include "tools/terminal.h"

#define CONCURRENCY_MAX    64
#define TIMEOUT_DEFAULT_NS (120 * NS_PER_S)
#define TIMEOUT_MAX_NS     NS_PER_DAY

enum {
    OPTION_EXEC = OPTION_LONG(0),
    OPTION_WORKER,
    OPTION_MAX,
    OPTION_ONCE,
    OPTION_CONCURRENCY,
    OPTION_TIMEOUT,
    OPTION_JSON,
};

static const struct option_spec judge_options[] = {
    {OPTION_EXEC, "exec", "COMMAND",
     "run: what judges; a span as JSON on its standard input, a verdict on its output"},
    {OPTION_WORKER, "worker", "NAME", "run: who leases (default: host and process)"},
    {OPTION_MAX, "max", "N", "run: end after so many items"},
    {OPTION_ONCE, "once", NULL, "run: end when nothing waits"},
    {OPTION_CONCURRENCY, "concurrency", "N",
     "run: commands at the same time (default 1, at most 64)"},
    {OPTION_TIMEOUT, "timeout", "DURATION", "run: for one command (default 2m)"},
    {OPTION_JSON, "json", NULL, "status: print JSON"},
    CONNECT_OPTIONS,
};

struct judge_call {
    struct connect connect;
    struct judge_run_options run;
    bool json;
};

static enum status simple_call(const struct judge_call *c, const char *method, const char *verb,
                               struct buffer *answer, struct error *reterr)
{
    struct buffer path = {0};
    judge_path(&c->connect, verb, &path);
    struct http_request request = {
        .method = method, .path = (const char *)path.data, .body = SLICE_EMPTY};
    enum status s = http_call(&c->connect, &request, answer, NULL, reterr);
    buffer_deinit(&path);
    return s;
}

/* ---- status ---- */

static const struct {
    const char *member;
    const char *title;
    int width; /* negative: to the left */
} status_columns[] = {
    {"rule", "RULE", -20},
    {"scorer", "SCORER", -16},
    {"scorer_version", "VERSION", -10},
    {"queued", "QUEUED", 8},
    {"leased", "LEASED", 7},
    {"done", "DONE", 8},
    {"poison", "POISON", 7},
    {"verdicts_today", "TODAY", 8},
    {"cost_usd_today", "USD TODAY", 12},
    {"cost_cap_usd", "USD CAP", 12},
};
#define STATUS_COLUMNS (sizeof status_columns / sizeof status_columns[0])

static void rule_print(struct slice const cells[STATUS_COLUMNS])
{
    struct buffer line = {0};
    for (size_t i = 0; i < STATUS_COLUMNS; i++) {
        int width = status_columns[i].width;
        buffer_add_text(&line, i == 0 ? "" : " ");
        if (width < 0)
            terminal_add_padded(&line, cells[i], (uint32_t)-width);
        else
            buffer_printf(&line, "%*.*s", width, SLICE_ARG(cells[i]));
    }
    (void)printf("%.*s\n", SLICE_ARG(buffer_slice(&line)));
    buffer_deinit(&line);
}

/* One object of "rules". */
static void rule_read(struct slice object, struct arena *arena)
{
    struct slice cells[STATUS_COLUMNS];
    struct json j = json_over(object);
    for (size_t i = 0; i < STATUS_COLUMNS; i++)
        cells[i] = SLICE_EMPTY;
    (void)json_next(&j);
    while (json_next(&j) == JSON_KEY) {
        struct slice key = json_string(&j, arena);
        enum json_token t = json_next(&j);
        struct slice value = t == JSON_STRING ? json_string(&j, arena) : j.raw;
        for (size_t i = 0; i < STATUS_COLUMNS; i++) {
            if (slice_is(key, status_columns[i].member))
                cells[i] = value;
        }
        (void)json_skip(&j, t);
    }
    rule_print(cells);
}

static void status_print(struct slice answer)
{
    struct arena arena = {0};
    struct json j = json_over(answer);
    struct slice titles[STATUS_COLUMNS];
    uint32_t rules = 0;
    for (size_t i = 0; i < STATUS_COLUMNS; i++)
        titles[i] = slice_text(status_columns[i].title);
    for (enum json_token t = json_next(&j); t > JSON_END; t = json_next(&j)) {
        if (t != JSON_OBJECT_BEGIN || j.depth < 2)
            continue;
        if (rules++ == 0)
            rule_print(titles);
        rule_read(json_skip(&j, t), &arena);
    }
    if (rules == 0)
        (void)printf(
            "no judge rules are configured for this project; see `judges:` of the policy file\n");
    arena_deinit(&arena);
}

static int judge_status(struct judge_call *c)
{
    struct error error = {0};
    struct buffer answer = {0};
    enum status s = simple_call(c, "GET", "", &answer, &error);
    if (s >= 0 && c->json)
        (void)printf("%.*s", SLICE_ARG(buffer_slice(&answer)));
    else if (s >= 0)
        status_print(buffer_slice(&answer));
    buffer_deinit(&answer);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

/* ---- retry ---- */

static int judge_retry(struct judge_call *c)
{
    struct error error = {0};
    struct buffer answer = {0};
    int64_t count = 0;
    enum status s = simple_call(c, "POST", "retry", &answer, &error);
    struct json j = json_over(buffer_slice(&answer));
    for (enum json_token t = json_next(&j); s >= 0 && t > JSON_END; t = json_next(&j)) {
        if (t == JSON_NUMBER)
            IGNORE_STATUS(json_int(&j, &count) ? STATUS_OK : STATUS_INVALID);
    }
    if (s >= 0)
        (void)printf("%lld back in the queue\n", (long long)count);
    buffer_deinit(&answer);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

/* ---- the command line ---- */

static bool count_parse(const char *text, uint64_t most, uint64_t *ret)
{
    char *end = NULL;
    unsigned long long v = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || v < 1 || v > most)
        return false;
    *ret = v;
    return true;
}

/* EXIT_CODE_OK, or the usage error that was printed. */
static int option_take(struct judge_call *c, int key, const char *value)
{
    uint64_t count = 0;
    switch (key) {
    case OPTION_EXEC:
        c->run.command = value;
        break;
    case OPTION_WORKER:
        if (value[0] == 0 || strlen(value) > JUDGE_WORKER_BYTES_MAX)
            return command_usage_error("judge", "--worker: a name has 1 to %u bytes",
                                       JUDGE_WORKER_BYTES_MAX);
        c->run.worker = value;
        break;
    case OPTION_ONCE:
        c->run.once = true;
        break;
    case OPTION_JSON:
        c->json = true;
        break;
    case OPTION_MAX:
        if (!count_parse(value, UINT32_MAX, &c->run.max))
            return command_usage_error("judge", "--max: '%s' is not a count", value);
        break;
    case OPTION_CONCURRENCY:
        if (!count_parse(value, CONCURRENCY_MAX, &count))
            return command_usage_error("judge", "--concurrency: '%s' is not from 1 to %d", value,
                                       CONCURRENCY_MAX);
        c->run.concurrency = (uint32_t)count;
        break;
    case OPTION_TIMEOUT:
        if (!duration_from_text(slice_text(value), &c->run.timeout_ns) || c->run.timeout_ns <= 0 ||
            c->run.timeout_ns > TIMEOUT_MAX_NS)
            return command_usage_error(
                "judge", "--timeout: '%s' is not a duration like 30s, up to a day", value);
        break;
    }
    return EXIT_CODE_OK;
}

static int judge_main(const struct command *self, int argc, char **argv)
{
    struct judge_call c = {.run = {.concurrency = 1, .timeout_ns = TIMEOUT_DEFAULT_NS}};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&c.connect, &error) < 0)
        return command_usage_error("judge", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&c.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("judge", "%s", error.text);
        } else if ((exit_code = option_take(&c, key, o.value)) != EXIT_CODE_OK) {
            return exit_code;
        }
    }
    const char *verb = argc - o.at == 1 ? argv[o.at] : "";
    c.run.connect = &c.connect;
    if (strcmp(verb, "status") == 0)
        return judge_status(&c);
    if (strcmp(verb, "retry") == 0)
        return judge_retry(&c);
    if (strcmp(verb, "run") != 0)
        return command_usage_error("judge", "run, status or retry expected");
    if (c.run.command == NULL)
        return command_usage_error("judge", "run needs --exec COMMAND");
    return judge_run(&c.run);
}

const struct command command_judge = {
    .usage = "judge run --exec COMMAND | status | retry [FLAGS]",
    .examples =
        "  driftline judge run --exec ./my_judge.py --concurrency 4\n"
        "  driftline judge run --once --exec 'jq \"{score: (if .output then 1 else 0 end)}\"'\n"
        "  driftline judge status\n"
        "  driftline judge retry           # what was set aside, once its cause is mended\n"
        "  driftline sql 'select scorer_version, pairs, accuracy, kappa from judge_agreement'\n",
    .about =
        "Rules of the policy file (judges:) queue spans; run leases them and starts COMMAND for each: the span as one\n"
        "JSON object on standard input, the verdict on standard output as {\"score\", \"label\", \"explanation\",\n"
        "\"cost_usd\", \"judge_model\"}; score (or value) or label is needed. A command that fails, takes too long or\n"
        "prints something else is tried again later, at most as often as the rule says.",
    OPTIONS(judge_options),
    .run = judge_main,
};
