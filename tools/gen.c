/*
 * gen.c - `driftline gen`: synthetic traffic to stdout or to a server.
 */
#include "tools/gen.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/sink.h"
#include "tools/terminal.h"

#define BATCH_ROWS    8192u
#define BATCH_BYTES   (8u << 20)
#define PACED_BATCHES 20 /* a second, with --rate */
#define OUTPUT_BYTES  (1u << 20)
#define SPANS_DEFAULT 100000u
#define RATE_MAX      10000000u

enum {
    OPTION_SPANS = OPTION_LONG(0),
    OPTION_SEED,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_REGRESS,
    OPTION_RATE,
    OPTION_FORMAT,
    OPTION_TEXT,
    OPTION_SEND,
};

static const struct option_spec gen_options[] = {
    {OPTION_SPANS, "spans", "N", "how many (default 100000; with --rate: without end)"},
    {OPTION_SEED, "seed", "N", "the same seed and times give the same spans (default 1)"},
    {OPTION_SINCE, "since", "DURATION|TIME", "the time they cover begins here (default 24h ago)"},
    {OPTION_UNTIL, "until", "TIME", "and ends here (default now)"},
    {OPTION_RATE, "rate", "N", "as they happen: N spans a second, from now on"},
    {OPTION_REGRESS, "regress", "KEY=VALUE,...",
     "plant a regression: prompt, version, score, by, latency, after"},
    {OPTION_TEXT, "text", NULL, "with conversations, each call with its full history"},
    {OPTION_FORMAT, "format", "csv|ndjson", "on stdout (default csv)"},
    {OPTION_SEND, "send", NULL, "to a server instead"},
    {'q', "quiet", NULL, "no progress"},
    CONNECT_OPTIONS,
};

struct gen_call {
    struct connect connect;
    struct gen_options options;
    bool spans_given;
    uint64_t rate;
    bool ndjson;
    bool send;
    bool quiet;
};

static atomic_bool interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    atomic_store(&interrupted, true);
}

/* Sleeps until `made` spans are due. */
static void pace(const struct gen *g, uint64_t rate)
{
    int64_t due_ns = g->started_ns + (int64_t)((double)g->made / (double)rate * (double)NS_PER_S);
    int64_t left_ns = due_ns - clock_monotonic_ns();
    if (left_ns <= 0)
        return;
    struct timespec pause = {.tv_sec = left_ns / NS_PER_S, .tv_nsec = left_ns % NS_PER_S};
    (void)nanosleep(&pause, NULL);
}

/* ---- to stdout ---- */

static int write_stdout(struct gen *g, const struct gen_call *c)
{
    struct buffer out = {0};
    bool good = true;
    if (!c->ndjson)
        gen_csv_header(c->options.text, &out);
    while (good && !atomic_load(&interrupted) && gen_trace(g)) {
        for (uint32_t i = 0; i < g->span_count; i++) {
            if (c->ndjson)
                gen_ndjson_row(&g->spans[i], c->options.text, &out);
            else
                gen_csv_row(&g->spans[i], c->options.text, &out);
        }
        if (c->rate != 0)
            pace(g, c->rate);
        if (c->rate == 0 && out.size < OUTPUT_BYTES)
            continue;
        good = terminal_write(&out) && fflush(stdout) == 0;
        buffer_reset(&out);
    }
    good = good && terminal_write(&out) && fflush(stdout) == 0;
    buffer_deinit(&out);
    if (!good)
        (void)fprintf(stderr, "driftline: writing to stdout failed\n");
    return good ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

/* ---- to a server ---- */

struct sender {
    struct gen *g;
    struct schema schema;
    struct builder builder;
    struct gen_columns columns;
    struct message_set messages;
    struct sink sink;
};

static enum status sender_flush(struct sender *s, struct error *reterr)
{
    struct sink_origin origin = {.file = ""};
    if (s->builder.rows == 0)
        return STATUS_OK;
    struct batch batch = builder_batch(&s->builder);
    struct wire_input in = {
        .spans = &batch, .messages = s->messages.messages, .message_count = s->messages.count};
    if (s->g->options.spans != 0)
        s->sink.fraction = (double)s->g->made / (double)s->g->options.spans;
    enum status status = sink_send(&s->sink, &in, &origin, reterr);
    builder_reset(&s->builder);
    message_set_reset(&s->messages);
    return status;
}

static enum status send_all(struct sender *s, const struct gen_call *c, struct error *reterr)
{
    uint32_t batch_rows = BATCH_ROWS;
    enum status status = STATUS_OK;
    if (c->rate != 0 && c->rate / PACED_BATCHES < batch_rows)
        batch_rows = (uint32_t)(c->rate / PACED_BATCHES) + 1;
    while (status >= 0 && !atomic_load(&interrupted) && gen_trace(s->g)) {
        for (uint32_t i = 0; i < s->g->span_count; i++)
            gen_build_row(&s->g->spans[i], c->options.text, &s->columns, &s->builder, &s->messages);
        if (s->builder.rows + GEN_TRACE_SPANS_MAX > BATCH_ROWS || s->builder.rows >= batch_rows ||
            s->messages.bytes > BATCH_BYTES)
            status = sender_flush(s, reterr);
        if (c->rate != 0)
            pace(s->g, c->rate);
    }
    if (status >= 0)
        status = sender_flush(s, reterr);
    return status < 0 ? status : sink_finish(&s->sink, reterr);
}

static int send_to_server(struct gen *g, const struct gen_call *c)
{
    struct sender s = {.g = g};
    struct error error = {0};
    schema_init(&s.schema);
    builder_init(&s.builder, TABLE_SPANS, &s.schema);
    message_set_init(&s.messages);
    sink_begin(&s.sink, "gen", "spans", c->quiet);
    enum status status = gen_columns_find(&s.schema, &s.columns, &error);
    if (status >= 0)
        status = sink_connect(&s.sink, &c->connect, &error);
    if (status >= 0)
        status = send_all(&s, c, &error);
    progress_end(&s.sink.progress);
    int exit_code = status < 0 ? command_fail(&error) : EXIT_CODE_OK;
    if (s.sink.client != NULL)
        (void)printf("sent %llu spans (%llu duplicates, %llu rejected) in %.2f s\n",
                     (unsigned long long)sink_stored(&s.sink),
                     (unsigned long long)s.sink.duplicates, (unsigned long long)s.sink.rejected,
                     progress_seconds(&s.sink.progress));
    if (exit_code == EXIT_CODE_OK && s.sink.rejected != 0)
        exit_code = EXIT_CODE_FAILURE;
    sink_end(&s.sink);
    message_set_deinit(&s.messages);
    builder_deinit(&s.builder);
    schema_deinit(&s.schema);
    return exit_code;
}

/* ---- flags ---- */

static bool parse_count(const char *text, uint64_t max, uint64_t *ret)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == 0 && *ret <= max;
}

