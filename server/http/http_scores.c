/*
 * http_scores.c - scores and tags written back: POST /api/v1/scores and /api/v1/tags.
 *
 * Place:     bodies -> server/judge/write_back.h -> one commit
 * Promise:   all items or none; the answer is sent once the commit is durable and seen by queries. Items for spans that are
 *            not there yet are kept and join them on arrival.
 */
#include "server/http/http_request.h"
#include "server/judge/write_back.h"

struct write_job {
    struct http_job base;
    enum table table;
    uint32_t project;
    struct buffer text; /* the request's body: evhttp's own is the loop's */
};

static void write_run(struct http_job *base)
{
    struct write_job *j = (struct write_job *)base;
    struct engine *engine = base->http->options.engine;
    struct append_result result;
    struct append append = {.project = j->project};
    struct builder rows;
    builder_init(&rows, j->table, NULL);
    base->status = write_back_read(buffer_slice(&j->text), &rows, &base->error);
    if (base->status >= 0) {
        struct batch batch = builder_batch(&rows);
        if (j->table == TABLE_SCORES)
            append.scores = &batch;
        else
            append.tags = &batch;
        base->status = engine_append(engine, &append, &result, &base->error);
    }
    if (base->status >= 0) {
        base->ticket = result.ticket;
        buffer_printf(&base->body, "{\"%s\":%u}\n", table_name(j->table), rows.rows);
    }
    builder_deinit(&rows);
}

static void write_destroy(struct http_job *base)
{
    struct write_job *j = (struct write_job *)base;
    buffer_deinit(&j->text);
    mem_free(j);
}

static void write_start(struct request *r, enum table table)
{
    uint32_t project;
    if (!request_project(r, &project))
        return;
    struct write_job *j = MEM_NEW(struct write_job);
    buffer_add_slice(&j->text, request_body(r));
    j->base.run = write_run;
    j->base.destroy = write_destroy;
    j->base.content_type = "application/json";
    j->table = table;
    j->project = project;
    http_job_start(r, r->http->options.writers, &j->base);
}

void route_scores(struct request *r)
{
    write_start(r, TABLE_SCORES);
}

void route_tags(struct request *r)
{
    write_start(r, TABLE_TAGS);
}
