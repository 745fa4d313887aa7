/*
 * http_alerts.c - alert rules over HTTP: what they are, reload, try out.
 */
#include "server/alert/alert_rule.h"
#include "server/http/http_request.h"

struct alerts_job {
    struct http_job base;
    uint32_t project; /* whose rules and incidents */
    struct principal principal;
    struct buffer rules; /* YAML to try out */
    char *rule;
};

static void alerts_destroy(struct http_job *base)
{
    struct alerts_job *j = (struct alerts_job *)base;
    buffer_deinit(&j->rules);
    mem_free(j->rule);
    mem_free(j);
}

static struct alerts_job *alerts_make(void (*run)(struct http_job *job))
{
    struct alerts_job *j = MEM_NEW(struct alerts_job);
    j->base.run = run;
    j->base.destroy = alerts_destroy;
    j->base.content_type = "application/json";
    return j;
}

/* The tables say it all; one query each keeps this door as honest as SQL. */
static void list_run(struct http_job *base)
{
    static const struct {
        const char *name;
        const char *statement;
    } parts[] = {{"rules", "select * from alert_rules order by name"},
                 {"incidents", "select * from incidents order by started desc limit 100"}};
    struct alerts_job *j = (struct alerts_job *)base;
    buffer_add_text(&base->body, "{");
    for (size_t i = 0; i < 2 && base->status >= 0; i++) {
        struct query_result *result = NULL;
        struct query_options options = base->http->options.limits;
        options.project = j->project;
        options.cancel = &base->cancel;
        base->status = query_run(base->http->options.db, slice_text(parts[i].statement), &options,
                                 &result, &base->error);
        if (base->status < 0)
            return;
        struct buffer rows = {0};
        query_result_write(result, QUERY_NDJSON, 0, &rows);
        query_result_destroy(result);
        buffer_printf(&base->body, "%s\"%s\":[", i == 0 ? "" : ",", parts[i].name);
        for (size_t k = 0; k < rows.size; k++) {
            bool between = rows.data[k] == '\n';
            if (!between)
                buffer_add_byte(&base->body, rows.data[k]);
            else if (k + 1 < rows.size)
                buffer_add_byte(&base->body, ',');
        }
        buffer_add_text(&base->body, "]");
        buffer_deinit(&rows);
    }
    buffer_add_text(&base->body, "}\n");
}

void route_alerts(struct request *r)
{
    uint32_t project;
    if (!request_project(r, &project))
        return;
    struct alerts_job *j = alerts_make(list_run);
    j->project = project;
    http_job_start(r, r->http->options.queries, &j->base);
}

void route_alerts_reload(struct request *r)
{
    struct error error = {0};
    enum status s =
        r->http->options.alerts == NULL
            ? error_set(&error, STATUS_NOT_FOUND, "no rules file is configured: serve --rules FILE")
            : alerts_reload(r->http->options.alerts, &error);
    if (s < 0) {
        reply_error(r->event, &error, SLICE_EMPTY);
        return;
    }
    struct buffer body = {0};
    buffer_add_text(&body, "{\"reloaded\":true}\n");
    reply_json(r->event, HTTP_OK, &body);
    buffer_deinit(&body);
}

/* A rule names its own project, so it is not the request's project that must be allowed but every rule's. */
static enum status rules_allowed(const struct principal *p, const struct alert_rules *rules,
                                 struct error *reterr)
{
    for (uint32_t i = 0; i < rules->rule_count; i++) {
        enum status s = auth_allow(p, SCOPE_READ, slice_text(rules->rules[i].project), reterr);
        if (s < 0) {
            error_prefix(reterr, "rule %s", rules->rules[i].name);
            return s;
        }
    }
    return STATUS_OK;
}

static void test_run(struct http_job *base)
{
    struct alerts_job *j = (struct alerts_job *)base;
    struct alert_rules *rules = NULL;
    base->status = alert_rules_parse("rules", buffer_slice(&j->rules), base->http->options.db,
                                     &rules, &base->error);
    if (base->status >= 0)
        base->status = rules_allowed(&j->principal, rules, &base->error);
    if (base->status >= 0)
        base->status = alert_rules_test(rules, j->rule, base->http->options.engine,
                                        base->http->options.db, &base->body, &base->error);
    alert_rules_destroy(rules);
}

void route_alerts_test(struct request *r)
{
    const char *rule = request_parameter(r, "rule");
    struct alerts_job *j = alerts_make(test_run);
    buffer_add_slice(&j->rules, request_body(r));
    j->principal = r->principal;
    j->rule = rule != NULL ? mem_strdup(rule) : NULL;
    http_job_start(r, r->http->options.queries, &j->base);
}
