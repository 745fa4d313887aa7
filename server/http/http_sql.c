/*
 * http_sql.c - POST /api/v1/sql: one statement in, rows out.
 */
#include <stdlib.h>

#include "engine/base/limits.h"
#include "server/http/http_request.h"

struct sql_job {
    struct http_job base;
    struct query_options options;
    enum query_format format;
    uint32_t width;
    struct buffer text;
};

static const char *const content_types[] = {
    [QUERY_TABLE] = "text/plain; charset=utf-8",
    [QUERY_CSV] = "text/csv; charset=utf-8",
    [QUERY_JSON] = "application/json",
    [QUERY_NDJSON] = "application/x-ndjson",
};

static void sql_run(struct http_job *base)
{
    struct sql_job *j = (struct sql_job *)base;
    struct query_result *result = NULL;
    base->status =
        query_run(base->http->options.db, base->statement, &j->options, &result, &base->error);
    if (base->status < 0)
        return;
    query_result_write(result, j->format, j->width, &base->body);
    query_result_destroy(result);
}

static void sql_destroy(struct http_job *base)
{
    struct sql_job *j = (struct sql_job *)base;
    buffer_deinit(&j->text);
    mem_free(j);
}

void route_sql(struct request *r)
{
    struct error error = {0};
    const char *format = request_parameter(r, "format");
    const char *width = request_parameter(r, "width");
    enum query_format chosen = QUERY_JSON;
    uint32_t project;
    if (format != NULL && !query_format_from_name(slice_text(format), &chosen)) {
        (void)error_set(&error, STATUS_INVALID,
                        "format '%s' is not one of table, csv, json, ndjson", format);
        reply_error(r->event, &error, SLICE_EMPTY);
        return;
    }
    if (!request_project(r, &project))
        return;
    struct slice body = request_body(r);
    if (body.size > QUERY_TEXT_MAX) {
        (void)error_set(&error, STATUS_LIMIT, "the statement has %zu bytes, more than %u",
                        body.size, QUERY_TEXT_MAX);
        reply_error(r->event, &error, SLICE_EMPTY);
        return;
    }
    struct sql_job *j = MEM_NEW(struct sql_job);
    buffer_add_slice(&j->text, body);
    j->base.statement = buffer_slice(&j->text);
    j->base.run = sql_run;
    j->base.destroy = sql_destroy;
    j->base.content_type = content_types[chosen];
    j->format = chosen;
    j->width = width != NULL ? (uint32_t)strtoul(width, NULL, 10) : 0;
    j->options = r->http->options.limits;
    j->options.project = project;
    j->options.cancel = &j->base.cancel;
    http_job_start(r, r->http->options.queries, &j->base);
}
