/*
 * ingest_otlp.c - an OTLP request becomes commits.
 *
 * Place:     body -> otlp_read -> mapper -> chunk of rows -> ingest_commit
 * Invariant: a span is counted as accepted only once the commit that holds it was taken. One span that can't be stored
 *            never takes its neighbours with it.
 * Failure:   BUSY and its like in the middle of a request end it: the client sends all of it again, and what was taken
 *            already is dropped as duplicate then.
 */
#include "server/ingest/ingest_internal.h"

#include <stdio.h>

#include "engine/base/check.h"

struct otlp_job {
    struct ingest *in;
    struct enricher *enricher;
    struct otlp_worker *worker;
    struct ingest_result *result;
    uint32_t project;
    uint64_t waiting; /* spans or records in the chunk */
};

/* ---- workers ---- */

void otlp_worker_destroy(struct otlp_worker *w)
{
    otlp_reader_destroy(w->reader);
    mapper_destroy(w->mapper);
    if (w->project != 0)
        mapped_deinit(&w->mapped);
    arena_deinit(&w->arena);
    mem_free(w);
}

static struct otlp_worker *worker_take(struct ingest *in, uint32_t project)
{
    mutex_lock(&in->lock);
    struct otlp_worker *w = in->idle;
    if (w != NULL)
        in->idle = w->next;
    mutex_unlock(&in->lock);
    if (w == NULL) {
        w = MEM_NEW(struct otlp_worker);
        w->reader = otlp_reader_create();
        w->mapper = mapper_create(NULL);
    }
    if (w->project != project) {
        if (w->project != 0)
            mapped_deinit(&w->mapped);
        mapped_init(&w->mapped, engine_schema(in->engine, project));
        w->project = project;
    }
    return w;
}

static void worker_give_back(struct ingest *in, struct otlp_worker *w)
{
    mapped_reset(&w->mapped);
    arena_reset(&w->arena);
    mutex_lock(&in->lock);
    w->next = in->idle;
    in->idle = w;
    mutex_unlock(&in->lock);
}

/* ---- chunks ---- */

static void note(struct otlp_job *j, const char *text)
{
    if (j->result->message[0] == 0)
        (void)snprintf(j->result->message, sizeof j->result->message, "%s", text);
}

static enum status commit(struct otlp_job *j, const struct append *append, struct error *reterr)
{
    struct append_result taken = {0};
    enum status s =
        ingest_commit(j->in, j->enricher, append, true, &j->worker->arena, &taken, reterr);
    if (s < 0)
        return s;
    if (taken.ticket > j->result->ticket)
        j->result->ticket = taken.ticket;
    j->result->duplicates += taken.duplicates;
    return STATUS_OK;
}

/* Rows [first, first + count) of the chunk; what the engine finds invalid is cut in halves until the one row that is to blame
 * stands alone. */
