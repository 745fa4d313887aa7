/*
 * tail.c - `driftline tail`: new spans as they are committed.
 *
 * Invariant: rows are asked for by commit sequence, and a commit is shown whole or not yet, so nothing is shown twice or
 *            left out.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/decimal.h"
#include "engine/base/limits.h"
#include "tools/rows.h"
#include "tools/terminal.h"

#define LINES_DEFAULT  10u
#define LINES_MAX      10000u
#define POLL_ROWS      (BATCH_ROWS_MAX + 1) /* more than one commit can have */
#define INTERVAL_NS    (500 * NS_PER_MS)
#define INTERVAL_LEAST (10 * NS_PER_MS)

enum {
    OPTION_WHERE = OPTION_LONG(0),
    OPTION_JSON,
    OPTION_NO_FOLLOW,
    OPTION_INTERVAL,
};

static const struct option_spec tail_options[] = {
    {OPTION_WHERE, "where", "EXPRESSION", "only spans for which this SQL expression holds"},
    {'n', "lines", "N", "spans of the past to begin with (default 10)"},
    {'f', "follow", NULL, "go on with new ones (the default)"},
    {OPTION_NO_FOLLOW, "no-follow", NULL, "end after those of the past"},
    {OPTION_INTERVAL, "interval", "DURATION", "pause between looks (default 500ms)"},
    {OPTION_JSON, "json", NULL, "one JSON object a line"},
    CONNECT_OPTIONS,
};

enum field {
    FIELD_SEQ,
    FIELD_TIME,
    FIELD_TRACE,
    FIELD_SPAN,
    FIELD_SESSION,
    FIELD_SERVICE,
    FIELD_KIND,
    FIELD_NAME,
    FIELD_TOOL,
    FIELD_MODEL,
    FIELD_PROMPT,
    FIELD_VERSION,
    FIELD_LATENCY,
    FIELD_TOKENS_IN,
    FIELD_TOKENS_OUT,
    FIELD_COST,
    FIELD_STATUS,
    FIELD_CLASS,
    FIELD_COUNT
};

/* In the order of the select list below. */
static const char select_list[] =
    "seq, time, trace_id, span_id, session, service, kind, name, tool_name, model, prompt_name, "
    "prompt_version, latency_ms, tokens_in, tokens_out, cost_usd, status, error_class";

struct tail {
    struct sql_session session;
    const char *where; /* NULL: all */
    uint64_t lines;
    bool follow;
    bool json;
    bool coloured;
    int64_t interval_ns;
    int64_t seq; /* everything up to this commit was shown */
};

static atomic_bool interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    atomic_store(&interrupted, true);
}

/* ---- lines ---- */

static void add_latency(struct buffer *to, struct slice ms_text)
{
    double ms;
    if (!decimal_to_double(ms_text, &ms))
        buffer_printf(to, "%9s ", "-");
    else if (ms < 1000)
        buffer_printf(to, "%6.0f ms ", ms);
    else
        buffer_printf(to, "%7.1f s ", ms / 1000);
}

static void add_field(struct buffer *to, const char *before, struct slice text, uint32_t max)
{
    if (text.size == 0)
        return;
    buffer_add_text(to, before);
    (void)terminal_add_clipped(to, text, max);
}

