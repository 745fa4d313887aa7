/*
 * retain.c - `driftline retain`: what is older or larger than allowed leaves.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/bytes_text.h"
#include "engine/base/clock.h"
#include "tools/upkeep.h"

enum {
    OPTION_DRY_RUN = OPTION_LONG(0),
    OPTION_YES,
    OPTION_AGE,
    OPTION_TEXT_AGE,
    OPTION_BYTES_MAX,
    OPTION_ALL_PROJECTS,
};

static const struct option_spec retain_options[] = {
    {OPTION_DRY_RUN, "dry-run", NULL, "only say what would leave"},
    {OPTION_YES, "yes", NULL, "do it"},
    {OPTION_AGE, "age", "DURATION", "spans, scores and tags older than this leave (30d)"},
    {OPTION_TEXT_AGE, "text-age", "DURATION", "message bodies older than this leave (7d)"},
    {OPTION_BYTES_MAX, "bytes-max", "SIZE",
     "oldest segments leave until a project is this small (10GiB)"},
    {OPTION_ALL_PROJECTS, "all-projects", NULL, "not only --project"},
    UPKEEP_OPTIONS,
};

struct retain_call {
    bool dry_run, yes, all_projects;
    const char *age, *text_age, *bytes_max; /* as given */
    struct retention retention;
};

static int take_duration(const char *flag, const char *value, int64_t *ret)
{
    if (duration_from_text(slice_text(value), ret) && *ret > 0)
        return EXIT_CODE_OK;
    return command_usage_error("retain", "%s wants a duration like 36h or 30d, not '%s'", flag,
                               value);
}

static int take_option(void *context, int key, const char *value)
{
    struct retain_call *c = context;
    switch (key) {
    case OPTION_DRY_RUN:
        c->dry_run = true;
        break;
    case OPTION_YES:
        c->yes = true;
        break;
    case OPTION_ALL_PROJECTS:
        c->all_projects = true;
        break;
    case OPTION_AGE:
        c->age = value;
        return take_duration("--age", value, &c->retention.rows_age_ns);
    case OPTION_TEXT_AGE:
        c->text_age = value;
        return take_duration("--text-age", value, &c->retention.text_age_ns);
    case OPTION_BYTES_MAX:
        c->bytes_max = value;
        if (!bytes_from_text(slice_text(value), &c->retention.bytes_max) ||
            c->retention.bytes_max == 0)
            return command_usage_error("retain", "--bytes-max wants a size like 10GiB, not '%s'",
                                       value);
        break;
    }
    return EXIT_CODE_OK;
}

static enum status retain_directory(struct upkeep *u, const struct retain_call *c,
                                    struct error *reterr)
{
    struct store store = {0};
    struct retain_result r = {0};
    uint32_t project = 0;
    enum status s = store_open(u->data, c->dry_run, &store, reterr);
    if (s >= 0 && !c->all_projects)
        s = engine_project(store.engine, slice_text(u->connect.project), false, &project, reterr);
    if (s >= 0)
        s = engine_retain(store.engine, project, &c->retention, c->dry_run, &u->report, &r, reterr);
    store_close(&store);
    if (s < 0)
        return s;
    upkeep_add_count(&u->answer, "segments", r.segments);
    upkeep_add_count(&u->answer, "rows", r.rows);
    upkeep_add_count(&u->answer, "bytes", r.bytes);
    upkeep_add_count(&u->answer, "packs", r.packs);
    upkeep_add_count(&u->answer, "messages", r.messages);
    upkeep_add_count(&u->answer, "text_bytes", r.text_bytes);
    buffer_printf(&u->answer, ",\"dry_run\":%s}\n", c->dry_run ? "true" : "false");
    return STATUS_OK;
}

static void add_parameter(struct buffer *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buffer_printf(path, "&%s=", name);
    url_encode(path, slice_text(value));
}

static enum status retain_remote(struct upkeep *u, const struct retain_call *c,
                                 struct error *reterr)
{
    struct buffer path = {0};
    buffer_printf(&path, "/api/v1/admin/retain?dry_run=%s", c->dry_run ? "true" : "false");
    add_parameter(&path, "age", c->age);
    add_parameter(&path, "text_age", c->text_age);
    add_parameter(&path, "bytes_max", c->bytes_max);
    add_parameter(&path, "project", c->all_projects ? NULL : u->connect.project);
    buffer_add_byte(&path, 0);
    enum status s = upkeep_remote(u, "POST", (const char *)path.data, reterr);
    buffer_deinit(&path);
    return s;
}

static int retain_run(const struct command *self, int argc, char **argv)
{
    struct upkeep u;
    struct error error = {0};
    struct retain_call c = {0};
    int operands, exit_code;
    if (!upkeep_begin(&u, self, argc, argv, take_option, &c, &operands, &exit_code))
        return exit_code;
    if (operands < argc)
        return command_usage_error("retain", "unexpected '%s'", argv[operands]);
    if (c.dry_run == c.yes)
        return command_usage_error("retain",
                                   "say --dry-run to see what would leave, or --yes to delete it");
    if (c.age == NULL && c.text_age == NULL && c.bytes_max == NULL)
        return command_usage_error("retain", "say what leaves: --age, --text-age or --bytes-max");
    enum status s =
        u.data != NULL ? retain_directory(&u, &c, &error) : retain_remote(&u, &c, &error);
    progress_end(&u.progress);
    if (s >= 0)
        s = upkeep_print(&u, &error);
    upkeep_end(&u);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

const struct command command_retain = {
    .usage = "retain --dry-run|--yes [--age D] [--text-age D] [--bytes-max SIZE] [FLAGS]",
    .examples =
        "  driftline retain --dry-run --age 30d --text-age 7d\n"
        "  driftline retain --yes --age 30d --text-age 7d\n"
        "  driftline retain --yes --bytes-max 10GiB --data /var/lib/driftline --all-projects\n",
    .about =
        "Whole files leave, oldest first, text before rows. To have the server do it by itself, set\n"
        "retention.rows_age, retention.text_age and retention.bytes_max in its configuration.",
    OPTIONS(retain_options),
    .run = retain_run,
};
