/*
 * rescore.c - `driftline rescore`: today's scorers over stored spans.
 */
#include <stdio.h>

#include "server/history/history_report.h"
#include "server/policy/policy.h"
#include "tools/history_call.h"

enum {
    OPTION_SCORER = OPTION_LONG(0),
    OPTION_POLICY
};

static const struct option_spec rescore_options[] = {
    {OPTION_SCORER, "scorer", "NAME", "only this one"},
    {OPTION_POLICY, "policy", "FILE", "with --data: the policy (a server uses its own)"},
    HISTORY_OPTIONS,
};

struct rescore_call {
    struct history_call history;
    const char *scorer, *policy;
};

static int take_option(void *context, int key, const char *value)
{
    struct rescore_call *c = context;
    if (key == OPTION_SCORER)
        c->scorer = value;
    else if (key == OPTION_POLICY)
        c->policy = value;
    else
        (void)history_call_take(&c->history, key, value);
    return EXIT_CODE_OK;
}

static enum status rescore_directory(struct upkeep *u, const struct rescore_call *c,
                                     struct error *reterr)
{
    struct policy policy;
    struct store store = {0};
    struct rescore_options options = {.from_ns = c->history.from_ns,
                                      .until_ns = c->history.until_ns,
                                      .scorer = c->scorer,
                                      .dry_run = c->history.dry_run,
                                      .offline = true};
    enum status s = policy_load(c->policy, NULL, &policy, reterr);
    if (s < 0)
        return s;
    const struct enrich_settings settings = policy_detach_settings(&policy);
    options.enricher = enricher_create(&settings);
    struct rescore_result *result = MEM_NEW(struct rescore_result);
    s = history_call_open(u, &c->history, &store, &options.project, reterr);
    if (s >= 0)
        s = history_rescore(store.engine, &options, &u->report, result, reterr);
    if (s >= 0)
        rescore_report(result, enricher_version(options.enricher), options.dry_run, &u->answer);
    store_close(&store);
    mem_free(result);
    enricher_destroy(options.enricher);
    policy_deinit(&policy);
    return s;
}

static enum status rescore_remote(struct upkeep *u, const struct rescore_call *c,
                                  struct error *reterr)
{
    struct buffer more = {0};
    if (c->scorer != NULL) {
        buffer_add_text(&more, "&scorer=");
        url_encode(&more, slice_text(c->scorer));
    }
    buffer_add_byte(&more, 0);
    enum status s = history_call_remote(u, &c->history, "rescore", (const char *)more.data,
                                        SLICE_EMPTY, reterr);
    buffer_deinit(&more);
    return s;
}

static int rescore_run(const struct command *self, int argc, char **argv)
{
    struct upkeep u;
    struct error error = {0};
    struct rescore_call c = {0};
    int operands;
    int exit_code;
    if (!upkeep_begin(&u, self, argc, argv, take_option, &c, &operands, &exit_code))
        return exit_code;
    if (operands < argc)
        return command_usage_error("rescore", "unexpected '%s'", argv[operands]);
    if (c.history.since == NULL)
        return command_usage_error("rescore", "say from when: --since 7d");
    if (c.policy != NULL && u.data == NULL)
        return command_usage_error("rescore", "--policy goes with --data; a server uses its own");
    if ((exit_code = history_call_check(&c.history, "rescore")) != EXIT_CODE_OK)
        return exit_code;
    enum status s =
        u.data != NULL ? rescore_directory(&u, &c, &error) : rescore_remote(&u, &c, &error);
    progress_end(&u.progress);
    if (s >= 0)
        s = history_call_print(&u, &error);
    upkeep_end(&u);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_rescore = {
    .usage = "rescore --since WHEN [--until WHEN] [--scorer NAME] [--dry-run] [FLAGS]",
    .examples = "  driftline rescore --since 7d --scorer grounding --dry-run\n"
                "  driftline rescore --since 2026-11-01\n"
                "  driftline rescore --since 30d --data /var/lib/driftline --policy policy.yaml\n",
    .about =
        "Where a score comes out differently, the new one shows on the span; the table scores keeps both, each with\n"
        "the version it was made by.",
    OPTIONS(rescore_options),
    .run = rescore_run,
};