static void add_line(const struct tail *t, const struct rows *r, uint64_t row, struct buffer *to)
{
    struct slice time = rows_cell(r, row, FIELD_TIME);
    struct slice tool = rows_cell(r, row, FIELD_TOOL);
    struct slice class = rows_cell(r, row, FIELD_CLASS);
    struct slice trace = rows_cell(r, row, FIELD_TRACE);
    struct slice tokens = rows_cell(r, row, FIELD_TOKENS_OUT);
    bool bad = class.size != 0 && !slice_is(class, "none");
    double usd;
    /* "2026-11-01T14:05:00.123456Z": the day is rarely the question. */
    size_t from = time.size > 11 ? 11 : 0;
    size_t size = time.size - from > 12 ? 12 : time.size - from;
    terminal_add_padded(to, slice_of(time.data + from, size), 13);
    terminal_add_colour(to, t->coloured, COLOUR_DIM);
    terminal_add_padded(to, slice_of(trace.data, trace.size < 8 ? trace.size : 8), 9);
    terminal_add_colour(to, t->coloured, COLOUR_NONE);
    terminal_add_padded(to, rows_cell(r, row, FIELD_KIND), 10);
    terminal_add_padded(to, tool.size != 0 ? tool : rows_cell(r, row, FIELD_NAME), 22);
    add_latency(to, rows_cell(r, row, FIELD_LATENCY));
    add_field(to, " ", rows_cell(r, row, FIELD_MODEL), 28);
    add_field(to, "  ", rows_cell(r, row, FIELD_PROMPT), 28);
    add_field(to, " ", rows_cell(r, row, FIELD_VERSION), 12);
    if (tokens.size != 0)
        buffer_printf(to, "  %.*s>%.*s tok", SLICE_ARG(rows_cell(r, row, FIELD_TOKENS_IN)),
                      SLICE_ARG(tokens));
    if (decimal_to_double(rows_cell(r, row, FIELD_COST), &usd) && usd != 0)
        buffer_printf(to, "  $%.4f", usd);
    if (bad) {
        terminal_add_colour(to, t->coloured, COLOUR_RED);
        add_field(to, "  ", class, 32);
        terminal_add_colour(to, t->coloured, COLOUR_NONE);
    }
    add_field(to, "  ", rows_cell(r, row, FIELD_SESSION), 32);
    buffer_add_byte(to, '\n');
}

static void add_json(const struct rows *r, uint64_t row, struct buffer *to)
{
    const char *comma = "{";
    for (uint32_t c = 0; c < r->column_count; c++) {
        if (!rows_has(r, row, c))
            continue;
        buffer_add_text(to, comma);
        comma = ",";
        buffer_add_json(to, r->names[c]);
        buffer_add_byte(to, ':');
        rows_json(r, row, c, to);
    }
    buffer_add_text(to, "}\n");
}

static bool show(const struct tail *t, const struct rows *r, uint64_t row)
{
    struct buffer line = {0};
    if (t->json)
        add_json(r, row, &line);
    else
        add_line(t, r, row, &line);
    bool good = fwrite(line.data, 1, line.size, stdout) == line.size;
    buffer_deinit(&line);
    return good;
}

/* ---- asking ---- */

static int64_t row_seq(const struct rows *r, uint64_t row)
{
    int64_t seq = 0;
    (void)decimal_to_int(rows_cell(r, row, FIELD_SEQ), 1, 1, &seq);
    return seq;
}

static enum status ask(struct tail *t, const char *condition, int64_t seq, const char *order,
                       uint64_t limit, struct rows *ret, struct error *reterr)
{
    struct buffer sql = {0};
    buffer_printf(&sql, "select %s from spans where seq %s %lld", select_list, condition,
                  (long long)seq);
    if (t->where != NULL)
        buffer_printf(&sql, " and (%s)", t->where);
    buffer_printf(&sql, " order by %s limit %llu", order, (unsigned long long)limit);
    buffer_add_byte(&sql, 0);
    enum status s = rows_query(&t->session, (const char *)sql.data, ret, reterr);
    buffer_deinit(&sql);
    return s;
}

/* The last commit there is, then the latest spans up to it, oldest first. */
static enum status past_show(struct tail *t, struct error *reterr)
{
    struct rows rows = {0};
    enum status s = rows_query(&t->session, "select max(seq) as seq from spans", &rows, reterr);
    if (s >= 0 && rows.row_count == 1)
        t->seq = row_seq(&rows, 0);
    rows_deinit(&rows);
    if (s < 0 || t->lines == 0)
        return s;
    s = ask(t, "<=", t->seq, "seq desc, time desc", t->lines, &rows, reterr);
    for (uint64_t i = rows.row_count; s >= 0 && i > 0; i--)
        (void)show(t, &rows, i - 1);
    rows_deinit(&rows);
    return s;
}