static int bad_value(const char *flag, const char *wanted, const char *value)
{
    return command_usage_error("gen", "--%s wants %s, not '%s'", flag, wanted, value);
}

static int take_option(struct gen_call *c, int key, const char *value)
{
    struct error error = {0};
    int64_t ago_ns;
    switch (key) {
    case OPTION_SPANS:
        c->spans_given = true;
        if (!parse_count(value, INT64_MAX, &c->options.spans) || c->options.spans == 0)
            return bad_value("spans", "a number", value);
        break;
    case OPTION_SEED:
        if (!parse_count(value, UINT64_MAX, &c->options.seed))
            return bad_value("seed", "a number", value);
        break;
    case OPTION_RATE:
        if (!parse_count(value, RATE_MAX, &c->rate))
            return bad_value("rate", "spans a second", value);
        break;
    case OPTION_SINCE:
        if (duration_from_text(slice_text(value), &ago_ns))
            c->options.from_ns = clock_wall_ns() - ago_ns;
        else if (!time_from_text(slice_text(value), &c->options.from_ns))
            return bad_value("since", "a duration like 24h or a time", value);
        break;
    case OPTION_UNTIL:
        if (!time_from_text(slice_text(value), &c->options.until_ns))
            return bad_value("until", "a time like 2026-11-01T14:00:00Z", value);
        break;
    case OPTION_REGRESS:
        if (gen_regress_parse(value, &c->options.regress, &error) < 0)
            return command_usage_error("gen", "%s", error.text);
        break;
    case OPTION_FORMAT:
        c->ndjson = strcmp(value, "ndjson") == 0;
        if (!c->ndjson && strcmp(value, "csv") != 0)
            return bad_value("format", "csv or ndjson", value);
        break;
    case OPTION_TEXT:
        c->options.text = true;
        break;
    case OPTION_SEND:
        c->send = true;
        break;
    case 'q':
        c->quiet = true;
        break;
    }
    return EXIT_CODE_OK;
}

static int gen_run(const struct command *self, int argc, char **argv)
{
    struct gen_call c = {.options = {.seed = 1, .until_ns = clock_wall_ns()}};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    c.options.from_ns = c.options.until_ns - NS_PER_DAY;
    if (connect_init(&c.connect, &error) < 0)
        return command_usage_error("gen", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&c.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("gen", "%s", error.text);
        } else if ((exit_code = take_option(&c, key, o.value)) != EXIT_CODE_OK) {
            return exit_code;
        }
    }
    if (o.at < argc)
        return command_usage_error("gen", "unexpected '%s'", argv[o.at]);
    if (c.options.from_ns >= c.options.until_ns)
        return command_usage_error("gen", "--since must lie before --until");
    if (!c.spans_given && c.rate == 0)
        c.options.spans = SPANS_DEFAULT;
    c.options.live = c.rate != 0;
    struct gen g;
    if (gen_init(&g, &c.options, &error) < 0)
        return command_usage_error("gen", "%s", error.text);
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    exit_code = c.send ? send_to_server(&g, &c) : write_stdout(&g, &c);
    gen_deinit(&g);
    return exit_code;
}

const struct command command_gen = {
    .usage = "gen [--spans N] [--seed N] [--since D] [--regress ...] [--rate N] [--send] [FLAGS]",
    .examples = "  driftline gen --spans 1000000 --seed 7 > spans.csv\n"
                "  driftline gen --spans 100000 --text --send\n"
                "  driftline gen --rate 500 --send          # until Ctrl-C\n"
                "  driftline gen --spans 300000 --send --regress "
                "prompt=support-answer,version=v7,score=groundedness,by=0.08,after=0.8\n",
    .about =
        "Sessions of several turns, agents with tools and retrieval, prompts whose versions change, models with\n"
        "their prices, tokens and latencies as seen in production, a few failures of every kind, scores.\n"
        "after=0.8: the regression begins when 80 % of the spans are out; after=30s: after so long.",
    OPTIONS(gen_options),
    .run = gen_run,
};
