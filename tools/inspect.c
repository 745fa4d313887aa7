/*
 * inspect.c - `driftline inspect`: segments, columns, encodings, bytes.
 */
#include "tools/inspect.h"

#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "tools/terminal.h"
#include "tools/upkeep.h"

enum {
    OPTION_COLUMNS = OPTION_LONG(0)
};

static const struct option_spec inspect_options[] = {
    {OPTION_COLUMNS, "columns", NULL, "bytes and encoding of every column"},
    UPKEEP_OPTIONS,
};

static int take_option(void *context, int key, const char *value)
{
    (void)value;
    *(bool *)context = key == OPTION_COLUMNS;
    return EXIT_CODE_OK;
}

/* ---- a directory, as the server would answer ---- */

struct listing {
    struct buffer *to;
    struct engine *engine;
    const char *comma;
};

static void add_time(struct buffer *to, const char *name, int64_t time_ns)
{
    char text[TIME_TEXT_BYTES];
    time_to_text(time_ns, text);
    buffer_printf(to, ",\"%s\":\"%s\"", name, text);
}

static void add_columns(struct buffer *to, const struct segment_info *s)
{
    buffer_add_text(to, ",\"columns\":[");
    for (uint32_t i = 0; i < s->column_count; i++) {
        buffer_printf(to, "%s{\"name\":", i == 0 ? "" : ",");
        buffer_add_json(to, slice_text(s->columns[i].name));
        buffer_printf(to, ",\"encoding\":\"%s\",\"bytes\":%llu}", s->columns[i].encoding,
                      (unsigned long long)s->columns[i].bytes);
    }
    buffer_add_text(to, "]");
}

static void add_segment(void *context, const struct segment_info *s)
{
    struct listing *l = context;
    buffer_printf(l->to, "%s{\"project\":", l->comma);
    buffer_add_json(l->to, slice_text(engine_project_name(l->engine, s->project)));
    buffer_printf(l->to, ",\"table\":\"%s\",\"path\":\"%s\",\"tier\":\"%s\"", table_name(s->table),
                  s->path, s->tier);
    upkeep_add_count(l->to, "rows", s->rows);
    upkeep_add_count(l->to, "bytes", s->bytes);
    upkeep_add_count(l->to, "seq_min", s->seq_min);
    upkeep_add_count(l->to, "seq_max", s->seq_max);
    upkeep_add_count(l->to, "patches", s->patches);
    add_time(l->to, "time_min", s->time_min_ns);
    add_time(l->to, "time_max", s->time_max_ns);
    if (s->column_count != 0)
        add_columns(l->to, s);
    buffer_add_text(l->to, "}");
    l->comma = ",";
}

static void add_text_stores(struct buffer *to, struct engine *engine)
{
    buffer_add_text(to, "],\"text\":[");
    for (uint32_t p = 1; engine_project_name(engine, p) != NULL; p++) {
        struct text_info t = engine_text_info(engine, p);
        buffer_printf(to, "%s{\"project\":", p == 1 ? "" : ",");
        buffer_add_json(to, slice_text(engine_project_name(engine, p)));
        upkeep_add_count(to, "messages", t.messages);
        upkeep_add_count(to, "bytes", t.bytes);
        upkeep_add_count(to, "stored_bytes", t.stored_bytes);
        upkeep_add_count(to, "packs", t.packs);
        buffer_add_text(to, "}");
    }
    buffer_add_text(to, "]}\n");
}

static enum status inspect_directory(struct upkeep *u, bool columns, struct error *reterr)
{
    struct store store = {0};
    enum status s = store_open(u->data, true, &store, reterr);
    if (s < 0)
        return s;
    struct listing l = {.to = &u->answer, .engine = store.engine, .comma = ""};
    buffer_add_text(&u->answer, "{\"segments\":[");
    s = engine_segments(store.engine, columns, add_segment, &l, reterr);
    add_text_stores(&u->answer, store.engine);
    store_close(&store);
    return s;
}

/* ---- printing ---- */

