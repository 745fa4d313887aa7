/*
 * compact.c - `driftline compact`: merges segments and folds amendments into them.
 */
#include <stdio.h>

#include "tools/upkeep.h"

enum {
    OPTION_FULL = OPTION_LONG(0)
};

static const struct option_spec compact_options[] = {
    {OPTION_FULL, "full", NULL, "also merges that are not due: one file an hour, then a day"},
    UPKEEP_OPTIONS,
};

static int take_option(void *context, int key, const char *value)
{
    (void)value;
    *(bool *)context = key == OPTION_FULL;
    return EXIT_CODE_OK;
}

/* Rows still in the log become segments first, so that they take part. */
static enum status compact_directory(struct upkeep *u, bool full, struct error *reterr)
{
    struct store store = {0};
    struct compact_result r = {0};
    enum status s = store_open(u->data, false, &store, reterr);
    if (s >= 0)
        s = engine_seal(store.engine, reterr);
    if (s >= 0)
        s = engine_compact(store.engine, full, &u->report, &r, reterr);
    store_close(&store);
    if (s < 0)
        return s;
    upkeep_add_count(&u->answer, "merges", r.merges);
    upkeep_add_count(&u->answer, "segments_in", r.segments_in);
    upkeep_add_count(&u->answer, "segments_out", r.segments_out);
    upkeep_add_count(&u->answer, "bytes_in", r.bytes_in);
    upkeep_add_count(&u->answer, "bytes_out", r.bytes_out);
    buffer_add_text(&u->answer, "}\n");
    return STATUS_OK;
}

static int compact_run(const struct command *self, int argc, char **argv)
{
    struct upkeep u;
    struct error error = {0};
    bool full = false;
    int operands, exit_code;
    if (!upkeep_begin(&u, self, argc, argv, take_option, &full, &operands, &exit_code))
        return exit_code;
    if (operands < argc)
        return command_usage_error("compact", "unexpected '%s'", argv[operands]);
    enum status s = u.data != NULL ? compact_directory(&u, full, &error)
                                   : upkeep_remote(&u, "POST",
                                                   full ? "/api/v1/admin/compact?full=true"
                                                        : "/api/v1/admin/compact",
                                                   &error);
    progress_end(&u.progress);
    if (s >= 0)
        s = upkeep_print(&u, &error);
    upkeep_end(&u);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_compact = {
    .usage = "compact [--full] [--data DIR] [FLAGS]",
    .examples = "  driftline compact\n"
                "  driftline compact --full --data /var/lib/driftline\n",
    .about = "The server compacts by itself; this is for doing it now.",
    OPTIONS(compact_options),
    .run = compact_run,
};
