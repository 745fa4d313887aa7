/*
 * history_call.c - flags and calls of jobs over history.
 */
#include "tools/history_call.h"

#include "engine/base/clock.h"
#include "server/history/history_report.h"

bool history_call_take(struct history_call *c, int key, const char *value)
{
    if (key == HISTORY_SINCE)
        c->since = value;
    else if (key == HISTORY_UNTIL)
        c->until = value;
    else if (key == HISTORY_DRY_RUN)
        c->dry_run = true;
    else
        return false;
    return true;
}

int history_call_check(struct history_call *c, const char *command)
{
    struct error error = {0};
    if (history_range(c->since, c->until, clock_wall_ns(), &c->from_ns, &c->until_ns, &error) < 0)
        return command_usage_error(command, "--%s", error.text);
    return EXIT_CODE_OK;
}

static void add_parameter(struct buffer *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buffer_printf(path, "&%s=", name);
    url_encode(path, slice_text(value));
}

enum status history_call_remote(struct upkeep *u, const struct history_call *c, const char *job,
                                const char *more, struct slice body, struct error *reterr)
{
    struct buffer path = {0};
    buffer_printf(&path, "/api/v1/admin/%s?dry_run=%s", job, c->dry_run ? "true" : "false");
    add_parameter(&path, "since", c->since);
    add_parameter(&path, "until", c->until);
    add_parameter(&path, "project", u->connect.project);
    buffer_add_text(&path, more);
    buffer_add_byte(&path, 0);
    const struct http_request request = {
        .method = "POST", .path = (const char *)path.data, .body = body};
    enum status s = http_call(&u->connect, &request, &u->answer, NULL, reterr);
    buffer_deinit(&path);
    return s;
}

enum status history_call_open(const struct upkeep *u, const struct history_call *c,
                              struct store *ret, uint32_t *ret_project, struct error *reterr)
{
    enum status s = store_open(u->data, c->dry_run, ret, reterr);
    if (s >= 0)
        s = engine_project(ret->engine, slice_text(u->connect.project), false, ret_project, reterr);
    return s;
}