/* The server keeps the text figures behind a second path. */
static enum status inspect_remote(struct upkeep *u, bool columns, struct error *reterr)
{
    struct buffer text = {0};
    struct http_request request = {.method = "GET", .path = "/api/v1/text", .body = SLICE_EMPTY};
    enum status s = upkeep_remote(
        u, "GET", columns ? "/api/v1/segments?columns=1" : "/api/v1/segments", reterr);
    if (s >= 0)
        s = http_call(&u->connect, &request, &text, NULL, reterr);
    /* {"segments":[...]}\n and {"text":[...]}\n become one object. */
    while (
        s >= 0 && u->answer.size > 0 &&
        (u->answer.data[u->answer.size - 1] == '\n' || u->answer.data[u->answer.size - 1] == '}')) {
        bool brace = u->answer.data[--u->answer.size] == '}';
        if (brace)
            break;
    }
    if (s >= 0 && text.size > 1) {
        buffer_add_byte(&u->answer, ',');
        buffer_add(&u->answer, text.data + 1, text.size - 1);
    }
    buffer_deinit(&text);
    return s;
}

static void print_text_stores(const struct upkeep *u, struct buffer *to)
{
    struct inspect_text {
        struct slice project;
        int64_t messages, bytes, stored, packs;
    } t = {.project = SLICE_EMPTY};
    struct arena arena = {0};
    struct json j = json_over(buffer_slice(&u->answer));
    struct slice key = SLICE_EMPTY;
    bool in_text = false;
    for (enum json_token token = json_next(&j); token > JSON_END; token = json_next(&j)) {
        if (token == JSON_KEY)
            key = json_string(&j, &arena);
        else if (token == JSON_ARRAY_BEGIN && j.depth == 2)
            in_text = slice_is(key, "text");
        else if (token == JSON_STRING && slice_is(key, "project"))
            t.project = json_string(&j, &arena);
        else if (token == JSON_NUMBER && in_text)
            (void)json_int(&j, slice_is(key, "messages")       ? &t.messages
                               : slice_is(key, "bytes")        ? &t.bytes
                               : slice_is(key, "stored_bytes") ? &t.stored
                                                               : &t.packs);
        else if (token == JSON_OBJECT_END && in_text && j.depth == 2 && t.messages != 0)
            buffer_printf(to,
                          "text of %.*s: %lld messages, %lld bytes, stored in %lld (%lld packs)\n",
                          SLICE_ARG(t.project), (long long)t.messages, (long long)t.bytes,
                          (long long)t.stored, (long long)t.packs);
    }
    arena_deinit(&arena);
}

static enum status inspect_show(struct upkeep *u, bool columns, struct error *reterr)
{
    struct inspect in = {0};
    struct buffer text = {0};
    enum status s = inspect_read(buffer_slice(&u->answer), &in, reterr);
    if (s >= 0) {
        inspect_segments_print(&in, &text);
        print_text_stores(u, &text);
        if (columns) {
            buffer_add_byte(&text, '\n');
            inspect_columns_print(&in, &text);
        }
        (void)terminal_write(&text);
    }
    buffer_deinit(&text);
    inspect_deinit(&in);
    return s;
}

static int inspect_run(const struct command *self, int argc, char **argv)
{
    struct upkeep u;
    struct error error = {0};
    bool columns = false;
    int operands, exit_code;
    if (!upkeep_begin(&u, self, argc, argv, take_option, &columns, &operands, &exit_code))
        return exit_code;
    if (operands < argc)
        return command_usage_error("inspect", "unexpected '%s'", argv[operands]);
    enum status s = u.data != NULL ? inspect_directory(&u, columns, &error)
                                   : inspect_remote(&u, columns, &error);
    if (s >= 0)
        s = u.json ? upkeep_print(&u, &error) : inspect_show(&u, columns, &error);
    upkeep_end(&u);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_inspect = {
    .usage = "inspect [--columns] [--data DIR] [FLAGS]",
    .examples = "  driftline inspect\n"
                "  driftline inspect --columns\n"
                "  driftline inspect --data /var/lib/driftline --json | jq '.segments[].bytes'\n",
    .about = "B/row is bytes of the file, everything included, per row.",
    OPTIONS(inspect_options),
    .run = inspect_run,
};
