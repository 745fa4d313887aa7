/*
 * ingest.c - `driftline ingest`: files to a server.
 *
 * Place:    files, stdin -> import_csv | import_ndjson | import_chat -> sink (native client) -> server
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

#define BATCH_ROWS_LEAST 1u

enum {
    OPTION_FORMAT = OPTION_LONG(0),
    OPTION_TABLE,
    OPTION_BATCH_ROWS,
    OPTION_SESSION_PREFIX,
    OPTION_SERVICE,
    OPTION_MODEL,
    OPTION_START,
    OPTION_DRY_RUN,
    OPTION_MAX_ERRORS,
    OPTION_ALLOW_REJECTS,
    OPTION_SKIP_UNKNOWN,
    OPTION_EXTRA_ATTRIBUTES,
};

static const struct option_spec ingest_options[] = {
    {OPTION_FORMAT, "format", "ndjson|csv|chat", "what the files are; without it their name says"},
    {OPTION_TABLE, "table", "spans|scores|tags", "csv, ndjson: what the rows are (default spans)"},
    {OPTION_BATCH_ROWS, "batch-rows", "N", "rows sent at a time (default 8192)"},
    {OPTION_DRY_RUN, "dry-run", NULL, "read and check, send nothing"},
    {OPTION_MAX_ERRORS, "max-errors", "N", "stop at the N-th bad row (default 0: never)"},
    {OPTION_ALLOW_REJECTS, "allow-rejects", NULL, "exit 0 although rows were rejected"},
    {OPTION_SKIP_UNKNOWN, "skip-unknown", NULL, "csv, ndjson: leave out fields without a column"},
    {OPTION_EXTRA_ATTRIBUTES, "extra-attributes", NULL, "ndjson: put them into attributes"},
    {OPTION_SESSION_PREFIX, "session-prefix", "TEXT",
     "chat: sessions are TEXT-1, TEXT-2, ... (default: the file's name)"},
    {OPTION_SERVICE, "service", "NAME", "chat: service of all spans"},
    {OPTION_MODEL, "model", "NAME", "chat: model where a conversation names none"},
    {OPTION_START, "start", "TIME",
     "chat: when the first conversation without times began (default 2026-01-01)"},
    {'q', "quiet", NULL, "no progress"},
    CONNECT_OPTIONS,
};

enum format {
    FORMAT_UNKNOWN,
    FORMAT_CSV,
    FORMAT_NDJSON,
    FORMAT_CHAT
};

static const struct {
    const char *name;
    enum status (*run)(struct import *im, struct input *in, struct error *reterr);
} formats[] = {
    [FORMAT_CSV] = {"csv", import_csv},
    [FORMAT_NDJSON] = {"ndjson", import_ndjson},
    [FORMAT_CHAT] = {"chat", import_chat},
};

struct ingest {
    struct connect connect;
    enum format format;
    enum table table;
    uint32_t batch_rows;
    uint64_t rejects_max;
    bool dry_run;
    bool allow_rejects;
    bool skip_unknown;
    bool extra_attributes;
    bool quiet;
    const char *session_prefix;
    const char *service;
    const char *model;
    int64_t start_ns;
};

static enum format format_from_name(const char *name)
{
    for (enum format f = FORMAT_CSV; f <= FORMAT_CHAT; f++) {
        if (strcmp(formats[f].name, name) == 0)
            return f;
    }
    return FORMAT_UNKNOWN;
}

/* "spans.csv", "spans.ndjson", "spans.jsonl"; a .json file is a chat log. */
static enum format format_from_path(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL)
        return FORMAT_UNKNOWN;
    if (strcmp(dot, ".jsonl") == 0)
        return FORMAT_NDJSON;
    if (strcmp(dot, ".json") == 0)
        return FORMAT_CHAT;
    return format_from_name(dot + 1);
}

static bool parse_count(const char *text, uint64_t max, uint64_t *ret)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == 0 && *ret <= max;
}

/* EXIT_CODE_OK, or the exit code of a usage error. */
static int take_option(struct ingest *g, int key, const char *value)
{
    uint64_t number = 0;
    switch (key) {
    case OPTION_FORMAT:
        g->format = format_from_name(value);
        if (g->format == FORMAT_UNKNOWN)
            return command_usage_error("ingest", "'%s' is not one of ndjson, csv, chat", value);
        break;
    case OPTION_TABLE:
        if (!table_from_name(slice_text(value), &g->table))
            return command_usage_error("ingest", "'%s' is not one of spans, scores, tags", value);
        break;
    case OPTION_BATCH_ROWS:
        if (!parse_count(value, BATCH_ROWS_MAX, &number) || number < BATCH_ROWS_LEAST)
            return command_usage_error("ingest", "--batch-rows wants 1 to %u, not '%s'",
                                       BATCH_ROWS_MAX, value);
        g->batch_rows = (uint32_t)number;
        break;
    case OPTION_MAX_ERRORS:
        if (!parse_count(value, UINT64_MAX, &g->rejects_max))
            return command_usage_error("ingest", "--max-errors wants a number, not '%s'", value);
        break;
    case OPTION_START:
        if (!time_from_text(slice_text(value), &g->start_ns))
            return command_usage_error(
                "ingest", "--start wants a time like 2026-01-01T00:00:00Z, not '%s'", value);
        break;
    case OPTION_SESSION_PREFIX:
        g->session_prefix = value;
        break;
    case OPTION_SERVICE:
        g->service = value;
        break;
    case OPTION_MODEL:
        g->model = value;
        break;
    case OPTION_DRY_RUN:
        g->dry_run = true;
        break;
    case OPTION_ALLOW_REJECTS:
        g->allow_rejects = true;
        break;
    case OPTION_SKIP_UNKNOWN:
        g->skip_unknown = true;
        break;
    case OPTION_EXTRA_ATTRIBUTES:
        g->extra_attributes = true;
        break;
    case 'q':
        g->quiet = true;
        break;
    }
    return EXIT_CODE_OK;
}

