/*
 * remap.c - `driftline remap`: today's dialect table over what an older one left in attributes.
 */
#include <stdio.h>

#include "server/history/history_report.h"
#include "tools/history_call.h"

static const struct option_spec remap_options[] = {
    HISTORY_OPTIONS,
};

static int take_option(void *context, int key, const char *value)
{
    (void)history_call_take(context, key, value);
    return EXIT_CODE_OK;
}

static enum status remap_directory(struct upkeep *u, const struct history_call *c,
                                   struct error *reterr)
{
    struct store store = {0};
    struct remap_options options = {
        .from_ns = c->from_ns, .until_ns = c->until_ns, .dry_run = c->dry_run, .offline = true};
    struct remap_result result;
    enum status s = history_call_open(u, c, &store, &options.project, reterr);
    if (s >= 0)
        s = history_remap(store.engine, &options, &u->report, &result, reterr);
    if (s >= 0)
        remap_report(&result, options.dry_run, &u->answer);
    store_close(&store);
    return s;
}

static int remap_run(const struct command *self, int argc, char **argv)
{
    struct upkeep u;
    struct error error = {0};
    struct history_call c = {0};
    int operands;
    int exit_code;
    if (!upkeep_begin(&u, self, argc, argv, take_option, &c, &operands, &exit_code))
        return exit_code;
    if (operands < argc)
        return command_usage_error("remap", "unexpected '%s'", argv[operands]);
    if ((exit_code = history_call_check(&c, "remap")) != EXIT_CODE_OK)
        return exit_code;
    enum status s = u.data != NULL ? remap_directory(&u, &c, &error)
                                   : history_call_remote(&u, &c, "remap", "", SLICE_EMPTY, &error);
    progress_end(&u.progress);
    if (s >= 0)
        s = history_call_print(&u, &error);
    upkeep_end(&u);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_remap = {
    .usage = "remap [--since WHEN] [--until WHEN] [--dry-run] [FLAGS]",
    .examples = "  driftline remap --dry-run\n"
                "  driftline remap --since 90d\n"
                "  driftline remap --data /var/lib/driftline\n",
    .about =
        "Attributes that no column was known for are kept with their span. When a newer Driftline knows one,\n"
        "this fills it in: only cells that are NULL, and what is used leaves the attributes.",
    OPTIONS(remap_options),
    .run = remap_run,
};
