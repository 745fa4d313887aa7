/*
 * pg_execute.c - runs the statement of a portal on a worker and sends its rows.
 */
#include <stdio.h>

#include "engine/base/check.h"
#include "server/pgwire/pg_session.h"

#define SEND_CHUNK_BYTES (256u << 10)

struct pg_job {
    struct net_job job;
    struct pg_session *session;
    struct pg_portal *portal;
    struct query_options options;
    enum status status;
    struct query_result *result;
    struct error error;
};

static void job_run(struct net_job *job)
{
    struct pg_job *j = (struct pg_job *)job;
    j->status = query_run(j->session->server->options.db, j->portal->text, &j->options, &j->result,
                          &j->error);
}

static void job_done(struct net_job *job)
{
    struct pg_job *j = (struct pg_job *)job;
    struct pg_session *s = j->session;
    struct pg_portal *p = j->portal;
    s->job_running = false;
    if (job->run == NULL)
        j->status = error_set(&j->error, STATUS_CANCELLED, "the server is shutting down");
    if (s->gone) {
        if (j->status >= 0)
            query_result_destroy(j->result);
        mem_free(j);
        session_close(s);
        return;
    }
    s->state = PG_READY;
    if (j->status < 0) {
        session_error(s, &j->error, p->text);
        execute_finished(s, true);
    } else {
        p->result = j->result;
        p->executed = true;
        if (p->result->partial)
            pg_notice(&s->out, p->result->notice);
        if (s->in_simple)
            row_description(s, p->result->columns, p->result->column_count, NULL, 0);
        execute_send(s);
    }
    mem_free(j);
    if (s->server->draining && s->state == PG_READY)
        session_fatal(s, "57P01", "the server is shutting down");
    session_process(s);
}

static void submit(struct pg_session *s, struct pg_portal *p)
{
    struct pg_job *j = MEM_NEW(struct pg_job);
    j->job.run = job_run;
    j->job.done = job_done;
    j->session = s;
    j->portal = p;
    j->options = s->server->options.limits;
    j->options.project = s->project;
    j->options.cancel = &s->cancel;
    j->options.parameters = p->parameters;
    j->options.parameter_count = p->parameter_count;
    atomic_store(&s->cancel, false);
    struct error error = {0};
    if (net_pool_submit(s->server->options.queries, &j->job, &error) < 0) {
        mem_free(j);
        session_error(s, &error, p->text);
        execute_finished(s, true);
        return;
    }
    s->job_running = true;
    s->state = PG_RUNNING;
}

void execute_start(struct pg_session *s, struct pg_portal *p)
{
    s->current = p;
    s->rows_sent = 0;
    if (p->executed) {
        execute_send(s);
        return;
    }
    struct error error = {0};
    switch (pg_command_answer(s, p->text, true, &p->tag, &p->result, &error)) {
    case PG_ANSWER_QUERY:
        submit(s, p);
        return;
    case PG_ANSWER_EMPTY:
        pg_bare(&s->out, 'I');
        execute_finished(s, false);
        return;
    case PG_ANSWER_COMMAND:
        pg_command_complete(&s->out, p->tag);
        execute_finished(s, false);
        return;
    case PG_ANSWER_ROWS:
        p->own_result = true;
        p->executed = true;
        if (s->in_simple)
            row_description(s, p->result->columns, p->result->column_count, NULL, 0);
        execute_send(s);
        return;
    case PG_ANSWER_ERROR:
        session_error(s, &error, p->text);
        execute_finished(s, true);
        return;
    }
}

static enum pg_format format_of(const uint16_t *formats, uint32_t count, uint32_t column)
{
    if (count == 0)
        return PG_FORMAT_TEXT;
    return formats[count == 1 ? 0 : column] == PG_FORMAT_BINARY ? PG_FORMAT_BINARY : PG_FORMAT_TEXT;
}

void row_description(struct pg_session *s, const struct query_column *columns, uint32_t count,
                     const uint16_t *formats, uint32_t format_count)
{
    size_t start = pg_begin(&s->out, 'T');
    pg_put_u16(&s->out, (uint16_t)count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t oid = pg_oid_of(columns[i].type);
        pg_put_text(&s->out, columns[i].name);
        pg_put_u32(&s->out, 0); /* no table */
        pg_put_u16(&s->out, 0);
        pg_put_u32(&s->out, oid);
        pg_put_u16(&s->out, (uint16_t)pg_size_of(oid));
        pg_put_u32(&s->out, UINT32_MAX); /* no type modifier */
        pg_put_u16(&s->out, (uint16_t)format_of(formats, format_count, i));
    }
    pg_end(&s->out, start);
}

static void data_row(struct pg_session *s, const struct pg_portal *p, uint64_t row)
{
    const struct query_result *r = p->result;
    size_t start = pg_begin(&s->out, 'D');
    pg_put_u16(&s->out, (uint16_t)r->column_count);
    for (uint32_t i = 0; i < r->column_count; i++)
        pg_value_write(&r->cells[row * r->column_count + i], r->columns[i].type,
                       format_of(p->formats, p->format_count, i), &s->out);
    pg_end(&s->out, start);
}

void execute_send(struct pg_session *s)
{
    struct pg_portal *p = s->current;
    ASSERT(p->result != NULL);
    s->state = PG_READY;
    while (p->next_row < p->result->row_count) {
        if (s->rows_max != 0 && s->rows_sent == s->rows_max) {
            pg_bare(&s->out, 's');
            execute_finished(s, false);
            return;
        }
        data_row(s, p, p->next_row++);
        s->rows_sent++;
        if (s->out.size < SEND_CHUNK_BYTES)
            continue;
        session_flush(s);
        if (evbuffer_get_length(bufferevent_get_output(s->events)) > PG_OUTPUT_HIGH_BYTES) {
            s->state = PG_SENDING;
            return;
        }
    }
    char tag[64];
    (void)snprintf(tag, sizeof tag, "SELECT %llu", (unsigned long long)s->rows_sent);
    pg_command_complete(&s->out, tag);
    execute_finished(s, false);
}
