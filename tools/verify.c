/*
 * verify.c - `driftline verify`: reads every byte and names the damage. Exit code 3 when there is some.
 */
#include <stdio.h>

#include "engine/base/json.h"
#include "tools/terminal.h"
#include "tools/upkeep.h"

static const struct option_spec verify_options[] = {
    UPKEEP_OPTIONS,
};

static int take_option(void *context, int key, const char *value)
{
    (void)context;
    (void)key;
    (void)value;
    return EXIT_CODE_OK;
}

static void add_finding(void *context, const struct finding *f)
{
    struct upkeep *u = context;
    bool is_first = u->answer.data[u->answer.size - 1] == '[';
    buffer_printf(&u->answer, "%s{\"path\":", is_first ? "" : ",");
    buffer_add_json(&u->answer, slice_text(f->path));
    buffer_printf(&u->answer, ",\"offset\":%llu,\"text\":", (unsigned long long)f->offset);
    buffer_add_json(&u->answer, slice_text(f->text));
    buffer_add_text(&u->answer, "}");
}

static enum status verify_directory(struct upkeep *u, struct error *reterr)
{
    struct store store = {0};
    enum status s = store_open(u->data, true, &store, reterr);
    if (s < 0)
        return s;
    buffer_add_text(&u->answer, "{\"findings\":[");
    s = engine_verify(store.engine, add_finding, u, &u->report, reterr);
    bool damaged = s == STATUS_CORRUPT;
    buffer_printf(&u->answer, "],\"damaged\":%s}\n", damaged ? "true" : "false");
    store_close(&store);
    return damaged ? STATUS_OK : s;
}

static void print_finding(struct slice path, struct slice offset, struct slice text)
{
    struct buffer line = {0};
    (void)terminal_add_clipped(&line, path, 0);
    buffer_printf(&line, ":%.*s: ", SLICE_ARG(offset));
    (void)terminal_add_clipped(&line, text, 0);
    (void)printf("%.*s\n", SLICE_ARG(buffer_slice(&line)));
    buffer_deinit(&line);
}

/* Findings as lines (unless --json); *ret_damaged from the answer. */
static enum status answer_read(const struct upkeep *u, uint64_t *ret_count, bool *ret_damaged,
                               struct error *reterr)
{
    struct arena arena = {0};
    struct json j = json_over(buffer_slice(&u->answer));
    struct slice key = SLICE_EMPTY;
    struct slice path = SLICE_EMPTY, offset = SLICE_EMPTY, text = SLICE_EMPTY;
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END) {
        if (t == JSON_KEY)
            key = json_string(&j, &arena);
        else if (t == JSON_STRING && slice_is(key, "path"))
            path = json_string(&j, &arena);
        else if (t == JSON_STRING && slice_is(key, "text"))
            text = json_string(&j, &arena);
        else if (t == JSON_NUMBER && slice_is(key, "offset"))
            offset = j.raw;
        else if (t == JSON_TRUE && slice_is(key, "damaged"))
            *ret_damaged = true;
        else if (t == JSON_OBJECT_END && j.depth == 2 && path.size != 0) {
            (*ret_count)++;
            if (!u->json)
                print_finding(path, offset, text);
        }
    }
    arena_deinit(&arena);
    return t < 0 ? json_error(&j, "the server's answer", reterr) : STATUS_OK;
}

static int verify_run(const struct command *self, int argc, char **argv)
{
    struct upkeep u;
    struct error error = {0};
    bool damaged = false;
    uint64_t count = 0;
    int operands, exit_code;
    if (!upkeep_begin(&u, self, argc, argv, take_option, NULL, &operands, &exit_code))
        return exit_code;
    if (operands < argc)
        return command_usage_error("verify", "unexpected '%s'", argv[operands]);
    enum status s = u.data != NULL ? verify_directory(&u, &error)
                                   : upkeep_remote(&u, "POST", "/api/v1/admin/verify", &error);
    progress_end(&u.progress);
    if (s >= 0)
        s = answer_read(&u, &count, &damaged, &error);
    if (s >= 0 && u.json)
        s = upkeep_print(&u, &error);
    if (s < 0)
        exit_code = command_fail(&error);
    else if (!u.json)
        (void)printf("%s: %llu findings in %.1f s\n", damaged ? "damaged" : "ok",
                     (unsigned long long)count, progress_seconds(&u.progress));
    if (s >= 0 && damaged)
        exit_code = EXIT_CODE_CORRUPT;
    upkeep_end(&u);
    return exit_code;
}

const struct command command_verify = {
    .usage = "verify [--data DIR] [FLAGS]",
    .examples = "  driftline verify\n"
                "  driftline verify --data /var/lib/driftline\n"
                "  driftline verify --json | jq '.findings[].path'\n",
    .about =
        "Every file the store names is read and its checksums compared. Each finding is PATH:OFFSET: TEXT.\n"
        "Exit code 0: sound, 3: damaged. Files that nobody owns are named too and are no damage.",
    OPTIONS(verify_options),
    .run = verify_run,
};
