/*
 * reprice.c - `driftline reprice`: costs of stored spans under another price table.
 */
#include <stdio.h>

#include "server/history/history_report.h"
#include "server/policy/policy.h"
#include "tools/history_call.h"
#include "tools/input.h"

enum {
    OPTION_TABLE = OPTION_LONG(0),
    OPTION_ALL
};

static const struct option_spec reprice_options[] = {
    {OPTION_TABLE, "table", "FILE", "the price table, YAML ('-': standard input)"},
    {OPTION_ALL, "all", NULL, "also costs that clients reported"},
    HISTORY_OPTIONS,
};

struct reprice_call {
    struct history_call history;
    const char *table;
    bool all;
};

static int take_option(void *context, int key, const char *value)
{
    struct reprice_call *c = context;
    if (key == OPTION_TABLE)
        c->table = value;
    else if (key == OPTION_ALL)
        c->all = true;
    else
        (void)history_call_take(&c->history, key, value);
    return EXIT_CODE_OK;
}

static enum status reprice_directory(struct upkeep *u, const struct reprice_call *c,
                                     struct price_table *prices, struct error *reterr)
{
    struct store store = {0};
    struct reprice_options options = {.from_ns = c->history.from_ns,
                                      .until_ns = c->history.until_ns,
                                      .table = prices,
                                      .dry_run = c->history.dry_run,
                                      .all = c->all};
    struct reprice_result result;
    enum status s = history_call_open(u, &c->history, &store, &options.project, reterr);
    if (s >= 0)
        s = history_reprice(store.engine, &options, &u->report, &result, reterr);
    if (s >= 0)
        reprice_report(&result, price_table_version(prices), options.dry_run, &u->answer);
    store_close(&store);
    return s;
}

/* The table is read here in any case, so that what is wrong with it is said with its name. */
static enum status reprice(struct upkeep *u, const struct reprice_call *c, struct error *reterr)
{
    struct input file = {0};
    struct price_table *prices = NULL;
    enum status s = input_open(c->table, &file, reterr);
    if (s >= 0)
        s = input_all(&file, reterr);
    if (s >= 0)
        s = policy_prices_parse(c->table, input_window(&file), &prices, reterr);
    if (s >= 0 && u->data != NULL)
        s = reprice_directory(u, c, prices, reterr);
    else if (s >= 0)
        s = history_call_remote(u, &c->history, "reprice", c->all ? "&all=true" : "",
                                input_window(&file), reterr);
    price_table_destroy(prices);
    input_close(&file);
    return s;
}

static int reprice_run(const struct command *self, int argc, char **argv)
{
    struct upkeep u;
    struct error error = {0};
    struct reprice_call c = {0};
    int operands;
    int exit_code;
    if (!upkeep_begin(&u, self, argc, argv, take_option, &c, &operands, &exit_code))
        return exit_code;
    if (operands < argc)
        return command_usage_error("reprice", "unexpected '%s'", argv[operands]);
    if (c.table == NULL)
        return command_usage_error("reprice", "say which prices: --table FILE");
    if ((exit_code = history_call_check(&c.history, "reprice")) != EXIT_CODE_OK)
        return exit_code;
    enum status s = reprice(&u, &c, &error);
    progress_end(&u.progress);
    if (s >= 0)
        s = history_call_print(&u, &error);
    upkeep_end(&u);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_reprice = {
    .usage = "reprice --table FILE [--dry-run] [--since WHEN] [--until WHEN] [--all] [FLAGS]",
    .examples = "  driftline reprice --table prices.yaml --dry-run\n"
                "  driftline reprice --table prices.yaml --since 30d\n"
                "  driftline reprice --table prices.yaml --data /var/lib/driftline --all\n",
    .about =
        "Costs that were computed, and missing ones, are computed anew from the stored tokens; each span keeps the\n"
        "version of the table its cost stands for. Where the table has no price, the old cost stays. What clients\n"
        "reported is left alone without --all.",
    OPTIONS(reprice_options),
    .run = reprice_run,
};