static enum status news_show(struct tail *t, struct error *reterr)
{
    struct rows rows = {0};
    enum status s = ask(t, ">", t->seq, "seq, time", POLL_ROWS, &rows, reterr);
    uint64_t count = rows.row_count;
    /* The last commit may be cut by the limit: it comes whole with the next look. */
    if (count == POLL_ROWS) {
        int64_t cut = row_seq(&rows, count - 1);
        while (count > 0 && row_seq(&rows, count - 1) == cut)
            count--;
    }
    for (uint64_t i = 0; s >= 0 && i < count; i++) {
        if (!show(t, &rows, i)) {
            s = error_set(reterr, STATUS_IO, "writing to stdout failed");
            break;
        }
    }
    if (s >= 0 && count > 0)
        t->seq = row_seq(&rows, count - 1);
    rows_deinit(&rows);
    if (fflush(stdout) != 0)
        return STATUS_END; /* whoever read has gone */
    return s;
}

static void pause_ns(int64_t ns)
{
    struct timespec pause = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    (void)nanosleep(&pause, NULL);
}

static int tail_follow(struct tail *t)
{
    struct error error = {0};
    enum status s = past_show(t, &error);
    (void)fflush(stdout);
    while (s == STATUS_OK && t->follow && !atomic_load(&interrupted)) {
        pause_ns(t->interval_ns);
        s = news_show(t, &error);
    }
    if (s < 0 && !atomic_load(&interrupted))
        return command_fail(&error);
    return EXIT_CODE_OK;
}

static int take_option(struct tail *t, int key, const char *value)
{
    char *end = NULL;
    switch (key) {
    case OPTION_WHERE:
        t->where = value;
        break;
    case 'n':
        t->lines = strtoull(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end != 0 || t->lines > LINES_MAX)
            return command_usage_error("tail", "--lines wants 0 to %u, not '%s'", LINES_MAX, value);
        break;
    case 'f':
        t->follow = true;
        break;
    case OPTION_NO_FOLLOW:
        t->follow = false;
        break;
    case OPTION_JSON:
        t->json = true;
        break;
    case OPTION_INTERVAL:
        if (!duration_from_text(slice_text(value), &t->interval_ns) ||
            t->interval_ns < INTERVAL_LEAST)
            return command_usage_error("tail", "--interval wants 10ms or more, not '%s'", value);
        break;
    }
    return EXIT_CODE_OK;
}

static int tail_run(const struct command *self, int argc, char **argv)
{
    struct tail t = {.lines = LINES_DEFAULT,
                     .follow = true,
                     .interval_ns = INTERVAL_NS,
                     .coloured = terminal_is_colourful(STDOUT_FILENO)};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&t.session.connect, &error) < 0)
        return command_usage_error("tail", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&t.session.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("tail", "%s", error.text);
        } else if ((exit_code = take_option(&t, key, o.value)) != EXIT_CODE_OK) {
            return exit_code;
        }
    }
    if (o.at < argc)
        return command_usage_error("tail", "unexpected '%s'; conditions go behind --where",
                                   argv[o.at]);
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    return tail_follow(&t);
}

const struct command command_tail = {
    .usage = "tail [-n N] [--where EXPRESSION] [--no-follow] [FLAGS]",
    .examples = "  driftline tail\n"
                "  driftline tail --where \"kind = 'llm' and latency_ms > 5000\"\n"
                "  driftline tail --where \"error_class <> 'none'\" --json | jq .trace_id\n"
                "  driftline tail -n 100 --no-follow\n",
    .about = "Spans in the order they were committed, a line each. Ctrl-C ends it.",
    OPTIONS(tail_options),
    .run = tail_run,
};