static enum status import_file(struct import *im, enum format format, const char *path,
                               struct error *reterr)
{
    struct input in = {0};
    enum status s = input_open(path, &in, reterr);
    if (s >= 0) {
        im->sink->input = &in;
        import_begin(im);
        s = formats[format].run(im, &in, reterr);
    }
    /* Rows before a bad place in the file are as good as any. */
    if (s == STATUS_INVALID || s == STATUS_LIMIT || s == STATUS_IO)
        IGNORE_STATUS(import_flush(im, NULL));
    im->sink->input = NULL;
    input_close(&in);
    return s;
}

static void print_summary(const struct ingest *g, const struct sink *sink, uint64_t rejected)
{
    double seconds = progress_seconds(&sink->progress);
    const char *what = table_name(g->table);
    if (g->dry_run)
        (void)printf("dry run: %llu %s read (%llu rejected) in %.2f s, nothing sent\n",
                     (unsigned long long)sink->rows, what, (unsigned long long)rejected, seconds);
    else
        (void)printf("ingested %llu %s (%llu duplicates, %llu rejected) in %.2f s\n",
                     (unsigned long long)sink_stored(sink), what,
                     (unsigned long long)sink->duplicates,
                     (unsigned long long)(rejected + sink->rejected), seconds);
}

static int ingest_files(const struct ingest *g, char **paths, int count)
{
    struct error error = {0};
    struct error finish_error = {0};
    struct sink sink;
    struct import im;
    enum status s = STATUS_OK;
    sink_begin(&sink, "ingest", table_name(g->table), g->quiet);
    import_init(&im, g->table, g->batch_rows, &sink);
    im.rejects_max = g->rejects_max;
    im.skip_unknown = g->skip_unknown;
    im.extra_attributes = g->extra_attributes;
    im.session_prefix = g->session_prefix;
    im.service = g->service;
    im.model = g->model;
    im.start_ns = g->start_ns;
    if (!g->dry_run)
        s = sink_connect(&sink, &g->connect, &error);
    for (int i = 0; i < count && s >= 0; i++) {
        enum format format = g->format != FORMAT_UNKNOWN ? g->format : format_from_path(paths[i]);
        s = import_file(&im, format, paths[i], &error);
    }
    /* What was read before a failure still counts. */
    if (sink.client != NULL && s != STATUS_UNREACHABLE) {
        enum status flushed = sink_finish(&sink, &finish_error);
        if (s >= 0 && flushed < 0) {
            s = flushed;
            error = finish_error;
        }
    }
    progress_end(&sink.progress);
    int exit_code = s < 0 ? command_fail(&error) : EXIT_CODE_OK;
    if (sink.client != NULL || g->dry_run)
        print_summary(g, &sink, im.rejected);
    if (exit_code == EXIT_CODE_OK && im.rejected + sink.rejected > 0 && !g->allow_rejects)
        exit_code = EXIT_CODE_FAILURE;
    import_deinit(&im);
    sink_end(&sink);
    return exit_code;
}

static int ingest_run(const struct command *self, int argc, char **argv)
{
    struct ingest g = {.batch_rows = IMPORT_BATCH_ROWS_DEFAULT};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    (void)time_from_text(slice_text("2026-01-01"), &g.start_ns);
    if (connect_init(&g.connect, &error) < 0)
        return command_usage_error("ingest", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&g.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("ingest", "%s", error.text);
        } else if ((exit_code = take_option(&g, key, o.value)) != EXIT_CODE_OK) {
            return exit_code;
        }
    }
    if (o.at == argc)
        return command_usage_error("ingest", "a FILE is missing ('-' reads stdin)");
    for (int i = o.at; i < argc; i++) {
        enum format format = g.format != FORMAT_UNKNOWN ? g.format : format_from_path(argv[i]);
        if (format == FORMAT_UNKNOWN)
            return command_usage_error("ingest", "%s: say --format ndjson, csv or chat", argv[i]);
        if (format == FORMAT_CHAT && g.table != TABLE_SPANS)
            return command_usage_error("ingest", "chat logs become spans: leave --table out");
    }
    return ingest_files(&g, argv + o.at, argc - o.at);
}

const struct command command_ingest = {
    .usage = "ingest [FLAGS] [--format ndjson|csv|chat] FILE...",
    .examples = "  driftline ingest --format csv spans.csv\n"
                "  zstdcat spans.ndjson.zst | driftline ingest --format ndjson -\n"
                "  driftline ingest --format chat --session-prefix support conversations.json\n"
                "  driftline ingest --table scores --format csv scores.csv\n"
                "  driftline ingest --dry-run --max-errors 1 spans.csv\n",
    .about =
        "Fields are named like the columns (`driftline sql 'show columns from spans'`); durations and money\n"
        "also in other units: latency_us, cost_nusd, time_ms. Bad rows are reported as file:line:column and\n"
        "left out; the exit code is then 1. Rows sent twice count as duplicates. The last line on stdout is\n"
        "`ingested N spans (M duplicates, R rejected) in S s`, and what it counts is durable.",
    OPTIONS(ingest_options),
    .run = ingest_run,
};