static enum status commit_rows(struct otlp_job *j, const struct append *whole, uint32_t first,
                               uint32_t count, struct error *reterr)
{
    struct batch part = batch_edit(whole->spans, TABLE_SPANS, 0, &j->worker->arena);
    uint32_t *rows = ARENA_ARRAY(&j->worker->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = first + i;
    batch_pick(&part, rows, count, &j->worker->arena);
    struct append append = *whole;
    append.spans = &part;
    append.scores = NULL;
    append.tags = NULL;
    struct error error = {0};
    enum status s = commit(j, &append, &error);
    if (s != STATUS_INVALID && s != STATUS_LIMIT) {
        if (s < 0 && reterr != NULL)
            *reterr = error;
        return s;
    }
    if (count == 1) {
        note(j, error.text);
        j->result->rejected++;
        j->waiting--;
        return STATUS_OK;
    }
    s = commit_rows(j, whole, first, count / 2, reterr);
    return s < 0 ? s : commit_rows(j, whole, first + count / 2, count - count / 2, reterr);
}

static enum status commit_apart(struct otlp_job *j, const struct append *whole,
                                struct error *reterr)
{
    enum status s = STATUS_OK;
    if (whole->spans->rows > 0)
        s = commit_rows(j, whole, 0, whole->spans->rows, reterr);
    struct append amendments = {
        .project = whole->project, .scores = whole->scores, .tags = whole->tags};
    struct error error = {0};
    if (s < 0)
        return s;
    s = commit(j, &amendments, &error);
    if (s == STATUS_INVALID || s == STATUS_LIMIT) {
        note(j, error.text);
        j->result->rejected++;
        return STATUS_OK;
    }
    if (s < 0 && reterr != NULL)
        *reterr = error;
    return s;
}

static enum status flush(struct otlp_job *j, struct error *reterr)
{
    struct mapped *m = &j->worker->mapped;
    struct batch spans = builder_batch(&m->spans);
    struct batch scores = builder_batch(&m->scores);
    struct batch tags = builder_batch(&m->tags);
    if (spans.rows + scores.rows + tags.rows == 0)
        return STATUS_OK;
    struct append append = {.project = j->project,
                            .spans = &spans,
                            .scores = &scores,
                            .tags = &tags,
                            .messages = m->messages.messages,
                            .message_count = m->messages.count};
    struct error error = {0};
    enum status s = commit(j, &append, &error);
    if (s == STATUS_INVALID || s == STATUS_LIMIT)
        s = commit_apart(j, &append, &error);
    if (s >= 0)
        j->result->accepted += j->waiting;
    else if (reterr != NULL)
        *reterr = error;
    j->waiting = 0;
    mapped_reset(m);
    arena_reset(&j->worker->arena);
    return s;
}

static enum status flush_if_full(struct otlp_job *j, struct error *reterr)
{
    const struct mapped *m = &j->worker->mapped;
    bool full = m->spans.rows >= INGEST_CHUNK_ROWS || m->scores.rows >= INGEST_CHUNK_ROWS ||
                m->tags.rows >= INGEST_CHUNK_ROWS || m->bytes >= INGEST_CHUNK_BYTES;
    return full ? flush(j, reterr) : STATUS_OK;
}

/* A record the mapper refuses is one less; anything else ends the request. */
static enum status taken(struct otlp_job *j, enum status s, const struct error *error,
                         struct error *reterr)
{
    if (s == STATUS_OK)
        j->waiting++;
    if (s >= 0)
        return flush_if_full(j, reterr);
    if (s != STATUS_INVALID && s != STATUS_LIMIT) {
        if (reterr != NULL)
            *reterr = *error;
        return s;
    }
    note(j, error->text);
    j->result->rejected++;
    return STATUS_OK;
}

static enum status on_span(void *context, const struct otlp_span *span, struct error *reterr)
{
    struct otlp_job *j = context;
    struct error error = {0};
    enum status s = mapper_span(j->worker->mapper, span, &j->worker->mapped, &error);
    return taken(j, s, &error, reterr);
}

static enum status on_log(void *context, const struct otlp_log *log, struct error *reterr)
{
    struct otlp_job *j = context;
    struct error error = {0};
    enum status s = mapper_log(j->worker->mapper, log, &j->worker->mapped, &error);
    return taken(j, s, &error, reterr);
}

static void count(struct ingest *in, const struct ingest_request *request,
                  const struct ingest_result *result)
{
    mutex_lock(&in->lock);
    in->stats.requests++;
    in->stats.bytes += request->body.size;
    in->stats.rejected += result->rejected;
    in->stats.duplicates += result->duplicates;
    if (request->signal == OTLP_TRACES)
        in->stats.spans += result->accepted;
    else
        in->stats.logs += result->accepted;
    mutex_unlock(&in->lock);
}

enum status ingest_otlp(struct ingest *in, const struct ingest_request *request,
                        struct ingest_result *ret, struct error *reterr)
{
    memset(ret, 0, sizeof *ret);
    enum status s = engine_accepts(in->engine, reterr);
    if (s < 0)
        return s;
    struct shared_enricher *held = ingest_hold(in);
    struct otlp_job j = {.in = in,
                         .enricher = held->enricher,
                         .worker = worker_take(in, request->project),
                         .result = ret,
                         .project = request->project};
    struct otlp_sink sink = {.span = on_span, .log = on_log, .context = &j};
    struct otlp_result read = {0};
    s = otlp_read(j.worker->reader, request->signal, request->encoding, request->body, &sink, &read,
                  reterr);
    /* Spans before the place where a body breaks are kept: they are whole. */
    struct error error = {0};
    enum status flushed = s >= 0 || s == STATUS_INVALID ? flush(&j, &error) : STATUS_OK;
    if (flushed < 0) {
        s = flushed;
        if (reterr != NULL)
            *reterr = error;
    }
    ret->rejected += read.rejected;
    note(&j, read.message);
    worker_give_back(in, j.worker);
    ingest_release(in, held);
    /* A body that breaks after good spans is a partial success: a refusal would make some clients give up altogether. */
    if (s == STATUS_INVALID && ret->accepted > 0) {
        ret->rejected += 1;
        if (reterr != NULL)
            (void)snprintf(ret->message, sizeof ret->message, "%s", reterr->text);
        s = STATUS_OK;
    }
    count(in, request, ret);
    return s;
}
