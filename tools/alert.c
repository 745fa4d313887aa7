/*
 * alert.c - `driftline alert`: rules and incidents of a server, and rule files before they are used.
 */
#include "server/alert/alert.h"

#include <stdio.h>
#include <string.h>

#include "tools/input.h"
#include "tools/sql_session.h"

enum {
    OPTION_JSON = OPTION_LONG(0),
    OPTION_RULE,
    OPTION_DATA
};

static const struct option_spec alert_options[] = {
    {OPTION_RULE, "rule", "NAME", "test: only this rule"},
    {OPTION_JSON, "json", NULL, "list: print JSON"},
    {OPTION_DATA, "data", "DIR", "check, test: against this store; its server must be down"},
    CONNECT_OPTIONS,
};

struct alert_call {
    struct sql_session session;
    const char *rule;
    const char *data;
    bool json;
};

/* ---- list ---- */

static int alert_list(struct alert_call *c)
{
    struct error error = {0};
    if (c->json) {
        struct buffer body = {0};
        struct http_request request = {
            .method = "GET", .path = "/api/v1/alerts", .body = SLICE_EMPTY};
        enum status s = http_call(&c->session.connect, &request, &body, NULL, &error);
        if (s >= 0)
            (void)printf("%.*s", SLICE_ARG(buffer_slice(&body)));
        buffer_deinit(&body);
        return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
    }
    c->session.format = QUERY_TABLE;
    int exit_code =
        sql_session_run(&c->session, slice_text("select * from alert_rules order by name"));
    if (exit_code != EXIT_CODE_OK)
        return exit_code;
    (void)putchar('\n');
    return sql_session_run(&c->session,
                           slice_text("select * from incidents order by started desc limit 20"));
}

/* ---- check ---- */

static int alert_check(struct alert_call *c, const char *path)
{
    struct error error = {0};
    struct alert_rules *rules = NULL;
    enum status s = STATUS_OK;
    if (c->data != NULL)
        s = sql_session_open_data(&c->session, c->data, &error);
    if (s >= 0)
        s = alert_rules_load(path, c->session.db, &rules, &error);
    if (s >= 0)
        (void)printf("%s: ok, %u rules%s\n", path, alert_rules_count(rules),
                     c->data != NULL ? ""
                                     : " (their SQL is checked by `alert test` or with --data)");
    alert_rules_destroy(rules);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

/* ---- test ---- */

static enum status test_local(struct alert_call *c, const char *path, struct buffer *to,
                              struct error *reterr)
{
    struct alert_rules *rules = NULL;
    enum status s = sql_session_open_data(&c->session, c->data, reterr);
    if (s >= 0)
        s = alert_rules_load(path, c->session.db, &rules, reterr);
    if (s >= 0)
        s = alert_rules_test(rules, c->rule, c->session.store.engine, c->session.db, to, reterr);
    alert_rules_destroy(rules);
    return s;
}

static enum status test_remote(struct alert_call *c, const char *path, struct buffer *to,
                               struct error *reterr)
{
    struct input in = {0};
    struct buffer url = {0};
    enum status s = input_open(path, &in, reterr);
    if (s >= 0)
        s = input_all(&in, reterr);
    buffer_add_text(&url, "/api/v1/alerts/test");
    if (c->rule != NULL) {
        buffer_add_text(&url, "?rule=");
        url_encode(&url, slice_text(c->rule));
    }
    buffer_add_byte(&url, 0);
    if (s >= 0) {
        struct http_request request = {.method = "POST",
                                       .path = (const char *)url.data,
                                       .body = input_window(&in),
                                       .content_type = "application/yaml"};
        s = http_call(&c->session.connect, &request, to, NULL, reterr);
    }
    buffer_deinit(&url);
    input_close(&in);
    return s;
}

static int alert_test(struct alert_call *c, const char *path)
{
    struct error error = {0};
    struct buffer answer = {0};
    enum status s = c->data != NULL ? test_local(c, path, &answer, &error)
                                    : test_remote(c, path, &answer, &error);
    if (s >= 0)
        (void)printf("%.*s", SLICE_ARG(buffer_slice(&answer)));
    buffer_deinit(&answer);
    return s < 0 ? command_fail(&error) : EXIT_CODE_OK;
}

static int alert_run(const struct command *self, int argc, char **argv)
{
    struct alert_call c = {.rule = NULL};
    struct error error = {0};
    int exit_code = EXIT_CODE_OK;
    if (connect_init(&c.session.connect, &error) < 0)
        return command_usage_error("alert", "%s", error.text);
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return exit_code;
        if (connect_option(&c.session.connect, key, o.value, &s, &error)) {
            if (s < 0)
                return command_usage_error("alert", "%s", error.text);
        } else if (key == OPTION_RULE) {
            c.rule = o.value;
        } else if (key == OPTION_DATA) {
            c.data = o.value;
        } else if (key == OPTION_JSON) {
            c.json = true;
        }
    }
    const char *verb = o.at < argc ? argv[o.at] : "";
    const char *file = o.at + 1 < argc ? argv[o.at + 1] : NULL;
    bool takes_file = strcmp(verb, "check") == 0 || strcmp(verb, "test") == 0;
    if (!takes_file && strcmp(verb, "list") != 0)
        return command_usage_error("alert", "list, check FILE or test FILE expected");
    if (takes_file != (file != NULL) || argc - o.at > 2)
        return command_usage_error("alert",
                                   takes_file ? "%s needs one FILE" : "%s takes no operand", verb);
    if (strcmp(verb, "list") == 0)
        exit_code = alert_list(&c);
    else if (strcmp(verb, "check") == 0)
        exit_code = alert_check(&c, file);
    else
        exit_code = alert_test(&c, file);
    sql_session_close(&c.session);
    return exit_code;
}

const struct command command_alert = {
    .usage = "alert list | check FILE | test FILE [FLAGS]",
    .examples =
        "  driftline alert list\n"
        "  driftline alert check rules.yaml\n"
        "  driftline alert test rules.yaml --rule groundedness_drop   # what it would say now\n"
        "  driftline alert list --json | jq '.incidents[] | select(.state == \"firing\")'\n",
    .about =
        "check reads a rules file; test also runs each rule once on the server's data and prints value, condition\n"
        "and would-be state as JSON, storing and sending nothing.",
    OPTIONS(alert_options),
    .run = alert_run,
};
